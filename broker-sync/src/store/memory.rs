//! A store in memory: lost with the process.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use broker_core::model::{Environment, Instrument, Record, RecordKey};
use broker_core::pnl::ClosedTrade;
use broker_core::{BrokerId, FillId, InstrumentId, OrderId, Result};
use chrono::{DateTime, Utc};

use super::{
    Conclusion, FoldHead, FoldWrite, KnownOrder, PageWrite, RawPage, Select, Snapshot, Store, StoredRow, Written,
    check_revision, grade, named_fill, order_of,
};
use crate::report::SyncReport;
use crate::state::{Scope, SyncState};
use broker_core::span::Span;

/// Keeps everything in memory. The model of the [`Store`] contract, and the fastest one.
#[derive(Debug, Default)]
pub struct MemoryStore {
    shared: Mutex<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    accounts: BTreeMap<Scope, Account>,
    instruments: BTreeMap<(BrokerId, Environment), BTreeMap<InstrumentId, Instrument>>,
}

#[derive(Debug, Default)]
struct Account {
    state: SyncState,
    rows: Vec<Row>,
    /// Those whose text was kept, in the order of reading.
    pages: Vec<RawPage>,
    /// The row of each key that was read last; the others hang behind it.
    latest: HashMap<RecordKey, usize>,
    orders: BTreeMap<OrderId, KnownOrder>,
    reports: Vec<SyncReport>,
    folds: BTreeMap<String, Fold>,
}

#[derive(Debug, Default)]
struct Fold {
    head: FoldHead,
    marks: BTreeMap<DateTime<Utc>, String>,
    trades: Vec<ClosedTrade>,
}

#[derive(Debug)]
struct Row {
    record: Record,
    read_at: DateTime<Utc>,
    raw: Option<Arc<str>>,
    /// The part that brought it last.
    part: u64,
    /// The row of the same key that was read before.
    before: Option<usize>,
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read<T: Default>(&self, scope: &Scope, read: impl FnOnce(&Account) -> T) -> T {
        self.shared().accounts.get(scope).map(read).unwrap_or_default()
    }
}

impl Account {
    fn write(&mut self, record: Record, page: &Page, written: &mut Written) {
        written.fills += u64::from(matches!(record, Record::Fill(_)));
        let key = record.key();
        let latest = self.latest.get(&key).copied();
        if let Some(known) = self.same_kind(latest, &record)
            && self.rows[known].record == record
        {
            let row = &mut self.rows[known];
            written.duplicates += 1;
            written.distinct += u64::from(row.part != page.part);
            row.part = page.part;
            return;
        }
        written.distinct += 1;
        written.voids += u64::from(matches!(record, Record::Void(_)));
        match latest {
            Some(_) => written.corrections += 1,
            None => written.new += 1,
        }
        self.latest.insert(key, self.rows.len());
        self.rows.push(Row {
            record,
            read_at: page.read_at,
            raw: page.raw.clone(),
            part: page.part,
            before: latest,
        });
    }

    fn keep_page(&mut self, page: &Page) {
        let Some(text) = page.raw.clone() else { return };
        self.pages.push(RawPage {
            number: self.pages.last().map_or(1, |last| last.number + 1),
            part: page.part,
            read_at: page.read_at,
            text,
        });
    }

    /// The row of the same key, version and grade that was read last.
    fn same_kind(&self, latest: Option<usize>, record: &Record) -> Option<usize> {
        let mut next = latest;
        while let Some(index) = next {
            let row = &self.rows[index];
            if row.record.version() == record.version() && grade(&row.record) == grade(record) {
                return Some(index);
            }
            next = row.before;
        }
        None
    }

    fn rows(&self, span: Option<Span>, with_raw: bool) -> Vec<StoredRow> {
        let wanted = |row: &Row| span.is_none_or(|span| span.contains(row.record.at()));
        (1..)
            .zip(&self.rows)
            .filter(|(_, row)| wanted(row))
            .map(|(read_order, row)| row.stored(read_order, with_raw))
            .collect()
    }

