//! Every hole that a broker can leave is named: its range, its order, its position.
use std::sync::Arc;
use std::time::Duration;

use crate::common::venue::ProofKind;
use crate::common::{Book, Venue, account, day, fill, over_both_stores, scope, stored_set, sync_at};
use broker_core::model::{Completeness, Record};
use broker_core::seam::VirtualRuntime;
use broker_core::{ErrorKind, Side};
use broker_sync::{MemoryStore, OrderCheck, PositionCheck, Span, Store, SyncReport, Syncer};
use chrono::{DateTime, Duration as Days, Utc};

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

type Ranges = Vec<(DateTime<Utc>, DateTime<Utc>)>;

fn incomplete(report: &SyncReport) -> (&Ranges, &str) {
    match &report.verdict {
        Completeness::Incomplete { ranges, reason } => (ranges, reason),
        Completeness::Complete => panic!("vouched for a hole:\n{report}"),
    }
}

/// The last moment of the last thing that a sync at this day reads; it waits 1 and 2 s before it believes a difference.
fn after_retries(days: i64, calls: i64) -> DateTime<Utc> {
    day(days) + Days::seconds(3) + Days::milliseconds(10 * calls)
}

#[test]
fn a_hidden_fill_is_named_by_its_order_where_the_opening_is_implied() {
    over_both_stores(|store| {
        // `f5` is the sibling of `f4`: between the pages f1..f4 and f6.., and the broker says that they join.
        let book = Book::new(ten_fills()).with(|knobs| {
            knobs.opened_at = None;
            knobs.hidden = vec!["f5".to_owned()];
        });
        let report = sync_at(day(20), &book, &store).unwrap();
        let (ranges, reason) = incomplete(&report);
        assert_eq!(reason, "order o2 filled 4, fills sum up to 2");
        let placed = day(4) + Days::hours(1) - Days::seconds(1);
        let done = day(5) + Days::hours(1) + Days::minutes(1);
        assert_eq!(*ranges, [(placed, done)]);
        // It was not there before, so the implied opening holds it: only the order gives it away.
        assert_eq!(report.positions, PositionCheck::Implied { opening: 1 });

        // Once the broker tells it, the span in doubt is read again and the hole is closed.
        let book = book.with(|knobs| knobs.hidden.clear());
        let report = sync_at(day(21), &book, &store).unwrap();
        assert_eq!((report.totals.new, report.asked.since), (1, placed));
        assert_eq!(report.verdict, Completeness::Complete);
        assert_eq!(report.positions, PositionCheck::Verified { compared: 1 });
    });
}

#[test]
fn a_hidden_fill_is_named_by_its_position_where_the_opening_is_known() {
    over_both_stores(|store| {
        let book = Book::new(ten_fills()).with(|knobs| {
            knobs.orders_unsupported = true;
            knobs.hidden = vec!["f5".to_owned()];
        });
        let report = sync_at(day(20), &book, &store).unwrap();
        let (ranges, reason) = incomplete(&report);
        assert_eq!(reason, "AAPL is 18 by our records, 20 by the broker");
        assert_eq!(*ranges, [(report.covers.since, report.covers.until)]);
        let PositionCheck::Differs(differences) = &report.positions else {
            panic!("{}", report.positions)
        };
        assert_eq!((differences[0].summed, differences[0].stated), (18.into(), 20.into()));
        assert_eq!(
            report.orders,
            OrderCheck::Unavailable("the broker tells no orders".to_owned())
        );
    });
}

#[test]
fn a_difference_lies_after_the_last_time_that_positions_agreed() {
    over_both_stores(|store| {
        let book = Book::new(ten_fills()).with(|knobs| knobs.orders_unsupported = true);
        let first = sync_at(day(20), &book, &store).unwrap();
        assert_eq!(first.verdict, Completeness::Complete);
        book.add(Record::Fill(fill("f10", day(21))));
        let book = book.with(|knobs| knobs.hidden = vec!["f10".to_owned()]);
        let report = sync_at(day(22), &book, &store).unwrap();
        let (ranges, reason) = incomplete(&report);
        assert_eq!(reason, "AAPL is 20 by our records, 22 by the broker");
        // accounts, then three rounds of history, orders and positions; the last window ends before its three calls
        assert_eq!(*ranges, [(first.covers.until, after_retries(22, 7))]);
    });
}

