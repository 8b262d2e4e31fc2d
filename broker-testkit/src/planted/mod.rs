//! Brokers with a planted bug, for tests that must show that they can fail.

mod streaming;
mod trading;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use broker_core::model::Environment;
use broker_core::{
    Account, AccountId, Balances, Broker, BrokerId, Capabilities, Context, Cursor, HistoryQuery, Instrument,
    InstrumentQuery, MarketData, Order, OrderQuery, OrderRef, Page, Position, Probe, Proof, Record, Result, Streaming,
    Trading,
};

/// A bug of those that lose money in silence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PlantedBug {
    /// Remembers the next cursor before the rows were taken: whoever is killed in between and asks again is given
    /// the page behind.
    CursorBeforeRows,
    /// Drops rows that share the millisecond of the page before's last row.
    BorderMillisecond,
    /// Answers an error as an empty last page.
    ErrorAsEnd,
    /// Gives each row a second time under another id.
    RowsDoubled,
    /// Sends an order again when its answer is lost.
    BlindResend,
    /// Takes a connection that the venue closed without an answer for one over which nothing was sent.
    FinAsNotSent,
    /// Claims that requests arrive and orders show at once.
    EarlyProof,
    /// Takes a 5xx for a refusal.
    ErrorAsRefusal,
    /// Sends an order that was given up.
    GateIgnored,
    /// Marks a fill of the stream as seen before it finds room in the queue: what finds none is never told.
    SeenBeforeQueued,
}

/// Any broker, with one bug planted into its history, its orders or its streams. The sides that it may have are the
/// broker's own.
#[derive(Debug, Clone)]
pub struct Planted {
    inner: Arc<dyn Broker>,
    bug: PlantedBug,
    capabilities: Capabilities,
    memory: Arc<Mutex<Memory>>,
}

#[derive(Debug, Default)]
struct Memory {
    /// By the cursor that was asked with: the one that was given.
    given: BTreeMap<Option<String>, Option<Cursor>>,
    /// By the cursor that was given: the millisecond of the last row before it.
    borders: BTreeMap<String, i64>,
}

impl Planted {
    /// Plants the bug.
    pub fn new(inner: Arc<dyn Broker>, bug: PlantedBug) -> Self {
        let mut capabilities = inner.capabilities().clone();
        if bug == PlantedBug::EarlyProof {
            capabilities.orders.latest_arrival = Some(Duration::ZERO);
            capabilities.orders.visibility_lag = Duration::ZERO;
        }
        Self {
            inner,
            bug,
            capabilities,
            memory: Arc::default(),
        }
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn cursor_before_rows(&self, query: &HistoryQuery, from: Option<&Cursor>) -> Result<Page<Record>> {
        let key = from.map(|cursor| cursor.as_str().to_owned());
        let remembered = self.memory().given.get(&key).cloned();
        match remembered {
            Some(Some(next)) => self.inner.history(query, Some(&next)).await,
            Some(None) => Ok(Page::whole(Vec::new())),
            None => {
                let page = self.inner.history(query, from).await?;
                self.memory().given.insert(key, page.next.clone());
                Ok(page)
            }
        }
    }

    async fn border_millisecond(&self, query: &HistoryQuery, from: Option<&Cursor>) -> Result<Page<Record>> {
        let mut page = self.inner.history(query, from).await?;
        let millis = |record: &Record| record.at().timestamp_millis();
        let last = page.rows.last().map(millis);
        let mut memory = self.memory();
        if let Some(border) = from.and_then(|cursor| memory.borders.get(cursor.as_str())) {
            page.rows.retain(|record| millis(record) != *border);
        }
        if let (Some(next), Some(last)) = (&page.next, last) {
            memory.borders.insert(next.as_str().to_owned(), last);
        }
        Ok(page)
    }
}

fn doubled(rows: Vec<Record>) -> Vec<Record> {
    let again = |record: &Record| match record {
        Record::Fill(fill) => {
            let mut fill = fill.clone();
            fill.id = format!("{}-again", fill.id).into();
            Record::Fill(fill)
        }
        other => other.clone(),
    };
    rows.into_iter().flat_map(|record| [again(&record), record]).collect()
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl Broker for Planted {
    fn id(&self) -> BrokerId {
        self.inner.id()
    }

    fn environment(&self) -> Environment {
        self.inner.environment()
    }

    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    fn context(&self) -> &Context {
        self.inner.context()
    }

    fn handle(&self) -> Arc<dyn Broker> {
        Arc::new(self.clone())
    }

    async fn probe(&self) -> Result<Probe> {
        self.inner.probe().await
    }

    async fn accounts(&self) -> Result<Vec<Account>> {
        self.inner.accounts().await
    }

    async fn balances(&self, account: &AccountId) -> Result<Balances> {
        self.inner.balances(account).await
    }

    async fn positions(&self, account: &AccountId) -> Result<Vec<Position>> {
        self.inner.positions(account).await
    }

    async fn instruments(&self, query: &InstrumentQuery) -> Result<Vec<Instrument>> {
        self.inner.instruments(query).await
    }

    async fn order(&self, order: &OrderRef) -> Result<Order> {
        self.inner.order(order).await
    }

    async fn orders(&self, query: &OrderQuery, from: Option<&Cursor>) -> Result<Page<Order>> {
        self.inner.orders(query, from).await
    }

    async fn history(&self, query: &HistoryQuery, from: Option<&Cursor>) -> Result<Page<Record>> {
        match self.bug {
            PlantedBug::CursorBeforeRows => self.cursor_before_rows(query, from).await,
            PlantedBug::BorderMillisecond => self.border_millisecond(query, from).await,
            PlantedBug::SeenBeforeQueued => self.inner.history(query, from).await,
            PlantedBug::ErrorAsEnd => Ok(self.inner.history(query, from).await.unwrap_or_else(|_| Page {
                proof: Proof::Nothing,
                ..Page::whole(Vec::new())
            })),
            PlantedBug::BlindResend
            | PlantedBug::FinAsNotSent
            | PlantedBug::EarlyProof
            | PlantedBug::ErrorAsRefusal
            | PlantedBug::GateIgnored => self.inner.history(query, from).await,
            PlantedBug::RowsDoubled => {
                let page = self.inner.history(query, from).await?;
                Ok(Page {
                    rows: doubled(page.rows),
                    ..page
                })
            }
        }
    }

    fn trading(&self) -> Option<&dyn Trading> {
        self.inner.trading().map(|_| self as &dyn Trading)
    }

    fn market_data(&self) -> Option<&dyn MarketData> {
        self.inner.market_data()
    }

    fn streaming(&self) -> Option<&dyn Streaming> {
        match self.bug {
            PlantedBug::SeenBeforeQueued if self.inner.streaming().is_some() => Some(self),
            _ => self.inner.streaming(),
        }
    }
}
