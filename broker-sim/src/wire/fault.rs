//! What is to go wrong, as data.

use std::collections::BTreeMap;
use std::fmt::{self, Debug};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use broker_core::seam::{Rng, SeededRng};
use chrono::{DateTime, Utc};

use super::message::WireRequest;

/// How a refusal says when to come again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetryHint {
    /// It does not say.
    None,
    /// `Retry-After: 30`.
    Seconds(u32),
    /// `Retry-After: Thu, 01 Jan 2026 00:00:30 GMT`, this many seconds ahead of the venue's clock.
    Date(u32),
}

/// One thing that goes wrong with a request or its answer.
///
/// The client's doubt is the same whether the venue handled a request or not; the faults say which, so that a
/// campaign can have both.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// No connection: in memory the one fault that proves that no byte left. On loopback the connection is reset
    /// before the venue sees the request, which a client cannot tell from [`Fault::Reset`].
    RefuseConnection,
    /// A black hole: the venue never sees the request, and no answer ever comes.
    DropRequest,
    /// The venue handles the request, and no answer ever comes.
    DropAnswer,
    /// The request arrives this much later, whether the client still waits or not.
    DelayRequest(Duration),
    /// The answer comes this much later.
    DelayAnswer(Duration),
    /// An error in the venue's place: it never sees the request.
    ErrorBefore(u16, String),
    /// The venue handles the request, and the client gets this error.
    ErrorAfter(u16, String),
    /// 429 in the venue's place, with this body.
    RateLimited(RetryHint, String),
    /// This status and body in the venue's place, now and for this long, for every request. `Retry-After` says how
    /// long it still lasts.
    Ban(u16, String, Duration),
    /// The connection is reset, before or after the venue handled the request.
    Reset {
        /// Whether the venue handles it first.
        handled: bool,
    },
    /// The connection is closed without an answer, before or after the venue handled the request.
    Fin {
        /// Whether the venue handles it first.
        handled: bool,
    },
    /// The connection is closed after this many bytes of the body.
    CutBody(usize),
    /// Nothing more comes after this many bytes of the body, and the connection stays open.
    StallBody(usize),
    /// The body comes in pieces of this size, one after each wait.
    SlowDrip {
        /// Bytes of a piece; at least one is sent.
        piece: usize,
        /// Wait before each piece.
        every: Duration,
    },
    /// A whole answer whose JSON text ends in the middle. The venue handled the request.
    TruncatedJson,
    /// 200 with a page of HTML. The venue handled the request.
    Html200,
    /// 200 with an empty body. The venue handled the request.
    Empty200,
    /// The request loses its credentials on the way, so that the venue refuses it in its own words.
    ExpiredToken,
    /// The venue sees its clock this many milliseconds ahead.
    ClockSkew(i64),
}

impl Fault {
    /// Its name, for counts and records.
    pub fn name(&self) -> &'static str {
        match self {
            Self::RefuseConnection => "refuse_connection",
            Self::DropRequest => "drop_request",
            Self::DropAnswer => "drop_answer",
            Self::DelayRequest(_) => "delay_request",
            Self::DelayAnswer(_) => "delay_answer",
            Self::ErrorBefore(..) => "error_before",
            Self::ErrorAfter(..) => "error_after",
            Self::RateLimited(..) => "rate_limited",
            Self::Ban(..) => "ban",
            Self::Reset { .. } => "reset",
            Self::Fin { .. } => "fin",
            Self::CutBody(_) => "cut_body",
            Self::StallBody(_) => "stall_body",
            Self::SlowDrip { .. } => "slow_drip",
            Self::TruncatedJson => "truncated_json",
            Self::Html200 => "html_200",
            Self::Empty200 => "empty_200",
            Self::ExpiredToken => "expired_token",
            Self::ClockSkew(_) => "clock_skew",
        }
    }
}

type Predicate = Arc<dyn Fn(&WireRequest) -> bool + Send + Sync>;

/// Which requests a rule hits. What is not said hits all.
#[derive(Clone, Default)]
pub struct When {
    method: Option<String>,
    prefix: Option<String>,
    predicate: Option<Predicate>,
    nth: Option<u64>,
    at_most: Option<u64>,
    per_mille: Option<u16>,
}

impl When {
    /// Every request.
    pub fn always() -> Self {
        Self::default()
    }

    /// Requests of this method.
    #[must_use]
    pub fn method(mut self, method: &str) -> Self {
        self.method = Some(method.to_ascii_uppercase());
        self
    }

    /// Requests whose path starts like this.
    #[must_use]
    pub fn path(mut self, prefix: &str) -> Self {
        self.prefix = Some(prefix.to_owned());
        self
    }

