//! Orders.

use std::collections::BTreeSet;

use broker_core::model::{OrderState, Window};
use broker_core::{Broker, ErrorKind, Order, OrderQuery, OrderRef, OrderStatus};
use chrono::{DateTime, Utc};

use super::{MOST_PAGES, foreign, is_refused, middle, nobody};
use crate::conformance::{Failed, NOBODY, Outcome, Setup, check, made_up};

fn placed(setup: &Setup, since: DateTime<Utc>, until: DateTime<Utc>) -> OrderQuery {
    let window = Window::Between {
        since,
        until: Some(until),
    };
    OrderQuery::placed(&setup.account, window)
}

/// All orders, as they came.
async fn orders(broker: &dyn Broker, query: &OrderQuery) -> Result<Vec<Order>, Failed> {
    let (mut all, mut cursor) = (Vec::new(), None);
    for _ in 0..MOST_PAGES {
        let page = broker.orders(query, cursor.as_ref()).await?;
        if let Some(wait) = page.wait {
            broker.context().clock().sleep(wait).await;
        }
        all.extend(page.rows);
        match page.next {
            Some(next) => cursor = Some(next),
            None => return Ok(all),
        }
    }
    Err(Failed("the pages of the orders have no end".to_owned()))
}

fn ids(orders: &[Order]) -> BTreeSet<&str> {
    orders.iter().map(|order| order.id.get()).collect()
}

pub(super) async fn orders_of_an_unknown_account_are_an_error(broker: &dyn Broker, _: &Setup) -> Outcome {
    let answer = broker.orders(&OrderQuery::open(&nobody()), None).await;
    check(answer.is_err(), "orders of an account that is not there")
}

fn known_order(setup: &Setup) -> Result<&OrderRef, Failed> {
    setup
        .order
        .as_ref()
        .ok_or_else(|| Failed("the setup names no order".to_owned()))
}

pub(super) async fn an_order_is_found_by_its_id(broker: &dyn Broker, setup: &Setup) -> Outcome {
    let known = known_order(setup)?;
    let order = broker.order(known).await?;
    let same = known.id.as_ref().is_none_or(|id| *id == order.id);
    check(
        same && order.account == known.account,
        format!("asked for {:?}, got {:?}", known.id, order.id),
    )
}

pub(super) async fn an_order_is_found_by_our_id(broker: &dyn Broker, setup: &Setup) -> Outcome {
    let known = known_order(setup)?;
    let mut ours = known.clone();
    ours.id = None;
    let order = broker.order(&ours).await?;
    let same = known.id.as_ref().is_none_or(|id| *id == order.id);
    check(
        same && order.client_id == known.client_id,
        format!("got {:?}, ours {:?}", order.id, order.client_id),
    )
}

/// Whether the broker says that there is no such order.
async fn is_not_found(broker: &dyn Broker, order: &OrderRef) -> Outcome {
    match broker.order(order).await {
        Ok(order) => Err(Failed(format!("found {:?}", order.id))),
        Err(error) => check(
            error.kind() == ErrorKind::NotFound,
            format!("{error} instead of not found"),
        ),
    }
}

pub(super) async fn an_unknown_order_is_not_found(broker: &dyn Broker, setup: &Setup) -> Outcome {
    let Some(known) = &setup.order else {
        return is_not_found(broker, &OrderRef::by_id(&setup.account, NOBODY.into())).await;
    };
    let id = known.id.as_ref().map(|id| made_up(id.get()).into());
    if id == known.id {
        return Ok(false);
    }
    let mut order = known.clone();
    (order.id, order.client_id) = (id, None);
    is_not_found(broker, &order).await
}

pub(super) async fn an_unknown_id_of_ours_is_not_found(broker: &dyn Broker, setup: &Setup) -> Outcome {
    let known = known_order(setup)?;
    let client_id = known.client_id.as_ref().map(|id| made_up(id.get()).into());
    if client_id == known.client_id {
        return Ok(false);
    }
    let mut order = known.clone();
    (order.id, order.client_id) = (None, client_id);
    is_not_found(broker, &order).await
}

