//! Live events: `trade_updates` of the account, and quotes.
//!
//! Alpaca permits one connection a feed of market data for a key, so a broker has one stream of share quotes and one
//! of coin quotes at a time. Options are streamed in MessagePack only, which this crate does not read.

mod account;
mod quotes;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt::{self, Debug};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use async_trait::async_trait;
use broker_core::live::{self, Feed, Pulse, Signal};
use broker_core::model::{Event, Subscription};
use broker_core::seam::{BoxStream, Frame, OpenRequest};
use broker_core::{Broker, Error, ErrorKind, Result, Streaming};
use futures_core::Stream;
use http::HeaderMap;
use serde::Serialize;
use url::Url;

use crate::broker::AlpacaBroker;
use crate::config::{self, Credentials};
use account::TradeUpdates;
use quotes::Quotes;

/// Pings as the official client sends them; what does not answer for three of them and a little is dead.
const PING_EVERY: Duration = Duration::from_secs(10);
const SILENCE: Duration = Duration::from_secs(35);

/// Largest message: an order with its legs, or the quotes of one moment.
const LARGEST_MESSAGE: usize = 1 << 20;

type Feeds = Vec<Box<dyn Feed>>;

impl AlpacaBroker {
    /// What is to run, and the holds on it that the user's stream takes.
    fn feeds(&self, subscription: &Subscription) -> Result<(Feeds, Vec<Slot>)> {
        let mut feeds = Feeds::new();
        let mut slots = Vec::new();
        if !subscription.accounts.is_empty() {
            feeds.push(Box::new(TradeUpdates::new(self, subscription)?));
        }
        for quotes in Quotes::of(self, subscription)? {
            slots.push(quotes.slot());
            feeds.push(Box::new(quotes));
        }
        match feeds.is_empty() {
            true => Err(Error::invalid("the subscription names no account and no instrument")),
            false => Ok((feeds, slots)),
        }
    }
}

#[async_trait]
impl Streaming for AlpacaBroker {
    /// # Errors
    /// `Unsupported`, with nothing sent: quotes of options, and a second stream of one feed beside the first.
    async fn subscribe(&self, subscription: &Subscription) -> Result<BoxStream<'static, Event>> {
        for account in &subscription.accounts {
            self.check(account).await?;
        }
        let named = |error: Error| error.with_broker(self.id()).with_operation("subscribe");
        let (feeds, slots) = self.feeds(subscription).map_err(named)?;
        let events = live::subscribe(self.handle(), subscription, feeds)
            .await
            .map_err(named)?;
        Ok(Box::pin(Held { events, _slots: slots }))
    }
}

/// The feeds of market data that this key has a connection to, and the holder of each.
#[derive(Debug, Clone, Default)]
pub(crate) struct Slots(Arc<Mutex<Taken>>);

#[derive(Debug, Default)]
struct Taken {
    by: BTreeMap<&'static str, u64>,
    /// Counts holders, so that none frees what another one took after it.
    count: u64,
}

/// The one connection of a feed. It is free again once the feed or the user's stream is dropped, whichever comes
/// first: a stream that ended frees it, and so does one whose task has not noticed yet that nobody listens.
struct Slot {
    slots: Slots,
    path: &'static str,
    holder: u64,
}

impl Slots {
    fn take(&self, path: &'static str) -> Result<Slot> {
        let mut taken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if taken.by.contains_key(path) {
            return Err(
                Error::unsupported(format!("a second stream of {path} beside the first"))
                    .with_help("Alpaca permits one connection a feed: name all instruments in one subscription"),
            );
        }
        taken.count += 1;
        let holder = taken.count;
        taken.by.insert(path, holder);
        Ok(Slot {
            slots: self.clone(),
            path,
            holder,
        })
    }
}

impl Slot {
    /// The same hold, for the user's stream.
    fn share(&self) -> Self {
        Self {
            slots: self.slots.clone(),
            ..*self
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut taken = self.slots.0.lock().unwrap_or_else(PoisonError::into_inner);
        if taken.by.get(self.path) == Some(&self.holder) {
            taken.by.remove(self.path);
        }
    }
}

/// A stream that frees its feeds as it is dropped.
struct Held {
    events: BoxStream<'static, Event>,
    _slots: Vec<Slot>,
}

impl Stream for Held {
    type Item = Event;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Event>> {
        self.events.as_mut().poll_next(context)
    }
}

impl Debug for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.path)
    }
}

/// The WebSocket at this path of an address.
fn socket(broker: &AlpacaBroker, base: &Url, path: &str) -> Result<OpenRequest> {
    let mut url = config::web_socket(base)?;
    url.set_path(&format!("{}{path}", base.path().trim_end_matches('/')));
    broker.rest().http.check_url(&url)?;
    Ok(OpenRequest::WebSocket {
        url,
        headers: HeaderMap::new(),
        largest_message: LARGEST_MESSAGE,
    })
}

/// The stream does not take our credentials.
fn refused_key(broker: &AlpacaBroker, message: &str) -> Error {
    match broker.credentials() {
        Credentials::Key { .. } => Error::new(ErrorKind::Auth).with_help(
            "check that both halves of the key belong together, and that a paper key is used on paper and a live key \
             with .live()",
        ),
        Credentials::OAuth(_) => {
            Error::new(ErrorKind::ReauthRequired).with_help("the user must authorize the application again")
        }
    }
    .with_message(message)
}

/// A message of ours. Its own error would not show a key, and ours shows nothing of it.
fn text(message: &impl Serialize) -> Result<Frame> {
    let text = serde_json::to_string(message);
    text.map(Frame::Text)
        .map_err(|_| Error::config("a message of the stream cannot be written"))
}

fn pulse() -> Pulse {
    Pulse {
        send: Some((PING_EVERY, Frame::Ping(Default::default()))),
        silence: SILENCE,
    }
}

/// A frame's text. Paper answers in binary frames of JSON, live in text frames.
enum Heard<'a> {
    Text(&'a str),
    /// Alive, and nothing else.
    Beat,
    Closed(Error),
}

fn heard(frame: &Frame) -> Result<Heard<'_>> {
    Ok(match frame {
        Frame::Text(text) => Heard::Text(text),
        Frame::Binary(bytes) => {
            Heard::Text(std::str::from_utf8(bytes).map_err(|_| Error::decode("a frame that is not UTF-8"))?)
        }
        Frame::Ping(_) | Frame::Pong(_) => Heard::Beat,
        Frame::Close(reason) => Heard::Closed(closed(reason.as_ref())),
    })
}

fn closed(reason: Option<&(u16, String)>) -> Error {
    let error = Error::new(ErrorKind::Unavailable);
    match reason {
        Some((code, text)) => error.with_code(code.to_string()).with_message(text),
        None => error.with_message("closed without a reason"),
    }
}

/// The end of a connection, after which another one is tried.
fn ended(error: Error) -> Signal {
    Signal::Closed { error, fatal: false }
}
