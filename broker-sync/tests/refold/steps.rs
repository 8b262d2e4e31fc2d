//! What folding again costs, in rows that are read.

use std::sync::Arc;

use broker_core::model::Record;
use broker_core::pnl::LotMethod;
use broker_core::{Price, Side};
use broker_sync::{PageWrite, Refolded, Span, Store, StoreExt};
use chrono::Duration;

use crate::common::{day, fill, over_both_stores, scope, void};
use crate::counted::Counted;
use crate::{expect_same, run};

/// Ten fills a day, a round trip each two, in four orders.
fn of_day(days: i64) -> Vec<Record> {
    (0..10)
        .map(|number| {
            let mut fill = fill(&format!("d{days}-{number}"), day(days) + Duration::hours(10 + number));
            fill.order = Some(format!("o{days}-{}", number / 3).into());
            fill.side = if number % 2 == 0 { Side::Buy } else { Side::Sell };
            fill.price = Price::new((100 + number).into());
            Record::Fill(fill)
        })
        .collect()
}

fn put(store: &Arc<dyn Store>, days: i64, rows: Vec<Record>) {
    let mut state = run(store.progress(&scope()));
    state.covers = Some(Span::new(day(0), day(days + 1)));
    let page = PageWrite {
        part: 1,
        rows,
        read_at: day(days),
        raw: None,
        state,
    };
    run(store.commit(&scope(), page));
}

const DAYS: i64 = 400;

/// A store that holds `DAYS` days, 4,000 rows, and has folded them.
fn with_journal(inner: &Arc<dyn Store>) -> (Arc<Counted>, Arc<dyn Store>) {
    run(inner.keep_instruments(&scope(), &[crate::common::venue::instrument(&"AAPL".into())]));
    for days in 0..DAYS {
        put(inner, days, of_day(days));
    }
    let counted = Arc::new(Counted::new(Arc::clone(inner)));
    let store: Arc<dyn Store> = Arc::clone(&counted) as _;
    let first = refold(&store);
    assert_eq!(
        (first.since, first.rows_read, first.records, first.closed),
        (None, 4_000, 4_000, 2_000)
    );
    assert_eq!(counted.take(), (4_000, 0));
    (counted, store)
}

fn refold(store: &Arc<dyn Store>) -> Refolded {
    run(store.refold(&scope(), LotMethod::Fifo))
}

#[test]
fn a_day_more_reads_that_day_and_nothing_else() {
    over_both_stores(|inner| {
        let (counted, store) = with_journal(&inner);
        let idle = refold(&store);
        assert_eq!((idle.rows_read, idle.closed, counted.take()), (0, 0, (0, 0)));
        for more in 0..10 {
            put(&inner, DAYS + more, of_day(DAYS + more));
            let done = refold(&store);
            assert_eq!((done.records, done.closed), (10, 5), "its own ten rows");
            // Seen as new, by their keys, by their orders; then read from the mark on.
            assert_eq!((done.rows_read, counted.take()), (40, (40, 0)));
            assert!(done.marks <= 24, "{}", done.marks);
        }
        // Rows that are read again and were known change nothing.
        put(&inner, DAYS + 10, of_day(DAYS + 9));
        assert_eq!((refold(&store).rows_read, counted.take()), (0, (0, 0)));
        expect_same(&store, LotMethod::Fifo, "ten days more");
    });
}

#[test]
fn what_comes_late_is_folded_from_the_last_mark_before_it() {
    over_both_stores(|inner| {
        let (counted, store) = with_journal(&inner);
        // A fill of the evening of three days ago: the day of the mark before it, and the three days since.
        let mut late = fill("late", day(DAYS - 4) + Duration::hours(22));
        late.order = Some("late".into());
        put(&inner, DAYS, vec![Record::Fill(late)]);
        let done = refold(&store);
        assert_eq!((done.since, done.records), (Some(day(DAYS - 5)), 51));
        assert!(counted.take().0 < 60);
        expect_same(&store, LotMethod::Fifo, "a late fill");
        counted.take();

        // A void and a correction concern the time of their fill, not their own.
        put(&inner, DAYS, vec![void("v", "d380-3", day(DAYS))]);
        let done = refold(&store);
        assert!(
            done.since.is_some_and(|since| since <= day(380) && since >= day(360)),
            "{done:?}"
        );
        assert!(counted.take().0 < 500);
        expect_same(&store, LotMethod::Fifo, "a void");
        let mut corrected = fill("d396-0", day(396) + Duration::hours(10));
        corrected.version = 1;
        corrected.price = Price::new(99.into());
        put(&inner, DAYS, vec![Record::Fill(corrected)]);
        let done = refold(&store);
        assert!(done.since.is_some_and(|since| since >= day(392)), "{done:?}");
        expect_same(&store, LotMethod::Fifo, "a correction");
    });
}

#[test]
fn other_terms_are_folded_from_before_the_instrument_was_traded() {
    over_both_stores(|inner| {
        let (_, store) = with_journal(&inner);
        let mut young = fill("young", day(DAYS) + Duration::hours(1));
        young.instrument = "NEW".into();
        young.symbol = "NEW".into();
        put(&inner, DAYS, vec![Record::Fill(young)]);
        refold(&store);
        expect_same(&store, LotMethod::Fifo, "an unknown instrument");
        run(inner.keep_instruments(&scope(), &[crate::common::venue::instrument(&"NEW".into())]));
        put(&inner, DAYS, of_day(DAYS));
        let done = refold(&store);
        assert!(done.since.is_some_and(|since| since >= day(DAYS - 2)), "{done:?}");
        expect_same(&store, LotMethod::Fifo, "its terms");
    });
}

/// A write that was worked out from an older one is refused, and leaves all as it was.
#[test]
fn two_that_fold_at_once_do_not_mix() {
    over_both_stores(|inner| {
        let (_, store) = with_journal(&inner);
        let name = "trades:fifo";
        let head = run(store.folded(&scope(), name));
        let write = |revision| broker_sync::FoldWrite {
            name: name.to_owned(),
            head: broker_sync::FoldHead {
                revision,
                ..head.clone()
            },
            marks: Vec::new(),
            from: day(DAYS),
            trades: Vec::new(),
        };
        let scope = scope();
        let late = store.keep_folded(&scope, write(head.revision - 1));
        let error = broker_core::seam::VirtualRuntime::new().block_on(late).unwrap_err();
        assert_eq!(error.kind(), broker_core::ErrorKind::Unavailable);
        assert_eq!(run(store.folded(&scope, name)), head);
        run(store.keep_folded(&scope, write(head.revision)));
        assert_eq!(run(store.folded(&scope, name)).revision, head.revision + 1);
    });
}
