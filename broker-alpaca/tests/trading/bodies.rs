//! The bodies of new orders, to the letter, and against recorded ones.

use broker_core::model::{Level, PositionEffect, StopExit, Trail};
use broker_core::{Gate, Instrument, OrderRequest, Side, TimeInForce};
use broker_testkit::fixtures::corpus;
use serde_json::Value;

use super::{OURS, Wire, call_option, coin, intent, spy, trading};
use crate::common::{dec, price, qty};

fn body_of(instrument: Instrument, request: OrderRequest) -> String {
    let wire = Wire::new("");
    let intent = intent(instrument, request);
    wire.runtime.block_on(async {
        let order = trading(&wire.broker).place(&intent, &Gate::new()).await.unwrap();
        assert_eq!(order.client_id.as_ref().unwrap().get(), OURS);
    });
    let mut writes = wire.writes();
    let (method, path, body) = writes.remove(0);
    assert_eq!(
        (method.as_str(), path.as_str(), writes.len()),
        ("POST", "/v2/orders", 0)
    );
    body
}

#[track_caller]
fn sends(instrument: Instrument, request: OrderRequest, body: &str) {
    assert_eq!(body_of(instrument, request), body);
}

fn market(size: &str) -> OrderRequest {
    OrderRequest::market("SPY".into(), Side::Buy, qty(size))
}

fn limit(side: Side, at: &str) -> OrderRequest {
    OrderRequest::limit("SPY".into(), side, qty("10"), price(at))
}

fn stop(at: &str, limit: Option<&str>) -> StopExit {
    StopExit::Stop {
        stop: Level::Price(price(at)),
        limit: limit.map(|limit| Level::Price(price(limit))),
    }
}

#[test]
fn every_kind() {
    let sell = |trail| OrderRequest::trailing_stop("SPY".into(), Side::Sell, qty("3"), trail);
    for (request, body) in [
        (
            market("10"),
            r#"{"symbol":"SPY","qty":"10","side":"buy","type":"market","time_in_force":"day","client_order_id":"ours-1"}"#,
        ),
        (
            limit(Side::Sell, "189.50"),
            r#"{"symbol":"SPY","qty":"10","side":"sell","type":"limit","time_in_force":"day","limit_price":"189.5","client_order_id":"ours-1"}"#,
        ),
        (
            OrderRequest::stop("SPY".into(), Side::Buy, qty("1"), price("600")),
            r#"{"symbol":"SPY","qty":"1","side":"buy","type":"stop","time_in_force":"day","stop_price":"600","client_order_id":"ours-1"}"#,
        ),
        (
            OrderRequest::stop_limit("SPY".into(), Side::Buy, qty("1"), price("600"), price("600.25")),
            r#"{"symbol":"SPY","qty":"1","side":"buy","type":"stop_limit","time_in_force":"day","limit_price":"600.25","stop_price":"600","client_order_id":"ours-1"}"#,
        ),
        (
            sell(Trail::Amount(dec("6.15"))),
            r#"{"symbol":"SPY","qty":"3","side":"sell","type":"trailing_stop","time_in_force":"day","trail_price":"6.15","client_order_id":"ours-1"}"#,
        ),
        (
            sell(Trail::Percent(dec("1.0"))).with_time_in_force(TimeInForce::Gtc),
            r#"{"symbol":"SPY","qty":"3","side":"sell","type":"trailing_stop","time_in_force":"gtc","trail_percent":"1","client_order_id":"ours-1"}"#,
        ),
    ] {
        sends(spy(), request, body);
    }
}

