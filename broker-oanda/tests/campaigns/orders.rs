//! A venue that does not know an id of ours again once its order is done: a market order that is sent twice fills twice.

use std::time::Duration;

use broker_core::ClientOrderId;
use broker_oanda::venue::OandaVenue;
use broker_testkit::campaign::{OrdersStage, seeds};
use broker_testkit::crash::crash_campaign;
use broker_testkit::damage::Damage;
use broker_testkit::orders::{OrdersPlan, OrdersReport, orders_campaign};
use broker_testkit::planted::PlantedBug;
use broker_testkit::stage::Stage;

use super::{connect, engine, house, lines, now, words};

const ORDERS: u64 = 10_000;
/// Reads were seen to lag by half a second; the facts say a second.
const LAG: Duration = Duration::from_millis(900);

fn stage(seed: u64) -> OrdersStage<OandaVenue> {
    let venue = OandaVenue::builder()
        .engine(engine(seed), [OandaVenue::ACCOUNT.into()])
        .with_visibility_lag(LAG)
        .build()
        .unwrap();
    OrdersStage::new((house(), venue), lines().to_vec(), now(), connect, (intent_of, words()))
}

fn intent_of(method: &str, path: &str, body: &str) -> Option<ClientOrderId> {
    let places = method == "POST" && path.ends_with("/orders");
    let replaces = method == "PUT" && path.contains("/orders/") && !path.ends_with("/cancel");
    if !places && !replaces {
        return None;
    }
    let body: serde_json::Value = serde_json::from_str(body).ok()?;
    Some(body.get("order")?.get("clientExtensions")?.get("id")?.as_str()?.into())
}

#[test]
fn nothing_is_doubled_and_nothing_falsely_dead() {
    for seed in 1..=seeds(2) {
        let stage = stage(seed);
        let report = orders_campaign(&stage, OrdersPlan::new(ORDERS, seed));
        let refused = stage.venue().refused();
        println!("seed {seed}: {report}{refused} refused by the venue's own limiter");
        assert!(report.is_clean(), "seed {seed}: {report}");
        for (fault, hits) in &report.hits {
            assert!(*hits > 0, "seed {seed}: {fault} never hit");
        }
        assert_eq!(refused, 0, "120 a second were kept");
        // Nothing bounds the arrival, so nothing is ever told as never arrived; and nothing is sent twice.
        assert_eq!(report.not_placed, 0);
        assert!(report.asked > ORDERS && report.canceled > ORDERS / 10, "{report}");
        assert!(report.tickets > report.open && report.open > 0, "{report}");
    }
}

#[test]
fn every_drop_kill_and_failing_journal_is_survived() {
    let report = crash_campaign(&|| Box::new(stage(1)) as Box<dyn Stage>);
    println!("{report}");
    assert!(report.is_clean(), "{report}");
    assert!(report.drops_before_send > 20 && report.recovered > 20, "{report}");
}

fn small(stage: OrdersStage<OandaVenue>) -> OrdersReport {
    let report = orders_campaign(&stage, OrdersPlan::new(1_000, 3));
    println!("{stage:?}: {report}");
    report
}

#[test]
fn planted_bugs_are_caught() {
    let report = small(stage(3).flawed(PlantedBug::BlindResend));
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
