//! Positions.

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::id::{AccountId, InstrumentId, Symbol};
use crate::num::{Money, Price, Qty, Side};

/// Which leg of an instrument a position is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PositionLeg {
    /// The one net position.
    #[default]
    Net,
    /// The long leg of a hedging account.
    Long,
    /// The short leg of a hedging account.
    Short,
}

/// An open position, as the broker states it. Flat ones are not listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    /// The account.
    pub account: AccountId,
    /// What it is in.
    pub instrument: InstrumentId,
    /// What people call it.
    pub symbol: Symbol,
    /// Net, or a leg.
    pub leg: PositionLeg,
    /// `Buy` is long, `Sell` is short.
    pub side: Side,
    /// Its size.
    pub qty: Qty,
    /// What is not held by orders, where stated.
    pub available: Option<Qty>,
    /// Average entry price.
    pub average_price: Option<Price>,
    /// Last price the broker valued it at.
    pub mark_price: Option<Price>,
    /// Signed value.
    pub market_value: Option<Money>,
    /// Signed cost.
    pub cost_basis: Option<Money>,
    /// Open profit or loss.
    pub unrealized_pnl: Option<Money>,
    /// Profit or loss realized in it so far.
    pub realized_pnl: Option<Money>,
    /// When it was opened or last changed, where stated.
    pub at: Option<DateTime<Utc>>,
}

impl Position {
    /// Positive when long, negative when short.
    pub fn signed_qty(&self) -> Decimal {
        self.qty.signed(self.side)
    }
}
