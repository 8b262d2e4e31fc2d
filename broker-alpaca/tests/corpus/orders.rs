//! Orders: of one leg, for money, of coins and options, in groups and in batches.

use super::*;

#[test]
fn orders_of_one_leg() {
    let body = recorded!("order_equity_accepted.json");
    let order = order(&body);
    assert_eq!(order.id.get(), "7b08df51-c1ac-453c-99f9-323a5f075f0d");
    assert_eq!(
        order.client_id.as_ref().unwrap().get(),
        "5680c4bc-9ac1-4a12-a44c-df427ba53032"
    );
    assert_eq!(order.account.get(), ACCOUNT);
    assert_eq!(
        (order.status, order.reason.as_deref()),
        (OrderStatus::New, Some("accepted"))
    );
    assert_eq!(
        (order.kind, order.time_in_force),
        (OrderKind::Limit, Some(TimeInForce::Gtc))
    );
    assert_eq!(
        (order.amount, order.limit_price),
        (Amount::Qty(qty("2")), Some(price("150")))
    );
    assert_eq!(
        (order.filled_qty, order.average_price, order.stop_price),
        (qty("0"), None, None)
    );
    assert_eq!(order.links, broker_core::model::OrderLinks::default());
    assert_eq!(order.created_at, Some(at("2023-12-12T22:31:24.668464435Z")));
    assert_eq!(order.updated_at, Some(at("2023-12-12T22:31:24.668464435Z")));
    assert_eq!(order.legs.len(), 1);
    assert_eq!((order.legs[0].symbol.get(), order.legs[0].side), ("AAPL", Side::Buy));
    assert_eq!((order.legs[0].ratio, order.legs[0].effect), (dec("1"), None));
}

#[test]
fn orders_for_money() {
    let ipo = order(&recorded!("order_ipo_notional_accepted.json"));
    assert_eq!(ipo.amount, Amount::Notional(usd("500")));
    assert_eq!(ipo.legs[0].symbol.get(), "FI111225");
    assert_eq!(ipo.remaining_qty(), None);
    let swap = order(&recorded!("order_notional_with_swap.json"));
    assert_eq!(swap.amount, Amount::Notional(usd("40")));
    assert_eq!(
        (swap.filled_qty, swap.average_price),
        (qty("0.0016"), Some(price("23717.854")))
    );
    assert_eq!((swap.status, swap.reason), (OrderStatus::Filled, None));
    let close = order(&recorded!("position_close_response_order_notional.json"));
    assert_eq!(close.amount, Amount::Notional(usd("500")));
    assert_eq!(close.legs[0].effect, Some(PositionEffect::Open));
}

#[test]
fn orders_of_crypto_and_options() {
    let btc = order(&recorded!("order_crypto_filled_or_new.json"));
    assert_eq!(
        (btc.legs[0].instrument.get(), btc.amount),
        ("BTC/USD", Amount::Qty(qty("0.0001")))
    );
    assert_eq!((btc.kind, btc.status), (OrderKind::Market, OrderStatus::PendingNew));
    let eth = order(&recorded!("order_crypto_pending_new.json"));
    assert_eq!(
        (eth.legs[0].instrument.get(), eth.limit_price),
        ("ETH/USD", Some(price("2100")))
    );
    assert_eq!(eth.amount, Amount::Qty(qty("0.02")));
    let option = order(&recorded!("order_option_pending_new.json"));
    assert_eq!(option.legs[0].instrument.get(), "AAPL250620C00100000");
    assert_eq!(
        (option.time_in_force, option.amount),
        (Some(TimeInForce::Day), Amount::Qty(qty("2")))
    );
    let sold = order(&recorded!("order_option_sell_to_open_accepted.json"));
    assert_eq!(
        (sold.legs[0].side, sold.legs[0].effect),
        (Side::Sell, Some(PositionEffect::Open))
    );
    assert_eq!(
        (sold.limit_price, sold.amount),
        (Some(price("300")), Amount::Qty(qty("1")))
    );
    // Text that no rule understands stays as it is.
    assert_eq!(sold.legs[0].symbol.get(), "AAPL`");
    let limit = order(&recorded!("order_limit_accepted.json"));
    assert_eq!((limit.kind, limit.limit_price), (OrderKind::Limit, Some(price("300"))));
}

#[test]
fn an_order_is_found_by_our_id() {
    let body = recorded!("order_by_client_order_id.json");
    let line = "/v2/orders:by_client_order_id?client_order_id=eb9e2aaa-f71a-4f51-b5b4-52a6c565dad4";
    let stage = Stage::signed_in(vec![get(line, body)]);
    let reference = OrderRef::by_client_id(&account(), "eb9e2aaa-f71a-4f51-b5b4-52a6c565dad4".into());
    let order = stage.run(|broker| async move { broker.order(&reference).await.unwrap() });
    assert_eq!(order.id.get(), "61e69015-8549-4bfd-b9c3-01e75843f47d");
    assert_eq!((order.amount, order.kind), (Amount::Qty(qty("1")), OrderKind::Market));
    assert_eq!(order.created_at, Some(at("2021-03-16T18:38:01.942282Z")));
}

