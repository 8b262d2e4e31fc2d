//! Quotes and candles.

use broker_core::model::{Candle, CandleQuery, Interval};
use broker_core::{Error, Price, Qty, Quote, Result};
use rust_decimal::Decimal;

use super::{Pair, at};
use crate::wire::{BookTickerJson, KlineJson};

/// A side that nobody quotes is written as zero.
pub(crate) fn quote(wire: &BookTickerJson<'_>, pair: &Pair) -> Result<Quote> {
    let side = |price: Decimal, qty: Decimal| -> Result<_> {
        Ok(match price.is_zero() {
            true => (None, None),
            false => (Some(Price::new(price)), Some(Qty::new(qty)?)),
        })
    };
    let (bid, bid_size) = side(wire.bid_price.0, wire.bid_qty.0)?;
    let (ask, ask_size) = side(wire.ask_price.0, wire.ask_qty.0)?;
    Ok(Quote {
        instrument: pair.id.clone(),
        symbol: pair.symbol.clone(),
        bid,
        bid_size,
        ask,
        ask_size,
        at: None,
    })
}

/// The last one may not be over yet, seen from Binance's own time.
pub(crate) fn candle(wire: &KlineJson, query: &CandleQuery, now_ms: i64) -> Result<Candle> {
    let KlineJson(opens, open, high, low, close, volume, closes, ..) = wire;
    Ok(Candle {
        instrument: query.instrument.clone(),
        start: at(*opens)?,
        open: Price::new(open.0),
        high: Price::new(high.0),
        low: Price::new(low.0),
        close: Price::new(close.0),
        volume: Some(volume.0),
        complete: *closes < now_ms,
    })
}

pub(crate) fn interval(interval: Interval) -> Result<&'static str> {
    Ok(match interval {
        Interval::Seconds(1) => "1s",
        Interval::Minutes(1) | Interval::Seconds(60) => "1m",
        Interval::Minutes(3) => "3m",
        Interval::Minutes(5) => "5m",
        Interval::Minutes(15) => "15m",
        Interval::Minutes(30) => "30m",
        Interval::Hours(1) | Interval::Minutes(60) => "1h",
        Interval::Hours(2) => "2h",
        Interval::Hours(4) => "4h",
        Interval::Hours(6) => "6h",
        Interval::Hours(8) => "8h",
        Interval::Hours(12) => "12h",
        Interval::Day => "1d",
        Interval::Week => "1w",
        Interval::Month => "1M",
        other => return Err(Error::unsupported(format!("candles of {other:?}"))),
    })
}
