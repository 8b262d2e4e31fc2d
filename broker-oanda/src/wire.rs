//! OANDA's JSON as it is sent. Names are the broker's; text is borrowed from the body; fields that we do not use are
//! not decoded. Decimals are strings, and in prices sometimes numbers; optional fields are absent rather than null.

use broker_core::num::{Num, Text};
use broker_core::{Error, Result};
use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::value::RawValue;

/// Reads a whole body. An error of the reader quotes what it did not expect, and that may be an account: only the
/// place is told.
pub(crate) fn decode<'a, T: Deserialize<'a>>(body: &'a str) -> Result<T> {
    serde_json::from_str(body).map_err(|error| {
        let what = match error.classify() {
            serde_json::error::Category::Data => "a field is missing or of another kind",
            _ => "no JSON",
        };
        Error::decode(format!("{what} at line {} column {}", error.line(), error.column()))
    })
}

/// Ids count the transactions of an account: they are compared as numbers.
pub(crate) fn id(text: &str) -> Result<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = digits.then(|| text.parse().ok()).flatten();
    number.ok_or_else(|| Error::decode(format!("{text:?} is no id of a transaction")))
}

/// A transaction, or an order: an order and the transaction that made it are written with the same names.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct RowJson<'a> {
    #[serde(borrow)]
    pub(crate) id: Option<Text<'a>>,
    #[serde(alias = "createTime")]
    pub(crate) time: Option<DateTime<Utc>>,
    /// `LIMIT` of an order, `LIMIT_ORDER` of its transaction.
    #[serde(borrow, rename = "type")]
    pub(crate) kind: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) reason: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) reject_reason: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) client_extensions: Option<ExtensionsJson<'a>>,

    // Terms of orders.
    #[serde(borrow)]
    pub(crate) instrument: Option<Text<'a>>,
    pub(crate) units: Option<Num>,
    pub(crate) price: Option<Num>,
    pub(crate) price_bound: Option<Num>,
    pub(crate) distance: Option<Num>,
    pub(crate) trailing_stop_value: Option<Num>,
    #[serde(borrow)]
    pub(crate) time_in_force: Option<Text<'a>>,
    pub(crate) gtd_time: Option<DateTime<Utc>>,
    #[serde(borrow)]
    pub(crate) position_fill: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) trigger_condition: Option<Text<'a>>,
    #[serde(borrow, rename = "tradeID")]
    pub(crate) trade_id: Option<Text<'a>>,
    #[serde(borrow, rename = "clientTradeID")]
    pub(crate) client_trade_id: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) take_profit_on_fill: Option<ExitJson<'a>>,
    #[serde(borrow)]
    pub(crate) stop_loss_on_fill: Option<ExitJson<'a>>,
    #[serde(borrow)]
    pub(crate) guaranteed_stop_loss_on_fill: Option<ExitJson<'a>>,
    #[serde(borrow)]
    pub(crate) trailing_stop_loss_on_fill: Option<ExitJson<'a>>,
    #[serde(borrow)]
    pub(crate) trade_client_extensions: Option<ExtensionsJson<'a>>,
    #[serde(borrow, rename = "replacesOrderID")]
    pub(crate) replaces_order_id: Option<Text<'a>>,
    #[serde(borrow, rename = "orderFillTransactionID")]
    pub(crate) order_fill_transaction_id: Option<Text<'a>>,

    // What an order says of its life.
    #[serde(borrow)]
    pub(crate) state: Option<Text<'a>>,
    #[serde(borrow, rename = "fillingTransactionID")]
    pub(crate) filling_transaction_id: Option<Text<'a>>,
    #[serde(borrow, rename = "cancellingTransactionID")]
    pub(crate) cancelling_transaction_id: Option<Text<'a>>,

    // Fills and cancels.
    #[serde(borrow, rename = "orderID")]
    pub(crate) order_id: Option<Text<'a>>,
    #[serde(borrow, rename = "clientOrderID")]
    pub(crate) client_order_id: Option<Text<'a>>,
    #[serde(borrow, rename = "replacedByOrderID")]
    pub(crate) replaced_by_order_id: Option<Text<'a>>,
    pub(crate) pl: Option<Num>,
    pub(crate) financing: Option<Num>,
    pub(crate) commission: Option<Num>,
    pub(crate) guaranteed_execution_fee: Option<Num>,
    pub(crate) home_conversion_factors: Option<FactorsJson>,
    pub(crate) gain_quote_home_conversion_factor: Option<Num>,
    pub(crate) loss_quote_home_conversion_factor: Option<Num>,
    #[serde(borrow)]
    pub(crate) trade_opened: Option<LegJson<'a>>,
    #[serde(borrow)]
    pub(crate) trades_closed: Option<Vec<LegJson<'a>>>,
    #[serde(borrow)]
    pub(crate) trade_reduced: Option<LegJson<'a>>,

    // Money that moved without a fill.
    pub(crate) account_balance: Option<Num>,
    pub(crate) amount: Option<Num>,
    #[serde(borrow)]
    pub(crate) funding_reason: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) comment: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) position_financings: Option<Vec<PositionFinancingJson<'a>>>,
    pub(crate) dividend_adjustment: Option<Num>,
    #[serde(borrow)]
    pub(crate) open_trade_dividend_adjustments: Option<Vec<TradeAmountJson<'a>>>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct ExtensionsJson<'a> {
    #[serde(borrow)]
    pub(crate) id: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) tag: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) comment: Option<Text<'a>>,
}

