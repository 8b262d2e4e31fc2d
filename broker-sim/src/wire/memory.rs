//! The shell in memory: the core's seam over a venue, with latency and damage in the clock's own time.

use std::collections::BTreeSet;
use std::fmt::{self, Debug};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use broker_core::seam::{Answer, AnswerBody, Carrier, Clock, OpenRequest, Request, Rng, Spawn, Timeouts, Transport};
use broker_core::{Delivery, Error, ErrorKind, Result};
use bytes::Bytes;
use chrono::{DateTime, NaiveDateTime, Utc};
use futures_util::{StreamExt, stream};
use tokio::sync::oneshot;

use super::carrier::{MemoryCarrier, Uplink};
use super::desk::{Back, Desk, Outcome};
use super::flow::{Flow, Piece};
use super::lane::Ways;
use super::message::{WireAnswer, WireRequest};
use super::plan::Faults;
use super::record::Recorder;
use super::timekeeper;
use super::venue::SharedVenue;

/// A [`Transport`] that ends at a venue in the same process.
///
/// A request travels on a task of its own, as bytes that have left do: a caller that gives up does not stop it. An
/// answer that never comes is an error once the request's total time is over; all other time-outs are the
/// pipeline's. The request that opens a socket can be hit as any other.
///
/// Frames take their time as requests do, each way in the order of sending. Dropping a socket, or the body of an answer
/// that goes on, closes it: the venue hears of it one way later, behind the frames that are under way.
#[derive(Clone)]
pub struct MemoryTransport {
    desk: Desk,
    ways: Ways,
    spawn: Arc<dyn Spawn>,
    /// Host names that resolve; empty is all.
    hosts: BTreeSet<String>,
}

/// Least and most time of one way, unless told otherwise.
const USUAL_LATENCY: (Duration, Duration) = (Duration::from_millis(5), Duration::from_millis(20));

impl MemoryTransport {
    /// A transport to this venue: any host name leads there, nothing goes wrong, 5 to 20 ms each way.
    pub fn new(venue: SharedVenue, clock: Arc<dyn Clock>, rng: Arc<dyn Rng>, spawn: Arc<dyn Spawn>) -> Self {
        let (least, most) = USUAL_LATENCY;
        Self {
            desk: Desk::new(venue),
            ways: Ways {
                clock,
                rng,
                least,
                most,
            },
            spawn,
            hosts: BTreeSet::new(),
        }
    }

    /// Another latency: each way takes from `least` to `most`.
    #[must_use]
    pub fn with_latency(mut self, least: Duration, most: Duration) -> Self {
        self.ways.least = least;
        self.ways.most = most.max(least);
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

    /// Fails unless the host resolves; the request is recorded as not sent.
    fn resolve(&self, host: Option<&str>, request: &WireRequest) -> Result<()> {
        if self.hosts.is_empty() || host.is_some_and(|host| self.hosts.contains(host)) {
            return Ok(());
        }
        self.desk.unreachable(request, self.ways.clock.now());
        Err(unreachable("no such host"))
    }

    /// Sets the request on its way. The task goes on when the receiver is dropped.
    fn dispatch(&self, request: WireRequest) -> Result<oneshot::Receiver<Outcome>> {
        let passage = self.desk.accept(request, self.ways.clock.now());
        if passage.is_refused() {
            return Err(unreachable("connection refused"));
        }
        let (there, back) = (self.ways.one_way() + passage.hold_up(), self.ways.one_way());
        let (desk, ways, spawn) = (self.desk.clone(), self.ways.clone(), Arc::clone(&self.spawn));
        let (sender, receiver) = oneshot::channel();
        self.spawn.spawn(Box::pin(async move {
            ways.clock.sleep(there).await;
            let outcome = desk.serve(passage, &ways);
            keep_time(&desk, &ways, &*spawn);
            ways.clock.sleep(back + outcome.delay).await;
            // Nobody waits any more when the caller gave up.
            let _ = sender.send(outcome);
        }));
        Ok(receiver)
    }

    /// Silence, until the caller's time is over.
    async fn wait_in_vain(&self, started: Duration, patience: Duration) -> Error {
        let passed = self.ways.clock.elapsed().saturating_sub(started);
        self.ways.clock.sleep(patience.saturating_sub(passed)).await;
        lost("no answer in time")
    }
}

/// As long as a socket is open the venue's appointments are kept.
fn keep_time(desk: &Desk, ways: &Ways, spawn: &dyn Spawn) {
    if desk.has_sockets() && desk.timekeeper.is_wanted() {
        let keeper = timekeeper::keep(desk.clone(), Arc::clone(&ways.clock));
        spawn.spawn(Box::pin(keeper));
    }
}

impl Debug for MemoryTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MemoryTransport({:?} to {:?})", self.ways.least, self.ways.most)
    }
}

