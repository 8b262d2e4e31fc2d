//! Rules (b) and (d): what proves that an order is there, or is not.

use std::time::Duration;

use broker_core::{BrokerExt, ErrorKind, OrderStatus, Placement, Settled};

use crate::rigged::{Look, Rigged, Send, account, start};
use crate::{marketable, resting};

const SECOND: Duration = Duration::from_secs(1);

/// Requests arrive within five seconds, orders show within two.
fn bounded(rigged: Rigged) -> Rigged {
    rigged.with_facts(|facts| {
        facts.orders.latest_arrival = Some(5 * SECOND);
        facts.orders.visibility_lag = 2 * SECOND;
    })
}

#[test]
fn rule_b_one_match_is_the_order() {
    let runtime = start();
    let broker = bounded(Rigged::new(&runtime)).sending([Send::AnswerLost]);
    runtime.block_on(async {
        let Placement::Accepted(order) = broker.place_once(&account(), marketable()).await.unwrap() else {
            panic!("the order is there");
        };
        assert_eq!(
            (order.status.clone(), order.filled_qty),
            (OrderStatus::Filled, "10".parse().unwrap())
        );
        assert_eq!(broker.orders(), [*order]);
        assert_eq!((broker.sends(), broker.open_intents().await), (1, 0));
    });
}

#[test]
fn rule_b_two_matches_stay_in_doubt() {
    let runtime = start();
    let broker = bounded(Rigged::new(&runtime))
        .sending([Send::AnswerLost])
        .looking([Look::Two; 99]);
    runtime.block_on(async {
        let Placement::InDoubt(ticket) = broker.place_once(&account(), resting()).await.unwrap() else {
            panic!("two orders could be it");
        };
        let ids: Vec<_> = ticket.candidates().iter().map(|order| order.id.get()).collect();
        assert_eq!(ids.len(), 2);
        assert!(ids.contains(&"twin"));
        assert_eq!(ticket.reason().kind(), ErrorKind::Unavailable);
        assert_eq!(broker.open_intents().await, 1);
        broker.rig().looks.clear();
        assert!(matches!(broker.settle(ticket).await.unwrap(), Settled::Accepted(_)));
        assert_eq!(broker.open_intents().await, 0);
    });
}

#[test]
fn rule_b_not_placed_needs_two_lookups_asked_after_the_latest_arrival_and_the_lag() {
    let runtime = start();
    let broker = bounded(Rigged::new(&runtime)).sending([Send::RequestLost]);
    runtime.block_on(async {
        let Placement::Rejected(error) = broker.place_once(&account(), resting()).await.unwrap() else {
            panic!("nothing can be there any more");
        };
        assert_eq!(
            error.message().unwrap().split(':').next(),
            Some("the order never reached the venue")
        );
        // The attempt ended at 0 s; 5 s for the arrival and 2 s until it would show.
        let late = broker.rig().looked_at.iter().filter(|at| **at >= 7 * SECOND).count();
        assert_eq!(late, 2, "{:?}", broker.rig().looked_at);
        assert!(broker.rig().looked_at.len() > 4, "earlier lookups were asked, too");
        assert_eq!((broker.sends(), broker.open_intents().await), (1, 0));
    });
}

#[test]
fn rule_b_an_order_that_comes_late_is_found() {
    let runtime = start();
    let broker = bounded(Rigged::new(&runtime)).sending([Send::Late(Duration::from_millis(4_900))]);
    runtime.block_on(async {
        let Placement::Accepted(order) = broker.place_once(&account(), resting()).await.unwrap() else {
            panic!("it came");
        };
        assert_eq!(broker.orders(), [*order]);
    });
}

#[test]
fn rule_b_failed_lookups_and_time_prove_nothing() {
    let runtime = start();
    let broker = bounded(Rigged::new(&runtime))
        .sending([Send::RequestLost])
        .looking([Look::Fails; 99]);
    runtime.block_on(async {
        let Placement::InDoubt(ticket) = broker.place_once(&account(), resting()).await.unwrap() else {
            panic!("no lookup answered");
        };
        broker.context_sleep(86_400).await;
        let ticket = match broker.settle(ticket).await.unwrap() {
            Settled::InDoubt(ticket) => ticket,
            other => panic!("a day passed, which proves nothing: {other:?}"),
        };
        // One that answers is not enough, and a second must be asked.
        broker.rig().looks = [Look::Honest].into_iter().chain([Look::Fails; 99]).collect();
        let Settled::InDoubt(ticket) = broker.settle(ticket).await.unwrap() else {
            panic!("one lookup proves nothing");
        };
        broker.rig().looks.clear();
        assert!(matches!(broker.settle(ticket).await.unwrap(), Settled::NotPlaced));
        assert_eq!(broker.open_intents().await, 0);
    });
}

#[test]
fn rule_b_without_a_bound_the_ticket_stays_open_until_found_or_abandoned() {
    let runtime = start();
    let broker = Rigged::new(&runtime).with_facts(|facts| facts.orders.latest_arrival = None);
    let broker = broker.sending([Send::RequestLost, Send::Late(3600 * SECOND)]);
    runtime.block_on(async {
        let Placement::InDoubt(lost) = broker.place_once(&account(), resting()).await.unwrap() else {
            panic!("nothing bounds its arrival");
        };
        let Placement::InDoubt(late) = broker.place_once(&account(), resting()).await.unwrap() else {
            panic!("nothing bounds its arrival");
        };
        broker.context_sleep(7200).await;
        assert!(
            matches!(broker.settle(late).await.unwrap(), Settled::Accepted(_)),
            "it came after an hour"
        );
        let Settled::InDoubt(lost) = broker.settle(lost).await.unwrap() else {
            panic!("two hours are no proof");
        };
        assert_eq!(broker.open_intents().await, 1);
        broker.abandon(lost).await.unwrap();
        assert_eq!(broker.open_intents().await, 0);
    });
}

#[test]
fn rule_d_nothing_becomes_final_because_our_time_passed() {
    let runtime = start();
    let broker = bounded(Rigged::new(&runtime));
    runtime.block_on(async {
        let Placement::Accepted(order) = broker.place_once(&account(), resting()).await.unwrap() else {
            panic!("the venue answered");
        };
        let order = broker.wait_until_final(&order.reference(), 600 * SECOND).await.unwrap();
        assert_eq!(order.status, OrderStatus::New);
        // A venue that answers no lookup in time: the order is not dead.
        broker.rig().sends = [Send::AnswerLost].into();
        broker.rig().looks = [Look::Slow(3600 * SECOND); 99].into();
        let Placement::InDoubt(ticket) = broker.place_once(&account(), resting()).await.unwrap() else {
            panic!("nobody said anything");
        };
        broker.rig().looks.clear();
        assert!(matches!(broker.settle(ticket).await.unwrap(), Settled::Accepted(_)));
    });
}

#[test]
fn recover_leaves_the_intents_of_another_broker_alone() {
    let runtime = start();
    let broker = Rigged::new(&runtime)
        .sending([Send::AnswerLost])
        .looking([Look::Fails; 99]);
    runtime.block_on(async {
        let Placement::InDoubt(ticket) = broker.place_once(&account(), resting()).await.unwrap() else {
            panic!("no lookup answered");
        };
        let mut intent = ticket.intent().clone();
        intent.broker = "other".into();
        broker.context_journal().open(&intent).await.unwrap();
        let recovered = broker.recover().await.unwrap();
        assert_eq!(recovered.len(), 1, "the other broker's intent is left alone");
        assert_eq!(ticket.reference().client_id.unwrap(), ticket.intent().id);
    });
}
