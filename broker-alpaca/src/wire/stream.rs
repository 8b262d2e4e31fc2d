//! Messages of the streams.

use std::fmt;

use broker_core::num::Text;
use serde::Deserialize;
use serde::de::{self, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::{Maybe, OrderJson, QuoteJson, Stamp};

/// The stream that an account is told of its orders by.
pub(crate) const TRADE_UPDATES: &str = "trade_updates";

/// A message of `/stream`.
#[derive(Debug)]
pub(crate) struct MessageJson<'a> {
    pub(crate) stream: Text<'a>,
    pub(crate) data: DataJson<'a>,
}

/// What a message says. Alpaca names the stream first, and then an update is read where it stands; else it is cut out
/// and read once the name is known.
#[derive(Debug)]
pub(crate) enum DataJson<'a> {
    Update(Box<TradeUpdateJson<'a>>),
    Raw(&'a RawValue),
}

impl<'de: 'a, 'a> Deserialize<'de> for MessageJson<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct MessageVisitor;
        impl<'de> Visitor<'de> for MessageVisitor {
            type Value = MessageJson<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a message of a stream")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<MessageJson<'de>, A::Error> {
                let (mut stream, mut data) = (None::<Text<'de>>, None);
                while let Some(name) = fields.next_key::<Text<'de>>()? {
                    match name.get() {
                        "stream" if stream.is_none() => stream = Some(fields.next_value()?),
                        "data" if data.is_none() => {
                            data = Some(match &stream {
                                Some(stream) if stream.get() == TRADE_UPDATES => DataJson::Update(fields.next_value()?),
                                _ => DataJson::Raw(fields.next_value()?),
                            });
                        }
                        "stream" => return Err(de::Error::duplicate_field("stream")),
                        "data" => return Err(de::Error::duplicate_field("data")),
                        _ => _ = fields.next_value::<IgnoredAny>()?,
                    }
                }
                Ok(MessageJson {
                    stream: stream.ok_or_else(|| de::Error::missing_field("stream"))?,
                    data: data.ok_or_else(|| de::Error::missing_field("data"))?,
                })
            }
        }
        deserializer.deserialize_map(MessageVisitor)
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::decode;

    const DATA: &str = r#"{"event":"fill","execution_id":"e1","price":"189.50","qty":"10","order":{"id":"o1","filled_qty":"10","status":"filled"}}"#;

    #[test]
    fn an_update_reads_the_same_whether_its_stream_is_named_first_or_last() {
        let (first, last) = (
            format!(r#"{{"stream":"trade_updates","new":[1],"data":{DATA}}}"#),
            format!(r#"{{"data":{DATA},"stream":"trade_updates"}}"#),
        );
        let first: MessageJson<'_> = decode(&first).unwrap();
        let last: MessageJson<'_> = decode(&last).unwrap();
        let (DataJson::Update(in_place), DataJson::Raw(cut_out)) = (first.data, last.data) else {
            panic!("read in place only behind its name")
        };
        assert_eq!((first.stream.get(), last.stream.get()), (TRADE_UPDATES, TRADE_UPDATES));
        assert_eq!(in_place.price.0.unwrap().to_string(), "189.50");
        let cut_out: TradeUpdateJson<'_> = decode(cut_out.get()).unwrap();
        assert_eq!(format!("{in_place:?}"), format!("{cut_out:?}"));
    }

    #[test]
    fn a_message_has_each_part_once() {
        for text in [
            format!(r#"{{"stream":"trade_updates","data":{DATA},"data":{DATA}}}"#),
            format!(r#"{{"stream":"trade_updates","stream":"listening","data":{DATA}}}"#),
            format!(r#"{{"data":{DATA}}}"#),
            r#"{"stream":"trade_updates"}"#.to_owned(),
            r#"{"stream":"trade_updates","data":{"event":"fill"}}"#.to_owned(),
            "[]".to_owned(),
        ] {
            assert!(decode::<MessageJson<'_>>(&text).is_err(), "{text}");
        }
    }
}
