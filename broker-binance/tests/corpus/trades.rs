//! Trades, allocations, matches that were prevented.

use broker_core::model::{Grade, Liquidity, PositionLeg};
use broker_core::{Broker, Fill, HistoryQuery, Money, OrderRef, Proof, Record, Side};

use crate::common::{Stage, account, at, dec, get, listed, lists, price, qty};
use crate::recorded;

#[test]
fn a_trade_whose_fee_is_in_a_third_coin() {
    let body = recorded!("my_trades_bnb_fee.json");
    let stage = Stage::signed_in(vec![
        lists("BNBBTC", "BNB", "BTC"),
        get("/api/v3/myTrades", body.clone()),
        get("/api/v3/myTrades", "[]"),
        get("/api/v3/myTrades", body),
    ]);
    let query = HistoryQuery::between(&account(), at("2017-07-01T00:00:00Z"), at("2017-08-01T00:00:00Z"))
        .with_instrument("BNBBTC".into());
    let pages = stage.run(|broker| async move {
        let first = broker.history(&query, None).await.unwrap();
        let second = broker.history(&query, first.next.as_ref()).await.unwrap();
        let third = broker.history(&query, second.next.as_ref()).await.unwrap();
        [first, second, third]
    });
    let fill = Record::Fill(Fill {
        id: "BNBBTC:28457:100234".into(),
        account: account(),
        instrument: "BNBBTC".into(),
        symbol: "BNB/BTC".into(),
        leg: PositionLeg::Net,
        order: Some("BNBBTC:100234".into()),
        client_order: None,
        side: Side::Buy,
        qty: qty("12.00000000"),
        price: price("4.00000100"),
        at: at("2017-07-12T13:19:09.590Z"),
        version: 0,
        grade: Grade::Reported,
        fees: vec![Money::new(dec("10.10000000"), "BNB".parse().unwrap())],
        liquidity: Some(Liquidity::Taker),
        effect: None,
        pnl: None,
        conversion: None,
        lots: Vec::new(),
    });
    let [first, second, third] = pages;
    assert_eq!((first.rows, first.proof), (vec![fill.clone()], Proof::Contiguous));
    // An empty page, and then the last one once more, a second later.
    assert_eq!(
        (second.rows.len(), second.wait),
        (0, Some(std::time::Duration::from_secs(1)))
    );
    assert_eq!((third.rows, third.proof, third.next), (vec![fill], Proof::Short, None));
    assert_eq!(
        stage.queries(),
        [
            "symbol=BNBBTC",
            "symbol=BNBBTC&startTime=1498867200000&limit=1000",
            "symbol=BNBBTC&fromId=28458&limit=1000",
            "symbol=BNBBTC&fromId=28457&limit=1000",
        ]
    );
}

#[test]
fn an_allocation_is_a_fill_without_a_trade() {
    let body = recorded!("my_allocations_sor.json");
    let routed = listed("BTCUSDT", "BTC", "USDT").replacen(
        r#""rateLimits":[]"#,
        r#""rateLimits":[],"sors":[{"baseAsset":"BTC","symbols":["BTCUSDT"]}]"#,
        1,
    );
    let stage = Stage::signed_in(vec![
        get("/api/v3/exchangeInfo", routed),
        get("/api/v3/myTrades", "[]"),
        get("/api/v3/myAllocations", body),
    ]);
    let query = HistoryQuery::between(&account(), at("2023-06-01T00:00:00Z"), at("2023-07-01T00:00:00Z"))
        .with_instrument("BTCUSDT".into());
    let (trades, allocations) = stage.run(|broker| async move {
        let trades = broker.history(&query, None).await.unwrap();
        let allocations = broker.history(&query, trades.next.as_ref()).await.unwrap();
        (trades, allocations)
    });
    assert!(trades.rows.is_empty());
    let [Record::Fill(fill)] = allocations.rows.as_slice() else {
        panic!("{allocations:?}")
    };
    assert_eq!(
        (fill.id.get(), fill.order.as_ref().unwrap().get()),
        ("BTCUSDT:A0", "BTCUSDT:1")
    );
    assert_eq!((fill.qty, fill.price, fill.side), (qty("5"), price("1"), Side::Buy));
    assert_eq!(fill.at, at("2023-06-23T07:54:38.118Z"));
    assert!(fill.fees.is_empty(), "nothing was charged");
    assert!(allocations.next.is_some());
    assert_eq!(stage.queries()[2], "symbol=BTCUSDT&startTime=1685577600000&limit=1000");
}

#[test]
fn prevented_matches() {
    let body = recorded!("my_prevented_matches.json");
    let stage = Stage::new(vec![get("/api/v3/myPreventedMatches", body)]);
    let order = OrderRef::by_id(&account(), "BTCUSDT:5".into());
    let found = stage.run(|broker| async move { broker.prevented_matches(&order).await.unwrap() });
    let [one] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!(
        (one.id, one.taker.get(), one.maker.get()),
        (1, "BTCUSDT:5", "BTCUSDT:3")
    );
    assert_eq!((one.price, one.maker_qty), (price("1.1"), Some(qty("1.3"))));
    assert_eq!(one.at, at("2022-11-22T07:21:27.094Z"));
}
