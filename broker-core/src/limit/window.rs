//! A limit on weight per span of time.

use std::collections::VecDeque;

use super::learned::{Learned, Word};
use super::permit::Sent;
use super::{MARGIN, Nanos};

/// Weight under way, and weight answered less than a span ago.
#[derive(Debug)]
pub(super) struct Window {
    limit: u32,
    per: Nanos,
    under_way: u32,
    stamped: u32,
    runs: VecDeque<Run>,
    /// Some call was answered: until then only half of the limit is used, for a process before this one may have
    /// used the rest.
    answered: bool,
    pace: Option<Pace>,
    learned: Learned,
}

/// Calls answered so close together that they are kept as one; they count until the last of them has aged.
#[derive(Debug, Clone, Copy)]
struct Run {
    first: Nanos,
    last: Nanos,
    weight: u32,
}

/// Answers this part of a span apart share a run, which bounds the memory of large limits at 0.1 % of the rate.
const RUNS_PER_SPAN: Nanos = 1024;

/// The share of a shared bucket that is left free on top of what others are known to use: 1 of 20.
const SPARE: u32 = 20;

impl Window {
    pub(super) fn new(limit: u32, per: Nanos) -> Self {
        Self {
            limit,
            per,
            under_way: 0,
            stamped: 0,
            runs: VecDeque::new(),
            answered: false,
            pace: (per <= LONGEST_PACED).then(|| Pace::new(limit, per)),
            learned: Learned::default(),
        }
    }

    pub(super) fn limit(&self) -> u32 {
        self.limit
    }

    pub(super) fn others(&self, now: Nanos) -> u32 {
        self.learned.others(now, self.limit)
    }

    /// Ours that counts now.
    pub(super) fn used(&mut self, now: Nanos) -> u32 {
        let life = self.life();
        while let Some(run) = self.runs.front().filter(|run| run.last + life <= now) {
            self.stamped -= run.weight;
            self.runs.pop_front();
        }
        self.under_way.saturating_add(self.stamped)
    }

    pub(super) fn has_room(&mut self, now: Nanos, weight: u32) -> bool {
        let used = self.used(now);
        let others = self.others(now);
        self.fits(used, weight, others)
            && (used < self.unpaced() || self.pace.as_ref().is_none_or(|pace| pace.next <= now))
    }

    /// When there will be room if nothing happens until then; `None` when that hangs on answers.
    pub(super) fn opens_at(&mut self, now: Nanos, weight: u32) -> Option<Nanos> {
        let paced = match &self.pace {
            Some(pace) if self.under_way.saturating_add(self.stamped) >= self.unpaced() => pace.next.max(now),
            _ => now,
        };
        let turns = self.learned.turns(now);
        std::iter::once(now)
            .chain(turns.into_iter().flatten())
            .filter_map(|from| self.frees_at(from, weight))
            .min()
            .map(|at| at.max(paced))
    }

    /// When enough has aged, with what is thought of others at `from`.
    fn frees_at(&self, from: Nanos, weight: u32) -> Option<Nanos> {
        let others = self.others(from);
        let life = self.life();
        let mut used = self.under_way.saturating_add(self.stamped);
        if self.fits(used, weight, others) {
            return Some(from);
        }
        for run in &self.runs {
            used -= run.weight;
            if self.fits(used, weight, others) {
                return Some(from.max(run.last + life));
            }
        }
        None
    }

    pub(super) fn take(&mut self, now: Nanos, weight: u32) {
        if let Some(pace) = &mut self.pace {
            pace.step(now, weight);
        }
        self.under_way += weight;
    }

    /// Nothing was sent.
    pub(super) fn give_back(&mut self, weight: u32) {
        self.under_way -= weight;
    }

    /// The answer came, or is not waited for any longer: the weight counts for one more span.
    pub(super) fn stamp(&mut self, now: Nanos, weight: u32) {
        self.under_way -= weight;
        self.stamped += weight;
        self.answered = true;
        let grain = self.per / RUNS_PER_SPAN;
        match self.runs.back_mut() {
            Some(run) if now.saturating_sub(run.first) <= grain => {
                run.last = run.last.max(now);
                run.weight += weight;
            }
            _ => self.runs.push_back(Run {
                first: now,
                last: now,
                weight,
            }),
        }
    }

    /// An answer took this long.
    pub(super) fn timed(&mut self, trip: Nanos) {
        if let Some(pace) = &mut self.pace {
            pace.trips.add(trip);
        }
    }

