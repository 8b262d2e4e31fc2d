//! Placing, tracing, changing and canceling orders.
//!
//! An id of ours is unique among open orders only, so an order whose answer was lost is never sent again. Each order and
//! each change is sent with a deadline: behind it, what was not there will not come.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use broker_core::http::{Call, OpClass};
use broker_core::journal::Mark;
use broker_core::limit::Lane;
use broker_core::model::{InstrumentRef, OrderChange};
use broker_core::{
    AccountId, Broker, CancelOutcome, Error, Gate, InstrumentQuery, Intent, Order, OrderId, OrderRef, OrderRequest,
    Result, Trading,
};
use chrono::{DateTime, TimeDelta, Utc};

use crate::broker::KrakenBroker;
use crate::directory::{Pair, held};
use crate::error::odd;
use crate::map::request;
use crate::rest::{Form, no_order};
use crate::wire::{self, AddedJson, AmendedJson, CanceledJson, DeadManJson, EditedJson, filled};

/// Our clock may differ from the venue's: orders so much older than their intent are asked for, too.
const BEFORE: TimeDelta = TimeDelta::minutes(10);

/// What a cancel costs an order of this age in seconds, and what a change does.
const CANCEL_COSTS: [(i64, u32); 6] = [(5, 8), (10, 6), (15, 5), (45, 4), (90, 2), (300, 1)];
const AMEND_COSTS: [(i64, u32); 3] = [(5, 3), (10, 2), (15, 1)];
/// What an edit does, on top of its point.
const EDIT_COSTS: [(i64, u32); 5] = [(5, 6), (10, 5), (15, 4), (45, 2), (90, 1)];

impl KrakenBroker {
    fn check_id(&self, intent: &Intent) -> Result<()> {
        let rule = self.capabilities().orders.client_id;
        rule.map_or(Ok(()), |rule| rule.check(&intent.id))
    }

    /// A call to the matching engine, which counts by pair.
    fn order_call(&self, op: &'static str, name: &str, form: Form, pair: Option<&str>, cost: u32) -> Call {
        let call = self.rest().private(op, OpClass::Write, name, 0, form);
        match pair {
            Some(pair) if cost > 0 => call.costs(&self.orders_bucket(pair), cost),
            _ => call,
        }
    }

    /// Seconds since an order was placed; 0 where that is not known.
    fn age(&self, placed_at: Option<DateTime<Utc>>) -> i64 {
        let now = self.rest().server.at(self.context().clock().now());
        placed_at.map_or(0, |at| (now - at).num_seconds().max(0))
    }

    /// Checks an order without placing it. Gives Kraken's words for it.
    ///
    /// # Errors
    /// What Kraken would refuse it for.
    pub async fn validate(&self, order: &OrderRequest) -> Result<String> {
        let query = match &order.instrument {
            InstrumentRef::Id(id) => InstrumentQuery::Ids(vec![id.clone()]),
            InstrumentRef::Symbol(symbol) => InstrumentQuery::Symbols(vec![symbol.clone()]),
        };
        let unknown = || Error::invalid(format!("{:?} is not listed", order.instrument)).with_broker(self.id());
        let instrument = self.instruments(&query).await?.pop().ok_or_else(unknown)?;
        let directory = self.rest().known().await?;
        let pair = directory.pair(held(instrument.id.get()).1).ok_or_else(unknown)?;
        let form = request::order(order, instrument.id.get(), pair, self.terms())
            .map_err(|error| error.with_broker(self.id()))?;
        let call = self
            .rest()
            .private("validate", OpClass::Read, "AddOrder", 0, form.with("validate", "true"));
        let call = call.costs(&self.orders_bucket(&pair.key), 1);
        let read = |body: &str| {
            let added: AddedJson<'_> = wire::result(body)?;
            if added.txid.as_ref().is_some_and(|ids| !ids.is_empty()) {
                return Err(Error::decode("an order that was only to be checked was placed"));
            }
            let words = added.descr.as_ref();
            let order = words.and_then(|words| filled(&words.order)).unwrap_or_default();
            Ok(match words.and_then(|words| filled(&words.close)) {
                Some(close) => format!("{order}; {close}"),
                None => order.to_owned(),
            })
        };
        self.rest().http.run(call, read).await
    }

