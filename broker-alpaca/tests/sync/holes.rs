//! The certificate campaign over the wire: a venue that hides rows is found out, and an honest one is believed.
//! 20 seeds; more by the variable `BROKER_SEEDS`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use broker_alpaca::venue::AlpacaVenue;
use broker_core::Broker;
use broker_core::Record;
use broker_core::model::Completeness;
use broker_core::seam::{Rng, SeededRng};
use broker_sim::wire::{Venue, WireAnswer, WireRequest, share};
use broker_sync::{MemoryStore, Store, SyncReport, Syncer};
use chrono::{DateTime, Utc};
use serde_json::value::RawValue;

use crate::stage::{Stage, plan};

const FILLS: usize = 400;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Hole {
    /// The first new row behind each page is never told.
    SiblingAtTheBorder,
    /// Behind so many fills there are no more.
    RowCap,
    /// A fill shows in orders and positions before it shows in history.
    LateFill,
    /// A page of fills in the middle is empty.
    EmptyPage,
    /// A page of fills is shorter than what there was for it.
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

/// A venue that tells the truth, with somebody between it and the client.
struct Hiding {
    venue: AlpacaVenue,
    hole: Option<Hole>,
    rng: SeededRng,
    /// Pages of fills that were told.
    pages: u64,
    /// Fills that were told, and those that never are.
    told: BTreeSet<String>,
    hidden: BTreeSet<String>,
    /// Fields that were changed.
    changed: u64,
}

fn field<'a>(row: &'a RawValue, name: &str) -> &'a str {
    let text = row.get();
    let start = text.find(&format!("\"{name}\":\"")).unwrap() + name.len() + 4;
    let length = text[start..].find('"').unwrap();
    &text[start..start + length]
}

fn array<'a>(rows: impl Iterator<Item = &'a str>) -> String {
    format!("[{}]", rows.collect::<Vec<_>>().join(","))
}

impl Hiding {
    /// What is left of a page of fills.
    fn fills(&mut self, body: &str) -> String {
        let rows: Vec<&RawValue> = serde_json::from_str(body).unwrap();
        let ids: Vec<String> = rows.iter().map(|row| field(row, "id").to_owned()).collect();
        let is_new = |told: &BTreeSet<String>, id: &String| !told.contains(id);
        let first_new = ids.iter().find(|id| is_new(&self.told, id)).cloned();
        let mut kept = ids.len();
        match self.hole {
            Some(Hole::SiblingAtTheBorder) if self.pages > 0 && self.hidden.len() < 3 => self.hidden.extend(first_new),
            Some(Hole::RowCap) => {
                let room = (FILLS / 2).saturating_sub(self.told.len());
                let new = ids.iter().filter(|id| is_new(&self.told, id));
                self.hidden.extend(new.skip(room).cloned());
            }
            Some(Hole::LateFill) if self.hidden.is_empty() && self.pages == 0 => {
                let index = usize::try_from(self.rng.below(ids.len() as u64)).unwrap();
                self.hidden.insert(ids[index].clone());
            }
            Some(Hole::EmptyPage) if self.pages == 1 => kept = 0,
            Some(Hole::CutPage) if self.pages == 1 => kept = 1 + usize::try_from(self.rng.below(90)).unwrap(),
            _ => {}
        }
        self.pages += 1;
        let left = rows
            .iter()
            .zip(&ids)
            .take(kept)
            .filter(|(_, id)| !self.hidden.contains(*id));
        let left: Vec<_> = left.collect();
        self.told.extend(left.iter().map(|(_, id)| (*id).clone()));
        array(left.iter().map(|(row, _)| row.get()))
    }

    /// Orders, the first filled one with more of it filled.
    fn orders(&mut self, body: &str) -> String {
        let rows: Vec<&RawValue> = serde_json::from_str(body).unwrap();
        let rows: Vec<String> = rows
            .iter()
            .map(|row| {
                let filled = field(row, "filled_qty").to_owned();
                if self.changed > 0 || filled == "0" {
                    return row.get().to_owned();
                }
                self.changed += 1;
                let (from, to) = (
                    format!("\"filled_qty\":\"{filled}\""),
                    format!("\"filled_qty\":\"1{filled}\""),
                );
                row.get().replacen(&from, &to, 1)
            })
            .collect();
        array(rows.iter().map(String::as_str))
    }
}

