//! Time.

use std::fmt::Debug;
use std::time::Duration;

use chrono::{DateTime, Utc};

use super::BoxFuture;

/// A clock: what time it is, how much has passed, and waiting.
pub trait Clock: Debug + Send + Sync + 'static {
    /// The time of day, UTC. It may step when the machine's clock is set.
    fn now(&self) -> DateTime<Utc>;

    /// Time passed since some fixed moment; it never goes back.
    fn elapsed(&self) -> Duration;

    /// Ready once `wait` has passed.
    fn sleep(&self, wait: Duration) -> BoxFuture<'static, ()>;
}

/// The machine's clock, waiting on tokio's timer. Feature `http`.
#[cfg(feature = "http")]
#[derive(Debug, Clone)]
pub struct SystemClock {
    started: std::time::Instant,
    /// How far its time of day is ahead of the machine's.
    ahead: chrono::Duration,
}

#[cfg(feature = "http")]
#[allow(
    clippy::disallowed_methods,
    reason = "the one place that reads and waits for the machine's clock"
)]
mod system {
    use super::{BoxFuture, Clock, DateTime, Duration, SystemClock, Utc};
    use std::time::Instant;

    impl SystemClock {
        /// A clock whose [`Clock::elapsed`] starts now.
        pub fn new() -> Self {
            Self {
                started: Instant::now(),
                ahead: chrono::Duration::zero(),
            }
        }

        /// A clock whose time of day starts here and runs as fast as the machine's: for venues that replay a past.
        pub fn starting_at(origin: DateTime<Utc>) -> Self {
            Self {
                started: Instant::now(),
                ahead: origin - Utc::now(),
            }
        }
    }

    impl Default for SystemClock {
        fn default() -> Self {
            Self::new()
        }
    }

    impl Clock for SystemClock {
        fn now(&self) -> DateTime<Utc> {
            Utc::now() + self.ahead
        }

        fn elapsed(&self) -> Duration {
            self.started.elapsed()
        }

        fn sleep(&self, wait: Duration) -> BoxFuture<'static, ()> {
            Box::pin(tokio::time::sleep(wait))
        }
    }
}
