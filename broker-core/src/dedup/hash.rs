//! Keys of 128 bits from a hash that is the same in every process and version.

use crate::id::{AccountId, BrokerId};
use crate::model::{Environment, RecordKey};

/// What kind of row an id names; ids are unique among rows of one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RowKind {
    /// A fill.
    Fill,
    /// A void.
    Void,
    /// A fee.
    Fee,
    /// A flow.
    Flow,
}

/// Key of a row: 128 bits of its broker, environment, account, kind and id. It may be stored: it is the same for ever.
///
/// Among a thousand million rows, two different ones share a key with a chance of about 1.5e-21.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(pub u128);

/// The keys of one account at one broker. Holds the hash of what all its rows have in common.
///
/// The hash is SipHash-1-3 with 128 bits of output (Aumasson and Bernstein) under a fixed key, so it defends
/// against chance, not against a broker that looks for collisions, and more rounds would add nothing. Each text goes in as its length, then its bytes
/// in words of eight, the last one filled with zeros; the kind is in the highest byte of the id's length.
///
/// ```
/// use broker_core::dedup::{KeySpace, RowKind};
/// use broker_core::model::Environment;
/// let keys = KeySpace::new(&"alpaca".into(), Environment::Paper, &"U1".into());
/// assert_eq!(keys.key(RowKind::Fill, "1"), keys.key(RowKind::Fill, "1"));
/// assert_ne!(keys.key(RowKind::Fill, "1"), keys.key(RowKind::Fee, "1"));
/// ```
#[derive(Debug, Clone)]
pub struct KeySpace {
    start: Sip,
}

/// Key of the hash: the first 128 bits of the fraction of pi. Changing it makes every stored key worthless.
const SECRET: (u64, u64) = (0x243f_6a88_85a3_08d3, 0x1319_8a2e_0370_7344);

impl KeySpace {
    /// The keys of this account.
    pub fn new(broker: &BrokerId, environment: Environment, account: &AccountId) -> Self {
        let mut start = Sip::new(SECRET.0, SECRET.1);
        let environment = match environment {
            Environment::Paper => "paper",
            Environment::Live => "live",
        };
        for text in [broker.get(), environment, account.get()] {
            start.text(0, text.as_bytes());
        }
        Self { start }
    }

    /// The key of a row.
    #[inline]
    pub fn key(&self, kind: RowKind, id: &str) -> Key {
        let mut sip = self.start;
        let kind = match kind {
            RowKind::Fill => 1,
            RowKind::Void => 2,
            RowKind::Fee => 3,
            RowKind::Flow => 4,
        };
        sip.text(kind, id.as_bytes());
        Key(sip.finish())
    }

    /// The key of a record.
    pub fn key_of(&self, record: &RecordKey) -> Key {
        match record {
            RecordKey::Fill(id) => self.key(RowKind::Fill, id.get()),
            RecordKey::Void(id) => self.key(RowKind::Void, id.get()),
            RecordKey::Fee(id) => self.key(RowKind::Fee, id.get()),
            RecordKey::Flow(id) => self.key(RowKind::Flow, id.get()),
        }
    }
}

/// SipHash-1-3 of 128 bits over whole words.
#[derive(Debug, Clone, Copy)]
struct Sip {
    v0: u64,
    v1: u64,
    v2: u64,
    v3: u64,
    words: u64,
}

impl Sip {
    fn new(k0: u64, k1: u64) -> Self {
        Self {
            v0: k0 ^ 0x736f_6d65_7073_6575,
            v1: k1 ^ 0x646f_7261_6e64_6f6d ^ 0xee,
            v2: k0 ^ 0x6c79_6765_6e65_7261,
            v3: k1 ^ 0x7465_6462_7974_6573,
            words: 0,
        }
    }

    /// A text behind its length and a tag.
    #[inline]
    fn text(&mut self, tag: u8, bytes: &[u8]) {
        // A slice is shorter than 2^56 bytes, so the tag and the length do not meet.
        self.word(u64::from(tag) << 56 | bytes.len() as u64);
        self.bytes(bytes);
    }

