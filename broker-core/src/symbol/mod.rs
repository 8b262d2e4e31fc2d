//! The parts of a [`Symbol`]: option codes, pairs, futures contracts, shares.
//!
//! Every parser gives back the text that it read when it is printed. Text that no rule understands stays a valid
//! symbol: [`SymbolKind::Unknown`].
//!
//! ```
//! use broker_core::symbol::{FuturesCode, SymbolKind};
//! let SymbolKind::Pair(pair) = SymbolKind::of(&"EUR_USD".into()) else { panic!() };
//! assert_eq!((pair.base(), pair.quote()), ("EUR", "USD"));
//! let on = "2026-02-01".parse().unwrap();
//! let one: FuturesCode = "ESH6".parse()?;
//! let other: FuturesCode = "CON.F.US.EP.H26".parse()?;
//! assert_eq!(one.contract(on), other.contract(on));
//! assert_eq!(one.contract(on).to_string(), "ESH26");
//! # Ok::<(), broker_core::Error>(())
//! ```

mod equity;
mod future;
mod occ;
mod pair;

use std::fmt;

pub use equity::Equity;
pub use future::{Contract, FuturesCode, MONTH_LETTERS};
pub use occ::Occ;
pub use pair::{Pair, Separator};

use crate::error::Error;
use crate::id::Symbol;

/// What a symbol's text says that it is. A broker's own instrument list knows better where there is one.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum SymbolKind {
    /// A listed option by its OCC code.
    Option(Occ),
    /// A currency or coin pair.
    Pair(Pair),
    /// A dated future.
    Future(FuturesCode),
    /// A share or fund.
    Equity(Equity),
    /// No rule understands it.
    Unknown(Symbol),
}

impl SymbolKind {
    /// Reads a symbol by the first rule that understands it: option code, pair, future, share.
    pub fn of(symbol: &Symbol) -> Self {
        let text = symbol.get();
        if let Ok(occ) = text.parse() {
            Self::Option(occ)
        } else if let Ok(pair) = text.parse() {
            Self::Pair(pair)
        } else if let Ok(code) = text.parse() {
            Self::Future(code)
        } else if let Ok(equity) = text.parse() {
            Self::Equity(equity)
        } else {
            Self::Unknown(symbol.clone())
        }
    }
}

impl fmt::Display for SymbolKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Option(occ) => occ.fmt(f),
            Self::Pair(pair) => pair.fmt(f),
            Self::Future(code) => code.fmt(f),
            Self::Equity(equity) => equity.fmt(f),
            Self::Unknown(symbol) => symbol.fmt(f),
        }
    }
}

fn not_a(what: &str, text: &str) -> Error {
    Error::decode(format!("{text:?} is not {what}"))
}

/// Upper-case letters and digits, at least one letter, and so many characters.
fn is_root(text: &str, longest: usize) -> bool {
    text.len() <= longest
        && text
            .bytes()
            .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
        && text.bytes().any(|byte| byte.is_ascii_uppercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_told_apart() {
        for (text, kind) in [
            ("AAPL250620C00100000", "option"),
            ("SPXW  240327P04925000", "option"),
            ("EUR/USD", "pair"),
            ("USD_JPY", "pair"),
            ("XAU_USD", "pair"),
            ("EURUSD", "pair"),
            ("BTC-USDT", "pair"),
            ("BTCUSD", "pair"),
            ("1000PEPEUSDT", "pair"),
            ("ESH6", "future"),
            ("6EH26", "future"),
            ("ESH2026", "future"),
            ("/ESH25", "future"),
            ("CON.F.US.EP.H26", "future"),
            ("AAPL", "equity"),
            ("BRK.B", "equity"),
            ("BF/B", "equity"),
            ("USD", "equity"),
            ("", "unknown"),
            ("linear:BTCUSDT", "unknown"),
            ("BTC/USDT:USDT", "unknown"),
            ("aapl", "unknown"),
            ("APPLE INC", "unknown"),
            ("币安人生", "unknown"),
        ] {
            let found = SymbolKind::of(&Symbol::from(text));
            let name = match &found {
                SymbolKind::Option(_) => "option",
                SymbolKind::Pair(_) => "pair",
                SymbolKind::Future(_) => "future",
                SymbolKind::Equity(_) => "equity",
                SymbolKind::Unknown(_) => "unknown",
            };
            assert_eq!(name, kind, "{text}");
            assert_eq!(found.to_string(), text);
        }
    }
}
