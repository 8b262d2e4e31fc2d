//! The stream campaign over the wire venue: four of five fills are dropped while pings are answered, and all else
//! goes wrong that can; 1,000,000 events over the seeds. `BROKER_SEEDS=200` runs more seeds than the twenty of every
//! day.

#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

use std::sync::{Arc, Mutex, MutexGuard};

use broker_alpaca::venue::AlpacaVenue;
use broker_alpaca::{AlpacaBroker, AlpacaConfig};
use broker_core::model::OrderChange;
use broker_core::seam::{Rng, SeededRng, VirtualRuntime};
use broker_core::{
    AccountId, Broker, Context, Currency, InstrumentId, Money, OrderRequest, Price, Qty, Record, Side,
};
use broker_sim::wire::{Faults, MemoryTransport, Recorder, share};
use broker_sim::{AccountSpec, Calendar, Catalogue, Engine};
use broker_testkit::planted::{Planted, PlantedBug};
use broker_testkit::streams::{Harm, Prompt, Stage, StreamsPlan, StreamsReport, Truth, Wire, streams_campaign};
use chrono::{DateTime, Utc};
use rust_decimal::Decimal;

/// Of one seed; twenty of them are a million.
const EVENTS: u64 = 50_000;
/// Bought alone, and sold alone: no order meets a position that it would turn round.
const SHARES: [(&str, Side); 3] = [("AAPL", Side::Buy), ("MSFT", Side::Buy), ("KO", Side::Sell)];

struct AlpacaStage {
    runtime: VirtualRuntime,
    venue: Arc<Mutex<Prompt<AlpacaVenue>>>,
    broker: Arc<dyn Broker>,
    account: AccountId,
    wire: Wire,
}

impl AlpacaStage {
    fn new(seed: u64) -> Self {
        let now: DateTime<Utc> = "2026-11-20T15:00:00Z".parse().unwrap();
        let venue = AlpacaVenue::builder()
            .engine(engine(seed, now), "A1")
            .trading_limits(Vec::new())
            .data_limits(Vec::new())
            .build()
            .unwrap();
        let account = venue.account_id();
        let venue = share(Prompt(venue));
        let runtime = VirtualRuntime::starting_at(now);
        let clock = Arc::new(runtime.clock());
        let wire = Wire {
            faults: Faults::default(),
            recorder: Recorder::new(),
            is_fill: |text| text.contains(r#""event":"fill""#) || text.contains(r#""event":"partial_fill""#),
        };
        let rng = Arc::new(SeededRng::new(seed));
        let transport = MemoryTransport::new(venue.clone(), clock.clone(), rng.clone(), clock.clone())
            .with_faults(wire.faults.clone())
            .with_recorder(wire.recorder.clone());
        let context = Context::new(clock.clone(), rng, clock, Arc::new(transport));
        let config = AlpacaConfig::new(AlpacaVenue::KEY_ID, AlpacaVenue::SECRET_KEY)
            .with_requests_per_minute(1_000_000)
            .with_context(context);
        Self {
            broker: AlpacaBroker::new(config).unwrap().handle(),
            runtime,
            venue,
            account,
            wire,
        }
    }

    fn flawed(mut self, bug: PlantedBug) -> Self {
        self.broker = Arc::new(Planted::new(self.broker, bug));
        self
    }

    fn venue(&self) -> MutexGuard<'_, Prompt<AlpacaVenue>> {
        self.venue.lock().unwrap()
    }
}

/// Three shares that trade around the clock, at 99.90 to 100.10.
fn engine(seed: u64, now: DateTime<Utc>) -> Engine {
    let standard = Catalogue::standard();
    let catalogue = SHARES.iter().fold(Catalogue::new(), |catalogue, (symbol, _)| {
        let mut listing = standard.get(&(*symbol).into()).unwrap().clone();
        listing.calendar = Calendar::Always;
        catalogue.with(listing)
    });
    let mut engine = Engine::new(seed, &catalogue, now);
    engine
        .open_account(AccountSpec::margin("A1", Currency::USD), now)
        .unwrap();
    let cash = Money::new(1_000_000_000.into(), Currency::USD);
    engine.deposit(&"A1".into(), cash, now).unwrap();
    SHARES.iter().for_each(|(symbol, _)| quote(&mut engine, symbol, (9_990, 10_010), 100_000, now));
    engine
}

fn quote(engine: &mut Engine, symbol: &str, (bid, ask): (i64, i64), size: u64, now: DateTime<Utc>) {
    let size = Qty::new(size.into()).unwrap();
    let instrument = InstrumentId::from(symbol);
    engine
        .set_quote(&instrument, Some(price(bid)), Some(price(ask)), (size, size), now)
        .unwrap();
}

fn price(cents: i64) -> Price {
    Price::new(Decimal::new(cents, 2))
}

fn one_of<'a, T>(rng: &dyn Rng, all: &'a [T]) -> &'a T {
    let place = rng.below(all.len().try_into().unwrap());
    &all[usize::try_from(place).unwrap()]
}

