//! One round trip while it is being counted.

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;

use super::exact::{add, average, larger, mul, sub};
use super::terms::Terms;
use crate::error::Result;
use crate::id::{AccountId, FillId, OrderId};
use crate::model::{Basis, Fill, Payoff, Trade, TradeExit};
use crate::num::{Money, Price, Qty, Side};

/// Places of the price at which a fee in kind is valued when its row has none.
const FEE_PRICE_PLACES: u32 = 8;

/// What came in or went out at one price, in all. A value is price x quantity, or quantity / price if inverse; the
/// multiplier is applied when it is read, so that values are exact without it.
#[derive(Debug, Clone, Copy, Default)]
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
#[derive(Debug, Clone)]
pub(super) struct Round {
    pub(super) side: Side,
    pub(super) opened_at: DateTime<Utc>,
    closed_at: Option<DateTime<Utc>>,
    exit: Option<TradeExit>,
    pub(super) held: Decimal,
    exited: Decimal,
    peak: Decimal,
    entries: Sum,
    exits: Sum,
    pub(super) unknown: bool,
    /// On its fills.
    pub(super) fees: Vec<Money>,
    /// By rows of their own, that moved quantity and no cash.
    pub(super) fees_in_kind: Vec<Money>,
    /// On its fills.
    pub(super) financing: Vec<Money>,
    /// By flows.
    pub(super) flow_financing: Vec<Money>,
    broker_pnl: Option<Money>,
    /// The broker stated PnL in two currencies: no one sum.
    broker_mixed: bool,
    pub(super) fills: Vec<FillId>,
    pub(super) orders: Vec<OrderId>,
}

impl Round {
    pub(super) fn new(side: Side, opened_at: DateTime<Utc>) -> Self {
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
            fees: Vec::with_capacity(1),
            fees_in_kind: Vec::new(),
            financing: Vec::new(),
            flow_financing: Vec::new(),
            broker_pnl: None,
            broker_mixed: false,
            fills: Vec::new(),
            orders: Vec::new(),
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

    /// Books a fill's ids on it.
    #[inline]
    pub(super) fn note(&mut self, fill: &Fill) {
        self.fills.push(fill.id.clone());
        if let Some(order) = &fill.order
            && self.orders.last() != Some(order)
        {
            self.orders.push(order.clone());
        }
    }

    pub(super) fn note_broker_pnl(&mut self, pnl: Money) -> Result<()> {
        self.broker_pnl = match self.broker_pnl {
            None => Some(pnl),
            Some(sum) if sum.currency == pnl.currency => Some(Money::new(add(sum.amount, pnl.amount)?, pnl.currency)),
            Some(sum) => {
                self.broker_mixed = true;
                Some(sum)
            }
        };
        Ok(())
    }

    /// The quantities after a split, in the new units; the values stay.
    pub(super) fn rescale(&mut self, to: Decimal) -> Result<()> {
        let from = self.held;
        self.exited = super::exact::share(self.exited, to, from)?;
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
    pub(super) fn trade(&self, account: &AccountId, of: &super::slot::Slot) -> Result<Trade> {
        let (fees, financing) = (self.fees.clone(), self.financing.clone());
        self.trade_with(account, of, fees, financing, self.fills.clone())
    }

    /// The same, out of the round's own rows.
    pub(super) fn into_trade(mut self, account: &AccountId, of: &super::slot::Slot) -> Result<Trade> {
        let (fees, financing) = (std::mem::take(&mut self.fees), std::mem::take(&mut self.financing));
        let fills = std::mem::take(&mut self.fills);
        self.trade_with(account, of, fees, financing, fills)
    }

    fn trade_with(
        &self,
        account: &AccountId,
        of: &super::slot::Slot,
        fees: Vec<Money>,
        financing: Vec<Money>,
        fills: Vec<FillId>,
    ) -> Result<Trade> {
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
            fees: merged(fees, &self.fees_in_kind)?,
            financing: merged(financing, &self.flow_financing)?,
            broker_pnl: self.broker_pnl.filter(|_| !self.broker_mixed),
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

fn merged(mut rows: Vec<Money>, more: &[Money]) -> Result<Vec<Money>> {
    more.iter().try_for_each(|money| add_money(&mut rows, *money))?;
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
