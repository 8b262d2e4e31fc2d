//! Placing, canceling and replacing orders.

use broker_core::model::{
    Amount, Group, InstrumentRef, OrderChange, OrderKind, OrderLeg, OrderLinks, Size, StopExit, Trail, Trigger,
};
use broker_core::{
    AccountId, ClientOrderId, Money, Order, OrderId, OrderRequest, OrderStatus, Price, Qty, RecordId, Side, TimeInForce,
};
use chrono::{DateTime, Utc};
use rust_decimal::Decimal;

use crate::check::Plan;
use crate::engine::{Engine, Timer};
use crate::order::{Exit, SimOrder};
use crate::reject::SimReject;
use crate::rules::{ClientIdPolicy, ReplaceMode};

/// What became of each order of a cancel-all.
pub type CancelResults = Vec<(OrderId, Result<(), SimReject>)>;

impl Engine {
    /// Takes an order, and fills it as far as it can at once. The order that comes back is the entry; its exits are
    /// its links' children. `client_id` goes before the request's own.
    ///
    /// # Errors
    /// The reason why the venue refuses. Nothing is kept of a refused order, its client id neither.
    pub fn place(
        &mut self,
        account: &AccountId,
        request: &OrderRequest,
        client_id: Option<ClientOrderId>,
        now: DateTime<Utc>,
    ) -> Result<Order, SimReject> {
        self.place_as(account, request, client_id, None, now)
    }

    /// The same, for one lot alone where one is named.
    pub(crate) fn place_as(
        &mut self,
        account: &AccountId,
        request: &OrderRequest,
        client_id: Option<ClientOrderId>,
        lot: Option<RecordId>,
        now: DateTime<Utc>,
    ) -> Result<Order, SimReject> {
        self.run(now);
        let account = self.account_index(account)?;
        if self.accounts[account].blocked {
            return Err(SimReject::AccountBlocked);
        }
        let client_id = client_id.or_else(|| request.client_id.clone());
        self.check_client_id(account, client_id.as_ref())?;
        let market = self.resolve(&request.instrument)?;
        let plan = self.plan(account, market, request)?;
        let entry = self.insert(account, market, request, &plan, client_id);
        self.orders[entry].lot = lot;
        self.insert_exits(entry, request);
        self.tell_order(entry);
        if self.rules.accept_delay > chrono::Duration::zero() {
            self.at(self.now + self.rules.accept_delay, Timer::Accept(entry));
        } else {
            self.accept(entry);
        }
        Ok(self.orders[entry].order.clone())
    }

    /// Cancels an order, and with it the rest of its group.
    pub fn cancel(&mut self, account: &AccountId, id: &OrderId, now: DateTime<Utc>) -> Result<Order, SimReject> {
        self.run(now);
        let index = self.order_index(account, id)?;
        self.ask_cancel(index)?;
        Ok(self.orders[index].order.clone())
    }

    /// Cancels every open order of an account, oldest first. Orders that went with their group are not listed again.
    pub fn cancel_all(&mut self, account: &AccountId, now: DateTime<Utc>) -> Result<CancelResults, SimReject> {
        self.run(now);
        let account = self.account_index(account)?;
        let open: Vec<_> = self.accounts[account].open.iter().copied().collect();
        let mut out = Vec::new();
        for index in open {
            let order = &self.orders[index].order;
            if !order.status.is_final() && order.status != OrderStatus::PendingCancel {
                out.push((order.id.clone(), self.ask_cancel(index)));
            }
        }
        Ok(out)
    }

    /// Refuses an order that was taken: what a venue does after its own second look.
    pub fn reject_order(
        &mut self,
        account: &AccountId,
        id: &OrderId,
        reason: &str,
        now: DateTime<Utc>,
    ) -> Result<Order, SimReject> {
        self.run(now);
        let index = self.order_index(account, id)?;
        self.orders[index].order.reason = Some(reason.to_owned());
        if !self.end(index, OrderStatus::Rejected) {
            let status = self.orders[index].order.status.clone();
            return Err(SimReject::NotCancelable { status });
        }
        Ok(self.orders[index].order.clone())
    }

