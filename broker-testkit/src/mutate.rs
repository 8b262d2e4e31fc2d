//! Bad input from good input: mutations of a JSON body that know its structure. Everything that is not mutated stays
//! as it was, digit for digit.

use std::ops::Range;

use broker_core::seam::{Rng, SeededRng};
use broker_core::{Error, Result};

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
}

/// All mutations.
pub const ALL: [Mutation; 12] = [
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
    let mut scanner = Scanner {
        text,
        at: 0,
        spots: Vec::new(),
    };
    scanner.value("$", None);
    let (body, spots) = (text.to_owned(), scanner.spots);
    let rng = SeededRng::new(seed);
    Ok(std::iter::from_fn(move || {
        loop {
            let mutation = *pick(&ALL, &rng)?;
            // A mutation that fits nowhere in this body is drawn again; truncating always fits.
            let fitting: Vec<&Spot> = spots.iter().filter(|spot| mutation.fits(spot)).collect();
            if let Some(spot) = pick(&fitting, &rng) {
                return Some(mutation.apply(&body, spot, &rng));
            }
        }
    }))
}

fn pick<'a, T>(items: &'a [T], rng: &SeededRng) -> Option<&'a T> {
    items.get(below(items.len(), rng))
}

fn below(bound: usize, rng: &SeededRng) -> usize {
    usize::try_from(rng.below(u64::try_from(bound).unwrap_or(u64::MAX))).unwrap_or_default()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Object,
    Array,
    Text,
    Number,
    Word,
}

/// A value of the body.
#[derive(Debug, Clone)]
struct Spot {
    path: String,
    kind: Kind,
    value: Range<usize>,
    /// Start of its key, if it is a field.
    key: Option<usize>,
}

impl Mutation {
    fn fits(self, spot: &Spot) -> bool {
        match self {
            Self::DropField | Self::DuplicateKey => spot.key.is_some(),
            Self::EmptyString | Self::UnknownWord | Self::BadUtf8 | Self::BadEscape => spot.kind == Kind::Text,
            Self::Exponent => spot.kind == Kind::Number,
            Self::Null | Self::WrongType | Self::HugeNumber | Self::Truncated | Self::DeepNesting => true,
        }
    }

    fn apply(self, text: &str, spot: &Spot, rng: &SeededRng) -> Mutated {
        let bytes = text.as_bytes();
        let value = &bytes[spot.value.clone()];
        let put = |new: &[u8]| [&bytes[..spot.value.start], new, &bytes[spot.value.end..]].concat();
        let body = match self {
            Self::DropField => drop_field(bytes, spot),
            Self::Null => put(b"null"),
            Self::WrongType => put(wrong_type(spot.kind, rng)),
            Self::EmptyString => put(b"\"\""),
            Self::HugeNumber => put("9".repeat(400).as_bytes()),
            Self::Exponent => put(&[value, b"e3".as_slice()].concat()),
            Self::UnknownWord => put(b"\"a_word_that_nobody_knows\""),
            Self::Truncated => bytes[..spot.value.start + below(value.len(), rng)].to_vec(),
            Self::DuplicateKey => {
                let key = &bytes[spot.key.unwrap_or(spot.value.start)..spot.value.start];
                put(&[value, b",", key, b"null"].concat())
            }
            Self::DeepNesting => put(["[".repeat(5_000), "]".repeat(5_000)].concat().as_bytes()),
            Self::BadUtf8 => put(b"\"\xff\xfe\""),
            Self::BadEscape => put(br#""\q\ud800""#),
        };
        Mutated {
            body,
            mutation: self,
            at: spot.path.clone(),
        }
    }
}

/// Takes a field out, and one of the commas beside it.
fn drop_field(bytes: &[u8], spot: &Spot) -> Vec<u8> {
    let mut start = spot.key.unwrap_or(spot.value.start);
    let mut end = spot.value.end;
    let blank = |byte: &&u8| byte.is_ascii_whitespace();
    let behind = end + bytes[end..].iter().take_while(blank).count();
    let before = start - bytes[..start].iter().rev().take_while(blank).count();
    if bytes.get(behind) == Some(&b',') {
        end = behind + 1;
    } else if before > 0 && bytes.get(before - 1) == Some(&b',') {
        start = before - 1;
    }
    [&bytes[..start], &bytes[end..]].concat()
}

fn wrong_type(kind: Kind, rng: &SeededRng) -> &'static [u8] {
    let others: [(Kind, &[u8]); 5] = [
        (Kind::Object, b"{}"),
        (Kind::Array, b"[]"),
        (Kind::Text, b"\"text\""),
        (Kind::Number, b"7"),
        (Kind::Word, b"true"),
    ];
    let fitting: Vec<&[u8]> = others
        .iter()
        .filter(|(other, _)| *other != kind)
        .map(|(_, text)| *text)
        .collect();
    pick(&fitting, rng).copied().unwrap_or(b"true")
}

/// Finds the values of a body that is known to be JSON.
struct Scanner<'a> {
    text: &'a str,
    at: usize,
    spots: Vec<Spot>,
}

