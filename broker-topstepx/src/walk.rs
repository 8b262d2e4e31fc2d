//! Walks over time: which window to ask for next, and what it proves. A file of its own beside `rest.rs`, for here the
//! completeness of the history is decided, and it is tested without a wire.
//!
//! The gateway's searches have no pages, no cursor and no stated limit. So no page proves anything by itself, and the
//! sums of the orders' fills decide. What can be done is to stay far from any limit: windows of a day at most where
//! something happened, longer ones where nothing did (an empty answer cannot have been cut), asked a minute wider on
//! either side, for whether borders are inclusive is not documented. A count that looks like a limit has its window
//! asked again in halves.

use broker_core::{Cursor, Order, Page, Proof, Record, Result};
use chrono::{DateTime, Duration, Utc};
use serde::{Deserialize, Serialize};

use crate::rest::{PAGE_SIZE, Window};

/// No longer window is believed once it has rows.
const DAY: Duration = Duration::days(1);
/// No longer window is asked.
const LONGEST: Duration = Duration::days(366);
/// No shorter window is asked.
const SHORTEST: Duration = Duration::seconds(1);
/// Windows overlap by this on either side, or by their own width where that is less: one that was halved because its
/// count looked like a limit must have fewer rows.
const OVERLAP: Duration = Duration::seconds(60);

/// From so many rows on, a round count may be a limit.
const SUSPICIOUS: usize = 500;

const VERSION: u32 = 1;

/// A walk over `since..until`, and where it stands. Without an end it has none, not even now: the gateway's clock may
/// be ahead of ours, and the newest row must not be missing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Walk {
    since: DateTime<Utc>,
    until: Option<DateTime<Utc>>,
    from: DateTime<Utc>,
    /// Milliseconds.
    width: i64,
}

/// What follows from the answer to a window.
#[derive(Debug, PartialEq, Eq)]
enum Step {
    /// It counts.
    Taken(Option<Walk>),
    /// It counts, and may have been cut, which cannot be found out.
    Capped(Option<Walk>),
    /// It is asked again, shorter.
    Again(Walk),
}

impl Walk {
    pub(crate) fn new(since: DateTime<Utc>, until: Option<DateTime<Utc>>) -> Self {
        Self {
            since,
            until,
            from: since,
            width: DAY.num_milliseconds(),
        }
    }

    fn width(&self) -> Duration {
        Duration::milliseconds(self.width)
    }

    /// The end of the window, as far as it is before the end of the walk.
    fn to(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let end = self.until.unwrap_or(now);
        self.from.checked_add_signed(self.width()).filter(|to| *to < end)
    }

    /// What to ask for, at this time.
    pub(crate) fn bounds(&self, now: DateTime<Utc>) -> (DateTime<Utc>, Option<DateTime<Utc>>) {
        let to = self.to(now).or(self.until);
        let overlap = OVERLAP.min(self.width());
        (self.from - overlap, to.map(|to| to + overlap))
    }

    fn step(&self, rows: usize, now: DateTime<Utc>) -> Step {
        let (width, suspicious) = (self.width(), is_suspicious(rows));
        let to = self.to(now);
        // The last window may be shorter than its width.
        let asked = to.or(self.until).unwrap_or(now) - self.from;
        if rows > 0 && asked > DAY {
            return Step::Again(self.with(self.from, (asked / 2).max(DAY)));
        }
        if suspicious && width > SHORTEST {
            return Step::Again(self.with(self.from, (asked / 2).max(SHORTEST)));
        }
        let next = match rows {
            0 => (width * 2).min(LONGEST),
            _ => (width * 2).min(DAY),
        };
        let next = to.map(|to| self.with(to, next));
        match suspicious {
            true => Step::Capped(next),
            false => Step::Taken(next),
        }
    }

    fn with(&self, from: DateTime<Utc>, width: Duration) -> Self {
        Self {
            from,
            width: width.num_milliseconds(),
            ..self.clone()
        }
    }

    fn contains(&self, at: DateTime<Utc>) -> bool {
        at >= self.since && self.until.is_none_or(|until| at < until)
    }
}

/// Limits are round: 500, 1000, 1024.
pub(crate) fn is_suspicious(rows: usize) -> bool {
    rows >= SUSPICIOUS && (rows.is_multiple_of(100) || rows.is_power_of_two())
}

