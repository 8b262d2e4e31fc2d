//! Balances: cash and coins, and the margin figures that the broker states.

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;

use crate::id::AccountId;
use crate::num::{Currency, Money};

/// What an account holds of one currency or coin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Balance {
    /// The currency or coin.
    pub currency: Currency,
    /// All of it; negative when borrowed.
    pub total: Decimal,
    /// What can be used now, where stated.
    pub available: Option<Decimal>,
    /// What open orders and withdrawals hold, where stated.
    pub held: Option<Decimal>,
    /// Parts of the total that the broker keeps apart: staked, earning, rewards.
    pub parts: Vec<BalancePart>,
}

/// A part of a balance that the broker keeps apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BalancePart {
    /// The broker's word for it.
    pub label: String,
    /// How much.
    pub amount: Decimal,
}

/// Balances of an account at one moment. A figure that the broker does not state is `None`, never computed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Balances {
    /// The account.
    pub account: AccountId,
    /// Currencies and coins.
    pub balances: Vec<Balance>,
    /// Value of everything.
    pub equity: Option<Money>,
    /// What can be bought with it.
    pub buying_power: Option<Money>,
    /// Margin in use.
    pub margin_used: Option<Money>,
    /// Margin still free.
    pub margin_available: Option<Money>,
    /// Margin needed to open.
    pub initial_margin: Option<Money>,
    /// Margin needed to keep.
    pub maintenance_margin: Option<Money>,
    /// Profit or loss of open positions.
    pub unrealized_pnl: Option<Money>,
    /// Realized profit or loss, over the time the broker counts.
    pub realized_pnl: Option<Money>,
    /// Fees owed but not yet taken.
    pub accrued_fees: Option<Money>,
    /// When the broker says that this was so.
    pub at: Option<DateTime<Utc>>,
}
