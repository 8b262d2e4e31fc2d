//! 120 requests and two new connections a second from one address, and twenty streams at a time.

use std::sync::Arc;
use std::time::Duration;

use broker_core::model::Subscription;
use broker_core::seam::{Clock, SystemClock};
use broker_core::{Broker, Streaming};
use broker_oanda::venue::OandaVenue;
use broker_oanda::{OandaBroker, OandaConfig};
use broker_sim::wire::{LoopbackServer, share};
use futures_util::future::join_all;

use super::Stage;

fn stage() -> Stage {
    Stage::new(
        OandaVenue::builder().build().unwrap(),
        "2026-01-07T12:00:00Z".parse().unwrap(),
    )
}

#[test]
fn requests_keep_to_the_limit_and_use_it() {
    let stage = stage();
    stage.runtime.block_on(stage.broker.accounts()).unwrap();
    let began = stage.runtime.clock().elapsed();
    let asked: u32 = 1_200;
    let reads = (0..asked).map(|_| stage.broker.positions(&stage.account));
    let done = stage.runtime.block_on(join_all(reads));
    assert!(done.iter().all(Result::is_ok));
    let took = stage.runtime.clock().elapsed() - began;
    assert_eq!(stage.venue.lock().unwrap().refused(), 0);
    // Ten seconds' worth; 95 of 100 are to be used.
    assert!(took <= Duration::from_millis(10_530), "{took:?}");
}

#[test]
fn streams_open_two_a_second_and_no_more_than_twenty() {
    let stage = stage();
    let broker = Arc::new(stage.broker.clone());
    let subscription = Subscription::account(&stage.account);
    let began = stage.runtime.clock().elapsed();
    let streams = stage
        .runtime
        .block_on(join_all((0..6).map(|_| broker.subscribe(&subscription))));
    assert!(streams.iter().all(Result::is_ok));
    assert!(stage.runtime.clock().elapsed() - began >= Duration::from_secs(2));
    assert_eq!(stage.venue.lock().unwrap().refused(), 0);
    assert_eq!(stage.recorder.open_sockets(), 6);
    drop(streams);
    stage.runtime.run_until_idle();
    assert_eq!(stage.recorder.open_sockets(), 0);
}

/// Over real sockets and in real time, for connections are the transport's own affair.
#[tokio::test]
async fn requests_and_streams_together_open_two_connections_a_second() {
    let venue = OandaVenue::builder().build().unwrap();
    let account = venue.account().clone();
    let server = LoopbackServer::start(share(venue), Arc::new(SystemClock::new()))
        .await
        .unwrap();
    let url: url::Url = server.url().parse().unwrap();
    let config = OandaConfig::new(OandaVenue::TOKEN)
        .with_base_url(url.clone())
        .with_stream_url(url);
    let broker = OandaBroker::new(config).unwrap();
    let stream = broker.subscribe(&Subscription::account(&account)).await.unwrap();
    // 120 a second take long enough for a third connection, however fast the venue answers.
    let reads = join_all((0..300).map(|_| broker.positions(&account))).await;
    assert!(reads.iter().all(Result::is_ok));
    let taken = server.recorder().connections();
    // The stream's and the first request's; the burst was answered before it could have sixteen more.
    assert!(taken.len() >= 3, "{taken:?}");
    for three in taken.windows(3) {
        let span = (three[2] - three[0]).as_seconds_f64();
        // It is taken here somewhat after it was opened, on a busy machine more so: hence the fifth.
        assert!(span >= 0.8, "three connections within {span} s: {taken:?}");
    }
    drop(stream);
    server.shutdown().await;
}
