//! The feed runner over a scripted broker, in virtual time.
#![cfg(feature = "live")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod audit;
mod bench;
mod broker;
mod campaign;
mod dropping;
mod full;
mod guards;
mod lines;
mod literals;
mod long_gap;
mod paid;
mod reconnect;
mod snapshot;
mod start;
mod venue;
