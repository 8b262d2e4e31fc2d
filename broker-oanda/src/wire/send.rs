//! Bodies of requests.

use serde::Serialize;

/// Any decimal as OANDA wants it: a string.
pub(crate) type Digits = String;

#[derive(Debug, Serialize)]
pub(crate) struct OrderBody {
    pub(crate) order: OrderOut,
}

#[derive(Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct OrderOut {
    #[serde(rename = "type")]
    pub(crate) kind: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) instrument: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) units: Option<Digits>,
    #[serde(rename = "tradeID", skip_serializing_if = "Option::is_none")]
    pub(crate) trade_id: Option<String>,
    #[serde(rename = "clientTradeID", skip_serializing_if = "Option::is_none")]
    pub(crate) client_trade_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) price: Option<Digits>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) price_bound: Option<Digits>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) distance: Option<Digits>,
    pub(crate) time_in_force: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) gtd_time: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) position_fill: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) trigger_condition: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) client_extensions: Option<ExtensionsOut>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) take_profit_on_fill: Option<ExitOut>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) stop_loss_on_fill: Option<ExitOut>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) guaranteed_stop_loss_on_fill: Option<ExitOut>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) trailing_stop_loss_on_fill: Option<ExitOut>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) trade_client_extensions: Option<ExtensionsOut>,
}

#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct ExtensionsOut {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) tag: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) comment: Option<String>,
}

#[derive(Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ExitOut {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) price: Option<Digits>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) distance: Option<Digits>,
    pub(crate) time_in_force: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) gtd_time: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) client_extensions: Option<ExtensionsOut>,
}

/// What is left out stays, what is null is canceled.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ExitsOut {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) take_profit: Option<Option<ExitOut>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) stop_loss: Option<Option<ExitOut>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) guaranteed_stop_loss: Option<Option<ExitOut>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) trailing_stop_loss: Option<Option<ExitOut>>,
}

#[derive(Debug, Serialize)]
pub(crate) struct CloseTradeOut {
    pub(crate) units: Digits,
}

/// Only the side that is open is sent.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ClosePositionOut {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) long_units: Option<Digits>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) short_units: Option<Digits>,
}
