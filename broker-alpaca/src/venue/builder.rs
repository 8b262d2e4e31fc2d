//! What a venue is to be.

use std::time::Duration;

use broker_core::model::Environment;
use broker_core::{AccountId, Currency, Error, Money, Result};
use broker_sim::wire::{WireLimit, WireLimiter};
use broker_sim::{AccountSpec, Catalogue, ClientIdPolicy, Engine, FeeSchedule, HistoryPlan};
use chrono::{DateTime, TimeZone, Utc};
use rust_decimal::Decimal;
use secrecy::SecretString;

use super::AlpacaVenue;
use super::activities::Ledger;
use super::keys::Keys;
use super::stream::{StreamTerms, Streams};

/// Builds an [`AlpacaVenue`]. All of it has a default: one margin account with 100,000 dollars, the standard
/// instruments, a key of its own, Alpaca's limits.
#[derive(Debug)]
#[must_use]
pub struct AlpacaVenueBuilder {
    engine: Option<(Engine, AccountId)>,
    seed: u64,
    starts_at: DateTime<Utc>,
    environment: Environment,
    keys: Vec<(String, SecretString)>,
    tokens: Vec<SecretString>,
    trading: Vec<WireLimit>,
    data: Vec<WireLimit>,
    walks: bool,
    terms: StreamTerms,
    client_ids: Option<ClientIdPolicy>,
    visibility_lag: Duration,
    allows_wash_trades: bool,
}

/// Symbols of a market data client on the free plan.
const USUAL_SYMBOLS: usize = 30;
/// Frames that may wait for a shell to fetch them.
const USUAL_BACKLOG: usize = 100_000;
/// Both hosts: 200 requests a minute and key.
const USUAL_LIMIT: WireLimit = WireLimit::fixed(200, Duration::from_secs(60));

impl AlpacaVenueBuilder {
    pub(super) fn new() -> Self {
        Self {
            engine: None,
            seed: 1,
            starts_at: Utc.timestamp_opt(1_767_225_600, 0).single().unwrap_or_default(),
            environment: Environment::Paper,
            keys: Vec::new(),
            tokens: Vec::new(),
            trading: vec![USUAL_LIMIT],
            data: vec![USUAL_LIMIT],
            walks: false,
            terms: StreamTerms {
                binary: true,
                symbols: Some(USUAL_SYMBOLS),
                backlog: USUAL_BACKLOG,
                hides_stop_cancels: false,
            },
            client_ids: None,
            visibility_lag: Duration::ZERO,
            allows_wash_trades: false,
        }
    }

    /// Over this engine, for this account of it. Accounts stay the engine's: other venues may stand over a copy.
    pub fn engine(mut self, engine: Engine, account: impl Into<AccountId>) -> Self {
        self.engine = Some((engine, account.into()));
        self
    }

    /// Over an engine that has lived through this plan.
    ///
    /// # Errors
    /// When the plan cannot be traded.
    pub fn history(self, plan: &HistoryPlan) -> Result<Self> {
        let (engine, account) = plan.build()?;
        Ok(self.engine(engine, account))
    }

    /// Seed of the engine that is made when none is given.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// When the engine that is made starts: 2026-01-01 00:00 UTC unless told otherwise.
    pub fn starts_at(mut self, at: DateTime<Utc>) -> Self {
        self.starts_at = at;
        self
    }

    /// A paper account, which is the default, or a live one: it shows in the account's number, and `/stream` answers in
    /// text frames instead of binary ones.
    pub fn environment(mut self, environment: Environment) -> Self {
        self.environment = environment;
        self
    }

    /// Takes this key. The first one replaces [`AlpacaVenue::KEY_ID`]; each has limits of its own.
    pub fn key(mut self, id: impl Into<String>, secret: impl Into<String>) -> Self {
        self.keys.push((id.into(), SecretString::from(secret.into())));
        self
    }

    /// Takes this OAuth token, besides the keys.
    pub fn token(mut self, token: impl Into<String>) -> Self {
        self.tokens.push(SecretString::from(token.into()));
        self
    }

    /// Other limits of the trading host; the first is announced, and an empty list refuses nothing.
    pub fn trading_limits(mut self, limits: Vec<WireLimit>) -> Self {
        self.trading = limits;
        self
    }

