//! Three accounts over three keys each: no row in the wrong account, and none twice.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use broker_alpaca::venue::AlpacaVenue;
use broker_alpaca::{AlpacaBroker, AlpacaConfig};
use broker_core::seam::{Clock, SeededRng, VirtualRuntime};
use broker_core::{AccountId, Broker, Context, FillId, Record};
use broker_sim::wire::{Fault, FaultPlan, Faults, MemoryTransport, When, share};
use broker_sync::{MemoryStore, Scope, Store, SyncGroup, Syncer};

use crate::stage::{now, plan};

const KEYS: [&str; 3] = ["PKFIRST0000000000001", "PKSECOND000000000002", "PKTHIRD0000000000003"];
const FILLS: usize = 400;

struct House {
    account: AccountId,
    fills: BTreeSet<FillId>,
    venue: Arc<Mutex<AlpacaVenue>>,
}

/// A venue that takes three keys for its account.
fn house(seed: u64) -> House {
    let (engine, account) = plan(FILLS, seed).build().unwrap();
    let log = engine.log(&account).unwrap().iter();
    let fills = log.filter_map(|entry| match &entry.record {
        Record::Fill(fill) => Some(fill.id.clone()),
        _ => None,
    });
    let fills = fills.collect();
    let builder = AlpacaVenue::builder().engine(engine, account);
    let builder = KEYS.iter().fold(builder, |builder, key| builder.key(*key, "secret"));
    let venue = builder.build().unwrap();
    House {
        account: venue.account_id(),
        fills,
        venue: share(venue),
    }
}

fn connect(runtime: &VirtualRuntime, house: &House, key: &str, faults: &Faults) -> AlpacaBroker {
    let (clock, rng) = (Arc::new(runtime.clock()), Arc::new(SeededRng::new(5)));
    let transport = MemoryTransport::new(Arc::clone(&house.venue) as _, clock.clone(), rng.clone(), clock.clone())
        .with_faults(faults.clone());
    let context = Context::new(clock.clone(), rng, clock, Arc::new(transport));
    AlpacaBroker::new(AlpacaConfig::new(key, "secret").with_context(context)).unwrap()
}

#[test]
fn nothing_is_mixed_up_between_accounts_and_connections() {
    let houses: Vec<House> = (11..14).map(house).collect();
    let runtime = VirtualRuntime::starting_at(now());
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let mut group = SyncGroup::new().with_at_once(9);
    let broken = Faults::default();
    for house in &houses {
        for key in KEYS {
            let is_broken = (house.account == houses[1].account && key == KEYS[0]) || key == KEYS[2];
            let faults = if is_broken { broken.clone() } else { Faults::default() };
            let broker = connect(&runtime, house, key, &faults);
            group.add(&Syncer::new(broker.handle(), Arc::clone(&store)), &house.account);
        }
    }
    // Four of the nine connections lose their answers for good behind the tenth.
    broken.set(FaultPlan::seeded(1).rule(When::always().per_mille(400), Fault::ErrorBefore(401, "{}".to_owned())));
    let outcomes = runtime.block_on(group.sync());
    let failed = outcomes.iter().filter(|(_, outcome)| outcome.is_err()).count();
    println!(
        "{failed} of 9 connections failed, after {:?}",
        runtime.clock().elapsed()
    );
    assert!((1..=4).contains(&failed), "{outcomes:?}");
    assert!(runtime.clock().elapsed() < Duration::from_secs(300));
    let scopes: BTreeSet<Scope> = outcomes.iter().map(|(scope, _)| scope.clone()).collect();
    assert_eq!(runtime.block_on(store.scopes()).unwrap(), Vec::from_iter(scopes));
    for (scope, house) in houses.iter().flat_map(|house| {
        let of_it = outcomes.iter().filter(|(scope, _)| scope.account == house.account);
        of_it.map(move |(scope, _)| (scope, house))
    }) {
        let rows = runtime.block_on(store.rows(scope, None)).unwrap();
        assert!(rows.iter().all(|row| *row.record.account() == house.account));
        let keys: BTreeSet<_> = rows.iter().map(|row| row.key()).collect();
        assert_eq!(keys.len(), rows.len(), "a row twice");
        let fills = rows.iter().filter(|row| matches!(row.record, Record::Fill(_))).count();
        assert_eq!((fills, house.fills.len()), (FILLS, FILLS));
    }
}
