//! What a sync will take, said before it begins.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use broker_core::capability::{HistoryFacts, Limit, LimitRule, ListFacts, ListRows, LookupFacts};
use broker_core::limit::Limiter;
use broker_core::model::AssetClass;
use broker_core::span::{Moment, Span};
use broker_core::{Broker, Capabilities};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// How many rows there are, as far as it is known. The default knows nothing, and gives a lower bound.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Volume {
    /// Fills in the window.
    pub fills: Option<u64>,
    /// Fees, flows and all other records in it.
    pub others: Option<u64>,
    /// Orders placed in it.
    pub orders: Option<u64>,
    /// Instruments that are to be looked up, by asset class.
    pub instruments: Vec<(AssetClass, u64)>,
}

impl Volume {
    /// So many fills, and nothing known of the rest.
    pub fn fills(fills: u64) -> Self {
        Self {
            fills: Some(fills),
            ..Self::default()
        }
    }

    /// So many other records.
    #[must_use]
    pub fn with_others(mut self, others: u64) -> Self {
        self.others = Some(others);
        self
    }

    /// So many orders.
    #[must_use]
    pub fn with_orders(mut self, orders: u64) -> Self {
        self.orders = Some(orders);
        self
    }

    /// So many instruments of a class that are not in the store yet.
    #[must_use]
    pub fn with_instruments(mut self, class: AssetClass, instruments: u64) -> Self {
        self.instruments.push((class, instruments));
        self
    }

    fn of(&self, rows: ListRows) -> Option<u64> {
        match rows {
            ListRows::Fills => self.fills,
            ListRows::Others => self.others,
            ListRows::Records => match (self.fills, self.others) {
                (None, None) => None,
                (fills, others) => Some(fills.unwrap_or_default().saturating_add(others.unwrap_or_default())),
            },
            ListRows::Orders => self.orders,
        }
    }

    /// Whether the plan for it is a lower bound only.
    fn is_open(&self) -> bool {
        self.fills.is_none() || self.others.is_none() || self.orders.is_none()
    }
}

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

/// Works out what a sync takes, from the broker's facts and limits. Made by [`Syncer::planner`](crate::Syncer::planner);
/// asks nobody.
///
/// Requests: one for the accounts and one for the positions (and one for balances, where positions do not cover the
/// fills); for each list of history, and for that of orders, as many as the longest span of a page makes necessary, or
/// as many as its rows fill pages, whichever is more; and the lookups of instruments. Where history is by instrument the
/// lists are read for each.
///
/// Seconds: what the limits permit at the fastest, and the round trips of what is left when they permit it.
#[derive(Debug, Clone)]
pub struct Planner {
    history: HistoryFacts,
    limits: Vec<Limit>,
    asked: Asked,
}

/// What is to be read.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    /// From when on history is wanted.
    pub(crate) wanted: Span,
    /// What the broker can still tell.
    pub(crate) reach: Option<DateTime<Utc>>,
    /// One for each query of history.
    pub(crate) parts: Vec<Span>,
    /// Queries of orders are since then, one for each instrument.
    pub(crate) orders: Span,
    pub(crate) instruments: u64,
    /// Whether the instruments are all that were ever traded.
    pub(crate) instruments_are_named: bool,
}

impl Planner {
    pub(crate) fn new(broker: &dyn Broker, asked: Asked) -> Self {
        let capabilities: &Capabilities = broker.capabilities();
        let limiter = broker.context().limiter();
        Self {
            history: capabilities.history.clone(),
            limits: capabilities
                .limits
                .iter()
                .map(|limit| as_it_stands(limit, limiter))
                .collect(),
            asked,
        }
    }

    /// How far back the broker can tell; `None` where no limit is documented.
    pub fn reach(&self) -> Option<DateTime<Utc>> {
        self.asked.reach
    }

    /// The plan while nothing is known of the number of rows: what it takes at least.
    pub fn lower_bound(&self) -> Plan {
        self.plan(&Volume::default())
    }

    /// The plan for so many rows.
    pub fn plan(&self, volume: &Volume) -> Plan {
        let facts = &self.history;
        let mut steps = vec![Step::of("accounts", 1, facts.read_cost)];
        for list in &facts.lists {
            steps.push(self.step(name(list.rows), list, &self.asked.parts, volume.of(list.rows)));
        }
        let lookups = lookups(&facts.lookups, &volume.instruments);
        steps.extend(lookups.map(|(requests, cost)| Step::of("instruments", requests, cost)));
        if let Some(list) = &facts.orders {
            let queries = usize::try_from(self.asked.instruments).unwrap_or(usize::MAX);
            let parts = vec![self.asked.orders; queries];
            steps.push(self.step(name(list.rows), list, &parts, volume.orders));
        }
        // Where nobody names the instruments, positions tell some before the reading begins.
        let asks_first = facts.by_instrument && !self.asked.instruments_are_named;
        steps.push(Step::of("positions", 1 + u64::from(asks_first), facts.read_cost));
        if !facts.positions_cover_fills {
            steps.push(Step::of("balances", 1, facts.read_cost));
        }
        let costs = self.limits.iter().map(|limit| Spending {
            limit: limit.clone(),
            weight: steps
                .iter()
                .filter(|step| step.bucket == limit.bucket)
                .fold(0, Step::add_up),
        });
        Plan {
            asked: self.asked.wanted,
            reach: self.asked.reach,
            is_lower_bound: volume.is_open(),
            spending: costs.collect(),
            gaps: self.gaps(),
            steps,
        }
    }

