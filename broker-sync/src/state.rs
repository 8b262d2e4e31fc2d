//! Where the sync of one account stands: what a store keeps beside the rows, and writes in the same transaction.

use std::collections::BTreeMap;
use std::fmt;

use broker_core::broker::Cursor;
use broker_core::model::{Account, Asset, Environment, HistoryQuery, PositionLeg};
use broker_core::proof::ProofChain;
use broker_core::{AccountId, BrokerId, InstrumentId, Span};
use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::store::Written;

/// Whose history it is. A fill is unique in its scope. Prints with the account masked.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Scope {
    /// The broker.
    pub broker: BrokerId,
    /// Paper or live.
    pub environment: Environment,
    /// The account.
    pub account: AccountId,
}

impl Scope {
    /// The scope of an account.
    pub fn of(account: &Account) -> Self {
        Self {
            broker: account.broker.clone(),
            environment: account.environment,
            account: account.id.clone(),
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.broker, self.environment, self.account)
    }
}

/// Where the sync of one account stands. The default is an account that was never synced.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SyncState {
    /// Counts the writes; a write that was based on an older state is refused.
    pub revision: u64,
    /// Rows stored so far.
    pub rows: u64,
    /// Pages read so far.
    pub pages: u64,
    /// The window that is being read, if a sync is under way or was interrupted.
    pub reading: Option<Reading>,
    /// What finished syncs have read, from the first `since` to the last `until`.
    pub covers: Option<Span>,
    /// The same of each instrument, where history is kept by instrument.
    #[serde(default)]
    pub instruments: BTreeMap<InstrumentId, Span>,
    /// Spans inside it that a later sync reads again, because something in them was not proven.
    pub unproven: Vec<Span>,
    /// What the account held before everything that is stored.
    pub opening: Option<Holdings>,
    /// Until when records and positions were last found to agree.
    pub verified_until: Option<DateTime<Utc>>,
    /// Number of the last part that was begun.
    pub last_part: u64,
    /// Rows that were stored when orders were last compared with their fills.
    #[serde(default)]
    pub checked_rows: u64,
}

impl SyncState {
    /// Takes in what a write did. Every store calls this once in a commit, inside its transaction, on the state that
    /// it is about to keep; the syncer calls it on its own copy, so that the two stay equal.
    pub fn apply(&mut self, part: u64, written: &Written) {
        self.revision += 1;
        self.rows += written.new + written.corrections;
        self.pages += 1;
        let Some(reading) = &mut self.reading else {
            return;
        };
        reading.totals.take(written);
        if let Some(part) = reading.parts.iter_mut().find(|known| known.serial == part) {
            part.distinct += written.distinct;
        }
    }
}

impl SyncState {
    /// From the first to the last moment of what was read, and of what is being read.
    pub(crate) fn seen(&self) -> Option<Span> {
        let read = self.reading.as_ref().map(|reading| reading.asked);
        self.covers.into_iter().chain(read).reduce(Span::hull)
    }
}

/// A window that is being read, part by part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reading {
    /// The whole window.
    pub asked: Span,
    /// Its parts: spans, and instruments where the broker is asked one by one. Those that are read stay in the
    /// list, with what their pages proved.
    pub parts: Vec<Part>,
    /// What was read so far.
    pub totals: Totals,
    /// When it began.
    pub started_at: DateTime<Utc>,
}

/// One query of a window.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// Number of the part, never used again in its scope.
    pub serial: u64,
    /// Its span.
    pub span: Span,
    /// Only this instrument, where history is kept by instrument.
    pub instrument: Option<InstrumentId>,
    /// Where it goes on; `None` at its start.
    pub cursor: Option<Cursor>,
    /// Whether its last page was read.
    pub done: bool,
    /// Different rows that were read.
    pub distinct: u64,
    /// What its pages proved so far.
    pub proof: ProofChain,
}

impl Part {
    pub(crate) fn new(serial: u64, span: Span, instrument: Option<InstrumentId>) -> Self {
        Self {
            serial,
            span,
            instrument,
            cursor: None,
            done: false,
            distinct: 0,
            proof: ProofChain::new(span),
        }
    }

    /// The query, with the same borders each time, so that a stored cursor keeps its meaning.
    pub(crate) fn query(&self, account: &AccountId, raw: bool) -> HistoryQuery {
        let mut query = HistoryQuery::new(account, self.span.window());
        query.instrument.clone_from(&self.instrument);
        query.raw = raw;
        query
    }
}

/// Counts of one sync.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Totals {
    /// Pages of history read.
    pub pages: u64,
    /// Rows on them.
    pub rows: u64,
    /// Fills among the rows.
    pub fills: u64,
    /// Rows stored whose key was not known.
    pub new: u64,
    /// Rows that were stored already, with the same values.
    pub duplicates: u64,
    /// Rows stored beside another row of their key: a higher version, or other words.
    pub corrections: u64,
    /// Voids among the stored rows.
    pub voids: u64,
}

impl Totals {
    fn take(&mut self, written: &Written) {
        self.pages += 1;
        self.rows += written.new + written.duplicates + written.corrections;
        self.fills += written.fills;
        self.new += written.new;
        self.duplicates += written.duplicates;
        self.corrections += written.corrections;
        self.voids += written.voids;
    }
}

/// How we know what an account held before everything that is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Basis {
    /// The account was opened inside the window: it held nothing.
    Flat,
    /// Worked out by the first sync as what the broker said less the records; checked on every sync after it.
    Implied,
}

/// What an account held at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holdings {
    /// The moment: records booked from here on change it.
    pub at: DateTime<Utc>,
    /// When the broker stated the positions that it was worked out from.
    pub stated_at: DateTime<Utc>,
    /// How many rows were stored then.
    pub rows: u64,
    /// How we know.
    pub basis: Basis,
    /// Whether pairs that are held outright are in the balances of their coins, and in no position.
    pub coins_apart: bool,
    /// What is not zero.
    pub holdings: Vec<Holding>,
}

/// One thing that an account holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holding {
    /// An instrument, or a coin.
    pub asset: Asset,
    /// Net, or a leg of a hedging account.
    pub leg: PositionLeg,
    /// Positive when long, negative when short.
    #[serde(with = "broker_core::num::exact")]
    pub qty: Decimal,
}
