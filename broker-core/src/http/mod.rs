//! The request pipeline: one fixed order of steps for every call of every HTTP broker.
//!
//! request id and span -> retry -> [ rate limit -> authorize -> gate -> send -> classify -> read ]
//!
//! The bracket is repeated, so each attempt gets a fresh nonce, time and signature (wait first, sign last) and pays
//! the limiter. `read` is inside it: a body that cannot be read is asked again for reads, and is a doubt for orders.

mod call;

pub use call::{Call, OpClass, Outcome, Protocol, Reply, Verdict};
