//! Currencies and amounts of them.

use std::fmt;
use std::ops::Neg;
use std::str::FromStr;

use rust_decimal::Decimal;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::{Text, exact};
use crate::error::{Error, Result};

/// Longest currency code, in bytes.
const LONGEST_CURRENCY: usize = 23;

/// A currency or a coin, by the code its broker uses: `USD`, `BTC`, `USDT`. Small and `Copy`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Currency {
    bytes: [u8; LONGEST_CURRENCY],
    len: u8,
}

impl Currency {
    /// US dollar.
    pub const USD: Self = Self::constant("USD");
    /// Euro.
    pub const EUR: Self = Self::constant("EUR");

    /// A code known when the program is compiled. Panics in a constant when it is empty or over 23 bytes.
    pub const fn constant(code: &str) -> Self {
        let text = code.as_bytes();
        assert!(!text.is_empty() && text.len() <= LONGEST_CURRENCY);
        let mut bytes = [0; LONGEST_CURRENCY];
        let mut len: u8 = 0;
        while (len as usize) < text.len() {
            bytes[len as usize] = text[len as usize];
            len += 1;
        }
        Self { bytes, len }
    }

    /// The code.
    pub fn code(&self) -> &str {
        std::str::from_utf8(&self.bytes[..usize::from(self.len)]).unwrap_or_default()
    }
}

impl FromStr for Currency {
    type Err = Error;
    fn from_str(code: &str) -> Result<Self> {
        if code.is_empty() || code.len() > LONGEST_CURRENCY || code.chars().any(char::is_control) {
            return Err(Error::decode(format!(
                "{code:?} is not a currency code of 1 to {LONGEST_CURRENCY} bytes"
            )));
        }
        Ok(Self::constant(code))
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.code())
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Currency({})", self.code())
    }
}

impl Serialize for Currency {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.code())
    }
}

impl<'de> Deserialize<'de> for Currency {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Text::deserialize(deserializer)?
            .get()
            .parse()
            .map_err(de::Error::custom)
    }
}

/// An amount of a currency. Signed: positive is what we have or get.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Money {
    /// How much.
    #[serde(with = "exact")]
    pub amount: Decimal,
    /// Of what.
    pub currency: Currency,
}

impl Money {
    /// An amount of a currency.
    pub const fn new(amount: Decimal, currency: Currency) -> Self {
        Self { amount, currency }
    }

    /// Nothing of a currency.
    pub const fn zero(currency: Currency) -> Self {
        Self {
            amount: Decimal::ZERO,
            currency,
        }
    }

    /// The sum, or `InvalidRequest` when the currencies differ or the sum does not fit.
    pub fn checked_add(self, other: Self) -> Result<Self> {
        if self.currency != other.currency {
            return Err(Error::invalid(format!(
                "cannot add {} to {}",
                other.currency, self.currency
            )));
        }
        let amount = self
            .amount
            .checked_add(other.amount)
            .ok_or_else(|| Error::invalid("the sum does not fit"))?;
        Ok(Self { amount, ..self })
    }
}

impl Neg for Money {
    type Output = Self;
    fn neg(self) -> Self {
        Self {
            amount: -self.amount,
            ..self
        }
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.amount, self.currency)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_of_two_currencies_does_not_add() {
        let one = Money::new(Decimal::ONE, Currency::USD);
        assert_eq!(one.checked_add(one).unwrap().to_string(), "2 USD");
        assert!(one.checked_add(Money::new(Decimal::ONE, Currency::EUR)).is_err());
        let text = serde_json::to_string(&one).unwrap();
        assert_eq!(text, r#"{"amount":"1","currency":"USD"}"#);
        assert_eq!(serde_json::from_str::<Money>(&text).unwrap(), one);
    }

    #[test]
    fn currency_codes_may_be_long_or_not_ascii() {
        assert_eq!("币安人生".parse::<Currency>().unwrap().code(), "币安人生");
        assert!("x".repeat(24).parse::<Currency>().is_err());
        assert_eq!(size_of::<Currency>(), 24);
    }
}
