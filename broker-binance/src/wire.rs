//! Binance's JSON as it is sent. Names are the broker's (`cummulativeQuoteQty` is theirs, too); text is borrowed from
//! the body; fields that we do not use are not decoded.

pub(crate) use broker_core::num::decode;
use broker_core::num::{Num, Text};
use serde::Deserialize;
#[cfg(feature = "market-data")]
use serde::de::IgnoredAny;
#[cfg(feature = "trading")]
use serde_json::value::RawValue;

#[derive(Debug, Default, Deserialize)]
pub(crate) struct ErrorJson<'a> {
    pub(crate) code: Option<i64>,
    #[serde(borrow)]
    pub(crate) msg: Option<Text<'a>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TimeJson {
    pub(crate) server_time: i64,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AccountJson<'a> {
    pub(crate) uid: u64,
    pub(crate) can_trade: bool,
    #[serde(borrow)]
    pub(crate) balances: Vec<BalanceJson<'a>>,
    pub(crate) update_time: i64,
}

#[derive(Debug, Deserialize)]
pub(crate) struct BalanceJson<'a> {
    #[serde(borrow)]
    pub(crate) asset: Text<'a>,
    pub(crate) free: Num,
    pub(crate) locked: Num,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ExchangeJson<'a> {
    #[serde(borrow)]
    pub(crate) rate_limits: Vec<RateLimitJson<'a>>,
    #[serde(borrow)]
    pub(crate) symbols: Vec<SymbolJson<'a>>,
    /// Only where smart order routing is on.
    #[serde(borrow, default)]
    pub(crate) sors: Vec<SorJson<'a>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RateLimitJson<'a> {
    #[serde(borrow)]
    pub(crate) rate_limit_type: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) interval: Option<Text<'a>>,
    pub(crate) interval_num: Option<u32>,
    pub(crate) limit: Option<u32>,
    pub(crate) count: Option<u32>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct SorJson<'a> {
    #[serde(borrow)]
    pub(crate) symbols: Vec<Text<'a>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SymbolJson<'a> {
    #[serde(borrow)]
    pub(crate) symbol: Text<'a>,
    #[serde(borrow)]
    pub(crate) status: Text<'a>,
    #[serde(borrow)]
    pub(crate) base_asset: Text<'a>,
    #[serde(borrow)]
    pub(crate) quote_asset: Text<'a>,
    #[serde(borrow)]
    pub(crate) filters: Vec<FilterJson<'a>>,
}

/// Any filter: each type has some of these.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct FilterJson<'a> {
    #[serde(borrow)]
    pub(crate) filter_type: Text<'a>,
    pub(crate) tick_size: Option<Num>,
    pub(crate) min_qty: Option<Num>,
    pub(crate) max_qty: Option<Num>,
    pub(crate) step_size: Option<Num>,
    pub(crate) min_notional: Option<Num>,
    pub(crate) max_num_orders: Option<Num>,
    pub(crate) max_num_algo_orders: Option<Num>,
    pub(crate) max_num_iceberg_orders: Option<Num>,
    pub(crate) max_num_order_lists: Option<Num>,
    pub(crate) max_num_order_amends: Option<Num>,
    pub(crate) max_position: Option<Num>,
    #[serde(borrow)]
    pub(crate) asset: Option<Text<'a>>,
    pub(crate) limit: Option<Num>,
}

/// An order as a query, a placing or a cancel tells it. The shortest answer to a placing has five fields only.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct OrderJson<'a> {
    #[serde(borrow)]
    pub(crate) symbol: Text<'a>,
    pub(crate) order_id: u64,
    /// -1 where it is in no list.
    pub(crate) order_list_id: Option<i64>,
    #[serde(borrow)]
    pub(crate) client_order_id: Option<Text<'a>>,
    /// In the answer to a cancel this one is ours, and the other is the cancel's own.
    #[serde(borrow)]
    pub(crate) orig_client_order_id: Option<Text<'a>>,
    pub(crate) price: Option<Num>,
    #[serde(alias = "qty")]
    pub(crate) orig_qty: Option<Num>,
    pub(crate) executed_qty: Option<Num>,
    /// Spelled so, but for the answer to making an order smaller.
    #[serde(alias = "cumulativeQuoteQty")]
    pub(crate) cummulative_quote_qty: Option<Num>,
    pub(crate) orig_quote_order_qty: Option<Num>,
    #[serde(borrow)]
    pub(crate) status: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) time_in_force: Option<Text<'a>>,
    #[serde(borrow, rename = "type")]
    pub(crate) kind: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) side: Option<Text<'a>>,
    pub(crate) stop_price: Option<Num>,
    pub(crate) trailing_delta: Option<Num>,
    pub(crate) time: Option<i64>,
    pub(crate) update_time: Option<i64>,
    pub(crate) transact_time: Option<i64>,
    #[serde(borrow)]
    pub(crate) expiry_reason: Option<Text<'a>>,
}

