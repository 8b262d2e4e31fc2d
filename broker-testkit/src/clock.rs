//! A clock that runs fast: for tests over real sockets, which virtual time cannot drive.

use std::fmt::{self, Debug};
use std::sync::Arc;
use std::time::Duration;

use broker_core::seam::{BoxFuture, Clock};
use chrono::{DateTime, Utc};

/// A clock that passes so many seconds in each second of the clock beneath. Client and venue share it, so that lags,
/// limits and time-outs keep their proportions.
///
/// ```
/// use std::sync::Arc;
/// use std::time::Duration;
/// use broker_core::seam::{Clock, VirtualRuntime};
/// use broker_testkit::clock::FastClock;
/// let runtime = VirtualRuntime::new();
/// let beneath = Arc::new(runtime.clock());
/// let fast = FastClock::over(beneath.clone(), 20);
/// let began = fast.now();
/// runtime.block_on(fast.sleep(Duration::from_secs(60)));
/// assert_eq!(beneath.elapsed(), Duration::from_secs(3));
/// assert_eq!(fast.elapsed(), Duration::from_secs(60));
/// assert_eq!((fast.now() - began).num_seconds(), 60);
/// ```
pub struct FastClock {
    beneath: Arc<dyn Clock>,
    factor: u32,
    /// Of both clocks.
    began_at: DateTime<Utc>,
    began: Duration,
}

impl FastClock {
    /// Runs `factor` times as fast as the clock beneath, at least as fast, from its time of day.
    pub fn over(beneath: Arc<dyn Clock>, factor: u32) -> Self {
        Self {
            began_at: beneath.now(),
            began: beneath.elapsed(),
            factor: factor.max(1),
            beneath,
        }
    }
}

impl Clock for FastClock {
    fn now(&self) -> DateTime<Utc> {
        let passed = chrono::Duration::from_std(self.elapsed()).unwrap_or(chrono::Duration::MAX);
        self.began_at.checked_add_signed(passed).unwrap_or(DateTime::<Utc>::MAX_UTC)
    }

    fn elapsed(&self) -> Duration {
        self.beneath.elapsed().saturating_sub(self.began).saturating_mul(self.factor)
    }

    fn sleep(&self, wait: Duration) -> BoxFuture<'static, ()> {
        self.beneath.sleep(wait / self.factor)
    }
}

impl Debug for FastClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FastClock({}x)", self.factor)
    }
}