pub(super) async fn the_known_order_is_listed(broker: &dyn Broker, setup: &Setup) -> Outcome {
    let known = broker.order(known_order(setup)?).await?;
    let all = orders(broker, &placed(setup, setup.since, setup.until)).await?;
    check(
        ids(&all).contains(known.id.get()),
        format!("{:?} is not among {} orders", known.id, all.len()),
    )
}

pub(super) async fn orders_come_oldest_first(broker: &dyn Broker, setup: &Setup) -> Outcome {
    let page = broker.orders(&placed(setup, setup.since, setup.until), None).await?;
    let times: Vec<_> = page.rows.iter().filter_map(|order| order.created_at).collect();
    check(times.is_sorted(), "a page of orders is not oldest first")?;
    Ok(times.len() > 1)
}

pub(super) async fn orders_page_to_an_end(broker: &dyn Broker, setup: &Setup) -> Outcome {
    let all = orders(broker, &placed(setup, setup.since, setup.until)).await?;
    check(
        all.iter().all(|order| order.account == setup.account),
        "an order of another account",
    )?;
    Ok(!all.is_empty())
}

pub(super) async fn orders_of_joined_windows_are_the_whole(broker: &dyn Broker, setup: &Setup) -> Outcome {
    let whole = orders(broker, &placed(setup, setup.since, setup.until)).await?;
    let Some(border) = middle(whole.iter().filter_map(|order| order.created_at)) else {
        return Ok(false);
    };
    let mut parts = orders(broker, &placed(setup, setup.since, border)).await?;
    parts.extend(orders(broker, &placed(setup, border, setup.until)).await?);
    check(
        ids(&parts) == ids(&whole),
        format!("the parts have {}, the whole {}", ids(&parts).len(), ids(&whole).len()),
    )
}

pub(super) async fn open_orders_can_trade(broker: &dyn Broker, setup: &Setup) -> Outcome {
    let open = orders(broker, &OrderQuery::open(&setup.account)).await?;
    let done = open.iter().find(|order| order.status.is_final());
    match done {
        Some(order) => Err(Failed(format!("{:?} is {}", order.id, order.status))),
        None => Ok(!open.is_empty()),
    }
}

pub(super) async fn closed_orders_cannot_trade(broker: &dyn Broker, setup: &Setup) -> Outcome {
    let query = placed(setup, setup.since, setup.until).with_state(OrderState::Closed);
    let closed = orders(broker, &query).await?;
    let mut alive = closed
        .iter()
        .filter(|order| !order.status.is_final() && !is_other(order));
    match alive.next() {
        Some(order) => Err(Failed(format!("{:?} is {}", order.id, order.status))),
        None => Ok(!closed.is_empty()),
    }
}

/// Nobody can say of a word that nobody knows whether it is final.
fn is_other(order: &Order) -> bool {
    matches!(order.status, OrderStatus::Other(_))
}

pub(super) async fn a_listed_order_reads_the_same_alone(broker: &dyn Broker, setup: &Setup) -> Outcome {
    let page = broker.orders(&placed(setup, setup.since, setup.until), None).await?;
    let Some(listed) = page.rows.last() else {
        return Ok(false);
    };
    let alone = broker.order(&listed.reference()).await?;
    let same = (&alone.id, &alone.status, alone.amount) == (&listed.id, &listed.status, listed.amount);
    check(
        same,
        format!(
            "listed {:?} {}, alone {:?} {}",
            listed.id, listed.status, alone.id, alone.status
        ),
    )
}

pub(super) async fn a_foreign_cursor_of_orders_is_refused(broker: &dyn Broker, setup: &Setup) -> Outcome {
    let query = placed(setup, setup.since, setup.until);
    is_refused(broker.orders(&query, Some(&foreign())).await)
}
