//! Where the trading cases sit: the account, what may be traded, and the ways to place, read and wait.

use std::sync::Arc;
use std::time::Duration;

use broker_core::capability::LevelKind;
use broker_core::model::{
    InstrumentQuery, InstrumentRef, Level, OrderChange, Payoff, PositionEffect, StopExit, Trigger, Window,
};
use broker_core::seam::BoxFuture;
use broker_core::{
    Broker, BrokerExt, ClientOrderId, Currency, Delivery, Error, ErrorKind, Fill, Gate, HistoryQuery, Instrument,
    Intent, Order, OrderQuery, OrderRef, OrderRequest, OrderStatus, Placement, Price, Qty, Result, Side, Trading,
};
use futures_util::TryStreamExt;
use rust_decimal::Decimal;

use super::{Failed, Outcome, Setup, TradeSetup};

/// How long something that must happen may take, on the context's clock.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

/// How often it is looked for.
const EACH: Duration = Duration::from_millis(100);

/// An account without open orders, flat in the instrument of the setup.
pub(super) struct Desk<'a> {
    pub(super) broker: &'a dyn Broker,
    pub(super) trading: &'a dyn Trading,
    pub(super) setup: &'a Setup,
    pub(super) trade: &'a TradeSetup,
    pub(super) instrument: Arc<Instrument>,
}

/// One look at something that is waited for: found, or how it was instead.
type Look<'f, T> = BoxFuture<'f, Result<Result<T, String>, Failed>>;

/// Runs a case at a desk, and clears it before and behind.
pub(super) async fn at_desk(
    broker: &dyn Broker,
    setup: &Setup,
    case: for<'a> fn(&'a Desk<'a>) -> BoxFuture<'a, Outcome>,
) -> Outcome {
    let desk = Desk::open(broker, setup).await?;
    let unclear = |Failed(why)| Failed(format!("the account cannot be cleared: {why}"));
    desk.clear().await.map_err(unclear)?;
    let outcome = case(&desk).await;
    let cleared = desk.clear().await.map_err(unclear);
    let outcome = outcome?;
    cleared?;
    Ok(outcome)
}

impl<'a> Desk<'a> {
    async fn open(broker: &'a dyn Broker, setup: &'a Setup) -> Result<Self, Failed> {
        let named = |what: &str| Failed(format!("there is no {what}"));
        let trading = broker.trading().ok_or_else(|| named("trading side"))?;
        let trade = setup.trade.as_ref().ok_or_else(|| named("instrument to trade"))?;
        let query = InstrumentQuery::Ids(vec![trade.instrument.clone()]);
        let instrument = broker.instruments(&query).await?.pop();
        Ok(Self {
            broker,
            trading,
            setup,
            trade,
            instrument: Arc::new(instrument.ok_or_else(|| named("such instrument"))?),
        })
    }

    /// Cancels all orders, then closes the position.
    async fn clear(&self) -> Result<(), Failed> {
        // What was placed a moment ago may not be listed yet.
        let lag = self.broker.capabilities().orders.visibility_lag;
        self.broker.context().clock().sleep(lag).await;
        if !self.open_orders().await?.is_empty() {
            self.trading.cancel_all(&self.setup.account).await?;
            self.until_none_is_open().await?;
        }
        self.until("the position is flat", || {
            Box::pin(async {
                let qty = self.position().await?;
                match self.is_flat(qty) || self.closes_whole().await? {
                    true => Ok(Ok(())),
                    false => Ok(Err(format!("it was {qty}"))),
                }
            })
        })
        .await?;
        self.until_flat().await
    }

    /// Closes the position. At the market that can end with a part of it, where no more is on offer.
    async fn closes_whole(&self) -> Result<bool, Failed> {
        let mut whole = true;
        for placement in self.close().await? {
            let Placement::Accepted(order) = placement else {
                continue;
            };
            let is_final = |order: &Order| order.status.is_final();
            let done = self.until_order(&order.reference(), "it is done", is_final).await?;
            whole &= done.status == OrderStatus::Filled;
        }
        Ok(whole)
    }

