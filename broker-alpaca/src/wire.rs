//! Alpaca's JSON as it is sent. Names are the broker's; text is borrowed from the body; fields that we do not use are
//! not decoded. Empty strings are real values here: a multi-leg order has an empty side, symbol and asset class.

mod activity;
#[cfg(feature = "trading")]
mod request;
#[cfg(feature = "streaming")]
pub(crate) mod stream;

use std::fmt;

pub(crate) use broker_core::num::{Keyed, Maybe, decode, filled};
use broker_core::num::{Num, Text};
use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use serde::Deserialize;
use serde::de::{self, Deserializer, Visitor};
use serde_json::value::RawValue;

pub(crate) use activity::{ActivityJson, Number, Quoted, activities};
#[cfg(feature = "trading")]
pub(crate) use request::{PlaceJson, Plain, ReplaceJson, StopLossJson, TakeProfitJson};

/// A moment: RFC 3339 with 0 to 9 digits of a second, `Z` or an offset; one object can hold both spellings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp(pub(crate) DateTime<Utc>);

impl Stamp {
    pub(crate) fn parse(text: &str) -> Option<DateTime<Utc>> {
        utc(text.as_bytes()).or_else(|| Some(DateTime::parse_from_rfc3339(text).ok()?.to_utc()))
    }
}

/// `2026-10-08T15:10:18.097465Z`, the spelling of nearly every row. Anything else is left to the general parser.
fn utc(text: &[u8]) -> Option<DateTime<Utc>> {
    let (head, tail) = text.split_at_checked(19)?;
    let [
        y1,
        y2,
        y3,
        y4,
        b'-',
        o1,
        o2,
        b'-',
        d1,
        d2,
        b'T',
        h1,
        h2,
        b':',
        m1,
        m2,
        b':',
        s1,
        s2,
    ] = head
    else {
        return None;
    };
    let nanos = match tail {
        [b'Z'] => 0,
        [b'.', fraction @ .., b'Z'] if (1..=9).contains(&fraction.len()) => {
            number(fraction)? * 10u32.pow(u32::try_from(9 - fraction.len()).ok()?)
        }
        _ => return None,
    };
    // A leap second (`:60`) is left to the general parser too.
    let date = NaiveDate::from_ymd_opt(
        i32::try_from(number(&[*y1, *y2, *y3, *y4])?).ok()?,
        number(&[*o1, *o2])?,
        number(&[*d1, *d2])?,
    )?;
    let time = NaiveTime::from_hms_nano_opt(number(&[*h1, *h2])?, number(&[*m1, *m2])?, number(&[*s1, *s2])?, nanos)?;
    Some(date.and_time(time).and_utc())
}

fn number(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0u32, |sum, digit| {
        digit.is_ascii_digit().then(|| sum * 10 + u32::from(digit - b'0'))
    })
}

impl<'de> Deserialize<'de> for Stamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct StampVisitor;
        impl Visitor<'_> for StampVisitor {
            type Value = Stamp;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an RFC 3339 time")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Stamp, E> {
                Stamp::parse(text)
                    .map(Stamp)
                    .ok_or_else(|| E::custom(format_args!("{text:?} is not an RFC 3339 time")))
            }
        }
        deserializer.deserialize_str(StampVisitor)
    }
}

/// A day. The document calls some of them `date-time`, so a time that follows the day is passed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Day(pub(crate) NaiveDate);

impl<'de> Deserialize<'de> for Day {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Text::deserialize(deserializer)?;
        let (day, rest) = text.get().split_at_checked(10).unwrap_or((text.get(), ""));
        let ends = rest.is_empty() || rest.starts_with(['T', 't', ' ']);
        let day = day.parse().ok().filter(|_| ends).map(Self);
        day.ok_or_else(|| de::Error::custom(format_args!("{:?} is not a day", text.get())))
    }
}

/// `GET /v2/account`. Only `id` and `status` are promised.
#[derive(Debug, Deserialize)]
pub(crate) struct AccountJson<'a> {
    #[serde(borrow)]
    pub(crate) id: Text<'a>,
    #[serde(borrow)]
    pub(crate) account_number: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) status: Text<'a>,
    #[serde(borrow)]
    pub(crate) currency: Option<Text<'a>>,
    pub(crate) cash: Option<Num>,
    pub(crate) equity: Option<Num>,
    pub(crate) buying_power: Option<Num>,
    pub(crate) non_marginable_buying_power: Option<Num>,
    pub(crate) initial_margin: Option<Num>,
    pub(crate) maintenance_margin: Option<Num>,
    pub(crate) accrued_fees: Option<Num>,
    pub(crate) created_at: Option<Stamp>,
    pub(crate) shorting_enabled: Option<bool>,
    pub(crate) trading_blocked: Option<bool>,
    pub(crate) account_blocked: Option<bool>,
    pub(crate) trade_suspended_by_user: Option<bool>,
    /// A number in the document, a string in answers.
    pub(crate) options_trading_level: Option<Num>,
}

