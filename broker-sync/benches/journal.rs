//! A journal of many fills: page bodies become records, are told apart, stored in SQLite, and folded into trades; then a
//! day more. Times are on the wall, of one thread; the bodies are made outside of them.
//!
//! `cargo bench -p broker-sync --bench journal` prints the stages for 10,000, 100,000 and 1,000,000 fills with the peak
//! of memory, and then criterion's figures in fills a second: the whole path, a
//! whole fold, a day more, and folding alone of 1,000,000. `BROKER_FILLS=10000` measures one size alone.

#![allow(missing_docs, clippy::unwrap_used)] // criterion's macros, and a bench may fail

use std::fmt::Write;
use std::hint::black_box;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use broker_alpaca::AlpacaBroker;
use broker_core::dedup::{KeySpace, RowKind, Seen, SeenSet};
use broker_core::model::{AssetClass, Environment, Instrument, InstrumentStatus, Payoff, Trade};
use broker_core::pnl::{LotMethod, TradeBook};
use broker_core::seam::VirtualRuntime;
use broker_core::{AccountId, Currency, Record};
use broker_sync::{PageWrite, Refolded, Scope, Span, SqliteStore, Store, StoreExt};
use chrono::{DateTime, TimeDelta, Utc};
use criterion::{Criterion, Throughput};
use rust_decimal::Decimal;

const PAGE: u64 = 100;
const SYMBOLS: u64 = 40;
/// Fills of one day.
const DAY: u64 = 500;
/// A journal of five years, whatever it holds.
const YEARS: i64 = 5;

fn account() -> AccountId {
    "6f3a1c52-0000-4000-8000-000000000001".into()
}

fn scope() -> Scope {
    Scope {
        broker: "alpaca".into(),
        environment: Environment::Paper,
        account: account(),
    }
}

fn start() -> DateTime<Utc> {
    "2021-01-04T14:30:00Z".parse().unwrap()
}

fn run<T>(future: impl Future<Output = broker_core::Result<T>>) -> T {
    VirtualRuntime::new().block_on(future).unwrap()
}

fn symbol(number: u64) -> String {
    let letter = |place: u64| char::from(b'A' + u8::try_from(place % 26).unwrap());
    format!("S{}{}", letter(number / 26), letter(number))
}

fn instrument(number: u64) -> Instrument {
    Instrument {
        id: symbol(number).into(),
        symbol: symbol(number).into(),
        name: None,
        asset_class: AssetClass::Stock,
        exchange: None,
        currency: Currency::USD,
        base: None,
        payoff: Payoff::Cash,
        multiplier: Some(Decimal::ONE),
        ticks: Vec::new(),
        lot: None,
        min_qty: None,
        max_qty: None,
        min_notional: None,
        pip_location: None,
        expires_at: None,
        option: None,
        margin: None,
        status: InstrumentStatus::Tradable,
        shortable: None,
    }
}

/// Pages of a trader who buys, adds, sells a part and the rest, in one share after another: four fills a round trip,
/// two an order.
struct Pages {
    next: u64,
    until: u64,
    step: TimeDelta,
    start: DateTime<Utc>,
}

impl Pages {
    /// So many fills over five years.
    fn of_years(fills: u64) -> Self {
        let span = TimeDelta::days(365 * YEARS).num_milliseconds() / i64::try_from(fills).unwrap();
        Self {
            next: 0,
            until: fills,
            step: TimeDelta::milliseconds(span),
            start: start(),
        }
    }

    /// The day behind them.
    fn of_day(fills: u64, day: u64) -> Self {
        let begins_at = start() + TimeDelta::days(365 * YEARS + 1 + i64::try_from(day).unwrap());
        let next = fills + day * DAY;
        let step = TimeDelta::seconds(40);
        Self {
            next,
            until: next + DAY,
            step,
            start: begins_at - step * i32::try_from(next).unwrap(),
        }
    }

