//! Alpaca's refusals. One code stands for many things, so the message decides with it; both are kept.

use std::time::Duration;

use broker_core::http::{Call, Outcome, Reply, Verdict, retry_after};
use broker_core::limit::{BucketKey, Lesson};
use broker_core::num::{Text, decimal};
use broker_core::{Delivery, Error, ErrorKind};
use chrono::{DateTime, Utc};
use http::header::HeaderName;
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

const LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-limit");
const REMAINING: HeaderName = HeaderName::from_static("x-ratelimit-remaining");
const RESET: HeaderName = HeaderName::from_static("x-ratelimit-reset");

fn lessons(call: &Call, reply: &Reply, now: DateTime<Utc>) -> Vec<(BucketKey, Lesson)> {
    let Some(cost) = call.cost.first() else {
        return Vec::new();
    };
    let mut lessons = Vec::new();
    if let Some(remaining) = number(&reply.headers, &REMAINING) {
        let lesson = Lesson::Remaining {
            limit: number(&reply.headers, &LIMIT),
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
    DateTime::from_timestamp(number(headers, &RESET)?, 0)
}

fn number<T: std::str::FromStr>(headers: &HeaderMap, name: &HeaderName) -> Option<T> {
    headers.get(name)?.to_str().ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests;
