//! What came in, and what became of it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use broker_core::seam::Frame;
use chrono::{DateTime, Utc};

use super::mask;
use super::message::WireRequest;
use super::venue::SocketId;

/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fate {
    /// No byte of it left the client.
    NotSent,
    /// It left the client, and the venue never saw it.
    Lost,
    /// It is still on its way to the venue.
    UnderWay,
    /// A shell answered in the venue's place: the venue never saw it.
    Intercepted,
    /// The venue handled it.
    Handled,
}

/// One request, as it was recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    /// When it was sent.
    pub at: DateTime<Utc>,
    /// Method.
    pub method: String,
    /// Path, still encoded.
    pub path: String,
    /// Query, still encoded.
    pub query: String,
    /// Headers, secret ones masked.
    pub headers: Vec<(String, String)>,
    /// The body's text.
    pub body: String,
    /// What became of it.
    pub fate: Fate,
    /// Status that the venue, or the shell in its place, answered, also where the answer was lost on its way back.
    pub status: Option<u16>,
    /// Name of the fault that hit it.
    pub fault: Option<&'static str>,
}

/// One socket, or the body of one answer that did not end, as it was recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedSocket {
    /// Its number at its shell.
    pub id: SocketId,
    /// When it was opened.
    pub at: DateTime<Utc>,
    /// Path, still encoded.
    pub path: String,
    /// Frames that came in, and when, without the close. In their text the values of secret keys are masked.
    pub frames: Vec<(DateTime<Utc>, Frame)>,
    /// When it was closed, by whichever side.
    pub closed_at: Option<DateTime<Utc>>,
}

/// Keeps every request and every socket of a shell. Clones share the record.
///
/// ```
/// use broker_sim::wire::Recorder;
/// let recorder = Recorder::new();
/// assert_eq!(recorder.requests().len(), 0);
/// assert!(recorder.sends("POST", "/v2/orders", |body| Some(body.to_owned())).is_empty());
/// ```
#[derive(Debug, Clone)]
pub struct Recorder {
    requests: Arc<Mutex<Vec<Recorded>>>,
    sockets: Arc<Mutex<Sockets>>,
    connections: Arc<Mutex<Vec<DateTime<Utc>>>>,
    secret_headers: Arc<Vec<String>>,
    secret_keys: Arc<Vec<String>>,
}

/// Numbered here, for several shells may share a record.
#[derive(Debug, Default)]
struct Sockets {
    opened: u64,
    all: BTreeMap<u64, RecordedSocket>,
}

/// Headers that carry secrets at the brokers of this family.
const SECRET_HEADERS: [&str; 12] = [
    "api-key",
    "api-sign",
    "apca-api-key-id",
    "apca-api-secret-key",
    "authorization",
    "cookie",
    "ok-access-key",
    "ok-access-passphrase",
    "ok-access-sign",
    "x-bapi-api-key",
    "x-bapi-sign",
    "x-mbx-apikey",
];

/// Keys whose values are secrets in the sign-in frames, bodies and queries of the brokers of this family.
const SECRET_KEYS: [&str; 6] = ["access_token", "apikey", "key", "oauth_token", "secret", "token"];

impl Default for Recorder {
    fn default() -> Self {
        Self::new()
    }
}

impl Recorder {
    /// An empty record that masks the headers and the JSON keys which carry secrets at the brokers of this family.
    pub fn new() -> Self {
        Self {
            requests: Arc::default(),
            sockets: Arc::default(),
            connections: Arc::default(),
            secret_headers: Arc::new(SECRET_HEADERS.map(str::to_owned).to_vec()),
            secret_keys: Arc::new(SECRET_KEYS.map(str::to_owned).to_vec()),
        }
    }

