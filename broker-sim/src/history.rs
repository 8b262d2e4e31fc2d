//! Histories of any size: a seeded trader drives the engine through time, and the engine's own matching makes the
//! fills.

use std::collections::BTreeMap;

use broker_core::model::{AssetClass, Session};
use broker_core::seam::{Rng, SeededRng};
use broker_core::{AccountId, Currency};
use chrono::{DateTime, Duration, Utc};
use rust_decimal::Decimal;

use crate::account::AccountSpec;
use crate::catalogue::{Catalogue, Listing};
use crate::engine::Engine;
use crate::fees::FeeSchedule;
use crate::hours::Calendar;
use crate::reject::SimReject;
use crate::trader::Trader;

/// How often each kind of instrument is traded, as weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mix {
    /// Shares and funds.
    pub shares: u32,
    /// Options.
    pub options: u32,
    /// Coins.
    pub crypto: u32,
    /// Currency pairs and metals.
    pub forex: u32,
    /// Futures.
    pub futures: u32,
}

impl Default for Mix {
    /// As at a US retail broker: shares, options and coins.
    fn default() -> Self {
        Self {
            shares: 60,
            options: 15,
            crypto: 25,
            forex: 0,
            futures: 0,
        }
    }
}

impl Mix {
    /// Everything in equal parts.
    pub fn everything() -> Self {
        Self {
            shares: 20,
            options: 20,
            crypto: 20,
            forex: 20,
            futures: 20,
        }
    }

    pub(crate) fn weights(self) -> [(Kind, u32); 5] {
        [
            (Kind::Shares, self.shares),
            (Kind::Options, self.options),
            (Kind::Crypto, self.crypto),
            (Kind::Forex, self.forex),
            (Kind::Futures, self.futures),
        ]
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Shares,
    Options,
    Crypto,
    Forex,
    Futures,
}

impl Kind {
    fn calendar(self) -> Calendar {
        match self {
            Self::Shares => Calendar::UsEquity,
            Self::Options => Calendar::UsOption,
            Self::Crypto => Calendar::Always,
            Self::Forex => Calendar::Forex,
            Self::Futures => Calendar::Futures,
        }
    }

    pub(crate) fn has(self, listing: &Listing) -> bool {
        match self {
            Self::Shares => matches!(listing.instrument.asset_class, AssetClass::Stock | AssetClass::Etf),
            Self::Options => listing.instrument.asset_class == AssetClass::Option,
            Self::Crypto => {
                listing.instrument.asset_class == AssetClass::Crypto
                    && listing.instrument.currency == Currency::USD
                    && listing.instrument.symbol.get() != "USDT/USD"
            }
            Self::Forex => matches!(listing.instrument.asset_class, AssetClass::Forex | AssetClass::Metal),
            Self::Futures => listing.instrument.asset_class == AssetClass::Future,
        }
    }

    /// Units of one trade: smallest and largest count, and the unit. A position grows to three times the largest.
    pub(crate) fn sizes(self, price: Decimal) -> (u64, u64, Decimal) {
        match self {
            Self::Shares => (1, 40, Decimal::ONE),
            Self::Options => (1, 4, Decimal::ONE),
            Self::Forex if price > Decimal::new(1000, 0) => (1, 10, Decimal::ONE),
            Self::Forex => (1, 10, Decimal::new(1000, 0)),
            Self::Futures => (1, 2, Decimal::ONE),
            // Coins are traded in units of about ten dollars, in the step of their price's size.
            Self::Crypto if price > Decimal::new(10_000, 0) => (2, 300, Decimal::new(1, 4)),
            Self::Crypto if price > Decimal::new(1000, 0) => (2, 300, Decimal::new(3, 3)),
            Self::Crypto if price > Decimal::new(10, 0) => (2, 300, Decimal::new(1, 1)),
            Self::Crypto => (2, 300, Decimal::new(5, 0)),
        }
    }
}

/// What history to make.
///
/// ```
/// use broker_sim::HistoryPlan;
/// let plan = HistoryPlan::new(1_000, "2026-11-20T18:00:00Z".parse().unwrap()).with_seed(7);
/// let (engine, account) = plan.build().unwrap();
/// assert_eq!(engine.books(&account).unwrap().check(), Ok(()));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct HistoryPlan {
    /// Exactly so many fills.
    pub fills: usize,
    /// The last of them are just before this.
    pub ends_at: DateTime<Utc>,
    /// The account is opened, flat, so many days before.
    pub days: u32,
    /// Instruments traded, about; at least one of each kind in the mix.
    pub symbols: usize,
    /// The seed.
    pub seed: u64,
    /// What is traded.
    pub mix: Mix,
    /// So many fills share one millisecond, in the middle of the time; small ties come by themselves.
    pub tie: usize,
    /// The first deposit; when it is used up, another like it follows.
    pub cash: Decimal,
    /// The account that trades.
    pub account: AccountSpec,
    /// Every order fills at once or not at all.
    pub whole: bool,
}

