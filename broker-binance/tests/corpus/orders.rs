//! Orders and lists of orders: read, placed, canceled, changed.

use std::sync::Arc;

use broker_core::model::{Amount, Group, Instrument, OrderKind};
use broker_core::{
    Broker, Delivery, ErrorKind, Gate, Intent, Order, OrderQuery, OrderRef, OrderRequest, OrderStatus, Side,
    TimeInForce, Trading,
};

use crate::common::{Stage, account, at, get, lists, price, qty, send};
use crate::recorded;

fn by_id(id: &str) -> OrderRef {
    OrderRef::by_id(&account(), id.into())
}

#[test]
fn an_order_that_is_read() {
    let body = recorded!("order_get.json");
    let stage = Stage::signed_in(vec![lists("LTCBTC", "LTC", "BTC"), get("/api/v3/order", body)]);
    let order = stage.run(|broker| async move { broker.order(&by_id("LTCBTC:1")).await.unwrap() });
    assert_first(&order);
    assert_eq!(stage.queries()[1], "symbol=LTCBTC&orderId=1");
}

fn assert_first(order: &Order) {
    assert_eq!(
        (order.id.get(), order.client_id.as_ref().unwrap().get()),
        ("LTCBTC:1", "myOrder1")
    );
    assert_eq!((&order.kind, &order.status), (&OrderKind::Limit, &OrderStatus::New));
    assert_eq!((order.limit_price, order.stop_price), (Some(price("0.1")), None));
    assert_eq!((order.amount, order.filled_qty), (Amount::Qty(qty("1.0")), qty("0")));
    assert_eq!(order.average_price, None);
    assert_eq!(order.time_in_force, Some(TimeInForce::Gtc));
    assert_eq!((order.legs[0].symbol.get(), order.legs[0].side), ("LTC/BTC", Side::Buy));
    assert_eq!(order.created_at, Some(at("2017-07-12T02:41:59.559Z")));
    assert_eq!(order.updated_at, order.created_at);
    assert_eq!(order.links.group, None);
}

#[test]
fn open_orders() {
    let body = recorded!("open_orders.json");
    let stage = Stage::signed_in(vec![get("/api/v3/openOrders", body), lists("LTCBTC", "LTC", "BTC")]);
    let page = stage.run(|broker| async move { broker.orders(&OrderQuery::open(&account()), None).await.unwrap() });
    let [order] = page.rows.as_slice() else {
        panic!("{page:?}")
    };
    assert_first(order);
    assert_eq!(stage.queries()[0], "");
}

