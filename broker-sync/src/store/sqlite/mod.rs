//! A store in one SQLite file.

mod folds;
mod rows;
mod schema;

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use broker_core::model::{Environment, Instrument};
use broker_core::pnl::ClosedTrade;
use broker_core::{AccountId, BrokerId, Error, ErrorKind, InstrumentId, OrderId, Result};
use chrono::{DateTime, Utc};
use rusqlite::{Connection, OpenFlags, OptionalExtension, params};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{
    Conclusion, FoldHead, FoldWrite, KnownOrder, PageWrite, RawPage, Select, Snapshot, Store, StoredRow, Written,
    check_revision,
};
use crate::report::SyncReport;
use crate::state::{Scope, SyncState};
use broker_core::span::Span;

/// Keeps everything in one SQLite file, which outlives the process. Feature `sqlite`.
///
/// The file is in WAL mode: other processes may read it while a sync runs, and see whole pages only. Numbers are
/// stored as text, digit for digit, times as integer nanoseconds since 1970 UTC. A power cut may take the last
/// pages, and with each its cursor, so the next sync reads them again.
///
/// Calls run at once on the calling thread, under a lock, and need no async runtime. A page takes a few
/// milliseconds: where that is too long for an event loop, give the sync a thread of its own.
pub struct SqliteStore {
    connection: Mutex<Connection>,
}

/// How long a call waits for another process that writes.
const BUSY: Duration = Duration::from_secs(5);

impl SqliteStore {
    /// Opens the file for reading and writing; makes it, or brings it to this version, where needed.
    ///
    /// # Errors
    /// `Config`: it cannot be opened, belongs to another program, or was written by a newer version.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        keep_private(path)?;
        let mut connection = Connection::open(path).map_err(unopened)?;
        connection.busy_timeout(BUSY).map_err(failed)?;
        // Before anything is changed: the file of another program stays as it is.
        schema::expect_ours(&connection)?;
        configure(&connection)?;
        schema::migrate(&mut connection)?;
        Ok(Self::over(connection))
    }

    /// Opens an existing file for reading only, while others may write it.
    ///
    /// # Errors
    /// `Config`: there is no such file, or it was not written by this version.
    pub fn open_read_only(path: impl AsRef<Path>) -> Result<Self> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags).map_err(unopened)?;
        connection.busy_timeout(BUSY).map_err(failed)?;
        schema::expect_newest(&connection)?;
        Ok(Self::over(connection))
    }

    fn over(connection: Connection) -> Self {
        Self {
            connection: Mutex::new(connection),
        }
    }

    /// Runs one transaction: all of it, or nothing.
    fn write<T>(&self, work: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        self.transaction(rusqlite::TransactionBehavior::Immediate, work)
    }

    /// Reads in one transaction: all of one moment.
    fn read<T>(&self, work: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        self.transaction(rusqlite::TransactionBehavior::Deferred, work)
    }

    fn transaction<T>(
        &self,
        behavior: rusqlite::TransactionBehavior,
        work: impl FnOnce(&Connection) -> Result<T>,
    ) -> Result<T> {
        let mut connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        let transaction = connection.transaction_with_behavior(behavior).map_err(failed)?;
        let done = work(&transaction)?;
        transaction.commit().map_err(failed)?;
        Ok(done)
    }
}

/// Makes a file that is not there yet, readable by its owner alone: it will hold whole account numbers. SQLite gives
/// the files beside it the same permissions.
#[cfg(unix)]
pub(crate) fn keep_private(path: &Path) -> Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    let text = path.to_string_lossy();
    if text.is_empty() || text == ":memory:" || text.starts_with("file:") {
        return Ok(());
    }
    let made = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path);
    match made {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => Err(unopened(error)),
        Ok(_) | Err(_) => Ok(()),
    }
}

/// Other systems have no such permissions: the folder's rules hold.
#[cfg(not(unix))]
pub(crate) fn keep_private(_: &Path) -> Result<()> {
    Ok(())
}

fn configure(connection: &Connection) -> Result<()> {
    let mode: String = connection
        .query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))
        .map_err(failed)?;
    // SQLite answers "memory" for a database without a file, which nobody else can read anyway.
    if mode != "wal" && mode != "memory" {
        return Err(
            Error::config(format!("the file cannot be opened in WAL mode, but in {mode}"))
                .with_help("keep it on a local disk: network drives cannot do WAL"),
        );
    }
    connection
        .execute_batch("PRAGMA synchronous = NORMAL; PRAGMA foreign_keys = ON;")
        .map_err(failed)
}

