//! The book: takes records one after another.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::books::{Books, Reason, Unpriced};
use super::exact::add;
use super::lots::{Assigned, Lots, Pool};
use super::mark::ClosedTrade;
use super::round::add_money;
use super::slot::Slot;
use super::terms::Terms;
use crate::error::{Error, Result};
use crate::id::{AccountId, FillId, InstrumentId, OrderId, RecordId, Symbol};
use crate::model::{
    Asset, Fee, Fill, FlowKind, History, Instrument, Opening, Payoff, PositionLeg, Record, RecordKey, Trade, Void,
};
use crate::num::{Currency, Money};

/// Which open lot a closing fill takes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LotMethod {
    /// The oldest.
    Fifo,
    /// The youngest.
    Lifo,
    /// All alike, at the average cost.
    Average,
    /// As the broker assigned it, by the rows in [`Fill::lots`].
    BrokerLots,
}

/// A fee row that names its fill or order; which trade that is shows when the trades are read, for fees are often
/// dated before their fills.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct LinkedFee {
    pub(super) id: RecordId,
    pub(super) at: DateTime<Utc>,
    pub(super) fill: Option<FillId>,
    pub(super) order: Option<OrderId>,
    pub(super) instrument: Option<InstrumentId>,
    pub(super) money: Money,
}

/// Money of an instrument that belongs to none of its trades.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Loose {
    pub(super) fees: Vec<Money>,
    pub(super) financing: Vec<Money>,
}

/// Folds the records of one account into round trips, positions and cash.
///
/// Records count in the order in which they are given: by time, each once, corrections applied, as a [`History`] or
/// [`crate::dedup::fold`] has them. A day more is a day more work: [`apply`](Self::apply) takes the next record.
/// After an error the book holds half a record, so every later call gives the same error.
///
/// ```
/// use broker_core::pnl::TradeBook;
/// use broker_core::model::{Grade, Fill, PositionLeg, Record};
/// # fn instrument() -> broker_core::Instrument {
/// #     serde_json::from_str(r#"{"id":"ES","symbol":"ESH27","name":null,"asset_class":"future","exchange":null,
/// #         "currency":"USD","base":null,"payoff":"margined","multiplier":"50","ticks":[],"lot":null,"min_qty":null,
/// #         "max_qty":null,"min_notional":null,"pip_location":null,"expires_at":null,"option":null,"margin":null,
/// #         "status":"tradable","shortable":null}"#).unwrap()
/// # }
/// let fill = |id: &str, side, price: &str| -> broker_core::Result<Record> {
///     Ok(Record::Fill(Fill {
///         id: id.into(), account: "U1".into(), instrument: "ES".into(), symbol: "ESH27".into(),
///         leg: PositionLeg::Net, order: None, client_order: None, side, qty: "1".parse()?, price: price.parse()?,
///         at: chrono::DateTime::UNIX_EPOCH, version: 0, grade: Grade::Reported, fees: vec![], liquidity: None,
///         effect: None, pnl: None, conversion: None, lots: vec![],
///     }))
/// };
/// let mut book = TradeBook::fifo();
/// book.add_instrument(&instrument())?;                                     // 50 USD a point
/// book.apply(&fill("1", broker_core::Side::Buy, "6064.25")?)?;
/// book.apply(&fill("2", broker_core::Side::Sell, "6065.25")?)?;
/// assert_eq!(book.trades()?[0].gross_pnl.unwrap().to_string(), "50.00 USD");
/// # Ok::<(), broker_core::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct TradeBook {
    pub(super) method: LotMethod,
    pub(super) account: Option<AccountId>,
    pub(super) since: Option<DateTime<Utc>>,
    pub(super) terms: BTreeMap<InstrumentId, Terms>,
    pub(super) slots: Vec<Slot>,
    index: HashMap<InstrumentId, [Option<usize>; 3]>,
    last: usize,
    /// Cash that fee and flow rows moved.
    pub(super) cash: BTreeMap<Currency, Decimal>,
    /// Fees of fee rows, those in kind too.
    pub(super) fees: BTreeMap<Currency, Decimal>,
    /// Fees in kind alone: they moved no cash.
    pub(super) in_kind: BTreeMap<Currency, Decimal>,
    pub(super) flows: BTreeMap<FlowKind, BTreeMap<Currency, Decimal>>,
    pub(super) linked: Vec<LinkedFee>,
    /// Fee rows still to come that a trade has which was taken out, and its instrument.
    pub(super) settled: BTreeMap<RecordId, (DateTime<Utc>, InstrumentId)>,
    pub(super) loose: BTreeMap<InstrumentId, Loose>,
    pub(super) refused: Vec<Unpriced>,
    pub(super) unassigned: Vec<FillId>,
    failed: Option<Error>,
}

