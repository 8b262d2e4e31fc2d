//! OAuth 2: the authorization-code grant, without any network in it.
//!
//! [`OAuth2::sign_in`] makes the URL that a person opens, [`SignIn::code`] reads what comes back, and
//! [`OAuth2::exchange`] makes the form that a broker crate sends for the [`Token`]. State is always used, PKCE
//! (S256, RFC 7636) where the broker takes it.

use std::fmt::{self, Debug};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use chrono::{DateTime, TimeDelta, Utc};
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue};
use rust_decimal::prelude::ToPrimitive;
use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use url::{Url, form_urlencoded};

use crate::error::{Delivery, Error, ErrorKind, Result};
use crate::num::{Num, Text, empty_as_none};
use crate::seam::{Clock, Rng};
use crate::token::Token;

/// How a client says who it is when it exchanges a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientAuth {
    /// Id and secret in the form.
    Form,
    /// Id and secret in a Basic header.
    Basic,
}

/// A client that is registered with a broker.
#[derive(Debug, Clone)]
pub struct OAuth2 {
    client_id: String,
    secret: Option<(SecretString, ClientAuth)>,
    authorize_url: Url,
    redirect_uri: String,
    scopes: Vec<String>,
    pkce: bool,
}

/// A sign-in that a person was sent to. It takes one answer, within ten minutes. `Debug` hides its URL.
pub struct SignIn {
    url: Url,
    redirect_uri: String,
    started: Duration,
    /// Gone once an answer was taken.
    open: Option<Secrets>,
}

struct Secrets {
    state: SecretString,
    verifier: Option<SecretString>,
}

/// The code that a sign-in gave, good for one exchange. `Debug` shows no secret.
#[derive(Debug)]
pub struct Code {
    code: SecretString,
    verifier: Option<SecretString>,
    redirect_uri: String,
}

/// The request that turns a code into a token, to be sent as `POST` to the broker's token URL.
#[derive(Debug)]
pub struct Exchange {
    /// The form.
    pub body: SecretString,
    /// Its headers; secret ones are marked sensitive.
    pub headers: HeaderMap,
}

/// A sign-in is open this long.
const OPEN: Duration = Duration::from_secs(600);

impl OAuth2 {
    /// A client without a secret, scopes or PKCE.
    pub fn new(client_id: impl Into<String>, authorize_url: Url, redirect_uri: impl Into<String>) -> Self {
        Self {
            client_id: client_id.into(),
            secret: None,
            authorize_url,
            redirect_uri: redirect_uri.into(),
            scopes: Vec::new(),
            pkce: false,
        }
    }

    /// With a client secret, sent this way.
    #[must_use]
    pub fn with_secret(mut self, secret: SecretString, auth: ClientAuth) -> Self {
        self.secret = Some((secret, auth));
        self
    }

    /// Asks for these scopes.
    #[must_use]
    pub fn with_scopes<S: Into<String>>(mut self, scopes: impl IntoIterator<Item = S>) -> Self {
        self.scopes = scopes.into_iter().map(Into::into).collect();
        self
    }

    /// Uses PKCE with S256.
    #[must_use]
    pub fn with_pkce(mut self) -> Self {
        self.pkce = true;
        self
    }

    /// Starts a sign-in: a person opens [`SignIn::url`]. The random numbers must be fit for secrets.
    pub fn sign_in(&self, clock: &dyn Clock, rng: &dyn Rng) -> SignIn {
        let state = random_text(rng);
        let verifier = self.pkce.then(|| random_text(rng));
        let mut url = self.authorize_url.clone();
        {
            let mut query = url.query_pairs_mut();
            query
                .append_pair("response_type", "code")
                .append_pair("client_id", &self.client_id)
                .append_pair("redirect_uri", &self.redirect_uri);
            if !self.scopes.is_empty() {
                query.append_pair("scope", &self.scopes.join(" "));
            }
            query.append_pair("state", state.expose_secret());
            if let Some(verifier) = &verifier {
                query
                    .append_pair("code_challenge", &challenge(verifier))
                    .append_pair("code_challenge_method", "S256");
            }
        }
        SignIn {
            url,
            redirect_uri: self.redirect_uri.clone(),
            started: clock.elapsed(),
            open: Some(Secrets { state, verifier }),
        }
    }

