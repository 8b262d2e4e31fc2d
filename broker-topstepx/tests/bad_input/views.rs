//! What the model got from which field: answers.

use broker_core::model::{AccountStatus, Candle, InstrumentStatus, OrderStatus, Trail};
use broker_core::{Account, Balances, Error, Fill, Instrument, Order, Position, Price, Record, Side};
use broker_testkit::bad_input::{List, Raw, View};
use chrono::{DateTime, SubsecRound, Utc};
use rust_decimal::Decimal;

use super::ACCOUNT;

/// A success, and nothing else.
pub(super) fn succeeded() -> View {
    View::new()
        .fits("success", "a yes", |raw| raw.and_then(Raw::flag) == Some(true))
        .fits("errorCode", "no code", |raw| raw.is_some_and(|raw| raw.source() == "0"))
}

fn rows(path: &'static str, rows: Vec<View>) -> View {
    succeeded().list(List::rows(path, rows))
}

/// A number of the gateway's own, which we keep as text.
pub(super) fn numbered(view: View, path: &'static str, number: &str) -> View {
    let number = number.to_owned();
    view.fits(path, "its number", move |raw| {
        raw.is_some_and(|raw| raw.is_number() && raw.source() == number)
    })
}

fn maybe_numbered(view: View, path: &'static str, number: Option<&str>) -> View {
    match number {
        Some(number) => numbered(view, path, number),
        None => view.nothing(path),
    }
}

fn ours(view: View) -> View {
    numbered(view, "accountId", ACCOUNT)
}

/// A number by plain arithmetic: not by the reader that is tested.
pub(super) fn decimal(raw: Option<Raw<'_>>) -> Option<Decimal> {
    let text = raw?.number()?;
    let parsed = Decimal::from_scientific(&text).or_else(|_| Decimal::from_str_exact(&text));
    parsed.ok()
}

fn moment(view: View, path: &'static str, at: Option<DateTime<Utc>>) -> View {
    view.fits(path, "its moment, to a microsecond", move |raw| {
        let text = raw.and_then(Raw::text);
        let said = text.and_then(|text| DateTime::parse_from_rfc3339(&text).ok());
        said.map(|said| said.to_utc().trunc_subsecs(6)) == at
    })
}

fn choice(view: View, path: &'static str, expected: Vec<&'static str>) -> View {
    view.fits(path, "the number that stands for it", move |raw| {
        raw.is_some_and(|raw| raw.is_number() && expected.contains(&raw.source()))
    })
}

fn sided(view: View, side: Side) -> View {
    choice(view, "side", vec![if side == Side::Buy { "0" } else { "1" }])
}

pub(super) fn accounts(accounts: &[Account]) -> View {
    let row = |one: &Account| {
        let (tradable, name) = (one.status == AccountStatus::Active, one.name.as_ref().unwrap().get());
        let (trade, cancel, practice) = (one.access.trade, one.access.cancel, name.starts_with("PRAC"));
        numbered(View::new().text("name", name), "id", one.id.get())
            .fits("canTrade", "whether it is active", move |raw| {
                let said = raw.and_then(Raw::flag);
                said == Some(tradable) && trade == said.map(|said| said && practice)
            })
            .fits("simulated", "whether orders can be canceled", move |raw| {
                raw.map(|raw| raw.flag().is_some_and(|simulated| simulated && practice)) == cancel
            })
    };
    rows("accounts", accounts.iter().map(row).collect())
}

pub(super) fn balances(balances: &Balances) -> View {
    let total = balances.balances[0].total;
    succeeded().fits("accounts", "the balance of the first of that number", move |raw| {
        let mut all = raw.into_iter().flat_map(Raw::parts);
        let own = all.find(|row| row.get("id").is_some_and(|id| id.source() == ACCOUNT));
        decimal(own.and_then(|own| own.get("balance"))) == Some(total)
    })
}

/// The balance that a hub tells.
pub(super) fn balance(balances: &Balances) -> View {
    numbered(View::new(), "id", balances.account.get()).number("balance", balances.balances[0].total)
}

fn contract(one: &Instrument) -> View {
    let (tick, multiplier) = (one.ticks[0].tick, one.multiplier.unwrap());
    let active = one.status == InstrumentStatus::Tradable;
    View::new()
        .text("id", one.id.get())
        .fits("description", "the name", {
            let name = one.name.clone();
            move |raw| raw.and_then(Raw::text) == name
        })
        // Not every step and value give a multiplier.
        .scaled("tickSize", tick, 0)
        .fits("tickValue", "multiplier times tick", move |raw| {
            decimal(raw) == tick.checked_mul(multiplier)
        })
        .fits("activeContract", "whether it is traded", move |raw| {
            raw.and_then(Raw::flag) == Some(active)
        })
}

