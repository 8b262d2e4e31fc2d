//! Query parameters, read strictly: each once, each known, each well formed.

use broker_sim::wire::WireRequest;
use chrono::{DateTime, Utc};

use super::refusal::Refusal;

/// The query of one request.
pub(super) struct Params<'a>(&'a [(String, String)]);

impl<'a> Params<'a> {
    /// Whether the real service passes over what it does not know is not documented: here a misspelled filter shows.
    pub(super) fn of(request: &'a WireRequest, known: &[&str]) -> Result<Self, Refusal> {
        for (place, (name, _)) in request.pairs.iter().enumerate() {
            let twice = request.pairs[..place].iter().any(|(earlier, _)| earlier == name);
            if twice || !known.contains(&name.as_str()) {
                return Err(Refusal::new(
                    400,
                    format!("Unrecognized or repeated parameter '{name}'"),
                ));
            }
        }
        Ok(Self(&request.pairs))
    }

    pub(super) fn get(&self, name: &str) -> Option<&'a str> {
        let (_, value) = self.0.iter().find(|(key, _)| key == name)?;
        Some(value)
    }

    pub(super) fn needed(&self, name: &str) -> Result<&'a str, Refusal> {
        self.get(name)
            .filter(|value| !value.is_empty())
            .ok_or_else(|| Refusal::invalid(name))
    }

    /// A whole number of `1..=most`.
    pub(super) fn count(&self, name: &str, default: usize, most: usize) -> Result<usize, Refusal> {
        let Some(value) = self.get(name) else {
            return Ok(default);
        };
        let count = value.parse().ok().filter(|count| (1..=most).contains(count));
        count.ok_or_else(|| Refusal::invalid(name))
    }

    pub(super) fn id(&self, name: &str) -> Result<Option<u64>, Refusal> {
        let Some(value) = self.get(name) else { return Ok(None) };
        value.parse().map(Some).map_err(|_| Refusal::invalid(name))
    }

    pub(super) fn time(&self, name: &str) -> Result<Option<DateTime<Utc>>, Refusal> {
        let Some(value) = self.get(name) else { return Ok(None) };
        let time = DateTime::parse_from_rfc3339(value).map(|time| time.to_utc());
        time.map(Some).map_err(|_| Refusal::invalid(name))
    }

    pub(super) fn list(&self, name: &str) -> Option<Vec<&'a str>> {
        self.get(name).map(|value| value.split(',').collect())
    }

    /// One of these words.
    pub(super) fn word(&self, name: &str, words: &[&str]) -> Result<Option<&'a str>, Refusal> {
        match self.get(name) {
            Some(value) if !words.contains(&value) => Err(Refusal::invalid(name)),
            value => Ok(value),
        }
    }

    pub(super) fn flag(&self, name: &str, default: bool) -> Result<bool, Refusal> {
        Ok(match self.word(name, &["true", "false", "True", "False"])? {
            None => default,
            Some(word) => word.eq_ignore_ascii_case("true"),
        })
    }
}
