//! Proving who asks: the key in a header, and a signature over the very text that is sent. The time in it is Binance's,
//! as far as it is known.

mod sign;
mod time;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use broker_core::http::{Call, Outcome, Protocol, Reply, Verdict};
use broker_core::{Error, ErrorKind, Result};
use http::HeaderValue;
use http::header::HeaderName;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

use crate::error;
use crate::rest::Buckets;

pub(crate) use sign::{Signer, encoded};
pub(crate) use time::ServerTime;

const API_KEY: HeaderName = HeaderName::from_static("x-mbx-apikey");

/// What needs neither key nor signature.
const PUBLIC: [&str; 6] = [
    "/api/v3/time",
    "/api/v3/exchangeInfo",
    "/api/v3/klines",
    "/api/v3/ticker/bookTicker",
    "/api/v3/ticker/price",
    "/api/v3/ping",
];

/// Binance's side of the request pipeline.
pub(crate) struct BinanceProtocol {
    key: HeaderValue,
    /// Names the key to people: its last characters.
    masked: String,
    signer: Arc<Signer>,
    window: Duration,
    time: Arc<ServerTime>,
    buckets: Buckets,
}

impl BinanceProtocol {
    pub(crate) fn new(
        key: &SecretString,
        signer: Arc<Signer>,
        window: Duration,
        time: Arc<ServerTime>,
        buckets: Buckets,
    ) -> Result<Self> {
        let header = HeaderValue::from_str(key.expose_secret())
            .ok()
            .filter(|value| !value.is_empty());
        let mut header = header
            .ok_or_else(|| Error::config("the API key is empty or cannot be sent: look for a line break in it"))?;
        header.set_sensitive(true);
        Ok(Self {
            key: header,
            masked: broker_core::AccountId::from(key.expose_secret()).to_string(),
            signer,
            window,
            time,
            buckets,
        })
    }

    fn explain(&self, call: &Call, error: Error) -> Error {
        if error.kind() != ErrorKind::Auth || error.code() == Some(error::CLOCK) {
            return error;
        }
        let host = call.base.host_str().unwrap_or_default();
        error.with_help(format!(
            "{host} refused the key {}: check that key and secret belong together, that the key may do this from \
             this address, and that a key of the testnet is used on the testnet and a live key with .live()",
            self.masked
        ))
    }
}

#[async_trait]
impl Protocol for BinanceProtocol {
    /// Everything is in the query, encoded once; that text is signed, and sent.
    async fn authorize(&self, call: &mut Call) -> Result<()> {
        if PUBLIC.contains(&call.path.as_str()) {
            return Ok(());
        }
        call.headers.insert(API_KEY, self.key.clone());
        if !call.query.is_empty() {
            call.query.push('&');
        }
        let (window, now) = (millis(self.window), self.time.now_ms());
        call.query.push_str(&format!("recvWindow={window}&timestamp={now}"));
        let signature = self.signer.sign(&call.query)?;
        call.query.push_str("&signature=");
        call.query.push_str(&encoded(&signature));
        Ok(())
    }

    fn classify(&self, call: &Call, reply: &Reply) -> Verdict {
        let mut verdict = error::verdict(call, reply, &self.buckets);
        match verdict.outcome {
            Outcome::Bad { error, nothing_done } => {
                let error = self.explain(call, error);
                verdict.outcome = Outcome::Bad { error, nothing_done };
            }
            Outcome::Mend(_) => {
                if let Some(sent) = sent_at(call) {
                    let window = i64::try_from(millis(self.window)).unwrap_or(i64::MAX);
                    self.time.refused(&reply.headers, sent, window);
                }
            }
            Outcome::Good => self.time.taken(|| sent_at(call)),
        }
        verdict
    }

    /// The clock is off: Binance's time is measured, once for all who wait for it.
    async fn mend(&self, _error: &Error) -> Result<()> {
        self.time.measure_again().await
    }
}

impl fmt::Debug for BinanceProtocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BinanceProtocol({})", self.signer.kind())
    }
}

/// The time that a call was signed with.
fn sent_at(call: &Call) -> Option<i64> {
    let mut params = call.query.split('&');
    params.find_map(|param| param.strip_prefix("timestamp="))?.parse().ok()
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// Tells keys apart in the names of buckets without telling the key.
pub(crate) fn fingerprint(key: &SecretString) -> String {
    let hash = Sha256::digest(key.expose_secret().as_bytes());
    hash.iter().take(4).map(|byte| format!("{byte:02x}")).collect()
}
