//! Keeps one feed connected.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use super::backoff::Backoff;
use super::feed::{Feed, Source};
use super::hub::Hub;
use super::line::Line;
use super::reached::Legacy;
use super::session::{HANDSHAKE, Session, within};
use crate::broker::Broker;
use crate::error::{Error, ErrorKind, Result};
use crate::limit::Permit;
use crate::model::Subscription;
use crate::retry;
use crate::seam::{Clock, Frame};

/// A connection that stood for this long makes the next failure the first one.
const STEADY: Duration = Duration::from_secs(30);

/// One feed of a subscription, and what it leaves known from one connection to the next.
#[derive(Debug)]
pub(super) struct Runner {
    pub(super) broker: Arc<dyn Broker>,
    pub(super) hub: Arc<Hub>,
    pub(super) feed: Box<dyn Feed>,
    /// Which of the subscription's feeds it is.
    pub(super) index: usize,
    /// The accounts and quotes of this feed, under the user's options.
    pub(super) covers: Subscription,
    pub(super) look_back: TimeDelta,
    /// When it stood for the first time.
    pub(super) since: Option<DateTime<Utc>>,
    /// Nothing before this is missing.
    pub(super) complete: Option<DateTime<Utc>>,
    /// How far readings came that were broken off.
    pub(super) legacy: Legacy,
    /// It stood before and was lost.
    pub(super) was_lost: bool,
    /// What the connection that stands or is made paid.
    paid: Option<Permit>,
}

/// How a connection ended.
#[derive(Debug)]
pub(super) struct End {
    pub(super) error: Error,
    /// Connecting again cannot help.
    pub(super) is_fatal: bool,
}

impl End {
    /// Lost; to be made again.
    pub(super) fn lost(error: Error) -> Self {
        Self { error, is_fatal: false }
    }
}

impl Runner {
    pub(super) fn new(
        broker: Arc<dyn Broker>,
        hub: Arc<Hub>,
        feed: Box<dyn Feed>,
        index: usize,
        options: &Subscription,
    ) -> Self {
        let covers = Subscription {
            accounts: feed.covers().accounts.clone(),
            quotes: feed.covers().quotes.clone(),
            ..options.clone()
        };
        Self {
            broker,
            hub,
            feed,
            index,
            look_back: look_back(options),
            covers,
            since: None,
            complete: None,
            legacy: Legacy::default(),
            was_lost: false,
            paid: None,
        }
    }

    /// Connects again and again, until the feed is closed for good.
    pub(super) async fn run(mut self) {
        let clock = self.clock();
        let rng = Arc::clone(self.broker.context().rng());
        let mut backoff = Backoff::default();
        loop {
            let started = clock.elapsed();
            let end = self.connection(&clock).await;
            self.settle(&end.error);
            let can_heal = self.can_heal(&end);
            tracing::debug!(kind = %end.error.kind(), can_heal, "the connection ended");
            if !can_heal {
                self.hub.close(end.error);
                return;
            }
            if clock.elapsed().saturating_sub(started) >= STEADY && self.since.is_some() {
                backoff.reset();
            }
            let wait = backoff.wait(&end.error, &*rng);
            self.hub.trouble(self.index, end.error);
            clock.sleep(wait).await;
        }
    }

    /// One connection, from its first byte to its end.
    async fn connection(&mut self, clock: &Arc<dyn Clock>) -> End {
        let begun = clock.elapsed();
        // Boxed: an opening is large and short, and a task is kept for long.
        let opened = within(&**clock, HANDSHAKE, Box::pin(self.open())).await;
        let (line, first) = match opened {
            Some(Ok(opened)) => opened,
            Some(Err(error)) => return End::lost(error),
            None => return End::lost(unavailable("the stream was not open in time")),
        };
        let mut session = Session::new(self, line, begun);
        let end = session.run(first).await;
        let (stood, heard_at) = (session.stood(), session.heard_at());
        if stood {
            self.was_lost = true;
            if self.covers.accounts.is_empty() {
                // Quotes are complete as long as something comes.
                self.complete = Some(heard_at);
            }
            if self.can_heal(&end) {
                self.hub.lost(self.index, clock.now(), end.error.clone());
            }
        }
        end
    }

    async fn open(&mut self) -> Result<(Line, Vec<Frame>)> {
        match self.feed.open().await? {
            Source::Lines(body) => Ok((Line::lines(body), Vec::new())),
            Source::Socket { request, first, paid } => {
                self.paid = paid;
                let opened = self.broker.context().transport().open(request).await;
                if let Some(paid) = &mut self.paid {
                    paid.answered();
                }
                Ok((Line::Socket(opened?), first))
            }
        }
    }

    /// A refusal by a limit is known to all who share it, before the next connection is waited for.
    fn settle(&mut self, error: &Error) {
        let Some(paid) = self.paid.take() else { return };
        match error.kind() {
            ErrorKind::RateLimited => paid.refused(error.retry_after()),
            _ => drop(paid),
        }
    }

    /// Whether connecting again can help. Before the feed has stood, whatever the same request will meet again is
    /// the user's to know at once. Later, a refusal may well pass: only what a person must cure ends the stream.
    fn can_heal(&self, end: &End) -> bool {
        if end.is_fatal {
            return false;
        }
        match self.since {
            None => !retry::is_final(end.error.kind()),
            Some(_) => !matches!(
                end.error.kind(),
                ErrorKind::ReauthRequired | ErrorKind::Config | ErrorKind::Unsupported
            ),
        }
    }

    pub(super) fn clock(&self) -> Arc<dyn Clock> {
        Arc::clone(self.broker.context().clock())
    }
}

/// How much further back a read-back asks; no more than a hundred years.
pub(super) fn look_back(options: &Subscription) -> TimeDelta {
    const MOST: TimeDelta = TimeDelta::days(36_525);
    TimeDelta::from_std(options.look_back).unwrap_or(MOST).min(MOST)
}

/// An error that passes.
pub(super) fn unavailable(message: &str) -> Error {
    Error::new(ErrorKind::Unavailable).with_message(message)
}
