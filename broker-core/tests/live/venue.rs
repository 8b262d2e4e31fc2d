//! A venue whose every word is scripted: its books, its stream and its troubles.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use broker_core::limit::{Cost, Lane, Limiter};
use broker_core::live::{Feed, Look, Pulse, Signal, Source};
use broker_core::model::{Event, OrderRef, Subscription};
use broker_core::seam::{Answer, AnswerBody, Carrier, Clock, Frame, OpenRequest, Request, Transport, VirtualClock};
use broker_core::{Balances, Error, ErrorKind, Order, OrderId, OrderStatus, Position, Quote, Record, Result};
use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures_util::stream;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::literals::{account, fill, order};

/// Books and wires of the venue.
#[derive(Debug, Default)]
pub(crate) struct Books {
    pub(crate) orders: BTreeMap<OrderId, Order>,
    /// Rows, and from when on each can be read.
    pub(crate) records: Vec<(Record, DateTime<Utc>)>,
    pub(crate) positions: Vec<Position>,
    pub(crate) balances: Option<Balances>,
    pub(crate) quotes: Vec<Quote>,
    /// What the stream can tell; a frame names its place.
    events: Vec<Event>,
    /// Open wires, by their numbers.
    wires: BTreeMap<u32, UnboundedSender<Frame>>,
    opened: u32,
    /// Frames that we sent.
    pub(crate) heard: Vec<(Duration, String)>,
    /// When somebody asked for what.
    pub(crate) asked: Vec<(Duration, String)>,
    /// What the next openings answer.
    pub(crate) refusals: VecDeque<Error>,
    /// What the next upgrades answer.
    pub(crate) upgrades: VecDeque<Error>,
    /// What the next readings answer, by their name.
    pub(crate) failures: BTreeMap<&'static str, VecDeque<Error>>,
    /// What the readings with these names and numbers answer, counted from when `asked` was cleared.
    pub(crate) troubles: BTreeMap<(&'static str, usize), Error>,
    /// How long a reading takes.
    pub(crate) read_takes: Duration,
    /// How long an opening takes.
    pub(crate) open_takes: Duration,
    /// Confirms each subscription at once.
    pub(crate) confirms: bool,
    /// Rows of a page.
    pub(crate) page: usize,
    /// Gives this many rows at most.
    pub(crate) cap: Option<usize>,
}

#[derive(Debug, Clone)]
pub(crate) struct Venue {
    books: Arc<Mutex<Books>>,
    pub(crate) clock: VirtualClock,
}

impl Venue {
    pub(crate) fn new(clock: VirtualClock) -> Self {
        let books = Books {
            confirms: true,
            page: 1_000,
            ..Books::default()
        };
        Self {
            books: Arc::new(Mutex::new(books)),
            clock,
        }
    }

    pub(crate) fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap()
    }

    /// Sends a word over every open wire.
    pub(crate) fn say(&self, word: &str) {
        self.send(&Frame::Text(word.to_owned()));
    }

    /// Sends a frame over every open wire.
    pub(crate) fn send(&self, frame: &Frame) {
        let wires = &mut self.books().wires;
        wires.retain(|_, wire| wire.send(frame.clone()).is_ok());
    }

    /// Tells of an event over every open wire.
    pub(crate) fn tell(&self, event: Event) {
        let word = self.word(event);
        self.say(&word);
    }

    /// The frame that tells of an event.
    pub(crate) fn word(&self, event: Event) -> String {
        let mut books = self.books();
        books.events.push(event);
        format!("event {}", books.events.len() - 1)
    }

    pub(crate) fn tell_order(&self, order: &Order) {
        self.tell(Event::Order(Box::new(order.clone())));
    }

    pub(crate) fn tell_record(&self, record: &Record) {
        self.tell(Event::Record(Box::new(record.clone())));
    }

    /// Cuts every wire.
    pub(crate) fn cut(&self) {
        self.books().wires.clear();
    }

    /// Wires that somebody holds.
    pub(crate) fn wires(&self) -> usize {
        let wires = &mut self.books().wires;
        wires.retain(|_, wire| !wire.is_closed());
        wires.len()
    }

