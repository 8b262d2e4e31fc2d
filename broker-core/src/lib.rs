//! One exact model, safe order placement, certified history and PnL for every broker.
//!
//! This crate holds what all brokers share: the [model], the [`Broker`] traits, [errors](Error), exact
//! [numbers](num), [retry] and [limits](limit), [dedup] and [PnL](pnl). One crate a broker implements the traits.
//!
//! A program asks a broker and folds what it gets. This one asks any:
//!
//! ```
//! use broker_core::{Broker, BrokerExt, HistoryQuery, Result, TradeBook};
//!
//! async fn print_trades(broker: &dyn Broker) -> Result<()> {
//!     let account = broker.accounts().await?.remove(0).id;
//!     let history = broker.all_fills(HistoryQuery::last_days(&account, 90)).await?;
//!     println!("{:?}", history.completeness);
//!     for trade in &TradeBook::fifo().fold(&history)?.trades {
//!         println!("{} {} {:?}", trade.symbol, trade.side, trade.net_pnl());
//!     }
//!     Ok(())
//! }
//! ```

#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod num;

pub mod id;

pub mod error;

pub mod seam;

pub mod model;

pub mod symbol;

pub mod futures;

pub mod capability;

pub mod retry;

pub mod limit;

pub mod token;

pub mod oauth2;

pub mod journal;

pub mod context;

pub mod broker;

pub mod span;

mod variables;

mod walk;

pub mod proof;

pub mod dedup;

pub mod pnl;

pub mod placement;

pub mod ext;

#[cfg(feature = "http")]
pub mod http;

#[cfg(feature = "live")]
pub mod live;

#[cfg(feature = "http")]
pub mod net;

pub use broker::{Broker, CancelOutcome, Cursor, MarketData, Page, Probe, Proof, Streaming, Trading};
pub use capability::Capabilities;
pub use context::Context;
pub use error::{Delivery, Error, ErrorKind, Result};
pub use ext::BrokerExt;
pub use id::{AccountId, BrokerId, ClientOrderId, FillId, InstrumentId, OrderId, RecordId, Symbol};
pub use journal::{Gate, Intent, IntentJournal};
pub use model::{
    Account, Balances, Fee, Fill, Flow, History, HistoryQuery, Instrument, InstrumentQuery, Order, OrderQuery,
    OrderRef, OrderRequest, OrderStatus, Position, Quote, Record, TimeInForce, Trade,
};
pub use num::{Currency, Money, Price, Qty, Side};
pub use placement::{Placement, PreTradeCheck, Recovery, Settled, Ticket};
pub use pnl::TradeBook;
pub use span::Span;
pub use variables::Variables;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
