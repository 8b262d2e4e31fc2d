//! Orders at the venue, and which state may follow which.

use broker_core::model::{Level, OrderKind, PositionLeg, StopExit};
use broker_core::{Money, Order, OrderRequest, OrderStatus, Price, Qty, RecordId, Side};
use chrono::{DateTime, Utc};
use rust_decimal::Decimal;

/// A state that an order was in, and since when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamp {
    /// Since when.
    pub at: DateTime<Utc>,
    /// The state.
    pub status: OrderStatus,
    /// How much was filled by then.
    pub filled_qty: Qty,
}

/// An order at the venue.
#[derive(Debug, Clone)]
pub struct SimOrder {
    pub(crate) order: Order,
    pub(crate) request: OrderRequest,
    pub(crate) stamps: Vec<Stamp>,
    pub(crate) account: usize,
    pub(crate) market: usize,
    /// The whole quantity; of a notional order, known from its first match on.
    pub(crate) qty: Option<Decimal>,
    /// Quantity times price of all fills.
    pub(crate) cost: Decimal,
    /// The stop or touch price was reached.
    pub(crate) triggered: bool,
    /// Best price that a trailing stop has seen.
    pub(crate) extreme: Option<Decimal>,
    /// Stood in an open market without trading: what fills it later is the other side.
    pub(crate) rested: bool,
    /// Trades in the auction at this moment and at no other.
    pub(crate) auction_at: Option<DateTime<Utc>>,
    /// Its own prices, when they are distances from the entry.
    pub(crate) exit: Option<Exit>,
    pub(crate) parent: Option<usize>,
    pub(crate) sibling: Option<usize>,
    pub(crate) children: Vec<usize>,
    /// Funds that the whole order needs.
    pub(crate) reserve: Money,
    /// The one lot that it closes.
    pub(crate) lot: Option<RecordId>,
    /// The lot that it opened.
    pub(crate) opened: Option<RecordId>,
}

/// What an exit was asked as.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Exit {
    Target(Level),
    Stop(StopExit),
}

impl SimOrder {
    /// The order as a broker reports it.
    pub fn order(&self) -> &Order {
        &self.order
    }

    /// What was asked for; of a group's exit, its entry's request.
    pub fn request(&self) -> &OrderRequest {
        &self.request
    }

    /// Every state that it was in, oldest first.
    pub fn stamps(&self) -> &[Stamp] {
        &self.stamps
    }

    /// The one lot that it closes: of an order at a dealer.
    pub fn lot(&self) -> Option<&RecordId> {
        self.lot.as_ref()
    }

    /// The lot that it opened: of an order at a dealer.
    pub fn opened(&self) -> Option<&RecordId> {
        self.opened.as_ref()
    }

    /// When it first was in this state.
    pub fn first_at(&self, status: &OrderStatus) -> Option<DateTime<Utc>> {
        self.stamps
            .iter()
            .find(|stamp| stamp.status == *status)
            .map(|stamp| stamp.at)
    }

    /// Best price that a trailing stop has seen: highest bid for a sell, lowest ask for a buy.
    pub fn extreme(&self) -> Option<Price> {
        self.extreme.map(Price::new)
    }

    /// Whether its stop or touch price was reached.
    pub fn is_triggered(&self) -> bool {
        self.triggered
    }

    /// The whole quantity; `None` for a notional order that has not traded yet.
    pub fn qty(&self) -> Option<Decimal> {
        self.qty
    }

    /// What is still to be filled; `None` for a notional order that has not traded yet.
    pub fn leaves(&self) -> Option<Decimal> {
        self.qty.map(|qty| qty - self.filled())
    }

    pub(crate) fn filled(&self) -> Decimal {
        self.order.filled_qty.get()
    }

    pub(crate) fn side(&self) -> Side {
        self.order.legs.first().map_or(Side::Buy, |leg| leg.side)
    }

    pub(crate) fn leg(&self) -> PositionLeg {
        self.order.legs.first().map_or(PositionLeg::Net, |leg| leg.position)
    }

