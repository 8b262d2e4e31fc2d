//! OANDA's wire venue: its v20 protocol over the engine of `broker-sim`. Feature `venue`.
//!
//! One process stands for both hosts, REST and streams: their paths do not collide. It is as strict as the documents
//! say, and stricter where that makes mistakes visible: unknown query parameters and unknown fields of bodies are
//! refused with 400.
//!
//! | Path below `/v3` | Methods |
//! | --- | --- |
//! | `/accounts`, `/accounts/{A}`, `.../summary`, `.../instruments` | GET |
//! | `.../orders` | GET, POST |
//! | `.../orders/{id or @ours}` | GET, PUT |
//! | `.../orders/{id or @ours}/cancel` | PUT |
//! | `.../pendingOrders` | GET |
//! | `.../trades`, `.../openTrades`, `.../trades/{id}` | GET |
//! | `.../trades/{id}/close`, `.../trades/{id}/orders` | PUT |
//! | `.../positions`, `.../openPositions`, `.../positions/{I}` | GET |
//! | `.../positions/{I}/close` | PUT |
//! | `.../transactions`, `.../transactions/{id}`, `.../idrange`, `.../sinceid` | GET |
//! | `.../pricing`, `/instruments/{I}/candles` | GET |
//! | `.../transactions/stream`, `.../pricing/stream` | GET, without an end |
//!
//! What the real service does to its clients is done here, too:
//!
//! * Transactions count from 1 without a hole, in the order in which things happened; a page is named by an address on
//!   the real host; `idrange` takes 1,000 ids at most, and `sinceid` gives 1,000 rows at most, then has to be asked
//!   again (the real cap is not documented).
//! * A market order that cannot trade is taken with 201 and canceled at once. `FOK` fills whole or not at all; `IOC`
//!   fills what is offered. No order fills twice.
//! * An id of ours is unique among pending orders alone: a market order that is sent twice fills twice. `@id` finds
//!   pending orders alone.
//! * Exits that are asked for with an entry become orders when its fill opens a trade, and go when that trade goes; a
//!   fill that only reduces drops them.
//! * A fill names the trades that it opened, reduced and closed, oldest first; `pl` excludes financing, which is paid
//!   by the second: with the closing, and for open trades at 17:00 New York.
//! * Orders and cancels of orders that there are not leave `..._REJECT` transactions, with ids of their own.
//!
//! Not done: margin calls and closeouts, guarantees of stops that the market jumps over (they
//! fill at the market, without a fee), spreads and sizes are the engine's, candles are
//! made of its minutes. `clientExtensions`, `configuration` and `changes` are answered with 501.
//!
//! ```
//! # async fn start() -> broker_core::Result<()> {
//! use broker_oanda::venue::OandaVenue;
//! let server = OandaVenue::builder().build()?.serve().await?;
//! println!("REST and streams at {}, token {}", server.url(), OandaVenue::TOKEN);
//! # Ok(())
//! # }
//! ```

mod builder;
mod candles;
mod check;
mod close;
mod json;
mod ledger;
mod params;
mod place;
mod reads;
mod refusal;
mod render;
mod stream;
mod terms;
mod views;

use std::fmt::{self, Debug};
use std::sync::Arc;

use broker_core::seam::{Clock, Frame, Rng, Spawn, SystemClock, Transport};
use broker_core::{AccountId, Fill, Money, Order, Result};
use broker_sim::wire::{
    Admission, LoopbackServer, MemoryTransport, SocketId, Venue, WireAnswer, WireLimiter, WireRequest, share,
};
use broker_sim::{Engine, HistoryPlan};
use chrono::{DateTime, Duration, Utc};
use rust_decimal::Decimal;
use secrecy::{ExposeSecret, SecretString};

pub use builder::OandaVenueBuilder;

use json::{Object, array};
use ledger::Ledger;
use place::Floor;
use reads::View;
use refusal::{Refusal, Reply};
use render::Page;
use stream::Streams;

