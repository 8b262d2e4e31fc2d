//! What the pipeline pays at the limiter, and when it gives back.
#![cfg(feature = "http")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod http_kit;

use std::time::Duration;

use broker_core::Delivery;
use broker_core::capability::LimitRule;
use broker_core::journal::Gate;
use broker_core::limit::BucketKey;
use futures_util::StreamExt;
use http_kit::{Bench, Piece, Step, answer, fail, get, post};

const WINDOW: LimitRule = LimitRule::Window {
    limit: 1,
    per: Duration::from_secs(10),
};

fn used(bench: &Bench, bucket: &BucketKey) -> u32 {
    bench.http.context().limiter().snapshot(bucket).unwrap().used
}

#[test]
fn each_attempt_pays() {
    let bench = Bench::new([answer(503, ""), answer(503, ""), answer(200, "")]);
    let bucket = BucketKey::from("orders");
    bench.http.context().limiter().define(&bucket, WINDOW);
    bench.run(get().costs(&bucket, 1)).unwrap();
    let times = bench.times();
    assert_eq!(times.len(), 3);
    assert!(times[1] >= 10_000 && times[2] >= times[1] + 10_000, "{times:?}");
}

#[test]
fn what_was_not_sent_is_given_back() {
    let bucket = BucketKey::from("orders");
    let bench = Bench::new([fail(Delivery::NotSent), answer(200, "")]);
    bench.http.context().limiter().define(&bucket, WINDOW);
    bench.run(post().costs(&bucket, 1)).unwrap();
    assert_eq!(bench.times(), [0, 250], "the second attempt has its room at once");

    let bench = Bench::new([]);
    bench.http.context().limiter().define(&bucket, WINDOW);
    let gate = Gate::new();
    gate.close();
    bench.run(post().costs(&bucket, 1).gated(&gate)).unwrap_err();
    assert_eq!(used(&bench, &bucket), 0);
}

#[test]
fn a_call_that_may_have_arrived_has_paid() {
    let bucket = BucketKey::from("orders");
    let bench = Bench::new([fail(Delivery::Unknown)]);
    bench.http.context().limiter().define(&bucket, WINDOW);
    bench.run(post().costs(&bucket, 1)).unwrap_err();
    assert_eq!(used(&bench, &bucket), 1);
}

#[test]
fn a_slot_is_stamped_at_the_head_not_at_the_end_of_the_body() {
    let slow = Step::Answer(
        200,
        vec![],
        vec![Piece::Wait(Duration::from_secs(9)), Piece::Data(b"x")],
    );
    let bench = Bench::new([slow, answer(200, "")]);
    let bucket = BucketKey::from("orders");
    bench.http.context().limiter().define(&bucket, WINDOW);
    bench.run(get().costs(&bucket, 1)).unwrap();
    bench.run(get().costs(&bucket, 1)).unwrap();
    let second = bench.times()[1];
    assert!((10_000..11_000).contains(&second), "{second}");
}

#[test]
fn a_stream_is_open_until_it_is_dropped() {
    let bench = Bench::new([answer(200, "x")]);
    let bucket = BucketKey::from("streams");
    let rule = LimitRule::Open { limit: 1 };
    bench.http.context().limiter().define(&bucket, rule);
    bench.runtime.block_on(async {
        let mut body = bench.http.stream(get().costs(&bucket, 1)).await.unwrap();
        assert_eq!(body.next().await.unwrap().unwrap(), "x");
        assert_eq!(used(&bench, &bucket), 1);
        drop(body);
        assert_eq!(used(&bench, &bucket), 0);
    });
}
