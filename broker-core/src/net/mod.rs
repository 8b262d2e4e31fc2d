//! The network: the one [`Transport`](crate::seam::Transport) that opens sockets.
//!
//! [`network`] gives the context that a program against real brokers uses. It is built once a process, for its
//! clones share connections, limits and journal.
//!
//! What is promised here and tested against a hostile server: no redirect is followed, no `Referer` is sent, nothing
//! is sent twice, no proxy is taken from the environment, bodies come in pieces so that their reader can stop, TLS has
//! an explicit provider and the system's roots, and no error holds a path, a query or a header.
//!
//! One thing is out of its hands: at level `TRACE` the WebSocket library writes upgrade requests and frames, sign-in
//! messages too, to the `log` facade. Who collects `log` records keeps the target `tungstenite` below that level.

mod carrier;
mod client;
mod pace;
mod tls;
#[cfg(feature = "live")]
mod websocket;

use std::sync::Arc;

pub use client::NetTransport;

use crate::context::Context;
use crate::error::Result;
use crate::seam::{OsRng, SystemClock, TokioSpawn};

/// A context over the machine's clock, randomness and network, with tasks on the current tokio runtime.
///
/// ```
/// let context = broker_core::net::network().unwrap();
/// assert_eq!(format!("{:?}", context.transport()), "NetTransport");
/// ```
pub fn network() -> Result<Context> {
    Ok(Context::new(
        Arc::new(SystemClock::new()),
        Arc::new(OsRng),
        Arc::new(TokioSpawn),
        Arc::new(NetTransport::new()?),
    ))
}
