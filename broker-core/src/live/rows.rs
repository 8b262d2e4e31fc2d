//! The rows that were delivered, remembered for as long as a read-back can meet them again.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;

use crate::dedup::{Key, Seen, SeenSet};
use crate::id::{InstrumentId, OrderId};
use crate::model::Grade;

/// Rows of a generation before it may make place for the next: two take some 4 MiB.
const GENERATION: usize = 65_536;

/// Delivered rows in two generations. The older one is forgotten once the younger one is full and no read-back can
/// ask for its rows any more; until then the younger one grows, by at most 30 bytes a row.
#[derive(Debug, Default)]
pub(super) struct Rows {
    young: Generation,
    old: Generation,
}

#[derive(Debug, Default)]
struct Generation {
    seen: SeenSet,
    /// When its last row was delivered.
    last: DateTime<Utc>,
}

impl Rows {
    /// What a row is to those delivered before.
    pub(super) fn look(&self, key: Key, version: u64) -> Seen {
        match (self.young.seen.look(key, version), self.old.seen.look(key, version)) {
            (Seen::Duplicate, _) | (_, Seen::Duplicate) => Seen::Duplicate,
            (Seen::Correction, _) | (_, Seen::Correction) => Seen::Correction,
            (Seen::New, Seen::New) => Seen::New,
        }
    }

    /// Marks a row as delivered now. `needed` is the earliest time that a read-back may still ask for.
    pub(super) fn insert(&mut self, key: Key, version: u64, now: DateTime<Utc>, needed: DateTime<Utc>) {
        if self.young.seen.len() >= GENERATION && self.old.last < needed {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.seen.insert(key, version);
        self.young.last = now;
    }

    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        self.young.seen.bytes() + self.old.seen.bytes()
    }
}

/// Which order a delivered fill belongs to, and how much of it was counted there.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) order: Key,
    pub(super) id: OrderId,
    pub(super) instrument: InstrumentId,
    pub(super) qty: Decimal,
    pub(super) grade: Grade,
}

/// A map that forgets: at most two generations of `LIMIT` entries.
#[derive(Debug)]
pub(super) struct Lately<V, const LIMIT: usize> {
    young: HashMap<Key, V, Hashed>,
    old: HashMap<Key, V, Hashed>,
}

/// A key is a hash already: half of its bits are one for a table.
type Hashed = BuildHasherDefault<KeyBits>;

#[derive(Debug, Default)]
struct KeyBits(u64);

impl Hasher for KeyBits {
    fn write_u128(&mut self, key: u128) {
        self.0 = u64::try_from(key & u128::from(u64::MAX)).unwrap_or_default();
    }

    /// Any other text, eight bytes at a time.
    fn write(&mut self, bytes: &[u8]) {
        for part in bytes.chunks(8) {
            let word = part.iter().fold(0, |word, byte| word << 8 | u64::from(*byte));
            self.0 = (self.0 ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        }
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

impl<V, const LIMIT: usize> Default for Lately<V, LIMIT> {
    fn default() -> Self {
        Self {
            young: HashMap::default(),
            old: HashMap::default(),
        }
    }
}

impl<V, const LIMIT: usize> Lately<V, LIMIT> {
    pub(super) fn get(&self, key: Key) -> Option<&V> {
        self.young.get(&key).or_else(|| self.old.get(&key))
    }

    pub(super) fn take(&mut self, key: Key) -> Option<V> {
        let young = self.young.remove(&key);
        let old = self.old.remove(&key);
        young.or(old)
    }

    pub(super) fn put(&mut self, key: Key, value: V) {
        if self.young.len() >= LIMIT && !self.young.contains_key(&key) {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key, value);
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }

    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        // A hash map takes an entry and a byte of its own, and 8/7 of its capacity.
        (self.young.capacity() + self.old.capacity()) * 8 / 7 * (size_of::<(Key, V)>() + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(second, 0).unwrap()
    }

    fn key(row: u32) -> Key {
        // Spread over the whole range, as a hash is.
        Key((u128::from(row) + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835))
    }

    #[test]
    fn rows_that_a_read_back_may_meet_are_never_forgotten() {
        let mut rows = Rows::default();
        for row in 0..300_000 {
            rows.insert(key(row), 0, at(i64::from(row)), at(0));
        }
        assert!((0..300_000).all(|row| rows.look(key(row), 0) == Seen::Duplicate));
    }

    #[test]
    fn others_are_forgotten_in_two_generations() {
        let mut rows = Rows::default();
        for row in 0..1_000_000 {
            // The last 100 rows are needed.
            rows.insert(key(row), 0, at(i64::from(row)), at(i64::from(row) - 100));
        }
        assert!(rows.bytes() <= 2 * 65_536 * 32, "{} bytes", rows.bytes());
        // At least the last generation is there.
        assert!((935_000..1_000_000).all(|row| rows.look(key(row), 0) == Seen::Duplicate));
        assert_eq!(rows.look(key(0), 0), Seen::New);
        assert_eq!(rows.look(key(999_999), 1), Seen::Correction);
        assert_eq!(rows.look(key(935_000), 1), Seen::Correction);
    }

    #[test]
    fn a_million_rows_of_one_gap_fit() {
        let mut rows = Rows::default();
        for row in 0..1_000_000 {
            rows.insert(key(row), 0, at(i64::from(row)), at(0));
        }
        assert!(rows.bytes() < 32 << 20, "{} bytes", rows.bytes());
    }

    #[test]
    fn a_map_that_forgets_keeps_the_latest() {
        let mut map = Lately::<u32, 3>::default();
        for n in 0..7 {
            map.put(key(n), n);
        }
        let kept: Vec<u32> = (0..7).filter_map(|n| map.get(key(n)).copied()).collect();
        assert_eq!(kept, [3, 4, 5, 6]);
        assert_eq!(map.take(key(4)), Some(4));
        assert_eq!(map.get(key(4)), None);
    }
}