    /// Cancels all orders unless this is called again in time: a dead man's switch. Zero turns it off. Gives when it
    /// will be.
    ///
    /// # Errors
    /// As every write that may be repeated.
    pub async fn cancel_all_after(&self, after: Duration) -> Result<Option<DateTime<Utc>>> {
        let form = Form::new().with("timeout", after.as_secs().to_string());
        let call = self
            .rest()
            .private("cancel_all_after", OpClass::Read, "CancelAllOrdersAfter", 1, form);
        let read = |body: &str| {
            let answer: DeadManJson<'_> = wire::result(body)?;
            let text = filled(&answer.trigger_time).filter(|text| *text != "0");
            let time = text.map(|text| {
                let at = DateTime::parse_from_rfc3339(text);
                at.map_err(|_| Error::decode(format!("{text:?} is no time")))
            });
            Ok(time.transpose()?.map(|at| at.to_utc()))
        };
        self.rest().http.run(call.in_lane(Lane::Cancel), read).await
    }

    /// The older way to change an order: it is canceled and another takes its place, with another id, behind those that
    /// wait, and without our id. Gives the new id. Prefer [`replace_once`](broker_core::BrokerExt::replace_once).
    ///
    /// # Errors
    /// [`Delivery::Unknown`](broker_core::Delivery::Unknown): it may be done. Read the order.
    pub async fn edit(&self, order: &OrderRef, change: &OrderChange) -> Result<OrderId> {
        let unsent = Error::unsent(self.id(), "edit");
        let old = self.order(order).await.map_err(&unsent)?;
        let pair = self.pair_of(&old).await.map_err(&unsent)?;
        let form = request::edit(&old, change, &pair).map_err(&unsent)?;
        self.rest().know_clock().await.map_err(&unsent)?;
        let cost = 1 + cost(&EDIT_COSTS, self.age(old.created_at));
        let call = self.order_call("edit", "EditOrder", form, Some(&pair.key), cost);
        let read = |body: &str| match wire::result::<EditedJson<'_>>(body)?.txid.get() {
            "" => Err(odd(OpClass::Write, "the answer to an edit names no order")),
            id => Ok(OrderId::from(id)),
        };
        self.rest().http.run(call, read).await
    }

    async fn pair_of(&self, order: &Order) -> Result<Arc<Pair>> {
        let directory = self.rest().known().await?;
        let leg = order.legs.first();
        let pair = leg.and_then(|leg| directory.pair(held(leg.instrument.get()).1));
        pair.cloned()
            .ok_or_else(|| Error::invalid("the order's pair is not listed"))
    }
}

fn cost(table: &[(i64, u32)], age: i64) -> u32 {
    let row = table.iter().find(|(younger, _)| age < *younger);
    row.map_or(0, |(_, cost)| *cost)
}

#[async_trait]
impl Trading for KrakenBroker {
    /// The id is enough.
    async fn mark(&self, _account: &AccountId) -> Result<Option<Mark>> {
        Ok(None)
    }

    async fn place(&self, intent: &Intent, gate: &Gate) -> Result<Order> {
        let unsent = Error::unsent(self.id(), "place");
        self.check_id(intent).map_err(&unsent)?;
        self.check(&intent.account).map_err(&unsent)?;
        let (_, name) = held(intent.instrument.id.get());
        let directory = self
            .rest()
            .directory(|directory| directory.pair(name).is_some())
            .await
            .map_err(&unsent)?;
        let unknown = || Error::invalid(format!("{name} is not listed"));
        let pair = directory.pair(name).ok_or_else(unknown).map_err(&unsent)?;
        let form = request::place(intent, pair, self.terms()).map_err(&unsent)?;
        // The deadline is by the venue's clock.
        self.rest().know_clock().await.map_err(&unsent)?;
        let call = self
            .order_call("place", "AddOrder", form, Some(&pair.key), 1)
            .gated(gate);
        let read = |body: &str| {
            let added: AddedJson<'_> = wire::result(body)?;
            match added.txid.as_deref() {
                Some([id]) if !id.get().is_empty() => Ok(request::placed(id.get(), intent)),
                _ => Err(odd(OpClass::Write, "the answer to an order does not name exactly one")),
            }
        };
        let order = self.rest().http.run(call, read).await?;
        self.unechoed().keep(&order);
        Ok(order)
    }

