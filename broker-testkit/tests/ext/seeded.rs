//! The paper venue with a seeded history, and what its log says.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use broker_core::model::Asset;
use broker_core::seam::{Answer, Carrier, OpenRequest, Request, SeededRng, Transport, VirtualRuntime};
use broker_core::{AccountId, Context, Error, Instrument, InstrumentId, Record, Result};
use broker_sim::{Engine, Entry, FeeSchedule, HistoryPlan, Mix, Posting, SimBroker};
use chrono::{DateTime, Duration, Utc};
use rust_decimal::Decimal;

/// No wire: the venue is in memory.
#[derive(Debug)]
struct NoWire;

#[async_trait]
impl Transport for NoWire {
    async fn send(&self, _: Request) -> Result<Answer> {
        Err(Error::unsupported("no wire"))
    }

    async fn open(&self, _: OpenRequest) -> Result<Box<dyn Carrier>> {
        Err(Error::unsupported("no wire"))
    }
}

/// Now, for every test here.
pub(crate) fn now() -> DateTime<Utc> {
    "2026-11-20T18:00:00Z".parse().unwrap()
}

pub(crate) fn days_ago(days: i64) -> DateTime<Utc> {
    now() - Duration::days(days)
}

pub(crate) struct Seeded {
    pub(crate) runtime: VirtualRuntime,
    pub(crate) broker: SimBroker,
    pub(crate) account: AccountId,
}

/// A mix of every asset class.
pub(crate) fn plan(fills: usize, seed: u64) -> HistoryPlan {
    HistoryPlan::new(fills, now())
        .with_seed(seed)
        .with_mix(Mix::everything())
}

/// The same with every fee on the row of its fill: a fee in kind then has no row of its own.
pub(crate) fn plan_with_fees_on_fills(fills: usize, seed: u64) -> HistoryPlan {
    let mut plan = plan(fills, seed);
    let mut fees = FeeSchedule::us_retail();
    for rule in &mut fees.rules {
        rule.posting = Posting::OnFill;
    }
    plan.account = plan.account.with_fees(fees);
    plan
}

impl Seeded {
    pub(crate) fn new(plan: &HistoryPlan) -> Self {
        let (engine, account) = plan.build().unwrap();
        let runtime = VirtualRuntime::starting_at(now());
        let clock = Arc::new(runtime.clock());
        let context = Context::new(clock.clone(), Arc::new(SeededRng::new(1)), clock, Arc::new(NoWire));
        Self {
            broker: SimBroker::new(engine, context),
            runtime,
            account,
        }
    }

    pub(crate) fn engine<T>(&self, read: impl FnOnce(&Engine) -> T) -> T {
        self.broker.with_engine(|engine, _| read(engine))
    }

    pub(crate) fn log(&self) -> Vec<Entry> {
        self.engine(|engine| engine.log(&self.account).unwrap().to_vec())
    }

    pub(crate) fn instruments(&self) -> BTreeMap<InstrumentId, Instrument> {
        self.engine(|engine| {
            let all = engine.instruments();
            all.map(|one| (one.id.clone(), one.clone())).collect()
        })
    }

    /// Positions at a moment: the sum of all that was booked before it.
    pub(crate) fn positions_at(&self, at: DateTime<Utc>) -> BTreeMap<InstrumentId, Decimal> {
        let instruments = self.instruments();
        let mut sums: BTreeMap<InstrumentId, Decimal> = BTreeMap::new();
        for entry in self.log().iter().filter(|entry| entry.booked_at < at) {
            match &entry.record {
                Record::Fill(fill) => {
                    let base = instruments[&fill.instrument].base;
                    let in_kind = fill.fees.iter().filter(|fee| Some(fee.currency) == base);
                    let paid: Decimal = in_kind.map(|fee| fee.amount).sum();
                    *sums.entry(fill.instrument.clone()).or_default() += fill.qty.signed(fill.side) - paid;
                }
                Record::Fee(fee) => {
                    if let Asset::Instrument { id, .. } = &fee.asset {
                        *sums.entry(id.clone()).or_default() -= fee.amount;
                    }
                }
                Record::Flow(flow) => {
                    if let Asset::Instrument { id, .. } = &flow.asset {
                        *sums.entry(id.clone()).or_default() += flow.amount;
                    }
                }
                Record::Void(_) => panic!("the plan voids nothing"),
            }
        }
        sums.retain(|_, qty| !qty.is_zero());
        sums
    }
}
