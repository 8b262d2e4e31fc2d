//! The broker, its abilities, and its read side.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use broker_core::capability::{
    ClientIdRule, ExitFacts, HistoryFacts, LevelKind, Limit, LimitRule, LimitScope, ListFacts, ListRows, LookupFacts,
    OrderFacts, TrailKind,
};
use broker_core::http::Http;
use broker_core::limit::ConnectLimit;
use broker_core::model::{AssetClass, Environment, Group, OrderKind};
use broker_core::{
    Account, AccountId, Balances, Broker, BrokerId, Capabilities, Context, Cursor, Error, HistoryQuery, Instrument,
    InstrumentQuery, Order, OrderQuery, OrderRef, Page, Position, Probe, Record, Result, TimeInForce,
};

use crate::auth::OandaProtocol;
use crate::config::{DOMAIN, OandaConfig};
use crate::history;
use crate::map;
use crate::rest::{Learned, Rest};

/// Name of the broker.
const NAME: &str = "oanda";

const SECOND: Duration = Duration::from_secs(1);

/// What a read pays.
const REQUEST: (&str, u32) = ("requests", 1);

/// New connections that OANDA permits of one address in a second, and streams at a time.
const CONNECTIONS: u32 = 2;
const STREAMS: u32 = 20;

/// Requests that are under way at a time, and so connections that a burst opens: "few", says OANDA. These keep 120
/// answers a second up to 130 ms each.
const IN_FLIGHT: u32 = 16;

/// The accounts of a token at OANDA. A cheap handle: clones share connections, limits and state.
#[derive(Debug, Clone)]
pub struct OandaBroker {
    inner: Arc<Inner>,
    #[cfg_attr(not(feature = "trading"), allow(dead_code, reason = "only orders have exits"))]
    guaranteed: bool,
}

#[derive(Debug)]
struct Inner {
    rest: Rest,
    environment: Environment,
    capabilities: Capabilities,
    /// Whose instruments and prices are asked for.
    account: Option<AccountId>,
}

impl OandaBroker {
    /// A broker of this configuration. Nothing is sent yet.
    ///
    /// # Errors
    /// `Config`: a host that is not OANDA's, a live host without [`OandaConfig::live`], a token that cannot be sent.
    pub fn new(config: OandaConfig) -> Result<Self> {
        Self::build(config).map_err(|error| error.with_broker(BrokerId::from(NAME)))
    }

    fn build(config: OandaConfig) -> Result<Self> {
        let (base, stream) = config.addresses()?;
        let context = config.context.clone().map_or_else(broker_core::net::network, Ok)?;
        let protocol = OandaProtocol::new(&config.token, Arc::clone(context.clock()))?;
        let http = Http::new(context.clone(), BrokerId::from(NAME), Arc::new(protocol), &[DOMAIN]);
        let http = config.hosts.iter().fold(http, |http, host| http.allowing(host));
        http.check_url(&base)?;
        http.check_url(&stream)?;
        let capabilities = capabilities(&config);
        let bucket = bucket_key;
        let rest = Rest {
            http,
            base,
            stream,
            requests: bucket("requests"),
            in_flight: bucket("in flight"),
            connects: ConnectLimit::new(context.limiter(), &bucket("connections")),
            streams: bucket("streams"),
            learned: Mutex::new(Learned::default()),
            #[cfg(feature = "trading")]
            trails: broker_core::placement::Traces::default(),
        };
        for limit in &capabilities.limits {
            context.limiter().define(&limit.key, limit.rule);
        }
        Ok(Self {
            inner: Arc::new(Inner {
                rest,
                environment: config.environment,
                capabilities,
                account: config.account,
            }),
            guaranteed: false,
        })
    }

    /// The same broker, whose protecting stops are guaranteed: an entry that asks for a stop gets OANDA's guaranteed
    /// stop loss, which costs a fee when it executes and is not offered for every account and instrument.
    #[cfg(feature = "trading")]
    #[must_use]
    pub fn guaranteeing_stops(&self) -> Self {
        Self {
            guaranteed: true,
            ..self.clone()
        }
    }

