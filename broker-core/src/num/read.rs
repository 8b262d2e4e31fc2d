//! The readers of JSON bodies: decimals and words from their text.

use std::fmt;

use rust_decimal::Decimal;
use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::error::{Error, ErrorKind, Result};

/// Reads a decimal from text, digit for digit: sign, digits, point, exponent. Digits are kept as sent (`1.50` stays
/// `1.50`); a number that does not fit 28 digits, and anything else, is a [`ErrorKind::Decode`] error, never rounded.
///
/// ```
/// use broker_core::num::decimal;
/// assert_eq!(decimal("12345678901234567.89")?.to_string(), "12345678901234567.89");
/// assert_eq!(decimal("1e-8")?.to_string(), "0.00000001");
/// assert!(decimal("1_0").is_err() && decimal("1e-40").is_err() && decimal("").is_err());
/// # Ok::<(), broker_core::Error>(())
/// ```
pub fn decimal(text: &str) -> Result<Decimal> {
    parse(text.as_bytes()).ok_or_else(|| {
        Error::new(ErrorKind::Decode).with_message(format!("{text:?} is not a number that can be kept exactly"))
    })
}

fn parse(bytes: &[u8]) -> Option<Decimal> {
    short(bytes).or_else(|| long(bytes))
}

/// Most digits that a `u64` holds whatever they are.
const SHORT: usize = 19;

/// Nearly every number: few digits, perhaps a point. `None` where it may be another form.
fn short(bytes: &[u8]) -> Option<Decimal> {
    let (negative, digits) = match bytes {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    if digits.len() > SHORT {
        return None;
    }
    let (mut mantissa, mut point) = (0u64, None);
    for (place, byte) in digits.iter().enumerate() {
        match byte {
            b'0'..=b'9' => mantissa = mantissa * 10 + u64::from(byte - b'0'),
            b'.' if point.is_none() => point = Some(place),
            _ => return None,
        }
    }
    let scale = point.map_or(0, |point| digits.len() - point - 1);
    if digits.len() == usize::from(point.is_some()) {
        return None;
    }
    let (low, middle) = (mantissa & 0xffff_ffff, mantissa >> 32);
    Some(Decimal::from_parts(
        u32::try_from(low).ok()?,
        u32::try_from(middle).ok()?,
        0,
        negative && mantissa != 0,
        u32::try_from(scale).ok()?,
    ))
}

fn long(bytes: &[u8]) -> Option<Decimal> {
    let (negative, mut rest) = match bytes {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        rest => (false, rest),
    };
    let mut mantissa: u128 = 0;
    let mut digits = 0usize;
    let mut scale: i32 = 0;
    let mut seen_point = false;
    while let [first, tail @ ..] = rest {
        match first {
            b'0'..=b'9' => {
                mantissa = mantissa.checked_mul(10)?.checked_add(u128::from(first - b'0'))?;
                digits += 1;
                scale += i32::from(seen_point);
            }
            b'.' if !seen_point => seen_point = true,
            _ => break,
        }
        rest = tail;
    }
    if digits == 0 {
        return None;
    }
    if let [b'e' | b'E', tail @ ..] = rest {
        scale = scale.checked_sub(exponent(tail)?)?;
        rest = &[];
    }
    if !rest.is_empty() {
        return None;
    }
    while scale < 0 {
        mantissa = mantissa.checked_mul(10)?;
        scale += 1;
    }
    // Zeros behind the 28th place say nothing; any other digit there would be lost, and is refused.
    while scale > 28 {
        if !mantissa.is_multiple_of(10) {
            return None;
        }
        mantissa /= 10;
        scale -= 1;
    }
    let signed = i128::try_from(mantissa).ok()?;
    Decimal::try_from_i128_with_scale(if negative { -signed } else { signed }, u32::try_from(scale).ok()?).ok()
}

fn exponent(bytes: &[u8]) -> Option<i32> {
    let text = std::str::from_utf8(bytes).ok()?;
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    // Four digits are far beyond any number that fits, and keep the loops above short.
    if digits.is_empty() || digits.len() > 4 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let value: i32 = digits.parse().ok()?;
    (value <= 100).then_some(if text.starts_with('-') { -value } else { value })
}

/// A decimal of a JSON body, given as a string or as a number, read from its text.
///
/// Made for wire structs; it reads through [`RawValue`], so it does not work below `flatten`, in untagged or
/// internally tagged enums, or from a `serde_json::Value`. An empty string is an error: use [`Option<Num>`] and
/// [`empty_as_none`] where a broker writes nothing as `""`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Num(pub Decimal);

impl<'de> Deserialize<'de> for Num {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&RawValue>::deserialize(deserializer)?.get().as_bytes();
        let inner = match raw {
            [b'"', inner @ .., b'"'] => inner,
            bare => bare,
        };
        parse(inner)
            .map(Self)
            .ok_or_else(|| de::Error::custom("not a number that can be kept exactly"))
    }
}

/// `deserialize_with` for an optional number that a broker may write as `""`.
pub fn empty_as_none<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Num>, D::Error> {
    let raw = <&RawValue>::deserialize(deserializer)?.get();
    match raw {
        "null" | "\"\"" => Ok(None),
        _ => serde_json::from_str(raw).map(Some).map_err(de::Error::custom),
    }
}

/// Text of a JSON body: borrowed from it, owned only where it holds escapes.
///
/// A type of its own because `Option<Cow<str>>` compiles and always allocates.
#[derive(Clone, PartialEq, Eq)]
pub enum Text<'a> {
    /// Lies in the body.
    Borrowed(&'a str),
    /// Had escapes.
    Owned(String),
}

impl Text<'_> {
    /// The text.
    pub fn get(&self) -> &str {
        match self {
            Self::Borrowed(text) => text,
            Self::Owned(text) => text,
        }
    }
}

