//! Placing and canceling orders.

use broker_core::model::{Level, StopExit, Trail};
use broker_core::num::decimal;
use broker_core::{ClientOrderId, InstrumentId, OrderId, OrderRequest, Price, Qty, Side, TimeInForce};
use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use rust_decimal::Decimal;

use super::KrakenVenue;
use super::catalogue::PairSpec;
use super::ids;
use super::json::{Object, array, quoted};
use super::params::Params;
use super::refusal::{Refusal, Reply};

const ORDER: [&str; 21] = [
    "userref",
    "cl_ord_id",
    "ordertype",
    "type",
    "volume",
    "displayvol",
    "pair",
    "price",
    "price2",
    "trigger",
    "leverage",
    "reduce_only",
    "stptype",
    "oflags",
    "timeinforce",
    "expiretm",
    "close[ordertype]",
    "close[price]",
    "close[price2]",
    "deadline",
    "validate",
];

/// Most seconds that an expiry can be ahead: a month.
const LONGEST_EXPIRY: i64 = 31 * 86_400;

/// What the age of an order makes a cancel cost, and a change on top of its point.
fn by_age(age: TimeDelta, table: &[(i64, u32)]) -> u32 {
    let row = table.iter().find(|(younger, _)| age < TimeDelta::seconds(*younger));
    row.map_or(0, |(_, points)| *points)
}

impl KrakenVenue {
    pub(super) fn add_order(&mut self, params: &Params, now: DateTime<Utc>) -> Reply {
        let pair = params.only(&ORDER)?.needed("pair")?;
        let pair = PairSpec::of(pair).ok_or_else(|| Refusal::new("EQuery:Unknown asset pair"))?;
        // A refused order counts, too.
        self.charge_orders(pair.key, 1, now)?;
        check_deadline(params, now)?;
        let request = request(params, pair, now)?;
        let post_only = params
            .get("oflags")
            .is_some_and(|flags| flags.split(',').any(|flag| flag == "post"));
        if post_only && self.would_trade(&request) {
            return Err(Refusal::new("EOrder:Post only order"));
        }
        let words = format!(
            "{} {} {} @ {}",
            request.side,
            params.needed("volume")?,
            pair.altname(),
            params.needed("ordertype")?
        );
        let descr = Object::new().text("order", &words);
        let descr = match params.get("close[ordertype]") {
            Some(kind) => descr.text("close", &format!("close position @ {kind}")),
            None => descr,
        };
        let answer = Object::new().raw("descr", &descr.end());
        if params.flag("validate")? {
            return Ok(answer.end());
        }
        let placed = self.engine.place(&self.account, &request, None, now)?;
        Ok(answer.raw("txid", &array([quoted(&ids::order(&placed.id))])).end())
    }

    fn would_trade(&self, request: &OrderRequest) -> bool {
        let broker_core::model::InstrumentRef::Id(id) = &request.instrument else {
            return false;
        };
        let broker_core::model::Trigger::Limit { limit } = request.trigger else {
            return false;
        };
        let Some(quote) = self.engine.quote(id) else {
            return false;
        };
        match request.side {
            Side::Buy => quote.ask.is_some_and(|ask| limit >= ask),
            Side::Sell => quote.bid.is_some_and(|bid| limit <= bid),
        }
    }

    /// The order that a call names, by either id.
    pub(super) fn named(&mut self, params: &Params) -> Result<OrderId, Refusal> {
        match (params.get("txid"), params.get("cl_ord_id")) {
            (Some(txid), None) => self.order_id(txid),
            (None, Some(id)) => self.by_client_id(id),
            _ => Err(Refusal::argument("txid")),
        }
    }

    /// Charges the engine's counter for an order of this age.
    pub(super) fn charge_for(
        &mut self,
        id: &OrderId,
        least: u32,
        table: &[(i64, u32)],
        now: DateTime<Utc>,
    ) -> Result<(), Refusal> {
        let order = self.engine.order(&self.account, id)?.order();
        let age = order.created_at.map_or(TimeDelta::zero(), |at| now - at);
        let pair = order
            .legs
            .first()
            .map(|leg| leg.instrument.get().trim_start_matches("margin:").to_owned());
        let points = least + by_age(age, table);
        match points {
            0 => Ok(()),
            points => self.charge_orders(&pair.unwrap_or_default(), points, now),
        }
    }