    /// How many fills can be read in this time at most, if there is nothing beside them. `None` without a limit.
    pub fn most_fills(&self, within: Duration) -> Option<u64> {
        let fits = |fills: u64| self.plan(&Volume::fills(fills)).least_time() <= within;
        let (mut fit, mut excess) = (0, 1_u64 << 40);
        if fits(excess) {
            return None;
        }
        while excess - fit > 1 {
            let middle = fit + (excess - fit) / 2;
            if fits(middle) { fit = middle } else { excess = middle }
        }
        Some(fit)
    }

    /// How the requests are worked out, for people.
    pub fn formula(&self) -> String {
        let facts = &self.history;
        let fixed = self.plan(&Volume::default());
        let reads = fixed
            .steps
            .iter()
            .filter(|step| matches!(step.what, "accounts" | "positions" | "balances"));
        let mut terms = vec![reads.map(|step| step.requests).sum::<u64>().to_string()];
        for list in facts.lists.iter().chain(&facts.orders) {
            let (what, least) = (name(list.rows), fixed.requests_of(name(list.rows)));
            terms.push(match fresh_rows(list) {
                Some(rows) => format!("max({least}, {what} / {rows})"),
                None => format!("{least} for {what}"),
            });
        }
        if !facts.lookups.is_empty() {
            terms.push("lookups of new instruments".to_owned());
        }
        format!("requests = {}", terms.join(" + "))
    }

    fn step(&self, what: &'static str, list: &ListFacts, parts: &[Span], rows: Option<u64>) -> Step {
        let by_span = parts
            .iter()
            .map(|part| pages_of(*part, list.page_span))
            .fold(0, u64::saturating_add);
        let by_rows = match (rows, fresh_rows(list)) {
            (Some(rows), Some(fresh)) => rows.div_ceil(fresh),
            _ => 0,
        };
        Step::of(what, by_span.max(by_rows), list.page_cost)
    }

    /// What a certificate will not be able to cover, whatever is read.
    fn gaps(&self) -> Vec<String> {
        let mut gaps = Vec::new();
        if let Some(reach) = self.asked.reach.filter(|reach| *reach > self.asked.wanted.since) {
            gaps.push(format!(
                "the broker tells history since {} only: {} of {} days",
                Moment(reach),
                (self.asked.wanted.until - reach).num_days(),
                (self.asked.wanted.until - self.asked.wanted.since).num_days(),
            ));
        }
        if self.history.by_instrument && !self.asked.instruments_are_named {
            gaps.push("history is kept by instrument: name all that were ever traded".to_owned());
        }
        gaps
    }
}

/// The limit, as the venue's answers have told it, less what others use of it.
fn as_it_stands(limit: &Limit, limiter: &Limiter) -> Limit {
    let mut limit = limit.clone();
    if let Some(bucket) = limiter.snapshot(&limit.key) {
        let left = bucket.limit.saturating_sub(bucket.others).max(1);
        match &mut limit.rule {
            LimitRule::Window { limit, .. } | LimitRule::Decay { limit, .. } | LimitRule::Open { limit } => {
                *limit = left;
            }
            _ => {}
        }
    }
    limit
}

fn name(rows: ListRows) -> &'static str {
    match rows {
        ListRows::Fills => "fills",
        ListRows::Others => "other records",
        ListRows::Records => "records",
        ListRows::Orders => "orders",
    }
}

/// Rows of a page that were on none before it, as a rule.
fn fresh_rows(list: &ListFacts) -> Option<u64> {
    let size = u64::from(list.page_size?);
    Some((size * u64::from(list.page_yield) / 100).max(1))
}

/// Pages that a span takes however few rows it holds.
fn pages_of(part: Span, longest: Option<Duration>) -> u64 {
    let length = (part.until - part.since).to_std().unwrap_or_default().as_nanos();
    let pages = longest.map_or(1, |longest| length.div_ceil(longest.as_nanos().max(1)));
    u64::try_from(pages).unwrap_or(u64::MAX).max(1)
}

/// Requests that looking up so many instruments takes, and what each pays.
pub(crate) fn lookups<'a>(
    facts: &'a [LookupFacts],
    instruments: &'a [(AssetClass, u64)],
) -> impl Iterator<Item = (u64, (&'static str, u32))> + 'a {
    let serving = |class: &AssetClass| {
        let serves = |facts: &LookupFacts| facts.classes.is_empty() || facts.classes.contains(class);
        facts.iter().position(serves)
    };
    facts.iter().enumerate().filter_map(move |(index, facts)| {
        let own = instruments.iter().filter(|(class, _)| serving(class) == Some(index));
        let requests = facts.requests(own.map(|(_, count)| count).sum());
        (requests > 0).then_some((requests, facts.cost))
    })
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
    fn of(what: &'static str, requests: u64, (bucket, weight): (&'static str, u32)) -> Self {
        Self {
            what,
            requests,
            bucket,
            weight,
        }
    }

    fn add_up(sum: u64, step: &Self) -> u64 {
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

    fn requests_of(&self, what: &str) -> u64 {
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
