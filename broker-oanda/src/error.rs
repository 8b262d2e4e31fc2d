//! OANDA's refusals: codes of errors, of rejects, and of cancels.

use broker_core::http::{Call, OpClass, Outcome, Reply, Verdict, retry_after};
use broker_core::limit::Lesson;
use broker_core::num::Text;
use broker_core::{Delivery, Error, ErrorKind};
use chrono::{DateTime, Utc};
use http::HeaderMap;
use serde::Deserialize;

/// The body of an error. Every key is optional, the code is often missing.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ErrorJson<'a> {
    #[serde(borrow)]
    error_code: Option<Text<'a>>,
    #[serde(borrow)]
    error_message: Option<Text<'a>>,
    #[serde(borrow)]
    order_reject_transaction: Option<RejectJson<'a>>,
    #[serde(borrow)]
    order_cancel_reject_transaction: Option<RejectJson<'a>>,
    #[serde(borrow)]
    long_order_reject_transaction: Option<RejectJson<'a>>,
    #[serde(borrow)]
    short_order_reject_transaction: Option<RejectJson<'a>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RejectJson<'a> {
    #[serde(borrow)]
    reject_reason: Option<Text<'a>>,
}

impl ErrorJson<'_> {
    /// The code, or the reason of the reject that comes with it.
    fn code(&self) -> Option<&str> {
        let rejects = [
            &self.order_reject_transaction,
            &self.order_cancel_reject_transaction,
            &self.long_order_reject_transaction,
            &self.short_order_reject_transaction,
        ];
        let reason = || rejects.into_iter().flatten().find_map(|one| one.reject_reason.as_ref());
        self.error_code.as_ref().or_else(reason).map(Text::get)
    }

    /// Whether it is OANDA that speaks, and not something in between.
    fn is_oandas(&self) -> bool {
        self.error_message.is_some() || self.code().is_some()
    }
}

/// What an answer means, and what it teaches the limiter.
pub(crate) fn verdict(call: &Call, reply: &Reply, now: DateTime<Utc>) -> Verdict {
    let markup = reply.body.trim_start().starts_with('<');
    if reply.status.is_success() && !markup {
        return Verdict::good();
    }
    let status = reply.status.as_u16();
    let error = request_id(refusal(status, &reply.body), &reply.headers);
    if status == 401 && call.class == OpClass::Read {
        return Verdict {
            outcome: Outcome::Mend(error),
            lessons: Vec::new(),
        };
    }
    let wait = retry_after(&reply.headers, now);
    let lessons = match (status, call.cost.first()) {
        (429, Some(cost)) => vec![(cost.bucket.clone(), Lesson::Refused { wait })],
        _ => Vec::new(),
    };
    let error = match wait.filter(|_| status == 429) {
        Some(wait) => error.with_retry_after(wait),
        None => error,
    };
    Verdict {
        outcome: Outcome::Bad {
            // A request over the limit was not executed, whatever it was.
            nothing_done: status == 429,
            error,
        },
        lessons,
    }
}

/// OANDA's support asks for it.
fn request_id(error: Error, headers: &HeaderMap) -> Error {
    let id = headers.get("requestid").and_then(|id| id.to_str().ok());
    match (id, error.help()) {
        (Some(id), None) => error.with_help(format!("OANDA's id of the request is {id}")),
        _ => error,
    }
}

/// The error of an answer.
fn refusal(status: u16, body: &str) -> Error {
    let body = body.trim();
    let wire: ErrorJson<'_> = serde_json::from_str(body).unwrap_or_default();
    let kind = kind(status, &wire);
    let mut error = Error::new(kind).with_delivery(Delivery::Answered).with_status(status);
    if let Some(code) = wire.code() {
        error = error.with_code(code);
    }
    let words = match &wire.error_message {
        Some(message) => message.get(),
        None if body.starts_with('<') => "answered with a page instead of data",
        None if wire.is_oandas() => "",
        // What was cut off may hold an account's id.
        None if body.starts_with(['{', '[']) => "answered with data that cannot be read",
        None => body,
    };
    if !words.is_empty() {
        error = error.with_message(words);
    }
    match help(kind, wire.code()) {
        Some(help) => error.with_help(help),
        None => error,
    }
}

