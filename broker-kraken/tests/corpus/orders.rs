//! Orders, positions and balances.

use broker_core::model::{Amount, OrderKind, Window};
use broker_core::{Broker, Money, Order, OrderQuery, OrderRef, OrderStatus, Side, TimeInForce};

use super::{Stage, at, corpus, dec, price, qty, usd};

const NONE_CLOSED: &str = r#"{"error":[],"result":{"closed":{},"count":0}}"#;
const NONE_OPEN: &str = r#"{"error":[],"result":{"open":{}}}"#;

fn orders(open: &str, closed: &str) -> Vec<Order> {
    let stage = Stage::new(&[("private/OpenOrders", open), ("private/ClosedOrders", closed)]);
    let account = stage.account();
    stage.run(|broker| async move {
        let window = Window::Between {
            since: at("2010-01-01T00:00:00Z"),
            until: Some(at("2025-01-01T00:00:00Z")),
        };
        let query = OrderQuery::placed(&account, window);
        let (mut all, mut next) = (Vec::new(), None);
        loop {
            let page = broker.orders(&query, next.as_ref()).await.unwrap();
            all.extend(page.rows);
            next = page.next;
            if next.is_none() {
                return all;
            }
        }
    })
}

fn named(orders: &[Order], id: &str) -> Order {
    orders
        .iter()
        .find(|order| order.id.get() == id)
        .unwrap_or_else(|| panic!("{id}: {orders:?}"))
        .clone()
}

/// The one order of a body that lists several by id.
fn one(body: &str, id: &str) -> Order {
    let value: serde_json::Value = serde_json::from_str(body).unwrap();
    let alone = serde_json::json!({ "error": [], "result": { id: value["result"][id] } });
    let stage = Stage::new(&[("private/QueryOrders", &alone.to_string())]);
    let reference = OrderRef::by_id(&stage.account(), id.into());
    stage.run(|broker| async move { broker.order(&reference).await.unwrap() })
}

#[test]
fn open_orders_partly_filled_and_on_margin() {
    let orders = orders(&corpus!("open_orders_partial_fill_and_margin.json"), NONE_CLOSED);
    assert_eq!(orders.len(), 2);
    let partly = named(&orders, "OQCLML-BW3P3-BUCMWZ");
    assert_eq!(partly.status, OrderStatus::PartiallyFilled);
    assert_eq!(
        (partly.amount, partly.filled_qty),
        (Amount::Qty(qty("1.25")), qty("0.375"))
    );
    assert_eq!(
        (partly.limit_price, partly.average_price),
        (price("30010"), price("30010"))
    );
    assert_eq!(partly.created_at, Some(at("2023-07-06T18:02:39.8974Z")));
    assert_eq!(partly.legs[0].instrument.get(), "XXBTZUSD");
    let margin = named(&orders, "OB5VMB-B4U2U-DK2WRW");
    assert_eq!(margin.legs[0].instrument.get(), "margin:XXBTZUSD");
    assert_eq!((margin.status, margin.limit_price), (OrderStatus::New, price("14500")));
    assert_eq!(margin.time_in_force, Some(TimeInForce::Gtc));
}

#[test]
fn open_orders_limit_and_stop() {
    let orders = orders(&corpus!("open_orders_limit_and_stop.json"), NONE_CLOSED);
    let limit = named(&orders, "O26VBY-ISGAE-JP5TLU");
    assert_eq!((limit.kind, limit.limit_price), (OrderKind::Limit, price("29500")));
    assert_eq!(limit.average_price, None, "nothing was filled");
    assert_eq!(limit.legs[0].symbol.get(), "BTC/USDT");
    let stop = named(&orders, "OYEQF4-FDE4C-NMUYUI");
    assert_eq!((stop.kind, stop.legs[0].side), (OrderKind::Stop, Side::Sell));
    assert_eq!((stop.stop_price, stop.limit_price), (price("1800"), None));
}

#[test]
fn canceled_orders() {
    let orders = orders(NONE_OPEN, &corpus!("closed_orders_canceled.json"));
    let order = named(&orders, "O37652-RJWRT-IMO74O");
    assert_eq!(
        (order.status, order.kind),
        (OrderStatus::Canceled, OrderKind::StopLimit)
    );
    assert_eq!((order.stop_price, order.limit_price), (price("23667"), None));
    assert_eq!(order.reason.as_deref(), Some("User requested"));
    assert_eq!(order.updated_at, Some(at("2023-06-30T18:10:10.0482Z")));
    let other = named(&orders, "O6YDQ5-LOMWU-37YKEE");
    assert_eq!(
        (other.kind, other.legs[0].symbol.get()),
        (OrderKind::LimitIfTouched, "BTC/EUR")
    );
}

#[test]
fn filled_orders() {
    let body = corpus!("query_orders_filled.json");
    let stop = one(&body, "OBCMZD-JIEE7-77TH3F");
    assert_eq!((stop.status, stop.filled_qty), (OrderStatus::Filled, qty("1.25")));
    assert_eq!((stop.average_price, stop.stop_price), (price("27500"), price("27500")));
    let market = one(&body, "OMMDB2-FSB6Z-7W3HPO");
    assert_eq!((market.kind, market.legs[0].side), (OrderKind::Market, Side::Sell));
    assert_eq!(
        (market.amount, market.average_price),
        (Amount::Qty(qty("0.25")), price("30000"))
    );
    assert_eq!(market.updated_at, Some(at("2023-07-05T21:20:12.2335Z")));
}

