//! Orders that hang together: brackets, OCO, OTO. Legs are listed as orders of their own, linked.

use broker_core::model::{Amount, Group, OrderKind};
use broker_core::{BrokerExt, ErrorKind, Order, OrderRequest, OrderStatus, Placement, Price, Side};

use super::super::desk::{Desk, accepted};
use crate::conformance::{Failed, Outcome, check};

/// A purchase with a target above and a stop below.
fn bracket(desk: &Desk<'_>, entry: OrderRequest) -> OrderRequest {
    let target = desk.target_above(&entry);
    let stop = desk.stop_under(&entry);
    entry.with_target(target).with_stop(stop)
}

/// A purchase with a stop below.
fn stopped(desk: &Desk<'_>, entry: OrderRequest) -> OrderRequest {
    let stop = desk.stop_under(&entry);
    entry.with_stop(stop)
}

fn oco(desk: &Desk<'_>, target: broker_core::Price) -> OrderRequest {
    let trade = desk.trade;
    desk.named(OrderRequest::oco(
        trade.symbol.clone(),
        Side::Sell,
        trade.qty,
        target,
        desk.stop_below(),
    ))
}

/// The orders of a group as they are listed: the one that was placed, and the others.
struct Listed {
    first: Order,
    others: Vec<Order>,
}

/// Waits until the order and so many others are listed in this group.
async fn listed(desk: &Desk<'_>, placed: &Order, others: usize) -> Result<Listed, Failed> {
    desk.until("the whole group is listed", || {
        Box::pin(async {
            let recent = desk.recent_orders().await?;
            let Some(first) = recent.iter().find(|order| order.id == placed.id) else {
                return Ok(Err("the order is not listed".to_owned()));
            };
            let of_group = |order: &&Order| {
                order.links.parent.as_ref() == Some(&placed.id)
                    || (order.id != placed.id && first.links.siblings.contains(&order.id))
            };
            let found: Vec<_> = recent.iter().filter(of_group).cloned().collect();
            Ok(if found.len() == others {
                Ok(Listed {
                    first: first.clone(),
                    others: found,
                })
            } else {
                Err(format!("{} others are linked to it, not {others}", found.len()))
            })
        })
    })
    .await
}

fn of_kind<'a>(orders: &'a [Order], kind: &OrderKind) -> Result<&'a Order, Failed> {
    let found = orders.iter().find(|order| order.kind == *kind);
    found.ok_or_else(|| Failed(format!("there is no {kind} order in the group")))
}

/// Whether a leg closes what the entry opens, all of it.
fn is_exit(desk: &Desk<'_>, leg: &Order) -> Outcome {
    let side = leg.legs.first().map(|leg| leg.side);
    check(
        side == Some(Side::Sell) && leg.amount == Amount::Qty(desk.trade.qty),
        format!("an exit of {:?} that is a {side:?}", leg.amount),
    )
}

pub(super) async fn a_bracket_is_linked(desk: &Desk<'_>) -> Outcome {
    let placed = desk.place(bracket(desk, desk.resting())).await?;
    let group = listed(desk, &placed, 2).await?;
    check(
        group.first.links.group == Some(Group::Bracket),
        format!("the entry is in a {:?}", group.first.links.group),
    )?;
    let children = &group.first.links.children;
    let (target, stop) = (
        of_kind(&group.others, &OrderKind::Limit)?,
        of_kind(&group.others, &OrderKind::Stop)?,
    );
    for leg in [target, stop] {
        is_exit(desk, leg)?;
        check(
            leg.links.parent.as_ref() == Some(&placed.id) && children.contains(&leg.id),
            format!(
                "{:?} has the parent {:?}, the entry the children {children:?}",
                leg.id, leg.links.parent
            ),
        )?;
    }
    // An exit at a distance has no price before its entry has one.
    let is = |has: Option<Price>, asked: Price| has.map_or(!desk.takes_prices(), |has| has == asked);
    check(
        is(target.limit_price, desk.trade.high) && is(stop.stop_price, desk.floor()),
        format!("the target is {:?}, the stop {:?}", target.limit_price, stop.stop_price),
    )
}

pub(super) async fn exits_of_a_bracket_wait_for_the_entry(desk: &Desk<'_>) -> Outcome {
    let placed = desk.place(bracket(desk, desk.resting())).await?;
    let group = listed(desk, &placed, 2).await?;
    check(
        group.first.status == OrderStatus::New,
        format!("the entry is {}", group.first.status),
    )?;
    waiting(&group.others)
}

fn waiting(exits: &[Order]) -> Outcome {
    for exit in exits {
        let waits = matches!(exit.status, OrderStatus::Held | OrderStatus::PendingNew);
        check(waits, format!("an exit is {} before the entry fills", exit.status))?;
    }
    Ok(true)
}

