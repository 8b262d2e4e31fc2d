//! A venue with a history, in virtual time, and brokers that speak to it.

use std::sync::{Arc, Mutex};

use broker_alpaca::venue::AlpacaVenue;
use broker_alpaca::{AlpacaBroker, AlpacaConfig};
use broker_core::seam::{SeededRng, VirtualRuntime};
use broker_core::{AccountId, Broker, Context};
use broker_sim::HistoryPlan;
use broker_sim::wire::{MemoryTransport, Recorder, Venue, share};
use broker_sync::{Scope, Syncer};
use chrono::{DateTime, TimeZone, Utc};

/// When the histories end.
pub(crate) fn now() -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2026, 6, 30, 21, 0, 0).unwrap()
}

/// 89 days, so that 90 days hold the account's opening too.
pub(crate) fn plan(fills: usize, seed: u64) -> HistoryPlan {
    HistoryPlan::new(fills, now()).with_days(89).with_seed(seed)
}

/// One account at one venue, with Alpaca's own limits.
pub(crate) struct Stage {
    pub(crate) runtime: VirtualRuntime,
    pub(crate) broker: AlpacaBroker,
    pub(crate) account: AccountId,
    pub(crate) recorder: Recorder,
}

impl Stage {
    pub(crate) fn new(plan: &HistoryPlan) -> Self {
        let venue = AlpacaVenue::seeded(plan).unwrap();
        let account = venue.account_id();
        Self::over(share(venue), account, plan.seed)
    }

    pub(crate) fn over(venue: Arc<Mutex<dyn Venue>>, account: AccountId, seed: u64) -> Self {
        let runtime = VirtualRuntime::starting_at(now());
        let recorder = Recorder::default();
        let broker = connect(&runtime, venue, &recorder, seed);
        Self {
            runtime,
            broker,
            account,
            recorder,
        }
    }

    pub(crate) fn scope(&self) -> Scope {
        Scope {
            broker: self.broker.id(),
            environment: self.broker.environment(),
            account: self.account.clone(),
        }
    }

    pub(crate) fn syncer(&self) -> Syncer {
        Syncer::new(self.broker.handle(), Arc::new(broker_sync::MemoryStore::new()))
    }
}

/// A broker with the venue's own key, that speaks to it over a wire of its own.
pub(crate) fn connect(
    runtime: &VirtualRuntime,
    venue: Arc<Mutex<dyn Venue>>,
    recorder: &Recorder,
    seed: u64,
) -> AlpacaBroker {
    let clock = Arc::new(runtime.clock());
    let rng = Arc::new(SeededRng::new(seed));
    let transport =
        MemoryTransport::new(venue, clock.clone(), rng.clone(), clock.clone()).with_recorder(recorder.clone());
    let context = Context::new(clock.clone(), rng, clock, Arc::new(transport));
    AlpacaBroker::new(AlpacaConfig::new(AlpacaVenue::KEY_ID, AlpacaVenue::SECRET_KEY).with_context(context)).unwrap()
}