    pub(super) async fn close(&self) -> Result<Vec<Placement>, Failed> {
        let name = InstrumentRef::Id(self.trade.instrument.clone());
        Ok(self.broker.close(&self.setup.account, &name).await?)
    }

    pub(super) async fn until_none_is_open(&self) -> Result<(), Failed> {
        self.until("no order is open", || {
            Box::pin(async {
                let open = self.open_orders().await?;
                Ok(if open.is_empty() {
                    Ok(())
                } else {
                    Err(format!("{} orders are open", open.len()))
                })
            })
        })
        .await
    }

    pub(super) async fn until_flat(&self) -> Result<(), Failed> {
        self.until("the position is flat", || {
            Box::pin(async {
                let qty = self.position().await?;
                Ok(if self.is_flat(qty) {
                    Ok(())
                } else {
                    Err(format!("it is {qty}"))
                })
            })
        })
        .await
    }
}

/// Requests.
impl Desk<'_> {
    /// A purchase that rests far below the market.
    pub(super) fn resting(&self) -> OrderRequest {
        self.limit(Side::Buy, self.trade.low)
    }

    /// A trade at once, at any price.
    pub(super) fn market(&self, side: Side) -> OrderRequest {
        self.named(OrderRequest::market(self.trade.symbol.clone(), side, self.trade.qty))
    }

    pub(super) fn limit(&self, side: Side, limit: Price) -> OrderRequest {
        let symbol = self.trade.symbol.clone();
        self.named(OrderRequest::limit(symbol, side, self.trade.qty, limit))
    }

    /// By the broker's key, so that raw attempts are as `place_once` would make them; sales say that they close.
    pub(super) fn named(&self, request: OrderRequest) -> OrderRequest {
        let request = request.with_instrument(self.trade.instrument.clone());
        match request.side {
            Side::Buy => request,
            Side::Sell => request.with_effect(PositionEffect::Close),
        }
    }

    /// Twice the quantity of the setup.
    pub(super) fn twice(&self) -> Result<Qty, Failed> {
        let qty = self.trade.qty;
        qty.checked_add(qty)
            .ok_or_else(|| Failed("the quantity of the setup is too large".to_owned()))
    }

    /// A price below `low`, by ten ticks.
    pub(super) fn floor(&self) -> Price {
        let low = self.trade.low;
        let tick = self.instrument.tick_at(low).unwrap_or(Decimal::ONE);
        Price::new(low.get() - tick * Decimal::TEN)
    }

    /// A stop below `low`.
    pub(super) fn stop_below(&self) -> StopExit {
        StopExit::Stop {
            stop: Level::Price(self.floor()),
            limit: None,
        }
    }

    /// Whether exits can be given by their prices.
    pub(super) fn takes_prices(&self) -> bool {
        self.broker
            .capabilities()
            .orders
            .exits
            .levels
            .contains(&LevelKind::Price)
    }

    /// A target at `high`.
    pub(super) fn target_above(&self, entry: &OrderRequest) -> Level {
        self.level(entry, self.trade.high)
    }

    /// A stop at [`floor`](Self::floor).
    pub(super) fn stop_under(&self, entry: &OrderRequest) -> StopExit {
        StopExit::Stop {
            stop: self.level(entry, self.floor()),
            limit: None,
        }
    }

    /// This price as the broker takes it. From an entry without a price it is a distance that the market, which lies
    /// between `low` and `high`, does not go.
    fn level(&self, entry: &OrderRequest, price: Price) -> Level {
        if self.takes_prices() {
            return Level::Price(price);
        }
        let distance = match entry.trigger {
            Trigger::Limit { limit } => (price.get() - limit.get()).abs(),
            _ => {
                let (low, high) = (self.trade.low.get(), self.trade.high.get());
                let tick = self.instrument.tick_at(self.trade.low).unwrap_or(Decimal::ONE);
                let quarter = (high - low) / Decimal::from(4);
                quarter - quarter % tick
            }
        };
        Level::Distance(Qty::new(distance).unwrap_or(Qty::ZERO))
    }

    /// An id that this broker takes and nobody used.
    pub(super) fn fresh_id(&self) -> ClientOrderId {
        let longest = self
            .broker
            .capabilities()
            .orders
            .client_id
            .map_or(24, |rule| rule.longest);
        self.drawn(longest.min(24)).into()
    }

    /// This many digits and letters by chance.
    pub(super) fn drawn(&self, length: usize) -> String {
        let mut text = String::new();
        while text.len() < length {
            text.push_str(&self.broker.context().rng().uuid().replace('-', ""));
        }
        text.truncate(length);
        text
    }

    /// An intent as the core makes one, under the request's id or a fresh one.
    pub(super) async fn intent(&self, request: OrderRequest) -> Result<Intent, Failed> {
        Ok(Intent {
            id: request.client_id.clone().unwrap_or_else(|| self.fresh_id()),
            broker: self.broker.id(),
            environment: self.broker.environment(),
            account: self.setup.account.clone(),
            request,
            instrument: Arc::clone(&self.instrument),
            replaces: None,
            created_at: self.broker.context().clock().now(),
            mark: self.trading.mark(&self.setup.account).await?,
        })
    }
}

