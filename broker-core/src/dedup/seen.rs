//! A compact set of the rows that were seen.

use std::collections::HashMap;

use super::hash::Key;

/// What a row is to what was seen before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Seen {
    /// Not seen before.
    New,
    /// Seen in this version or a higher one.
    Duplicate,
    /// Seen in a lower version.
    Correction,
}

/// The rows that were seen, by key and highest version.
///
/// An open table of 16 bytes an entry: 112 bits of the key and, in the other 16, the version. Versions above 65,534
/// stand in a table of their own (some 60 bytes each). It grows by two fifths when it is three quarters full, so that
/// it takes 21 to 30 bytes a row; with [`with_capacity`](Self::with_capacity) 21.3. Among a thousand million rows, two
/// different ones share 112 bits with a chance of about 1e-16.
///
/// A row is to be marked as seen only after it was applied and stored: [`look`](Self::look) before,
/// [`insert`](Self::insert) after.
///
/// ```
/// use broker_core::dedup::{KeySpace, RowKind, Seen, SeenSet};
/// # use broker_core::model::Environment;
/// let keys = KeySpace::new(&"ibkr".into(), Environment::Paper, &"U1".into());
/// let (one, two) = (keys.key(RowKind::Fill, "1"), keys.key(RowKind::Fill, "2"));
/// let mut seen = SeenSet::new();
/// assert_eq!(seen.look(one, 1), Seen::New);
/// assert_eq!(seen.insert(one, 1), Seen::New);
/// assert_eq!(seen.insert(one, 1), Seen::Duplicate);
/// assert_eq!(seen.insert(one, 2), Seen::Correction);
/// assert_eq!(seen.insert(one, 1), Seen::Duplicate);
/// assert_eq!(seen.insert(two, 0), Seen::New);
/// ```
#[derive(Debug, Clone, Default)]
pub struct SeenSet {
    /// 0 is an empty place.
    places: Vec<u128>,
    len: usize,
    /// Versions that do not fit beside their key.
    high_versions: HashMap<u128, u64>,
}

const VERSION_BITS: u32 = 16;

/// Says that the version stands in the other table.
const HIGH: u64 = 0xffff;

const SMALLEST: usize = 16;

impl SeenSet {
    /// An empty set.
    pub fn new() -> Self {
        Self::default()
    }

    /// A set with room for this many rows.
    pub fn with_capacity(rows: usize) -> Self {
        let mut set = Self::new();
        set.places = vec![0; (rows / 3 * 4 + 4).max(SMALLEST)];
        set
    }

    /// How many rows were seen, each once.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether none was.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Bytes of memory that the tables take.
    pub fn bytes(&self) -> usize {
        // A hash map takes 32 bytes an entry and a byte of its own, and at most 8/7 of its capacity.
        size_of_val(self.places.as_slice()) + self.high_versions.capacity() * 38
    }

    /// What a row would be, without marking it.
    pub fn look(&self, key: Key, version: u64) -> Seen {
        let name = name_of(key);
        match self.find(name).and_then(|place| self.places.get(place)) {
            Some(entry) if *entry != 0 => self.compare(*entry, version),
            _ => Seen::New,
        }
    }

    /// Marks a row as seen.
    #[inline]
    pub fn insert(&mut self, key: Key, version: u64) -> Seen {
        if self.len >= self.places.len() / 4 * 3 {
            self.grow();
        }
        let name = name_of(key);
        let Some(place) = self.find(name) else { return Seen::New };
        let known = self.places.get(place).copied().unwrap_or_default();
        let seen = if known == 0 {
            Seen::New
        } else {
            self.compare(known, version)
        };
        if seen == Seen::Duplicate {
            return seen;
        }
        self.len += usize::from(known == 0);
        if version >= HIGH {
            self.high_versions.insert(name, version);
        }
        if let Some(entry) = self.places.get_mut(place) {
            *entry = name | u128::from(version.min(HIGH));
        }
        seen
    }

