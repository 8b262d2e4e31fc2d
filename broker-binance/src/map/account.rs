//! Account and balances.

use broker_core::model::{Access, AccountStatus, Balance, Environment, PositionMode};
use broker_core::{Account, AccountId, Balances, BrokerId, Currency, Error, Result};

use super::{at, currency};
use crate::wire::AccountJson;

/// What people count in there. Binance has no home currency.
const USUAL_CURRENCY: Currency = Currency::constant("USDT");

pub(crate) fn id(wire: &AccountJson<'_>) -> AccountId {
    AccountId::from(wire.uid.to_string())
}

pub(crate) fn account(wire: &AccountJson<'_>, broker: BrokerId, environment: Environment) -> Account {
    Account {
        id: id(wire),
        broker,
        environment,
        name: None,
        currency: USUAL_CURRENCY,
        status: match wire.can_trade {
            true => AccountStatus::Active,
            false => AccountStatus::Restricted,
        },
        position_mode: PositionMode::Netting,
        access: Access {
            trade: Some(wire.can_trade),
            cancel: Some(wire.can_trade),
            short: Some(false),
            options: Some(false),
        },
        opened_at: None,
    }
}

/// Free and locked make the total.
pub(crate) fn balances(wire: &AccountJson<'_>) -> Result<Balances> {
    let mut balances = Vec::with_capacity(wire.balances.len());
    for row in &wire.balances {
        let (free, locked) = (row.free.0, row.locked.0);
        let total = free
            .checked_add(locked)
            .ok_or_else(|| Error::decode("a balance does not fit"))?;
        balances.push(Balance {
            currency: currency(row.asset.get())?,
            total,
            available: Some(free),
            held: Some(locked),
            parts: Vec::new(),
        });
    }
    Ok(Balances {
        account: id(wire),
        balances,
        equity: None,
        buying_power: None,
        margin_used: None,
        margin_available: None,
        initial_margin: None,
        maintenance_margin: None,
        unrealized_pnl: None,
        realized_pnl: None,
        accrued_fees: None,
        at: Some(at(wire.update_time)?),
    })
}
