//! Where a book stands, to be kept and gone on from: what is open, digit for digit, and the sums of what is over.
//!
//! A round trip that is over never changes, so it leaves the book and is kept elsewhere. What reaches across is a fee
//! row that names a fill or an order: [`TradeBook::link`] gives each to its trade once all rows are known.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::book::{LinkedFee, Loose, LotMethod, TradeBook};
use super::books::{InstrumentBook, Places, Unpriced, ours};
use super::exact::add;
use super::round::{Round, add_money};
use super::slot::Slot;
use super::terms::Terms;
use crate::error::Result;
use crate::id::{AccountId, FillId, InstrumentId, OrderId, RecordId};
use crate::model::{FlowKind, Instrument, Payoff, Trade};
use crate::num::{Currency, Money};

/// Where a book stood after some of its records: lots, open round trips, and the sums of those that were over.
///
/// What is written with serde is read back digit for digit by the same version of this crate; by another it may be an
/// error, and then the records are folded from their start.
///
/// ```
/// # use broker_core::pnl::{BookMark, TradeBook};
/// # fn keep(records: &[broker_core::Record], more: &[broker_core::Record]) -> broker_core::Result<()> {
/// let mut book = TradeBook::fifo();
/// records.iter().try_for_each(|record| book.apply(record))?;
/// let (mark, closed) = book.mark()?; // both may be stored
/// let mut book = TradeBook::resume(mark);
/// more.iter().try_for_each(|record| book.apply(record))?;
/// let books = book.books_with(closed)?; // what folding all of them at once gives
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct BookMark {
    method: LotMethod,
    account: Option<AccountId>,
    since: Option<DateTime<Utc>>,
    terms: BTreeMap<InstrumentId, Terms>,
    slots: Vec<Slot>,
    cash: BTreeMap<Currency, Decimal>,
    fees: BTreeMap<Currency, Decimal>,
    in_kind: BTreeMap<Currency, Decimal>,
    flows: BTreeMap<FlowKind, BTreeMap<Currency, Decimal>>,
    linked: Vec<LinkedFee>,
    settled: BTreeMap<RecordId, (DateTime<Utc>, InstrumentId)>,
    loose: BTreeMap<InstrumentId, Loose>,
    refused: Vec<Unpriced>,
    unassigned: Vec<FillId>,
}

/// A round trip that is over, taken out of its book.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClosedTrade {
    /// The round trip.
    pub trade: Trade,
    /// Our PnL in the currency in which the broker states its own, where it states one; else before fees as it is.
    pub ours: Option<Money>,
    /// Place of its position in the book.
    place: usize,
    /// For fee rows that name an order.
    #[serde(skip)]
    orders: Vec<OrderId>,
}

impl ClosedTrade {
    /// The place of its position among those of the book: trades that were opened in one moment stand in this order.
    pub fn place(&self) -> usize {
        self.place
    }
}

/// What the round trips came to that were taken out of a slot.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Past {
    /// On fills.
    pub(super) fees: Vec<Money>,
    /// On fills.
    pub(super) financing: Vec<Money>,
    /// What they did to cash, without the multiplier.
    pub(super) cash: Decimal,
    /// The entry price of one of them is not known.
    pub(super) unknown: bool,
    /// What their trades say.
    pub(super) book: InstrumentBook,
}

impl Past {
    fn take(&mut self, round: &Round, trade: &Trade, payoff: Payoff) -> Result<()> {
        round.fees().try_for_each(|fee| add_money(&mut self.fees, *fee))?;
        round
            .financing()
            .try_for_each(|money| add_money(&mut self.financing, *money))?;
        self.unknown |= round.unknown;
        self.cash = match payoff {
            Payoff::Cash => add(self.cash, round.proceeds()?)?,
            Payoff::Margined | Payoff::Inverse => add(self.cash, round.realized(Decimal::ZERO, payoff)?)?,
        };
        self.book.count(trade)
    }
}

impl BookMark {
    /// Whether prices of this instrument become money now as they did when its records were counted.
    pub fn holds_for(&self, instrument: &Instrument) -> bool {
        let terms = Terms::of(instrument);
        let mut own = self.slots.iter().filter(|slot| slot.instrument == instrument.id);
        own.all(|slot| slot.terms.as_ref() == Some(&terms))
    }

    /// The instruments that it holds positions or trades of.
    pub fn instruments(&self) -> impl Iterator<Item = &InstrumentId> {
        self.slots.iter().map(|slot| &slot.instrument)
    }

    /// By which lots it counts.
    pub fn method(&self) -> LotMethod {
        self.method
    }
}

/// Where a linked fee belongs.
struct Target {
    /// Place among the trades that were taken out; `None` for an open one.
    closed: Option<usize>,
    closed_at: Option<DateTime<Utc>>,
    slot: usize,
    instrument: InstrumentId,
}

impl TradeBook {
    /// A book that goes on where another one stood.
    pub fn resume(mark: BookMark) -> Self {
        let mut book = Self::new(mark.method);
        book.account = mark.account;
        book.since = mark.since;
        book.terms = mark.terms;
        book.slots = mark.slots;
        book.cash = mark.cash;
        book.fees = mark.fees;
        book.in_kind = mark.in_kind;
        book.flows = mark.flows;
        book.linked = mark.linked;
        book.settled = mark.settled;
        book.loose = mark.loose;
        book.refused = mark.refused;
        book.unassigned = mark.unassigned;
        book.restore();
        book
    }

