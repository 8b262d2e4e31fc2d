//! The transactions of an account: what the engine's log and its orders tell, numbered from 1 without a hole.

use std::collections::{BTreeMap, BTreeSet};

use broker_core::{AccountId, OrderId, OrderStatus, Record, RecordId};
use broker_sim::{Engine, SimOrder};
use chrono::{DateTime, Utc};
use rust_decimal::Decimal;

mod cards;
mod money;

use super::terms::Terms;

pub(super) use cards::{Card, Sums, TradeCard, Tx, What};
use money::same_event;

/// All of an account.
#[derive(Debug)]
pub(super) struct Ledger {
    pub(super) account: AccountId,
    pub(super) txs: Vec<Tx>,
    pub(super) cards: BTreeMap<u64, Card>,
    pub(super) trades: BTreeMap<u64, TradeCard>,
    /// By instrument; long and short.
    pub(super) sums: BTreeMap<(String, bool), Sums>,
    pub(super) balance: Decimal,
    pub(super) commission: Decimal,
    /// What a guaranteed stop costs that fills at its price: so much of the price, for each unit.
    pub(super) premium: Decimal,
    /// Fees of guaranteed stops, by fill.
    pub(super) guaranteed: BTreeMap<u64, Decimal>,
    numbers: BTreeMap<OrderId, u64>,
    lots: BTreeMap<RecordId, u64>,
    /// Terms of orders that were asked for over the wire, until they are read from the engine.
    asked: BTreeMap<OrderId, Terms>,
    /// Why orders ended, where the engine does not know.
    reasons: BTreeMap<OrderId, &'static str>,
    open: BTreeSet<OrderId>,
    /// Numbers of orders that can still trade.
    pending: BTreeSet<u64>,
    /// Exits that wait for their entry.
    held: BTreeSet<OrderId>,
    orders_read: usize,
    log_read: usize,
}

/// What happened at one moment.
#[derive(Debug, Default)]
struct Moment {
    made: Vec<OrderId>,
    entries: Vec<usize>,
    activated: Vec<OrderId>,
    ended: Vec<OrderId>,
}

impl Ledger {
    pub(super) fn new(account: AccountId, opened_at: DateTime<Utc>) -> Self {
        Self {
            account,
            txs: vec![Tx {
                at: opened_at,
                batch: 1,
                what: What::Create,
                balance: None,
            }],
            cards: BTreeMap::new(),
            trades: BTreeMap::new(),
            sums: BTreeMap::new(),
            balance: Decimal::ZERO,
            commission: Decimal::ZERO,
            premium: Decimal::ZERO,
            guaranteed: BTreeMap::new(),
            numbers: BTreeMap::new(),
            lots: BTreeMap::new(),
            asked: BTreeMap::new(),
            reasons: BTreeMap::new(),
            open: BTreeSet::new(),
            pending: BTreeSet::new(),
            held: BTreeSet::new(),
            orders_read: 0,
            log_read: 0,
        }
    }

    pub(super) fn last(&self) -> u64 {
        number(self.txs.len())
    }

    pub(super) fn get(&self, id: u64) -> Option<&Tx> {
        self.txs.get(usize::try_from(id.checked_sub(1)?).ok()?)
    }

    /// The last transaction that reads show by this moment.
    pub(super) fn visible(&self, until: DateTime<Utc>) -> u64 {
        number(self.txs.partition_point(|tx| tx.at <= until))
    }

    /// Numbers of the fills and of their orders, in the order of the log.
    pub(super) fn fills(&self) -> Vec<(u64, u64)> {
        let fills = self.txs.iter().enumerate().filter_map(|(place, tx)| match tx.what {
            What::Filled { order, .. } => Some((number(place) + 1, order)),
            _ => None,
        });
        fills.collect()
    }

    /// Orders that could be pending to one who sees no transaction behind `last`, newest first.
    pub(super) fn pending(&self, last: u64) -> Vec<u64> {
        let behind = usize::try_from(last).unwrap_or(usize::MAX).min(self.txs.len());
        let lately = self.txs.iter().skip(behind).filter_map(|tx| match tx.what {
            What::Filled { order, .. } | What::Ended { order, .. } => Some(order),
            _ => None,
        });
        let all: BTreeSet<u64> = self
            .pending
            .iter()
            .copied()
            .chain(lately)
            .filter(|id| *id <= last)
            .collect();
        all.into_iter().rev().collect()
    }

    pub(super) fn number_of(&self, order: &OrderId) -> Option<u64> {
        self.numbers.get(order).copied()
    }

