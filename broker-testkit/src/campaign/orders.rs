//! The stage of the campaigns of orders and crashes.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, MutexGuard, PoisonError};

use broker_core::capability::OrderFacts;
use broker_core::journal::MemoryJournal;
use broker_core::model::OrderChange;
use broker_core::seam::{Clock, Rng, VirtualRuntime};
use broker_core::{AccountId, Broker, OrderRequest, Qty, Side};
use broker_sim::wire::{Recorder, Venue, share};
use chrono::{DateTime, Utc};
use rust_decimal::Decimal;

use super::{Connect, House, Line, Shared, each_seed};
use crate::crash::crash_campaign;
use crate::damage::Damage;
use crate::orders::{OrdersPlan, OrdersReport, orders_campaign};
use crate::planted::{Planted, PlantedBug};
use crate::stage::{IntentOf, KnownOrder, Process, Stage, VenueWords, World};

/// Bids between which the market moves, in hundredths of a step.
const BIDS: [i64; 4] = [0, 500, 0, -500];
const ORDERS_A_STEP: usize = 40;
/// What lies at bid and ask: enough for every order.
const DEPTH: u64 = 1_000_000;

/// A venue, the market on it, and the clients that connect to it.
pub struct OrdersStage<V> {
    world: World,
    house: House<V>,
    venue: Shared<V>,
    lines: Vec<Line>,
    connect: Connect,
    intent_of: IntentOf,
    words: VenueWords,
    facts: OrderFacts,
    bug: Option<PlantedBug>,
    asked: AtomicUsize,
}

impl<V: Venue> OrdersStage<V> {
    /// A venue whose account has the money for what is asked of it, from `now` on.
    pub fn new(
        (house, venue): (House<V>, V),
        lines: Vec<Line>,
        now: DateTime<Utc>,
        connect: Connect,
        (intent_of, words): (IntentOf, VenueWords),
    ) -> Self {
        let venue = share(venue);
        let world = World::new(VirtualRuntime::starting_at(now), venue.clone());
        let stranger = Process {
            seed: 0,
            spawn: Arc::new(world.runtime.clock()),
            journal: Arc::new(MemoryJournal::default()),
        };
        let stage = Self {
            facts: connect(world.context(&stranger)).capabilities().orders.clone(),
            world,
            house,
            venue,
            lines,
            connect,
            intent_of,
            words,
            bug: None,
            asked: AtomicUsize::new(0),
        };
        stage.quote(BIDS[0]);
        stage
    }

    /// With a recorder that knows the broker's secret headers.
    #[must_use]
    pub fn with_recorder(mut self, recorder: Recorder) -> Self {
        self.world = self.world.with_recorder(recorder);
        self
    }

    /// Whose clients have this bug.
    #[must_use]
    pub fn flawed(mut self, bug: PlantedBug) -> Self {
        self.bug = Some(bug);
        self
    }

    /// So many lots of each line are held: then no sale asks for more than is there, where no order may turn a position
    /// round.
    ///
    /// # Panics
    /// When the venue refuses the purchase.
    #[must_use]
    #[allow(clippy::expect_used, reason = "a test stops at what it did not expect")]
    pub fn holding(self, lots: u64) -> Self {
        let now = self.world.runtime.clock().now();
        let mut venue = self.venue();
        let account = self.house.account(&venue);
        for line in &self.lines {
            let held = OrderRequest::market(line.symbol.clone(), Side::Buy, line.lots(lots));
            let held = held.with_instrument(line.instrument.clone());
            self.house
                .engine_mut(&mut venue)
                .place(&account, &held, None, now)
                .expect("the purchase is taken");
        }
        drop(venue);
        self
    }

    /// The venue, to look into.
    pub fn venue(&self) -> MutexGuard<'_, V> {
        self.venue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn quote(&self, bid: i64) {
        let now = self.world.runtime.clock().now();
        let mut venue = self.venue();
        for line in &self.lines {
            line.quote(self.house.engine_mut(&mut venue), (bid, bid + 2), line.lots(DEPTH), now);
        }
    }

    /// The market moves a step every so many orders, so that those at work trade.
    fn step(&self) {
        let asked = self.asked.fetch_add(1, Ordering::Relaxed) + 1;
        if asked.is_multiple_of(ORDERS_A_STEP) {
            self.quote(BIDS[asked / ORDERS_A_STEP % BIDS.len()]);
        }
    }
}