    #[cfg(feature = "trading")]
    pub(crate) fn guarantees_stops(&self) -> bool {
        self.guaranteed
    }

    pub(crate) fn rest(&self) -> &Rest {
        &self.inner.rest
    }

    /// OANDA keeps instruments and prices by account: the configured one, or the first.
    pub(crate) async fn any_account(&self) -> Result<AccountId> {
        if let Some(account) = &self.inner.account {
            return Ok(account.clone());
        }
        let first = self.rest().names().await?.into_iter().next();
        let (account, _) = first.ok_or_else(|| Error::invalid("this token sees no account").with_broker(self.id()))?;
        Ok(account)
    }
}

/// OANDA counts by address, whatever the token and the environment.
fn bucket_key(name: &str) -> Arc<str> {
    Arc::from(format!("oanda:{name}"))
}

fn capabilities(config: &OandaConfig) -> Capabilities {
    let limit = |bucket, rule| Limit {
        bucket,
        key: bucket_key(bucket),
        scope: LimitScope::Address,
        rule,
    };
    let resting = vec![TimeInForce::Day, TimeInForce::Gtc, TimeInForce::Gtd];
    let window = |limit| LimitRule::Window { limit, per: SECOND };
    Capabilities {
        environments: vec![Environment::Paper, Environment::Live],
        asset_classes: vec![AssetClass::Forex, AssetClass::Metal, AssetClass::Cfd],
        orders: OrderFacts {
            kinds: vec![
                OrderKind::Market,
                OrderKind::Limit,
                OrderKind::Stop,
                OrderKind::MarketIfTouched,
            ],
            groups: vec![Group::Bracket, Group::Oto],
            exits: ExitFacts {
                kinds: vec![OrderKind::Limit, OrderKind::Stop, OrderKind::TrailingStop],
                // A stop takes either; a target's distance is converted where that is exact.
                levels: vec![LevelKind::Price, LevelKind::Distance],
            },
            trails: vec![TrailKind::Amount],
            times_in_force: vec![
                TimeInForce::Day,
                TimeInForce::Gtc,
                TimeInForce::Gtd,
                TimeInForce::Ioc,
                TimeInForce::Fok,
            ],
            // A limit order that does not rest is a market order with a bound.
            kind_times: vec![
                (OrderKind::Market, vec![TimeInForce::Ioc, TimeInForce::Fok]),
                (OrderKind::Stop, resting.clone()),
                (OrderKind::MarketIfTouched, resting),
            ],
            fractional_qty: false,
            notional: false,
            extended_hours: false,
            replace: true,
            // Neither length nor alphabet is documented; every known client stays within these.
            client_id: Some(ClientIdRule {
                longest: 32,
                extra: "_-",
            }),
            // An id is unique among pending orders alone, and a market order never pends: sent twice, it fills twice.
            resend_is_safe: false,
            latest_arrival: None,
            // Reads were seen to lag writes by a quarter to half a second.
            visibility_lag: SECOND,
            one_at_a_time: false,
            reduce_only: true,
            // No hours are published. An order that needs an open market is canceled at once: MARKET_HALTED.
            refused_when_closed: Vec::new(),
        },
        history: HistoryFacts {
            depth: None,
            order_depth: None,
            by_instrument: false,
            // Ids only ever grow: nothing is booked before what was read, but reads lag writes a little.
            settles_within: Duration::from_secs(10),
            positions_cover_fills: true,
            states_pnl: true,
            // A page holds ids of all kinds: of orders, too, of which most fills have one before them.
            lists: vec![ListFacts {
                rows: ListRows::Records,
                page_size: Some(1000),
                page_yield: 40,
                page_span: None,
                page_cost: REQUEST,
                closing_pages: 0,
            }],
            // The orders of 499 transactions take their block, their list, and rows that lie elsewhere.
            orders: Some(ListFacts {
                rows: ListRows::Orders,
                page_size: Some(499),
                page_yield: 40,
                page_span: None,
                page_cost: ("requests", 3),
                closing_pages: 0,
            }),
            lookups: vec![LookupFacts {
                classes: Vec::new(),
                per_request: None,
                whole_list: None,
                cost: REQUEST,
            }],
            read_cost: REQUEST,
        },
        limits: vec![
            limit("requests", window(config.requests_per_second)),
            limit("in flight", LimitRule::Open { limit: IN_FLIGHT }),
            limit("connections", window(CONNECTIONS)),
            limit("streams", LimitRule::Open { limit: STREAMS }),
        ],
    }
}

