//! The broker, its abilities, and its read side.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use broker_core::capability::{
    ClientIdRule, ExitFacts, HistoryFacts, LevelKind, Limit, LimitRule, LimitScope, ListFacts, ListRows, LookupFacts,
    OrderFacts, TrailKind,
};
use broker_core::http::Http;
use broker_core::limit::BucketKey;
use broker_core::model::{AssetClass, Environment, Group, OrderKind, OrderState, Window};
use broker_core::{
    Account, AccountId, Balances, Broker, BrokerId, Capabilities, Context, Cursor, Error, HistoryQuery, Instrument,
    InstrumentId, InstrumentQuery, Order, OrderQuery, OrderRef, Page, Position, Probe, Proof, Record, Result, Symbol,
    TimeInForce,
};
use chrono::NaiveDate;

use crate::auth::{AlpacaProtocol, fingerprint};
#[cfg(feature = "streaming")]
use crate::config::Credentials;
use crate::config::{AlpacaConfig, DOMAIN, Feed};
use crate::map;
use crate::rest::{Rest, bucket};
#[cfg(feature = "streaming")]
use crate::stream::Slots;
use crate::walk::{ActivityWalk, ORDER_PAGE_SIZE, OTHERS_YIELD, OrderWalk, PAGE_SIZE, TRADES_YIELD};

/// Name of the broker.
const NAME: &str = "alpaca";

/// More symbols than this are looked up in the whole list, which is one call.
const FEW_SYMBOLS: u32 = 20;

const MINUTE: Duration = Duration::from_secs(60);

/// An account at Alpaca. A cheap handle: clones share connections, limits and state.
#[derive(Debug, Clone)]
pub struct AlpacaBroker(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    rest: Rest,
    environment: Environment,
    capabilities: Capabilities,
    /// The one account of the key, once it is known.
    account: OnceLock<AccountId>,
    #[cfg_attr(
        not(feature = "market-data"),
        allow(dead_code, reason = "only market data has feeds")
    )]
    feed: Option<Feed>,
    /// A stream signs in with a message, not with headers.
    #[cfg(feature = "streaming")]
    credentials: Credentials,
    #[cfg(feature = "streaming")]
    slots: Slots,
}

impl AlpacaBroker {
    /// A broker of this configuration. Nothing is sent yet.
    ///
    /// # Errors
    /// `Config`: a host that is not Alpaca's, the live host without [`AlpacaConfig::live`], a key that cannot be sent.
    pub fn new(config: AlpacaConfig) -> Result<Self> {
        Self::build(config).map_err(|error| error.with_broker(BrokerId::from(NAME)))
    }

    fn build(config: AlpacaConfig) -> Result<Self> {
        let (trading, data) = config.addresses()?;
        let context = config.context.clone().map_or_else(broker_core::net::network, Ok)?;
        let protocol = AlpacaProtocol::new(&config.credentials, Arc::clone(context.clock()))?;
        let http = Http::new(context.clone(), BrokerId::from(NAME), Arc::new(protocol), &[DOMAIN]);
        let http = config.hosts.iter().fold(http, |http, host| http.allowing(host));
        http.check_url(&trading)?;
        http.check_url(&data)?;
        let key = fingerprint(&config.credentials);
        let rest = Rest {
            http,
            trading,
            data,
            trading_bucket: bucket(config.environment, &key, "trading"),
            data_bucket: bucket(config.environment, &key, "data"),
        };
        let capabilities = capabilities(&config, &rest);
        for limit in &capabilities.limits {
            context.limiter().define(&limit.key, limit.rule);
        }
        Ok(Self(Arc::new(Inner {
            rest,
            environment: config.environment,
            capabilities,
            account: OnceLock::new(),
            feed: config.feed,
            #[cfg(feature = "streaming")]
            credentials: config.credentials,
            #[cfg(feature = "streaming")]
            slots: Slots::default(),
        })))
    }

