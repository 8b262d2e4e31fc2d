//! The SQLite file: whose it is, who may read it, and what it keeps.
use std::sync::{Arc, Mutex};

use crate::common::{Book, TempFile, Venue, account, day, fill, scope};
use broker_core::ErrorKind;
use broker_core::model::Record;
use broker_core::seam::VirtualRuntime;
use broker_sync::{MemoryStore, PageWrite, SqliteStore, Store, StoreExt, SyncState, Syncer};
use chrono::Duration;

fn run<T>(future: impl Future<Output = broker_core::Result<T>>) -> T {
    VirtualRuntime::new().block_on(future).unwrap()
}

fn page(state: SyncState, part: u64, rows: Vec<Record>) -> PageWrite {
    PageWrite {
        part,
        rows,
        read_at: day(30),
        raw: None,
        state,
    }
}

#[test]
fn a_file_outlives_its_process() {
    let file = TempFile::new();
    let book = Book::new((0..9).map(|i| Record::Fill(fill(&format!("f{i}"), day(i)))).collect());
    let open = || -> Arc<dyn Store> { Arc::new(SqliteStore::open(file.path()).unwrap()) };
    let report = crate::common::sync_at(day(20), &book, &open()).unwrap();
    let store = open();
    assert_eq!(run(store.reports(&scope())), [report]);
    assert_eq!(run(store.records(&scope())).len(), 9);
    assert_eq!(run(store.orders(&scope())).len(), 1);
    assert_eq!(crate::common::sync_at(day(20), &book, &store).unwrap().totals.new, 0);
    let memory: Arc<dyn Store> = Arc::new(MemoryStore::new());
    crate::common::sync_at(day(20), &book, &memory).unwrap();
    assert_eq!(run(store.records(&scope())), run(memory.records(&scope())));
}

#[test]
fn files_of_others_and_of_later_versions_are_left_alone() {
    let file = TempFile::new();
    assert_eq!(
        SqliteStore::open_read_only(file.path()).unwrap_err().kind(),
        ErrorKind::Config
    );
    let foreign = rusqlite::Connection::open(file.path()).unwrap();
    foreign.execute_batch("CREATE TABLE theirs (x)").unwrap();
    let error = SqliteStore::open(file.path()).unwrap_err();
    assert!(error.to_string().contains("belongs to another program"), "{error}");

    let file = TempFile::new();
    drop(SqliteStore::open(file.path()).unwrap());
    let later = rusqlite::Connection::open(file.path()).unwrap();
    later.execute_batch("PRAGMA user_version = 99").unwrap();
    for opened in [SqliteStore::open(file.path()), SqliteStore::open_read_only(file.path())] {
        let error = opened.unwrap_err();
        assert!(error.to_string().contains("written by a newer version"), "{error}");
    }
}

#[test]
fn a_second_reader_sees_whole_pages_only() {
    let file = TempFile::new();
    let store: Arc<dyn Store> = Arc::new(SqliteStore::open(file.path()).unwrap());
    let reader: Arc<dyn Store> = Arc::new(SqliteStore::open_read_only(file.path()).unwrap());
    let rows = (0..10).map(|i| Record::Fill(fill(&format!("f{i}"), day(i) + Duration::hours(1))));
    let runtime = VirtualRuntime::starting_at(day(20));
    let venue = Arc::new(Venue::new(Book::new(rows.collect()), &runtime));
    let seen = Arc::new(Mutex::new(Vec::new()));
    let watcher = Arc::new(Watcher {
        reader: Arc::clone(&reader),
        seen: Arc::clone(&seen),
    });
    let syncer = Syncer::new(venue, store).with_progress(watcher);
    runtime.block_on(syncer.sync(&account())).unwrap();
    assert_eq!(*seen.lock().unwrap(), [(1, 4), (2, 8), (3, 10)]);
    let scope = scope();
    let state = run(reader.progress(&scope));
    let write = reader.commit(&scope, page(state, 1, vec![Record::Fill(fill("late", day(9)))]));
    let error = VirtualRuntime::new().block_on(write).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config, "{error}");
}

#[derive(Debug)]
struct Watcher {
    reader: Arc<dyn Store>,
    seen: Arc<Mutex<Vec<(u64, usize)>>>,
}

impl broker_sync::ProgressSink for Watcher {
    fn progress(&self, _: broker_sync::Progress) {
        let snapshot = run(self.reader.snapshot(&scope()));
        let reading = snapshot.state.reading.unwrap();
        assert_eq!(snapshot.state.rows, u64::try_from(snapshot.rows.len()).unwrap());
        self.seen
            .lock()
            .unwrap()
            .push((reading.totals.pages, snapshot.rows.len()));
    }
}

#[cfg(unix)]
#[test]
fn a_new_file_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt;
    let file = TempFile::new();
    let store: Arc<dyn Store> = Arc::new(SqliteStore::open(file.path()).unwrap());
    crate::common::sync_at(day(20), &Book::new(Vec::new()), &store).unwrap();
    for suffix in ["", "-wal", "-shm"] {
        let mut path = file.path().as_os_str().to_owned();
        path.push(suffix);
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{path:?}");
    }
}

#[test]
fn the_file_of_another_program_is_not_touched() {
    let file = TempFile::new();
    let foreign = rusqlite::Connection::open(file.path()).unwrap();
    foreign.execute_batch("CREATE TABLE theirs (x)").unwrap();
    drop(foreign);
    let before = std::fs::read(file.path()).unwrap();
    assert!(SqliteStore::open(file.path()).is_err());
    assert_eq!(std::fs::read(file.path()).unwrap(), before);
}

#[test]
fn reading_only_makes_no_file() {
    let file = TempFile::new();
    let error = SqliteStore::open_read_only(file.path()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(!file.path().exists());
    let nowhere = file.path().join("no/such/folder.sqlite");
    let error = SqliteStore::open(&nowhere).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.to_string().contains("check the path"), "{error}");
}
