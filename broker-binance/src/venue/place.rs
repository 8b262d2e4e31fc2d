//! Placing, canceling and changing orders.

use broker_core::model::{Level, OrderChange, OrderKind, StopExit, Trail};
use broker_core::{
    ClientOrderId, Instrument, InstrumentId, OrderId, OrderRequest, Price, Qty, Side, Symbol, TimeInForce,
};
use broker_sim::SimOrder;
use broker_sim::wire::WireRequest;
use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::BinanceVenue;
use super::params::{Params, Refusal, Reply};
use super::shapes::{self, millis};

const TYPES: [&str; 7] = [
    "LIMIT",
    "MARKET",
    "STOP_LOSS",
    "STOP_LOSS_LIMIT",
    "TAKE_PROFIT",
    "TAKE_PROFIT_LIMIT",
    "LIMIT_MAKER",
];
const PLACE: [&str; 14] = [
    "symbol",
    "side",
    "type",
    "timeInForce",
    "quantity",
    "quoteOrderQty",
    "price",
    "newClientOrderId",
    "stopPrice",
    "trailingDelta",
    "icebergQty",
    "newOrderRespType",
    "selfTradePreventionMode",
    "strategyId",
];

/// One order's own parameters, whatever they are called in a list.
struct Leg<'a> {
    params: &'a Params<'a>,
    prefix: &'static str,
}

impl<'a> Leg<'a> {
    /// `price` is `abovePrice` in a list.
    fn name(&self, name: &str) -> String {
        if self.prefix.is_empty() {
            return name.to_owned();
        }
        let mut letters = name.chars();
        let first = letters.next().map(|c| c.to_ascii_uppercase()).into_iter();
        self.prefix.chars().chain(first).chain(letters).collect()
    }

    fn decimal(&self, name: &str) -> Result<Option<Decimal>, Refusal> {
        self.params.decimal(&self.name(name))
    }

    fn needed(&self, name: &str) -> Result<Decimal, Refusal> {
        self.decimal(name)?.ok_or_else(|| Refusal::missing(&self.name(name)))
    }

    fn kind(&self) -> Result<&'static str, Refusal> {
        let name = self.name("type");
        self.params.needed(&name)?;
        let found = TYPES.iter().find(|kind| Some(**kind) == self.params.get(&name));
        found.copied().ok_or_else(|| Refusal::new(-1116, "Invalid orderType."))
    }

    fn time_in_force(&self) -> Result<Option<TimeInForce>, Refusal> {
        Ok(match self.params.get(&self.name("timeInForce")) {
            None => None,
            Some("GTC") => Some(TimeInForce::Gtc),
            Some("IOC") => Some(TimeInForce::Ioc),
            Some("FOK") => Some(TimeInForce::Fok),
            Some(_) => return Err(Refusal::new(-1115, "Invalid timeInForce.")),
        })
    }

    /// A stop's price, or how far it trails.
    fn trigger(&self) -> Result<(Option<Price>, Option<Trail>), Refusal> {
        let stop = self.decimal("stopPrice")?.map(Price::new);
        let trail = self.params.number(&self.name("trailingDelta"))?;
        let trail = trail.map(|units| Trail::Percent(Decimal::from(units) / Decimal::ONE_HUNDRED));
        match (stop, trail) {
            (None, None) => Err(Refusal::new(
                -1102,
                format!(
                    "Param '{}' or '{}' must be sent, but both were empty/null!",
                    self.name("stopPrice"),
                    self.name("trailingDelta")
                ),
            )),
            (Some(_), Some(_)) => Err(Refusal::new(-1128, "Combination of optional parameters invalid.")),
            found => Ok(found),
        }
    }

    fn must_not_have(&self, names: &[&str]) -> Result<(), Refusal> {
        let sent = names
            .iter()
            .map(|name| self.name(name))
            .find(|name| self.params.has(name));
        sent.map_or(Ok(()), |name| Err(Refusal::not_needed(&name)))
    }

    fn exit(&self) -> Result<StopExit, Refusal> {
        let kind = self.kind()?;
        let (stop, trail) = self.trigger()?;
        let limit = match kind {
            "STOP_LOSS" => {
                self.must_not_have(&["price", "timeInForce"])?;
                None
            }
            "STOP_LOSS_LIMIT" => {
                if self.time_in_force()?.is_none() {
                    return Err(Refusal::missing(&self.name("timeInForce")));
                }
                Some(Level::Price(Price::new(self.needed("price")?)))
            }
            _ => return Err(Refusal::new(-1165, format!("Invalid {}.", self.name("type")))),
        };
        match (stop, trail) {
            (Some(stop), _) => Ok(StopExit::Stop {
                stop: Level::Price(stop),
                limit,
            }),
            (None, Some(trail)) if limit.is_none() => Ok(StopExit::Trailing(trail)),
            _ => Err(Refusal::new(
                -1013,
                "Trailing stop limits are not served by this venue.",
            )),
        }
    }
}

