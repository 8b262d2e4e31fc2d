//! The table, row by row.

use broker_core::http::OpClass;
use http::StatusCode;

use super::*;

const GET: Method = Method::GET;
const POST: Method = Method::POST;
const PATCH: Method = Method::PATCH;
const DELETE: Method = Method::DELETE;

fn answered(method: Method, status: u16, body: &str) -> (Error, bool) {
    let base = "https://paper-api.alpaca.markets".parse().unwrap();
    let call = Call::new("test", OpClass::Write, method, &base, "/v2/orders");
    let reply = Reply {
        status: StatusCode::from_u16(status).unwrap(),
        headers: HeaderMap::new(),
        body: body.to_owned(),
    };
    match verdict(&call, &reply, DateTime::UNIX_EPOCH).outcome {
        Outcome::Bad { error, nothing_done } => (error, nothing_done),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_table() {
    use ErrorKind::*;
    for (method, status, code, message, kind) in [
        (POST, 403, "40310000", "insufficient buying power", InsufficientFunds),
        (
            POST,
            403,
            "40310000",
            "insufficient balance for USD (requested: 9, available: 1)",
            InsufficientFunds,
        ),
        (
            POST,
            403,
            "40310000",
            "insufficient qty available for order (requested: 2, available: 1)",
            InsufficientFunds,
        ),
        (
            POST,
            403,
            "40310000",
            "potential wash trade detected. use complex orders",
            OrderRejected,
        ),
        (POST, 403, "40310000", "asset \"X\" is not fractionable", OrderRejected),
        (POST, 403, "40310000", "account is not allowed to short", OrderRejected),
        (
            POST,
            403,
            "40310000",
            "cannot open a short sell while a long buy order is open",
            OrderRejected,
        ),
        (POST, 403, "40310000", "asset X is not tradable", OrderRejected),
        (
            POST,
            403,
            "40310100",
            "trade denied due to pattern day trading protection",
            OrderRejected,
        ),
        (
            POST,
            403,
            "40310100",
            "insufficient day-trading buying power",
            OrderRejected,
        ),
        (POST, 403, "40310000", "account is blocked from trading", Permission),
        (
            POST,
            403,
            "40310000",
            "new orders are rejected: trading is suspended",
            Permission,
        ),
        (POST, 403, "40310000", "account is not authorized to trade", Permission),
        (PATCH, 403, "40310000", "insufficient buying power", InsufficientFunds),
        (GET, 403, "40310000", "account not eligible", Permission),
        (
            GET,
            403,
            "42210000",
            "your subscription does not permit querying recent SIP data",
            Permission,
        ),
        (POST, 422, "40010001", "client_order_id must be unique", DuplicateOrder),
        (PATCH, 422, "40010001", "client_order_id must be unique", DuplicateOrder),
        (POST, 422, "42210000", "client order id already exists", DuplicateOrder),
        (
            POST,
            422,
            "40010001",
            "client_order_id must be no more than 128 characters",
            InvalidRequest,
        ),
        (POST, 422, "40010001", "qty is required", InvalidRequest),
        (
            POST,
            422,
            "42210000",
            "invalid limit_price 290.123. sub-penny increment",
            InvalidRequest,
        ),
        (
            POST,
            422,
            "42210000",
            "extended hours order must be DAY or GTC limit orders",
            InvalidRequest,
        ),
        (
            POST,
            422,
            "42210000",
            "options market orders are only allowed during market hours",
            MarketClosed,
        ),
        (POST, 422, "42210000", "the market is closed", MarketClosed),
        (POST, 400, "40010000", "request body format is invalid", InvalidRequest),
        (POST, 404, "40410000", "asset not found", NotFound),
        (POST, 409, "40910000", "conflict", Unknown),
        (DELETE, 422, "42210000", "order is not cancelable", OrderRejected),
        (
            DELETE,
            422,
            "42210000",
            "order is already in \"filled\" state",
            OrderRejected,
        ),
        (DELETE, 400, "40010000", "bad", OrderRejected),
        (DELETE, 500, "50010000", "order is not cancelable", OrderRejected),
        (DELETE, 404, "40410000", "order not found", NotFound),
        (PATCH, 404, "40410000", "order not found", NotFound),
        (PATCH, 422, "42210000", "order is already filled", OrderRejected),
        (
            PATCH,
            422,
            "42210000",
            "unable to replace order, order is in status pending_new",
            OrderRejected,
        ),
        (PATCH, 422, "42210000", "invalid qty", InvalidRequest),
        (GET, 401, "40110000", "request is not authorized", Auth),
        (POST, 429, "42910000", "rate limit exceeded", RateLimited),
        (DELETE, 429, "42910000", "rate limit exceeded", RateLimited),
        (POST, 408, "40810000", "request timeout", Unavailable),
        (POST, 500, "50010000", "internal server error occurred", Unavailable),
        (DELETE, 500, "50010000", "internal server error occurred", Unavailable),
        (PATCH, 503, "50310000", "service unavailable", Unavailable),
        (POST, 522, "52210000", "connection timed out", Unavailable),
        (POST, 501, "50110000", "not implemented", Unknown),
        (POST, 307, "0", "elsewhere", Protocol),
    ] {
        let body = format!(r#"{{"code":{code},"message":{message:?},"extra":[1]}}"#);
        let (error, nothing_done) = answered(method.clone(), status, &body);
        assert_eq!(error.kind(), kind, "{method} {status} {message}");
        assert_eq!((error.code(), error.message()), (Some(code), Some(message)));
        assert_eq!((error.status(), error.delivery()), (Some(status), Delivery::Answered));
        assert_eq!(nothing_done, status == 429, "{message}");
    }
}

#[test]
fn bodies_without_a_code_or_without_json() {
    use ErrorKind::*;
    for (method, status, body, kind, code, message) in [
        (POST, 403, r#"{"message":"forbidden."}"#, Auth, None, Some("forbidden.")),
        (POST, 403, "", Auth, None, None),
        (
            POST,
            403,
            r#"{"message":"insufficient buying power"}"#,
            InsufficientFunds,
            None,
            Some("insufficient buying power"),
        ),
        (POST, 401, "unauthorized", Auth, None, Some("unauthorized")),
        (POST, 503, "upstream gone", Unavailable, None, Some("upstream gone")),
        (
            POST,
            403,
            " <html>blocked</html>",
            Unavailable,
            None,
            Some("answered with a page instead of data"),
        ),
        (
            POST,
            200,
            "<html>",
            Unavailable,
            None,
            Some("answered with a page instead of data"),
        ),
        (
            POST,
            429,
            "<html>slow down</html>",
            RateLimited,
            None,
            Some("answered with a page instead of data"),
        ),
        (
            POST,
            422,
            r#"{"code":"40010001","message":"client_order_id must be unique"}"#,
            DuplicateOrder,
            Some("40010001"),
            Some("client_order_id must be unique"),
        ),
        (
            POST,
            422,
            r#"{"code":1234567,"message":"custom error message","other_field":"x"}"#,
            InvalidRequest,
            Some("1234567"),
            Some("custom error message"),
        ),
        (POST, 422, "qty is bad", InvalidRequest, None, Some("qty is bad")),
        (
            POST,
            422,
            r#"{"code":null,"message":null}"#,
            InvalidRequest,
            None,
            Some(r#"{"code":null,"message":null}"#),
        ),
        // A path that a gateway does not find is no word about an order.
        (
            POST,
            404,
            r#"{"message":"Not Found"}"#,
            Unavailable,
            None,
            Some("Not Found"),
        ),
        (
            POST,
            404,
            r#"{"code":5,"message":"Not Found","details":[]}"#,
            Unavailable,
            Some("5"),
            Some("Not Found"),
        ),
        (
            GET,
            404,
            r#"{"message":"Not Found"}"#,
            Unavailable,
            None,
            Some("Not Found"),
        ),
        (DELETE, 404, "", Unavailable, None, None),
        (
            PATCH,
            404,
            "<html>",
            Unavailable,
            None,
            Some("answered with a page instead of data"),
        ),
    ] {
        let (error, _) = answered(method.clone(), status, body);
        assert_eq!(error.kind(), kind, "{method} {status} {body}");
        assert_eq!(
            (error.code(), error.message()),
            (code, message),
            "{method} {status} {body}"
        );
    }
    // What else there is not needs no code.
    let error = refusal(&GET, "/v2/assets/X", 404, r#"{"message":"asset not found"}"#);
    assert_eq!(error.kind(), NotFound);
}

#[test]
fn help_says_what_to_do() {
    let id = "0b11f089-722d-4ced-9beb-e2eeed3637dc";
    let held = |more: &str| {
        format!(
            r#"{{"code":40310000,"message":"insufficient qty available for order (requested: 2, available: 0)"{more}}}"#
        )
    };
    let less = "the account holds less than the order is for; orders that are open hold their part of it";
    let wash = |more: &str| format!(r#"{{"code":40310000,"message":"potential wash trade detected"{more}}}"#);
    for (body, help) in [
        (held(""), less.to_owned()),
        (held(r#","held_for_orders":"0","related_orders":[]"#), less.to_owned()),
        (
            held(r#","held_for_orders":"2""#),
            "cancel the order that holds them, and wait until it is canceled".to_owned(),
        ),
        (
            held(&format!(
                r#","existing_qty":"2","held_for_orders":2,"related_orders":["{id}","x"]"#
            )),
            format!("cancel the order that holds them ({id}, x), and wait until it is canceled"),
        ),
        // What is beside the message may be of any form.
        (
            held(r#","held_for_orders":{"a":1},"related_orders":7"#),
            less.to_owned(),
        ),
        (
            wash(""),
            "cancel the order on the other side first, or place both as a bracket or an OCO".to_owned(),
        ),
        (
            wash(&format!(
                r#","existing_order_id":"{id}","reject_reason":"opposite side market order exists""#
            )),
            format!("cancel the order {id} on the other side first, or place both as a bracket or an OCO"),
        ),
        (
            r#"{"code":40310000,"message":"asset \"X\" is not fractionable"}"#.to_owned(),
            "order whole shares of it".to_owned(),
        ),
    ] {
        let (error, _) = answered(POST, 403, &body);
        assert_eq!(error.help(), Some(help.as_str()), "{body}");
    }
    let (error, _) = answered(POST, 422, r#"{"code":42210000,"message":"invalid qty"}"#);
    assert_eq!(error.help(), None);
}
