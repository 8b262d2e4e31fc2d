//! The stream campaign: orders fill while frames are dropped, doubled, reordered and held up, connections break, stall
//! and are refused, and what is read back fails; the reader of the stream sleeps now and then. Then the venue heals,
//! and what the stream told is held against what the venue has.
//!
//! Judged are the promises of [`Streaming`](broker_core::Streaming): each fill exactly once, filled quantities never
//! fall, final states never reopen, each gap is recovered with nothing missing, and at rest orders, fills and positions
//! are the venue's. A dropped stream leaves neither socket nor task.
//!
//! ```no_run
//! use broker_testkit::streams::{Stage, StreamsPlan, streams_campaign};
//! fn nothing_is_lost(stage: &dyn Stage) {
//!     let report = streams_campaign(stage, StreamsPlan::new(50_000, 1));
//!     assert!(report.is_clean(), "{report}");
//! }
//! ```

mod chaos;
mod judge;
mod prompt;
mod run;
#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use broker_core::seam::{Rng, VirtualRuntime};
use broker_core::{
    AccountId, Broker, Fill, InstrumentId, Order, OrderId, OrderRequest, OrderStatus, Position, Price, Qty, Side,
};
use broker_sim::wire::{Faults, Recorder, WireRequest};
use chrono::{DateTime, Utc};
use rust_decimal::Decimal;

pub use prompt::Prompt;
pub use run::streams_campaign;

/// The wire between a broker and its venue in memory.
#[derive(Debug, Clone)]
pub struct Wire {
    /// What goes wrong.
    pub faults: Faults,
    /// What came in.
    pub recorder: Recorder,
    /// Whether a frame tells of a fill: most of these are dropped.
    pub is_fill: fn(&str) -> bool,
    /// Whether a request only reads: those are harmed, orders are only answered late.
    pub is_read: fn(&WireRequest) -> bool,
}

/// A broker in virtual time, and its venue's hand and truth.
pub trait Stage {
    /// The time of all.
    fn runtime(&self) -> &VirtualRuntime;

    /// The broker, which streams.
    fn broker(&self) -> Arc<dyn Broker>;

    /// The account that trades: flat, and without orders.
    fn account(&self) -> AccountId;

    /// The wire; `None` for a broker that has none, whose frames nothing can harm.
    fn wire(&self) -> Option<&Wire>;

    /// An order that the venue takes. Some trade at once.
    fn request(&self, rng: &dyn Rng) -> OrderRequest;

    /// Lets something happen at the venue that nobody asked for: parts of resting orders fill, some are canceled or
    /// replaced by another program of the account.
    fn act(&self, rng: &dyn Rng, now: DateTime<Utc>);

    /// Orders that can still trade.
    fn open(&self) -> usize;

    /// What the venue has.
    fn truth(&self) -> Truth;
}

/// What a fill is, whatever it is called: equal-looking ones are counted.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct FillFacts {
    /// Its order.
    pub order: Option<OrderId>,
    /// What was traded.
    pub instrument: InstrumentId,
    /// Bought or sold.
    pub side: Side,
    /// How much.
    pub qty: Qty,
    /// Price a unit.
    pub price: Price,
}

impl From<&Fill> for FillFacts {
    fn from(fill: &Fill) -> Self {
        Self {
            order: fill.order.clone(),
            instrument: fill.instrument.clone(),
            side: fill.side,
            qty: fill.qty,
            price: fill.price,
        }
    }
}

/// An order's state, and how far it is filled.
pub type OrderFacts = (OrderStatus, Qty);

/// What a venue has: fills and how often each, orders, positions with their sign.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Truth {
    /// How often each fill happened.
    pub fills: BTreeMap<FillFacts, u64>,
    /// Every order ever taken.
    pub orders: BTreeMap<OrderId, OrderFacts>,
    /// Positions that are not flat.
    pub positions: BTreeMap<InstrumentId, Decimal>,
    /// What is held is told as balances, and never as positions.
    pub outright: bool,
}

