//! Records that are not fills: fees posted apart, in money or in kind, and flows of money or quantity.

use rust_decimal::Decimal;

use super::book::{LinkedFee, TradeBook, add_to};
use super::books::Reason;
use super::exact::quotient;
use super::round::add_money;
use super::slot::{Move, Worth};
use crate::error::Result;
use crate::id::{InstrumentId, Symbol};
use crate::model::{Asset, Fee, Flow, FlowKind, Payoff, PositionLeg, RecordKey, TradeExit};
use crate::num::Money;
use crate::symbol::SymbolKind;

impl TradeBook {
    pub(super) fn apply_fee(&mut self, fee: &Fee) -> Result<()> {
        let currency = match &fee.asset {
            Asset::Currency(currency) => *currency,
            Asset::Instrument { id, symbol } => return self.apply_fee_in_kind(fee, id, symbol),
        };
        let money = Money::new(fee.amount, currency);
        self.add_cash(-money)?;
        add_to(&mut self.fees, money)?;
        if let Some((_, instrument)) = self.settled.get(fee.id.get()).cloned() {
            self.add_loose_fee(&instrument, money)?;
        } else if fee.fill.is_some() || fee.order.is_some() {
            self.linked.push(LinkedFee {
                id: fee.id.clone(),
                at: fee.at,
                fill: fee.fill.clone(),
                order: fee.order.clone(),
                instrument: fee.instrument.clone(),
                money,
            });
        } else if let Some(instrument) = &fee.instrument {
            self.add_loose_fee(instrument, money)?;
        }
        Ok(())
    }

    /// The quantity leaves as if sold at the fee's price, and its value there is the fee: gross PnL is realized
    /// against its cost, and no cash moves. Without a price it is valued at the average entry price of its trade; the
    /// net PnL, less the cost of the quantity, is the same with any price.
    fn apply_fee_in_kind(&mut self, fee: &Fee, id: &InstrumentId, symbol: &Symbol) -> Result<()> {
        let Some(slot) = self.slot_for(id, symbol, -fee.amount) else {
            self.refuse(id, Reason::UnknownLeg, RecordKey::Fee(fee.id.clone()));
            return Ok(());
        };
        let Some(slot) = self.slots.get_mut(slot) else {
            return Ok(());
        };
        let price = match fee.price {
            Some(price) => Some(price.get()),
            None => slot.average_entry()?,
        };
        let of = Move {
            amount: -fee.amount,
            worth: price.map_or(Worth::Unknown, Worth::Price),
            paid: false,
            at: fee.at,
            exit: TradeExit::Moved,
        };
        let value = price.map(|price| super::round::value(fee.amount, price, slot.payoff()));
        let money = match (value.transpose()?, &slot.terms) {
            (Some(value), Some(terms)) => terms.money(value)?,
            _ => None,
        };
        let rest = slot.shift_open(&of)?;
        let was_open = slot.open.is_some();
        if was_open {
            slot.charge(money)?;
            slot.close_if_flat(of.at, of.exit);
        }
        slot.shift_in(&of, rest)?;
        if !was_open {
            slot.charge(money)?;
        }
        match money {
            Some(money) => {
                add_to(&mut self.fees, money)?;
                add_to(&mut self.in_kind, money)
            }
            None => {
                self.refuse(id, Reason::UnvaluedMove, RecordKey::Fee(fee.id.clone()));
                Ok(())
            }
        }
    }

    pub(super) fn apply_flow(&mut self, flow: &Flow) -> Result<()> {
        match &flow.asset {
            Asset::Currency(currency) => {
                let money = Money::new(flow.amount, *currency);
                self.book_flow_money(flow, money)?;
                if flow.kind == FlowKind::Financing
                    && let Some(instrument) = &flow.instrument
                {
                    self.book_financing(instrument, money)?;
                }
                flow.cash.map_or(Ok(()), |cash| self.book_flow_money(flow, cash))
            }
            Asset::Instrument { id, symbol } => self.apply_move(flow, id, symbol),
        }
    }

    fn book_flow_money(&mut self, flow: &Flow, money: Money) -> Result<()> {
        self.add_cash(money)?;
        add_to(self.flows.entry(flow.kind.clone()).or_default(), money)
    }

    /// Financing belongs to the open trade of its instrument, where there is exactly one.
    fn book_financing(&mut self, instrument: &InstrumentId, money: Money) -> Result<()> {
        let mut open = self
            .legs(instrument)
            .into_iter()
            .flatten()
            .filter(|&slot| self.is_open(slot));
        if let (Some(slot), None) = (open.next(), open.next())
            && let Some(round) = self.slots.get_mut(slot).and_then(|slot| slot.open.as_mut())
        {
            return round.add_flow_financing(money);
        }
        add_money(&mut self.loose.entry(instrument.clone()).or_default().financing, money)
    }

