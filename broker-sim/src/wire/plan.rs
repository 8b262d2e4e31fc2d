//! The rules of a run, and how often each hit.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use broker_core::seam::{Frame, Rng, SeededRng};
use chrono::{DateTime, Utc};

use super::fault::{Fault, FaultRule, When};
use super::frame_fault::{FrameFault, FrameRule, FrameWhen};
use super::message::WireRequest;

/// Which of the things that fit a rule it hits.
#[derive(Debug, Clone, Default)]
pub(super) struct Turn {
    pub(super) nth: Option<u64>,
    pub(super) at_most: Option<u64>,
    pub(super) per_mille: Option<u16>,
}

/// How many things fitted a rule, and how often it hit.
#[derive(Debug, Clone, Default)]
struct Tally {
    fitted: u64,
    hit: u64,
}

impl Turn {
    /// Whether it hits this one, which fits.
    fn comes(&self, tally: &mut Tally, rng: &SeededRng) -> bool {
        tally.fitted += 1;
        let comes = self.nth.is_none_or(|nth| nth == tally.fitted)
            && self.at_most.is_none_or(|most| tally.hit < most)
            && self.per_mille.is_none_or(|chance| rng.below(1000) < chance.into());
        tally.hit += u64::from(comes);
        comes
    }
}

/// Rules, tried in their order for each request and for each frame; the first that hits decides. A seed makes chance
/// repeat.
///
/// ```
/// use broker_sim::wire::{Fault, FaultPlan, FrameFault, FrameWhen, When};
/// let plan = FaultPlan::seeded(7)
///     .rule(When::always().method("POST").path("/v2/orders").nth(3), Fault::DropAnswer)
///     .rule(When::always().per_mille(50), Fault::Reset { handled: true })
///     .frame_rule(FrameWhen::always().per_mille(20), FrameFault::Drop);
/// assert_eq!((plan.rules.len(), plan.frame_rules.len()), (2, 1));
/// ```
#[derive(Debug, Clone, Default)]
pub struct FaultPlan {
    /// Seed of the probabilities.
    pub seed: u64,
    /// The rules for requests.
    pub rules: Vec<FaultRule>,
    /// The rules for frames.
    pub frame_rules: Vec<FrameRule>,
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
            ..Self::default()
        }
    }

    /// Adds a rule for requests behind the others.
    #[must_use]
    pub fn rule(mut self, when: When, fault: Fault) -> Self {
        self.rules.push(FaultRule { when, fault });
        self
    }

    /// Adds a rule for frames behind the others.
    #[must_use]
    pub fn frame_rule(mut self, when: FrameWhen, fault: FrameFault) -> Self {
        self.frame_rules.push(FrameRule { when, fault });
        self
    }
}

/// A plan at work: shared by a shell and the test that steers it.
#[derive(Debug, Clone)]
pub struct Faults(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    game: Game,
    ban: Option<(DateTime<Utc>, Fault)>,
    counts: BTreeMap<&'static str, u64>,
}

/// A plan, and how far it is.
#[derive(Debug)]
struct Game {
    plan: FaultPlan,
    rng: SeededRng,
    /// Of its own, so that a frame more does not change what hits the next request.
    frame_rng: SeededRng,
    tallies: Vec<Tally>,
    frame_tallies: Vec<Tally>,
}

impl Game {
    fn new(plan: FaultPlan) -> Self {
        Self {
            rng: SeededRng::new(plan.seed),
            frame_rng: SeededRng::new(!plan.seed),
            tallies: vec![Tally::default(); plan.rules.len()],
            frame_tallies: vec![Tally::default(); plan.frame_rules.len()],
            plan,
        }
    }
}

impl Faults {
    /// Starts a plan.
    pub fn new(plan: FaultPlan) -> Self {
        Self(Arc::new(Mutex::new(State {
            game: Game::new(plan),
            ban: None,
            counts: BTreeMap::new(),
        })))
    }

    /// Starts another plan in its place, from its seed. A ban ends; the counts go on.
    pub fn set(&self, plan: FaultPlan) {
        let mut state = self.lock();
        state.game = Game::new(plan);
        state.ban = None;
    }

    /// How often each fault hit, by its name. Requests that a ban refused count as `ban`.
    pub fn counts(&self) -> BTreeMap<&'static str, u64> {
        self.lock().counts.clone()
    }

    /// How often each rule for requests hit, in the order of the rules.
    pub fn hits(&self) -> Vec<u64> {
        self.lock().game.tallies.iter().map(|tally| tally.hit).collect()
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

    /// What hits this frame of a socket that was opened at this path.
    pub(super) fn decide_frame(&self, path: &str, frame: &Frame) -> Option<FrameFault> {
        let mut state = self.lock();
        let fault = state.game.decide_frame(path, frame)?;
        *state.counts.entry(fault.name()).or_default() += 1;
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
        self.game.decide(request)
    }
}

impl Game {
    fn decide(&mut self, request: &WireRequest) -> Option<Fault> {
        let mut rules = self.plan.rules.iter().zip(&mut self.tallies);
        let hits =
            |rule: &FaultRule, tally: &mut Tally| rule.when.fits(request) && rule.when.turn.comes(tally, &self.rng);
        rules.find_map(|(rule, tally)| hits(rule, tally).then(|| rule.fault.clone()))
    }

    fn decide_frame(&mut self, path: &str, frame: &Frame) -> Option<FrameFault> {
        let mut rules = self.plan.frame_rules.iter().zip(&mut self.frame_tallies);
        let hits = |rule: &FrameRule, tally: &mut Tally| {
            rule.when.fits(path, frame) && rule.when.turn.comes(tally, &self.frame_rng)
        };
        rules.find_map(|(rule, tally)| hits(rule, tally).then(|| rule.fault.clone()))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

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

    #[test]
    fn frames_have_rules_and_chances_of_their_own() {
        let plan = FaultPlan::seeded(3)
            .rule(When::always().per_mille(500), Fault::DropAnswer)
            .frame_rule(FrameWhen::always().path("/quotes").nth(2), FrameFault::Garble)
            .frame_rule(FrameWhen::always().per_mille(500), FrameFault::Drop);
        let requests = vec![WireRequest::new("GET", "/", "memory"); 64];
        let faults = Faults::new(plan.clone());
        let frame = Frame::Text("x".into());
        let mut with_frames = Vec::new();
        for request in &requests {
            with_frames.push(faults.decide(request, DateTime::UNIX_EPOCH).map(|fault| fault.name()));
            faults.decide_frame("/orders", &frame);
        }
        assert_eq!(with_frames, hits(plan, &requests));
        let dropped = faults.counts()["frame_drop"];
        assert!((16..48).contains(&dropped), "{dropped} of 64 at 50 %");
        faults.decide_frame("/quotes", &frame);
        assert_eq!(faults.decide_frame("/quotes", &frame), Some(FrameFault::Garble));
        assert_eq!(faults.counts()["frame_garble"], 1);
    }
}
