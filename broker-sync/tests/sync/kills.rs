//! A sync that is killed anywhere and started again gives the set of rows that an unkilled one gives.
use std::sync::Arc;
use std::time::Duration;

use crate::common::venue::ProofKind;
use crate::common::watched::{Commits, Killed, Slow, Watched};
use crate::common::{Book, TempFile, Venue, account, day, fill, scope, stored_set, void};
use broker_core::model::{Completeness, Record};
use broker_core::seam::VirtualRuntime;
use broker_sync::{MemoryStore, PositionCheck, SqliteStore, Store, SyncReport, Syncer};
use chrono::Duration as Days;

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

/// A sync that is dropped after so many polls; `None` when it was.
fn sync_with_polls(store: &Arc<dyn Store>, book: &Arc<Book>, commits: Commits, polls: u32) -> Option<SyncReport> {
    let runtime = VirtualRuntime::starting_at(day(20));
    let syncer = slow_syncer(&runtime, store, book, commits);
    let killed = Killed::after(polls, async move { syncer.sync(&account()).await });
    runtime.block_on(killed).map(|report| report.unwrap())
}

/// A syncer over a store that takes its time, and can be killed before and after each of its calls.
fn slow_syncer(runtime: &VirtualRuntime, store: &Arc<dyn Store>, book: &Arc<Book>, commits: Commits) -> Syncer {
    let watched = Watched {
        inner: Arc::clone(store),
        around: Arc::new(Slow(runtime.clock())),
        commits,
    };
    Syncer::new(Arc::new(Venue::new(Arc::clone(book), runtime)), Arc::new(watched))
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
    assert_eq!(needed, 43, "places to be killed at");
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
fn dropped_at_any_poll_the_same_syncer_goes_on() {
    let book = book();
    let whole: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let undisturbed = sync_with_polls(&whole, &book, Commits::AtOnce, NEVER).unwrap();
    let expected = stored_set(&whole);
    for polls in 0..polls_needed() {
        for (store, _file) in stores() {
            // One process: the same runtime, broker, and syncer after the drop as before.
            let runtime = VirtualRuntime::starting_at(day(20));
            let syncer = slow_syncer(&runtime, &store, &book, Commits::AtOnce);
            let account = account();
            assert!(runtime.block_on(Killed::after(polls, syncer.sync(&account))).is_none());
            let report = runtime.block_on(syncer.sync(&account)).unwrap();
            assert_eq!(stored_set(&store), expected, "dropped at poll {polls}");
            assert_eq!(report.verdict, undisturbed.verdict, "dropped at poll {polls}");
            assert_eq!(report.positions, undisturbed.positions, "dropped at poll {polls}");
            let state = runtime.block_on(store.progress(&scope())).unwrap();
            assert_eq!((state.reading, state.rows), (None, 14), "dropped at poll {polls}");
        }
    }
}

#[test]
fn a_clock_that_moves_meanwhile_makes_no_hole() {
    let book = book().with(|knobs| {
        knobs.opened_at = None;
        knobs.ticking = true;
        knobs.depth = Some(Duration::from_secs(90 * 86_400));
    });
    for (store, _file) in stores() {
        let report = sync_with_polls(&store, &book, Commits::AtOnce, NEVER).unwrap();
        assert_eq!(report.verdict, Completeness::Complete);
        let report = sync_with_polls(&store, &book, Commits::AtOnce, NEVER).unwrap();
        assert_eq!(report.positions, PositionCheck::Verified { compared: 1 });
        assert_eq!(report.verdict, Completeness::Complete);
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
