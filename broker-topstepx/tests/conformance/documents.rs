//! The venue's exchanges against the vendor's published document, a Swagger of September 2025. The service has moved on
//! since: what goes beyond the document is listed, with what shows it.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use broker_core::seam::Frame;
use broker_sim::wire::{SocketId, Venue, WireAnswer, WireRequest};
use broker_testkit::fixtures::corpus;
use broker_testkit::openapi::Document;
use broker_topstepx::venue::TopstepxVenue;
use chrono::{DateTime, Utc};

/// A path (or any), what is said about it, and what shows that it is right.
const BEYOND: [(&str, &str, &str); 15] = [
    // The document marks nothing as nullable, not even what is absent half of the time.
    (ANY, "$.errorMessage: null, not a string", "recorded: every success"),
    ("/api/Contract/searchById", "$.contract: null, not an object", UNSEEN),
    (
        "/api/Order/place",
        "$.orderId: null, not an integer",
        "nullable by the vendor's pages",
    ),
    ("/api/Order/search", ".customTag: null, not a string", "recorded"),
    ("/api/Order/search", ".filledPrice: null, not a number", "recorded"),
    ("/api/Order/search", ".limitPrice: null, not a number", "recorded"),
    ("/api/Order/search", ".stopPrice: null, not a number", "recorded"),
    (
        "/api/Trade/search",
        ".profitAndLoss: null, not a number",
        "the vendor's example",
    ),
    (
        "/api/Order/searchById",
        "the document has no POST of this path",
        "in the document of 2026",
    ),
    (
        "/api/Order/v2/query",
        "the document has no POST of this path",
        "in the document of 2026",
    ),
    (
        "/api/Order/search",
        ".trailPrice: the document has no such field",
        "recorded, August 2026",
    ),
    (
        "/api/Order/search",
        ".parentOrderId: the document has no such field",
        "recorded, August 2026",
    ),
    (
        "/api/Order/search",
        ".linkedOrderId: the document has no such field",
        "recorded, August 2026",
    ),
    (
        "/api/Trade/search",
        ".commissions: the document has no such field",
        "recorded, August 2026",
    ),
    (
        "/api/Position/searchOpen",
        ".contractDisplayName: the document has no such field",
        "recorded, August 2026",
    ),
];

const ANY: &str = "";

/// Of a refusal the payload is null where it was recorded (a login); of this one none is.
const UNSEEN: &str = "as a refused login, which is recorded";

/// The document, and what was found against it.
pub(crate) struct Documents {
    document: Document,
    used: Vec<bool>,
    problems: BTreeSet<String>,
    paths: BTreeSet<String>,
    exchanges: usize,
}

impl std::fmt::Debug for Documents {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Documents({} exchanges)", self.exchanges)
    }
}

impl Documents {
    /// `None`, said aloud, without a corpus.
    fn read() -> Option<Self> {
        let folder = corpus("topstepx")?;
        let text = std::fs::read_to_string(folder.join("gateway_swagger_2025-09.json")).unwrap();
        Some(Self {
            document: Document::parse(&text).unwrap().with_unknown_fields(),
            used: vec![false; BEYOND.len()],
            problems: BTreeSet::new(),
            paths: BTreeSet::new(),
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
            let problem = problem.to_string();
            let known = BEYOND
                .iter()
                .position(|(of, what, _)| (*of == ANY || *of == path) && problem.contains(what));
            match known {
                Some(place) => self.used[place] = true,
                None => {
                    // Numbers of rows are left out: one line a kind.
                    let problem: String = problem.chars().filter(|c| !c.is_ascii_digit()).collect();
                    self.problems
                        .insert(format!("{which} {method} {path} {}: {problem}", answer.status));
                }
            }
        }
        self.exchanges += 1;
        self.paths.insert(path.to_owned());
    }

    /// Nothing was found that is not listed, and each listed deviation was met.
    pub(crate) fn assert_clean(&self) {
        let problems: Vec<_> = self.problems.iter().map(String::as_str).collect();
        assert!(
            problems.is_empty(),
            "{} problems:\n{}",
            problems.len(),
            problems.join("\n")
        );
        for ((path, what, _), used) in BEYOND.iter().zip(&self.used) {
            assert!(used, "{path} {what}: nothing of the kind was met");
        }
        println!(
            "{} exchanges of {} paths are as the document says",
            self.exchanges,
            self.paths.len()
        );
        assert_eq!(self.paths, ASKED.map(str::to_owned).into());
    }
}

/// Every path that the crate asks.
const ASKED: [&str; 16] = [
    "/api/Account/search",
    "/api/Auth/loginKey",
    "/api/Auth/validate",
    "/api/Contract/available",
    "/api/Contract/searchById",
    "/api/History/retrieveBars",
    "/api/Order/cancel",
    "/api/Order/modify",
    "/api/Order/place",
    "/api/Order/search",
    "/api/Order/searchById",
    "/api/Order/v2/query",
    "/api/Position/closeContract",
    "/api/Position/partialCloseContract",
    "/api/Position/searchOpen",
    "/api/Trade/search",
];

/// A venue whose every exchange is checked, where there is the document.
#[derive(Debug)]
pub(crate) struct Watched {
    venue: TopstepxVenue,
    documents: Arc<Mutex<Option<Documents>>>,
}

impl Watched {
    pub(crate) fn new(venue: TopstepxVenue) -> (Self, Arc<Mutex<Option<Documents>>>) {
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
