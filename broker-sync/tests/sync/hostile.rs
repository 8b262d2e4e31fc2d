//! Ways to a certificate that says too much, and what closes them.
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::common::venue::Coins;
use crate::common::{Book, Venue, account, day, fill, over_both_stores, scope, sync_at};
use broker_core::model::{Completeness, Record};
use broker_core::seam::VirtualRuntime;
use broker_core::{ErrorKind, Side};
use broker_sync::{MemoryStore, PositionCheck, Store, StoreExt, Syncer};
use chrono::Duration as Days;

fn trade(id: &str, order: &str, side: Side, at: chrono::DateTime<chrono::Utc>) -> Record {
    let mut fill = fill(id, at);
    fill.order = Some(order.into());
    fill.side = side;
    Record::Fill(fill)
}

fn run<T>(future: impl Future<Output = broker_core::Result<T>>) -> T {
    VirtualRuntime::new().block_on(future).unwrap()
}

#[test]
fn a_round_trip_stamped_by_a_clock_that_is_behind_ours_is_not_lost() {
    over_both_stores(|store| {
        let book = Book::new(Vec::new()).with(|knobs| knobs.settles_within = Duration::ZERO);
        sync_at(day(20), &book, &store).unwrap();
        // A minute later by our clock; the venue's is five minutes behind. Flat again: no position tells of it.
        let at = day(20) - Days::minutes(4);
        book.add(trade("f1", "o1", Side::Buy, at));
        book.add(trade("f2", "o2", Side::Sell, at + Days::seconds(5)));
        let report = sync_at(day(20) + Days::hours(1), &book, &store).unwrap();
        assert_eq!(report.totals.new, 2);
        assert_eq!(report.verdict, Completeness::Complete);
    });
}

#[test]
fn a_fill_stamped_by_a_clock_that_is_ahead_of_ours_is_not_counted_twice() {
    over_both_stores(|store| {
        // The venue's clock is ten seconds ahead: its positions hold a fill that its history gives only later.
        let at = day(20) + Days::seconds(10);
        let book = Book::new(vec![trade("f1", "o1", Side::Buy, at)]).with(|knobs| knobs.opened_at = None);
        let first = sync_at(day(20), &book, &store).unwrap();
        assert_eq!(first.positions, PositionCheck::Implied { opening: 1 });
        assert_eq!(first.totals.new, 0);

        let second = sync_at(day(21), &book, &store).unwrap();
        assert_eq!(second.positions, PositionCheck::Verified { compared: 1 });
        assert_eq!(second.verdict, Completeness::Complete);
        assert_eq!(run(store.history(&scope())).opening, []);
    });
}

#[test]
fn an_opening_that_nothing_checked_does_not_vouch_for_late_rows() {
    over_both_stores(|store| {
        let book = Book::new(vec![
            trade("f1", "o1", Side::Buy, day(5)),
            trade("late", "o2", Side::Buy, day(20) - Days::hours(1)),
        ])
        .with(|knobs| {
            knobs.opened_at = None;
            knobs.orders_unsupported = true;
            knobs.hidden = vec!["late".to_owned()];
        });
        let first = sync_at(day(20), &book, &store).unwrap();
        let Completeness::Incomplete { ranges, reason } = first.verdict else {
            panic!("a fill is missing: {:?}", first.verdict);
        };
        let until = first.covers.until;
        assert_eq!(
            ranges,
            [(until - Days::days(3), until)],
            "as long as rows can still be booked"
        );
        assert!(reason.contains("late"), "{reason}");

        book.knobs.lock().unwrap().hidden.clear();
        let second = sync_at(day(21), &book, &store).unwrap();
        assert_eq!(second.totals.new, 1);
        assert_eq!(second.positions, PositionCheck::Verified { compared: 1 });
        assert_eq!(second.verdict, Completeness::Complete);
        assert_eq!(run(store.history(&scope())).opening, [], "both fills were inside");
    });
}

