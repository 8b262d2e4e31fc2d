//! The broker, its abilities, and its read side.

use std::sync::Arc;

use async_trait::async_trait;
use broker_core::futures::FuturesSpec;
use broker_core::http::Http;
use broker_core::limit::BucketKey;
use broker_core::model::{Environment, InstrumentStatus, OrderState, Window};
use broker_core::symbol::FuturesCode;
use broker_core::token::TokenCache;
use broker_core::{
    Account, AccountId, Balances, Broker, BrokerId, Capabilities, ClientOrderId, Context, Cursor, Error, ErrorKind,
    HistoryQuery, Instrument, InstrumentId, InstrumentQuery, Order, OrderQuery, OrderRef, Page, Position, Probe,
    Record, Result, Symbol,
};
use chrono::{DateTime, Utc};
use url::Url;

use crate::auth::{self, TopstepxProtocol, broker_id, fingerprint};
use crate::config::{DOMAINS, TopstepxConfig};
use crate::facts::capabilities;
use crate::map;
use crate::rest::Rest;
use crate::tags::{self, Tags};
#[cfg(feature = "trading")]
use crate::trading::Names;
use crate::walk::{OrderWalk, TradeWalk, Walk, is_suspicious};

/// More contracts than this are looked up in the whole list first, which is one call.
const FEW_CONTRACTS: usize = 5;

/// How far before its placing an order is looked for by our id: clocks differ.
const BEFORE_PLACING: chrono::Duration = chrono::Duration::minutes(1);

/// The accounts of one profile at TopstepX. A cheap handle: clones share connections, token, limits and state.
#[derive(Debug, Clone)]
pub struct TopstepxBroker(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    rest: Rest,
    environment: Environment,
    capabilities: Capabilities,
    #[cfg_attr(
        not(feature = "market-data"),
        allow(dead_code, reason = "requests are signed by the pipeline, hubs by hand")
    )]
    tokens: TokenCache,
    #[cfg_attr(
        not(feature = "market-data"),
        allow(dead_code, reason = "quotes come from a hub alone")
    )]
    hubs: Url,
    tags: Tags,
    #[cfg(feature = "trading")]
    names: Names,
    #[cfg(feature = "market-data")]
    board: crate::hub::Board,
}

impl TopstepxBroker {
    /// A broker of this configuration. Nothing is sent yet.
    ///
    /// # Errors
    /// `Config`: a host that is neither TopstepX's nor the vendor's, one address without the other.
    pub fn new(config: TopstepxConfig) -> Result<Self> {
        Self::build(config).map_err(|error| error.with_broker(broker_id()))
    }

    fn build(config: TopstepxConfig) -> Result<Self> {
        let (api, hubs) = config.addresses()?;
        let context = config.context.clone().map_or_else(broker_core::net::network, Ok)?;
        let profile = fingerprint(&config);
        let host = api.host_str().unwrap_or_default();
        let bucket = |name: &str| BucketKey::from(format!("topstepx:{host}:{profile}:{name}"));
        let (requests, bars) = (bucket("requests"), bucket("bars"));
        let http = |protocol| {
            let http = Http::new(context.clone(), broker_id(), protocol, &DOMAINS);
            config.hosts.iter().fold(http, |http, host| http.allowing(host))
        };
        let tokens = auth::tokens(&config, &context, http, &api, &requests);
        let http = http(Arc::new(TopstepxProtocol {
            tokens: tokens.clone(),
            clock: Arc::clone(context.clock()),
        }));
        http.check_url(&api)?;
        http.check_url(&hubs)?;
        let capabilities = capabilities(&config, &requests, &bars);
        for (key, limit) in [&requests, &bars].into_iter().zip(&capabilities.limits) {
            context.limiter().define(key, limit.rule);
        }
        Ok(Self(Arc::new(Inner {
            rest: Rest {
                http,
                api,
                requests,
                bars,
                live_data: config.live_data,
            },
            environment: config.environment,
            capabilities,
            tokens,
            hubs,
            tags: Tags::default(),
            #[cfg(feature = "trading")]
            names: Names::default(),
            #[cfg(feature = "market-data")]
            board: crate::hub::Board::default(),
        })))
    }

    /// The records of an answer to a search for trades, oldest first: reads again what a query
    /// [`with_raw`](HistoryQuery::with_raw) gave and a program kept.
    pub fn read_trades(account: &AccountId, page: &str) -> Result<Vec<Record>> {
        map::trade::page(page, account).map(|(records, _)| records)
    }

