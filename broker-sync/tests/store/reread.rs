//! Page texts that were kept, read again by a version that understands more.
use std::sync::Arc;

use crate::common::watched::{Commits, Killed, Slow, Watched};
use crate::common::{Book, Venue, account, awkward, day, fill, over_both_stores, scope, stored_set, sync_at};
use broker_core::model::{Asset, Completeness, Fee, Record};
use broker_core::seam::VirtualRuntime;
use broker_core::{Currency, Error, ErrorKind, Result};
use broker_sync::{PageWrite, RawPage, Reread, Store, StoreExt, SyncReport, Syncer};

/// Six fills with a fee of 0.02 each, on days 0 to 5, and a fee of its own between them: two pages.
fn book() -> Arc<Book> {
    let book = Book::new((0..6).map(|i| Record::Fill(fill(&format!("f{i}"), day(i)))).collect());
    let Some(Record::Fee(fee)) = awkward().into_iter().nth(1) else {
        panic!("no fee")
    };
    book.add_row(Record::Fee(Fee {
        asset: Asset::Currency(Currency::USD),
        canceled: false,
        ..fee
    }));
    book.with(|knobs| knobs.understands_little = true)
}

fn sync_early(store: &Arc<dyn Store>, book: &Arc<Book>) -> SyncReport {
    let runtime = VirtualRuntime::starting_at(day(9));
    let venue = Arc::new(Venue::new(Arc::clone(book), &runtime));
    let syncer = Syncer::new(venue, Arc::clone(store)).with_raw();
    runtime.block_on(syncer.sync(&account())).unwrap()
}

/// The later version: all that the text holds.
fn later(page: &RawPage) -> Result<Vec<Record>> {
    serde_json::from_str(&page.text).map_err(|error| Error::decode("a page").with_source(error))
}

fn reread(store: &Arc<dyn Store>) -> Reread {
    VirtualRuntime::new().block_on(store.reread(&scope(), &later)).unwrap()
}

fn records(store: &Arc<dyn Store>) -> Vec<Record> {
    VirtualRuntime::new().block_on(store.records(&scope())).unwrap()
}

fn fees(records: &[Record]) -> usize {
    let fees = records.iter().map(|record| match record {
        Record::Fill(fill) => fill.fees.len(),
        _ => 0,
    });
    fees.sum()
}

#[test]
fn a_later_version_makes_better_rows_of_the_same_texts() {
    over_both_stores(|store| {
        let book = book();
        sync_early(&store, &book);
        let early = records(&store);
        assert_eq!((early.len(), fees(&early)), (6, 0));
        let calls = book.history_calls();

        let done = reread(&store);
        // The overlap of three days is not read again yet: two pages of 4 and 3 rows.
        let expected = Reread {
            pages: 2,
            rows: 7,
            new: 1,
            corrections: 6,
        };
        assert_eq!(done, expected);
        assert_eq!(book.history_calls(), calls, "the broker is not asked");
        let better = records(&store);
        assert_eq!((better.len(), fees(&better)), (7, 6));
        let sent: Vec<Record> = book.records.lock().unwrap().clone();
        assert_eq!(
            serde_json::to_string(&better).unwrap(),
            serde_json::to_string(&sent).unwrap()
        );

        // All that was stored before is still visible, and reading again adds nothing.
        let state = VirtualRuntime::new().block_on(store.progress(&scope())).unwrap();
        assert_eq!((stored_set(&store).len(), state.rows, state.pages), (13, 13, 2));
        assert_eq!(
            reread(&store),
            Reread {
                new: 0,
                corrections: 0,
                ..done
            }
        );
        assert_eq!(stored_set(&store).len(), 13);

        // The next sync, by the later version, finds nothing new.
        let book = book.with(|knobs| knobs.understands_little = false);
        let report = sync_at(day(10), &book, &store).unwrap();
        assert_eq!((report.totals.new, report.totals.corrections), (0, 0));
        assert_eq!(report.verdict, Completeness::Complete);
    });
}

