//! Live events through the wire venue, in memory and in virtual time: exact lists.

#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use broker_alpaca::venue::{AlpacaVenue, AlpacaVenueBuilder};
use broker_alpaca::{AlpacaBroker, AlpacaConfig};
use broker_core::model::{Environment, Event, Level, OrderChange, StopExit, Subscription};
use broker_core::seam::{BoxStream, Clock, Frame, SeededRng, VirtualClock, VirtualRuntime};
use broker_core::{
    AccountId, Broker, BrokerExt, Context, ErrorKind, InstrumentId, Order, OrderRequest, Placement, Price, Qty, Record,
    Result, Side,
};
use broker_sim::wire::{Fault, FaultPlan, Faults, FrameFault, FrameWhen, MemoryTransport, Recorder, When, share};
use chrono::{DateTime, Utc};
use futures_util::future::{Either, join, select};
use futures_util::{FutureExt, StreamExt};

type Events = BoxStream<'static, Event>;

/// Friday, ten in the morning in New York.
const OPEN: &str = "2026-11-20T15:00:00Z";

struct Stage {
    runtime: VirtualRuntime,
    clock: VirtualClock,
    venue: Arc<Mutex<AlpacaVenue>>,
    broker: AlpacaBroker,
    account: AccountId,
    faults: Faults,
    recorder: Recorder,
    /// Orders by the names that they have here, in the order in which they were told.
    names: Mutex<Vec<String>>,
}

impl Stage {
    fn new() -> Self {
        Self::of(Environment::Paper)
    }

    fn of(environment: Environment) -> Self {
        let config = AlpacaConfig::new(AlpacaVenue::KEY_ID, AlpacaVenue::SECRET_KEY);
        let config = match environment {
            Environment::Live => config.live(),
            _ => config,
        };
        Self::with(AlpacaVenue::builder().environment(environment), config)
    }

