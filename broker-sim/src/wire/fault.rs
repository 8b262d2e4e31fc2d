//! What is to go wrong with requests, as data.

use std::fmt::{self, Debug};
use std::sync::Arc;
use std::time::Duration;

use super::message::WireRequest;
use super::plan::Turn;

/// How a refusal says when to come again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetryHint {
    /// It does not say.
    None,
    /// `Retry-After: 30`.
    Seconds(u32),
    /// `Retry-After: Thu, 01 Jan 2026 00:00:30 GMT`, this many seconds ahead of the venue's clock.
    Date(u32),
}

/// One thing that goes wrong with a request or its answer.
///
/// The client's doubt is the same whether the venue handled a request or not; the faults say which, so that a
/// campaign can have both.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// No connection: in memory the one fault that proves that no byte left. On loopback the connection is reset
    /// before the venue sees the request, which a client cannot tell from [`Fault::Reset`].
    RefuseConnection,
    /// A black hole: the venue never sees the request, and no answer ever comes.
    DropRequest,
    /// The venue handles the request, and no answer ever comes.
    DropAnswer,
    /// The request arrives this much later, whether the client still waits or not.
    DelayRequest(Duration),
    /// The answer comes this much later.
    DelayAnswer(Duration),
    /// An error in the venue's place: it never sees the request.
    ErrorBefore(u16, String),
    /// The venue handles the request, and the client gets this error.
    ErrorAfter(u16, String),
    /// 429 in the venue's place, with this body.
    RateLimited(RetryHint, String),
    /// This status and body in the venue's place, now and for this long, for every request. `Retry-After` says how
    /// long it still lasts.
    Ban(u16, String, Duration),
    /// The connection is reset, before or after the venue handled the request.
    Reset {
        /// Whether the venue handles it first.
        handled: bool,
    },
    /// The connection is closed without an answer, before or after the venue handled the request.
    Fin {
        /// Whether the venue handles it first.
        handled: bool,
    },
    /// The connection is closed after this many bytes of the body.
    CutBody(usize),
    /// Nothing more comes after this many bytes of the body, and the connection stays open.
    StallBody(usize),
    /// The body comes in pieces of this size, one after each wait.
    SlowDrip {
        /// Bytes of a piece; at least one is sent.
        piece: usize,
        /// Wait before each piece.
        every: Duration,
    },
    /// A whole answer whose JSON text ends in the middle. The venue handled the request.
    TruncatedJson,
    /// 200 with a page of HTML. The venue handled the request.
    Html200,
    /// 200 with an empty body. The venue handled the request.
    Empty200,
    /// The request loses its credentials on the way, so that the venue refuses it in its own words.
    ExpiredToken,
    /// The venue sees its clock this many milliseconds ahead.
    ClockSkew(i64),
}

impl Fault {
    /// Its name, for counts and records.
    pub fn name(&self) -> &'static str {
        match self {
            Self::RefuseConnection => "refuse_connection",
            Self::DropRequest => "drop_request",
            Self::DropAnswer => "drop_answer",
            Self::DelayRequest(_) => "delay_request",
            Self::DelayAnswer(_) => "delay_answer",
            Self::ErrorBefore(..) => "error_before",
            Self::ErrorAfter(..) => "error_after",
            Self::RateLimited(..) => "rate_limited",
            Self::Ban(..) => "ban",
            Self::Reset { .. } => "reset",
            Self::Fin { .. } => "fin",
            Self::CutBody(_) => "cut_body",
            Self::StallBody(_) => "stall_body",
            Self::SlowDrip { .. } => "slow_drip",
            Self::TruncatedJson => "truncated_json",
            Self::Html200 => "html_200",
            Self::Empty200 => "empty_200",
            Self::ExpiredToken => "expired_token",
            Self::ClockSkew(_) => "clock_skew",
        }
    }
}

type Predicate = Arc<dyn Fn(&WireRequest) -> bool + Send + Sync>;

/// Which requests a rule hits. What is not said hits all.
#[derive(Clone, Default)]
pub struct When {
    method: Option<String>,
    prefix: Option<String>,
    predicate: Option<Predicate>,
    pub(super) turn: Turn,
}

impl When {
    /// Every request.
    pub fn always() -> Self {
        Self::default()
    }

    /// Requests of this method.
    #[must_use]
    pub fn method(mut self, method: &str) -> Self {
        self.method = Some(method.to_ascii_uppercase());
        self
    }

    /// Requests whose path starts like this.
    #[must_use]
    pub fn path(mut self, prefix: &str) -> Self {
        self.prefix = Some(prefix.to_owned());
        self
    }

    /// Requests that pass a test.
    #[must_use]
    pub fn matching(mut self, predicate: impl Fn(&WireRequest) -> bool + Send + Sync + 'static) -> Self {
        self.predicate = Some(Arc::new(predicate));
        self
    }

    /// Only the n-th request that fits, counted from 1.
    #[must_use]
    pub fn nth(mut self, nth: u64) -> Self {
        self.turn.nth = Some(nth);
        self
    }

    /// At most this often.
    #[must_use]
    pub fn at_most(mut self, times: u64) -> Self {
        self.turn.at_most = Some(times);
        self
    }

    /// With this probability, in thousandths.
    #[must_use]
    pub fn per_mille(mut self, chance: u16) -> Self {
        self.turn.per_mille = Some(chance);
        self
    }

    pub(super) fn fits(&self, request: &WireRequest) -> bool {
        self.method.as_ref().is_none_or(|method| *method == request.method)
            && self
                .prefix
                .as_ref()
                .is_none_or(|prefix| request.path.starts_with(prefix))
            && self.predicate.as_ref().is_none_or(|predicate| predicate(request))
    }
}

impl Debug for When {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("When")
            .field("method", &self.method)
            .field("prefix", &self.prefix)
            .field("predicate", &self.predicate.is_some())
            .field("turn", &self.turn)
            .finish()
    }
}

/// A fault and the requests that it hits.
#[derive(Debug, Clone)]
pub struct FaultRule {
    /// Which requests.
    pub when: When,
    /// What happens to them.
    pub fault: Fault,
}
