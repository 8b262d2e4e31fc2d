//! New connections as something that a venue limits.

use std::fmt::{self, Debug};
use std::sync::Arc;

use super::{BucketKey, Cost, Lane, Limiter, Permit};
use crate::error::Result;

/// What a new connection pays to, where a venue counts connections.
///
/// Whether a request opens one is known only to the [`Transport`](crate::seam::Transport) that keeps them: it asks
/// here before it connects, and holds the permit until the connection stands or has failed.
#[derive(Clone)]
pub struct ConnectLimit {
    limiter: Limiter,
    bucket: BucketKey,
}

impl ConnectLimit {
    /// New connections pay one to this bucket of the limiter.
    pub fn new(limiter: &Limiter, bucket: &BucketKey) -> Self {
        Self {
            limiter: limiter.clone(),
            bucket: Arc::clone(bucket),
        }
    }

    /// The bucket: a call that always opens a connection of its own pays to it among its costs, and waits before its
    /// time-out begins.
    pub fn bucket(&self) -> &BucketKey {
        &self.bucket
    }

    /// Waits until one more connection may be opened.
    ///
    /// # Errors
    /// [`Config`](crate::ErrorKind::Config) when the bucket is not defined.
    pub async fn acquire(&self) -> Result<Permit> {
        let cost = [Cost {
            bucket: Arc::clone(&self.bucket),
            weight: 1,
        }];
        self.limiter.acquire(&cost, Lane::Read).await
    }
}

/// Two are one when a connection of one counts at the other.
impl PartialEq for ConnectLimit {
    fn eq(&self, other: &Self) -> bool {
        self.bucket == other.bucket && self.limiter.is_same(&other.limiter)
    }
}

impl Debug for ConnectLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ConnectLimit({})", self.bucket)
    }
}
