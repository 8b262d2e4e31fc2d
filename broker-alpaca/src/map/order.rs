//! Orders and groups of orders.

use broker_core::model::{Amount, Group, OrderKind, OrderLeg, OrderLinks, PositionEffect, PositionLeg, Trail};
use broker_core::{
    AccountId, ClientOrderId, Currency, Error, Money, Order, OrderId, OrderStatus, Qty, Result, TimeInForce,
};
use rust_decimal::Decimal;

use super::{names, needed, side, symbol};
use crate::wire::{self, OrderJson, filled};

/// The order of an answer that holds one.
pub(crate) fn first(body: &str, account: &AccountId) -> Result<Order> {
    let orders = group(&wire::decode::<OrderJson<'_>>(body)?, account)?;
    orders.into_iter().next().ok_or_else(|| Error::decode("an empty order"))
}

/// The order and its legs as orders of their own, linked; the order itself comes first.
pub(crate) fn group(wire: &OrderJson<'_>, account: &AccountId) -> Result<Vec<Order>> {
    let legs = wire.legs.as_deref().unwrap_or_default();
    let mut orders = Vec::with_capacity(1 + legs.len());
    let mut parent = order(wire, None, account)?;
    let group = parent.links.group.clone();
    let ids: Vec<OrderId> = legs.iter().map(|leg| OrderId::from(leg.id.get())).collect();
    for leg in legs {
        let mut child = order(leg, Some(wire), account)?;
        child.links.group = child.links.group.or_else(|| group.clone());
        child.links.parent = Some(parent.id.clone());
        if matches!(group, Some(Group::Bracket | Group::Oco)) {
            child.links.siblings = ids.iter().filter(|id| **id != child.id).cloned().collect();
        }
        orders.push(child);
    }
    match group {
        // The target of an OCO is the order itself and its stop the only leg: each is the other's sibling.
        Some(Group::Oco) => {
            for child in &mut orders {
                child.links.siblings.push(parent.id.clone());
            }
            parent.links.siblings = ids;
        }
        // What a multi-leg order trades is said by its legs alone.
        Some(Group::MultiLeg) => {
            parent.legs = orders.iter().flat_map(|child| child.legs.iter().cloned()).collect();
            parent.links.children = ids;
        }
        _ => parent.links.children = ids,
    }
    orders.insert(0, parent);
    Ok(orders)
}

fn order(wire: &OrderJson<'_>, parent: Option<&OrderJson<'_>>, account: &AccountId) -> Result<Order> {
    let filled_qty = Qty::new(needed(wire.filled_qty.0, "filled quantity", wire.id.get())?)?;
    let size = wire.qty.0.map(Qty::new).transpose()?;
    let amount = match (size, wire.notional.0) {
        (Some(qty), _) => Amount::Qty(qty),
        (None, notional) => Amount::Notional(Money::new(needed(notional, "quantity", wire.id.get())?, Currency::USD)),
    };
    let status = status(wire.status.get(), filled_qty, size);
    Ok(Order {
        id: OrderId::from(wire.id.get()),
        client_id: filled(&wire.client_order_id).map(ClientOrderId::from),
        account: account.clone(),
        legs: leg(wire, filled_qty, parent.is_some())?.into_iter().collect(),
        kind: filled(&wire.kind)
            .or_else(|| filled(&parent?.kind))
            .map_or_else(|| OrderKind::Other("".into()), kind),
        amount,
        filled_qty,
        average_price: average_price(wire, filled_qty),
        limit_price: wire.limit_price.0.map(Into::into),
        stop_price: wire.stop_price.0.map(Into::into),
        trail: match (wire.trail_price.0, wire.trail_percent.0) {
            (Some(amount), _) => Some(Trail::Amount(amount)),
            (None, percent) => percent.map(Trail::Percent),
        },
        time_in_force: filled(&wire.time_in_force).map(time_in_force),
        expires_at: wire.expires_at.map(|stamp| stamp.0),
        extended_hours: wire.extended_hours.unwrap_or(false),
        reduce_only: false,
        // Several of Alpaca's words share one of ours: its own is kept where it says more.
        reason: (status.as_str() != wire.status.get()).then(|| wire.status.get().to_owned()),
        status,
        links: OrderLinks {
            group: filled(&wire.order_class).and_then(order_class),
            replaces: filled(&wire.replaces).map(OrderId::from),
            replaced_by: filled(&wire.replaced_by).map(OrderId::from),
            ..OrderLinks::default()
        },
        // `submitted_at` changes between the placing answer and later reads, so it is not used.
        created_at: wire.created_at.map(|stamp| stamp.0),
        updated_at: wire.updated_at.map(|stamp| stamp.0),
    })
}

/// `None` for an order whose side and symbol are said by its legs and empty in itself. Any other order without them
/// cannot be counted.
fn leg(wire: &OrderJson<'_>, filled_qty: Qty, is_child: bool) -> Result<Option<OrderLeg>> {
    let has_legs = wire.legs.as_ref().is_some_and(|legs| !legs.is_empty());
    let (text, word) = match (filled(&wire.symbol), filled(&wire.side)) {
        (None, None) if !is_child && (has_legs || filled(&wire.order_class) == Some("mleg")) => return Ok(None),
        (text, word) => (
            needed(text, "symbol", wire.id.get())?,
            needed(word, "side", wire.id.get())?,
        ),
    };
    let (instrument, symbol) = names(&symbol(text, filled(&wire.asset_class)));
    Ok(Some(OrderLeg {
        instrument,
        symbol,
        side: side(word)?,
        ratio: wire.ratio_qty.0.unwrap_or(Decimal::ONE),
        effect: filled(&wire.position_intent).and_then(position_effect),
        position: PositionLeg::Net,
        filled_qty,
        average_price: average_price(wire, filled_qty),
    }))
}

/// Some answers write 0 for the average of no fills.
fn average_price(wire: &OrderJson<'_>, filled_qty: Qty) -> Option<broker_core::Price> {
    wire.filled_avg_price
        .0
        .filter(|_| !filled_qty.is_zero())
        .map(Into::into)
}

fn status(word: &str, filled_qty: Qty, size: Option<Qty>) -> OrderStatus {
    let working = if filled_qty.is_zero() {
        OrderStatus::New
    } else {
        OrderStatus::PartiallyFilled
    };
    match word {
        "new" | "accepted" | "accepted_for_bidding" => OrderStatus::New,
        "pending_new" => OrderStatus::PendingNew,
        "held" => OrderStatus::Held,
        "partially_filled" => OrderStatus::PartiallyFilled,
        "filled" => OrderStatus::Filled,
        // Settling: done, or done for the day.
        "calculated" if size == Some(filled_qty) => OrderStatus::Filled,
        // None of these is final: a good-till-canceled order goes on the next day.
        "done_for_day" | "stopped" | "suspended" | "calculated" => working,
        "canceled" => OrderStatus::Canceled,
        "expired" => OrderStatus::Expired,
        "rejected" => OrderStatus::Rejected,
        "replaced" => OrderStatus::Replaced,
        "pending_cancel" => OrderStatus::PendingCancel,
        "pending_replace" => OrderStatus::PendingReplace,
        other => OrderStatus::Other(other.into()),
    }
}

fn kind(word: &str) -> OrderKind {
    match word {
        "market" => OrderKind::Market,
        "limit" => OrderKind::Limit,
        "stop" => OrderKind::Stop,
        "stop_limit" => OrderKind::StopLimit,
        "trailing_stop" => OrderKind::TrailingStop,
        other => OrderKind::Other(other.into()),
    }
}

fn time_in_force(word: &str) -> TimeInForce {
    match word {
        "day" => TimeInForce::Day,
        "gtc" => TimeInForce::Gtc,
        "ioc" => TimeInForce::Ioc,
        "fok" => TimeInForce::Fok,
        "opg" => TimeInForce::AtOpen,
        "cls" => TimeInForce::AtClose,
        other => TimeInForce::Other(other.into()),
    }
}

/// `simple`, like an empty text, is no group.
fn order_class(word: &str) -> Option<Group> {
    Some(match word {
        "simple" => return None,
        "bracket" => Group::Bracket,
        "oco" => Group::Oco,
        "oto" => Group::Oto,
        "mleg" => Group::MultiLeg,
        other => Group::Other(other.into()),
    })
}

fn position_effect(word: &str) -> Option<PositionEffect> {
    match word {
        "buy_to_open" | "sell_to_open" => Some(PositionEffect::Open),
        "buy_to_close" | "sell_to_close" => Some(PositionEffect::Close),
        _ => None,
    }
}
