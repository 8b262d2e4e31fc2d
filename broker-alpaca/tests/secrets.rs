//! No secret and no whole account number is shown: not by errors, not by `Debug`, not by what `tracing` is told, not by
//! the recorder, whatever goes wrong on the wire.

#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

use std::collections::BTreeSet;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use broker_alpaca::venue::{AlpacaVenue, AlpacaVenueBuilder};
use broker_alpaca::{AlpacaBroker, AlpacaConfig, AlpacaOAuth, PortfolioQuery, PortfolioStep};
use broker_core::model::{CandleQuery, InstrumentQuery, Interval, Window};
use broker_core::seam::{
    Answer, Carrier, MemoryTransport as Scripted, OpenRequest, Request, SeededRng, SystemClock, Transport,
    VirtualRuntime,
};
use broker_core::{AccountId, Broker, Context, Error, HistoryQuery, MarketData, OrderQuery, OrderRef, Result};
use broker_sim::HistoryPlan;
use broker_sim::wire::{Fault, FaultPlan, LoopbackServer, MemoryTransport, RetryHint, Venue, When, share};
use broker_testkit::canary::{Canaries, TraceLog};
use chrono::{DateTime, Utc};

const KEY_ID: &str = "PKQZ7CANARY4VJ9WKQDX";
const SECRET: &str = "cAnArY+s3/Kq9=xV7%mT2\"zR";
const TOKEN: &str = "0a7hCaNaRy~t0k3n/9Lw+Xe5=";
const CLIENT_SECRET: &str = "cL13nT/cAnArY+77q==";
const CODE: &str = "c0d3CaNaRy91xW/z+";

fn now() -> DateTime<Utc> {
    "2026-06-30T21:00:00Z".parse().unwrap()
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

type Ask = for<'a> fn(&'a AlpacaBroker, &'a AccountId, &'a mut Looking) -> Asked<'a>;
type Asked<'a> = Pin<Box<dyn Future<Output = ()> + 'a>>;

/// What is looked for, and where it was looked.
struct Looking {
    /// In everything.
    secrets: Canaries,
    /// In errors and logs.
    numbers: Canaries,
    answers: u64,
    errors: u64,
    what: String,
}

impl Looking {
    fn new(account: &AccountId, number: &str) -> Self {
        Self {
            secrets: secrets(),
            numbers: Canaries::new()
                .with("account id", account.get())
                .with("account number", number),
            answers: 0,
            errors: 0,
            what: String::new(),
        }
    }

    fn result<T: std::fmt::Debug>(&mut self, result: &Result<T>) {
        match result {
            Ok(answer) => {
                self.answers += 1;
                self.secrets.look_at(&self.what, answer);
            }
            Err(error) => self.error(error),
        }
    }

    fn error(&mut self, error: &Error) {
        self.errors += 1;
        for canaries in [&mut self.secrets, &mut self.numbers] {
            canaries.look_at_error(&self.what, error);
        }
    }

    fn log(&mut self, what: &str, text: &str) {
        for canaries in [&mut self.secrets, &mut self.numbers] {
            canaries.look(what, text);
        }
    }

    fn nothing_was_seen(&self) {
        for canaries in [&self.secrets, &self.numbers] {
            assert!(canaries.looked() > 0);
            assert!(canaries.hits().is_empty(), "{:#?}", canaries.hits());
        }
    }
}

/// One line a call: what it is called, and how it is made.
macro_rules! calls {
    ($($name:literal => |$broker:ident, $account:ident| $call:expr,)*) => {
        &[$(($name, |$broker, $account, looking| Box::pin(async move {
            let result = $call;
            looking.result(&result);
        }))),*]
    };
}

/// Every call of the broker.
const CALLS: &[(&str, Ask)] = calls! {
    "probe" => |broker, _account| broker.probe().await,
    "accounts" => |broker, _account| broker.accounts().await,
    "balances" => |broker, account| broker.balances(account).await,
    "positions" => |broker, account| broker.positions(account).await,
    "instruments" => |broker, _account| broker.instruments(&InstrumentQuery::Symbols(vec!["AAPL".into(), "AAPL260116C00150000".into()])).await,
    "all instruments" => |broker, _account| broker.instruments(&InstrumentQuery::All).await,
    "option contracts" => |broker, _account| broker.option_contracts(&"AAPL".into(), now().date_naive(), now().date_naive(), None).await,
    "order" => |broker, account| broker.order(&OrderRef::by_id(account, "no-such-order".into())).await,
    "order by our id" => |broker, account| broker.order(&OrderRef::by_client_id(account, "ours".into())).await,
    "orders" => |broker, account| broker.orders(&OrderQuery::placed(account, Window::All), None).await,
    "history" => |broker, account| broker.history(&HistoryQuery::last_days(account, 5).with_raw(), None).await,
    "another's history" => |broker, _account| broker.history(&HistoryQuery::last_days(&"1234567890".into(), 5), None).await,
    "configurations" => |broker, _account| broker.configurations().await,
    "portfolio history" => |broker, _account| broker.portfolio_history(&PortfolioQuery::last_days(5, PortfolioStep::Day)).await,
    "snapshots" => |broker, _account| broker.stock_snapshots(&["AAPL".into()]).await,
    "quotes" => |broker, _account| broker.quotes(&["AAPL".into(), "BTC/USD".into()]).await,
    "candles" => |broker, _account| broker.candles(&CandleQuery::new("AAPL".into(), Interval::Day, now() - chrono::Duration::days(5), now()), None).await,
    "hours" => |broker, _account| broker.hours(&"AAPL".into(), now(), now() + chrono::Duration::days(5)).await,
};

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

