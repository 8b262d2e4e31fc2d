//! Binance's numbers for what the engine names otherwise: orders and trades are numbered symbol by symbol, lists of
//! orders by account.

use std::collections::{BTreeMap, BTreeSet};

use broker_core::model::{Asset, Fill, Group};
use broker_core::{AccountId, InstrumentId, OrderId, Record};
use broker_sim::{Engine, SimOrder};

use super::executions::Prevented;

/// Market ids of one symbol are far apart: others trade, too.
const GAP: u64 = 7;
const FIRST_TRADE: u64 = 100_000;
const FIRST_ORDER: u64 = 1_000;

/// A trade of the account with its number.
#[derive(Debug, Clone)]
pub(super) struct Trade {
    pub(super) number: u64,
    pub(super) fill: Fill,
    /// Its order was routed: it is told as an allocation, which is numbered apart.
    pub(super) allocated: bool,
}

/// Orders of these that are routed: one in so many.
#[derive(Debug, Clone, Default)]
pub(super) struct Routing {
    pub(super) symbols: BTreeSet<InstrumentId>,
    pub(super) one_in: u64,
}

/// A list of orders with its number, the working one first.
#[derive(Debug, Clone)]
pub(super) struct List {
    pub(super) number: u64,
    pub(super) orders: Vec<OrderId>,
    pub(super) cancels: bool,
}

/// What was read of the engine so far.
#[derive(Debug, Default)]
pub(super) struct Books {
    orders_read: usize,
    log_read: usize,
    numbers: BTreeMap<OrderId, u64>,
    by_symbol: BTreeMap<InstrumentId, Vec<OrderId>>,
    trades: BTreeMap<InstrumentId, Vec<Trade>>,
    /// How many of the trades of a symbol are allocations.
    allocations: BTreeMap<InstrumentId, u64>,
    lists: Vec<List>,
    list_of: BTreeMap<OrderId, usize>,
    /// Client order ids that a list's legs were given when it was placed, and those that orders were given since.
    pub(super) client_ids: BTreeMap<OrderId, String>,
    /// Orders by each id that they ever went by, oldest first.
    called: BTreeMap<String, Vec<OrderId>>,
    flows: Vec<Record>,
    routing: Routing,
    prevented: Vec<Prevented>,
}

impl Books {
    pub(super) fn new(routing: Routing) -> Self {
        Self {
            routing,
            ..Self::default()
        }
    }

    /// All over again, of the same.
    pub(super) fn anew(&self) -> Self {
        Self::new(self.routing.clone())
    }

    /// Takes in what is new.
    pub(super) fn read(&mut self, engine: &Engine, account: &AccountId) {
        let Ok(orders) = engine.orders(account) else { return };
        let new: Vec<&SimOrder> = orders.skip(self.orders_read).collect();
        self.orders_read += new.len();
        for order in new {
            let order = order.order();
            let Some(leg) = order.legs.first() else { continue };
            let of_symbol = self.by_symbol.entry(leg.instrument.clone()).or_default();
            let number = FIRST_ORDER + u64::try_from(of_symbol.len()).unwrap_or_default();
            of_symbol.push(order.id.clone());
            self.numbers.insert(order.id.clone(), number);
            let name = super::shapes::client_id(order, self);
            self.called.entry(name).or_default().push(order.id.clone());
            let mut others = order.links.children.clone();
            // To the engine the stop of an OCO is both.
            others.extend(
                order
                    .links
                    .siblings
                    .iter()
                    .filter(|id| !order.links.children.contains(id))
                    .cloned(),
            );
            if order.links.parent.is_none() && order.links.group.is_some() && !others.is_empty() {
                let members: Vec<OrderId> = std::iter::once(order.id.clone()).chain(others).collect();
                let index = self.lists.len();
                for member in &members {
                    self.list_of.insert(member.clone(), index);
                }
                self.lists.push(List {
                    number: u64::try_from(index).unwrap_or_default() + 1,
                    orders: members,
                    cancels: order.links.group == Some(Group::Oco),
                });
            }
        }
        let Ok(log) = engine.log(account) else { return };
        for entry in log.get(self.log_read..).unwrap_or_default() {
            match &entry.record {
                Record::Fill(fill) => {
                    let order = fill.order.as_ref();
                    let allocated = order.is_some_and(|order| self.is_routed(&fill.instrument, order));
                    let of_symbol = self.trades.entry(fill.instrument.clone()).or_default();
                    let next = self.allocations.entry(fill.instrument.clone()).or_default();
                    let number = match allocated {
                        true => *next,
                        false => FIRST_TRADE + GAP * u64::try_from(of_symbol.len()).unwrap_or_default(),
                    };
                    *next += u64::from(allocated);
                    of_symbol.push(Trade {
                        number,
                        fill: fill.clone(),
                        allocated,
                    });
                }
                Record::Flow(flow) if matches!(flow.asset, Asset::Currency(_)) => {
                    self.flows.push(entry.record.clone());
                }
                Record::Flow(_) | Record::Fee(_) | Record::Void(_) => {}
            }
        }
        self.log_read = log.len();
    }

    /// Whether orders of this may be routed.
    pub(super) fn routes(&self, symbol: &InstrumentId) -> bool {
        self.routing.symbols.contains(symbol)
    }

    /// Whether this order was routed.
    pub(super) fn is_routed(&self, symbol: &InstrumentId, order: &OrderId) -> bool {
        self.routes(symbol) && self.number(order).is_multiple_of(self.routing.one_in)
    }

    pub(super) fn prevent(&mut self, prevented: Prevented) {
        let number = u64::try_from(self.prevented.len()).unwrap_or_default() + 1;
        self.prevented.push(Prevented { number, ..prevented });
    }

    /// Trades of the account with itself that were prevented, oldest first.
    pub(super) fn prevented(&self) -> &[Prevented] {
        &self.prevented
    }

    /// The trade that this order would have made, had it not expired of it.
    pub(super) fn expired_of(&self, order: &OrderId) -> Option<&Prevented> {
        self.prevented.iter().find(|one| one.maker == *order)
    }

    /// Gives an order another client order id.
    pub(super) fn call(&mut self, order: &OrderId, name: String) {
        self.called.entry(name.clone()).or_default().push(order.clone());
        self.client_ids.insert(order.clone(), name);
    }

    /// Orders that ever went by this id, oldest first.
    pub(super) fn called(&self, name: &str) -> &[OrderId] {
        self.called.get(name).map_or(&[], Vec::as_slice)
    }

    pub(super) fn number(&self, order: &OrderId) -> u64 {
        self.numbers.get(order).copied().unwrap_or_default()
    }

    pub(super) fn order(&self, symbol: &InstrumentId, number: u64) -> Option<&OrderId> {
        let index = usize::try_from(number.checked_sub(FIRST_ORDER)?).ok()?;
        self.by_symbol.get(symbol)?.get(index)
    }

    /// Orders of a symbol, oldest first.
    pub(super) fn orders(&self, symbol: &InstrumentId) -> &[OrderId] {
        self.by_symbol.get(symbol).map_or(&[], Vec::as_slice)
    }

    pub(super) fn trades(&self, symbol: &InstrumentId) -> &[Trade] {
        self.trades.get(symbol).map_or(&[], Vec::as_slice)
    }

    pub(super) fn list(&self, order: &OrderId) -> Option<&List> {
        self.list_of.get(order).and_then(|index| self.lists.get(*index))
    }

    pub(super) fn lists(&self) -> &[List] {
        &self.lists
    }

    /// Coins that moved without a trade.
    pub(super) fn flows(&self) -> &[Record] {
        &self.flows
    }
}
