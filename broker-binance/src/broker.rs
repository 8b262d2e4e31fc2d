//! The broker, its abilities, and its read side.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicU32;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use broker_core::http::Http;
use broker_core::model::{Environment, InstrumentStatus, OrderState};
use broker_core::{
    Account, AccountId, Balances, Broker, BrokerId, Capabilities, Context, Cursor, Error, HistoryQuery, Instrument,
    InstrumentId, InstrumentQuery, Order, OrderQuery, OrderRef, Page, Position, Probe, Record, Result, Symbol,
};
use chrono::DateTime;

use crate::auth::{BinanceProtocol, ServerTime, Signer, fingerprint};
use crate::config::{BinanceConfig, DOMAINS};
use crate::facts::capabilities;
use crate::map::Pair;
use crate::rest::{Buckets, Rest};
use crate::walk::{HistoryWalk, OrderWalk};

/// Name of the broker.
pub(crate) const NAME: &str = "binance";

/// What belongs to no symbol stands under this name, which no symbol has.
pub(crate) const ACCOUNT_RECORDS: &str = "account";

/// An account at Binance. A cheap handle: clones share connections, limits and state.
#[derive(Debug, Clone)]
pub struct BinanceBroker {
    pub(crate) inner: Arc<Inner>,
    /// How this handle places limit orders.
    #[cfg(feature = "trading")]
    style: crate::map::request::Style,
}

#[derive(Debug)]
pub(crate) struct Inner {
    rest: Rest,
    pub(crate) environment: Environment,
    capabilities: Capabilities,
    time: Arc<ServerTime>,
    /// The user set limits: those that Binance announces are not taken over.
    pub(crate) own_limits: (bool, bool),
    #[cfg(feature = "streaming")]
    streams: crate::stream::Streams,
    #[cfg_attr(not(feature = "trading"), allow(dead_code, reason = "only orders have exits"))]
    exits_of_received: bool,
    /// The one account of the key, once it is known.
    account: OnceLock<AccountId>,
    pub(crate) pairs: Mutex<BTreeMap<String, Pair>>,
    /// How many symbols were looked up one by one.
    pub(crate) asked_singly: AtomicU32,
    /// The names of all symbols, sorted, and when they were read.
    pub(crate) names: Mutex<Option<(Duration, Arc<[String]>)>>,
}

impl BinanceBroker {
    /// A broker of this configuration. Nothing is sent yet.
    ///
    /// # Errors
    /// `Config`: a host that is not Binance's, a live host without [`BinanceConfig::live`], a key that cannot be used.
    pub fn new(config: BinanceConfig) -> Result<Self> {
        Self::build(config).map_err(|error| error.with_broker(BrokerId::from(NAME)))
    }

    fn build(config: BinanceConfig) -> Result<Self> {
        let base = config.address()?;
        let window = config.checked_window()?;
        let signer = Arc::new(Signer::new(&config.secret)?);
        let context = config.context.clone().map_or_else(broker_core::net::network, Ok)?;
        let host = base.host_str().unwrap_or_default();
        let buckets = Buckets::new(host, config.environment, &fingerprint(&config.key));
        let capabilities = capabilities(&config, &buckets);
        for limit in &capabilities.limits {
            context.limiter().define(&limit.key, limit.rule);
        }
        let allowing = |http: Http| config.hosts.iter().fold(http, |http, host| http.allowing(host));
        let plain = ServerTime::pipeline(context.clone(), BrokerId::from(NAME), buckets.clone(), &DOMAINS);
        let time = Arc::new(ServerTime::new(allowing(plain), base.clone(), buckets.clone()));
        let protocol = BinanceProtocol::new(
            &config.key,
            Arc::clone(&signer),
            window,
            Arc::clone(&time),
            buckets.clone(),
        )?;
        let http = allowing(Http::new(context, BrokerId::from(NAME), Arc::new(protocol), &DOMAINS));
        http.check_url(&base)?;
        let inner = Arc::new(Inner {
            rest: Rest { http, base, buckets },
            environment: config.environment,
            capabilities,
            time,
            #[cfg(feature = "streaming")]
            streams: crate::stream::Streams {
                key: config.key.clone(),
                signer,
                window,
                urls: config.streams()?,
            },
            own_limits: (config.weight_per_minute.is_some(), config.orders.is_some()),
            exits_of_received: config.exits_of_received,
            account: OnceLock::new(),
            pairs: Mutex::default(),
            asked_singly: AtomicU32::new(0),
            names: Mutex::default(),
        });
        Ok(Self {
            inner,
            #[cfg(feature = "trading")]
            style: crate::map::request::Style::default(),
        })
    }

    /// The name under which history tells what belongs to no symbol: conversions, dust, deposits, withdrawals,
    /// distributions. For a sync it stands beside the symbols.
    pub fn account_records() -> InstrumentId {
        InstrumentId::from(ACCOUNT_RECORDS)
    }

    pub(crate) fn rest(&self) -> &Rest {
        &self.inner.rest
    }

    pub(crate) fn time(&self) -> &Arc<ServerTime> {
        &self.inner.time
    }

    #[cfg(feature = "trading")]
    pub(crate) fn with_style(&self, style: crate::map::request::Style) -> Self {
        Self {
            inner: Arc::clone(&self.inner),
            style,
        }
    }

    #[cfg(feature = "trading")]
    pub(crate) fn style(&self) -> crate::map::request::Style {
        self.style
    }