    /// The form that exchanges the code.
    ///
    /// # Errors
    /// [`Config`](ErrorKind::Config) when the client id cannot stand in a Basic header.
    pub fn exchange(&self, code: Code) -> Result<Exchange> {
        let mut fields = vec![
            ("grant_type", "authorization_code"),
            ("code", code.code.expose_secret()),
            ("redirect_uri", &code.redirect_uri),
        ];
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_static("application/x-www-form-urlencoded"),
        );
        match &self.secret {
            Some((secret, ClientAuth::Basic)) => {
                headers.insert(AUTHORIZATION, basic(&self.client_id, secret)?);
            }
            Some((secret, ClientAuth::Form)) => {
                fields.extend([
                    ("client_id", &*self.client_id),
                    ("client_secret", secret.expose_secret()),
                ]);
            }
            None => fields.push(("client_id", &self.client_id)),
        }
        if let Some(verifier) = &code.verifier {
            fields.push(("code_verifier", verifier.expose_secret()));
        }
        let body = form(&fields);
        Ok(Exchange { body, headers })
    }

    /// Reads the answer to an exchange: [`read_token`], with the scopes that were asked for where it names none.
    ///
    /// # Errors
    /// Those of [`read_token`].
    pub fn token(&self, body: &str, issued_at: DateTime<Utc>) -> Result<Token> {
        let mut token = read_token(body, issued_at)?;
        if token.scopes.is_empty() {
            token.scopes.clone_from(&self.scopes);
        }
        Ok(token)
    }
}

impl SignIn {
    /// What the person opens. It holds the state: show it to that person only.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// Reads what the redirect brought: a whole URL, or its query. Text with another state changes nothing; the first
    /// with the right one, a refusal too, is the last that is taken.
    ///
    /// # Errors
    /// [`Auth`](ErrorKind::Auth) for a wrong state, an answer too late or a second one;
    /// [`Permission`](ErrorKind::Permission) when the person declined.
    pub fn code(&mut self, callback: &str, clock: &dyn Clock) -> Result<Code> {
        if clock.elapsed().saturating_sub(self.started) >= OPEN {
            self.open = None;
        }
        let answer = Callback::read(callback)?;
        let right = self.open.take_if(|secrets| answer.has_state(&secrets.state));
        let secrets = right.ok_or_else(|| {
            refused(ErrorKind::Auth)
                .with_message("the answer belongs to no open sign-in: another state, too late, or used before")
                .with_help("start a new sign-in")
        })?;
        if let Some(word) = answer.error {
            return Err(declined(&word, answer.description.as_deref()));
        }
        let code = answer.code.filter(|code| !code.expose_secret().is_empty());
        let code = code.ok_or_else(|| Error::decode("the sign-in's answer holds no code"))?;
        Ok(Code {
            code,
            verifier: secrets.verifier,
            redirect_uri: self.redirect_uri.clone(),
        })
    }
}

impl Debug for SignIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignIn")
            .field("at", &self.url.host_str())
            .field("open", &self.open.is_some())
            .finish_non_exhaustive()
    }
}

/// The parameters of a redirect, decoded.
#[derive(Default)]
struct Callback {
    code: Option<SecretString>,
    state: Option<SecretString>,
    error: Option<String>,
    description: Option<String>,
}

