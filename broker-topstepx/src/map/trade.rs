//! Trades: fills, and fills taken back.

use broker_core::model::{Grade, PositionLeg, Void};
use broker_core::{AccountId, Currency, Error, Fill, FillId, Money, OrderId, Record, RecordId, Result};
use rust_decimal::Decimal;

use super::{account_id, moment, names, own, qty, side};
use crate::rest::Endpoint;
use crate::wire::{self, Answer, TradeJson, TradesJson};

/// The records of an answer, oldest first, and how many rows it had.
pub(crate) fn page(body: &str, account: &AccountId) -> Result<(Vec<Record>, usize)> {
    let answer: Answer<'_, TradesJson<'_>> = wire::decode(body)?;
    let wire = answer.needed(Endpoint::Trades, "trades")?.0;
    let mut rows = Vec::with_capacity(wire.len());
    for row in &wire {
        own(account, row.account_id)?;
        rows.push((row.id, records(row)?));
    }
    // Newest first as they come. Ids ascend with time, and tell apart what one moment holds.
    rows.sort_by(|(a, of_a), (b, of_b)| (of_a[0].at(), a).cmp(&(of_b[0].at(), b)));
    Ok((rows.into_iter().flat_map(|(_, records)| records).collect(), wire.len()))
}

/// A trade is a fill. One that was voided comes again under its own id: the fill stays visible, and is taken back.
pub(crate) fn records(wire: &TradeJson<'_>) -> Result<Vec<Record>> {
    let fill = fill(wire)?;
    if !wire.voided {
        return Ok(vec![Record::Fill(fill)]);
    }
    let void = Void {
        id: RecordId::from(format!("void:{}", fill.id)),
        account: fill.account.clone(),
        fill: fill.id.clone(),
        // When it was taken back is not told.
        at: fill.at,
    };
    Ok(vec![Record::Fill(fill), Record::Void(void)])
}

fn fill(wire: &TradeJson<'_>) -> Result<Fill> {
    let (instrument, symbol) = names(wire.contract_id.get());
    let qty = qty(wire.size)?;
    if qty.is_zero() {
        return Err(Error::decode(format!("trade {} has no size", wire.id)));
    }
    let commissions = wire.commissions.map_or(Decimal::ZERO, |number| number.0);
    let cost = wire.fees.0.checked_add(commissions);
    let cost = cost.ok_or_else(|| Error::decode(format!("the fees of trade {} do not fit", wire.id)))?;
    Ok(Fill {
        id: FillId::from(wire.id.to_string()),
        account: account_id(wire.account_id),
        instrument,
        symbol,
        leg: PositionLeg::Net,
        order: Some(OrderId::from(wire.order_id.to_string())),
        client_order: None,
        side: side(wire.side)?,
        qty,
        price: wire.price.0.into(),
        at: moment(wire.creation_timestamp),
        version: 0,
        grade: Grade::Reported,
        // The gateway's own fees and the firm's commission, both a contract and side.
        fees: match cost.is_zero() {
            true => Vec::new(),
            false => vec![Money::new(cost, Currency::USD)],
        },
        liquidity: None,
        effect: None,
        // FIFO, before fees; null where nothing was closed.
        pnl: wire.profit_and_loss.map(|number| Money::new(number.0, Currency::USD)),
        conversion: None,
        lots: Vec::new(),
    })
}
