//! What a client is set up from: the environment's variables, or whatever stands in their place.

use std::fmt;

use url::Url;

use crate::{Error, Result};

/// Variables by name. A value is taken without the blanks around it, and an empty one is none.
///
/// ```
/// use broker_core::Variables;
/// let variables = Variables::of(|name| (name == "KEY").then(|| " abc ".to_owned()));
/// assert_eq!(variables.get("KEY").as_deref(), Some("abc"));
/// let error = variables.all(["KEY", "SECRET"], "make a key pair").unwrap_err();
/// assert_eq!(error.to_string(), "configuration: not set: SECRET; make a key pair");
/// ```
pub struct Variables<F> {
    lookup: F,
}

impl<F: Fn(&str) -> Option<String>> Variables<F> {
    /// Variables as this finds them.
    pub fn of(lookup: F) -> Self {
        Self { lookup }
    }

    /// One that may be missing.
    pub fn get(&self, name: &str) -> Option<String> {
        let value = (self.lookup)(name)?;
        let value = value.trim();
        (!value.is_empty()).then(|| value.to_owned())
    }

    /// Several that must be there.
    ///
    /// # Errors
    /// `Config`, naming every one that is missing, with this advice.
    pub fn all<const N: usize>(&self, names: [&str; N], help: &'static str) -> Result<[String; N]> {
        let values = names.map(|name| self.get(name).unwrap_or_default());
        let missing = names.iter().zip(&values).filter(|(_, value)| value.is_empty());
        let missing: Vec<&str> = missing.map(|(name, _)| *name).collect();
        if missing.is_empty() {
            return Ok(values);
        }
        Err(Error::config(format!("not set: {}", missing.join(", "))).with_help(help))
    }

    /// An address, which may be missing.
    ///
    /// # Errors
    /// `Config`, where it is none.
    pub fn url(&self, name: &str) -> Result<Option<Url>> {
        let parsed = self.get(name).map(|text| Url::parse(&text)).transpose();
        parsed.map_err(|error| Error::config(format!("{name} is not a URL")).with_source(error))
    }
}

/// Shows none of them.
impl<F> fmt::Debug for Variables<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Variables")
    }
}
