//! Trades to fills.
//!
//! A fill carries no fee here: what a trade cost, and in which asset, only its rows in the ledger say
//! ([`ledger`](super::ledger)). The fee in a trade's own row is a value in the quote currency.

use broker_core::model::{Grade, Liquidity, PositionEffect, PositionLeg};
use broker_core::{AccountId, Error, Fill, FillId, OrderId, Qty, Result};

use super::{needed, side};
use crate::directory::{Directory, Held};
use crate::wire::{TradeJson, filled};

pub(crate) fn fill(id: &str, wire: &TradeJson<'_>, account: &AccountId, directory: &Directory) -> Result<Fill> {
    let closes = filled(&wire.misc).is_some_and(|misc| misc.split(',').any(|word| word.trim() == "closing"));
    let opens = wire.posstatus.is_some();
    let on_margin = opens || closes || wire.margin.nonzero().is_some();
    let held = if on_margin { Held::OnMargin } else { Held::Outright };
    let (instrument, symbol) = directory.pair_of(wire.pair.get())?.names(held);
    let qty = Qty::new(wire.vol.0)?;
    if qty.is_zero() {
        return Err(Error::decode(format!("trade {id} has no quantity")));
    }
    Ok(Fill {
        id: FillId::from(id),
        account: account.clone(),
        instrument,
        symbol,
        leg: PositionLeg::Net,
        order: Some(OrderId::from(wire.ordertxid.get())),
        client_order: None,
        side: side(wire.side.get())?,
        qty,
        price: wire.price.0.into(),
        at: needed(wire.time.set(), "time", id)?,
        version: 0,
        grade: Grade::Reported,
        fees: Vec::new(),
        liquidity: wire
            .maker
            .map(|maker| if maker { Liquidity::Maker } else { Liquidity::Taker }),
        effect: match (opens, closes) {
            (true, _) => Some(PositionEffect::Open),
            (false, true) => Some(PositionEffect::Close),
            (false, false) => None,
        },
        // `net` is what was made so far of a position that this trade opened: no word on this trade.
        pnl: None,
        conversion: None,
        lots: Vec::new(),
    })
}
