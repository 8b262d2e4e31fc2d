//! One function an endpoint: build the call, send it, read the answer.

use std::fmt::Display;
use std::sync::Arc;

use broker_core::http::{Call, Http};
use broker_core::limit::BucketKey;
use broker_core::model::Environment;
use broker_core::{
    Account, AccountId, Balances, BrokerId, Error, ErrorKind, Instrument, Order, OrderRef, Position, Result,
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

/// Query parameters of a call.
pub(crate) type Params<'a> = &'a [(&'static str, String)];

/// Lists of more than ten thousand assets come in one answer.
const LARGEST_LIST: usize = 64 << 20;

impl Rest {
    pub(crate) async fn account(&self, broker: BrokerId, environment: Environment) -> Result<Account> {
        let read = |body: &str| map::account::account(&wire::decode_account(body)?, broker.clone(), environment);
        self.http.run(self.read("account", "/v2/account", &[]), read).await
    }

    pub(crate) async fn balances(&self) -> Result<Balances> {
        let read = |body: &str| map::account::balances(&wire::decode_account(body)?);
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
        let call = match (&order.id, &order.client_id) {
            (Some(id), _) => {
                let path = format!("/v2/orders/{}", segment(id.get()));
                self.read("order", path, &[("nested", "true".to_owned())])
            }
            (None, Some(id)) => self.read(
                "order",
                "/v2/orders:by_client_order_id",
                &[("client_order_id", id.get().to_owned())],
            ),
            (None, None) => return Err(Error::invalid("an order is named by its id or by its client order id")),
        };
        let read = |body: &str| {
            let group = map::order::group(&wire::decode::<OrderJson<'_>>(body)?, &order.account)?;
            group.into_iter().next().ok_or_else(|| Error::decode("an empty order"))
        };
        self.http.run(call, read).await
    }

    /// Orders by group; the first of a group is the one that counts for the page.
    pub(crate) async fn orders(&self, account: &AccountId, params: Params<'_>) -> Result<Vec<Vec<Order>>> {
        let read = |body: &str| {
            let rows: Vec<OrderJson<'_>> = wire::decode(body)?;
            rows.iter().map(|row| map::order::group(row, account)).collect()
        };
        self.http.run(self.read("orders", "/v2/orders", params), read).await
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
