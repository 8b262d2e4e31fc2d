//! Live events: [`Streaming`]. What must come is waited for on the context's clock, and never
//! for ever.

use std::collections::BTreeMap;
use std::time::Duration;

use broker_core::model::{Event, OrderChange, Subscription};
use broker_core::seam::BoxStream;
use broker_core::{Fill, Order, OrderId, OrderStatus, Quote, Record, Side, Streaming};
use futures_util::StreamExt;
use futures_util::future::{Either, select};
use rust_decimal::Decimal;

use super::desk::{Desk, PATIENCE, at_desk};
use super::{Case, Failed, NOBODY, Need, Outcome, check};

/// Every case of live events.
#[rustfmt::skip]
pub const CASES: &[Case] = desk_cases! {
    #[Streaming] the_snapshot_holds_the_open_orders,
    #[Streaming] #[Kind("market")] the_snapshot_holds_the_positions,
    #[Streaming] a_placed_order_is_told,
    #[Streaming] #[Kind("market")] a_fill_is_told_once_and_as_the_history_has_it,
    #[Streaming] #[Kind("market")] fills_before_the_subscription_are_not_told,
    #[Streaming] #[Kind("market")] orders_never_go_back,
    #[Streaming] a_cancel_is_told,
    #[Streaming] #[Replace] a_replacement_is_told,
    #[Streaming] #[MarketData] quotes_come_and_do_not_cross,
    #[Streaming] two_subscriptions_do_not_disturb_each_other,
    #[Streaming] a_dropped_subscription_ends_and_a_later_one_works,
    #[Streaming] a_subscription_to_an_unknown_account_is_refused,
};

/// After something came, nothing more of it is waited for this long.
const QUIET: Duration = Duration::from_secs(1);

/// A subscription, and what it has told.
struct Ear<'a> {
    desk: &'a Desk<'a>,
    stream: BoxStream<'static, Event>,
    heard: Vec<Event>,
}

fn streaming<'a>(desk: &'a Desk<'_>) -> Result<&'a dyn Streaming, Failed> {
    let streaming = desk.broker.streaming();
    streaming.ok_or_else(|| Failed("there is no streaming side".to_owned()))
}

impl<'a> Ear<'a> {
    async fn open(desk: &'a Desk<'_>, subscription: &Subscription) -> Result<Self, Failed> {
        let stream = streaming(desk)?.subscribe(subscription).await?;
        Ok(Self {
            desk,
            stream,
            heard: Vec::new(),
        })
    }

    /// Everything of the account.
    async fn account(desk: &'a Desk<'_>) -> Result<Self, Failed> {
        Self::open(desk, &Subscription::account(&desk.setup.account)).await
    }

    /// The next event; `None` when none came in this time.
    async fn next(&mut self, longest: Duration) -> Result<Option<&Event>, Failed> {
        let sleep = self.desk.broker.context().clock().sleep(longest);
        match select(self.stream.next(), sleep).await {
            Either::Left((Some(Event::Closed(error)), _)) => Err(Failed(format!("the stream closed: {error}"))),
            Either::Left((Some(event), _)) => {
                self.heard.push(event);
                Ok(self.heard.last())
            }
            Either::Left((None, _)) => Err(Failed("the stream ended".to_owned())),
            Either::Right(_) => Ok(None),
        }
    }

    /// Listens until what was heard holds this.
    async fn until(&mut self, what: &str, holds: impl Fn(&[Event]) -> bool + Send) -> Result<(), Failed> {
        let clock = self.desk.broker.context().clock();
        let end = clock.elapsed() + PATIENCE;
        while !holds(&self.heard) {
            let left = end.saturating_sub(clock.elapsed());
            if left.is_zero() || self.next(left).await?.is_none() {
                let heard = self.heard.len();
                return Err(Failed(format!("waited until {what}: {heard} other events came")));
            }
        }
        Ok(())
    }

    /// Listens for what may still come.
    async fn out(&mut self) -> Result<(), Failed> {
        let clock = self.desk.broker.context().clock();
        let end = clock.elapsed() + QUIET;
        loop {
            let left = end.saturating_sub(clock.elapsed());
            if left.is_zero() || self.next(left).await?.is_none() {
                return Ok(());
            }
        }
    }

