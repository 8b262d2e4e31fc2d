//! Books worked out by hand.

#![allow(clippy::unwrap_used)] // test helpers are not test functions

#[path = "../books/mod.rs"]
mod books;
mod conversion;
mod flows;
mod marks;

use books::*;
use broker_core::model::{
    Asset, AssetClass, Basis, FlowKind, LotRole, LotUse, Opening, OptionRight, OptionTerms, Payoff, PositionLeg,
    TradeExit, Void,
};
use broker_core::pnl::{LotMethod, Reason, TradeBook};
use broker_core::{Currency, Instrument, Money, Qty, Record, Side};
use rust_decimal::Decimal;

fn es() -> Instrument {
    instrument("ES", Payoff::Margined, Some("50"))
}

fn pair(id: &str, quote: &str, pip_location: i8) -> Instrument {
    let mut pair = instrument(id, Payoff::Margined, Some("1"));
    pair.asset_class = AssetClass::Forex;
    pair.currency = quote.parse().unwrap();
    pair.pip_location = Some(pip_location);
    pair
}

#[test]
fn one_tick_of_es_is_twelve_and_a_half_dollars() {
    let books = books(
        LotMethod::Fifo,
        &[es()],
        &[buy(0, "ES", "1", "6064.25"), sell(1, "ES", "1", "6064.50")],
    );
    assert_eq!(books.trades[0].gross_pnl, Some(usd("12.50")));
    assert_eq!(cash(&books), d("12.50"));
}

#[test]
fn pips_of_euro_yen_and_gold() {
    for (id, quote, location, entry, exit, pips) in [
        ("EUR_USD", "USD", -4, "1.0850", "1.0861", "11.0"),
        ("USD_JPY", "JPY", -2, "151.20", "150.95", "-25"),
        ("XAU_USD", "USD", -2, "2301.55", "2302.05", "50"),
    ] {
        let books = books(
            LotMethod::Fifo,
            &[pair(id, quote, location)],
            &[buy(0, id, "10000", entry), sell(1, id, "10000", exit)],
        );
        assert_eq!(books.trades[0].pips, Some(d(pips)), "{id}");
    }
    let yen = pair("USD_JPY", "JPY", -2);
    assert_eq!(yen.pip(), Some(d("0.01")));
    let units: Qty = "10000".parse().unwrap();
    assert_eq!(yen.pip_value(units).unwrap().to_string(), "100.00 JPY");
    assert_eq!(
        pair("EUR_USD", "USD", -4).pip_value(units).unwrap().to_string(),
        "1.0000 USD"
    );
}

/// 100 contracts of 100 USD, bought at 50,000 and sold at 62,500: 10,000 x (1/50,000 - 1/62,500) = 0.2 - 0.16 BTC.
#[test]
fn an_inverse_contract_earns_coins() {
    let mut coin = instrument("BTCUSD", Payoff::Inverse, Some("100"));
    coin.currency = "BTC".parse().unwrap();
    let long = books(
        LotMethod::Fifo,
        &[coin.clone()],
        &[buy(0, "BTCUSD", "100", "50000"), sell(1, "BTCUSD", "100", "62500")],
    );
    let btc = Money::new(d("0.04"), coin.currency);
    assert_eq!(long.trades[0].gross_pnl, Some(btc));
    assert_eq!(long.cash[&coin.currency], d("0.04"));
    let short = books(
        LotMethod::Average,
        &[coin.clone()],
        &[sell(0, "BTCUSD", "100", "50000"), buy(1, "BTCUSD", "100", "62500")],
    );
    assert_eq!(short.trades[0].gross_pnl, Some(-btc));
    // 100 at 50,000 and 100 at 100,000 cost 0.2 + 0.1 BTC: the average is 20,000 / 0.3 = 66,666.66..
    let two = books(
        LotMethod::Average,
        &[coin],
        &[buy(0, "BTCUSD", "100", "50000"), buy(1, "BTCUSD", "100", "100000")],
    );
    let price = two.trades[0].entry_price.unwrap().get();
    assert_eq!(price.round_dp(6), d("66666.666667"));
    assert_eq!(two.positions[0].cost.unwrap().amount, d("0.3"));
}

