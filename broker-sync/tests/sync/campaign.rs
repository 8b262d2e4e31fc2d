//! The certificate campaign over a scripted broker: whatever it hides is found out, and an honest one is believed.
//! 20 seeds; more by the variable `BROKER_SEEDS`.

use std::collections::BTreeMap;
use std::sync::Arc;

use broker_core::Side;
use broker_core::model::{Completeness, Record};
use broker_core::seam::{Rng, SeededRng};
use broker_sync::{MemoryStore, Store, SyncReport};
use chrono::Duration as Days;

use crate::common::venue::ProofKind;
use crate::common::{Book, day, fill, stored_set, sync_at, void};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Hole {
    /// The first row behind each page is skipped.
    SiblingAtTheBorder,
    /// The venue gives no more rows than this, and says nothing.
    RowCap,
    /// A fill shows in orders and positions before it shows in history.
    LateFill,
    /// A page in the middle is empty.
    EmptyPage,
    /// A page brings fewer rows than it stands for.
    CutPage,
    /// An order says that more of it was filled.
    OrderDoesNotAddUp,
}

const HOLES: [Hole; 6] = [
    Hole::SiblingAtTheBorder,
    Hole::RowCap,
    Hole::LateFill,
    Hole::EmptyPage,
    Hole::CutPage,
    Hole::OrderDoesNotAddUp,
];

/// What can tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Witness {
    /// Orders, and positions from the account's birth on. The pages prove what they like.
    OrdersAndPositions,
    /// Orders alone: the opening is worked out so that positions fit.
    Orders,
    /// The pages alone.
    Pages,
}

const WITNESSES: [Witness; 3] = [Witness::OrdersAndPositions, Witness::Orders, Witness::Pages];

impl Witness {
    fn proof(self, rng: &SeededRng) -> ProofKind {
        use ProofKind::{Contiguous, Count, Nothing, Range, ShortAtTheEnd};
        let all = match self {
            Self::OrdersAndPositions | Self::Orders => &[Contiguous, ShortAtTheEnd, Nothing, Count, Range][..],
            Self::Pages => &[Count, Range][..],
        };
        all[usize::try_from(rng.below(all.len() as u64)).unwrap()]
    }

    /// Pages say nothing of what no page ever held.
    fn sees(self, hole: Hole) -> bool {
        self != Self::Pages || !matches!(hole, Hole::LateFill | Hole::OrderDoesNotAddUp)
    }
}

struct Case {
    book: Arc<Book>,
    fills: Vec<String>,
    orders: Vec<String>,
    pages: usize,
}

/// Some 60 to 160 fills of one to four an order, in three instruments, in six weeks; some taken back.
fn case(seed: u64, witness: Witness) -> Case {
    let rng = SeededRng::new(seed);
    let count = 60 + rng.below(100);
    let page_size = 3 + rng.below(8);
    let mut at = day(1);
    let (mut order, mut left) = (0, 1 + rng.below(4));
    let (mut rows, mut fills) = (Vec::new(), Vec::new());
    for i in 0..count {
        // Ties, where something else than the times of pages can tell.
        if witness == Witness::Pages || rng.below(4) > 0 {
            at += Days::seconds(1 + i64::try_from(rng.below(40_000)).unwrap());
        }
        let mut fill = fill(&format!("f{i}"), at);
        let name = ["AAPL", "MSFT", "KO"][usize::try_from(order % 3).unwrap()];
        (fill.instrument, fill.symbol) = (name.into(), name.into());
        fill.side = if order % 5 < 3 { Side::Buy } else { Side::Sell };
        fill.qty = (1 + rng.below(9)).to_string().parse().unwrap();
        fill.order = Some(format!("o{order}").into());
        fills.push(fill.id.get().to_owned());
        rows.push(Record::Fill(fill));
        left -= 1;
        if left == 0 {
            (order, left) = (order + 1, 1 + rng.below(4));
        }
    }
    let book = Book::new(rows);
    let voids = rng.below(3);
    for i in 0..voids {
        let of = format!("f{}", rng.below(count));
        book.add_row(void(&format!("v{i}-{of}"), &of, at + Days::hours(1)));
    }
    let proof = witness.proof(&rng);
    let orders = book
        .orders
        .lock()
        .unwrap()
        .iter()
        .map(|order| order.id.get().to_owned())
        .collect();
    let book = book.with(|knobs| {
        knobs.page_size = usize::try_from(page_size).unwrap();
        knobs.proof = proof;
        knobs.repeats_rows = witness != Witness::Pages && rng.below(2) == 0;
        knobs.opened_at = (witness == Witness::OrdersAndPositions).then(|| day(0));
        knobs.orders_unsupported = witness == Witness::Pages;
    });
    Case {
        book,
        fills,
        orders,
        pages: usize::try_from((count + voids).div_ceil(page_size)).unwrap(),
    }
}

