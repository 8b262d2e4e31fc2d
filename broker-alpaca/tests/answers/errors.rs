//! Refusals, limits and outages, as a user sees them.

use std::time::Duration;

use crate::common::{Exchange, Stage, account, account_body, get};
use broker_alpaca::{AlpacaBroker, AlpacaConfig};
use broker_core::seam::Clock;
use broker_core::{Broker, Delivery, Error, ErrorKind, OrderRef};

fn refused(exchanges: Vec<Exchange>) -> Error {
    let stage = Stage::new(exchanges);
    stage.run(|broker| async move { broker.accounts().await.unwrap_err() })
}

#[test]
fn a_wrong_key_says_where_it_was_refused() {
    let error = refused(vec![get("/v2/account", r#"{"message":"forbidden."}"#).status(403)]);
    assert_eq!(
        error.to_string(),
        "alpaca account: authentication refused (HTTP 403): forbidden.; paper-api.alpaca.markets refused the key …ST01: \
         check that both halves belong together, and that a paper key is used on paper and a live key with .live()"
    );
    assert_eq!((error.kind(), error.delivery()), (ErrorKind::Auth, Delivery::Answered));
    let error = refused(vec![get("/v2/account", "").status(401)]);
    assert_eq!(error.kind(), ErrorKind::Auth);
}

#[test]
fn a_revoked_token_needs_its_user() {
    let stage = Stage::with(
        AlpacaConfig::oauth("tok-1"),
        vec![get("/v2/account", "unauthorized").status(401)],
    );
    let error = stage.run(|broker| async move { broker.accounts().await.unwrap_err() });
    assert_eq!(
        error.to_string(),
        "alpaca account: authorization expired (HTTP 401): unauthorized; the user must authorize the application again"
    );
}

#[test]
fn reads_that_are_not_permitted_or_not_there() {
    let body = r#"{"message":"subscription does not permit querying recent SIP data"}"#;
    assert_eq!(
        refused(vec![get("/v2/account", body).status(403)]).kind(),
        ErrorKind::Permission
    );
    let body = r#"{"code":40310000,"message":"account not eligible"}"#;
    assert_eq!(
        refused(vec![get("/v2/account", body).status(403)]).kind(),
        ErrorKind::Permission
    );

    let body = r#"{"code":40410000,"message":"order not found for x"}"#;
    let stage = Stage::signed_in(vec![get("/v2/orders/x?nested=true", body).status(404)]);
    let error = stage.run(|broker| async move {
        broker
            .order(&OrderRef::by_id(&account(), "x".into()))
            .await
            .unwrap_err()
    });
    assert_eq!(
        error.to_string(),
        "alpaca order: not found (HTTP 404, code 40410000): order not found for x"
    );
}

#[test]
fn a_429_waits_for_the_turn_of_the_quota() {
    // Virtual time begins at 2026-01-01T00:00:00Z, 1767225600.
    let limited = get("/v2/account", r#"{"code":42910000,"message":"rate limit exceeded"}"#)
        .status(429)
        .header("x-ratelimit-limit", "200")
        .header("x-ratelimit-remaining", "0")
        .header("x-ratelimit-reset", "1767225607");
    let stage = Stage::new(vec![limited, get("/v2/account", account_body())]);
    let clock = stage.runtime.clock();
    let accounts = stage.run(|broker| async move { broker.accounts().await.unwrap() });
    assert_eq!(accounts.len(), 1);
    let waited = clock.elapsed();
    assert!(
        (Duration::from_secs(7)..Duration::from_secs(9)).contains(&waited),
        "{waited:?}"
    );
}

#[test]
fn the_venues_own_count_is_kept() {
    let last = get("/v2/account", account_body())
        .header("x-ratelimit-limit", "200")
        .header("x-ratelimit-remaining", "0")
        .header("x-ratelimit-reset", "1767225630");
    let stage = Stage::new(vec![last, get("/v2/account", account_body())]);
    let clock = stage.runtime.clock();
    stage.run(|broker| async move {
        broker.accounts().await.unwrap();
        broker.accounts().await.unwrap();
    });
    let waited = clock.elapsed();
    assert!(
        (Duration::from_secs(30)..Duration::from_secs(61)).contains(&waited),
        "{waited:?}"
    );
}

#[test]
fn pages_of_a_gateway_are_an_outage_and_asked_again() {
    let page = || get("/v2/account", "<html><body>502 Bad Gateway</body></html>").status(502);
    let stage = Stage::new(vec![
        page(),
        get("/v2/account", "<html>").status(200),
        get("/v2/account", account_body()),
    ]);
    let accounts = stage.run(|broker| async move { broker.accounts().await.unwrap() });
    assert_eq!(accounts.len(), 1);
    let error = refused((0..4).map(|_| page()).collect());
    assert_eq!(
        error.to_string(),
        "alpaca account: unavailable (HTTP 502): answered with a page instead of data"
    );
}

#[test]
fn an_order_without_a_name_is_refused_before_sending() {
    let stage = Stage::signed_in(Vec::new());
    let mut reference = OrderRef::by_id(&account(), "x".into());
    reference.id = None;
    let error = stage.run(|broker| async move { broker.order(&reference).await.unwrap_err() });
    assert_eq!(
        (error.kind(), error.delivery()),
        (ErrorKind::InvalidRequest, Delivery::NotSent)
    );
}

/// The one test over the real network stack, on this machine.
#[tokio::test]
async fn a_dead_host_is_named() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let url = format!("http://{address}").parse().unwrap();
    let broker = AlpacaBroker::new(AlpacaConfig::new("PKABC", "s3cr3t").with_base_url(url)).unwrap();
    let error = broker.accounts().await.unwrap_err();
    assert_eq!(
        (error.kind(), error.delivery()),
        (ErrorKind::Unavailable, Delivery::NotSent)
    );
    let text = error.to_string();
    assert!(text.starts_with("alpaca account: unavailable"), "{text}");
    assert!(text.contains("127.0.0.1"), "{text}");
    assert!(!text.contains("s3cr3t") && !text.contains("PKABC"), "{text}");
}
