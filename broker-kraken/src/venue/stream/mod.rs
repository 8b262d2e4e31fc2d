//! The sockets: who listens to what, and what is told to whom.
//!
//! After the first report of an order its reports leave out what did not change, as the real service does. A token is
//! good for fifteen minutes until it is used. Both channels of the account count their own messages.

mod listen;
mod shapes;

use std::collections::{BTreeMap, BTreeSet};

use broker_core::model::Liquidity;
use broker_core::seam::Frame;
use broker_core::{Fill, InstrumentId, Order, OrderId, OrderStatus, Quote, Record, Side};
use broker_sim::wire::SocketId;
use broker_sim::{Entry, SimEvent};
use chrono::{DateTime, TimeDelta, Utc};

use super::KrakenVenue;
use super::account::pair_key;
use super::catalogue::{PairSpec, asset_of};
use super::ids;
use super::json::{Object, array};
use super::params::Params;
use super::refusal::Reply;
pub(super) use shapes::streamed_row;
use shapes::{described, number, stamp, status_word, ticker};

/// How long a token waits to be used.
const TOKEN_LASTS: TimeDelta = TimeDelta::minutes(15);
/// A connection that listens hears something this often.
const BEAT: TimeDelta = TimeDelta::seconds(1);
/// Frames that wait for a shell at most: a client that is slower is cut off.
const BACKLOG: usize = 10_000;

/// All open sockets.
#[derive(Debug, Default)]
pub(super) struct Streams {
    sockets: BTreeMap<SocketId, Socket>,
    pushed: Vec<(SocketId, Frame)>,
    tokens: Vec<(String, DateTime<Utc>)>,
    watched: BTreeSet<InstrumentId>,
    /// What was told last of open orders: limit, trigger, amount.
    shapes: BTreeMap<OrderId, Order>,
}

#[derive(Debug)]
struct Socket {
    executions: bool,
    balances: bool,
    sequences: [u64; 2],
    pairs: BTreeSet<String>,
    seen: BTreeSet<OrderId>,
    said_at: DateTime<Utc>,
    waiting: usize,
}

impl KrakenVenue {
    pub(super) fn stream_token(&mut self, params: &Params, now: DateTime<Utc>) -> Reply {
        params.only(&[])?;
        self.permitted("create-ws-token")?;
        let token = ids::other(&format!("token:{}", self.nonce));
        self.streams.tokens.retain(|(_, at)| *at + TOKEN_LASTS > now);
        self.streams.tokens.push((token.clone(), now));
        Ok(Object::new().text("token", &token).raw("expires", "900").end())
    }

    pub(super) fn open_socket(&mut self, id: SocketId, now: DateTime<Utc>) {
        let socket = Socket {
            executions: false,
            balances: false,
            sequences: [0, 0],
            pairs: BTreeSet::new(),
            seen: BTreeSet::new(),
            said_at: now,
            waiting: 0,
        };
        self.streams.sockets.insert(id, socket);
        let status =
            r#"[{"api_version":"v2","connection_id":12393906104898154338,"system":"online","version":"2.0.4"}]"#;
        let status = Object::new()
            .text("channel", "status")
            .text("type", "update")
            .raw("data", status)
            .end();
        self.say(id, status, now);
    }

