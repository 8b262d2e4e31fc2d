//! Recorded answers, each to the values that its text has.

use broker_core::model::{
    Amount, AssetClass, CandleQuery, Event, FlowKind, Grade, Interval, LotRole, OrderKind, PositionEffect, PositionLeg,
    PositionMode, Window,
};
use broker_core::{
    Broker, Delivery, ErrorKind, Fill, Gate, HistoryQuery, InstrumentQuery, MarketData, Order, OrderQuery, OrderRef,
    OrderRequest, OrderStatus, Quote, Record, Side, TimeInForce, Trading,
};
use broker_oanda::{Closing, ExitChange, TradeExits};

use super::stage::{ACCOUNT, Stage, account, at, dec, intent, money, price, qty, recorded};

macro_rules! body {
    ($name:literal) => {
        match recorded($name) {
            Some(body) => body,
            None => return,
        }
    };
}

/// One value of a recorded object, as its text.
fn part(body: &str, keys: &[&str]) -> String {
    let mut value: serde_json::Value = serde_json::from_str(body).unwrap();
    for key in keys {
        value = match key.parse::<usize>() {
            Ok(place) => value[place].take(),
            Err(_) => value[*key].take(),
        };
    }
    assert!(!value.is_null(), "{keys:?}");
    value.to_string()
}

