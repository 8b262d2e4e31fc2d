//! Orders, and how they hang together.

use std::collections::{BTreeMap, BTreeSet};

use broker_core::model::{Amount, Group, OrderKind, OrderLeg, OrderLinks, PositionLeg, Trail};
use broker_core::num::Num;
use broker_core::{AccountId, ClientOrderId, Order, OrderId, OrderStatus, Price, Qty, Result, TimeInForce};
use rust_decimal::Decimal;

use super::{account_id, moment, names, own, qty, side};
use crate::wire::OrderJson;

/// Type of a trailing stop.
const TRAILING: i64 = 5;

/// The rows of a list, oldest first, related to each other.
pub(crate) fn list(wire: &[OrderJson<'_>], account: &AccountId) -> Result<Vec<Order>> {
    let mut orders = Vec::with_capacity(wire.len());
    for row in wire {
        own(account, row.account_id)?;
        orders.push((row.id, order(row)?));
    }
    orders.sort_by_key(|(id, order)| (order.created_at, *id));
    let mut families = Families::default();
    orders.iter().for_each(|(_, order)| families.note(order));
    let related = orders.into_iter().map(|(_, mut order)| {
        families.relate(&mut order);
        order
    });
    Ok(related.collect())
}

/// An order as it says of itself: an exit names its entry, a target its stop, an entry nobody.
pub(crate) fn order(wire: &OrderJson<'_>) -> Result<Order> {
    let (instrument, symbol) = names(wire.contract_id.get());
    let filled_qty = wire.fill_volume.map_or(Ok(Qty::ZERO), qty)?;
    let price = |number: Option<Num>| number.map(|number| Price::new(number.0));
    let average_price = price(wire.filled_price).filter(|_| !filled_qty.is_zero());
    let id = |number: i64| OrderId::from(number.to_string());
    let status = status(wire.status, filled_qty);
    Ok(Order {
        id: id(wire.id),
        client_id: wire
            .custom_tag
            .as_ref()
            .filter(|tag| !tag.get().is_empty())
            .map(|tag| ClientOrderId::from(tag.get())),
        account: account_id(wire.account_id),
        legs: vec![OrderLeg {
            instrument,
            symbol,
            side: side(wire.side)?,
            ratio: Decimal::ONE,
            effect: None,
            position: PositionLeg::Net,
            filled_qty,
            average_price,
        }],
        kind: kind(wire.kind),
        amount: Amount::Qty(qty(wire.size)?),
        filled_qty,
        average_price,
        limit_price: price(wire.limit_price),
        stop_price: price(wire.stop_price),
        // Hubs state a distance for the plain stop of a bracket, too. Below the entry it is negative.
        trail: wire
            .trail_price
            .filter(|_| wire.kind == TRAILING)
            .map(|number| Trail::Amount(number.0.abs())),
        // No order states one: the gateway has no field for it.
        time_in_force: Some(TimeInForce::Day),
        expires_at: None,
        extended_hours: false,
        reduce_only: false,
        reason: None,
        status,
        links: OrderLinks {
            parent: wire.parent_order_id.map(id),
            siblings: wire.linked_order_id.map(id).into_iter().collect(),
            group: wire.linked_order_id.map(|_| Group::Bracket),
            ..OrderLinks::default()
        },
        created_at: Some(moment(wire.creation_timestamp)),
        updated_at: wire.update_timestamp.map(moment),
    })
}

/// Which exits belong to which entry, as far as they were seen: exits name their entry, entries name nobody.
#[derive(Debug, Default)]
pub(crate) struct Families(BTreeMap<OrderId, BTreeSet<OrderId>>);

impl Families {
    pub(crate) fn note(&mut self, order: &Order) {
        if let Some(parent) = &order.links.parent {
            self.0.entry(parent.clone()).or_default().insert(order.id.clone());
        }
    }

    /// Tells an entry of its exits, and an exit of the other one.
    pub(crate) fn relate(&self, order: &mut Order) {
        let links = &mut order.links;
        let Some(exits) = self.0.get(links.parent.as_ref().unwrap_or(&order.id)) else {
            return;
        };
        let group = match exits.len() {
            1 => Group::Oto,
            _ => Group::Bracket,
        };
        if links.parent.is_none() {
            links.children = exits.iter().cloned().collect();
            links.group = Some(group);
        } else if links.siblings.is_empty() {
            links.siblings = exits.iter().filter(|exit| **exit != order.id).cloned().collect();
            links.group = Some(group);
        }
    }

    /// Forgets the oldest families beyond so many.
    #[cfg(feature = "streaming")]
    pub(crate) fn keep(&mut self, most: usize) {
        while self.0.len() > most {
            self.0.pop_first();
        }
    }
}

fn status(number: i64, filled: Qty) -> OrderStatus {
    match number {
        // 6 is taken, and not at work yet.
        1 | 6 if filled.is_zero() => OrderStatus::New,
        1 | 6 => OrderStatus::PartiallyFilled,
        2 => OrderStatus::Filled,
        3 => OrderStatus::Canceled,
        4 => OrderStatus::Expired,
        5 => OrderStatus::Rejected,
        7 => OrderStatus::PendingCancel,
        // An exit that waits for its entry.
        8 => OrderStatus::Held,
        // Nothing is known of these, not even whether they are final.
        other => OrderStatus::Other(other.to_string().into()),
    }
}

fn kind(number: i64) -> OrderKind {
    match number {
        1 => OrderKind::Limit,
        2 => OrderKind::Market,
        3 => OrderKind::StopLimit,
        4 => OrderKind::Stop,
        TRAILING => OrderKind::TrailingStop,
        6 => OrderKind::Other("join_bid".into()),
        7 => OrderKind::Other("join_ask".into()),
        other => OrderKind::Other(other.to_string().into()),
    }
}