/// ```text
///      fill            position   cash (price x quantity less 0.10 fee)
/// 1    buy  100 @ 10      +100      -1,000.10
/// 2    buy   50 @ 12      +150      -1,600.20
/// 3    sell  80 @ 13       +70        -560.30     FIFO: 80 x (13 - 10)              = 240
/// 4    sell 100 @ 11       -30        +539.60     FIFO: 20 x (11 - 10) + 50 x (11 - 12) = -30; closes, 30 short
/// 5    buy   10 @  9       -20        +449.50     10 x (11 - 9)                     =  20
/// 6    sell  20 @ 10       -40        +649.40     adds
/// ```
/// Trade 1: gross 210, fees 0.10 x 3 + 0.07 (70 of the 100 that flipped), net 209.63. Trade 2: so far 20.
#[test]
fn a_session_of_six_fills() {
    let records = [
        buy(0, "A", "100", "10"),
        buy(1, "A", "50", "12"),
        sell(2, "A", "80", "13"),
        sell(3, "A", "100", "11"),
        buy(4, "A", "10", "9"),
        sell(5, "A", "20", "10"),
    ]
    .map(|record| with_fee(record, "0.10"));
    let fifo = books(LotMethod::Fifo, &[share("A")], &records);
    assert_eq!((position(&fifo, "A"), cash(&fifo)), (d("-40"), d("649.40")));
    let [first, second] = fifo.trades.as_slice() else {
        panic!("two trades")
    };
    assert_eq!(
        (first.side, first.qty, first.exit_qty, first.peak_qty),
        (Side::Buy, q("150"), q("150"), q("150"))
    );
    assert_eq!(
        (first.gross_pnl, first.net_pnl()),
        (Some(usd("210")), Some(usd("209.63")))
    );
    assert_eq!(
        (first.opened_at, first.closed_at, first.exit),
        (at(0), Some(at(3)), Some(TradeExit::Filled))
    );
    assert_eq!(
        first.fills.iter().map(|fill| fill.get()).collect::<Vec<_>>(),
        ["f0", "f1", "f2", "f3"]
    );
    assert_eq!(
        (second.side, second.qty, second.exit_qty),
        (Side::Sell, q("50"), q("10"))
    );
    assert_eq!(
        (second.gross_pnl, second.fees.as_slice()),
        (Some(usd("20")), [usd("0.23")].as_slice())
    );
    // Entries 30 @ 11 and 20 @ 10: 530 / 50.
    assert_eq!(
        (second.entry_price, second.exit_price),
        (Some(d("10.6").into()), Some(d("9").into()))
    );
    assert_eq!(fifo.fees[&Currency::USD], d("0.60"));
    // Open lots: 20 left of the 30 @ 11, and 20 @ 10.
    let lots: Vec<_> = fifo.positions[0]
        .lots
        .iter()
        .map(|lot| (lot.qty, lot.price.unwrap()))
        .collect();
    assert_eq!(lots, [(d("-20"), d("11")), (d("-20"), d("10"))]);

    // By LIFO fill 3 takes 50 @ 12 and 30 @ 10: 50 + 90 = 140; fill 4 70 @ 10: 70. Flat all the same: 210.
    let lifo = books(LotMethod::Lifo, &[share("A")], &records);
    assert_eq!(lifo.trades[0].gross_pnl, Some(usd("210")));
    // By average the open 30 @ 11 and 20 @ 10 less 10: 20 x 11 and 20 x 10 is 420 / 40 = 10.5.
    let average = books(LotMethod::Average, &[share("A")], &records);
    assert_eq!(average.positions[0].cost, Some(usd("420")));
    assert_eq!(average.positions[0].lots[0].price, Some(d("10.5")));
}

