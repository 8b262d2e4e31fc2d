//! Placing single orders.

use broker_core::model::{Level, StopExit, Trail};
use broker_core::{ClientOrderId, Instrument, OrderId, OrderRequest, Price, Qty, Side, Symbol, TimeInForce};
use broker_sim::SimOrder;
use broker_sim::wire::WireRequest;
use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use serde_json::Value;

use super::BinanceVenue;
use super::params::{Params, Refusal, Reply};
use super::shapes;

const TYPES: [&str; 7] = [
    "LIMIT",
    "MARKET",
    "STOP_LOSS",
    "STOP_LOSS_LIMIT",
    "TAKE_PROFIT",
    "TAKE_PROFIT_LIMIT",
    "LIMIT_MAKER",
];
pub(super) const PLACE: [&str; 14] = [
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
pub(super) struct Leg<'a> {
    pub(super) params: &'a Params<'a>,
    pub(super) prefix: &'static str,
}

impl<'a> Leg<'a> {
    /// `price` is `abovePrice` in a list.
    pub(super) fn name(&self, name: &str) -> String {
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

    pub(super) fn needed(&self, name: &str) -> Result<Decimal, Refusal> {
        self.decimal(name)?.ok_or_else(|| Refusal::missing(&self.name(name)))
    }

    pub(super) fn kind(&self) -> Result<&'static str, Refusal> {
        let name = self.name("type");
        self.params.needed(&name)?;
        let found = TYPES.iter().find(|kind| Some(**kind) == self.params.get(&name));
        found.copied().ok_or_else(|| Refusal::new(-1116, "Invalid orderType."))
    }

    pub(super) fn time_in_force(&self) -> Result<Option<TimeInForce>, Refusal> {
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

    pub(super) fn must_not_have(&self, names: &[&str]) -> Result<(), Refusal> {
        let sent = names
            .iter()
            .map(|name| self.name(name))
            .find(|name| self.params.has(name));
        sent.map_or(Ok(()), |name| Err(Refusal::not_needed(&name)))
    }

    pub(super) fn exit(&self) -> Result<StopExit, Refusal> {
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
    pub(super) fn client_id(&self, params: &Params<'_>, name: &str) -> Result<Option<ClientOrderId>, Refusal> {
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

    pub(super) fn instrument_of(&self, params: &Params<'_>) -> Result<Instrument, Refusal> {
        self.named(params.needed("symbol")?).cloned()
    }

    pub(super) fn side_of(params: &Params<'_>, name: &str) -> Result<Side, Refusal> {
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

    pub(super) fn placed_shape(&self, order: &SimOrder, form: Option<&str>) -> Value {
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

    pub(super) fn submit(&mut self, order: &OrderRequest, makes: bool, now: DateTime<Utc>) -> Result<OrderId, Refusal> {
        let met = if makes { Vec::new() } else { self.opposite(order) };
        let placed = self.engine.place(&self.account, order, None, now)?;
        if makes {
            self.makers.insert(placed.id.clone(), ());
        }
        self.books.read(&self.engine, &self.account);
        self.prevent(&placed.id, met, now);
        Ok(placed.id)
    }

    /// A single order, and whether it only makes.
    pub(super) fn read_order(&self, params: &Params<'_>) -> Result<(OrderRequest, bool), Refusal> {
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
    pub(super) fn must_rest(&self, instrument: &Instrument, side: Side, limit: Price) -> Result<(), Refusal> {
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
}

pub(super) fn quantity(value: Decimal) -> Result<Qty, Refusal> {
    Qty::new(value)
        .ok()
        .filter(|qty| !qty.is_zero())
        .ok_or_else(|| Refusal::new(-1013, "Filter failure: LOT_SIZE"))
}
