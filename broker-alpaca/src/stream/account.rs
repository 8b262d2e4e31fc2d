//! `trade_updates`: what happens to the orders of the account.

use std::collections::BTreeMap;

use async_trait::async_trait;
use broker_core::live::{Feed, Look, Pulse, Signal, Source};
use broker_core::model::{Event, OrderLinks, Subscription};
use broker_core::seam::Frame;
use broker_core::{AccountId, Error, ErrorKind, Order, OrderId, Record, Result};
use secrecy::ExposeSecret;
use serde::Serialize;

use super::{Heard, ended, heard, pulse, refused_key, socket, text};
use crate::broker::AlpacaBroker;
use crate::config::Credentials;
use crate::map;
use crate::wire;
use crate::wire::stream::{AuthorizationJson, DataJson, ListeningJson, MessageJson, TRADE_UPDATES, TradeUpdateJson};

impl AlpacaBroker {
    /// What a frame of an account's stream tells, in its order: reads again what a program kept of one. A sign of life
    /// and a step of the handshake tell nothing.
    ///
    /// # Errors
    /// `Decode`: the frame cannot be read. Else what it says itself: a close, a key that is refused, a stream that may
    /// not be listened to.
    pub fn read_trade_updates(account: &AccountId, frame: &Frame) -> Result<Vec<Event>> {
        let text = match heard(frame)? {
            Heard::Text(text) => text,
            Heard::Beat => return Ok(Vec::new()),
            Heard::Closed(error) => return Err(error),
        };
        match said(text)? {
            Said::Update(update) => {
                let (records, orders) = told(&update, account)?;
                Ok(events(records, orders).collect())
            }
            Said::Refused(words) => Err(Error::new(ErrorKind::Auth).with_message(words)),
            Said::NotListening => Err(not_permitted()),
            Said::Authorized | Said::Listening | Said::Other => Ok(Vec::new()),
        }
    }
}

/// What a message says.
enum Said<'a> {
    Update(Box<TradeUpdateJson<'a>>),
    Authorized,
    /// Not authorized, in these words.
    Refused(String),
    Listening,
    /// A stream that is refused is only left out of the answer.
    NotListening,
    /// Streams that Alpaca adds later tell nothing that was asked for.
    Other,
}

fn said(text: &str) -> Result<Said<'_>> {
    let message: MessageJson<'_> = wire::decode(text)?;
    let data = match message.data {
        DataJson::Update(update) => return Ok(Said::Update(update)),
        DataJson::Raw(data) => data.get(),
    };
    Ok(match message.stream.get() {
        // A message that does not name its stream first.
        TRADE_UPDATES => Said::Update(wire::decode(data)?),
        "authorization" => match wire::decode::<AuthorizationJson<'_>>(data)?.status.get() {
            "authorized" => Said::Authorized,
            word => Said::Refused(format!("the stream answered {word:?}")),
        },
        "listening" => {
            let answer: ListeningJson<'_> = wire::decode(data)?;
            match answer.streams.iter().any(|name| name.get() == TRADE_UPDATES) {
                true => Said::Listening,
                false => Said::NotListening,
            }
        }
        _ => Said::Other,
    })
}

/// The records and the orders of an event.
fn told(update: &TradeUpdateJson<'_>, account: &AccountId) -> Result<(Vec<Record>, Vec<Order>)> {
    let records = map::update::records(update, account)?;
    Ok((records, map::order::group(&update.order, account)?))
}

/// The records first: an order that is filled further than its fills say looks like a hole.
fn events(records: Vec<Record>, orders: Vec<Order>) -> impl Iterator<Item = Event> {
    let records = records.into_iter().map(|record| Event::Record(Box::new(record)));
    records.chain(orders.into_iter().map(|order| Event::Order(Box::new(order))))
}

/// The feed of one account.
pub(super) struct TradeUpdates {
    broker: AlpacaBroker,
    account: AccountId,
    covers: Subscription,
    links: BTreeMap<OrderId, OrderLinks>,
}

/// Exits whose places in their groups are remembered at most.
const MOST_LINKS: usize = 4_096;

