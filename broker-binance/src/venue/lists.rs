//! Lists of orders: exits that cancel each other, and exits that wait for an entry.

use broker_core::model::{Amount, Fill, Level, OrderStatus};
use broker_core::{ClientOrderId, Currency, Order, OrderId, OrderRequest, Price, Side, TimeInForce};
use broker_sim::wire::WireRequest;
use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use serde_json::Value;

use super::BinanceVenue;
use super::params::{Params, Refusal, Reply};
use super::place::{Leg, quantity};

/// How exits are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sized {
    /// As they were asked for.
    Asked,
    /// By what the purchase before them brought, its fee taken off.
    Received,
}

impl BinanceVenue {
    /// Two exits that cancel each other: the one at a limit is the engine's target, and carries our id.
    pub(super) fn place_oco(&mut self, request: &WireRequest, now: DateTime<Utc>) -> Reply {
        const KNOWN: [&str; 17] = [
            "symbol",
            "side",
            "quantity",
            "newOrderRespType",
            "listClientOrderId",
            "aboveType",
            "aboveClientOrderId",
            "abovePrice",
            "aboveStopPrice",
            "aboveTrailingDelta",
            "aboveTimeInForce",
            "belowType",
            "belowClientOrderId",
            "belowPrice",
            "belowStopPrice",
            "belowTrailingDelta",
            "belowTimeInForce",
        ];
        let params = Params::of(request, &KNOWN)?;
        let instrument = self.instrument_of(&params)?;
        let side = Self::side_of(&params, "side")?;
        let qty = quantity(
            params
                .decimal("quantity")?
                .ok_or_else(|| Refusal::missing("quantity"))?,
        )?;
        let (target, stop) = Self::exits(&params, side, ["above", "below"])?;
        let target_price = Price::new(target.needed("price")?);
        self.must_rest(&instrument, side, target_price)?;
        let exit = stop.exit()?;
        let mut order = OrderRequest::oco(instrument.symbol.clone(), side, qty, target_price, exit)
            .with_instrument(instrument.id.clone())
            .with_time_in_force(TimeInForce::Gtc);
        if let Some(id) = self.client_id(&params, &target.name("clientOrderId"))? {
            order = order.with_client_id(id);
        }
        let other = self.client_id(&params, &stop.name("clientOrderId"))?;
        let id = self.submit(&order, true, now)?;
        self.name_exits(&id, &[other]);
        self.list_reply(&id, params.get("newOrderRespType"))
    }

