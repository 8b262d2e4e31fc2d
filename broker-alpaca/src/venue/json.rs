//! JSON as Alpaca writes it: decimals as strings on the trading host and as numbers on the data host, each from its
//! exact text, and times with as many digits as they need.

use chrono::{DateTime, Timelike, Utc};
use chrono_tz::America::New_York;
use rust_decimal::Decimal;

/// An object, written key by key.
#[derive(Debug)]
pub(super) struct Object(String);

impl Object {
    pub(super) fn new() -> Self {
        Self(String::from("{"))
    }

    /// A value that is JSON already.
    pub(super) fn raw(mut self, key: &str, json: &str) -> Self {
        if self.0.len() > 1 {
            self.0.push(',');
        }
        self.0.push_str(&quoted(key));
        self.0.push(':');
        self.0.push_str(json);
        self
    }

    pub(super) fn text(self, key: &str, text: &str) -> Self {
        self.raw(key, &quoted(text))
    }

    pub(super) fn flag(self, key: &str, value: bool) -> Self {
        self.raw(key, if value { "true" } else { "false" })
    }

    pub(super) fn null(self, key: &str) -> Self {
        self.raw(key, "null")
    }

    /// A decimal as a string, without zeros at its end.
    pub(super) fn decimal(self, key: &str, value: Decimal) -> Self {
        self.text(key, &plain(value))
    }

    /// A decimal as a number, without zeros at its end.
    pub(super) fn number(self, key: &str, value: Decimal) -> Self {
        self.raw(key, &plain(value))
    }

    pub(super) fn stamp(self, key: &str, at: DateTime<Utc>) -> Self {
        self.text(key, &stamp(at))
    }

    /// The text, or null.
    pub(super) fn text_or_null(self, key: &str, text: Option<&str>) -> Self {
        match text {
            Some(text) => self.text(key, text),
            None => self.null(key),
        }
    }

    /// The decimal as a string, or null.
    pub(super) fn decimal_or_null(self, key: &str, value: Option<Decimal>) -> Self {
        match value {
            Some(value) => self.decimal(key, value),
            None => self.null(key),
        }
    }

    /// The time, or null.
    pub(super) fn stamp_or_null(self, key: &str, at: Option<DateTime<Utc>>) -> Self {
        match at {
            Some(at) => self.stamp(key, at),
            None => self.null(key),
        }
    }

    pub(super) fn end(mut self) -> String {
        self.0.push('}');
        self.0
    }
}

/// A list of values that are JSON already.
pub(super) fn array<T: AsRef<str>>(items: impl IntoIterator<Item = T>) -> String {
    let mut out = String::from("[");
    for item in items {
        if out.len() > 1 {
            out.push(',');
        }
        out.push_str(item.as_ref());
    }
    out.push(']');
    out
}

/// A JSON string.
pub(super) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// A decimal without zeros at its end.
pub(super) fn plain(value: Decimal) -> String {
    value.normalize().to_string()
}

/// RFC 3339 in UTC, with the digits of a second that are not zeros.
pub(super) fn stamp(at: DateTime<Utc>) -> String {
    format!("{}{}Z", at.format("%Y-%m-%dT%H:%M:%S"), fraction(at.nanosecond()))
}

/// RFC 3339 with New York's offset and nine digits of a second, as the clock writes it.
pub(super) fn new_york_stamp(at: DateTime<Utc>) -> String {
    at.with_timezone(&New_York)
        .format("%Y-%m-%dT%H:%M:%S%.9f%:z")
        .to_string()
}

/// RFC 3339 with New York's offset, to the second.
pub(super) fn new_york_second(at: DateTime<Utc>) -> String {
    at.with_timezone(&New_York).format("%Y-%m-%dT%H:%M:%S%:z").to_string()
}

fn fraction(nanos: u32) -> String {
    // A leap second is written as the last nanosecond before it.
    match nanos.min(999_999_999) {
        0 => String::new(),
        nanos => format!(".{}", format!("{nanos:09}").trim_end_matches('0')),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_their_digits() {
        let value = "12345678901234567.8900".parse().unwrap();
        let object = Object::new().decimal("a", value).number("b", value).null("c").end();
        assert_eq!(
            object,
            r#"{"a":"12345678901234567.89","b":12345678901234567.89,"c":null}"#
        );
        assert_eq!(plain("0.000".parse().unwrap()), "0");
    }

    #[test]
    fn times_have_the_digits_they_need() {
        let at = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
        assert_eq!(stamp(at("2021-03-16T18:38:01.942280Z")), "2021-03-16T18:38:01.94228Z");
        assert_eq!(stamp(at("2021-03-16T18:38:01Z")), "2021-03-16T18:38:01Z");
        assert_eq!(
            new_york_stamp(at("2026-10-30T13:30:00.5Z")),
            "2026-10-30T09:30:00.500000000-04:00"
        );
        assert_eq!(new_york_second(at("2026-11-02T14:30:00Z")), "2026-11-02T09:30:00-05:00");
    }

    #[test]
    fn text_is_escaped() {
        assert_eq!(array([quoted("a\"b\n")]), r#"["a\"b\n"]"#);
    }
}
