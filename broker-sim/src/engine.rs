//! The venue: accounts, markets, orders, and time that only its caller moves.

use std::collections::{BTreeMap, HashMap, VecDeque};

use broker_core::model::PositionLeg;
use broker_core::seam::{Rng, SeededRng};
use broker_core::{
    AccountId, BrokerId, Currency, Instrument, InstrumentId, Money, Order, OrderId, Price, Qty, Quote, Record, Symbol,
};
use chrono::{DateTime, Utc};
use rust_decimal::Decimal;

use crate::account::{AccountSpec, Entry, SimAccount};
use crate::catalogue::{Catalogue, Listing};
use crate::ledger::{Ledger, Listings};
use crate::market::Market;
use crate::order::SimOrder;
use crate::reject::SimReject;
use crate::rules::Rules;

/// Largest quantity, price and amount of money that the venue counts: products of them fit a decimal.
pub(crate) const LARGEST_QTY: Decimal = Decimal::from_parts(1_000_000_000, 0, 0, false, 0);
pub(crate) const LARGEST_PRICE: Decimal = Decimal::from_parts(100_000_000, 0, 0, false, 0);
const LARGEST_MONEY: Decimal = Decimal::from_parts(0xa4c6_8000, 0x0003_8d7e, 0, false, 0);

/// Something that happens by itself at a moment.
#[derive(Debug, Clone)]
pub(crate) enum Timer {
    /// A pending order is taken.
    Accept(usize),
    /// A pending cancel is carried out.
    Cancel(usize),
    /// An order's auction.
    Auction(usize),
    /// An order's time runs out.
    Expire(usize),
    /// A session opens: what waited for it trades.
    Open(usize),
    /// Fees of a day are booked.
    PostFees(usize),
    /// An instrument expires.
    Maturity(usize),
    /// Open lots of an account at a dealer are financed.
    Rollover(usize),
}

/// Something that streams tell.
#[derive(Debug, Clone)]
pub enum SimEvent {
    /// An order changed; its state at that moment.
    Order {
        /// When.
        at: DateTime<Utc>,
        /// The order.
        order: Box<Order>,
    },
    /// A row was added to an account's log.
    Record {
        /// When.
        at: DateTime<Utc>,
        /// The row.
        entry: Box<Entry>,
        /// The order of a fill, right after it.
        order: Option<Box<Order>>,
    },
    /// A watched instrument has a new quote.
    Quote(Quote),
}

/// A deterministic venue. It has no time and no chance of its own: every call says what time it is, and all that is
/// random comes from the seed, so the same calls make the same log.
#[derive(Debug)]
pub struct Engine {
    pub(crate) rules: Rules,
    pub(crate) now: DateTime<Utc>,
    pub(crate) directory: Directory,
    pub(crate) markets: Vec<Market>,
    pub(crate) accounts: Vec<SimAccount>,
    pub(crate) account_ids: BTreeMap<AccountId, usize>,
    pub(crate) orders: Vec<SimOrder>,
    /// Asked at every turn and never walked, so that its order does not matter.
    pub(crate) order_ids: HashMap<OrderId, usize>,
    timers: BTreeMap<(DateTime<Utc>, u64), Timer>,
    next_timer: u64,
    pub(crate) ids: SeededRng,
    pub(crate) chance: SeededRng,
    walk: SeededRng,
    pub(crate) events: Option<VecDeque<SimEvent>>,
    pub(crate) broker: BrokerId,
}

/// Which market an instrument is, and which markets convert a currency.
#[derive(Debug, Default)]
pub(crate) struct Directory {
    pub(crate) instruments: Vec<Instrument>,
    by_id: BTreeMap<InstrumentId, usize>,
    by_symbol: BTreeMap<Symbol, Vec<usize>>,
    pub(crate) pairs: BTreeMap<(Currency, Currency), usize>,
}

impl Directory {
    fn add(&mut self, market: usize, instrument: &Instrument) {
        self.by_id.insert(instrument.id.clone(), market);
        self.by_symbol
            .entry(instrument.symbol.clone())
            .or_default()
            .push(market);
        if let Some(base) = instrument.base {
            self.pairs.entry((base, instrument.currency)).or_insert(market);
        }
        self.instruments.push(instrument.clone());
    }

    pub(crate) fn by_id(&self, id: &InstrumentId) -> Option<usize> {
        self.by_id.get(id).copied()
    }

    pub(crate) fn by_symbol(&self, symbol: &Symbol) -> &[usize] {
        self.by_symbol.get(symbol).map_or(&[], Vec::as_slice)
    }
}

impl Listings for Directory {
    fn find(&self, id: &InstrumentId) -> Option<(usize, &Instrument)> {
        let market = self.by_id(id)?;
        self.instruments.get(market).map(|instrument| (market, instrument))
    }
}

