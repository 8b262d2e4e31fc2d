//! The sync over Alpaca's wire venue, at Alpaca's own limits, in virtual time.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod effort;
mod holes;
mod many;
mod reconcile;
mod stage;
