//! Rule (g): what is refused before a byte leaves.

use std::sync::Arc;

use async_trait::async_trait;
use broker_core::capability::{LevelKind, TrailKind};
use broker_core::model::{Level, OrderKind, StopExit, Trail};
use broker_core::{
    BrokerExt, Delivery, Error, ErrorKind, Intent, OrderRequest, Placement, PreTradeCheck, Result, Side, TimeInForce,
};

use crate::resting;
use crate::rigged::{Rigged, account, start};

fn stop(level: &str) -> StopExit {
    StopExit::Stop {
        stop: Level::Price(level.parse().unwrap()),
        limit: None,
    }
}

fn limit(symbol: &str, qty: &str, price: &str) -> OrderRequest {
    OrderRequest::limit(symbol.into(), Side::Buy, qty.parse().unwrap(), price.parse().unwrap())
}

#[test]
fn rule_g_tick_lot_minimum_and_value_are_checked_with_nothing_sent() {
    let runtime = start();
    let broker = Rigged::new(&runtime);
    let distance = |text: &str| Level::Distance(text.parse().unwrap());
    let table = [
        (
            limit("AAPL", "10", "90.001"),
            "the price 90.001 is no multiple of 0.01, the step of AAPL",
        ),
        (limit("AAPL", "0", "90.00"), "a quantity must be more than zero, not 0"),
        (
            resting().with_stop(stop("80.005")),
            "the price 80.005 is no multiple of 0.01, the step of AAPL",
        ),
        (
            resting().with_target(distance("0.005")),
            "the distance 0.005 is no multiple of 0.01, the step of AAPL",
        ),
        (
            resting().with_target(distance("0")),
            "a distance must be more than zero, not 0",
        ),
        (
            OrderRequest::trailing_stop(
                "AAPL".into(),
                Side::Sell,
                "1".parse().unwrap(),
                Trail::Percent("-1".parse().unwrap()),
            ),
            "a trail must be more than zero, not -1",
        ),
        (
            limit("BTC/USD", "0.0000000001", "50000"),
            "the quantity 0.0000000001 is no multiple of 0.00000001, the step of BTC/USD",
        ),
        (limit("NOPE", "1", "1"), "there is no instrument NOPE"),
        (
            resting().with_time_in_force(TimeInForce::Gtd),
            "a good-till-date order needs its date: with_expiry",
        ),
    ];
    runtime.block_on(async {
        for (request, message) in table {
            let error = broker.place_once(&account(), request).await.unwrap_err();
            assert_eq!(error.message(), Some(message));
            assert_eq!(
                (error.kind(), error.delivery()),
                (ErrorKind::InvalidRequest, Delivery::NotSent)
            );
        }
        assert_eq!(
            (broker.sends(), broker.orders().len(), broker.open_intents().await),
            (0, 0, 0)
        );
    });
}

#[test]
fn rule_g_what_the_broker_cannot_do_is_unsupported_with_nothing_sent() {
    let runtime = start();
    let broker = Rigged::new(&runtime).with_facts(|facts| {
        facts.orders.kinds = vec![OrderKind::Market, OrderKind::Limit];
        facts.orders.groups.clear();
        facts.orders.times_in_force = vec![TimeInForce::Day];
        facts.orders.notional = false;
        facts.orders.extended_hours = false;
        facts.orders.reduce_only = false;
    });
    let qty = || "10".parse().unwrap();
    let requests = [
        OrderRequest::stop("AAPL".into(), Side::Sell, qty(), "80.00".parse().unwrap()),
        resting().with_target(Level::Price("120.00".parse().unwrap())),
        resting().with_stop(stop("80.00")),
        OrderRequest::oco(
            "AAPL".into(),
            Side::Sell,
            qty(),
            "120.00".parse().unwrap(),
            stop("80.00"),
        ),
        resting().with_time_in_force(TimeInForce::Gtc),
        resting().with_notional(qty(), None),
        resting().with_extended_hours(),
        resting().with_reduce_only(),
    ];
    runtime.block_on(async {
        for request in requests {
            let error = broker.place_once(&account(), request.clone()).await.unwrap_err();
            assert_eq!(
                (error.kind(), error.delivery()),
                (ErrorKind::Unsupported, Delivery::NotSent),
                "{request:?}"
            );
        }
        assert_eq!((broker.sends(), broker.orders().len()), (0, 0));
    });
}

