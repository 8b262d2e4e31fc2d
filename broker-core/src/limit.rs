//! Limits: kept, and used.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::capability::LimitRule;
use crate::error::Result;
use crate::seam::Clock;

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

/// Which calls go first when a bucket is short. None is starved.
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

/// All buckets of a process. Cheap to clone; clones share the buckets.
#[derive(Debug, Clone)]
pub struct Limiter {
    clock: Arc<dyn Clock>,
}

impl Limiter {
    /// No buckets yet.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock }
    }

    /// Makes a bucket known. A bucket that is known keeps its first rule.
    pub fn define(&self, bucket: &BucketKey, rule: LimitRule) {
        let _ = (bucket, rule);
    }

    /// Waits until every bucket has room, and takes it from all at once.
    pub async fn acquire(&self, costs: &[Cost], lane: Lane) -> Result<Permit> {
        let _ = (&self.clock, costs, lane);
        Ok(Permit { _private: () })
    }
}

/// Room that a call holds until its answer's head, a time-out or a drop; its slot is stamped then.
#[derive(Debug)]
#[must_use = "a permit that is dropped is stamped as answered"]
pub struct Permit {
    _private: (),
}

impl Permit {
    /// The answer came, and taught this.
    pub fn finish(self, lessons: &[(BucketKey, Lesson)]) {
        let _ = lessons;
    }
}
