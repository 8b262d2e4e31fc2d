//! Changing orders, in place or by another, and what became of them.

use std::collections::BTreeMap;

use broker_core::model::{Amount, OrderChange};
use broker_core::num::decimal;
use broker_core::{Order, OrderId, Price, Qty, Side};
use broker_sim::ReplaceMode;
use chrono::{DateTime, Utc};
use rust_decimal::Decimal;

use super::KrakenVenue;
use super::catalogue::PairSpec;
use super::ids;
use super::json::{Object, array, padded};
use super::orders::kind_word;
use super::params::Params;
use super::place::{check_deadline, trail};
use super::refusal::{Refusal, Reply};

/// Orders that were amended: each state as `OrderAmends` tells it, the first as it was placed.
pub(super) type Amends = BTreeMap<OrderId, Vec<String>>;

impl KrakenVenue {
    pub(super) fn amend_order(&mut self, params: &Params, now: DateTime<Utc>) -> Reply {
        params.only(&[
            "txid",
            "cl_ord_id",
            "order_qty",
            "display_qty",
            "limit_price",
            "trigger_price",
            "pair",
            "post_only",
            "deadline",
        ])?;
        let id = self.named(params)?;
        self.charge_for(&id, 1, &[(5, 3), (10, 2), (15, 1)], now)?;
        check_deadline(params, now)?;
        let before = self.engine.order(&self.account, &id)?.order();
        let (trails, original) = (before.trail.is_some(), placed(before));
        let mut change = OrderChange::new();
        if let Some(qty) = params.decimal("order_qty")? {
            change = change.with_qty(Qty::new(qty).map_err(|_| Refusal::argument("order_qty"))?);
        }
        if let Some(limit) = params.decimal("limit_price")? {
            change = change.with_limit_price(Price::new(limit));
        }
        match params.get("trigger_price") {
            Some(text) if trails => change = change.with_trail(trail(text, "trigger_price")?),
            Some(text) => {
                let price = decimal(text).map_err(|_| Refusal::argument("trigger_price"))?;
                change = change.with_stop_price(Price::new(price));
            }
            None => {}
        }
        if change == OrderChange::new() {
            return Err(Refusal::argument("no amend parameters"));
        }
        let after = self.engine.replace(&self.account, &id, &change, None, now)?;
        let amends = self.amends.entry(id.clone()).or_insert_with(|| vec![original]);
        let amend = ids::other(&format!("{}:{}", id.get(), amends.len()));
        amends.push(amended(&after, "user", &amend, Some(now)));
        Ok(Object::new().text("amend_id", &amend).end())
    }

    pub(super) fn edit_order(&mut self, params: &Params, now: DateTime<Utc>) -> Reply {
        params.only(&["txid", "pair", "volume", "price", "price2", "deadline"])?;
        let pair = PairSpec::of(params.needed("pair")?).ok_or_else(|| Refusal::new("EQuery:Unknown asset pair"))?;
        let id = self.order_id(params.needed("txid")?)?;
        self.charge_for(&id, 1, &[(5, 6), (10, 5), (15, 4), (45, 2), (90, 1)], now)?;
        check_deadline(params, now)?;
        let order = self.engine.order(&self.account, &id)?.order().clone();
        let is_of_pair = |id: &str| id.trim_start_matches("margin:") == pair.key;
        if !order.legs.iter().all(|leg| is_of_pair(leg.instrument.get())) {
            return Err(Refusal::argument("pair"));
        }
        let mut change = OrderChange::new();
        if let Some(qty) = params.decimal("volume")? {
            change = change.with_qty(Qty::new(qty).map_err(|_| Refusal::argument("volume"))?);
        }
        let price = |name: &str| Ok::<_, Refusal>(params.decimal(name)?.map(Price::new));
        if order.trail.is_some() {
            if let Some(text) = params.get("price") {
                change = change.with_trail(trail(text, "price")?);
            }
        } else if order.stop_price.is_some() {
            (change.stop_price, change.limit_price) = (price("price")?, price("price2")?);
        } else {
            change.limit_price = price("price")?;
        }
        let has_second = order.stop_price.is_some() && order.limit_price.is_some();
        if params.get("price2").is_some() && !has_second {
            return Err(Refusal::argument("price2"));
        }
        // The other order has another id, waits behind those that are there, and has no id of the client's.
        let in_place = self.engine.rules().clone();
        let mut by_another = in_place.clone();
        by_another.replace = ReplaceMode::NewOrder;
        self.engine.set_rules(by_another);
        let edited = self.engine.replace(&self.account, &id, &change, None, now);
        self.engine.set_rules(in_place);
        let edited = edited?;
        let Amount::Qty(volume) = edited.amount else {
            return Err(Refusal::argument("volume"));
        };
        let words = format!(
            "{} {} {} @ {} {}",
            edited.legs.first().map_or(Side::Buy, |leg| leg.side),
            padded(volume.get(), 8),
            pair.altname(),
            kind_word(&edited),
            params.get("price").unwrap_or_default()
        );
        Ok(Object::new()
            .text("status", "ok")
            .text("txid", &ids::order(&edited.id))
            .text("originaltxid", &ids::order(&id))
            .decimal("volume", volume.get(), 8)
            .raw("orders_cancelled", "1")
            .raw("descr", &Object::new().text("order", words.trim_end()).end())
            .end())
    }

    pub(super) fn order_amends(&mut self, params: &Params) -> Reply {
        params.only(&["order_id", "rebase_multiplier"])?;
        let id = self.order_id(params.needed("order_id")?)?;
        let order = self.engine.order(&self.account, &id)?.order();
        let rows = self.amends.get(&id).cloned().unwrap_or_else(|| vec![placed(order)]);
        Ok(Object::new()
            .raw("amends", &array(&rows))
            .raw("count", &rows.len().to_string())
            .end())
    }
}

/// An order as it was placed, while nothing of it has changed.
fn placed(order: &Order) -> String {
    amended(order, "original", &ids::other(order.id.get()), order.created_at)
}

/// An order from this moment on. Times are in nanoseconds.
fn amended(order: &Order, kind: &str, id: &str, at: Option<DateTime<Utc>>) -> String {
    let qty = match order.amount {
        Amount::Qty(qty) => qty.get(),
        Amount::Notional(_) => Decimal::ZERO,
    };
    let text = |value: Decimal| value.normalize().to_string();
    let mut row = Object::new()
        .text("amend_id", id)
        .text("amend_type", kind)
        .text("order_qty", &text(qty))
        .text("remaining_qty", &text(qty - order.filled_qty.get()));
    if let Some(price) = order.limit_price {
        row = row.text("limit_price", &text(price.get()));
    }
    if let Some(price) = order.stop_price {
        row = row.text("trigger_price", &text(price.get()));
    }
    let nanos = at.and_then(|at| at.timestamp_nanos_opt()).unwrap_or_default();
    row.raw("timestamp", &nanos.to_string()).end()
}
