#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod auth;
mod broker;
mod config;
mod error;
mod map;
#[cfg(feature = "market-data")]
mod market_data;
mod portfolio;
mod rest;
#[cfg(feature = "market-data")]
mod snapshot;
#[cfg(feature = "streaming")]
mod stream;
#[cfg(feature = "trading")]
mod trading;
#[cfg(feature = "venue")]
#[cfg_attr(docsrs, doc(cfg(feature = "venue")))]
pub mod venue;
mod walk;
mod wire;

pub use auth::AlpacaOAuth;
pub use broker::AlpacaBroker;
pub use config::{AlpacaConfig, Feed};
pub use portfolio::{
    AccountConfigurations, PortfolioHistory, PortfolioHours, PortfolioPoint, PortfolioQuery, PortfolioSpan,
    PortfolioStep,
};
#[cfg(feature = "market-data")]
#[cfg_attr(docsrs, doc(cfg(feature = "market-data")))]
pub use snapshot::{MarketTrade, StockSnapshot};
