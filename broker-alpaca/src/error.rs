//! Alpaca's refusals. One code stands for many things, so the message decides with it; both are kept.

use std::time::Duration;

use broker_core::http::{Call, Outcome, Reply, Verdict, retry_after};
use broker_core::limit::{BucketKey, Lesson};
use broker_core::num::{Text, decimal};
use broker_core::{Delivery, Error, ErrorKind};
use chrono::{DateTime, Utc};
use http::{HeaderMap, Method};
use serde_json::value::RawValue;

use crate::rest::ORDERS;
use crate::wire::ErrorJson;

/// What an answer means, and what its headers teach the limiter.
pub(crate) fn verdict(call: &Call, reply: &Reply, now: DateTime<Utc>) -> Verdict {
    let markup = reply.body.trim_start().starts_with('<');
    let outcome = if reply.status.is_success() && !markup {
        Outcome::Good
    } else {
        Outcome::Bad {
            // A request over the limit was not executed, whatever it was.
            nothing_done: reply.status.as_u16() == 429,
            error: error(call, reply, now),
        }
    };
    Verdict {
        outcome,
        lessons: lessons(call, reply, now),
    }
}

fn error(call: &Call, reply: &Reply, now: DateTime<Utc>) -> Error {
    let error = refusal(&call.method, &call.path, reply.status.as_u16(), &reply.body);
    match wait(&reply.headers, now).filter(|_| error.kind() == ErrorKind::RateLimited) {
        Some(wait) => error.with_retry_after(wait),
        None => error,
    }
}

/// The code of an order, asset or contract that there is not.
#[cfg(feature = "trading")]
pub(crate) const NO_SUCH_ORDER: &str = "40410000";

/// The error of an answer, or of one row in it.
pub(crate) fn refusal(method: &Method, path: &str, status: u16, body: &str) -> Error {
    let body = body.trim();
    let wire: ErrorJson<'_> = serde_json::from_str(body).unwrap_or_default();
    let markup = body.starts_with('<');
    let words = match &wire.message {
        Some(message) => message.get(),
        None if markup => "answered with a page instead of data",
        None => body,
    };
    let said = Said {
        method,
        path,
        status,
        code: wire.code.map(text).filter(|code| !code.is_empty()),
        message: words.to_ascii_lowercase(),
        markup,
    };
    let (kind, help) = said.meaning();
    let mut error = Error::new(kind).with_delivery(Delivery::Answered).with_status(status);
    if let Some(code) = said.code {
        error = error.with_code(code);
    }
    if !words.is_empty() {
        error = error.with_message(words);
    }
    match named_orders(&wire, kind).or_else(|| help.map(str::to_owned)) {
        Some(help) => error.with_help(help),
        None => error,
    }
}

/// What a refusal says, its message in lower case.
struct Said<'a> {
    method: &'a Method,
    path: &'a str,
    status: u16,
    code: Option<&'a str>,
    message: String,
    markup: bool,
}

/// Words that decide under 403, where one code stands for many things: the first row that fits. What to do about it.
const FORBIDDEN: [(&[&str], ErrorKind, Option<&str>); 7] = [
    (
        &["subscription"],
        ErrorKind::Permission,
        Some("the plan of the market data does not cover this"),
    ),
    (
        &["not authorized", "blocked", "suspended", "account is restricted"],
        ErrorKind::Permission,
        Some("see the state of the account at https://app.alpaca.markets"),
    ),
    (
        &["insufficient qty"],
        ErrorKind::InsufficientFunds,
        Some("the account holds less than the order is for; orders that are open hold their part of it"),
    ),
    (
        &["insufficient"],
        ErrorKind::InsufficientFunds,
        Some("make the order smaller, add money, or cancel open orders, which hold their part of it"),
    ),
    (
        &["wash trade"],
        ErrorKind::OrderRejected,
        Some("cancel the order on the other side first, or place both as a bracket or an OCO"),
    ),
    (
        &["not fractionable"],
        ErrorKind::OrderRejected,
        Some("order whole shares of it"),
    ),
    (
        &["to short", "sold short", "cannot open a short"],
        ErrorKind::OrderRejected,
        Some("sell what the account holds; a short sale needs a margin account and a share that can be borrowed"),
    ),
];

/// What is answered while a market is closed, under 422.
const CLOSED: [&str; 5] = [
    "market is closed",
    "market closed",
    "market hours",
    "trading hours",
    "not open for trading",
];

/// What is answered to the cancel or the change of an order that is done, or not yet ready for it.
const TOO_LATE: [&str; 8] = [
    "not cancelable",
    "not cancellable",
    "filled",
    "not open",
    "not replaceable",
    "cannot be replaced",
    "cannot replace",
    "unable to replace",
];

