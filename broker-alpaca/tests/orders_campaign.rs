//! The campaigns of orders and crashes over the wire venue: a venue that takes an id of ours once, where a request
//! may arrive whenever it likes. `BROKER_SEEDS=100` runs more seeds than the twenty of every day.

#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use broker_alpaca::venue::{AlpacaVenue, AlpacaVenueBuilder};
use broker_alpaca::{AlpacaBroker, AlpacaConfig};
use broker_core::model::{Level, OrderChange, StopExit};
use broker_core::seam::{Clock, Rng, VirtualRuntime};
use broker_core::{
    AccountId, Broker, ClientOrderId, Currency, InstrumentId, Money, OrderRequest, Price, Qty, Side, TimeInForce,
};
use broker_sim::wire::share;
use broker_sim::{AccountSpec, Calendar, Catalogue, Engine};
use broker_testkit::crash::crash_campaign;
use broker_testkit::damage::Damage;
use broker_testkit::orders::{OrdersPlan, OrdersReport, orders_campaign};
use broker_testkit::planted::{Planted, PlantedBug};
use broker_testkit::stage::{IntentOf, KnownOrder, Process, Stage, VenueWords, World};
use chrono::{DateTime, Utc};
use rust_decimal::Decimal;

const ORDERS: u64 = 10_000;
const SYMBOLS: [&str; 3] = ["AAPL", "MSFT", "KO"];
/// Bids between which the market moves, in cents.
const BIDS: [i64; 4] = [10_000, 10_500, 10_000, 9_500];
const ORDERS_A_STEP: usize = 40;
/// What the real service needs at most is a second; the facts say so.
const LAG: Duration = Duration::from_millis(900);

struct AlpacaStage {
    world: World,
    venue: Arc<Mutex<AlpacaVenue>>,
    bug: Option<PlantedBug>,
    asked: AtomicUsize,
}

impl AlpacaStage {
    fn new(seed: u64) -> Self {
        Self::of(seed, |builder| builder)
    }

    fn of(seed: u64, change: impl FnOnce(AlpacaVenueBuilder) -> AlpacaVenueBuilder) -> Self {
        let now: DateTime<Utc> = "2026-11-20T15:00:00Z".parse().unwrap();
        let builder = AlpacaVenue::builder()
            .engine(engine(seed, now), "A1")
            .starts_at(now)
            .with_visibility_lag(LAG)
            .allowing_wash_trades();
        let venue = share(change(builder).build().unwrap());
        Self {
            world: World::new(VirtualRuntime::starting_at(now), venue.clone()),
            venue,
            bug: None,
            asked: AtomicUsize::new(0),
        }
    }

    /// The market moves a step every so many orders, so that those at work trade.
    fn step(&self) {
        let asked = self.asked.fetch_add(1, Ordering::Relaxed) + 1;
        if asked.is_multiple_of(ORDERS_A_STEP) {
            let now = self.world.runtime.clock().now();
            let bid = BIDS[asked / ORDERS_A_STEP % BIDS.len()];
            quote(self.venue.lock().unwrap().engine_mut(), bid, now);
        }
    }

    fn flawed(self, bug: PlantedBug) -> Self {
        Self { bug: Some(bug), ..self }
    }
}

/// Three shares that trade around the clock, at 100 dollars.
fn engine(seed: u64, now: DateTime<Utc>) -> Engine {
    let standard = Catalogue::standard();
    let listings = SYMBOLS.map(|symbol| standard.get(&symbol.into()).unwrap().clone());
    let catalogue = listings.into_iter().fold(Catalogue::new(), |catalogue, mut listing| {
        listing.calendar = Calendar::Always;
        catalogue.with(listing)
    });
    let mut engine = Engine::new(seed, &catalogue, now);
    engine
        .open_account(AccountSpec::margin("A1", Currency::USD), now)
        .unwrap();
    let cash = Money::new(1_000_000_000.into(), Currency::USD);
    engine.deposit(&"A1".into(), cash, now).unwrap();
    quote(&mut engine, BIDS[0], now);
    for symbol in SYMBOLS {
        // Enough that no sell asks for more than is there: a refusal of a second send would prove nothing of the first.
        let held = OrderRequest::market(symbol.into(), Side::Buy, "200000".parse().unwrap());
        engine.place(&"A1".into(), &held, None, now).unwrap();
    }
    engine
}

fn quote(engine: &mut Engine, bid: i64, now: DateTime<Utc>) {
    let size: Qty = "1000000".parse().unwrap();
    for symbol in SYMBOLS {
        let (bid, ask) = (Some(price(bid)), Some(price(bid + 2)));
        engine
            .set_quote(&InstrumentId::from(symbol), bid, ask, (size, size), now)
            .unwrap();
    }
}

fn price(cents: i64) -> Price {
    Price::new(Decimal::new(cents, 2))
}

fn intent_of(method: &str, path: &str, body: &str) -> Option<ClientOrderId> {
    if !matches!(method, "POST" | "PATCH") || !path.starts_with("/v2/orders") {
        return None;
    }
    let body: serde_json::Value = serde_json::from_str(body).ok()?;
    Some(body.get("client_order_id")?.as_str()?.into())
}

impl Stage for AlpacaStage {
    fn world(&self) -> &World {
        &self.world
    }

    fn account(&self) -> AccountId {
        self.venue.lock().unwrap().account_id()
    }