    pub(super) fn trade_of(&self, lot: &RecordId) -> Option<u64> {
        self.lots.get(lot).copied()
    }

    /// Remembers what an order of the engine was asked with.
    pub(super) fn ask(&mut self, order: OrderId, terms: Terms) {
        self.asked.insert(order, terms);
    }

    /// Says why an order of the engine is about to end.
    pub(super) fn because(&mut self, order: OrderId, reason: &'static str) {
        self.reasons.insert(order, reason);
    }

    /// Writes one more transaction.
    pub(super) fn push(&mut self, at: DateTime<Utc>, batch: Option<u64>, what: What) -> u64 {
        let id = self.last() + 1;
        let at = self.txs.last().map_or(at, |last| last.at.max(at));
        self.txs.push(Tx {
            at,
            batch: batch.unwrap_or(id),
            what,
            balance: None,
        });
        id
    }

    /// An order that the engine never saw.
    pub(super) fn phantom(&mut self, at: DateTime<Utc>, terms: Terms, reason: &str) -> u64 {
        let id = self.push(at, None, What::Made);
        let ended = self.push(
            at,
            Some(id),
            What::Ended {
                order: id,
                reason: reason.to_owned(),
                replaced_by: None,
            },
        );
        self.cards.insert(
            id,
            Card {
                engine: None,
                terms,
                at,
                filled: None,
                ended: Some(ended),
                replaced_by: None,
            },
        );
        id
    }

    /// Reads what happened in the engine since it was last read.
    pub(super) fn settle(&mut self, engine: &Engine) {
        let mut moments: BTreeMap<DateTime<Utc>, Moment> = BTreeMap::new();
        let orders = engine.orders_behind(&self.account, self.orders_read);
        for order in orders.into_iter().flatten() {
            self.orders_read += 1;
            let id = order.order().id.clone();
            if order.order().links.parent.is_some() {
                self.held.insert(id);
            } else if let Some(at) = order.order().created_at {
                moments.entry(at).or_default().made.push(id.clone());
                self.open.insert(id);
            }
        }
        let find = |id: &OrderId| engine.order(&self.account, id).ok();
        let (mut awake, mut gone) = (Vec::new(), Vec::new());
        for id in &self.held {
            let Some(order) = find(id) else { continue };
            if let Some(at) = order.first_at(&OrderStatus::New) {
                moments.entry(at).or_default().activated.push(id.clone());
                awake.push(id.clone());
            } else if order.order().status.is_final() {
                gone.push(id.clone());
            }
        }
        for id in awake {
            self.held.remove(&id);
            self.open.insert(id);
        }
        for id in gone {
            self.held.remove(&id);
        }
        let log = engine.log(&self.account).unwrap_or_default();
        for (place, entry) in log.iter().enumerate().skip(self.log_read) {
            moments.entry(entry.booked_at).or_default().entries.push(place);
        }
        self.log_read = log.len();
        let mut ended = Vec::new();
        for id in &self.open {
            let order = find(id).filter(|order| order.order().status.is_final());
            if let Some(stamp) = order.and_then(|order| order.stamps().last()) {
                moments.entry(stamp.at).or_default().ended.push(id.clone());
                ended.push(id.clone());
            }
        }
        for id in ended {
            self.open.remove(&id);
        }
        for (at, moment) in moments {
            self.take(engine, at, &moment);
        }
    }

    fn take(&mut self, engine: &Engine, at: DateTime<Utc>, moment: &Moment) {
        // An order whose place another one takes is canceled first.
        let is_replaced = |id: &&OrderId| {
            let order = engine.order(&self.account, id);
            order.is_ok_and(|order| order.order().status == OrderStatus::Replaced)
        };
        let (replaced, ended): (Vec<&OrderId>, Vec<&OrderId>) = moment.ended.iter().partition(is_replaced);
        for id in replaced {
            self.end(engine, at, id);
        }
        for id in &moment.made {
            self.make(engine, at, id);
        }
        let log = engine.log(&self.account).unwrap_or_default();
        let mut places = moment.entries.iter().copied().peekable();
        while let Some(place) = places.next() {
            let Some(entry) = log.get(place) else { continue };
            match &entry.record {
                Record::Fill(fill) => {
                    if let Some(order) = &fill.order {
                        self.make(engine, at, order);
                    }
                    self.fill(at, place, fill);
                    let children = fill.order.as_ref().and_then(|id| engine.order(&self.account, id).ok());
                    let children = children.map(|order| order.order().links.children.clone());
                    for child in children.unwrap_or_default() {
                        if moment.activated.contains(&child) {
                            self.make(engine, at, &child);
                        }
                    }
                }
                Record::Flow(flow) => {
                    let mut group = vec![place];
                    while let Some(next) =
                        places.next_if(|next| same_event(log.get(*next).map(|entry| &entry.record), flow))
                    {
                        group.push(next);
                    }
                    self.flow(at, &group, engine);
                }
                Record::Fee(_) | Record::Void(_) => {}
            }
        }
        for id in &moment.activated {
            self.make(engine, at, id);
        }
        for id in ended {
            self.end(engine, at, id);
        }
    }

