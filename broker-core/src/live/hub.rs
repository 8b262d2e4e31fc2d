//! Where the feeds of one subscription meet: the queue, and the guard before it.

use std::collections::BTreeSet;
use std::fmt::{self, Debug};
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use chrono::{DateTime, Utc};
use futures_core::Stream;
use futures_util::future::AbortHandle;

use super::book::Way;
use super::guard::{Call, Guard};
use super::queue::Queue;
use crate::error::{Error, Result};
use crate::id::InstrumentId;
use crate::model::{Event, Quote};
use crate::seam::Clock;

/// What all feeds of a subscription share.
pub(super) struct Hub {
    clock: Arc<dyn Clock>,
    look_back: chrono::Duration,
    core: Mutex<Core>,
    stops: Vec<AbortHandle>,
}

#[derive(Debug)]
struct Core {
    queue: Queue,
    guard: Guard,
    feeds: Vec<Seat>,
    /// Who waits for the feeds to be ready.
    starter: Option<Waker>,
    failed: Option<Error>,
}

/// What is known of one feed.
#[derive(Debug, Default)]
struct Seat {
    /// When it stood for the first time.
    since: Option<DateTime<Utc>>,
    /// Up to here its accounts are known to be complete; `None` for a feed without accounts.
    complete: Option<DateTime<Utc>>,
    /// Its loss is told and no gap behind it yet.
    is_lost: bool,
    /// Why it could not connect.
    trouble: Option<Error>,
    /// Instruments that it quoted since quotes were asked for.
    fresh: Option<BTreeSet<InstrumentId>>,
}

/// What became of an event.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Offered {
    /// It is in the queue.
    Taken(Call),
    /// It said nothing new.
    Old,
    /// It found the queue full, and is not known.
    Full,
}

impl Hub {
    pub(super) fn new(
        clock: Arc<dyn Clock>,
        guard: Guard,
        capacity: usize,
        look_back: chrono::Duration,
        stops: Vec<AbortHandle>,
    ) -> Self {
        let core = Core {
            queue: Queue::new(capacity),
            guard,
            feeds: stops.iter().map(|_| Seat::default()).collect(),
            starter: None,
            failed: None,
        };
        Self {
            clock,
            look_back,
            core: Mutex::new(core),
            stops,
        }
    }

    pub(super) fn clock(&self) -> Arc<dyn Clock> {
        Arc::clone(&self.clock)
    }

    /// An event of a frame: it never waits.
    pub(super) fn offer(&self, feed: usize, event: Event) -> Offered {
        let mut core = self.core();
        let way = Way {
            asked: None,
            since: core.feeds.get(feed).and_then(|seat| seat.since),
            first: false,
        };
        if let Event::Quote(quote) = event {
            core.quote(feed, quote);
            return Offered::Taken(Call::Nothing);
        }
        let now = self.clock.now();
        let needed = core.needed(now, self.look_back);
        core.offer(event, way, now, needed).unwrap_or(Offered::Full)
    }

    /// An event of the read side: it waits for room. Never `Full`.
    pub(super) async fn push(&self, event: Event, way: Way) -> Offered {
        let mut waiting = Some(event);
        poll_fn(|context| {
            let mut core = self.core();
            let now = self.clock.now();
            let needed = core.needed(now, self.look_back);
            let Some(event) = waiting.take() else {
                return Poll::Ready(Offered::Old);
            };
            match core.offer(event, way, now, needed) {
                Ok(offered) => Poll::Ready(offered),
                Err(event) => {
                    waiting = Some(event);
                    core.queue.register_writer(context.waker());
                    Poll::Pending
                }
            }
        })
        .await
    }

    /// Says that something is missing. Waits for room.
    pub(super) async fn gap(&self, feed: usize, from: DateTime<Utc>, to: DateTime<Utc>) {
        self.say(Event::Gap { from: from.min(to), to }).await;
        if let Some(seat) = self.core().feeds.get_mut(feed) {
            seat.is_lost = false;
        }
    }

    /// An event about the stream itself. Waits for room.
    pub(super) async fn say(&self, event: Event) {
        let mut waiting = Some(event);
        poll_fn(|context| {
            let mut core = self.core();
            if core.queue.is_full() {
                core.queue.register_writer(context.waker());
                return Poll::Pending;
            }
            if let Some(event) = waiting.take() {
                core.queue.push(event);
            }
            Poll::Ready(())
        })
        .await;
    }

    /// A feed stands.
    pub(super) fn ready(&self, feed: usize, at: DateTime<Utc>) {
        let mut core = self.core();
        if let Some(seat) = core.feeds.get_mut(feed) {
            seat.since.get_or_insert(at);
        }
        core.wake_starter();
    }

