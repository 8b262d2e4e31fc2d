//! A file that an earlier version wrote is brought forward and gone on with.

use std::sync::Arc;

use broker_core::model::{Completeness, Record};
use broker_core::seam::VirtualRuntime;
use broker_sync::{SqliteStore, Store, StoreExt};
use chrono::Duration as Days;
use rusqlite::Connection;

use crate::common::{Book, TempFile, day, fill, scope, stored_set, sync_at};

/// The tables of the first version, as it made them.
const FIRST: &str = "
    CREATE TABLE scope (id INTEGER PRIMARY KEY, broker TEXT NOT NULL, environment TEXT NOT NULL, account TEXT NOT NULL,
        state TEXT NOT NULL, UNIQUE (broker, environment, account));
    CREATE TABLE page (id INTEGER PRIMARY KEY, scope INTEGER NOT NULL REFERENCES scope (id), part INTEGER NOT NULL,
        read_at INTEGER NOT NULL, raw TEXT);
    CREATE TABLE record (id INTEGER PRIMARY KEY, scope INTEGER NOT NULL REFERENCES scope (id),
        page INTEGER NOT NULL REFERENCES page (id), read_order INTEGER NOT NULL, kind TEXT NOT NULL, key TEXT NOT NULL,
        version INTEGER NOT NULL, grade TEXT, at INTEGER NOT NULL, last_part INTEGER NOT NULL, instrument TEXT,
        symbol TEXT, order_id TEXT, side TEXT, qty TEXT, price TEXT, body TEXT NOT NULL);
    CREATE INDEX record_key ON record (scope, key, kind);
    CREATE INDEX record_at ON record (scope, at);
    CREATE TABLE instrument (broker TEXT NOT NULL, environment TEXT NOT NULL, id TEXT NOT NULL, symbol TEXT NOT NULL,
        body TEXT NOT NULL, PRIMARY KEY (broker, environment, id)) WITHOUT ROWID;
    CREATE TABLE known_order (scope INTEGER NOT NULL REFERENCES scope (id), id TEXT NOT NULL, body TEXT NOT NULL,
        PRIMARY KEY (scope, id)) WITHOUT ROWID;
    CREATE TABLE report (id INTEGER PRIMARY KEY, scope INTEGER NOT NULL REFERENCES scope (id),
        started_at INTEGER NOT NULL, body TEXT NOT NULL);
    PRAGMA application_id = 1651665779;
    PRAGMA user_version = 1;
";

/// What the first version did not know yet is taken out of what the newest has written.
const COPY: &str = "
    INSERT INTO scope SELECT id, broker, environment, account, json_remove(state, '$.instruments') FROM newest.scope;
    INSERT INTO page SELECT id, scope, part, read_at, raw FROM newest.page;
    INSERT INTO record SELECT id, scope, page, read_order, kind, key, version, grade, at, last_part, instrument, symbol,
        order_id, side, qty, price, json_remove(body, '$.Fill.conversion', '$.fill.conversion') FROM newest.record;
    INSERT INTO instrument SELECT broker, environment, id, symbol, body FROM newest.instrument;
    INSERT INTO known_order SELECT scope, id, body FROM newest.known_order;
    INSERT INTO report SELECT id, scope, started_at, json_remove(body, '$.effort') FROM newest.report;
";

/// A file of the first version that holds what this one holds.
fn of_the_first_version(newest: &TempFile) -> TempFile {
    let file = TempFile::new();
    let connection = Connection::open(file.path()).unwrap();
    connection.execute_batch(FIRST).unwrap();
    let path = newest.path().to_str().unwrap();
    connection.execute("ATTACH ?1 AS newest", [path]).unwrap();
    connection.execute_batch(COPY).unwrap();
    let effort: i64 = connection
        .query_row("SELECT count(*) FROM report WHERE body LIKE '%effort%'", [], |row| {
            row.get(0)
        })
        .unwrap();
    assert_eq!(effort, 0);
    file
}

#[test]
fn a_file_of_the_first_version_is_gone_on_with() {
    let rows = (0..9).map(|i| Record::Fill(fill(&format!("f{i}"), day(i) + Days::hours(1))));
    let book = Book::new(rows.collect());
    let newest = TempFile::new();
    let store: Arc<dyn Store> = Arc::new(SqliteStore::open(newest.path()).unwrap());
    sync_at(day(20), &book, &store).unwrap();
    let (set, records) = (
        stored_set(&store),
        VirtualRuntime::new().block_on(store.records(&scope())).unwrap(),
    );
    drop(store);

    let file = of_the_first_version(&newest);
    let store: Arc<dyn Store> = Arc::new(SqliteStore::open(file.path()).unwrap());
    assert_eq!(stored_set(&store), set);
    let runtime = VirtualRuntime::new();
    assert_eq!(runtime.block_on(store.records(&scope())).unwrap(), records);
    assert_eq!(
        runtime.block_on(store.reports(&scope())).unwrap()[0].verdict,
        Completeness::Complete
    );
    // A reader opens it too, now that it is of the newest version.
    SqliteStore::open_read_only(file.path()).unwrap();

    book.add(Record::Fill(fill("f9", day(21))));
    let report = sync_at(day(22), &book, &store).unwrap();
    assert_eq!((report.totals.new, report.verdict), (1, Completeness::Complete));
    // Rows settle within three days: the older ones are not asked for again.
    assert_eq!(report.totals.duplicates, 0);
}
