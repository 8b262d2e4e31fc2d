//! One error type for the whole family.
//!
//! [`Error::kind`] is for code. [`Error::code`] and [`Error::message`] are the broker's own words, for people and
//! logs, escaped and cut. [`Error::delivery`] says whether the request can have reached the venue: the field that
//! makes trading safe.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::id::BrokerId;

/// A result whose error is [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, in terms that code can act on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The key, token or signature was refused.
    Auth,
    /// The grant is dead: a person must authorize again. Never retried.
    ReauthRequired,
    /// The key is good but may not do this.
    Permission,
    /// Too many requests; [`Error::retry_after`] may say when to come again.
    RateLimited,
    /// The request is wrong as it stands and will be refused again.
    InvalidRequest,
    /// Not enough cash, margin or holdings.
    InsufficientFunds,
    /// There is no such thing at the venue.
    NotFound,
    /// The market is closed for this now.
    MarketClosed,
    /// The client order id was used before.
    DuplicateOrder,
    /// The venue refused the order for a reason of its own.
    OrderRejected,
    /// The venue cannot be reached or cannot answer now.
    Unavailable,
    /// This broker, or this crate, cannot do it. Nothing was sent.
    Unsupported,
    /// The program is set up wrongly: a missing variable, a bad URL.
    Config,
    /// An answer that cannot be read.
    Decode,
    /// An answer that breaks the protocol: a redirect, a body over its cap.
    Protocol,
    /// None of the above.
    Unknown,
}

/// Whether the request can have reached the venue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Delivery {
    /// No byte of the request left us. Only the connector and the gate say so.
    NotSent,
    /// It may have arrived.
    Unknown,
    /// The venue answered.
    Answered,
}

/// An error of any broker. Eight bytes, cheap to clone.
///
/// ```
/// use broker_core::{Delivery, Error, ErrorKind};
/// let error = Error::new(ErrorKind::RateLimited).with_operation("orders").with_message("too many requests");
/// assert_eq!(error.kind(), ErrorKind::RateLimited);
/// assert_eq!(error.delivery(), Delivery::Unknown);
/// assert_eq!(error.to_string(), "orders: rate limited: too many requests");
/// ```
#[derive(Clone)]
pub struct Error(Box<Inner>);

#[derive(Clone)]
struct Inner {
    kind: ErrorKind,
    delivery: Delivery,
    broker: Option<BrokerId>,
    operation: Option<&'static str>,
    code: Option<Arc<str>>,
    message: Option<Arc<str>>,
    status: Option<u16>,
    retry_after: Option<Duration>,
    help: Option<Arc<str>>,
    source: Option<Arc<dyn std::error::Error + Send + Sync>>,
}

/// Longest broker text that an error keeps, in characters.
const LONGEST_TEXT: usize = 400;

impl Error {
    /// An error of this kind, with delivery [`Delivery::Unknown`].
    pub fn new(kind: ErrorKind) -> Self {
        Self(Box::new(Inner {
            kind,
            delivery: Delivery::Unknown,
            broker: None,
            operation: None,
            code: None,
            message: None,
            status: None,
            retry_after: None,
            help: None,
            source: None,
        }))
    }

    /// Shorthand for [`ErrorKind::Unsupported`], nothing sent.
    pub fn unsupported(what: impl AsRef<str>) -> Self {
        Self::new(ErrorKind::Unsupported)
            .with_delivery(Delivery::NotSent)
            .with_message(what)
    }

    /// Shorthand for [`ErrorKind::InvalidRequest`] found before sending.
    pub fn invalid(what: impl AsRef<str>) -> Self {
        Self::new(ErrorKind::InvalidRequest)
            .with_delivery(Delivery::NotSent)
            .with_message(what)
    }

    /// Shorthand for [`ErrorKind::Decode`].
    pub fn decode(what: impl AsRef<str>) -> Self {
        Self::new(ErrorKind::Decode).with_message(what)
    }

