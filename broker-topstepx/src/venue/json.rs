//! JSON as the gateway writes it: numbers bare and digit for digit, times with an offset.

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;

/// An object, written member by member.
#[derive(Debug)]
pub(super) struct Object {
    text: String,
    /// Whether members that are null are written: REST writes them, hubs leave them out.
    nulls: bool,
}

impl Object {
    pub(super) fn new(nulls: bool) -> Self {
        Self {
            text: String::from("{"),
            nulls,
        }
    }

    /// A value that is JSON already.
    pub(super) fn raw(mut self, name: &str, json: impl AsRef<str>) -> Self {
        if self.text.len() > 1 {
            self.text.push(',');
        }
        self.text.push_str(&quoted(name));
        self.text.push(':');
        self.text.push_str(json.as_ref());
        self
    }

    /// The value, or null.
    pub(super) fn maybe(self, name: &str, json: Option<String>) -> Self {
        match json {
            Some(json) => self.raw(name, json),
            None if self.nulls => self.raw(name, "null"),
            None => self,
        }
    }

    pub(super) fn text(self, name: &str, text: &str) -> Self {
        self.raw(name, quoted(text))
    }

    pub(super) fn number(self, name: &str, number: i64) -> Self {
        self.raw(name, number.to_string())
    }

    pub(super) fn flag(self, name: &str, value: bool) -> Self {
        self.raw(name, if value { "true" } else { "false" })
    }

    pub(super) fn end(mut self) -> String {
        self.text.push('}');
        self.text
    }
}

/// A list of values that are JSON already.
pub(super) fn array(items: &[String]) -> String {
    format!("[{}]", items.join(","))
}

pub(super) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// A price: nine places, as the vendor prints them.
pub(super) fn price(value: Decimal) -> String {
    let mut value = value;
    value.rescale(9);
    value.to_string()
}

/// A number without zeros at its end.
pub(super) fn plain(value: Decimal) -> String {
    value.normalize().to_string()
}

/// REST: up to six digits of a second, without zeros at the end. Hubs: seven.
pub(super) fn stamp(at: DateTime<Utc>, hub: bool) -> String {
    let seconds = at.format("%Y-%m-%dT%H:%M:%S");
    let fraction = at.timestamp_subsec_nanos().min(999_999_999) / 100;
    let text = if hub {
        format!("{seconds}.{fraction:07}+00:00")
    } else {
        let digits = format!("{:06}", fraction / 10);
        match digits.trim_end_matches('0') {
            "" => format!("{seconds}+00:00"),
            digits => format!("{seconds}.{digits}+00:00"),
        }
    };
    quoted(&text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rest_cuts_what_a_hub_says() {
        let at = "2026-08-16T23:26:02.1567389Z".parse().unwrap();
        assert_eq!(stamp(at, true), "\"2026-08-16T23:26:02.1567389+00:00\"");
        assert_eq!(stamp(at, false), "\"2026-08-16T23:26:02.156738+00:00\"");
        let at = "2026-08-16T23:26:02.15673Z".parse().unwrap();
        assert_eq!(stamp(at, false), "\"2026-08-16T23:26:02.15673+00:00\"");
        let whole = "2026-08-16T23:26:02Z".parse().unwrap();
        assert_eq!(stamp(whole, false), "\"2026-08-16T23:26:02+00:00\"");
    }

    #[test]
    fn hubs_leave_nulls_out() {
        let object = |nulls| Object::new(nulls).number("a", 1).maybe("b", None).end();
        assert_eq!(object(true), r#"{"a":1,"b":null}"#);
        assert_eq!(object(false), r#"{"a":1}"#);
        assert_eq!(price("6065.25".parse().unwrap()), "6065.250000000");
    }
}
