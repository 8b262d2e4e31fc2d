//! What the venue's counts say about others who use the same bucket.

use chrono::{DateTime, Utc};

use super::permit::Sent;
use super::{MARGIN, Nanos};

/// The venue's count, as one answer told it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Word {
    /// Weight used in the venue's window, this call included.
    pub(super) count: u32,
    /// When its window turns: by its clock, and in our time.
    pub(super) resets: Option<(DateTime<Utc>, Nanos)>,
}

/// The venue's window as far as answers told.
///
/// Others' use is the venue's highest count in its window less ours that was answered in it. Where calls go one after
/// another this is `limit - remaining - 1 - ours answered before this request was sent`; where they overlap it does
/// not take our own calls under way for those of others.
#[derive(Debug, Default)]
pub(super) struct Learned {
    told: bool,
    count: u32,
    /// When the answer with that count came.
    count_at: Nanos,
    /// Ours answered in this window.
    ours: u32,
    /// Calls sent earlier may belong to the window before.
    since: Nanos,
    /// When the call was sent that was sent latest of those heard.
    latest: Nanos,
    resets: Option<(DateTime<Utc>, Nanos)>,
    /// The count says nothing from here on.
    until: Nanos,
}

enum Age {
    Older,
    Same,
    Newer,
}

impl Learned {
    /// What others use. Once the window has turned they are expected to use the same again, up to half of the limit,
    /// until the next answer tells.
    pub(super) fn others(&self, now: Nanos, limit: u32) -> u32 {
        if !self.told || now >= self.until {
            return 0;
        }
        let others = self.count.saturating_sub(self.ours);
        match self.resets {
            Some((_, turn)) if turn <= now => others.min(limit / 2),
            _ => others,
        }
    }

    /// When that changes without an answer.
    pub(super) fn turns(&self, now: Nanos) -> [Option<Nanos>; 2] {
        let later = |at: Nanos| (self.told && at > now).then_some(at);
        [self.resets.and_then(|(_, turn)| later(turn)), later(self.until)]
    }

    pub(super) fn resets_after(&self, now: Nanos) -> Option<Nanos> {
        self.resets.map(|(_, turn)| turn).filter(|turn| *turn > now)
    }

    pub(super) fn is_latest(&self, call: &Sent) -> bool {
        call.granted_at >= self.latest
    }

    /// `before` is ours that was answered within a span, this call left out.
    pub(super) fn hear(&mut self, word: Word, call: &Sent, before: u32, now: Nanos, per: Nanos) {
        match self.age(&word, call, per) {
            Age::Older => return,
            Age::Same => {
                self.ours = self.ours.saturating_add(call.weight);
                if word.count >= self.count || call.granted_at > self.count_at {
                    (self.count, self.count_at) = (word.count, now);
                }
            }
            Age::Newer => {
                let first = !self.told;
                self.ours = if first {
                    before.saturating_add(call.weight)
                } else {
                    call.weight
                };
                self.since = if first { 0 } else { call.granted_at };
                (self.count, self.count_at) = (word.count, now);
                self.resets = word.resets;
                self.told = true;
            }
        }
        self.latest = self.latest.max(call.granted_at);
        self.until = now + per + MARGIN;
    }

    pub(super) fn hear_nothing(&mut self, call: &Sent) {
        if self.told && call.granted_at >= self.since {
            self.ours = self.ours.saturating_add(call.weight);
        }
    }

    /// To which window a word belongs.
    fn age(&self, word: &Word, call: &Sent, per: Nanos) -> Age {
        if !self.told {
            return Age::Newer;
        }
        if let (Some((known, _)), Some((new, _))) = (self.resets, word.resets) {
            let half = chrono::TimeDelta::nanoseconds(i64::try_from(per / 2).unwrap_or(i64::MAX));
            return match new - known {
                ahead if ahead > half => Age::Newer,
                ahead if ahead < -half => Age::Older,
                _ => Age::Same,
            };
        }
        if call.granted_at < self.since {
            return Age::Older;
        }
        // Sent after that answer, and yet counted lower, or a whole span later: the window turned between the two.
        let after = call.granted_at > self.count_at;
        if after && (word.count < self.count || call.granted_at >= self.count_at + per) {
            return Age::Newer;
        }
        Age::Same
    }
}