fn q(text: &str) -> Qty {
    text.parse().unwrap()
}

/// A long of 100 from 1.11640 is closed by a fill of -100 at 1.11626: (1.11626 - 1.11640) x 100 = -0.0140, which is
/// what the broker states. (A short of 100 between the same prices would have earned 0.0140.)
#[test]
fn the_brokers_pnl_stands_beside_ours() {
    let lot = |role, price: &str, pnl: Option<&str>, financing: Option<&str>| LotUse {
        lot: "6397".into(),
        role,
        qty: q("100"),
        price: price.parse().unwrap(),
        pnl: pnl.map(usd),
        financing: financing.map(usd),
    };
    let mut open = fill(0, Side::Buy, "EUR_USD", "100", "1.11640");
    open.lots = vec![lot(LotRole::Opened, "1.11640", None, None)];
    let mut close = fill(1, Side::Sell, "EUR_USD", "100", "1.11626");
    close.pnl = Some(usd("-0.0140"));
    close.lots = vec![lot(LotRole::Closed, "1.11626", Some("-0.0140"), Some("-0.0082"))];
    let records = [Record::Fill(open), Record::Fill(close)];
    for method in METHODS {
        let books = books(method, &[pair("EUR_USD", "USD", -4)], &records);
        let trade = &books.trades[0];
        assert_eq!(
            (trade.gross_pnl, trade.broker_pnl),
            (Some(usd("-0.0140")), Some(usd("-0.0140")))
        );
        assert_eq!(
            (trade.pips, trade.financing.as_slice()),
            (Some(d("-1.4")), [usd("-0.0082")].as_slice())
        );
        assert_eq!(
            (books.broker_pnl.len(), books.broker_pnl[0].difference),
            (1, Some(Decimal::ZERO))
        );
        assert_eq!(books.disagreements().count(), 0);
        // The balance moves by PnL and financing: 94984.8867 - 0.0140 - 0.0082.
        assert_eq!(cash(&books), d("-0.0222"));
        assert!(books.unassigned.is_empty());
    }
}

#[test]
fn another_pnl_than_ours_is_named() {
    let mut close = fill(1, Side::Sell, "ES", "1", "6065.25");
    close.pnl = Some(usd("49"));
    let books = books(
        LotMethod::Fifo,
        &[es()],
        &[buy(0, "ES", "1", "6064.25"), Record::Fill(close)],
    );
    let row = books.disagreements().next().unwrap();
    assert_eq!(
        (row.trade, row.ours, row.difference),
        (0, Some(usd("50")), Some(d("-1")))
    );
}

/// Two lots; the younger is closed because the broker says so: 110 - 105, not 110 - 100.
#[test]
fn the_brokers_lots_are_taken_as_it_says() {
    let with_lot = |record: Record, lot: &str, role| match record {
        Record::Fill(mut fill) => {
            fill.lots = vec![LotUse {
                lot: lot.into(),
                role,
                qty: fill.qty,
                price: fill.price,
                pnl: None,
                financing: None,
            }];
            Record::Fill(fill)
        }
        other => other,
    };
    let records = [
        with_lot(buy(0, "A", "1", "100"), "old", LotRole::Opened),
        with_lot(buy(1, "A", "1", "105"), "young", LotRole::Opened),
        with_lot(sell(2, "A", "1", "110"), "young", LotRole::Closed),
    ];
    let assigned = books(LotMethod::BrokerLots, &[share("A")], &records);
    assert_eq!(assigned.trades[0].gross_pnl, Some(usd("5")));
    assert_eq!(assigned.positions[0].lots[0].id, Some("old".into()));
    assert_eq!(
        books(LotMethod::Fifo, &[share("A")], &records).trades[0].gross_pnl,
        Some(usd("10"))
    );

    // A row that names no lot, or one that is not there, takes the oldest and is listed.
    let unnamed = [records[0].clone(), records[1].clone(), sell(2, "A", "1", "110")];
    let fallback = books(LotMethod::BrokerLots, &[share("A")], &unnamed);
    assert_eq!(fallback.trades[0].gross_pnl, Some(usd("10")));
    assert_eq!(fallback.unassigned, ["f2".into()]);
}

