//! 100,000 fills, a tie that looks like a limit, three requests in ten harmed.

use broker_core::Currency;
use broker_sim::{AccountSpec, FeeSchedule, HistoryPlan, Mix};
use broker_testkit::campaign::{HistoryStage, seeds};
use broker_testkit::planted::{Planted, PlantedBug};
use broker_topstepx::venue::TopstepxVenue;

use super::{connect, house, words};

const FILLS: usize = 100_000;
/// A second whose rows are a round number, which may be a limit.
const TIE: usize = 500;

fn stage(fills: usize, tie: usize, seed: u64) -> HistoryStage<TopstepxVenue> {
    let now = "2026-11-20T17:00:00Z".parse().unwrap();
    let mix = Mix {
        shares: 0,
        options: 0,
        crypto: 0,
        forex: 0,
        futures: 1,
    };
    let spec = AccountSpec::margin("LIVED", Currency::USD)
        .with_stated_pnl()
        .with_fees(FeeSchedule::us_retail());
    let plan = HistoryPlan::new(fills, now)
        .with_days(89)
        .with_seed(seed)
        .with_tie(tie)
        .with_mix(mix)
        .with_account(spec);
    HistoryStage::new((house(), TopstepxVenue::seeded(&plan).unwrap()), (now, seed), connect)
}

#[test]
fn nothing_is_lost_and_nothing_doubled() {
    for seed in 1..=seeds(1) {
        let stage = stage(FILLS, TIE, seed);
        assert_eq!(stage.expected.len(), FILLS);
        stage.harm(&words(), seed);
        let report = stage.run(&*stage.broker, seed);
        let (asked, harmed) = stage.asked();
        println!(
            "seed {seed}: {report}  {harmed} faults in {asked} requests, {:?}",
            stage.elapsed()
        );
        assert!(report.is_clean(), "seed {seed}: {report}");
        assert_eq!(report.fills, FILLS as u64);
        assert!(
            report.kills > 0 && harmed * 10 >= asked * 25 / 10,
            "{harmed} of {asked}"
        );
    }
}

#[test]
fn planted_bugs_are_caught() {
    let stage = stage(5_000, 0, 3);
    assert!(stage.run(&*stage.broker, 3).is_clean());
    let planted = Planted::new(stage.broker.handle(), PlantedBug::CursorBeforeRows);
    let report = stage.run(&planted, 3);
    println!("{report}");
    assert!(!report.is_clean(), "the bug was not caught");
}

/// The searches have no pages: a day is one request, however much happened on it.
#[test]
fn a_walk_asks_once_a_day() {
    let stage = stage(20_000, 0, 4);
    let report = stage.run(&*stage.broker, 4);
    assert!(report.is_clean(), "{report}");
    let (asked, _) = stage.asked();
    println!("{report}  {asked} requests");
    assert_eq!(stage.venue().refused(), 0);
}
