//! Where the history of accounts is kept.

mod memory;
#[cfg(feature = "sqlite")]
pub(crate) mod sqlite;

use std::collections::BTreeMap;
use std::fmt::{self, Debug};
use std::sync::Arc;

use async_trait::async_trait;
use broker_core::model::{Grade, Instrument, Order, Record, RecordKey};
use broker_core::pnl::ClosedTrade;
use broker_core::{ClientOrderId, ErrorKind, FillId, InstrumentId, OrderId, Result};
use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::report::SyncReport;
use crate::state::{Scope, SyncState};
use broker_core::span::Span;

pub use memory::MemoryStore;
#[cfg(feature = "sqlite")]
pub use sqlite::SqliteStore;

/// One page, ready to be stored with the progress that it makes.
#[derive(Clone)]
pub struct PageWrite {
    /// The part of the window that the page belongs to.
    pub part: u64,
    /// Its rows.
    pub rows: Vec<Record>,
    /// When it was read.
    pub read_at: DateTime<Utc>,
    /// Its text, where the query asked for it.
    pub raw: Option<String>,
    /// The state that holds once the rows are stored, less the counts, which the store adds.
    pub state: SyncState,
}

/// What became of a page's rows. Each row is one of new, duplicate or correction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Written {
    /// Rows whose key was not known.
    pub new: u64,
    /// Rows that were stored already, with the same values.
    pub duplicates: u64,
    /// Rows stored beside another row of their key: a higher version, another grade, other words.
    pub corrections: u64,
    /// Rows that this part had not brought before.
    pub distinct: u64,
    /// Fills among the rows.
    pub fills: u64,
    /// Voids among the rows that were stored.
    pub voids: u64,
}

/// What a finished sync leaves behind.
#[derive(Debug, Clone)]
pub struct Conclusion {
    /// The state, with nothing being read any more.
    pub state: SyncState,
    /// Orders as the broker told them, for the checks of later syncs.
    pub orders: Vec<KnownOrder>,
    /// The report.
    pub report: SyncReport,
}

/// A row as it is stored.
#[derive(Clone, PartialEq, Eq)]
pub struct StoredRow {
    /// The record, digit for digit as it was read.
    pub record: Record,
    /// Place in the order of reading, from 1.
    pub read_order: u64,
    /// When it was first read.
    pub read_at: DateTime<Utc>,
    /// Text of the page that brought it, where pages were kept.
    pub raw: Option<Arc<str>>,
}

/// The text of a page, as the broker sent it.
#[derive(Clone, PartialEq, Eq)]
pub struct RawPage {
    /// Grows in the order of reading, from 1, with gaps.
    pub number: u64,
    /// The part of the window that the page belonged to.
    pub part: u64,
    /// When it was read.
    pub read_at: DateTime<Utc>,
    /// The text.
    pub text: Arc<str>,
}

impl StoredRow {
    /// Identity of the record in its account.
    pub fn key(&self) -> RecordKey {
        self.record.key()
    }

    /// The venue's version.
    pub fn version(&self) -> u64 {
        self.record.version()
    }

    /// What the row is worth; `None` for anything but a fill.
    pub fn grade(&self) -> Option<Grade> {
        grade(&self.record)
    }
}

/// The text of a page may hold whole account numbers: only its length is printed.
impl fmt::Debug for PageWrite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PageWrite")
            .field("part", &self.part)
            .field("rows", &self.rows)
            .field("read_at", &self.read_at)
            .field("raw_bytes", &self.raw.as_ref().map(String::len))
            .field("state", &self.state)
            .finish()
    }
}

/// The text of a page may hold whole account numbers: only its length is printed.
impl fmt::Debug for StoredRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoredRow")
            .field("record", &self.record)
            .field("read_order", &self.read_order)
            .field("read_at", &self.read_at)
            .field("raw_bytes", &self.raw.as_ref().map(|raw| raw.len()))
            .finish()
    }
}

/// The text of a page may hold whole account numbers: only its length is printed.
impl fmt::Debug for RawPage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RawPage")
            .field("number", &self.number)
            .field("part", &self.part)
            .field("read_at", &self.read_at)
            .field("text_bytes", &self.text.len())
            .finish()
    }
}