/// `GET /v2/account/configurations`. Nothing is promised.
#[derive(Debug, Deserialize)]
pub(crate) struct ConfigurationsJson<'a> {
    pub(crate) suspend_trade: Option<bool>,
    pub(crate) no_shorting: Option<bool>,
    pub(crate) fractional_trading: Option<bool>,
    #[serde(default)]
    pub(crate) max_margin_multiplier: Maybe,
    #[serde(default)]
    pub(crate) max_options_trading_level: Maybe,
    #[serde(borrow)]
    pub(crate) trade_confirm_email: Option<Text<'a>>,
    pub(crate) ptp_no_exception_entry: Option<bool>,
    pub(crate) disable_overnight_trading: Option<bool>,
    #[serde(borrow)]
    pub(crate) pdt_check: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) dtbp_check: Option<Text<'a>>,
}

/// `GET /v2/account/portfolio/history`: columns of one length.
#[derive(Debug, Deserialize)]
pub(crate) struct PortfolioJson<'a> {
    pub(crate) timestamp: Vec<i64>,
    pub(crate) equity: Vec<Maybe>,
    pub(crate) profit_loss: Vec<Maybe>,
    /// Quotients that the broker worked out in binary: they can have more digits than can be kept.
    #[serde(borrow)]
    pub(crate) profit_loss_pct: Vec<&'a RawValue>,
    #[serde(default)]
    pub(crate) base_value: Maybe,
    pub(crate) base_value_asof: Option<Day>,
    #[serde(borrow)]
    pub(crate) timeframe: Text<'a>,
    #[serde(borrow)]
    pub(crate) cashflow: Option<Keyed<'a, Vec<Maybe>>>,
}

/// One position. `qty`, `market_value` and `cost_basis` are negative when short.
#[derive(Debug, Deserialize)]
pub(crate) struct PositionJson<'a> {
    #[serde(borrow)]
    pub(crate) symbol: Text<'a>,
    #[serde(borrow)]
    pub(crate) asset_class: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) side: Option<Text<'a>>,
    pub(crate) qty: Num,
    pub(crate) qty_available: Option<Num>,
    pub(crate) avg_entry_price: Option<Num>,
    pub(crate) market_value: Option<Num>,
    pub(crate) cost_basis: Option<Num>,
    pub(crate) unrealized_pl: Option<Num>,
    pub(crate) current_price: Option<Num>,
}

/// One order, with its legs where it was asked nested.
#[derive(Debug, Deserialize)]
pub(crate) struct OrderJson<'a> {
    #[serde(borrow)]
    pub(crate) id: Text<'a>,
    #[serde(borrow)]
    pub(crate) client_order_id: Option<Text<'a>>,
    pub(crate) created_at: Option<Stamp>,
    pub(crate) updated_at: Option<Stamp>,
    pub(crate) expires_at: Option<Stamp>,
    #[serde(borrow)]
    pub(crate) replaced_by: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) replaces: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) symbol: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) asset_class: Option<Text<'a>>,
    #[serde(default)]
    pub(crate) notional: Maybe,
    #[serde(default)]
    pub(crate) qty: Maybe,
    #[serde(default)]
    pub(crate) filled_qty: Maybe,
    #[serde(default)]
    pub(crate) filled_avg_price: Maybe,
    #[serde(borrow)]
    pub(crate) order_class: Option<Text<'a>>,
    #[serde(borrow, rename = "type")]
    pub(crate) kind: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) side: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) position_intent: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) time_in_force: Option<Text<'a>>,
    #[serde(default)]
    pub(crate) limit_price: Maybe,
    #[serde(default)]
    pub(crate) stop_price: Maybe,
    #[serde(default)]
    pub(crate) trail_price: Maybe,
    #[serde(default)]
    pub(crate) trail_percent: Maybe,
    #[serde(default)]
    pub(crate) ratio_qty: Maybe,
    #[serde(borrow)]
    pub(crate) status: Text<'a>,
    pub(crate) extended_hours: Option<bool>,
    #[serde(borrow)]
    pub(crate) legs: Option<Vec<OrderJson<'a>>>,
}

/// One entry of `GET /v2/assets`.
#[derive(Debug, Deserialize)]
pub(crate) struct AssetJson<'a> {
    #[serde(borrow)]
    pub(crate) symbol: Text<'a>,
    #[serde(borrow, rename = "class")]
    pub(crate) asset_class: Text<'a>,
    #[serde(borrow)]
    pub(crate) name: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) exchange: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) status: Text<'a>,
    pub(crate) tradable: bool,
    pub(crate) shortable: Option<bool>,
    pub(crate) fractionable: Option<bool>,
    #[serde(default)]
    pub(crate) min_order_size: Maybe,
    #[serde(default)]
    pub(crate) min_trade_increment: Maybe,
    #[serde(default)]
    pub(crate) price_increment: Maybe,
    #[serde(default)]
    pub(crate) margin_requirement_long: Maybe,
    #[serde(default)]
    pub(crate) margin_requirement_short: Maybe,
}

