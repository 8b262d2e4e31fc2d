//! The shapes of Binance's answers, written after its documents and not after the client's structs.

use broker_core::model::{Amount, Instrument, InstrumentStatus, OrderKind, Trail};
use broker_core::num::Side;
use broker_core::{Order, OrderId, OrderStatus, Price, TimeInForce};
use broker_sim::SimOrder;
use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use serde_json::{Map, Value, json};

use super::books::{Books, List, Trade};

/// Eight places, as Binance writes nearly every number.
pub(super) fn eight(value: Decimal) -> String {
    format!("{value:.8}")
}

pub(super) fn millis(at: DateTime<Utc>) -> i64 {
    at.timestamp_millis()
}

/// `BTC/USD` is `BTCUSD` on the wire.
pub(super) fn symbol(instrument: &Instrument) -> String {
    instrument.id.get().replace('/', "")
}

pub(super) fn side(side: Side) -> &'static str {
    match side {
        Side::Buy => "BUY",
        Side::Sell => "SELL",
    }
}

/// What a placed order was given to work as: the engine has no word for an order that only makes.
pub(super) fn kind(order: &Order, makes: bool) -> &'static str {
    match &order.kind {
        OrderKind::Market => "MARKET",
        OrderKind::Limit if makes => "LIMIT_MAKER",
        OrderKind::Stop | OrderKind::TrailingStop => "STOP_LOSS",
        OrderKind::StopLimit | OrderKind::TrailingStopLimit => "STOP_LOSS_LIMIT",
        OrderKind::MarketIfTouched => "TAKE_PROFIT",
        OrderKind::LimitIfTouched => "TAKE_PROFIT_LIMIT",
        _ => "LIMIT",
    }
}

/// What an order could not fill at once has expired; what was canceled was canceled by somebody.
pub(super) fn status(order: &Order, books: &Books) -> &'static str {
    let at_once =
        order.kind == OrderKind::Market || matches!(order.time_in_force, Some(TimeInForce::Ioc | TimeInForce::Fok));
    match &order.status {
        OrderStatus::Held => "PENDING_NEW",
        OrderStatus::PartiallyFilled => "PARTIALLY_FILLED",
        OrderStatus::Filled => "FILLED",
        OrderStatus::Canceled if books.expired_of(&order.id).is_some() => "EXPIRED_IN_MATCH",
        OrderStatus::Canceled if at_once => "EXPIRED",
        OrderStatus::Canceled | OrderStatus::Replaced => "CANCELED",
        OrderStatus::Expired => "EXPIRED",
        OrderStatus::Rejected => "REJECTED",
        OrderStatus::PendingCancel if !order.filled_qty.is_zero() => "PARTIALLY_FILLED",
        _ => "NEW",
    }
}

/// The id that an order goes by: the client's, or one that Binance made.
pub(super) fn client_id(order: &Order, books: &Books) -> String {
    books
        .client_ids
        .get(&order.id)
        .cloned()
        .or_else(|| order.client_id.as_ref().map(|id| id.get().to_owned()))
        .unwrap_or_else(|| made_id(&order.id))
}

/// Twenty-two characters, always the same of the same order.
pub(super) fn made_id(id: &OrderId) -> String {
    let plain: String = id.get().chars().filter(char::is_ascii_alphanumeric).collect();
    plain.chars().take(22).collect()
}

pub(super) fn time_in_force(order: &Order) -> &'static str {
    match &order.time_in_force {
        Some(TimeInForce::Ioc) if order.kind != OrderKind::Market => "IOC",
        Some(TimeInForce::Fok) => "FOK",
        _ => "GTC",
    }
}

