//! Pages: followed to the end, errors last, waits kept, cursors that move.

use std::time::Duration;

use broker_core::model::Window;
use broker_core::{Broker, BrokerExt, ErrorKind, HistoryQuery, OrderQuery};
use futures_util::StreamExt;

use crate::scripted::{Script, Scripted};
use crate::seeded::{Seeded, plan};

/// Three pages and more of history.
fn seeded() -> Seeded {
    Seeded::new(&plan(1_300, 11))
}

#[test]
fn an_error_in_the_middle_is_the_last_item() {
    let seeded = seeded();
    let broker = Scripted::over(&seeded.broker, Script::FailsAt(2));
    let query = HistoryQuery::last_days(&seeded.account, 91);
    let pages: Vec<_> = seeded.runtime.block_on(broker.pages(&query).collect());
    assert_eq!(pages.len(), 2);
    assert_eq!(pages[0].as_ref().unwrap().rows.len(), 500);
    assert_eq!(pages[1].as_ref().unwrap_err().kind(), ErrorKind::Unavailable);

    let broker = Scripted::over(&seeded.broker, Script::FailsAt(2));
    let whole = seeded.runtime.block_on(broker.all_fills(query));
    assert_eq!(whole.unwrap_err().kind(), ErrorKind::Unavailable);
}

#[test]
fn a_cursor_that_does_not_move_is_an_error() {
    let seeded = seeded();
    let broker = Scripted::over(&seeded.broker, Script::CursorStandsStill);
    let query = HistoryQuery::last_days(&seeded.account, 91);
    let pages: Vec<_> = seeded.runtime.block_on(broker.pages(&query).collect());
    assert_eq!(
        pages.len(),
        2,
        "the first page gives the cursor, the second gives it again"
    );
    let error = pages[1].as_ref().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Protocol);
    assert!(error.to_string().contains("does not move"), "{error}");
}

#[test]
fn a_report_that_is_being_made_is_waited_for() {
    for at in [1, 2] {
        let seeded = seeded();
        let broker = Scripted::over(&seeded.broker, Script::NotYet { at, times: 3 });
        let query = HistoryQuery::last_days(&seeded.account, 91);
        let before = broker.context().clock().elapsed();
        let history = seeded.runtime.block_on(broker.all_fills(query.clone())).unwrap();
        let waited = broker.context().clock().elapsed() - before;
        assert_eq!(waited, Duration::from_secs(90));
        assert!(history.completeness.is_complete(), "{:?}", history.completeness);
        let plain = seeded.log().len();
        assert_eq!(history.records.len(), plain, "not yet at page {at}");
    }
}

#[test]
fn a_report_that_is_never_ready_is_an_error() {
    let seeded = seeded();
    let times = u32::MAX;
    let broker = Scripted::over(&seeded.broker, Script::NotYet { at: 2, times });
    let query = HistoryQuery::last_days(&seeded.account, 91);
    let error = seeded.runtime.block_on(broker.all_fills(query)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.to_string().contains("never ready"), "{error}");
}

#[test]
fn every_order_comes_once_and_oldest_first() {
    let seeded = seeded();
    let broker = Scripted::over(&seeded.broker, Script::RepeatsBorders);
    let query = OrderQuery::placed(&seeded.account, Window::LastDays(91));
    let orders = seeded.runtime.block_on(broker.all_orders(query)).unwrap();
    let mut expected: Vec<_> = seeded.engine(|engine| {
        let all = engine.orders(&seeded.account).unwrap();
        all.map(|order| order.order().clone()).collect()
    });
    assert!(expected.len() > 500, "more than a page: {}", expected.len());
    expected.sort_by(|a, b| (a.created_at, &a.id).cmp(&(b.created_at, &b.id)));
    assert_eq!(orders, expected);
}

#[test]
fn the_longest_windows_are_answered() {
    let seeded = Seeded::new(&plan(50, 12));
    for window in [Window::LastDays(u32::MAX), Window::All] {
        let query = HistoryQuery::new(&seeded.account, window);
        let history = seeded.runtime.block_on(seeded.broker.all_fills(query)).unwrap();
        assert_eq!(history.fills().count(), 50);
        assert!(history.completeness.is_complete());
    }
}
