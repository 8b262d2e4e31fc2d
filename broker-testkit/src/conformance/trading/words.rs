//! The request's words come back: in the answer to the order, and when it is read.

use broker_core::model::{Amount, Size, Trail, Trigger};
use broker_core::{Delivery, Gate, Order, OrderRequest, OrderStatus, Price, Side, TimeInForce};
use chrono::Duration;
use rust_decimal::Decimal;

use super::super::desk::Desk;
use crate::conformance::{Failed, Outcome, check};

/// Places it, and checks the answer and a read against the request.
async fn keeps(desk: &Desk<'_>, request: OrderRequest) -> Result<Order, Failed> {
    let request = desk.named(request);
    let answer = desk.send(request.clone()).await?;
    same_words(desk, &request, &answer, "the answer")?;
    let read = desk.until_order(&answer.reference(), "it is found", |_| true).await?;
    same_words(desk, &request, &read, "the order")?;
    Ok(read)
}

fn same_words(desk: &Desk<'_>, request: &OrderRequest, order: &Order, which: &str) -> Outcome {
    let says = |what: &str, asked: &dyn std::fmt::Debug, has: &dyn std::fmt::Debug| {
        let (asked, has) = (format!("{asked:?}"), format!("{has:?}"));
        check(asked == has, format!("{which} says {what} {has}, asked was {asked}"))
    };
    let (limit, stop, trail) = prices(&request.trigger);
    let leg = order.legs.first();
    says("account", &desk.setup.account, &order.account)?;
    says("legs", &1, &order.legs.len())?;
    says(
        "instrument",
        &Some(&desk.trade.instrument),
        &leg.map(|leg| &leg.instrument),
    )?;
    says("symbol", &Some(&desk.trade.symbol), &leg.map(|leg| &leg.symbol))?;
    says("side", &Some(request.side), &leg.map(|leg| leg.side))?;
    says("kind", &request.trigger.kind(), &order.kind)?;
    says("extended hours", &request.extended_hours, &order.extended_hours)?;
    says("reduce-only", &request.reduce_only, &order.reduce_only)?;
    check(
        same_size(request.size, order.amount),
        format!("{which} has {:?}, asked was {:?}", order.amount, request.size),
    )?;
    check(
        order.limit_price == limit,
        format!("{which} is limited at {:?}, not {limit:?}", order.limit_price),
    )?;
    // A trailing stop's price is the venue's to say.
    check(
        order.trail == trail && (trail.is_some() || order.stop_price == stop),
        format!(
            "{which} stops at {:?}, {:?}, not {stop:?}, {trail:?}",
            order.stop_price, order.trail
        ),
    )?;
    if let Some(asked) = &request.time_in_force {
        says("time in force", &Some(asked), &order.time_in_force.as_ref())?;
    }
    Ok(true)
}

fn prices(trigger: &Trigger) -> (Option<Price>, Option<Price>, Option<Trail>) {
    match *trigger {
        Trigger::Limit { limit } => (Some(limit), None, None),
        Trigger::Stop { stop } | Trigger::MarketIfTouched { trigger: stop } => (None, Some(stop), None),
        Trigger::StopLimit { stop, limit } | Trigger::LimitIfTouched { trigger: stop, limit } => {
            (Some(limit), Some(stop), None)
        }
        Trigger::Trailing(trail) => (None, None, Some(trail)),
        Trigger::Oco { target, .. } => (Some(target), None, None),
        // A market order has none; the enum is open to kinds that no case makes.
        _ => (None, None, None),
    }
}

fn same_size(asked: Size, has: Amount) -> bool {
    match (asked, has) {
        (Size::Qty(asked), Amount::Qty(has)) => asked == has,
        (Size::Notional { amount, .. }, Amount::Notional(has)) => amount.get() == has.amount,
        (Size::Qty(_), Amount::Notional(_)) | (Size::Notional { .. }, Amount::Qty(_)) => false,
    }
}

