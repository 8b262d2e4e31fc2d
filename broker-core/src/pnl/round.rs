//! One round trip while it is being counted.
//!
//! A book holds one for each trade that it ever saw, so a round is kept small: what is rare stands in a box, and the ids
//! of its orders stand with those of all other rounds, in the [`Slot`].

use std::ops::Range;

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::exact::{add, average, larger, mul, sub};
use super::slot::Slot;
use super::terms::Terms;
use crate::error::Result;
use crate::id::{AccountId, FillId};
use crate::model::{Basis, Payoff, Trade, TradeExit};
use crate::num::{Currency, Money, Price, Qty, Side};

/// Places of the price at which a fee in kind is valued when its row has none.
const FEE_PRICE_PLACES: u32 = 8;

/// What came in or went out at one price, in all. A value is price x quantity, or quantity / price if inverse; the
/// multiplier is applied when it is read, so that values are exact without it.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
struct Sum {
    value: Decimal,
    first_price: Decimal,
    count: u32,
}

impl Sum {
    #[inline]
    fn add(&mut self, value: Decimal, price: Option<Decimal>) -> Result<()> {
        self.value = add(self.value, value)?;
        match price {
            Some(price) if self.count == 0 => {
                self.first_price = price;
                self.count = 1;
            }
            _ => self.count = self.count.saturating_add(2),
        }
        Ok(())
    }

    /// The one price as it was sent, or the average to 28 digits.
    fn price(&self, qty: Decimal, payoff: Payoff) -> Result<Option<Price>> {
        let price = match payoff {
            _ if qty.is_zero() => return Ok(None),
            _ if self.count == 1 => self.first_price,
            Payoff::Cash | Payoff::Margined => average(self.value, qty)?,
            Payoff::Inverse if self.value.is_zero() => return Ok(None),
            Payoff::Inverse => average(qty, self.value)?,
        };
        Ok(Some(Price::new(price)))
    }
}

/// A round trip, from flat to flat, as sums.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Round {
    pub(super) side: Side,
    pub(super) opened_at: DateTime<Utc>,
    pub(super) closed_at: Option<DateTime<Utc>>,
    exit: Option<TradeExit>,
    pub(super) held: Decimal,
    exited: Decimal,
    peak: Decimal,
    entries: Sum,
    exits: Sum,
    pub(super) unknown: bool,
    /// Fees on its fills in the currency of the first one.
    fee: Option<Money>,
    rare: Option<Box<Rare>>,
    pub(super) fills: Vec<FillId>,
    /// Places of its orders in the slot.
    pub(super) orders: Range<usize>,
}

/// What few rounds have.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Rare {
    /// Fees on its fills in further currencies.
    fees: Vec<Money>,
    /// By rows of their own, that moved quantity and no cash.
    fees_in_kind: Vec<Money>,
    /// On its fills.
    financing: Vec<Money>,
    /// By flows.
    flow_financing: Vec<Money>,
    broker_pnl: Option<Money>,
    /// The broker stated PnL in two currencies: no one sum.
    broker_mixed: bool,
    /// Our PnL in the account's currency, as the broker converts it.
    converted: Option<Converted>,
}

/// Closing parts in the account's currency.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Converted {
    sum: Money,
    /// How much of the exits is in it.
    qty: Decimal,
}

impl Round {
    /// A round whose orders start at this place.
    pub(super) fn new(side: Side, opened_at: DateTime<Utc>, orders: usize) -> Self {
        Self {
            side,
            opened_at,
            closed_at: None,
            exit: None,
            held: Decimal::ZERO,
            exited: Decimal::ZERO,
            peak: Decimal::ZERO,
            entries: Sum::default(),
            exits: Sum::default(),
            unknown: false,
            fee: None,
            rare: None,
            fills: Vec::new(),
            orders: orders..orders,
        }
    }

    #[inline]
    pub(super) fn enter(&mut self, qty: Decimal, value: Decimal, price: Option<Decimal>) -> Result<()> {
        self.entries.add(value, price)?;
        self.held = add(self.held, qty)?;
        self.peak = larger(self.peak, self.held);
        Ok(())
    }

    #[inline]
    pub(super) fn leave(&mut self, qty: Decimal, value: Decimal, price: Option<Decimal>) -> Result<()> {
        self.exits.add(value, price)?;
        self.held = sub(self.held, qty)?;
        self.exited = add(self.exited, qty)?;
        Ok(())
    }

    pub(super) fn close(&mut self, at: DateTime<Utc>, exit: TradeExit) {
        self.closed_at = Some(at);
        self.exit = Some(exit);
    }