/// A venue that speaks OANDA's v20 protocol, for the accounts of one user.
pub struct OandaVenue {
    engine: Engine,
    first: AccountId,
    ledgers: Vec<Ledger>,
    token: SecretString,
    requests: WireLimiter,
    opens: WireLimiter,
    streams: Streams,
    visibility_lag: Duration,
    mt4: Vec<AccountId>,
    walks: bool,
    walked_at: Option<DateTime<Utc>>,
    request_id: u64,
}

impl OandaVenue {
    /// The token that a venue takes when it was given none.
    pub const TOKEN: &str = "venue-token-of-no-worth-0123456789abcdef";
    /// The account that a venue has when it was given none.
    pub const ACCOUNT: &str = "101-004-7654321-001";

    /// What a venue is to be.
    pub fn builder() -> OandaVenueBuilder {
        OandaVenueBuilder::new()
    }

    /// A venue with a history, and otherwise as [`builder`](Self::builder) makes it. Of the plan, the account must be
    /// one that [`OandaVenueBuilder::spec`] makes.
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

    /// The engine, to change. What happens in it is told with the next request, or at once by
    /// [`settle`](Self::settle).
    pub fn engine_mut(&mut self) -> &mut Engine {
        &mut self.engine
    }

    /// Moves time, and numbers what has happened.
    pub fn settle(&mut self, now: DateTime<Utc>) {
        let due = self.walked_at.is_none_or(|at| now - at >= Duration::seconds(1));
        if self.walks && due {
            self.walked_at = Some(now);
            self.engine.advance(now);
        } else {
            self.engine.run(now);
        }
        self.tell(now);
    }

    fn tell(&mut self, now: DateTime<Utc>) {
        for ledger in &mut self.ledgers {
            ledger.settle(&self.engine);
        }
        self.streams.tell(&self.engine, &self.ledgers, now);
    }

    /// Its first account.
    pub fn account(&self) -> &AccountId {
        &self.first
    }

    /// Orders of the engine as the wire has them. Those that have no number are left out: exits that wait for their
    /// entry, and what happened since the venue was last told the time.
    pub fn numbered(&self, orders: Vec<Order>) -> Vec<Order> {
        let numbered = orders.into_iter().filter_map(|order| {
            let ledger = self.ledger(&order.account)?;
            let id = ledger.number_of(&order.id)?.to_string().into();
            Some(Order { id, ..order })
        });
        numbered.collect()
    }

    /// Fills of the engine as the wire has them.
    pub fn numbered_fills(&self, account: &AccountId, fills: Vec<Fill>) -> Vec<Fill> {
        let Some(ledger) = self.ledger(account) else {
            return Vec::new();
        };
        let numbers = ledger.fills();
        let home = self.engine.account(account).map(|account| account.spec().currency).ok();
        let numbered = fills.into_iter().zip(numbers).map(|(mut fill, (number, order))| {
            let guaranteed = ledger.guaranteed.get(&number).zip(home);
            fill.fees.extend(guaranteed.map(|(fee, home)| Money::new(*fee, home)));
            Fill {
                id: number.to_string().into(),
                order: Some(order.to_string().into()),
                instrument: fill.instrument.get().replace('/', "_").into(),
                ..fill
            }
        });
        numbered.collect()
    }

    fn ledger(&self, account: &AccountId) -> Option<&Ledger> {
        self.ledgers.iter().find(|ledger| ledger.account == *account)
    }

    /// The balance behind the last transaction that moved money.
    pub fn balance(&self, account: &AccountId) -> Decimal {
        self.ledger(account).map_or(Decimal::ZERO, |ledger| ledger.balance)
    }

    /// How many requests were refused with 429 so far.
    pub fn refused(&self) -> u64 {
        self.requests.refused() + self.opens.refused()
    }

    /// Serves on a port of 127.0.0.1, in real time, until the server is dropped.
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

    fn authenticate(&self, request: &WireRequest) -> Result<(), Refusal> {
        let token = request
            .header("authorization")
            .and_then(|value| value.strip_prefix("Bearer "));
        if token != Some(self.token.expose_secret()) {
            return Err(Refusal::unauthorized());
        }
        match request.header("accept-datetime-format") {
            None | Some("RFC3339") => Ok(()),
            Some(_) => Err(Refusal::invalid("Accept-Datetime-Format")),
        }
    }

