//! Planted discrepancies are all found and named, and an honest store gives none.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "../common/mod.rs"]
mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use broker_core::model::{Asset, Fee, Fill, Flow, FlowKind, Record, RecordKey};
use broker_core::seam::{Rng, SeededRng, VirtualRuntime};
use broker_core::{AccountId, Currency, ErrorKind, FillId, InstrumentId, Price, Qty, RecordId, Side};
use broker_sync::{
    Conclusion, Kind, MemoryStore, PageWrite, Reconciliation, Scope, SqliteStore, Store, SyncState, Syncer,
};
use chrono::{DateTime, Duration, Utc};
use common::{Book, TempFile, Venue, account, day, fill, scope, sync_at, void};
use rust_decimal::Decimal;

fn run<T>(future: impl Future<Output = broker_core::Result<T>>) -> T {
    VirtualRuntime::new().block_on(future).unwrap()
}

fn draw(rng: &dyn Rng, below: u64) -> u64 {
    rng.next_u64() % below
}

fn index(rng: &dyn Rng, len: usize) -> usize {
    usize::try_from(draw(rng, u64::try_from(len).unwrap())).unwrap()
}

fn fee(id: &str, at: DateTime<Utc>) -> Record {
    Record::Fee(Fee {
        id: RecordId::from(id),
        account: account(),
        label: "TAF".to_owned(),
        asset: Asset::Currency(Currency::USD),
        amount: Decimal::new(3, 2),
        price: None,
        instrument: Some("AAPL".into()),
        order: None,
        fill: None,
        at,
        booked_at: None,
        version: 0,
        canceled: false,
    })
}

fn dividend(id: &str, at: DateTime<Utc>) -> Record {
    Record::Flow(Flow {
        id: RecordId::from(id),
        account: account(),
        kind: FlowKind::Dividend,
        asset: Asset::Currency(Currency::USD),
        amount: Decimal::new(250, 2),
        price: None,
        cash: None,
        instrument: Some("AAPL".into()),
        lot: None,
        group: None,
        description: None,
        at,
        booked_at: None,
        version: 0,
        canceled: false,
    })
}

/// Some forty rows in twenty days, with voids and corrections among them, at an honest broker.
fn honest(seed: u64) -> Arc<Book> {
    let rng = SeededRng::new(seed);
    let moment =
        |days: u64| day(i64::try_from(days).unwrap()) + Duration::seconds(i64::try_from(draw(&rng, 86_400)).unwrap());
    let mut records = Vec::new();
    for number in 0..36_u32 {
        let at = moment(u64::from(number) / 2);
        let mut one = fill(&format!("f{number}"), at);
        if draw(&rng, 3) == 0 {
            one.instrument = "MSFT".into();
            one.symbol = "MSFT".into();
        }
        one.order = Some(format!("o{}", number / 2).into());
        // An order has one instrument.
        if number % 2 == 1
            && let Some(Record::Fill(before)) = records.last()
        {
            let before: &Fill = before;
            one.instrument = before.instrument.clone();
            one.symbol = before.symbol.clone();
        }
        one.side = if draw(&rng, 2) == 0 { Side::Buy } else { Side::Sell };
        one.qty = Qty::new((1 + draw(&rng, 9)).into()).unwrap();
        records.push(Record::Fill(one));
    }
    records.push(fee("e1", moment(3)));
    records.push(fee("e2", moment(9)));
    records.push(dividend("d1", moment(12)));
    let book = Book::new(records);
    book.add_row(void("v1", "f20", day(15)));
    book.with(|knobs| {
        knobs.page_size = 7;
        knobs.opened_at = seed.is_multiple_of(2).then(|| day(0));
    })
}

fn reconcile_at(now: DateTime<Utc>, book: &Arc<Book>, store: &Arc<dyn Store>) -> Reconciliation {
    let runtime = VirtualRuntime::starting_at(now);
    let venue = Venue::new(Arc::clone(book), &runtime);
    let syncer = Syncer::new(Arc::new(venue), Arc::clone(store));
    runtime.block_on(syncer.reconcile(&account())).unwrap()
}