    fn compare(&self, entry: u128, version: u64) -> Seen {
        let name = entry >> VERSION_BITS << VERSION_BITS;
        let known = match u64::try_from(entry ^ name).unwrap_or(HIGH) {
            HIGH => self.high_versions.get(&name).copied().unwrap_or(HIGH),
            low => low,
        };
        if version > known {
            Seen::Correction
        } else {
            Seen::Duplicate
        }
    }

    /// The place of a key, or the empty one where it belongs. `None` for a table without places.
    #[inline]
    fn find(&self, name: u128) -> Option<usize> {
        let count = self.places.len();
        let mut place = place_of(name, count);
        for _ in 0..count {
            let entry = self.places.get(place)?;
            if *entry == 0 || entry >> VERSION_BITS == name >> VERSION_BITS {
                return Some(place);
            }
            place = if place + 1 == count { 0 } else { place + 1 };
        }
        None
    }

    #[cold]
    fn grow(&mut self) {
        let count = (self.places.len() + self.places.len() / 5 * 2).max(SMALLEST);
        let old = std::mem::replace(&mut self.places, vec![0; count]);
        for entry in old.into_iter().filter(|entry| *entry != 0) {
            let name = entry >> VERSION_BITS << VERSION_BITS;
            if let Some(place) = self.find(name).and_then(|place| self.places.get_mut(place)) {
                *place = entry;
            }
        }
    }
}

/// The key without the bits of the version; never 0, which marks an empty place.
fn name_of(key: Key) -> u128 {
    let name = key.0 >> VERSION_BITS << VERSION_BITS;
    if name == 0 { 1 << VERSION_BITS } else { name }
}

/// Spreads the highest 64 bits of a key evenly over the places.
fn place_of(name: u128, count: usize) -> usize {
    let high = name >> 64;
    usize::try_from((high * count as u128) >> 64).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dedup::{KeySpace, RowKind};
    use crate::model::Environment;

    fn keys(count: u32) -> impl Iterator<Item = Key> {
        let keys = KeySpace::new(&"sim".into(), Environment::Paper, &"1".into());
        (0..count).map(move |id| keys.key(RowKind::Fill, &id.to_string()))
    }

    #[test]
    fn every_row_is_new_once_through_all_growth() {
        let mut seen = SeenSet::new();
        for key in keys(50_000) {
            assert_eq!(seen.look(key, 0), Seen::New);
            assert_eq!(seen.insert(key, 0), Seen::New);
        }
        assert!(keys(50_000).all(|key| seen.insert(key, 0) == Seen::Duplicate));
        assert_eq!(seen.len(), 50_000);
    }

    #[test]
    fn never_more_than_32_bytes_a_row() {
        let mut seen = SeenSet::new();
        for (count, key) in keys(200_000).enumerate() {
            seen.insert(key, 3);
            let rows = count + 1;
            assert!(
                rows < 1000 || seen.bytes() <= 32 * rows,
                "{} bytes for {rows}",
                seen.bytes()
            );
        }
        let mut sized = SeenSet::with_capacity(200_000);
        assert!(keys(200_000).all(|key| sized.insert(key, 3) == Seen::New));
        assert_eq!(sized.bytes(), 200_000 / 3 * 64 + 64);
    }

    #[test]
    fn versions_of_any_size_are_compared() {
        let mut seen = SeenSet::new();
        let key = Key(7 << 64);
        for (version, is) in [
            (0, Seen::New),
            (0, Seen::Duplicate),
            (65_534, Seen::Correction),
            (65_534, Seen::Duplicate),
            (65_535, Seen::Correction),
            (65_535, Seen::Duplicate),
            (1_760_000_000_000_000_000, Seen::Correction),
            (65_536, Seen::Duplicate),
            (u64::MAX, Seen::Correction),
            (u64::MAX, Seen::Duplicate),
        ] {
            assert_eq!(seen.look(key, version), is, "{version}");
            assert_eq!(seen.insert(key, version), is, "{version}");
        }
        assert_eq!(seen.insert(Key(0), 0), Seen::New);
        assert_eq!(seen.insert(Key(0), 0), Seen::Duplicate);
        assert_eq!(seen.len(), 2);
    }
}
