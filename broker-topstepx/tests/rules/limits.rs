//! 200 requests in 60 seconds, and 50 for bars in 30 seconds on top of them: both are kept and used.

use std::time::Duration;

use broker_core::model::{CandleQuery, Interval};
use broker_core::seam::Clock;
use broker_core::{Broker, MarketData};
use futures_util::future::join_all;

use super::common::at;
use super::desk::{Desk, MES_ID, NOW, practice};

/// How long a load takes that uses 95 of 100, where the first window's requests go out at once.
fn planned(asked: u32, (count, window): (u32, u32)) -> Duration {
    Duration::from_secs(u64::from(window)) * (asked - count) * 100 / (count * 95)
}

#[test]
fn bars_have_a_bucket_of_their_own() {
    let desk = Desk::new(practice);
    desk.run(|broker, account| async move { broker.positions(&account).await.unwrap() });
    let began = desk.runtime.clock().elapsed();
    let asked = 500;
    let query = CandleQuery::new(
        MES_ID.into(),
        Interval::Minutes(1),
        at(NOW) - chrono::Duration::minutes(1),
        at(NOW),
    );
    let reads = (0..asked).map(|_| desk.broker.candles(&query, None));
    let both = async {
        let positions = async {
            desk.runtime.clock().sleep(Duration::from_secs(1)).await;
            let asked = desk.runtime.clock().elapsed();
            desk.broker.positions(&desk.account).await.unwrap();
            desk.runtime.clock().elapsed() - asked
        };
        futures_util::future::join(join_all(reads), positions).await
    };
    let (done, waited) = desk.runtime.block_on(both);
    assert!(done.iter().all(Result::is_ok));
    let took = desk.runtime.clock().elapsed() - began;
    assert_eq!(desk.venue().refused(), 0);
    println!("{asked} requests for bars took {took:?}");
    // (500 - 50) / 50 windows of 30 s are 270 s.
    assert!(took >= Duration::from_secs(269), "{took:?}");
    assert!(took <= planned(asked, (50, 30)), "{took:?}");
    assert!(waited < Duration::from_millis(100), "others waited {waited:?} for bars");
}

#[test]
fn all_other_requests_share_the_other() {
    let desk = Desk::new(practice);
    desk.run(|broker, account| async move { broker.positions(&account).await.unwrap() });
    desk.wait(60);
    let began = desk.runtime.clock().elapsed();
    let asked = 2_000;
    let reads = (0..asked).map(|_| desk.broker.positions(&desk.account));
    let done = desk.runtime.block_on(join_all(reads));
    assert!(done.iter().all(Result::is_ok));
    let took = desk.runtime.clock().elapsed() - began;
    assert_eq!(desk.venue().refused(), 0);
    println!("{asked} requests took {took:?}");
    // (2,000 - 200) / 200 windows of 60 s are 540 s.
    assert!(took >= Duration::from_secs(539), "{took:?}");
    assert!(took <= planned(asked, (200, 60)), "{took:?}");
}
