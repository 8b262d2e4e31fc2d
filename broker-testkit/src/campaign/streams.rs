//! The stage of the campaign of streams.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use broker_core::model::OrderChange;
use broker_core::seam::{Rng, SeededRng, VirtualRuntime};
use broker_core::{AccountId, Broker, Context, OrderRequest, Qty, Side};
use broker_sim::wire::{Faults, MemoryTransport, Recorder, Venue, WireRequest, share};
use chrono::{DateTime, Utc};

use super::{Connect, House, Line, Shared, each_seed};
use crate::planted::{Planted, PlantedBug};
use crate::streams::{Prompt, Stage, StreamsPlan, StreamsReport, Truth, Wire, streams_campaign};

/// Bid and ask, in hundredths of a step, when nothing trades.
const STILL: (i64, i64) = (-10, 10);
/// What lies at bid and ask then.
const DEPTH: u64 = 100_000;

/// A venue whose market comes to the orders that rest, a few lots at a time, and a broker that follows it.
pub struct StreamsStage<V> {
    runtime: VirtualRuntime,
    house: House<V>,
    venue: Shared<Prompt<V>>,
    broker: Arc<dyn Broker>,
    lines: Vec<(Line, Side)>,
    wire: Wire,
    changes: bool,
}

impl<V: Venue> StreamsStage<V> {
    /// A venue from `now` on, whose account is flat and has the money for what is asked of it. Each line is bought
    /// alone, or sold alone: no order meets a position that it would turn round.
    pub fn new(
        (house, venue): (House<V>, V),
        lines: Vec<(Line, Side)>,
        (now, seed): (DateTime<Utc>, u64),
        connect: Connect,
        is_fill: fn(&str) -> bool,
    ) -> Self {
        let venue = share(Prompt(venue));
        let runtime = VirtualRuntime::starting_at(now);
        let clock = Arc::new(runtime.clock());
        let wire = Wire {
            faults: Faults::default(),
            recorder: Recorder::new(),
            is_fill,
            is_read: |request| request.method == "GET",
        };
        let rng = Arc::new(SeededRng::new(seed));
        let transport = MemoryTransport::new(venue.clone(), clock.clone(), rng.clone(), clock.clone())
            .with_faults(wire.faults.clone())
            .with_recorder(wire.recorder.clone());
        let broker = connect(Context::new(clock.clone(), rng, clock, Arc::new(transport)));
        let stage = Self {
            changes: broker.capabilities().orders.replace,
            broker,
            runtime,
            house,
            venue,
            lines,
            wire,
        };
        for (line, _) in &stage.lines {
            let mut venue = stage.venue();
            line.quote(stage.house.engine_mut(&mut venue.0), STILL, line.lots(DEPTH), now);
        }
        stage
    }

    /// Whose broker has this bug.
    #[must_use]
    pub fn flawed(mut self, bug: PlantedBug) -> Self {
        self.broker = Arc::new(Planted::new(self.broker, bug));
        self
    }

    /// Where not every `GET`, and no other request, is one that only reads.
    #[must_use]
    pub fn with_reads(mut self, is_read: fn(&WireRequest) -> bool) -> Self {
        self.wire.is_read = is_read;
        self
    }

    /// The venue, to look into.
    pub fn venue(&self) -> MutexGuard<'_, Prompt<V>> {
        self.venue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn line(&self, rng: &dyn Rng) -> &(Line, Side) {
        one_of(rng, &self.lines)
    }

    /// Another program of the account cancels or changes an order that rests.
    fn meddle(&self, rng: &dyn Rng, now: DateTime<Utc>, cancels: bool) {
        let mut venue = self.venue();
        let account = self.house.account(&venue.0);
        let engine = self.house.engine_mut(&mut venue.0);
        let open: Vec<_> = engine
            .open_orders(&account)
            .into_iter()
            .flatten()
            .map(|one| {
                (
                    one.order().id.clone(),
                    one.order().legs.first().map(|leg| leg.instrument.clone()),
                )
            })
            .collect();
        if open.is_empty() {
            return;
        }
        let (id, instrument) = one_of(rng, &open);
        let lot = self
            .lines
            .iter()
            .find(|(line, _)| Some(&line.instrument) == instrument.as_ref());
        let qty = lot.map_or(Qty::ZERO, |(line, _)| line.lots(90));
        // An order that is on its way out is left alone.
        let _ = match cancels {
            true => engine.cancel(&account, id, now),
            false => engine.replace(&account, id, &OrderChange::new().with_qty(qty), None, now),
        };
    }
}

