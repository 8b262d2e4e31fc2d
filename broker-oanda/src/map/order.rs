//! Orders, from the rows that tell of them: what made one, what filled it, what ended it.
//!
//! An order of OANDA says neither how much of it was filled nor why it was canceled: both are in transactions. Exits
//! name a trade, and neither instrument nor size: both are the trade's, which the fill that opened it tells.
//!
//! Exits that are asked for with an entry have no ids before it fills. Until then they are shown under ids of our own,
//! `204:TP` for the target of order 204, and are held; then the real ones replace them.

use broker_core::model::{Amount, Group, OrderKind, OrderLeg, OrderLinks, PositionEffect, PositionLeg, Trail};
use broker_core::{
    ClientOrderId, Error, InstrumentId, Order, OrderId, OrderStatus, Price, Qty, Result, Side, TimeInForce,
};
use chrono::{DateTime, Utc};
use rust_decimal::Decimal;

use super::{Book, names, price, text};
use crate::wire::{self, ExitJson, RowJson};

/// What a row tells of an order.
#[derive(Debug, Clone)]
pub(crate) enum Told {
    Made(Box<Made>),
    Filled(Box<Filled>),
    Ended(Ended),
}

/// A new order; of an order that was refused, its last word too.
#[derive(Debug, Clone)]
pub(crate) struct Made {
    pub(crate) order: Order,
    /// Exits that are made when it fills.
    pub(crate) exits: Vec<Order>,
    /// The trade that it closes: then it has no leg yet.
    pub(crate) trade: Option<u64>,
    /// The fill with which it was made, of an exit.
    pub(crate) with_fill: Option<u64>,
}

/// An order that was filled.
#[derive(Debug, Clone)]
pub(crate) struct Filled {
    pub(crate) id: u64,
    pub(crate) order: OrderId,
    pub(crate) instrument: InstrumentId,
    pub(crate) side: Side,
    pub(crate) qty: Qty,
    pub(crate) price: Price,
    pub(crate) leg: PositionLeg,
    pub(crate) at: DateTime<Utc>,
    /// The trade that it opened.
    pub(crate) opened: Option<Lot>,
}

/// A trade, as far as its exits need it.
#[derive(Debug, Clone)]
pub(crate) struct Lot {
    pub(crate) id: u64,
    pub(crate) instrument: InstrumentId,
    /// Of the trade; an exit has the other one.
    pub(crate) side: Side,
    pub(crate) qty: Qty,
    /// The order that opened it.
    pub(crate) order: Option<OrderId>,
}

/// An order that was canceled.
#[derive(Debug, Clone)]
pub(crate) struct Ended {
    pub(crate) order: OrderId,
    pub(crate) reason: String,
    pub(crate) replaced_by: Option<OrderId>,
    pub(crate) at: DateTime<Utc>,
}

/// What a transaction tells of orders, if it does.
pub(crate) fn told(row: &RowJson<'_>, book: &Book) -> Result<Option<Told>> {
    let kind = row.kind();
    Ok(match kind {
        "ORDER_FILL" => Some(Told::Filled(Box::new(filled(row, book)?))),
        "ORDER_CANCEL" => Some(Told::Ended(ended(row)?)),
        _ if kind.ends_with("_ORDER_REJECT") => Some(Told::Made(Box::new(refused(row, book)?))),
        _ if wire::is_order(kind) => Some(Told::Made(Box::new(made(row, book)?))),
        _ => None,
    })
}

