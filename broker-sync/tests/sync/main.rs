//! Books, honesty, kills and hostile brokers; what a sync takes; many at once; what comes late; and what becomes of holes, by the seed.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod books;
mod campaign;
#[path = "../common/mod.rs"]
mod common;
mod group;
mod holes;
mod honest;
mod hostile;
mod kills;
mod late;
mod older;
mod planner;
