//! Rows of the SQLite store.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use broker_core::model::{Asset, Record, RecordKey};
use broker_core::{AccountId, InstrumentId, Result, Symbol};
use chrono::{DateTime, Utc};
use rusqlite::{CachedStatement, Connection, OptionalExtension, Row, ToSql, params};

use super::{Known, borders, failed, from_json, integer, nanos, to_json};
use crate::store::{PageWrite, RawPage, Select, StoredRow, Written, grade, named_fill};
use broker_core::span::Span;

/// Whether page texts are read too.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Texts {
    With,
    Without,
}

/// Stores a page and its rows.
pub(super) fn write(connection: &Connection, scope: &Known, page: &PageWrite) -> Result<Written> {
    let (part, read_at) = (integer(page.part)?, nanos(page.read_at)?);
    connection
        .prepare_cached("INSERT INTO page (scope, part, read_at, raw) VALUES (?1, ?2, ?3, ?4)")
        .and_then(|mut insert| insert.execute(params![scope.id, part, read_at, page.raw]))
        .map_err(failed)?;
    let mut writer = Writer::new(connection, scope, page)?;
    for record in &page.rows {
        writer.write(record)?;
    }
    Ok(writer.written)
}

struct Writer<'a> {
    scope: i64,
    page: i64,
    part: i64,
    read_order: u64,
    latest: CachedStatement<'a>,
    any: CachedStatement<'a>,
    touch: CachedStatement<'a>,
    insert: CachedStatement<'a>,
    written: Written,
}

const LATEST: &str = "SELECT id, last_part, body FROM record
    WHERE scope = ?1 AND key = ?2 AND kind = ?3 AND version = ?4 AND grade IS ?5
    ORDER BY id DESC LIMIT 1";
const ANY: &str = "SELECT 1 FROM record WHERE scope = ?1 AND key = ?2 AND kind = ?3 LIMIT 1";
const TOUCH: &str = "UPDATE record SET last_part = ?2 WHERE id = ?1";
const INSERT: &str = "INSERT INTO record
    (scope, page, read_order, kind, key, version, grade, at, last_part, instrument, symbol, order_id, side, qty, price,
     body, names)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17)";

impl<'a> Writer<'a> {
    fn new(connection: &'a Connection, scope: &Known, page: &PageWrite) -> Result<Self> {
        let prepare = |sql| connection.prepare_cached(sql).map_err(failed);
        Ok(Self {
            scope: scope.id,
            page: connection.last_insert_rowid(),
            part: integer(page.part)?,
            read_order: scope.state.rows,
            latest: prepare(LATEST)?,
            any: prepare(ANY)?,
            touch: prepare(TOUCH)?,
            insert: prepare(INSERT)?,
            written: Written::default(),
        })
    }

    fn write(&mut self, record: &Record) -> Result<()> {
        self.written.fills += u64::from(matches!(record, Record::Fill(_)));
        let columns = Columns::of(record);
        let body = to_json(record)?;
        let version = integer(record.version())?;
        let same: Option<(i64, i64, String)> = self
            .latest
            .query_row(
                params![self.scope, columns.key, columns.kind, version, columns.grade],
                |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
            )
            .optional()
            .map_err(failed)?;
        if let Some((id, last_part, known)) = same
            && (known == body || from_json::<Record>(&known)? == *record)
        {
            self.written.duplicates += 1;
            if last_part != self.part {
                self.written.distinct += 1;
                self.touch.execute(params![id, self.part]).map_err(failed)?;
            }
            return Ok(());
        }
        if self
            .any
            .exists(params![self.scope, columns.key, columns.kind])
            .map_err(failed)?
        {
            self.written.corrections += 1;
        } else {
            self.written.new += 1;
        }
        self.written.distinct += 1;
        self.written.voids += u64::from(matches!(record, Record::Void(_)));
        self.read_order += 1;
        self.insert
            .execute(params![
                self.scope,
                self.page,
                integer(self.read_order)?,
                columns.kind,
                columns.key,
                version,
                columns.grade,
                nanos(record.at())?,
                self.part,
                columns.instrument,
                columns.symbol,
                columns.order,
                columns.side,
                columns.qty,
                columns.price,
                body,
                named_fill(record).map(|fill| fill.get()),
            ])
            .map_err(failed)?;
        Ok(())
    }
}

/// What of a record stands in columns of its own.
#[derive(Default)]
struct Columns {
    kind: &'static str,
    key: String,
    grade: Option<String>,
    instrument: Option<String>,
    symbol: Option<String>,
    order: Option<String>,
    side: Option<String>,
    qty: Option<String>,
    price: Option<String>,
}