impl Engine {
    /// A venue with this seed, these instruments and the default rules. Its time starts at `now`.
    pub fn new(seed: u64, catalogue: &Catalogue, now: DateTime<Utc>) -> Self {
        let mut engine = Self {
            rules: Rules::default(),
            now,
            directory: Directory::default(),
            markets: Vec::new(),
            accounts: Vec::new(),
            account_ids: BTreeMap::new(),
            orders: Vec::new(),
            order_ids: HashMap::new(),
            timers: BTreeMap::new(),
            next_timer: 0,
            ids: SeededRng::new(seed),
            chance: SeededRng::new(seed ^ 0x5bd1_e995_9d1b_58a3),
            walk: SeededRng::new(seed ^ 0xc2b2_ae3d_27d4_eb4f),
            events: Some(VecDeque::new()),
            broker: BrokerId::from("sim"),
        };
        for listing in catalogue.listings() {
            engine.list(listing.clone());
        }
        engine
    }

    /// With other rules.
    #[must_use]
    pub fn with_rules(mut self, rules: Rules) -> Self {
        self.rules = rules;
        self
    }

    /// Under another broker's name: what accounts carry.
    #[must_use]
    pub fn with_broker(mut self, broker: BrokerId) -> Self {
        self.broker = broker;
        self
    }

    /// The rules in force.
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// Changes the rules from now on.
    pub fn set_rules(&mut self, rules: Rules) {
        self.rules = rules;
    }

    /// The latest time that it was told.
    pub fn now(&self) -> DateTime<Utc> {
        self.now
    }

    /// Lists one more instrument; one whose key is listed already stays as it is.
    pub fn list(&mut self, listing: Listing) {
        if self.directory.by_id(&listing.instrument.id).is_some() {
            return;
        }
        let market = self.markets.len();
        self.directory.add(market, &listing.instrument);
        let expires_at = listing.instrument.expires_at;
        self.markets.push(Market::new(listing, self.now));
        if let Some(at) = expires_at {
            self.at(at, Timer::Maturity(market));
        }
    }

    /// Opens an account, flat and empty.
    pub fn open_account(&mut self, spec: AccountSpec, now: DateTime<Utc>) -> Result<(), SimReject> {
        self.run(now);
        if self.account_ids.contains_key(&spec.id) {
            return Err(SimReject::AccountExists);
        }
        self.account_ids.insert(spec.id.clone(), self.accounts.len());
        self.accounts.push(SimAccount::new(spec, self.now));
        self.schedule_rollover(self.accounts.len() - 1);
        Ok(())
    }

    /// Blocks an account from trading, or frees it. Cancels stay possible.
    pub fn set_blocked(&mut self, account: &AccountId, blocked: bool) -> Result<(), SimReject> {
        let account = self.account_index(account)?;
        self.accounts[account].blocked = blocked;
        Ok(())
    }

    /// Halts an instrument, or lets it trade again.
    pub fn set_halted(&mut self, instrument: &InstrumentId, halted: bool) -> Result<(), SimReject> {
        let market = self.market_index(instrument)?;
        self.markets[market].halted = halted;
        Ok(())
    }

    /// Sets a quote by hand and trades what it makes trade. From then on the instrument does not walk, until
    /// [`release`](Self::release).
    pub fn set_quote(
        &mut self,
        instrument: &InstrumentId,
        bid: Option<Price>,
        ask: Option<Price>,
        sizes: (Qty, Qty),
        now: DateTime<Utc>,
    ) -> Result<(), SimReject> {
        self.run(now);
        let market = self.market_index(instrument)?;
        let (bid, ask) = (bid.map(Price::get), ask.map(Price::get));
        for price in [bid, ask].into_iter().flatten() {
            if price.abs() > LARGEST_PRICE {
                return Err(SimReject::PriceRange { price });
            }
        }
        let sizes = (sizes.0.get().min(LARGEST_QTY), sizes.1.get().min(LARGEST_QTY));
        let at = self.now;
        self.markets[market].set(bid, ask, sizes, at);
        self.markets[market].pinned = true;
        self.quoted(market);
        Ok(())
    }

    /// Lets an instrument walk again.
    pub fn release(&mut self, instrument: &InstrumentId) -> Result<(), SimReject> {
        let market = self.market_index(instrument)?;
        self.markets[market].pinned = false;
        Ok(())
    }

    /// Tells every new quote of an instrument as an event, or stops it.
    pub fn watch(&mut self, instrument: &InstrumentId, watched: bool) -> Result<(), SimReject> {
        let market = self.market_index(instrument)?;
        self.markets[market].watched = watched;
        Ok(())
    }

    /// Moves time: does what is due by then, and lets every open market that is not set by hand walk one step.
    pub fn advance(&mut self, now: DateTime<Utc>) {
        let moved = now > self.now;
        self.run(now);
        if !moved {
            return;
        }
        let mut open = BTreeMap::new();
        for market in 0..self.markets.len() {
            let calendar = self.markets[market].listing.calendar;
            let is_open = *open.entry(calendar).or_insert_with(|| calendar.is_open(now, true));
            if is_open && !self.markets[market].pinned && !self.markets[market].halted {
                self.markets[market].walk(&self.walk, now);
                self.quoted(market);
            }
        }
    }

