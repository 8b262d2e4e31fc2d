//! Trades that are kept are those of the whole history, whatever comes late, and cost what changed.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "../common/mod.rs"]
mod common;

mod counted;
mod journal;
mod steps;

use std::sync::Arc;

use broker_core::pnl::{Books, LotMethod, TradeBook};
use broker_core::seam::VirtualRuntime;
use broker_sync::{MemoryStore, SqliteStore, Store, StoreExt};
use common::{TempFile, over_both_stores, scope};
use journal::Journal;

const METHODS: [LotMethod; 4] = [
    LotMethod::Fifo,
    LotMethod::Lifo,
    LotMethod::Average,
    LotMethod::BrokerLots,
];

fn run<T>(future: impl Future<Output = broker_core::Result<T>>) -> T {
    VirtualRuntime::new().block_on(future).unwrap()
}

/// All records folded at once.
fn at_once(store: &Arc<dyn Store>, method: LotMethod) -> Books {
    let history = run(store.history(&scope()));
    TradeBook::new(method).fold(&history).unwrap()
}

fn expect_same(store: &Arc<dyn Store>, method: LotMethod, what: &str) {
    let kept = run(store.books(&scope(), method));
    let whole = at_once(store, method);
    for (kept, whole) in kept.trades.iter().zip(&whole.trades) {
        assert_eq!(kept, whole, "{method:?} after {what}");
    }
    assert_eq!(kept, whole, "{method:?} after {what}");
}

/// Long random histories; after every step the kept trades are compared with a fold of everything.
#[test]
fn every_step_of_a_long_history_ends_in_the_books_of_a_whole_fold() {
    let seeds = std::env::var("BROKER_SEEDS")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(6);
    let mut kinds = std::collections::BTreeMap::<&str, u32>::new();
    for seed in 1..=seeds {
        let file = TempFile::new();
        let store: Arc<dyn Store> = match seed % 4 {
            0 => Arc::new(SqliteStore::open(file.path()).unwrap()),
            _ => Arc::new(MemoryStore::new()),
        };
        let mut journal = Journal::new(seed, Arc::clone(&store));
        for step in 0..60 {
            let what = journal.step();
            *kinds.entry(what).or_default() += 1;
            // Two methods that fall behind each other by some steps, and two that keep up.
            for (number, method) in METHODS.into_iter().enumerate() {
                if number < 2 || step % (2 + number) == 0 {
                    expect_same(&store, method, &format!("step {step}, {what}, seed {seed}"));
                }
            }
        }
    }
    assert!(kinds.len() >= 12, "{kinds:?}");
}

/// The property above can fail: a fold that goes on from the last mark, whatever came late, is another.
#[test]
fn going_on_from_the_last_mark_whatever_came_late_is_caught() {
    let mut caught = 0;
    for seed in 1..=5 {
        let store: Arc<dyn Store> = Arc::new(counted::Counted::looking_away());
        let mut journal = Journal::new(seed, Arc::clone(&store));
        for _ in 0..40 {
            journal.step();
            let kept = run(store.books(&scope(), LotMethod::Fifo));
            if kept != at_once(&store, LotMethod::Fifo) {
                caught += 1;
                break;
            }
        }
    }
    assert_eq!(caught, 5);
}

#[test]
fn trades_of_a_span_and_what_is_open_need_no_other_trade() {
    over_both_stores(|store| {
        let mut journal = Journal::new(3, Arc::clone(&store));
        for _ in 0..30 {
            journal.day();
        }
        let whole = at_once(&store, LotMethod::Fifo);
        let closed: Vec<_> = whole.trades.iter().filter(|trade| !trade.is_open()).cloned().collect();
        let middle = closed[closed.len() / 2].closed_at.unwrap();
        let last = closed.iter().filter_map(|trade| trade.closed_at).max().unwrap();
        let span = broker_sync::Span::new(middle, last);
        let mut expected: Vec<_> = closed
            .iter()
            .filter(|trade| trade.closed_at.is_some_and(|at| span.contains(at)))
            .cloned()
            .collect();
        expected.sort_by_key(|trade| trade.closed_at);
        assert!(expected.len() > 2);
        let mut found = run(store.closed_trades_in(&scope(), LotMethod::Fifo, Some(span)));
        found.sort_by_key(|trade| trade.closed_at);
        assert_eq!(found, expected);

        let open = run(store.open_books(&scope(), LotMethod::Fifo));
        assert!(open.trades.iter().all(|trade| trade.is_open()));
        let sums = |books: &Books| (books.cash.clone(), books.fees.clone(), books.instruments.clone());
        assert_eq!(sums(&open), sums(&whole));
        assert_eq!(open.positions, whole.positions);
    });
}
