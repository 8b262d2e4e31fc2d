//! From the store to the books: PnL, summaries, and coins that are held as balances.
use std::collections::BTreeMap;
use std::sync::Arc;

use crate::common::venue::Coins;
use crate::common::{Book, Venue, account, day, fill, over_both_stores, scope, sync_at};
use broker_core::model::{Completeness, Record};
use broker_core::pnl::TradeBook;
use broker_core::seam::VirtualRuntime;
use broker_core::{Currency, Money, Side};
use broker_sync::summary::{Summary, by_account, by_day, by_symbol};
use broker_sync::{MemoryStore, PnlCheck, PositionCheck, Store, StoreExt, Syncer};
use chrono::{Duration, NaiveDate};

fn usd(amount: &str) -> Money {
    Money::new(amount.parse().unwrap(), Currency::USD)
}

fn trade(id: &str, symbol: &str, side: Side, price: &str, at: i64) -> broker_core::Fill {
    let mut fill = fill(id, day(0) + Duration::hours(at));
    fill.instrument = symbol.into();
    fill.symbol = symbol.into();
    fill.order = Some(id.into());
    fill.side = side;
    fill.price = price.parse().unwrap();
    fill
}

/// AAPL: 2 x (101.35 - 100.10) = 2.50 on day 0, 2 x (99.10 - 101.10) = -4.00 on day 1, then one open.
/// MSFT: 2 x (50.00 - 49.00) = 2.00 short on day 1. Each fill costs 0.02.
fn trades() -> Vec<broker_core::Fill> {
    use Side::{Buy, Sell};
    vec![
        trade("a1", "AAPL", Buy, "100.10", 1),
        trade("a2", "AAPL", Sell, "101.35", 2),
        trade("a3", "AAPL", Buy, "101.10", 25),
        trade("a4", "AAPL", Sell, "99.10", 26),
        trade("m1", "MSFT", Sell, "50.00", 27),
        trade("m2", "MSFT", Buy, "49.00", 28),
        trade("a5", "AAPL", Buy, "98.00", 50),
    ]
}

fn records(fills: Vec<broker_core::Fill>) -> Vec<Record> {
    fills.into_iter().map(Record::Fill).collect()
}

#[test]
fn trades_by_symbol_and_by_day() {
    over_both_stores(|store| {
        let book = Book::new(records(trades()));
        assert_eq!(sync_at(day(5), &book, &store).unwrap().verdict, Completeness::Complete);
        let history = VirtualRuntime::new().block_on(store.history(&scope())).unwrap();
        let books = TradeBook::fifo().fold(&history).unwrap();

        let symbols = by_symbol(&books).unwrap();
        let aapl = Summary {
            trades: 2,
            open: 1,
            wins: 1,
            losses: 1,
            unknown: 0,
            gross: vec![usd("-1.50")],
            fees: vec![usd("0.10")],
            financing: Vec::new(),
        };
        assert_eq!((symbols[0].symbol.get(), &symbols[0].summary), ("AAPL", &aapl));
        assert_eq!(aapl.net().unwrap(), [usd("-1.60")]);
        assert_eq!(symbols[1].symbol.get(), "MSFT");
        assert_eq!(symbols[1].summary.net().unwrap(), [usd("1.96")]);
        assert_eq!(symbols.len(), 2);

        // Seven fills at 0.02; -1.50 of AAPL and 2.00 of MSFT.
        let accounts = by_account([(&scope(), &books)]).unwrap();
        let whole = Summary {
            trades: 3,
            open: 1,
            wins: 2,
            losses: 1,
            unknown: 0,
            gross: vec![usd("0.50")],
            fees: vec![usd("0.14")],
            financing: Vec::new(),
        };
        assert_eq!(accounts.len(), 1);
        assert_eq!((&accounts[0].scope, &accounts[0].summary), (&scope(), &whole));
        assert_eq!(whole.net().unwrap(), [usd("0.36")]);

        let days = by_day(&books).unwrap();
        let date = |day| NaiveDate::from_ymd_opt(2026, 1, day).unwrap();
        let net: Vec<_> = days
            .iter()
            .map(|one| (one.day, one.summary.trades, one.summary.net().unwrap()))
            .collect();
        assert_eq!(net, [(date(1), 1, vec![usd("2.46")]), (date(2), 2, vec![usd("-2.08")])]);
        assert_eq!((days[1].summary.wins, days[1].summary.losses), (1, 1));
    });
}

