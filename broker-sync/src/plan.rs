//! A plan: requests by kind, what they take of each limit, and how long that lasts.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use broker_core::capability::{Limit, LimitRule};
use broker_core::span::{Moment, Span};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// Requests, and how long they take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Estimate {
    /// How many.
    pub requests: u64,
    /// How long.
    pub time: Duration,
}

impl fmt::Display for Estimate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} requests in {} s", self.requests, tenths(self.time))
    }
}

/// What a sync took, beside what the planner says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Effort {
    /// The lower bound that was known before: by the window, and by what the store held of it.
    pub at_least: Estimate,
    /// The plan for the rows that there were, at the pace of this run's answers.
    pub planned: Estimate,
    /// What it took, without what the request pipeline repeated.
    pub spent: Estimate,
}

impl fmt::Display for Effort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            at_least,
            planned,
            spent,
        } = self;
        write!(f, "planned {planned}, spent {spent}; at least {at_least}")
    }
}
/// Requests of one kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// What for.
    pub what: &'static str,
    /// How many.
    pub requests: u64,
    /// The bucket that they pay to.
    pub bucket: &'static str,
    /// What each pays.
    pub weight: u32,
}

impl Step {
    pub(crate) fn of(what: &'static str, requests: u64, (bucket, weight): (&'static str, u32)) -> Self {
        Self {
            what,
            requests,
            bucket,
            weight,
        }
    }

    pub(crate) fn add_up(sum: u64, step: &Self) -> u64 {
        sum.saturating_add(step.requests.saturating_mul(step.weight.into()))
    }
}

/// What a plan takes of one limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spending {
    /// The limit, as it stands.
    pub limit: Limit,
    /// Weight of all requests that pay to it.
    pub weight: u64,
}

/// What a sync takes. Prints as a few lines for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The window that is wanted.
    pub asked: Span,
    /// How far back the broker can tell; `None` where no limit is documented.
    pub reach: Option<DateTime<Utc>>,
    /// Whether there may be more requests, for want of the number of rows.
    pub is_lower_bound: bool,
    /// Requests by kind.
    pub steps: Vec<Step>,
    /// What they take of each limit.
    pub spending: Vec<Spending>,
    /// What the certificate will not be able to cover, and why.
    pub gaps: Vec<String>,
}

impl Plan {
    /// All requests.
    pub fn requests(&self) -> u64 {
        self.steps.iter().map(|step| step.requests).fold(0, u64::saturating_add)
    }

    /// How long the limits alone make it take, where nobody else uses them.
    pub fn least_time(&self) -> Duration {
        self.slowest().map_or(Duration::ZERO, |(_, time)| time)
    }

    /// How long it takes with answers that take so long each, one asked behind the other.
    pub fn time(&self, round_trip: Duration) -> Duration {
        let requests = self.requests();
        let trips = |count: u64| round_trip.saturating_mul(u32::try_from(count).unwrap_or(u32::MAX));
        let limits = self.spending.iter().map(|one| {
            let tail = one.behind_the_last_wait(requests);
            one.least_time().saturating_add(trips(tail))
        });
        limits.fold(trips(requests), Duration::max)
    }

    /// Why it cannot be done in this time; `None` where no limit is in the way.
    pub fn hindrance(&self, within: Duration) -> Option<String> {
        let (one, time) = self.slowest().filter(|(_, time)| *time > within)?;
        let rest = if self.is_lower_bound { ", and perhaps more" } else { "" };
        Some(format!(
            "it takes at least {} s, not {} s: `{}` permits {}, and {} are needed{rest}",
            tenths(time),
            tenths(within),
            one.limit.bucket,
            Permits(one.limit.rule),
            one.weight
        ))
    }

    pub(crate) fn estimate(&self, round_trip: Duration) -> Estimate {
        Estimate {
            requests: self.requests(),
            time: self.time(round_trip),
        }
    }

    fn slowest(&self) -> Option<(&Spending, Duration)> {
        let times = self.spending.iter().map(|one| (one, one.least_time()));
        times.max_by_key(|(_, time)| *time)
    }

    pub(crate) fn requests_of(&self, what: &str) -> u64 {
        let steps = self.steps.iter().filter(|step| step.what == what);
        steps.map(|step| step.requests).sum()
    }
}

impl Spending {
    fn least_time(&self) -> Duration {
        self.limit.rule.least_time(self.weight)
    }

    /// How many of the requests go once the limit makes nobody wait any more.
    fn behind_the_last_wait(&self, requests: u64) -> u64 {
        let whole = self.least_time();
        if whole.is_zero() {
            return 0;
        }
        let weight_of = |count: u64| u128::from(self.weight) * u128::from(count) / u128::from(requests.max(1));
        let waits_less = |count: u64| {
            let weight = u64::try_from(weight_of(count)).unwrap_or(u64::MAX);
            self.limit.rule.least_time(weight) < whole
        };
        let (mut before, mut behind) = (0, requests);
        while behind - before > 1 {
            let middle = before + (behind - before) / 2;
            if waits_less(middle) {
                before = middle
            } else {
                behind = middle
            }
        }
        requests - before
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at_least = if self.is_lower_bound { "at least " } else { "" };
        writeln!(f, "Plan of a sync of {}", self.asked)?;
        match self.reach {
            Some(reach) => writeln!(f, "  reaches    back to {}", Moment(reach))?,
            None => writeln!(f, "  reaches    back to the account's opening, as far as is documented")?,
        }
        let steps: Vec<String> = self
            .steps
            .iter()
            .map(|step| format!("{} {}", step.requests, step.what))
            .collect();
        writeln!(f, "  requests   {at_least}{}: {}", self.requests(), steps.join(", "))?;
        write!(f, "  time       at least {} s", tenths(self.least_time()))?;
        for one in &self.spending {
            let Limit { bucket, rule, .. } = &one.limit;
            write!(
                f,
                "\n  limit      `{bucket}` permits {}; {at_least}{} are needed",
                Permits(*rule),
                one.weight
            )?;
        }
        self.gaps.iter().try_for_each(|gap| write!(f, "\n  not        {gap}"))
    }
}

/// What a rule permits, in words.
struct Permits(LimitRule);

impl fmt::Display for Permits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            LimitRule::Window { limit, per } => write!(f, "{limit} in {} s", tenths(per)),
            LimitRule::Decay { limit, falls, per } => write!(f, "{limit}, and {falls} more each {} s", tenths(per)),
            LimitRule::Open { limit } => write!(f, "{limit} at once"),
            other => write!(f, "{other:?}"),
        }
    }
}

/// How long several syncs take at least, side by side: what they spend of one and the same limit adds up, be it the
/// limit of a key, of an account or of an address.
pub fn least_time_together<'a>(plans: impl IntoIterator<Item = &'a Plan>) -> Duration {
    let mut shared: BTreeMap<Arc<str>, (LimitRule, u64)> = BTreeMap::new();
    for one in plans.into_iter().flat_map(|plan| &plan.spending) {
        let entry = shared.entry(Arc::clone(&one.limit.key)).or_insert((one.limit.rule, 0));
        entry.1 = entry.1.saturating_add(one.weight);
    }
    let times = shared.into_values().map(|(rule, weight)| rule.least_time(weight));
    times.max().unwrap_or_default()
}

/// Seconds with one digit behind the point, rounded up so that little is not nothing.
fn tenths(time: Duration) -> String {
    let tenths = time.as_millis().div_ceil(100);
    match tenths % 10 {
        0 => (tenths / 10).to_string(),
        rest => format!("{}.{rest}", tenths / 10),
    }
}
