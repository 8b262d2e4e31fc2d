//! Currency and coin pairs.

use std::fmt;
use std::str::FromStr;

use super::{is_root, not_a};
use crate::error::{Error, Result};

/// What stands between the two sides of a pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Separator {
    /// `EUR/USD`
    Slash,
    /// `EUR_USD`
    Underscore,
    /// `BTC-USDT`
    Dash,
    /// `EURUSD`
    None,
}

impl Separator {
    /// Its text.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Slash => "/",
            Self::Underscore => "_",
            Self::Dash => "-",
            Self::None => "",
        }
    }
}

/// A pair: how much of the quote a unit of the base costs.
///
/// The quote is a currency or coin that things are quoted in; that tells `BTC/USD` from the share class `BF/B`.
/// Without a separator a text of six letters or more is a pair if both halves are ISO currencies or metals, or if it
/// ends in such a quote; the longest one counts (`BTCFDUSD` is in FDUSD). Shares have five letters at most.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Pair {
    base: String,
    quote: String,
    separator: Separator,
}

impl Pair {
    /// What is bought.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// What it is paid with.
    pub fn quote(&self) -> &str {
        &self.quote
    }

    /// What stands between the two.
    pub fn separator(&self) -> Separator {
        self.separator
    }

    /// The same pair, written with another separator.
    #[must_use]
    pub fn with_separator(mut self, separator: Separator) -> Self {
        self.separator = separator;
        self
    }
}

impl FromStr for Pair {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self> {
        let parts = match text.find(['/', '_', '-']) {
            Some(at) => separated(text, at),
            None => joined(text).map(|(base, quote)| (base, quote, Separator::None)),
        };
        match parts {
            Some((base, quote, separator)) => Ok(Self {
                base: base.to_owned(),
                quote: quote.to_owned(),
                separator,
            }),
            None => Err(not_a("a pair", text)),
        }
    }
}

fn separated(text: &str, at: usize) -> Option<(&str, &str, Separator)> {
    let (base, rest) = text.split_at_checked(at)?;
    let (separator, quote) = rest.split_at_checked(1)?;
    let separator = match separator {
        "/" => Separator::Slash,
        "_" => Separator::Underscore,
        _ => Separator::Dash,
    };
    (is_root(base, LONGEST_BASE) && is_quote(quote)).then_some((base, quote, separator))
}

fn joined(text: &str) -> Option<(&str, &str)> {
    if text.len() < 6 || !is_root(text, LONGEST_BASE + 5) {
        return None;
    }
    if let Some((base, quote)) = text.split_at_checked(3)
        && ISO.contains(&base)
        && ISO.contains(&quote)
    {
        return Some((base, quote));
    }
    // Coins stand before the ISO codes and longer ones first, so that `USDT` is found before `USD` would be.
    let quote = COINS.iter().chain(JOINED_FIAT).find(|quote| text.ends_with(**quote))?;
    let base = text.strip_suffix(quote)?;
    is_root(base, LONGEST_BASE).then_some((base, *quote))
}

fn is_quote(text: &str) -> bool {
    ISO.contains(&text) || COINS.contains(&text)
}

impl fmt::Display for Pair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}{}", self.base, self.separator.as_str(), self.quote)
    }
}

/// Longest base: `1000000MOG`, `SPX500`.
const LONGEST_BASE: usize = 12;

/// Coins that other coins are quoted in, longest first.
const COINS: &[&str] = &[
    "FDUSD", "PYUSD", "USDT", "USDC", "USDP", "USDD", "USD1", "TUSD", "BUSD", "USDE", "EURI", "EURC", "DAI", "BTC",
    "XBT", "ETH", "BNB", "SOL", "XRP", "TRX", "DOGE", "DOT",
];

/// Currencies that coins are quoted in without a separator.
const JOINED_FIAT: &[&str] = &[
    "USD", "EUR", "GBP", "JPY", "AUD", "CAD", "CHF", "TRY", "BRL", "ZAR", "PLN", "RON", "ARS", "MXN", "COP", "CZK",
    "KRW", "UAH", "INR", "IDR", "NGN",
];

/// ISO 4217 codes of currencies that are traded, and of the precious metals; and the offshore yuan, which has none.
const ISO: &[&str] = &[
    "AED", "ARS", "AUD", "BGN", "BHD", "BRL", "CAD", "CHF", "CLP", "CNH", "CNY", "COP", "CZK", "DKK", "EGP", "EUR",
    "GBP", "HKD", "HRK", "HUF", "IDR", "ILS", "INR", "ISK", "JOD", "JPY", "KES", "KRW", "KWD", "KZT", "MAD", "MXN",
    "MYR", "NGN", "NOK", "NZD", "OMR", "PEN", "PHP", "PKR", "PLN", "QAR", "RON", "RUB", "SAR", "SEK", "SGD", "THB",
    "TND", "TRY", "TWD", "UAH", "USD", "UYU", "VND", "XAG", "XAU", "XPD", "XPT", "ZAR",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sides_and_separators() {
        for (text, base, quote, separator) in [
            ("EUR/USD", "EUR", "USD", Separator::Slash),
            ("EUR_USD", "EUR", "USD", Separator::Underscore),
            ("EURUSD", "EUR", "USD", Separator::None),
            ("XAUUSD", "XAU", "USD", Separator::None),
            ("DE30_EUR", "DE30", "EUR", Separator::Underscore),
            ("BTC-USDT", "BTC", "USDT", Separator::Dash),
            ("BTCUSD", "BTC", "USD", Separator::None),
            ("BTCUSDT", "BTC", "USDT", Separator::None),
            ("BTCFDUSD", "BTC", "FDUSD", Separator::None),
            ("ETHBTC", "ETH", "BTC", Separator::None),
            ("OPUSDT", "OP", "USDT", Separator::None),
        ] {
            let pair: Pair = text.parse().unwrap();
            assert_eq!(
                (pair.base(), pair.quote(), pair.separator()),
                (base, quote, separator),
                "{text}"
            );
            assert_eq!(pair.to_string(), text);
        }
        let pair: Pair = "BTC-USDT".parse().unwrap();
        assert_eq!(pair.with_separator(Separator::Slash).to_string(), "BTC/USDT");
    }

    #[test]
    fn what_is_not_a_pair_is_refused() {
        for text in [
            "",
            "/",
            "EUR/",
            "/USD",
            "BF/B",
            "FDUSD",
            "TUSD",
            "AAPL",
            "ABCDEF",
            "EUR/USD/JPY",
            "eurusd",
            "É/USD",
            "12/USD",
        ] {
            assert!(text.parse::<Pair>().is_err(), "{text}");
        }
    }
}
