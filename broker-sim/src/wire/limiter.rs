//! A limiter that refuses and bans, as brokers do.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use chrono::{DateTime, Utc};

/// How a venue counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counting {
    /// In windows aligned to the clock: all of a window's weight comes back when it turns.
    Fixed,
    /// In the span that ends now: each weight comes back by itself.
    Sliding,
    /// In a counter that falls evenly.
    Falling {
        /// By how much in [`WireLimit::per`].
        by: u32,
    },
}

/// One limit of a venue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WireLimit {
    /// Weight permitted in a window; of a counter, the highest count.
    pub limit: u32,
    /// Length of the window; of a counter, the time in which it falls by so much.
    pub per: Duration,
    /// How it is counted.
    pub counting: Counting,
}

impl WireLimit {
    /// In windows aligned to the clock.
    pub const fn fixed(limit: u32, per: Duration) -> Self {
        Self {
            limit,
            per,
            counting: Counting::Fixed,
        }
    }

    /// In the span that ends now.
    pub const fn sliding(limit: u32, per: Duration) -> Self {
        Self {
            limit,
            per,
            counting: Counting::Sliding,
        }
    }

    /// In a counter that falls evenly by so much in this time.
    pub const fn falling(limit: u32, by: u32, per: Duration) -> Self {
        Self {
            limit,
            per,
            counting: Counting::Falling { by },
        }
    }

    /// How long what was taken may count.
    fn memory(&self) -> Duration {
        match self.counting {
            Counting::Fixed | Counting::Sliding => self.per,
            Counting::Falling { by } => self.per.saturating_mul(self.limit) / by.max(1),
        }
    }
}

/// When a venue stops refusing and bans.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WireBan {
    /// This many refusals ...
    pub refusals: u32,
    /// ... within this time ban ...
    pub within: Duration,
    /// ... for this long.
    pub lasts: Duration,
}

/// How a key stands at a limit, for the headers of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Weight permitted in a window.
    pub limit: u32,
    /// Weight used in this window.
    pub used: u32,
    /// Weight still permitted.
    pub remaining: u32,
    /// When the window turns, when the oldest weight of a sliding one comes back, or when a counter is at nothing.
    pub resets_at: DateTime<Utc>,
}

/// What a limiter says to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// Come in.
    Granted(Standing),
    /// Too many: there is room again at this time, as far as the one limit knows.
    Refused {
        /// How the key stands at the limit that refused.
        standing: Standing,
        /// When there is room for this weight.
        room_at: DateTime<Utc>,
    },
    /// Refused too often: nothing until then.
    Banned {
        /// End of the ban.
        until: DateTime<Utc>,
    },
}

/// Counts by key (an API key, an account, an address) and refuses what is too much. The first limit is the one that
/// is announced; all are kept. A refused request costs nothing unless the venue counts refusals, too.
///
/// ```
/// use std::time::Duration;
/// use broker_sim::wire::{Admission, WireLimit, WireLimiter};
/// let mut limiter = WireLimiter::new(vec![WireLimit::fixed(2, Duration::from_secs(60))]);
/// let now = chrono::DateTime::UNIX_EPOCH;
/// assert!(matches!(limiter.take("key", 1, now), Admission::Granted(standing) if standing.remaining == 1));
/// assert!(matches!(limiter.take("key", 1, now), Admission::Granted(standing) if standing.remaining == 0));
/// assert!(matches!(limiter.take("key", 1, now), Admission::Refused { .. }));
/// assert!(matches!(limiter.take("another", 1, now), Admission::Granted(_)));
/// ```
#[derive(Debug, Clone)]
pub struct WireLimiter {
    limits: Vec<WireLimit>,
    ban: Option<WireBan>,
    refusals_cost: bool,
    keys: BTreeMap<String, Ledger>,
    refused: u64,
    granted: u64,
}

#[derive(Debug, Clone, Default)]
struct Ledger {
    /// Weight by time of arrival, oldest first; kept as long as the longest limit needs.
    taken: VecDeque<(DateTime<Utc>, u32)>,
    refusals: VecDeque<DateTime<Utc>>,
    banned_until: Option<DateTime<Utc>>,
}

