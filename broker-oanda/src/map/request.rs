//! Requests to OANDA's bodies.
//!
//! | Asked for | Sent |
//! | --- | --- |
//! | market | `MARKET`, `FOK` or `IOC` |
//! | limit, `Ioc` or `Fok` | `MARKET` with `priceBound`: OANDA's `LIMIT` takes neither |
//! | limit, stop, market if touched | `LIMIT`, `STOP`, `MARKET_IF_TOUCHED`; `GTC`, `GTD`, `GFD` |
//! | target | `takeProfitOnFill`, by its price |
//! | stop, trailing stop of an entry | `stopLossOnFill`, `trailingStopLossOnFill` |
//!
//! What is not in the table is unsupported: stop-limit, limit if touched, a trailing stop alone, an OCO, percent trails,
//! money for a quantity. A `STOP` with `priceBound` is no stop-limit: it is canceled where the market gaps through.

use broker_core::model::{Level, OrderChange, OrderRequest, PositionLeg, Size, StopExit, TimeInForce, Trail, Trigger};
use broker_core::num::Num;
use broker_core::{ClientOrderId, Error, Instrument, Intent, Price, Result, Side};
use rust_decimal::Decimal;

use super::{Book, text};
use crate::history::stamp;
use crate::wire::send::{Digits, ExitOut, ExtensionsOut, OrderOut};
use crate::wire::{ExitJson, ExtensionsJson, RowJson};

/// The body of a new order.
pub(crate) fn place(intent: &Intent, book: &Book, guaranteed: bool) -> Result<OrderOut> {
    let request = &intent.request;
    let instrument = &*intent.instrument;
    if request.extended_hours {
        return Err(Error::unsupported("OANDA knows no sessions beside the regular one"));
    }
    let units = match request.size {
        Size::Qty(qty) => qty.signed(request.side),
        Size::Notional { .. } => return Err(Error::unsupported("OANDA takes a quantity, not money")),
    };
    let (kind, price, bound, tif) = trigger(request)?;
    let mut order = OrderOut {
        kind: kind.to_owned(),
        instrument: Some(instrument.id.get().to_owned()),
        units: Some(plain(units)),
        price: price.map(|price| digits(price.get(), instrument)).transpose()?,
        price_bound: bound.map(|price| digits(price.get(), instrument)).transpose()?,
        time_in_force: word(&tif)?.to_owned(),
        gtd_time: expiry(request, &tif)?,
        position_fill: Some(position_fill(request, book)?.to_owned()),
        client_extensions: Some(ours(&intent.id)),
        ..OrderOut::default()
    };
    add_exits(&mut order, request, instrument, guaranteed)?;
    Ok(order)
}

type Terms = (&'static str, Option<Price>, Option<Price>, TimeInForce);

/// Type, price, bound and time in force.
fn trigger(request: &OrderRequest) -> Result<Terms> {
    let asked = request.time_in_force.clone();
    let at_once = matches!(asked, Some(TimeInForce::Ioc | TimeInForce::Fok));
    let rests = || match &asked {
        None => Ok(TimeInForce::Gtc),
        Some(tif @ (TimeInForce::Gtc | TimeInForce::Gtd | TimeInForce::Day)) => Ok(tif.clone()),
        Some(other) => Err(Error::unsupported(format!(
            "OANDA takes no such order with time in force {other}"
        ))),
    };
    Ok(match request.trigger {
        Trigger::Market => {
            let tif = asked.unwrap_or(TimeInForce::Fok);
            if !matches!(tif, TimeInForce::Ioc | TimeInForce::Fok) {
                return Err(Error::unsupported(format!(
                    "OANDA takes market orders as FOK or IOC, not as {tif}"
                )));
            }
            ("MARKET", None, None, tif)
        }
        Trigger::Limit { limit } if at_once => ("MARKET", None, Some(limit), asked.unwrap_or(TimeInForce::Ioc)),
        Trigger::Limit { limit } => ("LIMIT", Some(limit), None, rests()?),
        Trigger::Stop { stop } => ("STOP", Some(stop), None, rests()?),
        Trigger::MarketIfTouched { trigger } => ("MARKET_IF_TOUCHED", Some(trigger), None, rests()?),
        Trigger::StopLimit { .. } => return Err(Error::unsupported("OANDA has no stop-limit orders")),
        Trigger::LimitIfTouched { .. } => return Err(Error::unsupported("OANDA has no limit-if-touched orders")),
        Trigger::Trailing(_) => {
            return Err(Error::unsupported(
                "OANDA takes a trailing stop as the exit of an entry or of a trade only",
            ));
        }
        Trigger::Oco { .. } => {
            return Err(Error::unsupported("OANDA has no OCO but the exits of a trade")
                .with_help("set them on the trade: OandaBroker::set_exits"));
        }
        _ => return Err(Error::unsupported("an order of this kind")),
    })
}

fn word(tif: &TimeInForce) -> Result<&'static str> {
    Ok(match tif {
        TimeInForce::Gtc => "GTC",
        TimeInForce::Gtd => "GTD",
        TimeInForce::Day => "GFD",
        TimeInForce::Fok => "FOK",
        TimeInForce::Ioc => "IOC",
        other => return Err(Error::unsupported(format!("OANDA has no time in force {other}"))),
    })
}

