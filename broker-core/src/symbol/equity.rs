//! Shares: a ticker, and perhaps a class.

use std::fmt;
use std::str::FromStr;

use super::not_a;
use crate::error::{Error, Result};

/// A US ticker of up to five letters, with or without a class of up to three: `AAPL`, `BRK.B`, `BRK-B`, `BF/B`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Equity {
    ticker: String,
    class: Option<(char, String)>,
}

impl Equity {
    /// The ticker without its class: `BRK`.
    pub fn ticker(&self) -> &str {
        &self.ticker
    }

    /// The class: `B`.
    pub fn class(&self) -> Option<&str> {
        self.class.as_ref().map(|(_, class)| class.as_str())
    }
}

impl FromStr for Equity {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self> {
        let (ticker, class) = match text.find(['.', '-', '/', ' ']) {
            Some(at) => {
                let (ticker, rest) = text.split_at(at);
                let separator = rest.chars().next().unwrap_or('.');
                let class = &rest[separator.len_utf8()..];
                (ticker, Some((separator, class)))
            }
            None => (text, None),
        };
        let letters = |part: &str, longest: usize| {
            (1..=longest).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_uppercase())
        };
        if !letters(ticker, 5) || class.is_some_and(|(_, class)| !letters(class, 3)) {
            return Err(not_a("a ticker", text));
        }
        Ok(Self {
            ticker: ticker.to_owned(),
            class: class.map(|(separator, class)| (separator, class.to_owned())),
        })
    }
}

impl fmt::Display for Equity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.class {
            Some((separator, class)) => write!(f, "{}{separator}{class}", self.ticker),
            None => f.write_str(&self.ticker),
        }
    }
}
