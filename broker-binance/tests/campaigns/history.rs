//! 100,000 fills, of each symbol more in one millisecond than a page holds, three requests in ten harmed; `BROKER_SEEDS`
//! runs more seeds than the one of every day.

use std::collections::BTreeMap;

use broker_binance::venue::{BinanceVenue, BinanceVenueBuilder};
use broker_core::{Fill, InstrumentId};
use broker_sim::HistoryPlan;
use broker_testkit::campaign::{HistoryStage, bugs_of_history_are_caught, histories_are_whole, seeds};
use broker_testkit::planted::PlantedBug;
use chrono::{DateTime, Utc};

use super::{connect, house, words};

const FILLS: usize = 100_000;
/// Of eight symbols, of two of which half are allocations: each list has more of them than its page of 1,000 holds.
const TIE: usize = 20_000;

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
    let stage = HistoryStage::new((house(), venue), (now(), seed), connect);
    assert_eq!(stage.expected.len(), plan.fills);
    stage
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
    histories_are_whole(seeds(1), 200, &words(), |seed| {
        let stage = stage_of(plan(FILLS, seed).with_tie(TIE), seed);
        let tied = tied(&stage.venue().fills());
        assert!(tied.len() == 8 + 2 && tied.values().all(|tie| *tie > 1_000), "{tied:?}");
        stage
    });
}

#[test]
fn planted_bugs_are_caught() {
    let bugs = [PlantedBug::CursorBeforeRows, PlantedBug::BorderMillisecond];
    // One symbol, whose third page of six begins and ends with what is tied.
    bugs_of_history_are_caught(&bugs, || stage_of(plan(6_000, 3).with_symbols(1).with_tie(2_500), 3));
}