/// The order that a transaction made, or that an answer lists.
pub(crate) fn made(row: &RowJson<'_>, book: &Book) -> Result<Made> {
    let id = OrderId::from(row.id()?);
    let word = row.needed(text(&row.kind), "type")?;
    let word = word.strip_suffix("_ORDER").unwrap_or(word);
    let trade = row.trade_id.as_ref().map(|trade| wire::id(trade.get())).transpose()?;
    let at = row.at()?;
    let tif = text(&row.time_in_force).map(time_in_force);
    let at_once = matches!(tif, Some(TimeInForce::Ioc | TimeInForce::Fok));
    // A market order that takes no worse price than this is a limit order that does not rest.
    let bounded = (word == "MARKET" && at_once).then_some(row.price_bound).flatten();
    let kind = match bounded {
        Some(_) => OrderKind::Limit,
        None => order_kind(word),
    };
    let (limit_price, stop_price) = match word {
        "MARKET" => (price(bounded), None),
        "LIMIT" | "TAKE_PROFIT" => (price(row.price), None),
        "TRAILING_STOP_LOSS" => (None, price(row.trailing_stop_value)),
        _ => (None, price(row.price)),
    };
    let reduce_only = text(&row.position_fill) == Some("REDUCE_ONLY") || trade.is_some();
    let mut order = Order {
        id,
        client_id: own_id(row),
        account: book.account.clone(),
        legs: Vec::new(),
        kind,
        amount: Amount::Qty(Qty::ZERO),
        filled_qty: Qty::ZERO,
        average_price: None,
        limit_price,
        stop_price,
        trail: (word == "TRAILING_STOP_LOSS")
            .then(|| row.distance.map(|distance| Trail::Amount(distance.0)))
            .flatten(),
        time_in_force: tif,
        expires_at: row.gtd_time,
        extended_hours: false,
        reduce_only,
        status: listed_status(text(&row.state)),
        reason: None,
        links: OrderLinks {
            replaces: text(&row.replaces_order_id).map(OrderId::from),
            ..OrderLinks::default()
        },
        created_at: Some(at),
        updated_at: Some(at),
    };
    if let (Some(name), Some(units)) = (text(&row.instrument), row.units) {
        let (side, qty) = Qty::from_signed(units.0);
        order.amount = Amount::Qty(qty);
        let position = match reduce_only {
            true => book.leg(side.opposite()),
            false => book.leg(side),
        };
        order.legs.push(leg(name, side, position, effect(row)));
    } else if trade.is_none() {
        return Err(Error::decode(format!(
            "order {} names no instrument and no trade",
            order.id
        )));
    }
    let exits = exits(row, &mut order);
    Ok(Made {
        order,
        exits,
        trade,
        with_fill: row
            .order_fill_transaction_id
            .as_ref()
            .and_then(|id| wire::id(id.get()).ok()),
    })
}

/// Where several words mean the same, the broker's reason is kept beside ours.
fn refused(row: &RowJson<'_>, book: &Book) -> Result<Made> {
    let reason = text(&row.reject_reason).unwrap_or("rejected").to_owned();
    let at = row.at()?;
    let word = row.kind().strip_suffix("_ORDER_REJECT").unwrap_or_default();
    // Rejects leave fields out: units, and for a bad instrument even that.
    let legs = text(&row.instrument).zip(row.units).map(|(name, units)| {
        let (side, qty) = Qty::from_signed(units.0);
        (leg(name, side, book.leg(side), effect(row)), qty)
    });
    Ok(Made {
        order: Order {
            id: OrderId::from(row.id()?),
            client_id: own_id(row),
            account: book.account.clone(),
            kind: order_kind(word),
            amount: Amount::Qty(legs.as_ref().map_or(Qty::ZERO, |(_, qty)| *qty)),
            legs: legs.into_iter().map(|(leg, _)| leg).collect(),
            filled_qty: Qty::ZERO,
            average_price: None,
            limit_price: (word == "LIMIT" || word == "TAKE_PROFIT")
                .then(|| price(row.price))
                .flatten(),
            stop_price: (word != "LIMIT" && word != "TAKE_PROFIT")
                .then(|| price(row.price))
                .flatten(),
            trail: None,
            time_in_force: text(&row.time_in_force).map(time_in_force),
            expires_at: row.gtd_time,
            extended_hours: false,
            reduce_only: text(&row.position_fill) == Some("REDUCE_ONLY"),
            status: OrderStatus::Rejected,
            reason: Some(reason),
            links: OrderLinks::default(),
            created_at: Some(at),
            updated_at: Some(at),
        },
        exits: Vec::new(),
        trade: None,
        with_fill: None,
    })
}