fn kind(status: u16, wire: &ErrorJson<'_>) -> ErrorKind {
    match status {
        429 => ErrorKind::RateLimited,
        401 if wire.is_oandas() => ErrorKind::Auth,
        300..=399 => ErrorKind::Protocol,
        408 | 500..=599 => ErrorKind::Unavailable,
        // A gateway has pages for what it does not find or does not like, too: they say nothing about an order.
        400..=499 if !wire.is_oandas() => ErrorKind::Unavailable,
        403 => ErrorKind::Permission,
        404 => wire.code().map_or(ErrorKind::NotFound, of_missing),
        405 | 416 => ErrorKind::InvalidRequest,
        400..=499 => wire.code().map_or(ErrorKind::InvalidRequest, of_code),
        _ => ErrorKind::Unknown,
    }
}

/// 404 is about a thing that there is not, unless its code says more.
fn of_missing(code: &str) -> ErrorKind {
    match of_code(code) {
        ErrorKind::InvalidRequest | ErrorKind::OrderRejected => ErrorKind::NotFound,
        kind => kind,
    }
}

/// The table: codes of errors and reasons of rejects.
fn of_code(code: &str) -> ErrorKind {
    let has = |word: &str| code.contains(word);
    match code {
        "INTERNAL_SERVER_ERROR" => ErrorKind::Unavailable,
        "INSUFFICIENT_MARGIN" | "INSUFFICIENT_FUNDS" => ErrorKind::InsufficientFunds,
        "MARKET_HALTED" | "INSTRUMENT_NOT_TRADEABLE" | "INSTRUMENT_PRICE_UNKNOWN" => ErrorKind::MarketClosed,
        "CLOSEOUT_POSITION_DOESNT_EXIST" | "NO_SUCH_ORDER" | "NO_SUCH_TRADE" | "NO_SUCH_POSITION" => {
            ErrorKind::NotFound
        }
        _ if code.starts_with("INSTRUMENT_") && code.ends_with("_HALTED") => ErrorKind::MarketClosed,
        _ if has("ORDER_ID_ALREADY_EXISTS") || has("TRADE_ID_ALREADY_EXISTS") => ErrorKind::DuplicateOrder,
        _ if code.ends_with("_DOESNT_EXIST") => ErrorKind::NotFound,
        _ if code.starts_with("ACCOUNT_") && (has("LOCKED") || has("NOT_ACTIVE")) => ErrorKind::Permission,
        _ if has("UNITS_") || has("PRICE_") || has("TIME_IN_FORCE_") => ErrorKind::InvalidRequest,
        _ if code.ends_with("_MISSING") || code.ends_with("_INVALID") || code.starts_with("INVALID_") => {
            ErrorKind::InvalidRequest
        }
        _ => ErrorKind::OrderRejected,
    }
}

fn help(kind: ErrorKind, code: Option<&str>) -> Option<&'static str> {
    match kind {
        ErrorKind::Auth => Some("a token works on practice or on live alone: use a practice token, or write .live()"),
        ErrorKind::InsufficientFunds => Some("make the order smaller, add money, or close something"),
        ErrorKind::MarketClosed => Some("place it again when the market is open: a quote's price says tradeable"),
        ErrorKind::DuplicateOrder => Some("a pending order or an open trade has this id: read it, or take another id"),
        ErrorKind::OrderRejected if code.is_some_and(|code| code.contains("FIFO")) => {
            Some("accounts of this division close the oldest trade first and do not hedge")
        }
        _ => None,
    }
}

