//! Follows the proofs of a query's pages, and says in the end whether the pages prove it whole.

use chrono::{DateTime, Duration, Utc};
use serde::{Deserialize, Serialize};

use crate::broker::{Page, Proof};
use crate::model::Completeness;
use crate::span::Span;

/// What the pages of one query over `whole` prove together, page after page. Can be stored with the cursor, so that
/// an interrupted reading forgets nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProofChain {
    whole: Span,
    /// Rows that the venue says there are, by its latest word.
    stated: Option<u64>,
    /// Spans that pages prove.
    covered: Vec<Span>,
    /// Spans of which the broker proves nothing.
    silent: Vec<Span>,
    /// Spans of which pages show themselves that rows are missing.
    #[serde(default)]
    torn: Vec<Span>,
    /// A page was full to the venue's limit.
    capped: bool,
    /// Time of the last row of the last page: where the next one has to join.
    border: Option<DateTime<Utc>>,
}

/// A span that is not proven, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hole {
    /// What is not proven.
    pub span: Span,
    /// Why.
    pub reason: String,
}

impl Hole {
    /// A span that is not proven, and why.
    pub fn new(span: Span, reason: impl Into<String>) -> Self {
        Self {
            span,
            reason: reason.into(),
        }
    }
}

impl ProofChain {
    /// No page yet of a query over this span.
    pub fn new(whole: Span) -> Self {
        Self {
            whole,
            stated: None,
            covered: Vec::new(),
            silent: Vec::new(),
            torn: Vec::new(),
            capped: false,
            border: None,
        }
    }

    /// Takes the next page; `at` gives the time by which the window selects a row.
    pub fn page<T>(&mut self, page: &Page<T>, at: impl Fn(&T) -> DateTime<Utc>) {
        if page.wait.is_some() && page.rows.is_empty() {
            return;
        }
        let is_last = page.next.is_none() && page.wait.is_none();
        let begin = self.border.unwrap_or(self.whole.since);
        let times = || page.rows.iter().map(&at);
        let last_row = times().max().unwrap_or(begin);
        let end = if is_last { self.whole.until } else { last_row };
        self.border = Some(last_row);
        // A broker that tells its records source by source goes back in time between them.
        let own = Span::new(begin.min(end), end);
        match page.proof {
            Proof::Contiguous | Proof::Short => add(&mut self.covered, own),
            Proof::Count(rows) => {
                self.stated = Some(rows);
                add(&mut self.covered, own);
            }
            Proof::Range(since, until) => {
                add(&mut self.covered, Span::new(since, until));
                self.border = Some(until);
            }
            Proof::Capped => self.capped = true,
            Proof::Nothing | Proof::Torn => {
                let since = begin.min(times().min().unwrap_or(begin));
                // A page of one moment is unproven too.
                let moment = since.checked_add_signed(Duration::nanoseconds(1)).unwrap_or(since);
                let span = Span::new(since, end.max(last_row).max(moment));
                match page.proof {
                    Proof::Torn => add(&mut self.torn, span),
                    _ => add(&mut self.silent, span),
                }
            }
        }
    }

    /// Whether a page was as long as the venue allows, so that the span must be split.
    pub fn is_capped(&self) -> bool {
        self.capped
    }

    /// Spans of which the broker proves nothing. Something else has to decide on them.
    pub fn silent(&self) -> &[Span] {
        &self.silent
    }

    /// How far the pages have come.
    pub fn reached(&self) -> DateTime<Utc> {
        self.border.unwrap_or(self.whole.since)
    }

    /// What contradicts the claim that the query is whole, for this many different rows. Silent spans contradict
    /// nothing.
    pub fn holes(&self, different_rows: u64) -> Vec<Hole> {
        if self.capped {
            let reason = "the venue gave as many rows as it ever gives, and the span cannot be split further";
            return vec![Hole::new(self.whole, reason)];
        }
        if let Some(stated) = self.stated
            && stated != different_rows
        {
            let reason = format!("the venue states {stated} rows, {different_rows} were read");
            return vec![Hole::new(self.whole, reason)];
        }
        let known = [&self.covered, &self.silent, &self.torn].map(Vec::as_slice).concat();
        let open = self.whole.uncovered(known).into_iter();
        let open = open.map(|span| Hole::new(span, "no page covers it"));
        let torn = self.torn.iter();
        let torn = torn.map(|span| Hole::new(*span, "the venue left rows out whose numbers it skipped"));
        open.chain(torn).collect()
    }

    /// The same where nothing else decides on silent spans: they are holes too.
    pub fn all_holes(&self, different_rows: u64) -> Vec<Hole> {
        let reason = "the broker does not prove that its pages join";
        let silent = self.silent.iter().map(|span| Hole::new(*span, reason));
        self.holes(different_rows).into_iter().chain(silent).collect()
    }
}

fn add(spans: &mut Vec<Span>, span: Span) {
    spans.push(span);
    *spans = Span::union(std::mem::take(spans));
}

/// Most reasons that a verdict lists.
const MOST_REASONS: usize = 6;

