//! Kraken's wire venue: its REST protocol over the engine of `broker-sim`. Feature `venue`.
//!
//! One process stands for all hosts. It is as strict as the real service, and stricter where that makes mistakes
//! visible: a parameter that there is not, or that comes twice, is refused; the real service passes over it. Private
//! calls are POST, signed over the very bytes of their body, with a nonce that was never reached before.
//!
//! | Call | |
//! | --- | --- |
//! | `/0/public/` | `Time` `SystemStatus` `Assets` `AssetPairs` `Ticker` `OHLC` |
//! | `/0/private/` account | `GetApiKeyInfo` `BalanceEx` `TradeBalance` `OpenPositions` `TradeVolume` |
//! | `/0/private/` history | `TradesHistory` `Ledgers` `OpenOrders` `ClosedOrders` `QueryOrders` `OrderAmends` |
//! | `/0/private/` reports | `AddExport` `ExportStatus` `RetrieveExport` `RemoveExport` |
//! | `/0/private/` orders | `AddOrder` `AmendOrder` `EditOrder` `CancelOrder` `CancelAll` `CancelAllOrdersAfter` |
//! | `/v2`, `/private/v2` | sockets: `executions` `balances` `ticker` `ping` |
//!
//! What the real service does to those who read its history is done here, too: rows come newest first, by offset, fifty
//! at most whatever was asked for; `start` is exclusive and `end` is not, both in whole seconds; a row that is booked
//! meanwhile pushes all others one place further. A query range of the key cuts history without a word.
//!
//! Both counters are kept: that of the key, which history raises by 2, and the engine's, one a pair, which counts a
//! cancel by the age of its order, and refused orders, too. An order that is gone is unknown to `CancelOrder`. A
//! `deadline` that has passed is refused. A `cl_ord_id` is unique among open orders, and can be used again.
//!
//! A pair on margin is an instrument of its own to the engine, `margin:XXBTZUSD`: an order with `leverage` trades it.
//! Of a conditional close the engine makes one order for the whole entry once that is filled, not one for each part.
//!
//! ```
//! # async fn start() -> broker_core::Result<()> {
//! use broker_kraken::venue::KrakenVenue;
//! let server = KrakenVenue::builder().build()?.serve().await?;
//! println!("at {}, key {}", server.url(), KrakenVenue::KEY);
//! # Ok(())
//! # }
//! ```

mod account;
mod builder;
mod catalogue;
mod change;
mod export;
mod history;
mod ids;
mod json;
mod orders;
mod params;
mod place;
mod public;
mod refusal;
mod stream;

use std::collections::BTreeMap;
use std::fmt::{self, Debug};
use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use broker_core::model::FlowKind;
use broker_core::seam::{Frame, SystemClock};
use broker_core::{AccountId, FillId, Money, Order, OrderId, Price, Qty};
use broker_sim::wire::{Admission, LoopbackServer, SocketId, Venue, WireAnswer, WireLimiter, WireRequest, share};
use broker_sim::{Engine, SimOrder};
use chrono::{DateTime, TimeDelta, Utc};
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256, Sha512};

pub use builder::KrakenVenueBuilder;
pub use catalogue::catalogue;

use history::Rows;
use params::Params;
use refusal::{Refusal, Reply};

/// A venue that speaks Kraken's REST protocol, for one account.
pub struct KrakenVenue {
    engine: Engine,
    account: AccountId,
    key: String,
    secret: Vec<u8>,
    permissions: Vec<String>,
    query_from: Option<DateTime<Utc>>,
    /// The last nonce that was taken.
    nonce: u64,
    calls: WireLimiter,
    orders: WireLimiter,
    public: WireLimiter,
    history_cost: u32,
    rows: Rows,
    /// Order ids by Kraken's, as far as they were read.
    order_ids: BTreeMap<String, OrderId>,
    amends: change::Amends,
    page: usize,
    visibility_lag: chrono::Duration,
    cancel_all_at: Option<DateTime<Utc>>,
    streams: stream::Streams,
    exports: export::Exports,
    walks: bool,
    walked_at: Option<DateTime<Utc>>,
}

impl KrakenVenue {
    /// The key that a venue takes when it was given none.
    pub const KEY: &str = "venue-key-0000000000000000000000000000000000000000";
    /// The private key of [`KEY`](Self::KEY).
    pub const SECRET: &str = "dmVudWUtc2VjcmV0LW9mLW5vLXdvcnRoLXZlbnVlLXNlY3JldC1vZi1uby13b3J0aA==";