impl BinanceVenue {
    fn client_id(&self, params: &Params<'_>, name: &str) -> Result<Option<ClientOrderId>, Refusal> {
        let Some(id) = params.get(name) else { return Ok(None) };
        let good = id.len() <= 36 && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        match good {
            true => Ok(Some(ClientOrderId::from(id))),
            false => Err(Refusal::new(
                -1100,
                format!("Illegal characters found in parameter '{name}'; legal range is '^[a-zA-Z0-9-_]{{1,36}}$'."),
            )),
        }
    }

    fn instrument_of(&self, params: &Params<'_>) -> Result<Instrument, Refusal> {
        self.named(params.needed("symbol")?).cloned()
    }

    fn side_of(params: &Params<'_>, name: &str) -> Result<Side, Refusal> {
        match params.needed(name)? {
            "BUY" => Ok(Side::Buy),
            "SELL" => Ok(Side::Sell),
            _ => Err(Refusal::new(-1117, "Invalid side.")),
        }
    }

    pub(super) fn place(&mut self, request: &WireRequest, now: DateTime<Utc>) -> Reply {
        let params = Params::of(request, &PLACE)?;
        let (order, makes) = self.read_order(&params)?;
        let id = self.submit(&order, makes, now)?;
        let placed = self.engine.order(&self.account, &id)?;
        Ok(self.placed_shape(placed, params.get("newOrderRespType")).to_string())
    }

    fn placed_shape(&self, order: &SimOrder, form: Option<&str>) -> Value {
        let id = &order.order().id;
        let makes = self.makes(id);
        let mut shape = shapes::placed(order, &self.symbol_of(order), &self.books, makes);
        let kind = shapes::kind(order.order(), makes);
        let form = form.unwrap_or(if matches!(kind, "LIMIT" | "MARKET") {
            "FULL"
        } else {
            "ACK"
        });
        if let Value::Object(map) = &mut shape {
            match form {
                "FULL" => {}
                "RESULT" => {
                    map.remove("fills");
                }
                _ => map.retain(|name, _| {
                    ["symbol", "orderId", "orderListId", "clientOrderId", "transactTime"].contains(&name.as_str())
                }),
            }
        }
        shape
    }

    fn submit(&mut self, order: &OrderRequest, makes: bool, now: DateTime<Utc>) -> Result<OrderId, Refusal> {
        let placed = self.engine.place(&self.account, order, None, now)?;
        if makes {
            self.makers.insert(placed.id.clone(), ());
        }
        self.books.read(&self.engine, &self.account);
        Ok(placed.id)
    }

    /// A single order, and whether it only makes.
    fn read_order(&self, params: &Params<'_>) -> Result<(OrderRequest, bool), Refusal> {
        let instrument = self.instrument_of(params)?;
        let side = Self::side_of(params, "side")?;
        let leg = Leg { params, prefix: "" };
        let kind = leg.kind()?;
        let tif = leg.time_in_force()?;
        let at_limit = matches!(kind, "LIMIT" | "STOP_LOSS_LIMIT" | "TAKE_PROFIT_LIMIT");
        match (at_limit, &tif) {
            (true, None) => return Err(Refusal::missing("timeInForce")),
            (false, Some(_)) => return Err(Refusal::not_needed("timeInForce")),
            _ => {}
        }
        if !at_limit && kind != "LIMIT_MAKER" {
            leg.must_not_have(&["price", "icebergQty"])?;
        }
        if matches!(kind, "LIMIT" | "LIMIT_MAKER" | "MARKET") {
            leg.must_not_have(&["stopPrice", "trailingDelta"])?;
        }
        let money = params.decimal("quoteOrderQty")?;
        let qty = match (params.decimal("quantity")?, money) {
            (Some(_), Some(_)) => return Err(Refusal::combination()),
            (None, Some(_)) if kind != "MARKET" => return Err(Refusal::not_needed("quoteOrderQty")),
            (None, None) => return Err(Refusal::missing("quantity")),
            (qty, _) => quantity(qty.unwrap_or(Decimal::ONE))?,
        };
        let symbol = instrument.symbol.clone();
        let price = |name| leg.needed(name).map(Price::new);
        let mut order = match kind {
            "MARKET" => OrderRequest::market(symbol, side, qty),
            "LIMIT" | "LIMIT_MAKER" => OrderRequest::limit(symbol, side, qty, price("price")?),
            _ => self.triggered(&leg, kind, symbol, side, qty, &instrument)?,
        };
        if let Some(money) = money {
            order = order.with_notional(quantity(money)?, None);
        }
        let makes = kind == "LIMIT_MAKER";
        if makes {
            self.must_rest(&instrument, side, price("price")?)?;
        }
        order = order.with_instrument(instrument.id.clone());
        order = order.with_time_in_force(tif.unwrap_or(TimeInForce::Gtc));
        if kind == "MARKET" {
            order = order.with_time_in_force(TimeInForce::Ioc);
        }
        match self.client_id(params, "newClientOrderId")? {
            Some(id) => Ok((order.with_client_id(id), makes)),
            None => Ok((order, makes)),
        }
    }

