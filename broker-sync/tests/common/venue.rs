//! A broker whose data, pages and faults are scripted.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use broker_core::capability::{Capabilities, Limit};
use broker_core::limit::{Cost, Lane};
use broker_core::model::{
    Access, Account, AccountStatus, Balance, Balances, Environment, Fill, HistoryQuery, Instrument, OrderQuery,
    OrderRef, Position, PositionMode, Record,
};
use broker_core::seam::{
    Answer, BoxFuture, Carrier, Clock, OpenRequest, Request, SeededRng, Transport, VirtualClock, VirtualRuntime,
};
use broker_core::{
    AccountId, Broker, BrokerId, Context, Currency, Cursor, Error, ErrorKind, InstrumentId, InstrumentQuery,
    MarketData, Order, Page, Probe, Proof, Result, Streaming, Trading,
};
use chrono::{DateTime, Utc};
use rust_decimal::Decimal;

pub use super::literals::instrument;
use super::literals::{capabilities, order, position};
use super::{account, day};

/// What the venue knows, and how it misbehaves. Shared by the venues of several runs.
#[derive(Debug)]
pub struct Book {
    pub records: Mutex<Vec<Record>>,
    /// Orders; filled quantities are what the venue believes, not the sum of `records`.
    pub orders: Mutex<Vec<Order>>,
    /// What the venue states as positions beside all fills that are not voided.
    pub before: Mutex<BTreeMap<InstrumentId, Decimal>>,
    pub knobs: Mutex<Knobs>,
    pub history_calls: AtomicU32,
    pub instrument_calls: AtomicU32,
}

/// How the venue behaves. The default is honest.
#[derive(Debug, Clone)]
pub struct Knobs {
    pub page_size: usize,
    pub proof: ProofKind,
    /// Rows of these ids are on no page.
    pub hidden: Vec<String>,
    /// The first row after each page is skipped.
    pub drops_at_borders: bool,
    /// Each page repeats its last row, and the last row of the page before.
    pub repeats_rows: bool,
    /// A page that loses rows, and how many of them it keeps; the next one goes on behind all of them.
    pub loses: Option<(usize, usize)>,
    /// No more rows than this are told of a window, as if they were all.
    pub silent_cap: Option<usize>,
    /// The account that all of it is of.
    pub account: AccountId,
    /// The call of history that panics.
    pub panics_at: Option<u32>,
    /// The call of history that fails.
    pub fails_at: Option<u32>,
    /// The first page comes after this many times "not yet".
    pub waits: u32,
    /// More rows than this in a window are cut off with `Capped`.
    pub cap: Option<usize>,
    pub cursor_never_moves: bool,
    /// Cursors of an earlier process are refused.
    pub forgets_cursors: bool,
    pub opened_at: Option<DateTime<Utc>>,
    pub depth: Option<Duration>,
    /// What is said of it; the pages do not care.
    pub page_span: Option<Duration>,
    /// Requests behind the last page of a list with rows.
    pub(crate) closing_pages: u32,
    pub limits: Vec<Limit>,
    /// Each call waits for a permit of the first limit.
    pub pays: bool,
    pub order_depth: Option<Duration>,
    pub settles_within: Duration,
    pub orders_unsupported: bool,
    pub by_instrument: bool,
    /// The clock moves on by a microsecond whenever it is read, as a real one does.
    pub ticking: bool,
    /// A spot venue: pairs are held as coins, which are in the balances.
    pub coins: Option<Coins>,
    /// How long each call takes.
    pub travel: Duration,
    /// An early version of the broker's crate: it understands fills only, and not their fees. Its page texts are the
    /// rows as the venue sent them.
    pub understands_little: bool,
}

/// Balances by coin.
#[derive(Debug, Clone)]
pub struct Coins(pub BTreeMap<&'static str, String>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProofKind {
    Contiguous,
    Count,
    Range,
    ShortAtTheEnd,
    Nothing,
}

