//! Instruments and the rules of their numbers.

use chrono::{DateTime, NaiveDate, Utc};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::id::{InstrumentId, Symbol};
use crate::num::{Currency, Money, Price, Qty, exact, exact_option};

words! {
    /// What kind of thing it is.
    AssetClass {
        /// A share.
        Stock = "stock",
        /// A fund traded like a share.
        Etf = "etf",
        /// A listed option.
        Option = "option",
        /// A dated future.
        Future = "future",
        /// A currency pair.
        Forex = "forex",
        /// A coin pair, held outright.
        Crypto = "crypto",
        /// A future without expiry.
        Perpetual = "perpetual",
        /// A contract for difference.
        Cfd = "cfd",
        /// A precious metal.
        Metal = "metal",
        /// A bond.
        Bond = "bond",
        /// A mutual fund.
        Fund = "fund",
        /// An index; not traded itself.
        Index = "index",
    }
}

words! {
    /// Whether it can be traded now.
    InstrumentStatus {
        /// Can be traded.
        Tradable = "tradable",
        /// Only positions can be closed.
        CloseOnly = "close_only",
        /// Not for now.
        Halted = "halted",
        /// Gone.
        Delisted = "delisted",
    }
}

/// Call or put.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OptionRight {
    /// The right to buy.
    Call,
    /// The right to sell.
    Put,
}

/// When an option can be exercised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExerciseStyle {
    /// Any time until expiry.
    American,
    /// At expiry only.
    European,
}

/// Terms of an option.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OptionTerms {
    /// What it is on.
    pub underlying: Symbol,
    /// Call or put.
    pub right: OptionRight,
    /// Strike price, in the instrument's currency.
    pub strike: Price,
    /// Last day.
    pub expires_on: NaiveDate,
    /// When it can be exercised, where stated.
    pub style: Option<ExerciseStyle>,
}

/// How price moves become money.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Payoff {
    /// (exit - entry) x quantity x multiplier, in the instrument's currency. The price is paid when bought.
    Cash,
    /// The same, but only the difference is ever paid: futures, CFDs, margined forex.
    Margined,
    /// Coin-margined: (1/entry - 1/exit) x quantity x multiplier, in the base coin. Only the difference is paid.
    Inverse,
}

/// From this price up, prices move in this step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TickBand {
    /// Lower border, inclusive, of the absolute price.
    pub from: Price,
    /// Smallest step.
    #[serde(with = "exact")]
    pub tick: Decimal,
}

/// Margin as the broker states it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Margin {
    /// Share of the value needed to open a long position: 0.5 is half.
    #[serde(default, with = "exact_option")]
    pub long_rate: Option<Decimal>,
    /// Share of the value needed to open a short position.
    #[serde(default, with = "exact_option")]
    pub short_rate: Option<Decimal>,
    /// Share of the value needed to keep it.
    #[serde(default, with = "exact_option")]
    pub maintenance_rate: Option<Decimal>,
    /// Money a contract needed to open.
    pub initial: Option<Money>,
    /// Money a contract needed to keep.
    pub maintenance: Option<Money>,
}

/// An instrument: what it is, in which steps it trades, and how its price becomes money.
///
/// What the broker does not state is `None` or empty, never a default: PnL with an unknown multiplier is an error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instrument {
    /// The broker's unique key.
    pub id: InstrumentId,
    /// What people write.
    pub symbol: Symbol,
    /// Long name.
    pub name: Option<String>,
    /// What kind of thing it is.
    pub asset_class: AssetClass,
    /// Where it trades.
    pub exchange: Option<String>,
    /// Currency of price and PnL; the base coin for [`Payoff::Inverse`] PnL.
    pub currency: Currency,
    /// What a unit is of, for pairs: `EUR` of `EUR/USD`.
    pub base: Option<Currency>,
    /// How price moves become money.
    pub payoff: Payoff,
    /// Money a unit moves when the price moves by 1: 1 for shares, 100 for most options, 50 for ES.
    #[serde(default, with = "exact_option")]
    pub multiplier: Option<Decimal>,
    /// Price steps, by ascending border; empty when unknown.
    pub ticks: Vec<TickBand>,
    /// Step of the quantity.
    #[serde(default, with = "exact_option")]
    pub lot: Option<Decimal>,
    /// Smallest quantity.
    pub min_qty: Option<Qty>,
    /// Largest quantity of one order.
    pub max_qty: Option<Qty>,
    /// Smallest value of one order.
    pub min_notional: Option<Money>,
    /// Place of the pip: -4 says that a pip is 0.0001.
    pub pip_location: Option<i8>,
    /// When it expires.
    pub expires_at: Option<DateTime<Utc>>,
    /// Terms, for options.
    pub option: Option<OptionTerms>,
    /// Margin, where stated.
    pub margin: Option<Margin>,
    /// Whether it can be traded.
    pub status: InstrumentStatus,
    /// Whether it can be sold short, where stated.
    pub shortable: Option<bool>,
}

impl Instrument {
    /// The price step at this price; `None` when unknown.
    pub fn tick_at(&self, price: Price) -> Option<Decimal> {
        let size = price.get().abs();
        self.ticks
            .iter()
            .rev()
            .find(|band| band.from.get() <= size)
            .map(|band| band.tick)
    }

    /// One pip as a price difference: 0.0001 for a location of -4.
    pub fn pip(&self) -> Option<Decimal> {
        let location = self.pip_location?;
        let places = u32::from(location.unsigned_abs());
        if location <= 0 {
            Decimal::try_from_i128_with_scale(1, places).ok()
        } else {
            10i128
                .checked_pow(places)
                .and_then(|pip| Decimal::try_from_i128_with_scale(pip, 0).ok())
        }
    }

    /// Value of a quantity at a price. `None` when the multiplier is unknown, or the value does not fit.
    pub fn notional(&self, qty: Qty, price: Price) -> Option<Money> {
        let face = qty.get().checked_mul(self.multiplier?)?;
        let amount = match self.payoff {
            Payoff::Cash | Payoff::Margined => face.checked_mul(price.get())?,
            Payoff::Inverse => face.checked_div(price.get())?,
        };
        Some(Money::new(amount, self.currency))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_their_digits_through_json() {
        let text = r#"{"from":"0.00","tick":"0.0000000000000000000000000010"}"#;
        let band: TickBand = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&band).unwrap(), text);
        let bare: TickBand = serde_json::from_str(r#"{"from":0,"tick":1234567.123456789012345}"#).unwrap();
        assert_eq!(bare.tick.to_string(), "1234567.123456789012345");
        let margin: Margin = serde_json::from_str(r#"{"long_rate":0.1234567890123456789,"short_rate":null}"#).unwrap();
        assert_eq!(margin.long_rate.unwrap().to_string(), "0.1234567890123456789");
        assert_eq!((margin.short_rate, margin.maintenance_rate), (None, None));
        let again: Margin = serde_json::from_str(&serde_json::to_string(&margin).unwrap()).unwrap();
        assert_eq!(again, margin);
    }
}
