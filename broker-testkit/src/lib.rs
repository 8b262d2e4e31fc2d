//! Tests for brokers, and for services on top of them.
//!
//! - [`conformance`]: the contracts of the broker traits, sentence by sentence, over `&dyn Broker`.
//! - [`history`]: a campaign that reads a history with kills in between and misses nothing, and planted bugs that it
//!   must catch.
//! - [`orders`]: a campaign that places thousands of orders through every fault, and holds what was told against what
//!   the venue has.
//! - [`crash`]: orders dropped and processes killed after every poll, journals that fail.
//! - [`stage`]: what these two run on. [`campaign`]: ready stages for wire venues over the sim's engine.
//! - [`streams`]: a campaign of live events whose frames, connections and read-backs fail, and nothing is lost.
//! - [`openapi`]: requests and answers against a broker's published document.
//! - [`mutate`]: bad input from good input; [`bad_input`]: whether a decoder stood it.
//! - [`canary`]: whether a secret is seen anywhere, by any call; [`faults`]: every kind of damage, once each.
//! - [`fixtures`]: where recorded answers are.
//!
//! A crate of a broker runs the suite in one test:
//!
//! ```
//! use broker_core::Broker;
//! use broker_testkit::conformance::{Setup, run};
//! async fn conforms(broker: &dyn Broker, setup: &Setup) {
//!     let report = run(broker, setup).await;
//!     assert!(report.failed.is_empty(), "{report}");
//! }
//! ```

#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod bad_input;

pub mod campaign;

pub mod canary;

pub mod clock;

pub mod conformance;

pub mod crash;

pub mod damage;

pub mod faults;

pub mod fixtures;

pub mod history;

mod ledger;

pub mod mutate;

pub mod openapi;

pub mod orders;

pub mod planted;

pub mod stage;

pub mod streams;
