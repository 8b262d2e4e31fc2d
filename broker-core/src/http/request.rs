//! From a call to the bytes of its request.

use ::http::header::{ACCEPT, CONTENT_TYPE, USER_AGENT};
use ::http::{HeaderMap, Uri};
use bytes::Bytes;
use url::Url;

use super::Call;
use crate::error::{Error, Result};
use crate::seam::Request;

impl Call {
    /// The request as it will be sent. Its URL is written once: the base, its path prefix, the path, and the query to
    /// the letter as it was signed. What a URL parser would change on the way is refused, with nothing sent, for a
    /// signature over other text than what is sent proves nothing.
    ///
    /// ```
    /// use broker_core::http::Call;
    /// let base = "https://api.example.com/v2/".parse().unwrap();
    /// let call = Call::get("orders", &base, "/orders").param("symbols", "BTC/USDT");
    /// let request = call.request().unwrap();
    /// assert_eq!(request.http.uri(), "https://api.example.com/v2/orders?symbols=BTC%2FUSDT");
    /// ```
    pub fn request(&self) -> Result<Request> {
        let uri = self.uri()?;
        let mut http = ::http::Request::new(self.body.clone());
        *http.method_mut() = self.method.clone();
        *http.uri_mut() = uri;
        *http.headers_mut() = concealed(&self.headers);
        Ok(Request {
            http,
            timeouts: self.timeouts,
            connects: self.connects.clone(),
        })
    }

    fn uri(&self) -> Result<Uri> {
        let base = &self.base;
        if base.cannot_be_a_base() || base.query().is_some() || base.fragment().is_some() {
            return Err(Error::config(
                "a base URL is a scheme, a host and perhaps a path, without a query",
            ));
        }
        let origin = &base[..url::Position::BeforePath];
        let prefix = base.path().trim_end_matches('/');
        let mut text = String::with_capacity(origin.len() + prefix.len() + self.path.len() + self.query.len() + 1);
        text.push_str(origin);
        text.push_str(prefix);
        text.push_str(&self.path);
        let end_of_path = text.len();
        if !self.query.is_empty() {
            text.push('?');
            text.push_str(&self.query);
        }
        let kept = is_plain(&self.path, &self.query)
            || self.path.starts_with('/')
                && Url::parse(&text).is_ok_and(|url| {
                    url.path() == &text[origin.len()..end_of_path]
                        && url.query().unwrap_or_default() == self.query
                        && url.as_str() == text
                        && url.fragment().is_none()
                });
        let refused = || {
            Error::invalid(format!(
                "the path or the query of {} cannot be sent as it stands",
                self.op
            ))
            .with_help("percent-encode every parameter before it is signed")
        };
        if !kept {
            return Err(refused());
        }
        Uri::from_maybe_shared(Bytes::from(text)).map_err(|_| refused())
    }
}

/// Whether this is text that no URL parser changes, behind a base that is parsed already. That is nearly every call,
/// and asking a parser takes longer than all else here. What is doubtful is asked: an escape or a dot may be part of
/// `..`.
fn is_plain(path: &str, query: &str) -> bool {
    let in_path = |byte: u8| byte.is_ascii_alphanumeric() || b"/-_.~:".contains(&byte);
    let in_query = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~%=&+,:/".contains(&byte);
    path.starts_with('/')
        && !path.contains("/.")
        && !path.contains("//")
        && path.bytes().all(in_path)
        && query.bytes().all(in_query)
}

/// Marks every header as secret but those that never are: then neither `Debug` nor a header table shows one that a
/// broker forgot to mark.
fn concealed(headers: &HeaderMap) -> HeaderMap {
    let mut headers = headers.clone();
    for (name, value) in &mut headers {
        if ![ACCEPT, CONTENT_TYPE, USER_AGENT].contains(name) {
            value.set_sensitive(true);
        }
    }
    headers
}

#[cfg(test)]
mod tests {
    use ::http::HeaderValue;

