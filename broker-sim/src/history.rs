//! Histories of any size: a seeded trader drives the engine through time, and the engine's own matching makes the
//! fills.

use std::collections::{BTreeMap, VecDeque};

use broker_core::model::{AssetClass, FlowKind, Payoff, PositionLeg, Session};
use broker_core::seam::{Rng, SeededRng};
use broker_core::{AccountId, Currency, InstrumentId, Money, OrderRequest, Price, Qty, Side};
use chrono::{DateTime, Duration, Utc};
use rust_decimal::Decimal;

use crate::account::AccountSpec;
use crate::catalogue::{Catalogue, Listing};
use crate::engine::Engine;
use crate::fees::FeeSchedule;
use crate::hours::Calendar;
use crate::reject::SimReject;

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

    fn weights(self) -> [(Kind, u32); 5] {
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
enum Kind {
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

    fn has(self, listing: &Listing) -> bool {
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
    fn sizes(self, price: Decimal) -> (u64, u64, Decimal) {
        match self {
            Self::Shares => (1, 40, Decimal::ONE),
            Self::Options => (1, 4, Decimal::ONE),
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
        let traded = std::mem::take(&mut trader.traded);
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
                let parts = draw_parts(&rng).min(tied);
                tied -= parts;
                steps.push(Step { at, kind, parts, tied: true });
            }
        }
        let mut again: Option<(DateTime<Utc>, Kind)> = None;
        while left > 0 {
            let (at, kind) = again.take().unwrap_or_else(|| {
                let kind = self.draw_kind(&rng);
                (sessions.draw(kind, &rng), kind)
            });
            let parts = draw_parts(&rng).min(left);
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
struct Step {
    at: DateTime<Utc>,
    kind: Kind,
    /// In so many fills.
    parts: usize,
    /// All of them in one millisecond.
    tied: bool,
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
        let (from, to) = sessions
            .get(picked)
            .map_or((self.begins_at, self.ends_at), |session| (session.opens_at, session.closes_at));
        let room = (to - from).num_milliseconds() - BEFORE_CLOSE_MS;
        let offset = rng.below(u64::try_from(room).unwrap_or_default());
        from + Duration::milliseconds(i64::try_from(offset).unwrap_or_default())
    }

    fn middle(&self, kind: Kind) -> DateTime<Utc> {
        let sessions = self.get(kind);
        sessions
            .get(sessions.len() / 2)
            .map_or(self.begins_at, |session| session.opens_at + Duration::milliseconds(61_007))
    }
}

/// Who trades: one after another, each order to its end.
struct Trader<'a> {
    plan: &'a HistoryPlan,
    engine: &'a mut Engine,
    rng: SeededRng,
    /// The instruments of each kind that it trades.
    universe: BTreeMap<Kind, Vec<Listing>>,
    traded: Vec<InstrumentId>,
    bids: BTreeMap<InstrumentId, Decimal>,
    /// Moments at which interest or a dividend is paid.
    paydays: VecDeque<DateTime<Utc>>,
}

impl<'a> Trader<'a> {
    fn new(plan: &'a HistoryPlan, engine: &'a mut Engine) -> Self {
        let begins_at = engine.now();
        let weights = plan.mix.weights();
        let sum: usize = weights.iter().map(|(_, weight)| usize::try_from(*weight).unwrap_or_default()).sum();
        let universe = weights
            .into_iter()
            .map(|(kind, weight)| {
                let all: Vec<_> = engine
                    .markets
                    .iter()
                    .map(|market| &market.listing)
                    .filter(|listing| kind.has(listing))
                    .cloned()
                    .collect();
                let share = plan.symbols * usize::try_from(weight).unwrap_or_default() / sum.max(1);
                let every = (all.len() / share.max(1)).max(1);
                // Every n-th, so that options of both ends of the time are among them.
                (kind, all.into_iter().step_by(every).collect())
            })
            .collect();
        let weeks = i64::from(plan.days) / 30;
        Self {
            plan,
            engine,
            rng: SeededRng::new(plan.seed ^ 0x5be0_cd19_137e_2179),
            universe,
            traded: Vec::new(),
            bids: BTreeMap::new(),
            paydays: (1..=weeks).map(|n| begins_at + Duration::days(n * 29)).collect(),
        }
    }

    fn deposit(&mut self) -> Result<(), SimReject> {
        let money = Money::new(self.plan.cash, self.plan.account.currency);
        self.engine.deposit(&self.plan.account.id, money, self.engine.now())
    }

    fn take(&mut self, step: &Step) -> Result<(), SimReject> {
        while self.paydays.front().is_some_and(|at| *at <= step.at) {
            if let Some(at) = self.paydays.pop_front() {
                self.pay(at)?;
            }
        }
        self.engine.run(step.at);
        let Some(listing) = self.pick(step.kind) else {
            return Err(SimReject::Unsupported {
                what: "a mix without instruments",
            });
        };
        let id = listing.instrument.id.clone();
        if !self.bids.contains_key(&id) {
            self.traded.push(id.clone());
        }
        let (bid, ask) = self.move_market(&listing);
        let (side, sizes) = self.size(step, &listing, bid)?;
        let whole: Decimal = sizes.iter().sum();
        let tick = ask - bid;
        let price = if side == Side::Buy { ask } else { bid };
        let request = self.request(&listing, side, whole, price, tick)?;
        let rests = request.trigger.kind() != broker_core::model::OrderKind::Market
            && !self.marketable(&request, bid, ask);
        let mut sizes = sizes.into_iter();
        if !rests {
            self.quote(&id, bid, ask, sizes.next().unwrap_or_default())?;
        } else {
            self.quote(&id, bid, ask, Decimal::ZERO)?;
        }
        self.place(&request)?;
        // The market comes to an order that rests: to a limit from above or below, to a stop the other way.
        let (bid, ask) = match (rests, request.trigger.kind(), side) {
            (false, _, _) => (bid, ask),
            (true, broker_core::model::OrderKind::Limit, Side::Buy)
            | (true, broker_core::model::OrderKind::Stop, Side::Sell) => (bid - tick * Decimal::TWO, ask - tick * Decimal::TWO),
            (true, _, _) => (bid + tick * Decimal::TWO, ask + tick * Decimal::TWO),
        };
        self.bids.insert(id.clone(), bid);
        for size in sizes {
            if !step.tied {
                let pause = 1 + self.rng.below(40);
                let now = self.engine.now() + Duration::milliseconds(i64::try_from(pause).unwrap_or(1));
                self.engine.run(now);
            }
            self.quote(&id, bid, ask, size)?;
        }
        Ok(())
    }

    /// A dividend on every share that it holds, and a month's interest.
    fn pay(&mut self, at: DateTime<Utc>) -> Result<(), SimReject> {
        let account = self.plan.account.id.clone();
        let interest = Money::new(Decimal::new(41_27, 2), self.plan.account.currency);
        self.engine.interest(&account, interest, at)?;
        let shares: Vec<_> = self
            .universe
            .get(&Kind::Shares)
            .into_iter()
            .flatten()
            .take(3)
            .map(|listing| listing.instrument.id.clone())
            .collect();
        for share in shares {
            let qty = self.engine.position_qty(&account, &share, PositionLeg::Net);
            let money = Money::new(qty * Decimal::new(24, 2), Currency::USD);
            if !qty.is_zero() {
                self.engine.pay(&account, FlowKind::Dividend, money, Some(share), None, at)?;
            }
        }
        Ok(())
    }

    /// An instrument of a kind that is alive.
    fn pick(&mut self, kind: Kind) -> Option<Listing> {
        let now = self.engine.now();
        let alive: Vec<_> = self
            .universe
            .get(&kind)?
            .iter()
            .filter(|listing| listing.instrument.expires_at.is_none_or(|at| at > now + Duration::hours(1)))
            .collect();
        let count = u64::try_from(alive.len()).ok()?;
        let picked = usize::try_from(self.rng.below(count)).ok()?;
        alive.get(picked).map(|listing| (*listing).clone())
    }

    /// The next bid and ask: a walk that is drawn back to where the listing started.
    fn move_market(&mut self, listing: &Listing) -> (Decimal, Decimal) {
        let start = listing.start;
        let last = self.bids.get(&listing.instrument.id).copied().unwrap_or(start);
        let tick_at = |price: Decimal| listing.instrument.tick_at(Price::new(price)).unwrap_or(Decimal::new(1, 2));
        let tick = tick_at(last);
        let reach = u64::from(listing.step) * 4;
        let drawn = Decimal::from(self.rng.below(2 * reach + 1)) - Decimal::from(reach);
        let pull = ((start - last) / tick * Decimal::new(2, 2)).round();
        // Far enough from zero that two ticks down are still a price.
        let floor = tick * Decimal::new(100, 0);
        let bid = (last + tick * (drawn + pull)).max(floor.min(start));
        let bid = bid - bid % tick_at(bid);
        let spread = tick_at(bid) * Decimal::from(listing.spread);
        let ask = bid + spread;
        (bid, ask - ask % tick_at(ask))
    }

    /// Side, and the sizes of the parts.
    fn size(&mut self, step: &Step, listing: &Listing, bid: Decimal) -> Result<(Side, Vec<Decimal>), SimReject> {
        let account = &self.plan.account.id;
        let id = &listing.instrument.id;
        let (least, most, unit) = step.kind.sizes(listing.start);
        let qty = self.engine.position_qty(account, id, PositionLeg::Net);
        let largest = Decimal::from(most * 3) * unit;
        let can_short = listing.instrument.shortable == Some(true)
            && (self.plan.account.margin || listing.instrument.payoff != Payoff::Cash);
        let available = self.available(id);
        let parts = u64::try_from(step.parts).unwrap_or(1);
        // A part of ten dollars or more, also at the lowest price that the walk reaches.
        let least = least * parts;
        let drawn = least + self.rng.below(most.max(least) - least + 1);
        let mut whole = Decimal::from(drawn) * unit;
        let mut side = if self.rng.below(2) == 0 { Side::Buy } else { Side::Sell };
        if qty.abs() > largest {
            side = if qty.is_sign_negative() { Side::Buy } else { Side::Sell };
        } else if can_short && self.rng.below(12) == 0 && qty.abs() >= Decimal::from(least) * unit {
            // A flip: through zero to the other side.
            side = if qty.is_sign_negative() { Side::Buy } else { Side::Sell };
            whole = (qty.abs() * Decimal::TWO / unit).floor() * unit;
        }
        if side == Side::Sell && !can_short {
            let sellable = (available / unit).floor() * unit;
            if sellable < Decimal::from(least) * unit || sellable * bid < Decimal::TEN * Decimal::from(parts) {
                side = Side::Buy;
            } else {
                whole = whole.min(sellable);
            }
        }
        let units = (whole / unit).floor();
        let base = (units / Decimal::from(parts)).floor();
        let mut sizes = vec![base * unit; step.parts];
        if let Some(last) = sizes.last_mut() {
            *last = (units - base * Decimal::from(parts - 1)) * unit;
        }
        Ok((side, sizes))
    }

    fn available(&self, id: &InstrumentId) -> Decimal {
        self.engine
            .position(&self.plan.account.id, id, PositionLeg::Net)
            .filter(|position| position.side == Side::Buy)
            .and_then(|position| position.available)
            .map_or(Decimal::ZERO, Qty::get)
    }

    fn request(
        &mut self,
        listing: &Listing,
        side: Side,
        qty: Decimal,
        price: Decimal,
        tick: Decimal,
    ) -> Result<OrderRequest, SimReject> {
        let symbol = listing.instrument.symbol.clone();
        let qty = Qty::new(qty).map_err(|_| SimReject::ZeroQty)?;
        let toward = if side == Side::Buy { tick } else { -tick };
        let request = match self.rng.below(10) {
            0..4 => OrderRequest::market(symbol, side, qty),
            4..6 => OrderRequest::limit(symbol, side, qty, Price::new(price)),
            6..9 => OrderRequest::limit(symbol, side, qty, Price::new(price - toward)),
            _ => OrderRequest::stop(symbol, side, qty, Price::new(price + toward)),
        };
        Ok(request.with_instrument(listing.instrument.id.clone()))
    }

    fn marketable(&self, request: &OrderRequest, bid: Decimal, ask: Decimal) -> bool {
        match &request.trigger {
            broker_core::model::Trigger::Limit { limit } => match request.side {
                Side::Buy => limit.get() >= ask,
                Side::Sell => limit.get() <= bid,
            },
            _ => false,
        }
    }

    /// Places the order; one that lacks funds is placed after another deposit.
    fn place(&mut self, request: &OrderRequest) -> Result<(), SimReject> {
        let account = self.plan.account.id.clone();
        let now = self.engine.now();
        match self.engine.place(&account, request, None, now) {
            Err(SimReject::InsufficientFunds { .. }) => {
                self.deposit()?;
                self.engine.place(&account, request, None, now)?;
            }
            other => {
                other?;
            }
        }
        Ok(())
    }

    fn quote(&mut self, id: &InstrumentId, bid: Decimal, ask: Decimal, size: Decimal) -> Result<(), SimReject> {
        let size = Qty::new(size).map_err(|_| SimReject::ZeroQty)?;
        let now = self.engine.now();
        self.engine
            .set_quote(id, Some(Price::new(bid)), Some(Price::new(ask)), (size, size), now)
    }
}
