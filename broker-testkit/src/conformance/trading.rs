//! Single attempts: [`Trading`](broker_core::Trading).

mod cancel;
mod fills;
mod groups;
mod replace;
mod words;

use broker_core::model::OrderChange;
use broker_core::{ClientOrderId, Delivery, ErrorKind, Gate, Intent, OrderRef, OrderStatus};

use super::desk::{Desk, at_desk, has};
use super::{Case, Failed, NOBODY, Need, Outcome, check};
use cancel::*;
use fills::*;
use groups::*;
use replace::*;
use words::*;

/// Every case of single attempts.
#[rustfmt::skip]
pub const CASES: &[Case] = desk_cases! {
    a_placed_order_is_found_by_its_id,
    #[CarriesId] a_placed_order_is_found_by_our_id,
    a_placed_order_is_listed_as_open,
    #[CarriesId] our_id_is_kept_to_the_letter,
    #[CarriesId] the_longest_allowed_id_is_taken,
    #[SafeResend] a_second_send_makes_no_second_order,
    a_closed_gate_places_nothing,
    #[Replace] a_closed_gate_replaces_nothing,
    an_unsent_intent_has_no_trace,
    a_sent_intent_is_traced_to_its_order_alone,
    orders_for_an_unknown_account_are_refused,
    #[Kind("market")] a_market_order_keeps_its_words,
    #[Kind("limit")] a_limit_order_keeps_its_words,
    #[Kind("stop")] a_stop_order_keeps_its_words,
    #[Kind("stop_limit")] a_stop_limit_order_keeps_its_words,
    #[Kind("market_if_touched")] a_market_if_touched_order_keeps_its_words,
    #[Kind("limit_if_touched")] a_limit_if_touched_order_keeps_its_words,
    #[Kind("trailing_stop")] #[Trail("amount")] an_order_trailing_by_an_amount_keeps_its_words,
    #[Kind("trailing_stop")] #[Trail("percent")] an_order_trailing_by_percent_keeps_its_words,
    #[Kind("market")] #[Kind("limit")] a_sale_keeps_its_words,
    without_time_in_force_the_order_says_which,
    #[Tif("day")] a_day_order_says_so,
    #[Tif("gtc")] a_gtc_order_says_so,
    #[Tif("gtd")] a_gtd_order_keeps_its_date,
    #[Tif("ioc")] an_ioc_order_that_cannot_fill_ends_unfilled,
    #[Tif("fok")] a_fok_order_that_cannot_fill_ends_unfilled,
    #[Tif("at_open")] an_order_for_the_open_says_so,
    #[Tif("at_close")] an_order_for_the_close_says_so,
    #[Fraction] a_fraction_is_kept_and_fills,
    #[Notional] money_for_a_quantity_is_kept_and_fills,
    #[ExtendedHours] extended_hours_are_kept,
    #[ReduceOnly] reduce_only_is_kept,
    a_cancel_ends_in_canceled,
    a_canceled_order_is_not_open,
    #[CarriesId] a_cancel_by_our_id_ends_in_canceled,
    a_cancel_of_a_filled_order_is_refused,
    a_cancel_of_an_unknown_order_is_not_found,
    a_second_cancel_changes_nothing,
    cancel_all_lists_each_order_and_leaves_none_open,
    cancel_all_of_nothing_lists_nothing,
    #[Replace] a_replaced_price_is_shown,
    #[Replace] a_replaced_quantity_is_shown,
    #[Replace] a_replacement_is_linked_or_keeps_its_id,
    #[Replace] a_replacement_keeps_its_other_words,
    #[Replace] #[Partly] a_replaced_quantity_counts_what_is_filled,
    #[Replace] a_replacement_is_traced,
    #[Kind("market")] a_market_order_fills,
    #[Kind("market")] fills_sum_to_the_filled_quantity,
    #[Kind("market")] fills_name_their_order,
    #[Kind("market")] fills_make_the_average_price,
    #[Kind("market")] a_purchase_moves_the_position_up,
    #[Kind("market")] a_sale_moves_the_position_down,
    #[Kind("limit")] a_limit_that_the_market_meets_fills_no_worse,
    #[Partly] a_part_that_fills_is_shown_and_can_be_canceled,
    #[Group("bracket")] a_bracket_is_linked,
    #[Group("bracket")] exits_of_a_bracket_wait_for_the_entry,
    #[Group("bracket")] exits_of_a_bracket_work_once_the_entry_fills,
    #[Group("bracket")] a_canceled_entry_takes_its_exits_along,
    #[Group("oco")] an_oco_is_linked,
    #[Group("oco")] one_fill_of_an_oco_cancels_the_other,
    #[Group("oco")] a_canceled_oco_leaves_nothing_open,
    #[Group("oto")] an_oto_is_linked_and_waits,
    #[Group("oto")] the_exit_of_an_oto_works_once_the_entry_fills,
};

async fn a_placed_order_is_found_by_its_id(desk: &Desk<'_>) -> Outcome {
    let placed = desk.send(desk.resting()).await?;
    let mut by_id = placed.reference();
    by_id.client_id = None;
    let found = desk.until_order(&by_id, "it is found", |_| true).await?;
    check(
        found.id == placed.id && found.account == desk.setup.account,
        format!("asked for {:?}, got {:?}", placed.id, found.id),
    )
}

async fn a_placed_order_is_found_by_our_id(desk: &Desk<'_>) -> Outcome {
    let intent = desk.intent(desk.resting()).await?;
    let placed = desk.trading.place(&intent, &Gate::new()).await?;
    let found = desk
        .until_order(&ours(desk, &intent.id), "it is found", |_| true)
        .await?;
    check(
        found.id == placed.id,
        format!("placed {:?}, found {:?}", placed.id, found.id),
    )
}

