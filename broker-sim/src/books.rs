//! The venue's own books: a second, independent reading of an account's log, to hold other people's books against.

use std::collections::{BTreeMap, BTreeSet};

use broker_core::model::{Asset, Conversion, FlowKind, LotRole, Payoff, PositionLeg, Side};
use broker_core::{AccountId, Currency, Fill, Flow, Instrument, InstrumentId, Price, Record, RecordId, Symbol};
use rust_decimal::Decimal;

use crate::account::Entry;
use crate::engine::Engine;
use crate::reject::SimReject;

/// What one instrument (and leg) brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Book {
    /// What people call it.
    pub symbol: Symbol,
    /// Currency of price and profit.
    pub currency: Currency,
    /// Fills that count.
    pub fills: usize,
    /// Realized profit or loss, first in first out, times the multiplier, before fees. A fee in kind leaves at its
    /// price, as if it were sold to pay the fee; without a price it realizes nothing.
    pub gross: Decimal,
    /// Signed quantity of all fills.
    pub filled: Decimal,
    /// Signed quantity of all flows.
    pub flowed: Decimal,
    /// Quantity that fees in kind took.
    pub fees_in_kind: Decimal,
    /// The position: the sum of the open parts.
    pub qty: Decimal,
    /// Sum of quantity times price of the open parts, signed.
    pub open_value: Decimal,
}

/// The books of an account.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Books {
    /// By instrument and leg.
    pub instruments: BTreeMap<(InstrumentId, PositionLeg), Book>,
    /// Cash of each currency.
    pub cash: BTreeMap<Currency, Decimal>,
    /// What fills brought of each currency, before fees.
    pub traded: BTreeMap<Currency, Decimal>,
    /// Fees of each currency or coin; positive is a cost. Fees in kind are here by their coin.
    pub fees: BTreeMap<Currency, Decimal>,
    /// What flows brought of each currency.
    pub flows: BTreeMap<Currency, Decimal>,
    /// The part of `fees` that was taken from a position: it moved no cash.
    pub fees_in_kind: BTreeMap<Currency, Decimal>,
    /// Value of everything in the account's currency; `None` where nothing converts a part of it.
    pub equity: Option<Decimal>,
}

/// One open part: signed quantity and price.
type Part = (Decimal, Decimal);

/// What a row of a dealer did: realized in the instrument's currency, and brought in the account's.
struct Dealt {
    gross: Decimal,
    brought: Decimal,
    financing: Decimal,
}

#[derive(Default)]
struct Shelf {
    parts: Vec<Part>,
    /// The lots that parts are, where the rows name them: their places.
    lots: BTreeMap<RecordId, usize>,
    /// Parts before this one are used up.
    first: usize,
}

impl Shelf {
    fn qty(&self) -> Decimal {
        self.parts.iter().skip(self.first).map(|part| part.0).sum()
    }

    /// Puts a signed quantity on the shelf, or takes from it what it cancels out. Gives the parts that it took, with
    /// the sign they had.
    fn put(&mut self, mut delta: Decimal, price: Decimal) -> Vec<Part> {
        let mut taken = Vec::new();
        while let Some(part) = self.parts.get_mut(self.first) {
            if delta.is_zero() || (part.0 > Decimal::ZERO) == (delta > Decimal::ZERO) {
                break;
            }
            if part.0.abs() > delta.abs() {
                taken.push((-delta, part.1));
                part.0 += delta;
                return taken;
            }
            taken.push(*part);
            delta += part.0;
            self.first += 1;
        }
        if !delta.is_zero() {
            self.parts.push((delta, price));
        }
        taken
    }
}

impl Engine {
    /// The books of an account, folded from its log.
    pub fn books(&self, account: &AccountId) -> Result<Books, SimReject> {
        let state = self.account(account)?;
        let mut fold = Fold {
            engine: self,
            books: Books::default(),
            shelves: BTreeMap::new(),
        };
        for record in counting(state.log()) {
            fold.take(record);
        }
        let mut books = fold.close();
        let home = state.spec().currency;
        books.equity = self.books_equity(&books, home);
        Ok(books)
    }

