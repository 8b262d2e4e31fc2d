//! Cash: opening and records beside the broker's balances, where these can be the same.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use broker_core::model::{Account, Balances, Payoff, Record};
use broker_core::pnl::TradeBook;
use broker_core::{Currency, History};
use rust_decimal::Decimal;

use super::report::{Difference, Kind};
use broker_core::span::Span;

/// Cash of one currency.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum CashCheck {
    /// Opening, fills, fees and flows make the balance, to the last digit.
    Agrees(Currency, Decimal),
    /// They make it but for what the broker can have rounded.
    Rounded {
        /// Of what.
        currency: Currency,
        /// Our sum less the balance.
        difference: Decimal,
        /// Fills whose value has more digits than the balance.
        fills: u64,
    },
    /// They make another.
    Differs {
        /// Of what.
        currency: Currency,
        /// By our records.
        here: Decimal,
        /// By the broker.
        there: Decimal,
    },
    /// The account is older than its records: this much would have stood before them.
    Implied(Currency, Decimal),
    /// It cannot be compared, and why.
    NotComparable(Currency, String),
}

/// Decimal places of money, where a balance is written with fewer.
const CENTS: u32 = 2;

/// Whether the account stood still while it was looked at, and what it held.
pub(super) fn still(before: Option<Balances>, after: Option<Balances>) -> Option<Balances> {
    match (before, after) {
        (Some(before), Some(after)) if before.balances == after.balances => Some(after),
        _ => None,
    }
}

/// Compares sums with balances; nothing, where the broker tells none or the account moved.
pub(super) fn check(
    balances: Option<Balances>,
    coins_apart: bool,
    account: &Account,
    history: &History,
    covers: Span,
) -> Vec<CashCheck> {
    let Some(balances) = balances else {
        return Vec::new();
    };
    let stated: BTreeMap<Currency, Decimal> = balances
        .balances
        .iter()
        .map(|balance| (balance.currency, balance.total))
        .collect();
    let books = match TradeBook::fifo().fold(history) {
        Ok(books) => books,
        Err(error) => {
            let reason = format!("the books cannot be made: {error}");
            let currencies = stated.into_keys();
            return currencies
                .map(|currency| CashCheck::NotComparable(currency, reason.clone()))
                .collect();
        }
    };
    let unpriced: BTreeSet<Option<Currency>> = books
        .unpriced
        .iter()
        .map(|row| history.instruments.get(&row.instrument).map(|known| known.currency))
        .collect();
    let foreign = books.cash.keys().find(|currency| !stated.contains_key(currency));
    let is_young = account.opened_at.is_some_and(|opened_at| covers.contains(opened_at));
    let one = |(currency, there): (&Currency, &Decimal)| {
        let not_comparable = |reason: String| CashCheck::NotComparable(*currency, reason);
        if coins_apart {
            return not_comparable("what trades cost is rounded by the venue".to_owned());
        }
        if unpriced.contains(&Some(*currency)) || unpriced.contains(&None) {
            return not_comparable("some of its records cannot be priced".to_owned());
        }
        if let Some(foreign) = foreign {
            return not_comparable(format!("the broker converts {foreign} into it at rates of its own"));
        }
        let here = books.cash.get(currency).copied().unwrap_or_default();
        if here == *there {
            return CashCheck::Agrees(*currency, *there);
        }
        if !is_young {
            return CashCheck::Implied(*currency, *there - here);
        }
        let places = there.normalize().scale().max(CENTS);
        let fills = finer(history, *currency, places);
        let room = Decimal::new(1, places) * Decimal::from(fills);
        if (here - *there).abs() <= room {
            return CashCheck::Rounded {
                currency: *currency,
                difference: here - *there,
                fills,
            };
        }
        CashCheck::Differs {
            currency: *currency,
            here,
            there: *there,
        }
    };
    stated.iter().map(one).collect()
}

/// How many fills in a currency are worth more digits than its balance has.
fn finer(history: &History, currency: Currency, places: u32) -> u64 {
    let is_finer = |record: &&Record| {
        let Record::Fill(fill) = record else { return false };
        let Some(instrument) = history.instruments.get(&fill.instrument) else {
            return false;
        };
        let value = match instrument.payoff {
            Payoff::Cash | Payoff::Margined => instrument.notional(fill.qty, fill.price),
            Payoff::Inverse => None,
        };
        instrument.currency == currency && value.is_none_or(|value| value.amount.normalize().scale() > places)
    };
    u64::try_from(history.records.iter().filter(is_finer).count()).unwrap_or(u64::MAX)
}

/// A difference, where there is one.
pub(super) fn difference(check: &CashCheck) -> Option<Difference> {
    match check {
        CashCheck::Differs { currency, here, there } => Some(Difference {
            kind: Kind::Cash {
                currency: *currency,
                here: *here,
                there: *there,
            },
            repair: None,
        }),
        CashCheck::Agrees(..) | CashCheck::Rounded { .. } | CashCheck::Implied(..) | CashCheck::NotComparable(..) => {
            None
        }
    }
}

impl fmt::Display for CashCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Agrees(currency, amount) => write!(f, "{amount} {currency}, as opening and records make it"),
            Self::Rounded {
                currency,
                difference,
                fills,
            } => write!(
                f,
                "{currency} within rounding: {difference} over {fills} fills of finer value"
            ),
            Self::Differs { currency, here, there } => {
                write!(f, "{currency} is {here} by our records, {there} by the broker")
            }
            Self::Implied(currency, amount) => {
                write!(
                    f,
                    "{currency}: {amount} must have stood before the first record; not checked"
                )
            }
            Self::NotComparable(currency, reason) => write!(f, "{currency} was not compared: {reason}"),
        }
    }
}
