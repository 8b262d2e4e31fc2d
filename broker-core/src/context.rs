//! What every broker holds of the core: clock, chance, tasks, wire, limits, journal.

use std::sync::Arc;

use crate::journal::{IntentJournal, MemoryJournal};
use crate::limit::Limiter;
use crate::placement::{Desk, PreTradeCheck};
use crate::seam::{Clock, Rng, Spawn, Transport};

/// One cloneable handle to everything outside of a broker's own words. Two brokers behind one address or with one
/// key share a context, and with it their limits.
#[derive(Debug, Clone)]
pub struct Context(Arc<Parts>);

#[derive(Debug, Clone)]
struct Parts {
    clock: Arc<dyn Clock>,
    rng: Arc<dyn Rng>,
    spawn: Arc<dyn Spawn>,
    transport: Arc<dyn Transport>,
    limiter: Limiter,
    journal: Arc<dyn IntentJournal>,
    checks: Vec<Arc<dyn PreTradeCheck>>,
    desk: Arc<Desk>,
}

impl Context {
    /// A context over these seams, with a journal in memory and no limits yet.
    pub fn new(clock: Arc<dyn Clock>, rng: Arc<dyn Rng>, spawn: Arc<dyn Spawn>, transport: Arc<dyn Transport>) -> Self {
        let limiter = Limiter::new(Arc::clone(&clock));
        let journal = Arc::new(MemoryJournal::default());
        Self(Arc::new(Parts {
            clock,
            rng,
            spawn,
            transport,
            limiter,
            journal,
            checks: Vec::new(),
            desk: Arc::default(),
        }))
    }

    /// The same context with another journal. All else stays shared.
    #[must_use]
    pub fn with_journal(&self, journal: Arc<dyn IntentJournal>) -> Self {
        Self(Arc::new(Parts {
            journal,
            ..(*self.0).clone()
        }))
    }

    /// The same context with one more check before each order, behind those it has. All else stays shared.
    #[must_use]
    pub fn with_check(&self, check: Arc<dyn PreTradeCheck>) -> Self {
        let mut parts = (*self.0).clone();
        parts.checks.push(check);
        Self(Arc::new(parts))
    }

    /// Time.
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.0.clock
    }

    /// Chance.
    pub fn rng(&self) -> &Arc<dyn Rng> {
        &self.0.rng
    }

    /// Tasks.
    pub fn spawn(&self) -> &Arc<dyn Spawn> {
        &self.0.spawn
    }

    /// The wire.
    pub fn transport(&self) -> &Arc<dyn Transport> {
        &self.0.transport
    }

    /// Limits.
    pub fn limiter(&self) -> &Limiter {
        &self.0.limiter
    }

    /// Intents.
    pub fn journal(&self) -> &Arc<dyn IntentJournal> {
        &self.0.journal
    }

    /// Checks before each order.
    pub fn checks(&self) -> &[Arc<dyn PreTradeCheck>] {
        &self.0.checks
    }

    pub(crate) fn desk(&self) -> &Arc<Desk> {
        &self.0.desk
    }
}
