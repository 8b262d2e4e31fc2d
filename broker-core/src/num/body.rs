//! What every body needs: one reader that quotes nothing, numbers that may be missing, objects whose names are ids.

use std::collections::BTreeSet;
use std::fmt;
use std::marker::PhantomData;

use rust_decimal::Decimal;
use serde::de::{self, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::{Text, decimal};
use crate::error::{Error, Result};

/// Reads a JSON body, or a piece of one. The error says what is missing or was expected, and where; it never quotes
/// what stood there instead, which may be an account or a key.
///
/// ```
/// use broker_core::num::decode;
/// let error = decode::<bool>("\"U1234567\"").unwrap_err();
/// assert_eq!(error.to_string(), "unreadable answer: another kind of value: expected a boolean at line 1 column 10");
/// assert_eq!(decode::<bool>("true")?, true);
/// # Ok::<(), broker_core::Error>(())
/// ```
///
/// # Errors
/// [`Decode`](crate::ErrorKind::Decode).
pub fn decode<'a, T: Deserialize<'a>>(body: &'a str) -> Result<T> {
    serde_json::from_str(body).map_err(|error| {
        let said = error.to_string();
        let quotes = said.starts_with("invalid ") || said.starts_with("unknown ");
        // The library puts its own words behind what it quotes; readers of our own quote in quotation marks.
        let own = match (said.rfind(", expected "), said.find('"').zip(said.rfind('"'))) {
            (Some(place), _) if quotes => format!("another kind of value: {}", &said[place + 2..]),
            (None, _) if quotes => format!("another value at line {} column {}", error.line(), error.column()),
            (_, Some((first, last))) => format!("{}a value{}", &said[..first], &said[last + 1..]),
            _ => said,
        };
        Error::decode(own)
    })
}

/// Text that may be missing, null or empty, which all mean the same.
pub fn filled<'a>(text: &'a Option<Text<'_>>) -> Option<&'a str> {
    text.as_ref().map(Text::get).filter(|text| !text.is_empty())
}

/// A decimal, in quotes or not, that may be missing, null or empty, which all mean the same. With `#[serde(default)]`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Maybe(pub Option<Decimal>);

impl Maybe {
    /// The number, where a broker writes zero for one that there is not.
    pub fn nonzero(self) -> Option<Decimal> {
        self.0.filter(|value| !value.is_zero())
    }
}

impl<'de> Deserialize<'de> for Maybe {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&RawValue>::deserialize(deserializer)?.get();
        let inner = raw.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
        match inner.unwrap_or(raw) {
            "" => Ok(Self(None)),
            "null" if inner.is_none() => Ok(Self(None)),
            number => decimal(number)
                .map(|value| Self(Some(value)))
                .map_err(|_| de::Error::custom("not a number that can be kept exactly")),
        }
    }
}

/// An object whose names are no fixed ones, in the order of the body. A name that comes twice is an error, as it is
/// with fixed ones: of two values there is no telling which one counts.
#[derive(Debug)]
pub struct Keyed<'a, T>(pub Vec<(Text<'a>, T)>);

impl<T> Keyed<'_, T> {
    /// What this name has.
    pub fn get(&self, name: &str) -> Option<&T> {
        let found = self.0.iter().find(|(known, _)| known.get() == name);
        found.map(|(_, value)| value)
    }
}

