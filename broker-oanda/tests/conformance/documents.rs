//! The venue's exchanges against OANDA's published document, a Swagger of 2018. The website is newer: where requests
//! and answers go beyond the document, each deviation is listed, with what shows it. Members of answers that the document
//! lacks are not reported: `Order` and `Transaction` are bases there, without the members of each type.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use broker_core::seam::Frame;
use broker_oanda::venue::OandaVenue;
use broker_sim::wire::{SocketId, Venue, WireAnswer, WireRequest};
use broker_testkit::fixtures::corpus;
use broker_testkit::openapi::Document;
use chrono::{DateTime, Utc};

/// A place in a request or an answer, what is said about it, and where it is shown to be right: a recording, or the
/// field set that was seen on practice in October 2026.
const BEYOND: [(&str, &str, &str); 4] = [
    (
        "$.order.",
        "the document has no such field",
        "OrderRequest is a base without members; each type of order has a schema that the path does not name",
    ),
    (
        "fullPrice.asks[].liquidity",
        "a string, not an integer",
        "recorded: a string inside transactions, a number in prices",
    ),
    (
        "fullPrice.bids[].liquidity",
        "a string, not an integer",
        "recorded: a string inside transactions, a number in prices",
    ),
    (
        "$.trailingStopLoss",
        "null, not an object",
        "the endpoint's own words: null cancels the exit",
    ),
];

/// The document, and what was found against it.
pub(crate) struct Documents {
    document: Document,
    used: Vec<bool>,
    problems: BTreeSet<String>,
    pub(crate) exchanges: usize,
}

impl std::fmt::Debug for Documents {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Documents({} exchanges)", self.exchanges)
    }
}

impl Documents {
    /// `None`, said aloud, without a corpus.
    fn read() -> Option<Self> {
        let folder = corpus("oanda")?;
        let text = std::fs::read_to_string(folder.join("openapi_v20.json")).unwrap();
        Some(Self {
            document: Document::parse(&text).unwrap(),
            used: vec![false; BEYOND.len()],
            problems: BTreeSet::new(),
            exchanges: 0,
        })
    }

    fn check(&mut self, request: &WireRequest, answer: &WireAnswer) {
        let (method, path) = (request.method.as_str(), request.path.as_str());
        let sent = request.text();
        let sent = Some(sent.as_str()).filter(|body| !body.is_empty());
        let answered = String::from_utf8(answer.body.to_vec()).unwrap();
        let of_request = self.document.check_request(method, path, &request.pairs, sent);
        let of_answer = self.document.check_answer(method, path, answer.status, &answered);
        let found = of_request.iter().map(|problem| (problem, "request"));
        let found = found.chain(of_answer.iter().map(|problem| (problem, "answer")));
        for (problem, which) in found {
            // Numbers of rows are left out: one line a kind.
            let problem: String = problem.to_string().chars().filter(|c| !c.is_ascii_digit()).collect();
            let known = BEYOND
                .iter()
                .position(|(place, what, _)| problem.contains(place) && problem.contains(what));
            match known {
                Some(place) => self.used[place] = true,
                None => {
                    let path: String = path.chars().filter(|c| !c.is_ascii_digit()).collect();
                    self.problems
                        .insert(format!("{which} {method} {path} {}: {problem}", answer.status));
                }
            }
        }
        self.exchanges += 1;
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
        println!("{} exchanges are as the document says", self.exchanges);
    }

    /// Each listed deviation was met.
    pub(crate) fn assert_exceptions_are_needed(&self) {
        for ((place, what, _), used) in BEYOND.iter().zip(&self.used) {
            assert!(used, "{place} {what}: nothing of the kind was met");
        }
    }
}

/// A venue whose every exchange is checked, where there is the document.
#[derive(Debug)]
pub(crate) struct Watched {
    venue: OandaVenue,
    documents: Arc<Mutex<Option<Documents>>>,
}

impl Watched {
    pub(crate) fn new(venue: OandaVenue) -> (Self, Arc<Mutex<Option<Documents>>>) {
        let documents = Arc::new(Mutex::new(Documents::read()));
        let watched = Self {
            venue,
            documents: Arc::clone(&documents),
        };
        (watched, documents)
    }
}

impl Venue for Watched {
    fn handle(&mut self, request: &WireRequest, now: DateTime<Utc>) -> WireAnswer {
        let answer = self.venue.handle(request, now);
        if let Some(documents) = self.documents.lock().unwrap().as_mut() {
            documents.check(request, &answer);
        }
        answer
    }

    fn stream(&mut self, request: &WireRequest, socket: SocketId, now: DateTime<Utc>) -> Option<WireAnswer> {
        self.venue.stream(request, socket, now)
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
