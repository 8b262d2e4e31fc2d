//! A deterministic paper venue in memory.
//!
//! [`Engine`] is the venue itself: accounts, markets, orders, matching, fees, positions and a log of all that
//! happened. It is synchronous, has no time and no chance of its own, and so one seed replays a whole run; the wire
//! venues of all brokers stand on it.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod account;
mod books;
mod broker;
mod catalogue;
mod check;
mod engine;
mod fees;
mod flows;
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
#[cfg(feature = "wire")]
pub mod wire;
mod trading;

pub use account::{AccountSpec, Entry, SimAccount};
pub use books::{Book, Books};
pub use broker::SimBroker;
pub use catalogue::{Catalogue, Listing};
pub use engine::{Engine, SimEvent};
pub use fees::{FeeAsset, FeeKind, FeeRule, FeeSchedule, Posting};
pub use history::{HistoryPlan, Mix};
pub use hours::Calendar;
pub use ledger::Lot;
pub use order::{SimOrder, Stamp};
pub use reject::SimReject;
pub use rules::{ClientIdPolicy, Depth, ReplaceMode, Rules};
