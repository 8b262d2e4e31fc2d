//! Transactions and orders, and what stands in them.

use broker_core::num::{Num, Text};
use broker_core::{Error, Result};
use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{decode, id};

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
    /// What a replacement must say again.
    #[cfg(feature = "trading")]
    #[serde(borrow)]
    pub(crate) tag: Option<Text<'a>>,
    #[cfg(feature = "trading")]
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

    /// Reads rows one by one: without a type none tells anything. Of a transaction whose type nobody knows only id, time
    /// and type count: a field of it may be anything.
    pub(crate) fn read(raw: &'a RawValue) -> Result<Self> {
        match decode::<Self>(raw.get()) {
            Ok(row) if row.kind().is_empty() => Err(Error::decode("a transaction without a type")),
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