impl TradeBook {
    /// First in, first out.
    pub fn fifo() -> Self {
        Self::new(LotMethod::Fifo)
    }

    /// Last in, first out.
    pub fn lifo() -> Self {
        Self::new(LotMethod::Lifo)
    }

    /// At the average cost. What leaves takes its share of the cost to 16 places; the rest is exact, so that nothing
    /// drifts.
    pub fn average() -> Self {
        Self::new(LotMethod::Average)
    }

    /// As the broker assigns lots. A fill whose lot rows are missing or do not fit the position takes from the
    /// oldest, and is listed in [`Books::unassigned`].
    pub fn broker_lots() -> Self {
        Self::new(LotMethod::BrokerLots)
    }

    /// A book of this method.
    pub fn new(method: LotMethod) -> Self {
        Self {
            method,
            account: None,
            since: None,
            terms: BTreeMap::new(),
            slots: Vec::new(),
            index: HashMap::new(),
            last: 0,
            cash: BTreeMap::new(),
            fees: BTreeMap::new(),
            in_kind: BTreeMap::new(),
            flows: BTreeMap::new(),
            linked: Vec::new(),
            settled: BTreeMap::new(),
            loose: BTreeMap::new(),
            refused: Vec::new(),
            unassigned: Vec::new(),
            failed: None,
        }
    }

    /// Says whose book it is and where its window starts, which is when its opening positions count as opened.
    /// Without it the account is that of the first record, and the start is 1970.
    #[must_use]
    pub fn with_start(mut self, account: &AccountId, since: DateTime<Utc>) -> Self {
        self.account = Some(account.clone());
        self.since = Some(since);
        self
    }

    /// Folds a whole history: its opening positions, then its records.
    pub fn fold(mut self, history: &History) -> Result<Books> {
        self = self.with_start(&history.account, history.since);
        history
            .instruments
            .values()
            .try_for_each(|instrument| self.add_instrument(instrument))?;
        history.opening.iter().try_for_each(|opening| self.open(opening))?;
        history.records.iter().try_for_each(|record| self.apply(record))?;
        self.books()
    }

    /// Says how an instrument's prices become money. It may come after fills of it, for their values are kept
    /// without the multiplier; an error is terms that contradict the records so far.
    pub fn add_instrument(&mut self, instrument: &Instrument) -> Result<()> {
        self.check()?;
        let terms = Terms::of(instrument);
        for slot in self.slots.iter_mut().filter(|slot| slot.instrument == instrument.id) {
            let inverse = (slot.payoff() == Payoff::Inverse) != (terms.payoff == Payoff::Inverse);
            let changed = slot.moved && slot.payoff() != terms.payoff;
            let contradicts = slot.terms.as_ref().is_some_and(|known| {
                known.currency != terms.currency
                    || known.payoff != terms.payoff
                    || known.multiplier.is_some_and(|old| Some(old) != terms.multiplier)
            });
            if slot.rounds().next().is_some() && (inverse || changed || contradicts) {
                return Err(Error::invalid(format!(
                    "the terms of {} contradict those its records were counted with",
                    instrument.id
                ))
                .with_help("give the instrument before its records"));
            }
            slot.terms = Some(terms.clone());
        }
        self.terms.insert(instrument.id.clone(), terms);
        Ok(())
    }

