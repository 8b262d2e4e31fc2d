//! Bodies that place, change and cancel.

use rust_decimal::Decimal;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

/// A JSON number, digit for digit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Plain(pub(crate) Decimal);

impl Serialize for Plain {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let text = self.0.normalize().to_string();
        let raw = RawValue::from_string(text).map_err(serde::ser::Error::custom)?;
        raw.serialize(serializer)
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PlaceJson<'a> {
    pub(crate) account_id: i64,
    pub(crate) contract_id: &'a str,
    #[serde(rename = "type")]
    pub(crate) kind: u8,
    pub(crate) side: u8,
    pub(crate) size: Plain,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) limit_price: Option<Plain>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) stop_price: Option<Plain>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) trail_price: Option<Plain>,
    pub(crate) custom_tag: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) stop_loss_bracket: Option<BracketJson>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) take_profit_bracket: Option<BracketJson>,
}

/// An exit, by its distance from the entry's fill in ticks; below it they are negative.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct BracketJson {
    pub(crate) ticks: i64,
    #[serde(rename = "type")]
    pub(crate) kind: u8,
}

/// A change; what is not written stays.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ModifyJson {
    pub(crate) account_id: i64,
    pub(crate) order_id: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) size: Option<Plain>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) limit_price: Option<Plain>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) stop_price: Option<Plain>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) trail_price: Option<Plain>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CancelJson {
    pub(crate) account_id: i64,
    pub(crate) order_id: i64,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CloseJson<'a> {
    pub(crate) account_id: i64,
    pub(crate) contract_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) size: Option<Plain>,
}
