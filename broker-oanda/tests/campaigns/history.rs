//! 100,000 fills, ties larger than a page, three requests in ten harmed.

use broker_core::Currency;
use broker_core::model::HistoryQuery;
use broker_core::seam::Clock;
use broker_oanda::venue::{OandaVenue, OandaVenueBuilder};
use broker_sim::HistoryPlan;
use broker_testkit::campaign::{HistoryStage, bugs_of_history_are_caught, histories_are_whole, seeds};
use broker_testkit::planted::PlantedBug;

use super::{connect, house, words};

const FILLS: usize = 100_000;
/// More than a page of 1,000.
const TIE: usize = 2_500;

fn stage(fills: usize, seed: u64) -> HistoryStage<OandaVenue> {
    let now = "2026-06-30T20:00:00Z".parse().unwrap();
    let spec = OandaVenueBuilder::spec(OandaVenue::ACCOUNT, Currency::USD);
    let plan = HistoryPlan::new(fills, now)
        .with_days(89)
        .with_symbols(12)
        .with_seed(seed)
        .with_account(spec)
        .with_tie(TIE);
    let stage = HistoryStage::new((house(), OandaVenue::seeded(&plan).unwrap()), (now, seed), connect);
    assert_eq!(stage.expected.len(), fills);
    stage
}

#[test]
fn nothing_is_lost_and_nothing_doubled() {
    histories_are_whole(seeds(2), 200, &words(), |seed| stage(FILLS, seed));
}

#[test]
fn planted_bugs_are_caught() {
    let bugs = [PlantedBug::CursorBeforeRows, PlantedBug::BorderMillisecond];
    bugs_of_history_are_caught(&bugs, || stage(5_000, 3));
}

/// A request a thousand ids, and three more: whose account it is, what it is, and where the span lies.
#[test]
fn a_walk_asks_no_more_than_the_ids_need() {
    let stage = stage(20_000, 4);
    let query = HistoryQuery::last_days(&stage.account, 90).resolved(stage.runtime.clock().now());
    let pages = stage.runtime.block_on(async {
        let (mut pages, mut cursor) = (0, None);
        loop {
            let page = stage.broker.history(&query, cursor.as_ref()).await.unwrap();
            pages += 1;
            cursor = page.next;
            if cursor.is_none() {
                return pages;
            }
        }
    });
    assert_eq!(stage.recorder.requests().len(), pages + 3);
    assert_eq!(stage.venue().refused(), 0);
}