/// Placing.
impl Desk<'_> {
    /// One attempt, which must be taken.
    pub(super) async fn send(&self, request: OrderRequest) -> Result<Order, Failed> {
        let intent = self.intent(request).await?;
        Ok(self.trading.place(&intent, &Gate::new()).await?)
    }

    /// What users call, which must be accepted.
    pub(super) async fn place(&self, request: OrderRequest) -> Result<Order, Failed> {
        accepted(self.broker.place_once(&self.setup.account, request).await?)
    }

    /// A purchase at any price, and the order once it is filled.
    pub(super) async fn bought(&self) -> Result<Order, Failed> {
        let order = self.place(self.market(Side::Buy)).await?;
        self.until_status(&order.reference(), &[OrderStatus::Filled]).await
    }

    /// A purchase that fills at once, and what hangs on it. Where a group cannot begin with a market order it begins at
    /// a limit that the market meets, below a target at `high`.
    pub(super) async fn entered(&self, group: impl Fn(OrderRequest) -> OrderRequest) -> Result<Order, Failed> {
        let at_market = group(self.market(Side::Buy));
        match self.broker.place_once(&self.setup.account, at_market).await {
            Err(error) if error.kind() == ErrorKind::Unsupported && error.delivery() == Delivery::NotSent => {
                let high = self.trade.high;
                let tick = self.instrument.tick_at(high).unwrap_or(Decimal::ONE);
                let limit = Price::new(high.get() - tick * Decimal::TEN);
                self.place(group(self.limit(Side::Buy, limit))).await
            }
            placed => accepted(placed?),
        }
    }

    /// A purchase of twice as much, so that the setup's quantity can be sold even where a fee is taken in kind. Gives
    /// the position.
    pub(super) async fn stocked(&self) -> Result<Decimal, Failed> {
        let mut request = self.market(Side::Buy);
        request.size = self.twice()?.into();
        let order = self.place(request).await?;
        let order = self.until_status(&order.reference(), &[OrderStatus::Filled]).await?;
        let bought = order.filled_qty.get();
        self.until_position("holds what was bought", |qty| self.is_worth(qty, bought))
            .await
    }

    /// An order that rests, once the venue says that it works.
    pub(super) async fn at_work(&self) -> Result<Order, Failed> {
        let order = self.place(self.resting()).await?;
        self.until_status(&order.reference(), &[OrderStatus::New]).await
    }

    /// Changes an order, which must be accepted.
    pub(super) async fn replace(&self, order: &Order, change: OrderChange) -> Result<Order, Failed> {
        accepted(self.broker.replace_once(&order.reference(), change).await?)
    }
}

