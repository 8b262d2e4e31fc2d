//! What the checks of a sync need of all records: sums, and of which kind they are.

use std::collections::{BTreeMap, BTreeSet};

use broker_core::model::{Instrument, LotUse, Payoff, Record};
use broker_core::{Currency, InstrumentId, Result, Symbol};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::marks::{schedule, thinned};
use super::reader::Reader;
use crate::ledger::{Ledger, LedgerText, Rules};
use crate::state::Scope;
use crate::store::{FoldHead, FoldWrite, Store};

const NAME: &str = "account";
const FORMAT: u32 = 1;

/// Sums of an account's records.
#[derive(Debug, Clone, Default)]
pub(crate) struct Account {
    /// What records changed that were booked from the moment on that was asked for.
    pub(crate) ledger: Ledger,
    /// What kind of fills there are.
    pub(crate) fills: FillFacts,
    /// When the first record was booked.
    first_booked: Option<DateTime<Utc>>,
    counted_from: Option<DateTime<Utc>>,
    terms: BTreeMap<InstrumentId, Option<HeldAs>>,
    names: Names,
}

/// What fills call an instrument, by the latest of them, and whether they ever called it otherwise.
type Names = BTreeMap<InstrumentId, (Symbol, bool)>;

/// What kind of fills an account has.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(crate) struct FillFacts {
    /// How many.
    pub(crate) count: u64,
    /// Some name their order, by its id or by ours.
    pub(crate) name_orders: bool,
    /// Some do not name the order's own id.
    pub(crate) lack_ids: bool,
    /// For some the broker states a PnL.
    pub(crate) state_pnl: bool,
    /// For some the broker assigns lots.
    pub(crate) have_lots: bool,
}

/// What of an instrument decides where its fills are held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct HeldAs {
    currency: Currency,
    base: Option<Currency>,
    payoff: Payoff,
}

/// What a mark holds.
#[derive(Debug, Serialize, Deserialize)]
struct State {
    ledger: LedgerText,
    fills: FillFacts,
    first_booked: Option<DateTime<Utc>>,
    counted_from: Option<DateTime<Utc>>,
    terms: BTreeMap<InstrumentId, Option<HeldAs>>,
    names: Names,
}

/// How an account's sums are worked out.
pub(crate) struct Sums<'a, S: Store + ?Sized> {
    pub(crate) store: &'a S,
    pub(crate) scope: &'a Scope,
    /// How many rows are stored.
    pub(crate) rows: u64,
    pub(crate) positions_cover_fills: bool,
    /// Records that were booked before are not in the sums.
    pub(crate) counted_from: Option<DateTime<Utc>>,
}

/// Sums up to a mark, and the records behind it.
pub(crate) struct Begun {
    head: FoldHead,
    at: Option<DateTime<Utc>>,
    valid: Vec<DateTime<Utc>>,
    account: Account,
    records: Vec<Record>,
}

impl Begun {
    /// The instruments of all records.
    pub(crate) fn instruments(&self) -> Vec<InstrumentId> {
        let mut ids = crate::history::instruments_of(&self.records);
        ids.extend(self.account.terms.keys().cloned());
        ids.sort_unstable();
        ids.dedup();
        ids
    }

    /// Instruments whose fills changed their symbol to one that is not the kept one. One that the broker always spells
    /// differently on fills is none of them.
    pub(crate) fn renamed(&self, known: &BTreeMap<InstrumentId, Instrument>) -> BTreeSet<InstrumentId> {
        let mut names = self.account.names.clone();
        self.records.iter().for_each(|record| call(&mut names, record));
        let is_new = |(id, (symbol, changed)): &(InstrumentId, (Symbol, bool))| {
            *changed && known.get(id).is_some_and(|instrument| instrument.symbol != *symbol)
        };
        names.into_iter().filter(is_new).map(|(id, _)| id).collect()
    }
}

fn call(names: &mut Names, record: &Record) {
    let Record::Fill(fill) = record else { return };
    match names.get_mut(&fill.instrument) {
        Some((symbol, _)) if *symbol == fill.symbol => {}
        Some(name) => *name = (fill.symbol.clone(), true),
        None => {
            names.insert(fill.instrument.clone(), (fill.symbol.clone(), false));
        }
    }
}

