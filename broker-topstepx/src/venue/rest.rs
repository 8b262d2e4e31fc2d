//! The REST interface: every path takes a POST with a JSON body, members that it does not know refused.

use broker_core::model::Interval;
use broker_core::num::{Num, Text};
use broker_core::{AccountId, Instrument, OrderStatus};
use broker_sim::SimOrder;
use broker_sim::wire::{WireAnswer, WireRequest};
use chrono::{DateTime, Duration, Utc};
use rust_decimal::Decimal;
use serde::{Deserialize, Deserializer, de};

use super::book::Seat;
use super::json::{Object, array, plain, price, stamp};
use super::refusal::Refusal;
use super::{TopstepxVenue, shapes, trade};

pub(super) type Reply = Result<String, Refusal>;

/// The member that holds the answer of each path, and whether it is one of bars.
pub(super) fn payload(path: &str) -> Option<&'static str> {
    Some(match path {
        "/api/Auth/loginKey" => "token",
        "/api/Auth/validate" => "newToken",
        "/api/Account/search" => "accounts",
        "/api/Contract/available" | "/api/Contract/search" => "contracts",
        "/api/Contract/searchById" => "contract",
        "/api/History/retrieveBars" => "bars",
        "/api/Order/search" | "/api/Order/searchOpen" | "/api/Order/v2/query" => "orders",
        "/api/Order/searchById" => "order",
        "/api/Position/searchOpen" => "positions",
        "/api/Trade/search" => "trades",
        "/api/Order/place" => "orderId",
        "/api/Auth/logout"
        | "/api/Order/modify"
        | "/api/Order/cancel"
        | "/api/Position/closeContract"
        | "/api/Position/partialCloseContract" => "",
        _ => return None,
    })
}

/// States of orders that can still trade.
const OPEN: [i64; 4] = [1, 6, 7, 8];

/// What succeeded: the payload, and members behind it.
pub(super) fn success(payload: &str, json: &str) -> WireAnswer {
    let body = match payload {
        "" => r#"{"success":true,"errorCode":0,"errorMessage":null}"#.to_owned(),
        name => format!("{{\"{name}\":{json},\"success\":true,\"errorCode\":0,\"errorMessage\":null}}"),
    };
    WireAnswer::json(200, body)
}

/// Reads a body. What the schema does not know, and what it needs and is not there, is refused.
pub(super) fn body<'a, T: Deserialize<'a>>(request: &'a WireRequest) -> Result<T, Refusal> {
    let is_json = request
        .header("content-type")
        .is_some_and(|kind| kind.starts_with("application/json"));
    if !is_json {
        return Err(Refusal::Invalid("the body must be application/json".to_owned()));
    }
    let text = std::str::from_utf8(&request.body).map_err(|_| Refusal::Invalid("not UTF-8".to_owned()))?;
    serde_json::from_str(text).map_err(|error| Refusal::Invalid(error.to_string()))
}