fn own_id(row: &RowJson<'_>) -> Option<ClientOrderId> {
    let own = row.client_extensions.as_ref()?;
    text(&own.id).map(ClientOrderId::from)
}

fn leg(name: &str, side: Side, position: PositionLeg, effect: Option<PositionEffect>) -> OrderLeg {
    let (instrument, symbol) = names(name);
    OrderLeg {
        instrument,
        symbol,
        side,
        ratio: Decimal::ONE,
        effect,
        position,
        filled_qty: Qty::ZERO,
        average_price: None,
    }
}

fn effect(row: &RowJson<'_>) -> Option<PositionEffect> {
    match text(&row.position_fill) {
        Some("OPEN_ONLY") => Some(PositionEffect::Open),
        Some("REDUCE_ONLY") => Some(PositionEffect::Close),
        _ => None,
    }
}

/// What exits are called before they are made.
const TARGET: &str = "TP";
const STOP: &str = "SL";
const GUARANTEED: &str = "GSL";
const TRAILING: &str = "TS";

/// The order that asks for an exit, by the exit's id of ours.
pub(crate) fn parent_of(id: &OrderId) -> Option<OrderId> {
    let (order, word) = id.get().split_once(':')?;
    let known = [TARGET, STOP, GUARANTEED, TRAILING].contains(&word) && wire::id(order).is_ok();
    known.then(|| OrderId::from(order))
}

/// The exits that an entry asks for, held, and the group that they make of it.
fn exits(row: &RowJson<'_>, entry: &mut Order) -> Vec<Order> {
    let asked = [
        (TARGET, OrderKind::Limit, &row.take_profit_on_fill),
        (STOP, OrderKind::Stop, &row.stop_loss_on_fill),
        (GUARANTEED, OrderKind::Stop, &row.guaranteed_stop_loss_on_fill),
        (TRAILING, OrderKind::TrailingStop, &row.trailing_stop_loss_on_fill),
    ];
    let asked = asked
        .into_iter()
        .filter_map(|(word, kind, exit)| Some((word, kind, exit.as_ref()?)));
    let mut made: Vec<Order> = asked.map(|(word, kind, exit)| held(word, kind, exit, entry)).collect();
    if made.is_empty() {
        return made;
    }
    let has = |kind: &OrderKind| made.iter().any(|exit| exit.kind == *kind);
    let group = match has(&OrderKind::Limit) && made.len() > 1 {
        true => Group::Bracket,
        false => Group::Oto,
    };
    let ids: Vec<OrderId> = made.iter().map(|exit| exit.id.clone()).collect();
    for exit in &mut made {
        exit.links.group = Some(group.clone());
        exit.links.siblings = ids.iter().filter(|id| **id != exit.id).cloned().collect();
    }
    entry.links.group = Some(group);
    entry.links.children = ids;
    made
}

fn held(word: &str, kind: OrderKind, exit: &ExitJson<'_>, entry: &Order) -> Order {
    let at = price(exit.price);
    let is_target = kind == OrderKind::Limit;
    let mut legs = entry.legs.clone();
    for leg in &mut legs {
        leg.side = leg.side.opposite();
        leg.effect = Some(PositionEffect::Close);
    }
    Order {
        id: OrderId::from(format!("{}:{word}", entry.id)),
        client_id: exit
            .client_extensions
            .as_ref()
            .and_then(|own| text(&own.id))
            .map(ClientOrderId::from),
        legs,
        limit_price: at.filter(|_| is_target),
        stop_price: at.filter(|_| !is_target),
        trail: (kind == OrderKind::TrailingStop)
            .then(|| exit.distance.map(|distance| Trail::Amount(distance.0)))
            .flatten(),
        kind,
        time_in_force: text(&exit.time_in_force).map(time_in_force),
        expires_at: exit.gtd_time,
        reduce_only: true,
        status: OrderStatus::Held,
        links: OrderLinks {
            parent: Some(entry.id.clone()),
            ..OrderLinks::default()
        },
        ..entry.clone()
    }
}

