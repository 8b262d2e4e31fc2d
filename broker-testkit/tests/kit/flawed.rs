//! The simulation with one flaw in its trading or its streams.

use std::sync::Arc;

use async_trait::async_trait;
use broker_core::journal::Mark;
use broker_core::model::{Environment, Event, OrderChange, OrderKind, Subscription};
use broker_core::seam::BoxStream;
use broker_core::*;
use broker_sim::SimBroker;
use futures_util::{StreamExt, stream};

/// What is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flaw {
    /// Nothing, but it can do less than the simulation.
    FewAbilities,
    AnotherId,
    AnotherTimeInForce,
    BackwardsOrders,
    CancelDoesNothing,
    CrossedQuotes,
    FillTwice,
    GateIgnored,
    NoLinks,
    OldFills,
    /// No flaw: a broker without a paper account.
    RealMoney,
    ReplaceDoesNothing,
    SecondOrder,
    Silent,
    TraceFindsAll,
    TraceFindsNothing,
    UnknownCancelTaken,
}

#[derive(Debug, Clone)]
pub(crate) struct Flawed {
    inner: SimBroker,
    flaw: Flaw,
    capabilities: Arc<Capabilities>,
}

impl Flawed {
    pub(crate) fn new(inner: SimBroker, flaw: Flaw) -> Self {
        let mut capabilities = inner.capabilities().clone();
        if flaw == Flaw::FewAbilities {
            let orders = &mut capabilities.orders;
            orders.kinds = vec![OrderKind::Market, OrderKind::Limit];
            orders.groups = Vec::new();
            orders.times_in_force = vec![TimeInForce::Day];
            (orders.notional, orders.extended_hours, orders.reduce_only) = (false, false, false);
        }
        let capabilities = Arc::new(capabilities);
        Self {
            inner,
            flaw,
            capabilities,
        }
    }

    fn has(&self, flaw: Flaw) -> bool {
        self.flaw == flaw
    }

    /// An order as this broker tells it.
    fn told(&self, mut order: Order) -> Order {
        match self.flaw {
            Flaw::AnotherId => order.client_id = order.client_id.map(|id| id.get().to_uppercase().into()),
            Flaw::AnotherTimeInForce => order.time_in_force = Some(TimeInForce::Gtc),
            Flaw::NoLinks => order.links = Default::default(),
            _ => {}
        }
        order
    }
}

#[async_trait]
impl Broker for Flawed {
    fn id(&self) -> BrokerId {
        self.inner.id()
    }

    fn environment(&self) -> Environment {
        match self.flaw {
            Flaw::RealMoney => Environment::Live,
            _ => self.inner.environment(),
        }
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
        self.inner.order(order).await.map(|order| self.told(order))
    }

    async fn orders(&self, query: &OrderQuery, from: Option<&Cursor>) -> Result<Page<Order>> {
        let mut page = self.inner.orders(query, from).await?;
        page.rows = page.rows.into_iter().map(|order| self.told(order)).collect();
        Ok(page)
    }

    async fn history(&self, query: &HistoryQuery, from: Option<&Cursor>) -> Result<Page<Record>> {
        self.inner.history(query, from).await
    }

    fn trading(&self) -> Option<&dyn Trading> {
        Some(self)
    }

    fn market_data(&self) -> Option<&dyn MarketData> {
        self.inner.market_data()
    }

    fn streaming(&self) -> Option<&dyn Streaming> {
        Some(self)
    }
}

#[async_trait]
impl Trading for Flawed {
    async fn mark(&self, account: &AccountId) -> Result<Option<Mark>> {
        self.inner.mark(account).await
    }

    async fn place(&self, intent: &Intent, gate: &Gate) -> Result<Order> {
        let mut intent = intent.clone();
        if self.has(Flaw::SecondOrder) && self.inner.trace(&intent).await.is_ok_and(|found| !found.is_empty()) {
            intent.id = format!("{}-again", intent.id).into();
        }
        let open = Gate::new();
        let gate = if self.has(Flaw::GateIgnored) { &open } else { gate };
        self.inner.place(&intent, gate).await.map(|order| self.told(order))
    }

    async fn trace(&self, intent: &Intent) -> Result<Vec<Order>> {
        match self.flaw {
            Flaw::TraceFindsNothing => Ok(Vec::new()),
            Flaw::TraceFindsAll => {
                let query = OrderQuery::placed(&intent.account, model::Window::All);
                Ok(self.inner.orders(&query, None).await?.rows)
            }
            _ => self.inner.trace(intent).await,
        }
    }

    async fn replace(
        &self,
        order: &OrderRef,
        change: &OrderChange,
        replacement: &Intent,
        gate: &Gate,
    ) -> Result<Order> {
        if self.has(Flaw::ReplaceDoesNothing) {
            gate.pass()?;
            return self.inner.order(order).await;
        }
        let open = Gate::new();
        let gate = if self.has(Flaw::GateIgnored) { &open } else { gate };
        self.inner.replace(order, change, replacement, gate).await
    }

    async fn cancel(&self, order: &OrderRef) -> Result<()> {
        match self.flaw {
            Flaw::CancelDoesNothing => self.inner.order(order).await.map(|_| ()),
            Flaw::UnknownCancelTaken => {
                let _ = self.inner.cancel(order).await;
                Ok(())
            }
            _ => self.inner.cancel(order).await,
        }
    }

    async fn cancel_all(&self, account: &AccountId) -> Result<Vec<CancelOutcome>> {
        self.inner.cancel_all(account).await
    }
}

#[async_trait]
impl Streaming for Flawed {
    async fn subscribe(&self, subscription: &Subscription) -> Result<BoxStream<'static, Event>> {
        let events = self.inner.subscribe(subscription).await?;
        let flaw = self.flaw;
        let events = events.flat_map(move |event| stream::iter(spoiled(flaw, event)));
        if flaw != Flaw::OldFills || subscription.accounts.is_empty() {
            return Ok(Box::pin(events));
        }
        let now = self.context().clock().now();
        let minute = chrono::Duration::minutes(1);
        let all = HistoryQuery::between(&subscription.accounts[0], now - minute, now + minute);
        let records: Vec<_> = self.inner.records(&all).collect().await;
        let old = records
            .into_iter()
            .map(|record| Event::Record(Box::new(record.unwrap())));
        Ok(Box::pin(stream::iter(old.collect::<Vec<_>>()).chain(events)))
    }
}

/// An event as a flawed stream tells it.
fn spoiled(flaw: Flaw, event: Event) -> Vec<Event> {
    match (flaw, event) {
        (Flaw::Silent, Event::Order(_) | Event::Record(_)) => Vec::new(),
        (Flaw::FillTwice, Event::Record(record)) => vec![Event::Record(record.clone()), Event::Record(record)],
        (Flaw::BackwardsOrders, Event::Order(order)) => {
            let mut before = order.clone();
            before.status = OrderStatus::New;
            before.filled_qty = Qty::ZERO;
            vec![Event::Order(order), Event::Order(before)]
        }
        (Flaw::CrossedQuotes, Event::Quote(mut quote)) => {
            (quote.bid, quote.ask) = (quote.ask, quote.bid);
            vec![Event::Quote(quote)]
        }
        (_, event) => vec![event],
    }
}
