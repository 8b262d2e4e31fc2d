//! The sockets: the WebSocket API, as far as it tells of the account, and the streams of market data.

use std::collections::{BTreeMap, BTreeSet};

use broker_core::model::{Amount, Asset};
use broker_core::seam::Frame;
use broker_core::{InstrumentId, OrderId, Record};
use broker_sim::SimEvent;
use broker_sim::wire::{Admission, SocketId, WireAnswer, WireRequest};
use chrono::{DateTime, Duration, Utc};
use serde_json::{Value, json};

use super::BinanceVenue;
use super::params::Refusal;
use super::shapes::{eight, millis};

const API: &str = "/ws-api/v3";
const MARKET: &str = "/stream";

/// Connecting weighs this, and so does subscribing.
const WEIGHT: u32 = 2;

const PING_EVERY: Duration = Duration::seconds(20);
/// A connection is closed after a day.
const LIFE: Duration = Duration::hours(24);
/// Streams of a connection at most.
const MOST_STREAMS: usize = 1_024;
/// Frames that wait for a shell at most: a client that is slower is cut off.
const BACKLOG: usize = 10_000;

/// All open sockets.
#[derive(Debug, Default)]
pub(super) struct Streams {
    sockets: BTreeMap<SocketId, Socket>,
    pushed: Vec<(SocketId, Frame)>,
    watched: BTreeSet<InstrumentId>,
    /// What was told last of open orders.
    pub(super) told: BTreeMap<OrderId, (&'static str, Amount)>,
    /// Lists that were told, and whether as done.
    pub(super) lists: BTreeMap<u64, bool>,
    pub(super) reports: u64,
}

#[derive(Debug)]
pub(super) struct Socket {
    peer: String,
    is_api: bool,
    subscribed: bool,
    pub(super) symbols: BTreeSet<InstrumentId>,
    opened_at: DateTime<Utc>,
    pinged_at: DateTime<Utc>,
    waiting: usize,
}

impl Socket {
    fn listens(&self) -> bool {
        self.subscribed || !self.symbols.is_empty()
    }
}

impl BinanceVenue {
    pub(super) fn open_socket(
        &mut self,
        request: &WireRequest,
        id: SocketId,
        now: DateTime<Utc>,
    ) -> Result<(), WireAnswer> {
        let is_api = request.path == API;
        if !is_api && request.path != MARKET {
            return Err(WireAnswer::html(
                404,
                "<html><body><h2>404 Not found</h2></body></html>",
            ));
        }
        if is_api && let Some(refusal) = self.pay_for_frames(&request.peer, now) {
            return Err(refusal.into());
        }
        let socket = Socket {
            peer: request.peer.clone(),
            is_api,
            subscribed: false,
            symbols: BTreeSet::new(),
            opened_at: now,
            pinged_at: now,
            waiting: 0,
        };
        self.streams.sockets.insert(id, socket);
        Ok(())
    }

    /// Requests and frames use up the same weight.
    fn pay_for_frames(&mut self, peer: &str, now: DateTime<Utc>) -> Option<Refusal> {
        match self.weight.take(peer, WEIGHT, now) {
            Admission::Granted(_) => {
                self.weighed += u64::from(WEIGHT);
                None
            }
            Admission::Refused { .. } => Some(
                Refusal::new(-1003, "Too many requests; please use the websocket for live updates.").with_status(429),
            ),
            Admission::Banned { until } => {
                let text = format!(
                    "Way too much request weight used; IP banned until {}.",
                    until.timestamp_millis()
                );
                Some(Refusal::new(-1003, text).with_status(418))
            }
        }
    }

    pub(super) fn hear(&mut self, id: SocketId, text: &str, now: DateTime<Utc>) {
        let Some(is_api) = self.streams.sockets.get(&id).map(|socket| socket.is_api) else {
            return;
        };
        let message: Value = serde_json::from_str(text).unwrap_or_default();
        let answer = match is_api {
            true => self.answer(id, &message, now),
            false => self.choose(id, &message),
        };
        self.say(id, answer.to_string());
        self.attend();
    }

