//! Ninety days of trading, read back whole.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use broker_core::model::{Asset, Completeness, FlowKind};
use broker_core::seam::Clock;
use broker_core::{Broker, Currency, ErrorKind, HistoryQuery, Money, Page, Record};
use broker_kraken::KrakenTier;
use broker_kraken::venue::KrakenVenue;
use broker_sim::HistoryPlan;
use broker_sim::wire::WireLimit;
use broker_sync::{Effort, MemoryStore, OrderCheck, PositionCheck, SyncReport, Syncer, Volume};
use chrono::{DateTime, TimeDelta, Utc};
use rust_decimal::Decimal;

use super::{Stage, config, end, unhurried};

fn plan(fills: usize) -> HistoryPlan {
    HistoryPlan::new(fills, end()).with_seed(7).with_tie(60)
}

fn stage(fills: usize) -> Stage {
    let venue = KrakenVenue::builder().history(&plan(fills)).unwrap().build().unwrap();
    Stage::new(venue, end() + TimeDelta::minutes(2), config())
}

fn sync(stage: &Stage, store: &Arc<MemoryStore>) -> SyncReport {
    let syncer = Syncer::new(Arc::new(stage.broker.clone()), Arc::clone(store) as _).with_days(91);
    let account = stage.account.clone();
    stage
        .runtime
        .block_on(async move { syncer.sync(&account).await })
        .unwrap()
}

/// Every record, walked page by page.
fn walk(stage: &Stage, since: DateTime<Utc>) -> (Vec<Record>, usize) {
    let account = stage.account.clone();
    let until = stage.runtime.clock().now();
    stage.run(|broker| async move {
        let query = HistoryQuery::between(&account, since, until);
        let (mut all, mut next, mut pages) = (Vec::new(), None, 0);
        let mut known = BTreeSet::new();
        loop {
            let page: Page<Record> = broker.history(&query, next.as_ref()).await.unwrap();
            // Pages share a row: that is how they are known to join.
            let new = page
                .rows
                .into_iter()
                .filter(|record| known.insert(format!("{:?}", record.key())));
            all.extend(new);
            pages += 1;
            next = page.next;
            if next.is_none() {
                return (all, pages);
            }
        }
    })
}

#[test]
fn ninety_days_are_complete_and_a_second_run_finds_nothing_new() {
    let stage = stage(700);
    let store = Arc::new(MemoryStore::new());
    let first = sync(&stage, &store);
    println!("{first}");
    assert_eq!(first.verdict, Completeness::Complete, "{first}");
    assert!(first.orders.passed(), "{first}");
    assert!(
        matches!(
            first.positions,
            PositionCheck::Verified { .. } | PositionCheck::Implied { .. }
        ),
        "{first}"
    );
    assert_eq!(stage.refused(), 0, "our counters are no looser than the venue's");
    let second = sync(&stage, &store);
    println!("{second}");
    assert_eq!(second.verdict, Completeness::Complete, "{second}");
    assert!(matches!(second.positions, PositionCheck::Verified { .. }), "{second}");
    assert_eq!(second.totals.new, 0, "{second}");
}

#[test]
fn what_is_read_is_what_was_booked() {
    let stage = stage(300);
    let (records, _) = walk(&stage, end() - TimeDelta::days(91));
    let (mut fees, mut fills) = (BTreeMap::<Currency, Decimal>::new(), BTreeMap::new());
    for record in &records {
        match record {
            Record::Fill(fill) => {
                assert!(fill.fees.is_empty(), "fees are records of their own");
                assert!(
                    fills
                        .insert(fill.id.to_string(), (fill.side, fill.qty, fill.price, fill.at))
                        .is_none()
                );
            }
            Record::Fee(fee) => {
                let Asset::Currency(currency) = fee.asset else {
                    panic!("{fee:?}")
                };
                *fees.entry(currency).or_default() += fee.amount;
            }
            _ => {}
        }
    }
    let venue = stage.venue.lock().unwrap();
    let booked: Vec<_> = venue
        .engine()
        .log(venue.account())
        .unwrap()
        .iter()
        .filter_map(|entry| match &entry.record {
            Record::Fill(fill) => Some(fill),
            _ => None,
        })
        .collect();
    assert_eq!(fills.len(), booked.len());
    let mut expected = BTreeMap::<Currency, Decimal>::new();
    for fill in &booked {
        for fee in &fill.fees {
            *expected.entry(fee.currency).or_default() += fee.amount;
        }
    }
    expected.retain(|_, amount| !amount.is_zero());
    assert_eq!(fees, expected);
}

