//! Brackets: legs that wait suspended and without a price, signed ticks, the mode that takes none, and trailing stops.

use broker_core::model::{Group, Level, OrderState, StopExit, Trail};
use broker_core::{Broker, BrokerExt, ErrorKind, Order, OrderQuery, OrderRequest, OrderStatus, Placement, Side};
use broker_topstepx::venue::TopstepxVenueBuilder;

use super::common::{dec, price, qty};
use super::desk::{Desk, MES, market};

/// Ten points to the target, five to the stop.
fn bracket(side: Side, limit: &str) -> OrderRequest {
    OrderRequest::limit(MES.into(), side, qty("2"), price(limit))
        .with_client_id("a-bracket".into())
        .with_target(Level::Distance(qty("10")))
        .with_stop(StopExit::Stop {
            stop: Level::Distance(qty("5")),
            limit: None,
        })
}

fn open(desk: &Desk) -> Vec<Order> {
    desk.run(|broker, account| async move {
        let query = OrderQuery::open(&account).with_state(OrderState::Open);
        broker.all_orders(query).await.unwrap()
    })
}

/// The legs: stop and target.
fn legs(orders: &[Order]) -> (&Order, &Order) {
    let of = |kind: &str| {
        let mut found = orders
            .iter()
            .filter(|order| order.links.parent.is_some() && order.kind.as_str() == kind);
        let leg = found.next().unwrap();
        assert!(found.next().is_none());
        leg
    };
    (of("stop"), of("limit"))
}

