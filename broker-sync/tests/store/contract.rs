//! The contract of a store, over both of them.
use std::sync::Arc;

use crate::common::{Book, Venue, account, awkward, day, fill, over_both_stores, scope, void};
use broker_core::model::Record;
use broker_core::seam::VirtualRuntime;
use broker_core::{Currency, ErrorKind, InstrumentId, Money};
use broker_sync::{PageWrite, Span, Store, SyncState, Syncer, Written};
use chrono::Utc;

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

fn commit(store: &Arc<dyn Store>, part: u64, rows: Vec<Record>) -> Written {
    let state = run(store.progress(&scope()));
    run(store.commit(&scope(), page(state, part, rows)))
}

#[test]
fn rows_come_back_digit_for_digit() {
    over_both_stores(|store| {
        let written = commit(&store, 1, awkward());
        let expected = Written {
            new: 4,
            distinct: 4,
            fills: 1,
            voids: 1,
            ..Written::default()
        };
        assert_eq!(written, expected);
        let rows = run(store.rows(&scope(), None));
        let records: Vec<Record> = rows.iter().map(|row| row.record.clone()).collect();
        assert_eq!(records, awkward());
        let text = |records: &[Record]| serde_json::to_string(records).unwrap();
        assert_eq!(
            text(&records),
            text(&awkward()),
            "equal numbers may differ in their digits"
        );
        assert!(text(&records).contains(r#""price":"12345678901234567.8900""#));
        assert!(text(&records).contains(r#""at":"2026-01-01T20:40:00.123456789Z""#));
        let orders: Vec<u64> = rows.iter().map(|row| row.read_order).collect();
        assert_eq!(orders, [1, 2, 3, 4]);
        assert!(rows.iter().all(|row| row.read_at == day(30) && row.raw.is_none()));
    });
}

#[test]
fn rows_are_told_apart_by_key_version_grade_and_words() {
    over_both_stores(|store| {
        let one = fill("f", day(1));
        let counts = |written: Written| (written.new, written.duplicates, written.corrections, written.distinct);
        assert_eq!(counts(commit(&store, 1, vec![Record::Fill(one.clone())])), (1, 0, 0, 1));
        assert_eq!(counts(commit(&store, 1, vec![Record::Fill(one.clone())])), (0, 1, 0, 0));
        // Another part counts it once more among what it brought.
        assert_eq!(
            counts(commit(&store, 2, vec![Record::Fill(one.clone()); 2])),
            (0, 2, 0, 1)
        );
        let mut booked = one.clone();
        booked.grade = broker_core::model::Grade::Booked;
        let mut second = one.clone();
        second.version = 1;
        let mut reworded = one.clone();
        reworded.symbol = "AAPL.US".into();
        let rows = [booked, second, reworded.clone()].map(Record::Fill).to_vec();
        assert_eq!(counts(commit(&store, 3, rows.clone())), (0, 0, 3, 3));
        assert_eq!(counts(commit(&store, 4, rows)), (0, 3, 0, 3));
        // Back to the first words: the latest word of a version counts, so it is a row again.
        assert_eq!(counts(commit(&store, 5, vec![Record::Fill(one.clone())])), (0, 0, 1, 1));
        assert_eq!(run(store.rows(&scope(), None)).len(), 5);
        assert_eq!(run(store.progress(&scope())).rows, 5);
        // A fee may have the same text as its id.
        let records = [awkward().remove(1), void("fee", "x", day(1))];
        assert_eq!(counts(commit(&store, 6, records.to_vec())), (2, 0, 0, 2));
    });
}

#[test]
fn the_text_of_a_page_stays_with_its_rows() {
    over_both_stores(|store| {
        let book = Book::new((0..5).map(|i| Record::Fill(fill(&format!("f{i}"), day(i)))).collect());
        let runtime = VirtualRuntime::starting_at(day(9));
        let venue = Arc::new(Venue::new(book, &runtime));
        runtime
            .block_on(Syncer::new(venue, Arc::clone(&store)).with_raw().sync(&account()))
            .unwrap();
        let rows = run(store.rows(&scope(), Some(Span::new(day(3), day(5)))));
        let texts: Vec<_> = rows.iter().map(|row| row.raw.as_deref().unwrap()).collect();
        assert_eq!(texts, ["page of 4", "page of 1"]);
    });
}

#[test]
fn a_write_that_was_overtaken_is_refused_and_stores_nothing() {
    over_both_stores(|store| {
        let old = run(store.progress(&scope()));
        commit(&store, 1, vec![Record::Fill(fill("a", day(1)))]);
        let scope = scope();
        let late = store.commit(&scope, page(old, 1, vec![Record::Fill(fill("b", day(1)))]));
        let error = VirtualRuntime::new().block_on(late).unwrap_err();
        assert_eq!(
            (error.kind(), error.operation()),
            (ErrorKind::Unavailable, Some("store"))
        );
        assert_eq!(run(store.rows(&scope, None)).len(), 1);
    });
}

#[test]
fn accounts_do_not_see_each_other() {
    over_both_stores(|store| {
        commit(&store, 1, vec![Record::Fill(fill("a", day(1)))]);
        let mut other = scope();
        other.environment = broker_core::model::Environment::Live;
        assert_eq!(run(store.progress(&other)), SyncState::default());
        assert!(run(store.rows(&other, None)).is_empty());
        run(store.commit(&other, page(SyncState::default(), 1, awkward())));
        assert_eq!(run(store.rows(&other, None)).len(), 4);
        assert_eq!(run(store.rows(&scope(), None)).len(), 1);
        assert_eq!(run(store.scopes()), [scope(), other]);
    });
}

#[test]
fn instruments_are_kept_by_broker_and_replaced() {
    over_both_stores(|store| {
        let id = InstrumentId::from("AAPL");
        let mut one = crate::common::venue::instrument(&id);
        run(store.keep_instruments(&scope(), std::slice::from_ref(&one)));
        one.multiplier = Some("100.0".parse().unwrap());
        run(store.keep_instruments(&scope(), std::slice::from_ref(&one)));
        let mut other = scope();
        other.account = "ACC-2".into();
        let known = run(store.instruments(&other, &[id.clone(), "MSFT".into()]));
        assert_eq!(known.into_iter().collect::<Vec<_>>(), [(id, one)]);
    });
}

#[test]
fn other_zeros_behind_the_point_are_no_correction() {
    over_both_stores(|store| {
        let mut first = fill("f", day(1));
        first.price = "100.50".parse().unwrap();
        let mut again = first.clone();
        again.price = "100.5".parse().unwrap();
        again.fees = vec![Money::new("0.0200".parse().unwrap(), Currency::USD)];
        commit(&store, 1, vec![Record::Fill(first)]);
        let written = commit(&store, 2, vec![Record::Fill(again)]);
        assert_eq!((written.new, written.duplicates, written.corrections), (0, 1, 0));
        match &run(store.rows(&scope(), None))[0].record {
            Record::Fill(fill) => assert_eq!(fill.price.to_string(), "100.50", "as it was read first"),
            other => panic!("{other:?}"),
        }
    });
}

#[test]
fn a_span_beyond_all_time_holds_every_row() {
    over_both_stores(|store| {
        commit(&store, 1, awkward());
        let span = Span::new(chrono::DateTime::<Utc>::MIN_UTC, chrono::DateTime::<Utc>::MAX_UTC);
        assert_eq!(run(store.rows(&scope(), Some(span))).len(), awkward().len());
    });
}
