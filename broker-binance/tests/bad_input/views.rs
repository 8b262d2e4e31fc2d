//! What the model got from which field: answers about orders, fills and accounts.

use broker_core::model::{Amount, Asset, Group, OrderKind, OrderStatus, Trail};
use broker_core::{Account, Balances, Error, Fill, Order, OrderId, Price, Record, Side, TimeInForce};
use broker_testkit::bad_input::{List, Raw, View, Word, Words};
use chrono::{DateTime, Utc};
use rust_decimal::Decimal;

/// A model's word: one of its own, or what was sent.
macro_rules! word {
    ($word:expr, $other:pat => $text:expr) => {
        match $word {
            $other => Word::Other($text.to_string()),
            known => Word::Known(known.as_str().to_owned()),
        }
    };
}

pub(super) use word;

/// A number by plain arithmetic: not by the reader that is tested.
pub(super) fn decimal(raw: Option<Raw<'_>>) -> Option<Decimal> {
    let text = raw?.number()?;
    let parsed = Decimal::from_scientific(&text).or_else(|_| Decimal::from_str_exact(&text));
    parsed.ok()
}

/// A whole number, written bare.
pub(super) fn whole(raw: Option<Raw<'_>>) -> Option<i64> {
    raw.filter(|raw| raw.is_number())?.source().parse().ok()
}

/// A number of Binance's own, which we keep as text.
pub(super) fn numbered(view: View, path: &'static str, number: &str) -> View {
    let number = number.to_owned();
    view.fits(path, "its number", move |raw| {
        raw.is_some_and(|raw| raw.is_number() && raw.source() == number)
    })
}

pub(super) fn moment(view: View, path: &'static str, at: DateTime<Utc>) -> View {
    view.fits(path, "its milliseconds", move |raw| {
        whole(raw) == Some(at.timestamp_millis())
    })
}

