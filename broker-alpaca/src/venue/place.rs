//! Placing and replacing orders, and the engine's refusals in Alpaca's words.

use broker_core::model::{Amount, AssetClass, Group, OrderChange, Trail};
use broker_core::num::{Num, Text};
use broker_core::{AccountId, Instrument, Order, OrderRequest, OrderStatus, Price};
use broker_sim::wire::{WireAnswer, WireRequest};
use broker_sim::{Engine, SimReject};
use chrono::{DateTime, Utc};
use serde::Deserialize;

use super::guard::Guard;
use super::ids::slashless;
use super::json::plain;
use super::orders::Book;
use super::params::Params;
use super::refusal::{Refusal, Reply};
use super::shapes;
use super::terms::{self, PlaceJson};

/// The body of `PATCH /v2/orders/{id}`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ReplaceJson<'a> {
    qty: Option<Num>,
    #[serde(borrow)]
    time_in_force: Option<Text<'a>>,
    limit_price: Option<Num>,
    stop_price: Option<Num>,
    trail: Option<Num>,
    #[serde(borrow)]
    client_order_id: Option<Text<'a>>,
}

/// Where orders are placed.
pub(super) struct Floor<'a> {
    pub(super) engine: &'a mut Engine,
    pub(super) account: &'a AccountId,
    pub(super) now: DateTime<Utc>,
    pub(super) allows_wash_trades: bool,
}

impl Floor<'_> {
    fn guard(&self) -> Guard<'_> {
        Guard {
            engine: self.engine,
            account: self.account,
            now: self.now,
            allows_wash_trades: self.allows_wash_trades,
        }
    }

    /// Places an order; gives it as it came in.
    pub(super) fn submit(&mut self, order: &OrderRequest, instrument: &Instrument) -> Result<String, Refusal> {
        self.guard().check(order, instrument)?;
        let placed = self.engine.place(self.account, order, None, self.now);
        let placed = placed.map_err(|reject| refusal(&reject, Some(instrument)))?;
        Book::of(self.engine, self.account)?.as_placed(&placed.id)
    }
}

/// `POST /v2/orders`. The answer shows the order as it came in, legs and all: what happens to it is read later.
pub(super) fn place(floor: &mut Floor<'_>, request: &WireRequest) -> Reply {
    Params::of(request, &[])?;
    let text = body(request)?;
    let json: PlaceJson<'_> = decode(text)?;
    if json.is_multi_leg() {
        // The engine has one instrument an order.
        return Err(Refusal::invalid("order_class \"mleg\" is not served by this venue"));
    }
    let instrument = instrument(floor.engine, &json)?;
    let order = terms::order(&json, &instrument)?;
    floor
        .submit(&order, &instrument)
        .map(|order| WireAnswer::json(200, order))
}

/// `PATCH /v2/orders/{id}`: a new order takes the place of the old one.
pub(super) fn replace(floor: &mut Floor<'_>, request: &WireRequest, id: &str) -> Reply {
    Params::of(request, &[])?;
    let text = body(request)?;
    let json: ReplaceJson<'_> = decode(text)?;
    let old = Book::of(floor.engine, floor.account)?.find(id)?.order().clone();
    let instrument = old
        .legs
        .first()
        .and_then(|leg| floor.engine.instrument(&leg.instrument))
        .cloned();
    let change = change(&json, &old, instrument.as_ref())?;
    let client_id = terms::client_id(json.client_order_id.as_ref())?;
    if let Some(instrument) = &instrument {
        check_more(&floor.guard(), &old, &change, instrument)?;
    }
    let new = floor
        .engine
        .replace(floor.account, &old.id, &change, client_id, floor.now)
        .map_err(|reject| refusal(&reject, instrument.as_ref()))?;
    let placed = Book::of(floor.engine, floor.account)?.as_placed(&new.id)?;
    Ok(WireAnswer::json(200, placed))
}

/// More of an order than before must be there to be sold. Exits of a group are covered by their entry.
fn check_more(guard: &Guard<'_>, old: &Order, change: &OrderChange, instrument: &Instrument) -> Result<(), Refusal> {
    let (Some(qty), Amount::Qty(before), Some(leg)) = (change.qty, old.amount, old.legs.first()) else {
        return Ok(());
    };
    if old.reduce_only || old.status.is_final() || qty <= before {
        return Ok(());
    }
    let filled = old.filled_qty.get();
    guard.check_holdings(instrument, leg.side, qty.get() - filled, before.get() - filled)
}

fn body(request: &WireRequest) -> Result<&str, Refusal> {
    std::str::from_utf8(&request.body).map_err(|_| unreadable())
}

/// Text that is no JSON is malformed; JSON that does not fit is invalid.
fn decode<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, Refusal> {
    serde_json::from_str(text).map_err(|error| {
        if error.is_data() {
            Refusal::invalid(format!("request body is invalid: {error}"))
        } else {
            unreadable()
        }
    })
}

fn unreadable() -> Refusal {
    Refusal::malformed("request body format is invalid")
}

