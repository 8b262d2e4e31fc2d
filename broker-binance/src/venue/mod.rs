//! Binance's wire venue: its REST protocol over the engine of `broker-sim`. Feature `venue`.
//!
//! As strict as the real service: what is signed must be what was sent, to the letter; a time that is a second ahead or
//! a receive window behind is refused (-1021), and so is every parameter that there is not (-1104), that comes twice
//! (-1101), that is missing (-1102) or not needed (-1106).
//!
//! | Path | Methods | Weight |
//! | --- | --- | --- |
//! | `/api/v3/time`, `/api/v3/ping` | GET | 1 |
//! | `/api/v3/exchangeInfo` | GET | 20 |
//! | `/api/v3/account` | GET | 20 |
//! | `/api/v3/myTrades` | GET | 20, with an order 5 |
//! | `/api/v3/myAllocations` | GET | 20 |
//! | `/api/v3/allOrders`, `/api/v3/allOrderList` | GET | 20 |
//! | `/api/v3/order` | GET, POST, DELETE | 4, 1, 1 |
//! | `/api/v3/openOrders` | GET, DELETE | 6, without a symbol 80; 1 |
//! | `/api/v3/orderList`, `/api/v3/openOrderList` | GET | 4, 6 |
//! | `/api/v3/orderList/oco`, `/oto`, `/otoco`, `/opo`, `/opoco` | POST | 1 |
//! | `/api/v3/order/cancelReplace`, `/api/v3/order/amend/keepPriority` | POST, PUT | 1, 4 |
//! | `/api/v3/account/commission`, `/api/v3/rateLimit/order`, `/api/v3/myFilters` | GET | 20, 40, 40 |
//! | `/api/v3/order/amendments`, `/api/v3/myPreventedMatches` | GET | 4; 20, of one match 2 |
//! | `/api/v3/ticker/bookTicker`, `/api/v3/ticker/price`, `/api/v3/klines` | GET | 2, of many 4 |
//! | `/ws-api/v3`, `/stream` | sockets | 2 to connect to the first, 2 to subscribe |
//! | `/sapi/v1/...`: conversions, dust, deposits, withdrawals, distributions, snapshots | GET, live only | own |
//!
//! * Weight is counted by address in windows that begin with the minute; who goes on after a refusal is banned (418).
//! * A client order id is refused among open orders alone: who sends an order twice makes two of it once the first is
//!   done.
//! * Trades and orders are numbered symbol by symbol, trades with gaps. `startTime` with `endTime` spans a day at most
//!   (-1127), and times are not combined with ids (-1128).
//! * Of the account's stream, orders of a list that were canceled because another one filled are told as canceled, not
//!   as expired.
//! * Lists of orders are told as `OTO` whatever waits for their working order.
//! * The engine's exits cover what the entry filled, whatever fees left of it: exits are never refused for funds. Those
//!   of `opo` and `opoco` are cut to what the purchase brought, once it is filled.
//! * Orders are routed where [`routing`](BinanceVenueBuilder::routing) says so: their fills are allocations. There is no
//!   `/api/v3/sor/order`.
//! * The engine never lets an account trade with itself: a resting order that would have traded with another of the
//!   account stays. With [`preventing_self_trades`](BinanceVenueBuilder::preventing_self_trades) it expires, as Binance's
//!   `EXPIRE_MAKER` has it.
//!
//! ```
//! # async fn start() -> broker_core::Result<()> {
//! use broker_binance::venue::BinanceVenue;
//! let server = BinanceVenue::builder().build()?.serve().await?;
//! println!("listening at {}, key {}", server.url(), BinanceVenue::KEY);
//! # Ok(())
//! # }
//! ```

mod amend;
mod books;
mod builder;
mod cancel;
mod executions;
mod lists;
mod market;
mod params;
mod place;
mod read;
mod route;
mod shapes;
mod stream;
mod tell;
mod wallet;

use std::collections::BTreeMap;
use std::fmt::{self, Debug};
use std::sync::Arc;

use broker_core::model::Environment;
use broker_core::seam::{Clock, Frame, Rng, Spawn, SystemClock, Transport};
use broker_core::{AccountId, Fill, FillId, InstrumentId, Order, OrderId, OrderStatus, Record, Result};
use broker_sim::wire::{
    Admission, LoopbackServer, MemoryTransport, SocketId, Venue, WireAnswer, WireLimiter, WireRequest, share,
};
use broker_sim::{Engine, HistoryPlan, SimOrder};
use chrono::{DateTime, Duration, Utc};
use secrecy::{ExposeSecret, SecretString};

