//! What a connection to Binance needs.

use std::fmt;
use std::time::Duration;

use broker_core::model::Environment;
use broker_core::{Context, Error, Result, Variables};
use secrecy::SecretString;
use url::Url;

/// Binance's own domains; all of its hosts lie under them. The second one is the testnet's.
pub(crate) const DOMAINS: [&str; 2] = ["binance.com", "binance.vision"];

const LIVE: &str = "api.binance.com";
const TESTNET: &str = "testnet.binance.vision";
const DEMO: &str = "demo-api.binance.com";

/// Other names of the live host.
const LIVE_ALIASES: [&str; 6] = [
    LIVE,
    "api-gcp.binance.com",
    "api1.binance.com",
    "api2.binance.com",
    "api3.binance.com",
    "api4.binance.com",
];

/// How long after its time a request is still taken, unless told otherwise: Binance's own default.
const USUAL_WINDOW: Duration = Duration::from_secs(5);
const LONGEST_WINDOW: Duration = Duration::from_secs(60);

/// Weight a minute and address. Binance announces it with its symbols.
const USUAL_WEIGHT: u32 = 6_000;
/// Orders in ten seconds and in a day. Binance's pages show 50 to 100 and 160,000 to 200,000: the smaller ones, until
/// its own announcement is read.
const USUAL_ORDERS: (u32, u32) = (50, 160_000);

/// How to reach an account at Binance: the testnet, unless [`live`](Self::live) is written.
///
/// ```
/// use broker_binance::BinanceConfig;
/// let config = BinanceConfig::new("an-api-key", "its-secret");
/// assert!(!format!("{config:?}").contains("its-secret"));
/// ```
#[derive(Clone)]
pub struct BinanceConfig {
    pub(crate) key: SecretString,
    pub(crate) secret: SecretString,
    pub(crate) environment: Environment,
    pub(crate) demo: bool,
    pub(crate) base_url: Option<Url>,
    pub(crate) hosts: Vec<String>,
    pub(crate) context: Option<Context>,
    pub(crate) window: Duration,
    pub(crate) weight_per_minute: Option<u32>,
    pub(crate) orders: Option<(u32, u32)>,
    pub(crate) exits_of_received: bool,
}

impl BinanceConfig {
    /// With an API key and what signs for it: the secret of an HMAC key, or the private key of an Ed25519 or RSA key
    /// in PKCS#8, as PEM text. Which of them it is shows in the text.
    pub fn new(key: impl Into<SecretString>, secret: impl Into<SecretString>) -> Self {
        Self {
            key: key.into(),
            secret: secret.into(),
            environment: Environment::Paper,
            demo: false,
            base_url: None,
            hosts: Vec::new(),
            context: None,
            window: USUAL_WINDOW,
            weight_per_minute: None,
            orders: None,
            exits_of_received: false,
        }
    }

