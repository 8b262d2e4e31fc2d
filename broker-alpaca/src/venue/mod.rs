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
//! | `/v2/positions`, `/v2/positions/{symbol_or_asset_id}` | GET, DELETE |
//! | `/v2/orders` | GET, POST, DELETE |
//! | `/v2/orders/{id}` | GET, PATCH, DELETE |
//! | `/v2/orders:by_client_order_id` | GET |
//! | `/v2/assets`, `/v2/assets/{symbol_or_asset_id}` | GET |
//! | `/v2/options/contracts`, `/v2/options/contracts/{symbol_or_id}` | GET |
//! | `/v2/clock`, `/v2/calendar` | GET |
//! | `/v2/stocks/quotes/latest`, `/v1beta3/crypto/us/latest/quotes`, `/v1beta1/options/quotes/latest` | GET |
//! | `/v2/stocks/bars`, `/v1beta3/crypto/us/bars`, `/v1beta1/options/bars` | GET |
//! | `/stream` | WebSocket: `trade_updates` |
//! | `/v2/iex`, `/v2/sip`, `/v2/delayed_sip`, `/v2/test`, `/v1beta3/crypto/us` | WebSocket: market data |
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
//! * A bust is told on the event stream alone: the fill's row stays. A correction changes the row, and keeps its id.
//!
//! Orders meet what the document and the recordings show of the checks before the matching engine:
//!
//! * A taken `client_order_id` is found before all else that depends on the moment, so that a repeated order is never
//!   refused for another reason.
//! * An order against a position takes what is free of it at most; no order turns a position round.
//! * An order that could trade with a resting one of the other side is a potential wash trade.
//! * `opg` and `cls` orders are refused from two minutes before the opening, ten before the close, until 19:00.
//! * Orders that wait for the opening are `new`, where the real service calls them `accepted`.
//! * `mleg` orders are refused with 422: the engine has one instrument an order.
//!
//! `/stream` answers in binary frames, and in text frames for a live account. Every message of `trade_updates` holds
//! the order as it was at that event, a group's legs too. What a client says before its key was taken is answered with
//! `unauthorized`; what is no message at all ends the connection with 1008. `previous_execution_id` of a
//! `trade_bust` or a `trade_correct` names the fill by its activity. A part of a target that fills makes the stop
//! smaller: `restated`.
//!
//! Market data streams deliver the engine's quotes. Trades and bars can be subscribed to and never come, for the
//! engine has none; `delayed_sip` is not delayed, and `test` takes every share. One client a feed, thirty symbols,
//! `*` not among them. Options (`/v1beta1/...`) are streamed in MessagePack only: an upgrade is answered with 501.
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
mod close;
mod data;
mod guard;
mod ids;
mod json;
mod keys;
mod orders;
mod params;
mod place;
mod refusal;
mod route;
mod rows;
mod shapes;
mod stream;
mod terms;

use std::fmt::{self, Debug};
use std::sync::Arc;

use broker_core::model::Environment;
use broker_core::seam::{Clock, Frame, Rng, Spawn, SystemClock, Transport};
use broker_core::{AccountId, Order, Result};
use broker_sim::wire::{
    Admission, LoopbackServer, MemoryTransport, SocketId, Standing, Venue, WireAnswer, WireLimiter, WireRequest, share,
};
use broker_sim::{Engine, HistoryPlan, SimOrder};
use chrono::{DateTime, Duration, Utc};

pub use builder::AlpacaVenueBuilder;

use activities::Ledger;
use keys::{Host, Keys};
use refusal::Refusal;
use stream::{House, Streams};

/// A venue that speaks Alpaca's REST protocol, for one account.
pub struct AlpacaVenue {
    engine: Engine,
    account: AccountId,
    environment: Environment,
    keys: Keys,
    trading: WireLimiter,
    data: WireLimiter,
    ledger: Ledger,
    streams: Streams,
    visibility_lag: Duration,
    allows_wash_trades: bool,
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

    /// Every order of the account as it is in truth, exits of groups too, in the order in which they were made: what a
    /// test compares with what a client believes. Client order ids and all states are in
    /// [`Engine::orders`](broker_sim::Engine::orders), too.
    pub fn orders(&self) -> Vec<Order> {
        let orders = self.engine.orders(&self.account).into_iter().flatten();
        orders.map(SimOrder::order).cloned().collect()
    }

    /// When it will have something to say to a socket by itself, as far as is known by now: what a shell that keeps
    /// appointments asks for.
    pub fn next_due(&self) -> Option<DateTime<Utc>> {
        let walks = self.walks && self.streams.has_watchers();
        let step = self.walked_at.filter(|_| walks).map(|at| at + Duration::seconds(1));
        self.streams.next_due(&self.engine).into_iter().chain(step).min()
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

    /// Moves time, and notes what is to be told of it.
    fn settle(&mut self, now: DateTime<Utc>) {
        self.keep_time(now);
        let (mut house, streams) = self.house();
        streams.settle(&mut house, now);
    }

    fn house(&mut self) -> (House<'_>, &mut Streams) {
        let house = House {
            engine: &mut self.engine,
            account: &self.account,
            keys: &self.keys,
        };
        (house, &mut self.streams)
    }
}

impl Venue for AlpacaVenue {
    fn handle(&mut self, request: &WireRequest, now: DateTime<Utc>) -> WireAnswer {
        self.settle(now);
        let host = Host::of(&request.path);
        let key = match self.keys.authenticate(request, host) {
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

    fn upgrade(&mut self, request: &WireRequest, socket: SocketId, now: DateTime<Utc>) -> Result<(), WireAnswer> {
        self.settle(now);
        let path = request.path.as_str();
        if matches!(path, "/v1beta1/options" | "/v1beta1/indicative" | "/v1beta1/opra") {
            return Err(
                Refusal::not_implemented("options are streamed as MessagePack, which is not spoken here").into(),
            );
        }
        if self.streams.open(path, socket, now) {
            return Ok(());
        }
        Err(self.handle(request, now))
    }

    fn frame(&mut self, socket: SocketId, frame: Frame, now: DateTime<Utc>) {
        self.settle(now);
        let (mut house, streams) = self.house();
        streams.frame(&mut house, socket, frame);
    }

    fn pushed(&mut self, now: DateTime<Utc>) -> Vec<(SocketId, Frame)> {
        self.settle(now);
        self.streams.take()
    }

    fn wake_at(&self, _now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.next_due()
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
