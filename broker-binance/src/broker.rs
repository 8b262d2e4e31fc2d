//! The broker, its abilities, and its read side.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use broker_core::capability::{
    ClientIdRule, ExitFacts, HistoryFacts, LevelKind, Limit, LimitRule, LimitScope, ListFacts, ListRows, LookupFacts,
    OrderFacts, TrailKind,
};
use broker_core::http::Http;
use broker_core::limit::BucketKey;
use broker_core::model::{AssetClass, Environment, Group, InstrumentStatus, OrderKind, OrderState, Window};
use broker_core::{
    Account, AccountId, Balances, Broker, BrokerId, Capabilities, Context, Cursor, Error, ErrorKind, HistoryQuery,
    Instrument, InstrumentId, InstrumentQuery, MarketData, Order, OrderQuery, OrderRef, Page, Position, Probe, Proof,
    Record, Result, Streaming, Symbol, TimeInForce, Trading,
};
use chrono::DateTime;

use crate::auth::{BinanceProtocol, ServerTime, Signer, fingerprint};
use crate::config::{BinanceConfig, DOMAINS};
use crate::error::{ILLEGAL_CHARACTERS, NO_SUCH_SYMBOL};
use crate::flows::FlowWalk;
use crate::map::{self, Pair, order::List};
use crate::rest::{Buckets, Came, Exchange, PAGE, Rest, weight};
use crate::walk::{self, Behind, HistoryWalk, OrderWalk, Source, SymbolWalk};
use crate::wire::{self, OrderJson};

/// Name of the broker.
pub(crate) const NAME: &str = "binance";

/// What belongs to no symbol stands under this name, which no symbol has.
const ACCOUNT_RECORDS: &str = "account";

/// More symbols than this are looked up in the whole list, which is one call.
const FEW_SYMBOLS: u32 = 3;

/// How long the list of all symbols is good for.
const LIST_LIFE: Duration = Duration::from_secs(3_600);

const MINUTE: Duration = Duration::from_secs(60);
const TEN_SECONDS: Duration = Duration::from_secs(10);
const DAY: Duration = Duration::from_secs(86_400);

/// How long Binance's matching engine may take once it has taken a request.
const ENGINE: Duration = Duration::from_secs(10);
/// So far ahead of Binance's time a request's own may be.
const AHEAD: Duration = Duration::from_secs(1);

/// An account at Binance. A cheap handle: clones share connections, limits and state.
#[derive(Debug, Clone)]
pub struct BinanceBroker {
    inner: Arc<Inner>,
    /// How this handle places limit orders.
    #[cfg(feature = "trading")]
    style: map::request::Style,
}

#[derive(Debug)]
struct Inner {
    rest: Rest,
    environment: Environment,
    capabilities: Capabilities,
    time: Arc<ServerTime>,
    /// The user set limits: those that Binance announces are not taken over.
    own_limits: (bool, bool),
    #[cfg(feature = "streaming")]
    streams: crate::stream::Streams,
    #[cfg_attr(not(feature = "trading"), allow(dead_code, reason = "only orders have exits"))]
    exits_of_received: bool,
    /// The one account of the key, once it is known.
    account: OnceLock<AccountId>,
    pairs: Mutex<BTreeMap<String, Pair>>,
    /// How many symbols were looked up one by one.
    asked_singly: AtomicU32,
    /// The names of all symbols, sorted, and when they were read.
    names: Mutex<Option<(Duration, Arc<[String]>)>>,
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
            style: map::request::Style::default(),
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
    pub(crate) fn with_style(&self, style: map::request::Style) -> Self {
        Self {
            inner: Arc::clone(&self.inner),
            style,
        }
    }