pub(super) async fn exits_of_a_bracket_work_once_the_entry_fills(desk: &Desk<'_>) -> Outcome {
    let placed = desk.entered(|entry| bracket(desk, entry)).await?;
    desk.until_status(&placed.reference(), &[OrderStatus::Filled]).await?;
    let group = listed(desk, &placed, 2).await?;
    let target = of_kind(&group.others, &OrderKind::Limit)?;
    desk.until_status(&target.reference(), &[OrderStatus::New]).await?;
    let stop = of_kind(&group.others, &OrderKind::Stop)?;
    // Where one of two exits rests at the venue and the other is held behind it, both still protect.
    desk.until_status(&stop.reference(), &[OrderStatus::New, OrderStatus::Held])
        .await?;
    Ok(true)
}

pub(super) async fn a_canceled_entry_takes_its_exits_along(desk: &Desk<'_>) -> Outcome {
    let placed = desk.place(bracket(desk, desk.resting())).await?;
    let group = listed(desk, &placed, 2).await?;
    desk.trading.cancel(&placed.reference()).await?;
    for order in group.others.iter().chain([&group.first]) {
        let order = desk.until_status(&order.reference(), &[OrderStatus::Canceled]).await?;
        check(order.filled_qty.is_zero(), format!("{:?} has fills", order.id))?;
    }
    Ok(true)
}

pub(super) async fn an_oco_is_linked(desk: &Desk<'_>) -> Outcome {
    desk.stocked().await?;
    let placed = desk.place(oco(desk, desk.trade.high)).await?;
    let group = listed(desk, &placed, 1).await?;
    check(
        group.first.links.group == Some(Group::Oco),
        format!("the target is in a {:?}", group.first.links.group),
    )?;
    let stop = of_kind(&group.others, &OrderKind::Stop)?;
    for leg in [&group.first, stop] {
        is_exit(desk, leg)?;
        check(!leg.status.is_final(), format!("{:?} is {}", leg.id, leg.status))?;
    }
    check(
        group.first.limit_price == Some(desk.trade.high) && stop.stop_price == Some(desk.floor()),
        format!(
            "the target is {:?}, the stop {:?}",
            group.first.limit_price, stop.stop_price
        ),
    )
}

pub(super) async fn one_fill_of_an_oco_cancels_the_other(desk: &Desk<'_>) -> Outcome {
    let before = desk.stocked().await?;
    // A target below the market trades at once, where the venue does not refuse targets that would.
    let placed = match desk
        .broker
        .place_once(&desk.setup.account, oco(desk, desk.trade.low))
        .await?
    {
        Placement::Rejected(error) if error.kind() == ErrorKind::OrderRejected => return Ok(false),
        placed => accepted(placed)?,
    };
    desk.until_status(&placed.reference(), &[OrderStatus::Filled]).await?;
    let group = listed(desk, &placed, 1).await?;
    let stop = of_kind(&group.others, &OrderKind::Stop)?;
    let stop = desk.until_status(&stop.reference(), &[OrderStatus::Canceled]).await?;
    check(stop.filled_qty.is_zero(), "both exits filled")?;
    let after = before - desk.trade.qty.get();
    desk.until_position(&format!("is {after}"), |qty| qty == after).await?;
    Ok(true)
}

pub(super) async fn a_canceled_oco_leaves_nothing_open(desk: &Desk<'_>) -> Outcome {
    let before = desk.stocked().await?;
    let placed = desk.place(oco(desk, desk.trade.high)).await?;
    listed(desk, &placed, 1).await?;
    desk.trading.cancel(&placed.reference()).await?;
    desk.until_none_is_open().await?;
    let qty = desk.position().await?;
    check(qty == before, format!("the position is {qty}, it was {before}"))
}

pub(super) async fn an_oto_is_linked_and_waits(desk: &Desk<'_>) -> Outcome {
    let placed = desk.place(stopped(desk, desk.resting())).await?;
    let group = listed(desk, &placed, 1).await?;
    check(
        group.first.links.group == Some(Group::Oto),
        format!("the entry is in a {:?}", group.first.links.group),
    )?;
    let stop = of_kind(&group.others, &OrderKind::Stop)?;
    is_exit(desk, stop)?;
    waiting(&group.others)
}

pub(super) async fn the_exit_of_an_oto_works_once_the_entry_fills(desk: &Desk<'_>) -> Outcome {
    let placed = desk.entered(|entry| stopped(desk, entry)).await?;
    desk.until_status(&placed.reference(), &[OrderStatus::Filled]).await?;
    let group = listed(desk, &placed, 1).await?;
    let stop = of_kind(&group.others, &OrderKind::Stop)?;
    desk.until_status(&stop.reference(), &[OrderStatus::New]).await?;
    Ok(true)
}
