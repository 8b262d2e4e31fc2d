//! Rows as the gateway writes them, in answers and in events of the hubs.

use broker_core::model::{Amount, OrderKind, Trail};
use broker_core::{Currency, Fill, Instrument, Order, OrderStatus, Position, Price, Side};
use broker_sim::{Engine, SimOrder};
use rust_decimal::Decimal;

use super::book::{Book, Ghost, Seat, is_active, symbol_id};
use super::json::{Object, plain, price, quoted, stamp};

/// States, as their numbers.
pub(super) fn status(order: &Order) -> i64 {
    match order.status {
        OrderStatus::New | OrderStatus::PartiallyFilled => 1,
        OrderStatus::Filled => 2,
        OrderStatus::Canceled | OrderStatus::Replaced => 3,
        OrderStatus::Expired => 4,
        OrderStatus::Rejected => 5,
        OrderStatus::PendingNew | OrderStatus::PendingReplace => 6,
        OrderStatus::PendingCancel => 7,
        OrderStatus::Held => 8,
        _ => 0,
    }
}

fn kind(book: &Book, order: &Order) -> i64 {
    if let Some(joined) = book.joined.get(&order.id) {
        return i64::from(*joined);
    }
    match order.kind {
        OrderKind::Limit => 1,
        OrderKind::Market => 2,
        OrderKind::StopLimit => 3,
        OrderKind::Stop => 4,
        OrderKind::TrailingStop => 5,
        _ => 0,
    }
}

pub(super) fn account(engine: &Engine, seat: &Seat) -> String {
    let (cash, blocked) = engine.account(&seat.account).map_or((Decimal::ZERO, true), |account| {
        (account.cash_of(Currency::USD), account.is_blocked())
    });
    Object::new(true)
        .number("id", seat.number)
        .text("name", &seat.name)
        .raw("balance", plain(cash))
        .flag("canTrade", seat.active && !blocked)
        .flag("isVisible", true)
        .flag("simulated", seat.simulated)
        .end()
}

pub(super) fn contract(engine: &Engine, book: &Book, instrument: &Instrument) -> String {
    let id = book.contract(&instrument.id);
    let tick = instrument.ticks.first().map_or(Decimal::ONE, |band| band.tick);
    let value = tick * instrument.multiplier.unwrap_or(Decimal::ONE);
    // The vendor writes one digit of the year.
    let symbol = instrument.symbol.get();
    let (front, year) = symbol.split_at(symbol.len().saturating_sub(2));
    let name = format!("{front}{}", year.get(1..).unwrap_or_default());
    Object::new(true)
        .text("id", id)
        .text("name", &name)
        .maybe("description", instrument.name.as_deref().map(quoted))
        .raw("tickSize", plain(tick))
        .raw("tickValue", plain(value))
        .flag("activeContract", is_active(engine, instrument))
        .text("symbolId", symbol_id(id))
        .end()
}

/// An order; `hub` for an event, which leaves nulls out and writes finer times.
pub(super) fn order(engine: &Engine, book: &Book, seat: &Seat, order: &Order, hub: bool) -> String {
    let leg = order.legs.first();
    let id = leg.map_or("", |leg| book.contract(&leg.instrument));
    let entry = order
        .links
        .parent
        .as_ref()
        .and_then(|parent| engine.order(&seat.account, parent).ok());
    let suffix = match order.kind {
        OrderKind::Limit => "TP",
        _ => "SL",
    };
    let own_tag = order.client_id.as_ref().map(|tag| tag.get().to_owned());
    let entry_tag = entry.and_then(|entry| entry.order().client_id.as_ref());
    let tag = own_tag.or_else(|| entry_tag.map(|tag| format!("{}-{suffix}", tag.get())));
    // A suspended exit has no price yet.
    let is_shown = order.status != OrderStatus::Held;
    let shown = |level: Option<Price>| level.filter(|_| is_shown).map(|level| price(level.get()));
    let linked = order.links.siblings.first().filter(|_| order.kind == OrderKind::Limit);
    let trail = match order.trail {
        Some(Trail::Amount(amount)) => Some(amount),
        _ => None,
    };
    let size = match order.amount {
        Amount::Qty(qty) => qty.get(),
        Amount::Notional(_) => Decimal::ZERO,
    };
    let created = order.created_at.unwrap_or_default();
    let object = Object::new(!hub)
        .number("id", book.number(&order.id))
        .number("accountId", seat.number)
        .text("contractId", id)
        .text("symbolId", symbol_id(id))
        .raw("creationTimestamp", stamp(created, hub))
        .raw("updateTimestamp", stamp(order.updated_at.unwrap_or(created), hub))
        .number("status", status(order))
        .number("type", kind(book, order))
        .number("side", side(leg.map_or(Side::Buy, |leg| leg.side)))
        .raw("size", plain(size))
        .maybe("limitPrice", shown(order.limit_price))
        .maybe("stopPrice", shown(order.stop_price.filter(|_| trail.is_none())))
        .raw("fillVolume", plain(order.filled_qty.get()))
        .maybe("filledPrice", order.average_price.map(|average| price(average.get())))
        .maybe("customTag", tag.as_deref().map(quoted));
    // These are never null: they are there or not.
    let object = [
        ("trailPrice", trail.map(plain)),
        (
            "parentOrderId",
            order.links.parent.as_ref().map(|id| book.number(id).to_string()),
        ),
        ("linkedOrderId", linked.map(|id| book.number(id).to_string())),
    ]
    .into_iter()
    .filter_map(|(name, value)| value.map(|value| (name, value)))
    .fold(object, |object, (name, value)| object.raw(name, value));
    object.end()
}

