//! What the examples share.

pub mod abilities;
pub mod brokers;
pub mod curve;
pub mod venue;

/// The program in the README compiles.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
