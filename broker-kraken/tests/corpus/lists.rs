//! Lists, quotes, candles, and what is Kraken's own.

use broker_core::model::{AssetClass, CandleQuery, InstrumentStatus, Interval};
use broker_core::{Broker, Instrument, InstrumentQuery, MarketData, Money};

use super::{Stage, at, corpus, dec, price, qty, usd};

/// The list of pairs and the one instrument of this id.
fn listed(pairs: &str, id: &str) -> Instrument {
    let assets = super::recorded("assets_official.json").unwrap();
    let stage = Stage::listing(&assets, pairs, &[]);
    let query = InstrumentQuery::Ids(vec![id.into()]);
    let mut found = stage.run(|broker| async move { broker.instruments(&query).await.unwrap() });
    assert_eq!(found.len(), 1, "{id}");
    found.remove(0)
}

#[test]
fn pairs() {
    let body = corpus!("asset_pairs_official.json");
    let pair = listed(&body, "XETHXXBT");
    assert_eq!((pair.symbol.get(), pair.currency.code()), ("ETH/BTC", "BTC"));
    assert_eq!(
        (pair.ticks[0].tick, pair.lot),
        (dec("0.00001"), Some(dec("0.00000001")))
    );
    assert_eq!(pair.min_qty, Some(qty("0.01")));
    assert_eq!(
        pair.min_notional,
        Some(Money::new(dec("0.00002"), "BTC".parse().unwrap()))
    );
    assert_eq!(pair.status, InstrumentStatus::Tradable);
    let margin = listed(&body, "margin:XETHXXBT");
    assert_eq!(margin.margin.unwrap().long_rate, Some(dec("0.2")));
}

#[test]
fn a_recorded_pair() {
    let pair = listed(&corpus!("asset_pairs.json"), "XBTUSDT");
    assert_eq!((pair.symbol.get(), pair.base.unwrap().code()), ("BTC/USDT", "BTC"));
    assert_eq!((pair.ticks[0].tick, pair.min_qty), (dec("0.1"), Some(qty("0.00005"))));
}

#[test]
fn a_tokenized_share() {
    let pair = listed(&corpus!("asset_pairs_tokenized_xstock.json"), "AAPLxUSD");
    assert_eq!(pair.asset_class, AssetClass::Other("tokenized_stock".into()));
    assert_eq!((pair.ticks[0].tick, pair.min_notional), (dec("0.01"), Some(usd("0.5"))));
}

#[test]
fn a_quote() {
    let assets = corpus!("assets_official.json");
    let stage = Stage::listing(
        &assets,
        &corpus!("asset_pairs.json"),
        &[("public/Ticker", &corpus!("ticker.json"))],
    );
    let quotes = stage.run(|broker| async move { broker.quotes(&["XBTUSDT".into()]).await.unwrap() });
    let [quote] = quotes.as_slice() else {
        panic!("{quotes:?}")
    };
    assert_eq!((quote.bid, quote.ask), (price("105944.2"), price("105944.3")));
}

#[test]
fn candles() {
    let stage = Stage::new(&[("public/OHLC", &corpus!("ohlc.json"))]);
    let query = CandleQuery::new(
        "XXBTZUSD".into(),
        Interval::Minutes(1),
        at("2023-07-06T19:20:00Z"),
        at("2023-07-06T19:23:00Z"),
    );
    let page = stage.run(|broker| async move { broker.candles(&query, None).await.unwrap() });
    assert_eq!(page.rows.len(), 3);
    let first = &page.rows[0];
    assert_eq!(first.start, at("2023-07-06T19:20:00Z"));
    assert_eq!(
        [Some(first.open), Some(first.high), Some(first.low), Some(first.close)],
        [price("30306.1"), price("30306.2"), price("30305.7"), price("30305.7")]
    );
    assert_eq!(first.volume, Some(dec("3.39243896")));
}

/// As many candles as there are, so those before are missing.
#[test]
fn a_full_list_of_candles() {
    let (assets, pairs) = (corpus!("assets_official.json"), corpus!("asset_pairs.json"));
    let stage = Stage::listing(&assets, &pairs, &[("public/OHLC", &corpus!("ohlc_recorded_721.json"))]);
    let query = CandleQuery::new(
        "XBTUSDT".into(),
        Interval::Minutes(1),
        at("2025-11-10T00:00:00Z"),
        at("2025-11-12T00:00:00Z"),
    );
    let page = stage.run(|broker| async move { broker.candles(&query, None).await.unwrap() });
    assert!(page.rows.len() >= 720, "{}", page.rows.len());
    assert_eq!(page.rows[0].start, at("2025-11-10T12:17:00Z"));
    assert_eq!(Some(page.rows[3].high), price("106044.3"));
    assert_eq!(page.notes.len(), 1);
}

#[test]
fn changes_of_orders() {
    let body = corpus!("order_amends_ms_timestamps.json");
    let stage = Stage::new(&[("private/OrderAmends", &body)]);
    let amends = stage.run(|broker| async move { broker.order_amends(&"O1".into()).await.unwrap() });
    assert_eq!(amends.len(), 2);
    assert_eq!((amends[1].kind.as_str(), amends[1].qty), ("user", Some(qty("5.25"))));
    assert_eq!(
        (amends[1].limit_price, amends[1].at),
        (price("0.96"), at("2024-10-13T12:06:22.969Z"))
    );
}

#[test]
fn changes_of_orders_in_nanoseconds() {
    let body = corpus!("order_amends_ns_timestamps.json");
    let value: serde_json::Value = serde_json::from_str(&body).unwrap();
    let stage = Stage::new(&[("private/OrderAmends", &value["response"].to_string())]);
    let amends = stage.run(|broker| async move { broker.order_amends(&"O1".into()).await.unwrap() });
    assert_eq!(amends.len(), 3);
    assert_eq!(amends[0].at, at("2024-08-20T12:47:50.287557853Z"));
    assert_eq!(amends[2].limit_price, price("61032.6"));
}

#[test]
fn rates_of_fees() {
    let stage = Stage::new(&[("private/TradeVolume", &corpus!("trade_volume.json"))]);
    let rates = stage.run(|broker| async move { broker.fee_rates(&["XXBTZUSD".into()]).await.unwrap() });
    assert_eq!(rates.volume, usd("200709587.4223"));
    assert_eq!(
        rates.percent,
        [("XXBTZUSD".into(), Some(dec("0.1000")), Some(dec("0.0000")))]
    );
}

#[test]
fn the_state_of_the_system() {
    let stage = Stage::new(&[("public/SystemStatus", &corpus!("system_status.json"))]);
    assert_eq!(
        stage.run(|broker| async move { broker.system_status().await.unwrap() }),
        "online"
    );
}

#[test]
fn a_report() {
    let stage = Stage::new(&[("private/AddExport", &corpus!("add_export.json"))]);
    let (since, until) = (at("2024-01-01T00:00:00Z"), at("2025-01-01T00:00:00Z"));
    let report = broker_kraken::ExportReport::Trades;
    let id = stage.run(|broker| async move { broker.request_export(report, since, until).await.unwrap() });
    assert_eq!(id, "TCJA");
}
