//! Binance's words in ours, and the ids that this crate composes: orders are numbered symbol by symbol, and trades by
//! the market, so an id names all that makes it unique in the account.

pub(crate) mod account;
pub(crate) mod flow;
pub(crate) mod instrument;
#[cfg(feature = "market-data")]
pub(crate) mod market;
pub(crate) mod order;
#[cfg(feature = "trading")]
pub(crate) mod request;
pub(crate) mod trade;

use broker_core::model::Side;
use broker_core::{Currency, Error, FillId, InstrumentId, OrderId, Result, Symbol};
use chrono::{DateTime, Utc};

/// What is known of a symbol: its coins cannot be told from its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pair {
    pub(crate) id: InstrumentId,
    /// `BTC/USDT`; of a symbol that Binance does not list any more the id.
    pub(crate) symbol: Symbol,
    pub(crate) quote: Option<Currency>,
    /// Orders may be routed to other symbols' books.
    pub(crate) routed: bool,
}

impl Pair {
    /// A symbol that is not listed any more.
    pub(crate) fn unlisted(id: &str) -> Self {
        Self {
            id: InstrumentId::from(id),
            symbol: Symbol::from(id),
            quote: None,
            routed: false,
        }
    }
}

/// An order's id: Binance's number, behind its symbol.
pub(crate) fn order_id(symbol: &str, number: u64) -> OrderId {
    OrderId::from(format!("{symbol}:{number}"))
}

/// Symbol and number of an order's id. `None` where it is none of ours.
pub(crate) fn order_parts(id: &OrderId) -> Option<(&str, u64)> {
    let (symbol, number) = id.get().rsplit_once(':')?;
    let plain = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    (plain && !symbol.is_empty()).then_some(())?;
    Some((symbol, number.parse().ok()?))
}

/// A fill's id. The market's trade id is shared by both sides, and an account can be both of them.
pub(crate) fn trade_fill_id(symbol: &str, trade: u64, order: u64) -> FillId {
    FillId::from(format!("{symbol}:{trade}:{order}"))
}

/// The id of a fill by smart order routing, which has no trade.
pub(crate) fn allocation_fill_id(symbol: &str, allocation: u64) -> FillId {
    FillId::from(format!("{symbol}:A{allocation}"))
}

/// A time in milliseconds.
pub(crate) fn at(millis: i64) -> Result<DateTime<Utc>> {
    DateTime::from_timestamp_millis(millis).ok_or_else(|| Error::decode(format!("{millis} is no time")))
}

/// What is of another symbol than was asked for would be booked on the wrong one.
pub(crate) fn same_symbol(symbol: &str, pair: &Pair) -> Result<()> {
    match symbol == pair.id.get() {
        true => Ok(()),
        false => Err(Error::decode(format!(
            "expected rows of {}, and one of {symbol:?} came",
            pair.id
        ))),
    }
}

pub(crate) fn currency(asset: &str) -> Result<Currency> {
    asset.parse()
}

/// Every order and trade has one of two sides; another word cannot be guessed at.
pub(crate) fn side(word: &str) -> Result<Side> {
    match word {
        "BUY" => Ok(Side::Buy),
        "SELL" => Ok(Side::Sell),
        other => Err(Error::decode(format!("{other:?} is no side"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn composed_ids_are_read_as_they_were_made() {
        let id = order_id("BTCUSDT", 28);
        assert_eq!((id.get(), order_parts(&id)), ("BTCUSDT:28", Some(("BTCUSDT", 28))));
        for other in [
            "28",
            "BTCUSDT:",
            ":28",
            "BTCUSDT:x",
            "BTCUSDT:+1",
            "BTCUSDT:99999999999999999999",
        ] {
            assert_eq!(order_parts(&OrderId::from(other)), None, "{other}");
        }
        assert_eq!(trade_fill_id("BNBBTC", 28_457, 100_234).get(), "BNBBTC:28457:100234");
        assert_eq!(allocation_fill_id("BTCUSDT", 0).get(), "BTCUSDT:A0");
    }
}
