//! What the book says to its reader.

use std::collections::{BTreeMap, HashMap};

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::book::{TradeBook, add_to};
use super::exact::{add, sub};
use super::lots::{OpenLot, unit_price};
use super::mark::{ClosedTrade, past_fills};
use super::round::{Round, add_money};
use super::slot::Slot;
use crate::error::Result;
use crate::id::{AccountId, FillId, InstrumentId, OrderId, Symbol};
use crate::model::{FlowKind, Payoff, PositionLeg, RecordKey, Trade};
use crate::num::{Currency, Money};

/// All that the records of an account come to. Sums are of the records alone: what the account held before is not in
/// them, save opening positions.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Books {
    /// Round trips, closed and open, by the time they were opened.
    pub trades: Vec<Trade>,
    /// Open positions with their lots, in the order in which they were first traded.
    pub positions: Vec<BookPosition>,
    /// Change of cash: fills, fees and flows. Of margined and inverse products the realized PnL. Instruments that
    /// are listed in `unpriced` for a price, multiplier or instrument that is missing are not in it.
    pub cash: BTreeMap<Currency, Decimal>,
    /// Realized PnL, fees and financing by instrument.
    pub instruments: BTreeMap<InstrumentId, InstrumentBook>,
    /// All fees: on fills, posted apart, and in kind; positive is a cost.
    pub fees: BTreeMap<Currency, Decimal>,
    /// The part of `fees` that was taken in kind, at its value. It moved quantity and no cash.
    pub fees_in_kind: BTreeMap<Currency, Decimal>,
    /// Financing, swap and funding, by flows and on fills; negative is paid.
    pub financing: BTreeMap<Currency, Decimal>,
    /// Money that flows moved, by kind; financing flows too.
    pub flows: BTreeMap<FlowKind, BTreeMap<Currency, Decimal>>,
    /// What could not be priced, and why. Its quantities are counted all the same.
    pub unpriced: Vec<Unpriced>,
    /// Trades for which the broker states a PnL, beside ours.
    pub broker_pnl: Vec<BrokerPnl>,
    /// Fills whose lots were to be the broker's, and were taken oldest first instead.
    pub unassigned: Vec<FillId>,
}

/// An open position, as the records make it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BookPosition {
    /// What it is in.
    pub instrument: InstrumentId,
    /// What people call it.
    pub symbol: Symbol,
    /// Net, or a leg.
    pub leg: PositionLeg,
    /// Positive when long, negative when short. The sum of its lots.
    pub qty: Decimal,
    /// What the open lots cost; `None` where a price or the multiplier is unknown.
    pub cost: Option<Money>,
    /// Its lots, oldest first; one lot by the average method.
    pub lots: Vec<OpenLot>,
}

/// Sums of one instrument. Lists of money have a row a currency, in the order of their codes.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct InstrumentBook {
    /// Realized PnL before fees of all trades whose basis and multiplier are known; `None` where none are.
    pub realized: Option<Money>,
    /// Trades that are not in `realized`.
    pub unknown: usize,
    /// Fees on its fills, and fee rows that name it, its fill or its order; positive is a cost.
    pub fees: Vec<Money>,
    /// Financing of it; negative is paid.
    pub financing: Vec<Money>,
}

/// Why something could not be priced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Reason {
    /// The instrument was not given.
    UnknownInstrument,
    /// The instrument has no multiplier. There is no default.
    UnknownMultiplier,
    /// A margined position stood before the window at an unknown price, so that its gain in cash is unknown.
    UnknownBasis,
    /// A quantity moved at a value that nobody stated.
    UnvaluedMove,
    /// A quantity of a hedged instrument moved, and no leg of it was open.
    UnknownLeg,
}

/// Records that could not be priced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unpriced {
    /// Whose they are.
    pub instrument: InstrumentId,
    /// Why.
    pub reason: Reason,
    /// Which.
    pub records: Vec<RecordKey>,
}

