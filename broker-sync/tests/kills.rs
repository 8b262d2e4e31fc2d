//! A sync that is killed anywhere and started again gives the set of rows that an unkilled one gives.

mod common;

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use async_trait::async_trait;
use broker_core::model::{Completeness, Instrument, Record};
use broker_core::seam::VirtualRuntime;
use broker_core::{InstrumentId, Result};
use broker_sync::{
    Conclusion, KnownOrder, MemoryStore, PageWrite, PositionCheck, Scope, Snapshot, Span, SqliteStore, Store,
    StoredRow, SyncReport, SyncState, Syncer, Written,
};
use chrono::Duration as Days;
use common::venue::ProofKind;
use common::{Book, TempFile, Venue, account, day, fill, scope, stored_set, void};

/// Twelve fills, one of them corrected, one voided; pages of three that repeat their borders.
fn book() -> Arc<Book> {
    let rows = (0..12).map(|i| {
        let mut fill = fill(&format!("f{i}"), day(i) + Days::hours(1));
        fill.order = Some(format!("o{}", i / 3).into());
        Record::Fill(fill)
    });
    let book = Book::new(rows.collect());
    let mut corrected = fill("f4", day(4) + Days::hours(1));
    corrected.order = Some("o1".into());
    corrected.version = 1;
    book.add_row(Record::Fill(corrected));
    book.add_row(void("v1", "f7", day(8)));
    book.with(|knobs| {
        knobs.page_size = 3;
        knobs.repeats_rows = true;
        knobs.proof = ProofKind::Count;
    })
}

/// Gives up after some polls: what a kill looks like from inside.
struct Killed<F> {
    future: Pin<Box<F>>,
    polls_left: u32,
}

impl<F: Future> Future for Killed<F> {
    type Output = Option<F::Output>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if self.polls_left == 0 {
            return Poll::Ready(None);
        }
        self.polls_left -= 1;
        self.future.as_mut().poll(context).map(Some)
    }
}

/// Pends once.
#[derive(Default)]
struct Yield(bool);

impl Future for Yield {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if std::mem::replace(&mut self.0, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }
}

/// A store that can be killed before and after each of its calls.
#[derive(Debug)]
struct Fragile {
    inner: Arc<dyn Store>,
    commits: Commits,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Commits {
    AtOnce,
    /// The planted mistake: the cursor first, the rows in a second transaction.
    CursorFirst,
}

impl Fragile {
    async fn around<T>(&self, call: impl Future<Output = T>) -> T {
        Yield::default().await;
        let done = call.await;
        Yield::default().await;
        done
    }
}

#[async_trait]
impl Store for Fragile {
    async fn scopes(&self) -> Result<Vec<Scope>> {
        self.around(self.inner.scopes()).await
    }

    async fn progress(&self, scope: &Scope) -> Result<SyncState> {
        self.around(self.inner.progress(scope)).await
    }

    async fn commit(&self, scope: &Scope, page: PageWrite) -> Result<Written> {
        if self.commits == Commits::AtOnce {
            return self.around(self.inner.commit(scope, page)).await;
        }
        let mut page = page;
        page.state.revision = self.inner.progress(scope).await?.revision;
        let cursor = PageWrite {
            rows: Vec::new(),
            ..page.clone()
        };
        self.around(self.inner.commit(scope, cursor)).await?;
        page.state = self.inner.progress(scope).await?;
        self.around(self.inner.commit(scope, page)).await
    }

    async fn conclude(&self, scope: &Scope, mut conclusion: Conclusion) -> Result<()> {
        conclusion.state.revision = self.inner.progress(scope).await?.revision;
        self.around(self.inner.conclude(scope, conclusion)).await
    }

    async fn rows(&self, scope: &Scope, span: Option<Span>) -> Result<Vec<StoredRow>> {
        self.around(self.inner.rows(scope, span)).await
    }

    async fn snapshot(&self, scope: &Scope) -> Result<Snapshot> {
        self.around(self.inner.snapshot(scope)).await
    }

    async fn instruments(&self, scope: &Scope, ids: &[InstrumentId]) -> Result<BTreeMap<InstrumentId, Instrument>> {
        self.around(self.inner.instruments(scope, ids)).await
    }

    async fn keep_instruments(&self, scope: &Scope, instruments: &[Instrument]) -> Result<()> {
        self.around(self.inner.keep_instruments(scope, instruments)).await
    }

    async fn orders(&self, scope: &Scope) -> Result<Vec<KnownOrder>> {
        self.around(self.inner.orders(scope)).await
    }

