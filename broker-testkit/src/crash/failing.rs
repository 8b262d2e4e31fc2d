//! A journal that fails once.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use async_trait::async_trait;
use broker_core::{BrokerId, ClientOrderId, Error, ErrorKind, Intent, IntentJournal, Result};

/// Fails once after so many calls, and writes nothing then.
#[derive(Debug)]
pub(super) struct Failing {
    kept: Arc<dyn IntentJournal>,
    /// Calls until it fails; below zero it has.
    left: AtomicI64,
}

impl Failing {
    /// One that works.
    pub(super) fn new(kept: Arc<dyn IntentJournal>) -> Self {
        Self {
            kept,
            left: AtomicI64::new(i64::MAX),
        }
    }

    /// From now on so many calls work, and then one does not.
    pub(super) fn fail_at(&self, call: u64) {
        self.left
            .store(i64::try_from(call).unwrap_or(i64::MAX), Ordering::Relaxed);
    }

    /// Whether it failed by now.
    pub(super) fn has_failed(&self) -> bool {
        self.left.load(Ordering::Relaxed) < 0
    }

    fn call(&self) -> Result<()> {
        match self.left.fetch_sub(1, Ordering::Relaxed) {
            0 => Err(Error::new(ErrorKind::Unknown).with_message("the disk is full")),
            _ => Ok(()),
        }
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
