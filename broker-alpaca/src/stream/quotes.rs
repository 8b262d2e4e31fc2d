//! Quotes: one connection for shares, one for coins.

use std::collections::BTreeSet;
use std::time::Duration;

use async_trait::async_trait;
use broker_core::live::{Feed, Pulse, Signal, Source};
use broker_core::model::{Event, Subscription};
use broker_core::seam::Frame;
use broker_core::{Error, ErrorKind, InstrumentId, Quote, Result};
use secrecy::ExposeSecret;
use serde::Serialize;

use super::{Heard, Slot, ended, heard, pulse, refused_key, socket, text};
use crate::broker::AlpacaBroker;
use crate::config::{self, Credentials};
use crate::map;
use crate::wire;
use crate::wire::stream::MarketJson;

/// After an unclean end the old session lives on for up to 90 s, and new ones are refused until then.
const SESSION_TAKEN: Duration = Duration::from_secs(5);

impl AlpacaBroker {
    /// The quotes of a frame of market data, in its order: reads again what a program kept of one. Signs of life, steps
    /// of the handshake and other channels have none.
    ///
    /// # Errors
    /// `Decode`: the frame cannot be read. Else what it says itself: a close, or an error of the feed with its code.
    pub fn read_quotes(frame: &Frame) -> Result<Vec<Quote>> {
        let text = match heard(frame)? {
            Heard::Text(text) => text,
            Heard::Beat => return Ok(Vec::new()),
            Heard::Closed(error) => return Err(error),
        };
        let mut quotes = Vec::new();
        for message in &wire::decode::<Vec<MarketJson<'_>>>(text)? {
            match message.kind.get() {
                "q" => quotes.push(quote(message)?),
                "error" => return Err(trouble(code(message).as_deref(), message.text()).0),
                _ => {}
            }
        }
        Ok(quotes)
    }
}

fn quote(message: &MarketJson<'_>) -> Result<Quote> {
    let name = message.symbol.as_ref().map(|symbol| symbol.get());
    let name = name.ok_or_else(|| Error::decode("a quote without its symbol"))?;
    map::market::quote(name, &message.quote())
}

fn code(message: &MarketJson<'_>) -> Option<String> {
    message.code.0.map(|code| code.to_string())
}

/// An error of the feed, and whether it is fatal: what another connection could cure is not.
fn trouble(code: Option<&str>, text: &str) -> (Error, bool) {
    let (kind, fatal) = match code {
        Some("402") => (ErrorKind::Auth, true),
        Some("409" | "411") => (ErrorKind::Permission, true),
        Some("405" | "408" | "410") => (ErrorKind::InvalidRequest, true),
        Some("406") => (ErrorKind::RateLimited, false),
        // Too late, too slow, or an error of their own.
        Some("404" | "407" | "500") => (ErrorKind::Unavailable, false),
        _ => (ErrorKind::Unknown, false),
    };
    let error = Error::new(kind).with_message(text).with_code(code.unwrap_or_default());
    let error = match code {
        Some("405") => error.with_help("the free plan has 30 symbols a connection: subscribe to fewer"),
        Some("406") => error.with_retry_after(SESSION_TAKEN),
        Some("409") => error.with_help("the plan does not include this feed: choose another with_feed"),
        Some("411") => error.with_help("the token needs the scope data"),
        _ => error,
    };
    (error, fatal)
}

/// The feed of one kind of instruments.
pub(super) struct Quotes {
    broker: AlpacaBroker,
    covers: Subscription,
    slot: Slot,
}

/// Shows no key.
impl std::fmt::Debug for Quotes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Quotes({:?}, {} instruments)", self.slot, self.covers.quotes.len())
    }
}

#[derive(Serialize)]
struct SignIn<'a> {
    action: &'static str,
    key: &'a str,
    secret: &'a str,
}

#[derive(Serialize)]
struct Subscribe<'a> {
    action: &'static str,
    quotes: Vec<&'a str>,
}

