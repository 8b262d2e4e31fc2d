//! Order requests in the gateway's words. What it cannot do is refused here, before a byte is sent.

use broker_core::model::{InstrumentRef, Level, OrderChange, OrderKind, PositionLeg, Size, StopExit, Trail, Trigger};
use broker_core::{Error, Instrument, Intent, Order, OrderRequest, Price, Qty, Result, Side, TimeInForce};
use rust_decimal::Decimal;

use crate::wire::request::{BracketJson, ModifyJson, PlaceJson, Plain};

/// Most ticks of a trail; the gateway has no such border for a change, so this crate keeps it there, too.
const MOST_TICKS: i64 = 1_000;

const LIMIT: u8 = 1;
const MARKET: u8 = 2;
const STOP: u8 = 4;
const TRAILING: u8 = 5;

/// The body of a new order. A trailing stop lacks its price, see [`level`].
pub(crate) fn place(intent: &Intent, account_id: i64) -> Result<PlaceJson<'_>> {
    let (request, instrument) = (&intent.request, &*intent.instrument);
    check(request, instrument)?;
    let (kind, limit, stop) = match request.trigger {
        Trigger::Market => (MARKET, None, None),
        Trigger::Limit { limit } => (LIMIT, Some(limit), None),
        Trigger::Stop { stop } => (STOP, None, Some(stop)),
        Trigger::Trailing(trail) => {
            distance(trail, instrument)?;
            (TRAILING, None, None)
        }
        // Stop-limit, orders that are touched, an OCO of two orders, and whatever trigger the core learns later.
        ref other => {
            return Err(Error::unsupported(format!(
                "TopstepX places no {} orders",
                other.kind()
            )));
        }
    };
    Ok(PlaceJson {
        account_id,
        contract_id: instrument.id.get(),
        kind,
        side: side(request.side),
        size: size(request.size)?,
        limit_price: limit.map(|price| Plain(price.get())),
        stop_price: stop.map(|price| Plain(price.get())),
        trail_price: None,
        custom_tag: intent.id.get(),
        stop_loss_bracket: request
            .stop
            .map(|exit| stop_loss(exit, request.side, instrument))
            .transpose()?,
        take_profit_bracket: request
            .target
            .map(|target| take_profit(target, request.side, instrument))
            .transpose()?,
    })
}

pub(crate) fn side(side: Side) -> u8 {
    match side {
        Side::Buy => 0,
        Side::Sell => 1,
    }
}

/// The body of a change of `order`, as it was last read. A new trail lacks its price, see [`level`].
pub(crate) fn modify(
    order: &Order,
    change: &OrderChange,
    instrument: &Instrument,
    account_id: i64,
) -> Result<ModifyJson> {
    if *change == OrderChange::new() {
        return Err(Error::invalid("the change changes nothing"));
    }
    let lacks = |what: &str| Error::invalid(format!("a {} order has no {what} to change", order.kind));
    if let Some(tif) = change.time_in_force.as_ref().filter(|tif| **tif != TimeInForce::Day) {
        return Err(Error::unsupported(format!("TopstepX has no time in force {tif}")));
    }
    if change.limit_price.is_some() && order.kind != OrderKind::Limit {
        return Err(lacks("limit price"));
    }
    if change.stop_price.is_some() && order.kind != OrderKind::Stop {
        return Err(lacks("stop price"));
    }
    if change.trail.is_some() && order.kind != OrderKind::TrailingStop {
        return Err(lacks("trail"));
    }
    if let Some(trail) = change.trail {
        distance(trail, instrument)?;
    }
    Ok(ModifyJson {
        account_id,
        order_id: super::order_number(&order.id)?,
        size: change.qty.map(|qty| size(Size::Qty(qty))).transpose()?,
        limit_price: change.limit_price.map(|price| Plain(price.get())),
        stop_price: change.stop_price.map(|price| Plain(price.get())),
        trail_price: None,
    })
}