    /// Other limits of the data host.
    pub fn data_limits(mut self, limits: Vec<WireLimit>) -> Self {
        self.data = limits;
        self
    }

    /// So many requests a minute and key, at each of the two hosts.
    pub fn with_limits(self, per_minute: u32) -> Self {
        let limits = vec![WireLimit::fixed(per_minute, Duration::from_secs(60))];
        self.trading_limits(limits.clone()).data_limits(limits)
    }

    /// Takes a client order id any number of times, which the real service never does: so a client that sends an order
    /// twice makes two. A lookup by the id gives the newest.
    pub fn without_client_id_check(mut self) -> Self {
        self.client_ids = Some(ClientIdPolicy::None);
        self
    }

    /// Leaves an order out of every lookup and list of orders until this long after it was taken. The answer to the
    /// one who placed it and the event streams show it at once.
    pub fn with_visibility_lag(mut self, lag: Duration) -> Self {
        self.visibility_lag = lag;
        self
    }

    /// Takes orders that could trade with resting ones of the same account.
    pub fn allowing_wash_trades(mut self) -> Self {
        self.allows_wash_trades = true;
        self
    }

    /// Does not stream the cancel of a stop whose target was filled, as was seen of the real service: the leg is known
    /// to be canceled to those who read it.
    pub fn without_stop_leg_cancels(mut self) -> Self {
        self.terms.hides_stop_cancels = true;
        self
    }

    /// Any number of symbols for a market data client, `*` too.
    pub fn without_symbol_limit(mut self) -> Self {
        self.terms.symbols = None;
        self
    }

    /// Closes a socket for which more than so many frames wait to be fetched: 100,000 unless told otherwise.
    pub fn with_backlog(mut self, frames: usize) -> Self {
        self.terms.backlog = frames;
        self
    }

    /// Lets the markets walk a step with the first request of every second. Without it they stay where they are
    /// until the engine is told.
    pub fn walking_markets(mut self) -> Self {
        self.walks = true;
        self
    }

    /// The venue.
    ///
    /// # Errors
    /// When the engine has no such account.
    pub fn build(self) -> Result<AlpacaVenue> {
        let (mut engine, account) = match self.engine {
            Some(given) => given,
            None => fresh(self.seed, self.starts_at)?,
        };
        if engine.account(&account).is_err() {
            return Err(Error::config("the engine has no such account"));
        }
        // Until somebody listens; kept events would pile up.
        engine.keep_events(false);
        if let Some(client_ids) = self.client_ids {
            let mut rules = engine.rules().clone();
            rules.client_ids = client_ids;
            engine.set_rules(rules);
        }
        let terms = StreamTerms {
            binary: self.environment == Environment::Paper,
            ..self.terms
        };
        let keys = if self.keys.is_empty() {
            vec![(
                AlpacaVenue::KEY_ID.to_owned(),
                SecretString::from(AlpacaVenue::SECRET_KEY),
            )]
        } else {
            self.keys
        };
        Ok(AlpacaVenue {
            engine,
            account,
            environment: self.environment,
            keys: Keys {
                keys,
                tokens: self.tokens,
            },
            trading: WireLimiter::new(self.trading),
            data: WireLimiter::new(self.data),
            ledger: Ledger::default(),
            streams: Streams::new(terms),
            visibility_lag: chrono::Duration::from_std(self.visibility_lag).unwrap_or(chrono::Duration::MAX),
            allows_wash_trades: self.allows_wash_trades,
            walked_at: None,
            walks: self.walks,
        })
    }
}

/// An engine with one margin account.
fn fresh(seed: u64, starts_at: DateTime<Utc>) -> Result<(Engine, AccountId)> {
    let account = AccountId::from("venue");
    let mut engine = Engine::new(seed, &Catalogue::around(starts_at.date_naive()), starts_at);
    let spec = AccountSpec::margin(account.clone(), Currency::USD).with_fees(FeeSchedule::us_retail());
    engine.open_account(spec, starts_at)?;
    engine.deposit(&account, Money::new(Decimal::from(100_000), Currency::USD), starts_at)?;
    Ok((engine, account))
}
