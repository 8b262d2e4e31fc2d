//! No secret and no whole account number is shown: not by errors, not by `Debug`, not by what `tracing` is told, not by
//! the recorder, whatever goes wrong on the wire.

#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

mod calls;
mod looking;
mod stage;
mod streams;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use broker_alpaca::venue::{AlpacaVenue, AlpacaVenueBuilder};
use broker_alpaca::{AlpacaBroker, AlpacaConfig, AlpacaOAuth};
use broker_core::journal::{IntentJournal, MemoryJournal};
use broker_core::model::{Event, Subscription};
use broker_core::seam::{MemoryTransport as Scripted, SeededRng, SystemClock, VirtualRuntime};
use broker_core::{AccountId, Broker, BrokerExt, Context, Error};
use broker_sim::HistoryPlan;
use broker_sim::wire::{Fault, FaultPlan, LoopbackServer, RetryHint, Venue, When, share};
use broker_sync::SqliteJournal;
use broker_testkit::canary::{Canaries, TraceLog};
use calls::{READS, WRITES};
use chrono::{DateTime, Utc};
use futures_util::StreamExt;
use looking::Looking;
use stage::Stage;

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

/// This happens to these requests.
fn plan(when: &When, fault: Option<&Fault>) -> FaultPlan {
    fault.map_or_else(FaultPlan::none, |fault| {
        FaultPlan::none().rule(when.clone(), fault.clone())
    })
}

/// Every kind of damage. What a fault says in the venue's place is what a gateway would say.
fn faults() -> Vec<Option<Fault>> {
    let words = || r#"{"code":50010000,"message":"internal server error occurred"}"#.to_owned();
    let all = vec![
        Fault::RefuseConnection,
        Fault::DropRequest,
        Fault::DropAnswer,
        Fault::DelayRequest(Duration::from_secs(60)),
        Fault::DelayAnswer(Duration::from_secs(60)),
        Fault::ErrorBefore(503, "upstream".to_owned()),
        Fault::ErrorAfter(500, words()),
        Fault::RateLimited(RetryHint::Seconds(1), words()),
        Fault::Ban(418, words(), Duration::from_secs(5)),
        Fault::Reset { handled: true },
        Fault::Reset { handled: false },
        Fault::Fin { handled: true },
        Fault::Fin { handled: false },
        Fault::CutBody(40),
        Fault::StallBody(40),
        Fault::SlowDrip {
            piece: 1,
            every: Duration::from_secs(20),
        },
        Fault::TruncatedJson,
        Fault::Html200,
        Fault::Empty200,
        Fault::ExpiredToken,
        Fault::ClockSkew(3_600_000),
    ];
    // A kind that is added is to be added here.
    for fault in &all {
        match fault {
            Fault::RefuseConnection | Fault::DropRequest | Fault::DropAnswer | Fault::DelayRequest(_) => {}
            Fault::DelayAnswer(_) | Fault::ErrorBefore(..) | Fault::ErrorAfter(..) | Fault::RateLimited(..) => {}
            Fault::Ban(..) | Fault::Reset { .. } | Fault::Fin { .. } | Fault::CutBody(_) | Fault::StallBody(_) => {}
            Fault::SlowDrip { .. } | Fault::TruncatedJson | Fault::Html200 | Fault::Empty200 => {}
            Fault::ExpiredToken | Fault::ClockSkew(_) => {}
            other => panic!("{other:?} is not among the faults"),
        }
    }
    std::iter::once(None).chain(all.into_iter().map(Some)).collect()
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
        let mut stage = Stage::with(config, journal);
        let (broker, account) = (stage.broker.clone(), stage.account.clone());
        // With every request harmed nothing in doubt is ever settled; with the writes alone it is.
        let all = faults().into_iter().map(|fault| (READS, When::always(), fault));
        let writes = When::always().matching(|request| request.method != "GET");
        let none: &[calls::Call] = &[];
        let writes = faults()
            .into_iter()
            .flatten()
            .map(|fault| (none, writes.clone(), Some(fault)));
        for (reads, when, fault) in all.chain(writes) {
            stage.faults.set(FaultPlan::none());
            stage.runtime.block_on(calls::stand(&broker, &account));
            stage.buy();
            stage.faults.set(plan(&when, fault.as_ref()));
            for (name, ask) in reads.iter().chain(WRITES) {
                stage.looking.what = format!("{credentials}, {fault:?}, {name}");
                stage.runtime.block_on(ask(&broker, &account, &mut stage.looking));
            }
        }
        // A last one, so that the journal has something to show.
        stage.faults.set(plan(&When::always(), Some(&Fault::DropAnswer)));
        let last = stage.runtime.block_on(broker.place_once(&account, calls::request()));
        stage.looking.result("place_once", &last);
        assert!(stage.open_intents() > 0);
        stage.look_around();
        let traced = log.text();
        let (counts, looking) = (stage.faults.counts(), &mut stage.looking);
        looking.log("tracing", &traced);
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
        for (name, _) in WRITES {
            assert!(
                looking.by_call[*name].0 > 0,
                "{name} never answered: {:?}",
                looking.by_call
            );
        }
        let ends = [
            "Accepted(",
            "Rejected(",
            "InDoubt(",
            "Recovery {",
            "Ticket(",
            "Intent {",
        ];
        looking.has_shown(&ends);
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
        let mut looking = Looking::new(&account.id, account.name.as_ref().unwrap().get());
        for fault in [None, Some(Fault::ExpiredToken)] {
            server.faults().set(FaultPlan::none());
            calls::stand(&broker, &account.id).await;
            server.faults().set(plan(&When::always(), fault.as_ref()));
            for (name, ask) in READS.iter().chain(WRITES) {
                looking.what = format!("loopback, {credentials}, {fault:?}, {name}");
                ask(&broker, &account.id, &mut looking).await;
            }
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
            looking.answers >= 12 && looking.errors >= READS.len() as u64,
            "{} {}",
            looking.answers,
            looking.errors
        );
        assert!(records.len() >= (READS.len() + WRITES.len()));
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
    let mut looking = Looking::new(&account, "739281465501");
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
    let mut looking = Looking::new(&"0e6b4d3c-7a51-4c6e-9f0e-2b1c5d7a9e10".into(), number);
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
