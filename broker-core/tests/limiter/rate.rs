//! Limits are used, and never broken: an hour of saturating load.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use broker_core::capability::LimitRule;
use broker_core::limit::{BucketKey, Cost, Lane, Limiter};
use broker_core::seam::{Clock, Rng, SeededRng, Spawn, VirtualRuntime};
use proptest::prelude::*;

use crate::venue::{Latency, Load, Venue};

const MINUTE: Duration = Duration::from_secs(60);
const SECOND: Duration = Duration::from_secs(1);

fn each_load(limit: u32, per: Duration) {
    for tasks in [1, 64] {
        for latency in [Latency::NONE, Latency::USUAL] {
            for headers in [false, true] {
                Load {
                    limit,
                    per,
                    tasks,
                    latency,
                    headers,
                }
                .holds();
            }
        }
    }
}

#[test]
fn two_hundred_a_minute_are_used_and_none_is_refused() {
    each_load(200, MINUTE);
}

#[test]
fn a_hundred_and_twenty_a_minute_are_used_and_none_is_refused() {
    each_load(120, MINUTE);
}

/// One task with a mean round trip of 50 ms can send 20 a second: its share is taken of those.
#[test]
fn fifty_a_second_are_used_and_none_is_refused() {
    each_load(50, SECOND);
}

#[test]
fn five_hundred_in_ten_seconds_are_used_and_none_is_refused() {
    let per = Duration::from_secs(10);
    Load {
        limit: 500,
        per,
        tasks: 64,
        latency: Latency::USUAL,
        headers: false,
    }
    .holds();
}

#[test]
fn long_and_uneven_round_trips_keep_the_rate_of_short_windows() {
    let ms = Duration::from_millis;
    for (each_way, jitter) in [(250, 10), (20, 30), (400, 2)] {
        let latency = Latency {
            each_way: ms(each_way),
            jitter: ms(jitter),
        };
        Load {
            limit: 50,
            per: SECOND,
            tasks: 64,
            latency,
            headers: false,
        }
        .holds();
    }
}

/// Idle and bursts by turns, on connections that are slow when they are new.
#[test]
fn bursts_in_a_short_window_are_not_refused() {
    for seed in 0..20 {
        let runtime = VirtualRuntime::new();
        let clock = runtime.clock();
        let limiter = Limiter::new(Arc::new(clock.clone()));
        let bucket = BucketKey::from("venue");
        limiter.define(&bucket, LimitRule::Window { limit: 50, per: SECOND });
        let venue = Arc::new(Mutex::new(Venue::new(50, SECOND)));
        let rng = Arc::new(SeededRng::new(seed));
        for _ in 0..60 {
            let (limiter, clock, bucket) = (limiter.clone(), clock.clone(), Arc::clone(&bucket));
            let (venue, rng) = (Arc::clone(&venue), Arc::clone(&rng));
            runtime.clock().spawn(Box::pin(async move {
                let cost = [Cost { bucket, weight: 1 }];
                loop {
                    let burst = Duration::from_secs(clock.elapsed().as_secs() / 7 * 7 + 7);
                    let pause = Duration::from_millis(rng.below(300));
                    clock.sleep(burst + pause - clock.elapsed()).await;
                    for call in 0..3 {
                        let permit = limiter.acquire(&cost, Lane::Order).await.unwrap();
                        let cold = Duration::from_millis(if call == 0 { 250 } else { 0 });
                        clock.sleep(cold + Latency::USUAL.draw(&rng)).await;
                        venue.lock().unwrap().arrive(clock.elapsed(), 1);
                        clock.sleep(Latency::USUAL.draw(&rng)).await;
                        permit.finish(&[]);
                    }
                }
            }));
        }
        runtime.block_on(clock.sleep(MINUTE * 10));
        let venue = venue.lock().unwrap();
        assert_eq!(venue.refused, 0, "seed {seed}");
        assert!(venue.accepted > 10_000, "{}", venue.accepted);
    }
}

/// A limiter that counts a call from its send on: what the venues of these tests must be able to catch.
#[test]
fn stamping_at_the_send_is_refused() {
    for (limit, per) in [(200, MINUTE), (120, MINUTE), (50, SECOND)] {
        let venue = naive_load(limit, per);
        println!(
            "stamped at the send, {limit} per {per:?}: {} refused of {}",
            venue.refused, venue.accepted
        );
        assert!(venue.refused > 0, "the venue did not notice");
    }
}

