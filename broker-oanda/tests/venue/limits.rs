//! 120 requests a second from one address, two streams opened a second, and twenty at a time.

use std::sync::Arc;
use std::time::Duration;

use broker_core::model::Subscription;
use broker_core::seam::Clock;
use broker_core::{Broker, Streaming};
use broker_oanda::venue::OandaVenue;
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
