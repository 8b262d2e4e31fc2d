//! Orders, positions and assets as Alpaca writes them.

use broker_core::model::{
    Amount, AssetClass, ExerciseStyle, Group, InstrumentStatus, OptionRight, PositionEffect, Trail,
};
use broker_core::{Instrument, Order, OrderStatus, Position, Price, Side};
use broker_sim::Engine;
use chrono::{DateTime, Utc};
use rust_decimal::Decimal;

use super::assets::has_options;
use super::ids::{slashless, uuid};
use super::json::{Object, array, quoted};

/// `us_equity`, `us_option` or `crypto`; `None` for what Alpaca does not list.
pub(super) fn class(instrument: &Instrument) -> Option<&'static str> {
    match instrument.asset_class {
        AssetClass::Stock | AssetClass::Etf => Some("us_equity"),
        AssetClass::Option => Some("us_option"),
        AssetClass::Crypto => Some("crypto"),
        _ => None,
    }
}

/// The asset's id.
pub(super) fn asset_id(instrument: &Instrument) -> String {
    uuid("asset", instrument.id.get())
}

/// What of an order is not in the model of the core.
#[derive(Debug, Clone, Default)]
pub(super) struct OrderFacts {
    /// When it became filled.
    pub(super) filled_at: Option<DateTime<Utc>>,
    /// Best price that a trailing stop has seen.
    pub(super) high_water_mark: Option<Price>,
    /// Orders that are rolled up in this one, rendered; `None` where nothing was asked to be rolled up.
    pub(super) legs: Option<Vec<String>>,
    /// Whether the request stated a position intent.
    pub(super) states_intent: bool,
}

/// One order.
pub(super) fn order(order: &Order, instrument: &Instrument, facts: &OrderFacts) -> String {
    let side = order.legs.first().map_or(Side::Buy, |leg| leg.side);
    let when = |status: OrderStatus| order.updated_at.filter(|_| order.status == status);
    let (qty, notional) = match order.amount {
        Amount::Qty(qty) => (Some(qty.get()), None),
        Amount::Notional(money) => (None, Some(money.amount)),
    };
    let (trail_price, trail_percent) = match order.trail {
        Some(Trail::Amount(amount)) => (Some(amount), None),
        Some(Trail::Percent(percent)) => (None, Some(percent)),
        None => (None, None),
    };
    let price = |price: Option<Price>| price.map(|price| price.get());
    let kind = order.kind.as_str();
    let client_id = order
        .client_id
        .as_ref()
        .map_or_else(|| made_client_id(order), ToString::to_string);
    let mut object = Object::new()
        .text("id", order.id.get())
        .text("client_order_id", &client_id)
        .stamp_or_null("created_at", order.created_at)
        .stamp_or_null("updated_at", order.updated_at)
        .stamp_or_null("submitted_at", order.created_at)
        .stamp_or_null("filled_at", facts.filled_at)
        .stamp_or_null("expired_at", when(OrderStatus::Expired));
    if let Some(expires_at) = order.expires_at {
        object = object.stamp("expires_at", expires_at);
    }
    object = object
        .stamp_or_null("canceled_at", when(OrderStatus::Canceled))
        .stamp_or_null("failed_at", when(OrderStatus::Rejected))
        .stamp_or_null("replaced_at", when(OrderStatus::Replaced))
        .text_or_null("replaced_by", order.links.replaced_by.as_ref().map(|id| id.get()))
        .text_or_null("replaces", order.links.replaces.as_ref().map(|id| id.get()))
        .text("asset_id", &asset_id(instrument))
        .text("symbol", instrument.symbol.get())
        .text("asset_class", class(instrument).unwrap_or_default())
        .decimal_or_null("notional", notional)
        .decimal_or_null("qty", qty)
        .decimal("filled_qty", order.filled_qty.get())
        .decimal_or_null("filled_avg_price", price(order.average_price))
        .text("order_class", order_class(order.links.group.as_ref()))
        .text("order_type", kind)
        .text("type", kind)
        .text("side", &side.to_string());
    if let Some(effect) = order
        .legs
        .first()
        .and_then(|leg| leg.effect)
        .filter(|_| facts.states_intent)
    {
        object = object.text("position_intent", intent(side, effect));
    }
    let object = object
        .text("time_in_force", time_in_force(order))
        .decimal_or_null("limit_price", price(order.limit_price))
        .decimal_or_null("stop_price", price(order.stop_price))
        .text("status", status(&order.status))
        .flag("extended_hours", order.extended_hours);
    let object = match &facts.legs {
        Some(legs) => object.raw("legs", &array(legs)),
        None => object.null("legs"),
    };
    object
        .decimal_or_null("trail_percent", trail_percent)
        .decimal_or_null("trail_price", trail_price)
        .decimal_or_null("hwm", price(facts.high_water_mark))
        .null("subtag")
        .null("source")
        .end()
}

