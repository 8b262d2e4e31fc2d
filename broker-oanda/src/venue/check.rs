//! What is wrong with an order before it is one, and the terms that its body has.

use broker_core::num::Num;
use broker_core::{Instrument, Qty};
use rust_decimal::Decimal;

use super::json::Object;
use super::place::{Floor, Reason};
use super::refusal::Refusal;
use super::terms::{Exit, ExitIn, Exits, OrderIn, Terms, places};

impl Floor<'_> {
    /// What is wrong with an order before it is one.
    pub(super) fn check(&self, terms: &Terms, replaced: Option<u64>) -> Result<(), Reason> {
        let page = self.page();
        let instrument = page.instrument(&terms.instrument).ok_or("INSTRUMENT_UNKNOWN")?;
        let is_exit = terms.is_exit();
        let prices = [terms.price, terms.bound];
        if prices.into_iter().flatten().any(|price| !fits(price, instrument)) {
            return Err("PRICE_PRECISION_EXCEEDED");
        }
        if terms.distance.is_some_and(|distance| !fits(distance, instrument)) {
            return Err("PRICE_DISTANCE_PRECISION_EXCEEDED");
        }
        if !is_exit {
            let lot = instrument.lot.unwrap_or(Decimal::ONE);
            let size = terms.units.abs();
            if size.is_zero() {
                return Err("UNITS_INVALID");
            }
            if !(size % lot).is_zero() {
                return Err("UNITS_PRECISION_EXCEEDED");
            }
            if size > Decimal::from(100_000_000) {
                return Err("UNITS_LIMIT_EXCEEDED");
            }
            if size < instrument.min_qty.map_or(lot, Qty::get) {
                return Err("UNITS_MIMIMUM_NOT_MET");
            }
        }
        let needs_price = !matches!(terms.kind.as_str(), "MARKET" | "TRAILING_STOP_LOSS");
        if needs_price && terms.price.is_none_or(|price| price <= Decimal::ZERO) {
            return Err("PRICE_INVALID");
        }
        if terms.kind == "TRAILING_STOP_LOSS" && terms.distance.is_none_or(|distance| distance <= Decimal::ZERO) {
            return Err("PRICE_DISTANCE_INVALID");
        }
        let at_once = matches!(terms.tif.as_str(), "FOK" | "IOC");
        if at_once != (terms.kind == "MARKET") {
            return Err("TIME_IN_FORCE_INVALID");
        }
        match (terms.tif == "GTD", terms.gtd) {
            (true, None) => return Err("TIME_IN_FORCE_GTD_TIMESTAMP_MISSING"),
            (true, Some(at)) if at <= self.now => return Err("TIME_IN_FORCE_GTD_TIMESTAMP_IN_PAST"),
            _ => {}
        }
        if let Some(id) = terms.own_id() {
            let taken = |number: &u64| {
                let card = self.ledger.cards.get(number);
                Some(*number) != replaced && card.is_some_and(|card| card.terms.own_id() == Some(id))
            };
            // A market order never pends, so it has no id to clash with but those of orders that do.
            if self.ledger.pending(self.ledger.last()).iter().any(taken) {
                return Err("CLIENT_ORDER_ID_ALREADY_EXISTS");
            }
        }
        self.check_exits(&terms.exits, instrument)
    }

    fn check_exits(&self, exits: &Exits, instrument: &Instrument) -> Result<(), Reason> {
        let fits = |value: Option<Decimal>| value.is_none_or(|value| fits(value, instrument) && value > Decimal::ZERO);
        if let Some(target) = &exits.target {
            if target.price.is_none() {
                return Err("TAKE_PROFIT_ON_FILL_PRICE_MISSING");
            }
            if !fits(target.price) {
                return Err("TAKE_PROFIT_ON_FILL_PRICE_PRECISION_EXCEEDED");
            }
        }
        for stop in [&exits.stop, &exits.guaranteed].into_iter().flatten() {
            match (stop.price, stop.distance) {
                (Some(_), Some(_)) => return Err("STOP_LOSS_ON_FILL_PRICE_AND_DISTANCE_BOTH_SPECIFIED"),
                (None, None) => return Err("STOP_LOSS_ON_FILL_PRICE_AND_DISTANCE_BOTH_MISSING"),
                _ if !fits(stop.price) || !fits(stop.distance) => {
                    return Err("STOP_LOSS_ON_FILL_PRICE_PRECISION_EXCEEDED");
                }
                _ => {}
            }
        }
        if let Some(trailing) = &exits.trailing {
            if trailing.distance.is_none() {
                return Err("TRAILING_STOP_LOSS_ON_FILL_PRICE_DISTANCE_MISSING");
            }
            if !fits(trailing.distance) {
                return Err("TRAILING_STOP_LOSS_ON_FILL_PRICE_DISTANCE_PRECISION_EXCEEDED");
            }
        }
        Ok(())
    }

    /// The terms of a body. A word that OANDA does not have is no order.
    pub(super) fn terms(&self, order: &OrderIn) -> Result<Terms, Refusal> {
        let needed = |text: &Option<String>, name: &str| text.clone().ok_or_else(|| Refusal::invalid(name));
        let kind = needed(&order.kind, "order.type")?;
        let trade = order.trade_id.as_ref().and_then(|id| id.parse::<u64>().ok());
        let is_exit =
            ["TAKE_PROFIT", "STOP_LOSS", "GUARANTEED_STOP_LOSS", "TRAILING_STOP_LOSS"].contains(&kind.as_str());
        let is_entry = ["MARKET", "LIMIT", "STOP", "MARKET_IF_TOUCHED"].contains(&kind.as_str());
        if !is_exit && !is_entry {
            return Err(Refusal::invalid("order.type"));
        }
        let number = |number: Option<Num>| number.map(|number| number.0);
        let default = if kind == "MARKET" { "FOK" } else { "GTC" };
        let (instrument, units, opened) = match is_exit {
            false => (
                needed(&order.instrument, "order.instrument")?,
                number(order.units).ok_or_else(|| Refusal::invalid("order.units"))?,
                None,
            ),
            true => {
                let open = trade
                    .and_then(|id| self.ledger.trades.get(&id))
                    .filter(|trade| trade.closed_at.is_none());
                let open = open.ok_or_else(|| {
                    Refusal::with(
                        404,
                        Object::new(),
                        Some("TRADE_DOESNT_EXIST"),
                        "The Trade specified does not exist",
                    )
                })?;
                (open.instrument.clone(), -open.current, Some((open.price, open.initial)))
            }
        };
        let distance = number(order.distance);
        let price = number(order.price).or_else(|| {
            // A stop at a distance is one at a price, from the moment on that its trade has one.
            let (price, initial) = opened.filter(|_| kind != "TRAILING_STOP_LOSS")?;
            let direction = if initial > Decimal::ZERO {
                Decimal::ONE
            } else {
                -Decimal::ONE
            };
            Some(price - distance? * direction)
        });
        Ok(Terms {
            instrument,
            units,
            price: price.filter(|_| kind != "MARKET"),
            bound: number(order.price_bound),
            distance,
            tif: word(
                &order.time_in_force,
                default,
                &["GTC", "GTD", "GFD", "FOK", "IOC"],
                "order.timeInForce",
            )?,
            gtd: order.gtd_time,
            position_fill: word(
                &order.position_fill,
                "DEFAULT",
                &["DEFAULT", "OPEN_ONLY", "REDUCE_FIRST", "REDUCE_ONLY"],
                "order.positionFill",
            )?,
            trigger: word(
                &order.trigger_condition,
                "DEFAULT",
                &["DEFAULT", "INVERSE", "BID", "ASK", "MID"],
                "order.triggerCondition",
            )?,
            trade: trade.filter(|_| is_exit),
            client: order.client_extensions.clone(),
            exits: Exits {
                target: exit(&order.take_profit_on_fill)?,
                stop: exit(&order.stop_loss_on_fill)?,
                guaranteed: exit(&order.guaranteed_stop_loss_on_fill)?,
                trailing: exit(&order.trailing_stop_loss_on_fill)?,
            },
            trade_client: order.trade_client_extensions.clone(),
            reason: "CLIENT_ORDER",
            replaces: None,
            with_fill: None,
            closes: None,
            kind,
        })
    }
}

fn word(given: &Option<String>, default: &str, words: &[&str], name: &str) -> Result<String, Refusal> {
    match given.as_deref() {
        None => Ok(default.to_owned()),
        Some(word) if words.contains(&word) => Ok(word.to_owned()),
        Some(_) => Err(Refusal::invalid(name)),
    }
}

fn exit(given: &Option<ExitIn>) -> Result<Option<Exit>, Refusal> {
    let Some(given) = given else { return Ok(None) };
    let number = |number: Option<Num>| number.map(|number| number.0);
    Ok(Some(Exit {
        price: number(given.price),
        distance: number(given.distance),
        tif: word(&given.time_in_force, "GTC", &["GTC", "GTD", "GFD"], "timeInForce")?,
        gtd: given.gtd_time,
        client: given.client_extensions.clone(),
    }))
}

/// Whether a price has no more places than its instrument.
fn fits(price: Decimal, instrument: &Instrument) -> bool {
    price.normalize().scale() <= places(instrument)
}
