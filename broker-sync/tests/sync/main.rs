//! What a sync takes, many at once, and what becomes of holes, by the seed.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "../common/mod.rs"]
mod common;
mod planner;
