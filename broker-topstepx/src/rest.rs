//! One function an endpoint: build the call, send it, read the answer. All of them are `POST` with a JSON body.

use broker_core::http::{Call, Http, OpClass};
use broker_core::limit::BucketKey;
use broker_core::model::Environment;
use broker_core::{
    Account, AccountId, Balances, BrokerId, Error, ErrorKind, Instrument, InstrumentId, Order, OrderId, Position,
    Record, Result,
};
use chrono::{DateTime, SecondsFormat, Utc};
use http::Method;
use serde::Serialize;
use url::Url;

use crate::map;
use crate::wire::{
    self, AccountsJson, Answer, AskJson, ContractsJson, OneContractJson, OneOrderJson, OrdersJson, PositionsJson,
    QueryJson,
};

/// What can be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(
    not(all(feature = "trading", feature = "market-data")),
    allow(dead_code, reason = "each side of the crate asks its own")
)]
pub(crate) enum Endpoint {
    Login,
    Validate,
    Accounts,
    Contracts,
    Contract,
    Bars,
    Orders,
    QueryOrders,
    Order,
    Positions,
    Trades,
    Place,
    Modify,
    Cancel,
    Close,
    PartialClose,
}

impl Endpoint {
    pub(crate) fn op(self) -> &'static str {
        match self {
            Self::Login => "login",
            Self::Validate => "renew",
            Self::Accounts => "accounts",
            Self::Contracts => "contracts",
            Self::Contract => "contract",
            Self::Bars => "candles",
            Self::Orders => "orders",
            Self::QueryOrders => "open orders",
            Self::Order => "order",
            Self::Positions => "positions",
            Self::Trades => "history",
            Self::Place => "place",
            Self::Modify => "replace",
            Self::Cancel => "cancel",
            Self::Close => "close",
            Self::PartialClose => "partial close",
        }
    }

    pub(crate) fn path(self) -> &'static str {
        match self {
            Self::Login => "/api/Auth/loginKey",
            Self::Validate => "/api/Auth/validate",
            Self::Accounts => "/api/Account/search",
            Self::Contracts => "/api/Contract/available",
            Self::Contract => "/api/Contract/searchById",
            Self::Bars => "/api/History/retrieveBars",
            Self::Orders => "/api/Order/search",
            Self::QueryOrders => "/api/Order/v2/query",
            Self::Order => "/api/Order/searchById",
            Self::Positions => "/api/Position/searchOpen",
            Self::Trades => "/api/Trade/search",
            Self::Place => "/api/Order/place",
            Self::Modify => "/api/Order/modify",
            Self::Cancel => "/api/Order/cancel",
            Self::Close => "/api/Position/closeContract",
            Self::PartialClose => "/api/Position/partialCloseContract",
        }
    }

    /// Whether it can trade.
    pub(crate) fn is_write(self) -> bool {
        matches!(
            self,
            Self::Place | Self::Modify | Self::Cancel | Self::Close | Self::PartialClose
        )
    }
}

/// Where calls go, and what they pay to.
#[derive(Debug)]
pub(crate) struct Rest {
    pub(crate) http: Http,
    pub(crate) api: Url,
    pub(crate) requests: BucketKey,
    #[cfg_attr(
        not(feature = "market-data"),
        allow(
            dead_code,
            reason = "only candles pay there, and the price that a trailing stop starts from"
        )
    )]
    pub(crate) bars: BucketKey,
    pub(crate) live_data: bool,
}

/// Lists without pages can be long.
const LARGEST_LIST: usize = 64 << 20;

/// Rows of a page of open orders.
pub(crate) const PAGE_SIZE: usize = 500;

/// The states in which an order can still trade: open, pending, pending cancellation, suspended.
const CAN_TRADE: [u8; 4] = [1, 6, 7, 8];

/// Rows of a window, with its text where that is wanted.
pub(crate) struct Window<T> {
    pub(crate) rows: Vec<T>,
    /// Rows that came, which may be fewer than they made.
    pub(crate) count: usize,
    pub(crate) raw: Option<String>,
}

