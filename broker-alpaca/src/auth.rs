//! Proving who asks: two headers with a key pair, or one with a token. Nothing is signed and nothing expires.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use broker_core::http::{Call, Outcome, Protocol, Reply, Verdict};
use broker_core::seam::Clock;
use broker_core::{Error, ErrorKind, Result};
use http::header::{AUTHORIZATION, HeaderName};
use http::{HeaderMap, HeaderValue};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

use crate::config::Credentials;
use crate::error;

const KEY_ID: HeaderName = HeaderName::from_static("apca-api-key-id");
const SECRET_KEY: HeaderName = HeaderName::from_static("apca-api-secret-key");

/// Alpaca's side of the request pipeline.
pub(crate) struct AlpacaProtocol {
    headers: HeaderMap,
    /// Names the key to people: its last characters.
    key: String,
    oauth: bool,
    clock: Arc<dyn Clock>,
}

impl AlpacaProtocol {
    pub(crate) fn new(credentials: &Credentials, clock: Arc<dyn Clock>) -> Result<Self> {
        let mut headers = HeaderMap::new();
        let (key, oauth) = match credentials {
            Credentials::Key { id, secret } => {
                headers.insert(KEY_ID, sensitive(id.expose_secret(), "key id")?);
                headers.insert(SECRET_KEY, sensitive(secret.expose_secret(), "secret key")?);
                (format!("the key {}", masked(id)), false)
            }
            Credentials::OAuth(token) => {
                let bearer = format!("Bearer {}", token.expose_secret());
                headers.insert(AUTHORIZATION, sensitive(&bearer, "token")?);
                ("the token".to_owned(), true)
            }
        };
        Ok(Self {
            headers,
            key,
            oauth,
            clock,
        })
    }

    /// A refused key says where it was refused; a refused token needs its user again, for it cannot be refreshed.
    fn explain(&self, call: &Call, error: Error) -> Error {
        if error.kind() != ErrorKind::Auth {
            return error;
        }
        let host = call.base.host_str().unwrap_or_default();
        if self.oauth {
            let error = if error.status() == Some(401) {
                error.with_kind(ErrorKind::ReauthRequired)
            } else {
                error
            };
            return error.with_help("the user must authorize the application again");
        }
        error.with_help(format!(
            "{host} refused {}: check that both halves belong together, and that a paper key is used on paper \
             and a live key with .live()",
            self.key
        ))
    }
}

#[async_trait]
impl Protocol for AlpacaProtocol {
    async fn authorize(&self, call: &mut Call) -> Result<()> {
        for (name, value) in &self.headers {
            call.headers.insert(name, value.clone());
        }
        Ok(())
    }

    fn classify(&self, call: &Call, reply: &Reply) -> Verdict {
        let mut verdict = error::verdict(call, reply, self.clock.now());
        if let Outcome::Bad { error, nothing_done } = verdict.outcome {
            let error = self.explain(call, error);
            verdict.outcome = Outcome::Bad { error, nothing_done };
        }
        verdict
    }

    /// Never asked: nothing here can be cured by asking again.
    async fn mend(&self, error: &Error) -> Result<()> {
        Err(error.clone())
    }
}

impl fmt::Debug for AlpacaProtocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.oauth {
            "AlpacaProtocol(token)"
        } else {
            "AlpacaProtocol(key pair)"
        })
    }
}

fn sensitive(text: &str, what: &str) -> Result<HeaderValue> {
    // The parser's own error would not say the text, but ours says which one it was.
    let mut value = HeaderValue::from_str(text)
        .ok()
        .filter(|value| !value.is_empty())
        .ok_or_else(|| {
            Error::config(format!(
                "the {what} is empty or cannot be sent: look for a line break in it"
            ))
        })?;
    value.set_sensitive(true);
    Ok(value)
}

/// Ids of keys are no secret, yet only the end is shown.
fn masked(id: &SecretString) -> String {
    broker_core::AccountId::from(id.expose_secret()).to_string()
}

/// Tells keys apart in the names of buckets without telling the key.
pub(crate) fn fingerprint(credentials: &Credentials) -> String {
    let text = match credentials {
        Credentials::Key { id, .. } => id,
        Credentials::OAuth(token) => token,
    };
    let hash = Sha256::digest(text.expose_secret().as_bytes());
    hash.iter().take(4).map(|byte| format!("{byte:02x}")).collect()
}
