//! The venue as a broker: the trading side.

use async_trait::async_trait;
use broker_core::journal::{Mark, Replacement};
use broker_core::model::{Amount, OrderChange};
use broker_core::{AccountId, CancelOutcome, Error, Gate, Intent, Order, OrderId, OrderRef, Result, Trading};

use crate::broker::{SimBroker, refused};
use crate::engine::Engine;
use crate::order::SimOrder;

#[async_trait]
impl Trading for SimBroker {
    async fn mark(&self, _account: &AccountId) -> Result<Option<Mark>> {
        Ok(None)
    }

    async fn place(&self, intent: &Intent, gate: &Gate) -> Result<Order> {
        gate.pass()?;
        let now = self.now();
        self.engine()
            .place(&intent.account, &intent.request, Some(intent.id.clone()), now)
            .map_err(refused("place"))
    }

    async fn trace(&self, intent: &Intent) -> Result<Vec<Order>> {
        let engine = self.engine();
        let orders = engine.orders(&intent.account).map_err(refused("trace"))?;
        let changed = |order: &Order| intent.replaces.as_ref().is_some_and(|one| shows(order, one));
        Ok(orders
            .map(SimOrder::order)
            .filter(|order| order.client_id.as_ref() == Some(&intent.id) || changed(order))
            .cloned()
            .collect())
    }

    async fn replace(
        &self,
        order: &OrderRef,
        change: &OrderChange,
        replacement: &Intent,
        gate: &Gate,
    ) -> Result<Order> {
        gate.pass()?;
        let now = self.now();
        let mut engine = self.engine();
        let id = id_of(&engine, order)?;
        engine
            .replace(&order.account, &id, change, Some(replacement.id.clone()), now)
            .map_err(refused("replace"))
    }

    async fn cancel(&self, order: &OrderRef) -> Result<()> {
        let now = self.now();
        let mut engine = self.engine();
        let id = id_of(&engine, order)?;
        engine
            .cancel(&order.account, &id, now)
            .map(|_| ())
            .map_err(refused("cancel"))
    }

    async fn cancel_all(&self, account: &AccountId) -> Result<Vec<CancelOutcome>> {
        let now = self.now();
        let outcomes = self.engine().cancel_all(account, now).map_err(refused("cancel_all"))?;
        Ok(outcomes
            .into_iter()
            .map(|(order, result)| CancelOutcome {
                order,
                result: result.map_err(|reject| Error::from(reject).with_operation("cancel_all")),
            })
            .collect())
    }
}

/// Whether the order itself shows the change: what a venue that changes in place makes.
fn shows(order: &Order, replacement: &Replacement) -> bool {
    let change = &replacement.change;
    replacement.order.id.as_ref() == Some(&order.id)
        && order.links.replaced_by.is_none()
        && change.qty.is_none_or(|qty| order.amount == Amount::Qty(qty))
        && change.limit_price.is_none_or(|price| order.limit_price == Some(price))
        && change.stop_price.is_none_or(|price| order.stop_price == Some(price))
        && change.trail.is_none_or(|trail| order.trail == Some(trail))
        && change
            .time_in_force
            .as_ref()
            .is_none_or(|tif| order.time_in_force.as_ref() == Some(tif))
}

fn id_of(engine: &Engine, order: &OrderRef) -> Result<OrderId> {
    SimBroker::find(engine, order).map(|order| order.order().id.clone())
}
