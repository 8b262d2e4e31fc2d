//! What Alpaca cannot do is refused with nothing sent.

use broker_core::model::{AssetClass, Level, PositionLeg, StopExit, Trail};
use broker_core::{Broker, Currency, ErrorKind, Gate, Instrument, Intent, OrderRequest, Side, TimeInForce};
use broker_core::{Delivery, Error};

use super::{call_option, coin, instrument, intent, spy, trading};
use crate::common::{Stage, at, dec, price, qty};

/// The refusal of an order, of which not a byte was sent: the script holds no request.
fn refusal(intent: &Intent) -> Error {
    let stage = Stage::new(Vec::new());
    let gate = Gate::new();
    let error = stage.run(|broker| async move { trading(&broker).place(intent, &gate).await.unwrap_err() });
    assert_eq!(error.delivery(), Delivery::NotSent, "{error}");
    assert_eq!(
        (error.operation(), error.broker()),
        (Some("place"), Some(&stage.broker.id()))
    );
    error
}

fn market() -> OrderRequest {
    OrderRequest::market("any".into(), Side::Buy, qty("1"))
}

fn limit() -> OrderRequest {
    OrderRequest::limit("any".into(), Side::Buy, qty("1"), price("500"))
}

fn stop_exit() -> StopExit {
    StopExit::Stop {
        stop: Level::Price(price("490")),
        limit: None,
    }
}

fn target() -> Level {
    Level::Price(price("510"))
}

fn trailing() -> OrderRequest {
    OrderRequest::trailing_stop("any".into(), Side::Sell, qty("1"), Trail::Amount(dec("1")))
}

#[test]
fn what_alpaca_has_not() {
    let stop_limit = OrderRequest::stop_limit("any".into(), Side::Buy, qty("1"), price("500"), price("501"));
    let stop = OrderRequest::stop("any".into(), Side::Buy, qty("1"), price("500"));
    let oco = OrderRequest::oco("any".into(), Side::Sell, qty("1"), price("510"), stop_exit());
    let far = StopExit::Stop {
        stop: Level::Distance(qty("1")),
        limit: None,
    };
    let parts = OrderRequest::limit("any".into(), Side::Buy, qty("1.5"), price("500"));
    let pair = instrument("ETH/BTC", AssetClass::Crypto, "BTC".parse().unwrap());
    let (gtc, ioc) = (TimeInForce::Gtc, TimeInForce::Ioc);
    let cases: Vec<(Instrument, OrderRequest, &str)> = vec![
        (
            spy(),
            OrderRequest::market_if_touched("any".into(), Side::Buy, qty("1"), price("1")),
            "Alpaca has no market_if_touched orders",
        ),
        (
            spy(),
            OrderRequest::limit_if_touched("any".into(), Side::Buy, qty("1"), price("1"), price("1")),
            "Alpaca has no limit_if_touched orders",
        ),
        (
            spy(),
            limit().with_expiry(at("2026-02-01T00:00:00Z")),
            "Alpaca has no time in force gtd",
        ),
        (
            spy(),
            limit()
                .with_expiry(at("2026-02-01T00:00:00Z"))
                .with_time_in_force(gtc.clone()),
            "Alpaca has no orders with a moment of expiry",
        ),
        (
            spy(),
            limit().with_time_in_force(TimeInForce::Other("gtx".into())),
            "Alpaca has no time in force gtx",
        ),
        (
            spy(),
            limit().with_leg(PositionLeg::Long),
            "Alpaca has no positions with two legs",
        ),
        (
            spy(),
            limit().with_reduce_only(),
            "Alpaca has no orders that can only reduce a position",
        ),
        (
            call_option(),
            limit().with_time_in_force(gtc.clone()),
            "Alpaca has no orders of options with another time in force than day",
        ),
        (
            call_option(),
            stop.clone(),
            "Alpaca has no orders of options other than market and limit",
        ),
        (
            call_option(),
            limit().with_target(target()),
            "Alpaca has no groups of orders for options and coins",
        ),
        (
            coin(),
            limit().with_time_in_force(TimeInForce::Day),
            "Alpaca has no orders of coins with another time in force than gtc and ioc",
        ),
        (
            coin(),
            stop.clone(),
            "Alpaca has no orders of coins other than market, limit and stop-limit",
        ),
        (
            coin(),
            trailing().with_time_in_force(gtc.clone()),
            "Alpaca has no orders of coins other than market, limit and stop-limit",
        ),
        (
            coin(),
            oco.clone(),
            "Alpaca has no groups of orders for options and coins",
        ),
        (
            spy(),
            limit().with_stop(stop_exit()).with_time_in_force(ioc.clone()),
            "Alpaca has no groups of orders with another time in force than day and gtc",
        ),
        (
            spy(),
            limit().with_stop(stop_exit()).with_extended_hours(),
            "Alpaca has no groups of orders in extended hours",
        ),
        (
            spy(),
            parts.clone().with_stop(stop_exit()),
            "Alpaca has no groups of orders for parts of a share or for money",
        ),
        (
            spy(),
            market().with_notional(qty("100"), None).with_target(target()),
            "Alpaca has no groups of orders for parts of a share or for money",
        ),
        (
            spy(),
            trailing().with_target(target()),
            "Alpaca has no groups of orders that begin with a trailing stop",
        ),
        (
            spy(),
            market().with_extended_hours(),
            "Alpaca has no extended hours for other orders than limit orders for the day or until canceled",
        ),
        (
            spy(),
            limit().with_time_in_force(ioc.clone()).with_extended_hours(),
            "Alpaca has no extended hours for other orders than limit orders for the day or until canceled",
        ),
        (
            spy(),
            trailing().with_time_in_force(ioc),
            "Alpaca has no trailing stops with another time in force than day and gtc",
        ),
        (
            spy(),
            stop.with_time_in_force(TimeInForce::AtOpen),
            "Alpaca has no auction orders other than market and limit",
        ),
        (
            spy(),
            parts.with_time_in_force(gtc),
            "Alpaca has no orders for parts of a share or for money with another time in force than day",
        ),
        (
            spy(),
            market().with_stop(StopExit::Trailing(Trail::Percent(dec("1")))),
            "Alpaca has no trailing exits: its trailing stops are single orders",
        ),
        (
            spy(),
            market().with_stop(far),
            "Alpaca takes exits as prices, and a distance is one only from a limit or a stop entry",
        ),
        // A stop-limit entry has two prices.
        (
            spy(),
            stop_limit.with_target(Level::Distance(qty("1"))),
            "Alpaca takes exits as prices, and a distance is one only from a limit or a stop entry",
        ),
        (
            spy(),
            OrderRequest::oco("any".into(), Side::Sell, qty("1"), price("510"), far),
            "Alpaca takes exits as prices, and a distance is one only from a limit or a stop entry",
        ),
        (
            spy(),
            market().with_notional(qty("100"), Some(Currency::EUR)),
            "Alpaca takes amounts in USD, not in EUR",
        ),
        // The pair's own currency is no dollar either.
        (
            pair,
            market().with_notional(qty("1"), None),
            "Alpaca takes amounts in USD, not in BTC",
        ),
    ];
    for (instrument, request, message) in cases {
        let error = refusal(&intent(instrument, request));
        assert_eq!((error.kind(), error.message()), (ErrorKind::Unsupported, Some(message)));
    }
}

