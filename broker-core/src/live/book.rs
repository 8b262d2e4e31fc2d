//! The newest state of each order, and how much of it its delivered fills explain.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use rust_decimal::Decimal;

use super::rows::{Lately, Link};
use super::tally::Tally;
use crate::dedup::{Key, Seen};
use crate::id::AccountId;
use crate::model::{Fill, Grade, Order, OrderRef};

/// Final orders, and fills, of a generation: what a hash map of 16,384 and 32,768 places holds.
const FINAL: usize = 14_336;
const FILLS: usize = 28_672;

/// How long the fills of an order are looked for before it is reported that they cannot be found.
const SEARCH: TimeDelta = TimeDelta::minutes(10);

/// How often the venue may say in a row that it does not know an open order before that is believed.
const MOST_ABSENT: u8 = 3;

/// Where an event comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Way {
    /// The count of events when it was asked for; `None` for a frame.
    pub(super) asked: Option<u64>,
    /// When the subscription began; `None` as long as it has not.
    pub(super) since: Option<DateTime<Utc>>,
    /// It belongs to the first snapshot: what it holds was there before.
    pub(super) first: bool,
}

/// Orders that are not done in full, and what is left of the others for a while: at most 28,672 of them and the orders
/// of 57,344 fills, some 18 MiB.
#[derive(Debug, Default)]
pub(super) struct Book {
    working: BTreeMap<Key, Working>,
    /// Final orders, and orders of which only fills came so far.
    others: Lately<Tally, FINAL>,
    links: Lately<Link, FILLS>,
    /// When the last bust of a fill came that nobody remembers: it may be of any order of the account.
    busts: BTreeMap<AccountId, u64>,
}

/// An order that can still change, or whose fills are not all there.
#[derive(Debug)]
struct Working {
    order: Box<Order>,
    tally: Tally,
    /// Count of events when it last changed.
    tick: u64,
    /// Answers in a row that said there is no such order.
    absent: u8,
    /// Since when its fills do not explain it.
    short_since: Option<DateTime<Utc>>,
}

impl Book {
    /// Whether this state is newer than what was delivered.
    pub(super) fn is_news(&self, key: Key, order: &Order, way: Way) -> bool {
        let working = self.working.get(&key);
        let Some(tally) = working.map(|one| &one.tally).or_else(|| self.others.get(key)) else {
            return true;
        };
        if !tally.known {
            return true;
        }
        let (filled, known) = (order.filled_qty.get(), tally.filled);
        let ends = order.status.is_final() && !tally.is_final;
        let is_older = matches!((order.updated_at, tally.updated_at), (Some(its), Some(ours)) if its < ours);
        if is_older && filled <= known && !ends {
            return false;
        }
        if filled < known || (tally.is_final && !order.status.is_final()) {
            return tally.may_fall(self.busts.get(&order.account).copied());
        }
        if tally.is_final {
            return filled > known;
        }
        let Some(working) = working else { return true };
        let is_newer = matches!((order.updated_at, tally.updated_at), (Some(its), Some(ours)) if its > ours);
        let is_overtaken = way.asked.is_some_and(|asked| asked < working.tick);
        if is_overtaken && !(is_newer || filled > known || ends) {
            return false;
        }
        match way.asked {
            None => *working.order != *order,
            Some(_) => differs(&working.order, order),
        }
    }

    /// Takes a state that was delivered. True when its fills do not explain it.
    pub(super) fn take(&mut self, key: Key, order: &Order, way: Way, tick: u64, now: DateTime<Utc>) -> bool {
        let before = self.working.remove(&key);
        let short_since = before.as_ref().and_then(|one| one.short_since);
        let mut tally = match before {
            Some(working) => working.tally,
            None => self.others.take(key).unwrap_or_default(),
        };
        // What was filled before the subscription is not delivered, so it cannot be missed.
        let was_before = way.first
            || order
                .created_at
                .is_none_or(|at| way.since.is_none_or(|since| at < since));
        tally.take(order, was_before, tick);
        let is_short = tally.is_short();
        if tally.is_final && !is_short {
            self.others.put(key, tally);
            return false;
        }
        let working = Working {
            order: Box::new(order.clone()),
            tally,
            tick,
            absent: 0,
            short_since: is_short.then(|| short_since.unwrap_or(now)),
        };
        self.working.insert(key, working);
        is_short
    }

