//! Intents: orders that we decided to send, written down before the first byte leaves.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::error::{Delivery, Error, ErrorKind, Result};
use crate::id::{AccountId, BrokerId, ClientOrderId};
use crate::model::{Environment, Instrument, OrderChange, OrderRef, OrderRequest};

/// What a broker will need to trace an order whose answer is lost: a last transaction id, the server's time, known
/// orders. Text that the broker crate alone reads.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Mark(pub String);

/// An order request that we decided to send.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intent {
    /// Our id of the order.
    pub id: ClientOrderId,
    /// The broker.
    pub broker: BrokerId,
    /// Paper or live.
    pub environment: Environment,
    /// The account.
    pub account: AccountId,
    /// What to trade. Its instrument is named by the broker's key.
    pub request: OrderRequest,
    /// The instrument that the request names.
    #[serde(with = "shared")]
    pub instrument: Arc<Instrument>,
    /// The order that it changes; `None` for a new order.
    pub replaces: Option<Replacement>,
    /// When we decided.
    pub created_at: DateTime<Utc>,
    /// What tracing will need.
    pub mark: Option<Mark>,
}

/// The order that an intent changes, and how.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replacement {
    /// The order as it is.
    pub order: OrderRef,
    /// What changes.
    pub change: OrderChange,
}

/// Instruments are shared by the intents for them; each is written in full.
mod shared {
    use std::sync::Arc;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use crate::model::Instrument;

    pub(super) fn serialize<S: Serializer>(instrument: &Arc<Instrument>, serializer: S) -> Result<S::Ok, S::Error> {
        (**instrument).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Arc<Instrument>, D::Error> {
        Instrument::deserialize(deserializer).map(Arc::new)
    }
}

/// Asked by the pipeline after permit and signature, just before the first byte: may it leave?
///
/// The side that waits for the order closes the gate when it is dropped; whichever of the two comes first decides.
#[derive(Debug, Clone, Default)]
pub struct Gate(Arc<AtomicU8>);

const WAITING: u8 = 0;
const PASSED: u8 = 1;
const CLOSED: u8 = 2;

impl Gate {
    /// A gate that nobody has passed or closed.
    pub fn new() -> Self {
        Self::default()
    }

    /// Passes the gate. `Err` with [`Delivery::NotSent`] once it is closed.
    pub fn pass(&self) -> Result<()> {
        match self
            .0
            .compare_exchange(WAITING, PASSED, Ordering::AcqRel, Ordering::Acquire)
        {
            Ok(_) | Err(PASSED) => Ok(()),
            Err(_) => Err(given_up()),
        }
    }

    /// Whether it is still worth going on: `Err` once it is closed. Passes nothing.
    pub fn check(&self) -> Result<()> {
        match self.0.load(Ordering::Acquire) {
            CLOSED => Err(given_up()),
            _ => Ok(()),
        }
    }

    /// Closes the gate. False when it was already passed: the request may be on its way.
    pub fn close(&self) -> bool {
        !matches!(
            self.0
                .compare_exchange(WAITING, CLOSED, Ordering::AcqRel, Ordering::Acquire),
            Err(PASSED)
        )
    }

    /// Whether it was passed.
    pub fn is_passed(&self) -> bool {
        self.0.load(Ordering::Acquire) == PASSED
    }
}

fn given_up() -> Error {
    Error::new(ErrorKind::Unknown)
        .with_delivery(Delivery::NotSent)
        .with_message("given up before the first byte was sent")
}

/// Where intents are written down. Only a stored journal survives a crash.
#[async_trait]
pub trait IntentJournal: Debug + Send + Sync + 'static {
    /// Writes an intent down, in place of one with the same id. Nothing is sent before this has returned.
    async fn open(&self, intent: &Intent) -> Result<()>;

    /// The intent is settled and needs no recovery.
    async fn close(&self, broker: &BrokerId, id: &ClientOrderId) -> Result<()>;

    /// All intents of a broker that are not settled, oldest first.
    async fn unsettled(&self, broker: &BrokerId) -> Result<Vec<Intent>>;

    /// Whether an intent with this id is not settled.
    async fn is_open(&self, broker: &BrokerId, id: &ClientOrderId) -> Result<bool> {
        Ok(self.unsettled(broker).await?.iter().any(|intent| intent.id == *id))
    }
}

/// Intents in memory: lost with the process.
#[derive(Debug, Default)]
pub struct MemoryJournal {
    // Boxed: a node of the tree has room for eleven, and an intent has several hundred bytes.
    intents: Mutex<BTreeMap<(BrokerId, ClientOrderId), Box<Intent>>>,
}

#[async_trait]
impl IntentJournal for MemoryJournal {
    async fn open(&self, intent: &Intent) -> Result<()> {
        let mut intents = self.intents.lock().unwrap_or_else(PoisonError::into_inner);
        intents.insert((intent.broker.clone(), intent.id.clone()), Box::new(intent.clone()));
        Ok(())
    }

    async fn close(&self, broker: &BrokerId, id: &ClientOrderId) -> Result<()> {
        let mut intents = self.intents.lock().unwrap_or_else(PoisonError::into_inner);
        intents.remove(&(broker.clone(), id.clone()));
        Ok(())
    }

    async fn unsettled(&self, broker: &BrokerId) -> Result<Vec<Intent>> {
        let intents = self.intents.lock().unwrap_or_else(PoisonError::into_inner);
        let mut open: Vec<_> = intents
            .values()
            .filter(|intent| intent.broker == *broker)
            .map(|intent| Intent::clone(intent))
            .collect();
        open.sort_by(|a, b| (a.created_at, &a.id).cmp(&(b.created_at, &b.id)));
        Ok(open)
    }

    async fn is_open(&self, broker: &BrokerId, id: &ClientOrderId) -> Result<bool> {
        let intents = self.intents.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(intents.contains_key(&(broker.clone(), id.clone())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_comes_first_at_the_gate_decides() {
        let gate = Gate::new();
        assert!(gate.pass().is_ok() && gate.is_passed());
        assert!(!gate.close(), "passed gates stay open");
        assert!(gate.pass().is_ok());

        let gate = Gate::new();
        assert!(gate.close() && gate.close());
        assert_eq!(gate.pass().unwrap_err().delivery(), Delivery::NotSent);
    }
}
