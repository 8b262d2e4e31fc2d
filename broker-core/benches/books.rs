//! Fills to trades, and the dedup check, each beside its floor. All figures are for the whole input: divide by the
//! number in the name, or read criterion's `Melem/s`.
//!
//! The floor of fills to trades is the hand-written program for the same job, and no more than that: a map of
//! positions by instrument, FIFO lots in a `VecDeque`, one record a round trip (instrument, side, opened and closed,
//! quantity, sums of entries and exits, PnL with the multiplier, fees by currency, a flip's fee shared by quantity),
//! and the account's PnL and fees by currency. It uses `rust_decimal`'s operators, which panic and round; it checks
//! nothing, keeps no ids of fills, orders or accounts, works out no averages, and knows no other lot method, flow or
//! payoff.
//!
//! The floor of the dedup check is the same key in the standard library's hash set.

#![allow(missing_docs, clippy::unwrap_used)] // criterion's macros, and a bench may fail

use std::collections::{HashMap, HashSet, VecDeque};
use std::hash::{BuildHasherDefault, Hasher};
use std::hint::black_box;

use broker_core::dedup::{KeySpace, RowKind, SeenSet};
use broker_core::model::{AssetClass, Environment, Grade, InstrumentStatus, Payoff, PositionLeg, Trade};
use broker_core::pnl::{LotMethod, TradeBook};
use broker_core::{Currency, Fill, Instrument, InstrumentId, Money, Price, Qty, Record, Side};
use chrono::{DateTime, TimeDelta, Utc};
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
        conversion: None,
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

/// A round trip as one writes it down by hand: sums, no averages, and not which fills it is of.
struct PlainTrade {
    instrument: InstrumentId,
    side: Side,
    opened_at: DateTime<Utc>,
    closed_at: Option<DateTime<Utc>>,
    qty: Decimal,
    entries: Decimal,
    exits: Decimal,
    pnl: Decimal,
    fees: Vec<Money>,
}

/// What is open of one instrument: lots of quantity and price.
struct PlainPosition {
    multiplier: Decimal,
    currency: Currency,
    lots: VecDeque<(Decimal, Decimal)>,
    trade: Option<PlainTrade>,
}

/// What comes out of the floor.
#[derive(Default)]
struct PlainBook {
    positions: HashMap<InstrumentId, PlainPosition>,
    trades: Vec<PlainTrade>,
    pnl: Vec<Money>,
    fees: Vec<Money>,
}

fn add_plain(sums: &mut Vec<Money>, amount: Decimal, currency: Currency) {
    match sums.iter_mut().find(|sum| sum.currency == currency) {
        Some(sum) => sum.amount += amount,
        None => sums.push(Money::new(amount, currency)),
    }
}

fn fee_part(fee: Decimal, part: Decimal, qty: Decimal) -> Decimal {
    if part == qty { fee } else { fee * part / qty }
}

/// What one writes in an afternoon with `rust_decimal`'s own operators: see the head of this file.
fn plain_fifo(instruments: &[Instrument], records: &[Record]) -> PlainBook {
    let mut book = PlainBook::default();
    for instrument in instruments {
        let position = PlainPosition {
            multiplier: instrument.multiplier.unwrap(),
            currency: instrument.currency,
            lots: VecDeque::new(),
            trade: None,
        };
        book.positions.insert(instrument.id.clone(), position);
    }
    for record in records {
        let Record::Fill(fill) = record else { continue };
        let position = book.positions.get_mut(&fill.instrument).unwrap();
        let (qty, price) = (fill.qty.get(), fill.price.get());
        let mut rest = qty;
        while let Some(trade) = position.trade.as_mut().filter(|trade| trade.side != fill.side) {
            let Some((open, entry)) = position.lots.front_mut() else {
                break;
            };
            let part = rest.min(*open);
            let gain = match trade.side {
                Side::Buy => price - *entry,
                Side::Sell => *entry - price,
            };
            let pnl = gain * part * position.multiplier;
            trade.pnl += pnl;
            trade.exits += price * part;
            add_plain(&mut book.pnl, pnl, position.currency);
            rest -= part;
            *open -= part;
            if open.is_zero() {
                position.lots.pop_front();
            }
            if position.lots.is_empty() {
                trade.closed_at = Some(fill.at);
                for fee in &fill.fees {
                    add_plain(&mut trade.fees, fee_part(fee.amount, qty - rest, qty), fee.currency);
                }
                book.trades.extend(position.trade.take());
            }
            if rest.is_zero() {
                break;
            }
        }
        if !rest.is_zero() {
            position.lots.push_back((rest, price));
            let trade = position.trade.get_or_insert_with(|| PlainTrade {
                instrument: fill.instrument.clone(),
                side: fill.side,
                opened_at: fill.at,
                closed_at: None,
                qty: Decimal::ZERO,
                entries: Decimal::ZERO,
                exits: Decimal::ZERO,
                pnl: Decimal::ZERO,
                fees: Vec::new(),
            });
            trade.qty += rest;
            trade.entries += price * rest;
        }
        for fee in &fill.fees {
            add_plain(&mut book.fees, fee.amount, fee.currency);
            if let Some(trade) = &mut position.trade {
                let part = if rest.is_zero() { qty } else { rest };
                add_plain(&mut trade.fees, fee_part(fee.amount, part, qty), fee.currency);
            }
        }
    }
    let open = book.positions.values_mut().filter_map(|position| position.trade.take());
    book.trades.extend(open);
    book
}

fn book(method: LotMethod, records: &[Record]) -> TradeBook {
    let mut book = TradeBook::new(method);
    book.add_instrument(&instrument()).unwrap();
    for record in records {
        book.apply(record).unwrap();
    }
    book
}

/// The floor and the book say the same of every round trip.
fn agrees(plain: &PlainBook, trades: &[Trade]) {
    assert_eq!(plain.trades.len(), trades.len());
    for (plain, trade) in plain.trades.iter().zip(trades) {
        assert_eq!(plain.instrument, trade.instrument);
        assert_eq!(
            (plain.side, plain.opened_at, plain.closed_at),
            (trade.side, trade.opened_at, trade.closed_at)
        );
        assert_eq!(
            (plain.qty, plain.pnl),
            (trade.qty.get(), trade.gross_pnl.unwrap().amount)
        );
        assert_eq!(plain.fees.len(), trade.fees.len());
        let average = |sum: Decimal, qty: Qty| Price::new(sum / qty.get());
        assert_eq!(Some(average(plain.entries, trade.qty)), trade.entry_price);
        assert_eq!(
            trade.exit_price.map(|_| average(plain.exits, trade.exit_qty)),
            trade.exit_price
        );
    }
    let pnl: Decimal = trades.iter().map(|trade| trade.gross_pnl.unwrap().amount).sum();
    let fees: Decimal = trades.iter().flat_map(|trade| &trade.fees).map(|fee| fee.amount).sum();
    assert_eq!((plain.pnl[0].amount, plain.fees[0].amount), (pnl, fees));
}

fn fills_to_trades(c: &mut Criterion) {
    let records = walk(FILLS);
    let instruments = [instrument()];
    agrees(
        &plain_fifo(&instruments, &records),
        &book(LotMethod::Fifo, &records).trades().unwrap(),
    );

    let mut group = c.benchmark_group("fills_to_trades_100000");
    group.throughput(Throughput::Elements(FILLS.into()));
    group.bench_function("floor_plain_fifo", |b| {
        b.iter_with_large_drop(|| plain_fifo(&instruments, black_box(&records)))
    });
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
