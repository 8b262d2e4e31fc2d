//! Kraken's JSON as it is sent. Names are the broker's; text is borrowed from the body; fields that we do not use are
//! not decoded. Money comes as strings by the document and as bare numbers in some of its examples: both are read from
//! their text.

use std::collections::BTreeSet;
use std::fmt;
use std::marker::PhantomData;

use broker_core::num::{Num, Text, decimal};
use broker_core::{Error, Result};
use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use serde::Deserialize;
use serde::de::{self, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

/// What every answer is in.
#[derive(Debug, Deserialize)]
pub(crate) struct EnvelopeJson<'a> {
    #[serde(borrow)]
    pub(crate) error: Option<Vec<Text<'a>>>,
    /// Errors of the newer kind.
    #[serde(borrow)]
    pub(crate) errors: Option<Vec<ErrorJson<'a>>>,
    #[serde(borrow)]
    pub(crate) result: Option<&'a RawValue>,
}

/// An error of the newer kind.
#[derive(Debug, Deserialize)]
pub(crate) struct ErrorJson<'a> {
    #[serde(borrow, rename = "errorClass")]
    pub(crate) class: Option<Text<'a>>,
    #[serde(borrow, rename = "type")]
    pub(crate) kind: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) msg: Option<Text<'a>>,
}

/// Reads a piece of JSON.
pub(crate) fn decode<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T> {
    serde_json::from_str(text).map_err(|error| Error::decode(error.to_string()))
}

/// What a good answer holds.
pub(crate) fn raw_result(body: &str) -> Result<&str> {
    let envelope: EnvelopeJson<'_> = decode(body)?;
    let result = envelope
        .result
        .ok_or_else(|| Error::decode("an answer without a result"))?;
    Ok(result.get())
}

/// The result of a good answer.
pub(crate) fn result<'a, T: Deserialize<'a>>(body: &'a str) -> Result<T> {
    decode(raw_result(body)?)
}

/// Text that may be missing, null or empty, which all mean the same. So does `None`, which stands in old answers.
pub(crate) fn filled<'a>(text: &'a Option<Text<'_>>) -> Option<&'a str> {
    let text = text.as_ref().map(Text::get)?;
    (!text.is_empty() && text != "None").then_some(text)
}

/// A decimal that may be missing, null or empty.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Maybe(pub(crate) Option<Decimal>);

impl Maybe {
    /// Kraken writes zero for a price that there is not.
    pub(crate) fn set(self) -> Option<Decimal> {
        self.0.filter(|value| !value.is_zero())
    }
}

impl<'de> Deserialize<'de> for Maybe {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&RawValue>::deserialize(deserializer)?.get();
        match unquoted(raw) {
            "" => Ok(Self(None)),
            "null" if raw == "null" => Ok(Self(None)),
            number => decimal(number)
                .map(|value| Self(Some(value)))
                .map_err(de::Error::custom),
        }
    }
}

fn unquoted(raw: &str) -> &str {
    let inner = raw.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    inner.unwrap_or(raw)
}

/// An object whose names are ids, in the order of the answer. A name that comes twice is an error: of two values there
/// is no telling which one counts.
#[derive(Debug)]
pub(crate) struct Keyed<'a, T>(pub(crate) Vec<(Text<'a>, T)>);

impl<'de: 'a, 'a, T: Deserialize<'de>> Deserialize<'de> for Keyed<'a, T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct KeyedVisitor<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for KeyedVisitor<T> {
            type Value = Vec<(Text<'de>, T)>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Self::Value, A::Error> {
                let mut rows = Vec::with_capacity(50);
                while let Some(row) = fields.next_entry::<Text<'de>, T>()? {
                    rows.push(row);
                }
                Ok(rows)
            }
        }
        let rows = deserializer.deserialize_map(KeyedVisitor(PhantomData))?;
        let names: BTreeSet<&str> = rows.iter().map(|(name, _)| name.get()).collect();
        match names.len() == rows.len() {
            true => Ok(Self(rows)),
            false => Err(de::Error::custom("a name comes twice")),
        }
    }
}

/// Seconds since 1970 with their fraction, as a number or in quotes. 0 says that there is no such moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seconds(pub(crate) DateTime<Utc>);

impl Seconds {
    pub(crate) fn parse(text: &str) -> Option<DateTime<Utc>> {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || !plain(whole) || !plain(fraction) || fraction.len() > 9 {
            return None;
        }
        let mut nanos = fraction
            .bytes()
            .fold(0u32, |sum, digit| sum * 10 + u32::from(digit - b'0'));
        for _ in fraction.len()..9 {
            nanos *= 10;
        }
        DateTime::from_timestamp(whole.parse().ok()?, nanos)
    }

    /// The moment, where there is one.
    pub(crate) fn set(self) -> Option<DateTime<Utc>> {
        Some(self.0).filter(|at| *at != DateTime::UNIX_EPOCH)
    }
}

impl<'de> Deserialize<'de> for Seconds {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&RawValue>::deserialize(deserializer)?.get();
        Self::parse(unquoted(raw))
            .map(Self)
            .ok_or_else(|| de::Error::custom(format_args!("{raw} is no time in seconds")))
    }
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_keep_their_fraction() {
        let at = |text: &str| Seconds::parse(text).map(|at| at.timestamp_nanos_opt().unwrap());
        assert_eq!(at("1688667796.8802"), Some(1_688_667_796_880_200_000));
        assert_eq!(at("1688669597.8277369"), Some(1_688_669_597_827_736_900));
        assert_eq!(at("1688667796"), Some(1_688_667_796_000_000_000));
        assert_eq!(at("0"), Some(0));
        for text in ["", ".5", "-1", "1e9", "1.2.3", "1688667796.1234567890", "soon"] {
            assert_eq!(at(text), None, "{text}");
        }
        let quoted: Seconds = serde_json::from_str("\"1616672637\"").unwrap();
        assert_eq!(quoted.0.timestamp(), 1_616_672_637);
    }

    #[test]
    fn an_id_that_comes_twice_is_an_error() {
        assert!(serde_json::from_str::<Keyed<'_, u8>>(r#"{"a":1,"b":2}"#).is_ok());
        for text in [r#"{"a":1,"a":2}"#, "[]", "null"] {
            assert!(serde_json::from_str::<Keyed<'_, u8>>(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_number_may_be_missing_in_three_ways() {
        let read = |text: &str| serde_json::from_str::<Maybe>(text).map(|maybe| maybe.0).ok();
        assert_eq!((read("null"), read("\"\"")), (Some(None), Some(None)));
        assert_eq!(read("\"+154186.9728\""), Some(Some("154186.9728".parse().unwrap())));
        assert_eq!(read("\"null\""), None);
    }
}
