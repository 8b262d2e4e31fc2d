//! What a connection to Alpaca needs.

use std::fmt;

use broker_core::model::Environment;
use broker_core::{Context, Error, Result, Variables};
use secrecy::SecretString;
use url::Url;

/// Alpaca's own domain; all of its hosts lie under it.
pub(crate) const DOMAIN: &str = "alpaca.markets";

const LIVE_HOST: &str = "api.alpaca.markets";
const PAPER_HOST: &str = "paper-api.alpaca.markets";
const DATA_HOST: &str = "data.alpaca.markets";

/// Requests a minute that Alpaca permits where an account has no other agreement.
const USUAL_REQUESTS_PER_MINUTE: u32 = 200;

/// What proves to Alpaca who asks.
#[derive(Clone)]
pub(crate) enum Credentials {
    /// A key pair: one key is one account.
    Key { id: SecretString, secret: SecretString },
    /// A token that a user granted. It has no expiry and cannot be refreshed.
    OAuth(SecretString),
}

/// Shows neither key nor token.
impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Key { .. } => "a key pair",
            Self::OAuth(_) => "an OAuth token",
        })
    }
}

/// Where share quotes and bars come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Feed {
    /// The exchange IEX alone: in every plan.
    Iex,
    /// All exchanges: in paid plans; in others only what is older than 15 minutes.
    Sip,
    /// All exchanges, 15 minutes late.
    DelayedSip,
    /// Shares that are traded over the counter.
    Otc,
    /// The overnight session of Blue Ocean.
    Boats,
}

impl Feed {
    #[cfg(feature = "market-data")]
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Iex => "iex",
            Self::Sip => "sip",
            Self::DelayedSip => "delayed_sip",
            Self::Otc => "otc",
            Self::Boats => "boats",
        }
    }
}

/// How to reach an account at Alpaca: paper, unless [`live`](Self::live) is written.
///
/// ```
/// use broker_alpaca::AlpacaConfig;
/// let config = AlpacaConfig::new("PKEXAMPLE", "secret").with_requests_per_minute(1000);
/// assert!(!format!("{config:?}").contains("secret"));
/// ```
#[derive(Clone)]
pub struct AlpacaConfig {
    pub(crate) credentials: Credentials,
    pub(crate) environment: Environment,
    pub(crate) base_url: Option<Url>,
    pub(crate) data_url: Option<Url>,
    pub(crate) hosts: Vec<String>,
    pub(crate) context: Option<Context>,
    pub(crate) feed: Option<Feed>,
    pub(crate) requests_per_minute: u32,
    pub(crate) data_requests_per_minute: u32,
}

impl AlpacaConfig {
    /// With a key pair. A paper key works on paper only, a live key on live only.
    pub fn new(key: impl Into<SecretString>, secret: impl Into<SecretString>) -> Self {
        Self::with_credentials(Credentials::Key {
            id: key.into(),
            secret: secret.into(),
        })
    }

    /// With the token of a user who authorized an application.
    pub fn oauth(token: impl Into<SecretString>) -> Self {
        Self::with_credentials(Credentials::OAuth(token.into()))
    }

    /// From the environment: `APCA_API_KEY_ID` and `APCA_API_SECRET_KEY`, and `APCA_API_BASE_URL` if it is set.
    ///
    /// # Errors
    /// `Config`, naming every variable that is missing.
    pub fn from_env() -> Result<Self> {
        Self::from_lookup(|name| std::env::var(name).ok())
    }

    /// The same variables from elsewhere: a secret store, a file.
    ///
    /// # Errors
    /// `Config`, naming every variable that is missing.
    pub fn from_lookup(lookup: impl Fn(&str) -> Option<String>) -> Result<Self> {
        let variables = Variables::of(lookup);
        let names = ["APCA_API_KEY_ID", "APCA_API_SECRET_KEY"];
        let help = "make a key pair on https://app.alpaca.markets (paper trading, API keys) and set both variables";
        let [key, secret] = variables.all(names, help)?;
        let mut config = Self::new(key, secret);
        config.base_url = variables.url("APCA_API_BASE_URL")?;
        Ok(config)
    }

    fn with_credentials(credentials: Credentials) -> Self {
        Self {
            credentials,
            environment: Environment::Paper,
            base_url: None,
            data_url: None,
            hosts: Vec::new(),
            context: None,
            feed: None,
            requests_per_minute: USUAL_REQUESTS_PER_MINUTE,
            data_requests_per_minute: USUAL_REQUESTS_PER_MINUTE,
        }
    }

    /// Real money.
    #[must_use]
    pub fn live(mut self) -> Self {
        self.environment = Environment::Live;
        self
    }

