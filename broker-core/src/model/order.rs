//! Orders, as brokers report them.

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::position::PositionLeg;
use crate::id::{AccountId, ClientOrderId, InstrumentId, OrderId, Symbol};
use crate::num::{Money, Price, Qty, Side};

words! {
    /// State of an order. An order that is canceled, expired or replaced may have fills.
    OrderStatus {
        /// Sent, not yet taken by the venue.
        PendingNew = "pending_new",
        /// Works at the venue.
        New = "new",
        /// Taken, but waits for its parent, a trigger or a session.
        Held = "held",
        /// Works, with fills.
        PartiallyFilled = "partially_filled",
        /// Done.
        Filled = "filled",
        /// Asked to cancel; may still fill.
        PendingCancel = "pending_cancel",
        /// Canceled.
        Canceled = "canceled",
        /// Asked to replace; may still fill.
        PendingReplace = "pending_replace",
        /// Another order took its place.
        Replaced = "replaced",
        /// Its time ran out.
        Expired = "expired",
        /// The venue refused it.
        Rejected = "rejected",
    }
}

impl OrderStatus {
    /// Whether it can never trade again. An unknown word is not final.
    pub fn is_final(&self) -> bool {
        matches!(
            self,
            Self::Filled | Self::Canceled | Self::Replaced | Self::Expired | Self::Rejected
        )
    }
}

words! {
    /// What makes an order trade.
    OrderKind {
        /// At once, at any price.
        Market = "market",
        /// At its limit or better.
        Limit = "limit",
        /// Becomes a market order at its stop.
        Stop = "stop",
        /// Becomes a limit order at its stop.
        StopLimit = "stop_limit",
        /// Becomes a market order when touched from the other side than a stop.
        MarketIfTouched = "market_if_touched",
        /// Becomes a limit order when touched from the other side than a stop.
        LimitIfTouched = "limit_if_touched",
        /// A stop that follows the price.
        TrailingStop = "trailing_stop",
        /// A stop-limit that follows the price.
        TrailingStopLimit = "trailing_stop_limit",
    }
}

words! {
    /// How long an order works.
    TimeInForce {
        /// Until the end of the session.
        Day = "day",
        /// Until canceled.
        Gtc = "gtc",
        /// Until [`Order::expires_at`].
        Gtd = "gtd",
        /// What fills at once; the rest is canceled.
        Ioc = "ioc",
        /// All at once or nothing.
        Fok = "fok",
        /// In the opening auction.
        AtOpen = "at_open",
        /// In the closing auction.
        AtClose = "at_close",
    }
}

words! {
    /// What holds a group of orders together.
    Group {
        /// An entry with a target and a stop.
        Bracket = "bracket",
        /// One cancels the other.
        Oco = "oco",
        /// One triggers the other.
        Oto = "oto",
        /// Several instruments in one order.
        MultiLeg = "multi_leg",
    }
}

/// Whether an order opens or closes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PositionEffect {
    /// Opens or adds.
    Open,
    /// Reduces or closes.
    Close,
}

/// Size of an order: a quantity, or money to spend.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Amount {
    /// In units of the instrument.
    Qty(Qty),
    /// In money.
    Notional(Money),
}

/// Distance of a trailing stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trail {
    /// In price.
    Amount(#[serde(with = "crate::num::exact")] Decimal),
    /// In percent: 1 is one percent.
    Percent(#[serde(with = "crate::num::exact")] Decimal),
}

/// One instrument of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderLeg {
    /// What is traded.
    pub instrument: InstrumentId,
    /// What people call it.
    pub symbol: Symbol,
    /// Bought or sold.
    pub side: Side,
    /// Units of this leg for each unit of the order; 1 for an order with one leg.
    pub ratio: Decimal,
    /// Opening or closing, where stated.
    pub effect: Option<PositionEffect>,
    /// The leg of a hedging account.
    pub position: PositionLeg,
    /// How much of this leg was filled.
    pub filled_qty: Qty,
    /// Average price of its fills.
    pub average_price: Option<Price>,
}

