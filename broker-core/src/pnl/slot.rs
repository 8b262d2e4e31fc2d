//! One position: an instrument, a leg, its open lots, and the round trips in it.

use std::cmp::Ordering;

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::exact::{add, compare, share, sub};
use super::lots::{Cost, Lot, Lots};
use super::mark::Past;
use super::round::{Done, Round, add_money, value};
use super::terms::Terms;
use crate::error::Result;
use crate::id::{InstrumentId, OrderId, RecordId, Symbol};
use crate::model::{Fill, LotRole, Payoff, PositionLeg, TradeExit};
use crate::num::{Money, Side};

/// How a quantity that no fill moved is valued.
#[derive(Debug, Clone, Copy)]
pub(super) enum Worth {
    /// At a price a unit.
    Price(Decimal),
    /// At a value in all.
    Value(Decimal),
    /// At what it cost; coming in, its cost is unknown.
    Cost,
    /// At its cost and this gain: margined products that paid the gain.
    Gain(Decimal),
    /// At nothing that we know: the PnL is unknown from here.
    Unknown,
}

/// A quantity that no fill moved.
#[derive(Debug, Clone, Copy)]
pub(super) struct Move {
    /// Positive comes in.
    pub(super) amount: Decimal,
    pub(super) worth: Worth,
    /// Whether its value was paid in cash as that of a fill is.
    pub(super) paid: bool,
    pub(super) at: DateTime<Utc>,
    pub(super) exit: TradeExit,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Slot {
    pub(super) instrument: InstrumentId,
    pub(super) symbol: Symbol,
    pub(super) leg: PositionLeg,
    pub(super) terms: Option<Terms>,
    pub(super) lots: Lots,
    /// Those that were taken out are in `past`.
    #[serde(skip)]
    pub(super) done: Done,
    pub(super) past: Past,
    pub(super) open: Option<Round>,
    /// Orders of all rounds, one round behind the other; of equal neighbors in a round only the first.
    pub(super) orders: Vec<OrderId>,
    /// Fees on fills of no quantity while flat: they belong to no round.
    pub(super) loose_fees: Vec<Money>,
    /// What the rounds say of cash that no cash moved for.
    unpaid: Decimal,
    /// Something other than a fill or an opening moved it.
    pub(super) moved: bool,
}

impl Slot {
    pub(super) fn new(
        instrument: InstrumentId,
        symbol: Symbol,
        leg: PositionLeg,
        terms: Option<Terms>,
        lots: Lots,
    ) -> Self {
        Self {
            instrument,
            symbol,
            leg,
            terms,
            lots,
            done: Done::default(),
            past: Past::default(),
            open: None,
            orders: Vec::new(),
            loose_fees: Vec::new(),
            unpaid: Decimal::ZERO,
            moved: false,
        }
    }

    /// Without the instrument a value is taken as price x quantity.
    #[inline]
    pub(super) fn payoff(&self) -> Payoff {
        self.terms.as_ref().map_or(Payoff::Cash, |terms| terms.payoff)
    }

    pub(super) fn rounds(&self) -> impl Iterator<Item = &Round> {
        self.done.iter().chain(&self.open)
    }

    pub(super) fn orders_of(&self, round: &Round) -> &[OrderId] {
        self.orders.get(round.orders.clone()).unwrap_or_default()
    }

    /// Positive when long, negative when short.
    pub(super) fn position(&self) -> Decimal {
        match &self.open {
            Some(round) if round.side == Side::Sell => -round.held,
            Some(round) => round.held,
            None => Decimal::ZERO,
        }
    }

    /// What the open lots cost, without the multiplier.
    pub(super) fn open_cost(&self) -> Result<Decimal> {
        self.lots.cost()
    }

    /// Puts in what stood before the window. No cash moves.
    pub(super) fn start(&mut self, qty: Decimal, price: Option<Decimal>, at: DateTime<Utc>) -> Result<()> {
        let worth = price.map_or(Worth::Unknown, Worth::Price);
        let moved = self.moved;
        self.shift(&Move {
            amount: qty,
            worth,
            paid: false,
            at,
            exit: TradeExit::Moved,
        })?;
        self.moved = moved;
        Ok(())
    }

    /// Counts a fill. Answers whether its lots were taken as the broker assigned them, if they were to be.
    #[inline]
    pub(super) fn fill(&mut self, fill: &Fill) -> Result<bool> {
        let qty = fill.qty.get();
        let against = match &self.open {
            Some(round) if round.side != fill.side => round.held,
            _ => Decimal::ZERO,
        };
        let (closes, opens) = if against.is_zero() {
            (Decimal::ZERO, qty)
        } else if compare(qty, against) != Ordering::Greater {
            (qty, Decimal::ZERO)
        } else {
            (against, sub(qty, against)?)
        };
        let by_lot = matches!(self.lots, Lots::Assigned(_));
        let assigned = by_lot && fits(fill, closes, opens)?;
        let mut exact = assigned || !by_lot;

        if !closes.is_zero() {
            if assigned {
                exact = self.leave_lots(fill)?;
            } else {
                self.leave_fill(fill, closes, fill.price.get())?;
                match &fill.conversion {
                    Some(conversion) => self.take_converted(closes, fill.price.get(), conversion)?,
                    None => self.lots.take(closes)?,
                }
            }
            self.note(fill, closes, true)?;
            self.close_if_flat(fill.at, TradeExit::Filled);
        }
        if !opens.is_zero() {
            if assigned {
                for lot in fill.lots.iter().filter(|lot| lot.role == LotRole::Opened) {
                    self.enter_fill(fill, lot.qty.get(), lot.price.get(), Some(&lot.lot))?;
                }
            } else {
                self.enter_fill(fill, opens, fill.price.get(), None)?;
            }
            self.note(fill, opens, closes.is_zero())?;
        }
        if qty.is_zero() {
            self.note_nothing(fill)?;
        }
        Ok(exact)
    }