/// What no order can be at TopstepX.
fn check(request: &OrderRequest, instrument: &Instrument) -> Result<()> {
    let same = match &request.instrument {
        InstrumentRef::Id(id) => *id == instrument.id,
        InstrumentRef::Symbol(symbol) => *symbol == instrument.symbol,
    };
    if !same {
        return Err(Error::invalid(format!(
            "the order is for another instrument than {}",
            instrument.id
        )));
    }
    let refused = [
        (request.leg != PositionLeg::Net, "positions with two legs"),
        (request.reduce_only, "orders that can only reduce a position"),
        (request.extended_hours, "orders outside of a regular session"),
        (request.expires_at.is_some(), "orders with a moment of expiry"),
        // Orders have no field for it: one that is dropped without a word would work for another time than asked.
        (
            request
                .time_in_force
                .as_ref()
                .is_some_and(|tif| *tif != TimeInForce::Day),
            "other time in force than day",
        ),
    ];
    match refused.iter().find(|(broken, _)| *broken) {
        Some((_, what)) => Err(Error::unsupported(format!("TopstepX has no {what}"))),
        None => Ok(()),
    }
}

/// Whole contracts.
fn size(size: Size) -> Result<Plain> {
    match size {
        Size::Qty(qty) if qty.is_zero() => Err(Error::invalid("the quantity must be above zero")),
        Size::Qty(qty) if qty.get().fract().is_zero() => Ok(Plain(qty.get())),
        Size::Qty(qty) => Err(Error::invalid(format!("{qty} is no number of whole contracts"))),
        Size::Notional { .. } => Err(Error::unsupported("TopstepX has no orders for money")),
    }
}

/// The trail as the gateway wants it: an absolute price, of which it makes ticks from the last price that it sees. A
/// last price that moves between our look and its own moves the distance: it cannot be given exactly.
pub(crate) fn level(trail: Trail, side: Side, last: Price) -> Result<Plain> {
    let Trail::Amount(amount) = trail else {
        return Err(in_percent());
    };
    let level = match side {
        Side::Sell => last.get().checked_sub(amount),
        Side::Buy => last.get().checked_add(amount),
    };
    level.map(Plain).ok_or_else(|| Error::invalid("the trail does not fit"))
}

fn distance(trail: Trail, instrument: &Instrument) -> Result<i64> {
    match trail {
        Trail::Amount(amount) => ticks(Qty::new(amount)?, instrument),
        Trail::Percent(_) => Err(in_percent()),
    }
}

fn in_percent() -> Error {
    Error::unsupported("TopstepX has no trails in percent")
}

fn stop_loss(exit: StopExit, side: Side, instrument: &Instrument) -> Result<BracketJson> {
    let (ticks, kind) = match exit {
        StopExit::Stop { limit: Some(_), .. } => return Err(Error::unsupported("TopstepX has no stop-limit exits")),
        StopExit::Stop {
            stop: Level::Distance(distance),
            ..
        } => (ticks(distance, instrument)?, STOP),
        StopExit::Stop { .. } => return Err(as_price()),
        StopExit::Trailing(trail) => (distance(trail, instrument)?, TRAILING),
    };
    Ok(BracketJson {
        ticks: match side {
            Side::Buy => -ticks,
            Side::Sell => ticks,
        },
        kind,
    })
}

fn take_profit(target: Level, side: Side, instrument: &Instrument) -> Result<BracketJson> {
    let Level::Distance(distance) = target else {
        return Err(as_price());
    };
    let ticks = ticks(distance, instrument)?;
    Ok(BracketJson {
        ticks: match side {
            Side::Buy => ticks,
            Side::Sell => -ticks,
        },
        kind: LIMIT,
    })
}

/// Exits count from the price of the entry's fill, which nobody knows beforehand.
fn as_price() -> Error {
    Error::unsupported("TopstepX takes exits as distances from the entry's fill, not as prices")
        .with_help("use Level::Distance")
}

/// A distance in whole ticks.
fn ticks(distance: Qty, instrument: &Instrument) -> Result<i64> {
    let tick = instrument
        .ticks
        .first()
        .map(|band| band.tick)
        .filter(|tick| *tick > Decimal::ZERO);
    let tick = tick.ok_or_else(|| Error::invalid(format!("the tick of {} is not known", instrument.symbol)))?;
    let count = distance.get().checked_div(tick).filter(|count| count.fract().is_zero());
    let count = count.and_then(|count| i64::try_from(count).ok());
    match count {
        Some(count) if (1..=MOST_TICKS).contains(&count) => Ok(count),
        Some(count) => Err(Error::invalid(format!(
            "a distance of {count} ticks: it must be 1 to {MOST_TICKS}"
        ))),
        None => Err(Error::invalid(format!(
            "{distance} is no number of whole ticks of {tick}"
        ))),
    }
}
