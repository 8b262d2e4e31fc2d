//! Laws that the books keep for any history.

#![allow(clippy::unwrap_used)] // test helpers are not test functions

mod books;

use books::*;
use broker_core::model::{Asset, Basis, FlowKind, Opening, Payoff, PositionLeg, TradeExit};
use broker_core::pnl::{Books, Converted, LotMethod, RateTable, TradeBook, convert};
use broker_core::{Currency, Fill, Instrument, Money, Record, Side, Trade};
use chrono::TimeDelta;
use proptest::prelude::*;
use rust_decimal::Decimal;

const ID: &str = "X";

/// A fill in whole cents: quantity in hundredths, price in cents, fee a unit in cents.
#[derive(Debug, Clone, Copy)]
struct Step {
    buys: bool,
    qty: i64,
    price: i64,
    fee: i64,
}

fn step() -> impl Strategy<Value = Step> {
    (any::<bool>(), 1i64..2_000, 1i64..50_000, -3i64..20).prop_map(|(buys, qty, price, fee)| Step {
        buys,
        qty,
        price,
        fee,
    })
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec(step(), 1..40)
}

fn payoffs() -> impl Strategy<Value = Payoff> {
    prop_oneof![Just(Payoff::Cash), Just(Payoff::Margined)]
}

fn methods() -> impl Strategy<Value = LotMethod> {
    prop::sample::select(METHODS.to_vec())
}

fn cents(value: i64) -> Decimal {
    Decimal::new(value, 2)
}

fn record(minute: usize, step: Step) -> Record {
    let side = if step.buys { Side::Buy } else { Side::Sell };
    let mut fill = fill_of(
        i64::try_from(minute).unwrap(),
        side,
        ID,
        cents(step.qty),
        cents(step.price),
    );
    fill.fees = vec![Money::new(cents(step.qty) * cents(step.fee), Currency::USD)];
    Record::Fill(fill)
}

fn records(steps: &[Step]) -> Vec<Record> {
    steps
        .iter()
        .enumerate()
        .map(|(minute, step)| record(minute, *step))
        .collect()
}

fn net(steps: &[Step]) -> i64 {
    steps
        .iter()
        .map(|step| if step.buys { step.qty } else { -step.qty })
        .sum()
}

fn x(payoff: Payoff) -> Instrument {
    instrument(ID, payoff, Some("2.5"))
}

/// What a trade says, without the names of its fills.
type Summary = (Side, Decimal, Decimal, Decimal, [Option<Decimal>; 3], Vec<Money>, bool);

fn summary(trade: &Trade) -> Summary {
    (
        trade.side,
        trade.qty.get(),
        trade.exit_qty.get(),
        trade.peak_qty.get(),
        [
            trade.entry_price.map(|price| price.get()),
            trade.exit_price.map(|price| price.get()),
            trade.gross_pnl.map(|pnl| pnl.amount),
        ],
        trade.fees.clone(),
        trade.is_open(),
    )
}

/// All that must not depend on how fills were cut.
fn essence(books: &Books) -> impl PartialEq + std::fmt::Debug + use<> {
    (
        books.trades.iter().map(summary).collect::<Vec<_>>(),
        books
            .positions
            .iter()
            .map(|position| (position.qty, position.cost))
            .collect::<Vec<_>>(),
        books.cash.clone(),
        books.fees.clone(),
    )
}

/// FIFO as one would write it on paper, one hundredth at a time: realized price differences.
fn paper_fifo(steps: &[Step]) -> Decimal {
    let mut queue: std::collections::VecDeque<(bool, i64)> = Default::default();
    let mut realized = 0i64;
    for step in steps {
        for _ in 0..step.qty {
            match queue.front() {
                Some((buys, price)) if *buys != step.buys => {
                    realized += if *buys { step.price - price } else { price - step.price };
                    queue.pop_front();
                }
                _ => queue.push_back((step.buys, step.price)),
            }
        }
    }
    // Hundredths of a unit times cents.
    Decimal::new(realized, 4)
}

