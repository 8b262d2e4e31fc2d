//! The pipeline.

use std::fmt::{self, Debug};
use std::sync::Arc;
use std::time::Duration;

use ::http::{HeaderMap, StatusCode};
use futures_util::StreamExt;
use tracing::Instrument;
use url::Url;

use super::body::{Deadline, whole};
use super::hosts::Hosts;
use super::{Call, OpClass, Outcome, Protocol, Reply, Verdict, retry_after};
use crate::context::Context;
use crate::error::{Delivery, Error, ErrorKind, Result};
use crate::id::BrokerId;
use crate::limit::{BucketKey, Lesson, Permit, Turn};
use crate::retry::{Failure, RetryPolicy, RetryQuota};
use crate::seam::{Answer, AnswerBody};

/// Runs a broker's calls. Cheap to clone; clones share the retry budget.
///
/// What an error says about delivery is safe to trade on: `NotSent` only where the connector, the gate or a step
/// before them failed; `Answered` where a whole answer refused the call; `Unknown` for everything else, which for a
/// write includes an answer that does not prove that it was refused.
#[derive(Clone)]
pub struct Http(Arc<Inner>);

#[derive(Clone)]
struct Inner {
    context: Context,
    broker: BrokerId,
    protocol: Arc<dyn Protocol>,
    hosts: Hosts,
    policy: RetryPolicy,
    quota: Arc<RetryQuota>,
}

impl Http {
    /// A pipeline that may ask these hosts, the hosts under them, and this machine.
    pub fn new(context: Context, broker: BrokerId, protocol: Arc<dyn Protocol>, hosts: &[&str]) -> Self {
        Self(Arc::new(Inner {
            context,
            broker,
            protocol,
            hosts: Hosts::new(hosts),
            policy: RetryPolicy::default(),
            quota: Arc::default(),
        }))
    }

    /// With another retry policy.
    #[must_use]
    pub fn with_retry(mut self, policy: RetryPolicy) -> Self {
        Arc::make_mut(&mut self.0).policy = policy;
        self
    }

    /// With a retry budget shared with others: brokers behind one address, for one outage hits them all.
    #[must_use]
    pub fn with_quota(mut self, quota: Arc<RetryQuota>) -> Self {
        Arc::make_mut(&mut self.0).quota = quota;
        self
    }

    /// May ask this host too, and the hosts under it: a proxy or a gateway that the user named.
    #[must_use]
    pub fn allowing(mut self, host: &str) -> Self {
        Arc::make_mut(&mut self.0).hosts.add(host);
        self
    }

    /// The context that it runs in.
    pub fn context(&self) -> &Context {
        &self.0.context
    }

    /// Whether a URL may be asked: for hosts that an answer names. An error is [`ErrorKind::Config`], nothing sent.
    pub fn check_url(&self, url: &Url) -> Result<()> {
        self.0
            .hosts
            .check(url)
            .map_err(|error| error.with_broker(self.0.broker.clone()))
    }

    /// Runs a call to its end and reads the body of its good answer.
    ///
    /// Dropping the future ends the call: what had not left by then never leaves. `read` may run once an attempt.
    pub async fn run<T>(&self, call: Call, read: impl Fn(&str) -> Result<T> + Send + Sync) -> Result<T> {
        let span = self.span(&call);
        let repeated = async {
            let mut run = Run::default();
            loop {
                match self.attempt(&call, &read, &mut run).await {
                    Ok(value) => {
                        self.0.quota.succeeded();
                        return Ok(value);
                    }
                    Err(failed) => self.recover(&call, &mut run, failed).await?,
                }
            }
        };
        repeated.instrument(span).await
    }

    /// Opens an answer that comes in pieces and may never end. The same steps as [`Http::run`] up to the head; a good
    /// one is classified with an empty body, an error with its own. The caller watches the pieces: no time-out
    /// applies to them.
    pub async fn stream(&self, call: Call) -> Result<AnswerBody> {
        let span = self.span(&call);
        let repeated = async {
            let mut run = Run::default();
            loop {
                match self.open(&call, &mut run).await {
                    Ok(body) => {
                        self.0.quota.succeeded();
                        return Ok(body);
                    }
                    Err(failed) => self.recover(&call, &mut run, failed).await?,
                }
            }
        };
        repeated.instrument(span).await
    }

