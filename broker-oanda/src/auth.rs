//! Proving who asks: one header with a personal access token. Nothing is signed and nothing expires.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use broker_core::http::{Call, Protocol, Reply, Verdict};
use broker_core::seam::Clock;
use broker_core::{Error, Result};
use http::HeaderValue;
use http::header::{AUTHORIZATION, HeaderName};
use secrecy::{ExposeSecret, SecretString};

use crate::error;

const DATETIME_FORMAT: HeaderName = HeaderName::from_static("accept-datetime-format");

/// OANDA's side of the request pipeline.
pub(crate) struct OandaProtocol {
    bearer: HeaderValue,
    clock: Arc<dyn Clock>,
}

impl OandaProtocol {
    pub(crate) fn new(token: &SecretString, clock: Arc<dyn Clock>) -> Result<Self> {
        Ok(Self {
            bearer: bearer(token)?,
            clock,
        })
    }
}

/// `Bearer <token>`, marked as secret.
fn bearer(token: &SecretString) -> Result<HeaderValue> {
    let token = token.expose_secret();
    // The parser's own error would not say the text, but ours says what it was.
    let mut value = HeaderValue::from_str(&format!("Bearer {token}"))
        .ok()
        .filter(|_| !token.is_empty())
        .ok_or_else(|| Error::config("the token is empty or cannot be sent: look for a line break in it"))?;
    value.set_sensitive(true);
    Ok(value)
}

#[async_trait]
impl Protocol for OandaProtocol {
    async fn authorize(&self, call: &mut Call) -> Result<()> {
        call.headers.insert(AUTHORIZATION, self.bearer.clone());
        call.headers
            .insert(DATETIME_FORMAT, HeaderValue::from_static("RFC3339"));
        Ok(())
    }

    fn classify(&self, call: &Call, reply: &Reply) -> Verdict {
        error::verdict(call, reply, self.clock.now())
    }

    /// A good token was refused once in a while, and taken the next time: there is nothing else to mend.
    async fn mend(&self, _error: &Error) -> Result<()> {
        Ok(())
    }
}

/// Never the token.
impl fmt::Debug for OandaProtocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OandaProtocol(token)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_is_that_of_the_document() {
        // The document's own example: "Authorization: Bearer 12345678900987654321-abc34135acde13f13530".
        let token = "12345678900987654321-abc34135acde13f13530";
        let value = bearer(&SecretString::from(token)).unwrap();
        assert_eq!(
            value.to_str().unwrap(),
            "Bearer 12345678900987654321-abc34135acde13f13530"
        );
        assert!(value.is_sensitive() && !format!("{value:?}").contains("12345"));
        for broken in ["", "two\nlines"] {
            assert!(bearer(&SecretString::from(broken)).is_err());
        }
    }
}
