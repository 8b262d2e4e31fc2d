//! The venue as a broker: live events.
//!
//! Whoever touches the venue (an order, a cancel, a reading that moves its time, [`SimBroker::with_engine`]) hands
//! what it told to every subscriber before anybody else can touch it, so all of them see one order of events. A
//! subscription that is dropped is forgotten at the next touch.
//!
//! Nothing here has a clock of its own: while nobody touches the venue, its markets stand still and nothing expires.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::{Deref, DerefMut};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Waker};

use async_trait::async_trait;
use broker_core::model::{Asset, Coverage, Event, PositionLeg, PositionMode, Subscription};
use broker_core::seam::BoxStream;
use broker_core::{AccountId, Error, InstrumentId, OrderId, Position, Qty, Quote, Record, Result, Side, Streaming};
use chrono::{DateTime, Utc};
use futures_core::Stream;

use crate::broker::{SimBroker, refused};
use crate::engine::{Engine, SimEvent};
use crate::reject::SimReject;

#[async_trait]
impl Streaming for SimBroker {
    /// The snapshot is the open orders, positions and balances of each account, and the quotes as they stand. Then
    /// come orders and records as they happen, and behind them the positions that they moved; a position that is
    /// closed comes flat. Balances are told in the snapshot alone. Where the queue is full, orders and positions are
    /// conflated, and records are read from the venue's log once there is room; nothing is lost otherwise, so that
    /// no audit is needed.
    async fn subscribe(&self, subscription: &Subscription) -> Result<BoxStream<'static, Event>> {
        if subscription.accounts.is_empty() && subscription.quotes.is_empty() {
            return Err(Error::invalid("a subscription names an account or an instrument").with_operation("subscribe"));
        }
        let mailbox = self.engine().register(subscription).map_err(refused("subscribe"))?;
        let broker = self.clone();
        Ok(Box::pin(Events { broker, mailbox }))
    }
}

/// What a subscriber holds.
struct Events {
    broker: SimBroker,
    mailbox: Arc<Mailbox>,
}

impl Stream for Events {
    type Item = Event;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Event>> {
        loop {
            match self.mailbox.next(context) {
                Next::Event(event) => return Poll::Ready(Some(event)),
                Next::Hole => self.mailbox.read_back(&self.broker.touch()),
                Next::Nothing => return Poll::Pending,
            }
        }
    }
}

/// A venue and those who listen to it.
pub(crate) struct Venue {
    engine: Engine,
    subscribers: Vec<Subscriber>,
}

struct Subscriber {
    mailbox: Weak<Mailbox>,
    quotes: Vec<InstrumentId>,
}

impl Venue {
    pub(crate) fn new(engine: Engine) -> Self {
        Self {
            engine,
            subscribers: Vec::new(),
        }
    }

    fn register(&mut self, subscription: &Subscription) -> Result<Arc<Mailbox>, SimReject> {
        // What happened before belongs to the others, and to the snapshot.
        self.hand_out();
        let engine = &mut self.engine;
        for account in &subscription.accounts {
            engine.account_index(account)?;
        }
        for instrument in &subscription.quotes {
            engine.market_index(instrument)?;
        }
        let queue = Queue::starting(engine, subscription)?;
        for instrument in &subscription.quotes {
            engine.watch(instrument, true)?;
        }
        if engine.events.is_none() {
            engine.keep_events(true);
        }
        let mailbox = Arc::new(Mailbox {
            covers: subscription.clone(),
            queue: Mutex::new(queue),
        });
        self.subscribers.push(Subscriber {
            mailbox: Arc::downgrade(&mailbox),
            quotes: subscription.quotes.clone(),
        });
        Ok(mailbox)
    }

    /// Gives each subscriber what the venue has told, and forgets those that are gone.
    fn hand_out(&mut self) {
        let told = self.engine.take_events();
        let engine = &self.engine;
        let mut left_alone = Vec::new();
        self.subscribers
            .retain_mut(|subscriber| match subscriber.mailbox.upgrade() {
                Some(mailbox) => {
                    mailbox.put(&told, engine);
                    true
                }
                None => {
                    left_alone.append(&mut subscriber.quotes);
                    false
                }
            });
        left_alone.retain(|id| !self.subscribers.iter().any(|other| other.quotes.contains(id)));
        for instrument in left_alone {
            // It was listed when it was subscribed to, and nothing is ever taken off the list.
            let _ = self.engine.watch(&instrument, false);
        }
    }
}

/// The venue while somebody holds it.
pub(crate) struct Touched<'a>(MutexGuard<'a, Venue>);

impl<'a> Touched<'a> {
    pub(crate) fn new(venue: &'a Mutex<Venue>) -> Self {
        Self(venue.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn register(mut self, subscription: &Subscription) -> Result<Arc<Mailbox>, SimReject> {
        self.0.register(subscription)
    }
}

impl Deref for Touched<'_> {
    type Target = Engine;

    fn deref(&self) -> &Engine {
        &self.0.engine
    }
}

impl DerefMut for Touched<'_> {
    fn deref_mut(&mut self) -> &mut Engine {
        &mut self.0.engine
    }
}