    fn span(&self, call: &Call) -> tracing::Span {
        // Drawn whether or not anyone listens: a subscriber must not change a seeded run.
        let request = self.0.context.rng().next_u64();
        tracing::debug_span!(
            "call",
            broker = self.0.broker.get(),
            op = call.op,
            request = format_args!("{request:016x}"),
            attempt = tracing::field::Empty,
        )
    }

    async fn attempt<T>(
        &self,
        call: &Call,
        read: &(impl Fn(&str) -> Result<T> + Send + Sync),
        run: &mut Run,
    ) -> Result<T, Failed> {
        let head = self.head(call, run).await?;
        let status = head.status;
        let reply = self.judged(head).await?;
        read(&reply.body).map_err(|error| Failed::new(unread(call.class, error).with_status(status.as_u16())))
    }

    async fn open(&self, call: &Call, run: &mut Run) -> Result<AnswerBody, Failed> {
        let head = self.head(call, run).await?;
        if !head.status.is_success() {
            let status = head.status.as_u16();
            self.judged(head).await?;
            let unusable = Error::new(ErrorKind::Protocol).with_message("a stream must open with a 2xx status");
            return Err(Failed::new(
                unusable.with_status(status).with_delivery(Delivery::Answered),
            ));
        }
        let reply = Reply {
            status: head.status,
            headers: head.headers,
            body: String::new(),
        };
        let (lessons, good) = self.verdict(&head.call, &reply);
        let permit = head.permit;
        if let Err(failed) = good {
            permit.finish(&lessons);
            return Err(failed);
        }
        // What counts as open at the limiter is open until the stream is dropped.
        Ok(Box::pin(head.body.inspect(move |_| {
            let _ = &permit;
        })))
    }

    /// The steps of an attempt up to the head of its answer.
    async fn head(&self, call: &Call, run: &mut Run) -> Result<Head, Failed> {
        self.check_url(&call.base).map_err(Failed::unsent)?;
        let limited = self.0.context.limiter().acquire(&call.cost, call.lane).await;
        let mut permit = limited.map_err(|error| Failed::new(error.with_delivery(Delivery::NotSent)))?;
        let exchange = match self.exchange(call, run).await {
            Ok(exchange) => exchange,
            Err(failed) => {
                if failed.error.delivery() == Delivery::NotSent {
                    permit.unsent();
                }
                return Err(failed);
            }
        };
        permit.answered();
        let Exchange {
            call,
            answer,
            turn,
            deadline,
        } = exchange;
        let (parts, body) = answer.http.into_parts();
        if parts.status.is_redirection() {
            return Err(Failed::new(redirected(call.class, parts.status)));
        }
        Ok(Head {
            call,
            status: parts.status,
            headers: parts.headers,
            body,
            permit,
            _turn: turn,
            deadline,
        })
    }

    /// Turn, signature, gate, wire.
    async fn exchange(&self, call: &Call, run: &mut Run) -> Result<Exchange, Failed> {
        let Inner { context, protocol, .. } = &*self.0;
        let turn = match &call.turn {
            Some(name) => Some(context.limiter().turn(name).await),
            None => None,
        };
        let total = self.total(call, run.begin(context.clock().elapsed()));

        let mut call = call.clone();
        if call.class != OpClass::SignIn {
            // Whatever became of the sign-in, this call has not left. The sign-in did its own retries.
            protocol.authorize(&mut call).await.map_err(Failed::unsent)?;
            self.check_url(&call.base).map_err(Failed::unsent)?;
        }
        let request = call.request().map_err(Failed::unsent)?;
        if let Some(gate) = &call.gate {
            gate.pass().map_err(Failed::unsent)?;
        }
        let deadline = Deadline::after(context.clock(), total);
        // Until the head the read time-out runs from the connection on.
        let longest = call.timeouts.connect.saturating_add(call.timeouts.read);
        let sent = deadline.within(longest, context.transport().send(request)).await;
        let answer = sent.flatten().map_err(|error| Failed::new(not_answered(error)))?;
        Ok(Exchange {
            call,
            answer,
            turn,
            deadline,
        })
    }