#[test]
fn rule_g_a_closed_market_is_a_veto_only_where_the_venue_refuses_too() {
    let runtime = start();
    let broker = Rigged::new(&runtime);
    runtime.block_on(async {
        // 11 hours later it is 21:00 in New York.
        broker.context_sleep(11 * 3600).await;
        assert!(matches!(
            broker.place_once(&account(), resting()).await.unwrap(),
            Placement::Accepted(_)
        ));
        let strict = broker
            .clone()
            .with_facts(|facts| facts.orders.refused_when_closed = vec![broker_core::model::AssetClass::Stock]);
        let error = strict.place_once(&account(), resting()).await.unwrap_err();
        assert_eq!(
            (error.kind(), error.delivery()),
            (ErrorKind::MarketClosed, Delivery::NotSent)
        );
        let at_open = resting().with_time_in_force(TimeInForce::AtOpen);
        assert!(matches!(
            strict.place_once(&account(), at_open).await.unwrap(),
            Placement::Accepted(_)
        ));
        assert_eq!(broker.orders().len(), 2);
    });
}

/// Nothing above this many shares.
#[derive(Debug)]
struct Largest(&'static str);

#[async_trait]
impl PreTradeCheck for Largest {
    async fn check(&self, intent: &Intent) -> Result<()> {
        match intent.request.size {
            broker_core::model::Size::Qty(qty) if qty <= self.0.parse()? => Ok(()),
            _ => Err(Error::invalid("too large for this desk")),
        }
    }
}

#[test]
fn rule_g_the_user_s_own_checks_veto_with_nothing_sent() {
    let runtime = start();
    let broker = Rigged::new(&runtime).with_context(|context| context.with_check(Arc::new(Largest("10"))));
    runtime.block_on(async {
        let Placement::Accepted(order) = broker.place_once(&account(), resting()).await.unwrap() else {
            panic!("ten are allowed");
        };
        let error = broker
            .place_once(&account(), limit("AAPL", "11", "90.00"))
            .await
            .unwrap_err();
        assert_eq!(
            (error.message(), error.delivery()),
            (Some("too large for this desk"), Delivery::NotSent)
        );
        let change = broker_core::model::OrderChange::new().with_qty("11".parse().unwrap());
        let error = broker.replace_once(&order.reference(), change).await.unwrap_err();
        assert_eq!(
            (error.message(), error.delivery()),
            (Some("too large for this desk"), Delivery::NotSent)
        );
        assert_eq!(broker.orders().len(), 1);
    });
}

#[test]
fn rule_g_what_a_venue_lacks_of_exits_trails_and_times_is_unsupported_with_nothing_sent() {
    let runtime = start();
    let broker = Rigged::new(&runtime).with_facts(|facts| {
        let orders = &mut facts.orders;
        orders.exits.kinds = vec![OrderKind::Limit, OrderKind::Stop];
        orders.exits.levels = vec![LevelKind::Distance];
        orders.trails = vec![TrailKind::Amount];
        orders.kind_times = vec![(OrderKind::Limit, vec![TimeInForce::Day, TimeInForce::Gtc])];
    });
    let distance = || Level::Distance("1".parse().unwrap());
    let percent = || Trail::Percent("1".parse().unwrap());
    let trailing = OrderRequest::trailing_stop("AAPL".into(), Side::Sell, "1".parse().unwrap(), percent());
    let stop_limit = StopExit::Stop {
        stop: distance(),
        limit: Some(distance()),
    };
    let by_price = "this broker takes no prices of exits, only distances from the entry";
    let by_percent = "this broker takes no stops that trail by a percentage";
    let table = [
        (resting().with_stop(stop("80")), by_price),
        (resting().with_target(Level::Price("99".parse().unwrap())), by_price),
        (trailing, by_percent),
        (
            resting().with_stop(StopExit::Trailing(percent())),
            "this broker takes no trailing_stop orders as exits",
        ),
        (
            resting().with_stop(stop_limit),
            "this broker takes no stop_limit orders as exits",
        ),
        (
            resting().with_time_in_force(TimeInForce::Ioc),
            "this broker takes no limit orders with time in force ioc",
        ),
    ];
    runtime.block_on(async {
        for (request, message) in table {
            let error = broker.place_once(&account(), request).await.unwrap_err();
            assert_eq!(error.message(), Some(message));
            assert_eq!(
                (error.kind(), error.delivery()),
                (ErrorKind::Unsupported, Delivery::NotSent)
            );
        }
        assert_eq!((broker.sends(), broker.orders().len()), (0, 0));
        // What it takes is taken.
        let taken = resting()
            .with_stop(StopExit::Stop {
                stop: distance(),
                limit: None,
            })
            .with_time_in_force(TimeInForce::Gtc);
        let placed = broker.place_once(&account(), taken).await.unwrap();
        assert!(matches!(placed, Placement::Accepted(_)), "{placed:?}");
        assert_eq!(broker.sends(), 1);
    });
}