/// A list of orders that hang together.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct OrderListJson<'a> {
    pub(crate) order_list_id: i64,
    #[serde(borrow)]
    pub(crate) contingency_type: Text<'a>,
    #[serde(borrow)]
    pub(crate) symbol: Text<'a>,
    #[serde(borrow)]
    pub(crate) orders: Vec<ListedJson<'a>>,
    /// Only in the answers to placing and canceling.
    #[cfg(feature = "trading")]
    #[serde(borrow, default)]
    pub(crate) order_reports: Vec<OrderJson<'a>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ListedJson<'a> {
    #[serde(borrow)]
    pub(crate) symbol: Text<'a>,
    pub(crate) order_id: u64,
}

/// A row of the answer to canceling a symbol's orders: an order, or a list with its orders.
#[cfg(feature = "trading")]
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CanceledJson<'a> {
    #[serde(borrow)]
    pub(crate) symbol: Text<'a>,
    pub(crate) order_id: Option<u64>,
    #[serde(borrow, default)]
    pub(crate) orders: Vec<ListedJson<'a>>,
}

/// Both halves of a cancel that places another order.
#[cfg(feature = "trading")]
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CancelReplaceJson<'a> {
    #[serde(borrow)]
    pub(crate) cancel_result: Text<'a>,
    #[serde(borrow)]
    pub(crate) new_order_result: Text<'a>,
    #[serde(borrow)]
    pub(crate) cancel_response: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(crate) new_order_response: Option<&'a RawValue>,
}

/// The same as an error.
#[cfg(feature = "trading")]
#[derive(Debug, Deserialize)]
pub(crate) struct CancelReplaceErrorJson<'a> {
    #[serde(borrow)]
    pub(crate) data: Option<CancelReplaceJson<'a>>,
}

/// The answer to making an order smaller. It spells its fields as no other answer does.
#[cfg(feature = "trading")]
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AmendJson<'a> {
    pub(crate) transact_time: i64,
    #[serde(borrow)]
    pub(crate) amended_order: OrderJson<'a>,
}

/// A trade of the account, or an allocation: a fill by smart order routing, against the book of another symbol, which
/// has no trade.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TradeJson<'a> {
    #[serde(borrow)]
    pub(crate) symbol: Text<'a>,
    /// The market's: both sides have it.
    pub(crate) id: Option<u64>,
    pub(crate) allocation_id: Option<u64>,
    pub(crate) order_id: u64,
    pub(crate) price: Num,
    pub(crate) qty: Num,
    pub(crate) commission: Num,
    #[serde(borrow)]
    pub(crate) commission_asset: Text<'a>,
    pub(crate) time: i64,
    pub(crate) is_buyer: bool,
    pub(crate) is_maker: bool,
}

#[cfg(feature = "market-data")]
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct BookTickerJson<'a> {
    #[serde(borrow)]
    pub(crate) symbol: Text<'a>,
    pub(crate) bid_price: Num,
    pub(crate) bid_qty: Num,
    pub(crate) ask_price: Num,
    pub(crate) ask_qty: Num,
}

/// A candle is a list: opening time, open, high, low, close, volume, closing time, and five more.
#[cfg(feature = "market-data")]
#[derive(Debug, Deserialize)]
#[allow(dead_code, reason = "a list is read to its end")]
pub(crate) struct KlineJson(
    pub(crate) i64,
    pub(crate) Num,
    pub(crate) Num,
    pub(crate) Num,
    pub(crate) Num,
    pub(crate) Num,
    pub(crate) i64,
    pub(crate) IgnoredAny,
    pub(crate) IgnoredAny,
    pub(crate) IgnoredAny,
    pub(crate) IgnoredAny,
    pub(crate) IgnoredAny,
);

