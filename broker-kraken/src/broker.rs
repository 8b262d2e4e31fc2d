//! The broker, its abilities, and its read side.

use std::fmt;
use std::sync::atomic::AtomicU32;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use broker_core::http::Http;
use broker_core::limit::BucketKey;
use broker_core::model::{Access, AccountStatus, Environment, InstrumentStatus, OrderState, PositionMode, Window};
use broker_core::{
    Account, AccountId, Balances, Broker, BrokerId, Capabilities, Context, Currency, Cursor, Error, ErrorKind,
    HistoryQuery, Instrument, InstrumentId, InstrumentQuery, Order, OrderQuery, OrderRef, OrderStatus, Page, Position,
    Probe, Proof, Record, Result,
};
use chrono::{DateTime, Utc};

use crate::auth::{KrakenProtocol, ServerClock, fingerprint};
#[cfg(feature = "trading")]
use crate::config::Counter;
use crate::config::{DOMAIN, KrakenConfig};
use crate::directory::Directory;
use crate::facts::capabilities;
use crate::map::ledger;
use crate::own::KeyInfo;
use crate::rest::Rest;
#[cfg(feature = "trading")]
use crate::terms::{KrakenTerms, Unechoed};
use crate::walk::{HistoryWalk, OrderWalk, Source, Step};

/// Name of the broker.
const NAME: &str = "kraken";

/// Settings of a key change seldom.
const KEY_INFO_LASTS: Duration = Duration::from_secs(600);

/// An account at Kraken. A cheap handle: clones share connections, limits and state.
#[derive(Clone)]
pub struct KrakenBroker {
    inner: Arc<Inner>,
    /// History is read by export reports.
    pub(crate) by_report: bool,
    /// What this handle's orders say beside their request.
    #[cfg(feature = "trading")]
    terms: Arc<KrakenTerms>,
}

struct Inner {
    rest: Rest,
    /// Kraken names no account: the key names it.
    account: AccountId,
    capabilities: Capabilities,
    key_info: Mutex<Option<(KeyInfo, Duration)>>,
    #[cfg(feature = "trading")]
    orders: Counter,
    #[cfg(feature = "trading")]
    unechoed: Unechoed,
    #[cfg(feature = "streaming")]
    config: KrakenConfig,
}

impl fmt::Debug for KrakenBroker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KrakenBroker({})", self.inner.account)
    }
}

impl KrakenBroker {
    /// A broker of this configuration. Nothing is sent yet.
    ///
    /// # Errors
    /// `Config`: [`KrakenConfig::live`] is not written, a host that is not Kraken's, a key that cannot be sent, a
    /// private key that is not base64.
    pub fn new(config: KrakenConfig) -> Result<Self> {
        Self::build(config).map_err(|error| error.with_broker(BrokerId::from(NAME)))
    }

    fn build(config: KrakenConfig) -> Result<Self> {
        let base = config.address()?;
        let context = config.context.clone().map_or_else(broker_core::net::network, Ok)?;
        let print = fingerprint(&config.key);
        // Limits are shown among the facts, and the account's id is not.
        let key: Arc<str> = Arc::from(format!("{NAME}:{}", fingerprint(&format!("limits of {print}").into())));
        let calls = BucketKey::from(format!("{key}:calls"));
        let public = BucketKey::from(format!("{NAME}:public:{}", base.host_str().unwrap_or_default()));
        context.limiter().define(&calls, config.calls.rule());
        context.limiter().define(&public, config.public.rule());
        let (server, cost) = (
            Arc::<ServerClock>::default(),
            Arc::new(AtomicU32::new(config.history_cost)),
        );
        let clock = Arc::clone(context.clock());
        let protocol = KrakenProtocol::new(
            &config,
            clock,
            Arc::clone(&server),
            Arc::clone(&cost),
            BucketKey::clone(&calls),
        )?;
        let http = Http::new(context, BrokerId::from(NAME), Arc::new(protocol), &[DOMAIN]);
        let http = config.hosts.iter().fold(http, |http, host| http.allowing(host));
        http.check_url(&base)?;
        let capabilities = capabilities(&config, (&calls, &public));
        let rest = Rest {
            http,
            base,
            key,
            calls,
            public,
            history_cost: cost,
            server,
            tokenized: config.tokenized,
            lists: Mutex::default(),
        };
        Ok(Self {
            inner: Arc::new(Inner {
                rest,
                account: AccountId::from(print),
                capabilities,
                key_info: Mutex::default(),
                #[cfg(feature = "trading")]
                orders: config.orders,
                #[cfg(feature = "trading")]
                unechoed: Unechoed::default(),
                #[cfg(feature = "streaming")]
                config,
            }),
            by_report: false,
            #[cfg(feature = "trading")]
            terms: Arc::default(),
        })
    }

