//! `trade_updates`: what happens to the orders of the account.

use std::collections::BTreeMap;

use async_trait::async_trait;
use broker_core::live::{Feed, Look, Pulse, Signal, Source};
use broker_core::model::{Event, OrderLinks, Subscription};
use broker_core::seam::Frame;
use broker_core::{AccountId, Error, ErrorKind, Order, OrderId, Result};
use secrecy::ExposeSecret;
use serde::Serialize;
use serde_json::value::RawValue;

use super::{Heard, heard, pulse, refused_key, socket};
use crate::broker::AlpacaBroker;
use crate::config::Credentials;
use crate::map;
use crate::wire;
use crate::wire::stream::{AuthorizationJson, DataJson, ListeningJson, MessageJson, TRADE_UPDATES, TradeUpdateJson};

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
        // The fill first: an order that is filled further than its fills say looks like a hole.
        let records = map::update::records(update, &self.account)?;
        out.extend(records.into_iter().map(|one| told(Event::Record(Box::new(one)))));
        if map::update::is_multi_leg(update) {
            out.push(Signal::Look(Look::Account(self.account.clone())));
        }
        let mut orders = map::order::group(&update.order, &self.account)?;
        self.relate(&mut orders);
        out.extend(orders.into_iter().map(|order| told(Event::Order(Box::new(order)))));
        Ok(())
    }

    /// A message of the handshake, or one that does not name its stream first.
    fn other(&mut self, stream: &str, data: &RawValue, out: &mut Vec<Signal>) -> Result<()> {
        match stream {
            TRADE_UPDATES => self.update(&wire::decode(data.get())?, out)?,
            "authorization" => {
                let answer: AuthorizationJson<'_> = wire::decode(data.get())?;
                out.push(match answer.status.get() {
                    "authorized" => Signal::Send(listen()?),
                    word => closed_for(refused_key(&self.broker, &format!("the stream answered {word:?}"))),
                });
            }
            "listening" => {
                let answer: ListeningJson<'_> = wire::decode(data.get())?;
                let listens = answer.streams.iter().any(|name| name.get() == TRADE_UPDATES);
                // A stream that is refused is only left out of the answer.
                out.push(match listens {
                    true => Signal::Ready,
                    false => closed_for(
                        Error::new(ErrorKind::Permission)
                            .with_message("this key may not listen to trade_updates")
                            .with_help("use a key of the trading account, or a token with the scope trading"),
                    ),
                });
            }
            // Streams that Alpaca adds later tell nothing that was asked for.
            _ => out.push(Signal::Beat),
        }
        Ok(())
    }
}

fn told(event: Event) -> Signal {
    Signal::Event(event)
}

fn text(message: &impl Serialize) -> Result<Frame> {
    let text = serde_json::to_string(message);
    text.map(Frame::Text)
        .map_err(|_| Error::config("the sign-in message cannot be written"))
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
        })
    }

    fn read(&mut self, frame: &Frame, out: &mut Vec<Signal>) -> Result<()> {
        let text = match heard(frame)? {
            Heard::Text(text) => text,
            Heard::Beat => {
                out.push(Signal::Beat);
                return Ok(());
            }
            Heard::Closed(signal) => {
                out.push(signal);
                return Ok(());
            }
        };
        let message: MessageJson<'_> = wire::decode(text)?;
        match message.data {
            DataJson::Update(update) => self.update(&update, out),
            DataJson::Raw(data) => self.other(message.stream.get(), data, out),
        }
    }

    fn pulse(&self) -> Pulse {
        pulse()
    }
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
