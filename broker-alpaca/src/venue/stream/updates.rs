//! What the engine does to orders, as messages of `trade_updates`.
//!
//! Each message holds the order as it was then, not as it is now: the states that were told last are kept for as long
//! as an order is open.

use std::collections::BTreeMap;

use broker_core::{AccountId, Fill, Order, OrderId, OrderStatus, Qty, Record};
use broker_sim::{Engine, Entry, SimEvent, SimOrder};
use chrono::{DateTime, Utc};
use rust_decimal::Decimal;

use super::super::ids::uuid;
use super::super::json::Object;
use super::super::orders::Book;
use super::event_id::EventIds;
use super::orders::enveloped;

/// What was told of the orders of an account.
#[derive(Debug)]
pub(super) struct Teller {
    seen: BTreeMap<OrderId, Order>,
    ids: EventIds,
    /// The cancel of a stop whose target was filled is not told.
    hides_stop_cancels: bool,
}

/// One message, before its order.
struct News<'a> {
    event: &'a str,
    at: DateTime<Utc>,
    /// Of fills, busts and corrections.
    execution: Option<Execution>,
}

struct Execution {
    id: String,
    previous: Option<String>,
    price: Decimal,
    qty: Decimal,
    position: Decimal,
}

impl Teller {
    pub(super) fn new(hides_stop_cancels: bool) -> Self {
        Self {
            seen: BTreeMap::new(),
            ids: EventIds::default(),
            hides_stop_cancels,
        }
    }

    /// From now on it tells: what is open is known.
    pub(super) fn begin(&mut self, engine: &Engine, account: &AccountId) {
        let (Ok(book), Ok(open)) = (Book::of(engine, account), engine.open_orders(account)) else {
            return;
        };
        for order in open {
            let mut shown = order.order().clone();
            if book.is_held(order) {
                shown.status = OrderStatus::Held;
            }
            self.seen.insert(shown.id.clone(), shown);
        }
    }

    /// Nobody listens any more.
    pub(super) fn end(&mut self) {
        self.seen.clear();
    }

    /// The messages of these events, in their order.
    pub(super) fn tell(&mut self, engine: &Engine, account: &AccountId, events: &[SimEvent]) -> Vec<String> {
        let Ok(book) = Book::of(engine, account) else {
            return Vec::new();
        };
        let mut told = Vec::new();
        for event in events {
            let message = match event {
                SimEvent::Order { at, order } if order.account == *account => self.order(&book, *at, order),
                SimEvent::Record {
                    at,
                    entry,
                    order: Some(order),
                } if order.account == *account => self.record(engine, &book, *at, entry, order),
                SimEvent::Order { .. } | SimEvent::Record { .. } | SimEvent::Quote(_) => None,
            };
            told.extend(message);
        }
        self.seen.retain(|_, order| !order.status.is_final());
        told
    }

    /// A change of an order that is no execution.
    fn order(&mut self, book: &Book<'_>, at: DateTime<Utc>, order: &Order) -> Option<String> {
        let known = book.find(order.id.get()).ok()?;
        let shown = self.shown(book, known, order);
        let event = match self.seen.get(&shown.id) {
            // A partly filled exit shrinks the other one.
            Some(before) if before.status == shown.status => (before.amount != shown.amount).then_some("restated"),
            Some(_) | None => event(&shown.status),
        };
        let event = event.filter(|event| !(*event == "canceled" && self.hides(book, &shown)));
        let news = event.map(|event| News {
            event,
            at,
            execution: None,
        });
        let message = news.map(|news| self.message(book, known, &shown, &news));
        self.seen.insert(shown.id.clone(), shown);
        message
    }

    /// A fill, a bust or a correction.
    fn record(
        &mut self,
        engine: &Engine,
        book: &Book<'_>,
        at: DateTime<Utc>,
        entry: &Entry,
        order: &Order,
    ) -> Option<String> {
        let known = book.find(order.id.get()).ok()?;
        let position = entry.position_qty.unwrap_or_default();
        let (event, execution) = match &entry.record {
            Record::Fill(fill) => of_fill(fill, entry, position),
            Record::Void(void) => {
                let busted = fill_of(engine, order, &void.fill)?;
                let execution = Execution {
                    id: uuid("bust", void.id.get()),
                    previous: Some(uuid("fill", void.fill.get())),
                    price: busted.price.get(),
                    qty: busted.qty.get(),
                    position,
                };
                ("trade_bust", execution)
            }
            Record::Fee(_) | Record::Flow(_) => return None,
        };
        let shown = self.shown(book, known, order);
        let news = News {
            event,
            at,
            execution: Some(execution),
        };
        let message = self.message(book, known, &shown, &news);
        self.seen.insert(shown.id.clone(), shown);
        Some(message)
    }