impl<V: Venue> Stage for OrdersStage<V> {
    fn world(&self) -> &World {
        &self.world
    }

    fn account(&self) -> AccountId {
        self.house.wire_account(&self.venue())
    }

    fn connect(&self, process: &Process) -> Arc<dyn Broker> {
        let broker = (self.connect)(self.world.context(process));
        match self.bug {
            Some(bug) => Arc::new(Planted::new(broker, bug)),
            None => broker,
        }
    }

    fn truth(&self) -> Vec<KnownOrder> {
        let orders = self.house.orders(&self.venue());
        orders.iter().map(KnownOrder::from).collect()
    }

    fn intent_of(&self) -> IntentOf {
        self.intent_of
    }

    fn request(&self, rng: &dyn Rng) -> OrderRequest {
        self.step();
        let count = u64::try_from(self.lines.len()).unwrap_or(1);
        let line = &self.lines[usize::try_from(rng.below(count)).unwrap_or_default()];
        line.request(&self.facts, rng)
    }

    fn resting(&self) -> OrderRequest {
        self.lines[0].resting(&self.facts)
    }

    fn change(&self) -> OrderChange {
        let qty = self.lines[0].lot * Decimal::from(25);
        OrderChange::new().with_qty(Qty::new(qty).unwrap_or(Qty::ZERO))
    }

    fn words(&self) -> VenueWords {
        self.words.clone()
    }
}

impl<V> fmt::Debug for OrdersStage<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OrdersStage")
            .field("lines", &self.lines)
            .field("bug", &self.bug)
            .finish_non_exhaustive()
    }
}

/// The campaign of orders, seed by seed: each is clean, every kind of fault hit, and enough was placed and canceled to
/// say so. What else must hold is asked of `more`.
///
/// # Panics
/// When it is not so.
pub fn orders_are_safe<V: Venue>(
    (seeds, orders): (u64, u64),
    stage: impl Fn(u64) -> OrdersStage<V> + Sync,
    more: impl Fn(&OrdersReport, &V) + Sync,
) {
    each_seed(seeds, |seed| {
        let stage = stage(seed);
        let report = orders_campaign(&stage, OrdersPlan::new(orders, seed));
        println!("seed {seed}: {report}");
        assert!(report.is_clean(), "seed {seed}: {report}");
        for (fault, hits) in &report.hits {
            assert!(*hits > 0, "seed {seed}: {fault} never hit");
        }
        assert!(
            report.asked >= orders && report.canceled > orders / 10,
            "seed {seed}: {report}"
        );
        more(&report, &stage.venue());
    });
}

/// The campaign of crashes is clean, and there was something to survive.
///
/// # Panics
/// When it is not so.
pub fn crashes_are_survived<V: Venue>(stage: impl Fn() -> OrdersStage<V>) {
    let report = crash_campaign(&|| Box::new(stage()) as Box<dyn Stage>);
    println!("{report}");
    assert!(report.is_clean(), "{report}");
    assert!(report.drops_before_send > 20 && report.recovered > 20, "{report}");
}

/// A short campaign, whose damage is what is looked for.
pub fn harmed<V: Venue>(stage: &OrdersStage<V>) -> OrdersReport {
    let report = orders_campaign(stage, OrdersPlan::new(1_000, 3));
    println!("{stage:?}: {report}");
    report
}

/// Each bug of a client is seen. One that sends blindly doubles orders where the venue is `forgetful`: where it takes
/// an id of ours twice.
///
/// # Panics
/// When one is not.
pub fn planted_bugs_are_caught<V: Venue>(stage: impl Fn() -> OrdersStage<V>, forgetful: OrdersStage<V>) {
    let report = harmed(&forgetful.flawed(PlantedBug::BlindResend));
    assert!(report.damages.of(Damage::DoubleOrder) > 20, "{report}");
    for bug in [
        PlantedBug::FinAsNotSent,
        PlantedBug::EarlyProof,
        PlantedBug::ErrorAsRefusal,
    ] {
        let report = harmed(&stage().flawed(bug));
        assert!(report.damages.of(Damage::FalseDead) > 0, "{bug:?}: {report}");
    }
    let report = crash_campaign(&|| Box::new(stage().flawed(PlantedBug::GateIgnored)) as Box<dyn Stage>);
    assert!(report.damages.of(Damage::SentAfterDrop) > 0, "{report}");
}