    /// Whether it can trade now: taken, not held, not final.
    pub(crate) fn is_working(&self) -> bool {
        matches!(
            self.order.status,
            OrderStatus::New | OrderStatus::PartiallyFilled | OrderStatus::PendingCancel | OrderStatus::PendingReplace
        )
    }

    /// Whether it still waits for its stop or touch price.
    pub(crate) fn waits_for_trigger(&self) -> bool {
        !self.triggered
            && matches!(
                self.order.kind,
                OrderKind::Stop
                    | OrderKind::StopLimit
                    | OrderKind::MarketIfTouched
                    | OrderKind::LimitIfTouched
                    | OrderKind::TrailingStop
                    | OrderKind::TrailingStopLimit
            )
    }

    /// Moves to a state, if the state machine has that step.
    pub(crate) fn become_status(&mut self, to: OrderStatus, at: DateTime<Utc>) -> bool {
        if !may_become(&self.order.status, &to) {
            return false;
        }
        self.stamp(to, at);
        true
    }

    /// Notes a state without asking the state machine: the first one, and what a bust leaves.
    pub(crate) fn stamp(&mut self, status: OrderStatus, at: DateTime<Utc>) {
        self.order.status = status.clone();
        self.order.updated_at = Some(at);
        self.stamps.push(Stamp {
            at,
            status,
            filled_qty: self.order.filled_qty,
        });
    }

    /// Sets the filled quantity and the average price from the sums.
    pub(crate) fn set_filled(&mut self, filled: Decimal, cost: Decimal) {
        self.cost = cost;
        let average = cost.checked_div(filled).map(Price::new);
        self.order.filled_qty = Qty::new(filled).unwrap_or(Qty::ZERO);
        self.order.average_price = average;
        if let Some(leg) = self.order.legs.first_mut() {
            leg.filled_qty = self.order.filled_qty;
            leg.average_price = average;
        }
    }
}

/// The state machine of an order. Final states lead nowhere.
pub(crate) fn may_become(from: &OrderStatus, to: &OrderStatus) -> bool {
    use OrderStatus as S;
    let ends = matches!(to, S::Canceled | S::Expired);
    match from {
        S::PendingNew => ends || matches!(to, S::New | S::Held | S::Rejected),
        S::Held => ends || matches!(to, S::New | S::Rejected | S::Replaced),
        S::New => {
            ends || matches!(
                to,
                S::PartiallyFilled | S::Filled | S::PendingCancel | S::PendingReplace | S::Replaced | S::Rejected
            )
        }
        S::PartiallyFilled => {
            ends || matches!(
                to,
                S::PartiallyFilled | S::Filled | S::PendingCancel | S::PendingReplace | S::Replaced
            )
        }
        S::PendingCancel => ends || matches!(to, S::PendingCancel | S::Filled),
        S::PendingReplace => {
            ends || matches!(
                to,
                S::PendingReplace | S::New | S::PartiallyFilled | S::Filled | S::Replaced
            )
        }
        S::Filled | S::Canceled | S::Replaced | S::Expired | S::Rejected => false,
        // The venue never uses a word that it does not know; the enum is open.
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_machine_state_by_state() {
        use OrderStatus as S;
        let all = [
            S::PendingNew,
            S::New,
            S::Held,
            S::PartiallyFilled,
            S::Filled,
            S::PendingCancel,
            S::Canceled,
            S::PendingReplace,
            S::Replaced,
            S::Expired,
            S::Rejected,
        ];
        // One row a state, in the order of `all`: `x` marks what may follow.
        let table = [
            (S::PendingNew, ".xx...x..xx"),
            (S::New, "...xxxxxxxx"),
            (S::Held, ".x....x.xxx"),
            (S::PartiallyFilled, "...xxxxxxx."),
            (S::Filled, "..........."),
            (S::PendingCancel, "....xxx..x."),
            (S::Canceled, "..........."),
            (S::PendingReplace, ".x.xx.xxxx."),
            (S::Replaced, "..........."),
            (S::Expired, "..........."),
            (S::Rejected, "..........."),
        ];
        for (from, row) in table {
            for (to, mark) in all.iter().zip(row.chars()) {
                assert_eq!(may_become(&from, to), mark == 'x', "{from} -> {to}");
            }
        }
    }
}
