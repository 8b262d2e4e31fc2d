//! What an honest broker gives: a complete history, once, and reports that say exactly what was done.
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::common::venue::ProofKind;
use crate::common::{Book, Venue, account, day, fill, over_both_stores, scope, stored_set, sync_at, void};
use broker_core::model::{Completeness, Record};
use broker_core::seam::VirtualRuntime;
use broker_core::{ErrorKind, Side};
use broker_sync::{
    Effort, Estimate, MemoryStore, OrderCheck, PnlCheck, PositionCheck, Span, Store, StoreExt, SyncReport, Syncer,
    Totals, progress_channel,
};
use chrono::Duration as Days;
use futures_util::StreamExt;

fn estimate(requests: u64, millis: u64) -> Estimate {
    Estimate {
        requests,
        time: Duration::from_millis(millis),
    }
}

/// Ten fills of 2 AAPL, one a day at one o'clock, two an order.
fn ten_fills() -> Vec<Record> {
    (0..10)
        .map(|i| {
            let mut fill = fill(&format!("f{i}"), day(i) + Days::hours(1));
            fill.order = Some(format!("o{}", i / 2).into());
            Record::Fill(fill)
        })
        .collect()
}

#[test]
fn the_first_sync_is_certified_to_the_last_figure() {
    over_both_stores(|store| {
        let book = Book::new(ten_fills());
        let report = sync_at(day(20), &book, &store).unwrap();
        let now = day(20) + Days::milliseconds(10);
        let whole = Span::new(now - Days::days(90), now);
        let expected = SyncReport {
            scope: scope(),
            asked: whole,
            covers: whole,
            resumed: false,
            started_at: now,
            // accounts, three pages, instruments, three pages of orders, positions
            ended_at: day(20) + Days::milliseconds(90),
            requests: 9,
            effort: Effort {
                // accounts, a page, a page of orders, positions
                at_least: estimate(4, 0),
                // 10 records in pages of 4, 5 orders in pages of 2, each answer after 10 ms
                planned: estimate(9, 90),
                spent: estimate(9, 90),
            },
            totals: Totals {
                pages: 3,
                rows: 10,
                fills: 10,
                new: 10,
                duplicates: 0,
                corrections: 0,
                voids: 0,
            },
            orders: OrderCheck::Checked {
                since: whole.since,
                orders: 5,
                failed: Vec::new(),
            },
            positions: PositionCheck::Verified { compared: 1 },
            pnl: PnlCheck::NotStated,
            verdict: Completeness::Complete,
            notes: Vec::new(),
        };
        assert_eq!(report, expected);
        let runtime = VirtualRuntime::new();
        assert_eq!(runtime.block_on(store.reports(&scope())).unwrap(), [expected]);
        let state = runtime.block_on(store.progress(&scope())).unwrap();
        assert_eq!((state.rows, state.reading, state.covers), (10, None, Some(whole)));
    });
}

#[test]
fn the_certificate_reads_like_one_and_hides_the_account() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let book = Book::new(ten_fills());
    let report = sync_at(day(20), &book, &store).unwrap();
    assert_eq!(
        report.to_string(),
        "History certificate\n\
        \x20 account    scripted paper …2345\n\
        \x20 read       2025-10-23T00:00:00.010Z .. 2026-01-21T00:00:00.010Z\n\
        \x20 covers     2025-10-23T00:00:00.010Z .. 2026-01-21T00:00:00.010Z\n\
        \x20 pages      3 with 10 rows, 10 fills; 9 requests, 0 s\n\
        \x20 effort     planned 9 requests in 0.1 s, spent 9 requests in 0.1 s; at least 4 requests in 0 s\n\
        \x20 stored     10 new, 0 corrections, 0 voids; 0 rows were known\n\
        \x20 orders     5 agree with their fills, placed since 2025-10-23T00:00:00.010Z\n\
        \x20 positions  verified: opening and records make all 1 of them\n\
        \x20 broker PnL not stated by the broker\n\
        \x20 verdict    COMPLETE"
    );
    assert!(!format!("{report:?}").contains("ACC-00012345"));
}

