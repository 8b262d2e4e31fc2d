//! A venue that takes an id again once its order is closed, and a deadline that bounds how late an order can arrive.

use std::time::Duration;

use broker_core::ClientOrderId;
use broker_kraken::venue::KrakenVenue;
use broker_testkit::campaign::{OrdersStage, seeds};
use broker_testkit::crash::crash_campaign;
use broker_testkit::damage::Damage;
use broker_testkit::orders::{OrdersPlan, OrdersReport, orders_campaign};
use broker_testkit::planted::PlantedBug;
use broker_testkit::stage::Stage;

use super::{connect, engine, house, lines, now, words};

const ORDERS: u64 = 10_000;
/// The facts say five seconds.
const LAG: Duration = Duration::from_millis(900);

fn stage(seed: u64) -> OrdersStage<KrakenVenue> {
    let builder = KrakenVenue::builder()
        .engine(engine(seed), "A1")
        .without_limits()
        .with_visibility_lag(LAG);
    let venue = builder.build().unwrap();
    OrdersStage::new((house(), venue), lines().to_vec(), now(), connect, (intent_of, words()))
}

fn intent_of(method: &str, path: &str, body: &str) -> Option<ClientOrderId> {
    if method != "POST" || path != "/0/private/AddOrder" {
        return None;
    }
    let field = body.split('&').find_map(|field| field.strip_prefix("cl_ord_id="))?;
    Some(field.into())
}

#[test]
fn nothing_is_doubled_and_nothing_falsely_dead() {
    for seed in 1..=seeds(2) {
        let report = orders_campaign(&stage(seed), OrdersPlan::new(ORDERS, seed));
        println!("seed {seed}: {report}");
        assert!(report.is_clean(), "seed {seed}: {report}");
        assert!(report.asked > ORDERS && report.canceled > ORDERS / 10, "{report}");
    }
}

#[test]
fn every_drop_kill_and_failing_journal_is_survived() {
    let report = crash_campaign(&|| Box::new(stage(1)) as Box<dyn Stage>);
    println!("{report}");
    assert!(report.is_clean(), "{report}");
    assert!(report.drops_before_send > 20 && report.recovered > 20, "{report}");
}

fn small(stage: OrdersStage<KrakenVenue>) -> OrdersReport {
    let report = orders_campaign(&stage, OrdersPlan::new(1_000, 3));
    println!("{stage:?}: {report}");
    report
}

#[test]
fn planted_bugs_are_caught() {
    let report = small(stage(3).flawed(PlantedBug::BlindResend));
    assert!(report.damages.of(Damage::DoubleOrder) > 0, "{report}");
    for bug in [PlantedBug::FinAsNotSent, PlantedBug::ErrorAsRefusal] {
        let report = small(stage(3).flawed(bug));
        assert!(report.damages.of(Damage::FalseDead) > 0, "{bug:?}: {report}");
    }
}