#[test]
fn sizes_keep_their_digits() {
    for (request, size) in [
        (market("0.123456789"), r#""qty":"0.123456789""#),
        (market("1.0000000000"), r#""qty":"1""#),
        (market("100"), r#""qty":"100""#),
        // More digits than a double holds.
        (
            market("12345678901234567.123456789"),
            r#""qty":"12345678901234567.123456789""#,
        ),
        (market("1").with_notional(qty("500.50"), None), r#""notional":"500.5""#),
    ] {
        let rest = r#""side":"buy","type":"market","time_in_force":"day","client_order_id":"ours-1"}"#;
        sends(spy(), request, &format!(r#"{{"symbol":"SPY",{size},{rest}"#));
    }
}

#[test]
fn every_time_in_force() {
    for (tif, word) in [
        (TimeInForce::Day, "day"),
        (TimeInForce::Gtc, "gtc"),
        (TimeInForce::Ioc, "ioc"),
        (TimeInForce::Fok, "fok"),
        (TimeInForce::AtOpen, "opg"),
        (TimeInForce::AtClose, "cls"),
    ] {
        let body = format!(
            r#"{{"symbol":"SPY","qty":"10","side":"buy","type":"limit","time_in_force":"{word}","limit_price":"500","client_order_id":"ours-1"}}"#
        );
        sends(spy(), limit(Side::Buy, "500").with_time_in_force(tif), &body);
    }
}

#[test]
fn options_and_coins_have_rules_of_their_own() {
    let option = OrderRequest::limit("any".into(), Side::Buy, qty("2"), price("10")).with_effect(PositionEffect::Open);
    sends(
        call_option(),
        option,
        r#"{"symbol":"AAPL250620C00100000","qty":"2","side":"buy","type":"limit","time_in_force":"day","limit_price":"10","client_order_id":"ours-1","position_intent":"buy_to_open"}"#,
    );
    // Without a time in force the venue's own rule, which is another for coins; and no intent for them.
    let coins = OrderRequest::limit("any".into(), Side::Buy, qty("0.02"), price("2100"));
    sends(
        coin(),
        coins.with_effect(PositionEffect::Open),
        r#"{"symbol":"ETH/USD","qty":"0.02","side":"buy","type":"limit","time_in_force":"gtc","limit_price":"2100","client_order_id":"ours-1"}"#,
    );
    let coins = OrderRequest::stop_limit("any".into(), Side::Sell, qty("0.02"), price("1900"), price("1899.5"));
    sends(
        coin(),
        coins.with_time_in_force(TimeInForce::Ioc),
        r#"{"symbol":"ETH/USD","qty":"0.02","side":"sell","type":"stop_limit","time_in_force":"ioc","limit_price":"1899.5","stop_price":"1900","client_order_id":"ours-1"}"#,
    );
    sends(
        coin(),
        OrderRequest::market("any".into(), Side::Buy, qty("1")).with_notional(qty("25"), None),
        r#"{"symbol":"ETH/USD","notional":"25","side":"buy","type":"market","time_in_force":"gtc","client_order_id":"ours-1"}"#,
    );
}

#[test]
fn intents_and_extended_hours() {
    for (side, effect, word) in [
        (Side::Buy, PositionEffect::Open, "buy_to_open"),
        (Side::Buy, PositionEffect::Close, "buy_to_close"),
        (Side::Sell, PositionEffect::Open, "sell_to_open"),
        (Side::Sell, PositionEffect::Close, "sell_to_close"),
    ] {
        let text = format!(
            r#"{{"symbol":"SPY","qty":"10","side":"{side}","type":"limit","time_in_force":"gtc","limit_price":"500","extended_hours":true,"client_order_id":"ours-1","position_intent":"{word}"}}"#,
            side = if side == Side::Buy { "buy" } else { "sell" },
        );
        let request = limit(side, "500").with_effect(effect).with_extended_hours();
        sends(spy(), request.with_time_in_force(TimeInForce::Gtc), &text);
    }
}

#[test]
fn groups_with_prices_and_distances() {
    let distance = |text: &str| Level::Distance(qty(text));
    let exit = |stop: &str, limit: &str| StopExit::Stop {
        stop: distance(stop),
        limit: Some(distance(limit)),
    };
    // A bought entry at 540: the target 20 above, the stop 10 below, its limit 10.5 below.
    sends(
        spy(),
        limit(Side::Buy, "540")
            .with_target(distance("20"))
            .with_stop(exit("10", "10.5")),
        r#"{"symbol":"SPY","qty":"10","side":"buy","type":"limit","time_in_force":"day","limit_price":"540","client_order_id":"ours-1","order_class":"bracket","take_profit":{"limit_price":"560"},"stop_loss":{"stop_price":"530","limit_price":"529.5"}}"#,
    );
    // A sold one: all the other way.
    sends(
        spy(),
        limit(Side::Sell, "540")
            .with_target(distance("20"))
            .with_stop(exit("10", "10.5")),
        r#"{"symbol":"SPY","qty":"10","side":"sell","type":"limit","time_in_force":"day","limit_price":"540","client_order_id":"ours-1","order_class":"bracket","take_profit":{"limit_price":"520"},"stop_loss":{"stop_price":"550","limit_price":"550.5"}}"#,
    );
    let entry = OrderRequest::stop("SPY".into(), Side::Buy, qty("1"), price("550"));
    sends(
        spy(),
        entry.with_target(distance("5")),
        r#"{"symbol":"SPY","qty":"1","side":"buy","type":"stop","time_in_force":"day","stop_price":"550","client_order_id":"ours-1","order_class":"oto","take_profit":{"limit_price":"555"}}"#,
    );
    sends(
        spy(),
        OrderRequest::oco("SPY".into(), Side::Sell, qty("10"), price("560"), stop("530", None)),
        r#"{"symbol":"SPY","qty":"10","side":"sell","type":"limit","time_in_force":"day","client_order_id":"ours-1","order_class":"oco","take_profit":{"limit_price":"560"},"stop_loss":{"stop_price":"530"}}"#,
    );
}

#[test]
fn bodies_are_those_that_are_published() {
    let Some(folder) = corpus("alpaca") else { return };
    let hundred = || OrderRequest::market("SPY".into(), Side::Buy, qty("100")).with_time_in_force(TimeInForce::Gtc);
    let exit = || stop("299", Some("298.5"));
    let trailing = OrderRequest::trailing_stop("SPY".into(), Side::Sell, qty("100"), Trail::Amount(dec("6.15")));
    for (name, request) in [
        (
            "request_bracket.json",
            hundred().with_target(Level::Price(price("301"))).with_stop(exit()),
        ),
        (
            "request_oco.json",
            OrderRequest::oco("SPY".into(), Side::Sell, qty("100"), price("301"), exit())
                .with_time_in_force(TimeInForce::Gtc),
        ),
        ("request_oto_stop_limit.json", hundred().with_stop(exit())),
        ("request_trailing_stop_price.json", trailing),
    ] {
        let text = std::fs::read_to_string(folder.join(name)).unwrap();
        let mut published: Value = serde_json::from_str(&text).unwrap();
        published["client_order_id"] = OURS.into();
        let sent: Value = serde_json::from_str(&body_of(spy(), request)).unwrap();
        assert_eq!(sent, published, "{name}");
    }
}
