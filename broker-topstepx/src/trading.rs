//! Placing, tracing, changing and canceling orders.
//!
//! Every order carries our id as its tag, which the gateway takes once in an account for ever, so an attempt whose
//! answer was lost is looked for by it. Without `.live()` only practice accounts are traded on.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use broker_core::http::OpClass;
use broker_core::journal::Mark;
use broker_core::limit::Lane;
use broker_core::model::{
    Amount, Environment, OrderChange, OrderKind, OrderLeg, OrderLinks, OrderState, OrderStatus, PositionLeg, Trail,
    Trigger,
};
use broker_core::{
    AccountId, Broker, BrokerExt, CancelOutcome, ClientOrderId, Error, ErrorKind, Gate, InstrumentId, Intent, Order,
    OrderId, OrderQuery, OrderRef, Price, Qty, Result, Side, TimeInForce, Trading,
};
use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use serde::Serialize;

use crate::broker::TopstepxBroker;
use crate::map::{self, account::is_practice, request};
use crate::rest::Endpoint;
use crate::wire::request::{CancelJson, CloseJson, PlaceJson, Plain};
use crate::wire::{self, Answer, NothingJson, OrderIdJson};

/// How far before its intent an order is looked for: clocks differ. One that is missed so is not taken for dead, for
/// nothing bounds its arrival, and a second send under its tag is refused.
const LOOK_BACK: chrono::Duration = chrono::Duration::minutes(5);

/// The names of the accounts of the key, once they were read.
#[derive(Debug, Default)]
pub(crate) struct Names(Mutex<BTreeMap<AccountId, Name>>);

/// An account's name. Never shown: it may hold a number.
#[derive(Clone)]
struct Name(String);

impl std::fmt::Debug for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("…")
    }
}

/// Which side of the book a [`JoinOrder`] rests at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JoinSide {
    /// At the best bid.
    Bid,
    /// At the best ask.
    Ask,
}

/// A limit order at the best bid or ask of the moment, which the gateway looks up itself. No other broker has it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct JoinOrder {
    /// What to trade.
    pub contract: InstrumentId,
    /// Buy or sell.
    pub side: Side,
    /// How many contracts.
    pub qty: Qty,
    /// Where it rests.
    pub at: JoinSide,
    /// Our id, unique in the account for ever.
    pub client_id: ClientOrderId,
}

impl JoinOrder {
    /// So many contracts at the best bid or ask.
    pub fn new(
        contract: InstrumentId,
        side: Side,
        qty: Qty,
        at: JoinSide,
        client_id: impl Into<ClientOrderId>,
    ) -> Self {
        Self {
            contract,
            side,
            qty,
            at,
            client_id: client_id.into(),
        }
    }
}

impl TopstepxBroker {
    /// Places an order that joins the best bid or ask, once. An error's [`delivery`](Error::delivery) says whether it
    /// may be there: then look for its id, or place it again under the same id, of which there is only ever one.
    ///
    /// # Errors
    /// `DuplicateOrder`: an order of this id is there, or was.
    pub async fn place_join(&self, account: &AccountId, order: &JoinOrder) -> Result<Order> {
        let unsent = Error::unsent(self.id(), "place");
        self.check_tag(&order.client_id).map_err(&unsent)?;
        self.check_permitted(account).await.map_err(&unsent)?;
        let whole = order.qty.get().fract().is_zero() && !order.qty.is_zero();
        if !whole {
            return Err(unsent(Error::invalid("a number of whole contracts is needed")));
        }
        let (kind, word) = match order.at {
            JoinSide::Bid => (6, "join_bid"),
            JoinSide::Ask => (7, "join_ask"),
        };
        let body = PlaceJson {
            account_id: map::number(account).map_err(&unsent)?,
            contract_id: order.contract.get(),
            kind,
            side: request::side(order.side),
            size: Plain(order.qty.get()),
            limit_price: None,
            stop_price: None,
            trail_price: None,
            custom_tag: order.client_id.get(),
            stop_loss_bracket: None,
            take_profit_bracket: None,
        };
        let id = self.send(&body, None).await?;
        let kind = OrderKind::Other(word.into());
        let placed = Placed {
            account,
            client_id: &order.client_id,
            instrument: &order.contract,
            side: order.side,
            qty: order.qty,
            kind,
        };
        Ok(placed.order(id))
    }