    /// Adds a fee on a fill.
    #[inline]
    pub(super) fn add_fee(&mut self, fee: Money) -> Result<()> {
        match &mut self.fee {
            None => self.fee = Some(fee),
            Some(sum) if sum.currency == fee.currency => sum.amount = add(sum.amount, fee.amount)?,
            Some(_) => add_money(&mut self.rare().fees, fee)?,
        }
        Ok(())
    }

    pub(super) fn add_fee_in_kind(&mut self, fee: Money) -> Result<()> {
        add_money(&mut self.rare().fees_in_kind, fee)
    }

    /// Adds financing on a fill.
    pub(super) fn add_financing(&mut self, money: Money) -> Result<()> {
        add_money(&mut self.rare().financing, money)
    }

    pub(super) fn add_flow_financing(&mut self, money: Money) -> Result<()> {
        add_money(&mut self.rare().flow_financing, money)
    }

    pub(super) fn add_broker_pnl(&mut self, pnl: Money) -> Result<()> {
        let rare = self.rare();
        match &mut rare.broker_pnl {
            None => rare.broker_pnl = Some(pnl),
            Some(sum) if sum.currency == pnl.currency => sum.amount = add(sum.amount, pnl.amount)?,
            Some(_) => rare.broker_mixed = true,
        }
        Ok(())
    }

    /// Adds what a closing part brought in the account's currency. Of a second currency nothing is kept, so that the
    /// sum does not cover the exits.
    pub(super) fn add_converted(&mut self, pnl: Money, qty: Decimal) -> Result<()> {
        match &mut self.rare().converted {
            none @ None => *none = Some(Converted { sum: pnl, qty }),
            Some(known) if known.sum.currency == pnl.currency => {
                known.sum.amount = add(known.sum.amount, pnl.amount)?;
                known.qty = add(known.qty, qty)?;
            }
            Some(_) => {}
        }
        Ok(())
    }

    /// Our PnL in the currency that the broker states it in, where every exit was converted to it.
    pub(super) fn converted(&self, currency: Currency) -> Option<Money> {
        if !self.unknown && self.exited.is_zero() {
            // Nothing is realized yet, in whichever currency.
            return Some(Money::new(Decimal::ZERO, currency));
        }
        let converted = self.rare.as_ref()?.converted?;
        (!self.unknown && converted.sum.currency == currency && converted.qty == self.exited).then_some(converted.sum)
    }

    fn rare(&mut self) -> &mut Rare {
        self.rare.get_or_insert_default()
    }

    /// Fees on its fills, a row a currency.
    pub(super) fn fees(&self) -> impl Iterator<Item = &Money> {
        let more = self.rare.iter().flat_map(|rare| &rare.fees);
        self.fee.iter().chain(more)
    }

    /// Financing on its fills, a row a currency.
    pub(super) fn financing(&self) -> impl Iterator<Item = &Money> {
        self.rare.iter().flat_map(|rare| &rare.financing)
    }

    /// The quantities after a split, in the new units; the values stay.
    pub(super) fn rescale(&mut self, to: Decimal) -> Result<()> {
        let from = self.held;
        self.exited = super::exact::share(self.exited, to, from)?;
        if let Some(converted) = self.rare.as_mut().and_then(|rare| rare.converted.as_mut()) {
            converted.qty = super::exact::share(converted.qty, to, from)?;
        }
        self.peak = larger(super::exact::share(self.peak, to, from)?, to);
        self.held = to;
        // The first price was in old units.
        self.entries.count = self.entries.count.saturating_add(2);
        self.exits.count = self.exits.count.saturating_add(2);
        Ok(())
    }

    /// Realized so far without the multiplier; `open` is what the open lots cost.
    pub(super) fn realized(&self, open: Decimal, payoff: Payoff) -> Result<Decimal> {
        let gone = sub(self.entries.value, open)?;
        let gain = sub(self.exits.value, gone)?;
        let flipped = (self.side == Side::Sell) != (payoff == Payoff::Inverse);
        Ok(if flipped { -gain } else { gain })
    }

    /// Average entry price so far, short enough to be multiplied again.
    pub(super) fn average_entry(&self, payoff: Payoff) -> Result<Option<Decimal>> {
        if self.unknown {
            return Ok(None);
        }
        let price = self.entries.price(add(self.held, self.exited)?, payoff)?;
        Ok(price.map(|price| price.get().round_dp(FEE_PRICE_PLACES)))
    }

    /// Value that came in by trading, less what went out: what a product whose price is paid does to cash.
    pub(super) fn proceeds(&self) -> Result<Decimal> {
        let gain = sub(self.exits.value, self.entries.value)?;
        Ok(if self.side == Side::Sell { -gain } else { gain })
    }

