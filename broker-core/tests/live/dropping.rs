//! Dropping the stream, or the wait for it, leaves nothing behind.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use broker_core::Context;
use broker_core::model::Subscription;
use broker_core::seam::{BoxFuture, Clock, SeededRng, Spawn, VirtualClock};
use futures_util::StreamExt;
use futures_util::future::{Either, select};

use super::bench::{Bench, unavailable};
use super::literals::account;

/// No task, no wire, nobody who holds the broker, and no time passes until then.
fn assert_gone(bench: &Bench, what: &str) {
    let dropped = bench.clock.elapsed();
    assert_eq!(bench.runtime.run_until_idle(), 0, "{what}");
    assert!(bench.clock.elapsed() - dropped < Duration::from_secs(5), "{what}");
    assert_eq!(bench.venue.wires(), 0, "{what}");
    assert_eq!(Arc::strong_count(&bench.broker.capabilities), 1, "{what}");
}

/// Every step takes its time, so that there is a moment to drop in each.
fn slow(bench: &Bench) {
    let mut books = bench.venue.books();
    books.open_takes = Duration::from_millis(700);
    books.read_takes = Duration::from_millis(700);
    books.refusals.extend([unavailable("busy"), unavailable("busy")]);
}

#[test]
fn dropping_the_subscribe_future_at_any_time_ends_all() {
    for tenths in 0..60 {
        let bench = Bench::new();
        slow(&bench);
        bench.runtime.block_on(async {
            let time = bench.clock.sleep(Duration::from_millis(tenths * 100));
            let feeds = vec![bench.feed(), bench.feed()];
            let all = Subscription::account(&account());
            match select(pin!(bench.subscribe_with(&all, feeds)), time).await {
                Either::Left((events, time)) => {
                    let events = events.unwrap();
                    time.await;
                    drop(events);
                }
                Either::Right(_) => {}
            }
        });
        assert_gone(&bench, &format!("after {tenths} tenths"));
    }
}

#[test]
fn dropping_the_subscribe_future_after_any_poll_ends_all() {
    for polls in 0..8 {
        let bench = Bench::new();
        slow(&bench);
        bench.runtime.block_on(async {
            let mut subscribing = pin!(bench.subscribe());
            for _ in 0..polls {
                if futures_util::poll!(subscribing.as_mut()).is_ready() {
                    break;
                }
                bench.sleep(0.35).await;
            }
        });
        assert_gone(&bench, &format!("after {polls} polls"));
    }
}

#[test]
fn dropping_the_stream_at_any_time_ends_all() {
    // Over a snapshot, a loss, refused connections, a read-back, audits and looks.
    for tenths in 0..150 {
        let bench = Bench::new();
        bench.runtime.block_on(async {
            let mut events = bench.subscribe().await.unwrap();
            slow(&bench);
            bench.venue.place("o1");
            let troubles = async {
                bench.sleep(4.0).await;
                bench.venue.say("look");
                bench.sleep(2.0).await;
                bench.venue.fill("f1", "o1", 5);
                bench.venue.cut();
                bench.sleep(8.0).await;
                bench.venue.say("gibberish");
            };
            let reading = bench.during(&mut events, f64::from(tenths) / 10.0);
            _ = select(pin!(reading), pin!(troubles)).await;
            drop(events);
        });
        assert_gone(&bench, &format!("after {tenths} tenths"));
    }
}

#[test]
fn dropping_a_full_stream_ends_all() {
    for phase in ["waits for half", "waits for a place"] {
        let bench = Bench::new();
        let options = Subscription::account(&account()).with_queue(4);
        bench.runtime.block_on(async {
            let mut events = bench.subscribe_with(&options, vec![bench.feed()]).await.unwrap();
            bench.during(&mut events, 10.0).await;
            bench.venue.place("o1");
            for number in 0..20 {
                let (record, _) = bench.venue.fill(&format!("f{number}"), "o1", 0);
                bench.venue.tell_record(&record);
            }
            bench.sleep(1.0).await;
            if phase == "waits for a place" {
                assert!(events.next().await.is_some() && events.next().await.is_some());
                bench.sleep(1.0).await;
            }
            drop(events);
        });
        assert_gone(&bench, phase);
    }
}

#[test]
fn dropping_a_stream_while_a_read_back_fails_ends_all() {
    let bench = Bench::new();
    bench.runtime.block_on(async {
        let mut events = bench.standing().await;
        let down = (0..100).map(|_| unavailable("down")).collect();
        bench.venue.books().failures.insert("history", down);
        bench.venue.cut();
        bench.during(&mut events, 200.0).await;
        drop(events);
    });
    assert_gone(&bench, "a failing read-back");
}

/// Notes how large tasks are.
#[derive(Debug)]
struct Scales {
    spawn: VirtualClock,
    largest: AtomicUsize,
}

impl Spawn for Scales {
    fn spawn(&self, task: BoxFuture<'static, ()>) {
        self.largest.fetch_max(size_of_val(&*task), Ordering::Relaxed);
        self.spawn.spawn(task);
    }
}

#[test]
fn the_task_of_a_feed_takes_less_than_4_kib() {
    let mut bench = Bench::new();
    let scales = Arc::new(Scales {
        spawn: bench.clock.clone(),
        largest: AtomicUsize::new(0),
    });
    let clock = Arc::new(bench.clock.clone());
    let venue = Arc::new(bench.venue.clone());
    bench.broker.context = Context::new(clock, Arc::new(SeededRng::new(1)), scales.clone(), venue);
    bench.runtime.block_on(async { drop(bench.subscribe().await.unwrap()) });
    let largest = scales.largest.load(Ordering::Relaxed);
    assert!((500..4_096).contains(&largest), "{largest} bytes");
}

#[test]
fn a_thousand_subscriptions_run_beside_each_other() {
    let bench = Bench::new();
    bench.runtime.block_on(async {
        let mut all = Vec::new();
        for _ in 0..1_000 {
            all.push(bench.subscribe().await.unwrap());
        }
        bench.sleep(10.0).await;
        bench.venue.tell_order(&bench.venue.place("o1"));
        bench.sleep(1.0).await;
        for events in &mut all {
            let said = bench.during(events, 0.0).await;
            assert_eq!(said, ["position AAPL 5", "balances 100", "order o1 new 0"]);
        }
        drop(all);
    });
    assert_gone(&bench, "a thousand");
}
