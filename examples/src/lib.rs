//! What the examples share.

pub mod abilities;
pub mod curve;
pub mod venue;