    /// The round for a reader.
    pub(super) fn trade(&self, account: &AccountId, of: &Slot) -> Result<Trade> {
        self.trade_with(account, of, self.fills.clone())
    }

    /// The same, out of the round's own list of fills.
    pub(super) fn into_trade(mut self, account: &AccountId, of: &Slot) -> Result<Trade> {
        let fills = std::mem::take(&mut self.fills);
        self.trade_with(account, of, fills)
    }

    fn trade_with(&self, account: &AccountId, of: &Slot, fills: Vec<FillId>) -> Result<Trade> {
        let payoff = of.payoff();
        let qty = add(self.held, self.exited)?;
        let exit_price = self.exits.price(self.exited, payoff)?;
        let (entry_price, gross_pnl) = if self.unknown {
            (None, None)
        } else {
            let open = if self.held.is_zero() {
                Decimal::ZERO
            } else {
                of.open_cost()?
            };
            let gross = of.terms.as_ref().map(|terms| terms.money(self.realized(open, payoff)?));
            (self.entries.price(qty, payoff)?, gross.transpose()?.flatten())
        };
        let rare = self.rare.as_deref();
        Ok(Trade {
            account: account.clone(),
            instrument: of.instrument.clone(),
            symbol: of.symbol.clone(),
            leg: of.leg,
            side: self.side,
            opened_at: self.opened_at,
            closed_at: self.closed_at,
            exit: self.exit,
            qty: Qty::new(qty)?,
            exit_qty: Qty::new(self.exited)?,
            peak_qty: Qty::new(self.peak)?,
            entry_price,
            exit_price,
            gross_pnl,
            fees: merged(self.fee, rare.map(|rare| [&rare.fees, &rare.fees_in_kind]))?,
            financing: merged(None, rare.map(|rare| [&rare.financing, &rare.flow_financing]))?,
            broker_pnl: rare.filter(|rare| !rare.broker_mixed).and_then(|rare| rare.broker_pnl),
            pips: self.pips(entry_price, exit_price, of.terms.as_ref())?,
            basis: if self.unknown { Basis::Unknown } else { Basis::Known },
            fills,
        })
    }

    fn pips(&self, entry: Option<Price>, exit: Option<Price>, terms: Option<&Terms>) -> Result<Option<Decimal>> {
        let (Some(entry), Some(exit), Some(pip), true) =
            (entry, exit, terms.and_then(|terms| terms.pip), self.held.is_zero())
        else {
            return Ok(None);
        };
        // An average may have 28 digits; the difference of two may then be rounded in the last.
        let Some(moved) = exit.get().checked_sub(entry.get()) else {
            return Ok(None);
        };
        let pips = average(moved, pip)?;
        Ok(Some(if self.side == Side::Sell { -pips } else { pips }))
    }
}

/// Rounds that are over, in pieces: a growing list moves none of them, and gives its memory back while it is read.
#[derive(Debug, Clone, Default)]
pub(super) struct Done(Vec<Vec<Round>>);

const LARGEST_PIECE: usize = 256;

impl Done {
    #[inline]
    pub(super) fn push(&mut self, round: Round) {
        match self.0.last_mut() {
            Some(piece) if piece.len() < piece.capacity() => piece.push(round),
            last => {
                let size = last.map_or(1, |piece| (2 * piece.len()).min(LARGEST_PIECE));
                let mut piece = Vec::with_capacity(size);
                piece.push(round);
                self.0.push(piece);
            }
        }
    }

    pub(super) fn len(&self) -> usize {
        self.0.iter().map(Vec::len).sum()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Round> {
        self.0.iter().flatten()
    }

    pub(super) fn into_iter(self) -> impl Iterator<Item = Round> {
        self.0.into_iter().flatten()
    }
}

fn merged(first: Option<Money>, more: Option<[&Vec<Money>; 2]>) -> Result<Vec<Money>> {
    let mut rows = Vec::from_iter(first);
    let mut more = more.into_iter().flatten().flatten();
    more.try_for_each(|money| add_money(&mut rows, *money))?;
    Ok(rows)
}

/// Adds an amount to the row of its currency.
#[inline]
pub(super) fn add_money(rows: &mut Vec<Money>, money: Money) -> Result<()> {
    match rows.iter_mut().find(|row| row.currency == money.currency) {
        Some(row) => row.amount = add(row.amount, money.amount)?,
        None => rows.push(money),
    }
    Ok(())
}

/// Value of a quantity at a price, without the multiplier.
#[inline]
pub(super) fn value(qty: Decimal, price: Decimal, payoff: Payoff) -> Result<Decimal> {
    match payoff {
        Payoff::Cash | Payoff::Margined => mul(price, qty),
        Payoff::Inverse => super::exact::quotient(qty, price),
    }
}
