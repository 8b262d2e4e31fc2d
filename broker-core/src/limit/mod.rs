//! Limits: kept, and used.
//!
//! A call names the buckets that it pays to. [`Limiter::acquire`] waits until all of them have room and takes from
//! all at once; the [`Permit`] holds that room until the answer's head is there, and is stamped *then*: the venue
//! counted the call somewhere between sending and answer, so only room that is given back one whole span after the
//! answer is free by every way of counting, fixed windows and sliding ones.
//!
//! A window of a second or less would lose too much to round trips that way. There the span is shortened by the
//! shortest round trip seen lately, and once half of the limit is used grants come evenly, at 0.97 of the rate.
//!
//! Some venues count in a counter that falls by itself: there a call's weight is added at its answer.

mod bucket;
mod connects;
mod decay;
mod learned;
mod permit;
mod queue;
mod turn;
mod wait;
mod window;

use std::fmt::{self, Debug};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::capability::LimitRule;
use crate::error::{Error, Result};
use crate::seam::Clock;

pub use connects::ConnectLimit;
pub use permit::Permit;
pub use turn::Turn;

use queue::Queue;
use turn::Turns;
use wait::Waiting;

/// Name of a bucket that calls pay to, made whole by its scope: `alpaca:paper:3f9a:trading`.
pub type BucketKey = Arc<str>;

/// What a call pays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cost {
    /// To which bucket.
    pub bucket: BucketKey,
    /// How much.
    pub weight: u32,
}

/// Which calls go first when a bucket is short. None is starved: a lane that waits gets at least every 8th grant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lane {
    /// Cancels.
    Cancel,
    /// Orders.
    Order,
    /// Reads.
    Read,
}

/// What an answer taught about a bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Lesson {
    /// The venue's own count.
    Remaining {
        /// Its limit.
        limit: Option<u32>,
        /// What it still permits in this window.
        remaining: u32,
        /// When its window turns, by the venue's clock.
        resets_at: Option<DateTime<Utc>>,
    },
    /// Weight used in this window, by the venue's count.
    Used {
        /// How much.
        weight: u32,
    },
    /// Refused: nothing for this long. `None` where the venue gave no hint.
    Refused {
        /// How long.
        wait: Option<Duration>,
    },
    /// This much of the cost is given back.
    Refund {
        /// How much.
        weight: u32,
    },
}

/// A bucket at one moment, for planners and tests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Snapshot {
    /// Weight of ours that counts now: calls under way, and those answered less than a span ago.
    pub used: u32,
    /// What others use of it, as far as the venue's answers told.
    pub others: u32,
    /// The limit: the rule's, or the one that the venue told since.
    pub limit: u32,
    /// Closed for all until then, in the time of [`Clock::elapsed`]; `None` when open.
    pub closed_until: Option<Duration>,
}

/// All buckets of a process. Cheap to clone; clones share the buckets.
///
/// ```
/// use std::sync::Arc;
/// use std::time::Duration;
/// use broker_core::capability::LimitRule;
/// use broker_core::limit::{BucketKey, Cost, Lane, Limiter};
/// use broker_core::seam::VirtualRuntime;
///
/// let runtime = VirtualRuntime::new();
/// let limiter = Limiter::new(Arc::new(runtime.clock()));
/// let bucket = BucketKey::from("alpaca:paper:3f9a:trading");
/// limiter.define(&bucket, LimitRule::Window { limit: 200, per: Duration::from_secs(60) });
/// runtime.block_on(async {
///     let cost = [Cost { bucket: Arc::clone(&bucket), weight: 1 }];
///     let mut permit = limiter.acquire(&cost, Lane::Read).await?;
///     // The request is sent here; its answer's head comes in.
///     permit.answered();
///     permit.finish(&[]);
///     assert_eq!(limiter.snapshot(&bucket).map(|bucket| bucket.used), Some(1));
///     Ok::<(), broker_core::Error>(())
/// })?;
/// # Ok::<(), broker_core::Error>(())
/// ```
#[derive(Clone)]
pub struct Limiter {
    shared: Arc<Shared>,
}

