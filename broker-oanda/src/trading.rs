//! Placing, tracing, replacing and canceling orders; closing trades and positions.
//!
//! There is no idempotency for market orders: an id of ours is unique among pending orders alone. So nothing is ever
//! sent twice. Before an order the newest transaction is remembered; after a lost answer the transactions behind it
//! are read for our id.

use async_trait::async_trait;
use broker_core::http::{Call, OpClass};
use broker_core::journal::Mark;
use broker_core::limit::Lane;
use broker_core::model::{Level, OrderChange, OrderQuery, PositionLeg, Trail};
use broker_core::num::Text;
use broker_core::{
    AccountId, Broker, CancelOutcome, Cursor, Error, ErrorKind, Fill, Gate, Instrument, InstrumentId, InstrumentQuery,
    Intent, Order, OrderRef, OrderStatus, Qty, RecordId, Result, Trading,
};
use http::Method;
use serde::Serialize;

use crate::broker::OandaBroker;
use crate::error::canceled_at_once;
use crate::map::order::{Made, parent_of};
use crate::map::request::{self, digits, plain, trail_digits};
use crate::map::{Book, order, record};
use crate::orders::Rows;
use crate::rest::{Rest, order_path, path, segment};
use crate::wire::send::{ClosePositionOut, CloseTradeOut, ExitOut, ExitsOut, OrderBody};
use crate::wire::{self, DoneJson, ExitsDoneJson, RowJson};

/// How much of a trade or a position to close.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Closing {
    /// All of it: asked twice, the second answer says that there is nothing left.
    All,
    /// A part of it.
    Part(Qty),
}

impl Closing {
    fn units(self) -> String {
        match self {
            Self::All => "ALL".to_owned(),
            Self::Part(qty) => plain(qty.get()),
        }
    }
}

/// What becomes of one exit of a trade.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum ExitChange<T> {
    /// It stays as it is.
    #[default]
    Keep,
    /// It is canceled.
    Cancel,
    /// It is made, or takes the place of the one that is there.
    Set(T),
}

/// A protecting stop of a trade: at a price, or at a distance from the price at which the trade was opened.
pub type StopLoss = Level;

/// What becomes of the exits of a trade. When the trade closes, whatever is left of them is canceled.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct TradeExits {
    /// The target, by its price.
    pub take_profit: ExitChange<broker_core::Price>,
    /// The stop.
    pub stop_loss: ExitChange<StopLoss>,
    /// The stop whose price is guaranteed, for a fee.
    pub guaranteed_stop_loss: ExitChange<StopLoss>,
    /// The stop that follows the price, by a distance in price.
    pub trailing_stop: ExitChange<Trail>,
}

impl TradeExits {
    /// All of them stay.
    pub fn new() -> Self {
        Self::default()
    }

    /// Changes the target.
    #[must_use]
    pub fn with_take_profit(mut self, change: ExitChange<broker_core::Price>) -> Self {
        self.take_profit = change;
        self
    }

    /// Changes the stop.
    #[must_use]
    pub fn with_stop_loss(mut self, change: ExitChange<StopLoss>) -> Self {
        self.stop_loss = change;
        self
    }

    /// Changes the guaranteed stop.
    #[must_use]
    pub fn with_guaranteed_stop_loss(mut self, change: ExitChange<StopLoss>) -> Self {
        self.guaranteed_stop_loss = change;
        self
    }

    /// Changes the trailing stop.
    #[must_use]
    pub fn with_trailing_stop(mut self, change: ExitChange<Trail>) -> Self {
        self.trailing_stop = change;
        self
    }
}

