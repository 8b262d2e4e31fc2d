//! The terms of an order as OANDA words them: read from a request, or told of an order of the engine.

use broker_core::model::{Level, OrderKind, StopExit, Trail};
use broker_core::num::Num;
use broker_core::{Instrument, Order, OrderRequest, Side, TimeInForce};
use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use serde::Deserialize;

use super::json::{Object, fixed};

/// The body of a new or a replacing order.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BodyJson {
    pub(super) order: OrderIn,
}

#[derive(Debug, Default, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct OrderIn {
    #[serde(rename = "type")]
    pub(super) kind: Option<String>,
    pub(super) instrument: Option<String>,
    pub(super) units: Option<Num>,
    pub(super) price: Option<Num>,
    pub(super) price_bound: Option<Num>,
    pub(super) distance: Option<Num>,
    pub(super) time_in_force: Option<String>,
    pub(super) gtd_time: Option<DateTime<Utc>>,
    pub(super) position_fill: Option<String>,
    pub(super) trigger_condition: Option<String>,
    #[serde(rename = "tradeID")]
    pub(super) trade_id: Option<String>,
    #[serde(rename = "clientTradeID")]
    pub(super) client_trade_id: Option<String>,
    pub(super) client_extensions: Option<Extensions>,
    pub(super) take_profit_on_fill: Option<ExitIn>,
    pub(super) stop_loss_on_fill: Option<ExitIn>,
    pub(super) guaranteed_stop_loss_on_fill: Option<ExitIn>,
    pub(super) trailing_stop_loss_on_fill: Option<ExitIn>,
    pub(super) trade_client_extensions: Option<Extensions>,
}

#[derive(Debug, Default, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Extensions {
    pub(super) id: Option<String>,
    pub(super) tag: Option<String>,
    pub(super) comment: Option<String>,
}

#[derive(Debug, Default, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct ExitIn {
    pub(super) price: Option<Num>,
    pub(super) distance: Option<Num>,
    pub(super) time_in_force: Option<String>,
    pub(super) gtd_time: Option<DateTime<Utc>>,
    pub(super) client_extensions: Option<Extensions>,
}

/// An order's terms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Terms {
    /// `LIMIT`.
    pub(super) kind: String,
    pub(super) instrument: String,
    /// Signed.
    pub(super) units: Decimal,
    pub(super) price: Option<Decimal>,
    pub(super) bound: Option<Decimal>,
    pub(super) distance: Option<Decimal>,
    pub(super) tif: String,
    pub(super) gtd: Option<DateTime<Utc>>,
    pub(super) position_fill: String,
    pub(super) trigger: String,
    /// The trade that it closes.
    pub(super) trade: Option<u64>,
    pub(super) client: Option<Extensions>,
    pub(super) exits: Exits,
    pub(super) trade_client: Option<Extensions>,
    pub(super) reason: &'static str,
    pub(super) replaces: Option<u64>,
    /// The fill with which an exit was made.
    pub(super) with_fill: Option<u64>,
    /// What a market order closes, as JSON under its key.
    pub(super) closes: Option<(&'static str, String)>,
}

/// Exits that are made on fill: target, stop, guaranteed stop, trailing stop.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Exits {
    pub(super) target: Option<Exit>,
    pub(super) stop: Option<Exit>,
    pub(super) guaranteed: Option<Exit>,
    pub(super) trailing: Option<Exit>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Exit {
    pub(super) price: Option<Decimal>,
    pub(super) distance: Option<Decimal>,
    pub(super) tif: String,
    pub(super) gtd: Option<DateTime<Utc>>,
    pub(super) client: Option<Extensions>,
}

/// How many decimals prices of an instrument have.
pub(super) fn places(instrument: &Instrument) -> u32 {
    instrument.ticks.first().map_or(5, |band| band.tick.normalize().scale())
}

/// What OANDA has of what the engine lists.
pub(super) fn is_listed(instrument: &Instrument) -> bool {
    use broker_core::model::AssetClass as A;
    matches!(instrument.asset_class, A::Forex | A::Metal | A::Cfd)
}

pub(super) fn id_of(instrument: &Instrument) -> String {
    instrument.id.get().replace('/', "_")
}

impl Terms {
    /// Of an order that nobody asked for over the wire.
    pub(super) fn of(order: &Order, request: &OrderRequest, instrument: &Instrument) -> Self {
        let leg = order.legs.first();
        let side = leg.map_or(Side::Buy, |leg| leg.side);
        let qty = match order.amount {
            broker_core::model::Amount::Qty(qty) => qty,
            broker_core::model::Amount::Notional(_) => broker_core::Qty::ZERO,
        };
        let price = order.limit_price.or(order.stop_price).map(broker_core::Price::get);
        Self {
            kind: kind(&order.kind).to_owned(),
            instrument: id_of(instrument),
            units: qty.signed(side),
            price: price.filter(|_| order.kind != OrderKind::Market),
            bound: None,
            distance: None,
            tif: match (&order.kind, &order.time_in_force) {
                (OrderKind::Market, Some(TimeInForce::Ioc)) => "IOC",
                (OrderKind::Market, _) => "FOK",
                (_, Some(TimeInForce::Day)) => "GFD",
                (_, Some(TimeInForce::Gtd)) => "GTD",
                _ => "GTC",
            }
            .to_owned(),
            gtd: order
                .expires_at
                .filter(|_| order.time_in_force == Some(TimeInForce::Gtd)),
            position_fill: if order.reduce_only { "REDUCE_ONLY" } else { "DEFAULT" }.to_owned(),
            trigger: "DEFAULT".to_owned(),
            trade: None,
            client: order.client_id.as_ref().map(|id| Extensions {
                id: Some(id.get().to_owned()),
                ..Extensions::default()
            }),
            exits: Exits::of(request),
            trade_client: None,
            reason: "CLIENT_ORDER",
            replaces: None,
            with_fill: None,
            closes: None,
        }
    }

