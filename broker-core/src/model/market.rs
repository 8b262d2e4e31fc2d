//! Market data: quotes, candles, trading hours.

use std::time::Duration;

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;

use crate::id::{InstrumentId, Symbol};
use crate::num::{Price, Qty};

/// Best bid and ask. A side that nobody quotes is `None`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quote {
    /// The instrument.
    pub instrument: InstrumentId,
    /// What people call it.
    pub symbol: Symbol,
    /// Best bid.
    pub bid: Option<Price>,
    /// Size of the best bid, in units of the instrument.
    pub bid_size: Option<Qty>,
    /// Best ask.
    pub ask: Option<Price>,
    /// Size of the best ask, in units of the instrument.
    pub ask_size: Option<Qty>,
    /// Time of the quote; `None` where the venue gives none.
    pub at: Option<DateTime<Utc>>,
}

/// Prices over an interval.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candle {
    /// The instrument.
    pub instrument: InstrumentId,
    /// Start of the interval, UTC.
    pub start: DateTime<Utc>,
    /// First price.
    pub open: Price,
    /// Highest price.
    pub high: Price,
    /// Lowest price.
    pub low: Price,
    /// Last price.
    pub close: Price,
    /// Units traded; for venues that count ticks instead, ticks.
    pub volume: Option<Decimal>,
    /// Whether the interval is over.
    pub complete: bool,
}

/// Length of a candle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Interval {
    /// This many seconds.
    Seconds(u32),
    /// This many minutes.
    Minutes(u32),
    /// This many hours.
    Hours(u32),
    /// A day of the venue.
    Day,
    /// A week of the venue.
    Week,
    /// A calendar month.
    Month,
}

impl Interval {
    /// Its length, where it has a fixed one.
    pub fn length(self) -> Option<Duration> {
        match self {
            Self::Seconds(n) => Some(Duration::from_secs(n.into())),
            Self::Minutes(n) => Some(Duration::from_secs(u64::from(n) * 60)),
            Self::Hours(n) => Some(Duration::from_secs(u64::from(n) * 3600)),
            Self::Day | Self::Week | Self::Month => None,
        }
    }
}

/// Which candles. `since` is inclusive, `until` exclusive, both by the start of the candle.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CandleQuery {
    /// The instrument.
    pub instrument: InstrumentId,
    /// Length of a candle.
    pub interval: Interval,
    /// First start.
    pub since: DateTime<Utc>,
    /// Border of the last start.
    pub until: DateTime<Utc>,
}

impl CandleQuery {
    /// Candles of an instrument that start in `since..until`.
    pub fn new(instrument: InstrumentId, interval: Interval, since: DateTime<Utc>, until: DateTime<Utc>) -> Self {
        Self {
            instrument,
            interval,
            since,
            until,
        }
    }
}

/// One session of a venue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Session {
    /// When it opens.
    pub opens_at: DateTime<Utc>,
    /// When it closes.
    pub closes_at: DateTime<Utc>,
    /// Whether it is outside the regular session.
    pub extended: bool,
}

/// When an instrument trades.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Hours {
    /// Never closes.
    AlwaysOpen,
    /// Open in these sessions, in order, as far as asked.
    Sessions(Vec<Session>),
    /// The venue does not publish them.
    Unknown,
}

impl Hours {
    /// Whether the regular session is open; `None` when unknown.
    pub fn is_open(&self, at: DateTime<Utc>) -> Option<bool> {
        match self {
            Self::AlwaysOpen => Some(true),
            Self::Sessions(sessions) => Some(
                sessions
                    .iter()
                    .any(|session| !session.extended && (session.opens_at..session.closes_at).contains(&at)),
            ),
            Self::Unknown => None,
        }
    }
}