impl OandaBroker {
    /// Closes a trade, or a part of it, once: OANDA's own way, which names the lot. Gives the fill.
    ///
    /// # Errors
    /// `NotFound` when there is no such open trade; with [`Delivery::Unknown`](broker_core::Delivery::Unknown) it may
    /// have been closed: read the trade.
    pub async fn close_trade(&self, account: &AccountId, trade: &RecordId, closing: Closing) -> Result<Fill> {
        let unsent = Error::unsent(self.id(), "close_trade");
        let book = self.book(account).await.map_err(&unsent)?;
        let body = text(&CloseTradeOut { units: closing.units() }).map_err(&unsent)?;
        let path = path(account, &format!("trades/{}/close", segment(trade.get())));
        let call = self.rest().write("close_trade", Method::PUT, path).json(body);
        let read = |done: &DoneJson<'_>| {
            let fill = done.order_fill_transaction.as_ref();
            closed(fill, done.order_cancel_transaction.as_ref(), &book)
        };
        self.rest().done(call, account, read).await
    }

    /// Closes a position, or a part of it, once: OANDA's own way, whichever lots it is made of. In a netting account
    /// the leg is [`PositionLeg::Net`]: the side that is open is read first. Gives the fill.
    ///
    /// # Errors
    /// `NotFound` when there is no such position; with [`Delivery::Unknown`](broker_core::Delivery::Unknown) it may have
    /// been closed: read it.
    pub async fn close_position(
        &self,
        account: &AccountId,
        instrument: &InstrumentId,
        leg: PositionLeg,
        closing: Closing,
    ) -> Result<Fill> {
        let unsent = Error::unsent(self.id(), "close_position");
        let book = self.book(account).await.map_err(&unsent)?;
        let open = self.rest().positions(&book).await.map_err(&unsent)?;
        let position = open
            .into_iter()
            .find(|one| one.instrument == *instrument && one.leg == leg);
        let position = position.ok_or_else(|| {
            let error = Error::new(ErrorKind::NotFound).with_message(format!("no open position in {instrument}"));
            unsent(error)
        })?;
        let units = Some(closing.units());
        let body = match position.side {
            broker_core::Side::Buy => ClosePositionOut {
                long_units: units,
                short_units: None,
            },
            broker_core::Side::Sell => ClosePositionOut {
                long_units: None,
                short_units: units,
            },
        };
        let body = text(&body).map_err(&unsent)?;
        let path = path(account, &format!("positions/{}/close", segment(instrument.get())));
        let call = self.rest().write("close_position", Method::PUT, path).json(body);
        let read = |done: &DoneJson<'_>| {
            let fill = done
                .long_order_fill_transaction
                .as_ref()
                .or(done.short_order_fill_transaction.as_ref());
            let cancel = done
                .long_order_cancel_transaction
                .as_ref()
                .or(done.short_order_cancel_transaction.as_ref());
            closed(fill, cancel, &book)
        };
        self.rest().done(call, account, read).await
    }

    /// Sets, changes or cancels the exits of an open trade, once. Gives the orders that were made; what is kept is
    /// left out. Setting the same again makes the same exits anew.
    ///
    /// # Errors
    /// `NotFound` when there is no such open trade; `OrderRejected` when an exit was canceled at once.
    pub async fn set_exits(&self, account: &AccountId, trade: &RecordId, exits: &TradeExits) -> Result<Vec<Order>> {
        let unsent = Error::unsent(self.id(), "set_exits");
        let book = self.book(account).await.map_err(&unsent)?;
        let of = self.rest().trade(&book, trade.get()).await.map_err(&unsent)?;
        let instrument = self.instrument(&of.instrument).await.map_err(&unsent)?;
        let body = exits_out(exits, &instrument)
            .and_then(|body| text(&body))
            .map_err(&unsent)?;
        let path = path(account, &format!("trades/{}/orders", segment(trade.get())));
        let call = self.rest().write("set_exits", Method::PUT, path).json(body);
        let lot = order::Lot {
            id: wire::id(of.id.get())?,
            instrument: of.instrument.clone(),
            side: of.side,
            qty: of.qty,
            order: None,
        };
        let read = |body: &str| {
            let done: ExitsDoneJson<'_> = wire::decode(body)?;
            self.rest().saw(account, done.last.get())?;
            let pairs = [
                (
                    &done.take_profit_order_transaction,
                    &done.take_profit_order_created_cancel_transaction,
                ),
                (
                    &done.stop_loss_order_transaction,
                    &done.stop_loss_order_created_cancel_transaction,
                ),
                (
                    &done.guaranteed_stop_loss_order_transaction,
                    &done.guaranteed_stop_loss_order_created_cancel_transaction,
                ),
                (
                    &done.trailing_stop_loss_order_transaction,
                    &done.trailing_stop_loss_order_created_cancel_transaction,
                ),
            ];
            let mut made = Vec::new();
            for (created, canceled) in pairs {
                let Some(created) = created else { continue };
                if let Some(canceled) = canceled {
                    return Err(canceled_at_once(canceled.reason.as_ref().map_or("", Text::get)));
                }
                let mut exit = order::made(created, &book)?;
                exit.join(&lot, &book);
                made.push(exit.order);
            }
            Ok(made)
        };
        self.rest().http.run(call, read).await
    }

    async fn instrument(&self, id: &InstrumentId) -> Result<Instrument> {
        let found = self.instruments(&InstrumentQuery::Ids(vec![id.clone()])).await?;
        let missing = || Error::invalid(format!("the account cannot trade {id}"));
        found.into_iter().next().ok_or_else(missing)
    }

    /// Whether an order can carry this id, in this account.
    async fn check(&self, intent: &Intent) -> Result<()> {
        let rule = self.capabilities().orders.client_id;
        rule.map_or(Ok(()), |rule| rule.check(&intent.id))?;
        let names = self.rest().names().await?;
        match names.iter().any(|(name, is_mt4)| *name == intent.account && *is_mt4) {
            true => Err(Error::unsupported(
                "MetaTrader trades this account: its orders must not carry ids of ours",
            )),
            false => Ok(()),
        }
    }
}

