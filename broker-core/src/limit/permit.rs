//! Room that a call holds.

use std::fmt::{self, Debug};
use std::sync::{Arc, MutexGuard};
use std::time::Duration;

use super::learned::Word;
use super::queue::Queue;
use super::{BucketKey, Hold, Holds, Lesson, Nanos, Shared, nanos};

/// Room that a call holds until its answer's head, a time-out or a drop; its slot is stamped then. Things that stay
/// open (streams, sessions) hold theirs until the permit is dropped.
#[must_use = "a permit that is dropped is stamped as answered"]
pub struct Permit {
    shared: Arc<Shared>,
    holds: Holds,
    granted_at: Nanos,
    stamped_at: Option<Nanos>,
}

/// A call as its bucket remembers it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sent {
    pub(super) granted_at: Nanos,
    pub(super) weight: u32,
}

impl Permit {
    pub(super) fn new(shared: Arc<Shared>, holds: Holds, granted_at: Nanos) -> Self {
        Self {
            shared,
            holds,
            granted_at,
            stamped_at: None,
        }
    }

    /// The answer's head is there: the slot is stamped now, however long the body takes.
    pub fn answered(&mut self) {
        if self.stamped_at.is_none() {
            let shared = Arc::clone(&self.shared);
            let mut queue = shared.queue();
            let now = shared.now();
            self.stamp(&mut queue, now, true);
            settle(&shared, queue, now);
        }
    }

    /// The answer came, and taught this.
    pub fn finish(mut self, lessons: &[(BucketKey, Lesson)]) {
        let shared = Arc::clone(&self.shared);
        let mut queue = shared.queue();
        let now = shared.now();
        self.stamp(&mut queue, now, true);
        self.end(&mut queue, lessons, now);
        settle(&shared, queue, now);
    }

    /// The answer came, and was a refusal by a limit: every bucket that was paid to is closed for this long, for all.
    /// `None` where the venue gave no hint.
    pub fn refused(self, wait: Option<Duration>) {
        let lessons: Vec<(BucketKey, Lesson)> = {
            let queue = self.shared.queue();
            let keys = self.holds.iter().map(|hold| queue.buckets[hold.bucket].key.clone());
            keys.map(|key| (key, Lesson::Refused { wait })).collect()
        };
        self.finish(&lessons);
    }

    /// No byte was sent: the room is given back as if it had never been taken.
    pub fn unsent(mut self) {
        let shared = Arc::clone(&self.shared);
        let mut queue = shared.queue();
        let now = shared.now();
        if self.stamped_at.is_none() {
            queue.give_back(&std::mem::take(&mut self.holds));
        }
        settle(&shared, queue, now);
    }

    fn stamp(&mut self, queue: &mut Queue, now: Nanos, answered: bool) {
        if self.stamped_at.is_some() {
            return;
        }
        self.stamped_at = Some(now);
        for hold in self.holds.iter() {
            let bucket = &mut queue.buckets[hold.bucket];
            bucket.stamp(now, hold.weight);
            if answered {
                bucket.timed(now.saturating_sub(self.granted_at));
            }
        }
    }

    /// Teaches the buckets and lets go of what is open. The permit holds nothing afterwards.
    fn end(&mut self, queue: &mut Queue, lessons: &[(BucketKey, Lesson)], now: Nanos) {
        let holds = std::mem::take(&mut self.holds);
        for hold in holds.iter() {
            queue.buckets[hold.bucket].release(hold.weight);
            if !lessons
                .iter()
                .any(|(key, lesson)| counts(lesson) && **key == *queue.buckets[hold.bucket].key)
            {
                queue.buckets[hold.bucket].hear_nothing(&self.sent(hold));
            }
        }
        // A refusal without a hint lasts until the window turns, which a count beside it may tell.
        let refused = |lesson: &Lesson| matches!(lesson, Lesson::Refused { .. });
        let (last, first): (Vec<_>, Vec<_>) = lessons.iter().partition(|(_, lesson)| refused(lesson));
        for (key, lesson) in first.into_iter().chain(last) {
            // A lesson may name a bucket that the call itself did not pay to.
            if let Some(at) = queue.find(key) {
                let held = holds.iter().find(|hold| hold.bucket == at);
                self.teach(queue, held.unwrap_or(Hold { bucket: at, weight: 0 }), *lesson, now);
            }
        }
    }

    fn teach(&self, queue: &mut Queue, hold: Hold, lesson: Lesson, now: Nanos) {
        let wall = self.shared.clock.now();
        let bucket = &mut queue.buckets[hold.bucket];
        match lesson {
            Lesson::Remaining {
                limit,
                remaining,
                resets_at,
            } => {
                let whole = limit.unwrap_or_else(|| bucket.limit());
                let resets = resets_at.map(|at| {
                    let wait = (at - wall).to_std().unwrap_or_default();
                    (at, now.saturating_add(nanos(wait)))
                });
                let count = whole.saturating_sub(remaining);
                bucket.hear(Word { count, resets }, limit, &self.sent(hold), now);
            }
            Lesson::Used { weight } => {
                let word = Word {
                    count: weight,
                    resets: None,
                };
                bucket.hear(word, None, &self.sent(hold), now);
            }
            Lesson::Refused { wait } => bucket.close(now, wait.map(nanos)),
            Lesson::Refund { weight } => {
                bucket.refund(now, self.stamped_at.unwrap_or(now), weight.min(hold.weight));
            }
        }
    }

    fn sent(&self, hold: Hold) -> Sent {
        Sent {
            granted_at: self.granted_at,
            weight: hold.weight,
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if self.holds.first.is_none() {
            return;
        }
        let shared = Arc::clone(&self.shared);
        let mut queue = shared.queue();
        let now = shared.now();
        self.stamp(&mut queue, now, false);
        self.end(&mut queue, &[], now);
        settle(&shared, queue, now);
    }
}

impl Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit")
            .field("holds", &self.holds)
            .field("answered", &self.stamped_at.is_some())
            .finish_non_exhaustive()
    }
}

/// Whether a lesson is the venue's count.
fn counts(lesson: &Lesson) -> bool {
    matches!(lesson, Lesson::Remaining { .. } | Lesson::Used { .. })
}

fn settle(shared: &Shared, queue: MutexGuard<'_, Queue>, now: Nanos) {
    if queue.is_waited_for() {
        shared.dispatch(queue, now);
    }
}
