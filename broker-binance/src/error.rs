//! Binance's refusals: by their code, and where one code stands for many things by their words.

use broker_core::http::{Call, Outcome, Reply, Verdict};
use broker_core::limit::{BucketKey, Lesson};
use broker_core::{Delivery, Error, ErrorKind};
use http::HeaderMap;

use crate::rest::Buckets;
use crate::wire::ErrorJson;

/// Our clock and Binance's differ by too much.
pub(crate) const CLOCK: &str = "-1021";
/// There is no such order.
#[cfg(feature = "trading")]
pub(crate) const NO_SUCH_ORDER: &str = "-2013";
/// Canceled or expired without a fill, more than 90 days ago, and put away.
#[cfg(feature = "trading")]
pub(crate) const ARCHIVED_ORDER: &str = "-2026";
/// There is no such symbol.
pub(crate) const NO_SUCH_SYMBOL: &str = "-1121";
/// A symbol with characters that no symbol has.
pub(crate) const ILLEGAL_CHARACTERS: &str = "-1100";

/// An order was canceled, and the one that was to take its place refused.
#[cfg(feature = "trading")]
pub(crate) const HALF: i64 = -2021;

/// What an answer means, and what its headers teach the limiter.
pub(crate) fn verdict(call: &Call, reply: &Reply, buckets: &Buckets) -> Verdict {
    let status = reply.status.as_u16();
    let markup = reply.body.trim_start().starts_with('<');
    let outcome = if reply.status.is_success() && !markup {
        Outcome::Good
    } else {
        let error = refusal(status, &reply.body);
        match error.code() {
            // Checked before anything is done, and once more before the matching engine.
            Some(CLOCK) => Outcome::Mend(error),
            _ => Outcome::Bad {
                // A request over a limit was not executed; a firewall's page says nothing of that.
                nothing_done: matches!(status, 418 | 429) && !markup,
                error,
            },
        }
    };
    Verdict {
        lessons: lessons(call, reply, buckets, &outcome),
        outcome,
    }
}

/// The error of an answer, or of a half of one.
pub(crate) fn refusal(status: u16, body: &str) -> Error {
    let body = body.trim();
    if body.starts_with('<') {
        return firewall(status);
    }
    let wire: ErrorJson<'_> = serde_json::from_str(body).unwrap_or_default();
    let words = wire.msg.as_ref().map_or(body, |msg| msg.get());
    #[cfg(feature = "trading")]
    if let Some(code @ (HALF | -2022)) = wire.code {
        match crate::cancel_replace::refusal(status, code, words, body) {
            Some(error) => return error,
            // One half was done, and nobody knows which: no order may be thought dead, or at work.
            None if code == HALF => {
                return Error::decode("the halves of a cancel that places another order cannot be read");
            }
            None => {}
        }
    }
    said(status, wire.code, words)
}

/// The error that a code and its words stand for.
pub(crate) fn said(status: u16, code: Option<i64>, words: &str) -> Error {
    let (kind, help) = meaning(status, code, words);
    let mut error = Error::new(kind).with_delivery(Delivery::Answered).with_status(status);
    if let Some(code) = code {
        error = error.with_code(code.to_string());
    }
    if !words.is_empty() {
        error = error.with_message(words);
    }
    match help {
        Some(help) => error.with_help(help),
        None => error,
    }
}

/// A page instead of data. A firewall answers 403 to who is too fast, and to some words in parameters.
fn firewall(status: u16) -> Error {
    let kind = match status {
        403 | 418 | 429 => ErrorKind::RateLimited,
        _ => ErrorKind::Unavailable,
    };
    let error = Error::new(kind)
        .with_delivery(Delivery::Answered)
        .with_status(status)
        .with_message("answered with a page of markup instead of data");
    match status {
        403 => error.with_help("Binance's firewall refused it: ask less often, and look for words of SQL in ids"),
        _ => error,
    }
}