fn expiry(request: &OrderRequest, tif: &TimeInForce) -> Result<Option<String>> {
    match (tif, request.expires_at) {
        (TimeInForce::Gtd, Some(at)) => Ok(Some(stamp(at))),
        (TimeInForce::Gtd, None) => Err(Error::invalid("a good-till-date order needs its date")),
        (_, Some(_)) => Err(Error::invalid("an expiry is of a good-till-date order only")),
        (_, None) => Ok(None),
    }
}

/// A netting account nets by itself. In a hedging one, every order opens unless it says that it reduces.
fn position_fill(request: &OrderRequest, book: &Book) -> Result<&'static str> {
    let closes = match (request.leg, request.side) {
        (PositionLeg::Net, _) => return Ok(if request.reduce_only { "REDUCE_ONLY" } else { "DEFAULT" }),
        (PositionLeg::Long, side) => side == Side::Sell,
        (PositionLeg::Short, side) => side == Side::Buy,
    };
    match (book.hedging, closes, request.reduce_only) {
        (false, _, _) => Err(Error::invalid("this account nets: it has no long and short legs")),
        (true, true, _) => Ok("REDUCE_ONLY"),
        (true, false, true) => Err(Error::invalid("an order that adds to its leg does not reduce it")),
        (true, false, false) => Ok("OPEN_ONLY"),
    }
}

fn add_exits(order: &mut OrderOut, request: &OrderRequest, instrument: &Instrument, guaranteed: bool) -> Result<()> {
    match request.target {
        None => {}
        Some(Level::Price(price)) => {
            order.take_profit_on_fill = Some(exit(Some(digits(price.get(), instrument)?), None));
        }
        Some(Level::Distance(_)) => {
            return Err(Error::unsupported(
                "OANDA takes a target by its price, not by a distance",
            ));
        }
    }
    match request.stop {
        None => {}
        Some(StopExit::Stop { stop, limit: None }) => {
            let exit = Some(match stop {
                Level::Price(price) => exit(Some(digits(price.get(), instrument)?), None),
                Level::Distance(distance) => exit(None, Some(digits(distance.get(), instrument)?)),
            });
            match guaranteed {
                true => order.guaranteed_stop_loss_on_fill = exit,
                false => order.stop_loss_on_fill = exit,
            }
        }
        Some(StopExit::Trailing(trail)) => {
            order.trailing_stop_loss_on_fill = Some(exit(None, Some(trail_digits(trail, instrument)?)));
        }
        Some(StopExit::Stop { limit: Some(_), .. }) => {
            return Err(Error::unsupported("OANDA has no stop-limit orders, as exits neither"));
        }
    }
    Ok(())
}

pub(crate) fn trail_digits(trail: Trail, instrument: &Instrument) -> Result<Digits> {
    match trail {
        Trail::Amount(amount) => digits(amount, instrument),
        Trail::Percent(_) => Err(Error::unsupported(
            "OANDA trails by a distance in price, not by percent",
        )),
    }
}

pub(crate) fn exit(price: Option<Digits>, distance: Option<Digits>) -> ExitOut {
    ExitOut {
        price,
        distance,
        time_in_force: "GTC".to_owned(),
        ..ExitOut::default()
    }
}

fn ours(id: &ClientOrderId) -> ExtensionsOut {
    ExtensionsOut {
        id: Some(id.get().to_owned()),
        ..ExtensionsOut::default()
    }
}