/// How an order hangs together with others.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OrderLinks {
    /// What the group is, where it is in one.
    pub group: Option<Group>,
    /// The order that it waits for or belongs to.
    pub parent: Option<OrderId>,
    /// Orders that are canceled when it fills.
    pub siblings: Vec<OrderId>,
    /// Orders that it triggers or holds.
    pub children: Vec<OrderId>,
    /// The order whose place it took.
    pub replaces: Option<OrderId>,
    /// The order that took its place.
    pub replaced_by: Option<OrderId>,
}

/// An order, as the broker last reported it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// The broker's id.
    pub id: OrderId,
    /// Our id, where the order carries it.
    pub client_id: Option<ClientOrderId>,
    /// The account.
    pub account: AccountId,
    /// What it trades: one leg, usually. Empty where the broker's answer names none.
    pub legs: Vec<OrderLeg>,
    /// What makes it trade.
    pub kind: OrderKind,
    /// Its size.
    pub amount: Amount,
    /// How much was filled, in units.
    pub filled_qty: Qty,
    /// Average price of the fills.
    pub average_price: Option<Price>,
    /// Limit price.
    pub limit_price: Option<Price>,
    /// Stop or trigger price.
    pub stop_price: Option<Price>,
    /// Distance of a trailing stop.
    pub trail: Option<Trail>,
    /// How long it works; `None` where the venue has its own rule and says nothing.
    pub time_in_force: Option<TimeInForce>,
    /// When it expires.
    pub expires_at: Option<DateTime<Utc>>,
    /// Whether it works outside the regular session.
    pub extended_hours: bool,
    /// Whether it can only reduce a position.
    pub reduce_only: bool,
    /// Its state.
    pub status: OrderStatus,
    /// The broker's words on that state.
    pub reason: Option<String>,
    /// Others that it hangs together with.
    pub links: OrderLinks,
    /// When the venue took it.
    pub created_at: Option<DateTime<Utc>>,
    /// When it last changed.
    pub updated_at: Option<DateTime<Utc>>,
}

impl Order {
    /// A full reference to this order.
    pub fn reference(&self) -> OrderRef {
        OrderRef {
            account: self.account.clone(),
            id: Some(self.id.clone()),
            client_id: self.client_id.clone(),
            instrument: self.legs.first().map(|leg| leg.instrument.clone()),
            placed_at: self.created_at,
        }
    }

    /// What is still to be filled; `None` for a notional order, whose quantity nobody knows, or when it does not fit.
    pub fn remaining_qty(&self) -> Option<Decimal> {
        match self.amount {
            Amount::Qty(qty) => qty.get().checked_sub(self.filled_qty.get()),
            Amount::Notional(_) => None,
        }
    }
}

/// Names one order. Brokers need different parts: one that needs a part that is missing answers `InvalidRequest`
/// naming it, with nothing sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct OrderRef {
    /// The account.
    pub account: AccountId,
    /// The broker's id.
    pub id: Option<OrderId>,
    /// Our id.
    pub client_id: Option<ClientOrderId>,
    /// What it trades.
    pub instrument: Option<InstrumentId>,
    /// When it was placed.
    pub placed_at: Option<DateTime<Utc>>,
}

impl OrderRef {
    /// By the broker's id.
    pub fn by_id(account: &AccountId, id: OrderId) -> Self {
        Self {
            account: account.clone(),
            id: Some(id),
            client_id: None,
            instrument: None,
            placed_at: None,
        }
    }

    /// By our id.
    pub fn by_client_id(account: &AccountId, id: ClientOrderId) -> Self {
        Self {
            account: account.clone(),
            id: None,
            client_id: Some(id),
            instrument: None,
            placed_at: None,
        }
    }

    /// With the instrument that it trades.
    #[must_use]
    pub fn with_instrument(mut self, instrument: InstrumentId) -> Self {
        self.instrument = Some(instrument);
        self
    }
}
