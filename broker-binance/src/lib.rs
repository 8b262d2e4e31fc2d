#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod auth;
mod broker;
#[cfg(feature = "trading")]
mod cancel_replace;
mod config;
mod directory;
mod error;
mod facts;
mod flows;
mod map;
#[cfg(feature = "market-data")]
mod market_data;
mod own;
mod plan;
mod reads;
mod rest;
#[cfg(feature = "streaming")]
mod stream;
#[cfg(feature = "trading")]
mod trading;
#[cfg(feature = "venue")]
#[cfg_attr(docsrs, doc(cfg(feature = "venue")))]
pub mod venue;
mod walk;
mod wire;

pub use broker::BinanceBroker;
#[cfg(feature = "trading")]
#[cfg_attr(docsrs, doc(cfg(feature = "trading")))]
pub use cancel_replace::CancelReplaced;
pub use config::BinanceConfig;
pub use own::{Amendment, Commission, OrderCount, PreventedMatch, Rates, SymbolFilter};
pub use plan::{HistoryPlan, Reach};