/// An order that OANDA took and canceled at once: its answer is 201, and nothing came of it.
#[cfg(feature = "trading")]
pub(crate) fn canceled_at_once(reason: &str) -> Error {
    let kind = match of_code(reason) {
        // It is a word about the order, whatever it would mean as an error's code.
        ErrorKind::InvalidRequest | ErrorKind::NotFound | ErrorKind::Unavailable => ErrorKind::OrderRejected,
        kind => kind,
    };
    let error = Error::new(kind)
        .with_delivery(Delivery::Answered)
        .with_code(reason)
        .with_message("the order was taken and canceled at once");
    match help(kind, Some(reason)) {
        Some(help) => error.with_help(help),
        None => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meaning(status: u16, body: &str) -> (ErrorKind, Option<String>) {
        let error = refusal(status, body);
        (error.kind(), error.code().map(str::to_owned))
    }

    #[test]
    fn every_code_has_its_kind() {
        use ErrorKind as K;
        let table = [
            (400, "INSUFFICIENT_MARGIN", K::InsufficientFunds),
            (400, "INSUFFICIENT_FUNDS", K::InsufficientFunds),
            (400, "MARKET_HALTED", K::MarketClosed),
            (400, "INSTRUMENT_NOT_TRADEABLE", K::MarketClosed),
            (400, "INSTRUMENT_BID_HALTED", K::MarketClosed),
            (400, "INSTRUMENT_PRICE_UNKNOWN", K::MarketClosed),
            (400, "CLIENT_ORDER_ID_ALREADY_EXISTS", K::DuplicateOrder),
            (400, "CLIENT_TRADE_ID_ALREADY_EXISTS", K::DuplicateOrder),
            (
                400,
                "TAKE_PROFIT_ON_FILL_CLIENT_ORDER_ID_ALREADY_EXISTS",
                K::DuplicateOrder,
            ),
            (400, "UNITS_PRECISION_EXCEEDED", K::InvalidRequest),
            (400, "PRICE_PRECISION_EXCEEDED", K::InvalidRequest),
            (400, "TIME_IN_FORCE_INVALID", K::InvalidRequest),
            (400, "STOP_LOSS_ORDER_PRICE_INVALID", K::InvalidRequest),
            (400, "INSTRUMENT_MISSING", K::InvalidRequest),
            (400, "ACCOUNT_LOCKED", K::Permission),
            (400, "ACCOUNT_NOT_ACTIVE", K::Permission),
            (400, "ACCOUNT_ORDER_CREATION_LOCKED", K::Permission),
            (400, "FIFO_VIOLATION_SAFEGUARD_VIOLATION", K::OrderRejected),
            (400, "PENDING_ORDERS_ALLOWED_EXCEEDED", K::OrderRejected),
            (400, "CLOSEOUT_POSITION_DOESNT_EXIST", K::NotFound),
            (404, "ORDER_DOESNT_EXIST", K::NotFound),
            (404, "NO_SUCH_ORDER", K::NotFound),
            (404, "TRADE_DOESNT_EXIST", K::NotFound),
            (404, "NO_SUCH_TRADE", K::NotFound),
            (500, "INTERNAL_SERVER_ERROR", K::Unavailable),
        ];
        for (status, code, kind) in table {
            let body = format!(r#"{{"errorCode":"{code}","errorMessage":"words"}}"#);
            assert_eq!(meaning(status, &body), (kind, Some(code.to_owned())), "{code}");
        }
    }

    #[test]
    fn a_reject_is_named_where_the_code_is_missing() {
        let body = r#"{"longOrderRejectTransaction":{"id":"5","rejectReason":"CLOSEOUT_POSITION_DOESNT_EXIST"},
            "errorMessage":"The Position requested to be closed out does not exist","lastTransactionID":"5"}"#;
        assert_eq!(
            meaning(400, body),
            (ErrorKind::NotFound, Some("CLOSEOUT_POSITION_DOESNT_EXIST".into()))
        );
    }

    #[test]
    fn what_oanda_did_not_say_proves_nothing() {
        for (status, body) in [
            (404, "<html>not found</html>"),
            (400, "bad request"),
            (404, "{}"),
            (403, ""),
            (401, "<html>sign in</html>"),
            (502, "<html>Cloudflare</html>"),
            (504, r#"{"errorMessage":"Timeout waiting for response."}"#),
        ] {
            assert_eq!(meaning(status, body).0, ErrorKind::Unavailable, "{status} {body}");
        }
        let said = r#"{"errorMessage":"Insufficient authorization to perform request."}"#;
        assert_eq!(meaning(401, said).0, ErrorKind::Auth);
        assert_eq!(meaning(403, said).0, ErrorKind::Permission);
        assert_eq!(
            meaning(404, r#"{"errorMessage":"no such account"}"#).0,
            ErrorKind::NotFound
        );
        assert_eq!(
            meaning(416, r#"{"errorMessage":"id out of range"}"#).0,
            ErrorKind::InvalidRequest
        );
        assert_eq!(
            meaning(400, r#"{"errorMessage":"Invalid value specified for 'units'"}"#).0,
            ErrorKind::InvalidRequest
        );
        assert_eq!(meaning(429, "").0, ErrorKind::RateLimited);
    }

    #[test]
    fn a_cancel_at_once_is_a_refusal() {
        use ErrorKind as K;
        for (reason, kind) in [
            ("INSUFFICIENT_MARGIN", K::InsufficientFunds),
            ("MARKET_HALTED", K::MarketClosed),
            ("BOUNDS_VIOLATION", K::OrderRejected),
            ("INSUFFICIENT_LIQUIDITY", K::OrderRejected),
            ("INTERNAL_SERVER_ERROR", K::OrderRejected),
            ("STOP_LOSS_ON_FILL_PRICE_INVALID", K::OrderRejected),
        ] {
            let error = canceled_at_once(reason);
            assert_eq!(
                (error.kind(), error.delivery(), error.code()),
                (kind, Delivery::Answered, Some(reason))
            );
        }
    }
}
