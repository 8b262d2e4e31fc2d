//! Placing, tracing and canceling orders.
//!
//! Every order carries our id, but Binance refuses an id among open orders only: nothing is ever sent a second time. A
//! request is refused once its receive window is over, which bounds how long a lost answer stays a doubt.

use async_trait::async_trait;
use broker_core::http::{Call, OpClass};
use broker_core::journal::Mark;
use broker_core::limit::Lane;
use broker_core::model::OrderChange;
use broker_core::{
    AccountId, Broker, CancelOutcome, ClientOrderId, Delivery, Error, ErrorKind, Gate, InstrumentId, Intent, Order,
    OrderRef, Qty, Result, Trading,
};
use http::Method;

use crate::broker::BinanceBroker;
use crate::error::{ARCHIVED_ORDER, NO_SUCH_ORDER};
use crate::map::request::{self, Sending, Style, Terms};
use crate::map::{self, Pair};
use crate::reads::expect_same;
use crate::rest::{ORDER, Params, Rest, with};
use crate::wire::{self, AmendJson, CanceledJson, OrderJson, OrderListJson};

impl BinanceBroker {
    /// A handle whose limit orders are refused where they would take (`LIMIT_MAKER`). All else is shared with this one.
    #[must_use]
    pub fn post_only(&self) -> Self {
        self.with_style(Style::PostOnly)
    }

    /// A handle whose orders at a limit show so much at a time (`icebergQty`). All else is shared with this one.
    #[must_use]
    pub fn iceberg(&self, shown: Qty) -> Self {
        self.with_style(Style::Iceberg(shown))
    }

