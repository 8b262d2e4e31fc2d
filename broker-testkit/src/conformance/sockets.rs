//! The cases over real sockets, where virtual time has no power.

use std::fmt;
use std::sync::Arc;

use broker_core::seam::{Clock, OsRng, SystemClock, TokioSpawn, Transport};
use broker_core::{Broker, Context, Result};
use broker_sim::wire::{LoopbackServer, Recorder, SharedVenue};
use chrono::{DateTime, Utc};

use super::{Report, Setup, run_side_by_side};
use crate::clock::FastClock;

/// Venues on loopback and a client before each, in one time that runs fast: the cases are waited for side by side.
///
/// ```no_run
/// # use std::sync::Arc;
/// # use broker_core::{Broker, Context, Result};
/// # use broker_core::seam::Transport;
/// # use broker_sim::wire::SharedVenue;
/// # use broker_testkit::conformance::{Setup, Sockets};
/// # async fn all_hold(
/// #     transport: Arc<dyn Transport>,
/// #     venue: fn() -> (SharedVenue, Setup),
/// #     connect: fn(&str, Context) -> Arc<dyn Broker>,
/// # ) -> Result<()> {
/// let mut sockets = Sockets::new("2026-11-20T18:00:00Z".parse().unwrap(), 10, transport);
/// for _ in 0..8 {
///     let (venue, setup) = venue();
///     sockets.add(venue, |url, context| (connect(url, context), setup)).await?;
/// }
/// let report = sockets.run().await;
/// assert!(report.failed.is_empty(), "{report}");
/// # Ok(())
/// # }
/// ```
pub struct Sockets {
    clock: Arc<dyn Clock>,
    transport: Arc<dyn Transport>,
    servers: Vec<LoopbackServer>,
    stations: Vec<(Arc<dyn Broker>, Setup)>,
}

impl Sockets {
    /// Clients and venues begin at this time, whatever the machine's clock says, and theirs runs so many times as fast:
    /// orders show with a lag, which hundreds of lookups wait for.
    pub fn new(now: DateTime<Utc>, speed: u32, transport: Arc<dyn Transport>) -> Self {
        Self {
            clock: Arc::new(FastClock::over(Arc::new(SystemClock::starting_at(now)), speed)),
            transport,
            servers: Vec::new(),
            stations: Vec::new(),
        }
    }

    /// One more venue, and the client that connects to its address, with what it may be asked. Needs a tokio runtime.
    ///
    /// # Errors
    /// `Unavailable`: no port could be had.
    pub async fn add(
        &mut self,
        venue: SharedVenue,
        connect: impl FnOnce(&str, Context) -> (Arc<dyn Broker>, Setup),
    ) -> Result<()> {
        let server = LoopbackServer::start(venue, Arc::clone(&self.clock)).await?;
        let (clock, transport) = (Arc::clone(&self.clock), Arc::clone(&self.transport));
        let context = Context::new(clock, Arc::new(OsRng), Arc::new(TokioSpawn), transport);
        self.stations.push(connect(&server.url(), context));
        self.servers.push(server);
        Ok(())
    }

    /// What came in, venue by venue.
    pub fn recorders(&self) -> Vec<Recorder> {
        self.servers.iter().map(|server| server.recorder().clone()).collect()
    }

    /// Runs every case once, and shuts the venues down.
    pub async fn run(self) -> Report {
        let report = run_side_by_side(&self.stations).await;
        for server in self.servers {
            server.shutdown().await;
        }
        report
    }
}

impl fmt::Debug for Sockets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sockets({} stations)", self.stations.len())
    }
}
