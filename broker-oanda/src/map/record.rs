//! Transactions to records.
//!
//! | Type | Record |
//! | --- | --- |
//! | `ORDER_FILL` | one fill, with its lots |
//! | `DAILY_FINANCING` | financing, a flow a trade |
//! | `DIVIDEND_ADJUSTMENT` | dividend, a flow a trade |
//! | `TRANSFER_FUNDS` | deposit, withdrawal, transfer, adjustment |
//! | any other that the documents name | none: no money moved |
//! | one that they do not name | none, with a note |
//!
//! Amounts are told once: by trade where the trades' amounts sum up to what the row says, else by instrument, else in
//! one sum.

use broker_core::model::{Asset, Conversion, FlowKind, Grade, LotRole, LotUse, PositionEffect};
use broker_core::num::Num;
use broker_core::{
    ClientOrderId, Error, Fill, FillId, Flow, InstrumentId, Money, OrderId, Price, Qty, Record, RecordId, Result, Side,
};
use rust_decimal::Decimal;

use super::{Book, names, text};
use crate::wire::{self, LegJson, RowJson, TradeAmountJson};

/// Decimals of money in the account's currency.
const PLACES: u32 = 4;

/// Adds the records of a transaction.
pub(crate) fn records(row: &RowJson<'_>, book: &Book, out: &mut Vec<Record>, notes: &mut Vec<String>) -> Result<()> {
    match row.kind() {
        "ORDER_FILL" => {
            let (fill, rest) = fill(row, book)?;
            out.push(Record::Fill(fill));
            if !rest.is_zero() {
                push(row, book, FlowKind::Financing, rest, text(&row.instrument), None, out)?;
            }
        }
        "DAILY_FINANCING" => financing(row, book, out)?,
        "DIVIDEND_ADJUSTMENT" => dividend(row, book, out)?,
        "TRANSFER_FUNDS" => out.push(Record::Flow(transfer(row, book)?)),
        known if wire::is_known(known) => {}
        other => notes.push(format!("transaction {} is of the unknown type {other:?}", row.id()?)),
    }
    Ok(())
}

/// The fill, and the financing that no lot of it holds: of old rows, that state none.
pub(crate) fn fill(row: &RowJson<'_>, book: &Book) -> Result<(Fill, Decimal)> {
    let (instrument, symbol) = names(row.needed(text(&row.instrument), "instrument")?);
    let (side, qty) = Qty::from_signed(row.needed(row.units, "units")?.0);
    let legs = legs(row, qty)?;
    let price = price(row, &legs, qty)?;
    let money = |number: Num| Money::new(number.0, book.currency);
    let fees = [row.commission, row.guaranteed_execution_fee].into_iter().flatten();
    let (lots, rest) = lots(row, &legs, price, book)?;
    let fill = Fill {
        id: FillId::from(row.id()?),
        account: book.account.clone(),
        instrument,
        symbol,
        leg: match effect(&legs) {
            // What closes takes from the position of the other side.
            Some(PositionEffect::Close) => book.leg(side.opposite()),
            _ => book.leg(side),
        },
        order: text(&row.order_id).map(OrderId::from),
        client_order: text(&row.client_order_id).map(ClientOrderId::from),
        side,
        qty,
        price,
        at: row.at()?,
        version: 0,
        grade: Grade::Reported,
        fees: fees.filter(|fee| !fee.0.is_zero()).map(money).collect(),
        liquidity: None,
        effect: effect(&legs),
        pnl: Some(money(row.needed(row.pl, "pl")?)),
        conversion: conversion(row, book),
        lots,
    };
    Ok((fill, rest))
}

/// A lot of a fill, and what the fill did to it.
struct Leg<'r, 'a> {
    role: LotRole,
    wire: &'r LegJson<'a>,
    qty: Qty,
}