    /// Requests that pass a test.
    #[must_use]
    pub fn matching(mut self, predicate: impl Fn(&WireRequest) -> bool + Send + Sync + 'static) -> Self {
        self.predicate = Some(Arc::new(predicate));
        self
    }

    /// Only the n-th request that fits, counted from 1.
    #[must_use]
    pub fn nth(mut self, nth: u64) -> Self {
        self.nth = Some(nth);
        self
    }

    /// At most this often.
    #[must_use]
    pub fn at_most(mut self, times: u64) -> Self {
        self.at_most = Some(times);
        self
    }

    /// With this probability, in thousandths.
    #[must_use]
    pub fn per_mille(mut self, chance: u16) -> Self {
        self.per_mille = Some(chance);
        self
    }

    fn fits(&self, request: &WireRequest) -> bool {
        self.method.as_ref().is_none_or(|method| *method == request.method)
            && self
                .prefix
                .as_ref()
                .is_none_or(|prefix| request.path.starts_with(prefix))
            && self.predicate.as_ref().is_none_or(|predicate| predicate(request))
    }
}

impl Debug for When {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("When")
            .field("method", &self.method)
            .field("prefix", &self.prefix)
            .field("predicate", &self.predicate.is_some())
            .field("nth", &self.nth)
            .field("at_most", &self.at_most)
            .field("per_mille", &self.per_mille)
            .finish()
    }
}

/// A fault and the requests that it hits.
#[derive(Debug, Clone)]
pub struct FaultRule {
    /// Which requests.
    pub when: When,
    /// What happens to them.
    pub fault: Fault,
}

/// Rules, tried in their order for each request; the first that hits decides. A seed makes chance repeat.
///
/// ```
/// use broker_sim::wire::{Fault, FaultPlan, When};
/// let plan = FaultPlan::seeded(7)
///     .rule(When::always().method("POST").path("/v2/orders").nth(3), Fault::DropAnswer)
///     .rule(When::always().per_mille(50), Fault::Reset { handled: true });
/// assert_eq!(plan.rules.len(), 2);
/// ```
#[derive(Debug, Clone, Default)]
pub struct FaultPlan {
    /// Seed of the probabilities.
    pub seed: u64,
    /// The rules.
    pub rules: Vec<FaultRule>,
}

impl FaultPlan {
    /// Nothing goes wrong.
    pub fn none() -> Self {
        Self::default()
    }

    /// No rules yet, with this seed.
    pub fn seeded(seed: u64) -> Self {
        Self {
            seed,
            rules: Vec::new(),
        }
    }

    /// Adds a rule behind the others.
    #[must_use]
    pub fn rule(mut self, when: When, fault: Fault) -> Self {
        self.rules.push(FaultRule { when, fault });
        self
    }
}

/// A plan at work: shared by a shell and the test that steers it.
#[derive(Debug, Clone)]
pub struct Faults(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    plan: FaultPlan,
    rng: SeededRng,
    /// For each rule: how many requests fitted, how often it hit.
    tallies: Vec<(u64, u64)>,
    ban: Option<(DateTime<Utc>, Fault)>,
    counts: BTreeMap<&'static str, u64>,
}

impl Faults {
    /// Starts a plan.
    pub fn new(plan: FaultPlan) -> Self {
        Self(Arc::new(Mutex::new(State {
            rng: SeededRng::new(plan.seed),
            tallies: vec![(0, 0); plan.rules.len()],
            plan,
            ban: None,
            counts: BTreeMap::new(),
        })))
    }

    /// Starts another plan in its place, from its seed. A ban ends; the counts go on.
    pub fn set(&self, plan: FaultPlan) {
        let mut state = self.lock();
        state.rng = SeededRng::new(plan.seed);
        state.tallies = vec![(0, 0); plan.rules.len()];
        state.plan = plan;
        state.ban = None;
    }

