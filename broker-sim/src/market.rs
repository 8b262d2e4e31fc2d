//! The market of one instrument: a quote, a seeded walk, candles.

use std::collections::{BTreeMap, BTreeSet};

use broker_core::model::{Candle, Interval, Quote};
use broker_core::seam::{Rng, SeededRng};
use broker_core::{Price, Qty, Side};
use chrono::{DateTime, Duration, Months, NaiveTime, TimeZone, Utc};
use rust_decimal::Decimal;

use crate::catalogue::Listing;

/// Prices of one minute.
#[derive(Debug, Clone, Copy)]
struct Bar {
    open: Decimal,
    high: Decimal,
    low: Decimal,
    close: Decimal,
    volume: Decimal,
}

/// The market of one instrument.
#[derive(Debug)]
pub(crate) struct Market {
    pub(crate) listing: Listing,
    pub(crate) bid: Option<Decimal>,
    pub(crate) ask: Option<Decimal>,
    pub(crate) bid_size: Decimal,
    pub(crate) ask_size: Decimal,
    pub(crate) at: DateTime<Utc>,
    /// Set by hand: does not walk.
    pub(crate) pinned: bool,
    pub(crate) halted: bool,
    /// Quotes of it are told as events.
    pub(crate) watched: bool,
    /// Orders that can still trade here, by age.
    pub(crate) open: BTreeSet<usize>,
    last: Decimal,
    bars: BTreeMap<i64, Bar>,
}

impl Market {
    pub(crate) fn new(listing: Listing, at: DateTime<Utc>) -> Self {
        let mut market = Self {
            bid: None,
            ask: None,
            bid_size: listing.size,
            ask_size: listing.size,
            at,
            pinned: false,
            halted: false,
            watched: false,
            open: BTreeSet::new(),
            last: listing.start,
            bars: BTreeMap::new(),
            listing,
        };
        let spread = market.ticks(market.listing.start, market.listing.spread.into());
        market.bid = Some(market.listing.start);
        market.ask = Some(market.listing.start + spread);
        market.print(Decimal::ZERO);
        market
    }

    /// The tick at a price; an instrument without ticks moves in 0.01.
    pub(crate) fn tick(&self, price: Decimal) -> Decimal {
        self.listing
            .instrument
            .tick_at(Price::new(price))
            .filter(|tick| *tick > Decimal::ZERO)
            .unwrap_or(Decimal::new(1, 2))
    }

    fn ticks(&self, price: Decimal, count: i64) -> Decimal {
        self.tick(price) * Decimal::from(count)
    }

    /// What a buyer pays or a seller gets at once.
    pub(crate) fn price_for(&self, side: Side) -> Option<Decimal> {
        match side {
            Side::Buy => self.ask,
            Side::Sell => self.bid,
        }
    }

    /// How much a buyer or a seller can trade at once.
    pub(crate) fn size_for(&self, side: Side) -> Decimal {
        match side {
            Side::Buy => self.ask_size,
            Side::Sell => self.bid_size,
        }
    }

    /// Takes a fill out of the displayed size, and into the candles.
    pub(crate) fn take(&mut self, side: Side, qty: Decimal, price: Decimal, at: DateTime<Utc>) {
        match side {
            Side::Buy => self.ask_size = (self.ask_size - qty).max(Decimal::ZERO),
            Side::Sell => self.bid_size = (self.bid_size - qty).max(Decimal::ZERO),
        }
        self.last = price;
        self.at = at;
        self.print(qty);
    }

    /// What positions are valued at: the middle, or what is known of it.
    pub(crate) fn mark(&self) -> Decimal {
        match (self.bid, self.ask) {
            (Some(bid), Some(ask)) => (bid + ask) * Decimal::new(5, 1),
            (Some(price), None) | (None, Some(price)) => price,
            (None, None) => self.last,
        }
    }

    /// A new quote.
    pub(crate) fn set(
        &mut self,
        bid: Option<Decimal>,
        ask: Option<Decimal>,
        sizes: (Decimal, Decimal),
        at: DateTime<Utc>,
    ) {
        (self.bid, self.ask) = (bid, ask);
        (self.bid_size, self.ask_size) = sizes;
        self.at = at;
        if let Some(price) = bid.or(ask) {
            self.last = price;
        }
        self.print(Decimal::ZERO);
    }