#[test]
fn rows_dropped_at_borders_are_found_by_whatever_the_broker_proves() {
    for (proof, expected) in [
        (ProofKind::Range, "no page covers it"),
        (ProofKind::Count, "the venue states 10 rows, 8 were read"),
    ] {
        over_both_stores(|store| {
            let book = Book::new(ten_fills()).with(|knobs| {
                knobs.proof = proof;
                knobs.drops_at_borders = true;
                knobs.orders_unsupported = true;
                knobs.opened_at = None;
            });
            // Neither orders nor positions can tell: the pages alone do.
            let report = sync_at(day(20), &book, &store).unwrap();
            assert_eq!(report.positions, PositionCheck::Implied { opening: 1 });
            let (ranges, reason) = incomplete(&report);
            let tail = "nothing vouches yet for rows that show late: the next sync checks the positions";
            assert_eq!(*reason, format!("{expected}; {tail}"));
            let at = |i| day(i) + Days::hours(1);
            match proof {
                ProofKind::Range => assert_eq!(*ranges, [(at(3), at(5)), (at(8), report.covers.until)]),
                _ => assert_eq!(*ranges, [(report.covers.since, report.covers.until)]),
            }
        });
    }
}

#[test]
fn rows_dropped_by_a_broker_that_lies_are_found_by_orders_and_positions() {
    for proof in [ProofKind::Contiguous, ProofKind::ShortAtTheEnd, ProofKind::Nothing] {
        over_both_stores(|store| {
            let book = Book::new(ten_fills()).with(|knobs| {
                knobs.proof = proof;
                knobs.drops_at_borders = true;
            });
            let report = sync_at(day(20), &book, &store).unwrap();
            let (_, reason) = incomplete(&report);
            assert_eq!(
                reason,
                "order o2 filled 4, fills sum up to 2; order o4 filled 4, fills sum up to 2; \
                 AAPL is 16 by our records, 20 by the broker"
            );
        });
    }
}

#[test]
fn where_the_broker_proves_nothing_orders_decide_as_far_as_they_reach() {
    over_both_stores(|store| {
        let book = Book::new(ten_fills()).with(|knobs| {
            knobs.proof = ProofKind::Nothing;
            knobs.order_depth = Some(Duration::from_secs(15 * 86_400));
        });
        let report = sync_at(day(20), &book, &store).unwrap();
        let (ranges, reason) = incomplete(&report);
        let OrderCheck::Checked { since, orders, .. } = &report.orders else {
            panic!("{}", report.orders)
        };
        // Asked 50 ms into the run, after the pages and the instruments.
        assert_eq!((*since, *orders), (day(5) + Days::milliseconds(50), 2));
        assert_eq!(*ranges, [(report.covers.since, *since)]);
        assert_eq!(
            reason,
            "the broker proves nothing, and orders reach back to 2026-01-06T00:00:00.050Z only"
        );

        let book = book.with(|knobs| knobs.orders_unsupported = true);
        let report = sync_at(day(20), &book, &store).unwrap();
        assert_eq!(
            incomplete(&report).1,
            "the broker proves nothing, and orders were not compared: the broker tells no orders"
        );
    });
}

