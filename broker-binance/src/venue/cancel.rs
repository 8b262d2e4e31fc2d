//! Canceling orders, alone, all at once, and with another in their place.

use broker_core::{InstrumentId, OrderId};
use broker_sim::SimOrder;
use broker_sim::wire::WireRequest;
use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::BinanceVenue;
use super::params::{Params, Refusal, Reply};
use super::place::PLACE;
use super::shapes::{self, millis};

impl BinanceVenue {
    fn canceled_shape(&self, id: &OrderId, cancel: &str, now: DateTime<Utc>) -> Result<Value, Refusal> {
        let order = self.engine.order(&self.account, id)?;
        let symbol = self.symbol_of(order);
        Ok(shapes::canceled(
            order,
            &symbol,
            &self.books,
            self.makes(id),
            cancel,
            millis(now),
        ))
    }

    /// The id of a cancel that was given none.
    fn cancel_id(&self, id: &OrderId) -> String {
        format!("c{}", shapes::made_id(id).chars().take(20).collect::<String>())
    }

    pub(super) fn cancel(&mut self, request: &WireRequest, now: DateTime<Utc>) -> Reply {
        let known = [
            "symbol",
            "orderId",
            "origClientOrderId",
            "newClientOrderId",
            "cancelRestrictions",
        ];
        let params = Params::of(request, &known)?;
        let id = self.cancel_one(&params, "orderId", "origClientOrderId", now)?;
        let cancel = params
            .get("newClientOrderId")
            .map_or_else(|| self.cancel_id(&id), str::to_owned);
        if self.books.list(&id).is_some() {
            return self.canceled_list(&id, &cancel, now).map(|list| list.to_string());
        }
        Ok(self.canceled_shape(&id, &cancel, now)?.to_string())
    }

    fn canceled_list(&self, id: &OrderId, cancel: &str, now: DateTime<Utc>) -> Result<Value, Refusal> {
        let list = self.books.list(id).ok_or_else(Refusal::no_such_order)?;
        let mut shape = self.list_shape(list);
        let reports: Result<Vec<Value>, Refusal> = list
            .orders
            .iter()
            .map(|id| self.canceled_shape(id, cancel, now))
            .collect();
        shape.insert("orderReports".into(), reports?.into());
        Ok(Value::Object(shape))
    }

    /// Cancels an order that is at work, and with it all of its list.
    fn cancel_one(
        &mut self,
        params: &Params<'_>,
        number: &str,
        ours: &str,
        now: DateTime<Utc>,
    ) -> Result<OrderId, Refusal> {
        let unknown = || Refusal::new(-2011, "Unknown order sent.");
        let found = self
            .find_order(params, number, ours)
            .map_err(|refusal| match refusal.code {
                -2013 => unknown(),
                _ => refusal,
            })?;
        let order = found.order().clone();
        if order.status.is_final() {
            return Err(unknown());
        }
        let partly = !order.filled_qty.is_zero();
        match params.get("cancelRestrictions") {
            Some("ONLY_NEW") if partly => {
                return Err(Refusal::new(
                    -2011,
                    "Order was not canceled due to cancel restrictions.",
                ));
            }
            Some("ONLY_PARTIALLY_FILLED") if !partly => {
                return Err(Refusal::new(
                    -2011,
                    "Order was not canceled due to cancel restrictions.",
                ));
            }
            None | Some("ONLY_NEW" | "ONLY_PARTIALLY_FILLED") => {}
            Some(_) => return Err(Refusal::new(-1145, "Invalid cancelRestrictions.")),
        }
        // The engine's exits end with their entry, and not the other way round.
        let whole: Vec<OrderId> = match self.books.list(&order.id) {
            Some(list) => list.orders.clone(),
            None => vec![order.id.clone()],
        };
        for id in whole {
            let is_open = self
                .engine
                .order(&self.account, &id)
                .is_ok_and(|one| !one.order().status.is_final());
            if is_open {
                self.engine.cancel(&self.account, &id, now)?;
            }
        }
        Ok(order.id)
    }

