//! Four of five fills are dropped while pings are answered, and all else goes wrong that can.

use broker_core::Side;
use broker_kraken::venue::KrakenVenue;
use broker_sim::wire::WireRequest;
use broker_testkit::campaign::{StreamsStage, seeds, streams_lose_nothing};
use broker_testkit::planted::PlantedBug;
use broker_testkit::streams::{Harm, StreamsPlan, streams_campaign};

use super::{connect, engine, house, lines, now};

const EVENTS: u64 = 25_000;

fn stage(seed: u64) -> StreamsStage<KrakenVenue> {
    let venue = KrakenVenue::builder()
        .engine(engine(seed), "A1")
        .without_limits()
        .build()
        .unwrap();
    let lines = lines().into_iter().zip([Side::Buy, Side::Buy, Side::Sell]).collect();
    let is_fill = |text: &str| text.contains(r#""exec_type":"trade""#);
    // All that is private is a POST here.
    let is_read = |request: &WireRequest| {
        let name = request.path.rsplit('/').next().unwrap_or_default();
        !["AddOrder", "AmendOrder", "CancelOrder", "CancelAll"].contains(&name)
    };
    StreamsStage::new((house(), venue), lines, (now(), seed), connect, is_fill).with_reads(is_read)
}

#[test]
fn events_are_not_lost() {
    streams_lose_nothing(seeds(1), EVENTS, stage);
}

#[test]
fn a_fill_marked_before_it_is_queued_is_caught() {
    let plan = StreamsPlan::new(10_000, 3).with_queue(64);
    let report = streams_campaign(&stage(3).flawed(PlantedBug::SeenBeforeQueued), plan);
    let (lost, first) = &report.harms[&Harm::FillLost];
    println!("{lost} lost, the first: {first}");
}

#[test]
fn a_seed_repeats_a_whole_run() {
    let run = || streams_campaign(&stage(5), StreamsPlan::new(3_000, 5));
    assert_eq!(run(), run());
}