impl HistoryPlan {
    /// So many fills in 90 days that end here, on a margin account with a US retail broker's fees.
    pub fn new(fills: usize, ends_at: DateTime<Utc>) -> Self {
        Self {
            fills,
            ends_at,
            days: 90,
            symbols: 24,
            seed: 1,
            mix: Mix::default(),
            tie: 0,
            cash: Decimal::new(1_000_000, 0),
            account: AccountSpec::margin("SIM-0001", Currency::USD).with_fees(FeeSchedule::us_retail()),
            whole: false,
        }
    }

    /// From another seed.
    #[must_use]
    pub fn with_seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Over so many days.
    #[must_use]
    pub fn with_days(mut self, days: u32) -> Self {
        self.days = days;
        self
    }

    /// In about so many instruments.
    #[must_use]
    pub fn with_symbols(mut self, symbols: usize) -> Self {
        self.symbols = symbols;
        self
    }

    /// Of this mix.
    #[must_use]
    pub fn with_mix(mut self, mix: Mix) -> Self {
        self.mix = mix;
        self
    }

    /// With so many fills in one millisecond.
    #[must_use]
    pub fn with_tie(mut self, fills: usize) -> Self {
        self.tie = fills;
        self
    }

    /// On this account.
    #[must_use]
    pub fn with_account(mut self, account: AccountSpec) -> Self {
        self.account = account;
        self
    }

    /// With one fill an order, as at a dealer.
    #[must_use]
    pub fn with_whole_fills(mut self) -> Self {
        self.whole = true;
        self
    }

    /// Makes a venue with the standard instruments, opens the account and trades.
    pub fn build(&self) -> Result<(Engine, AccountId), SimReject> {
        let begins_at = self.ends_at - Duration::days(self.days.into());
        let mut engine = Engine::new(self.seed, &Catalogue::around(begins_at.date_naive()), begins_at);
        // Contracts that are still alive at the end.
        for listing in Catalogue::around(self.ends_at.date_naive()).listings() {
            engine.list(listing.clone());
        }
        self.drive(&mut engine)?;
        Ok((engine, self.account.id.clone()))
    }

    /// Opens the account at the engine's time and trades there until the plan's end. Events are not kept meanwhile.
    pub fn drive(&self, engine: &mut Engine) -> Result<(), SimReject> {
        let begins_at = engine.now();
        engine.open_account(self.account.clone(), begins_at)?;
        let keeps_events = engine.events.is_some();
        engine.keep_events(false);
        let mut trader = Trader::new(self, engine);
        trader.deposit()?;
        for step in self.steps(begins_at) {
            trader.take(&step)?;
        }
        let traded = trader.finish();
        engine.run(self.ends_at);
        engine.cancel_all(&self.account.id, self.ends_at)?;
        for market in traded {
            engine.release(&market)?;
        }
        engine.keep_events(keeps_events);
        Ok(())
    }

