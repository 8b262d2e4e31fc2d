//! Recorded and published answers of the gateway, read through the shipped calls and compared with values worked out
//! by hand. The collection is not part of this repository: without it the tests say so and pass.

#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

#[path = "../common/mod.rs"]
mod common;

use broker_core::model::{AccountStatus, Amount, CandleQuery, Grade, Group, Interval, OrderKind, OrderState, Window};
use broker_core::{
    AccountId, Broker, BrokerExt, Currency, Delivery, ErrorKind, Fill, Gate, Instrument, InstrumentId, Intent,
    MarketData, Order, OrderQuery, OrderRef, OrderRequest, OrderStatus, Record, Side, TimeInForce, Trading,
};
use broker_testkit::fixtures::corpus;
use broker_topstepx::TopstepxBroker;
use common::{Stage, at, dec, enveloped, price, qty, usd};
use contracts::contracts;
use serde_json::value::RawValue;

/// The file's text; `None` where there is no collection.
fn recorded(name: &str) -> Option<String> {
    let folder = corpus("topstepx")?;
    // The folder is there, so a missing file is a mistake.
    Some(std::fs::read_to_string(folder.join(name)).unwrap_or_else(|error| panic!("{name}: {error}")))
}

macro_rules! recorded {
    ($name:literal) => {
        match recorded($name) {
            Some(body) => body,
            None => return,
        }
    };
}

mod contracts;
mod hubs;
mod trips;

const ACCOUNT: &str = "26282486";

fn account() -> AccountId {
    AccountId::from(ACCOUNT)
}

#[derive(serde::Deserialize)]
struct Recorded<'a> {
    #[serde(borrow)]
    envelope: &'a RawValue,
}