/// Row of a scope, with its state.
struct Known {
    id: i64,
    state: SyncState,
}

fn find(connection: &Connection, scope: &Scope) -> Result<Option<Known>> {
    let found: Option<(i64, String)> = connection
        .prepare_cached("SELECT id, state FROM scope WHERE broker = ?1 AND environment = ?2 AND account = ?3")
        .map_err(failed)?
        .query_row(names(scope), |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()
        .map_err(failed)?;
    found
        .map(|(id, state)| {
            Ok(Known {
                id,
                state: from_json(&state)?,
            })
        })
        .transpose()
}

fn find_or_make(connection: &Connection, scope: &Scope) -> Result<Known> {
    if let Some(known) = find(connection, scope)? {
        return Ok(known);
    }
    let (broker, environment, account) = names(scope);
    let state = SyncState::default();
    connection
        .execute(
            "INSERT INTO scope (broker, environment, account, state) VALUES (?1, ?2, ?3, ?4)",
            params![broker, environment, account, to_json(&state)?],
        )
        .map_err(failed)?;
    Ok(Known {
        id: connection.last_insert_rowid(),
        state,
    })
}

fn keep_state(connection: &Connection, scope: i64, state: &SyncState) -> Result<()> {
    let state = to_json(state)?;
    connection
        .prepare_cached("UPDATE scope SET state = ?2 WHERE id = ?1")
        .and_then(|mut update| update.execute(params![scope, state]))
        .map_err(failed)?;
    Ok(())
}

fn names(scope: &Scope) -> (&str, &'static str, &str) {
    (scope.broker.get(), environment(scope.environment), scope.account.get())
}

fn environment(environment: Environment) -> &'static str {
    match environment {
        Environment::Paper => "paper",
        Environment::Live => "live",
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn scopes(&self) -> Result<Vec<Scope>> {
        let all: Vec<(String, String, String)> = self.read(|connection| {
            let sql = "SELECT broker, environment, account FROM scope";
            let mut select = connection.prepare(sql).map_err(failed)?;
            let found = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)));
            found.and_then(Iterator::collect).map_err(failed)
        })?;
        let scope = |(broker, environment, account): (String, String, String)| {
            Ok(Scope {
                broker: BrokerId::from(broker),
                environment: match environment.as_str() {
                    "paper" => Environment::Paper,
                    "live" => Environment::Live,
                    other => return Err(Error::decode(format!("{other:?} is no environment"))),
                },
                account: AccountId::from(account),
            })
        };
        let mut scopes: Vec<Scope> = all.into_iter().map(scope).collect::<Result<_>>()?;
        scopes.sort_unstable();
        Ok(scopes)
    }

    async fn progress(&self, scope: &Scope) -> Result<SyncState> {
        let known = self.read(|connection| find(connection, scope))?;
        Ok(known.map(|known| known.state).unwrap_or_default())
    }

    async fn commit(&self, scope: &Scope, page: PageWrite) -> Result<Written> {
        self.write(|connection| {
            let known = find_or_make(connection, scope)?;
            check_revision(known.state.revision, page.state.revision)?;
            let written = rows::write(connection, &known, &page)?;
            let mut state = page.state;
            state.apply(page.part, &written);
            keep_state(connection, known.id, &state)?;
            Ok(written)
        })
    }

    async fn conclude(&self, scope: &Scope, conclusion: Conclusion) -> Result<()> {
        self.write(|connection| {
            let known = find_or_make(connection, scope)?;
            check_revision(known.state.revision, conclusion.state.revision)?;
            let mut state = conclusion.state;
            state.revision += 1;
            keep_state(connection, known.id, &state)?;
            let mut keep = connection
                .prepare_cached("INSERT OR REPLACE INTO known_order (scope, id, body) VALUES (?1, ?2, ?3)")
                .map_err(failed)?;
            for order in &conclusion.orders {
                keep.execute(params![known.id, order.id.get(), to_json(order)?])
                    .map_err(failed)?;
            }
            let report = &conclusion.report;
            connection
                .execute(
                    "INSERT INTO report (scope, started_at, body) VALUES (?1, ?2, ?3)",
                    params![known.id, nanos(report.started_at)?, to_json(report)?],
                )
                .map_err(failed)?;
            Ok(())
        })
    }

    async fn rows(&self, scope: &Scope, span: Option<Span>) -> Result<Vec<StoredRow>> {
        self.read(|connection| match find(connection, scope)? {
            Some(known) => rows::read(connection, known.id, span, rows::Texts::With),
            None => Ok(Vec::new()),
        })
    }

    async fn raw_page(&self, scope: &Scope, after: u64) -> Result<Option<RawPage>> {
        self.read(|connection| match find(connection, scope)? {
            Some(known) => rows::raw_page(connection, known.id, after),
            None => Ok(None),
        })
    }

    async fn select(&self, scope: &Scope, which: Select<'_>, span: Option<Span>) -> Result<Vec<StoredRow>> {
        self.read(|connection| match find(connection, scope)? {
            Some(known) => rows::select(connection, known.id, which, span),
            None => Ok(Vec::new()),
        })
    }

    async fn snapshot(&self, scope: &Scope) -> Result<Snapshot> {
        self.read(|connection| match find(connection, scope)? {
            Some(known) => Ok(Snapshot {
                rows: rows::read(connection, known.id, None, rows::Texts::Without)?,
                state: known.state,
            }),
            None => Ok(Snapshot {
                state: SyncState::default(),
                rows: Vec::new(),
            }),
        })
    }

    async fn instruments(&self, scope: &Scope, ids: &[InstrumentId]) -> Result<BTreeMap<InstrumentId, Instrument>> {
        self.read(|connection| {
            let sql = "SELECT body FROM instrument WHERE broker = ?1 AND environment = ?2 AND id = ?3";
            let mut select = connection.prepare_cached(sql).map_err(failed)?;
            let (broker, environment, _) = names(scope);
            let mut found = BTreeMap::new();
            for id in ids {
                let body: Option<String> = select
                    .query_row((broker, environment, id.get()), |row| row.get(0))
                    .optional()
                    .map_err(failed)?;
                if let Some(body) = body {
                    found.insert(id.clone(), from_json(&body)?);
                }
            }
            Ok(found)
        })
    }

    async fn keep_instruments(&self, scope: &Scope, instruments: &[Instrument]) -> Result<()> {
        self.write(|connection| {
            let sql = "INSERT OR REPLACE INTO instrument (broker, environment, id, symbol, body) \
                       VALUES (?1, ?2, ?3, ?4, ?5)";
            let mut keep = connection.prepare_cached(sql).map_err(failed)?;
            let (broker, environment, _) = names(scope);
            for one in instruments {
                let (id, symbol) = (one.id.get(), one.symbol.get());
                keep.execute(params![broker, environment, id, symbol, to_json(one)?])
                    .map_err(failed)?;
            }
            Ok(())
        })
    }

    async fn orders(&self, scope: &Scope) -> Result<Vec<KnownOrder>> {
        self.bodies(scope, "SELECT body FROM known_order WHERE scope = ?1 ORDER BY id")
    }

    async fn doubtful_orders(&self, scope: &Scope) -> Result<Vec<KnownOrder>> {
        self.bodies(
            scope,
            "SELECT body FROM known_order INDEXED BY known_order_doubtful WHERE scope = ?1 \
             AND (json_extract(body, '$.is_final') = 0 OR json_extract(body, '$.is_settled') = 0) ORDER BY id",
        )
    }

    async fn known_orders(&self, scope: &Scope, ids: &[OrderId]) -> Result<Vec<KnownOrder>> {
        self.read(|connection| {
            let Some(known) = find(connection, scope)? else {
                return Ok(Vec::new());
            };
            let sql = "SELECT body FROM known_order WHERE scope = ?1 AND id = ?2";
            let mut select = connection.prepare_cached(sql).map_err(failed)?;
            let mut found = Vec::new();
            for id in ids {
                let body = select.query_row((known.id, id.get()), |row| row.get::<_, String>(0));
                if let Some(body) = body.optional().map_err(failed)? {
                    found.push(from_json(&body)?);
                }
            }
            Ok(found)
        })
    }

    async fn reports(&self, scope: &Scope) -> Result<Vec<SyncReport>> {
        self.bodies(scope, "SELECT body FROM report WHERE scope = ?1 ORDER BY id")
    }

    async fn folded(&self, scope: &Scope, name: &str) -> Result<FoldHead> {
        self.read(|connection| match find(connection, scope)? {
            Some(known) => folds::head(connection, known.id, name),
            None => Ok(FoldHead::default()),
        })
    }

    async fn mark(&self, scope: &Scope, name: &str, at: DateTime<Utc>) -> Result<Option<String>> {
        self.read(|connection| match find(connection, scope)? {
            Some(known) => folds::mark(connection, known.id, name, at),
            None => Ok(None),
        })
    }

    async fn closed_trades(&self, scope: &Scope, name: &str, span: Option<Span>) -> Result<Vec<ClosedTrade>> {
        self.read(|connection| match find(connection, scope)? {
            Some(known) => folds::trades(connection, known.id, name, span),
            None => Ok(Vec::new()),
        })
    }

    async fn keep_folded(&self, scope: &Scope, write: FoldWrite) -> Result<()> {
        self.write(|connection| {
            let known = find_or_make(connection, scope)?;
            folds::keep(connection, known.id, &write)
        })
    }
}

