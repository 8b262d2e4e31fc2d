//! What is refused before a byte leaves, and what the venue refuses.

use broker_core::capability::TrailKind;
use broker_core::model::{Group, Level, OrderChange, OrderKind, StopExit, Trail};
use broker_core::{BrokerExt, Delivery, ErrorKind, OrderRequest, Placement, Price, Qty, Side, TimeInForce};
use rust_decimal::Decimal;

use super::super::desk::{Desk, has, is_unsent};
use super::unsettled;
use crate::conformance::{Failed, NOBODY, Outcome, check};

/// Whether each of these is refused as this kind with nothing sent; false when there are none.
async fn are_unsent(desk: &Desk<'_>, requests: Vec<OrderRequest>, kind: ErrorKind) -> Outcome {
    let some = !requests.is_empty();
    for request in requests {
        let words = format!("{:?}", request.trigger);
        let answer = desk.broker.place_once(&desk.setup.account, request).await;
        is_unsent(answer, kind).map_err(|Failed(why)| Failed(format!("{words}: {why}")))?;
    }
    let open = desk.open_orders().await?.len();
    check(open == 0, format!("{open} orders are open"))?;
    Ok(some)
}

pub(super) async fn a_kind_that_it_lacks_is_unsupported_unsent(desk: &Desk<'_>) -> Outcome {
    let (symbol, qty) = (desk.trade.symbol.clone(), desk.trade.qty);
    let (low, high) = (desk.trade.low, desk.trade.high);
    let distance = Trail::Amount(high.get() - low.get());
    let all = [
        OrderRequest::market(symbol.clone(), Side::Buy, qty),
        OrderRequest::limit(symbol.clone(), Side::Buy, qty, low),
        OrderRequest::stop(symbol.clone(), Side::Buy, qty, high),
        OrderRequest::stop_limit(symbol.clone(), Side::Buy, qty, high, high),
        OrderRequest::market_if_touched(symbol.clone(), Side::Buy, qty, low),
        OrderRequest::limit_if_touched(symbol.clone(), Side::Buy, qty, low, low),
        OrderRequest::trailing_stop(symbol, Side::Buy, qty, distance),
    ];
    let kinds = &desk.broker.capabilities().orders.kinds;
    let lacking = all
        .into_iter()
        .filter(|request| !kinds.contains(&request.trigger.kind()));
    are_unsent(desk, lacking.collect(), ErrorKind::Unsupported).await
}

pub(super) async fn a_group_that_it_lacks_is_unsupported_unsent(desk: &Desk<'_>) -> Outcome {
    let trade = desk.trade;
    let stop = StopExit::Stop {
        stop: Level::Price(desk.floor()),
        limit: None,
    };
    let all = [
        (Group::Oto, desk.resting().with_stop(stop)),
        (
            Group::Bracket,
            desk.resting().with_stop(stop).with_target(Level::Price(trade.high)),
        ),
        (
            Group::Oco,
            OrderRequest::oco(trade.symbol.clone(), Side::Sell, trade.qty, trade.high, stop),
        ),
    ];
    let groups = &desk.broker.capabilities().orders.groups;
    let lacking = all.into_iter().filter(|(group, _)| !groups.contains(group));
    are_unsent(
        desk,
        lacking.map(|(_, request)| request).collect(),
        ErrorKind::Unsupported,
    )
    .await
}

pub(super) async fn a_time_in_force_that_it_lacks_is_unsupported_unsent(desk: &Desk<'_>) -> Outcome {
    let tomorrow = desk.broker.context().clock().now() + chrono::Duration::days(1);
    let all = [
        TimeInForce::Day,
        TimeInForce::Gtc,
        TimeInForce::Gtd,
        TimeInForce::Ioc,
        TimeInForce::Fok,
        TimeInForce::AtOpen,
        TimeInForce::AtClose,
        TimeInForce::Other("until-the-cows-come-home".into()),
    ];
    let known = desk.broker.capabilities().orders.times_of(&OrderKind::Limit);
    let lacking = all.into_iter().filter(|tif| !known.contains(tif)).map(|tif| match tif {
        TimeInForce::Gtd => desk.resting().with_expiry(tomorrow),
        tif => desk.resting().with_time_in_force(tif),
    });
    are_unsent(desk, lacking.collect(), ErrorKind::Unsupported).await
}

pub(super) async fn an_ability_that_it_lacks_is_unsupported_unsent(desk: &Desk<'_>) -> Outcome {
    let facts = &desk.broker.capabilities().orders;
    let mut lacking = Vec::new();
    if !facts.notional {
        lacking.push(desk.market(Side::Buy).with_notional(desk.trade.qty, None));
    }
    if !facts.extended_hours {
        lacking.push(desk.resting().with_extended_hours());
    }
    if !facts.reduce_only {
        lacking.push(desk.resting().with_reduce_only());
    }
    if facts.groups.contains(&Group::Bracket) && !desk.takes_prices() {
        let entry = desk.resting().with_target(Level::Price(desk.trade.high));
        lacking.push(entry.with_stop(desk.stop_below()));
    }
    for (trail, kind) in [
        (Trail::Amount(Decimal::ONE), TrailKind::Amount),
        (Trail::Percent(Decimal::ONE), TrailKind::Percent),
    ] {
        if !facts.trails.contains(&kind) {
            let (symbol, qty) = (desk.trade.symbol.clone(), desk.trade.qty);
            lacking.push(OrderRequest::trailing_stop(symbol, Side::Buy, qty, trail));
        }
    }
    are_unsent(desk, lacking, ErrorKind::Unsupported).await
}

