//! Retry: what may be repeated, when, and how often.
//!
//! [`RetryPolicy::decide`] is a pure function of what failed: the pipeline measures, draws the jitter and sleeps.
//! [`RetryQuota`] keeps an outage from being amplified by everyone who waits for its end.

use std::fmt::{self, Debug};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crate::error::{Delivery, ErrorKind};
use crate::seam::Rng;

/// What a call does, which decides whether it may be repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OpClass {
    /// Changes nothing: repeated as the retry policy says.
    Read,
    /// Changes something: repeated only when nothing was sent, or the answer proves that nothing was done.
    Write,
    /// Gets a token; repeated like a read, and never itself authorized.
    SignIn,
}

/// How often, how soon and for how long a call is repeated.
///
/// ```
/// use std::time::Duration;
/// use broker_core::retry::{Decision, Failure, OpClass, RetryPolicy};
/// use broker_core::{Delivery, ErrorKind};
/// let failed = Failure {
///     class: OpClass::Read,
///     kind: ErrorKind::Unavailable,
///     delivery: Delivery::Unknown,
///     nothing_done: false,
///     hint: None,
///     attempt: 1,
///     elapsed: Duration::ZERO,
/// };
/// let policy = RetryPolicy::default();
/// assert!(matches!(policy.decide(&failed), Decision::Retry { .. }));
/// assert_eq!(policy.decide(&Failure { class: OpClass::Write, ..failed }), Decision::GiveUp);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Attempts in all, the first one too.
    pub attempts: u32,
    /// Longest wait before the second attempt; it doubles with each attempt.
    pub base: Duration,
    /// Where the doubling stops.
    pub cap: Duration,
    /// No attempt of a read or a sign-in starts later than this after the first one.
    pub deadline: Duration,
    /// The same for writes. Short, for an order that comes late comes at another price.
    pub write_deadline: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            attempts: 4,
            base: Duration::from_millis(250),
            cap: Duration::from_secs(8),
            deadline: Duration::from_secs(120),
            write_deadline: Duration::from_secs(10),
        }
    }
}

/// An attempt that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failure {
    /// What the call does.
    pub class: OpClass,
    /// What went wrong.
    pub kind: ErrorKind,
    /// Whether the request can have arrived.
    pub delivery: Delivery,
    /// The answer proves that nothing was done.
    pub nothing_done: bool,
    /// When the venue wants to be asked again.
    pub hint: Option<Duration>,
    /// Which attempt it was, from 1.
    pub attempt: u32,
    /// Time since the first attempt began.
    pub elapsed: Duration,
}

/// What to do after a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// The failure is the result.
    GiveUp,
    /// Once more, after a wait drawn evenly between the two ([`Decision::delay`]).
    Retry {
        /// Shortest wait: the venue's hint.
        least: Duration,
        /// Longest wait.
        most: Duration,
    },
}

impl RetryPolicy {
    /// One attempt, whatever happens.
    pub fn never() -> Self {
        Self {
            attempts: 1,
            ..Self::default()
        }
    }

    /// No attempt of a call of this class starts later than this after the first one.
    pub fn deadline_of(&self, class: OpClass) -> Duration {
        match class {
            OpClass::Read | OpClass::SignIn => self.deadline,
            OpClass::Write => self.write_deadline,
        }
    }

    /// Whether to repeat, and how long to wait first. A hint that lies beyond the deadline gives up at once: coming
    /// back earlier than the venue allows would only make it worse.
    pub fn decide(&self, failure: &Failure) -> Decision {
        let least = failure.hint.unwrap_or_default();
        let left = self.deadline_of(failure.class).saturating_sub(failure.elapsed);
        if failure.attempt >= self.attempts || !repeatable(failure) || left.is_zero() || least > left {
            return Decision::GiveUp;
        }
        let most = least.saturating_add(self.window(failure.attempt)).min(left);
        Decision::Retry { least, most }
    }

    /// Width of the jitter after this attempt.
    fn window(&self, attempt: u32) -> Duration {
        let doubled = 1u32.checked_shl(attempt.saturating_sub(1)).unwrap_or(u32::MAX);
        self.base.saturating_mul(doubled).min(self.cap)
    }
}

impl Decision {
    /// The wait, drawn with full jitter. `None` to give up.
    pub fn delay(&self, rng: &dyn Rng) -> Option<Duration> {
        match *self {
            Self::GiveUp => None,
            Self::Retry { least, most } => {
                let span = u64::try_from((most - least).as_micros()).unwrap_or(u64::MAX - 1);
                Some(least + Duration::from_micros(rng.below(span + 1)))
            }
        }
    }
}

