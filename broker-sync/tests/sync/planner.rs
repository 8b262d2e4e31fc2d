//! The planner: worked out by hand, and beside what a sync then takes.

use std::sync::Arc;
use std::time::Duration;

use broker_core::capability::{Limit, LimitRule, LimitScope};
use broker_core::model::{AssetClass, Record};
use broker_core::seam::VirtualRuntime;
use broker_sync::{MemoryStore, Plan, Planner, Store, Syncer, Volume, least_time_together};
use chrono::Duration as Days;

use crate::common::venue::Knobs;
use crate::common::{Book, Venue, account, day, fill, sync_at};

const DAY: Duration = Duration::from_secs(86_400);

/// Kraken's starter tier: a counter up to 15 that falls by 0.33 a second.
const STARTER: LimitRule = LimitRule::Decay {
    limit: 15,
    falls: 33,
    per: Duration::from_secs(100),
};

fn limit(key: &str, scope: LimitScope, rule: LimitRule) -> Limit {
    Limit {
        bucket: "reads",
        key: Arc::from(key),
        scope,
        rule,
    }
}

fn planner(set: impl FnOnce(&mut Knobs), syncer: impl FnOnce(Syncer) -> Syncer) -> Planner {
    let runtime = VirtualRuntime::starting_at(day(100));
    let venue = Venue::new(Book::new(Vec::new()).with(set), &runtime);
    let syncer = syncer(Syncer::new(Arc::new(venue), Arc::new(MemoryStore::new())));
    runtime.block_on(syncer.planner(&account())).unwrap()
}

fn steps(plan: &Plan) -> Vec<(&str, u64)> {
    plan.steps.iter().map(|step| (step.what, step.requests)).collect()
}

#[test]
fn requests_are_worked_out_from_rows_and_spans() {
    let planner = planner(
        |knobs| {
            knobs.page_size = 100;
            knobs.page_span = Some(DAY);
        },
        |syncer| syncer,
    );
    // 90 days in pages of a day, however few rows there are.
    let least = planner.lower_bound();
    assert_eq!(
        steps(&least),
        [("accounts", 1), ("records", 90), ("orders", 1), ("positions", 1)]
    );
    assert!(least.is_lower_bound);
    let volume = Volume::fills(10_000)
        .with_others(1)
        .with_orders(5)
        .with_instruments(AssetClass::Stock, 3);
    let plan = planner.plan(&volume);
    // 10,001 records are 101 pages; 5 orders three pages of two.
    let expected = [
        ("accounts", 1),
        ("records", 101),
        ("instruments", 1),
        ("orders", 3),
        ("positions", 1),
    ];
    assert_eq!((steps(&plan), plan.requests()), (expected.to_vec(), 107));
    assert!(!plan.is_lower_bound);
    assert_eq!(
        planner.formula(),
        "requests = 2 + max(90, records / 100) + max(1, orders / 2) + lookups of new instruments"
    );
    // Without a limit, only answers take time.
    assert_eq!(
        (plan.least_time(), plan.time(Duration::from_millis(20))),
        (Duration::ZERO, Duration::from_millis(2_140))
    );
    assert_eq!(planner.most_fills(Duration::ZERO), None);
}

/// Two requests more for each list with rows: ten rows in three lists, in one page each.
#[test]
fn seeing_that_a_list_ends_is_planned_for_lists_with_rows_alone() {
    let planner = planner(|knobs| knobs.closing_pages = 2, |syncer| syncer);
    let of = |plan: &Plan| steps(plan).into_iter().find(|(what, _)| *what == "records").unwrap().1;
    let records = |volume: &Volume| of(&planner.plan(volume));
    let volume = Volume::fills(10).with_others(0).with_orders(0);
    let without = records(&volume);
    assert_eq!(of(&planner.lower_bound()), 1);
    assert_eq!(records(&volume.clone().with_lists_with_rows(0)), without);
    assert_eq!(records(&volume.with_lists_with_rows(3)), without + 6);
}

#[test]
fn seconds_are_worked_out_from_windows_and_falling_counters() {
    let by = |rule| {
        planner(
            |knobs| {
                knobs.page_size = 100;
                knobs.limits = vec![limit("k", LimitScope::Key, rule)];
            },
            |syncer| syncer,
        )
    };
    let volume = Volume::fills(40_000).with_others(0).with_orders(0);
    let window = by(LimitRule::Window {
        limit: 200,
        per: Duration::from_secs(60),
    });
    let plan = window.plan(&volume);
    // 1 + 400 + 1 + 1: two minutes, then three requests more.
    assert_eq!((plan.requests(), plan.least_time()), (403, Duration::from_secs(120)));
    assert_eq!(plan.time(Duration::from_millis(50)), Duration::from_millis(120_150));
    // Answers that take longer than the limit makes one wait: 403 of them.
    assert_eq!(plan.time(Duration::from_secs(1)), Duration::from_secs(403));
    // 200 requests go at once, and 1,000 more in five minutes; three are no pages.
    assert_eq!(window.most_fills(Duration::from_secs(300)), Some(119_700));
    assert_eq!(plan.hindrance(Duration::from_secs(120)), None);

    let counter = by(STARTER);
    let plan = counter.plan(&volume);
    // 403 less 15, at 0.33 a second.
    assert_eq!(plan.least_time().as_millis(), 1_175_757);
    assert_eq!(plan.time(Duration::from_millis(50)).as_millis(), 1_175_807);
    assert_eq!(
        plan.hindrance(Duration::from_secs(300)).unwrap(),
        "it takes at least 1175.8 s, not 300 s: `reads` permits 15, and 33 more each 100 s, and 403 are needed"
    );
    // 15 and 99 more in five minutes, of which three are no pages.
    assert_eq!(counter.most_fills(Duration::from_secs(300)), Some(11_100));
    assert_eq!(
        counter.lower_bound().hindrance(Duration::from_secs(300)),
        None,
        "as far as is known"
    );
}

