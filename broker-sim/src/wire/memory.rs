//! The shell in memory: the core's seam over a venue, with latency and damage in the clock's own time.

use std::collections::BTreeSet;
use std::fmt::{self, Debug};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use broker_core::seam::{Answer, AnswerBody, Carrier, Clock, Frame, OpenRequest, Request, Rng, Spawn, Transport};
use broker_core::{Delivery, Error, ErrorKind, Result};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::oneshot;

use super::desk::{Back, Desk, Outcome};
use super::fault::Faults;
use super::message::{WireAnswer, WireRequest};
use super::record::Recorder;
use super::venue::{SharedVenue, SocketId};

/// A [`Transport`] that ends at a venue in the same process.
///
/// A request travels on a task of its own, as bytes that have left do: a caller that gives up does not stop it. An
/// answer that never comes is an error once the request's total time is over; all other time-outs are the
/// pipeline's. Frames of sockets arrive at once, and faults hit requests only.
#[derive(Clone)]
pub struct MemoryTransport {
    desk: Desk,
    clock: Arc<dyn Clock>,
    rng: Arc<dyn Rng>,
    spawn: Arc<dyn Spawn>,
    latency: (Duration, Duration),
    /// Host names that resolve; empty is all.
    hosts: BTreeSet<String>,
}

/// Least and most time of one way, unless told otherwise.
const USUAL_LATENCY: (Duration, Duration) = (Duration::from_millis(5), Duration::from_millis(20));

impl MemoryTransport {
    /// A transport to this venue: any host name leads there, nothing goes wrong, 5 to 20 ms each way.
    pub fn new(venue: SharedVenue, clock: Arc<dyn Clock>, rng: Arc<dyn Rng>, spawn: Arc<dyn Spawn>) -> Self {
        Self {
            desk: Desk::new(venue),
            clock,
            rng,
            spawn,
            latency: USUAL_LATENCY,
            hosts: BTreeSet::new(),
        }
    }

    /// Another latency: each way takes from `least` to `most`.
    #[must_use]
    pub fn with_latency(mut self, least: Duration, most: Duration) -> Self {
        self.latency = (least, most.max(least));
        self
    }

    /// Only these host names resolve.
    #[must_use]
    pub fn with_hosts<'a>(mut self, hosts: impl IntoIterator<Item = &'a str>) -> Self {
        self.hosts = hosts.into_iter().map(str::to_owned).collect();
        self
    }

    /// What goes wrong.
    #[must_use]
    pub fn with_faults(mut self, faults: Faults) -> Self {
        self.desk.faults = faults;
        self
    }

    /// Where requests are recorded.
    #[must_use]
    pub fn with_recorder(mut self, recorder: Recorder) -> Self {
        self.desk.recorder = recorder;
        self
    }

    /// What goes wrong, to be steered while it runs.
    pub fn faults(&self) -> &Faults {
        &self.desk.faults
    }

    /// What came in.
    pub fn recorder(&self) -> &Recorder {
        &self.desk.recorder
    }

    fn one_way(&self) -> Duration {
        let (least, most) = self.latency;
        let spread = u64::try_from((most - least).as_micros()).unwrap_or(u64::MAX);
        least + Duration::from_micros(self.rng.below(spread.saturating_add(1)))
    }

    /// Fails unless the host resolves; the request is recorded as not sent.
    fn resolve(&self, host: Option<&str>, request: &WireRequest) -> Result<()> {
        if self.hosts.is_empty() || host.is_some_and(|host| self.hosts.contains(host)) {
            return Ok(());
        }
        self.desk.unreachable(request, self.clock.now());
        Err(unreachable("no such host"))
    }

    /// Sets the request on its way. The task goes on when the receiver is dropped.
    fn dispatch(&self, request: WireRequest) -> Result<oneshot::Receiver<Outcome>> {
        let passage = self.desk.accept(request, self.clock.now());
        if passage.is_refused() {
            return Err(unreachable("connection refused"));
        }
        let (there, back) = (self.one_way() + passage.hold_up(), self.one_way());
        let (desk, clock) = (self.desk.clone(), Arc::clone(&self.clock));
        let (sender, receiver) = oneshot::channel();
        self.spawn.spawn(Box::pin(async move {
            clock.sleep(there).await;
            let outcome = desk.serve(passage, clock.now());
            clock.sleep(back + outcome.delay).await;
            // Nobody waits any more when the caller gave up.
            let _ = sender.send(outcome);
        }));
        Ok(receiver)
    }
}

impl Debug for MemoryTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MemoryTransport({:?})", self.latency)
    }
}

#[async_trait]
impl Transport for MemoryTransport {
    async fn send(&self, request: Request) -> Result<Answer> {
        let started = self.clock.elapsed();
        let total = request.timeouts.total;
        let wire = wire_request(&request.http);
        self.resolve(request.http.uri().host(), &wire)?;
        let outcome = self.dispatch(wire)?.await.map_err(|_| lost("the venue is gone"))?;
        match outcome.back {
            Back::Whole(answer) => head(&answer, piece(answer.body.clone())),
            Back::Cut(answer, at) => head(&answer, cut(&answer.body, at)),
            Back::Stalled(answer, at) => head(&answer, stalled(&answer.body, at)),
            Back::Dripped { answer, piece, every } => {
                let body = dripped(answer.body.clone(), piece, every, Arc::clone(&self.clock));
                head(&answer, body)
            }
            Back::Silence => {
                let passed = self.clock.elapsed().saturating_sub(started);
                self.clock.sleep(total.saturating_sub(passed)).await;
                Err(lost("no answer in time"))
            }
            Back::Reset => Err(lost("connection reset")),
            Back::Fin => Err(lost("connection closed before an answer")),
        }
    }