/// Reading and waiting.
impl Desk<'_> {
    /// Waits until a look finds it so; the text of a look that does not says how it was.
    pub(super) async fn until<'f, T>(&self, what: &str, look: impl Fn() -> Look<'f, T> + Send) -> Result<T, Failed> {
        let clock = self.broker.context().clock();
        let end = clock.elapsed() + PATIENCE;
        loop {
            let why = match look().await? {
                Ok(found) => return Ok(found),
                Err(why) => why,
            };
            if clock.elapsed() >= end {
                return Err(Failed(format!("waited {} s until {what}: {why}", PATIENCE.as_secs())));
            }
            clock.sleep(EACH).await;
        }
    }

    /// Waits until an order holds this.
    pub(super) async fn until_order(
        &self,
        order: &OrderRef,
        what: &str,
        holds: impl Fn(&Order) -> bool + Send + Sync,
    ) -> Result<Order, Failed> {
        let holds = &holds;
        self.until(what, || {
            Box::pin(async {
                match self.broker.order(order).await {
                    Ok(order) if holds(&order) => Ok(Ok(order)),
                    Ok(order) => Ok(Err(format!("it is {} {:?}", order.status, order.amount))),
                    // It may become visible late.
                    Err(error) if error.kind() == ErrorKind::NotFound => Ok(Err(error.to_string())),
                    Err(error) => Err(error.into()),
                }
            })
        })
        .await
    }

    pub(super) async fn until_status(&self, order: &OrderRef, wanted: &[OrderStatus]) -> Result<Order, Failed> {
        let words: Vec<_> = wanted.iter().map(OrderStatus::as_str).collect();
        let what = format!("the order is {}", words.join(" or "));
        self.until_order(order, &what, |order| wanted.contains(&order.status))
            .await
    }

    pub(super) async fn open_orders(&self) -> Result<Vec<Order>, Failed> {
        Ok(self.broker.all_orders(OrderQuery::open(&self.setup.account)).await?)
    }

    /// Orders placed in the last minutes, final ones too.
    pub(super) async fn recent_orders(&self) -> Result<Vec<Order>, Failed> {
        let query = OrderQuery::placed(&self.setup.account, self.recent());
        Ok(self.broker.all_orders(query).await?)
    }

    /// Open orders, once as many are listed.
    pub(super) async fn until_open(&self, count: usize) -> Result<Vec<Order>, Failed> {
        self.until("all orders are listed as open", || {
            Box::pin(async {
                let open = self.open_orders().await?;
                Ok(if open.len() == count {
                    Ok(open)
                } else {
                    Err(format!("{} are, of {count}", open.len()))
                })
            })
        })
        .await
    }

    /// What is held where coins are held outright: their balances are no positions.
    fn coin(&self) -> Option<Currency> {
        let outright = !self.broker.capabilities().history.positions_cover_fills;
        self.instrument
            .base
            .filter(|_| outright && self.instrument.payoff == Payoff::Cash)
    }

    /// Whether what is held is told as positions.
    pub(super) fn has_positions(&self) -> bool {
        self.coin().is_none()
    }

    /// Signed size of the position, both legs of a hedging account together; of a coin that is held outright its
    /// balance.
    pub(super) async fn position(&self) -> Result<Decimal, Failed> {
        if let Some(coin) = self.coin() {
            let balances = self.broker.balances(&self.setup.account).await?.balances;
            let held = balances.iter().find(|balance| balance.currency == coin);
            return Ok(held.map_or(Decimal::ZERO, |held| held.total));
        }
        let positions = self.broker.positions(&self.setup.account).await?;
        let ours = positions
            .iter()
            .filter(|position| position.instrument == self.trade.instrument);
        Ok(ours.map(broker_core::Position::signed_qty).sum())
    }

    /// Waits until the position holds this.
    pub(super) async fn until_position(
        &self,
        what: &str,
        holds: impl Fn(Decimal) -> bool + Send + Sync,
    ) -> Result<Decimal, Failed> {
        let holds = &holds;
        self.until(&format!("the position {what}"), || {
            Box::pin(async move {
                let qty = self.position().await?;
                Ok(if holds(qty) {
                    Ok(qty)
                } else {
                    Err(format!("it is {qty}"))
                })
            })
        })
        .await
    }

    /// Whether a position is what this quantity leaves: all of it, or of a coin a little less, for its fee may be
    /// taken in kind.
    pub(super) fn is_worth(&self, position: Decimal, qty: Decimal) -> bool {
        let is_coin = self.instrument.base.is_some() && self.instrument.payoff == Payoff::Cash;
        position == qty || (is_coin && position < qty && position > qty * Decimal::new(98, 2))
    }

    /// Nothing, or less than can be traded.
    pub(super) fn is_flat(&self, qty: Decimal) -> bool {
        qty.is_zero() || self.instrument.lot.is_some_and(|lot| qty.abs() < lot)
    }

    /// The last minutes, by the venue's clock or ours, and some to come.
    fn recent(&self) -> Window {
        let now = self.broker.context().clock().now();
        let minutes = chrono::Duration::minutes(5);
        Window::Between {
            since: self.setup.until.min(now) - minutes,
            until: Some(self.setup.until.max(now) + minutes),
        }
    }

    /// The fills of an order, by the history, oldest first; pages may repeat them.
    pub(super) async fn fills(&self, order: &Order) -> Result<Vec<Fill>, Failed> {
        let query = HistoryQuery::new(&self.setup.account, self.recent());
        let query = query.with_instrument(self.trade.instrument.clone());
        let mut fills: Vec<Fill> = self.broker.fills(&query).try_collect().await?;
        fills.retain(|fill| fill.order.as_ref() == Some(&order.id));
        fills.sort_by(|a, b| (a.at, &a.id).cmp(&(b.at, &b.id)));
        fills.dedup_by(|a, b| a.id == b.id);
        Ok(fills)
    }

    /// The fills of an order, once they sum to this.
    pub(super) async fn fills_of(&self, order: &Order, sum: Qty) -> Result<Vec<Fill>, Failed> {
        self.until("the history has all fills of the order", || {
            Box::pin(async {
                let fills = self.fills(order).await?;
                let has: Decimal = fills.iter().map(|fill| fill.qty.get()).sum();
                Ok(if has == sum.get() {
                    Ok(fills)
                } else {
                    Err(format!("{} fills of {has} in all, of {sum}", fills.len()))
                })
            })
        })
        .await
    }
}

pub(super) fn accepted(placement: Placement) -> Result<Order, Failed> {
    match placement {
        Placement::Accepted(order) => Ok(*order),
        Placement::Rejected(error) => Err(Failed(format!("rejected: {error}"))),
        Placement::InDoubt(ticket) => Err(Failed(format!("in doubt: {}", ticket.reason()))),
    }
}

/// Whether it failed as it must, with nothing sent.
pub(super) fn is_unsent<T>(answer: Result<T>, kind: ErrorKind) -> Outcome {
    match answer {
        Ok(_) => Err(Failed("it was taken".to_owned())),
        Err(error) => has(&error, kind, Delivery::NotSent),
    }
}

/// Whether an error is of this kind and delivery.
pub(super) fn has(error: &Error, kind: ErrorKind, delivery: Delivery) -> Outcome {
    super::check(
        error.kind() == kind && error.delivery() == delivery,
        format!("{error} ({:?}), not {kind} ({delivery:?})", error.delivery()),
    )
}
