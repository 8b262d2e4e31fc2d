//! Order requests in Alpaca's words. What Alpaca cannot do is refused here, before a byte is sent; what its documents
//! leave open is sent, for its server to decide.

use broker_core::model::{
    Amount, AssetClass, Group, InstrumentRef, Level, OrderChange, OrderKind, PositionEffect, PositionLeg, Size,
    StopExit, Trail, Trigger,
};
use broker_core::{Currency, Error, Instrument, Intent, Order, OrderRequest, Price, Qty, Result, Side, TimeInForce};
use rust_decimal::Decimal;

use crate::wire::{PlaceJson, Plain, ReplaceJson, StopLossJson, TakeProfitJson};

/// Most decimal places of a quantity or an amount; the server loses those behind them.
const MOST_PLACES: u32 = 9;

/// The body of a new order.
pub(crate) fn place(intent: &Intent) -> Result<PlaceJson<'_>> {
    let (request, instrument) = (&intent.request, &*intent.instrument);
    check_instrument(request, instrument)?;
    let market = Market::of(instrument);
    let terms = Terms {
        market,
        kind: kind(&request.trigger)?,
        time_in_force: match &request.time_in_force {
            Some(tif) => time_in_force(tif)?,
            None => market.usual_time_in_force(),
        },
        class: order_class(request)?,
        extended_hours: request.extended_hours,
        // What a sum of money buys is no whole number either.
        in_parts: match request.size {
            Size::Qty(qty) => is_in_parts(qty),
            Size::Notional { .. } => true,
        },
    };
    check_terms(request, instrument, &terms)?;
    let (qty, notional) = size(&request.size, instrument)?;
    let (take_profit, stop_loss) = exits(request)?;
    let (limit, stop, trail) = prices(&request.trigger);
    let (trail_price, trail_percent) = match trail {
        Some(Trail::Amount(amount)) => (Some(positive(amount, "trail")?), None),
        Some(Trail::Percent(percent)) => (None, Some(positive(percent, "trail")?)),
        None => (None, None),
    };
    Ok(PlaceJson {
        symbol: instrument.id.get(),
        qty,
        notional,
        side: side(request.side),
        kind: terms.kind,
        time_in_force: terms.time_in_force,
        limit_price: limit.map(|price| positive(price.get(), "limit price")).transpose()?,
        stop_price: stop.map(|price| positive(price.get(), "stop price")).transpose()?,
        trail_price,
        trail_percent,
        extended_hours: request.extended_hours.then_some(true),
        client_order_id: intent.id.get(),
        order_class: terms.class,
        position_intent: position_intent(request, market),
        take_profit,
        stop_loss,
    })
}

/// The body of a change of `order`, as it was last read.
pub(crate) fn replace<'a>(order: &Order, change: &OrderChange, replacement: &'a Intent) -> Result<ReplaceJson<'a>> {
    if *change == OrderChange::new() {
        return Err(Error::invalid("the change changes nothing"));
    }
    check_replaceable(order, change)?;
    let market = Market::of(&replacement.instrument);
    let time_in_force = match &change.time_in_force {
        Some(tif) => Some(time_in_force(tif)?),
        None => None,
    };
    if let Some(word) = time_in_force {
        check_time_in_force(market, word)?;
    }
    Ok(ReplaceJson {
        qty: change.qty.map(|qty| new_qty(order, qty, market)).transpose()?,
        time_in_force,
        limit_price: change
            .limit_price
            .map(|price| positive(price.get(), "limit price"))
            .transpose()?,
        stop_price: change
            .stop_price
            .map(|price| positive(price.get(), "stop price"))
            .transpose()?,
        trail: change.trail.map(|trail| new_trail(order, trail)).transpose()?,
        client_order_id: replacement.id.get(),
    })
}

/// Which of the three sets of rules an instrument is under.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Market {
    Share,
    Option,
    Coin,
}

impl Market {
    fn of(instrument: &Instrument) -> Self {
        match instrument.asset_class {
            AssetClass::Option => Self::Option,
            AssetClass::Crypto => Self::Coin,
            // A class that Alpaca lists later is left to its server, under the widest rules.
            _ => Self::Share,
        }
    }

