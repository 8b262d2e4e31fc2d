//! The bounded queue between the feeds and the reader.

use std::collections::{BTreeMap, VecDeque};
use std::task::{Context, Poll, Waker};

use crate::id::InstrumentId;
use crate::model::{Event, Quote};

/// Events that wait for the reader. Those of accounts keep their order and have a bound; of quotes only the newest
/// an instrument waits, behind the others.
#[derive(Debug)]
pub(super) struct Queue {
    events: VecDeque<Event>,
    capacity: usize,
    quotes: BTreeMap<InstrumentId, Box<Quote>>,
    /// The instruments of waiting quotes, longest wait first.
    turns: VecDeque<InstrumentId>,
    /// The last item; nothing goes in any more.
    end: End,
    reader: Option<Waker>,
    writers: Vec<Waker>,
}

#[derive(Debug)]
enum End {
    Open,
    Closing(Event),
    Closed,
}

impl Queue {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            events: VecDeque::new(),
            capacity: capacity.max(2),
            quotes: BTreeMap::new(),
            turns: VecDeque::new(),
            end: End::Open,
            reader: None,
            writers: Vec::new(),
        }
    }

    pub(super) fn is_full(&self) -> bool {
        self.events.len() >= self.capacity
    }

    pub(super) fn is_half_free(&self) -> bool {
        self.events.len() <= self.capacity / 2
    }

    pub(super) fn push(&mut self, event: Event) {
        if matches!(self.end, End::Open) {
            self.events.push_back(event);
            self.wake_reader();
        }
    }

    /// Takes the place of an older quote of the instrument.
    pub(super) fn quote(&mut self, quote: Box<Quote>) {
        if !matches!(self.end, End::Open) {
            return;
        }
        if let Some(waiting) = self.quotes.get_mut(&quote.instrument) {
            *waiting = quote;
            return;
        }
        self.turns.push_back(quote.instrument.clone());
        self.quotes.insert(quote.instrument.clone(), quote);
        self.wake_reader();
    }

    /// Behind what waits this is the last item. Only the first end counts.
    pub(super) fn close(&mut self, event: Event) {
        if matches!(self.end, End::Open) {
            self.end = End::Closing(event);
            self.wake_reader();
        }
    }

    /// The next item; `None` behind the last one.
    pub(super) fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Event>> {
        if let Some(event) = self.events.pop_front() {
            self.writers.drain(..).for_each(Waker::wake);
            self.shrink();
            return Poll::Ready(Some(event));
        }
        if let Some(quote) = self
            .turns
            .pop_front()
            .and_then(|instrument| self.quotes.remove(&instrument))
        {
            return Poll::Ready(Some(Event::Quote(quote)));
        }
        match std::mem::replace(&mut self.end, End::Closed) {
            End::Open => {
                self.end = End::Open;
                self.reader = Some(context.waker().clone());
                Poll::Pending
            }
            End::Closing(event) => Poll::Ready(Some(event)),
            End::Closed => Poll::Ready(None),
        }
    }

    /// Wakes this task when the reader took something.
    pub(super) fn register_writer(&mut self, waker: &Waker) {
        if !self.writers.iter().any(|known| known.will_wake(waker)) {
            self.writers.push(waker.clone());
        }
    }

    /// Nobody reads any more.
    pub(super) fn clear(&mut self) {
        self.end = End::Closed;
        self.events = VecDeque::new();
        self.quotes = BTreeMap::new();
        self.turns = VecDeque::new();
    }

    fn wake_reader(&mut self) {
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
    }

    /// A burst does not keep its memory.
    fn shrink(&mut self) {
        const SMALL: usize = 32;
        if self.events.is_empty() && self.events.capacity() > SMALL {
            self.events = VecDeque::new();
        }
    }
}
