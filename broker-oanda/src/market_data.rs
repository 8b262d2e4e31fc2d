//! Quotes and candles.

use async_trait::async_trait;
use broker_core::model::{Candle, CandleQuery, Hours};
use broker_core::{Broker, Cursor, Error, InstrumentId, MarketData, Page, Proof, Quote, Result};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::broker::OandaBroker;
use crate::history::stamp;
use crate::map::market;
use crate::rest::{path, segment};
use crate::wire::{self, CandlesJson, PricingJson};

/// Instruments of one call: their line stays well below what servers take.
const NAMES_A_CALL: usize = 100;

/// Candles of one answer, the most that OANDA gives.
const CANDLES: usize = 5000;

const VERSION: u32 = 1;

impl OandaBroker {
    /// Those of these instruments that there are: OANDA refuses a whole call for one that there is not.
    pub(crate) async fn known(&self, instruments: &[InstrumentId]) -> Result<Vec<InstrumentId>> {
        let account = self.any_account().await?;
        let all = self.rest().instruments(&account).await?;
        let known = |id: &&InstrumentId| all.iter().any(|one| one.id == **id);
        Ok(instruments.iter().filter(known).cloned().collect())
    }
}

/// Where the candles go on.
#[derive(Debug, Serialize, Deserialize)]
struct Behind {
    start: DateTime<Utc>,
}

#[async_trait]
impl MarketData for OandaBroker {
    async fn quotes(&self, instruments: &[InstrumentId]) -> Result<Vec<Quote>> {
        let account = self.any_account().await?;
        let known = self.known(instruments).await?;
        let mut found = Vec::with_capacity(known.len());
        for some in known.chunks(NAMES_A_CALL) {
            let names: Vec<&str> = some.iter().map(InstrumentId::get).collect();
            let params = [("instruments", names.join(","))];
            let read = |body: &str| {
                let answer: PricingJson<'_> = wire::decode(body)?;
                answer.prices.iter().map(market::quote).collect()
            };
            let call = self.rest().read("quotes", path(&account, "pricing"), &params);
            let quotes: Vec<Quote> = self.rest().http.run(call, read).await?;
            found.extend(quotes);
        }
        Ok(found)
    }

    /// By the middle of bid and ask.
    async fn candles(&self, query: &CandleQuery, from: Option<&Cursor>) -> Result<Page<Candle>> {
        let granularity = market::granularity(query.interval).map_err(|error| error.with_broker(self.id()))?;
        let behind = from.map(|cursor| cursor.decode::<Behind>(VERSION)).transpose()?;
        let now = self.context().clock().now();
        let start = behind.as_ref().map_or(query.since, |behind| behind.start);
        if start >= query.until || start > now {
            return Ok(Page::whole(Vec::new()));
        }
        let mut params = vec![
            ("price", "M".to_owned()),
            ("granularity", granularity),
            ("from", stamp(start)),
            ("count", CANDLES.to_string()),
        ];
        if behind.is_some() {
            params.push(("includeFirst", "false".to_owned()));
        }
        let read = |body: &str| {
            let answer: CandlesJson = wire::decode(body)?;
            let all = answer.candles.iter().map(|one| market::candle(one, &query.instrument));
            all.collect::<Result<Vec<Candle>>>()
        };
        let path = format!("/v3/instruments/{}/candles", segment(query.instrument.get()));
        let mut rows = self
            .rest()
            .http
            .run(self.rest().read("candles", path, &params), read)
            .await?;
        let last = rows.last().map(|candle| candle.start);
        let next = last.filter(|last| rows.len() >= CANDLES && *last < query.until);
        // A candle that holds the first moment starts before it.
        rows.retain(|candle| (query.since..query.until).contains(&candle.start));
        Ok(Page {
            proof: match next {
                Some(_) => Proof::Contiguous,
                None => Proof::Short,
            },
            next: next
                .map(|start| Cursor::encode(VERSION, &Behind { start }))
                .transpose()?,
            ..Page::whole(rows)
        })
    }

    /// OANDA publishes none.
    async fn hours(&self, _instrument: &InstrumentId, since: DateTime<Utc>, until: DateTime<Utc>) -> Result<Hours> {
        match since < until {
            true => Ok(Hours::Unknown),
            false => Err(Error::invalid("hours are asked of a span that ends after it begins").with_broker(self.id())),
        }
    }
}