pub use builder::BinanceVenueBuilder;

use crate::auth::Signer;
use books::Books;
use params::Refusal;

/// A venue that speaks Binance's REST protocol, for one account.
pub struct BinanceVenue {
    engine: Engine,
    account: AccountId,
    environment: Environment,
    key: String,
    /// Signs what came in once more: the same text and key make the same signature.
    signer: Signer,
    weight: WireLimiter,
    orders: WireLimiter,
    orders_a_day: WireLimiter,
    announced: builder::Announced,
    books: Books,
    streams: stream::Streams,
    /// Orders that were placed to make only.
    makers: BTreeMap<OrderId, ()>,
    /// Working orders whose exits are to be as large as what they bring.
    of_received: Vec<OrderId>,
    amended: Vec<amend::Amended>,
    visibility_lag: Duration,
    /// How far the venue's clock is ahead of the true time.
    ahead: Duration,
    symbols: BTreeMap<String, InstrumentId>,
    uid: u64,
    /// Weight of every request that was taken so far.
    weighed: u64,
    /// Both halves of a cancel that places another order, where one failed: the one error with data in its body.
    halves: Option<(u16, String)>,
    /// When the markets took their last step, where they walk by themselves.
    walked_at: Option<DateTime<Utc>>,
    walks: bool,
    /// Whether the account is kept from trading with itself.
    prevents: bool,
}

impl BinanceVenue {
    /// The key that a venue takes when it was given none.
    pub const KEY: &str = "venuekey00000000000000000000000000000000000000000000000000000001";
    /// What signs for [`KEY`](Self::KEY).
    pub const SECRET: &str = "venue-secret-of-no-worth";

    /// What a venue is to be.
    pub fn builder() -> BinanceVenueBuilder {
        BinanceVenueBuilder::new()
    }

    /// A venue with a history of coins, and otherwise as [`builder`](Self::builder) makes it.
    ///
    /// # Errors
    /// When the plan cannot be traded.
    pub fn seeded(plan: &HistoryPlan) -> Result<Self> {
        Self::builder().history(plan)?.build()
    }

    /// The symbol under which the wire knows an instrument of the engine's.
    pub fn symbol(&self, instrument: &InstrumentId) -> Option<InstrumentId> {
        let found = self.engine.instrument(instrument)?;
        Some(InstrumentId::from(shapes::symbol(found)))
    }

    /// The engine: to set quotes, to place orders behind the wire's back, to compare.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// The engine, to change.
    pub fn engine_mut(&mut self) -> &mut Engine {
        &mut self.engine
    }

    /// The engine's account behind the key.
    pub fn account(&self) -> &AccountId {
        &self.account
    }

    /// The account's id on the wire.
    pub fn account_id(&self) -> AccountId {
        AccountId::from(self.uid.to_string())
    }

    /// The id that the client has of an order of the engine's.
    pub fn order_id(&self, order: &OrderId) -> Option<OrderId> {
        self.engine.order(&self.account, order).ok()?;
        Some(self.wire_id(&self.books_by_now(), order))
    }

    /// Every order of the account as it is in truth, under the wire's ids, exits of groups too, in the order in which
    /// they were made.
    pub fn orders(&self) -> Vec<Order> {
        let books = self.books_by_now();
        let orders = self.engine.orders(&self.account).into_iter().flatten();
        let told = orders.map(SimOrder::order).cloned().map(|mut order| {
            if self.books.expired_of(&order.id).is_some() {
                order.status = OrderStatus::Expired;
            }
            order.id = self.wire_id(&books, &order.id);
            for leg in &mut order.legs {
                leg.instrument = self.symbol(&leg.instrument).unwrap_or_else(|| leg.instrument.clone());
            }
            order
        });
        told.collect()
    }

