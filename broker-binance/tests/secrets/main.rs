//! No secret is shown: not by errors, not by `Debug`, not by what `tracing` is told, not by the recorder, whatever goes
//! wrong on the wire.

#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

use std::collections::BTreeSet;
use std::sync::Arc;

use broker_binance::venue::{BinanceVenue, BinanceVenueBuilder};
use broker_binance::{BinanceBroker, BinanceConfig, Reach};
use broker_core::journal::MemoryJournal;
use broker_core::model::{CandleQuery, Interval, OrderChange};
use broker_core::seam::Clock;
use broker_core::{AccountId, Broker, Context, Error, OrderRef, OrderRequest, Qty, Side};
use broker_sim::wire::{FaultPlan, FrameWhen, When, share};
use broker_testkit::canary::{CallSetup, Canaries, Looking, SecretsStage, TraceLog, WRITES};
use broker_testkit::faults::{frame_faults, request_faults};
use chrono::{DateTime, Utc};

const KEY: &str = "kAnArYKq9xV7mT2zR0WQ3pL8sD5fG6hJ1kZ0xC4vB7nM2qW9eRtYuIoPaSdFgHjK";
const SECRET: &str = "cAnArY3s3cR3tOx9VW7lUyInpSLtHaTiSnEvErShOwNtOaNyBoDyAtAlL1234567";

/// What a gateway says in the venue's place.
const WORDS: &str = r#"{"code":-1000,"msg":"An unknown error occurred while processing the request."}"#;

fn now() -> DateTime<Utc> {
    "2026-06-30T15:00:00Z".parse().unwrap()
}

fn secrets() -> Canaries {
    Canaries::new().with("key", KEY).with("secret", SECRET)
}

fn config() -> BinanceConfig {
    BinanceConfig::new(KEY, SECRET)
        .with_weight_per_minute(100_000_000)
        .with_orders(1_000_000, 1_000_000)
}

fn resting() -> OrderRequest {
    OrderRequest::limit(
        "BTC/USD".into(),
        Side::Buy,
        "0.01".parse().unwrap(),
        "50000".parse().unwrap(),
    )
}

fn stage() -> (SecretsStage, BinanceBroker) {
    let plan = BinanceVenueBuilder::plan(200, now()).with_days(5).with_seed(1);
    let venue = BinanceVenue::builder()
        .history(&plan)
        .unwrap()
        .key(KEY, SECRET)
        .without_limits()
        .build()
        .unwrap();
    let account = venue.account_id();
    let venue = share(venue);
    let acting = Arc::clone(&venue);
    let mut made = None;
    let connect = |context: Context| {
        let broker = BinanceBroker::new(config().with_context(context)).unwrap();
        made = Some(broker.clone());
        broker.handle()
    };
    let setup = CallSetup {
        account,
        request: resting(),
        change: OrderChange::new().with_limit_price("51000".parse().unwrap()),
        instruments: vec!["BTCUSD".into(), "ETHUSD".into()],
        candles: Some(CandleQuery::new(
            "BTCUSD".into(),
            Interval::Day,
            now() - chrono::Duration::days(5),
            now(),
        )),
    };
    let journal = Arc::new(MemoryJournal::default());
    let stage = SecretsStage::with_journal((venue, now()), setup, (secrets(), None), connect, (WORDS, journal));
    let clock = stage.runtime.clock();
    // The account buys some, and the market moves.
    let stage = stage.acting(move || {
        let mut venue = acting.lock().unwrap();
        let account = venue.account().clone();
        let price = ["94000.00", "94100.00"][usize::try_from(clock.elapsed().as_secs() % 2).unwrap()]
            .parse()
            .unwrap();
        let size: Qty = "50".parse().unwrap();
        for pair in ["BTC/USD", "ETH/USD"] {
            let engine = venue.engine_mut();
            engine
                .set_quote(&pair.into(), Some(price), Some(price), (size, size), clock.now())
                .unwrap();
        }
        let request = OrderRequest::market("BTC/USD".into(), Side::Buy, "0.001".parse().unwrap());
        venue.engine_mut().place(&account, &request, None, clock.now()).unwrap();
    });
    (stage, made.unwrap())
}