    #[cfg(feature = "trading")]
    pub(crate) fn exits_of_received(&self) -> bool {
        self.inner.exits_of_received
    }

    async fn own_account(&self) -> Result<(Account, Balances)> {
        let own = self.rest().account(self.id(), self.inner.environment).await?;
        let _ = self.inner.account.set(own.0.id.clone());
        Ok(own)
    }

    /// No call of Binance's names an account, so rows asked for a foreign one would come as if they were its own.
    pub(crate) async fn check(&self, account: &AccountId) -> Result<()> {
        let own = match self.inner.account.get() {
            Some(own) => own.clone(),
            None => self.own_account().await?.0.id,
        };
        if own == *account {
            return Ok(());
        }
        Err(Error::invalid(format!("this key belongs to account {own}, not {account}")).with_broker(self.id()))
    }

    #[cfg(feature = "streaming")]
    pub(crate) fn streams(&self) -> &crate::stream::Streams {
        &self.inner.streams
    }
}

/// A pair without its slash is Binance's own name of it.
fn joined(symbol: &Symbol) -> String {
    symbol.get().replace('/', "")
}

#[async_trait]
impl Broker for BinanceBroker {
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

    async fn probe(&self) -> Result<Probe> {
        let clock = self.context().clock();
        let started = clock.elapsed();
        let (there, here) = self.time().measure().await?;
        let round_trip = clock.elapsed().saturating_sub(started);
        self.own_account().await?;
        Ok(Probe {
            environment: self.inner.environment,
            server_time: DateTime::from_timestamp_millis(there),
            local_time: DateTime::from_timestamp_millis(here).unwrap_or_else(|| clock.now()),
            round_trip,
        })
    }

    async fn accounts(&self) -> Result<Vec<Account>> {
        Ok(vec![self.own_account().await?.0])
    }

    async fn balances(&self, account: &AccountId) -> Result<Balances> {
        let (_, balances) = self.own_account().await?;
        self.check(account).await?;
        match balances.account == *account {
            true => Ok(balances),
            false => Err(Error::decode("answered with the balances of another account")),
        }
    }

    /// Coins that are held outright are balances.
    async fn positions(&self, account: &AccountId) -> Result<Vec<Position>> {
        self.check(account).await?;
        Ok(Vec::new())
    }

    async fn instruments(&self, query: &InstrumentQuery) -> Result<Vec<Instrument>> {
        match query {
            InstrumentQuery::Ids(ids) => self.look_up(ids.iter().map(|id| id.get().to_owned()).collect()).await,
            InstrumentQuery::Symbols(symbols) => {
                let mut found = self.look_up(symbols.iter().map(joined).collect()).await?;
                // Two coins can be split in two ways: only the pair that was asked for is it.
                found.retain(|one| {
                    symbols
                        .iter()
                        .any(|symbol| *symbol == one.symbol || symbol.get() == one.id.get())
                });
                Ok(found)
            }
            InstrumentQuery::Text(text) => {
                let text = text.to_uppercase();
                let mut all = self.list().await?;
                all.retain(|one| one.id.get().contains(&text) || one.symbol.get().contains(&text));
                Ok(all)
            }
            InstrumentQuery::All => {
                let mut all = self.list().await?;
                all.retain(|one| one.status == InstrumentStatus::Tradable);
                Ok(all)
            }
            other => Err(Error::unsupported(format!("the query {other:?}")).with_broker(self.id())),
        }
    }

    async fn order(&self, order: &OrderRef) -> Result<Order> {
        self.named(order)?;
        self.check(&order.account).await?;
        self.find(order).await
    }

    async fn orders(&self, query: &OrderQuery, from: Option<&Cursor>) -> Result<Page<Order>> {
        let resumed = from.map(OrderWalk::resume).transpose()?;
        self.check(&query.account).await?;
        if query.state == OrderState::Open {
            let symbol = query.instrument.as_ref().map(InstrumentId::get);
            if symbol == Some(ACCOUNT_RECORDS) {
                return Ok(Page::whole(Vec::new()));
            }
            let mut rows = self.open_orders(&query.account, symbol).await?;
            let walk = OrderWalk::new(query, self.context().clock().now(), String::new(), false);
            rows.retain(|order| !order.status.is_final() && walk.has(order.created_at));
            return Ok(Page::whole(rows));
        }
        let walk = match resumed {
            Some(walk) => walk,
            None => match self.order_walk(query).await? {
                Some(walk) => walk,
                None => return Ok(Page::whole(Vec::new())),
            },
        };
        let mut page = self.walk_orders(walk, query).await?;
        page.rows
            .retain(|order| query.state == OrderState::All || order.status.is_final());
        Ok(page)
    }

    async fn history(&self, query: &HistoryQuery, from: Option<&Cursor>) -> Result<Page<Record>> {
        let resumed = from.map(HistoryWalk::resume).transpose()?;
        self.check(&query.account).await?;
        let walk = match resumed {
            Some(walk) => Some(walk),
            None => self.history_walk(query).await?,
        };
        match walk {
            None => Ok(Page::whole(Vec::new())),
            Some(HistoryWalk::Symbol(walk)) => self.walk_symbol(walk, query).await,
            Some(HistoryWalk::Flows(walk)) => walk.page(self.rest(), &query.account, query.raw).await,
        }
    }

    broker_core::roles_by_feature!();
}