/// An order of the engine as it is now.
pub(super) fn now(engine: &Engine, book: &Book, seat: &Seat, found: &SimOrder) -> String {
    order(engine, book, seat, found.order(), false)
}

pub(super) fn ghost(book: &Book, ghost: &Ghost) -> String {
    let seat = book.seats.get(ghost.seat).map_or(0, |seat| seat.number);
    Object::new(true)
        .number("id", ghost.number)
        .number("accountId", seat)
        .text("contractId", &ghost.contract)
        .text("symbolId", symbol_id(&ghost.contract))
        .raw("creationTimestamp", stamp(ghost.at, false))
        .raw("updateTimestamp", stamp(ghost.at, false))
        .number("status", 5)
        .number("type", i64::from(ghost.kind))
        .number("side", i64::from(ghost.side))
        .raw("size", plain(ghost.size))
        .maybe("limitPrice", None)
        .maybe("stopPrice", None)
        .number("fillVolume", 0)
        .maybe("filledPrice", None)
        .maybe("customTag", ghost.tag.as_deref().map(quoted))
        .end()
}

pub(super) fn trade(book: &Book, seat: &Seat, fill: &Fill, hub: bool) -> String {
    let mut fees = fill.fees.iter().map(|fee| fee.amount);
    let own = fees.next().unwrap_or_default();
    let commissions: Decimal = fees.sum();
    let object = Object::new(!hub)
        .number("id", seat.trade_number(&fill.id))
        .number("accountId", seat.number)
        .text("contractId", book.contract(&fill.instrument))
        .raw("creationTimestamp", stamp(fill.at, hub))
        .raw("price", price(fill.price.get()))
        .maybe("profitAndLoss", fill.pnl.map(|pnl| price(pnl.amount)))
        .raw("fees", plain(own));
    // Accounts without a commission do not state one.
    let object = match commissions.is_zero() {
        true => object,
        false => object.raw("commissions", plain(commissions)),
    };
    object
        .number("side", side(fill.side))
        .raw("size", plain(fill.qty.get()))
        .flag("voided", seat.is_voided(&fill.id))
        .number("orderId", fill.order.as_ref().map_or(0, |id| book.number(id)))
        .end()
}

/// A position; without a side and a size it is flat.
pub(super) fn position(book: &Book, seat: &Seat, position: &Position, hub: bool) -> String {
    let id = book.contract(&position.instrument);
    let kind = match (position.qty.is_zero(), position.side) {
        (true, _) => 0,
        (false, Side::Buy) => 1,
        (false, Side::Sell) => 2,
    };
    Object::new(!hub)
        .number("id", book.position(seat, id))
        .number("accountId", seat.number)
        .text("contractId", id)
        .text("contractDisplayName", position.symbol.get())
        .raw("creationTimestamp", stamp(position.at.unwrap_or_default(), hub))
        .number("type", kind)
        .raw("size", plain(position.qty.get()))
        .raw(
            "averagePrice",
            price(position.average_price.map_or(Decimal::ZERO, Price::get)),
        )
        .end()
}

fn side(side: Side) -> i64 {
    match side {
        Side::Buy => 0,
        Side::Sell => 1,
    }
}
