//! What is kept of an order as long as it may be heard of again.

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;

use crate::model::{Grade, Group, Order};

/// How far an order is filled, and how much of that its delivered fills explain.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Tally {
    /// A state of the order was delivered, not only fills.
    pub(super) known: bool,
    pub(super) is_final: bool,
    /// Filled quantity of the state delivered last.
    pub(super) filled: Decimal,
    pub(super) updated_at: Option<DateTime<Utc>>,
    /// What the fills of all its legs must sum up to.
    due: Decimal,
    /// Filled before the subscription.
    base: Decimal,
    /// Sum of the delivered fills, by grade: rows of two grades tell of the same executions.
    counted: [Decimal; 3],
    /// One of its fills was taken back, so that the filled quantity may fall.
    busted: bool,
    /// Count of events when its filled quantity last fell.
    fell: u64,
}

impl Tally {
    /// Whether the filled quantity may fall or the order reopen. `bust`: when a bust came that may be of any order.
    pub(super) fn may_fall(&self, bust: Option<u64>) -> bool {
        self.busted || bust.is_some_and(|bust| bust > self.fell)
    }

    /// Takes the next state.
    pub(super) fn take(&mut self, order: &Order, was_before: bool, tick: u64) {
        let filled = order.filled_qty.get();
        if filled < self.filled || (self.is_final && !order.status.is_final()) {
            self.busted = false;
            self.fell = tick;
        }
        self.due = match order.legs.as_slice() {
            [] | [_] => filled,
            // Its legs are orders of their own, and their fills are those orders'.
            _ if order.links.group == Some(Group::MultiLeg) && !order.links.children.is_empty() => Decimal::ZERO,
            legs => legs.iter().map(|leg| leg.filled_qty.get()).fold(Decimal::ZERO, add),
        };
        if !self.known && was_before {
            self.base = (self.due - self.sum()).max(Decimal::ZERO);
        }
        self.known = true;
        self.is_final = order.status.is_final();
        self.filled = filled;
        self.updated_at = order.updated_at.or(self.updated_at);
    }

    /// Adds a fill that was delivered, or takes one away.
    pub(super) fn count(&mut self, grade: Grade, qty: Decimal, is_bust: bool) {
        let place = match grade {
            Grade::Provisional => 0,
            Grade::Reported => 1,
            Grade::Booked => 2,
        };
        if let Some(sum) = self.counted.get_mut(place) {
            *sum = add(*sum, qty);
        }
        self.busted |= is_bust;
    }

    /// Whether more was filled than the delivered fills explain.
    pub(super) fn is_short(&self) -> bool {
        self.due > add(self.base, self.sum())
    }

    /// Counts what is missing as explained.
    pub(super) fn accept(&mut self) {
        self.base = (self.due - self.sum()).max(Decimal::ZERO);
    }

    fn sum(&self) -> Decimal {
        self.counted.iter().copied().max().unwrap_or_default()
    }
}

/// A sum that does not fit is as good as any: it explains everything.
fn add(a: Decimal, b: Decimal) -> Decimal {
    a.checked_add(b).unwrap_or(Decimal::MAX)
}
