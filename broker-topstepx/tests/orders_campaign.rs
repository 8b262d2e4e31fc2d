//! The campaigns of orders and crashes over the wire venue: a venue that takes a tag once for ever, where a request may
//! arrive whenever it likes. `BROKER_SEEDS=20` runs more seeds than the one of every day.

#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use broker_core::model::{Level, OrderChange, StopExit, Trail};
use broker_core::seam::{Clock, Rng, VirtualRuntime};
use broker_core::{AccountId, Broker, ClientOrderId, Currency, InstrumentId, Money, OrderRequest, Price, Qty, Side};
use broker_sim::wire::share;
use broker_sim::{AccountSpec, Calendar, Catalogue, ClientIdPolicy, Engine};
use broker_testkit::crash::crash_campaign;
use broker_testkit::damage::Damage;
use broker_testkit::orders::{OrdersPlan, OrdersReport, orders_campaign};
use broker_testkit::planted::{Planted, PlantedBug};
use broker_testkit::stage::{IntentOf, KnownOrder, Process, Stage, VenueWords, World};
use broker_topstepx::venue::{TopstepxVenue, TopstepxVenueBuilder};
use broker_topstepx::{TopstepxBroker, TopstepxConfig};
use chrono::{DateTime, Utc};
use rust_decimal::Decimal;

const ORDERS: u64 = 2_000;
const SYMBOLS: [&str; 3] = ["ESH27", "NQH27", "MESH27"];
/// Bids between which the market moves, in points.
const BIDS: [i64; 4] = [5_000, 5_050, 5_000, 4_950];
const ORDERS_A_STEP: usize = 40;
/// The facts say two seconds.
const LAG: Duration = Duration::from_millis(1_800);

struct TopstepxStage {
    world: World,
    venue: Arc<Mutex<TopstepxVenue>>,
    bug: Option<PlantedBug>,
    asked: AtomicUsize,
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
            .visibility_lag(LAG);
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

/// Three futures that trade around the clock, at 5,000 points.
fn engine(seed: u64, now: DateTime<Utc>) -> Engine {
    let standard = Catalogue::standard();
    let listings = SYMBOLS.map(|symbol| standard.get(&symbol.into()).unwrap().clone());
    let catalogue = listings.into_iter().fold(Catalogue::new(), |catalogue, mut listing| {
        listing.calendar = Calendar::Always;
        catalogue.with(listing)
    });
    let mut engine = Engine::new(seed, &catalogue, now);
    engine
        .open_account(AccountSpec::margin("A1", Currency::USD).with_stated_pnl(), now)
        .unwrap();
    let cash = Money::new(100_000_000_000_i64.into(), Currency::USD);
    engine.deposit(&"A1".into(), cash, now).unwrap();
    quote(&mut engine, BIDS[0], now);
    engine
}

fn quote(engine: &mut Engine, bid: i64, now: DateTime<Utc>) {
    let size: Qty = "1000000".parse().unwrap();
    for symbol in SYMBOLS {
        let (bid, ask) = (Price::new(bid.into()), Price::new(Decimal::new(bid * 100 + 25, 2)));
        engine
            .set_quote(&InstrumentId::from(symbol), Some(bid), Some(ask), (size, size), now)
            .unwrap();
    }
}

fn points(points: i64) -> Price {
    Price::new(points.into())
}

fn intent_of(method: &str, path: &str, body: &str) -> Option<ClientOrderId> {
    if method != "POST" || path != "/api/Order/place" {
        return None;
    }
    let body: serde_json::Value = serde_json::from_str(body).ok()?;
    Some(body.get("customTag")?.as_str()?.into())
}

impl Stage for TopstepxStage {
    fn world(&self) -> &World {
        &self.world
    }

    fn account(&self) -> AccountId {
        self.venue.lock().unwrap().account_id(&"A1".into()).unwrap()
    }

    fn connect(&self, process: &Process) -> Arc<dyn Broker> {
        let config = TopstepxConfig::new(TopstepxVenue::USER_NAME, TopstepxVenue::API_KEY);
        let broker = TopstepxBroker::new(config.with_context(self.world.context(process))).unwrap();
        match self.bug {
            Some(bug) => Arc::new(Planted::new(broker.handle(), bug)),
            None => broker.handle(),
        }
    }

    fn truth(&self) -> Vec<KnownOrder> {
        let mut venue = self.venue.lock().unwrap();
        venue.sync();
        let known = |order: &broker_core::Order| KnownOrder {
            id: venue.order_number(&order.id).unwrap().to_string().into(),
            ..KnownOrder::from(order)
        };
        venue.orders(&"A1".into()).iter().map(known).collect()
    }

