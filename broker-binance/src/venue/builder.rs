//! What a venue is to be.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use broker_core::model::{AssetClass, Environment, Instrument};
use broker_core::{AccountId, Currency, Error, Money, Result};
use broker_sim::wire::{WireBan, WireLimit, WireLimiter};
use broker_sim::{
    AccountSpec, Catalogue, ClientIdPolicy, Engine, FeeAsset, FeeKind, FeeRule, FeeSchedule, HistoryPlan, Posting,
};
use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use secrecy::SecretString;

use super::books::{Books, Routing};
use super::{BinanceVenue, shapes, signer};

const MINUTE: Duration = Duration::from_secs(60);
const TEN_SECONDS: Duration = Duration::from_secs(10);
const DAY: Duration = Duration::from_secs(86_400);

/// Limits as the venue announces them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Announced {
    pub(super) weight: u32,
    pub(super) orders: u32,
    pub(super) orders_a_day: u32,
}

/// Builds a [`BinanceVenue`].
#[derive(Debug)]
#[must_use]
pub struct BinanceVenueBuilder {
    engine: Option<(Engine, AccountId)>,
    seed: u64,
    starts_at: DateTime<Utc>,
    environment: Environment,
    key: Option<(String, SecretString)>,
    announced: Announced,
    bans: bool,
    client_ids: ClientIdPolicy,
    visibility_lag: Duration,
    walks: bool,
    routing: (Vec<String>, u64),
    prevents: bool,
}

impl BinanceVenueBuilder {
    pub(super) fn new() -> Self {
        Self {
            engine: None,
            seed: 1,
            starts_at: DateTime::from_timestamp(1_767_225_600, 0).unwrap_or_default(),
            environment: Environment::Paper,
            key: None,
            announced: Announced {
                weight: 6_000,
                orders: 100,
                orders_a_day: 200_000,
            },
            bans: true,
            client_ids: ClientIdPolicy::AmongOpen,
            visibility_lag: Duration::ZERO,
            walks: false,
            routing: (Vec::new(), 0),
            prevents: false,
        }
    }

    /// Over this engine and account.
    pub fn engine(mut self, engine: Engine, account: AccountId) -> Self {
        self.engine = Some((engine, account));
        self
    }

    /// With a history that this plan trades. See [`plan`](Self::plan) for one of coins.
    ///
    /// # Errors
    /// When the plan cannot be traded.
    pub fn history(self, plan: &HistoryPlan) -> Result<Self> {
        let (engine, account) = plan.build()?;
        Ok(self.engine(engine, account))
    }

