//! Messages of the hubs: the JSON protocol of SignalR, and what the vendor puts into it.

use broker_core::num::{Num, Text};
use broker_core::{Error, Result};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Stamp, decode};

/// A message. One without a type answers the handshake.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MessageJson<'a> {
    #[serde(rename = "type")]
    pub(crate) kind: Option<i64>,
    #[serde(borrow)]
    pub(crate) target: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) invocation_id: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) arguments: Option<Vec<&'a RawValue>>,
    #[serde(borrow)]
    pub(crate) error: Option<Text<'a>>,
}

pub(crate) const INVOCATION: i64 = 1;
pub(crate) const COMPLETION: i64 = 3;
pub(crate) const CLOSE: i64 = 7;

/// The user hub wraps what happened, though its page shows it bare.
#[derive(Debug, Deserialize)]
struct WrapperJson<'a> {
    #[serde(borrow)]
    data: Option<&'a RawValue>,
}

/// Deepest nesting of lists and wrappers that is followed: one of each is what the vendor sends.
const DEEPEST: usize = 4;

/// The objects of an argument: one, wrapped or bare, or a list of such, in which there can be nulls.
pub(crate) fn objects(argument: &RawValue) -> Result<Vec<&RawValue>> {
    let mut out = Vec::new();
    collect(argument, DEEPEST, &mut out)?;
    Ok(out)
}

fn collect<'a>(argument: &'a RawValue, depth: usize, out: &mut Vec<&'a RawValue>) -> Result<()> {
    let unknown = || Error::decode("an argument of a hub that is no object");
    let deeper = depth.checked_sub(1).ok_or_else(unknown)?;
    match argument.get().as_bytes().first() {
        Some(b'[') => {
            let items: Vec<Option<&RawValue>> = decode(argument.get())?;
            items
                .into_iter()
                .flatten()
                .try_for_each(|item| collect(item, deeper, out))
        }
        Some(b'{') => match decode::<WrapperJson<'_>>(argument.get())?.data {
            Some(data) => collect(data, deeper, out),
            None => {
                out.push(argument);
                Ok(())
            }
        },
        Some(b'n') => Ok(()),
        _ => Err(unknown()),
    }
}

/// A quote. What is missing is as it was.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct QuoteJson {
    pub(crate) best_bid: Option<Num>,
    pub(crate) best_ask: Option<Num>,
    pub(crate) last_updated: Option<Stamp>,
    pub(crate) timestamp: Option<Stamp>,
}
