//! A store that counts the rows that are read from it, and can hide what came late.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use broker_core::model::Instrument;
use broker_core::pnl::ClosedTrade;
use broker_core::{InstrumentId, OrderId, Result};
use broker_sync::{
    Conclusion, FoldHead, FoldWrite, KnownOrder, MemoryStore, PageWrite, RawPage, Scope, Select, Snapshot, Span, Store,
    StoredRow, SyncReport, SyncState, Written,
};
use chrono::{DateTime, Utc};

/// Counts rows and trades that are read.
#[derive(Debug)]
pub(crate) struct Counted {
    inner: Arc<dyn Store>,
    rows: AtomicU64,
    trades: AtomicU64,
    /// Shows no row for being new: a fold then goes on from its last mark, whatever came late.
    looks_away: bool,
}

impl Counted {
    pub(crate) fn new(inner: Arc<dyn Store>) -> Self {
        Self {
            inner,
            rows: AtomicU64::new(0),
            trades: AtomicU64::new(0),
            looks_away: false,
        }
    }

    pub(crate) fn looking_away() -> Self {
        Self {
            looks_away: true,
            ..Self::new(Arc::new(MemoryStore::new()))
        }
    }

    /// Rows and trades that were read since the last time that somebody asked.
    pub(crate) fn take(&self) -> (u64, u64) {
        (
            self.rows.swap(0, Ordering::Relaxed),
            self.trades.swap(0, Ordering::Relaxed),
        )
    }

    fn count(&self, rows: Vec<StoredRow>) -> Vec<StoredRow> {
        let read = u64::try_from(rows.len()).unwrap();
        self.rows.fetch_add(read, Ordering::Relaxed);
        rows
    }
}

#[async_trait]
impl Store for Counted {
    async fn scopes(&self) -> Result<Vec<Scope>> {
        self.inner.scopes().await
    }

    async fn progress(&self, scope: &Scope) -> Result<SyncState> {
        self.inner.progress(scope).await
    }

    async fn commit(&self, scope: &Scope, page: PageWrite) -> Result<Written> {
        self.inner.commit(scope, page).await
    }

    async fn conclude(&self, scope: &Scope, conclusion: Conclusion) -> Result<()> {
        self.inner.conclude(scope, conclusion).await
    }

    async fn rows(&self, scope: &Scope, span: Option<Span>) -> Result<Vec<StoredRow>> {
        Ok(self.count(self.inner.rows(scope, span).await?))
    }

    async fn raw_page(&self, scope: &Scope, after: u64) -> Result<Option<RawPage>> {
        self.inner.raw_page(scope, after).await
    }

    async fn select(&self, scope: &Scope, which: Select<'_>, span: Option<Span>) -> Result<Vec<StoredRow>> {
        if self.looks_away && !matches!(which, Select::All) {
            return Ok(Vec::new());
        }
        Ok(self.count(self.inner.select(scope, which, span).await?))
    }

    async fn snapshot(&self, scope: &Scope) -> Result<Snapshot> {
        let snapshot = self.inner.snapshot(scope).await?;
        Ok(Snapshot {
            rows: self.count(snapshot.rows),
            ..snapshot
        })
    }

    async fn instruments(&self, scope: &Scope, ids: &[InstrumentId]) -> Result<BTreeMap<InstrumentId, Instrument>> {
        self.inner.instruments(scope, ids).await
    }

    async fn keep_instruments(&self, scope: &Scope, instruments: &[Instrument]) -> Result<()> {
        self.inner.keep_instruments(scope, instruments).await
    }

    async fn orders(&self, scope: &Scope) -> Result<Vec<KnownOrder>> {
        self.inner.orders(scope).await
    }

    async fn doubtful_orders(&self, scope: &Scope) -> Result<Vec<KnownOrder>> {
        self.inner.doubtful_orders(scope).await
    }

    async fn known_orders(&self, scope: &Scope, ids: &[OrderId]) -> Result<Vec<KnownOrder>> {
        self.inner.known_orders(scope, ids).await
    }

    async fn reports(&self, scope: &Scope) -> Result<Vec<SyncReport>> {
        self.inner.reports(scope).await
    }

    async fn folded(&self, scope: &Scope, name: &str) -> Result<FoldHead> {
        self.inner.folded(scope, name).await
    }

    async fn mark(&self, scope: &Scope, name: &str, at: DateTime<Utc>) -> Result<Option<String>> {
        self.inner.mark(scope, name, at).await
    }

    async fn closed_trades(&self, scope: &Scope, name: &str, span: Option<Span>) -> Result<Vec<ClosedTrade>> {
        let trades = self.inner.closed_trades(scope, name, span).await?;
        let read = u64::try_from(trades.len()).unwrap();
        self.trades.fetch_add(read, Ordering::Relaxed);
        Ok(trades)
    }

    async fn keep_folded(&self, scope: &Scope, write: FoldWrite) -> Result<()> {
        self.inner.keep_folded(scope, write).await
    }
}
