//! Tables of the SQLite store, and how older files become newer ones.
//!
//! Times in columns are integer nanoseconds since 1970 UTC, so that they sort and compare; inside `body` they are
//! RFC 3339 text. Numbers are text, digit for digit: SQLite's own arithmetic on them goes through binary floating
//! point, so sum them elsewhere. Only `body` is read back; the columns beside it are for lookups and for people.

use broker_core::{Error, Result};
use rusqlite::Connection;

use super::failed;

/// Marks a file as ours: "brks".
const APPLICATION: i64 = 0x6272_6b73;

/// What makes each version of the file from the one before. Only ever appended to.
const MIGRATIONS: &[&str] = &[
    "
    CREATE TABLE scope (
        id INTEGER PRIMARY KEY,
        broker TEXT NOT NULL,
        environment TEXT NOT NULL,
        account TEXT NOT NULL,
        state TEXT NOT NULL,
        UNIQUE (broker, environment, account)
    );
    CREATE TABLE page (
        id INTEGER PRIMARY KEY,
        scope INTEGER NOT NULL REFERENCES scope (id),
        part INTEGER NOT NULL,
        read_at INTEGER NOT NULL,
        raw TEXT
    );
    CREATE TABLE record (
        id INTEGER PRIMARY KEY,
        scope INTEGER NOT NULL REFERENCES scope (id),
        page INTEGER NOT NULL REFERENCES page (id),
        read_order INTEGER NOT NULL,
        kind TEXT NOT NULL,
        key TEXT NOT NULL,
        version INTEGER NOT NULL,
        grade TEXT,
        at INTEGER NOT NULL,
        last_part INTEGER NOT NULL,
        instrument TEXT,
        symbol TEXT,
        order_id TEXT,
        side TEXT,
        qty TEXT,
        price TEXT,
        body TEXT NOT NULL
    );
    CREATE INDEX record_key ON record (scope, key, kind);
    CREATE INDEX record_at ON record (scope, at);
    CREATE TABLE instrument (
        broker TEXT NOT NULL,
        environment TEXT NOT NULL,
        id TEXT NOT NULL,
        symbol TEXT NOT NULL,
        body TEXT NOT NULL,
        PRIMARY KEY (broker, environment, id)
    ) WITHOUT ROWID;
    CREATE TABLE known_order (
        scope INTEGER NOT NULL REFERENCES scope (id),
        id TEXT NOT NULL,
        body TEXT NOT NULL,
        PRIMARY KEY (scope, id)
    ) WITHOUT ROWID;
    CREATE TABLE report (
        id INTEGER PRIMARY KEY,
        scope INTEGER NOT NULL REFERENCES scope (id),
        started_at INTEGER NOT NULL,
        body TEXT NOT NULL
    );
",
    "
    ALTER TABLE record ADD COLUMN names TEXT;
    UPDATE record SET names = json_extract(body, '$.' || kind || '.fill') WHERE kind IN ('void', 'fee');
    CREATE INDEX record_names ON record (scope, names) WHERE names IS NOT NULL;
    CREATE INDEX record_order ON record (scope, order_id) WHERE order_id IS NOT NULL;
    CREATE INDEX known_order_doubtful ON known_order (scope)
        WHERE json_extract(body, '$.is_final') = 0 OR json_extract(body, '$.is_settled') = 0;
    CREATE INDEX record_read ON record (scope, read_order);
    CREATE TABLE fold (
        id INTEGER PRIMARY KEY,
        scope INTEGER NOT NULL REFERENCES scope (id),
        name TEXT NOT NULL,
        revision INTEGER NOT NULL,
        rows INTEGER NOT NULL,
        facts TEXT NOT NULL,
        UNIQUE (scope, name)
    );
    CREATE TABLE mark (
        id INTEGER PRIMARY KEY,
        fold INTEGER NOT NULL REFERENCES fold (id),
        at INTEGER NOT NULL,
        state TEXT NOT NULL,
        UNIQUE (fold, at)
    );
    CREATE TABLE trade (
        id INTEGER PRIMARY KEY,
        fold INTEGER NOT NULL REFERENCES fold (id),
        instrument TEXT NOT NULL,
        symbol TEXT NOT NULL,
        side TEXT NOT NULL,
        qty TEXT NOT NULL,
        opened_at INTEGER NOT NULL,
        closed_at INTEGER NOT NULL,
        body TEXT NOT NULL
    );
    CREATE INDEX trade_closed ON trade (fold, closed_at, id);
",
];

/// Brings a file to the newest version, step by step, in one transaction.
pub(super) fn migrate(connection: &mut Connection) -> Result<()> {
    let transaction = connection
        .transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)
        .map_err(failed)?;
    let version = version(&transaction)?;
    for migration in &MIGRATIONS[version..] {
        transaction.execute_batch(migration).map_err(failed)?;
    }
    if version < MIGRATIONS.len() {
        transaction
            .pragma_update(None, "application_id", APPLICATION)
            .map_err(failed)?;
        let newest = i64::try_from(MIGRATIONS.len()).map_err(|_| Error::config("too many migrations"))?;
        transaction
            .pragma_update(None, "user_version", newest)
            .map_err(failed)?;
    }
    transaction.commit().map_err(failed)
}

/// Refuses the file of another program, or of a newer version.
pub(super) fn expect_ours(connection: &Connection) -> Result<()> {
    version(connection).map(|_| ())
}

/// Refuses a file that cannot be read as it is.
pub(super) fn expect_newest(connection: &Connection) -> Result<()> {
    if version(connection)? < MIGRATIONS.len() {
        return Err(Error::config("the file was written by an older version").with_help("open it for writing once"));
    }
    Ok(())
}

/// How many migrations the file has behind it; 0 for an empty one.
fn version(connection: &Connection) -> Result<usize> {
    let number = |sql| {
        connection
            .query_row(sql, [], |row| row.get::<_, i64>(0))
            .map_err(failed)
    };
    let tables = number("SELECT count(*) FROM sqlite_schema")?;
    if tables > 0 && number("PRAGMA application_id")? != APPLICATION {
        return Err(Error::config("the SQLite file belongs to another program").with_help("choose another path"));
    }
    let version = usize::try_from(number("PRAGMA user_version")?).unwrap_or(usize::MAX);
    if version > MIGRATIONS.len() {
        return Err(Error::config("the file was written by a newer version").with_help("update broker-sync"));
    }
    Ok(version)
}
