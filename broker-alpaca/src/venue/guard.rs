//! What Alpaca refuses by the state of the account and of the market, before its matching engine sees an order.
//!
//! It comes behind the check of the client order id: an order that is sent again because its answer was lost is told
//! that its id is taken, whatever else has changed since.

use broker_core::model::{InstrumentRef, Level, OrderKind, PositionLeg, Size, StopExit, Trigger};
use broker_core::{AccountId, Instrument, InstrumentId, Order, OrderRequest, Price, Side, TimeInForce};
use broker_sim::{Calendar, ClientIdPolicy, Engine, SimReject};
use chrono::{DateTime, Duration, TimeZone, Utc};
use chrono_tz::America::New_York;
use rust_decimal::Decimal;

use super::json::plain;
use super::orders::Book;
use super::params::{local_date, midnight};
use super::place;
use super::refusal::Refusal;

/// Least distance of a stop from the price that it protects: a cent.
const STOP_DISTANCE: Decimal = Decimal::from_parts(1, 0, 0, false, 2);
/// From this hour of New York on, orders for the next day's auctions are taken again.
const AUCTIONS_REOPEN: u32 = 19;

/// What a check looks at.
#[derive(Clone, Copy)]
pub(super) struct Guard<'a> {
    pub(super) engine: &'a Engine,
    pub(super) account: &'a AccountId,
    pub(super) now: DateTime<Utc>,
    pub(super) allows_wash_trades: bool,
}

