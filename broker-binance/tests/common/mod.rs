//! A scripted wire: each path has its answers, played in order; what is left over or missing fails the test.

#![allow(dead_code, reason = "each test file uses its own part")]
#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use broker_binance::{BinanceBroker, BinanceConfig};
use broker_core::num::decimal;
use broker_core::seam::{MemoryTransport, SeededRng, VirtualRuntime};
use broker_core::{AccountId, Context, Price, Qty};
use bytes::Bytes;
use chrono::{DateTime, Utc};
use rust_decimal::Decimal;

/// The account that all scripts belong to.
pub(crate) const ACCOUNT: &str = "354937868";
pub(crate) const KEY: &str = "vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A";
pub(crate) const SECRET: &str = "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j";

/// What one request must be, and what answers it.
pub(crate) struct Exchange {
    /// Method and path.
    line: String,
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: String,
}

pub(crate) fn get(path: &str, body: impl Into<String>) -> Exchange {
    send("GET", path, body)
}

pub(crate) fn send(method: &str, path: &str, body: impl Into<String>) -> Exchange {
    Exchange {
        line: format!("{method} {path}"),
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
#[derive(Debug, Clone)]
pub(crate) struct Sent {
    pub(crate) line: String,
    /// Without what proves who asks.
    pub(crate) query: String,
    /// As it was sent.
    pub(crate) whole: String,
    pub(crate) key: Option<String>,
}

/// A broker over a script, in virtual time that begins at 2026-01-01T00:00:00Z.
pub(crate) struct Stage {
    pub(crate) runtime: VirtualRuntime,
    pub(crate) broker: BinanceBroker,
    left: Arc<Mutex<VecDeque<Exchange>>>,
    pub(crate) sent: Arc<Mutex<Vec<Sent>>>,
}

impl Stage {
    pub(crate) fn new(script: Vec<Exchange>) -> Self {
        Self::with(BinanceConfig::new(KEY, SECRET), script)
    }

    /// The account is known already, so that a script holds the calls under test alone.
    pub(crate) fn signed_in(script: Vec<Exchange>) -> Self {
        Self::signed_in_with(BinanceConfig::new(KEY, SECRET), script)
    }

    pub(crate) fn signed_in_with(config: BinanceConfig, script: Vec<Exchange>) -> Self {
        let mut all = vec![get("/api/v3/account", account_body())];
        all.extend(script);
        let stage = Self::with(config, all);
        stage.run(|broker| async move { broker_core::Broker::accounts(&broker).await.unwrap() });
        stage.sent.lock().unwrap().clear();
        stage
    }

    pub(crate) fn with(config: BinanceConfig, script: Vec<Exchange>) -> Self {
        let left = Arc::new(Mutex::new(VecDeque::from(script)));
        let sent = Arc::new(Mutex::new(Vec::new()));
        let (queue, log) = (Arc::clone(&left), Arc::clone(&sent));
        let transport = MemoryTransport::new(move |request| {
            let line = format!("{} {}", request.method(), request.uri().path());
            let exchange = queue.lock().unwrap().pop_front();
            let exchange = exchange.unwrap_or_else(|| panic!("not in the script: {line}"));
            assert_eq!(line, exchange.line);
            assert!(request.body().is_empty(), "{line} has a body");
            let whole = request.uri().query().unwrap_or_default().to_owned();
            let query = whole
                .split("recvWindow=")
                .next()
                .unwrap()
                .trim_end_matches('&')
                .to_owned();
            let key = request
                .headers()
                .get("x-mbx-apikey")
                .map(|key| key.to_str().unwrap().to_owned());
            log.lock().unwrap().push(Sent {
                line,
                query,
                whole,
                key,
            });
            let mut answer = http::Response::builder().status(exchange.status);
            for (name, value) in exchange.headers {
                answer = answer.header(name, value);
            }
            Ok(answer.body(Bytes::from(exchange.body)).unwrap())
        });
        let runtime = VirtualRuntime::new();
        let clock = Arc::new(runtime.clock());
        let context = Context::new(
            Arc::clone(&clock) as _,
            Arc::new(SeededRng::new(1)),
            clock,
            Arc::new(transport),
        );
        let broker = BinanceBroker::new(config.with_context(context)).unwrap();
        Self {
            runtime,
            broker,
            left,
            sent,
        }
    }

    /// Runs to the end.
    pub(crate) fn run<T, F: Future<Output = T>>(&self, ask: impl FnOnce(BinanceBroker) -> F) -> T {
        self.runtime.block_on(ask(self.broker.clone()))
    }

    /// The queries that were sent, in order, without what proves who asks.
    pub(crate) fn queries(&self) -> Vec<String> {
        self.sent
            .lock()
            .unwrap()
            .iter()
            .map(|sent| sent.query.clone())
            .collect()
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let left = self.left.lock().unwrap();
            let lines: Vec<_> = left.iter().map(|exchange| &exchange.line).collect();
            assert!(lines.is_empty(), "expected and never sent: {lines:?}");
        }
    }
}

pub(crate) fn account() -> AccountId {
    AccountId::from(ACCOUNT)
}

pub(crate) fn account_body() -> String {
    format!(r#"{{"canTrade":true,"updateTime":1767225600000,"balances":[],"uid":{ACCOUNT}}}"#)
}

/// The exchange's answer about one symbol.
pub(crate) fn listed(symbol: &str, base: &str, quote: &str) -> String {
    format!(
        r#"{{"rateLimits":[],"symbols":[{{"symbol":"{symbol}","status":"TRADING","baseAsset":"{base}","quoteAsset":"{quote}","filters":[]}}]}}"#
    )
}

/// The call that asks for it.
pub(crate) fn lists(symbol: &str, base: &str, quote: &str) -> Exchange {
    get("/api/v3/exchangeInfo", listed(symbol, base, quote))
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