    /// Where the book stands. The round trips that are over leave it and are given back; their sums stay. A
    /// [`Void`](crate::model::Void) of one of their fills is no longer noticed.
    pub fn mark(&mut self) -> Result<(BookMark, Vec<ClosedTrade>)> {
        self.check()?;
        let closed = self.take_closed();
        let closed = self.keep(closed)?;
        let mark = BookMark {
            method: self.method,
            account: self.account.clone(),
            since: self.since,
            terms: self.terms.clone(),
            slots: self.slots.clone(),
            cash: self.cash.clone(),
            fees: self.fees.clone(),
            in_kind: self.in_kind.clone(),
            flows: self.flows.clone(),
            linked: self.linked.clone(),
            settled: self.settled.clone(),
            loose: self.loose.clone(),
            refused: self.refused.clone(),
            unassigned: self.unassigned.clone(),
        };
        Ok((mark, closed))
    }

    /// Takes out the round trips that are over, as [`mark`](Self::mark) does.
    fn take_closed(&mut self) -> Result<Vec<ClosedTrade>> {
        let nobody = AccountId::from("");
        let account = self.account.as_ref().unwrap_or(&nobody);
        let mut closed = Vec::with_capacity(self.slots.iter().map(|slot| slot.done.len()).sum());
        for (place, slot) in self.slots.iter_mut().enumerate() {
            let done = std::mem::take(&mut slot.done);
            if done.len() == 0 {
                continue;
            }
            // The orders of a round stand behind those of the round before it.
            let mut orders = std::mem::take(&mut slot.orders).into_iter();
            for round in done.into_iter() {
                let own = orders.by_ref().take(round.orders.len()).collect();
                let payoff = slot.payoff();
                let mut past = std::mem::take(&mut slot.past);
                let trade = round.trade(account, slot)?;
                past.take(&round, &trade, payoff)?;
                slot.past = past;
                closed.push(ClosedTrade {
                    ours: ours(&trade, &round),
                    trade,
                    place,
                    orders: own,
                });
            }
            slot.orders = orders.collect();
            if let Some(open) = &mut slot.open {
                open.orders = 0..slot.orders.len();
            }
        }
        Ok(closed)
    }

    /// Gives fee rows that name a fill or an order to their trades, among all that were closed since the book was
    /// begun or gone on from, and sets marks that were made on the way as if they had known: each with the moment at
    /// which records were counted in the one and not in the other, in ascending order. To be called when every record
    /// is counted, and before anything is kept.
    pub fn link(&self, marks: &mut [(DateTime<Utc>, BookMark)], closed: &mut [ClosedTrade]) -> Result<()> {
        for (at, mark) in marks.iter_mut() {
            mark.settled.retain(|_, (due, _)| *due >= *at);
        }
        if self.linked.is_empty() {
            return Ok(());
        }
        let targets = self.targets(closed);
        for fee in &self.linked {
            let Some(target) = targets.get(&fee.id) else { continue };
            if let Some(trade) = target.closed.and_then(|place| closed.get_mut(place)) {
                add_money(&mut trade.trade.fees, fee.money)?;
            }
        }
        for (at, mark) in marks {
            let is_over = |target: &Target| target.closed_at.is_some_and(|closed_at| closed_at < *at);
            for fee in std::mem::take(&mut mark.linked) {
                match targets.get(&fee.id) {
                    Some(target) if is_over(target) => {
                        if let Some(slot) = mark.slots.get_mut(target.slot) {
                            add_money(&mut slot.past.book.fees, fee.money)?;
                        }
                    }
                    Some(_) => mark.linked.push(fee),
                    // Its fill is not known; with it, the records from the fee on are folded again.
                    None => {}
                }
            }
            for fee in self.linked.iter().filter(|fee| fee.at >= *at) {
                if let Some(target) = targets.get(&fee.id).filter(|target| is_over(target)) {
                    let settled = (fee.at, target.instrument.clone());
                    mark.settled.insert(fee.id.clone(), settled);
                }
            }
        }
        Ok(())
    }

    fn targets(&self, closed: &[ClosedTrade]) -> HashMap<RecordId, Target> {
        let over = closed.iter().enumerate().map(|(number, trade)| {
            let target = Target {
                closed: Some(number),
                closed_at: trade.trade.closed_at,
                slot: trade.place,
                instrument: trade.trade.instrument.clone(),
            };
            (trade.trade.leg, target, &trade.trade.fills, &*trade.orders)
        });
        let open = self.slots.iter().enumerate().flat_map(|(place, slot)| {
            slot.rounds().map(move |round| {
                let target = Target {
                    closed: None,
                    closed_at: round.closed_at,
                    slot: place,
                    instrument: slot.instrument.clone(),
                };
                (slot.leg, target, &round.fills, slot.orders_of(round))
            })
        });
        let mut all: Vec<_> = over.chain(open).collect();
        all.sort_by(|(leg, one, ..), (other_leg, other, ..)| {
            (&one.instrument, leg).cmp(&(&other.instrument, other_leg))
        });
        let told = all.iter().enumerate();
        let places = Places::of(
            told.map(|(place, (_, target, fills, orders))| (place, &target.instrument, fills.as_slice(), *orders)),
        );
        let mut targets = HashMap::new();
        for fee in &self.linked {
            let place = places.find(fee.fill.as_ref(), fee.order.as_ref(), fee.instrument.as_ref());
            if let Some((_, target, ..)) = place.and_then(|place| all.get(place)) {
                targets.insert(
                    fee.id.clone(),
                    Target {
                        instrument: target.instrument.clone(),
                        ..*target
                    },
                );
            }
        }
        targets
    }
}

/// Fills of the trades that were taken out of a slot.
pub(super) fn past_fills(closed: &[ClosedTrade], place: usize) -> impl Iterator<Item = &FillId> {
    let own = closed.iter().filter(move |trade| trade.place == place);
    own.flat_map(|trade| &trade.trade.fills)
}
