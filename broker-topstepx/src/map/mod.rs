//! The gateway's words and the model's, a file a noun.

pub(crate) mod account;
pub(crate) mod contract;
#[cfg(feature = "market-data")]
pub(crate) mod market;
pub(crate) mod order;
#[cfg(feature = "trading")]
pub(crate) mod request;
pub(crate) mod trade;

use std::sync::Arc;

use broker_core::num::Num;
use broker_core::symbol::FuturesCode;
use broker_core::{AccountId, Error, InstrumentId, OrderId, Qty, Result, Side, Symbol};
use chrono::{DateTime, NaiveDate, SubsecRound, Utc};

use crate::wire::Stamp;

/// Both names of a contract. The symbol is made of the id, with two digits of the year: the vendor's own has one, and
/// is another contract ten years later. An id that is no contract's stays a symbol of its own.
pub(crate) fn names(id: &str) -> (InstrumentId, Symbol) {
    let symbol = match id.parse::<FuturesCode>() {
        // Two digits need no date.
        Ok(code) => Symbol::from(code.contract(NaiveDate::MIN).to_string()),
        Err(_) => Symbol::from(id),
    };
    (InstrumentId::new(Arc::from(id)), symbol)
}

pub(crate) fn account_id(number: i64) -> AccountId {
    AccountId::from(number.to_string())
}

/// An account's number, which is how calls name it.
pub(crate) fn number(account: &AccountId) -> Result<i64> {
    let parsed = account.get().parse().ok();
    parsed.ok_or_else(|| Error::invalid(format!("{account} is not the number of an account")))
}

/// An order's number. What is none is no order's, and the gateway need not be asked.
pub(crate) fn order_number(id: &OrderId) -> Result<i64> {
    let parsed = id.get().parse().ok();
    parsed.ok_or_else(|| Error::invalid(format!("{id} is not the number of an order")))
}

/// A row must be of the account that was asked for.
pub(crate) fn own(account: &AccountId, number: i64) -> Result<()> {
    match account.get() == number.to_string() {
        true => Ok(()),
        false => Err(Error::decode(
            "a row of another account than the one that was asked for",
        )),
    }
}

fn side(number: i64) -> Result<Side> {
    match number {
        0 => Ok(Side::Buy),
        1 => Ok(Side::Sell),
        // A side cannot be guessed, and a row without one cannot be counted.
        other => Err(Error::decode(format!("{other} is not a side"))),
    }
}

fn qty(number: Num) -> Result<Qty> {
    Qty::new(number.0).map_err(|error| Error::decode("a quantity below zero").with_source(error))
}

/// Hubs tell 100 ns, REST cuts the same moment to a microsecond: cut, both are equal.
fn moment(stamp: Stamp) -> DateTime<Utc> {
    stamp.0.trunc_subsecs(6)
}