    /// Puts an order into the books. Says nothing.
    pub(crate) fn place(&self, id: &str) -> Order {
        let now = self.clock.now();
        let mut order = order(id, OrderStatus::New, 0);
        order.created_at = Some(now);
        order.updated_at = Some(now);
        self.books().orders.insert(order.id.clone(), order.clone());
        order
    }

    /// Changes an order. Says nothing.
    pub(crate) fn change(&self, id: &str, status: OrderStatus) -> Order {
        let now = self.clock.now();
        let mut books = self.books();
        let order = books.orders.get_mut(id).unwrap();
        order.status = status;
        order.updated_at = Some(now);
        order.clone()
    }

    /// Fills a part of an order; all of it, from 10 units on. Says nothing.
    pub(crate) fn fill(&self, fill_id: &str, order: &str, units: u32) -> (Record, Order) {
        let now = self.clock.now();
        let record = Record::Fill(fill(fill_id, order, units, now));
        let mut books = self.books();
        let order = books.orders.get_mut(order).unwrap();
        let filled = order.filled_qty.get() + rust_decimal::Decimal::from(units);
        order.filled_qty = broker_core::Qty::new(filled).unwrap();
        order.legs[0].filled_qty = order.filled_qty;
        order.status = match filled >= 10.into() {
            true => OrderStatus::Filled,
            false => OrderStatus::PartiallyFilled,
        };
        order.updated_at = Some(now);
        let order = order.clone();
        books.records.push((record.clone(), now));
        (record, order)
    }

    /// Adds a row that can be read from then on. Says nothing.
    pub(crate) fn book(&self, record: Record, readable_at: DateTime<Utc>) {
        self.books().records.push((record, readable_at));
    }

    /// How often somebody asked for this.
    pub(crate) fn count(&self, what: &str) -> usize {
        self.books().asked.iter().filter(|(_, asked)| asked == what).count()
    }

    /// Notes a reading, takes its time, and fails where that is planned.
    pub(crate) async fn reading(&self, what: &'static str) -> Result<()> {
        let takes = {
            let mut books = self.books();
            books.asked.push((self.clock.elapsed(), what.to_owned()));
            books.read_takes
        };
        if !takes.is_zero() {
            self.clock.sleep(takes).await;
        }
        let number = self.count(what);
        let mut books = self.books();
        let trouble = books.troubles.remove(&(what, number));
        match trouble.or_else(|| books.failures.get_mut(what)?.pop_front()) {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }
}

impl Venue {
    /// An answer that does not end: each frame is a line.
    fn answer(&self) -> AnswerBody {
        let (number, frames) = self.wire();
        self.books().wires[&number]
            .send(Frame::Text("ready".to_owned()))
            .unwrap();
        Box::pin(stream::unfold(frames, async |mut frames| {
            let line = match frames.recv().await? {
                Frame::Text(text) => format!("{text}\r\n"),
                other => panic!("{other:?} is no line"),
            };
            Some((Ok(Bytes::from(line)), frames))
        }))
    }

    fn wire(&self) -> (u32, UnboundedReceiver<Frame>) {
        let (wire, frames) = unbounded_channel();
        let mut books = self.books();
        books.opened += 1;
        let number = books.opened;
        books.wires.insert(number, wire);
        (number, frames)
    }
}

#[async_trait]
impl Transport for Venue {
    async fn send(&self, _request: Request) -> Result<Answer> {
        Err(Error::unsupported("nothing is sent here"))
    }

    async fn open(&self, _request: OpenRequest) -> Result<Box<dyn Carrier>> {
        let takes = self.books().open_takes;
        if !takes.is_zero() {
            self.clock.sleep(takes).await;
        }
        if let Some(error) = self.books().upgrades.pop_front() {
            return Err(error);
        }
        let (number, frames) = self.wire();
        let venue = self.clone();
        Ok(Box::new(Wire { venue, number, frames }))
    }
}

/// Our end of a wire.
#[derive(Debug)]
struct Wire {
    venue: Venue,
    number: u32,
    frames: UnboundedReceiver<Frame>,
}

#[async_trait]
impl Carrier for Wire {
    async fn receive(&mut self) -> Option<Result<Frame>> {
        self.frames.recv().await.map(Ok)
    }

