//! Alpaca's wire venue with a history, on this machine.

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use broker_alpaca::AlpacaConfig;
use broker_alpaca::venue::AlpacaVenue;
use broker_core::net::NetTransport;
use broker_core::seam::{Clock, OsRng, SystemClock, TokioSpawn};
use broker_core::{Context, InstrumentId};
use broker_sim::HistoryPlan;
use broker_sim::wire::{LoopbackServer, WireLimit, share};
use chrono::{TimeZone, Utc};
use rust_decimal::Decimal;

/// A venue on loopback whose clock starts at the same moment in every run, so that every run meets the same history.
#[derive(Debug)]
pub struct LocalVenue {
    venue: Arc<Mutex<AlpacaVenue>>,
    server: LoopbackServer,
    clock: Arc<dyn Clock>,
}

impl LocalVenue {
    /// Starts it: 6,000 fills in shares, options and coins over 89 days, so that 90 days hold all of it.
    pub async fn start() -> Result<Self, Box<dyn Error>> {
        let now = Utc
            .with_ymd_and_hms(2026, 6, 30, 21, 0, 0)
            .single()
            .ok_or("no such moment")?;
        let plan = HistoryPlan::new(6_000, now).with_days(89).with_symbols(60).with_seed(7);
        let (engine, account) = plan.build()?;
        // Announces more than Alpaca's 200 a minute: an example need not wait.
        let limit = WireLimit::fixed(6_000, Duration::from_secs(60));
        let venue = share(
            AlpacaVenue::builder()
                .engine(engine, account)
                .trading_limits(vec![limit])
                .build()?,
        );
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::starting_at(now));
        let server = LoopbackServer::start(Arc::clone(&venue) as _, Arc::clone(&clock)).await?;
        Ok(Self { venue, server, clock })
    }

    /// Where it listens.
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// What a client needs to speak to it, in its time.
    pub fn config(&self) -> Result<AlpacaConfig, Box<dyn Error>> {
        let transport = Arc::new(NetTransport::new()?);
        let context = Context::new(
            Arc::clone(&self.clock),
            Arc::new(OsRng),
            Arc::new(TokioSpawn),
            transport,
        );
        let url = self.url().parse::<url::Url>()?;
        Ok(AlpacaConfig::new(AlpacaVenue::KEY_ID, AlpacaVenue::SECRET_KEY)
            .with_base_url(url.clone())
            .with_data_url(url)
            .with_requests_per_minute(6_000)
            .with_context(context))
    }

    /// Realized PnL by instrument, as the venue's own books state it.
    pub fn realized(&self) -> Result<BTreeMap<InstrumentId, Decimal>, Box<dyn Error>> {
        let venue = self.venue.lock().unwrap_or_else(PoisonError::into_inner);
        let books = venue.engine().books(venue.account())?;
        Ok(books
            .instruments
            .into_iter()
            .map(|((id, _), book)| (id, book.gross))
            .collect())
    }

    /// Stops it.
    pub async fn stop(self) {
        self.server.shutdown().await;
    }
}
