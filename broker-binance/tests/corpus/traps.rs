//! What has cost users of Binance money or rows: one test a trap, where no other test shows it.

use std::collections::BTreeSet;

use broker_core::model::{Amount, Event};
use broker_core::seam::Frame;
use broker_core::{
    Broker, BrokerExt, ErrorKind, HistoryQuery, Money, OrderQuery, OrderRef, OrderRequest, OrderStatus, Placement,
    Proof, Record, Side,
};

use crate::common::{Exchange, Stage, account, at, dec, get, listed, lists, price, qty, send};

fn window() -> HistoryQuery {
    HistoryQuery::between(&account(), at("2025-12-01T00:00:00Z"), at("2026-01-01T00:00:00Z"))
        .with_instrument("BTCUSDT".into())
}

/// Two trades a page ask for no more than a page, whatever is behind them.
fn trades(ids: &[u64]) -> String {
    let row = |id: &u64| {
        format!(
            r#"{{"symbol":"BTCUSDT","id":{id},"orderId":7,"price":"90000.00","qty":"0.1","commission":"0","commissionAsset":"BNB","time":{},"isBuyer":true,"isMaker":false}}"#,
            1_764_547_200_000 + id
        )
    };
    format!("[{}]", ids.iter().map(row).collect::<Vec<_>>().join(","))
}

const GONE: &str = r#"{"code":-2013,"msg":"Order does not exist."}"#;

/// A page of two rows with two more behind it is no end, and a row that came late between both readings is found.
#[test]
fn a_short_page_is_no_end() {
    let stage = Stage::signed_in(vec![
        lists("BTCUSDT", "BTC", "USDT"),
        get("/api/v3/myTrades", trades(&[10, 20])),
        get("/api/v3/myTrades", trades(&[30])),
        get("/api/v3/myTrades", trades(&[])),
        get("/api/v3/myTrades", trades(&[30, 40])),
        get("/api/v3/myTrades", trades(&[])),
        get("/api/v3/myTrades", trades(&[30, 40])),
    ]);
    let ids = stage.run(|broker| async move {
        let (mut ids, mut cursor) = (BTreeSet::new(), None);
        loop {
            let page = broker.history(&window(), cursor.as_ref()).await.unwrap();
            for record in &page.rows {
                if let Record::Fill(fill) = record {
                    ids.insert(fill.id.get().to_owned());
                }
            }
            match page.next {
                Some(next) => cursor = Some(next),
                None => break ids,
            }
        }
    });
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    assert_eq!(ids, ["BTCUSDT:10:7", "BTCUSDT:20:7", "BTCUSDT:30:7", "BTCUSDT:40:7"]);
    // A start without an end: both together would span a day at most (-1127).
    assert_eq!(
        stage.queries()[1..],
        [
            "symbol=BTCUSDT&startTime=1764547200000&limit=1000",
            "symbol=BTCUSDT&fromId=21&limit=1000",
            "symbol=BTCUSDT&fromId=31&limit=1000",
            "symbol=BTCUSDT&fromId=30&limit=1000",
            "symbol=BTCUSDT&fromId=41&limit=1000",
            "symbol=BTCUSDT&fromId=30&limit=1000",
        ]
    );
}

/// Nor do orders ask for a span.
#[test]
fn no_list_is_asked_for_a_start_and_an_end() {
    let stage = Stage::signed_in(vec![get("/api/v3/allOrders", "[]")]);
    let mut query = OrderQuery::placed(&account(), broker_core::model::Window::LastDays(90));
    query.instrument = Some("BTCUSDT".into());
    stage.run(|broker| async move { broker.orders(&query, None).await.unwrap() });
    assert_eq!(stage.queries(), ["symbol=BTCUSDT&startTime=1759449600000&limit=1000"]);
}

/// A symbol that was renamed or is not listed any more is refused: that is no empty history.
#[test]
fn a_symbol_that_is_gone_proves_nothing() {
    let gone = r#"{"code":-1121,"msg":"Invalid symbol."}"#;
    let stage = Stage::signed_in(vec![
        get("/api/v3/exchangeInfo", gone).status(400),
        get("/api/v3/myTrades", gone).status(400),
    ]);
    let page = stage.run(|broker| async move { broker.history(&window(), None).await.unwrap() });
    assert_eq!((page.rows.len(), page.proof, page.next), (0, Proof::Nothing, None));
    assert!(page.notes[0].contains("BTCUSDT"), "{:?}", page.notes);
}

fn market() -> OrderRequest {
    OrderRequest::market("BTC/USDT".into(), Side::Buy, qty("0.5")).with_client_id("ours-1".into())
}

fn filled() -> String {
    r#"{"symbol":"BTCUSDT","orderId":28,"orderListId":-1,"clientOrderId":"ours-1","price":"0","origQty":"0.5","executedQty":"0.5",
      "cummulativeQuoteQty":"45000","status":"FILLED","timeInForce":"GTC","type":"MARKET","side":"BUY","time":1767225600000,"updateTime":1767225600000}"#
        .to_owned()
}

