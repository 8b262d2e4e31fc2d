//! Accounts, balances, positions.

use broker_core::model::{Access, AccountStatus, Balance, Environment, PositionLeg, PositionMode};
use broker_core::{Account, AccountId, Balances, BrokerId, Currency, Error, Position, Qty, Result, Side};

use super::{account_id, moment, names, qty};
use crate::wire::{AccountJson, PositionJson};

/// How the names of practice accounts begin. `simulated` is true for evaluation and funded accounts, too.
const PRACTICE: &str = "PRAC";

/// Whether an account is one to practice on, by its name.
pub(crate) fn is_practice(name: &str) -> bool {
    name.starts_with(PRACTICE)
}

pub(crate) fn account(wire: &AccountJson<'_>, broker: &BrokerId, environment: Environment) -> Result<Account> {
    let name = wire.name.get();
    let permitted = environment == Environment::Live || is_practice(name);
    Ok(Account {
        id: account_id(wire.id),
        broker: broker.clone(),
        environment,
        name: Some(AccountId::from(name)),
        currency: Currency::USD,
        status: match wire.can_trade {
            true => AccountStatus::Active,
            false => AccountStatus::Restricted,
        },
        position_mode: PositionMode::Netting,
        access: Access {
            trade: Some(wire.can_trade && permitted),
            // The gateway cancels in simulated accounts alone.
            cancel: wire.simulated.map(|simulated| simulated && permitted),
            short: Some(true),
            options: Some(false),
        },
        opened_at: None,
    })
}

/// Accounts that are not among the active ones are closed: their history is told on.
pub(crate) fn close_others(all: &mut [Account], active: &[Account]) {
    let others = all
        .iter_mut()
        .filter(|one| active.iter().all(|known| known.id != one.id));
    for account in others {
        account.status = AccountStatus::Closed;
        account.access.trade = Some(false);
    }
}

/// The balance is cash with realized profit and costs in it; nothing else is stated.
pub(crate) fn balances(wire: &AccountJson<'_>) -> Balances {
    Balances {
        account: account_id(wire.id),
        balances: vec![Balance {
            currency: Currency::USD,
            total: wire.balance.0,
            available: None,
            held: None,
            parts: Vec::new(),
        }],
        equity: None,
        buying_power: None,
        margin_used: None,
        margin_available: None,
        initial_margin: None,
        maintenance_margin: None,
        unrealized_pnl: None,
        realized_pnl: None,
        accrued_fees: None,
        at: None,
    }
}

/// A position; flat ones come from the hub alone.
pub(crate) fn position(wire: &PositionJson<'_>) -> Result<Position> {
    let (instrument, symbol) = names(wire.contract_id.get());
    let size = qty(wire.size)?;
    let (side, qty) = match wire.kind {
        1 => (Side::Buy, size),
        2 => (Side::Sell, size),
        // The size is a magnitude: without a direction it says nothing.
        0 if size.is_zero() => (Side::Buy, Qty::ZERO),
        other => return Err(Error::decode(format!("{other} is not the direction of a position"))),
    };
    Ok(Position {
        account: account_id(wire.account_id),
        instrument,
        symbol,
        leg: PositionLeg::Net,
        side,
        qty,
        available: None,
        average_price: Some(wire.average_price.0.into()),
        mark_price: None,
        market_value: None,
        cost_basis: None,
        unrealized_pnl: None,
        realized_pnl: None,
        at: Some(moment(wire.creation_timestamp)),
    })
}
