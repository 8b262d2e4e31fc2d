//! Four of five fills are dropped while pings go on, and all else goes wrong that can.

use broker_binance::venue::BinanceVenue;
use broker_core::Side;
use broker_testkit::campaign::{StreamsStage, seeds};
use broker_testkit::planted::PlantedBug;
use broker_testkit::streams::{StreamsPlan, streams_campaign};

use super::{ACCOUNT, connect, engine, house, lines, now};

const EVENTS: u64 = 4_000;

fn stage(seed: u64) -> StreamsStage<BinanceVenue> {
    let venue = BinanceVenue::builder()
        .engine(engine(seed), ACCOUNT.into())
        .without_limits()
        .build()
        .unwrap();
    // Nothing is held that could be sold.
    let lines = lines().into_iter().map(|line| (line, Side::Buy)).collect();
    let is_fill = |text: &str| text.contains(r#""x":"TRADE""#);
    StreamsStage::new((house(), venue), lines, (now(), seed), connect, is_fill)
}

#[test]
fn events_are_not_lost() {
    for seed in 1..=seeds(3) {
        let plan = StreamsPlan::new(EVENTS, seed).with_queue(if seed.is_multiple_of(2) { 64 } else { 1_024 });
        let report = streams_campaign(&stage(seed), plan);
        println!("seed {seed}: {report}");
        assert!(report.is_clean(), "seed {seed}: {report}");
        assert!(report.gaps > 0 && report.disconnects > 0, "{report}");
    }
}

#[test]
fn a_fill_marked_before_it_is_queued_is_caught() {
    let plan = StreamsPlan::new(EVENTS, 3).with_queue(64);
    let report = streams_campaign(&stage(3).flawed(PlantedBug::SeenBeforeQueued), plan);
    println!("{report}");
    assert!(!report.is_clean(), "the bug was not caught");
}
