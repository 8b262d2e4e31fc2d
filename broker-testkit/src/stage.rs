//! What the campaigns of orders and crashes run on: a venue in virtual time whose truth can be read, and processes
//! that connect to it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use broker_core::model::OrderChange;
use broker_core::seam::{Rng, SeededRng, Spawn, VirtualRuntime};
use broker_core::{
    AccountId, Broker, ClientOrderId, Context, IntentJournal, Order, OrderId, OrderRequest, OrderStatus, Qty,
};
use broker_sim::wire::{Fate, Faults, MemoryTransport, Recorded, Recorder, SharedVenue};

/// A venue in virtual time, and the wire to it. The wire outlives every process: what was sent arrives.
#[derive(Clone)]
pub struct World {
    /// The time of all.
    pub runtime: VirtualRuntime,
    /// The venue.
    pub venue: SharedVenue,
    /// What goes wrong.
    pub faults: Faults,
    /// What was sent.
    pub recorder: Recorder,
}

impl World {
    /// A venue; nothing goes wrong yet.
    pub fn new(runtime: VirtualRuntime, venue: SharedVenue) -> Self {
        Self {
            runtime,
            venue,
            faults: Faults::default(),
            recorder: Recorder::default(),
        }
    }

    /// With a recorder that knows the broker's secret headers.
    #[must_use]
    pub fn with_recorder(mut self, recorder: Recorder) -> Self {
        self.recorder = recorder;
        self
    }

    /// What a broker in this process holds: the clock and the wire of the world, all else the process's own.
    pub fn context(&self, process: &Process) -> Context {
        let clock = Arc::new(self.runtime.clock());
        let wire_rng = Arc::new(SeededRng::new(process.seed ^ 0x5749_5245));
        let transport = MemoryTransport::new(Arc::clone(&self.venue), clock.clone(), wire_rng, clock.clone())
            .with_faults(self.faults.clone())
            .with_recorder(self.recorder.clone());
        let rng = Arc::new(SeededRng::new(process.seed));
        Context::new(clock, rng, Arc::clone(&process.spawn), Arc::new(transport))
            .with_journal(Arc::clone(&process.journal))
    }
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "World({:?})", self.runtime)
    }
}

/// A process: what it does not share with those before and after it. The journal alone may be an older one's.
#[derive(Debug, Clone)]
pub struct Process {
    /// Of its random numbers. Two processes that draw the same ids are none.
    pub seed: u64,
    /// Runs its tasks.
    pub spawn: Arc<dyn Spawn>,
    /// Its journal.
    pub journal: Arc<dyn IntentJournal>,
}

/// An order that the venue has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownOrder {
    /// The venue's id.
    pub id: OrderId,
    /// Our id, where it carries one.
    pub client_id: Option<ClientOrderId>,
    /// Its state.
    pub status: OrderStatus,
    /// How much was filled.
    pub filled_qty: Qty,
}

impl From<&Order> for KnownOrder {
    fn from(order: &Order) -> Self {
        Self {
            id: order.id.clone(),
            client_id: order.client_id.clone(),
            status: order.status.clone(),
            filled_qty: order.filled_qty,
        }
    }
}

impl KnownOrder {
    /// Whether it is at work or was: not merely refused.
    pub fn is_alive(&self) -> bool {
        self.status != OrderStatus::Rejected || !self.filled_qty.is_zero()
    }
}

/// Errors in the venue's own words, for faults that answer in its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VenueWords {
    /// Body of an internal error, HTTP 500.
    pub internal: String,
    /// Body of a refusal by the limiter, HTTP 429.
    pub limited: String,
    /// Status and body of a ban.
    pub banned: (u16, String),
    /// Status and body of "this id was used before".
    pub duplicate: (u16, String),
}

/// Reads from method, path and body which intent a request sends: a new order, or a replacement. Of a request without a
/// body it gets the query.
pub type IntentOf = fn(&str, &str, &str) -> Option<ClientOrderId>;

/// A broker over its wire venue, as the campaigns need it.
pub trait Stage {
    /// The venue and the wire.
    fn world(&self) -> &World;

    /// The account that trades.
    fn account(&self) -> AccountId;

    /// A process connects: usually a broker over [`World::context`]. Nothing is sent by this.
    fn connect(&self, process: &Process) -> Arc<dyn Broker>;

    /// Every order that the venue ever took, by the venue itself.
    fn truth(&self) -> Vec<KnownOrder>;

    /// Which intent a request sends.
    fn intent_of(&self) -> IntentOf;

    /// An order that the venue takes, of any kind that the broker has.
    fn request(&self, rng: &dyn Rng) -> OrderRequest;

    /// An order that the venue takes and that does not trade for a day.
    fn resting(&self) -> OrderRequest;

    /// A change that such an order takes.
    fn change(&self) -> OrderChange;

    /// The venue's words.
    fn words(&self) -> VenueWords;
}

/// How often an intent left us.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sends {
    /// All requests of which a byte left.
    pub all: usize,
    /// Those whose answer did not tell us that they were refused: more than one is a blind send.
    pub unrefused: usize,
}

/// Counts sends by intent.
pub fn sends(stage: &dyn Stage) -> BTreeMap<ClientOrderId, Sends> {
    let intent_of = stage.intent_of();
    let mut counts: BTreeMap<ClientOrderId, Sends> = BTreeMap::new();
    for request in stage.world().recorder.requests() {
        let said = said(&request.query, &request.body);
        let Some(id) = intent_of(&request.method, &request.path, said) else {
            continue;
        };
        if request.fate != Fate::NotSent {
            let count = counts.entry(id).or_default();
            count.all += 1;
            count.unrefused += usize::from(!is_refusal(&request));
        }
    }
    counts
}

/// Where a request says what it asks for.
pub(crate) fn said<'a>(query: &'a str, body: &'a str) -> &'a str {
    if body.is_empty() { query } else { body }
}

/// A 4xx that came back whole, though perhaps late: the venue did nothing.
fn is_refusal(request: &Recorded) -> bool {
    let whole = match request.fault {
        None => true,
        Some(fault) => [
            "ban",
            "clock_skew",
            "delay_answer",
            "delay_request",
            "error_before",
            "expired_token",
            "rate_limited",
            "slow_drip",
        ]
        .contains(&fault),
    };
    whole && request.status.is_some_and(|status| (400..500).contains(&status))
}
