//! Quotes and candles. Nothing of it needs a key.

use async_trait::async_trait;
use broker_core::model::{Candle, CandleQuery, Hours};
use broker_core::{Broker, Cursor, Error, ErrorKind, InstrumentId, MarketData, Page, Proof, Quote, Result};
use chrono::{DateTime, Utc};

use crate::broker::BinanceBroker;
use crate::directory::is_unknown_symbol;
use crate::map;
use crate::rest::PAGE_SIZE;
use crate::wire::{self, BookTickerJson, KlineJson, PriceJson};

/// Versions of the cursor of candles.
const VERSION: u32 = 1;

impl BinanceBroker {
    /// The price of the last trade in a symbol.
    ///
    /// # Errors
    /// `InvalidRequest` where there is no such symbol.
    pub async fn last_price(&self, instrument: &InstrumentId) -> Result<broker_core::Price> {
        let params = [("symbol", instrument.get().to_owned())];
        let call = self.rest().read("last price", "/api/v3/ticker/price", &params, 2);
        let read = |body: &str| {
            let wire: PriceJson<'_> = wire::decode(body)?;
            match wire.symbol.get() == instrument.get() {
                true => Ok(broker_core::Price::new(wire.price.0)),
                false => Err(Error::decode("answered with the price of another symbol")),
            }
        };
        self.rest().http.run(call, read).await
    }
}

#[async_trait]
impl MarketData for BinanceBroker {
    async fn quotes(&self, instruments: &[InstrumentId]) -> Result<Vec<Quote>> {
        let mut rows: Vec<(String, String)> = Vec::new();
        match instruments {
            [] => return Ok(Vec::new()),
            [one] => {
                let params = [("symbol", one.get().to_owned())];
                let call = self.rest().read("quotes", "/api/v3/ticker/bookTicker", &params, 2);
                let read = |body: &str| {
                    let wire: BookTickerJson<'_> = wire::decode(body)?;
                    match wire.symbol.get() == one.get() {
                        true => Ok((one.get().to_owned(), body.to_owned())),
                        false => Err(Error::decode("answered with the quote of another symbol")),
                    }
                };
                match self.rest().http.run(call, read).await {
                    Err(error) if is_unknown_symbol(&error) => return Ok(Vec::new()),
                    row => rows.push(row?),
                }
            }
            // One that is not known would refuse all, so several are picked from the whole list: it costs the same.
            several => {
                let call = self.rest().read("quotes", "/api/v3/ticker/bookTicker", &[], 4);
                let read = |body: &str| {
                    let wire: Vec<&serde_json::value::RawValue> = wire::decode(body)?;
                    let mut rows = Vec::new();
                    for row in wire {
                        let ticker: BookTickerJson<'_> = wire::decode(row.get())?;
                        let symbol = ticker.symbol.get();
                        if several.iter().any(|wanted| wanted.get() == symbol) {
                            rows.push((symbol.to_owned(), row.get().to_owned()));
                        }
                    }
                    Ok(rows)
                };
                rows = self.rest().http.run(call, read).await?;
            }
        }
        let pairs = self
            .pairs_of(rows.iter().map(|(symbol, _)| symbol.clone()).collect())
            .await?;
        let mut quotes = Vec::with_capacity(rows.len());
        for (symbol, text) in &rows {
            if let Some(pair) = pairs.get(symbol) {
                quotes.push(map::market::quote(&wire::decode::<BookTickerJson<'_>>(text)?, pair)?);
            }
        }
        Ok(quotes)
    }

    async fn candles(&self, query: &CandleQuery, from: Option<&Cursor>) -> Result<Page<Candle>> {
        let interval = map::market::interval(query.interval)?;
        let since: i64 = match from {
            Some(cursor) => cursor.decode(VERSION)?,
            // Rounded up: a candle that began before is none of the window.
            None => ceil_millis(query.since),
        };
        let last = ceil_millis(query.until).saturating_sub(1);
        if since > last {
            return Ok(Page::whole(Vec::new()));
        }
        let params = [
            ("symbol", query.instrument.get().to_owned()),
            ("interval", interval.to_owned()),
            ("startTime", since.to_string()),
            ("endTime", last.to_string()),
            ("limit", PAGE_SIZE.to_string()),
        ];
        let call = self.rest().read("candles", "/api/v3/klines", &params, 2);
        let read = |body: &str| {
            let rows: Vec<KlineJson> = wire::decode(body)?;
            let now = self.time().now_ms();
            rows.iter()
                .map(|row| map::market::candle(row, query, now))
                .collect::<Result<Vec<_>>>()
        };
        let mut rows = self.rest().http.run(call, read).await?;
        let full = rows.len() >= PAGE_SIZE;
        let next = rows
            .last()
            .filter(|_| full)
            .map(|candle| candle.start.timestamp_millis() + 1);
        rows.retain(|candle| candle.start >= query.since && candle.start < query.until);
        Ok(Page {
            proof: if next.is_some() {
                Proof::Contiguous
            } else {
                Proof::Short
            },
            next: next.map(|next| Cursor::encode(VERSION, &next)).transpose()?,
            ..Page::whole(rows)
        })
    }

    /// Nothing closes there; a symbol that is halted says so itself.
    async fn hours(&self, instrument: &InstrumentId, _since: DateTime<Utc>, _until: DateTime<Utc>) -> Result<Hours> {
        match self.pair(instrument.get()).await?.quote {
            Some(_) => Ok(Hours::AlwaysOpen),
            None => Err(Error::new(ErrorKind::NotFound)
                .with_broker(self.id())
                .with_operation("hours")
                .with_message(format!("Binance lists no {instrument}"))),
        }
    }
}

fn ceil_millis(at: DateTime<Utc>) -> i64 {
    let millis = at.timestamp_millis();
    match at.timestamp_subsec_nanos() % 1_000_000 {
        0 => millis,
        _ => millis.saturating_add(1),
    }
}