/// Shows no key.
impl std::fmt::Debug for TradeUpdates {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "TradeUpdates({})", self.account)
    }
}

#[derive(Serialize)]
#[serde(untagged)]
enum SignIn<'a> {
    Key {
        action: &'a str,
        key: &'a str,
        secret: &'a str,
    },
    Token {
        action: &'a str,
        data: Token<'a>,
    },
}

#[derive(Serialize)]
struct Token<'a> {
    oauth_token: &'a str,
}

#[derive(Serialize)]
struct Listen {
    action: &'static str,
    data: Streams,
}

#[derive(Serialize)]
struct Streams {
    streams: [&'static str; 1],
}

impl TradeUpdates {
    pub(super) fn new(broker: &AlpacaBroker, subscription: &Subscription) -> Result<Self> {
        // All of them were checked to be the one account of the key.
        let [account, ..] = subscription.accounts.as_slice() else {
            return Err(Error::invalid("the subscription names no account"));
        };
        let account = account.clone();
        let mut covers = subscription.clone();
        covers.accounts = vec![account.clone()];
        covers.quotes.clear();
        Ok(Self {
            broker: broker.clone(),
            account,
            covers,
            links: BTreeMap::new(),
        })
    }

    fn sign_in(&self) -> Result<Frame> {
        match self.broker.credentials() {
            Credentials::Key { id, secret } => text(&SignIn::Key {
                action: "auth",
                key: id.expose_secret(),
                secret: secret.expose_secret(),
            }),
            Credentials::OAuth(token) => text(&SignIn::Token {
                action: "authenticate",
                data: Token {
                    oauth_token: token.expose_secret(),
                },
            }),
        }
    }

    /// An exit's own event says to which kind of group it belongs, and not to whom: that was said by an event of its
    /// entry, and is remembered until the exit is done.
    fn relate(&mut self, orders: &mut [Order]) {
        for order in orders {
            if order.links.parent.is_some() {
                self.links.insert(order.id.clone(), order.links.clone());
            } else if let Some(links) = self.links.get(&order.id) {
                order.links.parent.clone_from(&links.parent);
                order.links.siblings.clone_from(&links.siblings);
            }
            if order.status.is_final() || self.links.len() > MOST_LINKS {
                self.links.remove(&order.id);
            }
        }
    }

    fn update(&mut self, update: &TradeUpdateJson<'_>, out: &mut Vec<Signal>) -> Result<()> {
        let (records, mut orders) = told(update, &self.account)?;
        if map::update::is_multi_leg(update) {
            out.push(Signal::Look(Look::Account(self.account.clone())));
        }
        self.relate(&mut orders);
        out.extend(events(records, orders).map(Signal::Event));
        Ok(())
    }
}

#[async_trait]
impl Feed for TradeUpdates {
    fn name(&self) -> &'static str {
        TRADE_UPDATES
    }

    fn covers(&self) -> &Subscription {
        &self.covers
    }

    async fn open(&mut self) -> Result<Source> {
        Ok(Source::Socket {
            request: socket(&self.broker, &self.broker.rest().trading, "/stream")?,
            first: vec![self.sign_in()?],
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
        let signal = match said(text)? {
            Said::Update(update) => return self.update(&update, out),
            Said::Authorized => Signal::Send(listen()?),
            Said::Refused(words) => closed_for(refused_key(&self.broker, &words)),
            Said::Listening => Signal::Ready,
            Said::NotListening => closed_for(not_permitted()),
            Said::Other => Signal::Beat,
        };
        out.push(signal);
        Ok(())
    }

    fn pulse(&self) -> Pulse {
        pulse()
    }
}

fn not_permitted() -> Error {
    Error::new(ErrorKind::Permission)
        .with_message("this key may not listen to trade_updates")
        .with_help("use a key of the trading account, or a token with the scope trading")
}

fn listen() -> Result<Frame> {
    text(&Listen {
        action: "listen",
        data: Streams {
            streams: [TRADE_UPDATES],
        },
    })
}

fn closed_for(error: Error) -> Signal {
    Signal::Closed { error, fatal: true }
}