impl Rest {
    pub(crate) async fn accounts(&self, broker: &BrokerId, environment: Environment) -> Result<Vec<Account>> {
        let rows = |active: bool| async move {
            let read = move |body: &str| {
                let answer: Answer<'_, AccountsJson<'_>> = wire::decode(body)?;
                let rows = answer.needed(Endpoint::Accounts, "accounts")?.0;
                rows.iter()
                    .map(|row| map::account::account(row, broker, environment))
                    .collect()
            };
            self.http
                .run(self.ask(Endpoint::Accounts, &Self::active(active))?, read)
                .await
        };
        let mut all: Vec<Account> = rows(false).await?;
        let active: Vec<Account> = rows(true).await?;
        map::account::close_others(&mut all, &active);
        Ok(all)
    }

    fn active(only: bool) -> AskJson<'static> {
        AskJson {
            only_active_accounts: Some(only),
            ..AskJson::default()
        }
    }

    /// What the guard of trading needs of every account: one call.
    #[cfg(feature = "trading")]
    pub(crate) async fn names(&self) -> Result<Vec<(AccountId, String)>> {
        let read = |body: &str| {
            let answer: Answer<'_, AccountsJson<'_>> = wire::decode(body)?;
            let rows = answer.needed(Endpoint::Accounts, "accounts")?.0;
            let named = |row: &wire::AccountJson<'_>| (map::account_id(row.id), row.name.get().to_owned());
            Ok(rows.iter().map(named).collect())
        };
        self.http
            .run(self.ask(Endpoint::Accounts, &Self::active(false))?, read)
            .await
    }

    pub(crate) async fn ping(&self) -> Result<()> {
        let read = |body: &str| {
            let answer: Answer<'_, AccountsJson<'_>> = wire::decode(body)?;
            answer.needed(Endpoint::Accounts, "accounts").map(|_| ())
        };
        self.http
            .run(self.ask(Endpoint::Accounts, &Self::active(true))?, read)
            .await
    }

    pub(crate) async fn balances(&self, account: &AccountId) -> Result<Balances> {
        let id = map::number(account)?;
        let read = |body: &str| {
            let answer: Answer<'_, AccountsJson<'_>> = wire::decode(body)?;
            let rows = answer.needed(Endpoint::Accounts, "accounts")?.0;
            let found = rows.iter().find(|row| row.id == id);
            found.map(map::account::balances).ok_or_else(|| {
                Error::new(ErrorKind::NotFound).with_message(format!("this key has no account {account}"))
            })
        };
        self.http
            .run(self.ask(Endpoint::Accounts, &Self::active(false))?, read)
            .await
    }

    pub(crate) async fn positions(&self, account: &AccountId) -> Result<Vec<Position>> {
        let read = |body: &str| {
            let answer: Answer<'_, PositionsJson<'_>> = wire::decode(body)?;
            let rows = answer.needed(Endpoint::Positions, "positions")?.0;
            rows.iter()
                .map(|row| map::own(account, row.account_id).and_then(|()| map::account::position(row)))
                .collect()
        };
        let ask = AskJson {
            account_id: Some(map::number(account)?),
            ..AskJson::default()
        };
        self.http.run(self.ask(Endpoint::Positions, &ask)?, read).await
    }

    /// The front contract of each product.
    pub(crate) async fn contracts(&self) -> Result<Vec<Instrument>> {
        let read = |body: &str| {
            let answer: Answer<'_, ContractsJson<'_>> = wire::decode(body)?;
            let rows = answer.needed(Endpoint::Contracts, "contracts")?.0;
            rows.iter().map(map::contract::instrument).collect()
        };
        let ask = AskJson {
            live: Some(self.live_data),
            ..AskJson::default()
        };
        self.http.run(self.ask(Endpoint::Contracts, &ask)?, read).await
    }

    /// Any contract, expired ones too; `None` when there is no such.
    pub(crate) async fn contract(&self, id: &InstrumentId) -> Result<Option<Instrument>> {
        let read = |body: &str| {
            let answer: Answer<'_, OneContractJson<'_>> = wire::decode(body)?;
            let row = answer.needed(Endpoint::Contract, "contract")?.0;
            map::contract::instrument(&row)
        };
        let ask = AskJson {
            contract_id: Some(id.get()),
            ..AskJson::default()
        };
        match self.http.run(self.ask(Endpoint::Contract, &ask)?, read).await {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            found => found.map(Some),
        }
    }

    /// By the gateway's id.
    pub(crate) async fn order(&self, account: &AccountId, id: &OrderId) -> Result<Order> {
        let number = map::order_number(id)?;
        let read = |body: &str| {
            let answer: Answer<'_, OneOrderJson<'_>> = wire::decode(body)?;
            let row = answer.needed(Endpoint::Order, "order")?.0;
            map::own(account, row.account_id)?;
            if row.id != number {
                return Err(Error::decode(
                    "the answer is about another order than the one that was asked for",
                ));
            }
            map::order::order(&row)
        };
        let ask = AskJson {
            account_id: Some(map::number(account)?),
            order_id: Some(number),
            ..AskJson::default()
        };
        self.http.run(self.ask(Endpoint::Order, &ask)?, read).await
    }

    /// Orders created in a window; without an end up to now.
    pub(crate) async fn orders(
        &self,
        account: &AccountId,
        from: DateTime<Utc>,
        to: Option<DateTime<Utc>>,
    ) -> Result<Window<Order>> {
        let read = |body: &str| {
            let answer: Answer<'_, OrdersJson<'_>> = wire::decode(body)?;
            let wire = answer.needed(Endpoint::Orders, "orders")?.0;
            Ok(Window {
                count: wire.len(),
                rows: map::order::list(&wire, account)?,
                raw: None,
            })
        };
        let ask = Self::window(account, from, to)?;
        let call = self.ask(Endpoint::Orders, &ask)?.body_up_to(LARGEST_LIST);
        self.http.run(call, read).await
    }

    /// A page of the orders that can still trade, by id, and how many there are in all where that is told.
    pub(crate) async fn open_orders(
        &self,
        account: &AccountId,
        created_after: Option<DateTime<Utc>>,
    ) -> Result<(Vec<Order>, Option<u64>)> {
        let read = |body: &str| {
            let answer: Answer<'_, OrdersJson<'_>> = wire::decode(body)?;
            let total = answer.total;
            let wire = answer.needed(Endpoint::QueryOrders, "orders")?.0;
            Ok((map::order::list(&wire, account)?, total))
        };
        let query = QueryJson {
            filter: wire::FilterJson {
                account_id: map::number(account)?,
                statuses: CAN_TRADE,
                created_after: created_after.map(stamp),
            },
            page_size: PAGE_SIZE,
            // By id, ascending.
            sort_by: 1,
            sort_direction: 0,
            include_total_count: true,
        };
        self.http.run(self.ask(Endpoint::QueryOrders, &query)?, read).await
    }

    /// What was traded in a window; without an end up to now.
    pub(crate) async fn trades(
        &self,
        account: &AccountId,
        from: DateTime<Utc>,
        to: Option<DateTime<Utc>>,
        raw: bool,
    ) -> Result<Window<Record>> {
        let read = |body: &str| {
            let (rows, count) = map::trade::page(body, account)?;
            Ok(Window {
                rows,
                count,
                raw: raw.then(|| body.to_owned()),
            })
        };
        let ask = Self::window(account, from, to)?;
        let call = self.ask(Endpoint::Trades, &ask)?.body_up_to(LARGEST_LIST);
        self.http.run(call, read).await
    }

    fn window(account: &AccountId, from: DateTime<Utc>, to: Option<DateTime<Utc>>) -> Result<AskJson<'static>> {
        Ok(AskJson {
            account_id: Some(map::number(account)?),
            start_timestamp: Some(stamp(from)),
            end_timestamp: to.map(stamp),
            ..AskJson::default()
        })
    }

    /// A read.
    pub(crate) fn ask(&self, endpoint: Endpoint, body: &impl Serialize) -> Result<Call> {
        self.call(endpoint, OpClass::Read, body)
    }

    pub(crate) fn call(&self, endpoint: Endpoint, class: OpClass, body: &impl Serialize) -> Result<Call> {
        let bucket = match endpoint {
            Endpoint::Bars => &self.bars,
            _ => &self.requests,
        };
        Ok(call(endpoint, class, &self.api, body)?.costs(bucket, 1))
    }
}

/// A call without its cost.
pub(crate) fn call(endpoint: Endpoint, class: OpClass, api: &Url, body: &impl Serialize) -> Result<Call> {
    let text = serde_json::to_string(body)
        .map_err(|error| Error::invalid("the request cannot be written").with_source(error))?;
    let mut call = Call::new(endpoint.op(), class, Method::POST, api, endpoint.path()).json(text);
    call.headers
        .insert(http::header::ACCEPT, http::HeaderValue::from_static("application/json"));
    Ok(call)
}

/// A moment as the gateway reads it.
pub(crate) fn stamp(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Micros, true)
}