    /// The exit that an entry asked for, once it is an order.
    pub(super) fn of_exit(&self, order: &Order, trade: u64, fill: u64) -> Self {
        let (kind, exit) = match order.kind {
            OrderKind::Limit => ("TAKE_PROFIT", &self.exits.target),
            OrderKind::TrailingStop => ("TRAILING_STOP_LOSS", &self.exits.trailing),
            _ if self.exits.guaranteed.is_some() => ("GUARANTEED_STOP_LOSS", &self.exits.guaranteed),
            _ => ("STOP_LOSS", &self.exits.stop),
        };
        let exit = exit.clone().unwrap_or_default();
        let price = order.limit_price.or(order.stop_price).map(broker_core::Price::get);
        Self {
            kind: kind.to_owned(),
            price: price.or(exit.price).filter(|_| kind != "TRAILING_STOP_LOSS"),
            distance: exit.distance,
            tif: if exit.tif.is_empty() {
                "GTC".to_owned()
            } else {
                exit.tif
            },
            gtd: exit.gtd,
            client: exit.client,
            trade: Some(trade),
            exits: Exits::default(),
            trade_client: None,
            reason: "ON_FILL",
            replaces: None,
            with_fill: Some(fill),
            closes: None,
            bound: None,
            units: -self.units,
            ..self.clone()
        }
    }

    pub(super) fn own_id(&self) -> Option<&str> {
        self.client.as_ref()?.id.as_deref()
    }

    pub(super) fn is_exit(&self) -> bool {
        self.trade.is_some() && self.kind != "MARKET"
    }

    /// Writes the terms, as an order and as its transaction have them.
    pub(super) fn write(&self, mut out: Object, places: u32) -> Object {
        let price = |value: Option<Decimal>| value.map(|value| fixed(value, places));
        if self.is_exit() {
            out = out.maybe("tradeID", self.trade.map(|id| id.to_string()));
        } else {
            out = out.text("instrument", &self.instrument).units("units", self.units);
        }
        out = out
            .maybe("price", price(self.price))
            .maybe("priceBound", price(self.bound))
            .maybe("distance", price(self.distance))
            .text("timeInForce", &self.tif)
            .maybe("gtdTime", self.gtd.map(super::json::stamp));
        if !self.is_exit() {
            out = out.text("positionFill", &self.position_fill);
        }
        if self.kind != "MARKET" {
            out = out.text("triggerCondition", &self.trigger);
        }
        if let Some((key, json)) = &self.closes {
            out = out.raw(key, json);
        }
        out = out.maybe_raw("clientExtensions", self.client.as_ref().map(Extensions::json));
        for (key, exit) in [
            ("takeProfitOnFill", &self.exits.target),
            ("stopLossOnFill", &self.exits.stop),
            ("guaranteedStopLossOnFill", &self.exits.guaranteed),
            ("trailingStopLossOnFill", &self.exits.trailing),
        ] {
            out = out.maybe_raw(key, exit.as_ref().map(|exit| exit.json(places)));
        }
        out = out.maybe_raw(
            "tradeClientExtensions",
            self.trade_client.as_ref().map(Extensions::json),
        );
        out.maybe("replacesOrderID", self.replaces.map(|id| id.to_string()))
    }
}

impl Exits {
    fn of(request: &OrderRequest) -> Self {
        let level = |level: Level| match level {
            Level::Price(price) => (Some(price.get()), None),
            Level::Distance(distance) => (None, Some(distance.get())),
        };
        let exit = |(price, distance)| {
            Some(Exit {
                price,
                distance,
                tif: "GTC".to_owned(),
                ..Exit::default()
            })
        };
        let mut exits = Self {
            target: request.target.and_then(|target| exit(level(target))),
            ..Self::default()
        };
        match request.stop {
            Some(StopExit::Stop { stop, .. }) => exits.stop = exit(level(stop)),
            Some(StopExit::Trailing(Trail::Amount(amount))) => exits.trailing = exit((None, Some(amount))),
            Some(StopExit::Trailing(Trail::Percent(_))) | None => {}
        }
        exits
    }

    pub(super) fn is_empty(&self) -> bool {
        [&self.target, &self.stop, &self.guaranteed, &self.trailing]
            .iter()
            .all(|exit| exit.is_none())
    }
}

impl Exit {
    pub(super) fn json(&self, places: u32) -> String {
        let price = |value: Option<Decimal>| value.map(|value| fixed(value, places));
        Object::new()
            .maybe("price", price(self.price))
            .maybe("distance", price(self.distance))
            .text("timeInForce", &self.tif)
            .maybe("gtdTime", self.gtd.map(super::json::stamp))
            .maybe_raw("clientExtensions", self.client.as_ref().map(Extensions::json))
            .end()
    }
}

impl Extensions {
    pub(super) fn json(&self) -> String {
        Object::new()
            .maybe("id", self.id.as_ref())
            .maybe("tag", self.tag.as_ref())
            .maybe("comment", self.comment.as_ref())
            .end()
    }
}

fn kind(kind: &OrderKind) -> &'static str {
    match kind {
        OrderKind::Limit => "LIMIT",
        OrderKind::Stop => "STOP",
        OrderKind::MarketIfTouched => "MARKET_IF_TOUCHED",
        OrderKind::TrailingStop => "TRAILING_STOP_LOSS",
        _ => "MARKET",
    }
}
