//! Which endpoint a request is for.

use broker_sim::wire::WireRequest;
use chrono::{DateTime, Utc};

use super::data::Family;
use super::orders::Book;
use super::place::Floor;
use super::refusal::{Refusal, Reply};
use super::{AlpacaVenue, account, activities, assets, clock, close, data, orders, place};

impl AlpacaVenue {
    /// Unknown paths are 404, unknown methods of a known path 405.
    pub(super) fn route(&mut self, request: &WireRequest, now: DateTime<Utc>) -> Reply {
        let segments = request.segments();
        let path: Vec<&str> = segments.iter().map(String::as_str).collect();
        match path.as_slice() {
            ["v2", "orders", rest @ ..] => self.route_orders(request, rest, now),
            ["v2", "positions", rest @ ..] if request.method == "DELETE" => self.route_closing(request, rest, now),
            [
                "v2",
                "account" | "positions" | "assets" | "options" | "clock" | "calendar",
                ..,
            ]
            | ["v2", "orders:by_client_order_id"] => self.route_reads(request, &path, now),
            ["v2", "stocks", ..] | ["v1beta1" | "v1beta3", ..] => self.route_data(request, &path, now),
            _ => Err(unknown()),
        }
    }

    fn route_orders(&mut self, request: &WireRequest, rest: &[&str], now: DateTime<Utc>) -> Reply {
        match (request.method.as_str(), rest) {
            ("GET", []) => orders::list(&self.visible(now)?, request),
            ("POST", []) => place::place(&mut self.floor(now), request),
            ("DELETE", []) => orders::cancel_all(&mut self.engine, &self.account, request, now),
            ("GET", [id]) => orders::one(&self.visible(now)?, request, id),
            ("PATCH", [id]) => place::replace(&mut self.floor(now), request, id),
            ("DELETE", [id]) => orders::cancel(&mut self.engine, &self.account, request, id, now),
            (_, [] | [_]) => Err(Refusal::wrong_method()),
            _ => Err(unknown()),
        }
    }

    fn route_closing(&mut self, request: &WireRequest, rest: &[&str], now: DateTime<Utc>) -> Reply {
        match rest {
            [] => close::all(&mut self.floor(now), request),
            [name] => close::one(&mut self.floor(now), request, name),
            _ => Err(unknown()),
        }
    }

    fn floor(&mut self, now: DateTime<Utc>) -> Floor<'_> {
        Floor {
            engine: &mut self.engine,
            account: &self.account,
            now,
            allows_wash_trades: self.allows_wash_trades,
        }
    }

    /// The orders that lookups and lists show by now.
    fn visible(&self, now: DateTime<Utc>) -> Result<Book<'_>, Refusal> {
        let until = now.checked_sub_signed(self.visibility_lag).unwrap_or(now);
        Ok(Book::of(&self.engine, &self.account)?.until(until))
    }

    fn route_reads(&mut self, request: &WireRequest, path: &[&str], now: DateTime<Utc>) -> Reply {
        let known = matches!(
            path,
            [
                "v2",
                "account" | "positions" | "assets" | "clock" | "calendar" | "orders:by_client_order_id"
            ] | ["v2", "positions" | "assets", _]
                | ["v2", "account", "activities" | "configurations"]
                | ["v2", "account", "activities", _]
                | ["v2", "options", "contracts"]
                | ["v2", "options", "contracts", _]
        );
        if !known {
            return Err(unknown());
        }
        if request.method != "GET" {
            return Err(Refusal::wrong_method());
        }
        let (engine, account) = (&self.engine, &self.account);
        match path[1..] {
            ["account"] => account::account(engine, account, self.environment, request, now),
            ["account", "configurations"] => account::configurations(engine, account, request),
            ["account", "activities"] => self.activities(request, None, now),
            ["account", "activities", kind] => self.activities(request, Some(kind), now),
            ["positions"] => account::positions(engine, account, request, now),
            ["positions", name] => account::position(engine, account, request, name, now),
            ["orders:by_client_order_id"] => orders::by_client_id(&self.visible(now)?, request),
            ["assets"] => assets::list(engine, request),
            ["assets", name] => assets::one(engine, request, name),
            ["options", "contracts"] => assets::contract_list(engine, request, now),
            ["options", "contracts", name] => assets::contract(engine, request, name),
            ["clock"] => clock::clock(request, now),
            ["calendar"] => clock::calendar(request),
            _ => Err(unknown()),
        }
    }

    fn activities(&mut self, request: &WireRequest, kind: Option<&str>, now: DateTime<Utc>) -> Reply {
        let log = self
            .engine
            .log(&self.account)
            .map_err(|reject| place::refusal(&reject, None))?;
        self.ledger.read(log);
        activities::list(&self.ledger, request, kind, now)
    }

    fn route_data(&mut self, request: &WireRequest, path: &[&str], now: DateTime<Utc>) -> Reply {
        let (family, quotes) = match path {
            ["v2", "stocks", "quotes", "latest"] => (Family::Stocks, true),
            ["v1beta3", "crypto", "us", "latest", "quotes"] => (Family::Crypto, true),
            ["v1beta1", "options", "quotes", "latest"] => (Family::Options, true),
            ["v2", "stocks", "bars"] => (Family::Stocks, false),
            ["v1beta3", "crypto", "us", "bars"] => (Family::Crypto, false),
            ["v1beta1", "options", "bars"] => (Family::Options, false),
            _ => return Err(unknown()),
        };
        if request.method != "GET" {
            return Err(Refusal::wrong_method());
        }
        if quotes {
            data::quotes(&self.engine, family, request)
        } else {
            data::bars(&self.engine, family, request, now)
        }
    }
}

fn unknown() -> Refusal {
    Refusal::not_found("endpoint not found.")
}
