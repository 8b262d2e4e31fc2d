//! Rule (f): canceling, closing, and what an answer to a cancel really says.

use std::time::Duration;

use broker_core::model::InstrumentRef;
use broker_core::{Broker, BrokerExt, ErrorKind, Order, OrderStatus, Placement};

use crate::rigged::{Rigged, account, start};
use crate::{marketable, resting};

async fn placed(broker: &Rigged, request: broker_core::OrderRequest) -> Order {
    match broker.place_once(&account(), request).await.unwrap() {
        Placement::Accepted(order) => *order,
        other => panic!("{other:?}"),
    }
}

#[test]
fn rule_f_not_found_or_already_closed_reads_the_order_again() {
    for kind in [ErrorKind::NotFound, ErrorKind::InvalidRequest, ErrorKind::OrderRejected] {
        let runtime = start();
        let broker = Rigged::new(&runtime);
        broker.rig().cancels = [kind].into();
        runtime.block_on(async {
            let filled = placed(&broker, marketable()).await;
            let order = broker.cancel_once(&filled.reference()).await.unwrap();
            assert_eq!(
                (order.status, order.filled_qty),
                (OrderStatus::Filled, "10".parse().unwrap())
            );
        });
    }
}

#[test]
fn rule_f_a_refused_cancel_of_a_living_order_is_an_error() {
    let runtime = start();
    let broker = Rigged::new(&runtime);
    broker.rig().cancels = [ErrorKind::NotFound, ErrorKind::Permission].into();
    runtime.block_on(async {
        let order = placed(&broker, resting()).await.reference();
        assert_eq!(
            broker.cancel_once(&order).await.unwrap_err().kind(),
            ErrorKind::NotFound
        );
        assert_eq!(
            broker.cancel_once(&order).await.unwrap_err().kind(),
            ErrorKind::Permission
        );
        assert_eq!(broker.order(&order).await.unwrap().status, OrderStatus::New);
        assert_eq!(broker.cancel_once(&order).await.unwrap().status, OrderStatus::Canceled);
    });
}

#[test]
fn a_cancel_whose_answer_is_lost_is_looked_up() {
    let runtime = start();
    let broker = Rigged::new(&runtime);
    broker.rig().cancels = [ErrorKind::Unavailable].into();
    runtime.block_on(async {
        let order = placed(&broker, resting()).await.reference();
        assert_eq!(broker.cancel_once(&order).await.unwrap().status, OrderStatus::Canceled);
    });
}

#[test]
fn close_flattens_and_says_nothing_of_a_flat_account() {
    let runtime = start();
    let broker = Rigged::new(&runtime);
    runtime.block_on(async {
        let aapl = InstrumentRef::Symbol("AAPL".into());
        assert!(broker.close(&account(), &aapl).await.unwrap().is_empty());
        placed(&broker, marketable()).await;
        assert_eq!(broker.positions(&account()).await.unwrap().len(), 1);
        let closed = broker.close(&account(), &aapl).await.unwrap();
        let [Placement::Accepted(order)] = &closed[..] else {
            panic!("{closed:?}")
        };
        assert_eq!(
            (order.status.clone(), order.filled_qty),
            (OrderStatus::Filled, "10".parse().unwrap())
        );
        assert!(order.reduce_only);
        assert!(broker.positions(&account()).await.unwrap().is_empty());
    });
}

#[test]
fn wait_until_final_ends_with_the_order() {
    let runtime = start();
    let broker = Rigged::new(&runtime);
    runtime.block_on(async {
        let order = placed(&broker, resting()).await.reference();
        let canceler = broker.clone();
        let reference = order.clone();
        broker.context_spawn(async move {
            canceler.context_sleep(100).await;
            canceler.cancel_once(&reference).await.unwrap();
        });
        let ended = broker
            .wait_until_final(&order, Duration::from_secs(3600))
            .await
            .unwrap();
        assert_eq!(ended.status, OrderStatus::Canceled);
        assert!(broker.context_clock().elapsed() <= Duration::from_secs(106));
        let nobody = broker_core::OrderRef::by_id(&account(), "nobody".into());
        let error = broker
            .wait_until_final(&nobody, Duration::from_secs(60))
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
    });
}