impl Completeness {
    /// Whole when there are no holes; else their spans, and each reason once.
    pub fn of(holes: &[Hole]) -> Self {
        if holes.is_empty() {
            return Self::Complete;
        }
        let mut reasons: Vec<&str> = Vec::new();
        for hole in holes {
            if !reasons.contains(&hole.reason.as_str()) {
                reasons.push(&hole.reason);
            }
        }
        let more = reasons.len().saturating_sub(MOST_REASONS);
        reasons.truncate(MOST_REASONS);
        let mut reason = reasons.join("; ");
        if more > 0 {
            reason.push_str(&format!("; and {more} more"));
        }
        let ranges = Span::union(holes.iter().map(|hole| hole.span).collect());
        Self::Incomplete {
            ranges: ranges.into_iter().map(|span| (span.since, span.until)).collect(),
            reason,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::broker::Cursor;

    fn at(second: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(second, 0).unwrap()
    }

    fn span(since: i64, until: i64) -> Span {
        Span::new(at(since), at(until))
    }

    fn page(rows: &[i64], proof: Proof, last: bool) -> Page<i64> {
        let next = (!last).then(|| Cursor::from_text("1:0"));
        Page {
            next,
            proof,
            ..Page::whole(rows.to_vec())
        }
    }

    fn chain(pages: &[Page<i64>]) -> ProofChain {
        let mut chain = ProofChain::new(span(0, 100));
        for page in pages {
            // Stored and read back after each page, as a sync does.
            let stored = serde_json::to_string(&chain).unwrap();
            chain = serde_json::from_str(&stored).unwrap();
            chain.page(page, |second| at(*second));
        }
        chain
    }

    fn unproven(pages: &[Page<i64>], rows: u64) -> Vec<Span> {
        let spans = chain(pages).all_holes(rows).into_iter().map(|hole| hole.span);
        Span::union(spans.collect())
    }

    #[test]
    fn joined_pages_and_a_short_end_are_complete() {
        let pages = [
            page(&[1, 5], Proof::Contiguous, false),
            page(&[5, 9], Proof::Short, true),
        ];
        assert_eq!(unproven(&pages, 3), []);
        assert_eq!(unproven(&[page(&[], Proof::Short, true)], 0), []);
    }

    #[test]
    fn an_unproven_page_names_its_span() {
        let pages = [
            page(&[1, 5], Proof::Contiguous, false),
            page(&[7, 9], Proof::Nothing, false),
            page(&[9, 12], Proof::Contiguous, false),
            page(&[50], Proof::Nothing, true),
        ];
        assert_eq!(unproven(&pages, 6), [span(5, 9), span(12, 100)]);
        assert_eq!(chain(&pages).holes(6), [], "for something else to decide");
    }

    #[test]
    fn a_page_that_shows_a_hole_is_one_whatever_else_is_checked() {
        let pages = [
            page(&[1, 5], Proof::Contiguous, false),
            page(&[7, 9], Proof::Torn, false),
            page(&[9, 12], Proof::Short, true),
        ];
        let holes = chain(&pages).holes(5);
        let expected = "the venue left rows out whose numbers it skipped";
        assert_eq!(holes, [Hole::new(span(5, 9), expected)]);
    }

    #[test]
    fn a_stated_count_must_be_met() {
        let pages = [page(&[1, 5], Proof::Count(3), false), page(&[9], Proof::Count(3), true)];
        assert_eq!(unproven(&pages, 3), []);
        assert_eq!(unproven(&pages, 2), [span(0, 100)]);
    }

    #[test]
    fn stated_ranges_must_cover_the_window() {
        let whole = [
            page(&[1], Proof::Range(at(50), at(120)), false),
            page(&[60], Proof::Range(at(-5), at(50)), true),
        ];
        assert_eq!(unproven(&whole, 2), []);
        let holed = [
            page(&[1], Proof::Range(at(0), at(40)), false),
            page(&[60], Proof::Range(at(50), at(90)), true),
        ];
        assert_eq!(unproven(&holed, 2), [span(40, 50), span(90, 100)]);
    }

    #[test]
    fn ranges_and_joined_pages_prove_together() {
        let pages = [
            page(&[1, 40], Proof::Contiguous, false),
            page(&[60], Proof::Range(at(40), at(100)), true),
        ];
        assert_eq!(unproven(&pages, 3), []);
    }

    #[test]
    fn a_capped_page_proves_nothing_whatever_comes_after_it() {
        let pages = [page(&[1], Proof::Capped, false), page(&[1], Proof::Short, true)];
        assert!(chain(&pages).is_capped());
        assert_eq!(unproven(&pages, 1), [span(0, 100)]);
    }

    #[test]
    fn a_page_that_is_not_ready_says_nothing() {
        let not_yet = Page {
            wait: Some(std::time::Duration::from_secs(1)),
            ..page(&[], Proof::Short, true)
        };
        assert_eq!(unproven(std::slice::from_ref(&not_yet), 0), [span(0, 100)]);
        assert_eq!(unproven(&[not_yet, page(&[3], Proof::Short, true)], 1), []);
    }

    #[test]
    fn a_query_that_was_not_followed_to_its_end_is_not_whole() {
        let pages = [page(&[1, 40], Proof::Contiguous, false)];
        assert_eq!(unproven(&pages, 2), [span(40, 100)]);
        assert_eq!(unproven(&[], 0), [span(0, 100)]);
    }
}
