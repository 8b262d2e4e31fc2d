//! The data host: latest quotes and bars. Numbers are JSON numbers here, each from its exact text.

use std::collections::BTreeMap;

use broker_core::model::{AssetClass, Candle, Interval, Quote};
use broker_core::{Instrument, InstrumentId};
use broker_sim::Engine;
use broker_sim::wire::{WireAnswer, WireRequest};
use chrono::{DateTime, Datelike, Days, Duration, NaiveDate, TimeZone, Timelike, Utc};
use chrono_tz::America::New_York;
use rust_decimal::Decimal;

use super::ids::{from_token, is_pair, to_token};
use super::json::{Object, array, stamp};
use super::params::{Params, local_date, midnight};
use super::refusal::{Refusal, Reply};
use super::shapes;

/// The three families of paths.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    Stocks,
    Crypto,
    Options,
}

impl Family {
    pub(super) fn class(self) -> &'static str {
        match self {
            Self::Stocks => "us_equity",
            Self::Crypto => "crypto",
            Self::Options => "us_option",
        }
    }

    /// Names of parameters that only this family has, for quotes and for bars.
    fn extra(self, bars: bool) -> &'static [&'static str] {
        match (self, bars) {
            (Self::Stocks, true) => &["feed", "currency", "adjustment", "asof"],
            (Self::Stocks, false) => &["feed", "currency"],
            (Self::Options, false) => &["feed"],
            (Self::Options, true) | (Self::Crypto, _) => &[],
        }
    }

    fn feeds(self, bars: bool) -> &'static [&'static str] {
        match (self, bars) {
            (Self::Stocks, true) => &["sip", "iex", "otc", "boats"],
            (Self::Stocks, false) => &["sip", "iex", "delayed_sip", "boats", "overnight", "otc"],
            (Self::Options, _) => &["opra", "indicative"],
            (Self::Crypto, _) => &[],
        }
    }
}

/// Latest quotes by symbol; a symbol without a quote is left out.
pub(super) fn quotes(engine: &Engine, family: Family, request: &WireRequest) -> Reply {
    let known: Vec<&str> = ["symbols"].iter().chain(family.extra(false)).copied().collect();
    let params = Params::of(request, &known)?;
    check_words(family, &params, false)?;
    let mut quotes = Object::new();
    for instrument in asked(engine, family, &params)?.values() {
        if let Some(quote) = engine.quote(&instrument.id) {
            quotes = quotes.raw(
                instrument.symbol.get(),
                &with_quote(Object::new(), family, instrument, &quote).end(),
            );
        }
    }
    Ok(WireAnswer::json(200, Object::new().raw("quotes", &quotes.end()).end()))
}

fn check_words(family: Family, params: &Params<'_>, bars: bool) -> Result<(), Refusal> {
    params.word("feed", family.feeds(bars))?;
    params.word("adjustment", &["raw", "split", "dividend", "spin-off", "all"])?;
    params.word("currency", &["USD"])?;
    params.date("asof")?;
    Ok(())
}

/// The instruments asked for, by symbol. One that is not listed is left out, as one without data is; a coin pair
/// without its slash is an error.
fn asked<'a>(
    engine: &'a Engine,
    family: Family,
    params: &Params<'_>,
) -> Result<BTreeMap<&'a str, &'a Instrument>, Refusal> {
    params.needed("symbols")?;
    let mut found = BTreeMap::new();
    for symbol in params.list("symbols")?.unwrap_or_default() {
        if (family == Family::Crypto) != is_pair(symbol) {
            return Err(Refusal::malformed(format!("invalid symbol: {symbol}")));
        }
        let instrument = engine.instrument(&InstrumentId::from(symbol));
        if let Some(instrument) = instrument.filter(|known| shapes::class(known) == Some(family.class())) {
            found.insert(instrument.symbol.get(), instrument);
        }
    }
    Ok(found)
}

