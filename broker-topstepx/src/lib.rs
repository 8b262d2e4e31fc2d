#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod auth;
mod broker;
mod config;
mod error;
mod facts;
#[cfg(feature = "market-data")]
mod hub;
mod map;
#[cfg(feature = "market-data")]
mod market_data;
mod rest;
#[cfg(feature = "streaming")]
mod stream;
mod tags;
#[cfg(feature = "trading")]
mod trading;
#[cfg(feature = "venue")]
#[cfg_attr(docsrs, doc(cfg(feature = "venue")))]
pub mod venue;
mod walk;
mod wire;

pub use broker::TopstepxBroker;
pub use config::TopstepxConfig;
#[cfg(feature = "trading")]
#[cfg_attr(docsrs, doc(cfg(feature = "trading")))]
pub use trading::{JoinOrder, JoinSide};