fn filled(row: &RowJson<'_>, book: &Book) -> Result<Filled> {
    let (fill, _) = super::record::fill(row, book)?;
    let order = fill.order.ok_or_else(|| Error::decode("a fill of no order"))?;
    let opened = row.trade_opened.as_ref().map(|opened| {
        Ok::<_, Error>(Lot {
            id: wire::id(opened.trade_id.get())?,
            instrument: fill.instrument.clone(),
            side: fill.side,
            qty: Qty::from_signed(opened.units.0).1,
            order: Some(order.clone()),
        })
    });
    Ok(Filled {
        id: row.number()?,
        order,
        instrument: fill.instrument,
        side: fill.side,
        qty: fill.qty,
        price: fill.price,
        leg: fill.leg,
        at: fill.at,
        opened: opened.transpose()?,
    })
}

fn ended(row: &RowJson<'_>) -> Result<Ended> {
    Ok(Ended {
        order: OrderId::from(row.needed(text(&row.order_id), "orderID")?),
        reason: row.needed(text(&row.reason), "reason")?.to_owned(),
        replaced_by: text(&row.replaced_by_order_id).map(OrderId::from),
        at: row.at()?,
    })
}

impl Made {
    /// An exit gets its instrument and size from its trade.
    pub(crate) fn join(&mut self, lot: &Lot, book: &Book) {
        let side = lot.side.opposite();
        let leg = leg(
            lot.instrument.get(),
            side,
            book.leg(lot.side),
            Some(PositionEffect::Close),
        );
        self.order.legs = vec![leg];
        self.order.amount = Amount::Qty(lot.qty);
        self.order.links.parent.clone_from(&lot.order);
    }

    pub(crate) fn fill(&mut self, fill: &Filled) {
        let order = &mut self.order;
        if order.legs.is_empty() {
            let leg = leg(fill.instrument.get(), fill.side, fill.leg, Some(PositionEffect::Close));
            order.legs.push(leg);
            order.amount = Amount::Qty(fill.qty);
        }
        order.filled_qty = fill.qty;
        order.average_price = Some(fill.price);
        for leg in &mut order.legs {
            (leg.filled_qty, leg.average_price) = (fill.qty, Some(fill.price));
        }
        order.updated_at = Some(fill.at);
        // An exit fills for what is left of its trade by then. Any other order that fills less is done all the same:
        // what is left was canceled.
        let whole = match order.amount {
            Amount::Qty(qty) => fill.qty >= qty || self.trade.is_some(),
            Amount::Notional(_) => true,
        };
        order.status = match whole {
            true => OrderStatus::Filled,
            false => OrderStatus::Canceled,
        };
        order.reason = (!whole).then(|| "FILLED in part, the rest is canceled".to_owned());
        if self.trade.is_some() {
            order.amount = Amount::Qty(fill.qty);
        }
        // What its exits became is told by their own rows; without a trade there is nothing to exit from.
        let status = match fill.opened {
            Some(_) => OrderStatus::Replaced,
            None => OrderStatus::Canceled,
        };
        self.end_exits(&status, fill.at);
    }

    pub(crate) fn end(&mut self, ended: &Ended) {
        let order = &mut self.order;
        order.status = end_status(&ended.reason, ended.replaced_by.is_some(), order);
        order.reason = Some(ended.reason.clone());
        order.links.replaced_by.clone_from(&ended.replaced_by);
        order.updated_at = Some(ended.at);
        self.end_exits(&OrderStatus::Canceled, ended.at);
    }