/// What of an order is in every answer about it.
fn common(order: &SimOrder, wire_symbol: &str, books: &Books, makes: bool) -> Map<String, Value> {
    let order = order.order();
    let leg_side = order.legs.first().map_or(Side::Buy, |leg| leg.side);
    let (qty, money) = match order.amount {
        Amount::Qty(qty) => (qty.get(), Decimal::ZERO),
        // What a sum of money bought is told as the quantity.
        Amount::Notional(money) => (order.filled_qty.get(), money.amount),
    };
    let cost = order.average_price.map_or(Decimal::ZERO, Price::get) * order.filled_qty.get();
    let price = |price: Option<Price>| eight(price.map_or(Decimal::ZERO, Price::get));
    let mut map = Map::new();
    map.insert("symbol".into(), wire_symbol.into());
    map.insert("orderId".into(), books.number(&order.id).into());
    let list = books.list(&order.id).and_then(|list| i64::try_from(list.number).ok());
    map.insert("orderListId".into(), list.unwrap_or(-1).into());
    map.insert("clientOrderId".into(), client_id(order, books).into());
    map.insert("price".into(), price(order.limit_price).into());
    map.insert("origQty".into(), eight(qty).into());
    map.insert("executedQty".into(), eight(order.filled_qty.get()).into());
    map.insert("origQuoteOrderQty".into(), eight(money).into());
    map.insert("cummulativeQuoteQty".into(), eight(cost).into());
    map.insert("status".into(), status(order, books).into());
    map.insert("timeInForce".into(), time_in_force(order).into());
    map.insert("type".into(), kind(order, makes).into());
    map.insert("side".into(), side(leg_side).into());
    map.insert("selfTradePreventionMode".into(), "NONE".into());
    let leg = order.legs.first();
    if leg.is_some_and(|leg| books.is_routed(&leg.instrument, &order.id)) {
        map.insert("usedSor".into(), true.into());
        map.insert("workingFloor".into(), "SOR".into());
    }
    if let Some(prevented) = books.expired_of(&order.id) {
        map.insert("selfTradePreventionMode".into(), "EXPIRE_MAKER".into());
        map.insert("preventedMatchId".into(), prevented.number.into());
        map.insert("preventedQuantity".into(), eight(prevented.qty).into());
    }
    if let Some(Trail::Percent(percent)) = order.trail {
        let units: u64 = (percent * Decimal::ONE_HUNDRED)
            .normalize()
            .to_string()
            .parse()
            .unwrap_or_default();
        map.insert("trailingDelta".into(), units.into());
    }
    map
}

/// As a query tells it.
pub(super) fn queried(order: &SimOrder, wire_symbol: &str, books: &Books, makes: bool) -> Value {
    let mut map = common(order, wire_symbol, books, makes);
    let order = order.order();
    let stop = order.stop_price.filter(|_| order.trail.is_none());
    map.insert("stopPrice".into(), eight(stop.map_or(Decimal::ZERO, Price::get)).into());
    map.insert("icebergQty".into(), "0.00000000".into());
    let (created, updated) = (order.created_at.map_or(-1, millis), order.updated_at.map_or(-1, millis));
    map.insert("time".into(), created.into());
    map.insert("updateTime".into(), updated.into());
    let works = order.status != OrderStatus::Held;
    map.insert("isWorking".into(), works.into());
    map.insert("workingTime".into(), if works { created } else { -1 }.into());
    Value::Object(map)
}

/// As the answer to its placing tells it, with the trades that it made.
pub(super) fn placed(order: &SimOrder, wire_symbol: &str, books: &Books, makes: bool) -> Value {
    let mut map = common(order, wire_symbol, books, makes);
    let inner = order.order();
    if let Some(stop) = inner.stop_price.filter(|_| inner.trail.is_none()) {
        map.insert("stopPrice".into(), eight(stop.get()).into());
    }
    map.insert("transactTime".into(), inner.created_at.map_or(-1, millis).into());
    let works = inner.status != OrderStatus::Held;
    map.insert(
        "workingTime".into(),
        if works { inner.created_at.map_or(-1, millis) } else { -1 }.into(),
    );
    let symbol = inner.legs.first().map(|leg| &leg.instrument);
    let trades = symbol.map_or(&[][..], |symbol| books.trades(symbol));
    let own = trades
        .iter()
        .filter(|trade| trade.fill.order.as_ref() == Some(&inner.id));
    let fills: Vec<Value> = own
        .map(|trade| {
            let (commission, asset) = commission(trade);
            let mut row = json!({
                "price": eight(trade.fill.price.get()),
                "qty": eight(trade.fill.qty.get()),
                "commission": eight(commission),
                "commissionAsset": asset,
            });
            if trade.allocated {
                row["matchType"] = "ONE_PARTY_TRADE_REPORT".into();
                row["allocId"] = trade.number.into();
            }
            row["tradeId"] = if trade.allocated {
                json!(-1)
            } else {
                trade.number.into()
            };
            row
        })
        .collect();
    map.insert("fills".into(), fills.into());
    Value::Object(map)
}

/// As the answer to its cancel tells it: the id is the cancel's, and the order's own stands beside it.
pub(super) fn canceled(
    order: &SimOrder,
    wire_symbol: &str,
    books: &Books,
    makes: bool,
    cancel: &str,
    now: i64,
) -> Value {
    let mut map = common(order, wire_symbol, books, makes);
    let own = map.insert("clientOrderId".into(), cancel.into());
    map.insert("origClientOrderId".into(), own.unwrap_or_default());
    map.insert("transactTime".into(), now.into());
    Value::Object(map)
}

/// A fee and its coin; Binance names a coin even where nothing was charged.
pub(super) fn commission(trade: &Trade) -> (Decimal, String) {
    match trade.fill.fees.first() {
        Some(fee) => (fee.amount, fee.currency.to_string()),
        None => (Decimal::ZERO, "BNB".to_owned()),
    }
}

