//! Who goes next, and what is left behind by those who give up.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::Duration;

use broker_core::ErrorKind;
use broker_core::capability::LimitRule;
use broker_core::limit::{BucketKey, Cost, Lane, Limiter, Permit};
use broker_core::seam::{Clock, Spawn, VirtualClock, VirtualRuntime};
use futures_util::poll;

const SECOND: Duration = Duration::from_secs(1);

/// A limiter in virtual time, with these buckets.
pub(crate) struct Bench {
    pub(crate) runtime: VirtualRuntime,
    pub(crate) clock: VirtualClock,
    pub(crate) limiter: Limiter,
}

impl Bench {
    pub(crate) fn new(rules: &[(&str, LimitRule)]) -> Self {
        let runtime = VirtualRuntime::new();
        let clock = runtime.clock();
        let limiter = Limiter::new(Arc::new(clock.clone()));
        for (name, rule) in rules {
            limiter.define(&BucketKey::from(*name), *rule);
        }
        Self {
            runtime,
            clock,
            limiter,
        }
    }

    pub(crate) fn used(&self, bucket: &str) -> u32 {
        self.limiter.snapshot(&BucketKey::from(bucket)).unwrap().used
    }

    pub(crate) async fn acquire(&self, names: &[&str], lane: Lane) -> Permit {
        self.limiter.acquire(&costs(names), lane).await.unwrap()
    }
}

pub(crate) fn costs(names: &[&str]) -> Vec<Cost> {
    names
        .iter()
        .map(|name| Cost {
            bucket: BucketKey::from(*name),
            weight: 1,
        })
        .collect()
}

const ONE_OPEN: LimitRule = LimitRule::Open { limit: 1 };

fn window(limit: u32, seconds: u64) -> LimitRule {
    LimitRule::Window {
        limit,
        per: SECOND * u32::try_from(seconds).unwrap(),
    }
}

/// The lanes in the order of their grants, when all of these wait for one slot.
fn grants(waiting: &[(Lane, usize)]) -> Vec<Lane> {
    let bench = Bench::new(&[("a", ONE_OPEN)]);
    let log = Arc::new(Mutex::new(Vec::new()));
    let held = bench.runtime.block_on(bench.acquire(&["a"], Lane::Read));
    for (lane, count) in waiting.iter().copied() {
        for _ in 0..count {
            let (limiter, log) = (bench.limiter.clone(), Arc::clone(&log));
            bench.clock.spawn(Box::pin(async move {
                let _permit = limiter.acquire(&costs(&["a"]), lane).await.unwrap();
                log.lock().unwrap().push(lane);
            }));
        }
    }
    bench.runtime.block_on(bench.clock.sleep(SECOND));
    drop(held);
    assert_eq!(bench.runtime.run_until_idle(), 0);
    log.lock().unwrap().clone()
}

#[test]
fn cancels_go_before_orders_and_orders_before_reads() {
    use Lane::{Cancel, Order, Read};
    let order = grants(&[(Read, 2), (Order, 2), (Cancel, 2)]);
    assert_eq!(order, [Cancel, Cancel, Order, Order, Read, Read]);
}

#[test]
fn a_lane_that_waits_gets_every_eighth_grant() {
    use Lane::{Cancel, Order, Read};
    let order = grants(&[(Read, 5), (Order, 5), (Cancel, 60)]);
    for lane in [Order, Read] {
        let at: Vec<usize> = (0..order.len()).filter(|at| order[*at] == lane).collect();
        assert_eq!(at.len(), 5);
        assert!(at[0] < 8, "{lane:?} first at {}", at[0]);
        assert!(at.windows(2).all(|pair| pair[1] - pair[0] <= 8), "{lane:?} at {at:?}");
    }
    // And no oftener than needed: 6 cancels, an order, a read, then 5 cancels between each such pair.
    assert_eq!(order[..36].iter().filter(|lane| **lane == Cancel).count(), 26);
}