struct Shared {
    clock: Arc<dyn Clock>,
    queue: Mutex<Queue>,
    turns: Turns,
}

impl Limiter {
    /// No buckets yet.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            shared: Arc::new(Shared {
                clock,
                queue: Mutex::default(),
                turns: Turns::default(),
            }),
        }
    }

    /// Makes a bucket known. A bucket that is known keeps its first rule.
    pub fn define(&self, bucket: &BucketKey, rule: LimitRule) {
        self.shared.queue().define(bucket, rule);
    }

    /// Waits until every bucket has room, and takes it from all at once. A future that is dropped while it waits
    /// leaves nothing behind.
    ///
    /// # Errors
    /// [`Config`](crate::ErrorKind::Config) when a bucket is not defined, or the weight is above its limit.
    pub async fn acquire(&self, costs: &[Cost], lane: Lane) -> Result<Permit> {
        let waiting = {
            let mut queue = self.shared.queue();
            let holds = queue.resolve(costs)?;
            let now = self.shared.now();
            if queue.take_at_once(&holds, now) {
                drop(queue);
                return Ok(Permit::new(Arc::clone(&self.shared), holds, now));
            }
            Waiting::new(Arc::clone(&self.shared), queue, holds, lane, now)
        };
        Ok(waiting.await)
    }

    /// Waits for the turn of this key: one holder at a time, first come, first served. Serves calls that must go one
    /// after another for a key, or for an account and instrument.
    pub async fn turn(&self, key: &Arc<str>) -> Turn {
        self.shared.turns.wait(key).await
    }

    /// Whether the two are one: a permit of one counts at the other.
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }

    /// The bucket as it stands; `None` when it is not defined.
    pub fn snapshot(&self, bucket: &BucketKey) -> Option<Snapshot> {
        let mut queue = self.shared.queue();
        queue.snapshot(bucket, self.shared.now())
    }
}

impl Shared {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> Nanos {
        nanos(self.clock.elapsed())
    }

    /// Grants what can go now, and wakes those who got it once the lock is free.
    fn dispatch(&self, mut queue: MutexGuard<'_, Queue>, now: Nanos) {
        let mut wake = Vec::new();
        queue.dispatch(now, &mut wake);
        drop(queue);
        wake.into_iter().for_each(Waker::wake);
    }
}

impl Debug for Limiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.shared.queue().fmt(f)
    }
}

/// Time in nanoseconds of [`Clock::elapsed`].
type Nanos = u64;

/// Between the answer and its stamp: clocks and counters are not exact to the moment.
const MARGIN: Nanos = 2_000_000;

fn nanos(time: Duration) -> Nanos {
    time.as_secs()
        .saturating_mul(1_000_000_000)
        .saturating_add(u64::from(time.subsec_nanos()))
}

/// Room that a call takes in one bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Hold {
    bucket: usize,
    weight: u32,
}

/// All that a call takes, each bucket once, in the order of the buckets. One bucket needs no allocation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Holds {
    first: Option<Hold>,
    rest: Vec<Hold>,
}

impl Holds {
    fn iter(&self) -> impl Iterator<Item = Hold> {
        self.first.iter().chain(&self.rest).copied()
    }

    fn add(&mut self, hold: Hold) {
        let Some(first) = &mut self.first else {
            self.first = Some(hold);
            return;
        };
        let same = std::iter::once(first)
            .chain(&mut self.rest)
            .find(|held| held.bucket == hold.bucket);
        match same {
            Some(held) => held.weight = held.weight.saturating_add(hold.weight),
            None => self.rest.push(hold),
        }
    }
}

fn unknown_bucket(key: &BucketKey) -> Error {
    Error::config(format!("the limiter knows no bucket `{key}`")).with_help("define the bucket before calls name it")
}

fn too_heavy(key: &BucketKey, weight: u32, limit: u32) -> Error {
    Error::config(format!(
        "a call of weight {weight} can never pass bucket `{key}`, whose limit is {limit}"
    ))
}
