//! A counter that every call adds to and that time takes from.

use super::{MARGIN, Nanos};

/// What counts now: weight under way, and a level that falls evenly.
///
/// A call's weight joins the level at its answer, later than at the venue. A level that is added to later is never
/// lower, so what fits here fits there.
#[derive(Debug)]
pub(super) struct Decay {
    limit: u32,
    falls: u64,
    per: Nanos,
    under_way: u32,
    /// The level at `at`, in weight times `per`: it falls by `falls` a nanosecond.
    level: u128,
    at: Nanos,
    /// Some call was answered: until then only half of the limit is used, for a process before this one may have
    /// used the rest.
    answered: bool,
}

const SECOND: Nanos = 1_000_000_000;

impl Decay {
    pub(super) fn new(limit: u32, falls: u32, per: Nanos) -> Self {
        Self {
            limit,
            falls: u64::from(falls.max(1)),
            per: per.max(1),
            under_way: 0,
            level: 0,
            at: 0,
            answered: false,
        }
    }

    pub(super) fn limit(&self) -> u32 {
        self.limit
    }

    /// Ours that counts now, rounded up.
    pub(super) fn used(&mut self, now: Nanos) -> u32 {
        self.settle(now);
        let level = self.level.div_ceil(u128::from(self.per));
        self.under_way.saturating_add(u32::try_from(level).unwrap_or(u32::MAX))
    }

    pub(super) fn has_room(&mut self, now: Nanos, weight: u32) -> bool {
        self.opens_at(now, weight) == Some(now)
    }

    /// When there will be room if nothing happens until then; `None` when that hangs on answers.
    pub(super) fn opens_at(&mut self, now: Nanos, weight: u32) -> Option<Nanos> {
        self.settle(now);
        let held = self.under_way.checked_add(weight)?;
        let level = match self.allowed().checked_sub(held) {
            Some(room) => self.points(room),
            // A call that is heavier than what is allowed goes alone.
            None if self.under_way == 0 => 0,
            None => return None,
        };
        let wait = self.level.saturating_sub(level).div_ceil(u128::from(self.falls));
        Some(now.saturating_add(Nanos::try_from(wait).unwrap_or(Nanos::MAX)))
    }

    pub(super) fn take(&mut self, weight: u32) {
        self.under_way += weight;
    }

    /// Nothing was sent.
    pub(super) fn give_back(&mut self, weight: u32) {
        self.under_way -= weight;
    }

    /// The answer came, or is not waited for any longer.
    pub(super) fn stamp(&mut self, now: Nanos, weight: u32) {
        self.settle(now);
        self.under_way -= weight;
        self.level += self.points(weight);
        self.answered = true;
    }

    pub(super) fn refund(&mut self, now: Nanos, weight: u32) {
        self.settle(now);
        self.level = self.level.saturating_sub(self.points(weight));
    }

    /// The venue told its count, or a new limit. Only a higher count is believed: ours may be on its way.
    pub(super) fn hear(&mut self, count: u32, limit: Option<u32>, now: Nanos) {
        self.limit = limit.filter(|limit| *limit > 0).unwrap_or(self.limit);
        self.settle(now);
        self.level = self.level.max(self.points(count.saturating_sub(self.under_way)));
    }

    /// The venue refused: its counter is full, whoever filled it. Gives when half of it will be free.
    pub(super) fn refused(&mut self, now: Nanos) -> Nanos {
        self.hear(self.limit, None, now);
        let half = self.points(self.limit / 2).div_ceil(u128::from(self.falls));
        now.saturating_add(Nanos::try_from(half).unwrap_or(Nanos::MAX))
            .saturating_add(MARGIN)
    }

    fn settle(&mut self, now: Nanos) {
        let passed = u128::from(now.saturating_sub(self.at));
        self.level = self.level.saturating_sub(passed * u128::from(self.falls));
        self.at = self.at.max(now);
    }

    /// What falls in a second is left free, for a venue may take it off only once the second is over. It costs nothing of
    /// the rate, only of the first burst.
    fn allowed(&self) -> u32 {
        let spare = (u128::from(self.falls) * u128::from(SECOND)).div_ceil(u128::from(self.per));
        let spare = u32::try_from(spare).unwrap_or(u32::MAX).min(self.limit / 2);
        let whole = self.limit.saturating_sub(spare).max(1);
        if self.answered { whole } else { (whole / 2).max(1) }
    }

    fn points(&self, weight: u32) -> u128 {
        u128::from(weight) * u128::from(self.per)
    }
}
