//! Three accounts over three keys each: no row in the wrong account, and none twice.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use broker_alpaca::venue::AlpacaVenue;
use broker_alpaca::{AlpacaBroker, AlpacaConfig};
use broker_core::seam::{Clock, SeededRng, VirtualRuntime};
use broker_core::{AccountId, Broker, Context, Currency, Record};
use broker_sim::wire::{Fault, FaultPlan, Faults, MemoryTransport, When, share};
use broker_sim::{AccountSpec, FeeSchedule, HistoryPlan};
use broker_sync::{MemoryStore, Store, SyncGroup, Syncer};

use crate::stage::{now, plan};

const KEYS: [&str; 3] = ["PKFIRST0000000000001", "PKSECOND000000000002", "PKTHIRD0000000000003"];
const FILLS: usize = 400;

struct House {
    account: AccountId,
    venue: Arc<Mutex<AlpacaVenue>>,
}

/// Of an account of its own.
fn history(seed: u64) -> HistoryPlan {
    let account = AccountSpec::margin(format!("SIM-{seed:04}"), Currency::USD);
    plan(FILLS, seed).with_account(account.with_fees(FeeSchedule::us_retail()))
}

/// A venue that takes three keys for its account.
fn house(seed: u64) -> House {
    let (engine, account) = history(seed).build().unwrap();
    let builder = AlpacaVenue::builder().engine(engine, account);
    let builder = KEYS.iter().fold(builder, |builder, key| builder.key(*key, "secret"));
    let venue = builder.build().unwrap();
    House {
        account: venue.account_id(),
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
    // On four of the nine connections the key is refused now and then.
    broken.set(FaultPlan::seeded(1).rule(When::always().per_mille(300), Fault::ErrorBefore(401, "{}".to_owned())));
    let outcomes = runtime.block_on(group.sync());
    let failed = outcomes.iter().filter(|(_, outcome)| outcome.is_err()).count();
    println!(
        "{failed} of 9 connections failed, after {:?}",
        runtime.clock().elapsed()
    );
    assert!((1..=4).contains(&failed));
    for (_, outcome) in &outcomes {
        let verdict = outcome.as_ref().map(|report| report.is_complete());
        assert!(verdict.unwrap_or(true), "{outcome:?}");
    }
    assert!(runtime.clock().elapsed() < Duration::from_secs(120));
    assert_eq!(runtime.block_on(store.scopes()).unwrap().len(), 3);
    for house in &houses {
        let (scope, _) = outcomes
            .iter()
            .find(|(scope, _)| scope.account == house.account)
            .unwrap();
        let rows = runtime.block_on(store.rows(scope, None)).unwrap();
        assert!(rows.iter().all(|row| *row.record.account() == house.account));
        let keys: BTreeSet<_> = rows.iter().map(|row| row.key()).collect();
        assert_eq!(keys.len(), rows.len(), "a row twice");
        let fills = rows.iter().filter(|row| matches!(row.record, Record::Fill(_))).count();
        assert_eq!(fills, FILLS);
    }
}
