//! A venue, asked by raw requests.

#![allow(dead_code, reason = "each test file uses its own part")]
#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

use broker_alpaca::venue::{AlpacaVenue, AlpacaVenueBuilder};
use broker_core::seam::Frame;
use broker_core::{AccountId, OrderRequest, Qty, Side};
use broker_sim::wire::{SocketId, Venue, WireAnswer, WireRequest};
use chrono::{DateTime, Utc};
use serde_json::Value;

/// Friday, ten in the morning in New York.
pub(crate) const OPEN: &str = "2026-11-20T15:00:00Z";

pub(crate) fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

/// A venue and what time it is.
pub(crate) struct Desk {
    pub(crate) venue: AlpacaVenue,
    pub(crate) now: DateTime<Utc>,
    sockets: u64,
}

impl Desk {
    pub(crate) fn new() -> Self {
        Self::of(AlpacaVenue::builder())
    }

    pub(crate) fn of(builder: AlpacaVenueBuilder) -> Self {
        let venue = builder
            .starts_at(at(OPEN))
            .trading_limits(Vec::new())
            .data_limits(Vec::new());
        Self {
            venue: venue.build().unwrap(),
            now: at(OPEN),
            sockets: 0,
        }
    }

    pub(crate) fn request(method: &str, target: &str, body: &str) -> WireRequest {
        WireRequest::new(method, target, "memory")
            .with_header("APCA-API-KEY-ID", AlpacaVenue::KEY_ID)
            .with_header("APCA-API-SECRET-KEY", AlpacaVenue::SECRET_KEY)
            .with_body(body.to_owned())
    }

    pub(crate) fn send(&mut self, method: &str, target: &str, body: &str) -> (u16, String) {
        read(&self.venue.handle(&Self::request(method, target, body), self.now))
    }

    pub(crate) fn get(&mut self, target: &str) -> String {
        let (status, body) = self.send("GET", target, "");
        assert_eq!(status, 200, "{target}: {body}");
        body
    }

    pub(crate) fn json(&mut self, target: &str) -> Value {
        serde_json::from_str(&self.get(target)).unwrap()
    }

    pub(crate) fn post(&mut self, body: &str) -> Value {
        let (status, answer) = self.send("POST", "/v2/orders", body);
        assert_eq!(status, 200, "{body}: {answer}");
        serde_json::from_str(&answer).unwrap()
    }

    /// Refused, with this answer.
    pub(crate) fn refuses(&mut self, method: &str, target: &str, body: &str, status: u16, answer: &str) {
        assert_eq!(
            self.send(method, target, body),
            (status, answer.to_owned()),
            "{method} {target} {body}"
        );
    }

    pub(crate) fn account(&self) -> AccountId {
        self.venue.account().clone()
    }

    /// Buys or sells at the market, behind the wire's back.
    pub(crate) fn trade(&mut self, symbol: &str, side: Side, qty: &str) {
        let request = OrderRequest::market(symbol.into(), side, qty.parse().unwrap());
        let (account, now) = (self.account(), self.now);
        self.venue.engine_mut().place(&account, &request, None, now).unwrap();
    }

    pub(crate) fn quote(&mut self, symbol: &str, bid: &str, ask: &str) {
        self.quote_of(symbol, bid, ask, "10000");
    }

    /// A quote with so much on each side.
    pub(crate) fn quote_of(&mut self, symbol: &str, bid: &str, ask: &str, size: &str) {
        let size: Qty = size.parse().unwrap();
        let (bid, ask, now) = (bid.parse().unwrap(), ask.parse().unwrap(), self.now);
        let engine = self.venue.engine_mut();
        engine
            .set_quote(&symbol.into(), Some(bid), Some(ask), (size, size), now)
            .unwrap();
    }

    /// Opens a socket.
    pub(crate) fn connect(&mut self, path: &str) -> SocketId {
        self.sockets += 1;
        let id = SocketId(self.sockets);
        let request = WireRequest::new("GET", path, "memory");
        self.venue.upgrade(&request, id, self.now).unwrap();
        id
    }

    pub(crate) fn say(&mut self, socket: SocketId, text: &str) {
        self.venue.frame(socket, Frame::Text(text.to_owned()), self.now);
    }

    /// All that goes out now.
    pub(crate) fn pushed(&mut self) -> Vec<(SocketId, Frame)> {
        self.venue.pushed(self.now)
    }

    /// All that goes out now, which is binary messages to this socket and nothing else.
    pub(crate) fn binary(&mut self, socket: SocketId) -> Vec<String> {
        let read = |(id, frame)| match frame {
            Frame::Binary(bytes) if id == socket => String::from_utf8(bytes.to_vec()).unwrap(),
            other => panic!("{id:?}: {other:?}"),
        };
        self.pushed().into_iter().map(read).collect()
    }

    /// The same in text messages.
    pub(crate) fn texts(&mut self, socket: SocketId) -> Vec<String> {
        let read = |(id, frame)| match frame {
            Frame::Text(text) if id == socket => text,
            other => panic!("{id:?}: {other:?}"),
        };
        self.pushed().into_iter().map(read).collect()
    }

    /// A socket that listens to `trade_updates`.
    pub(crate) fn listener(&mut self) -> SocketId {
        let socket = self.connect("/stream");
        self.say(
            socket,
            &format!(
                r#"{{"action":"auth","key":"{}","secret":"{}"}}"#,
                AlpacaVenue::KEY_ID,
                AlpacaVenue::SECRET_KEY
            ),
        );
        self.say(socket, r#"{"action":"listen","data":{"streams":["trade_updates"]}}"#);
        assert_eq!(self.pushed().len(), 2);
        socket
    }

    /// What `trade_updates` says now: the data of each message.
    pub(crate) fn updates(&mut self, socket: SocketId) -> Vec<Value> {
        let data = |text: String| {
            let mut message: Value = serde_json::from_str(&text).unwrap();
            assert_eq!(message["stream"], "trade_updates", "{text}");
            message["data"].take()
        };
        self.binary(socket).into_iter().map(data).collect()
    }

    pub(crate) fn ids(&mut self, target: &str) -> Vec<String> {
        let rows = self.json(target);
        rows.as_array()
            .unwrap()
            .iter()
            .map(|row| row["id"].as_str().unwrap().to_owned())
            .collect()
    }
}

pub(crate) fn read(answer: &WireAnswer) -> (u16, String) {
    (answer.status, String::from_utf8(answer.body.to_vec()).unwrap())
}

pub(crate) fn field(row: &Value, name: &str) -> String {
    row[name].as_str().unwrap_or_default().to_owned()
}
