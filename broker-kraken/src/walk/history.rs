//! A walk over the history: trades, then the ledger.

use std::time::Duration;

use broker_core::{Cursor, Result};
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::{Offsets, window};
use crate::map::ledger::Half;

/// Version of the cursors.
const VERSION: u32 = 2;

/// The two sides of an exchange without an order are booked this close together.
const APART: TimeDelta = TimeDelta::seconds(5);

/// What is walked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Source {
    Trades,
    Ledger,
}

/// A walk over the history of `since..until`, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct HistoryWalk {
    pub(crate) since: DateTime<Utc>,
    pub(crate) until: DateTime<Utc>,
    /// How far the ledger is read.
    ledger_until: DateTime<Utc>,
    pub(crate) source: Source,
    pub(crate) offsets: Offsets,
    /// Sides of exchanges whose other side may still come.
    halves: Vec<Half>,
}

impl HistoryWalk {
    pub(crate) fn new(since: DateTime<Utc>, until: DateTime<Utc>, now: DateTime<Utc>) -> Self {
        Self {
            since,
            until,
            // Beyond now rows would be booked while the walk goes on, and make it begin anew for ever.
            ledger_until: (until + APART * 2).min(until.max(now)),
            source: Source::Trades,
            offsets: Offsets::default(),
            halves: Vec::new(),
        }
    }

    pub(crate) fn resume(cursor: &Cursor) -> Result<Self> {
        cursor.decode(VERSION)
    }

    pub(crate) fn cursor(&self) -> Result<Cursor> {
        Cursor::encode(VERSION, self)
    }

    /// What Kraken is asked for, in whole seconds: `start` is exclusive there and `end` is not. The ledger is asked a
    /// little wider, so that both sides of an exchange at the border are read.
    pub(crate) fn window(&self) -> (i64, i64) {
        match self.source {
            Source::Trades => window(self.since, self.until),
            Source::Ledger => window(self.since - APART * 2, self.ledger_until),
        }
    }

    /// How long rows may still be booked into the window, which ends with a whole second, and one more.
    pub(crate) fn settles_in(&self, now: DateTime<Utc>) -> Option<Duration> {
        let (_, end) = self.window();
        let quiet = DateTime::from_timestamp(end, 0)? + TimeDelta::seconds(1);
        (quiet - now).to_std().ok()
    }

    /// The same of the ledger, from its beginning.
    pub(crate) fn of_ledger(mut self) -> Self {
        self.next_source();
        self
    }

    /// Goes on to the next source; false when this one was the last.
    pub(crate) fn next_source(&mut self) -> bool {
        let goes_on = self.source == Source::Trades;
        self.source = Source::Ledger;
        self.offsets = Offsets::default();
        goes_on
    }

    /// What was read before the walk began anew counts no more.
    pub(crate) fn forget_halves(&mut self) {
        self.halves.clear();
    }

    /// Keeps the sides of exchanges that a page held. Gives those, by exchange, whose other side was read if there is
    /// one: nothing older than the newest row of the page is left. A side whose other one may not be booked yet is left
    /// to whoever reads on from here.
    pub(crate) fn complete(&mut self, halves: Vec<Half>, newest: Option<DateTime<Utc>>, last: bool) -> Vec<Vec<Half>> {
        for half in halves {
            if !self.halves.contains(&half) {
                self.halves.push(half);
            }
        }
        let mut groups: Vec<Vec<Half>> = Vec::new();
        for half in self.halves.drain(..) {
            match groups
                .iter_mut()
                .find(|group| group.iter().any(|one| one.refid == half.refid))
            {
                Some(group) => group.push(half),
                None => groups.push(vec![half]),
            }
        }
        if last {
            groups.retain(|group| group.len() > 1 || group.iter().all(|half| half.at + APART <= self.ledger_until));
        }
        let is_done =
            |group: &Vec<Half>| last || newest.is_some_and(|newest| group.iter().all(|half| half.at + APART < newest));
        let (done, open): (Vec<_>, Vec<_>) = groups.into_iter().partition(is_done);
        self.halves = open.into_iter().flatten().collect();
        done
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(seconds, 0).unwrap()
    }

    #[test]
    fn a_window_settles_a_second_behind_its_last_one() {
        let walk = HistoryWalk::new(at(1_000), at(2_000) + TimeDelta::milliseconds(1), at(2_001));
        let left = |millis| walk.settles_in(at(2_000) + TimeDelta::milliseconds(millis));
        assert_eq!(left(250), Some(Duration::from_millis(1_750)));
        assert_eq!(left(2_000), Some(Duration::ZERO));
        assert_eq!(left(2_001), None);
    }

    /// Beyond now the ledger still grows, and no walk would end.
    #[test]
    fn the_ledger_is_never_asked_beyond_now() {
        let ends = |until, now| {
            let mut walk = HistoryWalk::new(at(1_000), at(until), at(now));
            assert_eq!(walk.window(), (999, until));
            assert!(walk.next_source());
            walk.window()
        };
        assert_eq!(ends(2_000, 9_000), (989, 2_010));
        assert_eq!(ends(2_000, 2_000), (989, 2_000));
        assert_eq!(ends(2_000, 2_004), (989, 2_004));
    }
}