    async fn send(&mut self, frame: Frame) -> Result<()> {
        let word = match frame {
            Frame::Text(text) => text,
            other => format!("{other:?}"),
        };
        let mut books = self.venue.books();
        books.heard.push((self.venue.clock.elapsed(), word.clone()));
        if word.starts_with("hello")
            && books.confirms
            && let Some(wire) = books.wires.get(&self.number)
        {
            _ = wire.send(Frame::Text("ready".to_owned()));
        }
        Ok(())
    }
}

/// A refusal by a limit, with its wait.
pub(crate) fn limited(seconds: u64) -> Error {
    Error::new(ErrorKind::RateLimited)
        .with_message("limited")
        .with_retry_after(Duration::from_secs(seconds))
}

/// The feed of this venue.
#[derive(Debug)]
pub(crate) struct ScriptedFeed {
    pub(crate) venue: Venue,
    pub(crate) name: &'static str,
    pub(crate) covers: Subscription,
    pub(crate) pulse: Pulse,
    /// Connections so far.
    pub(crate) opened: u32,
    /// Over an answer that does not end.
    pub(crate) lines: bool,
    /// What a connection costs.
    pub(crate) pays: Option<(Limiter, Cost)>,
}

impl ScriptedFeed {
    pub(crate) fn new(venue: &Venue, covers: Subscription) -> Self {
        Self {
            venue: venue.clone(),
            name: "scripted",
            covers,
            pulse: Pulse {
                send: None,
                silence: Duration::from_secs(100_000),
            },
            opened: 0,
            lines: false,
            pays: None,
        }
    }
}

#[async_trait]
impl Feed for ScriptedFeed {
    fn name(&self) -> &'static str {
        self.name
    }

    fn covers(&self) -> &Subscription {
        &self.covers
    }

    async fn open(&mut self) -> Result<Source> {
        let refusal = {
            let mut books = self.venue.books();
            books.asked.push((self.venue.clock.elapsed(), "open".to_owned()));
            books.refusals.pop_front()
        };
        if let Some(error) = refusal {
            return Err(error);
        }
        self.opened += 1;
        if self.lines {
            return Ok(Source::Lines(self.venue.answer()));
        }
        let paid = match &self.pays {
            Some((limiter, cost)) => Some(limiter.acquire(std::slice::from_ref(cost), Lane::Read).await?),
            None => None,
        };
        Ok(Source::Socket {
            request: OpenRequest::Tcp {
                host: "127.0.0.1".to_owned(),
                port: 1,
            },
            first: vec![Frame::Text(format!("hello {}", self.opened))],
            paid,
        })
    }

    fn read(&mut self, frame: &Frame, out: &mut Vec<Signal>) -> Result<()> {
        let Frame::Text(text) = frame else {
            return match frame {
                Frame::Close(Some((4_001, _))) => {
                    let error = Error::new(ErrorKind::Auth).with_message("the key was revoked");
                    out.push(Signal::Closed { error, fatal: true });
                    Ok(())
                }
                Frame::Close(_) => Ok(()),
                _ => Err(Error::decode("a frame that is no text")),
            };
        };
        for word in text.split(';') {
            out.push(match word.split_once(' ').unwrap_or((word, "")) {
                ("ready", _) => Signal::Ready,
                ("beat", _) => Signal::Beat,
                ("event", place) => {
                    let place: usize = place.parse().map_err(|_| Error::decode("an event"))?;
                    Signal::Event(self.venue.books().events[place].clone())
                }
                ("send", frame) => Signal::Send(Frame::Text(frame.to_owned())),
                ("look", "") => Signal::Look(Look::Account(account())),
                ("look", order) => Signal::Look(Look::Order(OrderRef::by_id(&account(), order.into()))),
                ("closed", why) => Signal::Closed {
                    error: Error::new(ErrorKind::Unavailable).with_message(why),
                    fatal: false,
                },
                ("limited", seconds) => Signal::Closed {
                    error: limited(seconds.parse().unwrap()),
                    fatal: false,
                },
                ("fatal", why) => Signal::Closed {
                    error: Error::new(ErrorKind::Auth).with_message(why),
                    fatal: true,
                },
                (other, _) => return Err(Error::decode(other)),
            });
        }
        Ok(())
    }

    fn pulse(&self) -> Pulse {
        self.pulse.clone()
    }
}
