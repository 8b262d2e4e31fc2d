//! The brokers that there are, each with a venue on this machine.
//!
//! A broker is one file here and one line in [`ALL`]; the examples that take a broker's name, or all of them, need no
//! more.

mod alpaca;
mod binance;
mod kraken;
mod oanda;
mod topstepx;

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use broker_core::net::NetTransport;
use broker_core::seam::{
    BoxFuture, Clock, SeededRng, SystemClock, TokioSpawn, Transport, VirtualClock, VirtualRuntime,
};
use broker_core::{AccountId, Broker, Context, InstrumentId};
use broker_sim::HistoryPlan;
use broker_sim::wire::{LoopbackServer, MemoryTransport, Recorder, Venue, share};
use broker_testkit::campaign::Line;
use chrono::{DateTime, TimeZone, Utc};
use rust_decimal::Decimal;

/// What goes wrong when an example starts.
pub type Failed = Box<dyn Error>;

/// A broker and what the examples need of it.
#[derive(Debug)]
pub struct Known {
    /// Its name on the command line.
    pub name: &'static str,
    /// Its name in tables.
    pub title: &'static str,
    /// Variables that hold credentials: with one of them set, the real paper host is asked.
    pub variables: &'static [&'static str],
    /// What a client of the venue on loopback signs in with: variable and value, worth nothing elsewhere.
    pub signs_in_with: &'static [(&'static str, &'static str)],
    /// A client with the credentials of the environment.
    pub from_env: fn() -> broker_core::Result<Arc<dyn Broker>>,
    /// A client without credentials, for what it says of itself.
    pub bare: fn() -> broker_core::Result<Arc<dyn Broker>>,
    /// A venue on loopback with 90 days of seeded history, and a client of it.
    pub lived: fn() -> BoxFuture<'static, Result<Local, Failed>>,
    /// A venue in memory where orders can be tried.
    pub desk: fn() -> Result<Desk, Failed>,
}

/// Every broker.
pub const ALL: &[Known] = &[
    alpaca::KNOWN,
    oanda::KNOWN,
    topstepx::KNOWN,
    kraken::KNOWN,
    binance::KNOWN,
];

/// The broker that the first argument names; the first of all without one.
///
/// # Errors
/// Another word than a broker's name.
pub fn named() -> Result<&'static Known, Failed> {
    let Some(name) = std::env::args().nth(1) else {
        return Ok(&ALL[0]);
    };
    ALL.iter().find(|known| known.name == name).ok_or_else(|| {
        let names: Vec<_> = ALL.iter().map(|known| known.name).collect();
        format!("there is no broker {name:?}; there are: {}", names.join(", ")).into()
    })
}

impl Known {
    /// Whether the environment has credentials, or a part of them.
    pub fn has_credentials(&self) -> bool {
        self.variables.iter().any(|name| std::env::var_os(name).is_some())
    }
}

/// A venue on loopback, and a client of it.
pub struct Local {
    /// The client.
    pub broker: Arc<dyn Broker>,
    server: LoopbackServer,
    realized: Box<dyn Fn() -> BTreeMap<InstrumentId, Decimal> + Send + Sync>,
}

impl Local {
    /// Serves the venue, whose time starts at `now`. `connect` makes the client of this URL; `realized` tells the
    /// venue's own books: realized PnL before fees by instrument, in the ids of the wire.
    ///
    /// # Errors
    /// When no port can be had, or the client cannot be made.
    pub async fn serve<V: Venue>(
        venue: V,
        now: DateTime<Utc>,
        connect: impl FnOnce(url::Url, Context) -> broker_core::Result<Arc<dyn Broker>>,
        realized: fn(&V) -> BTreeMap<InstrumentId, Decimal>,
    ) -> Result<Self, Failed> {
        let venue = share(venue);
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::starting_at(now));
        let server = LoopbackServer::start(Arc::clone(&venue) as _, Arc::clone(&clock)).await?;
        // Ids that are the same in every run: not for a real account.
        let rng = Arc::new(SeededRng::new(7));
        let context = Context::new(clock, rng, Arc::new(TokioSpawn), Arc::new(NetTransport::new()?));
        Ok(Self {
            broker: connect(server.url().parse()?, context)?,
            server,
            realized: Box::new(move || realized(&venue.lock().unwrap_or_else(PoisonError::into_inner))),
        })
    }

    /// Where it listens.
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// What the venue's own books state: realized PnL before fees, by instrument.
    pub fn realized(&self) -> BTreeMap<InstrumentId, Decimal> {
        (self.realized)()
    }

    /// Stops it.
    pub async fn stop(self) {
        self.server.shutdown().await;
    }
}

impl fmt::Debug for Local {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Local")
            .field("broker", &self.broker)
            .finish_non_exhaustive()
    }
}

/// A venue in memory and virtual time, and a client of it, with an open market that stands still.
#[derive(Debug)]
pub struct Desk {
    /// The time of both.
    pub runtime: VirtualRuntime,
    /// The client.
    pub broker: Arc<dyn Broker>,
    /// The account.
    pub account: AccountId,
    /// What is traded: the market stands at the middle.
    pub line: Line,
    /// What was sent.
    pub recorder: Recorder,
    /// Whether a request with this method and path places an order.
    pub places: fn(&str, &str) -> bool,
}

impl Desk {
    /// Puts the venue into memory, from `now` on.
    ///
    /// # Errors
    /// When the client cannot be made.
    pub fn over<V: Venue>(
        venue: Arc<Mutex<V>>,
        now: DateTime<Utc>,
        (account, line): (AccountId, Line),
        connect: impl FnOnce(Context) -> broker_core::Result<Arc<dyn Broker>>,
        places: fn(&str, &str) -> bool,
    ) -> Result<Self, Failed> {
        let runtime = VirtualRuntime::starting_at(now);
        let clock: Arc<VirtualClock> = Arc::new(runtime.clock());
        let rng = Arc::new(SeededRng::new(7));
        let recorder = Recorder::new();
        let transport: Arc<dyn Transport> = Arc::new(
            MemoryTransport::new(venue, clock.clone(), rng.clone(), clock.clone()).with_recorder(recorder.clone()),
        );
        let context = Context::new(clock.clone(), rng, clock, transport);
        Ok(Self {
            broker: connect(context)?,
            runtime,
            account,
            line,
            recorder,
            places,
        })
    }

    /// How many requests placed an order.
    pub fn placed(&self) -> usize {
        let sent = self.recorder.requests();
        let orders = sent.iter().filter(|sent| (self.places)(&sent.method, &sent.path));
        orders.count()
    }
}

/// A day on which all markets are open, and a history of 89 days before it, so that 90 days hold all of it.
fn history(fills: usize, hour: u32) -> Result<(HistoryPlan, DateTime<Utc>), Failed> {
    let now = Utc.with_ymd_and_hms(2026, 6, 30, hour, 0, 0).single();
    let now = now.ok_or("no such moment")?;
    Ok((HistoryPlan::new(fills, now).with_days(89).with_seed(7), now))
}
