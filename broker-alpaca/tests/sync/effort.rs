//! What a sync of 90 days takes, beside what the planner says.

use std::time::Duration;

use broker_core::model::AssetClass;
use broker_sync::{Effort, OrderCheck, Volume};

use crate::stage::{Stage, plan};

const FIVE_MINUTES: Duration = Duration::from_secs(300);

/// Whether one is within a tenth of the other.
fn is_near(planned: u128, spent: u128) -> bool {
    planned.abs_diff(spent) * 10 <= spent
}

#[test]
fn ninety_days_take_what_the_plan_says() {
    for (fills, seeds) in [(1_000, 1..=6), (10_000, 1..=3), (100_000, 7..=7)] {
        for seed in seeds {
            ninety_days(fills, seed);
        }
    }
}

fn ninety_days(fills: usize, seed: u64) {
    let stage = Stage::new(&plan(fills, seed).with_symbols(40));
    let syncer = stage.syncer();
    let planner = stage.runtime.block_on(syncer.planner(&stage.account)).unwrap();
    let told = planner.plan(&Volume::fills(fills as u64));
    let report = stage.runtime.block_on(syncer.sync(&stage.account)).unwrap();
    assert!(report.is_complete(), "{report}");
    let effort = report.effort;
    let Effort {
        at_least,
        planned,
        spent,
    } = effort;
    println!(
        "{fills} fills, seed {seed}: told before: at least {:?}; {effort}",
        told.least_time()
    );
    assert_eq!(
        spent.requests,
        stage.recorder.requests().len() as u64,
        "what the wire saw"
    );
    // Of few requests a tenth is less than one page, and where requests are about as many as a window permits, one
    // more makes it a minute more.
    let near = planned.requests.abs_diff(spent.requests) <= (spent.requests / 10).max(3);
    assert!(near, "{effort}");
    let (foreseen, took) = (planned.time.as_millis(), spent.time.as_millis());
    assert!(is_near(foreseen, took) || foreseen.abs_diff(took) <= 200, "{effort}");
    // Bounds are none if they can be undercut.
    assert!(told.requests() <= spent.requests && told.least_time() <= spent.time);
    assert!(at_least.requests <= spent.requests && at_least.time <= spent.time);
    assert!(spent.time <= FIVE_MINUTES.max(planned.time * 11 / 10), "{effort}");
    // Of fills alone not all is known that is in the way; what is said to be is.
    let hindrance = told.hindrance(FIVE_MINUTES);
    assert!(hindrance.is_none() || spent.time > FIVE_MINUTES, "{hindrance:?}");
    // Who knows all rows is told beforehand that the limits need more than five minutes for them.
    let OrderCheck::Checked { orders, .. } = report.orders else {
        panic!("{report}")
    };
    let known = Volume::fills(report.totals.fills)
        .with_others(report.totals.rows - report.totals.fills)
        .with_orders(orders);
    let hindrance = planner.plan(&known).hindrance(FIVE_MINUTES);
    assert_eq!(
        hindrance.is_some(),
        spent.time > FIVE_MINUTES,
        "{hindrance:?}, {effort}"
    );
}

#[test]
fn what_is_in_the_way_is_said_in_words() {
    let stage = Stage::new(&plan(10, 1));
    let planner = stage.runtime.block_on(stage.syncer().planner(&stage.account)).unwrap();
    let volume = Volume::fills(200_000)
        .with_others(7_000)
        .with_orders(130_000)
        .with_instruments(AssetClass::Stock, 30);
    let plan = planner.plan(&volume);
    // 1 + 200,000 / 98 + 7,000 / 52 + 2 + 130,000 / 500 + 1
    assert_eq!(plan.requests(), 2_440);
    assert_eq!(
        plan.hindrance(FIVE_MINUTES).unwrap(),
        "it takes at least 720 s, not 300 s: `trading` permits 200 in 60 s, and 2440 are needed"
    );
    // 1,200 requests in five minutes, of which four at least are no pages of fills.
    assert_eq!(planner.most_fills(FIVE_MINUTES), Some(1_196 * 98));
    assert_eq!(
        planner.formula(),
        "requests = 2 + max(1, fills / 98) + max(1, other records / 52) + max(1, orders / 500) + lookups of new \
         instruments"
    );
    assert_eq!((planner.reach(), plan.gaps.len()), (None, 0));
}
