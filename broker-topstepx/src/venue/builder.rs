//! What a venue is to be.

use std::collections::BTreeMap;
use std::time::Duration;

use broker_core::model::AssetClass;
use broker_core::{AccountId, BrokerId, Currency, Error, Money, Result};
use broker_sim::wire::{WireLimit, WireLimiter};
use broker_sim::{AccountSpec, Catalogue, ClientIdPolicy, Engine, FeeSchedule, HistoryPlan, ReplaceMode};
use chrono::{DateTime, TimeZone, Utc};

use super::TopstepxVenue;
use super::book::{Book, Seat};
use super::hubs::Hubs;

/// Builds a [`TopstepxVenue`]. All of it has a default: one practice account with 50,000 dollars, the standard
/// instruments, a key of its own, the gateway's limits.
#[derive(Debug)]
#[must_use]
pub struct TopstepxVenueBuilder {
    engine: Option<Engine>,
    seats: Vec<Seat>,
    seed: u64,
    starts_at: DateTime<Utc>,
    user_name: String,
    api_key: String,
    requests: Vec<WireLimit>,
    bars: Vec<WireLimit>,
    client_ids: ClientIdPolicy,
    auto_oco: bool,
    ragged: bool,
    row_cap: Option<usize>,
    lag: Duration,
    walks: bool,
}

/// Number of the first account.
const FIRST_ACCOUNT: i64 = 26_200_001;

/// Cash of the account that a venue has when it was given none.
const CASH: u32 = 50_000;

impl TopstepxVenueBuilder {
    pub(super) fn new() -> Self {
        Self {
            engine: None,
            seats: Vec::new(),
            seed: 1,
            // Wednesday, 18 November 2026, 10:00 in New York.
            starts_at: Utc.timestamp_opt(1_795_014_000, 0).single().unwrap_or_default(),
            user_name: TopstepxVenue::USER_NAME.to_owned(),
            api_key: TopstepxVenue::API_KEY.to_owned(),
            requests: vec![WireLimit::sliding(200, Duration::from_secs(60))],
            bars: vec![WireLimit::sliding(50, Duration::from_secs(30))],
            client_ids: ClientIdPolicy::Forever,
            auto_oco: true,
            ragged: false,
            row_cap: None,
            lag: Duration::ZERO,
            walks: false,
        }
    }

    /// Over this engine, whose accounts are then named with [`account`](Self::account).
    pub fn engine(mut self, engine: Engine) -> Self {
        self.engine = Some(engine);
        self
    }

    /// Over an engine that has lived through this plan, with its account as a practice account.
    ///
    /// # Errors
    /// When the plan cannot be traded.
    pub fn history(self, plan: &HistoryPlan) -> Result<Self> {
        let (engine, account) = plan.build()?;
        Ok(self.engine(engine).practice_account(account))
    }

    /// An account of the engine, under this name: practice accounts begin with `PRAC`.
    pub fn account(mut self, account: impl Into<AccountId>, name: impl Into<String>) -> Self {
        let number = FIRST_ACCOUNT + i64::try_from(self.seats.len()).unwrap_or_default();
        self.seats.push(Seat::new(account.into(), number, name.into()));
        self
    }

    /// An account of the engine to practice on.
    pub fn practice_account(self, account: impl Into<AccountId>) -> Self {
        let name = format!("PRAC-V2-000000-{:08}", self.seats.len() + 1);
        self.account(account, name)
    }

    /// The account named last is one that failed: it is not listed among the active ones, and cannot trade.
    pub fn inactive(mut self) -> Self {
        if let Some(seat) = self.seats.last_mut() {
            seat.active = false;
        }
        self
    }

    /// The account named last is one with real money, in which the gateway cancels nothing.
    pub fn real(mut self) -> Self {
        if let Some(seat) = self.seats.last_mut() {
            seat.simulated = false;
        }
        self
    }