impl Scanner<'_> {
    fn value(&mut self, path: &str, key: Option<usize>) {
        self.skip_blanks();
        let (start, place) = (self.at, self.spots.len());
        let kind = match self.peek() {
            Some(b'{') => Kind::Object,
            Some(b'[') => Kind::Array,
            Some(b'"') => Kind::Text,
            Some(b'-' | b'0'..=b'9') => Kind::Number,
            _ => Kind::Word,
        };
        self.spots.push(Spot {
            path: path.to_owned(),
            kind,
            value: start..start,
            key,
        });
        match kind {
            Kind::Object => self.fields(path),
            Kind::Array => self.items(path),
            Kind::Text => self.skip_text(),
            Kind::Number | Kind::Word => self.skip_word(),
        }
        self.spots[place].value.end = self.at;
    }

    fn fields(&mut self, path: &str) {
        self.at += 1;
        loop {
            self.skip_blanks();
            match self.peek() {
                Some(b'"') => {
                    let start = self.at;
                    self.skip_text();
                    let name = &self.text[start + 1..self.at - 1];
                    let path = format!("{path}.{name}");
                    self.skip_blanks();
                    self.at += 1;
                    self.value(&path, Some(start));
                }
                Some(b',') => self.at += 1,
                _ => break,
            }
        }
        self.at += 1;
    }

    fn items(&mut self, path: &str) {
        self.at += 1;
        let mut count = 0;
        loop {
            self.skip_blanks();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b']') | None => break,
                Some(_) => {
                    self.value(&format!("{path}[{count}]"), None);
                    count += 1;
                }
            }
        }
        self.at += 1;
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn skip_blanks(&mut self) {
        while self.peek().is_some_and(|byte| byte.is_ascii_whitespace()) {
            self.at += 1;
        }
    }

    fn skip_text(&mut self) {
        self.at += 1;
        while let Some(byte) = self.peek() {
            self.at += if byte == b'\\' { 2 } else { 1 };
            if byte == b'"' {
                break;
            }
        }
    }

    fn skip_word(&mut self) {
        let ends = |byte: u8| byte.is_ascii_whitespace() || matches!(byte, b',' | b']' | b'}');
        while self.peek().is_some_and(|byte| !ends(byte)) {
            self.at += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::Value;

    use super::*;

    const BODY: &str = r#"{ "id": "a\"b", "qty": 1.50, "legs": [ {"side":"buy"}, null ], "ok": true }"#;

    fn of(mutation: Mutation) -> BTreeMap<String, String> {
        let all = mutations(BODY, 3).unwrap().take(2000);
        all.filter(|mutated| mutated.mutation == mutation)
            .map(|mutated| (mutated.at.clone(), mutated.text()))
            .collect()
    }

    #[test]
    fn fields_are_dropped_with_one_comma() {
        let dropped = of(Mutation::DropField);
        assert_eq!(
            dropped["$.id"],
            r#"{  "qty": 1.50, "legs": [ {"side":"buy"}, null ], "ok": true }"#
        );
        assert_eq!(
            dropped["$.ok"],
            r#"{ "id": "a\"b", "qty": 1.50, "legs": [ {"side":"buy"}, null ] }"#
        );
        assert_eq!(
            dropped["$.legs[0].side"],
            r#"{ "id": "a\"b", "qty": 1.50, "legs": [ {}, null ], "ok": true }"#
        );
        assert_eq!(dropped.len(), 5);
    }

    #[test]
    fn values_are_changed_in_place() {
        let exponents = of(Mutation::Exponent);
        assert_eq!(exponents.len(), 1);
        assert_eq!(exponents["$.qty"], BODY.replace("1.50", "1.50e3"));
        assert_eq!(
            of(Mutation::EmptyString)["$.legs[0].side"],
            BODY.replace("\"buy\"", "\"\"")
        );
        assert_eq!(
            of(Mutation::Null)["$.legs"],
            BODY.replace(r#"[ {"side":"buy"}, null ]"#, "null")
        );
        assert_eq!(
            of(Mutation::DuplicateKey)["$.ok"],
            BODY.replace("true", r#"true,"ok": null"#)
        );
        assert!(of(Mutation::HugeNumber)["$.legs[1]"].contains(&"9".repeat(400)));
    }

    #[test]
    fn each_mutation_comes_and_breaks_what_it_says() {
        let mut counts = BTreeMap::new();
        for mutated in mutations(BODY, 9).unwrap().take(5000) {
            *counts.entry(mutated.mutation).or_insert(0) += 1;
            let readable = serde_json::from_slice::<Value>(&mutated.body).is_ok();
            let breaks = [
                Mutation::Truncated,
                Mutation::DeepNesting,
                Mutation::BadUtf8,
                Mutation::BadEscape,
            ];
            // serde_json refuses numbers beyond f64 as well.
            let expected = !breaks.contains(&mutated.mutation) && mutated.mutation != Mutation::HugeNumber;
            assert_eq!(
                readable,
                expected,
                "{:?} at {}: {}",
                mutated.mutation,
                mutated.at,
                mutated.text()
            );
        }
        assert!(ALL.iter().all(|mutation| counts[mutation] > 100), "{counts:?}");
    }

    #[test]
    fn a_seed_repeats() {
        let first: Vec<_> = mutations(BODY, 1).unwrap().take(50).collect();
        assert_eq!(first, mutations(BODY, 1).unwrap().take(50).collect::<Vec<_>>());
        assert_ne!(first, mutations(BODY, 2).unwrap().take(50).collect::<Vec<_>>());
        assert!(mutations("{", 1).is_err());
        assert!(mutations("7", 1).unwrap().take(50).all(|mutated| mutated.at == "$"));
    }
}
