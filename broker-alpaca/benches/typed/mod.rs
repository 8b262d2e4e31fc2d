//! An order as a floor reads it: values of their own, of the types that an order has.

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use serde::Deserialize;

/// What of an order's fields is used.
#[derive(Debug, Deserialize)]
#[allow(dead_code, reason = "reading them is what is measured")]
pub(crate) struct Order {
    pub(crate) id: String,
    pub(crate) client_order_id: String,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) updated_at: Option<DateTime<Utc>>,
    pub(crate) expires_at: Option<DateTime<Utc>>,
    pub(crate) replaced_by: Option<String>,
    pub(crate) replaces: Option<String>,
    pub(crate) symbol: String,
    pub(crate) asset_class: String,
    pub(crate) notional: Option<Decimal>,
    pub(crate) qty: Option<Decimal>,
    pub(crate) filled_qty: Decimal,
    pub(crate) filled_avg_price: Option<Decimal>,
    pub(crate) order_class: String,
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) side: String,
    pub(crate) position_intent: Option<String>,
    pub(crate) time_in_force: String,
    pub(crate) limit_price: Option<Decimal>,
    pub(crate) stop_price: Option<Decimal>,
    pub(crate) status: String,
    pub(crate) extended_hours: bool,
    pub(crate) trail_percent: Option<Decimal>,
    pub(crate) trail_price: Option<Decimal>,
}
