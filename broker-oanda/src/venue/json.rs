//! JSON as OANDA writes it: every decimal is a string, with the places of its kind, and what there is not is left out.

use chrono::{DateTime, SecondsFormat, Utc};
use rust_decimal::{Decimal, RoundingStrategy};

/// An object, written key by key.
#[derive(Debug, Clone)]
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

    pub(super) fn text(self, key: &str, text: impl AsRef<str>) -> Self {
        self.raw(key, &quoted(text.as_ref()))
    }

    pub(super) fn id(self, key: &str, id: u64) -> Self {
        self.text(key, id.to_string())
    }

    pub(super) fn flag(self, key: &str, value: bool) -> Self {
        self.raw(key, if value { "true" } else { "false" })
    }

    /// Money of the account: four places.
    pub(super) fn money(self, key: &str, value: Decimal) -> Self {
        self.text(key, money(value))
    }

    /// Units of an instrument, without zeros at their end.
    pub(super) fn units(self, key: &str, value: Decimal) -> Self {
        self.text(key, value.normalize().to_string())
    }

    pub(super) fn stamp(self, key: &str, at: DateTime<Utc>) -> Self {
        self.text(key, stamp(at))
    }

    /// The text, where there is one.
    pub(super) fn maybe(self, key: &str, text: Option<impl AsRef<str>>) -> Self {
        match text {
            Some(text) => self.text(key, text),
            None => self,
        }
    }

    /// The JSON, where there is some.
    pub(super) fn maybe_raw(self, key: &str, json: Option<impl AsRef<str>>) -> Self {
        match json {
            Some(json) => self.raw(key, json.as_ref()),
            None => self,
        }
    }

    pub(super) fn end(mut self) -> String {
        self.0.push('}');
        self.0
    }
}

/// A list of values that are JSON already.
pub(super) fn array<T: AsRef<str>>(items: impl IntoIterator<Item = T>) -> String {
    let items: Vec<String> = items.into_iter().map(|item| item.as_ref().to_owned()).collect();
    format!("[{}]", items.join(","))
}

/// A list of texts.
pub(super) fn texts<T: ToString>(items: impl IntoIterator<Item = T>) -> String {
    array(items.into_iter().map(|item| quoted(&item.to_string())))
}

pub(super) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

pub(super) fn money(value: Decimal) -> String {
    fixed(value, 4)
}

/// Exactly so many places.
pub(super) fn fixed(value: Decimal, places: u32) -> String {
    let mut value = value.round_dp_with_strategy(places, RoundingStrategy::MidpointAwayFromZero);
    value.rescale(places);
    if value.is_zero() {
        value.set_sign_positive(true);
    }
    value.to_string()
}

pub(super) fn stamp(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Nanos, true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_have_their_places() {
        let of = |text: &str| text.parse::<Decimal>().unwrap();
        assert_eq!(money(of("-0.00004")), "0.0000");
        assert_eq!(money(of("12.34565")), "12.3457");
        assert_eq!(fixed(of("1.1"), 5), "1.10000");
        let object = Object::new()
            .units("units", of("-100.0"))
            .maybe("none", None::<&str>)
            .id("id", 7);
        assert_eq!(object.end(), r#"{"units":"-100","id":"7"}"#);
        assert_eq!(texts([1, 2]), r#"["1","2"]"#);
        let at: DateTime<Utc> = "2026-01-05T09:30:00.1Z".parse().unwrap();
        assert_eq!(stamp(at), "2026-01-05T09:30:00.100000000Z");
    }
}