    fn body(&mut self) -> Option<String> {
        if self.next >= self.until {
            return None;
        }
        let mut body = String::from("[");
        let last = (self.next + PAGE).min(self.until);
        for number in self.next..last {
            let at = self.start + self.step * i32::try_from(number).unwrap();
            let place = number % 4;
            let trip = number / 4;
            let (side, qty) = [("buy", 3), ("buy", 2), ("sell", 1), ("sell", 4)][usize::try_from(place).unwrap()];
            let cents = 10_000 + (number * 7919) % 997;
            let name = symbol(trip % SYMBOLS);
            let order = number / 2;
            if number > self.next {
                body.push(',');
            }
            write!(
                body,
                r#"{{"id":"{}::{number:08x}-1111-4222-8333-444444444444","activity_type":"FILL","transaction_time":"{}","type":"fill","price":"{}.{:02}","qty":"{qty}","side":"{side}","symbol":"{name}","leaves_qty":"0","order_id":"{order:08x}-5555-4666-8777-888888888888","cum_qty":"{qty}","order_status":"filled"}}"#,
                at.format("%Y%m%d%H%M%S%3f"),
                at.format("%Y-%m-%dT%H:%M:%S%.6fZ"),
                cents / 100,
                cents % 100,
            )
            .unwrap();
        }
        body.push(']');
        self.next = last;
        Some(body)
    }
}

/// A file that goes with what SQLite keeps beside it.
struct File(PathBuf);

impl File {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("broker-journal-{}-{name}.sqlite", std::process::id()));
        Self(path)
    }
}

impl Drop for File {
    fn drop(&mut self) {
        for suffix in ["", "-wal", "-shm"] {
            let mut path = self.0.clone().into_os_string();
            path.push(suffix);
            let _ = std::fs::remove_file(path);
        }
    }
}

#[derive(Default)]
struct Took {
    decode: Duration,
    dedup: Duration,
    store: Duration,
}

#[allow(clippy::disallowed_methods, reason = "a bench measures the machine's time")]
fn timed<T>(total: &mut Duration, work: impl FnOnce() -> T) -> T {
    let started = Instant::now();
    let done = work();
    *total += started.elapsed();
    done
}

/// Pages into the store, stage by stage.
fn keep(store: &SqliteStore, mut pages: Pages, seen: &mut SeenSet) -> Took {
    let scope = scope();
    let account = account();
    let keys = KeySpace::new(&scope.broker, scope.environment, &account);
    let mut took = Took::default();
    let mut state = run(store.progress(&scope));
    state.covers = Some(Span::new(start(), start() + TimeDelta::days(4000)));
    while let Some(body) = pages.body() {
        let records = timed(&mut took.decode, || {
            AlpacaBroker::read_activities(&account, &body).unwrap()
        });
        let fresh: Vec<Record> = timed(&mut took.dedup, || {
            let is_new = |record: &Record| match record {
                Record::Fill(fill) => seen.insert(keys.key(RowKind::Fill, fill.id.get()), fill.version) == Seen::New,
                _ => true,
            };
            records.into_iter().filter(is_new).collect()
        });
        let page = PageWrite {
            part: 1,
            rows: fresh,
            read_at: start(),
            raw: None,
            state: state.clone(),
        };
        let written = timed(&mut took.store, || run(store.commit(&scope, page)));
        state.apply(1, &written);
    }
    took
}

fn refold(store: &SqliteStore) -> Refolded {
    run(store.refold(&scope(), LotMethod::Fifo))
}

/// The peak of this process, in MiB.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM"));
    let kib = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
    kib.unwrap_or_default() / 1024
}

fn a_fill(took: Duration, fills: u64) -> String {
    let nanos = took.as_nanos() / u128::from(fills);
    let rate = u128::from(fills) * 1_000_000_000 / took.as_nanos().max(1);
    format!("{nanos:>6} ns a fill, {rate:>9} fills/s, {:>7} ms", took.as_millis())
}

fn open(file: &File) -> SqliteStore {
    let store = SqliteStore::open(&file.0).unwrap();
    let instruments: Vec<Instrument> = (0..SYMBOLS).map(instrument).collect();
    run(store.keep_instruments(&scope(), &instruments));
    store
}

