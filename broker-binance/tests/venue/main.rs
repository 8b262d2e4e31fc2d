//! The client against its wire venue, in memory and in virtual time.

#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

mod bans;
mod clock;
mod executions;
mod fees;
mod history;
mod limits;
mod orders;
mod scale;
mod streams;

use std::sync::{Arc, Mutex};

use broker_binance::venue::{BinanceVenue, BinanceVenueBuilder};
use broker_binance::{BinanceBroker, BinanceConfig};
use broker_core::seam::{SeededRng, VirtualRuntime};
use broker_core::{AccountId, Context};
use broker_sim::wire::{FaultPlan, Faults, MemoryTransport, Recorder, share};
use chrono::{DateTime, Duration, Utc};

/// A minute behind the end of every history here.
const NOW: &str = "2026-11-20T18:01:00Z";

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn now() -> DateTime<Utc> {
    at(NOW)
}

fn end() -> DateTime<Utc> {
    now() - Duration::minutes(1)
}

/// A venue, a client of it, and what was sent.
struct House {
    runtime: VirtualRuntime,
    venue: Arc<Mutex<BinanceVenue>>,
    broker: BinanceBroker,
    recorder: Recorder,
    faults: Faults,
    account: AccountId,
}

impl House {
    fn new(builder: BinanceVenueBuilder) -> Self {
        Self::with(builder, BinanceConfig::new(BinanceVenue::KEY, BinanceVenue::SECRET))
    }

    fn with(builder: BinanceVenueBuilder, config: BinanceConfig) -> Self {
        let venue = builder.build().unwrap();
        let account = venue.account_id();
        let venue = share(venue);
        let runtime = VirtualRuntime::starting_at(now());
        let clock = Arc::new(runtime.clock());
        let rng = Arc::new(SeededRng::new(1));
        let recorder = Recorder::new();
        let faults = Faults::new(FaultPlan::none());
        let transport = MemoryTransport::new(venue.clone(), clock.clone(), rng.clone(), clock.clone())
            .with_recorder(recorder.clone())
            .with_faults(faults.clone());
        let context = Context::new(clock.clone(), rng, clock, Arc::new(transport));
        let broker = BinanceBroker::new(config.with_context(context)).unwrap();
        Self {
            runtime,
            venue,
            broker,
            recorder,
            faults,
            account,
        }
    }

    fn run<T, F: Future<Output = T>>(&self, ask: impl FnOnce(BinanceBroker) -> F) -> T {
        self.runtime.block_on(ask(self.broker.clone()))
    }
}

/// A venue with so many fills of coins in the 90 days before.
fn lived(fills: usize, seed: u64) -> BinanceVenueBuilder {
    let plan = BinanceVenueBuilder::plan(fills, end()).with_seed(seed);
    BinanceVenue::builder().history(&plan).unwrap()
}
