//! Exchanges that break on the way: whatever the client gets, it says that it does not know, and the trace does.

use std::time::Duration;

use broker_core::journal::Replacement;
use broker_core::model::OrderChange;
use broker_core::{Delivery, Gate, OrderStatus, Side};
use broker_sim::wire::{Fault, FaultPlan, RetryHint, When};

use super::trading;
use super::venue::{Stage, limit};
use crate::common::price;

/// The venue handled the request, and its answer is lost or spoilt.
fn taken() -> Vec<Fault> {
    let page = "<html>Not Found</html>".to_owned();
    vec![
        Fault::DropAnswer,
        Fault::DelayAnswer(Duration::from_secs(60)),
        Fault::ErrorAfter(
            500,
            r#"{"code":50010000,"message":"internal server error occurred"}"#.to_owned(),
        ),
        Fault::ErrorAfter(502, page.clone()),
        Fault::ErrorAfter(404, page),
        Fault::ErrorAfter(404, r#"{"message":"no route"}"#.to_owned()),
        Fault::ErrorAfter(307, String::new()),
        Fault::Reset { handled: true },
        Fault::Fin { handled: true },
        Fault::CutBody(20),
        Fault::StallBody(20),
        Fault::TruncatedJson,
        Fault::Html200,
        Fault::Empty200,
    ]
}

/// The venue never saw it, which the client cannot know.
fn lost() -> Vec<Fault> {
    vec![
        Fault::DropRequest,
        Fault::ErrorBefore(503, String::new()),
        Fault::Reset { handled: false },
        Fault::Fin { handled: false },
    ]
}

/// Once, to the first request of this method.
fn once(method: &str, fault: Fault) -> FaultPlan {
    FaultPlan::none().rule(When::always().method(method).at_most(1), fault)
}

fn writes(stage: &Stage) -> usize {
    let requests = stage.recorder.requests();
    requests.iter().filter(|request| request.method != "GET").count()
}

#[test]
fn an_order_whose_answer_is_lost_is_in_doubt_and_traced() {
    let ends = [(taken(), 1), (lost(), 0)];
    for (fault, there) in ends
        .into_iter()
        .flat_map(|(faults, there)| faults.into_iter().map(move |one| (one, there)))
    {
        let shown = format!("{fault:?}");
        let stage = Stage::with(once("POST", fault));
        stage.runtime.block_on(async {
            let intent = stage.intent("once", limit("AAPL", Side::Buy, "10", "150")).await;
            let error = trading(&stage.broker).place(&intent, &Gate::new()).await.unwrap_err();
            assert_eq!(error.delivery(), Delivery::Unknown, "{shown}: {error}");
            let found = trading(&stage.broker).trace(&intent).await.unwrap();
            assert_eq!(found.len(), there, "{shown}");
            if let Some(order) = found.first() {
                assert_eq!(
                    (order.client_id.as_ref(), &order.status),
                    (Some(&intent.id), &OrderStatus::New)
                );
            }
        });
        assert_eq!(writes(&stage), 1, "{shown}");
    }
}

#[test]
fn a_change_whose_answer_is_lost_is_in_doubt_and_traced() {
    let ends = [(taken(), 1), (lost(), 0)];
    for (fault, there) in ends
        .into_iter()
        .flat_map(|(faults, there)| faults.into_iter().map(move |one| (one, there)))
    {
        let shown = format!("{fault:?}");
        let stage = Stage::with(once("PATCH", fault));
        stage.runtime.block_on(async {
            let old = stage.place("old", limit("AAPL", Side::Buy, "10", "150")).await;
            let change = OrderChange::new().with_limit_price(price("151"));
            let mut intent = stage.intent("new", limit("AAPL", Side::Buy, "10", "151")).await;
            intent.replaces = Some(Replacement {
                order: old.reference(),
                change: change.clone(),
            });
            let trading = trading(&stage.broker);
            let error = trading
                .replace(&old.reference(), &change, &intent, &Gate::new())
                .await
                .unwrap_err();
            assert_eq!(error.delivery(), Delivery::Unknown, "{shown}: {error}");
            let found = trading.trace(&intent).await.unwrap();
            assert_eq!(found.len(), there, "{shown}");
            let status = [OrderStatus::New, OrderStatus::Replaced][there].clone();
            assert_eq!(stage.read(&old).await.status, status, "{shown}");
        });
        // The order itself and its change.
        assert_eq!(writes(&stage), 2, "{shown}");
    }
}

#[test]
fn what_proves_that_nothing_was_done_is_sent_again_once() {
    let limited = r#"{"code":42910000,"message":"too many requests."}"#.to_owned();
    for fault in [
        Fault::RefuseConnection,
        Fault::RateLimited(RetryHint::Seconds(1), limited),
    ] {
        let shown = format!("{fault:?}");
        let stage = Stage::with(once("POST", fault));
        stage.runtime.block_on(async {
            let order = stage.place("once", limit("AAPL", Side::Buy, "10", "150")).await;
            assert_eq!(order.status, OrderStatus::New, "{shown}");
            let all = broker_core::OrderQuery::open(&stage.account);
            let open = broker_core::BrokerExt::all_orders(&stage.broker, all).await.unwrap();
            assert_eq!(open.len(), 1, "{shown}");
        });
        assert_eq!(writes(&stage), 2, "{shown}");
    }
}
