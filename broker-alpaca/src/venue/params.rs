//! Query parameters, read strictly: each once, each known, each well formed.

use broker_core::num::decimal;
use broker_sim::wire::WireRequest;
use chrono::{DateTime, NaiveDate, NaiveTime, TimeZone, Utc};
use chrono_tz::America::New_York;
use rust_decimal::Decimal;

use super::refusal::Refusal;

/// The query of one request.
#[derive(Debug)]
pub(super) struct Params<'a>(&'a [(String, String)]);

impl<'a> Params<'a> {
    /// The real service passes over a parameter that it does not know; a misspelled filter would go unnoticed, so
    /// this one refuses it, and one that comes twice.
    pub(super) fn of(request: &'a WireRequest, known: &[&str]) -> Result<Self, Refusal> {
        for (place, (name, _)) in request.pairs.iter().enumerate() {
            if !known.contains(&name.as_str()) {
                return Err(Refusal::malformed(format!("unknown query parameter {name:?}")));
            }
            if request.pairs[..place].iter().any(|(earlier, _)| earlier == name) {
                return Err(Refusal::malformed(format!("query parameter {name:?} comes twice")));
            }
        }
        Ok(Self(&request.pairs))
    }

    /// A parameter; one without a value counts as missing.
    pub(super) fn get(&self, name: &str) -> Option<&'a str> {
        let (_, value) = self.0.iter().find(|(key, _)| key == name)?;
        Some(value.as_str()).filter(|value| !value.is_empty())
    }

    pub(super) fn needed(&self, name: &str) -> Result<&'a str, Refusal> {
        self.get(name)
            .ok_or_else(|| Refusal::malformed(format!("{name} is required")))
    }

    /// One of these words.
    pub(super) fn word(&self, name: &str, words: &[&'static str]) -> Result<Option<&'static str>, Refusal> {
        let Some(value) = self.get(name) else {
            return Ok(None);
        };
        let known = words.iter().copied().find(|word| *word == value);
        known.map(Some).ok_or_else(|| bad(name, value))
    }

    /// The parts between commas.
    pub(super) fn list(&self, name: &str) -> Result<Option<Vec<&'a str>>, Refusal> {
        let Some(value) = self.get(name) else {
            return Ok(None);
        };
        let parts: Vec<_> = value.split(',').map(str::trim).collect();
        if parts.iter().any(|part| part.is_empty()) {
            return Err(bad(name, value));
        }
        Ok(Some(parts))
    }

    /// Alpaca's own Python client writes `True`; its service, written in Go, reads all that Go's `ParseBool` does.
    pub(super) fn flag(&self, name: &str) -> Result<bool, Refusal> {
        const YES: [&str; 6] = ["1", "t", "T", "true", "TRUE", "True"];
        const NO: [&str; 6] = ["0", "f", "F", "false", "FALSE", "False"];
        let word = self.word(name, &[YES, NO].concat())?;
        Ok(word.is_some_and(|word| YES.contains(&word)))
    }

    /// A whole number of `1..=most`.
    pub(super) fn count(&self, name: &str, default: usize, most: usize) -> Result<usize, Refusal> {
        let Some(value) = self.get(name) else {
            return Ok(default);
        };
        let count = value.parse().ok().filter(|count| (1..=most).contains(count));
        count.ok_or_else(|| Refusal::invalid(format!("{name} must be between 1 and {most}")))
    }

    pub(super) fn decimal(&self, name: &str) -> Result<Option<Decimal>, Refusal> {
        let Some(value) = self.get(name) else {
            return Ok(None);
        };
        decimal(value).map(Some).map_err(|_| bad(name, value))
    }

    /// `YYYY-MM-DD`.
    pub(super) fn date(&self, name: &str) -> Result<Option<NaiveDate>, Refusal> {
        let Some(value) = self.get(name) else {
            return Ok(None);
        };
        day(value).map(Some).ok_or_else(|| bad(name, value))
    }

    /// RFC 3339, or a date: its midnight in New York.
    pub(super) fn time(&self, name: &str) -> Result<Option<DateTime<Utc>>, Refusal> {
        let Some(value) = self.get(name) else {
            return Ok(None);
        };
        let time = DateTime::parse_from_rfc3339(value).ok().map(|time| time.to_utc());
        let time = time.or_else(|| day(value).and_then(midnight));
        time.map(Some).ok_or_else(|| bad(name, value))
    }

    /// A calendar day in New York, given as a date or as a moment of it.
    pub(super) fn day(&self, name: &str) -> Result<Option<NaiveDate>, Refusal> {
        Ok(self.time(name)?.map(local_date))
    }
}

fn bad(name: &str, value: &str) -> Refusal {
    Refusal::invalid(format!("invalid {name}: {value:?}"))
}

/// Only the ten characters of a date; chrono alone would take `2026-1-2`, too.
fn day(text: &str) -> Option<NaiveDate> {
    text.parse().ok().filter(|_| text.len() == 10)
}

/// The date in New York.
pub(super) fn local_date(at: DateTime<Utc>) -> NaiveDate {
    at.with_timezone(&New_York).date_naive()
}

/// Midnight in New York, which exists once on every day.
pub(super) fn midnight(date: NaiveDate) -> Option<DateTime<Utc>> {
    let local = New_York
        .from_local_datetime(&date.and_time(NaiveTime::MIN))
        .earliest()?;
    Some(local.to_utc())
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: [&str; 3] = ["limit", "after", "status"];

    fn refused(target: &str, read: impl Fn(&Params<'_>) -> Result<(), Refusal>) -> (u16, String) {
        let request = WireRequest::new("GET", target, "memory");
        let refusal = Params::of(&request, &KNOWN)
            .and_then(|params| read(&params))
            .unwrap_err();
        (refusal.status(), refusal.body())
    }

    #[test]
    fn what_is_unknown_twice_or_malformed_is_refused() {
        let (status, body) = refused("/?limits=1", |_| Ok(()));
        assert_eq!(
            (status, body.as_str()),
            (
                400,
                r#"{"code":40010000,"message":"unknown query parameter \"limits\""}"#
            )
        );
        assert_eq!(refused("/?limit=1&limit=2", |_| Ok(())).0, 400);
        let limit = |params: &Params<'_>| params.count("limit", 50, 500).map(|_| ());
        for target in ["/?limit=0", "/?limit=501", "/?limit=x", "/?limit=-1"] {
            assert_eq!(
                refused(target, limit).1,
                r#"{"code":42210000,"message":"limit must be between 1 and 500"}"#
            );
        }
        let status = |params: &Params<'_>| params.word("status", &["open", "all"]).map(|_| ());
        assert_eq!(refused("/?status=new", status).0, 422);
        let after = |params: &Params<'_>| params.time("after").map(|_| ());
        for target in ["/?after=yesterday", "/?after=2026-1-2", "/?after=2026-02-30"] {
            assert_eq!(refused(target, after).0, 422, "{target}");
        }
    }

    #[test]
    fn a_date_is_midnight_in_new_york() {
        let request = WireRequest::new("GET", "/?after=2026-11-02&limit=", "memory");
        let params = Params::of(&request, &KNOWN).unwrap();
        assert_eq!(
            params.time("after").unwrap().unwrap().to_rfc3339(),
            "2026-11-02T05:00:00+00:00"
        );
        assert_eq!(params.count("limit", 50, 500).unwrap(), 50);
    }
}
