//! What the model got from which field: messages of the streams.

use broker_core::model::{Event, Liquidity};
use broker_core::seam::Frame;
use broker_core::{Broker, ErrorKind, Order, Record, Result, Side};
use broker_testkit::bad_input::{Raw, View};
use bytes::Bytes;

use super::markets;
use super::views::{self, REPORT};
use super::{Wire, account};

fn frame(body: &[u8]) -> Frame {
    Frame::Binary(Bytes::copy_from_slice(body))
}

fn text(raw: Option<Raw<'_>>, path: &str) -> Option<String> {
    raw?.get(path)?.text()
}

/// A frame of the account's stream. A refusal that it tells is its value, too.
pub(super) fn account_frame(wire: &Wire, body: &[u8]) -> Result<View> {
    let now = wire.broker.context().clock().now().timestamp_millis();
    let read = wire.run(wire.broker.read_account_frame(&account(), &frame(body)));
    let events = match read {
        Err(error) if error.code().is_some() => return Ok(refused(&error, now)),
        // It goes down, or ends.
        Err(error) if error.kind() == ErrorKind::Unavailable => {
            let kind = error.message().unwrap_or_default().to_owned();
            return Ok(View::new().one_of("event.e", [kind]));
        }
        read => read?,
    };
    let (mut fills, mut orders) = (Vec::new(), Vec::new());
    for event in events {
        match event {
            Event::Record(record) if orders.is_empty() => fills.push(*record),
            Event::Order(order) => orders.push(*order),
            other => panic!("{other:?}"),
        }
    }
    Ok(match (fills.as_slice(), orders.as_slice()) {
        ([], []) => View::new().fits("", "nothing that is told from it alone", tells_nothing),
        ([], [one]) => View::new().inside(
            "event",
            report(one).fits("x", "no trade", |raw| {
                raw.and_then(Raw::text).is_some_and(|word| word != "TRADE")
            }),
        ),
        ([Record::Fill(fill)], rest @ ([] | [_])) => {
            let maker = fill.liquidity == Some(Liquidity::Maker);
            let order = fill.order.as_ref().unwrap().get().to_owned();
            let id = fill.id.get().to_owned();
            let view = match rest {
                [one] => report(one),
                // What it hangs together with is read.
                _ => View::new().fits("g", "a list that was not told", |raw| {
                    views::whole(raw).is_some_and(|list| list >= 0)
                }),
            };
            let view = views::fee(view, fill, ["n", "N"])
                .one_of("x", ["TRADE"])
                .one_of("S", [if fill.side == Side::Buy { "BUY" } else { "SELL" }])
                .number("L", fill.price.get())
                .number("l", fill.qty.get())
                .maybe_flag("m", Some(maker))
                .fits("", "symbol, trade and order", move |raw| {
                    let number = |path| views::whole(raw.and_then(|raw| raw.get(path)));
                    let (Some(symbol), Some(own)) = (text(raw, "s"), number("i")) else {
                        return false;
                    };
                    let trade = match number("t") {
                        Some(trade) if trade >= 0 => format!("{symbol}:{trade}:{own}"),
                        _ => format!("{symbol}:A{}", number("a").unwrap_or_default()),
                    };
                    id == trade && order == format!("{symbol}:{own}")
                });
            View::new().inside("event", views::moment(view, "T", fill.at))
        }
        other => panic!("{other:?}"),
    })
}

fn report(one: &Order) -> View {
    let (id, reason) = (one.client_id.as_ref().map(|id| id.get().to_owned()), one.reason.clone());
    let view = views::terms(one, &REPORT).one_of("e", ["executionReport"]);
    let view = views::moment(view, "O", one.created_at.unwrap());
    views::moment(view, "T", one.updated_at.unwrap())
        .fits("", "its own id: with a cancel it stands in C", move |raw| {
            let canceled = text(raw, "x").as_deref() == Some("CANCELED");
            let own = text(raw, "C").filter(|own| canceled && !own.is_empty());
            own.or_else(|| text(raw, "c")).filter(|id| !id.is_empty()) == id
        })
        .fits("", "why", move |raw| {
            let word = |path| text(raw, path).filter(|word| !matches!(word.as_str(), "" | "NONE"));
            word("eR").or_else(|| word("r")) == reason
        })
        .fits("g", "no list", |raw| {
            raw.is_none() || views::whole(raw).is_some_and(|list| list < 0)
        })
}

/// Another kind of event, an answer that says yes, or an order of a list, which is read.
fn tells_nothing(raw: Option<Raw<'_>>) -> bool {
    let event = raw.and_then(|raw| raw.get("event"));
    match text(event, "e") {
        Some(kind) if kind == "executionReport" => {
            let list = event.and_then(|event| event.get("g"));
            views::whole(list).is_some_and(|list| list >= 0) && text(event, "x").as_deref() != Some("TRADE")
        }
        Some(kind) => !["serverShutdown", "eventStreamTerminated"].contains(&kind.as_str()),
        None => event.is_none() && views::whole(raw.and_then(|raw| raw.get("status"))) == Some(200),
    }
}

fn refused(error: &broker_core::Error, now: i64) -> View {
    let (code, wait) = (error.code().unwrap().to_owned(), error.retry_after());
    View::new()
        .fits("event", "no event", |raw| raw.is_none())
        .fits("error.code", "its code", move |raw| {
            raw.is_some_and(|raw| raw.source() == code)
        })
        .fits("error.data", "until when to wait", move |raw| {
            let until = views::whole(raw.and_then(|raw| raw.get("retryAfter")));
            let left = until.map(|until| u64::try_from(until.saturating_sub(now)).unwrap_or_default());
            left.map(std::time::Duration::from_millis) == wait
        })
}

/// A frame of a stream of quotes.
pub(super) fn quote_frame(wire: &Wire, body: &[u8]) -> Result<View> {
    let instruments = ["BTCUSDT".into()];
    let events = match wire.run(wire.broker.read_quote_frame(&instruments, &frame(body))) {
        Err(error) if error.code().is_some() => {
            let code = error.code().unwrap().to_owned();
            return Ok(View::new().fits("", "its code", move |raw| {
                let of = |path| raw.and_then(|raw| raw.get(path)).map(Raw::source);
                of("error.code").or_else(|| of("code")) == Some(code.as_str())
            }));
        }
        events => events?,
    };
    Ok(match events.as_slice() {
        [] => View::new().fits("", "no quote", |raw| {
            let stream = text(raw, "stream");
            let refused = raw.and_then(|raw| raw.get("error")).is_some();
            let other = text(raw, "data.s").is_some_and(|symbol| symbol != "BTCUSDT");
            !refused && (other || !stream.is_some_and(|name| name.ends_with("@bookTicker")))
        }),
        [Event::Quote(quote)] => {
            let row = markets::quote(quote, ["s", "b", "B", "a", "A"]);
            View::new()
                .fits("stream", "a stream of quotes", |raw| {
                    raw.and_then(Raw::text)
                        .is_some_and(|name| name.ends_with("@bookTicker"))
                })
                .inside("data", row)
        }
        other => panic!("{other:?}"),
    })
}