#[test]
fn the_key_may_not_see_less_than_is_asked_for() {
    let venue = KrakenVenue::builder()
        .history(&plan(120))
        .unwrap()
        .query_from(end() - TimeDelta::days(30))
        .build()
        .unwrap();
    let stage = Stage::new(venue, end() + TimeDelta::minutes(2), config());
    let account = stage.account.clone();
    let error = stage.run(|broker| async move {
        let query = HistoryQuery::between(&account, end() - TimeDelta::days(60), end());
        broker.history(&query, None).await.unwrap_err()
    });
    assert_eq!(error.kind(), ErrorKind::Permission, "{error}");
    assert!(!walk(&stage, end() - TimeDelta::days(29)).0.is_empty());
}

#[test]
fn a_purchase_without_an_order_is_a_fill() {
    let venue = KrakenVenue::builder().starts_at(end()).build().unwrap();
    let stage = Stage::new(venue, end() + TimeDelta::minutes(1), config());
    let (btc, usd) = (Currency::constant("BTC"), Currency::USD);
    let spent = Money::new(Decimal::new(1_000, 0), usd);
    let received = Money::new(Decimal::new(1, 2), btc);
    stage
        .venue
        .lock()
        .unwrap()
        .convert(spent, received, end() + TimeDelta::seconds(30))
        .unwrap();
    let (records, _) = walk(&stage, end() - TimeDelta::days(1));
    let fills: Vec<_> = records
        .iter()
        .filter_map(|record| match record {
            Record::Fill(fill) => Some(fill),
            _ => None,
        })
        .collect();
    assert_eq!(fills.len(), 1, "{records:?}");
    assert_eq!((fills[0].instrument.get(), fills[0].order.as_ref()), ("XXBTZUSD", None));
    assert_eq!(
        (fills[0].qty, fills[0].price),
        ("0.01".parse().unwrap(), "100000".parse().unwrap())
    );
    let deposits = records
        .iter()
        .filter(|record| matches!(record, Record::Flow(flow) if flow.kind == FlowKind::Deposit));
    assert_eq!(deposits.count(), 1);
}

/// The counters of every tier are used as far as they go, and no call is refused.
#[test]
fn counters_are_used_and_never_broken() {
    let hundred = Duration::from_secs(100);
    for (tier, most, falls) in [
        (KrakenTier::Starter, 15, 33),
        (KrakenTier::Intermediate, 20, 50),
        (KrakenTier::Pro, 20, 100),
    ] {
        let venue = KrakenVenue::builder()
            .call_limits(vec![WireLimit::falling(most, falls, hundred)])
            .build()
            .unwrap();
        let stage = Stage::new(venue, end(), config().with_tier(tier));
        let account = stage.account.clone();
        let calls = 300_u32;
        let before = stage.runtime.clock().now();
        stage.run(|broker| async move {
            for _ in 0..calls {
                broker.positions(&account).await.unwrap();
            }
        });
        let took = (stage.runtime.clock().now() - before).as_seconds_f64();
        let least = f64::from(calls - most) * 100.0 / f64::from(falls);
        println!(
            "{tier:?}: {calls} calls in {took:.1} s, {:.1} % of what is permitted",
            least / took * 100.0
        );
        assert_eq!(stage.refused(), 0, "{tier:?}");
        assert!(least / took >= 0.95, "{tier:?}: {took} s for {least} s");
    }
}

