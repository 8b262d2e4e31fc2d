//! Kraken's JSON as it is sent. Names are the broker's; text is borrowed from the body; fields that we do not use are
//! not decoded. Money comes as strings by the document and as bare numbers in some of its examples: both are read from
//! their text.

mod shape;

use broker_core::num::{Num, Text};
use serde::Deserialize;
#[cfg(feature = "market-data")]
use serde::de::IgnoredAny;

pub(crate) use shape::*;

/// `Assets`: an asset by its id.
#[derive(Debug, Deserialize)]
pub(crate) struct AssetJson<'a> {
    #[serde(borrow)]
    pub(crate) altname: Text<'a>,
}

/// `AssetPairs`: a pair by its key.
#[derive(Debug, Deserialize)]
pub(crate) struct PairJson<'a> {
    #[serde(borrow)]
    pub(crate) altname: Text<'a>,
    #[serde(borrow)]
    pub(crate) wsname: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) aclass_base: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) base: Text<'a>,
    #[serde(borrow)]
    pub(crate) quote: Text<'a>,
    pub(crate) pair_decimals: u32,
    pub(crate) lot_decimals: u32,
    pub(crate) lot_multiplier: Option<Num>,
    #[serde(default)]
    pub(crate) leverage_buy: Vec<u32>,
    #[serde(default)]
    pub(crate) leverage_sell: Vec<u32>,
    #[serde(default)]
    pub(crate) ordermin: Maybe,
    #[serde(default)]
    pub(crate) costmin: Maybe,
    #[serde(default)]
    pub(crate) tick_size: Maybe,
    #[serde(borrow)]
    pub(crate) status: Option<Text<'a>>,
}

/// `GetApiKeyInfo`. Times are seconds in quotes, "0" for none.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct KeyInfoJson<'a> {
    #[serde(borrow)]
    pub(crate) permissions: Vec<Text<'a>>,
    pub(crate) query_from: Option<Seconds>,
    pub(crate) query_to: Option<Seconds>,
    pub(crate) valid_until: Option<Seconds>,
}

/// `BalanceEx`: a balance by the asset's id.
#[derive(Debug, Deserialize)]
pub(crate) struct BalanceJson {
    pub(crate) balance: Num,
    #[serde(default)]
    pub(crate) credit: Maybe,
    #[serde(default)]
    pub(crate) credit_used: Maybe,
    #[serde(default)]
    pub(crate) hold_trade: Maybe,
}

/// `TradeBalance`, in the asset that was asked for.
#[derive(Debug, Deserialize)]
pub(crate) struct TradeBalanceJson {
    /// Margin in use.
    pub(crate) m: Option<Num>,
    /// Profit or loss of open positions.
    pub(crate) n: Option<Num>,
    /// Equity.
    pub(crate) e: Option<Num>,
    /// Margin still free.
    pub(crate) mf: Option<Num>,
}

/// One row of `OpenPositions`, by the trade that opened it.
#[derive(Debug, Deserialize)]
pub(crate) struct PositionJson<'a> {
    #[serde(borrow)]
    pub(crate) pair: Text<'a>,
    pub(crate) time: Seconds,
    #[serde(borrow, rename = "type")]
    pub(crate) side: Text<'a>,
    pub(crate) cost: Num,
    pub(crate) vol: Num,
    pub(crate) vol_closed: Num,
    #[serde(default)]
    pub(crate) value: Maybe,
    #[serde(default)]
    pub(crate) net: Maybe,
}

/// An order, by its id.
#[derive(Debug, Deserialize)]
pub(crate) struct OrderJson<'a> {
    #[serde(borrow)]
    pub(crate) refid: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) cl_ord_id: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) status: Text<'a>,
    #[serde(borrow)]
    pub(crate) reason: Option<Text<'a>>,
    pub(crate) opentm: Seconds,
    pub(crate) closetm: Option<Seconds>,
    pub(crate) expiretm: Option<Seconds>,
    #[serde(borrow)]
    pub(crate) descr: DescrJson<'a>,
    pub(crate) vol: Num,
    pub(crate) vol_exec: Num,
    /// The average price of the fills.
    #[serde(default)]
    pub(crate) price: Maybe,
    #[serde(default)]
    pub(crate) stopprice: Maybe,
    #[serde(default)]
    pub(crate) limitprice: Maybe,
    #[serde(borrow)]
    pub(crate) oflags: Option<Text<'a>>,
}