#[async_trait]
impl Transport for MemoryTransport {
    async fn send(&self, request: Request) -> Result<Answer> {
        let started = self.ways.clock.elapsed();
        let total = request.timeouts.total;
        let wire = wire_request(&request.http);
        self.resolve(request.http.uri().host(), &wire)?;
        let outcome = self.dispatch(wire)?.await.map_err(|_| lost("the venue is gone"))?;
        match outcome.back {
            Back::Whole(answer) => head(&answer, piece(answer.body.clone())),
            Back::Cut(answer, at) => head(&answer, cut(&answer.body, at)),
            Back::Stalled(answer, at) => head(&answer, stalled(&answer.body, at)),
            Back::Dripped { answer, piece, every } => {
                let body = dripped(answer.body.clone(), piece, every, Arc::clone(&self.ways.clock));
                head(&answer, body)
            }
            Back::Flowing(answer, flow, line) => {
                let uplink = Uplink::start(line, self.ways.clone(), &*self.spawn);
                endless_head(&answer, flowing(flow, uplink))
            }
            Back::Silence => Err(self.wait_in_vain(started, total).await),
            Back::Reset => Err(lost("connection reset")),
            Back::Fin => Err(lost("connection closed before an answer")),
            Back::Opened(_) => Err(Error::new(ErrorKind::Protocol).with_message("a socket was opened, not asked for")),
        }
    }

    async fn open(&self, request: OpenRequest) -> Result<Box<dyn Carrier>> {
        let started = self.ways.clock.elapsed();
        let OpenRequest::WebSocket {
            url,
            headers,
            largest_message,
        } = request
        else {
            return Err(Error::unsupported("byte pipes of a venue in memory"));
        };
        let target = match url.query() {
            Some(query) => format!("{}?{query}", url.path()),
            None => url.path().to_owned(),
        };
        let mut wire = WireRequest::new("GET", &target, "memory");
        wire.headers = wire_headers(&headers, url.host_str());
        let wire = wire
            .with_header("connection", "Upgrade")
            .with_header("upgrade", "websocket");
        self.resolve(url.host_str(), &wire)?;
        let outcome = self.dispatch(wire)?.await.map_err(|_| lost("the venue is gone"))?;
        match outcome.back {
            Back::Opened(opening) => {
                let uplink = Uplink::start(opening.line, self.ways.clone(), &*self.spawn);
                Ok(Box::new(MemoryCarrier::new(opening.inbox, uplink, largest_message)))
            }
            Back::Whole(answer) | Back::Dripped { answer, .. } | Back::Flowing(answer, ..) => {
                Err(refused(&answer, self.ways.clock.now()))
            }
            Back::Silence | Back::Stalled(..) => Err(self.wait_in_vain(started, Timeouts::READ.read).await),
            Back::Reset => Err(lost("connection reset")),
            Back::Fin | Back::Cut(..) => Err(lost("connection closed before an answer")),
        }
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
    let mut whole = endless_head(answer, body)?;
    let length = http::HeaderValue::from(answer.body.len());
    whole.http.headers_mut().append(http::header::CONTENT_LENGTH, length);
    Ok(whole)
}

/// The head of a body whose length is not known.
fn endless_head(answer: &WireAnswer, body: AnswerBody) -> Result<Answer> {
    let mut head = http::Response::builder().status(answer.status);
    for (name, value) in &answer.headers {
        head = head.header(name, value);
    }
    let http = head
        .body(body)
        .map_err(|error| Error::new(ErrorKind::Protocol).with_source(error))?;
    Ok(Answer { http })
}

/// A body that goes on; the uplink lasts as long as it is listened to.
fn flowing(flow: Flow, uplink: Uplink) -> AnswerBody {
    Box::pin(stream::unfold(Some((flow, uplink)), |state| async move {
        let (mut flow, uplink) = state?;
        match flow.next().await {
            Piece::Bytes(bytes) => Some((Ok(bytes), Some((flow, uplink)))),
            Piece::End => None,
            Piece::Cut => Some((Err(lost("connection closed within the answer")), None)),
            Piece::Reset => Some((Err(lost("connection reset")), None)),
        }
    }))
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

pub(super) fn lost(what: &str) -> Error {
    Error::new(ErrorKind::Unavailable)
        .with_delivery(Delivery::Unknown)
        .with_message(what)
}

/// A socket that the venue refused: the same kinds as on the network.
fn refused(answer: &WireAnswer, now: DateTime<Utc>) -> Error {
    let kind = match answer.status {
        401 => ErrorKind::Auth,
        403 | 451 => ErrorKind::Permission,
        404 | 410 => ErrorKind::NotFound,
        408 | 425 => ErrorKind::Unavailable,
        418 | 429 => ErrorKind::RateLimited,
        300..=399 => ErrorKind::Protocol,
        400..=499 => ErrorKind::InvalidRequest,
        501 | 505 => ErrorKind::Unknown,
        500..=599 => ErrorKind::Unavailable,
        _ => ErrorKind::Unknown,
    };
    let error = Error::new(kind)
        .with_delivery(Delivery::Answered)
        .with_status(answer.status)
        .with_message(String::from_utf8_lossy(&answer.body));
    match answer.header("retry-after").and_then(|hint| wait(hint, now)) {
        Some(wait) => error.with_retry_after(wait),
        None => error,
    }
}

/// Seconds, or a date against this time.
fn wait(hint: &str, now: DateTime<Utc>) -> Option<Duration> {
    if let Ok(seconds) = hint.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = NaiveDateTime::parse_from_str(hint, "%a, %d %b %Y %H:%M:%S GMT").ok()?;
    Some((date.and_utc() - now).to_std().unwrap_or_default())
}
