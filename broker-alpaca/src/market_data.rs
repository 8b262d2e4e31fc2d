//! Quotes, candles and trading hours.

use async_trait::async_trait;
use broker_core::http::Call;
use broker_core::model::{Candle, CandleQuery, Hours, Session};
use broker_core::{Broker, Cursor, Error, InstrumentId, MarketData, Page, Proof, Quote, Result};
use chrono::{DateTime, Days, SecondsFormat, Utc};
use chrono_tz::America::New_York;

use crate::broker::AlpacaBroker;
use crate::config::Feed;
use crate::map::market;
use crate::map::{is_option, pair};
use crate::rest::{Params, with};
use crate::wire::{self, BarsJson, CalendarJson, QuotesJson, filled};

/// Symbols of one call: their line stays well below what servers take.
pub(crate) const SYMBOLS_A_CALL: usize = 200;

/// The three kinds of instruments have paths of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Stock,
    Crypto,
    Option,
}

impl Kind {
    const ALL: [Self; 3] = [Self::Stock, Self::Crypto, Self::Option];

    fn of(instrument: &InstrumentId) -> Self {
        match instrument.get() {
            pair_name if pair(pair_name).is_some() => Self::Crypto,
            code if is_option(code) => Self::Option,
            _ => Self::Stock,
        }
    }

    fn quotes(self) -> &'static str {
        match self {
            Self::Stock => "/v2/stocks/quotes/latest",
            Self::Crypto => "/v1beta3/crypto/us/latest/quotes",
            Self::Option => "/v1beta1/options/quotes/latest",
        }
    }

    fn bars(self) -> &'static str {
        match self {
            Self::Stock => "/v2/stocks/bars",
            Self::Crypto => "/v1beta3/crypto/us/bars",
            Self::Option => "/v1beta1/options/bars",
        }
    }
}

impl AlpacaBroker {
    /// A read of the Market Data API.
    pub(crate) fn data(&self, op: &'static str, path: &str, params: Params<'_>) -> Call {
        let rest = self.rest();
        with(Call::get(op, &rest.data, path), params).costs(&rest.data_bucket, 1)
    }

    /// Shares can be asked at a feed; the others have one each.
    pub(crate) fn feed_param(&self, kind: Kind) -> Option<(&'static str, String)> {
        let feed = self.feed().filter(|_| kind == Kind::Stock)?;
        Some(("feed", feed.as_str().to_owned()))
    }

    /// The document has a list of feeds for what is latest and a shorter one for bars.
    fn bars_feed_param(&self, kind: Kind) -> Result<Option<(&'static str, String)>> {
        let feed = self.feed_param(kind);
        if feed.is_some() && self.feed() == Some(Feed::DelayedSip) {
            return Err(Error::unsupported("Alpaca has no bars of the feed delayed_sip")
                .with_help("configure Feed::Sip: every plan has its bars that are older than 15 minutes")
                .with_broker(self.id()));
        }
        Ok(feed)
    }

    async fn calendar(&self, since: DateTime<Utc>, until: DateTime<Utc>, extended: bool) -> Result<Vec<Session>> {
        let day = |at: DateTime<Utc>| at.with_timezone(&New_York).date_naive();
        let last = day(until).checked_add_days(Days::new(1)).unwrap_or(day(until));
        let params = [("start", day(since).to_string()), ("end", last.to_string())];
        let read = |body: &str| {
            let days: Vec<CalendarJson<'_>> = wire::decode(body)?;
            let mut sessions = Vec::with_capacity(days.len() * 3);
            for day in &days {
                sessions.extend(market::sessions(day, extended)?);
            }
            Ok(sessions)
        };
        let rest = self.rest();
        rest.http
            .run(rest.read("calendar", "/v2/calendar", &params), read)
            .await
    }
}

#[async_trait]
impl MarketData for AlpacaBroker {
    async fn quotes(&self, instruments: &[InstrumentId]) -> Result<Vec<Quote>> {
        let mut found = Vec::with_capacity(instruments.len());
        for kind in Kind::ALL {
            let names: Vec<&str> = instruments
                .iter()
                .filter(|instrument| Kind::of(instrument) == kind)
                .map(InstrumentId::get)
                .collect();
            for some in names.chunks(SYMBOLS_A_CALL) {
                let mut params = vec![("symbols", some.join(","))];
                params.extend(self.feed_param(kind));
                let read = |body: &str| {
                    let answer: QuotesJson<'_> = wire::decode(body)?;
                    answer
                        .quotes
                        .0
                        .iter()
                        .map(|(name, quote)| market::quote(name.get(), quote))
                        .collect()
                };
                let quotes: Vec<Quote> = self
                    .rest()
                    .http
                    .run(self.data("quotes", kind.quotes(), &params), read)
                    .await?;
                found.extend(quotes);
            }
        }
        Ok(found)
    }

    async fn candles(&self, query: &CandleQuery, from: Option<&Cursor>) -> Result<Page<Candle>> {
        let kind = Kind::of(&query.instrument);
        let rfc3339 = |at: DateTime<Utc>| at.to_rfc3339_opts(SecondsFormat::AutoSi, true);
        let mut params = vec![
            ("symbols", query.instrument.get().to_owned()),
            (
                "timeframe",
                market::timeframe(query.interval).map_err(|error| error.with_broker(self.id()))?,
            ),
            ("start", rfc3339(query.since)),
            ("end", rfc3339(query.until)),
            ("limit", "10000".to_owned()),
            ("sort", "asc".to_owned()),
        ];
        if kind == Kind::Stock {
            // Prices as they were traded: fills are not adjusted either.
            params.push(("adjustment", "raw".to_owned()));
        }
        params.extend(self.bars_feed_param(kind)?);
        if let Some(cursor) = from {
            params.push(("page_token", cursor.decode(1)?));
        }
        let now = self.context().clock().now();
        let read = |body: &str| {
            let answer: BarsJson<'_> = wire::decode(body)?;
            let bars = answer
                .bars
                .get(query.instrument.get())
                .map(Vec::as_slice)
                .unwrap_or_default();
            let candles = bars
                .iter()
                .map(|bar| market::candle(bar, &query.instrument, query.interval, now));
            // The end is inclusive there.
            let rows: Vec<_> = candles.filter(|candle| candle.start < query.until).collect();
            Ok((rows, filled(&answer.next_page_token).map(str::to_owned)))
        };
        let (rows, token) = self
            .rest()
            .http
            .run(self.data("candles", kind.bars(), &params), read)
            .await?;
        Ok(Page {
            proof: if token.is_some() {
                Proof::Contiguous
            } else {
                Proof::Short
            },
            next: token.map(|token| Cursor::encode(1, &token)).transpose()?,
            ..Page::whole(rows)
        })
    }

    async fn hours(&self, instrument: &InstrumentId, since: DateTime<Utc>, until: DateTime<Utc>) -> Result<Hours> {
        if since >= until {
            return Err(Error::invalid("hours are asked of a span that ends after it begins").with_broker(self.id()));
        }
        let kind = Kind::of(instrument);
        if kind == Kind::Crypto {
            return Ok(Hours::AlwaysOpen);
        }
        let mut sessions = self.calendar(since, until, kind == Kind::Stock).await?;
        sessions.retain(|session| session.closes_at > since && session.opens_at < until);
        Ok(Hours::Sessions(sessions))
    }
}
