//! A counter that falls by itself, against venues that let it fall evenly or at a beat of their own.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use broker_core::ErrorKind;
use broker_core::capability::LimitRule;
use broker_core::limit::{BucketKey, Cost, Lane, Lesson, Limiter};
use broker_core::seam::{Clock, SeededRng, Spawn, VirtualClock, VirtualRuntime};
use proptest::prelude::*;

use crate::venue::Latency;

const SECOND: u128 = 1_000_000_000;
const HOUR: Duration = Duration::from_secs(3600);

/// How a venue's counter falls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Falls {
    Evenly,
    /// Whole points, at multiples of the time that a point takes.
    InPoints,
    /// What a second takes off, at each full second.
    BySeconds,
}

/// Counts in points times `per`, on its own.
struct Venue {
    limit: u32,
    falls: u32,
    per: Duration,
    how: Falls,
    level: u128,
    at: u128,
    taken: u64,
    refused: u64,
}

impl Venue {
    fn new(limit: u32, falls: u32, per: Duration, how: Falls) -> Self {
        Self {
            limit,
            falls,
            per,
            how,
            level: 0,
            at: 0,
            taken: 0,
            refused: 0,
        }
    }

    fn arrive(&mut self, now: Duration, weight: u32) {
        let (now, per, falls) = (now.as_nanos(), self.per.as_nanos(), u128::from(self.falls));
        let fallen = match self.how {
            Falls::Evenly => (now - self.at) * falls,
            // Whole points, counted from the venue's start.
            Falls::InPoints => (now * falls / per - self.at * falls / per) * per,
            Falls::BySeconds => (now / SECOND - self.at / SECOND) * SECOND * falls,
        };
        self.level = self.level.saturating_sub(fallen);
        self.at = now;
        let more = self.level + u128::from(weight) * per;
        if more <= u128::from(self.limit) * per {
            self.level = more;
            self.taken += u64::from(weight);
        } else {
            self.refused += 1;
        }
    }
}

fn limiter(limit: u32, falls: u32, per: Duration) -> (VirtualRuntime, VirtualClock, Limiter, BucketKey) {
    let runtime = VirtualRuntime::new();
    let clock = runtime.clock();
    let limiter = Limiter::new(Arc::new(clock.clone()));
    let bucket = BucketKey::from("counter");
    limiter.define(&bucket, LimitRule::Decay { limit, falls, per });
    (runtime, clock, limiter, bucket)
}

/// An hour of more calls than the counter permits.
fn saturated(limit: u32, falls: u32, per: Duration, weights: &'static [u32], how: Falls) -> Venue {
    let (runtime, clock, limiter, bucket) = limiter(limit, falls, per);
    let venue = Arc::new(Mutex::new(Venue::new(limit, falls, per, how)));
    let rng = Arc::new(SeededRng::new(3));
    for task in 0..16 {
        let (limiter, clock, bucket) = (limiter.clone(), clock.clone(), Arc::clone(&bucket));
        let (venue, rng) = (Arc::clone(&venue), Arc::clone(&rng));
        runtime.clock().spawn(Box::pin(async move {
            for weight in weights.iter().cycle().skip(task) {
                let cost = [Cost {
                    bucket: Arc::clone(&bucket),
                    weight: *weight,
                }];
                let permit = limiter.acquire(&cost, Lane::Read).await.unwrap();
                clock.sleep(Latency::USUAL.draw(&rng)).await;
                venue.lock().unwrap().arrive(clock.elapsed(), *weight);
                clock.sleep(Latency::USUAL.draw(&rng)).await;
                permit.finish(&[]);
            }
        }));
    }
    runtime.block_on(clock.sleep(HOUR));
    let empty = Venue::new(1, 1, HOUR, how);
    std::mem::replace(&mut *venue.lock().unwrap(), empty)
}

#[test]
fn what_falls_is_used_and_nothing_is_refused() {
    let per = Duration::from_secs(100);
    // Kraken's tiers for reads, and its counters of orders for each pair.
    for (limit, falls) in [(15, 33), (20, 50), (20, 100), (60, 100), (125, 234), (180, 375)] {
        for weights in [&[1][..], &[2], &[1, 2, 4]] {
            for how in [Falls::Evenly, Falls::InPoints, Falls::BySeconds] {
                let venue = saturated(limit, falls, per, weights, how);
                let reachable = u64::from(falls) * 36;
                println!(
                    "{limit}, {falls} in 100 s, weights {weights:?}, {how:?}: {} of {reachable} taken, {} refused",
                    venue.taken, venue.refused
                );
                assert_eq!(venue.refused, 0);
                assert!(venue.taken * 100 >= reachable * 95, "{}", venue.taken);
            }
        }
    }
}

