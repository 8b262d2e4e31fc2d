//! Order requests in Binance's words. What Binance cannot do is refused here, before a byte is sent.

use broker_core::model::{InstrumentRef, Level, PositionEffect, PositionLeg, Size, StopExit, Trail, Trigger};
use broker_core::{Error, Instrument, Intent, OrderRequest, Price, Qty, Result, Side, TimeInForce};
use rust_decimal::Decimal;

/// What to send, and how many orders it makes that may stay unfilled.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Sending {
    pub(crate) path: &'static str,
    pub(crate) params: Vec<(&'static str, String)>,
    pub(crate) orders: u32,
}

/// How limit orders are placed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Style {
    #[default]
    Plain,
    /// Refused where it would take.
    PostOnly,
    /// So much of it is shown.
    Iceberg(Qty),
}

/// What the request's own words do not say.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Terms {
    pub(crate) style: Style,
    pub(crate) exits_of_received: bool,
}

/// Asks for the longest form of the answer: other kinds than market and limit would be answered with a number alone.
const WHOLE_ANSWER: (&str, &str) = ("newOrderRespType", "FULL");

/// A new order, or a list of them.
pub(crate) fn place(intent: &Intent, terms: Terms) -> Result<Sending> {
    let (request, instrument) = (&intent.request, &*intent.instrument);
    check(request, instrument)?;
    let id = intent.id.get();
    match (&request.trigger, request.target, request.stop) {
        (Trigger::Oco { target, stop }, None, None) => oco(request, instrument, *target, *stop, id, terms),
        (Trigger::Oco { .. }, _, _) => Err(Error::unsupported("exits of exits")),
        (_, None, None) => single(request, instrument, id, terms),
        (Trigger::Limit { limit }, target, stop) => entry(request, instrument, *limit, (target, stop), id, terms),
        _ => Err(Error::unsupported(
            "groups that begin with another order than a limit order",
        )),
    }
}

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
    let opposite = match request.side {
        Side::Buy => PositionEffect::Close,
        Side::Sell => PositionEffect::Open,
    };
    let table = [
        (request.leg != PositionLeg::Net, "positions with two legs"),
        (request.reduce_only, "orders that can only reduce a position"),
        (request.extended_hours, "extended hours: the market never closes"),
        (request.expires_at.is_some(), "orders with a moment of expiry"),
        (
            request.effect == Some(opposite),
            "buying to close and selling to open: coins are held outright",
        ),
    ];
    match table.iter().find(|(is_asked, _)| *is_asked) {
        Some((_, what)) => Err(Error::unsupported(what)),
        None => Ok(()),
    }
}

fn side(side: Side) -> &'static str {
    match side {
        Side::Buy => "BUY",
        Side::Sell => "SELL",
    }
}

/// Orders at a limit say how long they work; others must not.
fn time_in_force(request: &OrderRequest) -> Result<&'static str> {
    match &request.time_in_force {
        None | Some(TimeInForce::Gtc) => Ok("GTC"),
        Some(TimeInForce::Ioc) => Ok("IOC"),
        Some(TimeInForce::Fok) => Ok("FOK"),
        Some(other) => Err(Error::unsupported(format!("the time in force {other}"))),
    }
}

