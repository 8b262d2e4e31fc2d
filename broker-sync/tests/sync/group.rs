//! Many accounts side by side: each ends for itself, nothing is mixed up, and nothing is half written.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use broker_core::capability::{Limit, LimitRule, LimitScope};
use broker_core::model::{Completeness, Environment, Record};
use broker_core::seam::VirtualRuntime;
use broker_core::{AccountId, BrokerId, ErrorKind};
use broker_sync::{MemoryStore, Scope, SqliteStore, Store, SyncEvent, SyncGroup, SyncNews, SyncRun, Syncer};
use chrono::Duration as Days;
use futures_util::StreamExt;

use crate::common::watched::Killed;
use crate::common::{Book, TempFile, Venue, account, day, fill, over_both_stores, sync_at};

/// Twelve fills of account `n`, in pages of four; every account has the ids `f0`, `f1`, ... of its own.
fn book(n: usize) -> Arc<Book> {
    let rows = (0..12).map(|i| {
        let mut fill = fill(&format!("f{i}"), day(i) + Days::hours(1));
        fill.order = Some(format!("o{}", i / 3).into());
        fill.qty = (n + 1).to_string().parse().unwrap();
        Record::Fill(fill)
    });
    Book::new(rows.collect()).with(|knobs| knobs.account = id(n))
}

fn id(n: usize) -> AccountId {
    AccountId::from(format!("ACC-{n}"))
}

fn scope(n: usize) -> Scope {
    Scope {
        broker: BrokerId::from("scripted"),
        environment: Environment::Paper,
        account: id(n),
    }
}

fn syncer(runtime: &VirtualRuntime, book: &Arc<Book>, store: &Arc<dyn Store>) -> Syncer {
    Syncer::new(Arc::new(Venue::new(Arc::clone(book), runtime)), Arc::clone(store))
}

/// Accounts, each over so many connections.
fn group(runtime: &VirtualRuntime, books: &[Arc<Book>], connections: usize, store: &Arc<dyn Store>) -> SyncGroup {
    let mut group = SyncGroup::new();
    for (n, book) in books.iter().enumerate() {
        for _ in 0..connections {
            group.add(&syncer(runtime, book, store), &id(n));
        }
    }
    group
}

/// Rows of the account in the store: twelve, all of its own size.
fn expect_own_rows(store: &Arc<dyn Store>, n: usize) {
    let rows = VirtualRuntime::new().block_on(store.rows(&scope(n), None)).unwrap();
    assert_eq!(rows.len(), 12, "account {n}");
    for row in rows {
        let Record::Fill(fill) = row.record else {
            panic!("{row:?}")
        };
        assert_eq!((fill.account, fill.qty.get()), (id(n), (n + 1).into()));
    }
}

#[test]
fn three_accounts_over_three_connections_each() {
    over_both_stores(|store| {
        let books: Vec<_> = (0..3).map(book).collect();
        let runtime = VirtualRuntime::starting_at(day(20));
        let group = group(&runtime, &books, 3, &store);
        let outcomes = runtime.block_on(group.sync());
        assert_eq!(outcomes.len(), 9);
        let mut new = BTreeMap::new();
        for (scope, outcome) in outcomes {
            let report = outcome.unwrap();
            assert_eq!((report.scope, report.verdict), (scope.clone(), Completeness::Complete));
            *new.entry(scope).or_insert(0) += report.totals.new;
        }
        // Each fill was new to one of the three that read it.
        assert_eq!(new, (0..3).map(|n| (scope(n), 12)).collect());
        (0..3).for_each(|n| expect_own_rows(&store, n));
        assert_eq!(runtime.block_on(store.scopes()).unwrap().len(), 3);
    });
}

#[test]
fn one_that_fails_and_one_that_panics_stop_nobody() {
    over_both_stores(|store| {
        let books: Vec<_> = (0..5).map(book).collect();
        books[1].knobs.lock().unwrap().fails_at = Some(2);
        books[3].knobs.lock().unwrap().panics_at = Some(3);
        let runtime = VirtualRuntime::starting_at(day(20));
        let group = group(&runtime, &books, 1, &store);
        let outcomes = runtime.block_on(group.sync());
        for (n, (scope, outcome)) in outcomes.iter().enumerate() {
            match (n, outcome) {
                (1, Err(error)) => assert_eq!((error.kind(), error.status()), (ErrorKind::Unavailable, Some(503))),
                (3, Err(error)) => assert_eq!(
                    error.to_string(),
                    "scripted sync: unknown error: the sync of this account panicked; what was stored stays; report \
                     it to the broker crate, with the words of the panic"
                ),
                (_, Ok(report)) => {
                    assert_eq!((&report.scope, &report.verdict), (scope, &Completeness::Complete));
                    expect_own_rows(&store, n);
                }
                (_, Err(error)) => panic!("account {n}: {error}"),
            }
        }
        // The next run goes on where they stopped.
        let outcomes = runtime.block_on(group.sync());
        for (n, (_, outcome)) in outcomes.into_iter().enumerate() {
            let report = outcome.unwrap();
            assert_eq!(
                (report.resumed, report.verdict),
                (n == 1 || n == 3, Completeness::Complete)
            );
            expect_own_rows(&store, n);
        }
    });
}

async fn events(mut run: SyncRun) -> Vec<SyncEvent> {
    let mut events = Vec::new();
    while let Some(event) = run.next().await {
        events.push(event);
    }
    events
}

