//! Four of five fills are dropped while heartbeats go on, and all else goes wrong that can; `BROKER_SEEDS` runs more seeds
//! than the one of every day.

use std::sync::Arc;

use broker_core::{Broker, Context, Side};
use broker_oanda::venue::OandaVenue;
use broker_oanda::{OandaBroker, OandaConfig};
use broker_testkit::campaign::{StreamsStage, seeds};
use broker_testkit::streams::{StreamsPlan, StreamsReport, streams_campaign};

use super::{engine, house, lines, now};

/// Of one seed; forty of them are a million.
const EVENTS: u64 = 25_000;

fn stage(seed: u64) -> StreamsStage<OandaVenue> {
    let venue = OandaVenue::builder()
        .engine(engine(seed), [OandaVenue::ACCOUNT.into()])
        .limits(Vec::new())
        .build()
        .unwrap();
    let lines = lines().into_iter().zip([Side::Buy, Side::Buy, Side::Sell]).collect();
    let is_fill = |text: &str| text.contains(r#""type":"ORDER_FILL""#);
    StreamsStage::new((house(), venue), lines, (now(), seed), connect, is_fill)
}

/// As many requests as are asked for.
fn connect(context: Context) -> Arc<dyn Broker> {
    let config = OandaConfig::new(OandaVenue::TOKEN)
        .with_requests_per_second(1_000_000)
        .with_context(context);
    OandaBroker::new(config).unwrap().handle()
}

#[test]
fn no_event_is_lost() {
    let mut all = StreamsReport::default();
    for seed in 1..=seeds(1) {
        let plan = StreamsPlan::new(EVENTS, seed).with_queue(if seed.is_multiple_of(2) { 64 } else { 1_024 });
        let report = streams_campaign(&stage(seed), plan);
        println!("seed {seed}: {report}");
        assert!(report.is_clean(), "seed {seed}: {report}");
        all.events += report.events;
        all.fills += report.fills;
        all.disconnects += report.disconnects;
        all.gaps += report.gaps;
        for (fault, hits) in report.hits {
            *all.hits.entry(fault).or_default() += hits;
        }
    }
    println!("all seeds: {all}");
    assert!(all.events >= EVENTS * seeds(1));
    // Four of five frames; what fills while no connection stands has none.
    assert!(all.hits["frame_drop"] * 2 > all.fills, "{all}");
    assert!(all.gaps > all.disconnects && all.disconnects > 0, "{all}");
}

#[test]
fn a_seed_repeats_a_whole_run() {
    let run = || streams_campaign(&stage(5), StreamsPlan::new(3_000, 5));
    assert_eq!(run(), run());
}