    fn triggered(
        &self,
        leg: &Leg<'_>,
        kind: &str,
        symbol: Symbol,
        side: Side,
        qty: Qty,
        instrument: &Instrument,
    ) -> Result<OrderRequest, Refusal> {
        let limit = leg.decimal("price")?.map(Price::new);
        let (stop, trail) = leg.trigger()?;
        let takes = kind.starts_with("TAKE_PROFIT");
        if let Some(stop) = stop {
            self.must_wait(instrument, side, stop, takes)?;
        }
        Ok(match (stop, trail, kind, limit) {
            (Some(stop), _, "STOP_LOSS", _) => OrderRequest::stop(symbol, side, qty, stop),
            (Some(stop), _, "STOP_LOSS_LIMIT", Some(limit)) => OrderRequest::stop_limit(symbol, side, qty, stop, limit),
            (Some(stop), _, "TAKE_PROFIT", _) => OrderRequest::market_if_touched(symbol, side, qty, stop),
            (Some(stop), _, "TAKE_PROFIT_LIMIT", Some(limit)) => {
                OrderRequest::limit_if_touched(symbol, side, qty, stop, limit)
            }
            (None, Some(trail), "STOP_LOSS", _) => OrderRequest::trailing_stop(symbol, side, qty, trail),
            (Some(_), _, _, None) => return Err(Refusal::missing("price")),
            _ => return Err(Refusal::new(-1013, "This trailing order is not served by this venue.")),
        })
    }

    /// An order that only makes is refused where it would take.
    fn must_rest(&self, instrument: &Instrument, side: Side, limit: Price) -> Result<(), Refusal> {
        let quote = self.engine.quote(&instrument.id);
        let takes = quote.is_some_and(|quote| match side {
            Side::Buy => quote.ask.is_some_and(|ask| limit >= ask),
            Side::Sell => quote.bid.is_some_and(|bid| limit <= bid),
        });
        match takes {
            true => Err(Refusal::new(-2010, "Order would immediately match and take.")),
            false => Ok(()),
        }
    }

    /// A stop that is reached already is refused.
    fn must_wait(&self, instrument: &Instrument, side: Side, stop: Price, takes: bool) -> Result<(), Refusal> {
        let Some(mark) = self.engine.mark(&instrument.id) else {
            return Ok(());
        };
        let above = (side == Side::Buy) != takes;
        let reached = if above { mark >= stop } else { mark <= stop };
        match reached {
            true => Err(Refusal::new(-2010, "Stop price would trigger immediately.")),
            false => Ok(()),
        }
    }

