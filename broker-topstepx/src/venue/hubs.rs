//! The hubs: SignalR's JSON protocol, from the server's side.

use std::collections::{BTreeMap, BTreeSet};

use broker_core::model::PositionLeg;
use broker_core::num::Text;
use broker_core::seam::Frame;
use broker_core::{InstrumentId, Price, Quote, Record};
use broker_sim::wire::SocketId;
use broker_sim::{Engine, SimEvent};
use chrono::{DateTime, Duration, Utc};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::book::{Book, Seat, symbol_id};
use super::json::{Object, price, quoted, stamp};
use super::shapes;

/// Ends each record.
const RECORD: char = '\u{1e}';
/// A ping goes out when nothing else did for this long.
const PING: Duration = Duration::seconds(15);
/// A client that says nothing for this long is gone.
const PATIENCE: Duration = Duration::seconds(30);

/// Which hub a socket is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    User,
    Market,
}

/// All open sockets.
#[derive(Debug)]
pub(super) struct Hubs {
    sockets: BTreeMap<SocketId, Socket>,
    pushed: Vec<(SocketId, Frame)>,
    watched: BTreeSet<InstrumentId>,
    listened: bool,
    /// Frames do not end where records do.
    ragged: bool,
}

/// Bid and ask.
type Sides = (Option<Price>, Option<Price>);

#[derive(Debug)]
struct Socket {
    place: Place,
    greeted: bool,
    tail: String,
    all_accounts: bool,
    orders: BTreeSet<i64>,
    positions: BTreeSet<i64>,
    trades: BTreeSet<i64>,
    /// Contracts, with what was told last.
    quotes: BTreeMap<String, Option<Sides>>,
    said_at: DateTime<Utc>,
    heard_at: DateTime<Utc>,
}

#[derive(Deserialize)]
struct HandshakeBody<'a> {
    #[serde(borrow)]
    protocol: Text<'a>,
    version: i64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct MessageBody<'a> {
    #[serde(rename = "type")]
    kind: i64,
    #[serde(borrow)]
    invocation_id: Option<Text<'a>>,
    #[serde(borrow)]
    target: Option<Text<'a>>,
    #[serde(borrow)]
    arguments: Option<Vec<&'a RawValue>>,
}

/// What a listener gets to hear.
#[derive(Clone, Copy)]
enum Topic {
    Orders,
    Positions,
    Trades,
    Accounts,
}

impl Hubs {
    pub(super) fn new(ragged: bool) -> Self {
        Self {
            sockets: BTreeMap::new(),
            pushed: Vec::new(),
            watched: BTreeSet::new(),
            listened: false,
            ragged,
        }
    }

    pub(super) fn open(&mut self, place: Place, id: SocketId, now: DateTime<Utc>) {
        let socket = Socket {
            place,
            greeted: false,
            tail: String::new(),
            all_accounts: false,
            orders: BTreeSet::new(),
            positions: BTreeSet::new(),
            trades: BTreeSet::new(),
            quotes: BTreeMap::new(),
            said_at: now,
            heard_at: now,
        };
        self.sockets.insert(id, socket);
    }