/// What 90 days take at each tier is what the planner says once the rows are counted, in requests and in time; and
/// where the counters make it last, that is said beforehand.
#[test]
fn ninety_days_take_what_the_plan_says_at_every_tier() {
    let five_minutes = Duration::from_secs(300);
    let hundred = Duration::from_secs(100);
    for (tier, most, falls, fills) in [
        (KrakenTier::Starter, 15, 33, 1_000),
        (KrakenTier::Intermediate, 20, 50, 1_000),
        (KrakenTier::Pro, 20, 100, 1_000),
        (KrakenTier::Starter, 15, 33, 10_000),
        (KrakenTier::Intermediate, 20, 50, 10_000),
        (KrakenTier::Pro, 20, 100, 10_000),
    ] {
        let venue = KrakenVenue::builder()
            .history(&plan(fills).with_days(89))
            .unwrap()
            .call_limits(vec![WireLimit::falling(most, falls, hundred)])
            .build()
            .unwrap();
        let stage = Stage::new(venue, end() + TimeDelta::minutes(2), config().with_tier(tier));
        let syncer = Syncer::new(Arc::new(stage.broker.clone()), Arc::new(MemoryStore::new()));
        let planner = stage.runtime.block_on(syncer.planner(&stage.account)).unwrap();
        let told = planner.plan(&Volume::fills(fills as u64));
        let report = stage.runtime.block_on(syncer.sync(&stage.account)).unwrap();
        let Effort { planned, spent, .. } = report.effort;
        println!(
            "{tier:?}, {fills} fills: told before: {}; {}",
            told.least_time().as_secs(),
            report.effort
        );
        assert!(report.is_complete(), "{report}");
        assert_eq!(stage.refused(), 0, "{tier:?}");
        // Beside them go what the client asks once: what the key may do, and the lists of assets and pairs.
        let wire = stage.recorder.requests().len() as u64;
        assert!(
            (1..=6).contains(&(wire - spent.requests)),
            "{wire} on the wire, {}",
            report.effort
        );
        let near = |planned: u128, spent: u128| planned.abs_diff(spent) * 10 <= spent;
        assert!(
            near(planned.requests.into(), spent.requests.into()),
            "{tier:?}: {}",
            report.effort
        );
        assert!(
            near(planned.time.as_millis(), spent.time.as_millis()),
            "{tier:?}: {}",
            report.effort
        );
        assert!(told.least_time() <= spent.time && told.requests() <= spent.requests);
        assert!(
            spent.time <= five_minutes.max(planned.time * 11 / 10),
            "{}",
            report.effort
        );
        // Who knows all rows is told beforehand that the counters need longer for them.
        let OrderCheck::Checked { orders, .. } = report.orders else {
            panic!("{report}")
        };
        let known = Volume::fills(fills as u64)
            .with_others(report.totals.rows - report.totals.fills)
            .with_orders(orders);
        let hindrance = planner.plan(&known).hindrance(five_minutes);
        assert_eq!(
            hindrance.is_some(),
            spent.time > five_minutes,
            "{hindrance:?}, {}",
            report.effort
        );
    }
}

/// A venue that counts more for a page than it documents: one refusal, then the higher price is paid.
#[test]
fn a_dearer_history_is_noticed() {
    let venue = KrakenVenue::builder()
        .history(&plan(400))
        .unwrap()
        .history_cost(4)
        .build()
        .unwrap();
    let stage = Stage::new(venue, end() + TimeDelta::minutes(2), config());
    let (records, pages) = walk(&stage, end() - TimeDelta::days(91));
    assert!(
        records
            .iter()
            .filter(|record| matches!(record, Record::Fill(_)))
            .count()
            == 400
            && pages > 10
    );
    assert!(stage.refused() <= 2, "{} refusals", stage.refused());
}

/// Pages of another size than expected, and a list that grows while it is read.
#[test]
fn pages_of_any_size() {
    for rows in [2, 7, 50, 400] {
        let venue = KrakenVenue::builder()
            .history(&plan(90))
            .unwrap()
            .without_limits()
            .page(rows)
            .build()
            .unwrap();
        let stage = Stage::new(venue, end() + TimeDelta::minutes(2), unhurried(config()));
        let (records, _) = walk(&stage, end() - TimeDelta::days(91));
        let fills = records
            .iter()
            .filter(|record| matches!(record, Record::Fill(_)))
            .count();
        assert_eq!(fills, 90, "{rows} rows a page");
    }
}
