//! Walks over pages: which one to ask for next, and what it proves. A file of its own beside `rest.rs`, for here the
//! completeness of the history is decided, and it is tested without a wire.
//!
//! Activities: a page token loses rows that share the millisecond of a page's last row, unless `date` is given. So pages go by
//! `after`: each full page is followed by one that starts a second before its last row, and so reads the whole border
//! again. Where more rows share a second than a page holds, that gets nowhere: then the day is read by `date` with
//! page tokens, and the walk goes on behind it.
//!
//! Orders: pages go by the id of the last order, which is exact.

use broker_core::model::OrderState;
use broker_core::{Cursor, Order, OrderId, Page, Proof, Record, Result};
use chrono::{DateTime, Days, Duration, NaiveDate, NaiveTime, SubsecRound, Utc};
use serde::{Deserialize, Serialize};

use crate::map::activity::Activities;

/// Rows of a full page, the most that Alpaca gives.
pub(crate) const PAGE_SIZE: usize = 100;

/// Orders of a full page, the most that Alpaca gives. Legs stand inside their order and do not count.
const ORDER_PAGE_SIZE: usize = 500;

/// Longest time between an order's creation and its submission: a queue over a long weekend.
const LONGEST_QUEUE: Duration = Duration::days(5);

/// Version of the cursors.
const VERSION: u32 = 1;

/// A walk over the activities of `since..until`, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ActivityWalk {
    since: DateTime<Utc>,
    until: DateTime<Utc>,
    step: Step,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
enum Step {
    /// Rows created after this; `border` is the last row of the page before.
    After {
        after: DateTime<Utc>,
        border: Option<String>,
    },
    /// Rows of this day behind `token`, up to the end of `last`.
    Day {
        day: NaiveDate,
        last: NaiveDate,
        token: String,
    },
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
        cursor.decode(VERSION)
    }

    /// The row that the next page must hold to join the one before.
    pub(crate) fn border(&self) -> Option<&str> {
        match &self.step {
            Step::After { border, .. } => border.as_deref(),
            Step::Day { .. } => None,
        }
    }

    /// The query of the next page.
    pub(crate) fn params(&self) -> Vec<(&'static str, String)> {
        let mut params = match &self.step {
            Step::After { after, .. } => {
                // `until` is inexact: ask a second more than the whole second in which the window ends.
                let until = (self.until + Duration::nanoseconds(999_999_999)).trunc_subsecs(0) + Duration::seconds(1);
                vec![("after", seconds(*after)), ("until", seconds(until))]
            }
            Step::Day { day, token, .. } => vec![("date", day.to_string()), ("page_token", token.clone())],
        };
        params.push(("direction", "asc".to_owned()));
        params.push(("page_size", PAGE_SIZE.to_string()));
        params
    }

    /// Makes the page of what came: its rows inside the window, its proof, and where to go on.
    pub(crate) fn page(&self, came: Activities) -> Result<Page<Record>> {
        let full = came.records.len() >= PAGE_SIZE;
        let (next, proof) = match &self.step {
            Step::After { after, .. } => {
                let last = came.last.as_deref().filter(|_| full);
                let next = last.map(|last| behind(*after, last, came.reached));
                let proof = match (came.joined, full) {
                    (false, _) => Proof::Nothing,
                    (true, true) => Proof::Contiguous,
                    (true, false) => Proof::Short,
                };
                (next, proof)
            }
            Step::Day { day, last, token } => {
                let token = came.last.as_ref().unwrap_or(token);
                let next = self.behind_day(*day, *last, token, full);
                let proof = if next.is_some() {
                    Proof::Contiguous
                } else {
                    Proof::Short
                };
                (next, proof)
            }
        };
        let window = self.since..self.until;
        let created = came.records.into_iter().zip(came.created);
        // The window selects by booking time, and rows with only a date do not tell it.
        let inside = created.filter(|(_, created)| created.is_none_or(|created| window.contains(&created)));
        let mut rows: Vec<_> = inside.map(|(record, _)| record).collect();
        // The answer is sorted by id, which is not quite by time.
        rows.sort_by_key(Record::at);
        Ok(Page {
            next: next.map(|step| self.at(step)).transpose()?,
            wait: None,
            proof,
            raw: None,
            notes: came.notes,
            rows,
        })
    }

    fn behind_day(&self, day: NaiveDate, last: NaiveDate, token: &str, full: bool) -> Option<Step> {
        let day = if full { day } else { next_day(day) };
        if day <= last {
            return Some(Step::Day {
                day,
                last,
                token: token.to_owned(),
            });
        }
        let midnight = midnight(day);
        (midnight < self.until).then(|| Step::After {
            after: second_before(midnight),
            border: None,
        })
    }

    fn at(&self, step: Step) -> Result<Cursor> {
        Cursor::encode(
            VERSION,
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
        cursor.decode(VERSION)
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
            next: next.map(|walk| Cursor::encode(VERSION, &walk)).transpose()?,
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
    Step::Day {
        day: stuck_in.checked_sub_days(Days::new(1)).unwrap_or(stuck_in),
        last: stuck_in,
        token: last.to_owned(),
    }
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
