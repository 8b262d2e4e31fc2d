//! A runtime with a venue, a broker and a reader of events.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use broker_core::live::{Feed, subscribe};
use broker_core::model::{Event, Subscription};
use broker_core::seam::{BoxStream, Clock, SeededRng, VirtualClock, VirtualRuntime};
use broker_core::{Broker, Context, Error, ErrorKind, Record, Result};
use chrono::{DateTime, Utc};
use futures_util::StreamExt;
use futures_util::future::{Either, select};

use super::broker::ScriptedBroker;
use super::literals::{account, at, balances, capabilities, position};
use super::venue::{ScriptedFeed, Venue};

pub(crate) type Events = BoxStream<'static, Event>;

pub(crate) struct Bench {
    pub(crate) runtime: VirtualRuntime,
    pub(crate) clock: VirtualClock,
    pub(crate) venue: Venue,
    pub(crate) broker: ScriptedBroker,
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self::seeded(1)
    }

    /// The account holds 5 AAPL and 100 USD.
    pub(crate) fn seeded(seed: u64) -> Self {
        let runtime = VirtualRuntime::new();
        let clock = runtime.clock();
        let venue = Venue::new(clock.clone());
        venue.books().positions = vec![position(5)];
        venue.books().balances = Some(balances("100"));
        let shared = Arc::new(clock.clone());
        let context = Context::new(
            shared.clone(),
            Arc::new(SeededRng::new(seed)),
            shared,
            Arc::new(venue.clone()),
        );
        let broker = ScriptedBroker {
            venue: venue.clone(),
            context,
            capabilities: Arc::new(capabilities()),
            has_quotes: true,
        };
        Self {
            runtime,
            clock,
            venue,
            broker,
        }
    }

    pub(crate) fn feed(&self) -> ScriptedFeed {
        ScriptedFeed::new(&self.venue, Subscription::account(&account()))
    }

    pub(crate) async fn subscribe(&self) -> Result<Events> {
        self.subscribe_with(&Subscription::account(&account()), vec![self.feed()])
            .await
    }

    pub(crate) async fn subscribe_with(&self, subscription: &Subscription, feeds: Vec<ScriptedFeed>) -> Result<Events> {
        let feeds = feeds.into_iter().map(|feed| Box::new(feed) as Box<dyn Feed>).collect();
        subscribe(self.broker.handle(), subscription, feeds).await
    }

    /// A subscription whose snapshot was read: 10 s after the start, nothing happened yet.
    pub(crate) async fn standing(&self) -> Events {
        let mut events = self.subscribe().await.unwrap();
        let snapshot = self.during(&mut events, 10.0).await;
        assert_eq!(snapshot, ["position AAPL 5", "balances 100"]);
        events
    }

    pub(crate) fn clock_seconds(&self) -> u64 {
        self.clock.elapsed().as_secs()
    }

    pub(crate) fn has_no_quotes(&mut self) {
        self.broker.has_quotes = false;
    }

    pub(crate) fn by_instrument(&mut self) {
        Arc::make_mut(&mut self.broker.capabilities).history.by_instrument = true;
    }

    pub(crate) async fn sleep(&self, seconds: f64) {
        self.clock.sleep(Duration::from_secs_f64(seconds)).await;
    }

    /// What comes within these seconds, in words.
    pub(crate) async fn during(&self, events: &mut Events, seconds: f64) -> Vec<String> {
        let mut said = Vec::new();
        let mut time = pin!(self.clock.sleep(Duration::from_secs_f64(seconds)));
        loop {
            match select(events.next(), time.as_mut()).await {
                Either::Left((Some(event), _)) => said.push(words(&event)),
                Either::Left((None, _)) => {
                    said.push("end".to_owned());
                    time.await;
                    return said;
                }
                Either::Right(_) => return said,
            }
        }
    }
}

/// An event in words; times in seconds since the start.
pub(crate) fn words(event: &Event) -> String {
    match event {
        Event::Order(order) => format!("order {} {} {}", order.id, order.status, order.filled_qty),
        Event::Record(record) => match &**record {
            Record::Fill(fill) if fill.version > 0 => format!("fill {} v{}", fill.id, fill.version),
            Record::Fill(fill) => format!("fill {}", fill.id),
            Record::Void(void) => format!("void {}", void.fill),
            Record::Fee(fee) => format!("fee {}", fee.id),
            Record::Flow(flow) => format!("flow {}", flow.id),
        },
        Event::Position(position) => format!("position {} {}", position.instrument, position.qty),
        Event::Balances(balances) => format!("balances {}", balances.equity.unwrap().amount),
        Event::Quote(quote) => format!("quote {} {}", quote.instrument, quote.bid.unwrap()),
        Event::Disconnected { at, reason } => {
            format!(
                "disconnected {}: {}",
                seconds(*at),
                reason.message().unwrap_or_default()
            )
        }
        Event::Gap { from, to } => format!("gap {} to {}", seconds(*from), seconds(*to)),
        Event::Recovered(coverage) => {
            let missing = coverage.missing.join(", ");
            match (coverage.accounts.len(), missing.as_str()) {
                (1, "") => "recovered".to_owned(),
                (accounts, missing) => format!("recovered {accounts}: {missing}"),
            }
        }
        Event::Closed(error) => format!("closed: {}", error.message().unwrap_or_default()),
        _ => panic!("an unknown event"),
    }
}

/// With at most three decimals.
fn seconds(time: DateTime<Utc>) -> String {
    let millis = (time - at(0.0)).num_milliseconds();
    match millis % 1_000 {
        0 => (millis / 1_000).to_string(),
        rest => format!("{}.{rest:03}", millis / 1_000),
    }
}

pub(crate) fn unavailable(message: &str) -> Error {
    Error::new(ErrorKind::Unavailable).with_message(message)
}