    fn route(&mut self, request: &WireRequest, now: DateTime<Utc>) -> Reply {
        let segments = request.segments();
        let path: Vec<&str> = segments.iter().map(String::as_str).collect();
        match path.as_slice() {
            ["v3", "accounts"] if request.method == "GET" => self.accounts(request),
            ["v3", "instruments", name, "candles"] if request.method == "GET" => {
                candles::candles(&self.engine, request, name, now)
            }
            ["v3", "accounts"] | ["v3", "instruments", _, "candles"] => Err(wrong_method()),
            ["v3", "accounts", account, rest @ ..] => {
                let place = self.place_of(account)?;
                match request.method.as_str() {
                    "GET" => self.read(request, place, rest, now),
                    "POST" | "PUT" | "PATCH" => self.write(request, place, rest, now),
                    _ => Err(wrong_method()),
                }
            }
            _ => Err(unknown()),
        }
    }

    fn place_of(&self, account: &str) -> Result<usize, Refusal> {
        let place = self.ledgers.iter().position(|ledger| ledger.account.get() == account);
        place.ok_or_else(|| Refusal::new(403, "The provided request was forbidden."))
    }

    fn accounts(&self, request: &WireRequest) -> Reply {
        params::Params::of(request, &[])?;
        let rows = self.ledgers.iter().map(|ledger| {
            let row = Object::new().text("id", ledger.account.get()).raw("tags", "[]");
            match self.mt4.contains(&ledger.account) {
                true => row.raw("mt4AccountID", "5555").end(),
                false => row.end(),
            }
        });
        Ok(WireAnswer::json(200, Object::new().raw("accounts", &array(rows)).end()))
    }

    fn view(&self, place: usize, now: DateTime<Utc>) -> Result<View<'_>, Refusal> {
        let ledger = self.ledgers.get(place).ok_or_else(unknown)?;
        let until = now.checked_sub_signed(self.visibility_lag).unwrap_or(now);
        let last = match self.visibility_lag.is_zero() {
            true => ledger.last(),
            false => ledger.visible(until).max(1),
        };
        Ok(View {
            page: Page {
                engine: &self.engine,
                ledger,
            },
            last,
            now,
        })
    }

    fn read(&self, request: &WireRequest, place: usize, rest: &[&str], now: DateTime<Utc>) -> Reply {
        let view = self.view(place, now)?;
        match rest {
            [] => view.account(request, true),
            ["summary"] => view.account(request, false),
            ["instruments"] => view.instruments(request),
            ["orders"] => view.orders(request),
            ["pendingOrders"] => view.pending(request),
            ["orders", specifier] => view.order(request, specifier),
            ["trades"] => view.trades(request, false),
            ["openTrades"] => view.trades(request, true),
            ["trades", id] => view.trade(request, id),
            ["positions"] => view.positions(request, false),
            ["openPositions"] => view.positions(request, true),
            ["positions", name] => view.position(request, name),
            ["transactions"] => view.span(request),
            ["transactions", "idrange"] => view.range(request),
            ["transactions", "sinceid"] => view.since(request),
            ["transactions", "stream"] | ["pricing", "stream"] => Err(Refusal::too_many()),
            ["transactions", id] => view.transaction(request, id),
            ["pricing"] => view.pricing(request),
            ["changes"] => Err(not_served()),
            ["orders", _, _] | ["trades", _, _] | ["positions", _, _] | ["configuration"] => Err(wrong_method()),
            _ => Err(unknown()),
        }
    }

    fn write(&mut self, request: &WireRequest, place: usize, rest: &[&str], now: DateTime<Utc>) -> Reply {
        // A write finds what reads do not show yet.
        let find = |venue: &Self, specifier: &str| {
            let view = venue.view(place, now).ok()?;
            let last = view.page.ledger.last();
            View { last, ..view }.find(specifier)
        };
        let found = match rest {
            ["orders", specifier, ..] => find(self, specifier),
            _ => None,
        };
        let ledger = self.ledgers.get_mut(place).ok_or_else(unknown)?;
        let mut floor = Floor {
            engine: &mut self.engine,
            ledger,
            now,
        };
        match (request.method.as_str(), rest) {
            ("POST", ["orders"]) => floor.place(request),
            ("PUT", ["orders", specifier]) => floor.replace(request, found, specifier),
            ("PUT", ["orders", specifier, "cancel"]) => floor.cancel(request, found, specifier),
            ("PUT", ["trades", id, "close"]) => floor.close_trade(request, id),
            ("PUT", ["trades", id, "orders"]) => floor.set_exits(request, id),
            ("PUT", ["positions", name, "close"]) => floor.close_position(request, name),
            ("PUT", ["orders" | "trades", _, "clientExtensions"]) | ("PATCH", ["configuration"]) => Err(not_served()),
            _ => Err(wrong_method()),
        }
    }

    fn admitted(&mut self, request: &WireRequest, now: DateTime<Utc>) -> bool {
        matches!(self.requests.take(&request.peer, 1, now), Admission::Granted(_))
    }

    /// Every answer names its request.
    fn signed(&mut self, answer: WireAnswer) -> WireAnswer {
        self.request_id += 1;
        answer.with_header("RequestID", format!("{:017}", self.request_id))
    }
}

