//! A journal in memory that remembers all that was ever written down.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;

use async_trait::async_trait;
use broker_core::journal::MemoryJournal;
use broker_core::{BrokerId, ClientOrderId, Intent, IntentJournal, Result};

/// Outlives processes, as a stored journal does.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    kept: MemoryJournal,
    ever: Mutex<BTreeMap<ClientOrderId, bool>>,
}

impl Ledger {
    pub(crate) fn new() -> Arc<Self> {
        Arc::default()
    }

    /// Every intent that was written down, and whether it is a replacement.
    pub(crate) fn ever(&self) -> MutexGuard<'_, BTreeMap<ClientOrderId, bool>> {
        self.ever.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl IntentJournal for Ledger {
    async fn open(&self, intent: &Intent) -> Result<()> {
        pause().await;
        self.ever().insert(intent.id.clone(), intent.replaces.is_some());
        self.kept.open(intent).await?;
        pause().await;
        Ok(())
    }

    async fn close(&self, broker: &BrokerId, id: &ClientOrderId) -> Result<()> {
        pause().await;
        self.kept.close(broker, id).await?;
        pause().await;
        Ok(())
    }

    async fn unsettled(&self, broker: &BrokerId) -> Result<Vec<Intent>> {
        pause().await;
        self.kept.unsettled(broker).await
    }

    async fn is_open(&self, broker: &BrokerId, id: &ClientOrderId) -> Result<bool> {
        pause().await;
        self.kept.is_open(broker, id).await
    }
}

/// A disk takes its time: others run meanwhile, and processes end before and after the row is written.
async fn pause() {
    let mut paused = false;
    poll_fn(|context| {
        if paused {
            return Poll::Ready(());
        }
        paused = true;
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