    fn end_exits(&mut self, status: &OrderStatus, at: DateTime<Utc>) {
        for exit in &mut self.exits {
            exit.status = status.clone();
            exit.updated_at = Some(at);
        }
    }

    /// Exits that were made when this order filled take the places of those that it asked for.
    pub(crate) fn adopt(&mut self, real: &mut Order) {
        let place = self.exits.iter_mut().find(|exit| {
            let same = exit.kind == real.kind;
            same && exit.links.replaced_by.as_ref().is_none_or(|id| *id == real.id)
        });
        real.links.parent = Some(self.order.id.clone());
        real.links.group.clone_from(&self.order.links.group);
        if let Some(exit) = place {
            exit.links.replaced_by = Some(real.id.clone());
            for id in &mut self.order.links.children {
                if *id == exit.id {
                    *id = real.id.clone();
                }
            }
        }
    }

    /// The order, and the exits that wait for it or went with it: not those that became orders of their own.
    pub(crate) fn listed(self) -> impl Iterator<Item = Order> {
        let exits = self.exits.into_iter();
        std::iter::once(self.order).chain(exits.filter(|exit| exit.status != OrderStatus::Replaced))
    }
}

/// What an order's own word says of it. That it is filled or canceled is told in full by the transaction that it names;
/// where it names none, its word is all there is.
fn listed_status(word: Option<&str>) -> OrderStatus {
    match word {
        None | Some("PENDING" | "TRIGGERED") => OrderStatus::New,
        Some(other) => OrderStatus::Other(other.into()),
    }
}

/// What a cancel makes of an order, by its reason.
fn end_status(reason: &str, replaced: bool, order: &Order) -> OrderStatus {
    let at_once = matches!(order.time_in_force, Some(TimeInForce::Ioc | TimeInForce::Fok));
    match reason {
        "CLIENT_REQUEST_REPLACED" | "DIVIDEND_ADJUSTMENT_REPLACED" => OrderStatus::Replaced,
        _ if replaced => OrderStatus::Replaced,
        "TIME_IN_FORCE_EXPIRED" => OrderStatus::Expired,
        "CLIENT_REQUEST" | "LINKED_TRADE_CLOSED" | "MIGRATION" => OrderStatus::Canceled,
        // A limit order that does not rest, and that the market did not meet.
        "BOUNDS_VIOLATION" if order.kind == OrderKind::Limit && at_once => OrderStatus::Canceled,
        _ => OrderStatus::Rejected,
    }
}

pub(crate) fn exit_kind(word: &str) -> Option<OrderKind> {
    Some(match word {
        "TAKE_PROFIT" => OrderKind::Limit,
        "STOP_LOSS" | "GUARANTEED_STOP_LOSS" => OrderKind::Stop,
        "TRAILING_STOP_LOSS" => OrderKind::TrailingStop,
        _ => return None,
    })
}

fn order_kind(word: &str) -> OrderKind {
    match word {
        // Orders of an administrator, at a price of theirs.
        "MARKET" | "FIXED_PRICE" => OrderKind::Market,
        "LIMIT" => OrderKind::Limit,
        "STOP" => OrderKind::Stop,
        "MARKET_IF_TOUCHED" => OrderKind::MarketIfTouched,
        other => exit_kind(other).unwrap_or_else(|| OrderKind::Other(other.into())),
    }
}

pub(crate) fn time_in_force(word: &str) -> TimeInForce {
    match word {
        "GTC" => TimeInForce::Gtc,
        "GTD" => TimeInForce::Gtd,
        "GFD" => TimeInForce::Day,
        "FOK" => TimeInForce::Fok,
        "IOC" => TimeInForce::Ioc,
        other => TimeInForce::Other(other.into()),
    }
}
