//! Tells what a reading found: at once, or only once it is sure that the stream did not.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::book::Way;
use super::feed::Look;
use super::guard::Call;
use super::hub::{Hub, Offered};
use super::reached::{Legacy, Reached};
use super::readback::Announce;
use crate::error::{Error, ErrorKind, Result};
use crate::id::AccountId;
use crate::model::{Coverage, Event};

/// Found events that wait for the verdict at most.
const MOST_HELD: usize = 1_024;

/// How often a reading is repeated because its pages contradict each other, before that is reported.
const MOST_DOUBTS: u32 = 3;

/// What the most important answer is called.
pub(super) const RECORDS: &str = "records";

/// Where a reading puts what it reads, and what it notes of how far it came.
#[derive(Debug)]
pub(super) struct Sink {
    hub: Arc<Hub>,
    feed: usize,
    from: DateTime<Utc>,
    announce: Announce,
    is_open: bool,
    /// News that the stream may still tell by itself.
    held: Vec<(Event, Way)>,
    /// What could not be asked in this try.
    missing: Vec<String>,
    /// How far this reading came, told or held; and what is missing for good, which is told whether or not anything
    /// else was found.
    legacy: Legacy,
    /// How often pages contradicted each other.
    doubts: u32,
    /// Records could not be asked now, but maybe later.
    is_barred: bool,
    /// Orders whose fills were taken back by what was read.
    looks: Vec<Look>,
}

impl Sink {
    pub(super) fn new(hub: Arc<Hub>, feed: usize, from: DateTime<Utc>, announce: Announce, legacy: Legacy) -> Self {
        if matches!(announce, Announce::IfFound { .. }) || !legacy.with(|reached| reached.is_told) {
            legacy.forget();
        }
        Self {
            hub,
            feed,
            from,
            announce,
            is_open: false,
            held: Vec::new(),
            missing: Vec::new(),
            legacy,
            doubts: 0,
            is_barred: false,
            looks: Vec::new(),
        }
    }

    /// Announces the gap, where there surely is one.
    pub(super) async fn begin(&mut self) {
        match self.announce {
            Announce::Nothing => self.opened(),
            Announce::Gap(_) => self.open().await,
            Announce::IfFound { .. } => {}
        }
    }

    /// Begins another try.
    pub(super) fn restart(&mut self) {
        self.held.clear();
        self.missing.clear();
        self.is_barred = false;
        if !self.is_open {
            self.legacy.forget();
        }
    }

    /// The answer; `None` and a note where asking again cannot help: the broker cannot tell it, or this key may not
    /// ask.
    pub(super) fn asked<T>(&mut self, answer: Result<T>, what: &str, account: &AccountId) -> Result<Option<T>> {
        match answer {
            Ok(answer) => Ok(Some(answer)),
            Err(error) if cannot_be_asked(&error) => {
                self.is_barred |= what == RECORDS && error.kind() != ErrorKind::Unsupported;
                self.miss(format!("{what} of {account}: {error}"));
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Notes what could not be asked.
    pub(super) fn miss(&mut self, what: String) {
        if !self.missing.contains(&what) {
            self.missing.push(what);
        }
    }

    /// Notes what is missing for good.
    pub(super) fn lose(&mut self, what: String) {
        tracing::warn!("something is missing for good");
        self.reached(|reached| {
            if !reached.lost.contains(&what) {
                reached.lost.push(what);
            }
        });
    }

    /// Whether records could not be asked now, but maybe later.
    pub(super) fn is_barred(&self) -> bool {
        self.is_barred
    }

    /// What is to be looked at next.
    pub(super) fn looks(&mut self) -> Vec<Look> {
        std::mem::take(&mut self.looks)
    }

    /// Whether what is read is told.
    pub(super) fn is_open(&self) -> bool {
        self.is_open
    }

    /// Notes that pages contradict each other. True when they are to be believed, and that is to be reported.
    pub(super) fn doubt(&mut self) -> bool {
        self.doubts += 1;
        self.doubts > MOST_DOUBTS
    }

    /// How far this reading came: to look into, or to note something.
    pub(super) fn reached<T>(&self, ask: impl FnOnce(&mut Reached) -> T) -> T {
        self.legacy.with(ask)
    }

    /// Takes one event that was read.
    pub(super) async fn take(&mut self, event: Event, way: Way) {
        if self.is_open {
            self.push(event, way).await;
            return;
        }
        if self.hub.guard(|guard| guard.is_news(&event, way)) {
            self.held.push((event, way));
        }
        if self.held.len() >= MOST_HELD {
            self.open().await;
        }
    }

    /// Everything of the accounts was read: what the stream did not tell within the grace was missed.
    pub(super) async fn settle(&mut self) {
        if self.is_open {
            return;
        }
        if !self.held.is_empty()
            && let Announce::IfFound { grace } = self.announce
            && !grace.is_zero()
        {
            let clock = self.hub.clock();
            clock.sleep(grace).await;
        }
        let hub = Arc::clone(&self.hub);
        self.held
            .retain(|(event, way)| hub.guard(|guard| guard.is_news(event, *way)));
        let is_lost = self.reached(|reached| !reached.lost.is_empty());
        if is_lost || !self.held.is_empty() {
            self.open().await;
        }
    }

    /// The reading worked for these accounts. A first snapshot says so only where something could not be asked.
    pub(super) async fn end(&mut self, accounts: Vec<AccountId>) {
        let mut missing = self.reached(|reached| reached.lost.clone());
        missing.append(&mut self.missing);
        if self.is_open && (self.announce != Announce::Nothing || !missing.is_empty()) {
            self.hub.say(Event::Recovered(Coverage { accounts, missing })).await;
            self.reached(|reached| reached.lost.clear());
        }
    }

    async fn open(&mut self) {
        let to = match self.announce {
            Announce::Gap(to) => to,
            Announce::Nothing | Announce::IfFound { .. } => self.hub.clock().now(),
        };
        tracing::info!("a gap is read back");
        self.hub.gap(self.feed, self.from, to).await;
        for (event, way) in std::mem::take(&mut self.held) {
            self.push(event, way).await;
        }
        self.opened();
    }

    fn opened(&mut self) {
        self.is_open = true;
        self.reached(|reached| reached.is_told = true);
    }

    async fn push(&mut self, event: Event, way: Way) {
        // Fills that are still missing are looked for by the next audit: they are not readable yet.
        if let Offered::Taken(Call::Look(look)) = self.hub.push(event, way).await {
            self.looks.push(look);
        }
    }
}

/// Asking again cannot help: the broker cannot tell it, or this key may not ask.
pub(super) fn cannot_be_asked(error: &Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::Unsupported | ErrorKind::Permission | ErrorKind::InvalidRequest
    )
}