    /// Reads the body, lets the broker judge the answer, and teaches the limiter.
    async fn judged(&self, head: Head) -> Result<Reply, Failed> {
        let (call, status) = (&head.call, head.status);
        let body = whole(head.body, call.largest_body, call.timeouts.read, &head.deadline)
            .await
            .and_then(|bytes| text(bytes, status))
            .map_err(|error| {
                let delivery = match error.kind() {
                    ErrorKind::Decode if call.class != OpClass::Write => Delivery::Answered,
                    _ => Delivery::Unknown,
                };
                let hint = retry_after(&head.headers, self.0.context.clock().now());
                Failed::new(hinted(error, hint).with_status(status.as_u16()).with_delivery(delivery))
            })?;
        let reply = Reply {
            status,
            headers: head.headers,
            body,
        };
        let (lessons, good) = self.verdict(call, &reply);
        head.permit.finish(&lessons);
        good.map(|()| reply)
    }

    /// What the broker makes of an answer: what it taught, and whether it is good.
    fn verdict(&self, call: &Call, reply: &Reply) -> (Vec<(BucketKey, Lesson)>, Result<(), Failed>) {
        let Verdict { outcome, lessons } = self.0.protocol.classify(call, reply);
        let (error, next, nothing_done) = match outcome {
            Outcome::Good => return (lessons, Ok(())),
            Outcome::Bad { error, nothing_done } => (error, Next::Decide { nothing_done }, nothing_done),
            Outcome::Mend(error) => (error, Next::Mend, true),
        };
        let error = match error.status() {
            Some(_) => error,
            None => error.with_status(reply.status.as_u16()),
        };
        let delivery = refusal(call.class, &error, nothing_done);
        let hint = retry_after(&reply.headers, self.0.context.clock().now());
        let error = hinted(error, hint).with_delivery(delivery);
        (lessons, Err(Failed { error, next }))
    }

    /// Waits before the next attempt, or gives the error that ends the run.
    async fn recover(&self, call: &Call, run: &mut Run, failed: Failed) -> Result<()> {
        let Inner { context, policy, .. } = &*self.0;
        let error = self.named(failed.error, call.op);
        let nothing_done = match failed.next {
            Next::Stop => return Err(error),
            Next::Decide { nothing_done } => nothing_done,
            Next::Mend if run.mended || call.class == OpClass::SignIn => true,
            Next::Mend => {
                run.mended = true;
                tracing::debug!(kind = %error.kind(), "mending");
                let mended = self.0.protocol.mend(&error).await;
                return mended.map_err(|cure| self.named(cure.with_delivery(Delivery::Answered), call.op));
            }
        };
        let failure = Failure {
            class: call.class,
            kind: error.kind(),
            delivery: error.delivery(),
            nothing_done,
            hint: error.retry_after(),
            attempt: run.attempt,
            elapsed: run.elapsed(context.clock().elapsed()),
        };
        let Some(wait) = policy.decide(&failure).delay(&**context.rng()) else {
            return Err(error);
        };
        if !self.0.quota.spend() {
            tracing::warn!(kind = %error.kind(), "no retry: the budget is spent");
            return Err(error);
        }
        tracing::debug!(attempt = run.attempt, kind = %error.kind(), wait_ms = %wait.as_millis(), "retrying");
        context.clock().sleep(wait).await;
        Ok(())
    }

    /// How long this attempt may take. A read that is repeated ends with the deadline of all its attempts; a write
    /// that has begun gets its whole time, for cutting it short would only make a doubt.
    fn total(&self, call: &Call, elapsed: Duration) -> Duration {
        match call.class {
            OpClass::Write => call.timeouts.total,
            OpClass::Read | OpClass::SignIn => {
                let left = self.0.policy.deadline_of(call.class).saturating_sub(elapsed);
                call.timeouts.total.min(left)
            }
        }
    }

    fn named(&self, error: Error, op: &'static str) -> Error {
        let error = match error.operation() {
            Some(_) => error,
            None => error.with_operation(op),
        };
        match error.broker() {
            Some(_) => error,
            None => error.with_broker(self.0.broker.clone()),
        }
    }
}

impl Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Http({}, {:?})", self.0.broker, self.0.quota)
    }
}

/// What the attempts of one run have in common.
#[derive(Default)]
struct Run {
    attempt: u32,
    started: Option<Duration>,
    mended: bool,
}

