//! One thing done to a body.

use broker_core::seam::SeededRng;

use super::scan::{Kind, Spot};
use super::{Mutation, below, pick};

/// A good body, and where its values are.
pub(super) struct Source {
    pub(super) text: String,
    pub(super) spots: Vec<Spot>,
}

impl Source {
    /// Whether this can be done there.
    pub(super) fn fits(&self, mutation: Mutation, spot: &Spot) -> bool {
        use Mutation::*;
        let inner = self.inner(spot);
        match mutation {
            DropField | DuplicateKey | TwoValues => spot.key.is_some(),
            EmptyString | UnknownWord | Longer | BadUtf8 | BadEscape | LoneSurrogate => spot.kind == Kind::Text,
            KnownWord => spot.kind == Kind::Text && self.texts().nth(1).is_some(),
            Escape => spot.kind == Kind::Text && inner.bytes().any(|byte| byte.is_ascii_alphanumeric()),
            Digit => matches!(spot.kind, Kind::Text | Kind::Number) && inner.bytes().any(|byte| byte.is_ascii_digit()),
            Exponent => spot.kind == Kind::Number,
            Quotes | Sign | SmallExponent | Plus | ManyDigits | TooManyDigits => is_number(inner),
            NewField => spot.kind == Kind::Object,
            Reorder => spot.kind == Kind::Object && spot.parts.len() > 1,
            DropItem | RepeatItem => spot.kind == Kind::Array && !spot.parts.is_empty(),
            Swap => self.spots.len() > 2 && spot.parts.is_empty(),
            Garbage | ByteOrderMark | LineEnds => spot.path == "$",
            Null | WrongType | HugeNumber | Truncated | DeepNesting => true,
        }
    }

