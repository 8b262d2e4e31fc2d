//! A wire that is a function.

use std::fmt::{self, Debug};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream;

use super::{Answer, Carrier, OpenRequest, Request, Transport};
use crate::error::{Error, Result};

/// What a [`MemoryTransport`] asks for each request.
type Handler = dyn Fn(&http::Request<Bytes>) -> Result<http::Response<Bytes>> + Send + Sync;

/// A transport in memory: each request goes to a function, at once. It opens no carriers.
///
/// ```
/// use broker_core::seam::MemoryTransport;
/// let transport = MemoryTransport::new(|request| {
///     assert_eq!(request.uri().path(), "/v2/clock");
///     Ok(http::Response::new("{}".into()))
/// });
/// # let _ = transport;
/// ```
pub struct MemoryTransport {
    handler: Box<Handler>,
}

impl MemoryTransport {
    /// A transport that answers with this function.
    pub fn new(
        handler: impl Fn(&http::Request<Bytes>) -> Result<http::Response<Bytes>> + Send + Sync + 'static,
    ) -> Self {
        Self {
            handler: Box::new(handler),
        }
    }
}

impl Debug for MemoryTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MemoryTransport")
    }
}

#[async_trait]
impl Transport for MemoryTransport {
    async fn send(&self, request: Request) -> Result<Answer> {
        let (head, body) = (self.handler)(&request.http)?.into_parts();
        let pieces = stream::iter((!body.is_empty()).then_some(Ok(body)));
        Ok(Answer {
            http: http::Response::from_parts(head, Box::pin(pieces)),
        })
    }

    async fn open(&self, _request: OpenRequest) -> Result<Box<dyn Carrier>> {
        Err(Error::unsupported("a transport in memory opens no carriers"))
    }
}
