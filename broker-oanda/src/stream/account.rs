//! The transactions of one account, as they are made.
//!
//! Ids count without a hole. So a row that is not the next one, and a heartbeat that tells of a newer one than came,
//! say that something was lost on a healthy connection: what is missing is read back at once.

use std::collections::BTreeMap;

use async_trait::async_trait;
use broker_core::live::{Feed, Look, Pulse, Signal, Source};
use broker_core::model::{Event, Subscription};
use broker_core::seam::Frame;
use broker_core::{Error, OrderId, OrderRef, OrderStatus, Record, Result};

use super::pulse;
use crate::broker::OandaBroker;
use crate::map::order::{Ended, Filled, Lot, Made, Told, told};
use crate::map::{Book, record};
use crate::rest::path;
use crate::wire::{self, LineJson, RowJson};

/// Orders and trades that are remembered, so that a fill or a cancel says all of its order.
const MOST: usize = 4096;

/// The feed of one account.
pub(super) struct Transactions {
    broker: OandaBroker,
    book: Book,
    covers: Subscription,
    /// The last transaction that was told of.
    last: Option<u64>,
    is_ready: bool,
    orders: BTreeMap<u64, Made>,
    lots: BTreeMap<u64, Lot>,
    /// The order of each fill that made exits, for the exits follow it.
    fills: BTreeMap<u64, u64>,
}

impl std::fmt::Debug for Transactions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Transactions({}, {} orders)", self.book.account, self.orders.len())
    }
}

impl Transactions {
    pub(super) fn new(broker: &OandaBroker, book: Book, subscription: &Subscription) -> Self {
        let mut covers = subscription.clone();
        (covers.accounts, covers.quotes) = (vec![book.account.clone()], Vec::new());
        Self {
            broker: broker.clone(),
            book,
            covers,
            last: None,
            is_ready: false,
            orders: BTreeMap::new(),
            lots: BTreeMap::new(),
            fills: BTreeMap::new(),
        }
    }

    fn look(&self) -> Signal {
        Signal::Look(Look::Account(self.book.account.clone()))
    }

    /// What follows from the id of a row or a heartbeat. The first one says where the stream begins.
    fn reach(&mut self, id: u64, next: u64, out: &mut Vec<Signal>) {
        if self.last.is_some_and(|last| id > last.saturating_add(next)) {
            out.push(self.look());
        }
        self.last = Some(self.last.map_or(id, |last| last.max(id)));
    }

    fn row(&mut self, row: &RowJson<'_>, out: &mut Vec<Signal>) -> Result<()> {
        let id = row.number()?;
        // A row that came before tells nothing new, and its order may be further by now.
        if self.last.is_some_and(|last| id <= last) {
            out.push(Signal::Beat);
            return Ok(());
        }
        self.reach(id, 1, out);
        let (mut records, mut notes) = (Vec::new(), Vec::new());
        record::records(row, &self.book, &mut records, &mut notes)?;
        // The records first: an order that is filled further than its fills say looks like a hole.
        out.extend(records.into_iter().map(event));
        match told(row, &self.book)? {
            Some(Told::Made(made)) => self.made(id, *made, out),
            Some(Told::Filled(filled)) => self.filled(&filled, out),
            Some(Told::Ended(ended)) => self.ended(&ended, out),
            None => out.push(Signal::Beat),
        }
        Ok(())
    }

    fn made(&mut self, id: u64, mut made: Made, out: &mut Vec<Signal>) {
        if let Some(trade) = made.trade {
            let Some(lot) = self.lots.get(&trade) else {
                out.push(self.look_at(&made.order.id));
                return;
            };
            made.join(lot, &self.book);
        }
        let parent = made.with_fill.and_then(|fill| self.fills.get(&fill).copied());
        if let Some(parent) = parent.and_then(|parent| self.orders.get_mut(&parent)) {
            parent.adopt(&mut made.order);
            let replaced = parent.exits.iter();
            let replaced = replaced.filter(|exit| exit.links.replaced_by.as_ref() == Some(&made.order.id));
            out.extend(replaced.cloned().map(order));
        }
        out.push(order(made.order.clone()));
        out.extend(made.exits.iter().cloned().map(order));
        keep(&mut self.orders, id, made);
    }

    fn filled(&mut self, filled: &Filled, out: &mut Vec<Signal>) {
        if let Some(lot) = &filled.opened {
            keep(&mut self.lots, lot.id, lot.clone());
        }
        let Some(id) = self.known(&filled.order, out) else {
            return;
        };
        let Some(made) = self.orders.get_mut(&id) else { return };
        made.fill(filled);
        out.push(order(made.order.clone()));
        // Exits that become orders of their own are told with those.
        let gone = made.exits.iter().filter(|exit| exit.status != OrderStatus::Replaced);
        out.extend(gone.cloned().map(order));
        match filled.opened.is_some() && !made.exits.is_empty() {
            true => keep(&mut self.fills, filled.id, id),
            false => _ = self.orders.remove(&id),
        }
    }

    fn ended(&mut self, ended: &Ended, out: &mut Vec<Signal>) {
        let Some(id) = self.known(&ended.order, out) else {
            return;
        };
        let Some(mut made) = self.orders.remove(&id) else {
            return;
        };
        made.end(ended);
        out.push(order(made.order));
        out.extend(made.exits.into_iter().map(order));
    }

    /// An order that the stream has not made is read: nothing else says what it is.
    fn known(&self, order: &OrderId, out: &mut Vec<Signal>) -> Option<u64> {
        let id = wire::id(order.get()).ok().filter(|id| self.orders.contains_key(id));
        if id.is_none() {
            out.push(self.look_at(order));
        }
        id
    }

    fn look_at(&self, order: &OrderId) -> Signal {
        Signal::Look(Look::Order(OrderRef::by_id(&self.book.account, order.clone())))
    }
}

/// Forgets the oldest where there are too many.
fn keep<T>(all: &mut BTreeMap<u64, T>, id: u64, value: T) {
    all.insert(id, value);
    while all.len() > MOST {
        all.pop_first();
    }
}

fn event(record: Record) -> Signal {
    Signal::Event(Event::Record(Box::new(record)))
}

fn order(order: broker_core::Order) -> Signal {
    Signal::Event(Event::Order(Box::new(order)))
}

#[async_trait]
impl Feed for Transactions {
    fn name(&self) -> &'static str {
        "transactions"
    }

    fn covers(&self) -> &Subscription {
        &self.covers
    }

    /// The stream begins now and replays nothing: what was missed meanwhile is read back.
    async fn open(&mut self) -> Result<Source> {
        (self.last, self.is_ready) = (None, false);
        let path = path(&self.book.account, "transactions/stream");
        self.broker.lines("transactions", path, &[]).await
    }

    fn read(&mut self, frame: &Frame, out: &mut Vec<Signal>) -> Result<()> {
        let Frame::Text(text) = frame else { return Ok(()) };
        if text.trim().is_empty() {
            return Ok(());
        }
        let line: LineJson<'_> = wire::decode(text)?;
        // Whatever came first: the stream stands.
        if !self.is_ready {
            self.is_ready = true;
            out.push(Signal::Ready);
        }
        if line.kind.get() != "HEARTBEAT" {
            let raw: &serde_json::value::RawValue = wire::decode(text)?;
            return self.row(&RowJson::read(raw)?, out);
        }
        out.push(Signal::Beat);
        let last = line
            .last
            .ok_or_else(|| Error::decode("a heartbeat without lastTransactionID"))?;
        self.reach(wire::id(last.get())?, 0, out);
        Ok(())
    }

    fn pulse(&self) -> Pulse {
        pulse()
    }
}
