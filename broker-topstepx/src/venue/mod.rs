//! The gateway's wire venue: its REST interface and its hubs over the engine of `broker-sim`. Feature `venue`.
//!
//! One process stands for both hosts. It is as strict as the real service and stricter where that makes mistakes
//! visible: a member of a body that there is not is refused (400, a problem document); the real service passes over
//! it, and a search with `startDate` is then one without a start.
//!
//! What the real service does to those who use it is done here, too:
//!
//! * Refusals come under HTTP 200, with codes that mean different things by endpoint.
//! * Searches have no pages. Orders come oldest first, trades newest first; borders are exclusive, which nobody
//!   documents; with [`row_cap`](TopstepxVenueBuilder::row_cap) only the newest rows come, without a word.
//! * The list of open orders and the search leave suspended exits out; the paged list has them, a hundred rows a page
//!   at most, whatever is asked for.
//! * An exit is suspended without a price until its entry fills, carries its entry's tag with `-SL` or `-TP` behind
//!   it, and names its entry; the target names the stop, and not the other way round.
//! * Bracket ticks are signed. Without Auto OCO an order with brackets is refused, and a rejected record of it kept.
//! * A `trailPrice` that is sent is a price, and becomes whole ticks from the last one; what is read is a distance.
//! * A tag is taken once in an account for ever. `closeContract` gives no order.
//! * A voided trade comes again under its own id. Fees stand in `fees`, and what the account pays beyond the first
//!   rule of its schedule in `commissions`.
//! * Tokens live for 24 hours from their issue; a second login leaves the first token good.
//! * The user hub wraps events as `{"action": n, "data": {...}}` and leaves nulls out; quotes are told as changes. No
//!   snapshot, no replay. A client that is silent for 30 s is closed.
//!
//! The engine has futures by their usual symbols (`ESH27`); on the wire they are `CON.F.US.EP.H27`. Of each product the
//! next contract to end is the active one, and orders for any other are refused (9).
//!
//! ```
//! # async fn start() -> broker_core::Result<()> {
//! use broker_topstepx::venue::TopstepxVenue;
//! let server = TopstepxVenue::builder().build()?.serve().await?;
//! println!("REST at {0}, hubs at {0}/hubs, login {1}", server.url(), TopstepxVenue::USER_NAME);
//! # Ok(())
//! # }
//! ```

mod book;
mod builder;
mod hubs;
mod json;
mod refusal;
mod rest;
mod shapes;
mod trade;

use std::collections::BTreeMap;
use std::fmt::{self, Debug};
use std::sync::Arc;

use broker_core::model::Order;
use broker_core::num::Text;
use broker_core::seam::{Clock, Frame, Rng, Spawn, SystemClock, Transport};
use broker_core::{AccountId, Fill, InstrumentId, OrderId, Result};
use broker_sim::wire::{
    Admission, LoopbackServer, MemoryTransport, SocketId, Venue, WireAnswer, WireLimiter, WireRequest, share,
};
use broker_sim::{Engine, HistoryPlan, SimOrder};
use chrono::{DateTime, Duration, Utc};
use serde::Deserialize;

pub use builder::TopstepxVenueBuilder;

use book::Book;
use hubs::{Hubs, Place};
use refusal::Refusal;

/// A venue that speaks the gateway's protocols, for the accounts of one profile.
pub struct TopstepxVenue {
    engine: Engine,
    first: AccountId,
    user_name: String,
    api_key: String,
    book: Book,
    hubs: Hubs,
    requests: WireLimiter,
    bar_requests: WireLimiter,
    /// Tokens, and when they end.
    tokens: BTreeMap<String, DateTime<Utc>>,
    issued: u64,
    auto_oco: bool,
    row_cap: Option<usize>,
    lag: Duration,
    walks: bool,
    walked_at: Option<DateTime<Utc>>,
}

/// How long a token is good.
const TOKEN_LIFE: Duration = Duration::hours(24);

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct LoginBody<'a> {
    #[serde(borrow)]
    user_name: Text<'a>,
    #[serde(borrow)]
    api_key: Text<'a>,
}

impl TopstepxVenue {
    /// The login name that a venue takes when it was given none.
    pub const USER_NAME: &str = "venue-login";
    /// The key of [`USER_NAME`](Self::USER_NAME).
    pub const API_KEY: &str = "venue-key-of-no-worth-0123456789";

