//! The paper venue with pages as a difficult broker would give them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use broker_core::capability::Capabilities;
use broker_core::model::Environment;
use broker_core::*;
use broker_sim::SimBroker;

/// What is difficult.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Script {
    /// This call of history fails.
    FailsAt(u32),
    /// Every page names the same next one.
    CursorStandsStill,
    /// From this call of history on, so many answers are "ask again in 30 seconds".
    NotYet { at: u32, times: u32 },
    /// Each page repeats its last row and its first.
    RepeatsBorders,
    /// Positions and instruments cannot be asked.
    RecordsAlone,
}

#[derive(Debug, Clone)]
pub(crate) struct Scripted {
    venue: SimBroker,
    script: Script,
    calls: Arc<AtomicU32>,
}

impl Scripted {
    pub(crate) fn over(venue: &SimBroker, script: Script) -> Self {
        Self {
            venue: venue.clone(),
            script,
            calls: Arc::default(),
        }
    }

    fn repeat<T: Clone>(&self, page: &mut Page<T>) {
        if self.script == Script::RepeatsBorders {
            page.rows.extend(page.rows.first().cloned());
            page.rows.extend(page.rows.last().cloned());
        }
    }
}

#[async_trait]
impl Broker for Scripted {
    fn id(&self) -> BrokerId {
        self.venue.id()
    }

    fn environment(&self) -> Environment {
        self.venue.environment()
    }

    fn capabilities(&self) -> &Capabilities {
        self.venue.capabilities()
    }

    fn context(&self) -> &Context {
        self.venue.context()
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
        match self.script {
            Script::RecordsAlone => Err(Error::unsupported("positions")),
            _ => self.venue.positions(account).await,
        }
    }

    async fn instruments(&self, query: &InstrumentQuery) -> Result<Vec<Instrument>> {
        match self.script {
            Script::RecordsAlone => Err(Error::unsupported("instruments")),
            _ => self.venue.instruments(query).await,
        }
    }

    async fn order(&self, order: &OrderRef) -> Result<Order> {
        self.venue.order(order).await
    }

    async fn orders(&self, query: &OrderQuery, from: Option<&Cursor>) -> Result<Page<Order>> {
        let mut page = self.venue.orders(query, from).await?;
        self.repeat(&mut page);
        Ok(page)
    }

    async fn history(&self, query: &HistoryQuery, from: Option<&Cursor>) -> Result<Page<Record>> {
        let call = self.calls.fetch_add(1, Ordering::Relaxed) + 1;
        match self.script {
            Script::FailsAt(failing) if call == failing => {
                return Err(Error::new(ErrorKind::Unavailable).with_status(503));
            }
            // The cursor is not repeated: there is nothing new to say about where to go on.
            Script::NotYet { at, times } if call >= at && call - at < times => {
                return Ok(Page {
                    wait: Some(Duration::from_secs(30)),
                    proof: Proof::Nothing,
                    ..Page::whole(Vec::new())
                });
            }
            _ => {}
        }
        let mut page = self.venue.history(query, from).await?;
        self.repeat(&mut page);
        if self.script == Script::CursorStandsStill {
            page.next = Some(Cursor::from_text("1:0"));
        }
        Ok(page)
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