#[test]
fn a_second_run_reads_what_can_still_change_and_finds_nothing_new() {
    over_both_stores(|store| {
        let book = Book::new(ten_fills());
        sync_at(day(10), &book, &store).unwrap();
        let before = stored_set(&store);
        let report = sync_at(day(11), &book, &store).unwrap();
        let end = day(11) + Days::milliseconds(10);
        // Rows settle within three days: those of the days 7, 8 and 9 come again.
        assert_eq!(report.asked, Span::new(day(7) + Days::milliseconds(10), end));
        assert_eq!(report.covers, Span::new(day(-80) + Days::milliseconds(10), end));
        let totals = report.totals;
        assert_eq!((totals.new, totals.duplicates, totals.corrections), (0, 3, 0));
        assert_eq!(report.verdict, Completeness::Complete);
        assert!(report.to_string().contains("nothing new; 3 rows were known"));
        assert_eq!(stored_set(&store), before);
        assert_eq!(
            book.instrument_calls.load(Ordering::Relaxed),
            1,
            "looked up once, then cached"
        );
    });
}

#[test]
fn every_kind_of_proof_proves() {
    use ProofKind::{Contiguous, Count, Nothing, Range, ShortAtTheEnd};
    for proof in [Contiguous, Count, Range, ShortAtTheEnd, Nothing] {
        over_both_stores(|store| {
            let book = Book::new(ten_fills()).with(|knobs| knobs.proof = proof);
            let report = sync_at(day(20), &book, &store).unwrap();
            assert_eq!(report.verdict, Completeness::Complete, "{proof:?}");
            let again = sync_at(day(20), &book, &store).unwrap();
            assert_eq!(
                (again.totals.new, again.verdict),
                (0, Completeness::Complete),
                "{proof:?}"
            );
        });
    }
}

#[test]
fn rows_that_come_twice_are_kept_once() {
    over_both_stores(|store| {
        for proof in [ProofKind::Contiguous, ProofKind::Count] {
            let book = Book::new(ten_fills()).with(|knobs| {
                knobs.repeats_rows = true;
                knobs.proof = proof;
            });
            let report = sync_at(day(20), &book, &store).unwrap();
            assert_eq!(report.verdict, Completeness::Complete);
        }
        assert_eq!(stored_set(&store).len(), 10);
        let records = VirtualRuntime::new().block_on(store.records(&scope())).unwrap();
        assert_eq!(records, ten_fills());
    });
}

#[test]
fn two_fills_that_look_alike_are_two() {
    over_both_stores(|store| {
        let at = day(1);
        let twins: Vec<Record> = ["a", "b", "c"].map(|id| Record::Fill(fill(id, at))).to_vec();
        let book = Book::new(twins).with(|knobs| knobs.page_size = 1);
        let report = sync_at(day(2), &book, &store).unwrap();
        assert_eq!((report.totals.new, report.verdict), (3, Completeness::Complete));
    });
}

#[test]
fn late_rows_corrections_and_voids_are_found_by_the_next_sync() {
    over_both_stores(|store| {
        let book = Book::new(ten_fills());
        sync_at(day(10), &book, &store).unwrap();
        book.add(Record::Fill(fill("late", day(8))));
        let mut corrected = fill("f9", day(9) + Days::hours(1));
        corrected.order = Some("o4".into());
        corrected.version = 1;
        corrected.price = "100.2000".parse().unwrap();
        book.add_row(Record::Fill(corrected.clone()));
        book.add_row(void("v1", "f8", day(10)));
        let report = sync_at(day(11), &book, &store).unwrap();
        let totals = report.totals;
        assert_eq!((totals.new, totals.corrections, totals.voids), (2, 1, 1));
        assert_eq!(report.verdict, Completeness::Complete);

        let runtime = VirtualRuntime::new();
        let rows = runtime.block_on(store.rows(&scope(), None)).unwrap();
        assert_eq!(rows.len(), 13, "every version stays visible");
        let versions: Vec<u64> = rows
            .iter()
            .filter(|row| matches!(&row.record, Record::Fill(fill) if fill.id.get() == "f9"))
            .map(|row| row.version())
            .collect();
        assert_eq!(versions, [0, 1]);
        let records = runtime.block_on(store.records(&scope())).unwrap();
        let fills: Vec<&str> = records
            .iter()
            .filter_map(|record| match record {
                Record::Fill(fill) => Some(fill.id.get()),
                _ => None,
            })
            .collect();
        assert_eq!(fills, ["f0", "f1", "f2", "f3", "f4", "f5", "f6", "f7", "late", "f9"]);
        assert!(records.contains(&Record::Fill(corrected)));
    });
}

