//! One intent on its way: a task of its own, that ends in knowledge or in an honest doubt.

use std::sync::Arc;

use tokio::sync::oneshot;

use super::desk::Alive;
use super::inquiry::{Finding, Inquiry};
use super::prepare::{can_trade, claim, unsent};
use super::{Placement, Settled, Ticket, taken};
use crate::broker::{Broker, Trading};
use crate::error::{Delivery, Error, ErrorKind, Result};
use crate::journal::{Gate, Intent};
use crate::limit::Turn;
use crate::model::Order;

/// Sends of one intent, where a second one is safe.
const MOST_SENDS: u32 = 3;

pub(super) struct Attempt {
    broker: Arc<dyn Broker>,
    intent: Intent,
    gate: Gate,
    /// It was sent before: a refusal of a further send says nothing about the first.
    sent_before: bool,
    _alive: Alive,
}

impl Attempt {
    pub(super) fn new(broker: Arc<dyn Broker>, intent: Intent) -> Result<Self> {
        let alive = claim(&*broker, &intent)?;
        Ok(Self {
            broker,
            intent,
            gate: Gate::new(),
            sent_before: false,
            _alive: alive,
        })
    }

    /// A further send of an intent that may have arrived.
    pub(super) fn again(broker: Arc<dyn Broker>, intent: Intent) -> Result<Self> {
        let attempt = Self::new(broker, intent)?;
        Ok(Self {
            sent_before: true,
            ..attempt
        })
    }
}

/// Runs it on a task of its own. Dropping this future before the first byte sends nothing; later it changes nothing.
pub(super) async fn run(attempt: Attempt) -> Result<Placement> {
    let waiting = Waiting(attempt.gate.clone());
    let (intent, context) = (attempt.intent.clone(), attempt.broker.context().clone());
    let sent_before = attempt.sent_before;
    let (sender, receiver) = oneshot::channel();
    context.spawn().spawn(Box::pin(async move {
        // Nobody may wait for it any more.
        let _ = sender.send(attempt.finish().await);
    }));
    if let Ok(result) = receiver.await {
        return result;
    }
    let reason = Error::new(ErrorKind::Unavailable).with_message("the runtime ended while the order was under way");
    if waiting.0.close() && !sent_before {
        return Err(unsent(reason));
    }
    Ok(Placement::InDoubt(Ticket::new(
        intent,
        reason,
        context.clock().elapsed(),
        Vec::new(),
    )))
}

/// The side that waits: when it is dropped, the gate closes.
struct Waiting(Gate);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl Attempt {
    async fn finish(mut self) -> Result<Placement> {
        can_trade(&*self.broker)?;
        let broker = Arc::clone(&self.broker);
        let Some(trading) = broker.trading() else {
            return Err(Error::unsupported("trading"));
        };
        let _turn = self.turn().await?;
        if !self.sent_before {
            self.own_id_is_free().await?;
            self.intent.mark = trading.mark(&self.intent.account).await.map_err(unsent)?;
        }
        self.gate.check()?;
        let journal = broker.context().journal();
        journal.open(&self.intent).await.map_err(unsent)?;
        self.pursue(trading).await
    }

    /// Where orders do not carry our id, those of one account and instrument go one after another, and none while
    /// an earlier one is in doubt: a lookup could not tell them apart.
    async fn turn(&self) -> Result<Option<Turn>> {
        if !self.broker.capabilities().orders.one_at_a_time {
            return Ok(None);
        }
        let (intent, context) = (&self.intent, self.broker.context());
        let (account, instrument) = (intent.account.get(), &intent.instrument.id);
        let key = Arc::from(format!(
            "place:{}:{}:{account}:{instrument}",
            intent.broker, intent.environment
        ));
        let turn = context.limiter().turn(&key).await;
        let open = context.journal().unsettled(&intent.broker).await.map_err(unsent)?;
        let rival = |one: &&Intent| {
            one.account == intent.account
                && one.environment == intent.environment
                && one.instrument.id == *instrument
                && one.id != intent.id
        };
        match open.iter().find(rival) {
            Some(one) => Err(
                Error::invalid(format!("order {} for {instrument} is still in doubt", one.id))
                    .with_broker(intent.broker.clone())
                    .with_help("settle its ticket or call recover() first: orders here do not carry our id"),
            ),
            None => Ok(Some(turn)),
        }
    }