/// The lots; none where they do not add up to the fill, as in old answers that leave some out.
fn legs<'r, 'a>(row: &'r RowJson<'a>, qty: Qty) -> Result<Vec<Leg<'r, 'a>>> {
    let closed = row.trades_closed.iter().flatten().chain(&row.trade_reduced);
    let closed = closed.map(|leg| (LotRole::Closed, leg));
    let opened = row.trade_opened.iter().map(|leg| (LotRole::Opened, leg));
    let mut sum = Decimal::ZERO;
    let mut legs = Vec::new();
    for (role, wire) in closed.chain(opened) {
        let (_, qty) = Qty::from_signed(wire.units.0);
        sum = sum
            .checked_add(qty.get())
            .ok_or_else(|| Error::decode("lots that do not fit"))?;
        legs.push(Leg { role, wire, qty });
    }
    match sum == qty.get() {
        true => Ok(legs),
        false => Ok(Vec::new()),
    }
}

fn effect(legs: &[Leg<'_, '_>]) -> Option<PositionEffect> {
    let opens = legs.iter().any(|leg| leg.role == LotRole::Opened);
    let closes = legs.iter().any(|leg| leg.role == LotRole::Closed);
    match (opens, closes) {
        (true, false) => Some(PositionEffect::Open),
        (false, true) => Some(PositionEffect::Close),
        _ => None,
    }
}

/// The price that all lots share, else their mean by size. The row's own price is deprecated, and all there is where
/// the lots state none.
fn price(row: &RowJson<'_>, legs: &[Leg<'_, '_>], qty: Qty) -> Result<Price> {
    let prices: Option<Vec<Decimal>> = legs.iter().map(|leg| Some(leg.wire.price?.0)).collect();
    let prices = prices.filter(|prices| !prices.is_empty());
    let Some(prices) = prices else {
        return Ok(row.needed(row.price, "price")?.0.into());
    };
    if let Some((first, rest)) = prices.split_first()
        && rest.iter().all(|price| price == first)
    {
        return Ok(Price::new(*first));
    }
    let value = legs.iter().zip(&prices).try_fold(Decimal::ZERO, |sum, (leg, price)| {
        sum.checked_add(leg.qty.get().checked_mul(*price)?)
    });
    let mean = value.and_then(|value| value.checked_div(qty.get()));
    mean.map(Price::new)
        .ok_or_else(|| Error::decode("prices of lots that do not fit"))
}

/// The lots, and the financing that they do not tell. Where there are lots, the first of them takes it.
fn lots(row: &RowJson<'_>, legs: &[Leg<'_, '_>], price: Price, book: &Book) -> Result<(Vec<LotUse>, Decimal)> {
    let money = |number: Num| Money::new(number.0, book.currency);
    let mut lots: Vec<LotUse> = legs
        .iter()
        .map(|leg| LotUse {
            lot: RecordId::from(leg.wire.trade_id.get()),
            role: leg.role,
            qty: leg.qty,
            price: leg.wire.price.map_or(price, |price| price.0.into()),
            pnl: leg.wire.realized_pl.map(money),
            financing: leg.wire.financing.filter(|number| !number.0.is_zero()).map(money),
        })
        .collect();
    let stated = row.financing.map_or(Decimal::ZERO, |number| number.0);
    let told: Decimal = lots
        .iter()
        .filter_map(|lot| lot.financing)
        .map(|money| money.amount)
        .sum();
    let rest = stated
        .checked_sub(told)
        .ok_or_else(|| Error::decode("financing that does not fit"))?;
    let Some(first) = lots.first_mut().filter(|_| !rest.is_zero()) else {
        return Ok((lots, rest));
    };
    let amount = first.financing.map_or(Decimal::ZERO, |money| money.amount);
    let amount = amount
        .checked_add(rest)
        .ok_or_else(|| Error::decode("financing that does not fit"))?;
    first.financing = (!amount.is_zero()).then(|| Money::new(amount, book.currency));
    Ok((lots, Decimal::ZERO))
}

/// Rates of profit and of loss differ, and hold OANDA's charge for converting.
fn conversion(row: &RowJson<'_>, book: &Book) -> Option<Conversion> {
    let factors = row.home_conversion_factors.as_ref();
    let of = |new: Option<Num>, old: Option<Num>| new.or(old).map(|number| number.0);
    let gain = factors.and_then(|factors| Some(factors.gain_quote_home.as_ref()?.factor));
    let loss = factors.and_then(|factors| Some(factors.loss_quote_home.as_ref()?.factor));
    Some(Conversion {
        to: book.currency,
        gain: of(gain, row.gain_quote_home_conversion_factor)?,
        loss: of(loss, row.loss_quote_home_conversion_factor)?,
        places: Some(PLACES),
    })
}