/// An order that had ended is filled further: it is compared once more, though it was placed long before what is read.
#[test]
fn a_late_fill_brings_its_order_back_to_the_check() {
    over_both_stores(|store| {
        let mut other = fill("b", day(9));
        other.order = Some("o2".into());
        let book = Book::new(vec![Record::Fill(fill("a", day(1))), Record::Fill(other)]);
        let checked = |report: &SyncReport| match report.orders {
            OrderCheck::Checked { since, orders, .. } => (since, orders),
            OrderCheck::Unavailable(_) => panic!("{report}"),
        };
        sync_at(day(10), &book, &store).unwrap();
        let report = sync_at(day(11), &book, &store).unwrap();
        // Three days before the end of the last window, in which `o2` was placed.
        assert_eq!(checked(&report).1, 1, "{report}");
        book.add(Record::Fill(fill("late", day(11))));
        let report = sync_at(day(12), &book, &store).unwrap();
        // An order is placed a second before its first fill.
        assert_eq!(checked(&report), (day(1) - Days::seconds(1), 2), "{report}");
        assert!(report.is_complete(), "{report}");
        let known = VirtualRuntime::new().block_on(store.orders(&scope())).unwrap();
        let filled: Vec<_> = known
            .iter()
            .map(|order| (order.id.get(), order.filled[0].qty.to_string(), order.is_settled))
            .collect();
        assert_eq!(filled, [("o1", "4".to_owned(), true), ("o2", "2".to_owned(), true)]);
        // Nothing new, nothing compared again; both were placed before the last three days.
        let report = sync_at(day(13), &book, &store).unwrap();
        assert_eq!(checked(&report).1, 0, "{report}");
    });
}

#[test]
fn a_fill_while_the_account_is_checked_is_no_difference() {
    over_both_stores(|store| {
        let book = Book::new(ten_fills());
        let runtime = VirtualRuntime::starting_at(day(20));
        let venue = Venue::new(Arc::clone(&book), &runtime);
        let sink = Arc::new(crate::common::OnPage::new(3, {
            let book = Arc::clone(&book);
            move || book.add(Record::Fill(fill("live", day(20) + Days::milliseconds(35))))
        }));
        let syncer = Syncer::new(Arc::new(venue), store).with_progress(sink);
        let report = runtime.block_on(syncer.sync(&account())).unwrap();
        assert_eq!(
            (report.totals.pages, report.totals.new),
            (4, 11),
            "read again since the end"
        );
        assert_eq!(report.positions, PositionCheck::Verified { compared: 1 });
        assert_eq!(report.verdict, Completeness::Complete);
    });
}

