//! What a venue reads and what it answers.

use std::fmt::{self, Debug};

use bytes::Bytes;
use url::form_urlencoded;

/// One request, as it came off the wire.
#[derive(Clone, PartialEq, Eq)]
pub struct WireRequest {
    /// Method, upper case.
    pub method: String,
    /// Path as it was sent, still encoded.
    pub path: String,
    /// Query as it was sent, without the question mark: the text that a signature covers.
    pub query: String,
    /// The query's parts, decoded, in their order.
    pub pairs: Vec<(String, String)>,
    /// Headers in their order, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Bytes,
    /// Who asks: an address, or `memory`.
    pub peer: String,
}

impl WireRequest {
    /// A request without headers and body. `target` is the path, with a query behind a question mark if it has one.
    pub fn new(method: &str, target: &str, peer: impl Into<String>) -> Self {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        Self {
            method: method.to_ascii_uppercase(),
            path: path.to_owned(),
            query: query.to_owned(),
            pairs: decode_pairs(query),
            headers: Vec::new(),
            body: Bytes::new(),
            peer: peer.into(),
        }
    }

    /// Adds a header.
    #[must_use]
    pub fn with_header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_ascii_lowercase(), value.into()));
        self
    }

    /// With this body.
    #[must_use]
    pub fn with_body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    /// The first header of this name, whatever its case.
    pub fn header(&self, name: &str) -> Option<&str> {
        find(&self.headers, name)
    }

    /// Whether it asks for a WebSocket.
    pub fn is_upgrade(&self) -> bool {
        self.header("upgrade")
            .is_some_and(|value| value.eq_ignore_ascii_case("websocket"))
    }

    /// The first query parameter of this name.
    pub fn param(&self, name: &str) -> Option<&str> {
        self.pairs
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    /// The path's segments, decoded: `/v2/assets/BTC%2FUSD` has three, the last is `BTC/USD`.
    pub fn segments(&self) -> Vec<String> {
        let path = self.path.strip_prefix('/').unwrap_or(&self.path);
        path.split('/').map(decode_segment).collect()
    }

    /// The body as text; what is no UTF-8 is replaced.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The parts of a form body, decoded, in their order.
    pub fn form(&self) -> Vec<(String, String)> {
        form_urlencoded::parse(&self.body).into_owned().collect()
    }
}

/// Shows the method and the path; never a query, a header or a body.
impl Debug for WireRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WireRequest({} {})", self.method, self.path)
    }
}

fn decode_pairs(query: &str) -> Vec<(String, String)> {
    form_urlencoded::parse(query.as_bytes()).into_owned().collect()
}

/// A plus sign is itself in a path, a space in a query.
fn decode_segment(segment: &str) -> String {
    let kept = segment.replace('+', "%2B").replace('&', "%26").replace('=', "%3D");
    form_urlencoded::parse(kept.as_bytes())
        .map(|(name, _)| name.into_owned())
        .next()
        .unwrap_or_default()
}

/// One answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WireAnswer {
    /// HTTP status.
    pub status: u16,
    /// Headers in their order. The shells add `content-length`, `date` and `connection`.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Bytes,
}

impl WireAnswer {
    /// A JSON body.
    pub fn json(status: u16, text: impl Into<String>) -> Self {
        Self::typed(status, "application/json", text.into())
    }

    /// A plain text.
    pub fn text(status: u16, text: impl Into<String>) -> Self {
        Self::typed(status, "text/plain; charset=utf-8", text.into())
    }

    /// A page of HTML, as gateways write it.
    pub fn html(status: u16, text: impl Into<String>) -> Self {
        Self::typed(status, "text/html", text.into())
    }

    /// No body.
    pub fn empty(status: u16) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: Bytes::new(),
        }
    }

    fn typed(status: u16, kind: &str, text: String) -> Self {
        Self {
            status,
            headers: vec![("content-type".to_owned(), kind.to_owned())],
            body: text.into(),
        }
    }

    /// Adds a header.
    #[must_use]
    pub fn with_header(mut self, name: &str, value: impl ToString) -> Self {
        self.headers.push((name.to_ascii_lowercase(), value.to_string()));
        self
    }

    /// The first header of this name, whatever its case.
    pub fn header(&self, name: &str) -> Option<&str> {
        find(&self.headers, name)
    }
}

fn find<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    headers
        .iter()
        .find(|(key, _)| key.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_kept_raw_and_read_decoded() {
        let request = WireRequest::new("get", "/v2/assets/BTC%2FUSD+x?symbols=A%2CB&from=a+b&from=2", "memory");
        assert_eq!(
            (request.method.as_str(), request.path.as_str()),
            ("GET", "/v2/assets/BTC%2FUSD+x")
        );
        assert_eq!(request.query, "symbols=A%2CB&from=a+b&from=2");
        assert_eq!(request.param("symbols"), Some("A,B"));
        assert_eq!(request.param("from"), Some("a b"));
        assert_eq!(request.pairs.len(), 3);
        assert_eq!(request.segments(), ["v2", "assets", "BTC/USD+x"]);
    }

    #[test]
    fn headers_are_found_in_any_case() {
        let request = WireRequest::new("GET", "/", "memory").with_header("APCA-API-KEY-ID", "k");
        assert_eq!(request.header("Apca-Api-Key-Id"), Some("k"));
        let answer = WireAnswer::json(200, "{}").with_header("X-RateLimit-Remaining", 199);
        assert_eq!(answer.header("x-ratelimit-remaining"), Some("199"));
        assert_eq!(answer.header("content-type"), Some("application/json"));
    }
}
