//! Events of orders to records.

use broker_core::model::{Grade, PositionLeg, Void};
use broker_core::{AccountId, ClientOrderId, Error, Fill, FillId, OrderId, Qty, Record, RecordId, Result};

use super::{names, needed, side, symbol};
use crate::wire::filled;
use crate::wire::stream::TradeUpdateJson;

/// What an event adds to the account: a fill's execution id is the one behind the colons of its activity. A bust takes
/// the fill back; a correction takes it back and puts another in its place. All other events carry an execution id,
/// too, and are none.
///
/// A fill of a multi-leg order names neither symbol nor side: which legs traded, and at what price, the history tells.
pub(crate) fn records(wire: &TradeUpdateJson<'_>, account: &AccountId) -> Result<Vec<Record>> {
    if is_multi_leg(wire) {
        return Ok(Vec::new());
    }
    Ok(match wire.event.get() {
        "fill" | "partial_fill" => vec![Record::Fill(fill(wire, account)?)],
        "trade_bust" => vec![Record::Void(void(wire, account)?)],
        "trade_correct" => vec![Record::Void(void(wire, account)?), Record::Fill(fill(wire, account)?)],
        _ => Vec::new(),
    })
}

/// Whether the event is of the parent of a multi-leg order, whatever word its class has.
pub(crate) fn is_multi_leg(wire: &TradeUpdateJson<'_>) -> bool {
    let order = &wire.order;
    let has_legs = order.legs.as_ref().is_some_and(|legs| !legs.is_empty());
    filled(&order.symbol).is_none() && (has_legs || filled(&order.order_class) == Some("mleg"))
}

fn fill(wire: &TradeUpdateJson<'_>, account: &AccountId) -> Result<Fill> {
    let order = &wire.order;
    let id = order.id.get();
    let execution = needed(filled(&wire.execution_id), "execution id", id)?;
    let text = needed(filled(&order.symbol), "symbol", id)?;
    let (instrument, symbol) = names(&symbol(text, filled(&order.asset_class)));
    let qty = Qty::new(needed(wire.qty.0, "quantity", id)?)?;
    if qty.is_zero() {
        return Err(Error::decode(format!("execution {execution} of {id} has no quantity")));
    }
    Ok(Fill {
        id: FillId::from(execution),
        account: account.clone(),
        instrument,
        symbol,
        leg: PositionLeg::Net,
        order: Some(OrderId::from(id)),
        client_order: filled(&order.client_order_id).map(ClientOrderId::from),
        side: side(needed(filled(&order.side), "side", id)?)?,
        qty,
        price: needed(wire.price.0, "price", id)?.into(),
        at: needed(wire.timestamp, "time", id)?.0,
        version: 0,
        grade: Grade::Reported,
        fees: Vec::new(),
        liquidity: None,
        effect: None,
        pnl: None,
        conversion: None,
        lots: Vec::new(),
    })
}

fn void(wire: &TradeUpdateJson<'_>, account: &AccountId) -> Result<Void> {
    let id = wire.order.id.get();
    let own = needed(filled(&wire.execution_id), "execution id", id)?;
    Ok(Void {
        id: RecordId::from(format!("void:{own}")),
        account: account.clone(),
        fill: FillId::from(needed(
            filled(&wire.previous_execution_id),
            "previous execution id",
            id,
        )?),
        at: needed(wire.timestamp, "time", id)?.0,
    })
}