    /// The records of a page of activities, in its order: reads again what a query
    /// [`with_raw`](HistoryQuery::with_raw) gave and a program kept.
    pub fn read_activities(account: &AccountId, page: &str) -> Result<Vec<Record>> {
        map::activity::records(page, account)
    }

    /// One page of the option contracts on an underlying that expire in `first..=last`.
    pub async fn option_contracts(
        &self,
        underlying: &Symbol,
        first: NaiveDate,
        last: NaiveDate,
        from: Option<&Cursor>,
    ) -> Result<Page<Instrument>> {
        let mut params = vec![
            ("underlying_symbols", underlying.get().to_owned()),
            ("expiration_date_gte", first.to_string()),
            ("expiration_date_lte", last.to_string()),
            ("limit", "10000".to_owned()),
        ];
        if let Some(cursor) = from {
            params.push(("page_token", cursor.decode(1)?));
        }
        let (rows, token) = self.rest().option_contracts(&params).await?;
        Ok(Page {
            proof: if token.is_some() {
                Proof::Contiguous
            } else {
                Proof::Short
            },
            next: token.map(|token| Cursor::encode(1, &token)).transpose()?,
            ..Page::whole(rows)
        })
    }

    pub(crate) fn rest(&self) -> &Rest {
        &self.0.rest
    }

    #[cfg(feature = "streaming")]
    pub(crate) fn credentials(&self) -> &Credentials {
        &self.0.credentials
    }

    #[cfg(feature = "streaming")]
    pub(crate) fn slots(&self) -> &Slots {
        &self.0.slots
    }

    #[cfg(feature = "market-data")]
    pub(crate) fn feed(&self) -> Option<Feed> {
        self.0.feed
    }

    async fn own_account(&self) -> Result<Account> {
        let account = self.rest().account(self.id(), self.0.environment).await?;
        let _ = self.0.account.set(account.id.clone());
        Ok(account)
    }

    /// No call of Alpaca names an account, so rows asked for a foreign one would come as if they were its own.
    pub(crate) async fn check(&self, account: &AccountId) -> Result<()> {
        let own = match self.0.account.get() {
            Some(own) => own.clone(),
            None => self.own_account().await?.id,
        };
        if own == *account {
            return Ok(());
        }
        Err(Error::invalid(format!("this key belongs to account {own}, not {account}")).with_broker(self.id()))
    }

    async fn look_up(&self, symbols: Vec<String>) -> Result<Vec<Instrument>> {
        let (options, assets): (Vec<_>, Vec<_>) = symbols.iter().partition(|symbol| map::is_option(symbol));
        let mut found = Vec::with_capacity(symbols.len());
        for symbol in options {
            found.extend(self.rest().option_contract(symbol).await?);
        }
        if assets.len() > FEW_SYMBOLS as usize {
            let all = self.list(None).await?;
            found.extend(
                all.into_iter()
                    .filter(|one| assets.iter().any(|symbol| *symbol == one.symbol.get())),
            );
        } else {
            for symbol in assets {
                found.extend(self.rest().asset(symbol).await?);
            }
        }
        Ok(found)
    }

    async fn list(&self, status: Option<&str>) -> Result<Vec<Instrument>> {
        let mut all = self.rest().assets("us_equity", status).await?;
        all.extend(self.rest().assets("crypto", status).await?);
        Ok(all)
    }
}

/// One spelling a symbol, each once, in the order given.
fn spelled<'a>(symbols: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    for symbol in symbols.map(|text| map::symbol(text, None).into_owned()) {
        if !out.contains(&symbol) {
            out.push(symbol);
        }
    }
    out
}

/// Every call of the Trading API pays this.
const TRADING_COST: (&str, u32) = ("trading", 1);

