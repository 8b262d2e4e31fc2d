//! What is common to Kraken's answers: the envelope, rows by id, numbers that may be missing, times as seconds.

use broker_core::num::Text;
pub(crate) use broker_core::num::{Keyed, Maybe, decode};
use broker_core::{Error, Result};
use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde::de::{self, Deserializer};
use serde_json::value::RawValue;

/// What every answer is in.
#[derive(Debug, Deserialize)]
pub(crate) struct EnvelopeJson<'a> {
    #[serde(borrow)]
    pub(crate) error: Option<Vec<Text<'a>>>,
    /// Errors of the newer kind.
    #[serde(borrow)]
    pub(crate) errors: Option<Vec<ErrorJson<'a>>>,
    #[serde(borrow)]
    pub(crate) result: Option<&'a RawValue>,
}

/// An error of the newer kind.
#[derive(Debug, Deserialize)]
pub(crate) struct ErrorJson<'a> {
    #[serde(borrow, rename = "errorClass")]
    pub(crate) class: Option<Text<'a>>,
    #[serde(borrow, rename = "type")]
    pub(crate) kind: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) msg: Option<Text<'a>>,
}

/// What a good answer holds.
pub(crate) fn raw_result(body: &str) -> Result<&str> {
    let envelope: EnvelopeJson<'_> = decode(body)?;
    let result = envelope
        .result
        .ok_or_else(|| Error::decode("an answer without a result"))?;
    Ok(result.get())
}

/// The result of a good answer.
pub(crate) fn result<'a, T: Deserialize<'a>>(body: &'a str) -> Result<T> {
    decode(raw_result(body)?)
}

/// Text that may be missing, null or empty, which all mean the same. So does `None`, which stands in old answers.
pub(crate) fn filled<'a>(text: &'a Option<Text<'_>>) -> Option<&'a str> {
    let text = text.as_ref().map(Text::get)?;
    (!text.is_empty() && text != "None").then_some(text)
}

fn unquoted(raw: &str) -> &str {
    let inner = raw.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    inner.unwrap_or(raw)
}

/// Seconds since 1970 with their fraction, as a number or in quotes. 0 says that there is no such moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seconds(pub(crate) DateTime<Utc>);

impl Seconds {
    pub(crate) fn parse(text: &str) -> Option<DateTime<Utc>> {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || !plain(whole) || !plain(fraction) || fraction.len() > 9 {
            return None;
        }
        let mut nanos = fraction
            .bytes()
            .fold(0u32, |sum, digit| sum * 10 + u32::from(digit - b'0'));
        for _ in fraction.len()..9 {
            nanos *= 10;
        }
        DateTime::from_timestamp(whole.parse().ok()?, nanos)
    }

    /// The moment, where there is one.
    pub(crate) fn set(self) -> Option<DateTime<Utc>> {
        Some(self.0).filter(|at| *at != DateTime::UNIX_EPOCH)
    }
}

impl<'de> Deserialize<'de> for Seconds {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&RawValue>::deserialize(deserializer)?.get();
        Self::parse(unquoted(raw))
            .map(Self)
            .ok_or_else(|| de::Error::custom(format_args!("{raw} is no time in seconds")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_keep_their_fraction() {
        let at = |text: &str| Seconds::parse(text).map(|at| at.timestamp_nanos_opt().unwrap());
        assert_eq!(at("1688667796.8802"), Some(1_688_667_796_880_200_000));
        assert_eq!(at("1688669597.8277369"), Some(1_688_669_597_827_736_900));
        assert_eq!(at("1688667796"), Some(1_688_667_796_000_000_000));
        assert_eq!(at("0"), Some(0));
        for text in ["", ".5", "-1", "1e9", "1.2.3", "1688667796.1234567890", "soon"] {
            assert_eq!(at(text), None, "{text}");
        }
        let quoted: Seconds = serde_json::from_str("\"1616672637\"").unwrap();
        assert_eq!(quoted.0.timestamp(), 1_616_672_637);
    }

    #[test]
    fn an_id_that_comes_twice_is_an_error() {
        assert!(serde_json::from_str::<Keyed<'_, u8>>(r#"{"a":1,"b":2}"#).is_ok());
        for text in [r#"{"a":1,"a":2}"#, "[]", "null"] {
            assert!(serde_json::from_str::<Keyed<'_, u8>>(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_number_may_be_missing_in_three_ways() {
        let read = |text: &str| serde_json::from_str::<Maybe>(text).map(|maybe| maybe.0).ok();
        assert_eq!((read("null"), read("\"\"")), (Some(None), Some(None)));
        assert_eq!(read("\"+154186.9728\""), Some(Some("154186.9728".parse().unwrap())));
        assert_eq!(read("\"null\""), None);
    }
}
