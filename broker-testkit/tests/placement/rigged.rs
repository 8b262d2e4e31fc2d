//! The paper venue behind a wire that does what a test says.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use broker_core::journal::{Gate, Mark};
use broker_core::model::{Environment, OrderChange};
use broker_core::seam::{Clock, MemoryTransport, SeededRng, VirtualRuntime};
use broker_core::*;
use broker_sim::{AccountSpec, Catalogue, Engine, SimBroker};
use chrono::{DateTime, Utc};

/// Tuesday, 2026-01-06, 15:00 UTC: New York trades.
pub(crate) const OPEN: &str = "2026-01-06T15:00:00Z";

/// What happens to one send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Send {
    /// The venue answers.
    Answered,
    /// The venue takes it, and its answer is lost.
    AnswerLost,
    /// It never arrives, and nobody says so.
    RequestLost,
    /// It arrives this much later; the client has given up by then.
    Late(Duration),
    /// The venue refuses it.
    Refused(ErrorKind),
    /// No connection.
    NoConnection,
    /// Waits this long before the gate, as at a limiter.
    Waits(Duration),
    /// Waits this long behind the gate.
    Slow(Duration),
}

/// What a lookup says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Look {
    /// What the venue has.
    Honest,
    /// The lookup fails.
    Fails,
    /// The venue has an order, and another one that could be it as well.
    Two,
    /// What the venue has at first, said this much later.
    Slow(Duration),
}

#[derive(Debug, Default)]
pub(crate) struct Rig {
    pub(crate) sends: VecDeque<Send>,
    pub(crate) looks: VecDeque<Look>,
    pub(crate) cancels: VecDeque<ErrorKind>,
    /// How often each intent left.
    pub(crate) sent: BTreeMap<String, u32>,
    /// When lookups were asked.
    pub(crate) looked_at: Vec<Duration>,
    /// What the journal held at the first byte.
    pub(crate) journaled: Vec<Intent>,
}

#[derive(Debug, Clone)]
pub(crate) struct Rigged {
    pub(crate) venue: SimBroker,
    facts: Arc<Capabilities>,
    context: Context,
    rig: Arc<Mutex<Rig>>,
}

pub(crate) fn account() -> AccountId {
    "A1".into()
}

pub(crate) fn start() -> VirtualRuntime {
    VirtualRuntime::starting_at(OPEN.parse().unwrap())
}

impl Rigged {
    pub(crate) fn new(runtime: &VirtualRuntime) -> Self {
        let now: DateTime<Utc> = OPEN.parse().unwrap();
        let clock = Arc::new(runtime.clock());
        let wire = MemoryTransport::new(|_| Err(Error::unsupported("no wire")));
        let context = Context::new(clock.clone(), Arc::new(SeededRng::new(1)), clock, Arc::new(wire));
        let mut engine = Engine::new(7, &Catalogue::standard(), now);
        engine
            .open_account(AccountSpec::margin("A1", Currency::USD), now)
            .unwrap();
        let cash = Money::new("100000".parse().unwrap(), Currency::USD);
        engine.deposit(&account(), cash, now).unwrap();
        let sizes = ("500".parse().unwrap(), "500".parse().unwrap());
        let (bid, ask) = ("99.98".parse().unwrap(), "100.00".parse().unwrap());
        engine
            .set_quote(&"AAPL".into(), Some(bid), Some(ask), sizes, now)
            .unwrap();
        let venue = SimBroker::new(engine, context.clone());
        let facts = Arc::new(venue.capabilities().clone());
        let rigged = Self {
            venue,
            facts,
            context,
            rig: Arc::default(),
        };
        // Most tests are about venues where a second send could be a second order.
        rigged.with_facts(|facts| facts.orders.resend_is_safe = false)
    }

    pub(crate) fn with_facts(mut self, change: impl FnOnce(&mut Capabilities)) -> Self {
        change(Arc::make_mut(&mut self.facts));
        self
    }

