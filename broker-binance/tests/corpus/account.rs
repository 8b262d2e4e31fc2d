//! Accounts, symbols, limits, market data.

use broker_binance::{Commission, OrderCount, Rates};
use broker_core::model::{AccountStatus, AssetClass, Candle, CandleQuery, InstrumentStatus, Interval, Payoff};
use broker_core::{Broker, ErrorKind, InstrumentId, InstrumentQuery, MarketData, Money, Quote};

use crate::common::{KEY, Stage, account, at, dec, get, price, qty};
use crate::recorded;

#[test]
fn an_account_and_its_balances() {
    let body = recorded!("account.json");
    let stage = Stage::new(vec![get("/api/v3/account", body.clone()), get("/api/v3/account", body)]);
    let (accounts, balances) = stage.run(|broker| async move {
        (
            broker.accounts().await.unwrap(),
            broker.balances(&account()).await.unwrap(),
        )
    });
    let [one] = accounts.as_slice() else {
        panic!("{accounts:?}")
    };
    assert_eq!((one.id.get(), &one.status), ("354937868", &AccountStatus::Active));
    assert_eq!(one.access.trade, Some(true));
    let [btc, ltc] = balances.balances.as_slice() else {
        panic!("{balances:?}")
    };
    assert_eq!((btc.currency.code(), btc.total), ("BTC", dec("4723846.89208129")));
    assert_eq!(
        (ltc.currency.code(), ltc.available, ltc.held),
        ("LTC", Some(dec("4763368.68006011")), Some(dec("0")))
    );
    // 123,456,789 ms behind the epoch.
    assert_eq!(balances.at, Some(at("1970-01-02T10:17:36.789Z")));
    assert_eq!(stage.queries(), ["omitZeroBalances=true", "omitZeroBalances=true"]);
    assert_eq!(stage.sent.lock().unwrap()[0].key.as_deref(), Some(KEY));
}

#[test]
fn commission() {
    let body = recorded!("account_commission.json");
    let stage = Stage::new(vec![get("/api/v3/account/commission", body)]);
    let found = stage.run(|broker| async move { broker.commission(&"BTCUSDT".into()).await.unwrap() });
    let rates = |texts: [&str; 4]| {
        let [maker, taker, buyer, seller] = texts.map(dec);
        Rates {
            maker,
            taker,
            buyer,
            seller,
        }
    };
    assert_eq!(
        found,
        Commission {
            standard: rates(["0.00000010", "0.00000020", "0.00000030", "0.00000040"]),
            special: Some(rates(["0.01000000", "0.02000000", "0.03000000", "0.04000000"])),
            tax: rates(["0.00000112", "0.00000114", "0.00000118", "0.00000116"]),
            discount: Some(("BNB".parse().unwrap(), dec("0.75000000"))),
        }
    );
    assert_eq!(stage.queries(), ["symbol=BTCUSDT"]);
}

#[test]
fn symbols() {
    for body in [
        recorded!("exchange_info_minimal.json"),
        recorded!("exchange_info_symbol_shape.json"),
    ] {
        let stage = Stage::new(vec![get("/api/v3/exchangeInfo", body)]);
        let query = InstrumentQuery::Symbols(vec!["ETH/BTC".into()]);
        let found = stage.run(|broker| async move { broker.instruments(&query).await.unwrap() });
        let [one] = found.as_slice() else { panic!("{found:?}") };
        assert_eq!((one.id.get(), one.symbol.get()), ("ETHBTC", "ETH/BTC"));
        assert_eq!(
            (&one.asset_class, &one.status, one.payoff),
            (&AssetClass::Crypto, &InstrumentStatus::Tradable, Payoff::Cash)
        );
        assert_eq!((one.currency.code(), one.base.unwrap().code()), ("BTC", "ETH"));
        assert_eq!((one.multiplier, one.lot, one.ticks.len()), (Some(dec("1")), None, 0));
        assert_eq!(stage.queries(), ["symbol=ETHBTC"]);
        assert_eq!(stage.sent.lock().unwrap()[0].key, None, "public");
    }
}

/// Every filter that there is, on one symbol.
#[test]
fn filters() {
    let filters = recorded!("exchange_info_filters.json");
    let body = format!(
        r#"{{"rateLimits":[],"symbols":[{{"symbol":"AB","status":"CANCEL_ONLY","baseAsset":"A","quoteAsset":"B","filters":{filters}}}]}}"#
    );
    let stage = Stage::new(vec![get("/api/v3/exchangeInfo", body)]);
    let query = InstrumentQuery::Ids(vec!["AB".into()]);
    let found = stage.run(|broker| async move { broker.instruments(&query).await.unwrap() });
    let [one] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!(one.tick_at(price("5")), Some(dec("0.00000100")));
    assert_eq!((one.lot, one.min_qty), (Some(dec("0.00100000")), Some(qty("0.001"))));
    assert_eq!(one.max_qty, Some(qty("100000")));
    assert_eq!(
        one.min_notional,
        Some(Money::new(dec("10.00000000"), "B".parse().unwrap()))
    );
    assert_eq!(one.status.as_str(), "CANCEL_ONLY");
}