fn stages(fills: u64) {
    println!("{fills} fills");
    let file = File::new(&fills.to_string());
    let store = open(&file);
    let mut seen = SeenSet::new();
    let took = keep(&store, Pages::of_years(fills), &mut seen);
    println!("  page body -> records   {}", a_fill(took.decode, fills));
    println!("  dedup                  {}", a_fill(took.dedup, fills));
    println!("  SQLite                 {}", a_fill(took.store, fills));
    println!("  peak so far            {} MiB", peak());
    let mut whole = Duration::ZERO;
    let done = timed(&mut whole, || refold(&store));
    assert_eq!((done.rows_read, done.closed), (fills, fills / 4));
    println!("  rows -> trades stored  {}", a_fill(whole, fills));
    println!(
        "  all of it              {}",
        a_fill(took.decode + took.dedup + took.store + whole, fills)
    );
    println!("  peak                   {} MiB", peak());
    let bytes = std::fs::metadata(&file.0).map(|file| file.len()).unwrap_or_default();
    println!(
        "  file                   {} MiB, {} bytes a fill",
        bytes / 1_048_576,
        bytes / fills
    );

    let (mut days, mut folds) = (Duration::ZERO, Duration::ZERO);
    let mut read = 0;
    for day in 0..5 {
        let took = keep(&store, Pages::of_day(fills, day), &mut seen);
        days += took.store;
        read = timed(&mut folds, || refold(&store)).rows_read;
    }
    println!(
        "  a day more ({DAY} fills): stored in {} us, folded in {} us, {read} rows read, {} marks",
        days.as_micros() / 5,
        folds.as_micros() / 5,
        refold(&store).marks,
    );
    drop(store);
    alone(fills);
}

fn records(fills: u64) -> Vec<Record> {
    let mut pages = Pages::of_years(fills);
    let mut records = Vec::new();
    while let Some(body) = pages.body() {
        records.extend(AlpacaBroker::read_activities(&account(), &body).unwrap());
    }
    records
}

fn trades(records: &[Record]) -> Vec<Trade> {
    let mut book = TradeBook::fifo();
    (0..SYMBOLS).for_each(|number| book.add_instrument(&instrument(number)).unwrap());
    records.iter().for_each(|record| book.apply(record).unwrap());
    book.into_trades().unwrap()
}

/// Folding alone, out of memory.
fn alone(fills: u64) {
    let records = records(fills);
    let mut took = Duration::ZERO;
    let trades = timed(&mut took, || trades(&records));
    assert_eq!(trades.len() as u64, fills / 4);
    println!("  records -> trades      {}", a_fill(took, fills));
    black_box(trades);
}

/// From the bodies of pages to trades that are stored.
fn whole_path(fills: u64) -> Duration {
    let file = File::new("whole");
    let store = open(&file);
    let took = keep(&store, Pages::of_years(fills), &mut SeenSet::new());
    let mut folded = Duration::ZERO;
    timed(&mut folded, || refold(&store));
    took.decode + took.dedup + took.store + folded
}

fn main() {
    let measured = std::env::args().any(|argument| argument == "--bench");
    let given = std::env::var("BROKER_FILLS").ok().and_then(|text| text.parse().ok());
    let sizes = match (measured, given) {
        (_, Some(size)) => vec![size],
        (true, None) => vec![10_000, 100_000, 1_000_000],
        (false, None) => vec![2_000],
    };
    sizes.into_iter().for_each(stages);
    if !measured || given.is_some() {
        return;
    }
    let mut criterion = Criterion::default().configure_from_args().sample_size(10);
    let mut group = criterion.benchmark_group("journal");
    group.throughput(Throughput::Elements(10_000));
    group.bench_function("page bodies to trades, 10,000 fills", |bench| {
        bench.iter_custom(|rounds| (0..rounds).map(|_| whole_path(10_000)).sum());
    });
    let file = File::new("criterion");
    let store = open(&file);
    let mut seen = SeenSet::new();
    keep(&store, Pages::of_years(100_000), &mut seen);
    group.throughput(Throughput::Elements(100_000));
    group.bench_function("five years, 100,000 fills, folded at once", |bench| {
        bench.iter(|| {
            let history = run(store.history(&scope()));
            TradeBook::fifo().fold(&history).unwrap()
        });
    });
    refold(&store);
    let mut day = 0;
    group.throughput(Throughput::Elements(DAY));
    group.bench_function("a day of 500 fills more", |bench| {
        bench.iter_custom(|rounds| {
            let mut took = Duration::ZERO;
            for _ in 0..rounds {
                keep(&store, Pages::of_day(100_000, day), &mut seen);
                day += 1;
                timed(&mut took, || refold(&store));
            }
            took
        });
    });
    let records = records(1_000_000);
    group.throughput(Throughput::Elements(1_000_000));
    group.bench_function("folding alone, 1,000,000 fills", |bench| {
        bench.iter_with_large_drop(|| trades(&records));
    });
    group.finish();
    criterion.final_summary();
}