    /// The venue's own rule, which its API wants spelled out.
    fn usual_time_in_force(self) -> &'static str {
        match self {
            Self::Share | Self::Option => "day",
            Self::Coin => "gtc",
        }
    }
}

/// What of an order the rules are about, in Alpaca's words.
struct Terms {
    market: Market,
    kind: &'static str,
    time_in_force: &'static str,
    class: Option<&'static str>,
    extended_hours: bool,
    in_parts: bool,
}

impl Terms {
    fn is_day_or_gtc(&self) -> bool {
        matches!(self.time_in_force, "day" | "gtc")
    }
}

fn check_instrument(request: &OrderRequest, instrument: &Instrument) -> Result<()> {
    let same = match &request.instrument {
        InstrumentRef::Id(id) => *id == instrument.id,
        InstrumentRef::Symbol(symbol) => *symbol == instrument.symbol,
    };
    match same {
        true => Ok(()),
        false => Err(Error::invalid(format!(
            "the order is for another instrument than {}",
            instrument.id
        ))),
    }
}

/// What no order, or no order of this kind, can be at Alpaca.
fn check_terms(request: &OrderRequest, instrument: &Instrument, terms: &Terms) -> Result<()> {
    let (kind, grouped) = (terms.kind, terms.class.is_some());
    let share = matches!(instrument.asset_class, AssetClass::Stock | AssetClass::Etf);
    let auction = matches!(terms.time_in_force, "opg" | "cls");
    check_time_in_force(terms.market, terms.time_in_force)?;
    refuse(&[
        (request.leg != PositionLeg::Net, "positions with two legs"),
        (request.reduce_only, "orders that can only reduce a position"),
        (request.expires_at.is_some(), "orders with a moment of expiry"),
        (
            terms.market == Market::Coin && !matches!(kind, "market" | "limit" | "stop_limit"),
            "orders of coins other than market, limit and stop-limit",
        ),
        (
            terms.market == Market::Option && !matches!(kind, "market" | "limit"),
            "orders of options other than market and limit",
        ),
        (
            grouped && terms.market != Market::Share,
            "groups of orders for options and coins",
        ),
        (
            grouped && !terms.is_day_or_gtc(),
            "groups of orders with another time in force than day and gtc",
        ),
        (grouped && terms.extended_hours, "groups of orders in extended hours"),
        (
            grouped && terms.in_parts,
            "groups of orders for parts of a share or for money",
        ),
        (
            grouped && kind == "trailing_stop",
            "groups of orders that begin with a trailing stop",
        ),
        (
            terms.extended_hours && !(kind == "limit" && terms.is_day_or_gtc()),
            "extended hours for other orders than limit orders for the day or until canceled",
        ),
        (
            kind == "trailing_stop" && !terms.is_day_or_gtc(),
            "trailing stops with another time in force than day and gtc",
        ),
        (
            auction && !matches!(kind, "market" | "limit"),
            "auction orders other than market and limit",
        ),
        (
            share && terms.in_parts && terms.time_in_force != "day",
            "orders for parts of a share or for money with another time in force than day",
        ),
    ])
}

fn check_time_in_force(market: Market, word: &str) -> Result<()> {
    refuse(&[
        (
            market == Market::Option && word != "day",
            "orders of options with another time in force than day",
        ),
        (
            market == Market::Coin && !matches!(word, "gtc" | "ioc"),
            "orders of coins with another time in force than gtc and ioc",
        ),
    ])
}

/// The first rule that is broken.
fn refuse(rules: &[(bool, &str)]) -> Result<()> {
    match rules.iter().find(|(broken, _)| *broken) {
        Some((_, what)) => Err(Error::unsupported(format!("Alpaca has no {what}"))),
        None => Ok(()),
    }
}

