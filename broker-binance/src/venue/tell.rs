//! What the streams tell: orders, fills, lists, balances, quotes.

use broker_core::model::{Amount, Liquidity, Quote, Trail};
use broker_core::{Currency, Fill, Order, OrderStatus, Price, Side};
use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use serde_json::{Map, Value, json};

use super::BinanceVenue;
use super::shapes::{self, eight, millis};
use super::stream::Socket;

impl BinanceVenue {
    pub(super) fn tell_order(&mut self, order: &Order, at: DateTime<Utc>) {
        let status = shapes::status(order, &self.books);
        let before = self.streams.told.get(&order.id).copied();
        let smaller = before.is_some_and(|(_, amount)| amount != order.amount);
        let happened = match (&order.status, before) {
            (OrderStatus::PendingCancel, _) => return,
            _ if smaller => "REPLACED",
            // Fills are told by their own reports.
            (OrderStatus::PartiallyFilled | OrderStatus::Filled, _) => return,
            (_, Some((told, _))) if told == status => return,
            (OrderStatus::Rejected, _) => "REJECTED",
            (OrderStatus::Canceled | OrderStatus::Replaced | OrderStatus::Expired, _) if status == "EXPIRED" => {
                "EXPIRED"
            }
            _ if status == "EXPIRED_IN_MATCH" => "TRADE_PREVENTION",
            (OrderStatus::Canceled | OrderStatus::Replaced, _) => "CANCELED",
            _ => "NEW",
        };
        self.remember(order);
        self.tell_list(order, at);
        let report = self.report(order, happened, None, at);
        self.tell(&report);
        self.tell_balances(order, at);
        self.tell_list(order, at);
    }

    pub(super) fn tell_fill(&mut self, fill: &Fill, order: &Order, at: DateTime<Utc>) {
        self.remember(order);
        self.tell_list(order, at);
        let report = self.report(order, "TRADE", Some(fill), at);
        self.tell(&report);
        self.tell_balances(order, at);
        self.tell_list(order, at);
    }

    fn remember(&mut self, order: &Order) {
        match order.status.is_final() {
            true => self.streams.told.remove(&order.id),
            false => self
                .streams
                .told
                .insert(order.id.clone(), (shapes::status(order, &self.books), order.amount)),
        };
    }

    /// The list of an order, once it is there and once it is done.
    fn tell_list(&mut self, order: &Order, at: DateTime<Utc>) {
        let Some(list) = self.books.list(&order.id).cloned() else {
            return;
        };
        let shape = self.list_shape(&list);
        let done = shape.get("listOrderStatus").and_then(Value::as_str) == Some("ALL_DONE");
        if self.streams.lists.insert(list.number, done) == Some(done) {
            return;
        }
        let text = |name: &str| shape.get(name).cloned().unwrap_or_default();
        let rows: Vec<Value> = shape
            .get("orders")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .map(|row| json!({ "s": row["symbol"], "i": row["orderId"], "c": row["clientOrderId"] }))
            .collect();
        let event = json!({
            "e": "listStatus", "E": millis(at), "s": text("symbol"), "g": list.number, "c": text("contingencyType"),
            "l": text("listStatusType"), "L": text("listOrderStatus"), "r": "NONE",
            "C": text("listClientOrderId"), "T": millis(at), "O": rows,
        });
        self.tell(&event);
    }

