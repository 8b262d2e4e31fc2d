//! The kiosk's venue over the paper engine. It takes an id of ours as often as it comes, refuses what was sent more
//! than five seconds ago, and shows an order two seconds after it took it.

use std::collections::BTreeMap;
use std::time::Duration;

use broker_core::{AccountId, ClientOrderId, Currency, InstrumentId, Money, Order, OrderId, Price, Qty, Record};
use broker_sim::wire::{Admission, Venue, WireAnswer, WireLimit, WireLimiter, WireRequest};
use broker_sim::{AccountSpec, Calendar, Catalogue, ClientIdPolicy, Engine, Rules, SimReject};
use chrono::{DateTime, Utc};

use super::wire::*;

pub(crate) const LATEST_ARRIVAL: Duration = Duration::from_secs(5);
pub(crate) const VISIBILITY_LAG: Duration = Duration::from_secs(2);
pub(crate) const PER_MINUTE: u32 = 600;
pub(crate) const PAGE: usize = 20;
pub(crate) const TOKEN_HEADER: &str = "x-kiosk-token";
pub(crate) const SENT_AT: &str = "x-kiosk-sent-at";
pub(crate) const TOKEN: &str = "let-me-in";
pub(crate) const ACCOUNT: &str = "KIOSK-1";
pub(crate) const SYMBOLS: [&str; 3] = ["AAPL", "MSFT", "KO"];
/// The quote moves between these bids, a step every so many orders.
const BIDS: [&str; 4] = ["100.00", "105.00", "100.00", "95.00"];
const ORDERS_A_STEP: usize = 40;
/// A clock of ours may be ahead of the venue's by so much.
const AHEAD: chrono::Duration = chrono::Duration::seconds(1);

pub(crate) struct KioskVenue {
    engine: Engine,
    limiter: WireLimiter,
    by_client_id: BTreeMap<ClientOrderId, Vec<OrderId>>,
    placed: usize,
    /// Without it the quotes stay where they are.
    moves: bool,
}

impl KioskVenue {
    pub(crate) fn new(seed: u64, now: DateTime<Utc>) -> Self {
        let standard = Catalogue::standard();
        let listings = SYMBOLS.map(|symbol| standard.get(&symbol.into()).unwrap().clone());
        let catalogue = listings.into_iter().fold(Catalogue::new(), |catalogue, mut listing| {
            listing.calendar = Calendar::Always;
            catalogue.with(listing)
        });
        let mut engine = Engine::new(seed, &catalogue, now).with_rules(rules(100));
        engine.keep_events(false);
        let account = AccountId::from(ACCOUNT);
        engine
            .open_account(AccountSpec::margin(ACCOUNT, Currency::USD), now)
            .unwrap();
        let cash = Money::new(1_000_000_000.into(), Currency::USD);
        engine.deposit(&account, cash, now).unwrap();
        let mut venue = Self {
            engine,
            limiter: WireLimiter::new(vec![WireLimit::fixed(PER_MINUTE, Duration::from_secs(60))]),
            by_client_id: BTreeMap::new(),
            placed: 0,
            moves: true,
        };
        venue.quote(BIDS[0], now);
        venue
    }

    /// Quotes that stay where they are.
    pub(crate) fn quiet(mut self) -> Self {
        self.moves = false;
        self.engine = self.engine.with_rules(rules(0));
        self
    }

    pub(crate) fn truth(&self) -> Vec<&Order> {
        let account = AccountId::from(ACCOUNT);
        let orders = self.engine.orders(&account).unwrap();
        orders.map(|order| order.order()).collect()
    }

    pub(crate) fn refused(&self) -> u64 {
        self.limiter.refused()
    }

    fn quote(&mut self, bid: &str, now: DateTime<Utc>) {
        let bid: Price = bid.parse().unwrap();
        let ask = Price::new(bid.get() + rust_decimal::Decimal::new(2, 2));
        let size: Qty = "100000".parse().unwrap();
        for symbol in SYMBOLS {
            self.engine
                .set_quote(&InstrumentId::from(symbol), Some(bid), Some(ask), (size, size), now)
                .unwrap();
        }
    }

    fn step(&mut self, now: DateTime<Utc>) {
        self.placed += 1;
        if self.moves && self.placed.is_multiple_of(ORDERS_A_STEP) {
            self.quote(BIDS[self.placed / ORDERS_A_STEP % BIDS.len()], now);
        }
    }

    /// Whether lookups show it.
    fn shows(&self, order: &Order, now: DateTime<Utc>) -> bool {
        order.created_at.is_some_and(|at| at + VISIBILITY_LAG <= now)
    }

