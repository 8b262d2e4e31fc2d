//! Accounts.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::id::{AccountId, BrokerId};
use crate::num::Currency;

/// Where an account lives. Paper is every crate's default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Environment {
    /// Simulated money: a demo, sandbox, testnet, practice or paper account.
    Paper,
    /// Real money.
    Live,
}

impl std::fmt::Display for Environment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::Paper => "paper",
            Self::Live => "live",
        })
    }
}

/// Whether a long and a short position in one instrument can stand side by side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PositionMode {
    /// One net position an instrument.
    Netting,
    /// A long leg and a short leg an instrument.
    Hedging,
}

words! {
    /// State of an account.
    AccountStatus {
        /// Open for business.
        Active = "active",
        /// Being opened, or waiting for the broker or the owner.
        Pending = "pending",
        /// Open, with restrictions.
        Restricted = "restricted",
        /// Closed for good.
        Closed = "closed",
    }
}

/// What this key may do with an account. `None` where the broker does not say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Access {
    /// May place orders.
    pub trade: Option<bool>,
    /// May cancel orders.
    pub cancel: Option<bool>,
    /// May sell short.
    pub short: Option<bool>,
    /// May trade options.
    pub options: Option<bool>,
}

/// An account at a broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// The stable key.
    pub id: AccountId,
    /// The broker.
    pub broker: BrokerId,
    /// Paper or live.
    pub environment: Environment,
    /// What the broker or the owner calls it. May hold the human account number: masked in `Debug` like the id.
    pub name: Option<AccountId>,
    /// Home currency.
    pub currency: Currency,
    /// State.
    pub status: AccountStatus,
    /// Netting or hedging.
    pub position_mode: PositionMode,
    /// What this key may do.
    pub access: Access,
    /// When it was opened: nothing can have happened before.
    pub opened_at: Option<DateTime<Utc>>,
}
