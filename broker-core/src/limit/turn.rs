//! One at a time.

use std::collections::HashMap;
use std::fmt::{self, Debug};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Mutex as Line, OwnedMutexGuard};

/// Lines of those who go one after another, by key. A key that nobody uses takes no memory.
#[derive(Default)]
pub(super) struct Turns(Arc<Table>);

#[derive(Default)]
struct Table(Mutex<HashMap<Arc<str>, Arc<Line<()>>>>);

/// The turn of a key: the next in line gets it when this is dropped.
#[must_use = "the turn ends when this is dropped"]
pub struct Turn {
    // Dropped before the place, which clears the table behind the last one.
    _held: OwnedMutexGuard<()>,
    place: Place,
}

struct Place {
    table: Arc<Table>,
    key: Arc<str>,
    /// Given back under the table's lock.
    line: Option<Arc<Line<()>>>,
}

impl Turns {
    pub(super) async fn wait(&self, key: &Arc<str>) -> Turn {
        let line = Arc::clone(self.0.lines().entry(Arc::clone(key)).or_default());
        let place = Place {
            table: Arc::clone(&self.0),
            key: Arc::clone(key),
            line: Some(Arc::clone(&line)),
        };
        let held = line.lock_owned().await;
        Turn { _held: held, place }
    }
}

impl Table {
    fn lines(&self) -> MutexGuard<'_, HashMap<Arc<str>, Arc<Line<()>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut lines = self.table.lines();
        drop(self.line.take());
        // Places are made and given back under this lock only: without one, nobody stands in line.
        if lines.get(&self.key).is_some_and(|line| Arc::strong_count(line) == 1) {
            lines.remove(&self.key);
        }
    }
}

impl Debug for Turn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Turn({})", self.place.key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seam::VirtualRuntime;

    #[test]
    fn a_key_that_nobody_uses_takes_no_memory() {
        let turns = Turns::default();
        let key = Arc::from("account:instrument");
        VirtualRuntime::new().block_on(async {
            let first = turns.wait(&key).await;
            let mut second = Box::pin(turns.wait(&key));
            assert!(futures_util::poll!(&mut second).is_pending());
            drop(first);
            assert_eq!(turns.0.lines().len(), 1);
            drop(second);
            assert_eq!(turns.0.lines().len(), 0);
            drop(turns.wait(&key).await);
            assert_eq!(turns.0.lines().len(), 0);
        });
    }
}