    /// How often each fault hit, by its name. Requests that a ban refused count as `ban`.
    pub fn counts(&self) -> BTreeMap<&'static str, u64> {
        self.lock().counts.clone()
    }

    /// How often each rule of the plan hit, in the order of the rules.
    pub fn hits(&self) -> Vec<u64> {
        self.lock().tallies.iter().map(|(_, hit)| *hit).collect()
    }

    pub(super) fn decide(&self, request: &WireRequest, now: DateTime<Utc>) -> Option<Fault> {
        let mut state = self.lock();
        let fault = state.decide(request, now)?;
        *state.counts.entry(fault.name()).or_default() += 1;
        if let (Fault::Ban(_, _, lasts), None) = (&fault, &state.ban) {
            state.ban = Some((now + *lasts, fault.clone()));
        }
        Some(fault)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Faults {
    fn default() -> Self {
        Self::new(FaultPlan::none())
    }
}

impl State {
    fn decide(&mut self, request: &WireRequest, now: DateTime<Utc>) -> Option<Fault> {
        self.ban = self.ban.take().filter(|(until, _)| now < *until);
        if let Some((until, Fault::Ban(status, body, _))) = &self.ban {
            let rest = (*until - now).to_std().unwrap_or_default();
            return Some(Fault::Ban(*status, body.clone(), rest));
        }
        for (rule, (fitted, hit)) in self.plan.rules.iter().zip(&mut self.tallies) {
            if !rule.when.fits(request) {
                continue;
            }
            *fitted += 1;
            let in_turn = rule.when.nth.is_none_or(|nth| nth == *fitted);
            let left = rule.when.at_most.is_none_or(|most| *hit < most);
            if in_turn
                && left
                && rule
                    .when
                    .per_mille
                    .is_none_or(|chance| self.rng.below(1000) < chance.into())
            {
                *hit += 1;
                return Some(rule.fault.clone());
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hits(plan: FaultPlan, requests: &[WireRequest]) -> Vec<Option<&'static str>> {
        let faults = Faults::new(plan);
        let decide = |request| faults.decide(request, DateTime::UNIX_EPOCH).map(|fault| fault.name());
        requests.iter().map(decide).collect()
    }

    #[test]
    fn a_rule_hits_what_it_names() {
        let requests = [
            WireRequest::new("GET", "/v2/orders", "memory"),
            WireRequest::new("POST", "/v2/orders", "memory").with_body("{}"),
            WireRequest::new("POST", "/v2/account", "memory"),
            WireRequest::new("POST", "/v2/orders", "memory"),
        ];
        let posts = When::always().method("post").path("/v2/orders");
        let plan = |when: When| FaultPlan::none().rule(when, Fault::DropAnswer);
        let drop = Some("drop_answer");
        assert_eq!(hits(plan(posts.clone()), &requests), [None, drop, None, drop]);
        assert_eq!(hits(plan(posts.clone().nth(2)), &requests), [None, None, None, drop]);
        assert_eq!(
            hits(plan(posts.clone().at_most(1)), &requests),
            [None, drop, None, None]
        );
        let empty = posts.matching(|request| request.body.is_empty());
        assert_eq!(hits(plan(empty), &requests), [None, None, None, drop]);
    }

    #[test]
    fn the_first_rule_that_hits_decides() {
        let plan = FaultPlan::none()
            .rule(When::always().nth(2), Fault::Html200)
            .rule(When::always(), Fault::Empty200);
        let requests = vec![WireRequest::new("GET", "/", "memory"); 3];
        assert_eq!(
            hits(plan, &requests),
            [Some("empty_200"), Some("html_200"), Some("empty_200")]
        );
    }

    #[test]
    fn chance_repeats_with_its_seed() {
        let plan = |seed| FaultPlan::seeded(seed).rule(When::always().per_mille(250), Fault::DropRequest);
        let requests = vec![WireRequest::new("GET", "/", "memory"); 4000];
        let first = hits(plan(1), &requests);
        assert_eq!(first, hits(plan(1), &requests));
        let faults = Faults::new(plan(1).rule(When::always(), Fault::Empty200));
        for request in &requests {
            faults.decide(request, DateTime::UNIX_EPOCH);
        }
        let hit = first.iter().flatten().count() as u64;
        assert_eq!(faults.hits(), [hit, 4000 - hit]);
        assert_ne!(first, hits(plan(2), &requests));
        let count = first.iter().flatten().count();
        assert!((900..1100).contains(&count), "{count} of 4000 at 25 %");
    }

    #[test]
    fn a_ban_hits_everything_until_it_ends() {
        let ban = Fault::Ban(418, "banned".into(), Duration::from_secs(60));
        let faults = Faults::new(FaultPlan::none().rule(When::always().path("/a").nth(1), ban));
        let at = |second| DateTime::from_timestamp(second, 0).unwrap();
        let hit = |path, second| faults.decide(&WireRequest::new("GET", path, "m"), at(second)).is_some();
        assert!(!hit("/b", 0) && hit("/a", 1) && hit("/b", 60) && !hit("/b", 61) && !hit("/a", 62));
        assert_eq!(faults.counts(), BTreeMap::from([("ban", 2)]));
        faults.set(FaultPlan::none().rule(When::always(), Fault::DropAnswer));
        assert!(hit("/b", 63));
        assert_eq!(faults.counts(), BTreeMap::from([("ban", 2), ("drop_answer", 1)]));
    }
}
