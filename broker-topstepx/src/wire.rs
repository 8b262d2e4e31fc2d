//! The gateway's JSON as it is sent. Names are the broker's; text is borrowed from the body; fields that we do not use
//! are not decoded. REST rows and hub events are one shape: a hub leaves members out that REST sends as null.

#[cfg(feature = "market-data")]
pub(crate) mod hub;
#[cfg(feature = "trading")]
pub(crate) mod request;

use std::fmt;
use std::marker::PhantomData;

pub(crate) use broker_core::num::decode;
use broker_core::num::{Num, Text};
use chrono::{DateTime, Utc};
use serde::de::{self, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Serialize};

/// What an answer carries beside its verdict.
pub(crate) trait Payload<'de>: Deserialize<'de> {
    /// The member that holds it.
    const KEY: &'static str;
}

/// Any answer: the verdict, under HTTP 200 whatever it is, and one member more.
#[derive(Debug)]
pub(crate) struct Answer<'a, P> {
    pub(crate) success: bool,
    pub(crate) code: i64,
    pub(crate) message: Option<Text<'a>>,
    /// `None` for a member that is missing or null, which is no proof of anything.
    pub(crate) payload: Option<P>,
    /// How many rows there are in all, where the answer says so.
    pub(crate) total: Option<u64>,
}

impl<'de: 'a, 'a, P: Payload<'de>> Deserialize<'de> for Answer<'a, P> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(AnswerVisitor(PhantomData))
    }
}

struct AnswerVisitor<'a, P>(PhantomData<(&'a (), P)>);

impl<'de: 'a, 'a, P: Payload<'de>> Visitor<'de> for AnswerVisitor<'a, P> {
    type Value = Answer<'a, P>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an answer")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Answer<'a, P>, A::Error> {
        let (mut success, mut code, mut message) = (None, None, None);
        let (mut payload, mut total) = (None, None);
        while let Some(key) = members.next_key::<Text<'de>>()? {
            match key.get() {
                "success" => once(&mut success, members.next_value()?)?,
                "errorCode" => once(&mut code, members.next_value()?)?,
                "errorMessage" => once(&mut message, members.next_value::<Option<Text<'de>>>()?)?,
                "totalCount" => once(&mut total, members.next_value::<Option<u64>>()?)?,
                key if key == P::KEY => once(&mut payload, members.next_value::<Option<P>>()?)?,
                _ => _ = members.next_value::<IgnoredAny>()?,
            }
        }
        Ok(Answer {
            success: success.ok_or_else(|| de::Error::missing_field("success"))?,
            code: code.ok_or_else(|| de::Error::missing_field("errorCode"))?,
            message: message.flatten(),
            payload: payload.flatten(),
            total: total.flatten(),
        })
    }
}

/// Of two values of one name there is no telling which one counts.
fn once<T, E: de::Error>(place: &mut Option<T>, value: T) -> Result<(), E> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(E::custom("a member comes twice")),
    }
}

