//! 100,000 fills, of each symbol more in one millisecond than a page holds, three requests in ten harmed; `BROKER_SEEDS`
//! runs more seeds than the one of every day.

use std::collections::BTreeMap;

use broker_binance::venue::{BinanceVenue, BinanceVenueBuilder};
use broker_core::{Fill, InstrumentId};
use broker_sim::HistoryPlan;
use broker_testkit::campaign::{HistoryStage, seeds};
use broker_testkit::planted::{Planted, PlantedBug};
use chrono::{DateTime, Utc};

use super::{connect, house, words};

const FILLS: usize = 100_000;
/// Of eight symbols, of two of which half are allocations: each list has more of them than its page of 1,000 holds.
const TIE: usize = 20_000;

fn stage(fills: usize, seed: u64) -> HistoryStage<BinanceVenue> {
    stage_of(plan(fills, seed).with_tie(TIE), seed)
}

fn plan(fills: usize, seed: u64) -> HistoryPlan {
    BinanceVenueBuilder::plan(fills, now()).with_days(89).with_seed(seed)
}

fn now() -> DateTime<Utc> {
    "2026-06-30T21:00:00Z".parse().unwrap()
}

fn stage_of(plan: HistoryPlan, seed: u64) -> HistoryStage<BinanceVenue> {
    let builder = BinanceVenue::builder().history(&plan).unwrap();
    let venue = builder
        .without_limits()
        .routing(["BTCUSD", "ETHUSD"], 2)
        .build()
        .unwrap();
    HistoryStage::new((house(), venue), (now(), seed), connect)
}

/// The longest row of fills of one millisecond in each list.
fn tied(fills: &[Fill]) -> BTreeMap<(InstrumentId, bool), usize> {
    let mut ties: BTreeMap<_, usize> = BTreeMap::new();
    for fill in fills {
        let list = (fill.instrument.clone(), fill.id.get().contains(":A"));
        *ties.entry((list, fill.at)).or_default() += 1;
    }
    let mut longest = BTreeMap::new();
    for ((list, _), tie) in ties {
        let known: &mut usize = longest.entry(list).or_default();
        *known = tie.max(*known);
    }
    longest
}

#[test]
fn nothing_is_lost_and_nothing_doubled() {
    for seed in 1..=seeds(1) {
        let stage = stage(FILLS, seed);
        assert_eq!(stage.expected.len(), FILLS);
        let tied = tied(&stage.venue().fills());
        assert!(
            tied.len() == 8 + 2 && tied.values().all(|tie| *tie > 1_000),
            "{tied:?}"
        );
        stage.harm(&words(), seed);
        let report = stage.run(&*stage.broker, seed);
        let (asked, harmed) = stage.asked();
        println!(
            "seed {seed}: {report}  {harmed} faults in {asked} requests, {:?}",
            stage.elapsed()
        );
        assert!(report.is_clean(), "seed {seed}: {report}");
        assert_eq!(report.fills, FILLS as u64);
        assert!(report.kills > 0 && harmed * 10 >= asked * 2, "{harmed} of {asked}");
    }
}

#[test]
fn planted_bugs_are_caught() {
    // One symbol, whose third page of six begins and ends with what is tied.
    let plan = plan(6_000, 3).with_symbols(1).with_tie(2_500);
    for bug in [PlantedBug::CursorBeforeRows, PlantedBug::BorderMillisecond] {
        let stage = stage_of(plan.clone(), 3);
        assert!(stage.run(&*stage.broker, 3).is_clean());
        let planted = Planted::new(stage.broker.handle(), bug);
        let report = stage.run(&planted, 3);
        println!("{bug:?}: {report}");
        assert!(!report.is_clean(), "{bug:?} was not caught");
    }
}
