//! Spans of time, and what is left of them.

use std::fmt;

use broker_core::model::Window;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

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
    pub(crate) fn halves(self) -> (Self, Self) {
        let middle = self.since + (self.until - self.since) / 2;
        (Self::new(self.since, middle), Self::new(middle, self.until))
    }

    /// What a query asks for.
    pub(crate) fn window(self) -> Window {
        Window::Between {
            since: self.since,
            until: Some(self.until),
        }
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} .. {}", Moment(self.since), Moment(self.until))
    }
}

/// Prints a time in UTC with as many digits as it has.
pub(crate) struct Moment(pub(crate) DateTime<Utc>);

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true))
    }
}

/// The same times as sorted spans that do not touch.
pub(crate) fn union(mut spans: Vec<Span>) -> Vec<Span> {
    spans.retain(|span| !span.is_empty());
    spans.sort_unstable();
    let mut joined: Vec<Span> = Vec::with_capacity(spans.len());
    for span in spans {
        match joined.last_mut() {
            Some(last) if span.since <= last.until => last.until = last.until.max(span.until),
            _ => joined.push(span),
        }
    }
    joined
}

/// What of `whole` lies in none of `covered`.
pub(crate) fn uncovered(whole: Span, covered: Vec<Span>) -> Vec<Span> {
    let mut left = Vec::new();
    let mut from = whole.since;
    for span in union(covered) {
        if span.since > from {
            left.push(Span::new(from, span.since.min(whole.until)));
        }
        from = from.max(span.until);
    }
    left.push(Span::new(from, whole.until));
    left.retain(|span| !span.is_empty());
    left
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
            union(vec![span(5, 7), span(0, 2), span(2, 3), span(9, 9), span(6, 8)]),
            [span(0, 3), span(5, 8)]
        );
    }

    #[test]
    fn what_is_not_covered_is_named() {
        assert_eq!(
            uncovered(span(0, 10), vec![span(2, 4), span(3, 5), span(8, 12)]),
            [span(0, 2), span(5, 8)]
        );
        assert_eq!(uncovered(span(0, 10), vec![span(-5, 10)]), []);
        assert_eq!(uncovered(span(0, 10), vec![span(20, 30)]), [span(0, 10)]);
    }
}