    fn admit(&mut self, request: &WireRequest, now: DateTime<Utc>) -> Result<(), WireAnswer> {
        if request.header(TOKEN_HEADER) != Some(TOKEN) {
            return Err(refusal(401, "token", "no token"));
        }
        if let Admission::Refused { .. } | Admission::Banned { .. } = self.limiter.take("key", 1, now) {
            return Err(refusal(429, "limit", "too many requests"));
        }
        let sent_at = request.header(SENT_AT).and_then(|text| text.parse().ok());
        let sent_at = sent_at.and_then(DateTime::from_timestamp_micros);
        match sent_at {
            Some(at) if at + LATEST_ARRIVAL < now => Err(refusal(400, "late", "sent too long ago")),
            Some(at) if at - AHEAD > now => Err(refusal(400, "late", "sent in the future")),
            Some(_) => Ok(()),
            None => Err(refusal(400, "bad_request", "when was it sent?")),
        }
    }

    fn answer(&mut self, request: &WireRequest, now: DateTime<Utc>) -> Result<WireAnswer, WireAnswer> {
        self.admit(request, now)?;
        self.engine.run(now);
        let account = AccountId::from(request.param("account").unwrap_or(ACCOUNT));
        match (request.method.as_str(), request.path.as_str()) {
            ("GET", "/time") => Ok(ok(&TimeJson { now })),
            ("GET", "/accounts") => Ok(ok(&[AccountJson {
                id: ACCOUNT.into(),
                currency: "USD".to_owned(),
            }])),
            ("GET", "/balances") => {
                let cash = self.engine.account(&account).map_err(rejected)?.cash_of(Currency::USD);
                Ok(ok(&CashJson {
                    total: Price::new(cash),
                }))
            }
            ("GET", "/positions") => self.positions(&account),
            ("GET", "/instruments") => Ok(ok(&self.engine.instruments().collect::<Vec<_>>())),
            ("GET", "/order") => Ok(ok(&OrderJson::from(&self.find(request, &account, now)?))),
            ("GET", "/trace") => self.trace(request, &account, now),
            ("GET", "/orders") => self.orders(request, &account, now),
            ("GET", "/history") => self.history(request, &account),
            ("POST", "/orders") => self.place(&request.text(), now),
            ("PATCH", "/order") => self.replace(&request.text(), now),
            ("DELETE", "/order") => self.cancel(request, &account, now),
            ("DELETE", "/orders") => self.cancel_all(&account, now),
            _ => Err(refusal(404, "bad_request", "no such path")),
        }
    }

    fn place(&mut self, body: &str, now: DateTime<Utc>) -> Result<WireAnswer, WireAnswer> {
        let json: PlaceJson = read(body)?;
        self.step(now);
        let placed = self
            .engine
            .place(&json.account, &json.request, Some(json.client_id.clone()), now);
        self.taken(json.client_id, placed)
    }

    fn replace(&mut self, body: &str, now: DateTime<Utc>) -> Result<WireAnswer, WireAnswer> {
        let json: ReplaceJson = read(body)?;
        let replaced = self
            .engine
            .replace(&json.account, &json.id, &json.change, Some(json.client_id.clone()), now);
        self.taken(json.client_id, replaced)
    }

    fn taken(&mut self, id: ClientOrderId, order: Result<Order, SimReject>) -> Result<WireAnswer, WireAnswer> {
        let order = order.map_err(rejected)?;
        self.by_client_id.entry(id).or_default().push(order.id.clone());
        Ok(ok(&OrderJson::from(&order)))
    }

    fn find(&self, request: &WireRequest, account: &AccountId, now: DateTime<Utc>) -> Result<Order, WireAnswer> {
        let found = match (request.param("id"), request.param("client_id")) {
            (Some(id), _) => self.engine.order(account, &id.into()),
            (None, Some(id)) => self.engine.order_by_client_id(account, &id.into()),
            (None, None) => return Err(refusal(400, "bad_request", "which order?")),
        };
        let order = found.map_err(rejected)?.order().clone();
        match self.shows(&order, now) {
            true => Ok(order),
            false => Err(rejected(SimReject::UnknownOrder)),
        }
    }

    fn trace(&self, request: &WireRequest, account: &AccountId, now: DateTime<Utc>) -> Result<WireAnswer, WireAnswer> {
        let id = ClientOrderId::from(request.param("client_id").unwrap_or_default());
        let ids = self.by_client_id.get(&id).map_or(&[][..], Vec::as_slice);
        let orders = ids.iter().filter_map(|id| self.engine.order(account, id).ok());
        let shown = orders.map(|order| order.order()).filter(|order| self.shows(order, now));
        let rows = shown.map(OrderJson::from).collect();
        Ok(ok(&RowsJson { rows, next: None }))
    }