/// A page of what one window gave.
fn page<T>(step: Step, rows: Vec<T>, encode: impl Fn(&Walk) -> Result<Cursor>) -> Result<Page<T>> {
    let (next, proof, rows) = match step {
        Step::Taken(next) => (next, Proof::Nothing, rows),
        Step::Capped(next) => (next, Proof::Capped, rows),
        Step::Again(shorter) => (Some(shorter), Proof::Nothing, Vec::new()),
    };
    Ok(Page {
        next: next.as_ref().map(encode).transpose()?,
        proof,
        ..Page::whole(rows)
    })
}

/// A walk over trades.
#[derive(Debug)]
pub(crate) struct TradeWalk(pub(crate) Walk);

impl TradeWalk {
    pub(crate) fn resume(cursor: &Cursor) -> Result<Self> {
        cursor.decode(VERSION).map(Self)
    }

    pub(crate) fn page(&self, came: Window<Record>, now: DateTime<Utc>) -> Result<Page<Record>> {
        let step = self.0.step(came.count, now);
        let mut rows = came.rows;
        rows.retain(|row| self.0.contains(row.at()));
        let page = page(step, rows, |walk| Cursor::encode(VERSION, walk))?;
        Ok(Page { raw: came.raw, ..page })
    }
}

/// A walk over orders. Those that can still trade have a list of their own, for the search leaves suspended exits out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum OrderWalk {
    /// Orders that can still trade, created after this; then all, if `all` says so.
    Open {
        walk: Walk,
        created_after: Option<DateTime<Utc>>,
        all: bool,
    },
    /// All orders of the walk.
    Placed(Walk),
}

impl OrderWalk {
    pub(crate) fn resume(cursor: &Cursor) -> Result<Self> {
        cursor.decode(VERSION)
    }

    fn encode(&self) -> Result<Cursor> {
        Cursor::encode(VERSION, self)
    }

    /// The page of a window.
    pub(crate) fn placed(walk: &Walk, came: Window<Order>, now: DateTime<Utc>) -> Result<Page<Order>> {
        let step = walk.step(came.count, now);
        let mut rows = came.rows;
        rows.retain(|order| order.created_at.is_none_or(|at| walk.contains(at)));
        page(step, rows, |walk| Self::Placed(walk.clone()).encode())
    }