impl Venue for OandaVenue {
    fn handle(&mut self, request: &WireRequest, now: DateTime<Utc>) -> WireAnswer {
        self.settle(now);
        if !self.admitted(request, now) {
            return self.signed(Refusal::too_many().into());
        }
        let reply = self.authenticate(request);
        let reply = reply.and_then(|()| self.route(request, self.engine.now().max(now)));
        self.tell(now);
        self.signed(reply.unwrap_or_else(WireAnswer::from))
    }

    fn stream(&mut self, request: &WireRequest, socket: SocketId, now: DateTime<Utc>) -> Option<WireAnswer> {
        let segments = request.segments();
        let path: Vec<&str> = segments.iter().map(String::as_str).collect();
        let (account, prices) = match path.as_slice() {
            ["v3", "accounts", account, "transactions", "stream"] => (*account, false),
            ["v3", "accounts", account, "pricing", "stream"] => (*account, true),
            _ => return None,
        };
        self.settle(now);
        let place = self.place_of(account).ok()?;
        if request.method != "GET" || self.authenticate(request).is_err() || self.streams.is_full() {
            return None;
        }
        let known: &[&str] = if prices { &["instruments", "snapshot"] } else { &[] };
        let params = params::Params::of(request, known).ok()?;
        let names = match prices {
            true => {
                let names = params.needed("instruments").ok()?;
                self.view(place, now).ok()?.prices(names).ok()?;
                names.split(',').map(str::to_owned).collect()
            }
            false => Vec::new(),
        };
        if !matches!(self.opens.take(&request.peer, 1, now), Admission::Granted(_)) {
            return None;
        }
        let last = self.ledgers.get(place)?.last();
        match prices {
            true => self.streams.watch(socket, names, now),
            false => self.streams.follow(socket, place, last, now),
        }
        let head = WireAnswer::empty(200).with_header("content-type", "application/octet-stream");
        Some(self.signed(head))
    }

    fn frame(&mut self, socket: SocketId, frame: Frame, now: DateTime<Utc>) {
        self.settle(now);
        if matches!(frame, Frame::Close(_)) {
            self.streams.close(socket);
        }
    }

    fn pushed(&mut self, now: DateTime<Utc>) -> Vec<(SocketId, Frame)> {
        self.settle(now);
        self.streams.take()
    }

    fn wake_at(&self, _now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let beat = self.streams.next_due()?;
        let step = self.walked_at.filter(|_| self.walks && self.streams.has_prices());
        let step = step.map(|at| at + Duration::seconds(1));
        [Some(beat), self.engine.next_timer(), step].into_iter().flatten().min()
    }
}

fn unknown() -> Refusal {
    Refusal::new(404, "Unknown path")
}

fn wrong_method() -> Refusal {
    Refusal::new(405, "Method Not Allowed")
}

fn not_served() -> Refusal {
    Refusal::new(501, "This venue does not serve it")
}

/// Never the token.
impl Debug for OandaVenue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OandaVenue({} accounts)", self.ledgers.len())
    }
}
