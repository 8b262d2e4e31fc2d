//! Proving who asks: a nonce that only ever grows, and a signature over it and the very bytes that are sent.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU32, AtomicU64, Ordering};

use async_trait::async_trait;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use broker_core::http::{Call, Protocol, Reply, Verdict};
use broker_core::limit::BucketKey;
use broker_core::seam::Clock;
use broker_core::{Error, ErrorKind, Result};
use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use hmac::{Hmac, KeyInit, Mac};
use http::header::{CONTENT_TYPE, HeaderName, USER_AGENT};
use http::{HeaderMap, HeaderValue};
use secrecy::{ExposeSecret, SecretBox, SecretString};
use sha2::{Digest, Sha256, Sha512};

use crate::config::{KrakenConfig, KrakenOtp};
use crate::error;

const API_KEY: HeaderName = HeaderName::from_static("api-key");
const API_SIGN: HeaderName = HeaderName::from_static("api-sign");

/// Where calls are signed.
pub(crate) const PRIVATE: &str = "/0/private/";

/// Calls that a late arrival must not carry out: each is sent with a deadline.
pub(crate) const WITH_DEADLINE: [&str; 3] = ["place", "replace", "edit"];

/// How long after it was signed an order is taken; Kraken permits 2 to 60 s.
pub(crate) const DEADLINE: TimeDelta = TimeDelta::seconds(10);

/// The signature of a call: `HMAC-SHA512(secret, path + SHA256(nonce + body))` in base64.
fn sign(secret: &[u8], path: &str, nonce: &str, body: &[u8]) -> Result<String> {
    let digest = Sha256::new().chain_update(nonce).chain_update(body).finalize();
    let mut mac = Hmac::<Sha512>::new_from_slice(secret).map_err(|_| Error::config("the secret cannot sign"))?;
    mac.update(path.as_bytes());
    mac.update(&digest);
    Ok(BASE64_STANDARD.encode(mac.finalize().into_bytes()))
}

/// Microseconds of the clock, each greater than the one before. Kraken remembers the last one of a key for ever.
#[derive(Debug, Default)]
struct Nonces {
    last: AtomicU64,
    /// How far ahead of the clock they run.
    ahead: AtomicU64,
}

/// After a refused nonce: the clock may have been put back, or another program uses the key.
const JUMP: u64 = 600_000_000;

impl Nonces {
    fn next(&self, now: DateTime<Utc>) -> u64 {
        let ahead = self.ahead.load(Ordering::Relaxed);
        let now = u64::try_from(now.timestamp_micros())
            .unwrap_or_default()
            .saturating_add(ahead);
        let grown = |last: u64| now.max(last.saturating_add(1));
        // The closure never refuses, so either arm holds the value before.
        let before = self
            .last
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |last| Some(grown(last)));
        grown(before.unwrap_or_else(|last| last))
    }

    fn jump(&self) {
        self.ahead.fetch_add(JUMP, Ordering::Relaxed);
    }
}

/// The venue's clock, as far as it was measured.
#[derive(Debug, Default)]
pub(crate) struct ServerClock {
    /// Microseconds that it is ahead of ours.
    offset: AtomicI64,
    /// When it was measured, in microseconds of our clock; 0 for never.
    #[cfg_attr(not(feature = "trading"), allow(dead_code, reason = "orders alone carry deadlines"))]
    measured: AtomicI64,
}

/// A measured offset is good for so long.
#[cfg_attr(not(feature = "trading"), allow(dead_code, reason = "orders alone carry deadlines"))]
const OFFSET_LASTS: i64 = 600_000_000;

#[cfg_attr(not(feature = "trading"), allow(dead_code, reason = "orders alone carry deadlines"))]
impl ServerClock {
    pub(crate) fn is_known(&self, now: DateTime<Utc>) -> bool {
        let age = now.timestamp_micros() - self.measured.load(Ordering::Relaxed);
        (0..OFFSET_LASTS).contains(&age)
    }

