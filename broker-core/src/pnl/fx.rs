//! Conversion with a rate of its day. A missing rate is never 1.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use rust_decimal::Decimal;

use crate::num::{Currency, Money};

/// Rates between currencies by time.
pub trait FxRates {
    /// How much of `to` one unit of `from` was worth at this time. `None` where it is not known.
    fn rate(&self, from: Currency, to: Currency, at: DateTime<Utc>) -> Option<Decimal>;
}

/// The outcome of a conversion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Converted {
    /// The amount in the wanted currency, not rounded to its cents.
    Money(Money),
    /// There was no positive rate, or the product does not fit: the amount as it was.
    Unconverted(Money),
}

impl Converted {
    /// The amount, where it was converted.
    pub fn money(self) -> Option<Money> {
        match self {
            Self::Money(money) => Some(money),
            Self::Unconverted(_) => None,
        }
    }
}

/// Converts an amount with the rate of a time. An amount that is in the wanted currency already needs no rate.
///
/// ```
/// use broker_core::{Currency, Money};
/// use broker_core::pnl::{Converted, RateTable, convert};
/// use chrono::{DateTime, TimeDelta};
/// let noon = DateTime::UNIX_EPOCH;
/// let mut rates = RateTable::new(TimeDelta::days(3));
/// rates.insert(Currency::EUR, Currency::USD, noon, "1.10".parse().unwrap());
/// let ten = Money::new(10.into(), Currency::EUR);
/// assert_eq!(convert(ten, Currency::USD, noon, &rates).money().unwrap().to_string(), "11.00 USD");
/// let late = noon + TimeDelta::days(4);
/// assert_eq!(convert(ten, Currency::USD, late, &rates), Converted::Unconverted(ten));
/// ```
pub fn convert(money: Money, to: Currency, at: DateTime<Utc>, rates: &dyn FxRates) -> Converted {
    if money.currency == to {
        return Converted::Money(money);
    }
    rates
        .rate(money.currency, to, at)
        .filter(|rate| *rate > Decimal::ZERO)
        .and_then(|rate| money.amount.checked_mul(rate))
        .map_or(Converted::Unconverted(money), |amount| {
            Converted::Money(Money::new(amount, to))
        })
}

/// Rates in memory: the last one at or before the time counts, as long as it is not too old. A pair that is only
/// known the other way round is inverted, to 28 digits.
#[derive(Debug, Clone)]
pub struct RateTable {
    rates: BTreeMap<(Currency, Currency), BTreeMap<DateTime<Utc>, Decimal>>,
    max_age: TimeDelta,
}

impl RateTable {
    /// An empty table whose rates hold for this long: three days carry a Friday's rate over the weekend.
    pub fn new(max_age: TimeDelta) -> Self {
        Self {
            rates: BTreeMap::new(),
            max_age,
        }
    }

    /// One unit of `from` was worth this much of `to` at this time.
    pub fn insert(&mut self, from: Currency, to: Currency, at: DateTime<Utc>, rate: Decimal) {
        self.rates.entry((from, to)).or_default().insert(at, rate);
    }

    fn direct(&self, from: Currency, to: Currency, at: DateTime<Utc>) -> Option<(DateTime<Utc>, Decimal)> {
        let (when, rate) = self.rates.get(&(from, to))?.range(..=at).next_back()?;
        (at.signed_duration_since(*when) <= self.max_age).then_some((*when, *rate))
    }
}

impl FxRates for RateTable {
    fn rate(&self, from: Currency, to: Currency, at: DateTime<Utc>) -> Option<Decimal> {
        let direct = self.direct(from, to, at);
        let inverse = self.direct(to, from, at);
        match (direct, inverse) {
            (Some((when, rate)), Some((other, _))) if when >= other => Some(rate),
            (Some((_, rate)), None) => Some(rate),
            (_, Some((_, rate))) => Decimal::ONE.checked_div(rate),
            (None, None) => None,
        }
    }
}
