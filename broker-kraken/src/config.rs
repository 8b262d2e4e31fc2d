//! What a connection to Kraken needs.

use std::fmt::{self, Debug};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use broker_core::capability::LimitRule;
use broker_core::{Context, Error, Result, Variables};
use secrecy::SecretString;
use url::Url;

/// Kraken's own domain; all of its hosts lie under it.
pub(crate) const DOMAIN: &str = "kraken.com";

const REST_HOST: &str = "https://api.kraken.com";
#[cfg(feature = "streaming")]
const PRIVATE_STREAM: &str = "wss://ws-auth.kraken.com";
#[cfg(feature = "streaming")]
const PUBLIC_STREAM: &str = "wss://ws.kraken.com";

/// How far an account was verified, which says how much it may ask. Kraken does not tell it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum KrakenTier {
    /// The least: 15 points, a third of a point a second.
    #[default]
    Starter,
    /// 20 points, half a point a second.
    Intermediate,
    /// 20 points, a point a second.
    Pro,
}

impl KrakenTier {
    /// The counter of private calls: how high it may go, and in how long one point of it goes away.
    pub(crate) fn calls(self) -> Counter {
        match self {
            Self::Starter => Counter::new(15, 33),
            Self::Intermediate => Counter::new(20, 50),
            Self::Pro => Counter::new(20, 100),
        }
    }

    /// The counter of the matching engine, one a pair.
    pub(crate) fn orders(self) -> Counter {
        match self {
            Self::Starter => Counter::new(60, 100),
            Self::Intermediate => Counter::new(125, 234),
            Self::Pro => Counter::new(180, 375),
        }
    }
}

/// A counter that goes down by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Counter {
    pub(crate) most: u32,
    /// Points that go away in `per`.
    falls: u32,
    per: Duration,
}

impl Counter {
    /// So many hundredths of a point go away a second.
    pub(crate) const fn new(most: u32, hundredths: u32) -> Self {
        Self {
            most,
            falls: hundredths,
            per: Duration::from_secs(100),
        }
    }

    /// One point goes away in this time.
    const fn of(most: u32, point: Duration) -> Self {
        Self {
            most,
            falls: 1,
            per: point,
        }
    }

    pub(crate) fn rule(self) -> LimitRule {
        LimitRule::Decay {
            limit: self.most,
            falls: self.falls,
            per: self.per,
        }
    }
}

/// Gives the one-time password of a key that is protected by one.
#[async_trait]
pub trait KrakenOtp: Debug + Send + Sync + 'static {
    /// The password for the next call.
    async fn otp(&self) -> Result<SecretString>;
}

/// How to reach an account at Kraken. There is no paper account and no sandbox: [`live`](Self::live) must be written.
///
/// ```
/// use broker_kraken::{KrakenBroker, KrakenConfig, KrakenTier};
/// let config = KrakenConfig::new("key", "c2VjcmV0").with_tier(KrakenTier::Pro);
/// assert!(!format!("{config:?}").contains("c2VjcmV0"));
/// assert!(KrakenBroker::new(config.clone()).is_err(), "no real money without a word");
/// assert!(KrakenBroker::new(config.live()).is_ok());
/// ```
#[derive(Clone)]
pub struct KrakenConfig {
    pub(crate) key: SecretString,
    pub(crate) secret: SecretString,
    pub(crate) otp: Option<Arc<dyn KrakenOtp>>,
    pub(crate) live: bool,
    pub(crate) base_url: Option<Url>,
    pub(crate) hosts: Vec<String>,
    pub(crate) context: Option<Context>,
    pub(crate) calls: Counter,
    pub(crate) orders: Counter,
    pub(crate) history_cost: u32,
    pub(crate) public: Counter,
    pub(crate) tokenized: bool,
}

impl KrakenConfig {
    /// With a key pair: the API key, and the private key in base64 as Kraken shows it.
    pub fn new(key: impl Into<SecretString>, secret: impl Into<SecretString>) -> Self {
        Self {
            key: key.into(),
            secret: secret.into(),
            otp: None,
            live: false,
            base_url: None,
            hosts: Vec::new(),
            context: None,
            calls: KrakenTier::Starter.calls(),
            orders: KrakenTier::Starter.orders(),
            history_cost: 2,
            // About one a second; the exact figure is not published.
            public: Counter::new(15, 100),
            tokenized: false,
        }
    }

