//! Canceling.

use std::collections::BTreeSet;

use broker_core::{Delivery, ErrorKind, OrderStatus};

use super::super::desk::{Desk, has};
use super::ours;
use crate::conformance::{Failed, Outcome, check, made_up};

pub(super) async fn a_cancel_ends_in_canceled(desk: &Desk<'_>) -> Outcome {
    let order = desk.at_work().await?;
    desk.trading.cancel(&order.reference()).await?;
    let order = desk.until_status(&order.reference(), &[OrderStatus::Canceled]).await?;
    check(order.filled_qty.is_zero(), format!("{} of it filled", order.filled_qty))
}

pub(super) async fn a_canceled_order_is_not_open(desk: &Desk<'_>) -> Outcome {
    let order = desk.at_work().await?;
    desk.until_open(1).await?;
    desk.trading.cancel(&order.reference()).await?;
    desk.until_none_is_open().await?;
    let recent = desk.recent_orders().await?;
    let listed = recent.iter().find(|one| one.id == order.id).map(|one| &one.status);
    check(
        listed == Some(&OrderStatus::Canceled),
        format!("among all orders it is {listed:?}"),
    )
}

pub(super) async fn a_cancel_by_our_id_ends_in_canceled(desk: &Desk<'_>) -> Outcome {
    let order = desk.at_work().await?;
    let Some(id) = &order.client_id else {
        return Err(Failed("the order does not carry our id".to_owned()));
    };
    desk.trading.cancel(&ours(desk, id)).await?;
    desk.until_status(&order.reference(), &[OrderStatus::Canceled]).await?;
    Ok(true)
}

pub(super) async fn a_cancel_of_a_filled_order_is_refused(desk: &Desk<'_>) -> Outcome {
    let order = desk.bought().await?;
    match desk.trading.cancel(&order.reference()).await {
        Ok(()) => return Err(Failed("the venue took it".to_owned())),
        Err(error) => check(
            error.delivery() == Delivery::Answered,
            format!("{error}: no answer of the venue"),
        )?,
    };
    let now = desk.broker.order(&order.reference()).await?;
    check(now.status == OrderStatus::Filled, format!("it is {}", now.status))
}

pub(super) async fn a_cancel_of_an_unknown_order_is_not_found(desk: &Desk<'_>) -> Outcome {
    let order = desk.at_work().await?;
    let unknown = made_up(order.id.get());
    if unknown == order.id.get() {
        return Ok(false);
    }
    let mut reference = order.reference();
    (reference.id, reference.client_id) = (Some(unknown.into()), None);
    match desk.trading.cancel(&reference).await {
        Ok(()) => Err(Failed("the venue took it".to_owned())),
        Err(error) => has(&error, ErrorKind::NotFound, Delivery::Answered),
    }
}

pub(super) async fn a_second_cancel_changes_nothing(desk: &Desk<'_>) -> Outcome {
    let order = desk.at_work().await?;
    desk.trading.cancel(&order.reference()).await?;
    desk.until_status(&order.reference(), &[OrderStatus::Canceled]).await?;
    // Taken again or refused: both are honest.
    if let Err(error) = desk.trading.cancel(&order.reference()).await {
        check(
            error.delivery() == Delivery::Answered,
            format!("{error}: no answer of the venue"),
        )?;
    }
    let now = desk.broker.order(&order.reference()).await?;
    check(now.status == OrderStatus::Canceled, format!("it is {}", now.status))
}

pub(super) async fn cancel_all_lists_each_order_and_leaves_none_open(desk: &Desk<'_>) -> Outcome {
    let mut placed = BTreeSet::new();
    for _ in 0..3 {
        placed.insert(desk.at_work().await?.id);
    }
    desk.until_open(3).await?;
    let outcomes = desk.trading.cancel_all(&desk.setup.account).await?;
    for outcome in &outcomes {
        if let Err(error) = &outcome.result {
            return Err(Failed(format!("{:?} was not canceled: {error}", outcome.order)));
        }
    }
    let listed: BTreeSet<_> = outcomes.into_iter().map(|outcome| outcome.order).collect();
    check(listed == placed, format!("{listed:?} are listed, {placed:?} were open"))?;
    desk.until_none_is_open().await?;
    Ok(true)
}

pub(super) async fn cancel_all_of_nothing_lists_nothing(desk: &Desk<'_>) -> Outcome {
    let outcomes = desk.trading.cancel_all(&desk.setup.account).await?;
    check(outcomes.is_empty(), format!("{} outcomes", outcomes.len()))
}
