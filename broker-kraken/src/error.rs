//! Kraken's refusals: strings under HTTP 200. One table from their beginnings to what they mean.

use std::time::Duration;

#[cfg(any(feature = "trading", test))]
use broker_core::http::OpClass;
use broker_core::http::{Call, Outcome, Reply, Verdict, status_error};
use broker_core::limit::{BucketKey, Lesson};
use broker_core::{Delivery, Error, ErrorKind};
use chrono::{DateTime, Utc};

use crate::auth::PRIVATE;
use crate::wire::{self, EnvelopeJson, filled};

/// Refused for too many calls: all calls of the key rest for so long.
const REST: Duration = Duration::from_secs(15);
/// A counter of orders that is over is down again soon.
const REST_OF_ORDERS: Duration = Duration::from_secs(3);
/// How long a key is locked out that was wrong too often.
const LOCKOUT: Duration = Duration::from_secs(15 * 60);
/// Told to come again at a moment that cannot be read.
const THROTTLED: Duration = Duration::from_secs(5);

/// The nonce was not greater than the last one: nothing was done, and the next one may be.
const INVALID_NONCE: &str = "EAPI:Invalid nonce";

use ErrorKind as K;

/// The first row that the error begins with, upper and lower case alike.
const TABLE: [(&str, ErrorKind); 62] = [
    (INVALID_NONCE, K::Auth),
    ("EAPI:Invalid key", K::Auth),
    ("EAPI:Invalid signature", K::Auth),
    ("ESession:Invalid session", K::Auth),
    ("EAuth:Account temporary disabled", K::Auth),
    ("EAuth:Account unconfirmed", K::Auth),
    ("EAuth:Rate limit exceeded", K::RateLimited),
    ("EAuth:Too many requests", K::RateLimited),
    ("EGeneral:Permission denied", K::Permission),
    ("EAccount:Invalid permissions", K::Permission),
    ("EAPI:Feature disabled", K::Permission),
    ("EOrder:Cannot open position", K::Permission),
    ("EOrder:Cannot open opposing position", K::Permission),
    ("EBM:limit exceeded:CAL", K::Permission),
    ("EAPI:Rate limit exceeded", K::RateLimited),
    ("EOrder:Rate limit exceeded", K::RateLimited),
    ("EOrder:Domain rate limit exceeded", K::RateLimited),
    ("EGeneral:Too many requests", K::RateLimited),
    ("EService:Throttled", K::RateLimited),
    ("EService: Throttled", K::RateLimited),
    ("EGeneral:Temporary lockout", K::RateLimited),
    ("EGeneral:Invalid arguments:cl_ord_id not unique", K::DuplicateOrder),
    ("EGeneral:Invalid arguments:Index unavailable", K::OrderRejected),
    ("EGeneral:Invalid arguments", K::InvalidRequest),
    ("EAPI:Bad request", K::InvalidRequest),
    ("EGeneral:Unknown method", K::InvalidRequest),
    ("EQuery:Unknown asset pair", K::InvalidRequest),
    ("EQuery:Invalid asset pair", K::InvalidRequest),
    ("EQuery:Unknown asset", K::InvalidRequest),
    ("EOrder:Invalid price", K::InvalidRequest),
    ("EOrder:Tick size check failed", K::InvalidRequest),
    ("EOrder:Order minimum not met", K::InvalidRequest),
    ("EOrder:Cost minimum not met", K::InvalidRequest),
    ("EOrder:Invalid order", K::InvalidRequest),
    ("ETrade:Invalid request", K::InvalidRequest),
    ("EOrder:Insufficient funds", K::InsufficientFunds),
    ("EOrder:Insufficient margin", K::InsufficientFunds),
    ("EOrder:Margin allowance exceeded", K::InsufficientFunds),
    ("EOrder:Margin level too low", K::InsufficientFunds),
    ("EOrder:Margin position size exceeded", K::InsufficientFunds),
    ("EOrder:Unknown order", K::NotFound),
    ("EOrder:Unknown position", K::NotFound),
    ("EService:Market in cancel_only mode", K::MarketClosed),
    ("EService:Market in post_only mode", K::MarketClosed),
    ("EService:Market in limit_only mode", K::MarketClosed),
    ("EOrder:Post only order", K::OrderRejected),
    ("EOrder:Orders limit exceeded", K::OrderRejected),
    ("EOrder:Positions limit exceeded", K::OrderRejected),
    ("EOrder:Scheduled orders limit exceeded", K::OrderRejected),
    ("EOrder:Reduce only", K::OrderRejected),
    ("ETrade:Locked", K::OrderRejected),
    ("ETrade:User Locked", K::OrderRejected),
    ("EService:Unavailable", K::Unavailable),
    ("EService:Busy", K::Unavailable),
    ("EService:Timeout", K::Unavailable),
    ("EService:Deadline elapsed", K::Unavailable),
    ("EGeneral:Internal error", K::Unavailable),
    ("EDatabase:Internal error", K::Unavailable),
    ("EService", K::Unavailable),
    ("EDatabase", K::Unavailable),
    ("EAPI", K::InvalidRequest),
    ("EQuery", K::InvalidRequest),
];

