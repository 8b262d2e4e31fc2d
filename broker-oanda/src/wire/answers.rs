//! Bodies of answers, and lines of streams.

use broker_core::num::{Num, Text};
use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{ExtensionsJson, RowJson};

/// `GET .../transactions/idrange` and `.../sinceid`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TransactionsJson<'a> {
    #[serde(borrow)]
    pub(crate) transactions: Vec<&'a RawValue>,
    #[serde(borrow, rename = "lastTransactionID")]
    pub(crate) last: Text<'a>,
}

/// `GET .../transactions`: where the rows of a span of time are.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PagesJson<'a> {
    pub(crate) count: u64,
    #[serde(borrow)]
    pub(crate) pages: Vec<Text<'a>>,
    #[serde(borrow, rename = "lastTransactionID")]
    pub(crate) last: Text<'a>,
}

/// `GET .../orders` and `.../pendingOrders`.
#[derive(Debug, Deserialize)]
pub(crate) struct OrdersJson<'a> {
    #[serde(borrow)]
    pub(crate) orders: Vec<RowJson<'a>>,
}

/// `GET .../orders/{specifier}`.
#[derive(Debug, Deserialize)]
pub(crate) struct OneOrderJson<'a> {
    #[serde(borrow)]
    pub(crate) order: RowJson<'a>,
    #[serde(borrow, rename = "lastTransactionID")]
    pub(crate) last: Text<'a>,
}

/// What placing, replacing, canceling or closing made.
#[cfg(feature = "trading")]
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DoneJson<'a> {
    #[serde(borrow)]
    pub(crate) order_create_transaction: Option<RowJson<'a>>,
    #[serde(borrow)]
    pub(crate) order_fill_transaction: Option<RowJson<'a>>,
    #[serde(borrow)]
    pub(crate) order_cancel_transaction: Option<RowJson<'a>>,
    /// Of a replacement that was canceled at once: the other one is of the order that it took the place of.
    #[serde(borrow)]
    pub(crate) replacing_order_cancel_transaction: Option<RowJson<'a>>,
    #[serde(borrow)]
    pub(crate) long_order_fill_transaction: Option<RowJson<'a>>,
    #[serde(borrow)]
    pub(crate) long_order_cancel_transaction: Option<RowJson<'a>>,
    #[serde(borrow)]
    pub(crate) short_order_fill_transaction: Option<RowJson<'a>>,
    #[serde(borrow)]
    pub(crate) short_order_cancel_transaction: Option<RowJson<'a>>,
    #[serde(borrow, rename = "lastTransactionID")]
    pub(crate) last: Text<'a>,
}

/// What setting the exits of a trade made.
#[cfg(feature = "trading")]
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ExitsDoneJson<'a> {
    #[serde(borrow)]
    pub(crate) take_profit_order_transaction: Option<RowJson<'a>>,
    #[serde(borrow)]
    pub(crate) take_profit_order_created_cancel_transaction: Option<RowJson<'a>>,
    #[serde(borrow)]
    pub(crate) stop_loss_order_transaction: Option<RowJson<'a>>,
    #[serde(borrow)]
    pub(crate) stop_loss_order_created_cancel_transaction: Option<RowJson<'a>>,
    #[serde(borrow)]
    pub(crate) guaranteed_stop_loss_order_transaction: Option<RowJson<'a>>,
    #[serde(borrow)]
    pub(crate) guaranteed_stop_loss_order_created_cancel_transaction: Option<RowJson<'a>>,
    #[serde(borrow)]
    pub(crate) trailing_stop_loss_order_transaction: Option<RowJson<'a>>,
    #[serde(borrow)]
    pub(crate) trailing_stop_loss_order_created_cancel_transaction: Option<RowJson<'a>>,
    #[serde(borrow, rename = "lastTransactionID")]
    pub(crate) last: Text<'a>,
}

/// `GET .../openTrades`.
#[derive(Debug, Deserialize)]
pub(crate) struct TradesJson<'a> {
    #[serde(borrow)]
    pub(crate) trades: Vec<TradeJson<'a>>,
}

/// `GET .../trades/{specifier}`.
#[derive(Debug, Deserialize)]
pub(crate) struct OneTradeJson<'a> {
    #[serde(borrow)]
    pub(crate) trade: TradeJson<'a>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TradeJson<'a> {
    #[serde(borrow)]
    pub(crate) id: Text<'a>,
    #[serde(borrow)]
    pub(crate) instrument: Text<'a>,
    pub(crate) price: Num,
    pub(crate) open_time: DateTime<Utc>,
    pub(crate) initial_units: Num,
    pub(crate) current_units: Num,
    #[serde(rename = "realizedPL")]
    pub(crate) realized_pl: Num,
    #[serde(rename = "unrealizedPL")]
    pub(crate) unrealized_pl: Option<Num>,
    pub(crate) financing: Num,
    #[serde(borrow)]
    pub(crate) client_extensions: Option<ExtensionsJson<'a>>,
    #[serde(borrow)]
    pub(crate) take_profit_order: Option<RowJson<'a>>,
    #[serde(borrow)]
    pub(crate) stop_loss_order: Option<RowJson<'a>>,
    #[serde(borrow)]
    pub(crate) guaranteed_stop_loss_order: Option<RowJson<'a>>,
    #[serde(borrow)]
    pub(crate) trailing_stop_loss_order: Option<RowJson<'a>>,
}

