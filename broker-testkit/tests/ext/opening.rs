//! Whole histories: each record once, with instruments, and the positions that stood before.

use std::collections::BTreeMap;

use broker_core::model::{History, RecordKey};
use broker_core::{BrokerExt, HistoryQuery, InstrumentId, Record};
use rust_decimal::Decimal;

use crate::scripted::{Script, Scripted};
use crate::seeded::{Seeded, days_ago, now, plan, plan_with_fees_on_fills};

fn openings(history: &History) -> BTreeMap<InstrumentId, Decimal> {
    let openings = history.opening.iter();
    let all: BTreeMap<_, _> = openings.map(|one| (one.instrument.clone(), one.qty)).collect();
    assert_eq!(all.len(), history.opening.len(), "one opening an instrument");
    all
}

fn keys<'a>(records: impl Iterator<Item = &'a Record>) -> Vec<RecordKey> {
    records.map(Record::key).collect()
}

#[test]
fn the_whole_log_comes_exactly_once() {
    for seed in 1..=3 {
        let seeded = Seeded::new(&plan(1_300, seed));
        let query = HistoryQuery::last_days(&seeded.account, 91);
        let history = seeded.runtime.block_on(seeded.broker.all_fills(query)).unwrap();
        assert_eq!(history.fills().count(), 1_300);
        assert!(history.completeness.is_complete());
        assert!(history.opening.is_empty(), "the account was opened inside the window");
        assert!(history.records.is_sorted_by_key(Record::at));

        let log = seeded.log();
        assert_eq!(history.pages, log.len().div_ceil(500) as u64);
        let mut logged: Vec<Record> = log.into_iter().map(|entry| entry.record).collect();
        let mut read = history.records.clone();
        logged.sort_by_key(Record::key);
        read.sort_by_key(Record::key);
        assert_eq!(read, logged);
    }
}

#[test]
fn rows_that_pages_repeat_come_once() {
    let seeded = Seeded::new(&plan(1_300, 4));
    let repeating = Scripted::over(&seeded.broker, Script::RepeatsBorders);
    let query = HistoryQuery::last_days(&seeded.account, 91);
    let history = seeded.runtime.block_on(repeating.all_fills(query.clone())).unwrap();
    let plain = seeded.runtime.block_on(seeded.broker.all_fills(query)).unwrap();
    assert_eq!(history, plain);
}

#[test]
fn a_window_that_starts_in_the_middle_starts_from_the_positions_of_then() {
    for (seed, plan) in [
        (1, plan(600, 1)),
        (2, plan(600, 2)),
        (3, plan_with_fees_on_fills(600, 3)),
    ] {
        let seeded = Seeded::new(&plan);
        for days in [1, 20, 45, 70] {
            let query = HistoryQuery::between(&seeded.account, days_ago(days), now());
            let history = seeded.runtime.block_on(seeded.broker.all_fills(query)).unwrap();
            let expected = seeded.positions_at(days_ago(days));
            assert!(!expected.is_empty(), "something stood open {days} days ago");
            assert_eq!(openings(&history), expected, "seed {seed}, {days} days ago");
        }
    }
}

#[test]
fn a_window_in_the_past_starts_from_the_positions_of_then() {
    let seeded = Seeded::new(&plan(600, 5));
    let query = HistoryQuery::between(&seeded.account, days_ago(60), days_ago(30));
    let history = seeded.runtime.block_on(seeded.broker.all_fills(query)).unwrap();
    assert_eq!(openings(&history), seeded.positions_at(days_ago(60)));
    let log = seeded.log();
    let inside = log
        .iter()
        .filter(|entry| (days_ago(60)..days_ago(30)).contains(&entry.booked_at));
    let mut expected = keys(inside.map(|entry| &entry.record));
    let mut read = keys(history.records.iter());
    expected.sort_unstable();
    read.sort_unstable();
    assert_eq!(read, expected);
}

#[test]
fn the_history_of_one_instrument_opens_that_one_alone() {
    let seeded = Seeded::new(&plan(600, 6));
    let standing = seeded.positions_at(days_ago(45));
    assert!(standing.len() > 1);
    for (id, qty) in standing {
        let query = HistoryQuery::between(&seeded.account, days_ago(45), now()).with_instrument(id.clone());
        let history = seeded.runtime.block_on(seeded.broker.all_fills(query)).unwrap();
        assert_eq!(openings(&history), BTreeMap::from([(id, qty)]));
    }
}

#[test]
fn every_instrument_of_records_and_openings_is_there() {
    let seeded = Seeded::new(&plan(400, 7));
    let query = HistoryQuery::between(&seeded.account, days_ago(30), now());
    let history = seeded.runtime.block_on(seeded.broker.all_fills(query)).unwrap();
    let all = seeded.instruments();
    let fills = history.fills().map(|fill| &fill.instrument);
    let mut asked = 0;
    for id in fills.chain(history.opening.iter().map(|opening| &opening.instrument)) {
        assert_eq!(history.instruments.get(id), all.get(id), "{id}");
        asked += 1;
    }
    assert!(asked > 100);
}

#[test]
fn a_file_of_trades_without_positions_or_instruments_is_read_and_says_so() {
    let seeded = Seeded::new(&plan(100, 8));
    let bare = Scripted::over(&seeded.broker, Script::RecordsAlone);
    let query = HistoryQuery::last_days(&seeded.account, 91);
    let history = seeded.runtime.block_on(bare.all_fills(query)).unwrap();
    assert_eq!(history.fills().count(), 100);
    assert!(history.instruments.is_empty() && history.opening.is_empty());
    match history.completeness {
        broker_core::model::Completeness::Incomplete { ranges, reason } => {
            assert_eq!(ranges, [(days_ago(91), now())]);
            assert!(reason.contains("positions"), "{reason}");
        }
        broker_core::model::Completeness::Complete => panic!("nothing vouches for the opening"),
    }
}
