//! What a venue is to be.

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use broker_core::{AccountId, Currency, Error, Money, Result};
use broker_sim::wire::{WireLimit, WireLimiter};
use broker_sim::{
    AccountSpec, ClientIdPolicy, Engine, FeeAsset, FeeKind, FeeRule, FeeSchedule, HistoryPlan, Mix, Posting,
    ReplaceMode,
};
use chrono::{DateTime, TimeDelta, TimeZone, Utc};
use rust_decimal::Decimal;

use super::KrakenVenue;
use super::catalogue::catalogue;
use super::export::Exports;
use super::history::Rows;
use super::stream::Streams;

/// Builds a [`KrakenVenue`]. All of it has a default: an account with 1,000,000 dollars, a key of its own that may do
/// everything, the counters of the lowest tier.
#[derive(Debug)]
#[must_use]
pub struct KrakenVenueBuilder {
    engine: Option<(Engine, AccountId)>,
    seed: u64,
    starts_at: DateTime<Utc>,
    key: (String, String),
    permissions: Vec<String>,
    query_from: Option<DateTime<Utc>>,
    calls: Vec<WireLimit>,
    orders: Vec<WireLimit>,
    public: Vec<WireLimit>,
    history_cost: u32,
    page: usize,
    client_ids: ClientIdPolicy,
    visibility_lag: Duration,
    walks: bool,
    reports_lack: usize,
}

/// All that a key can be given.
const PERMISSIONS: [&str; 8] = [
    "query-funds",
    "query-open-trades",
    "query-closed-trades",
    "modify-trades",
    "close-trades",
    "query-ledger",
    "export-data",
    "create-ws-token",
];

impl KrakenVenueBuilder {
    pub(super) fn new() -> Self {
        let (hundred, minute) = (Duration::from_secs(100), Duration::from_secs(60));
        Self {
            engine: None,
            seed: 1,
            starts_at: Utc.timestamp_opt(1_767_225_600, 0).single().unwrap_or_default(),
            key: (KrakenVenue::KEY.to_owned(), KrakenVenue::SECRET.to_owned()),
            permissions: PERMISSIONS.map(str::to_owned).to_vec(),
            query_from: None,
            calls: vec![WireLimit::falling(15, 33, hundred)],
            orders: vec![WireLimit::falling(60, 60, minute)],
            public: vec![WireLimit::falling(15, 60, minute)],
            history_cost: 2,
            page: 50,
            client_ids: ClientIdPolicy::AmongOpen,
            visibility_lag: Duration::ZERO,
            walks: false,
            reports_lack: 0,
        }
    }

    /// Over this engine, for this account of it.
    pub fn engine(mut self, engine: Engine, account: impl Into<AccountId>) -> Self {
        self.engine = Some((engine, account.into()));
        self
    }

