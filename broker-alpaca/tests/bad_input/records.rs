//! What the model got from which field: orders, fills, fees, flows.

use broker_core::model::{
    Amount, Asset, Fee, Flow, FlowKind, Group, OrderKind, OrderStatus, PositionEffect, TimeInForce, Trail,
};
use broker_core::{Fill, Order, Price, Record, Side};
use broker_testkit::bad_input::{List, Raw, View, Words};
use chrono::{DateTime, NaiveTime, Timelike, Utc};
use rust_decimal::Decimal;

use super::views::{is_zero, symbol, word};

const STATUS: Words = &[
    ("new", "new"),
    ("accepted", "new"),
    ("accepted_for_bidding", "new"),
    ("pending_new", "pending_new"),
    ("held", "held"),
    ("partially_filled", "partially_filled"),
    ("filled", "filled"),
    ("calculated", "filled"),
    ("calculated", "new"),
    ("calculated", "partially_filled"),
    ("done_for_day", "new"),
    ("done_for_day", "partially_filled"),
    ("stopped", "new"),
    ("stopped", "partially_filled"),
    ("suspended", "new"),
    ("suspended", "partially_filled"),
    ("canceled", "canceled"),
    ("expired", "expired"),
    ("rejected", "rejected"),
    ("replaced", "replaced"),
    ("pending_cancel", "pending_cancel"),
    ("pending_replace", "pending_replace"),
];

const KIND: Words = &[
    ("market", "market"),
    ("limit", "limit"),
    ("stop", "stop"),
    ("stop_limit", "stop_limit"),
    ("trailing_stop", "trailing_stop"),
];

const TIME_IN_FORCE: Words = &[
    ("day", "day"),
    ("gtc", "gtc"),
    ("ioc", "ioc"),
    ("fok", "fok"),
    ("opg", "at_open"),
    ("cls", "at_close"),
];

const GROUP: Words = &[
    ("bracket", "bracket"),
    ("oco", "oco"),
    ("oto", "oto"),
    ("mleg", "multi_leg"),
];

/// A list of orders: each with its legs, which the model gives as orders behind it.
pub(crate) fn orders(orders: &[Order]) -> View {
    let mut groups: Vec<(&Order, Vec<&Order>)> = Vec::new();
    for order in orders {
        match groups.last_mut() {
            Some((_, legs)) if order.links.parent.is_some() => legs.push(order),
            _ => groups.push((order, Vec::new())),
        }
    }
    let rows = groups.into_iter().map(|(parent, legs)| with_legs(parent, legs));
    // Made before the window that was asked for.
    let early = |raw: Raw<'_>| {
        raw.get("created_at")
            .and_then(Raw::text)
            .is_some_and(|at| at.as_str() < "1970-01-02")
    };
    View::new().list(List::rows("", rows.collect()).skipping(early))
}

/// One order, and behind it its legs.
pub(crate) fn group(orders: &[Order]) -> View {
    with_legs(&orders[0], orders[1..].iter().collect())
}

fn with_legs(parent: &Order, legs: Vec<&Order>) -> View {
    assert!(legs.iter().all(|leg| leg.links.parent.as_ref() == Some(&parent.id)));
    let legs = legs.into_iter().map(|leg| one(leg, true)).collect();
    one(parent, false).list(List::rows("legs", legs).or_nothing())
}

/// One order alone.
pub(crate) fn order(order: &Order) -> View {
    one(order, false)
}

