//! What is sent to prove who asks, and where to.

use std::sync::{Arc, Mutex};

use crate::common::{Stage, account_body, get};
use broker_alpaca::{AlpacaConfig, AlpacaOAuth};
use broker_core::model::Environment;
use broker_core::seam::{MemoryTransport, SeededRng, VirtualRuntime};
use broker_core::{Broker, Context, ErrorKind, MarketData};
use secrecy::ExposeSecret;

fn sent(config: AlpacaConfig) -> (String, http::HeaderMap) {
    let stage = Stage::with(config, vec![get("/v2/account", account_body())]);
    stage.run(|broker| async move { broker.accounts().await.unwrap() });
    let sent = stage.sent.lock().unwrap().remove(0);
    (sent.host, sent.headers)
}

#[test]
fn a_key_pair_goes_in_two_concealed_headers() {
    let (host, headers) = sent(AlpacaConfig::new("PKABC", "s3cr3t"));
    assert_eq!(host, "paper-api.alpaca.markets");
    assert_eq!(headers["APCA-API-KEY-ID"], "PKABC");
    assert_eq!(headers["APCA-API-SECRET-KEY"], "s3cr3t");
    assert!(headers["APCA-API-KEY-ID"].is_sensitive() && headers["APCA-API-SECRET-KEY"].is_sensitive());
    assert!(!headers.contains_key("authorization"));
    assert!(!format!("{headers:?}").contains("s3cr3t"));
}

#[test]
fn a_token_goes_as_bearer() {
    let (host, headers) = sent(AlpacaConfig::oauth("tok-1").live());
    assert_eq!(host, "api.alpaca.markets");
    assert_eq!(headers["authorization"], "Bearer tok-1");
    assert!(headers["authorization"].is_sensitive());
    assert!(!headers.contains_key("apca-api-key-id"));
}