    /// Two exits that cancel each other: the one at a limit is the engine's target, and carries our id.
    pub(super) fn place_oco(&mut self, request: &WireRequest, now: DateTime<Utc>) -> Reply {
        const KNOWN: [&str; 17] = [
            "symbol",
            "side",
            "quantity",
            "newOrderRespType",
            "listClientOrderId",
            "aboveType",
            "aboveClientOrderId",
            "abovePrice",
            "aboveStopPrice",
            "aboveTrailingDelta",
            "aboveTimeInForce",
            "belowType",
            "belowClientOrderId",
            "belowPrice",
            "belowStopPrice",
            "belowTrailingDelta",
            "belowTimeInForce",
        ];
        let params = Params::of(request, &KNOWN)?;
        let instrument = self.instrument_of(&params)?;
        let side = Self::side_of(&params, "side")?;
        let qty = quantity(
            params
                .decimal("quantity")?
                .ok_or_else(|| Refusal::missing("quantity"))?,
        )?;
        let (target, stop) = Self::exits(&params, side, ["above", "below"])?;
        let target_price = Price::new(target.needed("price")?);
        self.must_rest(&instrument, side, target_price)?;
        let exit = stop.exit()?;
        let mut order = OrderRequest::oco(instrument.symbol.clone(), side, qty, target_price, exit)
            .with_instrument(instrument.id.clone())
            .with_time_in_force(TimeInForce::Gtc);
        if let Some(id) = self.client_id(&params, &target.name("clientOrderId"))? {
            order = order.with_client_id(id);
        }
        let other = self.client_id(&params, &stop.name("clientOrderId"))?;
        let id = self.submit(&order, true, now)?;
        self.name_exits(&id, &[other]);
        self.list_reply(&id, params.get("newOrderRespType"))
    }