#[test]
fn a_call_takes_from_all_buckets_or_from_none() {
    let bench = Bench::new(&[("a", LimitRule::Open { limit: 2 }), ("b", ONE_OPEN)]);
    bench.runtime.block_on(async {
        let held = bench.acquire(&["b"], Lane::Read).await;
        let mut both = Box::pin(bench.acquire(&["a", "b"], Lane::Order));
        assert!(poll!(&mut both).is_pending());
        assert_eq!((bench.used("a"), bench.used("b")), (0, 1));
        // Who wants only what has room does not wait behind it.
        let beside = bench.acquire(&["a"], Lane::Read).await;
        assert_eq!(bench.used("a"), 1);
        drop(held);
        let both = both.await;
        assert_eq!((bench.used("a"), bench.used("b")), (2, 1));
        drop((both, beside));
        assert_eq!((bench.used("a"), bench.used("b")), (0, 0));
    });
}

#[test]
fn calls_that_name_buckets_in_any_order_never_block_each_other() {
    let bench = Bench::new(&[("a", ONE_OPEN), ("b", ONE_OPEN), ("c", window(3, 1))]);
    for task in 0..60 {
        let (limiter, clock) = (bench.limiter.clone(), bench.clock.clone());
        let names = [["a", "b", "c"], ["b", "a", "c"], ["c", "b", "a"]][task % 3];
        bench.clock.spawn(Box::pin(async move {
            let permit = limiter
                .acquire(&costs(&names), [Lane::Order, Lane::Read][task % 2])
                .await
                .unwrap();
            clock.sleep(Duration::from_millis(5)).await;
            drop(permit);
        }));
    }
    assert_eq!(bench.runtime.run_until_idle(), 0);
}

#[test]
fn a_call_for_two_busy_buckets_is_not_starved_by_calls_for_one() {
    let bench = Bench::new(&[("a", ONE_OPEN), ("b", ONE_OPEN)]);
    let single = Arc::new(AtomicU32::new(0));
    // Two of each take turns without a pause, so that a and b are never free at the same moment.
    for (name, offset) in [("a", 0), ("a", 0), ("b", 5), ("b", 5)] {
        let (limiter, clock, single) = (bench.limiter.clone(), bench.clock.clone(), Arc::clone(&single));
        bench.clock.spawn(Box::pin(async move {
            clock.sleep(Duration::from_millis(offset)).await;
            loop {
                let _permit = limiter.acquire(&costs(&[name]), Lane::Read).await.unwrap();
                single.fetch_add(1, Ordering::Relaxed);
                clock.sleep(Duration::from_millis(10)).await;
            }
        }));
    }
    bench.runtime.block_on(async {
        bench.clock.sleep(Duration::from_millis(7)).await;
        single.store(0, Ordering::Relaxed);
        let _both = bench.acquire(&["a", "b"], Lane::Read).await;
    });
    let passed = single.load(Ordering::Relaxed);
    assert!((60..70).contains(&passed), "passed over {passed} times");
}

#[test]
fn a_heavy_call_is_not_starved_by_light_ones() {
    let bench = Bench::new(&[("a", LimitRule::Open { limit: 10 })]);
    for task in 0..20 {
        let (limiter, clock) = (bench.limiter.clone(), bench.clock.clone());
        bench.clock.spawn(Box::pin(async move {
            loop {
                let _permit = limiter.acquire(&costs(&["a"]), Lane::Read).await.unwrap();
                clock.sleep(Duration::from_millis(7 + task)).await;
            }
        }));
    }
    bench.runtime.block_on(async {
        bench.clock.sleep(SECOND).await;
        let heavy = [Cost {
            bucket: BucketKey::from("a"),
            weight: 10,
        }];
        let _permit = bench.limiter.acquire(&heavy, Lane::Read).await.unwrap();
        // All ten that were open had to close, and none of those behind came in between.
        assert!(
            bench.clock.elapsed() <= SECOND + Duration::from_millis(60),
            "{:?}",
            bench.clock
        );
    });
}

