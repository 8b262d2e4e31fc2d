//! Account, balances, positions.

use broker_core::model::{Access, AccountStatus, Balance, Environment, PositionMode};
use broker_core::{Account, AccountId, Balances, BrokerId, Currency, Error, Money, Position, Qty, Result, Side};

use super::{Book, names, price, text};
use crate::wire::{AccountJson, PositionJson, SideJson};

/// What rows of this account need.
pub(crate) fn book(wire: &AccountJson<'_>) -> Result<Book> {
    Ok(Book {
        account: AccountId::from(wire.id.get()),
        currency: currency(wire)?,
        hedging: wire.hedging_enabled,
        created_at: wire.created_time,
    })
}

/// `trades` is false for an account that MetaTrader trades: its orders must not carry our ids.
pub(crate) fn account(
    wire: &AccountJson<'_>,
    trades: bool,
    broker: BrokerId,
    environment: Environment,
) -> Result<Account> {
    Ok(Account {
        id: AccountId::from(wire.id.get()),
        broker,
        environment,
        name: text(&wire.alias).map(AccountId::from),
        currency: currency(wire)?,
        // Nothing says that one is locked but the refusals of its orders.
        status: AccountStatus::Active,
        position_mode: match wire.hedging_enabled {
            true => PositionMode::Hedging,
            false => PositionMode::Netting,
        },
        access: Access {
            trade: (!trades).then_some(false),
            ..Access::default()
        },
        opened_at: Some(wire.created_time),
    })
}

fn currency(wire: &AccountJson<'_>) -> Result<Currency> {
    wire.currency.get().parse()
}

pub(crate) fn balances(wire: &AccountJson<'_>) -> Result<Balances> {
    let home = currency(wire)?;
    let money = |number: Option<broker_core::num::Num>| number.map(|number| Money::new(number.0, home));
    Ok(Balances {
        account: AccountId::from(wire.id.get()),
        balances: vec![Balance {
            currency: home,
            total: wire.balance.0,
            available: wire.margin_available.map(|number| number.0),
            held: None,
            parts: Vec::new(),
        }],
        equity: Some(Money::new(wire.nav.0, home)),
        buying_power: None,
        margin_used: money(wire.margin_used),
        margin_available: money(wire.margin_available),
        initial_margin: None,
        maintenance_margin: None,
        unrealized_pnl: money(wire.unrealized_pl),
        realized_pnl: money(wire.pl),
        accrued_fees: None,
        at: None,
    })
}

/// The sides that are open: one of a netting account, up to two of a hedging one.
pub(crate) fn positions(wire: &PositionJson<'_>, book: &Book) -> Result<Vec<Position>> {
    let mut open = Vec::new();
    for (side, json) in [(Side::Buy, &wire.long), (Side::Sell, &wire.short)] {
        if !json.units.0.is_zero() {
            open.push(position(wire.instrument.get(), side, json, book)?);
        }
    }
    Ok(open)
}

fn position(name: &str, side: Side, wire: &SideJson, book: &Book) -> Result<Position> {
    let (instrument, symbol) = names(name);
    let (stated, qty) = Qty::from_signed(wire.units.0);
    if stated != side {
        return Err(Error::decode(format!(
            "{name} has {} units on its other side",
            wire.units.0
        )));
    }
    let money = |number: broker_core::num::Num| Money::new(number.0, book.currency);
    Ok(Position {
        account: book.account.clone(),
        instrument,
        symbol,
        leg: book.leg(side),
        side,
        qty,
        available: None,
        average_price: price(wire.average_price),
        mark_price: None,
        market_value: None,
        cost_basis: None,
        unrealized_pnl: wire.unrealized_pl.map(money),
        realized_pnl: Some(money(wire.pl)),
        at: None,
    })
}
