//! What is open, by lots: in a queue, in one pool, or as the broker assigns them.

use std::cmp::Ordering;
use std::collections::{BTreeMap, HashMap, VecDeque};

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::exact::{add, average, compare, mul, share, sub};
use crate::error::Result;
use crate::id::RecordId;

/// What a lot cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Cost {
    /// This price a unit.
    Each(Decimal),
    /// This much in all; what a split or an inverse contract leaves.
    Total(Decimal),
    /// It began before the window, and nobody said.
    Unknown,
}

impl Cost {
    fn of(self, qty: Decimal) -> Result<Decimal> {
        match self {
            Self::Each(price) => mul(price, qty),
            Self::Total(total) => Ok(total),
            Self::Unknown => Ok(Decimal::ZERO),
        }
    }
}

/// What one opening left open.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct Lot {
    pub(super) qty: Decimal,
    pub(super) cost: Cost,
    pub(super) at: DateTime<Utc>,
}

impl Lot {
    /// Takes a part out, which is at most the whole, and answers what that part had cost.
    fn take(&mut self, part: Decimal) -> Result<Decimal> {
        let (gone, rest) = match self.cost {
            Cost::Each(price) => (mul(price, part)?, self.cost),
            Cost::Total(total) => {
                let gone = share(total, part, self.qty)?;
                (gone, Cost::Total(sub(total, gone)?))
            }
            Cost::Unknown => (Decimal::ZERO, Cost::Unknown),
        };
        self.qty = sub(self.qty, part)?;
        self.cost = rest;
        Ok(gone)
    }

    /// The same without the cost of the part, which costs a multiplication.
    #[inline]
    fn shrink(&mut self, part: Decimal) -> Result<()> {
        if matches!(self.cost, Cost::Each(_)) {
            self.qty = sub(self.qty, part)?;
            return Ok(());
        }
        self.take(part).map(|_| ())
    }
}

/// A lot as a reader sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenLot {
    /// How much of it is still open; positive when long, negative when short.
    pub qty: Decimal,
    /// Entry price a unit; `None` where it is unknown.
    pub price: Option<Decimal>,
    /// When it was opened; the window's start where it stood before.
    pub opened_at: DateTime<Utc>,
    /// The broker's id of the lot, where it assigns lots.
    pub id: Option<RecordId>,
}

/// All open lots of one position.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) enum Lots {
    /// First in, first out.
    Fifo(VecDeque<Lot>),
    /// Last in, first out.
    Lifo(VecDeque<Lot>),
    /// One pool at the average cost.
    Average(Pool),
    /// Taken as the broker says.
    Assigned(Assigned),
}

impl Lots {
    pub(super) fn clear(&mut self) {
        match self {
            Self::Fifo(lots) | Self::Lifo(lots) => lots.clear(),
            Self::Average(pool) => *pool = Pool::default(),
            Self::Assigned(lots) => *lots = Assigned::default(),
        }
    }

    #[inline]
    pub(super) fn push(&mut self, lot: Lot, id: Option<&RecordId>) -> Result<()> {
        match self {
            Self::Fifo(lots) | Self::Lifo(lots) => {
                lots.push_back(lot);
                Ok(())
            }
            Self::Average(pool) => pool.push(lot),
            Self::Assigned(lots) => lots.push(lot, id),
        }
    }

    /// Takes a quantity out, which is at most what is open.
    #[inline]
    pub(super) fn take(&mut self, qty: Decimal) -> Result<()> {
        match self {
            Self::Average(pool) => {
                pool.qty = sub(pool.qty, qty)?;
                Ok(())
            }
            Self::Fifo(_) | Self::Lifo(_) | Self::Assigned(_) => {
                self.take_lots(qty, |lot, part, whole| if whole { Ok(()) } else { lot.shrink(part) })
            }
        }
    }

    /// The same, and what that quantity had cost.
    pub(super) fn take_at_cost(&mut self, qty: Decimal) -> Result<Decimal> {
        if let Self::Average(pool) = self {
            let before = pool.cost()?;
            pool.qty = sub(pool.qty, qty)?;
            return sub(before, pool.cost()?);
        }
        let mut cost = Decimal::ZERO;
        self.take_lots(qty, |lot, part, _| {
            cost = add(cost, lot.take(part)?)?;
            Ok(())
        })?;
        Ok(cost)
    }