/// An exit that is made when its order fills.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ExitJson<'a> {
    pub(crate) price: Option<Num>,
    pub(crate) distance: Option<Num>,
    #[serde(borrow)]
    pub(crate) time_in_force: Option<Text<'a>>,
    pub(crate) gtd_time: Option<DateTime<Utc>>,
    #[serde(borrow)]
    pub(crate) client_extensions: Option<ExtensionsJson<'a>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct FactorsJson {
    pub(crate) gain_quote_home: Option<FactorJson>,
    pub(crate) loss_quote_home: Option<FactorJson>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct FactorJson {
    pub(crate) factor: Num,
}

/// One lot of a fill.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LegJson<'a> {
    #[serde(borrow, rename = "tradeID")]
    pub(crate) trade_id: Text<'a>,
    pub(crate) units: Num,
    pub(crate) price: Option<Num>,
    #[serde(rename = "realizedPL")]
    pub(crate) realized_pl: Option<Num>,
    pub(crate) financing: Option<Num>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PositionFinancingJson<'a> {
    #[serde(borrow)]
    pub(crate) instrument: Text<'a>,
    pub(crate) financing: Num,
    #[serde(borrow)]
    pub(crate) open_trade_financings: Option<Vec<TradeAmountJson<'a>>>,
}

/// What one trade paid or got.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TradeAmountJson<'a> {
    #[serde(borrow, rename = "tradeID")]
    pub(crate) trade_id: Text<'a>,
    #[serde(alias = "dividendAdjustment")]
    pub(crate) financing: Option<Num>,
}

impl<'a> RowJson<'a> {
    /// The type as the document of transactions writes it, `LIMIT_ORDER` for an order's `LIMIT`.
    pub(crate) fn kind(&self) -> &str {
        self.kind.as_ref().map_or("", Text::get)
    }

    pub(crate) fn id(&self) -> Result<&str> {
        let id = self.id.as_ref().map(Text::get);
        let id = id.filter(|text| id_is_number(text));
        id.ok_or_else(|| Error::decode("a row without a number as its id"))
    }

    pub(crate) fn number(&self) -> Result<u64> {
        id(self.id()?)
    }