    /// One step of the walk, and fresh sizes.
    pub(crate) fn walk(&mut self, rng: &SeededRng, at: DateTime<Utc>) {
        let from = self.bid.unwrap_or(self.last);
        let reach = i64::from(self.listing.step);
        let drawn = rng.below(self.listing.step.saturating_mul(2).saturating_add(1).into());
        let steps = i64::try_from(drawn).unwrap_or(reach) - reach;
        let tick = self.tick(from);
        let moved = (from + tick * Decimal::from(steps)).max(tick);
        // A step across a border of tick bands lands on the coarser grid.
        let bid = moved - moved % self.tick(moved);
        let ask = bid + self.ticks(bid, self.listing.spread.into());
        let ask = ask - ask % self.tick(ask);
        let sizes = (self.fresh_size(rng), self.fresh_size(rng));
        self.set(Some(bid), Some(ask.max(bid + self.tick(bid))), sizes, at);
    }

    /// Between a half and one and a half of the listing's size.
    fn fresh_size(&self, rng: &SeededRng) -> Decimal {
        let share = Decimal::new(i64::try_from(50 + rng.below(101)).unwrap_or(100), 2);
        let lot = self.listing.instrument.lot.filter(|lot| *lot > Decimal::ZERO);
        let size = self.listing.size * share;
        let size = lot.map_or(size, |lot| size - size % lot);
        size.max(lot.unwrap_or(Decimal::ONE))
    }

    fn print(&mut self, volume: Decimal) {
        let price = self.last;
        let bar = self.bars.entry(self.at.timestamp().div_euclid(60)).or_insert(Bar {
            open: price,
            high: price,
            low: price,
            close: price,
            volume: Decimal::ZERO,
        });
        bar.high = bar.high.max(price);
        bar.low = bar.low.min(price);
        bar.close = price;
        bar.volume += volume;
    }

    pub(crate) fn quote(&self) -> Quote {
        let size = |price: Option<Decimal>, size: Decimal| price.and_then(|_| Qty::new(size).ok());
        Quote {
            instrument: self.listing.instrument.id.clone(),
            symbol: self.listing.instrument.symbol.clone(),
            bid: self.bid.map(Price::new),
            bid_size: size(self.bid, self.bid_size),
            ask: self.ask.map(Price::new),
            ask_size: size(self.ask, self.ask_size),
            at: Some(self.at),
        }
    }

    /// Candles that start in `since..until`. An interval below a minute has the minute's candle.
    pub(crate) fn candles(
        &self,
        interval: Interval,
        since: DateTime<Utc>,
        until: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> Vec<Candle> {
        let mut out: Vec<Candle> = Vec::new();
        let first = start_of(interval, since).unwrap_or(since).timestamp().div_euclid(60);
        for (minute, bar) in self.bars.range(first..) {
            let Some(at) = Utc.timestamp_opt(minute * 60, 0).single() else {
                continue;
            };
            if at >= until {
                break;
            }
            let Some(start) = start_of(interval, at) else { continue };
            if start < since {
                continue;
            }
            match out.last_mut() {
                Some(candle) if candle.start == start => {
                    candle.high = candle.high.max(Price::new(bar.high));
                    candle.low = candle.low.min(Price::new(bar.low));
                    candle.close = Price::new(bar.close);
                    candle.volume = candle.volume.map(|volume| volume + bar.volume);
                }
                _ => out.push(Candle {
                    instrument: self.listing.instrument.id.clone(),
                    start,
                    open: Price::new(bar.open),
                    high: Price::new(bar.high),
                    low: Price::new(bar.low),
                    close: Price::new(bar.close),
                    volume: Some(bar.volume),
                    complete: end_of(interval, start).is_none_or(|end| end <= now),
                }),
            }
        }
        out
    }
}

/// The start of the candle that holds a moment. Days, weeks (from Monday) and months are those of UTC.
fn start_of(interval: Interval, at: DateTime<Utc>) -> Option<DateTime<Utc>> {
    use chrono::Datelike;
    let midnight = at.date_naive().and_time(NaiveTime::MIN).and_utc();
    match interval {
        Interval::Day => Some(midnight),
        Interval::Week => Some(midnight - Duration::days(at.weekday().num_days_from_monday().into())),
        Interval::Month => Some(midnight - Duration::days(i64::from(at.day()) - 1)),
        other => {
            let seconds = i64::try_from(other.length()?.as_secs().max(60)).ok()?;
            let start = at.timestamp().div_euclid(seconds) * seconds;
            Utc.timestamp_opt(start, 0).single()
        }
    }
}

fn end_of(interval: Interval, start: DateTime<Utc>) -> Option<DateTime<Utc>> {
    match interval {
        Interval::Day => Some(start + Duration::days(1)),
        Interval::Week => Some(start + Duration::days(7)),
        Interval::Month => start.checked_add_months(Months::new(1)),
        other => Some(start + Duration::seconds(i64::try_from(other.length()?.as_secs().max(60)).ok()?)),
    }
}
