//! Quotes and candles.

use broker_core::model::{Candle, Interval};
use broker_core::{Error, InstrumentId, Qty, Quote, Result};

use super::{names, price};
use crate::wire::{BucketJson, CandleJson, PriceJson};

/// The first level of each side. Where there is none, as over the weekend, the price at which positions are valued.
pub(crate) fn quote(wire: &PriceJson<'_>) -> Result<Quote> {
    let (instrument, symbol) = names(wire.instrument.get());
    let size = |levels: &[BucketJson]| {
        let first = levels.first().and_then(|level| level.liquidity);
        first.map(|size| Qty::new(size.0)).transpose()
    };
    let best = |levels: &[BucketJson]| levels.first().map(|level| level.price.0.into());
    Ok(Quote {
        instrument,
        symbol,
        bid: best(&wire.bids).or(price(wire.closeout_bid)),
        bid_size: size(&wire.bids)?,
        ask: best(&wire.asks).or(price(wire.closeout_ask)),
        ask_size: size(&wire.asks)?,
        at: Some(wire.time),
    })
}

pub(crate) fn candle(wire: &CandleJson, instrument: &InstrumentId) -> Result<Candle> {
    let prices = wire.mid.as_ref().or(wire.bid.as_ref()).or(wire.ask.as_ref());
    let prices = prices.ok_or_else(|| Error::decode("a candle without prices"))?;
    Ok(Candle {
        instrument: instrument.clone(),
        start: wire.time,
        open: prices.o.0.into(),
        high: prices.h.0.into(),
        low: prices.l.0.into(),
        close: prices.c.0.into(),
        // Ticks, not units.
        volume: Some(wire.volume.0),
        complete: wire.complete,
    })
}

/// OANDA's word for a length.
pub(crate) fn granularity(interval: Interval) -> Result<String> {
    let word = match interval {
        Interval::Seconds(n @ (5 | 10 | 15 | 30)) => format!("S{n}"),
        Interval::Seconds(60) => "M1".to_owned(),
        Interval::Minutes(n @ (1 | 2 | 4 | 5 | 10 | 15 | 30)) => format!("M{n}"),
        Interval::Minutes(60) => "H1".to_owned(),
        Interval::Hours(n @ (1 | 2 | 3 | 4 | 6 | 8 | 12)) => format!("H{n}"),
        Interval::Day | Interval::Hours(24) => "D".to_owned(),
        Interval::Week => "W".to_owned(),
        Interval::Month => "M".to_owned(),
        other => return Err(Error::unsupported(format!("OANDA has no candles of {other:?}"))),
    };
    Ok(word)
}
