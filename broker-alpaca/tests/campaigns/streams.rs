//! Four of five fills are dropped while pings are answered, and all else goes wrong that can; 1,000,000 events over the
//! seeds.

use std::sync::Arc;

use broker_alpaca::venue::AlpacaVenue;
use broker_alpaca::{AlpacaBroker, AlpacaConfig};
use broker_core::{Broker, Context, Side};
use broker_testkit::campaign::{StreamsStage, seeds, streams_lose_nothing};
use broker_testkit::planted::PlantedBug;
use broker_testkit::streams::{Harm, StreamsPlan, streams_campaign};

use super::{engine, house, lines, now};

/// Of one seed; forty of them are a million.
const EVENTS: u64 = 25_000;

fn stage(seed: u64) -> StreamsStage<AlpacaVenue> {
    let venue = AlpacaVenue::builder()
        .engine(engine(seed), "A1")
        .trading_limits(Vec::new())
        .data_limits(Vec::new())
        .build()
        .unwrap();
    // Bought alone, and sold alone: no order meets a position that it would turn round.
    let lines = lines().into_iter().zip([Side::Buy, Side::Buy, Side::Sell]).collect();
    let is_fill = |text: &str| text.contains(r#""event":"fill""#) || text.contains(r#""event":"partial_fill""#);
    StreamsStage::new((house(), venue), lines, (now(), seed), connect, is_fill)
}

/// As many requests as are asked for.
fn connect(context: Context) -> Arc<dyn Broker> {
    let config = AlpacaConfig::new(AlpacaVenue::KEY_ID, AlpacaVenue::SECRET_KEY)
        .with_requests_per_minute(1_000_000)
        .with_context(context);
    AlpacaBroker::new(config).unwrap().handle()
}

/// Most that the process ever held, the venue with its books included, where the system tells it.
fn peak() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    line.map_or_else(|| "peak unknown".to_owned(), str::to_owned)
}

#[test]
fn a_million_events_lose_nothing() {
    let all = streams_lose_nothing(seeds(40), EVENTS, stage);
    println!("{}", peak());
    // Every kind of harm was really done.
    let kinds = [
        "cut_body",
        "delay_answer",
        "drop_answer",
        "error_before",
        "frame_close",
        "frame_delay",
        "frame_drop",
        "frame_duplicate",
        "frame_garble",
        "frame_reorder",
        "frame_reset",
        "frame_stall",
        "frame_stall_forever",
        "html_200",
        "rate_limited",
        "refuse_connection",
        "reset",
        "truncated_json",
    ];
    assert_eq!(all.hits.keys().copied().collect::<Vec<_>>(), kinds);
    // Four of five frames; what fills while no connection stands has none.
    assert!(all.hits["frame_drop"] * 2 > all.fills, "{all}");
    assert!(all.gaps > all.disconnects && all.disconnects > seeds(40), "{all}");
    assert!(all.naps > seeds(40) && all.fills_before_answer > seeds(40), "{all}");
}

#[test]
fn a_fill_marked_before_it_is_queued_is_caught() {
    let plan = StreamsPlan::new(10_000, 3).with_queue(64);
    let honest = streams_campaign(&stage(3), plan);
    assert!(honest.is_clean(), "{honest}");
    let report = streams_campaign(&stage(3).flawed(PlantedBug::SeenBeforeQueued), plan);
    println!("{report}");
    let (lost, first) = &report.harms[&Harm::FillLost];
    println!("{lost} lost, the first: {first}");
    assert!(!report.harms.contains_key(&Harm::Ended));
}

#[test]
fn a_seed_repeats_a_whole_run() {
    let run = || streams_campaign(&stage(5), StreamsPlan::new(5_000, 5));
    assert_eq!(run(), run());
}
