//! Orders, exits and what answers a write.

use broker_core::model::{Amount, Grade, LotRole, OrderKind, PositionEffect, PositionLeg};
use broker_core::{Broker, Delivery, ErrorKind, Gate, OrderRef, OrderRequest, OrderStatus, Side, TimeInForce, Trading};
use broker_oanda::{Closing, ExitChange, TradeExits};

use super::super::stage::{ACCOUNT, Stage, account, at, dec, intent, money, price, qty, recorded};
use super::{fill, orders, part, pending, records};

#[test]
fn pending_orders() {
    for body in [body!("orders_pending.json"), body!("orders_list.json")] {
        let found = pending(body);
        let [order] = found.as_slice() else { panic!("{found:?}") };
        assert_eq!((order.id.get(), order.client_id.as_ref()), ("1", None));
        assert_eq!(order.kind, OrderKind::MarketIfTouched);
        assert_eq!((order.stop_price, order.limit_price), (Some(price("1.33600")), None));
        assert_eq!(
            (order.legs[0].instrument.get(), order.legs[0].side),
            ("GBP_USD", Side::Buy)
        );
        assert_eq!(order.legs[0].effect, Some(PositionEffect::Open));
        assert_eq!(
            (order.amount, order.time_in_force.clone()),
            (Amount::Qty(qty("101")), Some(TimeInForce::Gtc))
        );
        assert_eq!(
            (order.status.clone(), order.created_at),
            (OrderStatus::New, Some(at("2019-01-01T00:00:00Z")))
        );
    }
    // The answers of 2016 say POSITION_DEFAULT and TRIGGER_DEFAULT, and hold an exit that waits.
    let found = pending(body!("v2016_orders_pending.json"));
    let [entry, stop] = found.as_slice() else {
        panic!("{found:?}")
    };
    assert_eq!(
        (entry.id.get(), entry.client_id.as_ref().unwrap().get()),
        ("2304", "myID")
    );
    assert_eq!(
        (entry.kind.clone(), entry.limit_price),
        (OrderKind::Limit, Some(price("1.20000")))
    );
    assert_eq!(
        (entry.legs[0].side, entry.amount),
        (Side::Sell, Amount::Qty(qty("100")))
    );
    assert!(!entry.reduce_only);
    assert_eq!((stop.id.get(), stop.status.clone()), ("2304:SL", OrderStatus::Held));
    assert_eq!(
        (stop.kind.clone(), stop.stop_price),
        (OrderKind::Stop, Some(price("1.22000")))
    );
    assert_eq!(
        (stop.legs[0].side, stop.links.parent.as_ref().unwrap().get()),
        (Side::Buy, "2304")
    );
    assert_eq!(entry.links.children, std::slice::from_ref(&stop.id));
}

#[test]
fn one_order() {
    let stage = Stage::usual(vec![("/orders/1?", 200, body!("order_single_mit.json"))]);
    let reference = OrderRef::by_id(&account(), "1".into());
    let order = stage.runtime.block_on(stage.broker.order(&reference)).unwrap();
    assert_eq!(
        (order.kind, order.stop_price),
        (OrderKind::MarketIfTouched, Some(price("1.33600")))
    );
    assert_eq!(order.amount, Amount::Qty(qty("101")));
}