impl Quotes {
    /// The feeds that a subscription needs.
    pub(super) fn of(broker: &AlpacaBroker, subscription: &Subscription) -> Result<Vec<Self>> {
        let (coins, shares): (Vec<_>, Vec<_>) = subscription
            .quotes
            .iter()
            .cloned()
            .partition(|id| map::pair(id.get()).is_some());
        if let Some(option) = shares.iter().find(|id| map::is_option(id.get())) {
            return Err(Error::unsupported(format!("a stream of quotes of the option {option}"))
                .with_help("Alpaca streams options in MessagePack only; read them with quotes()"));
        }
        let mut feeds = Vec::new();
        for (path, instruments) in [
            (config::stream_path(broker.feed())?, shares),
            ("/v1beta3/crypto/us", coins),
        ] {
            if instruments.is_empty() {
                continue;
            }
            let mut covers = subscription.clone();
            covers.accounts.clear();
            covers.quotes = instruments;
            feeds.push(Self {
                broker: broker.clone(),
                covers,
                slot: broker.slots().take(path)?,
            });
        }
        Ok(feeds)
    }

    /// The hold on the feed's one connection, once more.
    pub(super) fn slot(&self) -> Slot {
        self.slot.share()
    }

    fn sign_in(&self) -> Result<Frame> {
        let (key, secret) = match self.broker.credentials() {
            Credentials::Key { id, secret } => (id.expose_secret(), secret),
            // A token stands in the place of the secret, under this name.
            Credentials::OAuth(token) => ("oauth", token),
        };
        text(&SignIn {
            action: "auth",
            key,
            secret: secret.expose_secret(),
        })
    }

    fn subscribe(&self) -> Result<Frame> {
        text(&Subscribe {
            action: "subscribe",
            quotes: self.covers.quotes.iter().map(InstrumentId::get).collect(),
        })
    }

    fn message(&self, message: &MarketJson<'_>, out: &mut Vec<Signal>) -> Result<()> {
        let signal = match (message.kind.get(), message.text()) {
            ("q", _) => Signal::Event(Event::Quote(Box::new(quote(message)?))),
            ("success", "connected") => Signal::Send(self.sign_in()?),
            ("success", "authenticated") => Signal::Send(self.subscribe()?),
            ("subscription", _) => self.subscribed(message),
            ("error", text) => self.trouble(code(message).as_deref(), text),
            // Channels that were not asked for.
            _ => Signal::Beat,
        };
        out.push(signal);
        Ok(())
    }

    /// The answer holds the whole set that is subscribed now.
    fn subscribed(&self, message: &MarketJson<'_>) -> Signal {
        let has: BTreeSet<&str> = message.quotes.iter().flatten().map(|name| name.get()).collect();
        let missing: Vec<_> = self
            .covers
            .quotes
            .iter()
            .map(InstrumentId::get)
            .filter(|id| !has.contains(id))
            .collect();
        if missing.is_empty() {
            return Signal::Ready;
        }
        Signal::Closed {
            error: Error::new(ErrorKind::InvalidRequest)
                .with_message(format!("the feed does not take {}", missing.join(", "))),
            fatal: true,
        }
    }

    fn trouble(&self, code: Option<&str>, text: &str) -> Signal {
        let (error, fatal) = trouble(code, text);
        let error = match code {
            Some(code @ "402") => refused_key(&self.broker, text).with_code(code),
            _ => error,
        };
        Signal::Closed { error, fatal }
    }
}

#[async_trait]
impl Feed for Quotes {
    fn name(&self) -> &'static str {
        self.slot.path
    }

    fn covers(&self) -> &Subscription {
        &self.covers
    }

    /// Nothing is said first: the feed greets, and then wants the key within ten seconds.
    async fn open(&mut self) -> Result<Source> {
        let base = config::stream_host(&self.broker.rest().data)?;
        Ok(Source::Socket {
            request: socket(&self.broker, &base, self.slot.path)?,
            first: Vec::new(),
            paid: None,
        })
    }

    fn read(&mut self, frame: &Frame, out: &mut Vec<Signal>) -> Result<()> {
        let text = match heard(frame)? {
            Heard::Text(text) => text,
            Heard::Beat => {
                out.push(Signal::Beat);
                return Ok(());
            }
            Heard::Closed(error) => {
                out.push(ended(error));
                return Ok(());
            }
        };
        let messages: Vec<MarketJson<'_>> = wire::decode(text)?;
        messages.iter().try_for_each(|message| self.message(message, out))
    }

    fn pulse(&self) -> Pulse {
        pulse()
    }
}
