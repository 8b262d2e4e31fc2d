//! Messages as they are sent. Numbers are JSON numbers, and are read from their text.

use broker_core::num::{Num, Text};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::wire::{Maybe, filled};

/// Any message: an answer to one of ours has a method, what is told has a channel.
#[derive(Debug, Deserialize)]
pub(super) struct MessageJson<'a> {
    #[serde(borrow)]
    method: Option<Text<'a>>,
    success: Option<bool>,
    #[serde(borrow)]
    error: Option<Text<'a>>,
    #[serde(borrow)]
    channel: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) data: Option<&'a RawValue>,
    pub(super) sequence: Option<u64>,
}

pub(super) enum Reply<'a> {
    Subscribed,
    Refused(&'a str),
    Other,
}

impl MessageJson<'_> {
    pub(super) fn channel(&self) -> &str {
        filled(&self.channel).unwrap_or_default()
    }

    pub(super) fn reply(&self) -> Reply<'_> {
        match (filled(&self.method), self.success) {
            (_, Some(false)) => Reply::Refused(filled(&self.error).unwrap_or("refused without a word")),
            (Some("subscribe"), Some(true)) => Reply::Subscribed,
            _ => Reply::Other,
        }
    }
}

/// One report of `executions`. After the first one of an order others leave out what did not change.
#[derive(Debug, Deserialize)]
pub(super) struct ReportJson<'a> {
    #[serde(borrow)]
    pub(super) order_id: Text<'a>,
    #[serde(borrow)]
    pub(super) cl_ord_id: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) symbol: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) side: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) order_type: Option<Text<'a>>,
    #[serde(default)]
    pub(super) order_qty: Maybe,
    #[serde(default)]
    pub(super) cash_order_qty: Maybe,
    #[serde(default)]
    pub(super) limit_price: Maybe,
    /// Superseded by `triggers`, and still sent.
    #[serde(default)]
    pub(super) stop_price: Maybe,
    #[serde(borrow)]
    pub(super) triggers: Option<TriggersJson<'a>>,
    #[serde(borrow)]
    pub(super) time_in_force: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) expire_time: Option<Text<'a>>,
    pub(super) reduce_only: Option<bool>,
    pub(super) margin: Option<bool>,
    #[serde(borrow)]
    pub(super) order_status: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) exec_type: Text<'a>,
    #[serde(borrow)]
    pub(super) exec_id: Option<Text<'a>>,
    #[serde(default)]
    pub(super) last_qty: Maybe,
    #[serde(default)]
    pub(super) last_price: Maybe,
    #[serde(borrow)]
    pub(super) liquidity_ind: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) fees: Option<Vec<PaidJson<'a>>>,
    #[serde(default)]
    pub(super) cum_qty: Maybe,
    #[serde(default)]
    pub(super) avg_price: Maybe,
    #[serde(borrow)]
    pub(super) reason: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) timestamp: Text<'a>,
}

#[derive(Debug, Deserialize)]
pub(super) struct TriggersJson<'a> {
    #[serde(default)]
    pub(super) price: Maybe,
    #[serde(borrow)]
    pub(super) price_type: Option<Text<'a>>,
    #[serde(default)]
    pub(super) actual_price: Maybe,
}

#[derive(Debug, Deserialize)]
pub(super) struct PaidJson<'a> {
    #[serde(borrow)]
    pub(super) asset: Text<'a>,
    pub(super) qty: Num,
}

/// One row of `balances`: of a snapshot, an asset; of an update, a row of the ledger.
#[derive(Debug, Deserialize)]
pub(super) struct ChangeJson<'a> {
    #[serde(borrow, rename = "type")]
    pub(super) kind: Option<Text<'a>>,
}

/// One row of `ticker`.
#[derive(Debug, Deserialize)]
pub(super) struct TickerJson<'a> {
    #[serde(borrow)]
    pub(super) symbol: Text<'a>,
    #[serde(default)]
    pub(super) bid: Maybe,
    #[serde(default)]
    pub(super) bid_qty: Maybe,
    #[serde(default)]
    pub(super) ask: Maybe,
    #[serde(default)]
    pub(super) ask_qty: Maybe,
    #[serde(borrow)]
    pub(super) timestamp: Option<Text<'a>>,
}