    /// An answer of the WebSocket API.
    fn answer(&mut self, id: SocketId, message: &Value, now: DateTime<Utc>) -> Value {
        let result = match message["method"].as_str() {
            Some("ping") => Ok(json!({})),
            Some("userDataStream.subscribe.signature") => self.subscribe(id, &message["params"], now),
            _ => Err(Refusal::new(-1000, "Unknown method.")),
        };
        let name = &message["id"];
        match result {
            Ok(result) => json!({ "id": name, "status": 200, "result": result, "rateLimits": [] }),
            Err(refusal) => {
                let mut error = json!({ "code": refusal.code, "msg": refusal.message });
                if let (418 | 429, Value::Object(error)) = (refusal.status, &mut error) {
                    let data = json!({
                        "serverTime": millis(self.clock(now)),
                        "retryAfter": millis(self.clock(now + Duration::minutes(1))),
                    });
                    error.insert("data".into(), data);
                }
                json!({ "id": name, "status": refusal.status, "error": error, "rateLimits": [] })
            }
        }
    }

    /// Signed over all parameters but the signature, in the order of their names, as they are printed.
    fn subscribe(&mut self, id: SocketId, params: &Value, now: DateTime<Utc>) -> Result<Value, Refusal> {
        let peer = self.streams.sockets.get(&id).map(|socket| socket.peer.clone());
        if let Some(refusal) = self.pay_for_frames(&peer.unwrap_or_default(), now) {
            return Err(refusal);
        }
        const KNOWN: [&str; 4] = ["apiKey", "recvWindow", "signature", "timestamp"];
        let sent = params.as_object().cloned().unwrap_or_default();
        if let Some(strange) = sent.keys().find(|name| !KNOWN.contains(&name.as_str())) {
            return Err(Refusal::not_needed(strange));
        }
        let text = |name: &str| sent.get(name).and_then(Value::as_str).unwrap_or_default();
        let number = |name: &str| sent.get(name).and_then(Value::as_i64);
        self.check_key(text("apiKey"))?;
        let at = number("timestamp").ok_or_else(|| Refusal::missing("timestamp"))?;
        let mut payload = Vec::new();
        for name in ["apiKey", "recvWindow", "timestamp"] {
            match sent.get(name) {
                Some(Value::String(text)) => payload.push(format!("{name}={text}")),
                Some(other) => payload.push(format!("{name}={other}")),
                None => {}
            }
        }
        let signed = self.signer.sign(&payload.join("&"));
        if signed.as_deref().ok() != Some(text("signature")) {
            return Err(Refusal::new(-1022, "Signature for this request is not valid."));
        }
        Self::check_time(at, number("recvWindow").unwrap_or(5_000), self.clock(now))?;
        let socket = self.streams.sockets.get_mut(&id);
        let socket = socket.ok_or_else(|| Refusal::new(-1000, "The connection is closed."))?;
        if socket.subscribed {
            return Err(Refusal::new(-2035, "Subscription already active."));
        }
        socket.subscribed = true;
        Ok(json!({ "subscriptionId": 0 }))
    }

    /// Streams of market data that a connection wants to hear. One that there is not is taken, too, and never heard.
    fn choose(&mut self, id: SocketId, message: &Value) -> Value {
        let (name, wanted) = (&message["id"], &message["params"]);
        let subscribes = match message["method"].as_str() {
            Some("SUBSCRIBE") => true,
            Some("UNSUBSCRIBE") => false,
            _ => return json!({ "error": { "code": 2, "msg": "Invalid request: unknown method" }, "id": name }),
        };
        let named: Vec<&str> = wanted
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        let found: Vec<InstrumentId> = named
            .iter()
            .filter_map(|stream| {
                let symbol = stream.strip_suffix("@bookTicker")?;
                let known = self.symbols.iter().find(|(known, _)| known.to_lowercase() == symbol);
                known.map(|(_, id)| id.clone())
            })
            .collect();
        if let Some(socket) = self.streams.sockets.get_mut(&id) {
            match subscribes {
                true => socket.symbols.extend(found),
                false => socket.symbols.retain(|symbol| !found.contains(symbol)),
            }
            if socket.symbols.len() > MOST_STREAMS {
                return json!({ "error": { "code": 2, "msg": "Invalid request: too many streams" }, "id": name });
            }
        }
        json!({ "result": null, "id": name })
    }