#[test]
fn what_cannot_be_read_is_said_beforehand() {
    let planner = planner(
        |knobs| {
            knobs.depth = Some(60 * DAY);
            knobs.by_instrument = true;
        },
        |syncer| syncer,
    );
    assert_eq!(planner.reach(), Some(day(40)));
    let plan = planner.lower_bound();
    assert_eq!(
        plan.gaps,
        [
            "the broker tells history since 2026-02-10T00:00:00Z only: 60 of 90 days",
            "history is kept by instrument: name all that were ever traded"
        ]
    );
    // No instrument is known yet, and positions are asked for some.
    assert_eq!(
        steps(&plan),
        [("accounts", 1), ("records", 0), ("orders", 0), ("positions", 2)]
    );
    assert_eq!(
        plan.to_string(),
        "Plan of a sync of 2026-01-11T00:00:00Z .. 2026-04-11T00:00:00Z\n\
        \x20 reaches    back to 2026-02-10T00:00:00Z\n\
        \x20 requests   at least 3: 1 accounts, 0 records, 0 orders, 2 positions\n\
        \x20 time       at least 0 s\n\
        \x20 not        the broker tells history since 2026-02-10T00:00:00Z only: 60 of 90 days\n\
        \x20 not        history is kept by instrument: name all that were ever traded"
    );
}

#[test]
fn named_instruments_are_read_one_by_one() {
    let plan = planner(
        |knobs| knobs.by_instrument = true,
        |syncer| syncer.with_instruments((0..3_500).map(|i| format!("S{i}").into()).collect()),
    )
    .lower_bound();
    assert_eq!(
        steps(&plan),
        [("accounts", 1), ("records", 3_500), ("orders", 3_500), ("positions", 1)]
    );
    assert!(plan.gaps.is_empty());
}

#[test]
fn what_is_shared_adds_up() {
    let rule = LimitRule::Window {
        limit: 100,
        per: Duration::from_secs(10),
    };
    let plan = |key: &str, scope| {
        let own = limit(key, scope, rule);
        let planner = planner(
            |knobs| {
                knobs.page_size = 100;
                knobs.limits = vec![own];
            },
            |syncer| syncer,
        );
        planner.plan(&Volume::fills(8_700).with_others(0).with_orders(0))
    };
    // 90 requests each: alone they wait for nothing.
    let alone = [
        plan("a", LimitScope::Key),
        plan("b", LimitScope::Key),
        plan("c", LimitScope::Account),
    ];
    assert_eq!(least_time_together(&alone), Duration::ZERO);
    // One address: 270 are two spans more than one.
    let shared = ["address"; 3].map(|key| plan(key, LimitScope::Address));
    assert_eq!(least_time_together(&shared), Duration::from_secs(20));
    let mixed = [
        plan("a", LimitScope::Key),
        plan("a", LimitScope::Key),
        plan("b", LimitScope::Key),
    ];
    assert_eq!(least_time_together(&mixed), Duration::from_secs(10));
}

#[test]
fn the_next_plan_is_for_what_is_left() {
    let rows = (0..10).map(|i| Record::Fill(fill(&format!("f{i}"), day(i) + Days::hours(1))));
    let book = Book::new(rows.collect()).with(|knobs| knobs.page_span = Some(DAY));
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    sync_at(day(50), &book, &store).unwrap();
    let runtime = VirtualRuntime::starting_at(day(51));
    let syncer = Syncer::new(Arc::new(Venue::new(book, &runtime)), store);
    let plan = runtime.block_on(syncer.planner(&account())).unwrap().lower_bound();
    // The day since, and three days in which rows settle, a little more than whole days.
    assert_eq!(
        steps(&plan),
        [("accounts", 1), ("records", 4), ("orders", 1), ("positions", 1)]
    );
    let report = runtime.block_on(syncer.sync(&account())).unwrap();
    assert_eq!(report.effort.at_least.requests, 7);
}

#[test]
fn a_sync_under_a_falling_counter_takes_what_the_plan_says() {
    let rows = (0..600).map(|i| Record::Fill(fill(&format!("f{i}"), day(0) + Days::hours(i))));
    let book = Book::new(rows.collect()).with(|knobs| {
        knobs.limits = vec![limit("kraken", LimitScope::Key, STARTER)];
        knobs.pays = true;
    });
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let report = sync_at(day(50), &book, &store).unwrap();
    let effort = report.effort;
    println!("{effort}");
    // accounts, 150 pages, instruments, one order, positions: 154, of which 15 go at once.
    assert_eq!((effort.planned.requests, effort.spent.requests), (154, 154));
    let (planned, spent) = (effort.planned.time.as_millis(), effort.spent.time.as_millis());
    assert!(spent >= 421_000 && planned.abs_diff(spent) * 100 <= spent, "{effort}");
}
