//! Trades: round trips, from flat to flat.

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::id::{AccountId, FillId, InstrumentId, Symbol};
use crate::model::PositionLeg;
use crate::num::{Money, Price, Qty, Side};

/// Whether all that a trade was built on is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Basis {
    /// Every opening price is known.
    Known,
    /// It began before the window, at a price that we do not know: its PnL is not stated.
    Unknown,
}

/// How a trade came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TradeExit {
    /// By fills.
    Filled,
    /// An option expired, was exercised or assigned.
    Expired,
    /// A reorganization, conversion or transfer took the rest out.
    Moved,
}

/// A round trip in one instrument, from flat to flat; or what is still open of one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trade {
    /// The account.
    pub account: AccountId,
    /// What was traded.
    pub instrument: InstrumentId,
    /// What people call it.
    pub symbol: Symbol,
    /// The leg of a hedging account.
    pub leg: PositionLeg,
    /// `Buy` for a long trade, `Sell` for a short one.
    pub side: Side,
    /// When the first fill opened it.
    pub opened_at: DateTime<Utc>,
    /// When it came back to flat; `None` while it is open.
    pub closed_at: Option<DateTime<Utc>>,
    /// How it ended; `None` while it is open.
    pub exit: Option<TradeExit>,
    /// All that was entered.
    pub qty: Qty,
    /// All that was exited.
    pub exit_qty: Qty,
    /// Largest size held at once.
    pub peak_qty: Qty,
    /// Average price of the entries; `None` where the basis is unknown.
    pub entry_price: Option<Price>,
    /// Average price of the exits.
    pub exit_price: Option<Price>,
    /// Realized profit or loss before fees; `None` where the basis is unknown.
    pub gross_pnl: Option<Money>,
    /// Fees on its fills, one row a currency; positive is a cost.
    pub fees: Vec<Money>,
    /// Financing, swap, funding settled in it; negative is paid.
    pub financing: Vec<Money>,
    /// Profit or loss that the broker states for its fills, where it states any.
    pub broker_pnl: Option<Money>,
    /// Price moved from entry to exit in our favour, in pips, for instruments that have them.
    #[serde(default, with = "crate::num::exact::option")]
    pub pips: Option<Decimal>,
    /// Whether all opening prices are known.
    pub basis: Basis,
    /// Its fills, in order; a fill that crosses zero is in two trades.
    pub fills: Vec<FillId>,
}

impl Trade {
    /// Whether it still has a rest.
    pub fn is_open(&self) -> bool {
        self.closed_at.is_none()
    }

    /// Gross PnL less the fees and plus the financing in the same currency. `None` where the basis is unknown, or
    /// where a fee is in another currency: that sum needs a rate.
    pub fn net_pnl(&self) -> Option<Money> {
        let mut net = self.gross_pnl?;
        for fee in &self.fees {
            net = net.checked_add(-*fee).ok()?;
        }
        for money in &self.financing {
            net = net.checked_add(*money).ok()?;
        }
        Some(net)
    }
}