/// What an error string means.
pub(crate) fn kind_of(code: &str) -> ErrorKind {
    let begins = |start: &str| {
        code.get(..start.len())
            .is_some_and(|front| front.eq_ignore_ascii_case(start))
    };
    let row = TABLE.iter().find(|(start, _)| begins(start));
    row.map_or(ErrorKind::Unknown, |(_, kind)| *kind)
}

/// Of several errors the one counts that leaves most open, then the one that concerns most.
fn severity(kind: ErrorKind) -> u8 {
    match kind {
        K::Unknown | K::Unavailable => 9,
        K::Auth => 8,
        K::Permission => 7,
        K::RateLimited => 6,
        K::DuplicateOrder => 5,
        K::MarketClosed | K::InsufficientFunds | K::OrderRejected => 4,
        K::NotFound => 3,
        _ => 2,
    }
}

/// What an answer means, and what it teaches the limiter.
pub(crate) fn verdict(call: &Call, reply: &Reply, now: DateTime<Utc>, calls: &BucketKey) -> Verdict {
    let Ok(envelope) = serde_json::from_str::<EnvelopeJson<'_>>(&reply.body) else {
        // A report comes in pieces, of which none is read yet.
        if call.op == "export report" && reply.status.is_success() && reply.body.is_empty() {
            return Verdict::good();
        }
        return Verdict::bad(no_answer(reply));
    };
    let codes = codes(&envelope);
    let worst = codes.iter().max_by_key(|code| severity(kind_of(code)));
    let Some(code) = worst else {
        return match envelope.error.is_some() && reply.status.is_success() {
            true => Verdict::good(),
            false => Verdict::bad(no_answer(reply)),
        };
    };
    let error = refusal(code, call, now).with_status(reply.status.as_u16());
    let lessons = lessons(&error, call, calls);
    let outcome = match kind_of(code) {
        // Kraken checks the nonce before all else.
        K::Auth if begins_with(code, INVALID_NONCE) => Outcome::Mend(error),
        // Neither was carried out, by Kraken's own word.
        K::RateLimited => Outcome::Bad {
            error,
            nothing_done: true,
        },
        _ => Outcome::Bad {
            error,
            nothing_done: false,
        },
    };
    Verdict { outcome, lessons }
}

fn begins_with(code: &str, start: &str) -> bool {
    code.get(..start.len())
        .is_some_and(|front| front.eq_ignore_ascii_case(start))
}

/// The errors of an answer; warnings begin with a W.
fn codes(envelope: &EnvelopeJson<'_>) -> Vec<String> {
    let plain = envelope.error.iter().flatten().map(|code| code.get().to_owned());
    let newer = envelope.errors.iter().flatten().map(|error| {
        let part = |text| filled(text).unwrap_or("?");
        match &error.msg {
            Some(msg) => format!("{}:{}:{}", part(&error.class), part(&error.kind), msg.get()),
            None => format!("{}:{}", part(&error.class), part(&error.kind)),
        }
    });
    plain.chain(newer).filter(|code| !code.starts_with('W')).collect()
}

/// What is not Kraken's own word proves nothing: a page of its gateway, a body that was cut.
fn no_answer(reply: &Reply) -> Error {
    let error = status_error(reply);
    let markup = reply.body.trim_start().starts_with('<');
    let kind = match reply.status.as_u16() {
        200..=299 | 400..=499 => ErrorKind::Unavailable,
        _ => error.kind(),
    };
    let error = match reply.status.is_success() {
        // A good answer that was cut may hold the key, or the token of a stream.
        true => error.with_message("answered with something that cannot be read"),
        false => error,
    };
    let error = error.with_kind(kind);
    match markup {
        true => error.with_help("the gateway answered in Kraken's place"),
        false => error,
    }
}

