//! Order requests: what we ask for. One named constructor an order kind, so that nonsense does not compile.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::order::{OrderKind, PositionEffect, TimeInForce, Trail};
use super::position::PositionLeg;
use crate::id::{ClientOrderId, InstrumentId, Symbol};
use crate::num::{Currency, Price, Qty, Side};

/// Names an instrument in a request, by either of its names. Two hits for a symbol are an error that lists them.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InstrumentRef {
    /// The broker's key.
    Id(InstrumentId),
    /// What people write.
    Symbol(Symbol),
}

impl From<InstrumentId> for InstrumentRef {
    fn from(id: InstrumentId) -> Self {
        Self::Id(id)
    }
}

impl From<Symbol> for InstrumentRef {
    fn from(symbol: Symbol) -> Self {
        Self::Symbol(symbol)
    }
}

/// Size of a request: a quantity, or money to spend.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Size {
    /// In units of the instrument.
    Qty(Qty),
    /// In money.
    Notional {
        /// How much.
        amount: Qty,
        /// Of what; `None` is the instrument's own currency.
        currency: Option<Currency>,
    },
}

impl From<Qty> for Size {
    fn from(qty: Qty) -> Self {
        Self::Qty(qty)
    }
}

/// A price, or a distance from the entry's price. A distance is converted only where that is exact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// An absolute price.
    Price(Price),
    /// A distance in price units, always positive; the side of the entry gives its direction.
    Distance(Qty),
}

/// The protecting exit of a bracket, an OTO or an OCO.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StopExit {
    /// A stop, with a limit if it becomes a stop-limit.
    Stop {
        /// Where it triggers.
        stop: Level,
        /// Worst price taken.
        limit: Option<Level>,
    },
    /// A stop that follows the price.
    Trailing(Trail),
}

/// What makes the order trade.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Trigger {
    /// At once, at any price.
    Market,
    /// At the limit or better.
    Limit {
        /// Worst price taken.
        limit: Price,
    },
    /// A market order from the stop on.
    Stop {
        /// Where it triggers.
        stop: Price,
    },
    /// A limit order from the stop on.
    StopLimit {
        /// Where it triggers.
        stop: Price,
        /// Worst price taken.
        limit: Price,
    },
    /// A market order once touched from the better side.
    MarketIfTouched {
        /// Where it triggers.
        trigger: Price,
    },
    /// A limit order once touched from the better side.
    LimitIfTouched {
        /// Where it triggers.
        trigger: Price,
        /// Worst price taken.
        limit: Price,
    },
    /// A stop that follows the price.
    Trailing(Trail),
    /// Two exits of a position that cancel each other; the target is the limit.
    Oco {
        /// Price of the target.
        target: Price,
        /// The protecting exit.
        stop: StopExit,
    },
}

impl Trigger {
    /// The kind of order that it makes; of an OCO, its target.
    pub fn kind(&self) -> OrderKind {
        match self {
            Self::Market => OrderKind::Market,
            Self::Limit { .. } | Self::Oco { .. } => OrderKind::Limit,
            Self::Stop { .. } => OrderKind::Stop,
            Self::StopLimit { .. } => OrderKind::StopLimit,
            Self::MarketIfTouched { .. } => OrderKind::MarketIfTouched,
            Self::LimitIfTouched { .. } => OrderKind::LimitIfTouched,
            Self::Trailing(_) => OrderKind::TrailingStop,
        }
    }
}

/// A request to trade.
///
/// ```
/// use broker_core::{OrderRequest, Side, TimeInForce};
/// let request = OrderRequest::limit("AAPL".parse()?, Side::Buy, "10".parse()?, "189.50".parse()?)
///     .with_time_in_force(TimeInForce::Day);
/// assert_eq!(request.trigger.kind().as_str(), "limit");
/// # Ok::<(), broker_core::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct OrderRequest {
    /// What to trade.
    pub instrument: InstrumentRef,
    /// Buy or sell.
    pub side: Side,
    /// How much.
    pub size: Size,
    /// What makes it trade.
    pub trigger: Trigger,
    /// How long it works; `None` is the venue's own rule.
    pub time_in_force: Option<TimeInForce>,
    /// When a `Gtd` order expires.
    pub expires_at: Option<DateTime<Utc>>,
    /// Also outside the regular session.
    pub extended_hours: bool,
    /// Only to reduce a position.
    pub reduce_only: bool,
    /// Opening or closing, where the broker needs to know.
    pub effect: Option<PositionEffect>,
    /// The leg of a hedging account.
    pub leg: PositionLeg,
    /// Takes profit once the entry is filled.
    pub target: Option<Level>,
    /// Stops the loss once the entry is filled.
    pub stop: Option<StopExit>,
    /// Our id; `None` lets the core draw one.
    pub client_id: Option<ClientOrderId>,
}

impl OrderRequest {
    fn new(symbol: Symbol, side: Side, size: Size, trigger: Trigger) -> Self {
        Self {
            instrument: symbol.into(),
            side,
            size,
            trigger,
            time_in_force: None,
            expires_at: None,
            extended_hours: false,
            reduce_only: false,
            effect: None,
            leg: PositionLeg::Net,
            target: None,
            stop: None,
            client_id: None,
        }
    }