/// The client order id that the venue gives to an order which came without one.
pub(super) fn made_client_id(order: &Order) -> String {
    uuid("client", order.id.get())
}

fn order_class(group: Option<&Group>) -> &str {
    match group {
        Some(Group::MultiLeg) => "mleg",
        Some(group) => group.as_str(),
        None => "",
    }
}

fn intent(side: Side, effect: PositionEffect) -> &'static str {
    match (side, effect) {
        (Side::Buy, PositionEffect::Open) => "buy_to_open",
        (Side::Buy, PositionEffect::Close) => "buy_to_close",
        (Side::Sell, PositionEffect::Open) => "sell_to_open",
        (Side::Sell, PositionEffect::Close) => "sell_to_close",
    }
}

fn time_in_force(order: &Order) -> &str {
    match order.time_in_force.as_ref().map(|word| word.as_str()) {
        Some("at_open") => "opg",
        Some("at_close") => "cls",
        Some(word) => word,
        None => "day",
    }
}

/// A word of the engine that Alpaca does not have stays as it is: the client must cope with it.
fn status(status: &OrderStatus) -> &str {
    status.as_str()
}

/// What of a position is not in the model of the core.
#[derive(Debug, Clone, Copy)]
pub(super) struct PositionFacts {
    /// Price of the last session's close.
    pub(super) last_day: Option<Price>,
    /// Value of a unit, where the position states none.
    pub(super) mark: Option<Price>,
}

/// What a position is worth; negative when short.
pub(super) fn market_value(position: &Position, instrument: &Instrument, facts: PositionFacts) -> Decimal {
    let value = position.signed_qty() * mark(position, facts) * multiplier(instrument);
    position.market_value.map_or(value, |money| money.amount)
}

/// What it made since the last close.
pub(super) fn profit_today(position: &Position, instrument: &Instrument, facts: PositionFacts) -> Decimal {
    let mark = mark(position, facts);
    let last_day = facts.last_day.map_or(mark, |price| price.get());
    position.signed_qty() * (mark - last_day) * multiplier(instrument)
}

fn entry(position: &Position) -> Decimal {
    position.average_price.map(|price| price.get()).unwrap_or_default()
}

fn mark(position: &Position, facts: PositionFacts) -> Decimal {
    let mark = position.mark_price.or(facts.mark);
    mark.map_or_else(|| entry(position), |price| price.get())
}

fn multiplier(instrument: &Instrument) -> Decimal {
    instrument.multiplier.unwrap_or(Decimal::ONE)
}

/// One position. A coin pair is spelled without its slash here, and here only.
pub(super) fn position(position: &Position, instrument: &Instrument, facts: PositionFacts) -> String {
    let (qty, entry, mark) = (position.signed_qty(), entry(position), mark(position, facts));
    let last_day = facts.last_day.map_or(mark, |price| price.get());
    let cost = qty * entry * multiplier(instrument);
    let cost = position.cost_basis.map_or(cost, |money| money.amount);
    let value = market_value(position, instrument, facts);
    let profit = position.unrealized_pnl.map_or(value - cost, |money| money.amount);
    let today = profit_today(position, instrument, facts);
    let symbol = instrument.symbol.get();
    let symbol = match instrument.asset_class {
        AssetClass::Crypto => slashless(symbol),
        _ => symbol.to_owned(),
    };
    Object::new()
        .text("asset_id", &asset_id(instrument))
        .text("symbol", &symbol)
        .text("exchange", instrument.exchange.as_deref().unwrap_or_default())
        .text("asset_class", class(instrument).unwrap_or_default())
        .flag("asset_marginable", is_marginable(instrument))
        .decimal("qty", qty)
        .decimal("avg_entry_price", entry)
        .text("side", if qty.is_sign_negative() { "short" } else { "long" })
        .decimal("market_value", value)
        .decimal("cost_basis", cost)
        .decimal("unrealized_pl", profit)
        .decimal("unrealized_plpc", share(profit, cost))
        .decimal("unrealized_intraday_pl", today)
        .decimal(
            "unrealized_intraday_plpc",
            share(today, qty * last_day * multiplier(instrument)),
        )
        .decimal("current_price", mark)
        .decimal("lastday_price", last_day)
        .decimal("change_today", share(mark - last_day, last_day))
        .decimal("qty_available", available(position))
        .end()
}

/// Shares are; what is held outright is not.
fn is_marginable(instrument: &Instrument) -> bool {
    matches!(instrument.asset_class, AssetClass::Stock | AssetClass::Etf)
}

/// Signed as the quantity is.
fn available(position: &Position) -> Decimal {
    position.available.unwrap_or(position.qty).signed(position.side)
}

fn share(part: Decimal, whole: Decimal) -> Decimal {
    part.checked_div(whole.abs()).unwrap_or_default().round_dp(16)
}

