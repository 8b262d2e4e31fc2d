//! Bugs planted into an honest broker are found, and the report names the damage.

use std::sync::Arc;

use broker_core::model::OrderChange;
use broker_core::seam::Rng;
use broker_core::{AccountId, Broker, OrderRequest};
use broker_testkit::crash::{CrashReport, crash_campaign};
use broker_testkit::damage::Damage;
use broker_testkit::orders::{OrdersPlan, OrdersReport, orders_campaign};
use broker_testkit::planted::{Planted, PlantedBug};
use broker_testkit::stage::{IntentOf, KnownOrder, Process, Stage, VenueWords, World};

use crate::kiosk::stage::KioskStage;

/// A stage whose broker has a bug.
struct Flawed(KioskStage, PlantedBug);

impl Stage for Flawed {
    fn world(&self) -> &World {
        self.0.world()
    }

    fn account(&self) -> AccountId {
        self.0.account()
    }

    fn connect(&self, process: &Process) -> Arc<dyn Broker> {
        Arc::new(Planted::new(self.0.connect(process), self.1))
    }

    fn truth(&self) -> Vec<KnownOrder> {
        self.0.truth()
    }

    fn intent_of(&self) -> IntentOf {
        self.0.intent_of()
    }

    fn request(&self, rng: &dyn Rng) -> OrderRequest {
        self.0.request(rng)
    }

    fn resting(&self) -> OrderRequest {
        self.0.resting()
    }

    fn change(&self) -> OrderChange {
        self.0.change()
    }

    fn words(&self) -> VenueWords {
        self.0.words()
    }
}

fn orders(bug: PlantedBug) -> OrdersReport {
    let report = orders_campaign(&Flawed(KioskStage::new(1), bug), OrdersPlan::new(2_000, 1));
    println!("{bug:?}: {report}");
    report
}

fn crashes(bug: PlantedBug) -> CrashReport {
    let report = crash_campaign(&|| Box::new(Flawed(KioskStage::quiet(), bug)) as Box<dyn Stage>);
    println!("{bug:?}: {report}");
    report
}

#[test]
fn a_bug_in_the_history_alone_leaves_orders_clean() {
    // The wrapper itself does no harm: what the others find is the bug.
    let report = orders(PlantedBug::ErrorAsEnd);
    assert!(report.is_clean(), "{report}");
    let report = crashes(PlantedBug::ErrorAsEnd);
    assert!(report.is_clean(), "{report}");
}

#[test]
fn a_blind_resend_is_caught() {
    let report = orders(PlantedBug::BlindResend);
    assert!(report.damages.of(Damage::DoubleOrder) > 50, "{report}");
    assert!(report.damages.of(Damage::BlindResend) > 100, "{report}");
    let report = crashes(PlantedBug::BlindResend);
    assert!(report.damages.of(Damage::DoubleOrder) > 0, "{report}");
}

#[test]
fn a_closed_connection_taken_for_not_sent_is_caught() {
    let report = orders(PlantedBug::FinAsNotSent);
    assert!(report.damages.of(Damage::FalseDead) > 5, "{report}");
    let report = crashes(PlantedBug::FinAsNotSent);
    assert!(report.damages.of(Damage::FalseDead) > 0, "{report}");
}

#[test]
fn a_lookup_asked_too_early_taken_for_proof_is_caught() {
    let report = orders(PlantedBug::EarlyProof);
    assert!(report.damages.of(Damage::FalseDead) > 5, "{report}");
    let report = crashes(PlantedBug::EarlyProof);
    assert!(report.damages.of(Damage::FalseDead) > 0, "{report}");
}

#[test]
fn a_server_error_taken_for_a_refusal_is_caught() {
    let report = orders(PlantedBug::ErrorAsRefusal);
    assert!(report.damages.of(Damage::FalseDead) > 20, "{report}");
}

#[test]
fn a_gate_that_is_ignored_is_caught() {
    let report = crashes(PlantedBug::GateIgnored);
    assert!(report.damages.of(Damage::SentAfterDrop) > 0, "{report}");
}