    pub(crate) fn with_context(mut self, change: impl FnOnce(&Context) -> Context) -> Self {
        self.context = change(&self.context);
        self
    }

    pub(crate) fn sending(self, sends: impl IntoIterator<Item = Send>) -> Self {
        self.rig().sends = sends.into_iter().collect();
        self
    }

    pub(crate) fn looking(self, looks: impl IntoIterator<Item = Look>) -> Self {
        self.rig().looks = looks.into_iter().collect();
        self
    }

    pub(crate) fn rig(&self) -> MutexGuard<'_, Rig> {
        self.rig.lock().unwrap()
    }

    /// A process that starts anew with the same venue and the same journal.
    pub(crate) fn reborn(&self, runtime: &VirtualRuntime) -> Self {
        let clock = Arc::new(runtime.clock());
        let context = Context::new(
            clock.clone(),
            Arc::new(SeededRng::new(2)),
            clock,
            Arc::clone(self.context.transport()),
        );
        Self {
            context: context.with_journal(Arc::clone(self.context.journal())),
            ..self.clone()
        }
    }

    /// Orders at the venue, by our id.
    pub(crate) fn orders(&self) -> Vec<Order> {
        self.venue.with_engine(|engine, _| {
            engine
                .orders(&account())
                .unwrap()
                .map(|one| one.order().clone())
                .collect()
        })
    }

    pub(crate) fn sends(&self) -> u32 {
        self.rig().sent.values().sum()
    }

    pub(crate) async fn context_sleep(&self, seconds: u64) {
        self.context.clock().sleep(Duration::from_secs(seconds)).await;
    }

    /// Lets other tasks run.
    pub(crate) async fn context_moment(&self) {
        self.context.clock().sleep(Duration::from_millis(1)).await;
    }

    pub(crate) fn context_clock(&self) -> Arc<dyn Clock> {
        Arc::clone(self.context.clock())
    }

    pub(crate) fn context_journal(&self) -> Arc<dyn IntentJournal> {
        Arc::clone(self.context.journal())
    }

    pub(crate) fn context_spawn(&self, task: impl Future<Output = ()> + std::marker::Send + 'static) {
        self.context.spawn().spawn(Box::pin(task));
    }

    pub(crate) async fn open_intents(&self) -> usize {
        self.context.journal().unsettled(&self.id()).await.unwrap().len()
    }
}

fn lost() -> Error {
    Error::new(ErrorKind::Unavailable).with_message("no answer in time")
}

#[async_trait]
impl Broker for Rigged {
    fn id(&self) -> BrokerId {
        self.venue.id()
    }
    fn environment(&self) -> Environment {
        self.venue.environment()
    }
    fn capabilities(&self) -> &Capabilities {
        &self.facts
    }
    fn context(&self) -> &Context {
        &self.context
    }
    fn handle(&self) -> Arc<dyn Broker> {
        Arc::new(self.clone())
    }
    async fn probe(&self) -> Result<Probe> {
        self.venue.probe().await
    }
    async fn accounts(&self) -> Result<Vec<Account>> {
        self.venue.accounts().await
    }
    async fn balances(&self, account: &AccountId) -> Result<Balances> {
        self.venue.balances(account).await
    }
    async fn positions(&self, account: &AccountId) -> Result<Vec<Position>> {
        self.venue.positions(account).await
    }
    async fn instruments(&self, query: &InstrumentQuery) -> Result<Vec<Instrument>> {
        self.venue.instruments(query).await
    }
    async fn order(&self, order: &OrderRef) -> Result<Order> {
        self.venue.order(order).await
    }
    async fn orders(&self, query: &OrderQuery, from: Option<&Cursor>) -> Result<Page<Order>> {
        self.venue.orders(query, from).await
    }
    async fn history(&self, query: &HistoryQuery, from: Option<&Cursor>) -> Result<Page<Record>> {
        self.venue.history(query, from).await
    }
    fn trading(&self) -> Option<&dyn Trading> {
        Some(self)
    }
    fn market_data(&self) -> Option<&dyn MarketData> {
        self.venue.market_data()
    }
    fn streaming(&self) -> Option<&dyn Streaming> {
        None
    }
}

