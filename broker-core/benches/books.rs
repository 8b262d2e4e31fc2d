//! Fills to trades, and the dedup check, each beside its floor. All figures are for the whole input: divide by the
//! number in the name, or read criterion's `Kelem/s`.

#![allow(missing_docs, clippy::unwrap_used)] // criterion's macros, and a bench may fail

use std::collections::{HashSet, VecDeque};
use std::hash::{BuildHasherDefault, Hasher};
use std::hint::black_box;

use broker_core::dedup::{KeySpace, RowKind, SeenSet};
use broker_core::model::{AssetClass, Environment, Grade, InstrumentStatus, Payoff, PositionLeg};
use broker_core::pnl::{LotMethod, TradeBook};
use broker_core::{Currency, Fill, Instrument, Money, Price, Qty, Record, Side};
use chrono::{DateTime, TimeDelta};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use rust_decimal::Decimal;

const FILLS: u32 = 100_000;

fn instrument() -> Instrument {
    Instrument {
        id: "CON.F.US.EP.H26".into(),
        symbol: "ESH26".into(),
        name: None,
        asset_class: AssetClass::Future,
        exchange: None,
        currency: Currency::USD,
        base: None,
        payoff: Payoff::Margined,
        multiplier: Some(Decimal::from(50)),
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

fn fill(number: u32, side: Side, qty: u32, ticks: u32) -> Record {
    Record::Fill(Fill {
        id: format!("{:010}", 2_400_000_000 + u64::from(number)).into(),
        account: "12345".into(),
        instrument: "CON.F.US.EP.H26".into(),
        symbol: "ESH26".into(),
        leg: PositionLeg::Net,
        order: Some(format!("{}", 90_000 + number / 2).into()),
        client_order: None,
        side,
        qty: Qty::new(Decimal::from(qty)).unwrap(),
        price: Price::new(Decimal::new(i64::from(ticks) * 25, 2)),
        at: DateTime::UNIX_EPOCH + TimeDelta::seconds(i64::from(number)),
        version: 0,
        grade: Grade::Reported,
        fees: vec![Money::new(Decimal::new(140, 2), Currency::USD)],
        liquidity: None,
        effect: None,
        pnl: None,
        lots: Vec::new(),
    })
}

/// A walk that adds, reduces, closes and flips: an inventory of a few contracts that comes back to flat.
fn walk(count: u32) -> Vec<Record> {
    let mut state: u64 = 7;
    let mut position: i64 = 0;
    let mut ticks: u32 = 24_000;
    let mut draw = |below: u64| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    (0..count)
        .map(|number| {
            let qty = u32::try_from(1 + draw(4)).unwrap();
            ticks = ticks + u32::try_from(draw(9)).unwrap() - 4;
            let toward = draw(100) < 65;
            let buys = if position == 0 {
                draw(2) == 0
            } else {
                (position < 0) == toward
            };
            position += if buys { i64::from(qty) } else { -i64::from(qty) };
            fill(number, if buys { Side::Buy } else { Side::Sell }, qty, ticks)
        })
        .collect()
}

/// Two bought for each one sold: a position that only grows.
fn growing(count: u32) -> Vec<Record> {
    (0..count)
        .map(|number| match number % 2 {
            0 => fill(number, Side::Buy, 2, 24_000 + number % 97),
            _ => fill(number, Side::Sell, 1, 24_000 + number % 89),
        })
        .collect()
}

/// What one writes in an afternoon: one instrument, lots in a queue, PnL and fees in one sum each, no trades.
fn plain_fifo(records: &[Record]) -> (Decimal, Decimal) {
    let mut lots: VecDeque<(Side, Decimal, Decimal)> = VecDeque::new();
    let (mut pnl, mut fees) = (Decimal::ZERO, Decimal::ZERO);
    for record in records {
        let Record::Fill(fill) = record else { continue };
        let (mut rest, price) = (fill.qty.get(), fill.price.get());
        while !rest.is_zero() {
            match lots.front_mut() {
                Some((side, qty, entry)) if *side != fill.side => {
                    let part = rest.min(*qty);
                    let move_ = if *side == Side::Buy {
                        price - *entry
                    } else {
                        *entry - price
                    };
                    pnl += move_ * part * Decimal::from(50);
                    rest -= part;
                    *qty -= part;
                    if qty.is_zero() {
                        lots.pop_front();
                    }
                }
                _ => {
                    lots.push_back((fill.side, rest, price));
                    rest = Decimal::ZERO;
                }
            }
        }
        for fee in &fill.fees {
            fees += fee.amount;
        }
    }
    (pnl, fees)
}

fn book(method: LotMethod, records: &[Record]) -> TradeBook {
    let mut book = TradeBook::new(method);
    book.add_instrument(&instrument()).unwrap();
    for record in records {
        book.apply(record).unwrap();
    }
    book
}

fn fills_to_trades(c: &mut Criterion) {
    let records = walk(FILLS);
    let trades = book(LotMethod::Fifo, &records).trades().unwrap();
    let ours: Decimal = trades.iter().map(|trade| trade.gross_pnl.unwrap().amount).sum();
    assert_eq!(
        ours,
        plain_fifo(&records).0,
        "the floor and the book agree over {} trades",
        trades.len()
    );

    let mut group = c.benchmark_group("fills_to_trades_100000");
    group.throughput(Throughput::Elements(FILLS.into()));
    group.bench_function("floor_plain_fifo", |b| b.iter(|| plain_fifo(black_box(&records))));
    group.bench_function("fifo", |b| {
        b.iter_with_large_drop(|| book(LotMethod::Fifo, black_box(&records)).into_trades().unwrap())
    });
    group.bench_function("fifo_without_reading", |b| {
        b.iter_with_large_drop(|| book(LotMethod::Fifo, black_box(&records)))
    });
    group.bench_function("average", |b| {
        b.iter_with_large_drop(|| book(LotMethod::Average, black_box(&records)).into_trades().unwrap())
    });
    group.finish();
}

fn one_open_position(c: &mut Criterion) {
    let mut group = c.benchmark_group("one_open_position");
    group.sample_size(10);
    for count in [1_000, 30_000, 1_000_000] {
        let records = growing(count);
        group.throughput(Throughput::Elements(count.into()));
        for method in [LotMethod::Fifo, LotMethod::Average] {
            group.bench_function(format!("{method:?}_{count}"), |b| {
                b.iter_with_large_drop(|| book(method, black_box(&records)))
            });
        }
    }
    group.finish();
}

/// Keys are spread already.
#[derive(Default)]
struct Spread(u64);

impl Hasher for Spread {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        self.0 = bytes.first_chunk().copied().map_or(0, u64::from_le_bytes);
    }
}

fn dedup(c: &mut Criterion) {
    let ids: Vec<String> = (0..1_000_000)
        .map(|number| format!("20260105093000000::{number:08x}"))
        .collect();
    let keys = KeySpace::new(&"alpaca".into(), Environment::Paper, &"PA3X7".into());
    let mut group = c.benchmark_group("dedup_1000000");
    group.sample_size(10);
    group.throughput(Throughput::Elements(1_000_000));
    // The same key, in the standard table.
    group.bench_function("floor_hash_set_of_keys", |b| {
        b.iter_batched(
            HashSet::<u128, BuildHasherDefault<Spread>>::default,
            |mut set| {
                ids.iter()
                    .filter(|id| set.insert(keys.key(RowKind::Fill, id).0))
                    .count()
            },
            BatchSize::PerIteration,
        );
    });
    group.bench_function("new", |b| {
        b.iter_batched(
            SeenSet::new,
            |mut seen| {
                ids.iter().for_each(|id| {
                    black_box(seen.insert(keys.key(RowKind::Fill, id), 0));
                });
                seen
            },
            BatchSize::PerIteration,
        );
    });
    let mut seen = SeenSet::new();
    for id in &ids {
        seen.insert(keys.key(RowKind::Fill, id), 0);
    }
    println!("{} bytes a fill", seen.bytes() / seen.len());
    group.bench_function("duplicate", |b| {
        b.iter(|| {
            ids.iter().for_each(|id| {
                black_box(seen.insert(keys.key(RowKind::Fill, id), 0));
            });
        });
    });
    group.finish();
}

criterion_group!(benches, fills_to_trades, one_open_position, dedup);
criterion_main!(benches);
