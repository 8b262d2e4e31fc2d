//! Answers of OANDA, read through the shipped calls: recorded ones against values worked out by hand, and ones of our
//! own, written after the documents, for what no recording shows. The recordings are not part of this repository:
//! without them those tests say so and pass.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod mapping;
mod recorded;
mod requests;
mod stage;
