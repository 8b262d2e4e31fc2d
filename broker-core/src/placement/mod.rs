//! Orders that are never sent twice and never thought dead while they live.
//!
//! An attempt to place has three ends: the venue has the order, the venue refused it, or nobody knows yet. What is in
//! doubt is looked up, more than once, and only lookups that were asked late enough prove that it is not there.
//! [`BrokerExt`](crate::BrokerExt) is the way in; this is what it answers with.
//!
//! # How long it takes
//! Without faults one exchange. In doubt, each look-up phase of [`place_once`](crate::BrokerExt::place_once),
//! [`settle`](crate::BrokerExt::settle) and [`recover`](crate::BrokerExt::recover) lasts up to half a minute beyond the
//! moment from which lookups prove something, where that is at most two minutes away; `place_once` has one such phase
//! after each of its sends, of which there are three at most where sending again is safe.

mod attempt;
mod cancel;
mod check;
mod desk;
mod inquiry;
mod prepare;
mod replace;
mod settle;
mod steps;
mod trace;
mod watch;

use std::time::Duration;

pub use check::PreTradeCheck;
pub(crate) use desk::Desk;
pub use trace::{Trace, Traces};

use crate::error::{Delivery, Error, ErrorKind};
use crate::journal::Intent;
use crate::model::{Order, OrderRef, OrderStatus};

pub(crate) use cancel::cancel_once;
pub(crate) use prepare::{close, place_once};
pub(crate) use replace::replace_once;
pub(crate) use settle::{abandon, recover, resend, settle};
pub(crate) use watch::wait_until_final;

/// What became of a placement. An `Err` in its stead means that no byte of the order left us.
#[derive(Debug, Clone)]
#[must_use = "an order in doubt may be at the venue"]
pub enum Placement {
    /// The venue has it.
    Accepted(Box<Order>),
    /// It is not at work, by the venue's own answer.
    Rejected(Error),
    /// It may be there: [`settle`](crate::BrokerExt::settle) the ticket.
    InDoubt(Ticket),
}

/// What became of an order in doubt.
#[derive(Debug, Clone)]
#[must_use = "an order in doubt may be at the venue"]
pub enum Settled {
    /// The venue has it.
    Accepted(Box<Order>),
    /// It is not at work, by the venue's own answer.
    Rejected(Error),
    /// It never arrived, and can no longer: looked up twice, late enough for proof.
    NotPlaced,
    /// Still nobody knows.
    InDoubt(Ticket),
}

impl Settled {
    /// Whether it is known now.
    pub fn is_settled(&self) -> bool {
        !matches!(self, Self::InDoubt(_))
    }
}

/// An intent of an earlier time, and what became of it.
#[derive(Debug, Clone)]
pub struct Recovery {
    /// What was to be placed.
    pub intent: Intent,
    /// What became of it.
    pub settled: Settled,
}

/// An order that may be at the venue. Its intent stands in the journal until it is settled or abandoned.
#[derive(Debug, Clone)]
pub struct Ticket(Box<Doubt>);

#[derive(Debug, Clone)]
struct Doubt {
    intent: Intent,
    reason: Error,
    /// When the last attempt ended, on the context's clock.
    ended: Duration,
    candidates: Vec<Order>,
}

impl Ticket {
    pub(crate) fn new(intent: Intent, reason: Error, ended: Duration, candidates: Vec<Order>) -> Self {
        Self(Box::new(Doubt {
            intent,
            reason,
            ended,
            candidates,
        }))
    }

    /// What was to be placed.
    pub fn intent(&self) -> &Intent {
        &self.0.intent
    }

    /// Why it is in doubt.
    pub fn reason(&self) -> &Error {
        &self.0.reason
    }

    /// Orders that could be it, where there is more than one.
    pub fn candidates(&self) -> &[Order] {
        &self.0.candidates
    }

    /// A full reference to the order, by our id.
    pub fn reference(&self) -> OrderRef {
        let intent = self.intent();
        let by_id = OrderRef::by_client_id(&intent.account, intent.id.clone());
        OrderRef {
            placed_at: Some(intent.created_at),
            ..by_id.with_instrument(intent.instrument.id.clone())
        }
    }
}

/// An order that the venue took and then refused is refused.
fn taken(order: Order) -> Settled {
    if order.status != OrderStatus::Rejected || !order.filled_qty.is_zero() {
        return Settled::Accepted(Box::new(order));
    }
    let reason = order
        .reason
        .as_deref()
        .unwrap_or("the venue took the order and then refused it");
    Settled::Rejected(
        Error::new(ErrorKind::OrderRejected)
            .with_delivery(Delivery::Answered)
            .with_message(reason),
    )
}
