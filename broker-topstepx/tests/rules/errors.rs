//! Codes and statuses: what each one is by its endpoint, and whether it leaves a doubt.

use broker_core::model::{CandleQuery, Interval, OrderChange, Window};
use broker_core::{
    Broker, Delivery, Error, ErrorKind, Gate, HistoryQuery, InstrumentQuery, MarketData, OrderQuery, OrderRef,
    OrderRequest, Side, Trading,
};
use broker_topstepx::TopstepxBroker;

use super::common::{Stage, at, price, qty};
use super::{ACCOUNTS, PRACTICE, intent, practice};

type Answer = (u16, String);

/// An order at work, as it is read before it is changed.
pub(super) const WORKING: &str = r#"{"order":{"id":9056,"accountId":1001,"contractId":"CON.F.US.EP.U26","symbolId":"F.US.EP",
  "creationTimestamp":"2026-08-20T11:59:00+00:00","updateTimestamp":"2026-08-20T11:59:00+00:00","status":1,"type":1,"side":0,
  "size":2,"limitPrice":6000.00,"stopPrice":null,"fillVolume":0,"filledPrice":null,"customTag":"a-tag"},
  "success":true,"errorCode":0,"errorMessage":null}"#;

/// A call of each endpoint; its error.
async fn call(path: &str, broker: TopstepxBroker) -> Error {
    let account = practice();
    let order = OrderRef::by_id(&account, "9056".into());
    let contract = "CON.F.US.EP.U26".into();
    let request = OrderRequest::limit("ESU26".into(), Side::Buy, qty("2"), price("6000"));
    let intent = intent(&broker, PRACTICE, request);
    let (since, until) = (at("2026-08-20T00:00:00Z"), at("2026-08-20T12:00:00Z"));
    let window = Window::Between {
        since,
        until: Some(until),
    };
    match path {
        "/api/Auth/loginKey" => broker.accounts().await.unwrap_err(),
        "/api/Contract/searchById" => {
            let ids = InstrumentQuery::Ids(vec![contract]);
            match broker.instruments(&ids).await {
                // That there is none is an answer.
                Ok(found) => {
                    assert!(found.is_empty());
                    Error::new(ErrorKind::NotFound)
                        .with_delivery(Delivery::Answered)
                        .with_code("1")
                }
                Err(error) => error,
            }
        }
        "/api/History/retrieveBars" => {
            let query = CandleQuery::new(contract, Interval::Minutes(5), since, until);
            broker.candles(&query, None).await.unwrap_err()
        }
        "/api/Order/search" => {
            let query = OrderQuery::placed(&account, window).with_state(broker_core::model::OrderState::Closed);
            broker.orders(&query, None).await.unwrap_err()
        }
        "/api/Order/v2/query" => broker.orders(&OrderQuery::open(&account), None).await.unwrap_err(),
        "/api/Order/searchById" => broker.order(&order).await.unwrap_err(),
        "/api/Position/searchOpen" => broker.positions(&account).await.unwrap_err(),
        "/api/Trade/search" => {
            let query = HistoryQuery::between(&account, since, until);
            broker.history(&query, None).await.unwrap_err()
        }
        "/api/Order/place" => broker.place(&intent, &Gate::new()).await.unwrap_err(),
        "/api/Order/modify" => {
            let change = OrderChange::new().with_limit_price(price("6001"));
            broker
                .replace(&order, &change, &intent, &Gate::new())
                .await
                .unwrap_err()
        }
        "/api/Order/cancel" => broker.cancel(&order).await.unwrap_err(),
        "/api/Position/closeContract" => broker.close_position(&account, &contract).await.unwrap_err(),
        "/api/Position/partialCloseContract" => broker.close_part(&account, &contract, qty("1")).await.unwrap_err(),
        other => panic!("{other}"),
    }
}

/// The error of an endpoint that is answered so; what it needs before is answered well.
fn error_of(path: &'static str, answer: Answer) -> Error {
    let config = broker_topstepx::TopstepxConfig::new("a-login", "a-key");
    let stage = Stage::with(config, move |asked, _| match asked {
        asked if asked == path => answer.clone(),
        "/api/Auth/loginKey" => (200, super::common::LOGIN.to_owned()),
        "/api/Account/search" => (200, ACCOUNTS.to_owned()),
        "/api/Order/searchById" => (200, WORKING.to_owned()),
        other => panic!("{other}"),
    });
    stage.run(|broker| call(path, broker))
}

