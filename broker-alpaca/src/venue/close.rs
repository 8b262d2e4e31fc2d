//! `DELETE /v2/positions` and `DELETE /v2/positions/{symbol_or_asset_id}`: closing positions at the market.

use broker_core::model::{AssetClass, PositionEffect};
use broker_core::{Instrument, OrderRequest, Position, Qty, TimeInForce};
use broker_sim::wire::{WireAnswer, WireRequest};
use rust_decimal::Decimal;

use super::ids::slashless;
use super::json::{Object, array};
use super::params::Params;
use super::place::{self, Floor};
use super::refusal::{Refusal, Reply};
use super::shapes;

/// Most decimal places of a quantity.
const MOST_PLACES: u32 = 9;

/// `DELETE /v2/positions`: one entry a position, each with the order that closes it or the reason why there is none.
pub(super) fn all(floor: &mut Floor<'_>, request: &WireRequest) -> Reply {
    let cancels = Params::of(request, &["cancel_orders"])?.flag("cancel_orders")?;
    if cancels {
        let asked = floor.engine.cancel_all(floor.account, floor.now);
        asked.map_err(|reject| place::refusal(&reject, None))?;
    }
    let mut rows = Vec::new();
    for (position, instrument) in positions(floor)? {
        let qty = free_of_fees(floor, &position, &instrument);
        let (status, body) = match close(floor, &position, &instrument, qty) {
            Ok(order) => (200, order),
            Err(refusal) => (refusal.status(), refusal.body()),
        };
        let row = Object::new()
            .text("symbol", &spelled(&instrument))
            .raw("status", &status.to_string())
            .raw("body", &body);
        rows.push(row.end());
    }
    Ok(WireAnswer::json(207, array(rows)))
}

/// `DELETE /v2/positions/{symbol_or_asset_id}`: all of it, a quantity, or a percentage. The answer is the order.
pub(super) fn one(floor: &mut Floor<'_>, request: &WireRequest, name: &str) -> Reply {
    let params = Params::of(request, &["qty", "percentage"])?;
    let (qty, percentage) = (params.decimal("qty")?, params.decimal("percentage")?);
    let found = positions(floor)?.into_iter().find(|(_, instrument)| {
        let symbol = instrument.symbol.get();
        symbol == name || slashless(symbol) == name || shapes::asset_id(instrument) == name
    });
    let (position, instrument) = found.ok_or_else(|| Refusal::not_found("position does not exist"))?;
    let qty = match (qty, percentage) {
        (Some(_), Some(_)) => {
            return Err(Refusal::invalid("only one of qty or percentage is accepted"));
        }
        (Some(qty), None) => within_places(qty, "qty")?,
        (None, Some(percentage)) => share(&position, &instrument, percentage)?,
        (None, None) => free_of_fees(floor, &position, &instrument),
    };
    close(floor, &position, &instrument, qty).map(|order| WireAnswer::json(200, order))
}

/// What Alpaca lists of the account's positions, by symbol.
fn positions(floor: &Floor<'_>) -> Result<Vec<(Position, Instrument)>, Refusal> {
    let positions = floor.engine.positions(floor.account);
    let positions = positions.map_err(|reject| place::refusal(&reject, None))?;
    let mut listed: Vec<_> = positions
        .into_iter()
        .filter_map(|position| {
            let instrument = floor.engine.instrument(&position.instrument)?;
            shapes::class(instrument)?;
            Some((position, instrument.clone()))
        })
        .collect();
    listed.sort_by(|(one, _), (other, _)| one.symbol.cmp(&other.symbol));
    Ok(listed)
}

/// Positions spell a coin pair without its slash.
fn spelled(instrument: &Instrument) -> String {
    match instrument.asset_class {
        AssetClass::Crypto => slashless(instrument.symbol.get()),
        _ => instrument.symbol.get().to_owned(),
    }
}

/// All of a position. Of a coin, what its fees will take is not sold; what orders hold is asked for, and refused.
fn free_of_fees(floor: &Floor<'_>, position: &Position, instrument: &Instrument) -> Decimal {
    let held_by_orders = floor.engine.open_orders(floor.account).is_ok_and(|mut open| {
        open.any(|order| {
            let legs = &order.order().legs;
            legs.iter()
                .any(|leg| leg.instrument == instrument.id && leg.side != position.side)
        })
    });
    match position.available {
        Some(available) if instrument.asset_class == AssetClass::Crypto && !held_by_orders => available.get(),
        _ => position.qty.get(),
    }
}

fn within_places(qty: Decimal, name: &str) -> Result<Decimal, Refusal> {
    if qty <= Decimal::ZERO {
        return Err(Refusal::invalid(format!("{name} must be > 0")));
    }
    if qty.normalize().scale() > MOST_PLACES {
        return Err(Refusal::invalid(format!(
            "{name} can take up to {MOST_PLACES} decimal points"
        )));
    }
    Ok(qty)
}

/// A percentage of a position: whole units of a whole position, else up to nine decimals on the grid of its lots.
fn share(position: &Position, instrument: &Instrument, percentage: Decimal) -> Result<Decimal, Refusal> {
    let percentage = within_places(percentage, "percentage")?;
    if percentage > Decimal::ONE_HUNDRED {
        return Err(Refusal::invalid("percentage must be between 0 and 100"));
    }
    let whole = position.qty.get();
    let part = whole * percentage / Decimal::ONE_HUNDRED;
    let part = if whole.fract().is_zero() && instrument.asset_class != AssetClass::Crypto {
        part.trunc()
    } else {
        part.trunc_with_scale(MOST_PLACES)
    };
    let lot = instrument.lot.filter(|lot| !lot.is_zero());
    let part = lot.map_or(part, |lot| part - part % lot);
    if part.is_zero() {
        return Err(Refusal::invalid("qty must be > 0"));
    }
    Ok(part)
}

/// Sells what is long and buys what is short; the order, rendered.
fn close(floor: &mut Floor<'_>, position: &Position, instrument: &Instrument, qty: Decimal) -> Result<String, Refusal> {
    let qty = Qty::new(qty).map_err(|_| Refusal::invalid("qty must be > 0"))?;
    let crypto = instrument.asset_class == AssetClass::Crypto;
    let tif = if crypto { TimeInForce::Gtc } else { TimeInForce::Day };
    let order = OrderRequest::market(instrument.symbol.clone(), position.side.opposite(), qty)
        .with_instrument(instrument.id.clone())
        .with_time_in_force(tif);
    let order = if crypto {
        order
    } else {
        order.with_effect(PositionEffect::Close)
    };
    floor.submit(&order, instrument)
}