fn naive_load(limit: u32, per: Duration) -> Venue {
    let runtime = VirtualRuntime::new();
    let clock = runtime.clock();
    let venue = Arc::new(Mutex::new(Venue::new(limit, per)));
    let stamps = Arc::new(Mutex::new(VecDeque::<Duration>::new()));
    let rng = Arc::new(SeededRng::new(11));
    for _ in 0..64 {
        let (clock, venue, stamps, rng) = (clock.clone(), Arc::clone(&venue), Arc::clone(&stamps), Arc::clone(&rng));
        runtime.clock().spawn(Box::pin(async move {
            loop {
                let wait = naive_wait(&mut stamps.lock().unwrap(), limit, per, clock.elapsed());
                if let Some(wait) = wait {
                    clock.sleep(wait).await;
                    continue;
                }
                clock.sleep(Latency::USUAL.draw(&rng)).await;
                venue.lock().unwrap().arrive(clock.elapsed(), 1);
                clock.sleep(Latency::USUAL.draw(&rng)).await;
            }
        }));
    }
    runtime.block_on(clock.sleep(MINUTE * 10));
    std::mem::replace(&mut *venue.lock().unwrap(), Venue::new(1, per))
}

/// Stamps now if there is room, else says how long to wait.
fn naive_wait(stamps: &mut VecDeque<Duration>, limit: u32, per: Duration, now: Duration) -> Option<Duration> {
    while stamps.front().is_some_and(|at| *at + per <= now) {
        stamps.pop_front();
    }
    if stamps.len() < usize::try_from(limit).unwrap() {
        stamps.push_back(now);
        return None;
    }
    stamps.front().map(|at| *at + per - now)
}

/// A call of the property: when it comes, its weight, how long each way takes, and what becomes of its permit.
#[derive(Debug, Clone)]
struct Plan {
    comes: u64,
    weight: u32,
    there: u64,
    back: u64,
    end: u8,
}

fn plan() -> impl Strategy<Value = Plan> {
    (0..60_000u64, 1..5u32, 0..20_000u64, 0..20_000u64, 0..4u8).prop_map(|(comes, weight, there, back, end)| Plan {
        comes,
        weight,
        there,
        back,
        end,
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Whenever a call is counted between its send and its answer, no window of any alignment is over.
    #[test]
    fn no_window_is_ever_over(
        limit in 4..12u32,
        per in 1_001..20_000u64,
        plans in prop::collection::vec(plan(), 1..80),
    ) {
        let runtime = VirtualRuntime::new();
        let clock = runtime.clock();
        let limiter = Limiter::new(Arc::new(clock.clone()));
        let bucket = BucketKey::from("venue");
        let per = Duration::from_millis(per);
        limiter.define(&bucket, LimitRule::Window { limit, per });
        let venue = Arc::new(Mutex::new(Venue::new(limit, per)));
        let sent = plans.iter().filter(|plan| plan.end != 3).map(|plan| u64::from(plan.weight)).sum::<u64>();
        for plan in plans {
            let (limiter, clock, venue) = (limiter.clone(), clock.clone(), Arc::clone(&venue));
            let cost = [Cost { bucket: Arc::clone(&bucket), weight: plan.weight }];
            runtime.clock().spawn(Box::pin(async move {
                let ms = Duration::from_millis;
                clock.sleep(ms(plan.comes)).await;
                let mut permit = limiter.acquire(&cost, Lane::Order).await.unwrap();
                if plan.end == 3 {
                    permit.unsent();
                    return;
                }
                clock.sleep(ms(plan.there)).await;
                venue.lock().unwrap().arrive(clock.elapsed(), plan.weight);
                clock.sleep(ms(plan.back)).await;
                match plan.end {
                    0 => permit.finish(&[]),
                    1 => {
                        permit.answered();
                        clock.sleep(ms(plan.there)).await;
                        permit.finish(&[]);
                    }
                    _ => drop(permit),
                }
            }));
        }
        prop_assert_eq!(runtime.run_until_idle(), 0);
        let venue = venue.lock().unwrap();
        prop_assert_eq!((venue.accepted, venue.refused), (sent, 0));
    }
}

#[test]
fn runs_of_one_seed_repeat() {
    let load = Load {
        limit: 50,
        per: SECOND,
        tasks: 8,
        latency: Latency::USUAL,
        headers: true,
    };
    let (first, second) = (load.run(), load.run());
    assert_eq!((first.0.accepted, first.1), (second.0.accepted, second.1));
    assert!(SeededRng::new(1).next_u64() != SeededRng::new(2).next_u64());
}