#[test]
fn a_future_dropped_while_it_waits_leaves_nothing_behind() {
    let bench = Bench::new(&[("a", window(1, 10))]);
    bench.runtime.block_on(async {
        bench.acquire(&["a"], Lane::Read).await.finish(&[]);
        let mut waiting: Vec<_> = (0..4).map(|_| Box::pin(bench.acquire(&["a"], Lane::Read))).collect();
        for future in &mut waiting {
            assert!(poll!(future).is_pending());
        }
        // The last is the one that sleeps for all: another must take that over.
        drop(waiting.pop());
        drop(waiting.remove(0));
        let second = waiting.pop().unwrap();
        let first = waiting.pop().unwrap();
        first.await.finish(&[]);
        assert_eq!(bench.clock.elapsed(), Duration::from_millis(10_002));
        second.await.finish(&[]);
        assert_eq!(bench.clock.elapsed(), Duration::from_millis(20_004));
        assert_eq!(format!("{:?}", bench.limiter), "Limiter(1 buckets, 0 waiting)");
    });
    assert_eq!(bench.runtime.run_until_idle(), 0);
    assert_eq!(bench.clock.elapsed(), Duration::from_millis(20_004));
}

/// A buffer of futures polls none of them while its user does something else.
#[test]
fn a_future_that_is_kept_unpolled_does_not_stop_the_others() {
    let bench = Bench::new(&[("a", window(1, 10)), ("b", window(1, 10))]);
    let (limiter, clock) = (bench.limiter.clone(), bench.clock.clone());
    bench.runtime.block_on(async {
        bench.acquire(&["a", "b"], Lane::Read).await.finish(&[]);
        let done = Arc::new(Mutex::new(None));
        let other = Arc::clone(&done);
        bench.clock.spawn(Box::pin(async move {
            limiter.acquire(&costs(&["a"]), Lane::Read).await.unwrap().finish(&[]);
            *other.lock().unwrap() = Some(clock.elapsed());
        }));
        bench.clock.sleep(SECOND).await;
        // It stands last, so it holds the alarm; and it is never polled again.
        let mut kept = Box::pin(bench.acquire(&["b"], Lane::Read));
        assert!(poll!(&mut kept).is_pending());
        bench.clock.sleep(SECOND * 30).await;
        let done = done.lock().unwrap().unwrap();
        assert!(done >= Duration::from_millis(10_002) && done < SECOND * 12, "{done:?}");
        drop(kept);
    });
}

#[test]
fn a_grant_that_nobody_fetches_goes_to_the_next() {
    let bench = Bench::new(&[("a", ONE_OPEN), ("w", window(1, 60))]);
    bench.runtime.block_on(async {
        let held = bench.acquire(&["a"], Lane::Read).await;
        let mut first = Box::pin(bench.acquire(&["a", "w"], Lane::Read));
        let mut second = Box::pin(bench.acquire(&["a", "w"], Lane::Read));
        assert!(poll!(&mut first).is_pending());
        assert!(poll!(&mut second).is_pending());
        drop(held);
        assert_eq!((bench.used("a"), bench.used("w")), (1, 1));
        // Granted, and dropped before it looked: nothing was sent, so the window's slot is free at once, too.
        drop(first);
        let permit = second.await;
        assert_eq!((bench.used("a"), bench.used("w")), (1, 1));
        assert_eq!(bench.clock.elapsed(), Duration::ZERO);
        permit.unsent();
        assert_eq!((bench.used("a"), bench.used("w")), (0, 0));
    });
}

#[test]
fn what_is_open_holds_its_place_until_it_is_dropped() {
    let bench = Bench::new(&[("streams", ONE_OPEN), ("w", window(5, 60))]);
    bench.runtime.block_on(async {
        let mut stream = bench.acquire(&["streams", "w"], Lane::Read).await;
        stream.answered();
        bench.clock.sleep(SECOND * 61).await;
        assert_eq!((bench.used("streams"), bench.used("w")), (1, 0));
        let mut next = Box::pin(bench.acquire(&["streams"], Lane::Read));
        assert!(poll!(&mut next).is_pending());
        drop(stream);
        let _next = next.await;
        assert_eq!(bench.clock.elapsed(), SECOND * 61);
    });
}

