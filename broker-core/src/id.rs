//! Names of things: accounts, instruments, symbols, orders, fills.
//!
//! Five strings side by side are a bug waiting, so each has its own type. All are cheap to clone (one shared
//! allocation) and keep the broker's text to the letter: text that no rule understands is still a valid id.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::error::{Error, ErrorKind, Result};

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Takes the text as it is.
            pub fn new(text: impl Into<Arc<str>>) -> Self {
                Self(text.into())
            }

            /// The whole text.
            pub fn get(&self) -> &str {
                &self.0
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.into())
            }
        }

        impl From<String> for $name {
            fn from(text: String) -> Self {
                Self(text.into())
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        /// Any text that is not empty and has no control characters.
        impl FromStr for $name {
            type Err = Error;
            fn from_str(text: &str) -> Result<Self> {
                if text.is_empty() || text.chars().any(char::is_control) {
                    return Err(Error::new(ErrorKind::InvalidRequest)
                        .with_message(concat!("an empty or unprintable text is not a valid ", stringify!($name))));
                }
                Ok(Self(text.into()))
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
                crate::num::Text::deserialize(deserializer).map(|text| Self(text.get().into()))
            }
        }
    };
}

macro_rules! printed_id {
    ($(#[$doc:meta])* $name:ident) => {
        id! { $(#[$doc])* $name }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({:?})", stringify!($name), &*self.0)
            }
        }
    };
}

id! {
    /// An account at a broker. Prints masked (`…1234`); [`get`](Self::get) is whole.
    ///
    /// ```
    /// use broker_core::AccountId;
    /// let id = AccountId::from("101-004-1234567-001");
    /// assert_eq!(id.to_string(), "…-001");
    /// assert_eq!(id.get(), "101-004-1234567-001");
    /// ```
    AccountId
}

impl AccountId {
    /// The last characters behind an ellipsis; at most half of a short id is shown.
    fn masked(&self) -> impl fmt::Display {
        let count = self.0.chars().count();
        let shown = (count / 2).min(4);
        let tail: String = self.0.chars().skip(count - shown).collect();
        format!("…{tail}")
    }
}

impl fmt::Display for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.masked().to_string())
    }
}

impl fmt::Debug for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AccountId({})", self.masked())
    }
}

printed_id! {
    /// The broker's own unique key of an instrument: a conid, `linear:BTCUSDT`, `CON.F.US.EP.H26`, `AAPL`.
    /// Books and dedup use this one.
    InstrumentId
}

printed_id! {
    /// What people write: `AAPL`, `EUR/USD`, `BTC/USDT`, `ESH26`, an OCC code. [`crate::symbol`] reads its parts.
    Symbol
}

printed_id! {
    /// The broker's own id of an order.
    OrderId
}

printed_id! {
    /// The id that we gave an order before it was sent.
    ClientOrderId
}

printed_id! {
    /// Identity of one execution: unique in its account and equal in all of the broker's sources.
    FillId
}

printed_id! {
    /// Identity of a fee or a flow: unique in its account among the records of its kind.
    RecordId
}

printed_id! {
    /// Name of a broker, `alpaca`. A name and not an enum, so that third parties can add their own.
    BrokerId
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn account_id_never_prints_whole() {
        for (id, shown) in [("U1234567", "…4567"), ("12345", "…45"), ("7", "…"), ("", "…")] {
            assert_eq!(AccountId::from(id).to_string(), shown);
            assert_eq!(format!("{:?}", AccountId::from(id)), format!("AccountId({shown})"));
        }
    }

    #[test]
    fn ids_keep_their_text_through_json() {
        let id: InstrumentId = serde_json::from_str(r#""CON.F.US.EP.H26""#).unwrap();
        assert_eq!(id.get(), "CON.F.US.EP.H26");
        assert_eq!(serde_json::to_string(&id).unwrap(), r#""CON.F.US.EP.H26""#);
        let escaped: Symbol = serde_json::from_str(r#""A\u0042\/C""#).unwrap();
        assert_eq!(escaped.get(), "AB/C");
    }

    #[test]
    fn parsing_refuses_empty_and_control_text() {
        assert!("".parse::<Symbol>().is_err());
        assert!("AA\nPL".parse::<Symbol>().is_err());
        assert_eq!("１２３４５６".parse::<Symbol>().unwrap().get(), "１２３４５６");
    }
}
