//! A granted permit beside its floor: a stamp pushed to and popped from a queue under a lock.

#![allow(clippy::unwrap_used, reason = "a bench stops at what it did not expect")]

use std::collections::VecDeque;
use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use broker_core::capability::LimitRule;
use broker_core::limit::{BucketKey, Cost, Lane, Limiter};
use broker_core::seam::{BoxFuture, Clock};
use chrono::{DateTime, Utc};
use criterion::{Criterion, criterion_group, criterion_main};
use futures_util::FutureExt;

const SPAN: Duration = Duration::from_secs(2);

/// The machine's clock, or one that only counts, which leaves the cost of reading time out of the figures.
#[derive(Debug)]
enum BenchClock {
    Machine(Instant),
    Counter(AtomicU64),
}

impl Clock for BenchClock {
    fn now(&self) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH
    }

    fn elapsed(&self) -> Duration {
        match self {
            Self::Machine(started) => started.elapsed(),
            Self::Counter(ticks) => Duration::from_nanos(ticks.fetch_add(20, Ordering::Relaxed)),
        }
    }

    fn sleep(&self, _wait: Duration) -> BoxFuture<'static, ()> {
        Box::pin(std::future::pending())
    }
}

fn floor(clock: &dyn Clock, stamps: &Mutex<VecDeque<Duration>>) {
    let taken = clock.elapsed();
    let mut stamps = stamps.lock().unwrap();
    while stamps.front().is_some_and(|at| *at + SPAN <= taken) {
        stamps.pop_front();
    }
    if stamps.len() > 200 {
        stamps.pop_front();
    }
    stamps.push_back(taken);
}

fn permit(limiter: &Limiter, cost: &[Cost]) {
    let permit = limiter.acquire(cost, Lane::Order).now_or_never();
    permit.unwrap().unwrap().finish(&[]);
}

fn costs(limiter: &Limiter, names: &[&str]) -> Vec<Cost> {
    let rule = LimitRule::Window {
        limit: u32::MAX,
        per: SPAN,
    };
    let cost = |name: &&str| {
        let bucket = BucketKey::from(*name);
        limiter.define(&bucket, rule);
        Cost { bucket, weight: 1 }
    };
    names.iter().map(cost).collect()
}

fn benches(criterion: &mut Criterion) {
    #[allow(
        clippy::disallowed_methods,
        reason = "the machine's clock is part of what is measured"
    )]
    let machine = || BenchClock::Machine(Instant::now());
    let counter = || BenchClock::Counter(AtomicU64::new(0));
    for (name, clock) in [
        ("counting clock", Arc::new(counter()) as Arc<dyn Clock>),
        ("machine clock", Arc::new(machine())),
    ] {
        let mut group = criterion.benchmark_group(format!("permit, {name}"));
        let stamps = Mutex::new(VecDeque::new());
        group.bench_function("floor", |bench| bench.iter(|| floor(&*clock, &stamps)));
        let limiter = Limiter::new(Arc::clone(&clock));
        let one = costs(&limiter, &["alpaca:paper:3f9a:trading"]);
        group.bench_function("granted", |bench| {
            bench.iter_custom(|rounds| granted_only(&limiter, &one, rounds));
        });
        group.bench_function("granted, answered", |bench| {
            bench.iter(|| permit(&limiter, black_box(&one)))
        });
        let two = costs(&limiter, &["binance:live:address", "binance:live:3f9a:orders"]);
        group.bench_function("granted, answered, two buckets", |bench| {
            bench.iter(|| permit(&limiter, black_box(&two)))
        });
        group.finish();
        ratio(name, &*clock, &limiter, &one);
    }
}

/// The grant without the answer: permits are kept and answered outside of what is timed.
fn granted_only(limiter: &Limiter, cost: &[Cost], rounds: u64) -> Duration {
    let mut permits = Vec::with_capacity(1000);
    let mut spent = Duration::ZERO;
    let mut left = rounds;
    while left > 0 {
        let batch = left.min(1000);
        spent += timed(batch, || {
            permits.extend(limiter.acquire(black_box(cost), Lane::Order).now_or_never())
        });
        permits.clear();
        left -= batch;
    }
    spent
}

#[allow(clippy::disallowed_methods, reason = "a bench measures the machine's time")]
fn timed(rounds: u64, mut work: impl FnMut()) -> Duration {
    let started = Instant::now();
    for _ in 0..rounds {
        work();
    }
    started.elapsed()
}

fn ratio(name: &str, clock: &dyn Clock, limiter: &Limiter, cost: &[Cost]) {
    const ROUNDS: u64 = 1_000_000;
    let stamps = Mutex::new(VecDeque::new());
    let floor = timed(ROUNDS, || floor(clock, &stamps)).as_nanos();
    let granted = granted_only(limiter, cost, ROUNDS).as_nanos();
    let whole = timed(ROUNDS, || permit(limiter, black_box(cost))).as_nanos();
    let (rounds, tenths) = (u128::from(ROUNDS), |part: u128| {
        (part * 10 / floor / 10, part * 10 / floor % 10)
    });
    let ((a, b), (c, d)) = (tenths(granted), tenths(whole));
    println!(
        "{name}: floor {} ns, granted {} ns ({a}.{b} x), granted and answered {} ns ({c}.{d} x)",
        floor / rounds,
        granted / rounds,
        whole / rounds,
    );
}

criterion_group!(permits, benches);
criterion_main!(permits);
