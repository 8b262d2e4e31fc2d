//! OANDA's JSON as it is sent. Names are the broker's; text is borrowed from the body; fields that we do not use are
//! not decoded. Decimals are strings, and in prices sometimes numbers; optional fields are absent rather than null.

mod answers;
mod row;
#[cfg(feature = "trading")]
pub(crate) mod send;

pub(crate) use broker_core::num::decode;
use broker_core::{Error, Result};

pub(crate) use answers::*;
pub(crate) use row::*;

/// Ids count the transactions of an account: they are compared as numbers.
pub(crate) fn id(text: &str) -> Result<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = digits.then(|| text.parse().ok()).flatten();
    number.ok_or_else(|| Error::decode(format!("{text:?} is no id of a transaction")))
}
