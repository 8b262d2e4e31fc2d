//! Ready stages for the campaigns, for wire venues that stand on the engine of `broker-sim`.
//!
//! A broker crate says in [`House`] how its venue is looked into, which [`Line`]s are traded, and how a client is made;
//! the campaigns of orders and crashes run on [`OrdersStage`], the one of streams on [`StreamsStage`], the one of
//! history on [`HistoryStage`].

mod history;
mod line;
mod orders;
mod streams;

use std::fmt::{self, Debug};
use std::sync::{Arc, Mutex};

use broker_core::model::Record;
use broker_core::{AccountId, Broker, Context, Fill, Order, Position};
use broker_sim::{Engine, SimOrder};

pub use history::{HistoryStage, bugs_of_history_are_caught, histories_are_whole};
pub use line::{Line, each_seed, open_market, seeds};
pub use orders::{OrdersStage, crashes_are_survived, harmed, orders_are_safe, planted_bugs_are_caught};
pub use streams::{StreamsStage, streams_lose_nothing};

/// How the campaigns look into a wire venue: its books, told in the ids of its wire.
pub struct House<V> {
    engine: fn(&V) -> &Engine,
    engine_mut: fn(&mut V) -> &mut Engine,
    account: fn(&V) -> &AccountId,
    wire_account: fn(&V) -> AccountId,
    orders: fn(&V, Vec<Order>) -> Vec<Order>,
    fills: fn(&V, Vec<Fill>) -> Vec<Fill>,
    positions: fn(&V, Vec<Position>) -> Vec<Position>,
    outright: bool,
}

impl<V> House<V> {
    /// The engine behind the wire, the same to change, the engine's account that trades, and that account's id on the
    /// wire.
    pub fn new(
        engine: fn(&V) -> &Engine,
        engine_mut: fn(&mut V) -> &mut Engine,
        account: fn(&V) -> &AccountId,
        wire_account: fn(&V) -> AccountId,
    ) -> Self {
        Self {
            engine,
            engine_mut,
            account,
            wire_account,
            orders: |_, orders| orders,
            fills: |_, fills| fills,
            positions: |_, positions| positions,
            outright: false,
        }
    }

    /// The engine's orders as the wire has them: its ids, and what it adds or leaves out.
    #[must_use]
    pub fn with_orders(mut self, orders: fn(&V, Vec<Order>) -> Vec<Order>) -> Self {
        self.orders = orders;
        self
    }

    /// The engine's fills as the wire has them.
    #[must_use]
    pub fn with_fills(mut self, fills: fn(&V, Vec<Fill>) -> Vec<Fill>) -> Self {
        self.fills = fills;
        self
    }

    /// The engine's positions as the wire has them.
    #[must_use]
    pub fn with_positions(mut self, positions: fn(&V, Vec<Position>) -> Vec<Position>) -> Self {
        self.positions = positions;
        self
    }

    /// The engine's positions are held outright: the broker tells them as balances.
    #[must_use]
    pub fn outright(mut self) -> Self {
        self.outright = true;
        self
    }

    fn engine<'v>(&self, venue: &'v V) -> &'v Engine {
        (self.engine)(venue)
    }

    fn engine_mut<'v>(&self, venue: &'v mut V) -> &'v mut Engine {
        (self.engine_mut)(venue)
    }

    fn account(&self, venue: &V) -> AccountId {
        (self.account)(venue).clone()
    }

    fn wire_account(&self, venue: &V) -> AccountId {
        (self.wire_account)(venue)
    }

    /// Every order that the account ever had, exits too.
    fn orders(&self, venue: &V) -> Vec<Order> {
        let orders = self.engine(venue).orders((self.account)(venue));
        let orders = orders.into_iter().flatten().map(SimOrder::order).cloned();
        (self.orders)(venue, orders.collect())
    }

    /// Every fill of the log.
    fn fills(&self, venue: &V) -> Vec<Fill> {
        let log = self.engine(venue).log((self.account)(venue)).unwrap_or_default();
        let fills = log.iter().filter_map(|entry| match &entry.record {
            Record::Fill(fill) => Some(fill.clone()),
            Record::Void(_) | Record::Fee(_) | Record::Flow(_) => None,
        });
        (self.fills)(venue, fills.collect())
    }

    fn positions(&self, venue: &V) -> Vec<Position> {
        let positions = self.engine(venue).positions((self.account)(venue));
        (self.positions)(venue, positions.unwrap_or_default())
    }
}

impl<V> Debug for House<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("House")
    }
}

/// A venue that a stage and its wire hold.
pub type Shared<V> = Arc<Mutex<V>>;

/// Makes a client that speaks to the venue over this context.
pub type Connect = fn(Context) -> Arc<dyn Broker>;
