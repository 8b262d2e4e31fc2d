//! Changing a working order.

use broker_core::model::{Amount, OrderChange};
use broker_core::{Delivery, ErrorKind, Gate, Order, OrderRef, OrderRequest, OrderStatus, Side};
use rust_decimal::Decimal;

use super::super::desk::Desk;
use crate::conformance::{Failed, Outcome, check};

pub(super) async fn a_replaced_price_is_shown(desk: &Desk<'_>) -> Outcome {
    let order = desk.at_work().await?;
    let price = desk.floor();
    let new = desk.replace(&order, OrderChange::new().with_limit_price(price)).await?;
    let shows = |order: &Order| order.limit_price == Some(price) && order.status == OrderStatus::New;
    desk.until_order(&new.reference(), "the new price is shown", shows)
        .await?;
    let open = desk.until_open(1).await?;
    check(
        open.iter().all(|order| order.limit_price == Some(price)),
        "the old price is still at work",
    )
}

pub(super) async fn a_replaced_quantity_is_shown(desk: &Desk<'_>) -> Outcome {
    let order = desk.at_work().await?;
    let qty = desk.twice()?;
    let new = desk.replace(&order, OrderChange::new().with_qty(qty)).await?;
    let shows = |order: &Order| order.amount == Amount::Qty(qty) && order.status == OrderStatus::New;
    desk.until_order(&new.reference(), "the new quantity is shown", shows)
        .await?;
    Ok(true)
}

pub(super) async fn a_replacement_is_linked_or_keeps_its_id(desk: &Desk<'_>) -> Outcome {
    let order = desk.at_work().await?;
    let change = OrderChange::new().with_limit_price(desk.floor());
    let new = desk.replace(&order, change).await?;
    if new.id == order.id {
        return Ok(true);
    }
    let old = desk.until_status(&order.reference(), &[OrderStatus::Replaced]).await?;
    let new = desk.until_status(&new.reference(), &[OrderStatus::New]).await?;
    check(
        old.links.replaced_by.as_ref() == Some(&new.id) && new.links.replaces.as_ref() == Some(&old.id),
        format!(
            "{:?} was replaced by {:?}, {:?} replaces {:?}",
            old.id, old.links.replaced_by, new.id, new.links.replaces
        ),
    )
}

pub(super) async fn a_replacement_keeps_its_other_words(desk: &Desk<'_>) -> Outcome {
    let order = desk.at_work().await?;
    let qty = desk.twice()?;
    let new = desk.replace(&order, OrderChange::new().with_qty(qty)).await?;
    let shows = |order: &Order| order.amount == Amount::Qty(qty);
    let new = desk
        .until_order(&new.reference(), "the new quantity is shown", shows)
        .await?;
    let words = |order: &Order| {
        let legs = order.legs.iter().map(|leg| (leg.instrument.clone(), leg.side));
        let legs: Vec<_> = legs.collect();
        (
            legs,
            order.kind.clone(),
            order.limit_price,
            order.stop_price,
            order.time_in_force.clone(),
        )
    };
    check(
        words(&new) == words(&order),
        format!("{:?} became {:?}", words(&order), words(&new)),
    )
}

pub(super) async fn a_replaced_quantity_counts_what_is_filled(desk: &Desk<'_>) -> Outcome {
    let Some((qty, limit)) = desk.trade.partly else {
        return Ok(false);
    };
    let request = OrderRequest::limit(desk.trade.symbol.clone(), Side::Buy, qty, limit);
    let order = desk.place(desk.named(request)).await?;
    let order = desk
        .until_status(&order.reference(), &[OrderStatus::PartiallyFilled])
        .await?;
    // At the floor nothing more fills: what is left must be what was asked for less what was filled.
    let more = qty
        .checked_add(desk.trade.qty)
        .ok_or_else(|| Failed("the quantity is too large".to_owned()))?;
    let change = OrderChange::new().with_qty(more).with_limit_price(desk.trade.low);
    let new = desk.replace(&order, change).await?;
    let shows = |order: &Order| order.limit_price == Some(desk.trade.low) && !order.status.is_final();
    let new = desk.until_order(&new.reference(), "the change is shown", shows).await?;
    let old = desk.broker.order(&order.reference()).await?;
    let mut filled = desk.fills_of(&old, old.filled_qty).await?;
    if new.id != old.id {
        filled.extend(desk.fills(&new).await?);
    }
    let filled: Decimal = filled.iter().map(|fill| fill.qty.get()).sum();
    let left = new.remaining_qty();
    check(
        left == Some(more.get() - filled) && filled > Decimal::ZERO,
        format!("{left:?} are left of {more}, of which {filled} are filled"),
    )
}

pub(super) async fn a_replacement_is_traced(desk: &Desk<'_>) -> Outcome {
    let order = desk.at_work().await?;
    let change = OrderChange::new().with_limit_price(desk.floor());
    let mut intent = desk.intent(desk.resting()).await?;
    intent.replaces = Some(broker_core::journal::Replacement {
        order: order.reference(),
        change: change.clone(),
    });
    let before = desk.trading.trace(&intent).await?;
    check(before.is_empty(), "a replacement is traced before it is sent")?;
    let reference: OrderRef = order.reference();
    let new = desk.trading.replace(&reference, &change, &intent, &Gate::new()).await;
    let new = match new {
        Ok(new) => new,
        // Not every working order can be changed at any moment, but then the venue says so.
        Err(error) if error.delivery() == Delivery::Answered && error.kind() == ErrorKind::Unsupported => {
            return Ok(false);
        }
        Err(error) => return Err(error.into()),
    };
    let traced = desk
        .until("it is traced", || {
            Box::pin(async {
                let traced = desk.trading.trace(&intent).await?;
                Ok(if traced.is_empty() {
                    Err("it is not".to_owned())
                } else {
                    Ok(traced)
                })
            })
        })
        .await?;
    let ids: Vec<_> = traced.iter().map(|order| &order.id).collect();
    check(ids == [&new.id], format!("{ids:?} for {:?}", new.id))
}
