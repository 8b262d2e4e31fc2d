//! What answers teach: others' use, changed limits, refusals, refunds.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use broker_core::capability::LimitRule;
use broker_core::limit::{BucketKey, Lane, Lesson, Snapshot};
use broker_core::seam::{Clock, SeededRng, Spawn};
use chrono::DateTime;

use crate::order::{Bench, costs};
use crate::venue::{Latency, Venue};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

fn bench() -> Bench {
    Bench::new(&[(
        "key",
        LimitRule::Window {
            limit: 200,
            per: MINUTE,
        },
    )])
}

fn key() -> BucketKey {
    BucketKey::from("key")
}

fn remaining(remaining: u32) -> Lesson {
    Lesson::Remaining {
        limit: None,
        remaining,
        resets_at: None,
    }
}

impl Bench {
    async fn call(&self, lesson: Lesson) {
        self.acquire(&["key"], Lane::Read).await.finish(&[(key(), lesson)]);
    }

    fn now(&self) -> Snapshot {
        self.limiter.snapshot(&key()).unwrap()
    }
}

#[test]
fn others_use_is_the_count_less_ours() {
    let bench = bench();
    bench.runtime.block_on(async {
        // 200 - 150 - 1 - 0 answered before.
        bench.call(remaining(150)).await;
        assert_eq!(bench.now().others, 49);
        // 200 - 140 - 1 - 1.
        bench.call(remaining(140)).await;
        assert_eq!(bench.now().others, 58);
        // Two under way at once: the one that arrived first says 139, the other 138. Neither was an other's.
        let first = bench.acquire(&["key"], Lane::Read).await;
        let second = bench.acquire(&["key"], Lane::Read).await;
        second.finish(&[(key(), remaining(138))]);
        first.finish(&[(key(), remaining(139))]);
        assert_eq!((bench.now().others, bench.now().used), (58, 4));
        // A lower count of a call sent later: the window turned, and one of ours counts.
        bench.clock.sleep(SECOND).await;
        bench.call(remaining(190)).await;
        assert_eq!(bench.now().others, 9);
        // What is known of others fades after a minute.
        bench.clock.sleep(MINUTE + SECOND).await;
        assert_eq!((bench.now().others, bench.now().used), (0, 0));
    });
}

#[test]
fn a_word_from_the_window_before_is_not_taken_for_this_one() {
    let bench = bench();
    let origin = DateTime::from_timestamp(1_767_225_600, 0).unwrap();
    let told = |remaining, minute: u32| Lesson::Remaining {
        limit: Some(200),
        remaining,
        resets_at: Some(origin + MINUTE * minute),
    };
    bench.runtime.block_on(async {
        bench.clock.sleep(SECOND * 59).await;
        let late = bench.acquire(&["key"], Lane::Read).await;
        bench.clock.sleep(SECOND * 2).await;
        bench.call(told(199, 2)).await;
        late.finish(&[(key(), told(20, 1))]);
        assert_eq!(bench.now().others, 0);
    });
}

#[test]
fn once_the_window_has_turned_others_are_expected_to_use_the_same_up_to_half() {
    let bench = bench();
    let origin = DateTime::from_timestamp(1_767_225_600, 0).unwrap();
    bench.runtime.block_on(async {
        let resets_at = Some(origin + SECOND * 20);
        bench
            .call(Lesson::Remaining {
                limit: Some(200),
                remaining: 0,
                resets_at,
            })
            .await;
        assert_eq!(bench.now().others, 199);
        // Nothing is left until the venue's window turns.
        let permit = bench.acquire(&["key"], Lane::Order).await;
        assert_eq!(bench.clock.elapsed(), SECOND * 20);
        assert_eq!(bench.now().others, 100);
        permit.finish(&[(key(), remaining(199))]);
        assert_eq!(bench.now().others, 0);
    });
}

#[test]
fn used_weight_and_a_changed_limit_are_taken_over() {
    let bench = bench();
    bench.runtime.block_on(async {
        bench.call(Lesson::Used { weight: 31 }).await;
        assert_eq!(bench.now().others, 30);
        let lesson = Lesson::Remaining {
            limit: Some(100),
            remaining: 68,
            resets_at: None,
        };
        bench.call(lesson).await;
        assert_eq!((bench.now().limit, bench.now().others), (100, 30));
    });
}