#[async_trait]
impl Broker for OandaBroker {
    fn id(&self) -> BrokerId {
        BrokerId::from(NAME)
    }

    fn environment(&self) -> Environment {
        self.inner.environment
    }

    fn capabilities(&self) -> &Capabilities {
        &self.inner.capabilities
    }

    fn context(&self) -> &Context {
        self.rest().http.context()
    }

    fn handle(&self) -> Arc<dyn Broker> {
        Arc::new(self.clone())
    }

    /// OANDA's answers do not tell its time.
    async fn probe(&self) -> Result<Probe> {
        let clock = self.context().clock();
        let (sent_at, started) = (clock.now(), clock.elapsed());
        self.rest().all_names().await?;
        let round_trip = clock.elapsed().saturating_sub(started);
        Ok(Probe {
            environment: self.inner.environment,
            server_time: None,
            local_time: sent_at + round_trip / 2,
            round_trip,
        })
    }

    async fn accounts(&self) -> Result<Vec<Account>> {
        let (mut accounts, broker) = (Vec::new(), self.id());
        for (account, is_mt4) in self.rest().all_names().await? {
            let account = self.rest().account(&account, is_mt4, &broker, self.inner.environment);
            accounts.push(account.await?);
        }
        Ok(accounts)
    }

    async fn balances(&self, account: &AccountId) -> Result<Balances> {
        self.book(account).await?;
        self.rest().balances(account).await
    }

    async fn positions(&self, account: &AccountId) -> Result<Vec<Position>> {
        let book = self.book(account).await?;
        self.rest().positions(&book).await
    }

    async fn instruments(&self, query: &InstrumentQuery) -> Result<Vec<Instrument>> {
        let account = self.any_account().await?;
        let mut all = self.rest().instruments(&account).await?;
        match query {
            InstrumentQuery::Ids(ids) => all.retain(|one| ids.contains(&one.id)),
            InstrumentQuery::Symbols(symbols) => {
                let ids: Vec<_> = symbols.iter().map(map::id_of).collect();
                all.retain(|one| ids.contains(&one.id));
            }
            InstrumentQuery::Text(text) => {
                let text = text.to_lowercase();
                all.retain(|one| {
                    let name = one.name.as_deref().unwrap_or_default().to_lowercase();
                    name.contains(&text) || one.symbol.get().to_lowercase().contains(&text)
                });
            }
            InstrumentQuery::All => {}
            other => return Err(Error::unsupported(format!("the query {other:?}")).with_broker(self.id())),
        }
        Ok(all)
    }

    async fn order(&self, order: &OrderRef) -> Result<Order> {
        let book = self.book(&order.account).await?;
        let found = self.rest().order_of(&book, order).await;
        found.map_err(|error| error.with_broker(self.id()))
    }

    async fn orders(&self, query: &OrderQuery, from: Option<&Cursor>) -> Result<Page<Order>> {
        let now = self.context().clock().now();
        let page = self.rest().order_page(query, from, now).await;
        page.map_err(|error| error.with_broker(self.id()))
    }

    async fn history(&self, query: &HistoryQuery, from: Option<&Cursor>) -> Result<Page<Record>> {
        let now = self.context().clock().now();
        let page = history::page(self.rest(), query, from, now).await;
        page.map_err(|error| error.with_broker(self.id()))
    }

    broker_core::roles_by_feature!();
}
