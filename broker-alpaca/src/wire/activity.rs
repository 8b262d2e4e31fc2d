//! `GET /v2/account/activities`, the longest list that there is. Its rows are read in place, one by one: moving a row of
//! this size through the layers of a derived reader takes longer than reading its text.

use std::fmt;
use std::marker::PhantomData;

use broker_core::num::{Text, decimal};
use broker_core::{Error, Result};
use rust_decimal::Decimal;
use serde::Deserialize;
use serde::de::{self, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::{Day, Maybe, Stamp};

/// One row. Fills and all other rows come in one list, and one struct of optional fields holds either. `N` is how
/// decimals are read.
#[derive(Debug, Default)]
pub(crate) struct ActivityJson<'a, N> {
    pub(crate) id: Option<Text<'a>>,
    pub(crate) activity_type: Option<Text<'a>>,
    pub(crate) activity_sub_type: Option<Text<'a>>,
    pub(crate) transaction_time: Option<Stamp>,
    pub(crate) created_at: Option<Stamp>,
    pub(crate) date: Option<Day>,
    pub(crate) symbol: Option<Text<'a>>,
    pub(crate) side: Option<Text<'a>>,
    pub(crate) order_id: Option<Text<'a>>,
    pub(crate) qty: N,
    pub(crate) price: N,
    pub(crate) net_amount: N,
    pub(crate) currency: Option<Text<'a>>,
    pub(crate) description: Option<Text<'a>>,
    pub(crate) group_id: Option<Text<'a>>,
    pub(crate) status: Option<Text<'a>>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(field_identifier, rename_all = "snake_case")]
enum Field {
    Id,
    ActivityType,
    ActivitySubType,
    TransactionTime,
    CreatedAt,
    Date,
    Symbol,
    Side,
    OrderId,
    Qty,
    Price,
    NetAmount,
    Currency,
    Description,
    GroupId,
    Status,
    #[serde(other)]
    Unused,
}

impl<N> ActivityJson<'_, N> {
    /// The row's id; empty only where a row has none, which is refused before anybody sees it.
    pub(crate) fn id(&self) -> &str {
        self.id.as_ref().map(Text::get).unwrap_or_default()
    }

    /// The row's type.
    pub(crate) fn kind(&self) -> &str {
        self.activity_type.as_ref().map(Text::get).unwrap_or_default()
    }
}

/// Gives the rows of a page to `take`, in order, until it refuses one.
pub(crate) fn activities<'a, N, F>(body: &'a str, take: F) -> Result<()>
where
    N: Number,
    F: FnMut(&ActivityJson<'a, N>) -> Result<()>,
{
    let mut rows = Rows {
        take,
        refused: None,
        number: PhantomData,
    };
    let mut text = serde_json::Deserializer::from_str(body);
    let read = text.deserialize_seq(&mut rows).and_then(|()| text.end());
    match rows.refused {
        Some(error) => Err(error),
        None => read.map_err(|error| Error::decode(error.to_string())),
    }
}

struct Rows<N, F> {
    take: F,
    refused: Option<Error>,
    number: PhantomData<N>,
}

impl<'de, N: Number, F: FnMut(&ActivityJson<'de, N>) -> Result<()>> Visitor<'de> for &mut Rows<N, F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of activities")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut rows: A) -> Result<(), A::Error> {
        while rows.next_element_seed(Row(self))?.is_some() {}
        Ok(())
    }
}

struct Row<'r, N, F>(&'r mut Rows<N, F>);

impl<'de, N: Number, F: FnMut(&ActivityJson<'de, N>) -> Result<()>> DeserializeSeed<'de> for Row<'_, N, F> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, N: Number, F: FnMut(&ActivityJson<'de, N>) -> Result<()>> Visitor<'de> for Row<'_, N, F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an activity")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<(), A::Error> {
        let mut row: ActivityJson<'de, N> = ActivityJson::default();
        let mut seen = 0u32;
        while let Some(field) = fields.next_key()? {
            let this = 1 << field as u32;
            if seen & this != 0 && !matches!(field, Field::Unused) {
                return Err(de::Error::custom("a field comes twice"));
            }
            seen |= this;
            match field {
                Field::Id => row.id = Some(fields.next_value()?),
                Field::ActivityType => row.activity_type = Some(fields.next_value()?),
                Field::ActivitySubType => row.activity_sub_type = fields.next_value()?,
                Field::TransactionTime => row.transaction_time = fields.next_value()?,
                Field::CreatedAt => row.created_at = fields.next_value()?,
                Field::Date => row.date = fields.next_value()?,
                Field::Symbol => row.symbol = fields.next_value()?,
                Field::Side => row.side = fields.next_value()?,
                Field::OrderId => row.order_id = fields.next_value()?,
                Field::Qty => row.qty = fields.next_value()?,
                Field::Price => row.price = fields.next_value()?,
                Field::NetAmount => row.net_amount = fields.next_value()?,
                Field::Currency => row.currency = fields.next_value()?,
                Field::Description => row.description = fields.next_value()?,
                Field::GroupId => row.group_id = fields.next_value()?,
                Field::Status => row.status = fields.next_value()?,
                Field::Unused => {
                    fields.next_value::<IgnoredAny>()?;
                }
            }
        }
        if row.id().is_empty() {
            return Err(de::Error::missing_field("id"));
        }
        if row.activity_type.is_none() {
            return Err(de::Error::missing_field("activity_type"));
        }
        (self.0.take)(&row).map_err(|error| {
            self.0.refused = Some(error);
            de::Error::custom("a row that cannot be taken")
        })
    }
}

/// A decimal that may be missing, null or empty, and else is written as a string: anything else is an error. Only a
/// bare number needs the detour over its raw text.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Quoted(Option<Decimal>);

impl<'de> Deserialize<'de> for Quoted {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct QuotedVisitor;
        impl<'de> Visitor<'de> for QuotedVisitor {
            type Value = Quoted;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a decimal as a string")
            }
            fn visit_none<E>(self) -> Result<Quoted, E> {
                Ok(Quoted(None))
            }
            fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Quoted, D::Error> {
                deserializer.deserialize_str(self)
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Quoted, E> {
                match text {
                    "" => Ok(Quoted(None)),
                    number => decimal(number).map(|value| Quoted(Some(value))).map_err(E::custom),
                }
            }
        }
        deserializer.deserialize_option(QuotedVisitor)
    }
}

/// A way to read an optional decimal.
pub(crate) trait Number: Copy + Default + for<'de> Deserialize<'de> {
    fn get(self) -> Option<Decimal>;
}

impl Number for Maybe {
    fn get(self) -> Option<Decimal> {
        self.0
    }
}

impl Number for Quoted {
    fn get(self) -> Option<Decimal> {
        self.0
    }
}