    /// A feed could not connect, or was lost before it stood.
    pub(super) fn trouble(&self, feed: usize, error: Error) {
        if let Some(seat) = self.core().feeds.get_mut(feed) {
            seat.trouble = Some(error);
        }
    }

    /// A feed that stood is lost. Goes into the queue at once, for no second loss is told before a gap behind the
    /// first, and a gap waits for room: so the queue grows to twice its bound at most.
    pub(super) fn lost(&self, feed: usize, at: DateTime<Utc>, reason: Error) {
        let mut core = self.core();
        let Some(seat) = core.feeds.get_mut(feed) else { return };
        if !std::mem::replace(&mut seat.is_lost, true) {
            core.queue.push(Event::Disconnected { at, reason });
        }
    }

    /// A feed will not come back: the subscription ends behind what waits.
    pub(super) fn close(&self, error: Error) {
        let mut core = self.core();
        core.failed.get_or_insert_with(|| error.clone());
        core.queue.close(Event::Closed(error));
        core.wake_starter();
        drop(core);
        self.stop();
    }

    /// Ready once each feed has stood. An error is one that cannot heal.
    pub(super) async fn started(&self) -> Result<()> {
        poll_fn(|context| {
            let mut core = self.core();
            if let Some(error) = &core.failed {
                return Poll::Ready(Err(error.clone()));
            }
            if core.feeds.iter().all(|seat| seat.since.is_some()) {
                return Poll::Ready(Ok(()));
            }
            core.starter = Some(context.waker().clone());
            Poll::Pending
        })
        .await
    }

    /// Why a feed does not stand yet.
    pub(super) fn first_trouble(&self) -> Option<Error> {
        let core = self.core();
        let mut waiting = core.feeds.iter().filter(|seat| seat.since.is_none());
        waiting.find_map(|seat| seat.trouble.clone())
    }

    /// Ready while half of the queue is free.
    pub(super) fn poll_half_free(&self, context: &mut Context<'_>) -> Poll<()> {
        let mut core = self.core();
        if core.queue.is_half_free() {
            return Poll::Ready(());
        }
        core.queue.register_writer(context.waker());
        Poll::Pending
    }

    /// Up to here nothing is missing of the accounts of a feed.
    pub(super) fn complete(&self, feed: usize, at: DateTime<Utc>, asked: u64) {
        let mut core = self.core();
        core.guard.settled(asked);
        if let Some(seat) = core.feeds.get_mut(feed) {
            seat.complete = Some(at);
        }
    }

    /// Notes what a feed quotes from here on.
    pub(super) fn watch_quotes(&self, feed: usize) {
        if let Some(seat) = self.core().feeds.get_mut(feed) {
            seat.fresh = Some(BTreeSet::new());
        }
    }

    /// Quotes of the read side, unless a newer one came by a frame meanwhile.
    pub(super) fn read_quotes(&self, feed: usize, quotes: Vec<Quote>) {
        let mut core = self.core();
        let fresh = core.feeds.get_mut(feed).and_then(|seat| seat.fresh.take());
        let fresh = fresh.unwrap_or_default();
        let read = quotes.into_iter().filter(|quote| !fresh.contains(&quote.instrument));
        read.for_each(|quote| core.queue.quote(Box::new(quote)));
    }

    /// Asks or tells the guard.
    pub(super) fn guard<T>(&self, ask: impl FnOnce(&mut Guard) -> T) -> T {
        ask(&mut self.core().guard)
    }

    fn stop(&self) {
        self.stops.iter().for_each(AbortHandle::abort);
    }

    fn core(&self) -> MutexGuard<'_, Core> {
        self.core.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Core {
    /// Into the queue, if it is news and there is room, and only then into the guard's memory.
    fn offer(
        &mut self,
        event: Event,
        way: Way,
        now: DateTime<Utc>,
        needed: DateTime<Utc>,
    ) -> std::result::Result<Offered, Event> {
        if !self.guard.is_news(&event, way) {
            return Ok(Offered::Old);
        }
        if self.queue.is_full() {
            return Err(event);
        }
        let call = self.guard.delivered(&event, way, now, needed);
        self.queue.push(event);
        Ok(Offered::Taken(call))
    }

    fn quote(&mut self, feed: usize, quote: Box<Quote>) {
        if let Some(fresh) = self.feeds.get_mut(feed).and_then(|seat| seat.fresh.as_mut()) {
            fresh.insert(quote.instrument.clone());
        }
        self.queue.quote(quote);
    }

    /// The earliest time that a read-back can still ask for: twice the look-back, for rows also become readable late.
    fn needed(&self, now: DateTime<Utc>, look_back: chrono::Duration) -> DateTime<Utc> {
        let complete = self.feeds.iter().filter_map(|seat| seat.complete).min();
        complete
            .unwrap_or(now)
            .checked_sub_signed(look_back * 2)
            .unwrap_or_default()
    }

    fn wake_starter(&mut self) {
        if let Some(starter) = self.starter.take() {
            starter.wake();
        }
    }
}

impl Debug for Hub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hub({} feeds)", self.stops.len())
    }
}

