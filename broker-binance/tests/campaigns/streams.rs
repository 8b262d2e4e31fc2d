//! Four of five fills are dropped while pings go on, and all else goes wrong that can; `BROKER_SEEDS` runs more seeds
//! than those of every day.

use broker_binance::venue::BinanceVenue;
use broker_core::Side;
use broker_testkit::campaign::{StreamsStage, seeds, streams_lose_nothing};
use broker_testkit::planted::PlantedBug;
use broker_testkit::streams::{Harm, StreamsPlan, streams_campaign};

use super::{ACCOUNT, connect, engine, house, lines, now};

/// Of one seed; forty of them are a million.
const EVENTS: u64 = 25_000;

fn stage(seed: u64) -> StreamsStage<BinanceVenue> {
    let venue = BinanceVenue::builder()
        .engine(engine(seed), ACCOUNT.into())
        .without_limits()
        .routing(["BTCUSD"], 2)
        .build()
        .unwrap();
    // Nothing is held that could be sold.
    let lines = lines().into_iter().map(|line| (line, Side::Buy)).collect();
    let is_fill = |text: &str| text.contains(r#""x":"TRADE""#);
    StreamsStage::new((house(), venue), lines, (now(), seed), connect, is_fill)
}

#[test]
fn no_event_is_lost() {
    let all = streams_lose_nothing(seeds(4), EVENTS, stage);
    // A fill is told in two frames, so a connection breaks twice as soon as where one tells it, and many fills happen
    // while none stands: those are read back. Of the others four in five are dropped.
    assert!(all.hits["frame_drop"] > 1_500 * seeds(4), "{all}");
    assert!(all.gaps > all.disconnects, "{all}");
}

#[test]
fn a_fill_marked_before_it_is_queued_is_caught() {
    let plan = StreamsPlan::new(4_000, 3).with_queue(64);
    let report = streams_campaign(&stage(3).flawed(PlantedBug::SeenBeforeQueued), plan);
    let (lost, first) = &report.harms[&Harm::FillLost];
    println!("{lost} lost, the first: {first}");
    assert!(!report.harms.contains_key(&Harm::Ended));
}

#[test]
fn a_seed_repeats_a_whole_run() {
    let run = || streams_campaign(&stage(5), StreamsPlan::new(3_000, 5));
    assert_eq!(run(), run());
}