#[test]
fn logins_and_renewals() {
    let (ok, refused, renewed) = (
        recorded!("auth_login_key_ok_live.json"),
        recorded!("auth_login_key_invalid_doc.json"),
        recorded!("auth_validate_ok_live.json"),
    );
    let ok = serde_json::from_str::<Recorded<'_>>(&ok)
        .unwrap()
        .envelope
        .get()
        .to_owned();
    let renewed = serde_json::from_str::<Recorded<'_>>(&renewed)
        .unwrap()
        .envelope
        .get()
        .to_owned();
    let accounts = enveloped("accounts", "[]");
    let stage = Stage::with(broker_topstepx::TopstepxConfig::new("Login", "k"), move |path, body| {
        (
            200,
            match path {
                "/api/Auth/loginKey" => {
                    assert_eq!(body, r#"{"userName":"Login","apiKey":"k"}"#);
                    ok.clone()
                }
                "/api/Auth/validate" => {
                    assert_eq!(body, "");
                    renewed.clone()
                }
                _ => accounts.clone(),
            },
        )
    });
    stage.run(|broker| async move {
        broker.probe().await.unwrap();
        // Two hours before the token ends it is renewed, not before.
        broker
            .context()
            .clock()
            .sleep(std::time::Duration::from_secs(21 * 3600))
            .await;
        broker.probe().await.unwrap();
        broker
            .context()
            .clock()
            .sleep(std::time::Duration::from_secs(3601))
            .await;
        broker.probe().await.unwrap();
    });
    let sent = stage.sent.lock().unwrap().clone();
    let paths: Vec<_> = sent.iter().map(|sent| sent.path.as_str()).collect();
    let search = "/api/Account/search";
    assert_eq!(
        paths,
        ["/api/Auth/loginKey", search, search, "/api/Auth/validate", search]
    );
    assert_eq!(sent[1].bearer.as_deref(), Some("Bearer [REDACTED]"));

    let stage = Stage::with(broker_topstepx::TopstepxConfig::new("Login", "k"), move |path, _| {
        assert_eq!(path, "/api/Auth/loginKey");
        (200, refused.clone())
    });
    let error = stage.run(|broker| async move { broker.probe().await.unwrap_err() });
    assert_eq!(
        (error.kind(), error.code(), error.message()),
        (ErrorKind::Auth, Some("3"), Some("InvalidCredentials"))
    );
}

#[test]
fn accounts() {
    let (live, doc) = (
        recorded!("accounts_search_live_array.json"),
        recorded!("accounts_search_doc_no_simulated.json"),
    );
    let body = enveloped("accounts", &live);
    let stage = Stage::fixed(200, &body);
    let accounts = stage.run(|broker| async move { broker.accounts().await.unwrap() });
    let [evaluation, practice] = accounts.as_slice() else {
        panic!("{accounts:?}")
    };
    assert_eq!(evaluation.id.get(), "25775680");
    assert_eq!(evaluation.name.as_ref().unwrap().get(), "50KTC-V2-DLL-645601-97590973");
    // Simulated, and yet nothing that may be traded on without a word.
    assert_eq!(
        (evaluation.access.trade, evaluation.access.cancel),
        (Some(false), Some(false))
    );
    assert_eq!(
        (practice.access.trade, practice.access.cancel),
        (Some(true), Some(true))
    );
    assert_eq!(practice.id.get(), ACCOUNT);
    assert_eq!(
        (practice.currency, &practice.status),
        (Currency::USD, &AccountStatus::Active)
    );
    let balances = stage.run(|broker| async move { broker.balances(&account()).await.unwrap() });
    assert_eq!(balances.balances[0].total.to_string(), "149831.92");
    assert_eq!(
        (balances.equity, balances.margin_used),
        (None, None),
        "nothing that is not stated"
    );

    let stage = Stage::fixed(200, &doc);
    let accounts = stage.run(|broker| async move { broker.accounts().await.unwrap() });
    assert_eq!((accounts[0].id.get(), accounts[0].access.cancel), ("1", None));
    let balances = stage.run(|broker| async move { broker.balances(&"1".into()).await.unwrap() });
    assert_eq!(balances.balances[0].total, dec("50000"));
}

/// The only order of an answer to a search, asked by its number.
fn one_order(body: &str, account: &str) -> Order {
    #[derive(serde::Deserialize)]
    struct Rows<'a> {
        #[serde(borrow)]
        orders: [&'a RawValue; 1],
    }
    #[derive(serde::Deserialize)]
    struct Row {
        id: i64,
    }
    let row = serde_json::from_str::<Rows<'_>>(body).unwrap().orders[0].get();
    let id = serde_json::from_str::<Row>(row).unwrap().id.to_string();
    let stage = Stage::fixed(200, &enveloped("order", row));
    let order = OrderRef::by_id(&account.into(), id.into());
    stage.run(|broker| async move { broker.order(&order).await.unwrap() })
}

#[test]
fn orders_of_the_documents() {
    let (search, open) = (
        recorded!("orders_search_doc.json"),
        recorded!("orders_search_open_doc.json"),
    );
    let filled = one_order(&search, "704");
    assert_eq!((filled.id.get(), &filled.status), ("36598", &OrderStatus::Filled));
    assert_eq!((filled.kind, filled.filled_qty), (OrderKind::Market, qty("1")));
    assert_eq!(filled.average_price, Some(price("6335.25")));
    assert_eq!(filled.legs[0].symbol.get(), "ESU25");
    assert_eq!(filled.created_at, Some(at("2025-07-18T21:00:01.268009Z")));
    assert_eq!((filled.client_id, filled.time_in_force), (None, Some(TimeInForce::Day)));

    // Without `fillVolume`, `symbolId` and `customTag`.
    let working = one_order(&open, "212");
    assert_eq!((working.id.get(), &working.status), ("26970", &OrderStatus::New));
    assert_eq!(
        (working.kind, working.stop_price),
        (OrderKind::Stop, Some(price("5138.0")))
    );
    assert_eq!((working.legs[0].side, working.filled_qty), (Side::Sell, qty("0")));
    assert_eq!(working.legs[0].instrument.get(), "CON.F.US.EP.M25");
    assert_eq!((working.limit_price, working.average_price), (None, None));
}

/// The recorded orders of three days, each once, through the shipped walk.
fn live_orders(body: &str) -> Vec<Order> {
    let body = enveloped("orders", body);
    let empty = enveloped("orders", "[]");
    let stage = Stage::new(move |path, asked| {
        let rows = path == "/api/Order/search" && asked.contains("2026-08-16T");
        (200, if rows { body.clone() } else { empty.clone() })
    });
    let window = Window::Between {
        since: at("2026-08-16T12:00:00Z"),
        until: Some(at("2026-08-20T00:00:00Z")),
    };
    let query = OrderQuery::placed(&account(), window).with_state(OrderState::Closed);
    stage.run(|broker| async move { broker.all_orders(query).await.unwrap() })
}

#[test]
fn orders_of_a_live_account() {
    let orders = live_orders(&recorded!("orders_search_live_array.json"));
    assert_eq!(orders.len(), 82);
    let by_id = |id: &str| orders.iter().find(|order| order.id.get() == id).unwrap();
    let entry = by_id("3408995735");
    assert_eq!((&entry.status, entry.kind.as_str()), (&OrderStatus::Filled, "market"));
    assert_eq!(entry.average_price, Some(price("30199.25")));
    assert_eq!(
        entry.client_id.as_ref().unwrap().get(),
        "glt-cd160da8-b9fe-5ab1-bd3c-2374f37c8633"
    );
    assert_eq!(entry.created_at, Some(at("2026-08-16T23:26:02.156730Z")));
    assert_eq!(entry.links.group, Some(Group::Bracket));
    let children: Vec<_> = entry.links.children.iter().map(|id| id.get()).collect();
    assert_eq!(children, ["3408995736", "3408995737"]);

    let stop = by_id("3408995736");
    assert_eq!((&stop.status, stop.kind.as_str()), (&OrderStatus::Filled, "stop"));
    // Filled two ticks worse than it asked for.
    assert_eq!(
        (stop.stop_price, stop.average_price),
        (Some(price("30196.75")), Some(price("30196.25")))
    );
    assert_eq!(stop.links.parent.as_ref().unwrap().get(), "3408995735");
    assert_eq!(
        stop.links.siblings[0].get(),
        "3408995737",
        "though only the target says so"
    );

    let target = by_id("3408995737");
    assert_eq!(
        (&target.status, target.kind.as_str()),
        (&OrderStatus::Canceled, "limit")
    );
    assert_eq!(
        (target.limit_price, target.filled_qty),
        (Some(price("30203.5")), qty("0"))
    );
    assert_eq!(target.links.siblings[0].get(), "3408995736");
    assert_eq!(target.updated_at, Some(at("2026-08-16T23:27:00.301751Z")));

    let by_hand = by_id("3409227297");
    assert_eq!((by_hand.legs[0].side, by_hand.client_id.as_ref()), (Side::Sell, None));
    assert_eq!(by_hand.average_price, Some(price("30197.25")));

    let count = |status: &OrderStatus| orders.iter().filter(|order| order.status == *status).count();
    assert_eq!(count(&OrderStatus::Filled), 40);
    assert_eq!(
        count(&OrderStatus::Filled) + count(&OrderStatus::Canceled) + count(&OrderStatus::Rejected),
        82
    );
    assert!(orders.iter().all(|order| order.amount == Amount::Qty(qty("1"))));
}

#[test]
fn trades_of_the_documents() {
    let body = recorded!("trades_search_doc.json");
    let records = TopstepxBroker::read_trades(&"203".into(), &body).unwrap();
    let fills: Vec<&Fill> = records
        .iter()
        .map(|record| match record {
            Record::Fill(fill) => fill,
            other => panic!("{other:?}"),
        })
        .collect();
    // Newest first as they come, oldest first as they are told.
    let [bought, sold] = fills.as_slice() else { panic!() };
    assert_eq!(
        (bought.id.get(), bought.side, bought.price),
        ("8603", Side::Buy, price("6064.25"))
    );
    assert_eq!(bought.at, at("2025-01-21T16:13:04.142302Z"));
    assert_eq!(
        (bought.pnl, bought.order.as_ref().unwrap().get()),
        (None, "14326"),
        "it closes nothing"
    );
    assert_eq!(bought.fees, [usd("1.4000")]);
    assert_eq!(
        (sold.id.get(), sold.side, sold.price),
        ("8604", Side::Sell, price("6065.25"))
    );
    assert_eq!((sold.pnl, sold.qty), (Some(usd("50")), qty("1")));
    assert_eq!((sold.instrument.get(), sold.symbol.get()), ("CON.F.US.EP.H25", "ESH25"));
    assert_eq!(sold.grade, Grade::Reported);
    // Another account's rows are never taken.
    let error = TopstepxBroker::read_trades(&"204".into(), &body).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Decode);
    assert!(!error.to_string().contains("203"), "{error}");
}

