//! A venue whose every exchange is held against a document.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use broker_core::seam::Frame;
use broker_sim::wire::{SocketId, Venue, WireAnswer, WireRequest};
use chrono::{DateTime, Utc};

use super::Document;

/// A deviation that is right, for the document is older than the service: a path, nothing for any, or how paths begin
/// and a `*`; what is said of it, where a `*` stands for any text between; and what shows that it is right.
pub type Beyond = (&'static str, &'static str, &'static str);

/// A venue, watched: it answers as before.
#[derive(Debug)]
pub struct Watched<V> {
    venue: V,
    exchanges: Exchanges,
}

/// What was asked of watched venues, and what the documents say of it. Clones share it.
#[derive(Clone)]
pub struct Exchanges(Arc<Mutex<Seen>>);

struct Seen {
    documents: Vec<Document>,
    beyond: &'static [Beyond],
    met: BTreeSet<usize>,
    problems: BTreeSet<String>,
    paths: BTreeSet<String>,
    operations: BTreeSet<String>,
    count: usize,
}

impl<V: Venue> Watched<V> {
    /// Watched alone: see [`Exchanges::new`].
    pub fn new(
        venue: V,
        documents: impl IntoIterator<Item = Document>,
        beyond: &'static [Beyond],
    ) -> (Self, Exchanges) {
        let exchanges = Exchanges::new(documents, beyond);
        (Self::among(venue, &exchanges), exchanges)
    }

    /// Watched beside others.
    pub fn among(venue: V, exchanges: &Exchanges) -> Self {
        Self {
            venue,
            exchanges: exchanges.clone(),
        }
    }
}

impl Exchanges {
    /// An exchange is held against the first document that has its path, else against the first. Without a document
    /// nothing is checked: it may not be at hand.
    pub fn new(documents: impl IntoIterator<Item = Document>, beyond: &'static [Beyond]) -> Self {
        Self(Arc::new(Mutex::new(Seen {
            documents: documents.into_iter().collect(),
            beyond,
            met: BTreeSet::new(),
            problems: BTreeSet::new(),
            paths: BTreeSet::new(),
            operations: BTreeSet::new(),
            count: 0,
        })))
    }

    /// Checks one that was met elsewhere.
    pub fn check(&self, request: &WireRequest, answer: &WireAnswer) {
        self.seen().look(request, answer);
    }

    /// How many there were.
    pub fn count(&self) -> usize {
        self.seen().count
    }

    /// What was asked that a document has, by its words: `GET /v2/orders/{order_id}`.
    pub fn operations(&self) -> BTreeSet<String> {
        self.seen().operations.clone()
    }

    /// Paths that were asked.
    pub fn paths(&self) -> BTreeSet<String> {
        self.seen().paths.clone()
    }

    /// # Panics
    /// When something deviates from the document that is not listed.
    pub fn assert_clean(&self) {
        let seen = self.seen();
        let problems: Vec<_> = seen.problems.iter().map(String::as_str).collect();
        assert!(
            problems.is_empty(),
            "{} problems:\n{}",
            problems.len(),
            problems.join("\n")
        );
        if !seen.documents.is_empty() {
            let (count, paths) = (seen.count, seen.paths.len());
            println!("{count} exchanges of {paths} paths are as the documents say");
        }
    }

    /// # Panics
    /// When a listed deviation was not met: then it need not be listed.
    pub fn assert_all_met(&self) {
        let seen = self.seen();
        let unmet = |(place, _): &(usize, &Beyond)| !seen.met.contains(place);
        let unmet: Vec<_> = seen.beyond.iter().enumerate().filter(unmet).collect();
        assert!(seen.documents.is_empty() || unmet.is_empty(), "never met: {unmet:?}");
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seen {
    fn look(&mut self, request: &WireRequest, answer: &WireAnswer) {
        let (method, path) = (request.method.as_str(), request.path.as_str());
        self.paths.insert(path.to_owned());
        self.count += 1;
        let named = |document: &Document| document.name_of(method, path);
        let (document, name) = match self.documents.iter().find_map(|one| Some((one, named(one)?))) {
            Some((document, name)) => (document, Some(name)),
            None => match self.documents.first() {
                Some(document) => (document, None),
                None => return,
            },
        };
        self.operations.extend(name);
        let sent = request.text();
        let is_form = |kind: &str| kind.starts_with("application/x-www-form-urlencoded");
        let of_request = match request.header("content-type").is_some_and(is_form) {
            true => document.check_form_request(method, path, &request.pairs, &sent),
            false => document.check_request(method, path, &request.pairs, Some(&sent)),
        };
        let answered = String::from_utf8_lossy(&answer.body);
        let of_answer = document.check_answer(method, path, answer.status, &answered);
        let found = of_request.iter().map(|problem| (problem, "request"));
        for (problem, which) in found.chain(of_answer.iter().map(|problem| (problem, "answer"))) {
            let said = problem.to_string();
            let known = |(of, what, _): &Beyond| is_of(path, of) && matches(&said, what);
            match self.beyond.iter().position(known) {
                Some(place) => _ = self.met.insert(place),
                None => {
                    // Without the numbers of rows and accounts: one line a kind.
                    let line = format!("{which} {method} {path}: {said}");
                    let line: String = line.chars().filter(|c| !c.is_ascii_digit()).collect();
                    self.problems.insert(format!("{line} ({})", answer.status));
                }
            }
        }
    }
}

/// Whether a deviation is about this path.
fn is_of(path: &str, of: &str) -> bool {
    of.is_empty() || of.strip_suffix('*').map_or(of == path, |start| path.starts_with(start))
}

/// Whether the parts between the stars stand in it, one after another.
fn matches(said: &str, pattern: &str) -> bool {
    let mut rest = Some(said);
    for part in pattern.split('*') {
        rest = rest.and_then(|rest| rest.split_once(part)).map(|(_, behind)| behind);
    }
    rest.is_some()
}

impl<V: Venue> Venue for Watched<V> {
    fn handle(&mut self, request: &WireRequest, now: DateTime<Utc>) -> WireAnswer {
        let answer = self.venue.handle(request, now);
        self.exchanges.seen().look(request, &answer);
        answer
    }

    fn upgrade(&mut self, request: &WireRequest, socket: SocketId, now: DateTime<Utc>) -> Result<(), WireAnswer> {
        self.venue.upgrade(request, socket, now)
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

impl fmt::Debug for Exchanges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seen = self.seen();
        write!(f, "Exchanges({} of {} paths)", seen.count, seen.paths.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Echo;

    impl Venue for Echo {
        fn handle(&mut self, _: &WireRequest, _: DateTime<Utc>) -> WireAnswer {
            WireAnswer::json(200, r#"{"size":"7","rows":[{"depth":"5"}]}"#.to_owned())
        }
    }

    const DOCUMENT: &str = r##"{"swagger":"2.0","paths":{"/book":{"get":{"responses":{"200":{"schema":{"type":"object",
        "properties":{"size":{"type":"integer"},"rows":{"type":"array","items":{"type":"object",
        "properties":{"depth":{"type":"integer"}}}}}}}}}}}}"##;

    fn watched(beyond: &'static [Beyond]) -> Exchanges {
        let document = Document::parse(DOCUMENT).unwrap();
        let (mut venue, exchanges) = Watched::new(Echo, Some(document), beyond);
        venue.handle(&WireRequest::new("GET", "/book", "test"), DateTime::UNIX_EPOCH);
        exchanges
    }

    const SIZE: Beyond = ("/book", "$.size: a string, not an integer", "seen");
    const DEPTH: Beyond = ("", "rows[*].depth: a string", "seen");

    #[test]
    fn what_is_listed_is_no_problem_and_must_be_met() {
        let exchanges = watched(&[SIZE, DEPTH]);
        exchanges.assert_clean();
        exchanges.assert_all_met();
        assert_eq!(exchanges.paths(), ["/book".to_owned()].into());
    }

    #[test]
    #[should_panic(expected = "1 problems:\nanswer GET /book: $.size: a string, not an integer (200)")]
    fn what_is_not_listed_is_a_problem() {
        watched(&[("/other", SIZE.1, ""), DEPTH]).assert_clean();
    }

    #[test]
    fn several_venues_and_documents_are_one_list() {
        let other = DOCUMENT.replace("/book", "/shelves/{shelf}").replace("size", "width");
        let documents = [DOCUMENT, &other].map(|text| Document::parse(text).unwrap());
        let exchanges = Exchanges::new(documents, &[("/bo*", SIZE.1, ""), DEPTH]);
        for path in ["/book", "/shelves/7"] {
            let mut venue = Watched::among(Echo, &exchanges);
            venue.handle(&WireRequest::new("GET", path, "test"), DateTime::UNIX_EPOCH);
        }
        exchanges.assert_clean();
        exchanges.assert_all_met();
        assert_eq!(exchanges.count(), 2);
        let operations = ["GET /book", "GET /shelves/{shelf}"].map(str::to_owned);
        assert_eq!(exchanges.operations(), operations.into());
        exchanges.check(
            &WireRequest::new("GET", "/door", "test"),
            &WireAnswer::json(200, "{}".to_owned()),
        );
        let problems = exchanges.seen().problems.clone();
        let said = |which| format!("{which} GET /door: /door: the document has no GET of this path (200)");
        assert_eq!(problems, [said("answer"), said("request")].into());
    }

    #[test]
    #[should_panic(expected = "never met: [(2, (\"\", \"$.size*depth\"")]
    fn what_is_listed_for_nothing_is_one_too() {
        watched(&[SIZE, DEPTH, ("", "$.size*depth", "")]).assert_all_met();
    }
}
