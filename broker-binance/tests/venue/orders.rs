//! Orders that are placed and changed through the client.

use broker_binance::BinanceConfig;
use broker_core::model::{Amount, Level, OrderState, StopExit, Window};
use broker_core::{
    Broker, BrokerExt, Delivery, ErrorKind, OrderQuery, OrderRef, OrderRequest, OrderStatus, Placement, Side, Trading,
};

use super::House;
use broker_binance::venue::BinanceVenue;

fn house() -> House {
    House::new(BinanceVenue::builder().starts_at(super::end()))
}

fn resting() -> OrderRequest {
    OrderRequest::limit(
        "BTC/USD".into(),
        Side::Buy,
        "0.5".parse().unwrap(),
        "50000".parse().unwrap(),
    )
}

fn accepted(placement: Placement) -> broker_core::Order {
    match placement {
        Placement::Accepted(order) => *order,
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_order_is_placed_read_made_smaller_and_canceled() {
    let house = house();
    let account = house.account.clone();
    house.run(|broker| async move {
        let order = accepted(broker.place_once(&account, resting()).await.unwrap());
        assert_eq!(
            (&order.status, order.amount),
            (&OrderStatus::New, Amount::Qty("0.5".parse().unwrap()))
        );
        assert!(order.id.get().starts_with("BTCUSD:"), "{}", order.id);
        let smaller = broker.reduce(&order.reference(), "0.2".parse().unwrap()).await.unwrap();
        assert_eq!((&smaller.id, &smaller.client_id), (&order.id, &order.client_id));
        assert_eq!(smaller.amount, Amount::Qty("0.2".parse().unwrap()));
        let [told] = broker.amendments(&order.reference()).await.unwrap().try_into().unwrap();
        assert_eq!(
            (told.before.get(), told.since.get()),
            (told.before.get(), told.before.get())
        );
        assert_eq!(Some(&told.since), order.client_id.as_ref());
        assert_eq!(
            (told.qty_before, told.qty),
            ("0.5".parse().unwrap(), "0.2".parse().unwrap())
        );
        let by_ours = OrderRef::by_client_id(&account, told.since.clone()).with_instrument("BTCUSD".into());
        assert_eq!(broker.amendments(&by_ours).await.unwrap(), [told]);
        assert!(broker.prevented_matches(&by_ours).await.unwrap().is_empty());
        let filters = broker.filters(&"BTCUSD".into()).await.unwrap();
        let filters: Vec<_> = filters.iter().map(|one| (one.name.as_str(), one.most)).collect();
        let most = |most: u32| Some(rust_decimal::Decimal::from(most));
        assert_eq!(
            filters,
            [
                ("EXCHANGE_MAX_NUM_ORDERS", most(1_000)),
                ("MAX_NUM_ORDER_LISTS", most(20))
            ]
        );
        let larger = broker
            .reduce(&order.reference(), "0.7".parse().unwrap())
            .await
            .unwrap_err();
        assert_eq!(
            (larger.kind(), larger.code()),
            (ErrorKind::OrderRejected, Some("-2038"))
        );
        let ours = OrderRef::by_client_id(&account, order.client_id.clone().unwrap());
        let error = broker.order(&ours).await.unwrap_err();
        assert_eq!(
            (error.kind(), error.delivery()),
            (ErrorKind::InvalidRequest, Delivery::NotSent)
        );
        assert!(error.to_string().contains("instrument"), "{error}");
        let found = broker.order(&ours.with_instrument("BTCUSD".into())).await.unwrap();
        assert_eq!(found.id, order.id);
        let done = broker.cancel_once(&order.reference()).await.unwrap();
        assert_eq!(done.status, OrderStatus::Canceled);
        let query = OrderQuery::placed(&account, Window::LastDays(1)).with_state(OrderState::Closed);
        assert_eq!(broker.all_orders(query).await.unwrap().len(), 1);
    });
}

#[test]
fn cancel_replace_tells_both_halves() {
    let house = house();
    let account = house.account.clone();
    house.run(|broker| async move {
        let first = accepted(broker.place_once(&account, resting()).await.unwrap());
        let other = |id: &str, price: &str| {
            OrderRequest::limit(
                "BTC/USD".into(),
                Side::Buy,
                "0.4".parse().unwrap(),
                price.parse().unwrap(),
            )
            .with_client_id(id.into())
        };
        let done = broker
            .cancel_replace(&first.reference(), other("two", "51000"))
            .await
            .unwrap();
        assert_eq!(
            (&done.canceled.id, &done.canceled.status),
            (&first.id, &OrderStatus::Canceled)
        );
        let second = done.placed.unwrap();
        assert_eq!(second.client_id.as_ref().unwrap().get(), "two");

        // More than the account has: the first half is done, and the second is not.
        let much = OrderRequest::limit(
            "BTC/USD".into(),
            Side::Buy,
            "400".parse().unwrap(),
            "51000".parse().unwrap(),
        )
        .with_client_id("three".into());
        let half = broker.cancel_replace(&second.reference(), much).await.unwrap();
        assert_eq!(
            (&half.canceled.id, &half.canceled.status),
            (&second.id, &OrderStatus::Canceled)
        );
        let error = half.placed.unwrap_err();
        assert_eq!(
            (error.kind(), error.delivery()),
            (ErrorKind::InsufficientFunds, Delivery::Answered)
        );

        // Neither: it is gone already.
        let error = broker
            .cancel_replace(&second.reference(), other("four", "51000"))
            .await
            .unwrap_err();
        assert_eq!((error.kind(), error.code()), (ErrorKind::NotFound, Some("-2022")));
        let open = broker.all_orders(OrderQuery::open(&account)).await.unwrap();
        assert!(open.is_empty(), "{open:?}");
    });
}

#[test]
fn post_only_orders_do_not_take_and_icebergs_are_taken() {
    let house = house();
    let account = house.account.clone();
    house.run(|broker| async move {
        let taking = OrderRequest::limit(
            "BTC/USD".into(),
            Side::Buy,
            "0.1".parse().unwrap(),
            "99999".parse().unwrap(),
        );
        let refused = broker.post_only().place_once(&account, taking).await.unwrap();
        let Placement::Rejected(error) = refused else {
            panic!("{refused:?}")
        };
        assert_eq!(error.message(), Some("Order would immediately match and take."));
        let rests = accepted(broker.post_only().place_once(&account, resting()).await.unwrap());
        assert_eq!(rests.status, OrderStatus::New);
        let shown = broker.iceberg("0.1".parse().unwrap());
        assert_eq!(
            accepted(shown.place_once(&account, resting()).await.unwrap()).status,
            OrderStatus::New
        );
        assert_eq!(broker.cancel_all(&account).await.unwrap().len(), 2);
    });
}

/// The id is free again once its order is done: a second send would buy twice, so nothing is ever sent again.
#[test]
fn an_id_is_taken_among_open_orders_alone() {
    let house = house();
    let account = house.account.clone();
    house.run(|broker| async move {
        assert!(!broker.capabilities().orders.resend_is_safe);
        let named = || resting().with_client_id("mine".into());
        accepted(broker.place_once(&account, named()).await.unwrap());
        let intent_is_known = broker.place_once(&account, named()).await.unwrap();
        // Taken by an order of the same terms: that is the order.
        let again = accepted(intent_is_known);
        assert_eq!(again.client_id.unwrap().get(), "mine");
        assert_eq!(broker.all_orders(OrderQuery::open(&account)).await.unwrap().len(), 1);
    });
}

/// BTC/USD stands at this price, as much of it as anybody wants.
fn quote(house: &House, price: &str) {
    let (price, size) = (price.parse().unwrap(), "1000000".parse().unwrap());
    let now = house.broker.context().clock().now();
    let mut venue = house.venue.lock().unwrap();
    let engine = venue.engine_mut();
    engine
        .set_quote(&"BTC/USD".into(), Some(price), Some(price), (size, size), now)
        .unwrap();
}

fn entry(two: bool) -> OrderRequest {
    let limit = "90000.00".parse().unwrap();
    let order = OrderRequest::limit("BTC/USD".into(), Side::Buy, "0.5".parse().unwrap(), limit)
        .with_target(Level::Price("99000.00".parse().unwrap()));
    match two {
        true => order.with_stop(StopExit::Stop {
            stop: Level::Price("80000.00".parse().unwrap()),
            limit: None,
        }),
        false => order,
    }
}

/// A tenth of a percent of the coin is the fee: of 0.5 that were bought 0.4995 are there, and can be sold.
#[test]
fn exits_of_what_was_received_leave_nothing() {
    for (two, path) in [(true, "/api/v3/orderList/opoco"), (false, "/api/v3/orderList/opo")] {
        let config = BinanceConfig::new(BinanceVenue::KEY, BinanceVenue::SECRET).with_exits_of_received();
        let house = House::with(BinanceVenue::builder().starts_at(super::end()), config);
        quote(&house, "91000.00");
        let account = house.account.clone();
        let order = house.run(|broker| async move { accepted(broker.place_once(&account, entry(two)).await.unwrap()) });
        assert_eq!(order.status, OrderStatus::New);
        let sent = house.recorder.requests();
        assert_eq!(
            sent.iter()
                .filter(|one| one.path == path && one.method == "POST")
                .count(),
            1
        );
        assert!(sent.iter().all(|one| !one.query.contains("pendingQuantity")));

        quote(&house, "89500.00");
        let (account, parent) = (house.account.clone(), order.clone());
        let exits = house.run(|broker| async move {
            let entry = broker.order(&parent.reference()).await.unwrap();
            assert_eq!(entry.status, OrderStatus::Filled);
            assert_eq!(entry.links.children.len(), if two { 2 } else { 1 });
            let mut exits = Vec::new();
            for child in entry.links.children {
                exits.push(broker.order(&OrderRef::by_id(&account, child)).await.unwrap());
            }
            exits
        });
        for exit in &exits {
            assert_eq!(exit.amount, Amount::Qty("0.4995".parse().unwrap()), "{exit:?}");
            assert_eq!(exit.status, OrderStatus::New);
        }

        quote(&house, "99500.00");
        let account = house.account.clone();
        let (done, held) = house.run(|broker| async move {
            let query = OrderQuery::placed(&account, Window::LastDays(1)).with_state(OrderState::Closed);
            let done = broker.all_orders(query).await.unwrap();
            let balances = broker.balances(&account).await.unwrap();
            let held = balances.balances.into_iter().find(|one| one.currency.code() == "BTC");
            (done, held.map_or(rust_decimal::Decimal::ZERO, |one| one.total))
        });
        assert_eq!(done.len(), if two { 3 } else { 2 });
        let sold: rust_decimal::Decimal = done
            .iter()
            .filter(|order| order.legs[0].side == Side::Sell)
            .map(|order| order.filled_qty.get())
            .sum();
        assert_eq!(sold, "0.4995".parse().unwrap());
        assert!(held.is_zero(), "{held}");
    }
}
