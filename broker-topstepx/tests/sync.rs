//! Histories from the wire venue, through `broker-sync` to a certificate.

#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use broker_core::model::Record;
use broker_core::pnl::TradeBook;
use broker_core::seam::{Clock, SeededRng, VirtualRuntime};
use broker_core::{AccountId, Broker, Context, Currency, Fill};
use broker_sim::wire::{MemoryTransport, Recorder, share};
use broker_sim::{AccountSpec, FeeSchedule, HistoryPlan, Mix};
use broker_sync::{MemoryStore, OrderCheck, PositionCheck, SyncReport, Syncer};
use broker_topstepx::venue::{TopstepxVenue, TopstepxVenueBuilder};
use broker_topstepx::{TopstepxBroker, TopstepxConfig};
use chrono::{DateTime, Utc};
use rust_decimal::Decimal;

const END: &str = "2026-11-20T17:00:00Z";

fn futures() -> Mix {
    Mix {
        shares: 0,
        options: 0,
        crypto: 0,
        forex: 0,
        futures: 1,
    }
}

/// A venue with a history of futures, in virtual time, and a broker that speaks to it.
struct Stage {
    runtime: VirtualRuntime,
    broker: TopstepxBroker,
    venue: Arc<Mutex<TopstepxVenue>>,
    /// The engine's name, and the wire's.
    own: AccountId,
    account: AccountId,
    recorder: Recorder,
}

impl Stage {
    fn new(
        (fills, days): (usize, u32),
        tie: usize,
        seed: u64,
        change: impl FnOnce(TopstepxVenueBuilder) -> TopstepxVenueBuilder,
    ) -> Self {
        let now: DateTime<Utc> = END.parse().unwrap();
        let spec = AccountSpec::margin("LIVED", Currency::USD)
            .with_stated_pnl()
            .with_fees(FeeSchedule::us_retail());
        let plan = HistoryPlan::new(fills, now)
            .with_days(days)
            .with_seed(seed)
            .with_tie(tie)
            .with_mix(futures())
            .with_account(spec);
        let (engine, own) = plan.build().unwrap();
        let builder = TopstepxVenue::builder().engine(engine).practice_account(own.clone());
        let venue = change(builder).build().unwrap();
        let account = venue.account_id(&own).unwrap();
        let venue = share(venue);
        let runtime = VirtualRuntime::starting_at(now);
        let clock = Arc::new(runtime.clock());
        let rng = Arc::new(SeededRng::new(seed));
        let recorder = Recorder::default();
        let transport = MemoryTransport::new(venue.clone(), clock.clone(), rng.clone(), clock.clone())
            .with_recorder(recorder.clone());
        let context = Context::new(clock.clone(), rng, clock, Arc::new(transport));
        let config = TopstepxConfig::new(TopstepxVenue::USER_NAME, TopstepxVenue::API_KEY).with_context(context);
        Self {
            broker: TopstepxBroker::new(config).unwrap(),
            runtime,
            venue,
            own,
            account,
            recorder,
        }
    }

    /// The engine's fills, under the wire's numbers.
    fn booked(&self) -> BTreeMap<String, Fill> {
        let venue = self.venue.lock().unwrap();
        let log = venue.engine().log(&self.own).unwrap().iter();
        let fills = log.filter_map(|entry| match &entry.record {
            Record::Fill(fill) => Some(fill.clone()),
            _ => None,
        });
        let number = |fill: &Fill| venue.trade_number(&self.own, &fill.id).unwrap().to_string();
        fills.map(|fill| (number(&fill), fill)).collect()
    }

    fn syncer(&self) -> Syncer {
        Syncer::new(self.broker.handle(), Arc::new(MemoryStore::default())).with_days(90)
    }

    fn sync(&self, syncer: &Syncer) -> SyncReport {
        self.runtime.block_on(syncer.sync(&self.account)).unwrap()
    }
}

#[test]
fn ninety_days_of_futures_are_certified() {
    let stage = Stage::new((3_000, 89), 40, 5, |builder| builder);
    let syncer = stage.syncer();
    let report = stage.sync(&syncer);
    println!("{report}");
    assert!(report.is_complete(), "{report}");
    let OrderCheck::Checked { orders, failed, .. } = &report.orders else {
        panic!("{report}")
    };
    assert!(failed.is_empty() && *orders > 1_000, "{orders} orders");
    assert!(matches!(
        report.positions,
        PositionCheck::Verified { .. } | PositionCheck::Implied { .. }
    ));

    // Our books, the venue's own word on each fill, and the engine's are one.
    let history = stage.runtime.block_on(syncer.history(&stage.account)).unwrap();
    let booked = stage.booked();
    assert_eq!(history.fills().count(), booked.len());
    for fill in history.fills() {
        let known = &booked[fill.id.get()];
        assert_eq!((fill.qty, fill.price, fill.side), (known.qty, known.price, known.side));
        assert_eq!((fill.pnl, &fill.fees), (known.pnl, &known.fees));
        assert_eq!(fill.at.timestamp_micros(), known.at.timestamp_micros());
    }
    let books = TradeBook::fifo().fold(&history).unwrap();
    assert_eq!(books.disagreements().count(), 0, "the venue's realized profit is ours");
    let stated: Decimal = booked.values().filter_map(|fill| fill.pnl).map(|pnl| pnl.amount).sum();
    assert!(!stated.is_zero());

    // A second run finds nothing new.
    let again = stage.sync(&syncer);
    assert!(again.is_complete(), "{again}");
    assert_eq!(again.totals.new, 0, "{again}");
    let (asked, took) = (stage.recorder.requests().len(), stage.runtime.clock().elapsed());
    println!("{asked} requests in {took:?}");
    assert!(took < std::time::Duration::from_secs(300), "{took:?}");
}

/// A venue that keeps rows back without a word is found out: by the count that looks like a limit, or by the sums.
#[test]
fn rows_that_are_kept_back_are_found_out() {
    for cap in [25, 100] {
        let stage = Stage::new((4_000, 89), 150, 7, |builder| builder.row_cap(cap));
        let report = stage.sync(&stage.syncer());
        println!("cap {cap}: {report}");
        assert!(!report.is_complete(), "cap {cap}: {report}");
    }
    // A limit as the page of facts fears it: days that reach it are read in halves, and all is there.
    let stage = Stage::new((14_000, 20), 0, 7, |builder| builder.row_cap(500));
    let report = stage.sync(&stage.syncer());
    println!("{report}");
    assert!(report.is_complete(), "{report}");
    assert_eq!(report.totals.new, 14_000);
}

/// A trade that is voided days later: the next sync reads it again.
#[test]
fn a_voided_trade_is_taken_back() {
    let stage = Stage::new((400, 89), 0, 9, |builder| builder);
    let syncer = stage.syncer();
    assert!(stage.sync(&syncer).is_complete());
    let last = stage.booked().into_values().max_by_key(|fill| fill.at).unwrap();
    {
        let mut venue = stage.venue.lock().unwrap();
        let now = stage.runtime.clock().now();
        venue.engine_mut().bust(&stage.own, &last.id, now).unwrap();
    }
    let report = stage.sync(&syncer);
    assert!(report.is_complete(), "{report}");
    let history = stage.runtime.block_on(syncer.history(&stage.account)).unwrap();
    assert_eq!(history.fills().count(), 399);
}