impl Truth {
    /// From the venue's own books.
    pub fn new<'a>(
        fills: impl IntoIterator<Item = &'a Fill>,
        orders: impl IntoIterator<Item = &'a Order>,
        positions: impl IntoIterator<Item = &'a Position>,
    ) -> Self {
        let mut truth = Self::default();
        for fill in fills {
            *truth.fills.entry(fill.into()).or_default() += 1;
        }
        let facts = |order: &Order| (order.id.clone(), (order.status.clone(), order.filled_qty));
        truth.orders.extend(orders.into_iter().map(facts));
        let held = positions.into_iter().filter(|position| !position.qty.is_zero());
        truth
            .positions
            .extend(held.map(|position| (position.instrument.clone(), position.signed_qty())));
        truth
    }
}

/// How much passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct StreamsPlan {
    /// Events that the reader takes while things go wrong.
    pub events: u64,
    /// Of all chance.
    pub seed: u64,
    /// Room in the stream's queue.
    pub queue: usize,
}

impl StreamsPlan {
    /// So many events through a queue of 256.
    pub fn new(events: u64, seed: u64) -> Self {
        Self {
            events,
            seed,
            queue: 256,
        }
    }

    /// With another queue.
    #[must_use]
    pub fn with_queue(mut self, queue: usize) -> Self {
        self.queue = queue;
        self
    }
}

/// One kind of harm that a stream did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Harm {
    /// A fill that the venue has never came.
    FillLost,
    /// A fill came twice.
    FillDoubled,
    /// A fill came that the venue does not have.
    FillInvented,
    /// The filled quantity of an order fell.
    FilledFell,
    /// A final order was told as open again.
    Reopened,
    /// A gap was never recovered, or forgotten for a later one.
    GapOpen,
    /// A recovery that does not cover everything, or that no gap came before.
    NotCovered,
    /// At rest an order is not as the venue has it.
    OrderWrong,
    /// At rest a position is not as the venue has it.
    PositionWrong,
    /// The stream ended by itself, could not be opened, or stood still.
    Ended,
    /// A dropped stream left a socket or a task.
    LeftBehind,
}

/// What a campaign saw.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StreamsReport {
    /// Events that the reader took.
    pub events: u64,
    /// States of orders among them.
    pub orders: u64,
    /// Fills among them.
    pub fills: u64,
    /// Connections that were lost.
    pub disconnects: u64,
    /// Gaps.
    pub gaps: u64,
    /// Fills that came before their order's own placing was answered.
    pub fills_before_answer: u64,
    /// Times that the reader slept.
    pub naps: u64,
    /// Orders that the venue has.
    pub at_venue: u64,
    /// How often each fault hit.
    pub hits: BTreeMap<&'static str, u64>,
    /// Virtual time that it took.
    pub elapsed: Duration,
    /// How often each harm was done, and the first case; empty for an honest broker.
    pub harms: BTreeMap<Harm, (u64, String)>,
}

impl StreamsReport {
    /// Whether nothing was harmed.
    pub fn is_clean(&self) -> bool {
        self.harms.is_empty()
    }

    /// Adds what another seed's campaign saw; of each harm the first case stays.
    pub fn add(&mut self, other: Self) {
        self.events += other.events;
        self.orders += other.orders;
        self.fills += other.fills;
        self.disconnects += other.disconnects;
        self.gaps += other.gaps;
        self.fills_before_answer += other.fills_before_answer;
        self.naps += other.naps;
        self.at_venue += other.at_venue;
        self.elapsed += other.elapsed;
        for (fault, hits) in other.hits {
            *self.hits.entry(fault).or_default() += hits;
        }
        for (harm, (count, first)) in other.harms {
            self.harms.entry(harm).or_insert((0, first)).0 += count;
        }
    }

    pub(crate) fn harm(&mut self, harm: Harm, what: impl FnOnce() -> String) {
        let (count, _) = self.harms.entry(harm).or_insert_with(|| (0, what()));
        *count += 1;
    }
}

impl fmt::Display for StreamsReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} events ({} orders, {} fills, {} before the answer to their order), {} disconnects, {} gaps, {} naps, {} orders at the venue, {:?} of virtual time",
            self.events,
            self.orders,
            self.fills,
            self.fills_before_answer,
            self.disconnects,
            self.gaps,
            self.naps,
            self.at_venue,
            self.elapsed
        )?;
        let hits: Vec<_> = self.hits.iter().map(|(name, hits)| format!("{name} {hits}")).collect();
        write!(f, "  {}", hits.join(", "))?;
        self.harms
            .iter()
            .try_for_each(|(harm, (count, first))| write!(f, "\n  {harm:?} {count} times: {first}"))
    }
}