fn repeatable(failure: &Failure) -> bool {
    if is_final(failure.kind) {
        return false;
    }
    let never_sent = failure.delivery == Delivery::NotSent;
    match failure.class {
        OpClass::Read | OpClass::SignIn => never_sent || passes(failure.kind),
        OpClass::Write => never_sent || failure.nothing_done,
    }
}

/// Kinds that the same request will meet again, sent or not.
pub(crate) fn is_final(kind: ErrorKind) -> bool {
    match kind {
        ErrorKind::Auth
        | ErrorKind::ReauthRequired
        | ErrorKind::Permission
        | ErrorKind::InvalidRequest
        | ErrorKind::InsufficientFunds
        | ErrorKind::NotFound
        | ErrorKind::MarketClosed
        | ErrorKind::DuplicateOrder
        | ErrorKind::OrderRejected
        | ErrorKind::Unsupported
        | ErrorKind::Config
        | ErrorKind::Protocol => true,
        ErrorKind::RateLimited | ErrorKind::Unavailable | ErrorKind::Decode | ErrorKind::Unknown => false,
    }
}

/// Kinds that pass by themselves.
fn passes(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::Unavailable | ErrorKind::RateLimited | ErrorKind::Decode
    )
}

/// A budget of retries shared by all calls of a broker: a retry spends, a success gives a part back. In a long outage
/// at most one call in [`RetryQuota::PRICE`] is a retry; who finds it empty fails with the error at hand.
pub struct RetryQuota {
    tokens: AtomicU32,
    size: u32,
}

impl RetryQuota {
    /// What a retry spends. A success gives 1 back.
    pub const PRICE: u32 = 5;

    /// A full budget of this many tokens.
    pub fn new(size: u32) -> Self {
        Self {
            tokens: AtomicU32::new(size),
            size,
        }
    }

    /// Pays for one retry. False when the budget does not suffice.
    pub fn spend(&self) -> bool {
        self.tokens
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |left| {
                left.checked_sub(Self::PRICE)
            })
            .is_ok()
    }

    /// A call succeeded.
    pub fn succeeded(&self) {
        // Usually the budget is full: one load, and no write that other cores would have to see.
        if self.left() < self.size {
            let more = |left: u32| (left < self.size).then(|| left + 1);
            let _ = self.tokens.fetch_update(Ordering::AcqRel, Ordering::Acquire, more);
        }
    }

    /// Tokens left.
    pub fn left(&self) -> u32 {
        self.tokens.load(Ordering::Acquire)
    }
}

/// 20 retries in a row.
impl Default for RetryQuota {
    fn default() -> Self {
        Self::new(100)
    }
}

impl Debug for RetryQuota {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RetryQuota({} of {})", self.left(), self.size)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::seam::SeededRng;
    use Delivery::{Answered, NotSent, Unknown};
    use OpClass::{Read, SignIn, Write};

    fn failure(class: OpClass, kind: ErrorKind, delivery: Delivery, nothing_done: bool) -> Failure {
        Failure {
            class,
            kind,
            delivery,
            nothing_done,
            hint: None,
            attempt: 1,
            elapsed: Duration::ZERO,
        }
    }

    #[test]
    fn what_is_repeated() {
        use ErrorKind as K;
        let table = [
            (Read, K::Unavailable, Unknown, false, true),
            (Read, K::Unavailable, Answered, false, true),
            (Read, K::RateLimited, Answered, false, true),
            (Read, K::Decode, Answered, false, true),
            (Read, K::Unknown, NotSent, false, true),
            (Read, K::Unknown, Answered, false, false),
            (Read, K::Protocol, Answered, false, false),
            (SignIn, K::Unavailable, Unknown, false, true),
            (SignIn, K::Auth, Answered, false, false),
            (Write, K::Unavailable, NotSent, false, true),
            (Write, K::Unavailable, Unknown, false, false),
            (Write, K::Unavailable, Answered, false, false),
            (Write, K::Unavailable, Answered, true, true),
            (Write, K::RateLimited, Answered, false, false),
            (Write, K::RateLimited, Answered, true, true),
            (Write, K::Decode, Unknown, false, false),
        ];
        for (class, kind, delivery, nothing_done, again) in table {
            let decision = RetryPolicy::default().decide(&failure(class, kind, delivery, nothing_done));
            let expected = if again {
                Decision::Retry {
                    least: Duration::ZERO,
                    most: Duration::from_millis(250),
                }
            } else {
                Decision::GiveUp
            };
            assert_eq!(decision, expected, "{class:?} {kind:?} {delivery:?} {nothing_done}");
        }
    }