    /// Over an engine that has lived through this plan, with Kraken's pairs in the place of its own. Trades cost 0.25 %
    /// for those who wait and 0.4 % for those who take, in the quote currency.
    ///
    /// # Errors
    /// When the plan cannot be traded.
    pub fn history(self, plan: &HistoryPlan) -> Result<Self> {
        let begins_at = plan.ends_at - TimeDelta::days(plan.days.into());
        let mut engine = Engine::new(plan.seed, &catalogue(), begins_at);
        let coins = Mix {
            shares: 0,
            options: 0,
            crypto: 1,
            forex: 0,
            futures: 0,
        };
        let account = plan.account.id.clone();
        let spec = AccountSpec::margin(account.clone(), Currency::USD).with_fees(fees(FeeAsset::Quote));
        let plan = plan.clone().with_mix(coins).with_account(spec);
        plan.drive(&mut engine)?;
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

    /// Takes this key; the private one in base64.
    pub fn key(mut self, key: impl Into<String>, secret: impl Into<String>) -> Self {
        self.key = (key.into(), secret.into());
        self
    }

    /// The key may do these things and no others.
    pub fn permissions<S: Into<String>>(mut self, permissions: impl IntoIterator<Item = S>) -> Self {
        self.permissions = permissions.into_iter().map(Into::into).collect();
        self
    }

    /// The key sees no history from before this, and nobody says so.
    pub fn query_from(mut self, at: DateTime<Utc>) -> Self {
        self.query_from = Some(at);
        self
    }

    /// Another counter of private calls; an empty list refuses nothing.
    pub fn call_limits(mut self, limits: Vec<WireLimit>) -> Self {
        self.calls = limits;
        self
    }

    /// Another counter of orders a pair.
    pub fn order_limits(mut self, limits: Vec<WireLimit>) -> Self {
        self.orders = limits;
        self
    }

    /// Another limit of public calls.
    pub fn public_limits(mut self, limits: Vec<WireLimit>) -> Self {
        self.public = limits;
        self
    }

    /// Refuses nothing for coming too often.
    pub fn without_limits(self) -> Self {
        self.call_limits(Vec::new())
            .order_limits(Vec::new())
            .public_limits(Vec::new())
    }

    /// What a page of history costs: 2 unless told otherwise.
    pub fn history_cost(mut self, points: u32) -> Self {
        self.history_cost = points;
        self
    }

    /// Rows of a page: 50 unless told otherwise.
    pub fn page(mut self, rows: usize) -> Self {
        self.page = rows.max(1);
        self
    }

    /// Takes a client order id any number of times, open orders' ids too, which the real service does not.
    pub fn without_client_id_check(mut self) -> Self {
        self.client_ids = ClientIdPolicy::None;
        self
    }

    /// Leaves an order out of every lookup and list of orders until this long after it was taken.
    pub fn with_visibility_lag(mut self, lag: Duration) -> Self {
        self.visibility_lag = lag;
        self
    }

    /// Leaves so many rows out of each export report, which the real service does not: to see that it is noticed.
    pub fn reports_lack(mut self, rows: usize) -> Self {
        self.reports_lack = rows;
        self
    }

    /// Lets the markets walk a step with the first request of every second. Without it their quotes are what they were at the start, or were set to.
    pub fn walking_markets(mut self) -> Self {
        self.walks = true;
        self
    }

    /// The venue.
    ///
    /// # Errors
    /// When the engine has no such account, or the private key is not base64.
    pub fn build(self) -> Result<KrakenVenue> {
        let (mut engine, account) = match self.engine {
            Some(given) => given,
            None => fresh(self.seed, self.starts_at)?,
        };
        if engine.account(&account).is_err() {
            return Err(Error::config("the engine has no such account"));
        }
        engine.keep_events(false);
        let mut rules = engine.rules().clone();
        rules.client_ids = self.client_ids;
        rules.replace = ReplaceMode::InPlace;
        engine.set_rules(rules);
        let secret = BASE64_STANDARD.decode(&self.key.1);
        Ok(KrakenVenue {
            engine,
            account,
            key: self.key.0,
            secret: secret.map_err(|_| Error::config("the private key is not base64"))?,
            permissions: self.permissions,
            query_from: self.query_from,
            nonce: 0,
            calls: WireLimiter::new(self.calls),
            orders: WireLimiter::new(self.orders),
            public: WireLimiter::new(self.public),
            history_cost: self.history_cost,
            rows: Rows::default(),
            order_ids: BTreeMap::new(),
            amends: BTreeMap::new(),
            page: self.page,
            visibility_lag: TimeDelta::from_std(self.visibility_lag).unwrap_or(TimeDelta::MAX),
            cancel_all_at: None,
            walks: self.walks,
            walked_at: None,
            streams: Streams::default(),
            exports: Exports::lacking(self.reports_lack),
        })
    }
}

/// What trading costs, in this asset.
fn fees(asset: FeeAsset) -> FeeSchedule {
    FeeSchedule::free().with(FeeRule {
        class: broker_core::model::AssetClass::Crypto,
        label: "trade".to_owned(),
        kind: FeeKind::Rate {
            maker: Decimal::new(25, 4),
            taker: Decimal::new(40, 4),
        },
        side: None,
        asset,
        posting: Posting::OnFill,
        places: 8,
    })
}

/// An engine with one account.
fn fresh(seed: u64, starts_at: DateTime<Utc>) -> Result<(Engine, AccountId)> {
    let account = AccountId::from("venue");
    let mut engine = Engine::new(seed, &catalogue(), starts_at);
    let spec = AccountSpec::margin(account.clone(), Currency::USD).with_fees(fees(FeeAsset::Quote));
    engine.open_account(spec, starts_at)?;
    engine.deposit(&account, Money::new(Decimal::from(1_000_000), Currency::USD), starts_at)?;
    Ok((engine, account))
}
