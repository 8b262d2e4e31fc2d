//! A store beside Alpaca's wire venue: an honest one agrees, cash too, and what is taken out of it is found and read
//! again.

use std::collections::BTreeSet;
use std::sync::Arc;

use broker_alpaca::venue::AlpacaVenue;
use broker_alpaca::{AlpacaBroker, AlpacaConfig};
use broker_core::model::{Record, RecordKey};
use broker_core::seam::{SeededRng, VirtualRuntime};
use broker_core::{AccountId, Context, Currency};
use broker_sim::{HistoryPlan, Mix};
use broker_sync::{CashCheck, Conclusion, Kind, MemoryStore, PageWrite, Scope, Store, Syncer};
use chrono::{DateTime, Utc};

const END: &str = "2026-11-20T18:00:00Z";

struct Stage {
    runtime: VirtualRuntime,
    broker: AlpacaBroker,
    account: AccountId,
}

impl Stage {
    fn new(seed: u64, mix: Mix) -> Self {
        let ends_at: DateTime<Utc> = END.parse().unwrap();
        let plan = HistoryPlan::new(250, ends_at)
            .with_seed(seed)
            .with_days(40)
            .with_mix(mix);
        let venue = AlpacaVenue::seeded(&plan).unwrap();
        let account = venue.account_id();
        let runtime = VirtualRuntime::starting_at(ends_at);
        let clock = Arc::new(runtime.clock());
        let rng = Arc::new(SeededRng::new(seed));
        let transport = venue.transport(clock.clone(), rng.clone(), clock.clone());
        let context = Context::new(clock.clone(), rng, clock, transport);
        let config = AlpacaConfig::new(AlpacaVenue::KEY_ID, AlpacaVenue::SECRET_KEY).with_context(context);
        Self {
            runtime,
            broker: AlpacaBroker::new(config).unwrap(),
            account,
        }
    }

    fn syncer(&self, store: &Arc<dyn Store>) -> Syncer {
        Syncer::new(Arc::new(self.broker.clone()), Arc::clone(store))
    }
}

/// Every third row of one kind is left out, and every seventh price is another.
fn damaged(rows: Vec<Record>, seed: u64) -> (Vec<Record>, BTreeSet<RecordKey>, BTreeSet<RecordKey>) {
    let (mut kept, mut gone, mut changed) = (Vec::new(), BTreeSet::new(), BTreeSet::new());
    for (number, mut row) in (seed..).zip(rows) {
        if number % 31 == 0 {
            gone.insert(row.key());
            continue;
        }
        if number % 37 == 0
            && let Record::Fill(fill) = &mut row
        {
            fill.price = "0.07".parse().unwrap();
            changed.insert(row.key());
        }
        kept.push(row);
    }
    (kept, gone, changed)
}

fn seeds() -> u64 {
    let given = std::env::var("BROKER_SEEDS").ok().and_then(|text| text.parse().ok());
    given.unwrap_or(20)
}

#[test]
fn what_is_taken_out_of_a_store_is_found_and_read_again() {
    for seed in 1..=seeds() {
        // Shares alone, whose cash is exact; then coins too, whose fees come a day later.
        let mix = match seed % 2 {
            0 => Mix::default(),
            _ => Mix {
                shares: 1,
                options: 0,
                crypto: 0,
                forex: 0,
                futures: 0,
            },
        };
        let stage = Stage::new(seed, mix);
        let honest: Arc<dyn Store> = Arc::new(MemoryStore::new());
        let syncer = stage.syncer(&honest);
        let report = stage.runtime.block_on(syncer.sync(&stage.account)).unwrap();
        let done = stage.runtime.block_on(syncer.reconcile(&stage.account)).unwrap();
        assert!(done.found.is_empty() && done.agrees(), "seed {seed}\n{done}");
        assert!(
            matches!(
                done.cash.as_slice(),
                [CashCheck::Agrees(Currency::USD, _) | CashCheck::Rounded { .. }]
            ),
            "seed {seed}\n{done}"
        );

        let scope: Scope = report.scope.clone();
        let run = |future: std::pin::Pin<Box<dyn Future<Output = broker_core::Result<Vec<_>>> + Send + '_>>| {
            stage.runtime.block_on(future).unwrap()
        };
        let rows = run(honest.rows(&scope, None))
            .into_iter()
            .map(|row| row.record)
            .collect();
        let (rows, gone, changed) = damaged(rows, seed);
        assert!(!gone.is_empty() && !changed.is_empty());
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
        stage.runtime.block_on(async {
            let mut state = honest.progress(&scope).await.unwrap();
            (state.revision, state.rows) = (0, 0);
            let page = PageWrite {
                part: 1,
                rows,
                read_at: report.ended_at,
                raw: None,
                state,
            };
            store.commit(&scope, page).await.unwrap();
            let conclusion = Conclusion {
                state: store.progress(&scope).await.unwrap(),
                orders: honest.orders(&scope).await.unwrap(),
                report: report.clone(),
            };
            store.conclude(&scope, conclusion).await.unwrap();
        });
        let done = stage
            .runtime
            .block_on(stage.syncer(&store).reconcile(&stage.account))
            .unwrap();
        let (mut lacks, mut differs) = (BTreeSet::new(), BTreeSet::new());
        for one in &done.found {
            match &one.kind {
                Kind::MissingHere(key) => drop(lacks.insert(key.clone())),
                Kind::Differs { record, fields } => {
                    assert_eq!(fields[0].field, "price");
                    differs.insert(record.clone());
                }
                Kind::Position(_) | Kind::Cash { .. } => {}
                other => panic!("seed {seed}: {other:?}\n{done}"),
            }
        }
        assert_eq!((lacks, differs), (gone, changed), "seed {seed}");
        assert!(done.left.is_empty() && done.agrees(), "seed {seed}\n{done}");
    }
}