    /// AAPL at 99.98 to 100.00, 500 of each.
    fn with(builder: AlpacaVenueBuilder, config: AlpacaConfig) -> Self {
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

    fn quote(&self, bid: &str, ask: &str) {
        self.quote_of("AAPL", bid, ask);
    }

    fn quote_of(&self, symbol: &str, bid: &str, ask: &str) {
        let (bid, ask, size) = (bid.parse().unwrap(), ask.parse().unwrap(), "500".parse().unwrap());
        let mut venue = self.venue.lock().unwrap();
        let now = self.clock.now();
        let engine = venue.engine_mut();
        engine
            .set_quote(&symbol.into(), Some(bid), Some(ask), (size, size), now)
            .unwrap();
    }

    async fn subscribe(&self, subscription: &Subscription) -> Result<Events> {
        self.broker.streaming().unwrap().subscribe(subscription).await
    }

    /// A stream of the account whose snapshot was read.
    async fn standing(&self) -> Events {
        let mut events = self.subscribe(&Subscription::account(&self.account)).await.unwrap();
        assert_eq!(self.during(&mut events, 2).await, ["balances"]);
        events
    }

    async fn sleep(&self, seconds: u64) {
        self.clock.sleep(Duration::from_secs(seconds)).await;
    }

    /// What comes within these seconds, in words.
    async fn during(&self, events: &mut Events, seconds: u64) -> Vec<String> {
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

    fn words(&self, event: &Event) -> String {
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

    fn name(&self, id: &str) -> String {
        let mut names = self.names.lock().unwrap();
        let place = names.iter().position(|name| name == id).unwrap_or_else(|| {
            names.push(id.to_owned());
            names.len() - 1
        });
        format!("o{}", place + 1)
    }

    async fn place(&self, request: OrderRequest) -> Order {
        match self.broker.place_once(&self.account, request).await.unwrap() {
            Placement::Accepted(order) => *order,
            other => panic!("{other:?}"),
        }
    }
}

fn qty(text: &str) -> Qty {
    text.parse().unwrap()
}

fn price(text: &str) -> Price {
    text.parse().unwrap()
}

fn market(side: Side, size: &str) -> OrderRequest {
    OrderRequest::market("AAPL".into(), side, qty(size))
}

fn limit(side: Side, size: &str, at: &str) -> OrderRequest {
    OrderRequest::limit("AAPL".into(), side, qty(size), price(at))
}

/// Kinds of frames that the socket was sent, and their number.
fn kinds(stage: &Stage) -> Vec<String> {
    let sockets = stage.recorder.sockets();
    let mut paths: Vec<_> = sockets.iter().map(|socket| socket.path.clone()).collect();
    paths.dedup();
    paths
}

#[test]
fn everything_that_happens_to_orders_comes_once_and_in_order() {
    // Paper answers in binary frames, live in text.
    for environment in [Environment::Paper, Environment::Live] {
        let stage = Stage::of(environment);
        stage.runtime.block_on(async {
            let mut events = stage.standing().await;
            stage.place(market(Side::Buy, "3")).await;
            assert_eq!(
                stage.during(&mut events, 1).await,
                [
                    "o1 market pending_new 0",
                    "o1 market new 0",
                    "o1 buy 3 at 100",
                    "o1 market filled 3"
                ]
            );
            let resting = stage.place(limit(Side::Buy, "10", "99.00")).await;
            let trading = stage.broker.trading().unwrap();
            assert_eq!(
                stage.during(&mut events, 1).await,
                ["o2 limit pending_new 0", "o2 limit new 0"]
            );
            trading.cancel(&resting.reference()).await.unwrap();
            assert_eq!(
                stage.during(&mut events, 1).await,
                ["o2 limit canceled 0"]
            );
            let resting = stage.place(limit(Side::Buy, "10", "99.00")).await;
            let change = OrderChange::new().with_limit_price(price("99.50"));
            let replaced = stage.broker.replace_once(&resting.reference(), change).await.unwrap();
            assert!(matches!(replaced, Placement::Accepted(_)), "{replaced:?}");
            // The market comes to it. The venue speaks when it is spoken to: with the next ping.
            stage.quote("99.40", "99.45");
            assert_eq!(
                stage.during(&mut events, 11).await,
                [
                    "o3 limit pending_new 0",
                    "o3 limit new 0",
                    "o3 limit replaced 0",
                    "o4 limit new 0",
                    "o4 buy 10 at 99.5",
                    "o4 limit filled 10"
                ]
            );
            // Nothing but what was missed is told by an audit.
            assert!(stage.during(&mut events, 60).await.is_empty());
        });
    }
}

#[test]
fn a_bracket_tells_of_all_its_orders() {
    let stage = Stage::new();
    stage.runtime.block_on(async {
        let mut events = stage.standing().await;
        let bracket = market(Side::Buy, "5")
            .with_target(Level::Price(price("110")))
            .with_stop(StopExit::Stop {
                stop: Level::Price(price("90")),
                limit: None,
            });
        stage.place(bracket).await;
        let entered = stage.during(&mut events, 3).await;
        assert_eq!(
            entered,
            [
                "o1 market pending_new 0",
                "o2 limit held 0",
                "o3 stop held 0",
                "o1 market new 0",
                "o1 buy 5 at 100",
                "o1 market filled 5",
                "o2 limit new 0"
            ]
        );
        stage.quote("110.00", "110.02");
        assert_eq!(
            stage.during(&mut events, 11).await,
            ["o2 sell 5 at 110", "o2 limit filled 5", "o3 stop canceled 0"]
        );
        assert!(stage.during(&mut events, 60).await.is_empty());
    });
}

#[test]
fn busts_and_corrections_take_fills_back() {
    let stage = Stage::new();
    stage.runtime.block_on(async {
        let mut events = stage.standing().await;
        stage.place(limit(Side::Buy, "600", "100.00")).await;
        assert_eq!(
            stage.during(&mut events, 1).await,
            [
                "o1 limit pending_new 0",
                "o1 limit new 0",
                "o1 buy 500 at 100",
                "o1 limit partially_filled 500"
            ]
        );
        {
            let mut venue = stage.venue.lock().unwrap();
            let account = venue.account().clone();
            let engine = venue.engine_mut();
            let fill = engine.log(&account).unwrap().iter().find_map(|entry| match &entry.record {
                Record::Fill(fill) => Some(fill.id.clone()),
                _ => None,
            });
            let now = stage.clock.now();
            engine.correct(&account, &fill.clone().unwrap(), price("99.99"), now).unwrap();
            engine.bust(&account, &fill.unwrap(), now).unwrap();
        }
        let told = stage.during(&mut events, 15).await;
        assert_eq!(
            told,
            [
                "void",
                "o1 buy 500 at 99.99",
                "o1 limit partially_filled 500",
                "void",
                "o1 limit partially_filled 0"
            ]
        );
    });
}

#[test]
fn a_wrong_key_is_an_error_that_says_what_to_do() {
    let stage = Stage::with(
        AlpacaVenue::builder(),
        AlpacaConfig::new(AlpacaVenue::KEY_ID, AlpacaVenue::SECRET_KEY),
    );
    // The key is taken back once the account is known: only the stream meets the refusal.
    stage.runtime.block_on(async { stage.broker.accounts().await.unwrap() });
    let guess = AlpacaConfig::new(AlpacaVenue::KEY_ID, "guess").with_context(stage.broker.context().clone());
    let guess = AlpacaBroker::new(guess).unwrap();
    let quotes = Subscription::quotes(["AAPL".into()]);
    let refused = stage.runtime.block_on(guess.streaming().unwrap().subscribe(&quotes)).err().unwrap();
    let account = Subscription::account(&stage.account);
    let unknown = stage.runtime.block_on(guess.streaming().unwrap().subscribe(&account)).err().unwrap();
    for (error, operation) in [(refused, "subscribe"), (unknown, "account")] {
        assert_eq!(error.kind(), ErrorKind::Auth, "{error}");
        assert_eq!(error.operation(), Some(operation));
        let shown = error.to_string();
        assert!(shown.contains("a paper key is used on paper") && !shown.contains("guess"), "{shown}");
    }
    assert_eq!(stage.runtime.run_until_idle(), 0);
    assert_eq!(stage.recorder.open_sockets(), 0);
    // One try: what is refused is not asked again.
    assert_eq!(stage.recorder.sockets().len(), 1);
}

#[test]
fn a_key_that_is_refused_on_the_order_stream_ends_the_subscription() {
    let stage = Stage::new();
    // The venue forgets who signed in: its answer is harmed on the way.
    let unauthorized = r#"{"stream":"authorization","data":{"status":"unauthorized","action":"authenticate"}}"#;
    let refusing = share(Refusing(unauthorized));
    let clock = Arc::new(stage.clock.clone());
    let rng = Arc::new(SeededRng::new(1));
    let transport = MemoryTransport::new(refusing, clock.clone(), rng.clone(), clock.clone());
    let context = Context::new(clock.clone(), rng, clock, Arc::new(transport));
    let config = AlpacaConfig::new(AlpacaVenue::KEY_ID, AlpacaVenue::SECRET_KEY).with_context(context);
    let broker = AlpacaBroker::new(config).unwrap();
    let subscription = Subscription::account(&"0e6b4d3c-7a51-4c6e-9f0e-2b1c5d7a9e10".into());
    let error = stage.runtime.block_on(broker.streaming().unwrap().subscribe(&subscription)).err().unwrap();
    assert_eq!((error.kind(), error.operation()), (ErrorKind::Auth, Some("subscribe")));
    assert_eq!(error.broker().unwrap().get(), "alpaca");
    assert!(error.to_string().contains("a paper key is used on paper"), "{error}");
    assert_eq!(stage.runtime.run_until_idle(), 0);
}

/// A venue that knows its account and says this to whoever signs in.
struct Refusing(&'static str);

impl broker_sim::wire::Venue for Refusing {
    fn handle(
        &mut self,
        _request: &broker_sim::wire::WireRequest,
        _now: DateTime<Utc>,
    ) -> broker_sim::wire::WireAnswer {
        let account = r#"{"id":"0e6b4d3c-7a51-4c6e-9f0e-2b1c5d7a9e10","account_number":"PA3TEST00017","status":"ACTIVE","currency":"USD","cash":"1000"}"#;
        broker_sim::wire::WireAnswer::json(200, account)
    }

    fn upgrade(
        &mut self,
        _request: &broker_sim::wire::WireRequest,
        _socket: broker_sim::wire::SocketId,
        _now: DateTime<Utc>,
    ) -> std::result::Result<(), broker_sim::wire::WireAnswer> {
        Ok(())
    }

    fn pushed(&mut self, _now: DateTime<Utc>) -> Vec<(broker_sim::wire::SocketId, Frame)> {
        vec![(broker_sim::wire::SocketId(1), Frame::Text(self.0.to_owned()))]
    }
}

#[test]
fn quotes_are_conflated() {
    let stage = Stage::new();
    stage.quote_of("MSFT", "399.00", "399.10");
    stage.runtime.block_on(async {
        let instruments: Vec<InstrumentId> = vec!["AAPL".into(), "MSFT".into(), "BTC/USD".into()];
        stage.quote_of("BTC/USD", "60000.1", "60000.2");
        let mut events = stage.subscribe(&Subscription::quotes(instruments)).await.unwrap();
        let mut first = stage.during(&mut events, 2).await;
        first.sort();
        assert_eq!(
            first,
            [
                "quote AAPL 99.98 100",
                "quote BTC/USD 60000.1 60000.2",
                "quote MSFT 399 399.1"
            ]
        );
        for cents in 10..60 {
            stage.quote("99.00", &format!("100.{cents}"));
            stage.quote_of("BTC/USD", "60000.1", &format!("60001.{cents}"));
        }
        stage.quote_of("MSFT", "399.00", "399.20");
        // Nobody reads meanwhile: of a hundred and one quotes the newest of each instrument are left.
        stage.sleep(11).await;
        let mut left = Vec::new();
        while let Some(Some(event)) = events.next().now_or_never() {
            left.push(stage.words(&event));
        }
        left.sort();
        assert_eq!(
            left,
            [
                "quote AAPL 99 100.59",
                "quote BTC/USD 60000.1 60001.59",
                "quote MSFT 399 399.2"
            ]
        );
    });
    assert_eq!(kinds(&stage), ["/v2/iex", "/v1beta3/crypto/us"]);
}

#[test]
fn one_stream_a_feed_and_free_again_after_a_drop() {
    let stage = Stage::new();
    stage.runtime.block_on(async {
        let apple = Subscription::quotes(["AAPL".into()]);
        let first = stage.subscribe(&apple).await.unwrap();
        let requests = stage.recorder.requests().len();
        let error = stage.subscribe(&apple).await.err().unwrap();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(error.to_string().contains("name all instruments in one subscription"), "{error}");
        assert_eq!(stage.recorder.requests().len(), requests, "nothing is sent");
        // Coins have a connection of their own, and so has each stream of the account.
        let coins = stage.subscribe(&Subscription::quotes(["BTC/USD".into()])).await.unwrap();
        let account = Subscription::account(&stage.account);
        let both = join(stage.subscribe(&account), stage.subscribe(&account)).await;
        let both = (both.0.unwrap(), both.1.unwrap());
        assert_eq!(stage.recorder.open_sockets(), 4);
        drop(first);
        // At once, before the venue or even our own task knows of it. The venue ends the old session first.
        let again = stage.subscribe(&apple).await.unwrap();
        stage.sleep(1).await;
        assert_eq!(stage.recorder.open_sockets(), 4);
        drop((again, coins, both));
        stage.sleep(1).await;
        assert_eq!(stage.recorder.open_sockets(), 0);
    });
    assert_eq!(stage.runtime.run_until_idle(), 0);
}

#[test]
fn a_lost_connection_loses_no_fill() {
    let stage = Stage::new();
    stage.runtime.block_on(async {
        let mut events = stage.standing().await;
        stage.place(limit(Side::Buy, "10", "99.00")).await;
        assert_eq!(
            stage.during(&mut events, 1).await,
            ["o1 limit pending_new 0", "o1 limit new 0"]
        );
        // The frame of the fill is lost with its connection, and two more connections are refused.
        let upgrade = When::always().matching(|request| request.is_upgrade());
        stage.faults.set(
            FaultPlan::seeded(1)
                .frame_rule(FrameWhen::always().nth(1), FrameFault::Reset)
                .rule(upgrade.at_most(2), Fault::ErrorBefore(503, "upstream".to_owned())),
        );
        stage.quote("98.00", "98.02");
        let told = stage.during(&mut events, 20).await;
        assert_eq!(
            told,
            [
                "disconnected",
                "gap",
                "o1 buy 10 at 99",
                "o1 limit filled 10",
                "position AAPL 10",
                "balances",
                "recovered"
            ]
        );
        assert_eq!(stage.faults.counts()["error_before"], 2);
        assert!(stage.during(&mut events, 120).await.is_empty());
        // What comes later comes by frames again.
        stage.place(market(Side::Sell, "10")).await;
        assert_eq!(
            stage.during(&mut events, 1).await,
            [
                "o2 market pending_new 0",
                "o2 market new 0",
                "o2 sell 10 at 98",
                "o2 market filled 10"
            ]
        );
    });
}

#[test]
fn a_fill_whose_frame_is_dropped_is_found_by_an_audit() {
    let stage = Stage::new();
    stage.runtime.block_on(async {
        let mut events = stage.standing().await;
        let plan = FaultPlan::seeded(1).frame_rule(
            FrameWhen::always().matching(|text| text.contains(r#""event":"fill""#)),
            FrameFault::Drop,
        );
        stage.faults.set(plan);
        stage.place(market(Side::Buy, "3")).await;
        assert_eq!(
            stage.during(&mut events, 40).await,
            [
                "o1 market pending_new 0",
                "o1 market new 0",
                "gap",
                "o1 buy 3 at 100",
                "o1 market filled 3",
                "position AAPL 3",
                "balances",
                "recovered"
            ]
        );
    });
}

#[test]
fn a_dropped_stream_closes_its_socket_and_leaves_no_task() {
    let stage = Stage::new();
    stage.runtime.block_on(async {
        let mut both = Subscription::account(&stage.account);
        both.quotes = vec!["AAPL".into()];
        let mut events = stage.subscribe(&both).await.unwrap();
        stage.during(&mut events, 1).await;
        assert_eq!(stage.recorder.open_sockets(), 2);
        drop(events);
        stage.sleep(1).await;
        assert_eq!(stage.recorder.open_sockets(), 0);
    });
    assert_eq!(stage.runtime.run_until_idle(), 0);
    // Neither key is in the record of what was said.
    let said = format!("{:?}", stage.recorder.sockets());
    assert!(said.contains("trade_updates") && !said.contains(AlpacaVenue::SECRET_KEY), "{said}");
}

#[test]
fn a_silent_connection_is_made_again() {
    let stage = Stage::new();
    stage.runtime.block_on(async {
        let mut events = stage.standing().await;
        stage
            .faults
            .set(FaultPlan::seeded(1).frame_rule(FrameWhen::always().nth(1), FrameFault::StallForever));
        stage.place(limit(Side::Buy, "1", "99.00")).await;
        let told = stage.during(&mut events, 60).await;
        assert_eq!(told[0], "gap", "the audit finds it first: {told:?}");
        assert_eq!(told[1], "o1 limit new 0");
        let lost = told.iter().position(|what| what == "disconnected").unwrap();
        assert_eq!(told[lost + 1..].first().map(String::as_str), Some("gap"));
        assert_eq!(told.last().map(String::as_str), Some("recovered"));
        assert_eq!(stage.recorder.sockets().len(), 2);
    });
}
