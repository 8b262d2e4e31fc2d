//! One function an endpoint: build the call, send it, read the answer.

use std::fmt::Display;
use std::sync::Arc;

use broker_core::http::{Call, Http};
use broker_core::limit::BucketKey;
use broker_core::model::Environment;
use broker_core::{
    Account, AccountId, Balances, BrokerId, ClientOrderId, Error, ErrorKind, Instrument, Order, OrderId, OrderRef,
    Position, Result,
};
use chrono::{DateTime, Utc};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use url::Url;

use crate::map;
use crate::map::activity::Activities;
use crate::wire::{
    self, AssetJson, ClockJson, OptionContractJson, OptionContractsJson, OrderJson, PositionJson, filled,
};

/// Where calls go, and what they pay to.
#[derive(Debug)]
pub(crate) struct Rest {
    pub(crate) http: Http,
    pub(crate) trading: Url,
    pub(crate) trading_bucket: BucketKey,
    #[cfg_attr(
        not(feature = "market-data"),
        allow(dead_code, reason = "only market data is asked there")
    )]
    pub(crate) data: Url,
    #[cfg_attr(
        not(feature = "market-data"),
        allow(dead_code, reason = "only market data pays there")
    )]
    pub(crate) data_bucket: BucketKey,
}

/// Where orders are.
pub(crate) const ORDERS: &str = "/v2/orders";

