//! Fills that are taken back or corrected.

use broker_core::model::{PositionLeg, Void};
use broker_core::{AccountId, Fill, FillId, OrderStatus, Price, Record};
use chrono::{DateTime, Utc};
use rust_decimal::Decimal;

use crate::engine::{Engine, LARGEST_PRICE, SimEvent};
use crate::reject::SimReject;

impl Engine {
    /// Takes a fill back: a void is logged, cash, position and the order's filled quantity are as without it. A
    /// filled order that is not whole any more is `Canceled`: it can never trade again.
    pub fn bust(&mut self, account: &AccountId, fill: &FillId, now: DateTime<Utc>) -> Result<(), SimReject> {
        self.run(now);
        let account = self.account_index(account)?;
        let busted = self.live_fill(account, fill)?;
        let void = Void {
            id: self.record_id(account),
            account: busted.account.clone(),
            fill: busted.id.clone(),
            at: self.now,
        };
        let order = self.refill(&busted, -busted.qty.get(), -busted.qty.get() * busted.price.get());
        let at = self.now;
        if let Some(order) = order {
            let order = &mut self.orders[order];
            if order.order.status == OrderStatus::Filled {
                order.order.reason = Some("an execution was busted".to_owned());
                order.stamp(OrderStatus::Canceled, at);
            } else {
                order.order.updated_at = Some(at);
            }
        }
        let key = self
            .directory
            .by_id(&busted.instrument)
            .map(|market| (market, busted.leg));
        self.book(account, Record::Void(void), order, key);
        self.rebook(account);
        self.restate(account, key);
        if let Some(order) = order {
            self.tell_order(order);
        }
        Ok(())
    }

    /// Corrects the price of a fill: the same fill is logged again with a higher version.
    pub fn correct(
        &mut self,
        account: &AccountId,
        fill: &FillId,
        price: Price,
        now: DateTime<Utc>,
    ) -> Result<(), SimReject> {
        self.run(now);
        if price.get().abs() > LARGEST_PRICE {
            return Err(SimReject::PriceRange { price: price.get() });
        }
        let account = self.account_index(account)?;
        let old = self.live_fill(account, fill)?;
        let change = (price.get() - old.price.get()) * old.qty.get();
        let order = self.refill(&old, Decimal::ZERO, change);
        let key = self.directory.by_id(&old.instrument).map(|market| (market, old.leg));
        let fill = Fill {
            price,
            version: old.version + 1,
            ..old
        };
        // The row is added first and booked with all others, so that the first version does not count too.
        self.book(account, Record::Fill(fill), order, key);
        self.rebook(account);
        self.restate(account, key);
        if let Some(order) = order {
            self.tell_order(order);
        }
        Ok(())
    }

    /// The last row's figures after the log was booked anew; what it realized is not stated.
    fn restate(&mut self, account: usize, key: Option<(usize, PositionLeg)>) {
        let state = &mut self.accounts[account];
        let qty = key.map(|(market, leg)| state.ledger.qty(market, leg));
        let Some(last) = state.log.last_mut() else { return };
        last.position_qty = qty;
        last.realized = None;
        if let Some(SimEvent::Record { entry, .. }) = self.events.as_mut().and_then(|events| events.back_mut()) {
            entry.position_qty = qty;
            entry.realized = None;
        }
    }

    /// The last version of a fill that was not voided.
    fn live_fill(&self, account: usize, id: &FillId) -> Result<Fill, SimReject> {
        let mut found = None;
        for entry in &self.accounts[account].log {
            match &entry.record {
                Record::Fill(fill) if fill.id == *id => found = Some(fill.clone()),
                Record::Void(void) if void.fill == *id => return Err(SimReject::UnknownFill),
                Record::Fill(_) | Record::Void(_) | Record::Fee(_) | Record::Flow(_) => {}
            }
        }
        found.ok_or(SimReject::UnknownFill)
    }

    fn refill(&mut self, fill: &Fill, qty: Decimal, cost: Decimal) -> Option<usize> {
        let index = self.order_ids.get(fill.order.as_ref()?).copied()?;
        let order = &mut self.orders[index];
        let (filled, cost) = (order.filled() + qty, order.cost + cost);
        order.set_filled(filled, cost);
        Some(index)
    }
}