    async fn until_status(&mut self, order: &OrderId, status: OrderStatus) -> Result<(), Failed> {
        let what = format!("the order is told as {status}");
        let is = |order_told: &Order| order_told.id == *order && order_told.status == status;
        self.until(&what, |heard| orders(heard).any(is)).await
    }
}

fn orders(heard: &[Event]) -> impl Iterator<Item = &Order> {
    heard.iter().filter_map(|event| match event {
        Event::Order(order) => Some(&**order),
        _ => None,
    })
}

fn fills(heard: &[Event]) -> impl Iterator<Item = &Fill> {
    heard.iter().filter_map(|event| match event {
        Event::Record(record) => match &**record {
            Record::Fill(fill) => Some(fill),
            Record::Void(_) | Record::Fee(_) | Record::Flow(_) => None,
        },
        _ => None,
    })
}

fn fills_of<'a>(heard: &'a [Event], order: &'a OrderId) -> impl Iterator<Item = &'a Fill> {
    fills(heard).filter(move |fill| fill.order.as_ref() == Some(order))
}

fn sum<'a>(fills: impl Iterator<Item = &'a Fill>) -> Decimal {
    fills.map(|fill| fill.qty.get()).sum()
}

async fn the_snapshot_holds_the_open_orders(desk: &Desk<'_>) -> Outcome {
    let placed = [desk.at_work().await?, desk.at_work().await?];
    desk.until_open(2).await?;
    let mut ear = Ear::account(desk).await?;
    for order in &placed {
        ear.until_status(&order.id, OrderStatus::New).await?;
    }
    Ok(true)
}

async fn the_snapshot_holds_the_positions(desk: &Desk<'_>) -> Outcome {
    if !desk.has_positions() {
        return Ok(false);
    }
    let qty = desk.stocked().await?;
    let mut ear = Ear::account(desk).await?;
    let holds = |event: &Event| match event {
        Event::Position(position) => position.instrument == desk.trade.instrument && position.signed_qty() == qty,
        _ => false,
    };
    ear.until("the position is told", |heard| heard.iter().any(holds))
        .await?;
    Ok(true)
}

async fn a_placed_order_is_told(desk: &Desk<'_>) -> Outcome {
    let mut ear = Ear::account(desk).await?;
    let order = desk.place(desk.resting()).await?;
    ear.until_status(&order.id, OrderStatus::New).await?;
    let told = orders(&ear.heard).filter(|told| told.id == order.id).last();
    let same = told.is_some_and(|told| {
        told.account == desk.setup.account
            && told.client_id == order.client_id
            && told.limit_price == Some(desk.trade.low)
            && told.amount == order.amount
    });
    check(same, format!("placed {order:?}, told {told:?}"))
}

async fn a_fill_is_told_once_and_as_the_history_has_it(desk: &Desk<'_>) -> Outcome {
    let mut ear = Ear::account(desk).await?;
    let order = desk.bought().await?;
    let whole = |heard: &[Event]| sum(fills_of(heard, &order.id)) >= order.filled_qty.get();
    ear.until("its fills are told", whole).await?;
    let history = desk.fills_of(&order, order.filled_qty).await?;
    ear.out().await?;
    let facts = |fill: &Fill| {
        (
            fill.id.clone(),
            fill.price,
            fill.qty,
            fill.side,
            fill.instrument.clone(),
        )
    };
    let mut told: Vec<_> = fills_of(&ear.heard, &order.id).map(facts).collect();
    let mut kept: Vec<_> = history.iter().map(facts).collect();
    told.sort();
    kept.sort();
    check(told == kept, format!("told {told:?}, in the history {kept:?}"))
}

async fn fills_before_the_subscription_are_not_told(desk: &Desk<'_>) -> Outcome {
    let before = desk.bought().await?;
    desk.fills_of(&before, before.filled_qty).await?;
    let mut ear = Ear::account(desk).await?;
    let after = desk.bought().await?;
    let whole = |heard: &[Event]| sum(fills_of(heard, &after.id)) >= after.filled_qty.get();
    ear.until("the later fills are told", whole).await?;
    ear.out().await?;
    let early = fills_of(&ear.heard, &before.id).count();
    check(early == 0, format!("{early} fills of before were told"))
}