/// An exit has neither instrument nor size: both come from its trade, and its parent from the fill that opened it.
#[test]
fn an_exit_is_joined_with_its_trade() {
    let made = part(&body!("order_create_stop_loss.json"), &["orderCreateTransaction"]);
    let opening = part(&body!("order_create_market_filled.json"), &["orderFillTransaction"]);
    let stage = Stage::usual(vec![
        (
            "/orders/1?",
            200,
            format!(r#"{{"order":{made},"lastTransactionID":"9"}}"#),
        ),
        (
            "/idrange?from=1&to=1",
            200,
            format!(r#"{{"transactions":[{opening}],"lastTransactionID":"9"}}"#),
        ),
        ("/trades/1?", 200, body!("trade_single.json")),
    ]);
    let reference = OrderRef::by_id(&account(), "1".into());
    let order = stage.runtime.block_on(stage.broker.order(&reference)).unwrap();
    assert_eq!(
        (order.kind, order.stop_price),
        (OrderKind::Stop, Some(price("1.10000")))
    );
    assert_eq!((order.client_id.unwrap().get(), order.reduce_only), ("id", true));
    assert_eq!(
        (order.legs[0].instrument.get(), order.legs[0].side),
        ("EUR_USD", Side::Sell)
    );
    // 1,000 were opened, 100 are left: the exit is for those.
    assert_eq!(order.amount, Amount::Qty(qty("100")));
    assert_eq!(order.links.parent.unwrap().get(), "2");
}

#[test]
fn a_market_order_that_fills() {
    let body = body!("order_create_market_filled.json");
    let opened = fill(part(&body, &["orderFillTransaction"]));
    assert_eq!((opened.id.get(), opened.order.as_ref().unwrap().get()), ("2", "2"));
    assert_eq!((opened.instrument.get(), opened.symbol.get()), ("EUR_USD", "EUR/USD"));
    assert_eq!(
        (opened.side, opened.qty, opened.price),
        (Side::Buy, qty("1000"), price("1.16555"))
    );
    assert_eq!(
        (opened.leg, opened.effect, opened.grade),
        (PositionLeg::Net, Some(PositionEffect::Open), Grade::Reported)
    );
    assert_eq!((opened.pnl, opened.fees.len()), (Some(money("0.0000", "EUR")), 0));
    assert_eq!(opened.client_order.unwrap().get(), "id");
    let lot = &opened.lots[0];
    assert_eq!((lot.lot.get(), lot.role, lot.qty), ("1", LotRole::Opened, qty("1000")));
    let conversion = opened.conversion.unwrap();
    assert_eq!(
        (conversion.gain, conversion.loss, conversion.places),
        (dec("1"), dec("1"), Some(4))
    );

    // The ids of the recording were masked, so that its fill is of another order: that tells nothing of ours.
    let request = OrderRequest::market("EUR/USD".into(), Side::Buy, qty("1000"));
    let place = |body: String| {
        let stage = Stage::usual(vec![("POST", 201, body)]);
        let intent = intent("id", request.clone());
        let placed = stage.runtime.block_on(stage.broker.place(&intent, &Gate::new()));
        (stage, placed)
    };
    let (_, masked) = place(body.clone());
    let error = masked.unwrap_err();
    assert_eq!((error.kind(), error.delivery()), (ErrorKind::Decode, Delivery::Unknown));
    let (stage, placed) = place(body.replace(r#""orderID": "2""#, r#""orderID": "1""#));
    let placed = placed.unwrap();
    assert_eq!(
        (placed.id.get(), placed.kind, placed.status),
        ("1", OrderKind::Market, OrderStatus::Filled)
    );
    assert_eq!(
        (placed.filled_qty, placed.average_price),
        (qty("1000"), Some(price("1.16555")))
    );
    assert_eq!(placed.time_in_force, Some(TimeInForce::Fok));
    assert_eq!(
        stage.last_asked(),
        r#"POST /v3/accounts/101-004-1435156-001/orders? {"order":{"type":"MARKET","instrument":"EUR_USD","units":"1000","timeInForce":"FOK","positionFill":"DEFAULT","clientExtensions":{"id":"id"}}}"#
    );
}

#[test]
fn an_answer_about_another_order_is_a_doubt() {
    let stage = Stage::usual(vec![("POST", 201, body!("order_create_mit_pending.json"))]);
    let request = OrderRequest::market_if_touched("EUR/USD".into(), Side::Buy, qty("100"), price("1.33600"));
    let error = stage
        .runtime
        .block_on(stage.broker.place(&intent("ours", request), &Gate::new()))
        .unwrap_err();
    assert_eq!((error.kind(), error.delivery()), (ErrorKind::Decode, Delivery::Unknown));
}

#[test]
fn orders_as_streams_and_pages_tell_them() {
    let mit = orders(&[part(
        &body!("order_create_mit_pending.json"),
        &["orderCreateTransaction"],
    )])
    .remove(0);
    assert_eq!(
        (mit.id.get(), mit.kind, mit.stop_price),
        ("1", OrderKind::MarketIfTouched, Some(price("1.33600")))
    );
    assert_eq!(
        (mit.legs[0].instrument.get(), mit.amount),
        ("GBP_USD", Amount::Qty(qty("100")))
    );

    let limit = part(&body!("v2016_order_create_limit.json"), &["orderCreateTransaction"]);
    let told = orders(&[limit]);
    assert_eq!(
        (told[0].id.get(), told[0].limit_price),
        ("2304", Some(price("1.20000")))
    );
    assert_eq!(
        (told[1].id.get(), told[1].stop_price),
        ("2304:SL", Some(price("1.22000")))
    );

    let replace = body!("order_replace.json");
    let rows = ["orderCancelTransaction", "orderCreateTransaction"].map(|key| part(&replace, &[key]));
    let new = orders(&rows);
    let [new] = new.as_slice() else { panic!("{new:?}") };
    assert_eq!((new.id.get(), new.stop_price), ("1078", Some(price("1.25687"))));
    assert_eq!(new.links.replaces.as_ref().unwrap().get(), "1076");

    let changes = body!("v2016_account_changes.json");
    let told = orders(&[part(&changes, &["changes", "transactions", "0"])]);
    assert_eq!((told[0].id.get(), told[0].legs[0].side), ("2309", Side::Sell));

    // Of 2016: an order, a change of its extensions, and its replacement's cancel.
    let range = body!("v2016_transactions_idrange.json");
    let rows: Vec<String> = ["0", "1", "2"]
        .iter()
        .map(|place| part(&range, &["transactions", place]))
        .collect();
    let told = orders(&rows);
    let last = &told[told.len() - 2];
    assert_eq!((last.id.get(), last.status.clone()), ("2304", OrderStatus::Replaced));
    assert_eq!(last.links.replaced_by.as_ref().unwrap().get(), "2307");
    assert_eq!(
        (told[told.len() - 1].id.get(), told[told.len() - 1].status.clone()),
        ("2304:SL", OrderStatus::Canceled)
    );
    assert_eq!(records(&rows), []);
}

#[test]
fn a_refused_order() {
    let stage = Stage::usual(vec![("POST", 400, body!("order_create_rejected_400.json"))]);
    let request = OrderRequest::market_if_touched("EUR/USD".into(), Side::Buy, qty("101"), price("1.33687"));
    let error = stage
        .runtime
        .block_on(stage.broker.place(&intent("ours", request), &Gate::new()))
        .unwrap_err();
    assert_eq!(
        (error.kind(), error.delivery()),
        (ErrorKind::InvalidRequest, Delivery::Answered)
    );
    assert_eq!(error.code(), Some("PRICE_PRECISION_EXCEEDED"));
    assert_eq!(
        error.message(),
        Some("The price specified contains more precision than is allowed for the instrument")
    );
    // Its transaction is an order that was refused.
    let told = orders(&[part(
        &body!("order_create_rejected_400.json"),
        &["orderRejectTransaction"],
    )]);
    assert_eq!(told[0].status, OrderStatus::Rejected);
    assert_eq!(told[0].reason.as_deref(), Some("PRICE_PRECISION_EXCEEDED"));
    assert_eq!(told[0].stop_price, Some(price("1.33687666666666")));
}

#[test]
fn cancels() {
    for (body, id) in [
        (body!("order_cancel.json"), "2"),
        (body!("v2016_order_cancel_with_client_id.json"), "2307"),
    ] {
        let stage = Stage::usual(vec![("/cancel", 200, body)]);
        let reference = OrderRef::by_id(&account(), id.into());
        stage.runtime.block_on(stage.broker.cancel(&reference)).unwrap();
        assert_eq!(
            stage.last_asked(),
            format!("PUT /v3/accounts/{ACCOUNT}/orders/{id}/cancel?")
        );
    }
}

#[test]
fn exits_set_on_a_trade() {
    let trade = r#"{"trade":{"id":"2323","instrument":"EUR_USD","price":"1.09843","openTime":"2016-10-28T20:00:00Z",
        "initialUnits":"-100","currentUnits":"-100","state":"OPEN","realizedPL":"0.0000","financing":"0.0000"},
        "lastTransactionID":"2324"}"#;
    let stage = Stage::usual(vec![
        (
            "/trades/2323/orders",
            200,
            body!("v2016_trade_set_dependent_orders.json"),
        ),
        ("/trades/2323?", 200, trade.to_owned()),
        ("/instruments", 200, body!("v2016_instruments_cfd.json")),
    ]);
    let exits = TradeExits::new()
        .with_take_profit(ExitChange::Set(price("1.05")))
        .with_stop_loss(ExitChange::Set(broker_core::model::Level::Price(price("1.1"))));
    let made = stage
        .runtime
        .block_on(stage.broker.set_exits(&account(), &"2323".into(), &exits))
        .unwrap();
    let [target, stop] = made.as_slice() else {
        panic!("{made:?}")
    };
    assert_eq!((target.id.get(), target.limit_price), ("2325", Some(price("1.05000"))));
    assert_eq!((stop.id.get(), stop.stop_price), ("2327", Some(price("1.10000"))));
    assert_eq!(stop.links.replaces.as_ref().unwrap().get(), "2324");
    assert_eq!((stop.legs[0].side, stop.amount), (Side::Buy, Amount::Qty(qty("100"))));
    assert_eq!(
        stage.last_asked(),
        format!(
            "PUT /v3/accounts/{ACCOUNT}/trades/2323/orders? {}",
            r#"{"takeProfit":{"price":"1.05000","timeInForce":"GTC"},"stopLoss":{"price":"1.10000","timeInForce":"GTC"}}"#
        )
    );
    let closing = Closing::Part(qty("40"));
    assert_ne!(closing, Closing::All);
}
