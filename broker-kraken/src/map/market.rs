//! Quotes and candles.

use broker_core::model::{Candle, Interval};
use broker_core::num::Num;
use broker_core::{Error, InstrumentId, Price, Qty, Quote, Result, Symbol};

use crate::wire::{CandleJson, TickerJson};

pub(crate) fn quote((instrument, symbol): (InstrumentId, Symbol), wire: &TickerJson) -> Result<Quote> {
    let ((ask, _, ask_size), (bid, _, bid_size)) = (&wire.a, &wire.b);
    // A side that nobody quotes is written as zero.
    let price = |number: &Num| Some(number.0).filter(|price| !price.is_zero()).map(Price::new);
    let size =
        |price: &Option<Price>, number: &Num| -> Result<Option<Qty>> { price.map(|_| Qty::new(number.0)).transpose() };
    let (bid, ask) = (price(bid), price(ask));
    Ok(Quote {
        instrument,
        symbol,
        bid_size: size(&bid, bid_size)?,
        bid,
        ask_size: size(&ask, ask_size)?,
        ask,
        at: None,
    })
}

/// The last candle of an answer is not over.
pub(crate) fn candle(wire: &CandleJson, instrument: &InstrumentId, complete: bool) -> Candle {
    Candle {
        instrument: instrument.clone(),
        start: wire.0.0,
        open: wire.1.0.into(),
        high: wire.2.0.into(),
        low: wire.3.0.into(),
        close: wire.4.0.into(),
        volume: Some(wire.6.0),
        complete,
    }
}

/// Kraken's minutes for the length of a candle.
pub(crate) fn minutes(interval: Interval) -> Result<u32> {
    match interval {
        Interval::Minutes(n @ (1 | 5 | 15 | 30 | 60 | 240)) => Ok(n),
        Interval::Hours(1) => Ok(60),
        Interval::Hours(4) => Ok(240),
        Interval::Day | Interval::Hours(24) => Ok(1_440),
        Interval::Week => Ok(10_080),
        other => Err(Error::unsupported(format!(
            "Kraken has no candles of {other:?}: it has 1, 5, 15 and 30 minutes, 1 and 4 hours, days and weeks"
        ))),
    }
}
