//! What a status means where a broker says nothing else.

use std::time::Duration;

use ::http::{HeaderMap, StatusCode, header};
use chrono::{DateTime, NaiveDateTime, Utc};

use super::Reply;
use crate::error::{Delivery, Error, ErrorKind};

/// The error that a status stands for, with the body as its message: where a broker's own table starts.
///
/// ```
/// use broker_core::ErrorKind;
/// use broker_core::http::{Reply, status_error};
/// let reply = Reply { status: http::StatusCode::UNAUTHORIZED, headers: Default::default(), body: "bad key".into() };
/// let error = status_error(&reply);
/// assert_eq!(error.kind(), ErrorKind::Auth);
/// assert_eq!(error.to_string(), "authentication refused (HTTP 401): bad key");
/// ```
pub fn status_error(reply: &Reply) -> Error {
    let error = Error::new(status_kind(reply.status))
        .with_delivery(Delivery::Answered)
        .with_status(reply.status.as_u16());
    let body = reply.body.trim();
    if body.starts_with('<') {
        // A page of a proxy or a gateway: markup helps nobody.
        return error.with_message("answered with a page of markup instead of data");
    }
    match (body, reply.status.canonical_reason()) {
        ("", Some(reason)) => error.with_message(reason),
        ("", None) => error,
        (body, _) => error.with_message(body),
    }
}

fn status_kind(status: StatusCode) -> ErrorKind {
    match status.as_u16() {
        401 => ErrorKind::Auth,
        403 | 451 => ErrorKind::Permission,
        404 | 410 => ErrorKind::NotFound,
        408 | 425 => ErrorKind::Unavailable,
        // 418: a ban, at brokers that count on after 429.
        418 | 429 => ErrorKind::RateLimited,
        400..=499 => ErrorKind::InvalidRequest,
        501 | 505 => ErrorKind::Unknown,
        500..=599 => ErrorKind::Unavailable,
        300..=399 => ErrorKind::Protocol,
        _ => ErrorKind::Unknown,
    }
}

/// Longest hint believed.
const LONGEST_HINT: Duration = Duration::from_secs(366 * 86_400);

/// The hint of `Retry-After`: seconds, or an HTTP date against this time. A date that has passed is zero; what cannot
/// be read is no hint.
pub fn retry_after(headers: &HeaderMap, now: DateTime<Utc>) -> Option<Duration> {
    let text = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = match seconds(text) {
        Some(wait) => wait,
        None => (http_date(text)? - now).to_std().unwrap_or_default(),
    };
    Some(wait.min(LONGEST_HINT))
}

/// Seconds; a fraction, which the standard does not know but venues send, rounds up.
fn seconds(text: &str) -> Option<Duration> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if !digits(whole) || !digits(fraction) {
        return None;
    }
    let up = u64::from(fraction.bytes().any(|b| b != b'0'));
    // More digits than fit are a very long wait.
    let whole = whole.parse::<u64>().unwrap_or(u64::MAX);
    Some(Duration::from_secs(whole.saturating_add(up)))
}

/// The three forms of an HTTP date, the usual one first.
fn http_date(text: &str) -> Option<DateTime<Utc>> {
    [
        "%a, %d %b %Y %H:%M:%S GMT",
        "%A, %d-%b-%y %H:%M:%S GMT",
        "%a %b %e %H:%M:%S %Y",
    ]
    .iter()
    .find_map(|form| NaiveDateTime::parse_from_str(text, form).ok())
    .map(|time| time.and_utc())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hint(text: &'static str) -> Option<u64> {
        let now = "2026-01-01T00:00:00Z".parse().unwrap();
        let headers = HeaderMap::from_iter([(header::RETRY_AFTER, ::http::HeaderValue::from_static(text))]);
        retry_after(&headers, now).map(|wait| wait.as_secs())
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let table = [
            ("7", Some(7)),
            (" 0 ", Some(0)),
            ("1.5", Some(2)),
            ("2.0", Some(2)),
            ("99999999999999999999999", Some(366 * 86_400)),
            ("Thu, 01 Jan 2026 00:01:30 GMT", Some(90)),
            ("Thursday, 01-Jan-26 00:00:05 GMT", Some(5)),
            ("Thu Jan  1 00:00:09 2026", Some(9)),
            ("Wed, 31 Dec 2025 23:59:59 GMT", Some(0)),
            ("-1", None),
            ("soon", None),
            ("", None),
            ("1.", None),
        ];
        for (text, expected) in table {
            assert_eq!(hint(text), expected, "{text}");
        }
        assert_eq!(retry_after(&HeaderMap::new(), DateTime::UNIX_EPOCH), None);
    }

    fn error(status: u16, body: &str) -> Error {
        status_error(&Reply {
            status: StatusCode::from_u16(status).unwrap(),
            headers: HeaderMap::new(),
            body: body.into(),
        })
    }

    #[test]
    fn every_status_has_a_kind() {
        use ErrorKind as K;
        let table = [
            (400, K::InvalidRequest),
            (401, K::Auth),
            (403, K::Permission),
            (404, K::NotFound),
            (408, K::Unavailable),
            (409, K::InvalidRequest),
            (418, K::RateLimited),
            (422, K::InvalidRequest),
            (429, K::RateLimited),
            (451, K::Permission),
            (500, K::Unavailable),
            (501, K::Unknown),
            (502, K::Unavailable),
            (599, K::Unavailable),
            (302, K::Protocol),
            (700, K::Unknown),
        ];
        for (status, kind) in table {
            let error = error(status, "");
            assert_eq!(error.kind(), kind, "{status}");
            assert_eq!((error.status(), error.delivery()), (Some(status), Delivery::Answered));
        }
    }

    #[test]
    fn markup_is_not_a_message() {
        assert_eq!(
            error(502, "\n<html><b>Bad Gateway</b>").to_string(),
            "unavailable (HTTP 502): answered with a page of markup instead of data"
        );
        assert_eq!(
            error(503, " ").to_string(),
            "unavailable (HTTP 503): Service Unavailable"
        );
    }
}
