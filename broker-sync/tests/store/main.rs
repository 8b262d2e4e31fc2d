//! What a store keeps: its contract, SQLite's file, the journal of orders, exports, pages that are read again.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "../common/mod.rs"]
mod common;
mod contract;
mod export;
mod journal;
mod reread;
mod sqlite;