    /// Closes the whole position in a contract at the market, and cancels the orders that protect it. The gateway
    /// gives no order for it: the fill is in the history.
    ///
    /// # Errors
    /// `NotFound` where there is no position. After an error of unknown delivery read the positions before asking
    /// again.
    pub async fn close_position(&self, account: &AccountId, contract: &InstrumentId) -> Result<()> {
        self.close_by(Endpoint::Close, account, contract, None).await
    }

    /// Closes so many contracts of a position at the market. The gateway gives no order for it.
    ///
    /// Each call reduces again. Where that matters, place a market order of the other side instead, which carries an
    /// id; and look at the orders that protected the part: the gateway leaves them or cancels them.
    ///
    /// # Errors
    /// As [`close_position`](Self::close_position).
    pub async fn close_part(&self, account: &AccountId, contract: &InstrumentId, qty: Qty) -> Result<()> {
        self.close_by(Endpoint::PartialClose, account, contract, Some(qty))
            .await
    }

    async fn close_by(
        &self,
        endpoint: Endpoint,
        account: &AccountId,
        contract: &InstrumentId,
        qty: Option<Qty>,
    ) -> Result<()> {
        let unsent = Error::unsent(self.id(), endpoint.op());
        self.check_permitted(account).await.map_err(&unsent)?;
        if qty.is_some_and(|qty| qty.is_zero() || !qty.get().fract().is_zero()) {
            return Err(unsent(Error::invalid("a number of whole contracts is needed")));
        }
        let body = CloseJson {
            account_id: map::number(account).map_err(&unsent)?,
            contract_id: contract.get(),
            size: qty.map(|qty| Plain(qty.get())),
        };
        self.command(endpoint, &body, None, Lane::Cancel).await
    }

    fn check_tag(&self, id: &ClientOrderId) -> Result<()> {
        let rule = self.capabilities().orders.client_id;
        rule.map_or(Ok(()), |rule| rule.check(id))
    }

    /// There is no sandbox, and one key trades every account of the profile: without `.live()` an account must say
    /// that it is one to practice on.
    async fn check_permitted(&self, account: &AccountId) -> Result<()> {
        map::number(account)?;
        let name = match self.names().get(account) {
            Some(name) => name,
            None => {
                let all = self.rest().names().await?;
                self.names().put(all);
                let unknown =
                    || Error::new(ErrorKind::NotFound).with_message(format!("this key has no account {account}"));
                self.names().get(account).ok_or_else(unknown)?
            }
        };
        match self.environment() == Environment::Live || is_practice(&name.0) {
            true => Ok(()),
            false => Err(Error::new(ErrorKind::Permission)
                .with_message(format!("account {account} is not a practice account"))
                .with_help("write .live() in the configuration to trade on evaluation and funded accounts")),
        }
    }

    /// Where a trailing stop starts: by its distance from the last price.
    async fn trail_price(&self, trail: Trail, side: Side, instrument: &InstrumentId) -> Result<Plain> {
        let last = self.rest().last_price(instrument, self.context().clock().now()).await?;
        let none =
            || Error::new(ErrorKind::Unavailable).with_message("nothing was traded lately: there is no last price");
        request::level(trail, side, last.ok_or_else(none)?)
    }

    /// Sends an order once, and gives its number.
    async fn send(&self, body: &PlaceJson<'_>, gate: Option<&Gate>) -> Result<OrderId> {
        let unsent = Error::unsent(self.id(), "place");
        let call = self
            .rest()
            .call(Endpoint::Place, OpClass::Write, body)
            .map_err(&unsent)?;
        let call = match gate {
            Some(gate) => call.gated(gate),
            None => call,
        };
        let read = |body: &str| {
            let answer: Answer<'_, OrderIdJson> = wire::decode(body)?;
            let OrderIdJson(number) = answer.needed(Endpoint::Place, "order id")?;
            Ok(OrderId::from(number.to_string()))
        };
        self.rest().http.run(call, read).await
    }

