//! What the account has: balances, orders, lists, rates.

use std::collections::BTreeMap;

use broker_core::{ClientOrderId, Currency, InstrumentId, OrderId, Price, Side};
use broker_sim::SimOrder;
use broker_sim::wire::WireRequest;
use chrono::{DateTime, Duration, Utc};
use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::BinanceVenue;
use super::builder::is_coin;
use super::params::{Params, Refusal, Reply};
use super::shapes::{self, eight, millis};

impl BinanceVenue {
    /// Cash, and coins that are held outright; what open orders hold is locked.
    pub(super) fn own_account(&self, request: &WireRequest) -> Reply {
        let params = Params::of(request, &["omitZeroBalances"])?;
        let omits = params.get("omitZeroBalances") == Some("true");
        let state = self.engine.account(&self.account)?;
        let (totals, locked) = (self.totals()?, self.locked()?);
        let balances: Vec<Value> = totals
            .iter()
            .filter(|(_, total)| !omits || !total.is_zero())
            .map(|(coin, total)| {
                let locked = locked
                    .get(coin)
                    .copied()
                    .unwrap_or_default()
                    .min(*total)
                    .max(Decimal::ZERO);
                json!({"asset": coin.code(), "free": eight(*total - locked), "locked": eight(locked)})
            })
            .collect();
        let rates =
            json!({"maker": "0.00100000", "taker": "0.00100000", "buyer": "0.00000000", "seller": "0.00000000"});
        let body = json!({
            "makerCommission": 10, "takerCommission": 10, "buyerCommission": 0, "sellerCommission": 0,
            "commissionRates": rates,
            "canTrade": !state.is_blocked(), "canWithdraw": true, "canDeposit": true,
            "brokered": false, "requireSelfTradePrevention": false, "preventSor": false,
            "updateTime": millis(self.engine.now()),
            "accountType": "SPOT",
            "balances": balances,
            "permissions": ["SPOT"],
            "uid": self.uid,
        });
        Ok(body.to_string())
    }

    pub(super) fn totals(&self) -> Result<BTreeMap<Currency, Decimal>, Refusal> {
        let mut totals: BTreeMap<Currency, Decimal> = BTreeMap::new();
        for money in self.engine.account(&self.account)?.cash() {
            *totals.entry(money.currency).or_default() += money.amount;
        }
        for position in self.engine.positions(&self.account)? {
            let base = self.engine.instrument(&position.instrument).and_then(|one| one.base);
            if let Some(base) = base {
                *totals.entry(base).or_default() += position.signed_qty();
            }
        }
        Ok(totals)
    }

    pub(super) fn locked(&self) -> Result<BTreeMap<Currency, Decimal>, Refusal> {
        let mut locked: BTreeMap<Currency, Decimal> = BTreeMap::new();
        for order in self.engine.open_orders(&self.account)? {
            let (inner, leaves) = (order.order(), order.leaves().unwrap_or_default());
            let Some(leg) = inner.legs.first() else { continue };
            let Some(instrument) = self.engine.instrument(&leg.instrument) else {
                continue;
            };
            // Of two exits one holds the coin, and exits that wait hold nothing.
            if inner.links.parent.is_some() {
                continue;
            }
            match (leg.side, instrument.base) {
                (Side::Sell, Some(base)) => *locked.entry(base).or_default() += leaves,
                (Side::Buy, _) => {
                    let price = inner.limit_price.or(inner.stop_price).map_or(Decimal::ZERO, Price::get);
                    *locked.entry(instrument.currency).or_default() += price * leaves;
                }
                (Side::Sell, None) => {}
            }
        }
        Ok(locked)
    }

    fn shown(&self, order: &OrderId, now: DateTime<Utc>) -> Option<&SimOrder> {
        let found = self.engine.order(&self.account, order).ok()?;
        let until = now.checked_sub_signed(self.visibility_lag).unwrap_or(now);
        found.order().created_at.is_none_or(|at| at <= until).then_some(found)
    }

    pub(super) fn makes(&self, order: &OrderId) -> bool {
        self.makers.contains_key(order)
    }

    pub(super) fn query_shape(&self, order: &SimOrder) -> Value {
        let id = &order.order().id;
        shapes::queried(order, &self.symbol_of(order), &self.books, self.makes(id))
    }

