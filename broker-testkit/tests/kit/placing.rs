//! Placing in situations of its own, over the kiosk.

use std::sync::Arc;
use std::time::Duration;

use broker_core::journal::MemoryJournal;
use broker_core::seam::Clock;
use broker_core::{Broker, BrokerExt, Delivery, ErrorKind, OrderRequest, Placement, Settled, Ticket};
use broker_sim::wire::{Fault, FaultPlan, When};
use broker_testkit::stage::{Process, Stage, sends};
use futures_util::future::join;

use crate::kiosk::stage::KioskStage;

fn connect(stage: &KioskStage) -> Arc<dyn Broker> {
    stage.connect(&Process {
        seed: 5,
        spawn: Arc::new(stage.world().runtime.clock()),
        journal: Arc::new(MemoryJournal::default()),
    })
}

fn harm_orders(stage: &KioskStage, fault: Fault) {
    let posts = When::always().method("POST").path("/orders");
    stage.world().faults.set(FaultPlan::none().rule(posts, fault));
}

/// A ticket of an order that is at the venue, and whose lookups fail.
fn in_doubt(stage: &KioskStage, broker: &dyn Broker, request: OrderRequest) -> Ticket {
    let lookups = When::always().path("/trace");
    let plan = FaultPlan::none()
        .rule(When::always().method("POST").path("/orders"), Fault::DropAnswer)
        .rule(lookups, Fault::ErrorBefore(503, String::new()));
    stage.world().faults.set(plan);
    let runtime = &stage.world().runtime;
    let placed = runtime.block_on(broker.place_once(&stage.account(), request));
    stage.world().faults.set(FaultPlan::none());
    match placed {
        Ok(Placement::InDoubt(ticket)) => ticket,
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_id_in_doubt_is_not_sent_again_by_another_call() {
    let stage = KioskStage::quiet();
    let broker = connect(&stage);
    let runtime = &stage.world().runtime;
    let request = stage.resting().with_client_id("signal-42".into());
    let ticket = in_doubt(&stage, &*broker, request.clone());

    let again = runtime.block_on(broker.place_once(&stage.account(), request.clone()));
    let error = again.unwrap_err();
    assert_eq!(
        (error.kind(), error.delivery()),
        (ErrorKind::DuplicateOrder, Delivery::NotSent)
    );
    assert_eq!(sends(&stage)["signal-42"].all, 1);
    assert_eq!(stage.truth().len(), 1);

    let settled = runtime.block_on(broker.settle(ticket)).unwrap();
    assert!(matches!(settled, Settled::Accepted(order) if order.id == stage.truth()[0].id));
    // Settled, the id is the user's own again: this venue takes it twice.
    let again = runtime.block_on(broker.place_once(&stage.account(), request));
    assert!(matches!(again, Ok(Placement::Accepted(_))), "{again:?}");
    assert_eq!(stage.truth().len(), 2);
}

#[test]
fn an_earlier_order_of_the_same_id_is_no_proof_of_a_later_one() {
    let stage = KioskStage::quiet();
    let broker = connect(&stage);
    let runtime = &stage.world().runtime;
    let request = stage.resting().with_client_id("daily".into());
    let first = runtime.block_on(broker.place_once(&stage.account(), request.clone()));
    assert!(matches!(first, Ok(Placement::Accepted(_))), "{first:?}");

    runtime.block_on(runtime.clock().sleep(Duration::from_secs(3600)));
    harm_orders(&stage, Fault::DropRequest);
    let second = runtime.block_on(broker.place_once(&stage.account(), request.clone()));
    assert!(
        matches!(&second, Ok(Placement::InDoubt(ticket)) if ticket.candidates().len() == 1),
        "{second:?}"
    );
    let Ok(Placement::InDoubt(ticket)) = second else { return };
    runtime.block_on(broker.abandon(ticket)).unwrap();

    // One that did arrive is told from the earlier one.
    harm_orders(&stage, Fault::DropAnswer);
    let third = runtime.block_on(broker.place_once(&stage.account(), request));
    let truth = stage.truth();
    assert_eq!(truth.len(), 2);
    assert!(
        matches!(&third, Ok(Placement::Accepted(order)) if order.id == truth[1].id),
        "{third:?}"
    );
}

#[test]
fn recover_leaves_alone_what_is_settled_while_it_begins() {
    let stage = KioskStage::quiet();
    let broker = connect(&stage);
    let runtime = &stage.world().runtime;
    let clock = runtime.clock();
    let warm = runtime.block_on(broker.place_once(&stage.account(), stage.resting()));
    assert!(matches!(warm, Ok(Placement::Accepted(_))));
    // The venue refuses a sell of more than it lets anybody sell; the refusal comes while `recover` asks for the
    // accounts.
    let too_large = OrderRequest::market(
        "KO".parse().unwrap(),
        broker_core::Side::Buy,
        "999000000".parse().unwrap(),
    );
    let accounts = When::always().path("/accounts");
    let plan = FaultPlan::none().rule(accounts, Fault::DelayAnswer(Duration::from_secs(1)));
    stage.world().faults.set(plan);
    let beside = async {
        clock.sleep(Duration::from_millis(2)).await;
        broker.recover().await
    };
    let placing = broker.place_once(&stage.account(), too_large);
    let (placed, recovered) = runtime.block_on(join(placing, beside));
    assert!(
        matches!(&placed, Ok(Placement::Rejected(error)) if error.kind() == ErrorKind::InsufficientFunds),
        "{placed:?}"
    );
    let recovered = recovered.unwrap();
    assert!(recovered.is_empty(), "{recovered:?}");
}