#[test]
fn orders_by_id() {
    let body = corpus!("query_orders_open_and_canceled.json");
    let open = one(&body, "ODNLO4-QYFSV-33BKJA");
    assert_eq!((open.status, open.limit_price), (OrderStatus::New, price("1")));
    assert_eq!(open.legs[0].symbol.get(), "XMR/USD");
    let canceled = one(&body, "OQB6D2-O5QMF-QBBAWZ");
    assert_eq!(
        (canceled.status, canceled.updated_at),
        (OrderStatus::Canceled, Some(at("2019-02-13T23:42:18.0032Z")))
    );
}

#[test]
fn positions() {
    let stage = Stage::new(&[("private/OpenPositions", &corpus!("open_positions_docalcs.json"))]);
    let account = stage.account();
    let positions = stage.run(|broker| async move { broker.positions(&account).await.unwrap() });
    let [position] = positions.as_slice() else {
        panic!("{positions:?}")
    };
    assert_eq!(
        (position.instrument.get(), position.side),
        ("margin:XXBTZUSD", Side::Buy)
    );
    // 8.82412861 - 0.202 + 8 + 0.0000001 + 0.0001 + 0.0008999
    assert_eq!(position.qty, qty("16.62312861"));
    // 154186.9728 + 94367.2314 + 0.0006 + 0.6015 + 5.4133
    assert_eq!(position.unrealized_pnl, Some(usd("248560.2196")));
    assert_eq!(position.market_value, Some(usd("498951.5")));
}

#[test]
fn balances() {
    let (margin, rows) = (
        corpus!("trade_balance.json"),
        corpus!("balance_ex_numbers_official.json"),
    );
    let stage = Stage::new(&[("private/TradeBalance", &margin), ("private/BalanceEx", &rows)]);
    let account = stage.account();
    let balances = stage.run(|broker| async move { broker.balances(&account).await.unwrap() });
    let row = |code: &str| {
        balances
            .balances
            .iter()
            .find(|row| row.currency.code() == code)
            .unwrap()
    };
    assert_eq!(
        (row("USD").total, row("USD").held),
        (dec("25435.21"), Some(dec("8249.76")))
    );
    assert_eq!(row("USD").available, Some(dec("17185.45")));
    assert_eq!(
        (row("BTC").total, row("BTC").available),
        (dec("1.2435"), Some(dec("0.4012")))
    );
    assert_eq!(balances.equity, Some(usd("198499.67")));
    assert_eq!(
        (balances.margin_used, balances.margin_available),
        (Some(usd("12500.00")), Some(usd("185999.67")))
    );
    assert_eq!(balances.unrealized_pnl, Some(usd("-250.75")));
}

#[test]
fn money_on_margin() {
    let rows = r#"{"error":[],"result":{}}"#;
    let stage = Stage::new(&[
        ("private/TradeBalance", &corpus!("trade_balance_official.json")),
        ("private/BalanceEx", rows),
    ]);
    let account = stage.account();
    let balances = stage.run(|broker| async move { broker.balances(&account).await.unwrap() });
    let expected: [Option<Money>; 3] = [Some(usd("382.2032")), Some(usd("7.0354")), Some(usd("375.1678"))];
    assert_eq!(
        [balances.equity, balances.margin_used, balances.margin_available],
        expected
    );
}

/// Staked parts and opted-in money count to their asset. The plain list of balances has other rows than the one the
/// client reads, so these are made of it.
#[test]
fn staked_parts() {
    let plain = corpus!("balance_official.json");
    let plain: serde_json::Value = serde_json::from_str(&plain).unwrap();
    let rows: serde_json::Map<_, _> = plain["result"]
        .as_object()
        .unwrap()
        .iter()
        .map(|(asset, amount)| {
            (
                asset.clone(),
                serde_json::json!({ "balance": amount, "hold_trade": "0" }),
            )
        })
        .collect();
    let rows = serde_json::json!({ "error": [], "result": rows }).to_string();
    let stage = Stage::new(&[
        ("private/TradeBalance", &corpus!("trade_balance.json")),
        ("private/BalanceEx", &rows),
    ]);
    let account = stage.account();
    let balances = stage.run(|broker| async move { broker.balances(&account).await.unwrap() });
    let row = |code: &str| {
        balances
            .balances
            .iter()
            .find(|row| row.currency.code() == code)
            .unwrap()
    };
    // 171288.6158 + 1213029.2780
    assert_eq!(
        (row("USD").total, row("USD").available),
        (dec("1384317.8938"), Some(dec("171288.6158")))
    );
    assert_eq!(row("USD").parts[0].amount, dec("1213029.2780"));
    assert_eq!(row("BTC").total, dec("1011.19088779"));
    assert_eq!(row("DOT").total, dec("2.5"));
}
