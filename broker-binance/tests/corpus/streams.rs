//! Messages of the account's stream.

use broker_core::model::{Amount, Event, OrderKind};
use broker_core::seam::Frame;
use broker_core::{Error, ErrorKind, Order, OrderStatus, Result, Side, TimeInForce};

use crate::common::{Stage, account, at, get, price, qty};
use crate::recorded;

const LISTED: &str = r#"{"rateLimits":[],"symbols":[
  {"symbol":"ETHBTC","status":"TRADING","baseAsset":"ETH","quoteAsset":"BTC","filters":[]},
  {"symbol":"ETHUSDT","status":"TRADING","baseAsset":"ETH","quoteAsset":"USDT","filters":[]}]}"#;

fn read(text: String) -> Result<Vec<Event>> {
    let stage = Stage::signed_in(vec![get("/api/v3/exchangeInfo", LISTED)]);
    stage.run(|broker| async move { broker.read_account_frame(&account(), &Frame::Text(text)).await })
}

/// Some were recorded without their envelope.
fn wrapped(event: &str) -> String {
    format!(r#"{{"subscriptionId":0,"event":{event}}}"#)
}

fn order(text: String) -> Order {
    let events = read(text).unwrap();
    match events.as_slice() {
        [Event::Order(order)] => (**order).clone(),
        other => panic!("{other:?}"),
    }
}

fn refused(text: String) -> Error {
    read(text).unwrap_err()
}

#[test]
fn an_order_that_is_new() {
    let order = order(recorded!("uds_execution_report_new_wrapped.json"));
    assert_eq!(
        (order.id.get(), order.client_id.as_ref().unwrap().get()),
        ("ETHBTC:4293153", "mUvoqJxFIILMdfAW5iGSOW")
    );
    assert_eq!((&order.kind, &order.status), (&OrderKind::Limit, &OrderStatus::New));
    assert_eq!((order.limit_price, order.stop_price), (Some(price("0.10264410")), None));
    assert_eq!((order.amount, order.filled_qty), (Amount::Qty(qty("1")), qty("0")));
    assert_eq!(order.time_in_force, Some(TimeInForce::Gtc));
    assert_eq!((order.legs[0].symbol.get(), order.legs[0].side), ("ETH/BTC", Side::Buy));
    assert_eq!(order.created_at, Some(at("2017-07-07T05:34:18.657Z")));
    assert_eq!((order.updated_at, order.reason), (order.created_at, None));
}

#[test]
fn an_order_that_is_canceled() {
    let order = order(wrapped(&recorded!("uds_execution_report_canceled.json")));
    assert_eq!(
        (order.id.get(), order.client_id.as_ref().unwrap().get()),
        ("ETHUSDT:12345678", "x-TD67BGP9-T0000000000000")
    );
    assert_eq!(
        (&order.kind, &order.status),
        (&OrderKind::Limit, &OrderStatus::Canceled)
    );
    assert_eq!(order.limit_price, Some(price("2500")));
    assert_eq!(order.created_at, Some(at("2024-03-05T16:00:00Z")));
    assert_eq!(order.updated_at, Some(at("2024-03-05T16:00:02Z")));
}

#[test]
fn a_stop_that_is_new() {
    let order = order(wrapped(&recorded!("uds_execution_report_stop_loss_limit_new.json")));
    assert_eq!((&order.kind, &order.status), (&OrderKind::StopLimit, &OrderStatus::New));
    assert_eq!(
        (order.limit_price, order.stop_price),
        (Some(price("2400")), Some(price("2450")))
    );
    assert_eq!((order.id.get(), order.legs[0].side), ("ETHUSDT:12345679", Side::Sell));
}

/// With a cancel the id is the cancel's, and ours stands behind `C`; a trade is a fill under the id of the history.
#[test]
fn fills_and_cancels_have_the_ids_of_the_history() {
    let report = |happened: &str, status: &str, ids: &str, trade: &str| {
        wrapped(&format!(
            r#"{{"e":"executionReport","E":1,"s":"ETHUSDT",{ids},"S":"SELL","o":"LIMIT","f":"GTC","q":"2.0","p":"2500.0","P":"0.0","g":-1,"x":"{happened}","X":"{status}","r":"NONE","i":7,"z":"0.5","Z":"1250.25","O":1709654400000,"T":1709654402000,"w":false,{trade}}}"#
        ))
    };
    let none = r#""l":"0.0","L":"0.0","n":"0","N":null,"t":-1,"m":false"#;
    let canceled = order(report(
        "CANCELED",
        "CANCELED",
        r#""c":"of-the-cancel","C":"ours""#,
        none,
    ));
    assert_eq!(canceled.client_id.unwrap().get(), "ours");
    assert_eq!(
        (canceled.filled_qty, canceled.average_price),
        (qty("0.5"), Some(price("2500.5")))
    );
    let paid = r#""l":"0.5","L":"2500.5","n":"0.00012","N":"BNB","t":98765,"m":true"#;
    let events = read(report("TRADE", "PARTIALLY_FILLED", r#""c":"ours","C":"""#, paid)).unwrap();
    let [Event::Record(record), Event::Order(order)] = events.as_slice() else {
        panic!("{events:?}")
    };
    let broker_core::Record::Fill(fill) = &**record else {
        panic!("{record:?}")
    };
    assert_eq!(
        (fill.id.get(), fill.order.as_ref().unwrap().get()),
        ("ETHUSDT:98765:7", "ETHUSDT:7")
    );
    assert_eq!(
        (fill.qty, fill.price, fill.side),
        (qty("0.5"), price("2500.5"), Side::Sell)
    );
    assert_eq!(
        (fill.fees[0].amount.to_string(), fill.fees[0].currency.code()),
        ("0.00012".to_owned(), "BNB")
    );
    assert_eq!(fill.at, at("2024-03-05T16:00:02Z"));
    assert_eq!(
        (&order.status, order.filled_qty),
        (&OrderStatus::PartiallyFilled, qty("0.5"))
    );
    // By smart order routing there is no trade, but an allocation.
    let routed = r#""l":"0.5","L":"2500.5","n":"0","N":"BNB","t":-1,"a":44,"m":false"#;
    let events = read(report("TRADE", "PARTIALLY_FILLED", r#""c":"ours","C":"""#, routed)).unwrap();
    let told = format!("{events:?}");
    let Event::Record(record) = &events[0] else {
        panic!("{told}")
    };
    let broker_core::Record::Fill(fill) = &**record else {
        panic!("{told}")
    };
    assert_eq!((fill.id.get(), fill.fees.len()), ("ETHUSDT:A44", 0));
    let nameless = r#""l":"0.5","L":"2500.5","n":"0","N":"BNB","t":-1,"m":false"#;
    let error = refused(report("TRADE", "PARTIALLY_FILLED", r#""c":"ours","C":"""#, nameless));
    assert_eq!(error.kind(), ErrorKind::Decode);
}

/// An order of a list that was not told is read before it is told.
#[test]
fn an_order_of_an_unknown_list_is_not_told_without_its_links() {
    let report = recorded!("uds_execution_report_new_wrapped.json");
    let compact: String = report.split_whitespace().collect();
    assert!(compact.contains(r#""g":-1"#));
    assert!(read(compact.replace(r#""g":-1"#, r#""g":2"#)).unwrap().is_empty());
}

#[test]
fn what_tells_of_coins_alone_is_read_back() {
    for text in [
        recorded!("uds_balance_update_wrapped.json"),
        recorded!("uds_external_lock_update.json"),
        recorded!("uds_outbound_account_position_wrapped.json"),
        recorded!("uds_list_status_oco_wrapped.json"),
    ] {
        assert!(read(text.clone()).unwrap().is_empty(), "{text}");
    }
}

#[test]
fn a_stream_that_ends_says_so() {
    for (text, words) in [
        (recorded!("uds_server_shutdown.json"), "serverShutdown"),
        (recorded!("uds_event_stream_terminated.json"), "eventStreamTerminated"),
    ] {
        let error = refused(text);
        assert_eq!((error.kind(), error.message()), (ErrorKind::Unavailable, Some(words)));
    }
}

#[test]
fn answers_of_the_websocket_api() {
    for text in [
        recorded!("wsapi_subscribe_signature_response.json"),
        recorded!("wsapi_session_logon_response.json"),
        recorded!("wsapi_order_place_ok.json"),
    ] {
        assert!(read(text).unwrap().is_empty());
    }
    let banned = refused(recorded!("wsapi_error_banned_418.json"));
    assert_eq!(
        (banned.kind(), banned.code(), banned.status()),
        (ErrorKind::RateLimited, Some("-1003"), Some(418))
    );
    // The ban was over long ago.
    assert_eq!(banned.retry_after(), Some(std::time::Duration::ZERO));
    let poor = refused(recorded!("wsapi_error_insufficient_balance_400.json"));
    assert_eq!(
        (poor.kind(), poor.code()),
        (ErrorKind::InsufficientFunds, Some("-2010"))
    );
}
