//! What orders of Kraken can say beside a request, and what Kraken does not say of an order again.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use broker_core::model::Trail;
use broker_core::{Order, OrderId, Price, Qty, TimeInForce};
use rust_decimal::Decimal;

/// Which price triggers an order that waits for one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum TriggerPrice {
    /// The last trade.
    #[default]
    Last,
    /// The index.
    Index,
}

/// What happens when two orders of the account would trade with each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SelfTrade {
    /// The newer one is canceled: Kraken's own rule.
    CancelNewest,
    /// The older one is canceled.
    CancelOldest,
    /// Both are canceled.
    CancelBoth,
}

impl SelfTrade {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::CancelNewest => "cancel-newest",
            Self::CancelOldest => "cancel-oldest",
            Self::CancelBoth => "cancel-both",
        }
    }
}

/// The order that closes what an order fills. Each part that fills makes one of its size, which nothing else cancels:
/// it is no bracket. It may add to a position on the other side if the first one is gone by then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConditionalClose {
    /// At this limit or better.
    Limit(Price),
    /// At any price from here on.
    StopLoss(Price),
    /// At the limit or better from the stop on.
    StopLossLimit {
        /// Where it triggers.
        stop: Price,
        /// Worst price taken.
        limit: Price,
    },
    /// At any price once touched.
    TakeProfit(Price),
    /// At the limit or better once touched.
    TakeProfitLimit {
        /// Where it triggers.
        trigger: Price,
        /// Worst price taken.
        limit: Price,
    },
    /// A stop that follows the price.
    Trailing(Trail),
}

/// What orders say beside their request; see [`KrakenBroker::with_terms`](crate::KrakenBroker::with_terms).
///
/// ```
/// use broker_kraken::{KrakenBroker, KrakenConfig, KrakenTerms};
/// let broker = KrakenBroker::new(KrakenConfig::new("key", "c2VjcmV0").live())?;
/// let patient = broker.with_terms(KrakenTerms::new().with_post_only());
/// // Orders of `patient` wait in the book or are refused; those of `broker` are as before.
/// # drop(patient);
/// # Ok::<(), broker_core::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct KrakenTerms {
    /// Waits in the book, or is refused. For limit orders.
    pub post_only: bool,
    /// Shows only so much of itself; at least a fifteenth. Makes a limit order an iceberg order.
    pub display: Option<Qty>,
    /// Which price triggers it.
    pub trigger: Option<TriggerPrice>,
    /// Leverage of an order on margin; 2 without it.
    pub leverage: Option<u32>,
    /// Fees in the quote currency (false) or the base currency (true), where Kraken can.
    pub fee_in_base: Option<bool>,
    /// When two orders of the account meet.
    pub self_trade: Option<SelfTrade>,
    /// Closes what it fills.
    pub close: Option<ConditionalClose>,
    /// Distance of the limit from the trigger: makes a trailing stop a trailing stop-limit.
    pub trailing_limit: Option<Decimal>,
    /// Settles a margin position with what the account holds, in the place of a market order.
    pub settle: bool,
}

impl KrakenTerms {
    /// Nothing beside the request.
    pub fn new() -> Self {
        Self::default()
    }

    /// Waits in the book, or is refused.
    #[must_use]
    pub fn with_post_only(mut self) -> Self {
        self.post_only = true;
        self
    }

    /// Shows only so much of itself.
    #[must_use]
    pub fn with_display(mut self, qty: Qty) -> Self {
        self.display = Some(qty);
        self
    }

    /// Triggered by this price.
    #[must_use]
    pub fn with_trigger(mut self, trigger: TriggerPrice) -> Self {
        self.trigger = Some(trigger);
        self
    }

    /// With this leverage.
    #[must_use]
    pub fn with_leverage(mut self, leverage: u32) -> Self {
        self.leverage = Some(leverage);
        self
    }

    /// With fees in the base currency, or in the quote currency.
    #[must_use]
    pub fn with_fee_in_base(mut self, base: bool) -> Self {
        self.fee_in_base = Some(base);
        self
    }

    /// What happens when two orders of the account meet.
    #[must_use]
    pub fn with_self_trade(mut self, rule: SelfTrade) -> Self {
        self.self_trade = Some(rule);
        self
    }

    /// Closes what it fills.
    #[must_use]
    pub fn with_close(mut self, close: ConditionalClose) -> Self {
        self.close = Some(close);
        self
    }

    /// A trailing stop whose limit is so far from its trigger.
    #[must_use]
    pub fn with_trailing_limit(mut self, distance: Decimal) -> Self {
        self.trailing_limit = Some(distance);
        self
    }

    /// Market orders on margin settle the position with what the account holds.
    #[must_use]
    pub fn with_settle(mut self) -> Self {
        self.settle = true;
        self
    }
}

/// Words of orders that Kraken does not say again when they are read: kept for those that were placed here.
#[derive(Debug, Default)]
pub(crate) struct Unechoed(Mutex<Words>);

#[derive(Debug, Default)]
struct Words {
    by_order: BTreeMap<OrderId, (Option<TimeInForce>, bool)>,
    oldest_first: VecDeque<OrderId>,
}

/// Orders whose words are kept.
const MOST_ORDERS: usize = 4_096;

impl Unechoed {
    pub(crate) fn keep(&self, order: &Order) {
        let immediate = order.time_in_force == Some(TimeInForce::Ioc);
        if !immediate && !order.reduce_only {
            return;
        }
        let words = (order.time_in_force.clone().filter(|_| immediate), order.reduce_only);
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.by_order.insert(order.id.clone(), words).is_none() {
            kept.oldest_first.push_back(order.id.clone());
        }
        if kept.oldest_first.len() > MOST_ORDERS
            && let Some(oldest) = kept.oldest_first.pop_front()
        {
            kept.by_order.remove(&oldest);
        }
    }

    pub(crate) fn complete(&self, order: Order) -> Order {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match kept.by_order.get(&order.id) {
            Some((time_in_force, reduce_only)) => Order {
                time_in_force: time_in_force.clone().or(order.time_in_force),
                reduce_only: *reduce_only,
                ..order
            },
            None => order,
        }
    }
}