    /// Tells what happened by now.
    pub(super) fn tell_all(&mut self, now: DateTime<Utc>) {
        if self.streams.sockets.values().any(Socket::listens) {
            self.books.read(&self.engine, &self.account);
            for event in self.engine.take_events() {
                match event {
                    SimEvent::Order { at, order } if order.account == self.account => self.tell_order(&order, at),
                    SimEvent::Record { at, entry, order } if *entry.record.account() == self.account => {
                        match (&entry.record, order) {
                            (Record::Fill(fill), Some(order)) => self.tell_fill(fill, &order, at),
                            (Record::Flow(flow), _) => {
                                if let Asset::Currency(coin) = &flow.asset {
                                    let event = json!({
                                        "e": "balanceUpdate", "E": millis(at), "a": coin.code(),
                                        "d": eight(flow.amount), "T": millis(at),
                                    });
                                    self.tell(&event);
                                }
                            }
                            _ => {}
                        }
                    }
                    SimEvent::Quote(quote) => self.tell_quote(&quote),
                    _ => {}
                }
            }
        }
        let mut ends = Vec::new();
        for (id, socket) in &mut self.streams.sockets {
            if socket.pinged_at + PING_EVERY <= now {
                socket.pinged_at = now;
                self.streams
                    .pushed
                    .push((*id, Frame::Ping(millis(now).to_string().into())));
            }
            if socket.opened_at + LIFE <= now {
                ends.push(*id);
            }
        }
        for id in ends {
            self.streams.forget(id);
            self.streams
                .pushed
                .push((id, Frame::Close(Some((1008, "24 hours".to_owned())))));
        }
    }

    pub(super) fn tell(&mut self, event: &Value) {
        self.spread(&json!({ "subscriptionId": 0, "event": event }), |socket| {
            socket.subscribed
        });
    }

    pub(super) fn spread(&mut self, message: &Value, wants: impl Fn(&Socket) -> bool) {
        let listeners = self.streams.sockets.iter().filter(|(_, socket)| wants(socket));
        let listeners: Vec<SocketId> = listeners.map(|(id, _)| *id).collect();
        let text = message.to_string();
        for id in listeners {
            self.say(id, text.clone());
        }
    }

    fn say(&mut self, id: SocketId, text: String) {
        let Some(socket) = self.streams.sockets.get_mut(&id) else {
            return;
        };
        socket.waiting += 1;
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
            .flat_map(|socket| socket.symbols.iter().cloned())
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
        self.engine.keep_events(listens);
        if !listens {
            self.streams.told.clear();
        }
    }

    pub(super) fn take_frames(&mut self) -> Vec<(SocketId, Frame)> {
        for socket in self.streams.sockets.values_mut() {
            socket.waiting = 0;
        }
        std::mem::take(&mut self.streams.pushed)
    }

    /// When something is to be said that time alone brings.
    pub(super) fn next_due(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let ping = self
            .streams
            .sockets
            .values()
            .map(|socket| socket.pinged_at + PING_EVERY)
            .min()?;
        let next = self.engine.next_timer().map_or(ping, |timer| timer.min(ping));
        // Markets that walk do so every second, somebody asking or not.
        Some(if self.walks {
            next.min(now + Duration::seconds(1))
        } else {
            next
        })
    }

    /// Says that the service goes down, to everyone who listens to the account.
    pub fn shut_streams_down(&mut self, now: DateTime<Utc>) {
        let message = json!({ "event": { "e": "serverShutdown", "E": millis(now) } });
        self.spread(&message, |socket| socket.subscribed);
    }
}

impl Streams {
    pub(super) fn forget(&mut self, id: SocketId) {
        self.sockets.remove(&id);
        self.pushed.retain(|(of, _)| *of != id);
    }
}