    /// The specification of a contract's product, with the exchange's rules for its last day and its customary roll;
    /// `None` for a product that the table does not know.
    ///
    /// The table's days are estimates, for it knows no holidays. Multipliers of instruments are never taken from it.
    ///
    /// ```
    /// use broker_topstepx::TopstepxBroker;
    /// let es = TopstepxBroker::spec(&"CON.F.US.EP.H27".into()).unwrap();
    /// assert_eq!((es.root, es.tick_value.to_string().as_str()), ("ES", "12.50"));
    /// assert_eq!(es.estimated_roll_day(2027, 3), "2027-03-11".parse().ok());
    /// assert_eq!(es.month_after(2027, 3), Some((2027, 6)));
    /// ```
    pub fn spec(contract: &InstrumentId) -> Option<&'static FuturesSpec> {
        map::contract::spec(contract.get())
    }

    /// The active contract of a product, by its root at the exchange: `ES`. `None` when none is listed.
    ///
    /// # Errors
    /// That of the call; two active contracts of one root.
    pub async fn front_contract(&self, root: &str) -> Result<Option<Instrument>> {
        let of_root = |one: &Instrument| {
            let code = one.id.get().parse::<FuturesCode>();
            one.status == InstrumentStatus::Tradable && code.is_ok_and(|code| code.root() == root)
        };
        let mut found: Vec<_> = self.rest().contracts().await?.into_iter().filter(of_root).collect();
        match (found.pop(), found.pop()) {
            (Some(one), Some(other)) => Err(Error::new(ErrorKind::Protocol)
                .with_broker(self.id())
                .with_operation("contracts")
                .with_message(format!("two active contracts of {root}: {} and {}", one.id, other.id))),
            (found, _) => Ok(found),
        }
    }

    pub(crate) fn rest(&self) -> &Rest {
        &self.0.rest
    }

    #[cfg(feature = "market-data")]
    pub(crate) fn tokens(&self) -> &TokenCache {
        &self.0.tokens
    }

    #[cfg(feature = "market-data")]
    pub(crate) fn hubs(&self) -> &Url {
        &self.0.hubs
    }

    #[cfg(feature = "trading")]
    pub(crate) fn names(&self) -> &Names {
        &self.0.names
    }

    #[cfg(feature = "market-data")]
    pub(crate) fn board(&self) -> &crate::hub::Board {
        &self.0.board
    }

    /// Every order that carries our id, made since then. The gateway finds none by it, so what was made since then and
    /// was not read before is read.
    pub(crate) async fn tagged(
        &self,
        account: &AccountId,
        id: &ClientOrderId,
        since: DateTime<Utc>,
    ) -> Result<Vec<Order>> {
        let tags = &self.0.tags;
        let (known, from) = tags.with(account, |known| {
            (known.find(id, DateTime::<Utc>::MIN_UTC), tags::unread(known, since))
        });
        if known.is_empty() {
            let read = self.rest().orders(account, from, None).await?;
            // A list that may have been cut says nothing of what is not in it.
            if !is_suspicious(read.count) {
                tags.with(account, |known| tags::learn(known, from, &read.rows));
            }
            let mut found = read.rows;
            found.retain(|order| order.client_id.as_ref() == Some(id));
            return Ok(found);
        }
        // A tag stays with its order for ever; what became of the order is asked.
        let mut found = Vec::with_capacity(known.len());
        for (_, order) in &known {
            found.push(self.rest().order(account, order).await?);
        }
        Ok(found)
    }

    /// By our id: what was placed lately first, which is short; then all that there is.
    async fn order_by_client_id(&self, order: &OrderRef, id: &ClientOrderId) -> Result<Order> {
        let lately = self.context().clock().now() - chrono::Duration::days(1);
        let first = order.placed_at.map_or(lately, |at| at - BEFORE_PLACING);
        for since in [first, DateTime::UNIX_EPOCH] {
            if let Some(found) = self.tagged(&order.account, id, since).await?.into_iter().next() {
                return Ok(found);
            }
        }
        Err(Error::new(ErrorKind::NotFound)
            .with_delivery(broker_core::Delivery::Answered)
            .with_broker(self.id())
            .with_operation("order")
            .with_message("no order carries this id"))
    }

    async fn by_ids(&self, ids: &[InstrumentId]) -> Result<Vec<Instrument>> {
        let listed = match ids.len() > FEW_CONTRACTS {
            true => self.rest().contracts().await?,
            false => Vec::new(),
        };
        let mut found: Vec<Instrument> = Vec::with_capacity(ids.len());
        for id in ids {
            if found.iter().any(|one| one.id == *id) {
                continue;
            }
            match listed.iter().find(|one| one.id == *id) {
                Some(one) => found.push(one.clone()),
                None => found.extend(self.rest().contract(id).await?),
            }
        }
        Ok(found)
    }

    /// By any spelling of a contract: `ESH6`, `ESH26`, `/ESH2026`, `CON.F.US.EP.H26`.
    async fn by_symbols(&self, symbols: &[Symbol]) -> Result<Vec<Instrument>> {
        let today = self.context().clock().now().date_naive();
        let wanted: Vec<_> = symbols
            .iter()
            .filter_map(|symbol| symbol.get().parse::<FuturesCode>().ok())
            .map(|code| code.contract(today))
            .collect();
        if wanted.is_empty() {
            return Ok(Vec::new());
        }
        let listed = self.rest().contracts().await?;
        let mut found: Vec<Instrument> = Vec::with_capacity(wanted.len());
        for contract in &wanted {
            let is_it = |one: &&Instrument| {
                let code = one.id.get().parse::<FuturesCode>();
                code.is_ok_and(|code| code.contract(today) == *contract)
            };
            let before = found.len();
            found.extend(listed.iter().filter(is_it).cloned());
            if found.len() == before
                && let Some(id) = map::contract::id(contract)
            {
                // The list has front contracts only.
                found.extend(self.rest().contract(&id.into()).await?);
            }
        }
        let mut seen = std::collections::BTreeSet::new();
        found.retain(|one| seen.insert(one.id.clone()));
        Ok(found)
    }
}