    /// Another address of the Trading API: a venue on this machine. Market data is asked there too, unless it has an
    /// address of its own.
    #[must_use]
    pub fn with_base_url(mut self, url: Url) -> Self {
        self.base_url = Some(url);
        self
    }

    /// Another address of the Market Data API.
    #[must_use]
    pub fn with_data_url(mut self, url: Url) -> Self {
        self.data_url = Some(url);
        self
    }

    /// Permits a host that is neither Alpaca's nor this machine. It will see the keys.
    #[must_use]
    pub fn allow_host(mut self, host: impl Into<String>) -> Self {
        self.hosts.push(host.into());
        self
    }

    /// With this clock, chance, wire and limits. Brokers of one key share a context, and with it their limits.
    #[must_use]
    pub fn with_context(mut self, context: Context) -> Self {
        self.context = Some(context);
        self
    }

    /// Share quotes and bars from this feed; without one, from the best that the plan has.
    #[must_use]
    pub fn with_feed(mut self, feed: Feed) -> Self {
        self.feed = Some(feed);
        self
    }

    /// Where an account has another limit of the Trading API than 200 a minute.
    #[must_use]
    pub fn with_requests_per_minute(mut self, limit: u32) -> Self {
        self.requests_per_minute = limit;
        self
    }

    /// Where a plan has another limit of the Market Data API than 200 a minute.
    #[must_use]
    pub fn with_data_requests_per_minute(mut self, limit: u32) -> Self {
        self.data_requests_per_minute = limit;
        self
    }

    /// The addresses of the Trading API and of the Market Data API.
    pub(crate) fn addresses(&self) -> Result<(Url, Url)> {
        let (ours, other) = match self.environment {
            Environment::Paper => (PAPER_HOST, LIVE_HOST),
            Environment::Live => (LIVE_HOST, PAPER_HOST),
        };
        let base = match &self.base_url {
            Some(url) if url.host_str() == Some(other) => {
                return Err(
                    Error::config(format!("{other} is not the host of {} trading", self.environment))
                        .with_help("write .live() for real money, and leave it out for paper"),
                );
            }
            Some(url) => without_version(url),
            None => https(ours)?,
        };
        let data = match &self.data_url {
            Some(url) => without_version(url),
            None if is_alpaca(&base) => https(DATA_HOST)?,
            None => base.clone(),
        };
        Ok((base, data))
    }
}

/// Alpaca's pages show the address with its version behind it, and paths bring their own.
fn without_version(url: &Url) -> Url {
    let mut url = url.clone();
    let path = url.path().trim_end_matches('/');
    let path = path.strip_suffix("/v2").unwrap_or(path).to_owned();
    url.set_path(&path);
    url
}

pub(crate) fn https(host: &str) -> Result<Url> {
    Url::parse(&format!("https://{host}")).map_err(|error| Error::config("the address is not a URL").with_source(error))
}

/// The address with the scheme of a WebSocket.
#[cfg(feature = "streaming")]
pub(crate) fn web_socket(url: &Url) -> Result<Url> {
    let mut url = url.clone();
    let scheme = if url.scheme() == "http" { "ws" } else { "wss" };
    match url.set_scheme(scheme) {
        Ok(()) => Ok(url),
        Err(()) => Err(Error::config("the address is not one of HTTP")),
    }
}

/// Alpaca streams market data from a host of its own; any other address does both.
#[cfg(feature = "streaming")]
pub(crate) fn stream_host(data: &Url) -> Result<Url> {
    match data.host_str() {
        Some(host) if is_alpaca(data) => https(&format!("stream.{host}")),
        _ => Ok(data.clone()),
    }
}

/// Where share quotes are streamed. Without a choice it is the feed that every plan has.
#[cfg(feature = "streaming")]
pub(crate) fn stream_path(feed: Option<Feed>) -> Result<&'static str> {
    match feed {
        None | Some(Feed::Iex) => Ok("/v2/iex"),
        Some(Feed::Sip) => Ok("/v2/sip"),
        Some(Feed::DelayedSip) => Ok("/v2/delayed_sip"),
        Some(other) => Err(Error::unsupported(format!("a stream of the feed {}", other.as_str()))),
    }
}

fn is_alpaca(url: &Url) -> bool {
    url.host_str()
        .and_then(|host| host.strip_suffix(DOMAIN))
        .is_some_and(|front| front.is_empty() || front.ends_with('.'))
}

/// Shows no key, no secret and no token.
impl fmt::Debug for AlpacaConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AlpacaConfig")
            .field("credentials", &self.credentials)
            .field("environment", &self.environment)
            .field("base_url", &self.base_url.as_ref().and_then(Url::host_str))
            .field("data_url", &self.data_url.as_ref().and_then(Url::host_str))
            .field("feed", &self.feed)
            .finish_non_exhaustive()
    }
}
