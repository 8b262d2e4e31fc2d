//! What the body of a new order says, and which of it Alpaca refuses before its matching engine sees it.

use broker_core::model::{AssetClass, Level, OrderKind, PositionEffect, StopExit, Trail};
use broker_core::num::{Num, Text};
use broker_core::{ClientOrderId, Currency, Instrument, OrderRequest, Price, Qty, Side, Symbol, TimeInForce};
use rust_decimal::Decimal;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::json::plain;
use super::refusal::Refusal;
use super::shapes;

/// The body of `POST /v2/orders`. Numbers are strings; the real endpoint takes bare numbers, too.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PlaceJson<'a> {
    #[serde(borrow)]
    pub(super) symbol: Option<Text<'a>>,
    qty: Option<Num>,
    notional: Option<Num>,
    #[serde(borrow)]
    side: Option<Text<'a>>,
    #[serde(borrow, rename = "type")]
    kind: Option<Text<'a>>,
    #[serde(borrow)]
    time_in_force: Option<Text<'a>>,
    limit_price: Option<Num>,
    stop_price: Option<Num>,
    trail_price: Option<Num>,
    trail_percent: Option<Num>,
    extended_hours: Option<bool>,
    #[serde(borrow)]
    client_order_id: Option<Text<'a>>,
    #[serde(borrow)]
    order_class: Option<Text<'a>>,
    take_profit: Option<TakeProfitJson>,
    stop_loss: Option<StopLossJson>,
    #[serde(borrow)]
    position_intent: Option<Text<'a>>,
    /// Of a multi-leg order, which this venue does not serve.
    #[serde(borrow)]
    legs: Option<&'a RawValue>,
}

