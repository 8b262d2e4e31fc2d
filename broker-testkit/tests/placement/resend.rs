//! Rule (c): a second send, only where it cannot make a second order; and venues whose orders do not carry our id.

use std::time::Duration;

use broker_core::{BrokerExt, Delivery, ErrorKind, Placement, Settled};

use crate::rigged::{Look, Rigged, Send, account, start};
use crate::{marketable, resting};

const SECOND: Duration = Duration::from_secs(1);

/// Takes an id once, for good, and bounds no arrival.
fn unique(rigged: Rigged) -> Rigged {
    rigged.with_facts(|facts| {
        facts.orders.resend_is_safe = true;
        facts.orders.latest_arrival = None;
        facts.orders.visibility_lag = SECOND;
    })
}

#[test]
fn rule_c_where_it_is_safe_a_lost_request_is_sent_again() {
    let runtime = start();
    let broker = unique(Rigged::new(&runtime)).sending([Send::RequestLost]);
    runtime.block_on(async {
        assert!(matches!(
            broker.place_once(&account(), resting()).await.unwrap(),
            Placement::Accepted(_)
        ));
        assert_eq!(
            (broker.sends(), broker.orders().len(), broker.open_intents().await),
            (2, 1, 0)
        );
        let counted = broker.rig().looked_at.iter().filter(|at| **at >= SECOND).count();
        assert_eq!(
            counted,
            2,
            "two lookups after the lag came first: {:?}",
            broker.rig().looked_at
        );
    });
}

#[test]
fn rule_c_a_second_send_finds_the_first_that_came_late() {
    let runtime = start();
    // The first arrives after the last lookup was asked and before the second send, which is refused as a duplicate.
    let broker = unique(Rigged::new(&runtime))
        .sending([Send::Late(4 * SECOND), Send::Answered])
        .looking([
            Look::Honest,
            Look::Honest,
            Look::Honest,
            Look::Honest,
            Look::Slow(SECOND),
        ]);
    runtime.block_on(async {
        let Placement::Accepted(order) = broker.place_once(&account(), marketable()).await.unwrap() else {
            panic!("it came");
        };
        assert_eq!(broker.orders(), [*order]);
        assert_eq!(broker.sends(), 2);
    });
}

#[test]
fn rule_c_a_refused_second_send_says_nothing_about_the_first() {
    let runtime = start();
    let refused = Send::Refused(ErrorKind::InsufficientFunds);
    let sends = [Send::Late(600 * SECOND), refused, refused, refused];
    let broker = unique(Rigged::new(&runtime)).sending(sends);
    runtime.block_on(async {
        let Placement::InDoubt(ticket) = broker.place_once(&account(), resting()).await.unwrap() else {
            panic!("the first may still come");
        };
        assert_eq!(
            (broker.sends(), ticket.reason().kind()),
            (3, ErrorKind::InsufficientFunds)
        );
        broker.context_sleep(600).await;
        assert!(matches!(broker.settle(ticket).await.unwrap(), Settled::Accepted(_)));
        assert_eq!(broker.orders().len(), 1);
    });
}

#[test]
fn rule_c_where_it_is_not_safe_nothing_is_sent_twice() {
    let runtime = start();
    let broker = Rigged::new(&runtime)
        .sending([Send::RequestLost])
        .looking([Look::Fails; 99]);
    runtime.block_on(async {
        let Placement::InDoubt(ticket) = broker.place_once(&account(), resting()).await.unwrap() else {
            panic!("no lookup answered");
        };
        let error = broker.resend(ticket).await.unwrap_err();
        assert_eq!(
            (error.kind(), error.delivery()),
            (ErrorKind::Unsupported, Delivery::NotSent)
        );
        assert_eq!(broker.sends(), 1);
    });
}

