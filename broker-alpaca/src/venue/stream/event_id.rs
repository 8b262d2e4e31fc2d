//! Ids of events: ULIDs, which sort as the events came.

use chrono::{DateTime, Utc};

const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const LENGTH: u32 = 26;
/// Bits behind the milliseconds.
const TAIL: u32 = 80;

/// Makes ids, each greater than the one before. What a ULID draws by chance is counted here.
#[derive(Debug, Default)]
pub(super) struct EventIds {
    latest: u64,
    count: u64,
}

impl EventIds {
    /// The id of an event of this moment; one that lies before the last event's gets that one's time.
    pub(super) fn next(&mut self, at: DateTime<Utc>) -> String {
        let millis = u64::try_from(at.timestamp_millis()).unwrap_or(0);
        self.latest = self.latest.max(millis);
        self.count = self.count.saturating_add(1);
        let value = (u128::from(self.latest) << TAIL) | u128::from(self.count);
        (0..LENGTH).rev().map(|place| letter(value >> (5 * place))).collect()
    }
}

fn letter(bits: u128) -> char {
    let index = u8::try_from(bits & 31).unwrap_or(0);
    ALPHABET.get(usize::from(index)).copied().map_or('0', char::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_sort_as_they_came() {
        let mut ids = EventIds::default();
        let at = |millis| DateTime::from_timestamp_millis(millis).unwrap();
        // 1,469,918,176,385 ms is the example of the ULID specification.
        let first = ids.next(at(1_469_918_176_385));
        assert_eq!(first, "01ARYZ6S410000000000000001");
        let same = ids.next(at(1_469_918_176_385));
        assert_eq!(same, "01ARYZ6S410000000000000002");
        let earlier = ids.next(at(1_469_918_176_000));
        assert_eq!(earlier, "01ARYZ6S410000000000000003");
        let later = ids.next(at(1_469_918_176_386));
        assert_eq!(later, "01ARYZ6S420000000000000004");
        assert!(first < same && same < earlier && earlier < later);
    }
}
