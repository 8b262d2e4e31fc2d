//! Recorded and published messages of the streams.

use broker_core::model::{Amount, Event, Liquidity, OrderKind};
use broker_core::seam::Frame;
use broker_core::{Error, ErrorKind, OrderStatus, Record, Result, Side, TimeInForce};

use super::{Stage, at, corpus, dec, price, qty};

/// Read as if it were the first of its connection.
fn read(text: &str) -> Result<Vec<Event>> {
    let stage = Stage::new(&[]);
    let account = stage.account();
    let frame = Frame::Text(text.to_owned());
    stage.run(|broker| async move { broker.read_account_frame(&account, &frame).await })
}

fn refusal(text: &str) -> Error {
    read(text).unwrap_err()
}

#[test]
fn a_new_order() {
    let events = read(&corpus!("ws_executions_pending_new.json")).unwrap();
    let [Event::Order(order)] = events.as_slice() else {
        panic!("{events:?}")
    };
    assert_eq!(
        (order.id.get(), order.status.clone()),
        ("AHOJQ8-1E72C-8M2VQH", OrderStatus::PendingNew)
    );
    assert_eq!(order.amount, Amount::Qty(qty("81.36256082")));
    assert_eq!((order.limit_price, order.stop_price), (price("0.18328"), None));
    assert_eq!((order.legs[0].symbol.get(), order.legs[0].side), ("ADX/USD", Side::Buy));
    assert_eq!(order.time_in_force, Some(TimeInForce::Gtc));
    assert_eq!(order.created_at, Some(at("2024-05-18T12:01:56.165888Z")));
}

#[test]
fn a_new_order_with_a_trigger() {
    let events = read(&corpus!("ws_executions_pending_new_stop_loss_limit.json")).unwrap();
    let [Event::Order(order)] = events.as_slice() else {
        panic!("{events:?}")
    };
    assert_eq!(order.kind, OrderKind::StopLimit);
    assert_eq!((order.stop_price, order.limit_price), (price("0.2"), price("0.2")));
}

/// Only its id is told of an order that was told before: alone it tells nothing, and is looked up.
#[test]
fn a_sparse_report() {
    assert!(read(&corpus!("ws_executions_new_sparse.json")).unwrap().is_empty());
}

/// A trade of an order that nobody told before says nothing of margin: the history tells it. After the order, it is a
/// fill and its fee.
#[test]
fn a_trade() {
    let trade = corpus!("ws_executions_trade_official.json");
    assert!(read(&trade).unwrap().is_empty());
    // The same message, after the order's first report.
    let order = r#"{"order_id":"OK4GJX-KSTLS-7DZZO5","symbol":"BTC/USD","side":"sell","order_type":"limit","order_qty":0.01,
        "limit_price":26599.9,"exec_type":"new","order_status":"new","timestamp":"2023-09-22T10:33:00.000000Z"},"#;
    let both = trade.replacen("\"data\": [", &format!("\"data\": [{order}"), 1);
    let events = read(&both).unwrap();
    let [
        Event::Order(_),
        Event::Record(fill),
        Event::Record(fee),
        Event::Order(order),
    ] = events.as_slice()
    else {
        panic!("{events:?}")
    };
    let Record::Fill(fill) = &**fill else {
        panic!("{fill:?}")
    };
    assert_eq!((fill.id.get(), fill.side), ("TGBB7L-HT5LX-J3BZ4A", Side::Sell));
    assert_eq!((fill.qty, Some(fill.price)), (qty("0.005"), price("26599.9")));
    assert_eq!(
        (fill.liquidity, fill.at),
        (Some(Liquidity::Taker), at("2023-09-22T10:33:05.709993Z"))
    );
    let Record::Fee(fee) = &**fee else { panic!("{fee:?}") };
    assert_eq!(
        (fee.id.get(), fee.amount),
        ("fee:TGBB7L-HT5LX-J3BZ4A:USD", dec("0.3458"))
    );
    assert_eq!(
        (order.status.clone(), order.filled_qty),
        (OrderStatus::PartiallyFilled, qty("0.005"))
    );
    assert_eq!(order.average_price, price("26599.9"));
}

#[test]
fn what_tells_nothing_by_itself() {
    for text in [
        corpus!("ws_balances_snapshot.json"),
        corpus!("ws_balances_snapshot_wallets_official.json"),
        corpus!("ws_balances_update_ledger_base_leg.json"),
        corpus!("ws_balances_subscribe_ack.json"),
        corpus!("ws_executions_subscribe_ack.json"),
        corpus!("ws_status_online.json"),
        corpus!("ws_status_maintenance.json"),
        corpus!("ws_pong.json"),
        corpus!("ws_book_snapshot.json"),
        corpus!("ws_book_update.json"),
        corpus!("ws_trade_update.json"),
        corpus!("ws_ohlc_update.json"),
        corpus!("ws_instrument_snapshot.json"),
        corpus!("ws_add_order_response_ok.json"),
        corpus!("ws_batch_add_ack_array.json"),
    ] {
        assert!(read(&text).unwrap().is_empty(), "{text}");
    }
}

#[test]
fn refusals_of_the_stream() {
    assert_eq!(
        refusal(&corpus!("ws_subscribe_error_invalid_session.json")).kind(),
        ErrorKind::Auth
    );
    assert_eq!(
        refusal(&corpus!("ws_subscribe_error_pair.json")).kind(),
        ErrorKind::InvalidRequest
    );
    assert_eq!(
        refusal(&corpus!("ws_error_ping_with_params.json")).kind(),
        ErrorKind::InvalidRequest
    );
    assert_eq!(
        refusal(&corpus!("ws_error_unsupported_event.json")).kind(),
        ErrorKind::InvalidRequest
    );
}

#[test]
fn a_ticker() {
    let text = corpus!("ws_ticker_snapshot.json");
    let stage = Stage::new(&[]);
    let ids = ["XXBTZUSD".into(), "margin:XXBTZUSD".into()];
    let frame = Frame::Text(text);
    let events = stage.run(|broker| async move { broker.read_quote_frame(&ids, &frame).await.unwrap() });
    let [Event::Quote(outright), Event::Quote(margin)] = events.as_slice() else {
        panic!("{events:?}")
    };
    assert_eq!((outright.bid, outright.ask), (price("105944.20"), price("105944.30")));
    assert_eq!(
        (outright.bid_size, outright.ask_size),
        (Some(qty("2.5")), Some(qty("3.2")))
    );
    assert_eq!(outright.at, Some(at("2022-12-25T09:30:59.123456Z")));
    assert_eq!((margin.instrument.get(), margin.bid), ("margin:XXBTZUSD", outright.bid));
    let ack = Frame::Text(corpus!("ws_subscribe_ticker_ack.json"));
    let ids = ["XXBTZUSD".into()];
    assert!(
        stage
            .run(|broker| async move { broker.read_quote_frame(&ids, &ack).await.unwrap() })
            .is_empty()
    );
}