fn one(order: &Order, is_leg: bool) -> View {
    let links = &order.links;
    let row = View::new()
        .text("id", order.id.get())
        .maybe_text("client_order_id", order.client_id.as_ref().map(|id| id.get()))
        .word("status", word!(&order.status, OrderStatus::Other(text) => text), STATUS)
        .number("filled_qty", order.filled_qty.get())
        .maybe_number("limit_price", order.limit_price.map(Price::get))
        .maybe_number("stop_price", order.stop_price.map(Price::get))
        .maybe_time("expires_at", order.expires_at)
        .maybe_time("created_at", order.created_at)
        .maybe_time("updated_at", order.updated_at)
        .maybe_text("replaces", links.replaces.as_ref().map(|id| id.get()))
        .maybe_text("replaced_by", links.replaced_by.as_ref().map(|id| id.get()));
    let row = match order.amount {
        Amount::Qty(qty) => row.number("qty", qty.get()),
        Amount::Notional(money) => row.nothing("qty").number("notional", money.amount),
    };
    let row = match &order.trail {
        Some(Trail::Amount(amount)) => row.number("trail_price", *amount),
        Some(Trail::Percent(percent)) => row.nothing("trail_price").number("trail_percent", *percent),
        None => row.nothing("trail_price").nothing("trail_percent"),
    };
    let row = match order.average_price {
        Some(price) => row.number("filled_avg_price", price.get()),
        None if order.filled_qty.is_zero() => row,
        None => row.nothing("filled_avg_price"),
    };
    let row = match &order.time_in_force {
        Some(time) => row.word(
            "time_in_force",
            word!(time, TimeInForce::Other(text) => text),
            TIME_IN_FORCE,
        ),
        None => row.nothing("time_in_force"),
    };
    let row = match &order.links.group {
        // A leg without a word of its own belongs to its parent's group.
        Some(_) if is_leg => row,
        Some(group) => row.word("order_class", word!(group, Group::Other(text) => text), GROUP),
        None => row.fits("order_class", "no group", |raw| {
            raw.is_none_or(|raw| raw.text().is_some_and(|text| text.is_empty() || text == "simple"))
        }),
    };
    let extended = order.extended_hours;
    let row = row.fits("extended_hours", "the flag, or no", move |raw| {
        raw.map_or(Some(false), Raw::flag) == Some(extended)
    });
    let row = match &order.kind {
        OrderKind::Other(text) if text.is_empty() => row.nothing("type"),
        // A leg without a type of its own has its parent's.
        _ if is_leg => row,
        kind => row.word("type", word!(kind, OrderKind::Other(text) => text), KIND),
    };
    let row = match order.legs.as_slice() {
        // What a multi-leg order trades is said by its legs alone.
        _ if order.links.group == Some(Group::MultiLeg) && !is_leg => row.nothing("symbol").nothing("side"),
        [] if !is_leg => row.nothing("symbol").nothing("side").fits("legs", "legs", |raw| {
            raw.is_some_and(|raw| raw.parts().next().is_some())
        }),
        [leg] => row
            .one_of("symbol", symbol(leg.symbol.get()))
            .one_of("side", sides(leg.side))
            .fits("ratio_qty", "the ratio, or one", {
                let ratio = leg.ratio;
                move |raw| {
                    raw.and_then(Raw::number)
                        .filter(|text| !text.is_empty())
                        .map_or(ratio == Decimal::ONE, |_| true)
                }
            })
            .fits("position_intent", "what it does to a position", {
                let effect = leg.effect;
                move |raw| {
                    let text = raw.and_then(Raw::text).unwrap_or_default();
                    effect
                        == match text.as_str() {
                            "buy_to_open" | "sell_to_open" => Some(PositionEffect::Open),
                            "buy_to_close" | "sell_to_close" => Some(PositionEffect::Close),
                            _ => None,
                        }
                }
            }),
        // Anything else says what it trades.
        _ => row.fits("", "an order of nothing", |_| false),
    };
    let word = order.reason.clone().unwrap_or_else(|| order.status.as_str().to_owned());
    row.fits("", "the broker's own word for its state", move |raw| {
        raw.and_then(|raw| raw.get("status")?.text()).as_ref() == Some(&word)
    })
}

fn sides(side: Side) -> Vec<&'static str> {
    match side {
        Side::Buy => vec!["buy"],
        Side::Sell => vec!["sell", "sell_short"],
    }
}

/// The rows of a page as they stand in it.
pub(crate) fn activities(records: &[Record]) -> View {
    View::new().list(List::rows("", records.iter().map(record).collect()))
}

/// The rows of a page, sorted by time, those outside of the years 1970 to 2199 left out.
pub(crate) fn history(records: &[Record]) -> View {
    let rows = List::rows("", records.iter().map(record).collect());
    let outside = |raw: Raw<'_>| {
        let made = raw
            .get("transaction_time")
            .or(raw.get("created_at"))
            .and_then(Raw::text);
        made.is_some_and(|at| at.as_str() < "1970-01-02" || at.as_str() > "2199-12-30")
    };
    View::new().list(rows.in_any_order().skipping(outside))
}

fn record(record: &Record) -> View {
    match record {
        Record::Fill(one) => fill(one),
        Record::Fee(one) => fee(one),
        Record::Flow(one) => flow(one),
        Record::Void(void) => panic!("Alpaca tells no voids: {void:?}"),
    }
}

fn fill(fill: &Fill) -> View {
    let id = fill.id.get().to_owned();
    View::new()
        .fits("id", "what stands behind the colons", move |raw| {
            let text = raw.and_then(Raw::text).unwrap_or_default();
            text.split_once("::").map_or(text.as_str(), |(_, behind)| behind) == id
        })
        .one_of("activity_type", ["FILL"])
        .one_of("symbol", symbol(fill.symbol.get()))
        .one_of("side", sides(fill.side))
        .number("qty", fill.qty.get())
        .number("price", fill.price.get())
        .time("transaction_time", fill.at)
        .maybe_text("order_id", fill.order.as_ref().map(|id| id.get()))
}

