//! A venue's exchanges against Alpaca's published documents.

#![allow(dead_code, reason = "each test file uses its own part")]
#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use broker_core::seam::Frame;
use broker_sim::wire::{SocketId, Venue, WireAnswer, WireRequest};
use broker_testkit::fixtures::corpus;
use broker_testkit::openapi::{Document, ProblemKind};
use chrono::{DateTime, Utc};

/// What answers have that the document lacks: a path, where in the answer, what is said about it, and the recorded
/// answer that shows it. Dates of activities are called date-times there and are dates; the exchange of a coin is
/// called something else in each source, and never one of the document's words.
const BEYOND: [(&str, &str, &str, &str); 11] = [
    ("/v2/orders", ".subtag", "no such field", "order_equity_accepted.json"),
    ("/v2/orders", ".source", "no such field", "order_equity_accepted.json"),
    (
        "/v2/orders",
        ".body",
        "no such field",
        "cancel_all_207_with_bodies.json",
    ),
    (
        "/v2/orders",
        ".expires_at",
        "no such field",
        "order_mleg_filled_nested_legs.json",
    ),
    (
        "/v2/positions",
        ".subtag",
        "no such field",
        "order_equity_accepted.json",
    ),
    (
        "/v2/positions",
        ".source",
        "no such field",
        "order_equity_accepted.json",
    ),
    (
        "/v2/account/activities",
        ".description",
        "no such field",
        "activity_cfee.json",
    ),
    (
        "/v2/account/activities",
        ".price",
        "no such field",
        "activity_cfee.json",
    ),
    (
        "/v2/account/activities",
        ".date",
        "is no date-time",
        "activity_cfee.json",
    ),
    (
        "/v2/assets",
        ".exchange",
        "\"CRYPTO\" is none",
        "position_crypto_symbol_without_slash.json",
    ),
    (
        "/v2/positions",
        ".exchange",
        "\"CRYPTO\" is none",
        "position_crypto_symbol_without_slash.json",
    ),
];

/// The document names no refusal of these; what is unknown is answered with this status and code.
const UNKNOWN: (&str, u16, &str) = ("/v2/orders", 404, "\"code\":40410000");

/// Both documents, and what was found against them.
pub(crate) struct Documents {
    folder: PathBuf,
    trading: Document,
    data: Document,
    used: Vec<bool>,
    pub(crate) exchanges: usize,
    /// Methods and paths, without their names of things.
    pub(crate) endpoints: BTreeSet<String>,
    problems: BTreeSet<String>,
}

impl Documents {
    /// `None`, said aloud, without a corpus.
    pub(crate) fn read() -> Option<Self> {
        let folder = corpus("alpaca")?;
        Some(Self {
            trading: document(&folder, "openapi_trading_api.json"),
            data: document(&folder, "openapi_market_data_api.json"),
            folder,
            used: vec![false; BEYOND.len()],
            exchanges: 0,
            endpoints: BTreeSet::new(),
            problems: BTreeSet::new(),
        })
    }

    /// Checks a request, and its answer.
    pub(crate) fn check(&mut self, request: &WireRequest, answer: &WireAnswer) {
        let is_data = request.path.starts_with("/v2/stocks") || request.path.starts_with("/v1beta");
        let document = if is_data { &self.data } else { &self.trading };
        let (method, path) = (request.method.as_str(), request.path.as_str());
        let sent = request.text();
        let sent = Some(sent.as_str()).filter(|body| !body.is_empty());
        let answered = String::from_utf8(answer.body.to_vec()).unwrap();
        let of_request = document.check_request(method, path, &request.pairs, sent);
        let of_answer = document.check_answer(method, path, answer.status, &answered);
        let (start, status, code) = UNKNOWN;
        let unknown = path.starts_with(start) && answer.status == status && answered.contains(code);
        let of_answer = of_answer
            .iter()
            .filter(|problem| !(unknown && problem.kind == ProblemKind::UnknownStatus));
        for problem in of_request.iter().chain(of_answer).map(ToString::to_string) {
            let known = BEYOND.iter().position(|(start, place, what, _)| {
                path.starts_with(start) && problem.contains(place) && problem.contains(what)
            });
            match known {
                Some(place) => self.used[place] = true,
                None => {
                    let line = format!("{method} {path}?{} {}: {problem}", request.query, answer.status);
                    self.problems.insert(line);
                }
            }
        }
        self.exchanges += 1;
        self.endpoints.insert(format!("{method} {}", endpoint(path)));
    }

    /// Nothing was found that is not listed.
    pub(crate) fn assert_clean(&self) {
        let problems: Vec<_> = self.problems.iter().map(String::as_str).collect();
        assert!(
            problems.is_empty(),
            "{} problems:\n{}",
            problems.len(),
            problems.join("\n")
        );
    }

    /// Each listed exception was met, and its recording shows it.
    pub(crate) fn assert_exceptions_are_needed(&self) {
        for ((path, place, what, recording), used) in BEYOND.iter().zip(&self.used) {
            assert!(used, "{path} {place} {what}: nothing of the kind was answered");
            let text = std::fs::read_to_string(self.folder.join(recording)).unwrap();
            let key = place.rsplit('.').next().unwrap_or(place);
            assert!(
                text.contains(&format!("\"{key}\"")),
                "{recording} does not show {place}"
            );
        }
    }
}

/// A path up to the name of one thing.
fn endpoint(path: &str) -> String {
    let named = ["/v2/orders/", "/v2/assets/", "/v2/positions/", "/v2/options/contracts/"];
    match named.iter().find(|start| path.starts_with(**start)) {
        Some(start) => format!("{start}*"),
        None => path.to_owned(),
    }
}

fn document(folder: &Path, name: &str) -> Document {
    let text = std::fs::read_to_string(folder.join(name)).unwrap();
    Document::parse(&text).unwrap().with_unknown_fields()
}

/// A venue whose every exchange is checked, where there are documents.
#[derive(Debug)]
pub(crate) struct Watched<V> {
    venue: V,
    documents: Arc<Mutex<Option<Documents>>>,
}

impl<V: Venue> Watched<V> {
    pub(crate) fn new(venue: V) -> (Self, Arc<Mutex<Option<Documents>>>) {
        let documents = Arc::new(Mutex::new(Documents::read()));
        let watched = Self {
            venue,
            documents: Arc::clone(&documents),
        };
        (watched, documents)
    }
}

impl<V: Venue> Venue for Watched<V> {
    fn handle(&mut self, request: &WireRequest, now: DateTime<Utc>) -> WireAnswer {
        let answer = self.venue.handle(request, now);
        if let Some(documents) = self.documents.lock().unwrap().as_mut() {
            documents.check(request, &answer);
        }
        answer
    }

    fn upgrade(&mut self, request: &WireRequest, socket: SocketId, now: DateTime<Utc>) -> Result<(), WireAnswer> {
        self.venue.upgrade(request, socket, now)
    }

    fn frame(&mut self, socket: SocketId, frame: Frame, now: DateTime<Utc>) {
        self.venue.frame(socket, frame, now);
    }

    fn pushed(&mut self, now: DateTime<Utc>) -> Vec<(SocketId, Frame)> {
        self.venue.pushed(now)
    }

    fn wake_at(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.venue.wake_at(now)
    }
}

impl std::fmt::Debug for Documents {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Documents").finish_non_exhaustive()
    }
}
