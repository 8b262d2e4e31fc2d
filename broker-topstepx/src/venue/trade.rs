//! Placing, changing, canceling, closing.

use broker_core::model::{Instrument, Level, OrderChange, OrderKind, PositionLeg, StopExit, Trail};
use broker_core::num::Num;
use broker_core::{ClientOrderId, InstrumentId, OrderId, OrderRequest, Price, Qty, Side, TimeInForce};
use broker_sim::{ClientIdPolicy, SimReject};
use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use serde::Deserialize;

use super::TopstepxVenue;
use super::book::{Ghost, is_active};
use super::refusal::Refusal;
use super::rest::{Reply, contracts};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct PlaceBody {
    account_id: i64,
    contract_id: String,
    #[serde(rename = "type")]
    kind: u8,
    side: u8,
    size: Num,
    limit_price: Option<Num>,
    stop_price: Option<Num>,
    trail_price: Option<Num>,
    custom_tag: Option<String>,
    stop_loss_bracket: Option<BracketBody>,
    take_profit_bracket: Option<BracketBody>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct BracketBody {
    ticks: i64,
    #[serde(rename = "type")]
    kind: u8,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct ModifyBody {
    account_id: i64,
    order_id: i64,
    size: Option<Num>,
    limit_price: Option<Num>,
    stop_price: Option<Num>,
    trail_price: Option<Num>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct CancelBody {
    account_id: i64,
    order_id: i64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct CloseBody {
    account_id: i64,
    contract_id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct ClosePartBody {
    account_id: i64,
    contract_id: String,
    size: Num,
}

/// Most ticks of a trail.
const MOST_TICKS: i64 = 1_000;

fn rejected(words: &str) -> Refusal {
    Refusal::words(2, words)
}

pub(super) fn place(venue: &mut TopstepxVenue, body: &PlaceBody, now: DateTime<Utc>) -> Reply {
    let (index, seat) = venue.book.seat(body.account_id).ok_or(Refusal::code(1))?;
    let account = seat.account.clone();
    // An order that is sent again is told that its tag is taken, whatever else has changed since.
    let is_taken = |tag: &String| {
        let at_work = venue
            .engine
            .order_by_client_id(&account, &ClientOrderId::from(tag.as_str()))
            .is_ok();
        at_work
            || venue
                .book
                .ghosts
                .iter()
                .any(|ghost| ghost.seat == index && ghost.tag.as_ref() == Some(tag))
    };
    if venue.engine.rules().client_ids == ClientIdPolicy::Forever && body.custom_tag.as_ref().is_some_and(is_taken) {
        return Err(rejected("Custom tag must be unique across the account."));
    }
    if !seat.active {
        return Err(Refusal::code(10));
    }
    let id = venue
        .book
        .instrument(&body.contract_id)
        .ok_or(Refusal::code(8))?
        .clone();
    let instrument = venue.engine.instrument(&id).ok_or(Refusal::code(8))?.clone();
    if !is_active(&venue.engine, &instrument) {
        return Err(Refusal::code(9));
    }
    let request = order(venue, body, &instrument)?;
    if (body.stop_loss_bracket.is_some() || body.take_profit_bracket.is_some()) && !venue.auto_oco {
        return Err(keep(venue, index, body, now));
    }
    let tag = body.custom_tag.as_deref().map(ClientOrderId::from);
    let placed = venue
        .engine
        .place(&account, &request, tag, now)
        .map_err(|reject| refused(&reject))?;
    if matches!(body.kind, 6 | 7) {
        venue.book.joined.insert(placed.id.clone(), body.kind);
    }
    venue.book.sync(&venue.engine);
    Ok(venue.book.number(&placed.id).to_string())
}

/// The mode of the account's brackets is the other one: a record of the order is kept, with a number.
fn keep(venue: &mut TopstepxVenue, seat: usize, body: &PlaceBody, now: DateTime<Utc>) -> Refusal {
    let number = venue.book.next_number();
    venue.book.ghosts.push(Ghost {
        seat,
        number,
        contract: body.contract_id.clone(),
        at: now,
        kind: body.kind,
        side: body.side,
        size: body.size.0,
        tag: body.custom_tag.clone(),
    });
    Refusal::Code {
        code: 2,
        words: Some("Brackets cannot be used with Position Brackets. You must enable Auto OCO Brackets.".to_owned()),
        order: Some(number),
    }
}

/// The engine's words for an order.
fn order(venue: &TopstepxVenue, body: &PlaceBody, instrument: &Instrument) -> Result<OrderRequest, Refusal> {
    let side = match body.side {
        0 => Side::Buy,
        1 => Side::Sell,
        _ => return Err(Refusal::Invalid("side is 0 or 1".to_owned())),
    };
    let size = contracts(body.size)?;
    let qty = Qty::new(size).map_err(|_| rejected("Invalid order size"))?;
    let symbol = instrument.symbol.clone();
    let needed =
        |price: Option<Num>, words: &str| price.map(|price| Price::new(price.0)).ok_or_else(|| rejected(words));
    let request = match body.kind {
        1 => OrderRequest::limit(symbol, side, qty, needed(body.limit_price, "Invalid limit price")?),
        2 => OrderRequest::market(symbol, side, qty),
        4 => OrderRequest::stop(symbol, side, qty, needed(body.stop_price, "Invalid stop price")?),
        5 => {
            let level = needed(body.trail_price, "Invalid trail price: it is required")?;
            OrderRequest::trailing_stop(symbol, side, qty, trail(venue, instrument, side, level)?)
        }
        6 | 7 => {
            let quote = venue.engine.quote(&instrument.id);
            let best = quote.and_then(|quote| if body.kind == 6 { quote.bid } else { quote.ask });
            OrderRequest::limit(
                symbol,
                side,
                qty,
                best.ok_or_else(|| rejected("There is no market to join."))?,
            )
        }
        _ => return Err(rejected("Invalid order type")),
    };
    let request = request
        .with_instrument(instrument.id.clone())
        .with_time_in_force(TimeInForce::Day);
    brackets(body, instrument, side, request)
}

/// The distance from the last price to this level, in whole ticks.
fn trail(venue: &TopstepxVenue, instrument: &Instrument, side: Side, level: Price) -> Result<Trail, Refusal> {
    let last = last_price(venue, &instrument.id).ok_or_else(|| rejected("Invalid trail price: no market"))?;
    let tick = tick(instrument);
    let distance = match side {
        Side::Sell => last.get() - level.get(),
        Side::Buy => level.get() - last.get(),
    };
    let ticks = (distance / tick).trunc();
    if ticks < Decimal::ONE {
        return Err(rejected("Invalid trail price: it is on the wrong side of the market"));
    }
    if ticks > Decimal::from(MOST_TICKS) {
        return Err(rejected("Trail Distance must be at most 1000 ticks"));
    }
    Ok(Trail::Amount(ticks * tick))
}

/// The close of the newest bar.
fn last_price(venue: &TopstepxVenue, id: &InstrumentId) -> Option<Price> {
    let now = venue.engine.now();
    let since = now - chrono::Duration::days(4);
    let candles = venue.engine.candles(
        id,
        broker_core::model::Interval::Minutes(1),
        since,
        now + chrono::Duration::minutes(1),
    );
    candles?.last().map(|candle| candle.close)
}

fn tick(instrument: &Instrument) -> Decimal {
    instrument.ticks.first().map_or(Decimal::ONE, |band| band.tick)
}

fn brackets(
    body: &PlaceBody,
    instrument: &Instrument,
    side: Side,
    mut request: OrderRequest,
) -> Result<OrderRequest, Refusal> {
    let long = side == Side::Buy;
    let distance = |ticks: i64| Qty::new(Decimal::from(ticks.unsigned_abs()) * tick(instrument)).unwrap_or(Qty::ZERO);
    if let Some(stop) = body.stop_loss_bracket {
        if stop.ticks == 0 || (stop.ticks < 0) != long {
            return Err(rejected(&sign(stop.ticks, long, "less", "greater")));
        }
        let distance = distance(stop.ticks);
        request = request.with_stop(match stop.kind {
            4 => StopExit::Stop {
                stop: Level::Distance(distance),
                limit: None,
            },
            5 => StopExit::Trailing(Trail::Amount(distance.get())),
            _ => return Err(rejected("Invalid stop loss bracket type")),
        });
    }
    if let Some(target) = body.take_profit_bracket {
        if target.ticks == 0 || (target.ticks > 0) != long {
            return Err(rejected(&sign(target.ticks, long, "greater", "less")));
        }
        if target.kind != 1 {
            return Err(rejected("Invalid take profit bracket type"));
        }
        request = request.with_target(Level::Distance(distance(target.ticks)));
    }
    Ok(request)
}

fn sign(ticks: i64, long: bool, of_long: &str, of_short: &str) -> String {
    let (word, doing) = if long {
        (of_long, "longing")
    } else {
        (of_short, "shorting")
    };
    format!("Invalid ticks ({ticks}). Ticks should be {word} than zero when {doing}.")
}

fn refused(reject: &SimReject) -> Refusal {
    match reject {
        SimReject::UnknownAccount => Refusal::code(1),
        SimReject::InsufficientFunds { .. } | SimReject::InsufficientQty { .. } => Refusal::code(3),
        SimReject::AccountBlocked => Refusal::code(4),
        SimReject::MarketClosed { .. } => Refusal::code(5),
        SimReject::UnknownSymbol { .. } => Refusal::code(8),
        SimReject::NotTradable { .. } => Refusal::code(9),
        SimReject::ZeroQty | SimReject::Lot { .. } | SimReject::AboveMaxQty { .. } | SimReject::BelowMinQty { .. } => {
            rejected("Invalid order size")
        }
        SimReject::DuplicateClientId { .. } => rejected("Custom tag must be unique across the account."),
        other => rejected(&other.to_string()),
    }
}

pub(super) fn modify(venue: &mut TopstepxVenue, body: &ModifyBody, now: DateTime<Utc>) -> Reply {
    let (index, seat) = venue.book.seat(body.account_id).ok_or(Refusal::code(1))?;
    let account = seat.account.clone();
    let id: OrderId = venue.book.order(index, body.order_id).ok_or(Refusal::code(2))?.clone();
    let order = venue
        .engine
        .order(&account, &id)
        .map_err(|_| Refusal::code(2))?
        .order()
        .clone();
    if TopstepxVenue::is_over(&order.status) {
        return Err(Refusal::code(2));
    }
    let leg = order.legs.first().ok_or(Refusal::code(2))?;
    let price = |number: Option<Num>| number.map(|number| Price::new(number.0));
    let mut change = OrderChange::new();
    (change.limit_price, change.stop_price) = (price(body.limit_price), price(body.stop_price));
    if let Some(size) = body.size {
        change.qty = Some(Qty::new(contracts(size)?).map_err(|_| Refusal::words(3, "Invalid order size"))?);
    }
    if let Some(level) = price(body.trail_price) {
        if order.kind != OrderKind::TrailingStop {
            return Err(Refusal::words(3, "Invalid trail price"));
        }
        let instrument = venue.engine.instrument(&leg.instrument).ok_or(Refusal::code(7))?;
        let trail = trail(venue, instrument, leg.side, level);
        change.trail = Some(trail.map_err(|_| Refusal::words(3, "Invalid trail price"))?);
    }
    match venue.engine.replace(&account, &id, &change, None, now) {
        Ok(_) => Ok(String::new()),
        Err(reject) => Err(Refusal::words(3, reject.to_string())),
    }
}

pub(super) fn cancel(venue: &mut TopstepxVenue, body: &CancelBody, now: DateTime<Utc>) -> Reply {
    let (index, seat) = venue.book.seat(body.account_id).ok_or(Refusal::code(1))?;
    if !seat.simulated {
        return Err(Refusal::words(6, "Live accounts cannot cancel orders"));
    }
    let account = seat.account.clone();
    let id = venue.book.order(index, body.order_id).ok_or(Refusal::code(2))?.clone();
    // What is over already is answered as what never was.
    match venue.engine.cancel(&account, &id, now) {
        Ok(_) => Ok(String::new()),
        Err(_) => Err(Refusal::code(2)),
    }
}

pub(super) fn close(venue: &mut TopstepxVenue, body: &CloseBody, now: DateTime<Utc>) -> Reply {
    reduce(venue, body.account_id, &body.contract_id, None, now)
}

pub(super) fn close_part(venue: &mut TopstepxVenue, body: &ClosePartBody, now: DateTime<Utc>) -> Reply {
    let size = contracts(body.size)?;
    reduce(venue, body.account_id, &body.contract_id, Some(size), now)
}

/// A market order of the other side, without a tag and without an answer that names it.
fn reduce(
    venue: &mut TopstepxVenue,
    account_id: i64,
    contract: &str,
    part: Option<Decimal>,
    now: DateTime<Utc>,
) -> Reply {
    let (_, seat) = venue.book.seat(account_id).ok_or(Refusal::code(1))?;
    let account = seat.account.clone();
    let id = venue.book.instrument(contract).ok_or(Refusal::code(3))?.clone();
    let position = venue
        .engine
        .position(&account, &id, PositionLeg::Net)
        .ok_or(Refusal::code(2))?;
    let size = part.unwrap_or(position.qty.get());
    // Codes of the two paths differ from here on.
    let (rejected, invalid) = if part.is_some() { (6, 5) } else { (5, 5) };
    if size <= Decimal::ZERO || size > position.qty.get() {
        return Err(Refusal::code(invalid));
    }
    if part.is_none() {
        let open = venue.engine.open_orders(&account).into_iter().flatten();
        let exits: Vec<_> = open
            .map(|order| order.order())
            .filter(|order| order.links.parent.is_some() && order.legs.iter().any(|leg| leg.instrument == id))
            .map(|order| order.id.clone())
            .collect();
        for exit in exits {
            // The first takes its sibling along.
            let _ = venue.engine.cancel(&account, &exit, now);
        }
    }
    let qty = Qty::new(size).map_err(|_| Refusal::code(invalid))?;
    let request = OrderRequest::market(position.symbol, position.side.opposite(), qty).with_instrument(id);
    match venue.engine.place(&account, &request, None, now) {
        Ok(_) => Ok(String::new()),
        Err(reject) => Err(Refusal::words(rejected, reject.to_string())),
    }
}