    /// Changes a working order: by the venue's rule as a new order, which takes `client_id`, or in place. The
    /// quantity of a change counts what is filled already.
    pub fn replace(
        &mut self,
        account: &AccountId,
        id: &OrderId,
        change: &OrderChange,
        client_id: Option<ClientOrderId>,
        now: DateTime<Utc>,
    ) -> Result<Order, SimReject> {
        self.run(now);
        let index = self.order_index(account, id)?;
        let account = self.orders[index].account;
        if self.accounts[account].blocked {
            return Err(SimReject::AccountBlocked);
        }
        let old = &self.orders[index];
        let replaceable = matches!(
            old.order.status,
            OrderStatus::New | OrderStatus::PartiallyFilled | OrderStatus::Held
        );
        let Some(qty) = old
            .qty
            .filter(|_| replaceable && matches!(old.order.amount, Amount::Qty(_)))
        else {
            return Err(SimReject::NotReplaceable {
                status: old.order.status.clone(),
            });
        };
        let in_place = self.rules.replace == ReplaceMode::InPlace;
        if !in_place {
            self.check_client_id(account, client_id.as_ref())?;
        }
        let qty = change.qty.map_or(qty, Qty::get);
        let plan = self.plan_change(index, qty, change)?;
        let changed = if in_place {
            self.change_in_place(index, qty, &plan);
            index
        } else {
            self.change_by_new(index, &plan, client_id)
        };
        self.attempt(changed, false);
        if self.orders[changed]
            .order
            .time_in_force
            .as_ref()
            .is_some_and(is_immediate)
        {
            self.end(changed, OrderStatus::Canceled);
        }
        Ok(self.orders[changed].order.clone())
    }

    fn change_in_place(&mut self, index: usize, qty: Decimal, plan: &Plan) {
        let at = self.now;
        let order = &mut self.orders[index];
        order.qty = Some(qty);
        order.order.amount = Amount::Qty(Qty::new(qty).unwrap_or(Qty::ZERO));
        order.reserve = plan.reserve;
        order.order.updated_at = Some(at);
        order.rested = false;
        set_terms(&mut order.order, plan);
        self.tell_order(index);
        self.schedule(index);
    }

    fn change_by_new(&mut self, index: usize, plan: &Plan, client_id: Option<ClientOrderId>) -> usize {
        let (account, market) = (self.orders[index].account, self.orders[index].market);
        let request = self.orders[index].request.clone();
        let status = self.orders[index].order.status.clone();
        let new = self.insert(account, market, &request, plan, client_id);
        let old_id = self.orders[index].order.id.clone();
        let new_id = self.orders[new].order.id.clone();
        let (parent, sibling) = (self.orders[index].parent, self.orders[index].sibling);
        let children = std::mem::take(&mut self.orders[index].children);
        let lot = self.orders[index].lot.clone();
        let (exit, extreme, triggered) = (
            self.orders[index].exit,
            self.orders[index].extreme,
            self.orders[index].triggered,
        );
        for (relative, is_parent) in parent
            .map(|parent| (parent, true))
            .into_iter()
            .chain(sibling.map(|sibling| (sibling, false)))
        {
            let relative = &mut self.orders[relative];
            let links = &mut relative.order.links;
            for id in links.children.iter_mut().chain(links.siblings.iter_mut()) {
                if *id == old_id {
                    *id = new_id.clone();
                }
            }
            if !is_parent {
                relative.sibling = Some(new);
                if links.parent.as_ref() == Some(&old_id) {
                    links.parent = Some(new_id.clone());
                    relative.parent = Some(new);
                }
            } else {
                for child in &mut relative.children {
                    if *child == index {
                        *child = new;
                    }
                }
            }
        }
        for child in &children {
            let child = &mut self.orders[*child];
            child.parent = Some(new);
            child.order.links.parent = Some(new_id.clone());
        }
        let links = self.orders[index].order.links.clone();
        let order = &mut self.orders[new];
        (order.parent, order.sibling, order.children) = (parent, sibling, children);
        (order.exit, order.extreme, order.triggered) = (exit, extreme, triggered);
        order.lot = lot;
        order.order.links = OrderLinks {
            replaces: Some(old_id),
            replaced_by: None,
            ..links
        };
        // The old one leaves without taking its group along.
        let old = &mut self.orders[index];
        old.order.links.replaced_by = Some(new_id);
        (old.sibling, old.parent) = (None, None);
        self.end(index, OrderStatus::Replaced);
        let at = self.now;
        let next = if status == OrderStatus::Held {
            OrderStatus::Held
        } else {
            OrderStatus::New
        };
        self.orders[new].become_status(next, at);
        self.schedule(new);
        self.tell_order(new);
        new
    }

