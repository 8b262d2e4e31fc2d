//! No secret and no whole account number is shown: not by errors, not by `Debug`, not by what `tracing` is told, not by
//! the recorder, whatever goes wrong on the wire.

#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

mod streams;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use broker_alpaca::venue::{AlpacaVenue, AlpacaVenueBuilder};
use broker_alpaca::{AlpacaBroker, AlpacaConfig, AlpacaOAuth, PortfolioQuery, PortfolioStep};
use broker_core::journal::{IntentJournal, MemoryJournal};
use broker_core::model::{CandleQuery, Event, Interval, OrderChange, Subscription};
use broker_core::seam::{Clock, MemoryTransport as Scripted, SeededRng, SystemClock, VirtualRuntime};
use broker_core::{AccountId, Broker, Context, Error, OrderRequest, Side};
use broker_sim::HistoryPlan;
use broker_sim::wire::{Fault, FaultPlan, LoopbackServer, Venue, When, share};
use broker_sync::SqliteJournal;
use broker_testkit::canary::{CallSetup, Caller, Canaries, ENDS, Looking, SecretsStage, TraceLog, WRITES};
use broker_testkit::faults::request_faults;
use chrono::{DateTime, Utc};
use futures_util::StreamExt;

const KEY_ID: &str = "PKQZ7CANARY4VJ9WKQDX";
const SECRET: &str = "cAnArY+s3/Kq9=xV7%mT2\"zR";
const TOKEN: &str = "0a7hCaNaRy~t0k3n/9Lw+Xe5=";
const CLIENT_SECRET: &str = "cL13nT/cAnArY+77q==";
const CODE: &str = "c0d3CaNaRy91xW/z+";

fn now() -> DateTime<Utc> {
    "2026-06-30T15:00:00Z".parse().unwrap()
}

/// What must be seen nowhere.
fn secrets() -> Canaries {
    Canaries::new()
        .with("key id", KEY_ID)
        .with("secret key", SECRET)
        .with("token", TOKEN)
        .with("client secret", CLIENT_SECRET)
        .with("code", CODE)
}

fn builder() -> AlpacaVenueBuilder {
    let plan = HistoryPlan::new(300, now()).with_days(5).with_symbols(4).with_seed(1);
    AlpacaVenue::builder()
        .history(&plan)
        .unwrap()
        .key(KEY_ID, SECRET)
        .token(TOKEN)
        .trading_limits(Vec::new())
        .data_limits(Vec::new())
}