fn financing(row: &RowJson<'_>, book: &Book, out: &mut Vec<Record>) -> Result<()> {
    let total = row.needed(row.financing, "financing")?.0;
    let positions = row.position_financings.as_deref().unwrap_or_default();
    let sum: Decimal = positions.iter().map(|position| position.financing.0).sum();
    if positions.is_empty() || sum != total {
        return push(row, book, FlowKind::Financing, total, None, None, out);
    }
    for position in positions {
        let trades = position.open_trade_financings.as_deref().unwrap_or_default();
        let name = Some(position.instrument.get());
        by_trade(row, book, FlowKind::Financing, position.financing.0, name, trades, out)?;
    }
    Ok(())
}

fn dividend(row: &RowJson<'_>, book: &Book, out: &mut Vec<Record>) -> Result<()> {
    let total = row.needed(row.dividend_adjustment, "dividendAdjustment")?.0;
    let trades = row.open_trade_dividend_adjustments.as_deref().unwrap_or_default();
    by_trade(row, book, FlowKind::Dividend, total, text(&row.instrument), trades, out)
}

/// A flow a trade where the trades' amounts sum up, else one for all of them.
fn by_trade(
    row: &RowJson<'_>,
    book: &Book,
    kind: FlowKind,
    total: Decimal,
    instrument: Option<&str>,
    trades: &[TradeAmountJson<'_>],
    out: &mut Vec<Record>,
) -> Result<()> {
    let amounts: Option<Vec<Decimal>> = trades.iter().map(|trade| Some(trade.financing?.0)).collect();
    let amounts = amounts.filter(|amounts| !amounts.is_empty() && amounts.iter().sum::<Decimal>() == total);
    let Some(amounts) = amounts else {
        return push(row, book, kind, total, instrument, None, out);
    };
    for (trade, amount) in trades.iter().zip(amounts) {
        push(
            row,
            book,
            kind.clone(),
            amount,
            instrument,
            Some(trade.trade_id.get()),
            out,
        )?;
    }
    Ok(())
}

fn push(
    row: &RowJson<'_>,
    book: &Book,
    kind: FlowKind,
    amount: Decimal,
    instrument: Option<&str>,
    trade: Option<&str>,
    out: &mut Vec<Record>,
) -> Result<()> {
    let id = row.id()?;
    // Unique in the account, and the same whenever the row is read.
    let own = [Some(id), instrument, trade].into_iter().flatten();
    let own: Vec<&str> = own.collect();
    let flow = flow(row, book, kind, amount)?;
    out.push(Record::Flow(Flow {
        id: RecordId::from(own.join(":")),
        instrument: instrument.map(InstrumentId::from),
        lot: trade.map(RecordId::from),
        group: Some(id.to_owned()),
        ..flow
    }));
    Ok(())
}

fn transfer(row: &RowJson<'_>, book: &Book) -> Result<Flow> {
    let amount = row.needed(row.amount, "amount")?.0;
    let kind = match text(&row.funding_reason) {
        Some("CLIENT_FUNDING") | None if Qty::from_signed(amount).0 == Side::Sell => FlowKind::Withdrawal,
        Some("CLIENT_FUNDING") | None => FlowKind::Deposit,
        Some("ACCOUNT_TRANSFER" | "DIVISION_MIGRATION" | "SITE_MIGRATION") => FlowKind::Transfer,
        Some("ADJUSTMENT") => FlowKind::Adjustment,
        Some(other) => FlowKind::Other(other.into()),
    };
    Ok(Flow {
        description: text(&row.comment).map(str::to_owned),
        ..flow(row, book, kind, amount)?
    })
}

fn flow(row: &RowJson<'_>, book: &Book, kind: FlowKind, amount: Decimal) -> Result<Flow> {
    let at = row.at()?;
    Ok(Flow {
        id: RecordId::from(row.id()?),
        account: book.account.clone(),
        kind,
        asset: Asset::Currency(book.currency),
        amount,
        price: None,
        cash: None,
        instrument: None,
        lot: None,
        group: None,
        description: None,
        at,
        booked_at: Some(at),
        version: 0,
        canceled: false,
    })
}
