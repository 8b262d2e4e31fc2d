//! Cash and positions of an account, moved by its records. FIFO lots.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use broker_core::model::{Asset, FlowKind, LotRole, Payoff, PositionLeg};
use broker_core::{Currency, Fill, FillId, Instrument, InstrumentId, Record};
use chrono::{DateTime, Utc};
use rust_decimal::{Decimal, RoundingStrategy};

use crate::account::Entry;
use crate::dealing::is;

/// What one opening left open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lot {
    /// Size, positive.
    pub qty: Decimal,
    /// Price of its opening.
    pub price: Decimal,
    /// When it was opened.
    pub at: DateTime<Utc>,
    /// The fill that opened it; `None` for a flow.
    pub fill: Option<FillId>,
    /// Up to when it paid its financing.
    pub financed_at: DateTime<Utc>,
}

/// A position and its lots, oldest first.
#[derive(Debug, Clone, Default)]
pub(crate) struct Holding {
    pub(crate) qty: Decimal,
    /// Sum of quantity times price of the lots.
    pub(crate) cost: Decimal,
    pub(crate) lots: VecDeque<Lot>,
    pub(crate) realized: Decimal,
    pub(crate) at: DateTime<Utc>,
}

impl Holding {
    pub(crate) fn average(&self) -> Option<Decimal> {
        self.cost.checked_div(self.qty.abs())
    }

    /// Moves the position: closes the oldest lots of the other direction, opens what is left. Gives the closed parts
    /// as quantity and opening price.
    fn shift(
        &mut self,
        delta: Decimal,
        price: Decimal,
        at: DateTime<Utc>,
        fill: Option<&FillId>,
    ) -> Vec<(Decimal, Decimal)> {
        let opposes = !self.qty.is_zero() && self.qty.is_sign_negative() != delta.is_sign_negative();
        let mut rest = delta.abs();
        let mut closed = Vec::new();
        while opposes && rest > Decimal::ZERO {
            let Some(lot) = self.lots.front_mut() else { break };
            let part = rest.min(lot.qty);
            closed.push((part, lot.price));
            self.cost -= part * lot.price;
            lot.qty -= part;
            rest -= part;
            if lot.qty.is_zero() {
                self.lots.pop_front();
            }
        }
        if rest > Decimal::ZERO {
            self.cost += rest * price;
            self.lots.push_back(Lot {
                qty: rest,
                price,
                at,
                fill: fill.cloned(),
                financed_at: at,
            });
        }
        self.qty += delta;
        self.at = at;
        if self.qty.is_zero() {
            self.cost = Decimal::ZERO;
        }
        closed
    }

    /// Moves the position as the fill names its lots. Gives the closed parts as quantity and opening price.
    fn shift_lots(&mut self, fill: &Fill) -> Vec<(Decimal, Decimal)> {
        let mut closed = Vec::new();
        for part in &fill.lots {
            match part.role {
                LotRole::Closed => {
                    let Some(lot) = self.lots.iter_mut().find(|lot| is(lot, &part.lot)) else {
                        continue;
                    };
                    let qty = part.qty.get().min(lot.qty);
                    closed.push((qty, lot.price));
                    self.cost -= qty * lot.price;
                    lot.qty -= qty;
                }
                LotRole::Opened => {
                    self.cost += part.qty.get() * part.price.get();
                    self.lots.push_back(Lot {
                        qty: part.qty.get(),
                        price: part.price.get(),
                        at: fill.at,
                        fill: Some(fill.id.clone()),
                        financed_at: fill.at,
                    });
                }
            }
        }
        self.lots.retain(|lot| !lot.qty.is_zero());
        self.qty += fill.qty.signed(fill.side);
        self.at = fill.at;
        if self.qty.is_zero() {
            self.cost = Decimal::ZERO;
        }
        closed
    }

    /// What a move would realize; `None` where it closes nothing.
    pub(crate) fn would_realize(&self, instrument: &Instrument, delta: Decimal, price: Decimal) -> Option<Decimal> {
        if self.qty.is_zero() || self.qty.is_sign_negative() == delta.is_sign_negative() {
            return None;
        }
        let direction = if self.qty.is_sign_negative() {
            -Decimal::ONE
        } else {
            Decimal::ONE
        };
        let mut rest = delta.abs();
        let mut closed = Vec::new();
        for lot in &self.lots {
            let part = rest.min(lot.qty);
            if part.is_zero() {
                break;
            }
            closed.push((part, lot.price));
            rest -= part;
        }
        realized(instrument, direction, &closed, price)
    }

