//! What users call: [`BrokerExt`], on top of single attempts.

mod refusals;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use broker_core::model::OrderChange;
use broker_core::{
    BrokerExt, Delivery, Error, ErrorKind, Intent, IntentJournal, OrderStatus, Placement, PreTradeCheck, Result, Side,
};

use super::desk::{Desk, PATIENCE, accepted, at_desk, has, is_unsent};
use super::overseen::Overseen;
use super::{Case, Failed, Need, Outcome, check};
use refusals::*;

/// Every case of what users call.
#[rustfmt::skip]
pub const CASES: &[Case] = desk_cases! {
    an_accepted_order_leaves_the_journal_empty,
    a_placement_by_symbol_and_by_id_is_the_same,
    a_placement_that_is_never_polled_places_nothing,
    futures_can_be_spawned,
    #[CarriesId] #[SafeResend] an_id_of_the_users_places_once,
    #[CarriesId] #[SafeResend] an_id_taken_by_other_terms_is_a_duplicate,
    recover_finds_nothing_to_do,
    #[Kind("market")] waiting_ends_at_the_fill,
    waiting_gives_an_open_order_after_its_time,
    cancel_once_ends_in_canceled,
    #[Kind("market")] cancel_once_of_a_filled_order_says_filled,
    cancel_once_of_a_canceled_order_says_canceled,
    #[Replace] replace_once_of_a_final_order_is_refused_unsent,
    #[Kind("market")] close_flattens,
    #[Kind("market")] close_of_a_flat_position_places_nothing,
    a_veto_of_the_users_sends_nothing,
    #[Replace] a_veto_of_the_users_replaces_nothing,
    a_kind_that_it_lacks_is_unsupported_unsent,
    a_group_that_it_lacks_is_unsupported_unsent,
    a_time_in_force_that_it_lacks_is_unsupported_unsent,
    an_ability_that_it_lacks_is_unsupported_unsent,
    a_quantity_off_the_lot_is_refused_unsent,
    a_quantity_of_nothing_is_refused_unsent,
    a_price_off_the_tick_is_refused_unsent,
    #[Replace] a_change_to_a_price_off_the_tick_is_refused_unsent,
    too_small_a_value_is_refused_unsent,
    #[CarriesId] an_id_that_breaks_the_rule_is_refused_unsent,
    an_unknown_instrument_is_refused_unsent,
    an_unknown_symbol_is_refused_unsent,
    #[TooMuch] #[Kind("market")] insufficient_funds_are_the_venues_own_answer,
    #[TooMuch] #[Kind("market")] a_refused_order_leaves_the_journal_empty,
};

/// Intents that the journal holds open.
async fn unsettled(desk: &Desk<'_>) -> Result<usize, Failed> {
    let journal: &Arc<dyn IntentJournal> = desk.broker.context().journal();
    Ok(journal.unsettled(&desk.broker.id()).await?.len())
}

async fn an_accepted_order_leaves_the_journal_empty(desk: &Desk<'_>) -> Outcome {
    let order = desk.place(desk.resting()).await?;
    let open = unsettled(desk).await?;
    check(open == 0, format!("{open} intents are open"))?;
    let read = desk.until_order(&order.reference(), "it is found", |_| true).await?;
    check(
        read.id == order.id,
        format!("accepted {:?}, read {:?}", order.id, read.id),
    )
}

async fn a_placement_by_symbol_and_by_id_is_the_same(desk: &Desk<'_>) -> Outcome {
    let by_id = desk.resting();
    let mut by_symbol = by_id.clone();
    by_symbol.instrument = desk.trade.symbol.clone().into();
    for request in [by_id, by_symbol] {
        let order = desk.place(request).await?;
        let instrument = order.legs.first().map(|leg| &leg.instrument);
        check(
            instrument == Some(&desk.trade.instrument),
            format!("{instrument:?} was traded"),
        )?;
    }
    Ok(true)
}

async fn a_placement_that_is_never_polled_places_nothing(desk: &Desk<'_>) -> Outcome {
    let request = desk.resting().with_client_id(desk.fresh_id());
    let intent = desk.intent(request.clone()).await?;
    drop(desk.broker.place_once(&desk.setup.account, request));
    let lag = desk.broker.capabilities().orders.visibility_lag;
    desk.broker.context().clock().sleep(lag).await;
    let (traced, open) = (
        desk.trading.trace(&intent).await?.len(),
        desk.open_orders().await?.len(),
    );
    let journaled = unsettled(desk).await?;
    check(
        traced + open + journaled == 0,
        format!("{traced} traced, {open} open, {journaled} in the journal"),
    )
}

