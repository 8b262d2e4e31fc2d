//! Requests and their bodies, and what answers them, written after the documents.

use broker_core::model::{Level, PositionLeg, StopExit, Trail};
use broker_core::{Delivery, ErrorKind, Gate, Order, OrderRequest, OrderStatus, Result, Side, TimeInForce, Trading};

use super::stage::{ACCOUNT, Stage, at, dec, intent, price, qty};

fn placed(answer: &str, status: u16) -> Result<Order> {
    let stage = Stage::usual(vec![("POST", status, answer.to_owned())]);
    let request = OrderRequest::market("EUR/USD".into(), Side::Buy, qty("10"));
    stage
        .runtime
        .block_on(stage.broker.place(&intent("ours", request), &Gate::new()))
}

fn answer(kind: &str, terms: &str, rest: &str) -> String {
    format!(
        r#"{{"orderCreateTransaction":{{"id":"20","time":"2026-01-07T12:00:00Z","type":"{kind}_ORDER",
        "instrument":"EUR_USD","units":"10",{terms},"clientExtensions":{{"id":"ours"}}}},{rest}
        "relatedTransactionIDs":["20","21"],"lastTransactionID":"21"}}"#
    )
}

fn canceled(reason: &str) -> String {
    format!(
        r#""orderCancelTransaction":{{"id":"21","time":"2026-01-07T12:00:00Z","type":"ORDER_CANCEL","orderID":"20","reason":"{reason}"}},"#
    )
}