/// Looks at what a request that is signed shows of itself, and sends it.
#[derive(Debug)]
struct Watching {
    inner: MemoryTransport,
    shown: Arc<Mutex<Vec<String>>>,
}

#[async_trait]
impl Transport for Watching {
    async fn send(&self, request: Request) -> Result<Answer> {
        self.shown
            .lock()
            .unwrap()
            .push(format!("{request:?} {request:#?} {:?}", request.http));
        let answer = self.inner.send(request).await;
        self.shown.lock().unwrap().push(format!("{answer:?}"));
        answer
    }

    async fn open(&self, request: OpenRequest) -> Result<Box<dyn Carrier>> {
        self.inner.open(request).await
    }
}

#[test]
fn no_call_shows_a_secret_whatever_goes_wrong() {
    let log = TraceLog::new();
    let _traced = tracing::subscriber::set_default(log.subscriber());
    for (credentials, config) in configs() {
        let runtime = VirtualRuntime::starting_at(now());
        let clock = Arc::new(runtime.clock());
        let rng = Arc::new(SeededRng::new(1));
        let venue = builder().build().unwrap();
        let venue: Arc<Mutex<dyn Venue>> = share(venue);
        let inner = MemoryTransport::new(venue, clock.clone(), rng.clone(), clock.clone());
        let (faults_at_work, recorder) = (inner.faults().clone(), inner.recorder().clone());
        let shown = Arc::new(Mutex::new(Vec::new()));
        let transport = Arc::new(Watching {
            inner,
            shown: Arc::clone(&shown),
        });
        let context = Context::new(clock.clone(), rng, clock, transport);
        let broker = AlpacaBroker::new(
            config
                .clone()
                .with_context(context.clone())
                .with_requests_per_minute(100_000),
        )
        .unwrap();
        let account = runtime.block_on(broker.accounts()).unwrap().remove(0);
        let mut looking = Looking::new(&account.id, account.name.as_ref().unwrap().get());
        for fault in faults() {
            let plan = fault
                .clone()
                .map_or_else(FaultPlan::none, |fault| FaultPlan::none().rule(When::always(), fault));
            faults_at_work.set(plan);
            for (name, ask) in CALLS {
                looking.what = format!("{credentials}, {fault:?}, {name}");
                runtime.block_on(ask(&broker, &account.id, &mut looking));
            }
        }
        for (what, value) in [
            ("config", &config as &dyn std::fmt::Debug),
            ("broker", &broker),
            ("context", &context),
            ("limiter", context.limiter()),
            ("capabilities", broker.capabilities()),
            ("recorder", &recorder),
            ("records", &recorder.requests()),
        ] {
            looking.secrets.look_at(what, value);
            looking.numbers.look_at(what, value);
        }
        for text in shown.lock().unwrap().iter() {
            looking.log("a signed request or an answer", text);
        }
        let traced = log.text();
        looking.log("tracing", &traced);
        println!(
            "{credentials}: {} answers, {} errors, {} bytes traced, faults {:?}",
            looking.answers,
            looking.errors,
            traced.len(),
            faults_at_work.counts()
        );
        looking.nothing_was_seen();
        assert!(
            traced.contains("retrying") && traced.contains("op=\"positions\""),
            "the log is of these calls"
        );
        assert!(
            looking.answers >= 15 && looking.errors >= 150,
            "{} {}",
            looking.answers,
            looking.errors
        );
        // The secrets were on the wire, else there would have been nothing to see.
        assert_eq!(faults_at_work.counts().len(), 19);
        log.clear();
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
            let plan = fault
                .clone()
                .map_or_else(FaultPlan::none, |fault| FaultPlan::none().rule(When::always(), fault));
            server.faults().set(plan);
            for (name, ask) in CALLS {
                looking.what = format!("loopback, {credentials}, {fault:?}, {name}");
                ask(&broker, &account.id, &mut looking).await;
            }
        }
        let records = server.recorder().requests();
        looking.secrets.look_at("records", &records);
        looking.log("tracing", &log.text());
        looking.nothing_was_seen();
        assert!(
            looking.answers >= 12 && looking.errors >= CALLS.len() as u64,
            "{} {}",
            looking.answers,
            looking.errors
        );
        assert!(records.len() >= CALLS.len());
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
        looking.result(&asked.0.map(|_| ()));
        looking.result(&asked.1.map(|_| ()));
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
    looking.result::<()>(&Err(Error::decode(format!("no such key: {KEY_ID}"))));
    looking.result(&Ok(format!("Authorization: Bearer {TOKEN}")));
    looking.result::<()>(&Err(
        Error::decode("unreadable").with_source(std::io::Error::other(number))
    ));
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