    /// Shorthand for [`ErrorKind::Config`], nothing sent.
    pub fn config(what: impl AsRef<str>) -> Self {
        Self::new(ErrorKind::Config)
            .with_delivery(Delivery::NotSent)
            .with_message(what)
    }

    /// Replaces the kind.
    #[must_use]
    pub fn with_kind(mut self, kind: ErrorKind) -> Self {
        self.0.kind = kind;
        self
    }

    /// Says whether the request can have arrived.
    #[must_use]
    pub fn with_delivery(mut self, delivery: Delivery) -> Self {
        self.0.delivery = delivery;
        self
    }

    /// Names the broker.
    #[must_use]
    pub fn with_broker(mut self, broker: BrokerId) -> Self {
        self.0.broker = Some(broker);
        self
    }

    /// Names the call that failed.
    #[must_use]
    pub fn with_operation(mut self, operation: &'static str) -> Self {
        self.0.operation = Some(operation);
        self
    }

    /// What names errors from before the first byte of a write. A read that was made for it has answered, or has not:
    /// either way nothing was placed, changed or canceled. An operation that is named already stays.
    pub fn unsent(broker: BrokerId, operation: &'static str) -> impl Fn(Self) -> Self {
        move |error| {
            let error = error.with_delivery(Delivery::NotSent).with_broker(broker.clone());
            match error.operation() {
                Some(_) => error,
                None => error.with_operation(operation),
            }
        }
    }

    /// The broker's own code, escaped and cut.
    #[must_use]
    pub fn with_code(mut self, code: impl AsRef<str>) -> Self {
        self.0.code = Some(printable(code.as_ref()).into());
        self
    }

    /// What happened, in the broker's words where it has any; escaped and cut.
    #[must_use]
    pub fn with_message(mut self, message: impl AsRef<str>) -> Self {
        self.0.message = Some(printable(message.as_ref()).into());
        self
    }

    /// The HTTP status of the answer.
    #[must_use]
    pub fn with_status(mut self, status: u16) -> Self {
        self.0.status = Some(status);
        self
    }

    /// The venue's hint when to come again.
    #[must_use]
    pub fn with_retry_after(mut self, wait: Duration) -> Self {
        self.0.retry_after = Some(wait);
        self
    }

    /// What a person can do about it.
    #[must_use]
    pub fn with_help(mut self, help: impl AsRef<str>) -> Self {
        self.0.help = Some(printable(help.as_ref()).into());
        self
    }

    /// The error underneath. Its text is printed: give none that holds a URL or a secret.
    #[must_use]
    pub fn with_source(mut self, source: impl std::error::Error + Send + Sync + 'static) -> Self {
        self.0.source = Some(Arc::new(source));
        self
    }

    /// What went wrong.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Whether the request can have arrived.
    pub fn delivery(&self) -> Delivery {
        self.0.delivery
    }

    /// The broker that was asked.
    pub fn broker(&self) -> Option<&BrokerId> {
        self.0.broker.as_ref()
    }

    /// The call that failed.
    pub fn operation(&self) -> Option<&'static str> {
        self.0.operation
    }

    /// The broker's own code.
    pub fn code(&self) -> Option<&str> {
        self.0.code.as_deref()
    }

    /// The broker's own words, or ours.
    pub fn message(&self) -> Option<&str> {
        self.0.message.as_deref()
    }

    /// The HTTP status of the answer.
    pub fn status(&self) -> Option<u16> {
        self.0.status
    }

    /// When the venue wants to be asked again.
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// What a person can do about it.
    pub fn help(&self) -> Option<&str> {
        self.0.help.as_deref()
    }
}

