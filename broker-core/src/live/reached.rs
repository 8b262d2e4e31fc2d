//! How far a reading came. It outlives its connection: the next reading goes on from there, so that a gap which takes
//! longer to read than connections last is closed all the same.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Utc};

use crate::broker::Page;
use crate::dedup::{Key, Seen, SeenSet};
use crate::id::{AccountId, InstrumentId};
use crate::model::{HistoryQuery, Order, OrderQuery, Record};
use crate::proof::{Hole, ProofChain};
use crate::span::Span;
use crate::walk::Walk;

/// How often in a row a reading tries to go on from one place: with the waits between, for some minutes.
const MOST_FAILURES: u32 = 12;

/// Whose records: an account's, or those in one instrument, where that is how they are kept.
pub(super) type Whose = (AccountId, Option<InstrumentId>);

/// What was read since everything was complete last.
#[derive(Debug, Default)]
pub(super) struct Reached {
    /// All of it was told: it stays where this reading is broken off.
    pub(super) is_told: bool,
    /// What is missing for good, and was not told yet.
    pub(super) lost: Vec<String>,
    /// Pages so far.
    pub(super) pages: u64,
    pub(super) records: BTreeMap<Whose, Progress<RecordWalk>>,
    pub(super) orders: BTreeMap<AccountId, Progress<OrderWalk>>,
}

impl Reached {
    /// The walk through these records, or a new one.
    pub(super) fn walk_of(&mut self, whose: &Whose, begin: impl FnOnce() -> RecordWalk) -> &mut RecordWalk {
        let progress = self.records.entry(whose.clone()).or_default();
        progress.walk.get_or_insert_with(begin)
    }

    /// A page of these records was told.
    pub(super) fn told_records(&mut self, whose: &Whose, at: (Walk<HistoryQuery, Record>, ProofChain)) {
        let progress = self.records.entry(whose.clone()).or_default();
        progress.failures = 0;
        if let Some(walk) = &mut progress.walk {
            walk.at = at;
        }
        self.pages += 1;
    }

    /// The next page of these records did not come.
    pub(super) fn failed_records(&mut self, whose: &Whose) {
        self.records.entry(whose.clone()).or_default().failed();
    }

    /// The next closed orders did not come.
    pub(super) fn failed_orders(&mut self, account: &AccountId) {
        self.orders.entry(account.clone()).or_default().failed();
    }

    /// The walk through these records is over: it came to the end of its span, or must begin anew.
    pub(super) fn read_records(&mut self, whose: &Whose, to: Option<DateTime<Utc>>) {
        let progress = self.records.entry(whose.clone()).or_default();
        progress.walk = None;
        progress.to = to.or(progress.to);
    }

    /// Closed orders were told, as far as this walk came.
    pub(super) fn told_orders(&mut self, account: &AccountId, walk: &OrderWalk) {
        let progress = self.orders.entry(account.clone()).or_default();
        progress.failures = 0;
        if walk.walk.is_done() {
            progress.to = Some(walk.to);
            progress.walk = None;
        } else {
            progress.walk = Some(walk.clone());
        }
        self.pages += 1;
    }
}

/// How far one list was read.
#[derive(Debug)]
pub(super) struct Progress<W> {
    /// To its end, up to there.
    pub(super) to: Option<DateTime<Utc>>,
    /// In the middle of a span.
    pub(super) walk: Option<W>,
    /// How often in a row it could not go on from there.
    failures: u32,
}

impl<W> Default for Progress<W> {
    fn default() -> Self {
        Self {
            to: None,
            walk: None,
            failures: 0,
        }
    }
}

impl<W> Progress<W> {
    /// It did not come on. After some times the place itself is suspected, and left.
    fn failed(&mut self) {
        self.failures += 1;
        if self.failures >= MOST_FAILURES {
            self.failures = 0;
            self.walk = None;
        }
    }
}

/// The pages of records of a span.
#[derive(Debug)]
pub(super) struct RecordWalk {
    pub(super) span: Span,
    /// Behind the last page that was told, and what the pages prove until there.
    pub(super) at: (Walk<HistoryQuery, Record>, ProofChain),
    different: SeenSet,
    versions: u64,
}

impl RecordWalk {
    pub(super) fn new(span: Span, walk: Walk<HistoryQuery, Record>) -> Self {
        Self {
            span,
            at: (walk, ProofChain::new(span)),
            different: SeenSet::new(),
            versions: 0,
        }
    }

    /// Counts the rows of a page, each version once.
    pub(super) fn count(&mut self, page: &Page<Record>, key_of: impl Fn(&Record) -> Key) {
        for record in &page.rows {
            let seen = self.different.insert(key_of(record), record.version());
            self.versions += u64::from(seen != Seen::Duplicate);
        }
    }

    /// What speaks against it that all rows of the span came.
    pub(super) fn hole(&self) -> Option<Hole> {
        self.at.1.holes(self.versions).into_iter().next()
    }
}

/// The pages of closed orders that were placed in a span.
#[derive(Debug, Clone)]
pub(super) struct OrderWalk {
    pub(super) span: Span,
    /// Those placed before this are open, and were told, or are in the walk.
    pub(super) to: DateTime<Utc>,
    pub(super) walk: Walk<OrderQuery, Order>,
    /// Of a reading before this one: the broker may have forgotten where it was.
    pub(super) is_old: bool,
}

/// What a feed's readings leave to the next one.
#[derive(Debug, Clone, Default)]
pub(super) struct Legacy(Arc<Mutex<Reached>>);

impl Legacy {
    /// Looks into it, or notes something.
    pub(super) fn with<T>(&self, ask: impl FnOnce(&mut Reached) -> T) -> T {
        ask(&mut self.reached())
    }

    /// Everything begins anew. What is missing for good still has to be told.
    pub(super) fn forget(&self) {
        let mut reached = self.reached();
        *reached = Reached {
            lost: std::mem::take(&mut reached.lost),
            ..Reached::default()
        };
    }

    fn reached(&self) -> MutexGuard<'_, Reached> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
