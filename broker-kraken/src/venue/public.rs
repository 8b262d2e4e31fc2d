//! What anybody may ask.

use broker_core::InstrumentId;
use broker_core::model::Interval;
use broker_sim::wire::{Admission, WireRequest};
use chrono::{DateTime, TimeDelta, Utc};
use rust_decimal::Decimal;

use super::KrakenVenue;
use super::catalogue::{ASSETS, PAIRS, PairSpec};
use super::json::{Object, array, padded, quoted};
use super::params::Params;
use super::refusal::{Refusal, Reply};

/// Candles of an answer at most.
const MOST_CANDLES: usize = 720;

impl KrakenVenue {
    pub(super) fn public_call(&mut self, name: &str, request: &WireRequest, now: DateTime<Utc>) -> Reply {
        let Admission::Granted(_) = self.public.take(&request.peer, 1, now) else {
            return Err(Refusal::new("EGeneral:Too many requests"));
        };
        let params = Params::of_query(request)?;
        match name {
            "Time" => {
                params.only(&[])?;
                let text = now.format("%a, %d %b %y %H:%M:%S +0000").to_string();
                Ok(Object::new()
                    .raw("unixtime", &now.timestamp().to_string())
                    .text("rfc1123", &text)
                    .end())
            }
            "SystemStatus" => {
                params.only(&[])?;
                let stamp = now.format("%Y-%m-%dT%H:%M:%SZ").to_string();
                Ok(Object::new().text("status", "online").text("timestamp", &stamp).end())
            }
            "Assets" => assets(&params),
            "AssetPairs" => pairs(&params),
            "Ticker" => self.ticker(&params),
            "OHLC" => self.candles(&params, now),
            _ => Err(Refusal::new("EGeneral:Unknown method")),
        }
    }

