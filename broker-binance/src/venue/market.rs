//! What everybody may read: the exchange's list, quotes, prices, candles, the time.

use std::collections::BTreeMap;

use broker_core::Price;
use broker_core::model::{Instrument, Interval};
use broker_sim::wire::WireRequest;
use chrono::{DateTime, Duration, Utc};
use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::BinanceVenue;
use super::builder::is_coin;
use super::params::{Params, Refusal, Reply};
use super::route::is_symbol;
use super::shapes::{self, eight, millis};

impl BinanceVenue {
    pub(super) fn server_time(&self, request: &WireRequest, now: DateTime<Utc>) -> Reply {
        Params::of(request, &[])?;
        Ok(json!({"serverTime": millis(self.clock(now))}).to_string())
    }

    /// The instrument that a parameter names.
    pub(super) fn named(&self, symbol: &str) -> Result<&Instrument, Refusal> {
        is_symbol(symbol)?;
        let id = self.symbols.get(symbol);
        let found = id.and_then(|id| self.engine.instrument(id));
        found.ok_or_else(|| Refusal::new(-1121, "Invalid symbol."))
    }

    pub(super) fn exchange(&self, request: &WireRequest, now: DateTime<Utc>) -> Reply {
        let params = Params::of(request, &["symbol", "symbols", "permissions", "symbolStatus"])?;
        let all = || self.engine.instruments().filter(|one| is_coin(one));
        let wanted: Vec<&Instrument> = match (params.get("symbol"), params.get("symbols")) {
            (Some(_), Some(_)) => return Err(Refusal::combination()),
            (Some(symbol), None) => vec![self.named(symbol)?],
            (None, Some(list)) => {
                let names: Vec<String> = serde_json::from_str(list).map_err(|_| Refusal::missing("symbols"))?;
                names.iter().map(|name| self.named(name)).collect::<Result<_, _>>()?
            }
            (None, None) => all().collect(),
        };
        let limit = |kind: &str, interval: &str, num: u32, limit: u32| json!({"rateLimitType": kind, "interval": interval, "intervalNum": num, "limit": limit});
        let announced = self.announced;
        let body = json!({
            "timezone": "UTC",
            "serverTime": millis(self.clock(now)),
            "rateLimits": [
                limit("REQUEST_WEIGHT", "MINUTE", 1, announced.weight),
                limit("ORDERS", "SECOND", 10, announced.orders),
                limit("ORDERS", "DAY", 1, announced.orders_a_day),
                limit("RAW_REQUESTS", "MINUTE", 5, 300_000),
            ],
            "exchangeFilters": [],
            "sors": self.routes(),
            "symbols": wanted.into_iter().filter_map(shapes::exchange_symbol).collect::<Vec<_>>(),
        });
        Ok(body.to_string())
    }

    /// Symbols whose orders may be routed, by their coin.
    fn routes(&self) -> Vec<Value> {
        let mut routes: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for one in self.engine.instruments().filter(|one| self.books.routes(&one.id)) {
            let coin = one.base.as_ref().map_or("", |base| base.code());
            routes.entry(coin).or_default().push(shapes::symbol(one));
        }
        let row = |(coin, symbols)| json!({"baseAsset": coin, "symbols": symbols});
        routes.into_iter().map(row).collect()
    }

    fn tickers(&self, request: &WireRequest, shape: impl Fn(&Instrument) -> Option<Value>) -> Reply {
        let params = Params::of(request, &["symbol", "symbols"])?;
        if let Some(symbol) = params.get("symbol") {
            let one = self.named(symbol)?;
            return shape(one)
                .map(|one| one.to_string())
                .ok_or_else(|| Refusal::new(-1121, "Invalid symbol."));
        }
        let rows: Vec<Value> = self
            .engine
            .instruments()
            .filter(|one| is_coin(one))
            .filter_map(shape)
            .collect();
        Ok(Value::from(rows).to_string())
    }

    pub(super) fn book_ticker(&self, request: &WireRequest) -> Reply {
        self.tickers(request, |one| {
            let quote = self.engine.quote(&one.id)?;
            let price = |price: Option<Price>| eight(price.map_or(Decimal::ZERO, Price::get));
            let qty = |qty: Option<broker_core::Qty>| eight(qty.map_or(Decimal::ZERO, broker_core::Qty::get));
            Some(json!({
                "symbol": shapes::symbol(one),
                "bidPrice": price(quote.bid), "bidQty": qty(quote.bid_size),
                "askPrice": price(quote.ask), "askQty": qty(quote.ask_size),
            }))
        })
    }

    pub(super) fn last_price(&self, request: &WireRequest) -> Reply {
        self.tickers(request, |one| {
            let mark = self.engine.mark(&one.id)?;
            Some(json!({"symbol": shapes::symbol(one), "price": eight(mark.get())}))
        })
    }

    pub(super) fn klines(&self, request: &WireRequest, now: DateTime<Utc>) -> Reply {
        let params = Params::of(
            request,
            &["symbol", "interval", "startTime", "endTime", "timeZone", "limit"],
        )?;
        let instrument = self.named(params.needed("symbol")?)?;
        let (interval, length) = interval(params.needed("interval")?)?;
        let limit = params.limit(500)?;
        let length = Duration::seconds(length);
        let end = params.time("endTime")?.unwrap_or(now) + Duration::milliseconds(1);
        let newest = end - length * i32::try_from(limit).unwrap_or(1000);
        let start = params.time("startTime")?.unwrap_or(newest);
        let candles = self
            .engine
            .candles(&instrument.id, interval, start, end)
            .unwrap_or_default();
        let rows: Vec<Value> = candles
            .iter()
            .take(limit)
            .map(|candle| {
                let closes = millis(candle.start + length) - 1;
                json!([
                    millis(candle.start),
                    eight(candle.open.get()),
                    eight(candle.high.get()),
                    eight(candle.low.get()),
                    eight(candle.close.get()),
                    eight(candle.volume.unwrap_or_default()),
                    closes,
                    "0.00000000",
                    0,
                    "0.00000000",
                    "0.00000000",
                    "0"
                ])
            })
            .collect();
        Ok(Value::from(rows).to_string())
    }
}

fn interval(word: &str) -> Result<(Interval, i64), Refusal> {
    Ok(match word {
        "1s" => (Interval::Seconds(1), 1),
        "1m" => (Interval::Minutes(1), 60),
        "3m" => (Interval::Minutes(3), 180),
        "5m" => (Interval::Minutes(5), 300),
        "15m" => (Interval::Minutes(15), 900),
        "30m" => (Interval::Minutes(30), 1_800),
        "1h" => (Interval::Hours(1), 3_600),
        "2h" => (Interval::Hours(2), 7_200),
        "4h" => (Interval::Hours(4), 14_400),
        "6h" => (Interval::Hours(6), 21_600),
        "8h" => (Interval::Hours(8), 28_800),
        "12h" => (Interval::Hours(12), 43_200),
        "1d" => (Interval::Day, 86_400),
        "1w" => (Interval::Week, 604_800),
        "1M" => (Interval::Month, 2_678_400),
        _ => return Err(Refusal::new(-1120, "Invalid interval.")),
    })
}