#[test]
fn a_window_widened_at_a_spot_venue_makes_no_short_position() {
    over_both_stores(|store| {
        let coin = |id: &str, at| {
            let mut fill = fill(id, at);
            fill.instrument = "BTC/USD".into();
            fill.symbol = "BTC/USD".into();
            fill.fees.clear();
            Record::Fill(fill)
        };
        let book = Book::new(vec![coin("f1", day(5)), coin("f2", day(15))]).with(|knobs| {
            knobs.opened_at = None;
            let coins = BTreeMap::from([("BTC", "4".to_owned()), ("USD", "100".to_owned())]);
            knobs.coins = Some(Coins(coins));
        });
        let sync = |at, days| {
            let runtime = VirtualRuntime::starting_at(at);
            let venue = Arc::new(Venue::new(Arc::clone(&book), &runtime));
            let syncer = Syncer::new(venue, Arc::clone(&store)).with_days(days);
            runtime.block_on(syncer.sync(&account())).unwrap()
        };
        assert_eq!(sync(day(20), 10).totals.new, 1);
        assert_eq!(sync(day(21), 21).totals.new, 1);
        let history = run(store.history(&scope()));
        assert_eq!(history.records.len(), 2);
        assert_eq!(history.opening, [], "coins are no position of a pair");
    });
}

#[test]
fn the_longest_windows_do_not_panic() {
    let book = Book::new(vec![trade("f1", "o1", Side::Buy, day(5))]).with(|knobs| {
        knobs.settles_within = Duration::MAX;
        knobs.depth = Some(Duration::MAX);
        knobs.order_depth = Some(Duration::MAX);
        knobs.opened_at = None;
    });
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    for set in [
        |syncer: Syncer| syncer.with_days(u32::MAX),
        |syncer: Syncer| syncer.with_since(chrono::DateTime::<chrono::Utc>::MIN_UTC),
        |syncer: Syncer| syncer.with_since(chrono::DateTime::<chrono::Utc>::MAX_UTC),
        |syncer: Syncer| syncer.with_everything(),
    ] {
        let runtime = VirtualRuntime::starting_at(day(20));
        let venue = Arc::new(Venue::new(Arc::clone(&book), &runtime));
        let report = runtime.block_on(set(Syncer::new(venue, Arc::clone(&store))).sync(&account()));
        assert!(report.unwrap().is_complete());
    }
    assert_eq!(run(store.records(&scope())).len(), 1);
}

#[test]
fn fills_too_large_to_sum_up_are_an_error_and_no_panic() {
    let mut records = Vec::new();
    for (id, instrument) in [("f1", "AAPL"), ("f2", "MSFT")] {
        let mut fill = fill(id, day(5));
        fill.instrument = instrument.into();
        fill.qty = "79228162514264337593543950335".parse().unwrap();
        records.push(Record::Fill(fill));
    }
    let book = Book::bulk(records);
    let mut one = fill("f0", day(5));
    one.instrument = "NVDA".into();
    book.add(Record::Fill(one));
    // Of one order in three instruments, as far as the fills say: each fits, the sum does not.
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let error = sync_at(day(20), &book, &store).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Decode, "{error}");
}

#[test]
fn an_account_that_the_key_does_not_see_is_named_masked_with_what_to_do() {
    let runtime = VirtualRuntime::starting_at(day(20));
    let venue = Arc::new(Venue::new(Book::new(Vec::new()), &runtime));
    let syncer = Syncer::new(venue, Arc::new(MemoryStore::new()));
    let error = runtime.block_on(syncer.sync(&"OTHER-99991234".into())).unwrap_err();
    let text = error.to_string();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(text.contains("…1234") && !text.contains("9999"), "{text}");
    assert!(text.contains("accounts()"), "{text}");
}

#[test]
fn nothing_that_prints_shows_the_whole_account() {
    let book = Book::new(vec![trade("f1", "o1", Side::Buy, day(5))]);
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let runtime = VirtualRuntime::starting_at(day(20));
    let venue = Arc::new(Venue::new(Arc::clone(&book), &runtime));
    let syncer = Syncer::new(venue, Arc::clone(&store)).with_raw();
    let report = runtime.block_on(syncer.sync(&account())).unwrap();
    let history = run(store.history(&scope()));
    let mut rows = run(store.rows(&scope(), None));
    for row in &mut rows {
        row.raw = Some(format!("page of {}", account().get()).into());
    }
    let state = run(store.progress(&scope()));
    let printed = format!(
        "{report} {report:?} {history:?} {rows:?} {state:?} {:?} {} {store:?} {syncer:?}",
        scope(),
        scope()
    );
    assert!(printed.contains("…2345"));
    assert!(!printed.contains("00012345"), "{printed}");
}