    /// Sends what is answered by a yes or a no.
    async fn command(&self, endpoint: Endpoint, body: &impl Serialize, gate: Option<&Gate>, lane: Lane) -> Result<()> {
        let call = self
            .rest()
            .call(endpoint, OpClass::Write, body)
            .map_err(Error::unsent(self.id(), endpoint.op()))?;
        let call = match gate {
            Some(gate) => call.gated(gate),
            None => call,
        };
        let read = |body: &str| {
            let answer: Answer<'_, NothingJson> = wire::decode(body)?;
            answer.taken(endpoint).map(|_| ())
        };
        self.rest().http.run(call.in_lane(lane), read).await
    }

    async fn cancel_by_id(&self, account: &AccountId, id: &OrderId) -> Result<()> {
        let unsent = Error::unsent(self.id(), "cancel");
        let body = CancelJson {
            account_id: map::number(account).map_err(&unsent)?,
            order_id: map::order_number(id).map_err(&unsent)?,
        };
        self.command(Endpoint::Cancel, &body, None, Lane::Cancel).await
    }

    /// A change keeps the order's id: it is done once the order shows it.
    async fn find_change(&self, order: &OrderRef, change: &OrderChange) -> Result<Vec<Order>> {
        let now = self.order(order).await?;
        let shows = change.qty.is_none_or(|qty| now.amount == Amount::Qty(qty))
            && change.limit_price.is_none_or(|price| now.limit_price == Some(price))
            && change.stop_price.is_none_or(|price| now.stop_price == Some(price))
            && change.trail.is_none_or(|trail| now.trail == Some(trail));
        Ok(Some(now).filter(|_| shows).into_iter().collect())
    }
}

impl Names {
    fn get(&self, account: &AccountId) -> Option<Name> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(account)
            .cloned()
    }

    fn put(&self, all: Vec<(AccountId, String)>) {
        let mut names = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        names.extend(all.into_iter().map(|(account, name)| (account, Name(name))));
    }
}

/// An order whose answer is only its number: the rest are the request's own words.
struct Placed<'a> {
    account: &'a AccountId,
    client_id: &'a ClientOrderId,
    instrument: &'a InstrumentId,
    side: Side,
    qty: Qty,
    kind: OrderKind,
}

impl Placed<'_> {
    fn order(self, id: OrderId) -> Order {
        let (instrument, symbol) = map::names(self.instrument.get());
        Order {
            id,
            client_id: Some(self.client_id.clone()),
            account: self.account.clone(),
            legs: vec![OrderLeg {
                instrument,
                symbol,
                side: self.side,
                ratio: Decimal::ONE,
                effect: None,
                position: PositionLeg::Net,
                filled_qty: Qty::ZERO,
                average_price: None,
            }],
            kind: self.kind,
            amount: Amount::Qty(self.qty),
            filled_qty: Qty::ZERO,
            average_price: None,
            limit_price: None,
            stop_price: None,
            trail: None,
            time_in_force: Some(TimeInForce::Day),
            expires_at: None,
            extended_hours: false,
            reduce_only: false,
            status: OrderStatus::PendingNew,
            reason: None,
            links: OrderLinks::default(),
            created_at: None,
            updated_at: None,
        }
    }
}

/// The order of an intent that was taken.
fn placed(intent: &Intent, id: OrderId) -> Order {
    let request = &intent.request;
    let qty = match request.size {
        broker_core::model::Size::Qty(qty) => qty,
        broker_core::model::Size::Notional { .. } => Qty::ZERO,
    };
    let words = Placed {
        account: &intent.account,
        client_id: &intent.id,
        instrument: &intent.instrument.id,
        side: request.side,
        qty,
        kind: request.trigger.kind(),
    };
    let mut order = words.order(id);
    match request.trigger {
        Trigger::Limit { limit } => order.limit_price = Some(limit),
        Trigger::Stop { stop } => order.stop_price = Some(stop),
        Trigger::Trailing(trail) => order.trail = Some(trail),
        _ => {}
    }
    order
}

#[async_trait]
impl Trading for TopstepxBroker {
    /// The id is enough.
    async fn mark(&self, _account: &AccountId) -> Result<Option<Mark>> {
        Ok(None)
    }

