//! History: symbol by symbol, and through `broker-sync`.

use std::collections::BTreeSet;
use std::sync::Arc;

use broker_binance::{BinanceBroker, HistoryPlan, Reach};
use broker_core::model::{Asset, Environment, FlowKind};
use broker_core::{Broker, BrokerExt, Currency, HistoryQuery, Money, OrderRequest, Record, Side};
use broker_sync::{MemoryStore, PositionCheck, SyncReport, Syncer};
use chrono::Duration;
use rust_decimal::Decimal;

use super::{House, end, lived, now};

/// The engine's own fills, as what makes each unlike all others.
fn truth(house: &House) -> BTreeSet<(String, String, Decimal, Decimal)> {
    let venue = house.venue.lock().unwrap();
    let log = venue.engine().log(venue.account()).unwrap();
    log.iter()
        .filter_map(|entry| match &entry.record {
            Record::Fill(fill) => Some((
                fill.symbol.to_string(),
                // Binance has milliseconds.
                fill.at.timestamp_millis().to_string(),
                fill.qty.get().normalize(),
                fill.price.get().normalize(),
            )),
            Record::Fee(_) | Record::Flow(_) | Record::Void(_) => None,
        })
        .collect()
}

fn told(records: &[Record]) -> (BTreeSet<(String, String, Decimal, Decimal)>, usize) {
    let mut ids = BTreeSet::new();
    let mut set = BTreeSet::new();
    for record in records {
        if let Record::Fill(fill) = record {
            assert!(ids.insert(fill.id.clone()), "{} twice", fill.id);
            set.insert((
                fill.symbol.to_string(),
                fill.at.timestamp_millis().to_string(),
                fill.qty.get().normalize(),
                fill.price.get().normalize(),
            ));
        }
    }
    (set, ids.len())
}

#[test]
fn without_an_instrument_every_symbol_is_walked() {
    let house = House::new(lived(1_300, 7));
    let account = house.account.clone();
    let history = house.run(|broker| async move {
        let query = HistoryQuery::between(&account, now() - Duration::days(91), now());
        broker.all_fills(query).await.unwrap()
    });
    let (found, count) = told(&history.records);
    assert_eq!((found, count), (truth(&house), 1_300));
    assert_eq!(history.completeness, broker_core::model::Completeness::Complete);
}

async fn sync(broker: BinanceBroker, store: Arc<MemoryStore>, reach: Reach) -> (HistoryPlan, SyncReport) {
    let account = broker.accounts().await.unwrap().remove(0).id;
    let plan = broker.plan_history(&account, 90, reach).await.unwrap();
    let syncer = Syncer::new(Arc::new(broker), store).with_instruments(plan.instruments.clone());
    let report = syncer.sync(&account).await.unwrap();
    (plan, report)
}

#[test]
fn ninety_days_are_certified() {
    let house = House::new(lived(2_500, 3));
    let store = Arc::new(MemoryStore::new());
    let before = house.venue.lock().unwrap().weighed();
    assert_eq!(before, 0);
    let (plan, report) = house.run(|broker| sync(broker, store.clone(), Reach::Every));
    assert!(report.is_complete(), "{report}");
    assert_eq!(report.totals.new, 2_500, "{report}");
    // Nothing is read twice but the last page of each symbol, as planned.
    assert_eq!(report.effort.planned.requests, report.effort.spent.requests, "{report}");
    assert!(house.broker.capabilities().history.by_instrument);
    // Eleven pairs, and the account's own records.
    assert_eq!(plan.instruments.len(), 12);
    let spent = house.venue.lock().unwrap().weighed();
    println!(
        "planned {} and spent {spent} in all, making the plan {}",
        plan.weight, plan.spent
    );
    assert_eq!(house.venue.lock().unwrap().refused(), 0);

    // Once more: nothing new, and now the balances are compared.
    let (_, again) = house.run(|broker| sync(broker, store.clone(), Reach::Every));
    assert!(again.is_complete(), "{again}");
    assert_eq!(again.totals.new, 0, "{again}");
    assert!(matches!(again.positions, PositionCheck::Verified { .. }), "{again}");

    // A trade in between is found, and the balances agree.
    {
        let mut venue = house.venue.lock().unwrap();
        let account = venue.account().clone();
        let request = OrderRequest::market("BTC/USD".into(), Side::Buy, "0.01".parse().unwrap());
        let at = house.broker.context().clock().now();
        // Fresh sizes at the quote: what was there is sold.
        venue.engine_mut().advance(at);
        let order = venue.engine_mut().place(&account, &request, None, at).unwrap();
        assert_eq!(order.status, broker_core::OrderStatus::Filled);
    }
    let (_, third) = house.run(|broker| sync(broker, store, Reach::Every));
    assert!(third.is_complete(), "{third}");
    assert!(third.totals.new == 1, "{third}");
    assert!(matches!(third.positions, PositionCheck::Verified { .. }), "{third}");
}

