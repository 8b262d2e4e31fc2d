//! The way of frames from the venue to one client: what a shell delivers, and when.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use broker_core::seam::{Clock, Frame, Rng};
use futures_util::future::select;
use tokio::sync::Notify;

/// How long the wire takes, and by which clock.
#[derive(Clone)]
pub(super) struct Ways {
    pub(super) clock: Arc<dyn Clock>,
    pub(super) rng: Arc<dyn Rng>,
    pub(super) least: Duration,
    pub(super) most: Duration,
}

impl Ways {
    /// The time of one way.
    pub(super) fn one_way(&self) -> Duration {
        let spread = u64::try_from((self.most - self.least).as_micros()).unwrap_or(u64::MAX);
        self.least + Duration::from_micros(self.rng.below(spread.saturating_add(1)))
    }
}

/// What reaches the client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Arrival {
    /// A frame; nothing comes after `Close`.
    Frame(Frame),
    /// Nothing arrives before this moment, by the clock's passed time.
    Hush(Duration),
    /// Nothing arrives any more.
    Silence,
    /// The connection is reset; nothing comes after it.
    Reset,
}

/// The venue's end of a lane.
pub(super) struct Lane {
    /// Path at which the socket was opened.
    pub(super) path: String,
    ways: Ways,
    queue: Mutex<Queue>,
    pushed: Notify,
}

#[derive(Default)]
struct Queue {
    /// By the moment of arrival; what arrives at once in the order of sending.
    arrivals: BTreeMap<(Duration, u64), Arrival>,
    sent: u64,
    /// When the last thing arrives that keeps its place.
    last: Duration,
    /// Frames that wait until so many others have passed.
    held: Vec<(u32, Frame)>,
    silent: bool,
}

impl Lane {
    pub(super) fn new(path: String, ways: Ways) -> Self {
        Self {
            path,
            ways,
            queue: Mutex::default(),
            pushed: Notify::new(),
        }
    }

    /// A frame in its place; those that it was to pass come behind it.
    pub(super) fn put(&self, frame: Frame) {
        let counts = matches!(frame, Frame::Text(_) | Frame::Binary(_));
        self.push(Arrival::Frame(frame));
        if counts {
            self.release();
        }
    }

    /// A frame that comes so much later than its turn.
    pub(super) fn put_late(&self, frame: Frame, delay: Duration) {
        let due = self.due();
        self.lock().insert(due + delay, Arrival::Frame(frame));
        self.pushed.notify_one();
    }

    /// A frame that comes behind the next so many.
    pub(super) fn hold(&self, frame: Frame, behind: u32) {
        if behind == 0 {
            return self.put(frame);
        }
        self.lock().held.push((behind, frame));
    }

    /// Nothing arrives for so long, from now on.
    pub(super) fn hush(&self, lasts: Duration) {
        let due = self.due();
        self.lock().insert(due, Arrival::Hush(due + lasts));
        self.pushed.notify_one();
    }

    /// Nothing arrives any more.
    pub(super) fn silence(&self) {
        self.push(Arrival::Silence);
        self.lock().silent = true;
    }

    /// The connection breaks.
    pub(super) fn reset(&self) {
        self.push(Arrival::Reset);
    }

    /// The close comes last, behind all that was held up.
    pub(super) fn close(&self, why: Option<(u16, String)>) {
        let held = std::mem::take(&mut self.lock().held);
        for (_, frame) in held {
            self.push(Arrival::Frame(frame));
        }
        let latest = self.lock().arrivals.last_key_value().map(|((due, _), _)| *due);
        let due = self.due().max(latest.unwrap_or_default());
        self.lock().insert(due, Arrival::Frame(Frame::Close(why)));
        self.pushed.notify_one();
    }

    fn push(&self, arrival: Arrival) {
        let due = self.due();
        self.lock().insert(due, arrival);
        self.pushed.notify_one();
    }

    /// When the next thing arrives that keeps its place: nothing overtakes on one connection.
    fn due(&self) -> Duration {
        let arrives = self.ways.clock.elapsed() + self.ways.one_way();
        let mut queue = self.lock();
        queue.last = queue.last.max(arrives);
        queue.last
    }

    /// One more frame has passed those that are held.
    fn release(&self) {
        let mut queue = self.lock();
        let mut free = Vec::new();
        queue.held.retain_mut(|(behind, frame)| {
            *behind -= 1;
            if *behind == 0 {
                free.push(std::mem::replace(frame, Frame::Close(None)));
            }
            *behind > 0
        });
        drop(queue);
        for frame in free {
            self.push(Arrival::Frame(frame));
        }
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queue {
    fn insert(&mut self, due: Duration, arrival: Arrival) {
        if !self.silent {
            self.arrivals.insert((due, self.sent), arrival);
            self.sent += 1;
        }
    }
}

/// The client's end of a lane.
pub(super) struct Inbox {
    lane: Arc<Lane>,
    hushed_until: Duration,
    silent: bool,
    ended: bool,
}

enum Look {
    Arrived(Arrival),
    /// Until this moment, or until something is pushed.
    Wait(Option<Duration>),
    Ended,
}

impl Inbox {
    pub(super) fn new(lane: Arc<Lane>) -> Self {
        Self {
            lane,
            hushed_until: Duration::ZERO,
            silent: false,
            ended: false,
        }
    }

    /// Whether the close or the reset has been taken.
    pub(super) fn has_ended(&self) -> bool {
        self.ended
    }

    /// Takes nothing more.
    pub(super) fn end(&mut self) {
        self.ended = true;
    }

    /// The next arrival; `None` behind the close or the reset. Nothing is lost when it is dropped while it waits.
    pub(super) async fn next(&mut self) -> Option<Arrival> {
        let clock = Arc::clone(&self.lane.ways.clock);
        loop {
            let due = match self.look(clock.elapsed()) {
                Look::Arrived(arrival) => return Some(arrival),
                Look::Ended => return None,
                Look::Wait(due) => due,
            };
            let pushed = pin!(self.lane.pushed.notified());
            match due {
                Some(due) => drop(select(pushed, clock.sleep(due.saturating_sub(clock.elapsed()))).await),
                None => pushed.await,
            }
        }
    }

    fn look(&mut self, now: Duration) -> Look {
        if self.ended {
            return Look::Ended;
        }
        if self.silent {
            return Look::Wait(None);
        }
        if now < self.hushed_until {
            return Look::Wait(Some(self.hushed_until));
        }
        let mut queue = self.lane.lock();
        let Some(first) = queue.arrivals.first_entry() else {
            return Look::Wait(None);
        };
        let (due, _) = *first.key();
        if due > now {
            return Look::Wait(Some(due));
        }
        let arrival = first.remove();
        drop(queue);
        match &arrival {
            Arrival::Hush(until) => self.hushed_until = *until,
            Arrival::Silence => self.silent = true,
            Arrival::Reset | Arrival::Frame(Frame::Close(_)) => self.ended = true,
            Arrival::Frame(_) => {}
        }
        Look::Arrived(arrival)
    }
}
