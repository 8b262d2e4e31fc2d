//! One function an endpoint: build the call, send it, read the answer.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use broker_core::http::{Call, Http, OpClass};
use broker_core::limit::BucketKey;
use broker_core::{
    AccountId, Balances, ClientOrderId, Currency, Error, ErrorKind, Order, OrderId, OrderRef, Position, Record, Result,
};
use chrono::{DateTime, TimeDelta, Utc};
use http::Method;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use url::Url;

use crate::auth::{PRIVATE, ServerClock};
use crate::directory::{Directory, TOKENIZED};
use crate::map;
use crate::map::ledger::{Half, Read};
use crate::own::KeyInfo;
use crate::walk::{HistoryWalk, OrderWalk, Source};
use crate::wire::{
    self, BalanceJson, ClosedOrdersJson, KeyInfoJson, Keyed, LedgersJson, OpenOrdersJson, OrderJson, StatusJson,
    TimeJson, TradeBalanceJson, TradesJson,
};

/// A list of pairs is larger than usual answers.
const LARGEST_LIST: usize = 32 << 20;

/// Open orders and positions come in one answer: a position is a row for each trade that opened it, some 400 bytes.
const UNPAGED: usize = 64 << 20;

/// The lists are read again after this.
const LISTS_LAST: Duration = Duration::from_secs(3_600);
/// An unknown name makes them be read again, but not more often than this.
const LISTS_REST: Duration = Duration::from_secs(60);

/// Calls whose quantities of tokenized shares are in shares or in tokens, as they are asked.
const REBASED: [&str; 10] = [
    "BalanceEx",
    "TradeBalance",
    "OpenOrders",
    "ClosedOrders",
    "QueryOrders",
    "OrderAmends",
    "TradesHistory",
    "OpenPositions",
    "Ledgers",
    "TradeVolume",
];

/// Where calls go, and what they pay to.
#[derive(Debug)]
pub(crate) struct Rest {
    pub(crate) http: Http,
    pub(crate) base: Url,
    /// Names the key in buckets and turns.
    pub(crate) key: Arc<str>,
    pub(crate) calls: BucketKey,
    pub(crate) public: BucketKey,
    pub(crate) history_cost: Arc<AtomicU32>,
    #[cfg_attr(not(feature = "trading"), allow(dead_code, reason = "orders alone carry deadlines"))]
    pub(crate) server: Arc<ServerClock>,
    pub(crate) tokenized: bool,
    pub(crate) lists: Mutex<Option<(Arc<Directory>, Duration)>>,
}

/// The body of a call.
#[derive(Debug, Default)]
pub(crate) struct Form(String);

impl Form {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Adds a field, with all but letters, digits and `-._~` escaped: a bare `+` would be a space.
    pub(crate) fn with(mut self, name: &str, value: impl AsRef<str>) -> Self {
        const KEPT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
        if !self.0.is_empty() {
            self.0.push('&');
        }
        self.0.extend(utf8_percent_encode(name, KEPT));
        self.0.push('=');
        self.0.extend(utf8_percent_encode(value.as_ref(), KEPT));
        self
    }

    pub(crate) fn maybe(self, name: &str, value: Option<impl AsRef<str>>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }
}

/// A page by offset.
pub(crate) struct Rows<T> {
    pub(crate) keys: Vec<(String, DateTime<Utc>)>,
    pub(crate) count: Option<u64>,
    pub(crate) rows: Vec<T>,
    pub(crate) notes: Vec<String>,
    pub(crate) raw: Option<String>,
}

impl<T> Rows<T> {
    fn new(keys: Vec<(String, DateTime<Utc>)>, count: Option<u64>, rows: Vec<T>) -> Self {
        Self {
            keys,
            count,
            rows,
            notes: Vec::new(),
            raw: None,
        }
    }
}

impl Rest {
    /// A private call of so many points.
    pub(crate) fn private(&self, op: &'static str, class: OpClass, name: &str, cost: u32, form: Form) -> Call {
        let form = match self.tokenized && REBASED.contains(&name) {
            true => form.with("rebase_multiplier", "rebased"),
            false => form,
        };
        let mut call = Call::new(op, class, Method::POST, &self.base, format!("{PRIVATE}{name}"));
        if cost > 0 {
            call = call.costs(&self.calls, cost);
        }
        call.body = form.0.into();
        call.turn = Some(Arc::clone(&self.key));
        call
    }

