//! Calls that go one after another.

use std::collections::BTreeMap;
use std::fmt::{self, Debug};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::OwnedMutexGuard;

/// One queue a name, first come, first served.
#[derive(Default)]
pub(super) struct Turns(Mutex<BTreeMap<Arc<str>, Arc<tokio::sync::Mutex<()>>>>);

/// Held while it is our turn.
pub(super) type Turn = OwnedMutexGuard<()>;

impl Turns {
    /// Waits for the turn of this name.
    pub(super) async fn wait(&self, name: &Arc<str>) -> Turn {
        let queue = {
            let mut queues = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(queues.entry(Arc::clone(name)).or_default())
        };
        queue.lock_owned().await
    }
}

impl Debug for Turns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Turns")
    }
}