    /// From the environment: `KRAKEN_API_KEY` and `KRAKEN_API_SECRET`.
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
        let names = ["KRAKEN_API_KEY", "KRAKEN_API_SECRET"];
        let help = "make a key on https://pro.kraken.com/app/settings/api and set both variables";
        let [key, secret] = Variables::of(lookup).all(names, help)?;
        Ok(Self::new(key, secret))
    }

    /// Real money. Kraken has nothing else for spot, so nothing works without it.
    #[must_use]
    pub fn live(mut self) -> Self {
        self.live = true;
        self
    }

    /// For a key that is protected by a one-time password. A key without one is simpler, and no less safe where it may
    /// not withdraw.
    #[must_use]
    pub fn with_otp(mut self, otp: Arc<dyn KrakenOtp>) -> Self {
        self.otp = Some(otp);
        self
    }

    /// Another address: a venue on this machine. Streams are opened there, too.
    #[must_use]
    pub fn with_base_url(mut self, url: Url) -> Self {
        self.base_url = Some(url);
        self
    }

    /// Permits a host that is neither Kraken's nor this machine. It will see the key.
    #[must_use]
    pub fn allow_host(mut self, host: impl Into<String>) -> Self {
        self.hosts.push(host.into());
        self
    }

    /// With this clock, chance, wire and limits.
    ///
    /// Nonces of one key must arrive in order, so one key is one broker: clone it. A second program needs a key of its
    /// own.
    #[must_use]
    pub fn with_context(mut self, context: Context) -> Self {
        self.context = Some(context);
        self
    }

    /// How far the account was verified: sets both counters.
    #[must_use]
    pub fn with_tier(mut self, tier: KrakenTier) -> Self {
        (self.calls, self.orders) = (tier.calls(), tier.orders());
        self
    }

    /// Another counter of private calls: how high it may go, and in how long one point of it goes away.
    #[must_use]
    pub fn with_call_counter(mut self, most: u32, point: Duration) -> Self {
        self.calls = Counter::of(most, point);
        self
    }

    /// Another counter of orders a pair.
    #[must_use]
    pub fn with_order_counter(mut self, most: u32, point: Duration) -> Self {
        self.orders = Counter::of(most, point);
        self
    }

    /// Another limit of public calls.
    #[must_use]
    pub fn with_public_counter(mut self, most: u32, point: Duration) -> Self {
        self.public = Counter::of(most, point);
        self
    }

    /// What a page of history costs: 2 by the documentation, 4 by an older one. It is raised to 4 by itself when Kraken
    /// refuses a call in spite of 2.
    #[must_use]
    pub fn with_history_cost(mut self, points: u32) -> Self {
        self.history_cost = points;
        self
    }

    /// With tokenized shares (`AAPLx/USD`). Their quantities are in units of the share, not of the token.
    #[must_use]
    pub fn with_tokenized_assets(mut self) -> Self {
        self.tokenized = true;
        self
    }

    /// The address of the REST API; paper is refused here.
    pub(crate) fn address(&self) -> Result<Url> {
        if !self.live {
            return Err(
                Error::config("Kraken has no paper account for spot: every order is real money").with_help(
                    "write .live() if that is meant; to check an order without placing it, call validate(); to test, \
                     use the wire venue (feature `venue`)",
                ),
            );
        }
        match &self.base_url {
            Some(url) => Ok(url.clone()),
            None => parsed(REST_HOST),
        }
    }

    /// The address of a stream: of the account, or of market data.
    #[cfg(feature = "streaming")]
    pub(crate) fn stream(&self, private: bool) -> Result<Url> {
        let Some(base) = &self.base_url else {
            return parsed(&format!("{}/v2", if private { PRIVATE_STREAM } else { PUBLIC_STREAM }));
        };
        let mut url = base.clone();
        let scheme = if url.scheme() == "http" { "ws" } else { "wss" };
        url.set_scheme(scheme)
            .map_err(|()| Error::config("the address is not one of HTTP"))?;
        url.set_path(if private { "/private/v2" } else { "/v2" });
        Ok(url)
    }
}

fn parsed(address: &str) -> Result<Url> {
    Url::parse(address).map_err(|error| Error::config("the address is not a URL").with_source(error))
}

/// Shows neither key nor secret.
impl fmt::Debug for KrakenConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KrakenConfig")
            .field("live", &self.live)
            .field("base_url", &self.base_url.as_ref().and_then(Url::host_str))
            .field("calls", &self.calls)
            .field("orders", &self.orders)
            .finish_non_exhaustive()
    }
}
