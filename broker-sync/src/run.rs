//! One run of a sync: plans what to read, reads it page by page, and writes down how it ended.

use std::collections::BTreeSet;
use std::time::Duration;

use broker_core::model::{Account, Record};
use broker_core::{Error, ErrorKind, InstrumentId, Page, Result};
use chrono::{DateTime, Utc};

use crate::effort::Meter;
use crate::progress::{Pace, Progress};
use crate::state::{Part, Reading, Scope, SyncState, Totals};
use crate::store::PageWrite;
use crate::syncer::Syncer;
use crate::windows::{Windows, back};
use broker_core::span::Span;

/// One run of a sync.
pub(crate) struct Run<'a> {
    pub(crate) syncer: &'a Syncer,
    pub(crate) account: Account,
    pub(crate) scope: Scope,
    /// Equal to the stored state, but for what has not been read yet.
    pub(crate) state: SyncState,
    pub(crate) resumed: bool,
    pub(crate) requests: u64,
    pub(crate) notes: Vec<String>,
    pub(crate) started_at: DateTime<Utc>,
    /// The moment that the plan was made for; the run itself takes time.
    pub(crate) planned_at: DateTime<Utc>,
    pub(crate) began: Duration,
    started: Duration,
    pub(crate) meter: Meter,
    /// Rows and time of history that this run has read.
    rows: u64,
    pace: Pace,
}

/// What is read again at least: our clock and the venue's may differ, and a row may become visible late.
pub(crate) const LEAST_OVERLAP: Duration = Duration::from_secs(15 * 60);

/// A span is not split below this: venues select by whole seconds or finer.
const SHORTEST_PART: chrono::Duration = chrono::Duration::seconds(1);

/// How often in a row a broker may say "not yet".
const MOST_WAITS: u32 = 1_000;

impl<'a> Run<'a> {
    /// `began` is when the account was asked for, which was the first request.
    pub(crate) async fn begin(syncer: &'a Syncer, account: Account, began: Duration) -> Result<Self> {
        let started = syncer.clock().elapsed();
        let scope = Scope::of(&account);
        let state = syncer.store.progress(&scope).await?;
        let now = syncer.clock().now();
        let mut meter = Meter::default();
        meter.answered(started.saturating_sub(began));
        let left = state
            .reading
            .iter()
            .flat_map(|reading| &reading.parts)
            .filter(|part| !part.done);
        meter
            .parts
            .extend(left.map(|part| Span::new(part.proof.reached(), part.span.until)));
        Ok(Self {
            syncer,
            account,
            scope,
            resumed: state.reading.is_some(),
            state,
            requests: 1,
            notes: Vec::new(),
            started_at: now,
            planned_at: now,
            began,
            started,
            meter,
            rows: 0,
            pace: Pace::default(),
        })
    }

    /// Adds what is to be read up to now.
    pub(crate) async fn plan(&mut self) -> Result<()> {
        let now = self.syncer.clock().now();
        self.planned_at = now;
        self.mark_lost(now);
        let instruments = self.instruments().await?;
        let mut parts: Vec<(Span, Option<InstrumentId>)> = Vec::new();
        for instrument in instruments {
            let spans = self.windows().spans(now, instrument.as_ref(), self.resumed);
            parts.extend(spans.into_iter().map(|span| (span, instrument.clone())));
        }
        // Time first: what is new comes after what is old, whichever instrument it is of.
        parts.sort_by_key(|(span, _)| *span);
        let hull = parts.iter().map(|(span, _)| *span).reduce(Span::hull);
        let asked = hull.unwrap_or(Span::new(now, now));
        let reading = self.state.reading.get_or_insert_with(|| Reading {
            asked,
            parts: Vec::new(),
            totals: Totals::default(),
            started_at: now,
        });
        reading.asked = reading.asked.hull(asked);
        for (span, instrument) in parts {
            self.state.last_part += 1;
            self.meter.parts.push(span);
            reading.parts.push(Part::new(self.state.last_part, span, instrument));
        }
        self.meter.at_least = self.planner().lower_bound().estimate(Duration::ZERO);
        Ok(())
    }

    /// Adds the end of the window once more, up to now: the account may have moved while it was checked.
    pub(crate) fn extend(&mut self) {
        let now = self.syncer.clock().now();
        let overlap = self.windows().overlap();
        let covers = self.covers();
        let Some(reading) = &mut self.state.reading else {
            return;
        };
        let span = Span::new(back(reading.asked.until, overlap).max(covers.since), now);
        reading.asked = reading.asked.hull(span);
        let instruments: BTreeSet<Option<InstrumentId>> =
            reading.parts.iter().map(|part| part.instrument.clone()).collect();
        for instrument in instruments {
            self.state.last_part += 1;
            reading.parts.push(Part::new(self.state.last_part, span, instrument));
        }
    }