pub(super) fn contracts(contracts: &[Instrument]) -> View {
    rows("contracts", contracts.iter().map(contract).collect())
}

pub(super) fn one_contract(found: Option<&Instrument>) -> View {
    match found {
        Some(one) => succeeded().inside("contract", contract(one)),
        // That there is none is an answer, too.
        None => View::new()
            .fits("success", "a no", |raw| raw.and_then(Raw::flag) == Some(false))
            .fits("errorCode", "not found", |raw| {
                raw.is_some_and(|raw| raw.source() == "1")
            }),
    }
}

/// Outside of the day that was asked for.
fn is_elsewhere(raw: Raw<'_>, path: &str) -> bool {
    let text = raw.get(path).and_then(Raw::text);
    let said = text.and_then(|text| DateTime::parse_from_rfc3339(&text).ok());
    said.is_some_and(|said| said.to_utc().date_naive().to_string() != "2026-08-20")
}

pub(super) fn bars(candles: &[Candle]) -> View {
    let row = |one: &Candle| {
        let view = View::new().time("t", one.start);
        view.number("o", one.open.get())
            .number("h", one.high.get())
            .number("l", one.low.get())
            .number("c", one.close.get())
            .number("v", one.volume.unwrap())
    };
    let all = List::rows("bars", candles.iter().map(row).collect());
    succeeded().list(all.in_any_order().skipping(|raw| is_elsewhere(raw, "t")))
}

const STATUS: [(&str, OrderStatus); 8] = [
    ("1", OrderStatus::New),
    ("2", OrderStatus::Filled),
    ("3", OrderStatus::Canceled),
    ("4", OrderStatus::Expired),
    ("5", OrderStatus::Rejected),
    ("6", OrderStatus::New),
    ("7", OrderStatus::PendingCancel),
    ("8", OrderStatus::Held),
];

const KIND: [(&str, &str); 7] = [
    ("1", "limit"),
    ("2", "market"),
    ("3", "stop_limit"),
    ("4", "stop"),
    ("5", "trailing_stop"),
    ("6", "join_bid"),
    ("7", "join_ask"),
];

pub(super) fn order(one: &Order) -> View {
    let leg = &one.legs[0];
    let (status, kind, filled) = (one.status.clone(), one.kind.as_str().to_owned(), one.filled_qty);
    let broker_core::model::Amount::Qty(size) = one.amount else {
        panic!("{one:?}")
    };
    let view = numbered(View::new(), "id", one.id.get());
    let view = sided(ours(view), leg.side)
        .text("contractId", leg.instrument.get())
        .fits("status", "its state", move |raw| {
            let said = raw.filter(|raw| raw.is_number()).map(Raw::source).unwrap_or_default();
            let known = STATUS.iter().find(|(number, _)| *number == said);
            match known {
                Some((_, OrderStatus::New)) if !filled.is_zero() => status == OrderStatus::PartiallyFilled,
                Some((_, known)) => status == *known,
                None => status == OrderStatus::Other(said.into()) && !said.is_empty(),
            }
        })
        .fits("type", "its kind", move |raw| {
            let said = raw.filter(|raw| raw.is_number()).map(Raw::source).unwrap_or_default();
            let known = KIND.iter().find(|(number, _)| *number == said);
            kind == known.map_or(said, |(_, word)| word) && !said.is_empty()
        })
        // None is below zero.
        .scaled("size", size.get(), 0)
        .fits("fillVolume", "what filled, or nothing", move |raw| match raw {
            Some(raw) => decimal(Some(raw)) == Some(filled.get()),
            None => filled.is_zero(),
        })
        .maybe_number("limitPrice", one.limit_price.map(Price::get))
        .maybe_number("stopPrice", one.stop_price.map(Price::get))
        .maybe_text("customTag", one.client_id.as_ref().map(|id| id.get()));
    let view = match (one.average_price, filled.is_zero()) {
        (Some(average), _) => view.number("filledPrice", average.get()),
        // Of an order that did not fill it says nothing.
        (None, true) => view,
        (None, false) => view.nothing("filledPrice"),
    };
    let view = match one.trail {
        Some(Trail::Amount(amount)) => view.magnitude("trailPrice", amount),
        Some(Trail::Percent(_)) => panic!("{one:?}"),
        // Plain stops of a bracket have one, too.
        None if one.kind.as_str() != "trailing_stop" => view,
        None => view.nothing("trailPrice"),
    };
    let view = maybe_numbered(view, "parentOrderId", one.links.parent.as_ref().map(|id| id.get()));
    let view = moment(view, "creationTimestamp", one.created_at);
    moment(view, "updateTimestamp", one.updated_at)
}

