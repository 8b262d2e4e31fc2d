//! Alpaca's wire venue on this machine.

use std::error::Error;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use broker_alpaca::AlpacaConfig;
use broker_alpaca::venue::{AlpacaVenue, AlpacaVenueBuilder};
use broker_core::net::NetTransport;
use broker_core::seam::{Clock, SeededRng, SystemClock, TokioSpawn};
use broker_core::{Context, InstrumentId, Price, Qty};
use broker_sim::wire::{Fate, Faults, LoopbackServer, Recorder, WireLimit, share};
use chrono::{DateTime, TimeZone, Utc};

/// A venue on loopback whose clock starts at the same moment in every run, so that every run meets the same things.
#[derive(Debug)]
pub struct LocalVenue {
    venue: Arc<Mutex<AlpacaVenue>>,
    server: LoopbackServer,
    clock: Arc<dyn Clock>,
}

impl LocalVenue {
    /// With 100,000 dollars, no history and an open market that stands still until [`quote`](Self::quote) moves it.
    pub async fn fresh() -> Result<Self, Box<dyn Error>> {
        // A Tuesday, eleven in the morning in New York.
        let now = on_june_30th(15)?;
        Self::serve(AlpacaVenue::builder().starts_at(now), now).await
    }

    async fn serve(builder: AlpacaVenueBuilder, now: DateTime<Utc>) -> Result<Self, Box<dyn Error>> {
        // Announces more than Alpaca's 200 a minute: an example need not wait.
        let limit = WireLimit::fixed(6_000, Duration::from_secs(60));
        let venue = share(builder.trading_limits(vec![limit]).build()?);
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::starting_at(now));
        let server = LoopbackServer::start(Arc::clone(&venue) as _, Arc::clone(&clock)).await?;
        Ok(Self { venue, server, clock })
    }

    /// Where it listens.
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// The venue's time, the network, and ids that are the same in every run: not for a real account.
    pub fn context(&self) -> Result<Context, Box<dyn Error>> {
        Ok(Context::new(
            Arc::clone(&self.clock),
            Arc::new(SeededRng::new(7)),
            Arc::new(TokioSpawn),
            Arc::new(NetTransport::new()?),
        ))
    }

    /// What a client needs to speak to it.
    pub fn config(&self) -> Result<AlpacaConfig, Box<dyn Error>> {
        let url = self.url().parse::<url::Url>()?;
        Ok(AlpacaConfig::new(AlpacaVenue::KEY_ID, AlpacaVenue::SECRET_KEY)
            .with_base_url(url.clone())
            .with_data_url(url)
            .with_requests_per_minute(6_000)
            .with_context(self.context()?))
    }

    /// Moves the market of a symbol: bid, ask, and so many shares at each. Orders that can trade do.
    pub fn quote(&self, symbol: &str, bid: Price, ask: Price, size: Qty) -> Result<(), Box<dyn Error>> {
        let now = self.clock.now();
        let instrument = InstrumentId::from(symbol);
        self.venue()
            .engine_mut()
            .set_quote(&instrument, Some(bid), Some(ask), (size, size), now)?;
        Ok(())
    }

    /// What goes wrong on its wire, to be steered while it runs.
    pub fn faults(&self) -> &Faults {
        self.server.faults()
    }

    /// What it saw.
    pub fn recorder(&self) -> &Recorder {
        self.server.recorder()
    }

    /// What it saw of orders: each request to place, change or cancel one, and the lookups, a line each.
    pub fn order_requests(&self) -> Vec<String> {
        let seen = self.recorder().requests().into_iter();
        let orders = seen.filter(|request| request.path.starts_with("/v2/orders"));
        orders
            .map(|request| {
                let end = match (request.fate, request.status, request.fault) {
                    (Fate::Handled, Some(status), Some(fault)) => {
                        format!("handled ({status}), its answer lost: {fault}")
                    }
                    (Fate::Handled, Some(status), None) => status.to_string(),
                    (fate, _, fault) => format!("{fate:?} {}", fault.unwrap_or_default()),
                };
                format!("{:6} {} -> {end}", request.method, request.path)
            })
            .collect()
    }

    fn venue(&self) -> MutexGuard<'_, AlpacaVenue> {
        self.venue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Stops it.
    pub async fn stop(self) {
        self.server.shutdown().await;
    }
}

fn on_june_30th(hour: u32) -> Result<DateTime<Utc>, Box<dyn Error>> {
    let moment = Utc.with_ymd_and_hms(2026, 6, 30, hour, 0, 0).single();
    Ok(moment.ok_or("no such moment")?)
}
