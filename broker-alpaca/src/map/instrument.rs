//! Assets and option contracts.

use broker_core::model::{
    AssetClass, ExerciseStyle, InstrumentStatus, Margin, OptionRight, OptionTerms, Payoff, TickBand,
};
use broker_core::num::Currency;
use broker_core::{Error, Instrument, InstrumentId, Price, Qty, Result, Symbol};
use rust_decimal::Decimal;

use super::{pair, symbol};
use crate::wire::{AssetJson, Maybe, OptionContractJson, filled};

/// A share or a coin pair. Funds are shares in Alpaca's words; which is which is not told.
pub(crate) fn asset(wire: &AssetJson<'_>) -> Result<Instrument> {
    let class = wire.asset_class.get();
    let name = symbol(wire.symbol.get(), Some(class));
    let (base, currency) = match pair(&name).filter(|_| class == "crypto") {
        Some((base, quote)) => (Some(base.parse()?), quote.parse()?),
        None => (None, Currency::USD),
    };
    let shares = class == "us_equity";
    Ok(Instrument {
        id: InstrumentId::from(&*name),
        symbol: Symbol::from(&*name),
        name: filled(&wire.name).map(str::to_owned),
        asset_class: match class {
            "us_equity" => AssetClass::Stock,
            "us_option" => AssetClass::Option,
            "crypto" => AssetClass::Crypto,
            other => AssetClass::Other(other.into()),
        },
        exchange: filled(&wire.exchange).map(str::to_owned),
        currency,
        base,
        payoff: Payoff::Cash,
        multiplier: (shares || class == "crypto").then_some(Decimal::ONE),
        ticks: if shares {
            equity_ticks()
        } else {
            one_tick(wire.price_increment)
        },
        lot: match wire.fractionable {
            _ if !shares => wire.min_trade_increment.0,
            Some(true) => Some(Decimal::new(1, FRACTION_PLACES)),
            Some(false) => Some(Decimal::ONE),
            None => None,
        },
        min_qty: wire.min_order_size.0.map(Qty::new).transpose()?,
        max_qty: None,
        min_notional: None,
        pip_location: None,
        expires_at: None,
        option: None,
        margin: margin(wire)?,
        status: status(wire.status.get(), wire.tradable),
        shortable: wire.shortable,
    })
}

/// Places of a fractional quantity.
const FRACTION_PLACES: u32 = 9;

/// Not in the API: prices from one dollar up have two places, those below four, else the order is refused.
fn equity_ticks() -> Vec<TickBand> {
    vec![
        TickBand {
            from: Price::new(Decimal::ZERO),
            tick: Decimal::new(1, 4),
        },
        TickBand {
            from: Price::new(Decimal::ONE),
            tick: Decimal::new(1, 2),
        },
    ]
}

fn one_tick(step: Maybe) -> Vec<TickBand> {
    let from = Price::new(Decimal::ZERO);
    step.0.map(|tick| TickBand { from, tick }).into_iter().collect()
}

/// Stated in percent.
fn margin(wire: &AssetJson<'_>) -> Result<Option<Margin>> {
    let long_rate = wire.margin_requirement_long.0.map(hundredth).transpose()?;
    let short_rate = wire.margin_requirement_short.0.map(hundredth).transpose()?;
    let stated = long_rate.is_some() || short_rate.is_some();
    Ok(stated.then(|| Margin {
        long_rate,
        short_rate,
        ..Margin::default()
    }))
}

/// By moving the point: a division would round what has no room.
fn hundredth(percent: Decimal) -> Result<Decimal> {
    let mut rate = percent.normalize();
    let places = rate.scale() + 2;
    rate.set_scale(places)
        .map_err(|error| Error::decode(format!("{percent} percent")).with_source(error))?;
    Ok(rate.normalize())
}

fn status(word: &str, tradable: bool) -> InstrumentStatus {
    match (word, tradable) {
        ("active", true) => InstrumentStatus::Tradable,
        ("active", false) => InstrumentStatus::Halted,
        ("inactive", _) => InstrumentStatus::Delisted,
        (other, _) => InstrumentStatus::Other(other.into()),
    }
}

/// An option. Its price step is not told, and its hour of expiry neither.
pub(crate) fn option_contract(wire: &OptionContractJson<'_>) -> Result<Instrument> {
    Ok(Instrument {
        id: InstrumentId::from(wire.symbol.get()),
        symbol: Symbol::from(wire.symbol.get()),
        name: filled(&wire.name).map(str::to_owned),
        asset_class: AssetClass::Option,
        exchange: None,
        currency: Currency::USD,
        base: None,
        payoff: Payoff::Cash,
        multiplier: wire.multiplier.0,
        ticks: Vec::new(),
        lot: Some(Decimal::ONE),
        min_qty: None,
        max_qty: None,
        min_notional: None,
        pip_location: None,
        expires_at: None,
        option: Some(OptionTerms {
            underlying: Symbol::from(wire.underlying_symbol.get()),
            right: match wire.right.get() {
                "call" => OptionRight::Call,
                "put" => OptionRight::Put,
                other => return Err(Error::decode(format!("{other:?} is neither call nor put"))),
            },
            strike: wire.strike_price.0.into(),
            expires_on: wire.expiration_date.0,
            style: match filled(&wire.style) {
                Some("american") => Some(ExerciseStyle::American),
                Some("european") => Some(ExerciseStyle::European),
                _ => None,
            },
        }),
        margin: None,
        status: status(wire.status.get(), wire.tradable),
        shortable: None,
    })
}