pub(super) async fn a_quantity_off_the_lot_is_refused_unsent(desk: &Desk<'_>) -> Outcome {
    let Some(lot) = desk.instrument.lot.filter(|lot| !lot.is_zero()) else {
        return Ok(false);
    };
    let mut request = desk.resting();
    request.size = Qty::new(desk.trade.qty.get() + lot / Decimal::TWO)?.into();
    are_unsent(desk, vec![request], ErrorKind::InvalidRequest).await
}

pub(super) async fn a_quantity_of_nothing_is_refused_unsent(desk: &Desk<'_>) -> Outcome {
    let mut request = desk.resting();
    request.size = Qty::ZERO.into();
    are_unsent(desk, vec![request], ErrorKind::InvalidRequest).await
}

/// A price between two steps; `None` where the broker states none.
fn off_tick(desk: &Desk<'_>) -> Option<Price> {
    let low = desk.trade.low;
    let tick = desk.instrument.tick_at(low).filter(|tick| !tick.is_zero())?;
    Some(Price::new(low.get() + tick / Decimal::TWO))
}

pub(super) async fn a_price_off_the_tick_is_refused_unsent(desk: &Desk<'_>) -> Outcome {
    let Some(price) = off_tick(desk) else {
        return Ok(false);
    };
    are_unsent(desk, vec![desk.limit(Side::Buy, price)], ErrorKind::InvalidRequest).await
}

pub(super) async fn a_change_to_a_price_off_the_tick_is_refused_unsent(desk: &Desk<'_>) -> Outcome {
    let Some(price) = off_tick(desk) else {
        return Ok(false);
    };
    let order = desk.at_work().await?;
    let change = OrderChange::new().with_limit_price(price);
    let answer = desk.broker.replace_once(&order.reference(), change).await;
    is_unsent(answer, ErrorKind::InvalidRequest)?;
    let now = desk.broker.order(&order.reference()).await?;
    check(
        now.limit_price == order.limit_price,
        format!("it is limited at {:?}", now.limit_price),
    )
}

pub(super) async fn too_small_a_value_is_refused_unsent(desk: &Desk<'_>) -> Outcome {
    let instrument = &desk.instrument;
    let (Some(least), Some(lot)) = (instrument.min_notional, instrument.lot) else {
        return Ok(false);
    };
    let qty = instrument.min_qty.map_or(lot, Qty::get).max(lot);
    let mut request = desk.resting();
    request.size = Qty::new(qty)?.into();
    let value = instrument.notional(Qty::new(qty)?, desk.trade.low);
    if value.is_none_or(|value| value.amount >= least.amount) {
        return Ok(false);
    }
    are_unsent(desk, vec![request], ErrorKind::InvalidRequest).await
}

pub(super) async fn an_id_that_breaks_the_rule_is_refused_unsent(desk: &Desk<'_>) -> Outcome {
    let Some(rule) = desk.broker.capabilities().orders.client_id else {
        return Ok(false);
    };
    let too_long = desk.drawn(rule.longest + 1);
    let ids = [too_long.as_str(), "ä", ""];
    let requests = ids.map(|id| desk.resting().with_client_id(id.into()));
    are_unsent(desk, requests.into(), ErrorKind::InvalidRequest).await
}

pub(super) async fn an_unknown_instrument_is_refused_unsent(desk: &Desk<'_>) -> Outcome {
    let request = desk.resting().with_instrument(NOBODY.into());
    are_unsent(desk, vec![request], ErrorKind::InvalidRequest).await
}

pub(super) async fn an_unknown_symbol_is_refused_unsent(desk: &Desk<'_>) -> Outcome {
    let request = OrderRequest::limit(NOBODY.into(), Side::Buy, desk.trade.qty, desk.trade.low);
    are_unsent(desk, vec![request], ErrorKind::InvalidRequest).await
}

/// A purchase that the account cannot pay.
async fn overspend(desk: &Desk<'_>) -> Result<Placement, Failed> {
    let qty = desk
        .trade
        .too_much
        .ok_or_else(|| Failed("no quantity is named".to_owned()))?;
    let request = OrderRequest::market(desk.trade.symbol.clone(), Side::Buy, qty);
    Ok(desk.broker.place_once(&desk.setup.account, desk.named(request)).await?)
}

pub(super) async fn insufficient_funds_are_the_venues_own_answer(desk: &Desk<'_>) -> Outcome {
    match overspend(desk).await? {
        Placement::Rejected(error) => has(&error, ErrorKind::InsufficientFunds, Delivery::Answered)?,
        other => return Err(Failed(format!("{other:?}"))),
    };
    let (open, position) = (desk.open_orders().await?.len(), desk.position().await?);
    check(
        open == 0 && desk.is_flat(position),
        format!("{open} orders, a position of {position}"),
    )
}

pub(super) async fn a_refused_order_leaves_the_journal_empty(desk: &Desk<'_>) -> Outcome {
    let Placement::Rejected(_) = overspend(desk).await? else {
        return Err(Failed("it was not refused".to_owned()));
    };
    let open = unsettled(desk).await?;
    check(open == 0, format!("{open} intents are open"))
}