fn fee(fee: &Fee) -> View {
    let label = fee.label.clone();
    let row = View::new()
        .text("id", fee.id.get())
        .one_of("activity_type", ["CFEE", "FEE", "DIVFEE", "PTC", "PTR"])
        .fits("", "the type below, else the type", move |raw| {
            let said = |path| {
                raw.and_then(|raw| raw.get(path)?.text())
                    .filter(|text| !text.is_empty())
            };
            said("activity_sub_type").or(said("activity_type")).as_ref() == Some(&label)
        })
        .maybe_time("created_at", fee.booked_at);
    let row = moved(row, &fee.asset, -fee.amount, fee.price);
    let row = named(row, fee.instrument.as_ref().map(|id| id.get()));
    corrected(dated(row, fee.at), fee.version, fee.canceled)
}

const FLOW: Words = &[
    ("CSD", "deposit"),
    ("CSW", "withdrawal"),
    ("TRANS", "deposit"),
    ("TRANS", "withdrawal"),
    ("ACATC", "transfer"),
    ("JNLC", "transfer"),
    ("ACATS", "transfer"),
    ("JNLS", "transfer"),
    ("JNL", "transfer"),
    ("FOPT", "transfer"),
    ("DIV", "dividend"),
    ("DIVCGL", "dividend"),
    ("DIVCGS", "dividend"),
    ("DIVROC", "dividend"),
    ("DIVTXEX", "dividend"),
    ("CGD", "dividend"),
    ("DIVFT", "tax"),
    ("DIVNRA", "tax"),
    ("DIVTW", "tax"),
    ("INTNRA", "tax"),
    ("INTTW", "tax"),
    ("WH", "tax"),
    ("INT", "interest"),
    ("SPLIT", "split"),
    ("SPIN", "reorganization"),
    ("MA", "reorganization"),
    ("NC", "reorganization"),
    ("REORG", "reorganization"),
    ("OPCA", "reorganization"),
    ("OPCSH", "reorganization"),
    ("VOF", "reorganization"),
    ("OPEXP", "expiry"),
    ("OPEXC", "exercise"),
    ("OPTRD", "exercise"),
    ("OPASN", "assignment"),
];

fn flow(flow: &Flow) -> View {
    let row = View::new()
        .text("id", flow.id.get())
        .word("activity_type", word!(&flow.kind, FlowKind::Other(text) => text), FLOW)
        .maybe_text("group_id", flow.group.as_deref())
        .maybe_text("description", flow.description.as_deref())
        .maybe_time("created_at", flow.booked_at);
    let row = match flow.cash {
        Some(cash) => row.number("net_amount", cash.amount),
        None => row,
    };
    let row = match flow.kind {
        // Of a row whose type nobody knows it is not known either what it must have.
        FlowKind::Other(_) if flow.amount.is_zero() => row.fits("net_amount", "no amount", |raw| {
            raw.is_none_or(|raw| raw.number().is_some_and(|text| text.is_empty() || is_zero(&text)))
        }),
        _ => moved(row, &flow.asset, flow.amount, flow.price),
    };
    let row = named(row, flow.instrument.as_ref().map(|id| id.get()));
    corrected(dated(row, flow.at), flow.version, flow.canceled)
}

/// The amount, and of what.
fn moved(row: View, asset: &Asset, amount: Decimal, price: Option<Price>) -> View {
    match asset {
        Asset::Instrument { symbol: name, .. } => row
            .number("qty", amount)
            .one_of("symbol", symbol(name.get()))
            .maybe_number("price", price.map(Price::get)),
        Asset::Currency(currency) => {
            let code = currency.code().to_owned();
            row.number("net_amount", amount)
                .fits("currency", "the currency, or dollars", move |raw| {
                    let said = raw.and_then(Raw::text).filter(|text| !text.is_empty());
                    said.as_deref().unwrap_or("USD") == code
                })
        }
    }
}

fn named(row: View, instrument: Option<&str>) -> View {
    match instrument {
        Some(name) => row.one_of("symbol", symbol(name)),
        None => row.nothing("symbol"),
    }
}

/// Midnight and the last moment are those of the row's day; anything else is when it was made.
fn dated(row: View, at: DateTime<Utc>) -> View {
    let last = at.hour() == 23 && at.nanosecond() == 999_999_999;
    if at.time() == NaiveTime::MIN || last {
        row.day("date", at.date_naive())
    } else {
        row.time("created_at", at)
    }
}

fn corrected(row: View, version: u64, canceled: bool) -> View {
    row.fits("status", "corrected, canceled or neither", move |raw| {
        let expected = match raw.and_then(Raw::text).as_deref() {
            Some("correct") => (1, false),
            Some("canceled") => (2, true),
            _ => (0, false),
        };
        (version, canceled) == expected
    })
}
