//! What is sent to prove who asks, and where to.

mod common;

use broker_alpaca::AlpacaConfig;
use broker_core::model::Environment;
use broker_core::{Broker, ErrorKind, MarketData};
use common::{Stage, account_body, get};

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
        let stage = Stage::with(config, vec![get("/v2/stocks/quotes/latest?symbols=A", r#"{"quotes":{}}"#)]);
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
    let (base, data) = ("http://127.0.0.1:8080".parse().unwrap(), "https://data.sandbox.alpaca.markets".parse().unwrap());
    assert_eq!(host(config().with_base_url(base).with_data_url(data)), "data.sandbox.alpaca.markets");
}

#[test]
fn hosts_are_checked_before_anything_is_sent() {
    let refused = |url: &str, config: AlpacaConfig| {
        let error = broker_alpaca::AlpacaBroker::new(config.with_base_url(url.parse().unwrap())).unwrap_err();
        assert_eq!((error.kind(), error.delivery()), (ErrorKind::Config, broker_core::Delivery::NotSent));
        error.to_string()
    };
    let config = || AlpacaConfig::new("PKABC", "s3cr3t");
    for url in ["https://evil.example", "http://paper-api.alpaca.markets", "https://alpaca.markets.evil.example"] {
        refused(url, config());
    }
    assert_eq!(
        refused("https://api.alpaca.markets", config()),
        "alpaca configuration: api.alpaca.markets is not the host of paper trading; write .live() for real money, and \
         leave it out for paper"
    );
    refused("https://paper-api.alpaca.markets", config().live());
    refused("https://evil.example", AlpacaConfig::new("PK\nABC", "s3cr3t").allow_host("evil.example"));

    let proxied = config().with_base_url("https://proxy.example/alpaca/v2/".parse().unwrap()).allow_host("proxy.example");
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
    assert_eq!((host.as_str(), headers["APCA-API-KEY-ID"].to_str().unwrap()), ("paper-api.alpaca.markets", "PKABC"));
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
fn nothing_prints_a_secret() {
    let config = AlpacaConfig::new("PKABCDEF1234", "s3cr3t").live();
    assert_eq!(
        format!("{config:?}"),
        r#"AlpacaConfig { credentials: "a key pair", environment: Live, base_url: None, data_url: None, feed: None, .. }"#
    );
    let stage = Stage::with(AlpacaConfig::new("PKABCDEF1234", "s3cr3t"), Vec::new());
    let shown = format!("{:?}", stage.broker);
    assert!(!shown.contains("s3cr3t") && !shown.contains("PKABC"), "{shown}");
    assert_eq!(stage.broker.environment(), Environment::Paper);
}
