//! Laws of the fold: the order and the portions in which rows are read do not matter.

#![allow(clippy::unwrap_used)] // test helpers are not test functions

mod books;

use std::collections::BTreeMap;

use books::*;
use broker_core::dedup::{Folded, Row, fold};
use broker_core::model::{Asset, Grade, Void};
use broker_core::{Currency, Fill, Record, Side};
use proptest::prelude::*;

/// A small world, so that keys, versions, grades and orders meet often.
fn row() -> impl Strategy<Value = Row> {
    let fill = (0u8..6, 0u64..3, 0u8..3, prop::option::of(0u8..3), 1i64..4, 0i64..3).prop_map(
        |(id, version, grade, order, qty, fee)| {
            let mut fill = fill_of(0, Side::Buy, "X", qty.into(), 10.into());
            fill.id = format!("f{id}").into();
            fill.at = at(i64::from(id / 2));
            fill.version = version;
            fill.grade = [Grade::Provisional, Grade::Reported, Grade::Booked][usize::from(grade)];
            fill.order = order.map(|order| format!("o{order}").into());
            fill.fees = vec![broker_core::Money::new(fee.into(), Currency::USD)];
            Record::Fill(fill)
        },
    );
    let void = (0u8..8).prop_map(|id| {
        Record::Void(Void {
            id: format!("v{id}").into(),
            account: "A1".into(),
            fill: format!("f{id}").into(),
            at: at(3),
        })
    });
    let fees = (0u8..3, 0u64..2, 0i64..5, any::<bool>()).prop_map(|(id, version, amount, canceled)| {
        let mut row = fee(i64::from(id), Asset::Currency(Currency::USD), amount.into());
        row.version = version;
        row.canceled = canceled;
        Record::Fee(row)
    });
    (prop_oneof![6 => fill, 1 => void, 1 => fees], 0u64..4).prop_map(|(record, read_at)| Row { record, read_at })
}

fn rows() -> impl Strategy<Value = Vec<Row>> {
    prop::collection::vec(row(), 0..30)
}

fn folded(rows: &[Row]) -> Folded {
    fold(rows.to_vec()).unwrap()
}

fn union(a: &[Row], b: &[Row]) -> Vec<Row> {
    a.iter().chain(b).cloned().collect()
}

/// What the naive key would do: fills by account, symbol, time and quantity; the last one read counts.
fn naive_fold(rows: &[Row]) -> Vec<Row> {
    let mut kept = BTreeMap::new();
    for row in rows {
        if let Record::Fill(fill) = &row.record {
            kept.insert(
                (fill.account.clone(), fill.symbol.clone(), fill.at, fill.qty),
                row.clone(),
            );
        }
    }
    kept.into_values().collect()
}

/// What every fold must keep: each fill that has a name of its own.
fn names(rows: &[Row]) -> Vec<&str> {
    let mut names: Vec<_> = rows
        .iter()
        .filter_map(|row| match &row.record {
            Record::Fill(fill) => Some(fill.id.get()),
            _ => None,
        })
        .collect();
    names.sort_unstable();
    names.dedup();
    names
}

