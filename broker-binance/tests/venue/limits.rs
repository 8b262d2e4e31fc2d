//! Weights: kept, and used.

use std::time::Duration;

use broker_core::{Broker, HistoryQuery};

use super::{House, lived};

/// 2,980 pages of trades, all asked at once: 59,600 weight at 6,000 a minute.
#[test]
fn a_saturating_load_uses_the_weight_and_meets_no_refusal() {
    let house = House::new(lived(10, 1));
    let account = house.account.clone();
    let took = house.run(|broker| async move {
        // Binance's announcement first.
        broker.instruments(&broker_core::InstrumentQuery::All).await.unwrap();
        broker.accounts().await.unwrap();
        let clock = broker.context().clock().clone();
        let started = clock.elapsed();
        let query = HistoryQuery::last_days(&account, 1).with_instrument("BTCUSD".into());
        let calls = (0..2_980).map(|_| broker.history(&query, None));
        for page in futures_util::future::join_all(calls).await {
            page.unwrap();
        }
        clock.elapsed() - started
    });
    let venue = house.venue.lock().unwrap();
    assert_eq!(venue.refused(), 0, "no request was too many");
    let weight = venue.weighed();
    assert_eq!(weight, 20 + 20 + 59_600);
    // All of a minute's weight at once, and then again once a minute has passed.
    let rate = 59_600_u128 * 60_000 / (took + Duration::from_secs(60)).as_millis();
    println!("used {} % of the weight in {} s", rate * 100 / 6_000, took.as_secs());
    assert!(rate * 100 >= 95 * 6_000, "{rate} a minute of 6,000, in {took:?}");
}

/// What Binance announces is taken over, less and more.
#[test]
fn announced_limits_are_taken_over() {
    for weight in [1_200, 12_000] {
        let house = House::new(lived(10, 1).with_weight(weight).with_orders(7, 700));
        house.run(|broker| async move {
            broker.instruments(&broker_core::InstrumentQuery::All).await.unwrap();
        });
        let account = house.account.clone();
        let took = house.run(|broker| async move {
            broker.accounts().await.unwrap();
            let started = broker.context().clock().elapsed();
            let query = HistoryQuery::last_days(&account, 1).with_instrument("BTCUSD".into());
            let calls = (0..1_200).map(|_| broker.history(&query, None));
            for page in futures_util::future::join_all(calls).await {
                page.unwrap();
            }
            broker.context().clock().elapsed() - started
        });
        assert_eq!(house.venue.lock().unwrap().refused(), 0, "{weight}");
        // 24,000 weight: at 1,200 a minute 19 minutes and more, at 12,000 one.
        let minutes = took.as_secs() / 60;
        assert_eq!(minutes, if weight == 1_200 { 20 } else { 2 }, "{weight}: {took:?}");
    }
}
