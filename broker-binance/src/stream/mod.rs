//! Live events: orders and fills of the account over the WebSocket API, quotes over the streams of market data.

mod account;
mod book;
pub(crate) mod wire;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use broker_core::live::{self, Feed, Pulse, Signal};
use broker_core::model::{Event, Subscription};
use broker_core::seam::{BoxStream, Frame, OpenRequest};
use broker_core::{Broker, Error, ErrorKind, Result, Streaming};
use http::HeaderMap;
use secrecy::SecretString;
use url::Url;

use crate::auth::Signer;
use crate::broker::BinanceBroker;
use account::AccountFeed;
use book::{BookFeed, MOST_STREAMS};

/// Binance pings every 20 s: two of them were missed.
const SILENCE: Duration = Duration::from_secs(50);

const LARGEST_MESSAGE: usize = 1 << 20;

/// What streams need of the configuration.
pub(crate) struct Streams {
    pub(crate) key: SecretString,
    pub(crate) signer: Arc<Signer>,
    pub(crate) window: Duration,
    /// Of the WebSocket API, and of market data.
    pub(crate) urls: [Url; 2],
}

/// Shows no key.
impl std::fmt::Debug for Streams {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Streams")
    }
}

impl BinanceBroker {
    async fn feeds(&self, subscription: &Subscription) -> Result<Vec<Box<dyn Feed>>> {
        let mut feeds: Vec<Box<dyn Feed>> = Vec::new();
        if let Some(account) = subscription.accounts.first() {
            feeds.push(Box::new(AccountFeed::new(self, account, subscription)));
        }
        for instruments in subscription.quotes.chunks(MOST_STREAMS) {
            feeds.push(Box::new(BookFeed::new(self, instruments, subscription).await?));
        }
        match feeds.is_empty() {
            true => Err(Error::invalid("the subscription names no account and no instrument")),
            false => Ok(feeds),
        }
    }

    fn socket(&self, url: &Url) -> Result<OpenRequest> {
        self.rest().http.check_url(url)?;
        Ok(OpenRequest::WebSocket {
            url: url.clone(),
            headers: HeaderMap::new(),
            largest_message: LARGEST_MESSAGE,
        })
    }
}

#[async_trait]
impl Streaming for BinanceBroker {
    async fn subscribe(&self, subscription: &Subscription) -> Result<BoxStream<'static, Event>> {
        let named = |error: Error| error.with_broker(self.id()).with_operation("subscribe");
        for account in &subscription.accounts {
            self.check(account).await.map_err(named)?;
        }
        let feeds = self.feeds(subscription).await.map_err(named)?;
        live::subscribe(self.handle(), subscription, feeds).await.map_err(named)
    }
}

fn pulse() -> Pulse {
    Pulse {
        send: None,
        silence: SILENCE,
    }
}

/// A frame's text; `None` where it has none, and then it was dealt with.
fn text<'a>(frame: &'a Frame, out: &mut Vec<Signal>) -> Result<Option<&'a str>> {
    match frame {
        Frame::Text(text) => Ok(Some(text.as_str())),
        Frame::Binary(bytes) => {
            let text = std::str::from_utf8(bytes).map_err(|_| Error::decode("a frame that is not UTF-8"));
            text.map(Some)
        }
        Frame::Ping(_) | Frame::Pong(_) => {
            out.push(Signal::Beat);
            Ok(None)
        }
        Frame::Close(reason) => {
            let error = Error::new(ErrorKind::Unavailable);
            let error = match reason {
                Some((code, text)) => error.with_code(code.to_string()).with_message(text),
                None => error.with_message("closed without a reason"),
            };
            out.push(Signal::Closed { error, fatal: false });
            Ok(None)
        }
    }
}