    #[inline]
    fn enter_fill(&mut self, fill: &Fill, qty: Decimal, price: Decimal, lot: Option<&RecordId>) -> Result<()> {
        let payoff = self.payoff();
        let value = value(qty, price, payoff)?;
        let cost = if payoff == Payoff::Inverse {
            Cost::Total(value)
        } else {
            Cost::Each(price)
        };
        self.round(fill.side, fill.at).enter(qty, value, Some(price))?;
        self.lots.push(Lot { qty, cost, at: fill.at }, lot)
    }

    /// The open round, which is made where there is none.
    #[inline]
    fn round(&mut self, side: Side, at: DateTime<Utc>) -> &mut Round {
        let orders = self.orders.len();
        self.open.get_or_insert_with(|| Round::new(side, at, orders))
    }

    #[inline]
    fn leave_fill(&mut self, fill: &Fill, qty: Decimal, price: Decimal) -> Result<()> {
        debug_assert!(self.open.as_ref().is_some_and(|round| round.side != fill.side));
        let value = value(qty, price, self.payoff())?;
        match &mut self.open {
            Some(round) => round.leave(qty, value, Some(price)),
            None => Ok(()),
        }
    }

    /// Takes the broker's lots; what a lot cannot give comes from the oldest, and is answered with `false`.
    fn leave_lots(&mut self, fill: &Fill) -> Result<bool> {
        let mut missing = Decimal::ZERO;
        for lot in fill.lots.iter().filter(|lot| lot.role == LotRole::Closed) {
            self.leave_fill(fill, lot.qty.get(), lot.price.get())?;
            let (part, cost) = self.lots.take_from(&lot.lot, lot.qty.get())?;
            if let Some(conversion) = &fill.conversion {
                self.convert_part(part, cost, lot.price.get(), conversion)?;
            }
            missing = add(missing, sub(lot.qty.get(), part)?)?;
        }
        self.lots.take(missing)?;
        Ok(missing.is_zero())
    }

    /// Books a fill's ids and money on the open round: the fees of this part, and all else where `main` says so.
    #[inline]
    fn note(&mut self, fill: &Fill, part: Decimal, main: bool) -> Result<()> {
        let Some(round) = &mut self.open else { return Ok(()) };
        round.fills.push(fill.id.clone());
        if let Some(order) = &fill.order
            && (round.orders.is_empty() || self.orders.last() != Some(order))
        {
            self.orders.push(order.clone());
            round.orders.end = self.orders.len();
        }
        for fee in &fill.fees {
            let amount = fee_part(fee.amount, part, fill.qty.get(), main)?;
            round.add_fee(Money::new(amount, fee.currency))?;
        }
        if !main {
            return Ok(());
        }
        for lot in &fill.lots {
            lot.financing.map_or(Ok(()), |money| round.add_financing(money))?;
        }
        match fill.pnl {
            Some(pnl) => round.add_broker_pnl(pnl),
            None => fill
                .lots
                .iter()
                .filter_map(|lot| lot.pnl)
                .try_for_each(|pnl| round.add_broker_pnl(pnl)),
        }
    }

    /// A fill of no quantity moves no position, but its fees are real.
    fn note_nothing(&mut self, fill: &Fill) -> Result<()> {
        fill.fees.iter().try_for_each(|fee| match &mut self.open {
            Some(round) => round.add_fee(*fee),
            None => add_money(&mut self.loose_fees, *fee),
        })
    }

    #[inline]
    pub(super) fn close_if_flat(&mut self, at: DateTime<Utc>, exit: TradeExit) {
        if let Some(mut round) = self.open.take_if(|round| round.held.is_zero()) {
            round.close(at, exit);
            self.done.push(round);
            self.lots.clear();
        }
    }

    /// Moves a quantity without a fill, and closes or flips as a fill would.
    pub(super) fn shift(&mut self, of: &Move) -> Result<()> {
        let came = self.shift_open(of)?;
        self.close_if_flat(of.at, of.exit);
        self.shift_in(of, came)
    }

