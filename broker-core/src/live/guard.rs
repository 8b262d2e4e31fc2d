//! Decides what is news: each row once, no order backwards.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};

use super::book::{Book, Way};
use super::feed::Look;
use super::rows::Rows;
use crate::dedup::{Key, KeySpace, RowKind, Seen};
use crate::id::{AccountId, BrokerId, InstrumentId};
use crate::model::{Environment, Event, Order, OrderRef, PositionLeg, Record};

/// What was delivered, as far as it decides on what comes next.
///
/// It is asked with [`is_news`](Self::is_news) before an event goes into the queue, and told with
/// [`delivered`](Self::delivered) once it is in there: an event that finds no room is not known.
#[derive(Debug)]
pub(super) struct Guard {
    broker: BrokerId,
    environment: Environment,
    spaces: BTreeMap<AccountId, Spaces>,
    rows: Rows,
    book: Book,
    /// Count of events when each position, and the balances of each account, last came by a frame.
    positions: BTreeMap<(AccountId, InstrumentId, PositionLeg), u64>,
    balances: BTreeMap<AccountId, u64>,
    /// What the accounts traded or hold, where history must be asked by instrument.
    instruments: Option<BTreeMap<AccountId, BTreeSet<InstrumentId>>>,
    /// Counts delivered events.
    tick: u64,
}

/// Keys of an account's rows, and of its orders.
#[derive(Debug, Clone)]
struct Spaces {
    rows: KeySpace,
    orders: KeySpace,
}

/// What a delivered event calls for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Call {
    Nothing,
    /// Fills of an order of this account are missing.
    Fills(AccountId),
    /// A fill was taken back: its order reads differently now.
    Look(Look),
}

impl Guard {
    pub(super) fn new(broker: BrokerId, environment: Environment, by_instrument: bool) -> Self {
        Self {
            broker,
            environment,
            spaces: BTreeMap::new(),
            rows: Rows::default(),
            book: Book::default(),
            positions: BTreeMap::new(),
            balances: BTreeMap::new(),
            instruments: by_instrument.then(BTreeMap::new),
            tick: 0,
        }
    }

    /// Events delivered so far. An answer is overtaken by what was delivered after it was asked for.
    pub(super) fn tick(&self) -> u64 {
        self.tick
    }

    /// Whether it says something that was not delivered yet.
    pub(super) fn is_news(&mut self, event: &Event, way: Way) -> bool {
        let overtaken = |last: Option<&u64>| last.is_some_and(|last| way.asked.is_some_and(|asked| asked < *last));
        match event {
            Event::Order(order) => {
                let key = self.order_key(order);
                self.book.is_news(key, order, way)
            }
            Event::Record(record) => self.is_new_row(record, way),
            Event::Position(position) => {
                let key = (position.account.clone(), position.instrument.clone(), position.leg);
                !overtaken(self.positions.get(&key))
            }
            Event::Balances(balances) => !overtaken(self.balances.get(&balances.account)),
            Event::Quote(_)
            | Event::Disconnected { .. }
            | Event::Gap { .. }
            | Event::Recovered(_)
            | Event::Closed(_) => true,
        }
    }

    /// Takes note of an event that is in the queue now. `needed`: the earliest time that may be read back again.
    pub(super) fn delivered(&mut self, event: &Event, way: Way, now: DateTime<Utc>, needed: DateTime<Utc>) -> Call {
        self.tick += 1;
        let tick = self.tick;
        match event {
            Event::Order(order) => {
                let key = self.order_key(order);
                let legs = order.legs.iter();
                legs.for_each(|leg| self.trades(&order.account, &leg.instrument));
                if self.book.take(key, order, way, tick, now) {
                    return Call::Fills(order.account.clone());
                }
            }
            Event::Record(record) => return self.row(record, now, needed),
            Event::Position(position) => {
                self.trades(&position.account, &position.instrument);
                if way.asked.is_none() {
                    let key = (position.account.clone(), position.instrument.clone(), position.leg);
                    self.positions.insert(key, tick);
                }
            }
            Event::Balances(balances) if way.asked.is_none() => {
                self.balances.insert(balances.account.clone(), tick);
            }
            Event::Balances(_)
            | Event::Quote(_)
            | Event::Disconnected { .. }
            | Event::Gap { .. }
            | Event::Recovered(_)
            | Event::Closed(_) => {}
        }
        Call::Nothing
    }

