//! The gateway's refusals. They come under HTTP 200, and one number means different things by endpoint.

use std::time::Duration;

use broker_core::http::{Call, Outcome, Reply, Verdict, retry_after, status_error};
use broker_core::limit::{BucketKey, Lesson};
use broker_core::{Delivery, Error, ErrorKind, Result};
use chrono::{DateTime, Utc};
use http::StatusCode;

use crate::rest::Endpoint;
use crate::wire::Answer;

/// What a status means, and what it teaches the limiter. Refusals of the business itself are read with the body.
pub(crate) fn verdict(call: &Call, reply: &Reply, now: DateTime<Utc>) -> Verdict {
    let markup = reply.body.trim_start().starts_with('<');
    if reply.status.is_success() && !markup {
        return Verdict::good();
    }
    let error = refused_by_status(reply, markup);
    if reply.status == StatusCode::UNAUTHORIZED {
        // Refused before it was processed.
        let error = error.with_help("check the login name and the API key, and that API access is bought and linked");
        return Verdict {
            outcome: Outcome::Mend(error),
            lessons: Vec::new(),
        };
    }
    Verdict::bad(error).with_lessons(lessons(call, reply, now))
}

/// Only bodies of the gateway's own say that a request was refused. A proxy has pages for what it does not find, too,
/// and a path that it does not find says nothing about an order.
fn refused_by_status(reply: &Reply, markup: bool) -> Error {
    let error = status_error(reply);
    let kind = match reply.status.as_u16() {
        _ if markup && error.kind() != ErrorKind::RateLimited => ErrorKind::Unavailable,
        404 => ErrorKind::Unavailable,
        405 => ErrorKind::Protocol,
        400 if !reply.body.trim_start().starts_with('{') => ErrorKind::Unavailable,
        _ => return error,
    };
    error.with_kind(kind)
}

/// Longest window of a limit.
const WINDOW: Duration = Duration::from_secs(60);

/// Nobody publishes how requests are counted: after a refusal a whole window is waited for, unless a hint says else.
fn lessons(call: &Call, reply: &Reply, now: DateTime<Utc>) -> Vec<(BucketKey, Lesson)> {
    if reply.status != StatusCode::TOO_MANY_REQUESTS {
        return Vec::new();
    }
    let wait = Some(retry_after(&reply.headers, now).unwrap_or(WINDOW));
    let refused = |bucket: &BucketKey| (BucketKey::clone(bucket), Lesson::Refused { wait });
    call.cost.iter().map(|cost| refused(&cost.bucket)).collect()
}

impl<P> Answer<'_, P> {
    /// What it carries, unless it is a refusal.
    pub(crate) fn taken(self, endpoint: Endpoint) -> Result<Option<P>> {
        match (self.success, self.code) {
            (true, 0) => Ok(self.payload),
            (false, code) if code != 0 => {
                let words = self.message.as_ref().map_or("", |message| message.get());
                Err(refusal(endpoint, code, words))
            }
            // Neither yes nor no.
            _ => Err(Error::decode(
                "the answer contradicts itself: its code is not what its success says",
            )),
        }
    }

    /// The same, where success without a payload proves nothing.
    pub(crate) fn needed(self, endpoint: Endpoint, name: &str) -> Result<P> {
        let payload = self.taken(endpoint)?;
        payload.ok_or_else(|| Error::decode(format!("the answer succeeded and has no {name}")))
    }
}

/// The error of a refusal.
pub(crate) fn refusal(endpoint: Endpoint, code: i64, words: &str) -> Error {
    let (name, kind) = meaning(endpoint, code);
    let kind = match kind {
        ErrorKind::OrderRejected if endpoint == Endpoint::Place => by_words(words),
        kind => kind,
    };
    // What may have been done in spite of the answer is no refusal.
    let delivery = match kind {
        ErrorKind::Unavailable if endpoint.is_write() => Delivery::Unknown,
        _ => Delivery::Answered,
    };
    let error = Error::new(kind).with_delivery(delivery).with_code(code.to_string());
    let error = match words {
        "" => error.with_message(name),
        words => error.with_message(format!("{name}: {words}")),
    };
    match help(endpoint, code, words) {
        Some(help) => error.with_help(help),
        None => error,
    }
}