#[test]
fn quantities_may_be_json_numbers() {
    let orders = list(&recorded!("orders_list_numeric_quantities.json"));
    assert_eq!(orders.len(), 1);
    let order = &orders[0];
    assert_eq!((order.amount, order.filled_qty), (Amount::Qty(qty("1")), qty("0")));
    assert_eq!((&order.kind, order.average_price), (&OrderKind::Stop, None));
    assert_eq!((&order.status, order.extended_hours), (&OrderStatus::New, true));
    assert_eq!(
        order.links.replaced_by.as_ref().unwrap().get(),
        "0b11f089-722d-4ced-9beb-e2eeed3637dc"
    );
    assert_eq!(
        order.links.replaces.as_ref().unwrap().get(),
        "9f7d75bc-a9a2-40b0-9082-0fc0a09817ff"
    );
}

#[test]
fn a_spread_is_one_order_and_its_legs() {
    let orders = group(&recorded!("order_mleg_filled_nested_legs.json"));
    let ids: Vec<_> = orders.iter().map(|order| order.id.get()).collect();
    assert_eq!(
        ids,
        [
            "83f37e9f-6b1f-49ed-8fc6-3e6af716323f",
            "df4ff24a-c58a-4e37-8b9f-ef32b83a11f2",
            "ecd91110-c34d-4e9d-a7bf-a9c27c40f8b5"
        ]
    );
    let parent = &orders[0];
    assert_eq!(parent.links.group, Some(Group::MultiLeg));
    assert_eq!(parent.links.children, [orders[1].id.clone(), orders[2].id.clone()]);
    assert_eq!(
        (parent.filled_qty, parent.average_price),
        (qty("1"), Some(price("1.28")))
    );
    assert_eq!(
        (parent.limit_price, &parent.status),
        (Some(price("10")), &OrderStatus::Filled)
    );
    let legs: Vec<_> = parent
        .legs
        .iter()
        .map(|leg| (leg.symbol.get(), leg.side, leg.ratio, leg.filled_qty, leg.average_price))
        .collect();
    assert_eq!(
        legs,
        [
            (
                "AAPL241213C00250000",
                Side::Buy,
                dec("3"),
                qty("3"),
                Some(price("0.43"))
            ),
            (
                "AAPL241213C00260000",
                Side::Sell,
                dec("1"),
                qty("1"),
                Some(price("0.01"))
            ),
        ]
    );
    let leg = &orders[1];
    // The leg's own type is empty.
    assert_eq!(
        (&leg.kind, &leg.links.parent),
        (&OrderKind::Limit, &Some(parent.id.clone()))
    );
    assert_eq!((leg.amount, leg.filled_qty), (Amount::Qty(qty("3")), qty("3")));
    assert_eq!(leg.expires_at, Some(at("2024-12-10T21:00:00Z")));
    assert_eq!(leg.links.group, Some(Group::MultiLeg));
}

#[test]
fn orders_inside_batch_answers() {
    #[derive(serde::Deserialize)]
    struct Item<'a> {
        #[serde(borrow)]
        body: &'a serde_json::value::RawValue,
    }
    let cancels = recorded!("cancel_all_207_with_bodies.json");
    let cancels: Vec<Item<'_>> = serde_json::from_str(&cancels).unwrap();
    let canceled = order(cancels[0].body.get());
    assert_eq!(canceled.id.get(), "aaeec1f3-4917-4cfd-b89f-bab24495d2ff");
    assert_eq!(
        (canceled.status, canceled.kind),
        (OrderStatus::PendingCancel, OrderKind::StopLimit)
    );
    assert_eq!(
        (canceled.limit_price, canceled.stop_price),
        (Some(price("500")), Some(price("600")))
    );
    assert_eq!(canceled.updated_at, Some(at("2021-06-01T07:50:16.746769274Z")));
    assert_eq!(
        order(cancels[1].body.get()).id.get(),
        "f235da63-19c6-49c5-b179-1680576cf42b"
    );
    let closes = recorded!("positions_close_all_207.json");
    let closes: Vec<Item<'_>> = serde_json::from_str(&closes).unwrap();
    let closing = order(closes[0].body.get());
    assert_eq!(
        (closing.legs[0].side, closing.amount),
        (Side::Sell, Amount::Qty(qty("2")))
    );
    assert_eq!(closing.created_at, Some(at("2022-02-04T16:53:29.53427917Z")));
}
