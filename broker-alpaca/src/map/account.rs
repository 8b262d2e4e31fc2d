//! Account, balances, positions.

use broker_core::model::{Access, AccountStatus, Balance, Environment, PositionLeg, PositionMode};
use broker_core::num::Num;
use broker_core::{
    Account, AccountId, Balances, BrokerId, Currency, Error, InstrumentId, Money, Position, Qty, Result, Side, Symbol,
};

use super::{needed, symbol};
use crate::wire::{AccountJson, PositionJson, filled};

pub(crate) fn account(wire: &AccountJson<'_>, broker: BrokerId, environment: Environment) -> Result<Account> {
    let blocked = [wire.trading_blocked, wire.account_blocked, wire.trade_suspended_by_user];
    let trade = blocked
        .iter()
        .any(Option::is_some)
        .then(|| !blocked.contains(&Some(true)));
    let status = match (status(wire.status.get(), environment), trade) {
        (AccountStatus::Active, Some(false)) => AccountStatus::Restricted,
        (status, _) => status,
    };
    Ok(Account {
        id: AccountId::from(wire.id.get()),
        broker,
        environment,
        name: filled(&wire.account_number).map(AccountId::from),
        currency: currency(wire)?,
        status,
        position_mode: PositionMode::Netting,
        access: Access {
            trade,
            cancel: wire.account_blocked.map(|blocked| !blocked),
            short: wire.shorting_enabled,
            options: wire.options_trading_level.map(|level| !level.0.is_zero()),
        },
        opened_at: wire.created_at.map(|stamp| stamp.0),
    })
}

/// The field is optional in the document; accounts of the Trading API are held in dollars.
fn currency(wire: &AccountJson<'_>) -> Result<Currency> {
    // What stands there is not quoted: it may be the account's number.
    let unreadable = |_| Error::decode("the currency of the account cannot be read");
    filled(&wire.currency).map_or(Ok(Currency::USD), |code| code.parse().map_err(unreadable))
}

fn status(word: &str, environment: Environment) -> AccountStatus {
    match word {
        "ACTIVE" => AccountStatus::Active,
        "PAPER_ONLY" if environment == Environment::Paper => AccountStatus::Active,
        "PAPER_ONLY" | "LIMITED" | "INACTIVE" | "ACCOUNT_CLOSED_PENDING" => AccountStatus::Restricted,
        "ONBOARDING" | "SUBMITTED" | "ACCOUNT_UPDATED" | "APPROVAL_PENDING" | "APPROVED" | "ACTION_REQUIRED" => {
            AccountStatus::Pending
        }
        "ACCOUNT_CLOSED" | "REJECTED" | "SUBMISSION_FAILED" => AccountStatus::Closed,
        other => AccountStatus::Other(other.into()),
    }
}

/// One row of cash: coins are positions at Alpaca.
pub(crate) fn balances(wire: &AccountJson<'_>) -> Result<Balances> {
    let currency = currency(wire)?;
    let money = |number: Option<Num>| number.map(|number| Money::new(number.0, currency));
    Ok(Balances {
        account: AccountId::from(wire.id.get()),
        balances: vec![Balance {
            currency,
            total: needed(wire.cash, "cash", "the account")?.0,
            available: wire.non_marginable_buying_power.map(|number| number.0),
            held: None,
            parts: Vec::new(),
        }],
        equity: money(wire.equity),
        buying_power: money(wire.buying_power),
        margin_used: None,
        margin_available: None,
        initial_margin: money(wire.initial_margin),
        maintenance_margin: money(wire.maintenance_margin),
        unrealized_pnl: None,
        realized_pnl: None,
        accrued_fees: money(wire.accrued_fees),
        at: None,
    })
}

/// The quantity is signed already; where a positive one comes with `short`, the word decides. A word that is neither
/// is refused: it may mean either.
pub(crate) fn position(wire: &PositionJson<'_>, account: &AccountId) -> Result<Position> {
    let name = symbol(wire.symbol.get(), filled(&wire.asset_class));
    let (signed, qty) = Qty::from_signed(wire.qty.0);
    let side = match filled(&wire.side) {
        Some("short") => Side::Sell,
        Some("long") | None => signed,
        Some(other) => return Err(Error::decode(format!("{other:?} is not the side of a position"))),
    };
    let usd = |number: Option<Num>| number.map(|number| Money::new(number.0, Currency::USD));
    Ok(Position {
        account: account.clone(),
        instrument: InstrumentId::from(&*name),
        symbol: Symbol::from(&*name),
        leg: PositionLeg::Net,
        side,
        qty,
        available: wire.qty_available.map(|number| Qty::from_signed(number.0).1),
        average_price: wire.avg_entry_price.map(|number| number.0.into()),
        mark_price: wire.current_price.map(|number| number.0.into()),
        market_value: usd(wire.market_value),
        cost_basis: usd(wire.cost_basis),
        unrealized_pnl: usd(wire.unrealized_pl),
        realized_pnl: None,
        at: None,
    })
}