/// The first of these that is there.
fn moment_of(view: View, paths: [&'static str; 2], at: Option<DateTime<Utc>>) -> View {
    view.fits("", "its milliseconds", move |raw| {
        let said = paths.iter().find_map(|path| raw.and_then(|raw| raw.get(path)));
        whole(said) == at.map(|at| at.timestamp_millis())
    })
}

/// Symbol and number of an order's id.
fn parts(id: &OrderId) -> (String, String) {
    let (symbol, number) = id.get().rsplit_once(':').unwrap();
    (symbol.to_owned(), number.to_owned())
}

/// A price of zero is none.
pub(super) fn price(view: View, path: &'static str, price: Option<Price>) -> View {
    match price {
        Some(price) => view.number(path, price.get()),
        None => view.fits(path, "a price of zero, or none", |raw| {
            raw.is_none() || decimal(raw).is_some_and(|price| price.is_zero())
        }),
    }
}

pub(super) const STATUS: Words = &[
    ("NEW", "new"),
    ("PENDING_NEW", "held"),
    ("PARTIALLY_FILLED", "partially_filled"),
    ("FILLED", "filled"),
    ("CANCELED", "canceled"),
    ("PENDING_CANCEL", "pending_cancel"),
    ("REJECTED", "rejected"),
    ("EXPIRED", "expired"),
    ("EXPIRED_IN_MATCH", "expired"),
];
const KIND: Words = &[
    ("MARKET", "market"),
    ("LIMIT", "limit"),
    ("LIMIT_MAKER", "limit"),
    ("STOP_LOSS", "stop"),
    ("TAKE_PROFIT", "market_if_touched"),
    ("STOP_LOSS_LIMIT", "stop_limit"),
    ("TAKE_PROFIT_LIMIT", "limit_if_touched"),
];
/// Of orders that trail.
const TRAILING_KIND: Words = &[
    ("MARKET", "market"),
    ("LIMIT", "limit"),
    ("LIMIT_MAKER", "limit"),
    ("STOP_LOSS", "trailing_stop"),
    ("TAKE_PROFIT", "trailing_stop"),
    ("STOP_LOSS_LIMIT", "trailing_stop_limit"),
    ("TAKE_PROFIT_LIMIT", "trailing_stop_limit"),
];
const TIMES: Words = &[("GTC", "gtc"), ("IOC", "ioc"), ("FOK", "fok")];

/// The names under which an order's values stand.
pub(super) struct Names {
    pub(super) symbol: &'static str,
    pub(super) number: &'static str,
    pub(super) status: &'static str,
    pub(super) kind: &'static str,
    pub(super) side: &'static str,
    pub(super) time_in_force: &'static str,
    pub(super) qty: &'static str,
    pub(super) money: &'static str,
    pub(super) filled: &'static str,
    pub(super) cost: &'static str,
    pub(super) price: &'static str,
    pub(super) stop: &'static str,
    pub(super) trail: &'static str,
    pub(super) created: [&'static str; 2],
    pub(super) updated: [&'static str; 2],
}

pub(super) const ANSWER: Names = Names {
    symbol: "symbol",
    number: "orderId",
    status: "status",
    kind: "type",
    side: "side",
    time_in_force: "timeInForce",
    qty: "origQty",
    money: "origQuoteOrderQty",
    filled: "executedQty",
    cost: "cummulativeQuoteQty",
    price: "price",
    stop: "stopPrice",
    trail: "trailingDelta",
    created: ["time", "transactTime"],
    updated: ["updateTime", "transactTime"],
};

pub(super) const REPORT: Names = Names {
    symbol: "s",
    number: "i",
    status: "X",
    kind: "o",
    side: "S",
    time_in_force: "f",
    qty: "q",
    money: "Q",
    filled: "z",
    cost: "Z",
    price: "p",
    stop: "P",
    trail: "d",
    created: ["O", "O"],
    updated: ["T", "T"],
};

const AMEND: Names = Names {
    qty: "qty",
    money: "quoteOrderQty",
    cost: "cumulativeQuoteQty",
    ..ANSWER
};

/// All but the client order id, which stands elsewhere in the answer to a cancel.
pub(super) fn terms(one: &Order, names: &Names) -> View {
    let leg = &one.legs[0];
    let (symbol, number) = parts(&one.id);
    assert_eq!(leg.instrument.get(), symbol, "{one:?}");
    assert_eq!((leg.filled_qty, leg.average_price), (one.filled_qty, one.average_price));
    let (filled, average) = (one.filled_qty.get(), one.average_price);
    let cost = names.cost;
    let view = numbered(View::new(), names.number, &number)
        .one_of(names.symbol, [symbol])
        .word(
            names.status,
            word!(&one.status, OrderStatus::Other(text) => text),
            STATUS,
        )
        .one_of(names.side, [if leg.side == Side::Buy { "BUY" } else { "SELL" }])
        .number(names.filled, filled)
        .fits(cost, "the average price times what filled", move |raw| {
            let Some(cost) = decimal(raw) else { return false };
            // Below zero it is not known.
            let expected = if cost < Decimal::ZERO || filled.is_zero() {
                None
            } else {
                cost.checked_div(filled)
            };
            expected == average.map(Price::get)
        });
    let view = match one.amount {
        Amount::Qty(qty) => view.number(names.qty, qty.get()),
        Amount::Notional(money) => view.number(names.money, money.amount).one_of(names.kind, ["MARKET"]),
    };
    let view = match one.time_in_force.as_ref().unwrap() {
        TimeInForce::Other(text) => view.word(names.time_in_force, Word::Other(text.to_string()), TIMES),
        known => view.word(names.time_in_force, Word::Known(known.as_str().to_owned()), TIMES),
    };
    let view = price(view, names.price, one.limit_price);
    let view = price(view, names.stop, one.stop_price);
    let kind = word!(&one.kind, OrderKind::Other(text) => text);
    match one.trail {
        Some(Trail::Percent(percent)) => {
            // A hundredth of a percent is the unit: not every number has room for its places.
            view.word(names.kind, kind, TRAILING_KIND)
                .scaled(names.trail, percent, -2)
        }
        Some(Trail::Amount(_)) => panic!("{one:?}"),
        None => view
            .word(names.kind, kind, KIND)
            .fits(names.trail, "no distance", |raw| {
                raw.is_none() || decimal(raw).is_some_and(|units| units.is_zero())
            }),
    }
}

fn times(view: View, one: &Order, names: &Names) -> View {
    let view = moment_of(view, names.created, one.created_at);
    moment_of(view, names.updated, one.updated_at)
}

fn reasoned(view: View, one: &Order) -> View {
    view.maybe_text("expiryReason", one.reason.as_deref())
}

/// As a query tells it.
pub(super) fn order(one: &Order) -> View {
    let view = times(terms(one, &ANSWER), one, &ANSWER);
    reasoned(view, one).maybe_text("clientOrderId", one.client_id.as_ref().map(|id| id.get()))
}

/// As its placing is answered: under our id.
pub(super) fn placed(one: &Order) -> View {
    let view = times(terms(one, &ANSWER), one, &ANSWER);
    view.one_of("clientOrderId", [one.client_id.as_ref().unwrap().get()])
}

/// The id of the order is the one that it had, and the other is the cancel's.
fn canceled(one: &Order) -> View {
    let view = times(terms(one, &ANSWER), one, &ANSWER);
    let id = one.client_id.as_ref().map(|id| id.get().to_owned());
    view.fits("", "its own id, where it is told", move |raw| {
        let of = |path| raw.and_then(|raw| raw.get(path)).and_then(Raw::text);
        of("origClientOrderId")
            .or_else(|| of("clientOrderId"))
            .filter(|id| !id.is_empty())
            == id
    })
}

pub(super) fn both(canceled_one: &Order, placed_one: &Order) -> View {
    View::new()
        .one_of("cancelResult", ["SUCCESS"])
        .one_of("newOrderResult", ["SUCCESS"])
        .inside("cancelResponse", canceled(canceled_one))
        .inside("newOrderResponse", placed(placed_one))
}

/// The order was canceled, and the new one refused.
pub(super) fn half(error: &Error) -> View {
    let code = error.code().unwrap().to_owned();
    View::new()
        .fits("code", "its code", move |raw| {
            raw.is_some_and(|raw| raw.source() == code)
        })
        .one_of("data.cancelResult", ["SUCCESS"])
        .fits("data.newOrderResult", "a word", |raw| raw.and_then(Raw::text).is_some())
}

pub(super) fn amended(one: &Order) -> View {
    // Stop and trail are those of before, which the answer leaves out.
    let bare = Order {
        stop_price: None,
        trail: None,
        ..one.clone()
    };
    let view = terms(&bare, &AMEND).maybe_text("clientOrderId", one.client_id.as_ref().map(|id| id.get()));
    moment(
        View::new().inside("amendedOrder", view),
        "transactTime",
        one.updated_at.unwrap(),
    )
}

/// The orders of a list, by their numbers, and the word for how they hang together.
pub(super) fn linked(one: &Order) -> View {
    let links = &one.links;
    let others = links.parent.iter().chain(&links.siblings).chain(&links.children);
    let ids: Vec<OrderId> = others.chain([&one.id]).cloned().collect();
    let rows = ids
        .iter()
        .map(parts)
        .map(|(symbol, number)| numbered(View::new(), "orderId", &number).one_of("symbol", [symbol]));
    let list = List::rows("orders", rows.collect()).in_any_order();
    let view = View::new().list(list);
    match links.group.as_ref().unwrap() {
        Group::Oco => view.one_of("contingencyType", ["OCO"]),
        Group::Bracket | Group::Oto => view.one_of("contingencyType", ["OTO"]),
        Group::Other(word) => view.word(
            "contingencyType",
            Word::Other(word.to_string()),
            &[("OCO", ""), ("OTO", "")],
        ),
        other => panic!("{other:?}"),
    }
}

pub(super) fn is_elsewhere(raw: Raw<'_>, path: &str) -> bool {
    whole(raw.get(path)).is_some_and(|at| !super::WINDOW.contains(&at))
}

pub(super) fn orders(orders: &[Order], open_alone: bool) -> View {
    let rows = List::rows("", orders.iter().map(order).collect()).in_any_order();
    View::new().list(match open_alone {
        true => rows.skipping(|raw| {
            let status = raw.get("status").and_then(Raw::text).unwrap_or_default();
            let done = ["FILLED", "CANCELED", "REJECTED", "EXPIRED", "EXPIRED_IN_MATCH"];
            is_elsewhere(raw, "time") || done.contains(&status.as_str())
        }),
        false => rows.skipping(|raw| is_elsewhere(raw, "time")),
    })
}

/// What was taken of an execution's fee, in which coin.
pub(super) fn fee(view: View, one: &Fill, paths: [&'static str; 2]) -> View {
    match one.fees.as_slice() {
        [] => view.fits(paths[0], "no fee", |raw| decimal(raw).is_some_and(|fee| fee.is_zero())),
        [fee] => view
            .number(paths[0], fee.amount)
            .one_of(paths[1], [fee.currency.code()]),
        more => panic!("{more:?}"),
    }
}

/// A trade, or an allocation: that has no order in its id.
fn fill(record: &Record, number: &'static str) -> View {
    let Record::Fill(one) = record else {
        panic!("{record:?}")
    };
    let (symbol, order) = parts(one.order.as_ref().unwrap());
    let id = one.id.get().to_owned();
    let own = match number {
        "id" => id
            .strip_prefix(&format!("{symbol}:"))
            .and_then(|rest| rest.strip_suffix(&format!(":{order}"))),
        _ => id.strip_prefix(&format!("{symbol}:A")),
    };
    let view = numbered(View::new(), number, own.unwrap());
    let view = numbered(view, "orderId", &order)
        .one_of("symbol", [one.instrument.get()])
        .number("price", one.price.get())
        .number("qty", one.qty.get())
        .maybe_flag("isBuyer", Some(one.side == Side::Buy))
        .maybe_flag(
            "isMaker",
            Some(one.liquidity == Some(broker_core::model::Liquidity::Maker)),
        );
    moment(fee(view, one, ["commission", "commissionAsset"]), "time", one.at)
}

pub(super) fn fills(records: &[Record], number: &'static str, whole_page: bool) -> View {
    let rows = records.iter().map(|record| fill(record, number)).collect();
    let list = List::rows("", rows).in_any_order();
    View::new().list(match whole_page {
        true => list,
        false => list.skipping(|raw| is_elsewhere(raw, "time")),
    })
}

pub(super) fn account(one: &Account) -> View {
    numbered(View::new(), "uid", one.id.get()).maybe_flag("canTrade", one.access.trade)
}

pub(super) fn balances(balances: &Balances) -> View {
    let row = |one: &broker_core::model::Balance| {
        let (total, held) = (one.total, one.held.unwrap());
        View::new()
            .one_of("asset", [one.currency.code()])
            .scaled("free", one.available.unwrap(), 0)
            .scaled("locked", held, 0)
            .fits("", "free and locked together", move |raw| {
                let of = |path| decimal(raw.and_then(|raw| raw.get(path)));
                let sum = of("free")
                    .zip(of("locked"))
                    .and_then(|(free, locked)| free.checked_add(locked));
                sum == Some(total)
            })
    };
    let view = numbered(View::new(), "uid", balances.account.get());
    let view = moment(view, "updateTime", balances.at.unwrap());
    view.list(List::rows("balances", balances.balances.iter().map(row).collect()))
}

/// Coin and amount of a row without a trade.
pub(super) fn moved(record: &Record) -> (String, Decimal, DateTime<Utc>) {
    match record {
        Record::Flow(flow) => {
            let Asset::Currency(coin) = &flow.asset else {
                panic!("{flow:?}")
            };
            (coin.code().to_owned(), flow.amount, flow.at)
        }
        Record::Fee(fee) => {
            let Asset::Currency(coin) = &fee.asset else {
                panic!("{fee:?}")
            };
            (coin.code().to_owned(), fee.amount, fee.at)
        }
        other => panic!("{other:?}"),
    }
}

/// A refusal: its code, and its words as far as they can be shown.
pub(super) fn refused(error: &Error) -> View {
    let (code, message) = (
        error.code().unwrap().to_owned(),
        error.message().unwrap_or_default().to_owned(),
    );
    let view = View::new().fits("code", "its code", move |raw| {
        raw.is_some_and(|raw| raw.is_number() && raw.source() == code)
    });
    view.fits("msg", "its words", move |raw| {
        let words = raw.and_then(Raw::text).unwrap_or_default();
        // What is long is cut, and what cannot be printed is escaped.
        let plain = words.len() < 100 && words.chars().all(|c| c == ' ' || c.is_ascii_graphic());
        !plain || message.ends_with(&words)
    })
}
