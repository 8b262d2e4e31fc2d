//! Books folded from a history against the venue's own books.

use std::collections::{BTreeMap, BTreeSet};

use broker_core::model::History;
use broker_core::pnl::{Books, TradeBook};
use broker_core::{BrokerExt, HistoryQuery, InstrumentId, Price, Record};
use broker_sim::HistoryPlan;
use rust_decimal::Decimal;

use crate::seeded::{Seeded, plan, plan_with_fees_on_fills};

fn cents(amount: Decimal) -> Decimal {
    amount.round_dp(2)
}

fn history(seeded: &Seeded) -> History {
    let query = HistoryQuery::last_days(&seeded.account, 91);
    seeded.runtime.block_on(seeded.broker.all_fills(query)).unwrap()
}

/// Realized PnL by instrument, in cents; nothing realized is 0.
fn realized(books: &Books) -> BTreeMap<InstrumentId, Decimal> {
    books
        .instruments
        .iter()
        .map(|(id, book)| {
            assert_eq!(book.unknown, 0, "{id}");
            (
                id.clone(),
                cents(book.realized.map(|money| money.amount).unwrap_or_default()),
            )
        })
        .filter(|(_, pnl)| !pnl.is_zero())
        .collect()
}

fn plans() -> Vec<HistoryPlan> {
    let apart = (21..=26).map(|seed| plan(1_000, seed));
    apart
        .chain((31..=33).map(|seed| plan_with_fees_on_fills(1_000, seed)))
        .collect()
}

/// The venue's own figures, in cents.
fn venues(seeded: &Seeded) -> BTreeMap<InstrumentId, Decimal> {
    let books = seeded.engine(|engine| engine.books(&seeded.account).unwrap());
    let mut pnl: BTreeMap<InstrumentId, Decimal> = BTreeMap::new();
    for ((id, _), book) in books.instruments {
        *pnl.entry(id).or_default() += cents(book.gross);
    }
    pnl.retain(|_, pnl| !pnl.is_zero());
    pnl
}

/// Instruments with two prices in one moment: which came first is the venue's secret, for ids have no order.
fn tied(history: &History) -> BTreeSet<InstrumentId> {
    let mut prices: BTreeMap<_, BTreeSet<Price>> = BTreeMap::new();
    for fill in history.fills() {
        let moment = (fill.instrument.clone(), fill.at);
        prices.entry(moment).or_default().insert(fill.price);
    }
    let several = prices.into_iter().filter(|(_, prices)| prices.len() > 1);
    several.map(|((id, _), _)| id).collect()
}

#[test]
fn first_in_first_out_is_the_venues_figure_to_the_cent() {
    for plan in plans() {
        let seeded = Seeded::new(&plan);
        let history = history(&seeded);
        let (mut ours, mut theirs) = (realized(&TradeBook::fifo().fold(&history).unwrap()), venues(&seeded));
        let tied = tied(&history);
        ours.retain(|id, _| !tied.contains(id));
        theirs.retain(|id, _| !tied.contains(id));
        assert!(
            theirs.len() > 8,
            "many instruments realized something: {}",
            theirs.len()
        );
        assert_eq!(ours, theirs, "seed {}", plan.seed);
    }
}

#[test]
fn in_the_venues_own_order_every_figure_is_the_venues_to_the_cent() {
    for plan in plans() {
        let seeded = Seeded::new(&plan);
        let mut history = history(&seeded);
        let log = seeded.log();
        let places: BTreeMap<_, _> = log
            .iter()
            .zip(0..)
            .map(|(entry, place)| (entry.record.key(), place))
            .collect();
        history
            .records
            .sort_by_key(|record: &Record| -> usize { places[&record.key()] });
        let ours = realized(&TradeBook::fifo().fold(&history).unwrap());
        assert_eq!(ours, venues(&seeded), "seed {}", plan.seed);
    }
}

#[test]
fn positions_of_the_books_are_the_venues() {
    for plan in plans() {
        let seeded = Seeded::new(&plan);
        let books = TradeBook::fifo().fold(&history(&seeded)).unwrap();
        let ours: BTreeMap<_, _> = books
            .positions
            .into_iter()
            .map(|one| (one.instrument, one.qty))
            .collect();
        assert_eq!(ours, seeded.positions_at(crate::seeded::now()), "seed {}", plan.seed);
    }
}

#[test]
fn average_and_last_in_agree_with_first_in_where_nothing_is_left_open() {
    let mut flat = 0;
    for plan in plans() {
        let seeded = Seeded::new(&plan);
        let history = history(&seeded);
        let open = seeded.positions_at(crate::seeded::now());
        let of_flat = |book: TradeBook| {
            let mut pnl = realized(&book.fold(&history).unwrap());
            pnl.retain(|id, _| !open.contains_key(id));
            pnl
        };
        let fifo = of_flat(TradeBook::fifo());
        flat += fifo.len();
        assert_eq!(of_flat(TradeBook::lifo()), fifo, "LIFO, seed {}", plan.seed);
        assert_eq!(of_flat(TradeBook::average()), fifo, "average, seed {}", plan.seed);
    }
    assert!(flat >= 6, "only {flat} instruments ended flat");
}