    /// An id that the user chose again, as one does to repeat a call, is refused while its first order is in doubt:
    /// that one may be at the venue.
    async fn own_id_is_free(&self) -> Result<()> {
        let (intent, context) = (&self.intent, self.broker.context());
        if intent.request.client_id.is_none() || intent.replaces.is_some() {
            return Ok(());
        }
        let journal = context.journal();
        if !journal.is_open(&intent.broker, &intent.id).await.map_err(unsent)? {
            return Ok(());
        }
        Err(Error::new(ErrorKind::DuplicateOrder)
            .with_delivery(Delivery::NotSent)
            .with_broker(intent.broker.clone())
            .with_message(format!("an earlier order {} is still in doubt", intent.id))
            .with_help("settle its ticket or call recover() first"))
    }

    /// Sends, and looks for the order where the answer is lost, until it is known or patience ends.
    async fn pursue(&self, trading: &dyn Trading) -> Result<Placement> {
        let facts = &self.broker.capabilities().orders;
        let clock = self.broker.context().clock();
        let mut sends = u32::from(self.sent_before);
        loop {
            sends += 1;
            let reason = match self.send(trading).await {
                Ok(order) => return Ok(self.end(taken(order)).await),
                Err(error) => error,
            };
            match reason.delivery() {
                Delivery::NotSent if sends == 1 => {
                    self.forget().await;
                    return Err(reason);
                }
                // A duplicate may be our own order; a refusal of a further send says nothing about the first.
                Delivery::Answered if sends == 1 && reason.kind() != ErrorKind::DuplicateOrder => {
                    return Ok(self.end(Settled::Rejected(reason)).await);
                }
                Delivery::NotSent | Delivery::Answered | Delivery::Unknown => {}
            }
            tracing::info!(broker = self.intent.broker.get(), kind = %reason.kind(), sends, "an order is in doubt");
            let may_resend = facts.resend_is_safe && self.intent.replaces.is_none() && sends < MOST_SENDS;
            let inquiry = Inquiry {
                broker: &*self.broker,
                trading,
                intent: &self.intent,
                ended: clock.elapsed(),
                may_resend,
            };
            match inquiry.run().await {
                Finding::Settled(settled) => return Ok(self.end(settled).await),
                Finding::Absent => {}
                Finding::Doubt(candidates) => {
                    let ticket = Ticket::new(self.intent.clone(), reason, inquiry.ended, candidates);
                    return Ok(Placement::InDoubt(ticket));
                }
            }
        }
    }

    async fn send(&self, trading: &dyn Trading) -> Result<Order> {
        match &self.intent.replaces {
            None => trading.place(&self.intent, &self.gate).await,
            Some(one) => trading.replace(&one.order, &one.change, &self.intent, &self.gate).await,
        }
    }

    async fn end(&self, settled: Settled) -> Placement {
        let placement = match settled {
            Settled::Accepted(order) => Placement::Accepted(order),
            Settled::Rejected(error) => Placement::Rejected(error),
            Settled::NotPlaced => Placement::Rejected(never_arrived()),
            Settled::InDoubt(ticket) => return Placement::InDoubt(ticket),
        };
        self.forget().await;
        placement
    }

    /// Closes the intent in the journal. One that stays open there is found again by `recover`: no harm is done.
    async fn forget(&self) {
        close(&*self.broker, &self.intent).await;
    }
}

pub(super) async fn close(broker: &dyn Broker, intent: &Intent) {
    let closed = broker.context().journal().close(&intent.broker, &intent.id).await;
    if let Err(error) = closed {
        tracing::warn!(broker = intent.broker.get(), kind = %error.kind(), "the journal could not close an intent");
    }
}

fn never_arrived() -> Error {
    Error::new(ErrorKind::Unavailable)
        .with_delivery(Delivery::Answered)
        .with_message("the order never reached the venue: looked up twice after it could no longer arrive")
        .with_help("it can be placed anew")
}