    fn check_client_id(&self, account: usize, id: Option<&ClientOrderId>) -> Result<(), SimReject> {
        let Some(existing) = id.and_then(|id| self.accounts[account].client_ids.get(id)) else {
            return Ok(());
        };
        let existing = &self.orders[*existing].order;
        let taken = match self.rules.client_ids {
            ClientIdPolicy::Forever => true,
            ClientIdPolicy::AmongOpen => !existing.status.is_final(),
            ClientIdPolicy::None => false,
        };
        if taken {
            return Err(SimReject::DuplicateClientId {
                existing: existing.id.clone(),
            });
        }
        Ok(())
    }

    pub(crate) fn resolve(&self, name: &InstrumentRef) -> Result<usize, SimReject> {
        let symbol = match name {
            InstrumentRef::Id(id) => return self.market_index(id),
            InstrumentRef::Symbol(symbol) => symbol,
        };
        match self.directory.by_symbol(symbol) {
            [] => Err(SimReject::UnknownSymbol {
                symbol: symbol.to_string(),
            }),
            [market] => Ok(*market),
            several => Err(SimReject::AmbiguousSymbol {
                symbol: symbol.to_string(),
                ids: several
                    .iter()
                    .map(|market| self.markets[*market].listing.instrument.id.get())
                    .collect::<Vec<_>>()
                    .join(", "),
            }),
        }
    }

    /// Writes an order down as `PendingNew`.
    fn insert(
        &mut self,
        account: usize,
        market: usize,
        request: &OrderRequest,
        plan: &Plan,
        client_id: Option<ClientOrderId>,
    ) -> usize {
        let index = self.orders.len();
        let id = OrderId::from(self.uuid());
        let instrument = &self.markets[market].listing.instrument;
        let (amount, qty) = match plan.size {
            Size::Qty(qty) => (Amount::Qty(qty), Some(qty.get())),
            Size::Notional { amount, currency } => (
                Amount::Notional(Money::new(amount.get(), currency.unwrap_or(instrument.currency))),
                None,
            ),
        };
        let leg = OrderLeg {
            instrument: instrument.id.clone(),
            symbol: instrument.symbol.clone(),
            side: plan.side,
            ratio: Decimal::ONE,
            effect: plan.effect,
            position: plan.leg,
            filled_qty: Qty::ZERO,
            average_price: None,
        };
        let mut order = Order {
            id: id.clone(),
            client_id: client_id.clone(),
            account: self.accounts[account].spec.id.clone(),
            legs: vec![leg],
            kind: plan.kind.clone(),
            amount,
            filled_qty: Qty::ZERO,
            average_price: None,
            limit_price: None,
            stop_price: None,
            trail: None,
            time_in_force: None,
            expires_at: None,
            extended_hours: request.extended_hours,
            reduce_only: plan.reduce_only,
            status: OrderStatus::PendingNew,
            reason: None,
            links: OrderLinks::default(),
            created_at: Some(self.now),
            updated_at: Some(self.now),
        };
        set_terms(&mut order, plan);
        let mut order = SimOrder {
            order,
            request: request.clone(),
            stamps: Vec::new(),
            account,
            market,
            qty,
            cost: Decimal::ZERO,
            triggered: false,
            extreme: None,
            rested: false,
            auction_at: plan.auction_at,
            exit: None,
            parent: None,
            sibling: None,
            children: Vec::new(),
            reserve: plan.reserve,
            lot: None,
            opened: None,
        };
        order.stamp(OrderStatus::PendingNew, self.now);
        self.orders.push(order);
        self.order_ids.insert(id, index);
        let state = &mut self.accounts[account];
        state.orders.push(index);
        state.open.insert(index);
        if let Some(client_id) = client_id {
            state.client_ids.insert(client_id, index);
        }
        self.markets[market].open.insert(index);
        index
    }