    /// When to trade what, and in how many fills, in order of time.
    fn steps(&self, begins_at: DateTime<Utc>) -> Vec<Step> {
        let rng = SeededRng::new(self.seed ^ 0x1f83_d9ab_fb41_bd6b);
        let sessions = Sessions::new(begins_at, self.ends_at);
        let mut steps = Vec::new();
        let mut left = self.fills;
        if self.tie > 0 {
            let kind = self.draw_kind(&rng);
            let at = sessions.middle(kind);
            let mut tied = self.tie.min(left);
            left -= tied;
            while tied > 0 {
                let parts = self.parts(&rng).min(tied);
                tied -= parts;
                steps.push(Step {
                    at,
                    kind,
                    parts,
                    tied: true,
                });
            }
        }
        let mut again: Option<(DateTime<Utc>, Kind)> = None;
        while left > 0 {
            let (at, kind) = again.take().unwrap_or_else(|| {
                let kind = self.draw_kind(&rng);
                (sessions.draw(kind, &rng), kind)
            });
            let parts = self.parts(&rng).min(left);
            left -= parts;
            let tied = rng.below(100) < 6;
            if tied {
                again = Some((at, kind));
            }
            steps.push(Step { at, kind, parts, tied });
        }
        steps.sort_by_key(|step| step.at);
        steps
    }

    fn parts(&self, rng: &SeededRng) -> usize {
        if self.whole { 1 } else { draw_parts(rng) }
    }

    fn draw_kind(&self, rng: &SeededRng) -> Kind {
        let weights = self.mix.weights();
        let sum: u64 = weights.iter().map(|(_, weight)| u64::from(*weight)).sum();
        let mut drawn = rng.below(sum);
        for (kind, weight) in weights {
            let weight = u64::from(weight);
            if drawn < weight {
                return kind;
            }
            drawn -= weight;
        }
        Kind::Shares
    }
}

/// Most orders fill at once; some in up to five parts.
fn draw_parts(rng: &SeededRng) -> usize {
    match rng.below(100) {
        0..70 => 1,
        70..85 => 2,
        85..93 => 3,
        93..97 => 4,
        _ => 5,
    }
}

/// One order of the history.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Step {
    pub(crate) at: DateTime<Utc>,
    pub(crate) kind: Kind,
    /// In so many fills.
    pub(crate) parts: usize,
    /// All of them in one millisecond.
    pub(crate) tied: bool,
}

/// The sessions of each calendar in the plan's time.
struct Sessions {
    begins_at: DateTime<Utc>,
    ends_at: DateTime<Utc>,
    by_kind: BTreeMap<Kind, Vec<Session>>,
}

/// Nobody trades in the last minute of a session: an order in parts needs a few moments.
const BEFORE_CLOSE_MS: i64 = 60_000;

impl Sessions {
    fn new(begins_at: DateTime<Utc>, ends_at: DateTime<Utc>) -> Self {
        let kinds = [Kind::Shares, Kind::Options, Kind::Crypto, Kind::Forex, Kind::Futures];
        let by_kind = kinds.into_iter().map(|kind| {
            let mut sessions = kind.calendar().sessions(begins_at, ends_at);
            sessions.retain_mut(|session| {
                session.opens_at = session.opens_at.max(begins_at);
                session.closes_at = session.closes_at.min(ends_at);
                !session.extended && (session.closes_at - session.opens_at).num_milliseconds() > 2 * BEFORE_CLOSE_MS
            });
            (kind, sessions)
        });
        Self {
            begins_at,
            ends_at,
            by_kind: by_kind.collect(),
        }
    }

    fn get(&self, kind: Kind) -> &[Session] {
        self.by_kind.get(&kind).map_or(&[], Vec::as_slice)
    }

    fn draw(&self, kind: Kind, rng: &SeededRng) -> DateTime<Utc> {
        let sessions = self.get(kind);
        let count = u64::try_from(sessions.len()).unwrap_or_default();
        let picked = usize::try_from(rng.below(count)).unwrap_or_default();
        let (from, to) = sessions.get(picked).map_or((self.begins_at, self.ends_at), |session| {
            (session.opens_at, session.closes_at)
        });
        let room = (to - from).num_milliseconds() - BEFORE_CLOSE_MS;
        let offset = rng.below(u64::try_from(room).unwrap_or_default());
        from + Duration::milliseconds(i64::try_from(offset).unwrap_or_default())
    }

    fn middle(&self, kind: Kind) -> DateTime<Utc> {
        let sessions = self.get(kind);
        sessions.get(sessions.len() / 2).map_or(self.begins_at, |session| {
            session.opens_at + Duration::milliseconds(61_007)
        })
    }
}
