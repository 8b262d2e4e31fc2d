//! What all brokers have in common, one file a noun.
//!
//! Outputs have plain public fields and are not `non_exhaustive`: a broker crate makes each in one literal, and a
//! new field breaks the build until somebody decides its value. Words that a broker may add to are enums with
//! `Other`, which keeps the broker's text.

#[macro_use]
mod words;

mod account;
mod balance;
mod event;
mod history;
mod instrument;
mod market;
mod order;
mod position;
mod query;
mod record;
mod request;
mod trade;

pub use account::{Access, Account, AccountStatus, Environment, PositionMode};
pub use balance::{Balance, BalancePart, Balances};
pub use event::{Coverage, Event, Subscription};
pub use history::{Completeness, History, Opening};
pub use instrument::{
    AssetClass, ExerciseStyle, Instrument, InstrumentStatus, Margin, OptionRight, OptionTerms, Payoff, TickBand,
};
pub use market::{Candle, CandleQuery, Hours, Interval, Quote, Session};
pub use order::{
    Amount, Group, Order, OrderKind, OrderLeg, OrderLinks, OrderRef, OrderStatus, PositionEffect, TimeInForce, Trail,
};
pub use position::{Position, PositionLeg};
pub use query::{HistoryQuery, InstrumentQuery, OrderQuery, OrderState, Window};
pub use record::{
    Asset, Conversion, Fee, Fill, Flow, FlowKind, Grade, Liquidity, LotRole, LotUse, Record, RecordKey, Void,
};
pub use request::{InstrumentRef, Level, OrderChange, OrderRequest, Size, StopExit, Trigger};
pub use trade::{Basis, Trade, TradeExit};

pub use crate::num::Side;