    /// Orders of an account that are open here and not among these.
    pub(super) fn unlisted(&mut self, account: &AccountId, listed: &BTreeSet<Key>, asked: u64) -> Vec<(Key, OrderRef)> {
        self.book.unlisted(account, listed, asked)
    }

    /// The venue says that it does not know an open order. True when that is now believed.
    pub(super) fn absent(&mut self, order: Key) -> bool {
        self.book.absent(order)
    }

    /// Since when fills of an order of this account are missing.
    pub(super) fn short_since(&self, account: &AccountId) -> Option<DateTime<Utc>> {
        self.book.short_since(account)
    }

    /// Gives up the fills that were looked for too long, and names their orders.
    pub(super) fn give_up(&mut self, account: &AccountId, now: DateTime<Utc>) -> Vec<String> {
        self.book.give_up(account, now)
    }

    /// Everything that was asked for before this is settled: what it could overtake is forgotten.
    pub(super) fn settled(&mut self, asked: u64) {
        self.positions.retain(|_, last| *last > asked);
        self.balances.retain(|_, last| *last > asked);
    }

    /// What this account traded or holds, where history must be asked by instrument.
    pub(super) fn instruments(&self, account: &AccountId) -> BTreeSet<InstrumentId> {
        let known = self.instruments.as_ref().and_then(|all| all.get(account));
        known.cloned().unwrap_or_default()
    }

    fn is_new_row(&mut self, record: &Record, way: Way) -> bool {
        let spaces = self.spaces(record.account());
        match self.rows.look(spaces.rows.key_of(&record.key()), record.version()) {
            Seen::Duplicate => return false,
            Seen::Correction => return true,
            Seen::New => {}
        }
        // The read side also tells what was before the subscription; frames do not.
        let was_before = way.since.is_some_and(|since| record.booked_at() < since);
        if way.asked.is_none() || !was_before {
            return true;
        }
        match record {
            Record::Void(void) => {
                let fill = spaces.rows.key(RowKind::Fill, void.fill.get());
                self.rows.look(fill, u64::MAX) != Seen::New
            }
            Record::Fill(_) | Record::Fee(_) | Record::Flow(_) => false,
        }
    }

    fn row(&mut self, record: &Record, now: DateTime<Utc>, needed: DateTime<Utc>) -> Call {
        let spaces = self.spaces(record.account());
        let key = spaces.rows.key_of(&record.key());
        let seen = self.rows.look(key, record.version());
        self.rows.insert(key, record.version(), now, needed);
        match record {
            Record::Fill(fill) => {
                self.trades(&fill.account, &fill.instrument);
                if let Some(order) = &fill.order {
                    let order_key = spaces.orders.key(RowKind::Fill, order.get());
                    self.book.fill(key, order_key, fill, seen);
                }
                Call::Nothing
            }
            Record::Void(void) => {
                let fill = spaces.rows.key(RowKind::Fill, void.fill.get());
                match self.book.void(fill, &void.account, self.tick) {
                    Some(order) => Call::Look(Look::Order(order)),
                    None => Call::Look(Look::Account(void.account.clone())),
                }
            }
            Record::Fee(_) | Record::Flow(_) => Call::Nothing,
        }
    }

    pub(super) fn order_key(&mut self, order: &Order) -> Key {
        self.spaces(&order.account).orders.key(RowKind::Fill, order.id.get())
    }

    fn spaces(&mut self, account: &AccountId) -> Spaces {
        if let Some(spaces) = self.spaces.get(account) {
            return spaces.clone();
        }
        // Orders are no rows: their keys live in a space of their own and are never stored.
        let orders = BrokerId::from(format!("{} orders", self.broker));
        let spaces = Spaces {
            rows: KeySpace::new(&self.broker, self.environment, account),
            orders: KeySpace::new(&orders, self.environment, account),
        };
        self.spaces.insert(account.clone(), spaces.clone());
        spaces
    }