impl SqliteStore {
    /// Everything of a scope that a statement selects as JSON.
    fn bodies<T: DeserializeOwned>(&self, scope: &Scope, sql: &str) -> Result<Vec<T>> {
        self.read(|connection| {
            let Some(known) = find(connection, scope)? else {
                return Ok(Vec::new());
            };
            let mut select = connection.prepare_cached(sql).map_err(failed)?;
            let bodies = select.query_map([known.id], |row| row.get::<_, String>(0));
            let bodies: Vec<String> = bodies.and_then(Iterator::collect).map_err(failed)?;
            bodies.iter().map(|body| from_json(body)).collect()
        })
    }
}

impl fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SqliteStore")
    }
}

pub(crate) fn to_json<T: Serialize>(value: &T) -> Result<String> {
    serde_json::to_string(value).map_err(|error| Error::decode("what is to be stored").with_source(error))
}

pub(crate) fn from_json<T: DeserializeOwned>(text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(|error| Error::decode("the store holds what cannot be read").with_source(error))
}

/// A time as a column holds it. Years 1678 to 2261 can be kept.
pub(crate) fn nanos(at: DateTime<Utc>) -> Result<i64> {
    at.timestamp_nanos_opt()
        .ok_or_else(|| Error::decode(format!("{at} is too far away to be stored")))
}

