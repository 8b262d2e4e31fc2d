//! The client against the wire venue: 90 days through a sync, and what OANDA alone has.

#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

mod dealing;
mod limits;
mod sync;
mod tracing;
mod traps;

use std::sync::{Arc, Mutex};

use broker_core::seam::{Clock, SeededRng, VirtualRuntime};
use broker_core::{AccountId, Context, InstrumentId, Price, Qty};
use broker_oanda::venue::OandaVenue;
use broker_oanda::{OandaBroker, OandaConfig};
use broker_sim::wire::{FaultPlan, Faults, MemoryTransport, Recorder, share};
use chrono::{DateTime, Utc};
use rust_decimal::Decimal;

fn dec(text: &str) -> Decimal {
    text.parse().unwrap()
}

fn qty(text: &str) -> Qty {
    text.parse().unwrap()
}

fn price(text: &str) -> Price {
    text.parse().unwrap()
}

/// A venue in virtual time, and a client of it.
struct Stage {
    runtime: VirtualRuntime,
    venue: Arc<Mutex<OandaVenue>>,
    broker: OandaBroker,
    account: AccountId,
    recorder: Recorder,
    faults: Faults,
}

impl Stage {
    fn new(venue: OandaVenue, now: DateTime<Utc>) -> Self {
        let account = venue.account().clone();
        let runtime = VirtualRuntime::starting_at(now);
        let clock = Arc::new(runtime.clock());
        let rng = Arc::new(SeededRng::new(1));
        let venue = share(venue);
        let recorder = Recorder::new();
        let faults = Faults::new(FaultPlan::none());
        let transport = MemoryTransport::new(venue.clone(), clock.clone(), rng.clone(), clock.clone())
            .with_recorder(recorder.clone())
            .with_faults(faults.clone());
        let context = Context::new(clock.clone(), rng, clock, Arc::new(transport));
        let config = OandaConfig::new(OandaVenue::TOKEN).with_context(context);
        Self {
            runtime,
            venue,
            broker: OandaBroker::new(config).unwrap(),
            account,
            recorder,
            faults,
        }
    }

    fn quote(&self, instrument: &str, bid: &str, ask: &str) {
        let size = qty("1000000");
        let now = self.runtime.clock().now();
        let mut venue = self.venue.lock().unwrap();
        let id = InstrumentId::from(instrument);
        venue
            .engine_mut()
            .set_quote(&id, Some(price(bid)), Some(price(ask)), (size, size), now)
            .unwrap();
        venue.settle(now);
    }
}