/// The broker's PnL of a trade beside ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BrokerPnl {
    /// Place of the trade in [`Books::trades`].
    pub trade: usize,
    /// What the broker states.
    pub broker: Money,
    /// Ours, before fees. In the broker's currency where its fills say how it converts
    /// ([`Fill::conversion`](crate::model::Fill::conversion)), part by part as it does.
    pub ours: Option<Money>,
    /// Broker's less ours: 0 where they agree. `None` where ours is unknown or in another currency: see
    /// [`convert`](super::convert).
    pub difference: Option<Decimal>,
}

impl Books {
    /// The trades whose PnL the broker states otherwise than we do.
    pub fn disagreements(&self) -> impl Iterator<Item = &BrokerPnl> {
        self.broker_pnl
            .iter()
            .filter(|row| row.difference.is_none_or(|difference| !difference.is_zero()))
    }
}

pub(super) fn trades(book: &TradeBook) -> Result<Vec<Trade>> {
    let rounds = sorted_rounds(book);
    let nobody = AccountId::from("");
    let account = book.account.as_ref().unwrap_or(&nobody);
    let mut trades = Vec::with_capacity(rounds.len());
    for (slot, round) in &rounds {
        trades.push(round.trade(account, slot)?);
    }
    if !book.linked.is_empty() {
        let mut by_position: Vec<usize> = (0..rounds.len()).collect();
        by_position.sort_by_key(|place| rounds.get(*place).map(|(slot, _)| (&slot.instrument, slot.leg)));
        let told = by_position.iter().filter_map(|place| {
            let (slot, round) = rounds.get(*place)?;
            Some((*place, &slot.instrument, round.fills.as_slice(), slot.orders_of(round)))
        });
        let places = Places::of(told);
        for fee in &book.linked {
            let place = places.find(fee.fill.as_ref(), fee.order.as_ref(), fee.instrument.as_ref());
            if let Some(trade) = place.and_then(|place| trades.get_mut(place)) {
                add_money(&mut trade.fees, fee.money)?;
            }
        }
    }
    Ok(trades)
}

pub(super) fn into_trades(mut book: TradeBook) -> Result<Vec<Trade>> {
    // Fees that name a fill or an order need all rounds at once.
    if !book.linked.is_empty() {
        return trades(&book);
    }
    let nobody = AccountId::from("");
    let account = book.account.take().unwrap_or(nobody);
    let mut trades = Vec::with_capacity(book.slots.iter().map(|slot| slot.done.len() + 1).sum());
    for slot in &mut book.slots {
        for round in std::mem::take(&mut slot.done).into_iter() {
            trades.push(round.into_trade(&account, slot)?);
        }
        if let Some(round) = &slot.open {
            trades.push(round.trade(&account, slot)?);
        }
    }
    // A sort takes memory even where it finds nothing to do.
    if !trades.is_sorted_by_key(|trade| trade.opened_at) {
        trades.sort_by_key(|trade| trade.opened_at);
    }
    Ok(trades)
}

/// Rounds by the time they were opened; those of one moment in the order of their positions.
fn sorted_rounds(book: &TradeBook) -> Vec<(&Slot, &Round)> {
    let count = book.slots.iter().map(|slot| slot.done.len() + 1).sum();
    let mut rounds = Vec::with_capacity(count);
    for slot in &book.slots {
        rounds.extend(slot.rounds().map(|round| (slot, round)));
    }
    rounds.sort_by_key(|(_, round)| round.opened_at);
    rounds
}

/// Which trade a fill or an order is in: the last one of its position, where it is in several; and of several
/// positions the last by instrument and leg, which no other record can change.
pub(super) struct Places<'a> {
    fills: HashMap<&'a FillId, usize>,
    orders: HashMap<(&'a OrderId, &'a InstrumentId), usize>,
    single: HashMap<&'a OrderId, usize>,
}

