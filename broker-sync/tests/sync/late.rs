//! What comes later than it should, or under another name, ends in the right books.

use std::sync::Arc;

use broker_core::model::{Completeness, Record};
use broker_core::pnl::TradeBook;
use broker_core::seam::VirtualRuntime;
use broker_core::{Broker, InstrumentId, Side};
use broker_sync::{PositionCheck, Store, StoreExt, Syncer};
use chrono::Duration as Days;

use crate::common::{Book, Venue, account, day, fill, over_both_stores, scope, stored_set, sync_at, void};

fn ten_fills() -> Vec<Record> {
    (0..10)
        .map(|i| {
            let mut fill = fill(&format!("f{i}"), day(i) + Days::hours(1));
            fill.order = Some(format!("o{}", i / 2).into());
            Record::Fill(fill)
        })
        .collect()
}

/// The position by the books: the lots that are left.
fn position(store: &Arc<dyn Store>) -> String {
    let history = VirtualRuntime::new().block_on(store.history(&scope())).unwrap();
    let books = TradeBook::fifo().fold(&history).unwrap();
    books
        .positions
        .iter()
        .map(|one| format!("{} {}", one.symbol, one.qty))
        .collect()
}

#[test]
fn a_fill_later_than_the_broker_says_is_looked_for_ever_further_back() {
    over_both_stores(|store| {
        let book = Book::new(ten_fills());
        assert_eq!(sync_at(day(40), &book, &store).unwrap().verdict, Completeness::Complete);
        // Rows settle within three days, it is said. This one is 35 days late.
        let mut late = fill("late", day(5));
        late.order = Some("o9".into());
        book.add(Record::Fill(late));
        let mut since = Vec::new();
        let report = loop {
            let report = sync_at(day(41 + i64::try_from(since.len()).unwrap()), &book, &store).unwrap();
            since.push((day(40) - report.asked.since).num_days());
            match &report.verdict {
                Completeness::Complete => break report,
                Completeness::Incomplete { reason, .. } => {
                    assert_eq!(reason, "AAPL is 20 by our records, 22 by the broker");
                }
            }
            assert!(since.len() < 12, "never found: {since:?}");
        };
        // Three days back as always, then twice as far each time.
        assert_eq!((since[0], report.totals.new), (2, 1), "{since:?}");
        assert!(since.len() <= 7, "{since:?}");
        assert_eq!(report.positions, PositionCheck::Verified { compared: 1 });
        assert_eq!((stored_set(&store).len(), position(&store)), (11, "AAPL 22".to_owned()));
        let last = 40 + i64::try_from(since.len()).unwrap();
        let report = sync_at(day(last + 1), &book, &store).unwrap();
        let usual = day(last) - Days::days(3) + Days::milliseconds(10);
        assert_eq!(report.asked.since, usual, "and then no more");
    });
}

#[test]
fn a_correction_days_later_and_a_trade_that_is_taken_back_end_in_the_right_books() {
    over_both_stores(|store| {
        let book = Book::new(ten_fills());
        sync_at(day(10), &book, &store).unwrap();
        assert_eq!(position(&store), "AAPL 20");
        // Two days later the last fill was of 1, not of 2; and the one before it never was.
        let mut corrected = fill("f9", day(9) + Days::hours(1));
        corrected.order = Some("o4".into());
        corrected.version = 1;
        corrected.qty = "1".parse().unwrap();
        book.add_row(Record::Fill(corrected));
        book.add_row(void("v1", "f8", day(11)));
        book.set_filled("o4", "1");
        let report = sync_at(day(12), &book, &store).unwrap();
        assert_eq!((report.totals.corrections, report.totals.voids), (1, 1));
        assert_eq!(
            (report.verdict, position(&store)),
            (Completeness::Complete, "AAPL 17".to_owned())
        );
    });
}

