//! Walks through the history of an account: which page to ask, what it proves, and where to go on.
//!
//! Trades are told symbol by symbol, in the order of the market's ids. The first page is asked by time, the next ones
//! by id. A page that is not full does not prove the end, as was seen of it: only an empty one does, and then the page
//! before it is read once more, a second later. Two rows can share an id, where an account traded with itself, so the
//! page behind a full one begins with the last id of that, which also shows that the two join.
//!
//! A query without an instrument walks all symbols, in the order of their names, and then what moved coins without a
//! trade.

use std::time::Duration;

use broker_core::model::Window;
use broker_core::{Cursor, OrderQuery, Page, Proof, Record, Result};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::rest::{Came, PAGE_SIZE};

/// Version of the cursors of history.
const VERSION: u32 = 1;

/// How long Binance may take to show what it has in its pages.
const SETTLING: Duration = Duration::from_secs(1);

/// Where a history goes on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum HistoryWalk {
    Symbol(SymbolWalk),
    Flows(crate::flows::FlowWalk),
}

impl HistoryWalk {
    pub(crate) fn resume(cursor: &Cursor) -> Result<Self> {
        cursor.decode(VERSION)
    }

    pub(crate) fn cursor(&self) -> Result<Cursor> {
        Cursor::encode(VERSION, self)
    }
}

/// What is walked of a symbol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Source {
    Trades,
    /// Fills by smart order routing.
    Allocations,
}

/// A walk over `since..until` of one symbol, or of this and all behind it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SymbolWalk {
    pub(crate) since: DateTime<Utc>,
    pub(crate) until: DateTime<Utc>,
    pub(crate) symbol: String,
    /// Goes on with the other symbols.
    pub(crate) sweeps: bool,
    pub(crate) source: Source,
    step: Step,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Step {
    /// By time.
    First,
    /// From this id on. `began` is the first id of the page before; `joins` says that this id must come again.
    From { id: u64, began: u64, joins: bool },
    /// The last page once more: rows behind `last` came late.
    Again { began: u64, last: u64 },
}

/// Where to go on behind a page.
pub(crate) enum Behind {
    /// Here, after a while if one is named.
    Here(SymbolWalk, Option<Duration>),
    /// This source of the symbol is read.
    Done,
}

impl SymbolWalk {
    pub(crate) fn new(since: DateTime<Utc>, until: DateTime<Utc>, symbol: String, sweeps: bool) -> Self {
        Self {
            since,
            until,
            symbol,
            sweeps,
            source: Source::Trades,
            step: Step::First,
        }
    }

    /// The same span of another source or symbol, from its start.
    pub(crate) fn begin(&self, symbol: String, source: Source) -> Self {
        Self {
            symbol,
            source,
            step: Step::First,
            ..self.clone()
        }
    }

    /// The query of the next page. Times and ids are not combined.
    pub(crate) fn params(&self) -> Vec<(&'static str, String)> {
        let by_id = match self.source {
            Source::Trades => "fromId",
            Source::Allocations => "fromAllocationId",
        };
        let start = match self.step {
            // Without a start the newest rows come.
            Step::First if self.since <= DateTime::UNIX_EPOCH => (by_id, 0.to_string()),
            Step::First => ("startTime", self.since.timestamp_millis().to_string()),
            Step::From { id, .. } => (by_id, id.to_string()),
            Step::Again { began, .. } => (by_id, began.to_string()),
        };
        vec![("symbol", self.symbol.clone()), start, ("limit", PAGE_SIZE.to_string())]
    }