    /// Trades at once, at any price.
    pub fn market(symbol: Symbol, side: Side, qty: Qty) -> Self {
        Self::new(symbol, side, qty.into(), Trigger::Market)
    }

    /// Trades at the limit or better.
    pub fn limit(symbol: Symbol, side: Side, qty: Qty, limit: Price) -> Self {
        Self::new(symbol, side, qty.into(), Trigger::Limit { limit })
    }

    /// Trades at any price once the stop is reached.
    pub fn stop(symbol: Symbol, side: Side, qty: Qty, stop: Price) -> Self {
        Self::new(symbol, side, qty.into(), Trigger::Stop { stop })
    }

    /// Trades at the limit or better once the stop is reached.
    pub fn stop_limit(symbol: Symbol, side: Side, qty: Qty, stop: Price, limit: Price) -> Self {
        Self::new(symbol, side, qty.into(), Trigger::StopLimit { stop, limit })
    }

    /// Trades at any price once touched from the better side.
    pub fn market_if_touched(symbol: Symbol, side: Side, qty: Qty, trigger: Price) -> Self {
        Self::new(symbol, side, qty.into(), Trigger::MarketIfTouched { trigger })
    }

    /// Trades at the limit or better once touched from the better side.
    pub fn limit_if_touched(symbol: Symbol, side: Side, qty: Qty, trigger: Price, limit: Price) -> Self {
        Self::new(symbol, side, qty.into(), Trigger::LimitIfTouched { trigger, limit })
    }

    /// A stop that follows the price.
    pub fn trailing_stop(symbol: Symbol, side: Side, qty: Qty, trail: Trail) -> Self {
        Self::new(symbol, side, qty.into(), Trigger::Trailing(trail))
    }

    /// Two exits of a position that cancel each other. `side` is the closing one.
    pub fn oco(symbol: Symbol, side: Side, qty: Qty, target: Price, stop: StopExit) -> Self {
        Self::new(symbol, side, qty.into(), Trigger::Oco { target, stop })
    }

    /// By the broker's key instead of the symbol.
    #[must_use]
    pub fn with_instrument(mut self, id: InstrumentId) -> Self {
        self.instrument = id.into();
        self
    }

    /// Money to spend instead of a quantity; `None` is the instrument's own currency.
    #[must_use]
    pub fn with_notional(mut self, amount: Qty, currency: Option<Currency>) -> Self {
        self.size = Size::Notional { amount, currency };
        self
    }

    /// How long it works.
    #[must_use]
    pub fn with_time_in_force(mut self, time_in_force: TimeInForce) -> Self {
        self.time_in_force = Some(time_in_force);
        self
    }

    /// Works until then.
    #[must_use]
    pub fn with_expiry(mut self, expires_at: DateTime<Utc>) -> Self {
        self.time_in_force = Some(TimeInForce::Gtd);
        self.expires_at = Some(expires_at);
        self
    }

    /// Also outside the regular session.
    #[must_use]
    pub fn with_extended_hours(mut self) -> Self {
        self.extended_hours = true;
        self
    }

    /// Only to reduce a position.
    #[must_use]
    pub fn with_reduce_only(mut self) -> Self {
        self.reduce_only = true;
        self
    }

    /// Opening or closing.
    #[must_use]
    pub fn with_effect(mut self, effect: PositionEffect) -> Self {
        self.effect = Some(effect);
        self
    }

    /// On this leg of a hedging account.
    #[must_use]
    pub fn with_leg(mut self, leg: PositionLeg) -> Self {
        self.leg = leg;
        self
    }

    /// Takes profit once the entry is filled: with a stop a bracket, without an OTO.
    #[must_use]
    pub fn with_target(mut self, target: Level) -> Self {
        self.target = Some(target);
        self
    }

    /// Stops the loss once the entry is filled: with a target a bracket, without an OTO.
    #[must_use]
    pub fn with_stop(mut self, stop: StopExit) -> Self {
        self.stop = Some(stop);
        self
    }

    /// Under this id of ours.
    #[must_use]
    pub fn with_client_id(mut self, id: ClientOrderId) -> Self {
        self.client_id = Some(id);
        self
    }
}

/// A change of a working order. What is `None` stays.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub struct OrderChange {
    /// New quantity, filled part included.
    pub qty: Option<Qty>,
    /// New limit price.
    pub limit_price: Option<Price>,
    /// New stop price.
    pub stop_price: Option<Price>,
    /// New distance of a trailing stop.
    pub trail: Option<Trail>,
    /// New time in force.
    pub time_in_force: Option<TimeInForce>,
}

impl OrderChange {
    /// No change yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// A new quantity, filled part included.
    #[must_use]
    pub fn with_qty(mut self, qty: Qty) -> Self {
        self.qty = Some(qty);
        self
    }

    /// A new limit price.
    #[must_use]
    pub fn with_limit_price(mut self, price: Price) -> Self {
        self.limit_price = Some(price);
        self
    }

    /// A new stop price.
    #[must_use]
    pub fn with_stop_price(mut self, price: Price) -> Self {
        self.stop_price = Some(price);
        self
    }

    /// A new distance of a trailing stop.
    #[must_use]
    pub fn with_trail(mut self, trail: Trail) -> Self {
        self.trail = Some(trail);
        self
    }
}