pub(super) fn orders(orders: &[Order], final_alone: bool) -> View {
    let list = List::rows("orders", orders.iter().map(order).collect()).in_any_order();
    let list = match final_alone {
        true => list.skipping(|raw| {
            let status = raw.get("status").map(Raw::source).unwrap_or_default();
            is_elsewhere(raw, "creationTimestamp") || !["2", "3", "4", "5"].contains(&status)
        }),
        false => list.skipping(|raw| is_elsewhere(raw, "creationTimestamp")),
    };
    succeeded().list(list)
}

pub(super) fn one_order(one: &Order) -> View {
    succeeded().inside("order", order(one))
}

pub(super) fn position(one: &Position) -> View {
    let direction = match (one.qty.is_zero(), one.side) {
        (true, _) => vec!["0", "1", "2"],
        (false, Side::Buy) => vec!["1"],
        (false, Side::Sell) => vec!["2"],
    };
    let view = ours(View::new())
        .text("contractId", one.instrument.get())
        .scaled("size", one.qty.get(), 0)
        .number("averagePrice", one.average_price.unwrap().get());
    let view = choice(view, "type", direction);
    moment(view, "creationTimestamp", one.at)
}

pub(super) fn positions(positions: &[Position]) -> View {
    let list = List::rows("positions", positions.iter().map(position).collect());
    succeeded().list(list.skipping(|raw| decimal(raw.get("size")).is_some_and(|size| size.is_zero())))
}

fn fill(one: &Fill, voided: bool) -> View {
    let cost: Decimal = one.fees.iter().map(|fee| fee.amount).sum();
    let view = numbered(View::new(), "id", one.id.get());
    let view = numbered(view, "orderId", one.order.as_ref().unwrap().get());
    let view = sided(ours(view), one.side)
        .text("contractId", one.instrument.get())
        .number("price", one.price.get())
        // A fill of nothing is refused.
        .scaled("size", one.qty.get(), 0)
        .maybe_number("profitAndLoss", one.pnl.map(|pnl| pnl.amount))
        .fits("", "fees and commissions together", move |raw| {
            let of = |path| raw.and_then(|raw| raw.get(path));
            let commissions = match of("commissions") {
                None => Some(Decimal::ZERO),
                some => decimal(some),
            };
            let fees = decimal(of("fees"));
            fees.zip(commissions).and_then(|(fees, more)| fees.checked_add(more)) == Some(cost)
        })
        .fits("voided", "whether it was taken back", move |raw| {
            raw.and_then(Raw::flag) == Some(voided)
        });
    moment(view, "creationTimestamp", Some(one.at))
}

/// Fills, each with what takes it back behind it.
pub(super) fn fills(records: &[Record]) -> Vec<View> {
    let mut rows = Vec::new();
    let mut records = records.iter().peekable();
    while let Some(record) = records.next() {
        let Record::Fill(one) = record else {
            panic!("{record:?}")
        };
        let voided = records.next_if(|next| matches!(next, Record::Void(void) if void.fill == one.id));
        rows.push(fill(one, voided.is_some()));
    }
    rows
}

pub(super) fn trades(records: &[Record]) -> View {
    let list = List::rows("trades", fills(records)).in_any_order();
    succeeded().list(list.skipping(|raw| is_elsewhere(raw, "creationTimestamp")))
}

pub(super) fn placed(order: &Order) -> View {
    numbered(succeeded(), "orderId", order.id.get())
}

/// A refusal: its code, and its words as far as they can be shown.
pub(super) fn refused(error: &Error) -> View {
    let (code, message) = (
        error.code().unwrap().to_owned(),
        error.message().unwrap_or_default().to_owned(),
    );
    View::new()
        .fits("success", "a no", |raw| raw.and_then(Raw::flag) == Some(false))
        .fits("errorCode", "its code", move |raw| {
            raw.is_some_and(|raw| raw.is_number() && raw.source() == code && code != "0")
        })
        .fits("errorMessage", "its words", move |raw| {
            let words = raw.and_then(Raw::text).unwrap_or_default();
            // What is long is cut, and what cannot be printed is escaped.
            let plain = words.len() < 100 && words.chars().all(|c| c == ' ' || c.is_ascii_graphic());
            !plain || message.ends_with(&words)
        })
}
