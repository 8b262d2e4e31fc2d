//! What is asked for.

use chrono::{DateTime, Duration, Utc};

use crate::id::{AccountId, InstrumentId, Symbol};

/// A span of time. `since` is inclusive, `until` exclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Window {
    /// From here to there; without an end, until now.
    Between {
        /// Inclusive start.
        since: DateTime<Utc>,
        /// Exclusive end.
        until: Option<DateTime<Utc>>,
    },
    /// The last days, counted back from when the query is run.
    LastDays(u32),
    /// As far back as the broker can go.
    All,
}

impl Window {
    /// The borders, seen from `now`. Days reach back to 1970 at most: no broker tells of earlier ones.
    pub fn range(self, now: DateTime<Utc>) -> (DateTime<Utc>, DateTime<Utc>) {
        match self {
            Self::Between { since, until } => (since, until.unwrap_or(now)),
            Self::LastDays(days) => {
                let since = now.checked_sub_signed(Duration::days(days.into()));
                (since.unwrap_or(DateTime::UNIX_EPOCH).max(DateTime::UNIX_EPOCH), now)
            }
            Self::All => (DateTime::UNIX_EPOCH, now),
        }
    }
}

/// Which records of an account. The window selects by the time the broker booked the row, where it has one.
///
/// ```
/// use broker_core::{AccountId, HistoryQuery};
/// let query = HistoryQuery::last_days(&AccountId::from("A1"), 90).with_instrument("AAPL".into());
/// assert_eq!(query.instrument.unwrap().get(), "AAPL");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct HistoryQuery {
    /// The account.
    pub account: AccountId,
    /// The span of time.
    pub window: Window,
    /// One instrument only; needed where a broker keeps history by instrument.
    pub instrument: Option<InstrumentId>,
    /// Whether pages carry their text as it came.
    pub raw: bool,
}

impl HistoryQuery {
    /// Records of a window.
    pub fn new(account: &AccountId, window: Window) -> Self {
        Self {
            account: account.clone(),
            window,
            instrument: None,
            raw: false,
        }
    }

    /// Records of the last days.
    pub fn last_days(account: &AccountId, days: u32) -> Self {
        Self::new(account, Window::LastDays(days))
    }

    /// Records of `since..until`.
    pub fn between(account: &AccountId, since: DateTime<Utc>, until: DateTime<Utc>) -> Self {
        Self::new(
            account,
            Window::Between {
                since,
                until: Some(until),
            },
        )
    }

    /// Only this instrument.
    #[must_use]
    pub fn with_instrument(mut self, instrument: InstrumentId) -> Self {
        self.instrument = Some(instrument);
        self
    }

    /// With the text of each page.
    #[must_use]
    pub fn with_raw(mut self) -> Self {
        self.raw = true;
        self
    }

    /// The same query with fixed borders, so that every page of it means the same.
    #[must_use]
    pub fn resolved(mut self, now: DateTime<Utc>) -> Self {
        let (since, until) = self.range(now);
        self.window = Window::Between {
            since,
            until: Some(until),
        };
        self
    }

    /// The borders, seen from `now`.
    pub fn range(&self, now: DateTime<Utc>) -> (DateTime<Utc>, DateTime<Utc>) {
        self.window.range(now)
    }
}

/// Which orders by their state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum OrderState {
    /// Those that can still trade, held legs included.
    Open,
    /// Those that cannot trade any more.
    Closed,
    /// All.
    #[default]
    All,
}

/// Which orders of an account. The window selects by the time the order was placed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct OrderQuery {
    /// The account.
    pub account: AccountId,
    /// Open, closed, or all.
    pub state: OrderState,
    /// The span of time.
    pub window: Window,
    /// One instrument only.
    pub instrument: Option<InstrumentId>,
}

impl OrderQuery {
    /// All open orders.
    pub fn open(account: &AccountId) -> Self {
        Self {
            account: account.clone(),
            state: OrderState::Open,
            window: Window::All,
            instrument: None,
        }
    }

    /// All orders placed in a window.
    pub fn placed(account: &AccountId, window: Window) -> Self {
        Self {
            account: account.clone(),
            state: OrderState::All,
            window,
            instrument: None,
        }
    }

    /// Only this state.
    #[must_use]
    pub fn with_state(mut self, state: OrderState) -> Self {
        self.state = state;
        self
    }

    /// Only this instrument.
    #[must_use]
    pub fn with_instrument(mut self, instrument: InstrumentId) -> Self {
        self.instrument = Some(instrument);
        self
    }

    /// The same query with fixed borders.
    #[must_use]
    pub fn resolved(mut self, now: DateTime<Utc>) -> Self {
        let (since, until) = self.range(now);
        self.window = Window::Between {
            since,
            until: Some(until),
        };
        self
    }

    /// The borders, seen from `now`.
    pub fn range(&self, now: DateTime<Utc>) -> (DateTime<Utc>, DateTime<Utc>) {
        self.window.range(now)
    }
}

/// Which instruments.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum InstrumentQuery {
    /// These keys of the broker's. One that does not exist is left out.
    Ids(Vec<InstrumentId>),
    /// These symbols. Two hits for one symbol are both listed.
    Symbols(Vec<Symbol>),
    /// Whose symbol or name holds this text.
    Text(String),
    /// Every one that can be traded.
    All,
}