    fn intent_of(&self) -> IntentOf {
        intent_of
    }

    fn request(&self, rng: &dyn Rng) -> OrderRequest {
        self.step();
        let symbol = SYMBOLS[usize::try_from(rng.below(3)).unwrap()].parse().unwrap();
        let side = if rng.below(2) == 0 { Side::Buy } else { Side::Sell };
        let qty: Qty = (rng.below(20) + 1).to_string().parse().unwrap();
        let off = 10 + i64::try_from(rng.below(30)).unwrap();
        let (below, above) = (points(5_000 - off), points(5_000 + off));
        let (better, worse) = match side {
            Side::Buy => (below, above),
            Side::Sell => (above, below),
        };
        match rng.below(10) {
            0..4 => OrderRequest::market(symbol, side, qty),
            4..6 => OrderRequest::limit(symbol, side, qty, better),
            6..8 => OrderRequest::stop(symbol, side, qty, worse),
            8 => OrderRequest::trailing_stop(symbol, side, qty, Trail::Amount(60.into())),
            _ => OrderRequest::limit(symbol, side, qty, better)
                .with_target(Level::Distance("60".parse().unwrap()))
                .with_stop(StopExit::Stop {
                    stop: Level::Distance("55.25".parse().unwrap()),
                    limit: None,
                }),
        }
    }

    fn resting(&self) -> OrderRequest {
        OrderRequest::limit(
            "MESH27".parse().unwrap(),
            Side::Buy,
            "5".parse().unwrap(),
            points(2_500),
        )
    }

    fn change(&self) -> OrderChange {
        OrderChange::new().with_qty("25".parse().unwrap())
    }

    fn words(&self) -> VenueWords {
        VenueWords {
            internal: r#"{"title":"An error occurred while processing your request.","status":500}"#.to_owned(),
            limited: String::new(),
            banned: (429, String::new()),
            duplicate: (
                200,
                concat!(
                    r#"{"orderId":null,"success":false,"errorCode":2,"#,
                    r#""errorMessage":"Custom tag must be unique across the account."}"#
                )
                .to_owned(),
            ),
        }
    }
}

fn seeds() -> u64 {
    let asked = std::env::var("BROKER_SEEDS").ok();
    asked.and_then(|seeds| seeds.parse().ok()).unwrap_or(1)
}

#[test]
fn nothing_is_doubled_and_nothing_falsely_dead() {
    for seed in 1..=seeds() {
        let stage = TopstepxStage::new(seed);
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
        assert!(report.elapsed > Duration::from_secs(600), "200 a minute were kept");
    }
}

#[test]
fn every_drop_kill_and_failing_journal_is_survived() {
    let report = crash_campaign(&|| Box::new(TopstepxStage::new(1)) as Box<dyn Stage>);
    println!("{report}");
    assert!(report.is_clean(), "{report}");
    assert!(report.drops_before_send > 20 && report.recovered > 20, "{report}");
}

fn small(stage: TopstepxStage) -> OrdersReport {
    let report = orders_campaign(&stage, OrdersPlan::new(500, 3));
    println!("{:?}: {report}", stage.bug);
    report
}

fn forgetful(builder: TopstepxVenueBuilder) -> TopstepxVenueBuilder {
    builder.client_ids(ClientIdPolicy::None)
}

#[test]
fn a_venue_that_takes_a_tag_twice_is_found_out() {
    // The facts say that a second send is safe. Over a venue where it is not, orders are doubled.
    let report = small(TopstepxStage::of(3, forgetful));
    assert!(report.damages.of(Damage::DoubleOrder) > 0, "{report}");
}

#[test]
fn planted_bugs_are_caught() {
    let report = small(TopstepxStage::of(3, forgetful).flawed(PlantedBug::BlindResend));
    assert!(report.damages.of(Damage::DoubleOrder) > 5, "{report}");
    for bug in [
        PlantedBug::FinAsNotSent,
        PlantedBug::EarlyProof,
        PlantedBug::ErrorAsRefusal,
    ] {
        let report = small(TopstepxStage::new(3).flawed(bug));
        assert!(report.damages.of(Damage::FalseDead) > 0, "{bug:?}: {report}");
    }
    let report = crash_campaign(&|| Box::new(TopstepxStage::new(1).flawed(PlantedBug::GateIgnored)) as Box<dyn Stage>);
    assert!(report.damages.of(Damage::SentAfterDrop) > 0, "{report}");
}