    #[test]
    fn final_kinds_are_never_repeated() {
        use ErrorKind as K;
        let kinds = [
            K::Auth,
            K::ReauthRequired,
            K::Permission,
            K::InvalidRequest,
            K::InsufficientFunds,
            K::NotFound,
            K::MarketClosed,
            K::DuplicateOrder,
            K::OrderRejected,
            K::Unsupported,
            K::Config,
            K::Protocol,
        ];
        for kind in kinds {
            for class in [Read, Write, SignIn] {
                for delivery in [NotSent, Unknown, Answered] {
                    let decision = RetryPolicy::default().decide(&failure(class, kind, delivery, true));
                    assert_eq!(decision, Decision::GiveUp, "{class:?} {kind:?} {delivery:?}");
                }
            }
        }
    }

    #[test]
    fn waits_double_up_to_the_cap_and_end_with_the_attempts() {
        let policy = RetryPolicy {
            attempts: 9,
            ..RetryPolicy::default()
        };
        let longest = |attempt| {
            let failed = Failure {
                attempt,
                ..failure(Read, ErrorKind::Unavailable, Unknown, false)
            };
            match policy.decide(&failed) {
                Decision::Retry { most, .. } => Some(most.as_millis()),
                Decision::GiveUp => None,
            }
        };
        let waits: Vec<_> = (1..=9).map(longest).collect();
        let doubled = [250, 500, 1000, 2000, 4000, 8000, 8000, 8000].map(Some);
        assert_eq!(waits[..8], doubled);
        assert_eq!(waits[8], None);
    }

    #[test]
    fn a_hint_is_a_minimum_within_the_deadline() {
        let mut failed = failure(Read, ErrorKind::RateLimited, Answered, false);
        failed.hint = Some(Duration::from_secs(60));
        let decide = |failed: &Failure| RetryPolicy::default().decide(failed);
        assert_eq!(
            decide(&failed),
            Decision::Retry {
                least: Duration::from_secs(60),
                most: Duration::from_millis(60_250),
            }
        );
        failed.elapsed = Duration::from_millis(59_900);
        assert_eq!(
            decide(&failed),
            Decision::Retry {
                least: Duration::from_secs(60),
                most: Duration::from_millis(60_100),
            }
        );
        failed.elapsed = Duration::from_millis(60_001);
        assert_eq!(decide(&failed), Decision::GiveUp);
    }

    #[test]
    fn an_order_does_not_wait_as_long_as_a_read() {
        let mut failed = failure(Write, ErrorKind::RateLimited, Answered, true);
        failed.hint = Some(Duration::from_secs(11));
        assert_eq!(RetryPolicy::default().decide(&failed), Decision::GiveUp);
        failed.hint = Some(Duration::from_secs(10));
        let at_the_border = Decision::Retry {
            least: Duration::from_secs(10),
            most: Duration::from_secs(10),
        };
        assert_eq!(RetryPolicy::default().decide(&failed), at_the_border);
    }

    #[test]
    fn an_outage_empties_the_quota_and_successes_fill_it() {
        let quota = RetryQuota::new(12);
        assert!(quota.spend() && quota.spend());
        assert!(!quota.spend());
        assert_eq!(quota.left(), 2);
        for _ in 0..3 {
            quota.succeeded();
        }
        assert!(quota.spend());
        for _ in 0..100 {
            quota.succeeded();
        }
        assert_eq!(quota.left(), 12);
    }

    proptest! {
        #[test]
        fn retry_delays_lie_in_their_bounds(
            seed: u64,
            attempt in 1u32..40,
            base in 0u64..20_000,
            cap in 0u64..60_000,
            deadline in 0u64..120_000,
            elapsed in 0u64..130_000,
            hint in proptest::option::of(0u64..130_000),
        ) {
            let policy = RetryPolicy {
                attempts: 32,
                base: Duration::from_millis(base),
                cap: Duration::from_millis(cap),
                deadline: Duration::from_millis(deadline),
                write_deadline: Duration::ZERO,
            };
            let failed = Failure {
                hint: hint.map(Duration::from_millis),
                attempt,
                elapsed: Duration::from_millis(elapsed),
                ..failure(Read, ErrorKind::RateLimited, Answered, false)
            };
            let least = hint.unwrap_or(0);
            match policy.decide(&failed).delay(&SeededRng::new(seed)) {
                None => prop_assert!(attempt >= 32 || elapsed >= deadline || least > deadline - elapsed),
                Some(delay) => {
                    // Worked out in whole milliseconds, apart from the shipped arithmetic.
                    let doubled = u128::from(base) << (attempt - 1);
                    let most = u128::from(least) + doubled.min(u128::from(cap));
                    prop_assert!(attempt < 32);
                    prop_assert!(delay >= Duration::from_millis(least));
                    prop_assert!(delay.as_micros() <= most * 1000);
                    prop_assert!(delay + failed.elapsed <= policy.deadline);
                }
            }
        }
    }
}