/// The error of one of Kraken's strings.
pub(crate) fn refusal(code: &str, call: &Call, now: DateTime<Utc>) -> Error {
    let kind = match (kind_of(code), call.op) {
        // An id that Kraken never gave cannot be one of its orders.
        (K::InvalidRequest, "order" | "cancel") if begins_with(code, "EOrder:Invalid order") => K::NotFound,
        (K::InvalidRequest, "order") if begins_with(code, "EGeneral:Invalid arguments") => K::NotFound,
        (kind, _) => kind,
    };
    let (name, text) = code.split_once(':').unwrap_or((code, code));
    let mut error = Error::new(kind)
        .with_delivery(Delivery::Answered)
        .with_code(name)
        .with_message(text.trim());
    if let Some(wait) = wait(code, kind, now) {
        error = error.with_retry_after(wait);
    }
    match help(code, kind) {
        Some(help) => error.with_help(help),
        None => error,
    }
}

fn wait(code: &str, kind: ErrorKind, now: DateTime<Utc>) -> Option<Duration> {
    if kind != ErrorKind::RateLimited {
        return None;
    }
    if begins_with(code, "EGeneral:Temporary lockout") {
        return Some(LOCKOUT);
    }
    if code.to_ascii_lowercase().contains("throttled") {
        let until = code
            .rsplit(':')
            .next()
            .and_then(|text| wire::Seconds::parse(text.trim()));
        return Some(until.map_or(THROTTLED, |until| (until - now).to_std().unwrap_or_default()));
    }
    Some(if begins_with(code, "EOrder") {
        REST_OF_ORDERS
    } else {
        REST
    })
}

fn help(code: &str, kind: ErrorKind) -> Option<&'static str> {
    match kind {
        K::Auth if begins_with(code, INVALID_NONCE) => Some(
            "nonces of a key only ever grow: use a key that no other program uses, or make a new one if an earlier \
             program counted in nanoseconds",
        ),
        K::Auth => Some("check that both halves of the key belong together"),
        K::Permission => Some("see what the key may do: key_info(), and the key's settings at Kraken"),
        K::InsufficientFunds => Some("make the order smaller, or cancel open orders, which hold their part"),
        K::RateLimited if begins_with(code, "EGeneral:Temporary lockout") => {
            Some("the key was wrong too often: wait a quarter of an hour")
        }
        _ => None,
    }
}

/// Refused for too many: the bucket that was too full is closed for all.
fn lessons(error: &Error, call: &Call, calls: &BucketKey) -> Vec<(BucketKey, Lesson)> {
    let (ErrorKind::RateLimited, Some(wait)) = (error.kind(), error.retry_after()) else {
        return Vec::new();
    };
    let of_orders = error.code() == Some("EOrder");
    let bucket = match call.cost.iter().find(|cost| of_orders == (cost.bucket != *calls)) {
        Some(cost) => BucketKey::clone(&cost.bucket),
        // Calls that cost nothing there are refused with the others.
        None if call.path.starts_with(PRIVATE) && !of_orders => BucketKey::clone(calls),
        None => return Vec::new(),
    };
    vec![(bucket, Lesson::Refused { wait: Some(wait) })]
}

