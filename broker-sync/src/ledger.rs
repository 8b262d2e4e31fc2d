//! What records do to what an account holds.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use broker_core::model::{Asset, Balances, Fee, Fill, Flow, Instrument, Payoff, Position, PositionLeg, Record};
use broker_core::{Currency, Error, InstrumentId, Result, Symbol};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::report::PositionDifference;
use crate::state::Holding;

/// What an account holds, or how that changes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ledger {
    qty: BTreeMap<Key, Decimal>,
    /// Coins whose balance is also moved by what trades cost. A venue rounds each cost, so they are not compared.
    rounded: BTreeSet<Currency>,
}

/// A ledger as it is kept.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct LedgerText {
    qty: Vec<Holding>,
    rounded: BTreeSet<Currency>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    thing: Thing,
    leg: PositionLeg,
}

/// An asset. The symbol is for people and no part of its identity: two rows may write it differently.
#[derive(Debug, Clone)]
enum Thing {
    Coin(Currency),
    Instrument(InstrumentId, Symbol),
}

impl Thing {
    fn identity(&self) -> (Option<Currency>, Option<&InstrumentId>) {
        match self {
            Self::Coin(currency) => (Some(*currency), None),
            Self::Instrument(id, _) => (None, Some(id)),
        }
    }
}

impl PartialEq for Thing {
    fn eq(&self, other: &Self) -> bool {
        self.identity() == other.identity()
    }
}

impl Eq for Thing {}

impl PartialOrd for Thing {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Thing {
    fn cmp(&self, other: &Self) -> Ordering {
        self.identity().cmp(&other.identity())
    }
}

/// Where the broker states what fills are in.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rules<'a> {
    /// As positions, all of it; else pairs that are held outright are in the balances of their coins.
    pub(crate) positions_cover_fills: bool,
    pub(crate) instruments: &'a BTreeMap<InstrumentId, Instrument>,
}