    pub(crate) fn at(&self) -> Result<DateTime<Utc>> {
        self.time
            .ok_or_else(|| Error::decode(format!("{} has no time", self.id().unwrap_or("a row"))))
    }

    /// A field that this kind of row must have.
    pub(crate) fn needed<T>(&self, value: Option<T>, name: &str) -> Result<T> {
        value.ok_or_else(|| Error::decode(format!("{} has no {name}", self.id().unwrap_or("a row"))))
    }

    /// Reads rows one by one. Of a transaction whose type nobody knows only id, time and type count: a field of it may
    /// be anything.
    pub(crate) fn read(raw: &'a RawValue) -> Result<Self> {
        match decode::<Self>(raw.get()) {
            Ok(row) => Ok(row),
            Err(error) => {
                let head: HeadJson<'_> = decode(raw.get())?;
                let known = head.kind.as_ref().is_none_or(|kind| is_known(kind.get()));
                match known {
                    true => Err(error),
                    false => Ok(Self {
                        id: head.id,
                        time: head.time,
                        kind: head.kind,
                        ..Self::default()
                    }),
                }
            }
        }
    }
}

fn id_is_number(text: &str) -> bool {
    id(text).is_ok()
}

#[derive(Debug, Deserialize)]
struct HeadJson<'a> {
    #[serde(borrow)]
    id: Option<Text<'a>>,
    time: Option<DateTime<Utc>>,
    #[serde(borrow, rename = "type")]
    kind: Option<Text<'a>>,
}

/// Types that move no money and make, fill or end no order.
const QUIET: [&str; 24] = [
    "CREATE",
    "CLOSE",
    "REOPEN",
    "CLIENT_CONFIGURE",
    "CLIENT_CONFIGURE_REJECT",
    "TRANSFER_FUNDS_REJECT",
    "ORDER_CANCEL_REJECT",
    "ORDER_CLIENT_EXTENSIONS_MODIFY",
    "ORDER_CLIENT_EXTENSIONS_MODIFY_REJECT",
    "TRADE_CLIENT_EXTENSIONS_MODIFY",
    "TRADE_CLIENT_EXTENSIONS_MODIFY_REJECT",
    "MARGIN_CALL_ENTER",
    "MARGIN_CALL_EXTEND",
    "MARGIN_CALL_EXIT",
    "DELAYED_TRADE_CLOSURE",
    "RESET_RESETTABLE_PL",
    "MARKET_ORDER_REJECT",
    "LIMIT_ORDER_REJECT",
    "STOP_ORDER_REJECT",
    "MARKET_IF_TOUCHED_ORDER_REJECT",
    "TAKE_PROFIT_ORDER_REJECT",
    "STOP_LOSS_ORDER_REJECT",
    "GUARANTEED_STOP_LOSS_ORDER_REJECT",
    "TRAILING_STOP_LOSS_ORDER_REJECT",
];

/// Whether a transaction's type is one of the documents.
pub(crate) fn is_known(kind: &str) -> bool {
    let told = [
        "ORDER_FILL",
        "ORDER_CANCEL",
        "DAILY_FINANCING",
        "DIVIDEND_ADJUSTMENT",
        "TRANSFER_FUNDS",
    ];
    QUIET.contains(&kind) || told.contains(&kind) || is_order(kind)
}

/// Whether it is an order, or the transaction that made one.
pub(crate) fn is_order(kind: &str) -> bool {
    let word = kind.strip_suffix("_ORDER").unwrap_or(kind);
    matches!(
        word,
        "MARKET"
            | "LIMIT"
            | "STOP"
            | "MARKET_IF_TOUCHED"
            | "TAKE_PROFIT"
            | "STOP_LOSS"
            | "GUARANTEED_STOP_LOSS"
            | "TRAILING_STOP_LOSS"
            | "FIXED_PRICE"
    )
}

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

/// What setting a trade's or an order's exits sends.
#[cfg(feature = "trading")]
pub(crate) mod send {
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
}
