//! Balances and margin positions.

use std::collections::BTreeMap;

use broker_core::model::{Balance, BalancePart, Balances, PositionLeg};
use broker_core::{AccountId, Currency, Error, InstrumentId, Money, Position, Qty, Result};
use rust_decimal::Decimal;

use super::side;
use crate::directory::{Directory, Held};
use crate::wire::{BalanceJson, Keyed, PositionJson, TradeBalanceJson};

/// Fee credits are no money and no coin.
const FEE_CREDITS: &str = "KFEE";

fn too_large() -> Error {
    Error::decode("the balances do not fit when summed up")
}

/// One row an asset: what is staked or earning is a part of it. Fee credits are listed too, as what they are.
pub(crate) fn balances(
    wire: &Keyed<'_, BalanceJson>,
    margin: &TradeBalanceJson,
    currency: Currency,
    account: &AccountId,
    directory: &Directory,
) -> Result<Balances> {
    let mut found: BTreeMap<Currency, Balance> = BTreeMap::new();
    for (id, row) in &wire.0 {
        let (asset, is_part) = directory.asset(id.get())?;
        let (total, hold) = (row.balance.0, row.hold_trade.0.unwrap_or_default());
        let entry = found.entry(asset).or_insert_with(|| Balance {
            currency: asset,
            total: Decimal::ZERO,
            available: Some(Decimal::ZERO),
            held: Some(Decimal::ZERO),
            parts: Vec::new(),
        });
        entry.total = entry.total.checked_add(total).ok_or_else(too_large)?;
        if is_part {
            entry.parts.push(BalancePart {
                label: id.get().to_owned(),
                amount: total,
            });
            continue;
        }
        let (credit, used) = (row.credit.0.unwrap_or_default(), row.credit_used.0.unwrap_or_default());
        let credit = credit.checked_sub(used).ok_or_else(too_large)?;
        let free = total.checked_add(credit).and_then(|sum| sum.checked_sub(hold));
        let add = |sum: Option<Decimal>, more: Option<Decimal>| sum.zip(more).and_then(|(a, b)| a.checked_add(b));
        entry.available = Some(add(entry.available, free).ok_or_else(too_large)?);
        entry.held = Some(add(entry.held, Some(hold)).ok_or_else(too_large)?);
    }
    for balance in found
        .values_mut()
        .filter(|balance| balance.currency.code() == FEE_CREDITS)
    {
        balance.available = None;
    }
    let money = |number: Option<broker_core::num::Num>| number.map(|number| Money::new(number.0, currency));
    Ok(Balances {
        account: account.clone(),
        balances: found.into_values().collect(),
        equity: money(margin.e),
        buying_power: None,
        margin_used: money(margin.m),
        margin_available: money(margin.mf),
        initial_margin: None,
        maintenance_margin: None,
        unrealized_pnl: money(margin.n),
        realized_pnl: None,
        accrued_fees: None,
        at: None,
    })
}

/// What the rows of one pair come to.
struct Sum {
    qty: Decimal,
    cost: Decimal,
    value: Option<Decimal>,
    net: Option<Decimal>,
    at: chrono::DateTime<chrono::Utc>,
}

/// One position a pair. Kraken keeps a row for each trade that opened one, and closes the oldest first; long and short
/// never stand side by side.
pub(crate) fn positions(
    wire: &Keyed<'_, PositionJson<'_>>,
    account: &AccountId,
    directory: &Directory,
) -> Result<Vec<Position>> {
    let unfit = || Error::decode("the positions do not fit when summed up");
    let mut sums: BTreeMap<InstrumentId, (Sum, broker_core::Symbol, Currency)> = BTreeMap::new();
    for (id, row) in &wire.0 {
        let pair = directory.pair_of(row.pair.get())?;
        let (instrument, symbol) = pair.names(Held::OnMargin);
        let left = row.vol.0.checked_sub(row.vol_closed.0).ok_or_else(unfit)?;
        let left = Qty::new(left).map_err(|_| Error::decode(format!("{} is closed beyond its size", id.get())))?;
        if left.is_zero() {
            continue;
        }
        let signed = left.signed(side(row.side.get())?);
        let share = row
            .cost
            .0
            .checked_mul(left.get())
            .and_then(|cost| cost.checked_div(row.vol.0));
        let share = share.ok_or_else(unfit)?;
        let (sum, _, _) = sums.entry(instrument).or_insert_with(|| {
            let nothing = Sum {
                qty: Decimal::ZERO,
                cost: Decimal::ZERO,
                value: Some(Decimal::ZERO),
                net: Some(Decimal::ZERO),
                at: row.time.0,
            };
            (nothing, symbol, pair.spot.currency)
        });
        let plus = |sum: Option<Decimal>, more: Option<Decimal>| sum.zip(more).and_then(|(a, b)| a.checked_add(b));
        sum.qty = sum.qty.checked_add(signed).ok_or_else(unfit)?;
        sum.cost = sum.cost.checked_add(share).ok_or_else(unfit)?;
        sum.value = plus(sum.value, row.value.0);
        sum.net = plus(sum.net, row.net.0);
        sum.at = sum.at.max(row.time.0);
    }
    let rows = sums.into_iter().filter(|(_, (sum, _, _))| !sum.qty.is_zero());
    Ok(rows
        .map(|(instrument, (sum, symbol, quote))| {
            let (side, qty) = Qty::from_signed(sum.qty);
            let signed = |amount: Decimal| Qty::from_signed(amount).1.signed(side);
            let money = |amount: Decimal| Money::new(amount, quote);
            Position {
                account: account.clone(),
                instrument,
                symbol,
                leg: PositionLeg::Net,
                side,
                qty,
                available: None,
                average_price: sum.cost.checked_div(qty.get()).map(Into::into),
                mark_price: None,
                market_value: sum.value.map(|value| money(signed(value))),
                cost_basis: Some(money(signed(sum.cost))),
                unrealized_pnl: sum.net.map(money),
                realized_pnl: None,
                at: Some(sum.at),
            }
        })
        .collect())
}
