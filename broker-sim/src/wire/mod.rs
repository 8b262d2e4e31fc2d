//! What every broker's wire venue stands on. Feature `wire`.
//!
//! A [`Venue`] is one synchronous function from request to answer. It has two shells: [`MemoryTransport`] puts it
//! behind the seam of the core, in virtual time or in tokio's; [`LoopbackServer`] puts it on a real socket of
//! 127.0.0.1. Requests, answers that do not end, and WebSockets go through both. Delay and damage live in the shells, never in the venue: a [`FaultPlan`] says as data what is to go
//! wrong, and one seed makes the same things go wrong again. A [`Recorder`] keeps what came in and counts sends; a
//! [`WireLimiter`] refuses and bans as brokers do.
//!
//! ```
//! use std::sync::Arc;
//! use broker_core::seam::{Request, SeededRng, Timeouts, Transport, VirtualRuntime};
//! use broker_sim::wire::{MemoryTransport, Venue, WireAnswer, WireRequest, share};
//! use chrono::{DateTime, Utc};
//!
//! struct Clockwork;
//! impl Venue for Clockwork {
//!     fn handle(&mut self, request: &WireRequest, now: DateTime<Utc>) -> WireAnswer {
//!         match request.path.as_str() {
//!             "/clock" => WireAnswer::json(200, format!(r#"{{"timestamp":"{}"}}"#, now.to_rfc3339())),
//!             _ => WireAnswer::json(404, r#"{"message":"not found"}"#),
//!         }
//!     }
//! }
//!
//! let runtime = VirtualRuntime::new();
//! let clock = Arc::new(runtime.clock());
//! let transport = MemoryTransport::new(share(Clockwork), clock.clone(), Arc::new(SeededRng::new(1)), clock);
//! let http = http::Request::get("https://broker.example/clock").body(bytes::Bytes::new()).unwrap();
//! let answer = runtime.block_on(transport.send(Request::new(http, Timeouts::READ))).unwrap();
//! assert_eq!(answer.http.status(), 200);
//! ```

mod carrier;
mod desk;
mod fault;
mod flow;
mod frame_fault;
mod http1;
mod lane;
mod limiter;
mod loopback;
mod mask;
mod memory;
mod message;
mod plan;
mod record;
mod socket;
#[cfg(test)]
mod tests;
mod timekeeper;
mod venue;

pub use fault::{Fault, FaultRule, RetryHint, When};
pub use frame_fault::{FrameFault, FrameRule, FrameWhen};
pub use limiter::{Admission, Counting, Standing, WireBan, WireLimit, WireLimiter};
pub use loopback::LoopbackServer;
pub use memory::MemoryTransport;
pub use message::{WireAnswer, WireRequest};
pub use plan::{FaultPlan, Faults};
pub use record::{Fate, Recorded, RecordedSocket, Recorder};
pub use venue::{SharedVenue, SocketId, Venue, share};
