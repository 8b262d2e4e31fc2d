//! The wire.

use std::fmt::{self, Debug};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use url::Url;

use super::BoxStream;
use crate::error::Result;
use crate::limit::ConnectLimit;

/// How long each part of a call may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// Until the connection stands. Only this one proves that nothing was sent.
    pub connect: Duration,
    /// Between two pieces of the answer.
    pub read: Duration,
    /// The whole call.
    pub total: Duration,
}

impl Timeouts {
    /// For reads: connect 5 s, read 15 s, total 30 s.
    pub const READ: Self = Self {
        connect: Duration::from_secs(5),
        read: Duration::from_secs(15),
        total: Duration::from_secs(30),
    };
    /// For orders: total 10 s.
    pub const ORDER: Self = Self {
        total: Duration::from_secs(10),
        ..Self::READ
    };
}

/// One request, ready for the wire: signed, with its body in one buffer.
pub struct Request {
    /// Method, URL, headers and body. Secret headers are marked sensitive.
    pub http: http::Request<Bytes>,
    /// How long it may take. The transport keeps `connect`; the pipeline keeps the others.
    pub timeouts: Timeouts,
    /// What a new connection pays to, should this request open one.
    pub connects: Option<ConnectLimit>,
}

impl Request {
    /// A request whose connection no limit counts.
    pub fn new(http: http::Request<Bytes>, timeouts: Timeouts) -> Self {
        Self {
            http,
            timeouts,
            connects: None,
        }
    }
}

/// Shows the method and the host; never the path, which may name an account, nor a header, a query or a body.
impl Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = self.http.uri().host().unwrap_or_default();
        write!(f, "Request({} {host})", self.http.method())
    }
}

/// The pieces of an answer's body, as they come.
pub type AnswerBody = BoxStream<'static, Result<Bytes>>;

/// The head of an answer, and a body that comes in pieces. A chunked stream is an answer that does not end.
pub struct Answer {
    /// Status and headers; the body is the stream.
    pub http: http::Response<AnswerBody>,
}

impl Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Answer({})", self.http.status())
    }
}

/// Where to open a carrier of frames.
#[derive(Clone)]
pub enum OpenRequest {
    /// A WebSocket, with the headers of its upgrade request.
    WebSocket {
        /// `wss:` (or `ws:` on loopback).
        url: Url,
        /// Headers of the upgrade; secret ones are marked sensitive.
        headers: http::HeaderMap,
        /// Largest message taken, in bytes.
        largest_message: usize,
    },
    /// A TCP byte pipe.
    Tcp {
        /// Host name or address.
        host: String,
        /// Port.
        port: u16,
    },
}

impl Debug for OpenRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WebSocket { url, .. } => write!(f, "WebSocket({})", url.host_str().unwrap_or_default()),
            Self::Tcp { host, port } => write!(f, "Tcp({host}:{port})"),
        }
    }
}

/// One frame of a carrier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    /// A text message.
    Text(String),
    /// A binary message, or a piece of a byte pipe.
    Binary(Bytes),
    /// A ping; carriers answer it by themselves.
    Ping(Bytes),
    /// A pong.
    Pong(Bytes),
    /// The other side closes, with a code and a reason if it gave any.
    Close(Option<(u16, String)>),
}

/// An open carrier of frames, both ways. Dropping it closes it.
#[async_trait]
pub trait Carrier: Debug + Send {
    /// The next frame; `None` once the carrier has ended. Safe to drop while waiting: no frame is lost.
    async fn receive(&mut self) -> Option<Result<Frame>>;

    /// Sends one frame.
    async fn send(&mut self, frame: Frame) -> Result<()>;
}

/// Sends requests and opens carriers.
///
/// An error says [`Delivery::NotSent`](crate::Delivery::NotSent) only if no byte of the request left. No redirect is
/// followed, no request is repeated, and nothing of a URL's query or of a header is in an error.
#[async_trait]
pub trait Transport: Debug + Send + Sync + 'static {
    /// Sends a request and gives the answer's head as soon as it is there.
    async fn send(&self, request: Request) -> Result<Answer>;

    /// Opens a carrier.
    async fn open(&self, request: OpenRequest) -> Result<Box<dyn Carrier>>;
}