/// What Binance alone has.
async fn own_calls(broker: &BinanceBroker, account: &AccountId, looking: &mut Looking) {
    let symbol = "BTCUSD".into();
    let order = OrderRef::by_id(account, "BTCUSD:1000".into());
    looking.result("commission", &broker.commission(&symbol).await);
    looking.result("filters", &broker.filters(&symbol).await);
    looking.result("amendments", &broker.amendments(&order).await);
    looking.result("prevented matches", &broker.prevented_matches(&order).await);
    looking.result("order counts", &broker.order_counts().await);
    looking.result("fills of", &broker.fills_of(account, &"BTCUSD:1000".into()).await);
    looking.result("plan", &broker.plan_history(account, 5, Reach::Every).await);
    looking.result("reduce", &broker.reduce(&order, "0.001".parse().unwrap()).await);
    let other = resting().with_client_id("other-1".into());
    looking.result("cancel replace", &broker.cancel_replace(&order, other).await);
}

#[test]
fn no_call_shows_a_secret_whatever_goes_wrong() {
    let log = TraceLog::new();
    let _traced = tracing::subscriber::set_default(log.subscriber());
    let (mut stage, broker) = stage();
    stage.calls("key");
    for fault in request_faults(WORDS) {
        stage.looking.what = format!("{fault:?}, what Binance alone has");
        stage.faults.set(FaultPlan::none().rule(When::always(), fault));
        let account = stage.setup.account.clone();
        stage.runtime.block_on(own_calls(&broker, &account, &mut stage.looking));
    }
    stage.looking.value(&config());
    stage.looking.value(&broker);
    let traced = log.text();
    stage.looking.log("tracing", &traced);
    let looking = &stage.looking;
    println!(
        "{} answers, {} errors, {} bytes traced, {:?}",
        looking.answers,
        looking.errors,
        traced.len(),
        looking.by_call
    );
    looking.nothing_was_seen();
    assert!(
        traced.contains("op=\"account\"") && traced.contains("op=\"place\""),
        "the log is of these calls"
    );
    assert!(looking.answers >= 20 && looking.errors >= 200, "{:?}", looking.by_call);
    // Working orders are not changed.
    for name in WRITES.into_iter().filter(|name| !name.starts_with("replace")) {
        assert!(
            looking.by_call[name].0 > 0,
            "{name} never answered: {:?}",
            looking.by_call
        );
    }
}

#[test]
fn no_stream_shows_a_secret_whatever_goes_wrong() {
    let log = TraceLog::new();
    let _traced = tracing::subscriber::set_default(log.subscriber());
    let (mut stage, _) = stage();
    let told = |text: &str| text.contains("executionReport");
    stage.streams("key", &FrameWhen::always().matching(told));
    stage.looking.log("tracing", &log.text());
    let counts = stage.faults.counts();
    stage.looking.nothing_was_seen();
    stage
        .looking
        .has_shown(&["Order(", "Record(", "Quote(", "Disconnected {", "Gap {"]);
    for fault in frame_faults() {
        assert!(counts.contains_key(fault.name()), "{fault:?} never hit: {counts:?}");
    }
    assert!(stage.said().contains(KEY), "the subscription was signed");
}

#[test]
fn a_planted_leak_is_found() {
    let mut looking = Looking::new(secrets(), &"0123456789ab".into(), None);
    looking.result::<()>("planted", &Err(Error::decode(format!("no such key: {KEY}"))));
    looking.log("tracing", &format!("{:?}", SECRET.as_bytes()));
    let seen: BTreeSet<&str> = looking.secrets.hits().iter().map(|hit| hit.secret.as_str()).collect();
    assert_eq!(seen, BTreeSet::from(["key", "secret"]));
}