impl Venue for Hiding {
    fn handle(&mut self, request: &WireRequest, now: DateTime<Utc>) -> WireAnswer {
        let mut answer = self.venue.handle(request, now);
        let body = String::from_utf8(answer.body.to_vec()).unwrap();
        let is_fills = request.query.contains("category=trade_activity");
        answer.body = match request.path.as_str() {
            "/v2/account/activities" if is_fills && answer.status == 200 => self.fills(&body).into(),
            "/v2/orders" if self.hole == Some(Hole::OrderDoesNotAddUp) => self.orders(&body).into(),
            _ => answer.body,
        };
        // The list is told again on each check: the same order is changed again.
        self.changed = 0;
        answer
    }
}

/// One venue, and a sync of it.
struct Case {
    stage: Stage,
    venue: Arc<Mutex<Hiding>>,
    store: Arc<dyn Store>,
}

impl Case {
    fn new(seed: u64, hole: Option<Hole>) -> Self {
        let venue = AlpacaVenue::seeded(&plan(FILLS, seed)).unwrap();
        let id = venue.account_id();
        let venue = share(Hiding {
            venue,
            hole,
            rng: SeededRng::new(seed),
            pages: 0,
            told: BTreeSet::new(),
            hidden: BTreeSet::new(),
            changed: 0,
        });
        Self {
            stage: Stage::over(Arc::clone(&venue) as _, id, seed),
            venue,
            store: Arc::new(MemoryStore::new()),
        }
    }

    fn sync(&self) -> SyncReport {
        let syncer = Syncer::new(self.stage.broker.handle(), Arc::clone(&self.store));
        self.stage.runtime.block_on(syncer.sync(&self.stage.account)).unwrap()
    }

    fn fills(&self) -> usize {
        let rows = self
            .stage
            .runtime
            .block_on(self.store.rows(&self.stage.scope(), None))
            .unwrap();
        rows.iter().filter(|row| matches!(row.record, Record::Fill(_))).count()
    }
}

fn seeds() -> u64 {
    let seeds = std::env::var("BROKER_SEEDS").ok().and_then(|seeds| seeds.parse().ok());
    seeds.unwrap_or(20)
}

#[test]
fn every_hole_is_found_out_and_an_honest_venue_is_believed() {
    let mut counts: BTreeMap<Hole, (u64, u64)> = BTreeMap::new();
    let (mut honest, mut alarms, mut missed) = (0, Vec::new(), Vec::new());
    for seed in 1..=seeds() {
        let case = Case::new(seed, None);
        for _ in 0..2 {
            let report = case.sync();
            honest += 1;
            if !report.is_complete() || case.fills() != FILLS {
                alarms.push(format!("seed {seed}:\n{report}"));
            }
        }
        for hole in HOLES {
            let case = Case::new(seed, Some(hole));
            let report = case.sync();
            let is_hidden = hole == Hole::OrderDoesNotAddUp || case.fills() < FILLS;
            assert!(is_hidden, "seed {seed}, {hole:?}: nothing was hidden");
            let (planted, found) = counts.entry(hole).or_default();
            *planted += 1;
            match &report.verdict {
                Completeness::Incomplete { .. } => *found += 1,
                Completeness::Complete => missed.push(format!("seed {seed}, {hole:?}:\n{report}")),
            }
            // Told the truth at last, the next sync reads what was in doubt, and all is well.
            let mut venue = case.venue.lock().unwrap();
            venue.hole = None;
            venue.hidden.clear();
            drop(venue);
            let report = case.sync();
            assert!(
                report.is_complete() && case.fills() == FILLS,
                "seed {seed}, {hole:?}:\n{report}"
            );
        }
    }
    println!("{honest} syncs with an honest venue, {} false alarms", alarms.len());
    for (hole, (planted, found)) in &counts {
        println!("{hole:?}: {planted} planted, {found} found");
    }
    assert!(alarms.is_empty(), "{}", alarms.join("\n"));
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}
