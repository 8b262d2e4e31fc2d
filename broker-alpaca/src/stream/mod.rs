//! Live events: `trade_updates` of the account, and quotes.
//!
//! Alpaca permits one connection a feed of market data for a key, so a broker has one stream of share quotes and one
//! of coin quotes at a time. Options are streamed in MessagePack only, which this crate does not read.

mod account;
mod quotes;

use std::collections::BTreeSet;
use std::fmt::{self, Debug};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use broker_core::live::{self, Feed, Pulse, Signal};
use broker_core::model::{Event, Subscription};
use broker_core::seam::{BoxStream, Frame, OpenRequest};
use broker_core::{Broker, Error, ErrorKind, Result, Streaming};
use http::HeaderMap;
use url::Url;

use crate::broker::AlpacaBroker;
use crate::config;
use account::TradeUpdates;
use quotes::Quotes;

/// Pings as the official client sends them; what does not answer for three of them and a little is dead.
const PING_EVERY: Duration = Duration::from_secs(10);
const SILENCE: Duration = Duration::from_secs(35);

/// Largest message: an order with its legs, or the quotes of one moment.
const LARGEST_MESSAGE: usize = 1 << 20;

impl AlpacaBroker {
    pub(crate) fn as_streaming(&self) -> Option<&dyn Streaming> {
        Some(self)
    }

    fn feeds(&self, subscription: &Subscription) -> Result<Vec<Box<dyn Feed>>> {
        let mut feeds: Vec<Box<dyn Feed>> = Vec::new();
        if !subscription.accounts.is_empty() {
            feeds.push(Box::new(TradeUpdates::new(self, subscription)?));
        }
        for quotes in Quotes::of(self, subscription)? {
            feeds.push(Box::new(quotes));
        }
        match feeds.is_empty() {
            true => Err(Error::invalid("the subscription names no account and no instrument")),
            false => Ok(feeds),
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
        let feeds = self.feeds(subscription).map_err(named)?;
        live::subscribe(self.handle(), subscription, feeds).await.map_err(named)
    }
}

/// The feeds of market data that this key has a connection to.
#[derive(Debug, Clone, Default)]
pub(crate) struct Slots(Arc<Mutex<BTreeSet<&'static str>>>);

/// The one connection of a feed. It is free again once this is dropped.
struct Slot {
    slots: Slots,
    path: &'static str,
}

impl Slots {
    fn take(&self, path: &'static str) -> Result<Slot> {
        let mut taken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match taken.insert(path) {
            true => Ok(Slot {
                slots: self.clone(),
                path,
            }),
            false => Err(
                Error::unsupported(format!("a second stream of {path} beside the first"))
                    .with_help("Alpaca permits one connection a feed: name all instruments in one subscription"),
            ),
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut taken = self.slots.0.lock().unwrap_or_else(PoisonError::into_inner);
        taken.remove(self.path);
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
    Closed(Signal),
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

fn closed(reason: Option<&(u16, String)>) -> Signal {
    let error = Error::new(ErrorKind::Unavailable);
    Signal::Closed {
        error: match reason {
            Some((code, text)) => error.with_code(code.to_string()).with_message(text),
            None => error.with_message("closed without a reason"),
        },
        fatal: false,
    }
}