    #[cfg(feature = "trading")]
    pub(crate) fn style(&self) -> map::request::Style {
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

    /// What is known of a symbol already.
    #[cfg(feature = "streaming")]
    pub(crate) fn known_pair(&self, symbol: &str) -> Option<Pair> {
        self.pairs().get(symbol).cloned()
    }

    /// What is known of a symbol; asks for one that is not known yet.
    pub(crate) async fn pair(&self, symbol: &str) -> Result<Pair> {
        if let Some(known) = self.pairs().get(symbol) {
            return Ok(known.clone());
        }
        // The whole list costs as much as one symbol of it.
        if self.inner.asked_singly.fetch_add(1, Ordering::Relaxed) >= FEW_SYMBOLS {
            self.names().await?;
            if let Some(known) = self.pairs().get(symbol) {
                return Ok(known.clone());
            }
        }
        self.one(symbol).await?;
        Ok(self
            .pairs()
            .get(symbol)
            .cloned()
            .unwrap_or_else(|| Pair::unlisted(symbol)))
    }

    /// The same of several.
    pub(crate) async fn pairs_of(&self, symbols: BTreeSet<String>) -> Result<BTreeMap<String, Pair>> {
        let unknown = {
            let known = self.pairs();
            symbols.iter().filter(|symbol| !known.contains_key(*symbol)).count()
        };
        if unknown > FEW_SYMBOLS as usize {
            self.list().await?;
        }
        let mut found = BTreeMap::new();
        for symbol in symbols {
            let pair = self.pair(&symbol).await?;
            found.insert(symbol, pair);
        }
        Ok(found)
    }

    /// One instrument; `None` when Binance lists none of this name.
    async fn one(&self, symbol: &str) -> Result<Option<Instrument>> {
        let found = self.rest().exchange(&[("symbol", symbol.to_owned())]).await;
        let exchange = match found {
            Err(error) if is_unknown_symbol(&error) => return Ok(None),
            found => found?,
        };
        self.learn(&exchange).await?;
        Ok(exchange.instruments.into_iter().find(|one| one.id.get() == symbol))
    }

    /// All that Binance lists, what is halted too.
    async fn list(&self) -> Result<Vec<Instrument>> {
        let exchange = self.rest().exchange(&[]).await?;
        self.learn(&exchange).await?;
        let names: BTreeSet<String> = exchange.instruments.iter().map(|one| one.id.get().to_owned()).collect();
        let read = self.context().clock().elapsed();
        *self.inner.names.lock().unwrap_or_else(PoisonError::into_inner) = Some((read, names.into_iter().collect()));
        Ok(exchange.instruments)
    }

    /// The names of all symbols, sorted.
    pub(crate) async fn names(&self) -> Result<Arc<[String]>> {
        let now = self.context().clock().elapsed();
        let known = || self.inner.names.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((read, names)) = known()
            && now.saturating_sub(read) < LIST_LIFE
        {
            return Ok(names);
        }
        self.list().await?;
        Ok(known().map(|(_, names)| names).unwrap_or_default())
    }

    /// Remembers pairs, and takes over the limits that Binance announces.
    pub(crate) async fn learn(&self, exchange: &Exchange) -> Result<()> {
        {
            let mut pairs = self.pairs();
            for one in &exchange.instruments {
                let routed = exchange.routed.iter().any(|symbol| symbol == one.id.get());
                pairs.insert(one.id.get().to_owned(), map::instrument::pair(one, routed));
            }
        }
        let buckets = &self.rest().buckets;
        for limit in &exchange.limits {
            let LimitRule::Window { limit: weight, per } = limit.rule else {
                continue;
            };
            let bucket = match (limit.kind.as_str(), per) {
                ("REQUEST_WEIGHT", MINUTE) if !self.inner.own_limits.0 => &buckets.weight,
                ("ORDERS", TEN_SECONDS) if !self.inner.own_limits.1 => &buckets.orders,
                ("ORDERS", DAY) if !self.inner.own_limits.1 => &buckets.orders_a_day,
                _ => continue,
            };
            let limiter = self.context().limiter();
            let Some(known) = limiter.snapshot(bucket).filter(|known| known.limit != weight) else {
                continue;
            };
            let used = known.used.saturating_add(known.others);
            let lesson = broker_core::limit::Lesson::Remaining {
                limit: Some(weight),
                remaining: weight.saturating_sub(used),
                resets_at: None,
            };
            let permit = limiter.acquire(&[], broker_core::limit::Lane::Read).await?;
            permit.finish(&[(Arc::clone(bucket), lesson)]);
        }
        Ok(())
    }

    fn pairs(&self) -> MutexGuard<'_, BTreeMap<String, Pair>> {
        self.inner.pairs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn look_up(&self, symbols: BTreeSet<String>) -> Result<Vec<Instrument>> {
        if symbols.len() > FEW_SYMBOLS as usize {
            let mut all = self.list().await?;
            all.retain(|one| symbols.contains(one.id.get()));
            return Ok(all);
        }
        let mut found = Vec::with_capacity(symbols.len());
        for symbol in symbols {
            found.extend(self.one(&symbol).await?);
        }
        Ok(found)
    }

    /// The symbol and the number or our id of an order.
    pub(crate) fn named(&self, order: &OrderRef) -> Result<(String, (&'static str, String))> {
        if let Some(id) = &order.id {
            if let Some((symbol, number)) = map::order_parts(id) {
                return Ok((symbol.to_owned(), ("orderId", number.to_string())));
            }
            return Err(Error::invalid(format!(
                "{id} is no order id of Binance's: they are written SYMBOL:NUMBER"
            ))
            .with_broker(self.id()));
        }
        match (&order.client_id, &order.instrument) {
            (Some(id), Some(instrument)) => {
                Ok((instrument.get().to_owned(), ("origClientOrderId", id.get().to_owned())))
            }
            (Some(_), None) => Err(Error::invalid(
                "Binance finds an order by our id within its instrument only: name the instrument",
            )
            .with_broker(self.id())),
            (None, _) => {
                Err(Error::invalid("an order is named by its id or by its client order id").with_broker(self.id()))
            }
        }
    }

    /// An order, with what it hangs together with.
    pub(crate) async fn find(&self, order: &OrderRef) -> Result<Order> {
        let (symbol, name) = self.named(order)?;
        let pair = self.pair(&symbol).await?;
        let params = [("symbol", symbol), name];
        let (mut found, list) = self.rest().order(&params, &pair, &order.account).await?;
        if list >= 0 {
            let list = self.rest().order_list(list).await?;
            found.links = list.links_of(&found.id).unwrap_or_default();
        }
        Ok(found)
    }

    /// Reads orders out of a page's text; the lists that they are in are asked with one call.
    async fn read_orders(&self, body: &str, account: &AccountId, open: bool) -> Result<Vec<Order>> {
        let rows: Vec<OrderJson<'_>> = wire::decode(body)?;
        let symbols = rows.iter().map(|row| row.symbol.get().to_owned()).collect();
        let pairs = self.pairs_of(symbols).await?;
        let lists: Vec<i64> = rows
            .iter()
            .filter_map(|row| row.order_list_id.filter(|list| *list >= 0))
            .collect();
        let lists: BTreeMap<i64, List> = match lists.iter().min() {
            None => BTreeMap::new(),
            Some(first) => self.lists_from(*first, open).await?,
        };
        let mut orders = Vec::with_capacity(rows.len());
        for row in &rows {
            let Some(pair) = pairs.get(row.symbol.get()) else {
                continue;
            };
            let mut order = map::order::order(row, pair, account)?;
            let list = row.order_list_id.and_then(|list| lists.get(&list));
            if let Some(links) = list.and_then(|list| list.links_of(&order.id)) {
                order.links = links;
            }
            orders.push(order);
        }
        Ok(orders)
    }

    /// The lists of open orders, or up to a thousand from this number on. What lies behind them is told when an order
    /// is read alone.
    async fn lists_from(&self, first: i64, open: bool) -> Result<BTreeMap<i64, List>> {
        let lists = match open {
            true => {
                self.rest()
                    .order_lists("/api/v3/openOrderList", &[], weight::OPEN_LISTS)
                    .await?
            }
            false => {
                let params = [("fromId", first.to_string()), ("limit", "1000".to_owned())];
                self.rest()
                    .order_lists("/api/v3/allOrderList", &params, weight::ALL_LISTS)
                    .await?
            }
        };
        Ok(lists.into_iter().map(|(list, _)| (list.number, list)).collect())
    }

    /// All open orders, or those of a symbol.
    pub(crate) async fn open_orders(&self, account: &AccountId, symbol: Option<&str>) -> Result<Vec<Order>> {
        let (params, cost) = match symbol {
            Some(symbol) => (vec![("symbol", symbol.to_owned())], weight::OPEN_ORDERS),
            None => (Vec::new(), weight::ALL_OPEN_ORDERS),
        };
        let body = self.rest().orders_text("/api/v3/openOrders", &params, cost).await;
        let body = match body {
            Err(error) if is_unknown_symbol(&error) && symbol.is_some() => return Ok(Vec::new()),
            body => body?,
        };
        let mut orders = self.read_orders(&body, account, true).await?;
        orders.sort_by(|a, b| (a.created_at, &a.id).cmp(&(b.created_at, &b.id)));
        Ok(orders)
    }

    /// The next symbol of a sweep.
    async fn next_name(&self, behind: &str) -> Result<Option<String>> {
        let names = self.names().await?;
        let at = names.partition_point(|name| name.as_str() <= behind);
        Ok(names.get(at).cloned())
    }

    async fn walk_symbol(&self, walk: SymbolWalk, query: &HistoryQuery) -> Result<Page<Record>> {
        let pair = self.pair(&walk.symbol).await?;
        let params = walk.params();
        let came = match walk.source {
            Source::Trades => self.rest().trades(&params, &pair, &query.account, query.raw).await,
            Source::Allocations => self.rest().allocations(&params, &pair, &query.account, query.raw).await,
        };
        let came = match came {
            // Trades of a symbol that is gone are told by statements alone.
            Err(error) if is_unknown_symbol(&error) => {
                let next = self.behind_symbol(&walk).await?;
                let mut page = walk::page(Vec::new(), Proof::Nothing, next, None)?;
                let note = format!(
                    "Binance lists no {} any more: its trades are in statements only",
                    walk.symbol
                );
                page.notes.push(note);
                return Ok(page);
            }
            came => came?,
        };
        let (proof, behind) = walk.behind(&came);
        let (next, wait) = match behind {
            Behind::Here(next, wait) => (Some(HistoryWalk::Symbol(next)), wait),
            Behind::Done if walk.source == Source::Trades && pair.routed => {
                let next = walk.begin(walk.symbol.clone(), Source::Allocations);
                (Some(HistoryWalk::Symbol(next)), None)
            }
            Behind::Done => (self.behind_symbol(&walk).await?, None),
        };
        let Came { rows, raw } = came;
        let rows = walk.inside(Came { rows, raw: None });
        let mut page = walk::page(rows, proof, next, wait)?;
        page.raw = raw;
        Ok(page)
    }

    async fn behind_symbol(&self, walk: &SymbolWalk) -> Result<Option<HistoryWalk>> {
        if !walk.sweeps {
            return Ok(None);
        }
        Ok(match self.next_name(&walk.symbol).await? {
            Some(name) => Some(HistoryWalk::Symbol(walk.begin(name, Source::Trades))),
            None => self
                .has_wallet()
                .then(|| HistoryWalk::Flows(FlowWalk::new(walk.since, walk.until))),
        })
    }

    /// The testnet and the demo mode have no `/sapi`.
    fn has_wallet(&self) -> bool {
        self.inner.environment == Environment::Live
    }

    /// Where a history begins; `None` where there is nothing to ask.
    async fn history_walk(&self, query: &HistoryQuery) -> Result<Option<HistoryWalk>> {
        let (since, until) = query.range(self.context().clock().now());
        if since >= until {
            return Ok(None);
        }
        let symbol = match &query.instrument {
            Some(id) if id.get() == ACCOUNT_RECORDS => {
                let flows = || HistoryWalk::Flows(FlowWalk::new(since, until));
                return Ok(self.has_wallet().then(flows));
            }
            Some(id) => Some(id.get().to_owned()),
            None => self.names().await?.first().cloned(),
        };
        let sweeps = query.instrument.is_none();
        Ok(symbol.map(|symbol| HistoryWalk::Symbol(SymbolWalk::new(since, until, symbol, sweeps))))
    }

    async fn order_walk(&self, query: &OrderQuery) -> Result<Option<OrderWalk>> {
        let (since, _) = query.range(self.context().clock().now());
        // Without an end there is none, not even now: Binance's clock may be ahead of ours.
        let until = match query.window {
            Window::Between { until, .. } => until,
            Window::LastDays(_) | Window::All => None,
        };
        let symbol = match &query.instrument {
            Some(id) if id.get() == ACCOUNT_RECORDS => return Ok(None),
            Some(id) => Some(id.get().to_owned()),
            None => self.names().await?.first().cloned(),
        };
        let sweeps = query.instrument.is_none();
        Ok(symbol.map(|symbol| OrderWalk::new(since, until, symbol, sweeps)))
    }

    async fn walk_orders(&self, walk: OrderWalk, query: &OrderQuery) -> Result<Page<Order>> {
        let body = self
            .rest()
            .orders_text("/api/v3/allOrders", &walk.params(), weight::ALL_ORDERS)
            .await;
        let (orders, known) = match body {
            Err(error) if is_unknown_symbol(&error) => (Vec::new(), false),
            body => (self.read_orders(&body?, &query.account, false).await?, true),
        };
        let number = |order: &Order| map::order_parts(&order.id).map(|(_, number)| (number, order.created_at));
        let next = match walk.behind(orders.len(), orders.last().and_then(number)) {
            None if walk.sweeps => self.next_name(&walk.symbol).await?.map(|name| walk.begin(name)),
            next => next,
        };
        let proof = match (known, &next) {
            (false, _) => Proof::Capped,
            (true, Some(_)) => Proof::Contiguous,
            (true, None) => Proof::Short,
        };
        let mut rows: Vec<Order> = orders.into_iter().filter(|order| walk.has(order.created_at)).collect();
        rows.sort_by(|a, b| (a.created_at, &a.id).cmp(&(b.created_at, &b.id)));
        Ok(Page {
            next: next.map(|walk| walk.cursor()).transpose()?,
            proof,
            ..Page::whole(rows)
        })
    }
}

pub(crate) fn is_unknown_symbol(error: &Error) -> bool {
    error.kind() == ErrorKind::InvalidRequest
        && error
            .code()
            .is_some_and(|code| [NO_SUCH_SYMBOL, ILLEGAL_CHARACTERS].contains(&code))
}

/// A pair without its slash is Binance's own name of it.
fn joined(symbol: &Symbol) -> String {
    symbol.get().replace('/', "")
}

fn capabilities(config: &BinanceConfig, buckets: &Buckets) -> Capabilities {
    let window = |bucket, key: &BucketKey, scope, limit, per| Limit {
        bucket,
        key: BucketKey::clone(key),
        scope,
        rule: LimitRule::Window { limit, per },
    };
    let pages = |rows, cost| ListFacts {
        rows,
        page_size: Some(PAGE),
        page_yield: 100,
        page_span: None,
        page_cost: ("weight", cost),
    };
    let (in_ten_seconds, in_a_day) = config.order_counts();
    Capabilities {
        environments: vec![Environment::Paper, Environment::Live],
        asset_classes: vec![AssetClass::Crypto],
        orders: OrderFacts {
            kinds: vec![
                OrderKind::Market,
                OrderKind::Limit,
                OrderKind::Stop,
                OrderKind::StopLimit,
                OrderKind::MarketIfTouched,
                OrderKind::LimitIfTouched,
                OrderKind::TrailingStop,
            ],
            groups: vec![Group::Bracket, Group::Oco, Group::Oto],
            exits: ExitFacts {
                kinds: vec![
                    OrderKind::Limit,
                    OrderKind::Stop,
                    OrderKind::StopLimit,
                    OrderKind::TrailingStop,
                ],
                levels: vec![LevelKind::Price],
            },
            trails: vec![TrailKind::Percent],
            times_in_force: vec![TimeInForce::Gtc, TimeInForce::Ioc, TimeInForce::Fok],
            kind_times: vec![
                (OrderKind::Market, vec![TimeInForce::Gtc, TimeInForce::Ioc]),
                (OrderKind::Stop, vec![TimeInForce::Gtc]),
                (OrderKind::MarketIfTouched, vec![TimeInForce::Gtc]),
                (OrderKind::TrailingStop, vec![TimeInForce::Gtc]),
            ],
            fractional_qty: true,
            notional: true,
            extended_hours: false,
            // Canceled and placed anew, without a word on which took its place: a method of its own.
            replace: false,
            client_id: Some(ClientIdRule {
                longest: 36,
                extra: "-_",
            }),
            // An id is free again once its order is done: a second send can make a second order.
            resend_is_safe: false,
            latest_arrival: Some(config.window + AHEAD + ENGINE),
            visibility_lag: Duration::from_secs(2),
            one_at_a_time: false,
            reduce_only: false,
            refused_when_closed: Vec::new(),
        },
        history: HistoryFacts {
            depth: None,
            order_depth: None,
            by_instrument: true,
            // Deposits are booked when they are seen first, and told once they are confirmed.
            settles_within: DAY,
            positions_cover_fills: false,
            states_pnl: false,
            lists: vec![pages(ListRows::Records, weight::TRADES)],
            orders: Some(pages(ListRows::Orders, weight::ALL_ORDERS)),
            lookups: vec![LookupFacts {
                classes: Vec::new(),
                per_request: Some(1),
                whole_list: Some((FEW_SYMBOLS, 1)),
                cost: ("weight", weight::EXCHANGE),
            }],
            read_cost: ("weight", weight::ACCOUNT),
        },
        limits: vec![
            window("weight", &buckets.weight, LimitScope::Address, config.weight(), MINUTE),
            window(
                "orders",
                &buckets.orders,
                LimitScope::Account,
                in_ten_seconds,
                TEN_SECONDS,
            ),
            window(
                "orders_a_day",
                &buckets.orders_a_day,
                LimitScope::Account,
                in_a_day,
                DAY,
            ),
            window("sapi", &buckets.sapi, LimitScope::Address, 12_000, MINUTE),
            window(
                "sapi_account",
                &buckets.sapi_account,
                LimitScope::Account,
                180_000,
                MINUTE,
            ),
        ],
    }
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
        Ok(balances)
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
            let walk = OrderWalk::new(
                query.range(self.context().clock().now()).0,
                match query.window {
                    Window::Between { until, .. } => until,
                    Window::LastDays(_) | Window::All => None,
                },
                String::new(),
                false,
            );
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

    fn trading(&self) -> Option<&dyn Trading> {
        #[cfg(feature = "trading")]
        {
            Some(self)
        }
        #[cfg(not(feature = "trading"))]
        {
            None
        }
    }

    fn market_data(&self) -> Option<&dyn MarketData> {
        #[cfg(feature = "market-data")]
        {
            Some(self)
        }
        #[cfg(not(feature = "market-data"))]
        {
            None
        }
    }

    fn streaming(&self) -> Option<&dyn Streaming> {
        #[cfg(feature = "streaming")]
        {
            Some(self)
        }
        #[cfg(not(feature = "streaming"))]
        {
            None
        }
    }
}
