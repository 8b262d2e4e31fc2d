//! Instruments.

use broker_core::model::{AssetClass, InstrumentStatus, Margin, Payoff, TickBand};
use broker_core::{Currency, Error, Instrument, Price, Qty, Result};
use rust_decimal::Decimal;

use super::{names, pair, text};
use crate::wire::InstrumentJson;

pub(crate) fn instrument(wire: &InstrumentJson<'_>) -> Result<Instrument> {
    let name = wire.name.get();
    let (id, symbol) = names(name);
    let (_, quote) = name
        .split_once('_')
        .ok_or_else(|| Error::decode(format!("{name:?} names no currency of its price")))?;
    let rate = wire.margin_rate.map(|rate| rate.0);
    Ok(Instrument {
        id,
        symbol,
        name: text(&wire.display_name).map(str::to_owned),
        asset_class: asset_class(wire.kind.get()),
        exchange: None,
        currency: quote.parse()?,
        base: pair(name).and_then(|(base, _)| base.parse::<Currency>().ok()),
        payoff: Payoff::Margined,
        multiplier: Some(Decimal::ONE),
        ticks: vec![TickBand {
            from: Price::new(Decimal::ZERO),
            tick: step(i64::from(wire.display_precision), name)?,
        }],
        lot: Some(step(i64::from(wire.trade_units_precision), name)?),
        min_qty: Some(Qty::new(wire.minimum_trade_size.0)?),
        max_qty: wire.maximum_order_units.map(|units| Qty::new(units.0)).transpose()?,
        min_notional: None,
        pip_location: Some(wire.pip_location),
        expires_at: None,
        option: None,
        margin: rate.map(|rate| Margin {
            long_rate: Some(rate),
            short_rate: Some(rate),
            ..Margin::default()
        }),
        // What cannot be traded by the account is not listed.
        status: InstrumentStatus::Tradable,
        shortable: None,
    })
}

/// 10^-places.
fn step(places: i64, name: &str) -> Result<Decimal> {
    let bad = || Error::decode(format!("{name} has steps of {places} places"));
    let size = u32::try_from(places.unsigned_abs()).map_err(|_| bad())?;
    if places >= 0 {
        Decimal::try_from_i128_with_scale(1, size).map_err(|_| bad())
    } else {
        let whole = 10i128.checked_pow(size).ok_or_else(bad)?;
        Decimal::try_from_i128_with_scale(whole, 0).map_err(|_| bad())
    }
}

fn asset_class(word: &str) -> AssetClass {
    match word {
        "CURRENCY" => AssetClass::Forex,
        "CFD" => AssetClass::Cfd,
        "METAL" => AssetClass::Metal,
        other => AssetClass::Other(other.into()),
    }
}
