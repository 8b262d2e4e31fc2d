//! What is looked for, and where it was looked.

use std::collections::BTreeMap;
use std::fmt::Debug;

use broker_core::{AccountId, Error, Result};
use broker_testkit::canary::Canaries;

use super::secrets;

pub(crate) struct Looking {
    /// In everything.
    pub(crate) secrets: Canaries,
    /// In everything but an account's own name, which is data.
    pub(crate) numbers: Canaries,
    pub(crate) answers: u64,
    pub(crate) errors: u64,
    /// Answers and errors of each call.
    pub(crate) by_call: BTreeMap<String, (u64, u64)>,
    /// How often these words stood in what was shown.
    pub(crate) words: BTreeMap<&'static str, u64>,
    pub(crate) what: String,
}

/// The ends of orders in doubt and of those that are not, and the kinds of events.
const WORDS: [&str; 13] = [
    "Accepted(",
    "Rejected(",
    "InDoubt(",
    "Recovery {",
    "Ticket(",
    "Intent {",
    "Order(",
    "Record(",
    "Balances(",
    "Quote(",
    "Disconnected {",
    "Gap {",
    "Recovered(",
];

impl Looking {
    pub(crate) fn new(account: &AccountId, number: &str) -> Self {
        Self {
            secrets: secrets(),
            numbers: Canaries::new()
                .with("account id", account.get())
                .with("account number", number),
            answers: 0,
            errors: 0,
            by_call: BTreeMap::new(),
            words: BTreeMap::new(),
            what: String::new(),
        }
    }

    pub(crate) fn result<T: Debug>(&mut self, call: &str, result: &Result<T>) {
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

    /// What a value shows of itself.
    pub(crate) fn value(&mut self, value: &dyn Debug) {
        let shown = format!("{value:?}");
        for word in WORDS {
            *self.words.entry(word).or_default() += u64::from(shown.contains(word));
        }
        for canaries in [&mut self.secrets, &mut self.numbers] {
            canaries.look(&self.what, &shown);
            canaries.look(&self.what, &format!("{value:#?}"));
        }
    }

    pub(crate) fn error(&mut self, error: &Error) {
        self.errors += 1;
        for canaries in [&mut self.secrets, &mut self.numbers] {
            canaries.look_at_error(&self.what, error);
        }
    }

    pub(crate) fn log(&mut self, what: &str, text: &str) {
        for canaries in [&mut self.secrets, &mut self.numbers] {
            canaries.look(what, text);
        }
    }

    pub(crate) fn nothing_was_seen(&self) {
        for canaries in [&self.secrets, &self.numbers] {
            assert!(canaries.looked() > 0);
            assert!(canaries.hits().is_empty(), "{:#?}", canaries.hits());
        }
    }

    /// Each of these was shown.
    pub(crate) fn has_shown(&self, words: &[&str]) {
        for word in words {
            assert!(
                self.words.get(word).is_some_and(|count| *count > 0),
                "{word:?} in {:?}",
                self.words
            );
        }
    }
}