    /// The same lot by lot: gives each part that is taken, and what it had cost.
    pub(super) fn take_each(
        &mut self,
        qty: Decimal,
        mut each: impl FnMut(Decimal, Decimal) -> Result<()>,
    ) -> Result<()> {
        if matches!(self, Self::Average(_)) {
            let cost = self.take_at_cost(qty)?;
            return each(qty, cost);
        }
        self.take_lots(qty, |lot, part, _| {
            let cost = lot.take(part)?;
            each(part, cost)
        })
    }

    /// Takes from one of the broker's lots; answers what that lot gave, and what that had cost.
    pub(super) fn take_from(&mut self, id: &RecordId, qty: Decimal) -> Result<(Decimal, Decimal)> {
        match self {
            Self::Assigned(lots) => lots.take_from(id, qty),
            Self::Fifo(_) | Self::Lifo(_) | Self::Average(_) => Ok((Decimal::ZERO, Decimal::ZERO)),
        }
    }

    /// Makes again what a mark leaves out.
    pub(super) fn restore(&mut self) {
        if let Self::Assigned(lots) = self {
            let named = lots.by_age.iter();
            lots.ages = named.filter_map(|(age, (id, _))| Some((id.clone()?, *age))).collect();
        }
    }

    /// Gives each lot, the part that is taken from it, and whether that is all of it.
    #[inline]
    fn take_lots(&mut self, qty: Decimal, mut take: impl FnMut(&mut Lot, Decimal, bool) -> Result<()>) -> Result<()> {
        let mut rest = qty;
        while !rest.is_zero() {
            let next = match self {
                Self::Fifo(lots) => lots.front_mut(),
                Self::Lifo(lots) => lots.back_mut(),
                Self::Assigned(lots) => lots.first_mut(),
                Self::Average(_) => None,
            };
            let Some(lot) = next else { break };
            if compare(rest, lot.qty) == Ordering::Less {
                return take(lot, rest, false);
            }
            let part = lot.qty;
            take(lot, part, true)?;
            rest = sub(rest, part)?;
            match self {
                Self::Fifo(lots) => drop(lots.pop_front()),
                Self::Lifo(lots) => drop(lots.pop_back()),
                Self::Assigned(lots) => lots.drop_first(),
                Self::Average(_) => {}
            }
        }
        Ok(())
    }

    /// What all that is open cost, as far as it is known.
    pub(super) fn cost(&self) -> Result<Decimal> {
        match self {
            Self::Average(pool) => pool.cost(),
            Self::Fifo(lots) | Self::Lifo(lots) => total_cost(lots.iter()),
            Self::Assigned(lots) => total_cost(lots.by_age.values().map(|(_, lot)| lot)),
        }
    }

    /// Rescales from one quantity to another; the cost stays.
    pub(super) fn rescale(&mut self, from: Decimal, to: Decimal) -> Result<()> {
        match self {
            Self::Average(pool) => pool.rescale(to),
            Self::Fifo(lots) | Self::Lifo(lots) => rescale(lots.iter_mut(), from, to),
            Self::Assigned(lots) => rescale(lots.by_age.values_mut().map(|(_, lot)| lot), from, to),
        }
    }

    /// The lots for a reader, oldest first.
    pub(super) fn list(&self, short: bool, each: impl Fn(Decimal, Decimal) -> Result<Decimal>) -> Result<Vec<OpenLot>> {
        let mut out = Vec::new();
        let mut show = |lot: &Lot, id: Option<&RecordId>| {
            let price = match lot.cost {
                Cost::Each(price) => Some(price),
                Cost::Total(total) => Some(each(total, lot.qty)?),
                Cost::Unknown => None,
            };
            out.push(OpenLot {
                qty: if short { -lot.qty } else { lot.qty },
                price,
                opened_at: lot.at,
                id: id.cloned(),
            });
            Ok(())
        };
        match self {
            Self::Fifo(lots) | Self::Lifo(lots) => lots.iter().try_for_each(|lot| show(lot, None))?,
            Self::Average(pool) => pool.as_lot()?.iter().try_for_each(|lot| show(lot, None))?,
            Self::Assigned(lots) => lots.by_age.values().try_for_each(|(id, lot)| show(lot, id.as_ref()))?,
        }
        Ok(out)
    }
}

/// Everything in one lot. Its cost is kept as it was when the last unit came in, for what leaves takes its share.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Pool {
    qty: Decimal,
    filled_qty: Decimal,
    filled_cost: Decimal,
    unknown: bool,
    at: Option<DateTime<Utc>>,
}