impl Ledger {
    /// What these records change.
    pub(crate) fn of<'a>(records: impl IntoIterator<Item = &'a Record>, rules: Rules<'_>) -> Result<Self> {
        let mut ledger = Self::default();
        records.into_iter().try_for_each(|record| ledger.count(record, rules))?;
        Ok(ledger)
    }

    /// Adds what a record changes.
    pub(crate) fn count(&mut self, record: &Record, rules: Rules<'_>) -> Result<()> {
        match record {
            Record::Fill(fill) => self.fill(fill, rules),
            Record::Fee(fee) => self.fee(fee),
            Record::Flow(flow) => self.flow(flow),
            Record::Void(_) => Ok(()),
        }
    }

    /// All of it, to be kept.
    pub(crate) fn text(&self) -> LedgerText {
        let holding = |(key, qty): (&Key, &Decimal)| Holding {
            asset: key.asset(),
            leg: key.leg,
            qty: *qty,
        };
        LedgerText {
            qty: self.qty.iter().map(holding).collect(),
            rounded: self.rounded.clone(),
        }
    }

    /// What was kept.
    pub(crate) fn of_text(text: &LedgerText) -> Result<Self> {
        let ledger = Self::held(&text.qty)?;
        Ok(Self {
            rounded: text.rounded.clone(),
            ..ledger
        })
    }

    /// What the broker states.
    pub(crate) fn stated(positions: &[Position], balances: Option<&Balances>) -> Result<Self> {
        let mut ledger = Self::default();
        for position in positions {
            let key = Key::instrument(&position.instrument, &position.symbol, position.leg);
            ledger.add(key, position.signed_qty())?;
        }
        for balance in balances.iter().flat_map(|balances| &balances.balances) {
            ledger.add(Key::coin(balance.currency), balance.total)?;
        }
        Ok(ledger)
    }

    /// What was stored.
    pub(crate) fn held(holdings: &[Holding]) -> Result<Self> {
        let mut ledger = Self::default();
        for holding in holdings {
            ledger.add(Key::of(&holding.asset, holding.leg), holding.qty)?;
        }
        Ok(ledger)
    }

    /// With the broker's word in the place of a sum that differed from it.
    pub(crate) fn corrected(mut self, difference: &PositionDifference) -> Self {
        let key = Key::of(&difference.asset, difference.leg);
        self.qty.insert(key, difference.stated);
        self
    }

    pub(crate) fn plus(mut self, other: &Self) -> Result<Self> {
        for (key, qty) in &other.qty {
            self.add(key.clone(), *qty)?;
        }
        self.rounded.extend(&other.rounded);
        Ok(self)
    }

    pub(crate) fn minus(mut self, other: &Self) -> Result<Self> {
        for (key, qty) in &other.qty {
            self.add(key.clone(), -*qty)?;
        }
        self.rounded.extend(&other.rounded);
        Ok(self)
    }

    /// What is not zero, of all that can be compared.
    pub(crate) fn holdings(&self, asked: Asked) -> Vec<Holding> {
        self.qty
            .iter()
            .filter(|(key, qty)| !qty.is_zero() && self.compares(key, asked))
            .map(|(key, qty)| Holding {
                asset: key.asset(),
                leg: key.leg,
                qty: *qty,
            })
            .collect()
    }

    /// Where this differs from what the broker states, and how many holdings were compared.
    pub(crate) fn compare(&self, stated: &Self, asked: Asked) -> (Vec<PositionDifference>, u64) {
        let keys: BTreeSet<&Key> = self.qty.keys().chain(stated.qty.keys()).collect();
        let mut compared = 0;
        let mut differences = Vec::new();
        for key in keys {
            if !self.compares(key, asked) {
                continue;
            }
            compared += 1;
            let qty = |ledger: &Self| ledger.qty.get(key).copied().unwrap_or_default();
            if qty(self) != qty(stated) {
                differences.push(PositionDifference {
                    asset: key.asset(),
                    leg: key.leg,
                    summed: qty(self),
                    stated: qty(stated),
                });
            }
        }
        (differences, compared)
    }

    fn compares(&self, key: &Key, asked: Asked) -> bool {
        match key.thing {
            Thing::Coin(coin) => asked == Asked::PositionsAndBalances && !self.rounded.contains(&coin),
            Thing::Instrument(..) => true,
        }
    }

    /// Coins that were not compared.
    pub(crate) fn rounded(&self) -> impl Iterator<Item = &Currency> {
        self.rounded.iter()
    }

    fn fill(&mut self, fill: &Fill, rules: Rules<'_>) -> Result<()> {
        let known = rules.instruments.get(&fill.instrument);
        let base = known
            .filter(|instrument| instrument.payoff == Payoff::Cash)
            .and_then(|instrument| instrument.base);
        let own = Key::instrument(&fill.instrument, &fill.symbol, fill.leg);
        let signed = fill.qty.signed(fill.side);
        // What a margined position gains moves this money, by amounts that its fills do not say.
        if let Some(margined) = known.filter(|known| known.payoff == Payoff::Margined)
            && !rules.positions_cover_fills
        {
            self.rounded.insert(margined.currency);
        }
        let held_in = match (base, known) {
            (Some(base), Some(instrument)) if !rules.positions_cover_fills => {
                self.rounded.insert(instrument.currency);
                Key::coin(base)
            }
            _ => own,
        };
        self.add(held_in.clone(), signed)?;
        for fee in &fill.fees {
            // A fee in the coin that was bought leaves less of it.
            let paid_from = if base == Some(fee.currency) {
                held_in.clone()
            } else {
                Key::coin(fee.currency)
            };
            self.add(paid_from, -fee.amount)?;
        }
        Ok(())
    }

    fn fee(&mut self, fee: &Fee) -> Result<()> {
        if fee.canceled {
            return Ok(());
        }
        self.add(Key::of(&fee.asset, PositionLeg::Net), -fee.amount)
    }

    fn flow(&mut self, flow: &Flow) -> Result<()> {
        if flow.canceled {
            return Ok(());
        }
        self.add(Key::of(&flow.asset, PositionLeg::Net), flow.amount)?;
        match flow.cash {
            Some(cash) => self.add(Key::coin(cash.currency), cash.amount),
            None => Ok(()),
        }
    }

    fn add(&mut self, key: Key, qty: Decimal) -> Result<()> {
        let sum = self.qty.entry(key).or_default();
        *sum = sum
            .checked_add(qty)
            .ok_or_else(|| Error::invalid("the quantities of an account do not fit when summed up"))?;
        Ok(())
    }
}

/// What the broker was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    /// Positions alone.
    Positions,
    /// Positions and balances.
    PositionsAndBalances,
}

impl Key {
    fn coin(currency: Currency) -> Self {
        Self {
            thing: Thing::Coin(currency),
            leg: PositionLeg::Net,
        }
    }

    fn instrument(id: &InstrumentId, symbol: &Symbol, leg: PositionLeg) -> Self {
        Self {
            thing: Thing::Instrument(id.clone(), symbol.clone()),
            leg,
        }
    }

    fn of(asset: &Asset, leg: PositionLeg) -> Self {
        match asset {
            Asset::Currency(currency) => Self::coin(*currency),
            Asset::Instrument { id, symbol } => Self::instrument(id, symbol, leg),
        }
    }

    fn asset(&self) -> Asset {
        match &self.thing {
            Thing::Coin(currency) => Asset::Currency(*currency),
            Thing::Instrument(id, symbol) => Asset::Instrument {
                id: id.clone(),
                symbol: symbol.clone(),
            },
        }
    }
}
