//! A venue that takes a tag once for ever and finds no order by it, where a request may arrive whenever it likes.

use std::time::Duration;

use broker_core::ClientOrderId;
use broker_sim::ClientIdPolicy;
use broker_testkit::campaign::{OrdersStage, seeds};
use broker_testkit::crash::crash_campaign;
use broker_testkit::damage::Damage;
use broker_testkit::orders::{OrdersPlan, OrdersReport, orders_campaign};
use broker_testkit::planted::PlantedBug;
use broker_testkit::stage::Stage;
use broker_topstepx::venue::{TopstepxVenue, TopstepxVenueBuilder};

use super::{connect, engine, house, lines, now, words};

const ORDERS: u64 = 10_000;
/// The facts say two seconds.
const LAG: Duration = Duration::from_millis(1_800);

fn stage(seed: u64) -> OrdersStage<TopstepxVenue> {
    stage_of(seed, |builder| builder)
}

fn stage_of(seed: u64, change: fn(TopstepxVenueBuilder) -> TopstepxVenueBuilder) -> OrdersStage<TopstepxVenue> {
    let builder = TopstepxVenue::builder()
        .engine(engine(seed))
        .practice_account("A1")
        .visibility_lag(LAG);
    let venue = change(builder).build().unwrap();
    OrdersStage::new((house(), venue), lines().to_vec(), now(), connect, (intent_of, words()))
}

fn intent_of(method: &str, path: &str, body: &str) -> Option<ClientOrderId> {
    if method != "POST" || path != "/api/Order/place" {
        return None;
    }
    let body: serde_json::Value = serde_json::from_str(body).ok()?;
    Some(body.get("customTag")?.as_str()?.into())
}

#[test]
fn nothing_is_doubled_and_nothing_falsely_dead() {
    for seed in 1..=seeds(1) {
        let stage = stage(seed);
        let report = orders_campaign(&stage, OrdersPlan::new(ORDERS, seed));
        let refused = stage.venue().refused();
        println!("seed {seed}: {report}{refused} refused by the venue's own limiter");
        assert!(report.is_clean(), "seed {seed}: {report}");
        for (fault, hits) in &report.hits {
            assert!(*hits > 0, "seed {seed}: {fault} never hit");
        }
        // Nothing bounds the arrival, so nothing is ever told as never arrived.
        assert_eq!(report.not_placed, 0);
        assert!(report.asked > ORDERS && report.canceled > ORDERS / 10, "{report}");
        assert!(report.elapsed > Duration::from_secs(3_600), "200 a minute were kept");
    }
}

#[test]
fn every_drop_kill_and_failing_journal_is_survived() {
    let report = crash_campaign(&|| Box::new(stage(1)) as Box<dyn Stage>);
    println!("{report}");
    assert!(report.is_clean(), "{report}");
    assert!(report.drops_before_send > 20 && report.recovered > 20, "{report}");
}

fn small(stage: OrdersStage<TopstepxVenue>) -> OrdersReport {
    let report = orders_campaign(&stage, OrdersPlan::new(1_000, 3));
    println!("{stage:?}: {report}");
    report
}

fn forgetful(builder: TopstepxVenueBuilder) -> TopstepxVenueBuilder {
    builder.client_ids(ClientIdPolicy::None)
}

#[test]
fn a_venue_that_takes_a_tag_twice_is_found_out() {
    // The facts say that a second send is safe. Over a venue where it is not, orders are doubled.
    let report = small(stage_of(3, forgetful));
    assert!(report.damages.of(Damage::DoubleOrder) > 0, "{report}");
}

#[test]
fn planted_bugs_are_caught() {
    let report = small(stage_of(3, forgetful).flawed(PlantedBug::BlindResend));
    assert!(report.damages.of(Damage::DoubleOrder) > 20, "{report}");
    for bug in [
        PlantedBug::FinAsNotSent,
        PlantedBug::EarlyProof,
        PlantedBug::ErrorAsRefusal,
    ] {
        let report = small(stage(3).flawed(bug));
        assert!(report.damages.of(Damage::FalseDead) > 0, "{bug:?}: {report}");
    }
    let report = crash_campaign(&|| Box::new(stage(1).flawed(PlantedBug::GateIgnored)) as Box<dyn Stage>);
    assert!(report.damages.of(Damage::SentAfterDrop) > 0, "{report}");
}