#[test]
fn filters_of_the_account() {
    let body = recorded!("my_filters.json");
    let stage = Stage::new(vec![get("/api/v3/myFilters", body)]);
    let found = stage.run(|broker| async move { broker.filters(&"BTCUSDT".into()).await.unwrap() });
    let named: Vec<_> = found
        .iter()
        .map(|filter| {
            (
                filter.name.as_str(),
                filter.asset.map(|asset| asset.to_string()),
                filter.most.unwrap(),
            )
        })
        .collect();
    assert_eq!(
        named,
        [
            ("EXCHANGE_MAX_NUM_ORDERS", None, dec("1000")),
            ("MAX_NUM_ORDER_LISTS", None, dec("20")),
            ("MAX_ASSET", Some("JPY".to_owned()), dec("1000000.00000000")),
        ]
    );
}

#[test]
fn an_invalid_symbol_is_left_out() {
    let body = recorded!("error_invalid_symbol.json");
    let stage = Stage::new(vec![
        get("/api/v3/exchangeInfo", body.clone()).status(400),
        get("/api/v3/ticker/price", body).status(400),
    ]);
    let query = InstrumentQuery::Ids(vec!["NOSUCH".into()]);
    let (found, error) = stage.run(|broker| async move {
        (
            broker.instruments(&query).await.unwrap(),
            broker.last_price(&"NOSUCH".into()).await.unwrap_err(),
        )
    });
    assert!(found.is_empty());
    assert_eq!((error.kind(), error.code()), (ErrorKind::InvalidRequest, Some("-1121")));
    assert_eq!(error.message(), Some("Invalid symbol."));
}

#[test]
fn counted_orders() {
    let body = recorded!("rate_limit_order.json");
    let stage = Stage::new(vec![get("/api/v3/rateLimit/order", body)]);
    let found = stage.run(|broker| async move { broker.order_counts().await.unwrap() });
    let count = |window: &str, limit| OrderCount {
        window: window.to_owned(),
        limit,
        count: 0,
    };
    assert_eq!(found, [count("10 SECOND", 50), count("1 DAY", 160_000)]);
}

#[test]
fn server_time() {
    let body = recorded!("server_time.json");
    let stage = Stage::new(vec![
        get("/api/v3/time", body),
        get("/api/v3/account", crate::common::account_body()),
    ]);
    let probe = stage.run(|broker| async move { broker.probe().await.unwrap() });
    assert_eq!(probe.server_time, Some(at("2017-07-12T02:41:59.559Z")));
    assert_eq!(probe.local_time, at("2026-01-01T00:00:00Z"));
}

#[test]
fn market_data() {
    let (ticker, klines, last) = (
        recorded!("book_ticker.json"),
        recorded!("klines.json"),
        recorded!("ticker_price.json"),
    );
    let stage = Stage::new(vec![
        get("/api/v3/ticker/bookTicker", ticker),
        crate::common::lists("LTCBTC", "LTC", "BTC"),
        get("/api/v3/klines", klines),
        get("/api/v3/ticker/price", last),
    ]);
    let id = InstrumentId::from("LTCBTC");
    let query = CandleQuery::new(
        id.clone(),
        Interval::Week,
        at("2017-07-03T00:00:00Z"),
        at("2017-07-10T00:00:00Z"),
    );
    let (quotes, candles, last) = stage.run(|broker| async move {
        (
            broker.quotes(std::slice::from_ref(&id)).await.unwrap(),
            broker.candles(&query, None).await.unwrap(),
            broker.last_price(&id).await.unwrap(),
        )
    });
    assert_eq!(
        quotes,
        [Quote {
            instrument: "LTCBTC".into(),
            symbol: "LTC/BTC".into(),
            bid: Some(price("4.00000000")),
            bid_size: Some(qty("431.00000000")),
            ask: Some(price("4.00000200")),
            ask_size: Some(qty("9.00000000")),
            at: None,
        }]
    );
    assert_eq!(
        candles.rows,
        [Candle {
            instrument: "LTCBTC".into(),
            start: at("2017-07-03T00:00:00Z"),
            open: price("0.01634790"),
            high: price("0.80000000"),
            low: price("0.01575800"),
            close: price("0.01577100"),
            volume: Some(dec("148976.11427815")),
            complete: true,
        }]
    );
    assert_eq!(last, price("4.00000200"));
    assert_eq!(
        stage.queries()[2],
        "symbol=LTCBTC&interval=1w&startTime=1499040000000&endTime=1499644799999&limit=1000"
    );
}