async fn holds(desk: &Desk<'_>, request: OrderRequest) -> Outcome {
    keeps(desk, request).await.map(|_| true)
}

pub(super) async fn a_market_order_keeps_its_words(desk: &Desk<'_>) -> Outcome {
    holds(desk, desk.market(Side::Buy)).await
}

pub(super) async fn a_limit_order_keeps_its_words(desk: &Desk<'_>) -> Outcome {
    holds(desk, desk.resting()).await
}

pub(super) async fn a_stop_order_keeps_its_words(desk: &Desk<'_>) -> Outcome {
    let trade = desk.trade;
    holds(
        desk,
        OrderRequest::stop(trade.symbol.clone(), Side::Buy, trade.qty, trade.high),
    )
    .await
}

pub(super) async fn a_stop_limit_order_keeps_its_words(desk: &Desk<'_>) -> Outcome {
    let trade = desk.trade;
    let tick = desk.instrument.tick_at(trade.high).unwrap_or(Decimal::ONE);
    let limit = Price::new(trade.high.get() + tick);
    let request = OrderRequest::stop_limit(trade.symbol.clone(), Side::Buy, trade.qty, trade.high, limit);
    holds(desk, request).await
}

pub(super) async fn a_market_if_touched_order_keeps_its_words(desk: &Desk<'_>) -> Outcome {
    let trade = desk.trade;
    let request = OrderRequest::market_if_touched(trade.symbol.clone(), Side::Buy, trade.qty, trade.low);
    holds(desk, request).await
}

pub(super) async fn a_limit_if_touched_order_keeps_its_words(desk: &Desk<'_>) -> Outcome {
    let trade = desk.trade;
    let limit = desk.floor();
    let request = OrderRequest::limit_if_touched(trade.symbol.clone(), Side::Buy, trade.qty, trade.low, limit);
    holds(desk, request).await
}

pub(super) async fn an_order_trailing_by_an_amount_keeps_its_words(desk: &Desk<'_>) -> Outcome {
    let trade = desk.trade;
    let trail = Trail::Amount(trade.high.get() - trade.low.get());
    let request = OrderRequest::trailing_stop(trade.symbol.clone(), Side::Buy, trade.qty, trail);
    holds(desk, request).await
}

pub(super) async fn an_order_trailing_by_percent_keeps_its_words(desk: &Desk<'_>) -> Outcome {
    let trade = desk.trade;
    let trail = Trail::Percent(Decimal::new(125, 1));
    let request = OrderRequest::trailing_stop(trade.symbol.clone(), Side::Buy, trade.qty, trail);
    holds(desk, request).await
}

pub(super) async fn a_sale_keeps_its_words(desk: &Desk<'_>) -> Outcome {
    desk.stocked().await?;
    holds(desk, desk.limit(Side::Sell, desk.trade.high)).await
}

pub(super) async fn without_time_in_force_the_order_says_which(desk: &Desk<'_>) -> Outcome {
    let order = keeps(desk, desk.resting()).await?;
    check(
        order.time_in_force.is_some(),
        "the order does not say how long it works",
    )
}

pub(super) async fn a_day_order_says_so(desk: &Desk<'_>) -> Outcome {
    holds(desk, desk.resting().with_time_in_force(TimeInForce::Day)).await
}

pub(super) async fn a_gtc_order_says_so(desk: &Desk<'_>) -> Outcome {
    holds(desk, desk.resting().with_time_in_force(TimeInForce::Gtc)).await
}

pub(super) async fn a_gtd_order_keeps_its_date(desk: &Desk<'_>) -> Outcome {
    let expires_at = desk.broker.context().clock().now() + Duration::hours(30);
    let order = keeps(desk, desk.resting().with_expiry(expires_at)).await?;
    // Some venues keep seconds.
    let off = order.expires_at.map(|at| (at - expires_at).abs());
    check(
        off.is_some_and(|off| off < Duration::seconds(1)),
        format!("it expires at {:?}, asked was {expires_at}", order.expires_at),
    )
}