impl Stage for AlpacaStage {
    fn runtime(&self) -> &VirtualRuntime {
        &self.runtime
    }

    fn broker(&self) -> Arc<dyn Broker> {
        Arc::clone(&self.broker)
    }

    fn account(&self) -> AccountId {
        self.account.clone()
    }

    fn wire(&self) -> Option<&Wire> {
        Some(&self.wire)
    }

    /// One in ten trades at once; the others rest at 100.00.
    fn request(&self, rng: &dyn Rng) -> OrderRequest {
        let (symbol, side) = one_of(rng, &SHARES);
        let qty = Qty::new((20 + rng.below(60)).into()).unwrap();
        match rng.below(10) {
            0 => OrderRequest::market((*symbol).into(), *side, qty),
            _ => OrderRequest::limit((*symbol).into(), *side, qty, price(10_000)),
        }
    }

    /// The price comes to the resting orders of a share, with a few shares for each.
    fn act(&self, rng: &dyn Rng, now: DateTime<Utc>) {
        let mut venue = self.venue();
        let account = venue.0.account().clone();
        let engine = venue.0.engine_mut();
        let what = rng.below(40);
        if what < 2 {
            let open: Vec<_> = engine.open_orders(&account).unwrap().map(|one| one.order().id.clone()).collect();
            if open.is_empty() {
                return;
            }
            let id = one_of(rng, &open);
            // An order that is on its way out is left alone.
            let _ = match what {
                0 => engine.cancel(&account, id, now),
                _ => engine.replace(&account, id, &OrderChange::new().with_qty(Qty::new(90.into()).unwrap()), None, now),
            };
            return;
        }
        let (symbol, side) = one_of(rng, &SHARES);
        let at = match side {
            Side::Buy => (9_990, 10_000),
            Side::Sell => (10_000, 10_010),
        };
        quote(engine, symbol, at, 1 + rng.below(6), now);
        quote(engine, symbol, (9_990, 10_010), 100_000, now);
    }

    fn open(&self) -> usize {
        let venue = self.venue();
        venue.0.engine().open_orders(venue.0.account()).unwrap().count()
    }

    fn truth(&self) -> Truth {
        let venue = self.venue();
        let (engine, account) = (venue.0.engine(), venue.0.account());
        let fills = engine.log(account).unwrap().iter().filter_map(|entry| match &entry.record {
            Record::Fill(fill) => Some(fill),
            Record::Void(_) | Record::Fee(_) | Record::Flow(_) => None,
        });
        Truth::new(fills, &venue.0.orders(), &engine.positions(account).unwrap())
    }
}

fn seeds() -> u64 {
    std::env::var("BROKER_SEEDS")
        .ok()
        .and_then(|seeds| seeds.parse().ok())
        .unwrap_or(20)
}

/// Most that the process ever held, the venue with its books included, where the system tells it.
fn peak() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    line.map_or_else(|| "peak unknown".to_owned(), str::to_owned)
}

fn campaign(seed: u64) -> StreamsReport {
    let plan = StreamsPlan::new(EVENTS, seed).with_queue(if seed.is_multiple_of(2) { 64 } else { 1_024 });
    let report = streams_campaign(&AlpacaStage::new(seed), plan);
    println!("seed {seed}: {report}\n  {}", peak());
    report
}

#[test]
fn a_million_events_lose_nothing() {
    let mut events = 0;
    for seed in 1..=seeds() {
        let report = campaign(seed);
        assert!(report.is_clean(), "seed {seed}: {report}");
        events += report.events;
        // Every kind of harm was really done.
        for fault in [
            "frame_drop",
            "frame_duplicate",
            "frame_reorder",
            "frame_delay",
            "frame_garble",
            "frame_stall_forever",
            "refuse_connection",
            "cut_body",
            "delay_answer",
        ] {
            assert!(report.hits.get(fault).is_some_and(|hits| *hits > 0), "{fault}: {report}");
        }
        let dropped = report.hits["frame_drop"];
        assert!(dropped * 2 > report.fills, "{dropped} frames of {} fills: {report}", report.fills);
        assert!(report.disconnects > 1 && report.gaps > report.disconnects && report.naps > 0, "{report}");
        assert!(report.fills_before_answer > 0, "{report}");
    }
    assert!(events >= EVENTS * seeds());
    println!("{events} events");
}

#[test]
fn a_fill_marked_before_it_is_queued_is_caught() {
    let plan = StreamsPlan::new(10_000, 3).with_queue(64);
    let honest = streams_campaign(&AlpacaStage::new(3), plan);
    assert!(honest.is_clean(), "{honest}");
    let report = streams_campaign(&AlpacaStage::new(3).flawed(PlantedBug::SeenBeforeQueued), plan);
    println!("{report}");
    let (lost, first) = &report.harms[&Harm::FillLost];
    println!("{lost} lost, the first: {first}");
    assert!(!report.harms.contains_key(&Harm::Ended));
}

#[test]
fn a_seed_repeats_a_whole_run() {
    let run = || streams_campaign(&AlpacaStage::new(5), StreamsPlan::new(5_000, 5));
    assert_eq!(run(), run());
}