type Meaning = (ErrorKind, Option<&'static str>);

/// The table. Where a row names no words, any will do.
fn meaning(status: u16, code: Option<i64>, words: &str) -> Meaning {
    let Some(code) = code else {
        return (by_status(status), None);
    };
    let kind = match code {
        -1013 | -2010 | -2011 => return by_words(code, words),
        -1002 | -1022 | -2014 | -2015 | -1021 => ErrorKind::Auth,
        -1003 | -1015 | -1034 => ErrorKind::RateLimited,
        -1014 | -1020 | -1108..=-1100 | -1139..=-1111 | -1151 | -1145 | -1199..=-1158 => ErrorKind::InvalidRequest,
        -2021 | -2022 | -2038 => ErrorKind::OrderRejected,
        -2013 | -2026 | -2039 => ErrorKind::NotFound,
        -1000 | -1001 | -1006 | -1007 | -1008 | -1016 => ErrorKind::Unavailable,
        _ => match by_status(status) {
            ErrorKind::InvalidRequest => ErrorKind::Unknown,
            other => other,
        },
    };
    (kind, None)
}

fn by_status(status: u16) -> ErrorKind {
    match status {
        401 => ErrorKind::Auth,
        403 => ErrorKind::Permission,
        404 | 410 => ErrorKind::Unavailable,
        418 | 429 => ErrorKind::RateLimited,
        400..=499 => ErrorKind::InvalidRequest,
        500..=599 => ErrorKind::Unavailable,
        300..=399 => ErrorKind::Protocol,
        _ => ErrorKind::Unknown,
    }
}

/// Words that decide where one code stands for many things: the first row that fits.
const WORDS: [(&str, ErrorKind, Option<&str>); 14] = [
    (
        "insufficient balance",
        ErrorKind::InsufficientFunds,
        Some("make the order smaller, or cancel open orders, which hold their part of the balance"),
    ),
    (
        "duplicate order sent",
        ErrorKind::DuplicateOrder,
        Some("an open order has this client order id: read it by that id"),
    ),
    ("market is closed", ErrorKind::MarketClosed, None),
    ("may not place or cancel", ErrorKind::Permission, None),
    ("action is disabled", ErrorKind::Permission, None),
    ("not permitted for this account", ErrorKind::Permission, None),
    ("restricted for this account", ErrorKind::Permission, None),
    ("trading is not enabled", ErrorKind::Permission, None),
    (
        "cancel restrictions",
        ErrorKind::OrderRejected,
        Some("the order has begun to fill: read it"),
    ),
    ("unknown order sent", ErrorKind::NotFound, None),
    ("unknown order list sent", ErrorKind::NotFound, None),
    ("filter failure: max_num", ErrorKind::OrderRejected, None),
    ("filter failure: exchange_max", ErrorKind::OrderRejected, None),
    ("filter failure", ErrorKind::InvalidRequest, None),
];

fn by_words(code: i64, words: &str) -> Meaning {
    let words = words.to_ascii_lowercase();
    let found = WORDS.iter().find(|(part, _, _)| words.contains(part));
    match (found, code) {
        (Some((_, kind, help)), _) => (*kind, *help),
        (None, -1013) => (ErrorKind::InvalidRequest, None),
        (None, -2011) => (ErrorKind::NotFound, None),
        (None, _) => (ErrorKind::OrderRejected, None),
    }
}

/// What the headers of an answer tell: weight and orders used in the windows that run now, and refusals.
fn lessons(call: &Call, reply: &Reply, buckets: &Buckets, outcome: &Outcome) -> Vec<(BucketKey, Lesson)> {
    let headers = &reply.headers;
    let mut lessons = Vec::new();
    let mut used = |bucket: &BucketKey, name: &str| {
        if let Some(weight) = number(headers, name) {
            lessons.push((BucketKey::clone(bucket), Lesson::Used { weight }));
        }
    };
    used(&buckets.weight, "x-mbx-used-weight-1m");
    used(&buckets.orders, "x-mbx-order-count-10s");
    used(&buckets.orders_a_day, "x-mbx-order-count-1d");
    let Outcome::Bad { error, .. } = outcome else {
        return lessons;
    };
    if error.kind() == ErrorKind::RateLimited {
        let wait = number(headers, "retry-after").map(std::time::Duration::from_secs);
        // Too many orders: reads may go on.
        let bucket = match (
            error.code(),
            call.cost.iter().any(|cost| *cost.bucket == *buckets.sapi_account),
        ) {
            (Some("-1015"), _) => &buckets.orders,
            (_, true) => &buckets.sapi_account,
            _ => &buckets.weight,
        };
        lessons.push((BucketKey::clone(bucket), Lesson::Refused { wait }));
    }
    lessons
}

fn number<T: std::str::FromStr>(headers: &HeaderMap, name: &str) -> Option<T> {
    headers.get(name)?.to_str().ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_of_the_page_has_its_kind() {
        use ErrorKind as K;
        let table = [
            (400, -1002, "You are not authorized to execute this request.", K::Auth),
            (400, -1022, "Signature for this request is not valid.", K::Auth),
            (401, -2014, "API-key format invalid.", K::Auth),
            (401, -2015, "Invalid API-key, IP, or permissions for action.", K::Auth),
            (400, -2010, "This action is disabled on this account.", K::Permission),
            (400, -2010, "This symbol is restricted for this account.", K::Permission),
            (429, -1003, "Too many requests queued.", K::RateLimited),
            (429, -1015, "Too many new orders.", K::RateLimited),
            (429, -1034, "Too many connections.", K::RateLimited),
            (
                400,
                -1021,
                "Timestamp for this request was 1000ms ahead of the server's time.",
                K::Auth,
            ),
            (
                400,
                -1102,
                "Mandatory parameter 'symbol' was not sent.",
                K::InvalidRequest,
            ),
            (
                400,
                -1111,
                "Parameter 'price' has too much precision.",
                K::InvalidRequest,
            ),
            (400, -1121, "Invalid symbol.", K::InvalidRequest),
            (
                400,
                -1127,
                "More than 24 hours between startTime and endTime.",
                K::InvalidRequest,
            ),
            (400, -1165, "Invalid belowType.", K::InvalidRequest),
            (400, -1013, "Filter failure: NOTIONAL", K::InvalidRequest),
            (400, -1013, "Filter failure: LOT_SIZE", K::InvalidRequest),
            (400, -1013, "Filter failure: MAX_NUM_ORDERS", K::OrderRejected),
            (
                400,
                -2010,
                "Filter failure: EXCHANGE_MAX_NUM_ALGO_ORDERS",
                K::OrderRejected,
            ),
            (400, -1013, "Market is closed.", K::MarketClosed),
            (
                400,
                -2010,
                "Account has insufficient balance for requested action.",
                K::InsufficientFunds,
            ),
            (400, -2010, "Duplicate order sent.", K::DuplicateOrder),
            (400, -2010, "Market is closed.", K::MarketClosed),
            (400, -2010, "Order would immediately match and take.", K::OrderRejected),
            // Without its halves nobody knows which of them was done.
            (409, -2021, "Order cancel-replace partially failed.", K::Decode),
            (400, -2022, "Order cancel-replace failed.", K::OrderRejected),
            (400, -2038, "Order amend rejected.", K::OrderRejected),
            (400, -2011, "Unknown order sent.", K::NotFound),
            (
                400,
                -2011,
                "Order was not canceled due to cancel restrictions.",
                K::OrderRejected,
            ),
            (400, -2013, "Order does not exist.", K::NotFound),
            (
                400,
                -2026,
                "Order was canceled or expired with no executed qty over 90 days ago.",
                K::NotFound,
            ),
            (
                500,
                -1000,
                "An unknown error occurred while processing the request.",
                K::Unavailable,
            ),
            (
                500,
                -1006,
                "An unexpected response was received from the message bus.",
                K::Unavailable,
            ),
            (
                408,
                -1007,
                "Timeout waiting for response from backend server.",
                K::Unavailable,
            ),
            (
                503,
                -1008,
                "Server is currently overloaded with other requests.",
                K::Unavailable,
            ),
            (400, -9999, "What is this?", K::Unknown),
            (500, -9999, "What is this?", K::Unavailable),
        ];
        for (status, code, words, kind) in table {
            let error = refusal(status, &format!(r#"{{"code":{code},"msg":"{words}"}}"#));
            assert_eq!(error.kind(), kind, "{code} {words}");
            if kind != K::Decode {
                assert_eq!(error.code(), Some(code.to_string().as_str()));
                assert_eq!(error.message(), Some(words));
            }
        }
    }

    #[test]
    fn a_page_of_markup_is_no_word_of_binance() {
        let error = refusal(
            403,
            "<html><head><title>ERROR: The request could not be satisfied</title>",
        );
        assert_eq!((error.kind(), error.code()), (ErrorKind::RateLimited, None));
        assert_eq!(refusal(502, "\n<html>").kind(), ErrorKind::Unavailable);
        assert_eq!(
            refusal(404, "").kind(),
            ErrorKind::Unavailable,
            "a path that is not there says nothing of an order"
        );
    }
}