    /// Puts in a position that stood before the first record. Without a price, the PnL of its trade is unknown.
    pub fn open(&mut self, opening: &Opening) -> Result<()> {
        self.check()?;
        let since = self.since.unwrap_or(DateTime::UNIX_EPOCH);
        let slot = self.slot_of(&opening.instrument, &opening.symbol, opening.leg);
        let done = match self.slots.get_mut(slot) {
            Some(slot) if !opening.qty.is_zero() => {
                slot.start(opening.qty, opening.price.map(|price| price.get()), since)
            }
            _ => Ok(()),
        };
        self.keep(done)
    }

    /// Counts the next record.
    ///
    /// A [`Void`] of a fill that was counted is an error, for what came after it was built on it: fold the records
    /// again without the fill. Any other `Void` counts nothing.
    #[inline]
    pub fn apply(&mut self, record: &Record) -> Result<()> {
        self.check()?;
        match &self.account {
            Some(account) if account == record.account() => {}
            Some(_) => return Err(Error::invalid("a book takes the records of one account only")),
            None => self.account = Some(record.account().clone()),
        }
        let done = match record {
            Record::Fill(fill) => self.apply_fill(fill),
            Record::Void(void) => return self.check_void(void),
            Record::Fee(fee) if fee.canceled => Ok(()),
            Record::Fee(fee) => self.apply_fee(fee),
            Record::Flow(flow) if flow.canceled => Ok(()),
            Record::Flow(flow) => self.apply_flow(flow),
        };
        self.keep(done)
    }

    /// The round trips so far, closed and open, by the time they were opened.
    pub fn trades(&self) -> Result<Vec<Trade>> {
        self.check()?;
        super::books::trades(self)
    }

    /// The same out of the book itself, which saves a copy of every trade.
    pub fn into_trades(self) -> Result<Vec<Trade>> {
        self.check()?;
        super::books::into_trades(self)
    }

    /// All that the book says so far.
    pub fn books(&self) -> Result<Books> {
        self.check()?;
        super::books::books(self, Vec::new())
    }

    /// The same, with the round trips that [`mark`](Self::mark) took out before.
    pub fn books_with(&self, closed: Vec<ClosedTrade>) -> Result<Books> {
        self.check()?;
        super::books::books(self, closed)
    }

    #[inline]
    fn apply_fill(&mut self, fill: &Fill) -> Result<()> {
        let slot = match self.slots.get(self.last) {
            Some(slot) if slot.instrument == fill.instrument && slot.leg == fill.leg => self.last,
            _ => self.slot_of(&fill.instrument, &fill.symbol, fill.leg),
        };
        let Some(slot) = self.slots.get_mut(slot) else {
            return Ok(());
        };
        let coin = slot.terms.as_ref().and_then(|terms| terms.coin);
        if !fill.fees.is_empty() && fill.fees.iter().any(|fee| Some(fee.currency) == coin) {
            return self.apply_fill_paid_in_coin(fill, coin);
        }
        if !slot.fill(fill)? {
            self.unassigned.push(fill.id.clone());
        }
        Ok(())
    }

    /// A fee in what was bought is a fee in kind, at the fill's own price.
    fn apply_fill_paid_in_coin(&mut self, fill: &Fill, coin: Option<Currency>) -> Result<()> {
        let (in_kind, in_money): (Vec<Money>, Vec<Money>) =
            fill.fees.iter().partition(|fee| Some(fee.currency) == coin);
        self.apply_fill(&Fill {
            fees: in_money,
            ..fill.clone()
        })?;
        let asset = Asset::Instrument {
            id: fill.instrument.clone(),
            symbol: fill.symbol.clone(),
        };
        for fee in in_kind {
            self.apply_fee(&Fee {
                id: RecordId::from(fill.id.get()),
                account: fill.account.clone(),
                label: String::new(),
                asset: asset.clone(),
                amount: fee.amount,
                price: Some(fill.price),
                instrument: Some(fill.instrument.clone()),
                order: fill.order.clone(),
                fill: Some(fill.id.clone()),
                at: fill.at,
                booked_at: None,
                version: fill.version,
                canceled: false,
            })?;
        }
        Ok(())
    }

