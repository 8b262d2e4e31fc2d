//! The venue's answers against Kraken's published document, where that is at hand.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use broker_core::seam::Frame;
use broker_kraken::venue::KrakenVenue;
use broker_sim::wire::{SocketId, Venue, WireAnswer, WireRequest};
use broker_testkit::fixtures::corpus;
use broker_testkit::openapi::Document;
use chrono::{DateTime, Utc};

/// What was found: each problem once, and how many answers of a path were checked.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) problems: BTreeSet<String>,
    pub(crate) answers: BTreeMap<String, u32>,
}

/// A venue whose every answer is checked. Requests are not: the document has them as JSON, and they are sent as forms.
pub(crate) struct Watched {
    venue: KrakenVenue,
    document: Option<Document>,
    found: Arc<Mutex<Found>>,
}

impl Watched {
    pub(crate) fn new(venue: KrakenVenue) -> (Self, Arc<Mutex<Found>>) {
        let document = corpus("kraken").map(|folder| {
            let text = std::fs::read_to_string(folder.join("kraken_spot_openapi_bundled.json")).unwrap();
            Document::parse(&text).unwrap().with_unknown_fields()
        });
        let found = Arc::new(Mutex::new(Found::default()));
        let watched = Self {
            venue,
            document,
            found: Arc::clone(&found),
        };
        (watched, found)
    }
}

/// Where the document is wrong or silent: recorded answers have errors as plain strings, and balances and orders by
/// their ids; the call about the key is younger than the document.
fn is_known(problem: &str) -> bool {
    let by_id = problem
        .strip_prefix("/private/BalanceEx: $.result.")
        .or(problem.strip_prefix("/private/QueryOrders: $.result."))
        .is_some_and(|rest| !rest.contains('.') && rest.ends_with("the document has no such field"));
    by_id || problem.ends_with("$.error[0]: a string, not an array") || problem.starts_with("/private/GetApiKeyInfo: ")
}

impl Venue for Watched {
    fn handle(&mut self, request: &WireRequest, now: DateTime<Utc>) -> WireAnswer {
        let answer = self.venue.handle(request, now);
        if let Some(document) = &self.document {
            let path = request.path.trim_start_matches("/0");
            let body = String::from_utf8(answer.body.to_vec()).unwrap();
            let mut found = self.found.lock().unwrap();
            *found.answers.entry(path.to_owned()).or_default() += 1;
            for problem in document.check_answer(&request.method, path, answer.status, &body) {
                let problem = format!("{path}: {problem}");
                if !is_known(&problem) {
                    found.problems.insert(problem);
                }
            }
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
