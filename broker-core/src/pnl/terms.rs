//! What the books need of an instrument, and the pip and what it is worth.

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::exact::mul;
use crate::error::Result;
use crate::model::{AssetClass, Instrument, Payoff};
use crate::num::{Currency, Money, Qty};

/// How an instrument's values become money.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Terms {
    pub(super) currency: Currency,
    /// What a unit is of, where it is held outright: a fee in it takes from the position.
    pub(super) coin: Option<Currency>,
    pub(super) payoff: Payoff,
    pub(super) multiplier: Option<Decimal>,
    pub(super) pip: Option<Decimal>,
    pub(super) option: bool,
}

impl Terms {
    pub(super) fn of(instrument: &Instrument) -> Self {
        Self {
            currency: instrument.currency,
            coin: instrument.base.filter(|_| instrument.payoff == Payoff::Cash),
            payoff: instrument.payoff,
            multiplier: instrument.multiplier,
            pip: instrument.pip(),
            option: instrument.option.is_some() || instrument.asset_class == AssetClass::Option,
        }
    }

    /// Money of a value; `None` where the multiplier is unknown.
    pub(super) fn money(&self, value: Decimal) -> Result<Option<Money>> {
        self.multiplier
            .map(|multiplier| Ok(Money::new(mul(value, multiplier)?, self.currency)))
            .transpose()
    }
}

impl Instrument {
    /// What one pip is worth on this quantity, in the instrument's currency. `None` where the pip or the multiplier
    /// is unknown, where the contract is inverse (a pip is then worth less the higher the price), or where the
    /// product does not fit.
    ///
    /// 10,000 EUR/USD with a pip of 0.0001 are 1 USD a pip.
    pub fn pip_value(&self, qty: Qty) -> Option<Money> {
        if self.payoff == Payoff::Inverse {
            return None;
        }
        let units = qty.get().checked_mul(self.multiplier?)?;
        Some(Money::new(units.checked_mul(self.pip()?)?, self.currency))
    }
}