#[test]
fn half_of_the_limit_is_used_until_the_first_answer() {
    let bench = bench();
    bench.runtime.block_on(async {
        let mut permits = Vec::new();
        for _ in 0..100 {
            permits.push(bench.acquire(&["key"], Lane::Read).await);
        }
        let mut next = Box::pin(bench.acquire(&["key"], Lane::Read));
        assert!(futures_util::poll!(&mut next).is_pending());
        permits[0].answered();
        drop(next.await);
        for _ in 101..200 {
            permits.push(bench.acquire(&["key"], Lane::Read).await);
        }
        assert_eq!(bench.now().used, 200);
        assert_eq!(bench.clock.elapsed(), Duration::ZERO);
    });
}

#[test]
fn a_refusal_with_seconds_closes_the_bucket_for_all_until_then() {
    let bench = bench();
    bench.runtime.block_on(async {
        bench
            .call(Lesson::Refused {
                wait: Some(SECOND * 30),
            })
            .await;
        assert_eq!(bench.now().closed_until, Some(Duration::from_millis(30_002)));
        // A shorter one of a call that was under way beside it does not open it.
        let other = bench.limiter.clone();
        let permit = other.acquire(&costs(&["key"]), Lane::Cancel).await.unwrap();
        assert_eq!(bench.clock.elapsed(), Duration::from_millis(30_002));
        permit.finish(&[]);
        assert_eq!(bench.now().closed_until, None);
    });
}

#[test]
fn a_shorter_refusal_does_not_open_what_a_longer_one_closed() {
    let bench = bench();
    bench.runtime.block_on(async {
        let (one, two) = (
            bench.acquire(&["key"], Lane::Read).await,
            bench.acquire(&["key"], Lane::Read).await,
        );
        one.finish(&[(
            key(),
            Lesson::Refused {
                wait: Some(SECOND * 30),
            },
        )]);
        two.finish(&[(key(), Lesson::Refused { wait: Some(SECOND) })]);
        assert_eq!(bench.now().closed_until, Some(Duration::from_millis(30_002)));
    });
}

#[test]
fn a_refusal_without_a_hint_closes_until_the_window_turns() {
    let bench = bench();
    let origin = DateTime::from_timestamp(1_767_225_600, 0).unwrap();
    bench.runtime.block_on(async {
        bench.clock.sleep(SECOND * 7).await;
        bench.call(Lesson::Refused { wait: None }).await;
        assert_eq!(bench.now().closed_until, Some(Duration::from_millis(67_002)));
        let permit = bench.acquire(&["key"], Lane::Read).await;
        assert_eq!(bench.clock.elapsed(), Duration::from_millis(67_002));
        // A count beside the refusal says when the venue's own window turns.
        let resets_at = Some(origin + SECOND * 90);
        let count = Lesson::Remaining {
            limit: Some(200),
            remaining: 0,
            resets_at,
        };
        permit.finish(&[(key(), Lesson::Refused { wait: None }), (key(), count)]);
        assert_eq!(bench.now().closed_until, Some(Duration::from_millis(90_002)));
    });
}

#[test]
fn a_refusal_closes_a_bucket_that_the_call_did_not_name() {
    let bench = Bench::new(&[
        (
            "key",
            LimitRule::Window {
                limit: 200,
                per: MINUTE,
            },
        ),
        (
            "address",
            LimitRule::Window {
                limit: 1000,
                per: MINUTE,
            },
        ),
    ]);
    bench.runtime.block_on(async {
        let banned = (
            BucketKey::from("address"),
            Lesson::Refused {
                wait: Some(SECOND * 120),
            },
        );
        let unknown = (BucketKey::from("nobody"), Lesson::Refused { wait: None });
        bench.acquire(&["key"], Lane::Read).await.finish(&[banned, unknown]);
        drop(bench.acquire(&["key"], Lane::Read).await);
        assert_eq!(bench.clock.elapsed(), Duration::ZERO);
        drop(bench.acquire(&["address"], Lane::Read).await);
        assert_eq!(bench.clock.elapsed(), Duration::from_millis(120_002));
    });
}

