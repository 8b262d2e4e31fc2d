//! Alpaca's words and the model's, a file a noun.

pub(crate) mod account;
pub(crate) mod activity;
pub(crate) mod instrument;
#[cfg(feature = "market-data")]
pub(crate) mod market;
pub(crate) mod order;
pub(crate) mod portfolio;
#[cfg(feature = "trading")]
pub(crate) mod request;
#[cfg(feature = "streaming")]
pub(crate) mod update;

use std::borrow::Cow;
use std::sync::Arc;

use broker_core::{Error, InstrumentId, Result, Side, Symbol};

/// The one spelling of a symbol that we use. It is the instrument's id too: activities carry no asset id, so nothing
/// else is equal in all of Alpaca's sources. Positions and old activities spell `BTC/USD` as `BTCUSD`.
pub(crate) fn symbol<'a>(text: &'a str, asset_class: Option<&str>) -> Cow<'a, str> {
    let split = match asset_class {
        Some("crypto") => split_pair(text, 1),
        // Without a class only what cannot be a share is taken for a pair: tickers have at most five letters.
        None => split_pair(text, SHORTEST_BARE_PAIR),
        Some(_) => None,
    };
    match split {
        Some((base, quote)) => Cow::Owned(format!("{base}/{quote}")),
        None => Cow::Borrowed(text),
    }
}

/// Both names of an instrument, which share one text.
pub(crate) fn names(name: &str) -> (InstrumentId, Symbol) {
    let text: Arc<str> = Arc::from(name);
    (InstrumentId::new(Arc::clone(&text)), Symbol::new(text))
}

/// Letters of the shortest pair that is recognized without its asset class.
const SHORTEST_BARE_PAIR: usize = 6;

/// What crypto is quoted in, longest first.
const CRYPTO_QUOTES: [&str; 4] = ["USDT", "USDC", "USD", "BTC"];

fn split_pair(text: &str, shortest: usize) -> Option<(&str, &str)> {
    let plain = text.len() >= shortest && text.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit());
    if !plain {
        return None;
    }
    CRYPTO_QUOTES
        .iter()
        .filter_map(|quote| Some((text.strip_suffix(quote)?, *quote)))
        .find(|(base, _)| !base.is_empty())
}

/// Base and quote of a pair in our spelling.
pub(crate) fn pair(symbol: &str) -> Option<(&str, &str)> {
    symbol.split_once('/')
}

/// Whether a symbol has the form of an OCC option code without padding: root, `YYMMDD`, `C` or `P`, strike in
/// thousandths.
pub(crate) fn is_option(symbol: &str) -> bool {
    let code = symbol.as_bytes();
    let Some(root) = code.len().checked_sub(15).filter(|root| *root > 0) else {
        return false;
    };
    code[root..].iter().enumerate().all(|(place, byte)| match place {
        6 => matches!(byte, b'C' | b'P'),
        _ => byte.is_ascii_digit(),
    })
}

/// `sell_short` is what some answers say for a sale beyond the position.
fn side(word: &str) -> Result<Side> {
    match word {
        "buy" => Ok(Side::Buy),
        "sell" | "sell_short" => Ok(Side::Sell),
        // A side cannot be guessed, and a row without one cannot be counted.
        other => Err(Error::decode(format!("{other:?} is not a side"))),
    }
}

/// A field that this kind of row must have.
fn needed<T>(value: Option<T>, name: &str, id: &str) -> Result<T> {
    value.ok_or_else(|| Error::decode(format!("{id} has no {name}")))
}
