//! What a campaign can find to be wrong, by its sort.

use std::collections::BTreeMap;
use std::fmt;

/// A sort of damage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Damage {
    /// One intent became two orders.
    DoubleOrder,
    /// An intent was sent again though nothing said that the first send was refused, where that can make a second
    /// order.
    BlindResend,
    /// Told as refused, not placed or not sent, and the venue has it.
    FalseDead,
    /// Told as accepted, and the venue does not have it.
    FalseAlive,
    /// Told as filled, canceled or the like, and at the venue it is something else.
    FalseFinal,
    /// Told as never arrived where the broker's facts prove no such thing.
    Unproven,
    /// Still in doubt after all was said that can be known.
    Unresolved,
    /// Sent though it was given up before the first byte.
    SentAfterDrop,
    /// The journal does not hold exactly what is open, or something was sent that it did not hold.
    Journal,
    /// A call failed that must not fail.
    Failed,
    /// The campaign itself: too little was harmed to prove anything.
    TooMild,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::DoubleOrder => "double order",
            Self::BlindResend => "blind re-send",
            Self::FalseDead => "told dead, but the venue has it",
            Self::FalseAlive => "told accepted, but the venue has it not",
            Self::FalseFinal => "told final, but the venue says otherwise",
            Self::Unproven => "told not placed without proof",
            Self::Unresolved => "still in doubt",
            Self::SentAfterDrop => "sent after it was given up",
            Self::Journal => "journal",
            Self::Failed => "failed call",
            Self::TooMild => "too mild a campaign",
        })
    }
}

/// Damage, counted by sort; the first cases of each are told.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Damages {
    counts: BTreeMap<Damage, u64>,
    told: Vec<(Damage, String)>,
}

/// Cases of a sort that are told.
const MOST_TOLD: u64 = 5;

impl Damages {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.counts.is_empty()
    }

    /// How much of a sort.
    pub fn of(&self, damage: Damage) -> u64 {
        self.counts.get(&damage).copied().unwrap_or_default()
    }

    pub(crate) fn add(&mut self, damage: Damage, what: impl FnOnce() -> String) {
        let count = self.counts.entry(damage).or_default();
        *count += 1;
        if *count <= MOST_TOLD {
            self.told.push((damage, what()));
        }
    }
}

impl fmt::Display for Damages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (damage, count) in &self.counts {
            writeln!(f, "  {count} x {damage}")?;
        }
        self.told
            .iter()
            .try_for_each(|(damage, what)| writeln!(f, "  {damage}: {what}"))
    }
}
