//! One call, and the three things that a broker gives the pipeline.

use std::fmt::{self, Debug};
use std::sync::Arc;

use ::http::{HeaderMap, Method, StatusCode};
use async_trait::async_trait;
use bytes::Bytes;
use url::Url;

use crate::error::{Error, Result};
use crate::journal::Gate;
use crate::limit::{BucketKey, ConnectLimit, Cost, Lane, Lesson};
use crate::retry::OpClass;
use crate::seam::Timeouts;

/// One call: the request, its name and class, what it costs, and whom it waits for.
///
/// The query is one text, encoded as it will be sent: what is signed and what is sent are one buffer.
#[derive(Clone)]
pub struct Call {
    /// Name for errors, spans and tables: `orders`.
    pub op: &'static str,
    /// What it does.
    pub class: OpClass,
    /// Method.
    pub method: Method,
    /// Scheme, host and port, and a path prefix where the broker has one.
    pub base: Url,
    /// Path below the base, encoded, with a leading slash.
    pub path: String,
    /// Query, encoded, without the question mark.
    pub query: String,
    /// Headers; secret ones are marked sensitive.
    pub headers: HeaderMap,
    /// Body as it will be sent.
    pub body: Bytes,
    /// What it costs.
    pub cost: Vec<Cost>,
    /// Its lane at the limiter.
    pub lane: Lane,
    /// What a new connection pays to, should this call open one.
    pub connects: Option<ConnectLimit>,
    /// Calls with the same turn go one after another, from `authorize` until the answer.
    pub turn: Option<Arc<str>>,
    /// Asked just before the first byte.
    pub gate: Option<Gate>,
    /// How long each part may take.
    pub timeouts: Timeouts,
    /// Largest body taken, in bytes.
    pub largest_body: usize,
}

/// Largest body of a usual answer: 8 MiB.
const USUAL_BODY: usize = 8 << 20;

impl Call {
    /// A read.
    pub fn get(op: &'static str, base: &Url, path: impl Into<String>) -> Self {
        Self::new(op, OpClass::Read, Method::GET, base, path)
    }

    /// Any call. Orders and other writes get the shorter time-out and the lane of orders.
    pub fn new(op: &'static str, class: OpClass, method: Method, base: &Url, path: impl Into<String>) -> Self {
        let write = class == OpClass::Write;
        Self {
            op,
            class,
            method,
            base: base.clone(),
            path: path.into(),
            query: String::new(),
            headers: HeaderMap::new(),
            body: Bytes::new(),
            cost: Vec::new(),
            lane: if write { Lane::Order } else { Lane::Read },
            connects: None,
            turn: None,
            gate: None,
            timeouts: if write { Timeouts::ORDER } else { Timeouts::READ },
            largest_body: USUAL_BODY,
        }
    }

    /// Adds a query parameter, percent-encoded (RFC 3986: everything but letters, digits and `-._~`).
    #[must_use]
    pub fn param(mut self, name: &str, value: impl AsRef<str>) -> Self {
        const KEPT: &percent_encoding::AsciiSet = &percent_encoding::NON_ALPHANUMERIC
            .remove(b'-')
            .remove(b'.')
            .remove(b'_')
            .remove(b'~');
        if !self.query.is_empty() {
            self.query.push('&');
        }
        self.query.push_str(name);
        self.query.push('=');
        self.query
            .extend(percent_encoding::utf8_percent_encode(value.as_ref(), KEPT));
        self
    }

    /// Adds a cost.
    #[must_use]
    pub fn costs(mut self, bucket: &BucketKey, weight: u32) -> Self {
        self.cost.push(Cost {
            bucket: Arc::clone(bucket),
            weight,
        });
        self
    }

    /// Should this call open a connection, that waits for the limit.
    #[must_use]
    pub fn connects(mut self, limit: &ConnectLimit) -> Self {
        self.connects = Some(limit.clone());
        self
    }

    /// A JSON body.
    #[must_use]
    pub fn json(mut self, body: impl Into<Bytes>) -> Self {
        self.headers.insert(
            ::http::header::CONTENT_TYPE,
            ::http::HeaderValue::from_static("application/json"),
        );
        self.body = body.into();
        self
    }

    /// Takes bodies up to this many bytes: for endpoints that name it, instrument lists and statements.
    #[must_use]
    pub fn body_up_to(mut self, bytes: usize) -> Self {
        self.largest_body = bytes;
        self
    }

    /// Asks this gate just before the first byte.
    #[must_use]
    pub fn gated(mut self, gate: &Gate) -> Self {
        self.gate = Some(gate.clone());
        self
    }

    /// In this lane.
    #[must_use]
    pub fn in_lane(mut self, lane: Lane) -> Self {
        self.lane = lane;
        self
    }
}

/// Shows name and method; never the path, which may name an account, nor the query, a header or the body.
impl Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Call({} {})", self.op, self.method)
    }
}

/// A whole answer.
pub struct Reply {
    /// Status.
    pub status: StatusCode,
    /// Headers.
    pub headers: HeaderMap,
    /// The body as text.
    pub body: String,
}

/// Shows the status and the size; never a header or the body.
impl Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Reply({}, {} bytes)", self.status, self.body.len())
    }
}

/// What an answer means, and what it taught the limiter.
#[derive(Debug)]
pub struct Verdict {
    /// What it means.
    pub outcome: Outcome,
    /// What it taught.
    pub lessons: Vec<(BucketKey, Lesson)>,
}

/// What an answer means.
#[derive(Debug)]
pub enum Outcome {
    /// Read it.
    Good,
    /// It is an error.
    Bad {
        /// Which.
        error: Error,
        /// The answer proves that nothing was done, so that even a write may be repeated.
        nothing_done: bool,
    },
    /// An error that can be cured once by [`Protocol::mend`]; nothing was done.
    Mend(Error),
}

impl Verdict {
    /// Good, nothing taught.
    pub fn good() -> Self {
        Self {
            outcome: Outcome::Good,
            lessons: Vec::new(),
        }
    }

    /// An error, nothing taught.
    pub fn bad(error: Error) -> Self {
        Self {
            outcome: Outcome::Bad {
                error,
                nothing_done: false,
            },
            lessons: Vec::new(),
        }
    }

    /// With what the answer taught.
    #[must_use]
    pub fn with_lessons(mut self, lessons: Vec<(BucketKey, Lesson)>) -> Self {
        self.lessons = lessons;
        self
    }
}

/// What a broker gives the pipeline.
#[async_trait]
pub trait Protocol: Debug + Send + Sync + 'static {
    /// Signs the call: fresh nonce, time and signature, or a token from the core's cache. Not called for sign-ins.
    async fn authorize(&self, call: &mut Call) -> Result<()>;

    /// What the answer means. It sees the call because some codes mean different things by endpoint, and because
    /// some brokers say "error" under HTTP 200.
    fn classify(&self, call: &Call, reply: &Reply) -> Verdict;

    /// Cures what [`Outcome::Mend`] named: a new token, the venue's clock. Then the call is made once more.
    async fn mend(&self, error: &Error) -> Result<()>;
}