    /// Seed of the engine that is made when none is given.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Time of the engine that is made when none is given.
    pub fn starts_at(mut self, at: DateTime<Utc>) -> Self {
        self.starts_at = at;
        self
    }

    /// Takes this login.
    pub fn login(mut self, user_name: impl Into<String>, api_key: impl Into<String>) -> Self {
        (self.user_name, self.api_key) = (user_name.into(), api_key.into());
        self
    }

    /// Other limits: those of bars are apart. With none everything is granted.
    pub fn limits(mut self, requests: Vec<WireLimit>, bars: Vec<WireLimit>) -> Self {
        (self.requests, self.bars) = (requests, bars);
        self
    }

    /// Another rule for tags than that each is taken once for ever.
    pub fn client_ids(mut self, policy: ClientIdPolicy) -> Self {
        self.client_ids = policy;
        self
    }

    /// Accounts are in the mode of position brackets: orders with brackets of their own are refused.
    pub fn position_brackets(mut self) -> Self {
        self.auto_oco = false;
        self
    }

    /// Frames of the hubs end anywhere in a record, and hold several.
    pub fn ragged_frames(mut self) -> Self {
        self.ragged = true;
        self
    }

    /// Searches give the newest so many rows, without a word about the others.
    pub fn row_cap(mut self, rows: usize) -> Self {
        self.row_cap = Some(rows);
        self
    }

    /// Orders and trades show in lookups this much later than they were made.
    pub fn visibility_lag(mut self, lag: Duration) -> Self {
        self.lag = lag;
        self
    }

    /// Markets walk one step a second.
    pub fn walking_markets(mut self) -> Self {
        self.walks = true;
        self
    }

    /// The venue.
    ///
    /// # Errors
    /// `Config`: an account that the engine does not have; an engine without an account that was named.
    pub fn build(mut self) -> Result<TopstepxVenue> {
        let mut engine = match self.engine.take() {
            Some(engine) => engine,
            None => {
                let mut engine = Engine::new(
                    self.seed,
                    &Catalogue::around(self.starts_at.date_naive()),
                    self.starts_at,
                );
                let spec = AccountSpec::margin("PRACTICE", Currency::USD)
                    .with_stated_pnl()
                    .with_fees(FeeSchedule::us_retail());
                engine.open_account(spec, self.starts_at)?;
                engine.deposit(
                    &AccountId::from("PRACTICE"),
                    Money::new(CASH.into(), Currency::USD),
                    self.starts_at,
                )?;
                self = self.practice_account("PRACTICE");
                engine
            }
        };
        let first = match self.seats.first() {
            Some(seat) => seat.account.clone(),
            None => return Err(Error::config("name an account of the engine")),
        };
        for seat in &self.seats {
            if engine.account(&seat.account).is_err() {
                return Err(Error::config(format!("the engine has no account {}", seat.account)));
            }
        }
        let mut rules = engine.rules().clone();
        rules.client_ids = self.client_ids;
        rules.replace = ReplaceMode::InPlace;
        rules.reject_when_closed = vec![AssetClass::Future];
        engine.set_rules(rules);
        engine.keep_events(false);
        let mut engine = engine.with_broker(BrokerId::from("topstepx"));
        let mut book = Book::new(self.seats);
        book.sync(&engine);
        engine.keep_events(false);
        let lag = chrono::Duration::from_std(self.lag).map_err(|_| Error::config("the lag is too long"))?;
        Ok(TopstepxVenue {
            engine,
            first,
            user_name: self.user_name,
            api_key: self.api_key,
            book,
            hubs: Hubs::new(self.ragged),
            requests: WireLimiter::new(self.requests),
            bar_requests: WireLimiter::new(self.bars),
            tokens: BTreeMap::new(),
            issued: 0,
            auto_oco: self.auto_oco,
            row_cap: self.row_cap,
            lag,
            walks: self.walks,
            walked_at: None,
        })
    }
}