/// What is worth knowing of an order later: how much of it the broker says was filled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownOrder {
    /// The broker's id.
    pub id: OrderId,
    /// Our id, where the order carries it.
    pub client_id: Option<ClientOrderId>,
    /// How much was filled, by instrument where the order has several legs.
    pub filled: Vec<FilledLeg>,
    /// Whether it can never trade again.
    pub is_final: bool,
    /// Whether its fills summed up to what the broker says.
    pub is_settled: bool,
    /// When the venue took it.
    pub created_at: Option<DateTime<Utc>>,
    /// When it last changed.
    pub updated_at: Option<DateTime<Utc>>,
}

/// Filled quantity of one leg of an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FilledLeg {
    /// What is traded; `None` for an order with one leg, whose fills are all of it.
    pub instrument: Option<InstrumentId>,
    /// How much.
    #[serde(with = "broker_core::num::exact")]
    pub qty: Decimal,
}

impl KnownOrder {
    pub(crate) fn of(order: &Order) -> Self {
        let filled = match order.legs.as_slice() {
            [] | [_] => vec![FilledLeg {
                instrument: None,
                qty: order.filled_qty.get(),
            }],
            legs => legs
                .iter()
                .map(|leg| FilledLeg {
                    instrument: Some(leg.instrument.clone()),
                    qty: leg.filled_qty.get(),
                })
                .collect(),
        };
        Self {
            id: order.id.clone(),
            client_id: order.client_id.clone(),
            filled,
            is_final: order.status.is_final(),
            is_settled: false,
            created_at: order.created_at,
            updated_at: order.updated_at,
        }
    }
}

/// Which rows are read, for those who look at few of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Select<'a> {
    /// All.
    All,
    /// Those that were stored behind so many.
    After(u64),
    /// Rows of these keys, each key's in every version.
    Keys(&'a [RecordKey]),
    /// Fills and fees that name one of these orders.
    Orders(&'a [OrderId]),
    /// Voids and fees that name one of these fills.
    Naming(&'a [FillId]),
}

/// What was worked out of an account's rows and is kept, so that only what changed is worked out again: see
/// [`StoreExt::refold`](crate::StoreExt::refold). It holds nothing that the rows do not say.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FoldHead {
    /// Counts the writes; a write that was based on an older one is refused.
    pub revision: u64,
    /// How many rows were stored when it was worked out.
    pub rows: u64,
    /// What else it was worked out from.
    pub facts: String,
    /// Its marks, oldest first: what every record before that moment comes to.
    pub marks: Vec<DateTime<Utc>>,
}

/// What replaces the end of a [`FoldHead`].
#[derive(Debug, Clone)]
pub struct FoldWrite {
    /// Name of the fold.
    pub name: String,
    /// The head, with the `revision` that it is based on; `marks` are those that stay, and no other.
    pub head: FoldHead,
    /// New marks: the moment, and a text that only its fold reads. They stay besides those of the head.
    pub marks: Vec<(DateTime<Utc>, String)>,
    /// Trades that were closed from here on are replaced.
    pub from: DateTime<Utc>,
    /// By these.
    pub trades: Vec<ClosedTrade>,
}

/// An account as it is stored at one moment: rows and state of the same transaction.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// Where its sync stands.
    pub state: SyncState,
    /// Its rows, in the order of reading.
    pub rows: Vec<StoredRow>,
}