/// The vendor's name of a code, and what it is.
fn meaning(endpoint: Endpoint, code: i64) -> (&'static str, ErrorKind) {
    use ErrorKind as K;
    let table: &[(i64, &'static str, ErrorKind)] = match endpoint {
        Endpoint::Login => &[
            (1, "UserNotFound", K::Auth),
            (2, "PasswordVerificationFailed", K::Auth),
            (3, "InvalidCredentials", K::Auth),
            (4, "AppNotFound", K::Auth),
            (5, "AppVerificationFailed", K::Auth),
            (6, "InvalidDevice", K::Auth),
            (7, "AgreementsNotSigned", K::Permission),
            (8, "UnknownError", K::Unavailable),
            (9, "ApiSubscriptionNotFound", K::Permission),
            (10, "ApiKeyAuthenticationDisabled", K::Permission),
        ],
        Endpoint::Validate => &[
            (1, "InvalidSession", K::Auth),
            (2, "SessionNotFound", K::Auth),
            (3, "ExpiredToken", K::Auth),
            (4, "UnknownError", K::Unavailable),
        ],
        Endpoint::Contract => &[(1, "ContractNotFound", K::NotFound)],
        Endpoint::Bars => &[
            (1, "ContractNotFound", K::NotFound),
            (2, "UnitInvalid", K::InvalidRequest),
            (3, "UnitNumberInvalid", K::InvalidRequest),
            (4, "LimitInvalid", K::InvalidRequest),
        ],
        Endpoint::Order => &[(1, "OrderNotFound", K::NotFound)],
        Endpoint::Orders | Endpoint::QueryOrders | Endpoint::Positions | Endpoint::Trades => {
            &[(1, "AccountNotFound", K::NotFound)]
        }
        Endpoint::Place => &[
            (1, "AccountNotFound", K::NotFound),
            (2, "OrderRejected", K::OrderRejected),
            (3, "InsufficientFunds", K::InsufficientFunds),
            (4, "AccountViolation", K::Permission),
            (5, "OutsideTradingHours", K::MarketClosed),
            (6, "OrderPending", K::Unavailable),
            (7, "UnknownError", K::Unavailable),
            (8, "ContractNotFound", K::NotFound),
            (9, "ContractNotActive", K::InvalidRequest),
            (10, "AccountRejected", K::Permission),
        ],
        Endpoint::Modify => &[
            (1, "AccountNotFound", K::NotFound),
            (2, "OrderNotFound", K::NotFound),
            (3, "Rejected", K::OrderRejected),
            (4, "Pending", K::Unavailable),
            (5, "UnknownError", K::Unavailable),
            (6, "AccountRejected", K::Permission),
            (7, "ContractNotFound", K::NotFound),
        ],
        Endpoint::Cancel => &[
            (1, "AccountNotFound", K::NotFound),
            (2, "OrderNotFound", K::NotFound),
            (3, "Rejected", K::OrderRejected),
            (4, "Pending", K::Unavailable),
            (5, "UnknownError", K::Unavailable),
            (6, "AccountRejected", K::Permission),
        ],
        Endpoint::Close => &[
            (1, "AccountNotFound", K::NotFound),
            (2, "PositionNotFound", K::NotFound),
            (3, "ContractNotFound", K::NotFound),
            (4, "ContractNotActive", K::InvalidRequest),
            (5, "OrderRejected", K::OrderRejected),
            (6, "OrderPending", K::Unavailable),
            (7, "UnknownError", K::Unavailable),
            (8, "AccountRejected", K::Permission),
        ],
        // From 5 on shifted by one.
        Endpoint::PartialClose => &[
            (1, "AccountNotFound", K::NotFound),
            (2, "PositionNotFound", K::NotFound),
            (3, "ContractNotFound", K::NotFound),
            (4, "ContractNotActive", K::InvalidRequest),
            (5, "InvalidCloseSize", K::InvalidRequest),
            (6, "OrderRejected", K::OrderRejected),
            (7, "OrderPending", K::Unavailable),
            (8, "UnknownError", K::Unavailable),
            (9, "AccountRejected", K::Permission),
        ],
        Endpoint::Accounts | Endpoint::Contracts => &[],
    };
    let found = table.iter().find(|(known, _, _)| *known == code);
    // A number that nobody has explained leaves open what was done.
    let unknown = match endpoint.is_write() {
        true => K::Unavailable,
        false => K::Unknown,
    };
    found.map_or(("an unknown code", unknown), |(_, name, kind)| (*name, *kind))
}

/// One code stands for many reasons to refuse an order; its words decide.
fn by_words(words: &str) -> ErrorKind {
    let words = words.to_ascii_lowercase();
    let says = |parts: &[&str]| parts.iter().any(|part| words.contains(part));
    if says(&["tag"]) && says(&["unique", "duplicate", "already", "exist", "in use", "used"]) {
        return ErrorKind::DuplicateOrder;
    }
    if says(&["outside of trading hours", "not in an active trading status"]) {
        return ErrorKind::MarketClosed;
    }
    let wrong = [
        "invalid order type",
        "invalid order size",
        "invalid trail price",
        "trail distance",
        "invalid symbol",
        "brackets cannot be used",
        "ticks should be",
    ];
    match says(&wrong) {
        true => ErrorKind::InvalidRequest,
        false => ErrorKind::OrderRejected,
    }
}

fn help(endpoint: Endpoint, code: i64, words: &str) -> Option<&'static str> {
    match (endpoint, code) {
        (Endpoint::Login, 1..=3) => Some("the login name is the platform's, not the e-mail address; check the API key"),
        (Endpoint::Login, 7) => Some("sign the agreements on the platform"),
        (Endpoint::Login, 9) => Some("buy API access and link it to the profile on the platform"),
        (Endpoint::Place, 2) if words.contains("Auto OCO") => {
            Some("switch the account to Auto OCO Brackets in the platform's risk settings")
        }
        (Endpoint::Place, 9) => Some("the contract has rolled: trade the active one"),
        (Endpoint::Cancel, 2) => Some("read the order: it may have filled"),
        (Endpoint::Cancel, 6) => Some("the gateway cancels only in simulated accounts that follow no other"),
        _ => None,
    }
}
