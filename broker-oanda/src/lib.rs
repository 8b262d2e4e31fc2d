#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod auth;
mod broker;
mod config;
mod error;
mod history;
mod map;
#[cfg(feature = "market-data")]
mod market_data;
mod orders;
mod rest;
#[cfg(feature = "streaming")]
mod stream;
mod trades;
#[cfg(feature = "trading")]
mod trading;
#[cfg(feature = "trading")]
mod trail;
#[cfg(feature = "venue")]
#[cfg_attr(docsrs, doc(cfg(feature = "venue")))]
pub mod venue;
mod wire;

pub use broker::OandaBroker;
pub use config::OandaConfig;
pub use trades::{ExitOrder, OpenTrade};
#[cfg(feature = "trading")]
#[cfg_attr(docsrs, doc(cfg(feature = "trading")))]
pub use trading::{Closing, ExitChange, StopLoss, TradeExits};