proptest! {
    #[test]
    fn fold_is_idempotent(rows in rows()) {
        let once = folded(&rows);
        prop_assert_eq!(&folded(&once.rows), &once);
        prop_assert_eq!(&folded(&union(&rows, &rows)), &once);
    }

    #[test]
    fn fold_is_commutative(a in rows(), b in rows(), seed in any::<u64>()) {
        prop_assert_eq!(folded(&union(&a, &b)), folded(&union(&b, &a)));
        let mut shuffled = union(&a, &b);
        shuffled.sort_by_key(|row| (row.read_at ^ seed).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        shuffled.reverse();
        prop_assert_eq!(folded(&shuffled), folded(&union(&a, &b)));
    }

    #[test]
    fn fold_is_associative(a in rows(), b in rows(), c in rows()) {
        let left = union(&folded(&union(&a, &b)).rows, &c);
        let right = union(&a, &folded(&union(&b, &c)).rows);
        let whole = folded(&union(&union(&a, &b), &c));
        prop_assert_eq!(&folded(&left), &whole);
        prop_assert_eq!(&folded(&right), &whole);
    }

    #[test]
    fn no_key_counts_twice_and_none_that_was_voided(rows in rows()) {
        let out = folded(&rows);
        let mut keys: Vec<_> = out.records().map(Record::key).collect();
        let count = keys.len();
        keys.sort();
        keys.dedup();
        prop_assert_eq!(keys.len(), count);
        for row in &rows {
            if let Record::Void(void) = &row.record {
                let stands = out.records().any(|record| matches!(record, Record::Fill(fill) if fill.id == void.fill));
                prop_assert!(!stands);
            }
        }
        prop_assert_eq!(out.clone().into_records(), out.records().cloned().collect::<Vec<_>>());
    }
}

/// The same checks, over the naive key: it is not commutative, and it loses fills.
#[test]
fn the_naive_key_fails_the_same_test() {
    let row = |id: &str, price: &str, read_at| {
        let mut fill = fill(0, Side::Buy, "X", "1", price);
        fill.id = id.into();
        Row {
            record: Record::Fill(fill),
            read_at,
        }
    };
    let (a, b) = (vec![row("1", "10", 0)], vec![row("2", "11", 0)]);
    assert_eq!(folded(&union(&a, &b)), folded(&union(&b, &a)));
    assert_ne!(naive_fold(&union(&a, &b)), naive_fold(&union(&b, &a)));

    assert_eq!(names(&folded(&union(&a, &b)).rows), ["1", "2"]);
    assert_eq!(names(&naive_fold(&union(&a, &b))), ["2"]);
}

#[test]
fn equal_looking_fills_are_two() {
    let one = fill(0, Side::Buy, "X", "1", "10");
    let mut other = one.clone();
    other.id = "another".into();
    let out = folded(&[plain(one), plain(other)]);
    assert_eq!(out.records().count(), 2);
}

fn plain(fill: Fill) -> Row {
    Row {
        record: Record::Fill(fill),
        read_at: 0,
    }
}

fn of_order(id: &str, grade: Grade, qty: &str) -> Row {
    let mut fill = fill(0, Side::Buy, "X", qty, "10");
    fill.id = id.into();
    fill.order = Some("o".into());
    fill.grade = grade;
    fill.fees = vec![usd("0.10")];
    plain(fill)
}

fn standing(out: &Folded) -> Vec<&str> {
    out.records()
        .filter_map(|record| match record {
            Record::Fill(fill) => Some(fill.id.get()),
            _ => None,
        })
        .collect()
}

#[test]
fn a_higher_grade_counts_once_it_covers_the_quantity() {
    let provisional = of_order("p", Grade::Provisional, "100");
    let first = of_order("a", Grade::Reported, "60");
    let second = of_order("b", Grade::Reported, "40");

    let waiting = folded(&[provisional.clone(), first.clone()]);
    assert_eq!((standing(&waiting), waiting.waiting), (vec!["p"], 1));
    assert_eq!(waiting.fees[&Asset::Currency(Currency::USD)], d("0.10"));

    let covered = folded(&[first.clone(), provisional.clone(), second.clone()]);
    assert_eq!((standing(&covered), covered.replaced), (vec!["a", "b"], 1));
    assert_eq!(covered.fees[&Asset::Currency(Currency::USD)], d("0.20"));

    // A statement that has only one of the two so far replaces nothing; under the same id, neither.
    let booked = of_order("a", Grade::Booked, "60");
    let partly = folded(&[first.clone(), second.clone(), booked.clone()]);
    assert_eq!(standing(&partly), ["a", "b"]);
    assert!(
        partly
            .records()
            .all(|record| matches!(record, Record::Fill(fill) if fill.grade == Grade::Reported))
    );

    // A void of a reported fill takes the quantity away; the provisional row does not bring it back.
    let void = Row {
        record: Record::Void(Void {
            id: "v".into(),
            account: "A1".into(),
            fill: "b".into(),
            at: at(9),
        }),
        read_at: 0,
    };
    let out = folded(&[void, provisional, first, second]);
    assert_eq!((standing(&out), out.voided, out.replaced), (vec!["a"], 1, 1));
    assert_eq!(out.fees[&Asset::Currency(Currency::USD)], d("0.20"));
    assert_eq!((out.voided_fees.len(), out.voided_fees[0].amount), (1, d("0.10")));
    assert_eq!(out.voided_fees[0].fill, Some("b".into()));
}

#[test]
fn the_venues_version_beats_the_order_of_reading() {
    let row = |version, price: &str, read_at| {
        let mut fill = fill(0, Side::Buy, "X", "1", price);
        fill.version = version;
        Row {
            record: Record::Fill(fill),
            read_at,
        }
    };
    let price = |out: &Folded| match out.records().next().unwrap() {
        Record::Fill(fill) => fill.price.to_string(),
        _ => panic!("a fill"),
    };
    let out = folded(&[row(2, "11", 0), row(1, "10", 9)]);
    assert_eq!((price(&out), out.superseded, out.rows.len()), ("11".to_owned(), 1, 2));
    assert_eq!(price(&folded(&[row(0, "11", 7), row(0, "10", 8)])), "10");
    // What was said first, then taken back, then said again, holds.
    assert_eq!(
        price(&folded(&[row(0, "10", 1), row(0, "11", 2), row(0, "10", 3)])),
        "10"
    );
}

#[test]
fn canceled_rows_count_nothing_and_stay_visible() {
    let mut canceled = fee(1, Asset::Currency(Currency::USD), d("5"));
    canceled.canceled = true;
    canceled.version = 2;
    let booked = fee(1, Asset::Currency(Currency::USD), d("5"));
    let out = folded(&[canceled, booked].map(|fee| Row {
        record: Record::Fee(fee),
        read_at: 0,
    }));
    assert_eq!((out.records().count(), out.canceled, out.rows.len()), (0, 1, 2));
    assert!(out.fees.is_empty());
}