impl Said<'_> {
    fn says(&self, words: &[&str]) -> bool {
        words.iter().any(|word| self.message.contains(word))
    }

    /// The table. Where a row has no code or no words, any will do.
    fn meaning(&self) -> (ErrorKind, Option<&'static str>) {
        let plain = |kind| (kind, None);
        let too_late = self.says(&TOO_LATE);
        match (self.status, self.code) {
            // A request over the limit was not executed, whoever says it.
            (429, _) => plain(ErrorKind::RateLimited),
            _ if self.markup => plain(ErrorKind::Unavailable),
            _ if self.is_duplicate() => (
                ErrorKind::DuplicateOrder,
                Some("an order of this client order id is there, or was: read it by that id"),
            ),
            // In the answer to a cancel of all orders, this comes as 500, too.
            _ if self.method == Method::DELETE && too_late => self.order_is_done(),
            (401, _) => plain(ErrorKind::Auth),
            (403, code) => self.forbidden(code),
            (404, code) => plain(self.not_found(code)),
            (422, _) if self.says(&CLOSED) => (
                ErrorKind::MarketClosed,
                Some("place it again when the market is open: hours() tells when"),
            ),
            // Not cancelable any more: the order may have filled.
            (400 | 422, _) if self.method == Method::DELETE => self.order_is_done(),
            (422, _) if self.method == Method::PATCH && too_late => self.order_is_done(),
            (400 | 422, _) => plain(ErrorKind::InvalidRequest),
            (408 | 500 | 502..=504 | 520..=599, _) => plain(ErrorKind::Unavailable),
            (300..=399, _) => plain(ErrorKind::Protocol),
            _ => plain(ErrorKind::Unknown),
        }
    }

    /// The recorded words are "client_order_id must be unique". Others of this meaning count, too: taken for a plain
    /// refusal, they would bury an order that is there.
    fn is_duplicate(&self) -> bool {
        self.says(&["client_order_id", "client order id"]) && self.says(&["unique", "duplicate", "already", "exists"])
    }

    fn order_is_done(&self) -> (ErrorKind, Option<&'static str>) {
        (
            ErrorKind::OrderRejected,
            Some("read the order: it may have filled, or be on its way to another state"),
        )
    }

    fn forbidden(&self, code: Option<&str>) -> (ErrorKind, Option<&'static str>) {
        let found = FORBIDDEN.iter().find(|(words, _, _)| self.says(words));
        match (code, found) {
            (Some("40310100"), _) => (
                ErrorKind::OrderRejected,
                Some("day-trade protection: hold the position until the next day, or raise the equity"),
            ),
            (_, Some((_, kind, help))) => (*kind, *help),
            // "forbidden." without a code: a wrong key, or a key of the other environment.
            (None, None) => (ErrorKind::Auth, None),
            (_, None) if self.method == Method::GET => (ErrorKind::Permission, None),
            (_, None) => (ErrorKind::OrderRejected, None),
        }
    }

    /// A gateway has answers for what it does not find, too, and a path that it does not find says nothing about an
    /// order: only a code of Alpaca's own does, which begins with the status.
    fn not_found(&self, code: Option<&str>) -> ErrorKind {
        let about_an_order = self.method != Method::GET || self.path.starts_with(ORDERS);
        let alpacas = code.is_some_and(|code| code.len() == 8 && code.starts_with("404"));
        match about_an_order && !alpacas {
            true => ErrorKind::Unavailable,
            false => ErrorKind::NotFound,
        }
    }
}

/// Which orders stand in the way, where the body names them.
fn named_orders(wire: &ErrorJson<'_>, kind: ErrorKind) -> Option<String> {
    match (kind, wire.existing_order_id) {
        (ErrorKind::OrderRejected, Some(id)) => Some(format!(
            "cancel the order {} on the other side first, or place both as a bracket or an OCO",
            text(id)
        )),
        (ErrorKind::InsufficientFunds, _) => {
            let held = decimal(text(wire.held_for_orders?)).is_ok_and(|held| !held.is_zero());
            let ids: Vec<Text<'_>> = serde_json::from_str(wire.related_orders.map_or("[]", |ids| ids.get())).ok()?;
            let ids: Vec<&str> = ids.iter().map(Text::get).collect();
            let named = match ids.as_slice() {
                [] => String::new(),
                ids => format!(" ({})", ids.join(", ")),
            };
            held.then(|| format!("cancel the order that holds them{named}, and wait until it is canceled"))
        }
        _ => None,
    }
}

/// A value that is written as a string or bare.
fn text(raw: &RawValue) -> &str {
    raw.get().trim_matches('"')
}

fn lessons(call: &Call, reply: &Reply, now: DateTime<Utc>) -> Vec<(BucketKey, Lesson)> {
    let Some(cost) = call.cost.first() else {
        return Vec::new();
    };
    let mut lessons = Vec::new();
    if let Some(remaining) = number(&reply.headers, "x-ratelimit-remaining") {
        let lesson = Lesson::Remaining {
            limit: number(&reply.headers, "x-ratelimit-limit"),
            remaining,
            resets_at: resets_at(&reply.headers),
        };
        lessons.push((BucketKey::clone(&cost.bucket), lesson));
    }
    if reply.status.as_u16() == 429 {
        let wait = wait(&reply.headers, now);
        lessons.push((BucketKey::clone(&cost.bucket), Lesson::Refused { wait }));
    }
    lessons
}

/// `Retry-After` where there is one, else the turn of the quota, by the clock of the answer's `Date` if it has one.
fn wait(headers: &HeaderMap, now: DateTime<Utc>) -> Option<Duration> {
    retry_after(headers, now).or_else(|| {
        let there = headers
            .get(http::header::DATE)
            .and_then(|date| DateTime::parse_from_rfc2822(date.to_str().ok()?).ok())
            .map_or(now, |date| date.to_utc());
        Some((resets_at(headers)? - there).to_std().unwrap_or_default())
    })
}

fn resets_at(headers: &HeaderMap) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp(number(headers, "x-ratelimit-reset")?, 0)
}

fn number<T: std::str::FromStr>(headers: &HeaderMap, name: &str) -> Option<T> {
    headers.get(name)?.to_str().ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
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
}