#[async_trait]
impl Trading for OandaBroker {
    /// The newest transaction: the order's own will be behind it.
    async fn mark(&self, account: &AccountId) -> Result<Option<Mark>> {
        self.book(account).await?;
        let last = self.rest().mark(account).await?;
        Ok(Some(Mark(last.to_string())))
    }

    async fn place(&self, intent: &Intent, gate: &Gate) -> Result<Order> {
        let unsent = Error::unsent(self.id(), "place");
        let book = self.book(&intent.account).await.map_err(&unsent)?;
        self.check(intent).await.map_err(&unsent)?;
        let order = request::place(intent, &book, self.guarantees_stops()).map_err(&unsent)?;
        let body = text(&OrderBody { order }).map_err(&unsent)?;
        let call = self
            .rest()
            .write("place", Method::POST, path(&intent.account, "orders"));
        let read = |done: &DoneJson<'_>| taken(done, done.order_cancel_transaction.as_ref(), intent, &book);
        self.rest()
            .done(call.json(body).gated(gate), &intent.account, read)
            .await
    }

    async fn trace(&self, intent: &Intent) -> Result<Vec<Order>> {
        let book = self.book(&intent.account).await?;
        let traced = self.rest().traced(intent, &book, self.context().clock().now()).await;
        traced.map_err(|error| error.with_broker(self.id()).with_operation("trace"))
    }

    /// Reads the order first: a replacement is the whole order again.
    async fn replace(
        &self,
        order: &OrderRef,
        change: &OrderChange,
        replacement: &Intent,
        gate: &Gate,
    ) -> Result<Order> {
        let unsent = Error::unsent(self.id(), "replace");
        let book = self.book(&order.account).await.map_err(&unsent)?;
        self.check(replacement).await.map_err(&unsent)?;
        let specifier = specifier(order).map_err(&unsent)?;
        let read = |old: &RowJson<'_>, _: u64| {
            let body = request::replace(old, change, &replacement.id, &replacement.instrument)?;
            let exit = order::made(old, &book)?;
            Ok((old.id()?.to_owned(), body, exit))
        };
        let old = self.rest().order_row(&order.account, &specifier, read).await;
        let (id, body, old) = old.map_err(&unsent)?;
        let body = text(&OrderBody { order: body }).map_err(&unsent)?;
        let path = order_path(&order.account, &id).map_err(&unsent)?;
        let call = self.rest().write("replace", Method::PUT, path);
        let read = |done: &DoneJson<'_>| {
            let canceled = done.replacing_order_cancel_transaction.as_ref();
            let mut new = taken(done, canceled, replacement, &book)?;
            if new.legs.is_empty() {
                new.legs.clone_from(&old.order.legs);
            }
            Ok(new)
        };
        let new = self
            .rest()
            .done(call.json(body).gated(gate), &order.account, read)
            .await?;
        match new.legs.is_empty() {
            // An exit says nothing of its trade, so it is read. It was made, whatever comes of reading it.
            true => Ok(self
                .rest()
                .whole(&book, new.id.get())
                .await
                .map_or(new, |made| made.order)),
            false => Ok(new),
        }
    }

    async fn cancel(&self, order: &OrderRef) -> Result<()> {
        let unsent = Error::unsent(self.id(), "cancel");
        self.book(&order.account).await.map_err(&unsent)?;
        let specifier = specifier(order).map_err(&unsent)?;
        let path = order_path(&order.account, &specifier).map_err(&unsent)?;
        let call = self.rest().write("cancel", Method::PUT, format!("{path}/cancel"));
        let read = |done: &DoneJson<'_>| match &done.order_cancel_transaction {
            Some(_) => Ok(()),
            None => Err(Error::decode("a cancel that canceled nothing")),
        };
        self.rest().done(call.in_lane(Lane::Cancel), &order.account, read).await
    }

    /// OANDA has no such call: pending orders are listed and canceled one by one. An exit that went with another one's
    /// trade meanwhile is gone, as was asked.
    async fn cancel_all(&self, account: &AccountId) -> Result<Vec<CancelOutcome>> {
        let page = self.orders(&OrderQuery::open(account), None::<&Cursor>).await;
        let open = page.map_err(Error::unsent(self.id(), "cancel_all"))?.rows;
        let mut outcomes = Vec::new();
        for order in open.iter().filter(|order| parent_of(&order.id).is_none()) {
            let result = self.cancel(&order.reference()).await;
            outcomes.push(CancelOutcome {
                order: order.id.clone(),
                result,
            });
        }
        Ok(outcomes)
    }
}