/// Gives wrapped payloads their member.
macro_rules! payloads {
    ($($(#[$meta:meta])* $name:ident($inner:ty) = $key:literal,)*) => {
        $(
            $(#[$meta])*
            #[derive(Debug, Deserialize)]
            #[serde(transparent)]
            pub(crate) struct $name<'a>(#[serde(borrow)] pub(crate) $inner);

            impl<'de: 'a, 'a> Payload<'de> for $name<'a> {
                const KEY: &'static str = $key;
            }
        )*
    };
}

payloads! {
    TokenJson(Text<'a>) = "token",
    NewTokenJson(Text<'a>) = "newToken",
    AccountsJson(Vec<AccountJson<'a>>) = "accounts",
    ContractsJson(Vec<ContractJson<'a>>) = "contracts",
    OneContractJson(ContractJson<'a>) = "contract",
    OrdersJson(Vec<OrderJson<'a>>) = "orders",
    OneOrderJson(OrderJson<'a>) = "order",
    PositionsJson(Vec<PositionJson<'a>>) = "positions",
    TradesJson(Vec<TradeJson<'a>>) = "trades",
}

#[cfg(any(feature = "market-data", feature = "trading"))]
#[derive(Debug, Deserialize)]
#[serde(transparent)]
pub(crate) struct BarsJson(pub(crate) Vec<BarJson>);

#[cfg(any(feature = "market-data", feature = "trading"))]
impl Payload<'_> for BarsJson {
    const KEY: &'static str = "bars";
}

/// The id of a placed order. A refusal may carry one, too: it proves nothing.
#[cfg(feature = "trading")]
#[derive(Debug, Deserialize)]
#[serde(transparent)]
pub(crate) struct OrderIdJson(pub(crate) i64);

#[cfg(feature = "trading")]
impl Payload<'_> for OrderIdJson {
    const KEY: &'static str = "orderId";
}

/// An answer that carries nothing.
#[cfg(feature = "trading")]
#[derive(Debug, Deserialize)]
pub(crate) struct NothingJson;

#[cfg(feature = "trading")]
impl Payload<'_> for NothingJson {
    const KEY: &'static str = "";
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AccountJson<'a> {
    pub(crate) id: i64,
    #[serde(borrow)]
    pub(crate) name: Text<'a>,
    pub(crate) balance: Num,
    pub(crate) can_trade: bool,
    /// Missing in an old example.
    pub(crate) simulated: Option<bool>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ContractJson<'a> {
    #[serde(borrow)]
    pub(crate) id: Text<'a>,
    #[serde(borrow)]
    pub(crate) description: Option<Text<'a>>,
    pub(crate) tick_size: Num,
    pub(crate) tick_value: Num,
    pub(crate) active_contract: bool,
}

/// An order. Examples and hub events leave out what is not marked as needed.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct OrderJson<'a> {
    pub(crate) id: i64,
    pub(crate) account_id: i64,
    #[serde(borrow)]
    pub(crate) contract_id: Text<'a>,
    pub(crate) creation_timestamp: Stamp,
    pub(crate) update_timestamp: Option<Stamp>,
    pub(crate) status: i64,
    #[serde(rename = "type")]
    pub(crate) kind: i64,
    pub(crate) side: i64,
    pub(crate) size: Num,
    pub(crate) limit_price: Option<Num>,
    pub(crate) stop_price: Option<Num>,
    pub(crate) fill_volume: Option<Num>,
    pub(crate) filled_price: Option<Num>,
    #[serde(borrow)]
    pub(crate) custom_tag: Option<Text<'a>>,
    /// Read, a distance; sent, a price.
    pub(crate) trail_price: Option<Num>,
    pub(crate) parent_order_id: Option<i64>,
    pub(crate) linked_order_id: Option<i64>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PositionJson<'a> {
    pub(crate) account_id: i64,
    #[serde(borrow)]
    pub(crate) contract_id: Text<'a>,
    pub(crate) creation_timestamp: Stamp,
    #[serde(rename = "type")]
    pub(crate) kind: i64,
    pub(crate) size: Num,
    pub(crate) average_price: Num,
}

/// A fill; the vendor calls it a half-turn.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TradeJson<'a> {
    pub(crate) id: i64,
    pub(crate) account_id: i64,
    #[serde(borrow)]
    pub(crate) contract_id: Text<'a>,
    pub(crate) creation_timestamp: Stamp,
    pub(crate) price: Num,
    pub(crate) profit_and_loss: Option<Num>,
    pub(crate) fees: Num,
    pub(crate) commissions: Option<Num>,
    pub(crate) side: i64,
    pub(crate) size: Num,
    pub(crate) voided: bool,
    pub(crate) order_id: i64,
}

#[cfg(any(feature = "market-data", feature = "trading"))]
#[derive(Debug, Deserialize)]
#[cfg_attr(
    not(feature = "market-data"),
    allow(dead_code, reason = "a trailing stop starts from the close alone")
)]
pub(crate) struct BarJson {
    pub(crate) t: Stamp,
    pub(crate) o: Num,
    pub(crate) h: Num,
    pub(crate) l: Num,
    pub(crate) c: Num,
    pub(crate) v: Num,
}

/// A moment: RFC 3339 with 0 to 7 digits of a second, `Z` or an offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp(pub(crate) DateTime<Utc>);

impl<'de> Deserialize<'de> for Stamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Text::deserialize(deserializer)?;
        match DateTime::parse_from_rfc3339(text.get()) {
            Ok(at) => Ok(Self(at.to_utc())),
            Err(_) => Err(de::Error::custom("not a time")),
        }
    }
}

/// What a read asks for.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AskJson<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) only_active_accounts: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) live: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) contract_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) account_id: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) order_id: Option<i64>,
    /// Not `startDate`, which the server passes over without a word.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) start_timestamp: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) end_timestamp: Option<String>,
}

/// What the paged list of orders is asked for.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct QueryJson {
    pub(crate) filter: FilterJson,
    pub(crate) page_size: usize,
    pub(crate) sort_by: u8,
    pub(crate) sort_direction: u8,
    pub(crate) include_total_count: bool,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct FilterJson {
    pub(crate) account_id: i64,
    pub(crate) statuses: [u8; 4],
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) created_after: Option<String>,
}

/// What bars are asked for.
#[cfg(any(feature = "market-data", feature = "trading"))]
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct BarsAskJson<'a> {
    pub(crate) contract_id: &'a str,
    pub(crate) live: bool,
    pub(crate) start_time: String,
    pub(crate) end_time: String,
    pub(crate) unit: u8,
    pub(crate) unit_number: u32,
    pub(crate) limit: usize,
    pub(crate) include_partial_bar: bool,
}