pub(super) async fn an_ioc_order_that_cannot_fill_ends_unfilled(desk: &Desk<'_>) -> Outcome {
    ends_unfilled(desk, TimeInForce::Ioc).await
}

pub(super) async fn a_fok_order_that_cannot_fill_ends_unfilled(desk: &Desk<'_>) -> Outcome {
    ends_unfilled(desk, TimeInForce::Fok).await
}

async fn ends_unfilled(desk: &Desk<'_>, time_in_force: TimeInForce) -> Outcome {
    let order = keeps(desk, desk.resting().with_time_in_force(time_in_force)).await?;
    let ended = [OrderStatus::Canceled, OrderStatus::Expired];
    let order = desk.until_status(&order.reference(), &ended).await?;
    check(order.filled_qty.is_zero(), format!("{} of it filled", order.filled_qty))
}

pub(super) async fn an_order_for_the_open_says_so(desk: &Desk<'_>) -> Outcome {
    auctioned(desk, TimeInForce::AtOpen).await
}

pub(super) async fn an_order_for_the_close_says_so(desk: &Desk<'_>) -> Outcome {
    auctioned(desk, TimeInForce::AtClose).await
}

/// Venues take orders for an auction in a window of the day, and refuse them outside of it: that is a refusal, never
/// another order.
async fn auctioned(desk: &Desk<'_>, time_in_force: TimeInForce) -> Outcome {
    let request = desk.named(desk.resting().with_time_in_force(time_in_force));
    let intent = desk.intent(request.clone()).await?;
    match desk.trading.place(&intent, &Gate::new()).await {
        Ok(order) => same_words(desk, &request, &order, "the answer"),
        Err(error) => {
            check(
                error.delivery() == Delivery::Answered,
                format!("{error}: no answer of the venue"),
            )?;
            Ok(false)
        }
    }
}

pub(super) async fn a_fraction_is_kept_and_fills(desk: &Desk<'_>) -> Outcome {
    let Some(qty) = desk.trade.fraction else {
        return Ok(false);
    };
    let request = OrderRequest::market(desk.trade.symbol.clone(), Side::Buy, qty);
    let order = keeps(desk, request).await?;
    let order = desk.until_status(&order.reference(), &[OrderStatus::Filled]).await?;
    check(order.filled_qty == qty, format!("{} of {qty} filled", order.filled_qty))
}

pub(super) async fn money_for_a_quantity_is_kept_and_fills(desk: &Desk<'_>) -> Outcome {
    let Some(amount) = desk.trade.notional else {
        return Ok(false);
    };
    let order = keeps(desk, desk.market(Side::Buy).with_notional(amount, None)).await?;
    let order = desk.until_status(&order.reference(), &[OrderStatus::Filled]).await?;
    let price = order
        .average_price
        .ok_or_else(|| Failed("it has no average price".to_owned()))?;
    let spent = desk.instrument.notional(order.filled_qty, price);
    let spent = spent.ok_or_else(|| Failed("its value is not known".to_owned()))?.amount;
    // In whole lots, a little less than asked is spent.
    let least = amount.get() * Decimal::new(9, 1);
    check(
        spent > least && spent <= amount.get() * Decimal::new(1001, 3),
        format!("{spent} was spent, asked was {amount}"),
    )
}

pub(super) async fn extended_hours_are_kept(desk: &Desk<'_>) -> Outcome {
    let request = desk.resting().with_time_in_force(TimeInForce::Day);
    holds(desk, request.with_extended_hours()).await
}

pub(super) async fn reduce_only_is_kept(desk: &Desk<'_>) -> Outcome {
    desk.stocked().await?;
    holds(desk, desk.limit(Side::Sell, desk.trade.high).with_reduce_only()).await
}