impl Default for Knobs {
    fn default() -> Self {
        Self {
            page_size: 4,
            proof: ProofKind::Contiguous,
            hidden: Vec::new(),
            drops_at_borders: false,
            repeats_rows: false,
            loses: None,
            silent_cap: None,
            account: account(),
            panics_at: None,
            fails_at: None,
            waits: 0,
            cap: None,
            cursor_never_moves: false,
            forgets_cursors: false,
            opened_at: Some(day(0)),
            depth: None,
            page_span: None,
            closing_pages: 0,
            limits: Vec::new(),
            pays: false,
            order_depth: None,
            settles_within: Duration::from_secs(3 * 86_400),
            orders_unsupported: false,
            by_instrument: false,
            ticking: false,
            coins: None,
            travel: Duration::from_millis(10),
            understands_little: false,
        }
    }
}

impl Book {
    pub fn new(records: Vec<Record>) -> Arc<Self> {
        let book = Self {
            records: Mutex::new(Vec::new()),
            orders: Mutex::new(Vec::new()),
            before: Mutex::new(BTreeMap::new()),
            knobs: Mutex::new(Knobs::default()),
            history_calls: AtomicU32::new(0),
            instrument_calls: AtomicU32::new(0),
        };
        for record in records {
            book.add(record);
        }
        Arc::new(book)
    }

    /// Many records in the order of time, of no order.
    pub fn bulk(records: Vec<Record>) -> Arc<Self> {
        let book = Self::new(Vec::new());
        *book.records.lock().unwrap() = records;
        book
    }

    pub fn with(self: Arc<Self>, set: impl FnOnce(&mut Knobs)) -> Arc<Self> {
        set(&mut self.knobs.lock().unwrap());
        self
    }

    /// Adds a record; a fill counts in its order too.
    pub fn add(&self, record: Record) {
        if let Record::Fill(fill) = &record {
            self.fill_order(fill);
        }
        let mut records = self.records.lock().unwrap();
        records.push(record);
        records.sort_by_key(Record::at);
    }

    /// Adds a row to history that fills no order: a correction, a void.
    pub fn add_row(&self, record: Record) {
        let mut records = self.records.lock().unwrap();
        records.push(record);
        records.sort_by_key(Record::at);
    }

    fn fill_order(&self, fill: &Fill) {
        let Some(id) = fill.order.clone() else { return };
        let mut orders = self.orders.lock().unwrap();
        let known = orders.iter().position(|order| order.id == id);
        let index = known.unwrap_or_else(|| {
            orders.push(order(id, fill));
            orders.len() - 1
        });
        let order = &mut orders[index];
        order.filled_qty = order.filled_qty.checked_add(fill.qty).unwrap();
        order.updated_at = Some(fill.at);
        order.created_at = order
            .created_at
            .map(|at| at.min(fill.at - chrono::Duration::seconds(1)));
        let at = order.created_at;
        orders.sort_by_key(|order| order.created_at);
        assert!(at.is_some());
    }

    pub fn set_filled(&self, id: &str, filled: &str) {
        let mut orders = self.orders.lock().unwrap();
        let order = orders.iter_mut().find(|order| order.id.get() == id).unwrap();
        order.filled_qty = filled.parse().unwrap();
    }

    /// The instrument, by the name that its latest fill has.
    fn instrument(&self, id: &InstrumentId) -> Instrument {
        let records = self.records.lock().unwrap();
        let latest = records.iter().rev().find_map(|record| match record {
            Record::Fill(fill) if fill.instrument == *id => Some(fill.symbol.clone()),
            _ => None,
        });
        let known = instrument(id);
        Instrument {
            symbol: latest.unwrap_or(known.symbol.clone()),
            ..known
        }
    }

    pub fn history_calls(&self) -> u32 {
        self.history_calls.load(Ordering::Relaxed)
    }
}

#[derive(Debug, Clone)]
pub struct Venue {
    book: Arc<Book>,
    context: Context,
    capabilities: Arc<Capabilities>,
    /// Cursors that this process gave out.
    process: u32,
}

#[derive(Debug)]
struct Ticking {
    clock: VirtualClock,
    step: u64,
    steps: AtomicU64,
}