#[test]
fn a_201_that_cancels_at_once_is_a_refusal() {
    for (reason, kind) in [
        ("INSUFFICIENT_MARGIN", ErrorKind::InsufficientFunds),
        ("MARKET_HALTED", ErrorKind::MarketClosed),
        ("INSUFFICIENT_LIQUIDITY", ErrorKind::OrderRejected),
        ("BOUNDS_VIOLATION", ErrorKind::OrderRejected),
        ("TAKE_PROFIT_ON_FILL_LOSS", ErrorKind::OrderRejected),
    ] {
        let error = placed(&answer("MARKET", r#""timeInForce":"FOK""#, &canceled(reason)), 201).unwrap_err();
        assert_eq!(
            (error.kind(), error.delivery(), error.code()),
            (kind, Delivery::Answered, Some(reason))
        );
    }
    // But a limit order that was not to rest, and that the market did not meet, was simply not filled.
    let bounded = answer(
        "MARKET",
        r#""timeInForce":"IOC","priceBound":"1.0""#,
        &canceled("BOUNDS_VIOLATION"),
    );
    let order = placed(&bounded, 201).unwrap();
    assert_eq!(
        (order.status, order.kind.as_str(), order.limit_price),
        (OrderStatus::Canceled, "limit", Some(price("1.0")))
    );
}

#[test]
fn a_market_order_that_fills_in_part_is_done() {
    let fill = r#""orderFillTransaction":{"id":"21","time":"2026-01-07T12:00:00Z","type":"ORDER_FILL","orderID":"20",
        "instrument":"EUR_USD","units":"6","requestedUnits":"10","price":"1.1","pl":"0",
        "tradeOpened":{"tradeID":"21","units":"6","price":"1.1"}},"#;
    let order = placed(&answer("MARKET", r#""timeInForce":"IOC""#, fill), 201).unwrap();
    assert_eq!((&order.status, order.filled_qty), (&OrderStatus::Canceled, qty("6")));
    assert_eq!(
        (order.average_price, order.remaining_qty()),
        (Some(price("1.1")), Some(dec("4")))
    );
}

#[test]
fn an_answer_that_is_not_the_venues_is_a_doubt() {
    for (status, body) in [
        (201, "<html>ok</html>"),
        (201, "{}"),
        (404, "<html>not found</html>"),
        (502, "<html>Cloudflare</html>"),
        (504, r#"{"errorMessage":"Timeout waiting for response."}"#),
    ] {
        let error = placed(body, status).unwrap_err();
        assert_eq!(error.delivery(), Delivery::Unknown, "{status} {body}");
    }
    let said = placed(
        r#"{"errorMessage":"Insufficient authorization to perform request."}"#,
        401,
    )
    .unwrap_err();
    assert_eq!((said.kind(), said.delivery()), (ErrorKind::Auth, Delivery::Answered));
}

/// What was sent for a request; an error when nothing was.
fn sent(request: OrderRequest, hedging: bool) -> Result<String> {
    let stage = Stage::of(ACCOUNT, "EUR", hedging, vec![("POST", 201, "{}".to_owned())]);
    let error = stage
        .runtime
        .block_on(stage.broker.place(&intent("ours", request), &Gate::new()))
        .unwrap_err();
    match error.delivery() {
        Delivery::NotSent => Err(error),
        _ => {
            let line = stage.last_asked();
            let (_, body) = line.split_once(r#"{"order":"#).unwrap();
            Ok(body.trim_end_matches('}').to_owned())
        }
    }
}

#[test]
fn requests_and_their_bodies() {
    let (buy, sell) = (Side::Buy, Side::Sell);
    let limit = |side| OrderRequest::limit("EUR/USD".into(), side, qty("100"), price("1.1"));
    let tail = r#","positionFill":"DEFAULT","clientExtensions":{"id":"ours""#;
    let table = [
        (
            OrderRequest::market("EUR/USD".into(), sell, qty("100")),
            r#""type":"MARKET","instrument":"EUR_USD","units":"-100","timeInForce":"FOK""#,
        ),
        (
            limit(buy),
            r#""type":"LIMIT","instrument":"EUR_USD","units":"100","price":"1.10000","timeInForce":"GTC""#,
        ),
        (
            limit(buy).with_time_in_force(TimeInForce::Day),
            r#""type":"LIMIT","instrument":"EUR_USD","units":"100","price":"1.10000","timeInForce":"GFD""#,
        ),
        (
            limit(buy).with_time_in_force(TimeInForce::Ioc),
            r#""type":"MARKET","instrument":"EUR_USD","units":"100","priceBound":"1.10000","timeInForce":"IOC""#,
        ),
        (
            limit(buy).with_expiry(at("2026-02-01T00:00:00Z")),
            r#""type":"LIMIT","instrument":"EUR_USD","units":"100","price":"1.10000","timeInForce":"GTD","gtdTime":"2026-02-01T00:00:00.000000000Z""#,
        ),
        (
            OrderRequest::stop("EUR/USD".into(), sell, qty("1"), price("1.05")),
            r#""type":"STOP","instrument":"EUR_USD","units":"-1","price":"1.05000","timeInForce":"GTC""#,
        ),
        (
            OrderRequest::market_if_touched("EUR/USD".into(), buy, qty("1"), price("1.05")),
            r#""type":"MARKET_IF_TOUCHED","instrument":"EUR_USD","units":"1","price":"1.05000","timeInForce":"GTC""#,
        ),
    ];
    for (request, body) in table {
        assert_eq!(sent(request, false).unwrap(), format!("{{{body}{tail}"));
    }
    let bracket = limit(buy)
        .with_target(Level::Price(price("1.2")))
        .with_stop(StopExit::Stop {
            stop: Level::Distance(qty("0.01")),
            limit: None,
        });
    assert!(sent(bracket, false).unwrap().ends_with(
        r#""takeProfitOnFill":{"price":"1.20000","timeInForce":"GTC"},"stopLossOnFill":{"distance":"0.01000","timeInForce":"GTC""#
    ));
    let trailing = limit(buy).with_stop(StopExit::Trailing(Trail::Amount(dec("0.02"))));
    assert!(
        sent(trailing, false)
            .unwrap()
            .contains(r#""trailingStopLossOnFill":{"distance":"0.02000","timeInForce":"GTC""#)
    );
    assert!(
        sent(limit(sell).with_reduce_only(), false)
            .unwrap()
            .contains(r#""positionFill":"REDUCE_ONLY""#)
    );
    for (leg, side, word) in [
        (PositionLeg::Long, buy, "OPEN_ONLY"),
        (PositionLeg::Long, sell, "REDUCE_ONLY"),
        (PositionLeg::Short, sell, "OPEN_ONLY"),
        (PositionLeg::Short, buy, "REDUCE_ONLY"),
    ] {
        let body = sent(limit(side).with_leg(leg), true).unwrap();
        assert!(body.contains(&format!(r#""positionFill":"{word}""#)), "{body}");
    }
}

#[test]
fn what_cannot_be_done_exactly_is_refused_with_nothing_sent() {
    let (buy, unsupported, invalid) = (Side::Buy, ErrorKind::Unsupported, ErrorKind::InvalidRequest);
    let (symbol, size) = ("EUR/USD".parse().unwrap(), qty("100"));
    let limit = || OrderRequest::limit("EUR/USD".into(), buy, qty("100"), price("1.1"));
    let stop = |limit| StopExit::Stop {
        stop: Level::Price(price("1.0")),
        limit,
    };
    let table = [
        (
            OrderRequest::stop_limit("EUR/USD".into(), buy, size, price("1.2"), price("1.2")),
            unsupported,
        ),
        (
            OrderRequest::limit_if_touched("EUR/USD".into(), buy, size, price("1.0"), price("1.0")),
            unsupported,
        ),
        (
            OrderRequest::trailing_stop("EUR/USD".into(), buy, size, Trail::Amount(dec("0.01"))),
            unsupported,
        ),
        (
            OrderRequest::oco(symbol, Side::Sell, size, price("1.2"), stop(None)),
            unsupported,
        ),
        (
            OrderRequest::market("EUR/USD".into(), buy, size).with_time_in_force(TimeInForce::Gtc),
            unsupported,
        ),
        (
            OrderRequest::stop("EUR/USD".into(), buy, size, price("1.2")).with_time_in_force(TimeInForce::Fok),
            unsupported,
        ),
        (limit().with_time_in_force(TimeInForce::AtOpen), unsupported),
        (limit().with_notional(size, None), unsupported),
        (limit().with_extended_hours(), unsupported),
        (limit().with_target(Level::Distance(qty("0.1"))), unsupported),
        (limit().with_stop(stop(Some(Level::Price(price("0.9"))))), unsupported),
        (
            limit().with_stop(StopExit::Trailing(Trail::Percent(dec("1")))),
            unsupported,
        ),
        (
            OrderRequest::limit("EUR/USD".into(), buy, size, price("1.123456")),
            invalid,
        ),
        (limit().with_leg(PositionLeg::Long), invalid),
        (limit().with_time_in_force(TimeInForce::Gtd), invalid),
    ];
    for (request, kind) in table {
        let words = format!("{request:?}");
        let error = sent(request, false).unwrap_err();
        assert_eq!(
            (error.kind(), error.delivery()),
            (kind, Delivery::NotSent),
            "{words}: {error}"
        );
    }
}