/// A quote as the market data streams tell it.
pub(super) fn streamed_quote(family: Family, instrument: &Instrument, quote: &Quote) -> String {
    let object = Object::new().text("T", "q").text("S", instrument.symbol.get());
    with_quote(object, family, instrument, quote).end()
}

/// Adds a quote. A side that nobody quotes has the price 0. Sizes of shares and contracts are whole.
fn with_quote(object: Object, family: Family, instrument: &Instrument, quote: &Quote) -> Object {
    let price = |price: Option<broker_core::Price>| price.map(|price| price.get()).unwrap_or_default();
    let size = |size: Option<broker_core::Qty>| {
        let size = size.map(|size| size.get()).unwrap_or_default();
        if family == Family::Crypto { size } else { size.trunc() }
    };
    let object = object
        .stamp("t", quote.at.unwrap_or_default())
        .number("bp", price(quote.bid))
        .number("bs", size(quote.bid_size))
        .number("ap", price(quote.ask))
        .number("as", size(quote.ask_size));
    match family {
        Family::Crypto => object,
        Family::Options => object.text("bx", "N").text("ax", "N").text("c", "A"),
        Family::Stocks => object
            .text("bx", "V")
            .text("ax", "V")
            .raw("c", r#"["R"]"#)
            .text("z", tape(instrument)),
    }
}

/// The tape that the listing exchange reports to.
fn tape(instrument: &Instrument) -> &'static str {
    match instrument.exchange.as_deref() {
        Some("NYSE") => "A",
        Some("NASDAQ") => "C",
        _ => "B",
    }
}

/// Bars by symbol. The limit counts bars over all symbols, so a symbol can go on in the next page. `start` and `end`
/// are inclusive. A bar's volume is the engine's; `n` counts the minutes that it is made of and `vw` weighs their
/// middle prices, for the engine keeps no single trades.
pub(super) fn bars(engine: &Engine, family: Family, request: &WireRequest, now: DateTime<Utc>) -> Reply {
    let known = ["symbols", "timeframe", "start", "end", "limit", "page_token", "sort"];
    let known: Vec<&str> = known.iter().chain(family.extra(true)).copied().collect();
    let params = Params::of(request, &known)?;
    check_words(family, &params, true)?;
    let instruments = asked(engine, family, &params)?;
    let word = params.needed("timeframe")?;
    let frame = Frame::of(word).ok_or_else(|| Refusal::malformed(format!("invalid timeframe: {word:?}")))?;
    let start = params
        .time("start")?
        .or_else(|| midnight(local_date(now)))
        .unwrap_or(now);
    let end = params.time("end")?.unwrap_or(now);
    if end < start {
        return Err(Refusal::malformed("end should not be before start"));
    }
    let limit = params.count("limit", 1_000, 10_000)?;
    let descending = params.word("sort", &["asc", "desc"])? == Some("desc");
    let behind = params
        .get("page_token")
        .map(|token| Place::read(token, word))
        .transpose()?;
    let mut page = Page::new(limit);
    for (symbol, instrument) in &instruments {
        if behind.as_ref().is_some_and(|behind| *symbol < behind.symbol.as_str()) {
            continue;
        }
        let mut bars = frame.bars(engine, instrument, start, end);
        if descending {
            bars.reverse();
        }
        if let Some(behind) = behind.as_ref().filter(|behind| behind.symbol == *symbol) {
            bars.retain(|bar| {
                if descending {
                    bar.start < behind.at
                } else {
                    bar.start > behind.at
                }
            });
        }
        page.take(symbol, &bars);
    }
    Ok(WireAnswer::json(200, page.end(word)))
}

/// A page that fills up.
struct Page {
    room: usize,
    bars: Object,
    /// The last bar taken.
    last: Option<(String, DateTime<Utc>)>,
    /// Whether something found no room.
    more: bool,
}

impl Page {
    fn new(limit: usize) -> Self {
        Self {
            room: limit,
            bars: Object::new(),
            last: None,
            more: false,
        }
    }

