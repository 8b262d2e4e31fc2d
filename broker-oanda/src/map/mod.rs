//! OANDA's words and the model's, a file a noun.

pub(crate) mod account;
pub(crate) mod instrument;
#[cfg(feature = "market-data")]
pub(crate) mod market;
pub(crate) mod order;
pub(crate) mod record;
#[cfg(feature = "trading")]
pub(crate) mod request;
pub(crate) mod trade;

use std::sync::Arc;

use broker_core::model::PositionLeg;
use broker_core::num::{Num, Text};
use broker_core::{AccountId, Currency, InstrumentId, Side, Symbol};
use chrono::{DateTime, Utc};

/// What rows of an account do not say themselves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Book {
    pub(crate) account: AccountId,
    /// The home currency: all money of the account.
    pub(crate) currency: Currency,
    /// A long and a short leg an instrument.
    pub(crate) hedging: bool,
    pub(crate) created_at: DateTime<Utc>,
}

impl Book {
    /// The leg that a position of this side is.
    pub(crate) fn leg(&self, side: Side) -> PositionLeg {
        match (self.hedging, side) {
            (false, _) => PositionLeg::Net,
            (true, Side::Buy) => PositionLeg::Long,
            (true, Side::Sell) => PositionLeg::Short,
        }
    }
}

/// Both names of an instrument: `EUR_USD` is `EUR/USD` to people. An index such as `DE30_EUR` is no pair, and keeps
/// its name.
pub(crate) fn names(name: &str) -> (InstrumentId, Symbol) {
    let id = InstrumentId::from(name);
    match pair(name) {
        Some((base, quote)) => (id, Symbol::from(format!("{base}/{quote}"))),
        None => (id, Symbol::new(Arc::from(name))),
    }
}

/// Base and quote, where both are codes of currencies or metals.
pub(crate) fn pair(name: &str) -> Option<(&str, &str)> {
    let is_code = |code: &str| code.len() == 3 && code.bytes().all(|byte| byte.is_ascii_uppercase());
    name.split_once('_')
        .filter(|(base, quote)| is_code(base) && is_code(quote))
}

/// The instrument's id that people's spelling stands for.
pub(crate) fn id_of(symbol: &Symbol) -> InstrumentId {
    match symbol.get().split_once('/') {
        Some((base, quote)) if pair(&format!("{base}_{quote}")).is_some() => {
            InstrumentId::from(format!("{base}_{quote}"))
        }
        _ => InstrumentId::from(symbol.get()),
    }
}

pub(crate) fn text<'a>(text: &'a Option<Text<'_>>) -> Option<&'a str> {
    text.as_ref().map(Text::get).filter(|text| !text.is_empty())
}

pub(crate) fn price(number: Option<Num>) -> Option<broker_core::Price> {
    number.map(|number| number.0.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_spelled_with_a_slash_and_indices_are_not() {
        for (name, symbol) in [
            ("EUR_USD", "EUR/USD"),
            ("XAU_USD", "XAU/USD"),
            ("DE30_EUR", "DE30_EUR"),
            ("SUGAR_USD", "SUGAR_USD"),
            ("EURUSD", "EURUSD"),
        ] {
            let (id, spelled) = names(name);
            assert_eq!((id.get(), spelled.get()), (name, symbol));
            assert_eq!(id_of(&spelled), id, "and back");
        }
        assert_eq!(id_of(&"no/thing".into()).get(), "no/thing");
    }
}
