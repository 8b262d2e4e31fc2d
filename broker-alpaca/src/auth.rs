//! Proving who asks: two headers with a key pair, or one with a token. Nothing is signed and nothing expires.
//! Tokens come from an OAuth 2 sign-in, without a refresh token: they live until their user takes them back.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use broker_core::http::{Call, Http, OpClass, Outcome, Protocol, Reply, Verdict};
use broker_core::oauth2::{ClientAuth, OAuth2, SignIn, read_refusal};
use broker_core::seam::Clock;
use broker_core::token::Token;
use broker_core::{BrokerId, Context, Error, ErrorKind, Result};
use http::header::{AUTHORIZATION, HeaderName};
use http::{HeaderMap, HeaderValue, Method};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use url::Url;

use crate::config::{Credentials, DOMAIN, https};
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

/// An application that is registered with Alpaca, and its users' sign-ins.
///
/// ```
/// use broker_alpaca::AlpacaOAuth;
/// # let context = broker_core::net::network()?;
/// let app = AlpacaOAuth::new("app-id", "app-secret", "https://app.example/callback", context)?;
/// let sign_in = app.sign_in();
/// assert_eq!(sign_in.url().host_str(), Some("app.alpaca.markets"));
/// // The user opens it; what comes back to the callback goes to `app.token(&mut sign_in, url)`.
/// # Ok::<(), broker_core::Error>(())
/// ```
#[derive(Debug)]
pub struct AlpacaOAuth {
    client: OAuth2,
    http: Http,
    base: Url,
}

/// What a user is asked for: account changes, trading, market data. Reading needs no scope.
const SCOPES: [&str; 3] = ["account:write", "trading", "data"];

impl AlpacaOAuth {
    /// An application, by what Alpaca registered. It asks for all scopes.
    ///
    /// # Errors
    /// `Config` when the address cannot be made.
    pub fn new(
        client_id: impl Into<String>,
        client_secret: impl Into<SecretString>,
        redirect_uri: impl Into<String>,
        context: Context,
    ) -> Result<Self> {
        let mut authorize = https("app.alpaca.markets")?;
        authorize.set_path("/oauth/authorize");
        let client = OAuth2::new(client_id, authorize, redirect_uri)
            .with_secret(client_secret.into(), ClientAuth::Form)
            .with_scopes(SCOPES);
        let http = Http::new(context, BrokerId::from("alpaca"), Arc::new(TokenProtocol), &[DOMAIN]);
        let base = https("api.alpaca.markets")?;
        Ok(Self { client, http, base })
    }

    /// Asks for these scopes only.
    #[must_use]
    pub fn with_scopes<S: Into<String>>(mut self, scopes: impl IntoIterator<Item = S>) -> Self {
        self.client = self.client.with_scopes(scopes);
        self
    }

    /// Another address of the token endpoint: a venue on this machine.
    #[must_use]
    pub fn with_base_url(mut self, url: Url) -> Self {
        self.base = url;
        self
    }

    /// Starts a sign-in: the user opens its URL, within ten minutes.
    pub fn sign_in(&self) -> SignIn {
        let context = self.http.context();
        self.client.sign_in(&**context.clock(), &**context.rng())
    }

    /// Reads what came to the callback and gets the token, for [`AlpacaConfig::oauth`](crate::AlpacaConfig::oauth).
    /// The same token serves paper and live.
    ///
    /// # Errors
    /// `Auth` for an answer to another sign-in, `Permission` when the user declined, `ReauthRequired` for a code
    /// that was used or is too old.
    pub async fn token(&self, sign_in: &mut SignIn, callback: &str) -> Result<Token> {
        let clock = self.http.context().clock();
        let code = sign_in.code(callback, &**clock)?;
        let exchange = self.client.exchange(code)?;
        let mut call = Call::new("token", OpClass::SignIn, Method::POST, &self.base, "/oauth/token");
        call.headers.extend(exchange.headers);
        call.body = exchange.body.expose_secret().to_owned().into();
        let issued_at = clock.now();
        self.http.run(call, |body| self.client.token(body, issued_at)).await
    }
}

/// The token endpoint speaks OAuth and not Alpaca's error bodies.
#[derive(Debug)]
struct TokenProtocol;

#[async_trait]
impl Protocol for TokenProtocol {
    async fn authorize(&self, _call: &mut Call) -> Result<()> {
        Ok(())
    }

    fn classify(&self, _call: &Call, reply: &Reply) -> Verdict {
        if reply.status.is_success() {
            return Verdict::good();
        }
        Verdict::bad(read_refusal(reply.status.as_u16(), &reply.body))
    }

    async fn mend(&self, error: &Error) -> Result<()> {
        Err(error.clone())
    }
}
