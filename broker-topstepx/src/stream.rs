//! Live events: the user hub tells of accounts, the market hub of quotes. Nothing is replayed and nothing is numbered,
//! so each connection is followed by a read-back, which is the core's.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use broker_core::live::{self, Feed, Pulse, Signal, Source};
use broker_core::model::{Event, Subscription};
use broker_core::seam::{BoxStream, Clock, Frame};
use broker_core::token::Token;
use broker_core::{AccountId, Broker, Error, ErrorKind, Result, Streaming};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::value::RawValue;

use crate::auth::EARLY;
use crate::broker::TopstepxBroker;
use crate::hub::{
    Argument, Hub, Invocation, Line, Listening, Merged, PING_EVERY, QUOTE, SILENCE, Said, named, quotes, quotes_of,
};
use crate::map;
use crate::map::order::Families;
use crate::wire::hub::objects;
use crate::wire::{AccountJson, OrderJson, PositionJson, TradeJson, decode};

/// Entries whose exits are remembered at most.
const MOST_FAMILIES: usize = 4_096;

/// A connection is not renewed sooner than this after it was made, however old its token is.
const LEAST: TimeDelta = TimeDelta::minutes(10);

impl TopstepxBroker {
    /// What a frame of the user hub tells of these accounts, in its order: reads again what a program kept of one. A
    /// frame must hold whole records.
    ///
    /// # Errors
    /// `Decode`: a record cannot be read. Else what the hub says itself: a close, a refusal.
    pub fn read_user_hub(accounts: &[AccountId], frame: &Frame) -> Result<Vec<Event>> {
        let mut line = Line::new(Vec::new());
        let mut families = Families::default();
        let mut events = Vec::new();
        line.hear(frame, |said| match said {
            Said::Event(target, arguments) => {
                events.extend(user_events(target, arguments, accounts, &mut families)?);
                Ok(())
            }
            Said::Closed(error) | Said::Refused(_, error) => Err(error),
            Said::Hello | Said::Confirmed | Said::Beat => Ok(()),
        })?;
        Ok(events)
    }

    /// What a frame of the market hub tells, in its order. Of each quote the sides that it states.
    ///
    /// # Errors
    /// As [`read_user_hub`](Self::read_user_hub).
    pub fn read_market_hub(frame: &Frame) -> Result<Vec<Event>> {
        let mut line = Line::new(Vec::new());
        let mut merged = BTreeMap::new();
        let mut events = Vec::new();
        line.hear(frame, |said| match said {
            Said::Event(QUOTE, arguments) => {
                events.extend(market_events(arguments, &mut merged)?);
                Ok(())
            }
            Said::Closed(error) | Said::Refused(_, error) => Err(error),
            Said::Event(..) | Said::Hello | Said::Confirmed | Said::Beat => Ok(()),
        })?;
        Ok(events)
    }
}

#[async_trait]
impl Streaming for TopstepxBroker {
    async fn subscribe(&self, subscription: &Subscription) -> Result<BoxStream<'static, Event>> {
        let named = named(self, "subscribe");
        // A read before the sockets: it finds out which accounts there are, and cures a token that was forgotten.
        let known = self.accounts().await?;
        for account in &subscription.accounts {
            if known.iter().all(|one| one.id != *account) {
                let unknown = Error::new(ErrorKind::NotFound);
                return Err(named(
                    unknown.with_message(format!("this key has no account {account}")),
                ));
            }
        }
        let mut feeds: Vec<Box<dyn Feed>> = Vec::new();
        if !subscription.accounts.is_empty() {
            feeds.push(Box::new(Accounts::new(self, subscription).map_err(&named)?));
        }
        if !subscription.quotes.is_empty() {
            feeds.push(Box::new(Quotes::new(self, subscription)));
        }
        live::subscribe(self.handle(), subscription, feeds).await.map_err(named)
    }
}

/// A connection to a hub, from its token to its end.
#[derive(Debug)]
struct Connection {
    broker: TopstepxBroker,
    hub: Hub,
    line: Line,
    /// What the connection was opened with, and when it is to be made anew.
    token: Option<(Arc<Token>, DateTime<Utc>)>,
}

