//! 100,000 fills, ties larger than a page, three requests in ten harmed.

use std::collections::BTreeSet;
use std::time::Duration;

use broker_alpaca::venue::AlpacaVenue;
use broker_core::model::{HistoryQuery, Record};
use broker_core::seam::Clock;
use broker_sim::HistoryPlan;
use broker_testkit::campaign::{HistoryStage, bugs_of_history_are_caught, histories_are_whole, seeds};
use broker_testkit::planted::PlantedBug;

use super::{connect, house, words};

const FILLS: usize = 100_000;
/// More than a page of 100.
const TIE: usize = 250;

fn stage(fills: usize, seed: u64) -> HistoryStage<AlpacaVenue> {
    let now = "2026-06-30T21:00:00Z".parse().unwrap();
    let plan = HistoryPlan::new(fills, now)
        .with_days(89)
        .with_symbols(40)
        .with_seed(seed)
        .with_tie(TIE);
    let stage = HistoryStage::new((house(), AlpacaVenue::seeded(&plan).unwrap()), (now, seed), connect);
    assert_eq!(stage.expected.len(), fills);
    stage
}

#[test]
fn nothing_is_lost_and_nothing_doubled() {
    histories_are_whole(seeds(5), 300, &words(), |seed| stage(FILLS, seed));
}

#[test]
fn planted_bugs_are_caught() {
    let bugs = [PlantedBug::CursorBeforeRows, PlantedBug::BorderMillisecond];
    bugs_of_history_are_caught(&bugs, || stage(5_000, 3));
}

#[test]
fn the_venue_refuses_nothing_of_an_honest_walk() {
    let stage = stage(20_000, 4);
    let report = stage.run(&*stage.broker, 4);
    assert!(report.is_clean(), "{report}");
    let refused = stage
        .recorder
        .requests()
        .iter()
        .filter(|request| request.status == Some(429))
        .count();
    assert_eq!(refused, 0);
    assert!(stage.elapsed() > Duration::from_secs(60), "200 a minute were kept");
}

#[test]
fn a_walk_asks_little_more_than_the_rows_need() {
    let stage = stage(FILLS, 1);
    let query = HistoryQuery::last_days(&stage.account, 90).resolved(stage.runtime.clock().now());
    let (mut fills, mut others, mut rows) = (BTreeSet::new(), BTreeSet::new(), 0);
    let pages = stage.runtime.block_on(async {
        let (mut pages, mut cursor) = (0, None);
        loop {
            let page = stage.broker.history(&query, cursor.as_ref()).await.unwrap();
            pages += 1;
            rows += page.rows.len();
            for record in &page.rows {
                match record {
                    Record::Fill(fill) => fills.insert(fill.id.clone()),
                    other => others.insert(other.key()),
                };
            }
            cursor = page.next;
            if cursor.is_none() {
                return pages;
            }
        }
    });
    // One request is for the account that the key belongs to.
    let asked = stage.recorder.requests().len() - 1;
    let (fills, others) = (fills.len(), others.len());
    println!("{asked} requests for {fills} fills and {others} other rows, {rows} rows came");
    assert_eq!((fills, asked), (FILLS, pages));
    let of_trades = FILLS.div_ceil(100) * 107 / 100;
    // A day's last page is not full, on average it is half.
    let of_others = others.div_ceil(100) + 90;
    assert!(asked <= of_trades + of_others + 10, "{asked} requests");
    assert!(rows * 100 <= (fills + others) * 110, "{rows} rows came");
}
