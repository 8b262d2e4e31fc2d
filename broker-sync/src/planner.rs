//! What a sync will take, said before it begins.

use std::time::Duration;

use broker_core::capability::{HistoryFacts, Limit, LimitRule, ListFacts, ListRows, LookupFacts};
use broker_core::limit::Limiter;
use broker_core::model::AssetClass;
use broker_core::span::{Moment, Span};
use broker_core::{Broker, Capabilities};
use chrono::{DateTime, Utc};

use crate::plan::{Plan, Spending, Step};

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
    /// Lists of history that have rows: where history is by instrument, so many instruments that were traded.
    pub lists_with_rows: Option<u64>,
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

    /// So many lists of history that have rows.
    #[must_use]
    pub fn with_lists_with_rows(mut self, lists: u64) -> Self {
        self.lists_with_rows = Some(lists);
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

/// Works out what a sync takes, from the broker's facts and limits. Made by [`Syncer::planner`](crate::Syncer::planner);
/// asks nobody.
///
/// Requests: one for the accounts and one for the positions (and one for balances, where positions do not cover the
/// fills); for each list of history, and for that of orders, as many as the longest span of a page makes necessary, or
/// as many as its rows fill pages, whichever is more, and what it takes to see that a list with rows ends; and the
/// lookups of instruments. Where history is by instrument the
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
            let mut step = self.step(name(list.rows), list, &self.asked.parts, volume.of(list.rows));
            let closing = volume.lists_with_rows.unwrap_or_default();
            let closing = closing.saturating_mul(list.closing_pages.into());
            step.requests = step.requests.saturating_add(closing);
            steps.push(step);
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