    /// Every fill of the account under the wire's ids. The wire's times are in milliseconds.
    pub fn fills(&self) -> Vec<Fill> {
        let books = self.books_by_now();
        let log = self.engine.log(&self.account).unwrap_or_default();
        let mut seen: BTreeMap<&InstrumentId, usize> = BTreeMap::new();
        let mut told = Vec::new();
        for entry in log {
            let Record::Fill(fill) = &entry.record else { continue };
            let place = seen.entry(&fill.instrument).or_default();
            let trade = books.trades(&fill.instrument).get(*place);
            *place += 1;
            let symbol = self.symbol(&fill.instrument).unwrap_or_else(|| fill.instrument.clone());
            let order = fill.order.as_ref();
            told.push(Fill {
                id: match trade {
                    Some(trade) if trade.allocated => FillId::from(format!("{symbol}:A{}", trade.number)),
                    trade => FillId::from(format!(
                        "{symbol}:{}:{}",
                        trade.map_or(0, |trade| trade.number),
                        order.map(|order| books.number(order)).unwrap_or_default()
                    )),
                },
                order: order.map(|order| self.wire_id(&books, order)),
                at: DateTime::from_timestamp_millis(fill.at.timestamp_millis()).unwrap_or(fill.at),
                instrument: symbol,
                ..fill.clone()
            });
        }
        told
    }

    fn books_by_now(&self) -> Books {
        let mut books = self.books.anew();
        books.read(&self.engine, &self.account);
        books
    }

    fn wire_id(&self, books: &Books, order: &OrderId) -> OrderId {
        let found = self.engine.order(&self.account, order).ok();
        let leg = found.and_then(|found| found.order().legs.first());
        let symbol = leg.and_then(|leg| self.symbol(&leg.instrument));
        symbol.map_or_else(
            || order.clone(),
            |symbol| OrderId::from(format!("{symbol}:{}", books.number(order))),
        )
    }

    /// How many requests were refused for their number so far.
    pub fn refused(&self) -> u64 {
        self.weight.refused() + self.orders.refused() + self.orders_a_day.refused()
    }

    /// The weight of all requests that were taken so far.
    pub fn weighed(&self) -> u64 {
        self.weighed
    }

    /// Sets the venue's clock, for a client whose clock is off.
    pub fn set_clock_ahead(&mut self, ahead: Duration) {
        self.ahead = ahead;
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
        self.size_exits(now);
    }

    /// Who asks, when, and whether what was sent is what was signed.
    fn authenticate(&self, request: &WireRequest, now: DateTime<Utc>) -> Result<(), Refusal> {
        let key = request.header("x-mbx-apikey");
        self.check_key(key.unwrap_or_default())?;
        let Some((payload, signature)) = request.query.rsplit_once("&signature=") else {
            return Err(Refusal::missing("signature"));
        };
        let signed = self
            .signer
            .sign(payload)
            .map(|signature| crate::auth::encoded(&signature));
        if signed.as_deref().ok() != Some(signature) || !request.body.is_empty() {
            return Err(Refusal::new(-1022, "Signature for this request is not valid."));
        }
        let millis = |name: &str| request.param(name).and_then(|text| text.parse::<i64>().ok());
        let at = millis("timestamp").ok_or_else(|| Refusal::missing("timestamp"))?;
        let window = millis("recvWindow").unwrap_or(5_000);
        Self::check_time(at, window, now)
    }

    fn check_key(&self, key: &str) -> Result<(), Refusal> {
        if key.is_empty() {
            return Err(Refusal::new(-2014, "API-key format invalid.").with_status(401));
        }
        match key == self.key {
            true => Ok(()),
            false => Err(Refusal::new(-2015, "Invalid API-key, IP, or permissions for action.").with_status(401)),
        }
    }

    fn check_time(at: i64, window: i64, now: DateTime<Utc>) -> Result<(), Refusal> {
        if !(1..=60_000).contains(&window) {
            return Err(Refusal::new(-1131, "'recvWindow' must be less than 60000."));
        }
        let now = now.timestamp_millis();
        if at >= now + 1_000 {
            let ahead = "Timestamp for this request was 1000ms ahead of the server's time.";
            return Err(Refusal::new(-1021, ahead));
        }
        if now - at > window {
            return Err(Refusal::new(
                -1021,
                "Timestamp for this request is outside of the recvWindow.",
            ));
        }
        Ok(())
    }

    /// The venue's own time.
    fn clock(&self, now: DateTime<Utc>) -> DateTime<Utc> {
        now + self.ahead
    }
}

