//! Four of five fills are dropped while pings are answered, and all else goes wrong that can.

use broker_core::Side;
use broker_sim::wire::WireRequest;
use broker_testkit::campaign::{StreamsStage, seeds, streams_lose_nothing};
use broker_testkit::planted::PlantedBug;
use broker_testkit::streams::{Harm, StreamsPlan, streams_campaign};
use broker_topstepx::venue::{TopstepxVenue, TopstepxVenueBuilder};

use super::{connect_freely, engine, house, lines, now};

/// Of one seed; forty of them are a million.
const EVENTS: u64 = 25_000;

fn stage(seed: u64) -> StreamsStage<TopstepxVenue> {
    stage_of(seed, |builder| builder)
}

fn stage_of(seed: u64, change: fn(TopstepxVenueBuilder) -> TopstepxVenueBuilder) -> StreamsStage<TopstepxVenue> {
    let builder = TopstepxVenue::builder()
        .engine(engine(seed))
        .practice_account("A1")
        .limits(Vec::new(), Vec::new());
    let venue = change(builder).build().unwrap();
    let lines = lines().into_iter().zip([Side::Buy, Side::Buy, Side::Sell]).collect();
    let is_fill = |text: &str| text.contains("GatewayUserTrade");
    // Everything is a POST here.
    let is_read = |request: &WireRequest| {
        let path = request.path.as_str();
        !matches!(path, "/api/Order/place" | "/api/Order/modify" | "/api/Order/cancel")
    };
    StreamsStage::new((house(), venue), lines, (now(), seed), connect_freely, is_fill).with_reads(is_read)
}

#[test]
fn no_event_is_lost() {
    let all = streams_lose_nothing(seeds(1), EVENTS, stage);
    // A fill is told in four frames, so a connection breaks four times as soon as elsewhere, and most fills happen while
    // none stands: those are read back. Of the others four in five are dropped.
    assert!(all.hits["frame_drop"] > 1_500 * seeds(1), "{all}");
    // Reads are harmed, too, which are no GET here.
    for harm in ["cut_body", "truncated_json", "html_200", "error_before", "reset"] {
        assert!(all.hits.contains_key(harm), "{harm} never hit: {all}");
    }
    assert!(all.gaps > all.disconnects, "{all}");
}

/// Frames that end anywhere, with several records in one: all that goes wrong, on top of it.
#[test]
fn ragged_frames_lose_nothing_either() {
    let stage = stage_of(2, TopstepxVenueBuilder::ragged_frames);
    let report = streams_campaign(&stage, StreamsPlan::new(5_000, 2));
    println!("{report}");
    assert!(report.is_clean(), "{report}");
}

#[test]
fn a_fill_marked_before_it_is_queued_is_caught() {
    let plan = StreamsPlan::new(10_000, 3).with_queue(64);
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