    /// What a venue is to be.
    pub fn builder() -> TopstepxVenueBuilder {
        TopstepxVenueBuilder::new()
    }

    /// A venue with a history, and otherwise as [`builder`](Self::builder) makes it.
    ///
    /// # Errors
    /// When the plan cannot be traded.
    pub fn seeded(plan: &HistoryPlan) -> Result<Self> {
        Self::builder().history(plan)?.build()
    }

    /// The engine: to compare.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// The engine: to set quotes, to place orders behind the wire's back.
    pub fn engine_mut(&mut self) -> &mut Engine {
        &mut self.engine
    }

    /// The engine's name of the account that was named first.
    pub fn account(&self) -> &AccountId {
        &self.first
    }

    /// The number of an account on the wire, by the engine's name.
    pub fn account_id(&self, account: &AccountId) -> Option<AccountId> {
        let seat = self.book.seat_of(account)?;
        Some(AccountId::from(seat.number.to_string()))
    }

    /// The id of a contract on the wire, by the engine's name; `None` for what is no future.
    pub fn contract_id(&self, instrument: &InstrumentId) -> Option<InstrumentId> {
        match self.book.contract(instrument) {
            "" => None,
            id => Some(InstrumentId::from(id)),
        }
    }

    /// The number of an order on the wire, by the engine's name. Orders that the engine made behind the wire's back
    /// get one with the next request.
    pub fn order_number(&self, order: &OrderId) -> Option<i64> {
        Some(self.book.number(order)).filter(|number| *number > 0)
    }

    /// The number of a trade on the wire.
    pub fn trade_number(&self, account: &AccountId, fill: &broker_core::FillId) -> Option<i64> {
        let seat = self.book.seat_of(account)?;
        seat.trades.contains_key(fill).then(|| seat.trade_number(fill))
    }

    /// Every order of an account as it is in truth, exits of groups too, in the order in which they were made.
    pub fn orders(&self, account: &AccountId) -> Vec<Order> {
        let orders = self.engine.orders(account).into_iter().flatten();
        orders.map(SimOrder::order).cloned().collect()
    }

    /// Orders of the engine as the wire has them: by their numbers, each leg by its contract.
    pub fn numbered(&self, orders: Vec<Order>) -> Vec<Order> {
        let numbered = orders.into_iter().map(|mut order| {
            order.id = self.number_of(&order.id);
            for leg in &mut order.legs {
                leg.instrument = self.contract_of(&leg.instrument);
            }
            order
        });
        numbered.collect()
    }

    /// Fills of an account of the engine as the wire has them.
    pub fn numbered_fills(&self, account: &AccountId, fills: Vec<Fill>) -> Vec<Fill> {
        let numbered = fills.into_iter().map(|fill| Fill {
            id: self
                .trade_number(account, &fill.id)
                .unwrap_or_default()
                .to_string()
                .into(),
            order: fill.order.as_ref().map(|order| self.number_of(order)),
            instrument: self.contract_of(&fill.instrument),
            ..fill
        });
        numbered.collect()
    }

    fn number_of(&self, order: &OrderId) -> OrderId {
        OrderId::from(self.book.number(order).to_string())
    }

    fn contract_of(&self, instrument: &InstrumentId) -> InstrumentId {
        self.contract_id(instrument).unwrap_or_else(|| instrument.clone())
    }

    /// Forgets all tokens, as a gateway does that was started anew.
    pub fn forget_tokens(&mut self) {
        self.tokens.clear();
    }

    /// How many logins and renewals there were.
    pub fn tokens_issued(&self) -> u64 {
        self.issued
    }

    /// How many requests were refused with 429 so far.
    pub fn refused(&self) -> u64 {
        self.requests.refused() + self.bar_requests.refused()
    }