fn kind(trigger: &Trigger) -> Result<&'static str> {
    Ok(match trigger {
        Trigger::Market => "market",
        // The target of an OCO is the order itself.
        Trigger::Limit { .. } | Trigger::Oco { .. } => "limit",
        Trigger::Stop { .. } => "stop",
        Trigger::StopLimit { .. } => "stop_limit",
        Trigger::Trailing(_) => "trailing_stop",
        // Market- and limit-if-touched, and whatever trigger the core learns later.
        _ => {
            return Err(Error::unsupported(format!("Alpaca has no {} orders", trigger.kind())));
        }
    })
}

/// Limit, stop and trail of the order itself. Those of an OCO stand in its exits.
fn prices(trigger: &Trigger) -> (Option<Price>, Option<Price>, Option<Trail>) {
    match *trigger {
        Trigger::Limit { limit } => (Some(limit), None, None),
        Trigger::Stop { stop } => (None, Some(stop), None),
        Trigger::StopLimit { stop, limit } => (Some(limit), Some(stop), None),
        Trigger::Trailing(trail) => (None, None, Some(trail)),
        // A market order has none, those of an OCO are its exits, and the rest were refused by their kind.
        _ => (None, None, None),
    }
}

fn side(side: Side) -> &'static str {
    match side {
        Side::Buy => "buy",
        Side::Sell => "sell",
    }
}

fn time_in_force(tif: &TimeInForce) -> Result<&'static str> {
    Ok(match tif {
        TimeInForce::Day => "day",
        TimeInForce::Gtc => "gtc",
        TimeInForce::Ioc => "ioc",
        TimeInForce::Fok => "fok",
        TimeInForce::AtOpen => "opg",
        TimeInForce::AtClose => "cls",
        // Good till a date, and words that are not Alpaca's.
        _ => {
            return Err(Error::unsupported(format!("Alpaca has no time in force {tif}")));
        }
    })
}

/// `None` is a simple order. A bracket has both exits; with one of them it is an OTO.
fn order_class(request: &OrderRequest) -> Result<Option<&'static str>> {
    let oco = matches!(request.trigger, Trigger::Oco { .. });
    match (oco, request.target.is_some(), request.stop.is_some()) {
        (true, false, false) => Ok(Some("oco")),
        (true, _, _) => Err(Error::invalid("an OCO is two exits already, and takes no further ones")),
        (false, true, true) => Ok(Some("bracket")),
        (false, false, false) => Ok(None),
        (false, _, _) => Ok(Some("oto")),
    }
}

/// Coins know no opening and closing, and are refused with it.
fn position_intent(request: &OrderRequest, market: Market) -> Option<&'static str> {
    let effect = request.effect.filter(|_| market != Market::Coin)?;
    Some(match (request.side, effect) {
        (Side::Buy, PositionEffect::Open) => "buy_to_open",
        (Side::Buy, PositionEffect::Close) => "buy_to_close",
        (Side::Sell, PositionEffect::Open) => "sell_to_open",
        (Side::Sell, PositionEffect::Close) => "sell_to_close",
    })
}

/// Quantity or money.
fn size(size: &Size, instrument: &Instrument) -> Result<(Option<Plain>, Option<Plain>)> {
    match *size {
        Size::Qty(qty) => Ok((Some(short(qty, "quantity")?), None)),
        Size::Notional { amount, currency } => {
            let currency = currency.unwrap_or(instrument.currency);
            if currency != Currency::USD {
                return Err(Error::unsupported(format!(
                    "Alpaca takes amounts in USD, not in {currency}"
                )));
            }
            Ok((None, Some(short(amount, "amount")?)))
        }
    }
}

/// A size that the server reads to its last digit.
fn short(qty: Qty, name: &str) -> Result<Plain> {
    if qty.get().normalize().scale() > MOST_PLACES {
        return Err(Error::invalid(format!(
            "the {name} has more than {MOST_PLACES} decimals"
        )));
    }
    positive(qty.get(), name)
}

fn positive(value: Decimal, name: &str) -> Result<Plain> {
    match value > Decimal::ZERO {
        true => Ok(Plain(value)),
        false => Err(Error::invalid(format!("the {name} must be above zero: {value}"))),
    }
}

fn is_in_parts(qty: Qty) -> bool {
    !qty.get().fract().is_zero()
}

