//! The stage of the campaign of history.

use std::fmt;
use std::sync::{Arc, MutexGuard, PoisonError};

use broker_core::seam::{Clock, SeededRng, VirtualRuntime};
use broker_core::{AccountId, Broker, Context, HistoryQuery};
use broker_sim::wire::{Fault, FaultPlan, Faults, MemoryTransport, Recorder, RetryHint, Venue, When, share};
use chrono::{DateTime, Utc};

use super::{Connect, House, Shared, each_seed};
use crate::history::{CampaignReport, ExpectedFill, history_campaign};
use crate::planted::{Planted, PlantedBug};
use crate::stage::VenueWords;

/// A venue with a history, in virtual time, and a broker that reads it.
pub struct HistoryStage<V> {
    /// The time of all.
    pub runtime: VirtualRuntime,
    /// The broker.
    pub broker: Arc<dyn Broker>,
    /// Its account.
    pub account: AccountId,
    /// What happened, by the venue's own books.
    pub expected: Vec<ExpectedFill>,
    /// What goes wrong.
    pub faults: Faults,
    /// What was asked.
    pub recorder: Recorder,
    venue: Shared<V>,
}

impl<V: Venue> HistoryStage<V> {
    /// A venue whose account has lived until `now`.
    pub fn new((house, venue): (House<V>, V), (now, seed): (DateTime<Utc>, u64), connect: Connect) -> Self {
        let account = house.wire_account(&venue);
        let expected = house.fills(&venue).iter().map(ExpectedFill::from).collect();
        let venue = share(venue);
        let runtime = VirtualRuntime::starting_at(now);
        let clock = Arc::new(runtime.clock());
        let rng = Arc::new(SeededRng::new(seed));
        let (faults, recorder) = (Faults::default(), Recorder::default());
        let transport = MemoryTransport::new(venue.clone(), clock.clone(), rng.clone(), clock.clone())
            .with_faults(faults.clone())
            .with_recorder(recorder.clone());
        let context = Context::new(clock.clone(), rng, clock, Arc::new(transport));
        Self {
            broker: connect(context),
            runtime,
            account,
            expected,
            faults,
            recorder,
            venue,
        }
    }

    /// Reads the last 90 days of this broker, which may be a flawed one over the same wire.
    pub fn run(&self, broker: &dyn Broker, seed: u64) -> CampaignReport {
        let query = HistoryQuery::last_days(&self.account, 90);
        self.runtime
            .block_on(history_campaign(broker, &query, &self.expected, seed))
    }

    /// Harms three requests in ten, in ten ways. A refusal by the limiter without cause closes the bucket for long, so
    /// it is rarer than the rest.
    pub fn harm(&self, words: &VenueWords, seed: u64) {
        let often = || When::always().per_mille(39);
        let seldom = || When::always().per_mille(4);
        let plan = FaultPlan::seeded(seed)
            .rule(often(), Fault::RefuseConnection)
            .rule(often(), Fault::Reset { handled: true })
            .rule(often(), Fault::Fin { handled: true })
            .rule(often(), Fault::CutBody(2_000))
            .rule(often(), Fault::TruncatedJson)
            .rule(often(), Fault::Html200)
            .rule(often(), Fault::Empty200)
            .rule(often(), Fault::ErrorBefore(503, "upstream".to_owned()))
            .rule(often(), Fault::ErrorAfter(500, words.internal.clone()))
            .rule(
                seldom(),
                Fault::RateLimited(RetryHint::Seconds(1), words.limited.clone()),
            )
            .rule(seldom(), Fault::DropAnswer);
        self.faults.set(plan);
    }

    /// How many requests were sent, and how many were harmed.
    pub fn asked(&self) -> (u64, u64) {
        let asked = u64::try_from(self.recorder.requests().len()).unwrap_or(u64::MAX);
        (asked, self.faults.counts().values().sum())
    }

    /// The venue, to look into.
    pub fn venue(&self) -> MutexGuard<'_, V> {
        self.venue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How long it took so far.
    pub fn elapsed(&self) -> std::time::Duration {
        self.runtime.clock().elapsed()
    }
}

impl<V> fmt::Debug for HistoryStage<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HistoryStage")
            .field("broker", &self.broker)
            .field("fills", &self.expected.len())
            .finish_non_exhaustive()
    }
}

/// The campaign of history, seed by seed: each is clean and finds every fill, was killed on the way, and at least so many
/// of a thousand requests were harmed.
///
/// # Panics
/// When it is not so.
pub fn histories_are_whole<V: Venue>(
    seeds: u64,
    harmed: u64,
    words: &VenueWords,
    stage: impl Fn(u64) -> HistoryStage<V> + Sync,
) {
    each_seed(seeds, |seed| {
        let stage = stage(seed);
        stage.harm(words, seed);
        let report = stage.run(&*stage.broker, seed);
        let (asked, hits) = stage.asked();
        let elapsed = stage.elapsed();
        println!("seed {seed}: {report}  {hits} faults in {asked} requests, {elapsed:?}");
        assert!(report.is_clean(), "seed {seed}: {report}");
        let fills = u64::try_from(stage.expected.len()).unwrap_or(u64::MAX);
        assert_eq!(report.fills, fills, "seed {seed}");
        assert!(
            report.kills > 0 && hits * 1_000 >= asked * harmed,
            "seed {seed}: {hits} of {asked} harmed, {} kills",
            report.kills
        );
    });
}

/// An honest broker's history is clean, and with each of these bugs it is not.
///
/// # Panics
/// When it is not so.
pub fn bugs_of_history_are_caught<V: Venue>(bugs: &[PlantedBug], stage: impl Fn() -> HistoryStage<V>) {
    let honest = stage();
    let report = honest.run(&*honest.broker, 3);
    assert!(report.is_clean(), "{report}");
    for bug in bugs {
        let stage = stage();
        let report = stage.run(&Planted::new(stage.broker.handle(), *bug), 3);
        println!("{bug:?}: {report}");
        assert!(!report.is_clean(), "{bug:?} was not caught");
    }
}
