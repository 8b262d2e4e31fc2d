//! Histories: exact in count, closed in their books, plausible in time, and the same from the same seed.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod common;

use std::collections::BTreeMap;

use broker_core::model::AssetClass;
use broker_core::{AccountId, Fill, Record};
use broker_sim::{Engine, HistoryPlan, Mix};
use chrono::{DateTime, Datelike, Utc, Weekday};
use common::{assert_books, at};
use rust_decimal::Decimal;
use sha2::{Digest, Sha256};

const END: &str = "2026-11-20T19:00:00Z";

fn fills<'a>(engine: &'a Engine, account: &AccountId) -> Vec<&'a Fill> {
    engine
        .log(account)
        .unwrap()
        .iter()
        .filter_map(|entry| match &entry.record {
            Record::Fill(fill) => Some(fill),
            _ => None,
        })
        .collect()
}

fn hash(engine: &Engine, account: &AccountId) -> String {
    let mut hasher = Sha256::new();
    for entry in engine.log(account).unwrap() {
        hasher.update(format!("{entry:?}"));
    }
    for order in engine.orders(account).unwrap() {
        hasher.update(format!("{:?}", order.stamps()));
    }
    format!("{:?}", hasher.finalize())
}

fn check(plan: &HistoryPlan) -> (Engine, AccountId) {
    let (engine, account) = plan.build().unwrap();
    let fills = fills(&engine, &account);
    assert_eq!(fills.len(), plan.fills);
    assert_books(&engine, &account);
    let mut by_order: BTreeMap<_, Decimal> = BTreeMap::new();
    for fill in &fills {
        *by_order.entry(fill.order.clone().unwrap()).or_default() += fill.qty.get();
        let instrument = engine.instrument(&fill.instrument).unwrap();
        let tick = instrument.tick_at(fill.price).unwrap();
        assert!((fill.price.get() % tick).is_zero() && fill.price.get() > Decimal::ZERO);
        let calendar = engine.calendar(&fill.instrument).unwrap();
        assert!(calendar.is_open(fill.at, false), "{} at {}", fill.instrument, fill.at);
    }
    let mut seen = 0;
    for order in engine.orders(&account).unwrap() {
        let order = order.order();
        assert_eq!(
            by_order.get(&order.id).copied().unwrap_or_default(),
            order.filled_qty.get()
        );
        assert_eq!(order.status.as_str(), "filled", "every order of a history fills");
        seen += 1;
    }
    assert_eq!(seen, by_order.len());
    for (index, entry) in engine.log(&account).unwrap().iter().enumerate() {
        assert_eq!(entry.seq, u64::try_from(index).unwrap() + 1);
    }
    (engine, account)
}

#[test]
fn five_thousand_fills_have_everything_a_history_has() {
    let plan = HistoryPlan::new(5_000, at(END));
    let (engine, account) = check(&plan);
    let log = engine.log(&account).unwrap();
    let first: DateTime<Utc> = log[0].booked_at;
    assert_eq!(first, at("2026-08-22T19:00:00Z"));
    assert!(log.windows(2).all(|pair| pair[0].booked_at <= pair[1].booked_at));
    assert!(log.iter().all(|entry| entry.booked_at <= at(END)));

    let (mut shorts, mut flips, mut partial, mut ties, mut coins_on_saturday) = (0, 0, 0, 0, 0);
    let mut before: BTreeMap<_, Decimal> = BTreeMap::new();
    for entry in log {
        let Record::Fill(fill) = &entry.record else { continue };
        let after = entry.position_qty.unwrap();
        let was = before.insert(fill.instrument.clone(), after).unwrap_or_default();
        shorts += usize::from(after < Decimal::ZERO);
        flips += usize::from(was * after < Decimal::ZERO);
        partial += usize::from(entry.order_status.as_ref().unwrap().as_str() == "partially_filled");
        let class = &engine.instrument(&fill.instrument).unwrap().asset_class;
        coins_on_saturday += usize::from(*class == AssetClass::Crypto && fill.at.weekday() == Weekday::Sat);
    }
    let all = fills(&engine, &account);
    ties += all.windows(2).filter(|pair| pair[0].at == pair[1].at).count();
    for (what, count) in [
        ("shorts", shorts),
        ("flips", flips),
        ("partial", partial),
        ("ties", ties),
        ("coins", coins_on_saturday),
    ] {
        assert!(count > 50, "{what}: {count}");
    }
    for kind in ["fee", "dividend", "interest", "exercise"] {
        let found = log.iter().any(|entry| match &entry.record {
            Record::Fee(_) => kind == "fee",
            Record::Flow(flow) => flow.kind.as_str() == kind,
            _ => false,
        });
        assert!(found, "{kind}");
    }
}

#[test]
fn a_tie_larger_than_a_page() {
    let (engine, account) = check(&HistoryPlan::new(1_000, at(END)).with_tie(250).with_seed(3));
    let mut by_time: BTreeMap<_, usize> = BTreeMap::new();
    for fill in fills(&engine, &account) {
        *by_time.entry(fill.at).or_default() += 1;
    }
    assert_eq!(by_time.values().max(), Some(&250));
}

#[test]
fn every_class_and_every_small_count() {
    check(
        &HistoryPlan::new(2_000, at(END))
            .with_mix(Mix::everything())
            .with_symbols(60)
            .with_seed(11),
    );
    for count in [0, 1, 2, 7, 99, 100, 101] {
        check(&HistoryPlan::new(count, at(END)).with_seed(u64::try_from(count).unwrap()));
    }
}

#[test]
fn a_hundred_thousand_fills() {
    let (engine, account) = HistoryPlan::new(100_000, at(END)).build().unwrap();
    assert_eq!(fills(&engine, &account).len(), 100_000);
    assert_books(&engine, &account);
}

#[test]
fn the_same_seed_makes_the_same_log() {
    let plan = HistoryPlan::new(1_500, at(END)).with_mix(Mix::everything());
    let (one, account) = plan.build().unwrap();
    let (two, _) = plan.build().unwrap();
    let (other, _) = plan.clone().with_seed(2).build().unwrap();
    assert_eq!(hash(&one, &account), hash(&two, &account));
    assert_ne!(hash(&one, &account), hash(&other, &account));
}