    fn take(&mut self, symbol: &str, bars: &[Bar]) {
        let taken = &bars[..self.room.min(bars.len())];
        self.room -= taken.len();
        self.more |= taken.len() < bars.len();
        let Some(last) = taken.last() else {
            return;
        };
        self.last = Some((symbol.to_owned(), last.start));
        let so_far = std::mem::replace(&mut self.bars, Object::new());
        self.bars = so_far.raw(symbol, &array(taken.iter().map(Bar::render)));
    }

    fn end(self, frame: &str) -> String {
        let token = self
            .last
            .filter(|_| self.more)
            .map(|(symbol, at)| to_token(&format!("{symbol}|{frame}|{}", stamp(at))));
        Object::new()
            .raw("bars", &self.bars.end())
            .text_or_null("next_page_token", token.as_deref())
            .end()
    }
}

/// Where a page ended.
struct Place {
    symbol: String,
    at: DateTime<Utc>,
}

impl Place {
    fn read(token: &str, frame: &str) -> Result<Self, Refusal> {
        let text = from_token(token)?;
        let mut parts = text.split('|');
        let place = (parts.next(), parts.next(), parts.next().and_then(|at| at.parse().ok()));
        match place {
            (Some(symbol), Some(of), Some(at)) if of == frame => Ok(Self {
                symbol: symbol.to_owned(),
                at,
            }),
            _ => Err(Refusal::malformed("invalid page_token")),
        }
    }
}

/// Length of a bar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Frame {
    Minutes(u32),
    Hours(u32),
    Day,
    Week,
    Months(u32),
}

impl Frame {
    fn of(word: &str) -> Option<Self> {
        let digits = word.len() - word.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (count, unit) = word.split_at(digits);
        let count: u32 = count.parse().ok()?;
        match (unit, count) {
            ("Min" | "T", 1..=59) => Some(Self::Minutes(count)),
            ("Hour" | "H", 1..=23) => Some(Self::Hours(count)),
            ("Day" | "D", 1) => Some(Self::Day),
            ("Week" | "W", 1) => Some(Self::Week),
            ("Month" | "M", 1 | 2 | 3 | 4 | 6 | 12) => Some(Self::Months(count)),
            _ => None,
        }
    }

    /// Start of the bar that holds a moment. Days and longer bars start at midnight in New York; shorter ones count
    /// from it.
    fn start_of(self, at: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let date = local_date(at);
        match self {
            Self::Minutes(count) => within_day(at, count),
            Self::Hours(count) => within_day(at, count * 60),
            Self::Day => midnight(date),
            Self::Week => midnight(date.checked_sub_days(Days::new(date.weekday().num_days_from_monday().into()))?),
            Self::Months(count) => midnight(NaiveDate::from_ymd_opt(
                date.year(),
                date.month0() / count * count + 1,
                1,
            )?),
        }
    }

    /// Bars that start in `start..=end`, from the engine's minutes.
    fn bars(self, engine: &Engine, instrument: &Instrument, start: DateTime<Utc>, end: DateTime<Utc>) -> Vec<Bar> {
        // A bar that starts by `end` goes on behind it, up to a year.
        let last = end
            + if matches!(self, Self::Months(_)) {
                Duration::days(366)
            } else {
                Duration::days(8)
            };
        let minutes = engine
            .candles(&instrument.id, Interval::Minutes(1), start, last)
            .unwrap_or_default();
        let whole = instrument.asset_class != AssetClass::Crypto;
        let mut bars: Vec<Bar> = Vec::new();
        for minute in &minutes {
            let Some(at) = self.start_of(minute.start).filter(|at| start <= *at && *at <= end) else {
                continue;
            };
            match bars.last_mut() {
                Some(bar) if bar.start == at => bar.add(minute),
                _ => bars.push(Bar::new(at, minute, whole)),
            }
        }
        bars
    }
}

