//! Progress of a sync while it runs.

use std::fmt::Debug;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use broker_core::AccountId;
use chrono::{DateTime, Utc};
use futures_core::Stream;
use tokio::sync::mpsc;

use broker_core::span::Span;

/// How far a sync is, told after each page that was stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// The account; prints masked.
    pub account: AccountId,
    /// The whole window that is being read.
    pub window: Span,
    /// Time of the newest row of the part that is being read.
    pub reached: DateTime<Utc>,
    /// Pages stored.
    pub pages: u64,
    /// Rows on them.
    pub rows: u64,
    /// Fills among them.
    pub fills: u64,
    /// Rows a second of this run.
    pub rate: u64,
    /// How long the rest will take, if it is as dense as what was read. `None` before anything can be said.
    pub eta: Option<Duration>,
}

/// Is told how far a sync is. Called between two pages: it must not block.
pub trait ProgressSink: Debug + Send + Sync + 'static {
    /// A page was stored.
    fn progress(&self, progress: Progress);
}

/// A bounded queue of progress. When nobody reads and it is full, events are dropped: the sync never waits.
///
/// ```
/// let (sink, events) = broker_sync::progress_channel(16);
/// // Syncer::new(..).with_progress(Arc::new(sink)), and read `events`, a stream, somewhere else.
/// # drop((sink, events));
/// ```
pub fn progress_channel(capacity: usize) -> (ProgressSender, ProgressEvents) {
    let (sender, receiver) = mpsc::channel(capacity.max(1));
    (ProgressSender(sender), ProgressEvents(receiver))
}

/// The sync's end of a [`progress_channel`].
#[derive(Debug, Clone)]
pub struct ProgressSender(mpsc::Sender<Progress>);

impl ProgressSink for ProgressSender {
    fn progress(&self, progress: Progress) {
        // Full or closed: whoever reads is late or gone, and the next event says more than this one.
        let _ = self.0.try_send(progress);
    }
}

/// The reader's end of a [`progress_channel`]; ends when the sender is dropped.
#[derive(Debug)]
pub struct ProgressEvents(mpsc::Receiver<Progress>);

impl Stream for ProgressEvents {
    type Item = Progress;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Progress>> {
        self.0.poll_recv(context)
    }
}

/// What of the parts was read, for the estimate.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Pace {
    /// Time read by this run, in milliseconds of history.
    pub(crate) read: i64,
    /// Time still to be read.
    pub(crate) left: i64,
}

impl Pace {
    /// Rows a second.
    pub(crate) fn rate(rows: u64, took: Duration) -> u64 {
        let millis = took.as_millis().max(1);
        u64::try_from(u128::from(rows) * 1000 / millis).unwrap_or(u64::MAX)
    }

    pub(crate) fn eta(self, took: Duration) -> Option<Duration> {
        let read = u128::try_from(self.read).ok().filter(|read| *read > 0)?;
        let left = u128::try_from(self.left).ok()?;
        let millis = took.as_millis().checked_mul(left)? / read;
        u64::try_from(millis).ok().map(Duration::from_millis)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_estimate_is_a_rule_of_three() {
        let pace = Pace {
            read: 30_000,
            left: 60_000,
        };
        assert_eq!(pace.eta(Duration::from_secs(5)), Some(Duration::from_secs(10)));
        assert_eq!(Pace::default().eta(Duration::from_secs(5)), None);
        assert_eq!(Pace::rate(1_000, Duration::from_millis(250)), 4_000);
    }
}
