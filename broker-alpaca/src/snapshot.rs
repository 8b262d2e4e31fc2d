//! What Alpaca alone tells of a share: its last trade, quote and bars in one answer.

use broker_core::model::{Candle, Quote};
use broker_core::{InstrumentId, Price, Qty, Result, Symbol};
use chrono::{DateTime, Utc};

use crate::broker::AlpacaBroker;
use crate::map::market;
use crate::market_data::{Kind, SYMBOLS_A_CALL};
use crate::wire::{self, Keyed, SnapshotJson};

/// The last trade, the quote and the bars of a share. What there was not yet is `None`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StockSnapshot {
    /// The share.
    pub instrument: InstrumentId,
    /// What people call it.
    pub symbol: Symbol,
    /// Last trade of the market.
    pub trade: Option<MarketTrade>,
    /// Best bid and ask.
    pub quote: Option<Quote>,
    /// Bar of the last minute that had a trade.
    pub minute: Option<Candle>,
    /// Bar of the last trading day, which may not be over.
    pub day: Option<Candle>,
    /// Bar of the trading day before.
    pub previous_day: Option<Candle>,
}

/// A trade of the market.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MarketTrade {
    /// Its price.
    pub price: Price,
    /// Shares.
    pub qty: Qty,
    /// When it was made.
    pub at: DateTime<Utc>,
}

impl AlpacaBroker {
    /// Snapshots of shares; a share that is not known is left out.
    ///
    /// # Errors
    /// As every read.
    pub async fn stock_snapshots(&self, shares: &[InstrumentId]) -> Result<Vec<StockSnapshot>> {
        let mut found = Vec::with_capacity(shares.len());
        let now = self.rest().http.context().clock().now();
        let names: Vec<&str> = shares.iter().map(InstrumentId::get).collect();
        for some in names.chunks(SYMBOLS_A_CALL) {
            let mut params = vec![("symbols", some.join(","))];
            params.extend(self.feed_param(Kind::Stock));
            let read = |body: &str| {
                let answer: Keyed<'_, Option<SnapshotJson>> = wire::decode(body)?;
                let known = answer.0.iter().filter_map(|(name, one)| Some((name, one.as_ref()?)));
                known
                    .map(|(name, one)| market::snapshot(name.get(), one, now))
                    .collect::<Result<Vec<_>>>()
            };
            let call = self.data("snapshots", "/v2/stocks/snapshots", &params);
            found.extend(self.rest().http.run(call, read).await?);
        }
        Ok(found)
    }
}