/// Counted in minutes from midnight in New York by the clock on the wall.
fn within_day(at: DateTime<Utc>, minutes: u32) -> Option<DateTime<Utc>> {
    let local = at.with_timezone(&New_York);
    let past = local.num_seconds_from_midnight() % (minutes * 60);
    let whole = New_York.timestamp_opt(at.timestamp(), 0).single()?;
    Some(whole.to_utc() - Duration::seconds(past.into()))
}

/// One bar.
struct Bar {
    start: DateTime<Utc>,
    prices: [Decimal; 4],
    volume: Decimal,
    minutes: u32,
    /// Sum of the minutes' middle prices, plain and weighed by volume.
    middles: Decimal,
    weighed: Decimal,
    /// Volumes of shares and contracts are whole.
    whole: bool,
}

impl Bar {
    fn new(start: DateTime<Utc>, minute: &Candle, whole: bool) -> Self {
        let mut bar = Self {
            start,
            prices: [minute.open, minute.high, minute.low, minute.close].map(|price| price.get()),
            volume: Decimal::ZERO,
            minutes: 0,
            middles: Decimal::ZERO,
            weighed: Decimal::ZERO,
            whole,
        };
        bar.add(minute);
        bar
    }

    fn add(&mut self, minute: &Candle) {
        let [_, high, low, close] = &mut self.prices;
        *high = (*high).max(minute.high.get());
        *low = (*low).min(minute.low.get());
        *close = minute.close.get();
        let middle = (minute.high.get() + minute.low.get() + minute.close.get()) / Decimal::from(3);
        let volume = minute.volume.unwrap_or_default();
        self.volume += volume;
        self.middles += middle;
        self.weighed += middle * volume;
        self.minutes += 1;
    }

    fn render(&self) -> String {
        let [open, high, low, close] = self.prices;
        let volume = if self.whole { self.volume.trunc() } else { self.volume };
        let plain = self.middles / Decimal::from(self.minutes.max(1));
        let average = self.weighed.checked_div(self.volume).unwrap_or(plain).round_dp(6);
        Object::new()
            .stamp("t", self.start)
            .number("o", open)
            .number("h", high)
            .number("l", low)
            .number("c", close)
            .number("v", volume)
            .raw("n", &self.minutes.to_string())
            .number("vw", average)
            .end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_those_of_the_document() {
        for (word, frame) in [
            ("1Min", Some(Frame::Minutes(1))),
            ("59T", Some(Frame::Minutes(59))),
            ("23Hour", Some(Frame::Hours(23))),
            ("1Day", Some(Frame::Day)),
            ("1W", Some(Frame::Week)),
            ("12Month", Some(Frame::Months(12))),
            ("60Min", None),
            ("24H", None),
            ("2Day", None),
            ("5Month", None),
            ("Day", None),
            ("1min", None),
            ("", None),
        ] {
            assert_eq!(Frame::of(word), frame, "{word}");
        }
    }

    #[test]
    fn bars_start_by_the_clock_of_new_york() {
        let at = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
        let start = |frame: Frame, text: &str| frame.start_of(at(text)).unwrap();
        assert_eq!(start(Frame::Day, "2026-10-30T03:59:59Z"), at("2026-10-29T04:00:00Z"));
        assert_eq!(start(Frame::Day, "2026-11-03T12:00:00Z"), at("2026-11-03T05:00:00Z"));
        assert_eq!(start(Frame::Week, "2026-11-04T12:00:00Z"), at("2026-11-02T05:00:00Z"));
        assert_eq!(
            start(Frame::Months(3), "2026-11-20T12:00:00Z"),
            at("2026-10-01T04:00:00Z")
        );
        assert_eq!(
            start(Frame::Hours(1), "2026-11-20T14:59:59.5Z"),
            at("2026-11-20T14:00:00Z")
        );
        assert_eq!(
            start(Frame::Minutes(15), "2026-11-20T14:44:00Z"),
            at("2026-11-20T14:30:00Z")
        );
    }
}