    pub(crate) fn learn(&self, server: DateTime<Utc>, ours: DateTime<Utc>) {
        let offset = (server - ours).num_microseconds().unwrap_or_default();
        self.offset.store(offset, Ordering::Relaxed);
        self.measured.store(ours.timestamp_micros(), Ordering::Relaxed);
    }

    /// What time it is there.
    pub(crate) fn at(&self, ours: DateTime<Utc>) -> DateTime<Utc> {
        ours + TimeDelta::microseconds(self.offset.load(Ordering::Relaxed))
    }
}

/// Kraken's side of the request pipeline.
pub(crate) struct KrakenProtocol {
    headers: HeaderMap,
    secret: SecretBox<Vec<u8>>,
    otp: Option<Arc<dyn KrakenOtp>>,
    clock: Arc<dyn Clock>,
    server: Arc<ServerClock>,
    nonces: Nonces,
    /// What a page of history costs.
    history_cost: Arc<AtomicU32>,
    calls: BucketKey,
}

impl KrakenProtocol {
    pub(crate) fn new(
        config: &KrakenConfig,
        clock: Arc<dyn Clock>,
        server: Arc<ServerClock>,
        history_cost: Arc<AtomicU32>,
        calls: BucketKey,
    ) -> Result<Self> {
        let mut key = HeaderValue::from_str(config.key.expose_secret().trim())
            .ok()
            .filter(|key| !key.is_empty())
            .ok_or_else(|| Error::config("the API key is empty or cannot be sent: look for a line break in it"))?;
        key.set_sensitive(true);
        let secret = BASE64_STANDARD
            .decode(config.secret.expose_secret().trim())
            .ok()
            .filter(|secret| !secret.is_empty())
            .ok_or_else(|| {
                Error::config("the private key is not base64").with_help("copy it whole, with the = at its end")
            })?;
        let agent = HeaderValue::from_static(concat!("broker-kraken/", env!("CARGO_PKG_VERSION")));
        Ok(Self {
            headers: HeaderMap::from_iter([(API_KEY, key), (USER_AGENT, agent)]),
            secret: SecretBox::new(Box::new(secret)),
            otp: config.otp.clone(),
            clock,
            server,
            nonces: Nonces::default(),
            history_cost,
            calls,
        })
    }

    /// The body as it is signed and sent: nonce and one-time password before what the call says, the deadline behind it.
    async fn body(&self, call: &Call, nonce: &str) -> Result<Vec<u8>> {
        let mut body = format!("nonce={nonce}").into_bytes();
        if let Some(otp) = &self.otp {
            let otp: SecretString = otp.otp().await?;
            body.extend_from_slice(b"&otp=");
            body.extend_from_slice(otp.expose_secret().as_bytes());
        }
        if !call.body.is_empty() {
            body.push(b'&');
            body.extend_from_slice(&call.body);
        }
        if WITH_DEADLINE.contains(&call.op) {
            let deadline = self.server.at(self.clock.now()) + DEADLINE;
            let text = deadline.to_rfc3339_opts(SecondsFormat::Millis, true);
            body.extend_from_slice(b"&deadline=");
            body.extend_from_slice(text.replace(':', "%3A").as_bytes());
        }
        Ok(body)
    }
}

#[async_trait]
impl Protocol for KrakenProtocol {
    async fn authorize(&self, call: &mut Call) -> Result<()> {
        if !call.path.starts_with(PRIVATE) {
            // Public calls show no key.
            call.headers
                .extend(self.headers.get(USER_AGENT).map(|agent| (USER_AGENT, agent.clone())));
            return Ok(());
        }
        let nonce = self.nonces.next(self.clock.now()).to_string();
        let body = self.body(call, &nonce).await?;
        let signature = sign(self.secret.expose_secret(), &call.path, &nonce, &body)?;
        let mut signature =
            HeaderValue::from_str(&signature).map_err(|_| Error::config("the signature cannot be sent"))?;
        signature.set_sensitive(true);
        for (name, value) in &self.headers {
            call.headers.insert(name, value.clone());
        }
        call.headers.insert(API_SIGN, signature);
        call.headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_static("application/x-www-form-urlencoded"),
        );
        call.body = body.into();
        Ok(())
    }

    fn classify(&self, call: &Call, reply: &Reply) -> Verdict {
        let verdict = error::verdict(call, reply, self.clock.now(), &self.calls);
        if verdict.lessons.iter().any(|(bucket, _)| *bucket == self.calls) {
            // Refused although the counter was kept: pages cost what older documentation says.
            self.history_cost.fetch_max(4, Ordering::Relaxed);
        }
        verdict
    }

    /// A refused nonce is cured by a greater one. All else is final.
    async fn mend(&self, error: &Error) -> Result<()> {
        match error.kind() {
            ErrorKind::Auth => {
                self.nonces.jump();
                Ok(())
            }
            _ => Err(error.clone()),
        }
    }
}

