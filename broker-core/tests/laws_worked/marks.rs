//! A book that is kept and gone on from says what one book says that was never put down.

use broker_core::pnl::{BookMark, Books, ClosedTrade};
use chrono::{DateTime, Utc};
use proptest::prelude::*;

use super::*;

const IDS: [&str; 3] = ["A", "B", "ES"];

/// One record; most are fills, and the small ids make orders and fee rows meet.
fn record() -> impl Strategy<Value = Record> {
    let fills = (0usize..3, any::<bool>(), 1i64..9, 1i64..400, 0i64..6, 0u8..3).prop_map(
        |(id, buys, qty, price, order, more)| {
            let side = if buys { Side::Buy } else { Side::Sell };
            let mut fill = fill_of(0, side, IDS[id], qty.into(), Decimal::new(price, 1));
            fill.order = (order > 0).then(|| format!("o{order}").into());
            fill.fees = vec![usd("0.01")];
            if more == 1 {
                fill.fees.push(Money::new(d("0.02"), Currency::EUR));
                fill.pnl = Some(usd("1.00"));
            }
            Record::Fill(fill)
        },
    );
    let fees = (0usize..4, 0i64..40, 0i64..6, 1i64..9).prop_map(|(id, names, order, amount)| {
        let mut row = fee(0, Asset::Currency(Currency::USD), Decimal::new(amount, 2));
        row.instrument = IDS.get(id).map(|id| (*id).into());
        row.order = (order > 0).then(|| format!("o{order}").into());
        row.fill = (names < 20).then(|| format!("f{names}").into());
        Record::Fee(row)
    });
    let flows = (0usize..3, 0u8..4, -5i64..20).prop_map(|(id, kind, amount)| {
        let kinds = [
            FlowKind::Split,
            FlowKind::Transfer,
            FlowKind::Financing,
            FlowKind::Dividend,
        ];
        let kind = kinds[usize::from(kind)].clone();
        let of_money = matches!(kind, FlowKind::Financing | FlowKind::Dividend);
        let what = if of_money {
            Asset::Currency(Currency::USD)
        } else {
            asset(IDS[id])
        };
        let mut row = flow(0, kind, what, Decimal::from(amount));
        row.instrument = of_money.then(|| IDS[id].into());
        Record::Flow(row)
    });
    prop_oneof![6 => fills, 2 => fees, 1 => flows]
}

/// Each at a minute of its own, with ids after it.
fn numbered(records: Vec<Record>) -> Vec<Record> {
    let name = |(minute, mut record): (i64, Record)| {
        match &mut record {
            Record::Fill(fill) => (fill.id, fill.at) = (format!("f{minute}").into(), at(minute)),
            Record::Fee(fee) => (fee.id, fee.at) = (format!("e{minute}").into(), at(minute)),
            Record::Flow(flow) => (flow.id, flow.at) = (format!("w{minute}").into(), at(minute)),
            Record::Void(_) => {}
        }
        record
    };
    (0..).zip(records).map(name).collect()
}

fn begun(method: LotMethod, instruments: &[Instrument]) -> TradeBook {
    let mut book = TradeBook::new(method).with_start(&"A1".into(), at(-10));
    instruments
        .iter()
        .try_for_each(|instrument| book.add_instrument(instrument))
        .unwrap();
    book
}

/// Counts records from a mark on, and marks at these places.
fn go_on(
    mut book: TradeBook,
    records: &[Record],
    cuts: &[usize],
) -> (Vec<(DateTime<Utc>, BookMark)>, Vec<ClosedTrade>) {
    let (mut marks, mut closed) = (Vec::new(), Vec::new());
    let mut mark = |book: &mut TradeBook, at| {
        let (mark, more) = book.mark().unwrap();
        marks.push((at, mark));
        closed.extend(more);
    };
    for (place, record) in records.iter().enumerate() {
        if cuts.contains(&place) {
            mark(&mut book, record.at());
        }
        book.apply(record).unwrap();
    }
    mark(&mut book, at(1_000_000));
    book.link(&mut marks, &mut closed).unwrap();
    (marks, closed)
}

