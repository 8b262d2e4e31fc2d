//! Groups and endings: exits that wait for their entry, one that cancels the other, cancels and expiries.

use broker_core::model::{Amount, Level, StopExit};
use broker_core::{OrderStatus, Price, Qty};
use rust_decimal::Decimal;

use crate::engine::{Engine, Timer};
use crate::order::Exit;
use crate::place::sign;
use crate::reject::SimReject;

impl Engine {
    /// After its entry was taken: exits of an OCO work, those of a bracket are held.
    pub(crate) fn hold_exits(&mut self, entry: usize) {
        let children = self.orders[entry].children.clone();
        let is_oco = self.orders[entry].sibling.is_some();
        for child in children {
            let next = if is_oco { OrderStatus::New } else { OrderStatus::Held };
            let at = self.now;
            self.orders[child].become_status(next, at);
            self.tell_order(child);
            if is_oco {
                self.schedule(child);
                self.attempt(child, false);
            }
        }
    }

    /// What a fill does to the rest of the group.
    pub(crate) fn after_fill(&mut self, index: usize, qty: Decimal) {
        let done = self.orders[index].order.status == OrderStatus::Filled;
        if let Some(sibling) = self.orders[index].sibling {
            if done {
                self.end_with(sibling, OrderStatus::Canceled, "the other exit was filled");
            } else {
                self.shrink(sibling, qty);
            }
        } else if done && !self.orders[index].children.is_empty() {
            self.activate_exits(index);
        }
    }

    /// The other exit has filled a part: this one protects only what is left.
    fn shrink(&mut self, index: usize, qty: Decimal) {
        let order = &mut self.orders[index];
        if order.order.status.is_final() {
            return;
        }
        let Some(whole) = order.qty else { return };
        let left = whole - qty;
        if left <= order.filled() {
            self.end_with(index, OrderStatus::Canceled, "the other exit was filled");
            return;
        }
        order.qty = Some(left);
        order.order.amount = Amount::Qty(Qty::new(left).unwrap_or(Qty::ZERO));
        order.order.updated_at = Some(self.now);
        self.tell_order(index);
    }

    /// The entry is filled, or has ended with a part filled: its exits work for what was filled.
    fn activate_exits(&mut self, entry: usize) {
        let filled = self.orders[entry].order.filled_qty;
        let average = self.orders[entry].order.average_price.map_or(Decimal::ZERO, Price::get);
        let children = self.orders[entry].children.clone();
        let (account, opened) = (self.orders[entry].account, self.orders[entry].opened.clone());
        let is_dealt = self.accounts[account].spec.dealing.is_some();
        let filled = match opened.as_ref().and_then(|lot| self.lot_of(account, lot)) {
            Some((_, _, qty)) => Qty::new(qty).unwrap_or(filled),
            None if is_dealt => {
                for child in children {
                    self.end_with(child, OrderStatus::Canceled, "nothing was opened");
                }
                return;
            }
            None => filled,
        };
        for child in &children {
            self.set_exit_prices(*child, average);
            self.orders[*child].lot.clone_from(&opened);
            let at = self.now;
            let order = &mut self.orders[*child];
            order.qty = Some(filled.get());
            order.order.amount = Amount::Qty(filled);
            if order.become_status(OrderStatus::New, at) {
                self.tell_order(*child);
                self.schedule(*child);
            }
        }
        for child in children {
            self.attempt(child, false);
        }
    }

    /// Turns distances from the entry into prices, on the grid of ticks.
    fn set_exit_prices(&mut self, index: usize, entry: Decimal) {
        let order = &self.orders[index];
        let Some(exit) = order.exit else { return };
        // An exit of a long entry is a sale: its target lies above, its stop below.
        let up = -sign(order.side());
        let market = &self.markets[order.market];
        let at_distance = |level: Level, direction: Decimal| match level {
            Level::Price(_) => None,
            Level::Distance(distance) => {
                let price = entry + distance.get() * direction;
                let tick = market.tick(price);
                Some(Price::new((price / tick).round() * tick))
            }
        };
        let (limit, stop) = match exit {
            Exit::Target(level) => (at_distance(level, up), None),
            Exit::Stop(StopExit::Stop { stop, limit }) => {
                (limit.and_then(|limit| at_distance(limit, -up)), at_distance(stop, -up))
            }
            Exit::Stop(StopExit::Trailing(_)) => (None, None),
        };
        // A price that a replace has set meanwhile stays.
        let order = &mut self.orders[index].order;
        order.limit_price = order.limit_price.or(limit);
        order.stop_price = order.stop_price.or(stop);
    }

    /// Asks to cancel: at once, or after the venue's delay.
    pub(crate) fn ask_cancel(&mut self, index: usize) -> Result<(), SimReject> {
        let status = self.orders[index].order.status.clone();
        if status.is_final() || status == OrderStatus::PendingCancel {
            return Err(SimReject::NotCancelable { status });
        }
        let delay = self.rules.cancel_delay;
        if delay > chrono::Duration::zero() && self.orders[index].is_working() {
            let at = self.now;
            self.orders[index].become_status(OrderStatus::PendingCancel, at);
            self.tell_order(index);
            self.at(at + delay, Timer::Cancel(index));
        } else {
            self.end(index, OrderStatus::Canceled);
        }
        Ok(())
    }

    pub(crate) fn finish_cancel(&mut self, index: usize) {
        if self.orders[index].order.status == OrderStatus::PendingCancel {
            self.end(index, OrderStatus::Canceled);
        }
    }

    pub(crate) fn end_with(&mut self, index: usize, status: OrderStatus, reason: &str) {
        if !self.orders[index].order.status.is_final() {
            self.orders[index].order.reason = Some(reason.to_owned());
            self.end(index, status);
        }
    }

    /// Brings an order to a final state, and its group with it. False when it had one already.
    pub(crate) fn end(&mut self, index: usize, status: OrderStatus) -> bool {
        let at = self.now;
        if !self.orders[index].become_status(status, at) {
            return false;
        }
        self.leave(index);
        self.tell_order(index);
        if let Some(sibling) = self.orders[index].sibling {
            self.end_with(sibling, OrderStatus::Canceled, "the other exit ended");
        }
        let children = self.orders[index].children.clone();
        let held = children
            .iter()
            .any(|child| self.orders[*child].order.status == OrderStatus::Held);
        if held && self.rules.protect_partial && !self.orders[index].order.filled_qty.is_zero() {
            self.activate_exits(index);
            return true;
        }
        for child in children {
            if matches!(
                self.orders[child].order.status,
                OrderStatus::Held | OrderStatus::PendingNew
            ) {
                self.end_with(child, OrderStatus::Canceled, "the entry ended");
            }
        }
        true
    }

    /// An order that can trade no more leaves the market and frees what it held.
    pub(crate) fn leave(&mut self, index: usize) {
        let order = &self.orders[index];
        let (account, market) = (order.account, order.market);
        self.markets[market].open.remove(&index);
        self.accounts[account].open.remove(&index);
    }
}
