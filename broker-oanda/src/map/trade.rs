//! Open trades: OANDA's lots.

use broker_core::model::{OrderKind, TimeInForce};
use broker_core::{ClientOrderId, Money, OrderId, Qty, RecordId, Result};

use super::order::{exit_kind, time_in_force};
use super::{Book, names, price, text};
use crate::trades::{ExitOrder, OpenTrade};
use crate::wire::{RowJson, TradeJson};

pub(crate) fn trade(wire: &TradeJson<'_>, book: &Book) -> Result<OpenTrade> {
    let (instrument, symbol) = names(wire.instrument.get());
    let (side, initial_qty) = Qty::from_signed(wire.initial_units.0);
    let money = |number: broker_core::num::Num| Money::new(number.0, book.currency);
    let exit = |row: &Option<RowJson<'_>>| row.as_ref().map(exit).transpose();
    Ok(OpenTrade {
        id: RecordId::from(wire.id.get()),
        account: book.account.clone(),
        instrument,
        symbol,
        side,
        initial_qty,
        qty: Qty::from_signed(wire.current_units.0).1,
        price: wire.price.0.into(),
        opened_at: wire.open_time,
        realized_pnl: money(wire.realized_pl),
        unrealized_pnl: wire.unrealized_pl.map(money),
        financing: money(wire.financing),
        client_id: wire
            .client_extensions
            .as_ref()
            .and_then(|own| text(&own.id))
            .map(ClientOrderId::from),
        take_profit: exit(&wire.take_profit_order)?,
        stop_loss: exit(&wire.stop_loss_order)?,
        guaranteed_stop_loss: exit(&wire.guaranteed_stop_loss_order)?,
        trailing_stop: exit(&wire.trailing_stop_loss_order)?,
    })
}

fn exit(row: &RowJson<'_>) -> Result<ExitOrder> {
    let word = row.needed(text(&row.kind), "type")?;
    let kind = exit_kind(word).unwrap_or_else(|| OrderKind::Other(word.into()));
    Ok(ExitOrder {
        id: OrderId::from(row.id()?),
        kind,
        price: price(row.price.or(row.trailing_stop_value)),
        distance: row.distance.map(|number| number.0),
        time_in_force: text(&row.time_in_force).map_or(TimeInForce::Gtc, time_in_force),
        expires_at: row.gtd_time,
    })
}
