//! Quotes, bars, sessions.

use broker_core::model::{Candle, Interval, Session};
use broker_core::num::Text;
use broker_core::{Error, InstrumentId, Price, Qty, Quote, Result, Symbol};
use chrono::{DateTime, Days, Months, NaiveDate, NaiveTime, TimeZone, Utc};
use chrono_tz::America::New_York;

use super::{is_option, names, pair};
use crate::snapshot::{MarketTrade, StockSnapshot};
use crate::wire::{BarJson, CalendarJson, Maybe, QuoteJson, SnapshotJson, TradeJson};

/// From this day on the sizes of share quotes are shares; before, round lots of a size that is not told.
const SHARE_SIZES_SINCE: NaiveDate = match NaiveDate::from_ymd_opt(2025, 11, 3) {
    Some(day) => day,
    None => NaiveDate::MAX,
};

pub(crate) fn quote(name: &str, wire: &QuoteJson) -> Result<Quote> {
    let at = wire.t.map(|stamp| stamp.0);
    let lots = pair(name).is_none() && !is_option(name) && at.is_some_and(|at| at.date_naive() < SHARE_SIZES_SINCE);
    let price = |price: Maybe| price.0.filter(|price| !price.is_zero()).map(Price::new);
    let size = |price: Option<Price>, size: Maybe| -> Result<Option<Qty>> {
        size.0.filter(|_| price.is_some() && !lots).map(Qty::new).transpose()
    };
    let (bid, ask) = (price(wire.bp), price(wire.ap));
    let (instrument, symbol) = names(name);
    Ok(Quote {
        instrument,
        symbol,
        bid,
        bid_size: size(bid, wire.bs)?,
        ask,
        ask_size: size(ask, wire.ask_size)?,
        at,
    })
}

pub(crate) fn candle(wire: &BarJson, instrument: &InstrumentId, interval: Interval, now: DateTime<Utc>) -> Candle {
    Candle {
        instrument: instrument.clone(),
        start: wire.t.0,
        open: wire.o.0.into(),
        high: wire.h.0.into(),
        low: wire.l.0.into(),
        close: wire.c.0.into(),
        volume: wire.v.map(|volume| volume.0),
        complete: end(wire.t.0, interval).is_some_and(|end| end <= now),
    }
}

pub(crate) fn snapshot(name: &str, wire: &SnapshotJson, now: DateTime<Utc>) -> Result<StockSnapshot> {
    let instrument = InstrumentId::from(name);
    let bar = |bar: &Option<BarJson>, interval| bar.as_ref().map(|bar| candle(bar, &instrument, interval, now));
    Ok(StockSnapshot {
        symbol: Symbol::from(name),
        trade: wire.latest_trade.as_ref().map(trade).transpose()?,
        quote: wire.latest_quote.as_ref().map(|one| quote(name, one)).transpose()?,
        minute: bar(&wire.minute_bar, Interval::Minutes(1)),
        day: bar(&wire.daily_bar, Interval::Day),
        previous_day: bar(&wire.prev_daily_bar, Interval::Day),
        instrument,
    })
}

fn trade(wire: &TradeJson) -> Result<MarketTrade> {
    Ok(MarketTrade {
        price: wire.p.0.into(),
        qty: Qty::new(wire.s.0)?,
        at: wire.t.0,
    })
}

/// Days and longer run from midnight to midnight in New York.
fn end(start: DateTime<Utc>, interval: Interval) -> Option<DateTime<Utc>> {
    if let Some(length) = interval.length() {
        return start.checked_add_signed(chrono::Duration::from_std(length).ok()?);
    }
    let local = start.with_timezone(&New_York).naive_local();
    let next = match interval {
        Interval::Week => local.checked_add_days(Days::new(7)),
        Interval::Month => local.checked_add_months(Months::new(1)),
        _ => local.checked_add_days(Days::new(1)),
    }?;
    Some(New_York.from_local_datetime(&next).latest()?.to_utc())
}

/// Alpaca's word for the length of a bar.
pub(crate) fn timeframe(interval: Interval) -> Result<String> {
    match interval {
        Interval::Minutes(n @ 1..=59) => Ok(format!("{n}Min")),
        Interval::Hours(n @ 1..=23) => Ok(format!("{n}Hour")),
        Interval::Day => Ok("1Day".to_owned()),
        Interval::Week => Ok("1Week".to_owned()),
        Interval::Month => Ok("1Month".to_owned()),
        other => Err(Error::unsupported(format!(
            "Alpaca has no bars of {other:?}: it has 1 to 59 minutes, 1 to 23 hours, days, weeks, months"
        ))),
    }
}

/// The sessions of one day: before the regular one, the regular one, after it. Options trade in the regular one only.
pub(crate) fn sessions(wire: &CalendarJson<'_>, extended: bool) -> Result<Vec<Session>> {
    let at = |clock: &Text<'_>| moment(wire.date.0, clock.get());
    let (opens_at, closes_at) = (at(&wire.open)?, at(&wire.close)?);
    let mut sessions = vec![Session {
        opens_at,
        closes_at,
        extended: false,
    }];
    if let Some(early) = wire.session_open.as_ref().filter(|_| extended) {
        sessions.insert(
            0,
            Session {
                opens_at: at(early)?,
                closes_at: opens_at,
                extended: true,
            },
        );
    }
    if let Some(late) = wire.session_close.as_ref().filter(|_| extended) {
        sessions.push(Session {
            opens_at: closes_at,
            closes_at: at(late)?,
            extended: true,
        });
    }
    Ok(sessions)
}

/// `09:30` or `0930` of a New York day. Sessions lie far from the hour that a change of the clocks skips or repeats.
fn moment(day: NaiveDate, clock: &str) -> Result<DateTime<Utc>> {
    let format = if clock.contains(':') { "%H:%M" } else { "%H%M" };
    NaiveTime::parse_from_str(clock, format)
        .ok()
        .and_then(|time| New_York.from_local_datetime(&day.and_time(time)).single())
        .map(|local| local.to_utc())
        .ok_or_else(|| Error::decode(format!("{clock:?} is not a time of {day}")))
}
