//! Alpaca's refusals. One code stands for many things, so the message decides with it; both are kept.

use std::time::Duration;

use broker_core::http::{Call, Outcome, Reply, Verdict, retry_after};
use broker_core::limit::{BucketKey, Lesson};
use broker_core::num::Text;
use broker_core::{Delivery, Error, ErrorKind};
use chrono::{DateTime, Utc};
use http::{HeaderMap, Method};

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
    let status = reply.status.as_u16();
    let body = reply.body.trim();
    let wire: ErrorJson<'_> = serde_json::from_str(body).unwrap_or(ErrorJson {
        code: None,
        message: None,
    });
    let code = wire.code.map(|code| code.get().trim_matches('"'));
    let message = wire.message.as_ref().map_or(body, Text::get);
    let markup = body.starts_with('<');
    let kind = if markup {
        ErrorKind::Unavailable
    } else {
        kind(&call.method, status, code, message)
    };
    let mut error = Error::new(kind).with_delivery(Delivery::Answered).with_status(status);
    if let Some(code) = code {
        error = error.with_code(code);
    }
    if markup {
        error = error.with_message("answered with a page instead of data");
    } else if !message.is_empty() {
        error = error.with_message(message);
    }
    match wait(&reply.headers, now).filter(|_| kind == ErrorKind::RateLimited) {
        Some(wait) => error.with_retry_after(wait),
        None => error,
    }
}

/// The table. Where a row has no code or no words, any will do.
fn kind(method: &Method, status: u16, code: Option<&str>, message: &str) -> ErrorKind {
    let message = message.to_ascii_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| message.contains(word));
    match (status, code) {
        (_, Some("40010001")) if says(&["client_order_id"]) => ErrorKind::DuplicateOrder,
        (401, _) => ErrorKind::Auth,
        (403, _)
            if says(&[
                "subscription",
                "not authorized",
                "blocked",
                "suspended",
                "account is restricted",
            ]) =>
        {
            ErrorKind::Permission
        }
        // "forbidden." without a code: a wrong key, or a key of the other environment.
        (403, None) => ErrorKind::Auth,
        (403, _) if says(&["insufficient"]) => ErrorKind::InsufficientFunds,
        (403, _) if method == Method::GET => ErrorKind::Permission,
        // Wash trades, shares that cannot be split or shorted, day-trade protection.
        (403, _) => ErrorKind::OrderRejected,
        (404, _) => ErrorKind::NotFound,
        (422, _)
            if says(&[
                "market is closed",
                "market closed",
                "market hours",
                "not open for trading",
            ]) =>
        {
            ErrorKind::MarketClosed
        }
        // Not cancelable any more: the order may have filled.
        (400 | 422, _) if method == Method::DELETE => ErrorKind::OrderRejected,
        (422, _)
            if method == Method::PATCH && says(&["filled", "not open", "not replaceable", "cannot be replaced"]) =>
        {
            ErrorKind::OrderRejected
        }
        (400 | 422, _) => ErrorKind::InvalidRequest,
        (429, _) => ErrorKind::RateLimited,
        (408 | 500 | 502 | 503 | 504, _) => ErrorKind::Unavailable,
        (300..=399, _) => ErrorKind::Protocol,
        _ => ErrorKind::Unknown,
    }
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
        let (post, delete, patch) = (Method::POST, Method::DELETE, Method::PATCH);
        for (method, status, code, message, kind) in [
            (&post, 403, "40310000", "insufficient buying power", InsufficientFunds),
            (&post, 403, "40310000", "insufficient balance for USD (requested: 9, available: 1)", InsufficientFunds),
            (&post, 403, "40310000", "insufficient qty available for order (requested: 2, available: 1)", InsufficientFunds),
            (&post, 403, "40310000", "potential wash trade detected. use complex orders", OrderRejected),
            (&post, 403, "40310000", "asset \"X\" is not fractionable", OrderRejected),
            (&post, 403, "40310000", "account is not allowed to short", OrderRejected),
            (&post, 403, "40310100", "trade denied due to pattern day trading protection", OrderRejected),
            (&post, 403, "40310000", "account is blocked from trading", Permission),
            (&post, 403, "40310000", "new orders are rejected: trading is suspended", Permission),
            (&post, 422, "40010001", "client_order_id must be unique", DuplicateOrder),
            (&post, 422, "40010001", "qty is required", InvalidRequest),
            (&post, 422, "42210000", "invalid limit_price 290.123. sub-penny increment", InvalidRequest),
            (&post, 422, "42210000", "options market orders are only allowed during market hours", MarketClosed),
            (&post, 400, "40010000", "request body format is invalid", InvalidRequest),
            (&delete, 422, "42210000", "order is not cancelable", OrderRejected),
            (&delete, 404, "40410000", "order not found", NotFound),
            (&patch, 422, "42210000", "order is already filled", OrderRejected),
            (&patch, 422, "42210000", "invalid qty", InvalidRequest),
            (&post, 429, "42910000", "rate limit exceeded", RateLimited),
            (&post, 500, "50010000", "internal server error occurred", Unavailable),
            (&post, 307, "0", "elsewhere", Protocol),
        ] {
            let body = format!(r#"{{"code":{code},"message":{message:?},"extra":[1]}}"#);
            let (error, nothing_done) = answered(method.clone(), status, &body);
            assert_eq!(error.kind(), kind, "{message}");
            assert_eq!((error.code(), error.message()), (Some(code), Some(message)));
            assert_eq!((error.status(), error.delivery()), (Some(status), Delivery::Answered));
            assert_eq!(nothing_done, status == 429, "{message}");
        }
    }

    #[test]
    fn bodies_without_a_code_or_without_json() {
        let post = Method::POST;
        assert_eq!(answered(post.clone(), 403, r#"{"message":"forbidden."}"#).0.kind(), ErrorKind::Auth);
        assert_eq!(answered(post.clone(), 403, "").0.kind(), ErrorKind::Auth);
        let (error, _) = answered(post.clone(), 503, "upstream gone");
        assert_eq!((error.kind(), error.message()), (ErrorKind::Unavailable, Some("upstream gone")));
        assert_eq!(answered(post.clone(), 403, " <html>blocked</html>").0.kind(), ErrorKind::Unavailable);
        let (error, _) = answered(post, 422, r#"{"code":"40010001","message":"client_order_id must be unique"}"#);
        assert_eq!((error.kind(), error.code()), (ErrorKind::DuplicateOrder, Some("40010001")));
    }
}
