//! One bucket: its counter, its lanes, and whether it is closed.

use super::decay::Decay;
use super::learned::Word;
use super::permit::Sent;
use super::window::Window;
use super::{BucketKey, Lane, MARGIN, Nanos, Snapshot, nanos};
use crate::capability::LimitRule;

#[derive(Debug)]
pub(super) struct Bucket {
    pub(super) key: BucketKey,
    closed_until: Nanos,
    counter: Counter,
    /// How many wait for it, by lane.
    pub(super) waiting: [u32; 3],
    /// Grants to other lanes since the last one to this lane, while it waited.
    pub(super) passed: [u32; 3],
    /// Somebody further ahead wants it: nobody behind may take from it in this round.
    pub(super) kept: bool,
}

/// How a bucket counts.
#[derive(Debug)]
enum Counter {
    Window(Window),
    Decay(Decay),
    Open { held: u32, limit: u32 },
}

/// A refusal of one more open thing, without a hint, closes for this long: one second.
const OPEN_REFUSED: Nanos = 1_000_000_000;

impl Bucket {
    pub(super) fn new(key: BucketKey, rule: LimitRule) -> Self {
        let counter = match rule {
            LimitRule::Window { limit, per } => Counter::Window(Window::new(limit, nanos(per))),
            LimitRule::Decay { limit, falls, per } => Counter::Decay(Decay::new(limit, falls, nanos(per))),
            LimitRule::Open { limit } => Counter::Open { held: 0, limit },
        };
        Self {
            key,
            closed_until: 0,
            counter,
            waiting: [0; 3],
            passed: [0; 3],
            kept: false,
        }
    }

    pub(super) fn limit(&self) -> u32 {
        match &self.counter {
            Counter::Window(window) => window.limit(),
            Counter::Decay(decay) => decay.limit(),
            Counter::Open { limit, .. } => *limit,
        }
    }

    pub(super) fn is_closed(&self, now: Nanos) -> bool {
        now < self.closed_until
    }

    pub(super) fn has_room(&mut self, now: Nanos, weight: u32) -> bool {
        !self.is_closed(now)
            && match &mut self.counter {
                Counter::Window(window) => window.has_room(now, weight),
                Counter::Decay(decay) => decay.has_room(now, weight),
                Counter::Open { held, limit } => has_place(*held, weight, *limit),
            }
    }

    /// When there will be room if nothing happens until then; `None` when that hangs on others.
    pub(super) fn opens_at(&mut self, now: Nanos, weight: u32) -> Option<Nanos> {
        let at = match &mut self.counter {
            Counter::Window(window) => window.opens_at(now, weight)?,
            Counter::Decay(decay) => decay.opens_at(now, weight)?,
            Counter::Open { held, limit } if has_place(*held, weight, *limit) => now,
            Counter::Open { .. } => return None,
        };
        Some(at.max(self.closed_until))
    }

    pub(super) fn take(&mut self, now: Nanos, weight: u32) {
        match &mut self.counter {
            Counter::Window(window) => window.take(now, weight),
            Counter::Decay(decay) => decay.take(weight),
            Counter::Open { held, .. } => *held += weight,
        }
    }

    /// Nothing was sent.
    pub(super) fn give_back(&mut self, weight: u32) {
        match &mut self.counter {
            Counter::Window(window) => window.give_back(weight),
            Counter::Decay(decay) => decay.give_back(weight),
            Counter::Open { held, .. } => *held -= weight,
        }
    }

    /// The answer's head came, or is not waited for any longer. What is open stays open.
    pub(super) fn stamp(&mut self, now: Nanos, weight: u32) {
        match &mut self.counter {
            Counter::Window(window) => window.stamp(now, weight),
            Counter::Decay(decay) => decay.stamp(now, weight),
            Counter::Open { .. } => {}
        }
    }

    /// An answer took this long.
    pub(super) fn timed(&mut self, trip: Nanos) {
        if let Counter::Window(window) = &mut self.counter {
            window.timed(trip);
        }
    }

    /// The call is over.
    pub(super) fn release(&mut self, weight: u32) {
        if let Counter::Open { held, .. } = &mut self.counter {
            *held -= weight;
        }
    }

    pub(super) fn hear(&mut self, word: Word, limit: Option<u32>, call: &Sent, now: Nanos) {
        match &mut self.counter {
            Counter::Window(window) => window.hear(word, limit, call, now),
            Counter::Decay(decay) => decay.hear(word.count, limit, now),
            Counter::Open { limit: known, .. } => *known = limit.filter(|limit| *limit > 0).unwrap_or(*known),
        }
    }

    pub(super) fn hear_nothing(&mut self, call: &Sent) {
        if let Counter::Window(window) = &mut self.counter {
            window.hear_nothing(call);
        }
    }

    pub(super) fn refund(&mut self, now: Nanos, stamped_at: Nanos, weight: u32) {
        match &mut self.counter {
            Counter::Window(window) => window.refund(stamped_at, weight),
            Counter::Decay(decay) => decay.refund(now, weight),
            Counter::Open { .. } => {}
        }
    }

    /// Closes the bucket for all. A shorter refusal does not open what a longer one closed.
    pub(super) fn close(&mut self, now: Nanos, wait: Option<Nanos>) {
        let unhinted = match &mut self.counter {
            Counter::Window(window) => window.turns_at(now),
            Counter::Decay(decay) => decay.refused(now),
            Counter::Open { .. } => now + OPEN_REFUSED,
        };
        let until = wait.map_or(unhinted, |wait| now.saturating_add(wait).saturating_add(MARGIN));
        self.closed_until = self.closed_until.max(until);
    }

    pub(super) fn join(&mut self, lane: Lane) {
        self.waiting[lane.index()] += 1;
    }

    pub(super) fn leave(&mut self, lane: Lane) {
        let lane = lane.index();
        self.waiting[lane] -= 1;
        if self.waiting[lane] == 0 {
            self.passed[lane] = 0;
        }
    }

    /// A grant went to this lane: the others that wait were passed over once more.
    pub(super) fn count_grant(&mut self, lane: Lane) {
        for (passed, waiting) in self.passed.iter_mut().zip(self.waiting) {
            *passed += u32::from(waiting > 0);
        }
        self.passed[lane.index()] = 0;
    }

    pub(super) fn snapshot(&mut self, now: Nanos) -> Snapshot {
        let (used, others) = match &mut self.counter {
            Counter::Window(window) => (window.used(now), window.others(now)),
            Counter::Decay(decay) => (decay.used(now), 0),
            Counter::Open { held, .. } => (*held, 0),
        };
        Snapshot {
            used,
            others,
            limit: self.limit(),
            closed_until: self
                .is_closed(now)
                .then(|| std::time::Duration::from_nanos(self.closed_until)),
        }
    }
}

fn has_place(held: u32, weight: u32, limit: u32) -> bool {
    held.checked_add(weight).is_some_and(|sum| sum <= limit)
}

impl Lane {
    pub(super) const ALL: [Self; 3] = [Self::Cancel, Self::Order, Self::Read];

    pub(super) fn index(self) -> usize {
        match self {
            Self::Cancel => 0,
            Self::Order => 1,
            Self::Read => 2,
        }
    }
}