    /// A plan of so many fills of coins, on a cash account with Binance's usual fees.
    pub fn plan(fills: usize, ends_at: DateTime<Utc>) -> HistoryPlan {
        let mut mix = broker_sim::Mix::default();
        (mix.shares, mix.options, mix.crypto) = (0, 0, 100);
        let account = AccountSpec::cash("354937868", Currency::USD).with_fees(fees());
        HistoryPlan::new(fills, ends_at).with_mix(mix).with_account(account)
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

    /// The testnet, which is the default, or a live account: that has `/sapi`, too.
    pub fn environment(mut self, environment: Environment) -> Self {
        self.environment = environment;
        self
    }

    /// Takes this key, and what signs for it: the secret of an HMAC key, or a private key.
    pub fn key(mut self, key: impl Into<String>, secret: impl Into<SecretString>) -> Self {
        self.key = Some((key.into(), secret.into()));
        self
    }

    /// Announces and keeps another weight a minute.
    pub fn with_weight(mut self, weight: u32) -> Self {
        self.announced.weight = weight;
        self
    }

    /// Announces and keeps other numbers of orders in ten seconds and in a day.
    pub fn with_orders(mut self, in_ten_seconds: u32, in_a_day: u32) -> Self {
        (self.announced.orders, self.announced.orders_a_day) = (in_ten_seconds, in_a_day);
        self
    }

    /// Counts nothing.
    pub fn without_limits(self) -> Self {
        self.with_weight(u32::MAX / 2).with_orders(u32::MAX / 2, u32::MAX / 2)
    }

    /// Takes a client order id any number of times: so a client that sends an order twice makes two.
    pub fn without_client_id_check(mut self) -> Self {
        self.client_ids = ClientIdPolicy::None;
        self
    }

    /// Leaves an order out of every lookup and list until this long after it was taken.
    pub fn with_visibility_lag(mut self, lag: Duration) -> Self {
        self.visibility_lag = lag;
        self
    }

    /// Lets the markets walk a step with the first request of every second. Without it they stay where they are, and
    /// what was shown of them is traded once, until the engine is told.
    pub fn walking_markets(mut self) -> Self {
        self.walks = true;
        self
    }

    /// Routes one order in so many of these symbols over several books: its fills are told as allocations, and not as
    /// trades.
    pub fn routing<S: Into<String>>(mut self, symbols: impl IntoIterator<Item = S>, one_in: u64) -> Self {
        self.routing = (symbols.into_iter().map(Into::into).collect(), one_in);
        self
    }

    /// Keeps the account from trading with itself: of two orders that would meet, the one that rests expires.
    pub fn preventing_self_trades(mut self) -> Self {
        self.prevents = true;
        self
    }

    /// The venue.
    ///
    /// # Errors
    /// When the engine has no such account or routed symbol, or the key cannot be read.
    pub fn build(self) -> Result<BinanceVenue> {
        let (mut engine, account) = match self.engine {
            Some(given) => given,
            None => fresh(self.seed, self.starts_at)?,
        };
        if engine.account(&account).is_err() {
            return Err(Error::config("the engine has no such account"));
        }
        // Kept events would pile up.
        engine.keep_events(false);
        let mut rules = engine.rules().clone();
        rules.client_ids = self.client_ids;
        engine.set_rules(rules);
        let (key, secret) = self
            .key
            .unwrap_or_else(|| (BinanceVenue::KEY.to_owned(), SecretString::from(BinanceVenue::SECRET)));
        let symbols: BTreeMap<_, _> = engine
            .instruments()
            .filter(|instrument| is_coin(instrument))
            .map(|instrument| (shapes::symbol(instrument), instrument.id.clone()))
            .collect();
        let (routed, one_in) = self.routing;
        let routed = routed.iter().map(|symbol| symbols.get(symbol).cloned());
        let routed: Option<BTreeSet<_>> = routed.collect();
        let routing = Routing {
            symbols: routed.ok_or_else(|| Error::config("a routed symbol is not listed"))?,
            one_in,
        };
        let weight = WireLimiter::new(vec![WireLimit::fixed(self.announced.weight, MINUTE)]);
        let ban = WireBan {
            refusals: 10,
            within: MINUTE,
            lasts: 2 * MINUTE,
        };
        Ok(BinanceVenue {
            uid: uid(&account),
            engine,
            account,
            environment: self.environment,
            key,
            signer: signer(&secret)?,
            weight: if self.bans { weight.with_ban(ban) } else { weight },
            orders: WireLimiter::new(vec![WireLimit::fixed(self.announced.orders, TEN_SECONDS)]),
            orders_a_day: WireLimiter::new(vec![WireLimit::fixed(self.announced.orders_a_day, DAY)]),
            announced: self.announced,
            books: Books::new(routing),
            streams: super::stream::Streams::default(),
            makers: BTreeMap::new(),
            of_received: Vec::new(),
            amended: Vec::new(),
            visibility_lag: chrono::Duration::from_std(self.visibility_lag).unwrap_or(chrono::Duration::MAX),
            ahead: chrono::Duration::zero(),
            symbols,
            weighed: 0,
            halves: None,
            walked_at: None,
            walks: self.walks,
            prevents: self.prevents,
        })
    }
}

pub(super) fn is_coin(instrument: &Instrument) -> bool {
    instrument.asset_class == AssetClass::Crypto && instrument.base.is_some()
}

/// Digits of the engine's account, or a number of its own.
fn uid(account: &AccountId) -> u64 {
    account.get().parse().unwrap_or(354_937_868)
}

/// A tenth of a percent of what is received, as Binance charges without BNB.
fn fees() -> FeeSchedule {
    let rate = Decimal::new(1, 3);
    FeeSchedule::free().with(FeeRule {
        class: AssetClass::Crypto,
        label: "COMMISSION".to_owned(),
        kind: FeeKind::Rate {
            maker: rate,
            taker: rate,
        },
        side: None,
        asset: FeeAsset::Received,
        posting: Posting::OnFill,
        places: 8,
    })
}

/// An engine with one cash account.
fn fresh(seed: u64, starts_at: DateTime<Utc>) -> Result<(Engine, AccountId)> {
    let account = AccountId::from("354937868");
    let mut engine = Engine::new(seed, &Catalogue::around(starts_at.date_naive()), starts_at);
    let spec = AccountSpec::cash(account.clone(), Currency::USD).with_fees(fees());
    engine.open_account(spec, starts_at)?;
    engine.deposit(&account, Money::new(Decimal::from(1_000_000), Currency::USD), starts_at)?;
    Ok((engine, account))
}
