//! The history campaign over the wire venue: 100,000 fills, ties larger than a page, three requests in ten harmed.
//! `BROKER_SEEDS=200` runs more seeds than the five of every day.

#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use broker_alpaca::venue::AlpacaVenue;
use broker_alpaca::{AlpacaBroker, AlpacaConfig};
use broker_core::model::{HistoryQuery, Record};
use broker_core::seam::{Clock, SeededRng, VirtualRuntime};
use broker_core::{AccountId, Broker, Context};
use broker_sim::HistoryPlan;
use broker_sim::wire::{Fault, FaultPlan, Faults, MemoryTransport, Recorder, RetryHint, When, share};
use broker_testkit::history::{CampaignReport, ExpectedFill, history_campaign};
use broker_testkit::planted::{Planted, PlantedBug};
use chrono::{DateTime, TimeZone, Utc};

const FILLS: usize = 100_000;
/// More than a page of 100.
const TIE: usize = 250;

/// A venue with a history, in virtual time, and a broker that speaks to it.
struct Stage {
    runtime: VirtualRuntime,
    broker: AlpacaBroker,
    account: AccountId,
    expected: Vec<ExpectedFill>,
    faults: Faults,
    recorder: Recorder,
}

impl Stage {
    fn new(fills: usize, seed: u64) -> Self {
        let now: DateTime<Utc> = Utc.with_ymd_and_hms(2026, 6, 30, 21, 0, 0).unwrap();
        let plan = HistoryPlan::new(fills, now)
            .with_days(89)
            .with_symbols(40)
            .with_seed(seed)
            .with_tie(TIE);
        let (engine, account) = plan.build().unwrap();
        let expected = engine
            .log(&account)
            .unwrap()
            .iter()
            .filter_map(|entry| match &entry.record {
                Record::Fill(fill) => Some(ExpectedFill::from(fill)),
                Record::Void(_) | Record::Fee(_) | Record::Flow(_) => None,
            })
            .collect();
        let runtime = VirtualRuntime::starting_at(now);
        let clock = Arc::new(runtime.clock());
        let rng = Arc::new(SeededRng::new(seed));
        let venue = AlpacaVenue::builder().engine(engine, account).build().unwrap();
        let account = venue.account_id();
        let (faults, recorder) = (Faults::default(), Recorder::default());
        let transport = MemoryTransport::new(share(venue), clock.clone(), rng.clone(), clock.clone())
            .with_faults(faults.clone())
            .with_recorder(recorder.clone());
        let context = Context::new(clock.clone(), rng, clock, Arc::new(transport));
        let config = AlpacaConfig::new(AlpacaVenue::KEY_ID, AlpacaVenue::SECRET_KEY).with_context(context);
        let broker = AlpacaBroker::new(config).unwrap();
        Self {
            runtime,
            broker,
            account,
            expected,
            faults,
            recorder,
        }
    }

    fn run(&self, broker: &dyn Broker, seed: u64) -> CampaignReport {
        let query = HistoryQuery::last_days(&self.account, 90);
        self.runtime
            .block_on(history_campaign(broker, &query, &self.expected, seed))
    }
}