    /// Changes the size and keeps the cost: what a split does.
    fn rescale(&mut self, change: Decimal, at: DateTime<Utc>) {
        let before = self.qty.abs();
        let after = (self.qty + change).abs();
        let mut left = after;
        let count = self.lots.len();
        for (index, lot) in self.lots.iter_mut().enumerate() {
            let cost = lot.qty * lot.price;
            let share = (lot.qty * after).checked_div(before).unwrap_or_default();
            // The last lot takes what rounding left, so that the lots sum up to the position.
            lot.qty = if index + 1 == count { left } else { share };
            left -= lot.qty;
            lot.price = cost.checked_div(lot.qty).unwrap_or_default();
        }
        self.qty += change;
        self.at = at;
    }
}

/// Finds the market of an instrument, and the instrument of a market.
pub(crate) trait Listings {
    fn find(&self, id: &InstrumentId) -> Option<(usize, &Instrument)>;
}

/// Cash and positions.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ledger {
    pub(crate) cash: BTreeMap<Currency, Decimal>,
    pub(crate) holdings: BTreeMap<(usize, PositionLeg), Holding>,
}

impl Ledger {
    /// The ledger that a log makes: voided fills left out, corrected ones at their last version.
    pub(crate) fn replay(log: &[Entry], listings: &impl Listings) -> Self {
        let mut voided = BTreeSet::new();
        let mut latest = BTreeMap::new();
        for entry in log {
            match &entry.record {
                Record::Void(void) => {
                    voided.insert(void.fill.clone());
                }
                Record::Fill(fill) => {
                    latest.insert(fill.id.clone(), entry);
                }
                Record::Fee(_) | Record::Flow(_) => {}
            }
        }
        let mut ledger = Self::default();
        for entry in log {
            let record = match &entry.record {
                Record::Fill(fill) if voided.contains(&fill.id) => continue,
                // The last version counts, at the place of the first.
                Record::Fill(fill) => match latest.remove(&fill.id) {
                    Some(last) => &last.record,
                    None => continue,
                },
                other => other,
            };
            ledger.apply(record, listings);
        }
        ledger
    }

    /// Books a record. Gives what a fill or flow realized, `None` where it closed nothing.
    pub(crate) fn apply(&mut self, record: &Record, listings: &impl Listings) -> Option<Decimal> {
        match record {
            Record::Fill(fill) => {
                let (market, instrument) = listings.find(&fill.instrument)?;
                let delta = fill.qty.signed(fill.side);
                let price = fill.price.get();
                let direction = self.direction(market, fill.leg);
                let holding = self.holdings.entry((market, fill.leg)).or_default();
                let closed = match fill.lots.is_empty() {
                    true => holding.shift(delta, price, fill.at, Some(&fill.id)),
                    false => holding.shift_lots(fill),
                };
                let realized = realized(instrument, direction, &closed, price);
                holding.realized += realized.unwrap_or_default();
                if fill.conversion.is_some() {
                    // The lots say what was paid, and in which currency.
                    for money in fill.lots.iter().flat_map(|lot| [lot.pnl, lot.financing]).flatten() {
                        self.pay(money.currency, money.amount);
                    }
                    for fee in &fill.fees {
                        self.pay(fee.currency, -fee.amount);
                    }
                    self.prune(market, fill.leg);
                    return realized;
                }
                let moved = match instrument.payoff {
                    Payoff::Cash => -delta * price * instrument.multiplier.unwrap_or(Decimal::ONE),
                    Payoff::Margined | Payoff::Inverse => realized.unwrap_or_default(),
                };
                self.pay(instrument.currency, moved);
                for fee in &fill.fees {
                    if instrument.base == Some(fee.currency) && instrument.payoff == Payoff::Cash {
                        self.consume(market, fill.leg, fee.amount, fill.at);
                    } else {
                        self.pay(fee.currency, -fee.amount);
                    }
                }
                self.prune(market, fill.leg);
                realized
            }
            Record::Fee(fee) => {
                match &fee.asset {
                    Asset::Currency(currency) => self.pay(*currency, -fee.amount),
                    Asset::Instrument { id, .. } => {
                        let (market, _) = listings.find(id)?;
                        self.consume(market, PositionLeg::Net, fee.amount, fee.at);
                        self.prune(market, PositionLeg::Net);
                    }
                }
                None
            }
            Record::Flow(flow) => {
                if let Some(cash) = flow.cash {
                    self.pay(cash.currency, cash.amount);
                }
                match &flow.asset {
                    Asset::Currency(currency) => {
                        self.pay(*currency, flow.amount);
                        if let Some(id) = flow.lot.as_ref().filter(|_| flow.kind == FlowKind::Financing) {
                            let lots = self.holdings.values_mut().flat_map(|holding| &mut holding.lots);
                            for lot in lots.filter(|lot| is(lot, id)) {
                                lot.financed_at = flow.at;
                            }
                        }
                        None
                    }
                    Asset::Instrument { id, .. } => {
                        let (market, instrument) = listings.find(id)?;
                        let leg = self.leg_of_flow(market, flow.amount);
                        let direction = self.direction(market, leg);
                        let holding = self.holdings.entry((market, leg)).or_default();
                        if flow.kind == FlowKind::Split {
                            holding.rescale(flow.amount, flow.at);
                            return None;
                        }
                        let price = flow.price.map_or(Decimal::ZERO, |price| price.get());
                        let closed = holding.shift(flow.amount, price, flow.at, None);
                        let realized = realized(instrument, direction, &closed, price);
                        holding.realized += realized.unwrap_or_default();
                        self.prune(market, leg);
                        realized
                    }
                }
            }
            Record::Void(_) => None,
        }
    }