impl Guard<'_> {
    pub(super) fn check(&self, order: &OrderRequest, instrument: &Instrument) -> Result<(), Refusal> {
        self.check_client_id(order)?;
        self.check_window(order)?;
        self.check_stop(order, instrument)?;
        if let Size::Qty(qty) = order.size {
            self.check_holdings(instrument, order.side, qty.get(), Decimal::ZERO)?;
        }
        self.check_wash_trade(order)
    }

    fn check_client_id(&self, order: &OrderRequest) -> Result<(), Refusal> {
        let Some(id) = &order.client_id else { return Ok(()) };
        let taken = self.engine.order_by_client_id(self.account, id).is_ok();
        if taken && self.engine.rules().client_ids == ClientIdPolicy::Forever {
            return Err(Refusal::duplicate());
        }
        Ok(())
    }

    /// Orders for the opening are taken until two minutes before it, those for the close until ten minutes before it,
    /// and both again from 19:00 for the next day.
    fn check_window(&self, order: &OrderRequest) -> Result<(), Refusal> {
        let opens = match order.time_in_force {
            Some(TimeInForce::AtOpen) => true,
            Some(TimeInForce::AtClose) => false,
            _ => return Ok(()),
        };
        let date = local_date(self.now);
        let until = date.succ_opt().and_then(midnight);
        let (Some(since), Some(until)) = (midnight(date), until) else {
            return Ok(());
        };
        let sessions = Calendar::UsEquity.sessions(since, until);
        let Some(session) = sessions.iter().find(|session| !session.extended) else {
            return Ok(());
        };
        let (word, ends_at) = if opens {
            ("opg", session.opens_at - Duration::minutes(2))
        } else {
            ("cls", session.closes_at - Duration::minutes(10))
        };
        let evening = date.and_hms_opt(AUCTIONS_REOPEN, 0, 0);
        let evening = evening.and_then(|evening| New_York.from_local_datetime(&evening).single());
        if self.now >= ends_at && evening.is_some_and(|evening| self.now < evening) {
            let last = ends_at.with_timezone(&New_York).format("%H:%M");
            return Err(Refusal::invalid(format!(
                "{word} orders are not accepted from {last} to 19:00 ET: market closed for this auction"
            )));
        }
        Ok(())
    }

    /// A stop lies at least a cent from the price of the entry: its limit, or what the market gives. That of an OCO
    /// lies so far from what the market gives.
    fn check_stop(&self, order: &OrderRequest, instrument: &Instrument) -> Result<(), Refusal> {
        let (exit, is_long) = match (&order.trigger, order.stop) {
            (Trigger::Oco { stop, .. }, _) => (*stop, order.side == Side::Sell),
            (_, Some(stop)) => (stop, order.side == Side::Buy),
            (_, None) => return Ok(()),
        };
        let StopExit::Stop {
            stop: Level::Price(stop),
            ..
        } = exit
        else {
            return Ok(());
        };
        let base = match order.trigger {
            Trigger::Limit { limit } => Some(limit),
            _ => self.market_price(instrument, order.side),
        };
        let Some(base) = base.map(Price::get) else {
            return Ok(());
        };
        let distance = if is_long { base - stop.get() } else { stop.get() - base };
        if distance >= STOP_DISTANCE {
            return Ok(());
        }
        let border = if is_long {
            "<= base_price - 0.01"
        } else {
            ">= base_price + 0.01"
        };
        Err(Refusal::invalid(format!("stop_loss.stop_price must be {border}")).with("base_price", plain(base)))
    }

    fn market_price(&self, instrument: &Instrument, side: Side) -> Option<Price> {
        let quote = self.engine.quote(&instrument.id)?;
        let at_once = match side {
            Side::Buy => quote.ask,
            Side::Sell => quote.bid,
        };
        at_once.or_else(|| self.engine.mark(&instrument.id))
    }

    /// An order against a position takes no more than what is free of it: no order turns a position round, and what
    /// other orders hold is theirs. `own` is what the order itself holds already.
    pub(super) fn check_holdings(
        &self,
        instrument: &Instrument,
        side: Side,
        requested: Decimal,
        own: Decimal,
    ) -> Result<(), Refusal> {
        let position = self
            .engine
            .position(self.account, &instrument.id, PositionLeg::Net)
            .filter(|position| position.side != side);
        let Some(position) = position else { return Ok(()) };
        let free = position.available.unwrap_or(position.qty).get();
        let held = position.qty.get() - free;
        let available = free + own;
        if requested <= available {
            return Ok(());
        }
        let reject = SimReject::InsufficientQty {
            requested,
            available,
            held: held - own,
        };
        Err(place::refusal(&reject, Some(instrument)))
    }

    /// Two orders of one account that could trade with each other. Exits that are held cannot; an OCO is taken.
    fn check_wash_trade(&self, order: &OrderRequest) -> Result<(), Refusal> {
        let InstrumentRef::Id(instrument) = &order.instrument else {
            return Ok(());
        };
        if self.allows_wash_trades || matches!(order.trigger, Trigger::Oco { .. }) {
            return Ok(());
        }
        let book = Book::of(self.engine, self.account)?;
        let open = self.engine.open_orders(self.account);
        let open = open.map_err(|reject| place::refusal(&reject, None))?;
        let resting = open
            .filter(|resting| is_opposite(resting.order(), instrument, order.side) && !book.is_held(resting))
            .map(|resting| resting.order())
            .find(|resting| could_cross(limit_of(order), limit_of_resting(resting), order.side));
        let Some(resting) = resting else { return Ok(()) };
        let reason = if limit_of_resting(resting).is_some() {
            "opposite side limit order exists"
        } else {
            "opposite side market/stop order exists"
        };
        Err(Refusal::rejected("potential wash trade detected. use complex orders")
            .with("existing_order_id", resting.id.get())
            .with("reject_reason", reason))
    }
}

fn is_opposite(resting: &Order, instrument: &InstrumentId, side: Side) -> bool {
    resting
        .legs
        .first()
        .is_some_and(|leg| leg.instrument == *instrument && leg.side != side)
}

/// The worst price that an order takes; `None` for one that takes any.
fn limit_of(order: &OrderRequest) -> Option<Price> {
    match order.trigger {
        Trigger::Limit { limit } | Trigger::StopLimit { limit, .. } => Some(limit),
        _ => None,
    }
}

fn limit_of_resting(order: &Order) -> Option<Price> {
    matches!(order.kind, OrderKind::Limit | OrderKind::StopLimit)
        .then_some(order.limit_price)
        .flatten()
}

fn could_cross(new: Option<Price>, resting: Option<Price>, side: Side) -> bool {
    let (Some(new), Some(resting)) = (new, resting) else {
        return true;
    };
    match side {
        Side::Buy => new >= resting,
        Side::Sell => new <= resting,
    }
}
