//! Alpaca's wire venue: its REST protocol over the engine of `broker-sim`. Feature `venue`.
//!
//! One process stands for both hosts, the trading host and the data host: their paths do not collide. It is as strict
//! as the real service and stricter where that makes mistakes visible: a query parameter that there is not, or that
//! comes twice, is refused (400, code 40010000); the real service passes over it. Wrong words are 422, malformed JSON
//! is 400, an unknown path is 404.
//!
//! | Path | Methods |
//! | --- | --- |
//! | `/v2/account`, `/v2/account/configurations` | GET |
//! | `/v2/account/activities`, `/v2/account/activities/{type}` | GET |
//! | `/v2/positions`, `/v2/positions/{symbol_or_asset_id}` | GET |
//! | `/v2/orders` | GET, POST, DELETE |
//! | `/v2/orders/{id}` | GET, PATCH, DELETE |
//! | `/v2/orders:by_client_order_id` | GET |
//! | `/v2/assets`, `/v2/assets/{symbol_or_asset_id}` | GET |
//! | `/v2/options/contracts`, `/v2/options/contracts/{symbol_or_id}` | GET |
//! | `/v2/clock`, `/v2/calendar` | GET |
//! | `/v2/stocks/quotes/latest`, `/v1beta3/crypto/us/latest/quotes`, `/v1beta1/options/quotes/latest` | GET |
//! | `/v2/stocks/bars`, `/v1beta3/crypto/us/bars`, `/v1beta1/options/bars` | GET |
//!
//! What the real service does to those who read its history is done here, too:
//!
//! * Activities are sorted by id: the local time of New York to the millisecond (for rows that are no fills the date
//!   and zeros), then a UUID. Inside one millisecond neither time nor cumulative quantity gives the order.
//! * With `direction=asc` and a `page_token`, but no `date`, rows that share the millisecond of the token's row are
//!   **skipped**. With `date`, or downwards, nothing is lost.
//! * `after` is cut to the millisecond and includes it; `until` is cut to the millisecond and excludes all of it. Both
//!   go by the time that a row was made, and fees are made on the day after the one in their id.
//! * A fill's row carries no fee. What a coin costs is a `CFEE` row of the next day: in the coin for a buy.
//! * Positions spell a coin pair without its slash, everything else with it; `CFEE` rows are as positions.
//! * `status=open` lists held legs only when `nested=true` rolls them up in their parent. A parent is listed when it
//!   or one of its legs is in the state asked for.
//! * The answer to a placed order shows it as `pending_new` and unfilled, whatever became of it since.
//! * A bust is told on the event stream alone, and that is not served: the fill's row stays.
//!
//! ```
//! # async fn start() -> broker_core::Result<()> {
//! use broker_alpaca::venue::AlpacaVenue;
//! let server = AlpacaVenue::builder().build()?.serve().await?;
//! println!("trading and data at {}, key {}", server.url(), AlpacaVenue::KEY_ID);
//! # Ok(())
//! # }
//! ```

mod account;
mod activities;
mod assets;
mod builder;
mod clock;
mod data;
mod ids;
mod json;
mod orders;
mod params;
mod place;
mod refusal;
mod route;
mod rows;
mod shapes;
mod terms;

use std::fmt::{self, Debug};
use std::sync::Arc;

use broker_core::model::Environment;
use broker_core::seam::{Clock, Rng, Spawn, SystemClock, Transport};
use broker_core::{AccountId, Result};
use broker_sim::wire::{
    Admission, LoopbackServer, MemoryTransport, Standing, Venue, WireAnswer, WireLimiter, WireRequest, share,
};
use broker_sim::{Engine, HistoryPlan};
use chrono::{DateTime, Duration, Utc};
use secrecy::{ExposeSecret, SecretString};

pub use builder::AlpacaVenueBuilder;

use activities::Ledger;
use refusal::Refusal;

/// A venue that speaks Alpaca's REST protocol, for one account.
pub struct AlpacaVenue {
    engine: Engine,
    account: AccountId,
    environment: Environment,
    keys: Vec<(String, SecretString)>,
    tokens: Vec<SecretString>,
    trading: WireLimiter,
    data: WireLimiter,
    ledger: Ledger,
    /// When the markets took their last step, where they walk by themselves.
    walked_at: Option<DateTime<Utc>>,
    walks: bool,
}

impl AlpacaVenue {
    /// The key id that a venue takes when it was given none.
    pub const KEY_ID: &str = "PKVENUE0000000000001";
    /// The secret of [`KEY_ID`](Self::KEY_ID).
    pub const SECRET_KEY: &str = "venue-secret-of-no-worth";

    /// What a venue is to be.
    pub fn builder() -> AlpacaVenueBuilder {
        AlpacaVenueBuilder::new()
    }