fn capabilities(config: &AlpacaConfig, rest: &Rest) -> Capabilities {
    let per_minute = |bucket, key: &BucketKey, scope, limit| Limit {
        bucket,
        key: Arc::clone(key),
        scope,
        rule: LimitRule::Window { limit, per: MINUTE },
    };
    let pages = |rows, page_size, page_yield| ListFacts {
        rows,
        page_size: u32::try_from(page_size).ok(),
        page_yield,
        page_span: None,
        page_cost: TRADING_COST,
        closing_pages: 0,
    };
    let lookup = |classes, whole_list| LookupFacts {
        classes,
        per_request: Some(1),
        whole_list,
        cost: TRADING_COST,
    };
    Capabilities {
        environments: vec![Environment::Paper, Environment::Live],
        asset_classes: vec![AssetClass::Stock, AssetClass::Option, AssetClass::Crypto],
        orders: OrderFacts {
            kinds: vec![
                OrderKind::Market,
                OrderKind::Limit,
                OrderKind::Stop,
                OrderKind::StopLimit,
                OrderKind::TrailingStop,
            ],
            groups: vec![Group::Bracket, Group::Oco, Group::Oto],
            exits: ExitFacts {
                kinds: vec![OrderKind::Limit, OrderKind::Stop, OrderKind::StopLimit],
                levels: vec![LevelKind::Price],
            },
            trails: vec![TrailKind::Amount, TrailKind::Percent],
            times_in_force: vec![
                TimeInForce::Day,
                TimeInForce::Gtc,
                TimeInForce::Ioc,
                TimeInForce::Fok,
                TimeInForce::AtOpen,
                TimeInForce::AtClose,
            ],
            kind_times: vec![
                (OrderKind::TrailingStop, waiting()),
                (OrderKind::Stop, waiting()),
                (OrderKind::StopLimit, waiting()),
            ],
            fractional_qty: true,
            notional: true,
            extended_hours: true,
            replace: true,
            client_id: Some(ClientIdRule {
                longest: 128,
                extra: "._-",
            }),
            // A second send with an id that was used, by a finished order too, is refused with 40010001.
            resend_is_safe: true,
            latest_arrival: None,
            visibility_lag: Duration::from_secs(1),
            one_at_a_time: false,
            reduce_only: false,
            refused_when_closed: vec![AssetClass::Option],
        },
        history: HistoryFacts {
            depth: None,
            order_depth: None,
            by_instrument: false,
            // Fees are booked the day after or later, over a weekend too.
            settles_within: Duration::from_secs(5 * 86_400),
            positions_cover_fills: true,
            states_pnl: false,
            lists: vec![
                pages(ListRows::Fills, PAGE_SIZE, TRADES_YIELD),
                pages(ListRows::Others, PAGE_SIZE, OTHERS_YIELD),
            ],
            orders: Some(pages(ListRows::Orders, ORDER_PAGE_SIZE, 100)),
            lookups: vec![
                lookup(vec![AssetClass::Option], None),
                lookup(Vec::new(), Some((FEW_SYMBOLS, 2))),
            ],
            read_cost: TRADING_COST,
        },
        limits: vec![
            per_minute(
                "trading",
                &rest.trading_bucket,
                LimitScope::Account,
                config.requests_per_minute,
            ),
            per_minute(
                "data",
                &rest.data_bucket,
                LimitScope::Key,
                config.data_requests_per_minute,
            ),
        ],
    }
}

/// What orders take that wait for a price.
fn waiting() -> Vec<TimeInForce> {
    vec![TimeInForce::Day, TimeInForce::Gtc]
}

#[async_trait]
impl Broker for AlpacaBroker {
    fn id(&self) -> BrokerId {
        BrokerId::from(NAME)
    }

    fn environment(&self) -> Environment {
        self.0.environment
    }

    fn capabilities(&self) -> &Capabilities {
        &self.0.capabilities
    }

    fn context(&self) -> &Context {
        self.rest().http.context()
    }

    fn handle(&self) -> Arc<dyn Broker> {
        Arc::new(self.clone())
    }

