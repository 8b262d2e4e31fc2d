//! A journal that fails once.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use broker_core::{BrokerId, ClientOrderId, Error, ErrorKind, Intent, IntentJournal, Result};

/// Fails at the call of this number, counted from 1, and writes nothing then.
#[derive(Debug)]
pub(super) struct Failing {
    kept: Arc<dyn IntentJournal>,
    fails_at: u64,
    calls: AtomicU64,
}

impl Failing {
    pub(super) fn new(kept: Arc<dyn IntentJournal>, fails_at: u64) -> Self {
        Self {
            kept,
            fails_at,
            calls: AtomicU64::new(0),
        }
    }

    /// Whether it failed by now.
    pub(super) fn has_failed(&self) -> bool {
        self.calls.load(Ordering::Relaxed) >= self.fails_at
    }

    fn call(&self) -> Result<()> {
        if self.calls.fetch_add(1, Ordering::Relaxed) + 1 == self.fails_at {
            return Err(Error::new(ErrorKind::Unknown).with_message("the disk is full"));
        }
        Ok(())
    }
}

#[async_trait]
impl IntentJournal for Failing {
    async fn open(&self, intent: &Intent) -> Result<()> {
        self.call()?;
        self.kept.open(intent).await
    }

    async fn close(&self, broker: &BrokerId, id: &ClientOrderId) -> Result<()> {
        self.call()?;
        self.kept.close(broker, id).await
    }

    async fn unsettled(&self, broker: &BrokerId) -> Result<Vec<Intent>> {
        self.call()?;
        self.kept.unsettled(broker).await
    }
}
