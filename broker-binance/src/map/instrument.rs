//! Symbols and their filters.

use broker_core::model::{AssetClass, InstrumentStatus, Payoff, TickBand};
use broker_core::num::Num;
use broker_core::{Error, Instrument, InstrumentId, Money, Price, Qty, Result, Symbol};
use rust_decimal::Decimal;

use super::{Pair, currency};
use crate::wire::{FilterJson, SymbolJson};

pub(crate) fn instrument(wire: &SymbolJson<'_>) -> Result<Instrument> {
    let (base, quote) = (wire.base_asset.get(), wire.quote_asset.get());
    let currency_of_price = currency(quote)?;
    let filter = |kind: &str| wire.filters.iter().find(|filter| filter.filter_type.get() == kind);
    let lots = filter("LOT_SIZE");
    let size = |pick: fn(&FilterJson<'_>) -> Option<Num>| rule(lots, pick);
    let quantity = |value: Option<Decimal>| value.map(Qty::new).transpose();
    let tick = rule(filter("PRICE_FILTER"), |filter| filter.tick_size)?;
    let least = filter("NOTIONAL").or_else(|| filter("MIN_NOTIONAL"));
    let least = rule(least, |filter| filter.min_notional)?;
    Ok(Instrument {
        id: InstrumentId::from(wire.symbol.get()),
        symbol: Symbol::from(format!("{base}/{quote}")),
        name: None,
        asset_class: AssetClass::Crypto,
        exchange: Some("BINANCE".to_owned()),
        currency: currency_of_price,
        base: Some(currency(base)?),
        payoff: Payoff::Cash,
        multiplier: Some(Decimal::ONE),
        ticks: tick.map_or_else(Vec::new, |tick| {
            vec![TickBand {
                from: Price::new(Decimal::ZERO),
                tick,
            }]
        }),
        lot: size(|filter| filter.step_size)?,
        min_qty: quantity(size(|filter| filter.min_qty)?)?,
        max_qty: quantity(size(|filter| filter.max_qty)?)?,
        min_notional: least.map(|least| Money::new(least, currency_of_price)),
        pip_location: None,
        expires_at: None,
        option: None,
        margin: None,
        status: status(wire.status.get()),
        shortable: Some(false),
    })
}

pub(crate) fn pair(instrument: &Instrument, routed: bool) -> Pair {
    Pair {
        id: instrument.id.clone(),
        symbol: instrument.symbol.clone(),
        quote: Some(instrument.currency),
        routed,
    }
}

/// A rule of zero is switched off, and so is one whose filter is not there. A filter without its number is neither.
fn rule(filter: Option<&FilterJson<'_>>, pick: fn(&FilterJson<'_>) -> Option<Num>) -> Result<Option<Decimal>> {
    let Some(filter) = filter else { return Ok(None) };
    let rule = pick(filter).ok_or_else(|| {
        let kind = filter.filter_type.get();
        Error::decode(format!("a filter {kind} without its number"))
    })?;
    Ok(Some(rule.0).filter(|rule| !rule.is_zero()))
}

fn status(word: &str) -> InstrumentStatus {
    match word {
        "TRADING" => InstrumentStatus::Tradable,
        "HALT" | "BREAK" | "END_OF_DAY" => InstrumentStatus::Halted,
        other => InstrumentStatus::Other(other.into()),
    }
}
