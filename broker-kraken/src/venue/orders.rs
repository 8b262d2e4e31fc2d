//! Reading orders.

use broker_core::model::{Amount, OrderKind, Trail};
use broker_core::{ClientOrderId, Order, OrderId, OrderStatus, Side, TimeInForce};
use broker_sim::SimOrder;
use chrono::{DateTime, Utc};
use rust_decimal::Decimal;

use super::KrakenVenue;
use super::account::pair_key;
use super::catalogue::PairSpec;
use super::ids;
use super::json::{Object, padded};
use super::params::Params;
use super::refusal::{Refusal, Reply};

/// Orders of one `QueryOrders`.
const MOST_IDS: usize = 50;

impl KrakenVenue {
    /// Whether lists and lookups show an order by now. That of a conditional close is there once its parent filled.
    fn shows(&self, order: &SimOrder, now: DateTime<Utc>) -> bool {
        let until = now.checked_sub_signed(self.visibility_lag).unwrap_or(now);
        let order = order.order();
        let waits = order.links.parent.is_some() && order.status == OrderStatus::Held;
        order.created_at.is_none_or(|at| at <= until) && !waits
    }

    /// The engine's id of one of Kraken's.
    pub(super) fn order_id(&mut self, txid: &str) -> Result<OrderId, Refusal> {
        if !ids::is_order(txid) {
            return Err(Refusal::new("EOrder:Invalid order"));
        }
        let known = self.order_ids.len();
        let new = self.engine.orders_behind(&self.account, known)?;
        let new: Vec<_> = new
            .map(|order| (ids::order(&order.order().id), order.order().id.clone()))
            .collect();
        self.order_ids.extend(new);
        self.order_ids
            .get(txid)
            .cloned()
            .ok_or_else(|| Refusal::new("EOrder:Unknown order"))
    }

    pub(super) fn open_orders(&self, params: &Params, now: DateTime<Utc>) -> Reply {
        params.only(&["trades", "userref", "cl_ord_id", "rebase_multiplier"])?;
        let mut rows = Object::new();
        for order in self.engine.open_orders(&self.account)? {
            if self.shows(order, now) && is_wanted(order.order(), params) {
                rows = rows.raw(&ids::order(&order.order().id), &self.render(order));
            }
        }
        Ok(Object::new().raw("open", &rows.end()).end())
    }

    pub(super) fn closed_orders(&self, params: &Params, now: DateTime<Utc>) -> Reply {
        params.only(&[
            "trades",
            "userref",
            "cl_ord_id",
            "start",
            "end",
            "ofs",
            "closetime",
            "consolidate_taker",
            "without_count",
            "rebase_multiplier",
        ])?;
        let by = params.word("closetime", &["open", "close", "both"])?.unwrap_or("both");
        let start = params.number("start")?.unwrap_or_default();
        let end = params.number("end")?.unwrap_or(i64::MAX);
        let offset =
            usize::try_from(params.number("ofs")?.unwrap_or_default()).map_err(|_| Refusal::argument("ofs"))?;
        let inside = |at: Option<DateTime<Utc>>| {
            at.is_some_and(|at| {
                let part = at.timestamp_subsec_nanos() > 0;
                let second = at.timestamp();
                (second > start || (second == start && part)) && (second < end || (second == end && !part))
            })
        };
        let in_time = |order: &Order| match by {
            "open" => inside(order.created_at),
            "close" => inside(order.updated_at),
            _ => inside(order.created_at) || inside(order.updated_at),
        };
        let ended = |one: &&SimOrder| {
            let order = one.order();
            order.status.is_final() && is_wanted(order, params) && in_time(order) && self.shows(one, now)
        };
        let mut found: Vec<&SimOrder> = self.engine.orders(&self.account)?.filter(ended).collect();
        // Newest first, by the time that was asked for.
        found.sort_by_key(|order| {
            let order = order.order();
            let at = if by == "open" {
                order.created_at
            } else {
                order.updated_at
            };
            std::cmp::Reverse(at)
        });
        let count = found.len();
        let rows = found
            .iter()
            .skip(offset)
            .take(self.page)
            .fold(Object::new(), |rows, order| {
                rows.raw(&ids::order(&order.order().id), &self.render(order))
            });
        Ok(Object::new()
            .raw("closed", &rows.end())
            .raw("count", &count.to_string())
            .end())
    }

    pub(super) fn query_orders(&mut self, params: &Params, now: DateTime<Utc>) -> Reply {
        params.only(&["txid", "trades", "userref", "consolidate_taker", "rebase_multiplier"])?;
        let asked: Vec<String> = params.needed("txid")?.split(',').map(str::to_owned).collect();
        if asked.len() > MOST_IDS {
            return Err(Refusal::argument("txid"));
        }
        let found = asked
            .iter()
            .map(|txid| self.order_id(txid))
            .collect::<Result<Vec<_>, _>>()?;
        let mut rows = Object::new();
        for id in found {
            let order = self.engine.order(&self.account, &id)?;
            if !self.shows(order, now) {
                return Err(Refusal::new("EOrder:Unknown order"));
            }
            rows = rows.raw(&ids::order(&id), &self.render(order));
        }
        Ok(rows.end())
    }