async fn futures_can_be_spawned(desk: &Desk<'_>) -> Outcome {
    let context = desk.broker.context();
    let broker = desk.broker.handle();
    let (account, request) = (desk.setup.account.clone(), desk.resting());
    let outcome: Arc<Mutex<Option<Result<OrderStatus>>>> = Arc::default();
    let ours = Arc::clone(&outcome);
    context.spawn().spawn(Box::pin(async move {
        let ended = async {
            let placed = match broker.place_once(&account, request).await? {
                Placement::Accepted(order) => order,
                Placement::Rejected(error) => return Err(error),
                Placement::InDoubt(ticket) => return Err(ticket.reason().clone()),
            };
            broker.cancel_once(&placed.reference()).await?;
            let ended = broker.wait_until_final(&placed.reference(), PATIENCE).await?;
            Ok(ended.status)
        };
        let ended = ended.await;
        *ours.lock().unwrap_or_else(PoisonError::into_inner) = Some(ended);
    }));
    let status = desk
        .until("the task has ended", || {
            Box::pin(async {
                let ended = outcome.lock().unwrap_or_else(PoisonError::into_inner).take();
                Ok(ended.ok_or_else(|| "it has not".to_owned()))
            })
        })
        .await??;
    check(status == OrderStatus::Canceled, format!("the order is {status}"))
}

async fn an_id_of_the_users_places_once(desk: &Desk<'_>) -> Outcome {
    let request = desk.resting().with_client_id(desk.fresh_id());
    let first = desk.place(request.clone()).await?;
    let again = desk.place(request).await?;
    let open = desk.until_open(1).await?.len();
    check(
        first.id == again.id && open == 1,
        format!("{:?}, then {:?}", first.id, again.id),
    )
}

async fn an_id_taken_by_other_terms_is_a_duplicate(desk: &Desk<'_>) -> Outcome {
    let id = desk.fresh_id();
    let first = desk.place(desk.resting().with_client_id(id.clone())).await?;
    let other = desk.market(Side::Buy).with_client_id(id);
    match desk.broker.place_once(&desk.setup.account, other).await? {
        Placement::Rejected(error) => has(&error, ErrorKind::DuplicateOrder, Delivery::Answered)?,
        other => return Err(Failed(format!("{other:?}"))),
    };
    let open = desk.until_open(1).await?;
    check(open.iter().all(|order| order.id == first.id), "the first order is gone")
}

async fn recover_finds_nothing_to_do(desk: &Desk<'_>) -> Outcome {
    desk.place(desk.resting()).await?;
    let found = desk.broker.recover().await?;
    check(found.is_empty(), format!("{} intents were open", found.len()))
}

async fn waiting_ends_at_the_fill(desk: &Desk<'_>) -> Outcome {
    let order = desk.place(desk.market(Side::Buy)).await?;
    let clock = desk.broker.context().clock();
    let began = clock.elapsed();
    let long = Duration::from_secs(3_600);
    let order = desk.broker.wait_until_final(&order.reference(), long).await?;
    let took = clock.elapsed() - began;
    check(
        order.status == OrderStatus::Filled && took < PATIENCE,
        format!("it is {} after {took:?}", order.status),
    )
}

async fn waiting_gives_an_open_order_after_its_time(desk: &Desk<'_>) -> Outcome {
    let order = desk.at_work().await?;
    let clock = desk.broker.context().clock();
    let began = clock.elapsed();
    let second = Duration::from_secs(1);
    let order = desk.broker.wait_until_final(&order.reference(), second).await?;
    let took = clock.elapsed() - began;
    check(
        order.status == OrderStatus::New && took >= second && took < PATIENCE,
        format!("it is {} after {took:?}", order.status),
    )
}

async fn cancel_once_ends_in_canceled(desk: &Desk<'_>) -> Outcome {
    let order = desk.at_work().await?;
    desk.broker.cancel_once(&order.reference()).await?;
    let order = desk.broker.wait_until_final(&order.reference(), PATIENCE).await?;
    check(order.status == OrderStatus::Canceled, format!("it is {}", order.status))
}

async fn cancel_once_of_a_filled_order_says_filled(desk: &Desk<'_>) -> Outcome {
    let order = desk.bought().await?;
    let order = desk.broker.cancel_once(&order.reference()).await?;
    check(order.status == OrderStatus::Filled, format!("it is {}", order.status))
}