    /// The body with it done.
    pub(super) fn apply(&self, mutation: Mutation, spot: &Spot, rng: &SeededRng) -> Vec<u8> {
        use Mutation::*;
        let bytes = self.text.as_bytes();
        let value = &bytes[spot.value.clone()];
        let put = |new: &[u8]| self.put(spot, new);
        let inner = self.inner(spot);
        match mutation {
            DropField => drop_field(bytes, spot),
            Null => put(b"null"),
            WrongType => put(wrong_type(spot.kind, rng)),
            EmptyString => put(b"\"\""),
            HugeNumber => put("9".repeat(400).as_bytes()),
            Exponent => put(&[value, b"e3".as_slice()].concat()),
            Longer => put(format!("\"{inner}x\"").as_bytes()),
            UnknownWord => put(b"\"a_word_that_nobody_knows\""),
            Truncated => bytes[..spot.value.start + below(value.len(), rng)].to_vec(),
            DuplicateKey => self.twice(spot, b"null"),
            TwoValues => self.twice(spot, &self.other(spot, rng)),
            DeepNesting => put(["[".repeat(5_000), "]".repeat(5_000)].concat().as_bytes()),
            BadUtf8 => put(b"\"\xff\xfe\""),
            BadEscape => put(br#""\q\ud800""#),
            LoneSurrogate => put(br#""a\ud800""#),
            Swap => self.swap(spot, rng),
            Digit => put(&digit(value, rng)),
            KnownWord => put(pick(&self.texts().collect::<Vec<_>>(), rng)
                .unwrap_or(&inner)
                .as_bytes()),
            NewField => self.new_field(spot),
            Reorder => self.reorder(spot, rng),
            Quotes if spot.kind == Kind::Text => put(inner.as_bytes()),
            Quotes => put(quoted("", inner).as_bytes()),
            Sign => match inner.strip_prefix('-') {
                Some(bare) => put(self.like(spot, "", bare).as_bytes()),
                None => put(self.like(spot, "-", inner).as_bytes()),
            },
            SmallExponent => put(self.like(spot, "", "1e-3").as_bytes()),
            Plus => put(self.like(spot, "+", inner.trim_start_matches('-')).as_bytes()),
            ManyDigits => put(self.like(spot, "", &many_digits(rng)).as_bytes()),
            TooManyDigits => put(self.like(spot, "", &number_of(20, 20, rng)).as_bytes()),
            Escape => put(&escaped(inner, rng)),
            Garbage => [bytes, garbage(rng)].concat(),
            ByteOrderMark => [b"\xef\xbb\xbf", bytes].concat(),
            LineEnds => self.line_ends(),
            DropItem => self.without_item(spot, rng),
            RepeatItem => self.with_item_twice(spot, rng),
        }
    }

    fn put(&self, spot: &Spot, new: &[u8]) -> Vec<u8> {
        let bytes = self.text.as_bytes();
        [&bytes[..spot.value.start], new, &bytes[spot.value.end..]].concat()
    }

    /// A value's text, without the quotes of a string.
    fn inner(&self, spot: &Spot) -> &str {
        let value = &self.text[spot.value.clone()];
        match spot.kind {
            Kind::Text => &value[1..value.len() - 1],
            Kind::Object | Kind::Array | Kind::Number | Kind::Word => value,
        }
    }

    /// A number in the form that the one there has: bare, or as a text.
    fn like(&self, spot: &Spot, sign: &str, number: &str) -> String {
        match spot.kind {
            Kind::Text => quoted(sign, number),
            Kind::Object | Kind::Array | Kind::Number | Kind::Word => format!("{sign}{number}"),
        }
    }

    /// All texts of the body, with their quotes.
    fn texts(&self) -> impl Iterator<Item = &str> {
        let texts = self.spots.iter().filter(|spot| spot.kind == Kind::Text);
        texts.map(|spot| &self.text[spot.value.clone()])
    }

    /// Another value of the kind that a spot has.
    fn other(&self, spot: &Spot, rng: &SeededRng) -> Vec<u8> {
        match spot.kind {
            Kind::Text => format!("\"{}x\"", self.inner(spot)).into_bytes(),
            Kind::Number => digit(self.text[spot.value.clone()].as_bytes(), rng),
            Kind::Object => b"{}".to_vec(),
            Kind::Array => b"[]".to_vec(),
            Kind::Word => b"false".to_vec(),
        }
    }

    fn twice(&self, spot: &Spot, second: &[u8]) -> Vec<u8> {
        let bytes = self.text.as_bytes();
        let key = &bytes[spot.key.unwrap_or(spot.value.start)..spot.value.start];
        self.put(spot, &[&bytes[spot.value.clone()], b",", key, second].concat())
    }

    fn swap(&self, spot: &Spot, rng: &SeededRng) -> Vec<u8> {
        let others = self.spots.iter().filter(|other| other.parts.is_empty());
        let others: Vec<&Spot> = others.filter(|other| other.value != spot.value).collect();
        let Some(other) = pick(&others, rng) else {
            return self.text.clone().into_bytes();
        };
        let (first, second) = if spot.value.start < other.value.start {
            (spot, *other)
        } else {
            (*other, spot)
        };
        let bytes = self.text.as_bytes();
        [
            &bytes[..first.value.start],
            &bytes[second.value.clone()],
            &bytes[first.value.end..second.value.start],
            &bytes[first.value.clone()],
            &bytes[second.value.end..],
        ]
        .concat()
    }

    fn new_field(&self, spot: &Spot) -> Vec<u8> {
        let comma = if spot.parts.is_empty() { "" } else { "," };
        let field = format!(r#"{{"a_field_that_nobody_knows":{{"qty":[1e400,"9",null]}}{comma}"#);
        let bytes = self.text.as_bytes();
        [
            &bytes[..spot.value.start],
            field.as_bytes(),
            &bytes[spot.value.start + 1..],
        ]
        .concat()
    }

    fn reorder(&self, spot: &Spot, rng: &SeededRng) -> Vec<u8> {
        let mut parts = self.parts(spot);
        let turn = 1 + below(parts.len() - 1, rng);
        parts.rotate_left(turn);
        self.put(spot, format!("{{{}}}", parts.join(",")).as_bytes())
    }

    fn without_item(&self, spot: &Spot, rng: &SeededRng) -> Vec<u8> {
        let mut parts = self.parts(spot);
        parts.remove(below(parts.len(), rng));
        self.put(spot, format!("[{}]", parts.join(",")).as_bytes())
    }

    fn with_item_twice(&self, spot: &Spot, rng: &SeededRng) -> Vec<u8> {
        let mut parts = self.parts(spot);
        let place = below(parts.len(), rng);
        parts.insert(place, parts[place]);
        self.put(spot, format!("[{}]", parts.join(",")).as_bytes())
    }

    /// What lies in an object or a list, keys included.
    fn parts(&self, spot: &Spot) -> Vec<&str> {
        let parts = spot.parts.iter().map(|place| &self.spots[*place]);
        parts
            .map(|part| &self.text[part.key.unwrap_or(part.value.start)..part.value.end])
            .collect()
    }

    /// Blanks behind every value, and in front of every key.
    fn line_ends(&self) -> Vec<u8> {
        let mut places: Vec<usize> = self.spots.iter().map(|spot| spot.value.end).collect();
        places.extend(self.spots.iter().map(|spot| spot.key.unwrap_or(spot.value.start)));
        places.sort_unstable();
        let mut out = Vec::with_capacity(self.text.len() + places.len() * 4);
        let mut from = 0;
        for place in places {
            out.extend_from_slice(&self.text.as_bytes()[from..place]);
            out.extend_from_slice(b" \r\n\t");
            from = place;
        }
        out.extend_from_slice(&self.text.as_bytes()[from..]);
        out
    }
}

fn quoted(sign: &str, number: &str) -> String {
    format!("\"{sign}{number}\"")
}

/// Digits with a point and a sign: nothing that needs an escape.
fn is_number(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    !digits.is_empty()
        && digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
        && digits.starts_with(|first: char| first.is_ascii_digit())
        && digits.ends_with(|last: char| last.is_ascii_digit())
}

fn many_digits(rng: &SeededRng) -> String {
    let (before, behind) = if below(2, rng) == 0 { (12, 13) } else { (1, 27) };
    number_of(before, behind, rng)
}

/// A number with so many digits before and behind the point, the first and the last of them no zero.
fn number_of(before: usize, behind: usize, rng: &SeededRng) -> String {
    let mut digits: String = (0..before + behind)
        .map(|_| char::from(b"123456789"[below(9, rng)]))
        .collect();
    digits.insert(before, '.');
    digits
}

/// Another digit in the place of one; a leading one does not become zero.
fn digit(value: &[u8], rng: &SeededRng) -> Vec<u8> {
    let places: Vec<usize> = (0..value.len())
        .filter(|place| value[*place].is_ascii_digit())
        .collect();
    let mut new = value.to_vec();
    if let Some(place) = pick(&places, rng) {
        let step = 1 + u8::try_from(below(8, rng)).unwrap_or_default();
        // Among 1 to 9 where it was one of them, so that a number stays one.
        new[*place] = match value[*place] {
            b'0' => b'0' + step,
            old => b'1' + (old - b'1' + step) % 9,
        };
    }
    new
}

/// One letter or digit of a text as `\u0041`.
fn escaped(inner: &str, rng: &SeededRng) -> Vec<u8> {
    let bytes = inner.as_bytes();
    let after_backslash =
        |place: usize| bytes[..place].iter().rev().take_while(|byte| **byte == b'\\').count() % 2 == 1;
    let places: Vec<usize> = (0..bytes.len())
        .filter(|place| bytes[*place].is_ascii_alphanumeric() && !after_backslash(*place))
        .collect();
    let mut out = vec![b'"'];
    match pick(&places, rng) {
        // Text that has escapes of its own is left as it is: a digit may belong to one.
        Some(place) if !inner.contains('\\') => {
            out.extend_from_slice(&bytes[..*place]);
            out.extend_from_slice(format!("\\u{:04x}", bytes[*place]).as_bytes());
            out.extend_from_slice(&bytes[place + 1..]);
        }
        _ => out.extend_from_slice(bytes),
    }
    out.push(b'"');
    out
}

fn garbage(rng: &SeededRng) -> &'static [u8] {
    let all: [&[u8]; 5] = [b"x", b"{}", b"]", b",", b"\0"];
    pick(&all, rng).copied().unwrap_or(b"x")
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