/// A moment of a request.
#[derive(Debug, Clone, Copy)]
struct Moment(DateTime<Utc>);

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Text::deserialize(deserializer)?;
        let at = DateTime::parse_from_rfc3339(text.get()).map_err(de::Error::custom)?;
        Ok(Self(at.to_utc()))
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct AccountsBody {
    only_active_accounts: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct AvailableBody {
    #[serde(rename = "live")]
    _live: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct SearchBody {
    search_text: String,
    #[serde(rename = "live")]
    _live: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ContractBody {
    contract_id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct BarsBody {
    contract_id: String,
    #[serde(rename = "live")]
    _live: bool,
    start_time: Moment,
    end_time: Moment,
    unit: u8,
    unit_number: u32,
    limit: usize,
    include_partial_bar: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct AccountBody {
    account_id: i64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct TradesBody {
    account_id: i64,
    start_timestamp: Option<Moment>,
    end_timestamp: Option<Moment>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct OrdersBody {
    account_id: i64,
    start_timestamp: Moment,
    end_timestamp: Option<Moment>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct OrderBody {
    account_id: i64,
    order_id: i64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct QueryBody {
    filter: FilterBody,
    #[serde(default = "usual_page")]
    page_size: usize,
    #[serde(default)]
    page_offset: usize,
    #[serde(default)]
    sort_by: u8,
    #[serde(default)]
    sort_direction: u8,
    #[serde(default)]
    include_total_count: bool,
}

fn usual_page() -> usize {
    50
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct FilterBody {
    account_id: i64,
    #[serde(default)]
    statuses: Vec<i64>,
    contract_id: Option<String>,
    created_after: Option<Moment>,
    created_before: Option<Moment>,
}

/// Largest page of the paged list, whatever is asked for.
const LARGEST_PAGE: usize = 100;

impl TopstepxVenue {
    /// Answers a request that was let in.
    pub(super) fn route(&mut self, request: &WireRequest, now: DateTime<Utc>) -> Reply {
        match request.path.as_str() {
            "/api/Account/search" => {
                let body: AccountsBody = body(request)?;
                let seats = self
                    .book
                    .seats
                    .iter()
                    .filter(|seat| seat.active || !body.only_active_accounts);
                let rows: Vec<_> = seats.map(|seat| shapes::account(&self.engine, seat)).collect();
                Ok(array(&rows))
            }
            "/api/Contract/available" => {
                body::<AvailableBody>(request)?;
                Ok(array(&self.contracts(|_| true)))
            }
            "/api/Contract/search" => {
                let body: SearchBody = body(request)?;
                let text = body.search_text.to_uppercase();
                let mut rows = self.contracts(|one| {
                    let name = one.name.as_deref().unwrap_or_default().to_uppercase();
                    one.symbol.get().starts_with(&text) || name.contains(&text)
                });
                rows.truncate(20);
                Ok(array(&rows))
            }
            "/api/Contract/searchById" => {
                let body: ContractBody = body(request)?;
                let id = self.book.instrument(&body.contract_id).ok_or(Refusal::code(1))?;
                let instrument = self.engine.instrument(id).ok_or(Refusal::code(1))?;
                Ok(shapes::contract(&self.engine, &self.book, instrument))
            }
            "/api/History/retrieveBars" => self.bars(&body(request)?),
            "/api/Order/search" => {
                let body: OrdersBody = body(request)?;
                let until = body.end_timestamp.map(|at| at.0);
                // The search leaves suspended orders out.
                self.search(
                    body.account_id,
                    Some(body.start_timestamp.0),
                    until,
                    (now, false),
                    |status| status != 8,
                )
            }
            "/api/Order/searchOpen" => {
                let body: AccountBody = body(request)?;
                self.search(body.account_id, None, None, (now, true), |status| status == 1)
            }
            "/api/Order/v2/query" => self.query(&body(request)?, now),
            "/api/Order/searchById" => self.one_order(&body(request)?, now),
            "/api/Position/searchOpen" => {
                let body: AccountBody = body(request)?;
                let (_, seat) = self.book.seat(body.account_id).ok_or(Refusal::code(1))?;
                let positions = self.engine.positions(&seat.account).map_err(|_| Refusal::code(1))?;
                let rows: Vec<_> = positions
                    .iter()
                    .map(|one| shapes::position(&self.book, seat, one, false))
                    .collect();
                Ok(array(&rows))
            }
            "/api/Trade/search" => self.trades(&body(request)?, now),
            "/api/Order/place" => trade::place(self, &body(request)?, now),
            "/api/Order/modify" => trade::modify(self, &body(request)?, now),
            "/api/Order/cancel" => trade::cancel(self, &body(request)?, now),
            "/api/Position/closeContract" => trade::close(self, &body(request)?, now),
            "/api/Position/partialCloseContract" => trade::close_part(self, &body(request)?, now),
            _ => Err(Refusal::NotFound),
        }
    }

    /// The front contract of each product.
    fn contracts(&self, wanted: impl Fn(&Instrument) -> bool) -> Vec<String> {
        let listed = self
            .engine
            .instruments()
            .filter(|one| !self.book.contract(&one.id).is_empty());
        let active = listed.filter(|one| super::book::is_active(&self.engine, one) && wanted(one));
        active
            .map(|one| shapes::contract(&self.engine, &self.book, one))
            .collect()
    }

    fn bars(&self, body: &BarsBody) -> Reply {
        let interval = match (body.unit, body.unit_number) {
            (_, 0) => return Err(Refusal::code(3)),
            (1, count) => Interval::Seconds(count),
            (2, count) => Interval::Minutes(count),
            (3, count) => Interval::Hours(count),
            (4, 1) => Interval::Day,
            (5, 1) => Interval::Week,
            (6, 1) => Interval::Month,
            (4..=6, _) => return Err(Refusal::code(3)),
            _ => return Err(Refusal::code(2)),
        };
        if !(1..=20_000).contains(&body.limit) {
            return Err(Refusal::code(4));
        }
        let id = self.book.instrument(&body.contract_id).ok_or(Refusal::code(1))?;
        // The end is inclusive here; a client must not need to know.
        let until = body.end_time.0 + Duration::milliseconds(1);
        let mut candles = self
            .engine
            .candles(id, interval, body.start_time.0, until)
            .ok_or(Refusal::code(1))?;
        candles.retain(|candle| candle.complete || body.include_partial_bar);
        // Newest first, and of too many the newest.
        let rows = candles.iter().rev().take(body.limit).map(|candle| {
            Object::new(true)
                .raw("t", stamp(candle.start, false))
                .raw("o", price(candle.open.get()))
                .raw("h", price(candle.high.get()))
                .raw("l", price(candle.low.get()))
                .raw("c", price(candle.close.get()))
                .raw("v", plain(candle.volume.unwrap_or_default()))
                .end()
        });
        Ok(array(&rows.collect::<Vec<_>>()))
    }

    /// Whether something of this time is shown already.
    fn is_visible(&self, at: DateTime<Utc>, now: DateTime<Utc>) -> bool {
        self.lag.is_zero() || at + self.lag <= now
    }

    /// The orders of an account that can be wanted: they are kept in the order in which they were made.
    fn candidates(&self, account: &AccountId, after: Option<DateTime<Utc>>, open: bool) -> Vec<&SimOrder> {
        if open {
            return self.engine.open_orders(account).into_iter().flatten().collect();
        }
        let orders = self.engine.orders(account).into_iter().flatten().rev();
        let made = |order: &&SimOrder| order.order().created_at.unwrap_or_default();
        orders
            .take_while(|order| after.is_none_or(|after| made(order) > after))
            .collect()
    }

    /// Rows of orders with their numbers and times, ascending by number; `open` where only those that can still trade
    /// are wanted.
    fn rows(
        &self,
        seat: usize,
        now: DateTime<Utc>,
        (after, open): (Option<DateTime<Utc>>, bool),
        wanted: impl Fn(i64, DateTime<Utc>, &str) -> bool,
    ) -> Vec<String> {
        let Some(own) = self.book.seats.get(seat) else {
            return Vec::new();
        };
        let mut rows: Vec<(i64, String)> = Vec::new();
        for order in self.candidates(&own.account, after, open) {
            let created = order.order().created_at.unwrap_or_default();
            let contract = order
                .order()
                .legs
                .first()
                .map_or("", |leg| self.book.contract(&leg.instrument));
            if wanted(shapes::status(order.order()), created, contract) && self.is_visible(created, now) {
                let number = self.book.number(&order.order().id);
                rows.push((number, shapes::now(&self.engine, &self.book, own, order)));
            }
        }
        for ghost in self.book.ghosts.iter().filter(|ghost| ghost.seat == seat) {
            if wanted(5, ghost.at, &ghost.contract) && self.is_visible(ghost.at, now) {
                rows.push((ghost.number, shapes::ghost(&self.book, ghost)));
            }
        }
        rows.sort();
        rows.into_iter().map(|(_, row)| row).collect()
    }

    fn search(
        &self,
        account: i64,
        after: Option<DateTime<Utc>>,
        before: Option<DateTime<Utc>>,
        (now, open): (DateTime<Utc>, bool),
        wanted: impl Fn(i64) -> bool,
    ) -> Reply {
        let (seat, _) = self.book.seat(account).ok_or(Refusal::code(1))?;
        let rows = self.rows(seat, now, (after, open), |status, at, _| {
            wanted(status) && after.is_none_or(|after| at > after) && before.is_none_or(|before| at < before)
        });
        Ok(array(self.capped(&rows)))
    }

    /// A limit that nobody stated: of too many rows the newest come.
    fn capped<'a>(&self, rows: &'a [String]) -> &'a [String] {
        let first = self.row_cap.map_or(0, |cap| rows.len().saturating_sub(cap));
        rows.get(first..).unwrap_or_default()
    }

    fn query(&self, body: &QueryBody, now: DateTime<Utc>) -> Reply {
        if body.page_size == 0 || body.sort_by > 1 || body.sort_direction > 1 {
            return Err(Refusal::Invalid(
                "pageSize, sortBy or sortDirection is out of range".to_owned(),
            ));
        }
        let filter = &body.filter;
        let (seat, _) = self.book.seat(filter.account_id).ok_or(Refusal::code(1))?;
        let open = !filter.statuses.is_empty() && filter.statuses.iter().all(|status| OPEN.contains(status));
        let after = filter.created_after.as_ref().map(|after| after.0);
        let mut rows = self.rows(seat, now, (after, open), |status, at, contract| {
            (filter.statuses.is_empty() || filter.statuses.contains(&status))
                && filter.contract_id.as_ref().is_none_or(|wanted| wanted == contract)
                && filter.created_after.is_none_or(|after| at > after.0)
                && filter.created_before.is_none_or(|before| at < before.0)
        });
        if body.sort_direction == 1 {
            rows.reverse();
        }
        let total = rows.len();
        let size = body.page_size.min(LARGEST_PAGE);
        let page: Vec<_> = rows
            .into_iter()
            .skip(body.page_offset.saturating_mul(size))
            .take(size)
            .collect();
        let count = if body.include_total_count {
            total.to_string()
        } else {
            "null".to_owned()
        };
        // The count stands behind the list.
        Ok(format!("{},\"totalCount\":{count}", array(&page)))
    }

    fn one_order(&self, body: &OrderBody, now: DateTime<Utc>) -> Reply {
        let (index, seat) = self.book.seat(body.account_id).ok_or(Refusal::code(1))?;
        if let Some(id) = self.book.order(index, body.order_id) {
            let order = self.engine.order(&seat.account, id).map_err(|_| Refusal::code(1))?;
            if !self.is_visible(order.order().created_at.unwrap_or_default(), now) {
                return Err(Refusal::code(1));
            }
            return Ok(shapes::now(&self.engine, &self.book, seat, order));
        }
        let ghost = self
            .book
            .ghosts
            .iter()
            .find(|ghost| ghost.seat == index && ghost.number == body.order_id);
        ghost
            .map(|ghost| shapes::ghost(&self.book, ghost))
            .ok_or(Refusal::code(1))
    }

    fn trades(&self, body: &TradesBody, now: DateTime<Utc>) -> Reply {
        let (_, seat) = self.book.seat(body.account_id).ok_or(Refusal::code(1))?;
        let seat: &Seat = seat;
        let (after, before) = (body.start_timestamp.map(|at| at.0), body.end_timestamp.map(|at| at.0));
        let fills = seat
            .fills(&self.engine, after, before)
            .filter(|fill| self.is_visible(fill.at, now));
        let rows: Vec<_> = fills.map(|fill| shapes::trade(&self.book, seat, fill, false)).collect();
        // Newest first.
        let mut rows = self.capped(&rows).to_vec();
        rows.reverse();
        Ok(array(&rows))
    }

    /// Whether an order of this state is one that can trade no more.
    pub(super) fn is_over(status: &OrderStatus) -> bool {
        status.is_final()
    }
}

/// A number of whole contracts.
pub(super) fn contracts(size: Num) -> Result<Decimal, Refusal> {
    match size.0.fract().is_zero() {
        true => Ok(size.0),
        false => Err(Refusal::Invalid("size is an integer".to_owned())),
    }
}
