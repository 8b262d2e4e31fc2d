//! The stream campaign over the wire venue: four of five fills are dropped while pings are answered, and all else goes
//! wrong that can. `BROKER_SEEDS=40` runs more seeds than the two of every day.

#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

use std::sync::{Arc, Mutex, MutexGuard};

use broker_core::model::{Event, OrderChange, Subscription};
use broker_core::seam::{Clock, Rng, SeededRng, VirtualRuntime};
use broker_core::{
    AccountId, Broker, Context, Currency, Fill, InstrumentId, Money, Order, OrderRequest, Position, Price, Qty, Record,
    Side,
};
use broker_sim::wire::{Faults, MemoryTransport, Recorder, share};
use broker_sim::{AccountSpec, Calendar, Catalogue, Engine, FeeSchedule};
use broker_testkit::planted::{Planted, PlantedBug};
use broker_testkit::streams::{Harm, Prompt, Stage, StreamsPlan, Truth, Wire, streams_campaign};
use broker_topstepx::venue::{TopstepxVenue, TopstepxVenueBuilder};
use broker_topstepx::{TopstepxBroker, TopstepxConfig};
use chrono::{DateTime, Utc};
use futures_util::StreamExt;

/// Of one seed.
const EVENTS: u64 = 25_000;
const FUTURES: [&str; 3] = ["ESH27", "NQH27", "MESH27"];

struct TopstepxStage {
    runtime: VirtualRuntime,
    venue: Arc<Mutex<Prompt<TopstepxVenue>>>,
    broker: Arc<dyn Broker>,
    account: AccountId,
    wire: Wire,
}

impl TopstepxStage {
    fn new(seed: u64) -> Self {
        Self::of(seed, |builder| builder)
    }

    fn of(seed: u64, change: impl FnOnce(TopstepxVenueBuilder) -> TopstepxVenueBuilder) -> Self {
        let now: DateTime<Utc> = "2026-11-20T00:10:00Z".parse().unwrap();
        let builder = TopstepxVenue::builder()
            .engine(engine(seed, now))
            .practice_account("A1")
            .limits(Vec::new(), Vec::new());
        let venue = change(builder).build().unwrap();
        let account = venue.account_id(&"A1".into()).unwrap();
        let venue = share(Prompt(venue));
        let runtime = VirtualRuntime::starting_at(now);
        let clock = Arc::new(runtime.clock());
        let wire = Wire {
            faults: Faults::default(),
            recorder: Recorder::new(),
            is_fill: |text| text.contains("GatewayUserTrade"),
        };
        let rng = Arc::new(SeededRng::new(seed));
        let transport = MemoryTransport::new(venue.clone(), clock.clone(), rng.clone(), clock.clone())
            .with_faults(wire.faults.clone())
            .with_recorder(wire.recorder.clone());
        let context = Context::new(clock.clone(), rng, clock, Arc::new(transport));
        let config = TopstepxConfig::new(TopstepxVenue::USER_NAME, TopstepxVenue::API_KEY)
            .with_limits(1_000_000, 1_000_000)
            .with_context(context);
        Self {
            broker: TopstepxBroker::new(config).unwrap().handle(),
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

    fn venue(&self) -> MutexGuard<'_, Prompt<TopstepxVenue>> {
        self.venue.lock().unwrap()
    }
}

/// Three futures that trade around the clock, at 4,999 to 5,001.
fn engine(seed: u64, now: DateTime<Utc>) -> Engine {
    let standard = Catalogue::standard();
    let catalogue = FUTURES.iter().fold(Catalogue::new(), |catalogue, symbol| {
        let mut listing = standard.get(&(*symbol).into()).unwrap().clone();
        listing.calendar = Calendar::Always;
        catalogue.with(listing)
    });
    let mut engine = Engine::new(seed, &catalogue, now);
    let spec = AccountSpec::margin("A1", Currency::USD)
        .with_stated_pnl()
        .with_fees(FeeSchedule::us_retail());
    engine.open_account(spec, now).unwrap();
    let cash = Money::new(100_000_000_000_i64.into(), Currency::USD);
    engine.deposit(&"A1".into(), cash, now).unwrap();
    FUTURES
        .iter()
        .for_each(|symbol| quote(&mut engine, symbol, (4_999, 5_001), 100_000, now));
    engine
}

fn quote(engine: &mut Engine, symbol: &str, (bid, ask): (i64, i64), size: u64, now: DateTime<Utc>) {
    let size = Qty::new(size.into()).unwrap();
    let instrument = InstrumentId::from(symbol);
    let (bid, ask) = (Price::new(bid.into()), Price::new(ask.into()));
    engine
        .set_quote(&instrument, Some(bid), Some(ask), (size, size), now)
        .unwrap();
}

fn one_of<'a, T>(rng: &dyn Rng, all: &'a [T]) -> &'a T {
    let place = rng.below(all.len().try_into().unwrap());
    &all[usize::try_from(place).unwrap()]
}

impl Stage for TopstepxStage {
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

    /// One in ten trades at once; the others rest at 5,000.
    fn request(&self, rng: &dyn Rng) -> OrderRequest {
        let symbol = *one_of(rng, &FUTURES);
        let side = if rng.below(2) == 0 { Side::Buy } else { Side::Sell };
        let qty = Qty::new((20 + rng.below(60)).into()).unwrap();
        match rng.below(10) {
            0 => OrderRequest::market(symbol.into(), side, qty),
            _ => OrderRequest::limit(symbol.into(), side, qty, Price::new(5_000.into())),
        }
    }