/// An order of a list is read with the list.
#[test]
fn a_list_that_is_read() {
    let (order, list) = (recorded!("order_get.json"), recorded!("order_list_get.json"));
    let order = order
        .replace(r#""orderListId": -1"#, r#""orderListId": 27"#)
        .replace(r#""orderId": 1,"#, r#""orderId": 4,"#);
    let stage = Stage::signed_in(vec![
        lists("LTCBTC", "LTC", "BTC"),
        get("/api/v3/order", order),
        get("/api/v3/orderList", list),
    ]);
    let order = stage.run(|broker| async move { broker.order(&by_id("LTCBTC:4")).await.unwrap() });
    assert_eq!(order.links.group, Some(Group::Oco));
    assert_eq!(order.links.siblings, ["LTCBTC:5".into()]);
    assert_eq!(stage.queries()[2], "orderListId=27");
}

/// The lists of an account name the symbols that it traded.
#[test]
fn all_lists() {
    let body = recorded!("all_order_list.json");
    let orders = recorded!("order_get.json")
        .replace(r#""orderListId": -1"#, r#""orderListId": 29"#)
        .replace(r#""orderId": 1,"#, r#""orderId": 5,"#);
    let stage = Stage::signed_in(vec![
        get("/api/v3/allOrders", format!("[{orders}]")),
        lists("LTCBTC", "LTC", "BTC"),
        get("/api/v3/allOrderList", body),
    ]);
    let query = OrderQuery::placed(&account(), broker_core::model::Window::All).with_instrument("LTCBTC".into());
    let page = stage.run(|broker| async move { broker.orders(&query, None).await.unwrap() });
    let [order] = page.rows.as_slice() else {
        panic!("{page:?}")
    };
    assert_eq!(order.links.siblings, ["LTCBTC:4".into()]);
    assert_eq!(
        stage.queries(),
        [
            "symbol=LTCBTC&orderId=0&limit=1000",
            "symbol=LTCBTC",
            "fromId=29&limit=1000"
        ]
    );
}

fn instrument(symbol: &str, base: &str, quote: &str) -> Instrument {
    let stage = Stage::new(vec![lists(symbol, base, quote)]);
    let query = broker_core::InstrumentQuery::Ids(vec![symbol.into()]);
    stage.run(|broker| async move { broker.instruments(&query).await.unwrap().remove(0) })
}

fn intent(id: &str, instrument: Instrument, request: OrderRequest) -> Intent {
    Intent {
        id: id.into(),
        broker: "binance".into(),
        environment: broker_core::model::Environment::Paper,
        account: account(),
        request: request.with_instrument(instrument.id.clone()),
        instrument: Arc::new(instrument),
        replaces: None,
        created_at: at("2026-01-01T00:00:00Z"),
        mark: None,
    }
}

fn sale() -> Intent {
    let request = OrderRequest::market("BTC/USDT".into(), Side::Sell, qty("10"));
    intent("6gCrw2kRUAF9CvJDGP16IP", instrument("BTCUSDT", "BTC", "USDT"), request)
}

#[test]
fn a_market_order_that_filled_in_five_parts() {
    let body = recorded!("order_full_market_5_fills.json");
    let stage = Stage::signed_in(vec![send("POST", "/api/v3/order", body)]);
    let order = stage.run(|broker| async move { broker.place(&sale(), &Gate::new()).await.unwrap() });
    assert_eq!((order.id.get(), &order.status), ("BTCUSDT:28", &OrderStatus::Filled));
    assert_eq!((order.filled_qty, order.limit_price), (qty("10"), None));
    // As the answer says: 10 USDT for 10 BTC, whatever its fills are.
    assert_eq!(order.average_price, Some(price("1")));
    assert_eq!(order.created_at, Some(at("2017-10-11T12:32:56.595Z")));
    assert_eq!(
        stage.queries(),
        [
            "symbol=BTCUSDT&side=SELL&type=MARKET&quantity=10&newClientOrderId=6gCrw2kRUAF9CvJDGP16IP&newOrderRespType=FULL"
        ]
    );
}

#[test]
fn shorter_answers_to_a_placing() {
    let (result, ack) = (recorded!("order_result.json"), recorded!("order_ack.json"));
    let stage = Stage::signed_in(vec![
        send("POST", "/api/v3/order", result),
        send("POST", "/api/v3/order", ack),
    ]);
    let (order, error) = stage.run(|broker| async move {
        let order = broker.place(&sale(), &Gate::new()).await.unwrap();
        (order, broker.place(&sale(), &Gate::new()).await.unwrap_err())
    });
    assert_eq!((order.id.get(), &order.status), ("BTCUSDT:28", &OrderStatus::Filled));
    // Never asked for. It says that there is an order, and nothing of it: a doubt, which a lookup ends.
    assert_eq!((error.kind(), error.delivery()), (ErrorKind::Decode, Delivery::Unknown));
}

#[test]
fn a_placed_oco() {
    let body = recorded!("order_list_oco.json");
    let stop = broker_core::model::StopExit::Stop {
        stop: broker_core::model::Level::Price(price("1")),
        limit: Some(broker_core::model::Level::Price(price("1"))),
    };
    let request = OrderRequest::oco("LTC/BTC".into(), Side::Sell, qty("5"), price("3"), stop);
    let intent = intent("NuMp0nVYnciDiFmVqfpBqK", instrument("LTCBTC", "LTC", "BTC"), request);
    let stage = Stage::signed_in(vec![send("POST", "/api/v3/orderList/oco", body)]);
    let order = stage.run(|broker| async move { broker.place(&intent, &Gate::new()).await.unwrap() });
    assert_eq!((order.id.get(), &order.kind), ("LTCBTC:11", &OrderKind::Limit));
    assert_eq!(order.links.group, Some(Group::Oco));
    assert_eq!(order.links.siblings, ["LTCBTC:10".into()]);
    assert_eq!(
        stage.queries(),
        [concat!(
            "symbol=LTCBTC&side=SELL&quantity=5&aboveType=LIMIT_MAKER&aboveClientOrderId=NuMp0nVYnciDiFmVqfpBqK",
            "&abovePrice=3&belowType=STOP_LOSS_LIMIT&belowStopPrice=1&belowPrice=1&belowTimeInForce=GTC",
            "&newOrderRespType=FULL"
        )]
    );
}

#[test]
fn a_placed_entry_with_two_exits() {
    let body = recorded!("order_list_otoco.json");
    let request = OrderRequest::limit("LTC/BTC".into(), Side::Sell, qty("1"), price("1"))
        .with_target(broker_core::model::Level::Price(price("0.5")))
        .with_stop(broker_core::model::StopExit::Stop {
            stop: broker_core::model::Level::Price(price("6")),
            limit: Some(broker_core::model::Level::Price(price("7"))),
        });
    let intent = intent("fM9Y4m23IFJVCQmIrlUmMK", instrument("LTCBTC", "LTC", "BTC"), request);
    let stage = Stage::signed_in(vec![send("POST", "/api/v3/orderList/otoco", body)]);
    let order = stage.run(|broker| async move { broker.place(&intent, &Gate::new()).await.unwrap() });
    assert_eq!((order.id.get(), &order.status), ("LTCBTC:6", &OrderStatus::New));
    // The word in the answer is OTO.
    assert_eq!(order.links.group, Some(Group::Bracket));
    assert_eq!(order.links.children, ["LTCBTC:7".into(), "LTCBTC:8".into()]);
    assert_eq!(
        stage.queries(),
        [concat!(
            "symbol=LTCBTC&workingType=LIMIT&workingTimeInForce=GTC&workingSide=SELL&workingPrice=1&workingQuantity=1",
            "&workingClientOrderId=fM9Y4m23IFJVCQmIrlUmMK&pendingSide=BUY&pendingQuantity=1",
            "&pendingBelowType=LIMIT_MAKER&pendingBelowPrice=0.5",
            "&pendingAboveType=STOP_LOSS_LIMIT&pendingAboveStopPrice=6&pendingAbovePrice=7",
            "&pendingAboveTimeInForce=GTC&newOrderRespType=FULL"
        )]
    );
}

#[test]
fn a_canceled_order() {
    let body = recorded!("cancel_order.json");
    let stage = Stage::signed_in(vec![send("DELETE", "/api/v3/order", body)]);
    stage.run(|broker| async move { broker.cancel(&by_id("LTCBTC:4")).await.unwrap() });
    assert_eq!(stage.queries(), ["symbol=LTCBTC&orderId=4"]);
}

/// Two orders, and a list of two: four orders.
#[test]
fn all_orders_of_a_symbol_canceled() {
    let body = recorded!("cancel_open_orders_with_oco.json");
    let one = recorded!("order_get.json").replace("LTCBTC", "BTCUSDT");
    let numbered = |number: u32| one.replace(r#""orderId": 1,"#, &format!(r#""orderId": {number},"#));
    let open = [11, 13, 20, 21, 22].map(numbered).join(",");
    let stage = Stage::signed_in(vec![
        get("/api/v3/openOrders", format!("[{open}]")),
        lists("BTCUSDT", "BTC", "USDT"),
        send("DELETE", "/api/v3/openOrders", body),
    ]);
    let outcomes = stage.run(|broker| async move { broker.cancel_all(&account()).await.unwrap() });
    let told: Vec<_> = outcomes
        .iter()
        .map(|one| (one.order.get(), one.result.is_ok()))
        .collect();
    assert_eq!(
        told,
        [
            ("BTCUSDT:11", true),
            ("BTCUSDT:13", true),
            ("BTCUSDT:20", true),
            ("BTCUSDT:21", true),
            // Gone before the cancel came: that is no success.
            ("BTCUSDT:22", false),
        ]
    );
}

#[test]
fn an_order_made_smaller() {
    let (amended, old) = (recorded!("amend_keep_priority.json"), recorded!("order_get.json"));
    let old = old
        .replace("LTCBTC", "BTCUSDT")
        .replace(r#""orderId": 1,"#, r#""orderId": 33,"#);
    let stage = Stage::signed_in(vec![
        lists("BTCUSDT", "BTC", "USDT"),
        get("/api/v3/order", old),
        send("PUT", "/api/v3/order/amend/keepPriority", amended),
    ]);
    let order = stage.run(|broker| async move { broker.reduce(&by_id("BTCUSDT:33"), qty("5")).await.unwrap() });
    assert_eq!(
        (order.id.get(), order.amount),
        ("BTCUSDT:33", Amount::Qty(qty("5.00000000")))
    );
    assert_eq!((order.limit_price, order.legs[0].side), (Some(price("6")), Side::Sell));
    assert_eq!(order.updated_at, Some(at("2025-03-14T04:26:50.255Z")));
    // Without the id that it has, a new one would be drawn.
    assert_eq!(
        stage.queries()[2],
        "symbol=BTCUSDT&orderId=33&newQty=5&newClientOrderId=myOrder1"
    );
}

#[test]
fn amendments() {
    let body = recorded!("order_amendments.json");
    let stage = Stage::new(vec![get("/api/v3/order/amendments", body)]);
    let found = stage.run(|broker| async move { broker.amendments(&by_id("BTCUSDT:9")).await.unwrap() });
    let [first, second] = found.as_slice() else {
        panic!("{found:?}")
    };
    assert_eq!((first.qty_before, first.qty), (qty("5"), qty("4")));
    assert_eq!(
        (second.before.get(), second.since.get()),
        ("UQ1Np3bmQ71jJzsSDW9Vpi", "5uS0r35ohuQyDlCzZuYXq2")
    );
    assert_eq!(second.at, at("2025-03-11T06:02:04.895Z"));
}

fn other_order(id: &str) -> OrderRequest {
    OrderRequest::limit("BTC/USDT".into(), Side::Buy, qty("0.04"), price("0.02")).with_client_id(id.into())
}

#[test]
fn cancel_and_place_both_done() {
    let body = recorded!("cancel_replace_success.json");
    let stage = Stage::signed_in(vec![
        lists("BTCUSDT", "BTC", "USDT"),
        send("POST", "/api/v3/order/cancelReplace", body),
    ]);
    let done = stage.run(|broker| async move {
        broker
            .cancel_replace(&by_id("BTCUSDT:9"), other_order("wOceeeOzNORyLiQfw7jd8S"))
            .await
            .unwrap()
    });
    let placed = done.placed.unwrap();
    assert_eq!(
        (done.canceled.id.get(), &done.canceled.status),
        ("BTCUSDT:9", &OrderStatus::Canceled)
    );
    // The cancel has an id of its own; ours is the one that the order had.
    assert_eq!(done.canceled.client_id.unwrap().get(), "DnLo3vTAQcjha43lAZhZ0y");
    assert_eq!(
        (placed.id.get(), placed.limit_price),
        ("BTCUSDT:10", Some(price("0.02")))
    );
    assert_eq!(placed.amount, Amount::Qty(qty("0.040000")));
    assert_eq!(
        stage.queries()[1],
        concat!(
            "symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTC&price=0.02&quantity=0.04",
            "&newClientOrderId=wOceeeOzNORyLiQfw7jd8S&newOrderRespType=FULL&cancelOrderId=9",
            "&cancelReplaceMode=STOP_ON_FAILURE&cancelRestrictions=ONLY_NEW"
        )
    );
}

#[test]
fn canceled_and_not_placed() {
    let (half, old) = (
        recorded!("cancel_replace_partial_cancel_ok_new_rejected_409.json"),
        recorded!("order_get.json"),
    );
    let old = old
        .replace("LTCBTC", "BTCUSDT")
        .replace("NEW", "CANCELED")
        .replace(r#""orderId": 1,"#, r#""orderId": 3,"#);
    let stage = Stage::signed_in(vec![
        lists("BTCUSDT", "BTC", "USDT"),
        send("POST", "/api/v3/order/cancelReplace", half).status(409),
        get("/api/v3/order", old),
    ]);
    let done = stage.run(|broker| async move {
        broker
            .cancel_replace(&by_id("BTCUSDT:3"), other_order("new-1"))
            .await
            .unwrap()
    });
    assert_eq!(
        (done.canceled.id.get(), &done.canceled.status),
        ("BTCUSDT:3", &OrderStatus::Canceled)
    );
    let error = done.placed.unwrap_err();
    assert_eq!(
        (error.kind(), error.delivery()),
        (ErrorKind::OrderRejected, Delivery::Answered)
    );
    assert_eq!(error.code(), Some("-2021"));
    assert_eq!(
        error.message(),
        Some("the old order was canceled, and the new one refused: Order would immediately match and take.")
    );
}

#[test]
fn neither_canceled_nor_placed() {
    let body = recorded!("cancel_replace_cancel_failed_stop_on_failure_400.json");
    let stage = Stage::signed_in(vec![
        lists("BTCUSDT", "BTC", "USDT"),
        send("POST", "/api/v3/order/cancelReplace", body).status(400),
    ]);
    let error = stage.run(|broker| async move {
        broker
            .cancel_replace(&by_id("BTCUSDT:9"), other_order("new-1"))
            .await
            .unwrap_err()
    });
    assert_eq!(
        (error.kind(), error.delivery()),
        (ErrorKind::NotFound, Delivery::Answered)
    );
    assert_eq!(
        (error.code(), error.message()),
        (
            Some("-2022"),
            Some("the old order was not canceled, and nothing was placed: Unknown order sent.")
        )
    );
}