/// One asset of `GET /v2/assets`.
pub(super) fn asset(engine: &Engine, instrument: &Instrument) -> String {
    let crypto = instrument.asset_class == AssetClass::Crypto;
    let shortable = instrument.shortable.unwrap_or(false);
    let margin = instrument.margin.clone().unwrap_or_default();
    let percent = |rate: Option<Decimal>| rate.map(|rate| rate * Decimal::ONE_HUNDRED);
    let name = instrument.name.as_deref().unwrap_or(instrument.symbol.get());
    let mut object = Object::new()
        .text("id", &asset_id(instrument))
        .text("class", class(instrument).unwrap_or_default())
        .text("exchange", instrument.exchange.as_deref().unwrap_or_default())
        .text("symbol", instrument.symbol.get())
        .text("name", name)
        .text("status", status_word(engine, instrument))
        .flag("tradable", is_tradable(engine, instrument))
        .flag("marginable", is_marginable(instrument))
        .flag("shortable", shortable)
        .flag("easy_to_borrow", shortable);
    if !crypto {
        object = object.text(
            "borrow_status",
            if shortable { "easy_to_borrow" } else { "hard_to_borrow" },
        );
    }
    object = object.flag("fractionable", fractionable(instrument));
    if let Some(rate) = percent(margin.maintenance_rate) {
        object = object.number("maintenance_margin_requirement", rate);
    }
    if let Some(rate) = percent(margin.long_rate) {
        object = object.decimal("margin_requirement_long", rate);
    }
    if let Some(rate) = percent(margin.short_rate) {
        object = object.decimal("margin_requirement_short", rate);
    }
    if crypto {
        let tick = instrument.ticks.first().map(|band| band.tick);
        for (key, value) in [
            ("min_order_size", instrument.min_qty.map(|qty| qty.get())),
            ("min_trade_increment", instrument.lot),
            ("price_increment", tick),
        ] {
            if let Some(value) = value {
                object = object.decimal(key, value);
            }
        }
    }
    let attributes = attributes(engine, instrument);
    object
        .raw("attributes", &array(attributes.into_iter().map(quoted)))
        .end()
}

/// What an asset has besides its flags.
pub(super) fn attributes(engine: &Engine, instrument: &Instrument) -> Vec<&'static str> {
    let optionable = is_marginable(instrument) && has_options(engine, &instrument.id);
    optionable.then_some("has_options").into_iter().collect()
}

/// Whether parts of a unit can be traded.
pub(super) fn fractionable(instrument: &Instrument) -> bool {
    instrument.lot.is_some_and(|lot| lot < Decimal::ONE)
}

/// Whether it is listed still.
pub(super) fn is_active(engine: &Engine, instrument: &Instrument) -> bool {
    let expired = instrument.expires_at.is_some_and(|at| at <= engine.now());
    instrument.status != InstrumentStatus::Delisted && !expired
}

fn status_word(engine: &Engine, instrument: &Instrument) -> &'static str {
    if is_active(engine, instrument) {
        "active"
    } else {
        "inactive"
    }
}

fn is_tradable(engine: &Engine, instrument: &Instrument) -> bool {
    instrument.status == InstrumentStatus::Tradable && is_active(engine, instrument)
}

/// The root of an option's code.
pub(super) fn root(instrument: &Instrument) -> &str {
    let code = instrument.symbol.get();
    code.get(..code.len().saturating_sub(15)).unwrap_or(code)
}

/// One contract of `GET /v2/options/contracts`; `None` for what is no option.
pub(super) fn contract(engine: &Engine, instrument: &Instrument) -> Option<String> {
    let terms = instrument.option.as_ref()?;
    let right = match terms.right {
        OptionRight::Call => "call",
        OptionRight::Put => "put",
    };
    let style = match terms.style {
        Some(ExerciseStyle::European) => "european",
        Some(ExerciseStyle::American) | None => "american",
    };
    let multiplier = instrument.multiplier?;
    let name = format!(
        "{} {} {} {right}",
        terms.underlying,
        terms.expires_on.format("%b %d %Y"),
        terms.strike
    );
    let object = Object::new()
        .text("id", &asset_id(instrument))
        .text("symbol", instrument.symbol.get())
        .text("name", &name)
        .text("status", status_word(engine, instrument))
        .flag("tradable", is_tradable(engine, instrument))
        .text("expiration_date", &terms.expires_on.to_string())
        .text("root_symbol", root(instrument))
        .text("underlying_symbol", terms.underlying.get())
        .text("underlying_asset_id", &uuid("asset", terms.underlying.get()))
        .text("type", right)
        .text("style", style)
        .decimal("strike_price", terms.strike.get())
        .decimal("multiplier", multiplier)
        .decimal("size", multiplier);
    Some(object.end())
}
