//! A broker with another context, whose attempts to place are counted.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use broker_core::journal::Mark;
use broker_core::model::{Environment, OrderChange};
use broker_core::{
    Account, AccountId, Balances, Broker, BrokerId, CancelOutcome, Capabilities, Context, Cursor, Error, Gate,
    HistoryQuery, Instrument, InstrumentQuery, Intent, MarketData, Order, OrderQuery, OrderRef, Page, Position, Probe,
    Record, Result, Streaming, Trading,
};

/// Any broker under another context. Market data and streams are the broker's own.
#[derive(Debug, Clone)]
pub(super) struct Overseen {
    inner: Arc<dyn Broker>,
    context: Context,
    attempts: Arc<AtomicUsize>,
}

impl Overseen {
    pub(super) fn new(inner: Arc<dyn Broker>, context: Context) -> Self {
        Self {
            inner,
            context,
            attempts: Arc::default(),
        }
    }

    /// How often an order was to be placed or replaced.
    pub(super) fn attempts(&self) -> usize {
        self.attempts.load(Ordering::Relaxed)
    }

    fn inner(&self) -> Result<&dyn Trading> {
        self.inner.trading().ok_or_else(|| Error::unsupported("trading"))
    }
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl Broker for Overseen {
    fn id(&self) -> BrokerId {
        self.inner.id()
    }

    fn environment(&self) -> Environment {
        self.inner.environment()
    }

    fn capabilities(&self) -> &Capabilities {
        self.inner.capabilities()
    }

    fn context(&self) -> &Context {
        &self.context
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
        self.inner.history(query, from).await
    }

    fn trading(&self) -> Option<&dyn Trading> {
        self.inner.trading().map(|_| self as &dyn Trading)
    }

    fn market_data(&self) -> Option<&dyn MarketData> {
        self.inner.market_data()
    }

    fn streaming(&self) -> Option<&dyn Streaming> {
        self.inner.streaming()
    }
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl Trading for Overseen {
    async fn mark(&self, account: &AccountId) -> Result<Option<Mark>> {
        self.inner()?.mark(account).await
    }

    async fn place(&self, intent: &Intent, gate: &Gate) -> Result<Order> {
        self.attempts.fetch_add(1, Ordering::Relaxed);
        self.inner()?.place(intent, gate).await
    }

    async fn trace(&self, intent: &Intent) -> Result<Vec<Order>> {
        self.inner()?.trace(intent).await
    }

    async fn replace(
        &self,
        order: &OrderRef,
        change: &OrderChange,
        replacement: &Intent,
        gate: &Gate,
    ) -> Result<Order> {
        self.attempts.fetch_add(1, Ordering::Relaxed);
        self.inner()?.replace(order, change, replacement, gate).await
    }

    async fn cancel(&self, order: &OrderRef) -> Result<()> {
        self.inner()?.cancel(order).await
    }

    async fn cancel_all(&self, account: &AccountId) -> Result<Vec<CancelOutcome>> {
        self.inner()?.cancel_all(account).await
    }
}