impl<'a> Places<'a> {
    /// Of round trips by instrument and leg, and those of a position by time: place, instrument, fills, orders.
    pub(super) fn of(rounds: impl Iterator<Item = (usize, &'a InstrumentId, &'a [FillId], &'a [OrderId])>) -> Self {
        let mut places = Self {
            fills: HashMap::new(),
            orders: HashMap::new(),
            single: HashMap::new(),
        };
        for (place, instrument, fills, orders) in rounds {
            places.fills.extend(fills.iter().map(|fill| (fill, place)));
            for order in orders {
                places.orders.insert((order, instrument), place);
                places.single.insert(order, place);
            }
        }
        places
    }

    pub(super) fn find(
        &self,
        fill: Option<&FillId>,
        order: Option<&OrderId>,
        instrument: Option<&InstrumentId>,
    ) -> Option<usize> {
        if let Some(place) = fill.and_then(|fill| self.fills.get(fill)) {
            return Some(*place);
        }
        match (order?, instrument) {
            (order, Some(instrument)) => self.orders.get(&(order, instrument)).copied(),
            (order, None) => self.single.get(order).copied(),
        }
    }
}

pub(super) fn books(book: &TradeBook, closed: Vec<ClosedTrade>) -> Result<Books> {
    let mut out = Books {
        cash: book.cash.clone(),
        fees: book.fees.clone(),
        fees_in_kind: book.in_kind.clone(),
        flows: book.flows.clone(),
        unpriced: book.refused.clone(),
        unassigned: book.unassigned.clone(),
        financing: book.flows.get(&FlowKind::Financing).cloned().unwrap_or_default(),
        ..Books::default()
    };
    for (place, slot) in book.slots.iter().enumerate() {
        add_slot(&mut out, slot, past_fills(&closed, place))?;
    }
    let trades = trades(book)?;
    for trade in &trades {
        let row = out.instruments.entry(trade.instrument.clone()).or_default();
        row.count(trade)?;
    }
    for (instrument, loose) in &book.loose {
        let row = out.instruments.entry(instrument.clone()).or_default();
        loose.fees.iter().try_for_each(|fee| add_money(&mut row.fees, *fee))?;
        loose
            .financing
            .iter()
            .try_for_each(|money| add_money(&mut row.financing, *money))?;
    }
    for row in out.instruments.values_mut() {
        row.fees.sort_by_key(|money| money.currency);
        row.financing.sort_by_key(|money| money.currency);
    }
    let ours: Vec<Option<Money>> = sorted_rounds(book)
        .iter()
        .zip(&trades)
        .map(|((_, round), trade)| ours(trade, round))
        .collect();
    let told = if closed.is_empty() {
        trades.into_iter().zip(ours).collect()
    } else {
        merged(book, closed, trades, ours)
    };
    for (place, (trade, ours)) in told.iter().enumerate() {
        if let Some(broker) = trade.broker_pnl {
            out.broker_pnl.push(BrokerPnl::new(place, broker, *ours)?);
        }
    }
    out.trades = told.into_iter().map(|(trade, _)| trade).collect();
    out.cash.retain(|_, sum| !sum.is_zero());
    Ok(out)
}

/// Trades that were taken out and those of the book, in the order in which one book would have them.
fn merged(
    book: &TradeBook,
    closed: Vec<ClosedTrade>,
    trades: Vec<Trade>,
    ours: Vec<Option<Money>>,
) -> Vec<(Trade, Option<Money>)> {
    let places: HashMap<(&InstrumentId, PositionLeg), usize> = book
        .slots
        .iter()
        .enumerate()
        .map(|(place, slot)| ((&slot.instrument, slot.leg), place))
        .collect();
    let mut all: Vec<(usize, Trade, Option<Money>)> = Vec::with_capacity(closed.len() + trades.len());
    all.extend(closed.into_iter().map(|one| (one.place(), one.trade, one.ours)));
    all.extend(trades.into_iter().zip(ours).map(|(trade, ours)| {
        let place = places.get(&(&trade.instrument, trade.leg)).copied();
        (place.unwrap_or_default(), trade, ours)
    }));
    all.sort_by_key(|(place, trade, _)| (trade.opened_at, *place));
    all.into_iter().map(|(_, trade, ours)| (trade, ours)).collect()
}

/// Our PnL of a round in the currency in which the broker states its own, where it can be had in that.
pub(super) fn ours(trade: &Trade, round: &Round) -> Option<Money> {
    let stated_in = trade.broker_pnl.map(|broker| broker.currency);
    match (trade.gross_pnl, stated_in) {
        (Some(gross), Some(currency)) if gross.currency != currency => round.converted(currency).or(Some(gross)),
        (gross, _) => gross,
    }
}

impl InstrumentBook {
    /// Counts a trade.
    pub(super) fn count(&mut self, trade: &Trade) -> Result<()> {
        match (trade.gross_pnl, &mut self.realized) {
            (Some(pnl), Some(sum)) => sum.amount = add(sum.amount, pnl.amount)?,
            (Some(pnl), none) => *none = Some(pnl),
            (None, _) => self.unknown += 1,
        }
        trade.fees.iter().try_for_each(|fee| add_money(&mut self.fees, *fee))?;
        trade
            .financing
            .iter()
            .try_for_each(|money| add_money(&mut self.financing, *money))
    }

