//! One order's life, as a program would lead it.

use std::time::Duration;

use broker_core::seam::Rng;
use broker_core::{AccountId, Broker, BrokerExt, Error, Order, Placement, Ticket};

use super::own_chance;
use crate::stage::Stage;

/// What the SDK told of an order, a replacement or a cancel.
pub(super) enum Told {
    /// Accepted.
    Accepted(Box<Order>),
    /// Refused.
    Refused(Error),
    /// Never arrived.
    NotPlaced,
    /// No byte left.
    Unsent(Error),
    /// In doubt.
    Open(Ticket),
    /// The order after its cancel.
    Canceled(Box<Order>),
    /// A cancel that was refused, or that nobody knows about.
    CancelFailed,
    /// Settling failed.
    Failed(Error),
}

pub(super) struct Trader<'a> {
    stage: &'a dyn Stage,
    broker: &'a dyn Broker,
    account: AccountId,
    seed: u64,
}

impl<'a> Trader<'a> {
    pub(super) fn new(stage: &'a dyn Stage, broker: &'a dyn Broker, seed: u64) -> Self {
        Self {
            stage,
            broker,
            account: stage.account(),
            seed,
        }
    }

    /// Places an order, and changes or cancels some of those that are still at work a little later.
    pub(super) async fn trade(&self, number: u64) -> Vec<Told> {
        let rng = own_chance(self.seed, number);
        let mut request = self.stage.request(&rng);
        if rng.below(4) == 0 {
            request = request.with_client_id(format!("own{number}s{}", self.seed).as_str().into());
        }
        let mut told = vec![placed(self.broker.place_once(&self.account, request).await)];
        let Some(mut order) = at_work(&told) else { return told };
        if rng.below(5) == 0 && self.broker.capabilities().orders.replace && order.links.group.is_none() {
            self.pause(&rng).await;
            let change = self.stage.change();
            told.push(placed(self.broker.replace_once(&order.reference(), change).await));
            match at_work(&told) {
                Some(changed) => order = changed,
                None => return told,
            }
        }
        if rng.below(5) != 0 {
            self.pause(&rng).await;
            told.push(match self.broker.cancel_once(&order.reference()).await {
                Ok(order) => Told::Canceled(Box::new(order)),
                Err(_) => Told::CancelFailed,
            });
        }
        told
    }

    async fn pause(&self, rng: &dyn Rng) {
        let wait = Duration::from_millis(rng.below(5_000));
        self.broker.context().clock().sleep(wait).await;
    }
}

pub(super) fn placed(result: Result<Placement, Error>) -> Told {
    match result {
        Ok(Placement::Accepted(order)) => Told::Accepted(order),
        Ok(Placement::Rejected(error)) => Told::Refused(error),
        Ok(Placement::InDoubt(ticket)) => Told::Open(ticket),
        Err(error) => Told::Unsent(error),
    }
}

/// The order that was told last, if it was and can still trade.
fn at_work(told: &[Told]) -> Option<Order> {
    match told.last() {
        Some(Told::Accepted(order)) if !order.status.is_final() => Some((**order).clone()),
        _ => None,
    }
}