impl Rest {
    fn write(&self, op: &'static str, method: Method, path: String) -> Call {
        self.limited(Call::new(op, OpClass::Write, method, &self.base, path))
    }

    /// Sends a write once. An answer that cannot be read leaves open what became of it.
    async fn done<T>(
        &self,
        call: Call,
        account: &AccountId,
        read: impl Fn(&DoneJson<'_>) -> Result<T> + Send + Sync,
    ) -> Result<T> {
        let read = |body: &str| {
            let done: DoneJson<'_> = wire::decode(body)?;
            let result = read(&done);
            self.saw(account, done.last.get())?;
            result
        };
        self.http.run(call, read).await
    }
}

/// The order of an answer. One that was canceled at once is a refusal, though its answer is 201; but not a limit order
/// that was not to rest, and that the market did not meet.
fn taken(done: &DoneJson<'_>, canceled: Option<&RowJson<'_>>, intent: &Intent, book: &Book) -> Result<Order> {
    let missing = || Error::decode("the answer tells of no order");
    let created = done.order_create_transaction.as_ref().ok_or_else(missing)?;
    let mut rows = Rows::default();
    for row in [Some(created), done.order_fill_transaction.as_ref(), canceled]
        .into_iter()
        .flatten()
    {
        if let Some(told) = order::told(row, book)? {
            rows.take(row.number()?, told);
        }
    }
    let made: Option<Made> = rows.settle(book).remove(&created.number()?);
    let order = made.ok_or_else(missing)?.order;
    let is_filled = !order.filled_qty.is_zero();
    let is_ended = is_filled || order.status != OrderStatus::New;
    if (done.order_fill_transaction.is_some() && !is_filled) || (canceled.is_some() && !is_ended) {
        return Err(Error::decode(
            "the answer's fill or cancel is of another order than it made",
        ));
    }
    if order.client_id.as_ref() != Some(&intent.id) {
        return Err(Error::decode(
            "the answer is about another order than the one that was sent",
        ));
    }
    match (&order.status, &order.reason) {
        (OrderStatus::Rejected | OrderStatus::Expired, Some(reason)) => Err(canceled_at_once(reason)),
        _ => Ok(order),
    }
}

/// The fill of a close; one that was canceled at once closed nothing.
fn closed(fill: Option<&RowJson<'_>>, canceled: Option<&RowJson<'_>>, book: &Book) -> Result<Fill> {
    match (fill, canceled) {
        (Some(fill), _) => Ok(record::fill(fill, book)?.0),
        (None, Some(canceled)) => Err(canceled_at_once(canceled.reason.as_ref().map_or("", Text::get))),
        (None, None) => Err(Error::decode("a close that closed nothing")),
    }
}

/// How OANDA's paths name an order: by its own id, or by `@` and ours.
fn specifier(order: &OrderRef) -> Result<String> {
    match (&order.id, &order.client_id) {
        (Some(id), _) if parent_of(id).is_some() => Err(Error::unsupported(
            "this exit is made when its entry fills: until then cancel or change the entry",
        )),
        (Some(id), _) => Ok(id.get().to_owned()),
        (None, Some(id)) => Ok(format!("@{}", id.get())),
        (None, None) => Err(Error::invalid("an order is named by its id or by its client order id")),
    }
}

fn exits_out(exits: &TradeExits, instrument: &Instrument) -> Result<ExitsOut> {
    let stop = |level: Level| {
        Ok(match level {
            Level::Price(price) => request::exit(Some(digits(price.get(), instrument)?), None),
            Level::Distance(distance) => request::exit(None, Some(digits(distance.get(), instrument)?)),
        })
    };
    Ok(ExitsOut {
        take_profit: out(exits.take_profit, |price| {
            Ok(request::exit(Some(digits(price.get(), instrument)?), None))
        })?,
        stop_loss: out(exits.stop_loss, stop)?,
        guaranteed_stop_loss: out(exits.guaranteed_stop_loss, stop)?,
        trailing_stop_loss: out(exits.trailing_stop, |trail| {
            Ok(request::exit(None, Some(trail_digits(trail, instrument)?)))
        })?,
    })
}

#[allow(clippy::option_option, reason = "left out, null, or there: three things in JSON")]
fn out<T>(change: ExitChange<T>, set: impl Fn(T) -> Result<ExitOut>) -> Result<Option<Option<ExitOut>>> {
    Ok(match change {
        ExitChange::Keep => None,
        ExitChange::Cancel => Some(None),
        ExitChange::Set(value) => Some(Some(set(value)?)),
    })
}

fn text(json: &impl Serialize) -> Result<String> {
    serde_json::to_string(json).map_err(|error| Error::invalid("the order cannot be written").with_source(error))
}