impl Clock for Ticking {
    fn now(&self) -> DateTime<Utc> {
        let micros = self.steps.fetch_add(self.step, Ordering::Relaxed);
        self.clock.now() + Duration::from_micros(micros)
    }

    fn elapsed(&self) -> Duration {
        self.clock.elapsed()
    }

    fn sleep(&self, wait: Duration) -> BoxFuture<'static, ()> {
        self.clock.sleep(wait)
    }
}

#[derive(Debug)]
struct NoWire;

#[async_trait]
impl Transport for NoWire {
    async fn send(&self, _: Request) -> Result<Answer> {
        Err(Error::unsupported("no wire"))
    }

    async fn open(&self, _: OpenRequest) -> Result<Box<dyn Carrier>> {
        Err(Error::unsupported("no wire"))
    }
}

impl Venue {
    pub fn new(book: Arc<Book>, runtime: &VirtualRuntime) -> Self {
        static PROCESSES: AtomicU32 = AtomicU32::new(0);
        let knobs = book.knobs.lock().unwrap().clone();
        let clock = Arc::new(runtime.clock());
        let time = Arc::new(Ticking {
            clock: runtime.clock(),
            step: u64::from(knobs.ticking),
            steps: AtomicU64::new(0),
        });
        let context = Context::new(time, Arc::new(SeededRng::new(1)), clock, Arc::new(NoWire));
        for limit in &knobs.limits {
            context.limiter().define(&limit.key, limit.rule);
        }
        Self {
            book,
            context,
            capabilities: Arc::new(capabilities(&knobs)),
            process: PROCESSES.fetch_add(1, Ordering::Relaxed),
        }
    }

    fn knobs(&self) -> Knobs {
        self.book.knobs.lock().unwrap().clone()
    }

    /// Every call takes a moment, and so is a place to be killed at.
    async fn travel(&self) {
        let knobs = self.knobs();
        let costs = knobs.limits.iter().take(usize::from(knobs.pays)).map(|limit| Cost {
            bucket: Arc::clone(&limit.key),
            weight: 1,
        });
        let costs: Vec<Cost> = costs.collect();
        let permit = self.context.limiter().acquire(&costs, Lane::Read).await.unwrap();
        self.context.clock().sleep(knobs.travel).await;
        permit.finish(&[]);
    }

    fn visible(&self, query: &HistoryQuery, knobs: &Knobs) -> Vec<Record> {
        let (since, until) = query.range(self.context.clock().now());
        let records = self.book.records.lock().unwrap();
        let wanted = |record: &&Record| {
            let id = record_id(record);
            (since..until).contains(&record.at())
                && !knobs.hidden.contains(&id)
                && query
                    .instrument
                    .as_ref()
                    .is_none_or(|one| matches!(record, Record::Fill(fill) if fill.instrument == *one))
        };
        let mut rows: Vec<Record> = records.iter().filter(wanted).cloned().collect();
        for row in &mut rows {
            let owner = match row {
                Record::Fill(fill) => &mut fill.account,
                Record::Void(void) => &mut void.account,
                Record::Fee(fee) => &mut fee.account,
                Record::Flow(flow) => &mut flow.account,
            };
            // Rows of yet another account are what some tests are about.
            if *owner == account() {
                owner.clone_from(&knobs.account);
            }
        }
        rows
    }
}

fn understood_early(record: Record) -> Option<Record> {
    match record {
        Record::Fill(fill) => Some(Record::Fill(Fill {
            fees: Vec::new(),
            ..fill
        })),
        _ => None,
    }
}

fn record_id(record: &Record) -> String {
    match record {
        Record::Fill(fill) => fill.id.get().to_owned(),
        Record::Void(void) => void.id.get().to_owned(),
        Record::Fee(fee) => fee.id.get().to_owned(),
        Record::Flow(flow) => flow.id.get().to_owned(),
    }
}

#[async_trait]
impl Broker for Venue {
    fn id(&self) -> BrokerId {
        BrokerId::from("scripted")
    }