fn exits(request: &OrderRequest) -> Result<(Option<TakeProfitJson>, Option<StopLossJson>)> {
    let (target, stop) = match request.trigger {
        Trigger::Oco { target, stop } => (Some(Level::Price(target)), Some(stop)),
        _ => (request.target, request.stop),
    };
    let target = target.map(|target| level(target, request, request.side, "target"));
    let stop = stop.map(|stop| stop_loss(&stop, request));
    let limit_price = target.transpose()?;
    Ok((
        limit_price.map(|limit_price| TakeProfitJson { limit_price }),
        stop.transpose()?,
    ))
}

fn stop_loss(exit: &StopExit, request: &OrderRequest) -> Result<StopLossJson> {
    let StopExit::Stop { stop, limit } = *exit else {
        return Err(Error::unsupported(
            "Alpaca has no trailing exits: its trailing stops are single orders",
        ));
    };
    let against = request.side.opposite();
    let limit = limit.map(|limit| level(limit, request, against, "stop's limit"));
    Ok(StopLossJson {
        stop_price: level(stop, request, against, "stop")?,
        limit_price: limit.transpose()?,
    })
}

/// The price of an exit. A distance lies above the entry's own price for `Buy`, below it for `Sell`.
fn level(level: Level, request: &OrderRequest, direction: Side, name: &str) -> Result<Plain> {
    let price = match level {
        Level::Price(price) => Some(price.get()),
        Level::Distance(distance) => entry_price(&request.trigger)?
            .get()
            .checked_add(distance.signed(direction)),
    };
    match price {
        Some(price) => positive(price, name),
        None => Err(Error::invalid(format!("the {name} lies too far away"))),
    }
}

/// The one price that an entry names.
fn entry_price(trigger: &Trigger) -> Result<Price> {
    match prices(trigger) {
        (Some(price), None, None) | (None, Some(price), None) => Ok(price),
        _ => Err(Error::unsupported(
            "Alpaca takes exits as prices, and a distance is one only from a limit or a stop entry",
        )
        .with_help("give the exit's price")),
    }
}

/// What of an order can never be changed.
fn check_replaceable(order: &Order, change: &OrderChange) -> Result<()> {
    // Read with its legs, an entry has children; a leg has none.
    let oto_leg = order.links.group == Some(Group::Oto) && order.links.children.is_empty();
    let kind = &order.kind;
    refuse(&[
        (
            matches!(order.amount, Amount::Notional(_)),
            "changes of orders for money: cancel it and place another",
        ),
        (oto_leg, "changes of an OTO's exits: cancel it and place another"),
        (
            change.limit_price.is_some()
                && matches!(kind, OrderKind::Market | OrderKind::Stop | OrderKind::TrailingStop),
            "limit price in this order: the change would make it another kind",
        ),
        (
            change.stop_price.is_some()
                && matches!(kind, OrderKind::Market | OrderKind::Limit | OrderKind::TrailingStop),
            "stop price in this order: the change would make it another kind",
        ),
    ])
}

/// Shares and contracts are changed in whole numbers only.
fn new_qty(order: &Order, qty: Qty, market: Market) -> Result<Plain> {
    let was_in_parts = match order.amount {
        Amount::Qty(was) => is_in_parts(was),
        Amount::Notional(_) => true,
    };
    refuse(&[(
        market != Market::Coin && (was_in_parts || is_in_parts(qty)),
        "changes of quantities with parts of a share",
    )])?;
    short(qty, "quantity")
}

/// The body names a bare number: a percent sent to a trail in price would be taken for dollars.
fn new_trail(order: &Order, trail: Trail) -> Result<Plain> {
    match (order.trail, trail) {
        (Some(Trail::Amount(_)), Trail::Amount(value)) | (Some(Trail::Percent(_)), Trail::Percent(value)) => {
            positive(value, "trail")
        }
        (Some(_), _) => Err(Error::unsupported(
            "Alpaca has no change between a trail in price and one in percent",
        )),
        (None, _) => Err(Error::invalid("only a trailing stop has a trail to change")),
    }
}