/// Rows as a page of transactions, read for records.
fn records(rows: &[String]) -> Vec<Record> {
    let page = format!(r#"{{"transactions":[{}],"lastTransactionID":"1"}}"#, rows.join(","));
    let stage = Stage::usual(Vec::new());
    stage
        .runtime
        .block_on(stage.broker.read_transactions(&account(), &page))
        .unwrap()
}

/// Rows as lines of a stream.
fn events(rows: &[String]) -> Vec<Event> {
    let stage = Stage::usual(Vec::new());
    stage
        .runtime
        .block_on(stage.broker.read_stream(&account(), &rows.join("\n")))
        .unwrap()
}

fn orders(rows: &[String]) -> Vec<Order> {
    let orders = events(rows).into_iter().filter_map(|event| match event {
        Event::Order(order) => Some(*order),
        _ => None,
    });
    orders.collect()
}

fn fill(row: String) -> Fill {
    match records(&[row]).remove(0) {
        Record::Fill(fill) => fill,
        other => panic!("{other:?}"),
    }
}

fn pending(body: String) -> Vec<Order> {
    let stage = Stage::usual(vec![("/pendingOrders", 200, body)]);
    let page = stage
        .runtime
        .block_on(stage.broker.orders(&OrderQuery::open(&account()), None));
    page.unwrap().rows
}

#[test]
fn accounts_of_a_token() {
    let (names, summary) = (body!("accounts_list.json"), body!("account_summary.json"));
    let stage = Stage::bare(vec![("/summary", 200, summary), ("GET /v3/accounts?", 200, names)]);
    let found = stage.runtime.block_on(stage.broker.accounts()).unwrap().remove(0);
    assert_eq!(found.id.get(), "000-000-0000000-000");
    assert_eq!(found.name.unwrap().get(), "Primary");
    assert_eq!(
        (found.currency.code(), found.position_mode),
        ("USD", PositionMode::Netting)
    );
    assert_eq!(found.opened_at, Some(at("2017-01-01T00:00:00Z")));
    assert_eq!(found.access.trade, None);
    let balances = stage.runtime.block_on(stage.broker.balances(&found.id)).unwrap();
    assert_eq!(balances.balances[0].total, dec("100000.0000"));
    assert_eq!(balances.balances[0].available, Some(dec("100000.0000")));
    assert_eq!(balances.equity, Some(money("100000.0000", "USD")));
    assert_eq!(balances.unrealized_pnl, Some(money("0", "USD")));
}

fn balances(id: &'static str, body: String) -> broker_core::Balances {
    let names = format!(r#"{{"accounts":[{{"id":"{id}","tags":[]}}]}}"#);
    let stage = Stage::bare(vec![("/summary", 200, body), ("GET /v3/accounts?", 200, names)]);
    stage.runtime.block_on(stage.broker.balances(&id.into())).unwrap()
}

#[test]
fn balances_of_accounts() {
    let full = balances("000-000-0000000-000", body!("account_full.json"));
    assert_eq!(full.realized_pnl, Some(money("25.0000", "USD")));
    assert_eq!(full.margin_used, Some(money("0.0000", "USD")));
    let euros = balances(ACCOUNT, body!("v2016_account_summary_eur.json"));
    assert_eq!(euros.balances[0].total, dec("35454.4740"));
    assert_eq!(euros.margin_used, Some(money("10581.5000", "EUR")));
    assert_eq!(euros.margin_available, Some(money("24872.9740", "EUR")));
    assert_eq!(euros.realized_pnl, Some(money("-13840.3525", "EUR")));
    // NAV = balance + unrealizedPL, to the last digit.
    let index = balances(ACCOUNT, body!("v2016_account_full_hedged_index.json"));
    assert_eq!(index.equity, Some(money("49377.6580", "EUR")));
    assert_eq!(
        index.balances[0].total + index.unrealized_pnl.unwrap().amount,
        index.equity.unwrap().amount
    );
}

#[test]
fn instruments_and_their_steps() {
    let stage = Stage::usual(vec![("/instruments", 200, body!("instruments_all.json"))]);
    let all = stage
        .runtime
        .block_on(stage.broker.instruments(&InstrumentQuery::All))
        .unwrap();
    assert_eq!(all.len(), 70);
    let find = |id: &str| all.iter().find(|one| one.id.get() == id).unwrap();
    let eur = find("EUR_USD");
    assert_eq!((eur.symbol.get(), eur.name.as_deref()), ("EUR/USD", Some("EUR/USD")));
    assert_eq!((eur.currency.code(), eur.base.unwrap().code()), ("USD", "EUR"));
    assert_eq!(
        (eur.ticks[0].tick, eur.lot, eur.pip()),
        (dec("0.00001"), Some(dec("1")), Some(dec("0.0001")))
    );
    assert_eq!((eur.multiplier, eur.max_qty), (Some(dec("1")), Some(qty("100000000"))));
    assert_eq!(eur.margin.as_ref().unwrap().long_rate, Some(dec("1")));
    let yen = find("USD_JPY");
    assert_eq!((yen.ticks[0].tick, yen.pip()), (dec("0.001"), Some(dec("0.01"))));
    assert_eq!(yen.asset_class, AssetClass::Forex);

    let stage = Stage::usual(vec![("/instruments", 200, body!("v2016_instruments_cfd.json"))]);
    let query = InstrumentQuery::Symbols(vec!["DE30_EUR".into(), "EUR/CHF".into(), "no/thing".into()]);
    let found = stage.runtime.block_on(stage.broker.instruments(&query)).unwrap();
    let names: Vec<_> = found.iter().map(|one| (one.id.get(), one.symbol.get())).collect();
    assert_eq!(names, [("EUR_CHF", "EUR/CHF"), ("DE30_EUR", "DE30_EUR")]);
    let index = &found[1];
    assert_eq!(
        (index.asset_class.clone(), index.currency.code(), index.base),
        (AssetClass::Cfd, "EUR", None)
    );
    assert_eq!(
        (index.ticks[0].tick, index.pip(), index.max_qty),
        (dec("0.1"), Some(dec("1")), Some(qty("2500")))
    );
}

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
fn rows_that_move_nothing() {
    let rows = [
        part(&body!("account_configure.json"), &["clientConfigureTransaction"]),
        part(
            &body!("order_client_extensions.json"),
            &["orderClientExtensionsModifyTransaction"],
        ),
        part(&body!("transaction_create_account.json"), &["transaction"]),
        part(&body!("transaction_order_cancel_2026_shape.json"), &["transaction"]),
    ];
    assert_eq!(records(&rows), []);
    assert!(events(&rows).is_empty());
}

#[test]
fn rows_of_today() {
    let opened = fill(part(
        &body!("transaction_order_fill_open_2026_shape.json"),
        &["transaction"],
    ));
    assert_eq!((opened.id.get(), opened.order.unwrap().get()), ("52", "51"));
    assert_eq!(
        (opened.qty, opened.price, opened.at),
        (qty("2"), price("1.20021"), at("2026-01-06T10:00:00.2Z"))
    );
    assert_eq!(
        (opened.lots[0].lot.get(), opened.lots[0].price),
        ("52", price("1.20021"))
    );
    assert_eq!(opened.pnl, Some(money("0.0000", "EUR")));
    let close = orders(&[part(
        &body!("transaction_market_order_closeout_2026_shape.json"),
        &["transaction"],
    )])
    .remove(0);
    assert_eq!(
        (close.id.get(), close.client_id.unwrap().get()),
        ("41", "fixture-close-long")
    );
    assert_eq!(
        (close.kind, close.legs[0].side, close.reduce_only),
        (OrderKind::Market, Side::Sell, true)
    );
    assert_eq!(
        (close.amount, close.created_at),
        (Amount::Qty(qty("3")), Some(at("2026-01-05T09:30:00.1Z")))
    );
}

#[test]
fn positions_with_a_long_and_a_short_side() {
    for body in [body!("positions_list.json"), {
        let single = body!("position_single.json");
        format!(
            r#"{{"positions":[{}],"lastTransactionID":"1"}}"#,
            part(&single, &["position"])
        )
    }] {
        let stage = Stage::usual(vec![("/openPositions", 200, body)]);
        assert_eq!(
            stage.runtime.block_on(stage.broker.positions(&account())).unwrap(),
            [],
            "flat ones are left out"
        );
    }
    let stage = Stage::usual(vec![("/openPositions", 200, body!("v2016_positions_list.json"))]);
    let open = stage.runtime.block_on(stage.broker.positions(&account())).unwrap();
    let [index] = open.as_slice() else { panic!("{open:?}") };
    assert_eq!(
        (index.instrument.get(), index.side, index.qty),
        ("DE30_EUR", Side::Sell, qty("20"))
    );
    assert_eq!(
        (index.leg, index.average_price),
        (PositionLeg::Net, Some(price("10581.5")))
    );
    assert_eq!(index.unrealized_pnl, Some(money("870.0000", "EUR")));
    assert_eq!(index.realized_pnl, Some(money("-13959.3000", "EUR")));
    // A hedging account has legs.
    let single = part(&body!("v2016_position_short.json"), &["position"]);
    let body = format!(r#"{{"positions":[{single}],"lastTransactionID":"1"}}"#);
    let stage = Stage::of(ACCOUNT, "EUR", true, vec![("/openPositions", 200, body)]);
    let open = stage.runtime.block_on(stage.broker.positions(&account())).unwrap();
    assert_eq!((open[0].leg, open[0].signed_qty()), (PositionLeg::Short, dec("-100")));
    assert_eq!(
        (open[0].average_price, open[0].unrealized_pnl),
        (Some(price("1.09843")), Some(money("-0.0738", "EUR")))
    );
}

#[test]
fn open_trades() {
    let trades = |body: String| {
        let stage = Stage::usual(vec![("/openTrades", 200, body)]);
        stage.runtime.block_on(stage.broker.open_trades(&account())).unwrap()
    };
    let open = trades(body!("trades_open.json")).remove(0);
    assert_eq!(
        (open.id.get(), open.price, open.qty),
        ("1", price("1.13387"), qty("100"))
    );
    assert_eq!(
        (open.side, open.unrealized_pnl),
        (Side::Buy, Some(money("-0.0140", "EUR")))
    );
    let stopped = trades(body!("trades_list_with_stop_loss.json")).remove(0);
    let stop = stopped.stop_loss.unwrap();
    assert_eq!(
        (stop.id.get(), stop.kind, stop.price),
        ("2", OrderKind::Stop, Some(price("1.10000")))
    );
    assert_eq!(stopped.take_profit, None);
    let old = trades(body!("v2016_trades_list.json"));
    assert_eq!(old[0].id.get(), "2315");
    assert_eq!(
        (old[0].symbol.get(), old[0].unrealized_pnl),
        ("DE30_EUR", Some(money("25.0000", "EUR")))
    );
    assert_eq!(
        (old[1].symbol.get(), old[1].opened_at),
        ("EUR/USD", at("2016-10-28T14:27:19.011002322Z"))
    );
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

/// Financing is told once: by trade. The balances of the rows are a day's financing apart.
#[test]
fn daily_financing() {
    let body = body!("transactions_idrange_daily_financing.json");
    let rows: Vec<String> = ["0", "1"]
        .iter()
        .map(|place| part(&body, &["transactions", place]))
        .collect();
    let told = records(&rows);
    let [Record::Flow(first), Record::Flow(second)] = told.as_slice() else {
        panic!("{told:?}")
    };
    assert_eq!(
        (first.id.get(), first.kind.clone()),
        ("100:EUR_USD:84", FlowKind::Financing)
    );
    assert_eq!(
        (first.amount, first.lot.as_ref().unwrap().get()),
        (dec("-0.0082"), "84")
    );
    assert_eq!(first.instrument.as_ref().unwrap().get(), "EUR_USD");
    assert_eq!(
        (second.id.get(), second.at),
        ("101:EUR_USD:84", at("2018-04-24T20:00:00Z"))
    );
    assert_eq!(dec("100003.6114") + second.amount, dec("100003.6032"));
}

#[test]
fn pages_of_transactions_are_asked_at_our_own_host() {
    for (name, ids) in [
        ("transactions_pages.json", "from=1&to=414"),
        ("v2016_transactions_pages.json", "from=1&to=1000"),
    ] {
        let Some(pages) = recorded(name) else { return };
        let rows = r#"{"transactions":[],"lastTransactionID":"2124"}"#.to_owned();
        let stage = Stage::usual(vec![("/idrange", 200, rows), ("/transactions?", 200, pages)]);
        let query = HistoryQuery::new(&account(), Window::All);
        let page = stage.runtime.block_on(stage.broker.history(&query, None)).unwrap();
        assert_eq!(
            stage.last_asked(),
            format!("GET /v3/accounts/{ACCOUNT}/transactions/idrange?{ids}")
        );
        // None of the ids came: that is a hole.
        assert_eq!(page.proof, broker_core::Proof::Torn);
    }
}

fn quotes(body: String) -> Vec<Quote> {
    let list = r#"{"instruments":[{"name":"EUR_USD","type":"CURRENCY","pipLocation":-4,"displayPrecision":5,
        "tradeUnitsPrecision":0,"minimumTradeSize":"1"}],"lastTransactionID":"1"}"#;
    let stage = Stage::usual(vec![("/pricing", 200, body), ("/instruments", 200, list.to_owned())]);
    stage
        .runtime
        .block_on(stage.broker.quotes(&["EUR_USD".into(), "NO_SUCH".into()]))
        .unwrap()
}

#[test]
fn prices() {
    let closed = quotes(body!("pricing_not_tradeable.json")).remove(0);
    assert_eq!(
        (closed.bid, closed.ask),
        (Some(price("1.29360")), Some(price("1.29470")))
    );
    assert_eq!(
        (closed.bid_size, closed.at),
        (Some(qty("10000000")), Some(at("2019-01-01T00:00:00Z")))
    );
    // The first level, not the last.
    let open = quotes(body!("v2016_pricing.json"));
    assert_eq!(
        (open[0].bid, open[0].ask),
        (Some(price("1.12157")), Some(price("1.12170")))
    );
    assert_eq!(
        (open[1].symbol.get(), open[1].bid, open[1].bid_size),
        ("EUR/JPY", Some(price("115.329")), Some(qty("1000000")))
    );
    assert_eq!(open[0].at, Some(at("2016-10-05T05:28:16.729643492Z")));
    let lines: Vec<String> = body!("stream_prices.ndjson").lines().map(str::to_owned).collect();
    let told = events(&lines);
    let quotes: Vec<&Quote> = told
        .iter()
        .map(|event| match event {
            Event::Quote(quote) => &**quote,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(quotes.len(), 3);
    assert_eq!(
        (quotes[1].bid, quotes[1].ask),
        (Some(price("1.09177")), Some(price("1.09188")))
    );
    assert_eq!(
        (quotes[2].bid, quotes[2].at),
        (Some(price("114.298")), Some(at("2016-10-27T08:38:45.681572782Z")))
    );
}

#[test]
fn heartbeats_tell_nothing() {
    let lines: Vec<String> = body!("stream_transactions_heartbeats.ndjson")
        .lines()
        .map(str::to_owned)
        .collect();
    assert_eq!(lines.len(), 5);
    assert!(events(&lines).is_empty());
}

#[test]
fn candles() {
    let candles = |body: String, id: &str, interval, since: &str| {
        let stage = Stage::usual(vec![("/candles", 200, body)]);
        let query = CandleQuery::new(id.into(), interval, at(since), at("2026-01-01T00:00:00Z"));
        stage.runtime.block_on(stage.broker.candles(&query, None)).unwrap().rows
    };
    let daily = candles(
        body!("candles_ask_daily.json"),
        "GBP_USD",
        Interval::Day,
        "2018-10-12T00:00:00Z",
    );
    // The first of the answer is before the window.
    assert_eq!(
        (daily[0].start, daily[0].open),
        (at("2018-10-12T00:00:00Z"), price("1.32348"))
    );
    assert_eq!(
        (daily[0].high, daily[0].low, daily[0].close),
        (price("1.32592"), price("1.31507"), price("1.31559"))
    );
    assert_eq!((daily[0].volume, daily[0].complete), (Some(dec("59524")), true));
    let five = candles(
        body!("v2016_candles_mid.json"),
        "DE30_EUR",
        Interval::Minutes(5),
        "2016-10-17T19:35:00Z",
    );
    assert_eq!(five.len(), 5);
    assert_eq!(
        (five[4].open, five[4].close, five[4].volume),
        (price("10509.0"), price("10507.8"), Some(dec("172")))
    );
}