    pub(crate) fn pay(&mut self, currency: Currency, amount: Decimal) {
        *self.cash.entry(currency).or_default() += amount;
    }

    pub(crate) fn qty(&self, market: usize, leg: PositionLeg) -> Decimal {
        self.holdings
            .get(&(market, leg))
            .map_or(Decimal::ZERO, |holding| holding.qty)
    }

    fn direction(&self, market: usize, leg: PositionLeg) -> Decimal {
        if self.qty(market, leg).is_sign_negative() {
            -Decimal::ONE
        } else {
            Decimal::ONE
        }
    }

    /// A fee in kind: takes from the oldest lots at their own price, so that nothing is realized.
    fn consume(&mut self, market: usize, leg: PositionLeg, amount: Decimal, at: DateTime<Utc>) {
        self.holdings
            .entry((market, leg))
            .or_default()
            .shift(-amount, Decimal::ZERO, at, None);
    }

    /// Flows name no leg: one that takes away takes from a long position, one that brings closes a short one.
    pub(crate) fn leg_of_flow(&self, market: usize, amount: Decimal) -> PositionLeg {
        let leg = if amount.is_sign_negative() {
            PositionLeg::Long
        } else {
            PositionLeg::Short
        };
        if self.qty(market, PositionLeg::Net).is_zero() && !self.qty(market, leg).is_zero() {
            leg
        } else {
            PositionLeg::Net
        }
    }

    fn prune(&mut self, market: usize, leg: PositionLeg) {
        if let Some(holding) = self.holdings.get_mut(&(market, leg))
            && holding.qty.is_zero()
        {
            holding.lots.clear();
        }
    }
}

/// Profit or loss of closed parts; `None` when nothing was closed.
fn realized(
    instrument: &Instrument,
    direction: Decimal,
    closed: &[(Decimal, Decimal)],
    exit: Decimal,
) -> Option<Decimal> {
    if closed.is_empty() {
        return None;
    }
    let multiplier = instrument.multiplier.unwrap_or(Decimal::ONE);
    let mut sum = Decimal::ZERO;
    for (qty, entry) in closed {
        sum += direction
            * multiplier
            * match instrument.payoff {
                Payoff::Cash | Payoff::Margined => (exit - entry) * qty,
                Payoff::Inverse => (qty.checked_div(*entry).unwrap_or_default()
                    - qty.checked_div(exit).unwrap_or_default())
                .round_dp_with_strategy(12, RoundingStrategy::MidpointAwayFromZero),
            };
    }
    Some(sum)
}
