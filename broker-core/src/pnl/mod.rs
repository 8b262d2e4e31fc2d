//! The books: records become round trips, lots, positions and cash.
//!
//! Pure and exact: no I/O, no clock, no rounding but where it is named. A fill's value is price x quantity (inverse
//! contracts: quantity / price, to 18 places); the PnL of a trade is what its exits were worth less what its entries
//! cost, times the multiplier. Sums of values are kept, never averages, so nothing drifts; average prices are worked
//! out when they are read, to 28 digits. A sum that does not fit 28 digits is an error.
//!
//! What is not known is not invented: a trade with an unknown opening price or multiplier has no PnL, and the
//! instrument is listed in [`Books::unpriced`]. Its quantities count all the same.
//!
//! Cash moves by the instrument's [`Payoff`](crate::model::Payoff): by price x quantity where the price is paid, by
//! the realized PnL where only the difference is (futures, CFDs, inverse contracts). A quantity that a flow moves
//! brings only the cash that the flow states; except that shares delivered by exercise or assignment at a strike,
//! with no cash stated, are paid for like a fill, and that a margined product settled at a price pays its PnL.
//!
//! A quantity that leaves by a transfer or reorganization without a price leaves at its cost: nothing is realized.

mod book;
mod books;
mod exact;
mod flow;
mod fx;
mod home;
mod lots;
mod mark;
mod round;
mod slot;
mod terms;

pub use book::{LotMethod, TradeBook};
pub use books::{BookPosition, Books, BrokerPnl, InstrumentBook, Reason, Unpriced};
pub use fx::{Converted, FxRates, RateTable, convert};
pub use lots::OpenLot;
pub use mark::{BookMark, ClosedTrade};
