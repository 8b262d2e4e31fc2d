//! What is sent: the bodies of orders and of their changes. Decimals are strings, so that no digit is lost.

use rust_decimal::Decimal;
use serde::{Serialize, Serializer};

/// A decimal as a string, without zeros at its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Plain(pub(crate) Decimal);

impl Serialize for Plain {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0.normalize())
    }
}

/// `POST /v2/orders`. What is `None` is left out.
#[derive(Debug, Serialize)]
pub(crate) struct PlaceJson<'a> {
    pub(crate) symbol: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) qty: Option<Plain>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) notional: Option<Plain>,
    pub(crate) side: &'static str,
    #[serde(rename = "type")]
    pub(crate) kind: &'static str,
    pub(crate) time_in_force: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) limit_price: Option<Plain>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) stop_price: Option<Plain>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) trail_price: Option<Plain>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) trail_percent: Option<Plain>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) extended_hours: Option<bool>,
    pub(crate) client_order_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) order_class: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) position_intent: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) take_profit: Option<TakeProfitJson>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) stop_loss: Option<StopLossJson>,
}

/// The target of a group.
#[derive(Debug, Serialize)]
pub(crate) struct TakeProfitJson {
    pub(crate) limit_price: Plain,
}

/// The protecting exit of a group.
#[derive(Debug, Serialize)]
pub(crate) struct StopLossJson {
    pub(crate) stop_price: Plain,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) limit_price: Option<Plain>,
}

/// `PATCH /v2/orders/{id}`. What is `None` stays as it is.
#[derive(Debug, Serialize)]
pub(crate) struct ReplaceJson<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) qty: Option<Plain>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) time_in_force: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) limit_price: Option<Plain>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) stop_price: Option<Plain>,
    /// The price or the percent of a trailing stop, whichever it has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) trail: Option<Plain>,
    pub(crate) client_order_id: &'a str,
}