async fn orders_never_go_back(desk: &Desk<'_>) -> Outcome {
    let mut ear = Ear::account(desk).await?;
    let bought = desk.bought().await?;
    desk.bought().await?;
    let canceled = desk.at_work().await?;
    desk.trading.cancel(&canceled.reference()).await?;
    let sold = desk.place(desk.market(Side::Sell)).await?;
    ear.until_status(&bought.id, OrderStatus::Filled).await?;
    ear.until_status(&canceled.id, OrderStatus::Canceled).await?;
    ear.until_status(&sold.id, OrderStatus::Filled).await?;
    ear.out().await?;
    let mut last: BTreeMap<&OrderId, &Order> = BTreeMap::new();
    for order in orders(&ear.heard) {
        if let Some(before) = last.insert(&order.id, order) {
            check(
                order.filled_qty >= before.filled_qty,
                format!(
                    "{:?}: {} were filled, then {}",
                    order.id, before.filled_qty, order.filled_qty
                ),
            )?;
            check(
                !before.status.is_final() || order.status == before.status,
                format!("{:?} was {}, then {}", order.id, before.status, order.status),
            )?;
        }
    }
    Ok(true)
}

async fn a_cancel_is_told(desk: &Desk<'_>) -> Outcome {
    let order = desk.at_work().await?;
    let mut ear = Ear::account(desk).await?;
    desk.trading.cancel(&order.reference()).await?;
    ear.until_status(&order.id, OrderStatus::Canceled).await?;
    Ok(true)
}

async fn a_replacement_is_told(desk: &Desk<'_>) -> Outcome {
    let order = desk.at_work().await?;
    let mut ear = Ear::account(desk).await?;
    let price = desk.floor();
    let new = desk.replace(&order, OrderChange::new().with_limit_price(price)).await?;
    let shows = |told: &Order| told.id == new.id && told.limit_price == Some(price);
    ear.until("the new price is told", |heard| orders(heard).any(shows))
        .await?;
    if new.id != order.id {
        ear.until_status(&order.id, OrderStatus::Replaced).await?;
    }
    Ok(true)
}

async fn quotes_come_and_do_not_cross(desk: &Desk<'_>) -> Outcome {
    let instrument = &desk.trade.instrument;
    let mut ear = Ear::open(desk, &Subscription::quotes([instrument.clone()])).await?;
    ear.until("a quote is told", |heard| quotes(heard).next().is_some())
        .await?;
    ear.out().await?;
    for quote in quotes(&ear.heard) {
        check(
            quote.instrument == *instrument,
            format!("a quote of {}", quote.instrument),
        )?;
        if let (Some(bid), Some(ask)) = (quote.bid, quote.ask) {
            check(bid <= ask, format!("{bid} bid, {ask} asked"))?;
        }
    }
    Ok(true)
}

fn quotes(heard: &[Event]) -> impl Iterator<Item = &Quote> {
    heard.iter().filter_map(|event| match event {
        Event::Quote(quote) => Some(&**quote),
        _ => None,
    })
}

async fn two_subscriptions_do_not_disturb_each_other(desk: &Desk<'_>) -> Outcome {
    let mut one = Ear::account(desk).await?;
    let mut other = Ear::account(desk).await?;
    let first = desk.place(desk.resting()).await?;
    for ear in [&mut one, &mut other] {
        ear.until_status(&first.id, OrderStatus::New).await?;
    }
    drop(one);
    let second = desk.place(desk.resting()).await?;
    other.until_status(&second.id, OrderStatus::New).await?;
    Ok(true)
}

async fn a_dropped_subscription_ends_and_a_later_one_works(desk: &Desk<'_>) -> Outcome {
    let ear = Ear::account(desk).await?;
    drop(ear);
    let order = desk.at_work().await?;
    let mut later = Ear::account(desk).await?;
    later.until_status(&order.id, OrderStatus::New).await?;
    desk.trading.cancel(&order.reference()).await?;
    later.until_status(&order.id, OrderStatus::Canceled).await?;
    Ok(true)
}

async fn a_subscription_to_an_unknown_account_is_refused(desk: &Desk<'_>) -> Outcome {
    let unknown = Subscription::account(&NOBODY.into());
    match streaming(desk)?.subscribe(&unknown).await {
        Ok(_) => Err(Failed("it was taken".to_owned())),
        Err(_) => Ok(true),
    }
}
