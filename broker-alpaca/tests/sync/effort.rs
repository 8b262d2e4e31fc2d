//! What a sync of 90 days takes, beside what the planner says.

use std::time::Duration;

use broker_core::model::AssetClass;
use broker_sync::{Effort, Volume};

use crate::stage::{Stage, plan};

const FIVE_MINUTES: Duration = Duration::from_secs(300);

/// Whether one is within a tenth of the other.
fn is_near(planned: u128, spent: u128) -> bool {
    planned.abs_diff(spent) * 10 <= spent
}

#[test]
fn ninety_days_take_what_the_plan_says() {
    for fills in [1_000, 10_000, 100_000] {
        let stage = Stage::new(&plan(fills, 7).with_symbols(40));
        let syncer = stage.syncer();
        let planner = stage.runtime.block_on(syncer.planner(&stage.account)).unwrap();
        let told = planner.plan(&Volume::fills(fills as u64));
        let report = stage.runtime.block_on(syncer.sync(&stage.account)).unwrap();
        assert!(report.is_complete(), "{report}");
        let Effort {
            at_least,
            planned,
            spent,
        } = report.effort;
        println!(
            "{fills} fills: told before: at least {} s; {}",
            told.least_time().as_secs_f32(),
            report.effort
        );
        assert_eq!(
            spent.requests,
            stage.recorder.requests().len() as u64,
            "what the wire saw"
        );
        assert!(
            is_near(planned.requests.into(), spent.requests.into()),
            "{}",
            report.effort
        );
        assert!(
            is_near(planned.time.as_millis(), spent.time.as_millis()),
            "{}",
            report.effort
        );
        // Bounds are none if they can be undercut.
        assert!(told.requests() <= spent.requests && told.least_time() <= spent.time);
        assert!(at_least.requests <= spent.requests && at_least.time <= spent.time);
        assert!(
            spent.time <= FIVE_MINUTES.max(planned.time * 11 / 10),
            "{}",
            report.effort
        );
        // Where five minutes are not enough, that is known before the first request.
        let hindrance = told.hindrance(FIVE_MINUTES);
        assert_eq!(
            hindrance.is_some(),
            spent.time > FIVE_MINUTES + Duration::from_secs(10),
            "{hindrance:?}"
        );
    }
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
    // 1 + 200,000 / 98 + 7,000 / 50 + 2 + 130,000 / 500 + 1
    assert_eq!(plan.requests(), 2_445);
    assert_eq!(
        plan.hindrance(FIVE_MINUTES).unwrap(),
        "it takes at least 720 s, not 300 s: `trading` permits 200 in 60 s, and 2445 are needed"
    );
    // 1,200 requests in five minutes, of which four at least are no pages of fills.
    assert_eq!(planner.most_fills(FIVE_MINUTES), Some(1_196 * 98));
    assert_eq!(
        planner.formula(),
        "requests = 2 + max(1, fills / 98) + max(1, other records / 50) + max(1, orders / 500) + lookups of new \
         instruments"
    );
    assert_eq!((planner.reach(), plan.gaps.len()), (None, 0));
}