    pub(super) fn cancel_order(&mut self, params: &Params, now: DateTime<Utc>) -> Reply {
        params.only(&["txid", "cl_ord_id"])?;
        let id = self.named(params)?;
        let table = [(5, 8), (10, 6), (15, 5), (45, 4), (90, 2), (300, 1)];
        self.charge_for(&id, 0, &table, now)?;
        self.engine.cancel(&self.account, &id, now)?;
        Ok(r#"{"count":1}"#.to_owned())
    }

    pub(super) fn cancel_all(&mut self, params: &Params, now: DateTime<Utc>) -> Reply {
        params.only(&[])?;
        let canceled = self.engine.cancel_all(&self.account, now)?;
        let count = canceled.iter().filter(|(_, result)| result.is_ok()).count();
        Ok(Object::new().raw("count", &count.to_string()).end())
    }

    pub(super) fn cancel_all_after(&mut self, params: &Params, now: DateTime<Utc>) -> Reply {
        params.only(&["timeout"])?;
        let timeout = params
            .number("timeout")?
            .filter(|timeout| (0..=86_400).contains(timeout));
        let timeout = timeout.ok_or_else(|| Refusal::argument("timeout"))?;
        self.cancel_all_at = (timeout > 0).then(|| now + TimeDelta::seconds(timeout));
        let stamp = |at: DateTime<Utc>| at.to_rfc3339_opts(SecondsFormat::Secs, true);
        Ok(Object::new()
            .text("currentTime", &stamp(now))
            .text("triggerTime", &self.cancel_all_at.map_or_else(|| "0".to_owned(), stamp))
            .end())
    }
}

/// Two to sixty seconds ahead; one that has passed is refused by the engine itself.
pub(super) fn check_deadline(params: &Params, now: DateTime<Utc>) -> Result<(), Refusal> {
    let Some(text) = params.get("deadline") else {
        return Ok(());
    };
    let deadline = DateTime::parse_from_rfc3339(text).map_err(|_| Refusal::argument("deadline"))?;
    let ahead = deadline.to_utc() - now;
    if ahead <= TimeDelta::zero() {
        return Err(Refusal::new("EService:Deadline elapsed"));
    }
    match (TimeDelta::seconds(2)..=TimeDelta::seconds(60)).contains(&ahead) {
        true => Ok(()),
        false => Err(Refusal::argument("deadline")),
    }
}

/// What a form asks for.
fn request(params: &Params, pair: &PairSpec, now: DateTime<Utc>) -> Result<OrderRequest, Refusal> {
    let side = match params.needed("type")? {
        "buy" => Side::Buy,
        "sell" => Side::Sell,
        _ => return Err(Refusal::argument("type")),
    };
    let on_margin = leverage(params, pair)?;
    let prefix = if on_margin { "margin:" } else { "" };
    let id = InstrumentId::from(format!("{prefix}{}", pair.key));
    let volume = params.decimal("volume")?.ok_or_else(|| Refusal::argument("volume"))?;
    let qty = Qty::new(volume)
        .ok()
        .filter(|qty| !qty.is_zero())
        .ok_or_else(|| Refusal::argument("volume"))?;
    let flags: Vec<&str> = params
        .get("oflags")
        .map(|flags| flags.split(',').collect())
        .unwrap_or_default();
    if flags
        .iter()
        .any(|flag| !["post", "fcib", "fciq", "nompp", "viqc"].contains(flag))
    {
        return Err(Refusal::argument("oflags"));
    }
    params.word("trigger", &["last", "index"])?;
    params.word("stptype", &["cancel-newest", "cancel-oldest", "cancel-both"])?;
    let mut order = priced(params, side, qty)?.with_instrument(id);
    if flags.contains(&"viqc") {
        if on_margin || side == Side::Sell || params.get("ordertype") != Some("market") {
            return Err(Refusal::argument("oflags"));
        }
        order = order.with_notional(qty, None);
    }
    if params.flag("reduce_only")? || params.get("ordertype") == Some("settle-position") {
        if !on_margin {
            return Err(Refusal::argument("reduce_only"));
        }
        order = order.with_reduce_only();
    }
    order = match params.word("timeinforce", &["GTC", "IOC", "GTD"])? {
        Some("GTD") => order.with_expiry(expiry(params, now)?),
        _ if params.get("expiretm").is_some() => return Err(Refusal::argument("expiretm")),
        Some("IOC") => order.with_time_in_force(TimeInForce::Ioc),
        _ => order.with_time_in_force(TimeInForce::Gtc),
    };
    if let Some(id) = params.get("cl_ord_id") {
        let plain = |id: &str| id.bytes().all(|byte| byte.is_ascii_graphic());
        let is_uuid = matches!(id.len(), 32 | 36) && id.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-');
        if !(is_uuid || (id.len() <= 18 && plain(id))) || params.get("userref").is_some() {
            return Err(Refusal::argument("cl_ord_id"));
        }
        order = order.with_client_id(ClientOrderId::from(id));
    }
    close(params, order)
}

fn leverage(params: &Params, pair: &PairSpec) -> Result<bool, Refusal> {
    let Some(text) = params.get("leverage").filter(|text| *text != "none") else {
        return Ok(false);
    };
    let steps = text
        .strip_suffix(":1")
        .unwrap_or(text)
        .parse()
        .map_err(|_| Refusal::argument("leverage"))?;
    match pair.leverage.contains(&steps) {
        true => Ok(true),
        false => Err(Refusal::argument("leverage")),
    }
}

/// The order by its type and its prices; a price that the type does not have is refused.
fn priced(params: &Params, side: Side, qty: Qty) -> Result<OrderRequest, Refusal> {
    let symbol = || "named by its id".into();
    let kind = params.needed("ordertype")?;
    let price = |name: &str| -> Result<Price, Refusal> {
        params
            .decimal(name)?
            .map(Price::new)
            .ok_or_else(|| Refusal::argument(name))
    };
    let without = |name: &str| match params.get(name) {
        Some(_) => Err(Refusal::argument(name)),
        None => Ok(()),
    };
    if kind != "iceberg" {
        without("displayvol")?;
    }
    if !kind.ends_with("-limit") {
        without("price2")?;
    }
    Ok(match kind {
        "market" | "settle-position" => {
            without("price")?;
            OrderRequest::market(symbol(), side, qty)
        }
        "limit" => OrderRequest::limit(symbol(), side, qty, price("price")?),
        "iceberg" => {
            let shown = params
                .decimal("displayvol")?
                .ok_or_else(|| Refusal::argument("displayvol"))?;
            if shown * Decimal::from(15) < qty.get() || shown > qty.get() {
                return Err(Refusal::argument("displayvol"));
            }
            OrderRequest::limit(symbol(), side, qty, price("price")?)
        }
        "stop-loss" => OrderRequest::stop(symbol(), side, qty, price("price")?),
        "stop-loss-limit" => OrderRequest::stop_limit(symbol(), side, qty, price("price")?, price("price2")?),
        "take-profit" => OrderRequest::market_if_touched(symbol(), side, qty, price("price")?),
        "take-profit-limit" => OrderRequest::limit_if_touched(symbol(), side, qty, price("price")?, price("price2")?),
        "trailing-stop" => OrderRequest::trailing_stop(symbol(), side, qty, trail(params.needed("price")?, "price")?),
        _ => return Err(Refusal::argument("ordertype")),
    })
}

/// `+100` or `+5%`: the sign must be there.
pub(super) fn trail(text: &str, name: &str) -> Result<Trail, Refusal> {
    let distance = text.strip_prefix('+').ok_or_else(|| Refusal::argument(name))?;
    let number = |text: &str| decimal(text).map_err(|_| Refusal::argument(name));
    match distance.strip_suffix('%') {
        Some(percent) => number(percent).map(Trail::Percent),
        None => number(distance).map(Trail::Amount),
    }
}

fn expiry(params: &Params, now: DateTime<Utc>) -> Result<DateTime<Utc>, Refusal> {
    let text = params.needed("expiretm")?;
    let wrong = || Refusal::argument("expiretm");
    let at = match text.strip_prefix('+') {
        Some(seconds) => now.timestamp() + seconds.parse::<i64>().map_err(|_| wrong())?,
        None => text.parse().map_err(|_| wrong())?,
    };
    let ahead = at - now.timestamp();
    let at = DateTime::from_timestamp(at, 0).filter(|_| (5..=LONGEST_EXPIRY).contains(&ahead));
    at.ok_or_else(wrong)
}

/// One order that closes what this one fills.
fn close(params: &Params, order: OrderRequest) -> Result<OrderRequest, Refusal> {
    let price = |name: &str| -> Result<Level, Refusal> {
        let price = params.decimal(name)?.ok_or_else(|| Refusal::argument(name))?;
        Ok(Level::Price(Price::new(price)))
    };
    Ok(match params.get("close[ordertype]") {
        None => order,
        Some("limit") => order.with_target(price("close[price]")?),
        Some("stop-loss") => order.with_stop(StopExit::Stop {
            stop: price("close[price]")?,
            limit: None,
        }),
        Some("stop-loss-limit") => order.with_stop(StopExit::Stop {
            stop: price("close[price]")?,
            limit: Some(price("close[price2]")?),
        }),
        Some("trailing-stop") => order.with_stop(StopExit::Trailing(trail(
            params.needed("close[price]")?,
            "close[price]",
        )?)),
        Some(_) => return Err(Refusal::argument("close[ordertype]")),
    })
}
