//! The kiosk's broker.

use std::sync::Arc;
use std::time::Duration;

use ::http::Method;
use async_trait::async_trait;
use broker_core::capability::{
    ClientIdRule, ExitFacts, HistoryFacts, LevelKind, Limit, LimitRule, LimitScope, ListFacts, ListRows, LookupFacts,
    OrderFacts,
};
use broker_core::http::{Call, Http, OpClass};
use broker_core::journal::Mark;
use broker_core::limit::{BucketKey, Lane};
use broker_core::model::{
    Access, AccountStatus, AssetClass, Balance, Environment, Group, OrderChange, OrderKind, OrderState, PositionLeg,
    PositionMode,
};
use broker_core::*;
use serde::de::DeserializeOwned;
use url::Url;

use super::protocol::KioskProtocol;
use super::venue::{LATEST_ARRIVAL, PAGE, PER_MINUTE, VISIBILITY_LAG};
use super::wire::*;

#[derive(Debug, Clone)]
pub(crate) struct Kiosk(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    http: Http,
    base: Url,
    bucket: BucketKey,
    capabilities: Capabilities,
}

impl Kiosk {
    pub(crate) fn new(context: Context) -> Self {
        let bucket = BucketKey::from("kiosk:paper:all");
        let capabilities = capabilities(&bucket);
        context.limiter().define(&bucket, capabilities.limits[0].rule);
        let protocol = KioskProtocol {
            clock: Arc::clone(context.clock()),
        };
        Self(Arc::new(Inner {
            http: Http::new(context, "kiosk".into(), Arc::new(protocol), &["kiosk.example"]),
            base: "https://kiosk.example".parse().unwrap(),
            bucket,
            capabilities,
        }))
    }

    fn call(&self, op: &'static str, class: OpClass, method: Method, path: &str) -> Call {
        Call::new(op, class, method, &self.0.base, path).costs(&self.0.bucket, 1)
    }