/// What is planted: how the store's rows and orders are changed behind its back, and what must be named.
struct Planted {
    rows: Vec<Record>,
    orders: Vec<broker_sync::KnownOrder>,
    state: SyncState,
    /// Words of the differences, sorted.
    expected: BTreeSet<String>,
    /// Of these, those that history cannot repair.
    stay: BTreeSet<String>,
    /// By how much quantities are wrong in all, and by how much they stay so.
    moved: [BTreeMap<InstrumentId, Decimal>; 2],
}

fn words(kind: &Kind) -> Option<String> {
    Some(match kind {
        Kind::MissingHere(key) => format!("here lacks {key:?}"),
        Kind::MissingThere(key) => format!("there lacks {key:?}"),
        Kind::Differs { record, fields } => {
            let names: Vec<_> = fields.iter().map(|one| one.field).collect();
            format!("{record:?} differs in {names:?}")
        }
        Kind::OrderMissingHere(id) => format!("here lacks order {id}"),
        Kind::OrderMissingThere(id) => format!("there lacks order {id}"),
        Kind::OrderDiffers { order, fields } => {
            let names: Vec<_> = fields.iter().map(|one| one.field).collect();
            format!("order {order} differs in {names:?}")
        }
        // Follow from the others; told apart below.
        Kind::Position(_) | Kind::OrderFills(_) | Kind::Cash { .. } => return None,
        other => panic!("{other:?}"),
    })
}

const KINDS: u64 = 11;

impl Planted {
    /// Plants `count` different discrepancies into what an honest store holds.
    fn into(store: &Arc<dyn Store>, seed: u64, count: u64) -> Self {
        let mut planted = Self {
            rows: run(store.rows(&scope(), None))
                .into_iter()
                .map(|row| row.record)
                .collect(),
            orders: run(store.orders(&scope())),
            state: run(store.progress(&scope())),
            expected: BTreeSet::new(),
            stay: BTreeSet::new(),
            moved: Default::default(),
        };
        let rng = SeededRng::new(seed * 7919);
        let first = draw(&rng, KINDS);
        for number in 0..count {
            planted.plant((first + number) % KINDS, number, &rng);
        }
        planted
    }

    /// A fill that nothing was planted on yet, and that is not voided.
    fn any_fill(&self, rng: &dyn Rng) -> usize {
        loop {
            let place = index(rng, self.rows.len());
            if let Record::Fill(fill) = &self.rows[place] {
                let name = format!("{:?}", RecordKey::Fill(fill.id.clone()));
                let id = fill.id.get();
                let is_free = !self.expected.iter().any(|words| words.contains(&name));
                if is_free && id.starts_with('f') && id != "f20" {
                    return place;
                }
            }
        }
    }

    /// The store counts so much more of it than the broker, from now on or until it is repaired.
    fn moves(&mut self, instrument: &InstrumentId, qty: Decimal, stays: bool) {
        for moved in self.moved.iter_mut().take(1 + usize::from(stays)) {
            *moved.entry(instrument.clone()).or_default() += qty;
        }
    }