/// The words of an order. `price` is the limit of a limit order and the trigger of one that waits for a price, whose
/// limit is `price2`; those of trailing orders are distances.
#[derive(Debug, Deserialize)]
pub(crate) struct DescrJson<'a> {
    #[serde(borrow)]
    pub(crate) pair: Option<Text<'a>>,
    #[serde(borrow, rename = "type")]
    pub(crate) side: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) ordertype: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) price: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) price2: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) leverage: Option<Text<'a>>,
}

/// `OpenOrders`.
#[derive(Debug, Deserialize)]
pub(crate) struct OpenOrdersJson<'a> {
    #[serde(borrow)]
    pub(crate) open: Keyed<'a, OrderJson<'a>>,
}

/// `ClosedOrders`: a page, and how many there are.
#[derive(Debug, Deserialize)]
pub(crate) struct ClosedOrdersJson<'a> {
    #[serde(borrow)]
    pub(crate) closed: Keyed<'a, OrderJson<'a>>,
    pub(crate) count: Option<u64>,
}

/// `TradesHistory`: a page, and how many there are.
#[derive(Debug, Deserialize)]
pub(crate) struct TradesJson<'a> {
    #[serde(borrow)]
    pub(crate) trades: Keyed<'a, TradeJson<'a>>,
    pub(crate) count: Option<u64>,
}

/// A trade, by its id.
#[derive(Debug, Deserialize)]
pub(crate) struct TradeJson<'a> {
    #[serde(borrow)]
    pub(crate) ordertxid: Text<'a>,
    #[serde(borrow)]
    pub(crate) pair: Text<'a>,
    pub(crate) time: Seconds,
    #[serde(borrow, rename = "type")]
    pub(crate) side: Text<'a>,
    pub(crate) price: Num,
    pub(crate) vol: Num,
    #[serde(default)]
    pub(crate) margin: Maybe,
    #[serde(borrow)]
    pub(crate) misc: Option<Text<'a>>,
    /// Only on a trade that opened a margin position.
    #[serde(borrow)]
    pub(crate) posstatus: Option<Text<'a>>,
    pub(crate) maker: Option<bool>,
}

/// `Ledgers`: a page, and how many there are.
#[derive(Debug, Deserialize)]
pub(crate) struct LedgersJson<'a> {
    #[serde(borrow)]
    pub(crate) ledger: Keyed<'a, LedgerJson<'a>>,
    pub(crate) count: Option<u64>,
}

/// A row of the ledger, by its id.
#[derive(Debug, Deserialize)]
pub(crate) struct LedgerJson<'a> {
    #[serde(borrow)]
    pub(crate) refid: Text<'a>,
    pub(crate) time: Seconds,
    #[serde(borrow, rename = "type")]
    pub(crate) kind: Text<'a>,
    #[serde(borrow)]
    pub(crate) subtype: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) asset: Text<'a>,
    pub(crate) amount: Num,
    pub(crate) fee: Num,
}

/// `Time`.
#[derive(Debug, Deserialize)]
pub(crate) struct TimeJson {
    pub(crate) unixtime: Seconds,
}

/// `SystemStatus`.
#[derive(Debug, Deserialize)]
pub(crate) struct StatusJson<'a> {
    #[serde(borrow)]
    pub(crate) status: Text<'a>,
}

/// `Ticker`, by pair: price, whole lots, size of the best on each side.
#[cfg(feature = "market-data")]
#[derive(Debug, Deserialize)]
pub(crate) struct TickerJson {
    pub(crate) a: (Num, IgnoredAny, Num),
    pub(crate) b: (Num, IgnoredAny, Num),
}

/// `OHLC`: start, open, high, low, close, average, volume, trades.
#[cfg(feature = "market-data")]
#[derive(Debug, Deserialize)]
pub(crate) struct CandleJson(
    pub(crate) Seconds,
    pub(crate) Num,
    pub(crate) Num,
    pub(crate) Num,
    pub(crate) Num,
    IgnoredAny,
    pub(crate) Num,
    IgnoredAny,
);