impl PlaceJson<'_> {
    /// Whether it is an order for several instruments at once.
    pub(super) fn is_multi_leg(&self) -> bool {
        self.legs.is_some() || self.order_class.as_ref().is_some_and(|class| class.get() == "mleg")
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct TakeProfitJson {
    limit_price: Option<Num>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct StopLossJson {
    stop_price: Option<Num>,
    limit_price: Option<Num>,
}

/// Longest client order id, in characters.
const LONGEST_CLIENT_ID: usize = 128;
/// Most decimal places of a quantity or an amount.
const MOST_PLACES: u32 = 9;

pub(super) fn order(json: &PlaceJson<'_>, instrument: &Instrument) -> Result<OrderRequest, Refusal> {
    let side = match needed(json.side.as_ref(), "side")? {
        "buy" => Side::Buy,
        "sell" => Side::Sell,
        other => return Err(Refusal::invalid(format!("invalid side: {other:?}"))),
    };
    let kind = kind(needed(json.kind.as_ref(), "type")?)?;
    let tif = time_in_force(needed(json.time_in_force.as_ref(), "time_in_force")?)?;
    let class = order_class(json)?;
    let extended = json.extended_hours.unwrap_or(false);
    if extended && !(kind == OrderKind::Limit && is_day_or_gtc(&tif)) {
        return Err(Refusal::invalid("extended hours order must be DAY or GTC limit orders"));
    }
    check_class(instrument, &kind, &tif, class, extended)?;
    let qty = size(json, instrument, &tif, class)?;
    let mut order = trigger(json, instrument, side, qty, &kind, &tif, class)?;
    if let Some(amount) = json.notional {
        order = order.with_notional(positive(amount, "notional")?, Some(Currency::USD));
    }
    order = order.with_instrument(instrument.id.clone()).with_time_in_force(tif);
    if extended {
        order = order.with_extended_hours();
    }
    if let Some(id) = client_id(json.client_order_id.as_ref())? {
        order = order.with_client_id(id);
    }
    match effect(json, side, instrument)? {
        Some(effect) => Ok(order.with_effect(effect)),
        None => Ok(order),
    }
}

/// `simple`, `bracket`, `oco` or `oto`.
fn order_class(json: &PlaceJson<'_>) -> Result<&'static str, Refusal> {
    let class = match json.order_class.as_ref().map(Text::get) {
        None | Some("" | "simple") => "simple",
        Some("bracket") => "bracket",
        Some("oco") => "oco",
        Some("oto") => "oto",
        Some(other) => return Err(Refusal::invalid(format!("invalid order_class: {other:?}"))),
    };
    if class == "simple" && (json.take_profit.is_some() || json.stop_loss.is_some()) {
        return Err(Refusal::invalid("simple orders cannot have take_profit or stop_loss"));
    }
    Ok(class)
}

fn kind(word: &str) -> Result<OrderKind, Refusal> {
    match word {
        "market" => Ok(OrderKind::Market),
        "limit" => Ok(OrderKind::Limit),
        "stop" => Ok(OrderKind::Stop),
        "stop_limit" => Ok(OrderKind::StopLimit),
        "trailing_stop" => Ok(OrderKind::TrailingStop),
        other => Err(Refusal::invalid(format!("invalid type: {other:?}"))),
    }
}

pub(super) fn time_in_force(word: &str) -> Result<TimeInForce, Refusal> {
    match word {
        "day" => Ok(TimeInForce::Day),
        "gtc" => Ok(TimeInForce::Gtc),
        "ioc" => Ok(TimeInForce::Ioc),
        "fok" => Ok(TimeInForce::Fok),
        "opg" => Ok(TimeInForce::AtOpen),
        "cls" => Ok(TimeInForce::AtClose),
        other => Err(Refusal::invalid(format!("invalid time_in_force: {other:?}"))),
    }
}

fn is_day_or_gtc(tif: &TimeInForce) -> bool {
    matches!(tif, TimeInForce::Day | TimeInForce::Gtc)
}

/// What an asset class does not take at all.
fn check_class(
    instrument: &Instrument,
    kind: &OrderKind,
    tif: &TimeInForce,
    class: &str,
    extended: bool,
) -> Result<(), Refusal> {
    let complex = class != "simple";
    let refused = match instrument.asset_class {
        AssetClass::Crypto => [
            (
                complex,
                format!("crypto orders not allowed for advanced order_class: {class}"),
            ),
            (
                matches!(kind, OrderKind::Stop | OrderKind::TrailingStop),
                format!("invalid order type for crypto order: {kind}"),
            ),
            (
                !matches!(tif, TimeInForce::Gtc | TimeInForce::Ioc),
                "invalid crypto time_in_force".to_owned(),
            ),
        ],
        AssetClass::Option => [
            (
                complex,
                format!("order_class {class} is not supported for options trading"),
            ),
            (
                !matches!(kind, OrderKind::Market | OrderKind::Limit),
                "invalid order type for options trading".to_owned(),
            ),
            (
                *tif != TimeInForce::Day || extended,
                "order_time_in_force provided not supported for options trading".to_owned(),
            ),
        ],
        _ => [
            (
                complex && !is_day_or_gtc(tif),
                format!("{class} orders must be DAY or GTC orders"),
            ),
            (
                complex && extended,
                format!("{class} orders cannot be extended hours orders"),
            ),
            (
                *kind == OrderKind::TrailingStop && !is_day_or_gtc(tif),
                "trailing stop orders must be DAY or GTC orders".to_owned(),
            ),
        ],
    };
    match refused.into_iter().find(|(refused, _)| *refused) {
        Some((_, message)) => Err(Refusal::invalid(message)),
        None => Ok(()),
    }
}

/// The quantity; zero where a notional amount is given in its place.
fn size(json: &PlaceJson<'_>, instrument: &Instrument, tif: &TimeInForce, class: &str) -> Result<Qty, Refusal> {
    let qty = match (json.qty, json.notional) {
        (None, None) => return Err(Refusal::invalid("qty or notional is required")),
        (Some(_), Some(_)) => return Err(Refusal::invalid("only one of qty or notional is accepted")),
        (Some(qty), None) => Some(positive(qty, "qty")?),
        (None, Some(_)) => None,
    };
    let parts = qty.is_none_or(|qty| !qty.get().fract().is_zero());
    if instrument.asset_class == AssetClass::Crypto || !parts {
        return Ok(qty.unwrap_or(Qty::ZERO));
    }
    if instrument.asset_class == AssetClass::Option {
        return Err(Refusal::invalid("qty must be a whole number of contracts"));
    }
    if !shapes::fractionable(instrument) {
        return Err(Refusal::rejected(format!(
            "asset {:?} is not fractionable",
            instrument.symbol.get()
        )));
    }
    if *tif != TimeInForce::Day {
        return Err(Refusal::invalid("fractional orders must be DAY orders"));
    }
    if class != "simple" {
        return Err(Refusal::invalid("fractional orders must be simple orders"));
    }
    Ok(qty.unwrap_or(Qty::ZERO))
}

pub(super) fn positive(number: Num, name: &str) -> Result<Qty, Refusal> {
    if number.0 <= Decimal::ZERO {
        return Err(Refusal::invalid(format!("{name} must be > 0")));
    }
    if number.0.normalize().scale() > MOST_PLACES {
        return Err(Refusal::invalid(format!(
            "{name} can take up to {MOST_PLACES} decimal points"
        )));
    }
    Qty::new(number.0).map_err(|_| Refusal::invalid(format!("{name} must be > 0")))
}

/// A price on the instrument's grid: below a dollar shares have four decimals, from there two.
pub(super) fn price(number: Num, name: &str, instrument: &Instrument) -> Result<Price, Refusal> {
    let price = Price::new(number.0);
    if number.0 <= Decimal::ZERO {
        return Err(Refusal::invalid(format!("{name} must be > 0")));
    }
    let off = instrument
        .tick_at(price)
        .is_some_and(|tick| !(number.0 % tick).is_zero());
    if off {
        return Err(Refusal::invalid(format!(
            "invalid {name} {}. sub-penny increment does not fulfill minimum pricing criteria",
            plain(number.0)
        )));
    }
    Ok(price)
}

/// The order without what is the same for all of them.
fn trigger(
    json: &PlaceJson<'_>,
    instrument: &Instrument,
    side: Side,
    qty: Qty,
    kind: &OrderKind,
    tif: &TimeInForce,
    class: &str,
) -> Result<OrderRequest, Refusal> {
    let symbol: Symbol = instrument.symbol.clone();
    if class == "oco" {
        return oco(json, instrument, side, qty, kind);
    }
    let limit = json
        .limit_price
        .map(|number| price(number, "limit_price", instrument))
        .transpose()?;
    let stop = json
        .stop_price
        .map(|number| price(number, "stop_price", instrument))
        .transpose()?;
    let trail = trail(json)?;
    if trail.is_some() != (*kind == OrderKind::TrailingStop) {
        return Err(Refusal::invalid(
            "trailing stop orders require exactly one of trail_price or trail_percent",
        ));
    }
    let order = match (kind, limit, stop, trail) {
        (OrderKind::Market, None, None, _) => OrderRequest::market(symbol, side, qty),
        (OrderKind::Limit, Some(limit), None, _) => OrderRequest::limit(symbol, side, qty, limit),
        (OrderKind::Stop, None, Some(stop), _) => OrderRequest::stop(symbol, side, qty, stop),
        (OrderKind::StopLimit, Some(limit), Some(stop), _) => OrderRequest::stop_limit(symbol, side, qty, stop, limit),
        (OrderKind::TrailingStop, None, None, Some(trail)) => OrderRequest::trailing_stop(symbol, side, qty, trail),
        _ => return Err(wrong_prices(kind)),
    };
    if class == "simple" {
        return Ok(order);
    }
    if !matches!(kind, OrderKind::Market | OrderKind::Limit) || !is_day_or_gtc(tif) {
        return Err(Refusal::invalid(format!(
            "{class} orders must be market or limit orders"
        )));
    }
    with_exits(order, json, instrument, class)
}

fn wrong_prices(kind: &OrderKind) -> Refusal {
    Refusal::invalid(match kind {
        OrderKind::Market => "market orders require no stop or limit price",
        OrderKind::Limit => "limit orders require only limit price",
        OrderKind::Stop => "stop orders require only stop price",
        OrderKind::StopLimit => "stop limit orders require both stop and limit price",
        _ => "trailing stop orders require no stop or limit price",
    })
}

fn trail(json: &PlaceJson<'_>) -> Result<Option<Trail>, Refusal> {
    match (json.trail_price, json.trail_percent) {
        (Some(_), Some(_)) => Err(Refusal::invalid(
            "trailing stop orders require exactly one of trail_price or trail_percent",
        )),
        (Some(amount), None) => Ok(Some(Trail::Amount(amount.0))),
        (None, Some(percent)) => Ok(Some(Trail::Percent(percent.0))),
        (None, None) => Ok(None),
    }
}

fn with_exits(
    mut order: OrderRequest,
    json: &PlaceJson<'_>,
    instrument: &Instrument,
    class: &str,
) -> Result<OrderRequest, Refusal> {
    let target = json.take_profit.as_ref().and_then(|exit| exit.limit_price);
    let stop = json.stop_loss.as_ref().and_then(|exit| exit.stop_price);
    match (class, target, stop) {
        ("bracket", None, _) => return Err(Refusal::invalid("bracket orders require take_profit.limit_price")),
        ("bracket", _, None) => return Err(Refusal::invalid("bracket orders require stop_loss.stop_price")),
        ("oto", None, None) | ("oto", Some(_), Some(_)) => {
            return Err(Refusal::invalid("oto orders require either take_profit or stop_loss"));
        }
        _ => {}
    }
    if let Some(target) = target {
        order = order.with_target(Level::Price(price(target, "take_profit.limit_price", instrument)?));
    }
    match stop {
        Some(stop) => Ok(order.with_stop(stop_exit(stop, json, instrument)?)),
        None => Ok(order),
    }
}

fn stop_exit(stop: Num, json: &PlaceJson<'_>, instrument: &Instrument) -> Result<StopExit, Refusal> {
    let limit = json.stop_loss.as_ref().and_then(|exit| exit.limit_price);
    let limit = limit
        .map(|limit| price(limit, "stop_loss.limit_price", instrument))
        .transpose()?;
    Ok(StopExit::Stop {
        stop: Level::Price(price(stop, "stop_loss.stop_price", instrument)?),
        limit: limit.map(Level::Price),
    })
}

/// Two exits of a position: the target is the limit order, the stop its leg.
fn oco(
    json: &PlaceJson<'_>,
    instrument: &Instrument,
    side: Side,
    qty: Qty,
    kind: &OrderKind,
) -> Result<OrderRequest, Refusal> {
    if *kind != OrderKind::Limit {
        return Err(Refusal::invalid("oco orders must be limit orders"));
    }
    let target = json
        .take_profit
        .as_ref()
        .and_then(|exit| exit.limit_price)
        .or(json.limit_price);
    let target = target.ok_or_else(|| Refusal::invalid("oco orders require take_profit.limit_price"))?;
    let stop = json.stop_loss.as_ref().and_then(|exit| exit.stop_price);
    let stop = stop.ok_or_else(|| Refusal::invalid("oco orders require stop_loss.stop_price"))?;
    Ok(OrderRequest::oco(
        instrument.symbol.clone(),
        side,
        qty,
        price(target, "take_profit.limit_price", instrument)?,
        stop_exit(stop, json, instrument)?,
    ))
}

fn effect(json: &PlaceJson<'_>, side: Side, instrument: &Instrument) -> Result<Option<PositionEffect>, Refusal> {
    let Some(word) = json
        .position_intent
        .as_ref()
        .map(Text::get)
        .filter(|word| !word.is_empty())
    else {
        return Ok(None);
    };
    if instrument.asset_class == AssetClass::Crypto {
        return Err(Refusal::invalid("position_intent is not supported for crypto orders"));
    }
    let (of, effect) = match word {
        "buy_to_open" => (Side::Buy, PositionEffect::Open),
        "buy_to_close" => (Side::Buy, PositionEffect::Close),
        "sell_to_open" => (Side::Sell, PositionEffect::Open),
        "sell_to_close" => (Side::Sell, PositionEffect::Close),
        other => return Err(Refusal::invalid(format!("invalid position_intent: {other:?}"))),
    };
    if of != side {
        return Err(Refusal::invalid(format!(
            "position intent mismatch, {word} on a {side} order"
        )));
    }
    Ok(Some(effect))
}

pub(super) fn needed<'a>(text: Option<&'a Text<'_>>, name: &str) -> Result<&'a str, Refusal> {
    let text = text.map(Text::get).filter(|text| !text.is_empty());
    text.ok_or_else(|| Refusal::invalid(format!("{name} is required")))
}

pub(super) fn client_id(text: Option<&Text<'_>>) -> Result<Option<ClientOrderId>, Refusal> {
    let Some(text) = text.map(Text::get).filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    if text.chars().count() > LONGEST_CLIENT_ID {
        return Err(Refusal::invalid("client_order_id must be no more than 128 characters"));
    }
    text.parse()
        .map(Some)
        .map_err(|_| Refusal::invalid("invalid client_order_id"))
}