impl Connection {
    fn new(broker: &TopstepxBroker, hub: Hub) -> Self {
        Self {
            broker: broker.clone(),
            hub,
            line: Line::new(Vec::new()),
            token: None,
        }
    }

    fn clock(&self) -> &Arc<dyn Clock> {
        self.broker.context().clock()
    }

    async fn open(&mut self, invocations: Vec<Invocation>) -> Result<Source> {
        let tokens = self.broker.tokens();
        if let Some((token, _)) = self.token.take()
            && !self.line.is_greeted()
        {
            // The connection before did not get as far as a greeting, perhaps because of it.
            tokens.invalidate(&token);
        }
        let token = tokens.get().await?;
        let request = self.broker.hub_request(self.hub, &token)?;
        let early = TimeDelta::from_std(EARLY).unwrap_or_default();
        let now = self.clock().now();
        let ends_at = token
            .expires_at
            .map_or(DateTime::<Utc>::MAX_UTC, |at| at - early)
            .max(now + LEAST);
        self.token = Some((token, ends_at));
        self.line = Line::new(invocations);
        Ok(Source::Socket {
            request,
            first: vec![Line::handshake()],
            paid: None,
        })
    }

    /// Reads a frame; `event` says what follows from what happened.
    fn read(
        &mut self,
        frame: &Frame,
        out: &mut Vec<Signal>,
        mut event: impl FnMut(&str, &[&RawValue]) -> Result<Vec<Event>>,
    ) -> Result<()> {
        let mut greeted = false;
        let read = self.line.hear(frame, |said| {
            match said {
                Said::Hello => greeted = true,
                Said::Confirmed => out.push(Signal::Ready),
                Said::Refused(_, error) => out.push(Signal::Closed { error, fatal: true }),
                Said::Event(target, arguments) => match event(target, arguments)? {
                    events if events.is_empty() => out.push(Signal::Beat),
                    events => out.extend(events.into_iter().map(Signal::Event)),
                },
                Said::Beat => out.push(Signal::Beat),
                Said::Closed(error) => out.push(Signal::Closed { error, fatal: false }),
            }
            Ok(())
        });
        if greeted {
            out.extend(self.line.invocations()?.into_iter().map(Signal::Send));
        }
        // Whether a hub keeps a connection whose token has ended is not documented.
        let now = self.clock().now();
        if self.token.as_ref().is_some_and(|(_, ends_at)| now >= *ends_at) {
            let error = Error::new(ErrorKind::Unavailable).with_message("the connection is made anew with a new token");
            out.push(Signal::Closed { error, fatal: false });
        }
        read
    }
}

fn pulse() -> Pulse {
    Pulse {
        send: Some((PING_EVERY, Line::ping())),
        silence: SILENCE,
    }
}

/// The user hub, for the accounts of a subscription.
#[derive(Debug)]
struct Accounts {
    connection: Connection,
    covers: Subscription,
    numbers: Vec<i64>,
    families: Families,
}

impl Accounts {
    fn new(broker: &TopstepxBroker, subscription: &Subscription) -> Result<Self> {
        let mut covers = subscription.clone();
        covers.quotes.clear();
        Ok(Self {
            connection: Connection::new(broker, Hub::User),
            numbers: covers.accounts.iter().map(map::number).collect::<Result<_>>()?,
            covers,
            families: Families::default(),
        })
    }

    fn invocations(&self) -> Vec<Invocation> {
        let of_account = |number: &i64| {
            let argument = Argument::Account(*number);
            ["SubscribeOrders", "SubscribePositions", "SubscribeTrades"].map(|target| Invocation {
                target,
                argument: Some(argument.clone()),
            })
        };
        let all = Invocation {
            target: "SubscribeAccounts",
            argument: None,
        };
        [all]
            .into_iter()
            .chain(self.numbers.iter().flat_map(of_account))
            .collect()
    }
}

#[async_trait]
impl Feed for Accounts {
    fn name(&self) -> &'static str {
        "user"
    }

    fn covers(&self) -> &Subscription {
        &self.covers
    }

    async fn open(&mut self) -> Result<Source> {
        self.connection.open(self.invocations()).await
    }

    fn read(&mut self, frame: &Frame, out: &mut Vec<Signal>) -> Result<()> {
        let Self {
            connection,
            covers,
            families,
            ..
        } = self;
        let read = connection.read(frame, out, |target, arguments| {
            user_events(target, arguments, &covers.accounts, families)
        });
        families.keep(MOST_FAMILIES);
        read
    }

    fn pulse(&self) -> Pulse {
        pulse()
    }
}

