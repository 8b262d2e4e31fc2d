//! Walks over pages: which one to ask for next, and what it proves. A file of its own beside `rest.rs`, for here the
//! completeness of the history is decided, and it is tested without a wire.
//!
//! Activities: two sources are walked, one after the other, for their rows are made at different times. A fill is made
//! when it happens, and answers are sorted by that time. Any other row is sorted by the day that it is for, but is made
//! a day later or more, and queries select by when it was made: asked together, each query would list the rows of the
//! day before once more.
//!
//! Trades: a page token loses rows that share the millisecond of a page's last row, unless `date` is given. So pages go
//! by `after`: each full page is followed by one that starts a second before its last row, and so reads the whole
//! border again. Where more rows share a second than a page holds, that gets nowhere: then the day is read by `date`
//! with page tokens, and the walk goes on behind it.
//!
//! All other rows: windows of the time in which rows were made. A page that is not full is all of its window; a full
//! one is set aside, and a shorter window asked. Windows grow again after sparse answers, and the first is all that is
//! asked for: a quiet account needs one. Where a day is more than a page, days are read by `date` for as long as they
//! are that full.
//!
//! Orders: pages go by the id of the last order, which is exact.

use std::iter;

use broker_core::model::OrderState;
use broker_core::{Cursor, Order, OrderId, Page, Proof, Record, Result};
use chrono::{DateTime, Days, Duration, NaiveDate, NaiveTime, SubsecRound, Utc};
use chrono_tz::America::New_York;
use serde::{Deserialize, Serialize};

use crate::map::activity::Activities;

/// Rows of a full page, the most that Alpaca gives.
pub(crate) const PAGE_SIZE: usize = 100;

/// Orders of a full page, the most that Alpaca gives. Legs stand inside their order and do not count.
pub(crate) const ORDER_PAGE_SIZE: usize = 500;

/// Longest time between an order's creation and its submission: a queue over a long weekend.
const LONGEST_QUEUE: Duration = Duration::days(5);

/// How much of a page of trades is new, in percent: each reads the last second of the one before again.
pub(crate) const TRADES_YIELD: u32 = 98;

/// The same of all other rows: windows that were too full are set aside, and days end with a page that is not full.
pub(crate) const OTHERS_YIELD: u32 = 52;

/// Versions of the cursors.
const ACTIVITY_VERSION: u32 = 2;
const ORDER_VERSION: u32 = 1;

/// No window is asked that is shorter: what does not fit is read by `date`.
const SHORTEST_WINDOW: Duration = Duration::days(1);

/// A walk over the activities of `since..until`, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ActivityWalk {
    since: DateTime<Utc>,
    until: DateTime<Utc>,
    step: Step,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
enum Step {
    /// Trades made after this; `border` is the last row of the page before.
    After {
        after: DateTime<Utc>,
        border: Option<String>,
    },
    /// All other rows made in this time. `splits` counts the windows from the same start that were too full.
    Window {
        from: DateTime<Utc>,
        to: DateTime<Utc>,
        splits: u32,
    },
    /// Rows of a day.
    Day(Day),
}

/// Reading by `date`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Day {
    source: Source,
    day: NaiveDate,
    /// The last day that is to be read.
    last: NaiveDate,
    /// Only rows behind this one.
    token: Option<String>,
    /// Whether the day has filled a page.
    busy: bool,
}

/// What is walked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Source {
    Trades,
    Others,
}

impl Source {
    fn category(self) -> &'static str {
        match self {
            Self::Trades => "trade_activity",
            Self::Others => "non_trade_activity",
        }
    }
}

impl ActivityWalk {
    pub(crate) fn new(since: DateTime<Utc>, until: DateTime<Utc>) -> Self {
        let after = second_before(since).max(DateTime::UNIX_EPOCH);
        Self {
            since,
            until,
            step: Step::After { after, border: None },
        }
    }

    pub(crate) fn resume(cursor: &Cursor) -> Result<Self> {
        cursor.decode(ACTIVITY_VERSION)
    }

    /// The row that the next page must hold to join the one before.
    pub(crate) fn border(&self) -> Option<&str> {
        match &self.step {
            Step::After { border, .. } => border.as_deref(),
            Step::Window { .. } | Step::Day(_) => None,
        }
    }

    /// The query of the next page.
    pub(crate) fn params(&self) -> Vec<(&'static str, String)> {
        let (source, mut params) = match &self.step {
            Step::After { after, .. } => (Source::Trades, made_in(*after, self.until)),
            Step::Window { from, to, .. } => {
                let after = second_before(*from).max(DateTime::UNIX_EPOCH);
                (Source::Others, made_in(after, *to))
            }
            Step::Day(Day { source, day, token, .. }) => {
                let token = token.iter().map(|token| ("page_token", token.clone()));
                (*source, iter::once(("date", day.to_string())).chain(token).collect())
            }
        };
        params.push(("category", source.category().to_owned()));
        params.push(("direction", "asc".to_owned()));
        params.push(("page_size", PAGE_SIZE.to_string()));
        params
    }

