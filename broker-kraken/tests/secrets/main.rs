//! No secret is shown: not by errors, not by `Debug`, not by what `tracing` is told, not by the recorder, whatever goes
//! wrong on the wire.

#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use broker_core::Broker;
use broker_core::journal::MemoryJournal;
use broker_core::model::{CandleQuery, Interval, OrderChange};
use broker_core::seam::Clock;
use broker_core::{BrokerExt, Context, Error, HistoryQuery, OrderRef, OrderRequest, Placement, Side};
use broker_kraken::venue::KrakenVenue;
use broker_kraken::{ExportReport, KrakenBroker, KrakenConfig};
use broker_sim::HistoryPlan;
use broker_sim::wire::{FaultPlan, FrameWhen, When, share};
use broker_testkit::canary::{CallSetup, Canaries, Looking, SecretsStage, TraceLog, WRITES};
use broker_testkit::faults::{frame_faults, request_faults};
use chrono::{DateTime, Utc};
use futures_util::StreamExt;

const KEY: &str = "kAnArY/Kq9xV7mT2zR+WQ3pL8sD5fG6hJ1kZ0xC4vB7nM2qW9e";
/// In base64, as Kraken gives it.
const SECRET: &str = "Y0FuQXJZK3MzL0txOT14VjclbVQyInpSLXRoaXMtaXMtYS1zZWNyZXQtdGhhdC1pcy1zaG93bi1ub3doZXJl";

/// What a gateway says in the venue's place.
const WORDS: &str = r#"{"error":["EGeneral:Internal error"]}"#;

fn now() -> DateTime<Utc> {
    "2026-06-30T15:00:00Z".parse().unwrap()
}

fn secrets() -> Canaries {
    Canaries::new().with("key", KEY).with("private key", SECRET)
}

fn config() -> KrakenConfig {
    let point = Duration::from_millis(1);
    KrakenConfig::new(KEY, SECRET)
        .live()
        .with_call_counter(1_000_000, point)
        .with_order_counter(1_000_000, point)
        .with_public_counter(1_000_000, point)
}

fn stage() -> (SecretsStage, KrakenBroker) {
    let plan = HistoryPlan::new(200, now()).with_days(5).with_symbols(3).with_seed(1);
    let venue = KrakenVenue::builder()
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
        let broker = KrakenBroker::new(config().with_context(context)).unwrap();
        made = Some(broker.clone());
        broker.handle()
    };
    let setup = CallSetup {
        account,
        request: OrderRequest::limit(
            "BTC/USD".into(),
            Side::Buy,
            "0.01".parse().unwrap(),
            "50000".parse().unwrap(),
        ),
        change: OrderChange::new().with_limit_price("51000".parse().unwrap()),
        instruments: vec!["XXBTZUSD".into(), "margin:XETHZUSD".into()],
        candles: Some(CandleQuery::new(
            "XXBTZUSD".into(),
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
        let price = ["94000.0", "94100.0"][usize::try_from(clock.elapsed().as_secs() % 2).unwrap()]
            .parse()
            .unwrap();
        venue
            .set_quote("XXBTZUSD", price, price, "50".parse().unwrap(), clock.now())
            .unwrap();
        venue
            .set_quote("XETHZUSD", price, price, "50".parse().unwrap(), clock.now())
            .unwrap();
        let request = OrderRequest::market("margin:BTC/USD".into(), Side::Buy, "0.001".parse().unwrap());
        venue.engine_mut().place(&account, &request, None, clock.now()).unwrap();
    });
    (stage, made.unwrap())
}

/// What Kraken alone has.
async fn own_calls(broker: &KrakenBroker, looking: &mut Looking) {
    looking.result("key info", &broker.key_info().await);
    looking.result("system status", &broker.system_status().await);
    looking.result("fee rates", &broker.fee_rates(&["XXBTZUSD".into()]).await);
    let order = OrderRequest::limit(
        "BTC/USD".into(),
        Side::Buy,
        "0.01".parse().unwrap(),
        "50000".parse().unwrap(),
    );
    looking.result("validate", &broker.validate(&order).await);
    looking.result("cancel all after", &broker.cancel_all_after(Duration::ZERO).await);
    let id = match broker.place_once(broker.account_id(), order).await {
        Ok(Placement::Accepted(order)) => order.id.clone(),
        _ => "OABCDE-12345-FGHIJK".into(),
    };
    looking.result("order amends", &broker.order_amends(&id).await);
    let reference = OrderRef::by_id(broker.account_id(), id);
    let change = OrderChange::new().with_limit_price("51000".parse().unwrap());
    looking.result("edit", &broker.edit(&reference, &change).await);
    let report = ExportReport::Trades;
    let asked = broker
        .request_export(report, now() - chrono::Duration::days(5), now())
        .await;
    looking.result("request export", &asked);
    let id = asked.unwrap_or_else(|_| "TCJA".to_owned());
    looking.result("export state", &broker.export_state(report, &id).await);
    broker.context().clock().sleep(Duration::from_secs(60)).await;
    looking.result("export report", &broker.export(&id).await);
    looking.result("remove export", &broker.remove_export(&id).await);
    let reports = broker.with_reports();
    let query = HistoryQuery::last_days(broker.account_id(), 5);
    let mut records = reports.records(&query);
    while let Some(record) = records.next().await {
        looking.result("history by report", &record);
    }
    looking.value(&reports);
}

#[test]
fn no_call_shows_a_secret_whatever_goes_wrong() {
    let log = TraceLog::new();
    let _traced = tracing::subscriber::set_default(log.subscriber());
    let (mut stage, broker) = stage();
    stage.calls("key");
    // Requests that came late took the venue's clock along.
    let later = stage.runtime.clock().sleep(Duration::from_secs(7_200));
    stage.runtime.block_on(later);
    let faults = request_faults(WORDS).into_iter().map(Some);
    for fault in std::iter::once(None).chain(faults) {
        stage.looking.what = format!("{fault:?}, what Kraken alone has");
        stage.faults.set(match fault {
            Some(fault) => FaultPlan::none().rule(When::always(), fault),
            None => FaultPlan::none(),
        });
        stage.runtime.block_on(own_calls(&broker, &mut stage.looking));
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
        traced.contains("op=\"positions\"") && traced.contains("op=\"place\""),
        "the log is of these calls"
    );
    assert!(looking.answers >= 20 && looking.errors >= 200, "{:?}", looking.by_call);
    let of_reports = [
        "request export",
        "export state",
        "export report",
        "remove export",
        "history by report",
    ];
    for name in WRITES.into_iter().chain(of_reports).chain(["order amends", "edit"]) {
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
    let told = |text: &str| text.contains(r#""channel":"executions""#);
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
}

#[test]
fn a_planted_leak_is_found() {
    let mut looking = Looking::new(secrets(), &"0123456789ab".into(), None);
    looking.result::<()>("planted", &Err(Error::decode(format!("no such key: {KEY}"))));
    looking.log("tracing", &format!("{:?}", SECRET.as_bytes()));
    let seen: BTreeSet<&str> = looking.secrets.hits().iter().map(|hit| hit.secret.as_str()).collect();
    assert_eq!(seen, BTreeSet::from(["key", "private key"]));
}