pub(super) fn trade(trade: &Trade, wire_symbol: &str, books: &Books) -> Value {
    let fill = &trade.fill;
    let (commission, asset) = commission(trade);
    let order = fill.order.as_ref().map(|order| books.number(order)).unwrap_or_default();
    let mut row = json!({
        "symbol": wire_symbol,
        "orderId": order,
        "orderListId": -1,
        "price": eight(fill.price.get()),
        "qty": eight(fill.qty.get()),
        "quoteQty": eight(fill.price.get() * fill.qty.get()),
        "commission": eight(commission),
        "commissionAsset": asset,
        "time": millis(fill.at),
        "isBuyer": fill.side == Side::Buy,
        "isMaker": fill.liquidity == Some(broker_core::model::Liquidity::Maker),
    });
    if trade.allocated {
        row["allocationId"] = trade.number.into();
        row["allocationType"] = "SOR".into();
        row["isAllocator"] = false.into();
    } else {
        row["id"] = trade.number.into();
        row["isBestMatch"] = true.into();
    }
    row
}

/// A list, without the reports of its orders.
pub(super) fn list(list: &List, wire_symbol: &str, orders: &[&SimOrder], books: &Books) -> Map<String, Value> {
    let done = orders.iter().all(|order| order.order().status.is_final());
    let rows: Vec<Value> = orders
        .iter()
        .map(|order| {
            json!({
                "symbol": wire_symbol,
                "orderId": books.number(&order.order().id),
                "clientOrderId": client_id(order.order(), books),
            })
        })
        .collect();
    let at = orders.iter().filter_map(|order| order.order().created_at).min();
    let value = json!({
        "orderListId": list.number,
        "contingencyType": if list.cancels { "OCO" } else { "OTO" },
        "listStatusType": if done { "ALL_DONE" } else { "EXEC_STARTED" },
        "listOrderStatus": if done { "ALL_DONE" } else { "EXECUTING" },
        "listClientOrderId": format!("list{}", list.number),
        "transactionTime": at.map_or(-1, millis),
        "symbol": wire_symbol,
        "orders": rows,
    });
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

pub(super) fn exchange_symbol(instrument: &Instrument) -> Option<Value> {
    let base = instrument.base?;
    let quote = instrument.currency;
    let status = match &instrument.status {
        InstrumentStatus::Tradable => "TRADING",
        InstrumentStatus::Halted => "HALT",
        _ => "BREAK",
    };
    let tick = instrument.ticks.first().map_or(Decimal::ZERO, |band| band.tick);
    let qty =
        |qty: Option<broker_core::Qty>, usual: i64| eight(qty.map_or(Decimal::new(usual, 0), broker_core::Qty::get));
    let lot = instrument.lot.unwrap_or_default();
    let least = instrument.min_notional.map_or(Decimal::ZERO, |least| least.amount);
    Some(json!({
        "symbol": symbol(instrument),
        "status": status,
        "baseAsset": base.code(),
        "baseAssetPrecision": 8,
        "quoteAsset": quote.code(),
        "quotePrecision": 8,
        "quoteAssetPrecision": 8,
        "baseCommissionPrecision": 8,
        "quoteCommissionPrecision": 8,
        "orderTypes": [
            "LIMIT", "LIMIT_MAKER", "MARKET", "STOP_LOSS", "STOP_LOSS_LIMIT", "TAKE_PROFIT", "TAKE_PROFIT_LIMIT"
        ],
        "icebergAllowed": true,
        "ocoAllowed": true,
        "otoAllowed": true,
        "opoAllowed": true,
        "quoteOrderQtyMarketAllowed": true,
        "allowTrailingStop": true,
        "cancelReplaceAllowed": true,
        "amendAllowed": true,
        "isSpotTradingAllowed": true,
        "isMarginTradingAllowed": false,
        "filters": [
            {"filterType": "PRICE_FILTER", "minPrice": eight(tick), "maxPrice": "100000000.00000000", "tickSize": eight(tick)},
            {"filterType": "LOT_SIZE", "minQty": qty(instrument.min_qty, 0), "maxQty": qty(instrument.max_qty, 1_000_000_000), "stepSize": eight(lot)},
            {"filterType": "MARKET_LOT_SIZE", "minQty": "0.00000000", "maxQty": qty(instrument.max_qty, 1_000_000_000), "stepSize": "0.00000000"},
            {"filterType": "NOTIONAL", "minNotional": eight(least), "applyMinToMarket": true, "maxNotional": "1000000000.00000000", "applyMaxToMarket": false, "avgPriceMins": 5},
            {"filterType": "TRAILING_DELTA", "minTrailingAboveDelta": 10, "maxTrailingAboveDelta": 2000, "minTrailingBelowDelta": 10, "maxTrailingBelowDelta": 2000},
            {"filterType": "MAX_NUM_ORDERS", "maxNumOrders": 200},
        ],
        "permissions": [],
        "permissionSets": [["SPOT"]],
        "defaultSelfTradePreventionMode": "NONE",
        "allowedSelfTradePreventionModes": ["NONE"],
    }))
}
