//! The traits that a broker crate implements, and their contracts. The test kit checks them sentence by sentence.
//!
//! Four small traits after the roles that people grant: reading, trading, market data, live streams. No method has
//! a default body, so that forgetting one does not compile; convenience is in [`BrokerExt`](crate::BrokerExt).

use std::fmt::{self, Debug};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::capability::Capabilities;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::id::{AccountId, BrokerId, InstrumentId, OrderId};
use crate::journal::{Gate, Intent, Mark};
use crate::model::{
    Account, Balances, Candle, CandleQuery, Environment, Event, HistoryQuery, Hours, Instrument, InstrumentQuery,
    Order, OrderChange, OrderQuery, OrderRef, Position, Quote, Record, Subscription,
};
use crate::seam::BoxStream;

/// Where a broker's history goes on: versioned text that the broker alone reads. It can be stored, and a later
/// process goes on from it.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Cursor(String);

/// A broker's own text may hold a link with an account in it: only its length is printed.
impl Debug for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cursor({} bytes)", self.0.len())
    }
}

impl Cursor {
    /// Takes stored text.
    pub fn from_text(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Writes a broker's own state, marked with its version.
    pub fn encode<T: Serialize>(version: u32, state: &T) -> Result<Self> {
        let json = serde_json::to_string(state).map_err(|error| Error::decode("a cursor").with_source(error))?;
        Ok(Self(format!("{version}:{json}")))
    }

    /// Reads it back. Another version, or text that is no cursor, is an `InvalidRequest` error.
    pub fn decode<T: DeserializeOwned>(&self, version: u32) -> Result<T> {
        let unreadable = || Error::invalid("this cursor was written by another version or broker");
        let (written, json) = self.0.split_once(':').ok_or_else(unreadable)?;
        if written.parse() != Ok(version) {
            return Err(unreadable());
        }
        serde_json::from_str(json).map_err(|error| unreadable().with_source(error))
    }

    /// The text, to be stored.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What a page proves about what lies between it and the page before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Proof {
    /// It joins the page before: ids without a hole, or the rows of the last border came again.
    Contiguous,
    /// The venue states how many rows the whole query has.
    Count(u64),
    /// The venue states the range that the page covers in full.
    Range(DateTime<Utc>, DateTime<Utc>),
    /// Fewer rows than asked for: there are no more.
    Short,
    /// As many rows as the venue gives at most: the window must be split.
    Capped,
    /// Nothing.
    Nothing,
    /// That rows are missing: ids that are counted without a hole have one. No other check can make up for it.
    Torn,
}

/// One page of rows.
#[derive(Clone, PartialEq)]
pub struct Page<T> {
    /// The rows, oldest first. May repeat rows of the page before.
    pub rows: Vec<T>,
    /// Where to go on; `None` when this was the last page.
    pub next: Option<Cursor>,
    /// Ask again only after this: a report is still being made. The core waits, then asks from `next`, or the same
    /// question once more where that is `None`.
    pub wait: Option<Duration>,
    /// What the page proves.
    pub proof: Proof,
    /// The page's text, when the query asked for it.
    pub raw: Option<String>,
    /// Oddities worth telling: rows of an unknown kind, fields that were missing.
    pub notes: Vec<String>,
}

/// The page's text may hold whole account numbers: only its length is printed.
impl<T: Debug> Debug for Page<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Page")
            .field("rows", &self.rows)
            .field("next", &self.next)
            .field("wait", &self.wait)
            .field("proof", &self.proof)
            .field("raw_bytes", &self.raw.as_ref().map(String::len))
            .field("notes", &self.notes)
            .finish()
    }
}

impl<T> Page<T> {
    /// The only page of an answer that is always whole.
    pub fn whole(rows: Vec<T>) -> Self {
        Self {
            rows,
            next: None,
            wait: None,
            proof: Proof::Short,
            raw: None,
            notes: Vec::new(),
        }
    }
}

/// What a probe found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// Where the key works.
    pub environment: Environment,
    /// The venue's clock, where it tells it.
    pub server_time: Option<DateTime<Utc>>,
    /// Our clock, halfway between sending and reading.
    pub local_time: DateTime<Utc>,
    /// How long the call took.
    pub round_trip: Duration,
}