    use super::*;
    use crate::error::{Delivery, ErrorKind};

    fn call(base: &str, path: &str, query: &str) -> Call {
        let mut call = Call::get("orders", &Url::parse(base).unwrap(), path);
        call.query = query.into();
        call
    }

    #[test]
    fn the_url_is_written_as_it_was_signed() {
        let table = [
            ("https://a.example", "/x", "", "https://a.example/x"),
            (
                "https://a.example:8443/v1/",
                "/x/",
                "b=1&a=2",
                "https://a.example:8443/v1/x/?b=1&a=2",
            ),
            (
                "http://[::1]:80/v1",
                "/x",
                "t=%2B1%3A00",
                "http://[::1]/v1/x?t=%2B1%3A00",
            ),
            (
                "https://a.example",
                "/x",
                "s=[%22A%22]&q=a+b~*",
                "https://a.example/x?s=[%22A%22]&q=a+b~*",
            ),
        ];
        for (base, path, query, url) in table {
            assert_eq!(call(base, path, query).request().unwrap().http.uri().to_string(), url);
        }
    }

    #[test]
    fn what_a_parser_would_change_is_refused() {
        let table = [
            ("https://a.example", ".evil.com/x", ""),
            ("https://a.example", "x", ""),
            ("https://a.example", "", ""),
            ("https://a.example", "/a/../b", ""),
            ("https://a.example", "/a/%2e%2e/b", ""),
            ("https://a.example", "/a?b", ""),
            ("https://a.example", "/a?b", "c"),
            ("https://a.example", "/a#b", ""),
            ("https://a.example", "/a", "b#c"),
            ("https://a.example", "/a", "b=it's"),
            ("https://a.example", "/a b", ""),
            ("https://a.example", "/a", "b=é"),
            ("https://a.example", "/a\\b", ""),
            ("https://a.example", "/a", "b=1\r\nX: y"),
        ];
        for (base, path, query) in table {
            let error = call(base, path, query).request().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidRequest, "{path:?} {query:?}");
            assert_eq!(error.delivery(), Delivery::NotSent);
        }
        for base in ["https://a.example/?x=1", "https://a.example/#x", "mailto:a@b.c"] {
            assert_eq!(call(base, "/x", "").request().unwrap_err().kind(), ErrorKind::Config);
        }
    }

    /// What is taken without a parser is what a parser would have kept.
    #[test]
    fn plain_text_is_what_a_parser_keeps() {
        let paths = [
            "/",
            "/x",
            "/v2/orders:by_id",
            "/a.b/c~d/",
            "/x/..",
            "/./x",
            "//x",
            "/%2e%2e/x",
            "/a b",
            "x",
            "",
        ];
        let queries = ["", "a=1&b=%2B1%3A00", "q=a+b~,c/d", "it's", "a#b", "é", "a b"];
        let mut plain = 0;
        for (path, query) in paths.iter().flat_map(|path| queries.map(|query| (path, query))) {
            if is_plain(path, query) {
                plain += 1;
                for prefix in ["", "/v1"] {
                    let mark = if query.is_empty() { "" } else { "?" };
                    let text = format!("https://a.example{prefix}{path}{mark}{query}");
                    assert_eq!(Url::parse(&text).unwrap().as_str(), text);
                }
            }
        }
        assert_eq!(plain, 4 * 3, "four paths and three queries");
    }

    #[test]
    fn headers_are_secret_unless_known_to_be_harmless() {
        let mut call = call("https://a.example", "/x", "").json("{}");
        call.headers.insert("x-api-key", HeaderValue::from_static("canary"));
        let request = call.request().unwrap();
        assert!(request.http.headers()["x-api-key"].is_sensitive());
        assert!(!request.http.headers()["content-type"].is_sensitive());
        assert!(!format!("{:?}", request.http.headers()).contains("canary"));
        assert_eq!(request.http.body(), "{}");
    }
}