    /// A private read of one point.
    pub(crate) fn read(&self, op: &'static str, name: &str, form: Form) -> Call {
        self.private(op, OpClass::Read, name, 1, form)
    }

    /// A list that comes whole, however long it is.
    fn unpaged(&self, op: &'static str, name: &str, form: Form) -> Call {
        self.read(op, name, form).body_up_to(UNPAGED)
    }

    /// Asks it, and reads the answer.
    pub(crate) async fn ask<T>(
        &self,
        (op, name): (&'static str, &str),
        form: Form,
        read: impl Fn(&str) -> Result<T> + Send + Sync,
    ) -> Result<T> {
        self.http.run(self.read(op, name, form), read).await
    }

    pub(crate) fn public(&self, op: &'static str, name: &str) -> Call {
        Call::get(op, &self.base, format!("/0/public/{name}")).costs(&self.public, 1)
    }

    fn history_cost(&self) -> u32 {
        self.history_cost.load(Ordering::Relaxed)
    }

    pub(crate) async fn time(&self) -> Result<DateTime<Utc>> {
        let read = |body: &str| Ok(wire::result::<TimeJson>(body)?.unixtime.0);
        self.http.run(self.public("time", "Time"), read).await
    }

    pub(crate) async fn status(&self) -> Result<String> {
        let read = |body: &str| Ok(wire::result::<StatusJson<'_>>(body)?.status.get().to_owned());
        self.http.run(self.public("system status", "SystemStatus"), read).await
    }

    /// Measures the venue's clock where that is not known. It tells whole seconds.
    #[cfg_attr(not(feature = "trading"), allow(dead_code, reason = "orders alone carry deadlines"))]
    pub(crate) async fn know_clock(&self) -> Result<()> {
        let clock = self.http.context().clock();
        if self.server.is_known(clock.now()) {
            return Ok(());
        }
        let sent = clock.elapsed();
        let server = self.time().await?;
        let took = clock.elapsed().saturating_sub(sent);
        let ours = clock.now() - took / 2;
        self.server.learn(server + TimeDelta::milliseconds(500), ours);
        Ok(())
    }

    /// Pairs and assets; read again when they are old, or when they do not know a name.
    pub(crate) async fn directory(&self, knows: impl Fn(&Directory) -> bool) -> Result<Arc<Directory>> {
        let good = || {
            let lists = self.lists.lock().unwrap_or_else(PoisonError::into_inner);
            let (directory, read_at) = lists.as_ref()?;
            let age = self.http.context().clock().elapsed().saturating_sub(*read_at);
            let is_good = age < LISTS_REST || (age < LISTS_LAST && knows(directory));
            is_good.then(|| Arc::clone(directory))
        };
        if let Some(directory) = good() {
            return Ok(directory);
        }
        let turn = Arc::from(format!("{}:lists", self.key));
        let _turn = self.http.context().limiter().turn(&turn).await;
        // Somebody else may have read them meanwhile.
        if let Some(directory) = good() {
            return Ok(directory);
        }
        let directory = Arc::new(self.lists().await?);
        let now = self.http.context().clock().elapsed();
        *self.lists.lock().unwrap_or_else(PoisonError::into_inner) = Some((Arc::clone(&directory), now));
        Ok(directory)
    }

    /// The lists as they are known, whatever their age.
    pub(crate) async fn known(&self) -> Result<Arc<Directory>> {
        self.directory(|_| true).await
    }

    async fn lists(&self) -> Result<Directory> {
        let (mut assets, mut pairs) = (Vec::new(), Vec::new());
        let classes: &[Option<&str>] = match self.tokenized {
            true => &[None, Some(TOKENIZED)],
            false => &[None],
        };
        let whole = |body: &str| wire::raw_result(body).map(str::to_owned);
        for class in classes {
            let ask = |op, name, class_of: &str| {
                let call = self.public(op, name).body_up_to(LARGEST_LIST);
                match class {
                    Some(class) => call.param(class_of, class),
                    None => call,
                }
            };
            assets.push(self.http.run(ask("assets", "Assets", "aclass"), whole).await?);
            pairs.push(self.http.run(ask("pairs", "AssetPairs", "aclass_base"), whole).await?);
        }
        let assets = assets.iter().map(|text| wire::decode(text)).collect::<Result<_>>()?;
        let pairs = pairs.iter().map(|text| wire::decode(text)).collect::<Result<_>>()?;
        Directory::new((assets, pairs))
    }

    pub(crate) async fn key_info(&self) -> Result<KeyInfo> {
        let read = |body: &str| Ok(KeyInfo::of(&wire::result::<KeyInfoJson<'_>>(body)?));
        self.ask(("key info", "GetApiKeyInfo"), Form::new(), read).await
    }

    pub(crate) async fn balances(&self, account: &AccountId) -> Result<Balances> {
        let directory = self.known().await?;
        let (asset, currency) = ("ZUSD", Currency::USD);
        let call = self.read("margin", "TradeBalance", Form::new().with("asset", asset));
        let margin = |body: &str| wire::result::<TradeBalanceJson>(body);
        let margin = self.http.run(call, margin).await?;
        let read = |body: &str| {
            let rows: Keyed<'_, BalanceJson> = wire::result(body)?;
            map::account::balances(&rows, &margin, currency, account, &directory)
        };
        self.ask(("balances", "BalanceEx"), Form::new(), read).await
    }

    /// An account without positions is answered with an empty list in the place of an object.
    pub(crate) async fn positions(&self, account: &AccountId) -> Result<Vec<Position>> {
        let directory = self.known().await?;
        let read = |body: &str| {
            let raw = wire::raw_result(body)?;
            if wire::decode::<[(); 0]>(raw).is_ok() {
                return Ok(Vec::new());
            }
            map::account::positions(&wire::decode(raw)?, account, &directory)
        };
        let form = Form::new().with("docalcs", "true");
        self.http
            .run(self.unpaged("positions", "OpenPositions", form), read)
            .await
    }

    /// By Kraken's id, else by ours.
    pub(crate) async fn order(&self, order: &OrderRef) -> Result<Order> {
        match (&order.id, &order.client_id) {
            (Some(id), _) => self.order_by_id(&order.account, id).await,
            (None, Some(id)) => {
                let mut found = self.orders_by_client_id("order", &order.account, id, None).await?;
                // An id can be used again once its order is closed: the newest is meant.
                found.sort_by(|a, b| (a.created_at, &a.id).cmp(&(b.created_at, &b.id)));
                found.pop().ok_or_else(no_order)
            }
            (None, None) => Err(Error::invalid("an order is named by its id or by its client order id")),
        }
    }

    pub(crate) async fn order_by_id(&self, account: &AccountId, id: &OrderId) -> Result<Order> {
        if id.get().is_empty() || id.get().contains(',') {
            return Err(Error::invalid("an order's id is one id"));
        }
        let directory = self.known().await?;
        let read = |body: &str| {
            let rows: Keyed<'_, OrderJson<'_>> = wire::result(body)?;
            let mut found = orders(&rows, account, &directory)?;
            match (found.pop(), found.is_empty()) {
                (Some(order), true) if order.id == *id => Ok(order),
                (None, _) => Err(no_order()),
                _ => Err(Error::decode("asked for one order, answered with another")),
            }
        };
        let form = Form::new().with("txid", id.get()).with("consolidate_taker", "false");
        self.ask(("order", "QueryOrders"), form, read).await
    }

    /// Every order that carries this id. Open ones are asked first: one that closes meanwhile is among the closed.
    pub(crate) async fn orders_by_client_id(
        &self,
        op: &'static str,
        account: &AccountId,
        id: &ClientOrderId,
        since: Option<DateTime<Utc>>,
    ) -> Result<Vec<Order>> {
        let mut found = self.open_orders(op, account, Some(id)).await?;
        let directory = self.known().await?;
        let read = |body: &str| orders(&wire::result::<ClosedOrdersJson<'_>>(body)?.closed, account, &directory);
        let form = Form::new()
            .with("cl_ord_id", id.get())
            .maybe("start", since.map(|since| since.timestamp().to_string()));
        let closed = self.ask((op, "ClosedOrders"), form, read).await?;
        found.retain(|order| !closed.iter().any(|one| one.id == order.id));
        found.extend(closed);
        // What Kraken gives for an id that was not asked for is no order of ours.
        found.retain(|order| order.client_id.as_ref() == Some(id));
        Ok(found)
    }

    pub(crate) async fn open_orders(
        &self,
        op: &'static str,
        account: &AccountId,
        client_id: Option<&ClientOrderId>,
    ) -> Result<Vec<Order>> {
        let directory = self.known().await?;
        let read = |body: &str| orders(&wire::result::<OpenOrdersJson<'_>>(body)?.open, account, &directory);
        let form = Form::new().maybe("cl_ord_id", client_id.map(ClientOrderId::get));
        self.http.run(self.unpaged(op, "OpenOrders", form), read).await
    }

    pub(crate) async fn closed_orders(&self, account: &AccountId, walk: &OrderWalk) -> Result<Rows<Order>> {
        let directory = self.known().await?;
        let read = |body: &str| {
            let wire: ClosedOrdersJson<'_> = wire::result(body)?;
            let keys = wire
                .closed
                .0
                .iter()
                .map(|(id, row)| (id.get().to_owned(), row.opentm.0));
            Ok(Rows::new(
                keys.collect(),
                wire.count,
                orders(&wire.closed, account, &directory)?,
            ))
        };
        let form = Form::new()
            .with("start", walk.start().to_string())
            .with("end", walk.end.to_string())
            .with("ofs", walk.offsets.offset().to_string())
            .with("closetime", "open")
            .with("consolidate_taker", "false");
        self.ask(("orders", "ClosedOrders"), form, read).await
    }

    /// The form of a page of history.
    fn page(walk: &HistoryWalk) -> Form {
        let (start, end) = walk.window();
        Form::new()
            .with("start", start.to_string())
            .with("end", end.to_string())
            .with("ofs", walk.offsets.offset().to_string())
    }

    pub(crate) async fn trades(&self, account: &AccountId, walk: &HistoryWalk, raw: bool) -> Result<Rows<Record>> {
        debug_assert!(walk.source == Source::Trades);
        let directory = self.known().await?;
        let read = |body: &str| {
            let wire: TradesJson<'_> = wire::result(body)?;
            let rows = &wire.trades.0;
            let keys = rows.iter().map(|(id, row)| (id.get().to_owned(), row.time.0)).collect();
            let fills = rows
                .iter()
                .map(|(id, row)| map::trade::fill(id.get(), row, account, &directory).map(Record::Fill));
            let mut page = Rows::new(keys, wire.count, fills.collect::<Result<_>>()?);
            page.raw = raw.then(|| body.to_owned());
            Ok(page)
        };
        // Consolidated, several fills would be one row, under an id that no stream tells.
        let form = Self::page(walk).with("consolidate_taker", "false");
        let cost = self.history_cost();
        let call = self.private("history", OpClass::Read, "TradesHistory", cost, form);
        self.http.run(call, read).await
    }

    /// Records of a page of the ledger, and the sides of exchanges without an order.
    pub(crate) async fn ledger(
        &self,
        account: &AccountId,
        walk: &HistoryWalk,
        raw: bool,
    ) -> Result<(Rows<Record>, Vec<Half>)> {
        let directory = self.known().await?;
        let read = |body: &str| {
            let wire: LedgersJson<'_> = wire::result(body)?;
            let rows = &wire.ledger.0;
            let keys = rows.iter().map(|(id, row)| (id.get().to_owned(), row.time.0)).collect();
            let mut page = Rows::new(keys, wire.count, Vec::with_capacity(rows.len()));
            let mut halves = Vec::new();
            for (id, row) in rows {
                match map::ledger::row(id.get(), row, account, &directory, &mut page.notes)? {
                    Read::Records(records) => page.rows.extend(records),
                    Read::Half(half) => halves.push(half),
                }
            }
            page.raw = raw.then(|| body.to_owned());
            Ok((page, halves))
        };
        let cost = self.history_cost();
        let call = self.private("history", OpClass::Read, "Ledgers", cost, Self::page(walk));
        self.http.run(call, read).await
    }
}

pub(crate) fn no_order() -> Error {
    Error::new(ErrorKind::NotFound)
        .with_delivery(broker_core::Delivery::Answered)
        .with_message("there is no such order")
}

fn orders(rows: &Keyed<'_, OrderJson<'_>>, account: &AccountId, directory: &Directory) -> Result<Vec<Order>> {
    let orders = rows.0.iter();
    orders
        .map(|(id, row)| map::order::order(id.get(), row, account, directory))
        .collect()
}
