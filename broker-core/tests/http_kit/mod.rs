//! A wire that plays a script in virtual time, and a protocol that writes down what it is asked.
#![allow(dead_code, reason = "each test file uses its part")]

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use broker_core::http::{Call, Http, OpClass, Outcome, Protocol, Reply, Verdict, status_error};
use broker_core::seam::{
    Answer, AnswerBody, Carrier, Clock, OpenRequest, Request, Rng, Transport, VirtualClock, VirtualRuntime,
};
use broker_core::{BrokerId, Context, Delivery, Error, ErrorKind, Result};
use bytes::Bytes;
use futures_util::StreamExt;
use http::{HeaderName, HeaderValue, Method, StatusCode};

/// What the wire does with one request.
pub(crate) enum Step {
    Answer(u16, Vec<(&'static str, String)>, Vec<Piece>),
    Fail(Error),
    Silence,
}

#[derive(Clone)]
pub(crate) enum Piece {
    Data(&'static [u8]),
    Wait(Duration),
    Break,
}

pub(crate) fn answer(status: u16, body: &'static str) -> Step {
    Step::Answer(status, Vec::new(), vec![Piece::Data(body.as_bytes())])
}

pub(crate) fn with_header(status: u16, name: &'static str, value: &str) -> Step {
    Step::Answer(status, vec![(name, value.to_owned())], Vec::new())
}

pub(crate) fn fail(delivery: Delivery) -> Step {
    Step::Fail(Error::new(ErrorKind::Unavailable).with_delivery(delivery))
}

/// A request as it reached the wire.
#[derive(Debug, Clone)]
pub(crate) struct Sent {
    pub(crate) uri: String,
    pub(crate) nonce: Option<String>,
    pub(crate) at: Duration,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    pub(crate) fn add(&self, entry: impl Into<String>) {
        self.0.lock().unwrap().push(entry.into());
    }

    pub(crate) fn all(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }

    pub(crate) fn count(&self, entry: &str) -> usize {
        self.all().iter().filter(|e| e.starts_with(entry)).count()
    }
}

pub(crate) struct Script {
    clock: VirtualClock,
    steps: Mutex<VecDeque<Step>>,
    sent: Mutex<Vec<Sent>>,
    log: Log,
}

impl std::fmt::Debug for Script {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Script")
    }
}

#[async_trait]
impl Transport for Script {
    async fn send(&self, request: Request) -> Result<Answer> {
        self.log.add("send");
        self.sent.lock().unwrap().push(Sent {
            uri: request.http.uri().to_string(),
            nonce: request
                .http
                .headers()
                .get("x-nonce")
                .map(|v| v.to_str().unwrap().to_owned()),
            at: self.clock.elapsed(),
        });
        let step = self.steps.lock().unwrap().pop_front();
        match step.expect("the script has a step for every request") {
            Step::Fail(error) => Err(error),
            Step::Silence => std::future::pending().await,
            Step::Answer(status, headers, pieces) => Ok(self.answer(status, headers, pieces)),
        }
    }

    async fn open(&self, _: OpenRequest) -> Result<Box<dyn Carrier>> {
        Err(Error::unsupported("the script has no carriers"))
    }
}

impl Script {
    fn answer(&self, status: u16, headers: Vec<(&'static str, String)>, pieces: Vec<Piece>) -> Answer {
        let clock = self.clock.clone();
        let body = futures_util::stream::iter(pieces).filter_map(move |piece| {
            let clock = clock.clone();
            async move {
                match piece {
                    Piece::Data(data) => Some(Ok(Bytes::from_static(data))),
                    Piece::Wait(wait) => {
                        clock.sleep(wait).await;
                        None
                    }
                    // A careless transport: the pipeline must not believe that nothing was sent.
                    Piece::Break => Some(Err(Error::new(ErrorKind::Unavailable).with_delivery(Delivery::NotSent))),
                }
            }
        });
        let body: AnswerBody = Box::pin(body);
        let mut http = http::Response::new(body);
        *http.status_mut() = StatusCode::from_u16(status).unwrap();
        for (name, value) in headers {
            http.headers_mut()
                .insert(HeaderName::from_static(name), HeaderValue::from_str(&value).unwrap());
        }
        Answer { http }
    }
}

/// Signs with a counter; 401 is curable; a refusal marked so proves that nothing was done.
#[derive(Debug)]
pub(crate) struct Signer {
    pub(crate) log: Log,
    nonce: AtomicU32,
    pub(crate) authorize_fails: Option<Error>,
    pub(crate) mend_fails: Option<Error>,
    /// Closes the call's gate while it signs.
    pub(crate) closes_gate: bool,
}

#[async_trait]
impl Protocol for Signer {
    async fn authorize(&self, call: &mut Call) -> Result<()> {
        let nonce = self.nonce.fetch_add(1, Ordering::Relaxed) + 1;
        self.log.add(format!("authorize {nonce}"));
        if let Some(error) = &self.authorize_fails {
            return Err(error.clone());
        }
        if self.closes_gate {
            call.gate.as_ref().unwrap().close();
        }
        assert!(!call.headers.contains_key("x-nonce"), "each attempt signs a fresh call");
        call.headers.insert("x-nonce", HeaderValue::from(nonce));
        Ok(())
    }

    fn classify(&self, _: &Call, reply: &Reply) -> Verdict {
        self.log.add(format!("classify {}", reply.status.as_u16()));
        if reply.status.is_success() {
            return Verdict::good();
        }
        // As a careless broker crate would: without a word about delivery.
        let error = status_error(reply).with_delivery(Delivery::NotSent);
        if reply.status == StatusCode::UNAUTHORIZED {
            return Verdict {
                outcome: Outcome::Mend(error),
                lessons: Vec::new(),
            };
        }
        let mut verdict = Verdict::bad(error);
        if let Outcome::Bad { nothing_done, .. } = &mut verdict.outcome {
            *nothing_done = reply.headers.contains_key("x-nothing-done");
        }
        verdict
    }

    async fn mend(&self, error: &Error) -> Result<()> {
        self.log.add(format!("mend {}", error.kind()));
        self.mend_fails.clone().map_or(Ok(()), Err)
    }
}

/// Chance that always draws the same end of a range.
#[derive(Debug)]
pub(crate) struct Fixed(pub(crate) u64);

impl Rng for Fixed {
    fn next_u64(&self) -> u64 {
        self.0
    }
}

/// Waits are as long as they can be.
pub(crate) const LONGEST: Fixed = Fixed(u64::MAX);

pub(crate) struct Bench {
    pub(crate) runtime: VirtualRuntime,
    pub(crate) clock: VirtualClock,
    pub(crate) script: Arc<Script>,
    pub(crate) log: Log,
    pub(crate) http: Http,
}

impl Bench {
    pub(crate) fn new(steps: impl IntoIterator<Item = Step>) -> Self {
        Self::with(steps, |_| ())
    }

    pub(crate) fn with(steps: impl IntoIterator<Item = Step>, change: impl FnOnce(&mut Signer)) -> Self {
        let runtime = VirtualRuntime::new();
        let clock = runtime.clock();
        let log = Log::default();
        let script = Arc::new(Script {
            clock: clock.clone(),
            steps: Mutex::new(steps.into_iter().collect()),
            sent: Mutex::default(),
            log: log.clone(),
        });
        let mut signer = Signer {
            log: log.clone(),
            nonce: AtomicU32::new(0),
            authorize_fails: None,
            mend_fails: None,
            closes_gate: false,
        };
        change(&mut signer);
        let context = Context::new(
            Arc::new(clock.clone()),
            Arc::new(LONGEST),
            Arc::new(clock.clone()),
            Arc::clone(&script) as Arc<dyn Transport>,
        );
        let http = Http::new(context, BrokerId::from("demo"), Arc::new(signer), &["demo.example"]);
        Self {
            runtime,
            clock,
            script,
            log,
            http,
        }
    }

    /// Runs a call that gives its body back.
    pub(crate) fn run(&self, call: Call) -> Result<String> {
        let log = self.log.clone();
        self.runtime.block_on(self.http.run(call, move |body| {
            log.add("read");
            Ok(body.to_owned())
        }))
    }

    /// Runs a call whose body must be one number.
    pub(crate) fn run_number(&self, call: Call) -> Result<u32> {
        let read = |body: &str| body.parse().map_err(|_| Error::decode("not a number"));
        self.runtime.block_on(self.http.run(call, read))
    }

    pub(crate) fn sent(&self) -> Vec<Sent> {
        self.script.sent.lock().unwrap().clone()
    }

    /// When each request was sent, in milliseconds.
    pub(crate) fn times(&self) -> Vec<u128> {
        self.sent().iter().map(|sent| sent.at.as_millis()).collect()
    }

    pub(crate) fn elapsed_ms(&self) -> u128 {
        self.clock.elapsed().as_millis()
    }
}

pub(crate) fn get() -> Call {
    Call::get("orders", &"https://api.demo.example/v1".parse().unwrap(), "/orders")
}

pub(crate) fn post() -> Call {
    let base = "https://api.demo.example/v1".parse().unwrap();
    Call::new("place", OpClass::Write, Method::POST, &base, "/orders").json("{}")
}

pub(crate) fn sign_in() -> Call {
    let base = "https://api.demo.example".parse().unwrap();
    Call::new("token", OpClass::SignIn, Method::POST, &base, "/token")
}