    fn books_equity(&self, books: &Books, home: Currency) -> Option<Decimal> {
        let mut sum = Decimal::ZERO;
        for (currency, amount) in &books.cash {
            sum += amount * self.rate(*currency, home)?;
        }
        for ((id, _), book) in &books.instruments {
            if book.qty.is_zero() {
                continue;
            }
            let instrument = self.instrument(id)?;
            let mark = self.mark(id)?.get();
            let multiplier = instrument.multiplier?;
            let worth = match instrument.payoff {
                Payoff::Cash => book.qty * mark * multiplier,
                Payoff::Margined => (book.qty * mark - book.open_value) * multiplier,
                // The open profit of an inverse contract is not linear in its open value.
                Payoff::Inverse => return None,
            };
            sum += worth * self.rate(instrument.currency, home)?;
        }
        Some(sum)
    }
}

/// The records that count: no voided fills, corrected ones once, as they were corrected.
fn counting(log: &[Entry]) -> Vec<&Record> {
    let voided: BTreeSet<_> = log
        .iter()
        .filter_map(|entry| match &entry.record {
            Record::Void(void) => Some(&void.fill),
            Record::Fill(_) | Record::Fee(_) | Record::Flow(_) => None,
        })
        .collect();
    let mut places = BTreeMap::new();
    let mut out: Vec<&Record> = Vec::with_capacity(log.len());
    for entry in log {
        match &entry.record {
            Record::Void(_) => {}
            Record::Fill(fill) if voided.contains(&fill.id) => {}
            Record::Fill(fill) => match places.get(&fill.id) {
                Some(place) => out[*place] = &entry.record,
                None => {
                    places.insert(&fill.id, out.len());
                    out.push(&entry.record);
                }
            },
            Record::Fee(_) | Record::Flow(_) => out.push(&entry.record),
        }
    }
    out
}

struct Fold<'a> {
    engine: &'a Engine,
    books: Books,
    shelves: BTreeMap<(InstrumentId, PositionLeg), Shelf>,
}

