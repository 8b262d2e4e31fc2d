//! Recorded and published answers of Kraken, read through the shipped calls and compared with values worked out by
//! hand. The collection is not part of this repository: without it the tests say so and pass.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod history;
mod lists;
mod orders;
mod streams;
mod trading;
mod traps;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use broker_core::num::decimal;
use broker_core::seam::{MemoryTransport, SeededRng, VirtualRuntime};
use broker_core::{AccountId, Context, Currency, Money, Price, Qty};
use broker_kraken::{KrakenBroker, KrakenConfig};
use bytes::Bytes;
use chrono::{DateTime, Utc};
use rust_decimal::Decimal;

/// The file's text; `None` where there is no collection.
fn recorded(name: &str) -> Option<String> {
    let folder = std::env::var_os("BROKER_CORPUS")
        .map_or_else(
            || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpus"),
            PathBuf::from,
        )
        .join("kraken");
    if !folder.is_dir() {
        println!(
            "SKIPPED {name}: no recorded answers at {} (set BROKER_CORPUS)",
            folder.display()
        );
        return None;
    }
    // The folder is there, so a missing file is a mistake.
    Some(std::fs::read_to_string(folder.join(name)).unwrap_or_else(|error| panic!("{name}: {error}")))
}

macro_rules! corpus {
    ($name:literal) => {
        match crate::recorded($name) {
            Some(body) => body,
            None => return,
        }
    };
}
pub(crate) use corpus;

/// A client over answers by path: each is given every time, in virtual time.
pub(crate) struct Stage {
    runtime: VirtualRuntime,
    broker: KrakenBroker,
    /// Path and body of every request.
    sent: Arc<Mutex<Vec<(String, String)>>>,
}

impl Stage {
    /// With the published lists of assets and pairs, and these answers.
    pub(crate) fn new(answers: &[(&str, &str)]) -> Self {
        let assets = recorded("assets_official.json").unwrap_or_default();
        let pairs = recorded("asset_pairs_official.json").unwrap_or_default();
        Self::listing(&assets, &pairs, answers)
    }

    pub(crate) fn listing(assets: &str, pairs: &str, answers: &[(&str, &str)]) -> Self {
        let mut by_path: BTreeMap<String, String> = BTreeMap::new();
        by_path.insert("/0/public/Assets".to_owned(), assets.to_owned());
        by_path.insert("/0/public/AssetPairs".to_owned(), pairs.to_owned());
        let key =
            r#"{"error":[],"result":{"permissions":["query-ledger"],"validUntil":"0","queryFrom":"0","queryTo":"0"}}"#;
        by_path.insert("/0/private/GetApiKeyInfo".to_owned(), key.to_owned());
        for (name, body) in answers {
            by_path.insert(format!("/0/{name}"), (*body).to_owned());
        }
        let sent = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&sent);
        let transport = MemoryTransport::new(move |request| {
            let path = request.uri().path().to_owned();
            let body = String::from_utf8_lossy(request.body()).into_owned();
            let answer = by_path
                .get(&path)
                .unwrap_or_else(|| panic!("nobody answers {path} {body}"));
            log.lock().unwrap().push((path, body));
            Ok(http::Response::builder().body(Bytes::from(answer.clone())).unwrap())
        });
        let runtime = VirtualRuntime::starting_at(at("2025-11-11T00:17:05Z"));
        let clock = Arc::new(runtime.clock());
        let context = Context::new(clock.clone(), Arc::new(SeededRng::new(1)), clock, Arc::new(transport));
        let point = Duration::from_millis(1);
        let config = KrakenConfig::new("key", "c2VjcmV0")
            .live()
            .with_call_counter(1_000, point)
            .with_public_counter(1_000, point)
            .with_context(context);
        let broker = KrakenBroker::new(config).unwrap();
        Self { runtime, broker, sent }
    }

    pub(crate) fn run<T, F: Future<Output = T>>(&self, ask: impl FnOnce(KrakenBroker) -> F) -> T {
        self.runtime.block_on(ask(self.broker.clone()))
    }

    pub(crate) fn account(&self) -> AccountId {
        self.broker.account_id().clone()
    }

    /// The last form that was sent to this call.
    pub(crate) fn form(&self, name: &str) -> Option<String> {
        let sent = self.sent.lock().unwrap();
        let path = format!("/0/private/{name}");
        sent.iter()
            .rev()
            .find(|(sent, _)| *sent == path)
            .map(|(_, body)| body.clone())
    }
}

pub(crate) fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

pub(crate) fn dec(text: &str) -> Decimal {
    decimal(text).unwrap()
}

pub(crate) fn price(text: &str) -> Option<Price> {
    Some(text.parse().unwrap())
}

pub(crate) fn qty(text: &str) -> Qty {
    text.parse().unwrap()
}

pub(crate) fn usd(amount: &str) -> Money {
    Money::new(dec(amount), Currency::USD)
}
