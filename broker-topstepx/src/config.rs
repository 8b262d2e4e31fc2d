//! What a connection to the gateway needs.

use std::fmt;

use broker_core::model::Environment;
use broker_core::{Context, Error, Result, Variables};
use secrecy::SecretString;
use url::Url;

/// Domains of TopstepX and of the vendor, under which it hosts the other firms.
pub(crate) const DOMAINS: [&str; 2] = ["topstepx.com", "projectx.com"];

const API: &str = "https://api.topstepx.com";
const HUBS: &str = "https://rtc.topstepx.com/hubs";

/// Requests a minute, bars aside.
const USUAL_REQUESTS: u32 = 200;
/// Requests for bars in half a minute.
const USUAL_BARS: u32 = 50;

/// How to reach the accounts of one profile at TopstepX, or at another firm on the ProjectX gateway.
///
/// There is no sandbox: practice, evaluation and funded accounts live behind the same key and the same hosts. So paper
/// is a rule of this crate. Unless [`live`](Self::live) is written, orders are placed, changed and canceled on
/// practice accounts alone (their names begin with `PRAC`); all others can be read.
///
/// ```
/// use broker_topstepx::TopstepxConfig;
/// let config = TopstepxConfig::new("some-login", "api-key");
/// assert!(!format!("{config:?}").contains("api-key"));
/// ```
#[derive(Clone)]
pub struct TopstepxConfig {
    pub(crate) user_name: String,
    pub(crate) api_key: SecretString,
    pub(crate) environment: Environment,
    pub(crate) api: Option<Url>,
    pub(crate) hubs: Option<Url>,
    pub(crate) hosts: Vec<String>,
    pub(crate) context: Option<Context>,
    pub(crate) live_data: bool,
    pub(crate) requests: u32,
    pub(crate) bars: u32,
}

impl TopstepxConfig {
    /// With the platform's login name (not the e-mail address) and an API key of it.
    pub fn new(user_name: impl Into<String>, api_key: impl Into<SecretString>) -> Self {
        Self {
            user_name: user_name.into(),
            api_key: api_key.into(),
            environment: Environment::Paper,
            api: None,
            hubs: None,
            hosts: Vec::new(),
            context: None,
            live_data: false,
            requests: USUAL_REQUESTS,
            bars: USUAL_BARS,
        }
    }

    /// From the environment: `TOPSTEPX_USER_NAME` and `TOPSTEPX_API_KEY`; for another firm `TOPSTEPX_API_URL` and
    /// `TOPSTEPX_HUBS_URL`.
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
        let names = ["TOPSTEPX_USER_NAME", "TOPSTEPX_API_KEY"];
        let help = "buy and link API access on the platform (settings, API), make a key, and set both variables";
        let [user_name, api_key] = variables.all(names, help)?;
        let mut config = Self::new(user_name, api_key);
        config.api = variables.url("TOPSTEPX_API_URL")?;
        config.hubs = variables.url("TOPSTEPX_HUBS_URL")?;
        Ok(config)
    }

    /// Real consequences: orders on evaluation and funded accounts, too.
    #[must_use]
    pub fn live(mut self) -> Self {
        self.environment = Environment::Live;
        self
    }

    /// Another firm on the gateway, or a venue on this machine: the address of its REST interface, and that of its
    /// hubs (`https://rtc.firm.projectx.com/hubs`).
    ///
    /// Hosts under `topstepx.com` and `projectx.com` and this machine are permitted; any other needs
    /// [`allow_host`](Self::allow_host).
    #[must_use]
    pub fn with_urls(mut self, api: Url, hubs: Url) -> Self {
        (self.api, self.hubs) = (Some(api), Some(hubs));
        self
    }

    /// Permits a host that is neither TopstepX's, nor the vendor's, nor this machine. It will see the key.
    #[must_use]
    pub fn allow_host(mut self, host: impl Into<String>) -> Self {
        self.hosts.push(host.into());
        self
    }

    /// With this clock, chance, wire and limits. Brokers of one profile share a context, and with it their limits.
    #[must_use]
    pub fn with_context(mut self, context: Context) -> Self {
        self.context = Some(context);
        self
    }

    /// Contracts and bars of the live data subscription. Without it those of the simulated one, which every profile
    /// has.
    #[must_use]
    pub fn with_live_data(mut self) -> Self {
        self.live_data = true;
        self
    }

    /// Where a firm has other limits: requests in 60 s, and requests for bars in 30 s.
    #[must_use]
    pub fn with_limits(mut self, requests: u32, bars: u32) -> Self {
        (self.requests, self.bars) = (requests, bars);
        self
    }

    /// The addresses of the REST interface and of the hubs.
    pub(crate) fn addresses(&self) -> Result<(Url, Url)> {
        let parse =
            |text: &str| Url::parse(text).map_err(|error| Error::config("the address is not a URL").with_source(error));
        match (&self.api, &self.hubs) {
            (Some(api), Some(hubs)) => Ok((api.clone(), hubs.clone())),
            (None, None) => Ok((parse(API)?, parse(HUBS)?)),
            // A key must not reach one firm's requests and another firm's streams.
            _ => Err(
                Error::config("the addresses of the REST interface and of the hubs belong together")
                    .with_help("set both of TOPSTEPX_API_URL and TOPSTEPX_HUBS_URL, or none"),
            ),
        }
    }
}

/// Shows no key, and of the login name only its end.
impl fmt::Debug for TopstepxConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TopstepxConfig")
            .field("user_name", &broker_core::AccountId::from(self.user_name.as_str()))
            .field("environment", &self.environment)
            .field("api", &self.api.as_ref().and_then(Url::host_str))
            .field("hubs", &self.hubs.as_ref().and_then(Url::host_str))
            .field("live_data", &self.live_data)
            .finish_non_exhaustive()
    }
}
