//! A scripted broker, and stores to run the same test over.
#![allow(
    dead_code,
    unused_imports,
    missing_docs,
    unreachable_pub,
    reason = "each test file uses its own part of this"
)]

mod literals;
pub mod venue;
pub mod watched;

use std::sync::Arc;

use broker_core::model::{Environment, Fill, Grade, PositionLeg, Record, Void};
use broker_core::seam::VirtualRuntime;
use broker_core::{AccountId, BrokerId, Currency, FillId, Money, Price, RecordId, Side};
use broker_sync::{MemoryStore, Scope, SqliteStore, Store, StoredRow, SyncReport, Syncer};
use chrono::{DateTime, Duration, Utc};

pub use literals::awkward;
pub use venue::{Book, Venue};

/// Midnight of the first of January 2026, when the account was opened; virtual time starts there too.
pub fn day(days: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_767_225_600, 0).unwrap() + Duration::days(days)
}

pub fn account() -> AccountId {
    AccountId::from("ACC-00012345")
}

pub fn scope() -> Scope {
    Scope {
        broker: BrokerId::from("scripted"),
        environment: Environment::Paper,
        account: account(),
    }
}

/// A fill of 2 AAPL at 100.10 by order `o1`.
pub fn fill(id: &str, at: DateTime<Utc>) -> Fill {
    Fill {
        id: FillId::from(id),
        account: account(),
        instrument: "AAPL".into(),
        symbol: "AAPL".into(),
        leg: PositionLeg::Net,
        order: Some("o1".into()),
        client_order: None,
        side: Side::Buy,
        qty: "2".parse().unwrap(),
        price: "100.10".parse::<Price>().unwrap(),
        at,
        version: 0,
        grade: Grade::Reported,
        fees: vec![Money::new("0.02".parse().unwrap(), Currency::USD)],
        liquidity: None,
        effect: None,
        pnl: None,
        conversion: None,
        lots: Vec::new(),
    }
}

pub fn void(id: &str, of: &str, at: DateTime<Utc>) -> Record {
    Record::Void(Void {
        id: RecordId::from(id),
        account: account(),
        fill: FillId::from(of),
        at,
    })
}

/// Runs the test over each store.
pub fn over_both_stores(test: impl Fn(Arc<dyn Store>)) {
    test(Arc::new(MemoryStore::new()));
    let file = TempFile::new();
    test(Arc::new(SqliteStore::open(file.path()).unwrap()));
}

/// A path in the temporary directory, removed with what SQLite keeps beside it.
pub struct TempFile(std::path::PathBuf);

impl TempFile {
    pub fn new() -> Self {
        use std::sync::atomic::{AtomicU32, Ordering};
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        Self(std::env::temp_dir().join(format!("broker-sync-{}-{count}.sqlite", std::process::id())))
    }

    pub fn path(&self) -> &std::path::Path {
        &self.0
    }
}

impl Drop for TempFile {
    fn drop(&mut self) {
        for suffix in ["", "-wal", "-shm"] {
            let mut path = self.0.clone().into_os_string();
            path.push(suffix);
            let _ = std::fs::remove_file(path);
        }
    }
}

/// One sync at this moment of virtual time.
pub fn sync_at(now: DateTime<Utc>, book: &Arc<Book>, store: &Arc<dyn Store>) -> broker_core::Result<SyncReport> {
    let runtime = VirtualRuntime::starting_at(now);
    let venue = Venue::new(Arc::clone(book), &runtime);
    runtime.block_on(Syncer::new(Arc::new(venue), Arc::clone(store)).sync(&account()))
}

/// All stored rows as text, sorted: what a store holds, whatever the order of reading.
pub fn stored_set(store: &Arc<dyn Store>) -> Vec<String> {
    let rows = VirtualRuntime::new().block_on(store.rows(&scope(), None)).unwrap();
    let mut set: Vec<String> = rows.iter().map(text).collect();
    set.sort_unstable();
    set
}

fn text(row: &StoredRow) -> String {
    serde_json::to_string(&row.record).unwrap()
}

/// Does something right after a page was stored.
pub struct OnPage<F> {
    page: u64,
    act: F,
}

impl<F> OnPage<F> {
    pub fn new(page: u64, act: F) -> Self {
        Self { page, act }
    }
}

impl<F> std::fmt::Debug for OnPage<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "OnPage({})", self.page)
    }
}

impl<F: Fn() + Send + Sync + 'static> broker_sync::ProgressSink for OnPage<F> {
    fn progress(&self, progress: broker_sync::Progress) {
        if progress.pages == self.page {
            (self.act)();
        }
    }
}