#[test]
fn legs_wait_suspended_then_work_and_one_ends_the_other() {
    for (side, limit, far, stop_at, target_at) in [
        (Side::Buy, "4990.00", ("4989.50", "4989.75"), "4985.00", "5000.00"),
        (Side::Sell, "5010.00", ("5010.25", "5010.50"), "5015.00", "5000.00"),
    ] {
        let desk = Desk::new(|builder| builder);
        let entry = desk.place(bracket(side, limit));
        // Ticks of 0.25, signed by where they lie, not by what they earn.
        let sent = desk.sent("/api/Order/place").remove(0);
        let (stop, target) = if side == Side::Buy { (-20, 40) } else { (20, -40) };
        assert!(
            sent.contains(&format!(r#""stopLossBracket":{{"ticks":{stop},"type":4}}"#))
                && sent.contains(&format!(r#""takeProfitBracket":{{"ticks":{target},"type":1}}"#)),
            "{sent}"
        );
        let orders = open(&desk);
        assert_eq!(orders.len(), 3, "suspended legs are among what can still trade");
        let (stop, target) = legs(&orders);
        for (leg, tag) in [(stop, "a-bracket-SL"), (target, "a-bracket-TP")] {
            assert_eq!(leg.status, OrderStatus::Held, "waiting for its entry");
            assert!(!leg.status.is_final());
            assert_eq!((leg.limit_price, leg.stop_price), (None, None));
            assert_eq!(leg.client_id.as_ref().unwrap().get(), tag);
            assert_eq!(leg.links.parent.as_ref(), Some(&entry.id));
            assert_eq!(leg.links.group, Some(Group::Bracket));
            assert_eq!(leg.legs[0].side, side.opposite());
        }
        assert_eq!(stop.links.siblings, [target.id.clone()]);
        assert_eq!(target.links.siblings, [stop.id.clone()]);

        // The entry fills: the legs work at prices counted from its fill.
        desk.quote(MES, far.0, far.1);
        assert_eq!(desk.order(&entry).status, OrderStatus::Filled);
        let orders = open(&desk);
        assert_eq!(orders.len(), 2);
        let (stop, target) = legs(&orders);
        assert_eq!((&stop.status, &target.status), (&OrderStatus::New, &OrderStatus::New));
        assert_eq!(stop.stop_price, Some(price(stop_at)));
        assert_eq!(target.limit_price, Some(price(target_at)));

        // Moving one leg leaves the other alone.
        let moved = if side == Side::Buy { "4986.00" } else { "5014.00" };
        let reference = stop.reference();
        let change = broker_core::model::OrderChange::new().with_stop_price(price(moved));
        desk.run(|broker, _| async move {
            assert!(matches!(
                broker.replace_once(&reference, change).await.unwrap(),
                Placement::Accepted(_)
            ));
        });
        assert_eq!(desk.order(stop).stop_price, Some(price(moved)));
        assert_eq!(desk.order(target).limit_price, Some(price(target_at)));

        // The target fills, and its stop goes with it.
        let (stop, target) = (stop.clone(), target.clone());
        match side {
            Side::Buy => desk.quote(MES, "5000.50", "5000.75"),
            Side::Sell => desk.quote(MES, "4999.25", "4999.50"),
        }
        assert_eq!(desk.order(&target).status, OrderStatus::Filled);
        assert_eq!(desk.order(&stop).status, OrderStatus::Canceled);
        assert_eq!(desk.position(), "0");
        assert!(open(&desk).is_empty());
    }
}

#[test]
fn an_account_in_the_other_mode_refuses_and_keeps_a_record() {
    let desk = Desk::new(TopstepxVenueBuilder::position_brackets);
    let placed =
        desk.run(|broker, account| async move { broker.place_once(&account, bracket(Side::Buy, "4990")).await });
    match placed.unwrap() {
        Placement::Rejected(error) => {
            assert_eq!((error.kind(), error.code()), (ErrorKind::InvalidRequest, Some("2")));
            assert!(error.help().unwrap().contains("Auto OCO Brackets"));
        }
        other => panic!("the number in the answer is no proof: {other:?}"),
    }
    // The record of it is a rejected order under our tag.
    let found = desk.run(|broker, account| async move {
        let order = broker_core::OrderRef::by_client_id(&account, "a-bracket".into());
        broker.order(&order).await.unwrap()
    });
    assert_eq!(found.status, OrderStatus::Rejected);
    assert!(open(&desk).is_empty());
}

#[test]
fn closing_takes_the_legs_along() {
    let desk = Desk::new(|builder| builder);
    let request = market(Side::Buy, "1").with_stop(StopExit::Stop {
        stop: Level::Distance(qty("5")),
        limit: None,
    });
    desk.place(request);
    let orders = open(&desk);
    assert_eq!(orders.len(), 1);
    assert_eq!(
        (orders[0].stop_price, &orders[0].links.group),
        (Some(price("4995.25")), &Some(Group::Oto))
    );
    desk.run(|broker, account| async move {
        broker
            .close_position(&account, &super::desk::MES_ID.into())
            .await
            .unwrap();
    });
    assert!(open(&desk).is_empty());
    assert_eq!(desk.position(), "0");
}

/// What is sent is a price, what is read is a distance, and the one is never made of the other without the last price.
#[test]
fn a_trail_is_sent_as_a_price_and_read_as_a_distance() {
    let desk = Desk::new(|builder| builder);
    desk.place(market(Side::Buy, "1"));
    let last = desk.run(|broker, _| async move {
        use broker_core::MarketData;
        let now = broker.context().clock().now();
        let query = broker_core::model::CandleQuery::new(
            super::desk::MES_ID.into(),
            broker_core::model::Interval::Seconds(1),
            now - chrono::Duration::days(4),
            now + chrono::Duration::minutes(1),
        );
        let bars = broker.candles(&query, None).await.unwrap();
        bars.rows.last().unwrap().close
    });
    desk.recorder.clear();
    let trail = OrderRequest::trailing_stop(MES.into(), Side::Sell, qty("1"), Trail::Amount(dec("7.50")));
    let placed = desk.place(trail);
    let level = (last.get() - dec("7.5")).normalize();
    let sent = desk.sent("/api/Order/place").remove(0);
    assert!(
        sent.contains(&format!(r#""trailPrice":{level}"#)),
        "{sent}, last {last}"
    );
    let now = desk.order(&placed);
    assert_eq!(now.trail, Some(Trail::Amount(dec("7.5"))));

    let reference = now.reference();
    let change = broker_core::model::OrderChange::new().with_trail(Trail::Amount(dec("9")));
    desk.run(|broker, _| async move {
        assert!(matches!(
            broker.replace_once(&reference, change).await.unwrap(),
            Placement::Accepted(_)
        ));
    });
    let level = (last.get() - dec("9")).normalize();
    let sent = desk.sent("/api/Order/modify").remove(0);
    assert!(sent.contains(&format!(r#""trailPrice":{level}"#)), "{sent}");
    assert_eq!(desk.order(&placed).trail, Some(Trail::Amount(dec("9"))));
    // A trail of half a tick, of none, and of more than a thousand ticks: nothing is sent.
    for wrong in ["0.1", "0", "250.25"] {
        let trail = OrderRequest::trailing_stop(MES.into(), Side::Sell, qty("1"), Trail::Amount(dec(wrong)));
        let refused = desk.run(|broker, account| async move { broker.place_once(&account, trail).await });
        assert_eq!(refused.unwrap_err().kind(), ErrorKind::InvalidRequest, "{wrong}");
    }
    assert!(desk.sent("/api/Order/place").is_empty());
}
