//! The seeded trader of a history.

use std::collections::{BTreeMap, VecDeque};

use broker_core::model::{FlowKind, OrderKind, Payoff, PositionLeg, Trigger};
use broker_core::seam::{Rng, SeededRng};
use broker_core::{Currency, InstrumentId, Money, OrderRequest, Price, Qty, Side};
use chrono::{DateTime, Duration, Utc};
use rust_decimal::Decimal;

use crate::catalogue::Listing;
use crate::engine::Engine;
use crate::history::{HistoryPlan, Kind, Step};
use crate::reject::SimReject;

/// Who trades: one after another, each order to its end.
pub(crate) struct Trader<'a> {
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
    pub(crate) fn new(plan: &'a HistoryPlan, engine: &'a mut Engine) -> Self {
        let begins_at = engine.now();
        let weights = plan.mix.weights();
        let sum: usize = weights
            .iter()
            .map(|(_, weight)| usize::try_from(*weight).unwrap_or_default())
            .sum();
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
        let months = i64::from(plan.days) / 30;
        Self {
            plan,
            engine,
            rng: SeededRng::new(plan.seed ^ 0x5be0_cd19_137e_2179),
            universe,
            traded: Vec::new(),
            bids: BTreeMap::new(),
            paydays: (1..=months).map(|n| begins_at + Duration::days(n * 29)).collect(),
        }
    }

    pub(crate) fn deposit(&mut self) -> Result<(), SimReject> {
        let money = Money::new(self.plan.cash, self.plan.account.currency);
        self.engine.deposit(&self.plan.account.id, money, self.engine.now())
    }

    pub(crate) fn take(&mut self, step: &Step) -> Result<(), SimReject> {
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
        let rests = request.trigger.kind() != OrderKind::Market && !self.marketable(&request, bid, ask);
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
            (true, OrderKind::Limit, Side::Buy) | (true, OrderKind::Stop, Side::Sell) => {
                (bid - tick * Decimal::TWO, ask - tick * Decimal::TWO)
            }
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

    /// The instruments that it traded.
    pub(crate) fn finish(self) -> Vec<InstrumentId> {
        self.traded
    }

    /// A dividend on every share that it holds, and a month's interest.
    fn pay(&mut self, at: DateTime<Utc>) -> Result<(), SimReject> {
        let account = self.plan.account.id.clone();
        let interest = Money::new(Decimal::new(4_127, 2), self.plan.account.currency);
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
                self.engine
                    .pay(&account, FlowKind::Dividend, money, Some(share), None, at)?;
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
            .filter(|listing| {
                listing
                    .instrument
                    .expires_at
                    .is_none_or(|at| at > now + Duration::hours(1))
            })
            .collect();
        let count = u64::try_from(alive.len()).ok()?;
        let picked = usize::try_from(self.rng.below(count)).ok()?;
        alive.get(picked).map(|listing| (*listing).clone())
    }

    /// The next bid and ask: a walk that is drawn back to where the listing started.
    fn move_market(&mut self, listing: &Listing) -> (Decimal, Decimal) {
        let start = listing.start;
        let last = self.bids.get(&listing.instrument.id).copied().unwrap_or(start);
        let tick_at = |price: Decimal| {
            listing
                .instrument
                .tick_at(Price::new(price))
                .unwrap_or(Decimal::new(1, 2))
        };
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
            Trigger::Limit { limit } => match request.side {
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