/// The stream in the user's hand. Dropping it ends every task.
pub(super) struct Events {
    pub(super) hub: Arc<Hub>,
}

impl Stream for Events {
    type Item = Event;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Event>> {
        self.hub.core().queue.poll_next(context)
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        self.hub.stop();
        self.hub.core().queue.clear();
    }
}

#[cfg(test)]
mod tests {
    use futures_util::{FutureExt, StreamExt};

    use super::*;
    use crate::model::{Environment, Fee, Record};
    use crate::seam::VirtualRuntime;

    fn at(second: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_767_225_600 + second, 0).unwrap()
    }

    fn row(id: &str) -> Event {
        Event::Record(Box::new(Record::Fee(Fee {
            id: id.into(),
            account: "ACC-A1".into(),
            label: "TAF".to_owned(),
            asset: crate::model::Asset::Currency("USD".parse().unwrap()),
            amount: rust_decimal::Decimal::ONE,
            price: None,
            instrument: None,
            order: None,
            fill: None,
            at: at(0),
            booked_at: None,
            version: 0,
            canceled: false,
        })))
    }

    fn hub(capacity: usize) -> Arc<Hub> {
        let clock = Arc::new(VirtualRuntime::new().clock());
        let guard = Guard::new("scripted".into(), Environment::Paper, false);
        let stops = vec![AbortHandle::new_pair().0];
        let look_back = chrono::Duration::seconds(60);
        Arc::new(Hub::new(clock, guard, capacity, look_back, stops))
    }

    const READ: Way = Way {
        asked: Some(0),
        since: None,
        first: false,
    };

    /// Offers three rows to a queue for two, then reads all three back. Gives the rows that came out.
    fn overflow(offer: impl Fn(&Hub, Event)) -> Vec<String> {
        let hub = hub(2);
        let mut events = Events { hub: Arc::clone(&hub) };
        ["r1", "r2", "r3"].iter().for_each(|id| offer(&hub, row(id)));
        let mut told = Vec::new();
        let mut take = || {
            while let Some(Some(Event::Record(record))) = events.next().now_or_never() {
                told.push(format!("{:?}", record.key()));
            }
        };
        take();
        for id in ["r1", "r2", "r3"] {
            assert!(hub.push(row(id), READ).now_or_never().is_some());
            take();
        }
        told
    }

    #[test]
    fn a_row_that_found_no_room_is_not_known_and_comes_when_it_is_read_back() {
        let told = overflow(|hub, event| _ = hub.offer(0, event));
        assert_eq!(
            told,
            [
                r#"Fee(RecordId("r1"))"#,
                r#"Fee(RecordId("r2"))"#,
                r#"Fee(RecordId("r3"))"#
            ]
        );
    }

    #[test]
    fn a_row_marked_before_it_is_queued_would_be_lost() {
        let told = overflow(|hub, event| {
            // The planted bug: the guard is told first.
            let mut core = hub.core();
            if core.guard.is_news(&event, Way { asked: None, ..READ }) {
                core.guard.delivered(&event, Way { asked: None, ..READ }, at(0), at(0));
                if !core.queue.is_full() {
                    core.queue.push(event);
                }
            }
        });
        assert_eq!(told, [r#"Fee(RecordId("r1"))"#, r#"Fee(RecordId("r2"))"#]);
    }

    #[test]
    fn a_reading_waits_for_room_and_goes_on_when_there_is() {
        let hub = hub(2);
        let mut events = Events { hub: Arc::clone(&hub) };
        assert_eq!(hub.offer(0, row("r1")), Offered::Taken(Call::Nothing));
        assert_eq!(hub.offer(0, row("r2")), Offered::Taken(Call::Nothing));
        assert_eq!(hub.offer(0, row("r3")), Offered::Full);
        assert_eq!(hub.offer(0, row("r2")), Offered::Old);
        let mut waiting = Box::pin(hub.push(row("r3"), READ));
        assert!((&mut waiting).now_or_never().is_none());
        assert!(events.next().now_or_never().is_some());
        assert_eq!(waiting.now_or_never(), Some(Offered::Taken(Call::Nothing)));
        assert_eq!(hub.offer(0, row("r3")), Offered::Old);
    }
}
