//! Steps and borders of an instrument: tick, lot, smallest and largest quantity, smallest value. What the broker does
//! not state is not checked.

use rust_decimal::Decimal;

use super::check::positive;
use crate::error::{Error, Result};
use crate::model::{Instrument, Level, OrderChange, OrderRequest, Size, StopExit, Trail, Trigger};
use crate::num::{Price, Qty};

pub(super) fn check(request: &OrderRequest, instrument: &Instrument) -> Result<()> {
    let prices = Prices::of(&request.trigger);
    let limit = prices.limit;
    for price in [prices.limit, prices.stop].into_iter().flatten() {
        tick(instrument, price)?;
    }
    for level in [request.target, prices.exit_stop, prices.exit_limit]
        .into_iter()
        .flatten()
        .chain(exit_levels(request.stop))
    {
        step_of(instrument, level, limit.or(prices.stop))?;
    }
    for trail in [prices.trail, exit_trail(request.stop)].into_iter().flatten() {
        positive("a trail", amount_of(trail))?;
    }
    match request.size {
        Size::Qty(qty) => {
            quantity(instrument, qty)?;
            match limit.and_then(|price| instrument.notional(qty, price)) {
                Some(value) => least_value(instrument, value.amount),
                None => Ok(()),
            }
        }
        Size::Notional { amount, currency } => {
            positive("an amount of money", amount.get())?;
            match currency {
                Some(other) if other != instrument.currency => Ok(()),
                _ => least_value(instrument, amount.get()),
            }
        }
    }
}

/// The same for what a replacement changes.
pub(super) fn check_change(change: &OrderChange, instrument: &Instrument) -> Result<()> {
    for price in [change.limit_price, change.stop_price].into_iter().flatten() {
        tick(instrument, price)?;
    }
    if let Some(trail) = change.trail {
        positive("a trail", amount_of(trail))?;
    }
    change.qty.map_or(Ok(()), |qty| quantity(instrument, qty))
}

/// The prices that a trigger names.
#[derive(Default)]
struct Prices {
    limit: Option<Price>,
    stop: Option<Price>,
    trail: Option<Trail>,
    exit_stop: Option<Level>,
    exit_limit: Option<Level>,
}

impl Prices {
    fn of(trigger: &Trigger) -> Self {
        let none = Self::default();
        match *trigger {
            Trigger::Market => none,
            Trigger::Limit { limit } => Self {
                limit: Some(limit),
                ..none
            },
            Trigger::Stop { stop } | Trigger::MarketIfTouched { trigger: stop } => Self {
                stop: Some(stop),
                ..none
            },
            Trigger::StopLimit { stop, limit } | Trigger::LimitIfTouched { trigger: stop, limit } => Self {
                limit: Some(limit),
                stop: Some(stop),
                ..none
            },
            Trigger::Trailing(trail) => Self {
                trail: Some(trail),
                ..none
            },
            Trigger::Oco { target, stop } => {
                let mut levels = exit_levels(Some(stop));
                Self {
                    limit: Some(target),
                    exit_stop: levels.next(),
                    exit_limit: levels.next(),
                    trail: exit_trail(Some(stop)),
                    ..none
                }
            }
        }
    }
}

fn exit_levels(exit: Option<StopExit>) -> impl Iterator<Item = Level> {
    let levels = match exit {
        Some(StopExit::Stop { stop, limit }) => [Some(stop), limit],
        Some(StopExit::Trailing(_)) | None => [None, None],
    };
    levels.into_iter().flatten()
}

fn exit_trail(exit: Option<StopExit>) -> Option<Trail> {
    match exit {
        Some(StopExit::Trailing(trail)) => Some(trail),
        Some(StopExit::Stop { .. }) | None => None,
    }
}

fn amount_of(trail: Trail) -> Decimal {
    match trail {
        Trail::Amount(amount) => amount,
        Trail::Percent(percent) => percent,
    }
}

/// A distance moves in the steps of the price that it starts from, where that is known.
fn step_of(instrument: &Instrument, level: Level, from: Option<Price>) -> Result<()> {
    match level {
        Level::Price(price) => tick(instrument, price),
        Level::Distance(distance) => {
            positive("a distance", distance.get())?;
            match from.and_then(|from| instrument.tick_at(from)) {
                Some(step) => multiple("the distance", distance.get(), step, instrument),
                None => Ok(()),
            }
        }
    }
}

fn tick(instrument: &Instrument, price: Price) -> Result<()> {
    match instrument.tick_at(price) {
        Some(step) => multiple("the price", price.get(), step, instrument),
        None => Ok(()),
    }
}

fn quantity(instrument: &Instrument, qty: Qty) -> Result<()> {
    positive("a quantity", qty.get())?;
    if let Some(lot) = instrument.lot {
        multiple("the quantity", qty.get(), lot, instrument)?;
    }
    if let Some(least) = instrument.min_qty.filter(|least| qty < *least) {
        return Err(Error::invalid(format!(
            "the quantity {qty} is below {least}, the smallest of {}",
            instrument.symbol
        )));
    }
    if let Some(most) = instrument.max_qty.filter(|most| qty > *most) {
        return Err(Error::invalid(format!(
            "the quantity {qty} is above {most}, the largest of {}",
            instrument.symbol
        )));
    }
    Ok(())
}

fn least_value(instrument: &Instrument, value: Decimal) -> Result<()> {
    match instrument.min_notional.filter(|least| value < least.amount) {
        Some(least) => Err(Error::invalid(format!(
            "an order of {value} is below {least}, the smallest of {}",
            instrument.symbol
        ))),
        None => Ok(()),
    }
}

fn multiple(what: &str, value: Decimal, step: Decimal, instrument: &Instrument) -> Result<()> {
    // A step of zero is no step.
    if step.is_zero() || value.checked_rem(step).is_some_and(|rest| rest.is_zero()) {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "{what} {value} is no multiple of {step}, the step of {}",
        instrument.symbol
    )))
}