/// By symbol or by asset id. A coin pair needs its slash.
fn instrument(engine: &Engine, json: &PlaceJson<'_>) -> Result<Instrument, Refusal> {
    let symbol = terms::needed(json.symbol.as_ref(), "symbol")?;
    let found = listed(engine).find(|known| known.symbol.get() == symbol || shapes::asset_id(known) == symbol);
    if let Some(instrument) = found {
        return Ok(instrument.clone());
    }
    let pair = listed(engine).find(|known| slashless(known.symbol.get()) == symbol);
    Err(match pair {
        Some(pair) => Refusal::invalid(format!(
            "invalid symbol {symbol}: coin pairs are written {}",
            pair.symbol
        )),
        None => Refusal::invalid(format!("asset {symbol:?} not found")),
    })
}

/// What Alpaca lists of what the engine lists.
pub(super) fn listed(engine: &Engine) -> impl Iterator<Item = &Instrument> {
    engine
        .instruments()
        .filter(|instrument| shapes::class(instrument).is_some())
}

fn change(json: &ReplaceJson<'_>, old: &Order, instrument: Option<&Instrument>) -> Result<OrderChange, Refusal> {
    if matches!(
        old.status,
        OrderStatus::PendingNew | OrderStatus::PendingCancel | OrderStatus::PendingReplace
    ) {
        return Err(Refusal::invalid(format!(
            "unable to replace order, order is in status {}",
            old.status
        )));
    }
    if old.links.group == Some(Group::Oto) && old.links.parent.is_some() {
        return Err(Refusal::invalid(
            "unable to replace order, legs of oto orders cannot be replaced",
        ));
    }
    let shares = instrument.is_some_and(|instrument| instrument.asset_class != AssetClass::Crypto);
    match old.amount {
        Amount::Notional(_) => return Err(Refusal::invalid("notional orders cannot be replaced")),
        Amount::Qty(qty) if shares && !qty.get().fract().is_zero() => {
            return Err(Refusal::invalid("fractional orders cannot be replaced"));
        }
        Amount::Qty(_) => {}
    }
    let on_grid = |number: Num, name: &str| match instrument {
        Some(instrument) => terms::price(number, name, instrument),
        None => Ok(Price::new(number.0)),
    };
    let mut change = OrderChange::new();
    if let Some(qty) = json.qty {
        let qty = terms::positive(qty, "qty")?;
        if shares && !qty.get().fract().is_zero() {
            return Err(Refusal::invalid("fractional quantities cannot be replaced"));
        }
        change = change.with_qty(qty);
    }
    if let Some(limit) = json.limit_price {
        change = change.with_limit_price(on_grid(limit, "limit_price")?);
    }
    if let Some(stop) = json.stop_price {
        change = change.with_stop_price(on_grid(stop, "stop_price")?);
    }
    if let Some(trail) = json.trail {
        change = change.with_trail(match old.trail {
            Some(Trail::Amount(_)) => Trail::Amount(trail.0),
            Some(Trail::Percent(_)) => Trail::Percent(trail.0),
            None => return Err(Refusal::invalid("trail is for trailing stop orders only")),
        });
    }
    if let Some(tif) = &json.time_in_force {
        change.time_in_force = Some(terms::time_in_force(tif.get())?);
    }
    Ok(change)
}

/// The engine's refusal in Alpaca's words.
pub(super) fn refusal(reject: &SimReject, instrument: Option<&Instrument>) -> Refusal {
    let symbol = instrument.map_or("", |instrument| instrument.symbol.get());
    match reject {
        SimReject::DuplicateClientId { .. } => Refusal::duplicate(),
        SimReject::InsufficientFunds {
            required, available, ..
        } => Refusal::rejected("insufficient buying power")
            .with("buying_power", plain(*available))
            .with("cost_basis", plain(*required)),
        SimReject::InsufficientQty {
            requested,
            available,
            held,
        } => Refusal::rejected(format!(
            "insufficient qty available for order (requested: {}, available: {})",
            plain(*requested),
            plain(*available)
        ))
        .with("available", plain(*available))
        .with("existing_qty", plain(*available + *held))
        .with("held_for_orders", plain(*held))
        .with("symbol", symbol),
        SimReject::NotShortable { symbol } => Refusal::rejected(format!("asset {symbol:?} cannot be sold short")),
        SimReject::AccountBlocked => Refusal::rejected("account is blocked: trading is suspended"),
        SimReject::NotTradable { symbol } => Refusal::rejected(format!("asset {symbol} is not tradable")),
        SimReject::BelowMinNotional { min, .. } => {
            Refusal::rejected(format!("cost basis must be >= minimal amount of order {}", plain(*min)))
        }
        SimReject::MarketClosed { .. } => {
            Refusal::invalid("options market orders are only allowed during market hours")
        }
        SimReject::UnknownOrder => Refusal::not_found("order not found"),
        SimReject::NotCancelable { status } => {
            Refusal::invalid(format!("order is already in {:?} state", status.as_str()))
        }
        SimReject::NotReplaceable { .. } => Refusal::invalid("unable to replace order, order is not open"),
        other => Refusal::invalid(other.to_string()),
    }
}