    /// Also masks these headers. Faults that take a request's credentials away take these away, too.
    #[must_use]
    pub fn with_secret_headers<'a>(mut self, names: impl IntoIterator<Item = &'a str>) -> Self {
        let more = names.into_iter().map(str::to_ascii_lowercase);
        self.secret_headers = Arc::new(self.secret_headers.iter().cloned().chain(more).collect());
        self
    }

    /// Also masks the values of these JSON keys, whatever their case, in frames, bodies and queries.
    #[must_use]
    pub fn with_secret_keys<'a>(mut self, keys: impl IntoIterator<Item = &'a str>) -> Self {
        let more = keys.into_iter().map(str::to_owned);
        self.secret_keys = Arc::new(self.secret_keys.iter().cloned().chain(more).collect());
        self
    }

    /// Every request so far, in the order of sending.
    pub fn requests(&self) -> Vec<Recorded> {
        self.lock().clone()
    }

    /// How often requests of this method and path left the client, by a key that is read from the body. A request
    /// that the fault plan lost counts; one of which no byte was sent does not. Bodies without a key count nowhere.
    pub fn sends<K>(&self, method: &str, path: &str, key: K) -> BTreeMap<String, usize>
    where
        K: Fn(&str) -> Option<String>,
    {
        let mut counts = BTreeMap::new();
        for request in self.lock().iter() {
            let asked = request.method == method && request.path == path && request.fate != Fate::NotSent;
            if let Some(key) = asked.then(|| key(&request.body)).flatten() {
                *counts.entry(key).or_insert(0) += 1;
            }
        }
        counts
    }

    /// How many requests left the client.
    pub fn sent(&self) -> usize {
        self.lock()
            .iter()
            .filter(|request| request.fate != Fate::NotSent)
            .count()
    }

    /// Every socket so far, in the order of opening.
    pub fn sockets(&self) -> Vec<RecordedSocket> {
        self.lock_sockets().all.values().cloned().collect()
    }

    /// How many sockets are open now, as the venue sees it: what a client drops is open until the venue hears of it.
    pub fn open_sockets(&self) -> usize {
        let sockets = self.lock_sockets();
        sockets.all.values().filter(|socket| socket.closed_at.is_none()).count()
    }

    /// When each connection was taken: on loopback, for in memory there are none.
    pub fn connections(&self) -> Vec<DateTime<Utc>> {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn connected(&self, at: DateTime<Utc>) {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner).push(at);
    }

    /// Forgets all requests and all closed sockets. Not while a request is under way: its fate would find no place.
    pub fn clear(&self) {
        self.lock().clear();
        self.lock_sockets().all.retain(|_, socket| socket.closed_at.is_none());
    }

    pub(super) fn is_secret(&self, header: &str) -> bool {
        self.secret_headers.iter().any(|name| name == header)
    }

    /// Writes a request down; gives the place where its end is written by [`end`](Self::end).
    pub(super) fn begin(
        &self,
        request: &WireRequest,
        fate: Fate,
        fault: Option<&'static str>,
        at: DateTime<Utc>,
    ) -> usize {
        let mut requests = self.lock();
        requests.push(Recorded {
            at,
            method: request.method.clone(),
            path: request.path.clone(),
            query: mask::query(&request.query, &self.secret_keys),
            headers: self.masked(request),
            body: mask::masked(&request.text(), &self.secret_keys),
            fate,
            status: None,
            fault,
        });
        requests.len() - 1
    }

    pub(super) fn end(&self, place: usize, fate: Fate, status: Option<u16>) {
        if let Some(request) = self.lock().get_mut(place) {
            request.fate = fate;
            request.status = status;
        }
    }

    /// Writes a socket down; gives the place where its frames and its end are written.
    pub(super) fn opened(&self, id: SocketId, path: &str, at: DateTime<Utc>) -> u64 {
        let mut sockets = self.lock_sockets();
        sockets.opened += 1;
        let place = sockets.opened;
        let socket = RecordedSocket {
            id,
            at,
            path: path.to_owned(),
            frames: Vec::new(),
            closed_at: None,
        };
        sockets.all.insert(place, socket);
        place
    }

    pub(super) fn frame(&self, place: u64, frame: &Frame, at: DateTime<Utc>) {
        let frame = mask::frame(frame, &self.secret_keys);
        if let Some(socket) = self.lock_sockets().all.get_mut(&place) {
            socket.frames.push((at, frame));
        }
    }

    pub(super) fn closed(&self, place: u64, at: DateTime<Utc>) {
        if let Some(socket) = self.lock_sockets().all.get_mut(&place) {
            socket.closed_at = Some(at);
        }
    }

    fn masked(&self, request: &WireRequest) -> Vec<(String, String)> {
        let mask = |(name, value): &(String, String)| {
            let shown = if self.is_secret(name) { "***" } else { value };
            (name.clone(), shown.to_owned())
        };
        request.headers.iter().map(mask).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Recorded>> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_sockets(&self) -> MutexGuard<'_, Sockets> {
        self.sockets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn post(body: &'static str) -> WireRequest {
        WireRequest::new("POST", "/v2/orders", "memory")
            .with_header("APCA-API-SECRET-KEY", "hush")
            .with_header("X-Own", "hush too")
            .with_header("accept", "*/*")
            .with_body(body)
    }

    #[test]
    fn sends_are_counted_by_key_and_only_if_a_byte_left() {
        let recorder = Recorder::new();
        let now = DateTime::UNIX_EPOCH;
        for (body, fate) in [
            ("a", Fate::Handled),
            ("a", Fate::Lost),
            ("b", Fate::NotSent),
            ("", Fate::Handled),
        ] {
            recorder.begin(&post(body), fate, None, now);
        }
        let by_body = |body: &str| (!body.is_empty()).then(|| body.to_owned());
        assert_eq!(
            recorder.sends("POST", "/v2/orders", by_body),
            BTreeMap::from([("a".to_owned(), 2)])
        );
        assert!(recorder.sends("GET", "/v2/orders", by_body).is_empty());
        assert_eq!(recorder.sent(), 3);
    }

    #[test]
    fn secrets_are_masked() {
        let recorder = Recorder::new().with_secret_headers(["X-Own"]);
        let body = r#"{"userName":"me","apiKey":"hush now","customTag":"a"}"#;
        let place = recorder.begin(&post(body), Fate::UnderWay, None, DateTime::UNIX_EPOCH);
        recorder.end(place, Fate::Handled, Some(200));
        let recorded = recorder.requests().remove(0);
        let values: Vec<_> = recorded.headers.iter().map(|(_, value)| value.as_str()).collect();
        assert_eq!(values, ["***", "***", "*/*"]);
        assert_eq!(recorded.body, r#"{"userName":"me","apiKey":"***","customTag":"a"}"#);
        let hub = WireRequest::new("GET", "/hub?id=7&access_token=hush&x", "memory");
        recorder.begin(&hub, Fate::UnderWay, None, DateTime::UNIX_EPOCH);
        assert_eq!(recorder.requests()[1].query, "id=7&access_token=***&x");
        assert_eq!((recorded.fate, recorded.status), (Fate::Handled, Some(200)));
        assert!(!format!("{recorder:?}").contains("hush"));
    }

    #[test]
    fn sockets_are_kept_until_they_are_closed_and_forgotten() {
        let recorder = Recorder::new().with_secret_keys(["pin"]);
        let at = |second| DateTime::from_timestamp(second, 0).unwrap();
        let (first, second) = (
            recorder.opened(SocketId(1), "/a", at(1)),
            recorder.opened(SocketId(1), "/b", at(2)),
        );
        recorder.frame(first, &Frame::Text(r#"{"key":"K","pin":12,"a":1}"#.into()), at(3));
        recorder.closed(first, at(4));
        assert_eq!(recorder.open_sockets(), 1);
        let masked = Frame::Text(r#"{"key":"***","pin":"***","a":1}"#.into());
        assert_eq!(
            recorder.sockets()[0],
            RecordedSocket {
                id: SocketId(1),
                at: at(1),
                path: "/a".into(),
                frames: vec![(at(3), masked)],
                closed_at: Some(at(4)),
            }
        );
        recorder.clear();
        assert_eq!((recorder.sockets().len(), recorder.open_sockets()), (1, 1));
        recorder.closed(second, at(5));
        assert_eq!(recorder.open_sockets(), 0);
    }
}
