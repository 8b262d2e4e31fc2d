//! A page of 100 activities to owned, checked records, beside its floor: serde_json into structs that borrow all of
//! their text and keep nothing.

#![allow(clippy::unwrap_used, reason = "a benchmark fails by panicking")]

use std::fmt::Write;
use std::hint::black_box;
use std::time::{Duration, Instant};

use broker_alpaca::AlpacaBroker;
use broker_core::AccountId;
use criterion::Criterion;
use serde::Deserialize;

/// All fields of a fill, as text.
#[derive(Deserialize)]
#[allow(dead_code, reason = "reading them is what is measured")]
struct Floor<'a> {
    id: &'a str,
    activity_type: &'a str,
    transaction_time: &'a str,
    #[serde(rename = "type")]
    kind: &'a str,
    price: &'a str,
    qty: &'a str,
    side: &'a str,
    symbol: &'a str,
    leaves_qty: &'a str,
    order_id: &'a str,
    cum_qty: &'a str,
    order_status: &'a str,
}

/// 100 fills of 25 orders in five symbols.
fn page() -> String {
    let mut body = String::from("[");
    for n in 0..100u32 {
        let (order, symbol) = (n / 4, ["AAPL", "MSFT", "SPY", "BTC/USD", "NVDA"][(n as usize / 20) % 5]);
        let comma = if n == 0 { "" } else { "," };
        let (second, micros) = (n % 60, 100_000 + n * 1_237);
        write!(
            body,
            r#"{comma}{{"id":"202610081510{second:02}097::{n:08x}-5f19-4c2e-9a31-7b0d5b1f2c4e","activity_type":"FILL","transaction_time":"2026-10-08T19:10:{second:02}.{micros}Z","type":"partial_fill","price":"{}.{:02}","qty":"{}","side":"buy","symbol":"{symbol}","leaves_qty":"{}","order_id":"{order:08x}-1a2b-4c3d-8e4f-5a6b7c8d9e0f","cum_qty":"{}","order_status":"partially_filled"}}"#,
            170 + n,
            n,
            1 + n % 7,
            100 - n,
            n,
        )
        .unwrap();
    }
    body.push(']');
    body
}

fn floor(body: &str) -> usize {
    serde_json::from_str::<Vec<Floor<'_>>>(black_box(body)).unwrap().len()
}

fn ours(account: &AccountId, body: &str) -> usize {
    AlpacaBroker::read_activities(account, black_box(body)).unwrap().len()
}

/// The best of several rounds, a page.
#[allow(clippy::disallowed_methods, reason = "a benchmark measures the machine's time")]
fn best(mut work: impl FnMut() -> usize) -> Duration {
    const PAGES: u32 = 500;
    let round = || {
        let start = Instant::now();
        for _ in 0..PAGES {
            assert_eq!(black_box(work()), 100);
        }
        start.elapsed() / PAGES
    };
    std::iter::repeat_with(round).take(15).min().unwrap()
}

fn main() {
    let (account, body) = (AccountId::from("bench"), page());
    let mut criterion = Criterion::default().configure_from_args();
    criterion.bench_function("floor: borrowed structs", |bencher| bencher.iter(|| floor(&body)));
    criterion.bench_function("activities to records", |bencher| {
        bencher.iter(|| ours(&account, &body))
    });
    criterion.final_summary();
    let (floor, ours) = (best(|| floor(&body)), best(|| ours(&account, &body)));
    let ratio = ours.as_nanos() * 100 / floor.as_nanos();
    println!(
        "a fill: floor {} ns, ours {} ns, ratio {}.{:02}",
        floor.as_nanos() / 100,
        ours.as_nanos() / 100,
        ratio / 100,
        ratio % 100
    );
}