/// Query parameters of a call.
pub(crate) type Params<'a> = &'a [(&'static str, String)];

/// Lists of more than ten thousand assets come in one answer.
const LARGEST_LIST: usize = 64 << 20;

impl Rest {
    pub(crate) async fn account(&self, broker: BrokerId, environment: Environment) -> Result<Account> {
        let read = |body: &str| map::account::account(&wire::decode(body)?, broker.clone(), environment);
        self.http.run(self.read("account", "/v2/account", &[]), read).await
    }

    pub(crate) async fn balances(&self) -> Result<Balances> {
        let read = |body: &str| map::account::balances(&wire::decode(body)?);
        self.http.run(self.read("balances", "/v2/account", &[]), read).await
    }

    pub(crate) async fn positions(&self, account: &AccountId) -> Result<Vec<Position>> {
        let read = |body: &str| {
            let rows: Vec<PositionJson<'_>> = wire::decode(body)?;
            rows.iter().map(|row| map::account::position(row, account)).collect()
        };
        self.http.run(self.read("positions", "/v2/positions", &[]), read).await
    }

    /// `None` when there is no such asset.
    pub(crate) async fn asset(&self, symbol: &str) -> Result<Option<Instrument>> {
        let path = format!("/v2/assets/{}", segment(symbol));
        let read = |body: &str| map::instrument::asset(&wire::decode::<AssetJson<'_>>(body)?);
        known(self.http.run(self.read("asset", path, &[]), read).await)
    }

    /// `None` when there is no such contract.
    pub(crate) async fn option_contract(&self, symbol: &str) -> Result<Option<Instrument>> {
        let path = format!("/v2/options/contracts/{}", segment(symbol));
        let read = |body: &str| map::instrument::option_contract(&wire::decode::<OptionContractJson<'_>>(body)?);
        known(self.http.run(self.read("option contract", path, &[]), read).await)
    }

    /// Without a status, those that are gone too.
    pub(crate) async fn assets(&self, class: &str, status: Option<&str>) -> Result<Vec<Instrument>> {
        let mut params = vec![("asset_class", class.to_owned())];
        params.extend(status.map(|status| ("status", status.to_owned())));
        let read = |body: &str| {
            let rows: Vec<AssetJson<'_>> = wire::decode(body)?;
            rows.iter().map(map::instrument::asset).collect()
        };
        let call = self.read("assets", "/v2/assets", &params).body_up_to(LARGEST_LIST);
        self.http.run(call, read).await
    }

    /// A page of contracts, and the token of the next.
    pub(crate) async fn option_contracts(&self, params: Params<'_>) -> Result<(Vec<Instrument>, Option<String>)> {
        let read = |body: &str| {
            let page: OptionContractsJson<'_> = wire::decode(body)?;
            let rows = page.option_contracts.iter().map(map::instrument::option_contract);
            Ok((
                rows.collect::<Result<_>>()?,
                filled(&page.next_page_token).map(str::to_owned),
            ))
        };
        let call = self.read("option contracts", "/v2/options/contracts", params);
        self.http.run(call.body_up_to(LARGEST_LIST), read).await
    }

    /// By Alpaca's id, else by ours.
    pub(crate) async fn order(&self, order: &OrderRef) -> Result<Order> {
        match (&order.id, &order.client_id) {
            (Some(id), _) => self.order_by_id(&order.account, id).await,
            (None, Some(id)) => self.order_by_client_id(&order.account, id).await,
            (None, None) => Err(Error::invalid("an order is named by its id or by its client order id")),
        }
    }

    pub(crate) async fn order_by_id(&self, account: &AccountId, id: &OrderId) -> Result<Order> {
        let call = self.read("order", order_path(id)?, &[("nested", "true".to_owned())]);
        self.http.run(call, |body| map::order::first(body, account)).await
    }

    /// Legs are told to those only who ask by Alpaca's id, so a group is read once more.
    pub(crate) async fn order_by_client_id(&self, account: &AccountId, id: &ClientOrderId) -> Result<Order> {
        let params = [("client_order_id", id.get().to_owned())];
        let call = self.read("order", "/v2/orders:by_client_order_id", &params);
        let found = self.http.run(call, |body| map::order::first(body, account)).await?;
        if found.links.group.is_none() {
            return Ok(found);
        }
        match self.order_by_id(account, &found.id).await {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(found),
            whole => whole,
        }
    }

    /// Orders by group; the first of a group is the one that counts for the page.
    pub(crate) async fn orders(&self, account: &AccountId, params: Params<'_>) -> Result<Vec<Vec<Order>>> {
        let read = |body: &str| {
            let rows: Vec<OrderJson<'_>> = wire::decode(body)?;
            rows.iter().map(|row| map::order::group(row, account)).collect()
        };
        self.http.run(self.read("orders", ORDERS, params), read).await
    }

    /// A page of activities, with its text where that is wanted.
    pub(crate) async fn activities(
        &self,
        account: &AccountId,
        params: Params<'_>,
        border: Option<&str>,
        raw: bool,
    ) -> Result<(Activities, Option<String>)> {
        let read = |body: &str| {
            let page = map::activity::page(body, account, border)?;
            Ok((page, raw.then(|| body.to_owned())))
        };
        let call = self.read("history", "/v2/account/activities", params);
        self.http.run(call, read).await
    }

    pub(crate) async fn clock(&self) -> Result<DateTime<Utc>> {
        let read = |body: &str| Ok(wire::decode::<ClockJson>(body)?.timestamp.0);
        self.http.run(self.read("clock", "/v2/clock", &[]), read).await
    }

    /// A read of the Trading API.
    pub(crate) fn read(&self, op: &'static str, path: impl Into<String>, params: Params<'_>) -> Call {
        with(Call::get(op, &self.trading, path), params).costs(&self.trading_bucket, 1)
    }
}

/// Adds parameters, in order.
pub(crate) fn with(call: Call, params: Params<'_>) -> Call {
    params.iter().fold(call, |call, (name, value)| call.param(name, value))
}

/// Buckets are told apart by environment and key.
pub(crate) fn bucket(environment: Environment, fingerprint: &str, name: &str) -> BucketKey {
    Arc::from(format!("alpaca:{environment}:{fingerprint}:{name}"))
}

/// Where one order is. Without an id it would be the path of all orders.
pub(crate) fn order_path(id: &OrderId) -> Result<String> {
    match id.get() {
        "" => Err(Error::invalid("an order's id is empty")),
        id => Ok(format!("{ORDERS}/{}", segment(id))),
    }
}

/// One part of a path: `BTC/USD` is `BTC%2FUSD`.
fn segment(text: &str) -> impl Display {
    const KEPT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
    utf8_percent_encode(text, KEPT)
}

fn known<T>(found: Result<T>) -> Result<Option<T>> {
    match found {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        other => other.map(Some),
    }
}