    async fn reports(&self, scope: &Scope) -> Result<Vec<SyncReport>> {
        self.around(self.inner.reports(scope)).await
    }
}

/// A sync that is dropped after so many polls; `None` when it was.
fn sync_with_polls(store: &Arc<dyn Store>, book: &Arc<Book>, commits: Commits, polls: u32) -> Option<SyncReport> {
    let runtime = VirtualRuntime::starting_at(day(20));
    let venue = Arc::new(Venue::new(Arc::clone(book), &runtime));
    let fragile = Arc::new(Fragile {
        inner: Arc::clone(store),
        commits,
    });
    let syncer = Syncer::new(venue, fragile);
    let killed = Killed {
        future: Box::pin(async move { syncer.sync(&account()).await }),
        polls_left: polls,
    };
    runtime.block_on(killed).map(|report| report.unwrap())
}

const NEVER: u32 = u32::MAX;

/// A fresh store, memory or SQLite, with the file that must outlive it.
fn stores() -> [(Arc<dyn Store>, Option<TempFile>); 2] {
    let file = TempFile::new();
    let sqlite = Arc::new(SqliteStore::open(file.path()).unwrap());
    [(Arc::new(MemoryStore::new()), None), (sqlite, Some(file))]
}

/// Polls until the sync ends by itself.
fn polls_needed() -> u32 {
    let book = book();
    let needed = |polls: &u32| {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
        sync_with_polls(&store, &book, Commits::AtOnce, *polls).is_some()
    };
    (1..).find(needed).unwrap()
}

#[test]
fn killed_at_any_poll_and_started_again_it_is_the_same_set() {
    let book = book();
    let whole: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let unkilled = sync_with_polls(&whole, &book, Commits::AtOnce, NEVER).unwrap();
    assert_eq!(unkilled.verdict, Completeness::Complete);
    let expected = stored_set(&whole);
    assert_eq!(expected.len(), 14);
    let needed = polls_needed();
    assert_eq!(needed, 33, "places to be killed at");
    for polls in 0..needed {
        for (store, _file) in stores() {
            let killed = sync_with_polls(&store, &book, Commits::AtOnce, polls);
            assert!(killed.is_none());
            let report = sync_with_polls(&store, &book, Commits::AtOnce, NEVER).unwrap();
            assert_eq!(stored_set(&store), expected, "killed at poll {polls}");
            assert_eq!(report.verdict, Completeness::Complete, "killed at poll {polls}");
            assert_eq!(report.positions, PositionCheck::Verified { compared: 1 });
            let again = sync_with_polls(&store, &book, Commits::AtOnce, NEVER).unwrap();
            let totals = again.totals;
            assert_eq!((totals.new, totals.corrections), (0, 0), "killed at poll {polls}");
        }
    }
}

#[test]
fn killed_again_and_again_it_still_gets_there() {
    let book = book();
    let whole: Arc<dyn Store> = Arc::new(MemoryStore::new());
    sync_with_polls(&whole, &book, Commits::AtOnce, NEVER).unwrap();
    let needed = polls_needed();
    for (store, _file) in stores() {
        // Each run gets a little further than the one before: from not one page to the end.
        let report = (1..=needed).find_map(|polls| sync_with_polls(&store, &book, Commits::AtOnce, polls));
        let report = report.unwrap();
        let reports = VirtualRuntime::new().block_on(store.reports(&scope())).unwrap();
        assert!(reports[0].resumed);
        assert_eq!(report.verdict, Completeness::Complete);
        assert_eq!(stored_set(&store), stored_set(&whole));
    }
}

#[test]
fn a_cursor_that_is_stored_before_its_rows_is_caught() {
    let book = book();
    let whole: Arc<dyn Store> = Arc::new(MemoryStore::new());
    sync_with_polls(&whole, &book, Commits::AtOnce, NEVER).unwrap();
    let expected = stored_set(&whole);
    let mut lost = 0;
    for polls in 0..polls_needed() {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
        sync_with_polls(&store, &book, Commits::CursorFirst, polls);
        let state = VirtualRuntime::new().block_on(store.progress(&scope())).unwrap();
        let report = sync_with_polls(&store, &book, Commits::AtOnce, NEVER).unwrap();
        if stored_set(&store) != expected {
            lost += 1;
            assert!(state.reading.is_some());
            assert!(!report.is_complete(), "killed at poll {polls}: vouched for lost rows");
        }
    }
    assert!(lost > 0, "the campaign must catch the planted mistake");
}