fn ours(desk: &Desk<'_>, id: &ClientOrderId) -> OrderRef {
    OrderRef::by_client_id(&desk.setup.account, id.clone()).with_instrument(desk.trade.instrument.clone())
}

async fn a_placed_order_is_listed_as_open(desk: &Desk<'_>) -> Outcome {
    let placed = desk.send(desk.resting()).await?;
    let open = desk.until_open(1).await?;
    check(
        open.iter().all(|order| order.id == placed.id),
        format!(
            "{:?} is listed instead of {:?}",
            open.first().map(|order| &order.id),
            placed.id
        ),
    )
}

/// Places under an id, and whether it comes back as it was sent: in the answer, by a read, and by our id.
async fn keeps_id(desk: &Desk<'_>, id: String) -> Outcome {
    let id = ClientOrderId::from(id);
    let intent = desk.intent(desk.resting().with_client_id(id.clone())).await?;
    let placed = desk.trading.place(&intent, &Gate::new()).await?;
    let read = desk.until_order(&placed.reference(), "it is found", |_| true).await?;
    let found = desk.until_order(&ours(desk, &id), "it is found", |_| true).await?;
    check(
        [&placed, &read, &found]
            .iter()
            .all(|order| order.client_id.as_ref() == Some(&id))
            && found.id == placed.id,
        format!("sent {id:?}, placed {:?}, read {:?}", placed.client_id, read.client_id),
    )
}

async fn our_id_is_kept_to_the_letter(desk: &Desk<'_>) -> Outcome {
    let Some(rule) = desk.broker.capabilities().orders.client_id else {
        return Ok(false);
    };
    let mut id = format!("aZ9{}{}", rule.extra, desk.drawn(8));
    id.truncate(rule.longest);
    keeps_id(desk, id).await
}

async fn the_longest_allowed_id_is_taken(desk: &Desk<'_>) -> Outcome {
    let Some(rule) = desk.broker.capabilities().orders.client_id else {
        return Ok(false);
    };
    keeps_id(desk, desk.drawn(rule.longest)).await
}

async fn a_second_send_makes_no_second_order(desk: &Desk<'_>) -> Outcome {
    let intent = desk.intent(desk.resting()).await?;
    let first = desk.trading.place(&intent, &Gate::new()).await?;
    match desk.trading.place(&intent, &Gate::new()).await {
        Ok(again) => check(again.id == first.id, "a second order was taken"),
        Err(error) => has(&error, ErrorKind::DuplicateOrder, Delivery::Answered),
    }?;
    let open = desk.until_open(1).await?;
    check(open.iter().all(|order| order.id == first.id), "another order is open")
}

fn closed() -> Gate {
    let gate = Gate::new();
    gate.close();
    gate
}

async fn a_closed_gate_places_nothing(desk: &Desk<'_>) -> Outcome {
    let intent = desk.intent(desk.resting()).await?;
    match desk.trading.place(&intent, &closed()).await {
        Ok(_) => return Err(Failed("it was placed".to_owned())),
        Err(error) => check(error.delivery() == Delivery::NotSent, format!("{error}: sent, perhaps"))?,
    };
    nothing_came(desk, &intent).await
}

/// Long enough for an order to show, none does.
async fn nothing_came(desk: &Desk<'_>, intent: &Intent) -> Outcome {
    let lag = desk.broker.capabilities().orders.visibility_lag;
    desk.broker.context().clock().sleep(lag).await;
    let traced = desk.trading.trace(intent).await?;
    let open = desk.open_orders().await?;
    check(
        traced.is_empty() && open.is_empty(),
        format!("{} orders are traced and {} open", traced.len(), open.len()),
    )
}

async fn a_closed_gate_replaces_nothing(desk: &Desk<'_>) -> Outcome {
    let order = desk.at_work().await?;
    let change = OrderChange::new().with_limit_price(desk.floor());
    let intent = desk.intent(desk.resting()).await?;
    match desk
        .trading
        .replace(&order.reference(), &change, &intent, &closed())
        .await
    {
        Ok(_) => return Err(Failed("it was replaced".to_owned())),
        Err(error) => check(error.delivery() == Delivery::NotSent, format!("{error}: sent, perhaps"))?,
    };
    let now = desk.broker.order(&order.reference()).await?;
    check(
        now.status == OrderStatus::New && now.limit_price == order.limit_price,
        format!("it is {} at {:?}", now.status, now.limit_price),
    )
}

async fn an_unsent_intent_has_no_trace(desk: &Desk<'_>) -> Outcome {
    let intent = desk.intent(desk.resting()).await?;
    let traced = desk.trading.trace(&intent).await?;
    check(traced.is_empty(), format!("{} orders are traced", traced.len()))
}

async fn a_sent_intent_is_traced_to_its_order_alone(desk: &Desk<'_>) -> Outcome {
    let intent = desk.intent(desk.resting()).await?;
    let placed = desk.trading.place(&intent, &Gate::new()).await?;
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
    check(ids == [&placed.id], format!("{ids:?} for {:?}", placed.id))
}

async fn orders_for_an_unknown_account_are_refused(desk: &Desk<'_>) -> Outcome {
    let mut intent = desk.intent(desk.resting()).await?;
    intent.account = NOBODY.into();
    match desk.trading.place(&intent, &Gate::new()).await {
        Ok(_) => Err(Failed("it was placed".to_owned())),
        Err(error) => check(error.delivery() != Delivery::Unknown, format!("{error}: a doubt")),
    }
}