/// `GET /v2/options/contracts/{symbol}`.
#[derive(Debug, Deserialize)]
pub(crate) struct OptionContractJson<'a> {
    #[serde(borrow)]
    pub(crate) symbol: Text<'a>,
    #[serde(borrow)]
    pub(crate) name: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) status: Text<'a>,
    pub(crate) tradable: bool,
    pub(crate) expiration_date: Day,
    #[serde(borrow)]
    pub(crate) underlying_symbol: Text<'a>,
    #[serde(borrow, rename = "type")]
    pub(crate) right: Text<'a>,
    #[serde(borrow)]
    pub(crate) style: Option<Text<'a>>,
    pub(crate) strike_price: Num,
    /// `size` is the deliverable and no multiplier.
    #[serde(default)]
    pub(crate) multiplier: Maybe,
}

/// `GET /v2/options/contracts`.
#[derive(Debug, Deserialize)]
pub(crate) struct OptionContractsJson<'a> {
    #[serde(borrow)]
    pub(crate) option_contracts: Vec<OptionContractJson<'a>>,
    #[serde(borrow)]
    pub(crate) next_page_token: Option<Text<'a>>,
}

/// `GET /v2/clock`.
#[derive(Debug, Deserialize)]
pub(crate) struct ClockJson {
    pub(crate) timestamp: Stamp,
}

/// One day of `GET /v2/calendar`, New York time: `09:30`, but `0400` for the extended session.
#[cfg(feature = "market-data")]
#[derive(Debug, Deserialize)]
pub(crate) struct CalendarJson<'a> {
    pub(crate) date: Day,
    #[serde(borrow)]
    pub(crate) open: Text<'a>,
    #[serde(borrow)]
    pub(crate) close: Text<'a>,
    #[serde(borrow)]
    pub(crate) session_open: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) session_close: Option<Text<'a>>,
}

/// Latest quotes by symbol; a symbol without a quote is missing.
#[cfg(feature = "market-data")]
#[derive(Debug, Deserialize)]
pub(crate) struct QuotesJson<'a> {
    #[serde(borrow)]
    pub(crate) quotes: Keyed<'a, QuoteJson>,
}

/// One quote; a price of 0 says that nobody quotes that side.
#[cfg(feature = "market-data")]
#[derive(Debug, Deserialize)]
pub(crate) struct QuoteJson {
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

/// One snapshot of a share; what there was not yet is missing or null.
#[cfg(feature = "market-data")]
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SnapshotJson {
    pub(crate) latest_trade: Option<TradeJson>,
    pub(crate) latest_quote: Option<QuoteJson>,
    pub(crate) minute_bar: Option<BarJson>,
    pub(crate) daily_bar: Option<BarJson>,
    pub(crate) prev_daily_bar: Option<BarJson>,
}

/// One trade of the market.
#[cfg(feature = "market-data")]
#[derive(Debug, Deserialize)]
pub(crate) struct TradeJson {
    pub(crate) t: Stamp,
    pub(crate) p: Num,
    pub(crate) s: Num,
}

/// A page of bars by symbol; a symbol without bars is missing.
#[cfg(feature = "market-data")]
#[derive(Debug, Deserialize)]
pub(crate) struct BarsJson<'a> {
    #[serde(borrow)]
    pub(crate) bars: Keyed<'a, Vec<BarJson>>,
    #[serde(borrow)]
    pub(crate) next_page_token: Option<Text<'a>>,
}

/// One bar.
#[cfg(feature = "market-data")]
#[derive(Debug, Deserialize)]
pub(crate) struct BarJson {
    pub(crate) t: Stamp,
    pub(crate) o: Num,
    pub(crate) h: Num,
    pub(crate) l: Num,
    pub(crate) c: Num,
    pub(crate) v: Option<Num>,
}

/// An error body. All parts can be missing, and other keys can stand beside them.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct ErrorJson<'a> {
    #[serde(borrow)]
    pub(crate) code: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(crate) message: Option<Text<'a>>,
    /// Shares that other orders hold.
    #[serde(borrow)]
    pub(crate) held_for_orders: Option<&'a RawValue>,
    /// Those orders.
    #[serde(borrow)]
    pub(crate) related_orders: Option<&'a RawValue>,
    /// The order on the other side that one would trade with.
    #[serde(borrow)]
    pub(crate) existing_order_id: Option<&'a RawValue>,
}

/// One row of the answer to `DELETE /v2/orders`.
#[cfg(feature = "trading")]
#[derive(Debug, Deserialize)]
pub(crate) struct CancelRowJson<'a> {
    #[serde(borrow)]
    pub(crate) id: Text<'a>,
    pub(crate) status: u16,
    /// The order, or an error.
    #[serde(borrow)]
    pub(crate) body: Option<&'a RawValue>,
}
