//! Everything that is written: orders placed, replaced and canceled, trades and positions closed, exits set.

use broker_core::model::{InstrumentRef, Level, PositionLeg, PositionMode, StopExit, TimeInForce, Trail};
use broker_core::num::Num;
use broker_core::{AccountId, ClientOrderId, Instrument, OrderRequest, Price, Qty, Side};
use broker_sim::wire::{WireAnswer, WireRequest};
use broker_sim::{Engine, SimReject};
use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use serde::Deserialize;

use super::json::{Object, texts};
use super::ledger::{Ledger, What};
use super::params::Params;
use super::refusal::{Refusal, Reply};
use super::render::Page;
use super::terms::{BodyJson, Exit, ExitIn, Exits, Extensions, OrderIn, Terms, places};

/// Where orders are placed.
pub(super) struct Floor<'a> {
    pub(super) engine: &'a mut Engine,
    pub(super) ledger: &'a mut Ledger,
    pub(super) now: DateTime<Utc>,
}

/// Why an order is refused before it is one: the reject's reason.
type Reason = &'static str;

impl Floor<'_> {
    fn account(&self) -> AccountId {
        self.ledger.account.clone()
    }

    fn page(&self) -> Page<'_> {
        Page {
            engine: self.engine,
            ledger: self.ledger,
        }
    }

    fn settle(&mut self) {
        self.ledger.settle(self.engine);
    }

    /// `POST .../orders`.
    pub(super) fn place(&mut self, request: &WireRequest) -> Reply {
        Params::of(request, &[])?;
        let order = body::<BodyJson>(request)?.order;
        let first = self.ledger.last() + 1;
        let terms = self.terms(&order)?;
        match self.check(&terms, None) {
            Err(reason) => Err(self.refuse(terms, reason, "orderRejectTransaction", 400)),
            Ok(()) => {
                let made = self.submit(terms);
                Ok(self.done(201, first, &[("order", made)]))
            }
        }
    }

    /// `PUT .../orders/{specifier}`: a cancel and a new order, in one batch.
    pub(super) fn replace(&mut self, request: &WireRequest, old: Option<u64>, specifier: &str) -> Reply {
        Params::of(request, &[])?;
        let order = body::<BodyJson>(request)?.order;
        let pending = |id: &u64| self.ledger.cards.get(id).is_some_and(super::ledger::Card::is_pending);
        let Some(old) = old.filter(pending) else {
            return Err(self.no_order(specifier));
        };
        let first = self.ledger.last() + 1;
        let terms = self.terms(&order)?;
        if let Err(reason) = self.check(&terms, Some(old)) {
            return Err(self.refuse(terms, reason, "orderRejectTransaction", 400));
        }
        let made = self.exchange(old, terms);
        let canceled = self.ledger.cards.get(&old).and_then(|card| card.ended);
        Ok(self.answer(201, first, &[("order", made)], canceled, true))
    }

    /// Puts an order in another one's place.
    fn exchange(&mut self, old: u64, mut terms: Terms) -> u64 {
        let account = self.account();
        let engine_id = self.ledger.cards.get(&old).and_then(|card| card.engine.clone());
        let Some(engine_id) = engine_id else { return old };
        self.ledger.because(engine_id.clone(), "CLIENT_REQUEST_REPLACED");
        let canceled = self.engine.cancel(&account, &engine_id, self.now);
        self.settle();
        if canceled.is_err() {
            return old;
        }
        terms.replaces = Some(old);
        terms.reason = "REPLACEMENT";
        let made = self.submit(terms);
        self.ledger.replaced(old, made);
        made
    }

    /// `PUT .../orders/{specifier}/cancel`.
    pub(super) fn cancel(&mut self, request: &WireRequest, id: Option<u64>, specifier: &str) -> Reply {
        Params::of(request, &[])?;
        let card = id
            .and_then(|id| self.ledger.cards.get(&id))
            .filter(|card| card.is_pending());
        let Some(engine_id) = card.and_then(|card| card.engine.clone()) else {
            return Err(self.no_order(specifier));
        };
        let account = self.account();
        let first = self.ledger.last() + 1;
        if self.engine.cancel(&account, &engine_id, self.now).is_err() {
            return Err(self.no_order(specifier));
        }
        self.settle();
        let ended = id.and_then(|id| self.ledger.cards.get(&id)?.ended);
        Ok(self.answer(200, first, &[], ended, true))
    }

    fn no_order(&mut self, specifier: &str) -> Refusal {
        let order = specifier.trim_start_matches('@').to_owned();
        let reason = "ORDER_DOESNT_EXIST";
        let id = self.ledger.push(self.now, None, What::CancelRefused { order, reason });
        let row = self.page().transaction(id).unwrap_or_default();
        let head = Object::new().raw("orderCancelRejectTransaction", &row);
        let head = head
            .raw("relatedTransactionIDs", &texts([id]))
            .id("lastTransactionID", id);
        Refusal::with(404, head, Some(reason), "The Order specified does not exist")
    }

    fn refuse(&mut self, terms: Terms, reason: Reason, key: &str, status: u16) -> Refusal {
        let what = What::Refused {
            terms: Box::new(terms),
            reason: reason.to_owned(),
        };
        let id = self.ledger.push(self.now, None, what);
        let row = self.page().transaction(id).unwrap_or_default();
        let head = Object::new().raw(key, &row).raw("relatedTransactionIDs", &texts([id]));
        let words = format!("The order was rejected: {}", reason.to_lowercase().replace('_', " "));
        Refusal::with(status, head.id("lastTransactionID", id), Some(reason), words)
    }

    /// Hands an order to the engine. What the engine refuses was taken and is canceled at once, as OANDA does it.
    fn submit(&mut self, terms: Terms) -> u64 {
        let account = self.account();
        let mut terms = terms;
        if let Some(reason) = self.refused_at_once(&terms) {
            return self.ledger.phantom(self.now, terms, reason);
        }
        let lot = terms
            .trade
            .and_then(|trade| self.ledger.trades.get(&trade))
            .map(|trade| trade.lot.clone());
        let request = self.request(&mut terms);
        let own = terms.own_id().map(ClientOrderId::from);
        let placed = match (&lot, request) {
            (_, None) => Err(SimReject::UnknownPosition),
            (Some(lot), Some(request)) => self.engine.place_on_lot(&account, lot, &request, own, self.now),
            (None, Some(request)) => self.engine.place(&account, &request, own, self.now),
        };
        match placed {
            Ok(order) => {
                self.ledger.ask(order.id.clone(), terms);
                self.settle();
                self.ledger.number_of(&order.id).unwrap_or_default()
            }
            Err(reject) => self.ledger.phantom(self.now, terms, cancel_reason(&reject)),
        }
    }

    /// What a market order meets before the engine: a closed market, its bound, and no more than is offered.
    fn refused_at_once(&self, terms: &Terms) -> Option<Reason> {
        if terms.kind != "MARKET" {
            return None;
        }
        let page = self.page();
        let Some(instrument) = page.instrument(&terms.instrument) else {
            return Some("MARKET_HALTED");
        };
        let open = self
            .engine
            .calendar(&instrument.id)
            .is_some_and(|hours| hours.is_open(self.now, false));
        let buys = terms.units > Decimal::ZERO;
        let offered = self.engine.quote(&instrument.id).and_then(|quote| match buys {
            true => quote.ask.zip(quote.ask_size),
            false => quote.bid.zip(quote.bid_size),
        });
        let Some((price, size)) = offered.filter(|_| open) else {
            return Some("MARKET_HALTED");
        };
        let worse = |bound: Decimal| if buys { price.get() > bound } else { price.get() < bound };
        let short = terms.units.abs() > size.get() && (terms.tif == "FOK" || size.is_zero());
        // Margin is looked at first, by the engine.
        let short = short && self.can_pay(instrument, terms.units.abs() * price.get());
        match terms.bound.is_some_and(worse) {
            true => Some("BOUNDS_VIOLATION"),
            false => short.then_some("INSUFFICIENT_LIQUIDITY"),
        }
    }

    fn can_pay(&self, instrument: &Instrument, value: Decimal) -> bool {
        let rate = instrument
            .margin
            .as_ref()
            .and_then(|margin| margin.long_rate)
            .unwrap_or_default();
        let home = self.engine.conversion(&self.ledger.account, &instrument.id);
        let needed = value * rate * home.map_or(Decimal::ONE, |both| both.loss);
        let free = self
            .engine
            .balances(&self.ledger.account)
            .ok()
            .and_then(|balances| balances.margin_available);
        free.is_none_or(|free| free.amount >= needed)
    }

    /// The engine's request. Where a market order asks for exits, the engine has it as one that may rest; it does not.
    fn request(&self, terms: &mut Terms) -> Option<OrderRequest> {
        let page = self.page();
        let instrument = page.instrument(&terms.instrument)?;
        let (side, mut qty) = Qty::from_signed(terms.units);
        if terms.kind == "MARKET" && terms.tif == "IOC" {
            let quote = self.engine.quote(&instrument.id)?;
            let size = if side == Side::Buy {
                quote.ask_size
            } else {
                quote.bid_size
            };
            qty = qty.min(size.unwrap_or(qty));
        }
        let symbol = instrument.symbol.clone();
        let price = terms.price.map(Price::new);
        let mut request = match terms.kind.as_str() {
            "MARKET" => OrderRequest::market(symbol, side, qty),
            "LIMIT" | "TAKE_PROFIT" => OrderRequest::limit(symbol, side, qty, price?),
            "STOP" | "STOP_LOSS" | "GUARANTEED_STOP_LOSS" => OrderRequest::stop(symbol, side, qty, price?),
            "MARKET_IF_TOUCHED" => OrderRequest::market_if_touched(symbol, side, qty, price?),
            "TRAILING_STOP_LOSS" => OrderRequest::trailing_stop(symbol, side, qty, Trail::Amount(terms.distance?)),
            _ => return None,
        };
        request.instrument = InstrumentRef::Id(instrument.id.clone());
        request.reduce_only = terms.position_fill == "REDUCE_ONLY" || terms.trade.is_some();
        request.leg = self.leg(terms, side);
        let level = |exit: &Exit| match (exit.price, exit.distance) {
            (Some(price), _) => Some(Level::Price(Price::new(price))),
            (None, distance) => Some(Level::Distance(Qty::new(distance?).ok()?)),
        };
        let stop = terms.exits.stop.as_ref().or(terms.exits.guaranteed.as_ref());
        request.target = terms.exits.target.as_ref().and_then(level);
        request.stop = match (stop.and_then(level), &terms.exits.trailing) {
            (Some(stop), _) => Some(StopExit::Stop { stop, limit: None }),
            (None, Some(trailing)) => Some(StopExit::Trailing(Trail::Amount(trailing.distance?))),
            (None, None) => None,
        };
        request.time_in_force = Some(match terms.tif.as_str() {
            "FOK" | "IOC" if !terms.exits.is_empty() => TimeInForce::Gtc,
            "FOK" => TimeInForce::Fok,
            "IOC" => TimeInForce::Ioc,
            "GFD" => TimeInForce::Day,
            "GTD" => TimeInForce::Gtd,
            _ => TimeInForce::Gtc,
        });
        request.expires_at = terms.gtd;
        Some(request)
    }

    /// The leg of a hedging account that an order is for.
    fn leg(&self, terms: &Terms, side: Side) -> PositionLeg {
        let account = self.engine.account(&self.ledger.account);
        let hedges = account.is_ok_and(|account| account.spec().mode == PositionMode::Hedging);
        let reduces = terms.position_fill == "REDUCE_ONLY" || terms.trade.is_some();
        match (hedges, (side == Side::Buy) != reduces) {
            (false, _) => PositionLeg::Net,
            (true, true) => PositionLeg::Long,
            (true, false) => PositionLeg::Short,
        }
    }

    /// What is wrong with an order before it is one.
    fn check(&self, terms: &Terms, replaced: Option<u64>) -> Result<(), Reason> {
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
    fn terms(&self, order: &OrderIn) -> Result<Terms, Refusal> {
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

    /// `PUT .../trades/{specifier}/close`.
    pub(super) fn close_trade(&mut self, request: &WireRequest, specifier: &str) -> Reply {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct CloseIn {
            units: Option<String>,
        }
        Params::of(request, &[])?;
        let wanted = body::<CloseIn>(request)?.units.unwrap_or_else(|| "ALL".to_owned());
        let id = specifier.parse::<u64>().unwrap_or_default();
        let trade = self
            .ledger
            .trades
            .get(&id)
            .filter(|trade| trade.closed_at.is_none())
            .cloned();
        let name = trade
            .as_ref()
            .map_or_else(String::new, |trade| trade.instrument.clone());
        let current = trade.as_ref().map_or(Decimal::ZERO, |trade| trade.current);
        let units = amount(&wanted, current.abs());
        let closes = Object::new().text("tradeID", specifier).text("units", &wanted).end();
        let direction = if current > Decimal::ZERO {
            -Decimal::ONE
        } else {
            Decimal::ONE
        };
        let terms = Terms {
            trade: Some(id),
            closes: Some(("tradeClose", closes)),
            reason: "TRADE_CLOSE",
            ..market(&name, direction * units.unwrap_or_default())
        };
        let first = self.ledger.last() + 1;
        match (trade, units) {
            (None, _) => Err(self.refuse(terms, "TRADE_DOESNT_EXIST", "orderRejectTransaction", 404)),
            (Some(_), None) => Err(self.refuse(
                terms,
                "CLOSE_TRADE_UNITS_EXCEED_TRADE_SIZE",
                "orderRejectTransaction",
                400,
            )),
            (Some(_), Some(_)) => {
                let made = self.submit(terms);
                Ok(self.done(200, first, &[("order", made)]))
            }
        }
    }

    /// `PUT .../positions/{instrument}/close`.
    pub(super) fn close_position(&mut self, request: &WireRequest, name: &str) -> Reply {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase", deny_unknown_fields)]
        struct CloseIn {
            long_units: Option<String>,
            short_units: Option<String>,
        }
        Params::of(request, &[])?;
        let wanted: CloseIn = body(request)?;
        let first = self.ledger.last() + 1;
        let mut made = Vec::new();
        for (long, key, units) in [
            (true, "long", &wanted.long_units),
            (false, "short", &wanted.short_units),
        ] {
            let Some(units) = units.as_ref().filter(|units| *units != "NONE") else {
                continue;
            };
            let open = self.ledger.trades.values();
            let open = open.filter(|trade| trade.instrument == name && trade.closed_at.is_none());
            let held: Decimal = open
                .map(|trade| trade.current)
                .filter(|units| (*units > Decimal::ZERO) == long)
                .sum();
            let size = amount(units, held.abs()).filter(|_| !held.is_zero());
            let direction = if long { -Decimal::ONE } else { Decimal::ONE };
            let closes = Object::new().text("instrument", name).text("units", units).end();
            let terms = Terms {
                position_fill: "REDUCE_ONLY".to_owned(),
                closes: Some((
                    if long {
                        "longPositionCloseout"
                    } else {
                        "shortPositionCloseout"
                    },
                    closes,
                )),
                reason: "POSITION_CLOSEOUT",
                ..market(name, direction * size.unwrap_or_default())
            };
            if size.is_none() {
                let reason = match held.is_zero() {
                    true => "CLOSEOUT_POSITION_DOESNT_EXIST",
                    false => "CLOSEOUT_POSITION_UNITS_EXCEED_POSITION_SIZE",
                };
                return Err(self.refuse(terms, reason, &format!("{key}OrderRejectTransaction"), 400));
            }
            made.push((key, self.submit(terms)));
        }
        let made: Vec<_> = made
            .iter()
            .map(|(key, id)| (if *key == "long" { "longOrder" } else { "shortOrder" }, *id))
            .collect();
        match made.is_empty() {
            true => Err(Refusal::invalid("longUnits")),
            false => Ok(self.done(200, first, &made)),
        }
    }

    /// `PUT .../trades/{specifier}/orders`: what is left out stays, what is null is canceled.
    pub(super) fn set_exits(&mut self, request: &WireRequest, specifier: &str) -> Reply {
        Params::of(request, &[])?;
        let text = text(request)?;
        let body: std::collections::BTreeMap<String, Option<ExitIn>> =
            serde_json::from_str(text).map_err(|_| Refusal::new(400, "Invalid JSON, ParseErrorCode: 3"))?;
        let keys = [
            ("takeProfit", "TAKE_PROFIT", "takeProfitOrder"),
            ("stopLoss", "STOP_LOSS", "stopLossOrder"),
            ("guaranteedStopLoss", "GUARANTEED_STOP_LOSS", "guaranteedStopLossOrder"),
            ("trailingStopLoss", "TRAILING_STOP_LOSS", "trailingStopLossOrder"),
        ];
        if let Some(unknown) = body.keys().find(|key| !keys.iter().any(|(known, _, _)| known == key)) {
            return Err(Refusal::invalid(unknown));
        }
        let id = specifier.parse::<u64>().unwrap_or_default();
        if self
            .ledger
            .trades
            .get(&id)
            .is_none_or(|trade| trade.closed_at.is_some())
        {
            let words = "The Trade specified does not exist";
            return Err(Refusal::with(404, Object::new(), Some("NO_SUCH_TRADE"), words));
        }
        let first = self.ledger.last() + 1;
        let mut out = Object::new();
        for (key, kind, prefix) in keys {
            let Some(asked) = body.get(key) else { continue };
            let old = self.ledger.pending(self.ledger.last()).into_iter().find(|number| {
                let card = self.ledger.cards.get(number);
                card.is_some_and(|card| card.terms.trade == Some(id) && card.terms.kind == kind)
            });
            let Some(asked) = asked else {
                if let Some(ended) = old.and_then(|old| self.cancel_card(old)) {
                    let row = self.page().transaction(ended).unwrap_or_default();
                    out = out.raw(&format!("{prefix}CancelTransaction"), &row);
                }
                continue;
            };
            let order = OrderIn {
                kind: Some(kind.to_owned()),
                trade_id: Some(specifier.to_owned()),
                price: asked.price,
                distance: asked.distance,
                time_in_force: asked.time_in_force.clone(),
                gtd_time: asked.gtd_time,
                client_extensions: asked.client_extensions.clone(),
                ..OrderIn::default()
            };
            let terms = self.terms(&order)?;
            if let Err(reason) = self.check(&terms, old) {
                return Err(self.refuse(terms, reason, &format!("{prefix}RejectTransaction"), 400));
            }
            let made = match old {
                Some(old) => {
                    let made = self.exchange(old, terms);
                    let ended = self.ledger.cards.get(&old).and_then(|card| card.ended);
                    let row = ended
                        .and_then(|ended| self.page().transaction(ended))
                        .unwrap_or_default();
                    out = out.raw(&format!("{prefix}CancelTransaction"), &row);
                    made
                }
                None => self.submit(terms),
            };
            let page = self.page();
            out = out.raw(
                &format!("{prefix}Transaction"),
                &page.transaction(made).unwrap_or_default(),
            );
            if let Some(card) = self.ledger.cards.get(&made) {
                let row = |id: Option<u64>| id.and_then(|id| page.transaction(id));
                out = out.maybe_raw(&format!("{prefix}FillTransaction"), row(card.filled));
                out = out.maybe_raw(&format!("{prefix}CreatedCancelTransaction"), row(card.ended));
            }
        }
        let last = self.ledger.last();
        let out = out
            .raw("relatedTransactionIDs", &texts(first..=last))
            .id("lastTransactionID", last);
        Ok(WireAnswer::json(200, out.end()))
    }

    fn cancel_card(&mut self, id: u64) -> Option<u64> {
        let account = self.account();
        let engine_id = self.ledger.cards.get(&id)?.engine.clone()?;
        self.engine.cancel(&account, &engine_id, self.now).ok()?;
        self.settle();
        self.ledger.cards.get(&id)?.ended
    }

    fn done(&self, status: u16, first: u64, made: &[(&str, u64)]) -> WireAnswer {
        self.answer(status, first, made, None, false)
    }

    /// The transactions that a request made. Of a replacement, the cancel is that of the order whose place it took.
    fn answer(
        &self,
        status: u16,
        first: u64,
        made: &[(&str, u64)],
        canceled: Option<u64>,
        replaces: bool,
    ) -> WireAnswer {
        let page = self.page();
        let mut out = Object::new();
        let row = |id: Option<u64>| id.and_then(|id| page.transaction(id));
        out = out.maybe_raw("orderCancelTransaction", row(canceled));
        for (prefix, id) in made {
            let card = self.ledger.cards.get(id);
            out = out.maybe_raw(&format!("{prefix}CreateTransaction"), row(Some(*id)));
            out = out.maybe_raw(
                &format!("{prefix}FillTransaction"),
                row(card.and_then(|card| card.filled)),
            );
            let key = match replaces {
                true => "replacingOrderCancelTransaction".to_owned(),
                false => format!("{prefix}CancelTransaction"),
            };
            out = out.maybe_raw(&key, row(card.and_then(|card| card.ended)));
        }
        let last = self.ledger.last();
        let out = out
            .raw("relatedTransactionIDs", &texts(first..=last))
            .id("lastTransactionID", last);
        WireAnswer::json(status, out.end())
    }
}

/// A market order that closes something.
fn market(name: &str, units: Decimal) -> Terms {
    Terms {
        kind: "MARKET".to_owned(),
        instrument: name.to_owned(),
        units,
        price: None,
        bound: None,
        distance: None,
        tif: "FOK".to_owned(),
        gtd: None,
        position_fill: "DEFAULT".to_owned(),
        trigger: "DEFAULT".to_owned(),
        trade: None,
        client: None::<Extensions>,
        exits: Exits::default(),
        trade_client: None,
        reason: "CLIENT_ORDER",
        replaces: None,
        with_fill: None,
        closes: None,
    }
}

/// `ALL`, or a positive number that is not more than there is.
fn amount(text: &str, most: Decimal) -> Option<Decimal> {
    if text == "ALL" {
        return Some(most);
    }
    let number = broker_core::num::decimal(text).ok()?;
    (number > Decimal::ZERO && number <= most).then_some(number)
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

fn cancel_reason(reject: &SimReject) -> Reason {
    match reject {
        SimReject::InsufficientFunds { .. } => "INSUFFICIENT_MARGIN",
        SimReject::AccountBlocked => "ACCOUNT_LOCKED",
        SimReject::MarketClosed { .. } | SimReject::NotTradable { .. } | SimReject::NoQuote { .. } => "MARKET_HALTED",
        SimReject::ExitLevels { .. } => "STOP_LOSS_ON_FILL_LOSS",
        SimReject::NothingToReduce | SimReject::UnknownPosition => "POSITION_CLOSEOUT_FAILED",
        SimReject::InsufficientQty { .. } => "POSITION_SIZE_EXCEEDED",
        _ => "INTERNAL_SERVER_ERROR",
    }
}

fn text(request: &WireRequest) -> Result<&str, Refusal> {
    std::str::from_utf8(&request.body).map_err(|_| Refusal::new(400, "Invalid JSON, ParseErrorCode: 1"))
}

fn body<'a, T: Deserialize<'a>>(request: &'a WireRequest) -> Result<T, Refusal> {
    let json = request
        .header("content-type")
        .is_some_and(|kind| kind.starts_with("application/json"));
    if !json {
        return Err(Refusal::new(415, "Content-Type must be application/json"));
    }
    serde_json::from_str(text(request)?).map_err(|error| Refusal::new(400, format!("Invalid JSON, {error}")))
}
