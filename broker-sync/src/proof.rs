//! What the pages of one part prove together.

use broker_core::model::Record;
use broker_core::{Page, Proof};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::span::{Span, uncovered, union};

/// What the pages of one part proved so far. Stored with the cursor, so that an interrupted sync forgets nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct PartProof {
    /// Rows that the venue says there are, by its latest word.
    pub stated: Option<u64>,
    /// Different rows that were read.
    pub distinct: u64,
    /// Spans that pages prove.
    pub covered: Vec<Span>,
    /// Spans of which the broker proves nothing.
    pub silent: Vec<Span>,
    /// The page was full to the venue's limit, and the span too short to be split.
    pub capped: bool,
    /// Time of the last row of the last page.
    pub border: Option<DateTime<Utc>>,
}

/// A span that is not proven, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Hole {
    pub(crate) span: Span,
    pub(crate) reason: String,
}

impl PartProof {
    /// Takes in a page of the part that spans `whole`.
    pub(crate) fn read(&mut self, whole: Span, page: &Page<Record>) {
        if page.wait.is_some() && page.rows.is_empty() {
            return;
        }
        let is_last = page.next.is_none() && page.wait.is_none();
        let begin = self.border.unwrap_or(whole.since);
        let times = || page.rows.iter().map(booked_at);
        let last_row = times().max().unwrap_or(begin);
        let end = if is_last { whole.until } else { last_row };
        self.border = Some(last_row);
        // A broker that tells its records source by source goes back in time between them.
        let own = Span::new(begin.min(end), end);
        match page.proof {
            Proof::Contiguous | Proof::Short => self.cover(own),
            Proof::Count(rows) => {
                self.stated = Some(rows);
                self.cover(own);
            }
            Proof::Range(since, until) => {
                self.cover(Span::new(since, until));
                self.border = Some(until);
            }
            Proof::Capped => self.capped = true,
            // A proof that this version does not know proves nothing to it.
            Proof::Nothing | _ => {
                let first_row = times().min().unwrap_or(begin);
                self.silent.push(Span::new(begin.min(first_row), end.max(last_row)));
            }
        }
    }

    fn cover(&mut self, span: Span) {
        self.covered.push(span);
        self.covered = union(std::mem::take(&mut self.covered));
    }

    /// What contradicts the claim that the part is whole.
    pub(crate) fn holes(&self, whole: Span) -> Vec<Hole> {
        if self.capped {
            let reason = "the venue gave as many rows as it ever gives, and the span cannot be split further";
            return vec![Hole::new(whole, reason)];
        }
        if let Some(stated) = self.stated
            && stated != self.distinct
        {
            let reason = format!("the venue states {stated} rows, {} were read", self.distinct);
            return vec![Hole::new(whole, reason)];
        }
        let known = [self.covered.as_slice(), self.silent.as_slice()].concat();
        uncovered(whole, known)
            .into_iter()
            .map(|span| Hole::new(span, "no page covers it"))
            .collect()
    }
}

/// The time by which a window selects the row.
pub(crate) fn booked_at(record: &Record) -> DateTime<Utc> {
    match record {
        Record::Fill(fill) => fill.at,
        Record::Void(void) => void.at,
        Record::Fee(fee) => fee.booked_at.unwrap_or(fee.at),
        Record::Flow(flow) => flow.booked_at.unwrap_or(flow.at),
    }
}

impl Hole {
    pub(crate) fn new(span: Span, reason: impl Into<String>) -> Self {
        Self {
            span,
            reason: reason.into(),
        }
    }
}