fn configs() -> [(&'static str, AlpacaConfig); 2] {
    [
        ("key", AlpacaConfig::new(KEY_ID, SECRET)),
        ("token", AlpacaConfig::oauth(TOKEN)),
    ]
}

/// What a gateway says in the venue's place.
const WORDS: &str = r#"{"code":50010000,"message":"internal server error occurred"}"#;

fn setup(account: AccountId) -> CallSetup {
    let far_below = "50".parse().unwrap();
    CallSetup {
        account,
        request: OrderRequest::limit("AAPL".into(), Side::Buy, "1".parse().unwrap(), far_below),
        change: OrderChange::new().with_limit_price("51".parse().unwrap()),
        instruments: vec!["AAPL".into(), "BTC/USD".into()],
        candles: Some(CandleQuery::new(
            "AAPL".into(),
            Interval::Day,
            now() - chrono::Duration::days(5),
            now(),
        )),
    }
}

/// A broker of its own type, beside the stage that calls it.
fn stage(config: AlpacaConfig, journal: Arc<dyn IntentJournal>) -> (SecretsStage, AlpacaBroker, AlpacaConfig) {
    let venue = builder().build().unwrap();
    let account = venue.account_id();
    let number = "PA3TEST00017";
    let venue = share(venue);
    let acting = Arc::clone(&venue);
    let mut made = None;
    let connect = |context: Context| {
        let config = config
            .with_context(context)
            .with_requests_per_minute(100_000)
            .with_data_requests_per_minute(100_000);
        let broker = AlpacaBroker::new(config.clone()).unwrap();
        made = Some((broker.clone(), config));
        broker.handle()
    };
    let stage = SecretsStage::with_journal(
        (venue, now()),
        setup(account),
        (secrets(), Some(number)),
        connect,
        (WORDS, journal),
    );
    let clock = stage.runtime.clock();
    let (broker, config) = made.unwrap();
    // The account buys some, and the market moves.
    let stage = stage.acting(move || {
        let mut venue = acting.lock().unwrap();
        let account = venue.account().clone();
        let engine = venue.engine_mut();
        let size = "500".parse().unwrap();
        let bid = ["100.00", "101.00"][usize::try_from(clock.elapsed().as_secs() % 2).unwrap()];
        for symbol in ["AAPL", "BTC/USD"] {
            let bid = bid.parse().unwrap();
            engine
                .set_quote(&symbol.into(), Some(bid), Some(bid), (size, size), clock.now())
                .unwrap();
        }
        let request = OrderRequest::market("AAPL".into(), Side::Buy, "2".parse().unwrap());
        engine.place(&account, &request, None, clock.now()).unwrap();
    });
    (stage, broker, config)
}

/// What Alpaca alone has.
async fn own_calls(broker: &AlpacaBroker, looking: &mut Looking) {
    let day = now().date_naive();
    let contracts = broker.option_contracts(&"AAPL".into(), day, day, None).await;
    looking.result("option contracts", &contracts);
    looking.result("configurations", &broker.configurations().await);
    let portfolio = PortfolioQuery::last_days(5, PortfolioStep::Day);
    looking.result("portfolio history", &broker.portfolio_history(&portfolio).await);
    looking.result("snapshots", &broker.stock_snapshots(&["AAPL".into()]).await);
}

#[test]
fn no_call_shows_a_secret_whatever_goes_wrong() {
    let log = TraceLog::new();
    let _traced = tracing::subscriber::set_default(log.subscriber());
    for (credentials, config) in configs() {
        let file = std::env::temp_dir().join(format!("secrets-{credentials}-{}.sqlite", std::process::id()));
        let journal: Arc<dyn IntentJournal> = match credentials {
            "key" => Arc::new(MemoryJournal::default()),
            _ => Arc::new(SqliteJournal::open(&file).unwrap()),
        };
        let (mut stage, broker, config) = stage(config, journal);
        stage.calls(credentials);
        for fault in request_faults(WORDS) {
            stage.looking.what = format!("{credentials}, {fault:?}, what Alpaca alone has");
            stage.faults.set(FaultPlan::none().rule(When::always(), fault));
            stage.runtime.block_on(own_calls(&broker, &mut stage.looking));
        }
        assert!(stage.open_intents() > 0);
        stage.looking.value(&config);
        let traced = log.text();
        stage.looking.log("tracing", &traced);
        let (counts, looking) = (stage.faults.counts(), &stage.looking);
        println!(
            "{credentials}: {} answers, {} errors, {} bytes traced, faults {counts:?}, {:?}, {:?}",
            looking.answers,
            looking.errors,
            traced.len(),
            looking.words,
            looking.by_call
        );
        looking.nothing_was_seen();
        assert!(
            traced.contains("retrying") && traced.contains("op=\"positions\"") && traced.contains("op=\"place\""),
            "the log is of these calls"
        );
        assert!(looking.answers >= 30 && looking.errors >= 250, "{:?}", looking.by_call);
        looking.was_answered(WRITES);
        looking.has_shown(&ENDS);
        // The secrets were on the wire, else there would have been nothing to see.
        assert_eq!(counts.len(), 19);
        log.clear();
        if credentials != "key" {
            std::fs::remove_file(file).unwrap();
        }
    }
}

#[tokio::test]
async fn no_call_shows_a_secret_over_a_real_socket() {
    let log = TraceLog::new();
    let _traced = tracing::subscriber::set_default(log.subscriber());
    for (credentials, config) in configs() {
        let venue: Arc<Mutex<dyn Venue>> = share(builder().build().unwrap());
        let server = LoopbackServer::start(venue, Arc::new(SystemClock::new()))
            .await
            .unwrap();
        let broker = AlpacaBroker::new(config.with_base_url(server.url().parse().unwrap())).unwrap();
        let account = broker.accounts().await.unwrap().remove(0);
        let number = account.name.as_ref().unwrap().get();
        let mut looking = Looking::new(secrets(), &account.id, Some(number));
        let setup = setup(account.id.clone());
        let mut caller = Caller::new(&broker, &setup).await.unwrap();
        for fault in [None, Some(Fault::ExpiredToken)] {
            server.faults().set(FaultPlan::none());
            caller.stand().await.unwrap();
            looking.what = format!("loopback, {credentials}, {fault:?}");
            if let Some(fault) = fault {
                server.faults().set(FaultPlan::none().rule(When::always(), fault));
            }
            caller.reads(&mut looking).await;
            caller.writes(&mut looking).await;
            own_calls(&broker, &mut looking).await;
        }
        server.faults().set(FaultPlan::none());
        let subscription = Subscription::account(&account.id);
        let mut events = broker.streaming().unwrap().subscribe(&subscription).await.unwrap();
        // Its first snapshot ends with them.
        loop {
            let event = events.next().await.unwrap();
            looking.value(&event);
            if matches!(event, Event::Balances(_)) {
                break;
            }
        }
        let sockets = server.recorder().sockets();
        assert!(!sockets.is_empty() && sockets.iter().all(|socket| socket.path == "/stream"));
        looking.value(&sockets);
        let records = server.recorder().requests();
        looking.secrets.look_at("records", &records);
        looking.log("tracing", &log.text());
        looking.nothing_was_seen();
        assert!(
            looking.answers >= 12 && looking.errors >= 18,
            "{} {}",
            looking.answers,
            looking.errors
        );
        assert!(records.len() >= 32);
    }
    // Below the pipeline the HTTP client tells of itself, too.
    assert!(
        log.text().contains("hyper") || log.text().contains("reqwest"),
        "the client was heard"
    );
}

/// An account's own answer, broken so that what is in the wrong place is its number.
#[test]
fn a_broken_account_does_not_show_its_number() {
    let log = TraceLog::new();
    let _traced = tracing::subscriber::set_default(log.subscriber());
    let account = AccountId::from("0e6b4d3c-7a51-4c6e-9f0e-2b1c5d7a9e10");
    let mut looking = Looking::new(secrets(), &account, Some("739281465501"));
    let good = r#"{"id":"0e6b4d3c-7a51-4c6e-9f0e-2b1c5d7a9e10","account_number":"739281465501","status":"ACTIVE","currency":"USD","cash":"1"}"#;
    for (from, to) in [
        (r#""739281465501""#, "739281465501"),
        (r#""status":"ACTIVE""#, r#""status":739281465501"#),
        (r#""cash":"1""#, r#""cash":"739281465501x""#),
        (r#""currency":"USD""#, r#""currency":"739281465501, of the account""#),
        (
            r#""cash":"1""#,
            r#""cash":"1","created_at":"0e6b4d3c-7a51-4c6e-9f0e-2b1c5d7a9e10""#,
        ),
        (
            r#""cash":"1""#,
            r#""cash":"1","trading_blocked":"0e6b4d3c-7a51-4c6e-9f0e-2b1c5d7a9e10""#,
        ),
        (r#""cash":"1""#, r#""cash":"1","shorting_enabled":739281465501"#),
    ] {
        let body = good.replacen(from, to, 1);
        assert_ne!(body, good);
        let sent = body.clone();
        let runtime = VirtualRuntime::new();
        let clock = Arc::new(runtime.clock());
        let transport = Scripted::new(move |_| Ok(http::Response::new(sent.clone().into())));
        let context = Context::new(clock.clone(), Arc::new(SeededRng::new(1)), clock, Arc::new(transport));
        let broker = AlpacaBroker::new(AlpacaConfig::new(KEY_ID, SECRET).with_context(context)).unwrap();
        looking.what = body;
        let asked = runtime.block_on(async { (broker.accounts().await, broker.balances(&account).await) });
        assert!(asked.0.is_err() || asked.1.is_err(), "{}", looking.what);
        looking.result("accounts", &asked.0.map(|_| ()));
        looking.result("balances", &asked.1.map(|_| ()));
    }
    looking.log("tracing", &log.text());
    looking.nothing_was_seen();
    assert!(looking.errors >= 7);
}

#[test]
fn a_sign_in_shows_no_secret() {
    let log = TraceLog::new();
    let _traced = tracing::subscriber::set_default(log.subscriber());
    let mut canaries = secrets();
    for (status, body) in [
        (
            200,
            format!(r#"{{"access_token":"{TOKEN}","token_type":"bearer","scope":"trading data"}}"#),
        ),
        (200, format!(r#"{{"access_token":"{TOKEN}","token_type":7}}"#)),
        (200, format!(r#"{{"access_token":["{TOKEN}"]}}"#)),
        (200, format!(r#""{TOKEN}""#)),
        (
            400,
            r#"{"error":"invalid_grant","error_description":"the code was used"}"#.to_owned(),
        ),
        (500, "upstream".to_owned()),
    ] {
        let runtime = VirtualRuntime::new();
        let clock = Arc::new(runtime.clock());
        let sent = Arc::new(Mutex::new(Vec::new()));
        let wire = Arc::clone(&sent);
        let transport = Scripted::new(move |request| {
            wire.lock()
                .unwrap()
                .push(String::from_utf8(request.body().to_vec()).unwrap());
            Ok(http::Response::builder()
                .status(status)
                .body(body.clone().into())
                .unwrap())
        });
        let context = Context::new(clock.clone(), Arc::new(SeededRng::new(1)), clock, Arc::new(transport));
        let app = AlpacaOAuth::new("app-id", CLIENT_SECRET, "https://app.example/callback", context).unwrap();
        let mut sign_in = app.sign_in();
        let pairs: Vec<_> = sign_in.url().query_pairs().into_owned().collect();
        let state = &pairs.iter().find(|(name, _)| name == "state").unwrap().1;
        let mut callback = url::Url::parse("https://app.example/callback").unwrap();
        callback
            .query_pairs_mut()
            .append_pair("code", CODE)
            .append_pair("state", state);
        canaries.look_at("an application", &app);
        canaries.look_at("a sign-in", &sign_in);
        match runtime.block_on(app.token(&mut sign_in, callback.as_str())) {
            Ok(token) => canaries.look_at("a token", &token),
            Err(error) => canaries.look_at_error("a sign-in's error", &error),
        }
        // It went out as a form.
        let mut wire = secrets();
        wire.look("the wire", &sent.lock().unwrap().concat());
        let seen: BTreeSet<&str> = wire.hits().iter().map(|hit| hit.secret.as_str()).collect();
        assert_eq!(seen, BTreeSet::from(["client secret", "code"]));
    }
    canaries.look("tracing", &log.text());
    assert!(canaries.hits().is_empty(), "{:#?}", canaries.hits());
}

#[test]
fn a_planted_leak_is_found() {
    let number = "PA3TEST00017";
    let mut looking = Looking::new(secrets(), &"0e6b4d3c-7a51-4c6e-9f0e-2b1c5d7a9e10".into(), Some(number));
    looking.result::<()>("planted", &Err(Error::decode(format!("no such key: {KEY_ID}"))));
    looking.result("planted", &Ok(format!("Authorization: Bearer {TOKEN}")));
    looking.result::<()>(
        "planted",
        &Err(Error::decode("unreadable").with_source(std::io::Error::other(number))),
    );
    looking.log("tracing", &format!("{:?}", SECRET.as_bytes()));
    let seen: Vec<_> = looking
        .secrets
        .hits()
        .iter()
        .map(|hit| (hit.secret.as_str(), hit.form))
        .collect();
    for expected in [("key id", "clear"), ("token", "clear"), ("secret key", "bytes")] {
        assert!(seen.contains(&expected), "{expected:?} in {seen:?}");
    }
    assert!(looking.numbers.hits().iter().all(|hit| hit.secret == "account number"));
    assert!(!looking.numbers.hits().is_empty());
}