impl<S: Store + ?Sized> Sums<'_, S> {
    /// Reads what changed since the last time. `known` are the instruments as they are known now; those that are not
    /// in it are as they were.
    pub(crate) async fn begin(&self, known: &BTreeMap<InstrumentId, Instrument>) -> Result<Begun> {
        let head = self.store.folded(self.scope, NAME).await?;
        let mut valid = head.marks.clone();
        if head.facts != self.facts() || head.rows > self.rows {
            valid.clear();
        }
        let mut reader = Reader::new(self.store, self.scope, self.rows);
        if !valid.is_empty()
            && let Some(since) = reader.touched(head.rows).await?.since
        {
            valid.retain(|mark| *mark <= since);
        }
        let mut account = Account::default();
        let mut at = None;
        while let Some(mark) = valid.last().copied() {
            let text = self.store.mark(self.scope, NAME, mark).await?;
            let state = text.and_then(|text| serde_json::from_str::<State>(&text).ok());
            let known_then = state.map(Account::of).transpose()?;
            if let Some(then) = known_then.filter(|then| then.holds(self.counted_from, known)) {
                (account, at) = (then, Some(mark));
                break;
            }
            valid.pop();
        }
        account.counted_from = self.counted_from;
        let records = reader.tail(at).await?;
        Ok(Begun {
            head,
            at,
            valid,
            account,
            records,
        })
    }

    /// Counts what was read; `None` where the instruments are now other than they were when they were counted, so
    /// that it has to begin again with them known.
    pub(crate) async fn end(
        &self,
        begun: Begun,
        instruments: &BTreeMap<InstrumentId, Instrument>,
    ) -> Result<Option<Account>> {
        let Begun {
            head,
            at,
            valid,
            mut account,
            records,
        } = begun;
        if !account.holds(self.counted_from, instruments) {
            return Ok(None);
        }
        let rules = Rules {
            positions_cover_fills: self.positions_cover_fills,
            instruments,
        };
        if records.is_empty() && head.rows == self.rows {
            return Ok(Some(account));
        }
        let mut marks = Vec::new();
        if let (Some(first), Some(last)) = (records.first(), records.last()) {
            let mut moments = schedule(at, first.at(), last.at()).into_iter().peekable();
            for record in &records {
                while let Some(at) = moments.next_if(|at| *at <= record.at()) {
                    marks.push((at, account.text()?));
                }
                account.count(record, rules)?;
            }
            for at in moments {
                marks.push((at, account.text()?));
            }
        }
        let all: Vec<DateTime<Utc>> = valid.iter().copied().chain(marks.iter().map(|(at, _)| *at)).collect();
        let stay = thinned(&all);
        marks.retain(|(at, _)| stay.contains(at));
        let write = FoldWrite {
            name: NAME.to_owned(),
            head: FoldHead {
                revision: head.revision,
                rows: self.rows,
                facts: self.facts(),
                marks: valid.into_iter().filter(|at| stay.contains(at)).collect(),
            },
            marks,
            from: DateTime::<Utc>::MAX_UTC,
            trades: Vec::new(),
        };
        self.store.keep_folded(self.scope, write).await?;
        Ok(Some(account))
    }

    fn facts(&self) -> String {
        format!("format {FORMAT}, positions cover fills: {}", self.positions_cover_fills)
    }
}

impl Account {
    fn count(&mut self, record: &Record, rules: Rules<'_>) -> Result<()> {
        let booked_at = record.booked_at();
        self.first_booked = Some(self.first_booked.map_or(booked_at, |first| first.min(booked_at)));
        if let Some(id) = record.instrument()
            && !self.terms.contains_key(id)
        {
            let terms = rules.instruments.get(id).map(HeldAs::of);
            self.terms.insert(id.clone(), terms);
        }
        call(&mut self.names, record);
        if let Record::Fill(fill) = record {
            let states = |lots: &[LotUse]| lots.iter().any(|lot| lot.pnl.is_some());
            self.fills.count += 1;
            self.fills.name_orders |= fill.order.is_some() || fill.client_order.is_some();
            self.fills.lack_ids |= fill.order.is_none();
            self.fills.state_pnl |= fill.pnl.is_some() || states(&fill.lots);
            self.fills.have_lots |= !fill.lots.is_empty();
        }
        if self.counted_from.is_none_or(|from| booked_at >= from) {
            self.ledger.count(record, rules)?;
        }
        Ok(())
    }

    /// Whether it would have been counted the same from this moment on, with these instruments.
    fn holds(&self, counted_from: Option<DateTime<Utc>>, instruments: &BTreeMap<InstrumentId, Instrument>) -> bool {
        let leaves_out = |from: Option<DateTime<Utc>>| match (from, self.first_booked) {
            (Some(from), Some(first)) => first < from,
            _ => false,
        };
        let counts = counted_from == self.counted_from || !(leaves_out(counted_from) || leaves_out(self.counted_from));
        let is_same = |(id, terms): (&InstrumentId, &Option<HeldAs>)| match instruments.get(id) {
            Some(instrument) => *terms == Some(HeldAs::of(instrument)),
            None => true,
        };
        counts && self.terms.iter().all(is_same)
    }

    fn text(&self) -> Result<String> {
        super::to_text(&State {
            ledger: self.ledger.text(),
            fills: self.fills,
            first_booked: self.first_booked,
            counted_from: self.counted_from,
            terms: self.terms.clone(),
            names: self.names.clone(),
        })
    }

    fn of(state: State) -> Result<Self> {
        Ok(Self {
            ledger: Ledger::of_text(&state.ledger)?,
            fills: state.fills,
            first_booked: state.first_booked,
            counted_from: state.counted_from,
            terms: state.terms,
            names: state.names,
        })
    }
}

impl HeldAs {
    fn of(instrument: &Instrument) -> Self {
        Self {
            currency: instrument.currency,
            base: instrument.base,
            payoff: instrument.payoff,
        }
    }
}