#[derive(Debug, Deserialize)]
pub(crate) struct ConversionsJson<'a> {
    #[serde(borrow)]
    pub(crate) list: Vec<ConversionJson<'a>>,
    #[serde(rename = "moreData")]
    pub(crate) more_data: bool,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ConversionJson<'a> {
    pub(crate) order_id: u64,
    #[serde(borrow)]
    pub(crate) order_status: Text<'a>,
    #[serde(borrow)]
    pub(crate) from_asset: Text<'a>,
    pub(crate) from_amount: Num,
    #[serde(borrow)]
    pub(crate) to_asset: Text<'a>,
    pub(crate) to_amount: Num,
    pub(crate) create_time: i64,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DustLogJson<'a> {
    #[serde(borrow)]
    pub(crate) user_asset_dribblets: Vec<DustJson<'a>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DustJson<'a> {
    pub(crate) operate_time: i64,
    pub(crate) trans_id: u64,
    #[serde(borrow)]
    pub(crate) user_asset_dribblet_details: Vec<DustPartJson<'a>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DustPartJson<'a> {
    pub(crate) trans_id: u64,
    pub(crate) amount: Num,
    /// What came in, the charge taken off already.
    pub(crate) transfered_amount: Num,
    #[serde(borrow)]
    pub(crate) from_asset: Text<'a>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DepositJson<'a> {
    pub(crate) amount: Num,
    #[serde(borrow)]
    pub(crate) coin: Text<'a>,
    pub(crate) status: i32,
    #[serde(borrow)]
    pub(crate) tx_id: Text<'a>,
    pub(crate) insert_time: i64,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct WithdrawalJson<'a> {
    #[serde(borrow)]
    pub(crate) id: Text<'a>,
    pub(crate) amount: Num,
    pub(crate) transaction_fee: Option<Num>,
    #[serde(borrow)]
    pub(crate) coin: Text<'a>,
    pub(crate) status: i32,
    /// `2019-10-12 11:12:02`, in UTC.
    #[serde(borrow)]
    pub(crate) apply_time: Text<'a>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct DistributionsJson<'a> {
    #[serde(borrow)]
    pub(crate) rows: Vec<DistributionJson<'a>>,
    pub(crate) total: u64,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DistributionJson<'a> {
    pub(crate) id: u64,
    pub(crate) amount: Num,
    #[serde(borrow)]
    pub(crate) asset: Text<'a>,
    pub(crate) div_time: i64,
    #[serde(borrow)]
    pub(crate) en_info: Text<'a>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CommissionJson<'a> {
    pub(crate) standard_commission: RatesJson,
    pub(crate) special_commission: Option<RatesJson>,
    pub(crate) tax_commission: RatesJson,
    #[serde(borrow)]
    pub(crate) discount: DiscountJson<'a>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct RatesJson {
    pub(crate) maker: Num,
    pub(crate) taker: Num,
    pub(crate) buyer: Num,
    pub(crate) seller: Num,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DiscountJson<'a> {
    pub(crate) enabled_for_account: bool,
    pub(crate) enabled_for_symbol: bool,
    #[serde(borrow)]
    pub(crate) discount_asset: Option<Text<'a>>,
    pub(crate) discount: Num,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AmendmentJson<'a> {
    #[serde(borrow)]
    pub(crate) orig_client_order_id: Text<'a>,
    #[serde(borrow)]
    pub(crate) new_client_order_id: Text<'a>,
    pub(crate) orig_qty: Num,
    pub(crate) new_qty: Num,
    pub(crate) time: i64,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MyFiltersJson<'a> {
    #[serde(borrow)]
    pub(crate) exchange_filters: Vec<FilterJson<'a>>,
    #[serde(borrow)]
    pub(crate) symbol_filters: Vec<FilterJson<'a>>,
    #[serde(borrow)]
    pub(crate) asset_filters: Vec<FilterJson<'a>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PreventedMatchJson<'a> {
    pub(crate) prevented_match_id: u64,
    pub(crate) taker_order_id: u64,
    #[serde(borrow)]
    pub(crate) maker_symbol: Text<'a>,
    pub(crate) maker_order_id: u64,
    pub(crate) price: Num,
    pub(crate) maker_prevented_quantity: Option<Num>,
    pub(crate) transact_time: i64,
}

#[cfg(feature = "market-data")]
#[derive(Debug, Deserialize)]
pub(crate) struct PriceJson<'a> {
    #[serde(borrow)]
    pub(crate) symbol: Text<'a>,
    pub(crate) price: Num,
}