#[test]
fn what_a_later_page_without_text_has_replaced_does_not_come_back() {
    over_both_stores(|store| {
        let book = book();
        sync_early(&store, &book);
        // A sync without texts, by the later version: day 5 is in its overlap, and the venue has corrected its price.
        let book = book.with(|knobs| {
            knobs.understands_little = false;
            knobs.settles_within = std::time::Duration::from_secs(10 * 86_400);
        });
        if let Record::Fill(fill) = book.records.lock().unwrap().last_mut().unwrap() {
            fill.price = "99.99".parse().unwrap();
        }
        sync_at(day(10), &book, &store).unwrap();
        reread(&store);
        let sent: Vec<Record> = book.records.lock().unwrap().clone();
        assert_eq!(records(&store), sent);
    });
}

#[test]
fn rows_beside_what_was_asked_for_are_left_out() {
    over_both_stores(|store| {
        sync_early(&store, &book());
        let more = |page: &RawPage| {
            let mut records = later(page)?;
            records.push(Record::Fill(fill("long ago", day(-200))));
            Ok(records)
        };
        let done = VirtualRuntime::new().block_on(store.reread(&scope(), &more)).unwrap();
        assert_eq!((done.rows, done.new, done.corrections), (9, 1, 6));
    });
}

#[test]
fn dropped_at_any_poll_and_run_again_it_is_the_same_set() {
    let mut sets = Vec::new();
    for polls in 0.. {
        let mut dropped = 0;
        let seen = std::cell::RefCell::new(Vec::new());
        let ended = std::cell::Cell::new(0);
        over_both_stores(|store| {
            sync_early(&store, &book());
            let runtime = VirtualRuntime::starting_at(day(10));
            let watched = Watched {
                inner: Arc::clone(&store),
                around: Arc::new(Slow(runtime.clock())),
                commits: Commits::AtOnce,
            };
            let scope = scope();
            let done = runtime.block_on(Killed::after(polls, watched.reread(&scope, &later)));
            ended.set(ended.get() + u32::from(done.is_some()));
            reread(&store);
            seen.borrow_mut().push(stored_set(&store));
        });
        dropped += 2 - ended.get();
        sets.extend(seen.into_inner());
        if dropped == 0 {
            // A snapshot, three looks for a page, two commits: each with a place before it and one behind it.
            assert_eq!(polls, 13);
            break;
        }
    }
    assert_eq!(sets[0].len(), 13);
    assert!(sets.iter().all(|set| *set == sets[0]));
}

#[test]
fn what_cannot_be_read_again_is_refused_and_stores_nothing() {
    over_both_stores(|store| {
        let refused = |read: &broker_sync::ReadPage<'_>| {
            let before = stored_set(&store);
            let error = VirtualRuntime::new()
                .block_on(store.reread(&scope(), read))
                .unwrap_err();
            assert_eq!(stored_set(&store), before);
            error
        };
        assert_eq!(refused(&later).kind(), ErrorKind::NotFound);
        sync_early(&store, &book());

        let fails_late = |page: &RawPage| match page.text.contains("f5") {
            true => Err(Error::decode("a page")),
            false => later(page),
        };
        assert_eq!(refused(&fails_late).kind(), ErrorKind::Decode);
        let foreign = |_: &RawPage| {
            let mut row = fill("x", day(1));
            row.account = "ACC-00067890".into();
            Ok(vec![Record::Fill(row)])
        };
        let error = refused(&foreign);
        assert_eq!(error.kind(), ErrorKind::Protocol);
        assert!(
            error
                .to_string()
                .contains("a row of account …7890 was read from a page of …2345"),
            "{error}"
        );

        // A sync that was interrupted has its counts and cursors open.
        let mut state = VirtualRuntime::new().block_on(store.progress(&scope())).unwrap();
        let covers = state.covers.unwrap();
        state.reading = Some(broker_sync::Reading {
            asked: covers,
            parts: Vec::new(),
            totals: broker_sync::Totals::default(),
            started_at: day(9),
        });
        let page = PageWrite {
            part: 9,
            rows: Vec::new(),
            read_at: day(9),
            raw: None,
            state,
        };
        VirtualRuntime::new().block_on(store.commit(&scope(), page)).unwrap();
        let error = refused(&later);
        assert_eq!(error.kind(), ErrorKind::InvalidRequest);
        assert!(error.to_string().contains("sync the account to its end"), "{error}");
    });
}