    async fn trace(&self, intent: &Intent) -> Result<Vec<Order>> {
        self.check(&intent.account)?;
        if let Some(replacement) = &intent.replaces {
            let now = self.order(&replacement.order).await?;
            return Ok(Some(now)
                .filter(|order| request::shows(order, &replacement.change))
                .into_iter()
                .collect());
        }
        let since = self.rest().server.at(intent.created_at) - BEFORE;
        let found = self
            .rest()
            .orders_by_client_id("trace", &intent.account, &intent.id, Some(since))
            .await?;
        Ok(found.into_iter().map(|order| self.unechoed().complete(order)).collect())
    }

    /// Reads the order first: what cannot be changed is refused without sending the change. The order keeps its id, and
    /// is given as it was.
    async fn replace(
        &self,
        order: &OrderRef,
        change: &OrderChange,
        replacement: &Intent,
        gate: &Gate,
    ) -> Result<Order> {
        let unsent = Error::unsent(self.id(), "replace");
        self.check(&replacement.account).map_err(&unsent)?;
        let old = self.order(order).await.map_err(&unsent)?;
        let pair = self.pair_of(&old).await.map_err(&unsent)?;
        let form = request::amend(&old, change, &pair).map_err(&unsent)?;
        self.rest().know_clock().await.map_err(&unsent)?;
        let cost = 1 + cost(&AMEND_COSTS, self.age(old.created_at));
        let call = self
            .order_call("replace", "AmendOrder", form, Some(&pair.key), cost)
            .gated(gate);
        let read = |body: &str| match wire::result::<AmendedJson<'_>>(body)?.amend_id.get() {
            "" => Err(odd(OpClass::Write, "the answer to a change names none")),
            _ => Ok(()),
        };
        self.rest().http.run(call, read).await?;
        Ok(old)
    }

    async fn cancel(&self, order: &OrderRef) -> Result<()> {
        let unsent = Error::unsent(self.id(), "cancel");
        self.check(&order.account).map_err(&unsent)?;
        let form = match (&order.id, &order.client_id) {
            (Some(id), _) => Form::new().with("txid", id.get()),
            (None, Some(id)) => Form::new().with("cl_ord_id", id.get()),
            (None, None) => {
                return Err(unsent(Error::invalid(
                    "an order is named by its id or by its client order id",
                )));
            }
        };
        let pair = order.instrument.as_ref().map(|instrument| held(instrument.get()).1);
        let cost = cost(&CANCEL_COSTS, self.age(order.placed_at));
        let call = self.order_call("cancel", "CancelOrder", form, pair, cost);
        let read = |body: &str| match wire::result::<CanceledJson>(body)?.count {
            0 => Err(no_order()),
            _ => Ok(()),
        };
        self.rest().http.run(call.in_lane(Lane::Cancel), read).await
    }

    /// Kraken says how many it canceled, not which: those that were open just before are named.
    async fn cancel_all(&self, account: &AccountId) -> Result<Vec<CancelOutcome>> {
        const OPERATION: &str = "cancel_all";
        let unsent = Error::unsent(self.id(), OPERATION);
        self.check(account).map_err(&unsent)?;
        let open = self
            .rest()
            .open_orders(OPERATION, account, None)
            .await
            .map_err(&unsent)?;
        let call = self
            .rest()
            .private(OPERATION, OpClass::Write, "CancelAll", 1, Form::new());
        let read = |body: &str| wire::result::<CanceledJson>(body).map(|answer| answer.count);
        self.rest().http.run(call.in_lane(Lane::Cancel), read).await?;
        let outcome = |order: Order| CancelOutcome {
            order: order.id,
            result: Ok(()),
        };
        Ok(open.into_iter().map(outcome).collect())
    }
}
