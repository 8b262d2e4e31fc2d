//! How a subscription begins.

use std::time::Duration;

use broker_core::model::Subscription;
use broker_core::{Error, ErrorKind};

use super::bench::{Bench, unavailable};
use super::literals::account;

#[test]
fn it_is_ready_once_every_feed_has_been_confirmed() {
    let bench = Bench::new();
    bench.venue.books().confirms = false;
    let all = Subscription::account(&account());
    bench.runtime.block_on(async {
        let second = bench.sleep(3.0);
        let confirm = async {
            second.await;
            bench.venue.say("ready");
        };
        let feeds = vec![bench.feed(), bench.feed()];
        let (events, ()) = futures_util::join!(bench.subscribe_with(&all, feeds), confirm);
        assert_eq!(bench.clock_seconds(), 3);
        drop(events.unwrap());
    });
    assert_eq!(bench.runtime.run_until_idle(), 0);
}

#[test]
fn a_subscription_to_nothing_is_refused() {
    let bench = Bench::new();
    let refused = bench
        .runtime
        .block_on(bench.subscribe_with(&Subscription::default(), Vec::new()));
    assert_eq!(refused.err().unwrap().kind(), ErrorKind::InvalidRequest);
}

#[test]
fn an_error_that_cannot_heal_is_told_at_once() {
    let bench = Bench::new();
    let dead = Error::new(ErrorKind::Auth).with_message("no such key");
    bench.venue.books().refusals.push_back(dead);
    let refused = bench.runtime.block_on(bench.subscribe()).err().unwrap();
    assert_eq!(
        refused.to_string(),
        "scripted subscribe: authentication refused: no such key"
    );
    assert_eq!(bench.clock_seconds(), 0);
    assert_eq!(bench.runtime.run_until_idle(), 0);
}

#[test]
fn a_fatal_close_before_the_confirmation_is_told_at_once() {
    let bench = Bench::new();
    bench.venue.books().confirms = false;
    bench.runtime.block_on(async {
        let refuse = async {
            bench.sleep(2.0).await;
            bench.venue.say("fatal not for this key");
        };
        let (refused, ()) = futures_util::join!(bench.subscribe(), refuse);
        assert_eq!(refused.err().unwrap().message(), Some("not for this key"));
    });
    assert_eq!(bench.runtime.run_until_idle(), 0);
}

#[test]
fn one_feed_that_cannot_heal_ends_all() {
    let bench = Bench::new();
    let all = Subscription::account(&account());
    // The first one stands, the second one is refused.
    bench.venue.books().refusals.extend([
        unavailable("busy"),
        Error::new(ErrorKind::Permission).with_message("no market data"),
    ]);
    let feeds = vec![bench.feed(), bench.feed()];
    let refused = bench.runtime.block_on(bench.subscribe_with(&all, feeds)).err().unwrap();
    assert_eq!(refused.message(), Some("no market data"));
    assert_eq!(bench.runtime.run_until_idle(), 0);
    assert_eq!(bench.venue.wires(), 0);
}

#[test]
fn what_may_heal_is_tried_for_a_minute() {
    let bench = Bench::new();
    let down = (0..1_000).map(|_| unavailable("the venue is down"));
    bench.venue.books().refusals.extend(down);
    let refused = bench.runtime.block_on(bench.subscribe()).err().unwrap();
    assert_eq!(refused.message(), Some("the venue is down"));
    assert_eq!(bench.clock_seconds(), 60);
    assert_eq!(bench.runtime.run_until_idle(), 0);
    let tries = bench.venue.count("open");
    assert!((5..40).contains(&tries), "{tries} tries");
}

#[test]
fn a_handshake_without_an_end_is_given_up_after_15_seconds() {
    let bench = Bench::new();
    bench.venue.books().confirms = false;
    let refused = bench.runtime.block_on(bench.subscribe()).err().unwrap();
    assert_eq!(
        refused.message(),
        Some("the venue did not confirm the subscription in time")
    );
    let asked = bench.venue.books().asked.clone();
    let opened: Vec<Duration> = asked.into_iter().map(|(at, _)| at).collect();
    let next = opened[1].as_millis();
    assert!((15_000..=15_500).contains(&next), "{next}");
    assert_eq!(bench.clock_seconds(), 60);
}

#[test]
fn an_opening_without_an_end_is_given_up_after_15_seconds() {
    let bench = Bench::new();
    bench.venue.books().open_takes = Duration::from_secs(1_000);
    let refused = bench.runtime.block_on(bench.subscribe()).err().unwrap();
    assert_eq!(refused.message(), Some("the stream was not open in time"));
    assert_eq!(bench.runtime.run_until_idle(), 0);
}

#[test]
fn the_next_step_of_a_handshake_is_sent() {
    let bench = Bench::new();
    bench.venue.books().confirms = false;
    bench.runtime.block_on(async {
        let shake = async {
            bench.sleep(1.0).await;
            bench.venue.say("send token");
            bench.sleep(1.0).await;
            bench.venue.say("ready");
        };
        let (events, ()) = futures_util::join!(bench.subscribe(), shake);
        drop(events.unwrap());
    });
    let heard = bench.venue.books().heard.clone();
    let second = Duration::from_secs(1);
    assert_eq!(
        heard,
        [(Duration::ZERO, "hello 1".to_owned()), (second, "token".to_owned())]
    );
}