    async fn probe(&self) -> Result<Probe> {
        let clock = self.context().clock();
        let (sent_at, started) = (clock.now(), clock.elapsed());
        let server_time = self.rest().clock().await?;
        let round_trip = clock.elapsed().saturating_sub(started);
        Ok(Probe {
            environment: self.0.environment,
            server_time: Some(server_time),
            local_time: sent_at + round_trip / 2,
            round_trip,
        })
    }

    async fn accounts(&self) -> Result<Vec<Account>> {
        Ok(vec![self.own_account().await?])
    }

    async fn balances(&self, account: &AccountId) -> Result<Balances> {
        let balances = self.rest().balances().await?;
        let _ = self.0.account.set(balances.account.clone());
        self.check(account).await?;
        Ok(balances)
    }

    async fn positions(&self, account: &AccountId) -> Result<Vec<Position>> {
        self.check(account).await?;
        let mut positions = self.rest().positions(account).await?;
        positions.retain(|position| !position.qty.is_zero());
        Ok(positions)
    }

    async fn instruments(&self, query: &InstrumentQuery) -> Result<Vec<Instrument>> {
        match query {
            InstrumentQuery::Ids(ids) => self.look_up(spelled(ids.iter().map(InstrumentId::get))).await,
            InstrumentQuery::Symbols(symbols) => self.look_up(spelled(symbols.iter().map(Symbol::get))).await,
            InstrumentQuery::Text(text) => {
                let text = text.to_lowercase();
                let mut all = self.list(Some("active")).await?;
                all.retain(|one| {
                    let name = one.name.as_deref().unwrap_or_default();
                    one.symbol.get().to_lowercase().contains(&text) || name.to_lowercase().contains(&text)
                });
                Ok(all)
            }
            // Options are not listed with the rest: there are more of them than one answer holds.
            InstrumentQuery::All => {
                let mut all = self.list(Some("active")).await?;
                all.retain(|one| one.status == broker_core::model::InstrumentStatus::Tradable);
                Ok(all)
            }
            other => Err(Error::unsupported(format!("the query {other:?}")).with_broker(self.id())),
        }
    }

    async fn order(&self, order: &OrderRef) -> Result<Order> {
        self.check(&order.account).await?;
        self.rest().order(order).await
    }

    async fn orders(&self, query: &OrderQuery, from: Option<&Cursor>) -> Result<Page<Order>> {
        let walk = match from {
            Some(cursor) => OrderWalk::resume(cursor)?,
            None => {
                let (since, _) = query.range(self.context().clock().now());
                let until = match query.window {
                    Window::Between { until, .. } => until,
                    Window::LastDays(_) | Window::All => None,
                };
                OrderWalk::new(since, until)
            }
        };
        self.check(&query.account).await?;
        let groups = self.rest().orders(&query.account, &walk.params(query.state)).await?;
        let mut page = walk.page(groups)?;
        page.rows.retain(|order| {
            let state = match query.state {
                OrderState::Open => !order.status.is_final(),
                OrderState::Closed => order.status.is_final(),
                OrderState::All => true,
            };
            let wanted = query.instrument.as_ref();
            state && wanted.is_none_or(|wanted| order.legs.iter().any(|leg| leg.instrument == *wanted))
        });
        Ok(page)
    }

    async fn history(&self, query: &HistoryQuery, from: Option<&Cursor>) -> Result<Page<Record>> {
        let walk = match from {
            Some(cursor) => ActivityWalk::resume(cursor)?,
            None => {
                let (since, until) = query.range(self.context().clock().now());
                ActivityWalk::new(since, until)
            }
        };
        self.check(&query.account).await?;
        let (came, raw) = self
            .rest()
            .activities(&query.account, &walk.params(), walk.border(), query.raw)
            .await?;
        let mut page = walk.page(came)?;
        page.raw = raw;
        if let Some(wanted) = &query.instrument {
            page.rows.retain(|record| record.instrument() == Some(wanted));
        }
        Ok(page)
    }

    broker_core::roles_by_feature!();
}
