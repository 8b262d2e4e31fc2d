//! Settling what is in doubt: of this process, or of one that died.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt, stream};

use super::attempt::{self, Attempt};
use super::inquiry::{Finding, Inquiry};
use super::prepare::{can_trade, claim};
use super::{Placement, Recovery, Settled, Ticket};
use crate::broker::Broker;
use crate::error::{Error, ErrorKind, Result};
use crate::id::ClientOrderId;
use crate::journal::Intent;

/// Intents that are looked for side by side.
const AT_ONCE: usize = 8;

pub(crate) async fn settle(broker: Arc<dyn Broker>, ticket: Ticket) -> Result<Settled> {
    of_this_broker(&*broker, &ticket)?;
    let ended = ticket.0.ended;
    let reason = ticket.0.reason.clone();
    Ok(inquire(&*broker, ticket.intent(), ended, reason).await)
}

pub(crate) async fn resend(broker: Arc<dyn Broker>, ticket: Ticket) -> Result<Placement> {
    of_this_broker(&*broker, &ticket)?;
    if !broker.capabilities().orders.resend_is_safe || ticket.intent().replaces.is_some() {
        return Err(Error::unsupported("sending this order again could place it twice").with_broker(broker.id()));
    }
    let intent = ticket.intent().clone();
    attempt::run(Attempt::again(broker, intent)?).await
}

pub(crate) async fn abandon(broker: Arc<dyn Broker>, ticket: Ticket) -> Result<()> {
    of_this_broker(&*broker, &ticket)?;
    let intent = ticket.intent();
    broker.context().journal().close(&intent.broker, &intent.id).await
}

pub(crate) async fn recover(broker: Arc<dyn Broker>) -> Result<Vec<Recovery>> {
    can_trade(&*broker)?;
    let context = broker.context();
    let mut open = context.journal().unsettled(&broker.id()).await?;
    open.retain(|intent| intent.environment == broker.environment());
    if open.is_empty() {
        return Ok(Vec::new());
    }
    // Another key's intents may stand in the same journal.
    let own: Vec<_> = broker.accounts().await?.into_iter().map(|account| account.id).collect();
    open.retain(|intent| own.contains(&intent.account));
    let claimed: Vec<_> = open
        .into_iter()
        .filter_map(|intent| Some((claim(&*broker, &intent).ok()?, intent)))
        .collect();
    // What was settled between reading the journal and claiming is no longer there.
    let still = ids(context.journal().unsettled(&broker.id()).await?);
    // Whoever sent them is dead by now: no attempt can have ended later.
    let ended = context.clock().elapsed();
    let left = claimed.into_iter().filter(|(_, intent)| still.contains(&intent.id));
    let settled = stream::iter(left).map(|(alive, intent)| {
        let broker = Arc::clone(&broker);
        async move {
            let _alive = alive;
            let reason = Error::new(ErrorKind::Unknown).with_message("its process ended before it was settled");
            let settled = look(&*broker, &intent, ended, reason).await;
            Recovery { intent, settled }
        }
    });
    Ok(settled.buffered(AT_ONCE).collect().await)
}

fn ids(intents: Vec<Intent>) -> BTreeSet<ClientOrderId> {
    intents.into_iter().map(|intent| intent.id).collect()
}

fn of_this_broker(broker: &dyn Broker, ticket: &Ticket) -> Result<()> {
    can_trade(broker)?;
    let intent = ticket.intent();
    if intent.broker == broker.id() && intent.environment == broker.environment() {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "a ticket of {} {}, not of this broker",
        intent.broker, intent.environment
    ))
    .with_broker(broker.id()))
}

/// Looks for it, unless somebody does already: then it is still in doubt.
async fn inquire(broker: &dyn Broker, intent: &Intent, ended: Duration, reason: Error) -> Settled {
    match claim(broker, intent) {
        Ok(_alive) => look(broker, intent, ended, reason).await,
        Err(_) => Settled::InDoubt(Ticket::new(intent.clone(), reason, ended, Vec::new())),
    }
}

async fn look(broker: &dyn Broker, intent: &Intent, ended: Duration, reason: Error) -> Settled {
    let doubt = |candidates| Settled::InDoubt(Ticket::new(intent.clone(), reason, ended, candidates));
    let Some(trading) = broker.trading() else {
        return doubt(Vec::new());
    };
    let inquiry = Inquiry {
        broker,
        trading,
        intent,
        ended,
        may_resend: false,
    };
    match inquiry.run().await {
        Finding::Settled(settled) => {
            attempt::close(broker, intent).await;
            settled
        }
        Finding::Absent => doubt(Vec::new()),
        Finding::Doubt(candidates) => doubt(candidates),
    }
}