#[test]
fn an_unknown_multiplier_is_never_a_default() {
    let records = [
        buy(0, "ES", "1", "6064.25"),
        sell(1, "ES", "2", "6064.50"),
        buy(2, "A", "1", "5"),
    ];
    let unknown = instrument("ES", Payoff::Margined, None);
    for (given, reason) in [
        (vec![unknown, share("A")], Reason::UnknownMultiplier),
        (vec![share("A")], Reason::UnknownInstrument),
    ] {
        let books = books(LotMethod::Fifo, &given, &records);
        assert_eq!(position(&books, "ES"), d("-1"));
        assert_eq!(
            (books.trades[0].gross_pnl, books.trades[0].exit_price),
            (None, Some(d("6064.50").into()))
        );
        assert_eq!((books.unpriced.len(), books.unpriced[0].reason), (1, reason));
        assert_eq!(books.unpriced[0].records.len(), 3); // the flip is in two trades
        assert_eq!(
            (books.instruments["ES"].realized, books.instruments["ES"].unknown),
            (None, 2)
        );
        // The other instrument's cash is there.
        assert_eq!(cash(&books), d("-5"));
    }
}

/// Bought 1 coin at 100; a fee of 0.01 coin at 110; sold 0.99 at 120. Gross 0.01 x 10 + 0.99 x 20 = 19.90, fee 1.10:
/// net 18.80, and so is the cash: -100 + 118.80.
#[test]
fn a_fee_in_kind_realizes_and_moves_no_cash() {
    let mut row = fee(1, asset("BTC/USD"), d("0.01"));
    row.price = Some(d("110").into());
    let records = [
        buy(0, "BTC/USD", "1", "100"),
        Record::Fee(row.clone()),
        sell(2, "BTC/USD", "0.99", "120"),
    ];
    let priced = books(LotMethod::Fifo, &[share("BTC/USD")], &records);
    let trade = &priced.trades[0];
    assert_eq!(
        (trade.gross_pnl, trade.fees.as_slice()),
        (Some(usd("19.90")), [usd("1.10")].as_slice())
    );
    assert_eq!((trade.net_pnl(), cash(&priced)), (Some(usd("18.80")), d("18.80")));
    assert!(!trade.is_open());
    assert_eq!(
        (priced.fees[&Currency::USD], priced.fees_in_kind[&Currency::USD]),
        (d("1.10"), d("1.10"))
    );

    // Valued at cost the parts differ, and the net does not.
    row.price = None;
    let records = [records[0].clone(), Record::Fee(row), records[2].clone()];
    let at_cost = books(LotMethod::Fifo, &[share("BTC/USD")], &records);
    assert_eq!(at_cost.trades[0].fees, [usd("1.00")]);
    assert_eq!(at_cost.trades[0].net_pnl(), Some(usd("18.80")));
}

/// One coin bought at 100 pays 0.01 of itself: 0.99 are left, worth 1.00 less; sold at 120 they gain 19.80.
#[test]
fn a_fee_in_the_coin_that_was_bought_takes_from_the_position() {
    let coin: Currency = "BTC".parse().unwrap();
    let mut pair = share("BTC/USD");
    pair.base = Some(coin);
    let Record::Fill(mut bought) = buy(0, "BTC/USD", "1", "100") else {
        panic!("a fill");
    };
    bought.fees = vec![broker_core::Money::new(d("0.01"), coin), usd("0.25")];
    let open = books(LotMethod::Fifo, &[pair.clone()], &[Record::Fill(bought.clone())]);
    assert_eq!(open.positions[0].qty, d("0.99"));
    let records = [Record::Fill(bought), sell(2, "BTC/USD", "0.99", "120")];
    let flat = books(LotMethod::Fifo, &[pair], &records);
    let trade = &flat.trades[0];
    assert!(!trade.is_open() && flat.positions.is_empty());
    assert_eq!(
        (trade.gross_pnl, trade.net_pnl()),
        (Some(usd("19.80")), Some(usd("18.55")))
    );
    assert_eq!(trade.fees, [usd("1.25")]);
    assert_eq!(cash(&flat), d("18.55"));
    assert_eq!(flat.cash.get(&coin), None);
}