    fn select(&self, which: Select<'_>, span: Option<Span>) -> Vec<StoredRow> {
        let all = || (1..).zip(&self.rows);
        let found: Vec<(u64, &Row)> = match which {
            Select::All => all().collect(),
            Select::After(rows) => all().skip(usize::try_from(rows).unwrap_or(usize::MAX)).collect(),
            Select::Keys(keys) => self.of_keys(keys),
            Select::Orders(orders) => {
                let orders: HashSet<&OrderId> = orders.iter().collect();
                let named = |row: &Row| order_of(&row.record).is_some_and(|order| orders.contains(order));
                all().filter(|(_, row)| named(row)).collect()
            }
            Select::Naming(fills) => {
                let fills: HashSet<&FillId> = fills.iter().collect();
                let named = |row: &Row| named_fill(&row.record).is_some_and(|fill| fills.contains(fill));
                all().filter(|(_, row)| named(row)).collect()
            }
        };
        let wanted = |row: &Row| span.is_none_or(|span| span.contains(row.record.at()));
        let found = found.into_iter().filter(|(_, row)| wanted(row));
        found.map(|(read_order, row)| row.stored(read_order, false)).collect()
    }

    fn of_keys(&self, keys: &[RecordKey]) -> Vec<(u64, &Row)> {
        let mut places = BTreeSet::new();
        for key in keys {
            let mut next = self.latest.get(key).copied();
            while let Some(place) = next {
                places.insert(place);
                next = self.rows[place].before;
            }
        }
        let row = |place: usize| Some((u64::try_from(place).ok()? + 1, &self.rows[place]));
        places.into_iter().filter_map(row).collect()
    }
}

impl Row {
    fn stored(&self, read_order: u64, with_raw: bool) -> StoredRow {
        StoredRow {
            record: self.record.clone(),
            read_order,
            read_at: self.read_at,
            raw: self.raw.clone().filter(|_| with_raw),
        }
    }
}

struct Page {
    part: u64,
    read_at: DateTime<Utc>,
    raw: Option<Arc<str>>,
}

#[async_trait]
impl Store for MemoryStore {
    async fn scopes(&self) -> Result<Vec<Scope>> {
        Ok(self.shared().accounts.keys().cloned().collect())
    }

    async fn progress(&self, scope: &Scope) -> Result<SyncState> {
        Ok(self.read(scope, |account| account.state.clone()))
    }

    async fn commit(&self, scope: &Scope, page: PageWrite) -> Result<Written> {
        let mut shared = self.shared();
        let account = shared.accounts.entry(scope.clone()).or_default();
        check_revision(account.state.revision, page.state.revision)?;
        let mut written = Written::default();
        account.rows.reserve(page.rows.len());
        account.latest.reserve(page.rows.len());
        let head = Page {
            part: page.part,
            read_at: page.read_at,
            raw: page.raw.map(Arc::from),
        };
        account.keep_page(&head);
        for record in page.rows {
            account.write(record, &head, &mut written);
        }
        account.state = page.state;
        account.state.apply(head.part, &written);
        Ok(written)
    }

    async fn conclude(&self, scope: &Scope, conclusion: Conclusion) -> Result<()> {
        let mut shared = self.shared();
        let account = shared.accounts.entry(scope.clone()).or_default();
        check_revision(account.state.revision, conclusion.state.revision)?;
        account.state = conclusion.state;
        account.state.revision += 1;
        let orders = conclusion.orders.into_iter().map(|order| (order.id.clone(), order));
        account.orders.extend(orders);
        account.reports.push(conclusion.report);
        Ok(())
    }

    async fn rows(&self, scope: &Scope, span: Option<Span>) -> Result<Vec<StoredRow>> {
        Ok(self.read(scope, |account| account.rows(span, true)))
    }

    async fn raw_page(&self, scope: &Scope, after: u64) -> Result<Option<RawPage>> {
        Ok(self.read(scope, |account| {
            let next = account.pages.partition_point(|page| page.number <= after);
            account.pages.get(next).cloned()
        }))
    }

    async fn select(&self, scope: &Scope, which: Select<'_>, span: Option<Span>) -> Result<Vec<StoredRow>> {
        Ok(self.read(scope, |account| account.select(which, span)))
    }