impl fmt::Debug for KrakenProtocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KrakenProtocol")
    }
}

/// Tells keys apart without telling the key. Kraken names no account, so it also names the account.
pub(crate) fn fingerprint(key: &SecretString) -> String {
    let hash = Sha256::digest(key.expose_secret().trim().as_bytes());
    hash.iter().take(6).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "kQH5HW/8p1uGOVjbgWA7FunAmGO8lsSUXNsu3eow76sz84Q18fWxnyRzBHCd3pd5nE9qa99HAZtuZuj6F1huXg==";

    #[test]
    fn published_signatures() {
        let secret = BASE64_STANDARD.decode(SECRET).unwrap();
        let nonce = "1616492376594";
        let table = [
            (
                "/0/private/AddOrder",
                "nonce=1616492376594&ordertype=limit&pair=XBTUSD&price=37500&type=buy&volume=1.25",
                "4/dpxb3iT4tp/ZCVEwSnEsLxx0bqyhLpdfOpc6fn7OR8+UClSV5n9E6aSS8MPtnRfp32bAb0nmbRn6H8ndwLUQ==",
            ),
            (
                "/0/private/Balance",
                "nonce=1616492376594",
                "1nH4vwR+8FHiYh1QT649xXkGd3JR3x0DWkgv3u9Ed/Qqv6KPtgQpEU4m+Emb/VgpEji3j1XNwI+HCbfXxmrTOg==",
            ),
            (
                "/0/private/AddOrder",
                r#"{"nonce":"1616492376594","pair":"XBTUSD"}"#,
                "BiHqQ9jhTndl+9rkk17dAeWdeSVucSZu0eLbfPutm6igjqfgbbA0OC1vN2ANDeeru9HR/ZRwfdiVkZbMUW2YbQ==",
            ),
        ];
        for (path, body, signature) in table {
            assert_eq!(sign(&secret, path, nonce, body.as_bytes()).unwrap(), signature);
        }
    }

    #[test]
    fn nonces_only_ever_grow() {
        let nonces = Nonces::default();
        let at = |micros: i64| DateTime::from_timestamp_micros(micros).unwrap();
        assert_eq!(nonces.next(at(1_000)), 1_000);
        assert_eq!(nonces.next(at(1_000)), 1_001, "twice in one moment");
        assert_eq!(nonces.next(at(5)), 1_002, "the clock was put back");
        assert_eq!(nonces.next(at(9_000)), 9_000);
        nonces.jump();
        assert_eq!(nonces.next(at(9_001)), 600_009_001, "refused: far ahead at once");
        assert_eq!(nonces.next(at(9_001)), 600_009_002);
    }

    #[test]
    fn a_clock_that_was_put_back_is_measured_again() {
        let server = ServerClock::default();
        let at = |seconds: i64| DateTime::from_timestamp(seconds, 0).unwrap();
        assert!(!server.is_known(at(1_000_000)));
        server.learn(at(1_000_300), at(1_000_000));
        assert_eq!(server.at(at(1_000_010)), at(1_000_310));
        assert!(server.is_known(at(1_000_599)) && !server.is_known(at(1_000_600)));
        assert!(!server.is_known(at(999_999)));
    }
}