impl WireLimiter {
    /// With these limits; with none everything is granted.
    pub fn new(limits: Vec<WireLimit>) -> Self {
        Self {
            limits,
            ban: None,
            refusals_cost: false,
            keys: BTreeMap::new(),
            refused: 0,
            granted: 0,
        }
    }

    /// Bans those who go on after being refused.
    #[must_use]
    pub fn with_ban(mut self, ban: WireBan) -> Self {
        self.ban = Some(ban);
        self
    }

    /// Refused requests cost their weight, too.
    #[must_use]
    pub fn with_costly_refusals(mut self) -> Self {
        self.refusals_cost = true;
        self
    }

    /// How many requests were refused so far, banned ones included.
    pub fn refused(&self) -> u64 {
        self.refused
    }

    /// How many requests were granted so far.
    pub fn granted(&self) -> u64 {
        self.granted
    }

    /// Takes the weight, or refuses.
    pub fn take(&mut self, key: &str, weight: u32, now: DateTime<Utc>) -> Admission {
        let ledger = self.keys.entry(key.to_owned()).or_default();
        if let Some(until) = ledger.banned_until.filter(|until| now < *until) {
            self.refused += 1;
            return Admission::Banned { until };
        }
        ledger.forget(&self.limits, self.ban, now);
        let full = self.limits.iter().find(|limit| {
            let used = ledger.used(**limit, now);
            u64::from(used) + u64::from(weight) > u64::from(limit.limit)
        });
        if full.is_none() || self.refusals_cost {
            ledger.taken.push_back((now, weight));
        }
        match full {
            None => {
                self.granted += 1;
                Admission::Granted(ledger.announced(&self.limits, now))
            }
            Some(limit) => {
                self.refused += 1;
                ledger.refuse(*limit, weight, self.ban, now)
            }
        }
    }

    /// How a key stands at the announced limit.
    pub fn standing(&self, key: &str, now: DateTime<Utc>) -> Standing {
        match self.keys.get(key) {
            Some(ledger) => ledger.announced(&self.limits, now),
            None => Ledger::default().announced(&self.limits, now),
        }
    }
}

impl Ledger {
    fn forget(&mut self, limits: &[WireLimit], ban: Option<WireBan>, now: DateTime<Utc>) {
        let longest = limits.iter().map(WireLimit::memory).max().unwrap_or_default();
        while self.taken.front().is_some_and(|(at, _)| *at + longest <= now) {
            self.taken.pop_front();
        }
        let watched = ban.map(|ban| ban.within).unwrap_or_default();
        while self.refusals.front().is_some_and(|at| *at + watched <= now) {
            self.refusals.pop_front();
        }
    }

    fn used(&self, limit: WireLimit, now: DateTime<Utc>) -> u32 {
        if let Counting::Falling { by } = limit.counting {
            let points = self.level(limit, by, now).div_ceil(limit.per.as_nanos().max(1));
            return u32::try_from(points).unwrap_or(u32::MAX);
        }
        let turned_at = window_start(limit.per, now);
        let counts = |at: DateTime<Utc>| match limit.counting {
            Counting::Fixed => at >= turned_at,
            Counting::Sliding | Counting::Falling { .. } => at + limit.per > now,
        };
        let weights = self.taken.iter().filter(|(at, _)| counts(*at));
        weights.fold(0, |sum, (_, weight)| sum.saturating_add(*weight))
    }

    /// What a falling counter holds, in weight times nanoseconds of `per`. What was forgotten had fallen to nothing.
    fn level(&self, limit: WireLimit, by: u32, now: DateTime<Utc>) -> u128 {
        let fallen = |from: DateTime<Utc>, to: DateTime<Utc>| {
            (to - from).to_std().unwrap_or_default().as_nanos() * u128::from(by.max(1))
        };
        let (level, at) = self.taken.iter().fold((0, now), |(level, last), (at, weight)| {
            let rest = if level == 0 {
                0u128
            } else {
                u128::saturating_sub(level, fallen(last, *at))
            };
            (rest + u128::from(*weight) * limit.per.as_nanos(), *at)
        });
        level.saturating_sub(fallen(at, now))
    }

