//! Frames as Binance sends them. Keys of one letter are the broker's: a large letter means another thing than a small
//! one.

use broker_core::num::{Num, Text};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::wire::ErrorJson;

/// An answer to a request, or an event in its envelope.
#[derive(Debug, Deserialize)]
pub(super) struct MessageJson<'a> {
    /// Of answers.
    pub(super) status: Option<u16>,
    #[serde(borrow)]
    pub(super) error: Option<RefusalJson<'a>>,
    /// Of events.
    #[serde(borrow)]
    pub(super) event: Option<&'a RawValue>,
}

#[derive(Debug, Deserialize)]
pub(super) struct RefusalJson<'a> {
    pub(super) code: Option<i64>,
    #[serde(borrow)]
    pub(super) msg: Option<Text<'a>>,
    pub(super) data: Option<WaitJson>,
}

/// In milliseconds since 1970, where the header of an answer has seconds to wait.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct WaitJson {
    pub(super) retry_after: Option<i64>,
}

/// What all events have.
#[derive(Debug, Deserialize)]
pub(super) struct EventJson<'a> {
    #[serde(borrow, rename = "e")]
    pub(super) kind: Text<'a>,
}

/// What became of an order: always whole.
#[derive(Debug, Deserialize)]
pub(crate) struct ReportJson<'a> {
    #[serde(borrow, rename = "s")]
    pub(crate) symbol: Text<'a>,
    /// Our id, or that of a cancel.
    #[serde(borrow, rename = "c")]
    pub(crate) client_order_id: Text<'a>,
    /// With a cancel our id.
    #[serde(borrow, rename = "C")]
    pub(crate) canceled_client_order_id: Option<Text<'a>>,
    #[serde(borrow, rename = "S")]
    pub(crate) side: Text<'a>,
    #[serde(borrow, rename = "o")]
    pub(crate) kind: Text<'a>,
    #[serde(borrow, rename = "f")]
    pub(crate) time_in_force: Text<'a>,
    #[serde(rename = "q")]
    pub(crate) qty: Num,
    #[serde(rename = "Q")]
    pub(crate) money: Option<Num>,
    #[serde(rename = "p")]
    pub(crate) price: Num,
    #[serde(rename = "P")]
    pub(crate) stop_price: Num,
    #[serde(rename = "d")]
    pub(crate) trailing_delta: Option<Num>,
    #[serde(rename = "g")]
    pub(crate) list: Option<i64>,
    #[serde(borrow, rename = "x")]
    pub(crate) happened: Text<'a>,
    #[serde(borrow, rename = "X")]
    pub(crate) status: Text<'a>,
    #[serde(borrow, rename = "r")]
    pub(crate) refusal: Option<Text<'a>>,
    #[serde(borrow, rename = "eR")]
    pub(crate) expiry: Option<Text<'a>>,
    #[serde(rename = "i")]
    pub(crate) order: u64,
    #[serde(rename = "l")]
    pub(crate) last_qty: Num,
    #[serde(rename = "L")]
    pub(crate) last_price: Num,
    #[serde(rename = "z")]
    pub(crate) filled: Num,
    #[serde(rename = "Z")]
    pub(crate) cost: Num,
    #[serde(rename = "n")]
    pub(crate) commission: Option<Num>,
    #[serde(borrow, rename = "N")]
    pub(crate) commission_asset: Option<Text<'a>>,
    #[serde(rename = "m")]
    pub(crate) makes: bool,
    /// Below zero where nothing was traded.
    #[serde(rename = "t")]
    pub(crate) trade: i64,
    /// In place of a trade with smart order routing.
    #[serde(rename = "a")]
    pub(crate) allocation: Option<u64>,
    #[serde(rename = "T")]
    pub(crate) at: i64,
    #[serde(rename = "O")]
    pub(crate) created: i64,
}

/// What became of a list of orders.
#[derive(Debug, Deserialize)]
pub(super) struct ListStatusJson<'a> {
    #[serde(rename = "g")]
    pub(super) number: i64,
    #[serde(borrow, rename = "c")]
    pub(super) contingency: Text<'a>,
    #[serde(borrow, rename = "O")]
    pub(super) orders: Vec<ListedJson<'a>>,
}

#[derive(Debug, Deserialize)]
pub(super) struct ListedJson<'a> {
    #[serde(borrow, rename = "s")]
    pub(super) symbol: Text<'a>,
    #[serde(rename = "i")]
    pub(super) order: u64,
}

/// A message of market data: an answer, or data under the name of its stream.
#[derive(Debug, Deserialize)]
pub(super) struct MarketJson<'a> {
    /// Of answers.
    pub(super) id: Option<u64>,
    #[serde(borrow)]
    pub(super) error: Option<ErrorJson<'a>>,
    /// Of refusals that name no request.
    pub(super) code: Option<i64>,
    #[serde(borrow)]
    pub(super) msg: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) stream: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) data: Option<&'a RawValue>,
}

/// The best bid and offer. It has no time.
#[derive(Debug, Deserialize)]
pub(super) struct BookJson<'a> {
    #[serde(borrow, rename = "s")]
    pub(super) symbol: Text<'a>,
    #[serde(rename = "b")]
    pub(super) bid: Num,
    #[serde(rename = "B")]
    pub(super) bid_qty: Num,
    #[serde(rename = "a")]
    pub(super) ask: Num,
    #[serde(rename = "A")]
    pub(super) ask_qty: Num,
}
