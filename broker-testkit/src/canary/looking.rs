//! What was shown, and whether a secret or a whole account number was in it.

use std::collections::BTreeMap;
use std::fmt::Debug;

use broker_core::{AccountId, Error, Result};

use super::Canaries;

/// Looks at what calls answer: for secrets in everything, for account numbers in everything but an account's own name,
/// which is data.
#[derive(Debug)]
pub struct Looking {
    /// Secrets.
    pub secrets: Canaries,
    /// Account ids and numbers.
    pub numbers: Canaries,
    /// Answers that were looked at.
    pub answers: u64,
    /// Errors that were looked at.
    pub errors: u64,
    /// Answers and errors of each call.
    pub by_call: BTreeMap<String, (u64, u64)>,
    /// How often each of [`ENDS`] and [`EVENTS`] stood in what was shown.
    pub words: BTreeMap<&'static str, u64>,
    /// What is done now, for hits.
    pub what: String,
}

/// How orders end that are in doubt, and those that are not: words of what the calls of a run show.
pub const ENDS: [&str; 6] = [
    "Accepted(",
    "Rejected(",
    "InDoubt(",
    "Recovery {",
    "Ticket(",
    "Intent {",
];

/// The kinds of events: words of what the streams of a run show.
pub const EVENTS: [&str; 7] = [
    "Order(",
    "Record(",
    "Balances(",
    "Quote(",
    "Disconnected {",
    "Gap {",
    "Recovered(",
];

impl Looking {
    /// Looks for these secrets, this account's id, and the number that people know it by.
    pub fn new(secrets: Canaries, account: &AccountId, number: Option<&str>) -> Self {
        let numbers = Canaries::new().with("account id", account.get());
        Self {
            secrets,
            numbers: match number {
                Some(number) => numbers.with("account number", number),
                None => numbers,
            },
            answers: 0,
            errors: 0,
            by_call: BTreeMap::new(),
            words: BTreeMap::new(),
            what: String::new(),
        }
    }

    /// Looks at what a call gave.
    pub fn result<T: Debug>(&mut self, call: &str, result: &Result<T>) {
        let counts = self.by_call.entry(call.to_owned()).or_default();
        match result {
            Ok(answer) => {
                counts.0 += 1;
                self.answers += 1;
                self.value(answer);
            }
            Err(error) => {
                counts.1 += 1;
                self.error(error);
            }
        }
    }

    /// Looks at what a value shows of itself.
    pub fn value(&mut self, value: &dyn Debug) {
        let shown = format!("{value:?}");
        for word in ENDS.into_iter().chain(EVENTS) {
            *self.words.entry(word).or_default() += u64::from(shown.contains(word));
        }
        for canaries in [&mut self.secrets, &mut self.numbers] {
            canaries.look(&self.what, &shown);
            canaries.look(&self.what, &format!("{value:#?}"));
        }
    }

    /// Looks at an error and at all that stands behind it.
    pub fn error(&mut self, error: &Error) {
        self.errors += 1;
        for canaries in [&mut self.secrets, &mut self.numbers] {
            canaries.look_at_error(&self.what, error);
        }
    }

    /// Looks at a text: a log, what a wire shows.
    pub fn log(&mut self, what: &str, text: &str) {
        for canaries in [&mut self.secrets, &mut self.numbers] {
            canaries.look(what, text);
        }
    }

    /// Nothing was seen of all that was looked at.
    ///
    /// # Panics
    /// When a secret or a number was seen, or nothing was looked at.
    pub fn nothing_was_seen(&self) {
        for canaries in [&self.secrets, &self.numbers] {
            assert!(canaries.looked() > 0);
            assert!(canaries.hits().is_empty(), "{:#?}", canaries.hits());
        }
    }

    /// Each of these calls was answered at least once.
    ///
    /// # Panics
    /// When one was not: then there was nothing to see.
    pub fn was_answered(&self, calls: impl IntoIterator<Item = &'static str>) {
        for call in calls {
            assert!(
                self.by_call.get(call).is_some_and(|(answers, _)| *answers > 0),
                "{call} never answered: {:?}",
                self.by_call
            );
        }
    }

    /// Each of these was shown.
    ///
    /// # Panics
    /// When one was not: then there was nothing to see.
    pub fn has_shown(&self, words: &[&str]) {
        for word in words {
            assert!(
                self.words.get(word).is_some_and(|count| *count > 0),
                "{word:?} in {:?}",
                self.words
            );
        }
    }
}