#[test]
fn what_is_wrong_in_itself() {
    let oco = OrderRequest::oco("any".into(), Side::Sell, qty("1"), price("510"), stop_exit());
    for (request, message) in [
        (
            OrderRequest::market("any".into(), Side::Buy, qty("0.1234567891")),
            "the quantity has more than 9 decimals",
        ),
        (
            market().with_notional(qty("0.1234567891"), None),
            "the amount has more than 9 decimals",
        ),
        (
            OrderRequest::market("any".into(), Side::Buy, qty("0")),
            "the quantity must be above zero: 0",
        ),
        (
            OrderRequest::limit("any".into(), Side::Buy, qty("1"), price("-1")),
            "the limit price must be above zero: -1",
        ),
        (
            OrderRequest::stop("any".into(), Side::Buy, qty("1"), price("0")),
            "the stop price must be above zero: 0",
        ),
        (
            OrderRequest::trailing_stop("any".into(), Side::Sell, qty("1"), Trail::Percent(dec("0"))),
            "the trail must be above zero: 0",
        ),
        (
            oco.with_target(target()),
            "an OCO is two exits already, and takes no further ones",
        ),
        (
            limit().with_stop(StopExit::Stop {
                stop: Level::Distance(qty("500")),
                limit: None,
            }),
            "the stop must be above zero: 0",
        ),
        (
            limit().with_target(Level::Distance(qty("79228162514264337593543950335"))),
            "the target lies too far away",
        ),
    ] {
        let error = refusal(&intent(spy(), request));
        assert_eq!(
            (error.kind(), error.message()),
            (ErrorKind::InvalidRequest, Some(message))
        );
    }
    let mut other = intent(spy(), market());
    other.request.instrument = broker_core::Symbol::from("QQQ").into();
    assert_eq!(
        refusal(&other).message(),
        Some("the order is for another instrument than SPY")
    );
    let mut long = intent(spy(), market());
    long.id = "x".repeat(129).into();
    assert_eq!(refusal(&long).kind(), ErrorKind::InvalidRequest);
    long.id = "a b".into();
    assert_eq!(refusal(&long).kind(), ErrorKind::InvalidRequest);
}