#[test]
fn progress_is_one_stream_and_so_many_run_at_once() {
    let books: Vec<_> = (0..5).map(book).collect();
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let runtime = VirtualRuntime::starting_at(day(20));
    let group = group(&runtime, &books, 1, &store).with_at_once(2);
    let events = runtime.block_on(events(group.run()));
    let (mut under_way, mut most) = (0, 0);
    let mut told: BTreeMap<usize, Vec<String>> = BTreeMap::new();
    for event in events {
        assert_eq!(event.scope, scope(event.member));
        let word = match event.news {
            SyncNews::Started => {
                under_way += 1;
                most = most.max(under_way);
                "started".to_owned()
            }
            SyncNews::Progress(progress) => {
                assert_eq!(progress.account, id(event.member));
                format!(
                    "{} pages, {} fills, eta {}",
                    progress.pages,
                    progress.fills,
                    progress.eta.is_some()
                )
            }
            SyncNews::Done(report) => {
                under_way -= 1;
                format!("done, {} new", report.totals.new)
            }
            SyncNews::Failed(error) => panic!("{error}"),
        };
        told.entry(event.member).or_default().push(word);
    }
    assert_eq!(most, 2);
    for member in 0..5 {
        assert_eq!(
            told[&member],
            [
                "started",
                "1 pages, 4 fills, eta true",
                "2 pages, 8 fills, eta true",
                "3 pages, 12 fills, eta true",
                "done, 12 new"
            ]
        );
    }
}

#[test]
fn dropped_at_any_poll_nothing_is_half_written() {
    let books: Vec<_> = (0..3).map(book).collect();
    let mut ends = 0;
    for polls in 0..200 {
        let file = TempFile::new();
        let store: Arc<dyn Store> = Arc::new(SqliteStore::open(file.path()).unwrap());
        let runtime = VirtualRuntime::starting_at(day(20));
        let group = group(&runtime, &books, 1, &store).with_at_once(2);
        let done = runtime.block_on(Killed::after(polls, events(group.run()))).is_some();
        for n in 0..3 {
            let snapshot = runtime.block_on(store.snapshot(&scope(n))).unwrap();
            assert_eq!(snapshot.rows.len() as u64, snapshot.state.rows, "half a page");
        }
        let outcomes = runtime.block_on(group.sync());
        assert!(
            outcomes
                .iter()
                .all(|(_, outcome)| outcome.as_ref().unwrap().is_complete())
        );
        (0..3).for_each(|n| expect_own_rows(&store, n));
        if done {
            ends = polls;
            break;
        }
    }
    assert!(ends > 20, "places to be dropped at: {ends}");
}

#[test]
fn two_syncs_of_one_account_at_a_time_resolve() {
    over_both_stores(|store| {
        let book = book(0);
        let runtime = VirtualRuntime::starting_at(day(20));
        let (one, two) = (syncer(&runtime, &book, &store), syncer(&runtime, &book, &store));
        let account = id(0);
        // Nobody keeps them apart: no group, as if in two processes.
        let both = futures_util::future::join(one.sync(&account), two.sync(&account));
        let (first, second) = runtime.block_on(both);
        let (won, lost) = match (first, second) {
            (Ok(won), Err(lost)) | (Err(lost), Ok(won)) => (won, lost),
            other => panic!("{other:?}"),
        };
        assert_eq!((won.totals.new, won.verdict), (12, Completeness::Complete));
        assert_eq!(lost.kind(), ErrorKind::Unavailable);
        assert!(
            lost.to_string()
                .contains("another sync of this account wrote in between"),
            "{lost}"
        );
        expect_own_rows(&store, 0);
        let again = runtime.block_on(two.sync(&account)).unwrap();
        assert_eq!((again.totals.new, again.verdict), (0, Completeness::Complete));
        expect_own_rows(&store, 0);
    });
}

#[test]
fn every_account_of_a_key_is_added() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let runtime = VirtualRuntime::starting_at(day(20));
    let mut group = SyncGroup::new();
    for n in 0..2 {
        let syncer = syncer(&runtime, &book(n), &store);
        assert_eq!(runtime.block_on(group.add_all(&syncer)).unwrap(), 1);
    }
    let outcomes = runtime.block_on(group.sync());
    let scopes: Vec<Scope> = outcomes.into_iter().map(|(scope, _)| scope).collect();
    assert_eq!(scopes, [scope(0), scope(1)]);
}

#[test]
fn a_plan_for_all_adds_up_what_they_share_and_names_what_they_only_believe_to_have() {
    let rule = LimitRule::Window {
        limit: 10,
        per: Duration::from_secs(60),
    };
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let runtime = VirtualRuntime::starting_at(day(20));
    let mut group = SyncGroup::new();
    for n in 0..3 {
        let book = book(n).with(|knobs| {
            knobs.limits = vec![Limit {
                bucket: "reads",
                key: "scripted:address".into(),
                scope: LimitScope::Address,
                rule,
            }];
        });
        group.add(&syncer(&runtime, &book, &store), &id(n));
    }
    let plan = runtime.block_on(group.plan()).unwrap();
    // Four requests each at least; the eleventh of the address waits.
    assert_eq!((plan.requests(), plan.least_time()), (12, Duration::from_secs(60)));
    assert_eq!(
        plan.apart,
        ["scripted:address".into()],
        "three contexts, three limiters"
    );
    assert_eq!(
        sync_at(day(20), &Book::new(Vec::new()), &store).unwrap().scope.account,
        account()
    );
}