    /// Makes an open order smaller, which keeps its place in the queue; `qty` counts what is filled already. One
    /// attempt: after an error whose delivery is unknown, read the order.
    pub async fn reduce(&self, order: &OrderRef, qty: Qty) -> Result<Order> {
        let unsent = Error::unsent(self.id(), "reduce");
        self.check(&order.account).await.map_err(&unsent)?;
        let old = self.find(order).await.map_err(&unsent)?;
        let (symbol, name) = self.named(&old.reference()).map_err(&unsent)?;
        let pair = self.pair(&symbol).await.map_err(&unsent)?;
        let mut params = vec![("symbol", symbol), name, ("newQty", qty.get().normalize().to_string())];
        // Without it a new id is drawn.
        params.extend(old.client_id.iter().map(|id| ("newClientOrderId", id.get().to_owned())));
        let call = self
            .rest()
            .write("reduce", Method::PUT, "/api/v3/order/amend/keepPriority", &params, 4);
        let read = |body: &str| {
            let amended = map::order::amended(&wire::decode::<AmendJson<'_>>(body)?, &pair, &order.account)?;
            expect_same(&old.reference(), &amended)?;
            Ok(amended)
        };
        let mut amended = self.rest().http.run(call, read).await?;
        // The answer leaves out what cannot have changed.
        (amended.created_at, amended.stop_price, amended.trail) = (old.created_at, old.stop_price, old.trail);
        amended.links = old.links;
        Ok(amended)
    }

    pub(crate) fn terms(&self) -> Terms {
        Terms {
            style: self.style(),
            exits_of_received: self.exits_of_received(),
        }
    }

    pub(crate) fn check_id(&self, id: &ClientOrderId) -> Result<()> {
        let rule = self.capabilities().orders.client_id;
        rule.map_or(Ok(()), |rule| rule.check(id))
    }

    /// The order that carries the intent's id. `None` only where Binance itself says that there is none.
    async fn carrying(&self, intent: &Intent) -> Result<Option<Order>> {
        let named =
            OrderRef::by_client_id(&intent.account, intent.id.clone()).with_instrument(intent.instrument.id.clone());
        match self.find(&named).await {
            Ok(order) if order.client_id.as_ref() == Some(&intent.id) => Ok(Some(order)),
            Ok(_) => Err(Error::new(ErrorKind::Protocol)
                .with_delivery(Delivery::Answered)
                .with_broker(self.id())
                .with_operation("trace")
                .with_message("asked for one client order id, answered with another")),
            Err(error)
                if error
                    .code()
                    .is_some_and(|code| [NO_SUCH_ORDER, ARCHIVED_ORDER].contains(&code)) =>
            {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }
}

#[async_trait]
impl Trading for BinanceBroker {
    /// Id and instrument are enough.
    async fn mark(&self, _account: &AccountId) -> Result<Option<Mark>> {
        Ok(None)
    }

    async fn place(&self, intent: &Intent, gate: &Gate) -> Result<Order> {
        let unsent = Error::unsent(self.id(), "place");
        self.check_id(&intent.id).map_err(&unsent)?;
        let sending = request::place(intent, self.terms()).map_err(&unsent)?;
        self.check(&intent.account).await.map_err(&unsent)?;
        let pair = map::instrument::pair(&intent.instrument, false);
        let read = |body: &str| placed(body, sending.orders > 1, &pair, intent);
        let call = self.rest().order_call(&sending).gated(gate);
        self.rest().http.run(call, read).await
    }

    async fn trace(&self, intent: &Intent) -> Result<Vec<Order>> {
        self.check(&intent.account).await?;
        Ok(self.carrying(intent).await?.into_iter().collect())
    }

    /// Binance cancels and places anew, and no order says which one took its place: that is
    /// [`cancel_replace`](BinanceBroker::cancel_replace). Smaller in place is [`reduce`](BinanceBroker::reduce).
    async fn replace(&self, _: &OrderRef, _: &OrderChange, _: &Intent, _: &Gate) -> Result<Order> {
        let what = "changing an order: cancel_replace() cancels it and places another, reduce() makes it smaller";
        Err(Error::unsent(self.id(), "replace")(Error::unsupported(what)))
    }

    /// An order of a list takes all of the list with it.
    async fn cancel(&self, order: &OrderRef) -> Result<()> {
        let unsent = Error::unsent(self.id(), "cancel");
        self.check(&order.account).await.map_err(&unsent)?;
        let (symbol, name) = self.named(order).map_err(&unsent)?;
        let call = self
            .rest()
            .write("cancel", Method::DELETE, ORDER, &[("symbol", symbol), name], 1);
        self.rest().http.run(call.in_lane(Lane::Cancel), |_| Ok(())).await
    }

    /// Symbol by symbol: Binance cancels no more at once.
    async fn cancel_all(&self, account: &AccountId) -> Result<Vec<CancelOutcome>> {
        const OPERATION: &str = "cancel_all";
        let unsent = Error::unsent(self.id(), OPERATION);
        self.check(account).await.map_err(&unsent)?;
        let open = self.open_orders(account, None).await.map_err(&unsent)?;
        let mut symbols: Vec<InstrumentId> = Vec::new();
        for leg in open.iter().flat_map(|order| &order.legs) {
            if !symbols.contains(&leg.instrument) {
                symbols.push(leg.instrument.clone());
            }
        }
        let mut outcomes = Vec::new();
        for symbol in symbols {
            let params = [("symbol", symbol.get().to_owned())];
            let call = self
                .rest()
                .write(OPERATION, Method::DELETE, "/api/v3/openOrders", &params, 1);
            let canceled = self.rest().http.run(call.in_lane(Lane::Cancel), canceled).await;
            let of_symbol = open
                .iter()
                .filter(|order| order.legs.iter().any(|leg| leg.instrument == symbol));
            outcomes.extend(of_symbol.map(|order| {
                CancelOutcome {
                    order: order.id.clone(),
                    result: match &canceled {
                        Ok(rows) if rows.contains(&order.id) => Ok(()),
                        Ok(_) => Err(Error::new(ErrorKind::NotFound)
                            .with_delivery(Delivery::Answered)
                            .with_broker(self.id())
                            .with_operation(OPERATION)
                            .with_message("it was not among the orders that were canceled: read it")),
                        Err(error) => Err(error.clone()),
                    },
                }
            }));
        }
        Ok(outcomes)
    }
}

impl Rest {
    pub(crate) fn write(
        &self,
        op: &'static str,
        method: Method,
        path: &'static str,
        params: Params<'_>,
        weight: u32,
    ) -> Call {
        with(Call::new(op, OpClass::Write, method, &self.base, path), params).costs(&self.buckets.weight, weight)
    }

    /// A call that places orders, which count until they fill.
    pub(crate) fn order_call(&self, sending: &Sending) -> Call {
        self.write("place", Method::POST, sending.path, &sending.params, 1)
            .costs(&self.buckets.orders, sending.orders)
            .costs(&self.buckets.orders_a_day, sending.orders)
    }
}

/// The order that was placed, of a list the one that carries our id. An answer that is about another order leaves open
/// what became of ours.
fn placed(body: &str, listed: bool, pair: &Pair, intent: &Intent) -> Result<Order> {
    let other = || Error::decode("the answer is about another order than the one that was sent");
    let ours = |order: &OrderJson<'_>| {
        order.symbol.get() == pair.id.get()
            && order
                .client_order_id
                .as_ref()
                .is_some_and(|id| id.get() == intent.id.get())
    };
    if !listed {
        let wire: OrderJson<'_> = wire::decode(body)?;
        return match ours(&wire) {
            true => map::order::order(&wire, pair, &intent.account),
            false => Err(other()),
        };
    }
    let wire: OrderListJson<'_> = wire::decode(body)?;
    let report = wire
        .order_reports
        .iter()
        .find(|report| ours(report))
        .ok_or_else(other)?;
    let mut order = map::order::order(report, pair, &intent.account)?;
    order.links = map::order::list(&wire)?.links_of(&order.id).ok_or_else(other)?;
    Ok(order)
}

/// The ids of all orders that were canceled; a list stands for all of its own.
fn canceled(body: &str) -> Result<Vec<broker_core::OrderId>> {
    let rows: Vec<CanceledJson<'_>> = wire::decode(body)?;
    let mut ids = Vec::new();
    for row in &rows {
        if row.order_id.is_none() && row.orders.is_empty() {
            return Err(Error::decode("a row of what was canceled that names no order"));
        }
        ids.extend(row.order_id.map(|number| map::order_id(row.symbol.get(), number)));
        ids.extend(
            row.orders
                .iter()
                .map(|one| map::order_id(one.symbol.get(), one.order_id)),
        );
    }
    Ok(ids)
}
