//! The stream campaign over the paper venue, which has no wire: its reader sleeps, its queue overflows.

#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

use std::sync::Arc;

use broker_core::seam::{MemoryTransport, Rng, SeededRng, VirtualRuntime};
use broker_core::{
    AccountId, Broker, Context, Currency, Error, InstrumentId, Money, OrderRequest, Price, Qty, Record, Side,
};
use broker_sim::{AccountSpec, Calendar, Catalogue, Engine, SimBroker};
use broker_testkit::planted::{Planted, PlantedBug};
use broker_testkit::streams::{Harm, Stage, StreamsPlan, Truth, Wire, streams_campaign};
use chrono::{DateTime, Utc};
use rust_decimal::Decimal;

struct SimStage {
    runtime: VirtualRuntime,
    venue: SimBroker,
    broker: Arc<dyn Broker>,
}

fn account() -> AccountId {
    "A1".into()
}

impl SimStage {
    fn new(seed: u64) -> Self {
        let now: DateTime<Utc> = "2026-11-20T15:00:00Z".parse().unwrap();
        let mut apple = Catalogue::standard().get(&"AAPL".into()).unwrap().clone();
        apple.calendar = Calendar::Always;
        let mut engine = Engine::new(seed, &Catalogue::new().with(apple), now);
        engine
            .open_account(AccountSpec::margin("A1", Currency::USD), now)
            .unwrap();
        let cash = Money::new(1_000_000_000.into(), Currency::USD);
        engine.deposit(&account(), cash, now).unwrap();
        let runtime = VirtualRuntime::starting_at(now);
        let clock = Arc::new(runtime.clock());
        let wire = MemoryTransport::new(|_| Err(Error::unsupported("no wire")));
        let context = Context::new(clock.clone(), Arc::new(SeededRng::new(seed)), clock, Arc::new(wire));
        let venue = SimBroker::new(engine, context);
        let stage = Self {
            runtime,
            broker: venue.handle(),
            venue,
        };
        stage.quote(10_010, 100_000);
        stage
    }

    fn quote(&self, ask: i64, size: u64) {
        let price = |cents| Some(Price::new(Decimal::new(cents, 2)));
        let size = Qty::new(size.into()).unwrap();
        self.venue.with_engine(|engine, now| {
            let apple = InstrumentId::from("AAPL");
            engine
                .set_quote(&apple, price(9_990), price(ask), (size, size), now)
                .unwrap();
        });
    }
}

impl Stage for SimStage {
    fn runtime(&self) -> &VirtualRuntime {
        &self.runtime
    }

    fn broker(&self) -> Arc<dyn Broker> {
        Arc::clone(&self.broker)
    }

    fn account(&self) -> AccountId {
        account()
    }

    fn wire(&self) -> Option<&Wire> {
        None
    }

    fn request(&self, rng: &dyn Rng) -> OrderRequest {
        let qty = Qty::new((20 + rng.below(60)).into()).unwrap();
        match rng.below(10) {
            0 => OrderRequest::market("AAPL".into(), Side::Buy, qty),
            _ => OrderRequest::limit("AAPL".into(), Side::Buy, qty, Price::new(Decimal::new(10_000, 2))),
        }
    }

    fn act(&self, rng: &dyn Rng, _now: DateTime<Utc>) {
        self.quote(10_000, 1 + rng.below(6));
        self.quote(10_010, 100_000);
    }

    fn open(&self) -> usize {
        self.venue
            .with_engine(|engine, _| engine.open_orders(&account()).unwrap().count())
    }

    fn truth(&self) -> Truth {
        let account = account();
        self.venue.with_engine(|engine, _| {
            let log = engine.log(&account).unwrap().iter();
            let fills = log.filter_map(|entry| match &entry.record {
                Record::Fill(fill) => Some(fill),
                Record::Void(_) | Record::Fee(_) | Record::Flow(_) => None,
            });
            let orders = engine.orders(&account).unwrap().map(|order| order.order());
            Truth::new(fills, orders, &engine.positions(&account).unwrap())
        })
    }
}

#[test]
fn the_paper_venue_loses_nothing() {
    for seed in 1..=3 {
        let report = streams_campaign(&SimStage::new(seed), StreamsPlan::new(20_000, seed));
        println!("seed {seed}: {report}");
        assert!(report.is_clean(), "seed {seed}: {report}");
        assert!(report.events >= 20_000 && report.naps > 0, "{report}");
    }
}

#[test]
fn a_fill_marked_before_it_is_queued_is_caught() {
    let mut stage = SimStage::new(1);
    stage.broker = Arc::new(Planted::new(stage.broker, PlantedBug::SeenBeforeQueued));
    let report = streams_campaign(&stage, StreamsPlan::new(5_000, 1).with_queue(16));
    println!("{report}");
    assert!(report.harms[&Harm::FillLost].0 > 0);
}