impl Probe {
    /// How far the venue's clock is ahead of ours.
    pub fn clock_offset(&self) -> Option<chrono::Duration> {
        self.server_time.map(|server| server - self.local_time)
    }
}

/// The read side of a broker. A file of trades implements this and nothing else.
///
/// A broker is a cheap handle: its state is shared by its clones. Every method may be called from many tasks at
/// once. A dropped call leaves nothing behind but what the venue did.
#[async_trait]
pub trait Broker: Debug + Send + Sync + 'static {
    /// Its name.
    fn id(&self) -> BrokerId;

    /// Paper or live.
    fn environment(&self) -> Environment;

    /// What it can do.
    fn capabilities(&self) -> &Capabilities;

    /// Clock, chance, tasks, limits, journal.
    fn context(&self) -> &Context;

    /// Another handle to the same broker.
    fn handle(&self) -> Arc<dyn Broker>;

    /// One cheap signed read: does the key work, here, and what time is it there?
    async fn probe(&self) -> Result<Probe>;

    /// Every account that the key can see. Closed ones are listed where the broker still tells their history.
    async fn accounts(&self) -> Result<Vec<Account>>;

    /// Balances now.
    async fn balances(&self, account: &AccountId) -> Result<Balances>;

    /// Open positions now; flat ones are not listed. Empty means that the broker said so.
    async fn positions(&self, account: &AccountId) -> Result<Vec<Position>>;

    /// Instruments. What does not exist is left out, not an error; two hits for one symbol are both listed.
    async fn instruments(&self, query: &InstrumentQuery) -> Result<Vec<Instrument>>;

    /// One order, final ones too. `NotFound` when the venue says that there is none.
    async fn order(&self, order: &OrderRef) -> Result<Order>;

    /// One page of orders, oldest first. A group's legs are listed as orders of their own, linked.
    async fn orders(&self, query: &OrderQuery, from: Option<&Cursor>) -> Result<Page<Order>>;

    /// One page of what happened to an account, oldest first; the first page without a cursor. Pages may overlap
    /// and never skip: rows that share the border's time come with one page or the other, or both. A broker asks
    /// wider than the window where its own borders are doubtful, and filters.
    async fn history(&self, query: &HistoryQuery, from: Option<&Cursor>) -> Result<Page<Record>>;

    /// The trading side, where the crate was built with it.
    fn trading(&self) -> Option<&dyn Trading>;

    /// The market-data side, where there is one.
    fn market_data(&self) -> Option<&dyn MarketData>;

    /// The streaming side, where there is one.
    fn streaming(&self) -> Option<&dyn Streaming>;
}

/// The roles of a broker, written once within its `impl Broker` as `broker_core::roles_by_feature!();`: each is there
/// where the crate that writes this was built with the feature of its name, `trading`, `market-data` or `streaming`. The
/// crate must declare all three.
#[macro_export]
macro_rules! roles_by_feature {
    () => {
        fn trading(&self) -> Option<&dyn $crate::Trading> {
            #[cfg(feature = "trading")]
            {
                Some(self)
            }
            #[cfg(not(feature = "trading"))]
            {
                None
            }
        }

        fn market_data(&self) -> Option<&dyn $crate::MarketData> {
            #[cfg(feature = "market-data")]
            {
                Some(self)
            }
            #[cfg(not(feature = "market-data"))]
            {
                None
            }
        }

        fn streaming(&self) -> Option<&dyn $crate::Streaming> {
            #[cfg(feature = "streaming")]
            {
                Some(self)
            }
            #[cfg(not(feature = "streaming"))]
            {
                None
            }
        }
    };
}

/// What became of one order of a cancel-all.
#[derive(Debug, Clone)]
pub struct CancelOutcome {
    /// The order.
    pub order: OrderId,
    /// Taken, or refused and why.
    pub result: Result<()>,
}