    /// The account's id, which is made of the key: Kraken gives none.
    pub fn account_id(&self) -> &AccountId {
        &self.inner.account
    }

    /// A handle whose orders say this, too: post-only, iceberg, leverage, conditional close. Others are not changed.
    #[cfg(feature = "trading")]
    #[must_use]
    pub fn with_terms(&self, terms: KrakenTerms) -> Self {
        Self {
            terms: Arc::new(terms),
            ..self.clone()
        }
    }

    pub(crate) fn rest(&self) -> &Rest {
        &self.inner.rest
    }

    #[cfg(feature = "streaming")]
    pub(crate) fn config(&self) -> &KrakenConfig {
        &self.inner.config
    }

    #[cfg(feature = "trading")]
    pub(crate) fn terms(&self) -> &KrakenTerms {
        &self.terms
    }

    #[cfg(feature = "trading")]
    pub(crate) fn unechoed(&self) -> &Unechoed {
        &self.inner.unechoed
    }

    /// The counter of a pair's orders.
    #[cfg(feature = "trading")]
    pub(crate) fn orders_bucket(&self, pair: &str) -> BucketKey {
        let bucket = BucketKey::from(format!("{}:orders:{pair}", self.rest().key));
        self.context().limiter().define(&bucket, self.inner.orders.rule());
        bucket
    }

    /// No call of Kraken names an account, so rows asked for a foreign one would come as if they were its own.
    pub(crate) fn check(&self, account: &AccountId) -> Result<()> {
        if *account == self.inner.account {
            return Ok(());
        }
        Err(Error::invalid(format!(
            "this key belongs to account {}, not {account}",
            self.inner.account
        ))
        .with_broker(self.id()))
    }

    /// What the key may do, as it was told a short while ago.
    async fn recent_key_info(&self) -> Result<KeyInfo> {
        let now = self.context().clock().elapsed();
        let known = self
            .inner
            .key_info
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        if let Some((info, read_at)) = known
            && now.saturating_sub(read_at) < KEY_INFO_LASTS
        {
            return Ok(info);
        }
        self.key_info().await
    }

    /// What the key may do.
    ///
    /// # Errors
    /// As every read.
    pub async fn key_info(&self) -> Result<KeyInfo> {
        let info = self.rest().key_info().await?;
        let now = self.context().clock().elapsed();
        *self.inner.key_info.lock().unwrap_or_else(PoisonError::into_inner) = Some((info.clone(), now));
        Ok(info)
    }

    /// A key can be limited to a span of time, and then history outside of it is left out without a word.
    pub(crate) async fn check_reach(&self, since: DateTime<Utc>, until: DateTime<Utc>) -> Result<()> {
        let info = self.recent_key_info().await?;
        let begins = info.query_from.is_some_and(|from| from > since);
        let ends = info.query_to.is_some_and(|to| to < until);
        if !begins && !ends {
            return Ok(());
        }
        let moment = |at: Option<DateTime<Utc>>| at.map_or_else(|| "any time".to_owned(), |at| at.to_rfc3339());
        Err(Error::new(ErrorKind::Permission)
            .with_broker(self.id())
            .with_operation("history")
            .with_message(format!(
                "this key can query from {} to {} only: what is outside of that would be missing without a word",
                moment(info.query_from),
                moment(info.query_to)
            ))
            .with_help("clear the query range in the key's settings, or ask for a window inside of it"))
    }

    /// The order with what Kraken does not echo, where this process placed it.
    pub(crate) fn complete(&self, order: Order) -> Order {
        #[cfg(feature = "trading")]
        return self.unechoed().complete(order);
        #[cfg(not(feature = "trading"))]
        order
    }
}