    /// Tells what happened by now.
    pub(super) fn tell_all(&mut self, now: DateTime<Utc>) {
        if self.streams.sockets.values().all(|socket| !socket.listens()) {
            return;
        }
        for event in self.engine.take_events() {
            match event {
                SimEvent::Order { at, order } if order.account == self.account => self.tell_order(&order, at, now),
                SimEvent::Record {
                    at,
                    entry,
                    order: Some(order),
                } if order.account == self.account => {
                    self.tell_fill(&entry, &order, at, now);
                }
                SimEvent::Quote(quote) => self.tell_quote(&quote, now),
                _ => {}
            }
        }
        self.tell_ledger(now);
        let late: Vec<SocketId> = self
            .streams
            .sockets
            .iter()
            .filter(|(_, socket)| socket.listens() && socket.said_at + BEAT <= now)
            .map(|(id, _)| *id)
            .collect();
        for id in late {
            self.say(id, r#"{"channel":"heartbeat"}"#.to_owned(), now);
        }
    }

    fn tell_order(&mut self, order: &Order, at: DateTime<Utc>, now: DateTime<Utc>) {
        if order.status == OrderStatus::Held {
            return;
        }
        let before = self.streams.shapes.get(&order.id);
        let changed = before.is_none_or(|before| {
            let shape = |order: &Order| (order.amount, order.limit_price, order.stop_price, order.trail);
            shape(before) != shape(order)
        });
        let same = before.is_some_and(|before| before.status == order.status);
        let kind = match order.status {
            // Fills are told by their own reports.
            OrderStatus::PartiallyFilled | OrderStatus::Filled if !changed => return,
            _ if same && !changed => return,
            _ if same || order.status == OrderStatus::PartiallyFilled => "amended",
            OrderStatus::PendingNew => "pending_new",
            OrderStatus::New => "new",
            OrderStatus::Canceled | OrderStatus::Rejected | OrderStatus::Replaced => "canceled",
            OrderStatus::Expired => "expired",
            _ => return,
        };
        self.remember(order);
        self.spread(order, at, now, |venue, whole| {
            venue.report(order, kind, at, whole || kind == "amended", None)
        });
    }

    fn tell_fill(&mut self, entry: &Entry, order: &Order, at: DateTime<Utc>, now: DateTime<Utc>) {
        let Record::Fill(fill) = &entry.record else { return };
        self.remember(order);
        self.spread(order, at, now, |venue, whole| {
            venue.report(order, "trade", fill.at, whole, Some(fill))
        });
        if order.status == OrderStatus::Filled {
            self.spread(order, at, now, |venue, whole| {
                venue.report(order, "filled", fill.at, whole, None)
            });
        }
    }

    fn remember(&mut self, order: &Order) {
        match order.status.is_final() {
            true => self.streams.shapes.remove(&order.id),
            false => self.streams.shapes.insert(order.id.clone(), order.clone()),
        };
    }

    /// A report to everyone who listens; whole to those who have not heard of the order.
    fn spread(&mut self, order: &Order, _: DateTime<Utc>, now: DateTime<Utc>, write: impl Fn(&Self, bool) -> String) {
        let listeners: Vec<(SocketId, bool)> = self
            .streams
            .sockets
            .iter()
            .filter(|(_, socket)| socket.executions)
            .map(|(id, socket)| (*id, !socket.seen.contains(&order.id)))
            .collect();
        for (id, new) in listeners {
            let report = write(self, new);
            if let Some(socket) = self.streams.sockets.get_mut(&id) {
                socket.seen.insert(order.id.clone());
            }
            self.tell(id, 0, "update", &[report], now);
        }
    }

    fn report(&self, order: &Order, kind: &str, at: DateTime<Utc>, whole: bool, fill: Option<&Fill>) -> String {
        let leg = order.legs.first();
        let instrument = leg.and_then(|leg| self.engine.instrument(&leg.instrument));
        let pair = instrument.and_then(|instrument| PairSpec::of(pair_key(instrument)));
        let symbol = pair.map(PairSpec::symbol).unwrap_or_default();
        let side = leg.map_or(Side::Buy, |leg| leg.side).to_string();
        let word = super::orders::kind_word(order);
        let mut object = Object::new()
            .text("order_id", &ids::order(&order.id))
            .raw("order_userref", "0");
        if whole || fill.is_some() {
            object = object
                .text("symbol", &symbol)
                .text("side", &side)
                .text("order_type", word);
        }
        if whole {
            object = described(object, order);
            if instrument.is_some_and(|instrument| instrument.id.get().starts_with("margin:")) {
                object = object.raw("margin", "true");
            }
        }
        let average = order.average_price.map(|price| price.get()).unwrap_or_default();
        object = object
            .text("exec_type", kind)
            .text("order_status", status_word(&order.status))
            .raw("cum_qty", &number(order.filled_qty.get()))
            .raw("cum_cost", &number(order.filled_qty.get() * average))
            .raw("avg_price", &number(average))
            .text("timestamp", &stamp(at));
        if order.status == OrderStatus::Canceled {
            object = object.text("reason", "User requested");
        }
        let Some(fill) = fill else { return object.end() };
        let fees = fill.fees.iter().filter_map(|fee| {
            let asset = asset_of(fee.currency)?;
            Some(
                Object::new()
                    .text("asset", asset.common)
                    .raw("qty", &number(fee.amount))
                    .end(),
            )
        });
        object
            .text("exec_id", &ids::trade(&fill.id))
            .raw("trade_id", "62887576")
            .raw("last_qty", &number(fill.qty.get()))
            .raw("last_price", &number(fill.price.get()))
            .text(
                "liquidity_ind",
                if fill.liquidity == Some(Liquidity::Maker) {
                    "m"
                } else {
                    "t"
                },
            )
            .raw("cost", &number(fill.qty.get() * fill.price.get()))
            .raw("fees", &array(fees))
            .end()
    }

    fn tell_quote(&mut self, quote: &Quote, now: DateTime<Utc>) {
        let Some(pair) = PairSpec::of(quote.instrument.get()) else {
            return;
        };
        let listeners: Vec<SocketId> = self
            .streams
            .sockets
            .iter()
            .filter(|(_, socket)| socket.pairs.contains(pair.key))
            .map(|(id, _)| *id)
            .collect();
        for id in listeners {
            self.say(id, ticker("update", pair, quote, now), now);
        }
    }

    fn tell_ledger(&mut self, now: DateTime<Utc>) {
        let listeners: Vec<SocketId> = self
            .streams
            .sockets
            .iter()
            .filter(|(_, socket)| socket.balances)
            .map(|(id, _)| *id)
            .collect();
        if listeners.is_empty() {
            return;
        }
        self.read_ledger();
        for row in self.rows.fresh() {
            for id in &listeners {
                self.tell(*id, 1, "update", std::slice::from_ref(&row), now);
            }
        }
    }

    fn read_ledger(&mut self) {
        if let Ok(log) = self.engine.log(&self.account) {
            self.rows.read(&self.engine, log);
        }
    }

    fn tell(&mut self, id: SocketId, channel: usize, kind: &str, rows: &[String], now: DateTime<Utc>) {
        let Some(socket) = self.streams.sockets.get_mut(&id) else {
            return;
        };
        socket.sequences[channel] += 1;
        let text = Object::new()
            .text("channel", ["executions", "balances"][channel])
            .text("type", kind)
            .raw("data", &array(rows))
            .raw("sequence", &socket.sequences[channel].to_string())
            .end();
        self.say(id, text, now);
    }

    fn say(&mut self, id: SocketId, text: String, now: DateTime<Utc>) {
        let Some(socket) = self.streams.sockets.get_mut(&id) else {
            return;
        };
        (socket.said_at, socket.waiting) = (now, socket.waiting + 1);
        if socket.waiting <= BACKLOG {
            self.streams.pushed.push((id, Frame::Text(text)));
            return;
        }
        self.streams.forget(id);
        let reason = Some((1008, "too slow".to_owned()));
        self.streams.pushed.push((id, Frame::Close(reason)));
    }

    /// The engine tells what somebody wants to hear, and nothing else.
    pub(super) fn attend(&mut self) {
        let wanted: BTreeSet<InstrumentId> = self
            .streams
            .sockets
            .values()
            .flat_map(|socket| socket.pairs.iter().map(|key| InstrumentId::from(key.as_str())))
            .collect();
        // What is watched is always listed.
        for gone in self.streams.watched.difference(&wanted) {
            let _ = self.engine.watch(gone, false);
        }
        for new in wanted.difference(&self.streams.watched) {
            let _ = self.engine.watch(new, true);
        }
        self.streams.watched = wanted;
        let listens = self.streams.sockets.values().any(Socket::listens);
        let balances = self.streams.sockets.values().any(|socket| socket.balances);
        self.rows.listen(balances);
        self.engine.keep_events(listens);
        if !listens {
            self.streams.shapes.clear();
        }
    }

    pub(super) fn take_frames(&mut self) -> Vec<(SocketId, Frame)> {
        for socket in self.streams.sockets.values_mut() {
            socket.waiting = 0;
        }
        std::mem::take(&mut self.streams.pushed)
    }

    /// When something is to be said that time alone brings.
    pub(super) fn next_due(&self) -> Option<DateTime<Utc>> {
        let listening = || self.streams.sockets.values().filter(|socket| socket.listens());
        let beat = listening().map(|socket| socket.said_at + BEAT).min()?;
        Some(self.engine.next_timer().map_or(beat, |timer| timer.min(beat)))
    }
}

impl Streams {
    pub(super) fn forget(&mut self, id: SocketId) {
        self.sockets.remove(&id);
        self.pushed.retain(|(of, _)| *of != id);
    }
}

impl Socket {
    fn listens(&self) -> bool {
        self.executions || self.balances || !self.pairs.is_empty()
    }
}
