//! Contracts.

use broker_core::futures::{self, FuturesSpec};
use broker_core::model::{AssetClass, InstrumentStatus, Payoff, TickBand};
use broker_core::{Currency, Error, Instrument, Price, Qty, Result};
use rust_decimal::Decimal;

use super::names;
use crate::wire::ContractJson;

/// How contract ids begin; behind it stand the vendor's root and the month.
const PREFIX: &str = "CON.F.US.";

/// The product of a contract, by the table of specifications; `None` for one that the table does not know.
pub(crate) fn spec(id: &str) -> Option<&'static FuturesSpec> {
    futures::by_vendor_root(id.strip_prefix(PREFIX)?.split_once('.')?.0)
}

/// The id of a contract by its exchange root, for products of the table: their roots at the vendor are others.
pub(crate) fn id(contract: &broker_core::symbol::Contract) -> Option<String> {
    let spec = futures::by_root(&contract.root)?;
    let place = usize::try_from(contract.month).ok()?.checked_sub(1)?;
    let letter = broker_core::symbol::MONTH_LETTERS.chars().nth(place)?;
    let year = contract.year.rem_euclid(100);
    Some(format!("{PREFIX}{}.{letter}{year:02}", spec.vendor_root))
}

pub(crate) fn instrument(wire: &ContractJson<'_>) -> Result<Instrument> {
    let (id, symbol) = names(wire.id.get());
    let (tick, tick_value) = (wire.tick_size.0, wire.tick_value.0);
    Ok(Instrument {
        exchange: spec(wire.id.get()).map(|spec| spec.exchange.to_owned()),
        id,
        symbol,
        name: wire.description.as_ref().map(|text| text.get().to_owned()),
        asset_class: AssetClass::Future,
        currency: Currency::USD,
        base: None,
        payoff: Payoff::Margined,
        multiplier: Some(multiplier(tick, tick_value)?),
        ticks: vec![TickBand {
            from: Price::new(Decimal::ZERO),
            tick,
        }],
        lot: Some(Decimal::ONE),
        min_qty: Some(Qty::new(Decimal::ONE)?),
        max_qty: None,
        min_notional: None,
        pip_location: None,
        // Not told: the table's rule is an estimate, see `TopstepxBroker::roll`.
        expires_at: None,
        option: None,
        margin: None,
        status: match wire.active_contract {
            true => InstrumentStatus::Tradable,
            // Rolled or expired: orders for it are refused.
            false => InstrumentStatus::Other("inactive".into()),
        },
        shortable: Some(true),
    })
}

/// Dollars that a contract moves when the price moves by 1. Stated by the wire alone, and never rounded.
fn multiplier(tick: Decimal, tick_value: Decimal) -> Result<Decimal> {
    let positive = tick > Decimal::ZERO && tick_value > Decimal::ZERO;
    let quotient = tick_value.checked_div(tick).filter(|_| positive);
    quotient
        .map(|multiplier| multiplier.normalize())
        // A product of more places than there is room for is rounded, and a rounded third times three is one.
        .filter(|multiplier| multiplier.scale() + tick.normalize().scale() <= Decimal::MAX_SCALE)
        .filter(|multiplier| multiplier.checked_mul(tick.normalize()) == Some(tick_value))
        .ok_or_else(|| Error::decode(format!("a tick of {tick} worth {tick_value} gives no exact multiplier")))
}