    pub(super) fn frame(&mut self, engine: &mut Engine, book: &Book, id: SocketId, frame: Frame, now: DateTime<Utc>) {
        let text = match frame {
            Frame::Text(text) => text,
            Frame::Binary(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Frame::Ping(_) | Frame::Pong(_) => return,
            Frame::Close(_) => {
                self.forget(id);
                self.attend(engine, book);
                return;
            }
        };
        let Some(socket) = self.sockets.get_mut(&id) else {
            return;
        };
        socket.heard_at = now;
        socket.tail.push_str(&text);
        let mut records: Vec<String> = socket.tail.split(RECORD).map(str::to_owned).collect();
        socket.tail = records.pop().unwrap_or_default();
        for record in records {
            match self.record(id, book, &record, now) {
                Ok(Some(answer)) => self.say(id, &[answer], now),
                Ok(None) => {}
                Err(words) => {
                    self.end(id, &words, now);
                    break;
                }
            }
        }
        self.attend(engine, book);
    }

    /// What a record is answered with; an error ends the connection.
    fn record(
        &mut self,
        id: SocketId,
        book: &Book,
        record: &str,
        now: DateTime<Utc>,
    ) -> Result<Option<String>, String> {
        let Some(socket) = self.sockets.get_mut(&id) else {
            return Ok(None);
        };
        if !socket.greeted {
            let hello: HandshakeBody<'_> = serde_json::from_str(record).map_err(|error| error.to_string())?;
            if hello.protocol.get() != "json" || hello.version != 1 {
                return Err("The protocol is not supported.".to_owned());
            }
            socket.greeted = true;
            return Ok(Some("{}".to_owned()));
        }
        let message: MessageBody<'_> = serde_json::from_str(record).map_err(|error| error.to_string())?;
        let _ = now;
        match message.kind {
            1 => {
                let target = message.target.as_ref().map_or("", Text::get);
                let arguments = message.arguments.unwrap_or_default();
                let outcome = invoke(socket, book, target, &arguments);
                let Some(invocation) = message.invocation_id else {
                    return Ok(None);
                };
                let answer = Object::new(false)
                    .number("type", 3)
                    .text("invocationId", invocation.get());
                Ok(Some(match outcome {
                    Ok(()) => answer.raw("result", "null").end(),
                    Err(words) => answer.text("error", &words).end(),
                }))
            }
            6 => Ok(None),
            7 => Err("closed by the client".to_owned()),
            other => Err(format!("a message of type {other} is not expected")),
        }
    }

    /// Tells what happened by now.
    pub(super) fn settle(&mut self, engine: &mut Engine, book: &Book, now: DateTime<Utc>) {
        if self.listened || !self.watched.is_empty() {
            for event in engine.take_events() {
                match event {
                    SimEvent::Order { order, .. } => {
                        if let Some(seat) = book.seat_of(&order.account) {
                            let row = shapes::order(engine, book, seat, &order, true);
                            self.tell(Topic::Orders, seat.number, "GatewayUserOrder", &wrapped(1, &row), now);
                        }
                    }
                    SimEvent::Record { entry, .. } => {
                        self.tell_record(engine, book, &entry.record, now);
                    }
                    SimEvent::Quote(quote) => self.tell_quote(book, &quote, now),
                }
            }
        }
        self.keep_alive(engine, book, now);
    }

    fn tell_record(&mut self, engine: &Engine, book: &Book, record: &Record, now: DateTime<Utc>) {
        let Some(seat) = book.seat_of(record.account()) else {
            return;
        };
        let seat: &Seat = seat;
        let fill = match record {
            Record::Fill(fill) => Some(fill.clone()),
            // The same trade once more, with another word in it.
            Record::Void(void) => seat
                .trades
                .get(&void.fill)
                .and_then(|place| engine.log(&seat.account).ok()?.get(*place))
                .and_then(|entry| match &entry.record {
                    Record::Fill(fill) => Some(fill.clone()),
                    _ => None,
                }),
            Record::Fee(_) | Record::Flow(_) => None,
        };
        if let Some(fill) = fill {
            let row = shapes::trade(book, seat, &fill, true);
            self.tell(Topic::Trades, seat.number, "GatewayUserTrade", &wrapped(0, &row), now);
            let position = engine.position(&seat.account, &fill.instrument, PositionLeg::Net);
            let (action, row) = match position {
                Some(position) => (1, shapes::position(book, seat, &position, true)),
                None => (2, flat(book, seat, &fill)),
            };
            self.tell(
                Topic::Positions,
                seat.number,
                "GatewayUserPosition",
                &wrapped(action, &row),
                now,
            );
        }
        let row = shapes::account(engine, seat);
        self.tell(
            Topic::Accounts,
            seat.number,
            "GatewayUserAccount",
            &wrapped(1, &row),
            now,
        );
    }

    /// Only what changed is told.
    fn tell_quote(&mut self, book: &Book, quote: &Quote, now: DateTime<Utc>) {
        let contract = book.contract(&quote.instrument);
        let mut told = Vec::new();
        for (id, socket) in &mut self.sockets {
            let Some(last) = socket.quotes.get_mut(contract) else {
                continue;
            };
            let before = last.replace((quote.bid, quote.ask));
            let changed = |new: Option<Price>, old: Option<Option<Price>>| {
                new.filter(|_| old != Some(new)).map(|new| price(new.get()))
            };
            let row = Object::new(false)
                .text("symbol", symbol_id(contract))
                .maybe("bestBid", changed(quote.bid, before.map(|(bid, _)| bid)))
                .maybe("bestAsk", changed(quote.ask, before.map(|(_, ask)| ask)))
                .raw("lastUpdated", stamp(quote.at.unwrap_or(now), true))
                .raw("timestamp", stamp(quote.at.unwrap_or(now), true))
                .text("contract", contract)
                .end();
            told.push((*id, event("GatewayQuote", &format!("{},{row}", quoted(contract)))));
        }
        for (id, record) in told {
            self.say(id, &[record], now);
        }
    }

    fn tell(&mut self, topic: Topic, account: i64, target: &str, argument: &str, now: DateTime<Utc>) {
        let listens = |socket: &Socket| match topic {
            Topic::Orders => socket.orders.contains(&account),
            Topic::Positions => socket.positions.contains(&account),
            Topic::Trades => socket.trades.contains(&account),
            Topic::Accounts => socket.all_accounts,
        };
        let listeners: Vec<_> = self
            .sockets
            .iter()
            .filter(|(_, socket)| listens(socket))
            .map(|(id, _)| *id)
            .collect();
        for id in listeners {
            self.say(id, &[event(target, argument)], now);
        }
    }

    fn keep_alive(&mut self, engine: &mut Engine, book: &Book, now: DateTime<Utc>) {
        let gone = |socket: &Socket| now - socket.heard_at >= PATIENCE;
        let late: Vec<_> = self
            .sockets
            .iter()
            .filter(|(_, socket)| gone(socket))
            .map(|(id, _)| *id)
            .collect();
        let any = !late.is_empty();
        for id in late {
            self.end(id, "Connection closed with an error.", now);
        }
        let quiet = |socket: &Socket| socket.greeted && now - socket.said_at >= PING;
        let quiet: Vec<_> = self
            .sockets
            .iter()
            .filter(|(_, socket)| quiet(socket))
            .map(|(id, _)| *id)
            .collect();
        for id in quiet {
            self.say(id, &[r#"{"type":6}"#.to_owned()], now);
        }
        if any {
            self.attend(engine, book);
        }
    }

    /// The frames that are to go out.
    pub(super) fn take(&mut self) -> Vec<(SocketId, Frame)> {
        let pushed = std::mem::take(&mut self.pushed);
        if !self.ragged {
            return pushed;
        }
        ragged(pushed)
    }

    /// When something is to be said that time alone brings.
    pub(super) fn next_due(&self, engine: &Engine) -> Option<DateTime<Utc>> {
        let beats = self
            .sockets
            .values()
            .map(|socket| (socket.said_at + PING).min(socket.heard_at + PATIENCE));
        let happens = self.listened.then(|| engine.next_timer()).flatten();
        beats.chain(happens).min()
    }

    pub(super) fn has_watchers(&self) -> bool {
        !self.watched.is_empty()
    }

    /// Lets the engine tell what somebody wants to hear, and nothing else.
    fn attend(&mut self, engine: &mut Engine, book: &Book) {
        let kept = self.listened || !self.watched.is_empty();
        self.listened = self
            .sockets
            .values()
            .any(|socket| socket.place == Place::User && (socket.all_accounts || !socket.orders.is_empty()));
        let contracts = self.sockets.values().flat_map(|socket| socket.quotes.keys());
        let wanted: BTreeSet<InstrumentId> = contracts.filter_map(|id| book.instrument(id)).cloned().collect();
        // What is watched or not is always listed.
        for gone in self.watched.difference(&wanted) {
            let _ = engine.watch(gone, false);
        }
        for new in wanted.difference(&self.watched) {
            let _ = engine.watch(new, true);
        }
        self.watched = wanted;
        let keeps = self.listened || !self.watched.is_empty();
        if keeps != kept {
            engine.keep_events(keeps);
        }
    }

    fn say(&mut self, id: SocketId, records: &[String], now: DateTime<Utc>) {
        if let Some(socket) = self.sockets.get_mut(&id) {
            socket.said_at = now;
            let text: String = records.iter().flat_map(|record| [record.as_str(), "\u{1e}"]).collect();
            self.pushed.push((id, Frame::Text(text)));
        }
    }

    /// Ends a connection with an error.
    fn end(&mut self, id: SocketId, words: &str, now: DateTime<Utc>) {
        let greeted = self.sockets.get(&id).is_some_and(|socket| socket.greeted);
        let record = match greeted {
            true => Object::new(false)
                .number("type", 7)
                .text("error", words)
                .flag("allowReconnect", true)
                .end(),
            false => Object::new(false).text("error", words).end(),
        };
        self.say(id, &[record], now);
        self.pushed.push((id, Frame::Close(None)));
        self.sockets.remove(&id);
    }

    /// The client is gone: nothing waits for it any more.
    fn forget(&mut self, id: SocketId) {
        self.sockets.remove(&id);
        self.pushed.retain(|(of, _)| *of != id);
    }
}

/// Carries a method out.
fn invoke(socket: &mut Socket, book: &Book, target: &str, arguments: &[&RawValue]) -> Result<(), String> {
    let unknown = || format!("Unknown hub method '{target}'");
    let (method, on) = match target.strip_prefix("Unsubscribe") {
        Some(method) => (method, false),
        None => (target.strip_prefix("Subscribe").ok_or_else(unknown)?, true),
    };
    let wrong = || format!("Failed to invoke '{target}' due to an error on the server.");
    match (socket.place, method, arguments) {
        (Place::User, "Accounts", []) => socket.all_accounts = on,
        (Place::User, "Orders" | "Positions" | "Trades", [account]) => {
            let account: i64 = serde_json::from_str(account.get()).map_err(|_| wrong())?;
            book.seat(account).ok_or_else(wrong)?;
            let set = match method {
                "Orders" => &mut socket.orders,
                "Positions" => &mut socket.positions,
                _ => &mut socket.trades,
            };
            match on {
                true => set.insert(account),
                false => set.remove(&account),
            };
        }
        (Place::Market, "ContractQuotes" | "ContractTrades" | "ContractMarketDepth", [contract]) => {
            let contract: Text<'_> = serde_json::from_str(contract.get()).map_err(|_| wrong())?;
            book.instrument(contract.get()).ok_or_else(wrong)?;
            if method == "ContractQuotes" {
                match on {
                    true => _ = socket.quotes.entry(contract.get().to_owned()).or_default(),
                    false => _ = socket.quotes.remove(contract.get()),
                }
            }
        }
        (_, "Accounts" | "Orders" | "Positions" | "Trades", _) => return Err(wrong()),
        _ => return Err(unknown()),
    }
    Ok(())
}

fn wrapped(action: i64, row: &str) -> String {
    format!("{{\"action\":{action},\"data\":{row}}}")
}

fn event(target: &str, arguments: &str) -> String {
    format!(
        "{{\"type\":1,\"target\":{},\"arguments\":[{arguments}]}}",
        quoted(target)
    )
}

/// A position that was closed by a fill.
fn flat(book: &Book, seat: &Seat, fill: &broker_core::Fill) -> String {
    let contract = book.contract(&fill.instrument);
    Object::new(false)
        .number("id", book.position(seat, contract))
        .number("accountId", seat.number)
        .text("contractId", contract)
        .text("contractDisplayName", fill.symbol.get())
        .raw("creationTimestamp", stamp(fill.at, true))
        .number("type", 0)
        .number("size", 0)
        .raw("averagePrice", price(fill.price.get()))
        .end()
}

/// The same text in frames that end anywhere: all of a socket's records together, cut in three.
fn ragged(pushed: Vec<(SocketId, Frame)>) -> Vec<(SocketId, Frame)> {
    let mut out: Vec<(SocketId, Frame)> = Vec::new();
    let mut texts: BTreeMap<SocketId, String> = BTreeMap::new();
    let mut closes = Vec::new();
    for (id, frame) in pushed {
        match frame {
            Frame::Text(text) => texts.entry(id).or_default().push_str(&text),
            other => closes.push((id, other)),
        }
    }
    for (id, text) in texts {
        let characters: Vec<char> = text.chars().collect();
        let third = characters.len().div_ceil(3).max(1);
        out.extend(
            characters
                .chunks(third)
                .map(|part| (id, Frame::Text(part.iter().collect()))),
        );
    }
    out.extend(closes);
    out
}