    /// From the environment: `BINANCE_API_KEY`, and `BINANCE_API_SECRET` or `BINANCE_PRIVATE_KEY` (PEM text), and
    /// `BINANCE_API_BASE_URL` if it is set.
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
        let get = |name| variables.get(name);
        let key = get("BINANCE_API_KEY");
        let secret = get("BINANCE_PRIVATE_KEY").or_else(|| get("BINANCE_API_SECRET"));
        let config = match (key, secret) {
            (Some(key), Some(secret)) => Self::new(key, secret),
            (key, secret) => {
                let missing: Vec<_> = [
                    key.is_none().then_some("BINANCE_API_KEY"),
                    secret
                        .is_none()
                        .then_some("BINANCE_API_SECRET (or BINANCE_PRIVATE_KEY)"),
                ]
                .into_iter()
                .flatten()
                .collect();
                return Err(Error::config(format!("not set: {}", missing.join(", ")))
                    .with_help("make a key on https://testnet.binance.vision and set both variables"));
            }
        };
        Ok(Self {
            base_url: variables.url("BINANCE_API_BASE_URL")?,
            ..config
        })
    }

    /// Real money.
    #[must_use]
    pub fn live(mut self) -> Self {
        self.environment = Environment::Live;
        self
    }

    /// Binance's demo mode in place of the testnet: real prices, simulated money, keys of its own.
    #[must_use]
    pub fn with_demo_mode(mut self) -> Self {
        self.demo = true;
        self
    }

    /// Another address: a venue on this machine, or another of Binance's hosts.
    #[must_use]
    pub fn with_base_url(mut self, url: Url) -> Self {
        self.base_url = Some(url);
        self
    }

    /// Permits a host that is neither Binance's nor this machine. It will see the key.
    #[must_use]
    pub fn allow_host(mut self, host: impl Into<String>) -> Self {
        self.hosts.push(host.into());
        self
    }

    /// With this clock, chance, wire and limits. Brokers behind one address share a context, and with it the weight.
    #[must_use]
    pub fn with_context(mut self, context: Context) -> Self {
        self.context = Some(context);
        self
    }

    /// How long after its time a request is still taken (`recvWindow`): 5 s unless told otherwise, 60 s at most. It
    /// also bounds how late an order can arrive, and so how long a lost answer stays a doubt.
    #[must_use]
    pub fn with_receive_window(mut self, window: Duration) -> Self {
        self.window = window;
        self
    }

    /// Uses this weight a minute at most. Without it 6,000, until Binance's own announcement is read.
    #[must_use]
    pub fn with_weight_per_minute(mut self, weight: u32) -> Self {
        self.weight_per_minute = Some(weight);
        self
    }

    /// Places so many orders in ten seconds and in a day at most. Without it 50 and 160,000, until Binance's own
    /// announcement is read.
    #[must_use]
    pub fn with_orders(mut self, in_ten_seconds: u32, in_a_day: u32) -> Self {
        self.orders = Some((in_ten_seconds, in_a_day));
        self
    }

    /// Exits of a buy are made for what the buy brought in (`opo`, `opoco`), not for what it was for (`oto`, `otoco`).
    /// Where the fee is taken from the bought coin, less comes in than was ordered, and exits for all of it are
    /// refused. Needs symbols that permit it.
    #[must_use]
    pub fn with_exits_of_received(mut self) -> Self {
        self.exits_of_received = true;
        self
    }

    pub(crate) fn weight(&self) -> u32 {
        self.weight_per_minute.unwrap_or(USUAL_WEIGHT)
    }

    pub(crate) fn order_counts(&self) -> (u32, u32) {
        self.orders.unwrap_or(USUAL_ORDERS)
    }

    pub(crate) fn checked_window(&self) -> Result<Duration> {
        let good = self.window >= Duration::from_millis(1) && self.window <= LONGEST_WINDOW;
        match good {
            true => Ok(self.window),
            false => Err(Error::config("the receive window is 1 ms to 60 s")),
        }
    }

    /// Where requests go.
    pub(crate) fn address(&self) -> Result<Url> {
        let live = self.environment == Environment::Live;
        if live && self.demo {
            return Err(Error::config(
                "the demo mode is no real money: leave out one of the two",
            ));
        }
        let Some(url) = &self.base_url else {
            return parse(match (live, self.demo) {
                (true, _) => LIVE,
                (false, true) => DEMO,
                (false, false) => TESTNET,
            });
        };
        let host = url.host_str().unwrap_or_default();
        let of_other = match live {
            true => [TESTNET, DEMO].contains(&host),
            false => LIVE_ALIASES.contains(&host),
        };
        if of_other {
            return Err(
                Error::config(format!("{host} is not a host of {} trading", self.environment))
                    .with_help("write .live() for real money, and leave it out for the testnet and the demo mode"),
            );
        }
        Ok(url.clone())
    }
}

/// Hosts of the WebSocket API and of market data.
#[cfg(feature = "streaming")]
const STREAMS: [(&[&str], [&str; 2]); 3] = [
    (&LIVE_ALIASES, ["ws-api.binance.com", "stream.binance.com"]),
    (
        &[TESTNET],
        ["ws-api.testnet.binance.vision", "stream.testnet.binance.vision"],
    ),
    (&[DEMO], ["demo-ws-api.binance.com", "demo-stream.binance.com"]),
];

#[cfg(feature = "streaming")]
impl BinanceConfig {
    /// Where streams are: of the account, and of market data. A host that is not Binance's serves all by itself.
    pub(crate) fn streams(&self) -> Result<[Url; 2]> {
        let address = self.address()?;
        let host = address.host_str().unwrap_or_default();
        let known = STREAMS.iter().find(|(hosts, _)| hosts.contains(&host));
        let at = |index: usize, path: &str| match known {
            Some((_, streams)) => parsed(&format!("wss://{}{path}", streams[index])),
            None => {
                let mut url = address.clone();
                let scheme = if url.scheme() == "http" { "ws" } else { "wss" };
                url.set_scheme(scheme)
                    .map_err(|()| Error::config("the address is not one of HTTP"))?;
                url.set_path(path);
                Ok(url)
            }
        };
        Ok([at(0, "/ws-api/v3")?, at(1, "/stream")?])
    }
}

fn parse(host: &str) -> Result<Url> {
    parsed(&format!("https://{host}"))
}

fn parsed(address: &str) -> Result<Url> {
    Url::parse(address).map_err(|error| Error::config("the address is not a URL").with_source(error))
}

/// Shows neither key nor secret.
impl fmt::Debug for BinanceConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BinanceConfig")
            .field("environment", &self.environment)
            .field("demo", &self.demo)
            .field("base_url", &self.base_url.as_ref().and_then(Url::host_str))
            .field("window", &self.window)
            .field("weight_per_minute", &self.weight_per_minute)
            .field("orders", &self.orders)
            .finish_non_exhaustive()
    }
}