#[test]
fn market_data_has_its_own_host() {
    let config = || AlpacaConfig::new("PKABC", "s3cr3t");
    let host = |config: AlpacaConfig| {
        let stage = Stage::with(
            config,
            vec![get("/v2/stocks/quotes/latest?symbols=A", r#"{"quotes":{}}"#)],
        );
        stage.run(|broker| async move { broker.quotes(&["A".into()]).await.unwrap() });
        let sent = stage.sent.lock().unwrap().remove(0);
        assert_eq!(sent.headers["APCA-API-KEY-ID"], "PKABC");
        sent.host
    };
    assert_eq!(host(config()), "data.alpaca.markets");
    assert_eq!(host(config().live()), "data.alpaca.markets");
    // A venue on this machine serves both: no key of it goes to Alpaca.
    let local = "http://127.0.0.1:8080".parse().unwrap();
    assert_eq!(host(config().with_base_url(local)), "127.0.0.1");
    let (base, data) = (
        "http://127.0.0.1:8080".parse().unwrap(),
        "https://data.sandbox.alpaca.markets".parse().unwrap(),
    );
    assert_eq!(
        host(config().with_base_url(base).with_data_url(data)),
        "data.sandbox.alpaca.markets"
    );
}

#[test]
fn hosts_are_checked_before_anything_is_sent() {
    let refused = |url: &str, config: AlpacaConfig| {
        let error = broker_alpaca::AlpacaBroker::new(config.with_base_url(url.parse().unwrap())).unwrap_err();
        assert_eq!(
            (error.kind(), error.delivery()),
            (ErrorKind::Config, broker_core::Delivery::NotSent)
        );
        error.to_string()
    };
    let config = || AlpacaConfig::new("PKABC", "s3cr3t");
    for url in [
        "https://evil.example",
        "http://paper-api.alpaca.markets",
        "https://alpaca.markets.evil.example",
    ] {
        refused(url, config());
    }
    assert_eq!(
        refused("https://api.alpaca.markets", config()),
        "alpaca configuration: api.alpaca.markets is not the host of paper trading; write .live() for real money, and \
         leave it out for paper"
    );
    refused("https://paper-api.alpaca.markets", config().live());
    refused(
        "https://evil.example",
        AlpacaConfig::new("PK\nABC", "s3cr3t").allow_host("evil.example"),
    );

    let proxied = config()
        .with_base_url("https://proxy.example/alpaca/v2/".parse().unwrap())
        .allow_host("proxy.example");
    let stage = Stage::with(proxied, vec![get("/alpaca/v2/account", account_body())]);
    stage.run(|broker| async move { broker.accounts().await.unwrap() });
}

#[test]
fn the_environment_names_every_missing_variable() {
    let error = AlpacaConfig::from_lookup(|_| None).unwrap_err();
    assert_eq!(
        error.to_string(),
        "configuration: not set: APCA_API_KEY_ID, APCA_API_SECRET_KEY; make a key pair on \
         https://app.alpaca.markets (paper trading, API keys) and set both variables"
    );
    let one = |name: &str| (name == "APCA_API_KEY_ID").then(|| "PKABC".to_owned());
    let error = AlpacaConfig::from_lookup(one).unwrap_err();
    assert_eq!(error.message(), Some("not set: APCA_API_SECRET_KEY"));
    let all = |name: &str| {
        Some(match name {
            "APCA_API_KEY_ID" => " PKABC\n".to_owned(),
            "APCA_API_SECRET_KEY" => "s3cr3t".to_owned(),
            "APCA_API_BASE_URL" => "https://paper-api.alpaca.markets/v2".to_owned(),
            other => panic!("{other}"),
        })
    };
    let (host, headers) = sent(AlpacaConfig::from_lookup(all).unwrap());
    assert_eq!(
        (host.as_str(), headers["APCA-API-KEY-ID"].to_str().unwrap()),
        ("paper-api.alpaca.markets", "PKABC")
    );
    let live = |name: &str| all(name).map(|value| value.replace("paper-api", "api"));
    let error = broker_alpaca::AlpacaBroker::new(AlpacaConfig::from_lookup(live).unwrap()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    let nonsense = |name: &str| all(name).map(|value| value.replace("https://", ""));
    assert_eq!(
        AlpacaConfig::from_lookup(nonsense).unwrap_err().message(),
        Some("APCA_API_BASE_URL is not a URL")
    );
}

#[test]
fn a_user_signs_in_and_the_code_becomes_a_token() {
    let runtime = VirtualRuntime::new();
    let clock = Arc::new(runtime.clock());
    let forms = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&forms);
    let transport = MemoryTransport::new(move |request| {
        assert_eq!(
            (request.method().as_str(), request.uri().to_string().as_str()),
            ("POST", "https://api.alpaca.markets/oauth/token")
        );
        assert_eq!(request.headers()["content-type"], "application/x-www-form-urlencoded");
        assert!(!request.headers().contains_key("authorization"));
        let mut forms = log.lock().unwrap();
        forms.push(String::from_utf8(request.body().to_vec()).unwrap());
        let (status, body) = match forms.len() {
            1 => (
                200,
                r#"{"access_token":"tok-1","token_type":"bearer","scope":"trading data"}"#,
            ),
            _ => (400, r#"{"error":"invalid_grant","error_description":"code was used"}"#),
        };
        Ok(http::Response::builder().status(status).body(body.into()).unwrap())
    });
    let context = Context::new(
        Arc::clone(&clock) as _,
        Arc::new(SeededRng::new(7)),
        clock,
        Arc::new(transport),
    );
    let app = AlpacaOAuth::new("app", "app-s3cr3t", "https://app.example/cb", context).unwrap();
    let app = app.with_scopes(["trading", "data"]);
    let callback = |url: &url::Url| {
        let state = url
            .query_pairs()
            .find(|(name, _)| name == "state")
            .unwrap()
            .1
            .into_owned();
        format!("https://app.example/cb?code=c-1&state={state}")
    };
    let mut sign_in = app.sign_in();
    let url = sign_in.url().clone();
    assert!(url.as_str().starts_with(
        "https://app.alpaca.markets/oauth/authorize?response_type=code&client_id=app\
         &redirect_uri=https%3A%2F%2Fapp.example%2Fcb&scope=trading+data&state="
    ));
    let token = runtime.block_on(app.token(&mut sign_in, &callback(&url))).unwrap();
    assert_eq!(token.access.expose_secret(), "tok-1");
    assert!(token.refresh.is_none() && token.expires_at.is_none());
    assert_eq!(token.scopes, ["trading", "data"]);
    assert_eq!(
        forms.lock().unwrap()[0],
        "grant_type=authorization_code&code=c-1&redirect_uri=https%3A%2F%2Fapp.example%2Fcb&client_id=app\
         &client_secret=app-s3cr3t"
    );
    // A sign-in takes one answer.
    let again = runtime.block_on(app.token(&mut sign_in, &callback(&url))).unwrap_err();
    assert_eq!(again.kind(), ErrorKind::Auth);
    let mut second = app.sign_in();
    let url = second.url().clone();
    let dead = runtime.block_on(app.token(&mut second, &callback(&url))).unwrap_err();
    assert_eq!(
        (dead.kind(), dead.message()),
        (ErrorKind::ReauthRequired, Some("code was used"))
    );
    assert!(!format!("{app:?} {dead:?}").contains("s3cr3t"));
}

#[test]
fn nothing_prints_a_secret() {
    let config = AlpacaConfig::new("PKABCDEF1234", "s3cr3t").live();
    assert_eq!(
        format!("{config:?}"),
        r#"AlpacaConfig { credentials: a key pair, environment: Live, base_url: None, data_url: None, feed: None, .. }"#
    );
    let stage = Stage::with(AlpacaConfig::new("PKABCDEF1234", "s3cr3t"), Vec::new());
    let shown = format!("{:?}", stage.broker);
    assert!(!shown.contains("s3cr3t") && !shown.contains("PKABC"), "{shown}");
    assert_eq!(stage.broker.environment(), Environment::Paper);
}
