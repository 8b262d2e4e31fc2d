//! The sync of one account.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use broker_core::model::{Account, History};
use broker_core::seam::Clock;
use broker_core::span::Span;
use broker_core::{AccountId, Broker, Error, ErrorKind, InstrumentId, Result};
use chrono::{DateTime, Utc};

use crate::check::Outcome;
use crate::history::StoreExt;
use crate::planner::{Asked, Planner};
use crate::progress::ProgressSink;
use crate::report::SyncReport;
use crate::run::Run;
use crate::state::Scope;
use crate::store::Store;
use crate::windows::Windows;

/// Reads what happened to an account into a store, and certifies it.
///
/// [`sync`](Self::sync) first ends a window that an earlier run left behind, from its stored cursor. Then it reads
/// from a little before the last end to now: rows can still be booked or corrected for as long as the broker's
/// capabilities say. The first sync reads 90 days unless told otherwise. Then it compares orders with their fills,
/// and positions with the records. When something does not agree, the account may be trading: the end of the window
/// is read again, and the check with it, a few times before a difference is reported.
///
/// A sync that fails or is dropped anywhere leaves a store from which the next one goes on; the result is the same
/// set of rows.
#[derive(Clone)]
pub struct Syncer {
    pub(crate) broker: Arc<dyn Broker>,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) start: Start,
    pub(crate) instruments: Option<Vec<InstrumentId>>,
    pub(crate) raw: bool,
    pub(crate) sink: Option<Arc<dyn ProgressSink>>,
}

/// How far back a sync goes.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Start {
    Days(u32),
    At(DateTime<Utc>),
    Everything,
}

/// How often the checks are made again on an account that moves.
const CHECKS: u32 = 3;

impl Syncer {
    /// A syncer that goes back 90 days.
    pub fn new(broker: Arc<dyn Broker>, store: Arc<dyn Store>) -> Self {
        Self {
            broker,
            store,
            start: Start::Days(90),
            instruments: None,
            raw: false,
            sink: None,
        }
    }

    /// Goes back this many days from the day of each sync. Older days that were stored before stay.
    #[must_use]
    pub fn with_days(mut self, days: u32) -> Self {
        self.start = Start::Days(days);
        self
    }

    /// Goes back to this moment.
    #[must_use]
    pub fn with_since(mut self, since: DateTime<Utc>) -> Self {
        self.start = Start::At(since);
        self
    }

    /// Goes back to the account's opening, or as far as the broker can.
    #[must_use]
    pub fn with_everything(mut self) -> Self {
        self.start = Start::Everything;
        self
    }

    /// All instruments that the account ever traded, for brokers that keep history by instrument. Without it those
    /// are asked that the account holds or the store knows, and the report cannot vouch for the rest.
    #[must_use]
    pub fn with_instruments(mut self, instruments: Vec<InstrumentId>) -> Self {
        self.instruments = Some(instruments);
        self
    }

    /// Keeps the text of each page beside its rows.
    #[must_use]
    pub fn with_raw(mut self) -> Self {
        self.raw = true;
        self
    }

    /// Tells the sink how far it is, after each page.
    #[must_use]
    pub fn with_progress(mut self, sink: Arc<dyn ProgressSink>) -> Self {
        self.sink = Some(sink);
        self
    }

    /// Brings the store up to date with the broker, and reports what can be vouched for.
    ///
    /// # Errors
    /// Any error of the broker or the store ends the sync. Pages that were stored stay, and the next call goes on
    /// behind them. `Unavailable` from the operation `store`: another sync of the same account is running.
    pub async fn sync(&self, account: &AccountId) -> Result<SyncReport> {
        self.sync_again(account, Vec::new()).await
    }

    /// The same, with these spans read again besides.
    pub(crate) async fn sync_again(&self, account: &AccountId, spans: Vec<Span>) -> Result<SyncReport> {
        let began = self.clock().elapsed();
        let account = self.account(account).await?;
        let mut run = Run::begin(self, account, began).await?;
        run.read().await?;
        run.state.unproven.extend(spans);
        run.plan().await?;
        run.read().await?;
        let mut outcome: Outcome = run.check().await?;
        for attempt in 1..CHECKS {
            if outcome.agrees() {
                break;
            }
            self.clock().sleep(Duration::from_secs(attempt.into())).await;
            run.extend();
            run.read().await?;
            outcome = run.check().await?;
        }
        run.conclude(outcome).await
    }

    /// What a sync of the account will take: how many requests, how long, how far back. Reads the store and the
    /// broker's facts, and asks the broker nothing.
    ///
    /// # Errors
    /// Any error of the store.
    pub async fn planner(&self, account: &AccountId) -> Result<Planner> {
        let scope = self.scope(account);
        let state = self.store.progress(&scope).await?;
        let facts = &self.broker.capabilities().history;
        let windows = Windows {
            start: self.start,
            facts,
            opened_at: None,
            state: &state,
        };
        let now = self.clock().now();
        let instruments: Vec<Option<InstrumentId>> = match &self.instruments {
            _ if !facts.by_instrument => vec![None],
            Some(named) => named.iter().cloned().map(Some).collect(),
            None => state.instruments.keys().cloned().map(Some).collect(),
        };
        let resumed = state.reading.is_some();
        let left = state
            .reading
            .iter()
            .flat_map(|reading| &reading.parts)
            .filter(|part| !part.done);
        let mut parts: Vec<Span> = left
            .map(|part| Span::new(part.proof.reached(), part.span.until))
            .collect();
        let spans = instruments.iter().map(|one| windows.spans(now, one.as_ref(), resumed));
        parts.extend(spans.flatten());
        let first = parts.iter().map(|part| part.since).min();
        let asked = Asked {
            wanted: Span::new(windows.wanted_since(now), now),
            reach: windows.reach(now),
            orders: Span::new(first.unwrap_or(now), now),
            parts,
            instruments: u64::try_from(instruments.len()).unwrap_or(u64::MAX),
            instruments_are_named: self.instruments.is_some(),
        };
        Ok(Planner::new(self.broker.as_ref(), asked))
    }

    /// What the store holds of an account, for the books: records folded, instruments, opening positions.
    ///
    /// # Errors
    /// `NotFound` when it was never synced.
    pub async fn history(&self, account: &AccountId) -> Result<History> {
        self.store.history(&self.scope(account)).await
    }

    pub(crate) fn scope(&self, account: &AccountId) -> Scope {
        Scope {
            broker: self.broker.id(),
            environment: self.broker.environment(),
            account: account.clone(),
        }
    }

    pub(crate) async fn account(&self, id: &AccountId) -> Result<Account> {
        let accounts = self.broker.accounts().await?;
        accounts.into_iter().find(|account| account.id == *id).ok_or_else(|| {
            Error::new(ErrorKind::NotFound)
                .with_broker(self.broker.id())
                .with_operation("sync")
                .with_message(format!("the key sees no account {id}"))
                .with_help("take the id from the broker's accounts(), or use the key of that account")
        })
    }

    pub(crate) fn clock(&self) -> &Arc<dyn Clock> {
        self.broker.context().clock()
    }
}

impl fmt::Debug for Syncer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Syncer")
            .field("broker", &self.broker.id())
            .field("store", &self.store)
            .field("start", &self.start)
            .finish_non_exhaustive()
    }
}