    /// Writes the exits of a bracket, an OTO or an OCO down.
    fn insert_exits(&mut self, entry: usize, request: &OrderRequest) {
        let (exits, group) = match (&request.trigger, request.target, request.stop) {
            (Trigger::Oco { stop, .. }, _, _) => (vec![Exit::Stop(*stop)], Group::Oco),
            (_, Some(target), Some(stop)) => (vec![Exit::Target(target), Exit::Stop(stop)], Group::Bracket),
            (_, Some(target), None) => (vec![Exit::Target(target)], Group::Oto),
            (_, None, Some(stop)) => (vec![Exit::Stop(stop)], Group::Oto),
            (_, None, None) => return,
        };
        let is_oco = group == Group::Oco;
        let mut made = Vec::new();
        for exit in exits {
            let plan = self.plan_exit(entry, exit, is_oco);
            let (account, market) = (self.orders[entry].account, self.orders[entry].market);
            let index = self.insert(account, market, request, &plan, None);
            let parent = self.orders[entry].order.id.clone();
            let order = &mut self.orders[index];
            order.exit = Some(exit);
            order.parent = Some(entry);
            order.order.links.parent = Some(parent);
            order.order.links.group = Some(group.clone());
            made.push(index);
        }
        let pair = match made.as_slice() {
            [stop] if is_oco => Some((entry, *stop)),
            [target, stop] => Some((*target, *stop)),
            _ => None,
        };
        if let Some((one, other)) = pair {
            for (from, to) in [(one, other), (other, one)] {
                let id = self.orders[to].order.id.clone();
                self.orders[from].sibling = Some(to);
                self.orders[from].order.links.siblings.push(id);
            }
        }
        let ids: Vec<_> = made.iter().map(|index| self.orders[*index].order.id.clone()).collect();
        let order = &mut self.orders[entry];
        order.order.links.group = Some(group);
        order.order.links.children = ids;
        order.children = made;
    }
}

/// Writes the terms of a plan into an order.
pub(crate) fn set_terms(order: &mut Order, plan: &Plan) {
    order.limit_price = plan.limit.map(Price::new);
    order.stop_price = plan.stop.map(Price::new);
    order.trail = plan.trail;
    order.time_in_force = Some(plan.time_in_force.clone());
    order.expires_at = plan.expires_at;
}

/// The kind of order that an exit is.
pub(crate) fn exit_kind(exit: Exit) -> OrderKind {
    match exit {
        Exit::Target(_) => OrderKind::Limit,
        Exit::Stop(StopExit::Stop { limit: Some(_), .. }) => OrderKind::StopLimit,
        Exit::Stop(StopExit::Stop { limit: None, .. }) => OrderKind::Stop,
        Exit::Stop(StopExit::Trailing(_)) => OrderKind::TrailingStop,
    }
}

/// The trailing distance of an exit.
pub(crate) fn exit_trail(exit: Exit) -> Option<Trail> {
    match exit {
        Exit::Stop(StopExit::Trailing(trail)) => Some(trail),
        Exit::Target(_) | Exit::Stop(StopExit::Stop { .. }) => None,
    }
}

/// Whether a time in force trades at once or not at all.
pub(crate) fn is_immediate(time_in_force: &TimeInForce) -> bool {
    matches!(time_in_force, TimeInForce::Ioc | TimeInForce::Fok)
}

/// The sign of a side.
pub(crate) fn sign(side: Side) -> Decimal {
    match side {
        Side::Buy => Decimal::ONE,
        Side::Sell => -Decimal::ONE,
    }
}
