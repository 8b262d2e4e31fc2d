//! The kit's own tests: its suites pass on an honest toy and fail on flawed ones.

#![allow(clippy::unwrap_used, reason = "a test")]

mod conformance;
mod crash;
mod flawed;
mod history;
mod kiosk;
mod orders;
mod placing;
mod plants;
mod roles;
mod toy;
