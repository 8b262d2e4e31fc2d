//! What a ledger holds: transactions, orders, lots.

use broker_core::{OrderId, RecordId};
use chrono::{DateTime, Utc};
use rust_decimal::Decimal;

use super::super::terms::Terms;

/// A transaction.
#[derive(Debug, Clone)]
pub(in crate::venue) struct Tx {
    pub(in crate::venue) at: DateTime<Utc>,
    pub(in crate::venue) batch: u64,
    pub(in crate::venue) what: What,
    /// The balance behind it, of one that moves money.
    pub(in crate::venue) balance: Option<Decimal>,
}

#[derive(Debug, Clone)]
pub(in crate::venue) enum What {
    Create,
    /// The order of this number.
    Made,
    /// A fill, at this place of the engine's log, of this order.
    Filled {
        entry: usize,
        order: u64,
    },
    Ended {
        order: u64,
        reason: String,
        replaced_by: Option<u64>,
    },
    /// An order that was refused, and why.
    Refused {
        terms: Box<Terms>,
        reason: String,
    },
    CancelRefused {
        order: String,
        reason: &'static str,
    },
    Money(usize),
    /// Rows of one event, at these places of the log.
    Financing(Vec<usize>),
    Dividend(Vec<usize>),
}

/// An order, under the number of the transaction that made it.
#[derive(Debug, Clone)]
pub(in crate::venue) struct Card {
    pub(in crate::venue) engine: Option<OrderId>,
    pub(in crate::venue) terms: Terms,
    pub(in crate::venue) at: DateTime<Utc>,
    pub(in crate::venue) filled: Option<u64>,
    pub(in crate::venue) ended: Option<u64>,
    pub(in crate::venue) replaced_by: Option<u64>,
}

impl Card {
    pub(in crate::venue) fn is_pending(&self) -> bool {
        self.filled.is_none() && self.ended.is_none()
    }

    pub(in crate::venue) fn state(&self) -> &'static str {
        match (self.filled, self.ended) {
            (Some(_), _) => "FILLED",
            (None, Some(_)) => "CANCELLED",
            (None, None) => "PENDING",
        }
    }
}

/// A lot, under the number of the fill that opened it.
#[derive(Debug, Clone)]
pub(in crate::venue) struct TradeCard {
    pub(in crate::venue) lot: RecordId,
    pub(in crate::venue) instrument: String,
    pub(in crate::venue) price: Decimal,
    pub(in crate::venue) at: DateTime<Utc>,
    /// Signed.
    pub(in crate::venue) initial: Decimal,
    pub(in crate::venue) current: Decimal,
    pub(in crate::venue) realized: Decimal,
    pub(in crate::venue) financing: Decimal,
    pub(in crate::venue) closings: Vec<u64>,
    pub(in crate::venue) closed_at: Option<DateTime<Utc>>,
    /// Quantity times price of what was closed.
    pub(in crate::venue) closed_value: Decimal,
}

/// What an instrument's side brought so far.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::venue) struct Sums {
    pub(in crate::venue) pl: Decimal,
    pub(in crate::venue) financing: Decimal,
    pub(in crate::venue) guaranteed: Decimal,
}