impl Drop for Touched<'_> {
    fn drop(&mut self) {
        self.0.hand_out();
    }
}

/// What waits for one subscriber.
struct Mailbox {
    covers: Subscription,
    queue: Mutex<Queue>,
}

struct Queue {
    /// How many events it holds at most, beside the snapshot.
    most: usize,
    events: VecDeque<Event>,
    /// The newest of each instrument, in a place of their own.
    quotes: BTreeMap<InstrumentId, Quote>,
    /// How many rows of each account's log were told.
    told: BTreeMap<AccountId, usize>,
    hole: Option<Hole>,
    waker: Option<Waker>,
}

/// What did not fit and is still to be read from the venue. Its records stand in the log.
struct Hole {
    from: DateTime<Utc>,
    announced: bool,
    orders: BTreeSet<(AccountId, OrderId)>,
    positions: BTreeSet<PositionKey>,
}

type PositionKey = (AccountId, InstrumentId, PositionLeg);

enum Next {
    Event(Event),
    Hole,
    Nothing,
}

impl Mailbox {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn next(&self, context: &Context<'_>) -> Next {
        let mut queue = self.queue();
        if let Some(event) = queue.events.pop_front() {
            return Next::Event(event);
        }
        if queue.hole.is_some() {
            return Next::Hole;
        }
        if let Some((_, quote)) = queue.quotes.pop_first() {
            return Next::Event(Event::Quote(Box::new(quote)));
        }
        queue.waker = Some(context.waker().clone());
        Next::Nothing
    }

    /// Takes what concerns this subscriber, and wakes it.
    fn put(&self, told: &[SimEvent], engine: &Engine) {
        let mut queue = self.queue();
        let mut moved = BTreeSet::new();
        for event in told {
            match event {
                SimEvent::Order { at, order } if self.covers.accounts.contains(&order.account) => {
                    queue.put_order(*at, order);
                }
                SimEvent::Record { at, entry, .. } if self.covers.accounts.contains(entry.record.account()) => {
                    moved.extend(positions_of(engine, &entry.record));
                    queue.put_record(*at, &entry.record);
                }
                SimEvent::Quote(quote) if self.covers.quotes.contains(&quote.instrument) => {
                    queue.quotes.insert(quote.instrument.clone(), quote.clone());
                }
                SimEvent::Order { .. } | SimEvent::Record { .. } | SimEvent::Quote(_) => {}
            }
        }
        for key in moved {
            queue.put_position(engine, key);
        }
        let has_news = !queue.events.is_empty() || !queue.quotes.is_empty() || queue.hole.is_some();
        let waker = if has_news { queue.waker.take() } else { None };
        drop(queue);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Reads back what did not fit: records from the log in order, then orders and positions as they are now.
    fn read_back(&self, engine: &Engine) {
        let mut queue = self.queue();
        let Some(mut hole) = queue.hole.take() else { return };
        if !hole.announced {
            hole.announced = true;
            let (from, to) = (hole.from, engine.now());
            queue.events.push_back(Event::Gap { from, to });
        }
        if queue.read_log(engine, &self.covers.accounts) && queue.read_states(engine, &mut hole) {
            queue.events.push_back(Event::Recovered(Coverage {
                accounts: self.covers.accounts.clone(),
                missing: Vec::new(),
            }));
        } else {
            queue.hole = Some(hole);
        }
    }
}

impl Queue {
    /// A queue that holds the snapshot.
    fn starting(engine: &Engine, subscription: &Subscription) -> Result<Self, SimReject> {
        let mut queue = Self {
            most: subscription.queue,
            events: VecDeque::new(),
            quotes: BTreeMap::new(),
            told: BTreeMap::new(),
            hole: None,
            waker: None,
        };
        for account in &subscription.accounts {
            let open = engine.open_orders(account)?.map(|order| order.order().clone());
            queue.events.extend(open.map(|order| Event::Order(Box::new(order))));
            let positions = engine.positions(account)?.into_iter();
            queue
                .events
                .extend(positions.map(|position| Event::Position(Box::new(position))));
            let balances = engine.balances(account)?;
            queue.events.push_back(Event::Balances(Box::new(balances)));
            queue.told.insert(account.clone(), engine.log(account)?.len());
        }
        for instrument in &subscription.quotes {
            if let Some(quote) = engine.quote(instrument) {
                queue.quotes.insert(instrument.clone(), quote);
            }
        }
        Ok(queue)
    }

    fn has_room(&self) -> bool {
        self.events.len() < self.most
    }