fn refused(code: i64, words: &str) -> Answer {
    let words = serde_json::to_string(words).unwrap();
    (
        200,
        format!(r#"{{"success":false,"errorCode":{code},"errorMessage":{words}}}"#),
    )
}

use ErrorKind::{
    Auth, DuplicateOrder, InsufficientFunds, InvalidRequest, MarketClosed, NotFound, OrderRejected, Permission,
    Unavailable,
};

/// The page's table, line by line: endpoint, and the kinds of its codes from 1 on.
const CODES: [(&str, &[ErrorKind]); 13] = [
    (
        "/api/Auth/loginKey",
        &[
            Auth,
            Auth,
            Auth,
            Auth,
            Auth,
            Auth,
            Permission,
            Unavailable,
            Permission,
            Permission,
        ],
    ),
    ("/api/Contract/searchById", &[NotFound]),
    (
        "/api/History/retrieveBars",
        &[NotFound, InvalidRequest, InvalidRequest, InvalidRequest],
    ),
    ("/api/Order/search", &[NotFound]),
    ("/api/Order/v2/query", &[NotFound]),
    ("/api/Order/searchById", &[NotFound]),
    ("/api/Position/searchOpen", &[NotFound]),
    ("/api/Trade/search", &[NotFound]),
    (
        "/api/Order/place",
        &[
            NotFound,
            OrderRejected,
            InsufficientFunds,
            Permission,
            MarketClosed,
            Unavailable,
            Unavailable,
            NotFound,
            InvalidRequest,
            Permission,
        ],
    ),
    (
        "/api/Order/modify",
        &[
            NotFound,
            NotFound,
            OrderRejected,
            Unavailable,
            Unavailable,
            Permission,
            NotFound,
        ],
    ),
    (
        "/api/Order/cancel",
        &[NotFound, NotFound, OrderRejected, Unavailable, Unavailable, Permission],
    ),
    (
        "/api/Position/closeContract",
        &[
            NotFound,
            NotFound,
            NotFound,
            InvalidRequest,
            OrderRejected,
            Unavailable,
            Unavailable,
            Permission,
        ],
    ),
    (
        "/api/Position/partialCloseContract",
        &[
            NotFound,
            NotFound,
            NotFound,
            InvalidRequest,
            InvalidRequest,
            OrderRejected,
            Unavailable,
            Unavailable,
            Permission,
        ],
    ),
];

fn is_write(path: &str) -> bool {
    path.contains("/place") || path.contains("/modify") || path.contains("/cancel") || path.contains("lose")
}

#[test]
fn each_code_is_what_its_endpoint_means_by_it() {
    let mut told = 0;
    for (path, kinds) in CODES {
        for (code, kind) in (1..).zip(kinds) {
            let error = error_of(path, refused(code, ""));
            assert_eq!(error.kind(), *kind, "{path} {code}: {error}");
            assert_eq!(error.code(), Some(code.to_string().as_str()), "{path}");
            // "Pending" and "unknown" say nothing of what was done; all other refusals were answered.
            let doubt = is_write(path) && *kind == Unavailable;
            let expected = if doubt { Delivery::Unknown } else { Delivery::Answered };
            assert_eq!(error.delivery(), expected, "{path} {code}: {error}");
            told += 1;
        }
    }
    assert_eq!(told, 61);
}

#[test]
fn a_number_that_nobody_explained_leaves_a_write_in_doubt() {
    for (path, kinds) in CODES {
        let error = error_of(path, refused(i64::try_from(kinds.len()).unwrap() + 1, "?"));
        let expected = match is_write(path) {
            true => (Unavailable, Delivery::Unknown),
            false => (ErrorKind::Unknown, Delivery::Answered),
        };
        assert_eq!((error.kind(), error.delivery()), expected, "{path}: {error}");
    }
}

#[test]
fn the_words_of_a_rejection_decide() {
    for (words, kind) in [
        ("Outside of trading hours.", MarketClosed),
        ("Instrument is not in an active trading status", MarketClosed),
        ("Invalid order type specified.", InvalidRequest),
        ("Invalid order size specified.", InvalidRequest),
        ("INVALID TRAIL PRICE SPECIFIED", InvalidRequest),
        ("Trail Distance must be at most 1000 ticks", InvalidRequest),
        ("Invalid symbol", InvalidRequest),
        (
            "Brackets cannot be used with Position Brackets. You must enable Auto OCO Brackets.",
            InvalidRequest,
        ),
        (
            "Invalid stop loss ticks (10). Ticks should be less than zero when longing.",
            InvalidRequest,
        ),
        ("Custom tag must be unique across the account.", DuplicateOrder),
        ("The custom tag is already in use", DuplicateOrder),
        ("Maximum position size exceeded", OrderRejected),
        ("", OrderRejected),
    ] {
        let error = error_of("/api/Order/place", refused(2, words));
        assert_eq!(
            (error.kind(), error.delivery()),
            (kind, Delivery::Answered),
            "{words}: {error}"
        );
    }
    // Words count where the code says that they do, and nowhere else.
    let error = error_of("/api/Order/place", refused(3, "Outside of trading hours"));
    assert_eq!(error.kind(), InsufficientFunds);
}

/// A success that contradicts itself, and lists that are missing: neither is an answer.
#[test]
fn what_is_neither_yes_nor_no_is_no_answer() {
    let bodies = [
        r#"{"success":true,"errorCode":2,"errorMessage":null}"#,
        r#"{"success":false,"errorCode":0,"errorMessage":null}"#,
        r#"{"success":true,"errorCode":0,"errorMessage":null}"#,
        r#"{"success":true,"errorMessage":null}"#,
        r#"{"errorCode":0}"#,
        "[]",
        "",
        "null",
    ];
    for (path, _) in CODES {
        for body in bodies {
            // Those three have no payload: the third body is their success.
            let is_success = body == bodies[2] && is_write(path) && !path.contains("/place");
            if is_success {
                continue;
            }
            let error = error_of(path, (200, body.to_owned()));
            assert_eq!(error.kind(), ErrorKind::Decode, "{path} {body}: {error}");
            if is_write(path) {
                assert_eq!(error.delivery(), Delivery::Unknown, "{path} {body}");
            }
        }
    }
    // A list that is null is not empty.
    for (path, list) in [
        ("/api/Order/search", "orders"),
        ("/api/Order/v2/query", "orders"),
        ("/api/Position/searchOpen", "positions"),
        ("/api/Trade/search", "trades"),
        ("/api/History/retrieveBars", "bars"),
    ] {
        let body = format!(r#"{{"{list}":null,"success":true,"errorCode":0,"errorMessage":null}}"#);
        let error = error_of(path, (200, body));
        assert_eq!(error.kind(), ErrorKind::Decode, "{path}: {error}");
    }
}

#[test]
fn statuses_of_a_read_and_of_an_order() {
    const PROBLEM: &str = r#"{"type":"https://tools.ietf.org/html/rfc9110","title":"One or more validation errors occurred.","status":400}"#;
    const PAGE: &str = "<html>nginx</html>";
    // A proxy refuses before the gateway, or behind it: only the gateway's own words prove that nothing was done.
    for (status, body, kind, proven) in [
        (400, PROBLEM, InvalidRequest, true),
        (400, PAGE, Unavailable, false),
        (400, "", Unavailable, false),
        (403, "", Permission, true),
        (404, "", Unavailable, false),
        (405, "", ErrorKind::Protocol, false),
        (500, PROBLEM, Unavailable, false),
        (502, PAGE, Unavailable, false),
        (503, "", Unavailable, false),
        (200, PAGE, Unavailable, false),
    ] {
        let error = error_of("/api/Position/searchOpen", (status, body.to_owned()));
        assert_eq!(error.kind(), kind, "{status} {body}: {error}");
        let error = error_of("/api/Order/place", (status, body.to_owned()));
        assert_eq!(error.kind(), kind, "{status} {body}: {error}");
        let is_proven = error.delivery() == Delivery::Answered
            && !matches!(error.kind(), Unavailable | ErrorKind::Protocol | ErrorKind::Decode);
        assert_eq!(is_proven, proven, "{status} {body}: {error:?}");
    }
}

/// What a refusal teaches: a minute of silence, or what the hint says, for all calls of the bucket.
#[test]
fn too_many_requests_close_the_bucket() {
    for (hint, least, most) in [(None, 60, 61), (Some("7"), 7, 8)] {
        let count = std::sync::Arc::new(std::sync::Mutex::new(0));
        let asked = std::sync::Arc::clone(&count);
        let positions = super::common::enveloped("positions", "[]");
        let stage = Stage::hinted(move |path, _| match path {
            "/api/Auth/loginKey" => (200, super::common::LOGIN.to_owned(), None),
            _ => {
                let mut count = asked.lock().unwrap();
                *count += 1;
                match *count {
                    1 => (429, String::new(), hint),
                    _ => (200, positions.clone(), None),
                }
            }
        });
        let took = stage.run(|broker| async move {
            let clock = std::sync::Arc::clone(broker.context().clock());
            let started = clock.elapsed();
            assert!(broker.positions(&practice()).await.unwrap().is_empty());
            (clock.elapsed() - started).as_secs()
        });
        assert!((least..=most).contains(&took), "{hint:?}: {took} s");
        assert_eq!(*count.lock().unwrap(), 2);
    }
}