    fn apply_move(&mut self, flow: &Flow, id: &InstrumentId, symbol: &Symbol) -> Result<()> {
        let key = || RecordKey::Flow(flow.id.clone());
        if flow.amount.is_zero() {
            return flow.cash.map_or(Ok(()), |cash| self.book_flow_money(flow, cash));
        }
        let Some(place) = self.slot_for(id, symbol, flow.amount) else {
            self.refuse(id, Reason::UnknownLeg, key());
            return flow.cash.map_or(Ok(()), |cash| self.book_flow_money(flow, cash));
        };
        let Some(slot) = self.slots.get_mut(place) else {
            return Ok(());
        };

        if flow.kind == FlowKind::Split && slot.split(flow.amount)? {
            return flow.cash.map_or(Ok(()), |cash| self.book_flow_money(flow, cash));
        }
        let option = slot.terms.as_ref().map_or_else(
            || matches!(SymbolKind::of(symbol), SymbolKind::Option(_)),
            |terms| terms.option,
        );
        let ends = matches!(flow.kind, FlowKind::Expiry | FlowKind::Exercise | FlowKind::Assignment);
        let reduces = slot.reduces(flow.amount);
        let margined = slot.payoff() != Payoff::Cash;
        let (mut worth, mut paid, mut books_cash) = match (flow.price, flow.cash) {
            // A margined product pays the gain and nothing else.
            (_, Some(cash)) if margined && reduces => match slot.raw_value(cash)? {
                Some(gain) => (Worth::Gain(gain), true, false),
                None => (Worth::Unknown, false, true),
            },
            _ if option && ends && reduces => match flow.cash {
                Some(cash) => (slot.worth_of_cash(flow.amount, cash)?, false, true),
                None => (Worth::Price(Decimal::ZERO), margined, false),
            },
            (Some(price), cash) => {
                let delivered = !margined && matches!(flow.kind, FlowKind::Exercise | FlowKind::Assignment);
                let paid = cash.is_none() && (delivered || (margined && ends));
                (Worth::Price(price.get()), paid, cash.is_some())
            }
            (None, Some(cash)) => (slot.worth_of_cash(flow.amount, cash)?, false, true),
            (None, None) if ends && reduces => (Worth::Unknown, false, false),
            (None, None) => (Worth::Cost, false, false),
        };
        // An inverse contract has no value at a price of zero.
        if slot.payoff() == Payoff::Inverse && matches!(worth, Worth::Price(price) if price.is_zero()) {
            (worth, paid, books_cash) = (Worth::Unknown, false, flow.cash.is_some());
        }
        slot.shift(&Move {
            amount: flow.amount,
            worth,
            paid,
            at: flow.at,
            exit: if ends { TradeExit::Expired } else { TradeExit::Moved },
        })?;
        if matches!(worth, Worth::Unknown) {
            self.refuse(id, Reason::UnvaluedMove, key());
        }
        match flow.cash {
            Some(cash) if books_cash => self.book_flow_money(flow, cash),
            _ => Ok(()),
        }
    }

    /// The position that a quantity without a leg belongs to: the net one; else the only open leg; else, of two open
    /// legs, the one that it reduces. `None` where that cannot be told.
    fn slot_for(&mut self, id: &InstrumentId, symbol: &Symbol, amount: Decimal) -> Option<usize> {
        let [net, long, short] = self.legs(id);
        if net.is_some() || (long.is_none() && short.is_none()) {
            return Some(self.slot_of(id, symbol, PositionLeg::Net));
        }
        let open = |leg: Option<usize>| leg.filter(|&slot| self.is_open(slot));
        match (open(long), open(short)) {
            (Some(long), Some(short)) => Some(if amount.is_sign_negative() { long } else { short }),
            (Some(one), None) | (None, Some(one)) => Some(one),
            (None, None) => None,
        }
    }

    fn is_open(&self, slot: usize) -> bool {
        self.slots.get(slot).is_some_and(|slot| slot.open.is_some())
    }
}

impl super::slot::Slot {
    fn reduces(&self, amount: Decimal) -> bool {
        let position = self.position();
        !position.is_zero() && position.is_sign_negative() != amount.is_sign_negative()
    }

    /// Cash as a value without the multiplier; `None` where that is unknown, or the cash of another currency.
    fn raw_value(&self, cash: Money) -> Result<Option<Decimal>> {
        match &self.terms {
            Some(terms) if terms.currency == cash.currency => terms
                .multiplier
                .filter(|multiplier| !multiplier.is_zero())
                .map(|multiplier| quotient(cash.amount, multiplier))
                .transpose(),
            _ => Ok(None),
        }
    }

    /// What moved is worth the cash that moved against it.
    fn worth_of_cash(&self, amount: Decimal, cash: Money) -> Result<Worth> {
        let Some(value) = self.raw_value(cash)? else {
            return Ok(Worth::Unknown);
        };
        Ok(Worth::Value(if amount.is_sign_negative() { value } else { -value }))
    }

    /// Average entry price of the open round; `None` where there is none, or where it is unknown.
    fn average_entry(&self) -> Result<Option<Decimal>> {
        match &self.open {
            Some(round) => round.average_entry(self.payoff()),
            None => Ok(None),
        }
    }

    fn charge(&mut self, fee: Option<Money>) -> Result<()> {
        match (&mut self.open, fee) {
            (Some(round), Some(fee)) => round.add_fee_in_kind(fee),
            _ => Ok(()),
        }
    }
}
