//! One function an endpoint: build the call, send it, read the answer.

use std::sync::Arc;

use broker_core::capability::LimitRule;
use broker_core::http::{Call, Http};
use broker_core::limit::BucketKey;
use broker_core::model::Environment;
use broker_core::{Account, AccountId, Balances, BrokerId, Instrument, Order, Record, Result};
use url::Url;

use crate::map::{self, Pair};
use crate::walk::Source;
use crate::wire::{self, ExchangeJson, OrderJson, OrderListJson, SymbolJson, TradeJson};

/// What calls pay to. Weight is counted by address, orders by account.
#[derive(Debug, Clone)]
pub(crate) struct Buckets {
    pub(crate) weight: BucketKey,
    pub(crate) orders: BucketKey,
    pub(crate) orders_a_day: BucketKey,
    /// `/sapi` has pools of its own.
    pub(crate) sapi: BucketKey,
    pub(crate) sapi_account: BucketKey,
}

impl Buckets {
    /// Brokers of two keys behind one address share the weight.
    pub(crate) fn new(host: &str, environment: Environment, fingerprint: &str) -> Self {
        let name = |scope: &str, name: &str| Arc::from(format!("binance:{environment}:{scope}:{name}"));
        Self {
            weight: name(host, "weight"),
            orders: name(fingerprint, "orders"),
            orders_a_day: name(fingerprint, "orders_a_day"),
            sapi: name(host, "sapi"),
            sapi_account: name(fingerprint, "sapi_account"),
        }
    }
}

/// Where calls go, and what they pay to.
#[derive(Debug)]
pub(crate) struct Rest {
    pub(crate) http: Http,
    pub(crate) base: Url,
    pub(crate) buckets: Buckets,
}