#[test]
fn a_refund_gives_its_weight_back_at_once() {
    let bench = bench();
    bench.runtime.block_on(async {
        bench.call(remaining(199)).await;
        bench.clock.sleep(SECOND).await;
        let mut cost = costs(&["key"]);
        cost[0].weight = 10;
        let mut permit = bench.limiter.acquire(&cost, Lane::Read).await.unwrap();
        permit.answered();
        bench.clock.sleep(SECOND).await;
        bench.call(remaining(188)).await;
        assert_eq!(bench.now().used, 12);
        permit.finish(&[(key(), Lesson::Refund { weight: 8 })]);
        assert_eq!(bench.now().used, 4);
        // No more than the call paid.
        bench.call(Lesson::Refund { weight: 50 }).await;
        assert_eq!(bench.now().used, 4);
    });
}

/// Another client uses the key at an even rate of its own; ours asks for all it can get.
#[test]
fn a_key_that_others_use_is_shared_without_a_refusal() {
    let bench = bench();
    let venue = Arc::new(Mutex::new(Fixed {
        window: 0,
        count: 0,
        refused: 0,
        ours: 0,
    }));
    let (clock, second) = (bench.clock.clone(), Arc::clone(&venue));
    bench.clock.spawn(Box::pin(async move {
        loop {
            clock.sleep(Duration::from_millis(730)).await;
            second.lock().unwrap().arrive(clock.elapsed());
        }
    }));
    let rng = Arc::new(SeededRng::new(5));
    for _ in 0..16 {
        let (limiter, clock, venue) = (bench.limiter.clone(), bench.clock.clone(), Arc::clone(&venue));
        let rng = Arc::clone(&rng);
        bench.clock.spawn(Box::pin(async move {
            clock.sleep(SECOND * 20).await;
            loop {
                let permit = limiter.acquire(&costs(&["key"]), Lane::Read).await.unwrap();
                clock.sleep(Latency::USUAL.draw(&rng)).await;
                let lesson = {
                    let mut venue = venue.lock().unwrap();
                    let taken = venue.arrive(clock.elapsed());
                    venue.refused += u32::from(!taken);
                    venue.ours += u32::from(taken);
                    venue.lesson()
                };
                clock.sleep(Latency::USUAL.draw(&rng)).await;
                permit.finish(&[(key(), lesson)]);
            }
        }));
    }
    bench.runtime.block_on(bench.clock.sleep(MINUTE * 60));
    let venue = venue.lock().unwrap();
    println!(
        "shared key: {} of ours taken in an hour, {} refused",
        venue.ours, venue.refused
    );
    assert_eq!(venue.refused, 0);
    // 200 a minute, less the 83 of the other and what is kept free.
    assert!(venue.ours > 60 * 100, "{}", venue.ours);
}

/// Counts both clients in fixed minutes.
struct Fixed {
    window: u64,
    count: u32,
    refused: u32,
    ours: u32,
}

impl Fixed {
    fn arrive(&mut self, now: Duration) -> bool {
        if now.as_secs() / 60 != self.window {
            (self.window, self.count) = (now.as_secs() / 60, 0);
        }
        self.count += u32::from(self.count < 200);
        self.count < 200
    }

    fn lesson(&self) -> Lesson {
        let turn = i64::try_from((self.window + 1) * 60).unwrap();
        Lesson::Remaining {
            limit: Some(200),
            remaining: 200 - self.count,
            resets_at: DateTime::from_timestamp(1_767_225_600 + turn, 0),
        }
    }
}

#[test]
fn the_venue_of_these_tests_counts_both_ways() {
    // 2 a second: the third within 1 s is over the span, though a new second began.
    let mut venue = Venue::new(2, SECOND);
    let ms = Duration::from_millis;
    let taken: Vec<bool> = [600, 900, 1100, 1600, 1899, 1900]
        .map(|at| venue.arrive(ms(at), 1))
        .into();
    assert_eq!(taken, [true, true, false, true, false, true]);
    assert_eq!((venue.accepted, venue.refused), (4, 2));
}