impl Callback {
    fn read(text: &str) -> Result<Self> {
        let text = text.trim();
        let query = text.split_once('?').map_or(text, |(_, query)| query);
        let query = query.split_once('#').map_or(query, |(query, _)| query);
        let mut callback = Self::default();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            let secret = || SecretString::from(&*value);
            let twice = match &*name {
                "code" => callback.code.replace(secret()).is_some(),
                "state" => callback.state.replace(secret()).is_some(),
                "error" => callback.error.replace(value.into_owned()).is_some(),
                "error_description" => callback.description.replace(value.into_owned()).is_some(),
                _ => false,
            };
            if twice {
                return Err(Error::decode(format!("the sign-in's answer gives `{name}` twice")));
            }
        }
        Ok(callback)
    }

    fn has_state(&self, state: &SecretString) -> bool {
        let Some(given) = &self.state else { return false };
        let (given, state) = (given.expose_secret(), state.expose_secret());
        given.as_bytes().ct_eq(state.as_bytes()).into()
    }
}

fn declined(word: &str, description: Option<&str>) -> Error {
    let kind = match word {
        "access_denied" => ErrorKind::Permission,
        "server_error" | "temporarily_unavailable" => ErrorKind::Unavailable,
        "invalid_request" | "unauthorized_client" | "unsupported_response_type" | "invalid_scope" => ErrorKind::Config,
        _ => ErrorKind::Unknown,
    };
    let error = refused(kind).with_code(word);
    match description {
        Some(description) => error.with_message(description),
        None => error,
    }
}

fn refused(kind: ErrorKind) -> Error {
    Error::new(kind)
        .with_delivery(Delivery::Answered)
        .with_operation("sign-in")
}

/// 256 random bits as 43 characters that need no encoding.
fn random_text(rng: &dyn Rng) -> SecretString {
    let mut bytes = Zeroizing::new([0u8; 32]);
    for piece in bytes.chunks_exact_mut(8) {
        piece.copy_from_slice(&rng.next_u64().to_be_bytes());
    }
    SecretString::from(URL_SAFE_NO_PAD.encode(*bytes))
}

/// RFC 7636: the S256 challenge of a verifier.
fn challenge(verifier: &SecretString) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.expose_secret().as_bytes()))
}

/// A form body, built in a buffer that is large enough at once and wiped afterwards.
fn form(fields: &[(&str, &str)]) -> SecretString {
    // Each byte takes three at most, and a field two more.
    let room = fields
        .iter()
        .map(|(name, value)| 3 * (name.len() + value.len()) + 2)
        .sum();
    let mut text = form_urlencoded::Serializer::new(String::with_capacity(room));
    text.extend_pairs(fields);
    let text = Zeroizing::new(text.finish());
    SecretString::from(text.as_str())
}

/// The value of a Basic header (RFC 7617), marked sensitive. Id and secret go in as they are.
///
/// # Errors
/// [`Config`](ErrorKind::Config) when the id holds a colon, which would end it early.
pub fn basic(id: &str, secret: &SecretString) -> Result<HeaderValue> {
    if id.contains(':') {
        return Err(Error::config("a client id with a colon cannot stand in a Basic header"));
    }
    let pair = Zeroizing::new(format!("{id}:{}", secret.expose_secret()));
    let text = Zeroizing::new(format!("Basic {}", &*Zeroizing::new(STANDARD.encode(pair.as_bytes()))));
    let mut value =
        HeaderValue::from_str(&text).map_err(|_| Error::config("the client id cannot stand in a Basic header"))?;
    value.set_sensitive(true);
    Ok(value)
}

#[derive(Deserialize)]
struct WireToken<'a> {
    #[serde(borrow)]
    access_token: Text<'a>,
    #[serde(borrow)]
    token_type: Text<'a>,
    #[serde(default, deserialize_with = "empty_as_none")]
    expires_in: Option<Num>,
    #[serde(borrow)]
    refresh_token: Option<Text<'a>>,
    #[serde(borrow)]
    scope: Option<Text<'a>>,
}

