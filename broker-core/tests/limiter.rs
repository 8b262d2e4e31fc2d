//! The limiter against venues that count by themselves, in virtual time.

#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

#[path = "limiter/decay.rs"]
mod decay;
#[path = "limiter/learns.rs"]
mod learns;
#[path = "limiter/order.rs"]
mod order;
#[path = "limiter/rate.rs"]
mod rate;
#[path = "limiter/venue.rs"]
mod venue;
