//! A scripted wire: answers are played in order, and each request must be the one that the script expects.

#![allow(dead_code, reason = "each test file uses its own part")]

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use broker_alpaca::{AlpacaBroker, AlpacaConfig};
use broker_core::num::decimal;
use broker_core::seam::{MemoryTransport, SeededRng, VirtualRuntime};
use broker_core::{AccountId, Context, Price, Qty};
use bytes::Bytes;
use chrono::{DateTime, Utc};
use rust_decimal::Decimal;

/// The account that all scripts belong to.
pub(crate) const ACCOUNT: &str = "0e6b4d3c-7a51-4c6e-9f0e-2b1c5d7a9e10";

/// What one request must be, and what answers it.
pub(crate) struct Exchange {
    line: String,
    sent: String,
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: String,
}

/// `GET` of this path and query, as they stand on the wire.
pub(crate) fn get(path_and_query: &str, body: impl Into<String>) -> Exchange {
    send("GET", path_and_query, "", body)
}

/// A request of this method, path and query, and body, as they stand on the wire.
pub(crate) fn send(method: &str, path_and_query: &str, sent: &str, body: impl Into<String>) -> Exchange {
    Exchange {
        line: format!("{method} {path_and_query}"),
        sent: sent.to_owned(),
        status: 200,
        headers: Vec::new(),
        body: body.into(),
    }
}

impl Exchange {
    pub(crate) fn status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    pub(crate) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

/// A request that was sent.
pub(crate) struct Sent {
    pub(crate) host: String,
    pub(crate) headers: http::HeaderMap,
}

/// A broker over a script, in virtual time that begins at 2026-01-01T00:00:00Z.
pub(crate) struct Stage {
    pub(crate) runtime: VirtualRuntime,
    pub(crate) broker: AlpacaBroker,
    left: Arc<Mutex<VecDeque<Exchange>>>,
    pub(crate) sent: Arc<Mutex<Vec<Sent>>>,
}

impl Stage {
    pub(crate) fn new(script: Vec<Exchange>) -> Self {
        Self::with(AlpacaConfig::new("PKTESTTESTTESTTEST01", "not-a-secret"), script)
    }

    /// The account is known already, so that a script holds the calls under test alone.
    pub(crate) fn signed_in(script: Vec<Exchange>) -> Self {
        let mut all = vec![get("/v2/account", account_body())];
        all.extend(script);
        let stage = Self::new(all);
        stage.run(|broker| async move { broker_core::Broker::accounts(&broker).await.unwrap() });
        stage
    }

    pub(crate) fn with(config: AlpacaConfig, script: Vec<Exchange>) -> Self {
        let left = Arc::new(Mutex::new(VecDeque::from(script)));
        let sent = Arc::new(Mutex::new(Vec::new()));
        let (queue, log) = (Arc::clone(&left), Arc::clone(&sent));
        let transport = MemoryTransport::new(move |request| {
            let line = format!("{} {}", request.method(), request.uri().path_and_query().unwrap());
            let exchange = queue.lock().unwrap().pop_front();
            let exchange = exchange.unwrap_or_else(|| panic!("not in the script: {line}"));
            assert_eq!(line, exchange.line);
            assert_eq!(String::from_utf8_lossy(request.body()), exchange.sent, "{line}");
            log.lock().unwrap().push(Sent {
                host: request.uri().host().unwrap().to_owned(),
                headers: request.headers().clone(),
            });
            let mut answer = http::Response::builder().status(exchange.status);
            for (name, value) in exchange.headers {
                answer = answer.header(name, value);
            }
            Ok(answer.body(Bytes::from(exchange.body)).unwrap())
        });
        let (runtime, broker) = over(config, transport);
        Self {
            runtime,
            broker,
            left,
            sent,
        }
    }

    /// Runs to the end; the script must be used up.
    pub(crate) fn run<T, F: Future<Output = T>>(&self, ask: impl FnOnce(AlpacaBroker) -> F) -> T {
        self.runtime.block_on(ask(self.broker.clone()))
    }

    pub(crate) fn left(&self) -> usize {
        self.left.lock().unwrap().len()
    }
}

/// A broker over any transport in memory.
pub(crate) fn over(config: AlpacaConfig, transport: MemoryTransport) -> (VirtualRuntime, AlpacaBroker) {
    let runtime = VirtualRuntime::new();
    let clock = Arc::new(runtime.clock());
    let context = Context::new(
        Arc::clone(&clock) as _,
        Arc::new(SeededRng::new(1)),
        clock,
        Arc::new(transport),
    );
    let broker = AlpacaBroker::new(config.with_context(context)).unwrap();
    (runtime, broker)
}

impl Drop for Stage {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            assert_eq!(self.left(), 0, "requests that were expected and never came");
        }
    }
}

pub(crate) fn account() -> AccountId {
    AccountId::from(ACCOUNT)
}

pub(crate) fn account_body() -> String {
    format!(r#"{{"id":"{ACCOUNT}","account_number":"PA3TEST00017","status":"ACTIVE","currency":"USD","cash":"1000"}}"#)
}

pub(crate) fn fixture(name: &str) -> String {
    let path = format!("{}/tests/fixtures/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

pub(crate) fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

pub(crate) fn dec(text: &str) -> Decimal {
    decimal(text).unwrap()
}

pub(crate) fn price(text: &str) -> Price {
    text.parse().unwrap()
}

pub(crate) fn qty(text: &str) -> Qty {
    text.parse().unwrap()
}