    fn ticker(&self, params: &Params) -> Reply {
        let names = params.only(&["pair", "asset_class"])?.needed("pair")?;
        let mut rows = Object::new();
        for name in names.split(',') {
            let pair = PairSpec::of(name).ok_or_else(|| Refusal::new("EQuery:Unknown asset pair"))?;
            let Some(quote) = self.engine.quote(&InstrumentId::from(pair.key)) else {
                continue;
            };
            let number = |price: Option<Decimal>| padded(price.unwrap_or_default(), 5);
            let side = |price: Option<broker_core::Price>, size: Option<broker_core::Qty>| {
                let (price, size) = (price.map(|price| price.get()), size.map(|size| size.get()));
                let whole = size.unwrap_or_default().trunc();
                array([
                    quoted(&number(price)),
                    quoted(&whole.to_string()),
                    quoted(&padded(size.unwrap_or_default(), 3)),
                ])
            };
            let mark = self.engine.mark(&InstrumentId::from(pair.key)).map(|price| price.get());
            let last = quoted(&number(mark));
            let row = Object::new()
                .raw("a", &side(quote.ask, quote.ask_size))
                .raw("b", &side(quote.bid, quote.bid_size))
                .raw("c", &array([last.as_str(), "\"0.00009443\""]))
                .raw("v", r#"["0.78648221","163.28908096"]"#)
                .raw("p", &array([&last, &last]))
                .raw("t", "[35,3276]")
                .raw("l", &array([&last, &last]))
                .raw("h", &array([&last, &last]))
                .raw("o", &last);
            rows = rows.raw(pair.key, &row.end());
        }
        Ok(rows.end())
    }

    /// The newest candles, of which the last is not over.
    fn candles(&self, params: &Params, now: DateTime<Utc>) -> Reply {
        params.only(&["pair", "interval", "since", "asset_class"])?;
        let pair = PairSpec::of(params.needed("pair")?).ok_or_else(|| Refusal::new("EQuery:Unknown asset pair"))?;
        let lengths = ["1", "5", "15", "30", "60", "240", "1440", "10080", "21600"];
        let minutes = params.word("interval", &lengths)?.unwrap_or("1");
        let minutes: i64 = minutes.parse().map_err(|_| Refusal::argument("interval"))?;
        let since = params.number("since")?.unwrap_or_default();
        let length = TimeDelta::minutes(minutes);
        let from = now - length * i32::try_from(MOST_CANDLES).unwrap_or(i32::MAX);
        let fine = self
            .engine
            .candles(&InstrumentId::from(pair.key), Interval::Minutes(1), from, now + length)
            .unwrap_or_default();
        // Candles of this length, from the engine's minutes.
        let mut bars: Vec<(i64, [Decimal; 4], Decimal)> = Vec::new();
        for minute in &fine {
            let start = minute.start.timestamp().div_euclid(minutes * 60) * minutes * 60;
            let volume = minute.volume.unwrap_or_default();
            match bars.last_mut() {
                Some((at, [_, high, low, close], sum)) if *at == start => {
                    *high = (*high).max(minute.high.get());
                    *low = (*low).min(minute.low.get());
                    *close = minute.close.get();
                    *sum += volume;
                }
                _ => {
                    let prices = [minute.open, minute.high, minute.low, minute.close].map(|price| price.get());
                    bars.push((start, prices, volume));
                }
            }
        }
        let current = now.timestamp().div_euclid(minutes * 60) * minutes * 60;
        if bars.last().is_some_and(|(at, _, _)| *at < current) {
            let close = bars.last().map_or(Decimal::ZERO, |(_, [_, _, _, close], _)| *close);
            bars.push((current, [close; 4], Decimal::ZERO));
        }
        bars.retain(|(at, _, _)| *at > since);
        let skip = bars.len().saturating_sub(MOST_CANDLES);
        let rows = bars.iter().skip(skip).map(|(at, prices, volume)| {
            let [open, high, low, close] = prices.map(|price| quoted(&padded(price, pair.places)));
            let volume = quoted(&padded(*volume, 8));
            format!("[{at},{open},{high},{low},{close},{close},{volume},1]")
        });
        let last = bars.iter().rev().nth(1).map_or(current, |(at, _, _)| *at);
        Ok(Object::new()
            .raw(pair.key, &array(rows))
            .raw("last", &last.to_string())
            .end())
    }
}

fn assets(params: &Params) -> Reply {
    params.only(&["asset", "aclass"])?.word("aclass", &["currency"])?;
    let rows = ASSETS.iter().fold(Object::new(), |rows, asset| {
        let row = Object::new()
            .text("aclass", "currency")
            .text("altname", asset.altname)
            .raw("decimals", &asset.decimals.to_string())
            .raw("display_decimals", &asset.decimals.min(5).to_string())
            .text("status", "enabled");
        rows.raw(asset.id, &row.end())
    });
    Ok(rows.end())
}

fn pairs(params: &Params) -> Reply {
    params
        .only(&["pair", "aclass_base", "info"])?
        .word("aclass_base", &["currency"])?;
    let rows = PAIRS.iter().fold(Object::new(), |rows, pair| {
        let steps = array(pair.leverage.iter().map(u32::to_string));
        let [_, altname, wsname] = pair.spellings();
        let row = Object::new()
            .text("altname", &altname)
            .text("wsname", &wsname)
            .text("aclass_base", "currency")
            .text("base", pair.base)
            .text("aclass_quote", "currency")
            .text("quote", pair.quote)
            .text("lot", "unit")
            .raw("cost_decimals", "5")
            .raw("pair_decimals", &pair.places.to_string())
            .raw("lot_decimals", &pair.lot_places.to_string())
            .raw("lot_multiplier", "1")
            .raw("leverage_buy", &steps)
            .raw("leverage_sell", &steps)
            .raw("fees", "[[0,0.4]]")
            .raw("fees_maker", "[[0,0.25]]")
            .text("fee_volume_currency", "ZUSD")
            .raw("margin_call", "80")
            .raw("margin_stop", "40")
            .text("ordermin", "0.0001")
            .text("costmin", if pair.quote == "ZUSD" { "0.5" } else { "0.00002" })
            .decimal("tick_size", pair.tick(), 0)
            .text("status", "online");
        rows.raw(pair.key, &row.end())
    });
    Ok(rows.end())
}