#[test]
fn the_brokers_own_pnl_is_compared_to_the_cent() {
    over_both_stores(|store| {
        let mut fills = trades();
        fills[1].pnl = Some(usd("2.50"));
        fills[3].pnl = Some(usd("-4.00"));
        fills[5].pnl = Some(usd("2.00"));
        let book = Book::new(records(fills.clone()));
        let report = sync_at(day(5), &book, &store).unwrap();
        let expected = PnlCheck::Compared {
            trades: 3,
            differences: Vec::new(),
        };
        assert_eq!(report.pnl, expected);
        assert!(
            report
                .to_string()
                .contains("broker PnL 3 trades compared, difference 0.00")
        );
    });
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let mut fills = trades();
    fills[3].pnl = Some(usd("-3.99"));
    let report = sync_at(day(5), &Book::new(records(fills)), &store).unwrap();
    let text = report.to_string();
    assert!(
        text.contains("1 of 1 trades differ: AAPL -4.00 USD by us, -3.99 USD by the broker;"),
        "{text}"
    );
    assert_eq!(report.verdict, Completeness::Complete, "a difference in PnL is no hole");
}

#[test]
fn coins_are_checked_against_balances() {
    let mut buy = trade("b1", "BTC/USD", Side::Buy, "90000.00", 1);
    buy.qty = "0.5000".parse().unwrap();
    buy.fees = vec![Money::new("0.0010".parse().unwrap(), "BTC".parse().unwrap())];
    let mut sell = trade("b2", "BTC/USD", Side::Sell, "91000.00", 2);
    sell.qty = "0.2".parse().unwrap();
    sell.fees = Vec::new();
    let coins = |btc: &str| Coins(BTreeMap::from([("BTC", btc.to_owned()), ("USD", "1234.56".to_owned())]));
    over_both_stores(|store| {
        let book = Book::new(records(vec![buy.clone(), sell.clone()]));
        let book = book.with(|knobs| knobs.coins = Some(coins("0.299")));
        let report = sync_at(day(5), &book, &store).unwrap();
        assert_eq!(report.positions, PositionCheck::Verified { compared: 1 });
        assert_eq!(report.verdict, Completeness::Complete);
        assert_eq!(
            report.notes,
            ["what trades cost is rounded by the venue: the balance of USD was not compared"]
        );
        let book = book.with(|knobs| knobs.coins = Some(coins("0.3")));
        let report = sync_at(day(6), &book, &store).unwrap();
        let Completeness::Incomplete { reason, .. } = &report.verdict else {
            panic!("{report}")
        };
        assert_eq!(reason, "BTC is 0.2990 by our records, 0.3 by the broker");
    });
}

/// What a position on margin gained is in the balance, and in no record.
#[test]
fn money_that_margined_fills_move_is_not_compared() {
    let mut buy = trade("m1", "margin:BTC/USD", Side::Buy, "90000.00", 1);
    buy.fees = vec![usd("0.10")];
    let mut sell = trade("m2", "margin:BTC/USD", Side::Sell, "91000.00", 2);
    (sell.qty, sell.fees) = (buy.qty, Vec::new());
    over_both_stores(|store| {
        let coins = Coins(BTreeMap::from([("USD", "1234.56".to_owned())]));
        let book = Book::new(records(vec![buy.clone(), sell.clone()])).with(|knobs| knobs.coins = Some(coins));
        let report = sync_at(day(5), &book, &store).unwrap();
        assert_eq!(report.verdict, Completeness::Complete, "{report}");
        assert_eq!(
            report.notes,
            ["what trades cost is rounded by the venue: the balance of USD was not compared"]
        );
    });
}

#[test]
fn a_hundred_thousand_fills_come_through_both_stores_alike() {
    let rows = (0..100_000).map(|i| {
        let mut row = fill(&format!("f{i}"), day(0) + Duration::seconds(i / 3));
        row.side = if i % 2 == 0 { Side::Buy } else { Side::Sell };
        Record::Fill(row)
    });
    let book = Book::bulk(rows.collect()).with(|knobs| {
        knobs.page_size = 5_000;
        knobs.repeats_rows = true;
        knobs.orders_unsupported = true;
    });
    let mut held = Vec::new();
    over_both_stores_mut(|store| {
        let runtime = VirtualRuntime::starting_at(day(20));
        let venue = Arc::new(Venue::new(Arc::clone(&book), &runtime));
        let report = runtime
            .block_on(Syncer::new(venue, Arc::clone(&store)).sync(&account()))
            .unwrap();
        let totals = report.totals;
        assert_eq!((totals.pages, totals.new, totals.duplicates), (20, 100_000, 39));
        assert_eq!(report.verdict, Completeness::Complete);
        held.push(runtime.block_on(store.records(&scope())).unwrap());
    });
    assert_eq!(held[0].len(), 100_000);
    assert!(held[0] == held[1]);
}

fn over_both_stores_mut(mut test: impl FnMut(Arc<dyn Store>)) {
    let test = std::cell::RefCell::new(&mut test);
    over_both_stores(|store| (test.borrow_mut())(store));
}