    /// Of two exits the one at a limit and the protecting one: a sale's profit is above, a purchase's below.
    fn exits<'a>(params: &'a Params<'a>, side: Side, names: [&'static str; 2]) -> Result<(Leg<'a>, Leg<'a>), Refusal> {
        let [above, below] = names.map(|prefix| Leg { params, prefix });
        let (target, stop) = match side {
            Side::Sell => (above, below),
            Side::Buy => (below, above),
        };
        if target.kind()? != "LIMIT_MAKER" {
            return Err(Refusal::new(-1165, format!("Invalid {}.", target.name("type"))));
        }
        target.must_not_have(&["stopPrice", "trailingDelta", "timeInForce"])?;
        Ok((target, stop))
    }

    /// An order that works, and one or two that wait until all of it is filled.
    pub(super) fn place_with_exits(&mut self, request: &WireRequest, now: DateTime<Utc>, two: bool) -> Reply {
        let mut known = vec![
            "symbol",
            "newOrderRespType",
            "listClientOrderId",
            "workingType",
            "workingSide",
            "workingClientOrderId",
            "workingPrice",
            "workingQuantity",
            "workingTimeInForce",
            "pendingSide",
            "pendingQuantity",
        ];
        known.extend(if two {
            &[
                "pendingAboveType",
                "pendingAboveClientOrderId",
                "pendingAbovePrice",
                "pendingAboveStopPrice",
                "pendingAboveTrailingDelta",
                "pendingAboveTimeInForce",
                "pendingBelowType",
                "pendingBelowClientOrderId",
                "pendingBelowPrice",
                "pendingBelowStopPrice",
                "pendingBelowTrailingDelta",
                "pendingBelowTimeInForce",
            ][..]
        } else {
            &[
                "pendingType",
                "pendingClientOrderId",
                "pendingPrice",
                "pendingStopPrice",
                "pendingTrailingDelta",
                "pendingTimeInForce",
            ][..]
        });
        let params = Params::of(request, &known)?;
        let instrument = self.instrument_of(&params)?;
        let working = Leg {
            params: &params,
            prefix: "working",
        };
        let kind = working.kind()?;
        if !matches!(kind, "LIMIT" | "LIMIT_MAKER") {
            return Err(Refusal::new(-1164, "Invalid workingType."));
        }
        let side = Self::side_of(&params, "workingSide")?;
        let qty = quantity(working.needed("quantity")?)?;
        let pending = params
            .decimal("pendingQuantity")?
            .ok_or_else(|| Refusal::missing("pendingQuantity"))?;
        let closing = Self::side_of(&params, "pendingSide")?;
        if pending != qty.get() || closing == side {
            return Err(Refusal::new(
                -1013,
                "Exits of another size or side are not served by this venue.",
            ));
        }
        let price = Price::new(working.needed("price")?);
        let makes = kind == "LIMIT_MAKER";
        let tif = match (makes, working.time_in_force()?) {
            (true, Some(_)) => return Err(Refusal::not_needed("workingTimeInForce")),
            (true, None) => TimeInForce::Gtc,
            (false, Some(tif)) => tif,
            (false, None) => return Err(Refusal::missing("workingTimeInForce")),
        };
        if makes {
            self.must_rest(&instrument, side, price)?;
        }
        let mut order = OrderRequest::limit(instrument.symbol.clone(), side, qty, price)
            .with_instrument(instrument.id.clone())
            .with_time_in_force(tif);
        let mut ids = Vec::new();
        if two {
            let (target, stop) = Self::exits(&params, closing, ["pendingAbove", "pendingBelow"])?;
            order = order
                .with_target(Level::Price(Price::new(target.needed("price")?)))
                .with_stop(stop.exit()?);
            ids.push(self.client_id(&params, &target.name("clientOrderId"))?);
            ids.push(self.client_id(&params, &stop.name("clientOrderId"))?);
        } else {
            let exit = Leg {
                params: &params,
                prefix: "pending",
            };
            order = match exit.kind()? {
                "LIMIT" => {
                    if exit.time_in_force()?.is_none() {
                        return Err(Refusal::missing("pendingTimeInForce"));
                    }
                    order.with_target(Level::Price(Price::new(exit.needed("price")?)))
                }
                "LIMIT_MAKER" => order.with_target(Level::Price(Price::new(exit.needed("price")?))),
                _ => order.with_stop(exit.exit()?),
            };
            ids.push(self.client_id(&params, "pendingClientOrderId")?);
        }
        if let Some(id) = self.client_id(&params, "workingClientOrderId")? {
            order = order.with_client_id(id);
        }
        let id = self.submit(&order, makes, now)?;
        if two && let Some(target) = self.books.list(&id).and_then(|list| list.orders.get(1)).cloned() {
            self.makers.insert(target, ());
        }
        self.name_exits(&id, &ids);
        self.list_reply(&id, params.get("newOrderRespType"))
    }

    /// Gives the others of a list the ids that they were asked under.
    fn name_exits(&mut self, first: &OrderId, ids: &[Option<ClientOrderId>]) {
        let others: Vec<OrderId> = self
            .books
            .list(first)
            .map(|list| list.orders[1..].to_vec())
            .unwrap_or_default();
        for (order, id) in others.into_iter().zip(ids) {
            if let Some(id) = id {
                self.books.client_ids.insert(order, id.get().to_owned());
            }
        }
    }

    fn list_reply(&self, first: &OrderId, form: Option<&str>) -> Reply {
        let list = self.books.list(first).ok_or_else(Refusal::no_such_order)?;
        let mut shape = self.list_shape(list);
        let orders = list
            .orders
            .iter()
            .filter_map(|id| self.engine.order(&self.account, id).ok());
        let reports: Vec<Value> = orders
            .map(|order| {
                let mut report = self.placed_shape(order, Some(form.unwrap_or("FULL")));
                if let Value::Object(map) = &mut report {
                    map.remove("fills");
                }
                report
            })
            .collect();
        shape.insert("orderReports".into(), reports.into());
        Ok(Value::Object(shape).to_string())
    }

    fn canceled_shape(&self, id: &OrderId, cancel: &str, now: DateTime<Utc>) -> Result<Value, Refusal> {
        let order = self.engine.order(&self.account, id)?;
        let symbol = self.symbol_of(order);
        Ok(shapes::canceled(
            order,
            &symbol,
            &self.books,
            self.makes(id),
            cancel,
            millis(now),
        ))
    }

    /// The id of a cancel that was given none.
    fn cancel_id(&self, id: &OrderId) -> String {
        format!("c{}", shapes::made_id(id).chars().take(20).collect::<String>())
    }

    pub(super) fn cancel(&mut self, request: &WireRequest, now: DateTime<Utc>) -> Reply {
        let known = [
            "symbol",
            "orderId",
            "origClientOrderId",
            "newClientOrderId",
            "cancelRestrictions",
        ];
        let params = Params::of(request, &known)?;
        let id = self.cancel_one(&params, "orderId", "origClientOrderId", now)?;
        let cancel = params
            .get("newClientOrderId")
            .map_or_else(|| self.cancel_id(&id), str::to_owned);
        if self.books.list(&id).is_some() {
            return self.canceled_list(&id, &cancel, now).map(|list| list.to_string());
        }
        Ok(self.canceled_shape(&id, &cancel, now)?.to_string())
    }

    fn canceled_list(&self, id: &OrderId, cancel: &str, now: DateTime<Utc>) -> Result<Value, Refusal> {
        let list = self.books.list(id).ok_or_else(Refusal::no_such_order)?;
        let mut shape = self.list_shape(list);
        let reports: Result<Vec<Value>, Refusal> = list
            .orders
            .iter()
            .map(|id| self.canceled_shape(id, cancel, now))
            .collect();
        shape.insert("orderReports".into(), reports?.into());
        Ok(Value::Object(shape))
    }

    /// Cancels an order that is at work, and with it all of its list.
    fn cancel_one(
        &mut self,
        params: &Params<'_>,
        number: &str,
        ours: &str,
        now: DateTime<Utc>,
    ) -> Result<OrderId, Refusal> {
        let unknown = || Refusal::new(-2011, "Unknown order sent.");
        let found = self
            .find_order(params, number, ours)
            .map_err(|refusal| match refusal.code {
                -2013 => unknown(),
                _ => refusal,
            })?;
        let order = found.order().clone();
        if order.status.is_final() {
            return Err(unknown());
        }
        let partly = !order.filled_qty.is_zero();
        match params.get("cancelRestrictions") {
            Some("ONLY_NEW") if partly => {
                return Err(Refusal::new(
                    -2011,
                    "Order was not canceled due to cancel restrictions.",
                ));
            }
            Some("ONLY_PARTIALLY_FILLED") if !partly => {
                return Err(Refusal::new(
                    -2011,
                    "Order was not canceled due to cancel restrictions.",
                ));
            }
            None | Some("ONLY_NEW" | "ONLY_PARTIALLY_FILLED") => {}
            Some(_) => return Err(Refusal::new(-1145, "Invalid cancelRestrictions.")),
        }
        // The engine's exits end with their entry, and not the other way round.
        let whole: Vec<OrderId> = match self.books.list(&order.id) {
            Some(list) => list.orders.clone(),
            None => vec![order.id.clone()],
        };
        for id in whole {
            let is_open = self
                .engine
                .order(&self.account, &id)
                .is_ok_and(|one| !one.order().status.is_final());
            if is_open {
                self.engine.cancel(&self.account, &id, now)?;
            }
        }
        Ok(order.id)
    }

    pub(super) fn cancel_all(&mut self, request: &WireRequest, now: DateTime<Utc>) -> Reply {
        let params = Params::of(request, &["symbol"])?;
        let (_, instrument): (String, InstrumentId) = self.instrument_named(&params)?;
        let of_symbol = |order: &SimOrder| {
            order
                .order()
                .legs
                .first()
                .is_some_and(|leg| leg.instrument == instrument)
        };
        let open = self.engine.open_orders(&self.account)?.filter(|order| of_symbol(order));
        let open: Vec<OrderId> = open.map(|order| order.order().id.clone()).collect();
        if open.is_empty() {
            return Err(Refusal::new(-2011, "Unknown order sent."));
        }
        let mut rows = Vec::new();
        let mut lists = Vec::new();
        for id in &open {
            let is_open = self
                .engine
                .order(&self.account, id)
                .is_ok_and(|one| !one.order().status.is_final());
            if is_open {
                self.engine.cancel(&self.account, id, now)?;
            }
        }
        for id in &open {
            let cancel = self.cancel_id(&open[0]);
            match self.books.list(id).map(|list| list.number) {
                Some(number) if lists.contains(&number) => {}
                Some(number) => {
                    lists.push(number);
                    rows.push(self.canceled_list(id, &cancel, now)?);
                }
                None => rows.push(self.canceled_shape(id, &cancel, now)?),
            }
        }
        Ok(Value::from(rows).to_string())
    }

    /// Cancels, and places another: each half can fail.
    pub(super) fn cancel_replace(&mut self, request: &WireRequest, now: DateTime<Utc>) -> Reply {
        let mut known = PLACE.to_vec();
        known.extend([
            "cancelReplaceMode",
            "cancelOrderId",
            "cancelOrigClientOrderId",
            "cancelNewClientOrderId",
            "cancelRestrictions",
        ]);
        let params = Params::of(request, &known)?;
        let mode = params.needed("cancelReplaceMode")?;
        if !matches!(mode, "STOP_ON_FAILURE" | "ALLOW_FAILURE") {
            return Err(Refusal::new(-1102, "Invalid cancelReplaceMode."));
        }
        let (order, makes) = self.read_order(&params)?;
        let error = |refusal: &Refusal| json!({"code": refusal.code, "msg": refusal.message});
        let canceled = self.cancel_one(&params, "cancelOrderId", "cancelOrigClientOrderId", now);
        let (cancel_word, cancel_body) = match &canceled {
            Ok(id) => {
                let cancel = params
                    .get("cancelNewClientOrderId")
                    .map_or_else(|| self.cancel_id(id), str::to_owned);
                ("SUCCESS", self.canceled_shape(id, &cancel, now)?)
            }
            Err(refusal) => ("FAILURE", error(refusal)),
        };
        let attempted = canceled.is_ok() || mode == "ALLOW_FAILURE";
        let placed = attempted.then(|| self.submit(&order, makes, now));
        let (new_word, new_body) = match &placed {
            None => ("NOT_ATTEMPTED", Value::Null),
            Some(Err(refusal)) => ("FAILURE", error(refusal)),
            Some(Ok(id)) => {
                let order = self.engine.order(&self.account, id)?;
                ("SUCCESS", self.placed_shape(order, params.get("newOrderRespType")))
            }
        };
        let data = json!({
            "cancelResult": cancel_word,
            "newOrderResult": new_word,
            "cancelResponse": cancel_body,
            "newOrderResponse": new_body,
        });
        let (code, status, words) = match (cancel_word, new_word) {
            ("SUCCESS", "SUCCESS") => return Ok(data.to_string()),
            ("SUCCESS", _) | (_, "SUCCESS") => (-2021, 409, "Order cancel-replace partially failed."),
            _ => (-2022, 400, "Order cancel-replace failed."),
        };
        self.halves = Some((status, json!({"code": code, "msg": words, "data": data}).to_string()));
        Err(Refusal::new(code, words).with_status(status))
    }

    /// Makes an order smaller in its place.
    pub(super) fn amend(&mut self, request: &WireRequest, now: DateTime<Utc>) -> Reply {
        let known = ["symbol", "orderId", "origClientOrderId", "newQty", "newClientOrderId"];
        let params = Params::of(request, &known)?;
        let qty = quantity(params.decimal("newQty")?.ok_or_else(|| Refusal::missing("newQty"))?)?;
        let new_id = self.client_id(&params, "newClientOrderId")?;
        let order = self
            .find_order(&params, "orderId", "origClientOrderId")?
            .order()
            .clone();
        let rejected = |what: &str| Refusal::new(-2038, format!("Order amend rejected: {what}"));
        let broker_core::model::Amount::Qty(before) = order.amount else {
            return Err(rejected("the order is for money."));
        };
        if order.status.is_final() || order.kind == OrderKind::Market {
            return Err(rejected("the order is not open."));
        }
        if qty >= before || qty <= order.filled_qty {
            return Err(rejected(
                "the new quantity must be smaller than the old one, and larger than what is filled.",
            ));
        }
        let mut rules = self.engine.rules().clone();
        let usual = rules.replace;
        rules.replace = broker_sim::ReplaceMode::InPlace;
        self.engine.set_rules(rules.clone());
        let changed = self
            .engine
            .replace(&self.account, &order.id, &OrderChange::new().with_qty(qty), None, now);
        rules.replace = usual;
        self.engine.set_rules(rules);
        changed?;
        let name = new_id.map_or_else(|| shapes::made_id(&order.id), |id| id.get().to_owned());
        let before = shapes::client_id(&order, &self.books);
        self.books.client_ids.insert(order.id.clone(), name);
        let changed = self.engine.order(&self.account, &order.id)?;
        let mut shape = self.query_shape(changed);
        if let Value::Object(map) = &mut shape {
            let mut rename = |from: &str, to: &str| {
                if let Some(value) = map.remove(from) {
                    map.insert(to.to_owned(), value);
                }
            };
            rename("origQty", "qty");
            rename("cummulativeQuoteQty", "cumulativeQuoteQty");
            rename("origQuoteOrderQty", "quoteOrderQty");
            for name in ["time", "updateTime", "isWorking", "icebergQty", "stopPrice"] {
                map.remove(name);
            }
            map.insert("origClientOrderId".into(), before.into());
            map.insert("preventedQty".into(), "0.00000000".into());
        }
        Ok(json!({"transactTime": millis(now), "executionId": 1, "amendedOrder": shape}).to_string())
    }
}

fn quantity(value: Decimal) -> Result<Qty, Refusal> {
    Qty::new(value)
        .ok()
        .filter(|qty| !qty.is_zero())
        .ok_or_else(|| Refusal::new(-1013, "Filter failure: LOT_SIZE"))
}