    pub(super) fn symbol_of(&self, order: &SimOrder) -> String {
        let leg = order.order().legs.first();
        let instrument = leg.and_then(|leg| self.engine.instrument(&leg.instrument));
        instrument.map(shapes::symbol).unwrap_or_default()
    }

    pub(super) fn all_orders(&self, request: &WireRequest, now: DateTime<Utc>) -> Reply {
        let params = Params::of(request, &["symbol", "orderId", "startTime", "endTime", "limit"])?;
        let instrument = self.named(params.needed("symbol")?)?;
        let from = params.number("orderId")?;
        let (start, end) = (params.time("startTime")?, params.time("endTime")?);
        if from.is_some() && (start.is_some() || end.is_some()) {
            return Err(Refusal::combination());
        }
        spans_a_day(start, end)?;
        let limit = params.limit(500)?;
        let orders = self
            .books
            .orders(&instrument.id)
            .iter()
            .filter_map(|id| self.shown(id, now));
        let wanted = |order: &&SimOrder| {
            let at = order.order().created_at.map(millis);
            from.is_none_or(|from| self.books.number(&order.order().id) >= from)
                && start.is_none_or(|start| at >= Some(millis(start)))
                && end.is_none_or(|end| at <= Some(millis(end)))
        };
        let found: Vec<&SimOrder> = orders.filter(wanted).collect();
        let skipped = match from.is_some() || start.is_some() {
            true => 0,
            false => found.len().saturating_sub(limit),
        };
        let rows: Vec<Value> = found
            .into_iter()
            .skip(skipped)
            .take(limit)
            .map(|order| self.query_shape(order))
            .collect();
        Ok(Value::from(rows).to_string())
    }

    /// By number or by our id: an open order first, then the newest.
    pub(super) fn find_order(&self, params: &Params<'_>, number: &str, ours: &str) -> Result<&SimOrder, Refusal> {
        let instrument = self.named(params.needed("symbol")?)?;
        match (params.number(number)?, params.get(ours)) {
            (Some(wanted), _) => {
                let id = self.books.order(&instrument.id, wanted);
                id.and_then(|id| self.engine.order(&self.account, id).ok())
                    .ok_or_else(Refusal::no_such_order)
            }
            (None, Some(id)) => {
                let direct = self
                    .engine
                    .order_by_client_id(&self.account, &ClientOrderId::from(id))
                    .ok();
                let of_symbol = |order: &&SimOrder| {
                    order
                        .order()
                        .legs
                        .first()
                        .is_some_and(|leg| leg.instrument == instrument.id)
                        && shapes::client_id(order.order(), &self.books) == id
                };
                let other = || {
                    let ids = self.books.called(id).iter().rev();
                    ids.filter_map(|id| self.engine.order(&self.account, id).ok())
                        .find(|order| of_symbol(order))
                };
                direct
                    .filter(of_symbol)
                    .or_else(other)
                    .ok_or_else(Refusal::no_such_order)
            }
            (None, None) => Err(Refusal::new(
                -1102,
                format!("Param '{ours}' or '{number}' must be sent, but both were empty/null!"),
            )),
        }
    }

    pub(super) fn one_order(&self, request: &WireRequest, now: DateTime<Utc>) -> Reply {
        let params = Params::of(request, &["symbol", "orderId", "origClientOrderId"])?;
        let found = self.find_order(&params, "orderId", "origClientOrderId")?;
        let found = self.shown(&found.order().id, now).ok_or_else(Refusal::no_such_order)?;
        Ok(self.query_shape(found).to_string())
    }

    pub(super) fn open_orders(&self, request: &WireRequest, now: DateTime<Utc>) -> Reply {
        let params = Params::of(request, &["symbol"])?;
        let symbol = params.get("symbol");
        let instrument = symbol.map(|symbol| self.named(symbol)).transpose()?;
        let wanted = |order: &&SimOrder| {
            let of = order.order().legs.first().map(|leg| &leg.instrument);
            instrument.is_none_or(|instrument| of == Some(&instrument.id))
                && self.shown(&order.order().id, now).is_some()
                && of.and_then(|id| self.engine.instrument(id)).is_some_and(is_coin)
        };
        let open = self.engine.open_orders(&self.account)?.filter(wanted);
        let rows: Vec<Value> = open.map(|order| self.query_shape(order)).collect();
        Ok(Value::from(rows).to_string())
    }

