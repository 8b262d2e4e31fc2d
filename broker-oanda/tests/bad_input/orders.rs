//! What the model got from which field: orders.

use broker_core::model::{Amount, OrderKind, OrderStatus, PositionEffect, TimeInForce, Trail};
use broker_core::{Order, Price};
use broker_testkit::bad_input::{List, Raw, View, Words};

use super::records;
use super::views::{TIME_IN_FORCE, is_id, signed, word};

const KIND: Words = &[
    ("MARKET", "market"),
    ("MARKET_ORDER", "market"),
    ("FIXED_PRICE", "market"),
    ("LIMIT", "limit"),
    ("LIMIT_ORDER", "limit"),
    ("STOP", "stop"),
    ("STOP_ORDER", "stop"),
    ("MARKET_IF_TOUCHED", "market_if_touched"),
    ("TAKE_PROFIT", "limit"),
    ("STOP_LOSS", "stop"),
    ("GUARANTEED_STOP_LOSS", "stop"),
    ("TRAILING_STOP_LOSS", "trailing_stop"),
];

/// An order that its own endpoint tells, without what became of it.
pub(crate) fn order(order: &Order) -> View {
    let row = terms(order).word("type", word!(&order.kind, OrderKind::Other(text) => text), KIND);
    match &order.status {
        OrderStatus::New => row.fits("state", "at work", |raw| {
            raw.is_none_or(|raw| {
                let text = raw.text().unwrap_or_default();
                ["", "PENDING", "TRIGGERED"].contains(&text.as_str())
            })
        }),
        OrderStatus::Other(word) => {
            let word = word.to_string();
            row.fits("state", "another word", move |raw| {
                raw.and_then(Raw::text).as_deref() == Some(word.as_str())
            })
        }
        other => row.fits("state", "no such state", {
            let other = other.to_string();
            move |_| panic!("nothing tells of {other}")
        }),
    }
}

/// Orders at work: the exits that one waits for stand behind it.
pub(crate) fn orders(all: &[Order]) -> View {
    let entries = all.iter().filter(|one| one.links.parent.is_none());
    View::new().list(List::rows("orders", entries.map(order).collect()).in_any_order())
}

/// An order as its transaction tells it.
pub(crate) fn placed(order: &Order) -> View {
    let types = KIND.iter().filter(|(_, ours)| *ours == order.kind.as_str());
    let created = terms(order)
        .one_of("clientExtensions.id", ["ours-1"])
        .one_of("type", types.map(|(theirs, _)| *theirs));
    let row = View::new()
        .inside("orderCreateTransaction", created)
        .fits("lastTransactionID", "an id", is_id);
    match (&order.status, order.average_price) {
        (OrderStatus::New, None) => row.nothing("orderFillTransaction").nothing("orderCancelTransaction"),
        (OrderStatus::Filled | OrderStatus::Canceled, Some(price)) => row
            .one_of("orderFillTransaction.orderID", [order.id.get()])
            .magnitude("orderFillTransaction.units", order.filled_qty.get())
            .fits("orderFillTransaction", "the price of its lots, or its own", {
                let (price, qty) = (price.get(), order.filled_qty.get());
                move |raw| raw.is_some_and(|raw| records::is_price(raw, price, qty))
            }),
        (status, _) => row.fits("", "no such end", {
            let status = status.to_string();
            move |_| panic!("nothing tells of {status}")
        }),
    }
}

fn terms(order: &Order) -> View {
    let row = View::new()
        .one_of("id", [order.id.get()])
        .maybe_text("clientExtensions.id", order.client_id.as_ref().map(|id| id.get()))
        .maybe_time("gtdTime", order.expires_at)
        .maybe_text("replacesOrderID", order.links.replaces.as_ref().map(|id| id.get()));
    let row = match (&order.kind, order.limit_price, order.stop_price) {
        (OrderKind::Market, None, None) => row,
        (OrderKind::Limit, limit, None) => row.maybe_number("price", limit.map(Price::get)),
        (OrderKind::TrailingStop, None, stop) => row.maybe_number("trailingStopValue", stop.map(Price::get)),
        (_, None, stop) => row.maybe_number("price", stop.map(Price::get)),
        other => panic!("{other:?}"),
    };
    let row = match &order.trail {
        Some(Trail::Amount(amount)) => row.number("distance", *amount),
        _ => row,
    };
    let row = match &order.time_in_force {
        Some(time) => row.word(
            "timeInForce",
            word!(time, TimeInForce::Other(text) => text),
            TIME_IN_FORCE,
        ),
        None => row.nothing("timeInForce"),
    };
    let (Amount::Qty(qty), [leg]) = (order.amount, order.legs.as_slice()) else {
        panic!("an order of nothing: {order:?}")
    };
    let (side, effect, reduce_only) = (leg.side, leg.effect, order.reduce_only);
    let exits = order.links.children.len();
    row.text("instrument", leg.instrument.get())
        .magnitude("units", qty.get())
        .fits("units", "the side's sign", move |raw| signed(raw, side))
        .fits("", "what it does to a position", move |raw| {
            let said = raw.and_then(|raw| raw.get("positionFill")?.text()).unwrap_or_default();
            let closes = raw.is_some_and(|raw| raw.get("tradeID").is_some());
            let expected = match said.as_str() {
                "OPEN_ONLY" => Some(PositionEffect::Open),
                "REDUCE_ONLY" => Some(PositionEffect::Close),
                _ => None,
            };
            effect == expected && reduce_only == (said == "REDUCE_ONLY" || closes)
        })
        .fits("", "as many exits", move |raw| {
            let asked = [
                "takeProfitOnFill",
                "stopLossOnFill",
                "guaranteedStopLossOnFill",
                "trailingStopLossOnFill",
            ];
            let asked = asked
                .into_iter()
                .filter(|name| raw.is_some_and(|raw| raw.get(name).is_some()));
            asked.count() == exits
        })
}
