//! No key, no token, no login name and no whole account number is shown: not by errors, not by `Debug`, not by what
//! `tracing` is told, not by the recorder, whatever goes wrong on the wire. The token stands in the URL of the hubs.

#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use broker_core::journal::MemoryJournal;
use broker_core::model::{CandleQuery, Interval, OrderChange};
use broker_core::seam::Clock;
use broker_core::{Broker, Context, Currency, Error, OrderRequest, Side};
use broker_sim::wire::{FaultPlan, FrameWhen, When, WireRequest, share};
use broker_sim::{AccountSpec, FeeSchedule, HistoryPlan, Mix};
use broker_testkit::canary::{CallSetup, Canaries, ENDS, EVENTS, Looking, SecretsStage, TraceLog, WRITES};
use broker_testkit::faults::{frame_faults, request_faults};
use broker_topstepx::venue::TopstepxVenue;
use broker_topstepx::{JoinOrder, JoinSide, TopstepxBroker, TopstepxConfig};
use chrono::{DateTime, Duration, Utc};

const LOGIN: &str = "canary-login-of-a-trader";
const KEY: &str = "cAnArYkEy/9x+Qm2vT7zR5sW8uB1nD4fG6hJ0kL3pX=";
/// How every token of the venue begins.
const TOKEN: &str = "venue-token-";
const NAME: &str = "PRAC-V2-645601-97590973";

/// What a gateway says in the venue's place.
const WORDS: &str = r#"{"title":"An error occurred while processing your request.","status":500}"#;

/// The front contract of the micro S&P.
const MES: &str = "CON.F.US.MES.Z26";

/// Friday noon in New York.
fn now() -> DateTime<Utc> {
    "2026-11-20T17:00:00Z".parse().unwrap()
}

fn secrets() -> Canaries {
    Canaries::new().with("key", KEY).with("token", TOKEN)
}

/// What names the account or its owner: the recorder keeps it, and nothing else shows it.
fn numbers(account: &str) -> Canaries {
    Canaries::new()
        .with("account id", account)
        .with("account number", NAME)
        .with("login name", LOGIN)
}

fn config() -> TopstepxConfig {
    TopstepxConfig::new(LOGIN, KEY).with_limits(1_000_000, 1_000_000)
}

fn is_read(request: &WireRequest) -> bool {
    let path = request.path.as_str();
    !path.starts_with("/api/Order/place")
        && !matches!(path, "/api/Order/modify" | "/api/Order/cancel")
        && !path.starts_with("/api/Position/close")
        && path != "/api/Position/partialCloseContract"
}

fn stage() -> (SecretsStage, TopstepxBroker) {
    let spec = AccountSpec::margin("LIVED", Currency::USD)
        .with_stated_pnl()
        .with_fees(FeeSchedule::us_retail());
    let mix = Mix {
        shares: 0,
        options: 0,
        crypto: 0,
        forex: 0,
        futures: 1,
    };
    let plan = HistoryPlan::new(700, now())
        .with_seed(11)
        .with_mix(mix)
        .with_account(spec);
    let (engine, own) = plan.build().unwrap();
    let venue = TopstepxVenue::builder()
        .engine(engine)
        .account(own.clone(), NAME)
        .login(LOGIN, KEY)
        .limits(Vec::new(), Vec::new())
        .walking_markets()
        .build()
        .unwrap();
    let account = venue.account_id(&own).unwrap();
    let mid = venue.engine().mark(&"MESZ26".into()).unwrap().get().trunc();
    let price = |off: i64| broker_core::Price::new(mid + rust_decimal::Decimal::from(off));
    let venue = share(venue);
    let acting = Arc::clone(&venue);
    let mut made = None;
    let connect = |context: Context| {
        let broker = TopstepxBroker::new(config().with_context(context)).unwrap();
        made = Some(broker.clone());
        broker.handle()
    };
    let setup = CallSetup {
        account,
        request: OrderRequest::limit("MESZ26".into(), Side::Buy, "1".parse().unwrap(), price(-500)),
        change: OrderChange::new().with_limit_price(price(-501)),
        instruments: vec![MES.into(), "CON.F.US.EP.Z26".into()],
        candles: Some(CandleQuery::new(
            MES.into(),
            Interval::Hours(1),
            now() - Duration::days(2),
            now(),
        )),
    };
    let journal = Arc::new(MemoryJournal::default());
    let mut stage = SecretsStage::with_journal(
        (venue, now()),
        setup,
        (secrets(), Some(NAME)),
        connect,
        (WORDS, journal),
    );
    stage.looking.numbers = numbers(stage.setup.account.get());
    // Every body names its account, and the recorder keeps bodies.
    stage.paths_name_accounts = true;
    stage.is_read = is_read;
    let clock = stage.runtime.clock();
    let turn = AtomicUsize::new(0);
    let stage = stage.acting(move || {
        let mut venue = acting.lock().unwrap();
        let side = [Side::Buy, Side::Sell][turn.fetch_add(1, Ordering::Relaxed) % 2];
        let request = OrderRequest::market("MESZ26".into(), side, "1".parse().unwrap());
        venue.engine_mut().place(&own, &request, None, clock.now()).unwrap();
    });
    (stage, made.unwrap())
}