    fn trades(&mut self, account: &AccountId, instrument: &InstrumentId) {
        let Some(all) = &mut self.instruments else { return };
        let known = all.entry(account.clone()).or_default();
        if !known.contains(instrument) {
            known.insert(instrument.clone());
        }
    }

    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        self.rows.bytes() + self.book.bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Amount, Fill, Grade, Group, OrderKind, OrderLeg, OrderLinks, OrderStatus};
    use crate::num::{Qty, Side};

    fn at(second: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(second, 0).unwrap()
    }

    fn order(id: u32, status: OrderStatus, filled: u32) -> Event {
        Event::Order(Box::new(Order {
            id: format!("order-{id:032}").into(),
            client_id: None,
            account: "ACC-A1".into(),
            legs: Vec::new(),
            kind: OrderKind::Market,
            amount: Amount::Qty(Qty::ZERO),
            filled_qty: Qty::new(filled.into()).unwrap(),
            average_price: None,
            limit_price: None,
            stop_price: None,
            trail: None,
            time_in_force: None,
            expires_at: None,
            extended_hours: false,
            reduce_only: false,
            status,
            reason: None,
            links: OrderLinks::default(),
            created_at: None,
            updated_at: None,
        }))
    }

    fn fill(id: u32, order: u32) -> Event {
        Event::Record(Box::new(Record::Fill(Fill {
            id: format!("fill-{id:032}").into(),
            account: "ACC-A1".into(),
            instrument: "AAPL".into(),
            symbol: "AAPL".into(),
            leg: PositionLeg::Net,
            order: Some(format!("order-{order:032}").into()),
            client_order: None,
            side: Side::Buy,
            qty: Qty::new(1.into()).unwrap(),
            price: rust_decimal::Decimal::ONE.into(),
            at: at(0),
            version: 0,
            grade: Grade::Reported,
            fees: Vec::new(),
            liquidity: None,
            effect: None,
            pnl: None,
            conversion: None,
            lots: Vec::new(),
        })))
    }

    const FRAME: Way = Way {
        asked: None,
        since: Some(DateTime::UNIX_EPOCH),
        first: false,
    };

    /// A million events: orders that fill and end, four events each.
    fn million(needed: impl Fn(i64) -> DateTime<Utc>) -> usize {
        let mut guard = Guard::new("scripted".into(), Environment::Live, false);
        let mut most = 0;
        for number in 0..250_000 {
            let events = [
                order(number, OrderStatus::New, 0),
                fill(number * 2, number),
                fill(number * 2 + 1, number),
                order(number, OrderStatus::Filled, 2),
            ];
            let second = i64::from(number);
            for event in events {
                assert!(guard.is_news(&event, FRAME));
                guard.delivered(&event, FRAME, at(second), needed(second));
            }
            if number % 1_000 == 0 {
                most = most.max(guard.bytes());
            }
        }
        most.max(guard.bytes())
    }

    #[test]
    fn a_million_events_take_24_mib() {
        let most = million(|second| at(second - 1_000));
        assert!((8 << 20..24 << 20).contains(&most), "{most} bytes");
    }

    #[test]
    fn a_million_events_of_one_gap_take_less_than_32_mib() {
        let most = million(|_| at(0));
        assert!(most < 32 << 20, "{most} bytes");
    }

    #[test]
    fn fills_of_a_multi_leg_order_are_those_of_its_children() {
        let spread = |has_children: bool| {
            let Event::Order(mut order) = order(1, OrderStatus::Filled, 1) else {
                panic!("an order");
            };
            let leg = |symbol: &str| OrderLeg {
                instrument: symbol.into(),
                symbol: symbol.into(),
                side: Side::Buy,
                ratio: rust_decimal::Decimal::ONE,
                effect: None,
                position: PositionLeg::Net,
                filled_qty: order.filled_qty,
                average_price: None,
            };
            order.legs = vec![leg("AAPL261218C00250000"), leg("AAPL261218C00260000")];
            order.links.group = Some(Group::MultiLeg);
            order.links.children = if has_children {
                vec!["a".into(), "b".into()]
            } else {
                Vec::new()
            };
            order.created_at = Some(at(10));
            Event::Order(order)
        };
        let call = |event: &Event| {
            let mut guard = Guard::new("scripted".into(), Environment::Live, false);
            guard.delivered(event, FRAME, at(20), at(0))
        };
        assert_eq!(call(&spread(true)), Call::Nothing);
        assert_eq!(call(&spread(false)), Call::Fills("ACC-A1".into()));
    }

    #[test]
    fn a_new_guard_takes_nothing() {
        assert_eq!(Guard::new("scripted".into(), Environment::Live, false).bytes(), 0);
    }
}