    fn make(&mut self, engine: &Engine, at: DateTime<Utc>, id: &OrderId) {
        if self.numbers.contains_key(id) {
            return;
        }
        let Ok(order) = engine.order(&self.account, id) else {
            return;
        };
        let Some(mut terms) = self.terms(engine, order) else {
            return;
        };
        if let Some(old) = order
            .order()
            .links
            .replaces
            .as_ref()
            .and_then(|old| self.number_of(old))
        {
            (terms.replaces, terms.reason) = (Some(old), "REPLACEMENT");
        }
        let replaces = terms.replaces;
        let batch = terms
            .replaces
            .and_then(|old| self.cards.get(&old)?.ended)
            .or(terms.with_fill);
        let number = self.push(at, batch, What::Made);
        self.numbers.insert(id.clone(), number);
        self.pending.insert(number);
        self.cards.insert(
            number,
            Card {
                engine: Some(id.clone()),
                terms,
                at,
                filled: None,
                ended: None,
                replaced_by: None,
            },
        );
        if let Some(old) = replaces {
            self.replaced(old, number);
        }
    }

    /// The order that took another one's place has its number by now.
    pub(super) fn replaced(&mut self, old: u64, new: u64) {
        let ended = self.cards.get_mut(&old).and_then(|card| {
            card.replaced_by = Some(new);
            card.ended
        });
        let place = ended.and_then(|id| usize::try_from(id - 1).ok());
        if let Some(Tx {
            what: What::Ended { replaced_by, .. },
            ..
        }) = place.and_then(|place| self.txs.get_mut(place))
        {
            *replaced_by = Some(new);
        }
    }

    fn terms(&mut self, engine: &Engine, order: &SimOrder) -> Option<Terms> {
        if let Some(asked) = self.asked.remove(&order.order().id) {
            return Some(asked);
        }
        let instrument = engine.instrument(&order.order().legs.first()?.instrument)?;
        let parent = order
            .order()
            .links
            .parent
            .as_ref()
            .and_then(|parent| self.number_of(parent));
        if let (Some(parent), Some(lot)) = (parent.and_then(|parent| self.cards.get(&parent)), order.lot()) {
            let trade = self.trade_of(lot)?;
            return Some(parent.terms.of_exit(order.order(), trade, trade));
        }
        Some(Terms::of(order.order(), order.request(), instrument))
    }

    fn end(&mut self, engine: &Engine, at: DateTime<Utc>, id: &OrderId) {
        // An order that is made and ends at one moment was made first.
        self.make(engine, at, id);
        let Some(number) = self.number_of(id) else { return };
        let filled = self.cards.get(&number).is_some_and(|card| card.filled.is_some());
        let Ok(order) = engine.order(&self.account, id) else {
            return;
        };
        if filled {
            return;
        }
        let reason = match self.reasons.get(id) {
            Some(reason) => (*reason).to_owned(),
            None => reason(order).to_owned(),
        };
        let what = What::Ended {
            order: number,
            reason,
            replaced_by: None,
        };
        let ended = self.push(at, None, what);
        self.pending.remove(&number);
        if let Some(card) = self.cards.get_mut(&number) {
            card.ended = Some(ended);
        }
    }
}

/// Why an order ended, in OANDA's words.
fn reason(order: &SimOrder) -> &'static str {
    let immediate = order.order().time_in_force == Some(broker_core::TimeInForce::Fok);
    match (&order.order().status, order.order().reason.as_deref()) {
        (OrderStatus::Replaced, _) => "CLIENT_REQUEST_REPLACED",
        (OrderStatus::Expired, _) => "TIME_IN_FORCE_EXPIRED",
        (OrderStatus::Rejected, _) => "INTERNAL_SERVER_ERROR",
        (_, Some("its lot was closed" | "the other exit was filled" | "the other exit ended")) => "LINKED_TRADE_CLOSED",
        (_, Some("nothing left to reduce")) => "POSITION_CLOSEOUT_FAILED",
        _ if immediate => "INSUFFICIENT_LIQUIDITY",
        _ => "CLIENT_REQUEST",
    }
}

fn number(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}
