#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod auth;
mod broker;
mod config;
mod directory;
mod error;
mod export;
mod facts;
mod map;
#[cfg(feature = "market-data")]
mod market_data;
mod own;
mod rest;
#[cfg(feature = "streaming")]
mod stream;
#[cfg(feature = "trading")]
mod terms;
#[cfg(feature = "trading")]
mod trading;
#[cfg(feature = "venue")]
#[cfg_attr(docsrs, doc(cfg(feature = "venue")))]
pub mod venue;
mod walk;
mod wire;

pub use broker::KrakenBroker;
pub use config::{KrakenConfig, KrakenOtp, KrakenTier};
pub use export::{ExportReport, ExportState};
pub use own::{FeeRates, KeyInfo, OrderAmend};
#[cfg(feature = "trading")]
#[cfg_attr(docsrs, doc(cfg(feature = "trading")))]
pub use terms::{ConditionalClose, KrakenTerms, SelfTrade, TriggerPrice};