    /// A venue with a history, and otherwise as [`builder`](Self::builder) makes it.
    ///
    /// # Errors
    /// When the plan cannot be traded.
    pub fn seeded(plan: &HistoryPlan) -> Result<Self> {
        Self::builder().history(plan)?.build()
    }

    /// The engine: to set quotes, to place orders behind the wire's back, to compare.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// The engine, to change.
    pub fn engine_mut(&mut self) -> &mut Engine {
        &mut self.engine
    }

    /// The engine's account behind the keys.
    pub fn account(&self) -> &AccountId {
        &self.account
    }

    /// The account's id on the wire, a UUID.
    pub fn account_id(&self) -> AccountId {
        AccountId::from(ids::uuid("account", self.account.get()))
    }

    /// How many requests were refused with 429 so far, at both hosts.
    pub fn refused(&self) -> u64 {
        self.trading.refused() + self.data.refused()
    }

    /// Serves on a port of 127.0.0.1, in real time, until the server is dropped. A venue that is also looked into is
    /// shared first: `LoopbackServer::start(share(venue), ...)`.
    ///
    /// # Errors
    /// When no port can be had.
    pub async fn serve(self) -> Result<LoopbackServer> {
        LoopbackServer::start(share(self), Arc::new(SystemClock::new())).await
    }

    /// A transport that ends at this venue, in the time of `clock`: each way takes 5 to 20 ms.
    pub fn transport(self, clock: Arc<dyn Clock>, rng: Arc<dyn Rng>, spawn: Arc<dyn Spawn>) -> Arc<dyn Transport> {
        Arc::new(MemoryTransport::new(share(self), clock, rng, spawn))
    }

    /// Who asks, by the key's id or `token`; the limits count by it.
    fn authenticate(&self, request: &WireRequest, host: Host) -> Result<String, Refusal> {
        if let Some(bearer) = request.header("authorization") {
            let token = bearer.strip_prefix("Bearer ").unwrap_or_default();
            let known = self.tokens.iter().any(|known| known.expose_secret() == token);
            return if known {
                Ok("token".to_owned())
            } else {
                Err(Refusal::unauthorized())
            };
        }
        let id = request.header("apca-api-key-id").unwrap_or_default();
        let secret = request.header("apca-api-secret-key").unwrap_or_default();
        let known = self
            .keys
            .iter()
            .any(|(key, hidden)| key == id && hidden.expose_secret() == secret);
        match (known, host) {
            (true, _) => Ok(id.to_owned()),
            (false, Host::Trading) => Err(Refusal::forbidden()),
            (false, Host::Data) => Err(Refusal::unauthorized()),
        }
    }

    /// Moves the engine's time, and its markets one step a second where they walk.
    fn keep_time(&mut self, now: DateTime<Utc>) {
        let due = self.walked_at.is_none_or(|at| now - at >= Duration::seconds(1));
        if self.walks && due {
            self.walked_at = Some(now);
            self.engine.advance(now);
        } else {
            self.engine.run(now);
        }
    }
}

/// Which of the two hosts a path belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Host {
    Trading,
    Data,
}

impl Host {
    fn of(path: &str) -> Self {
        let data = ["/v2/stocks", "/v1beta1/", "/v1beta3/"];
        if data.iter().any(|start| path.starts_with(start)) {
            Self::Data
        } else {
            Self::Trading
        }
    }
}

impl Venue for AlpacaVenue {
    fn handle(&mut self, request: &WireRequest, now: DateTime<Utc>) -> WireAnswer {
        self.keep_time(now);
        let host = Host::of(&request.path);
        let key = match self.authenticate(request, host) {
            Ok(key) => key,
            Err(refusal) => return refusal.into(),
        };
        let limiter = match host {
            Host::Trading => &mut self.trading,
            Host::Data => &mut self.data,
        };
        match limiter.take(&key, 1, now) {
            Admission::Granted(standing) => {
                let answer = self.route(request, now).unwrap_or_else(WireAnswer::from);
                with_limits(answer, standing)
            }
            Admission::Refused { standing, .. } => with_limits(Refusal::too_many().into(), standing),
            // The limiters of this venue never ban.
            Admission::Banned { .. } => Refusal::too_many().into(),
        }
    }
}

/// `Reset` is when the quota changes, in whole seconds, never before it does.
fn with_limits(answer: WireAnswer, standing: Standing) -> WireAnswer {
    let reset = standing.resets_at;
    let seconds = reset.timestamp() + i64::from(reset.timestamp_subsec_nanos() > 0);
    answer
        .with_header("X-RateLimit-Limit", standing.limit)
        .with_header("X-RateLimit-Remaining", standing.remaining)
        .with_header("X-RateLimit-Reset", seconds)
}

/// Never a key.
impl Debug for AlpacaVenue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AlpacaVenue({})", self.environment)
    }
}
