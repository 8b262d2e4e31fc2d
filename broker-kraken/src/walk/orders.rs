//! A walk over orders.

use broker_core::{Cursor, Result};
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::{Offsets, window};

/// Version of the cursors.
const VERSION: u32 = 2;

/// A walk over the orders placed in `since..until`: the open ones are read with the first page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct OrderWalk {
    pub(crate) since: DateTime<Utc>,
    pub(crate) until: Option<DateTime<Utc>>,
    /// What Kraken is asked for, fixed by the first page.
    pub(crate) end: i64,
    pub(crate) offsets: Offsets,
}

impl OrderWalk {
    /// Without an end it has one for Kraken all the same, ahead of our clock: the newest order must not be missing.
    pub(crate) fn new(since: DateTime<Utc>, until: Option<DateTime<Utc>>, now: DateTime<Utc>) -> Self {
        let end = until.unwrap_or(now + TimeDelta::minutes(10));
        Self {
            since,
            until,
            end: window(since, end).1,
            offsets: Offsets::of_a_list_that_grows(),
        }
    }

    pub(crate) fn resume(cursor: &Cursor) -> Result<Self> {
        cursor.decode(VERSION)
    }

    pub(crate) fn cursor(&self) -> Result<Cursor> {
        Cursor::encode(VERSION, self)
    }

    pub(crate) fn start(&self) -> i64 {
        window(self.since, self.since).0
    }

    pub(crate) fn holds(&self, at: Option<DateTime<Utc>>) -> bool {
        at.is_none_or(|at| at >= self.since && self.until.is_none_or(|until| at < until))
    }
}