    async fn snapshot(&self, scope: &Scope) -> Result<Snapshot> {
        let (state, rows) = self.read(scope, |account| (account.state.clone(), account.rows(None, false)));
        Ok(Snapshot { state, rows })
    }

    async fn instruments(&self, scope: &Scope, ids: &[InstrumentId]) -> Result<BTreeMap<InstrumentId, Instrument>> {
        let shared = self.shared();
        let Some(known) = shared.instruments.get(&(scope.broker.clone(), scope.environment)) else {
            return Ok(BTreeMap::new());
        };
        let found = ids.iter().filter_map(|id| known.get_key_value(id));
        Ok(found.map(|(id, instrument)| (id.clone(), instrument.clone())).collect())
    }

    async fn keep_instruments(&self, scope: &Scope, instruments: &[Instrument]) -> Result<()> {
        let mut shared = self.shared();
        let known = shared
            .instruments
            .entry((scope.broker.clone(), scope.environment))
            .or_default();
        known.extend(instruments.iter().map(|one| (one.id.clone(), one.clone())));
        Ok(())
    }

    async fn orders(&self, scope: &Scope) -> Result<Vec<KnownOrder>> {
        Ok(self.read(scope, |account| account.orders.values().cloned().collect()))
    }

    async fn doubtful_orders(&self, scope: &Scope) -> Result<Vec<KnownOrder>> {
        Ok(self.read(scope, |account| {
            let doubtful = account
                .orders
                .values()
                .filter(|order| !order.is_final || !order.is_settled);
            doubtful.cloned().collect()
        }))
    }

    async fn known_orders(&self, scope: &Scope, ids: &[OrderId]) -> Result<Vec<KnownOrder>> {
        Ok(self.read(scope, |account| {
            let known = ids.iter().filter_map(|id| account.orders.get(id));
            known.cloned().collect()
        }))
    }

    async fn reports(&self, scope: &Scope) -> Result<Vec<SyncReport>> {
        Ok(self.read(scope, |account| account.reports.clone()))
    }

    async fn folded(&self, scope: &Scope, name: &str) -> Result<FoldHead> {
        let head = |fold: &Fold| FoldHead {
            marks: fold.marks.keys().copied().collect(),
            ..fold.head.clone()
        };
        Ok(self.read(scope, |account| account.folds.get(name).map(head).unwrap_or_default()))
    }

    async fn mark(&self, scope: &Scope, name: &str, at: DateTime<Utc>) -> Result<Option<String>> {
        Ok(self.read(scope, |account| account.folds.get(name)?.marks.get(&at).cloned()))
    }

    async fn closed_trades(&self, scope: &Scope, name: &str, span: Option<Span>) -> Result<Vec<ClosedTrade>> {
        let wanted = |trade: &&ClosedTrade| match (span, trade.trade.closed_at) {
            (Some(span), Some(closed_at)) => span.contains(closed_at),
            (None, _) => true,
            (Some(_), None) => false,
        };
        Ok(self.read(scope, |account| {
            let trades = account.folds.get(name).into_iter().flat_map(|fold| &fold.trades);
            trades.filter(wanted).cloned().collect()
        }))
    }

    async fn keep_folded(&self, scope: &Scope, write: FoldWrite) -> Result<()> {
        let mut shared = self.shared();
        let account = shared.accounts.entry(scope.clone()).or_default();
        let fold = account.folds.entry(write.name).or_default();
        check_revision(fold.head.revision, write.head.revision)?;
        let stay: HashSet<DateTime<Utc>> = write.head.marks.iter().copied().collect();
        fold.marks.retain(|at, _| stay.contains(at));
        fold.marks.extend(write.marks);
        let stays = |trade: &ClosedTrade| trade.trade.closed_at.is_some_and(|at| at < write.from);
        fold.trades.retain(stays);
        fold.trades.extend(write.trades);
        fold.trades.sort_by_key(|trade| trade.trade.closed_at);
        fold.head = write.head;
        fold.head.revision += 1;
        Ok(())
    }
}
