//! Exact numbers: prices, quantities, money, and the reader that takes a decimal from the text of a JSON body.
//!
//! No `f64` is on any path here. serde_json reads a JSON number through `f64` and rust_decimal's own `FromStr` reads
//! `1_0` as 10 and turns a too small number into 0, so both are avoided: [`decimal`] is the only door.

mod body;
mod money;
mod read;

use std::fmt;
use std::str::FromStr;

use rust_decimal::Decimal;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

pub use body::{Keyed, Maybe, decode, filled};
pub use money::{Currency, Money};
pub use read::{Num, Text, decimal, empty_as_none, exact};

use crate::error::{Error, Result};

macro_rules! number {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Decimal);

        impl $name {
            /// The bare number.
            pub const fn get(self) -> Decimal {
                self.0
            }
        }

        impl From<$name> for Decimal {
            fn from(number: $name) -> Decimal {
                number.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.0)
            }
        }

        /// Written as a JSON string, digit for digit.
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(&self.0)
            }
        }
    };
}

number! {
    /// A price a unit, in the instrument's currency. May be zero or negative (spreads, crude oil in 2020).
    Price
}

impl Price {
    /// Takes a number that is already exact.
    pub const fn new(value: Decimal) -> Self {
        Self(value)
    }

    /// How far it lies above another price; `None` when that does not fit.
    pub fn checked_sub(self, other: Self) -> Option<Decimal> {
        self.0.checked_sub(other.0)
    }
}

impl From<Decimal> for Price {
    fn from(value: Decimal) -> Self {
        Self(value)
    }
}

impl FromStr for Price {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self> {
        decimal(text).map(Self)
    }
}

impl<'de> Deserialize<'de> for Price {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Num::deserialize(deserializer).map(|number| Self(number.0))
    }
}

/// Direction of an order, a fill or a position.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// Buys; a long position.
    Buy,
    /// Sells, short sales too; a short position.
    Sell,
}

impl Side {
    /// The other one.
    pub const fn opposite(self) -> Self {
        match self {
            Self::Buy => Self::Sell,
            Self::Sell => Self::Buy,
        }
    }
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Buy => "buy",
            Self::Sell => "sell",
        })
    }
}

number! {
    /// A quantity in the instrument's own unit: shares, contracts, base units. Never negative; direction is
    /// [`Side`].
    Qty
}

impl Qty {
    /// Nothing.
    pub const ZERO: Self = Self(Decimal::ZERO);

    /// A quantity, or `InvalidRequest` when it is negative.
    pub fn new(value: Decimal) -> Result<Self> {
        if value.is_sign_negative() && !value.is_zero() {
            return Err(Error::invalid(format!("a quantity cannot be negative: {value}")));
        }
        Ok(Self(value.abs()))
    }

    /// The size of a signed quantity, and its direction; `Buy` for zero.
    pub fn from_signed(value: Decimal) -> (Side, Self) {
        let side = if value.is_sign_negative() && !value.is_zero() {
            Side::Sell
        } else {
            Side::Buy
        };
        (side, Self(value.abs()))
    }

    /// Positive for a buy, negative for a sell.
    pub fn signed(self, side: Side) -> Decimal {
        match side {
            Side::Buy => self.0,
            Side::Sell => -self.0,
        }
    }

    /// The sum; `None` when it does not fit.
    pub fn checked_add(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).map(Self)
    }

    /// Whether it is nothing.
    pub fn is_zero(self) -> bool {
        self.0.is_zero()
    }
}

impl FromStr for Qty {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self> {
        Self::new(decimal(text)?)
    }
}

impl<'de> Deserialize<'de> for Qty {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(Num::deserialize(deserializer)?.0).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_never_negative() {
        assert!("-1".parse::<Qty>().is_err());
        assert_eq!(
            Qty::from_signed(decimal("-2.5").unwrap()),
            (Side::Sell, "2.5".parse().unwrap())
        );
        assert_eq!(
            "2.5".parse::<Qty>().unwrap().signed(Side::Sell),
            decimal("-2.5").unwrap()
        );
    }
}