    /// When this much of the limit is free; the window's end when it never is.
    fn room_at(&self, limit: WireLimit, weight: u32, now: DateTime<Utc>) -> DateTime<Utc> {
        match limit.counting {
            Counting::Fixed => return window_start(limit.per, now) + limit.per,
            Counting::Falling { by } => {
                let free = u128::from(limit.limit.saturating_sub(weight)) * limit.per.as_nanos();
                let over = self.level(limit, by, now).saturating_sub(free);
                return now + nanos(over.div_ceil(u128::from(by.max(1))));
            }
            Counting::Sliding => {}
        }
        let mut used = self.used(limit, now);
        for (at, taken) in self.taken.iter().filter(|(at, _)| *at + limit.per > now) {
            used = used.saturating_sub(*taken);
            if u64::from(used) + u64::from(weight) <= u64::from(limit.limit) {
                return *at + limit.per;
            }
        }
        now + limit.per
    }

    fn standing(&self, limit: WireLimit, now: DateTime<Utc>) -> Standing {
        let used = self.used(limit, now);
        let oldest = self.taken.iter().map(|(at, _)| *at).find(|at| *at + limit.per > now);
        Standing {
            limit: limit.limit,
            used,
            remaining: limit.limit.saturating_sub(used),
            resets_at: match limit.counting {
                Counting::Fixed => window_start(limit.per, now) + limit.per,
                Counting::Sliding => oldest.unwrap_or(now) + limit.per,
                Counting::Falling { .. } => self.room_at(limit, limit.limit, now),
            },
        }
    }

    fn announced(&self, limits: &[WireLimit], now: DateTime<Utc>) -> Standing {
        match limits.first() {
            Some(limit) => self.standing(*limit, now),
            None => Standing {
                limit: u32::MAX,
                used: 0,
                remaining: u32::MAX,
                resets_at: now,
            },
        }
    }

    fn refuse(&mut self, limit: WireLimit, weight: u32, ban: Option<WireBan>, now: DateTime<Utc>) -> Admission {
        self.refusals.push_back(now);
        let often = |ban: &WireBan| u32::try_from(self.refusals.len()).unwrap_or(u32::MAX) >= ban.refusals;
        if let Some(ban) = ban.filter(often) {
            let until = now + ban.lasts;
            self.refusals.clear();
            self.banned_until = Some(until);
            return Admission::Banned { until };
        }
        Admission::Refused {
            standing: self.standing(limit, now),
            room_at: self.room_at(limit, weight, now),
        }
    }
}

fn nanos(nanos: u128) -> chrono::Duration {
    chrono::Duration::nanoseconds(i64::try_from(nanos).unwrap_or(i64::MAX))
}

