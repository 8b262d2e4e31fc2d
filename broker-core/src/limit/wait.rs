//! Waiting for a permit.

use std::pin::Pin;
use std::sync::{Arc, MutexGuard};
use std::task::{Context, Poll};
use std::time::Duration;

use super::queue::{Look, Queue};
use super::{Holds, Lane, Nanos, Permit, Shared};
use crate::seam::BoxFuture;

/// A call that waits. One of those who wait sleeps for all; when its time is up it grants what can go.
pub(super) struct Waiting {
    shared: Arc<Shared>,
    seat: Option<u64>,
    alarm: Option<(Nanos, BoxFuture<'static, ()>)>,
}

impl Waiting {
    pub(super) fn new(
        shared: Arc<Shared>,
        mut queue: MutexGuard<'_, Queue>,
        holds: Holds,
        lane: Lane,
        now: Nanos,
    ) -> Self {
        let seat = Some(queue.join(holds, lane));
        shared.dispatch(queue, now);
        Self {
            shared,
            seat,
            alarm: None,
        }
    }

    /// Ready once this moment has come.
    fn poll_alarm(&mut self, at: Nanos, context: &mut Context<'_>) -> Poll<()> {
        if self.alarm.as_ref().is_none_or(|(set, _)| *set != at) {
            let wait = at.saturating_sub(self.shared.now());
            self.alarm = Some((at, self.shared.clock.sleep(Duration::from_nanos(wait))));
        }
        match &mut self.alarm {
            Some((_, sleep)) => sleep.as_mut().poll(context),
            None => Poll::Pending,
        }
    }
}

impl Future for Waiting {
    type Output = Permit;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Permit> {
        let Some(seat) = self.seat else { return Poll::Pending };
        loop {
            let look = {
                let mut queue = self.shared.queue();
                queue.look(seat, context.waker(), self.shared.now())
            };
            match look {
                Look::Granted(holds, granted_at) => {
                    self.seat = None;
                    return Poll::Ready(Permit::new(Arc::clone(&self.shared), holds, granted_at));
                }
                Look::Waits { until: None, .. } => {
                    self.alarm = None;
                    return Poll::Pending;
                }
                Look::Waits {
                    until: Some(until),
                    rings,
                } => {
                    if self.poll_alarm(until, context).is_pending() {
                        return Poll::Pending;
                    }
                    self.alarm = None;
                    if rings {
                        self.ring(seat);
                    }
                }
            }
        }
    }
}

impl Waiting {
    fn ring(&self, seat: u64) {
        let mut queue = self.shared.queue();
        queue.alarm_rang(seat);
        let now = self.shared.now();
        self.shared.dispatch(queue, now);
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if let Some(seat) = self.seat {
            let mut queue = self.shared.queue();
            queue.leave(seat);
            self.shared.dispatch(queue, self.shared.now());
        }
    }
}
