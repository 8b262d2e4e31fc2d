//! What tripped others, one test a trap.

use broker_core::model::{AccountStatus, Event, OrderKind};
use broker_core::seam::Frame;
use broker_core::{
    Broker, BrokerExt, ErrorKind, HistoryQuery, InstrumentQuery, OrderQuery, OrderRef, OrderRequest, OrderStatus,
    Placement, Side, TimeInForce,
};
use broker_sim::wire::{SocketId, Venue, WireRequest};
use broker_topstepx::venue::TopstepxVenueBuilder;
use broker_topstepx::{TopstepxBroker, TopstepxConfig};

use super::common::{Stage, at, dec, enveloped, price, qty};
use super::desk::{Desk, MES, MES_ID, market, own};
use super::errors::WORKING;
use super::practice;

fn order_of(changes: &[(&str, &str)]) -> broker_core::Order {
    let body = changes.iter().fold(WORKING.to_owned(), |body, (from, to)| {
        assert!(body.contains(from), "{from}");
        body.replace(from, to)
    });
    let stage = Stage::fixed(200, &body);
    let order = OrderRef::by_id(&practice(), "9056".into());
    stage.run(|broker| async move { broker.order(&order).await.unwrap() })
}

/// Lists of states that end at 6 take a suspended leg for one that is gone.
#[test]
fn every_state_has_its_meaning_and_an_unknown_one_is_not_final() {
    for (number, filled, status, is_final) in [
        ("0", "0", OrderStatus::Other("0".into()), false),
        ("1", "0", OrderStatus::New, false),
        ("1", "1", OrderStatus::PartiallyFilled, false),
        ("2", "2", OrderStatus::Filled, true),
        ("3", "0", OrderStatus::Canceled, true),
        ("3", "1", OrderStatus::Canceled, true),
        ("4", "0", OrderStatus::Expired, true),
        ("5", "0", OrderStatus::Rejected, true),
        ("6", "0", OrderStatus::New, false),
        ("7", "0", OrderStatus::PendingCancel, false),
        ("8", "0", OrderStatus::Held, false),
        ("9", "0", OrderStatus::Other("9".into()), false),
    ] {
        let order = order_of(&[
            (r#""status":1"#, &format!(r#""status":{number}"#)),
            (r#""fillVolume":0"#, &format!(r#""fillVolume":{filled}"#)),
        ]);
        assert_eq!(
            (&order.status, order.status.is_final()),
            (&status, is_final),
            "{number}"
        );
        assert_eq!(order.filled_qty, qty(filled));
    }
}

#[test]
fn every_type_has_its_word() {
    for (number, word) in [
        ("0", "0"),
        ("1", "limit"),
        ("2", "market"),
        ("3", "stop_limit"),
        ("4", "stop"),
        ("5", "trailing_stop"),
        ("6", "join_bid"),
        ("7", "join_ask"),
        ("8", "8"),
    ] {
        let order = order_of(&[(r#""type":1"#, &format!(r#""type":{number}"#))]);
        assert_eq!(order.kind.as_str(), word);
        assert_eq!(
            matches!(order.kind, OrderKind::Other(_)),
            !["1", "2", "3", "4", "5"].contains(&number)
        );
    }
}

/// New members broke a client's data classes.
#[test]
fn members_that_nobody_knew_are_passed_over() {
    let order = order_of(&[(
        r#""size":2"#,
        r#""size":2,"newMember":{"a":[1,null]},"trailDistance":-4"#,
    )]);
    assert_eq!((order.limit_price, order.trail), (Some(price("6000.00")), None));
}

/// Steps of a ten-millionth, in any spelling of a number; f64 would print them otherwise.
#[test]
fn a_step_of_half_a_millionth_is_exact() {
    for tick in ["0.0000005", "5e-7", "0.000000500", "5.0E-07"] {
        let body = enveloped(
            "contract",
            &format!(
                r#"{{"id":"CON.F.US.JY6.U26","name":"6JU6","description":"Japanese Yen","tickSize":{tick},"tickValue":6.25,
                "activeContract":true,"symbolId":"F.US.JY6"}}"#
            ),
        );
        let stage = Stage::fixed(200, &body);
        let ids = InstrumentQuery::Ids(vec!["CON.F.US.JY6.U26".into()]);
        let found = stage.run(|broker| async move { broker.instruments(&ids).await.unwrap().remove(0) });
        assert_eq!(found.ticks[0].tick.normalize(), dec("0.0000005"), "{tick}");
        assert_eq!(found.multiplier, Some(dec("12500000")));
    }
    // A multiplier that is not exact is an error, not a rounded one.
    let body = enveloped(
        "contract",
        r#"{"id":"CON.F.US.EP.U26","name":"ESU6","description":null,"tickSize":0.3,"tickValue":1.0,"activeContract":true}"#,
    );
    let stage = Stage::fixed(200, &body);
    let ids = InstrumentQuery::Ids(vec!["CON.F.US.EP.U26".into()]);
    let error = stage.run(|broker| async move { broker.instruments(&ids).await.unwrap_err() });
    assert_eq!(error.kind(), ErrorKind::Decode);
}

/// The vendor's roots are not the exchange's, its list has front contracts alone, and its search finds too much.
#[test]
fn contracts_are_found_by_what_people_write() {
    let list = enveloped(
        "contracts",
        r#"[{"id":"CON.F.US.ENQ.U26","name":"NQU6","description":"E-mini NASDAQ-100","tickSize":0.25,"tickValue":5.0,"activeContract":true},
            {"id":"CON.F.US.NQG.V26","name":"QGV6","description":"E-mini Natural Gas","tickSize":0.005,"tickValue":12.5,"activeContract":true}]"#,
    );
    let expired = enveloped(
        "contract",
        r#"{"id":"CON.F.US.ENQ.H25","name":"NQH5","description":"E-mini NASDAQ-100","tickSize":0.25,"tickValue":5.0,"activeContract":false}"#,
    );
    let stage = Stage::new(move |path, _| match path {
        "/api/Contract/available" => (200, list.clone()),
        "/api/Contract/searchById" => (200, expired.clone()),
        other => panic!("{other}"),
    });
    let find = |symbol: &'static str| {
        stage.run(|broker| async move {
            let query = InstrumentQuery::Symbols(vec![symbol.into()]);
            let found = broker.instruments(&query).await.unwrap();
            found.into_iter().map(|one| one.id.get().to_owned()).collect::<Vec<_>>()
        })
    };
    for symbol in ["NQU6", "NQU26", "/NQU26", "NQU2026", "CON.F.US.ENQ.U26"] {
        assert_eq!(find(symbol), ["CON.F.US.ENQ.U26"], "{symbol}");
    }
    assert_eq!(find("QGV26"), ["CON.F.US.NQG.V26"]);
    stage.sent();
    assert_eq!(find("NQH25"), ["CON.F.US.ENQ.H25"]);
    assert_eq!(
        stage.sent().last().unwrap().1,
        r#"{"contractId":"CON.F.US.ENQ.H25"}"#,
        "made of the table, for the list has it no more"
    );
    let front = |root: &'static str| stage.run(|broker| async move { broker.front_contract(root).await.unwrap() });
    assert_eq!(front("NQ").unwrap().id.get(), "CON.F.US.ENQ.U26");
    assert_eq!(front("ENQ"), None, "that is nobody's root but the vendor's");
    assert_eq!(front("NQG"), None);
}

/// The token stands in the URL: a hub without negotiation looks nowhere else.
#[test]
fn a_hub_takes_its_token_from_the_url_alone() {
    let desk = Desk::new(|builder| builder);
    desk.run(|broker, _| async move { broker.accounts().await.unwrap() });
    let now = at(super::desk::NOW);
    let token = {
        let runtime_now = desk.runtime.block_on(async { desk.broker.context().clock().now() });
        assert!(runtime_now >= now);
        // What the venue issued is not told; a new login gives another, and leaves the first good.
        let login = WireRequest::new("POST", "/api/Auth/loginKey", "memory")
            .with_header("content-type", "application/json")
            .with_body(format!(
                r#"{{"userName":"{}","apiKey":"{}"}}"#,
                broker_topstepx::venue::TopstepxVenue::USER_NAME.to_uppercase(),
                broker_topstepx::venue::TopstepxVenue::API_KEY
            ));
        let answer = desk.venue().handle(&login, runtime_now);
        let body: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
        body["token"].as_str().unwrap().to_owned()
    };
    let mut open = |target: &str, header: Option<&str>| {
        let request = WireRequest::new("GET", target, "memory");
        let request = match header {
            Some(token) => request.with_header("authorization", format!("Bearer {token}")),
            None => request,
        };
        desk.venue()
            .upgrade(&request, SocketId(900), now)
            .map_err(|answer| answer.status)
    };
    assert_eq!(open("/hubs/user", Some(&token)), Err(401));
    assert_eq!(open("/hubs/user?access_token=wrong", Some(&token)), Err(401));
    assert_eq!(open(&format!("/hubs/user?access_token={token}"), None), Ok(()));
    // The first token is still good.
    desk.run(|broker, _| async move { broker.accounts().await.unwrap() });
    assert_eq!(desk.venue().tokens_issued(), 2);
}

/// The service passes over `startDate` and answers for another window; the venue refuses it, and we never send it.
#[test]
fn a_window_is_asked_for_by_the_names_that_count() {
    let desk = Desk::new(|builder| builder);
    desk.run(|broker, account| async move {
        broker
            .history(&HistoryQuery::last_days(&account, 3), None)
            .await
            .unwrap();
    });
    let sent = desk.sent("/api/Trade/search");
    assert!(
        sent.iter()
            .all(|body| body.contains("startTimestamp") && !body.contains("startDate")),
        "{sent:?}"
    );
}

/// The list pages at a hundred rows whatever is asked for: the others are not forgotten.
#[test]
fn more_open_orders_than_a_page_holds() {
    let desk = Desk::new(|builder| builder.limits(Vec::new(), Vec::new()));
    {
        let now = desk.runtime.block_on(async { desk.broker.context().clock().now() });
        let mut venue = desk.venue();
        for count in 0..250 {
            let request = OrderRequest::limit(MES.into(), Side::Buy, qty("1"), price("100"));
            let made = now - chrono::Duration::seconds(300 - count);
            let _ = made;
            venue.engine_mut().place(&own(), &request, None, now).unwrap();
        }
    }
    let open = desk.run(|broker, account| async move {
        let query = OrderQuery::open(&account);
        broker.all_orders(query).await
    });
    // All of one second: a page cannot be passed by time. It says so, and forgets nothing in silence.
    match open {
        Ok(orders) => assert_eq!(orders.len(), 250),
        Err(error) => println!("{error}"),
    }
}

/// An order that filled cannot be canceled: "not found" is what the gateway says of it.
#[test]
fn a_cancel_that_comes_too_late_tells_of_the_fill() {
    let desk = Desk::new(|builder| builder);
    let placed = desk.place(OrderRequest::limit(MES.into(), Side::Buy, qty("1"), price("4999")));
    desk.quote(MES, "4998.00", "4998.25");
    let order = placed.reference();
    let outcome = desk.run(|broker, _| async move { broker.cancel_once(&order).await.unwrap() });
    assert_eq!((outcome.status, outcome.filled_qty), (OrderStatus::Filled, qty("1")));
}

/// Real money: the gateway cancels nothing there.
#[test]
fn a_live_account_cancels_nothing() {
    let config = TopstepxConfig::new(
        broker_topstepx::venue::TopstepxVenue::USER_NAME,
        broker_topstepx::venue::TopstepxVenue::API_KEY,
    );
    let desk = Desk::with(config.live(), |builder| builder_of(builder).real());
    let placed = desk.place(OrderRequest::limit(MES.into(), Side::Buy, qty("1"), price("4999")));
    let order = placed.reference();
    let error = desk.run(|broker, _| async move { broker.cancel_once(&order).await.unwrap_err() });
    assert_eq!((error.kind(), error.code()), (ErrorKind::Permission, Some("6")));
    let account = desk.run(|broker, _| async move { broker.accounts().await.unwrap().remove(0) });
    assert_eq!(account.access.cancel, Some(false));
}

/// Over an engine with one account of our own naming.
fn builder_of(builder: TopstepxVenueBuilder) -> TopstepxVenueBuilder {
    let now = at(super::desk::NOW);
    let mut engine = broker_sim::Engine::new(1, &broker_sim::Catalogue::around(now.date_naive()), now);
    let spec = broker_sim::AccountSpec::margin(own(), broker_core::Currency::USD).with_stated_pnl();
    engine.open_account(spec, now).unwrap();
    let cash = broker_core::Money::new(50_000.into(), broker_core::Currency::USD);
    engine.deposit(&own(), cash, now).unwrap();
    builder.engine(engine).account(own(), "50KTC-V2-000001-00000001")
}

/// A failed evaluation drops out of the active list, and its trades still matter.
#[test]
fn an_inactive_account_keeps_its_history() {
    let desk = Desk::new(|builder| builder_of(builder).inactive());
    {
        let now = desk.runtime.block_on(async { desk.broker.context().clock().now() });
        let mut venue = desk.venue();
        venue
            .engine_mut()
            .place(&own(), &market(Side::Buy, "1"), None, now)
            .unwrap();
    }
    desk.wait(1);
    let (accounts, fills) = desk.run(|broker, account| async move {
        let accounts = broker.accounts().await.unwrap();
        let history = broker.all_fills(HistoryQuery::last_days(&account, 1)).await.unwrap();
        (accounts, history.fills().count())
    });
    assert_eq!(
        (&accounts[0].status, accounts[0].access.trade),
        (&AccountStatus::Closed, Some(false))
    );
    assert_eq!(fills, 1);
}

/// Orders have no field for a time in force, and no stop-limit is placed: a request for either is refused, not dropped.
#[test]
fn what_cannot_be_said_is_refused_unsent() {
    let desk = Desk::new(|builder| builder);
    let limit = || OrderRequest::limit(MES.into(), Side::Buy, qty("1"), price("4999"));
    let requests = [
        limit().with_time_in_force(TimeInForce::Gtc),
        limit().with_time_in_force(TimeInForce::Ioc),
        limit().with_time_in_force(TimeInForce::Fok),
        OrderRequest::stop_limit(MES.into(), Side::Buy, qty("1"), price("5005"), price("5006")),
        limit().with_target(broker_core::model::Level::Price(price("5010"))),
    ];
    for request in requests {
        let refused = desk.run(|broker, account| async move { broker.place_once(&account, request).await });
        assert_eq!(refused.unwrap_err().kind(), ErrorKind::Unsupported);
    }
    assert!(desk.sent("/api/Order/place").is_empty());
    // None is what the gateway has: day.
    let placed = desk.place(limit());
    assert_eq!(placed.time_in_force, Some(TimeInForce::Day));
}

/// A tag is taken once for ever, also after its order is gone.
#[test]
fn a_tag_comes_never_again() {
    let desk = Desk::new(|builder| builder);
    let request = || OrderRequest::limit(MES.into(), Side::Buy, qty("1"), price("4999")).with_client_id("mine".into());
    let placed = desk.place(request());
    let order = placed.reference();
    desk.run(|broker, _| async move { broker.cancel_once(&order).await.unwrap() });
    desk.wait(10);
    let again = request();
    let second = desk.run(|broker, account| async move { broker.place_once(&account, again).await });
    match second.unwrap() {
        // The order of that tag has the same terms, so it is the one that was asked for.
        Placement::Accepted(order) => assert_eq!(order.id, placed.id),
        Placement::Rejected(error) => assert_eq!(error.kind(), ErrorKind::DuplicateOrder),
        other => panic!("{other:?}"),
    }
    let venue = desk.venue();
    assert_eq!(venue.orders(&own()).len(), 1);
}

/// Case does not tell login names apart, and neither do limits.
#[test]
fn one_profile_has_one_bucket() {
    let key = |name: &str| {
        let broker = TopstepxBroker::new(TopstepxConfig::new(name, "k")).unwrap();
        broker.capabilities().limits[0].key.to_string()
    };
    assert_eq!(key("Trader"), key("tRADER"));
    assert_ne!(key("Trader"), key("Trader2"));
    assert!(!key("Trader").to_lowercase().contains("trader"));
}

fn user(arguments: &str) -> Frame {
    Frame::Text(format!(
        "{{\"type\":1,\"target\":\"GatewayUserPosition\",\"arguments\":[{arguments}]}}\u{1e}"
    ))
}

/// Bare, wrapped, in a list with nulls in it: whatever the action says.
#[test]
fn events_come_in_every_wrapping() {
    const ROW: &str = r#"{"id":7,"accountId":1001,"contractId":"CON.F.US.EP.U26","creationTimestamp":"2026-08-20T11:59:00.1234567+00:00",
      "type":2,"size":3,"averagePrice":6000.25}"#;
    for arguments in [
        ROW.to_owned(),
        format!(r#"{{"action":1,"data":{ROW}}}"#),
        format!(r#"{{"action":99,"data":{ROW}}}"#),
        format!(r#"[{ROW}]"#),
        format!(r#"[null,{{"action":0,"data":{ROW}}},null]"#),
    ] {
        let events = TopstepxBroker::read_user_hub(&[practice()], &user(&arguments)).unwrap();
        let [Event::Position(position)] = events.as_slice() else {
            panic!("{arguments}: {events:?}")
        };
        assert_eq!(
            (position.signed_qty(), position.average_price),
            (dec("-3"), Some(price("6000.25")))
        );
        // Seven digits of a second, cut to the six that REST tells.
        assert_eq!(position.at, Some(at("2026-08-20T11:59:00.123456Z")));
    }
    let flat = ROW.replace(r#""type":2,"size":3"#, r#""type":0,"size":0"#);
    let events = TopstepxBroker::read_user_hub(&[practice()], &user(&flat)).unwrap();
    assert!(matches!(events.as_slice(), [Event::Position(position)] if position.qty.is_zero()));
    // A size without a direction says nothing.
    let lost = ROW.replace(r#""type":2"#, r#""type":0"#);
    assert!(TopstepxBroker::read_user_hub(&[practice()], &user(&lost)).is_err());
}

/// Quotes are changes: what is missing is as it was.
#[test]
fn a_quote_is_put_together_of_its_changes() {
    let record =
        |row: &str| format!("{{\"type\":1,\"target\":\"GatewayQuote\",\"arguments\":[\"{MES_ID}\",{row}]}}\u{1e}");
    let text = [
        record(r#"{"symbol":"F.US.MES","bestBid":5000.00,"bestAsk":5000.25,"lastUpdated":"2026-11-20T15:00:00Z"}"#),
        record(r#"{"symbol":"F.US.MES","bestAsk":5000.50,"lastUpdated":"2026-11-20T15:00:01Z"}"#),
        record(r#"[{"symbol":"F.US.MES","bestBid":5000.25},null,{"symbol":"F.US.MES","timestamp":"2026-11-20T15:00:02Z"}]"#),
    ]
    .concat();
    let events = TopstepxBroker::read_market_hub(&Frame::Text(text)).unwrap();
    let told: Vec<_> = events
        .iter()
        .map(|event| match event {
            Event::Quote(quote) => (quote.bid, quote.ask, quote.at),
            other => panic!("{other:?}"),
        })
        .collect();
    let quote = |bid, ask, when| (Some(price(bid)), Some(price(ask)), Some(at(when)));
    assert_eq!(
        told,
        [
            quote("5000.00", "5000.25", "2026-11-20T15:00:00Z"),
            quote("5000.00", "5000.50", "2026-11-20T15:00:01Z"),
            quote("5000.25", "5000.50", "2026-11-20T15:00:02Z"),
        ]
    );
}
