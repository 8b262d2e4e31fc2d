//! 100,000 fills, more of one millisecond than a page holds, three requests in ten harmed; `BROKER_SEEDS` runs more seeds
//! than the one of every day.

use broker_binance::venue::{BinanceVenue, BinanceVenueBuilder};
use broker_testkit::campaign::{HistoryStage, seeds};
use broker_testkit::planted::{Planted, PlantedBug};

use super::{connect, house, words};

const FILLS: usize = 100_000;
/// More than a page of 1,000.
const TIE: usize = 1_300;

fn stage(fills: usize, seed: u64) -> HistoryStage<BinanceVenue> {
    let now = "2026-06-30T21:00:00Z".parse().unwrap();
    let plan = BinanceVenueBuilder::plan(fills, now)
        .with_days(89)
        .with_seed(seed)
        .with_tie(TIE);
    let builder = BinanceVenue::builder().history(&plan).unwrap();
    let venue = builder.without_limits().build().unwrap();
    HistoryStage::new((house(), venue), (now, seed), connect)
}

#[test]
fn nothing_is_lost_and_nothing_doubled() {
    for seed in 1..=seeds(1) {
        let stage = stage(FILLS, seed);
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
        assert!(report.kills > 0 && harmed * 10 >= asked * 2, "{harmed} of {asked}");
    }
}

#[test]
fn planted_bugs_are_caught() {
    for bug in [PlantedBug::CursorBeforeRows, PlantedBug::BorderMillisecond] {
        let stage = stage(3_000, 3);
        assert!(stage.run(&*stage.broker, 3).is_clean());
        let planted = Planted::new(stage.broker.handle(), bug);
        let report = stage.run(&planted, 3);
        println!("{bug:?}: {report}");
        assert!(!report.is_clean(), "{bug:?} was not caught");
    }
}