/// What the gateway alone has.
async fn own_calls(broker: &TopstepxBroker, stage: &CallSetup, looking: &mut Looking, count: usize) {
    let (account, contract) = (&stage.account, MES.into());
    looking.result("front contract", &broker.front_contract("ES").await);
    let tag = format!("join-{count}");
    let join = JoinOrder::new(MES.into(), Side::Buy, "1".parse().unwrap(), JoinSide::Bid, tag.as_str());
    looking.value(&join);
    looking.result("place_join", &broker.place_join(account, &join).await);
    let one = "1".parse().unwrap();
    looking.result("close_part", &broker.close_part(account, &contract, one).await);
    looking.result("close_position", &broker.close_position(account, &contract).await);
}

#[test]
fn no_call_shows_a_secret_whatever_goes_wrong() {
    let log = TraceLog::new();
    let _traced = tracing::subscriber::set_default(log.subscriber());
    let (mut stage, broker) = stage();
    stage.calls("key");
    for (count, fault) in request_faults(WORDS).into_iter().enumerate() {
        for reads in [true, false] {
            stage.looking.what = format!("{fault:?}, {reads}, what the gateway alone has");
            let when = When::always().matching(move |request| reads || !is_read(request));
            stage.faults.set(FaultPlan::none().rule(when, fault.clone()));
            let calls = own_calls(
                &broker,
                &stage.setup,
                &mut stage.looking,
                count * 2 + usize::from(reads),
            );
            stage.runtime.block_on(calls);
        }
    }
    stage.looking.value(&config());
    stage.looking.value(&broker);
    let traced = log.text();
    stage.looking.log("tracing", &traced);
    let looking = &stage.looking;
    println!(
        "{} answers, {} errors, {} bytes traced, {:?}, {:?}",
        looking.answers,
        looking.errors,
        traced.len(),
        looking.words,
        looking.by_call
    );
    looking.nothing_was_seen();
    assert!(
        traced.contains("op=\"positions\"") && traced.contains("op=\"place\"") && traced.contains("op=\"login\""),
        "the log is of these calls"
    );
    assert!(looking.answers >= 100 && looking.errors >= 200, "{:?}", looking.by_call);
    looking.was_answered(WRITES);
    looking.has_shown(&ENDS);
}

#[test]
fn no_stream_shows_a_secret_whatever_goes_wrong() {
    let log = TraceLog::new();
    let _traced = tracing::subscriber::set_default(log.subscriber());
    let (mut stage, _) = stage();
    stage.streams("key", &FrameWhen::always().path("/hubs/user"));
    stage.looking.log("tracing", &log.text());
    let counts = stage.faults.counts();
    println!("{:?} {counts:?}", stage.looking.words);
    stage.looking.nothing_was_seen();
    stage.looking.has_shown(&EVENTS);
    for fault in frame_faults() {
        assert!(counts.contains_key(fault.name()), "{fault:?} never hit: {counts:?}");
    }
    assert!(stage.recorder.sockets().len() > 60);
}

/// A login that is answered wrong, with what it was asked in the wrong place.
#[test]
fn an_answer_that_repeats_the_key_does_not_show_it() {
    let log = TraceLog::new();
    let _traced = tracing::subscriber::set_default(log.subscriber());
    let mut looking = Looking::new(secrets(), &"26200001".into(), Some(NAME));
    looking.numbers = numbers("26200001");
    for body in [
        format!(r#"{{"token":["{KEY}"],"success":true,"errorCode":0,"errorMessage":null}}"#),
        format!(r#"{{"token":"{KEY}","success":"{LOGIN}","errorCode":0,"errorMessage":null}}"#),
        format!(r#"{{"token":null,"success":true,"errorCode":"{KEY}","errorMessage":null}}"#),
        format!(r#""{KEY}""#),
        format!("<html>{KEY}</html>"),
        format!(r#"{{"token":"{TOKEN}with a line\nend","success":true,"errorCode":0,"errorMessage":null}}"#),
    ] {
        let runtime = broker_core::seam::VirtualRuntime::starting_at(now());
        let clock = Arc::new(runtime.clock());
        let sent = body.clone();
        let transport = broker_core::seam::MemoryTransport::new(move |_| Ok(http::Response::new(sent.clone().into())));
        let rng = Arc::new(broker_core::seam::SeededRng::new(1));
        let context = Context::new(clock.clone(), rng, clock, Arc::new(transport));
        let broker = TopstepxBroker::new(config().with_context(context)).unwrap();
        looking.what = body;
        let asked = runtime.block_on(broker.accounts());
        assert!(asked.is_err(), "{}", looking.what);
        looking.result("accounts", &asked);
        looking.value(&broker);
    }
    looking.log("tracing", &log.text());
    looking.nothing_was_seen();
    assert_eq!(looking.errors, 6);
}

#[test]
fn a_planted_leak_is_found() {
    let mut looking = Looking::new(secrets(), &"26200001".into(), Some(NAME));
    looking.numbers = numbers("26200001");
    looking.result::<()>("planted", &Err(Error::decode(format!("no such key: {KEY}"))));
    looking.result(
        "planted",
        &Ok(format!("wss://x/hubs/user?access_token={TOKEN}000001-6")),
    );
    looking.log("tracing", &format!("{:?}", LOGIN.as_bytes()));
    looking.result::<()>("planted", &Err(Error::decode(format!("account 26200001, {NAME}"))));
    let seen: BTreeSet<&str> = looking.secrets.hits().iter().map(|hit| hit.secret.as_str()).collect();
    assert_eq!(seen, BTreeSet::from(["key", "token"]));
    let seen: BTreeSet<&str> = looking.numbers.hits().iter().map(|hit| hit.secret.as_str()).collect();
    assert_eq!(seen, BTreeSet::from(["account id", "account number", "login name"]));
}