#[async_trait]
impl Broker for TopstepxBroker {
    fn id(&self) -> BrokerId {
        broker_id()
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
        self.rest().ping().await?;
        let round_trip = clock.elapsed().saturating_sub(started);
        Ok(Probe {
            environment: self.0.environment,
            server_time: None,
            local_time: sent_at + round_trip / 2,
            round_trip,
        })
    }

    /// Inactive accounts, too: the trades of a failed evaluation still count.
    async fn accounts(&self) -> Result<Vec<Account>> {
        self.rest().accounts(&self.id(), self.0.environment).await
    }

    async fn balances(&self, account: &AccountId) -> Result<Balances> {
        self.rest().balances(account).await
    }

    async fn positions(&self, account: &AccountId) -> Result<Vec<Position>> {
        let mut positions = self.rest().positions(account).await?;
        positions.retain(|position| !position.qty.is_zero());
        Ok(positions)
    }

    async fn instruments(&self, query: &InstrumentQuery) -> Result<Vec<Instrument>> {
        match query {
            InstrumentQuery::Ids(ids) => self.by_ids(ids).await,
            InstrumentQuery::Symbols(symbols) => self.by_symbols(symbols).await,
            // The gateway's own search gives twenty at most.
            InstrumentQuery::Text(text) => {
                let text = text.to_lowercase();
                let mut all = self.rest().contracts().await?;
                all.retain(|one| {
                    let name = one.name.as_deref().unwrap_or_default();
                    one.symbol.get().to_lowercase().contains(&text) || name.to_lowercase().contains(&text)
                });
                Ok(all)
            }
            InstrumentQuery::All => {
                let mut all = self.rest().contracts().await?;
                all.retain(|one| one.status == InstrumentStatus::Tradable);
                Ok(all)
            }
            other => Err(Error::unsupported(format!("the query {other:?}")).with_broker(self.id())),
        }
    }

    async fn order(&self, order: &OrderRef) -> Result<Order> {
        match (&order.id, &order.client_id) {
            (Some(id), _) => self.rest().order(&order.account, id).await,
            (None, Some(id)) => self.order_by_client_id(order, id).await,
            (None, None) => {
                Err(Error::invalid("an order is named by its id or by its client order id").with_broker(self.id()))
            }
        }
    }

    async fn orders(&self, query: &OrderQuery, from: Option<&Cursor>) -> Result<Page<Order>> {
        let walk = match from {
            Some(cursor) => OrderWalk::resume(cursor)?,
            None => {
                let (since, _) = query.range(self.context().clock().now());
                let walk = Walk::new(since, until(query.window));
                match query.state {
                    OrderState::Closed => OrderWalk::Placed(walk),
                    OrderState::Open | OrderState::All => OrderWalk::Open {
                        walk,
                        created_after: None,
                        all: query.state == OrderState::All,
                    },
                }
            }
        };
        let mut page = match &walk {
            OrderWalk::Open {
                walk,
                created_after,
                all,
            } => {
                let (rows, total) = self.rest().open_orders(&query.account, *created_after).await?;
                OrderWalk::open(walk, *created_after, *all, rows, total)?
            }
            OrderWalk::Placed(walk) => {
                let now = self.context().clock().now();
                let (from, to) = walk.bounds(now);
                OrderWalk::placed(walk, self.rest().orders(&query.account, from, to).await?, now)?
            }
        };
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
        let now = self.context().clock().now();
        let walk = match from {
            Some(cursor) => TradeWalk::resume(cursor)?,
            None => TradeWalk(Walk::new(query.range(now).0, until(query.window))),
        };
        let (from, to) = walk.0.bounds(now);
        let came = self.rest().trades(&query.account, from, to, query.raw).await?;
        let mut page = walk.page(came, now)?;
        if let Some(wanted) = &query.instrument {
            // A void names no instrument, and stands behind its fill.
            let mut kept = false;
            page.rows.retain(|record| {
                if let Record::Fill(fill) = record {
                    kept = fill.instrument == *wanted;
                }
                kept
            });
        }
        Ok(page)
    }

    broker_core::roles_by_feature!();
}

/// The end of a window; `None` where the newest is asked for, too.
fn until(window: Window) -> Option<DateTime<Utc>> {
    match window {
        Window::Between { until, .. } => until,
        Window::LastDays(_) | Window::All => None,
    }
}
