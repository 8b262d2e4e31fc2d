//! Orders, quotes and rows of the ledger as messages have them.

use broker_core::model::{Amount, OrderKind, Trail};
use broker_core::{Order, OrderStatus, Quote, TimeInForce};
use chrono::{DateTime, SecondsFormat, Utc};
use rust_decimal::Decimal;
use serde_json::Value;

use super::super::catalogue::{ASSETS, PairSpec};
use super::super::json::{Object, array, quoted};

pub(super) fn stamp(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Micros, true)
}

pub(super) fn number(value: Decimal) -> String {
    value.normalize().to_string()
}

/// What an order is: said once.
pub(super) fn described(mut object: Object, order: &Order) -> Object {
    if let Some(id) = &order.client_id {
        object = object.text("cl_ord_id", id.get());
    }
    object = match order.amount {
        Amount::Qty(qty) => object.raw("order_qty", &number(qty.get())),
        Amount::Notional(money) => object.raw("cash_order_qty", &number(money.amount)),
    };
    if let Some(price) = order.limit_price {
        object = object
            .raw("limit_price", &number(price.get()))
            .text("limit_price_type", "static");
    }
    let trigger = match (&order.trail, order.stop_price) {
        (Some(Trail::Amount(amount)), stop) => Some((*amount, "quote", stop)),
        (Some(Trail::Percent(percent)), stop) => Some((*percent, "pct", stop)),
        (None, Some(stop)) => Some((stop.get(), "static", None)),
        (None, None) => None,
    };
    if let Some((price, kind, actual)) = trigger {
        let mut triggers = Object::new()
            .text("reference", "last")
            .raw("price", &number(price))
            .text("price_type", kind);
        if let Some(actual) = actual {
            triggers = triggers.raw("actual_price", &number(actual.get()));
        }
        object = object.raw("triggers", &triggers.text("status", "untriggered").end());
    }
    let tif = match order.time_in_force {
        Some(TimeInForce::Ioc) => "IOC",
        Some(TimeInForce::Gtd) => "GTD",
        _ => "GTC",
    };
    // Market orders have none.
    if order.kind != OrderKind::Market {
        object = object.text("time_in_force", tif);
    }
    if let Some(at) = order.expires_at {
        object = object.text("expire_time", &stamp(at));
    }
    object
        .raw("reduce_only", if order.reduce_only { "true" } else { "false" })
        .text("fee_ccy_pref", "fciq")
}

pub(super) fn status_word(status: &OrderStatus) -> &'static str {
    match status {
        OrderStatus::PendingNew => "pending_new",
        OrderStatus::PartiallyFilled => "partially_filled",
        OrderStatus::Filled => "filled",
        OrderStatus::Canceled | OrderStatus::Rejected | OrderStatus::Replaced => "canceled",
        OrderStatus::Expired => "expired",
        _ => "new",
    }
}

pub(super) fn ticker(kind: &str, pair: &PairSpec, quote: &Quote, now: DateTime<Utc>) -> String {
    let of = |value: Option<Decimal>| number(value.unwrap_or_default());
    let row = Object::new()
        .text("symbol", &pair.symbol())
        .raw("bid", &of(quote.bid.map(|price| price.get())))
        .raw("bid_qty", &of(quote.bid_size.map(|size| size.get())))
        .raw("ask", &of(quote.ask.map(|price| price.get())))
        .raw("ask_qty", &of(quote.ask_size.map(|size| size.get())))
        .text("timestamp", &stamp(now));
    let data = array([row.end()]);
    Object::new()
        .text("channel", "ticker")
        .text("type", kind)
        .raw("data", &data)
        .end()
}

/// A row of the ledger as the stream tells it.
pub(in super::super) fn streamed_row(id: &str, at: DateTime<Utc>, json: &str) -> String {
    let row: Value = serde_json::from_str(json).unwrap_or_default();
    let text = |name: &str| row[name].as_str().unwrap_or_default().to_owned();
    let asset = ASSETS
        .iter()
        .find(|asset| asset.id == text("asset"))
        .map_or("", |asset| asset.common);
    Object::new()
        .text("ledger_id", id)
        .text("ref_id", &text("refid"))
        .text("timestamp", &stamp(at))
        .raw("type", &quoted(&text("type")))
        .text("asset", asset)
        .text("asset_class", "currency")
        .text("wallet_type", "spot")
        .text("wallet_id", "main")
        .raw("amount", &text("amount"))
        .raw("fee", &text("fee"))
        .raw("balance", &text("balance"))
        .end()
}