impl Venue for BinanceVenue {
    fn handle(&mut self, request: &WireRequest, now: DateTime<Utc>) -> WireAnswer {
        self.keep_time(now);
        self.books.read(&self.engine, &self.account);
        let date = self.clock(now).format("%a, %d %b %Y %H:%M:%S GMT").to_string();
        let answer = |answer: WireAnswer| answer.with_header("date", &date);
        let Some(endpoint) = route::endpoint(request, self.environment) else {
            return answer(WireAnswer::html(
                404,
                "<html><body><h2>404 Not found</h2></body></html>",
            ));
        };
        if endpoint.weight > 0 {
            match self.weight.take(&request.peer, endpoint.weight, now) {
                Admission::Granted(_) => self.weighed += u64::from(endpoint.weight),
                Admission::Refused { room_at, .. } => return answer(self.too_much(room_at - now)),
                Admission::Banned { until } => {
                    let text = format!(
                        "Way too much request weight used; IP banned until {}.",
                        until.timestamp_millis()
                    );
                    let refusal = Refusal::new(-1003, text).with_status(418);
                    return answer(WireAnswer::from(refusal).with_header("retry-after", seconds(until - now)));
                }
            }
        }
        let used = self.weight.standing(&request.peer, now).used;
        let weighed = |one: WireAnswer| match endpoint.weight {
            0 => answer(one),
            _ => answer(one).with_header("x-mbx-used-weight-1m", used),
        };
        if endpoint.signed
            && let Err(refusal) = self.authenticate(request, self.clock(now))
        {
            return weighed(refusal.into());
        }
        let mut counted = None;
        if endpoint.orders > 0 {
            for limiter in [&mut self.orders, &mut self.orders_a_day] {
                if let Admission::Refused { room_at, .. } = limiter.take("account", endpoint.orders, now) {
                    let refusal =
                        Refusal::new(-1015, "Too many new orders; current limit is exceeded.").with_status(429);
                    return weighed(WireAnswer::from(refusal).with_header("retry-after", seconds(room_at - now)));
                }
            }
            let used = |limiter: &WireLimiter| limiter.standing("account", now).used;
            counted = Some((used(&self.orders), used(&self.orders_a_day)));
        }
        let reply = self.route(request, endpoint.name, now);
        let one = match reply {
            Ok(body) => WireAnswer::json(200, body),
            Err(refusal) => match self.halves.take() {
                Some((status, body)) => WireAnswer::json(status, body),
                None => refusal.into(),
            },
        };
        let one = weighed(one);
        match counted {
            Some((in_ten_seconds, in_a_day)) => one
                .with_header("x-mbx-order-count-10s", in_ten_seconds)
                .with_header("x-mbx-order-count-1d", in_a_day),
            None => one,
        }
    }

    fn upgrade(&mut self, request: &WireRequest, socket: SocketId, now: DateTime<Utc>) -> Result<(), WireAnswer> {
        self.keep_time(now);
        self.open_socket(request, socket, now)
    }

    fn frame(&mut self, socket: SocketId, frame: Frame, now: DateTime<Utc>) {
        self.keep_time(now);
        self.tell_all(now);
        match frame {
            Frame::Text(text) => self.hear(socket, &text, now),
            Frame::Binary(bytes) => self.hear(socket, &String::from_utf8_lossy(&bytes), now),
            Frame::Ping(_) | Frame::Pong(_) => {}
            Frame::Close(_) => {
                self.streams.forget(socket);
                self.attend();
            }
        }
    }

    fn pushed(&mut self, now: DateTime<Utc>) -> Vec<(SocketId, Frame)> {
        self.keep_time(now);
        self.tell_all(now);
        self.take_frames()
    }

    fn wake_at(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.next_due(now)
    }
}

impl BinanceVenue {
    fn too_much(&self, wait: Duration) -> WireAnswer {
        let text = format!(
            "Too many requests; current limit of IP is {} requests per minute.",
            self.announced.weight
        );
        let refusal = Refusal::new(-1003, text).with_status(429);
        WireAnswer::from(refusal).with_header("retry-after", seconds(wait))
    }
}

/// Whole seconds, never too few.
fn seconds(wait: Duration) -> i64 {
    (wait.num_milliseconds().max(0) + 999) / 1000
}

/// Never a key.
impl Debug for BinanceVenue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BinanceVenue({})", self.environment)
    }
}

fn signer(secret: &SecretString) -> Result<Signer> {
    Signer::new(&SecretString::from(secret.expose_secret().to_owned()))
}