fn through_text<T: serde::Serialize + serde::de::DeserializeOwned>(value: &T) -> T {
    serde_json::from_str(&serde_json::to_string(value).unwrap()).unwrap()
}

/// As one book that was never put down.
fn at_once(method: LotMethod, instruments: &[Instrument], records: &[Record]) -> Books {
    let mut book = begun(method, instruments);
    records.iter().try_for_each(|record| book.apply(record)).unwrap();
    book.books().unwrap()
}

proptest! {
    #[test]
    fn any_mark_goes_on_to_the_same_books(
        records in prop::collection::vec(record(), 1..60),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 1..5),
        method in prop::sample::select(METHODS.to_vec()),
        knows_all in any::<bool>(),
    ) {
        let records = numbered(records);
        let instruments = if knows_all { vec![share("A"), share("B"), es()] } else { vec![share("A")] };
        let whole = at_once(method, &instruments, &records);
        let cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(records.len())).collect();
        let (marks, closed) = go_on(begun(method, &instruments), &records, &cuts);
        // From each mark on, with what was closed before it, through text.
        for (at, mark) in &marks {
            let before: Vec<ClosedTrade> = closed
                .iter()
                .filter(|trade| trade.trade.closed_at.unwrap() < *at)
                .map(through_text)
                .collect();
            let rest: Vec<Record> = records.iter().filter(|record| record.at() >= *at).cloned().collect();
            let (later, more) = go_on(TradeBook::resume(through_text(mark)), &rest, &[rest.len() / 2]);
            let (_, last) = later.last().unwrap();
            let all = before.into_iter().chain(more).collect();
            prop_assert_eq!(&TradeBook::resume(last.clone()).books_with(all).unwrap(), &whole);
        }
    }
}

/// A fee row of the next day names the fill that closed yesterday's trade: the trade has it, and so has the instrument,
/// from whichever mark the book goes on.
#[test]
fn a_fee_row_reaches_back_over_a_mark() {
    let mut late = fee(10, Asset::Currency(Currency::USD), d("0.07"));
    late.fill = Some("f1".into());
    let records = [
        buy(0, "A", "1", "10"),
        sell(1, "A", "1", "12"),
        buy(5, "A", "1", "11"),
        Record::Fee(late),
    ];
    let (marks, closed) = go_on(begun(LotMethod::Fifo, &[share("A")]), &records, &[2, 3]);
    assert_eq!(closed[0].trade.fees, [usd("0.07")]);
    for (at, mark) in &marks[..2] {
        let mut book = TradeBook::resume(mark.clone());
        let rest = records.iter().filter(|record| record.at() >= *at);
        rest.for_each(|record| book.apply(record).unwrap());
        let books = book.books_with(closed.clone()).unwrap();
        assert_eq!(books.instruments["A"].fees, [usd("0.07")]);
        assert_eq!(
            (books.trades[0].fees.as_slice(), books.trades[1].fees.len()),
            ([usd("0.07")].as_slice(), 0)
        );
        assert_eq!((books.fees[&Currency::USD], cash(&books)), (d("0.07"), d("-9.07")));
    }
}

#[test]
fn a_mark_knows_what_its_prices_meant() {
    let mut book = begun(LotMethod::Lifo, &[share("A")]);
    book.apply(&buy(0, "A", "1", "10")).unwrap();
    book.apply(&buy(1, "B", "1", "10")).unwrap();
    let (mark, _) = book.mark().unwrap();
    assert!(mark.holds_for(&share("A")) && mark.holds_for(&es()));
    assert!(!mark.holds_for(&instrument("A", Payoff::Cash, Some("100"))));
    assert!(!mark.holds_for(&share("B")), "it was counted without terms");
    let mut renamed = share("A");
    renamed.symbol = "A.NEW".into();
    assert!(mark.holds_for(&renamed));
    assert_eq!(mark.method(), LotMethod::Lifo);
    let known: Vec<&str> = mark.instruments().map(|id| id.get()).collect();
    assert_eq!(known, ["A", "B"]);
}