#[async_trait]
impl Broker for KrakenBroker {
    fn id(&self) -> BrokerId {
        BrokerId::from(NAME)
    }

    fn environment(&self) -> Environment {
        Environment::Live
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

    /// A signed call, and one for the time.
    async fn probe(&self) -> Result<Probe> {
        self.key_info().await?;
        let clock = self.context().clock();
        let (sent_at, started) = (clock.now(), clock.elapsed());
        let server_time = self.rest().time().await?;
        let round_trip = clock.elapsed().saturating_sub(started);
        Ok(Probe {
            environment: Environment::Live,
            server_time: Some(server_time),
            local_time: sent_at + round_trip / 2,
            round_trip,
        })
    }

    async fn accounts(&self) -> Result<Vec<Account>> {
        let info = self.key_info().await?;
        let trade = info.may("modify-trades");
        Ok(vec![Account {
            id: self.inner.account.clone(),
            broker: self.id(),
            environment: Environment::Live,
            name: None,
            currency: Currency::USD,
            status: AccountStatus::Active,
            position_mode: PositionMode::Netting,
            access: Access {
                trade: Some(trade),
                cancel: Some(trade || info.may("close-trades")),
                short: None,
                options: Some(false),
            },
            opened_at: None,
        }])
    }

    async fn balances(&self, account: &AccountId) -> Result<Balances> {
        self.check(account)?;
        self.rest().balances(account).await
    }

    /// Margin positions. What is held outright is in the balances.
    async fn positions(&self, account: &AccountId) -> Result<Vec<Position>> {
        self.check(account)?;
        self.rest().positions(account).await
    }

    async fn instruments(&self, query: &InstrumentQuery) -> Result<Vec<Instrument>> {
        let find = |directory: &Directory, names: &[&str], by: fn(&Directory, &str) -> Option<Arc<Instrument>>| {
            let found = names.iter().filter_map(|name| by(directory, name));
            let mut out: Vec<Instrument> = Vec::new();
            for one in found {
                if out.iter().all(|known| known.id != one.id) {
                    out.push((*one).clone());
                }
            }
            out
        };
        let directory = |names: Vec<String>| async move {
            let knows = |directory: &Directory| {
                let listed = |name: &String| directory.pair(crate::directory::held(name).1).is_some();
                names.iter().all(listed)
            };
            self.rest().directory(knows).await
        };
        match query {
            InstrumentQuery::Ids(ids) => {
                let names: Vec<&str> = ids.iter().map(InstrumentId::get).collect();
                let directory = directory(names.iter().map(|name| (*name).to_owned()).collect()).await?;
                Ok(find(&directory, &names, Directory::instrument))
            }
            InstrumentQuery::Symbols(symbols) => {
                let names: Vec<&str> = symbols.iter().map(|symbol| symbol.get()).collect();
                let directory = directory(names.iter().map(|name| (*name).to_owned()).collect()).await?;
                Ok(find(&directory, &names, Directory::by_symbol))
            }
            InstrumentQuery::Text(text) => {
                let text = text.to_lowercase();
                let directory = self.rest().known().await?;
                let holds = |one: &&Arc<Instrument>| {
                    let names = [one.symbol.get(), one.id.get()];
                    names.iter().any(|name| name.to_lowercase().contains(&text))
                };
                Ok(directory
                    .instruments()
                    .filter(holds)
                    .map(|one| (**one).clone())
                    .collect())
            }
            InstrumentQuery::All => {
                let directory = self.rest().known().await?;
                let trades = |one: &&Arc<Instrument>| one.status == InstrumentStatus::Tradable;
                Ok(directory
                    .instruments()
                    .filter(trades)
                    .map(|one| (**one).clone())
                    .collect())
            }
            other => Err(Error::unsupported(format!("the query {other:?}")).with_broker(self.id())),
        }
    }

    async fn order(&self, order: &OrderRef) -> Result<Order> {
        self.check(&order.account)?;
        self.rest().order(order).await.map(|order| self.complete(order))
    }

    async fn orders(&self, query: &OrderQuery, from: Option<&Cursor>) -> Result<Page<Order>> {
        let mut walk = match from {
            Some(cursor) => OrderWalk::resume(cursor)?,
            None => {
                let now = self.context().clock().now();
                let until = match query.window {
                    Window::Between { until, .. } => until,
                    Window::LastDays(_) | Window::All => None,
                };
                OrderWalk::new(query.range(now).0, until, now)
            }
        };
        self.check(&query.account)?;
        let mut rows = match (from, query.state) {
            (None, OrderState::Open | OrderState::All) => {
                self.rest().open_orders("orders", &query.account, None).await?
            }
            _ => Vec::new(),
        };
        let mut next = None;
        if query.state != OrderState::Open {
            let page = self.rest().closed_orders(&query.account, &walk).await?;
            let step = walk.offsets.take(&page.keys, page.count)?;
            if step != Step::Pass {
                // One that closed between the two calls is closed.
                rows.retain(|order| !page.keys.iter().any(|(id, _)| id == order.id.get()));
                rows.extend(page.rows);
            }
            next = (step != Step::Last).then(|| walk.cursor()).transpose()?;
        }
        rows.retain(|order| {
            let state = match query.state {
                OrderState::Open => !order.status.is_final(),
                // Of a word that is not known the list tells that the order is closed.
                OrderState::Closed => order.status.is_final() || matches!(order.status, OrderStatus::Other(_)),
                OrderState::All => true,
            };
            let wanted = query.instrument.as_ref();
            let traded = |wanted: &InstrumentId| order.legs.iter().any(|leg| leg.instrument == *wanted);
            state && walk.holds(order.created_at) && wanted.is_none_or(traded)
        });
        rows.sort_by(|a, b| (a.created_at, &a.id).cmp(&(b.created_at, &b.id)));
        Ok(Page {
            proof: if next.is_some() {
                Proof::Contiguous
            } else {
                Proof::Short
            },
            next,
            ..Page::whole(rows.into_iter().map(|order| self.complete(order)).collect())
        })
    }

    async fn history(&self, query: &HistoryQuery, from: Option<&Cursor>) -> Result<Page<Record>> {
        self.check(&query.account)?;
        if self.by_report {
            return self.history_by_report(query, from).await;
        }
        let mut walk = match from {
            Some(cursor) => HistoryWalk::resume(cursor)?,
            None => {
                let now = self.context().clock().now();
                let (since, until) = query.range(now);
                HistoryWalk::new(since, until, now)
            }
        };
        if from.is_none() {
            self.check_reach(walk.since, walk.until).await?;
        }
        let (page, halves) = match walk.source {
            Source::Trades => (self.rest().trades(&query.account, &walk, query.raw).await?, Vec::new()),
            Source::Ledger => self.rest().ledger(&query.account, &walk, query.raw).await?,
        };
        if walk.offsets.is_new() {
            walk.forget_halves();
        }
        let step = walk.offsets.take(&page.keys, page.count)?;
        let mut rows = Vec::new();
        if step != Step::Pass {
            rows = page.rows;
            let newest = page.keys.iter().map(|(_, at)| *at).max();
            let directory = self.rest().known().await?;
            for group in walk.complete(halves, newest, step == Step::Last) {
                rows.extend(ledger::joined(&group, &query.account, &directory)?);
            }
        }
        let window = walk.since..walk.until;
        rows.retain(|record| {
            let wanted = query.instrument.as_ref();
            window.contains(&record.at()) && wanted.is_none_or(|wanted| record.instrument() == Some(wanted))
        });
        rows.sort_by_key(Record::at);
        let goes_on = step != Step::Last || walk.next_source();
        // It begins anew: not before the rows that moved the others can come no more.
        let begins_anew = step == Step::Pass && walk.offsets.is_new();
        let wait = begins_anew
            .then(|| walk.settles_in(self.context().clock().now()))
            .flatten();
        Ok(Page {
            wait,
            next: goes_on.then(|| walk.cursor()).transpose()?,
            proof: if goes_on { Proof::Contiguous } else { Proof::Short },
            raw: page.raw.filter(|_| step != Step::Pass),
            notes: page.notes,
            ..Page::whole(rows)
        })
    }

    broker_core::roles_by_feature!();
}