    /// The hole, opened now if the queue is full; `None` while everything fits.
    fn hole_at(&mut self, at: DateTime<Utc>) -> Option<&mut Hole> {
        if self.hole.is_none() && !self.has_room() {
            self.hole = Some(Hole {
                from: at,
                announced: false,
                orders: BTreeSet::new(),
                positions: BTreeSet::new(),
            });
        }
        self.hole.as_mut()
    }

    fn put_order(&mut self, at: DateTime<Utc>, order: &broker_core::Order) {
        match self.hole_at(at) {
            Some(hole) => {
                hole.orders.insert((order.account.clone(), order.id.clone()));
            }
            None => self.events.push_back(Event::Order(Box::new(order.clone()))),
        }
    }

    fn put_record(&mut self, at: DateTime<Utc>, record: &Record) {
        if self.hole_at(at).is_none() {
            *self.told.entry(record.account().clone()).or_default() += 1;
            self.events.push_back(Event::Record(Box::new(record.clone())));
        }
    }

    fn put_position(&mut self, engine: &Engine, key: PositionKey) {
        match self.hole_at(engine.now()) {
            Some(hole) => {
                hole.positions.insert(key);
            }
            None => self
                .events
                .extend(position(engine, &key).map(|position| Event::Position(Box::new(position)))),
        }
    }

    /// Queues rows that were not told yet, as far as there is room. True when none is left.
    fn read_log(&mut self, engine: &Engine, accounts: &[AccountId]) -> bool {
        for account in accounts {
            let log = engine.log(account).unwrap_or_default();
            let told = self.told.get(account).copied().unwrap_or_default();
            let room = self.most.saturating_sub(self.events.len());
            let rows = log.iter().skip(told).take(room);
            let rows: Vec<_> = rows
                .map(|entry| Event::Record(Box::new(entry.record.clone())))
                .collect();
            let told = told + rows.len();
            self.events.extend(rows);
            self.told.insert(account.clone(), told);
            if told < log.len() {
                return false;
            }
        }
        true
    }

    /// Queues orders and positions that changed meanwhile, as far as there is room. True when none is left.
    fn read_states(&mut self, engine: &Engine, hole: &mut Hole) -> bool {
        while self.has_room() {
            if let Some((account, id)) = hole.orders.pop_first() {
                let order = engine.order(&account, &id).map(|order| order.order().clone());
                self.events
                    .extend(order.ok().map(|order| Event::Order(Box::new(order))));
            } else if let Some(key) = hole.positions.pop_first() {
                self.events
                    .extend(position(engine, &key).map(|position| Event::Position(Box::new(position))));
            } else {
                return true;
            }
        }
        false
    }
}

/// The positions that a record moves.
fn positions_of(engine: &Engine, record: &Record) -> Vec<PositionKey> {
    let account = record.account();
    match record {
        Record::Fill(fill) => vec![(account.clone(), fill.instrument.clone(), fill.leg)],
        Record::Void(void) => {
            let log = engine.log(account).unwrap_or_default();
            let voided = log.iter().find_map(|entry| match &entry.record {
                Record::Fill(fill) if fill.id == void.fill => Some((fill.instrument.clone(), fill.leg)),
                Record::Fill(_) | Record::Void(_) | Record::Fee(_) | Record::Flow(_) => None,
            });
            let voided = voided.map(|(instrument, leg)| (account.clone(), instrument, leg));
            voided.into_iter().collect()
        }
        Record::Fee(fee) => legs_of(engine, account, &fee.asset),
        Record::Flow(flow) => legs_of(engine, account, &flow.asset),
    }
}

/// An asset that is an instrument does not say which leg it moved.
fn legs_of(engine: &Engine, account: &AccountId, asset: &Asset) -> Vec<PositionKey> {
    let Asset::Instrument { id, .. } = asset else {
        return Vec::new();
    };
    let legs: &[_] = match engine.account(account).map(|account| account.spec().mode) {
        Ok(PositionMode::Hedging) => &[PositionLeg::Long, PositionLeg::Short],
        Ok(PositionMode::Netting) | Err(_) => &[PositionLeg::Net],
    };
    legs.iter().map(|leg| (account.clone(), id.clone(), *leg)).collect()
}

/// The position as it is now, flat ones too. `None` for an instrument that is not listed.
fn position(engine: &Engine, (account, instrument, leg): &PositionKey) -> Option<Position> {
    let open = engine.position(account, instrument, *leg);
    open.or_else(|| {
        let instrument = engine.instrument(instrument)?;
        Some(Position {
            account: account.clone(),
            instrument: instrument.id.clone(),
            symbol: instrument.symbol.clone(),
            leg: *leg,
            side: Side::Buy,
            qty: Qty::ZERO,
            available: Some(Qty::ZERO),
            average_price: None,
            mark_price: engine.mark(&instrument.id),
            market_value: None,
            cost_basis: None,
            unrealized_pnl: None,
            realized_pnl: None,
            at: Some(engine.now()),
        })
    })
}