    /// Makes the page of what came: its rows inside the window, its proof, and where to go on.
    pub(crate) fn page(&self, came: Activities) -> Result<Page<Record>> {
        let count = came.records.len();
        let last = came.last.as_deref().filter(|_| count >= PAGE_SIZE);
        let next = match (&self.step, last) {
            (Step::After { after, .. }, Some(last)) => Some(behind(*after, last, came.reached)),
            (Step::After { .. }, None) => self.others(),
            (Step::Window { from, to, splits }, Some(_)) => {
                let next = narrower(*from, *to, *splits, came.reached);
                // Which rows of the window are missing is not known: a page of some of them would join nothing.
                return self.made(Some(next), Proof::Contiguous, Vec::new(), Vec::new());
            }
            (Step::Window { from, to, .. }, None) => self.window(*to, wider(*to - *from, count)),
            (Step::Day(day), Some(last)) => Some(Step::Day(Day {
                token: Some(last.to_owned()),
                busy: true,
                ..day.clone()
            })),
            (Step::Day(day), None) => self.behind_day(day, came.last.clone()),
        };
        let proof = match (came.joined, &next) {
            (false, _) => Proof::Nothing,
            (true, Some(_)) => Proof::Contiguous,
            (true, None) => Proof::Short,
        };
        let window = self.since..self.until;
        let created = came.records.into_iter().zip(came.created);
        // The window selects by booking time, and rows with only a date do not tell it.
        let inside = created.filter(|(_, created)| created.is_none_or(|created| window.contains(&created)));
        let mut rows: Vec<_> = inside.map(|(record, _)| record).collect();
        // The answer is sorted by id, which is not quite by time.
        rows.sort_by_key(Record::at);
        self.made(next, proof, rows, came.notes)
    }

    fn made(&self, next: Option<Step>, proof: Proof, rows: Vec<Record>, notes: Vec<String>) -> Result<Page<Record>> {
        Ok(Page {
            next: next.map(|step| self.at(step)).transpose()?,
            wait: None,
            proof,
            raw: None,
            notes,
            rows,
        })
    }

    /// The second source, from its start.
    fn others(&self) -> Option<Step> {
        self.window(self.since, self.until - self.since)
    }

    fn window(&self, from: DateTime<Utc>, width: Duration) -> Option<Step> {
        let to = from
            .checked_add_signed(width)
            .map_or(self.until, |to| to.min(self.until));
        (from < self.until).then_some(Step::Window { from, to, splits: 0 })
    }

    /// Where to go on behind a day of which all pages are read; `end` is its last row.
    fn behind_day(&self, read: &Day, end: Option<String>) -> Option<Step> {
        let day = next_day(read.day);
        let midnight = midnight(day);
        let is_more = midnight < self.until;
        let next = |last, token| {
            Some(Step::Day(Day {
                source: read.source,
                day,
                last,
                token,
                busy: false,
            }))
        };
        match read.source {
            Source::Trades if day <= read.last => next(read.last, end.or_else(|| read.token.clone())),
            Source::Trades if is_more => Some(Step::After {
                after: second_before(midnight),
                border: None,
            }),
            Source::Trades => self.others(),
            // A row of the next day may be for a day before this one, and then stands before its last row: no token.
            Source::Others if day <= read.last => next(read.last, None),
            Source::Others if is_more && read.busy => next(day, None),
            Source::Others => self.window(midnight, SHORTEST_WINDOW),
        }
    }

    fn at(&self, step: Step) -> Result<Cursor> {
        Cursor::encode(
            ACTIVITY_VERSION,
            &Self {
                since: self.since,
                until: self.until,
                step,
            },
        )
    }
}

/// A walk over the orders placed in `since..until`, and where it stands. Without an end it has none, not even now: the
/// venue's clock may be ahead of ours, and the newest order must not be missing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct OrderWalk {
    since: DateTime<Utc>,
    until: Option<DateTime<Utc>>,
    after_id: Option<OrderId>,
}

impl OrderWalk {
    pub(crate) fn new(since: DateTime<Utc>, until: Option<DateTime<Utc>>) -> Self {
        Self {
            since,
            until,
            after_id: None,
        }
    }

    pub(crate) fn resume(cursor: &Cursor) -> Result<Self> {
        cursor.decode(ORDER_VERSION)
    }

