//! Quotes and candles. The market never closes.

use async_trait::async_trait;
use broker_core::model::{Candle, CandleQuery, Hours};
use broker_core::num::Text;
use broker_core::{Broker, Cursor, Error, InstrumentId, MarketData, Page, Proof, Quote, Result};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::value::RawValue;

use crate::broker::KrakenBroker;
use crate::directory::{Directory, Held, held};
use crate::map::market;
use crate::wire::{self, CandleJson, Keyed, TickerJson};

/// Names of one call: their line stays well below what servers take.
const PAIRS_A_CALL: usize = 100;

/// Most candles of an answer, the newest there are.
const MOST_CANDLES: usize = 720;

#[async_trait]
impl MarketData for KrakenBroker {
    async fn quotes(&self, instruments: &[InstrumentId]) -> Result<Vec<Quote>> {
        let listed = |directory: &Directory| {
            let mut names = instruments.iter().map(|id| held(id.get()).1);
            names.all(|name| directory.pair(name).is_some())
        };
        let directory = self.rest().directory(listed).await?;
        // One unknown pair would make the whole call fail.
        let mut keys: Vec<&str> = Vec::new();
        for one in instruments {
            let (_, name) = held(one.get());
            if directory.pair(name).is_some_and(|pair| pair.key == name) && !keys.contains(&name) {
                keys.push(name);
            }
        }
        let mut found = Vec::with_capacity(instruments.len());
        for some in keys.chunks(PAIRS_A_CALL) {
            let read = |body: &str| {
                let tickers: Keyed<'_, TickerJson> = wire::result(body)?;
                let mut quotes = Vec::new();
                for (name, ticker) in &tickers.0 {
                    // Named by whichever spelling Kraken likes.
                    let Some(pair) = directory.pair(name.get()) else {
                        continue;
                    };
                    for how in [Held::Outright, Held::OnMargin] {
                        let names = pair.names(how);
                        if instruments.contains(&names.0) {
                            quotes.push(market::quote(names, ticker)?);
                        }
                    }
                }
                Ok(quotes)
            };
            let call = self.rest().public("quotes", "Ticker").param("pair", some.join(","));
            found.extend(self.rest().http.run(call, read).await?);
        }
        Ok(found)
    }

    /// Kraken gives the newest 720 candles of a length, and none that are older.
    async fn candles(&self, query: &CandleQuery, from: Option<&Cursor>) -> Result<Page<Candle>> {
        if from.is_some() {
            return Err(Error::invalid("candles of Kraken come on one page").with_broker(self.id()));
        }
        let minutes = market::minutes(query.interval).map_err(|error| error.with_broker(self.id()))?;
        let (_, name) = held(query.instrument.get());
        let directory = self
            .rest()
            .directory(|directory| directory.pair(name).is_some())
            .await?;
        let pair = directory.pair(name).filter(|pair| pair.key == name);
        let pair = pair.ok_or_else(|| Error::invalid(format!("{name} is not listed")).with_broker(self.id()))?;
        let length = TimeDelta::minutes(minutes.into());
        let now = self.context().clock().now();
        let read = |body: &str| {
            // Beside the one list of candles stands `last`.
            let lists: Keyed<'_, &RawValue> = wire::result(body)?;
            let is_list = |(name, _): &&(Text<'_>, &RawValue)| name.get() != "last";
            let mut lists = lists.0.iter().filter(is_list);
            let (Some((_, list)), None) = (lists.next(), lists.next()) else {
                return Err(Error::decode("an answer without exactly one list of candles"));
            };
            let rows: Vec<CandleJson> = wire::decode(list.get())?;
            let count = rows.len();
            let candle = |(place, row): (usize, &CandleJson)| {
                let over = place + 1 < count && row.0.0 + length <= now;
                market::candle(row, &query.instrument, over)
            };
            let all: Vec<Candle> = rows.iter().enumerate().map(candle).collect();
            Ok((all, count))
        };
        let since = (query.since.timestamp() - 1).max(0).to_string();
        let call = self.rest().public("candles", "OHLC");
        let call = call
            .param("pair", &pair.key)
            .param("interval", minutes.to_string())
            .param("since", since);
        let call = match pair.asset_class() {
            Some(class) => call.param("asset_class", class),
            None => call,
        };
        let (mut rows, count) = self.rest().http.run(call, read).await?;
        let cut = count >= MOST_CANDLES && rows.first().is_some_and(|first| first.start > query.since);
        rows.retain(|candle| candle.start >= query.since && candle.start < query.until);
        let mut page = Page::whole(rows);
        if cut {
            page.proof = Proof::Nothing;
            page.notes
                .push("Kraken has the newest 720 candles only: older ones are missing".to_owned());
        }
        Ok(page)
    }

    async fn hours(&self, _: &InstrumentId, since: DateTime<Utc>, until: DateTime<Utc>) -> Result<Hours> {
        match since < until {
            true => Ok(Hours::AlwaysOpen),
            false => Err(Error::invalid("hours are asked of a span that ends after it begins").with_broker(self.id())),
        }
    }
}