fn plant(case: &Case, hole: Hole, rng: &SeededRng) {
    let pick = |from: &[String]| from[usize::try_from(rng.below(from.len() as u64)).unwrap()].clone();
    let middle = 1 + usize::try_from(rng.below(case.pages as u64 - 2)).unwrap();
    let size = case.book.knobs.lock().unwrap().page_size;
    if hole == Hole::OrderDoesNotAddUp {
        let id = pick(&case.orders);
        let mut orders = case.book.orders.lock().unwrap();
        let order = orders.iter_mut().find(|order| order.id.get() == id).unwrap();
        // More than any fill of it that was taken back.
        order.filled_qty = order.filled_qty.checked_add("100".parse().unwrap()).unwrap();
        return;
    }
    let mut knobs = case.book.knobs.lock().unwrap();
    // A row that comes with two pages is not lost with one.
    knobs.repeats_rows = false;
    match hole {
        Hole::SiblingAtTheBorder => knobs.drops_at_borders = true,
        Hole::RowCap => knobs.silent_cap = Some(case.fills.len() / 2),
        Hole::LateFill => knobs.hidden = vec![pick(&case.fills)],
        Hole::EmptyPage => knobs.loses = Some((middle, 0)),
        Hole::CutPage => knobs.loses = Some((middle, 1 + usize::try_from(rng.below(size as u64 - 1)).unwrap())),
        Hole::OrderDoesNotAddUp => {}
    }
}

/// Whether the report says that something is missing, beside what it says of every first sync.
fn is_told(report: &SyncReport) -> bool {
    const OF_EVERY: &str = "nothing vouches yet for rows that show late: the next sync checks the positions";
    match &report.verdict {
        Completeness::Complete => false,
        Completeness::Incomplete { reason, .. } => reason != OF_EVERY,
    }
}

fn seeds() -> u64 {
    let seeds = std::env::var("BROKER_SEEDS").ok().and_then(|seeds| seeds.parse().ok());
    seeds.unwrap_or(20)
}

#[test]
fn an_honest_broker_is_believed() {
    let (mut runs, mut alarms) = (0, Vec::new());
    for seed in 1..=seeds() {
        for witness in WITNESSES {
            let case = case(seed, witness);
            let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
            let first = sync_at(day(80), &case.book, &store).unwrap();
            let second = sync_at(day(81), &case.book, &store).unwrap();
            runs += 2;
            if is_told(&first) || !second.is_complete() {
                alarms.push(format!("seed {seed}, {witness:?}:\n{first}\n{second}"));
            }
        }
    }
    println!("{runs} syncs with an honest broker, {} false alarms", alarms.len());
    assert!(alarms.is_empty(), "{}", alarms.join("\n"));
}

#[test]
fn every_hole_is_found_out() {
    let mut counts: BTreeMap<Hole, (u64, u64)> = BTreeMap::new();
    let mut missed = Vec::new();
    for seed in 1..=seeds() {
        for witness in WITNESSES {
            for hole in HOLES.into_iter().filter(|hole| witness.sees(*hole)) {
                let case = case(seed, witness);
                let honest: Arc<dyn Store> = Arc::new(MemoryStore::new());
                sync_at(day(80), &case.book, &honest).unwrap();
                plant(&case, hole, &SeededRng::new(seed ^ 0x9e37));
                let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
                let report = sync_at(day(80), &case.book, &store).unwrap();
                let lost = stored_set(&store).len() < stored_set(&honest).len();
                assert!(
                    lost || hole == Hole::OrderDoesNotAddUp,
                    "seed {seed}, {hole:?}: nothing was hidden"
                );
                let (planted, found) = counts.entry(hole).or_default();
                *planted += 1;
                *found += u64::from(is_told(&report));
                if !is_told(&report) {
                    missed.push(format!("seed {seed}, {witness:?}, {hole:?}:\n{report}"));
                }
                if hole == Hole::LateFill {
                    // It shows at last: the span in doubt is read again, and all is well.
                    case.book.knobs.lock().unwrap().hidden.clear();
                    let report = sync_at(day(81), &case.book, &store).unwrap();
                    assert_eq!(stored_set(&store), stored_set(&honest), "seed {seed}, {witness:?}");
                    assert!(report.is_complete(), "seed {seed}, {witness:?}:\n{report}");
                }
            }
        }
    }
    for (hole, (planted, found)) in &counts {
        println!("{hole:?}: {planted} planted, {found} found");
    }
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}