    #[inline]
    fn bytes(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            self.word(u64::from_le_bytes(*word));
        }
        if !rest.is_empty() {
            let mut last = [0; 8];
            last[..rest.len()].copy_from_slice(rest);
            self.word(u64::from_le_bytes(last));
        }
    }

    #[inline]
    fn word(&mut self, word: u64) {
        self.v3 ^= word;
        self.round();
        self.v0 ^= word;
        self.words = self.words.wrapping_add(1);
    }

    #[inline]
    fn finish(mut self) -> u128 {
        let length = self.words.wrapping_mul(8) << 56;
        self.word(length);
        self.v2 ^= 0xee;
        let low = self.squeeze();
        self.v1 ^= 0xdd;
        let high = self.squeeze();
        u128::from(high) << 64 | u128::from(low)
    }

    #[inline]
    fn squeeze(&mut self) -> u64 {
        for _ in 0..3 {
            self.round();
        }
        self.v0 ^ self.v1 ^ self.v2 ^ self.v3
    }

    #[inline]
    fn round(&mut self) {
        self.v0 = self.v0.wrapping_add(self.v1);
        self.v1 = self.v1.rotate_left(13) ^ self.v0;
        self.v0 = self.v0.rotate_left(32);
        self.v2 = self.v2.wrapping_add(self.v3);
        self.v3 = self.v3.rotate_left(16) ^ self.v2;
        self.v0 = self.v0.wrapping_add(self.v3);
        self.v3 = self.v3.rotate_left(21) ^ self.v0;
        self.v2 = self.v2.wrapping_add(self.v1);
        self.v1 = self.v1.rotate_left(17) ^ self.v2;
        self.v2 = self.v2.rotate_left(32);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The reference key 00..0f over 0, 8 and 16 bytes 00, 01, ...; computed with OpenSSL's SIPHASH of
    /// `c-rounds:1` and `d-rounds:3`.
    #[test]
    fn another_implementation_says_the_same() {
        let k0 = u64::from_le_bytes([0, 1, 2, 3, 4, 5, 6, 7]);
        let k1 = u64::from_le_bytes([8, 9, 10, 11, 12, 13, 14, 15]);
        for (count, digest) in [
            (0, 0xE77E_BCB2_2788_A5BE_FD62_DB6A_DD30_3001),
            (8, 0xAA12_FEE1_D5E3_DAB4_724F_16AB_35F9_C799),
            (16, 0xD0A8_D957_1551_8EEB_B513_B0F8_3D9E_1793),
        ] {
            let bytes: Vec<u8> = (0..count).collect();
            let mut sip = Sip::new(k0, k1);
            sip.bytes(&bytes);
            assert_eq!(sip.finish(), u128::swap_bytes(digest), "{count} bytes");
        }
    }

    /// Keys are stored: this value may never change. Computed with OpenSSL's SIPHASH, as above, over the words as
    /// documented.
    #[test]
    fn a_key_is_the_same_for_ever() {
        let keys = KeySpace::new(&"alpaca".into(), Environment::Paper, &"PA3X".into());
        let key = keys.key(RowKind::Fill, "20260105093000000::8c6a2f0e");
        assert_eq!(key, Key(0xa8eb_4bac_49af_da0a_edf0_fbb8_5148_1028));
        assert_eq!(keys.key_of(&RecordKey::Fill("20260105093000000::8c6a2f0e".into())), key);
    }

    #[test]
    fn every_part_counts_and_borders_do_not_blur() {
        let key = |broker: &str, environment, account: &str, kind, id: &str| {
            KeySpace::new(&broker.into(), environment, &account.into()).key(kind, id)
        };
        let keys = [
            key("a", Environment::Paper, "1", RowKind::Fill, "x"),
            key("b", Environment::Paper, "1", RowKind::Fill, "x"),
            key("a", Environment::Live, "1", RowKind::Fill, "x"),
            key("a", Environment::Paper, "2", RowKind::Fill, "x"),
            key("a", Environment::Paper, "1", RowKind::Flow, "x"),
            key("a", Environment::Paper, "1", RowKind::Void, "x"),
            key("a", Environment::Paper, "1", RowKind::Fill, "y"),
            key("a", Environment::Paper, "1", RowKind::Fill, "x\0"),
            key("a", Environment::Paper, "1x", RowKind::Fill, ""),
        ];
        let unique: std::collections::BTreeSet<_> = keys.iter().collect();
        assert_eq!(unique.len(), keys.len());
    }
}
