//! What the model got from which field: messages of the streams.

use broker_alpaca::AlpacaBroker;
use broker_core::model::{Event, Void};
use broker_core::seam::Frame;
use broker_core::{Error, ErrorKind, Fill, Order, Quote, Record, Result};
use broker_testkit::bad_input::{List, Raw, View};
use bytes::Bytes;

use super::common::account;
use super::{records, views};

/// What books a fill, and what takes one back.
const FILLS: [&str; 2] = ["fill", "partial_fill"];
const BUST: &str = "trade_bust";
const CORRECTION: &str = "trade_correct";

/// As paper sends it.
fn frame(body: &[u8]) -> Frame {
    Frame::Binary(Bytes::copy_from_slice(body))
}

/// A frame of the account's stream; a refusal that it tells is its value, too.
pub(crate) fn trade_update(body: &[u8]) -> Result<View> {
    match AlpacaBroker::read_trade_updates(&account(), &frame(body)) {
        Ok(events) if events.is_empty() => Ok(View::new().fits("", "nothing that happened", tells_nothing)),
        Ok(events) => Ok(update(events)),
        Err(error) if error.kind() == ErrorKind::Auth => Ok(refused(&error)),
        Err(error) if error.kind() == ErrorKind::Permission => {
            Ok(View::new()
                .one_of("stream", ["listening"])
                .fits("data.streams", "not ours", |raw| !raw.is_some_and(names_ours)))
        }
        Err(error) => Err(error),
    }
}

fn text(raw: Option<Raw<'_>>, path: &str) -> Option<String> {
    raw?.get(path)?.text()
}

fn names_ours(streams: Raw<'_>) -> bool {
    streams
        .parts()
        .any(|name| name.text().as_deref() == Some("trade_updates"))
}

fn tells_nothing(raw: Option<Raw<'_>>) -> bool {
    match text(raw, "stream").as_deref() {
        Some("authorization") => text(raw, "data.status").as_deref() == Some("authorized"),
        Some("listening") => raw.and_then(|raw| raw.get("data.streams")).is_some_and(names_ours),
        Some(other) => other != "trade_updates",
        None => false,
    }
}

fn refused(error: &Error) -> View {
    let shown = error.message().unwrap().to_owned();
    View::new()
        .one_of("stream", ["authorization"])
        .fits("data.status", "its word, which is no yes", move |raw| {
            let word = raw.and_then(Raw::text).filter(|word| word != "authorized");
            word.is_some_and(|word| views::shown_as(&format!("the stream answered {word:?}"), &shown))
        })
}

fn update(events: Vec<Event>) -> View {
    let (mut booked, mut orders) = (Vec::new(), Vec::new());
    for event in events {
        match event {
            Event::Record(record) if orders.is_empty() => booked.push(*record),
            Event::Order(order) => orders.push(*order),
            other => panic!("not told by an order's event, or not there: {other:?}"),
        }
    }
    let data = View::new().inside("order", records::group(&orders));
    let data = match booked.as_slice() {
        [] => data.fits("", "an event that books nothing", books_nothing),
        [Record::Fill(one)] => fill(
            data.one_of("event", FILLS).text("execution_id", one.id.get()),
            one,
            &orders[0],
        ),
        [Record::Void(one)] => void(data.one_of("event", [BUST]), one),
        [Record::Void(old), Record::Fill(new)] => {
            assert_eq!(old.id.get(), format!("void:{}", new.id));
            fill(void(data.one_of("event", [CORRECTION]), old), new, &orders[0])
        }
        other => panic!("{other:?}"),
    };
    View::new().one_of("stream", ["trade_updates"]).inside("data", data)
}

/// Legs of a multi-leg order are booked by the history alone.
fn books_nothing(raw: Option<Raw<'_>>) -> bool {
    let has_legs = raw
        .and_then(|raw| raw.get("order.legs"))
        .is_some_and(|legs| legs.parts().next().is_some());
    let legs = (has_legs || text(raw, "order.order_class").as_deref() == Some("mleg"))
        && text(raw, "order.symbol").is_none_or(|symbol| symbol.is_empty());
    let event = text(raw, "event");
    event.is_some_and(|event| legs || !FILLS.into_iter().chain([BUST, CORRECTION]).any(|one| one == event))
}