impl Columns {
    fn of(record: &Record) -> Self {
        let key = record.key();
        let (kind, text) = name(&key);
        let own = Self {
            kind,
            key: text.to_owned(),
            grade: grade(record).map(|grade| format!("{grade:?}").to_lowercase()),
            ..Self::default()
        };
        match record {
            Record::Fill(fill) => Self {
                instrument: Some(fill.instrument.get().to_owned()),
                symbol: Some(fill.symbol.get().to_owned()),
                order: fill.order.as_ref().map(|order| order.get().to_owned()),
                side: Some(fill.side.to_string()),
                qty: Some(fill.qty.to_string()),
                price: Some(fill.price.to_string()),
                ..own
            },
            Record::Void(_) => own,
            Record::Fee(fee) => Self {
                instrument: fee.instrument.as_ref().map(|id| id.get().to_owned()),
                symbol: Some(asset(&fee.asset)),
                order: fee.order.as_ref().map(|order| order.get().to_owned()),
                qty: Some(fee.amount.to_string()),
                price: fee.price.map(|price| price.to_string()),
                ..own
            },
            Record::Flow(flow) => Self {
                instrument: flow.instrument.as_ref().map(|id| id.get().to_owned()),
                symbol: Some(asset(&flow.asset)),
                qty: Some(flow.amount.to_string()),
                price: flow.price.map(|price| price.to_string()),
                ..own
            },
        }
    }
}

/// A key as its columns hold it: kind and id.
fn name(key: &RecordKey) -> (&'static str, &str) {
    match key {
        RecordKey::Fill(id) => ("fill", id.get()),
        RecordKey::Void(id) => ("void", id.get()),
        RecordKey::Fee(id) => ("fee", id.get()),
        RecordKey::Flow(id) => ("flow", id.get()),
    }
}

fn asset(asset: &Asset) -> String {
    match asset {
        Asset::Currency(currency) => currency.code().to_owned(),
        Asset::Instrument { symbol, .. } => symbol.get().to_owned(),
    }
}

/// Reads rows in the order of reading.
pub(super) fn read(connection: &Connection, scope: i64, span: Option<Span>, texts: Texts) -> Result<Vec<StoredRow>> {
    let (since, until) = borders(span);
    let mut pages = Pages::read(connection, scope, texts)?;
    let sql = "SELECT read_order, page, body FROM record WHERE scope = ?1 AND at >= ?2 AND at < ?3 ORDER BY id";
    let mut select = connection.prepare_cached(sql).map_err(failed)?;
    let mut found = select.query(params![scope, since, until]).map_err(failed)?;
    let (mut rows, mut names) = (Vec::new(), Names::default());
    while let Some(row) = found.next().map_err(failed)? {
        let (read_at, raw) = pages.of(row.get(1).map_err(failed)?);
        let mut row = stored(row)?;
        names.share(&mut row.record);
        rows.push(StoredRow { read_at, raw, ..row });
    }
    Ok(rows)
}

/// Names that most rows of an account share: of millions of rows each is held once.
#[derive(Default)]
struct Names {
    accounts: BTreeSet<AccountId>,
    instruments: BTreeSet<InstrumentId>,
    symbols: BTreeSet<Symbol>,
}

impl Names {
    fn share(&mut self, record: &mut Record) {
        match record {
            Record::Fill(fill) => {
                one_of(&mut self.accounts, &mut fill.account);
                one_of(&mut self.instruments, &mut fill.instrument);
                one_of(&mut self.symbols, &mut fill.symbol);
            }
            Record::Void(void) => one_of(&mut self.accounts, &mut void.account),
            Record::Fee(fee) => one_of(&mut self.accounts, &mut fee.account),
            Record::Flow(flow) => one_of(&mut self.accounts, &mut flow.account),
        }
    }
}

fn one_of<T: Ord + Clone>(known: &mut BTreeSet<T>, name: &mut T) {
    match known.get(name) {
        Some(same) => *name = same.clone(),
        None => _ = known.insert(name.clone()),
    }
}

/// A row of which the first columns are its order of reading, its page and its body; without what its page says.
fn stored(row: &Row<'_>) -> Result<StoredRow> {
    let body = row.get_ref(2).and_then(|body| Ok(body.as_str()?)).map_err(failed)?;
    Ok(StoredRow {
        record: from_json(body)?,
        read_order: u64::try_from(row.get::<_, i64>(0).map_err(failed)?).unwrap_or_default(),
        read_at: DateTime::UNIX_EPOCH,
        raw: None,
    })
}

