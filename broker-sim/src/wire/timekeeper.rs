//! Calls a venue when it wants to be called, although nothing comes in.

use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use broker_core::seam::Clock;
use chrono::{DateTime, Utc};
use futures_util::future::{Either, select};
use tokio::sync::Notify;

use super::desk::Desk;

/// Least wait before a venue that asks for a moment which has passed: it must not stop the clock.
const LEAST: Duration = Duration::from_millis(1);

/// The venue's next appointment.
#[derive(Default)]
pub(super) struct Timekeeper {
    next: Mutex<Option<DateTime<Utc>>>,
    /// Another appointment, or another number of sockets.
    changed: Notify,
    at_work: AtomicBool,
}

impl Timekeeper {
    /// The venue's next wish, in place of the one before.
    pub(super) fn appoint(&self, at: Option<DateTime<Utc>>) {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        if *next != at {
            *next = at;
            drop(next);
            self.changed.notify_one();
        }
    }

    /// Sockets were opened or closed.
    pub(super) fn look(&self) {
        self.changed.notify_one();
    }

    /// Whether the caller has to start [`keep`]: true once, until it ends.
    pub(super) fn is_wanted(&self) -> bool {
        !self.at_work.swap(true, Ordering::AcqRel)
    }

    /// Ready when something may have changed.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }

    fn next(&self) -> Option<DateTime<Utc>> {
        *self.next.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Keeps the venue's appointments until no socket is open.
pub(super) async fn keep(desk: Desk, clock: Arc<dyn Clock>) {
    let timekeeper = Arc::clone(&desk.timekeeper);
    loop {
        while desk.has_sockets() {
            let changed = pin!(timekeeper.changed());
            let Some(at) = timekeeper.next() else {
                changed.await;
                continue;
            };
            let wait = (at - clock.now()).to_std().ok().filter(|wait| !wait.is_zero());
            if let Either::Right(_) = select(changed, clock.sleep(wait.unwrap_or(LEAST))).await {
                desk.tick(clock.now());
            }
        }
        timekeeper.at_work.store(false, Ordering::Release);
        // A socket that was opened meanwhile found somebody at work.
        if !desk.has_sockets() || !timekeeper.is_wanted() {
            return;
        }
    }
}