    /// The order that carries this id, the open one first.
    pub(super) fn by_client_id(&self, id: &str) -> Result<OrderId, Refusal> {
        let found = self.engine.order_by_client_id(&self.account, &ClientOrderId::from(id));
        found
            .map(|order| order.order().id.clone())
            .map_err(|_| Refusal::new("EOrder:Unknown order"))
    }

    fn render(&self, order: &SimOrder) -> String {
        let shown = order.order();
        let instrument = shown
            .legs
            .first()
            .and_then(|leg| self.engine.instrument(&leg.instrument));
        let Some(instrument) = instrument else {
            return "null".to_owned();
        };
        let side = shown.legs.first().map_or(Side::Buy, |leg| leg.side);
        let on_margin = instrument.id.get().starts_with("margin:");
        let pair = PairSpec::of(pair_key(instrument))
            .map(PairSpec::altname)
            .unwrap_or_default();
        let places = PairSpec::of(pair_key(instrument)).map_or(5, |pair| pair.places);
        let price =
            |price: Option<broker_core::Price>| padded(price.map(|price| price.get()).unwrap_or_default(), places);
        let (kind, first, second) = words(shown, &price);
        let (volume, in_quote) = match shown.amount {
            Amount::Qty(qty) => (qty.get(), false),
            Amount::Notional(money) => (money.amount, true),
        };
        let average = shown.average_price.map(|price| price.get()).unwrap_or_default();
        let leverage = if on_margin { "5:1" } else { "none" };
        let descr = Object::new()
            .text("pair", &pair)
            .text("type", &side.to_string())
            .text("ordertype", kind)
            .text("price", &first)
            .text("price2", &second)
            .text("leverage", leverage)
            .text(
                "order",
                &format!("{side} {} {pair} @ {kind} {first}", padded(volume, 8)),
            )
            .text("close", "");
        let mut flags = vec!["fciq"];
        if in_quote {
            flags.push("viqc");
        }
        let ended = shown.status.is_final();
        let mut object = match &shown.links.parent {
            Some(parent) => Object::new().text("refid", &ids::order(parent)),
            None => Object::new().raw("refid", "null"),
        };
        object = object.raw("userref", "0");
        if let Some(id) = &shown.client_id {
            object = object.text("cl_ord_id", id.get());
        }
        object = object.text("status", status(&shown.status));
        if ended {
            object = object
                .text("reason", reason(&shown.status))
                .seconds("closetm", shown.updated_at);
        }
        let expires = shown
            .expires_at
            .filter(|_| shown.time_in_force == Some(TimeInForce::Gtd));
        let trails = shown.trail.is_some();
        object
            .seconds("opentm", shown.created_at)
            .seconds("starttm", None)
            .seconds("expiretm", expires)
            .raw("descr", &descr.end())
            .decimal("vol", volume, 8)
            .decimal("vol_exec", shown.filled_qty.get(), 8)
            .decimal("cost", shown.filled_qty.get() * average, 5)
            .decimal("fee", Decimal::ZERO, 5)
            .decimal("price", average, 5)
            .text("stopprice", &price(shown.stop_price.filter(|_| trails)))
            .text("limitprice", &padded(Decimal::ZERO, 5))
            .text("misc", "")
            .text("oflags", &flags.join(","))
            .text("trigger", "last")
            .end()
    }
}

fn is_wanted(order: &Order, params: &Params) -> bool {
    let asked = params.get("cl_ord_id");
    asked.is_none_or(|asked| order.client_id.as_ref().is_some_and(|id| id.get() == asked))
}

/// Kraken's word for the kind.
pub(super) fn kind_word(order: &Order) -> &'static str {
    words(order, &|_| String::new()).0
}

/// Kraken's word for the kind, and its two prices.
fn words(order: &Order, price: &impl Fn(Option<broker_core::Price>) -> String) -> (&'static str, String, String) {
    let nothing = || "0".to_owned();
    match order.kind {
        OrderKind::Limit => ("limit", price(order.limit_price), nothing()),
        OrderKind::Stop => ("stop-loss", price(order.stop_price), nothing()),
        OrderKind::StopLimit => ("stop-loss-limit", price(order.stop_price), price(order.limit_price)),
        OrderKind::MarketIfTouched => ("take-profit", price(order.stop_price), nothing()),
        OrderKind::LimitIfTouched => ("take-profit-limit", price(order.stop_price), price(order.limit_price)),
        OrderKind::TrailingStop => {
            let distance = match order.trail {
                Some(Trail::Amount(amount)) => format!("+{}", amount.normalize()),
                Some(Trail::Percent(percent)) => format!("+{}%", padded(percent, 4)),
                None => nothing(),
            };
            ("trailing-stop", distance, nothing())
        }
        _ => ("market", nothing(), nothing()),
    }
}

fn status(status: &OrderStatus) -> &'static str {
    match status {
        OrderStatus::PendingNew => "pending",
        OrderStatus::Filled => "closed",
        OrderStatus::Canceled | OrderStatus::Rejected | OrderStatus::Replaced => "canceled",
        OrderStatus::Expired => "expired",
        _ => "open",
    }
}

fn reason(status: &OrderStatus) -> &'static str {
    match status {
        OrderStatus::Canceled => "User requested",
        OrderStatus::Replaced => "Replaced",
        OrderStatus::Rejected => "Insufficient margin",
        _ => "",
    }
}
