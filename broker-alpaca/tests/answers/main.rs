//! Answers that a script plays, and what becomes of them: values, errors, pages, signatures.

#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

#[path = "../common/mod.rs"]
mod common;
mod decimals;
mod errors;
mod history;
mod mapping;
mod portfolio;
mod signing;
