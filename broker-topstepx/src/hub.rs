//! The hubs: SignalR's JSON protocol over a WebSocket. Records end with the byte 0x1E, and frames do not care where:
//! one can hold several records, and the beginning of another.
//!
//! The token stands in the URL, for a WebSocket that skips the negotiation has no other place for it. No URL of a hub
//! is printed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
#[cfg(feature = "streaming")]
use std::time::Duration;

use broker_core::num::{Num, Text};
use broker_core::seam::{Frame, OpenRequest};
use broker_core::token::Token;
use broker_core::{Broker, Error, ErrorKind, InstrumentId, Price, Quote, Result};
use chrono::{DateTime, Utc};
use http::HeaderMap;
use secrecy::ExposeSecret;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::broker::TopstepxBroker;
use crate::map::names;
use crate::wire::hub::{CLOSE, COMPLETION, INVOCATION, MessageJson, QuoteJson, objects};
use crate::wire::{Stamp, decode};

/// Ends each record.
const END: char = '\u{1e}';

/// Largest message, and most that is kept of a record that has not ended.
const LARGEST_MESSAGE: usize = 1 << 20;

/// We say so often that we live; the server does it as often, and takes silence of 30 s for death, as we do.
#[cfg(feature = "streaming")]
pub(crate) const PING_EVERY: Duration = Duration::from_secs(15);
#[cfg(feature = "streaming")]
pub(crate) const SILENCE: Duration = Duration::from_secs(30);

/// Which of the two hubs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hub {
    #[cfg_attr(
        not(feature = "streaming"),
        allow(dead_code, reason = "only streams listen to accounts")
    )]
    User,
    Market,
}

/// A call of a hub's method.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Invocation {
    pub(crate) target: &'static str,
    pub(crate) argument: Option<Argument>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub(crate) enum Argument {
    #[cfg_attr(
        not(feature = "streaming"),
        allow(dead_code, reason = "only streams listen to accounts")
    )]
    Account(i64),
    Contract(String),
}

/// One connection: where its handshake stands, and what of a record has come.
#[derive(Debug)]
pub(crate) struct Line {
    invocations: Vec<Invocation>,
    tail: String,
    greeted: bool,
    /// Invocations that are not confirmed.
    pending: BTreeSet<usize>,
}