#[test]
fn the_first_burst_is_half_and_a_call_too_heavy_for_it_goes_alone() {
    let (runtime, clock, limiter, bucket) = limiter(15, 1, Duration::from_secs(3));
    let cost = |weight| {
        [Cost {
            bucket: Arc::clone(&bucket),
            weight,
        }]
    };
    runtime.block_on(async {
        // Half of 14, until an answer shows that nobody used the rest.
        let first = limiter.acquire(&cost(7), Lane::Read).await.unwrap();
        first.finish(&[]);
        assert_eq!(limiter.snapshot(&bucket).unwrap().used, 7);
        limiter.acquire(&cost(7), Lane::Read).await.unwrap().finish(&[]);
        assert_eq!(
            (limiter.snapshot(&bucket).unwrap().used, clock.elapsed()),
            (14, Duration::ZERO)
        );
        // Two points take six seconds.
        limiter.acquire(&cost(2), Lane::Read).await.unwrap().finish(&[]);
        assert_eq!(clock.elapsed(), Duration::from_secs(6));
        // Heavier than what is ever free beside the spare point: it waits until all 14 are gone.
        limiter.acquire(&cost(15), Lane::Read).await.unwrap().finish(&[]);
        assert_eq!(clock.elapsed(), Duration::from_secs(6 + 42));
        let error = limiter.acquire(&cost(16), Lane::Read).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
    });
}

#[test]
fn a_refusal_means_that_the_counter_is_full() {
    let (runtime, clock, limiter, bucket) = limiter(20, 1, Duration::from_secs(1));
    let cost = [Cost {
        bucket: Arc::clone(&bucket),
        weight: 1,
    }];
    runtime.block_on(async {
        let permit = limiter.acquire(&cost, Lane::Read).await.unwrap();
        permit.finish(&[(Arc::clone(&bucket), Lesson::Refused { wait: None })]);
        assert_eq!(limiter.snapshot(&bucket).unwrap().used, 20);
        // Closed until half is gone: ten seconds, and a margin of 2 ms.
        limiter.acquire(&cost, Lane::Read).await.unwrap().finish(&[]);
        assert_eq!(clock.elapsed(), Duration::from_millis(10_002));
        // With a hint, the hint; the counter goes on falling meanwhile.
        let hint = Lesson::Refused {
            wait: Some(Duration::from_secs(15)),
        };
        let permit = limiter.acquire(&cost, Lane::Read).await.unwrap();
        permit.finish(&[(Arc::clone(&bucket), hint)]);
        limiter.acquire(&cost, Lane::Read).await.unwrap().finish(&[]);
        assert_eq!(clock.elapsed(), Duration::from_millis(25_004));
        assert_eq!(limiter.snapshot(&bucket).unwrap().used, 6);
    });
}

#[test]
fn the_venues_count_is_believed_where_it_is_higher_and_what_is_given_back_is_free() {
    let (runtime, _, limiter, bucket) = limiter(20, 1, Duration::from_secs(1));
    let cost = [Cost {
        bucket: Arc::clone(&bucket),
        weight: 4,
    }];
    let lesson = |lesson| [(Arc::clone(&bucket), lesson)];
    let used = || limiter.snapshot(&bucket).unwrap().used;
    runtime.block_on(async {
        let permit = limiter.acquire(&cost, Lane::Read).await.unwrap();
        permit.finish(&lesson(Lesson::Used { weight: 9 }));
        assert_eq!(used(), 9);
        let permit = limiter.acquire(&cost, Lane::Read).await.unwrap();
        permit.finish(&lesson(Lesson::Used { weight: 2 }));
        assert_eq!(used(), 13);
        let permit = limiter.acquire(&cost, Lane::Read).await.unwrap();
        permit.finish(&lesson(Lesson::Refund { weight: 3 }));
        assert_eq!(used(), 14);
        limiter.acquire(&cost, Lane::Read).await.unwrap().unsent();
        assert_eq!(used(), 14);
    });
}

/// A call: when it comes, its weight, how long each way takes, and what becomes of its permit.
type Plan = (u64, u32, u64, u64, u8);

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Wherever between its send and its answer a call is counted, the counter never passes its limit.
    #[test]
    fn no_counter_is_ever_over(
        limit in 10..20u32,
        falls in 1..400u32,
        how in 0..3usize,
        plans in prop::collection::vec((0..60_000u64, 1..5u32, 0..20_000u64, 0..20_000u64, 0..3u8), 1..80),
    ) {
        let per = Duration::from_secs(100);
        let (runtime, clock, limiter, bucket) = limiter(limit, falls, per);
        let how = [Falls::Evenly, Falls::InPoints, Falls::BySeconds][how];
        let venue = Arc::new(Mutex::new(Venue::new(limit, falls, per, how)));
        let sent = plans.iter().filter(|plan| plan.4 != 2).map(|plan| u64::from(plan.1)).sum::<u64>();
        for (comes, weight, there, back, end) in plans as Vec<Plan> {
            let (limiter, clock, venue) = (limiter.clone(), clock.clone(), Arc::clone(&venue));
            let cost = [Cost { bucket: Arc::clone(&bucket), weight }];
            runtime.clock().spawn(Box::pin(async move {
                let ms = Duration::from_millis;
                clock.sleep(ms(comes)).await;
                let permit = limiter.acquire(&cost, Lane::Order).await.unwrap();
                if end == 2 {
                    permit.unsent();
                    return;
                }
                clock.sleep(ms(there)).await;
                venue.lock().unwrap().arrive(clock.elapsed(), weight);
                clock.sleep(ms(back)).await;
                match end {
                    0 => permit.finish(&[]),
                    _ => drop(permit),
                }
            }));
        }
        prop_assert_eq!(runtime.run_until_idle(), 0);
        let venue = venue.lock().unwrap();
        prop_assert_eq!((venue.taken, venue.refused), (sent, 0));
    }
}
