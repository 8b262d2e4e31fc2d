//! A wire that is a table of answers by path, and a broker over it in virtual time.

#![allow(dead_code, reason = "each test file uses its own part")]
#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

use std::sync::{Arc, Mutex};

use broker_core::num::decimal;
use broker_core::seam::{MemoryTransport, SeededRng, VirtualRuntime};
use broker_core::{Context, Currency, Money, Price, Qty};
use broker_topstepx::{TopstepxBroker, TopstepxConfig};
use bytes::Bytes;
use chrono::{DateTime, Utc};
use rust_decimal::Decimal;

pub(crate) fn dec(text: &str) -> Decimal {
    decimal(text).unwrap()
}

pub(crate) fn price(text: &str) -> Price {
    Price::new(dec(text))
}

pub(crate) fn qty(text: &str) -> Qty {
    text.parse().unwrap()
}

pub(crate) fn usd(text: &str) -> Money {
    Money::new(dec(text), Currency::USD)
}

pub(crate) fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

/// The envelope of a success around a payload.
pub(crate) fn enveloped(name: &str, payload: &str) -> String {
    format!(r#"{{"{name}":{payload},"success":true,"errorCode":0,"errorMessage":null}}"#)
}

pub(crate) const LOGIN: &str = r#"{"token":"a-token","success":true,"errorCode":0,"errorMessage":null}"#;

/// A request that was sent: path, body, the value of its authorization.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sent {
    pub(crate) path: String,
    pub(crate) body: String,
    pub(crate) bearer: Option<String>,
}

/// A broker over answers.
pub(crate) struct Stage {
    pub(crate) runtime: VirtualRuntime,
    pub(crate) broker: TopstepxBroker,
    pub(crate) sent: Arc<Mutex<Vec<Sent>>>,
}

pub(crate) const START: &str = "2026-08-20T12:00:00Z";

impl Stage {
    /// Answers by path and body; logins are taken without being asked.
    pub(crate) fn new(answer: impl Fn(&str, &str) -> (u16, String) + Send + Sync + 'static) -> Self {
        Self::with(TopstepxConfig::new("a-login", "a-key"), move |path, body| match path {
            "/api/Auth/loginKey" => (200, LOGIN.to_owned()),
            path => answer(path, body),
        })
    }

    /// The same answer to everything but a login.
    pub(crate) fn fixed(status: u16, body: &str) -> Self {
        let body = body.to_owned();
        Self::new(move |_, _| (status, body.clone()))
    }

    pub(crate) fn with(
        config: TopstepxConfig,
        answer: impl Fn(&str, &str) -> (u16, String) + Send + Sync + 'static,
    ) -> Self {
        Self::of(config, move |path, body| {
            let (status, text) = answer(path, body);
            (status, text, None)
        })
    }

    /// Answers with a hint when to ask again.
    pub(crate) fn hinted(
        answer: impl Fn(&str, &str) -> (u16, String, Option<&'static str>) + Send + Sync + 'static,
    ) -> Self {
        Self::of(TopstepxConfig::new("a-login", "a-key"), answer)
    }

    fn of(
        config: TopstepxConfig,
        answer: impl Fn(&str, &str) -> (u16, String, Option<&'static str>) + Send + Sync + 'static,
    ) -> Self {
        let sent = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&sent);
        let transport = MemoryTransport::new(move |request| {
            let (path, body) = (
                request.uri().path().to_owned(),
                String::from_utf8_lossy(request.body()).into_owned(),
            );
            assert_eq!(request.method(), "POST", "{path}");
            assert!(request.uri().query().is_none(), "{path}");
            let (status, text, hint) = answer(&path, &body);
            let bearer = request
                .headers()
                .get("authorization")
                .map(|value| value.to_str().unwrap().to_owned());
            log.lock().unwrap().push(Sent { path, body, bearer });
            let answer = http::Response::builder().status(status);
            let answer = match hint {
                Some(hint) => answer.header("retry-after", hint),
                None => answer,
            };
            Ok(answer.body(Bytes::from(text)).unwrap())
        });
        let runtime = VirtualRuntime::starting_at(at(START));
        let clock = Arc::new(runtime.clock());
        let context = Context::new(clock.clone(), Arc::new(SeededRng::new(1)), clock, Arc::new(transport));
        Self {
            broker: TopstepxBroker::new(config.with_context(context)).unwrap(),
            runtime,
            sent,
        }
    }

    pub(crate) fn run<T, F: Future<Output = T>>(&self, call: impl FnOnce(TopstepxBroker) -> F) -> T {
        self.runtime.block_on(call(self.broker.clone()))
    }

    /// What was sent since the last look, logins left out.
    pub(crate) fn sent(&self) -> Vec<(String, String)> {
        let sent = std::mem::take(&mut *self.sent.lock().unwrap());
        let calls = sent.into_iter().filter(|sent| sent.path != "/api/Auth/loginKey");
        calls.map(|sent| (sent.path, sent.body)).collect()
    }
}
