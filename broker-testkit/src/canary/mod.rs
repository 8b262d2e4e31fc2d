//! Canaries: secrets that are looked for in every text that a program shows, in clear and in disguise.
//!
//! ```
//! use broker_testkit::canary::Canaries;
//! let mut canaries = Canaries::new().with("secret", "kX9+/mQ2vT7z");
//! canaries.look("a header", "Authorization: Basic aWQ6a1g5Ky9tUTJ2VDd6");
//! assert_eq!(canaries.hits()[0].form, "base64");
//! ```

mod calls;
mod forms;
mod looking;
mod stage;
mod trace;
mod watching;

use std::error::Error;
use std::fmt::{self, Debug, Display};

use forms::{Form, forms, plain};

pub use calls::{CallSetup, Caller, WRITES};
pub use looking::{ENDS, EVENTS, Looking};
pub use stage::SecretsStage;
pub use trace::TraceLog;
pub use watching::{Watched, Watching};

/// A secret that was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hit {
    /// Which one.
    pub secret: String,
    /// In which form.
    pub form: &'static str,
    /// In what.
    pub what: String,
    /// What stands around it.
    pub excerpt: String,
}

impl Display for Hit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} shows the {} ({}): {}",
            self.what, self.secret, self.form, self.excerpt
        )
    }
}

/// Secrets, and the places where they were seen.
#[derive(Default)]
pub struct Canaries {
    secrets: Vec<(String, Vec<Form>)>,
    hits: Vec<Hit>,
    looked: u64,
}

impl Canaries {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Looks for this secret, too. Eight characters are the least that cannot stand somewhere by chance.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, secret: &str) -> Self {
        assert!(secret.len() >= 8, "too short to be looked for");
        self.secrets.push((name.into(), forms(secret)));
        self
    }

    /// Looks at a text.
    pub fn look(&mut self, what: &str, text: &str) {
        self.looked += 1;
        for shown in plain(text) {
            for (secret, forms) in &self.secrets {
                if let Some((form, excerpt)) = forms.iter().find_map(|form| Some((form.name, form.find(&shown)?))) {
                    let hit = Hit {
                        secret: secret.clone(),
                        form,
                        what: what.to_owned(),
                        excerpt,
                    };
                    if !self.hits.contains(&hit) {
                        self.hits.push(hit);
                    }
                }
            }
        }
    }

    /// Looks at what a value shows of itself, on one line and on many.
    pub fn look_at(&mut self, what: &str, value: &dyn Debug) {
        self.look(what, &format!("{value:?}"));
        self.look(what, &format!("{value:#?}"));
    }

    /// Looks at an error and at all that stands behind it.
    pub fn look_at_error(&mut self, what: &str, error: &dyn Error) {
        let mut next = Some(error);
        while let Some(error) = next {
            self.look(what, &error.to_string());
            self.look_at(what, &error);
            next = error.source();
        }
    }

    /// What was seen.
    pub fn hits(&self) -> &[Hit] {
        &self.hits
    }

    /// How many texts were looked at.
    pub fn looked(&self) -> u64 {
        self.looked
    }
}

/// Shows secrets by their names; a hit shows what was seen.
impl Debug for Canaries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.secrets.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("Canaries")
            .field("secrets", &names)
            .field("hits", &self.hits)
            .field("looked", &self.looked)
            .finish()
    }
}