/// Escapes what does not print and cuts what is long: wire text can hold terminal sequences and whole pages.
fn printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len().min(LONGEST_TEXT));
    for (count, c) in text.chars().enumerate() {
        if count == LONGEST_TEXT {
            out.push('…');
            break;
        }
        if c.is_control() || is_invisible(c) {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    out
}

/// Characters that reorder or hide the text around them.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Auth => "authentication refused",
            Self::ReauthRequired => "authorization expired",
            Self::Permission => "not permitted",
            Self::RateLimited => "rate limited",
            Self::InvalidRequest => "invalid request",
            Self::InsufficientFunds => "insufficient funds",
            Self::NotFound => "not found",
            Self::MarketClosed => "market closed",
            Self::DuplicateOrder => "duplicate order",
            Self::OrderRejected => "order rejected",
            Self::Unavailable => "unavailable",
            Self::Unsupported => "unsupported",
            Self::Config => "configuration",
            Self::Decode => "unreadable answer",
            Self::Protocol => "protocol violation",
            Self::Unknown => "unknown error",
        })
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = &*self.0;
        if let Some(broker) = &inner.broker {
            write!(f, "{broker} ")?;
        }
        if let Some(operation) = inner.operation {
            write!(f, "{operation}: ")?;
        }
        write!(f, "{}", inner.kind)?;
        match (inner.status, &inner.code) {
            (Some(status), Some(code)) => write!(f, " (HTTP {status}, code {code})")?,
            (Some(status), None) => write!(f, " (HTTP {status})")?,
            (None, Some(code)) => write!(f, " (code {code})")?,
            (None, None) => {}
        }
        if let Some(message) = &inner.message {
            write!(f, ": {message}")?;
        }
        if let Some(wait) = inner.retry_after {
            write!(f, "; try again after {} s", wait.as_millis().div_ceil(1000))?;
        }
        if let Some(help) = &inner.help {
            write!(f, "; {help}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = &*self.0;
        let mut out = f.debug_struct("Error");
        out.field("kind", &inner.kind).field("delivery", &inner.delivery);
        if let Some(broker) = &inner.broker {
            out.field("broker", broker);
        }
        if let Some(operation) = inner.operation {
            out.field("operation", &operation);
        }
        if let Some(status) = inner.status {
            out.field("status", &status);
        }
        if let Some(code) = &inner.code {
            out.field("code", code);
        }
        if let Some(message) = &inner.message {
            out.field("message", message);
        }
        if let Some(wait) = inner.retry_after {
            out.field("retry_after", &wait);
        }
        if let Some(help) = &inner.help {
            out.field("help", help);
        }
        if let Some(source) = &inner.source {
            out.field("source", &source.to_string());
        }
        out.finish_non_exhaustive()
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0
            .source
            .as_ref()
            .map(|source| &**source as &(dyn std::error::Error + 'static))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_result_stays_small() {
        assert_eq!(size_of::<Error>(), 8);
        assert_eq!(size_of::<Result<()>>(), 8);
    }

    #[test]
    fn a_new_error_does_not_claim_that_nothing_was_sent() {
        assert_eq!(Error::new(ErrorKind::Unavailable).delivery(), Delivery::Unknown);
        assert_eq!(Error::unsupported("stop-limit").delivery(), Delivery::NotSent);
    }

    #[test]
    fn wire_text_is_escaped_and_cut() {
        let error = Error::new(ErrorKind::Unknown).with_message("red \u{1b}[31m\nand \u{202e}back");
        assert_eq!(error.message(), Some("red \\u{1b}[31m\\nand \\u{202e}back"));
        let long = Error::new(ErrorKind::Unknown).with_message("é".repeat(1000));
        assert_eq!(long.message().unwrap().chars().count(), 401);
    }

    #[test]
    fn display_says_what_where_and_what_to_do() {
        let error = Error::new(ErrorKind::Auth)
            .with_broker(BrokerId::from("alpaca"))
            .with_operation("account")
            .with_status(403)
            .with_message("forbidden.")
            .with_help("check APCA_API_KEY_ID");
        assert_eq!(
            error.to_string(),
            "alpaca account: authentication refused (HTTP 403): forbidden.; check APCA_API_KEY_ID"
        );
    }
}