/// Ten kinds, together three in ten requests. A refusal by the limiter without cause closes the bucket for a minute,
/// so it is rarer than the rest.
fn three_in_ten(seed: u64) -> FaultPlan {
    let often = || When::always().per_mille(39);
    FaultPlan::seeded(seed)
        .rule(often(), Fault::RefuseConnection)
        .rule(often(), Fault::Reset { handled: true })
        .rule(often(), Fault::Fin { handled: true })
        .rule(often(), Fault::CutBody(2_000))
        .rule(often(), Fault::TruncatedJson)
        .rule(often(), Fault::Html200)
        .rule(often(), Fault::Empty200)
        .rule(often(), Fault::ErrorBefore(503, "upstream".to_owned()))
        .rule(
            often(),
            Fault::ErrorAfter(500, r#"{"code":50010000,"message":"internal"}"#.to_owned()),
        )
        .rule(
            When::always().per_mille(4),
            Fault::RateLimited(
                RetryHint::Seconds(1),
                r#"{"code":42910000,"message":"too many requests."}"#.to_owned(),
            ),
        )
        .rule(When::always().per_mille(4), Fault::DropAnswer)
}

fn seeds() -> u64 {
    std::env::var("BROKER_SEEDS")
        .ok()
        .and_then(|seeds| seeds.parse().ok())
        .unwrap_or(5)
}

#[test]
fn nothing_is_lost_and_nothing_doubled() {
    for seed in 1..=seeds() {
        let stage = Stage::new(FILLS, seed);
        assert_eq!(stage.expected.len(), FILLS);
        stage.faults.set(three_in_ten(seed));
        let report = stage.run(&stage.broker, seed);
        let (asked, harmed) = (
            stage.recorder.requests().len(),
            stage.faults.counts().values().sum::<u64>(),
        );
        println!(
            "seed {seed}: {report}  {harmed} faults in {asked} requests, {:?}",
            stage.runtime.clock().elapsed()
        );
        assert!(report.is_clean(), "seed {seed}: {report}");
        assert_eq!(report.fills, FILLS as u64);
        assert!(
            report.kills > 0 && harmed * 10 >= asked as u64 * 3,
            "{harmed} of {asked}"
        );
    }
}

#[test]
fn planted_bugs_are_caught() {
    for bug in [PlantedBug::CursorBeforeRows, PlantedBug::BorderMillisecond] {
        let stage = Stage::new(5_000, 3);
        assert!(stage.run(&stage.broker, 3).is_clean());
        let planted = Planted::new(stage.broker.handle(), bug);
        let report = stage.run(&planted, 3);
        println!("{bug:?}: {report}");
        assert!(!report.is_clean(), "{bug:?} was not caught");
    }
}

#[test]
fn the_venue_refuses_nothing_of_an_honest_walk() {
    let stage = Stage::new(20_000, 4);
    let report = stage.run(&stage.broker, 4);
    assert!(report.is_clean(), "{report}");
    let refused = stage
        .recorder
        .requests()
        .iter()
        .filter(|request| request.status == Some(429))
        .count();
    assert_eq!(refused, 0);
    assert!(
        stage.runtime.clock().elapsed() > Duration::from_secs(60),
        "200 a minute were kept"
    );
}

#[test]
fn a_walk_asks_little_more_than_the_rows_need() {
    let stage = Stage::new(FILLS, 1);
    let query = HistoryQuery::last_days(&stage.account, 90).resolved(stage.runtime.clock().now());
    let (mut fills, mut others, mut rows) = (BTreeSet::new(), BTreeSet::new(), 0);
    let pages = stage.runtime.block_on(async {
        let (mut pages, mut cursor) = (0, None);
        loop {
            let page = stage.broker.history(&query, cursor.as_ref()).await.unwrap();
            pages += 1;
            rows += page.rows.len();
            for record in &page.rows {
                match record {
                    Record::Fill(fill) => fills.insert(fill.id.clone()),
                    other => others.insert(other.key()),
                };
            }
            cursor = page.next;
            if cursor.is_none() {
                return pages;
            }
        }
    });
    // One request is for the account that the key belongs to.
    let asked = stage.recorder.requests().len() - 1;
    let (fills, others) = (fills.len(), others.len());
    println!("{asked} requests for {fills} fills and {others} other rows, {rows} rows came");
    assert_eq!((fills, asked), (FILLS, pages));
    let of_trades = FILLS.div_ceil(100) * 107 / 100;
    // A day's last page is not full, on average it is half.
    let of_others = others.div_ceil(100) + 90;
    assert!(asked <= of_trades + of_others + 10, "{asked} requests");
    assert!(rows * 100 <= (fills + others) * 110, "{rows} rows came");
}
