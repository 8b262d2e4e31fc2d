//! The parameters of a call, read strictly: each once, each known, each well formed.

use broker_core::num::decimal;
use broker_sim::wire::WireRequest;
use rust_decimal::Decimal;

use super::refusal::Refusal;

/// The form of one request.
#[derive(Debug)]
pub(super) struct Params(Vec<(String, String)>);

impl Params {
    /// Of a private call: its body.
    pub(super) fn of(request: &WireRequest) -> Result<Self, Refusal> {
        if !request.query.is_empty() {
            return Err(Refusal::argument("query"));
        }
        if request.header("content-type") != Some("application/x-www-form-urlencoded") {
            return Err(Refusal::new("EAPI:Bad request"));
        }
        let form = request.form();
        let form = form.into_iter().filter(|(name, _)| name != "nonce" && name != "otp");
        Self::once(form.collect())
    }

    /// Of a public call: its query.
    pub(super) fn of_query(request: &WireRequest) -> Result<Self, Refusal> {
        Self::once(request.pairs.clone())
    }

    fn once(pairs: Vec<(String, String)>) -> Result<Self, Refusal> {
        for (place, (name, _)) in pairs.iter().enumerate() {
            if pairs[..place].iter().any(|(earlier, _)| earlier == name) {
                return Err(Refusal::argument(name));
            }
        }
        Ok(Self(pairs))
    }

    /// Refuses what is not among these.
    pub(super) fn only(&self, known: &[&str]) -> Result<&Self, Refusal> {
        match self.0.iter().find(|(name, _)| !known.contains(&name.as_str())) {
            Some((name, _)) => Err(Refusal::argument(name)),
            None => Ok(self),
        }
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let (_, value) = self.0.iter().find(|(key, _)| key == name)?;
        Some(value.as_str()).filter(|value| !value.is_empty())
    }

    pub(super) fn needed(&self, name: &str) -> Result<&str, Refusal> {
        self.get(name).ok_or_else(|| Refusal::argument(name))
    }

    pub(super) fn word(&self, name: &str, words: &[&str]) -> Result<Option<&str>, Refusal> {
        match self.get(name) {
            Some(value) if !words.contains(&value) => Err(Refusal::argument(name)),
            value => Ok(value),
        }
    }

    pub(super) fn flag(&self, name: &str) -> Result<bool, Refusal> {
        Ok(self.word(name, &["true", "false"])? == Some("true"))
    }

    pub(super) fn number(&self, name: &str) -> Result<Option<i64>, Refusal> {
        let number = self
            .get(name)
            .map(|value| value.parse().map_err(|_| Refusal::argument(name)));
        number.transpose()
    }

    pub(super) fn decimal(&self, name: &str) -> Result<Option<Decimal>, Refusal> {
        let number = self
            .get(name)
            .map(|value| decimal(value).map_err(|_| Refusal::argument(name)));
        number.transpose()
    }
}
