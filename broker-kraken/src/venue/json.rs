//! JSON as Kraken writes it: money as strings with the places of its asset, times as numbers of seconds.

use chrono::{DateTime, Utc};
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

    /// A decimal as a string, with at least so many places.
    pub(super) fn decimal(self, key: &str, value: Decimal, places: u32) -> Self {
        self.text(key, &padded(value, places))
    }

    pub(super) fn seconds(self, key: &str, at: Option<DateTime<Utc>>) -> Self {
        self.raw(key, &at.map_or_else(|| "0".to_owned(), seconds))
    }

    pub(super) fn end(mut self) -> String {
        self.0.push('}');
        self.0
    }
}

/// A list of values that are JSON already.
pub(super) fn array<T: AsRef<str>>(items: impl IntoIterator<Item = T>) -> String {
    let items: Vec<_> = items.into_iter().map(|item| item.as_ref().to_owned()).collect();
    format!("[{}]", items.join(","))
}

/// A JSON string.
pub(super) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// With at least so many places, and no digit lost.
pub(super) fn padded(value: Decimal, places: u32) -> String {
    let mut value = value.normalize();
    if value.scale() < places {
        value.rescale(places);
    }
    value.to_string()
}

/// Seconds with up to seven places.
pub(super) fn seconds(at: DateTime<Utc>) -> String {
    let fraction = format!("{:07}", at.timestamp_subsec_nanos().min(999_999_999) / 100);
    match fraction.trim_end_matches('0') {
        "" => at.timestamp().to_string(),
        fraction => format!("{}.{fraction}", at.timestamp()),
    }
}
