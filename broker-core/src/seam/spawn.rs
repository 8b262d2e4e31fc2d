//! Tasks.

use std::fmt::Debug;

use super::BoxFuture;

/// Starts tasks that outlive the call that started them.
pub trait Spawn: Debug + Send + Sync + 'static {
    /// Starts the task; it runs to its end whatever becomes of the caller.
    fn spawn(&self, task: BoxFuture<'static, ()>);
}

/// Tasks on the tokio runtime that is current when [`Spawn::spawn`] is called. Feature `http`.
#[cfg(feature = "http")]
#[derive(Debug, Clone, Copy, Default)]
pub struct TokioSpawn;

#[cfg(feature = "http")]
impl Spawn for TokioSpawn {
    #[allow(clippy::disallowed_methods, reason = "the one place that starts tokio tasks")]
    fn spawn(&self, task: BoxFuture<'static, ()>) {
        tokio::spawn(task);
    }
}