/// A single order's own words: its type, its prices, and how long it works.
struct Words(Vec<(&'static str, String)>);

impl Words {
    fn of(request: &OrderRequest, terms: Terms) -> Result<Self> {
        let tif = time_in_force(request)?;
        let number = |price: Price| plain(price.get());
        let mut words = match request.trigger {
            Trigger::Market => vec![("type", "MARKET".to_owned())],
            Trigger::Limit { limit } => return Self::limit(limit, tif, terms.style),
            Trigger::Stop { stop } => vec![("type", "STOP_LOSS".to_owned()), ("stopPrice", number(stop))],
            Trigger::StopLimit { stop, limit } => at_limit("STOP_LOSS_LIMIT", stop, limit, tif),
            Trigger::MarketIfTouched { trigger } => {
                vec![("type", "TAKE_PROFIT".to_owned()), ("stopPrice", number(trigger))]
            }
            Trigger::LimitIfTouched { trigger, limit } => at_limit("TAKE_PROFIT_LIMIT", trigger, limit, tif),
            Trigger::Trailing(trail) => {
                vec![("type", "STOP_LOSS".to_owned()), ("trailingDelta", units(trail)?)]
            }
            _ => return Err(Error::unsupported("this kind of order")),
        };
        let bare = !words.iter().any(|(name, _)| *name == "timeInForce");
        if bare && tif == "FOK" {
            return Err(Error::unsupported("a market order that fills as a whole or not at all"));
        }
        if bare && tif == "IOC" && !matches!(request.trigger, Trigger::Market) {
            return Err(Error::unsupported("a stop without a limit that is canceled at once"));
        }
        if let Style::Iceberg(shown) = terms.style
            && !bare
        {
            words.push(("icebergQty", plain(shown.get())));
        }
        Ok(Self(words))
    }

    fn limit(limit: Price, tif: &'static str, style: Style) -> Result<Self> {
        let price = ("price", plain(limit.get()));
        match style {
            Style::Plain => Ok(Self(vec![
                ("type", "LIMIT".to_owned()),
                ("timeInForce", tif.to_owned()),
                price,
            ])),
            _ if tif != "GTC" => Err(Error::unsupported(
                "post-only and iceberg orders with another time in force than until canceled",
            )),
            Style::PostOnly => Ok(Self(vec![("type", "LIMIT_MAKER".to_owned()), price])),
            Style::Iceberg(shown) => Ok(Self(vec![
                ("type", "LIMIT".to_owned()),
                ("timeInForce", tif.to_owned()),
                price,
                ("icebergQty", plain(shown.get())),
            ])),
        }
    }
}

fn at_limit(kind: &str, stop: Price, limit: Price, tif: &str) -> Vec<(&'static str, String)> {
    vec![
        ("type", kind.to_owned()),
        ("timeInForce", tif.to_owned()),
        ("price", plain(limit.get())),
        ("stopPrice", plain(stop.get())),
    ]
}

fn single(request: &OrderRequest, instrument: &Instrument, id: &str, terms: Terms) -> Result<Sending> {
    let mut params = vec![
        ("symbol", instrument.id.get().to_owned()),
        ("side", side(request.side).to_owned()),
    ];
    params.extend(Words::of(request, terms)?.0);
    params.push(size(request, instrument)?);
    params.push(("newClientOrderId", id.to_owned()));
    params.push((WHOLE_ANSWER.0, WHOLE_ANSWER.1.to_owned()));
    Ok(Sending {
        path: "/api/v3/order",
        params,
        orders: 1,
    })
}

/// Money is for market orders, and of the quote.
fn size(request: &OrderRequest, instrument: &Instrument) -> Result<(&'static str, String)> {
    match request.size {
        Size::Qty(qty) => Ok(("quantity", plain(qty.get()))),
        Size::Notional { amount, currency } => {
            if !matches!(request.trigger, Trigger::Market) {
                return Err(Error::unsupported(
                    "an amount of money for other orders than market orders",
                ));
            }
            if currency.is_some_and(|currency| currency != instrument.currency) {
                return Err(Error::unsupported(format!(
                    "an amount of another currency than {}",
                    instrument.currency
                )));
            }
            Ok(("quoteOrderQty", plain(amount.get())))
        }
    }
}

fn quantity(request: &OrderRequest) -> Result<Qty> {
    match request.size {
        Size::Qty(qty) => Ok(qty),
        Size::Notional { .. } => Err(Error::unsupported("groups of orders for an amount of money")),
    }
}

/// Two exits that cancel each other. Above the market a sale takes its profit, and a purchase stops its loss.
fn oco(
    request: &OrderRequest,
    instrument: &Instrument,
    target: Price,
    stop: StopExit,
    id: &str,
    terms: Terms,
) -> Result<Sending> {
    only_plain(terms)?;
    until_canceled(request)?;
    let (target_side, stop_side) = sides(request.side);
    let mut params = vec![
        ("symbol", instrument.id.get().to_owned()),
        ("side", side(request.side).to_owned()),
        ("quantity", plain(quantity(request)?.get())),
    ];
    params.extend([
        (target_side.kind, "LIMIT_MAKER".to_owned()),
        (target_side.client_id, id.to_owned()),
        (target_side.price, plain(target.get())),
    ]);
    params.extend(stop_words(stop, stop_side, None)?);
    params.push((WHOLE_ANSWER.0, WHOLE_ANSWER.1.to_owned()));
    Ok(Sending {
        path: "/api/v3/orderList/oco",
        params,
        orders: 2,
    })
}

/// An entry at a limit, with one exit or two that wait until all of it is filled.
fn entry(
    request: &OrderRequest,
    instrument: &Instrument,
    limit: Price,
    exits: (Option<Level>, Option<StopExit>),
    id: &str,
    terms: Terms,
) -> Result<Sending> {
    let qty = quantity(request)?;
    let closing = request.side.opposite();
    // What a sale brings in is money, which an exit that buys back cannot be told by.
    let of_received = terms.exits_of_received && request.side == Side::Buy;
    let mut params = vec![("symbol", instrument.id.get().to_owned())];
    match terms.style {
        Style::PostOnly => {
            until_canceled(request)?;
            params.push(("workingType", "LIMIT_MAKER".to_owned()));
        }
        Style::Plain => params.extend([
            ("workingType", "LIMIT".to_owned()),
            ("workingTimeInForce", time_in_force(request)?.to_owned()),
        ]),
        Style::Iceberg(_) => return Err(Error::unsupported("groups that begin with an iceberg order")),
    }
    params.extend([
        ("workingSide", side(request.side).to_owned()),
        ("workingPrice", plain(limit.get())),
        ("workingQuantity", plain(qty.get())),
        ("workingClientOrderId", id.to_owned()),
        ("pendingSide", side(closing).to_owned()),
    ]);
    if !of_received {
        params.push(("pendingQuantity", plain(qty.get())));
    }
    let target_price = |level: Level| price_of(level, limit, request.side).map(|price| plain(price.get()));
    match exits {
        (Some(target), Some(stop)) => {
            let (target_side, stop_side) = pending_sides(closing);
            params.extend([
                (target_side.kind, "LIMIT_MAKER".to_owned()),
                (target_side.price, target_price(target)?),
            ]);
            params.extend(stop_words(stop, stop_side, Some((limit, closing)))?);
        }
        (Some(target), None) => params.extend([
            (PENDING.kind, "LIMIT".to_owned()),
            (PENDING.price, target_price(target)?),
            (PENDING.time_in_force, "GTC".to_owned()),
        ]),
        (None, Some(stop)) => params.extend(stop_words(stop, PENDING, Some((limit, closing)))?),
        (None, None) => return Err(Error::invalid("a group without exits")),
    }
    params.push((WHOLE_ANSWER.0, WHOLE_ANSWER.1.to_owned()));
    let two = exits.0.is_some() && exits.1.is_some();
    Ok(Sending {
        path: match (two, of_received) {
            (true, true) => "/api/v3/orderList/opoco",
            (true, false) => "/api/v3/orderList/otoco",
            (false, true) => "/api/v3/orderList/opo",
            (false, false) => "/api/v3/orderList/oto",
        },
        params,
        orders: if two { 3 } else { 2 },
    })
}

/// The names that the words of one order of a list stand under.
#[derive(Debug, Clone, Copy)]
struct Names {
    kind: &'static str,
    client_id: &'static str,
    price: &'static str,
    stop_price: &'static str,
    trail: &'static str,
    time_in_force: &'static str,
}

const ABOVE: Names = Names {
    kind: "aboveType",
    client_id: "aboveClientOrderId",
    price: "abovePrice",
    stop_price: "aboveStopPrice",
    trail: "aboveTrailingDelta",
    time_in_force: "aboveTimeInForce",
};
const BELOW: Names = Names {
    kind: "belowType",
    client_id: "belowClientOrderId",
    price: "belowPrice",
    stop_price: "belowStopPrice",
    trail: "belowTrailingDelta",
    time_in_force: "belowTimeInForce",
};
const PENDING_ABOVE: Names = Names {
    kind: "pendingAboveType",
    client_id: "pendingAboveClientOrderId",
    price: "pendingAbovePrice",
    stop_price: "pendingAboveStopPrice",
    trail: "pendingAboveTrailingDelta",
    time_in_force: "pendingAboveTimeInForce",
};
const PENDING_BELOW: Names = Names {
    kind: "pendingBelowType",
    client_id: "pendingBelowClientOrderId",
    price: "pendingBelowPrice",
    stop_price: "pendingBelowStopPrice",
    trail: "pendingBelowTrailingDelta",
    time_in_force: "pendingBelowTimeInForce",
};
const PENDING: Names = Names {
    kind: "pendingType",
    client_id: "pendingClientOrderId",
    price: "pendingPrice",
    stop_price: "pendingStopPrice",
    trail: "pendingTrailingDelta",
    time_in_force: "pendingTimeInForce",
};

/// Where the target stands and where the stop, for exits of this side.
fn sides(closing: Side) -> (Names, Names) {
    match closing {
        Side::Sell => (ABOVE, BELOW),
        Side::Buy => (BELOW, ABOVE),
    }
}

fn pending_sides(closing: Side) -> (Names, Names) {
    match closing {
        Side::Sell => (PENDING_ABOVE, PENDING_BELOW),
        Side::Buy => (PENDING_BELOW, PENDING_ABOVE),
    }
}

/// A protecting exit. `from` is the entry's price and the exit's side, where there is an entry.
fn stop_words(exit: StopExit, names: Names, from: Option<(Price, Side)>) -> Result<Vec<(&'static str, String)>> {
    let at = |level: Level| match (level, from) {
        (Level::Price(price), _) => Ok(price),
        (level, Some((entry, closing))) => price_of(level, entry, closing),
        (Level::Distance(_), None) => Err(Error::unsupported("a distance from an entry that there is not")),
    };
    Ok(match exit {
        StopExit::Trailing(trail) => vec![(names.kind, "STOP_LOSS".to_owned()), (names.trail, units(trail)?)],
        StopExit::Stop { stop, limit: None } => vec![
            (names.kind, "STOP_LOSS".to_owned()),
            (names.stop_price, plain(at(stop)?.get())),
        ],
        StopExit::Stop {
            stop,
            limit: Some(limit),
        } => vec![
            (names.kind, "STOP_LOSS_LIMIT".to_owned()),
            (names.stop_price, plain(at(stop)?.get())),
            (names.price, plain(at(limit)?.get())),
            (names.time_in_force, "GTC".to_owned()),
        ],
    })
}

/// A level's price. A distance counts from the entry's limit: upwards for `Buy`.
fn price_of(level: Level, entry: Price, towards: Side) -> Result<Price> {
    match level {
        Level::Price(price) => Ok(price),
        Level::Distance(distance) => {
            let price = entry.get().checked_add(distance.signed(towards));
            price
                .filter(|price| *price > Decimal::ZERO)
                .map(Price::new)
                .ok_or_else(|| Error::invalid("an exit lies too far away"))
        }
    }
}

/// A trailing distance is counted in hundredths of a percent.
fn units(trail: Trail) -> Result<String> {
    let percent = match trail {
        Trail::Percent(percent) => percent,
        Trail::Amount(_) => return Err(Error::unsupported("a stop that trails by an amount: percent only")),
    };
    let units = percent
        .checked_mul(Decimal::ONE_HUNDRED)
        .filter(|units| *units >= Decimal::ONE);
    match units.filter(|units| units.fract().is_zero()) {
        Some(units) => Ok(plain(units)),
        None => Err(Error::unsupported("a trail that is no whole hundredth of a percent")),
    }
}

fn only_plain(terms: Terms) -> Result<()> {
    match terms.style {
        Style::Plain => Ok(()),
        _ => Err(Error::unsupported("exits that are post-only or iceberg orders")),
    }
}

fn until_canceled(request: &OrderRequest) -> Result<()> {
    match time_in_force(request)? {
        "GTC" => Ok(()),
        _ => Err(Error::unsupported(
            "this with another time in force than until canceled",
        )),
    }
}

/// Digits without an exponent and without zeros at the end.
fn plain(value: Decimal) -> String {
    value.normalize().to_string()
}