    /// Moves time without moving markets: does what is due by then. Time never goes back.
    pub fn run(&mut self, now: DateTime<Utc>) {
        while let Some(due) = self.timers.first_entry() {
            if due.key().0 > now {
                break;
            }
            let at = due.key().0;
            let timer = due.remove();
            self.now = self.now.max(at);
            self.ring(timer);
        }
        self.now = self.now.max(now);
    }

    /// The next moment at which something may happen by itself.
    pub fn next_timer(&self) -> Option<DateTime<Utc>> {
        self.timers.first_key_value().map(|((at, _), _)| *at)
    }

    fn ring(&mut self, timer: Timer) {
        match timer {
            Timer::Accept(order) => self.accept(order),
            Timer::Cancel(order) => self.finish_cancel(order),
            Timer::Auction(order) => self.auction(order),
            Timer::Expire(order) => self.expire_order(order),
            Timer::Open(market) => self.work(market),
            Timer::PostFees(account) => self.post_fees(account),
            Timer::Maturity(market) => self.mature(market),
            Timer::Rollover(account) => self.roll_over(account),
        }
    }

    pub(crate) fn at(&mut self, at: DateTime<Utc>, timer: Timer) {
        self.next_timer += 1;
        self.timers.insert((at, self.next_timer), timer);
    }

    fn quoted(&mut self, market: usize) {
        if self.markets[market].watched {
            let quote = self.markets[market].quote();
            self.tell(SimEvent::Quote(quote));
        }
        self.work(market);
    }

    /// Takes all events since the last call, oldest first.
    pub fn take_events(&mut self) -> Vec<SimEvent> {
        self.events
            .as_mut()
            .map(|events| events.drain(..).collect())
            .unwrap_or_default()
    }

    /// Keeps events for [`take_events`](Self::take_events), or drops them; a venue without streams needs none.
    pub fn keep_events(&mut self, keep: bool) {
        self.events = keep.then(VecDeque::new);
    }

    pub(crate) fn tell(&mut self, event: SimEvent) {
        if let Some(events) = &mut self.events {
            events.push_back(event);
        }
    }

    pub(crate) fn tell_order(&mut self, order: usize) {
        if self.events.is_some() {
            let order = Box::new(self.orders[order].order.clone());
            self.tell(SimEvent::Order { at: self.now, order });
        }
    }

    pub(crate) fn account_index(&self, account: &AccountId) -> Result<usize, SimReject> {
        self.account_ids.get(account).copied().ok_or(SimReject::UnknownAccount)
    }

    pub(crate) fn market_index(&self, instrument: &InstrumentId) -> Result<usize, SimReject> {
        self.directory
            .by_id(instrument)
            .ok_or_else(|| SimReject::UnknownSymbol {
                symbol: instrument.to_string(),
            })
    }

    pub(crate) fn order_index(&self, account: &AccountId, id: &OrderId) -> Result<usize, SimReject> {
        let account = self.account_index(account)?;
        self.order_ids
            .get(id)
            .copied()
            .filter(|index| self.orders[*index].account == account)
            .ok_or(SimReject::UnknownOrder)
    }

    /// Adds a row to an account's log and books it.
    pub(crate) fn book(
        &mut self,
        account: usize,
        record: Record,
        order: Option<usize>,
        key: Option<(usize, PositionLeg)>,
    ) {
        let state = &mut self.accounts[account];
        let realized = state.ledger.apply(&record, &self.directory);
        let order = order.map(|index| &self.orders[index]);
        let currency = key.map(|(market, _)| self.markets[market].listing.instrument.currency);
        let entry = Entry {
            seq: u64::try_from(state.log.len()).unwrap_or(u64::MAX).saturating_add(1),
            booked_at: self.now,
            record,
            order: order.map(|order| order.order.id.clone()),
            cum_qty: order.map(|order| order.order.filled_qty),
            leaves_qty: order.and_then(|order| Qty::new(order.leaves()?).ok()),
            order_status: order.map(|order| order.order.status.clone()),
            position_qty: key.map(|(market, leg)| state.ledger.qty(market, leg)),
            realized: realized
                .zip(currency)
                .map(|(amount, currency)| Money::new(amount, currency)),
        };
        if self.events.is_some() {
            let event = SimEvent::Record {
                at: self.now,
                entry: Box::new(entry.clone()),
                order: order.map(|order| Box::new(order.order.clone())),
            };
            self.accounts[account].log.push(entry);
            self.tell(event);
        } else {
            state.log.push(entry);
        }
    }

    /// Makes cash and positions anew from the log, after a bust or a correction.
    pub(crate) fn rebook(&mut self, account: usize) {
        let state = &mut self.accounts[account];
        state.ledger = Ledger::replay(&state.log, &self.directory);
    }

    pub(crate) fn check_money(amount: Decimal) -> Result<(), SimReject> {
        if amount.abs() > LARGEST_MONEY {
            return Err(SimReject::TooLarge { value: amount });
        }
        Ok(())
    }

    pub(crate) fn uuid(&self) -> String {
        self.ids.uuid()
    }
}
