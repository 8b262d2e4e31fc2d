//! 100,000 fills, a tie that looks like a limit, three requests in ten harmed.

use broker_core::Currency;
use broker_sim::{AccountSpec, FeeSchedule, HistoryPlan, Mix};
use broker_testkit::campaign::{HistoryStage, bugs_of_history_are_caught, histories_are_whole, seeds};
use broker_testkit::planted::PlantedBug;
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
    let stage = HistoryStage::new((house(), TopstepxVenue::seeded(&plan).unwrap()), (now, seed), connect);
    assert_eq!(stage.expected.len(), fills);
    stage
}

#[test]
fn nothing_is_lost_and_nothing_doubled() {
    histories_are_whole(seeds(1), 250, &words(), |seed| stage(FILLS, TIE, seed));
}

#[test]
fn planted_bugs_are_caught() {
    let bugs = [PlantedBug::CursorBeforeRows];
    bugs_of_history_are_caught(&bugs, || stage(5_000, 0, 3));
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
