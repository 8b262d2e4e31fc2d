//! How long to wait before the next connection, or the next try of a read-back.

use std::time::Duration;

use crate::error::{Error, ErrorKind};
use crate::retry::Decision;
use crate::seam::Rng;

/// Longest wait after the first failure; it doubles with each.
const BASE: Duration = Duration::from_millis(500);

/// Where the doubling stops.
const CAP: Duration = Duration::from_secs(30);

/// Shortest wait after "too many requests", where the venue says no better.
const LIMITED: Duration = Duration::from_secs(5);

/// Counts failures in a row.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// The wait after one more failure, with full jitter above what the venue asked for.
    pub(super) fn wait(&mut self, error: &Error, rng: &dyn Rng) -> Duration {
        let doubled = 1u32.checked_shl(self.failures).unwrap_or(u32::MAX);
        self.failures = self.failures.saturating_add(1);
        let least = match (error.retry_after(), error.kind()) {
            (Some(hint), _) => hint,
            (None, ErrorKind::RateLimited) => LIMITED,
            (None, _) => Duration::ZERO,
        };
        let most = least.saturating_add(BASE.saturating_mul(doubled).min(CAP));
        Decision::Retry { least, most }.delay(rng).unwrap_or(most)
    }

    /// It worked for long enough to start anew.
    pub(super) fn reset(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Always draws the highest number.
    #[derive(Debug)]
    struct Longest;

    impl Rng for Longest {
        fn next_u64(&self) -> u64 {
            u64::MAX
        }
    }

    #[test]
    fn waits_double_from_half_a_second_to_thirty() {
        let mut backoff = Backoff::default();
        let lost = Error::new(ErrorKind::Unavailable);
        let mut waits = || backoff.wait(&lost, &Longest).as_millis();
        let first: Vec<_> = (0..8).map(|_| waits()).collect();
        assert_eq!(first, [500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]);
        (0..100).for_each(|_| _ = waits());
        assert_eq!(waits(), 30_000);
        backoff.reset();
        assert_eq!(backoff.wait(&lost, &Longest).as_millis(), 500);
    }

    #[test]
    fn a_refusal_waits_at_least_what_the_venue_asks() {
        #[derive(Debug)]
        struct Shortest;
        impl Rng for Shortest {
            fn next_u64(&self) -> u64 {
                0
            }
        }
        let wait = |error: Error| Backoff::default().wait(&error, &Shortest).as_millis();
        assert_eq!(wait(Error::new(ErrorKind::Unavailable)), 0);
        assert_eq!(wait(Error::new(ErrorKind::RateLimited)), 5_000);
        let hinted = Error::new(ErrorKind::Unavailable).with_retry_after(Duration::from_secs(90));
        assert_eq!(wait(hinted), 90_000);
    }
}
