//! A deterministic paper venue in memory.
//!
//! [`Engine`] is the venue itself: accounts, markets, orders, matching, fees, positions and a log of all that
//! happened. It is synchronous, has no time and no chance of its own, and so one seed replays a whole run; the wire
//! venues of all brokers stand on it. [`SimBroker`] is the same venue behind the traits of `broker-core`, and
//! [`HistoryPlan`] makes a history of any size by trading on it.
//!
//! ```
//! use broker_core::{Currency, InstrumentId, Money, OrderRequest, Side};
//! use broker_sim::{AccountSpec, Catalogue, Engine};
//!
//! let now = "2026-11-18T15:00:00Z".parse().unwrap();
//! let mut engine = Engine::new(7, &Catalogue::standard(), now);
//! let account = "A1".into();
//! engine.open_account(AccountSpec::margin("A1", Currency::USD), now)?;
//! engine.deposit(&account, Money::new(100_000.into(), Currency::USD), now)?;
//! let (bid, ask, size) = ("99.98".parse().unwrap(), "100.00".parse().unwrap(), "500".parse().unwrap());
//! engine.set_quote(&InstrumentId::from("AAPL"), Some(bid), Some(ask), (size, size), now)?;
//!
//! let request = OrderRequest::market("AAPL".parse().unwrap(), Side::Buy, "10".parse().unwrap());
//! let order = engine.place(&account, &request, Some("my-1".into()), now)?;
//! assert_eq!(order.status.as_str(), "filled");
//! assert_eq!(engine.log(&account)?.len(), 2); // the deposit and the fill
//! assert_eq!(engine.books(&account)?.check(), Ok(()));
//! # Ok::<(), broker_sim::SimReject>(())
//! ```

#![cfg_attr(docsrs, feature(doc_cfg))]

mod account;
mod accrual;
mod books;
mod broker;
mod bust;
mod catalogue;
mod check;
mod dealing;
mod engine;
mod fees;
mod flows;
mod funds;
mod group;
mod history;
mod hours;
mod ledger;
mod market;
mod matching;
mod order;
mod place;
mod reject;
mod rules;
mod state;
mod streaming;
mod trader;
mod trading;
mod view;
#[cfg(feature = "wire")]
pub mod wire;

pub use account::{AccountSpec, Entry, SimAccount};
pub use books::{Book, Books};
pub use broker::SimBroker;
pub use catalogue::{Catalogue, Listing};
pub use dealing::Dealing;
pub use engine::{Engine, SimEvent};
pub use fees::{FeeAsset, FeeKind, FeeRule, FeeSchedule, Posting, Purse};
pub use history::{HistoryPlan, Mix};
pub use hours::Calendar;
pub use ledger::Lot;
pub use order::{SimOrder, Stamp};
pub use place::CancelResults;
pub use reject::SimReject;
pub use rules::{ClientIdPolicy, Depth, ReplaceMode, Rules};