    pub(super) fn cancel_all(&mut self, request: &WireRequest, now: DateTime<Utc>) -> Reply {
        let params = Params::of(request, &["symbol"])?;
        let (_, instrument): (String, InstrumentId) = self.instrument_named(&params)?;
        let of_symbol = |order: &SimOrder| {
            order
                .order()
                .legs
                .first()
                .is_some_and(|leg| leg.instrument == instrument)
        };
        let open = self.engine.open_orders(&self.account)?.filter(|order| of_symbol(order));
        let open: Vec<OrderId> = open.map(|order| order.order().id.clone()).collect();
        if open.is_empty() {
            return Err(Refusal::new(-2011, "Unknown order sent."));
        }
        let mut rows = Vec::new();
        let mut lists = Vec::new();
        for id in &open {
            let is_open = self
                .engine
                .order(&self.account, id)
                .is_ok_and(|one| !one.order().status.is_final());
            if is_open {
                self.engine.cancel(&self.account, id, now)?;
            }
        }
        for id in &open {
            let cancel = self.cancel_id(&open[0]);
            match self.books.list(id).map(|list| list.number) {
                Some(number) if lists.contains(&number) => {}
                Some(number) => {
                    lists.push(number);
                    rows.push(self.canceled_list(id, &cancel, now)?);
                }
                None => rows.push(self.canceled_shape(id, &cancel, now)?),
            }
        }
        Ok(Value::from(rows).to_string())
    }

    /// Cancels, and places another: each half can fail.
    pub(super) fn cancel_replace(&mut self, request: &WireRequest, now: DateTime<Utc>) -> Reply {
        let mut known = PLACE.to_vec();
        known.extend([
            "cancelReplaceMode",
            "cancelOrderId",
            "cancelOrigClientOrderId",
            "cancelNewClientOrderId",
            "cancelRestrictions",
        ]);
        let params = Params::of(request, &known)?;
        let mode = params.needed("cancelReplaceMode")?;
        if !matches!(mode, "STOP_ON_FAILURE" | "ALLOW_FAILURE") {
            return Err(Refusal::new(-1102, "Invalid cancelReplaceMode."));
        }
        let (order, makes) = self.read_order(&params)?;
        let error = |refusal: &Refusal| json!({"code": refusal.code, "msg": refusal.message});
        let canceled = self.cancel_one(&params, "cancelOrderId", "cancelOrigClientOrderId", now);
        let (cancel_word, cancel_body) = match &canceled {
            Ok(id) => {
                let cancel = params
                    .get("cancelNewClientOrderId")
                    .map_or_else(|| self.cancel_id(id), str::to_owned);
                ("SUCCESS", self.canceled_shape(id, &cancel, now)?)
            }
            Err(refusal) => ("FAILURE", error(refusal)),
        };
        let attempted = canceled.is_ok() || mode == "ALLOW_FAILURE";
        let placed = attempted.then(|| self.submit(&order, makes, now));
        let (new_word, new_body) = match &placed {
            None => ("NOT_ATTEMPTED", Value::Null),
            Some(Err(refusal)) => ("FAILURE", error(refusal)),
            Some(Ok(id)) => {
                let order = self.engine.order(&self.account, id)?;
                ("SUCCESS", self.placed_shape(order, params.get("newOrderRespType")))
            }
        };
        let data = json!({
            "cancelResult": cancel_word,
            "newOrderResult": new_word,
            "cancelResponse": cancel_body,
            "newOrderResponse": new_body,
        });
        let (code, status, words) = match (cancel_word, new_word) {
            ("SUCCESS", "SUCCESS") => return Ok(data.to_string()),
            ("SUCCESS", _) | (_, "SUCCESS") => (-2021, 409, "Order cancel-replace partially failed."),
            _ => (-2022, 400, "Order cancel-replace failed."),
        };
        self.halves = Some((status, json!({"code": code, "msg": words, "data": data}).to_string()));
        Err(Refusal::new(code, words).with_status(status))
    }
}