#[test]
fn positions_of_the_documents() {
    let body = recorded!("positions_search_open_doc.json");
    let stage = Stage::fixed(200, &body);
    let found = stage
        .run(|broker| async move { broker.positions(&"536".into()).await.unwrap() })
        .remove(0);
    assert_eq!(
        (found.instrument.get(), found.symbol.get()),
        ("CON.F.US.GMET.J25", "METJ25")
    );
    assert_eq!(
        (found.side, found.qty, found.signed_qty()),
        (Side::Buy, qty("2"), dec("2"))
    );
    assert_eq!(found.average_price, Some(price("1575.75")));
    assert_eq!(found.at, Some(at("2025-04-21T19:52:32.175721Z")));
}

#[test]
fn bars_of_the_documents() {
    let body = recorded!("bars_retrieve_doc.json");
    let stage = Stage::fixed(200, &body);
    let query = CandleQuery::new(
        "CON.F.US.RTY.H25".into(),
        Interval::Hours(1),
        at("2024-12-20T00:00:00Z"),
        at("2024-12-21T00:00:00Z"),
    );
    let page = stage.run(|broker| async move { broker.candles(&query, None).await.unwrap() });
    let bar = &page.rows[0];
    assert_eq!(bar.start, at("2024-12-20T14:00:00Z"));
    assert_eq!(
        (bar.open, bar.high, bar.low),
        (price("2208.1"), price("2217"), price("2206.7"))
    );
    assert_eq!(
        (bar.close, bar.volume, bar.complete),
        (price("2210.1"), Some(dec("87")), true)
    );
    assert_eq!(
        stage.sent(),
        [(
            "/api/History/retrieveBars".to_owned(),
            concat!(
                r#"{"contractId":"CON.F.US.RTY.H25","live":false,"startTime":"2024-12-20T00:00:00.000000Z","#,
                r#""endTime":"2024-12-21T00:00:00.000000Z","unit":3,"unitNumber":1,"limit":20000,"#,
                r#""includePartialBar":true}"#
            )
            .to_owned()
        )]
    );
}

