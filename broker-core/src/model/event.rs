//! What a live stream delivers.

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::{Balances, Order, Position, Quote, Record};
use crate::id::{AccountId, InstrumentId};

/// What to follow, and how closely.
///
/// ```
/// use std::time::Duration;
/// use broker_core::AccountId;
/// use broker_core::model::Subscription;
/// let all = Subscription::account(&AccountId::from("A1")).with_audit_every(Duration::from_secs(120));
/// assert_eq!((all.queue, all.look_back), (1_024, Duration::from_secs(60)));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Subscription {
    /// Orders, records, positions and balances of these accounts.
    pub accounts: Vec<AccountId>,
    /// Quotes of these instruments.
    pub quotes: Vec<InstrumentId>,
    /// How many events of accounts wait for the reader at most; 1,024 by default. Quotes have a place of their own.
    pub queue: usize,
    /// How often the accounts are read back to find what the stream dropped without a word; 30 s by default.
    pub audit_every: Duration,
    /// How much further back than the last moment known to be complete a read-back asks, for rows become readable
    /// late and clocks differ; 60 s by default.
    pub look_back: Duration,
}

/// Nothing, to be filled in.
impl Default for Subscription {
    fn default() -> Self {
        Self {
            accounts: Vec::new(),
            quotes: Vec::new(),
            queue: 1_024,
            audit_every: Duration::from_secs(30),
            look_back: Duration::from_secs(60),
        }
    }
}

impl Subscription {
    /// Everything of an account.
    pub fn account(account: &AccountId) -> Self {
        Self {
            accounts: vec![account.clone()],
            ..Self::default()
        }
    }

    /// Quotes of instruments.
    pub fn quotes(instruments: impl IntoIterator<Item = InstrumentId>) -> Self {
        Self {
            quotes: instruments.into_iter().collect(),
            ..Self::default()
        }
    }

    /// With room for this many events of accounts, at least 2.
    #[must_use]
    pub fn with_queue(mut self, events: usize) -> Self {
        self.queue = events.max(2);
        self
    }

    /// Audited this often, at most once a second.
    ///
    /// An audit costs three requests an account (open orders, orders closed lately, records; more where they fill
    /// more than a page, or where history is asked instrument by instrument), and one for each order that is open
    /// here and not listed there. At 30 s that is 6 requests a minute an account.
    #[must_use]
    pub fn with_audit_every(mut self, every: Duration) -> Self {
        self.audit_every = every.max(Duration::from_secs(1));
        self
    }

    /// Reads back this much further than the last moment known to be complete.
    #[must_use]
    pub fn with_look_back(mut self, look_back: Duration) -> Self {
        self.look_back = look_back;
        self
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
        /// Last moment known to be complete: when the last read-back began that found its end.
        from: DateTime<Utc>,
        /// When the stream stood again, or the hole was found.
        to: DateTime<Utc>,
    },
    /// A gap was read back. Also behind a first snapshot of which a part could not be asked.
    Recovered(Coverage),
    /// The stream has ended and will not come back by itself: the last item.
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
