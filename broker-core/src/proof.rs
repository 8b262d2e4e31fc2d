//! Follows the proofs of a query's pages, and says in the end whether the pages prove it whole.

use chrono::{DateTime, Utc};

use crate::broker::{Page, Proof};
use crate::model::Completeness;

/// The proofs of one query over `since..until`, page after page.
#[derive(Debug, Clone)]
pub struct ProofChain {
    since: DateTime<Utc>,
    until: DateTime<Utc>,
    /// Newest row of the last page that had rows: where the next page has to join. A broker that tells its records
    /// source by source goes back in time between them.
    border: DateTime<Utc>,
    unproven: Vec<(DateTime<Utc>, DateTime<Utc>)>,
    ranges: Vec<(DateTime<Utc>, DateTime<Utc>)>,
    count: Option<u64>,
    reason: Option<&'static str>,
}

impl ProofChain {
    /// No page yet.
    pub fn new(since: DateTime<Utc>, until: DateTime<Utc>) -> Self {
        Self {
            since,
            until,
            border: since,
            unproven: Vec::new(),
            ranges: Vec::new(),
            count: None,
            reason: None,
        }
    }

    /// Takes the next page; `at` gives the time of a row.
    pub fn page<T>(&mut self, page: &Page<T>, at: impl Fn(&T) -> DateTime<Utc>) {
        let times = || page.rows.iter().map(&at);
        let newest = times().max().unwrap_or(self.border);
        let start = times().min().map_or(self.border, |oldest| oldest.min(self.border));
        let end = if page.next.is_none() {
            self.until
        } else {
            newest.max(self.border).min(self.until)
        };
        match page.proof {
            Proof::Contiguous | Proof::Short => {}
            Proof::Count(count) => self.count = Some(count),
            Proof::Range(from, to) => self.ranges.push((from, to)),
            Proof::Capped if page.next.is_some() => {}
            Proof::Capped => self.doubt(start, end, "a page was as long as the venue allows, and was not split"),
            Proof::Nothing => self.doubt(
                start,
                end,
                "the venue does not prove that this page joins the one before",
            ),
        }
        self.border = newest;
    }

    fn doubt(&mut self, start: DateTime<Utc>, end: DateTime<Utc>, reason: &'static str) {
        let start = start.clamp(self.since, self.until);
        match self.unproven.last_mut() {
            Some(last) if last.0 <= start && last.1 >= start => last.1 = last.1.max(end),
            _ => self.unproven.push((start, end.max(start))),
        }
        self.reason.get_or_insert(reason);
    }

    /// The verdict, for this many different rows.
    pub fn finish(mut self, different_rows: u64) -> Completeness {
        if !self.ranges.is_empty() {
            self.ranges.sort_unstable();
            let mut covered = self.since;
            for (from, to) in std::mem::take(&mut self.ranges) {
                if from > covered {
                    self.unproven.push((covered, from.min(self.until)));
                    self.reason.get_or_insert("the venue's ranges leave a hole");
                }
                covered = covered.max(to);
            }
            if covered < self.until {
                self.unproven.push((covered, self.until));
                self.reason.get_or_insert("the venue's ranges end early");
            }
        }
        if self.count.is_some_and(|count| count != different_rows) {
            self.unproven.push((self.since, self.until));
            self.reason
                .get_or_insert("the venue counts another number of rows than it gave");
        }
        match self.reason {
            None => Completeness::Complete,
            Some(reason) => Completeness::Incomplete {
                ranges: self.unproven,
                reason: reason.to_owned(),
            },
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

    fn page(rows: &[i64], proof: Proof, last: bool) -> Page<i64> {
        let next = (!last).then(|| Cursor::from_text("1:0"));
        Page {
            next,
            proof,
            ..Page::whole(rows.to_vec())
        }
    }

    fn verdict(pages: &[Page<i64>], rows: u64) -> Completeness {
        let mut chain = ProofChain::new(at(0), at(100));
        for page in pages {
            chain.page(page, |second| at(*second));
        }
        chain.finish(rows)
    }

    fn ranges(verdict: Completeness) -> Vec<(i64, i64)> {
        match verdict {
            Completeness::Complete => Vec::new(),
            Completeness::Incomplete { ranges, .. } => ranges
                .iter()
                .map(|(from, to)| (from.timestamp(), to.timestamp()))
                .collect(),
        }
    }

    #[test]
    fn joined_pages_and_a_short_end_are_complete() {
        let pages = [
            page(&[1, 5], Proof::Contiguous, false),
            page(&[5, 9], Proof::Short, true),
        ];
        assert!(verdict(&pages, 3).is_complete());
        assert!(verdict(&[page(&[], Proof::Short, true)], 0).is_complete());
    }

    #[test]
    fn an_unproven_page_names_its_span() {
        let pages = [
            page(&[1, 5], Proof::Contiguous, false),
            page(&[7, 9], Proof::Nothing, false),
            page(&[9, 12], Proof::Contiguous, false),
            page(&[50], Proof::Nothing, true),
        ];
        assert_eq!(ranges(verdict(&pages, 6)), [(5, 9), (12, 100)]);
    }

    #[test]
    fn a_second_source_goes_back_in_time() {
        let honest = [
            page(&[1, 90], Proof::Contiguous, false),
            page(&[], Proof::Contiguous, false),
            page(&[5, 40], Proof::Contiguous, false),
            page(&[40, 95], Proof::Short, true),
        ];
        assert!(verdict(&honest, 5).is_complete());
        // What is not proven is where the second source stands, not where the first one ended.
        let doubtful = [
            page(&[1, 90], Proof::Contiguous, false),
            page(&[5, 40], Proof::Contiguous, false),
            page(&[50, 60], Proof::Nothing, false),
            page(&[60, 95], Proof::Short, true),
        ];
        assert_eq!(ranges(verdict(&doubtful, 7)), [(40, 60)]);
        let at_its_start = [
            page(&[1, 90], Proof::Contiguous, false),
            page(&[5, 40], Proof::Nothing, false),
            page(&[95], Proof::Short, true),
        ];
        assert_eq!(ranges(verdict(&at_its_start, 5)), [(5, 90)]);
    }

    #[test]
    fn a_stated_count_must_be_met() {
        let pages = [page(&[1, 5], Proof::Count(3), false), page(&[9], Proof::Count(3), true)];
        assert!(verdict(&pages, 3).is_complete());
        assert_eq!(ranges(verdict(&pages, 2)), [(0, 100)]);
    }

    #[test]
    fn stated_ranges_must_cover_the_window() {
        let whole = [
            page(&[1], Proof::Range(at(50), at(120)), false),
            page(&[60], Proof::Range(at(-5), at(50)), true),
        ];
        assert!(verdict(&whole, 2).is_complete());
        let holed = [
            page(&[1], Proof::Range(at(0), at(40)), false),
            page(&[60], Proof::Range(at(50), at(90)), true),
        ];
        assert_eq!(ranges(verdict(&holed, 2)), [(40, 50), (90, 100)]);
    }

    #[test]
    fn a_capped_page_must_be_split() {
        assert!(verdict(&[page(&[1], Proof::Capped, false), page(&[1], Proof::Short, true)], 1).is_complete());
        assert_eq!(ranges(verdict(&[page(&[1], Proof::Capped, true)], 1)), [(0, 100)]);
    }
}