/// A day's fee row is dated midnight, before the fill that it names.
#[test]
fn a_fee_row_finds_its_fill_its_order_or_its_instrument() {
    let usd_asset = Asset::Currency(Currency::USD);
    let mut by_fill = fee(-5, usd_asset.clone(), d("0.03"));
    by_fill.fill = Some("f1".into());
    let mut by_order = fee(-4, usd_asset.clone(), d("0.05"));
    by_order.order = Some("o9".into());
    let mut by_instrument = fee(7, usd_asset.clone(), d("0.07"));
    by_instrument.instrument = Some("A".into());
    let of_account = fee(8, usd_asset, d("0.11"));
    let mut first = fill(0, Side::Buy, "A", "1", "10");
    first.order = Some("o9".into());
    let records = [
        Record::Fee(by_fill),
        Record::Fee(by_order),
        Record::Fill(first),
        sell(1, "A", "1", "10"),
        Record::Fee(by_instrument),
        Record::Fee(of_account),
    ];
    let books = books(LotMethod::Fifo, &[share("A")], &records);
    assert_eq!(books.trades[0].fees, [usd("0.08")]);
    assert_eq!(books.instruments["A"].fees, [usd("0.15")]);
    assert_eq!((books.fees[&Currency::USD], cash(&books)), (d("0.26"), d("-0.26")));
}

/// 10 at 300 and 5 at 360; three for one: 30 at 100 and 15 at 120. 35 are sold at 110: 300 + 5 x -10 = 250.
#[test]
fn a_split_keeps_the_cost() {
    let split = flow(2, FlowKind::Split, asset("A"), d("30"));
    let records = [
        buy(0, "A", "10", "300"),
        buy(1, "A", "5", "360"),
        Record::Flow(split),
        sell(3, "A", "35", "110"),
    ];
    let fifo = books(LotMethod::Fifo, &[share("A")], &records);
    assert_eq!(
        (position(&fifo, "A"), fifo.trades[0].gross_pnl),
        (d("10"), Some(usd("250")))
    );
    assert_eq!(fifo.positions[0].cost, Some(usd("1200")));
    assert_eq!((fifo.trades[0].qty, fifo.trades[0].peak_qty), (q("45"), q("45")));
    // (3,000 + 1,800) / 45
    assert_eq!(fifo.trades[0].entry_price.unwrap().get().round_dp(4), d("106.6667"));
    assert_eq!(cash(&fifo), d("-4800") + d("3850"));
    // One for three, of 10: 3 stay, and the cost of all ten.
    let reverse = flow(1, FlowKind::Split, asset("A"), d("-7"));
    let one = books(
        LotMethod::Lifo,
        &[share("A")],
        &[buy(0, "A", "10", "300"), Record::Flow(reverse)],
    );
    assert_eq!(
        (position(&one, "A"), one.positions[0].cost),
        (d("3"), Some(usd("3000")))
    );
}