    /// An order as Alpaca showed it then.
    fn shown(&self, book: &Book<'_>, known: &SimOrder, order: &Order) -> Order {
        let works = |id: &OrderId| match self.seen.get(id) {
            Some(sibling) => !sibling.status.is_final(),
            None => book
                .find(id.get())
                .is_ok_and(|sibling| !sibling.order().status.is_final()),
        };
        let mut shown = order.clone();
        if book.waits(order, known.is_triggered(), works) {
            shown.status = OrderStatus::Held;
        }
        shown
    }

    /// Whether an order is a stop that goes because its target was filled.
    fn hides(&self, book: &Book<'_>, order: &Order) -> bool {
        let is_filled = |id: &OrderId| {
            let sibling = self.seen.get(id);
            sibling.is_some_and(|sibling| sibling.status == OrderStatus::Filled)
        };
        let is_stop = book.is_leg(order) && order.stop_price.is_some();
        self.hides_stop_cancels && is_stop && order.links.siblings.iter().any(is_filled)
    }

    fn message(&mut self, book: &Book<'_>, known: &SimOrder, shown: &Order, news: &News<'_>) -> String {
        let event_id = self.ids.next(news.at);
        let order = book.write(known, shown, self.legs(book, shown), filled_at(known, shown));
        let made = || uuid("event", &event_id);
        let execution = news.execution.as_ref();
        let mut object = Object::new().text("event", news.event).text(
            "execution_id",
            &execution.map_or_else(made, |execution| execution.id.clone()),
        );
        if let Some(previous) = execution.and_then(|execution| execution.previous.as_deref()) {
            object = object.text("previous_execution_id", previous);
        }
        object = object.raw("order", &order).stamp("timestamp", news.at);
        if let Some(execution) = execution {
            object = object
                .decimal("price", execution.price)
                .decimal("qty", execution.qty)
                .decimal("position_qty", execution.position);
        }
        let data = object.stamp("at", news.at).text("event_id", &event_id).end();
        enveloped("trade_updates", &data)
    }

    /// The legs of a group as they were told last; those of an order that just came in are held.
    fn legs(&self, book: &Book<'_>, parent: &Order) -> Vec<String> {
        let legs = book.legs(parent).into_iter();
        let render = |leg: &SimOrder| match self.seen.get(&leg.order().id) {
            Some(shown) => book.write(leg, shown, Vec::new(), filled_at(leg, shown)),
            None if parent.status == OrderStatus::PendingNew => {
                let mut shown = leg.order().clone();
                shown.status = OrderStatus::Held;
                shown.filled_qty = Qty::ZERO;
                shown.average_price = None;
                shown.updated_at = shown.created_at;
                book.write(leg, &shown, Vec::new(), None)
            }
            None => book.render(leg, false),
        };
        legs.map(render).collect()
    }
}

/// The event that tells of a state; fills are told by their own records.
fn event(status: &OrderStatus) -> Option<&'static str> {
    match status {
        OrderStatus::PendingNew => Some("pending_new"),
        OrderStatus::New => Some("new"),
        OrderStatus::Held => Some("held"),
        OrderStatus::PendingCancel => Some("pending_cancel"),
        OrderStatus::Canceled => Some("canceled"),
        OrderStatus::PendingReplace => Some("pending_replace"),
        OrderStatus::Replaced => Some("replaced"),
        OrderStatus::Expired => Some("expired"),
        OrderStatus::Rejected => Some("rejected"),
        OrderStatus::PartiallyFilled | OrderStatus::Filled => None,
        // The engine has no other word; the enum is open.
        _ => None,
    }
}

/// A fill's id is the one behind the colons of its activity. A correction names that one as its previous.
fn of_fill(fill: &Fill, entry: &Entry, position: Decimal) -> (&'static str, Execution) {
    let id = uuid("fill", fill.id.get());
    let corrects = fill.version > 0;
    let event = match entry.leaves_qty {
        _ if corrects => "trade_correct",
        Some(leaves) if !leaves.is_zero() => "partial_fill",
        _ => "fill",
    };
    let (id, previous) = if corrects {
        let correction = uuid("correction", &format!("{}/{}", fill.id, fill.version));
        (correction, Some(id))
    } else {
        (id, None)
    };
    let execution = Execution {
        id,
        previous,
        price: fill.price.get(),
        qty: fill.qty.get(),
        position,
    };
    (event, execution)
}

/// The last version of a fill.
fn fill_of<'a>(engine: &'a Engine, order: &Order, id: &broker_core::FillId) -> Option<&'a Fill> {
    let log = engine.log(&order.account).ok()?;
    log.iter().rev().find_map(|entry| match &entry.record {
        Record::Fill(fill) if fill.id == *id => Some(fill),
        Record::Fill(_) | Record::Void(_) | Record::Fee(_) | Record::Flow(_) => None,
    })
}

/// An order that can trade no more may have been filled, and busted since.
fn filled_at(known: &SimOrder, shown: &Order) -> Option<DateTime<Utc>> {
    known.first_at(&OrderStatus::Filled).filter(|_| shown.status.is_final())
}
