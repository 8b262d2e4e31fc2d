//! Rule (e): futures that are dropped, and intents that are alive.

use std::time::Duration;

use broker_core::{BrokerExt, ErrorKind, Placement};
use futures_util::poll;

use crate::resting;
use crate::rigged::{Rigged, Send, account, start};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn rule_e_dropped_before_the_first_byte_nothing_is_sent() {
    let runtime = start();
    let broker = Rigged::new(&runtime).sending([Send::Waits(60 * SECOND)]);
    runtime.block_on(async {
        let mut placing = Box::pin(broker.place_once(&account(), resting()));
        assert!(poll!(&mut placing).is_pending());
        broker.context_sleep(30).await;
        assert_eq!(broker.open_intents().await, 1, "it waits at the limiter");
        drop(placing);
        broker.context_sleep(60).await;
        assert_eq!(
            (broker.sends(), broker.orders().len(), broker.open_intents().await),
            (0, 0, 0)
        );
    });
}

#[test]
fn rule_e_dropped_later_it_is_finished_and_settled() {
    for send in [Send::Slow(2 * SECOND), Send::AnswerLost, Send::Late(SECOND)] {
        let runtime = start();
        let broker = Rigged::new(&runtime).sending([send]).with_facts(|facts| {
            facts.orders.latest_arrival = Some(5 * SECOND);
        });
        runtime.block_on(async {
            let mut placing = Box::pin(broker.place_once(&account(), resting()));
            while broker.sends() == 0 {
                assert!(poll!(&mut placing).is_pending());
                broker.context_moment().await;
            }
            drop(placing);
            broker.context_sleep(60).await;
            assert_eq!((broker.orders().len(), broker.open_intents().await), (1, 0), "{send:?}");
        });
    }
}

#[test]
fn rule_e_recover_skips_what_is_alive() {
    let runtime = start();
    let broker = Rigged::new(&runtime).sending([Send::Slow(20 * SECOND)]);
    runtime.block_on(async {
        let mut placing = Box::pin(broker.place_once(&account(), resting().with_client_id("own-1".into())));
        while broker.sends() == 0 {
            assert!(poll!(&mut placing).is_pending());
            broker.context_moment().await;
        }
        assert!(broker.recover().await.unwrap().is_empty());
        assert_eq!(broker.open_intents().await, 1);
        let again = broker
            .place_once(&account(), resting().with_client_id("own-1".into()))
            .await;
        assert_eq!(again.unwrap_err().kind(), ErrorKind::DuplicateOrder);
        assert!(matches!(placing.await.unwrap(), Placement::Accepted(_)));
        assert_eq!((broker.sends(), broker.orders().len()), (1, 1));
    });
}