    fn environment(&self) -> Environment {
        Environment::Paper
    }

    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    fn context(&self) -> &Context {
        &self.context
    }

    fn handle(&self) -> Arc<dyn Broker> {
        Arc::new(self.clone())
    }

    async fn probe(&self) -> Result<Probe> {
        Err(Error::unsupported("probe"))
    }

    async fn accounts(&self) -> Result<Vec<Account>> {
        self.travel().await;
        Ok(vec![Account {
            id: self.knobs().account,
            broker: self.id(),
            environment: Environment::Paper,
            name: None,
            currency: Currency::USD,
            status: AccountStatus::Active,
            position_mode: PositionMode::Netting,
            access: Access::default(),
            opened_at: self.knobs().opened_at,
        }])
    }

    async fn balances(&self, _: &AccountId) -> Result<Balances> {
        self.travel().await;
        let Some(Coins(coins)) = self.knobs().coins else {
            return Err(Error::unsupported("balances"));
        };
        let balance = |(coin, total): (&str, String)| {
            Ok(Balance {
                currency: coin.parse()?,
                total: broker_core::num::decimal(&total)?,
                available: None,
                held: None,
                parts: Vec::new(),
            })
        };
        Ok(Balances {
            account: self.knobs().account,
            balances: coins.into_iter().map(balance).collect::<Result<_>>()?,
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

    async fn positions(&self, _: &AccountId) -> Result<Vec<Position>> {
        self.travel().await;
        if self.knobs().coins.is_some() {
            return Ok(Vec::new());
        }
        let mut sums = self.book.before.lock().unwrap().clone();
        let records = self.book.records.lock().unwrap();
        let voids: BTreeSet<&str> = records
            .iter()
            .filter_map(|record| match record {
                Record::Void(void) => Some(void.fill.get()),
                _ => None,
            })
            .collect();
        let voided = |fill: &Fill| voids.contains(fill.id.get());
        let mut last: BTreeMap<String, &Fill> = BTreeMap::new();
        for record in records.iter() {
            if let Record::Fill(fill) = record
                && !voided(fill)
                && last.get(fill.id.get()).is_none_or(|known| known.version < fill.version)
            {
                last.insert(fill.id.get().to_owned(), fill);
            }
        }
        for fill in last.into_values() {
            *sums.entry(fill.instrument.clone()).or_default() += fill.qty.signed(fill.side);
        }
        sums.retain(|_, qty| !qty.is_zero());
        let own = |position: Position| Position {
            account: self.knobs().account,
            ..position
        };
        Ok(sums.into_iter().map(|(id, qty)| own(position(&id, qty))).collect())
    }

    async fn instruments(&self, query: &InstrumentQuery) -> Result<Vec<Instrument>> {
        self.travel().await;
        self.book.instrument_calls.fetch_add(1, Ordering::Relaxed);
        match query {
            InstrumentQuery::Ids(ids) => Ok(ids.iter().map(|id| self.book.instrument(id)).collect()),
            _ => Err(Error::unsupported("only by id")),
        }
    }

    async fn order(&self, _: &OrderRef) -> Result<Order> {
        Err(Error::unsupported("order"))
    }

    async fn orders(&self, query: &OrderQuery, from: Option<&Cursor>) -> Result<Page<Order>> {
        self.travel().await;
        if self.knobs().orders_unsupported {
            return Err(Error::unsupported("orders"));
        }
        let (since, until) = query.range(self.context.clock().now());
        let skip: usize = from.map_or(Ok(0), |cursor| cursor.decode(1))?;
        let all = self.book.orders.lock().unwrap();
        let placed = |order: &&Order| order.created_at.is_some_and(|at| since <= at && at < until);
        let rows: Vec<Order> = all.iter().filter(placed).skip(skip).take(2).cloned().collect();
        let more = all.iter().filter(placed).count() > skip + rows.len();
        let own = |order: Order| Order {
            account: self.knobs().account,
            ..order
        };
        let rows: Vec<Order> = rows.into_iter().map(own).collect();
        Ok(Page {
            next: more.then(|| Cursor::encode(1, &(skip + rows.len()))).transpose()?,
            rows,
            wait: None,
            proof: Proof::Short,
            raw: None,
            notes: Vec::new(),
        })
    }

    async fn history(&self, query: &HistoryQuery, from: Option<&Cursor>) -> Result<Page<Record>> {
        self.travel().await;
        let knobs = self.knobs();
        let calls = self.book.history_calls.fetch_add(1, Ordering::Relaxed) + 1;
        if knobs.fails_at == Some(calls) {
            return Err(Error::new(ErrorKind::Unavailable).with_status(503));
        }
        assert_ne!(knobs.panics_at, Some(calls), "a bug of the broker's crate");
        if calls <= knobs.waits {
            return Ok(Page {
                wait: Some(Duration::from_secs(30)),
                ..Page::whole(Vec::new())
            });
        }
        // Where cursors are for good, they are the same whoever gave them out.
        let own = if knobs.forgets_cursors { self.process } else { 0 };
        let (mut skip, process): (usize, u32) = from.map_or(Ok((0, own)), |cursor| cursor.decode(1))?;
        if knobs.forgets_cursors && process != own {
            return Err(Error::new(ErrorKind::InvalidRequest).with_message("unknown page token"));
        }
        let all = self.visible(query, &knobs);
        if let Some(cap) = knobs.cap
            && all.len() > cap
        {
            return Ok(Page {
                proof: Proof::Capped,
                ..Page::whole(all[..cap].to_vec())
            });
        }
        let stated = all.len();
        let all = &all[..knobs.silent_cap.map_or(stated, |cap| cap.min(stated))];
        let page = skip / knobs.page_size;
        let loses = |page: usize| knobs.loses.filter(|(lossy, _)| *lossy == page);
        let mut rows: Vec<Record> = all.iter().skip(skip).take(knobs.page_size).cloned().collect();
        let taken = rows.len();
        rows.truncate(loses(page).map_or(taken, |(_, keeps)| keeps));
        let read = rows.len();
        if knobs.repeats_rows {
            rows.extend(rows.last().cloned());
            rows.splice(0..0, skip.checked_sub(1).map(|border| all[border].clone()));
        }
        let start = skip;
        skip += taken + usize::from(knobs.drops_at_borders);
        let is_last = skip >= all.len();
        let next = (!is_last).then(|| Cursor::encode(1, &(skip, own))).transpose()?;
        let next = if knobs.cursor_never_moves {
            from.cloned().or(next)
        } else {
            next
        };
        let (since, until) = query.range(self.context.clock().now());
        // A page covers what lies behind the row before it, unless that row was dropped.
        let joins = !knobs.drops_at_borders && page.checked_sub(1).and_then(loses).is_none();
        let first_covered = start.saturating_sub(usize::from(joins));
        let begin = if start == 0 { since } else { all[first_covered].at() };
        let end = match (start + read).checked_sub(1) {
            _ if start + read == stated => until,
            Some(last) => all[last].at(),
            None => since,
        };
        let count = u64::try_from(stated).unwrap();
        Ok(Page {
            proof: match knobs.proof {
                ProofKind::Contiguous => Proof::Contiguous,
                ProofKind::Count => Proof::Count(count),
                ProofKind::Range => Proof::Range(begin, end),
                ProofKind::ShortAtTheEnd if is_last => Proof::Short,
                ProofKind::ShortAtTheEnd => Proof::Contiguous,
                ProofKind::Nothing => Proof::Nothing,
            },
            raw: query.raw.then(|| match knobs.understands_little {
                true => serde_json::to_string(&rows).unwrap(),
                false => format!("page of {read}"),
            }),
            rows: if knobs.understands_little {
                rows.into_iter().filter_map(understood_early).collect()
            } else {
                rows
            },
            next,
            wait: None,
            notes: Vec::new(),
        })
    }

    fn trading(&self) -> Option<&dyn Trading> {
        None
    }

    fn market_data(&self) -> Option<&dyn MarketData> {
        None
    }

    fn streaming(&self) -> Option<&dyn Streaming> {
        None
    }
}
