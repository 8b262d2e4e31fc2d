//! What is to be read back soon, said once however often it is asked for.

use std::collections::BTreeSet;
use std::time::Duration;

use super::feed::Look;
use crate::id::AccountId;
use crate::model::OrderRef;

/// Single orders that wait at most; more are read with their account.
const MOST_ORDERS: usize = 16;

/// Accounts and orders to be read back, and when.
#[derive(Debug, Default)]
pub(super) struct Looks {
    due: Option<Duration>,
    pub(super) accounts: BTreeSet<AccountId>,
    pub(super) orders: Vec<OrderRef>,
}

impl Looks {
    /// When to start; `None` for nothing to do.
    pub(super) fn due(&self) -> Option<Duration> {
        self.due
    }

    /// Adds one. The earliest time counts.
    pub(super) fn add(&mut self, look: Look, at: Duration) {
        match look {
            Look::Order(order) if self.orders.len() < MOST_ORDERS => {
                if !self.orders.contains(&order) {
                    self.orders.push(order);
                }
            }
            Look::Order(order) => _ = self.accounts.insert(order.account),
            Look::Account(account) => _ = self.accounts.insert(account),
        }
        self.due = Some(self.due.map_or(at, |due| due.min(at)));
    }
}