    fn connect(&self, process: &Process) -> Arc<dyn Broker> {
        let config = AlpacaConfig::new(AlpacaVenue::KEY_ID, AlpacaVenue::SECRET_KEY);
        let broker = AlpacaBroker::new(config.with_context(self.world.context(process))).unwrap();
        match self.bug {
            Some(bug) => Arc::new(Planted::new(broker.handle(), bug)),
            None => broker.handle(),
        }
    }

    fn truth(&self) -> Vec<KnownOrder> {
        let venue = self.venue.lock().unwrap();
        venue.orders().iter().map(KnownOrder::from).collect()
    }

    fn intent_of(&self) -> IntentOf {
        intent_of
    }

    fn request(&self, rng: &dyn Rng) -> OrderRequest {
        self.step();
        let symbol = SYMBOLS[usize::try_from(rng.below(3)).unwrap()].parse().unwrap();
        let side = if rng.below(2) == 0 { Side::Buy } else { Side::Sell };
        let qty: Qty = (rng.below(20) + 1).to_string().parse().unwrap();
        let off = 100 + i64::try_from(rng.below(300)).unwrap();
        let (below, above) = (price(10_000 - off), price(10_000 + off));
        let (better, worse) = match side {
            Side::Buy => (below, above),
            Side::Sell => (above, below),
        };
        let request = match rng.below(10) {
            0..4 => OrderRequest::market(symbol, side, qty),
            4..6 => OrderRequest::limit(symbol, side, qty, better),
            6..8 => OrderRequest::stop(symbol, side, qty, worse),
            8 => OrderRequest::stop_limit(symbol, side, qty, worse, worse),
            _ => {
                let (target, stop) = match side {
                    Side::Buy => (price(10_600), price(9_400)),
                    Side::Sell => (price(9_400), price(10_600)),
                };
                OrderRequest::limit(symbol, side, qty, better)
                    .with_target(Level::Price(target))
                    .with_stop(StopExit::Stop {
                        stop: Level::Price(stop),
                        limit: None,
                    })
            }
        };
        request.with_time_in_force(TimeInForce::Gtc)
    }

    fn resting(&self) -> OrderRequest {
        OrderRequest::limit("KO".parse().unwrap(), Side::Buy, "5".parse().unwrap(), price(5_000))
            .with_time_in_force(TimeInForce::Gtc)
    }

    fn change(&self) -> OrderChange {
        OrderChange::new().with_qty("25".parse().unwrap())
    }

    fn words(&self) -> VenueWords {
        let limited = r#"{"code":42910000,"message":"too many requests."}"#;
        VenueWords {
            internal: r#"{"code":50010000,"message":"internal server error occurred"}"#.to_owned(),
            limited: limited.to_owned(),
            banned: (429, limited.to_owned()),
            duplicate: (
                422,
                r#"{"code":40010001,"message":"client_order_id must be unique"}"#.to_owned(),
            ),
        }
    }
}

fn seeds() -> u64 {
    let asked = std::env::var("BROKER_SEEDS").ok();
    asked.and_then(|seeds| seeds.parse().ok()).unwrap_or(20)
}

#[test]
fn nothing_is_doubled_and_nothing_falsely_dead() {
    for seed in 1..=seeds() {
        let stage = AlpacaStage::new(seed);
        let report = orders_campaign(&stage, OrdersPlan::new(ORDERS, seed));
        let refused = stage.venue.lock().unwrap().refused();
        println!("seed {seed}: {report}{refused} refused by the venue's own limiter");
        assert!(report.is_clean(), "seed {seed}: {report}");
        for (fault, hits) in &report.hits {
            assert!(*hits > 0, "seed {seed}: {fault} never hit");
        }
        // Nothing bounds the arrival, so nothing is ever told as never arrived.
        assert_eq!(report.not_placed, 0);
        assert!(report.asked > ORDERS && report.canceled > ORDERS / 10, "{report}");
        assert!(report.elapsed > Duration::from_secs(3600), "200 a minute were kept");
    }
}

#[test]
fn every_drop_kill_and_failing_journal_is_survived() {
    let report = crash_campaign(&|| Box::new(AlpacaStage::new(1)) as Box<dyn Stage>);
    println!("{report}");
    assert!(report.is_clean(), "{report}");
    assert!(report.drops_before_send > 20 && report.recovered > 20, "{report}");
}

fn small(stage: AlpacaStage) -> OrdersReport {
    let report = orders_campaign(&stage, OrdersPlan::new(1_000, 3));
    println!("{:?}: {report}", stage.bug);
    report
}

#[test]
fn a_venue_that_takes_an_id_twice_is_found_out() {
    // The facts say that a second send is safe. Over a venue where it is not, orders are doubled.
    let report = small(AlpacaStage::of(3, AlpacaVenueBuilder::without_client_id_check));
    assert!(report.damages.of(Damage::DoubleOrder) > 0, "{report}");
}

#[test]
fn planted_bugs_are_caught() {
    let blind = AlpacaStage::of(3, AlpacaVenueBuilder::without_client_id_check);
    let report = small(blind.flawed(PlantedBug::BlindResend));
    assert!(report.damages.of(Damage::DoubleOrder) > 20, "{report}");
    for bug in [
        PlantedBug::FinAsNotSent,
        PlantedBug::EarlyProof,
        PlantedBug::ErrorAsRefusal,
    ] {
        let report = small(AlpacaStage::new(3).flawed(bug));
        assert!(report.damages.of(Damage::FalseDead) > 0, "{bug:?}: {report}");
    }
    let report = crash_campaign(&|| Box::new(AlpacaStage::new(1).flawed(PlantedBug::GateIgnored)) as Box<dyn Stage>);
    assert!(report.damages.of(Damage::SentAfterDrop) > 0, "{report}");
}
