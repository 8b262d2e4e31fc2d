//! Orders of lists.

use broker_core::model::{Amount, OrderStatus, Trail};
use broker_core::{Order, Price};
use broker_testkit::bad_input::{List, Raw, View};
use rust_decimal::Decimal;

use super::{count, decimal, good, maybe_said, pair, seconds, text};

pub(crate) fn order(one: &Order) -> View {
    let leg = &one.legs[0];
    let (status, filled, amount) = (one.status.clone(), one.filled_qty, one.amount);
    let kind = one.kind.as_str().to_owned();
    let view = View::new()
        .key(one.id.get())
        .one_of("descr.type", [leg.side.to_string()]);
    let view = pair(view, "descr.pair", leg.instrument.get());
    let view = maybe_said(view, "cl_ord_id", one.client_id.as_ref().map(|id| id.get()));
    let view = maybe_said(view, "refid", one.links.parent.as_ref().map(|id| id.get()));
    let view = maybe_said(view, "reason", one.reason.as_deref());
    let view = seconds(view, "opentm", one.created_at);
    let view = seconds(view, "closetm", one.updated_at);
    let view = seconds(view, "expiretm", one.expires_at);
    let on_margin = leg.instrument.get().starts_with("margin:");
    let (limit, stop, trail) = (
        one.limit_price.map(Price::get),
        one.stop_price.map(Price::get),
        one.trail,
    );
    let average = one.average_price.map(Price::get);
    view.scaled("vol_exec", filled.get(), 0)
        .fits("vol", "its size", move |raw| {
            let size = match amount {
                Amount::Qty(qty) => qty.get(),
                Amount::Notional(money) => money.amount,
            };
            decimal(raw) == Some(size)
        })
        .fits("oflags", "whether its size is money", move |raw| {
            text(raw).split(',').any(|flag| flag == "viqc") == matches!(amount, Amount::Notional(_))
        })
        .fits("descr.leverage", "whether it is on margin", move |raw| {
            !matches!(text(raw).as_str(), "" | "None" | "none") == on_margin
        })
        .fits("price", "the average, where something filled", move |raw| {
            decimal(raw).filter(|price| !price.is_zero() && !filled.is_zero()) == average
        })
        .fits("status", "its state", move |raw| {
            let whole = match amount {
                Amount::Qty(qty) => filled >= qty,
                _ => true,
            };
            let said = text(raw);
            let known = match (said.as_str(), filled.is_zero()) {
                ("pending", _) => OrderStatus::PendingNew,
                ("open", true) => OrderStatus::New,
                ("open", false) => OrderStatus::PartiallyFilled,
                ("closed", _) if !whole => OrderStatus::Canceled,
                ("closed", _) => OrderStatus::Filled,
                ("canceled", _) => OrderStatus::Canceled,
                ("expired", _) => OrderStatus::Expired,
                (other, _) => OrderStatus::Other(other.into()),
            };
            raw.and_then(Raw::text).is_some() && status == known
        })
        .fits("descr.ordertype", "its kind", move |raw| {
            kind == kind_of(&text(raw)) && !kind.is_empty()
        })
        .fits("", "its prices", move |raw| {
            let of = |path| raw.and_then(|raw| raw.get(path));
            let nonzero = |path| decimal(of(path)).filter(|number| !number.is_zero());
            let level = |path| {
                Some(of(path))
                    .filter(|raw| !text(*raw).starts_with(['+', '-', '#']))
                    .and_then(decimal)
                    .filter(|number| !number.is_zero())
            };
            let expected = match text(of("descr.ordertype")).as_str() {
                "limit" | "iceberg" => (level("descr.price").or(nonzero("limitprice")), None),
                "stop-loss" | "take-profit" => (None, level("descr.price").or(nonzero("stopprice"))),
                "stop-loss-limit" | "take-profit-limit" => (
                    level("descr.price2").or(nonzero("limitprice")),
                    level("descr.price").or(nonzero("stopprice")),
                ),
                "trailing-stop" | "trailing-stop-limit" => (nonzero("limitprice"), nonzero("stopprice")),
                _ => (None, None),
            };
            let distance = text(of("descr.price"));
            let magnitude = |text: &str| {
                Decimal::from_str_exact(text.trim_start_matches(['+', '-', '#']))
                    .ok()
                    .or_else(|| Decimal::from_scientific(text.trim_start_matches(['+', '-', '#'])).ok())
            };
            let trails = match trail {
                None => true,
                Some(Trail::Percent(percent)) => distance.strip_suffix('%').and_then(magnitude) == Some(percent),
                Some(Trail::Amount(amount)) => magnitude(&distance) == Some(amount),
            };
            expected == (limit, stop) && trails
        })
}

pub(super) fn kind_of(word: &str) -> &str {
    match word {
        "market" => "market",
        "limit" | "iceberg" => "limit",
        "stop-loss" => "stop",
        "stop-loss-limit" => "stop_limit",
        "take-profit" => "market_if_touched",
        "take-profit-limit" => "limit_if_touched",
        "trailing-stop" => "trailing_stop",
        "trailing-stop-limit" => "trailing_stop_limit",
        other => other,
    }
}

pub(crate) fn orders(path: &'static str, orders: &[Order]) -> View {
    good(View::new().list(List::rows(path, orders.iter().map(order).collect()).in_any_order()))
}

pub(crate) fn closed(orders: &[Order]) -> View {
    let rows = List::rows("closed", orders.iter().map(order).collect()).in_any_order();
    // Not closed by its own word.
    let open = |raw: Raw<'_>| matches!(text(raw.get("status")).as_str(), "open" | "pending");
    good(count(View::new().list(rows.skipping(open))))
}

/// The id of ours that is looked for.
pub(crate) const OURS: &str = "a-tag";

/// Closed orders that carry it; others are none of ours.
pub(crate) fn of_client_id(orders: &[Order]) -> View {
    assert!(
        orders
            .iter()
            .all(|order| order.client_id.as_ref().is_some_and(|own| own.get() == OURS))
    );
    let rows = List::rows("closed", orders.iter().map(order).collect()).in_any_order();
    good(View::new().list(rows.skipping(|raw| text(raw.get("cl_ord_id")) != OURS)))
}
