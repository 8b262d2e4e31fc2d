//! What a venue is to be.

use std::time::Duration;

use broker_core::{AccountId, Currency, Error, Money, Result};
use broker_sim::wire::{WireLimit, WireLimiter};
use broker_sim::{AccountSpec, Catalogue, ClientIdPolicy, Dealing, Depth, Engine, HistoryPlan, Mix};
use chrono::{DateTime, TimeZone, Utc};
use rust_decimal::Decimal;
use secrecy::SecretString;

use super::OandaVenue;
use super::ledger::Ledger;
use super::stream::Streams;

/// Builds an [`OandaVenue`]. All of it has a default: one netting account with 100,000 dollars, the standard
/// instruments, a token of its own, OANDA's limits.
#[derive(Debug)]
#[must_use]
pub struct OandaVenueBuilder {
    engine: Option<(Engine, Vec<AccountId>)>,
    seed: u64,
    starts_at: DateTime<Utc>,
    token: SecretString,
    requests: Vec<WireLimit>,
    walks: bool,
    visibility_lag: Duration,
    premium: Decimal,
    mt4: Vec<AccountId>,
}

impl OandaVenueBuilder {
    pub(super) fn new() -> Self {
        Self {
            engine: None,
            seed: 1,
            starts_at: Utc.timestamp_opt(1_767_603_600, 0).single().unwrap_or_default(),
            token: SecretString::from(OandaVenue::TOKEN),
            requests: vec![WireLimit::sliding(120, Duration::from_secs(1))],
            walks: false,
            visibility_lag: Duration::ZERO,
            premium: Decimal::ZERO,
            mt4: Vec::new(),
        }
    }

    /// Over this engine, for these accounts of it: they are sub-accounts of one user. Accounts are those of a dealer:
    /// [`spec`](Self::spec), or one with [`Dealing`](broker_sim::Dealing) of its own.
    pub fn engine(mut self, engine: Engine, accounts: impl IntoIterator<Item = AccountId>) -> Self {
        self.engine = Some((engine, accounts.into_iter().collect()));
        self
    }

    /// Over an engine that has lived through this plan: one fill an order, of currency pairs and metals.
    ///
    /// # Errors
    /// When the plan cannot be traded.
    pub fn history(self, plan: &HistoryPlan) -> Result<Self> {
        let begins_at = plan.ends_at - chrono::Duration::days(plan.days.into());
        let mut engine = Engine::new(plan.seed, &Catalogue::around(begins_at.date_naive()), begins_at);
        rules(&mut engine);
        let plan = plan.clone().with_whole_fills().with_mix(FOREX);
        plan.drive(&mut engine)?;
        Ok(self.engine(engine, [plan.account.id.clone()]))
    }

    /// An account as OANDA keeps it: settled in this currency, with financing by the second.
    pub fn spec(id: impl Into<AccountId>, currency: Currency) -> AccountSpec {
        AccountSpec::margin(id, currency).with_dealing(Dealing {
            charge: Decimal::new(5, 3),
            places: 4,
            financing: Decimal::new(25, 3),
        })
    }

    /// Seed of the engine that is made when none is given.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// When the engine that is made starts: Monday, 2026-01-05 09:00 UTC unless told otherwise.
    pub fn starts_at(mut self, at: DateTime<Utc>) -> Self {
        self.starts_at = at;
        self
    }

    /// Takes this token instead of [`OandaVenue::TOKEN`].
    pub fn token(mut self, token: impl Into<SecretString>) -> Self {
        self.token = token.into();
        self
    }

    /// Other limits of requests; an empty list refuses nothing.
    pub fn limits(mut self, limits: Vec<WireLimit>) -> Self {
        self.requests = limits;
        self
    }

    /// What a guaranteed stop costs that fills at its price: so much of the price, for each unit. Nothing, if it is not
    /// said: OANDA's premiums differ by instrument.
    pub fn with_guaranteed_premium(mut self, premium: Decimal) -> Self {
        self.premium = premium;
        self
    }

    /// Leaves a transaction out of every read until this long after it was made. The answer to the one who made it,
    /// and streams, show it at once.
    pub fn with_visibility_lag(mut self, lag: Duration) -> Self {
        self.visibility_lag = lag;
        self
    }

    /// Lets the markets walk a step with the first request of every second. Without it they stay where they are
    /// until the engine is told.
    pub fn walking_markets(mut self) -> Self {
        self.walks = true;
        self
    }

    /// Says of this account that MetaTrader trades it.
    pub fn with_mt4(mut self, account: impl Into<AccountId>) -> Self {
        self.mt4.push(account.into());
        self
    }

    /// The venue.
    ///
    /// # Errors
    /// When the engine has no such account, or one that is not kept as a dealer does.
    pub fn build(self) -> Result<OandaVenue> {
        let (mut engine, accounts) = match self.engine {
            Some(given) => given,
            None => fresh(self.seed, self.starts_at)?,
        };
        let mut ledgers = Vec::new();
        for account in &accounts {
            let known = engine
                .account(account)
                .map_err(|_| Error::config("the engine has no such account"))?;
            if known.spec().dealing.is_none() {
                return Err(Error::config(
                    "the account is not one of a dealer: OandaVenueBuilder::spec makes one",
                ));
            }
            let mut ledger = Ledger::new(account.clone(), known.opened_at());
            ledger.premium = self.premium;
            ledgers.push(ledger);
        }
        rules(&mut engine);
        engine.keep_events(false);
        for ledger in &mut ledgers {
            ledger.settle(&engine);
        }
        let first = accounts.into_iter().next();
        let first = first.ok_or_else(|| Error::config("a venue needs an account"))?;
        Ok(OandaVenue {
            engine,
            first,
            ledgers,
            token: self.token,
            requests: WireLimiter::new(self.requests),
            opens: WireLimiter::new(vec![WireLimit::sliding(2, Duration::from_secs(1))]),
            streams: Streams::default(),
            visibility_lag: chrono::Duration::from_std(self.visibility_lag).unwrap_or(chrono::Duration::MAX),
            mt4: self.mt4,
            walks: self.walks,
            walked_at: None,
            request_id: 0,
        })
    }
}

/// Currency pairs and metals alone.
const FOREX: Mix = Mix {
    shares: 0,
    options: 0,
    crypto: 0,
    forex: 1,
    futures: 0,
};

/// An order fills at once and whole, or waits; ids of ours are unique among those that wait; the venue itself checks
/// them, and replaces by cancel and anew.
fn rules(engine: &mut Engine) {
    let mut rules = engine.rules().clone();
    rules.depth = Depth::Unlimited;
    rules.client_ids = ClientIdPolicy::None;
    rules.partial_per_mille = 0;
    rules.accept_delay = chrono::Duration::zero();
    rules.cancel_delay = chrono::Duration::zero();
    engine.set_rules(rules);
}

/// An engine with one netting account.
fn fresh(seed: u64, starts_at: DateTime<Utc>) -> Result<(Engine, Vec<AccountId>)> {
    let account = AccountId::from(OandaVenue::ACCOUNT);
    let mut engine = Engine::new(seed, &Catalogue::around(starts_at.date_naive()), starts_at);
    engine.open_account(OandaVenueBuilder::spec(account.clone(), Currency::USD), starts_at)?;
    engine.deposit(&account, Money::new(Decimal::from(100_000), Currency::USD), starts_at)?;
    Ok((engine, vec![account]))
}