    /// What a page proves, and where to go on.
    pub(crate) fn behind(&self, came: &Came) -> (Proof, Behind) {
        let ids = || came.rows.iter().map(|(id, _)| *id);
        let (first, last) = (ids().next(), ids().next_back());
        let passed = came.rows.iter().any(|(_, record)| record.booked_at() >= self.until);
        let joined = match self.step {
            Step::From { id, joins, .. } => !joins || first == Some(id),
            Step::Again { began, .. } => first == Some(began),
            Step::First => true,
        };
        let proof = if joined { Proof::Contiguous } else { Proof::Nothing };
        let at = |step: Step, wait| Behind::Here(Self { step, ..self.clone() }, wait);
        let behind = match (self.step, first, last) {
            _ if passed => Behind::Done,
            (Step::First, None, _) | (_, _, None) if !matches!(self.step, Step::From { .. }) => Behind::Done,
            (Step::From { id, began, .. }, None, _) => {
                let last = id.saturating_sub(1);
                at(Step::Again { began, last }, Some(SETTLING))
            }
            (Step::Again { last: known, .. }, _, Some(last)) if last <= known => Behind::Done,
            (_, Some(first), Some(last)) => {
                let full = came.rows.len() >= PAGE_SIZE && first < last;
                let id = if full { last } else { last.saturating_add(1) };
                at(
                    Step::From {
                        id,
                        began: first,
                        joins: full,
                    },
                    None,
                )
            }
            (_, _, _) => Behind::Done,
        };
        (proof, behind)
    }

    /// The rows inside of the window, by time.
    pub(crate) fn inside(&self, came: Came) -> Vec<Record> {
        let window = self.since..self.until;
        let rows = came.rows.into_iter().map(|(_, record)| record);
        let mut rows: Vec<_> = rows.filter(|record| window.contains(&record.booked_at())).collect();
        rows.sort_by_key(Record::at);
        rows
    }
}

/// The page that ends a walk, or one of it.
pub(crate) fn page(
    rows: Vec<Record>,
    proof: Proof,
    next: Option<HistoryWalk>,
    wait: Option<Duration>,
) -> Result<Page<Record>> {
    let proof = match (&next, proof) {
        (None, Proof::Contiguous) => Proof::Short,
        (_, proof) => proof,
    };
    Ok(Page {
        next: next.map(|walk| walk.cursor()).transpose()?,
        wait,
        proof,
        ..Page::whole(rows)
    })
}

/// A walk over the orders placed in `since..until`, symbol by symbol, by their numbers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct OrderWalk {
    pub(crate) since: DateTime<Utc>,
    pub(crate) until: Option<DateTime<Utc>>,
    pub(crate) symbol: String,
    pub(crate) sweeps: bool,
    from: Option<u64>,
}

impl OrderWalk {
    pub(crate) fn new(query: &OrderQuery, now: DateTime<Utc>, symbol: String, sweeps: bool) -> Self {
        let (since, _) = query.range(now);
        // Without an end there is none, not even now: Binance's clock may be ahead of ours.
        let until = match query.window {
            Window::Between { until, .. } => until,
            Window::LastDays(_) | Window::All => None,
        };
        Self {
            since,
            until,
            symbol,
            sweeps,
            from: None,
        }
    }

    pub(crate) fn resume(cursor: &Cursor) -> Result<Self> {
        cursor.decode(VERSION)
    }

    pub(crate) fn cursor(&self) -> Result<Cursor> {
        Cursor::encode(VERSION, self)
    }

    /// Of another symbol, from its start.
    pub(crate) fn begin(&self, symbol: String) -> Self {
        Self {
            symbol,
            from: None,
            ..self.clone()
        }
    }

    /// Times and numbers are not combined, nor a start with an end more than a day behind it.
    pub(crate) fn params(&self) -> Vec<(&'static str, String)> {
        let start = match self.from {
            Some(number) => ("orderId", number.to_string()),
            None if self.since <= DateTime::UNIX_EPOCH => ("orderId", 0.to_string()),
            None => ("startTime", self.since.timestamp_millis().to_string()),
        };
        vec![("symbol", self.symbol.clone()), start, ("limit", PAGE_SIZE.to_string())]
    }

    /// Where to go on behind a page that ended with this order; `None` where the symbol is read.
    pub(crate) fn behind(&self, rows: usize, last: Option<(u64, Option<DateTime<Utc>>)>) -> Option<Self> {
        let (number, created) = last.filter(|_| rows >= PAGE_SIZE)?;
        let passed = created.zip(self.until).is_some_and(|(created, until)| created >= until);
        (!passed).then(|| Self {
            from: Some(number.saturating_add(1)),
            ..self.clone()
        })
    }

    pub(crate) fn has(&self, created: Option<DateTime<Utc>>) -> bool {
        created.is_none_or(|created| created >= self.since && self.until.is_none_or(|until| created < until))
    }
}