    async fn read<T: DeserializeOwned>(
        &self,
        op: &'static str,
        path: &str,
        params: &[(&'static str, String)],
    ) -> Result<T> {
        let call = self.call(op, OpClass::Read, Method::GET, path);
        let call = params.iter().fold(call, |call, (name, value)| call.param(name, value));
        self.0.http.run(call, decode::<T>).await
    }

    /// Sends an order, or a change of one. An answer about another order is none.
    async fn send(
        &self,
        op: &'static str,
        method: Method,
        path: &str,
        body: String,
        intent: &Intent,
        gate: &Gate,
    ) -> Result<Order> {
        let call = self.call(op, OpClass::Write, method, path).json(body).gated(gate);
        let read = |body: &str| {
            let order = Order::from(decode::<OrderJson>(body)?);
            match order.client_id.as_ref() == Some(&intent.id) {
                true => Ok(order),
                false => Err(Error::decode("an answer about another order")),
            }
        };
        self.0.http.run(call, read).await
    }

    fn named(order: &OrderRef) -> Result<Vec<(&'static str, String)>> {
        let name = match (&order.id, &order.client_id) {
            (Some(id), _) => ("id", id.to_string()),
            (None, Some(id)) => ("client_id", id.to_string()),
            (None, None) => return Err(Error::invalid("an order is named by its id or by ours")),
        };
        Ok(vec![("account", order.account.get().to_owned()), name])
    }
}

/// Pages of a list. None overlaps another.
fn pages(rows: ListRows) -> ListFacts {
    ListFacts {
        page_size: u32::try_from(PAGE).ok(),
        ..ListFacts::whole(rows, ("all", 1))
    }
}

fn capabilities(key: &BucketKey) -> Capabilities {
    Capabilities {
        environments: vec![Environment::Paper],
        asset_classes: vec![AssetClass::Stock],
        orders: OrderFacts {
            kinds: vec![
                OrderKind::Market,
                OrderKind::Limit,
                OrderKind::Stop,
                OrderKind::StopLimit,
            ],
            groups: vec![Group::Bracket],
            exits: ExitFacts {
                kinds: vec![OrderKind::Limit, OrderKind::Stop],
                levels: vec![LevelKind::Price],
            },
            trails: Vec::new(),
            times_in_force: vec![TimeInForce::Day, TimeInForce::Gtc, TimeInForce::Ioc],
            kind_times: Vec::new(),
            fractional_qty: false,
            notional: false,
            extended_hours: false,
            replace: true,
            client_id: Some(ClientIdRule {
                longest: 32,
                extra: "-",
            }),
            resend_is_safe: false,
            latest_arrival: Some(LATEST_ARRIVAL),
            visibility_lag: VISIBILITY_LAG,
            one_at_a_time: false,
            reduce_only: false,
            refused_when_closed: Vec::new(),
        },
        history: HistoryFacts {
            depth: None,
            order_depth: None,
            by_instrument: false,
            settles_within: Duration::ZERO,
            positions_cover_fills: true,
            states_pnl: false,
            lists: vec![pages(ListRows::Records)],
            orders: Some(pages(ListRows::Orders)),
            lookups: vec![LookupFacts {
                classes: Vec::new(),
                per_request: None,
                whole_list: None,
                cost: ("all", 1),
            }],
            read_cost: ("all", 1),
        },
        limits: vec![Limit {
            bucket: "all",
            key: BucketKey::clone(key),
            scope: LimitScope::Key,
            rule: LimitRule::Window {
                limit: PER_MINUTE,
                per: Duration::from_secs(60),
            },
        }],
    }
}

fn page<R, T>(json: RowsJson<R>, read: impl Fn(R) -> T) -> Result<Page<T>> {
    let next = json.next.map(|next| Cursor::encode(1, &next)).transpose()?;
    Ok(Page {
        next,
        ..Page::whole(json.rows.into_iter().map(read).collect())
    })
}

/// Where a page starts.
fn start(from: Option<&Cursor>) -> Result<(&'static str, String)> {
    let from: usize = from.map_or(Ok(0), |cursor| cursor.decode(1))?;
    Ok(("from", from.to_string()))
}

#[async_trait]
impl Broker for Kiosk {
    fn id(&self) -> BrokerId {
        "kiosk".into()
    }

    fn environment(&self) -> Environment {
        Environment::Paper
    }

    fn capabilities(&self) -> &Capabilities {
        &self.0.capabilities
    }

    fn context(&self) -> &Context {
        self.0.http.context()
    }

    fn handle(&self) -> Arc<dyn Broker> {
        Arc::new(self.clone())
    }

    async fn probe(&self) -> Result<Probe> {
        let clock = self.context().clock();
        let (before, started) = (clock.now(), clock.elapsed());
        let time: TimeJson = self.read("probe", "/time", &[]).await?;
        let took = clock.now() - before;
        Ok(Probe {
            environment: Environment::Paper,
            server_time: Some(time.now),
            local_time: before + took / 2,
            round_trip: clock.elapsed().saturating_sub(started),
        })
    }

    async fn accounts(&self) -> Result<Vec<Account>> {
        let rows: Vec<AccountJson> = self.read("accounts", "/accounts", &[]).await?;
        let account = |json: AccountJson| Account {
            id: json.id,
            broker: self.id(),
            environment: Environment::Paper,
            name: None,
            currency: Currency::USD,
            status: AccountStatus::Active,
            position_mode: PositionMode::Netting,
            access: Access::default(),
            opened_at: None,
        };
        Ok(rows.into_iter().map(account).collect())
    }

    async fn balances(&self, account: &AccountId) -> Result<Balances> {
        let params = [("account", account.get().to_owned())];
        let cash: CashJson = self.read("balances", "/balances", &params).await?;
        Ok(Balances {
            account: account.clone(),
            balances: vec![Balance {
                currency: Currency::USD,
                total: cash.total.get(),
                available: None,
                held: None,
                parts: Vec::new(),
            }],
            equity: None,
            buying_power: None,
            margin_used: None,
            margin_available: None,
            initial_margin: None,
            maintenance_margin: None,
            unrealized_pnl: None,
            realized_pnl: None,
            accrued_fees: None,
            at: None,
        })
    }

    async fn positions(&self, account: &AccountId) -> Result<Vec<Position>> {
        let params = [("account", account.get().to_owned())];
        let rows: Vec<PositionJson> = self.read("positions", "/positions", &params).await?;
        let position = |json: PositionJson| Position {
            account: account.clone(),
            instrument: json.instrument,
            symbol: json.symbol,
            leg: PositionLeg::Net,
            side: json.side,
            qty: json.qty,
            available: None,
            average_price: None,
            mark_price: None,
            market_value: None,
            cost_basis: None,
            unrealized_pnl: None,
            realized_pnl: None,
            at: None,
        };
        Ok(rows.into_iter().map(position).collect())
    }

    async fn instruments(&self, query: &InstrumentQuery) -> Result<Vec<Instrument>> {
        let all: Vec<Instrument> = self.read("instruments", "/instruments", &[]).await?;
        let wanted = |instrument: &Instrument| match query {
            InstrumentQuery::Ids(ids) => ids.contains(&instrument.id),
            InstrumentQuery::Symbols(symbols) => symbols.contains(&instrument.symbol),
            InstrumentQuery::Text(text) => instrument.symbol.get().contains(text.as_str()),
            _ => true,
        };
        Ok(all.into_iter().filter(wanted).collect())
    }

    async fn order(&self, order: &OrderRef) -> Result<Order> {
        let json: OrderJson = self.read("order", "/order", &Self::named(order)?).await?;
        Ok(json.into())
    }

    async fn orders(&self, query: &OrderQuery, from: Option<&Cursor>) -> Result<Page<Order>> {
        let (since, until) = query.range(self.context().clock().now());
        let state = match query.state {
            OrderState::Open => "open",
            OrderState::Closed => "closed",
            OrderState::All => "all",
        };
        let params = [
            ("account", query.account.get().to_owned()),
            ("state", state.to_owned()),
            ("since", since.to_rfc3339()),
            ("until", until.to_rfc3339()),
            start(from)?,
        ];
        page(self.read("orders", "/orders", &params).await?, |json: OrderJson| {
            json.into()
        })
    }

    async fn history(&self, query: &HistoryQuery, from: Option<&Cursor>) -> Result<Page<Record>> {
        let (since, until) = query.range(self.context().clock().now());
        let mut params = vec![
            ("account", query.account.get().to_owned()),
            ("since", since.to_rfc3339()),
            ("until", until.to_rfc3339()),
            start(from)?,
        ];
        params.extend(query.instrument.as_ref().map(|id| ("instrument", id.to_string())));
        let json: RecordsJson = self.read("history", "/history", &params).await?;
        page(json, |record| record)
    }

    fn trading(&self) -> Option<&dyn Trading> {
        Some(self)
    }

    fn market_data(&self) -> Option<&dyn MarketData> {
        None
    }

    fn streaming(&self) -> Option<&dyn Streaming> {
        None
    }
}

#[async_trait]
impl Trading for Kiosk {
    async fn mark(&self, _: &AccountId) -> Result<Option<Mark>> {
        Ok(None)
    }

    async fn place(&self, intent: &Intent, gate: &Gate) -> Result<Order> {
        let body = encode(&PlaceJson {
            account: intent.account.clone(),
            client_id: intent.id.clone(),
            request: intent.request.clone(),
        });
        self.send("place", Method::POST, "/orders", body, intent, gate).await
    }

    async fn trace(&self, intent: &Intent) -> Result<Vec<Order>> {
        let params = [
            ("account", intent.account.get().to_owned()),
            ("client_id", intent.id.to_string()),
        ];
        let json: RowsJson<OrderJson> = self.read("trace", "/trace", &params).await?;
        Ok(json.rows.into_iter().map(Order::from).collect())
    }

    async fn replace(
        &self,
        order: &OrderRef,
        change: &OrderChange,
        replacement: &Intent,
        gate: &Gate,
    ) -> Result<Order> {
        let Some(id) = order.id.clone() else {
            return Err(Error::invalid("an order is changed by its id"));
        };
        let body = encode(&ReplaceJson {
            account: order.account.clone(),
            id,
            client_id: replacement.id.clone(),
            change: change.clone(),
        });
        self.send("replace", Method::PATCH, "/order", body, replacement, gate)
            .await
    }

    async fn cancel(&self, order: &OrderRef) -> Result<()> {
        let call = self
            .call("cancel", OpClass::Write, Method::DELETE, "/order")
            .in_lane(Lane::Cancel);
        let named = Self::named(order)?;
        let call = named.iter().fold(call, |call, (name, value)| call.param(name, value));
        let read = |body: &str| decode::<OrderJson>(body).map(drop);
        self.0.http.run(call, read).await
    }

    async fn cancel_all(&self, account: &AccountId) -> Result<Vec<CancelOutcome>> {
        let call = self
            .call("cancel_all", OpClass::Write, Method::DELETE, "/orders")
            .in_lane(Lane::Cancel)
            .param("account", account.get());
        let rows: Vec<CanceledJson> = self.0.http.run(call, decode).await?;
        let outcome = |json: CanceledJson| CancelOutcome {
            order: json.id,
            result: match json.error {
                None => Ok(()),
                Some(words) => Err(Error::new(ErrorKind::OrderRejected)
                    .with_delivery(Delivery::Answered)
                    .with_message(words)),
            },
        };
        Ok(rows.into_iter().map(outcome).collect())
    }
}
