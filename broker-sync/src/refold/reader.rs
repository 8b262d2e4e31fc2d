//! The rows that a change concerns, and no others.

use std::collections::{BTreeMap, BTreeSet};

use broker_core::model::{Grade, Record, RecordKey};
use broker_core::{FillId, OrderId, Result};
use chrono::{DateTime, Utc};

use crate::fold::fold;
use crate::state::Scope;
use crate::store::{Select, Store, StoredRow, grade, named_fill, order_of};
use broker_core::span::Span;

/// Reads an account as it was when so many rows were stored, and counts what it reads.
#[derive(Debug)]
pub(crate) struct Reader<'a, S: Store + ?Sized> {
    store: &'a S,
    scope: &'a Scope,
    rows: u64,
    pub(crate) read: u64,
}

/// What new rows can change.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Touched {
    /// Records of this time, or later.
    pub(crate) since: Option<DateTime<Utc>>,
    /// The earliest booking among the rows of the same keys.
    pub(crate) booked_since: Option<DateTime<Utc>>,
}

impl Touched {
    fn take(&mut self, row: &StoredRow) {
        let at = row.record.at();
        self.since = Some(self.since.map_or(at, |since| since.min(at)));
    }
}

impl<'a, S: Store + ?Sized> Reader<'a, S> {
    pub(crate) fn new(store: &'a S, scope: &'a Scope, rows: u64) -> Self {
        Self {
            store,
            scope,
            rows,
            read: 0,
        }
    }

    async fn select(&mut self, which: Select<'_>, span: Option<Span>) -> Result<Vec<StoredRow>> {
        let mut rows = self.store.select(self.scope, which, span).await?;
        // Rows of a page that was stored meanwhile belong to the next time.
        rows.retain(|row| row.read_order <= self.rows);
        self.read += u64::try_from(rows.len()).unwrap_or(u64::MAX);
        Ok(rows)
    }