/// What a live account moved without trades comes with the sync, and conversions are no trades.
#[test]
fn conversions_deposits_and_rewards_are_flows() {
    let house = House::with(
        lived(40, 5).environment(Environment::Live),
        broker_binance::BinanceConfig::new(
            broker_binance::venue::BinanceVenue::KEY,
            broker_binance::venue::BinanceVenue::SECRET,
        )
        .live()
        .with_base_url("http://127.0.0.1:1".parse().unwrap()),
    );
    let usdt: Currency = "USDT".parse().unwrap();
    {
        let mut venue = house.venue.lock().unwrap();
        let (account, at) = (venue.account().clone(), end());
        let engine = venue.engine_mut();
        let mut pay = |kind, amount: &str, currency| {
            let money = Money::new(amount.parse().unwrap(), currency);
            engine
                .pay(&account, kind, money, None, Some("BHFT distribution".into()), at)
                .unwrap();
        };
        pay(FlowKind::Conversion, "-20", Currency::USD);
        pay(FlowKind::Conversion, "19.98", usdt);
        pay(FlowKind::Dust, "-5", Currency::USD);
        pay(FlowKind::Dust, "0.008", "BNB".parse().unwrap());
        pay(FlowKind::Reward, "1.5", usdt);
        pay(FlowKind::Withdrawal, "-3", Currency::USD);
    }
    let account = house.account.clone();
    let records = house.run(|broker| async move {
        let query = HistoryQuery::between(&account, now() - Duration::days(89), now())
            .with_instrument(BinanceBroker::account_records());
        broker.all_fills(query).await.unwrap().records
    });
    let flows: Vec<_> = records
        .iter()
        .map(|record| match record {
            Record::Flow(flow) => {
                let Asset::Currency(coin) = &flow.asset else {
                    panic!("{flow:?}")
                };
                (
                    flow.kind.as_str(),
                    coin.code().to_owned(),
                    flow.amount.normalize().to_string(),
                )
            }
            other => panic!("{other:?}"),
        })
        .collect();
    let row = |kind: &'static str, coin: &str, amount: &str| (kind, coin.to_owned(), amount.to_owned());
    let mut flows = flows;
    flows.sort();
    assert_eq!(
        flows,
        [
            row("conversion", "USD", "-20"),
            row("conversion", "USDT", "19.98"),
            row("dust", "BNB", "0.008"),
            row("dust", "USD", "-5"),
            row("reward", "USDT", "1.5"),
            row("withdrawal", "USD", "-3"),
        ]
    );
}

/// Killed after each page and started again, the set is the same.
#[test]
fn a_cursor_of_an_earlier_process_goes_on() {
    let house = House::new(lived(2_300, 9));
    let account = house.account.clone();
    let pages = house.run(|broker| async move {
        let query = HistoryQuery::between(&account, now() - Duration::days(91), now());
        let (mut rows, mut cursor, mut pages) = (Vec::new(), None, 0);
        loop {
            let page = broker.history(&query, cursor.as_ref()).await.unwrap();
            rows.extend(page.rows);
            pages += 1;
            match page.next {
                Some(next) => cursor = Some(broker_core::Cursor::from_text(next.as_str())),
                None => return (rows, pages),
            }
        }
    });
    let mut ids = BTreeSet::new();
    let rows: Vec<Record> = pages.0.into_iter().filter(|row| ids.insert(row.key())).collect();
    assert_eq!(told(&rows).0, truth(&house));
    println!("{} pages", pages.1);
}