#[test]
fn a_bucket_that_is_not_defined_is_a_mistake_of_the_program() {
    let bench = Bench::new(&[("a", window(5, 60))]);
    let asked = |cost: Vec<Cost>| {
        bench
            .runtime
            .block_on(bench.limiter.acquire(&cost, Lane::Read))
            .unwrap_err()
    };
    assert_eq!(asked(costs(&["a", "b"])).kind(), ErrorKind::Config);
    let heavy = vec![Cost {
        bucket: BucketKey::from("a"),
        weight: 6,
    }];
    assert_eq!(asked(heavy).kind(), ErrorKind::Config);
    assert_eq!(asked(costs(&["a"; 6])).kind(), ErrorKind::Config);
    assert_eq!(bench.used("a"), 0);
    assert_eq!(bench.limiter.snapshot(&BucketKey::from("b")), None);
    // The first rule of a bucket stays.
    bench.limiter.define(&BucketKey::from("a"), ONE_OPEN);
    assert_eq!(bench.limiter.snapshot(&BucketKey::from("a")).unwrap().limit, 5);
}

#[test]
fn turns_are_taken_first_come_first_served() {
    let bench = Bench::new(&[]);
    let log = Arc::new(Mutex::new(Vec::new()));
    for task in 0..8u64 {
        let (limiter, clock, log) = (bench.limiter.clone(), bench.clock.clone(), Arc::clone(&log));
        bench.clock.spawn(Box::pin(async move {
            let key = Arc::from(if task < 7 { "DU1:AAPL" } else { "DU1:MSFT" });
            clock.sleep(Duration::from_millis(task)).await;
            if task == 3 {
                // Gives up while it waits.
                let mut waiting = Box::pin(limiter.turn(&key));
                assert!(poll!(&mut waiting).is_pending());
                clock.sleep(SECOND).await;
                return;
            }
            let _turn = limiter.turn(&key).await;
            log.lock().unwrap().push((task, clock.elapsed().as_millis()));
            clock.sleep(Duration::from_millis(500)).await;
        }));
    }
    assert_eq!(bench.runtime.run_until_idle(), 0);
    // Another key does not wait; the one that gave up after 1003 ms is passed over, its turn would have come at 1500.
    let expected = [(0, 0), (7, 7), (1, 500), (2, 1000), (4, 1500), (5, 2000), (6, 2500)];
    assert_eq!(*log.lock().unwrap(), expected);
}

/// Wakes a thread.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

fn block_on<F: Future>(future: F) -> F::Output {
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut future = Box::pin(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => std::thread::park(),
        }
    }
}

#[test]
fn permits_pass_between_threads_and_none_is_lost() {
    let bench = Bench::new(&[("a", LimitRule::Open { limit: 3 }), ("b", LimitRule::Open { limit: 2 })]);
    let open = AtomicU32::new(0);
    let granted = AtomicU32::new(0);
    std::thread::scope(|scope| {
        for thread in 0..8usize {
            let (limiter, open, granted) = (bench.limiter.clone(), &open, &granted);
            scope.spawn(move || {
                let names: &[&str] = [&["a"][..], &["a", "b"][..]][thread % 2];
                for _ in 0..2_000 {
                    let permit = block_on(limiter.acquire(&costs(names), Lane::Order)).unwrap();
                    assert!(open.fetch_add(1, Ordering::SeqCst) < 3);
                    granted.fetch_add(1, Ordering::SeqCst);
                    open.fetch_sub(1, Ordering::SeqCst);
                    drop(permit);
                }
            });
        }
    });
    assert_eq!(granted.load(Ordering::SeqCst), 16_000);
    assert_eq!((bench.used("a"), bench.used("b")), (0, 0));
}
