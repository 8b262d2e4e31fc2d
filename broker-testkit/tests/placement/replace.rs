//! Changing a working order once.

use broker_core::model::OrderChange;
use broker_core::{BrokerExt, ErrorKind, OrderStatus, Placement, Settled};

use crate::resting;
use crate::rigged::{Look, Rigged, Send, account, start};

fn dearer() -> OrderChange {
    OrderChange::new().with_limit_price("91.00".parse().unwrap())
}

#[test]
fn a_lost_answer_to_a_replacement_finds_the_new_order() {
    let runtime = start();
    let broker = Rigged::new(&runtime).sending([Send::Answered, Send::AnswerLost]);
    runtime.block_on(async {
        let Placement::Accepted(old) = broker.place_once(&account(), resting()).await.unwrap() else {
            panic!("the venue answered");
        };
        let Placement::Accepted(new) = broker.replace_once(&old.reference(), dearer()).await.unwrap() else {
            panic!("it was replaced");
        };
        assert_eq!(new.links.replaces.as_ref(), Some(&old.id));
        assert_eq!(new.limit_price, Some("91.00".parse().unwrap()));
        let states: Vec<_> = broker.orders().into_iter().map(|order| order.status).collect();
        assert_eq!(states, [OrderStatus::Replaced, OrderStatus::New]);
        assert_eq!((broker.sends(), broker.open_intents().await), (2, 0));
        let error = broker.replace_once(&old.reference(), dearer()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidRequest, "it is replaced already");
    });
}

#[test]
fn a_lost_replacement_is_not_placed_and_the_old_order_lives() {
    let runtime = start();
    let broker = Rigged::new(&runtime)
        .sending([Send::Answered, Send::RequestLost])
        .looking([Look::Fails; 99]);
    runtime.block_on(async {
        let Placement::Accepted(old) = broker.place_once(&account(), resting()).await.unwrap() else {
            panic!("the venue answered");
        };
        let Placement::InDoubt(ticket) = broker.replace_once(&old.reference(), dearer()).await.unwrap() else {
            panic!("no lookup answered");
        };
        assert_eq!(
            ticket.intent().replaces.as_ref().unwrap().order.id.as_ref(),
            Some(&old.id)
        );
        broker.rig().looks.clear();
        assert!(matches!(broker.settle(ticket).await.unwrap(), Settled::NotPlaced));
        assert_eq!(
            broker
                .orders()
                .into_iter()
                .map(|order| order.status)
                .collect::<Vec<_>>(),
            [OrderStatus::New]
        );
        assert_eq!(broker.sends(), 2);
    });
}