/// What an event of the user hub tells of these accounts. What is not theirs is somebody else's.
fn user_events(
    target: &str,
    arguments: &[&RawValue],
    accounts: &[AccountId],
    families: &mut Families,
) -> Result<Vec<Event>> {
    let mut events = Vec::new();
    let ours = |number: i64| accounts.iter().any(|account| map::own(account, number).is_ok());
    for argument in arguments {
        for object in objects(argument)? {
            let text = object.get();
            match target {
                "GatewayUserOrder" => {
                    let wire: OrderJson<'_> = decode(text)?;
                    if ours(wire.account_id) {
                        let mut order = map::order::order(&wire)?;
                        families.note(&order);
                        families.relate(&mut order);
                        events.push(Event::Order(Box::new(order)));
                    }
                }
                "GatewayUserTrade" => {
                    let wire: TradeJson<'_> = decode(text)?;
                    if ours(wire.account_id) {
                        let records = map::trade::records(&wire)?.into_iter();
                        events.extend(records.map(|record| Event::Record(Box::new(record))));
                    }
                }
                "GatewayUserPosition" => {
                    let wire: PositionJson<'_> = decode(text)?;
                    if ours(wire.account_id) {
                        events.push(Event::Position(Box::new(map::account::position(&wire)?)));
                    }
                }
                "GatewayUserAccount" => {
                    let wire: AccountJson<'_> = decode(text)?;
                    if ours(wire.id) {
                        events.push(Event::Balances(Box::new(map::account::balances(&wire))));
                    }
                }
                // What the hub learns later tells nothing that was asked for.
                _ => {}
            }
        }
    }
    Ok(events)
}

/// The market hub, for the quotes of a subscription.
#[derive(Debug)]
struct Quotes {
    connection: Connection,
    covers: Subscription,
    merged: BTreeMap<String, Merged>,
    listening: Option<Listening>,
}

impl Quotes {
    fn new(broker: &TopstepxBroker, subscription: &Subscription) -> Self {
        let mut covers = subscription.clone();
        covers.accounts.clear();
        Self {
            connection: Connection::new(broker, Hub::Market),
            covers,
            merged: BTreeMap::new(),
            listening: None,
        }
    }
}

#[async_trait]
impl Feed for Quotes {
    fn name(&self) -> &'static str {
        "market"
    }

    fn covers(&self) -> &Subscription {
        &self.covers
    }

    async fn open(&mut self) -> Result<Source> {
        // Changes that were missed are in no later one.
        self.merged.clear();
        self.listening = None;
        let invocations = self.covers.quotes.iter().map(quotes_of).collect();
        let source = self.connection.open(invocations).await?;
        self.listening = Some(self.connection.broker.board().listen(&self.covers.quotes));
        Ok(source)
    }

    fn read(&mut self, frame: &Frame, out: &mut Vec<Signal>) -> Result<()> {
        let Self { connection, merged, .. } = self;
        let board = connection.broker.board().clone();
        connection.read(frame, out, |target, arguments| {
            if target != QUOTE {
                return Ok(Vec::new());
            }
            let events = market_events(arguments, merged)?;
            for event in &events {
                if let Event::Quote(quote) = event
                    && let Some(merged) = merged.get(quote.instrument.get())
                {
                    board.put(quote.instrument.get(), *merged);
                }
            }
            Ok(events)
        })
    }

    fn pulse(&self) -> Pulse {
        pulse()
    }
}

/// The quote of a contract after the changes of an event.
fn market_events(arguments: &[&RawValue], merged: &mut BTreeMap<String, Merged>) -> Result<Vec<Event>> {
    let (contract, changes) = quotes(arguments)?;
    if changes.is_empty() {
        return Ok(Vec::new());
    }
    let held = merged.entry(contract.clone()).or_default();
    changes.iter().for_each(|change| held.merge(change));
    Ok(vec![Event::Quote(Box::new(held.quote(&contract)))])
}
