//! The request pipeline: one fixed order of steps for every call of every HTTP broker.
//!
//! request id and span -> retry -> [ rate limit -> turn -> authorize -> gate -> send -> classify -> read ]
//!
//! The bracket is repeated, so each attempt gets a fresh nonce, time and signature (wait first, sign last) and pays
//! the limiter. `read` is inside it: a body that cannot be read is asked again for reads, and is a doubt for orders.
//!
//! [`Http`] runs calls; a broker gives it a [`Protocol`]. Time, chance and the wire come from the
//! [`Context`](crate::Context), so a whole run, time-outs included, can be replayed in virtual time.

mod body;
mod call;
mod hosts;
mod pipeline;
mod request;
mod status;

pub use crate::retry::OpClass;
pub use call::{Call, Outcome, Protocol, Reply, Verdict};
pub use pipeline::Http;
pub use status::{retry_after, status_error};

pub(crate) use hosts::is_loopback;
