//! Trades and allocations: both are fills.

use broker_core::model::{Grade, Liquidity, PositionLeg};
use broker_core::{AccountId, Error, Fill, FillId, Money, Price, Qty, Record, Result, Side};
use rust_decimal::Decimal;

use super::{Pair, allocation_fill_id, at, currency, order_id, same_symbol, trade_fill_id};
use crate::wire::TradeJson;

/// What trades and allocations have in common.
pub(crate) struct Execution<'a> {
    pub(crate) id: FillId,
    pub(crate) order: u64,
    pub(crate) price: Decimal,
    pub(crate) qty: Decimal,
    pub(crate) commission: Decimal,
    pub(crate) commission_asset: &'a str,
    pub(crate) time: i64,
    pub(crate) buys: bool,
    pub(crate) makes: bool,
}

/// The number of a trade or an allocation, and its record.
pub(crate) fn numbered(wire: &TradeJson<'_>, pair: &Pair, account: &AccountId) -> Result<(u64, Record)> {
    let symbol = wire.symbol.get();
    same_symbol(symbol, pair)?;
    let (number, id) = match (wire.id, wire.allocation_id) {
        (Some(trade), None) => (trade, trade_fill_id(symbol, trade, wire.order_id)),
        (None, Some(allocation)) => (allocation, allocation_fill_id(symbol, allocation)),
        _ => return Err(Error::decode("neither a trade nor an allocation, or both")),
    };
    let execution = Execution {
        id,
        order: wire.order_id,
        price: wire.price.0,
        qty: wire.qty.0,
        commission: wire.commission.0,
        commission_asset: wire.commission_asset.get(),
        time: wire.time,
        buys: wire.is_buyer,
        makes: wire.is_maker,
    };
    Ok((number, Record::Fill(fill(execution, pair, account)?)))
}

pub(crate) fn record(wire: &TradeJson<'_>, pair: &Pair, account: &AccountId) -> Result<Record> {
    numbered(wire, pair, account).map(|(_, record)| record)
}

/// A fill as the account's stream reports it, under the id that the history has.
#[cfg(feature = "streaming")]
pub(crate) fn reported(wire: &crate::stream::wire::ReportJson<'_>, pair: &Pair, account: &AccountId) -> Result<Fill> {
    let id = match (u64::try_from(wire.trade), wire.allocation) {
        (Ok(trade), _) => trade_fill_id(wire.symbol.get(), trade, wire.order),
        (Err(_), Some(allocation)) => allocation_fill_id(wire.symbol.get(), allocation),
        (Err(_), None) => return Err(Error::decode("a trade without its id")),
    };
    let commission = wire
        .commission
        .ok_or_else(|| Error::decode("a trade without its commission"))?;
    let execution = Execution {
        id,
        order: wire.order,
        price: wire.last_price.0,
        qty: wire.last_qty.0,
        commission: commission.0,
        commission_asset: wire.commission_asset.as_ref().map_or("", |asset| asset.get()),
        time: wire.at,
        buys: super::side(wire.side.get())? == Side::Buy,
        makes: wire.makes,
    };
    fill(execution, pair, account)
}

/// The commission is in a coin of its own: BNB, the coin that was bought, or the quote.
pub(crate) fn fill(wire: Execution<'_>, pair: &Pair, account: &AccountId) -> Result<Fill> {
    let fees = match wire.commission.is_zero() {
        true => Vec::new(),
        false => vec![Money::new(wire.commission, currency(wire.commission_asset)?)],
    };
    Ok(Fill {
        id: wire.id,
        account: account.clone(),
        instrument: pair.id.clone(),
        symbol: pair.symbol.clone(),
        leg: PositionLeg::Net,
        order: Some(order_id(pair.id.get(), wire.order)),
        client_order: None,
        side: if wire.buys { Side::Buy } else { Side::Sell },
        qty: Qty::new(wire.qty)?,
        price: Price::new(wire.price),
        at: at(wire.time)?,
        version: 0,
        grade: Grade::Reported,
        fees,
        liquidity: Some(if wire.makes { Liquidity::Maker } else { Liquidity::Taker }),
        effect: None,
        pnl: None,
        conversion: None,
        lots: Vec::new(),
    })
}