    pub(super) fn list_shape(&self, list: &super::books::List) -> serde_json::Map<String, Value> {
        let orders = list
            .orders
            .iter()
            .filter_map(|id| self.engine.order(&self.account, id).ok());
        let orders: Vec<&SimOrder> = orders.collect();
        let symbol = orders.first().map(|order| self.symbol_of(order)).unwrap_or_default();
        shapes::list(list, &symbol, &orders, &self.books)
    }

    pub(super) fn one_list(&self, request: &WireRequest) -> Reply {
        let params = Params::of(request, &["orderListId", "origClientOrderId"])?;
        let number = params
            .number("orderListId")?
            .ok_or_else(|| Refusal::missing("orderListId"))?;
        let found = self.books.lists().iter().find(|list| list.number == number);
        let found = found.ok_or_else(|| Refusal::new(-2018, "Order list does not exist."))?;
        Ok(Value::Object(self.list_shape(found)).to_string())
    }

    pub(super) fn all_lists(&self, request: &WireRequest, open: bool) -> Reply {
        let known: &[&str] = if open {
            &[]
        } else {
            &["fromId", "startTime", "endTime", "limit"]
        };
        let params = Params::of(request, known)?;
        let from = params.number("fromId")?.unwrap_or_default();
        let limit = if open { usize::MAX } else { params.limit(500)? };
        let at_work = |list: &&super::books::List| {
            let mut orders = list
                .orders
                .iter()
                .filter_map(|id| self.engine.order(&self.account, id).ok());
            !open || orders.any(|order| !order.order().status.is_final())
        };
        let lists = self
            .books
            .lists()
            .iter()
            .filter(|list| list.number >= from)
            .filter(at_work);
        let rows: Vec<Value> = lists
            .take(limit)
            .map(|list| Value::Object(self.list_shape(list)))
            .collect();
        Ok(Value::from(rows).to_string())
    }

    pub(super) fn commission(&self, request: &WireRequest) -> Reply {
        let params = Params::of(request, &["symbol"])?;
        let symbol = params.needed("symbol")?;
        self.named(symbol)?;
        let rates = |rate: &str| json!({"maker": rate, "taker": rate, "buyer": "0.00000000", "seller": "0.00000000"});
        let body = json!({
            "symbol": symbol,
            "standardCommission": rates("0.00100000"),
            "specialCommission": rates("0.00000000"),
            "taxCommission": rates("0.00000000"),
            "discount": {"enabledForAccount": false, "enabledForSymbol": false, "discountAsset": "BNB", "discount": "0.75000000"},
        });
        Ok(body.to_string())
    }

    pub(super) fn order_counts(&self, request: &WireRequest, now: DateTime<Utc>) -> Reply {
        Params::of(request, &[])?;
        let row = |interval: &str, num: u32, limit: u32, count: u32| json!({"rateLimitType": "ORDERS", "interval": interval, "intervalNum": num, "limit": limit, "count": count});
        let used = |limiter: &broker_sim::wire::WireLimiter| limiter.standing("account", now).used;
        let rows = vec![
            row("SECOND", 10, self.announced.orders, used(&self.orders)),
            row("DAY", 1, self.announced.orders_a_day, used(&self.orders_a_day)),
        ];
        Ok(Value::from(rows).to_string())
    }

    /// Filters of the account beside those of the symbol.
    pub(super) fn own_filters(&self, request: &WireRequest) -> Reply {
        let params = Params::of(request, &["symbol"])?;
        self.named(params.needed("symbol")?)?;
        let body = json!({
            "exchangeFilters": [{"filterType": "EXCHANGE_MAX_NUM_ORDERS", "maxNumOrders": 1000}],
            "symbolFilters": [{"filterType": "MAX_NUM_ORDER_LISTS", "maxNumOrderLists": 20}],
            "assetFilters": [],
        });
        Ok(body.to_string())
    }

    pub(super) fn instrument_named(&self, params: &Params<'_>) -> Result<(String, InstrumentId), Refusal> {
        let symbol = params.needed("symbol")?;
        Ok((symbol.to_owned(), self.named(symbol)?.id.clone()))
    }
}

/// Both times together span a day at most.
pub(super) fn spans_a_day(start: Option<DateTime<Utc>>, end: Option<DateTime<Utc>>) -> Result<(), Refusal> {
    match start.zip(end) {
        Some((start, end)) if end - start > Duration::hours(24) => {
            Err(Refusal::new(-1127, "More than 24 hours between startTime and endTime."))
        }
        _ => Ok(()),
    }
}
