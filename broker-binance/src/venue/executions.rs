//! What became of the account's orders at the books: trades, allocations of orders that were routed, and trades with
//! itself that were prevented.

use broker_core::model::{InstrumentRef, OrderKind, Trigger};
use broker_core::{InstrumentId, OrderId, OrderRequest, OrderStatus, Price, Side};
use broker_sim::wire::WireRequest;
use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::BinanceVenue;
use super::books::Trade;
use super::params::{Params, Refusal, Reply};
use super::read::spans_a_day;
use super::shapes::{self, eight, millis};

/// A trade of the account with itself that was prevented: the order that rested expired, the other went on.
#[derive(Debug, Clone)]
pub(super) struct Prevented {
    pub(super) number: u64,
    pub(super) instrument: InstrumentId,
    pub(super) taker: OrderId,
    pub(super) maker: OrderId,
    pub(super) price: Price,
    /// What was left of the one that rested.
    pub(super) qty: Decimal,
    pub(super) at: DateTime<Utc>,
}

impl BinanceVenue {
    pub(super) fn trades(&self, request: &WireRequest) -> Reply {
        self.executions(request, "fromId", false)
    }

    pub(super) fn allocations(&self, request: &WireRequest) -> Reply {
        self.executions(request, "fromAllocationId", true)
    }

    fn executions(&self, request: &WireRequest, from: &'static str, allocated: bool) -> Reply {
        let params = Params::of(request, &["symbol", "orderId", "startTime", "endTime", from, "limit"])?;
        let symbol = params.needed("symbol")?;
        let instrument = self.named(symbol)?;
        let (order, from) = (params.number("orderId")?, params.number(from)?);
        let (start, end) = (params.time("startTime")?, params.time("endTime")?);
        let times = start.is_some() || end.is_some();
        if times && (from.is_some() || order.is_some()) {
            return Err(Refusal::combination());
        }
        spans_a_day(start, end)?;
        let limit = params.limit(500)?;
        let trades = self.books.trades(&instrument.id);
        let order = order.map(|number| self.books.order(&instrument.id, number).cloned());
        let wanted = |trade: &&Trade| {
            let at = millis(trade.fill.at);
            trade.allocated == allocated
                && from.is_none_or(|from| trade.number >= from)
                && start.is_none_or(|start| at >= millis(start))
                && end.is_none_or(|end| at <= millis(end))
                && order.as_ref().is_none_or(|order| trade.fill.order == *order)
        };
        // Without a start the newest come, in the same order; of allocations only where an end is named.
        let from_the_oldest = from.is_some() || start.is_some() || order.is_some() || (allocated && end.is_none());
        let found: Vec<_> = if from_the_oldest {
            trades.iter().filter(wanted).take(limit).collect()
        } else {
            let mut newest: Vec<_> = trades.iter().rev().filter(wanted).take(limit).collect();
            newest.reverse();
            newest
        };
        let rows = found.into_iter().map(|trade| shapes::trade(trade, symbol, &self.books));
        Ok(Value::from(rows.collect::<Vec<_>>()).to_string())
    }

    /// Resting orders of the account that this one would trade with: those that stand before the market's own.
    pub(super) fn opposite(&self, order: &OrderRequest) -> Vec<(OrderId, Price, Decimal)> {
        let limit = match order.trigger {
            Trigger::Market => None,
            Trigger::Limit { limit } => Some(limit),
            _ => return Vec::new(),
        };
        let (side, InstrumentRef::Id(instrument)) = (order.side, &order.instrument) else {
            return Vec::new();
        };
        let Some(quote) = self.engine.quote(instrument).filter(|_| self.prevents) else {
            return Vec::new();
        };
        let reaches = |price: Price| match side {
            Side::Buy => limit.is_none_or(|limit| limit >= price) && quote.ask.is_none_or(|ask| price < ask),
            Side::Sell => limit.is_none_or(|limit| limit <= price) && quote.bid.is_none_or(|bid| price > bid),
        };
        let open = self.engine.open_orders(&self.account).into_iter().flatten();
        let met = open.filter_map(|resting| {
            let own = resting.order();
            let leg = own.legs.first()?;
            let works = own.kind == OrderKind::Limit && own.status != OrderStatus::Held;
            let price = own.limit_price.filter(|price| reaches(*price))?;
            let against = leg.instrument == *instrument && leg.side != side;
            (works && against).then(|| (own.id.clone(), price, resting.leaves().unwrap_or_default()))
        });
        met.collect()
    }

    /// What this order would have traded with expires.
    pub(super) fn prevent(&mut self, taker: &OrderId, met: Vec<(OrderId, Price, Decimal)>, now: DateTime<Utc>) {
        for (maker, price, qty) in met {
            let Ok(canceled) = self.engine.cancel(&self.account, &maker, now) else {
                continue;
            };
            let Some(leg) = canceled.legs.first() else { continue };
            self.books.prevent(Prevented {
                number: 0,
                instrument: leg.instrument.clone(),
                taker: taker.clone(),
                maker,
                price,
                qty,
                at: now,
            });
        }
    }

    /// By number, or by an order of either side.
    pub(super) fn prevented(&self, request: &WireRequest) -> Reply {
        let known = ["symbol", "preventedMatchId", "orderId", "fromPreventedMatchId", "limit"];
        let params = Params::of(request, &known)?;
        let symbol = params.needed("symbol")?;
        let id = &self.named(symbol)?.id;
        let (one, order) = (params.number("preventedMatchId")?, params.number("orderId")?);
        let from = params.number("fromPreventedMatchId")?.unwrap_or_default();
        match (one, order) {
            (None, None) => return Err(Refusal::missing("orderId")),
            (Some(_), Some(_)) => return Err(Refusal::combination()),
            _ => {}
        }
        let number = |order: &OrderId| self.books.number(order);
        let wanted = |row: &&Prevented| {
            row.instrument == *id
                && row.number >= from
                && one.is_none_or(|one| row.number == one)
                && order.is_none_or(|order| [&row.taker, &row.maker].iter().any(|id| number(id) == order))
        };
        let row = |row: &Prevented| {
            json!({
                "symbol": symbol, "preventedMatchId": row.number, "takerOrderId": number(&row.taker),
                "makerSymbol": symbol, "makerOrderId": number(&row.maker), "tradeGroupId": 1,
                "selfTradePreventionMode": "EXPIRE_MAKER", "price": eight(row.price.get()),
                "makerPreventedQuantity": eight(row.qty), "transactTime": millis(row.at),
            })
        };
        let rows = self.books.prevented().iter().filter(wanted).take(params.limit(500)?);
        Ok(Value::from(rows.map(row).collect::<Vec<_>>()).to_string())
    }
}