/// An answer that says something else than what was asked.
#[cfg(feature = "trading")]
pub(crate) fn odd(call: OpClass, what: &str) -> Error {
    let error = Error::decode(what);
    match call {
        OpClass::Write => error.with_delivery(Delivery::Unknown),
        OpClass::Read | OpClass::SignIn => error.with_delivery(Delivery::Answered),
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, Method, StatusCode};

    use super::*;

    fn judged(op: &'static str, status: u16, body: &str) -> Verdict {
        let base = "https://api.kraken.com".parse().unwrap();
        let calls = BucketKey::from("calls");
        let call = Call::new(op, OpClass::Write, Method::POST, &base, "/0/private/X").costs(&calls, 1);
        let reply = Reply {
            status: StatusCode::from_u16(status).unwrap(),
            headers: HeaderMap::new(),
            body: body.to_owned(),
        };
        verdict(&call, &reply, DateTime::UNIX_EPOCH, &calls)
    }

    fn error(op: &'static str, body: &str) -> (Error, bool) {
        match judged(op, 200, body).outcome {
            Outcome::Bad { error, nothing_done } => (error, nothing_done),
            Outcome::Mend(error) => (error, true),
            Outcome::Good => panic!("good: {body}"),
        }
    }

    #[test]
    fn every_string_has_its_kind() {
        let table = [
            ("EAPI:Invalid nonce", K::Auth),
            ("EAPI:Invalid key", K::Auth),
            ("EGeneral:Permission denied", K::Permission),
            ("EAPI:Rate limit exceeded", K::RateLimited),
            ("EOrder:Rate limit exceeded", K::RateLimited),
            ("EGeneral:Invalid arguments:cl_ord_id not unique", K::DuplicateOrder),
            ("EGeneral:Invalid arguments:volume", K::InvalidRequest),
            ("EGeneral:Unknown Method", K::InvalidRequest),
            ("EOrder:Insufficient funds", K::InsufficientFunds),
            ("EOrder:Unknown order", K::NotFound),
            ("EOrder:Reduce only:Non-PC", K::OrderRejected),
            ("EService:Market in post_only mode", K::MarketClosed),
            ("EService:Deadline elapsed", K::Unavailable),
            ("EService:Something new", K::Unavailable),
            ("EGeneral:Internal error[:123]", K::Unavailable),
            ("EFunding:Max fee exceeded", K::Unknown),
        ];
        for (code, kind) in table {
            assert_eq!(
                error("x", &format!(r#"{{"error":["{code}"]}}"#)).0.kind(),
                kind,
                "{code}"
            );
        }
    }

    #[test]
    fn of_several_the_most_doubtful_counts() {
        let (error, _) = error("place", r#"{"error":["EOrder:Insufficient funds","EService:Busy"]}"#);
        assert_eq!(error.kind(), K::Unavailable);
        let warned = judged("x", 200, r#"{"error":["WGeneral:Danger"],"result":{}}"#);
        assert!(matches!(warned.outcome, Outcome::Good));
    }

    #[test]
    fn what_is_not_krakens_word_is_no_refusal() {
        for (status, body) in [
            (200, "<html>"),
            (502, "<html>Bad gateway"),
            (520, ""),
            (404, "<html>"),
            (200, "{}"),
            (200, "{\"error\":[]"),
        ] {
            let Outcome::Bad { error, nothing_done } = judged("place", status, body).outcome else {
                panic!("{status} {body}")
            };
            assert_eq!((error.kind(), nothing_done), (K::Unavailable, false), "{status} {body}");
        }
    }

    #[test]
    fn a_nonce_is_mended_and_a_counter_rests() {
        assert!(matches!(
            judged("place", 200, r#"{"error":["EAPI:Invalid nonce"]}"#).outcome,
            Outcome::Mend(_)
        ));
        let limited = judged("place", 200, r#"{"error":["EAPI:Rate limit exceeded"]}"#);
        assert_eq!(
            limited.lessons,
            [(BucketKey::from("calls"), Lesson::Refused { wait: Some(REST) })]
        );
        let (lockout, _) = error("x", r#"{"error":["EGeneral:Temporary lockout"]}"#);
        assert_eq!(lockout.retry_after(), Some(LOCKOUT));
        let (throttled, _) = error("x", r#"{"error":["EService: Throttled: 90"]}"#);
        assert_eq!(throttled.retry_after(), Some(Duration::from_secs(90)));
    }

    #[test]
    fn an_id_that_was_never_given_is_no_order() {
        for op in ["order", "cancel"] {
            assert_eq!(error(op, r#"{"error":["EOrder:Invalid order"]}"#).0.kind(), K::NotFound);
        }
        assert_eq!(
            error("place", r#"{"error":["EOrder:Invalid order"]}"#).0.kind(),
            K::InvalidRequest
        );
    }

    #[test]
    fn errors_of_the_newer_kind_are_errors() {
        let body = r#"{"errors":[{"severity":"E","errorClass":"EOrder","type":"Insufficient funds","msg":"no"}]}"#;
        let (error, _) = error("x", body);
        assert_eq!(
            (error.kind(), error.message()),
            (K::InsufficientFunds, Some("Insufficient funds:no"))
        );
    }
}