/// `AddOrder`. Without a `txid` it was only checked.
#[cfg(feature = "trading")]
#[derive(Debug, Deserialize)]
pub(crate) struct AddedJson<'a> {
    #[serde(borrow)]
    pub(crate) descr: Option<AddedDescrJson<'a>>,
    #[serde(borrow)]
    pub(crate) txid: Option<Vec<Text<'a>>>,
}

#[cfg(feature = "trading")]
#[derive(Debug, Deserialize)]
pub(crate) struct AddedDescrJson<'a> {
    #[serde(borrow)]
    pub(crate) order: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) close: Option<Text<'a>>,
}

/// `AmendOrder`.
#[cfg(feature = "trading")]
#[derive(Debug, Deserialize)]
pub(crate) struct AmendedJson<'a> {
    #[serde(borrow)]
    pub(crate) amend_id: Text<'a>,
}

/// `EditOrder`.
#[cfg(feature = "trading")]
#[derive(Debug, Deserialize)]
pub(crate) struct EditedJson<'a> {
    #[serde(borrow)]
    pub(crate) txid: Text<'a>,
}

/// `CancelOrder`, `CancelAll`.
#[cfg(feature = "trading")]
#[derive(Debug, Deserialize)]
pub(crate) struct CanceledJson {
    pub(crate) count: u64,
}

/// `CancelAllOrdersAfter`.
#[cfg(feature = "trading")]
#[derive(Debug, Deserialize)]
pub(crate) struct DeadManJson<'a> {
    /// When all orders will be canceled; empty or "0" when the switch is off.
    #[serde(borrow, rename = "triggerTime")]
    pub(crate) trigger_time: Option<Text<'a>>,
}

/// `OrderAmends`.
#[derive(Debug, Deserialize)]
pub(crate) struct AmendsJson<'a> {
    #[serde(borrow)]
    pub(crate) amends: Vec<AmendJson<'a>>,
}

/// What became of an order at one amend.
#[derive(Debug, Deserialize)]
pub(crate) struct AmendJson<'a> {
    #[serde(borrow)]
    pub(crate) amend_id: Text<'a>,
    #[serde(borrow)]
    pub(crate) amend_type: Text<'a>,
    #[serde(default)]
    pub(crate) order_qty: Maybe,
    #[serde(default)]
    pub(crate) remaining_qty: Maybe,
    #[serde(default)]
    pub(crate) limit_price: Maybe,
    #[serde(default)]
    pub(crate) trigger_price: Maybe,
    #[serde(borrow)]
    pub(crate) reason: Option<Text<'a>>,
    /// Nanoseconds in the document, milliseconds in a recording.
    pub(crate) timestamp: u64,
}

/// `TradeVolume`: fees by pair, in percent.
#[derive(Debug, Deserialize)]
pub(crate) struct VolumeJson<'a> {
    #[serde(borrow)]
    pub(crate) currency: Text<'a>,
    pub(crate) volume: Num,
    #[serde(borrow)]
    pub(crate) fees: Option<Keyed<'a, FeeJson>>,
    #[serde(borrow)]
    pub(crate) fees_maker: Option<Keyed<'a, FeeJson>>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct FeeJson {
    pub(crate) fee: Num,
}

/// `GetWebSocketsToken`.
#[cfg(feature = "streaming")]
#[derive(Debug, Deserialize)]
pub(crate) struct TokenJson<'a> {
    #[serde(borrow)]
    pub(crate) token: Text<'a>,
}

/// `AddExport`.
#[derive(Debug, Deserialize)]
pub(crate) struct ExportJson<'a> {
    #[serde(borrow)]
    pub(crate) id: Text<'a>,
}

/// One row of `ExportStatus`.
#[derive(Debug, Deserialize)]
pub(crate) struct ExportStatusJson<'a> {
    #[serde(borrow)]
    pub(crate) id: Text<'a>,
    #[serde(borrow)]
    pub(crate) status: Text<'a>,
}

/// `RemoveExport`.
#[derive(Debug, Deserialize)]
pub(crate) struct ExportRemovedJson {
    pub(crate) delete: bool,
}