    /// Of two exits the one at a limit and the protecting one: a sale's profit is above, a purchase's below.
    fn exits<'a>(params: &'a Params<'a>, side: Side, names: [&'static str; 2]) -> Result<(Leg<'a>, Leg<'a>), Refusal> {
        let [above, below] = names.map(|prefix| Leg { params, prefix });
        let (target, stop) = match side {
            Side::Sell => (above, below),
            Side::Buy => (below, above),
        };
        if target.kind()? != "LIMIT_MAKER" {
            return Err(Refusal::new(-1165, format!("Invalid {}.", target.name("type"))));
        }
        target.must_not_have(&["stopPrice", "trailingDelta", "timeInForce"])?;
        Ok((target, stop))
    }

    /// An order that works, and one or two that wait until all of it is filled.
    pub(super) fn place_with_exits(
        &mut self,
        request: &WireRequest,
        now: DateTime<Utc>,
        (two, sized): (bool, Sized),
    ) -> Reply {
        let mut known = vec![
            "symbol",
            "newOrderRespType",
            "listClientOrderId",
            "workingType",
            "workingSide",
            "workingClientOrderId",
            "workingPrice",
            "workingQuantity",
            "workingTimeInForce",
            "pendingSide",
        ];
        if sized == Sized::Asked {
            known.push("pendingQuantity");
        }
        known.extend(if two {
            &[
                "pendingAboveType",
                "pendingAboveClientOrderId",
                "pendingAbovePrice",
                "pendingAboveStopPrice",
                "pendingAboveTrailingDelta",
                "pendingAboveTimeInForce",
                "pendingBelowType",
                "pendingBelowClientOrderId",
                "pendingBelowPrice",
                "pendingBelowStopPrice",
                "pendingBelowTrailingDelta",
                "pendingBelowTimeInForce",
            ][..]
        } else {
            &[
                "pendingType",
                "pendingClientOrderId",
                "pendingPrice",
                "pendingStopPrice",
                "pendingTrailingDelta",
                "pendingTimeInForce",
            ][..]
        });
        let params = Params::of(request, &known)?;
        let instrument = self.instrument_of(&params)?;
        let working = Leg {
            params: &params,
            prefix: "working",
        };
        let kind = working.kind()?;
        if !matches!(kind, "LIMIT" | "LIMIT_MAKER") {
            return Err(Refusal::new(-1164, "Invalid workingType."));
        }
        let side = Self::side_of(&params, "workingSide")?;
        let qty = quantity(working.needed("quantity")?)?;
        let pending = match sized {
            Sized::Asked => params
                .decimal("pendingQuantity")?
                .ok_or_else(|| Refusal::missing("pendingQuantity"))?,
            Sized::Received => qty.get(),
        };
        let closing = Self::side_of(&params, "pendingSide")?;
        if sized == Sized::Received && side == Side::Sell {
            return Err(Refusal::new(-1013, "What a sale receives is not served by this venue."));
        }
        if pending != qty.get() || closing == side {
            return Err(Refusal::new(
                -1013,
                "Exits of another size or side are not served by this venue.",
            ));
        }
        let price = Price::new(working.needed("price")?);
        let makes = kind == "LIMIT_MAKER";
        let tif = match (makes, working.time_in_force()?) {
            (true, Some(_)) => return Err(Refusal::not_needed("workingTimeInForce")),
            (true, None) => TimeInForce::Gtc,
            (false, Some(tif)) => tif,
            (false, None) => return Err(Refusal::missing("workingTimeInForce")),
        };
        if makes {
            self.must_rest(&instrument, side, price)?;
        }
        let mut order = OrderRequest::limit(instrument.symbol.clone(), side, qty, price)
            .with_instrument(instrument.id.clone())
            .with_time_in_force(tif);
        let mut ids = Vec::new();
        if two {
            let (target, stop) = Self::exits(&params, closing, ["pendingAbove", "pendingBelow"])?;
            order = order
                .with_target(Level::Price(Price::new(target.needed("price")?)))
                .with_stop(stop.exit()?);
            ids.push(self.client_id(&params, &target.name("clientOrderId"))?);
            ids.push(self.client_id(&params, &stop.name("clientOrderId"))?);
        } else {
            let exit = Leg {
                params: &params,
                prefix: "pending",
            };
            order = match exit.kind()? {
                "LIMIT" => {
                    if exit.time_in_force()?.is_none() {
                        return Err(Refusal::missing("pendingTimeInForce"));
                    }
                    order.with_target(Level::Price(Price::new(exit.needed("price")?)))
                }
                "LIMIT_MAKER" => order.with_target(Level::Price(Price::new(exit.needed("price")?))),
                _ => order.with_stop(exit.exit()?),
            };
            ids.push(self.client_id(&params, "pendingClientOrderId")?);
        }
        if let Some(id) = self.client_id(&params, "workingClientOrderId")? {
            order = order.with_client_id(id);
        }
        let id = self.submit(&order, makes, now)?;
        if sized == Sized::Received {
            self.of_received.push(id.clone());
            self.size_exits(now);
        }
        if two && let Some(target) = self.books.list(&id).and_then(|list| list.orders.get(1)).cloned() {
            self.makers.insert(target, ());
        }
        self.name_exits(&id, &ids);
        self.list_reply(&id, params.get("newOrderRespType"))
    }

    /// Exits of what was received, once all of it is there: so much as the fee left, in whole lots.
    pub(super) fn size_exits(&mut self, now: DateTime<Utc>) {
        let waiting = std::mem::take(&mut self.of_received);
        for id in waiting {
            let Ok(found) = self.engine.order(&self.account, &id) else {
                continue;
            };
            let order = found.order().clone();
            if !order.status.is_final() {
                self.of_received.push(id);
                continue;
            }
            if order.status == OrderStatus::Filled {
                self.size_exits_of(&order, now);
            }
        }
    }

    fn size_exits_of(&mut self, order: &Order, now: DateTime<Utc>) {
        let Some(leg) = order.legs.first() else { return };
        let instrument = self.engine.instrument(&leg.instrument);
        let (base, lot) = instrument.map_or((None, None), |one| (one.base, one.lot));
        self.books.read(&self.engine, &self.account);
        let own = self.books.trades(&leg.instrument).iter().map(|trade| &trade.fill);
        let own = own.filter(|fill| fill.order.as_ref() == Some(&order.id));
        let received: Decimal = own.map(|fill| fill.qty.get() - in_kind(fill, base)).sum();
        let whole = match lot.filter(|lot| !lot.is_zero()) {
            Some(lot) => received - received % lot,
            None => received,
        };
        let Ok(qty) = quantity(whole) else { return };
        let exits = self.books.list(&order.id).map(|list| list.orders[1..].to_vec());
        for exit in exits.unwrap_or_default() {
            let larger = self.engine.order(&self.account, &exit).is_ok_and(|exit| {
                let exit = exit.order();
                !exit.status.is_final() && matches!(exit.amount, Amount::Qty(before) if before > qty)
            });
            if larger {
                // It is open and larger: nothing stands against it.
                let _ = self.resize(&exit, qty, now);
            }
        }
    }

    /// Gives the others of a list the ids that they were asked under.
    fn name_exits(&mut self, first: &OrderId, ids: &[Option<ClientOrderId>]) {
        let others: Vec<OrderId> = self
            .books
            .list(first)
            .map(|list| list.orders[1..].to_vec())
            .unwrap_or_default();
        for (order, id) in others.into_iter().zip(ids) {
            if let Some(id) = id {
                self.books.call(&order, id.get().to_owned());
            }
        }
    }

    fn list_reply(&self, first: &OrderId, form: Option<&str>) -> Reply {
        let list = self.books.list(first).ok_or_else(Refusal::no_such_order)?;
        let mut shape = self.list_shape(list);
        let orders = list
            .orders
            .iter()
            .filter_map(|id| self.engine.order(&self.account, id).ok());
        let reports: Vec<Value> = orders
            .map(|order| {
                let mut report = self.placed_shape(order, Some(form.unwrap_or("FULL")));
                if let Value::Object(map) = &mut report {
                    map.remove("fills");
                }
                report
            })
            .collect();
        shape.insert("orderReports".into(), reports.into());
        Ok(Value::Object(shape).to_string())
    }
}

/// What the fee took of the coin that was bought.
fn in_kind(fill: &Fill, base: Option<Currency>) -> Decimal {
    let of_base = fill.fees.iter().filter(|fee| Some(fee.currency) == base);
    of_base.map(|fee| fee.amount).sum()
}