    fn report(&mut self, order: &Order, happened: &str, fill: Option<&Fill>, at: DateTime<Utc>) -> Value {
        self.streams.reports += 1;
        let books = &self.books;
        let leg = order.legs.first();
        let instrument = leg.and_then(|leg| self.engine.instrument(&leg.instrument));
        let makes = self.makers.contains_key(&order.id);
        let (qty, money) = match order.amount {
            Amount::Qty(qty) => (qty.get(), Decimal::ZERO),
            Amount::Notional(money) => (order.filled_qty.get(), money.amount),
        };
        let price = |price: Option<Price>| eight(price.map_or(Decimal::ZERO, Price::get));
        let own = shapes::client_id(order, books);
        let (client_id, canceled_id) = match happened {
            "CANCELED" => (format!("c{}", shapes::made_id(&order.id)), own),
            _ => (own, String::new()),
        };
        let trade = fill.and_then(|fill| {
            let trades = books.trades(&fill.instrument).iter().rev();
            trades.into_iter().find(|trade| trade.fill.id == fill.id)
        });
        let (commission, asset) = trade.map_or((Decimal::ZERO, Value::Null), |trade| {
            let (commission, asset) = shapes::commission(trade);
            (commission, asset.into())
        });
        let last = |value: fn(&Fill) -> Decimal| eight(fill.map_or(Decimal::ZERO, value));
        let cost = order.average_price.map_or(Decimal::ZERO, Price::get) * order.filled_qty.get();
        let list = books.list(&order.id).and_then(|list| i64::try_from(list.number).ok());
        let stop = order.stop_price.filter(|_| order.trail.is_none());
        let created = order.created_at.map_or(-1, millis);
        let works = order.status != OrderStatus::Held;
        let mut event = Map::new();
        let mut put = |name: &str, value: Value| event.insert(name.to_owned(), value);
        put("e", "executionReport".into());
        put("E", millis(at).into());
        put("s", instrument.map(shapes::symbol).unwrap_or_default().into());
        put("c", client_id.into());
        put("S", shapes::side(leg.map_or(Side::Buy, |leg| leg.side)).into());
        put("o", shapes::kind(order, makes).into());
        put("f", shapes::time_in_force(order).into());
        put("q", eight(qty).into());
        put("p", price(order.limit_price).into());
        put("P", price(stop).into());
        put("F", eight(Decimal::ZERO).into());
        put("g", list.unwrap_or(-1).into());
        put("C", canceled_id.into());
        put("x", happened.into());
        put("X", shapes::status(order, &self.books).into());
        put("r", "NONE".into());
        put("i", books.number(&order.id).into());
        put("l", last(|fill| fill.qty.get()).into());
        put("z", eight(order.filled_qty.get()).into());
        put("L", last(|fill| fill.price.get()).into());
        put(
            "n",
            if fill.is_some() {
                eight(commission)
            } else {
                "0".to_owned()
            }
            .into(),
        );
        put("N", asset);
        put("T", millis(fill.map_or(at, |fill| fill.at)).into());
        let number = trade.filter(|trade| !trade.allocated);
        let number = number.and_then(|trade| i64::try_from(trade.number).ok());
        put("t", number.unwrap_or(-1).into());
        if let Some(trade) = trade.filter(|trade| trade.allocated) {
            put("a", trade.number.into());
            put("b", "ONE_PARTY_TRADE_REPORT".into());
        }
        if leg.is_some_and(|leg| books.is_routed(&leg.instrument, &order.id)) {
            put("k", "SOR".into());
            put("uS", true.into());
        }
        if let Some(prevented) = books.expired_of(&order.id) {
            put("v", prevented.number.into());
            put("A", eight(prevented.qty).into());
            put("B", eight(prevented.qty).into());
            put("u", 1.into());
            put("U", books.number(&prevented.taker).into());
            put("Cs", instrument.map(shapes::symbol).unwrap_or_default().into());
        }
        put("I", self.streams.reports.into());
        put("w", works.into());
        put(
            "m",
            fill.is_some_and(|fill| fill.liquidity == Some(Liquidity::Maker)).into(),
        );
        put("M", false.into());
        put("O", created.into());
        put("Z", eight(cost).into());
        put("Y", last(|fill| fill.qty.get() * fill.price.get()).into());
        put("Q", eight(money).into());
        let prevented = books.expired_of(&order.id).is_some();
        put("V", if prevented { "EXPIRE_MAKER" } else { "NONE" }.into());
        if works {
            put("W", created.into());
        }
        if let Some(Trail::Percent(percent)) = order.trail {
            let units = (percent * Decimal::ONE_HUNDRED).normalize().to_string();
            put("d", units.parse::<u64>().unwrap_or_default().into());
        }
        Value::Object(event)
    }

    /// The coins of an order's symbol.
    fn tell_balances(&mut self, order: &Order, at: DateTime<Utc>) {
        let instrument = order
            .legs
            .first()
            .and_then(|leg| self.engine.instrument(&leg.instrument));
        let coins: Vec<Currency> = instrument
            .into_iter()
            .flat_map(|one| one.base.into_iter().chain([one.currency]))
            .collect();
        let (Ok(totals), Ok(locked)) = (self.totals(), self.locked()) else {
            return;
        };
        let rows: Vec<Value> = coins
            .iter()
            .map(|coin| {
                let total = totals.get(coin).copied().unwrap_or_default();
                let locked = locked
                    .get(coin)
                    .copied()
                    .unwrap_or_default()
                    .min(total)
                    .max(Decimal::ZERO);
                json!({ "a": coin.code(), "f": eight(total - locked), "l": eight(locked) })
            })
            .collect();
        self.tell(&json!({ "e": "outboundAccountPosition", "E": millis(at), "u": millis(at), "B": rows }));
    }

    pub(super) fn tell_quote(&mut self, quote: &Quote) {
        let Some(instrument) = self.engine.instrument(&quote.instrument) else {
            return;
        };
        let symbol = shapes::symbol(instrument);
        let qty = |qty: Option<broker_core::Qty>| eight(qty.map_or(Decimal::ZERO, broker_core::Qty::get));
        let price = |price: Option<Price>| eight(price.map_or(Decimal::ZERO, Price::get));
        self.streams.reports += 1;
        let message = json!({
            "stream": format!("{}@bookTicker", symbol.to_lowercase()),
            "data": {
                "u": self.streams.reports, "s": symbol, "b": price(quote.bid), "B": qty(quote.bid_size),
                "a": price(quote.ask), "A": qty(quote.ask_size),
            },
        });
        let wants = |socket: &&Socket| socket.symbols.contains(&quote.instrument);
        self.spread(&message, |socket| wants(&socket));
    }
}
