//! Prices, heartbeats and candles.

use broker_core::model::{CandleQuery, Event, Interval};
use broker_core::{MarketData, Quote};

use super::super::stage::{Stage, at, dec, price, qty, recorded};
use super::events;

fn quotes(body: String) -> Vec<Quote> {
    let list = r#"{"instruments":[{"name":"EUR_USD","type":"CURRENCY","pipLocation":-4,"displayPrecision":5,
        "tradeUnitsPrecision":0,"minimumTradeSize":"1"}],"lastTransactionID":"1"}"#;
    let stage = Stage::usual(vec![("/pricing", 200, body), ("/instruments", 200, list.to_owned())]);
    stage
        .runtime
        .block_on(stage.broker.quotes(&["EUR_USD".into(), "NO_SUCH".into()]))
        .unwrap()
}

#[test]
fn prices() {
    let closed = quotes(body!("pricing_not_tradeable.json")).remove(0);
    assert_eq!(
        (closed.bid, closed.ask),
        (Some(price("1.29360")), Some(price("1.29470")))
    );
    assert_eq!(
        (closed.bid_size, closed.at),
        (Some(qty("10000000")), Some(at("2019-01-01T00:00:00Z")))
    );
    // The first level, not the last.
    let open = quotes(body!("v2016_pricing.json"));
    assert_eq!(
        (open[0].bid, open[0].ask),
        (Some(price("1.12157")), Some(price("1.12170")))
    );
    assert_eq!(
        (open[1].symbol.get(), open[1].bid, open[1].bid_size),
        ("EUR/JPY", Some(price("115.329")), Some(qty("1000000")))
    );
    assert_eq!(open[0].at, Some(at("2016-10-05T05:28:16.729643492Z")));
    let lines: Vec<String> = body!("stream_prices.ndjson").lines().map(str::to_owned).collect();
    let told = events(&lines);
    let quotes: Vec<&Quote> = told
        .iter()
        .map(|event| match event {
            Event::Quote(quote) => &**quote,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(quotes.len(), 3);
    assert_eq!(
        (quotes[1].bid, quotes[1].ask),
        (Some(price("1.09177")), Some(price("1.09188")))
    );
    assert_eq!(
        (quotes[2].bid, quotes[2].at),
        (Some(price("114.298")), Some(at("2016-10-27T08:38:45.681572782Z")))
    );
}

#[test]
fn heartbeats_tell_nothing() {
    let lines: Vec<String> = body!("stream_transactions_heartbeats.ndjson")
        .lines()
        .map(str::to_owned)
        .collect();
    assert_eq!(lines.len(), 5);
    assert!(events(&lines).is_empty());
}

#[test]
fn candles() {
    let candles = |body: String, id: &str, interval, since: &str| {
        let stage = Stage::usual(vec![("/candles", 200, body)]);
        let query = CandleQuery::new(id.into(), interval, at(since), at("2026-01-01T00:00:00Z"));
        stage.runtime.block_on(stage.broker.candles(&query, None)).unwrap().rows
    };
    let daily = candles(
        body!("candles_ask_daily.json"),
        "GBP_USD",
        Interval::Day,
        "2018-10-12T00:00:00Z",
    );
    // The first of the answer is before the window.
    assert_eq!(
        (daily[0].start, daily[0].open),
        (at("2018-10-12T00:00:00Z"), price("1.32348"))
    );
    assert_eq!(
        (daily[0].high, daily[0].low, daily[0].close),
        (price("1.32592"), price("1.31507"), price("1.31559"))
    );
    assert_eq!((daily[0].volume, daily[0].complete), (Some(dec("59524")), true));
    let five = candles(
        body!("v2016_candles_mid.json"),
        "DE30_EUR",
        Interval::Minutes(5),
        "2016-10-17T19:35:00Z",
    );
    assert_eq!(five.len(), 5);
    assert_eq!(
        (five[4].open, five[4].close, five[4].volume),
        (price("10509.0"), price("10507.8"), Some(dec("172")))
    );
}