    async fn of_keys(&mut self, keys: BTreeSet<RecordKey>, span: Option<Span>) -> Result<Vec<StoredRow>> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        self.select(Select::Keys(&Vec::from_iter(keys)), span).await
    }

    async fn of_orders(&mut self, orders: BTreeSet<OrderId>, span: Option<Span>) -> Result<Vec<StoredRow>> {
        if orders.is_empty() {
            return Ok(Vec::new());
        }
        self.select(Select::Orders(&Vec::from_iter(orders)), span).await
    }

    async fn naming(&mut self, fills: BTreeSet<FillId>, span: Option<Span>) -> Result<Vec<StoredRow>> {
        if fills.is_empty() {
            return Ok(Vec::new());
        }
        self.select(Select::Naming(&Vec::from_iter(fills)), span).await
    }

    /// From when on records may be others than they were when only `known` rows were stored.
    ///
    /// A row concerns its key, whatever the times of the rows before it; a void the fill that it names. A fee row and
    /// the fill or the order that it names concern each other. The rows of an order whose fills came in several grades
    /// concern each other, for they count in one grade.
    pub(crate) async fn touched(&mut self, known: u64) -> Result<Touched> {
        let mut touched = Touched::default();
        if known >= self.rows {
            return Ok(touched);
        }
        let new = self.select(Select::After(known), None).await?;
        let voided = new.iter().filter_map(|row| match &row.record {
            Record::Void(void) => Some(RecordKey::Fill(void.fill.clone())),
            Record::Fill(_) | Record::Fee(_) | Record::Flow(_) => None,
        });
        let keys: BTreeSet<RecordKey> = new.iter().map(StoredRow::key).chain(voided).collect();
        drop(new);
        let own = self.of_keys(keys.clone(), None).await?;
        for row in &own {
            touched.take(row);
            let booked_at = row.record.booked_at();
            touched.booked_since = Some(touched.booked_since.map_or(booked_at, |since| since.min(booked_at)));
        }
        let named = own.iter().filter_map(|row| named_fill(&row.record));
        let named = named.map(|fill| RecordKey::Fill(fill.clone())).collect();
        for row in self.of_keys(named, None).await? {
            touched.take(&row);
        }
        for row in self.naming(fills_of(&own), None).await? {
            touched.take(&row);
        }
        let orders = orders_of(&own);
        let of_orders = self.of_orders(orders.clone(), None).await?;
        let others = of_orders.iter().map(StoredRow::key).filter(|key| !keys.contains(key));
        let others = self.of_keys(others.collect(), None).await?;
        let mut fills = fills_of(&own);
        fills.extend(fills_of(&of_orders));
        let naming = self.naming(fills, None).await?;
        let voided: BTreeSet<&FillId> = naming.iter().filter_map(|row| named_fill(&row.record)).collect();
        let mut groups: BTreeMap<&OrderId, Group> = BTreeMap::new();
        let mut orders_by_key: BTreeMap<RecordKey, BTreeSet<&OrderId>> = BTreeMap::new();
        for row in own.iter().chain(&of_orders) {
            if let Some(order) = order_of(&row.record).filter(|order| orders.contains(*order)) {
                orders_by_key.entry(row.key()).or_default().insert(order);
            }
        }
        for row in own.iter().chain(&of_orders).chain(&others) {
            for order in orders_by_key.get(&row.key()).into_iter().flatten() {
                groups.entry(order).or_default().take(row, &voided);
            }
        }
        for group in groups.into_values().filter(Group::is_tied) {
            touched.since = touched.since.into_iter().chain(group.since).min();
        }
        Ok(touched)
    }

    /// The records that count from this moment on, by time and key; all, without one.
    ///
    /// Read are the rows of that time, and those before it that say how these count: other versions of their keys,
    /// rows of their orders, voids of their fills.
    pub(crate) async fn tail(&mut self, from: Option<DateTime<Utc>>) -> Result<Vec<Record>> {
        let Some(from) = from else {
            let rows = self.select(Select::All, None).await?;
            return Ok(fold(rows)?.into_booked());
        };
        let since = Span::new(from, DateTime::<Utc>::MAX_UTC);
        let before = Some(Span::new(DateTime::<Utc>::MIN_UTC, from));
        let mut rows: BTreeMap<u64, StoredRow> = BTreeMap::new();
        let mut keep = |more: Vec<StoredRow>| rows.extend(more.into_iter().map(|row| (row.read_order, row)));
        let tail = self.select(Select::All, Some(since)).await?;
        let keys: BTreeSet<RecordKey> = tail.iter().map(StoredRow::key).collect();
        let (mut orders, mut fills) = (orders_of(&tail), fills_of(&tail));
        keep(tail);
        let older = self.of_keys(keys.clone(), before).await?;
        orders.extend(orders_of(&older));
        keep(older);
        let of_orders = self.of_orders(orders, before).await?;
        let others = of_orders.iter().map(StoredRow::key).filter(|key| !keys.contains(key));
        let others = others.collect();
        fills.extend(fills_of(&of_orders));
        keep(of_orders);
        keep(self.of_keys(others, None).await?);
        keep(self.naming(fills, before).await?);
        let mut records = fold(rows.into_values())?.into_booked();
        records.retain(|record| record.at() >= from);
        Ok(records)
    }

    /// Rows of these orders' fills, and all that says how they count.
    pub(crate) async fn orders(&mut self, orders: BTreeSet<OrderId>) -> Result<Vec<StoredRow>> {
        let of_orders = self.of_orders(orders, None).await?;
        let keys = of_orders.iter().map(StoredRow::key).collect();
        let naming = self.naming(fills_of(&of_orders), None).await?;
        let mut rows = self.of_keys(keys, None).await?;
        rows.extend(naming);
        rows.sort_by_key(|row| row.read_order);
        rows.dedup_by_key(|row| row.read_order);
        Ok(rows)
    }
}

/// Rows of one order.
#[derive(Debug, Default)]
struct Group {
    since: Option<DateTime<Utc>>,
    grades: BTreeSet<Grade>,
    has_fees: bool,
}

impl Group {
    fn take(&mut self, row: &StoredRow, named: &BTreeSet<&FillId>) {
        let at = row.record.at();
        self.since = Some(self.since.map_or(at, |since| since.min(at)));
        self.grades.extend(grade(&row.record));
        // What was charged on a voided fill is a fee of its order.
        self.has_fees |= match &row.record {
            Record::Fill(fill) => named.contains(&fill.id),
            Record::Fee(_) => true,
            Record::Void(_) | Record::Flow(_) => false,
        };
    }

    /// Whether a change of one row concerns the others.
    fn is_tied(&self) -> bool {
        self.has_fees || self.grades.len() > 1
    }
}

fn orders_of(rows: &[StoredRow]) -> BTreeSet<OrderId> {
    rows.iter().filter_map(|row| order_of(&row.record)).cloned().collect()
}

fn fills_of(rows: &[StoredRow]) -> BTreeSet<FillId> {
    let fill = |row: &StoredRow| match &row.record {
        Record::Fill(fill) => Some(fill.id.clone()),
        Record::Void(_) | Record::Fee(_) | Record::Flow(_) => None,
    };
    rows.iter().filter_map(fill).collect()
}
