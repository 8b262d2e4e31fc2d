//! Kraken's words and the model's, a file a noun.

pub(crate) mod account;
pub(crate) mod ledger;
#[cfg(feature = "market-data")]
pub(crate) mod market;
pub(crate) mod order;
#[cfg(feature = "trading")]
pub(crate) mod request;
pub(crate) mod trade;

use broker_core::{Error, Result, Side};

pub(crate) fn side(word: &str) -> Result<Side> {
    match word {
        "buy" => Ok(Side::Buy),
        "sell" => Ok(Side::Sell),
        // A side cannot be guessed, and a row without one cannot be counted.
        other => Err(Error::decode(format!("{other:?} is not a side"))),
    }
}

/// A field that this kind of row must have.
fn needed<T>(value: Option<T>, name: &str, id: &str) -> Result<T> {
    value.ok_or_else(|| Error::decode(format!("{id} has no {name}")))
}