    /// The query of the next page. Closed orders are asked with all: in the answer an order stands inside its group,
    /// and of a group one member can be closed while another is open.
    pub(crate) fn params(&self, state: OrderState) -> Vec<(&'static str, String)> {
        let status = match state {
            OrderState::Open => "open",
            OrderState::Closed | OrderState::All => "all",
        };
        let mut params = vec![
            ("status", status.to_owned()),
            ("limit", ORDER_PAGE_SIZE.to_string()),
            ("direction", "asc".to_owned()),
            ("nested", "true".to_owned()),
        ];
        match &self.after_id {
            // An id is not combined with times.
            Some(id) => params.push(("after_order_id", id.get().to_owned())),
            None if self.since > DateTime::UNIX_EPOCH => {
                params.push(("after", seconds(second_before(self.since))));
            }
            None => {}
        }
        params
    }

    /// Makes the page of the groups that came, each headed by the order that counts for the page.
    pub(crate) fn page(&self, groups: Vec<Vec<Order>>) -> Result<Page<Order>> {
        let full = groups.len() >= ORDER_PAGE_SIZE;
        let last = groups.last().and_then(|group| group.first());
        // Answers are sorted by submission, which for a queued order is days behind its creation.
        let passed = last
            .and_then(|order| order.created_at)
            .zip(self.until)
            .is_some_and(|(created, until)| created >= until + LONGEST_QUEUE);
        let next = last.filter(|_| full && !passed).map(|order| Self {
            after_id: Some(order.id.clone()),
            ..self.clone()
        });
        let inside = |group: &Vec<Order>| {
            let created = group.first().and_then(|order| order.created_at);
            created.is_none_or(|created| created >= self.since && self.until.is_none_or(|until| created < until))
        };
        Ok(Page {
            proof: if next.is_some() {
                Proof::Contiguous
            } else {
                Proof::Short
            },
            next: next.map(|walk| Cursor::encode(ORDER_VERSION, &walk)).transpose()?,
            rows: groups.into_iter().filter(inside).flatten().collect(),
            wait: None,
            raw: None,
            notes: Vec::new(),
        })
    }
}

/// Where to go on behind a full page that was asked by `after` and ended with this row.
fn behind(after: DateTime<Utc>, last: &str, reached: Option<DateTime<Utc>>) -> Step {
    if let Some(next) = reached.map(second_before).filter(|next| *next > after) {
        return Step::After {
            after: next,
            border: Some(last.to_owned()),
        };
    }
    // Whether `date` means a day in New York or in UTC is not documented: the day before covers the former.
    let stuck_in = (after + Duration::seconds(1)).date_naive();
    Step::Day(Day {
        source: Source::Trades,
        day: stuck_in.checked_sub_days(Days::new(1)).unwrap_or(stuck_in),
        last: stuck_in,
        token: Some(last.to_owned()),
        busy: true,
    })
}

/// What to ask in place of a window that is more than a page.
fn narrower(from: DateTime<Utc>, to: DateTime<Utc>, splits: u32, reached: Option<DateTime<Utc>>) -> Step {
    let width = to - from;
    if width <= SHORTEST_WINDOW {
        let last = from.date_naive();
        // The day in New York, which may be the day before, and then the one in UTC: `date` means either.
        let day = second_before(from).with_timezone(&New_York).date_naive().min(last);
        return Step::Day(Day {
            source: Source::Others,
            day,
            last,
            token: None,
            busy: false,
        });
    }
    // Most rows are made a day after the one they are for. Where that guess does not help, halves do.
    let guess = reached.map(|reached| reached + SHORTEST_WINDOW - from);
    let narrower = guess.filter(|guess| splits == 0 && *guess < width).unwrap_or(width / 2);
    Step::Window {
        from,
        to: from + narrower.max(SHORTEST_WINDOW),
        splits: splits.saturating_add(1),
    }
}

/// How long the next window is, behind one of this width that held so many rows.
fn wider(width: Duration, rows: usize) -> Duration {
    match rows * 100 / PAGE_SIZE {
        0..25 => width * 4,
        25..50 => width * 2,
        _ => width,
    }
}

/// Parameters for what was made in this time. `until` is inexact: ask a second more than the whole second in which it
/// lies.
fn made_in(after: DateTime<Utc>, until: DateTime<Utc>) -> Vec<(&'static str, String)> {
    let until = (until + Duration::nanoseconds(999_999_999)).trunc_subsecs(0) + Duration::seconds(1);
    vec![("after", seconds(after)), ("until", seconds(until))]
}

fn second_before(at: DateTime<Utc>) -> DateTime<Utc> {
    at.trunc_subsecs(0) - Duration::seconds(1)
}

fn next_day(day: NaiveDate) -> NaiveDate {
    day.checked_add_days(Days::new(1)).unwrap_or(day)
}

fn midnight(day: NaiveDate) -> DateTime<Utc> {
    day.and_time(NaiveTime::MIN).and_utc()
}

fn seconds(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%dT%H:%M:%SZ").to_string()
}
