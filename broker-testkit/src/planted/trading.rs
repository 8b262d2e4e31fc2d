//! Bugs in placing orders: in what a broker crate says of an attempt, never in the core.

use async_trait::async_trait;
use broker_core::journal::Mark;
use broker_core::model::OrderChange;
use broker_core::{AccountId, CancelOutcome, Delivery, Error, Gate, Intent, Order, OrderRef, Result, Trading};

use super::{Planted, PlantedBug};

impl Planted {
    /// The broker's own trading side. It is asked for only where there is one.
    fn own(&self) -> Result<&dyn Trading> {
        self.inner.trading().ok_or_else(|| Error::unsupported("trading"))
    }

    fn misread(&self, error: Error) -> Error {
        let is_doubt = error.delivery() == Delivery::Unknown;
        let by_server = error.status().is_some_and(|status| status >= 500);
        let closed = error.message().is_some_and(|message| message.contains("closed before"));
        match self.bug {
            PlantedBug::FinAsNotSent if is_doubt && closed => error.with_delivery(Delivery::NotSent),
            PlantedBug::ErrorAsRefusal if is_doubt && by_server => error.with_delivery(Delivery::Answered),
            _ => error,
        }
    }
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl Trading for Planted {
    async fn mark(&self, account: &AccountId) -> Result<Option<Mark>> {
        self.own()?.mark(account).await
    }

    async fn place(&self, intent: &Intent, gate: &Gate) -> Result<Order> {
        let own = self.own()?;
        let opened = Gate::new();
        let gate = match self.bug {
            PlantedBug::GateIgnored => &opened,
            _ => gate,
        };
        match own.place(intent, gate).await {
            Err(error) if self.bug == PlantedBug::BlindResend && error.delivery() == Delivery::Unknown => {
                own.place(intent, gate).await
            }
            placed => placed.map_err(|error| self.misread(error)),
        }
    }

    async fn trace(&self, intent: &Intent) -> Result<Vec<Order>> {
        self.own()?.trace(intent).await
    }

    async fn replace(
        &self,
        order: &OrderRef,
        change: &OrderChange,
        replacement: &Intent,
        gate: &Gate,
    ) -> Result<Order> {
        let replaced = self.own()?.replace(order, change, replacement, gate).await;
        replaced.map_err(|error| self.misread(error))
    }

    async fn cancel(&self, order: &OrderRef) -> Result<()> {
        self.own()?.cancel(order).await
    }

    async fn cancel_all(&self, account: &AccountId) -> Result<Vec<CancelOutcome>> {
        self.own()?.cancel_all(account).await
    }
}