    fn check_void(&self, void: &Void) -> Result<()> {
        let counted = self
            .slots
            .iter()
            .flat_map(Slot::rounds)
            .any(|round| round.fills.contains(&void.fill));
        if counted {
            return Err(
                Error::invalid(format!("the voided fill {} was already counted", void.fill))
                    .with_help("fold the records again without it"),
            );
        }
        Ok(())
    }

    /// The place of a position, which is made where there is none yet.
    pub(super) fn slot_of(&mut self, instrument: &InstrumentId, symbol: &Symbol, leg: PositionLeg) -> usize {
        let place = leg_place(leg);
        if let Some(Some(slot)) = self.index.get(instrument.get()).map(|legs| legs[place]) {
            self.last = slot;
            return slot;
        }
        let lots = match self.method {
            LotMethod::Fifo => Lots::Fifo(Default::default()),
            LotMethod::Lifo => Lots::Lifo(Default::default()),
            LotMethod::Average => Lots::Average(Pool::default()),
            LotMethod::BrokerLots => Lots::Assigned(Assigned::default()),
        };
        let terms = self.terms.get(instrument).cloned();
        let slot = self.slots.len();
        self.slots
            .push(Slot::new(instrument.clone(), symbol.clone(), leg, terms, lots));
        self.index.entry(instrument.clone()).or_default()[place] = Some(slot);
        self.last = slot;
        slot
    }

    /// Makes again what a mark leaves out.
    pub(super) fn restore(&mut self) {
        for (place, slot) in self.slots.iter_mut().enumerate() {
            slot.lots.restore();
            self.index.entry(slot.instrument.clone()).or_default()[leg_place(slot.leg)] = Some(place);
        }
    }

    /// The positions that an instrument has: net, long, short.
    pub(super) fn legs(&self, instrument: &InstrumentId) -> [Option<usize>; 3] {
        self.index.get(instrument.get()).copied().unwrap_or_default()
    }

    pub(super) fn add_cash(&mut self, money: Money) -> Result<()> {
        add_to(&mut self.cash, money)
    }

    pub(super) fn add_loose_fee(&mut self, instrument: &InstrumentId, money: Money) -> Result<()> {
        add_money(&mut self.loose.entry(instrument.clone()).or_default().fees, money)
    }

    pub(super) fn refuse(&mut self, instrument: &InstrumentId, reason: Reason, record: RecordKey) {
        let known = self
            .refused
            .iter_mut()
            .find(|row| row.instrument == *instrument && row.reason == reason);
        match known {
            Some(row) => row.records.push(record),
            None => self.refused.push(Unpriced {
                instrument: instrument.clone(),
                reason,
                records: vec![record],
            }),
        }
    }

    #[inline]
    pub(super) fn check(&self) -> Result<()> {
        match &self.failed {
            Some(error) => Err(error.clone()),
            None => Ok(()),
        }
    }

    #[inline]
    pub(super) fn keep<T>(&mut self, done: Result<T>) -> Result<T> {
        if let Err(error) = &done {
            self.failed = Some(error.clone());
        }
        done
    }
}

/// Adds an amount to the sum of its currency.
pub(super) fn add_to(sums: &mut BTreeMap<Currency, Decimal>, money: Money) -> Result<()> {
    let sum = sums.entry(money.currency).or_default();
    *sum = add(*sum, money.amount)?;
    Ok(())
}

pub(super) fn leg_place(leg: PositionLeg) -> usize {
    match leg {
        PositionLeg::Net => 0,
        PositionLeg::Long => 1,
        PositionLeg::Short => 2,
    }
}