    /// Counts a fill that was delivered.
    pub(super) fn fill(&mut self, fill_key: Key, order_key: Key, fill: &Fill, seen: Seen) {
        let Some(order) = &fill.order else { return };
        let before = match seen {
            Seen::Correction => self.links.get(fill_key).map_or(Decimal::ZERO, |link| link.qty),
            Seen::New | Seen::Duplicate => Decimal::ZERO,
        };
        let qty = fill.qty.get();
        let link = Link {
            order: order_key,
            id: order.clone(),
            instrument: fill.instrument.clone(),
            qty,
            grade: fill.grade,
        };
        self.links.put(fill_key, link);
        self.count(order_key, fill.grade, qty - before, false);
    }

    /// Takes a fill back. Gives its order; `None` when nobody remembers the fill.
    pub(super) fn void(&mut self, fill_key: Key, account: &AccountId, tick: u64) -> Option<OrderRef> {
        let Some(link) = self.links.take(fill_key) else {
            self.busts.insert(account.clone(), tick);
            return None;
        };
        self.count(link.order, link.grade, -link.qty, true);
        Some(match self.working.get(&link.order) {
            Some(working) => working.order.reference(),
            None => OrderRef::by_id(account, link.id).with_instrument(link.instrument),
        })
    }

    /// Adds to what the delivered fills of an order sum up to.
    fn count(&mut self, key: Key, grade: Grade, qty: Decimal, is_bust: bool) {
        let Some(working) = self.working.get_mut(&key) else {
            let mut tally = self.others.take(key).unwrap_or_default();
            tally.count(grade, qty, is_bust);
            self.others.put(key, tally);
            return;
        };
        working.tally.count(grade, qty, is_bust);
        if !working.tally.is_short() {
            working.short_since = None;
            if working.tally.is_final
                && let Some(done) = self.working.remove(&key)
            {
                self.others.put(key, done.tally);
            }
        }
    }

    /// Orders of an account that are open here, but neither among these nor changed since they were asked for.
    pub(super) fn unlisted(&self, account: &AccountId, listed: &BTreeSet<Key>, asked: u64) -> Vec<(Key, OrderRef)> {
        let left = self.working.iter().filter(|(key, one)| {
            one.order.account == *account && !one.tally.is_final && one.tick <= asked && !listed.contains(key)
        });
        let mut left: Vec<_> = left.map(|(key, one)| (*key, one.order.reference())).collect();
        left.sort_by(|(_, a), (_, b)| (a.placed_at, &a.id).cmp(&(b.placed_at, &b.id)));
        left
    }

    /// The venue says that it does not know an open order. True when that is now believed: it is forgotten.
    pub(super) fn absent(&mut self, key: Key) -> bool {
        let Some(working) = self.working.get_mut(&key) else {
            return false;
        };
        working.absent += 1;
        let is_gone = working.absent >= MOST_ABSENT;
        if is_gone {
            self.working.remove(&key);
        }
        is_gone
    }

    /// Since when fills of an order of this account are missing.
    pub(super) fn short_since(&self, account: &AccountId) -> Option<DateTime<Utc>> {
        let ours = self.working.values().filter(|one| one.order.account == *account);
        ours.filter_map(|one| one.short_since).min()
    }

    /// Gives up the fills that were looked for too long, and names their orders.
    pub(super) fn give_up(&mut self, account: &AccountId, now: DateTime<Utc>) -> Vec<String> {
        let mut given_up = Vec::new();
        for (key, working) in &mut self.working {
            let is_late = working.short_since.is_some_and(|since| now - since >= SEARCH);
            if is_late && working.order.account == *account {
                working.tally.accept();
                working.short_since = None;
                given_up.push((*key, working.tally.is_final, working.order.id.clone()));
            }
        }
        for (key, is_final, _) in &given_up {
            if *is_final && let Some(done) = self.working.remove(key) {
                self.others.put(*key, done.tally);
            }
        }
        let names = given_up
            .iter()
            .map(|(_, _, id)| format!("fills of order {id}: the history does not tell them"));
        names.collect()
    }

    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        // A link holds two shared texts of some 64 bytes.
        let texts = self.links.len() * 128;
        self.others.bytes() + self.links.bytes() + texts + self.working.len() * 1_024
    }
}

/// Whether a state of the read side says something else than the one that was delivered. Sources may word the rest
/// of an order differently.
fn differs(known: &Order, read: &Order) -> bool {
    let said = |order: &Order| {
        (
            order.filled_qty,
            order.amount,
            order.limit_price,
            order.stop_price,
            order.trail,
        )
    };
    known.status != read.status || said(known) != said(read)
}
