//! Orders that trade.

use broker_core::{Order, OrderRequest, OrderStatus, Side};
use rust_decimal::Decimal;

use super::super::desk::Desk;
use crate::conformance::{Failed, Outcome, check};

pub(super) async fn a_market_order_fills(desk: &Desk<'_>) -> Outcome {
    let order = desk.bought().await?;
    check(
        order.filled_qty == desk.trade.qty && order.average_price.is_some(),
        format!("{} filled at {:?}", order.filled_qty, order.average_price),
    )
}

pub(super) async fn fills_sum_to_the_filled_quantity(desk: &Desk<'_>) -> Outcome {
    let order = desk.bought().await?;
    let fills = desk.fills_of(&order, order.filled_qty).await?;
    check(
        fills.iter().all(|fill| !fill.qty.is_zero()) && !fills.is_empty(),
        "a fill of nothing",
    )
}

pub(super) async fn fills_name_their_order(desk: &Desk<'_>) -> Outcome {
    let order = desk.bought().await?;
    for fill in desk.fills_of(&order, order.filled_qty).await? {
        let named = fill.account == desk.setup.account
            && fill.instrument == desk.trade.instrument
            && fill.symbol == desk.trade.symbol
            && fill.side == Side::Buy
            && fill
                .client_order
                .as_ref()
                .is_none_or(|id| Some(id) == order.client_id.as_ref());
        check(named, format!("{fill:?} is of {:?}", order.id))?;
    }
    Ok(true)
}

pub(super) async fn fills_make_the_average_price(desk: &Desk<'_>) -> Outcome {
    let order = desk.bought().await?;
    let fills = desk.fills_of(&order, order.filled_qty).await?;
    let cost: Decimal = fills.iter().map(|fill| fill.qty.get() * fill.price.get()).sum();
    let average = average(&order)?;
    // An average may be rounded, by less than a tick.
    let tick = desk.instrument.tick_at(desk.trade.low).unwrap_or(Decimal::ONE);
    let off = (cost - average * order.filled_qty.get()).abs();
    check(
        off < tick * order.filled_qty.get(),
        format!("the fills cost {cost}, the order says {average} a unit"),
    )
}

fn average(order: &Order) -> Result<Decimal, Failed> {
    let price = order.average_price.map(broker_core::Price::get);
    price.ok_or_else(|| Failed("a filled order has no average price".to_owned()))
}

pub(super) async fn a_purchase_moves_the_position_up(desk: &Desk<'_>) -> Outcome {
    let bought = desk.bought().await?.filled_qty.get();
    desk.until_position("holds what was bought", |qty| desk.is_worth(qty, bought))
        .await?;
    Ok(true)
}

pub(super) async fn a_sale_moves_the_position_down(desk: &Desk<'_>) -> Outcome {
    let before = desk.stocked().await?;
    let sale = desk.place(desk.market(Side::Sell)).await?;
    desk.until_status(&sale.reference(), &[OrderStatus::Filled]).await?;
    let after = before - desk.trade.qty.get();
    desk.until_position(&format!("is {after}"), |qty| qty == after).await?;
    Ok(true)
}

pub(super) async fn a_limit_that_the_market_meets_fills_no_worse(desk: &Desk<'_>) -> Outcome {
    let (low, high) = (desk.trade.low.get(), desk.trade.high.get());
    let order = desk.place(desk.limit(Side::Buy, desk.trade.high)).await?;
    let order = desk.until_status(&order.reference(), &[OrderStatus::Filled]).await?;
    let bought = average(&order)?;
    check(bought <= high, format!("bought at {bought}, limited at {high}"))?;
    desk.bought().await?;
    let order = desk.place(desk.limit(Side::Sell, desk.trade.low)).await?;
    let order = desk.until_status(&order.reference(), &[OrderStatus::Filled]).await?;
    let sold = average(&order)?;
    check(sold >= low, format!("sold at {sold}, limited at {low}"))
}

pub(super) async fn a_part_that_fills_is_shown_and_can_be_canceled(desk: &Desk<'_>) -> Outcome {
    let Some((qty, limit)) = desk.trade.partly else {
        return Ok(false);
    };
    let request = OrderRequest::limit(desk.trade.symbol.clone(), Side::Buy, qty, limit);
    let order = desk.place(desk.named(request)).await?;
    let order = desk
        .until_status(&order.reference(), &[OrderStatus::PartiallyFilled])
        .await?;
    check(
        !order.filled_qty.is_zero() && order.filled_qty < qty,
        format!("{} of {qty} is no part", order.filled_qty),
    )?;
    desk.trading.cancel(&order.reference()).await?;
    let order = desk.until_status(&order.reference(), &[OrderStatus::Canceled]).await?;
    check(!order.filled_qty.is_zero(), "the filled part was forgotten")?;
    desk.fills_of(&order, order.filled_qty).await?;
    let filled = order.filled_qty.get();
    desk.until_position("holds the part", |qty| desk.is_worth(qty, filled))
        .await?;
    Ok(true)
}
