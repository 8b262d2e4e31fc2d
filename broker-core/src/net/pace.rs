//! New connections no faster than the venue permits.

use std::error::Error as StdError;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tower_layer::Layer;
use tower_service::Service;

use super::carrier::within;
use crate::limit::ConnectLimit;

/// Puts a wait before each connection of a pool. A request that waits here takes a connection that another gives back
/// meanwhile.
#[derive(Clone)]
pub(super) struct Pace {
    pub(super) limit: ConnectLimit,
    /// For the connection alone: the pool's own time-out would count the wait too.
    pub(super) timeout: Duration,
}

#[derive(Clone)]
pub(super) struct Paced<S> {
    pace: Pace,
    inner: S,
}

type Boxed = Box<dyn StdError + Send + Sync>;

impl<S> Layer<S> for Pace {
    type Service = Paced<S>;

    fn layer(&self, inner: S) -> Paced<S> {
        let pace = self.clone();
        Paced { pace, inner }
    }
}

impl<S, R> Service<R> for Paced<S>
where
    S: Service<R, Error = Boxed> + Clone + Send + 'static,
    S::Future: Send,
    R: Send + 'static,
{
    type Response = S::Response;
    type Error = Boxed;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, Boxed>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Boxed>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, to: R) -> Self::Future {
        // The one that was polled ready is the one to call.
        let clone = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, clone);
        let Pace { limit, timeout } = self.pace.clone();
        Box::pin(async move {
            let permit = limit.acquire().await?;
            let made = within(timeout, inner.call(to)).await;
            permit.finish(&[]);
            made.unwrap_or_else(|| Err("no connection in time".into()))
        })
    }
}