/// What it is a fill of is what its order says.
fn fill(data: View, fill: &Fill, order: &Order) -> View {
    let leg = &order.legs[0];
    assert_eq!((&fill.account, fill.order.as_ref()), (&account(), Some(&order.id)));
    assert_eq!(
        (&fill.client_order, &fill.symbol, fill.side),
        (&order.client_id, &leg.symbol, leg.side)
    );
    assert_eq!(fill.instrument, leg.instrument);
    let row = data.number("price", fill.price.get()).time("timestamp", fill.at);
    // A fill of nothing is refused, so not every number can be read.
    row.scaled("qty", fill.qty.get(), 0)
}

fn void(data: View, void: &Void) -> View {
    assert_eq!(void.account, account());
    data.text("execution_id", void.id.get().strip_prefix("void:").unwrap())
        .text("previous_execution_id", void.fill.get())
        .time("timestamp", void.at)
}

/// A frame of market data; an error that it tells is its value, too.
pub(crate) fn market_data(body: &[u8]) -> Result<View> {
    match AlpacaBroker::read_quotes(&frame(body)) {
        Ok(quotes) => Ok(told(&quotes)),
        Err(error) => match error.code() {
            Some(code) => Ok(trouble(code.to_owned(), error.message().unwrap_or_default().to_owned())),
            None => Err(error),
        },
    }
}

fn told(quotes: &[Quote]) -> View {
    let row = |one: &Quote| views::quote(View::new().one_of("T", ["q"]).text("S", one.symbol.get()), one);
    let rows = List::rows("", quotes.iter().map(row).collect());
    View::new().list(rows.skipping(|raw| {
        let kind = text(Some(raw), "T");
        kind.is_some_and(|kind| kind != "q" && kind != "error")
    }))
}

fn trouble(code: String, message: String) -> View {
    View::new().fits("", "the first error in it", move |raw| {
        let mut rows = raw.into_iter().flat_map(Raw::parts);
        let Some(row) = rows.find(|row| text(Some(*row), "T").as_deref() == Some("error")) else {
            return false;
        };
        let number = row.get("code").and_then(Raw::number).unwrap_or_default();
        // Written in another way than as plain digits, it is not the same text.
        let plain = number.bytes().all(|byte| byte.is_ascii_digit()) && !(number.len() > 1 && number.starts_with('0'));
        let words = text(Some(row), "msg").unwrap_or_default();
        (number == code || !plain) && views::shown_as(&words, &message)
    })
}

/// An event of an order.
pub(crate) fn event(word: &str, order: &str, more: &str) -> String {
    format!(
        r#"{{"stream":"trade_updates","data":{{"event":"{word}","event_id":"01ARYZ6S41TSV4RRFFQ69G5FAV","execution_id":"e-17","order":{order},"timestamp":"2026-03-18T14:33:58.547942111Z"{more}}}}}"#
    )
}

pub(crate) const AUTHORIZED: &str =
    r#"{"stream":"authorization","data":{"status":"authorized","action":"authenticate"}}"#;

pub(crate) const UNAUTHORIZED: &str =
    r#"{"stream":"authorization","data":{"status":"unauthorized","action":"listen"}}"#;

pub(crate) const LISTENING: &str = r#"{"stream":"listening","data":{"streams":["account_updates","trade_updates"]}}"#;

pub(crate) const QUOTES: &str = r#"[
  {"T":"q","S":"AAPL","bx":"K","bp":161.19,"bs":5,"ax":"K","ap":161.20,"as":2,"c":["R"],"z":"C","t":"2026-03-18T14:33:58.547942111Z"},
  {"T":"t","S":"AAPL","i":52983525029461,"x":"V","p":161.2,"s":100,"c":["@"],"z":"C","t":"2026-03-18T14:33:58.6Z"},
  {"T":"q","S":"MSFT","bp":402.5,"bs":1,"ap":0,"as":0,"t":"2026-03-18T14:33:59Z"},
  {"T":"q","S":"ETH/USD","bp":"2010.00000001","bs":1e-3,"ap":2010.5,"as":0.125,"t":"2026-03-18T14:33:59.1Z"}]"#;

pub(crate) const SUBSCRIBED: &str =
    r#"[{"T":"subscription","trades":[],"quotes":["AAPL","MSFT"],"bars":[],"updatedBars":null,"statuses":["*"]}]"#;

pub(crate) const TROUBLES: [&str; 3] = [
    r#"[{"T":"error","code":402,"msg":"auth failed"}]"#,
    r#"[{"T":"error","code":406,"msg":"connection limit exceeded"},{"T":"success","msg":"connected"}]"#,
    r#"[{"T":"q","S":"AAPL","bp":1,"bs":1,"ap":2,"as":1,"t":"2026-03-18T14:33:59Z"},{"T":"error","code":407,"msg":"slow client"}]"#,
];
