//! Four of five fills are dropped while heartbeats go on, and all else goes wrong that can; `BROKER_SEEDS` runs more seeds
//! than the one of every day.

use std::sync::Arc;

use broker_core::{Broker, Context, Side};
use broker_oanda::venue::OandaVenue;
use broker_oanda::{OandaBroker, OandaConfig};
use broker_testkit::campaign::{StreamsStage, seeds, streams_lose_nothing};
use broker_testkit::streams::{StreamsPlan, streams_campaign};

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
    let all = streams_lose_nothing(seeds(1), EVENTS, stage);
    // Four of five frames; what fills while no connection stands has none.
    assert!(all.hits["frame_drop"] * 2 > all.fills, "{all}");
    assert!(all.gaps > all.disconnects, "{all}");
}

#[test]
fn a_seed_repeats_a_whole_run() {
    let run = || streams_campaign(&stage(5), StreamsPlan::new(3_000, 5));
    assert_eq!(run(), run());
}
