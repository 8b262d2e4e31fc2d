//! Bad input from good input: a body of a fixture, with one thing wrong.
//!
//! A decoder must answer each with a value or an error, never with a panic, and a value must be what the body says:
//! [`bad_input`](crate::bad_input) judges that.

mod apply;
mod scan;
#[cfg(test)]
mod tests;

use broker_core::seam::{Rng, SeededRng};
use broker_core::{Error, Result};

use scan::Spot;

/// What is done to a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Mutation {
    /// A field is taken out.
    DropField,
    /// A value becomes null.
    Null,
    /// A value becomes one of another type.
    WrongType,
    /// A text becomes empty.
    EmptyString,
    /// A value becomes a number that no decimal holds.
    HugeNumber,
    /// A number is written with an exponent.
    Exponent,
    /// A text becomes a word that nobody knows.
    UnknownWord,
    /// The body ends early.
    Truncated,
    /// A field comes twice, the second time null.
    DuplicateKey,
    /// A value becomes a list in a list in a list ...
    DeepNesting,
    /// A text holds bytes that are no UTF-8.
    BadUtf8,
    /// A text holds an escape that is none.
    BadEscape,
    /// Two values change places.
    Swap,
    /// A digit becomes another one: of a number, a time, an id.
    Digit,
    /// A text becomes another text of the same body.
    KnownWord,
    /// A field that nobody knows is put in.
    NewField,
    /// The fields of an object come in another order.
    Reorder,
    /// A number becomes a text, or a text that is a number becomes one.
    Quotes,
    /// A number loses its sign, or gets one.
    Sign,
    /// A number becomes `1e-3`.
    SmallExponent,
    /// A number gets a plus in front.
    Plus,
    /// A number becomes one of 25 or 28 digits, which a decimal holds and a binary double does not.
    ManyDigits,
    /// A number becomes one of 40 digits, which a decimal does not hold.
    TooManyDigits,
    /// A character of a text is written as an escape: the same text.
    Escape,
    /// A text holds one half of a pair of escapes.
    LoneSurrogate,
    /// Something stands behind the end.
    Garbage,
    /// A byte order mark stands in front.
    ByteOrderMark,
    /// Blanks and line ends between all tokens: the same body.
    LineEnds,
    /// A field comes twice, with two values.
    TwoValues,
    /// An item of a list is taken out.
    DropItem,
    /// An item of a list comes twice.
    RepeatItem,
    /// A text gets one more character.
    Longer,
}

/// All mutations.
pub const ALL: [Mutation; 32] = [
    Mutation::DropField,
    Mutation::Null,
    Mutation::WrongType,
    Mutation::EmptyString,
    Mutation::HugeNumber,
    Mutation::Exponent,
    Mutation::UnknownWord,
    Mutation::Truncated,
    Mutation::DuplicateKey,
    Mutation::DeepNesting,
    Mutation::BadUtf8,
    Mutation::BadEscape,
    Mutation::Swap,
    Mutation::Digit,
    Mutation::KnownWord,
    Mutation::NewField,
    Mutation::Reorder,
    Mutation::Quotes,
    Mutation::Sign,
    Mutation::SmallExponent,
    Mutation::Plus,
    Mutation::ManyDigits,
    Mutation::TooManyDigits,
    Mutation::Escape,
    Mutation::LoneSurrogate,
    Mutation::Garbage,
    Mutation::ByteOrderMark,
    Mutation::LineEnds,
    Mutation::TwoValues,
    Mutation::DropItem,
    Mutation::RepeatItem,
    Mutation::Longer,
];

/// A mutated body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mutated {
    /// The body. Only [`Mutation::BadUtf8`] makes it no UTF-8.
    pub body: Vec<u8>,
    /// What was done.
    pub mutation: Mutation,
    /// Where: `$.legs[0].qty`.
    pub at: String,
}

impl Mutated {
    /// The body as text, what is no UTF-8 replaced.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// Mutations of a body without an end, from a seed. `Decode` if the body is no JSON to begin with.
///
/// ```
/// use broker_testkit::mutate::mutations;
/// for mutated in mutations(r#"{"id": "a", "qty": "1.50"}"#, 7)?.take(1000) {
///     let _ = serde_json::from_slice::<serde_json::Value>(&mutated.body);
/// }
/// # Ok::<(), broker_core::Error>(())
/// ```
pub fn mutations(text: &str, seed: u64) -> Result<impl Iterator<Item = Mutated>> {
    serde_json::from_str::<serde::de::IgnoredAny>(text)
        .map_err(|error| Error::decode("a body to be mutated").with_source(error))?;
    let source = apply::Source {
        text: text.to_owned(),
        spots: scan::spots(text),
    };
    let rng = SeededRng::new(seed);
    // A mutation that fits nowhere in this body is not drawn; truncating always fits.
    let places = |mutation: Mutation| {
        let all = source.spots.iter().enumerate();
        let fitting = all.filter(|(_, spot)| source.fits(mutation, spot));
        (mutation, fitting.map(|(place, _)| place).collect::<Vec<_>>())
    };
    let possible: Vec<_> = ALL.into_iter().map(places).filter(|(_, at)| !at.is_empty()).collect();
    Ok(std::iter::from_fn(move || {
        let (mutation, places) = pick(&possible, &rng)?;
        let spot: &Spot = &source.spots[*pick(places, &rng)?];
        Some(Mutated {
            body: source.apply(*mutation, spot, &rng),
            mutation: *mutation,
            at: spot.path.clone(),
        })
    }))
}

fn pick<'a, T>(items: &'a [T], rng: &SeededRng) -> Option<&'a T> {
    items.get(below(items.len(), rng))
}

fn below(bound: usize, rng: &SeededRng) -> usize {
    usize::try_from(rng.below(u64::try_from(bound).unwrap_or(u64::MAX))).unwrap_or_default()
}
