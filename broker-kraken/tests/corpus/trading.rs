//! Answers to orders, and refusals.

use std::time::Duration;

use broker_core::ext::BrokerExt;
use broker_core::model::OrderChange;
use broker_core::{Broker, ErrorKind, OrderRef, OrderRequest, Placement, Side};
use broker_kraken::{ConditionalClose, KrakenTerms};

use super::{Stage, at, corpus, price, qty};

fn request() -> OrderRequest {
    OrderRequest::limit("BTC/USD".into(), Side::Buy, qty("2.1234"), price("25000.1").unwrap())
        .with_client_id("mine-1".into())
}

#[test]
fn an_order_is_placed() {
    let (time, added) = (corpus!("server_time.json"), corpus!("add_order_ok.json"));
    let stage = Stage::new(&[("public/Time", &time), ("private/AddOrder", &added)]);
    let account = stage.account();
    let placed = stage.run(|broker| async move { broker.place_once(&account, request()).await.unwrap() });
    let Placement::Accepted(order) = placed else {
        panic!("{placed:?}")
    };
    assert_eq!(order.id.get(), "OUF4EM-FRGI2-MQMWZD");
    let form = stage.form("AddOrder").unwrap();
    for field in [
        "pair=XXBTZUSD",
        "type=buy",
        "ordertype=limit",
        "volume=2.1234",
        "price=25000.1",
        "cl_ord_id=mine-1",
    ] {
        assert!(form.split('&').any(|sent| sent == field), "{field} in {form}");
    }
    // Ten seconds after Kraken's time, which was 2025-11-11T00:17:04Z.
    assert!(form.contains("deadline=2025-11-11T00%3A17%3A1"), "{form}");
}

#[test]
fn an_order_that_closes_what_it_opens() {
    let (time, added) = (corpus!("server_time.json"), corpus!("add_order_conditional_close.json"));
    let stage = Stage::new(&[("public/Time", &time), ("private/AddOrder", &added)]);
    let account = stage.account();
    let close = ConditionalClose::StopLossLimit {
        stop: price("22000").unwrap(),
        limit: price("21000").unwrap(),
    };
    let request = request().with_instrument("margin:XXBTZUSD".into());
    let placed = stage.run(|broker| async move {
        let broker = broker.with_terms(KrakenTerms::new().with_close(close));
        broker.place_once(&account, request).await.unwrap()
    });
    assert!(matches!(placed, Placement::Accepted(_)), "{placed:?}");
    let form = stage.form("AddOrder").unwrap();
    for field in [
        "leverage=2",
        "close%5Bordertype%5D=stop-loss-limit",
        "close%5Bprice%5D=22000",
        "close%5Bprice2%5D=21000",
    ] {
        assert!(form.split('&').any(|sent| sent == field), "{field} in {form}");
    }
}

#[test]
fn an_order_is_changed_and_canceled() {
    // A pair that the published list of pairs has.
    let open = corpus!("query_orders_open_and_canceled.json").replace("XMRUSD", "XBTUSD");
    let value: serde_json::Value = serde_json::from_str(&open).unwrap();
    let id = "ODNLO4-QYFSV-33BKJA";
    let one = serde_json::json!({ "error": [], "result": { id: value["result"][id] } }).to_string();
    let stage = Stage::new(&[
        ("public/Time", &corpus!("server_time.json")),
        ("private/QueryOrders", &one),
        ("private/AmendOrder", &corpus!("amend_order_ok.json")),
        ("private/CancelOrder", &corpus!("cancel_order_ok.json")),
        ("private/EditOrder", &corpus!("edit_order_ok.json")),
    ]);
    let reference = OrderRef::by_id(&stage.account(), id.into());
    let change = OrderChange::new().with_limit_price(price("1.5").unwrap());
    let (amend, edit) = (reference.clone(), reference.clone());
    let changed = stage.run(|broker| async move {
        let changed = broker.replace_once(&amend, change.clone()).await.unwrap();
        (changed, broker.edit(&edit, &change).await.unwrap())
    });
    println!("{:?}", changed.0);
    assert!(!matches!(changed.0, Placement::Rejected(_)));
    assert_eq!(changed.1.get(), "OFVXHJ-KPQ3B-VS7ELA");
    let form = stage.form("AmendOrder").unwrap();
    assert!(
        form.contains("txid=ODNLO4-QYFSV-33BKJA") && form.contains("limit_price=1.5"),
        "{form}"
    );
    stage.run(|broker| async move { broker.trading().unwrap().cancel(&reference).await.unwrap() });
    assert!(stage.form("CancelOrder").unwrap().contains("txid=ODNLO4-QYFSV-33BKJA"));
}

#[test]
fn the_dead_mans_switch() {
    let stage = Stage::new(&[("private/CancelAllOrdersAfter", &corpus!("cancel_all_after.json"))]);
    let after = Duration::from_secs(60);
    let when = stage.run(|broker| async move { broker.cancel_all_after(after).await.unwrap() });
    assert_eq!(when, Some(at("2023-03-24T17:42:56Z")));
}

/// Each recorded refusal, and the kind it is.
#[test]
fn refusals() {
    let bodies: Vec<serde_json::Value> = serde_json::from_str(&corpus!("rest_errors.json")).unwrap();
    use ErrorKind::{Auth, InvalidRequest, OrderRejected, Permission, RateLimited, Unavailable};
    let kinds = [
        Permission,
        Auth,
        InvalidRequest,
        InvalidRequest,
        Auth,
        Auth,
        Auth,
        InvalidRequest,
        InvalidRequest,
        RateLimited,
        RateLimited,
        RateLimited,
        Unavailable,
        Unavailable,
        Unavailable,
        OrderRejected,
        Permission,
    ];
    assert_eq!(bodies.len(), kinds.len());
    for (body, kind) in bodies.iter().zip(kinds) {
        let stage = Stage::new(&[("private/OpenPositions", &body.to_string())]);
        let account = stage.account();
        let error = stage.run(|broker| async move { broker.positions(&account).await.unwrap_err() });
        assert_eq!(error.kind(), kind, "{body}");
    }
}