/// Trading. Each method is one attempt and never repeats by itself: safety is built on top of it by
/// [`BrokerExt`](crate::BrokerExt).
#[async_trait]
pub trait Trading: Broker {
    /// What [`trace`](Self::trace) will need later, taken before the first byte leaves; `None` where the id is
    /// enough.
    async fn mark(&self, account: &AccountId) -> Result<Option<Mark>>;

    /// Sends the order once, under the intent's id. The gate is passed after permit and signature, just before the
    /// first byte. An answer that is only an id gives an order with the request's own words and
    /// [`PendingNew`](crate::model::OrderStatus::PendingNew).
    ///
    /// # Errors
    /// [`Delivery::NotSent`](crate::Delivery::NotSent): no byte left. [`Delivery::Answered`](crate::Delivery::Answered):
    /// the venue refused it. [`Delivery::Unknown`](crate::Delivery::Unknown): it may be there.
    async fn place(&self, intent: &Intent, gate: &Gate) -> Result<Order>;

    /// Every order at the venue that could be this intent. Empty means that the venue was asked and has none now; an
    /// answer that is not the venue's own word is an error. For an intent that [replaces](Intent::replaces): the order
    /// that took the other's place, or that order itself once it shows the change.
    async fn trace(&self, intent: &Intent) -> Result<Vec<Order>>;

    /// Changes a working order once. `replacement` names the new order where the broker makes one. An answer may be
    /// the order as it was: the change is done when a later read says so.
    async fn replace(&self, order: &OrderRef, change: &OrderChange, replacement: &Intent, gate: &Gate)
    -> Result<Order>;

    /// Asks to cancel once. `Ok` means that the venue took the request, not that the order is canceled.
    async fn cancel(&self, order: &OrderRef) -> Result<()>;

    /// Asks to cancel every open order of the account. What the broker cannot do in one call is done one by one.
    async fn cancel_all(&self, account: &AccountId) -> Result<Vec<CancelOutcome>>;
}

/// Market data.
#[async_trait]
pub trait MarketData: Broker {
    /// Latest quotes, one an instrument that the venue knows; a side that nobody quotes is `None`.
    async fn quotes(&self, instruments: &[InstrumentId]) -> Result<Vec<Quote>>;

    /// One page of candles, oldest first. An interval without trades has no candle.
    async fn candles(&self, query: &CandleQuery, from: Option<&Cursor>) -> Result<Page<Candle>>;

    /// When the instrument trades in `since..until`.
    async fn hours(&self, instrument: &InstrumentId, since: DateTime<Utc>, until: DateTime<Utc>) -> Result<Hours>;
}

/// Live events.
#[async_trait]
pub trait Streaming: Broker {
    /// Subscribes, then reads a snapshot, then delivers. Ready once the venue has confirmed the subscription. After
    /// a reconnect comes [`Event::Gap`], what was missed, then [`Event::Recovered`]. Dropping the stream
    /// unsubscribes.
    async fn subscribe(&self, subscription: &Subscription) -> Result<BoxStream<'static, Event>>;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    #[test]
    fn a_page_prints_neither_its_text_nor_where_it_goes_on() {
        let page = Page {
            next: Some(Cursor::from_text("1:\"/accounts/101-004-1234567-001/x\"")),
            raw: Some(r#"{"account":"101-004-1234567-001"}"#.to_owned()),
            ..Page::whole(vec![7])
        };
        let printed = format!("{page:?}");
        assert!(!printed.contains("1234567"), "{printed}");
        assert!(printed.contains("rows: [7]") && printed.contains("33"), "{printed}");
    }

    #[test]
    fn a_cursor_of_another_version_is_refused() {
        let cursor = Cursor::encode(1, &("id", 7)).unwrap();
        assert_eq!(cursor.as_str(), r#"1:["id",7]"#);
        assert_eq!(
            Cursor::from_text(cursor.as_str()).decode::<(String, i32)>(1).unwrap(),
            ("id".to_owned(), 7)
        );
        assert_eq!(
            cursor.decode::<(String, i32)>(2).unwrap_err().kind(),
            ErrorKind::InvalidRequest
        );
        assert!(Cursor::from_text("nonsense").decode::<String>(1).is_err());
    }
}