    fn orders(&self, request: &WireRequest, account: &AccountId, now: DateTime<Utc>) -> Result<WireAnswer, WireAnswer> {
        let (since, until) = window(request)?;
        let state = request.param("state").unwrap_or("all");
        let all = self
            .engine
            .orders(account)
            .map_err(rejected)?
            .map(|order| order.order());
        let wanted = all.filter(|order| {
            let fits = match state {
                "open" => !order.status.is_final(),
                "closed" => order.status.is_final(),
                _ => true,
            };
            fits && self.shows(order, now) && order.created_at.is_some_and(|at| since <= at && at < until)
        });
        Ok(ok(&page(request, wanted, OrderJson::from)))
    }

    fn history(&self, request: &WireRequest, account: &AccountId) -> Result<WireAnswer, WireAnswer> {
        let (since, until) = window(request)?;
        let instrument = request.param("instrument").map(InstrumentId::from);
        let log = self.engine.log(account).map_err(rejected)?.iter();
        let wanted = log.filter(|entry| {
            let of_instrument = match (&instrument, &entry.record) {
                (None, _) => true,
                (Some(id), Record::Fill(fill)) => fill.instrument == *id,
                (Some(_), Record::Void(_) | Record::Fee(_) | Record::Flow(_)) => false,
            };
            of_instrument && since <= entry.booked_at && entry.booked_at < until
        });
        Ok(ok(&page(request, wanted, |entry| entry.record.clone())))
    }

    fn positions(&self, account: &AccountId) -> Result<WireAnswer, WireAnswer> {
        let positions = self.engine.positions(account).map_err(rejected)?;
        let row = |position: broker_core::Position| PositionJson {
            instrument: position.instrument,
            symbol: position.symbol,
            side: position.side,
            qty: position.qty,
        };
        Ok(ok(&positions.into_iter().map(row).collect::<Vec<_>>()))
    }

    fn cancel(
        &mut self,
        request: &WireRequest,
        account: &AccountId,
        now: DateTime<Utc>,
    ) -> Result<WireAnswer, WireAnswer> {
        let id = match (request.param("id"), request.param("client_id")) {
            (Some(id), _) => id.into(),
            _ => self.find(request, account, now)?.id,
        };
        let order = self.engine.cancel(account, &id, now).map_err(rejected)?;
        Ok(ok(&OrderJson::from(&order)))
    }

    fn cancel_all(&mut self, account: &AccountId, now: DateTime<Utc>) -> Result<WireAnswer, WireAnswer> {
        let results = self.engine.cancel_all(account, now).map_err(rejected)?;
        let row = |(id, result): (OrderId, Result<(), SimReject>)| CanceledJson {
            id,
            error: result.err().map(|reject| reject.to_string()),
        };
        Ok(ok(&results.into_iter().map(row).collect::<Vec<_>>()))
    }
}

impl Venue for KioskVenue {
    fn handle(&mut self, request: &WireRequest, now: DateTime<Utc>) -> WireAnswer {
        self.answer(request, now).unwrap_or_else(|refusal| refusal)
    }
}

fn page<R, T>(request: &WireRequest, rows: impl Iterator<Item = R>, write: impl Fn(R) -> T) -> RowsJson<T> {
    let from: usize = request.param("from").and_then(|text| text.parse().ok()).unwrap_or(0);
    let mut rows = rows.skip(from);
    let page: Vec<T> = rows.by_ref().take(PAGE).map(write).collect();
    let next = rows.next().map(|_| from + PAGE);
    RowsJson { rows: page, next }
}

fn window(request: &WireRequest) -> Result<(DateTime<Utc>, DateTime<Utc>), WireAnswer> {
    let time = |name| request.param(name).and_then(|text: &str| text.parse().ok());
    time("since")
        .zip(time("until"))
        .ok_or_else(|| refusal(400, "bad_request", "since when, until when?"))
}

fn read<T: serde::de::DeserializeOwned>(body: &str) -> Result<T, WireAnswer> {
    decode(body).map_err(|error| refusal(400, "bad_request", &error.to_string()))
}

fn ok<T: serde::Serialize>(value: &T) -> WireAnswer {
    WireAnswer::json(200, encode(value))
}

fn rejected(reject: SimReject) -> WireAnswer {
    let (status, code) = match &reject {
        SimReject::UnknownOrder => (404, "unknown_order"),
        SimReject::UnknownAccount => (404, "unknown_account"),
        SimReject::InsufficientFunds { .. } => (422, "funds"),
        _ => (422, "refused"),
    };
    refusal(status, code, &reject.to_string())
}

pub(crate) fn refusal(status: u16, code: &str, message: &str) -> WireAnswer {
    WireAnswer::json(status, error_body(code, message))
}

pub(crate) fn error_body(code: &str, message: &str) -> String {
    encode(&ErrorJson {
        code: code.to_owned(),
        message: message.to_owned(),
    })
}

fn rules(partial_per_mille: u64) -> Rules {
    let mut rules = Rules::default();
    rules.client_ids = ClientIdPolicy::None;
    rules.partial_per_mille = partial_per_mille;
    rules
}
