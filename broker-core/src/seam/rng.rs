//! Chance.

use std::fmt::{self, Debug};
use std::sync::atomic::{AtomicU64, Ordering};

/// A source of random numbers: ids, jitter, states of a sign-in.
pub trait Rng: Debug + Send + Sync + 'static {
    /// 64 random bits.
    fn next_u64(&self) -> u64;

    /// As many random numbers at once: the same as one after another, in one request where the source is asked by
    /// requests.
    fn draw(&self, numbers: &mut [u64]) {
        numbers.fill_with(|| self.next_u64());
    }

    /// Evenly from `0..bound`; 0 when `bound` is 0.
    fn below(&self, bound: u64) -> u64 {
        // The high half of the product is even to within bound / 2^64.
        let wide = u128::from(self.next_u64()) * u128::from(bound);
        u64::try_from(wide >> 64).unwrap_or_default()
    }

    /// A version 4 UUID, lower case with dashes.
    fn uuid(&self) -> String {
        let mut drawn = [0; 2];
        self.draw(&mut drawn);
        let [a, b] = drawn;
        let a = (a & 0xffff_ffff_ffff_0fff) | 0x4000;
        let b = (b & 0x3fff_ffff_ffff_ffff) | 0x8000_0000_0000_0000;
        format!(
            "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
            a >> 32,
            (a >> 16) & 0xffff,
            a & 0xffff,
            b >> 48,
            b & 0xffff_ffff_ffff
        )
    }
}

/// Random numbers of the operating system, fit for ids and sign-in states.
#[derive(Debug, Clone, Copy, Default)]
pub struct OsRng;

impl Rng for OsRng {
    #[allow(
        clippy::expect_used,
        reason = "without the system's randomness no id would be safe to send"
    )]
    fn next_u64(&self) -> u64 {
        getrandom::u64().expect("the operating system gives random numbers")
    }

    #[allow(
        clippy::expect_used,
        reason = "without the system's randomness no id would be safe to send"
    )]
    fn draw(&self, numbers: &mut [u64]) {
        let mut bytes = [0; 64];
        for part in numbers.chunks_mut(8) {
            let (bytes, _) = bytes.split_at_mut(size_of_val(part));
            getrandom::fill(bytes).expect("the operating system gives random numbers");
            for (number, bytes) in part.iter_mut().zip(bytes.as_chunks().0) {
                *number = u64::from_ne_bytes(*bytes);
            }
        }
    }
}

/// Numbers that one seed repeats, for tests and simulations: SplitMix64. Not for secrets.
pub struct SeededRng(AtomicU64);

impl SeededRng {
    /// The sequence of this seed.
    pub const fn new(seed: u64) -> Self {
        Self(AtomicU64::new(seed))
    }
}

impl Debug for SeededRng {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SeededRng")
    }
}

impl Rng for SeededRng {
    fn next_u64(&self) -> u64 {
        const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
        let mut z = self.0.fetch_add(STEP, Ordering::Relaxed).wrapping_add(STEP);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_repeats() {
        // First outputs of SplitMix64 for seed 1234567, as published with the algorithm.
        let rng = SeededRng::new(1_234_567);
        assert_eq!(
            [rng.next_u64(), rng.next_u64()],
            [6_457_827_717_110_365_317, 3_203_168_211_198_807_973]
        );
    }

    #[test]
    fn below_stays_below() {
        let rng = SeededRng::new(7);
        assert_eq!(rng.below(0), 0);
        let mut seen = [0u32; 10];
        for _ in 0..10_000 {
            seen[usize::try_from(rng.below(10)).unwrap()] += 1;
        }
        assert!(seen.iter().all(|count| (800..1200).contains(count)), "{seen:?}");
    }

    #[test]
    fn uuids_are_version_4() {
        let id = SeededRng::new(1).uuid();
        assert_eq!(id.len(), 36);
        assert_eq!(&id[14..15], "4");
        assert!(matches!(&id[19..20], "8" | "9" | "a" | "b"));
        assert_ne!(OsRng.next_u64(), OsRng.next_u64());
    }

    #[test]
    fn numbers_drawn_at_once_are_those_drawn_one_after_another() {
        let (at_once, one_by_one) = (SeededRng::new(3), SeededRng::new(3));
        let mut drawn = [0; 11];
        at_once.draw(&mut drawn);
        assert_eq!(drawn, std::array::from_fn(|_| one_by_one.next_u64()));
        assert_eq!(at_once.next_u64(), one_by_one.next_u64());

        // Of the system's, none is left out: 19 equal ones or zeros would take more luck than there is.
        let mut drawn = [0; 19];
        OsRng.draw(&mut drawn);
        assert_eq!(std::collections::BTreeSet::from(drawn).len(), 19);
        assert!(!drawn.contains(&0));
    }
}
