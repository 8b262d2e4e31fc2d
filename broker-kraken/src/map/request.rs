//! Orders in Kraken's words. What Kraken cannot do is refused here, before a byte is sent.

use broker_core::model::{Amount, OrderChange, OrderKind, OrderLeg, OrderLinks, PositionLeg, Size, Trail, Trigger};
use broker_core::{
    Error, Intent, Money, Order, OrderId, OrderRequest, OrderStatus, Price, Qty, Result, Side, TimeInForce,
};
use rust_decimal::Decimal;

use crate::directory::{Held, Pair, held};
use crate::rest::Form;
use crate::terms::{ConditionalClose, KrakenTerms, TriggerPrice};

/// Leverage of an order on margin that names none: every pair has it.
const USUAL_LEVERAGE: u32 = 2;

/// The form of a new order.
pub(crate) fn place(intent: &Intent, pair: &Pair, terms: &KrakenTerms) -> Result<Form> {
    let form = order(&intent.request, intent.instrument.id.get(), pair, terms)?;
    Ok(form.with("cl_ord_id", intent.id.get()))
}

/// The same of a request that is only to be checked.
pub(crate) fn order(request: &OrderRequest, instrument: &str, pair: &Pair, terms: &KrakenTerms) -> Result<Form> {
    let (how, _) = held(instrument);
    let on_margin = how == Held::OnMargin;
    check(request, terms, on_margin)?;
    let words = Words::of(&request.trigger, terms)?;
    let (volume, in_quote) = size(&request.size, request, pair)?;
    let mut flags = Vec::new();
    if terms.post_only {
        flags.push("post");
    }
    match terms.fee_in_base {
        Some(true) => flags.push("fcib"),
        Some(false) => flags.push("fciq"),
        None => {}
    }
    if in_quote {
        flags.push("viqc");
    }
    let mut form = Form::new()
        .with("pair", &pair.key)
        .with("type", request.side.to_string())
        .with("ordertype", words.kind)
        .with("volume", volume)
        .maybe("price", words.price)
        .maybe("price2", words.price2)
        .maybe("displayvol", terms.display.map(|qty| plain(qty.get())))
        .maybe("trigger", terms.trigger.map(trigger_word))
        .maybe("stptype", terms.self_trade.map(|rule| rule.as_str()))
        .maybe("asset_class", pair.asset_class());
    if !flags.is_empty() {
        form = form.with("oflags", flags.join(","));
    }
    if on_margin {
        form = form.with("leverage", terms.leverage.unwrap_or(USUAL_LEVERAGE).to_string());
    }
    if request.reduce_only {
        form = form.with("reduce_only", "true");
    }
    match (&request.time_in_force, request.expires_at) {
        (Some(TimeInForce::Gtd), Some(at)) => {
            form = form
                .with("timeinforce", "GTD")
                .with("expiretm", at.timestamp().to_string());
        }
        (Some(TimeInForce::Ioc), None) => form = form.with("timeinforce", "IOC"),
        (Some(TimeInForce::Gtc), None) => form = form.with("timeinforce", "GTC"),
        (None, None) => {}
        (Some(TimeInForce::Gtd), None) => return Err(Error::invalid("a good-till-date order needs its date")),
        (Some(other), None) => return Err(Error::unsupported(format!("Kraken has no time in force {other}"))),
        (_, Some(_)) => return Err(Error::invalid("only a good-till-date order has a date")),
    }
    match terms.close {
        Some(close) => conditional(form, close),
        None => Ok(form),
    }
}

/// What no order, or no order of this kind, can be at Kraken.
fn check(request: &OrderRequest, terms: &KrakenTerms, on_margin: bool) -> Result<()> {
    let kind = request.trigger.kind();
    let limit = kind == OrderKind::Limit;
    let rules = [
        (request.leg != PositionLeg::Net, "positions with two legs"),
        (
            request.target.is_some() || request.stop.is_some() || matches!(request.trigger, Trigger::Oco { .. }),
            "groups of orders: for an order that closes what another fills see KrakenTerms::with_close",
        ),
        (request.extended_hours, "sessions"),
        (
            request.reduce_only && !on_margin,
            "orders that can only reduce a position, but on margin: trade the instrument `margin:...`",
        ),
        (
            terms.leverage.is_some() && !on_margin,
            "leverage, but on margin: trade the instrument `margin:...`",
        ),
        (terms.post_only && !limit, "post-only orders that are no limit orders"),
        (
            terms.display.is_some() && !limit,
            "iceberg orders that are no limit orders",
        ),
        (
            terms.settle && !(on_margin && kind == OrderKind::Market),
            "settling of anything but a margin position, at the market",
        ),
        (
            terms.trailing_limit.is_some() && kind != OrderKind::TrailingStop,
            "a trailing limit of an order that does not trail",
        ),
        (
            matches!(request.size, Size::Notional { .. })
                && (on_margin || kind != OrderKind::Market || request.side != Side::Buy),
            "orders for money but purchases at the market, outright",
        ),
    ];
    match rules.iter().find(|(broken, _)| *broken) {
        Some((_, what)) => Err(Error::unsupported(format!("Kraken has no {what}"))),
        None => Ok(()),
    }
}

