//! Orders and lists of orders.

use broker_core::model::{Amount, Group, OrderKind, OrderLeg, OrderLinks, PositionLeg, Trail};
use broker_core::num::{Num, Text};
use broker_core::{
    AccountId, ClientOrderId, Error, Money, Order, OrderId, OrderStatus, Price, Qty, Result, TimeInForce,
};
use rust_decimal::Decimal;

use super::{Pair, at, order_id, order_parts, same_symbol, side};
#[cfg(feature = "trading")]
use crate::wire::AmendJson;
use crate::wire::{OrderJson, OrderListJson};

/// A hundredth of a percent is a unit of a trailing distance.
const UNITS_A_PERCENT: Decimal = Decimal::ONE_HUNDRED;

/// What all answers about orders have in common.
struct Facts<'a> {
    symbol: &'a str,
    number: u64,
    client_id: Option<&'a str>,
    status: &'a str,
    kind: &'a str,
    side: &'a str,
    time_in_force: &'a str,
    qty: Decimal,
    money: Decimal,
    filled: Decimal,
    cost: Decimal,
    price: Decimal,
    stop: Decimal,
    trail: Option<Decimal>,
    created: Option<i64>,
    updated: Option<i64>,
    reason: Option<&'a str>,
}

pub(crate) fn order(wire: &OrderJson<'_>, pair: &Pair, account: &AccountId) -> Result<Order> {
    let ours = wire.orig_client_order_id.as_ref().or(wire.client_order_id.as_ref());
    called(wire, ours, pair, account)
}

/// An order under this id of ours.
fn called(wire: &OrderJson<'_>, ours: Option<&Text<'_>>, pair: &Pair, account: &AccountId) -> Result<Order> {
    fn word<'w>(text: &'w Option<Text<'_>>, field: &'static str) -> Result<&'w str> {
        text.as_ref().map(Text::get).ok_or_else(|| missing(field))
    }
    let number = |number: Option<Num>, field| number.map(|number| number.0).ok_or_else(|| missing(field));
    made(
        &Facts {
            symbol: wire.symbol.get(),
            number: wire.order_id,
            client_id: ours.map(Text::get),
            status: word(&wire.status, "status")?,
            kind: word(&wire.kind, "type")?,
            side: word(&wire.side, "side")?,
            time_in_force: word(&wire.time_in_force, "timeInForce")?,
            qty: number(wire.orig_qty, "origQty")?,
            money: wire.orig_quote_order_qty.map_or(Decimal::ZERO, |money| money.0),
            filled: number(wire.executed_qty, "executedQty")?,
            cost: number(wire.cummulative_quote_qty, "cummulativeQuoteQty")?,
            price: number(wire.price, "price")?,
            stop: wire.stop_price.map_or(Decimal::ZERO, |stop| stop.0),
            trail: wire.trailing_delta.map(|delta| delta.0),
            created: wire.time.or(wire.transact_time),
            updated: wire.update_time.or(wire.transact_time),
            reason: wire.expiry_reason.as_ref().map(Text::get),
        },
        pair,
        account,
    )
}

/// The answer to making an order smaller: the id that it was given stands in its usual place.
#[cfg(feature = "trading")]
pub(crate) fn amended(wire: &AmendJson<'_>, pair: &Pair, account: &AccountId) -> Result<Order> {
    let order = &wire.amended_order;
    let ours = order.client_order_id.as_ref().ok_or_else(|| missing("clientOrderId"))?;
    Ok(Order {
        updated_at: Some(at(wire.transact_time)?),
        ..called(order, Some(ours), pair, account)?
    })
}

/// As the account's stream reports it.
#[cfg(feature = "streaming")]
pub(crate) fn reported(wire: &crate::stream::wire::ReportJson<'_>, pair: &Pair, account: &AccountId) -> Result<Order> {
    let canceled = wire.happened.get() == "CANCELED";
    let before = wire
        .canceled_client_order_id
        .as_ref()
        .filter(|id| canceled && !id.get().is_empty());
    let word = |word: &Option<Text<'_>>| {
        let word = word.as_ref().map(|word| word.get().to_owned());
        word.filter(|word| !matches!(word.as_str(), "" | "NONE"))
    };
    let reason = word(&wire.expiry).or_else(|| word(&wire.refusal));
    made(
        &Facts {
            symbol: wire.symbol.get(),
            number: wire.order,
            // With a cancel the id is the cancel's.
            client_id: Some(before.unwrap_or(&wire.client_order_id).get()),
            status: wire.status.get(),
            kind: wire.kind.get(),
            side: wire.side.get(),
            time_in_force: wire.time_in_force.get(),
            qty: wire.qty.0,
            money: wire.money.map_or(Decimal::ZERO, |money| money.0),
            filled: wire.filled.0,
            cost: wire.cost.0,
            price: wire.price.0,
            stop: wire.stop_price.0,
            trail: wire.trailing_delta.map(|delta| delta.0),
            created: Some(wire.created),
            updated: Some(wire.at),
            reason: reason.as_deref(),
        },
        pair,
        account,
    )
}

