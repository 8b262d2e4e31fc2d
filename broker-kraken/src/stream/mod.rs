//! Live events over the second version of Kraken's WebSocket: orders, fills and fees of the account on one connection,
//! quotes on another.

mod account;
mod orders;
mod sequence;
mod ticker;
mod wire;

use std::time::Duration;

use async_trait::async_trait;
use broker_core::live::{self, Feed, Pulse, Signal};
use broker_core::model::{Event, Subscription};
use broker_core::seam::{BoxStream, Frame, OpenRequest};
use broker_core::{Broker, Error, ErrorKind, Result, Streaming};
use http::HeaderMap;

use crate::broker::KrakenBroker;
use crate::error::kind_of;
use account::AccountFeed;
use ticker::TickerFeed;
use wire::{MessageJson, Reply};

/// Kraken beats once a second on a quiet connection that listens to something, and an answer to a ping is a beat, too.
const PING_EVERY: Duration = Duration::from_secs(5);
const SILENCE: Duration = Duration::from_secs(16);

/// Largest message: the snapshot of all open orders.
const LARGEST_MESSAGE: usize = 4 << 20;

impl KrakenBroker {
    async fn feeds(&self, subscription: &Subscription) -> Result<Vec<Box<dyn Feed>>> {
        let mut feeds: Vec<Box<dyn Feed>> = Vec::new();
        if !subscription.accounts.is_empty() {
            feeds.push(Box::new(AccountFeed::new(self, subscription)));
        }
        if !subscription.quotes.is_empty() {
            feeds.push(Box::new(TickerFeed::new(self, subscription).await?));
        }
        match feeds.is_empty() {
            true => Err(Error::invalid("the subscription names no account and no instrument")),
            false => Ok(feeds),
        }
    }

    /// A stream's address, of the account or of the market.
    fn socket(&self, private: bool) -> Result<OpenRequest> {
        let url = self.config().stream(private)?;
        self.rest().http.check_url(&url)?;
        Ok(OpenRequest::WebSocket {
            url,
            headers: HeaderMap::new(),
            largest_message: LARGEST_MESSAGE,
        })
    }
}

#[async_trait]
impl Streaming for KrakenBroker {
    async fn subscribe(&self, subscription: &Subscription) -> Result<BoxStream<'static, Event>> {
        for account in &subscription.accounts {
            self.check(account)?;
        }
        let named = |error: Error| error.with_broker(self.id()).with_operation("subscribe");
        let feeds = self.feeds(subscription).await.map_err(named)?;
        live::subscribe(self.handle(), subscription, feeds).await.map_err(named)
    }
}

fn pulse() -> Pulse {
    Pulse {
        // Parameters of a ping are refused, empty ones too.
        send: Some((PING_EVERY, Frame::Text(r#"{"method":"ping"}"#.to_owned()))),
        silence: SILENCE,
    }
}

/// A frame's message; `None` where the frame is none, and then it was dealt with.
fn message<'a>(frame: &'a Frame, out: &mut Vec<Signal>) -> Result<Option<MessageJson<'a>>> {
    let text = match frame {
        Frame::Text(text) => text.as_str(),
        Frame::Binary(bytes) => std::str::from_utf8(bytes).map_err(|_| Error::decode("a frame that is not UTF-8"))?,
        Frame::Ping(_) | Frame::Pong(_) => {
            out.push(Signal::Beat);
            return Ok(None);
        }
        Frame::Close(reason) => {
            let error = Error::new(ErrorKind::Unavailable);
            let error = match reason {
                Some((code, text)) => error.with_code(code.to_string()).with_message(text),
                None => error.with_message("closed without a reason"),
            };
            out.push(Signal::Closed { error, fatal: false });
            return Ok(None);
        }
    };
    crate::wire::decode(text).map(Some)
}

/// What an answer to a subscription says; `None` for other answers, which tell nothing.
fn answered(message: &MessageJson<'_>) -> Option<Result<(), Signal>> {
    match message.reply() {
        Reply::Subscribed => Some(Ok(())),
        Reply::Refused(text) => Some(Err(refused(text))),
        Reply::Other => None,
    }
}

/// A dead token is worth another try, with a new one; a missing right is not.
fn refused(text: &str) -> Signal {
    let kind = match kind_of(text) {
        ErrorKind::Unknown => ErrorKind::InvalidRequest,
        kind => kind,
    };
    let fatal = matches!(kind, ErrorKind::Permission | ErrorKind::InvalidRequest);
    let error = Error::new(kind).with_message(text);
    let error = match kind {
        ErrorKind::Permission => {
            error.with_help("the key needs the permissions to query orders and to access WebSockets")
        }
        _ => error,
    };
    Signal::Closed { error, fatal }
}

/// A message of ours, written by hand: nothing of it is a number that would have to be exact.
fn subscribe(channel: &str, params: &serde_json::Value) -> Frame {
    let mut all = serde_json::Map::new();
    all.insert("channel".to_owned(), channel.into());
    for (name, value) in params.as_object().into_iter().flatten() {
        all.insert(name.clone(), value.clone());
    }
    Frame::Text(serde_json::json!({ "method": "subscribe", "params": all }).to_string())
}
