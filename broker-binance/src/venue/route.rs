//! Which endpoint a request is for, and what it costs.

use broker_core::model::Environment;
use broker_sim::wire::WireRequest;
use chrono::{DateTime, Utc};

use super::BinanceVenue;
use super::lists::Sized;
use super::params::{Refusal, Reply};

/// An endpoint, its weight, whether it is signed, and how many orders it makes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Endpoint {
    pub(super) name: Name,
    pub(super) weight: u32,
    pub(super) signed: bool,
    pub(super) orders: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Name {
    Ping,
    Time,
    Exchange,
    Account,
    Trades,
    Allocations,
    AllOrders,
    Order,
    OpenOrders,
    OrderList,
    AllLists,
    OpenLists,
    Commission,
    OrderCounts,
    OwnFilters,
    Amendments,
    Prevented,
    BookTicker,
    LastPrice,
    Klines,
    Place,
    PlaceOco,
    PlaceOto,
    PlaceOtoco,
    PlaceOpo,
    PlaceOpoco,
    CancelReplace,
    Amend,
    Cancel,
    CancelAll,
    Wallet(&'static str),
}

/// The wallet's paths, which the testnet has not.
const WALLET: [&str; 6] = [
    "/sapi/v1/convert/tradeFlow",
    "/sapi/v1/asset/dribblet",
    "/sapi/v1/capital/deposit/hisrec",
    "/sapi/v1/capital/withdraw/history",
    "/sapi/v1/asset/assetDividend",
    "/sapi/v1/accountSnapshot",
];

/// `None` where there is no such path, or no such method of it.
pub(super) fn endpoint(request: &WireRequest, environment: Environment) -> Option<Endpoint> {
    let one = |is: bool, single: u32, many: u32| if is { single } else { many };
    let symbol = request.param("symbol").is_some();
    let public = |name, weight| Endpoint {
        name,
        weight,
        signed: false,
        orders: 0,
    };
    let signed = |name, weight| Endpoint {
        signed: true,
        ..public(name, weight)
    };
    let places = |name, orders| Endpoint {
        orders,
        ..signed(name, 1)
    };
    if let Some(path) = WALLET.iter().find(|path| **path == request.path) {
        let is_there = environment == Environment::Live && request.method == "GET";
        return is_there.then(|| signed(Name::Wallet(path), 0));
    }
    let path = request.path.strip_prefix("/api/v3/")?;
    Some(match (request.method.as_str(), path) {
        ("GET", "ping") => public(Name::Ping, 1),
        ("GET", "time") => public(Name::Time, 1),
        ("GET", "exchangeInfo") => public(Name::Exchange, 20),
        ("GET", "ticker/bookTicker") => public(Name::BookTicker, one(symbol, 2, 4)),
        ("GET", "ticker/price") => public(Name::LastPrice, one(symbol, 2, 4)),
        ("GET", "klines") => public(Name::Klines, 2),
        ("GET", "account") => signed(Name::Account, 20),
        ("GET", "myTrades") => signed(Name::Trades, one(request.param("orderId").is_some(), 5, 20)),
        ("GET", "myAllocations") => signed(Name::Allocations, 20),
        ("GET", "allOrders") => signed(Name::AllOrders, 20),
        ("GET", "order") => signed(Name::Order, 4),
        ("GET", "openOrders") => signed(Name::OpenOrders, one(symbol, 6, 80)),
        ("GET", "orderList") => signed(Name::OrderList, 4),
        ("GET", "allOrderList") => signed(Name::AllLists, 20),
        ("GET", "openOrderList") => signed(Name::OpenLists, 6),
        ("GET", "account/commission") => signed(Name::Commission, 20),
        ("GET", "rateLimit/order") => signed(Name::OrderCounts, 40),
        ("GET", "myFilters") => signed(Name::OwnFilters, 40),
        ("GET", "order/amendments") => signed(Name::Amendments, 4),
        ("GET", "myPreventedMatches") => {
            signed(Name::Prevented, one(request.param("preventedMatchId").is_some(), 2, 20))
        }
        ("POST", "order") => places(Name::Place, 1),
        ("POST", "orderList/oco") => places(Name::PlaceOco, 2),
        ("POST", "orderList/oto") => places(Name::PlaceOto, 2),
        ("POST", "orderList/otoco") => places(Name::PlaceOtoco, 3),
        ("POST", "orderList/opo") => places(Name::PlaceOpo, 2),
        ("POST", "orderList/opoco") => places(Name::PlaceOpoco, 3),
        ("POST", "order/cancelReplace") => places(Name::CancelReplace, 1),
        ("PUT", "order/amend/keepPriority") => signed(Name::Amend, 4),
        ("DELETE", "order") => signed(Name::Cancel, 1),
        ("DELETE", "openOrders") => signed(Name::CancelAll, 1),
        _ => return None,
    })
}

impl BinanceVenue {
    pub(super) fn route(&mut self, request: &WireRequest, name: Name, now: DateTime<Utc>) -> Reply {
        match name {
            Name::Ping => Ok("{}".to_owned()),
            Name::Time => self.server_time(request, now),
            Name::Exchange => self.exchange(request, now),
            Name::Account => self.own_account(request),
            Name::Trades => self.trades(request),
            Name::Allocations => self.allocations(request),
            Name::AllOrders => self.all_orders(request, now),
            Name::Order => self.one_order(request, now),
            Name::OpenOrders => self.open_orders(request, now),
            Name::OrderList => self.one_list(request),
            Name::AllLists => self.all_lists(request, false),
            Name::OpenLists => self.all_lists(request, true),
            Name::Commission => self.commission(request),
            Name::OrderCounts => self.order_counts(request, now),
            Name::OwnFilters => self.own_filters(request),
            Name::Amendments => self.amendments(request),
            Name::Prevented => self.prevented(request),
            Name::BookTicker => self.book_ticker(request),
            Name::LastPrice => self.last_price(request),
            Name::Klines => self.klines(request, now),
            Name::Place => self.place(request, now),
            Name::PlaceOco => self.place_oco(request, now),
            Name::PlaceOto => self.place_with_exits(request, now, (false, Sized::Asked)),
            Name::PlaceOtoco => self.place_with_exits(request, now, (true, Sized::Asked)),
            Name::PlaceOpo => self.place_with_exits(request, now, (false, Sized::Received)),
            Name::PlaceOpoco => self.place_with_exits(request, now, (true, Sized::Received)),
            Name::CancelReplace => self.cancel_replace(request, now),
            Name::Amend => self.amend(request, now),
            Name::Cancel => self.cancel(request, now),
            Name::CancelAll => self.cancel_all(request, now),
            Name::Wallet(path) => self.wallet(request, path, now),
        }
    }
}

/// A symbol that is not written as one.
pub(super) fn is_symbol(text: &str) -> Result<(), Refusal> {
    let good = !text.is_empty() && text.chars().all(|c| c.is_alphanumeric() || "-._".contains(c)) && text.len() <= 50;
    match good {
        true => Ok(()),
        false => Err(Refusal::new(
            -1100,
            "Illegal characters found in parameter 'symbol'; legal range is '^[\\w\\-._]{1,50}$'.",
        )),
    }
}
