//! What a connection to OANDA needs.

use std::fmt;

use broker_core::model::Environment;
use broker_core::{AccountId, Context, Error, Result, Variables};
use secrecy::SecretString;
use url::Url;

/// OANDA's own domain; all of its hosts lie under it.
pub(crate) const DOMAIN: &str = "oanda.com";

/// What OANDA permits of one address, all tokens together.
const USUAL_REQUESTS_PER_SECOND: u32 = 120;

/// How to reach accounts at OANDA: fxPractice, unless [`live`](Self::live) is written.
///
/// ```
/// use broker_oanda::OandaConfig;
/// let config = OandaConfig::new("a-personal-access-token");
/// assert!(!format!("{config:?}").contains("personal"));
/// ```
#[derive(Clone)]
pub struct OandaConfig {
    pub(crate) token: SecretString,
    pub(crate) environment: Environment,
    pub(crate) base_url: Option<Url>,
    pub(crate) stream_url: Option<Url>,
    pub(crate) hosts: Vec<String>,
    pub(crate) context: Option<Context>,
    pub(crate) account: Option<AccountId>,
    pub(crate) requests_per_second: u32,
}

impl OandaConfig {
    /// With a personal access token. It belongs to practice or to live, and sees all sub-accounts of its user there.
    pub fn new(token: impl Into<SecretString>) -> Self {
        Self {
            token: token.into(),
            environment: Environment::Paper,
            base_url: None,
            stream_url: None,
            hosts: Vec::new(),
            context: None,
            account: None,
            requests_per_second: USUAL_REQUESTS_PER_SECOND,
        }
    }

    /// From the environment: `OANDA_API_TOKEN`, and where they are set `OANDA_ACCOUNT_ID`, `OANDA_API_URL` and
    /// `OANDA_STREAM_URL`.
    ///
    /// # Errors
    /// `Config`, naming the variable that is missing or that is no URL.
    pub fn from_env() -> Result<Self> {
        Self::from_lookup(|name| std::env::var(name).ok())
    }

    /// The same variables from elsewhere: a secret store, a file.
    ///
    /// # Errors
    /// `Config`, naming the variable that is missing or that is no URL.
    pub fn from_lookup(lookup: impl Fn(&str) -> Option<String>) -> Result<Self> {
        let variables = Variables::of(lookup);
        let help = "make a personal access token in OANDA's portal (Manage API Access) of the practice account";
        let [token] = variables.all(["OANDA_API_TOKEN"], help)?;
        let mut config = Self::new(token);
        config.account = variables.get("OANDA_ACCOUNT_ID").map(AccountId::from);
        config.base_url = variables.url("OANDA_API_URL")?;
        config.stream_url = variables.url("OANDA_STREAM_URL")?;
        Ok(config)
    }

    /// Real money: fxTrade.
    #[must_use]
    pub fn live(mut self) -> Self {
        self.environment = Environment::Live;
        self
    }

    /// Another address of the REST API: a venue on this machine. Streams are opened there too, unless they have an
    /// address of their own.
    #[must_use]
    pub fn with_base_url(mut self, url: Url) -> Self {
        self.base_url = Some(url);
        self
    }

    /// Another address of the streams.
    #[must_use]
    pub fn with_stream_url(mut self, url: Url) -> Self {
        self.stream_url = Some(url);
        self
    }

    /// Permits a host that is neither OANDA's nor this machine. It will see the token.
    #[must_use]
    pub fn allow_host(mut self, host: impl Into<String>) -> Self {
        self.hosts.push(host.into());
        self
    }

    /// With this clock, chance, wire and limits. OANDA counts requests by address: brokers on one machine share a
    /// context, and with it the limits.
    #[must_use]
    pub fn with_context(mut self, context: Context) -> Self {
        self.context = Some(context);
        self
    }

    /// The account whose instruments and prices are asked for, for OANDA keeps both by account. Without it the first
    /// that the token sees.
    #[must_use]
    pub fn with_account(mut self, account: AccountId) -> Self {
        self.account = Some(account);
        self
    }

    /// Fewer requests a second than the 120 that OANDA permits: where several programs share an address.
    #[must_use]
    pub fn with_requests_per_second(mut self, limit: u32) -> Self {
        self.requests_per_second = limit;
        self
    }

    /// The addresses of the REST API and of the streams.
    pub(crate) fn addresses(&self) -> Result<(Url, Url)> {
        let (ours, other) = match self.environment {
            Environment::Paper => ("fxpractice", "fxtrade"),
            Environment::Live => ("fxtrade", "fxpractice"),
        };
        for url in [&self.base_url, &self.stream_url].into_iter().flatten() {
            let host = url.host_str().unwrap_or_default();
            if is_oanda(url) && host.contains(other) {
                return Err(
                    Error::config(format!("{host} is not a host of {} trading", self.environment))
                        .with_help("write .live() for real money, and leave it out for practice"),
                );
            }
        }
        let base = match &self.base_url {
            Some(url) => without_version(url),
            None => https(&format!("api-{ours}.{DOMAIN}"))?,
        };
        let stream = match &self.stream_url {
            Some(url) => without_version(url),
            None if is_oanda(&base) => https(&format!("stream-{ours}.{DOMAIN}"))?,
            None => base.clone(),
        };
        Ok((base, stream))
    }
}

/// OANDA's pages show the address with its version behind it, and paths bring their own.
fn without_version(url: &Url) -> Url {
    let mut url = url.clone();
    let path = url.path().trim_end_matches('/');
    let path = path.strip_suffix("/v3").unwrap_or(path).to_owned();
    url.set_path(&path);
    url
}

fn https(host: &str) -> Result<Url> {
    Url::parse(&format!("https://{host}")).map_err(|error| Error::config("the address is not a URL").with_source(error))
}

fn is_oanda(url: &Url) -> bool {
    let front = url.host_str().and_then(|host| host.strip_suffix(DOMAIN));
    front.is_some_and(|front| front.is_empty() || front.ends_with('.'))
}

/// Shows no token.
impl fmt::Debug for OandaConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OandaConfig")
            .field("environment", &self.environment)
            .field("base_url", &self.base_url.as_ref().and_then(Url::host_str))
            .field("stream_url", &self.stream_url.as_ref().and_then(Url::host_str))
            .field("account", &self.account)
            .finish_non_exhaustive()
    }
}