/// An intent as the core makes one, on the practice account of the recording.
fn intent(broker: &TopstepxBroker, request: OrderRequest, instrument: &Instrument) -> Intent {
    Intent {
        id: "a-tag".into(),
        broker: broker.id(),
        environment: broker.environment(),
        account: account(),
        request: request.with_instrument(instrument.id.clone()),
        instrument: std::sync::Arc::new(instrument.clone()),
        replaces: None,
        created_at: at(common::START),
        mark: None,
    }
}

#[test]
fn answers_to_orders() {
    let (placed, refused, canceled, accounts, all) = (
        recorded!("order_place_ok_doc.json"),
        recorded!("order_place_rejected_with_order_id_doc.json"),
        recorded!("order_cancel_account_rejected_doc.json"),
        recorded!("accounts_search_live_array.json"),
        recorded!("contracts_available_live_array.json"),
    );
    let es = contracts(&all)[&InstrumentId::from("CON.F.US.EP.U26")].clone();
    let accounts = enveloped("accounts", &accounts);
    let stage = |answer: String| {
        let accounts = accounts.clone();
        Stage::new(move |path, _| match path {
            "/api/Account/search" => (200, accounts.clone()),
            _ => (200, answer.clone()),
        })
    };
    let request = OrderRequest::limit("ESU26".into(), Side::Buy, qty("2"), price("6450.25"));
    let trading = stage(placed);
    let order = trading.run(|broker| {
        let intent = intent(&broker, request.clone(), &es);
        async move { broker.place(&intent, &Gate::new()).await.unwrap() }
    });
    // Only a number comes back; the rest are our own words.
    assert_eq!((order.id.get(), &order.status), ("9056", &OrderStatus::PendingNew));
    assert_eq!(
        (order.limit_price, order.legs[0].side),
        (Some(price("6450.25")), Side::Buy)
    );
    assert_eq!(
        trading.sent()[1].1,
        concat!(
            r#"{"accountId":26282486,"contractId":"CON.F.US.EP.U26","type":1,"side":0,"size":2,"#,
            r#""limitPrice":6450.25,"customTag":"a-tag"}"#
        )
    );

    // A number in the answer proves nothing: the order was refused.
    let error = stage(refused).run(|broker| {
        let intent = intent(&broker, request.clone(), &es);
        async move { broker.place(&intent, &Gate::new()).await.unwrap_err() }
    });
    assert_eq!(
        (error.kind(), error.delivery()),
        (ErrorKind::InvalidRequest, Delivery::Answered)
    );
    assert_eq!(error.code(), Some("2"));
    assert!(error.help().unwrap().contains("Auto OCO"), "{error}");

    let error = stage(canceled).run(|broker| async move {
        let order = OrderRef::by_id(&account(), "9056".into());
        broker.cancel(&order).await.unwrap_err()
    });
    assert_eq!((error.kind(), error.code()), (ErrorKind::Permission, Some("6")));
    assert_eq!(
        error.message(),
        Some("AccountRejected: Follower accounts cannot cancel orders")
    );
}