    async fn place(&self, intent: &Intent, gate: &Gate) -> Result<Order> {
        let unsent = Error::unsent(self.id(), "place");
        self.check_tag(&intent.id).map_err(&unsent)?;
        let number = map::number(&intent.account).map_err(&unsent)?;
        let mut body = request::place(intent, number).map_err(&unsent)?;
        self.check_permitted(&intent.account).await.map_err(&unsent)?;
        if let Trigger::Trailing(trail) = intent.request.trigger {
            let level = self
                .trail_price(trail, intent.request.side, &intent.instrument.id)
                .await;
            body.trail_price = Some(level.map_err(&unsent)?);
        }
        let id = self.send(&body, Some(gate)).await?;
        Ok(placed(intent, id))
    }

    async fn trace(&self, intent: &Intent) -> Result<Vec<Order>> {
        match &intent.replaces {
            Some(replacement) => self.find_change(&replacement.order, &replacement.change).await,
            None => {
                self.tagged(&intent.account, &intent.id, intent.created_at - LOOK_BACK)
                    .await
            }
        }
    }

    /// Reads the order first: what its kind does not have cannot be changed. The answer says only that the change was
    /// taken, so what comes back is the order as it was.
    async fn replace(
        &self,
        order: &OrderRef,
        change: &OrderChange,
        replacement: &Intent,
        gate: &Gate,
    ) -> Result<Order> {
        let unsent = Error::unsent(self.id(), "replace");
        self.check_permitted(&order.account).await.map_err(&unsent)?;
        let old = self.order(order).await.map_err(&unsent)?;
        let number = map::number(&order.account).map_err(&unsent)?;
        let instrument = &*replacement.instrument;
        let mut body = request::modify(&old, change, instrument, number).map_err(&unsent)?;
        if let (Some(trail), Some(leg)) = (change.trail, old.legs.first()) {
            let level = self.trail_price(trail, leg.side, &instrument.id).await;
            body.trail_price = Some(level.map_err(&unsent)?);
        }
        self.command(Endpoint::Modify, &body, Some(gate), Lane::Order).await?;
        Ok(old)
    }

    async fn cancel(&self, order: &OrderRef) -> Result<()> {
        let unsent = Error::unsent(self.id(), "cancel");
        self.check_permitted(&order.account).await.map_err(&unsent)?;
        match &order.id {
            Some(id) => self.cancel_by_id(&order.account, id).await,
            None => {
                let id = self.order(order).await.map_err(&unsent)?.id;
                self.cancel_by_id(&order.account, &id).await
            }
        }
    }

    /// One by one: the gateway cancels no two orders at once.
    async fn cancel_all(&self, account: &AccountId) -> Result<Vec<CancelOutcome>> {
        let unsent = Error::unsent(self.id(), "cancel_all");
        self.check_permitted(account).await.map_err(&unsent)?;
        let open = self.all_orders(OrderQuery::open(account).with_state(OrderState::Open));
        let open = open.await.map_err(&unsent)?;
        let mut outcomes = Vec::with_capacity(open.len());
        for order in open {
            let mut result = self.cancel_by_id(account, &order.id).await;
            // It may have gone with the rest of its group.
            if result.as_ref().is_err_and(|error| error.kind() == ErrorKind::NotFound)
                && let Ok(now) = self.rest().order(account, &order.id).await
                && now.status == OrderStatus::Canceled
            {
                result = Ok(());
            }
            outcomes.push(CancelOutcome {
                order: order.id,
                result,
            });
        }
        Ok(outcomes)
    }
}

impl crate::rest::Rest {
    /// The close of the newest bar; `None` when nothing was traded for days.
    async fn last_price(&self, contract: &InstrumentId, now: DateTime<Utc>) -> Result<Option<Price>> {
        let ask = wire::BarsAskJson {
            contract_id: contract.get(),
            live: self.live_data,
            start_time: crate::rest::stamp(now - chrono::Duration::days(4)),
            end_time: crate::rest::stamp(now + chrono::Duration::minutes(1)),
            // Seconds.
            unit: 1,
            unit_number: 1,
            limit: 1,
            include_partial_bar: true,
        };
        let read = |body: &str| {
            let answer: Answer<'_, wire::BarsJson> = wire::decode(body)?;
            let bars = answer.needed(Endpoint::Bars, "bars")?.0;
            Ok(bars.iter().max_by_key(|bar| bar.t.0).map(|bar| Price::new(bar.c.0)))
        };
        self.http.run(self.ask(Endpoint::Bars, &ask)?, read).await
    }
}