    /// Takes in what the engine was made to do behind the wire's back.
    pub fn sync(&mut self) {
        self.book.sync(&self.engine);
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

    /// Moves the engine's time, and its markets one step a second where they walk; then tells what came of it.
    fn settle(&mut self, now: DateTime<Utc>) {
        let due = self.walked_at.is_none_or(|at| now - at >= Duration::seconds(1));
        if self.walks && due {
            self.walked_at = Some(now);
            self.engine.advance(now);
        } else {
            self.engine.run(now);
        }
        self.book.sync(&self.engine);
        self.hubs.settle(&mut self.engine, &self.book, now);
    }

    fn answer(&mut self, request: &WireRequest, now: DateTime<Utc>) -> WireAnswer {
        if request.path == "/api/Status/ping" && request.method == "GET" {
            return WireAnswer::json(200, "\"pong\"");
        }
        let Some(payload) = rest::payload(&request.path) else {
            return Refusal::NotFound.answer("");
        };
        match self.admitted(request, now) {
            Ok(json) => rest::success(payload, &json),
            Err(refusal) => refusal.answer(payload),
        }
    }

    fn admitted(&mut self, request: &WireRequest, now: DateTime<Utc>) -> rest::Reply {
        if request.method != "POST" {
            return Err(Refusal::Method);
        }
        let is_login = request.path == "/api/Auth/loginKey";
        if !is_login && !self.is_signed_in(request, now) {
            return Err(Refusal::Unauthorized);
        }
        let limiter = match request.path.as_str() {
            "/api/History/retrieveBars" => &mut self.bar_requests,
            _ => &mut self.requests,
        };
        if !matches!(limiter.take("profile", 1, now), Admission::Granted(_)) {
            return Err(Refusal::TooMany);
        }
        match request.path.as_str() {
            "/api/Auth/loginKey" => {
                let body: LoginBody<'_> = rest::body(request)?;
                let known = body.user_name.get().eq_ignore_ascii_case(&self.user_name);
                if !known || body.api_key.get() != self.api_key {
                    return Err(Refusal::code(3));
                }
                Ok(json::quoted(&self.issue(now)))
            }
            "/api/Auth/validate" => Ok(json::quoted(&self.issue(now))),
            "/api/Auth/logout" => {
                if let Some(token) = bearer(request) {
                    self.tokens.remove(token);
                }
                Ok(String::new())
            }
            _ => self.route(request, now),
        }
    }

    fn issue(&mut self, now: DateTime<Utc>) -> String {
        self.issued += 1;
        let token = format!("venue-token-{:06}-{:x}", self.issued, now.timestamp_micros());
        self.tokens.insert(token.clone(), now + TOKEN_LIFE);
        token
    }

    fn is_good(&self, token: &str, now: DateTime<Utc>) -> bool {
        self.tokens.get(token).is_some_and(|ends_at| now < *ends_at)
    }

    fn is_signed_in(&self, request: &WireRequest, now: DateTime<Utc>) -> bool {
        bearer(request).is_some_and(|token| self.is_good(token, now))
    }
}

fn bearer(request: &WireRequest) -> Option<&str> {
    request.header("authorization")?.strip_prefix("Bearer ")
}

impl Venue for TopstepxVenue {
    fn handle(&mut self, request: &WireRequest, now: DateTime<Utc>) -> WireAnswer {
        self.settle(now);
        let answer = self.answer(request, now);
        // What the request did is told behind its answer.
        self.book.sync(&self.engine);
        answer
    }

    fn upgrade(&mut self, request: &WireRequest, socket: SocketId, now: DateTime<Utc>) -> Result<(), WireAnswer> {
        self.settle(now);
        let place = match request.path.as_str() {
            "/hubs/user" => Place::User,
            "/hubs/market" => Place::Market,
            _ => return Err(self.handle(request, now)),
        };
        let token = request.param("access_token");
        if !token.is_some_and(|token| self.is_good(token, now)) {
            return Err(Refusal::Unauthorized.answer(""));
        }
        self.hubs.open(place, socket, now);
        Ok(())
    }

    fn frame(&mut self, socket: SocketId, frame: Frame, now: DateTime<Utc>) {
        self.settle(now);
        self.hubs.frame(&mut self.engine, &self.book, socket, frame, now);
    }

    fn pushed(&mut self, now: DateTime<Utc>) -> Vec<(SocketId, Frame)> {
        self.settle(now);
        self.hubs.take()
    }

    fn wake_at(&self, _now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let walks = self.walks && self.hubs.has_watchers();
        let step = self.walked_at.filter(|_| walks).map(|at| at + Duration::seconds(1));
        self.hubs.next_due(&self.engine).into_iter().chain(step).min()
    }
}

/// Never a key or a token.
impl Debug for TopstepxVenue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TopstepxVenue({} accounts)", self.book.seats.len())
    }
}