#[test]
fn rule_c_a_ticket_is_sent_again_when_the_user_says_so() {
    let runtime = start();
    let broker = unique(Rigged::new(&runtime))
        .sending([Send::RequestLost; 3])
        .looking([Look::Fails; 99]);
    runtime.block_on(async {
        let Placement::InDoubt(ticket) = broker.place_once(&account(), resting()).await.unwrap() else {
            panic!("no lookup answered");
        };
        assert_eq!(broker.sends(), 1, "without an answered lookup nothing is sent again");
        broker.rig().sends.clear();
        broker.rig().looks.clear();
        // Settling only looks.
        let Settled::InDoubt(ticket) = broker.settle(ticket).await.unwrap() else {
            panic!("nothing bounds its arrival");
        };
        assert_eq!(broker.sends(), 1);
        assert!(matches!(broker.resend(ticket).await.unwrap(), Placement::Accepted(_)));
        assert_eq!(
            (broker.sends(), broker.orders().len(), broker.open_intents().await),
            (2, 1, 0)
        );
    });
}

#[test]
fn an_id_of_the_user_s_own_places_once() {
    let runtime = start();
    let broker = unique(Rigged::new(&runtime));
    runtime.block_on(async {
        let request = resting().with_client_id("own-1".into());
        let Placement::Accepted(first) = broker.place_once(&account(), request.clone()).await.unwrap() else {
            panic!("the venue answered");
        };
        let Placement::Accepted(second) = broker.place_once(&account(), request).await.unwrap() else {
            panic!("the same order");
        };
        assert_eq!(first.id, second.id);
        let other = marketable().with_client_id("own-1".into());
        let Placement::Rejected(error) = broker.place_once(&account(), other).await.unwrap() else {
            panic!("the id names another order");
        };
        assert_eq!(error.kind(), ErrorKind::DuplicateOrder);
        assert_eq!((broker.orders().len(), broker.open_intents().await), (1, 0));
    });
}

#[test]
fn a_refusal_is_a_rejection_and_no_connection_an_error() {
    let runtime = start();
    let broker = Rigged::new(&runtime).sending([Send::Refused(ErrorKind::InsufficientFunds), Send::NoConnection]);
    runtime.block_on(async {
        let Placement::Rejected(error) = broker.place_once(&account(), resting()).await.unwrap() else {
            panic!("the venue refused");
        };
        assert_eq!(error.kind(), ErrorKind::InsufficientFunds);
        let error = broker.place_once(&account(), resting()).await.unwrap_err();
        assert_eq!(error.delivery(), Delivery::NotSent);
        assert_eq!((broker.orders().len(), broker.open_intents().await), (0, 0));
    });
}

#[test]
fn rule_c_orders_that_do_not_carry_our_id_go_one_at_a_time() {
    let runtime = start();
    let broker = Rigged::new(&runtime).with_facts(|facts| facts.orders.one_at_a_time = true);
    let broker = broker
        .sending([Send::Slow(5 * SECOND), Send::AnswerLost])
        .looking([Look::Fails; 99]);
    runtime.block_on(async {
        let clock = broker.context_clock();
        let accepted = account();
        let (first, second) = futures_util::join!(broker.place_once(&accepted, resting()), async {
            let placed = broker.place_once(&accepted, resting()).await;
            (placed, clock.elapsed())
        });
        assert!(matches!(first.unwrap(), Placement::Accepted(_)));
        let (second, at) = second;
        let Placement::InDoubt(ticket) = second.unwrap() else {
            panic!("no lookup answered");
        };
        assert!(at >= 5 * SECOND, "it waited for the first");
        // While one is in doubt, none can follow: a lookup could not tell them apart.
        let error = broker.place_once(&accepted, resting()).await.unwrap_err();
        assert_eq!(
            (error.kind(), error.delivery()),
            (ErrorKind::InvalidRequest, Delivery::NotSent)
        );
        broker.rig().looks.clear();
        assert!(broker.settle(ticket).await.unwrap().is_settled());
        assert!(matches!(
            broker.place_once(&accepted, resting()).await.unwrap(),
            Placement::Accepted(_)
        ));
    });
}