fn one_of<'a, T>(rng: &dyn Rng, all: &'a [T]) -> &'a T {
    let place = rng.below(u64::try_from(all.len()).unwrap_or(1));
    &all[usize::try_from(place).unwrap_or_default()]
}

impl<V: Venue> Stage for StreamsStage<V> {
    fn runtime(&self) -> &VirtualRuntime {
        &self.runtime
    }

    fn broker(&self) -> Arc<dyn Broker> {
        Arc::clone(&self.broker)
    }

    fn account(&self) -> AccountId {
        self.house.wire_account(&self.venue().0)
    }

    fn wire(&self) -> Option<&Wire> {
        Some(&self.wire)
    }

    /// One in ten trades at once; the others rest in the middle.
    fn request(&self, rng: &dyn Rng) -> OrderRequest {
        let (line, side) = self.line(rng);
        let qty = line.lots(20 + rng.below(60));
        match rng.below(10) {
            0 => OrderRequest::market(line.symbol.clone(), *side, qty),
            _ => OrderRequest::limit(line.symbol.clone(), *side, qty, line.at(0)),
        }
    }

    /// The price comes to the resting orders of a line, with a few lots for each.
    fn act(&self, rng: &dyn Rng, now: DateTime<Utc>) {
        match rng.below(40) {
            0 => return self.meddle(rng, now, true),
            1 if self.changes => return self.meddle(rng, now, false),
            _ => {}
        }
        let (line, side) = self.line(rng);
        let at = match side {
            Side::Buy => (STILL.0, 0),
            Side::Sell => (0, STILL.1),
        };
        let mut venue = self.venue();
        let engine = self.house.engine_mut(&mut venue.0);
        line.quote(engine, at, line.lots(1 + rng.below(6)), now);
        line.quote(engine, STILL, line.lots(DEPTH), now);
    }

    fn open(&self) -> usize {
        let venue = self.venue();
        let account = self.house.account(&venue.0);
        let open = self.house.engine(&venue.0).open_orders(&account);
        open.into_iter().flatten().count()
    }

    fn truth(&self) -> Truth {
        let venue = self.venue();
        let (house, venue) = (&self.house, &venue.0);
        Truth {
            outright: house.outright,
            ..Truth::new(&house.fills(venue), &house.orders(venue), &house.positions(venue))
        }
    }
}

impl<V> fmt::Debug for StreamsStage<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamsStage")
            .field("broker", &self.broker)
            .field("lines", &self.lines)
            .finish_non_exhaustive()
    }
}

/// The campaign of streams, seed by seed, every second one through a queue that is often full: each is clean, and there
/// was enough to say so. What all saw together.
///
/// # Panics
/// When it is not so.
pub fn streams_lose_nothing<V: Venue>(
    seeds: u64,
    events: u64,
    stage: impl Fn(u64) -> StreamsStage<V> + Sync,
) -> StreamsReport {
    let all = Mutex::new(StreamsReport::default());
    each_seed(seeds, |seed| {
        let queue = if seed.is_multiple_of(2) { 64 } else { 1_024 };
        let report = streams_campaign(&stage(seed), StreamsPlan::new(events, seed).with_queue(queue));
        println!("seed {seed}: {report}");
        assert!(report.is_clean(), "seed {seed}: {report}");
        assert!(
            report.events >= events && report.gaps > 0 && report.disconnects > 0,
            "seed {seed}: {report}"
        );
        all.lock().unwrap_or_else(PoisonError::into_inner).add(report);
    });
    let all = all.into_inner().unwrap_or_else(PoisonError::into_inner);
    println!("all seeds: {all}");
    all
}