/// Reads a selection, without page texts.
pub(super) fn select(
    connection: &Connection,
    scope: i64,
    which: Select<'_>,
    span: Option<Span>,
) -> Result<Vec<StoredRow>> {
    let mut found = Found {
        scope,
        span: borders(span),
        ..Found::default()
    };
    match which {
        Select::All if span.is_none() => return read(connection, scope, span, Texts::Without),
        Select::All => {
            let mut all = prepare(connection, "record_at", "true")?;
            found.add(&mut all, &[])?;
        }
        Select::After(rows) => {
            let mut after = prepare(connection, "record_read", "record.read_order > ?4")?;
            found.add(&mut after, &[&integer(rows)?])?;
        }
        Select::Keys(keys) => {
            let mut of_key = prepare(connection, "record_key", "key = ?4 AND kind = ?5")?;
            for key in keys {
                let (kind, text) = name(key);
                found.add(&mut of_key, &[&text, &kind])?;
            }
        }
        Select::Orders(orders) => {
            let mut of_order = prepare(connection, "record_order", "order_id = ?4")?;
            for order in orders {
                found.add(&mut of_order, &[&order.get()])?;
            }
        }
        Select::Naming(fills) => {
            let mut naming = prepare(connection, "record_names", "names = ?4")?;
            for fill in fills {
                found.add(&mut naming, &[&fill.get()])?;
            }
        }
    }
    Ok(found.rows.into_values().collect())
}

/// The index is named: without statistics the planner may take another, and walk through the whole account.
fn prepare<'a>(connection: &'a Connection, index: &str, which: &str) -> Result<CachedStatement<'a>> {
    let sql = format!(
        "SELECT read_order, page, body, page.read_at FROM record INDEXED BY {index} JOIN page ON page.id = record.page \
         WHERE record.scope = ?1 AND {which} AND at >= ?2 AND at < ?3"
    );
    connection.prepare_cached(&sql).map_err(failed)
}

/// Rows of several queries, each once.
#[derive(Default)]
struct Found {
    scope: i64,
    span: (i64, i64),
    rows: BTreeMap<u64, StoredRow>,
}

impl Found {
    fn add(&mut self, select: &mut CachedStatement<'_>, by: &[&dyn ToSql]) -> Result<()> {
        let (since, until) = &self.span;
        let mut values: Vec<&dyn ToSql> = vec![&self.scope, since, until];
        values.extend(by);
        let mut found = select.query(values.as_slice()).map_err(failed)?;
        while let Some(row) = found.next().map_err(failed)? {
            let read_at = DateTime::from_timestamp_nanos(row.get(3).map_err(failed)?);
            let row = stored(row)?;
            self.rows.insert(row.read_order, StoredRow { read_at, ..row });
        }
        Ok(())
    }
}

/// The first page behind this one whose text was kept.
pub(super) fn raw_page(connection: &Connection, scope: i64, after: u64) -> Result<Option<RawPage>> {
    let sql =
        "SELECT id, part, read_at, raw FROM page WHERE id > ?2 AND scope = ?1 AND raw IS NOT NULL ORDER BY id LIMIT 1";
    let count = |value: i64| u64::try_from(value).unwrap_or_default();
    let page = connection
        .prepare_cached(sql)
        .map_err(failed)?
        .query_row(params![scope, integer(after)?], |row| {
            let text: String = row.get(3)?;
            Ok(RawPage {
                number: count(row.get(0)?),
                part: count(row.get(1)?),
                read_at: DateTime::from_timestamp_nanos(row.get(2)?),
                text: text.into(),
            })
        });
    page.optional().map_err(failed)
}

/// When pages were read, and their texts.
struct Pages(HashMap<i64, (DateTime<Utc>, Option<Arc<str>>)>);

impl Pages {
    fn read(connection: &Connection, scope: i64, texts: Texts) -> Result<Self> {
        let sql = "SELECT id, read_at, CASE WHEN ?2 THEN raw END FROM page WHERE scope = ?1";
        let mut select = connection.prepare_cached(sql).map_err(failed)?;
        let pages = select.query_map(params![scope, texts == Texts::With], |row| {
            let raw: Option<String> = row.get(2)?;
            let read_at = DateTime::from_timestamp_nanos(row.get(1)?);
            Ok((row.get(0)?, (read_at, raw.map(Arc::from))))
        });
        pages.and_then(Iterator::collect).map(Self).map_err(failed)
    }

    fn of(&mut self, page: i64) -> (DateTime<Utc>, Option<Arc<str>>) {
        self.0.get(&page).cloned().unwrap_or_default()
    }
}