#[test]
fn a_window_with_more_rows_than_the_venue_gives_is_split() {
    over_both_stores(|store| {
        let book = Book::new(ten_fills()).with(|knobs| knobs.cap = Some(3));
        let report = sync_at(day(20), &book, &store).unwrap();
        assert_eq!(
            (report.totals.new, report.verdict.clone()),
            (10, Completeness::Complete)
        );
        assert!(report.totals.duplicates > 0, "the pages that were cut off came again");
    });
    over_both_stores(|store| {
        // Five fills in one moment, and never more than three rows: no split can help.
        let at = day(1) + Days::hours(1);
        let crowd = (0..5).map(|i| Record::Fill(fill(&format!("f{i}"), at))).collect();
        let book = Book::new(crowd).with(|knobs| {
            knobs.cap = Some(3);
            knobs.opened_at = None;
            knobs.orders_unsupported = true;
            knobs.settles_within = std::time::Duration::ZERO;
        });
        let report = sync_at(day(2), &book, &store).unwrap();
        let (ranges, reason) = incomplete(&report);
        assert!(reason.starts_with("the venue gave as many rows as it ever gives"));
        let tail = (report.covers.until - Days::minutes(15), report.covers.until);
        assert_eq!(ranges[1..], [tail], "no order was compared, and the opening is implied");
        let hole = Span::new(ranges[0].0, ranges[0].1);
        assert!(
            hole.contains(at) && hole.until - hole.since <= Days::seconds(1),
            "{hole}"
        );
    });
}

#[test]
fn what_the_broker_no_longer_tells_is_named() {
    over_both_stores(|store| {
        let book = Book::new(ten_fills()).with(|knobs| {
            knobs.depth = Some(Duration::from_secs(15 * 86_400));
            knobs.opened_at = None;
        });
        let report = sync_at(day(20), &book, &store).unwrap();
        let (ranges, reason) = incomplete(&report);
        assert_eq!(reason, "the broker's history does not reach back that far");
        assert_eq!(*ranges, [(report.covers.since - Days::days(75), report.covers.since)]);
        assert_eq!(report.totals.new, 5);

        // A sync that comes too late leaves a span that nobody can read any more, in this report and in all later.
        for days in [60, 61] {
            let report = sync_at(day(days), &book, &store).unwrap();
            let (ranges, reason) = incomplete(&report);
            assert!(
                reason.contains("no longer tells what an earlier sync could not prove"),
                "{reason}"
            );
            let lost = (day(20) + Days::milliseconds(10), day(45) + Days::milliseconds(10));
            assert_eq!(ranges.last(), Some(&lost));
        }
    });
}

#[test]
fn history_by_instrument_is_vouched_for_only_if_the_instruments_are_named() {
    over_both_stores(|store| {
        let mut rows = ten_fills();
        for (id, side) in [("m1", Side::Buy), ("m2", Side::Sell)] {
            let mut flat = fill(id, day(3));
            flat.instrument = "MSFT".into();
            flat.symbol = "MSFT".into();
            flat.side = side;
            flat.order = Some(id.into());
            rows.push(Record::Fill(flat));
        }
        let book = Book::new(rows).with(|knobs| {
            knobs.by_instrument = true;
            knobs.orders_unsupported = true;
        });
        let report = sync_at(day(20), &book, &store).unwrap();
        assert_eq!(report.totals.new, 10, "MSFT is flat: nobody knows of it");
        assert!(incomplete(&report).1.contains("name all that were traded"));

        let runtime = VirtualRuntime::starting_at(day(21));
        let venue = Arc::new(Venue::new(Arc::clone(&book), &runtime));
        let fresh: Arc<dyn Store> = Arc::new(MemoryStore::new());
        let syncer = Syncer::new(venue, fresh).with_instruments(vec!["AAPL".into(), "MSFT".into()]);
        let report = runtime.block_on(syncer.sync(&account())).unwrap();
        assert_eq!((report.totals.new, report.verdict), (12, Completeness::Complete));
    });
}