/// Nobody knows what became of it, and the same id is taken again once the first order is filled: it is looked up,
/// past a lookup that is too early, and never sent again.
#[test]
fn what_nobody_knows_is_looked_up_and_never_sent_again() {
    let unknown = |code: i64| format!(r#"{{"code":{code},"msg":"Timeout waiting for response from backend server."}}"#);
    for (status, body) in [
        (408, unknown(-1007)),
        (500, unknown(-1000)),
        (503, unknown(-1006)),
        (502, "<html>".to_owned()),
    ] {
        let stage = Stage::signed_in(vec![
            lists("BTCUSDT", "BTC", "USDT"),
            send("POST", "/api/v3/order", body).status(status),
            get("/api/v3/order", GONE).status(400),
            get("/api/v3/order", filled()),
        ]);
        let placed = stage.run(|broker| async move { broker.place_once(&account(), market()).await.unwrap() });
        let Placement::Accepted(order) = placed else {
            panic!("{status}: {placed:?}")
        };
        assert_eq!((order.id.get(), &order.status), ("BTCUSDT:28", &OrderStatus::Filled));
        let posts = stage
            .sent
            .lock()
            .unwrap()
            .iter()
            .filter(|sent| sent.line.starts_with("POST"))
            .count();
        assert_eq!(posts, 1, "{status}");
    }
}

/// For 100 dollars so much is bought as makes whole lots: the rest is not spent.
#[test]
fn money_that_makes_no_whole_lot_is_left() {
    let body = r#"{"symbol":"BTCUSDT","orderId":28,"orderListId":-1,"clientOrderId":"ours-1","transactTime":1767225600000,"price":"0.00","origQty":"0.00111",
      "executedQty":"0.00111","origQuoteOrderQty":"100.00","cummulativeQuoteQty":"99.9","status":"FILLED","timeInForce":"GTC","type":"MARKET","side":"BUY","fills":[]}"#;
    let stage = Stage::signed_in(vec![
        lists("BTCUSDT", "BTC", "USDT"),
        send("POST", "/api/v3/order", body),
    ]);
    let request = market().with_notional(qty("100"), None);
    let placed = stage.run(|broker| async move { broker.place_once(&account(), request).await.unwrap() });
    let Placement::Accepted(order) = placed else {
        panic!("{placed:?}")
    };
    assert_eq!(
        order.amount,
        Amount::Notional(Money::new(dec("100.00"), "USDT".parse().unwrap()))
    );
    assert_eq!(
        (order.filled_qty, order.average_price),
        (qty("0.00111"), Some(price("90000")))
    );
    assert!(
        stage.queries()[1].contains("quoteOrderQty=100"),
        "{:?}",
        stage.queries()
    );
}

/// What cannot be read is asked again, four times in all.
fn answered_with(order: &str, times: usize) -> Vec<Exchange> {
    let answers = (0..times).map(|_| get("/api/v3/order", order));
    std::iter::once(lists("BTCUSDT", "BTC", "USDT"))
        .chain(answers)
        .collect()
}

/// Other libraries' samples write whole numbers as text. Binance does not.
#[test]
fn whole_numbers_are_no_text() {
    let text = filled().replace("\"orderId\":28", "\"orderId\":\"28\"");
    let stage = Stage::signed_in(answered_with(&text, 4));
    let order = OrderRef::by_id(&account(), "BTCUSDT:28".into());
    let error = stage.run(|broker| async move { broker.order(&order).await.unwrap_err() });
    assert_eq!(error.kind(), ErrorKind::Decode);
}

/// An answer about another order than the one that was asked for is no answer.
#[test]
fn another_order_is_no_answer() {
    for (field, other, times) in [("\"orderId\":28", "\"orderId\":29", 1), ("BTCUSDT", "ETHUSDT", 4)] {
        let stage = Stage::signed_in(answered_with(&filled().replace(field, other), times));
        let order = OrderRef::by_id(&account(), "BTCUSDT:28".into());
        let error = stage.run(|broker| async move { broker.order(&order).await.unwrap_err() });
        assert_eq!(error.kind(), ErrorKind::Decode, "{other}");
    }
}

/// The leg of an OCO that did not fill has expired because the other one was triggered.
#[test]
fn the_losing_leg_of_an_oco_has_expired() {
    let told = r#"{"subscriptionId":0,"event":{"e":"executionReport","E":1767225600112,"s":"BTCUSDT","c":"leg-2","S":"SELL","o":"STOP_LOSS","f":"GTC",
      "q":"0.5","p":"0","P":"80000.10","g":-1,"C":"","x":"EXPIRED","X":"EXPIRED","r":"NONE","eR":"OCO_TRIGGER","i":29,"l":"0","z":"0","L":"0","n":"0","N":null,
      "T":1767225600222,"t":-1,"m":false,"O":1767225600001,"Z":"0","Q":"0"}}"#;
    let stage = Stage::signed_in(vec![get("/api/v3/exchangeInfo", listed("BTCUSDT", "BTC", "USDT"))]);
    let frame = Frame::Text(told.to_owned());
    let events = stage.run(|broker| async move { broker.read_account_frame(&account(), &frame).await.unwrap() });
    let [Event::Order(order)] = events.as_slice() else {
        panic!("{events:?}")
    };
    assert_eq!(
        (&order.status, order.reason.as_deref()),
        (&OrderStatus::Expired, Some("OCO_TRIGGER"))
    );
    assert_eq!(order.client_id.as_ref().map(|id| id.get()), Some("leg-2"));
}