/// `GET /accounts`.
#[derive(Debug, Deserialize)]
pub(crate) struct AccountsJson<'a> {
    #[serde(borrow)]
    pub(crate) accounts: Vec<AccountNameJson<'a>>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct AccountNameJson<'a> {
    #[serde(borrow)]
    pub(crate) id: Text<'a>,
    /// Of an account that MetaTrader trades.
    #[serde(rename = "mt4AccountID")]
    pub(crate) mt4_account_id: Option<Num>,
}

/// `GET .../summary`.
#[derive(Debug, Deserialize)]
pub(crate) struct SummaryJson<'a> {
    #[serde(borrow)]
    pub(crate) account: AccountJson<'a>,
    #[serde(borrow, rename = "lastTransactionID")]
    pub(crate) last: Text<'a>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AccountJson<'a> {
    #[serde(borrow)]
    pub(crate) id: Text<'a>,
    #[serde(borrow)]
    pub(crate) alias: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) currency: Text<'a>,
    pub(crate) created_time: DateTime<Utc>,
    pub(crate) hedging_enabled: bool,
    pub(crate) balance: Num,
    #[serde(rename = "NAV")]
    pub(crate) nav: Num,
    #[serde(rename = "unrealizedPL")]
    pub(crate) unrealized_pl: Option<Num>,
    pub(crate) pl: Option<Num>,
    pub(crate) margin_used: Option<Num>,
    pub(crate) margin_available: Option<Num>,
}

/// `GET .../openPositions`.
#[derive(Debug, Deserialize)]
pub(crate) struct PositionsJson<'a> {
    #[serde(borrow)]
    pub(crate) positions: Vec<PositionJson<'a>>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct PositionJson<'a> {
    #[serde(borrow)]
    pub(crate) instrument: Text<'a>,
    pub(crate) long: SideJson,
    pub(crate) short: SideJson,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SideJson {
    /// Negative on the short side.
    pub(crate) units: Num,
    pub(crate) average_price: Option<Num>,
    pub(crate) pl: Num,
    #[serde(rename = "unrealizedPL")]
    pub(crate) unrealized_pl: Option<Num>,
}

/// `GET .../instruments`.
#[derive(Debug, Deserialize)]
pub(crate) struct InstrumentsJson<'a> {
    #[serde(borrow)]
    pub(crate) instruments: Vec<InstrumentJson<'a>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct InstrumentJson<'a> {
    #[serde(borrow)]
    pub(crate) name: Text<'a>,
    #[serde(borrow, rename = "type")]
    pub(crate) kind: Text<'a>,
    #[serde(borrow)]
    pub(crate) display_name: Option<Text<'a>>,
    pub(crate) pip_location: i8,
    pub(crate) display_precision: u32,
    pub(crate) trade_units_precision: i32,
    pub(crate) minimum_trade_size: Num,
    pub(crate) maximum_order_units: Option<Num>,
    pub(crate) margin_rate: Option<Num>,
}

/// `GET .../pricing`.
#[cfg(feature = "market-data")]
#[derive(Debug, Deserialize)]
pub(crate) struct PricingJson<'a> {
    #[serde(borrow)]
    pub(crate) prices: Vec<PriceJson<'a>>,
}

#[cfg(feature = "market-data")]
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PriceJson<'a> {
    #[serde(borrow)]
    pub(crate) instrument: Text<'a>,
    pub(crate) time: DateTime<Utc>,
    pub(crate) bids: Vec<BucketJson>,
    pub(crate) asks: Vec<BucketJson>,
    pub(crate) closeout_bid: Option<Num>,
    pub(crate) closeout_ask: Option<Num>,
}

/// A number in prices, a string inside of transactions.
#[cfg(feature = "market-data")]
#[derive(Debug, Deserialize)]
pub(crate) struct BucketJson {
    pub(crate) price: Num,
    pub(crate) liquidity: Option<Num>,
}

/// `GET /instruments/{instrument}/candles`.
#[cfg(feature = "market-data")]
#[derive(Debug, Deserialize)]
pub(crate) struct CandlesJson {
    pub(crate) candles: Vec<CandleJson>,
}

#[cfg(feature = "market-data")]
#[derive(Debug, Deserialize)]
pub(crate) struct CandleJson {
    pub(crate) time: DateTime<Utc>,
    pub(crate) complete: bool,
    pub(crate) volume: Num,
    pub(crate) mid: Option<PricesJson>,
    pub(crate) bid: Option<PricesJson>,
    pub(crate) ask: Option<PricesJson>,
}

#[cfg(feature = "market-data")]
#[derive(Debug, Deserialize)]
pub(crate) struct PricesJson {
    pub(crate) o: Num,
    pub(crate) h: Num,
    pub(crate) l: Num,
    pub(crate) c: Num,
}

/// What a line of a stream is: a heartbeat, a price, or a transaction.
#[cfg(feature = "streaming")]
#[derive(Debug, Deserialize)]
pub(crate) struct LineJson<'a> {
    #[serde(borrow, rename = "type")]
    pub(crate) kind: Text<'a>,
    #[serde(borrow, rename = "lastTransactionID")]
    pub(crate) last: Option<Text<'a>>,
}