/// Reads a token answer (RFC 6749, section 5.1). Nothing of the body gets into an error.
///
/// # Errors
/// [`Decode`](ErrorKind::Decode) when a part is missing or cannot be read, or the token is not a bearer token.
pub fn read_token(body: &str, issued_at: DateTime<Utc>) -> Result<Token> {
    let wire: WireToken<'_> = serde_json::from_str(body).map_err(|error| {
        let at = (error.line(), error.column());
        Error::decode(format!(
            "the token answer cannot be read (line {}, column {})",
            at.0, at.1
        ))
    })?;
    if !wire.token_type.get().eq_ignore_ascii_case("bearer") {
        return Err(Error::decode(
            "the token answer gives a token that is not a bearer token",
        ));
    }
    if wire.access_token.get().is_empty() {
        return Err(Error::decode("the token answer gives an empty access token"));
    }
    let expires_at = match wire.expires_in {
        Some(Num(seconds)) => {
            let life = seconds
                .to_i64()
                .filter(|life| *life >= 0)
                .and_then(TimeDelta::try_seconds);
            let expires_at = life.and_then(|life| issued_at.checked_add_signed(life));
            Some(expires_at.ok_or_else(|| Error::decode("the token answer gives an impossible lifetime"))?)
        }
        None => None,
    };
    let secret = |text: &Text<'_>| SecretString::from(text.get());
    let refresh = wire.refresh_token.as_ref().filter(|text| !text.get().is_empty());
    Ok(Token {
        access: secret(&wire.access_token),
        refresh: refresh.map(secret),
        expires_at,
        issued_at,
        scopes: wire.scope.map_or_else(Vec::new, |scope| {
            scope.get().split_whitespace().map(str::to_owned).collect()
        }),
    })
}

#[derive(Deserialize)]
struct WireRefusal<'a> {
    #[serde(borrow)]
    error: Text<'a>,
    #[serde(borrow)]
    error_description: Option<Text<'a>>,
}

/// The error of a token answer that is none (RFC 6749, section 5.2). A dead grant is
/// [`ReauthRequired`](ErrorKind::ReauthRequired).
pub fn read_refusal(status: u16, body: &str) -> Error {
    let wire: Option<WireRefusal<'_>> = serde_json::from_str(body).ok();
    let word = wire.as_ref().map(|wire| wire.error.get());
    let kind = match word {
        Some("invalid_grant") => ErrorKind::ReauthRequired,
        Some("invalid_client" | "unauthorized_client") => ErrorKind::Auth,
        Some("temporarily_unavailable" | "server_error") => ErrorKind::Unavailable,
        Some("invalid_request" | "unsupported_grant_type" | "invalid_scope") => ErrorKind::InvalidRequest,
        _ if status == 429 => ErrorKind::RateLimited,
        _ if status >= 500 => ErrorKind::Unavailable,
        _ if matches!(status, 401 | 403) => ErrorKind::Auth,
        _ => ErrorKind::Unknown,
    };
    let mut error = Error::new(kind).with_delivery(Delivery::Answered).with_status(status);
    if let Some(word) = word {
        error = error.with_code(word);
    }
    if let Some(text) = wire.as_ref().and_then(|wire| wire.error_description.as_ref()) {
        error = error.with_message(text.get());
    }
    error
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_challenge_is_that_of_rfc_7636_appendix_b() {
        let verifier = SecretString::from("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk");
        assert_eq!(challenge(&verifier), "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
    }

    #[test]
    fn the_basic_header_is_that_of_rfc_7617() {
        let value = basic("Aladdin", &SecretString::from("open sesame")).unwrap();
        assert_eq!(value.to_str().unwrap(), "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
        assert!(value.is_sensitive());
        assert_eq!(format!("{value:?}"), "Sensitive");
        assert_eq!(
            basic("a:b", &SecretString::from("c")).unwrap_err().kind(),
            ErrorKind::Config
        );
    }
}
