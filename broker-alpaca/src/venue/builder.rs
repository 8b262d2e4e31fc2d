//! What a venue is to be.

use std::time::Duration;

use broker_core::model::Environment;
use broker_core::{AccountId, Currency, Error, Money, Result};
use broker_sim::wire::{WireLimit, WireLimiter};
use broker_sim::{AccountSpec, Catalogue, Engine, FeeSchedule, HistoryPlan};
use chrono::{DateTime, TimeZone, Utc};
use rust_decimal::Decimal;
use secrecy::SecretString;

use super::AlpacaVenue;
use super::activities::Ledger;

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
}

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

    /// A paper account, which is the default, or a live one: it shows in the account's number.
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
        // Nothing here streams, and kept events would pile up.
        engine.keep_events(false);
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
            keys,
            tokens: self.tokens,
            trading: WireLimiter::new(self.trading),
            data: WireLimiter::new(self.data),
            ledger: Ledger::default(),
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