    /// The page of a list of orders that can still trade, of which there are `total` in all. Pages go by creation,
    /// for from where the gateway counts its pages is not documented; they overlap by a second.
    pub(crate) fn open(
        walk: &Walk,
        created_after: Option<DateTime<Utc>>,
        all: bool,
        mut rows: Vec<Order>,
        total: Option<u64>,
    ) -> Result<Page<Order>> {
        let count = u64::try_from(rows.len()).unwrap_or(u64::MAX);
        let is_whole = total.map_or(rows.len() < PAGE_SIZE, |total| count >= total);
        let last = rows.iter().filter_map(|order| order.created_at).max();
        let further = last
            .map(|last| last - Duration::seconds(1))
            .filter(|last| created_after.is_none_or(|before| *last > before));
        let (next, proof) = match (is_whole, further) {
            (true, _) if all => (Some(Self::Placed(walk.clone())), Proof::Nothing),
            (true, _) => (None, Proof::Short),
            (false, Some(further)) => {
                let next = Self::Open {
                    walk: walk.clone(),
                    created_after: Some(further),
                    all,
                };
                (Some(next), Proof::Contiguous)
            }
            // More orders of one second than a page holds.
            (false, None) => (all.then(|| Self::Placed(walk.clone())), Proof::Capped),
        };
        rows.retain(|order| order.created_at.is_none_or(|at| walk.contains(at)));
        Ok(Page {
            next: next.map(|next| next.encode()).transpose()?,
            proof,
            ..Page::whole(rows)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    const NOW: &str = "2026-11-20T00:00:00Z";

    fn walk(since: &str) -> Walk {
        Walk::new(at(since), Some(at(NOW)))
    }

    #[test]
    fn windows_are_asked_a_minute_wider() {
        let walk = walk("2026-11-01T00:00:00Z");
        let bounds = (at("2026-10-31T23:59:00Z"), Some(at("2026-11-02T00:01:00Z")));
        assert_eq!(walk.bounds(at(NOW)), bounds);
        let last = walk.with(at("2026-11-19T12:00:00Z"), DAY);
        assert_eq!(last.bounds(at(NOW)).1, Some(at("2026-11-20T00:01:00Z")));
        assert_eq!(last.step(3, at(NOW)), Step::Taken(None));
        let open = Walk { until: None, ..last };
        assert_eq!(open.bounds(at(NOW)).1, None, "the newest row may be ahead of our clock");
    }

    /// Rows of two minutes came with a window of a second, however short it was made.
    #[test]
    fn halves_are_asked_less_wide_until_they_have_fewer_rows() {
        let walk = Walk::new(at("2026-11-19T23:59:30Z"), Some(at(NOW)));
        let Step::Again(half) = walk.step(500, at(NOW)) else {
            panic!()
        };
        // Half of the half minute that is left, and as much on either side.
        let bounds = (at("2026-11-19T23:59:15Z"), Some(at("2026-11-20T00:00:00Z")));
        assert_eq!(half.bounds(at(NOW)), bounds);
        let short = Walk::new(at("2026-11-19T23:59:59.500Z"), Some(at(NOW)));
        let Step::Again(second) = short.step(500, at(NOW)) else {
            panic!()
        };
        let bounds = (at("2026-11-19T23:59:58.500Z"), Some(at("2026-11-20T00:00:01Z")));
        assert_eq!(second.bounds(at(NOW)), bounds);
        assert_eq!(second.step(500, at(NOW)), Step::Capped(None));
    }

    #[test]
    fn quiet_times_are_passed_faster_and_busy_ones_not() {
        let walk = walk("2026-10-01T00:00:00Z");
        let Step::Taken(Some(two)) = walk.step(0, at(NOW)) else {
            panic!()
        };
        assert_eq!((two.from, two.width()), (at("2026-10-02T00:00:00Z"), Duration::days(2)));
        let Step::Taken(Some(four)) = two.step(0, at(NOW)) else {
            panic!()
        };
        assert_eq!(
            (four.from, four.width()),
            (at("2026-10-04T00:00:00Z"), Duration::days(4))
        );
        // A long window with rows is not believed.
        assert_eq!(
            four.step(1, at(NOW)),
            Step::Again(four.with(four.from, Duration::days(2)))
        );
        let Step::Taken(Some(next)) = walk.step(7, at(NOW)) else {
            panic!()
        };
        assert_eq!(next.width(), DAY);
    }

    #[test]
    fn all_of_time_is_few_pages() {
        let mut walk = Walk::new(DateTime::UNIX_EPOCH, Some(at(NOW)));
        let (mut pages, first) = (0, at("2026-08-01T10:00:00Z"));
        loop {
            pages += 1;
            let to = walk.to(at(NOW)).unwrap_or(at(NOW));
            match walk.step(usize::from(to > first), at(NOW)) {
                Step::Taken(Some(next)) | Step::Again(next) => walk = next,
                Step::Taken(None) => break,
                Step::Capped(_) => panic!(),
            }
        }
        assert!(pages < 220, "{pages} pages");
    }

    #[test]
    fn a_count_that_looks_like_a_limit_is_asked_again_in_halves() {
        let walk = walk("2026-11-01T00:00:00Z");
        for rows in [500, 512, 1_000, 1_024, 20_000] {
            let Step::Again(half) = walk.step(rows, at(NOW)) else {
                panic!("{rows}")
            };
            assert_eq!((half.from, half.width()), (walk.from, Duration::hours(12)));
        }
        for rows in [499, 501, 777, 400, 256] {
            assert!(matches!(walk.step(rows, at(NOW)), Step::Taken(Some(_))), "{rows}");
        }
        let second = walk.with(walk.from, SHORTEST);
        assert!(matches!(second.step(500, at(NOW)), Step::Capped(Some(_))));
        // Behind a busy hour windows grow again.
        let half = walk.with(walk.from, Duration::hours(12));
        let Step::Taken(Some(next)) = half.step(250, at(NOW)) else {
            panic!()
        };
        assert_eq!((next.from, next.width()), (at("2026-11-01T12:00:00Z"), DAY));
    }
}