    fn plant(&mut self, kind: u64, number: u64, rng: &dyn Rng) {
        let phantom = |id: &str| {
            let mut fill = fill(id, day(5));
            fill.order = None;
            Record::Fill(fill)
        };
        match kind {
            0 => {
                let place = self.any_fill(rng);
                let gone = self.rows.remove(place);
                self.expected.insert(format!("here lacks {:?}", gone.key()));
                if let Record::Fill(fill) = gone {
                    self.moves(&fill.instrument, -fill.qty.signed(fill.side), false);
                }
            }
            1..=4 => {
                let place = self.any_fill(rng);
                let Record::Fill(fill) = &mut self.rows[place] else {
                    panic!("a fill")
                };
                let before = fill.qty.signed(fill.side);
                let field = match kind {
                    1 => {
                        fill.price = Price::new(fill.price.get() + Decimal::new(1, 2));
                        "price"
                    }
                    2 => {
                        fill.qty = Qty::new(fill.qty.get() + Decimal::ONE).unwrap();
                        "qty"
                    }
                    3 => {
                        fill.fees.clear();
                        "fees"
                    }
                    _ => {
                        fill.side = fill.side.opposite();
                        "side"
                    }
                };
                let key = RecordKey::Fill(fill.id.clone());
                let (instrument, moved) = (fill.instrument.clone(), fill.qty.signed(fill.side) - before);
                self.expected.insert(format!("{key:?} differs in {:?}", [field]));
                self.moves(&instrument, moved, false);
            }
            5 => {
                let id = format!("phantom{number}");
                self.rows.push(phantom(&id));
                let words = format!("there lacks {:?}", RecordKey::Fill(FillId::from(id)));
                self.expected.insert(words.clone());
                self.stay.insert(words);
                self.moves(&"AAPL".into(), Decimal::TWO, true);
            }
            6 => {
                let voided = self.rows.iter().find_map(|row| match row {
                    Record::Fill(fill) if fill.id.get() == "f20" => Some(fill.clone()),
                    _ => None,
                });
                let voided = voided.unwrap();
                self.moves(&voided.instrument, voided.qty.signed(voided.side), false);
                self.rows.retain(|row| !matches!(row, Record::Void(_)));
                self.expected
                    .insert(format!("here lacks {:?}", RecordKey::Void("v1".into())));
                self.expected
                    .insert(format!("there lacks {:?}", RecordKey::Fill("f20".into())));
            }
            7 => {
                self.rows.retain(|row| row.key() != RecordKey::Flow("d1".into()));
                self.expected
                    .insert(format!("here lacks {:?}", RecordKey::Flow("d1".into())));
            }
            8 => {
                let gone = self.orders.remove(0);
                self.expected.insert(format!("here lacks order {}", gone.id));
            }
            9 => {
                let order = self.orders.last_mut().unwrap();
                order.filled[0].qty += Decimal::ONE;
                self.expected
                    .insert(format!("order {} differs in {:?}", order.id, ["filled"]));
            }
            _ => {
                let mut order = self.orders[1].clone();
                order.id = "phantom".into();
                let words = "there lacks order phantom".to_owned();
                self.orders.push(order);
                self.expected.insert(words.clone());
                self.stay.insert(words);
            }
        }
    }

    /// A store that holds what was planted.
    fn store(self, into: Arc<dyn Store>, honest: &Arc<dyn Store>) -> Arc<dyn Store> {
        let mut state = self.state;
        (state.revision, state.rows, state.pages) = (0, 0, 0);
        let page = PageWrite {
            part: 1,
            rows: self.rows,
            read_at: day(20),
            raw: None,
            state,
        };
        run(into.commit(&scope(), page));
        let conclusion = Conclusion {
            state: run(into.progress(&scope())),
            orders: self.orders,
            report: run(honest.reports(&scope())).pop().unwrap(),
        };
        run(into.conclude(&scope(), conclusion));
        into
    }
}

fn seeds() -> u64 {
    let given = std::env::var("BROKER_SEEDS").ok().and_then(|text| text.parse().ok());
    given.unwrap_or(20).max(20)
}

#[test]
fn every_planted_discrepancy_is_named_and_no_other() {
    let mut planted_in_all = 0;
    for seed in 1..=seeds() {
        let book = honest(seed);
        let honest_store: Arc<dyn Store> = Arc::new(MemoryStore::new());
        sync_at(day(21), &book, &honest_store).unwrap();
        let planted = Planted::into(&honest_store, seed, 1 + seed % 4);
        let file = TempFile::new();
        let into: Arc<dyn Store> = match seed % 4 {
            0 => Arc::new(SqliteStore::open(file.path()).unwrap()),
            _ => Arc::new(MemoryStore::new()),
        };
        let (expected, stay, moved) = (planted.expected.clone(), planted.stay.clone(), planted.moved.clone());
        let [moved, stays_moved] = moved.map(|moved| moved.values().filter(|qty| !qty.is_zero()).count());
        let store = planted.store(into, &honest_store);
        let before = common::stored_set(&store);

        let done = reconcile_at(day(22), &book, &store);
        let named: BTreeSet<String> = done.found.iter().filter_map(|one| words(&one.kind)).collect();
        assert_eq!(named, expected, "seed {seed}\n{done}");
        planted_in_all += expected.len();
        let left: BTreeSet<String> = done.left.iter().filter_map(|one| words(&one.kind)).collect();
        assert_eq!(left, stay, "seed {seed}\n{done}");
        // Positions differ where quantities do in all, and agree again once these are repaired.
        let positions =
            |list: &[broker_sync::Difference]| list.iter().filter(|one| matches!(one.kind, Kind::Position(_))).count();
        assert_eq!(positions(&done.found), moved, "seed {seed}\n{done}");
        // An opening that was worked out to fit the positions takes in a fill that the broker does not know.
        let is_implied = !seed.is_multiple_of(2);
        if !is_implied {
            assert_eq!(positions(&done.left), stays_moved, "seed {seed}\n{done}");
        }
        assert_eq!(done.agrees(), stay.is_empty());
        // No row was removed or changed.
        let after = common::stored_set(&store);
        assert!(before.iter().all(|row| after.contains(row)), "seed {seed}");
        // What is repaired stays repaired.
        let again = reconcile_at(day(23), &book, &store);
        let named: BTreeSet<String> = again.found.iter().filter_map(|one| words(&one.kind)).collect();
        assert_eq!(named, stay, "seed {seed}\n{again}");
    }
    assert!(planted_in_all >= 40, "{planted_in_all}");
}