#[async_trait]
impl Trading for Rigged {
    async fn mark(&self, _: &AccountId) -> Result<Option<Mark>> {
        Ok(Some(Mark(format!(
            "mark of {}",
            self.context.clock().now().timestamp()
        ))))
    }

    async fn place(&self, intent: &Intent, gate: &Gate) -> Result<Order> {
        let act = self.rig().sends.pop_front().unwrap_or(Send::Answered);
        if let Send::Waits(wait) = act {
            self.context.clock().sleep(wait).await;
        }
        gate.pass()?;
        if act == Send::NoConnection {
            return Err(lost().with_delivery(Delivery::NotSent));
        }
        let held = self.context.journal().unsettled(&self.id()).await?;
        {
            let mut rig = self.rig();
            *rig.sent.entry(intent.id.to_string()).or_default() += 1;
            rig.journaled.extend(held.into_iter().filter(|one| one.id == intent.id));
        }
        match act {
            Send::RequestLost => Err(lost()),
            Send::Refused(kind) => Err(Error::new(kind).with_delivery(Delivery::Answered)),
            Send::AnswerLost => {
                self.venue.place(intent, &Gate::new()).await?;
                Err(lost())
            }
            Send::Late(after) => {
                let (venue, clock, intent) = (self.venue.clone(), Arc::clone(self.context.clock()), intent.clone());
                self.context.spawn().spawn(Box::pin(async move {
                    clock.sleep(after).await;
                    let _ = venue.place(&intent, &Gate::new()).await;
                }));
                Err(lost())
            }
            Send::Slow(wait) => {
                self.context.clock().sleep(wait).await;
                self.venue.place(intent, gate).await
            }
            Send::Answered | Send::Waits(_) | Send::NoConnection => self.venue.place(intent, gate).await,
        }
    }

    async fn trace(&self, intent: &Intent) -> Result<Vec<Order>> {
        let act = {
            let mut rig = self.rig();
            rig.looked_at.push(self.context.clock().elapsed());
            rig.looks.pop_front().unwrap_or(Look::Honest)
        };
        let mut found = self.venue.trace(intent).await?;
        match act {
            Look::Honest => {}
            Look::Fails => return Err(Error::new(ErrorKind::Unavailable).with_status(502)),
            Look::Two => found.extend(found.first().cloned().map(|twin| Order {
                id: "twin".into(),
                ..twin
            })),
            Look::Slow(wait) => self.context.clock().sleep(wait).await,
        }
        Ok(found)
    }

    async fn replace(&self, order: &OrderRef, change: &OrderChange, new: &Intent, gate: &Gate) -> Result<Order> {
        let act = self.rig().sends.pop_front().unwrap_or(Send::Answered);
        gate.pass()?;
        *self.rig().sent.entry(new.id.to_string()).or_default() += 1;
        match act {
            Send::RequestLost => Err(lost()),
            Send::AnswerLost => {
                self.venue.replace(order, change, new, gate).await?;
                Err(lost())
            }
            _ => self.venue.replace(order, change, new, gate).await,
        }
    }

    async fn cancel(&self, order: &OrderRef) -> Result<()> {
        let failure = self.rig().cancels.pop_front();
        match failure {
            Some(ErrorKind::Unavailable) => {
                self.venue.cancel(order).await?;
                Err(lost())
            }
            Some(kind) => Err(Error::new(kind).with_delivery(Delivery::Answered)),
            None => self.venue.cancel(order).await,
        }
    }

    async fn cancel_all(&self, account: &AccountId) -> Result<Vec<CancelOutcome>> {
        self.venue.cancel_all(account).await
    }
}