/// Keeps rows, the place where reading goes on, instruments, orders and reports.
///
/// The contract. [`commit`](Self::commit) and [`conclude`](Self::conclude) are one transaction each: all of it is
/// stored, or nothing. A state whose `revision` is not the stored one is refused: another sync of the account was
/// faster. No row is ever changed or removed. What was written is read back digit for digit. A call that is dropped
/// did all or nothing.
#[async_trait]
pub trait Store: Debug + Send + Sync + 'static {
    /// Every scope that something is stored of, sorted.
    async fn scopes(&self) -> Result<Vec<Scope>>;

    /// Where the sync of an account stands; the default for one that is not known.
    async fn progress(&self, scope: &Scope) -> Result<SyncState>;

    /// Stores a page: its rows, and the state with [`SyncState::apply`] applied.
    ///
    /// A row is a duplicate when it equals the row of its key, version and grade that was read last.
    async fn commit(&self, scope: &Scope, page: PageWrite) -> Result<Written>;

    /// Stores the end of a sync: state (its `revision` counted up by one), orders (by id, the later word counts)
    /// and report.
    async fn conclude(&self, scope: &Scope, conclusion: Conclusion) -> Result<()>;

    /// Rows as stored whose time lies in the span, or all: every version, in the order of reading.
    async fn rows(&self, scope: &Scope, span: Option<Span>) -> Result<Vec<StoredRow>>;

    /// The first page behind this number whose text was kept; 0 asks for the first of all. One page at a time, for
    /// texts are large. Pages none of whose rows were understood, or new, have their text here too.
    async fn raw_page(&self, scope: &Scope, after: u64) -> Result<Option<RawPage>>;

    /// Rows without page texts, in the order of reading: those of a selection whose time lies in the span, each once.
    async fn select(&self, scope: &Scope, which: Select<'_>, span: Option<Span>) -> Result<Vec<StoredRow>>;

    /// State and all rows (without page texts) of one moment: a page being stored meanwhile is in both or in none.
    async fn snapshot(&self, scope: &Scope) -> Result<Snapshot>;

    /// Instruments of the scope's broker that were kept before, those of `ids` that are known.
    async fn instruments(&self, scope: &Scope, ids: &[InstrumentId]) -> Result<BTreeMap<InstrumentId, Instrument>>;

    /// Keeps instruments; one that is known is replaced.
    async fn keep_instruments(&self, scope: &Scope, instruments: &[Instrument]) -> Result<()>;

    /// Orders that a sync has left.
    async fn orders(&self, scope: &Scope) -> Result<Vec<KnownOrder>>;

    /// Those of them that can still trade, or whose fills did not sum up.
    async fn doubtful_orders(&self, scope: &Scope) -> Result<Vec<KnownOrder>>;

    /// Those of these ids that a sync has left, in any order.
    async fn known_orders(&self, scope: &Scope, ids: &[OrderId]) -> Result<Vec<KnownOrder>>;

    /// Reports, oldest first.
    async fn reports(&self, scope: &Scope) -> Result<Vec<SyncReport>>;

    /// What was worked out under this name; the default where nothing was.
    async fn folded(&self, scope: &Scope, name: &str) -> Result<FoldHead>;

    /// The text of one of its marks.
    async fn mark(&self, scope: &Scope, name: &str, at: DateTime<Utc>) -> Result<Option<String>>;

    /// Its trades that were closed in the span, or all, by the moment they were closed and then as they were written.
    async fn closed_trades(&self, scope: &Scope, name: &str, span: Option<Span>) -> Result<Vec<ClosedTrade>>;

    /// Replaces the end of what was worked out, in one transaction. A `revision` that is not the stored one is refused.
    async fn keep_folded(&self, scope: &Scope, write: FoldWrite) -> Result<()>;
}

/// The grade of a fill.
pub(crate) fn grade(record: &Record) -> Option<Grade> {
    match record {
        Record::Fill(fill) => Some(fill.grade),
        Record::Void(_) | Record::Fee(_) | Record::Flow(_) => None,
    }
}

/// The order that a fill or a fee names.
pub(crate) fn order_of(record: &Record) -> Option<&OrderId> {
    match record {
        Record::Fill(fill) => fill.order.as_ref(),
        Record::Fee(fee) => fee.order.as_ref(),
        Record::Void(_) | Record::Flow(_) => None,
    }
}

/// The fill that a void or a fee names.
pub(crate) fn named_fill(record: &Record) -> Option<&FillId> {
    match record {
        Record::Void(void) => Some(&void.fill),
        Record::Fee(fee) => fee.fill.as_ref(),
        Record::Fill(_) | Record::Flow(_) => None,
    }
}

/// Refuses a write that was based on another state than the stored one.
fn check_revision(stored: u64, based_on: u64) -> Result<()> {
    if stored == based_on {
        return Ok(());
    }
    Err(broker_core::Error::new(ErrorKind::Unavailable)
        .with_operation("store")
        .with_message("another sync of this account wrote in between")
        .with_help("sync an account from one place at a time, then run this again"))
}