    /// Takes weight out of the stamp made at `stamped_at`, if that still counts.
    pub(super) fn refund(&mut self, stamped_at: Nanos, weight: u32) {
        let at = self.runs.partition_point(|run| run.last < stamped_at);
        if let Some(run) = self.runs.get_mut(at).filter(|run| run.first <= stamped_at) {
            let weight = weight.min(run.weight);
            run.weight -= weight;
            self.stamped -= weight;
        }
    }

    /// The venue told its count.
    pub(super) fn hear(&mut self, word: Word, limit: Option<u32>, call: &Sent, now: Nanos) {
        if let Some(limit) = limit.filter(|limit| *limit > 0 && self.learned.is_latest(call)) {
            self.set_limit(limit);
        }
        let before = self.stamped.saturating_sub(call.weight);
        self.learned.hear(word, call, before, now, self.per);
    }

    /// An answer without a count.
    pub(super) fn hear_nothing(&mut self, call: &Sent) {
        self.learned.hear_nothing(call);
    }

    /// How long a refusal without a hint closes the bucket: until the venue's window turns.
    pub(super) fn turns_at(&self, now: Nanos) -> Nanos {
        self.learned.resets_after(now).unwrap_or(now + self.per) + MARGIN
    }

    fn set_limit(&mut self, limit: u32) {
        self.limit = limit;
        if let Some(pace) = &mut self.pace {
            pace.gap = gap(limit, self.per);
        }
    }

    /// Whether there is room beside so much. A call that is heavier than what is allowed now goes alone.
    fn fits(&self, used: u32, weight: u32, others: u32) -> bool {
        let sum = used.checked_add(weight);
        sum.is_some_and(|sum| sum <= self.allowed(others)) || (used == 0 && others == 0)
    }

    fn allowed(&self, others: u32) -> u32 {
        let spare = others.min((self.limit / SPARE).max(1));
        let whole = if self.answered {
            self.limit
        } else {
            (self.limit / 2).max(1)
        };
        whole.min(self.limit.saturating_sub(others.saturating_add(spare)))
    }

    /// So much goes without pacing.
    fn unpaced(&self) -> u32 {
        (self.limit / 2).max(1)
    }

    /// How long a stamp counts.
    fn life(&self) -> Nanos {
        let saved = self.pace.as_ref().map_or(0, |pace| pace.trips.shortest());
        (self.per + MARGIN).saturating_sub(saved)
    }
}

/// Spans up to this long are paced: one second.
const LONGEST_PACED: Nanos = 1_000_000_000;

/// Even grants at 0.97 of the limit.
#[derive(Debug)]
struct Pace {
    gap: Nanos,
    /// How far late grants may catch up: timers fire late.
    slack: Nanos,
    next: Nanos,
    trips: Trips,
}

fn gap(limit: u32, per: Nanos) -> Nanos {
    per.saturating_mul(100) / (u64::from(limit.max(1)) * 97)
}

impl Pace {
    fn new(limit: u32, per: Nanos) -> Self {
        Self {
            gap: gap(limit, per),
            slack: per / 100,
            next: 0,
            trips: Trips::default(),
        }
    }

    fn step(&mut self, now: Nanos, weight: u32) {
        self.next = self.next.max(now.saturating_sub(self.slack)) + self.gap.saturating_mul(u64::from(weight));
    }
}

/// The shortest round trip of the last 1024 to 2048 answers.
///
/// A stamp may age from the answer's time less this: the call was counted at least the way back before its answer,
/// and the next one is counted at least the way there after it is sent, and both ways together are a round trip.
#[derive(Debug)]
struct Trips {
    now: Nanos,
    before: Nanos,
    seen: u32,
}

/// Answers after which the older half is forgotten.
const TRIPS: u32 = 1024;

/// So many answers must be known before the shortest is relied on: of few, none had luck both ways.
const FEW_TRIPS: u32 = 128;

impl Default for Trips {
    fn default() -> Self {
        Self {
            now: Nanos::MAX,
            before: Nanos::MAX,
            seen: 0,
        }
    }
}

impl Trips {
    fn add(&mut self, trip: Nanos) {
        if self.seen == TRIPS {
            self.before = self.now;
            self.now = Nanos::MAX;
            self.seen = 0;
        }
        self.now = self.now.min(trip);
        self.seen += 1;
    }

    fn shortest(&self) -> Nanos {
        if self.before == Nanos::MAX && self.seen < FEW_TRIPS {
            return 0;
        }
        self.now.min(self.before)
    }
}