    /// Adds the sums of trades that were taken out of the book.
    fn add(&mut self, past: &Self) -> Result<()> {
        match (past.realized, &mut self.realized) {
            (Some(pnl), Some(sum)) => sum.amount = add(sum.amount, pnl.amount)?,
            (Some(pnl), none) => *none = Some(pnl),
            (None, _) => {}
        }
        self.unknown += past.unknown;
        past.fees.iter().try_for_each(|fee| add_money(&mut self.fees, *fee))?;
        past.financing
            .iter()
            .try_for_each(|money| add_money(&mut self.financing, *money))
    }
}

impl BrokerPnl {
    fn new(trade: usize, broker: Money, ours: Option<Money>) -> Result<Self> {
        let difference = match ours {
            Some(ours) if ours.currency == broker.currency => Some(sub(broker.amount, ours.amount)?.normalize()),
            _ => None,
        };
        Ok(Self {
            trade,
            broker,
            ours,
            difference,
        })
    }
}

/// Adds the cash, fees and position of one slot.
fn add_slot<'a>(out: &mut Books, slot: &'a Slot, past: impl Iterator<Item = &'a FillId>) -> Result<()> {
    let fees = slot.rounds().flat_map(Round::fees).chain(&slot.past.fees);
    for fee in fees.chain(&slot.loose_fees) {
        add_to(&mut out.fees, *fee)?;
        add_to(&mut out.cash, -*fee)?;
    }
    for money in slot.rounds().flat_map(Round::financing).chain(&slot.past.financing) {
        add_to(&mut out.financing, *money)?;
        add_to(&mut out.cash, *money)?;
    }
    if !slot.loose_fees.is_empty() || slot.past.book != InstrumentBook::default() {
        let row = out.instruments.entry(slot.instrument.clone()).or_default();
        row.add(&slot.past.book)?;
        slot.loose_fees
            .iter()
            .try_for_each(|fee| add_money(&mut row.fees, *fee))?;
    }
    let cash = slot.cash()?;
    let reason = match (&slot.terms, cash) {
        (None, _) => Some(Reason::UnknownInstrument),
        (Some(terms), _) if terms.multiplier.is_none() => Some(Reason::UnknownMultiplier),
        (Some(_), None) => Some(Reason::UnknownBasis),
        (Some(terms), Some(cash)) => {
            if let Some(money) = terms.money(cash)? {
                add_to(&mut out.cash, money)?;
            }
            None
        }
    };
    if let Some(reason) = reason {
        let fills = past.chain(slot.rounds().flat_map(|round| &round.fills));
        out.unpriced.push(Unpriced {
            instrument: slot.instrument.clone(),
            reason,
            records: fills.map(|fill| RecordKey::Fill(fill.clone())).collect(),
        });
    }
    out.positions.extend(position(slot)?);
    Ok(())
}

fn position(slot: &Slot) -> Result<Option<BookPosition>> {
    let Some(round) = &slot.open else { return Ok(None) };
    let qty = slot.position();
    let payoff = slot.payoff();
    let lots = slot.lots.list(qty.is_sign_negative(), |total, qty| match payoff {
        Payoff::Cash | Payoff::Margined => unit_price(total, qty),
        Payoff::Inverse => unit_price(qty, total),
    })?;
    let cost = match &slot.terms {
        Some(terms) if !round.unknown => terms.money(slot.open_cost()?)?,
        _ => None,
    };
    Ok(Some(BookPosition {
        instrument: slot.instrument.clone(),
        symbol: slot.symbol.clone(),
        leg: slot.leg,
        qty,
        cost,
        lots,
    }))
}
