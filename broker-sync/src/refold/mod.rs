//! What is worked out of an account's rows is kept with marks, so that only what changed is worked out again.
//!
//! A mark holds what all records before a moment come to. It stays true for as long as no record before that moment
//! becomes another: new rows are looked at for what they can change, and the fold goes on from the last mark before it.

pub(crate) mod account;
mod marks;
mod reader;
pub(crate) mod trades;

use broker_core::{Error, Result};
use serde::Serialize;
use serde::de::DeserializeOwned;

pub(crate) use reader::Reader;
pub use trades::Refolded;

fn to_text<T: Serialize>(value: &T) -> Result<String> {
    serde_json::to_string(value).map_err(|error| Error::decode("what was worked out").with_source(error))
}

fn of_text<T: DeserializeOwned>(text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(|error| Error::decode("a mark that cannot be read").with_source(error))
}
