//! Connections that the venue counts with its calls.

use std::sync::Arc;
use std::time::Duration;

use broker_core::capability::LimitRule;
use broker_core::limit::{BucketKey, Cost, Lane, Limiter};
use broker_core::model::Subscription;
use broker_core::seam::Clock;

use super::bench::{Bench, Events, unavailable};
use super::literals::account;
use super::venue::limited;

/// A hundred a minute, of which a connection takes four.
fn four(bench: &Bench) -> (Limiter, Cost) {
    let limiter = bench.broker.context.limiter().clone();
    let bucket = BucketKey::from("scripted:weight");
    let per = Duration::from_secs(60);
    limiter.define(&bucket, LimitRule::Window { limit: 100, per });
    (limiter, Cost { bucket, weight: 4 })
}

/// Ten seconds after the start, with a connection that paid.
async fn standing(bench: &Bench) -> (Events, Limiter, Arc<str>) {
    let (limiter, cost) = four(bench);
    let bucket = Arc::clone(&cost.bucket);
    let mut feed = bench.feed();
    feed.pays = Some((limiter.clone(), cost));
    let subscription = Subscription::account(&account());
    let mut events = bench.subscribe_with(&subscription, vec![feed]).await.unwrap();
    bench.during(&mut events, 10.0).await;
    let known = limiter.snapshot(&bucket).unwrap();
    assert_eq!((known.used, known.closed_until), (4, None));
    (events, limiter, bucket)
}

/// How long a call waits that costs one.
async fn waits(bench: &Bench, limiter: &Limiter, bucket: &BucketKey) -> Duration {
    let before = bench.clock.elapsed();
    let cost = Cost {
        bucket: BucketKey::clone(bucket),
        weight: 1,
    };
    limiter.acquire(&[cost], Lane::Read).await.unwrap().finish(&[]);
    bench.clock.elapsed() - before
}

#[test]
fn a_limit_that_refuses_a_connection_closes_its_buckets_for_all() {
    let bench = Bench::new();
    bench.runtime.block_on(async {
        let (mut events, limiter, bucket) = standing(&bench).await;
        bench.venue.books().upgrades.push_back(limited(90));
        bench.venue.cut();
        assert_eq!(
            bench.during(&mut events, 2.0).await,
            ["disconnected 10: the stream ended"]
        );
        let asked = bench.venue.books().asked.clone();
        let (refused, _) = asked.iter().rfind(|(_, what)| what == "open").unwrap();
        // Two milliseconds are the limiter's margin.
        let closed = limiter.snapshot(&bucket).unwrap().closed_until.unwrap();
        assert_eq!(closed, *refused + Duration::from_millis(90_002));
        assert_eq!(waits(&bench, &limiter, &bucket).await, closed - Duration::from_secs(12));
    });
}

#[test]
fn so_does_one_that_refuses_it_in_a_frame() {
    let bench = Bench::new();
    bench.runtime.block_on(async {
        let (mut events, limiter, bucket) = standing(&bench).await;
        bench.venue.say("limited 30");
        assert_eq!(bench.during(&mut events, 2.0).await, ["disconnected 10: limited"]);
        let closed = limiter.snapshot(&bucket).unwrap().closed_until.unwrap();
        assert_eq!(closed, Duration::from_millis(10_000 + 30_000 + 2));
        assert_eq!(waits(&bench, &limiter, &bucket).await, Duration::from_millis(28_002));
    });
}

#[test]
fn any_other_end_closes_nothing() {
    let bench = Bench::new();
    bench.runtime.block_on(async {
        let (mut events, limiter, bucket) = standing(&bench).await;
        bench.venue.books().upgrades.push_back(unavailable("down"));
        bench.venue.say("closed maintenance");
        bench.during(&mut events, 5.0).await;
        let known = limiter.snapshot(&bucket).unwrap();
        // The first, the one that failed, and the third.
        assert_eq!((known.used, known.closed_until), (12, None));
        assert_eq!(waits(&bench, &limiter, &bucket).await, Duration::ZERO);
    });
}
