//! The history of an account over a window, with all that the books need beside it.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;

use super::{Fill, Instrument, PositionLeg, Record};
use crate::id::{AccountId, InstrumentId, Symbol};
use crate::num::Price;

/// A position that stood before the window began.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opening {
    /// What it is in.
    pub instrument: InstrumentId,
    /// What people call it.
    pub symbol: Symbol,
    /// Net, or a leg.
    pub leg: PositionLeg,
    /// Positive when long, negative when short.
    pub qty: Decimal,
    /// Average entry price, where known.
    pub price: Option<Price>,
}

/// Whether a history is whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Completeness {
    /// Every page was proven.
    Complete,
    /// It may miss something, and why.
    Incomplete {
        /// Spans that are not proven, `since..until`.
        ranges: Vec<(DateTime<Utc>, DateTime<Utc>)>,
        /// What is not proven.
        reason: String,
    },
}

impl Completeness {
    /// Whether it is whole.
    pub fn is_complete(&self) -> bool {
        matches!(self, Self::Complete)
    }
}

/// What happened to an account in `since..until`: each record once, sorted by time and key, corrections applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct History {
    /// The account.
    pub account: AccountId,
    /// Inclusive start.
    pub since: DateTime<Utc>,
    /// Exclusive end.
    pub until: DateTime<Utc>,
    /// All that counts, in order.
    pub records: Vec<Record>,
    /// The instruments of the records, as far as the broker still knows them.
    pub instruments: BTreeMap<InstrumentId, Instrument>,
    /// Positions at `since`: today's positions less the records.
    pub opening: Vec<Opening>,
    /// Pages that were read.
    pub pages: u64,
    /// Whether it is whole.
    pub completeness: Completeness,
}

impl History {
    /// The fills, in order.
    pub fn fills(&self) -> impl Iterator<Item = &Fill> {
        self.records.iter().filter_map(|record| match record {
            Record::Fill(fill) => Some(fill),
            Record::Void(_) | Record::Fee(_) | Record::Flow(_) => None,
        })
    }
}