proptest! {
    #[test]
    fn sum_of_lots_is_the_position(steps in steps(), method in methods(), payoff in payoffs()) {
        let books = books(method, &[x(payoff)], &records(&steps));
        prop_assert_eq!(position(&books, ID), cents(net(&steps)));
        for position in &books.positions {
            let lots: Decimal = position.lots.iter().map(|lot| lot.qty).sum();
            prop_assert_eq!(lots, position.qty);
            let cost: Decimal = position.lots.iter().map(|lot| lot.qty.abs() * lot.price.unwrap()).sum();
            let stated = position.cost.unwrap().amount;
            // The one price of a pool is rounded in its 28th digit.
            prop_assert!((cost * d("2.5") - stated).abs() < d("0.000000000001"), "{} {}", cost, stated);
        }
    }

    #[test]
    fn position_is_fills_plus_flows_plus_fees(
        steps in steps(),
        method in methods(),
        moves in prop::collection::vec((0usize..40, -500i64..500, any::<bool>(), any::<bool>()), 0..12),
    ) {
        let mut records = records(&steps);
        let mut sum = net(&steps);
        for (minute, (place, amount, is_fee, priced)) in moves.into_iter().enumerate() {
            let minute = i64::try_from(minute).unwrap() + 1000;
            let price = priced.then(|| cents(777).into());
            let record = if is_fee {
                sum -= amount;
                let mut row = fee(minute, asset(ID), cents(amount));
                row.price = price;
                Record::Fee(row)
            } else {
                sum += amount;
                let mut row = flow(minute, FlowKind::Transfer, asset(ID), cents(amount));
                row.price = price;
                Record::Flow(row)
            };
            let place = place.min(records.len());
            records.insert(place, record);
        }
        let books = books(method, &[x(Payoff::Cash)], &records);
        prop_assert_eq!(position(&books, ID), cents(sum));
        let lots: Decimal = books.positions.iter().flat_map(|position| &position.lots).map(|lot| lot.qty).sum();
        prop_assert_eq!(lots, cents(sum));
    }

    /// With fees on fills and apart, fees in kind, transfers with and without price and cash, and dividends.
    #[test]
    fn cash_is_fills_plus_fees_plus_flows(
        steps in steps(),
        method in methods(),
        others in prop::collection::vec((0usize..40, 0u8..5, 1i64..500), 0..12),
    ) {
        let mut expected: Decimal = steps.iter().map(|step| {
            let value = cents(step.qty) * cents(step.price) * d("2.5");
            (if step.buys { -value } else { value }) - cents(step.qty) * cents(step.fee)
        }).sum();
        let mut records = records(&steps);
        for (minute, (place, kind, amount)) in others.into_iter().enumerate() {
            let minute = i64::try_from(minute).unwrap() + 1000;
            let amount = cents(amount);
            let record = match kind {
                0 => {
                    expected -= amount;
                    Record::Fee(fee(minute, Asset::Currency(Currency::USD), amount))
                }
                1 => {
                    let mut row = fee(minute, asset(ID), amount);
                    row.price = Some(cents(999).into());
                    Record::Fee(row)
                }
                2 => {
                    let mut row = flow(minute, FlowKind::Transfer, asset(ID), -amount);
                    row.price = Some(cents(1234).into());
                    Record::Flow(row)
                }
                3 => {
                    expected += amount;
                    let mut row = flow(minute, FlowKind::Reorganization, asset(ID), -amount);
                    row.cash = Some(Money::new(amount, Currency::USD));
                    Record::Flow(row)
                }
                _ => {
                    expected += amount;
                    Record::Flow(flow(minute, FlowKind::Dividend, Asset::Currency(Currency::USD), amount))
                }
            };
            let place = place.min(records.len());
            records.insert(place, record);
        }
        let books = books(method, &[x(Payoff::Cash)], &records);
        prop_assert_eq!(cash(&books), expected);
    }

    /// The margined form: realized PnL in the place of price x quantity, checked against FIFO on paper.
    #[test]
    fn cash_of_a_margined_product_is_realized_pnl_plus_fees_plus_flows(
        steps in prop::collection::vec(step(), 1..15),
        financing in -500i64..500,
    ) {
        let mut records = records(&steps);
        let mut row = flow(5000, FlowKind::Financing, Asset::Currency(Currency::USD), cents(financing));
        row.instrument = Some(ID.into());
        records.push(Record::Flow(row));
        let fees: Decimal = steps.iter().map(|step| cents(step.qty) * cents(step.fee)).sum();
        let realized = paper_fifo(&steps) * d("2.5");
        let books = books(LotMethod::Fifo, &[x(Payoff::Margined)], &records);
        prop_assert_eq!(cash(&books), realized - fees + cents(financing));
        prop_assert_eq!(books.instruments[ID].realized.unwrap().amount, realized);
        let of_trades: Decimal = books.trades.iter().map(|trade| trade.gross_pnl.unwrap().amount).sum();
        prop_assert_eq!(of_trades, realized);
    }

    #[test]
    fn splitting_a_fill_changes_nothing(
        steps in steps(),
        at in any::<prop::sample::Index>(),
        cut in any::<prop::sample::Index>(),
        method in methods(),
        payoff in payoffs(),
    ) {
        let place = at.index(steps.len());
        let step = steps[place];
        prop_assume!(step.qty > 1);
        let first = 1 + i64::try_from(cut.index(usize::try_from(step.qty).unwrap() - 1)).unwrap();
        let mut parts = steps.clone();
        parts.splice(place..=place, [Step { qty: first, ..step }, Step { qty: step.qty - first, ..step }]);
        prop_assert_eq!(
            essence(&books(method, &[x(payoff)], &records(&steps))),
            essence(&books(method, &[x(payoff)], &records(&parts)))
        );
    }

    #[test]
    fn merging_equal_fills_changes_nothing(
        steps in steps(),
        at in any::<prop::sample::Index>(),
        method in methods(),
        payoff in payoffs(),
    ) {
        let place = at.index(steps.len());
        let mut twice = steps.clone();
        twice.insert(place, steps[place]);
        let mut merged = steps.clone();
        merged[place].qty *= 2;
        prop_assert_eq!(
            essence(&books(method, &[x(payoff)], &records(&twice))),
            essence(&books(method, &[x(payoff)], &records(&merged)))
        );
    }

    #[test]
    fn fifo_lifo_and_average_agree_when_flat(steps in steps(), payoff in payoffs(), last in step()) {
        let open = net(&steps);
        prop_assume!(open != 0);
        let mut steps = steps;
        steps.push(Step { buys: open < 0, qty: open.abs(), ..last });
        let records = records(&steps);
        let fifo = books(LotMethod::Fifo, &[x(payoff)], &records);
        prop_assert!(fifo.positions.is_empty());
        for method in [LotMethod::Lifo, LotMethod::Average] {
            prop_assert_eq!(essence(&books(method, &[x(payoff)], &records)), essence(&fifo));
        }
    }

    #[test]
    fn a_flip_is_a_close_and_an_open(
        steps in steps(),
        more in 1i64..1000,
        price in 1i64..50_000,
        fee in 0i64..20,
        method in methods(),
        payoff in payoffs(),
    ) {
        let open = net(&steps);
        prop_assume!(open != 0);
        let flip = Step { buys: open < 0, qty: open.abs() + more, price, fee };
        let mut flipped = steps.clone();
        flipped.push(flip);
        let mut apart = steps.clone();
        apart.extend([Step { qty: open.abs(), ..flip }, Step { qty: more, ..flip }]);
        let one = books(method, &[x(payoff)], &records(&flipped));
        prop_assert_eq!(essence(&one), essence(&books(method, &[x(payoff)], &records(&apart))));
        // The fill is in both trades.
        let [.., closed, opened] = one.trades.as_slice() else { panic!("two trades") };
        prop_assert_eq!(closed.fills.last(), opened.fills.first());
        prop_assert_eq!((closed.exit, opened.closed_at), (Some(TradeExit::Filled), None));
    }

    #[test]
    fn mirrored_sides_mirror_pnl(steps in steps(), method in methods(), payoff in payoffs()) {
        let mirrored: Vec<Step> = steps.iter().map(|step| Step { buys: !step.buys, ..*step }).collect();
        let one = books(method, &[x(payoff)], &records(&steps));
        let other = books(method, &[x(payoff)], &records(&mirrored));
        prop_assert_eq!(one.trades.len(), other.trades.len());
        for (a, b) in one.trades.iter().zip(&other.trades) {
            prop_assert_eq!(a.side, b.side.opposite());
            prop_assert_eq!(a.gross_pnl.unwrap(), -b.gross_pnl.unwrap());
            prop_assert_eq!((a.qty, a.entry_price, a.exit_price), (b.qty, b.entry_price, b.exit_price));
        }
        prop_assert_eq!(position(&one, ID), -position(&other, ID));
    }

    #[test]
    fn multiplier_scaling_is_linear(steps in steps(), method in methods(), by in 1i64..1000) {
        let records = records(&steps);
        let mut scaled = x(Payoff::Margined);
        scaled.multiplier = Some(d("2.5") * Decimal::from(by));
        let one = books(method, &[x(Payoff::Margined)], &records);
        let other = books(method, &[scaled], &records);
        for (a, b) in one.trades.iter().zip(&other.trades) {
            prop_assert_eq!(a.gross_pnl.unwrap().amount * Decimal::from(by), b.gross_pnl.unwrap().amount);
            prop_assert_eq!((a.entry_price, &a.fees), (b.entry_price, &b.fees));
        }
    }

    /// Twice the move is twice the pips, and a pip ten times as small is ten times as many.
    #[test]
    fn pip_scaling_is_linear(entry in 1i64..1_000_000, moved in -10_000i64..10_000, buys in any::<bool>(), location in -5i8..0) {
        let pips = |moved: i64, location: i8| {
            let mut pair = x(Payoff::Margined);
            pair.pip_location = Some(location);
            let price = |ticks| Decimal::new(ticks, 5);
            let (first, second) = if buys { (Side::Buy, Side::Sell) } else { (Side::Sell, Side::Buy) };
            let records = [
                Record::Fill(fill_of(0, first, ID, Decimal::TEN, price(entry))),
                Record::Fill(fill_of(1, second, ID, Decimal::TEN, price(entry + moved))),
            ];
            books(LotMethod::Fifo, &[pair], &records).trades[0].pips.unwrap()
        };
        let one = pips(moved, location);
        let points = Decimal::new(if buys { moved } else { -moved }, 5);
        prop_assert_eq!(one * Decimal::new(1, u32::from(location.unsigned_abs())), points);
        prop_assert_eq!(pips(2 * moved, location), one * Decimal::TWO);
        prop_assert_eq!(pips(moved, location - 1), one * Decimal::TEN);
    }

    #[test]
    fn conversion_there_and_back_is_identity_within_digits(amount in -1_000_000_000i64..1_000_000_000, rate in 1i64..100_000_000) {
        let mut rates = RateTable::new(TimeDelta::days(1));
        rates.insert(Currency::EUR, Currency::USD, at(0), Decimal::new(rate, 5));
        let euros = Money::new(cents(amount), Currency::EUR);
        let there = convert(euros, Currency::USD, at(5), &rates).money().unwrap();
        prop_assert_eq!(there.amount, cents(amount) * Decimal::new(rate, 5));
        let back = convert(there, Currency::EUR, at(5), &rates).money().unwrap();
        prop_assert!((back.amount - euros.amount).abs() <= d("0.0000000000001"), "{} {}", back, euros);
        // A missing rate is never 1.
        let yen = "JPY".parse().unwrap();
        prop_assert_eq!(convert(euros, yen, at(5), &rates), Converted::Unconverted(euros));
    }

    /// Adding records to a book one by one is folding them at once; so is folding what stood before as an opening.
    #[test]
    fn a_day_more_is_the_whole_again(steps in steps(), cut in any::<prop::sample::Index>(), method in methods(), payoff in payoffs()) {
        let records = records(&steps);
        let cut = cut.index(records.len());
        let whole = books(method, &[x(payoff)], &records);
        let mut book = TradeBook::new(method).with_start(&"A1".into(), at(-10));
        records[..cut].iter().try_for_each(|record| book.apply(record)).unwrap();
        book.trades().unwrap();
        // Terms that come late count for what was there before.
        book.add_instrument(&x(payoff)).unwrap();
        records[cut..].iter().try_for_each(|record| book.apply(record)).unwrap();
        prop_assert_eq!(book.books().unwrap(), whole.clone());
        prop_assert_eq!(book.into_trades().unwrap(), whole.trades);
    }

    #[test]
    fn an_opening_without_a_price_hides_pnl_until_flat(qty in 1i64..500, price in 1i64..9000, buys in any::<bool>()) {
        let signed = if buys { cents(qty) } else { cents(-qty) };
        let mut book = TradeBook::fifo().with_start(&"A1".into(), at(-10));
        book.add_instrument(&x(Payoff::Cash)).unwrap();
        book.open(&Opening { instrument: ID.into(), symbol: ID.into(), leg: PositionLeg::Net, qty: signed, price: None }).unwrap();
        for minute in 0..2 {
            book.apply(&record(minute, Step { buys: !buys, qty, price, fee: 0 })).unwrap();
        }
        let books = book.books().unwrap();
        let [first, second] = books.trades.as_slice() else { panic!("two trades") };
        prop_assert_eq!((first.basis, first.gross_pnl, first.entry_price), (Basis::Unknown, None, None));
        prop_assert_eq!((first.opened_at, first.exit_price.unwrap().get()), (at(-10), cents(price)));
        prop_assert_eq!((second.basis, second.gross_pnl.unwrap().amount), (Basis::Known, Decimal::ZERO));
        let value = cents(qty) * cents(price) * d("2.5") * Decimal::TWO;
        prop_assert_eq!(cash(&books), if buys { value } else { -value });
    }
}

/// The tests above can fail: a book that counts its fills by what they look like loses one of two equal ones.
#[test]
fn a_book_of_look_alikes_breaks_the_law_of_position() {
    let step = Step {
        buys: true,
        qty: 100,
        price: 100,
        fee: 0,
    };
    let two = records(&[step, step]);
    let looks = |record: &Record| match record {
        Record::Fill(Fill { side, qty, price, .. }) => (*side, *qty, *price),
        _ => panic!("a fill"),
    };
    let mut alike = two.clone();
    alike.dedup_by_key(|record| looks(record));
    assert_eq!(position(&books(LotMethod::Fifo, &[x(Payoff::Cash)], &two), ID), d("2"));
    assert_eq!(
        position(&books(LotMethod::Fifo, &[x(Payoff::Cash)], &alike), ID),
        d("1")
    );
}