    async fn open(&self, request: OpenRequest) -> Result<Box<dyn Carrier>> {
        let OpenRequest::WebSocket { url, headers, .. } = request else {
            return Err(Error::unsupported("byte pipes of a venue in memory"));
        };
        let target = match url.query() {
            Some(query) => format!("{}?{query}", url.path()),
            None => url.path().to_owned(),
        };
        let mut wire = WireRequest::new("GET", &target, "memory");
        wire.headers = wire_headers(&headers, url.host_str());
        self.resolve(url.host_str(), &wire)?;
        self.clock.sleep(self.one_way()).await;
        let taken = self.desk.upgrade(&wire, self.clock.now());
        self.clock.sleep(self.one_way()).await;
        let (id, frames) = taken.map_err(|answer| refused(&answer))?;
        Ok(Box::new(MemoryCarrier {
            id,
            frames,
            desk: self.desk.clone(),
            clock: Arc::clone(&self.clock),
        }))
    }
}

/// A socket of a venue in memory.
struct MemoryCarrier {
    id: SocketId,
    frames: UnboundedReceiver<Frame>,
    desk: Desk,
    clock: Arc<dyn Clock>,
}

#[async_trait]
impl Carrier for MemoryCarrier {
    async fn receive(&mut self) -> Option<Result<Frame>> {
        self.frames.recv().await.map(Ok)
    }

    async fn send(&mut self, frame: Frame) -> Result<()> {
        if self.frames.is_closed() {
            return Err(lost("the socket is closed"));
        }
        self.desk.frame(self.id, frame, self.clock.now());
        Ok(())
    }
}

impl Drop for MemoryCarrier {
    fn drop(&mut self) {
        self.desk.frame(self.id, Frame::Close(None), self.clock.now());
    }
}

impl Debug for MemoryCarrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MemoryCarrier({})", self.id.0)
    }
}

fn wire_request(http: &http::Request<Bytes>) -> WireRequest {
    let target = http.uri().path_and_query().map_or("/", |target| target.as_str());
    let mut wire = WireRequest::new(http.method().as_str(), target, "memory").with_body(http.body().clone());
    wire.headers = wire_headers(http.headers(), http.uri().host());
    wire
}

fn wire_headers(headers: &http::HeaderMap, host: Option<&str>) -> Vec<(String, String)> {
    let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let mut all: Vec<_> = headers
        .iter()
        .map(|(name, value)| (name.as_str().to_owned(), text(value)))
        .collect();
    if let (Some(host), false) = (host, headers.contains_key(http::header::HOST)) {
        all.insert(0, ("host".to_owned(), host.to_owned()));
    }
    all
}

fn head(answer: &WireAnswer, body: AnswerBody) -> Result<Answer> {
    let mut head = http::Response::builder().status(answer.status);
    for (name, value) in &answer.headers {
        head = head.header(name, value);
    }
    let http = head
        .header(http::header::CONTENT_LENGTH, answer.body.len())
        .body(body)
        .map_err(|error| Error::new(ErrorKind::Protocol).with_source(error))?;
    Ok(Answer { http })
}

fn piece(body: Bytes) -> AnswerBody {
    Box::pin(stream::iter((!body.is_empty()).then_some(Ok(body))))
}

/// The first bytes, then an error; whole where there is nothing to cut.
fn cut(body: &Bytes, at: usize) -> AnswerBody {
    if at >= body.len() {
        return piece(body.clone());
    }
    let error = lost("connection closed within the answer");
    Box::pin(stream::iter([Ok(body.slice(..at)), Err(error)]))
}

/// The first bytes, then nothing; whole where there is nothing to hold back.
fn stalled(body: &Bytes, at: usize) -> AnswerBody {
    if at >= body.len() {
        return piece(body.clone());
    }
    Box::pin(stream::iter([Ok(body.slice(..at))]).chain(stream::pending()))
}

fn dripped(body: Bytes, piece: usize, every: Duration, clock: Arc<dyn Clock>) -> AnswerBody {
    Box::pin(stream::unfold((body, clock), move |(mut rest, clock)| async move {
        if rest.is_empty() {
            return None;
        }
        clock.sleep(every).await;
        let next = rest.split_to(piece.min(rest.len()));
        Some((Ok(next), (rest, clock)))
    }))
}

fn unreachable(what: &str) -> Error {
    Error::new(ErrorKind::Unavailable)
        .with_delivery(Delivery::NotSent)
        .with_message(what)
}

fn lost(what: &str) -> Error {
    Error::new(ErrorKind::Unavailable)
        .with_delivery(Delivery::Unknown)
        .with_message(what)
}

/// A socket that the venue refused.
fn refused(answer: &WireAnswer) -> Error {
    let kind = match answer.status {
        401 | 403 => ErrorKind::Auth,
        404 => ErrorKind::NotFound,
        429 => ErrorKind::RateLimited,
        _ => ErrorKind::Unavailable,
    };
    Error::new(kind)
        .with_delivery(Delivery::Answered)
        .with_status(answer.status)
        .with_message(String::from_utf8_lossy(&answer.body))
}
