//! Which spans of time a sync has to read, by what the store holds and what the broker can tell.

use broker_core::InstrumentId;
use broker_core::capability::HistoryFacts;
use broker_core::model::Window;
use broker_core::span::Span;
use chrono::{DateTime, Duration, Utc};

use crate::run::LEAST_OVERLAP;
use crate::state::SyncState;
use crate::syncer::Start;

pub(crate) struct Windows<'a> {
    pub(crate) start: Start,
    pub(crate) facts: &'a HistoryFacts,
    pub(crate) opened_at: Option<DateTime<Utc>>,
    pub(crate) state: &'a SyncState,
}

impl Windows<'_> {
    /// From when on the user wants history, whether or not the broker still has it.
    pub(crate) fn wanted_since(&self, now: DateTime<Utc>) -> DateTime<Utc> {
        match self.start {
            Start::Days(days) => Window::LastDays(days).range(now).0,
            Start::At(since) => since.min(now),
            Start::Everything => {
                let opened_at = self.opened_at;
                opened_at.unwrap_or_else(|| self.reach(now).unwrap_or(DateTime::UNIX_EPOCH))
            }
        }
    }

    /// How far back the broker can tell; `None` without a limit.
    pub(crate) fn reach(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        now.checked_sub_signed(Duration::from_std(self.facts.depth?).ok()?)
    }

    /// What is read again: rows can still be booked or corrected.
    pub(crate) fn overlap(&self) -> Duration {
        Duration::from_std(self.facts.settles_within.max(LEAST_OVERLAP)).unwrap_or(Duration::MAX)
    }

    /// What is to be read up to now: of one instrument, or of all where the broker tells them together.
    pub(crate) fn spans(&self, now: DateTime<Utc>, instrument: Option<&InstrumentId>, resumed: bool) -> Vec<Span> {
        let reach = self.reach(now).unwrap_or(DateTime::<Utc>::MIN_UTC);
        let mut since = self.wanted_since(now);
        if let (Some(covers), Some(_)) = (self.state.covers, instrument) {
            // The verdict is about all that is covered: one that joins later is read from there on.
            since = since.min(covers.since);
        }
        let wanted = Span::new(since.max(reach), now);
        let Some(read) = self.read(instrument) else {
            return vec![wanted];
        };
        let mut spans = vec![
            Span::new(wanted.since, read.since),
            Span::new(back(read.until, self.overlap()).max(read.since).max(reach), now),
        ];
        if !resumed {
            // A window that was interrupted had these among its parts already.
            let again = self.state.unproven.iter();
            spans.extend(again.map(|span| Span::new(span.since.max(reach), span.until)));
        }
        Span::union(spans)
    }

    /// From the first to the last moment that was read, or is being read.
    fn read(&self, instrument: Option<&InstrumentId>) -> Option<Span> {
        let Some(id) = instrument else {
            return self.state.seen();
        };
        let reading = self.state.reading.iter().flat_map(|reading| &reading.parts);
        let own = reading.filter(|part| part.instrument.as_ref() == Some(id));
        let before = self.state.instruments.get(id).copied();
        before.into_iter().chain(own.map(|part| part.span)).reduce(Span::hull)
    }
}

/// So much earlier, or the beginning of time.
pub(crate) fn back(at: DateTime<Utc>, by: Duration) -> DateTime<Utc> {
    at.checked_sub_signed(by).unwrap_or(DateTime::<Utc>::MIN_UTC)
}