/// The body that changes an order: all of it again, the change made. What it was asked with stays, its exits too.
pub(crate) fn replace(
    old: &RowJson<'_>,
    change: &OrderChange,
    id: &ClientOrderId,
    instrument: &Instrument,
) -> Result<OrderOut> {
    let lacks = |what: &str| Err(Error::unsupported(format!("a change of the {what} of this order")));
    let kind = old.kind();
    let is_exit = old.trade_id.is_some();
    let mut order = again(old)?;
    order.client_extensions = Some(ExtensionsOut {
        id: Some(id.get().to_owned()),
        ..old.client_extensions.as_ref().map(extensions).unwrap_or_default()
    });
    if let Some(qty) = change.qty {
        match old.units {
            Some(units) if !is_exit => {
                let (side, _) = broker_core::Qty::from_signed(units.0);
                order.units = Some(plain(qty.signed(side)));
            }
            _ => return lacks("quantity"),
        }
    }
    if let Some(limit) = change.limit_price {
        match kind {
            "LIMIT" | "TAKE_PROFIT" => order.price = Some(digits(limit.get(), instrument)?),
            _ => return lacks("limit price"),
        }
    }
    if let Some(stop) = change.stop_price {
        match kind {
            "STOP" | "MARKET_IF_TOUCHED" | "STOP_LOSS" | "GUARANTEED_STOP_LOSS" => {
                order.price = Some(digits(stop.get(), instrument)?);
                // A stop is given by its price or by its distance.
                order.distance = None;
            }
            _ => return lacks("stop price"),
        }
    }
    if let Some(trail) = change.trail {
        match kind {
            "TRAILING_STOP_LOSS" => order.distance = Some(trail_digits(trail, instrument)?),
            _ => return lacks("trail"),
        }
    }
    match &change.time_in_force {
        None => {}
        Some(TimeInForce::Gtd) if order.gtd_time.is_some() => {}
        Some(tif @ (TimeInForce::Gtc | TimeInForce::Day)) => {
            order.time_in_force = word(tif)?.to_owned();
            order.gtd_time = None;
        }
        Some(_) => return lacks("time in force"),
    }
    Ok(order)
}

/// An order as it would be asked for again.
fn again(old: &RowJson<'_>) -> Result<OrderOut> {
    let number = |number: Option<Num>| number.map(|number| number.0.to_string());
    let owned = |text: Option<&str>| text.map(str::to_owned);
    // A stop that was given by its distance has a price by now, too: one of the two may be sent.
    let price = old.price.filter(|_| old.distance.is_none());
    Ok(OrderOut {
        kind: old.kind().to_owned(),
        instrument: owned(text(&old.instrument)),
        units: old.units.map(|units| plain(units.0)),
        trade_id: owned(text(&old.trade_id)),
        client_trade_id: owned(text(&old.client_trade_id)),
        price: number(price),
        price_bound: number(old.price_bound),
        distance: number(old.distance),
        time_in_force: old.needed(owned(text(&old.time_in_force)), "timeInForce")?,
        gtd_time: old.gtd_time.map(stamp),
        position_fill: owned(text(&old.position_fill)).filter(|word| word != "POSITION_DEFAULT"),
        trigger_condition: owned(text(&old.trigger_condition)).filter(|word| word != "TRIGGER_DEFAULT"),
        client_extensions: old.client_extensions.as_ref().map(extensions),
        take_profit_on_fill: old.take_profit_on_fill.as_ref().map(exit_again),
        stop_loss_on_fill: old.stop_loss_on_fill.as_ref().map(exit_again),
        guaranteed_stop_loss_on_fill: old.guaranteed_stop_loss_on_fill.as_ref().map(exit_again),
        trailing_stop_loss_on_fill: old.trailing_stop_loss_on_fill.as_ref().map(exit_again),
        trade_client_extensions: old.trade_client_extensions.as_ref().map(extensions),
    })
}

fn exit_again(old: &ExitJson<'_>) -> ExitOut {
    let number = |number: Option<Num>| number.map(|number| number.0.to_string());
    ExitOut {
        price: number(old.price),
        distance: number(old.distance.filter(|_| old.price.is_none())),
        time_in_force: text(&old.time_in_force).unwrap_or("GTC").to_owned(),
        gtd_time: old.gtd_time.map(stamp),
        client_extensions: old.client_extensions.as_ref().map(extensions),
    }
}

fn extensions(old: &ExtensionsJson<'_>) -> ExtensionsOut {
    let owned = |own| text(own).map(str::to_owned);
    ExtensionsOut {
        id: owned(&old.id),
        tag: owned(&old.tag),
        comment: owned(&old.comment),
    }
}

/// A price with exactly the places of the instrument: more are refused, and fewer are not what OANDA shows.
pub(crate) fn digits(value: Decimal, instrument: &Instrument) -> Result<Digits> {
    let Some(band) = instrument.ticks.first() else {
        return Ok(plain(value));
    };
    let places = band.tick.scale();
    let mut exact = value;
    exact.rescale(places);
    match exact == value {
        true => Ok(exact.to_string()),
        false => Err(Error::invalid(format!(
            "{value} has more than the {places} decimals of {}",
            instrument.symbol
        ))),
    }
}

pub(crate) fn plain(value: Decimal) -> Digits {
    value.normalize().to_string()
}
