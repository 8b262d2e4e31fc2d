//! What a run takes, counted while it runs.

use std::collections::VecDeque;
use std::time::Duration;

use broker_core::model::{AssetClass, Instrument};
use broker_core::span::Span;
use chrono::{DateTime, Utc};

use crate::plan::{Effort, Estimate, Plan};
use crate::planner::{Asked, Planner, Volume};
use crate::run::Run;
use crate::store::Written;

/// Counts of one run.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    /// Parts of the plan, as far as they were not read before.
    pub(crate) parts: Vec<Span>,
    pub(crate) at_least: Estimate,
    /// Different fills and other records that this run has read.
    fills: u64,
    others: u64,
    /// Orders as they were listed last, and since when.
    orders: u64,
    orders_since: Option<DateTime<Utc>>,
    instruments: Vec<(AssetClass, u64)>,
    trips: VecDeque<Duration>,
}

/// So many answers are remembered for the usual round trip.
const MOST_TRIPS: usize = 1_024;

impl Meter {
    /// An answer took this long, waiting for its permit included.
    pub(crate) fn answered(&mut self, trip: Duration) {
        if self.trips.len() == MOST_TRIPS {
            self.trips.pop_front();
        }
        self.trips.push_back(trip);
    }

    /// A page was stored. Of its different rows as many are taken to be fills as of all its rows.
    pub(crate) fn stored(&mut self, written: &Written) {
        let rows = written.new + written.duplicates + written.corrections;
        let fills = (written.distinct * written.fills + rows / 2).checked_div(rows);
        let fills = fills.unwrap_or_default().min(written.distinct);
        self.fills += fills;
        self.others += written.distinct - fills;
    }

    pub(crate) fn listed(&mut self, orders: usize, since: DateTime<Utc>) {
        self.orders = u64::try_from(orders).unwrap_or(u64::MAX);
        self.orders_since = Some(since);
    }

    pub(crate) fn looked_up(&mut self, classes: Vec<(AssetClass, u64)>) {
        self.instruments.extend(classes);
    }

    /// How long an answer takes: the shortest, and the median.
    fn round_trips(&self) -> (Duration, Duration) {
        let mut trips: Vec<Duration> = self.trips.iter().copied().collect();
        trips.sort_unstable();
        let at = |index: usize| trips.get(index).copied().unwrap_or_default();
        (at(0), at(trips.len() / 2))
    }

    /// The usual round trip under this plan. Trips hold the wait for a permit: where most calls waited, which is where
    /// so many trips take longer than the limits do, the shortest one tells it.
    fn round_trip(&self, plan: &Plan) -> Duration {
        let (shortest, median) = self.round_trips();
        let all = median.saturating_mul(u32::try_from(plan.requests()).unwrap_or(u32::MAX));
        let least = plan.least_time();
        if least.is_zero() || all <= least {
            median
        } else {
            shortest
        }
    }
}

/// Instruments by asset class; those that were not found are taken to be of the first one's.
pub(crate) fn by_class(found: &[Instrument], asked: usize) -> Vec<(AssetClass, u64)> {
    let mut classes: Vec<(AssetClass, u64)> = Vec::new();
    let missing = asked.saturating_sub(found.len());
    let usual = found.first().map_or(AssetClass::Stock, |one| one.asset_class.clone());
    let all = found
        .iter()
        .map(|one| one.asset_class.clone())
        .chain(std::iter::repeat_n(usual, missing));
    for class in all {
        match classes.iter_mut().find(|(known, _)| *known == class) {
            Some((_, count)) => *count += 1,
            None => classes.push((class, 1)),
        }
    }
    classes
}

impl Run<'_> {
    /// The plan of what this run reads.
    pub(crate) fn planner(&self) -> Planner {
        let windows = self.windows();
        let orders_since = self.meter.orders_since.unwrap_or_else(|| {
            let first = self.meter.parts.iter().map(|part| part.since).min();
            first.unwrap_or(self.planned_at)
        });
        let instruments = self.asked_instruments().len();
        let asked = Asked {
            wanted: Span::new(windows.wanted_since(self.planned_at), self.planned_at),
            reach: windows.reach(self.planned_at),
            parts: self.meter.parts.clone(),
            orders: Span::new(orders_since, self.planned_at),
            instruments: u64::try_from(instruments).unwrap_or(u64::MAX),
            instruments_are_named: self.syncer.instruments.is_some(),
        };
        Planner::new(self.syncer.broker.as_ref(), asked)
    }

    fn lists_with_rows(&self) -> u64 {
        let parts = self.state.reading.iter().flat_map(|reading| &reading.parts);
        let with_rows = parts.filter(|part| part.distinct > 0).count();
        u64::try_from(with_rows).unwrap_or(u64::MAX)
    }

    /// What the run took, beside what the planner says for the rows that there were.
    pub(crate) fn effort(&self) -> Effort {
        let volume = Volume {
            fills: Some(self.meter.fills),
            others: Some(self.meter.others),
            orders: Some(self.meter.orders),
            lists_with_rows: Some(self.lists_with_rows()),
            instruments: self.meter.instruments.clone(),
        };
        let plan = self.planner().plan(&volume);
        Effort {
            at_least: self.meter.at_least,
            planned: plan.estimate(self.meter.round_trip(&plan)),
            spent: Estimate {
                requests: self.requests,
                time: self.syncer.clock().elapsed().saturating_sub(self.began),
            },
        }
    }
}
