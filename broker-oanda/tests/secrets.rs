//! No token and no whole account number is shown: not by errors, not by `Debug`, not by what `tracing` is told, not by
//! the recorder, whatever goes wrong on the wire.

#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

use std::sync::Arc;

use broker_core::journal::MemoryJournal;
use broker_core::model::{CandleQuery, Interval, OrderChange};
use broker_core::seam::Clock;
use broker_core::{Broker, Context, Currency, OrderRequest, Side};
use broker_oanda::venue::{OandaVenue, OandaVenueBuilder};
use broker_oanda::{OandaBroker, OandaConfig};
use broker_sim::HistoryPlan;
use broker_sim::wire::share;
use broker_testkit::canary::{CallSetup, Canaries, SecretsStage, TraceLog, WRITES};
use chrono::{DateTime, Utc};

const TOKEN: &str = "0a7hCaNaRy0t0k3n49Lw-Xe5abcdef0123456789";

/// What a gateway says in the venue's place.
const WORDS: &str = r#"{"errorCode":"INTERNAL_SERVER_ERROR","errorMessage":"An internal server error has occurred"}"#;

fn now() -> DateTime<Utc> {
    "2026-06-30T15:00:00Z".parse().unwrap()
}

#[test]
fn no_call_shows_a_secret_whatever_goes_wrong() {
    let log = TraceLog::new();
    let _traced = tracing::subscriber::set_default(log.subscriber());
    let spec = OandaVenueBuilder::spec(OandaVenue::ACCOUNT, Currency::USD);
    let plan = HistoryPlan::new(300, now())
        .with_days(5)
        .with_symbols(4)
        .with_account(spec);
    let venue = OandaVenue::builder()
        .history(&plan)
        .unwrap()
        .token(TOKEN)
        .limits(Vec::new())
        .build()
        .unwrap();
    let account = venue.account().clone();
    let venue = share(venue);
    let acting = Arc::clone(&venue);
    let setup = CallSetup {
        account: account.clone(),
        request: OrderRequest::limit(
            "EUR/USD".into(),
            Side::Buy,
            "100".parse().unwrap(),
            "0.5".parse().unwrap(),
        ),
        change: OrderChange::new().with_limit_price("0.51".parse().unwrap()),
        instruments: vec!["EUR_USD".into(), "USD_JPY".into()],
        candles: Some(CandleQuery::new(
            "EUR_USD".into(),
            Interval::Hours(1),
            now() - chrono::Duration::days(2),
            now(),
        )),
    };
    let mut made = None;
    let connect = |context: Context| {
        let config = OandaConfig::new(TOKEN)
            .with_context(context)
            .with_requests_per_second(100_000);
        made = Some(config.clone());
        OandaBroker::new(config).unwrap().handle()
    };
    let canaries = Canaries::new().with("token", TOKEN);
    let mut stage = SecretsStage::with_journal(
        (venue, now()),
        setup,
        (canaries, Some(OandaVenue::ACCOUNT)),
        connect,
        (WORDS, Arc::new(MemoryJournal::default())),
    );
    stage.paths_name_accounts = true;
    let clock = stage.runtime.clock();
    stage = stage.acting(move || {
        let mut venue = acting.lock().unwrap();
        let request = OrderRequest::market("EUR/USD".into(), Side::Buy, "200".parse().unwrap());
        venue.engine_mut().place(&account, &request, None, clock.now()).unwrap();
    });
    stage.calls("token");
    stage.looking.value(&made.unwrap());
    let traced = log.text();
    stage.looking.log("tracing", &traced);
    let looking = &stage.looking;
    println!(
        "{} answers, {} errors, {:?}",
        looking.answers, looking.errors, looking.by_call
    );
    looking.nothing_was_seen();
    assert!(
        traced.contains("retrying") && traced.contains("op=\"place\""),
        "the log is of these calls"
    );
    looking.was_answered(WRITES);
}