impl Pool {
    fn push(&mut self, lot: Lot) -> Result<()> {
        let cost = add(self.cost()?, lot.cost.of(lot.qty)?)?;
        self.qty = add(self.qty, lot.qty)?;
        self.filled_qty = self.qty;
        self.filled_cost = cost;
        self.unknown |= lot.cost == Cost::Unknown;
        self.at.get_or_insert(lot.at);
        Ok(())
    }

    fn cost(&self) -> Result<Decimal> {
        if self.qty.is_zero() {
            return Ok(Decimal::ZERO);
        }
        share(self.filled_cost, self.qty, self.filled_qty)
    }

    fn rescale(&mut self, to: Decimal) -> Result<()> {
        self.filled_cost = self.cost()?;
        self.qty = to;
        self.filled_qty = to;
        Ok(())
    }

    fn as_lot(&self) -> Result<Option<Lot>> {
        let Some(at) = self.at.filter(|_| !self.qty.is_zero()) else {
            return Ok(None);
        };
        let cost = if self.unknown {
            Cost::Unknown
        } else {
            Cost::Total(self.cost()?)
        };
        Ok(Some(Lot {
            qty: self.qty,
            cost,
            at,
        }))
    }
}

/// Lots under the broker's names.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Assigned {
    by_age: BTreeMap<u64, (Option<RecordId>, Lot)>,
    /// Made again from `by_age` when the book goes on.
    #[serde(skip)]
    ages: HashMap<RecordId, u64>,
    next: u64,
}

impl Assigned {
    fn push(&mut self, lot: Lot, id: Option<&RecordId>) -> Result<()> {
        // A lot that the broker adds to keeps its age; its cost is then a sum.
        if let Some((_, known)) = id
            .and_then(|id| self.ages.get(id))
            .and_then(|age| self.by_age.get_mut(age))
        {
            known.cost = match (known.cost, lot.cost) {
                (Cost::Unknown, _) | (_, Cost::Unknown) => Cost::Unknown,
                (old, new) => Cost::Total(add(old.of(known.qty)?, new.of(lot.qty)?)?),
            };
            known.qty = add(known.qty, lot.qty)?;
            return Ok(());
        }
        if let Some(id) = id {
            self.ages.insert(id.clone(), self.next);
        }
        self.by_age.insert(self.next, (id.cloned(), lot));
        self.next += 1;
        Ok(())
    }

    fn first_mut(&mut self) -> Option<&mut Lot> {
        self.by_age.values_mut().next().map(|(_, lot)| lot)
    }

    fn drop_first(&mut self) {
        if let Some((_, (Some(id), _))) = self.by_age.pop_first() {
            self.ages.remove(&id);
        }
    }

    fn take_from(&mut self, id: &RecordId, qty: Decimal) -> Result<(Decimal, Decimal)> {
        let age = self.ages.get(id).copied();
        let Some((age, (_, lot))) = age.and_then(|age| Some((age, self.by_age.get_mut(&age)?))) else {
            return Ok((Decimal::ZERO, Decimal::ZERO));
        };
        let part = qty.min(lot.qty);
        let cost = lot.take(part)?;
        if lot.qty.is_zero() {
            self.by_age.remove(&age);
            self.ages.remove(id);
        }
        Ok((part, cost))
    }
}

fn total_cost<'a>(mut lots: impl Iterator<Item = &'a Lot>) -> Result<Decimal> {
    lots.try_fold(Decimal::ZERO, |sum, lot| add(sum, lot.cost.of(lot.qty)?))
}

/// Gives each lot its share of the new quantity, and the last one what rounding left, so that the sum is exact.
fn rescale<'a>(lots: impl Iterator<Item = &'a mut Lot>, from: Decimal, to: Decimal) -> Result<()> {
    let (mut old, mut new) = (from, to);
    for lot in lots {
        let qty = share(new, lot.qty, old)?;
        old = sub(old, lot.qty)?;
        new = sub(new, qty)?;
        lot.cost = match lot.cost {
            Cost::Unknown => Cost::Unknown,
            known => Cost::Total(known.of(lot.qty)?),
        };
        lot.qty = qty;
    }
    Ok(())
}

/// Price a unit of a total, for contracts that are not inverse.
pub(super) fn unit_price(total: Decimal, qty: Decimal) -> Result<Decimal> {
    average(total, qty)
}