#[test]
fn an_error_ends_the_sync_and_the_next_one_goes_on_behind_it() {
    over_both_stores(|store| {
        let book = Book::new(ten_fills()).with(|knobs| knobs.fails_at = Some(3));
        let error = sync_at(day(20), &book, &store).unwrap_err();
        assert_eq!((error.kind(), error.status()), (ErrorKind::Unavailable, Some(503)));
        let runtime = VirtualRuntime::new();
        assert_eq!(stored_set(&store).len(), 8, "two pages stay");
        let state = runtime.block_on(store.progress(&scope())).unwrap();
        let reading = state.reading.unwrap();
        let cursor = reading.parts[0].cursor.clone().unwrap();
        assert!(cursor.as_str().starts_with("1:[8,"), "{}", cursor.as_str());
        assert_eq!((reading.totals.pages, state.covers), (2, None));
        assert!(runtime.block_on(store.reports(&scope())).unwrap().is_empty());

        let report = sync_at(day(20) + Days::hours(1), &book, &store).unwrap();
        assert!(report.resumed);
        // The third page of the old window, then one of what has settled since.
        let totals = report.totals;
        assert_eq!((totals.pages, totals.new, totals.duplicates), (4, 10, 0));
        assert_eq!(book.history_calls(), 5);
        assert_eq!(report.verdict, Completeness::Complete);
    });
}

#[test]
fn a_cursor_that_the_broker_forgot_starts_its_part_again() {
    over_both_stores(|store| {
        let book = Book::new(ten_fills()).with(|knobs| {
            knobs.fails_at = Some(3);
            knobs.forgets_cursors = true;
            knobs.proof = ProofKind::Count;
        });
        assert!(sync_at(day(20), &book, &store).is_err());
        let report = sync_at(day(20), &book, &store).unwrap();
        assert!(report.notes[0].contains("no longer knew a stored cursor"));
        assert_eq!((report.totals.new, report.totals.duplicates), (10, 8));
        assert_eq!(report.verdict, Completeness::Complete);
    });
}

#[test]
fn a_report_that_is_not_ready_is_waited_for() {
    over_both_stores(|store| {
        let book = Book::new(ten_fills()).with(|knobs| knobs.waits = 3);
        let report = sync_at(day(20), &book, &store).unwrap();
        assert_eq!(report.verdict, Completeness::Complete);
        assert_eq!((report.ended_at - report.started_at).num_seconds(), 90);
        let never = Book::new(Vec::new()).with(|knobs| knobs.waits = u32::MAX);
        assert_eq!(
            sync_at(day(200), &never, &store).unwrap_err().kind(),
            ErrorKind::Unavailable
        );
    });
}

#[test]
fn a_cursor_that_does_not_move_is_an_error_and_not_a_loop() {
    over_both_stores(|store| {
        let book = Book::new(ten_fills()).with(|knobs| knobs.cursor_never_moves = true);
        let error = sync_at(day(20), &book, &store).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Protocol);
        assert_eq!(
            error.to_string(),
            "scripted sync: protocol violation: the broker's cursor does not move; what was stored stays; sync again, \
             and report it to the broker crate if it stays"
        );
    });
}

#[test]
fn a_row_of_another_account_is_refused() {
    over_both_stores(|store| {
        let mut foreign = fill("f0", day(1));
        foreign.account = "ACC-00099999".into();
        let error = sync_at(day(2), &Book::new(vec![Record::Fill(foreign)]), &store).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Protocol);
        assert!(stored_set(&store).is_empty());
    });
}

#[test]
fn a_bust_may_or_may_not_lower_the_filled_quantity() {
    for filled in ["4", "2"] {
        over_both_stores(|store| {
            let book = Book::new(ten_fills());
            book.add_row(crate::common::void("v1", "f5", day(11)));
            book.set_filled("o2", filled);
            assert_eq!(sync_at(day(20), &book, &store).unwrap().verdict, Completeness::Complete);
        });
    }
    over_both_stores(|store| {
        let book = Book::new(ten_fills());
        book.add_row(crate::common::void("v1", "f5", day(11)));
        book.set_filled("o2", "3");
        let report = sync_at(day(20), &book, &store).unwrap();
        assert_eq!(incomplete(&report).1, "order o2 filled 3, fills sum up to 2");
    });
}