impl Fold<'_> {
    fn take(&mut self, record: &Record) {
        match record {
            Record::Fill(fill) => self.fill(fill),
            Record::Flow(flow) => self.flow(flow),
            Record::Fee(fee) => match &fee.asset {
                Asset::Currency(currency) => self.fee(*currency, fee.amount),
                Asset::Instrument { id, .. } => self.fee_in_kind(id, PositionLeg::Net, fee.amount, fee.price),
            },
            Record::Void(_) => {}
        }
    }

    fn fill(&mut self, fill: &Fill) {
        let Some(instrument) = self.engine.instrument(&fill.instrument) else {
            return;
        };
        let delta = match fill.side {
            Side::Buy => fill.qty.get(),
            Side::Sell => -fill.qty.get(),
        };
        let price = fill.price.get();
        if let Some(conversion) = &fill.conversion {
            let dealt = self.deal(instrument, fill, conversion);
            *self.books.traded.entry(conversion.to).or_default() += dealt.brought;
            *self.books.flows.entry(conversion.to).or_default() += dealt.financing;
            *self.books.cash.entry(conversion.to).or_default() += dealt.brought + dealt.financing;
            if let Some(book) = self.books.instruments.get_mut(&(fill.instrument.clone(), fill.leg)) {
                book.gross += dealt.gross;
                book.fills += 1;
                book.filled += delta;
            }
            for fee in &fill.fees {
                self.fee(fee.currency, fee.amount);
            }
            return;
        }
        let gross = self.put(instrument, fill.leg, delta, price);
        let brought = match instrument.payoff {
            Payoff::Cash => -(delta * price * instrument.multiplier.unwrap_or(Decimal::ONE)),
            Payoff::Margined | Payoff::Inverse => gross,
        };
        *self.books.traded.entry(instrument.currency).or_default() += brought;
        *self.books.cash.entry(instrument.currency).or_default() += brought;
        if let Some(book) = self.books.instruments.get_mut(&(fill.instrument.clone(), fill.leg)) {
            book.fills += 1;
            book.filled += delta;
        }
        for fee in &fill.fees {
            if instrument.payoff == Payoff::Cash && instrument.base == Some(fee.currency) {
                self.fee_in_kind(&instrument.id, fill.leg, fee.amount, Some(fill.price));
            } else {
                self.fee(fee.currency, fee.amount);
            }
        }
    }

    /// Lot by lot: what each realized, converted by the rate of gains or of losses, and rounded.
    fn deal(&mut self, instrument: &Instrument, fill: &Fill, conversion: &Conversion) -> Dealt {
        let multiplier = instrument.multiplier.unwrap_or(Decimal::ONE);
        let shelf = self.shelf(instrument, fill.leg);
        let mut dealt = Dealt {
            gross: Decimal::ZERO,
            brought: Decimal::ZERO,
            financing: Decimal::ZERO,
        };
        for lot in &fill.lots {
            dealt.financing += lot.financing.map_or(Decimal::ZERO, |money| money.amount);
            if lot.role == LotRole::Opened {
                let signed = match fill.side {
                    Side::Buy => lot.qty.get(),
                    Side::Sell => -lot.qty.get(),
                };
                shelf.lots.insert(lot.lot.clone(), shelf.parts.len());
                shelf.parts.push((signed, lot.price.get()));
                continue;
            }
            let Some(part) = shelf.lots.get(&lot.lot).and_then(|place| shelf.parts.get_mut(*place)) else {
                continue;
            };
            let direction = if part.0 < Decimal::ZERO {
                -Decimal::ONE
            } else {
                Decimal::ONE
            };
            part.0 -= direction * lot.qty.get();
            let gross = direction * lot.qty.get() * (lot.price.get() - part.1) * multiplier;
            let rate = if gross > Decimal::ZERO {
                conversion.gain
            } else {
                conversion.loss
            };
            let home = gross * rate;
            dealt.gross += gross;
            dealt.brought += match conversion.places {
                Some(places) => {
                    home.round_dp_with_strategy(places, rust_decimal::RoundingStrategy::MidpointAwayFromZero)
                }
                None => home,
            };
        }
        dealt
    }

    fn fee(&mut self, currency: Currency, amount: Decimal) {
        *self.books.fees.entry(currency).or_default() += amount;
        *self.books.cash.entry(currency).or_default() -= amount;
    }

    fn fee_in_kind(&mut self, id: &InstrumentId, leg: PositionLeg, amount: Decimal, price: Option<Price>) {
        let Some(instrument) = self.engine.instrument(id) else {
            return;
        };
        if let Some(coin) = instrument.base {
            *self.books.fees.entry(coin).or_default() += amount;
            *self.books.fees_in_kind.entry(coin).or_default() += amount;
        }
        match price {
            Some(price) => _ = self.put(instrument, leg, -amount, price.get()),
            None => _ = self.shelf(instrument, leg).put(-amount, Decimal::ZERO),
        }
        if let Some(book) = self.books.instruments.get_mut(&(id.clone(), leg)) {
            book.fees_in_kind += amount;
        }
    }

    fn flow(&mut self, flow: &Flow) {
        if let Some(cash) = flow.cash {
            *self.books.flows.entry(cash.currency).or_default() += cash.amount;
            *self.books.cash.entry(cash.currency).or_default() += cash.amount;
        }
        let id = match &flow.asset {
            Asset::Currency(currency) => {
                *self.books.flows.entry(*currency).or_default() += flow.amount;
                *self.books.cash.entry(*currency).or_default() += flow.amount;
                return;
            }
            Asset::Instrument { id, .. } => id,
        };
        let Some(instrument) = self.engine.instrument(id) else {
            return;
        };
        let leg = self.leg(id, flow.amount);
        if flow.kind == FlowKind::Split {
            let shelf = self.shelf(instrument, leg);
            let before = shelf.qty();
            let after = before + flow.amount;
            let mut rest = after;
            let count = shelf.parts.len();
            for place in shelf.first..count {
                let (qty, price) = shelf.parts[place];
                let grown = if place + 1 == count { rest } else { qty * after / before };
                shelf.parts[place] = (grown, (qty * price).checked_div(grown).unwrap_or_default());
                rest -= grown;
            }
        } else {
            let price = flow.price.map_or(Decimal::ZERO, |price| price.get());
            self.put(instrument, leg, flow.amount, price);
        }
        if let Some(book) = self.books.instruments.get_mut(&(id.clone(), leg)) {
            book.flowed += flow.amount;
        }
    }

    /// A flow names no leg: the leg that it makes smaller, where there is one.
    fn leg(&self, id: &InstrumentId, amount: Decimal) -> PositionLeg {
        let stands = |leg| {
            self.shelves
                .get(&(id.clone(), leg))
                .is_some_and(|shelf| !shelf.qty().is_zero())
        };
        let smaller = if amount < Decimal::ZERO {
            PositionLeg::Long
        } else {
            PositionLeg::Short
        };
        if !stands(PositionLeg::Net) && stands(smaller) {
            smaller
        } else {
            PositionLeg::Net
        }
    }

    fn shelf(&mut self, instrument: &Instrument, leg: PositionLeg) -> &mut Shelf {
        let key = (instrument.id.clone(), leg);
        self.books.instruments.entry(key.clone()).or_insert_with(|| Book {
            symbol: instrument.symbol.clone(),
            currency: instrument.currency,
            fills: 0,
            gross: Decimal::ZERO,
            filled: Decimal::ZERO,
            flowed: Decimal::ZERO,
            fees_in_kind: Decimal::ZERO,
            qty: Decimal::ZERO,
            open_value: Decimal::ZERO,
        });
        self.shelves.entry(key).or_default()
    }

    /// Moves a position at a price, and gives what that realized.
    fn put(&mut self, instrument: &Instrument, leg: PositionLeg, delta: Decimal, price: Decimal) -> Decimal {
        let multiplier = instrument.multiplier.unwrap_or(Decimal::ONE);
        let taken = self.shelf(instrument, leg).put(delta, price);
        let mut gross = Decimal::ZERO;
        for (qty, entry) in taken {
            gross += match instrument.payoff {
                Payoff::Cash | Payoff::Margined => qty * (price - entry) * multiplier,
                Payoff::Inverse => {
                    let coins = qty.abs().checked_div(entry).unwrap_or_default()
                        - qty.abs().checked_div(price).unwrap_or_default();
                    let coins = coins.round_dp_with_strategy(12, rust_decimal::RoundingStrategy::MidpointAwayFromZero);
                    if qty < Decimal::ZERO {
                        -coins * multiplier
                    } else {
                        coins * multiplier
                    }
                }
            };
        }
        if let Some(book) = self.books.instruments.get_mut(&(instrument.id.clone(), leg)) {
            book.gross += gross;
        }
        gross
    }

    fn close(mut self) -> Books {
        for (key, shelf) in &self.shelves {
            if let Some(book) = self.books.instruments.get_mut(key) {
                book.qty = shelf.qty();
                book.open_value = shelf
                    .parts
                    .iter()
                    .skip(shelf.first)
                    .map(|(qty, price)| qty * price)
                    .sum();
            }
        }
        self.books
    }
}

impl Books {
    /// The laws that books must keep, checked against themselves.
    ///
    /// # Errors
    /// The law that is broken, with its figures.
    pub fn check(&self) -> Result<(), String> {
        for ((id, leg), book) in &self.instruments {
            let sum = book.filled + book.flowed - book.fees_in_kind;
            if book.qty != sum {
                return Err(format!("{id} {leg:?}: position {} but rows sum up to {sum}", book.qty));
            }
        }
        let get = |of: &BTreeMap<Currency, Decimal>, currency| of.get(currency).copied().unwrap_or_default();
        for (currency, cash) in &self.cash {
            let fees = get(&self.fees, currency) - get(&self.fees_in_kind, currency);
            let sum = get(&self.traded, currency) + get(&self.flows, currency) - fees;
            if *cash != sum {
                return Err(format!("{currency}: cash {cash} but rows sum up to {sum}"));
            }
        }
        Ok(())
    }

    /// Realized profit or loss of a currency over all instruments, before fees.
    pub fn gross(&self, currency: Currency) -> Decimal {
        self.instruments
            .values()
            .filter(|book| book.currency == currency)
            .map(|book| book.gross)
            .sum()
    }
}
