//! Live events: the transactions of an account, and prices. Both are answers that do not end, a JSON object a line.

mod account;
mod prices;

use std::time::Duration;

use async_trait::async_trait;
use broker_core::http::{Call, OpClass};
use broker_core::live::{self, Feed, Pulse, Signal, Source};
use broker_core::model::{Event, Subscription};
use broker_core::seam::{BoxStream, Frame};
use broker_core::{AccountId, Broker, Error, Result, Streaming};
use http::Method;

use crate::broker::OandaBroker;
use crate::rest::Params;
use account::Transactions;
use prices::Prices;

/// Heartbeats come every 5 seconds: what was silent for longer than two of them is dead.
const SILENCE: Duration = Duration::from_secs(12);

impl OandaBroker {
    /// What lines of a stream tell, in their order: reads again what a program kept. A heartbeat tells nothing, nor does
    /// the fill or the cancel of an order that none of these lines made.
    ///
    /// # Errors
    /// `Decode`: a line cannot be read.
    pub async fn read_stream(&self, account: &AccountId, lines: &str) -> Result<Vec<Event>> {
        let book = self.book(account).await?;
        let covers = Subscription::account(account);
        let mut transactions = Transactions::new(self, book, &covers);
        let mut prices = Prices::new(self, &covers);
        let mut signals = Vec::new();
        for line in lines.lines().filter(|line| !line.trim().is_empty()) {
            let kind: crate::wire::LineJson<'_> = crate::wire::decode(line)?;
            let feed: &mut dyn Feed = match kind.kind.get() {
                "PRICE" => &mut prices,
                // The heartbeat of the prices names no transaction.
                "HEARTBEAT" if kind.last.is_none() => &mut prices,
                _ => &mut transactions,
            };
            feed.read(&Frame::Text(line.to_owned()), &mut signals)?;
        }
        Signal::events(signals)
    }

    /// Opens a stream, at the host that has them. One of 20 places is taken until it is dropped.
    async fn lines(&self, op: &'static str, path: String, params: Params<'_>) -> Result<Source> {
        let rest = self.rest();
        let call = Call::new(op, OpClass::Read, Method::GET, &rest.stream, path);
        let call = params.iter().fold(call, |call, (name, value)| call.param(name, value));
        let call = call.costs(rest.connects.bucket(), 1).costs(&rest.streams, 1);
        Ok(Source::Lines(rest.http.stream(call).await?))
    }
}

#[async_trait]
impl Streaming for OandaBroker {
    async fn subscribe(&self, subscription: &Subscription) -> Result<BoxStream<'static, Event>> {
        let named = |error: Error| error.with_broker(self.id()).with_operation("subscribe");
        let mut feeds: Vec<Box<dyn Feed>> = Vec::new();
        for account in &subscription.accounts {
            let book = self.book(account).await.map_err(named)?;
            feeds.push(Box::new(Transactions::new(self, book, subscription)));
        }
        if !subscription.quotes.is_empty() {
            let known = self.known(&subscription.quotes).await.map_err(named)?;
            if known.len() < subscription.quotes.len() {
                return Err(named(Error::invalid(
                    "the subscription names an instrument that there is not",
                )));
            }
            feeds.push(Box::new(Prices::new(self, subscription)));
        }
        live::subscribe(self.handle(), subscription, feeds).await
    }
}

fn pulse() -> Pulse {
    Pulse {
        send: None,
        silence: SILENCE,
    }
}