#[test]
fn an_instrument_that_is_renamed_stays_one() {
    over_both_stores(|store| {
        let id = InstrumentId::from("conid-107113386");
        let trade = |name: &str, symbol: &str, days, side| {
            let mut fill = fill(name, day(days));
            fill.instrument = id.clone();
            fill.symbol = symbol.into();
            fill.side = side;
            fill.order = Some(name.into());
            Record::Fill(fill)
        };
        let book = Book::new(vec![trade("f1", "FB", 1, Side::Buy)]);
        let report = sync_at(day(2), &book, &store).unwrap();
        assert_eq!(report.positions, PositionCheck::Verified { compared: 1 });
        let symbol = || {
            let history = VirtualRuntime::new().block_on(store.history(&scope())).unwrap();
            let symbol = history.instruments[&id].symbol.clone();
            (history, symbol)
        };
        assert_eq!(symbol().1.get(), "FB");

        book.add(trade("f2", "META", 8, Side::Sell));
        let report = sync_at(day(9), &book, &store).unwrap();
        assert_eq!(report.verdict, Completeness::Complete);
        let (history, symbol) = symbol();
        assert_eq!(symbol.get(), "META", "looked up again");
        let books = TradeBook::fifo().fold(&history).unwrap();
        assert_eq!(
            (books.trades.len(), books.positions.len()),
            (1, 0),
            "one round trip, nothing left"
        );
        assert_eq!(books.trades[0].instrument, id);
        let calls = |book: &Arc<Book>| book.instrument_calls.load(std::sync::atomic::Ordering::Relaxed);
        let before = calls(&book);
        sync_at(day(10), &book, &store).unwrap();
        assert_eq!(calls(&book), before, "and then no more");
    });
}

/// A sync at a broker that keeps history by instrument.
fn sync_named(
    days: i64,
    book: &Arc<Book>,
    store: &Arc<dyn Store>,
    named: &[&str],
) -> broker_core::Result<broker_sync::SyncReport> {
    let runtime = VirtualRuntime::starting_at(day(days));
    let venue: Arc<dyn Broker> = Arc::new(Venue::new(Arc::clone(book), &runtime));
    let named = named.iter().map(|name| InstrumentId::from(*name)).collect();
    let syncer = Syncer::new(venue, Arc::clone(store)).with_instruments(named);
    runtime.block_on(syncer.sync(&account()))
}

fn fills_in(name: &str, count: i64, side: Side) -> impl Iterator<Item = Record> {
    (0..count).map(move |i| {
        let side = if i % 2 == 0 { side } else { side.opposite() };
        let mut fill = fill(&format!("{name}{i}"), day(i) + Days::hours(2));
        (fill.instrument, fill.symbol) = (name.into(), name.into());
        fill.order = Some(format!("{name}{i}").into());
        fill.side = side;
        Record::Fill(fill)
    })
}

#[test]
fn each_instrument_has_a_cursor_of_its_own() {
    over_both_stores(|store| {
        let rows = fills_in("AAPL", 10, Side::Buy).chain(fills_in("MSFT", 10, Side::Sell));
        let book = Book::new(rows.collect()).with(|knobs| {
            knobs.by_instrument = true;
            knobs.fails_at = Some(5);
        });
        assert!(sync_named(20, &book, &store, &["AAPL", "MSFT"]).is_err());
        let state = VirtualRuntime::new().block_on(store.progress(&scope())).unwrap();
        let parts = state.reading.unwrap().parts;
        let stand: Vec<(&str, bool, bool)> = parts
            .iter()
            .map(|part| {
                (
                    part.instrument.as_ref().unwrap().get(),
                    part.done,
                    part.cursor.is_some(),
                )
            })
            .collect();
        // Three pages of the first, one of the second, and the fifth call failed.
        assert_eq!(stand, [("AAPL", true, false), ("MSFT", false, true)]);
        let report = sync_named(20, &book, &store, &["AAPL", "MSFT"]).unwrap();
        assert_eq!((report.totals.new, report.verdict), (20, Completeness::Complete));
        // Two pages more of the second, and one of each that has settled since: nothing was read twice.
        assert_eq!(
            (report.totals.pages, report.totals.duplicates, book.history_calls()),
            (8, 0, 9)
        );
    });
}

#[test]
fn an_instrument_that_is_named_later_is_read_from_the_start() {
    over_both_stores(|store| {
        // The second was bought and sold again: no position tells of it.
        let rows = fills_in("AAPL", 6, Side::Buy).chain(fills_in("MSFT", 6, Side::Buy));
        let book = Book::new(rows.collect()).with(|knobs| {
            knobs.by_instrument = true;
            knobs.orders_unsupported = true;
        });
        let report = sync_named(20, &book, &store, &["AAPL"]).unwrap();
        assert_eq!(
            (report.totals.new, report.verdict),
            (6, Completeness::Complete),
            "as far as was named"
        );
        let report = sync_named(21, &book, &store, &["AAPL", "MSFT"]).unwrap();
        assert_eq!(report.totals.new, 6, "all of MSFT, three weeks back");
        assert_eq!((report.verdict, stored_set(&store).len()), (Completeness::Complete, 12));
        let report = sync_named(22, &book, &store, &["AAPL", "MSFT"]).unwrap();
        assert_eq!(
            (report.totals.new, report.totals.duplicates),
            (0, 0),
            "from then on what can still change"
        );
    });
}
