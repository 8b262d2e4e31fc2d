//! A journal of intents in one SQLite file: what survives a crash.

use std::fmt;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use broker_core::{BrokerId, ClientOrderId, Error, ErrorKind, Intent, IntentJournal, Result};
use rusqlite::{Connection, params};

use crate::store::sqlite::{failed, from_json, keep_private, nanos, to_json, unopened};

/// Keeps open intents in one SQLite file of its own. Feature `sqlite`.
///
/// An intent is on the disk before [`open`](IntentJournal::open) returns, a power cut included: each open and each
/// close waits for the disk, some milliseconds on the calling thread. One process holds the file at a time, for
/// another's intents could not be told from those of a dead one.
///
/// ```
/// use std::sync::Arc;
/// use broker_core::IntentJournal;
/// use broker_sync::SqliteJournal;
/// # fn main() -> broker_core::Result<()> {
/// # let directory = std::env::temp_dir().join(format!("journal-doc-{}", std::process::id()));
/// # std::fs::create_dir_all(&directory).unwrap();
/// # let path = directory.join("orders.sqlite");
/// let journal: Arc<dyn IntentJournal> = Arc::new(SqliteJournal::open(path)?);
/// let context = broker_core::net::network()?.with_journal(journal);
/// # let _ = context;
/// # std::fs::remove_dir_all(directory).unwrap();
/// # Ok(())
/// # }
/// ```
pub struct SqliteJournal {
    connection: Mutex<Connection>,
}

/// Marks a file as a journal: "brkj".
const APPLICATION: i64 = 0x6272_6b6a;

const VERSION: i64 = 1;

const TABLES: &str = "
    CREATE TABLE intent (
        broker TEXT NOT NULL,
        id TEXT NOT NULL,
        created_at INTEGER NOT NULL,
        body TEXT NOT NULL,
        PRIMARY KEY (broker, id)
    ) WITHOUT ROWID;
";

/// How long opening waits for a process that is about to end.
const BUSY: Duration = Duration::from_millis(200);

impl SqliteJournal {
    /// Opens the file, and makes it where it is not there, readable by its owner alone.
    ///
    /// # Errors
    /// `Config`: it cannot be opened, is held by another process, belongs to another program, or was written by a newer
    /// version.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        keep_private(path)?;
        let connection = Connection::open(path).map_err(unopened)?;
        connection.busy_timeout(BUSY).map_err(failed)?;
        // Before anything is changed: the file of another program stays as it is.
        let is_new = is_new(&connection).map_err(held)?;
        connection
            .execute_batch("PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;")
            .map_err(failed)
            .map_err(held)?;
        let begin = if is_new {
            format!(
                "BEGIN IMMEDIATE; {TABLES} PRAGMA application_id = {APPLICATION}; PRAGMA user_version = {VERSION}; COMMIT;"
            )
        } else {
            // Takes the lock now rather than at the first order.
            "BEGIN IMMEDIATE; COMMIT;".to_owned()
        };
        connection.execute_batch(&begin).map_err(failed).map_err(held)?;
        Ok(Self {
            connection: Mutex::new(connection),
        })
    }

    fn connection(&self) -> MutexGuard<'_, Connection> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether the file is empty. One of another program or of a newer version is refused.
fn is_new(connection: &Connection) -> Result<bool> {
    let number = |sql| {
        connection
            .query_row(sql, [], |row| row.get::<_, i64>(0))
            .map_err(failed)
    };
    if number("SELECT count(*) FROM sqlite_schema")? == 0 {
        return Ok(true);
    }
    if number("PRAGMA application_id")? != APPLICATION {
        return Err(Error::config("the SQLite file belongs to another program").with_help("choose another path"));
    }
    match number("PRAGMA user_version")? {
        VERSION => Ok(false),
        _ => Err(Error::config("the journal was written by a newer version").with_help("update broker-sync")),
    }
}

fn held(error: Error) -> Error {
    match error.kind() {
        ErrorKind::Unavailable => Error::config("another process holds the journal")
            .with_operation("journal")
            .with_help("each process that places orders needs a journal of its own"),
        _ => error.with_operation("journal"),
    }
}

#[async_trait]
impl IntentJournal for SqliteJournal {
    async fn open(&self, intent: &Intent) -> Result<()> {
        let body = to_json(intent)?;
        let created_at = nanos(intent.created_at)?;
        self.connection()
            .prepare_cached("INSERT OR REPLACE INTO intent (broker, id, created_at, body) VALUES (?1, ?2, ?3, ?4)")
            .and_then(|mut keep| keep.execute(params![intent.broker.get(), intent.id.get(), created_at, body]))
            .map_err(failed)?;
        Ok(())
    }

    async fn close(&self, broker: &BrokerId, id: &ClientOrderId) -> Result<()> {
        self.connection()
            .prepare_cached("DELETE FROM intent WHERE broker = ?1 AND id = ?2")
            .and_then(|mut forget| forget.execute(params![broker.get(), id.get()]))
            .map_err(failed)?;
        Ok(())
    }

    async fn unsettled(&self, broker: &BrokerId) -> Result<Vec<Intent>> {
        let connection = self.connection();
        let sql = "SELECT body FROM intent WHERE broker = ?1 ORDER BY created_at, id";
        let mut select = connection.prepare_cached(sql).map_err(failed)?;
        let bodies = select.query_map([broker.get()], |row| row.get::<_, String>(0));
        let bodies: Vec<String> = bodies.and_then(Iterator::collect).map_err(failed)?;
        bodies.iter().map(|body| from_json(body)).collect()
    }

    async fn is_open(&self, broker: &BrokerId, id: &ClientOrderId) -> Result<bool> {
        self.connection()
            .prepare_cached("SELECT EXISTS (SELECT 1 FROM intent WHERE broker = ?1 AND id = ?2)")
            .and_then(|mut find| find.query_row([broker.get(), id.get()], |row| row.get(0)))
            .map_err(failed)
    }
}

impl fmt::Debug for SqliteJournal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SqliteJournal")
    }
}