/// Borders of a span as a column compares with them: no column holds a time beyond these.
fn borders(span: Option<Span>) -> (i64, i64) {
    let border = |at: DateTime<Utc>| {
        let beyond = if at < DateTime::UNIX_EPOCH { i64::MIN } else { i64::MAX };
        nanos(at).unwrap_or(beyond)
    };
    span.map_or((i64::MIN, i64::MAX), |span| (border(span.since), border(span.until)))
}

/// A count as a column holds it.
fn integer(count: u64) -> Result<i64> {
    i64::try_from(count).map_err(|error| Error::decode(format!("{count} is too large to be stored")).with_source(error))
}

pub(crate) fn unopened(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::config("the SQLite file cannot be opened")
        .with_operation("store")
        .with_help("check the path and its permissions")
        .with_source(error)
}

pub(crate) fn failed(error: rusqlite::Error) -> Error {
    let kind = match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::DatabaseBusy | rusqlite::ErrorCode::DatabaseLocked) => ErrorKind::Unavailable,
        Some(rusqlite::ErrorCode::NotADatabase | rusqlite::ErrorCode::ReadOnly) => ErrorKind::Config,
        _ => ErrorKind::Unknown,
    };
    let help = match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::DatabaseBusy | rusqlite::ErrorCode::DatabaseLocked) => {
            "another process writes the file; run this again"
        }
        Some(rusqlite::ErrorCode::ReadOnly) => "open it for writing with SqliteStore::open",
        Some(rusqlite::ErrorCode::DiskFull) => "make room on the disk, then run this again",
        Some(rusqlite::ErrorCode::DatabaseCorrupt | rusqlite::ErrorCode::NotADatabase) => {
            "move the file away: the next sync makes a new one"
        }
        _ => "check the path, its permissions and the disk",
    };
    Error::new(kind)
        .with_operation("store")
        .with_message(error.to_string())
        .with_help(help)
        .with_source(error)
}