#[test]
fn hedged_legs_are_two_positions() {
    let leg = |record: Record, leg| match record {
        Record::Fill(mut fill) => {
            fill.leg = leg;
            Record::Fill(fill)
        }
        other => other,
    };
    let records = [
        leg(buy(0, "P", "1", "10"), PositionLeg::Long),
        leg(sell(1, "P", "1", "12"), PositionLeg::Short),
        leg(sell(2, "P", "1", "13"), PositionLeg::Long),
    ];
    let books = books(
        LotMethod::Fifo,
        &[instrument("P", Payoff::Margined, Some("1"))],
        &records,
    );
    assert_eq!(books.trades.len(), 2);
    assert_eq!(
        (books.trades[0].gross_pnl, books.trades[0].leg),
        (Some(usd("3")), PositionLeg::Long)
    );
    assert_eq!(
        (books.positions[0].qty, books.positions[0].leg),
        (d("-1"), PositionLeg::Short)
    );
}

#[test]
fn an_opening_position_counts_with_its_price() {
    let mut history = history(&[es()], &[sell(0, "ES", "2", "6010")]);
    history.opening = vec![Opening {
        instrument: "ES".into(),
        symbol: "ES".into(),
        leg: PositionLeg::Net,
        qty: d("2"),
        price: Some(d("6000").into()),
    }];
    let books = TradeBook::fifo().fold(&history).unwrap();
    assert_eq!(
        (books.trades[0].gross_pnl, books.trades[0].opened_at),
        (Some(usd("1000")), history.since)
    );
    assert_eq!(cash(&books), d("1000"));
    history.opening[0].price = None;
    let unknown = TradeBook::fifo().fold(&history).unwrap();
    assert_eq!(unknown.trades[0].basis, Basis::Unknown);
    assert!(unknown.cash.is_empty());
    assert_eq!(unknown.unpriced[0].reason, Reason::UnknownBasis);
}

#[test]
fn what_does_not_fit_is_an_error_and_stays_one() {
    let mut book = TradeBook::fifo();
    let huge = buy(0, "A", "79228162514264337593543950335", "1.1");
    assert!(book.apply(&huge).is_err());
    assert!(book.apply(&buy(1, "A", "1", "1")).is_err());
    assert!(book.trades().is_err() && book.books().is_err());
}

#[test]
fn refusals_leave_the_book_as_it_was() {
    let mut book = TradeBook::fifo();
    book.add_instrument(&share("A")).unwrap();
    book.apply(&buy(0, "A", "1", "1")).unwrap();
    let before = book.books().unwrap();
    let void = |fill: &str| {
        Record::Void(Void {
            id: "v".into(),
            account: "A1".into(),
            fill: fill.into(),
            at: at(1),
        })
    };
    assert!(book.apply(&void("f0")).is_err());
    book.apply(&void("never seen")).unwrap();
    assert!(
        book.add_instrument(&instrument("A", Payoff::Cash, Some("100")))
            .is_err()
    );
    assert!(
        book.add_instrument(&instrument("A", Payoff::Inverse, Some("1")))
            .is_err()
    );
    let Record::Fill(mut other) = buy(2, "A", "1", "1") else {
        panic!("a fill")
    };
    other.account = "A2".into();
    assert!(book.apply(&Record::Fill(other)).is_err());
    assert_eq!(book.books().unwrap(), before);
}

/// Canceled rows count nothing; a fill of no quantity has real fees.
#[test]
fn canceled_and_empty_rows() {
    let mut canceled = fee(1, Asset::Currency(Currency::USD), d("5"));
    canceled.canceled = true;
    let mut gone = flow(2, FlowKind::Deposit, Asset::Currency(Currency::USD), d("5"));
    gone.canceled = true;
    let records = [
        Record::Fee(canceled),
        Record::Flow(gone),
        with_fee(buy(3, "A", "0", "10"), "0.25"),
    ];
    let books = books(LotMethod::Fifo, &[share("A")], &records);
    assert_eq!((cash(&books), books.fees[&Currency::USD]), (d("-0.25"), d("0.25")));
    assert!(books.trades.is_empty() && books.flows.is_empty());
    assert_eq!(books.instruments["A"].fees, [usd("0.25")]);
}
