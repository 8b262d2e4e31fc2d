//! Orders: groups, states, intents, pages.

use super::*;

#[test]
fn a_bracket_is_three_linked_orders() {
    let orders = orders(format!("[{}]", fixture("bracket.json")));
    assert_eq!(orders.len(), 3);
    let (entry, target, stop) = (&orders[0], &orders[1], &orders[2]);
    assert_eq!(
        (&entry.status, entry.average_price),
        (&OrderStatus::Filled, Some(price("500.125")))
    );
    assert_eq!(entry.links.group, Some(Group::Bracket));
    assert_eq!(entry.links.children, [target.id.clone(), stop.id.clone()]);
    assert_eq!(
        (&target.kind, target.limit_price),
        (&OrderKind::Limit, Some(price("510")))
    );
    assert_eq!((&stop.kind, &stop.status), (&OrderKind::StopLimit, &OrderStatus::Held));
    assert_eq!(
        (stop.stop_price, stop.limit_price),
        (Some(price("490")), Some(price("489.5")))
    );
    assert_eq!(target.links.siblings, std::slice::from_ref(&stop.id));
    assert_eq!(stop.links.siblings, std::slice::from_ref(&target.id));
    assert_eq!(
        (&target.links.parent, &stop.links.parent),
        (&Some(entry.id.clone()), &Some(entry.id.clone()))
    );
}

#[test]
fn open_orders_are_those_that_can_still_trade() {
    let body = format!("[{}]", fixture("bracket.json"));
    let line = "/v2/orders?status=open&limit=500&direction=asc&nested=true";
    let stage = Stage::signed_in(vec![get(line, body.clone())]);
    let page = stage.run(|broker| async move { broker.orders(&OrderQuery::open(&account()), None).await.unwrap() });
    let open: Vec<_> = page
        .rows
        .iter()
        .map(|order| order.client_id.as_ref().unwrap().get())
        .collect();
    assert_eq!(open, ["server-made-1", "server-made-2"]);

    let stage = Stage::signed_in(vec![get(ORDERS, body.clone())]);
    let query = OrderQuery::placed(&account(), Window::All).with_state(OrderState::Closed);
    let page = stage.run(|broker| async move { broker.orders(&query, None).await.unwrap() });
    assert_eq!(page.rows.len(), 1);
    assert_eq!(page.rows[0].client_id.as_ref().unwrap().get(), "entry-1");

    let stage = Stage::signed_in(vec![get(ORDERS, body)]);
    let query = OrderQuery::placed(&account(), Window::All).with_instrument("QQQ".into());
    assert_eq!(
        stage
            .run(|broker| async move { broker.orders(&query, None).await.unwrap() })
            .rows,
        []
    );
}

#[test]
fn both_halves_of_an_oco_are_siblings() {
    let orders = orders(format!("[{}]", fixture("oco.json")));
    let (target, stop) = (&orders[0], &orders[1]);
    assert_eq!(
        (&target.links.siblings, &target.links.children),
        (&vec![stop.id.clone()], &Vec::new())
    );
    assert_eq!(stop.links.siblings, std::slice::from_ref(&target.id));
    assert_eq!(
        (&stop.kind, stop.trail),
        (&OrderKind::TrailingStop, Some(Trail::Percent(dec("1.5"))))
    );
    assert_eq!((target.filled_qty, stop.amount), (qty("4"), Amount::Qty(qty("6"))));
    assert_eq!(target.remaining_qty(), Some(dec("6")));
}

#[test]
fn every_state_and_time_in_force() {
    let orders = orders(fixture("orders_states.json"));
    let states: Vec<_> = orders
        .iter()
        .map(|order| (order.status.as_str(), order.reason.as_deref()))
        .collect();
    assert_eq!(
        states,
        [
            ("new", None),
            ("new", Some("accepted")),
            ("new", Some("accepted_for_bidding")),
            ("pending_new", None),
            ("held", None),
            ("partially_filled", None),
            ("filled", None),
            ("partially_filled", Some("done_for_day")),
            ("canceled", None),
            ("expired", None),
            ("rejected", None),
            ("replaced", None),
            ("pending_cancel", None),
            ("pending_replace", None),
            ("new", Some("stopped")),
            ("new", Some("suspended")),
            ("filled", Some("calculated")),
            ("new", Some("calculated")),
            ("restated_tomorrow", None),
        ]
    );
    assert_eq!(
        (orders[8].filled_qty, orders[8].average_price),
        (qty("3"), Some(price("12.5")))
    );
    let tifs: Vec<_> = orders[..7]
        .iter()
        .map(|order| order.time_in_force.clone().unwrap())
        .collect();
    assert_eq!(
        tifs,
        [
            TimeInForce::Day,
            TimeInForce::Gtc,
            TimeInForce::Ioc,
            TimeInForce::Fok,
            TimeInForce::AtOpen,
            TimeInForce::AtClose,
            TimeInForce::Other("gtx".into()),
        ]
    );
}

#[test]
fn closing_intents_and_short_sales() {
    let body = r#"{"id":"o","status":"new","symbol":"A","side":"sell_short","position_intent":"buy_to_close","qty":"1","filled_qty":"0","type":"market"}"#;
    let stage = Stage::signed_in(vec![get("/v2/orders/a%2F..%2Fb?nested=true", body)]);
    let reference = OrderRef::by_id(&account(), "a/../b".into());
    let order = stage.run(|broker| async move { broker.order(&reference).await.unwrap() });
    assert_eq!(
        (order.legs[0].side, order.legs[0].effect),
        (Side::Sell, Some(PositionEffect::Close))
    );
    assert_eq!((order.created_at, order.time_in_force), (None, None));
}

#[test]
fn orders_go_on_behind_the_last_id() {
    let row = |n: usize, created: &str| {
        format!(
            r#"{{"id":"o-{n}","status":"filled","symbol":"A","side":"buy","qty":"1","filled_qty":"1","type":"market","created_at":"{created}"}}"#
        )
    };
    // 500 orders fill a page; the first was created before the window.
    let full: Vec<_> = (0..500)
        .map(|n| {
            row(
                n,
                if n == 0 {
                    "2025-12-31T23:59:59Z"
                } else {
                    "2026-01-01T10:00:00Z"
                },
            )
        })
        .collect();
    let first = "/v2/orders?status=all&limit=500&direction=asc&nested=true&after=2025-12-31T23%3A59%3A59Z";
    let second = "/v2/orders?status=all&limit=500&direction=asc&nested=true&after_order_id=o-499";
    let late = format!(
        "[{},{}]",
        row(500, "2026-01-01T23:59:59.5Z"),
        row(501, "2026-01-02T00:00:00Z")
    );
    let stage = Stage::signed_in(vec![get(first, format!("[{}]", full.join(","))), get(second, late)]);
    let window = Window::Between {
        since: at("2026-01-01T00:00:00Z"),
        until: Some(at("2026-01-02T00:00:00Z")),
    };
    let query = OrderQuery::placed(&account(), window);
    let (one, two) = stage.run(|broker| async move {
        let one = broker.orders(&query, None).await.unwrap();
        let stored = Cursor::from_text(one.next.as_ref().unwrap().as_str());
        let two = broker.orders(&query, Some(&stored)).await.unwrap();
        (one, two)
    });
    assert_eq!((one.rows.len(), one.rows[0].id.get()), (499, "o-1"));
    assert_eq!(
        two.rows.iter().map(|order| order.id.get()).collect::<Vec<_>>(),
        ["o-500"]
    );
    assert_eq!(two.next, None);
}
