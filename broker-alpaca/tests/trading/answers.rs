//! What the answers to orders, changes and cancels mean.

use std::time::Duration;

use broker_alpaca::AlpacaConfig;
use broker_core::model::{Amount, Group, OrderChange, OrderKind, Trail};
use broker_core::seam::{Clock, MemoryTransport};
use broker_core::{
    Broker, Delivery, Error, ErrorKind, Gate, Intent, Order, OrderRef, OrderRequest, OrderStatus, Result, Side,
};
use broker_testkit::fixtures::corpus;

use super::{OURS, changing, intent, order, spy, trading};
use crate::common::{Exchange, Stage, account, account_body, at, fixture, get, over, price, qty, send};

const BODY: &str =
    r#"{"symbol":"SPY","qty":"1","side":"buy","type":"market","time_in_force":"day","client_order_id":"ours-1"}"#;

fn bought() -> Intent {
    intent(spy(), OrderRequest::market("any".into(), Side::Buy, qty("1")))
}

fn post(body: impl Into<String>) -> Exchange {
    send("POST", "/v2/orders", BODY, body)
}

fn placed(script: Vec<Exchange>) -> Result<Order> {
    let stage = Stage::signed_in(script);
    stage.run(|broker| async move { trading(&broker).place(&bought(), &Gate::new()).await })
}

#[test]
fn the_order_of_an_answer_comes_whole() {
    let answer = fixture("bracket.json").replace("entry-1", OURS);
    let order = placed(vec![post(answer)]).unwrap();
    assert_eq!(order.id.get(), "a0000000-0000-4000-8000-000000000001");
    assert_eq!(order.client_id.as_ref().unwrap().get(), OURS);
    assert_eq!((&order.status, &order.kind), (&OrderStatus::Filled, &OrderKind::Market));
    assert_eq!(
        (order.filled_qty, order.average_price),
        (qty("10"), Some(price("500.125")))
    );
    assert_eq!(order.links.group, Some(Group::Bracket));
    let children: Vec<_> = order.links.children.iter().map(|id| id.get()).collect();
    assert_eq!(
        children,
        [
            "a0000000-0000-4000-8000-000000000002",
            "a0000000-0000-4000-8000-000000000003"
        ]
    );
    assert_eq!(order.created_at, Some(at("2026-02-02T14:30:00.1Z")));
}

#[test]
fn a_recorded_answer() {
    let Some(folder) = corpus("alpaca") else { return };
    let recorded = std::fs::read_to_string(folder.join("order_equity_accepted.json")).unwrap();
    let mut intent = intent(
        super::instrument(
            "AAPL",
            broker_core::model::AssetClass::Stock,
            broker_core::Currency::USD,
        ),
        OrderRequest::limit("any".into(), Side::Buy, qty("2"), price("150"))
            .with_time_in_force(broker_core::TimeInForce::Gtc),
    );
    intent.id = "5680c4bc-9ac1-4a12-a44c-df427ba53032".into();
    let body = r#"{"symbol":"AAPL","qty":"2","side":"buy","type":"limit","time_in_force":"gtc","limit_price":"150","client_order_id":"5680c4bc-9ac1-4a12-a44c-df427ba53032"}"#;
    let stage = Stage::signed_in(vec![send("POST", "/v2/orders", body, recorded)]);
    let order = stage.run(|broker| async move { trading(&broker).place(&intent, &Gate::new()).await.unwrap() });
    assert_eq!(order.id.get(), "7b08df51-c1ac-453c-99f9-323a5f075f0d");
    assert_eq!((order.status, order.amount), (OrderStatus::New, Amount::Qty(qty("2"))));
    assert_eq!(
        (order.limit_price, order.reason.as_deref()),
        (Some(price("150")), Some("accepted"))
    );
    assert_eq!(order.created_at, Some(at("2023-12-12T22:31:24.668464435Z")));
}

