//! Spans of time, and what is left of them.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::model::Window;

/// A span of time: `since` inclusive, `until` exclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Span {
    /// Inclusive start.
    pub since: DateTime<Utc>,
    /// Exclusive end.
    pub until: DateTime<Utc>,
}

impl Span {
    /// `since..until`; empty when they are the wrong way round.
    pub fn new(since: DateTime<Utc>, until: DateTime<Utc>) -> Self {
        Self {
            since,
            until: until.max(since),
        }
    }

    /// Whether nothing lies in it.
    pub fn is_empty(&self) -> bool {
        self.since >= self.until
    }

    /// Whether this moment lies in it.
    pub fn contains(&self, at: DateTime<Utc>) -> bool {
        self.since <= at && at < self.until
    }

    /// The smallest span that holds both.
    #[must_use]
    pub fn hull(self, other: Self) -> Self {
        Self::new(self.since.min(other.since), self.until.max(other.until))
    }

    /// What both have in common; maybe empty.
    #[must_use]
    pub fn clipped(self, other: Self) -> Self {
        Self::new(self.since.max(other.since), self.until.min(other.until))
    }

    /// The two halves.
    pub fn halves(self) -> (Self, Self) {
        let middle = self.since + (self.until - self.since) / 2;
        (Self::new(self.since, middle), Self::new(middle, self.until))
    }

    /// What a query asks for.
    pub fn window(self) -> Window {
        Window::Between {
            since: self.since,
            until: Some(self.until),
        }
    }

    /// The same times as sorted spans that do not touch.
    pub fn union(mut spans: Vec<Self>) -> Vec<Self> {
        spans.retain(|span| !span.is_empty());
        spans.sort_unstable();
        let mut joined: Vec<Self> = Vec::with_capacity(spans.len());
        for span in spans {
            match joined.last_mut() {
                Some(last) if span.since <= last.until => last.until = last.until.max(span.until),
                _ => joined.push(span),
            }
        }
        joined
    }

    /// What of it lies in none of `covered`.
    pub fn uncovered(self, covered: Vec<Self>) -> Vec<Self> {
        let mut left = Vec::new();
        let mut from = self.since;
        for span in Self::union(covered) {
            if span.since > from {
                left.push(Self::new(from, span.since.min(self.until)));
            }
            from = from.max(span.until);
        }
        left.push(Self::new(from, self.until));
        left.retain(|span| !span.is_empty());
        left
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} .. {}", Moment(self.since), Moment(self.until))
    }
}

/// Prints a time in UTC with as many digits as it has.
#[derive(Debug, Clone, Copy)]
pub struct Moment(pub DateTime<Utc>);

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(since: i64, until: i64) -> Span {
        let at = |seconds| DateTime::from_timestamp(seconds, 0).unwrap();
        Span::new(at(since), at(until))
    }

    #[test]
    fn spans_that_touch_are_one() {
        assert_eq!(
            Span::union(vec![span(5, 7), span(0, 2), span(2, 3), span(9, 9), span(6, 8)]),
            [span(0, 3), span(5, 8)]
        );
    }

    #[test]
    fn what_is_not_covered_is_named() {
        assert_eq!(
            span(0, 10).uncovered(vec![span(2, 4), span(3, 5), span(8, 12)]),
            [span(0, 2), span(5, 8)]
        );
        assert_eq!(span(0, 10).uncovered(vec![span(-5, 10)]), []);
        assert_eq!(span(0, 10).uncovered(vec![span(20, 30)]), [span(0, 10)]);
    }
}