/// Query parameters of a call.
pub(crate) type Params<'a> = &'a [(&'static str, String)];

/// Thousands of symbols come in one answer.
const LARGEST_LIST: usize = 64 << 20;

/// What the pages say that calls cost.
pub(crate) mod weight {
    pub(crate) const ACCOUNT: u32 = 20;
    pub(crate) const EXCHANGE: u32 = 20;
    pub(crate) const TRADES: u32 = 20;
    pub(crate) const ALLOCATIONS: u32 = 20;
    pub(crate) const ALL_ORDERS: u32 = 20;
    pub(crate) const ORDER: u32 = 4;
    pub(crate) const OPEN_ORDERS: u32 = 6;
    pub(crate) const ALL_OPEN_ORDERS: u32 = 80;
    pub(crate) const ORDER_LIST: u32 = 4;
    pub(crate) const OPEN_LISTS: u32 = 6;
    pub(crate) const ALL_LISTS: u32 = 20;
    pub(crate) const SNAPSHOT: u32 = 2400;
}

/// Rows of a full page, the most that Binance gives.
pub(crate) const PAGE: u32 = 1000;
pub(crate) const PAGE_SIZE: usize = PAGE as usize;

/// What an exchange's own list told: instruments, which of them are routed, and the limits that it announces.
#[derive(Debug)]
pub(crate) struct Exchange {
    pub(crate) instruments: Vec<Instrument>,
    pub(crate) routed: Vec<String>,
    pub(crate) limits: Vec<AnnouncedLimit>,
}

/// A limit as the exchange announces it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AnnouncedLimit {
    pub(crate) kind: String,
    pub(crate) rule: LimitRule,
}

impl Rest {
    pub(crate) async fn account(&self, broker: BrokerId, environment: Environment) -> Result<(Account, Balances)> {
        let read = |body: &str| {
            let wire = wire::decode::<wire::AccountJson<'_>>(body)?;
            Ok((
                map::account::account(&wire, broker.clone(), environment),
                map::account::balances(&wire)?,
            ))
        };
        let params = [("omitZeroBalances", "true".to_owned())];
        let call = self.read("account", "/api/v3/account", &params, weight::ACCOUNT);
        self.http.run(call, read).await
    }

    /// All symbols, or those that the parameters name.
    pub(crate) async fn exchange(&self, params: Params<'_>) -> Result<Exchange> {
        let call = self.read("exchange info", "/api/v3/exchangeInfo", params, weight::EXCHANGE);
        self.http.run(call.body_up_to(LARGEST_LIST), exchange).await
    }

    pub(crate) async fn order(&self, params: Params<'_>, pair: &Pair, account: &AccountId) -> Result<(Order, i64)> {
        let read = |body: &str| {
            let wire: OrderJson<'_> = wire::decode(body)?;
            Ok((
                map::order::order(&wire, pair, account)?,
                wire.order_list_id.unwrap_or(-1),
            ))
        };
        let call = self.read("order", ORDER, params, weight::ORDER);
        self.http.run(call, read).await
    }

    /// A list by its number.
    pub(crate) async fn order_list(&self, number: i64) -> Result<map::order::List> {
        let params = [("orderListId", number.to_string())];
        let call = self.read("order list", "/api/v3/orderList", &params, weight::ORDER_LIST);
        self.http
            .run(call, |body| map::order::list(&wire::decode::<OrderListJson<'_>>(body)?))
            .await
    }

    /// Lists, with the symbol of each.
    pub(crate) async fn order_lists(
        &self,
        path: &'static str,
        params: Params<'_>,
        weight: u32,
    ) -> Result<Vec<(map::order::List, String)>> {
        let read = |body: &str| {
            let rows: Vec<OrderListJson<'_>> = wire::decode(body)?;
            let list = |row: &OrderListJson<'_>| Ok((map::order::list(row)?, row.symbol.get().to_owned()));
            rows.iter().map(list).collect()
        };
        self.http
            .run(self.read("order lists", path, params, weight), read)
            .await
    }

    /// The text of a page of orders: their symbols must be known before they can be read.
    pub(crate) async fn orders_text(&self, path: &'static str, params: Params<'_>, weight: u32) -> Result<String> {
        let read = |body: &str| wire::decode::<Vec<OrderJson<'_>>>(body).map(|_| body.to_owned());
        let call = self.read("orders", path, params, weight);
        self.http.run(call.body_up_to(LARGEST_LIST), read).await
    }

    /// A page of trades or allocations: the id of each beside its record, and the text where that is wanted.
    pub(crate) async fn executions(
        &self,
        source: Source,
        params: Params<'_>,
        pair: &Pair,
        (account, raw): (&AccountId, bool),
    ) -> Result<Came> {
        let read = |body: &str| {
            let rows: Vec<TradeJson<'_>> = wire::decode(body)?;
            let rows = rows.iter().map(|row| map::trade::numbered(row, pair, account));
            Came::of(rows.collect::<Result<_>>()?, raw.then_some(body))
        };
        let (path, weight) = match source {
            Source::Trades => ("/api/v3/myTrades", weight::TRADES),
            Source::Allocations => ("/api/v3/myAllocations", weight::ALLOCATIONS),
        };
        self.http.run(self.read("history", path, params, weight), read).await
    }

    /// A read.
    pub(crate) fn read(&self, op: &'static str, path: &'static str, params: Params<'_>, weight: u32) -> Call {
        with(Call::get(op, &self.base, path), params).costs(&self.buckets.weight, weight)
    }

    /// A read of the wallet's side, which has weights by address and by account.
    pub(crate) fn wallet(&self, op: &'static str, path: &'static str, params: Params<'_>, by_account: u32) -> Call {
        let call = with(Call::get(op, &self.base, path), params);
        match by_account {
            0 => call.costs(&self.buckets.sapi, 10),
            weight => call.costs(&self.buckets.sapi_account, weight),
        }
    }
}

/// Where orders are.
pub(crate) const ORDER: &str = "/api/v3/order";

/// Rows of a page in ascending order of their ids.
#[derive(Debug)]
pub(crate) struct Came {
    pub(crate) rows: Vec<(u64, Record)>,
    pub(crate) raw: Option<String>,
}

impl Came {
    fn of(rows: Vec<(u64, Record)>, raw: Option<&str>) -> Result<Self> {
        match rows.is_sorted_by_key(|(id, _)| *id) {
            true => Ok(Self {
                rows,
                raw: raw.map(str::to_owned),
            }),
            false => Err(broker_core::Error::decode(
                "a page of trades is not in the order of their ids",
            )),
        }
    }
}

/// Adds parameters, in order.
pub(crate) fn with(call: Call, params: Params<'_>) -> Call {
    params.iter().fold(call, |call, (name, value)| call.param(name, value))
}

fn exchange(body: &str) -> Result<Exchange> {
    let wire: ExchangeJson<'_> = wire::decode(body)?;
    // Coins may be named in any letters; one whose name is longer than any currency's is left out.
    let named = |symbol: &&SymbolJson<'_>| {
        [&symbol.base_asset, &symbol.quote_asset]
            .iter()
            .all(|asset| map::currency(asset.get()).is_ok())
    };
    let instruments = wire.symbols.iter().filter(named).map(map::instrument::instrument);
    let routed = wire.sors.iter().flat_map(|sor| &sor.symbols);
    Ok(Exchange {
        instruments: instruments.collect::<Result<_>>()?,
        routed: routed.map(|symbol| symbol.get().to_owned()).collect(),
        limits: wire.rate_limits.iter().filter_map(announced).collect(),
    })
}

fn announced(wire: &wire::RateLimitJson<'_>) -> Option<AnnouncedLimit> {
    let seconds = match wire.interval.as_ref()?.get() {
        "SECOND" => 1,
        "MINUTE" => 60,
        "HOUR" => 3_600,
        "DAY" => 86_400,
        _ => return None,
    };
    let per = std::time::Duration::from_secs(seconds * u64::from(wire.interval_num?));
    Some(AnnouncedLimit {
        kind: wire.rate_limit_type.as_ref()?.get().to_owned(),
        rule: LimitRule::Window {
            limit: wire.limit?,
            per,
        },
    })
}