/// What a record says.
#[derive(Debug)]
pub(crate) enum Said<'a> {
    /// The handshake was taken: now the invocations are to be sent.
    Hello,
    /// The last invocation was confirmed.
    Confirmed,
    /// An invocation was refused.
    Refused(
        usize,
        #[cfg_attr(
            not(feature = "streaming"),
            allow(dead_code, reason = "a look at quotes passes over what is refused")
        )]
        Error,
    ),
    /// Something happened.
    Event(&'a str, &'a [&'a RawValue]),
    /// Alive, and nothing else.
    Beat,
    /// The hub ends the connection.
    Closed(Error),
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct InvocationJson<'a> {
    #[serde(rename = "type")]
    kind: i64,
    invocation_id: String,
    target: &'a str,
    arguments: Vec<&'a Argument>,
}

impl Line {
    pub(crate) fn new(invocations: Vec<Invocation>) -> Self {
        Self {
            pending: (0..invocations.len()).collect(),
            invocations,
            tail: String::new(),
            greeted: false,
        }
    }

    /// Whether the hub took the handshake, and with it the token.
    #[cfg(feature = "streaming")]
    pub(crate) fn is_greeted(&self) -> bool {
        self.greeted
    }

    /// The first frame of a connection.
    pub(crate) fn handshake() -> Frame {
        Frame::Text(format!(r#"{{"protocol":"json","version":1}}{END}"#))
    }

    /// Says that we live.
    #[cfg(feature = "streaming")]
    pub(crate) fn ping() -> Frame {
        Frame::Text(format!(r#"{{"type":6}}{END}"#))
    }

    /// The frames that subscribe.
    pub(crate) fn invocations(&self) -> Result<Vec<Frame>> {
        let frame = |(number, invocation): (usize, &Invocation)| {
            let text = serde_json::to_string(&InvocationJson {
                kind: INVOCATION,
                invocation_id: number.to_string(),
                target: invocation.target,
                arguments: invocation.argument.iter().collect(),
            });
            let text = text.map_err(|_| Error::config("a message of the stream cannot be written"))?;
            Ok(Frame::Text(format!("{text}{END}")))
        };
        self.invocations.iter().enumerate().map(frame).collect()
    }

    /// Reads a frame, record by record. One that cannot be read does not hide those behind it; the first error is the
    /// result.
    pub(crate) fn hear(&mut self, frame: &Frame, mut each: impl FnMut(Said<'_>) -> Result<()>) -> Result<()> {
        let text = match frame {
            Frame::Text(text) => text,
            Frame::Binary(bytes) => {
                std::str::from_utf8(bytes).map_err(|_| Error::decode("a frame that is not UTF-8"))?
            }
            Frame::Ping(_) | Frame::Pong(_) => return each(Said::Beat),
            Frame::Close(reason) => return each(Said::Closed(closed(reason.as_ref()))),
        };
        let whole = self.whole(text)?;
        let mut result = Ok(());
        for record in whole.split_terminator(END) {
            let read = self.record(record, &mut each);
            result = result.and(read);
        }
        result
    }

    /// The records that have ended; the rest is kept.
    fn whole(&mut self, text: &str) -> Result<String> {
        let mut whole = std::mem::take(&mut self.tail);
        whole.push_str(text);
        let end = whole.rfind(END).map_or(0, |end| end + END.len_utf8());
        self.tail = whole.split_off(end);
        if self.tail.len() > LARGEST_MESSAGE {
            self.tail = String::new();
            return Err(Error::new(ErrorKind::Protocol).with_message("a record of a hub that does not end"));
        }
        Ok(whole)
    }

    fn record(&mut self, record: &str, each: &mut impl FnMut(Said<'_>) -> Result<()>) -> Result<()> {
        let message: MessageJson<'_> = decode(record)?;
        let Some(kind) = message.kind else {
            return match (&message.error, self.greeted) {
                (Some(error), _) => each(Said::Closed(refused(error.get()))),
                (None, false) => {
                    self.greeted = true;
                    each(Said::Hello)?;
                    self.confirm(each)
                }
                (None, true) => Err(Error::decode("a message of a hub without a type")),
            };
        };
        match kind {
            INVOCATION => {
                let target = message
                    .target
                    .ok_or_else(|| Error::decode("an event of a hub without a name"))?;
                each(Said::Event(target.get(), &message.arguments.unwrap_or_default()))
            }
            COMPLETION => self.completed(message.invocation_id.as_ref(), message.error.as_ref(), each),
            CLOSE => {
                let words = message.error.as_ref().map_or("closed without a reason", Text::get);
                each(Said::Closed(Error::new(ErrorKind::Unavailable).with_message(words)))
            }
            // Pings, and whatever the protocol learns later.
            _ => each(Said::Beat),
        }
    }

    fn completed(
        &mut self,
        id: Option<&Text<'_>>,
        error: Option<&Text<'_>>,
        each: &mut impl FnMut(Said<'_>) -> Result<()>,
    ) -> Result<()> {
        let number = id.and_then(|id| id.get().parse::<usize>().ok());
        let Some(number) = number.filter(|number| self.pending.remove(number)) else {
            return each(Said::Beat);
        };
        match error {
            Some(error) => each(Said::Refused(number, refused(error.get())))?,
            None => each(Said::Beat)?,
        }
        self.confirm(each)
    }

    fn confirm(&self, each: &mut impl FnMut(Said<'_>) -> Result<()>) -> Result<()> {
        match self.pending.is_empty() {
            true => each(Said::Confirmed),
            false => Ok(()),
        }
    }
}

fn refused(words: &str) -> Error {
    Error::new(ErrorKind::Permission).with_message(words)
}

fn closed(reason: Option<&(u16, String)>) -> Error {
    let error = Error::new(ErrorKind::Unavailable);
    match reason {
        Some((code, text)) => error.with_code(code.to_string()).with_message(text),
        None => error.with_message("closed without a reason"),
    }
}

impl TopstepxBroker {
    /// Where a hub is, with the token.
    pub(crate) fn hub_request(&self, hub: Hub, token: &Token) -> Result<OpenRequest> {
        let mut url = self.hubs().clone();
        let scheme = if url.scheme() == "http" { "ws" } else { "wss" };
        url.set_scheme(scheme)
            .map_err(|()| Error::config("the address of the hubs is not one of HTTP"))?;
        let path = match hub {
            Hub::User => "user",
            Hub::Market => "market",
        };
        url.set_path(&format!("{}/{path}", url.path().trim_end_matches('/')));
        self.rest().http.check_url(&url)?;
        url.query_pairs_mut()
            .append_pair("access_token", token.access.expose_secret());
        Ok(OpenRequest::WebSocket {
            url,
            headers: HeaderMap::new(),
            largest_message: LARGEST_MESSAGE,
        })
    }
}

/// A contract's quote, put together of its changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Merged {
    bid: Option<Price>,
    ask: Option<Price>,
    at: Option<DateTime<Utc>>,
}

impl Merged {
    /// What is missing is as it was.
    pub(crate) fn merge(&mut self, change: &QuoteJson) {
        let price = |number: Option<Num>, old| number.map(|number| Price::new(number.0)).or(old);
        self.bid = price(change.best_bid, self.bid);
        self.ask = price(change.best_ask, self.ask);
        let at = change.last_updated.or(change.timestamp).map(|Stamp(at)| at);
        self.at = at.or(self.at);
    }

    pub(crate) fn quote(self, contract: &str) -> Quote {
        let (instrument, symbol) = names(contract);
        Quote {
            instrument,
            symbol,
            bid: self.bid,
            bid_size: None,
            ask: self.ask,
            ask_size: None,
            at: self.at,
        }
    }
}

/// The contract and the changes of an event of quotes.
pub(crate) fn quotes(arguments: &[&RawValue]) -> Result<(String, Vec<QuoteJson>)> {
    let [contract, changes] = arguments else {
        return Err(Error::decode("an event of quotes has a contract and a quote"));
    };
    let contract: Text<'_> = decode(contract.get())?;
    let changes = objects(changes)?;
    let changes = changes
        .iter()
        .map(|change| decode(change.get()))
        .collect::<Result<_>>()?;
    Ok((contract.get().to_owned(), changes))
}

/// The quotes that this broker's streams hold now. The gateway has no other place to ask for a quote.
#[derive(Debug, Clone, Default)]
pub(crate) struct Board(Arc<Mutex<BTreeMap<InstrumentId, Watched>>>);

#[derive(Debug, Default)]
struct Watched {
    /// Streams that listen to it.
    #[cfg(feature = "streaming")]
    listeners: usize,
    merged: Merged,
}

impl Board {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<InstrumentId, Watched>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The quote, if a stream listens to the contract.
    pub(crate) fn get(&self, contract: &InstrumentId) -> Option<Quote> {
        let board = self.lock();
        board.get(contract).map(|watched| watched.merged.quote(contract.get()))
    }

    /// A stream listens to these, until it drops what comes back.
    #[cfg(feature = "streaming")]
    pub(crate) fn listen(&self, contracts: &[InstrumentId]) -> Listening {
        let mut board = self.lock();
        for contract in contracts {
            board.entry(contract.clone()).or_default().listeners += 1;
        }
        Listening {
            board: self.clone(),
            contracts: contracts.to_vec(),
        }
    }

    /// A newer quote.
    #[cfg(feature = "streaming")]
    pub(crate) fn put(&self, contract: &str, merged: Merged) {
        if let Some(watched) = self.lock().get_mut(contract)
            && merged.at >= watched.merged.at
        {
            watched.merged = merged;
        }
    }
}

/// A stream's hold on the board.
#[cfg(feature = "streaming")]
#[derive(Debug)]
pub(crate) struct Listening {
    board: Board,
    contracts: Vec<InstrumentId>,
}

#[cfg(feature = "streaming")]
impl Drop for Listening {
    fn drop(&mut self) {
        let mut board = self.board.lock();
        for contract in &self.contracts {
            if let Some(watched) = board.get_mut(contract) {
                watched.listeners = watched.listeners.saturating_sub(1);
                if watched.listeners == 0 {
                    board.remove(contract);
                }
            }
        }
    }
}

/// Subscribes to quotes of a contract.
pub(crate) fn quotes_of(contract: &InstrumentId) -> Invocation {
    Invocation {
        target: "SubscribeContractQuotes",
        argument: Some(Argument::Contract(contract.get().to_owned())),
    }
}

/// Event of a quote.
pub(crate) const QUOTE: &str = "GatewayQuote";

/// The name of a broker's errors, for those that come from a hub.
pub(crate) fn named(broker: &TopstepxBroker, operation: &'static str) -> impl Fn(Error) -> Error + use<> {
    let id = broker.id();
    move |error| {
        let error = error.with_broker(id.clone());
        match error.operation() {
            Some(_) => error,
            None => error.with_operation(operation),
        }
    }
}