struct Words {
    kind: &'static str,
    price: Option<String>,
    price2: Option<String>,
}

impl Words {
    fn of(trigger: &Trigger, terms: &KrakenTerms) -> Result<Self> {
        let one = |kind, price: Decimal| {
            Ok(Self {
                kind,
                price: Some(positive(price, "price")?),
                price2: None,
            })
        };
        let two = |kind, price: Decimal, limit: Decimal| {
            Ok(Self {
                price2: Some(positive(limit, "limit price")?),
                ..one(kind, price)?
            })
        };
        match *trigger {
            Trigger::Market => Ok(Self {
                kind: if terms.settle { "settle-position" } else { "market" },
                price: None,
                price2: None,
            }),
            Trigger::Limit { limit } if terms.display.is_some() => one("iceberg", limit.get()),
            Trigger::Limit { limit } => one("limit", limit.get()),
            Trigger::Stop { stop } => one("stop-loss", stop.get()),
            Trigger::StopLimit { stop, limit } => two("stop-loss-limit", stop.get(), limit.get()),
            Trigger::MarketIfTouched { trigger } => one("take-profit", trigger.get()),
            Trigger::LimitIfTouched { trigger, limit } => two("take-profit-limit", trigger.get(), limit.get()),
            Trigger::Trailing(trail) => Ok(Self {
                kind: match terms.trailing_limit {
                    Some(_) => "trailing-stop-limit",
                    None => "trailing-stop",
                },
                price: Some(distance(trail)?),
                price2: terms.trailing_limit.map(signed),
            }),
            _ => Err(Error::unsupported(format!("Kraken has no {} orders", trigger.kind()))),
        }
    }
}

/// The distance of a trailing stop: always with its sign.
fn distance(trail: Trail) -> Result<String> {
    Ok(match trail {
        Trail::Amount(amount) => format!("+{}", positive(amount, "trail")?),
        Trail::Percent(percent) => format!("+{}%", positive(percent, "trail")?),
    })
}

fn signed(amount: Decimal) -> String {
    match amount.is_sign_negative() && !amount.is_zero() {
        true => plain(amount),
        false => format!("+{}", plain(amount)),
    }
}

fn conditional(form: Form, close: ConditionalClose) -> Result<Form> {
    let price = |price: Price| positive(price.get(), "closing price");
    let (kind, first, second) = match close {
        ConditionalClose::Limit(limit) => ("limit", price(limit)?, None),
        ConditionalClose::StopLoss(stop) => ("stop-loss", price(stop)?, None),
        ConditionalClose::TakeProfit(trigger) => ("take-profit", price(trigger)?, None),
        ConditionalClose::StopLossLimit { stop, limit } => ("stop-loss-limit", price(stop)?, Some(price(limit)?)),
        ConditionalClose::TakeProfitLimit { trigger, limit } => {
            ("take-profit-limit", price(trigger)?, Some(price(limit)?))
        }
        ConditionalClose::Trailing(trail) => ("trailing-stop", distance(trail)?, None),
    };
    Ok(form
        .with("close[ordertype]", kind)
        .with("close[price]", first)
        .maybe("close[price2]", second))
}

fn trigger_word(trigger: TriggerPrice) -> &'static str {
    match trigger {
        TriggerPrice::Last => "last",
        TriggerPrice::Index => "index",
    }
}

/// The volume, and whether it is in the quote currency.
fn size(size: &Size, request: &OrderRequest, pair: &Pair) -> Result<(String, bool)> {
    match *size {
        Size::Qty(qty) => Ok((positive(qty.get(), "quantity")?, false)),
        Size::Notional { amount, currency } => {
            let quote = pair.spot.currency;
            if currency.is_some_and(|currency| currency != quote) {
                return Err(Error::unsupported(format!(
                    "an order of {} takes amounts in {quote} only",
                    request.side
                )));
            }
            Ok((positive(amount.get(), "amount")?, true))
        }
    }
}

fn positive(value: Decimal, name: &str) -> Result<String> {
    match value > Decimal::ZERO {
        true => Ok(plain(value)),
        false => Err(Error::invalid(format!("the {name} must be above zero: {value}"))),
    }
}

/// Without zeros at its end.
fn plain(value: Decimal) -> String {
    value.normalize().to_string()
}