    /// The part that reduces the open round, which is left open though flat; answers what is still to come in.
    pub(super) fn shift_open(&mut self, of: &Move) -> Result<Decimal> {
        self.moved = true;
        let size = of.amount.abs();
        let payoff = self.payoff();
        let side = side_of(of.amount);
        let Some(round) = self.open.as_mut().filter(|round| round.side != side) else {
            return Ok(size);
        };
        let part = size.min(round.held);
        let cost = self.lots.take_at_cost(part)?;
        let (value, price) = match of.worth {
            Worth::Price(price) => (value(part, price, payoff)?, Some(price)),
            Worth::Value(total) => (share(total, part, size)?, None),
            Worth::Cost | Worth::Unknown => (cost, None),
            Worth::Gain(gain) => {
                let up = (round.side == Side::Buy) == (payoff != Payoff::Inverse);
                (if up { add(cost, gain)? } else { sub(cost, gain)? }, None)
            }
        };
        round.unknown |= matches!(of.worth, Worth::Unknown);
        round.leave(part, value, price)?;
        let long = round.side == Side::Buy;
        if !of.paid {
            let effect = match payoff {
                Payoff::Cash => signed(value, long),
                Payoff::Margined => signed(sub(value, cost)?, long),
                Payoff::Inverse => signed(sub(value, cost)?, !long),
            };
            self.unpaid = add(self.unpaid, effect)?;
        }
        sub(size, part)
    }

    /// The part that opens or adds.
    pub(super) fn shift_in(&mut self, of: &Move, qty: Decimal) -> Result<()> {
        if qty.is_zero() {
            return Ok(());
        }
        let payoff = self.payoff();
        let (value, price, cost) = match of.worth {
            Worth::Price(price) => {
                let value = value(qty, price, payoff)?;
                let cost = if payoff == Payoff::Inverse {
                    Cost::Total(value)
                } else {
                    Cost::Each(price)
                };
                (value, Some(price), cost)
            }
            Worth::Value(total) => {
                let value = share(total, qty, of.amount.abs())?;
                (value, None, Cost::Total(value))
            }
            Worth::Cost | Worth::Gain(_) | Worth::Unknown => (Decimal::ZERO, None, Cost::Unknown),
        };
        let round = self.round(side_of(of.amount), of.at);
        round.unknown |= cost == Cost::Unknown;
        round.enter(qty, value, price)?;
        self.lots.push(Lot { qty, cost, at: of.at }, None)?;
        if !of.paid && payoff == Payoff::Cash {
            self.unpaid = add(self.unpaid, signed(value, of.amount.is_sign_negative()))?;
        }
        Ok(())
    }

    /// A split: the quantity changes, what it cost does not. Answers whether there was a position that it fits.
    pub(super) fn split(&mut self, change: Decimal) -> Result<bool> {
        self.moved = true;
        let Some(round) = &mut self.open else { return Ok(false) };
        let change = if round.side == Side::Sell { -change } else { change };
        let to = add(round.held, change)?;
        if to <= Decimal::ZERO {
            return Ok(false);
        }
        let from = round.held;
        round.rescale(to)?;
        self.lots.rescale(from, to)?;
        Ok(true)
    }

    /// What fills, and moves that were paid like fills, did to cash, without the multiplier. `None` where it depends
    /// on an unknown entry price.
    pub(super) fn cash(&self) -> Result<Option<Decimal>> {
        let payoff = self.payoff();
        if self.past.unknown && payoff != Payoff::Cash {
            return Ok(None);
        }
        let mut cash = sub(self.past.cash, self.unpaid)?;
        for round in self.rounds() {
            if payoff == Payoff::Cash {
                cash = add(cash, round.proceeds()?)?;
                continue;
            }
            if round.unknown {
                return Ok(None);
            }
            let open = if round.held.is_zero() {
                Decimal::ZERO
            } else {
                self.open_cost()?
            };
            cash = add(cash, round.realized(open, payoff)?)?;
        }
        Ok(Some(cash))
    }
}

/// Whether the broker's lot rows say of this fill what its position says.
fn fits(fill: &Fill, closes: Decimal, opens: Decimal) -> Result<bool> {
    let (mut closed, mut opened) = (Decimal::ZERO, Decimal::ZERO);
    for lot in &fill.lots {
        let sum = match lot.role {
            LotRole::Closed => &mut closed,
            LotRole::Opened => &mut opened,
        };
        *sum = add(*sum, lot.qty.get())?;
    }
    Ok(closed == closes && opened == opens)
}

/// The fee of a part of a fill, by quantity. Where a fill closes and opens, the closing part's fee is rounded and
/// the opening part gets the rest, so that the two are the fee.
#[inline]
fn fee_part(fee: Decimal, part: Decimal, whole: Decimal, main: bool) -> Result<Decimal> {
    if compare(part, whole) == Ordering::Equal {
        Ok(fee)
    } else if main {
        share(fee, part, whole)
    } else {
        sub(fee, share(fee, sub(whole, part)?, whole)?)
    }
}

fn side_of(amount: Decimal) -> Side {
    if amount.is_sign_negative() {
        Side::Sell
    } else {
        Side::Buy
    }
}

fn signed(value: Decimal, positive: bool) -> Decimal {
    if positive { value } else { -value }
}