/// Start of the window that holds `now`: windows are counted from the epoch. A length of zero has no window.
fn window_start(per: Duration, now: DateTime<Utc>) -> DateTime<Utc> {
    let length = i64::try_from(per.as_micros()).unwrap_or(i64::MAX).max(1);
    let start = now.timestamp_micros().div_euclid(length) * length;
    DateTime::from_timestamp_micros(start).unwrap_or(now)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn at(millis: i64) -> DateTime<Utc> {
        DateTime::from_timestamp_millis(1_767_225_600_000 + millis).unwrap()
    }

    #[test]
    fn a_fixed_window_turns_with_the_clock() {
        let mut limiter = WireLimiter::new(vec![WireLimit::fixed(3, MINUTE)]);
        assert!(matches!(limiter.take("k", 3, at(59_000)), Admission::Granted(s) if s.remaining == 0));
        let refused = limiter.take("k", 1, at(59_999));
        let standing = Standing {
            limit: 3,
            used: 3,
            remaining: 0,
            resets_at: at(60_000),
        };
        assert_eq!(
            refused,
            Admission::Refused {
                standing,
                room_at: at(60_000)
            }
        );
        // One second after the first three, all are back: a client that counts from its first call is surprised.
        let granted = Standing {
            limit: 3,
            used: 1,
            remaining: 2,
            resets_at: at(120_000),
        };
        assert_eq!(limiter.take("k", 1, at(60_000)), Admission::Granted(granted));
        assert_eq!((limiter.granted(), limiter.refused()), (2, 1));
    }

    #[test]
    fn a_sliding_window_gives_each_weight_back_by_itself() {
        let mut limiter = WireLimiter::new(vec![WireLimit::sliding(3, MINUTE)]);
        limiter.take("k", 1, at(0));
        limiter.take("k", 2, at(30_000));
        let standing = Standing {
            limit: 3,
            used: 3,
            remaining: 0,
            resets_at: at(60_000),
        };
        let refused = limiter.take("k", 2, at(59_999));
        assert_eq!(
            refused,
            Admission::Refused {
                standing,
                room_at: at(90_000)
            }
        );
        assert!(matches!(limiter.take("k", 1, at(60_000)), Admission::Granted(s) if s.remaining == 0));
        assert!(matches!(limiter.take("k", 1, at(60_001)), Admission::Refused { .. }));
    }

    #[test]
    fn a_counter_falls_evenly_and_forgets_nothing_before_it_is_empty() {
        // 15 points, one every three seconds.
        let mut limiter = WireLimiter::new(vec![WireLimit::falling(15, 1, Duration::from_secs(3))]);
        assert!(
            matches!(limiter.take("k", 14, at(0)), Admission::Granted(s) if (s.used, s.resets_at) == (14, at(42_000)))
        );
        let standing = Standing {
            limit: 15,
            used: 14,
            remaining: 1,
            resets_at: at(42_000),
        };
        let refused = Admission::Refused {
            standing,
            room_at: at(3_000),
        };
        assert_eq!(
            limiter.take("k", 2, at(2_999)),
            Admission::Refused {
                standing,
                room_at: at(3_000)
            }
        );
        assert_eq!(limiter.take("k", 2, at(1)), refused);
        assert!(matches!(limiter.take("k", 2, at(3_000)), Admission::Granted(s) if s.remaining == 0));
        // 30 seconds take ten off; a point that came while the first still counted ends behind it.
        assert!(matches!(limiter.take("k", 10, at(33_000)), Admission::Granted(s) if s.used == 15));
        assert_eq!(limiter.standing("k", at(77_999)).used, 1);
        assert_eq!(limiter.standing("k", at(78_000)).used, 0);
    }

    #[test]
    fn all_limits_are_kept_and_the_first_is_announced() {
        let second = Duration::from_secs(1);
        let limits = vec![WireLimit::fixed(100, MINUTE), WireLimit::fixed(2, second)];
        let mut limiter = WireLimiter::new(limits);
        limiter.take("k", 2, at(0));
        assert!(matches!(limiter.take("k", 1, at(999)), Admission::Refused { room_at, .. } if room_at == at(1_000)));
        assert!(
            matches!(limiter.take("k", 1, at(1_000)), Admission::Granted(s) if (s.limit, s.remaining) == (100, 97))
        );
        assert_eq!(limiter.standing("other", at(0)).remaining, 100);
    }

    #[test]
    fn those_who_go_on_are_banned() {
        let ban = WireBan {
            refusals: 2,
            within: MINUTE,
            lasts: 2 * MINUTE,
        };
        let mut limiter = WireLimiter::new(vec![WireLimit::fixed(1, Duration::from_secs(10))]).with_ban(ban);
        limiter.take("k", 1, at(0));
        assert!(matches!(limiter.take("k", 1, at(1)), Admission::Refused { .. }));
        assert_eq!(limiter.take("k", 1, at(2)), Admission::Banned { until: at(120_002) });
        assert_eq!(
            limiter.take("k", 1, at(120_001)),
            Admission::Banned { until: at(120_002) }
        );
        assert!(matches!(limiter.take("k", 1, at(120_002)), Admission::Granted(_)));
        // Two refusals further apart than the watched time do not ban.
        assert!(matches!(limiter.take("k", 1, at(120_003)), Admission::Refused { .. }));
        limiter.take("k", 1, at(180_000));
        assert!(matches!(limiter.take("k", 1, at(180_003)), Admission::Refused { .. }));
    }

    #[test]
    fn refusals_cost_only_where_the_venue_says_so() {
        let limit = || vec![WireLimit::sliding(1, MINUTE)];
        let mut cheap = WireLimiter::new(limit());
        let mut costly = WireLimiter::new(limit()).with_costly_refusals();
        for limiter in [&mut cheap, &mut costly] {
            limiter.take("k", 1, at(0));
            assert!(matches!(limiter.take("k", 1, at(30_000)), Admission::Refused { .. }));
        }
        assert!(matches!(cheap.take("k", 1, at(60_000)), Admission::Granted(_)));
        assert!(matches!(costly.take("k", 1, at(60_000)), Admission::Refused { .. }));
    }
}