    /// The price comes to the resting orders of a contract, with a few contracts for each.
    fn act(&self, rng: &dyn Rng, now: DateTime<Utc>) {
        let mut venue = self.venue();
        let account = AccountId::from("A1");
        let engine = venue.0.engine_mut();
        let what = rng.below(40);
        if what < 2 {
            let open: Vec<_> = engine
                .open_orders(&account)
                .unwrap()
                .map(|one| one.order().id.clone())
                .collect();
            if open.is_empty() {
                return;
            }
            let id = one_of(rng, &open);
            // An order that is on its way out is left alone.
            let change = OrderChange::new().with_qty(Qty::new(90.into()).unwrap());
            let _ = match what {
                0 => engine.cancel(&account, id, now),
                _ => engine.replace(&account, id, &change, None, now),
            };
            return;
        }
        let symbol = *one_of(rng, &FUTURES);
        let at = if rng.below(2) == 0 {
            (4_999, 5_000)
        } else {
            (5_000, 5_001)
        };
        quote(engine, symbol, at, 1 + rng.below(6), now);
        quote(engine, symbol, (4_999, 5_001), 100_000, now);
    }

    fn open(&self) -> usize {
        self.venue().0.engine().open_orders(&"A1".into()).unwrap().count()
    }

    /// The engine's truth, under the names of the wire.
    fn truth(&self) -> Truth {
        let mut venue = self.venue();
        venue.0.sync();
        let venue = &venue.0;
        let account = AccountId::from("A1");
        let order = |id: &broker_core::OrderId| venue.order_number(id).unwrap().to_string().into();
        let contract = |id: &InstrumentId| venue.contract_id(id).unwrap();
        let log = venue.engine().log(&account).unwrap().iter();
        let fills: Vec<Fill> = log
            .filter_map(|entry| match &entry.record {
                Record::Fill(fill) => Some(Fill {
                    order: fill.order.as_ref().map(order),
                    instrument: contract(&fill.instrument),
                    ..fill.clone()
                }),
                Record::Void(_) | Record::Fee(_) | Record::Flow(_) => None,
            })
            .collect();
        let orders = venue.orders(&account).into_iter();
        let orders: Vec<Order> = orders
            .map(|one| Order {
                id: order(&one.id),
                ..one
            })
            .collect();
        let positions = venue.engine().positions(&account).unwrap().into_iter();
        let positions: Vec<Position> = positions
            .map(|one| Position {
                instrument: contract(&one.instrument),
                ..one
            })
            .collect();
        Truth::new(&fills, &orders, &positions)
    }
}

fn seeds() -> u64 {
    let asked = std::env::var("BROKER_SEEDS").ok();
    asked.and_then(|seeds| seeds.parse().ok()).unwrap_or(2)
}

#[test]
fn two_hundred_thousand_events_lose_nothing() {
    for seed in 1..=seeds() {
        let plan = StreamsPlan::new(EVENTS, seed).with_queue(if seed.is_multiple_of(2) { 64 } else { 1_024 });
        let report = streams_campaign(&TopstepxStage::new(seed), plan);
        println!("seed {seed}: {report}");
        assert!(report.is_clean(), "seed {seed}: {report}");
        assert!(report.events >= EVENTS && report.gaps > report.disconnects, "{report}");
        assert!(report.hits["frame_drop"] > 1_000, "{report}");
    }
}

/// Frames that end anywhere, with several records in one: nothing is misread.
#[test]
fn ragged_frames_are_put_together() {
    let stage = TopstepxStage::of(2, TopstepxVenueBuilder::ragged_frames);
    let rng = SeededRng::new(7);
    let heard = stage.runtime.block_on(async {
        let streaming = stage.broker.streaming().unwrap();
        let subscription = Subscription::account(&stage.account);
        let mut events = streaming.subscribe(&subscription).await.unwrap();
        let clock = stage.runtime.clock();
        let mut heard = Vec::new();
        for _ in 0..300 {
            let request = stage.request(&rng);
            let engine_now = clock.now();
            stage
                .venue()
                .0
                .engine_mut()
                .place(&"A1".into(), &request, None, engine_now)
                .unwrap();
            stage.act(&rng, engine_now);
            // All that this brings, so that the queue never fills.
            while let Ok(Some(event)) = within(&clock, events.next()).await {
                assert!(
                    !matches!(event, Event::Gap { .. } | Event::Disconnected { .. }),
                    "{event:?}"
                );
                heard.push(event);
            }
        }
        heard
    });
    let fills = heard
        .iter()
        .filter(|event| matches!(event, Event::Record(record) if matches!(**record, Record::Fill(_))))
        .count();
    let truth: u64 = stage.truth().fills.values().sum();
    assert_eq!(u64::try_from(fills).unwrap(), truth);
    assert!(truth > 50, "{truth} fills");
}

/// What comes within a twentieth of a second.
async fn within<T>(clock: &broker_core::seam::VirtualClock, future: impl Future<Output = T> + Unpin) -> Result<T, ()> {
    let sleep = clock.sleep(std::time::Duration::from_millis(50));
    match futures_util::future::select(future, sleep).await {
        futures_util::future::Either::Left((value, _)) => Ok(value),
        futures_util::future::Either::Right(_) => Err(()),
    }
}

#[test]
fn a_fill_marked_before_it_is_queued_is_caught() {
    let plan = StreamsPlan::new(10_000, 3).with_queue(64);
    let report = streams_campaign(&TopstepxStage::new(3).flawed(PlantedBug::SeenBeforeQueued), plan);
    let (lost, first) = &report.harms[&Harm::FillLost];
    println!("{lost} lost, the first: {first}");
}