#[test]
fn an_opening_is_implied_once_and_verified_ever_after() {
    over_both_stores(|store| {
        let book = Book::new(ten_fills()).with(|knobs| knobs.opened_at = None);
        book.before.lock().unwrap().insert("AAPL".into(), (-7).into());
        book.before.lock().unwrap().insert("MSFT".into(), 3.into());
        let report = sync_at(day(20), &book, &store).unwrap();
        assert_eq!(report.positions, PositionCheck::Implied { opening: 2 });
        assert_eq!(report.verdict, Completeness::Complete);
        let history = VirtualRuntime::new().block_on(store.history(&scope())).unwrap();
        let opening: Vec<(&str, String)> = history
            .opening
            .iter()
            .map(|one| (one.symbol.get(), one.qty.to_string()))
            .collect();
        assert_eq!(opening, [("AAPL", "-7".to_owned()), ("MSFT", "3".to_owned())]);
        assert_eq!(history.completeness, Completeness::Complete);
        assert_eq!(history.instruments.len(), 1);

        let mut sold = fill("sold", day(21));
        sold.side = Side::Sell;
        sold.order = Some("o9".into());
        book.add(Record::Fill(sold));
        let report = sync_at(day(22), &book, &store).unwrap();
        assert_eq!(report.positions, PositionCheck::Verified { compared: 2 });
        assert_eq!(report.verdict, Completeness::Complete);

        // Booked three weeks late: the broker's positions had it all along, so the opening was worked out wrong.
        let book = book.with(|knobs| knobs.settles_within = Duration::from_secs(30 * 86_400));
        book.add(Record::Fill(fill("late", day(15))));
        *book.before.lock().unwrap().get_mut("AAPL").unwrap() -= rust_decimal::Decimal::TWO;
        let report = sync_at(day(23), &book, &store).unwrap();
        assert_eq!(report.positions, PositionCheck::Verified { compared: 2 });
        assert!(report.notes[0].contains("came late"), "{:?}", report.notes);
        let report = sync_at(day(24), &book, &store).unwrap();
        assert_eq!(
            (report.positions, report.notes.len()),
            (PositionCheck::Verified { compared: 2 }, 0)
        );
    });
}

#[test]
fn going_further_back_moves_the_opening() {
    over_both_stores(|store| {
        let book = Book::new(ten_fills()).with(|knobs| knobs.opened_at = None);
        book.before.lock().unwrap().insert("AAPL".into(), 100.into());
        let runtime = VirtualRuntime::starting_at(day(10));
        let venue: Arc<dyn broker_core::Broker> = Arc::new(Venue::new(Arc::clone(&book), &runtime));
        let syncer = |days| Syncer::new(Arc::clone(&venue), Arc::clone(&store)).with_days(days);
        let report = runtime.block_on(syncer(5).sync(&account())).unwrap();
        assert_eq!(
            (report.totals.new, report.positions),
            (5, PositionCheck::Implied { opening: 1 })
        );
        let opening = || {
            runtime.block_on(store.history(&scope())).unwrap().opening[0]
                .qty
                .to_string()
        };
        assert_eq!(opening(), "110");
        let report = runtime.block_on(syncer(30).sync(&account())).unwrap();
        assert_eq!(report.positions, PositionCheck::Verified { compared: 1 });
        assert_eq!((report.totals.new, report.verdict), (5, Completeness::Complete));
        assert_eq!(opening(), "100");
    });
}

#[test]
fn progress_is_told_after_each_page_and_never_waited_for() {
    let book = Book::new(ten_fills());
    let runtime = VirtualRuntime::starting_at(day(20));
    let venue = Arc::new(Venue::new(Arc::clone(&book), &runtime));
    let (sink, events) = progress_channel(2);
    let syncer = Syncer::new(venue, Arc::new(MemoryStore::new())).with_progress(Arc::new(sink));
    runtime.block_on(syncer.sync(&account())).unwrap();
    drop(syncer);
    let told: Vec<_> = runtime.block_on(events.collect());
    let figures: Vec<_> = told
        .iter()
        .map(|one| (one.pages, one.rows, one.fills, one.rate))
        .collect();
    assert_eq!(
        figures,
        [(1, 4, 4, 400), (2, 8, 8, 400)],
        "the third found the queue full"
    );
    assert_eq!(told[0].account.to_string(), "…2345");
    assert_eq!(told[0].reached, day(3) + Days::hours(1));
    // 73.04 of 90 days of history took 10 ms.
    assert_eq!(told[0].eta, Some(Duration::from_millis(2)));
}

#[test]
fn an_account_that_the_key_does_not_see_is_an_error() {
    let runtime = VirtualRuntime::new();
    let venue = Arc::new(Venue::new(Book::new(Vec::new()), &runtime));
    let syncer = Syncer::new(venue, Arc::new(MemoryStore::new()));
    let error = runtime.block_on(syncer.sync(&"ACC-99999999".into())).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert_eq!(
        error.to_string(),
        "scripted sync: not found: the key sees no account …9999; take the id from the broker's accounts(), or use \
         the key of that account"
    );
    let error = runtime.block_on(syncer.history(&account())).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}