impl<'de: 'a, 'a, T: Deserialize<'de>> Deserialize<'de> for Keyed<'a, T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct KeyedVisitor<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for KeyedVisitor<T> {
            type Value = Vec<(Text<'de>, T)>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Self::Value, A::Error> {
                let mut rows = Vec::with_capacity(50);
                while let Some(row) = fields.next_entry::<Text<'de>, T>()? {
                    rows.push(row);
                }
                Ok(rows)
            }
        }
        let rows = deserializer.deserialize_map(KeyedVisitor(PhantomData))?;
        let names: BTreeSet<&str> = rows.iter().map(|(name, _)| name.get()).collect();
        match names.len() == rows.len() {
            true => Ok(Self(rows)),
            false => Err(de::Error::custom("a name comes twice")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::num::Num;

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Word {
        Buy,
    }

    #[derive(Debug, Deserialize)]
    struct Row<'a> {
        #[serde(borrow)]
        #[allow(dead_code, reason = "only read")]
        id: Text<'a>,
        #[serde(default)]
        price: Maybe,
        #[allow(dead_code, reason = "only read")]
        word: Option<Word>,
        #[serde(default)]
        #[allow(dead_code, reason = "only read")]
        at: Time,
    }

    /// A reader that quotes.
    #[derive(Debug, Default)]
    struct Time;

    impl<'de> Deserialize<'de> for Time {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            let text = String::deserialize(deserializer)?;
            Err(de::Error::custom(format_args!("{text:?} is no time")))
        }
    }

    #[test]
    fn an_error_tells_the_place_and_quotes_nothing() {
        let said = |body: &str| decode::<Row<'_>>(body).unwrap_err().to_string();
        for (body, message) in [
            ("{}", "missing field `id` at line 1 column 2"),
            (r#"{"id":"a","id":"b"}"#, "duplicate field `id` at line 1 column 14"),
            (
                r#"{"id":4711}"#,
                "another kind of value: expected a string at line 1 column 10",
            ),
            (
                r#"{"id":"a","price":"4711-x"}"#,
                "not a number that can be kept exactly at line 1 column 27",
            ),
            (
                r#"{"id":"a","word":"4711, expected 4711"}"#,
                "another kind of value: expected `buy` at line 1 column 38",
            ),
            (
                "\"4711, expected 12\"",
                "another kind of value: expected struct Row at line 1 column 19",
            ),
            (
                r#"{"id":"a","at":"4711 \"4711\""}"#,
                "a value is no time at line 1 column 31",
            ),
            ("{\"id\":", "EOF while parsing a value at line 1 column 6"),
            ("<html>4711", "expected value at line 1 column 1"),
        ] {
            let said = said(body);
            assert!(said.contains(message), "{body}: {said}");
            assert!(!said.contains("4711"), "{body}: {said}");
        }
    }

    #[test]
    fn numbers_may_be_missing_null_or_empty() {
        for (body, price) in [
            (r#"{"id":"a"}"#, None),
            (r#"{"id":"a","price":null}"#, None),
            (r#"{"id":"a","price":""}"#, None),
            (r#"{"id":"a","price":"1.50"}"#, Some("1.50")),
            (r#"{"id":"a","price":1.50}"#, Some("1.50")),
            (r#"{"id":"a","price":"0.00"}"#, Some("0.00")),
        ] {
            let row: Row<'_> = decode(body).unwrap();
            assert_eq!(row.price.0.map(|price| price.to_string()).as_deref(), price, "{body}");
        }
        assert!(decode::<Row<'_>>(r#"{"id":"a","price":"null"}"#).is_err());
        assert_eq!(Maybe(Some(Decimal::ZERO)).nonzero(), None);
        assert_eq!(Maybe(Some(Decimal::ONE)).nonzero(), Some(Decimal::ONE));
    }

    #[test]
    fn names_keep_their_order_and_come_once() {
        let rows: Keyed<'_, Num> = decode(r#"{"b":1,"a":"2.0","c\u0021":3}"#).unwrap();
        assert_eq!(rows.get("a").map(|value| value.0.to_string()).as_deref(), Some("2.0"));
        assert!(rows.get("c").is_none());
        let rows: Vec<_> = rows
            .0
            .iter()
            .map(|(name, value)| (name.get(), value.0.to_string()))
            .collect();
        assert_eq!(
            rows,
            [("b", "1".to_owned()), ("a", "2.0".to_owned()), ("c!", "3".to_owned())]
        );
        let error = decode::<Keyed<'_, Num>>(r#"{"a":1,"b":1,"a":1}"#).unwrap_err();
        assert!(error.to_string().contains("a name comes twice"), "{error}");
    }

    #[test]
    fn empty_text_is_none() {
        assert_eq!(filled(&Some(Text::Borrowed(""))), None);
        assert_eq!(filled(&None), None);
        assert_eq!(filled(&Some(Text::Owned("x".to_owned()))), Some("x"));
    }
}