async fn cancel_once_of_a_canceled_order_says_canceled(desk: &Desk<'_>) -> Outcome {
    let order = desk.at_work().await?;
    desk.broker.cancel_once(&order.reference()).await?;
    desk.until_status(&order.reference(), &[OrderStatus::Canceled]).await?;
    let order = desk.broker.cancel_once(&order.reference()).await?;
    check(order.status == OrderStatus::Canceled, format!("it is {}", order.status))
}

async fn replace_once_of_a_final_order_is_refused_unsent(desk: &Desk<'_>) -> Outcome {
    let order = desk.at_work().await?;
    desk.trading.cancel(&order.reference()).await?;
    desk.until_status(&order.reference(), &[OrderStatus::Canceled]).await?;
    let change = OrderChange::new().with_limit_price(desk.floor());
    let answer = desk.broker.replace_once(&order.reference(), change).await;
    is_unsent(answer, ErrorKind::InvalidRequest)
}

async fn close_flattens(desk: &Desk<'_>) -> Outcome {
    desk.bought().await?;
    let mut placed = desk.close().await?.into_iter();
    let (Some(closing), None) = (placed.next(), placed.next()) else {
        return Err(Failed("not one order for one position".to_owned()));
    };
    let order = accepted(closing)?;
    let order = desk.until_status(&order.reference(), &[OrderStatus::Filled]).await?;
    check(
        desk.is_worth(order.filled_qty.get(), desk.trade.qty.get()),
        format!("{} were closed of {}", order.filled_qty, desk.trade.qty),
    )?;
    desk.until_flat().await?;
    Ok(true)
}

async fn close_of_a_flat_position_places_nothing(desk: &Desk<'_>) -> Outcome {
    let placed = desk.close().await?;
    let open = desk.open_orders().await?;
    check(
        placed.is_empty() && open.is_empty(),
        format!("{} orders were placed", placed.len()),
    )
}

/// A rule of the user's that refuses everything, and remembers what it saw.
#[derive(Debug, Default)]
struct Never {
    seen: Mutex<Vec<Intent>>,
}

#[async_trait]
impl PreTradeCheck for Never {
    async fn check(&self, intent: &Intent) -> Result<()> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.push(intent.clone());
        Err(Error::new(ErrorKind::Permission).with_message("not today"))
    }
}

impl Never {
    fn seen(&self) -> Vec<Intent> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The broker under a rule that refuses everything.
fn forbidden(desk: &Desk<'_>) -> (Overseen, Arc<Never>) {
    let never = Arc::new(Never::default());
    let context = desk.broker.context().with_check(Arc::clone(&never) as _);
    (Overseen::new(desk.broker.handle(), context), never)
}

async fn a_veto_of_the_users_sends_nothing(desk: &Desk<'_>) -> Outcome {
    let (broker, never) = forbidden(desk);
    let request = desk.resting().with_client_id(desk.fresh_id());
    let answer = broker.place_once(&desk.setup.account, request.clone()).await;
    is_unsent(answer, ErrorKind::Permission)?;
    let seen = never.seen();
    check(
        seen.len() == 1 && seen.iter().all(|intent| intent.request == request),
        format!("the rule saw {} intents, or others", seen.len()),
    )?;
    let (attempts, open) = (broker.attempts(), desk.open_orders().await?.len());
    check(attempts + open == 0, format!("{attempts} attempts, {open} open orders"))
}

async fn a_veto_of_the_users_replaces_nothing(desk: &Desk<'_>) -> Outcome {
    let order = desk.at_work().await?;
    let (broker, never) = forbidden(desk);
    let change = OrderChange::new().with_limit_price(desk.floor());
    let answer = broker.replace_once(&order.reference(), change.clone()).await;
    is_unsent(answer, ErrorKind::Permission)?;
    let seen = never.seen();
    let changes: Vec<_> = seen.iter().map(|intent| intent.replaces.as_ref()).collect();
    check(
        matches!(changes.as_slice(), [Some(one)] if one.change == change),
        format!("the rule saw {changes:?}"),
    )?;
    let now = desk.broker.order(&order.reference()).await?;
    check(
        broker.attempts() == 0 && now.limit_price == order.limit_price && now.status == OrderStatus::New,
        format!("it is {} at {:?}", now.status, now.limit_price),
    )
}
