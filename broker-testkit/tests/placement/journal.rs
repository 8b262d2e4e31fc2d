//! Rules (a) and (e): what the journal holds, and what a killed process leaves.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;
use broker_core::journal::MemoryJournal;
use broker_core::{
    BrokerExt, BrokerId, ClientOrderId, Delivery, Error, ErrorKind, Intent, IntentJournal, Placement, Result, Settled,
};

use crate::resting;
use crate::rigged::{Look, Rigged, Send, account, start};

#[test]
fn rule_a_intent_id_and_mark_are_in_the_journal_before_the_first_byte() {
    let runtime = start();
    let broker = Rigged::new(&runtime);
    runtime.block_on(async {
        let request = resting().with_client_id("own-1".into());
        assert!(matches!(
            broker.place_once(&account(), request).await.unwrap(),
            Placement::Accepted(_)
        ));
        assert!(matches!(
            broker.place_once(&account(), resting()).await.unwrap(),
            Placement::Accepted(_)
        ));
        let journaled = broker.rig().journaled.clone();
        assert_eq!(journaled.len(), 2);
        assert_eq!(journaled[0].id.get(), "own-1");
        assert_eq!(journaled[1].id.get().len(), 26, "drawn: 130 random bits");
        for intent in &journaled {
            assert_eq!(intent.mark.as_ref().unwrap().0, "mark of 1767711600");
            assert_eq!(intent.instrument.id.get(), "AAPL");
        }
        assert_eq!(broker.open_intents().await, 0);
    });
}

#[test]
fn a_drawn_id_keeps_to_the_broker_s_rule() {
    let runtime = start();
    let broker = Rigged::new(&runtime).with_facts(|facts| facts.orders.client_id.as_mut().unwrap().longest = 18);
    runtime.block_on(async {
        let Placement::Accepted(order) = broker.place_once(&account(), resting()).await.unwrap() else {
            panic!("the venue answered");
        };
        let id = order.client_id.unwrap();
        assert_eq!(id.get().len(), 18);
        assert!(id.get().chars().all(|c| c.is_ascii_alphanumeric()));
        let own = resting().with_client_id("nineteen-characters".into());
        let error = broker.place_once(&account(), own).await.unwrap_err();
        assert_eq!(
            (error.kind(), error.delivery()),
            (ErrorKind::InvalidRequest, Delivery::NotSent)
        );
        assert_eq!(broker.orders().len(), 1);
    });
}

/// A journal whose n-th write fails.
#[derive(Debug)]
struct Failing {
    inner: MemoryJournal,
    calls: AtomicU32,
    at: u32,
}

impl Failing {
    fn at(at: u32) -> Arc<Self> {
        Arc::new(Self {
            inner: MemoryJournal::default(),
            calls: AtomicU32::new(0),
            at,
        })
    }

    fn count(&self) -> Result<()> {
        if self.calls.fetch_add(1, Ordering::Relaxed) + 1 == self.at {
            return Err(Error::new(ErrorKind::Unknown).with_message("the disk is full"));
        }
        Ok(())
    }
}

#[async_trait]
impl IntentJournal for Failing {
    async fn open(&self, intent: &Intent) -> Result<()> {
        self.count()?;
        self.inner.open(intent).await
    }
    async fn close(&self, broker: &BrokerId, id: &ClientOrderId) -> Result<()> {
        self.count()?;
        self.inner.close(broker, id).await
    }
    async fn unsettled(&self, broker: &BrokerId) -> Result<Vec<Intent>> {
        self.inner.unsettled(broker).await
    }
}

#[test]
fn rule_a_nothing_is_sent_that_the_journal_could_not_write() {
    let runtime = start();
    let broker = Rigged::new(&runtime).with_context(|context| context.with_journal(Failing::at(1)));
    runtime.block_on(async {
        let error = broker.place_once(&account(), resting()).await.unwrap_err();
        assert_eq!(
            (error.message(), error.delivery()),
            (Some("the disk is full"), Delivery::NotSent)
        );
        assert_eq!((broker.sends(), broker.orders().len()), (0, 0));
    });
}

#[test]
fn rule_e_a_journal_that_fails_after_the_send_never_turns_a_live_order_into_an_error() {
    let runtime = start();
    let broker = Rigged::new(&runtime).with_context(|context| context.with_journal(Failing::at(2)));
    runtime.block_on(async {
        assert!(matches!(
            broker.place_once(&account(), resting()).await.unwrap(),
            Placement::Accepted(_)
        ));
        // What could not be closed is found again, and closed.
        let recovered = broker.recover().await.unwrap();
        assert!(matches!(&recovered[..], [one] if matches!(one.settled, Settled::Accepted(_))));
        assert_eq!((broker.open_intents().await, broker.orders().len()), (0, 1));
    });
}

#[test]
fn rule_e_what_a_killed_process_left_is_recovered() {
    for (send, found) in [(Send::AnswerLost, true), (Send::RequestLost, false)] {
        let runtime = start();
        let broker = Rigged::new(&runtime).sending([send]).looking([Look::Fails; 99]);
        runtime.block_on(async {
            let Placement::InDoubt(_) = broker.place_once(&account(), resting()).await.unwrap() else {
                panic!("no lookup answered");
            };
            broker.rig().looks.clear();
            let reborn = broker.reborn(&runtime);
            let recovered = reborn.recover().await.unwrap();
            let [one] = &recovered[..] else { panic!("{recovered:?}") };
            match &one.settled {
                Settled::Accepted(order) => assert!(found && order.client_id.as_ref() == Some(&one.intent.id)),
                Settled::NotPlaced => assert!(!found),
                other => panic!("{other:?}"),
            }
            assert_eq!(
                (reborn.open_intents().await, reborn.sends()),
                (0, 1),
                "looked for, never sent again"
            );
            assert!(reborn.recover().await.unwrap().is_empty());
        });
    }
}
