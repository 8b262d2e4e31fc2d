//! Nonces: strictly growing for a key, whoever calls and however often; and the clock's error.

use std::sync::{Arc, Mutex};

use broker_core::ext::BrokerExt;
use broker_core::seam::{MemoryTransport, SeededRng, VirtualRuntime};
use broker_core::{Broker, Context, OrderRequest, Placement, Side};
use broker_kraken::KrakenBroker;
use broker_kraken::venue::KrakenVenue;
use bytes::Bytes;
use chrono::TimeDelta;
use futures_util::future::join_all;

use super::{Stage, config, end, price, qty, shared, unhurried};

fn nonce(body: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(body).ok()?;
    let field = text.split('&').find_map(|field| field.strip_prefix("nonce="))?;
    field.parse().ok()
}

/// 64 callers at once, of whose calls a third fails in a way that is tried again.
#[test]
fn they_grow_through_retries() {
    let nonces = Arc::new(Mutex::new(Vec::<u64>::new()));
    let log = Arc::clone(&nonces);
    let transport = MemoryTransport::new(move |request| {
        let body = match request.uri().path() {
            "/0/public/Assets" => {
                r#"{"error":[],"result":{"XXBT":{"altname":"XBT","decimals":10},"ZUSD":{"altname":"USD","decimals":4}}}"#
            }
            "/0/public/AssetPairs" => r#"{"error":[],"result":{}}"#,
            _ => {
                let mut log = log.lock().unwrap();
                log.push(nonce(request.body()).expect("every private call has a nonce"));
                match log.len() % 3 {
                    0 => r#"{"error":["EService:Unavailable"]}"#,
                    _ => r#"{"error":[],"result":[]}"#,
                }
            }
        };
        Ok(http::Response::builder().status(200).body(Bytes::from(body)).unwrap())
    });
    let runtime = VirtualRuntime::starting_at(end());
    let clock = Arc::new(runtime.clock());
    let context = Context::new(clock.clone(), Arc::new(SeededRng::new(1)), clock, Arc::new(transport));
    let broker = KrakenBroker::new(unhurried(config()).with_context(context)).unwrap();
    let account = broker.account_id().clone();
    let answers = runtime.block_on(join_all((0..64).map(|_| broker.positions(&account))));
    let answered = answers.iter().filter(|answer| answer.is_ok()).count();
    let nonces = nonces.lock().unwrap();
    assert!(
        answered >= 48 && nonces.len() > 64,
        "{answered} answered, {} sent",
        nonces.len()
    );
    assert!(nonces.windows(2).all(|pair| pair[0] < pair[1]), "{nonces:?}");
}

/// The same over real connections, which could overtake each other: the venue refuses what does not grow.
#[tokio::test]
#[allow(clippy::disallowed_methods, reason = "callers of a program of its own")]
async fn they_arrive_in_order() {
    let venue = KrakenVenue::builder().without_limits().build().unwrap();
    let server =
        broker_sim::wire::LoopbackServer::start(shared(venue), Arc::new(broker_core::seam::SystemClock::new()))
            .await
            .unwrap();
    let config = unhurried(config()).with_base_url(server.url().parse().unwrap());
    let broker = KrakenBroker::new(config).unwrap();
    let account = broker.account_id().clone();
    let calls = (0..64).map(|_| {
        let (broker, account) = (broker.clone(), account.clone());
        tokio::spawn(async move { broker.positions(&account).await })
    });
    for answer in join_all(calls).await {
        answer.unwrap().unwrap();
    }
    let sent = server.recorder().sent();
    server.shutdown().await;
    assert_eq!(sent, 64 + 2, "none was sent twice");
}

/// Orders carry a deadline of Kraken's clock, so an error of ours costs one call, once.
#[test]
fn a_wrong_clock_costs_one_call() {
    let mut sent = Vec::new();
    for ahead in [0, 300, -300] {
        let venue = KrakenVenue::builder()
            .starts_at(end())
            .without_limits()
            .build()
            .unwrap();
        let stage = Stage::skewed(venue, end(), unhurried(config()), TimeDelta::seconds(ahead));
        let account = stage.account.clone();
        for n in 0..3 {
            let account = account.clone();
            stage.run(|broker| async move {
                let request = OrderRequest::limit("BTC/USD".into(), Side::Buy, qty("0.01"), price("50000.0"))
                    .with_client_id(format!("skew-{n}").as_str().into());
                let placement = broker.place_once(&account, request).await.unwrap();
                assert!(matches!(placement, Placement::Accepted(_)), "{placement:?}");
            });
        }
        assert_eq!(stage.venue.lock().unwrap().orders().len(), 3);
        sent.push(stage.recorder.sent());
    }
    println!("requests for three orders: {sent:?}");
    assert!(sent[1] <= sent[0] + 1 && sent[2] <= sent[0] + 1, "{sent:?}");
}