impl fmt::Debug for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.get(), f)
    }
}

impl AsRef<str> for Text<'_> {
    fn as_ref(&self) -> &str {
        self.get()
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextVisitor;
        impl<'de> Visitor<'de> for TextVisitor {
            type Value = Text<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Text<'de>, E> {
                Ok(Text::Borrowed(text))
            }
            fn visit_str<E>(self, text: &str) -> Result<Text<'de>, E> {
                Ok(Text::Owned(text.to_owned()))
            }
        }
        deserializer.deserialize_str(TextVisitor)
    }
}

/// `with` for a bare decimal in serde: written as a JSON string, read from a string or a number, digit for digit.
pub mod exact {
    use rust_decimal::Decimal;
    use serde::{Deserialize, Deserializer, Serializer};

    use super::Num;

    /// Writes it as text.
    pub fn serialize<S: Serializer>(value: &Decimal, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(value)
    }

    /// Reads it from its text.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Decimal, D::Error> {
        Num::deserialize(deserializer).map(|number| number.0)
    }

    /// The same for an optional one. Beside it write `default`, so that a missing field is `None`.
    pub mod option {
        use rust_decimal::Decimal;
        use serde::{Deserialize, Deserializer, Serializer};

        use crate::num::Num;

        /// Writes it as text, or as `null`.
        pub fn serialize<S: Serializer>(value: &Option<Decimal>, serializer: S) -> Result<S::Ok, S::Error> {
            match value {
                Some(value) => super::serialize(value, serializer),
                None => serializer.serialize_none(),
            }
        }

        /// Reads it from its text, or from `null`.
        pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Decimal>, D::Error> {
            Ok(Option::<Num>::deserialize(deserializer)?.map(|number| number.0))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_come_from_the_text() {
        for (text, kept) in [
            ("0", "0"),
            ("-0.50", "-0.50"),
            ("+154186.9728", "154186.9728"),
            ("12345678901234567.89", "12345678901234567.89"),
            ("0.1234567890123456789", "0.1234567890123456789"),
            ("100000000000000000001", "100000000000000000001"),
            ("1e-8", "0.00000001"),
            ("5E-7", "0.0000005"),
            ("1.5e3", "1500"),
            ("79228162514264337593543950335", "79228162514264337593543950335"),
            ("0.10000000000000000000000000000000", "0.1000000000000000000000000000"),
            ("6065.250000000", "6065.250000000"),
            (".5", "0.5"),
            ("5.", "5"),
        ] {
            assert_eq!(decimal(text).unwrap().to_string(), kept, "{text}");
        }
    }

    /// Both readers of the same text: where the short one reads, it reads what the long one does, to the digit.
    #[test]
    fn the_short_reader_agrees_with_the_long_one() {
        let mut read = 0;
        for text in [
            "0",
            "-0",
            "-0.00",
            "1.50",
            "-1.50",
            ".5",
            "-.5",
            "5.",
            "00012.30",
            "9999999999999999999",
            "-999999999999.999999",
            "999999999.999999999",
            "18446744073709551616",
            "",
            "-",
            ".",
            "-.",
            "+1",
            "1e3",
            "1.2.3",
            "--1",
            "1 ",
            "0.0000000000000000001",
        ] {
            let (short, long) = (short(text.as_bytes()), long(text.as_bytes()));
            if let Some(short) = short {
                read += 1;
                let long = long.unwrap();
                assert_eq!(short.to_string(), long.to_string(), "{text}");
                assert_eq!(short.is_sign_negative(), long.is_sign_negative(), "{text}");
            }
        }
        assert_eq!(read, 12);
        // 19 digits, the most that it takes, and nothing is cut.
        assert_eq!(
            short(b"9999999999999999999").unwrap().to_string(),
            "9999999999999999999"
        );
        assert_eq!(
            short(b"-999999999.999999999").unwrap().to_string(),
            "-999999999.999999999"
        );
    }

    #[test]
    fn what_does_not_fit_is_an_error() {
        for text in [
            "",
            "-",
            ".",
            "1_0",
            "1,000",
            " 1",
            "1 ",
            "0x10",
            "NaN",
            "inf",
            "1e",
            "1e+",
            "1e99999",
            "1e29",
            "1e-29",
            "79228162514264337593543950336",
            "0.00000000000000000000000000001",
            "1.2.3",
            "--1",
            "１",
        ] {
            assert!(decimal(text).is_err(), "{text}");
        }
    }

    #[test]
    fn json_numbers_and_strings_read_alike() {
        #[derive(Deserialize)]
        struct Row {
            a: Num,
            b: Num,
            c: Option<Num>,
            #[serde(default, deserialize_with = "empty_as_none")]
            d: Option<Num>,
        }
        let row: Row =
            serde_json::from_str(r#"{"a":123456789012.123456,"b":"123456789012.123456","c":null,"d":""}"#).unwrap();
        assert_eq!(row.a.0.to_string(), "123456789012.123456");
        assert_eq!(row.a, row.b);
        assert!(row.c.is_none() && row.d.is_none());
        assert!(serde_json::from_str::<Num>("\"\"").is_err());
        assert!(serde_json::from_str::<Num>("true").is_err());
    }

    #[test]
    fn optional_text_is_borrowed() {
        #[derive(Deserialize)]
        struct Row<'a> {
            #[serde(borrow)]
            a: Option<Text<'a>>,
            #[serde(borrow)]
            b: Text<'a>,
        }
        let row: Row<'_> = serde_json::from_str(r#"{"a":"plain","b":"tab\there"}"#).unwrap();
        assert!(matches!(row.a, Some(Text::Borrowed("plain"))));
        assert_eq!(row.b, Text::Owned("tab\there".into()));
    }
}
