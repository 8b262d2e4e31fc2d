//! Proving who asks: a token that a login with the key gives, for 24 hours. Nothing is signed.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use broker_core::http::{Call, Http, OpClass, Outcome, Protocol, Reply, Verdict};
use broker_core::limit::BucketKey;
use broker_core::seam::Clock;
use broker_core::token::{MemoryTokenStore, Token, TokenCache, TokenSource};
use broker_core::{BrokerId, Context, Error, ErrorKind, Result};
use chrono::TimeDelta;
use http::header::AUTHORIZATION;
use http::{HeaderValue, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use sha2::{Digest, Sha256};
use url::Url;

use crate::config::TopstepxConfig;
use crate::error;
use crate::rest::{Endpoint, call};
use crate::wire::{self, Answer, NewTokenJson, TokenJson};

/// How long a token is taken, from its issue.
const LIFE: TimeDelta = TimeDelta::hours(24);

/// Tokens are renewed this long before they end: an expired one cannot be renewed.
pub(crate) const EARLY: Duration = Duration::from_secs(2 * 3_600);

/// The tokens of a profile, renewed once for any number of callers.
pub(crate) fn tokens(
    config: &TopstepxConfig,
    context: &Context,
    http: impl FnOnce(Arc<dyn Protocol>) -> Http,
    api: &Url,
    requests: &BucketKey,
) -> TokenCache {
    let clock = Arc::clone(context.clock());
    let source = Login {
        http: http(Arc::new(SignIn(Arc::clone(&clock)))),
        api: api.clone(),
        requests: BucketKey::clone(requests),
        user_name: config.user_name.clone(),
        api_key: config.api_key.clone(),
        clock: Arc::clone(&clock),
    };
    let store = Arc::new(MemoryTokenStore::default());
    TokenCache::new(clock, Arc::clone(context.spawn()), Arc::new(source), store).with_early(EARLY)
}

/// Gets tokens: renews one that is still good, else logs in.
struct Login {
    http: Http,
    api: Url,
    requests: BucketKey,
    user_name: String,
    api_key: SecretString,
    clock: Arc<dyn Clock>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct LoginJson<'a> {
    user_name: &'a str,
    api_key: &'a str,
}

impl Login {
    fn token(&self, access: &str, issued_at: chrono::DateTime<chrono::Utc>) -> Token {
        Token {
            access: access.into(),
            refresh: None,
            expires_at: Some(issued_at + LIFE),
            issued_at,
            scopes: Vec::new(),
        }
    }

    async fn log_in(&self) -> Result<Token> {
        let body = LoginJson {
            user_name: &self.user_name,
            api_key: self.api_key.expose_secret(),
        };
        let call = call(Endpoint::Login, OpClass::SignIn, &self.api, &body)?.costs(&self.requests, 1);
        let issued_at = self.clock.now();
        let read = |body: &str| {
            let answer: Answer<'_, TokenJson<'_>> = wire::decode(body)?;
            let TokenJson(token) = answer.needed(Endpoint::Login, "token")?;
            match token.get() {
                "" => Err(Error::decode("the login succeeded and gave an empty token")),
                token => Ok(self.token(token, issued_at)),
            }
        };
        self.http.run(call, read).await
    }

    /// `None` where the gateway gives no new one.
    async fn validate(&self, old: &Token) -> Result<Option<Token>> {
        let mut call = call(Endpoint::Validate, OpClass::SignIn, &self.api, &())?.costs(&self.requests, 1);
        // This one has no body.
        call.body = Default::default();
        call.headers.insert(AUTHORIZATION, bearer(old)?);
        let issued_at = self.clock.now();
        let read = |body: &str| {
            let answer: Answer<'_, NewTokenJson<'_>> = wire::decode(body)?;
            let renewed = answer.taken(Endpoint::Validate)?;
            let renewed = renewed
                .as_ref()
                .map(|token| token.0.get())
                .filter(|token| !token.is_empty());
            Ok(renewed.map(|token| self.token(token, issued_at)))
        };
        self.http.run(call, read).await
    }
}

#[async_trait]
impl TokenSource for Login {
    async fn renew(&self, old: Option<&Token>) -> Result<Token> {
        let now = self.clock.now();
        if let Some(old) = old.filter(|old| old.expires_at.is_some_and(|at| at > now))
            && let Ok(Some(renewed)) = self.validate(old).await
        {
            return Ok(renewed);
        }
        self.log_in().await
    }
}

/// Shows neither name nor key.
impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Login")
    }
}

/// The sign-in's own side of the pipeline.
#[derive(Debug)]
struct SignIn(Arc<dyn Clock>);

#[async_trait]
impl Protocol for SignIn {
    async fn authorize(&self, _call: &mut Call) -> Result<()> {
        Ok(())
    }

    fn classify(&self, call: &Call, reply: &Reply) -> Verdict {
        let mut verdict = error::verdict(call, reply, self.0.now());
        if let Outcome::Mend(error) = verdict.outcome {
            verdict.outcome = Outcome::Bad {
                error,
                nothing_done: true,
            };
        }
        verdict
    }

    async fn mend(&self, error: &Error) -> Result<()> {
        Err(error.clone())
    }
}

/// The gateway's side of the pipeline.
pub(crate) struct TopstepxProtocol {
    pub(crate) tokens: TokenCache,
    pub(crate) clock: Arc<dyn Clock>,
}

#[async_trait]
impl Protocol for TopstepxProtocol {
    async fn authorize(&self, call: &mut Call) -> Result<()> {
        let token = self.tokens.get().await?;
        call.headers.insert(AUTHORIZATION, bearer(&token)?);
        Ok(())
    }

    /// A refused token is given up here, where the call still says which one it was: another call may have renewed it
    /// by now.
    fn classify(&self, call: &Call, reply: &Reply) -> Verdict {
        if reply.status == StatusCode::UNAUTHORIZED
            && let Some(token) = used(call, &*self.clock)
        {
            self.tokens.invalidate(&token);
        }
        error::verdict(call, reply, self.clock.now())
    }

    async fn mend(&self, _error: &Error) -> Result<()> {
        self.tokens.get().await.map(|_| ())
    }
}

impl fmt::Debug for TopstepxProtocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TopstepxProtocol")
    }
}

/// The token that a call carried.
fn used(call: &Call, clock: &dyn Clock) -> Option<Token> {
    let value = call.headers.get(AUTHORIZATION)?.to_str().ok()?;
    Some(Token {
        access: value.strip_prefix("Bearer ")?.into(),
        refresh: None,
        expires_at: None,
        issued_at: clock.now(),
        scopes: Vec::new(),
    })
}

fn bearer(token: &Token) -> Result<HeaderValue> {
    let text = format!("Bearer {}", token.access.expose_secret());
    let mut value = HeaderValue::from_str(&text)
        .map_err(|_| Error::new(ErrorKind::Protocol).with_message("a token that cannot be sent"))?;
    value.set_sensitive(true);
    Ok(value)
}

/// Tells profiles apart in the names of buckets without telling the name.
pub(crate) fn fingerprint(config: &TopstepxConfig) -> String {
    // The gateway does not tell capital letters from small ones.
    let hash = Sha256::digest(config.user_name.to_lowercase().as_bytes());
    hash.iter().take(4).map(|byte| format!("{byte:02x}")).collect()
}

/// Name of the broker.
pub(crate) fn broker_id() -> BrokerId {
    BrokerId::from("topstepx")
}
