//! What a live stream delivers.

use chrono::{DateTime, Utc};

use super::{Balances, Order, Position, Quote, Record};
use crate::id::{AccountId, InstrumentId};

/// What to follow.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Subscription {
    /// Orders, records, positions and balances of these accounts.
    pub accounts: Vec<AccountId>,
    /// Quotes of these instruments.
    pub quotes: Vec<InstrumentId>,
}

impl Subscription {
    /// Everything of an account.
    pub fn account(account: &AccountId) -> Self {
        Self {
            accounts: vec![account.clone()],
            quotes: Vec::new(),
        }
    }

    /// Quotes of instruments.
    pub fn quotes(instruments: impl IntoIterator<Item = InstrumentId>) -> Self {
        Self {
            accounts: Vec::new(),
            quotes: instruments.into_iter().collect(),
        }
    }
}

/// One event of a stream. Each fill comes once a subscription; a filled quantity never falls and a final state never
/// reopens, except by a [`Void`](super::Void).
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Event {
    /// An order's newest state.
    Order(Box<Order>),
    /// Something happened to the account.
    Record(Box<Record>),
    /// A position's newest state.
    Position(Box<Position>),
    /// The newest balances.
    Balances(Box<Balances>),
    /// The newest quote; older ones may be left out.
    Quote(Box<Quote>),
    /// The connection is lost and made again; [`Event::Gap`] follows once it stands.
    Disconnected {
        /// When it was lost.
        at: DateTime<Utc>,
        /// Why.
        reason: crate::Error,
    },
    /// From here to there something may be missing; what was missed follows, then [`Event::Recovered`].
    Gap {
        /// Last moment known to be complete.
        from: DateTime<Utc>,
        /// When the stream stood again.
        to: DateTime<Utc>,
    },
    /// A gap was read back.
    Recovered(Coverage),
    /// The stream has ended and will not come back by itself.
    Closed(crate::Error),
}

/// What the read-back of a gap could ask, and what not.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Coverage {
    /// Records of these accounts were read back.
    pub accounts: Vec<AccountId>,
    /// Could not be asked, and why.
    pub missing: Vec<String>,
}