/// The order that an answer which is only an id stands for.
pub(crate) fn placed(id: &str, intent: &Intent) -> Order {
    let request = &intent.request;
    let (limit_price, stop_price, trail) = match request.trigger {
        Trigger::Limit { limit } => (Some(limit), None, None),
        Trigger::Stop { stop } | Trigger::MarketIfTouched { trigger: stop } => (None, Some(stop), None),
        Trigger::StopLimit { stop, limit } | Trigger::LimitIfTouched { trigger: stop, limit } => {
            (Some(limit), Some(stop), None)
        }
        Trigger::Trailing(trail) => (None, None, Some(trail)),
        _ => (None, None, None),
    };
    Order {
        id: OrderId::from(id),
        client_id: Some(intent.id.clone()),
        account: intent.account.clone(),
        legs: vec![OrderLeg {
            instrument: intent.instrument.id.clone(),
            symbol: intent.instrument.symbol.clone(),
            side: request.side,
            ratio: Decimal::ONE,
            effect: None,
            position: PositionLeg::Net,
            filled_qty: Qty::ZERO,
            average_price: None,
        }],
        kind: request.trigger.kind(),
        amount: match request.size {
            Size::Qty(qty) => Amount::Qty(qty),
            Size::Notional { amount, .. } => Amount::Notional(Money::new(amount.get(), intent.instrument.currency)),
        },
        filled_qty: Qty::ZERO,
        average_price: None,
        limit_price,
        stop_price,
        trail,
        time_in_force: Some(request.time_in_force.clone().unwrap_or(TimeInForce::Gtc)),
        expires_at: request.expires_at,
        extended_hours: false,
        reduce_only: request.reduce_only,
        status: OrderStatus::PendingNew,
        reason: None,
        links: OrderLinks::default(),
        created_at: None,
        updated_at: None,
    }
}

/// The form of a change of `order`, as it was last read. The order keeps its id.
pub(crate) fn amend(order: &Order, change: &OrderChange, pair: &Pair) -> Result<Form> {
    let price = |price: Option<Price>, name| price.map(|price| positive(price.get(), name)).transpose();
    check_change(order, change)?;
    let trigger = match change.trail {
        Some(trail) => Some(distance(trail)?),
        None => price(change.stop_price, "trigger price")?,
    };
    Ok(Form::new()
        .with("txid", order.id.get())
        .maybe("order_qty", new_qty(change)?)
        .maybe("limit_price", price(change.limit_price, "limit price")?)
        .maybe("trigger_price", trigger)
        .maybe("pair", pair.tokenized.then_some(&pair.key)))
}

/// The form of an order that takes the place of `order`. Prices that do not change are said again.
pub(crate) fn edit(order: &Order, change: &OrderChange, pair: &Pair) -> Result<Form> {
    check_change(order, change)?;
    let price = |new: Option<Price>, old, name| {
        let price: Option<Price> = new.or(old);
        let missing = || Error::invalid(format!("the {name} of the order is not known"));
        positive(price.ok_or_else(missing)?.get(), name)
    };
    let limit = || price(change.limit_price, order.limit_price, "limit price");
    let trigger = || price(change.stop_price, order.stop_price, "trigger price");
    let (first, second) = match (&order.kind, change.trail.or(order.trail)) {
        (OrderKind::Limit, _) => (limit()?, None),
        (OrderKind::Stop | OrderKind::MarketIfTouched, _) => (trigger()?, None),
        (OrderKind::StopLimit | OrderKind::LimitIfTouched, _) => (trigger()?, Some(limit()?)),
        (OrderKind::TrailingStop, Some(trail)) => (distance(trail)?, None),
        (kind, _) => return Err(Error::unsupported(format!("edits of {kind} orders"))),
    };
    Ok(Form::new()
        .with("txid", order.id.get())
        .with("pair", &pair.key)
        .maybe("asset_class", pair.asset_class())
        .maybe("volume", new_qty(change)?)
        .with("price", first)
        .maybe("price2", second))
}

fn new_qty(change: &OrderChange) -> Result<Option<String>> {
    change.qty.map(|qty| positive(qty.get(), "quantity")).transpose()
}

fn check_change(order: &Order, change: &OrderChange) -> Result<()> {
    if *change == OrderChange::new() {
        return Err(Error::invalid("the change changes nothing"));
    }
    let kind = &order.kind;
    let limited = matches!(
        kind,
        OrderKind::Limit | OrderKind::StopLimit | OrderKind::LimitIfTouched | OrderKind::TrailingStopLimit
    );
    let stopped = matches!(
        kind,
        OrderKind::Stop | OrderKind::StopLimit | OrderKind::MarketIfTouched | OrderKind::LimitIfTouched
    );
    let rules = [
        (
            change.time_in_force.is_some(),
            "changes of the time in force: cancel it and place another",
        ),
        (change.limit_price.is_some() && !limited, "limit price in this order"),
        (
            change.stop_price.is_some() && !stopped,
            "trigger price in this order that could be changed",
        ),
        (change.trail.is_some() && order.trail.is_none(), "trail in this order"),
    ];
    match rules.iter().find(|(broken, _)| *broken) {
        Some((_, what)) => Err(Error::unsupported(format!("Kraken has no {what}"))),
        None => Ok(()),
    }
}

/// Whether an order shows a change.
pub(crate) fn shows(order: &Order, change: &OrderChange) -> bool {
    let qty = change.qty.is_none_or(|qty| order.amount == Amount::Qty(qty));
    qty && change.limit_price.is_none_or(|price| order.limit_price == Some(price))
        && change.stop_price.is_none_or(|price| order.stop_price == Some(price))
        && change.trail.is_none_or(|trail| order.trail == Some(trail))
}
