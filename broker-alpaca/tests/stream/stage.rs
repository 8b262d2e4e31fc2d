//! A venue, a broker that listens to it, and events in words.

use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use broker_alpaca::venue::{AlpacaVenue, AlpacaVenueBuilder};
use broker_alpaca::{AlpacaBroker, AlpacaConfig};
use broker_core::model::{Environment, Event, Subscription};
use broker_core::seam::{BoxStream, Clock, SeededRng, VirtualClock, VirtualRuntime};
use broker_core::{
    AccountId, Broker, BrokerExt, Context, Order, OrderRequest, Placement, Price, Qty, Record, Result, Side,
};
use broker_sim::wire::{Faults, MemoryTransport, Recorder, share};
use chrono::{DateTime, Utc};
use futures_util::StreamExt;
use futures_util::future::{Either, select};

pub(crate) type Events = BoxStream<'static, Event>;

/// Friday, ten in the morning in New York.
pub(crate) const OPEN: &str = "2026-11-20T15:00:00Z";

pub(crate) struct Stage {
    pub(crate) runtime: VirtualRuntime,
    pub(crate) clock: VirtualClock,
    pub(crate) venue: Arc<Mutex<AlpacaVenue>>,
    pub(crate) broker: AlpacaBroker,
    pub(crate) account: AccountId,
    pub(crate) faults: Faults,
    pub(crate) recorder: Recorder,
    /// Orders by the names that they have here, in the order in which they were told.
    names: Mutex<Vec<String>>,
}

impl Stage {
    pub(crate) fn new() -> Self {
        Self::of(Environment::Paper)
    }

    pub(crate) fn of(environment: Environment) -> Self {
        let config = AlpacaConfig::new(AlpacaVenue::KEY_ID, AlpacaVenue::SECRET_KEY);
        let config = match environment {
            Environment::Live => config.live(),
            _ => config,
        };
        Self::with(AlpacaVenue::builder().environment(environment), config)
    }

    /// AAPL at 99.98 to 100.00, 500 of each.
    pub(crate) fn with(builder: AlpacaVenueBuilder, config: AlpacaConfig) -> Self {
        let now: DateTime<Utc> = OPEN.parse().unwrap();
        let venue = builder.starts_at(now).trading_limits(Vec::new()).build().unwrap();
        let account = venue.account_id();
        let venue = share(venue);
        let runtime = VirtualRuntime::starting_at(now);
        let clock = runtime.clock();
        let shared = Arc::new(clock.clone());
        let (faults, recorder) = (Faults::default(), Recorder::new());
        let rng = Arc::new(SeededRng::new(1));
        let transport = MemoryTransport::new(venue.clone(), shared.clone(), rng.clone(), shared.clone())
            .with_faults(faults.clone())
            .with_recorder(recorder.clone());
        let context = Context::new(shared.clone(), rng, shared, Arc::new(transport));
        let stage = Self {
            runtime,
            clock,
            venue,
            broker: AlpacaBroker::new(config.with_context(context)).unwrap(),
            account,
            faults,
            recorder,
            names: Mutex::default(),
        };
        stage.quote("99.98", "100.00");
        stage
    }

    pub(crate) fn quote(&self, bid: &str, ask: &str) {
        self.quote_of("AAPL", bid, ask);
    }

    pub(crate) fn quote_of(&self, symbol: &str, bid: &str, ask: &str) {
        let (bid, ask, size) = (bid.parse().unwrap(), ask.parse().unwrap(), "500".parse().unwrap());
        let mut venue = self.venue.lock().unwrap();
        let now = self.clock.now();
        let engine = venue.engine_mut();
        engine
            .set_quote(&symbol.into(), Some(bid), Some(ask), (size, size), now)
            .unwrap();
    }

    pub(crate) async fn subscribe(&self, subscription: &Subscription) -> Result<Events> {
        self.broker.streaming().unwrap().subscribe(subscription).await
    }

    /// A stream of the account whose snapshot was read.
    pub(crate) async fn standing(&self) -> Events {
        let mut events = self.subscribe(&Subscription::account(&self.account)).await.unwrap();
        assert_eq!(self.during(&mut events, 2).await, ["balances"]);
        events
    }

    pub(crate) async fn sleep(&self, seconds: u64) {
        self.clock.sleep(Duration::from_secs(seconds)).await;
    }

    /// What comes within these seconds, in words.
    pub(crate) async fn during(&self, events: &mut Events, seconds: u64) -> Vec<String> {
        let mut said = Vec::new();
        let mut time = pin!(self.sleep(seconds));
        loop {
            match select(events.next(), time.as_mut()).await {
                Either::Left((Some(event), _)) => said.push(self.words(&event)),
                Either::Left((None, _)) => panic!("the stream ended: {said:?}"),
                Either::Right(_) => return said,
            }
        }
    }

    pub(crate) fn words(&self, event: &Event) -> String {
        match event {
            Event::Order(order) => format!(
                "{} {} {} {}",
                self.name(order.id.get()),
                order.kind,
                order.status,
                order.filled_qty
            ),
            Event::Record(record) => match &**record {
                Record::Fill(fill) => format!(
                    "{} {} {} at {}",
                    self.name(fill.order.as_ref().unwrap().get()),
                    fill.side,
                    fill.qty,
                    fill.price
                ),
                Record::Void(_) => "void".to_owned(),
                other => panic!("{other:?}"),
            },
            Event::Position(position) => format!("position {} {}", position.instrument, position.qty),
            Event::Balances(_) => "balances".to_owned(),
            Event::Quote(quote) => format!(
                "quote {} {} {}",
                quote.instrument,
                quote.bid.unwrap(),
                quote.ask.unwrap()
            ),
            Event::Disconnected { .. } => "disconnected".to_owned(),
            Event::Gap { .. } => "gap".to_owned(),
            Event::Recovered(coverage) => {
                assert!(coverage.missing.is_empty(), "{:?}", coverage.missing);
                "recovered".to_owned()
            }
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn name(&self, id: &str) -> String {
        let mut names = self.names.lock().unwrap();
        let place = names.iter().position(|name| name == id).unwrap_or_else(|| {
            names.push(id.to_owned());
            names.len() - 1
        });
        format!("o{}", place + 1)
    }

    pub(crate) async fn place(&self, request: OrderRequest) -> Order {
        match self.broker.place_once(&self.account, request).await.unwrap() {
            Placement::Accepted(order) => *order,
            other => panic!("{other:?}"),
        }
    }
}

pub(crate) fn qty(text: &str) -> Qty {
    text.parse().unwrap()
}

pub(crate) fn price(text: &str) -> Price {
    text.parse().unwrap()
}

pub(crate) fn market(side: Side, size: &str) -> OrderRequest {
    OrderRequest::market("AAPL".into(), side, qty(size))
}

pub(crate) fn limit(side: Side, size: &str, at: &str) -> OrderRequest {
    OrderRequest::limit("AAPL".into(), side, qty(size), price(at))
}
