//! placeholder

#[cfg(feature = "wire")]
pub mod wire;