    /// What a venue is to be.
    pub fn builder() -> KrakenVenueBuilder {
        KrakenVenueBuilder::new()
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

    /// The id that a client gives the account: Kraken has none, and so it is made of the key.
    pub fn account_id(&self) -> AccountId {
        crate::auth::fingerprint(&self.key.as_str().into()).into()
    }

    /// Every order of the account as it is in truth, under Kraken's ids, in the order in which they were made.
    pub fn orders(&self) -> Vec<Order> {
        let orders = self.engine.orders(&self.account).into_iter().flatten();
        let named = orders.map(SimOrder::order).map(|order| Order {
            id: ids::order(&order.id).into(),
            ..order.clone()
        });
        named.collect()
    }

    /// Kraken's id of an order of the engine.
    pub fn txid(order: &OrderId) -> OrderId {
        ids::order(order).into()
    }

    /// Kraken's id of a fill of the engine.
    pub fn trade_id(fill: &FillId) -> FillId {
        ids::trade(fill).into()
    }

    /// How many requests were refused by a counter so far.
    pub fn refused(&self) -> u64 {
        self.calls.refused() + self.orders.refused() + self.public.refused()
    }

    /// Quotes a pair, outright and on margin.
    ///
    /// # Errors
    /// When there is no such pair.
    pub fn set_quote(
        &mut self,
        pair: &str,
        bid: Price,
        ask: Price,
        size: Qty,
        now: DateTime<Utc>,
    ) -> broker_core::Result<()> {
        for id in [pair.to_owned(), format!("margin:{pair}")] {
            if self.engine.instrument(&id.as_str().into()).is_some() {
                let id = id.as_str().into();
                self.engine.set_quote(&id, Some(bid), Some(ask), (size, size), now)?;
            }
        }
        Ok(())
    }

    /// Turns one asset into another without an order, as a purchase in the app does.
    ///
    /// # Errors
    /// When an amount is beyond what can be counted.
    pub fn convert(&mut self, spent: Money, received: Money, now: DateTime<Utc>) -> broker_core::Result<()> {
        let group = format!("convert-{}", self.engine.log(&self.account)?.len());
        for money in [-spent, received] {
            let group = Some(group.clone());
            self.engine
                .pay(&self.account, FlowKind::Conversion, money, None, group, now)?;
        }
        Ok(())
    }

    /// Serves on a port of 127.0.0.1, in real time, until the server is dropped.
    ///
    /// # Errors
    /// When no port can be had.
    pub async fn serve(self) -> broker_core::Result<LoopbackServer> {
        LoopbackServer::start(share(self), Arc::new(SystemClock::new())).await
    }

    fn settle(&mut self, now: DateTime<Utc>) {
        let due = self.walked_at.is_none_or(|at| now - at >= TimeDelta::seconds(1));
        match self.walks && due {
            true => {
                self.walked_at = Some(now);
                self.engine.advance(now);
            }
            false => self.engine.run(now),
        }
        if self.cancel_all_at.is_some_and(|at| at <= now) {
            self.cancel_all_at = None;
            // The account is the engine's own.
            let _ = self.engine.cancel_all(&self.account, now);
        }
    }

    /// Who asks: the key, the signature over the body as it came, the nonce.
    fn authenticate(&mut self, request: &WireRequest) -> Result<(), Refusal> {
        if request.header("api-key") != Some(&self.key) {
            return Err(Refusal::new("EAPI:Invalid key"));
        }
        let form = request.form();
        let nonce = form
            .iter()
            .find(|(name, _)| name == "nonce")
            .map(|(_, nonce)| nonce.as_str());
        let number = nonce.and_then(|nonce| nonce.parse::<u64>().ok());
        let (Some(nonce), Some(number)) = (nonce, number) else {
            return Err(Refusal::new("EAPI:Invalid nonce"));
        };
        let digest = Sha256::new().chain_update(nonce).chain_update(&request.body).finalize();
        let mut mac = Hmac::<Sha512>::new_from_slice(&self.secret).map_err(|_| Refusal::new("EAPI:Invalid key"))?;
        mac.update(request.path.as_bytes());
        mac.update(&digest);
        let signature = BASE64_STANDARD.encode(mac.finalize().into_bytes());
        if request.header("api-sign") != Some(&signature) {
            return Err(Refusal::new("EAPI:Invalid signature"));
        }
        if number <= self.nonce {
            return Err(Refusal::new("EAPI:Invalid nonce"));
        }
        self.nonce = number;
        Ok(())
    }

    fn permitted(&self, permission: &str) -> Result<(), Refusal> {
        match self.permissions.iter().any(|known| known == permission) {
            true => Ok(()),
            false => Err(Refusal::new("EGeneral:Permission denied")),
        }
    }

    fn charge(&mut self, points: u32, now: DateTime<Utc>) -> Result<(), Refusal> {
        match self.calls.take("key", points, now) {
            Admission::Granted(_) => Ok(()),
            _ => Err(Refusal::new("EAPI:Rate limit exceeded")),
        }
    }

    fn charge_orders(&mut self, pair: &str, points: u32, now: DateTime<Utc>) -> Result<(), Refusal> {
        match self.orders.take(pair, points, now) {
            Admission::Granted(_) => Ok(()),
            _ => Err(Refusal::new("EOrder:Rate limit exceeded")),
        }
    }

    /// Who asks, for what, whether the key may, and what it costs.
    fn admit(&mut self, name: &str, request: &WireRequest, now: DateTime<Utc>) -> Result<Params, Refusal> {
        self.authenticate(request)?;
        let params = Params::of(request)?;
        let (permission, cost) = match name {
            "GetApiKeyInfo" | "GetWebSocketsToken" => (None, 1),
            "BalanceEx" | "TradeBalance" | "TradeVolume" => (Some("query-funds"), 1),
            "OpenPositions" | "OpenOrders" | "OrderAmends" => (Some("query-open-trades"), 1),
            "ClosedOrders" | "QueryOrders" => (Some("query-closed-trades"), 1),
            "TradesHistory" => (Some("query-closed-trades"), self.history_cost),
            "Ledgers" => (Some("query-ledger"), self.history_cost),
            "AddExport" | "ExportStatus" | "RetrieveExport" | "RemoveExport" => (Some("export-data"), 1),
            "AddOrder" | "AmendOrder" | "EditOrder" => (Some("modify-trades"), 0),
            "CancelOrder" => (Some("close-trades"), 0),
            "CancelAll" | "CancelAllOrdersAfter" => (Some("close-trades"), 1),
            _ => return Err(Refusal::new("EGeneral:Unknown method")),
        };
        if let Some(permission) = permission {
            self.permitted(permission)?;
        }
        if cost > 0 {
            self.charge(cost, now)?;
        }
        Ok(params)
    }

    fn private(&mut self, name: &str, request: &WireRequest, now: DateTime<Utc>) -> Reply {
        let params = self.admit(name, request, now)?;
        match name {
            "GetApiKeyInfo" => self.key_info(&params, now),
            "GetWebSocketsToken" => self.stream_token(&params, now),
            "BalanceEx" => self.balances(&params),
            "TradeBalance" => self.trade_balance(&params),
            "TradeVolume" => self.trade_volume(&params),
            "OpenPositions" => self.open_positions(&params),
            "OpenOrders" => self.open_orders(&params, now),
            "ClosedOrders" => self.closed_orders(&params, now),
            "QueryOrders" => self.query_orders(&params, now),
            "TradesHistory" => self.trades_history(&params),
            "Ledgers" => self.ledgers(&params),
            "AddExport" => self.add_export(&params, now),
            "ExportStatus" => self.export_status(&params, now),
            "RemoveExport" => self.remove_export(&params, now),
            "AddOrder" => self.add_order(&params, now),
            "AmendOrder" => self.amend_order(&params, now),
            "EditOrder" => self.edit_order(&params, now),
            "OrderAmends" => self.order_amends(&params),
            "CancelOrder" => self.cancel_order(&params, now),
            "CancelAll" => self.cancel_all(&params, now),
            "CancelAllOrdersAfter" => self.cancel_all_after(&params, now),
            _ => Err(Refusal::new("EGeneral:Unknown method")),
        }
    }
}

impl Venue for KrakenVenue {
    fn handle(&mut self, request: &WireRequest, now: DateTime<Utc>) -> WireAnswer {
        self.settle(now);
        if request.header("user-agent").is_none_or(str::is_empty) {
            return WireAnswer::html(403, "<html>Forbidden: no user agent</html>");
        }
        let path = request.path.clone();
        let reply = match (
            request.method.as_str(),
            path.strip_prefix("/0/private/"),
            path.strip_prefix("/0/public/"),
        ) {
            ("POST", Some("RetrieveExport"), _) => match self.retrieve_export(request, now) {
                Ok(archive) => return archive,
                Err(refusal) => Err(refusal),
            },
            ("POST", Some(name), _) => self.private(name, request, now),
            ("GET", _, Some(name)) => self.public_call(name, request, now),
            (_, None, None) => return WireAnswer::html(404, "<html>not found</html>"),
            _ => Err(Refusal::new("EGeneral:Unknown method")),
        };
        match reply {
            Ok(result) => WireAnswer::json(200, format!(r#"{{"error":[],"result":{result}}}"#)),
            Err(refusal) => refusal.into(),
        }
    }

    fn upgrade(&mut self, request: &WireRequest, socket: SocketId, now: DateTime<Utc>) -> Result<(), WireAnswer> {
        if !matches!(request.path.as_str(), "/v2" | "/private/v2") {
            return Err(WireAnswer::html(404, "<html>not found</html>"));
        }
        self.settle(now);
        self.open_socket(socket, now);
        Ok(())
    }

    fn frame(&mut self, socket: SocketId, frame: Frame, now: DateTime<Utc>) {
        self.settle(now);
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
        self.settle(now);
        self.tell_all(now);
        self.take_frames()
    }

    fn wake_at(&self, _: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.next_due()
    }
}

/// Never a key.
impl Debug for KrakenVenue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KrakenVenue")
    }
}
