//! Orders made smaller in their place, and how they were.

use broker_core::model::{OrderChange, OrderKind};
use broker_core::{OrderId, Qty};
use broker_sim::wire::WireRequest;
use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::BinanceVenue;
use super::params::{Params, Refusal, Reply};
use super::place::quantity;
use super::shapes::{self, eight, millis};

/// An order that was made smaller.
#[derive(Debug, Clone)]
pub(super) struct Amended {
    order: OrderId,
    ids: [String; 2],
    qty: [Decimal; 2],
    at: DateTime<Utc>,
}

impl BinanceVenue {
    /// Makes an order smaller in its place.
    pub(super) fn amend(&mut self, request: &WireRequest, now: DateTime<Utc>) -> Reply {
        let known = ["symbol", "orderId", "origClientOrderId", "newQty", "newClientOrderId"];
        let params = Params::of(request, &known)?;
        let qty = quantity(params.decimal("newQty")?.ok_or_else(|| Refusal::missing("newQty"))?)?;
        let new_id = self.client_id(&params, "newClientOrderId")?;
        let order = self
            .find_order(&params, "orderId", "origClientOrderId")?
            .order()
            .clone();
        let rejected = |what: &str| Refusal::new(-2038, format!("Order amend rejected: {what}"));
        let broker_core::model::Amount::Qty(before) = order.amount else {
            return Err(rejected("the order is for money."));
        };
        if order.status.is_final() || order.kind == OrderKind::Market {
            return Err(rejected("the order is not open."));
        }
        if qty >= before || qty <= order.filled_qty {
            return Err(rejected(
                "the new quantity must be smaller than the old one, and larger than what is filled.",
            ));
        }
        let amended = [before.get(), qty.get()];
        self.resize(&order.id, qty, now)?;
        let name = new_id.map_or_else(|| shapes::made_id(&order.id), |id| id.get().to_owned());
        let before = shapes::client_id(&order, &self.books);
        self.amended.push(Amended {
            order: order.id.clone(),
            ids: [before.clone(), name.clone()],
            qty: amended,
            at: now,
        });
        self.books.call(&order.id, name);
        let changed = self.engine.order(&self.account, &order.id)?;
        let mut shape = self.query_shape(changed);
        if let Value::Object(map) = &mut shape {
            let mut rename = |from: &str, to: &str| {
                if let Some(value) = map.remove(from) {
                    map.insert(to.to_owned(), value);
                }
            };
            rename("origQty", "qty");
            rename("cummulativeQuoteQty", "cumulativeQuoteQty");
            rename("origQuoteOrderQty", "quoteOrderQty");
            for name in ["time", "updateTime", "isWorking", "icebergQty", "stopPrice"] {
                map.remove(name);
            }
            map.insert("origClientOrderId".into(), before.into());
            map.insert("preventedQty".into(), "0.00000000".into());
        }
        Ok(json!({"transactTime": millis(now), "executionId": 1, "amendedOrder": shape}).to_string())
    }

    /// Gives an open order another quantity in its place.
    pub(super) fn resize(&mut self, order: &OrderId, qty: Qty, now: DateTime<Utc>) -> Result<(), Refusal> {
        let mut rules = self.engine.rules().clone();
        let usual = rules.replace;
        rules.replace = broker_sim::ReplaceMode::InPlace;
        self.engine.set_rules(rules.clone());
        let change = OrderChange::new().with_qty(qty);
        let changed = self.engine.replace(&self.account, order, &change, None, now);
        rules.replace = usual;
        self.engine.set_rules(rules);
        changed?;
        Ok(())
    }

    /// How an order was made smaller, oldest first.
    pub(super) fn amendments(&self, request: &WireRequest) -> Reply {
        let params = Params::of(request, &["symbol", "orderId", "fromExecutionId", "limit"])?;
        params.needed("orderId")?;
        let found = self.find_order(&params, "orderId", "orderId")?;
        let id = &found.order().id;
        let (from, limit) = (
            params.number("fromExecutionId")?.unwrap_or_default(),
            params.limit(500)?,
        );
        let numbered = (1_u64..).zip(&self.amended);
        let own = numbered.filter(|(number, one)| one.order == *id && *number >= from);
        let row = |(number, one): (u64, &Amended)| {
            json!({
                "symbol": self.symbol_of(found), "orderId": self.books.number(id), "executionId": number,
                "origClientOrderId": one.ids[0], "newClientOrderId": one.ids[1],
                "origQty": eight(one.qty[0]), "newQty": eight(one.qty[1]), "time": millis(one.at),
            })
        };
        Ok(Value::from(own.take(limit).map(row).collect::<Vec<_>>()).to_string())
    }
}
