//! What the pipeline repeats, when, and when it stops: exact times, for chance draws the longest wait.
#![cfg(feature = "http")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod http_kit;

use std::sync::Arc;
use std::time::Duration;

use broker_core::retry::{RetryPolicy, RetryQuota};
use broker_core::{Delivery, ErrorKind};
use http_kit::{Bench, Piece, Step, answer, fail, get, post, sign_in, with_header};

#[test]
fn reads_and_sign_ins_are_repeated_with_longer_waits() {
    for call in [get(), sign_in()] {
        let bench = Bench::new([
            answer(500, ""),
            fail(Delivery::Unknown),
            answer(502, ""),
            answer(200, "ok"),
        ]);
        assert_eq!(bench.run(call).unwrap(), "ok");
        assert_eq!(bench.times(), [0, 250, 750, 1750]);
    }
}

#[test]
fn the_last_error_comes_when_the_attempts_run_out() {
    let bench = Bench::new([answer(500, "1"), answer(500, "2"), answer(500, "3"), answer(503, "4")]);
    let error = bench.run(get()).unwrap_err();
    assert_eq!(error.to_string(), "demo orders: unavailable (HTTP 503): 4");
    assert_eq!(bench.sent().len(), 4);
}

#[test]
fn a_body_that_cannot_be_read_is_asked_again_for_reads() {
    let cut = Step::Answer(200, vec![], vec![Piece::Data(b"4"), Piece::Break]);
    let garbled = Step::Answer(200, vec![], vec![Piece::Data(&[0xff, 0xfe])]);
    let bench = Bench::new([cut, garbled, answer(200, "{\"trunc"), answer(200, "42")]);
    assert_eq!(bench.run_number(get()).unwrap(), 42);

    let bench = Bench::new([
        answer(200, "<html>"),
        answer(200, ""),
        answer(200, "{"),
        answer(200, "x"),
    ]);
    let error = bench.run_number(get()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "demo orders: unreadable answer (HTTP 200): not a number"
    );
    assert_eq!(error.delivery(), Delivery::Answered);
}

#[test]
fn what_will_be_refused_again_is_not_repeated() {
    for status in [400, 403, 404, 422, 501] {
        let bench = Bench::new([answer(status, "")]);
        assert_eq!(bench.run(get()).unwrap_err().status(), Some(status));
        assert_eq!(bench.sent().len(), 1);
    }
}

#[test]
fn a_write_is_repeated_when_nothing_was_sent_or_done() {
    let bench = Bench::new([
        fail(Delivery::NotSent),
        with_header(429, "x-nothing-done", "1"),
        answer(200, "placed"),
    ]);
    assert_eq!(bench.run(post()).unwrap(), "placed");
    assert_eq!(bench.times(), [0, 250, 750]);
}

#[test]
fn a_write_that_may_have_arrived_is_never_repeated() {
    let bench = Bench::new([fail(Delivery::NotSent), fail(Delivery::Unknown)]);
    let error = bench.run(post()).unwrap_err();
    assert_eq!(error.delivery(), Delivery::Unknown, "the later attempt decides");
    assert_eq!(bench.sent().len(), 2);

    let bench = Bench::new([Step::Silence]);
    let error = bench.run(post()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "demo place: unavailable: nothing came for 10000 ms; the venue is slow or the connection is cut; check the network"
    );
    assert_eq!(bench.sent().len(), 1);
}

#[test]
fn retry_after_is_kept_as_seconds_as_a_date_and_when_absent() {
    // The first request is sent at 2026-01-01T00:00:00Z; on top of a hint comes the jitter's 250 ms.
    let table = [
        (with_header(429, "retry-after", "3"), 3_250),
        (with_header(429, "retry-after", "Thu, 01 Jan 2026 00:00:20 GMT"), 20_250),
        (with_header(429, "retry-after", "Wed, 31 Dec 2025 00:00:00 GMT"), 250),
        (with_header(503, "retry-after", "5"), 5_250),
        (answer(429, ""), 250),
    ];
    for (step, second) in table {
        let bench = Bench::new([step, answer(200, "ok")]);
        bench.run(get()).unwrap();
        assert_eq!(bench.times(), [0, second]);
    }
}

#[test]
fn a_hint_beyond_the_deadline_fails_at_once_and_says_when_to_come_again() {
    let bench = Bench::new([with_header(429, "retry-after", "121")]);
    let error = bench.run(get()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::RateLimited);
    assert_eq!(error.retry_after(), Some(Duration::from_secs(121)));
    assert_eq!(bench.elapsed_ms(), 0);
}

#[test]
fn the_deadline_is_kept() {
    let policy = RetryPolicy {
        attempts: 100,
        deadline: Duration::from_secs(24),
        ..RetryPolicy::default()
    };
    // Silence costs 20 s (connect 5 s + read 15 s); the second attempt gets what is left.
    let bench = Bench::new([Step::Silence, Step::Silence]);
    let http = bench.http.clone().with_retry(policy);
    let error = bench.runtime.block_on(http.run(get(), |_| Ok(()))).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_eq!(bench.times(), [0, 20_250]);
    assert_eq!(bench.elapsed_ms(), 24_000);

    // Fast failures: no attempt starts after the deadline, however many are allowed.
    let bench = Bench::new((0..100).map(|_| answer(503, "")));
    let http = bench.http.clone().with_retry(policy);
    bench.runtime.block_on(http.run(get(), |_| Ok(()))).unwrap_err();
    assert_eq!(bench.times(), [0, 250, 750, 1750, 3750, 7750, 15_750, 23_750, 24_000]);
}

#[test]
fn an_outage_is_not_amplified() {
    let bench = Bench::new((0..60).map(|_| answer(503, "")));
    let quota = Arc::new(RetryQuota::new(25));
    let http = bench.http.clone().with_quota(Arc::clone(&quota));
    for _ in 0..20 {
        bench.runtime.block_on(http.run(get(), |_| Ok(()))).unwrap_err();
    }
    assert_eq!(bench.sent().len(), 25, "20 calls and the 5 retries that 25 tokens buy");
    assert_eq!(quota.left(), 0);
}

#[test]
fn successes_fill_the_quota() {
    let steps = (0..7)
        .map(|_| answer(200, ""))
        .chain([answer(503, ""), answer(200, "")]);
    let bench = Bench::new(steps);
    let quota = Arc::new(RetryQuota::new(5));
    assert!(quota.spend());
    let http = bench.http.clone().with_quota(Arc::clone(&quota));
    for _ in 0..8 {
        bench.runtime.block_on(http.run(get(), |_| Ok(()))).unwrap();
    }
    assert_eq!(bench.sent().len(), 9);
    assert_eq!(
        quota.left(),
        1,
        "7 successes give at most 5 back, the retry spends 5, its success gives 1"
    );
}
