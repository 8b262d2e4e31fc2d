//! Looking for an order whose answer is lost.

use std::time::Duration;

use futures_util::future::{Either, select};

use super::{Settled, taken};
use crate::broker::{Broker, Trading};
use crate::error::{Delivery, Error, ErrorKind, Result};
use crate::journal::Intent;
use crate::model::{Amount, Order, Size};

/// How long it looks, beyond the moment from which lookups prove something.
const PATIENCE: Duration = Duration::from_secs(30);

/// A moment of proof further away than this is not waited for.
const FAR: Duration = Duration::from_secs(120);

const FIRST_WAIT: Duration = Duration::from_millis(250);
const LONGEST_WAIT: Duration = Duration::from_secs(4);

/// Clocks differ: an order older than its intent by more than this is an earlier one.
const BEFORE: chrono::Duration = chrono::Duration::minutes(1);

/// Lookups that must agree.
const LOOKUPS: u32 = 2;

pub(super) struct Inquiry<'a> {
    pub(super) broker: &'a dyn Broker,
    pub(super) trading: &'a dyn Trading,
    pub(super) intent: &'a Intent,
    /// When the last attempt ended.
    pub(super) ended: Duration,
    /// Stop once the order is absent twice: a further send decides faster than waiting.
    pub(super) may_resend: bool,
}

pub(super) enum Finding {
    /// It is known.
    Settled(Settled),
    /// Twice not there, which proves nothing, but a further send is safe.
    Absent,
    /// Not known; with the orders that could be it, if there are several.
    Doubt(Vec<Order>),
}

impl Inquiry<'_> {
    /// Lookups count from here on: a placed order would show, if the venue had it.
    fn visible_from(&self) -> Duration {
        self.ended
            .saturating_add(self.broker.capabilities().orders.visibility_lag)
    }

    /// Lookups asked from here on prove that it is not there and cannot come any more.
    fn proof_from(&self) -> Option<Duration> {
        let arrival = self.broker.capabilities().orders.latest_arrival?;
        Some(self.visible_from().saturating_add(arrival))
    }

    pub(super) async fn run(&self) -> Finding {
        let clock = self.broker.context().clock();
        let began = clock.elapsed();
        let proof = self.proof_from().filter(|proof| *proof <= began.saturating_add(FAR));
        let until = began.max(proof.unwrap_or_default()).saturating_add(PATIENCE);
        let (mut absent, mut proofs) = (0, 0);
        let mut candidates = Vec::new();
        let mut wait = FIRST_WAIT;
        loop {
            let asked = clock.elapsed();
            match self.look(until.saturating_sub(asked)).await {
                Some(Ok(found)) if found.is_empty() => {
                    candidates.clear();
                    absent += u32::from(asked >= self.visible_from());
                    proofs += u32::from(self.proof_from().is_some_and(|proof| asked >= proof));
                }
                Some(Ok(found)) => match self.judge(found) {
                    Ok(settled) => return Finding::Settled(settled),
                    Err(several) => candidates = several,
                },
                Some(Err(error)) => tracing::debug!(kind = %error.kind(), "a lookup failed, which proves nothing"),
                None => {}
            }
            if self.may_resend && absent >= LOOKUPS {
                return Finding::Absent;
            }
            if proofs >= LOOKUPS {
                return Finding::Settled(Settled::NotPlaced);
            }
            let now = clock.elapsed();
            if now.saturating_add(wait) > until {
                return Finding::Doubt(candidates);
            }
            clock.sleep(wait).await;
            wait = (wait * 2).min(LONGEST_WAIT);
        }
    }

    /// One lookup; `None` when it took longer than there is time.
    async fn look(&self, left: Duration) -> Option<Result<Vec<Order>>> {
        let sleep = self.broker.context().clock().sleep(left);
        match select(self.trading.trace(self.intent), sleep).await {
            Either::Left((found, _)) => Some(found),
            Either::Right(_) => None,
        }
    }

    /// One match is the order; several stay in doubt. An id that the user chose may name an older order: only one with
    /// the same terms is ours.
    fn judge(&self, mut found: Vec<Order>) -> Result<Settled, Vec<Order>> {
        let chosen = self.intent.request.client_id.is_some() && self.intent.replaces.is_none();
        if chosen && !found.iter().any(|order| same_terms(self.intent, order)) {
            // Where an id is taken for good, ours can never be placed under it.
            return match self.broker.capabilities().orders.resend_is_safe {
                true => Ok(Settled::Rejected(taken_id(self.intent))),
                false => Err(found),
            };
        }
        if chosen {
            found.retain(|order| same_terms(self.intent, order));
            // Where ids come again, one that was there long before is another order, and no proof of ours.
            let is_ours = |order: &Order| order.created_at.is_none_or(|at| at + BEFORE >= self.intent.created_at);
            if !self.broker.capabilities().orders.resend_is_safe {
                if !found.iter().any(is_ours) {
                    return Err(found);
                }
                found.retain(is_ours);
            }
        }
        match (found.pop(), found.is_empty()) {
            (Some(order), true) => Ok(taken(order)),
            (Some(order), false) => {
                found.push(order);
                Err(found)
            }
            (None, _) => Err(found),
        }
    }
}

fn same_terms(intent: &Intent, order: &Order) -> bool {
    let request = &intent.request;
    let size = match (request.size, order.amount) {
        (Size::Qty(asked), Amount::Qty(has)) => asked == has,
        (Size::Notional { amount, .. }, Amount::Notional(has)) => amount.get() == has.amount,
        (Size::Qty(_), Amount::Notional(_)) | (Size::Notional { .. }, Amount::Qty(_)) => false,
    };
    let leg = order.legs.first();
    size && order.kind == request.trigger.kind()
        && leg.is_some_and(|leg| leg.instrument == intent.instrument.id && leg.side == request.side)
}

fn taken_id(intent: &Intent) -> Error {
    Error::new(ErrorKind::DuplicateOrder)
        .with_broker(intent.broker.clone())
        .with_delivery(Delivery::Answered)
        .with_message(format!("the id {} belongs to an order with other terms", intent.id))
        .with_help("choose another id, or none: then one is drawn")
}