fn made(wire: &Facts<'_>, pair: &Pair, account: &AccountId) -> Result<Order> {
    same_symbol(wire.symbol, pair)?;
    let filled_qty = Qty::new(wire.filled)?;
    // Of old orders the cost is not known, which is written as a number below zero.
    let average_price = Some(wire.cost)
        .filter(|cost| !cost.is_sign_negative())
        .and_then(|cost| cost.checked_div(wire.filled))
        .map(Price::new);
    let amount = match (pair.quote, wire.kind) {
        (Some(quote), "MARKET") if !wire.money.is_zero() => Amount::Notional(Money::new(wire.money, quote)),
        _ => Amount::Qty(Qty::new(wire.qty)?),
    };
    // A price of zero is none.
    let price = |value: Decimal| Some(value).filter(|value| !value.is_zero()).map(Price::new);
    let trail = wire.trail.filter(|units| !units.is_zero());
    let trail = trail
        .map(|units| {
            let percent = units.checked_div(UNITS_A_PERCENT);
            let exact = percent.filter(|percent| percent.checked_mul(UNITS_A_PERCENT) == Some(units));
            exact.ok_or_else(|| Error::decode("a trailing distance does not fit"))
        })
        .transpose()?;
    let leg = OrderLeg {
        instrument: pair.id.clone(),
        symbol: pair.symbol.clone(),
        side: side(wire.side)?,
        ratio: Decimal::ONE,
        effect: None,
        position: PositionLeg::Net,
        filled_qty,
        average_price,
    };
    Ok(Order {
        id: order_id(wire.symbol, wire.number),
        client_id: wire.client_id.filter(|id| !id.is_empty()).map(ClientOrderId::from),
        account: account.clone(),
        legs: vec![leg],
        kind: kind(wire.kind, trail.is_some()),
        amount,
        filled_qty,
        average_price,
        limit_price: price(wire.price),
        stop_price: price(wire.stop),
        trail: trail.map(Trail::Percent),
        time_in_force: Some(time_in_force(wire.time_in_force)),
        expires_at: None,
        extended_hours: false,
        reduce_only: false,
        status: status(wire.status),
        reason: wire.reason.map(str::to_owned),
        links: OrderLinks::default(),
        created_at: wire.created.map(at).transpose()?,
        updated_at: wire.updated.map(at).transpose()?,
    })
}

fn missing(field: &str) -> Error {
    Error::decode(format!("an order without {field}"))
}

pub(crate) fn status(word: &str) -> OrderStatus {
    match word {
        "NEW" => OrderStatus::New,
        // A leg that waits for its list's working order to fill.
        "PENDING_NEW" => OrderStatus::Held,
        "PARTIALLY_FILLED" => OrderStatus::PartiallyFilled,
        "FILLED" => OrderStatus::Filled,
        "CANCELED" => OrderStatus::Canceled,
        "PENDING_CANCEL" => OrderStatus::PendingCancel,
        "REJECTED" => OrderStatus::Rejected,
        "EXPIRED" | "EXPIRED_IN_MATCH" => OrderStatus::Expired,
        other => OrderStatus::Other(other.into()),
    }
}

pub(crate) fn kind(word: &str, trails: bool) -> OrderKind {
    match (word, trails) {
        ("MARKET", _) => OrderKind::Market,
        ("LIMIT" | "LIMIT_MAKER", _) => OrderKind::Limit,
        ("STOP_LOSS" | "TAKE_PROFIT", true) => OrderKind::TrailingStop,
        ("STOP_LOSS_LIMIT" | "TAKE_PROFIT_LIMIT", true) => OrderKind::TrailingStopLimit,
        ("STOP_LOSS", false) => OrderKind::Stop,
        ("STOP_LOSS_LIMIT", false) => OrderKind::StopLimit,
        ("TAKE_PROFIT", false) => OrderKind::MarketIfTouched,
        ("TAKE_PROFIT_LIMIT", false) => OrderKind::LimitIfTouched,
        (other, _) => OrderKind::Other(other.into()),
    }
}

pub(crate) fn time_in_force(word: &str) -> TimeInForce {
    match word {
        "GTC" => TimeInForce::Gtc,
        "IOC" => TimeInForce::Ioc,
        "FOK" => TimeInForce::Fok,
        other => TimeInForce::Other(other.into()),
    }
}

/// A list of orders: its number, and what hangs on what. Owned, for it outlives its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct List {
    pub(crate) number: i64,
    members: Vec<OrderId>,
    group: Group,
}

/// The word for a list with a working order is `OTO` however many wait for it, and its orders are numbered as they
/// were named: the working one first.
pub(crate) fn list(wire: &OrderListJson<'_>) -> Result<List> {
    let members = wire.orders.iter().map(|row| order_id(row.symbol.get(), row.order_id));
    List::of(wire.order_list_id, members.collect(), wire.contingency_type.get())
}

impl List {
    /// Of orders of one symbol, and the word for how they hang together.
    pub(crate) fn of(number: i64, mut members: Vec<OrderId>, word: &str) -> Result<Self> {
        members.sort_by_key(|id| order_parts(id).map(|(_, number)| number));
        if members.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err(Error::decode("a list that names an order twice"));
        }
        let group = match (word, members.len()) {
            ("OCO", _) => Group::Oco,
            ("OTO", ..=2) => Group::Oto,
            ("OTO", _) => Group::Bracket,
            (other, _) => Group::Other(other.into()),
        };
        Ok(Self { number, members, group })
    }

    /// How an order hangs together with the others of this list; `None` where it is not in it.
    pub(crate) fn links_of(&self, order: &OrderId) -> Option<OrderLinks> {
        let place = self.members.iter().position(|member| member == order)?;
        let others = |from: usize| -> Vec<OrderId> {
            let members = self.members.iter().skip(from);
            members.filter(|member| *member != order).cloned().collect()
        };
        let none = OrderLinks::default();
        let group = Some(self.group.clone());
        Some(match self.group {
            Group::Oto | Group::Bracket => OrderLinks {
                group,
                parent: self.members.first().filter(|_| place > 0).cloned(),
                siblings: if place > 0 { others(1) } else { Vec::new() },
                children: if place == 0 { others(1) } else { Vec::new() },
                ..none
            },
            // What is said by a word that is not known: that they hang together, and no more.
            _ => OrderLinks {
                group,
                siblings: others(0),
                ..none
            },
        })
    }
}