    /// What the store covers once this run has ended.
    pub(crate) fn covers(&self) -> Span {
        let read = self.state.reading.as_ref().map(|reading| reading.asked);
        match (self.state.covers, read) {
            (Some(before), Some(read)) => before.hull(read),
            (Some(span), None) | (None, Some(span)) => span,
            (None, None) => Span::new(self.started_at, self.started_at),
        }
    }

    pub(crate) fn windows(&self) -> Windows<'_> {
        Windows {
            start: self.syncer.start,
            facts: &self.syncer.broker.capabilities().history,
            opened_at: self.account.opened_at,
            state: &self.state,
        }
    }

    /// What lies between the last sync and all that the broker still tells can never be read.
    fn mark_lost(&mut self, now: DateTime<Utc>) {
        if let (Some(covers), Some(reach)) = (self.state.covers, self.windows().reach(now))
            && covers.until < reach
        {
            self.state.unproven.push(Span::new(covers.until, reach));
        }
    }

    /// What to ask for one by one: instruments, or once for all of them.
    async fn instruments(&mut self) -> Result<Vec<Option<InstrumentId>>> {
        if !self.syncer.broker.capabilities().history.by_instrument {
            return Ok(vec![None]);
        }
        if let Some(given) = &self.syncer.instruments {
            return Ok(given.iter().cloned().map(Some).collect());
        }
        self.requests += 1;
        let positions = self.syncer.broker.positions(&self.account.id).await?;
        let mut ids: BTreeSet<InstrumentId> = positions.into_iter().map(|position| position.instrument).collect();
        let rows = self.syncer.store.snapshot(&self.scope).await?.rows;
        ids.extend(rows.into_iter().filter_map(|row| match row.record {
            Record::Fill(fill) => Some(fill.instrument),
            Record::Void(_) | Record::Fee(_) | Record::Flow(_) => None,
        }));
        Ok(ids.into_iter().map(Some).collect())
    }

    /// Reads every part that is not done, page by page, each stored with the place where it ends.
    pub(crate) async fn read(&mut self) -> Result<()> {
        while let Some(part) = self.next_part() {
            self.read_part(part).await?;
        }
        Ok(())
    }

    fn next_part(&self) -> Option<usize> {
        let reading = self.state.reading.as_ref()?;
        reading.parts.iter().position(|part| !part.done)
    }

    fn part(&self, index: usize) -> Option<Part> {
        self.state.reading.as_ref()?.parts.get(index).cloned()
    }

    async fn read_part(&mut self, index: usize) -> Result<()> {
        // Only a cursor of an earlier run can have gone stale.
        let mut stored_cursor = self.rows == 0 && self.resumed;
        let mut waits = 0;
        while let Some(part) = self.part(index).filter(|part| !part.done) {
            let page = match self.page(&part).await {
                Err(error) if stored_cursor && part.cursor.is_some() && is_stale(&error) => {
                    self.start_over(index);
                    stored_cursor = false;
                    continue;
                }
                page => page?,
            };
            stored_cursor = false;
            self.expect_own_rows(&page)?;
            waits = if page.wait.is_some() && page.rows.is_empty() {
                waits + 1
            } else {
                0
            };
            if waits > MOST_WAITS {
                return Err(self.error(ErrorKind::Unavailable, "the broker's report is never ready"));
            }
            let wait = page.wait;
            let is_split = self.store_page(index, part, page).await?;
            if let Some(wait) = wait {
                self.syncer.clock().sleep(wait).await;
            }
            if is_split {
                break;
            }
        }
        Ok(())
    }

    async fn page(&mut self, part: &Part) -> Result<Page<Record>> {
        self.requests += 1;
        let query = part.query(&self.account.id, self.syncer.raw);
        let asked = self.syncer.clock().elapsed();
        let page = self.syncer.broker.history(&query, part.cursor.as_ref()).await;
        self.answered(asked);
        page
    }

    pub(crate) fn answered(&mut self, asked: Duration) {
        let trip = self.syncer.clock().elapsed().saturating_sub(asked);
        self.meter.answered(trip);
    }

    /// The broker no longer knows the cursor that an earlier run left: the part is read from its start.
    fn start_over(&mut self, index: usize) {
        self.state.last_part += 1;
        let serial = self.state.last_part;
        if let Some(part) = self.part_mut(index) {
            *part = Part::new(serial, part.span, part.instrument.clone());
        }
        self.note("the broker no longer knew a stored cursor; its part was read again from the start");
    }

    fn part_mut(&mut self, index: usize) -> Option<&mut Part> {
        self.state.reading.as_mut()?.parts.get_mut(index)
    }

    fn expect_own_rows(&self, page: &Page<Record>) -> Result<()> {
        match page.rows.iter().find(|row| *row.account() != self.account.id) {
            Some(row) => {
                let text = format!(
                    "a row of account {} came with those of {}",
                    row.account(),
                    self.account.id
                );
                Err(self.error(ErrorKind::Protocol, text))
            }
            None => Ok(()),
        }
    }

    /// Stores a page and where the part goes on; true when the part was split instead.
    async fn store_page(&mut self, index: usize, mut part: Part, page: Page<Record>) -> Result<bool> {
        part.proof.page(&page, Record::booked_at);
        for note in &page.notes {
            self.note(note);
        }
        let is_split = part.proof.is_capped() && part.span.until - part.span.since > SHORTEST_PART;
        let moved = page.next.is_some() && page.next != part.cursor;
        if page.wait.is_none() && page.next.is_some() && !moved {
            return Err(self.error(ErrorKind::Protocol, "the broker's cursor does not move"));
        }
        if is_split || page.wait.is_none() {
            part.done = is_split || page.next.is_none();
            part.cursor = page.next;
        } else if moved {
            part.cursor = page.next;
        }
        let reached = page.rows.iter().map(Record::booked_at).max();
        let reached = if part.done {
            part.span.until
        } else {
            reached.unwrap_or(part.span.since)
        };
        let serial = part.serial;
        let from = self.part(index).map_or(part.span.since, |known| known.proof.reached());
        let mut state = self.state.clone();
        if let Some(reading) = &mut state.reading {
            if is_split {
                split(reading, index, &part, &mut state.last_part);
            } else {
                reading.parts[index] = part.clone();
            }
        }
        self.commit(serial, page.rows, page.raw, state).await?;
        let read = (reached - from).num_milliseconds().max(0);
        self.pace.read = self.pace.read.saturating_add(read);
        self.tell(reached);
        Ok(is_split)
    }

    async fn commit(&mut self, part: u64, rows: Vec<Record>, raw: Option<String>, state: SyncState) -> Result<()> {
        self.rows += u64::try_from(rows.len()).unwrap_or(u64::MAX);
        let write = PageWrite {
            part,
            rows,
            read_at: self.syncer.clock().now(),
            raw,
            state: state.clone(),
        };
        let written = self.syncer.store.commit(&self.scope, write).await?;
        self.state = state;
        self.state.apply(part, &written);
        self.meter.stored(&written);
        Ok(())
    }

    fn tell(&mut self, reached: DateTime<Utc>) {
        let (Some(sink), Some(reading)) = (&self.syncer.sink, &self.state.reading) else {
            return;
        };
        let open = reading.parts.iter().filter(|part| !part.done);
        self.pace.left = open
            .map(|part| (part.span.until - part.proof.reached()).num_milliseconds())
            .fold(0, i64::saturating_add);
        let took = self.syncer.clock().elapsed().saturating_sub(self.started);
        sink.progress(Progress {
            account: self.account.id.clone(),
            window: reading.asked,
            reached,
            pages: reading.totals.pages,
            rows: reading.totals.rows,
            fills: reading.totals.fills,
            rate: Pace::rate(self.rows, took),
            eta: self.pace.eta(took),
        });
    }

    pub(crate) fn note(&mut self, note: impl Into<String>) {
        let note = note.into();
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }

    pub(crate) fn error(&self, kind: ErrorKind, message: impl AsRef<str>) -> Error {
        Error::new(kind)
            .with_broker(self.scope.broker.clone())
            .with_operation("sync")
            .with_message(message)
            .with_help("what was stored stays; sync again, and report it to the broker crate if it stays")
    }

    /// Spans of earlier syncs that are still not proven and that the broker no longer tells.
    pub(crate) fn out_of_reach(&self) -> Vec<Span> {
        let Some(reach) = self.windows().reach(self.planned_at) else {
            return Vec::new();
        };
        let lost = |span: &Span| span.uncovered(vec![Span::new(reach, span.until)]);
        self.state.unproven.iter().flat_map(lost).collect()
    }
}

/// Puts two halves in the place of a part that was too full.
fn split(reading: &mut Reading, index: usize, part: &Part, last_part: &mut u64) {
    let (first, second) = part.span.halves();
    let halves = [first, second].map(|span| {
        *last_part += 1;
        Part::new(*last_part, span, part.instrument.clone())
    });
    reading.parts.splice(index..=index, halves);
}

/// Whether the broker refused the cursor itself.
fn is_stale(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::InvalidRequest | ErrorKind::NotFound)
}