#[test]
fn an_honest_store_gives_no_alarm_whatever_happened_since() {
    for seed in 1..=seeds() {
        let book = honest(seed);
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
        sync_at(day(21), &book, &store).unwrap();
        let done = reconcile_at(day(22), &book, &store);
        assert!(done.found.is_empty() && done.agrees(), "seed {seed}\n{done}");
        // A day later: new fills, a fill voided, an order filled further.
        let mut more = fill("new", day(22));
        more.order = Some("o17".into());
        book.add(Record::Fill(more));
        book.add_row(void("v2", "f35", day(22) + Duration::hours(1)));
        let done = reconcile_at(day(23), &book, &store);
        assert!(done.found.is_empty() && done.agrees(), "seed {seed}\n{done}");
        assert_eq!(done.repair, None);
        sync_at(day(24), &book, &store).unwrap();
        let done = reconcile_at(day(25), &book, &store);
        assert!(done.found.is_empty() && done.agrees(), "seed {seed}\n{done}");
    }
}

#[test]
fn other_opening_positions_are_named_and_stay() {
    let book = honest(1);
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    sync_at(day(21), &book, &store).unwrap();
    let mut planted = Planted::into(&store, 1, 0);
    let mut opening = planted.state.opening.clone().unwrap();
    opening.holdings = vec![broker_sync::Holding {
        asset: Asset::Instrument {
            id: "AAPL".into(),
            symbol: "AAPL".into(),
        },
        leg: broker_core::model::PositionLeg::Net,
        qty: Decimal::from(1_000),
    }];
    planted.state.opening = Some(opening);
    let store = planted.store(Arc::new(MemoryStore::new()), &store);
    let done = reconcile_at(day(22), &book, &store);
    let text = done.to_string();
    assert_eq!((done.found.len(), done.left.len()), (1, 1), "{text}");
    // The broker holds 6 short, which the records make; 1,000 more are planted.
    assert!(text.contains("AAPL is 994 by our records, -6 by the broker"), "{text}");
    assert!(text.ends_with("verdict    1 DIFFERENCES"), "{text}");
    assert!(!text.contains("ACC-00012345"));
}

/// A fill that the broker does not tell at all is missing on both sides: its order gives it away.
#[test]
fn a_fill_that_is_missing_on_both_sides_is_found_by_its_order() {
    let book = honest(2).with(|knobs| knobs.hidden = vec!["f7".to_owned()]);
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    sync_at(day(21), &book, &store).unwrap();
    let done = reconcile_at(day(22), &book, &store);
    assert!(!done.agrees());
    assert!(
        done.found
            .iter()
            .any(|one| matches!(&one.kind, Kind::OrderFills(order) if order.order.get() == "o3")),
        "{done}"
    );
    assert!(done.unproven.is_some());
}

#[test]
fn what_was_never_synced_cannot_be_compared() {
    let runtime = VirtualRuntime::starting_at(day(22));
    let venue = Venue::new(honest(1), &runtime);
    let syncer = Syncer::new(Arc::new(venue), Arc::new(MemoryStore::new()));
    let error = runtime.block_on(syncer.reconcile(&account())).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    let error = runtime
        .block_on(syncer.reconcile(&AccountId::from("another")))
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    let _: Scope = scope();
}
