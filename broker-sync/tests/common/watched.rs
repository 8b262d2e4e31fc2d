//! A store with a place to stop at before and after each of its calls, and futures that are dropped half way.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use async_trait::async_trait;
use broker_core::model::Instrument;
use broker_core::pnl::ClosedTrade;
use broker_core::seam::{Clock, VirtualClock};
use broker_core::{InstrumentId, OrderId, Result};
use broker_sync::{
    Conclusion, FoldHead, FoldWrite, KnownOrder, PageWrite, RawPage, Scope, Select, Snapshot, Span, Store, StoredRow,
    SyncReport, SyncState, Written,
};
use chrono::{DateTime, Utc};

/// Gives up after some polls: what a kill looks like from inside.
pub struct Killed<F> {
    future: Pin<Box<F>>,
    polls_left: u32,
}

impl<F> Killed<F> {
    pub fn after(polls: u32, future: F) -> Self {
        Self {
            future: Box::pin(future),
            polls_left: polls,
        }
    }
}

impl<F: Future> Future for Killed<F> {
    type Output = Option<F::Output>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if self.polls_left == 0 {
            return Poll::Ready(None);
        }
        self.polls_left -= 1;
        self.future.as_mut().poll(context).map(Some)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    Read,
    Write,
}

/// What happens around the calls of a store.
#[async_trait]
pub trait Around: Debug + Send + Sync + 'static {
    async fn before(&self, call: Call);
    async fn after(&self, call: Call);
}

/// Each call takes a moment before it and one behind it.
#[derive(Debug)]
pub struct Slow(pub VirtualClock);

#[async_trait]
impl Around for Slow {
    async fn before(&self, _: Call) {
        self.0.sleep(Duration::from_millis(1)).await;
    }

    async fn after(&self, _: Call) {
        self.0.sleep(Duration::from_millis(1)).await;
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Commits {
    AtOnce,
    /// The planted mistake: the cursor first, the rows in a second transaction.
    CursorFirst,
}

#[derive(Debug)]
pub struct Watched {
    pub inner: Arc<dyn Store>,
    pub around: Arc<dyn Around>,
    pub commits: Commits,
}

impl Watched {
    async fn read<T>(&self, call: impl Future<Output = T>) -> T {
        self.call(Call::Read, call).await
    }

    async fn write<T>(&self, call: impl Future<Output = T>) -> T {
        self.call(Call::Write, call).await
    }

    async fn call<T>(&self, kind: Call, call: impl Future<Output = T>) -> T {
        self.around.before(kind).await;
        let done = call.await;
        self.around.after(kind).await;
        done
    }
}

#[async_trait]
impl Store for Watched {
    async fn scopes(&self) -> Result<Vec<Scope>> {
        self.read(self.inner.scopes()).await
    }

    async fn progress(&self, scope: &Scope) -> Result<SyncState> {
        self.read(self.inner.progress(scope)).await
    }

    async fn commit(&self, scope: &Scope, page: PageWrite) -> Result<Written> {
        if self.commits == Commits::AtOnce {
            return self.write(self.inner.commit(scope, page)).await;
        }
        let mut page = page;
        page.state.revision = self.inner.progress(scope).await?.revision;
        let cursor = PageWrite {
            rows: Vec::new(),
            ..page.clone()
        };
        self.write(self.inner.commit(scope, cursor)).await?;
        page.state = self.inner.progress(scope).await?;
        self.write(self.inner.commit(scope, page)).await
    }

    async fn conclude(&self, scope: &Scope, mut conclusion: Conclusion) -> Result<()> {
        if self.commits == Commits::CursorFirst {
            conclusion.state.revision = self.inner.progress(scope).await?.revision;
        }
        self.write(self.inner.conclude(scope, conclusion)).await
    }

    async fn rows(&self, scope: &Scope, span: Option<Span>) -> Result<Vec<StoredRow>> {
        self.read(self.inner.rows(scope, span)).await
    }

    async fn raw_page(&self, scope: &Scope, after: u64) -> Result<Option<RawPage>> {
        self.read(self.inner.raw_page(scope, after)).await
    }

    async fn snapshot(&self, scope: &Scope) -> Result<Snapshot> {
        self.read(self.inner.snapshot(scope)).await
    }

    async fn instruments(&self, scope: &Scope, ids: &[InstrumentId]) -> Result<BTreeMap<InstrumentId, Instrument>> {
        self.read(self.inner.instruments(scope, ids)).await
    }

    async fn keep_instruments(&self, scope: &Scope, instruments: &[Instrument]) -> Result<()> {
        self.write(self.inner.keep_instruments(scope, instruments)).await
    }

    async fn orders(&self, scope: &Scope) -> Result<Vec<KnownOrder>> {
        self.read(self.inner.orders(scope)).await
    }

    async fn doubtful_orders(&self, scope: &Scope) -> Result<Vec<KnownOrder>> {
        self.read(self.inner.doubtful_orders(scope)).await
    }

    async fn known_orders(&self, scope: &Scope, ids: &[OrderId]) -> Result<Vec<KnownOrder>> {
        self.read(self.inner.known_orders(scope, ids)).await
    }

    async fn reports(&self, scope: &Scope) -> Result<Vec<SyncReport>> {
        self.read(self.inner.reports(scope)).await
    }

    async fn select(&self, scope: &Scope, which: Select<'_>, span: Option<Span>) -> Result<Vec<StoredRow>> {
        self.read(self.inner.select(scope, which, span)).await
    }

    async fn folded(&self, scope: &Scope, name: &str) -> Result<FoldHead> {
        self.read(self.inner.folded(scope, name)).await
    }

    async fn mark(&self, scope: &Scope, name: &str, at: DateTime<Utc>) -> Result<Option<String>> {
        self.read(self.inner.mark(scope, name, at)).await
    }

    async fn closed_trades(&self, scope: &Scope, name: &str, span: Option<Span>) -> Result<Vec<ClosedTrade>> {
        self.read(self.inner.closed_trades(scope, name, span)).await
    }

    async fn keep_folded(&self, scope: &Scope, write: FoldWrite) -> Result<()> {
        self.write(self.inner.keep_folded(scope, write)).await
    }
}
