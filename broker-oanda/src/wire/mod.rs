//! OANDA's JSON as it is sent. Names are the broker's; text is borrowed from the body; fields that we do not use are
//! not decoded. Decimals are strings, and in prices sometimes numbers; optional fields are absent rather than null.

mod answers;
mod row;
#[cfg(feature = "trading")]
pub(crate) mod send;

use broker_core::{Error, Result};
use serde::Deserialize;

pub(crate) use answers::*;
pub(crate) use row::*;

/// Reads a whole body. An error of the reader quotes what it did not expect, and that may be an account: only the
/// place is told.
pub(crate) fn decode<'a, T: Deserialize<'a>>(body: &'a str) -> Result<T> {
    serde_json::from_str(body).map_err(|error| {
        let what = match error.classify() {
            serde_json::error::Category::Data => "a field is missing or of another kind",
            _ => "no JSON",
        };
        Error::decode(format!("{what} at line {} column {}", error.line(), error.column()))
    })
}

/// Ids count the transactions of an account: they are compared as numbers.
pub(crate) fn id(text: &str) -> Result<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = digits.then(|| text.parse().ok()).flatten();
    number.ok_or_else(|| Error::decode(format!("{text:?} is no id of a transaction")))
}
