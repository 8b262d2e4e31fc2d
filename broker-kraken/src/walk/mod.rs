//! Walks over pages. Here the completeness of the history is decided, so it is tested without a wire.
//!
//! Kraken lists the newest row first, by offset, and says how many rows there are. Two things can go wrong: a row that
//! is booked meanwhile pushes all others one place further, and the size of a page is not promised. So a walk
//!
//! - asks for a window whose end is fixed, and once for the number of its rows;
//! - goes from the last offset to the first, the oldest rows first, each page sharing a row with the one before, and by
//!   as many rows as came, never by as many as were expected;
//! - begins anew when the number changes, or when the shared row is not there.
//!
//! Closed orders grow in number while an account trades, and no end of a window stops that: an order that waited in it
//! closes. Whatever closed after the walk began was told as open by its first page, so there the walk goes on where the
//! shared row is now.
//!
//! A history has two such sources, one after the other: trades, and the ledger, which knows what they cost.

mod history;
mod offsets;
mod orders;

use chrono::{DateTime, Utc};

pub(crate) use history::{HistoryWalk, Source};
pub(crate) use offsets::{Offsets, Step};
pub(crate) use orders::OrderWalk;

/// Whole seconds around `since..until`: the first exclusive, the second inclusive.
fn window(since: DateTime<Utc>, until: DateTime<Utc>) -> (i64, i64) {
    let up = i64::from(until.timestamp_subsec_nanos() > 0);
    ((since.timestamp() - 1).max(0), until.timestamp() + up)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_whole_seconds_around() {
        let time = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
        let (since, until) = (time("2026-01-01T00:00:00.5Z"), time("2026-01-01T00:00:09.1Z"));
        assert_eq!(window(since, until), (1_767_225_599, 1_767_225_610));
        assert_eq!(
            window(time("2026-01-01T00:00:00Z"), time("2026-01-01T00:00:09Z")),
            (1_767_225_599, 1_767_225_609)
        );
    }
}
