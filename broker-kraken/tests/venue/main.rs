//! The client against the wire venue: the certificate of a history, the contracts case by case, nonces and counters.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod conformance;
mod document;
mod export;
mod history;
mod nonces;
mod orders;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use broker_core::seam::{Clock, SeededRng, VirtualRuntime};
use broker_core::{AccountId, Context, Price, Qty};
use broker_kraken::venue::KrakenVenue;
use broker_kraken::{KrakenBroker, KrakenConfig};
use broker_sim::wire::{Faults, MemoryTransport, Recorder, Venue, share};
use chrono::{DateTime, TimeDelta, Utc};

pub(crate) fn end() -> DateTime<Utc> {
    "2026-11-20T18:00:00Z".parse().unwrap()
}

pub(crate) fn qty(text: &str) -> Qty {
    text.parse().unwrap()
}

pub(crate) fn price(text: &str) -> Price {
    text.parse().unwrap()
}

pub(crate) fn config() -> KrakenConfig {
    KrakenConfig::new(KrakenVenue::KEY, KrakenVenue::SECRET).live()
}

/// Counters that never hold back.
pub(crate) fn unhurried(config: KrakenConfig) -> KrakenConfig {
    let point = Duration::from_millis(1);
    config
        .with_call_counter(1_000_000, point)
        .with_order_counter(1_000_000, point)
        .with_public_counter(1_000_000, point)
}

/// A client, and the venue behind it.
pub(crate) struct Stage {
    pub(crate) runtime: VirtualRuntime,
    pub(crate) broker: KrakenBroker,
    pub(crate) venue: Arc<Mutex<KrakenVenue>>,
    pub(crate) recorder: Recorder,
    pub(crate) faults: Faults,
    pub(crate) account: AccountId,
}

impl Stage {
    pub(crate) fn new(venue: KrakenVenue, now: DateTime<Utc>, config: KrakenConfig) -> Self {
        Self::skewed(venue, now, config, TimeDelta::zero())
    }

    /// The client's time of day is ahead of the venue's by this.
    pub(crate) fn skewed(venue: KrakenVenue, now: DateTime<Utc>, config: KrakenConfig, ahead: TimeDelta) -> Self {
        let venue = Arc::new(Mutex::new(venue));
        let runtime = VirtualRuntime::starting_at(now);
        let clock = Arc::new(runtime.clock());
        let rng = Arc::new(SeededRng::new(1));
        let (recorder, faults) = (Recorder::new(), Faults::default());
        let shared: Arc<Mutex<dyn Venue>> = venue.clone();
        let transport = MemoryTransport::new(shared, clock.clone(), rng.clone(), clock.clone())
            .with_faults(faults.clone())
            .with_recorder(recorder.clone());
        let ours = Arc::new(Ahead {
            beneath: clock.clone(),
            by: ahead,
        });
        let context = Context::new(ours, rng, clock, Arc::new(transport));
        let broker = KrakenBroker::new(config.with_context(context)).unwrap();
        let account = broker.account_id().clone();
        Self {
            runtime,
            broker,
            venue,
            recorder,
            faults,
            account,
        }
    }

    pub(crate) fn run<T, F: Future<Output = T>>(&self, ask: impl FnOnce(KrakenBroker) -> F) -> T {
        self.runtime.block_on(ask(self.broker.clone()))
    }

    pub(crate) fn refused(&self) -> u64 {
        self.venue.lock().unwrap().refused()
    }
}

#[derive(Debug)]
struct Ahead {
    beneath: Arc<dyn Clock>,
    by: TimeDelta,
}

impl Clock for Ahead {
    fn now(&self) -> DateTime<Utc> {
        self.beneath.now() + self.by
    }

    fn elapsed(&self) -> Duration {
        self.beneath.elapsed()
    }

    fn sleep(&self, wait: Duration) -> broker_core::seam::BoxFuture<'static, ()> {
        self.beneath.sleep(wait)
    }
}

/// For servers on this machine.
pub(crate) fn shared(venue: KrakenVenue) -> Arc<Mutex<dyn Venue>> {
    share(venue)
}