impl Run {
    /// One more attempt. Gives the time since the first one began; what was waited at the limiter before that one
    /// does not count, or a busy hour would leave no time for retries.
    fn begin(&mut self, now: Duration) -> Duration {
        self.attempt += 1;
        tracing::Span::current().record("attempt", self.attempt);
        let started = *self.started.get_or_insert(now);
        now.saturating_sub(started)
    }

    fn elapsed(&self, now: Duration) -> Duration {
        self.started
            .map_or(Duration::ZERO, |started| now.saturating_sub(started))
    }
}

/// A request that was answered.
struct Exchange {
    call: Call,
    answer: Answer,
    turn: Option<Turn>,
    deadline: Deadline,
}

/// An answer whose body is still to be read.
struct Head {
    call: Call,
    status: StatusCode,
    headers: HeaderMap,
    body: AnswerBody,
    permit: Permit,
    _turn: Option<Turn>,
    deadline: Deadline,
}

/// An attempt that failed.
struct Failed {
    error: Error,
    next: Next,
}

enum Next {
    /// As the policy says.
    Decide { nothing_done: bool },
    /// Cured once, then again.
    Mend,
    /// The run ends here.
    Stop,
}

impl Failed {
    fn new(error: Error) -> Self {
        let next = Next::Decide { nothing_done: false };
        Self { error, next }
    }

    /// Ended before the first byte, by something that another attempt would meet again.
    fn unsent(error: Error) -> Self {
        Self {
            error: error.with_delivery(Delivery::NotSent),
            next: Next::Stop,
        }
    }
}

/// The transport alone knows that nothing was sent; everything else is open.
fn not_answered(error: Error) -> Error {
    match error.delivery() {
        Delivery::NotSent => error,
        Delivery::Unknown | Delivery::Answered => error.with_delivery(Delivery::Unknown),
    }
}

fn redirected(class: OpClass, status: StatusCode) -> Error {
    let error = Error::new(ErrorKind::Protocol)
        .with_status(status.as_u16())
        .with_message("answered with a redirect, which is never followed")
        .with_help("check the base URL");
    let delivery = refusal(class, &error, false);
    error.with_delivery(delivery)
}

/// The body as text, checked once. An error's page may be in any encoding; data may not.
fn text(bytes: Vec<u8>, status: StatusCode) -> Result<String> {
    String::from_utf8(bytes).or_else(|broken| {
        if status.is_success() {
            return Err(Error::decode("the body is not UTF-8"));
        }
        Ok(String::from_utf8_lossy(broken.as_bytes()).into_owned())
    })
}

/// What an answer that is an error says about delivery. A write counts as refused only where the broker says that
/// nothing was done, or where the error itself is a refusal: a gateway's 502 is no word of the venue.
fn refusal(class: OpClass, error: &Error, nothing_done: bool) -> Delivery {
    let by_request = error.status().is_some_and(|status| (400..500).contains(&status));
    let doubtful = match error.kind() {
        ErrorKind::Unavailable | ErrorKind::RateLimited | ErrorKind::Decode | ErrorKind::Protocol => true,
        ErrorKind::Unknown => !by_request,
        ErrorKind::Auth
        | ErrorKind::ReauthRequired
        | ErrorKind::Permission
        | ErrorKind::InvalidRequest
        | ErrorKind::InsufficientFunds
        | ErrorKind::NotFound
        | ErrorKind::MarketClosed
        | ErrorKind::DuplicateOrder
        | ErrorKind::OrderRejected
        | ErrorKind::Unsupported
        | ErrorKind::Config => false,
    };
    if class == OpClass::Write && doubtful && !nothing_done {
        return Delivery::Unknown;
    }
    Delivery::Answered
}

/// A good answer that the endpoint could not read. The venue did something, so a write is in doubt whatever the error
/// claims, unless the endpoint found a refusal inside the answer and says so.
fn unread(class: OpClass, error: Error) -> Error {
    let says_refused = error.delivery() == Delivery::Answered && error.kind() != ErrorKind::Decode;
    if class == OpClass::Write && !says_refused {
        return error.with_delivery(Delivery::Unknown);
    }
    error.with_delivery(Delivery::Answered)
}

/// The venue's hint, where the broker's table gave none.
fn hinted(error: Error, hint: Option<Duration>) -> Error {
    match (error.kind(), error.retry_after(), hint) {
        (ErrorKind::RateLimited | ErrorKind::Unavailable, None, Some(hint)) => error.with_retry_after(hint),
        _ => error,
    }
}
