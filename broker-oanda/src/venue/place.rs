//! Orders placed, replaced and canceled.

use broker_core::model::{InstrumentRef, Level, PositionLeg, PositionMode, StopExit, TimeInForce, Trail};
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
use super::terms::{BodyJson, Exit, Terms};

/// Where orders are placed.
pub(super) struct Floor<'a> {
    pub(super) engine: &'a mut Engine,
    pub(super) ledger: &'a mut Ledger,
    pub(super) now: DateTime<Utc>,
}

/// Why an order is refused before it is one: the reject's reason.
pub(super) type Reason = &'static str;

impl Floor<'_> {
    pub(super) fn account(&self) -> AccountId {
        self.ledger.account.clone()
    }

    pub(super) fn page(&self) -> Page<'_> {
        Page {
            engine: self.engine,
            ledger: self.ledger,
        }
    }

    pub(super) fn settle(&mut self) {
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
    pub(super) fn exchange(&mut self, old: u64, mut terms: Terms) -> u64 {
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

    pub(super) fn refuse(&mut self, terms: Terms, reason: Reason, key: &str, status: u16) -> Refusal {
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
    pub(super) fn submit(&mut self, terms: Terms) -> u64 {
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

    pub(super) fn done(&self, status: u16, first: u64, made: &[(&str, u64)]) -> WireAnswer {
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

pub(super) fn text(request: &WireRequest) -> Result<&str, Refusal> {
    std::str::from_utf8(&request.body).map_err(|_| Refusal::new(400, "Invalid JSON, ParseErrorCode: 1"))
}

pub(super) fn body<'a, T: Deserialize<'a>>(request: &'a WireRequest) -> Result<T, Refusal> {
    let json = request
        .header("content-type")
        .is_some_and(|kind| kind.starts_with("application/json"));
    if !json {
        return Err(Refusal::new(415, "Content-Type must be application/json"));
    }
    serde_json::from_str(text(request)?).map_err(|error| Refusal::new(400, format!("Invalid JSON, {error}")))
}