#[test]
fn what_does_not_prove_a_refusal_is_a_doubt() {
    let duplicated = format!("{},{}", order(OURS), order(OURS));
    for (status, body, kind) in [
        (200, order("another"), ErrorKind::Decode),
        (
            200,
            order(OURS).replace(r#""client_order_id":"ours-1","#, ""),
            ErrorKind::Decode,
        ),
        (200, order(OURS).replace("o-1", ""), ErrorKind::Decode),
        (200, order(OURS).replace(r#""buy""#, r#""long""#), ErrorKind::Decode),
        (
            200,
            order(OURS).replace(r#""qty":"1""#, r#""qty":"-1""#),
            ErrorKind::InvalidRequest,
        ),
        (200, duplicated, ErrorKind::Decode),
        (200, String::new(), ErrorKind::Decode),
        (200, order(OURS)[..40].to_owned(), ErrorKind::Decode),
        (204, String::new(), ErrorKind::Decode),
        (200, "<html>".to_owned(), ErrorKind::Unavailable),
        (
            500,
            r#"{"code":50010000,"message":"internal"}"#.to_owned(),
            ErrorKind::Unavailable,
        ),
        (502, "<html>Bad Gateway</html>".to_owned(), ErrorKind::Unavailable),
        (504, String::new(), ErrorKind::Unavailable),
        (522, String::new(), ErrorKind::Unavailable),
        (408, String::new(), ErrorKind::Unavailable),
        (403, "<html>challenge</html>".to_owned(), ErrorKind::Unavailable),
        (404, r#"{"message":"no route"}"#.to_owned(), ErrorKind::Unavailable),
        (307, String::new(), ErrorKind::Protocol),
    ] {
        // One attempt: a second request would not be in the script.
        let error = placed(vec![post(body.clone()).status(status)]).unwrap_err();
        assert_eq!(error.kind(), kind, "{status} {body}: {error}");
        assert_eq!(error.delivery(), Delivery::Unknown, "{status} {body}");
        assert_eq!(error.operation(), Some("place"));
    }
}

#[test]
fn refusals_are_proven_by_alpacas_answer() {
    for (status, body, kind) in [
        (
            403,
            r#"{"code":40310000,"message":"insufficient buying power","buying_power":"1"}"#,
            ErrorKind::InsufficientFunds,
        ),
        (
            403,
            r#"{"code":40310000,"message":"potential wash trade detected. use complex orders"}"#,
            ErrorKind::OrderRejected,
        ),
        (
            422,
            r#"{"code":40010001,"message":"client_order_id must be unique"}"#,
            ErrorKind::DuplicateOrder,
        ),
        (
            422,
            r#"{"code":42210000,"message":"qty must be > 0"}"#,
            ErrorKind::InvalidRequest,
        ),
        (403, r#"{"message":"forbidden."}"#, ErrorKind::Auth),
    ] {
        let error = placed(vec![post(body).status(status)]).unwrap_err();
        assert_eq!((error.kind(), error.delivery()), (kind, Delivery::Answered), "{body}");
        assert_eq!(error.status(), Some(status));
    }
    let error = placed(vec![
        post(r#"{"code":40310000,"message":"insufficient qty available for order (requested: 1, available: 0)","held_for_orders":"1","related_orders":["o-7"]}"#).status(403),
    ])
    .unwrap_err();
    assert_eq!(
        error.to_string(),
        "alpaca place: insufficient funds (HTTP 403, code 40310000): insufficient qty available for order (requested: \
         1, available: 0); cancel the order that holds them (o-7), and wait until it is canceled"
    );
    let Some(folder) = corpus("alpaca") else { return };
    let body = std::fs::read_to_string(folder.join("error_422_subpenny_limit_price.json")).unwrap();
    let error = placed(vec![post(body).status(422)]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "alpaca place: invalid request (HTTP 422, code 42210000): invalid limit_price 290.123. sub-penny increment does \
         not fulfill minimum pricing criteria"
    );
}

#[test]
fn a_429_did_nothing_and_is_sent_again() {
    let limited = || post(r#"{"code":42910000,"message":"rate limit exceeded"}"#).status(429);
    let order = placed(vec![limited(), post(order(OURS))]).unwrap();
    assert_eq!(order.id.get(), "o-1");
    // A turn of the quota beyond the time that an order may wait is the venue's refusal.
    let far = limited().header("x-ratelimit-reset", "1767225660");
    let stage = Stage::signed_in(vec![far]);
    let clock = stage.runtime.clock();
    let error = stage.run(|broker| async move { trading(&broker).place(&bought(), &Gate::new()).await.unwrap_err() });
    assert_eq!(
        (error.kind(), error.delivery()),
        (ErrorKind::RateLimited, Delivery::Answered)
    );
    assert!(clock.elapsed() < Duration::from_secs(10), "{:?}", clock.elapsed());
}

#[test]
fn nothing_is_sent_through_a_closed_gate() {
    let stage = Stage::signed_in(Vec::new());
    let gate = Gate::new();
    gate.close();
    let error = stage.run(|broker| async move { trading(&broker).place(&bought(), &gate).await.unwrap_err() });
    assert_eq!(error.delivery(), Delivery::NotSent);

    let reference = OrderRef::by_id(&account(), "o-0".into());
    let change = OrderChange::new().with_qty(qty("2"));
    let stage = Stage::signed_in(vec![get("/v2/orders/o-0?nested=true", order("old"))]);
    let gate = Gate::new();
    gate.close();
    let error = stage.run(|broker| async move {
        let intent = changing(spy(), &reference, &change);
        trading(&broker)
            .replace(&reference, &change, &intent, &gate)
            .await
            .unwrap_err()
    });
    assert_eq!(error.delivery(), Delivery::NotSent);
}

#[test]
fn a_gate_that_closes_while_the_order_waits_keeps_it_back() {
    // The one request a minute is spent on the account.
    let config = AlpacaConfig::new("PKTESTTESTTESTTEST01", "not-a-secret").with_requests_per_minute(1);
    let stage = Stage::with(config, vec![get("/v2/account", account_body())]);
    let clock = stage.runtime.clock();
    let error = stage.run(|broker| async move {
        broker.accounts().await.unwrap();
        let (gate, intent) = (Gate::new(), bought());
        let waiting = trading(&broker).place(&intent, &gate);
        let closing = async {
            clock.sleep(Duration::from_secs(1)).await;
            assert!(gate.close(), "it has not passed");
        };
        futures_util::future::join(waiting, closing).await.0.unwrap_err()
    });
    assert_eq!(error.delivery(), Delivery::NotSent);
}

#[test]
fn a_read_that_fails_before_the_order_is_no_doubt_about_it() {
    let failing = || get("/v2/account", "<html>").status(502);
    let stage = Stage::new((0..4).map(|_| failing()).collect());
    let error = stage.run(|broker| async move { trading(&broker).place(&bought(), &Gate::new()).await.unwrap_err() });
    assert_eq!(
        (error.kind(), error.delivery()),
        (ErrorKind::Unavailable, Delivery::NotSent)
    );
    // Nor is an account of somebody else.
    let stage = Stage::signed_in(Vec::new());
    let mut foreign = bought();
    foreign.account = "1".into();
    let error = stage.run(|broker| async move { trading(&broker).place(&foreign, &Gate::new()).await.unwrap_err() });
    assert_eq!(
        (error.kind(), error.delivery()),
        (ErrorKind::InvalidRequest, Delivery::NotSent)
    );
}

#[test]
fn a_lost_connection_is_a_doubt() {
    let transport = MemoryTransport::new(|request| match request.method().as_str() {
        "GET" => Ok(http::Response::new(account_body().into())),
        _ => Err(Error::new(ErrorKind::Unavailable).with_message("connection reset")),
    });
    let (runtime, broker) = over(AlpacaConfig::new("PKTESTTESTTESTTEST01", "not-a-secret"), transport);
    let error = runtime.block_on(async { trading(&broker).place(&bought(), &Gate::new()).await.unwrap_err() });
    assert_eq!(
        (error.kind(), error.delivery()),
        (ErrorKind::Unavailable, Delivery::Unknown)
    );
}

fn cancel(order: OrderRef, script: Vec<Exchange>) -> Result<()> {
    let stage = Stage::signed_in(script);
    stage.run(|broker| async move { trading(&broker).cancel(&order).await })
}

#[test]
fn a_cancel_is_taken_or_says_why_not() {
    let by_id = || OrderRef::by_id(&account(), "o-1".into());
    let delete = |body: &str| send("DELETE", "/v2/orders/o-1", "", body);
    cancel(by_id(), vec![delete("").status(204)]).unwrap();
    for (status, body, kind, delivery) in [
        (
            422,
            r#"{"code":42210000,"message":"order is already in \"filled\" state"}"#,
            ErrorKind::OrderRejected,
            Delivery::Answered,
        ),
        (
            404,
            r#"{"code":40410000,"message":"order not found for o-1"}"#,
            ErrorKind::NotFound,
            Delivery::Answered,
        ),
        (404, "<html>", ErrorKind::Unavailable, Delivery::Unknown),
        (500, "", ErrorKind::Unavailable, Delivery::Unknown),
    ] {
        let error = cancel(by_id(), vec![delete(body).status(status)]).unwrap_err();
        assert_eq!((error.kind(), error.delivery()), (kind, delivery), "{status} {body}");
    }
    // By our id it is looked up first.
    let ours = || OrderRef::by_client_id(&account(), OURS.into());
    let lookup = "/v2/orders:by_client_order_id?client_order_id=ours-1";
    cancel(ours(), vec![get(lookup, order(OURS)), delete("").status(204)]).unwrap();
    let missing = get(lookup, r#"{"code":40410000,"message":"order not found"}"#).status(404);
    let error = cancel(ours(), vec![missing]).unwrap_err();
    assert_eq!(
        (error.kind(), error.delivery()),
        (ErrorKind::NotFound, Delivery::NotSent)
    );
    // The path of an order without an id is the path of all orders.
    let error = cancel(OrderRef::by_id(&account(), "".into()), Vec::new()).unwrap_err();
    assert_eq!(
        (error.kind(), error.delivery()),
        (ErrorKind::InvalidRequest, Delivery::NotSent)
    );
    let error = cancel(OrderRef::by_id(&account(), "..".into()), Vec::new()).unwrap_err();
    assert_eq!(
        (error.kind(), error.delivery()),
        (ErrorKind::InvalidRequest, Delivery::NotSent)
    );
}

fn cancel_all(body: &str) -> Result<Vec<broker_core::CancelOutcome>> {
    let stage = Stage::signed_in(vec![send("DELETE", "/v2/orders", "", body).status(207)]);
    stage.run(|broker| async move { trading(&broker).cancel_all(&account()).await })
}

#[test]
fn each_order_of_a_cancel_of_all_has_its_own_outcome() {
    let rows = cancel_all(
        r#"[{"id":"a","status":200,"body":{"id":"a","any":1}},
            {"id":"b","status":200},
            {"id":"c","status":422,"body":{"code":42210000,"message":"order is not cancelable"}},
            {"id":"d","status":404,"body":{"code":40410000,"message":"order not found"}},
            {"id":"e","status":500,"body":{"code":50010000,"message":"internal server error occurred"}},
            {"id":"f","status":500,"body":null}]"#,
    )
    .unwrap();
    let outcomes: Vec<_> = rows
        .iter()
        .map(|row| {
            let error = row.result.as_ref().err();
            (row.order.get(), error.map(|error| (error.kind(), error.delivery())))
        })
        .collect();
    assert_eq!(
        outcomes,
        [
            ("a", None),
            ("b", None),
            ("c", Some((ErrorKind::OrderRejected, Delivery::Answered))),
            ("d", Some((ErrorKind::NotFound, Delivery::Answered))),
            ("e", Some((ErrorKind::Unavailable, Delivery::Unknown))),
            ("f", Some((ErrorKind::Unavailable, Delivery::Unknown))),
        ]
    );
    assert_eq!(
        rows[2].result.as_ref().unwrap_err().to_string(),
        "alpaca cancel_all: order rejected (HTTP 422, code 42210000): order is not cancelable; read the order: it may \
         have filled, or be on its way to another state"
    );
    assert_eq!(cancel_all("[]").unwrap().len(), 0);
    // Without a list nobody knows what became of them.
    let error = cancel_all("{}").unwrap_err();
    assert_eq!((error.kind(), error.delivery()), (ErrorKind::Decode, Delivery::Unknown));
    let Some(folder) = corpus("alpaca") else { return };
    let recorded = std::fs::read_to_string(folder.join("cancel_all_207_with_bodies.json")).unwrap();
    let rows = cancel_all(&recorded).unwrap();
    let taken: Vec<_> = rows.iter().map(|row| (row.order.get(), row.result.is_ok())).collect();
    assert_eq!(
        taken,
        [
            ("aaeec1f3-4917-4cfd-b89f-bab24495d2ff", true),
            ("f235da63-19c6-49c5-b179-1680576cf42b", true),
        ]
    );
}

#[test]
fn the_answer_to_a_change_is_the_new_order() {
    let reference = OrderRef::by_id(&account(), "o-0".into());
    let change = OrderChange::new().with_trail(Trail::Amount(3.into()));
    let old = r#"{"id":"o-0","client_order_id":"old","status":"new","filled_qty":"0","symbol":"SPY","side":"sell","qty":"1","type":"trailing_stop","trail_price":"2"}"#;
    let replace = |answer: String, status: u16| {
        let script = vec![
            get("/v2/orders/o-0?nested=true", old),
            send(
                "PATCH",
                "/v2/orders/o-0",
                r#"{"trail":"3","client_order_id":"ours-1"}"#,
                answer,
            )
            .status(status),
        ];
        let (reference, change) = (reference.clone(), change.clone());
        Stage::signed_in(script).run(|broker| async move {
            let intent = changing(spy(), &reference, &change);
            trading(&broker)
                .replace(&reference, &change, &intent, &Gate::new())
                .await
        })
    };
    let new = order(OURS).replace(r#""status""#, r#""replaces":"o-0","status""#);
    let done = replace(new, 200).unwrap();
    assert_eq!((done.id.get(), done.links.replaces), ("o-1", Some("o-0".into())));
    let error = replace(order("another"), 200).unwrap_err();
    assert_eq!((error.kind(), error.delivery()), (ErrorKind::Decode, Delivery::Unknown));
    let late = r#"{"code":42210000,"message":"unable to replace order, order is in status pending_cancel"}"#;
    let error = replace(late.to_owned(), 422).unwrap_err();
    assert_eq!(
        (error.kind(), error.delivery()),
        (ErrorKind::OrderRejected, Delivery::Answered)
    );
    let error = replace(String::new(), 504).unwrap_err();
    assert_eq!(
        (error.kind(), error.delivery()),
        (ErrorKind::Unavailable, Delivery::Unknown)
    );
}
