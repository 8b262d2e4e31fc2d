//! Placing, tracing, replacing and canceling orders.
//!
//! Every order carries our id, and Alpaca refuses an id that it has seen, so an attempt whose answer was lost is
//! traced by it. An answer that is not proven to be about our order is a doubt, never a refusal.

use async_trait::async_trait;
use broker_core::http::{Call, OpClass};
use broker_core::journal::Mark;
use broker_core::limit::Lane;
use broker_core::model::{OrderChange, OrderStatus};
use broker_core::{
    AccountId, Broker, CancelOutcome, Delivery, Error, ErrorKind, Gate, Intent, Order, OrderId, OrderRef, Result,
    Trading,
};
use http::{Method, StatusCode};
use serde::Serialize;

use crate::broker::AlpacaBroker;
use crate::error::{self, NO_SUCH_ORDER};
use crate::map::{self, request};
use crate::rest::{ORDERS, Rest, order_path};
use crate::wire::{self, CancelRowJson};

impl AlpacaBroker {
    fn check_id(&self, intent: &Intent) -> Result<()> {
        let rule = self.capabilities().orders.client_id;
        rule.map_or(Ok(()), |rule| rule.check(&intent.id))
    }

    /// The order that carries the intent's id. `None` only where Alpaca itself says that there is none: a gateway
    /// has pages for what it does not find, too.
    async fn find(&self, intent: &Intent) -> Result<Option<Order>> {
        let found = self.rest().order_by_client_id(&intent.account, &intent.id).await;
        match found {
            Ok(order) if order.client_id.as_ref() == Some(&intent.id) => Ok(Some(order)),
            Ok(_) => Err(Error::new(ErrorKind::Protocol)
                .with_delivery(Delivery::Answered)
                .with_broker(self.id())
                .with_operation("trace")
                .with_message("asked for one client order id, answered with another")),
            Err(error) if error.status() == Some(404) && error.code() == Some(NO_SUCH_ORDER) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// A change that was taken shows in the order that it changed, too.
    async fn find_behind(&self, replaced: &OrderRef, intent: &Intent) -> Result<Option<Order>> {
        let old = self.rest().order(replaced).await?;
        match &old.links.replaced_by {
            Some(id) => {
                let new = self.rest().order_by_id(&intent.account, id).await?;
                Ok(Some(new).filter(|new| new.client_id.as_ref() == Some(&intent.id)))
            }
            None if old.status == OrderStatus::PendingReplace => Err(Error::new(ErrorKind::Unavailable)
                .with_delivery(Delivery::Answered)
                .with_broker(self.id())
                .with_operation("trace")
                .with_message("the order is being replaced, and not told by which")),
            None => Ok(None),
        }
    }
}

#[async_trait]
impl Trading for AlpacaBroker {
    /// The id is enough.
    async fn mark(&self, _account: &AccountId) -> Result<Option<Mark>> {
        Ok(None)
    }

    async fn place(&self, intent: &Intent, gate: &Gate) -> Result<Order> {
        let unsent = Error::unsent(self.id(), "place");
        self.check_id(intent).map_err(&unsent)?;
        let body = request::place(intent).and_then(|json| text(&json)).map_err(&unsent)?;
        self.check(&intent.account).await.map_err(&unsent)?;
        let call = self.rest().write("place", Method::POST, ORDERS);
        self.rest().order_of(call.json(body).gated(gate), intent).await
    }

    async fn trace(&self, intent: &Intent) -> Result<Vec<Order>> {
        self.check(&intent.account).await?;
        let found = match (self.find(intent).await?, &intent.replaces) {
            (None, Some(replacement)) => self.find_behind(&replacement.order, intent).await?,
            (found, _) => found,
        };
        Ok(found.into_iter().collect())
    }

    /// Reads the order first: the body of a change has one word for a trail in price and one in percent, and what
    /// cannot be changed is refused without sending the change.
    async fn replace(
        &self,
        order: &OrderRef,
        change: &OrderChange,
        replacement: &Intent,
        gate: &Gate,
    ) -> Result<Order> {
        let unsent = Error::unsent(self.id(), "replace");
        self.check_id(replacement).map_err(&unsent)?;
        self.check(&order.account).await.map_err(&unsent)?;
        let old = self.rest().order(order).await.map_err(&unsent)?;
        let body = request::replace(&old, change, replacement).and_then(|json| text(&json));
        let body = body.map_err(&unsent)?;
        let path = order_path(&old.id).map_err(&unsent)?;
        let call = self.rest().write("replace", Method::PATCH, path);
        self.rest().order_of(call.json(body).gated(gate), replacement).await
    }

    async fn cancel(&self, order: &OrderRef) -> Result<()> {
        let unsent = Error::unsent(self.id(), "cancel");
        self.check(&order.account).await.map_err(&unsent)?;
        let path = match &order.id {
            Some(id) => order_path(id),
            None => order_path(&self.rest().order(order).await.map_err(&unsent)?.id),
        };
        let call = self.rest().write("cancel", Method::DELETE, path.map_err(&unsent)?);
        // 204 says that the request was taken, and nothing else.
        self.rest().http.run(call.in_lane(Lane::Cancel), |_| Ok(())).await
    }

    async fn cancel_all(&self, account: &AccountId) -> Result<Vec<CancelOutcome>> {
        const OPERATION: &str = "cancel_all";
        self.check(account).await.map_err(Error::unsent(self.id(), OPERATION))?;
        let named = |error: Error| error.with_broker(self.id()).with_operation(OPERATION);
        let read = |body: &str| {
            let rows: Vec<CancelRowJson<'_>> = wire::decode(body)?;
            let outcome = |row: &CancelRowJson<'_>| CancelOutcome {
                order: OrderId::from(row.id.get()),
                result: canceled(row).map_err(named),
            };
            Ok(rows.iter().map(outcome).collect())
        };
        let call = self.rest().write(OPERATION, Method::DELETE, ORDERS);
        self.rest().http.run(call.in_lane(Lane::Cancel), read).await
    }
}

impl Rest {
    fn write(&self, op: &'static str, method: Method, path: impl Into<String>) -> Call {
        Call::new(op, OpClass::Write, method, &self.trading, path).costs(&self.trading_bucket, 1)
    }

    /// Sends an order or a change once. An answer that cannot be read, or that is about an order of another id,
    /// leaves open what became of ours.
    async fn order_of(&self, call: Call, intent: &Intent) -> Result<Order> {
        let read = |body: &str| {
            let order = map::order::first(body, &intent.account)?;
            match order.client_id.as_ref() == Some(&intent.id) && !order.id.get().is_empty() {
                true => Ok(order),
                false => Err(Error::decode(
                    "the answer is about another order than the one that was sent",
                )),
            }
        };
        self.http.run(call, read).await
    }
}

fn text(json: &impl Serialize) -> Result<String> {
    serde_json::to_string(json).map_err(|error| Error::invalid("the order cannot be written").with_source(error))
}

/// Each row has a status of its own, and the body that the order's own cancel would have been answered with.
fn canceled(row: &CancelRowJson<'_>) -> Result<()> {
    if StatusCode::from_u16(row.status).is_ok_and(|status| status.is_success()) {
        return Ok(());
    }
    let body = row.body.map_or("", |body| body.get());
    let refusal = error::refusal(&Method::DELETE, ORDERS, row.status, body);
    let delivery = match refusal.kind() {
        ErrorKind::Unavailable => Delivery::Unknown,
        _ => Delivery::Answered,
    };
    Err(refusal.with_delivery(delivery))
}
