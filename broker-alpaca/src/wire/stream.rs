//! Messages of the streams.

use broker_core::num::Text;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Maybe, OrderJson, QuoteJson, Stamp};

/// What every message of `/stream` is in.
#[derive(Debug, Deserialize)]
pub(crate) struct EnvelopeJson<'a> {
    #[serde(borrow)]
    pub(crate) stream: Text<'a>,
    #[serde(borrow)]
    pub(crate) data: &'a RawValue,
}

#[derive(Debug, Deserialize)]
pub(crate) struct AuthorizationJson<'a> {
    #[serde(borrow)]
    pub(crate) status: Text<'a>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct ListeningJson<'a> {
    #[serde(borrow)]
    pub(crate) streams: Vec<Text<'a>>,
}

/// One event of an order.
#[derive(Debug, Deserialize)]
pub(crate) struct TradeUpdateJson<'a> {
    #[serde(borrow)]
    pub(crate) event: Text<'a>,
    #[serde(borrow)]
    pub(crate) execution_id: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) previous_execution_id: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) order: OrderJson<'a>,
    pub(crate) timestamp: Option<Stamp>,
    #[serde(default)]
    pub(crate) price: Maybe,
    #[serde(default)]
    pub(crate) qty: Maybe,
}

/// One message of a feed of market data; which fields it has says its kind.
#[derive(Debug, Deserialize)]
pub(crate) struct MarketJson<'a> {
    #[serde(borrow, rename = "T")]
    pub(crate) kind: Text<'a>,
    #[serde(borrow, rename = "S")]
    pub(crate) symbol: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) msg: Option<Text<'a>>,
    #[serde(default)]
    pub(crate) code: Maybe,
    #[serde(borrow)]
    pub(crate) quotes: Option<Vec<Text<'a>>>,
    pub(crate) t: Option<Stamp>,
    #[serde(default)]
    pub(crate) bp: Maybe,
    #[serde(default)]
    pub(crate) bs: Maybe,
    #[serde(default)]
    pub(crate) ap: Maybe,
    #[serde(default, rename = "as")]
    pub(crate) ask_size: Maybe,
}

impl MarketJson<'_> {
    pub(crate) fn text(&self) -> &str {
        self.msg.as_ref().map_or("", |msg| msg.get())
    }

    pub(crate) fn quote(&self) -> QuoteJson {
        QuoteJson {
            t: self.t,
            bp: self.bp,
            bs: self.bs,
            ap: self.ap,
            ask_size: self.ask_size,
        }
    }
}
